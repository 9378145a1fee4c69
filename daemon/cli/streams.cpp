// Tails and exports: what nudged streams, line by line.
#include <chrono>
#include <cstdio>
#include <thread>

#include "daemon/cli/commands.h"
#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

constexpr auto kPause = std::chrono::seconds(2);  // before a tail is asked for again

// Takes server-sent events apart and prints what they say.
class Messages {
 public:
  explicit Messages(std::string& last) : last_(last) {}
  bool take(std::string_view piece) {
    text_ += piece;
    for (std::size_t end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
      line(std::string_view(text_).substr(0, end));
      text_.erase(0, end + 1);
    }
    std::fflush(stdout);
    return ended_.empty();
  }
  // What the last message was, when nudged ended the tail.
  const std::string& ended() const { return ended_; }

 private:
  void line(std::string_view line) {
    if (line.starts_with("id: ")) id_ = line.substr(4);
    if (line.starts_with("event: ")) event_ = line.substr(7);
    if (line.starts_with("data: ")) data_ = line.substr(6);
    if (!line.empty()) return;
    if (event_ == "end")
      ended_ = data_;
    else if (!data_.empty() && event_ != "open")
      std::printf("%s\n", data_.c_str());
    if (!id_.empty()) last_ = id_;
    event_.clear();
    data_.clear();
  }
  std::string& last_;
  std::string text_, id_, event_, data_, ended_;
};

}  // namespace

Exit tail(const Output& out, Client& client, const StreamOptions& options) {
  const std::string path = "/v1/tail/" + url_escape(options.what) +
                           query({{"customer", options.customer}, {"rule", options.rule}, {"event", options.event}, {"segment", options.segment}});
  std::string last;
  while (true) {
    std::vector<std::string> headers{"Accept: text/event-stream"};
    if (!last.empty()) headers.push_back("Last-Event-ID: " + last);
    Messages messages(last);
    const auto reply = client.stream(path, headers, [&](std::string_view piece) { return messages.take(piece); });
    if (reply && reply->status != 200) return report(out, error_of(*reply));
    if (!reply && last.empty()) return report(out, reply.error());
    if (!messages.ended().empty()) {
      const auto why = Json::parse(messages.ended());
      return report(out, {Code::unavailable, why ? (*why)["detail"].shown() : messages.ended()});
    }
    std::this_thread::sleep_for(kPause);
  }
}

Exit export_all(const Output& out, Client& client, const StreamOptions& options) {
  bool written = true;
  const auto reply = client.stream("/v1/export/" + url_escape(options.what), {}, [&](std::string_view piece) {
    written = std::fwrite(piece.data(), 1, piece.size(), stdout) == piece.size();
    return written;
  });
  if (reply && reply->status != 200) return report(out, error_of(*reply));
  if (!reply || !written || std::fflush(stdout) != 0)
    return report(out, {Code::unavailable, say("the export was cut off: what was written is not all of it") + (reply ? "" : "; " + reply.error().message)});
  return Exit::ok;
}

}  // namespace nudge::cli
