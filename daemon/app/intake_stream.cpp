#include "daemon/app/intake_stream.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>

#include "daemon/app/intake_answer.h"
#include "daemon/app/splitter.h"
#include "daemon/log/log.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kPartsMax = 8;            // under way at once
constexpr std::size_t kResultsMax = 1'000'000;  // listed in an answer; the counts are of all
constexpr std::size_t kProblemsMax = 10'000;    // the same of what did not fit
constexpr std::size_t kLiveBytes = 256 * 1024;  // said and not yet taken by the client
constexpr std::size_t kAnswerPiece = 32 * 1024;
constexpr std::size_t kPlainResults = 2000;  // so many are answered in one piece

struct Told {
  std::uint64_t index;
  LineResult result;
};

struct Part {
  std::uint64_t first = 0, documents = 0, lines = 0;  // the first: its index in the request
  bool done = false;
  std::vector<Told> told;  // live: what to say of it
};

// All of a request: fed on the I/O thread, told by the committer's how its parts ended.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(Runtime& runtime, StreamOptions options, http::Responder responder, http::StreamHandle body)
      : runtime_(runtime),
        options_(std::move(options)),
        body_(std::move(body)),
        responder_(std::move(responder)),
        splitter_(options_.array, options_.document_bytes_max) {}

  void open() {
    if (!options_.live) return;
    http::Response head;
    head.content_type = "application/x-ndjson";
    answer_ = responder_.stream(std::move(head), [self = shared_from_this()](std::string& out) { return self->pull(out); });
  }

  // --- on the I/O thread

  bool data(std::string_view bytes) {
    if (stopped()) return true;
    splitter_.feed(bytes);
    return ready();
  }

  bool ready() {
    if (stopped()) return true;
    while (splitter_.has_part()) {
      {
        const std::lock_guard lock(mutex_);
        if (parts_under_way_ >= kPartsMax || live_.size() > kLiveBytes) return false;
      }
      if (!submit()) return stopped();
    }
    if (splitter_.failed()) stop(error_answer(*splitter_.failed()));
    return true;
  }

  bool end() {
    if (stopped()) return true;
    splitter_.end();
    if (!ready()) return false;
    const std::unique_lock lock(mutex_);
    if (why_) return true;
    ended_ = true;
    finish_if_through();
    return true;
  }

  void broken(http::Response why) {
    {
      const std::lock_guard lock(mutex_);
      log::info("a request broke off before its end", {{"documents_on_disk", acknowledged_}, {"status", why.status}});
    }
    stop(std::move(why));
  }

 private:
  static http::Response error_answer(const Error& error) {
    return http::problem(error.code == Code::too_large ? 413 : 400, error.code == Code::too_large ? "too_large" : "invalid", error.message);
  }

  bool stopped() {
    const std::lock_guard lock(mutex_);
    return why_.has_value() || answered_;
  }

  // Nothing more is taken in; answered once what is under way has ended.
  void stop(http::Response why) {
    const std::unique_lock lock(mutex_);
    if (why_ || answered_) return;
    why_ = std::move(why);
    finish_if_through();
  }

  // Gives the splitter's part to the runtime. False: not now, or stopped.
  bool submit() {
    const Splitter::Part& next = splitter_.part();
    auto job = std::make_unique<Job>();
    job->body.reserve(next.text.size() + kIntakePadding);
    job->body = next.text;
    job->import = options_.import;
    job->customer = options_.customer;
    const Result<Frames> frames = split_body(job->body, options_.array ? Framing::guess : Framing::lines, runtime_.options().documents_max);
    if (!frames) {
      // Lines of nothing but spaces are no documents.
      if (frames.error().code == Code::invalid && !options_.array) {
        splitter_.take_part();
        return true;
      }
      stop(error_answer(frames.error()));
      return false;
    }
    std::uint64_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      number = first_part_ + parts_.size();
      parts_.push_back({received_, frames->spans.size(), next.lines, false, {}});
      ++parts_under_way_;
    }
    job->done = [self = shared_from_this(), number](Job& done) { self->part_done(number, done); };
    Result<void> taken = runtime_.ingest(std::move(job), options_.array ? Framing::guess : Framing::lines);
    if (taken) {
      received_ += frames->spans.size();
      splitter_.take_part();
      return true;
    }
    bool alone = false;
    {
      const std::lock_guard lock(mutex_);
      parts_.pop_back();
      --parts_under_way_;
      alone = received_ == 0;
    }
    // A full queue passes; whoever has begun waits for it.
    if (!is_queue_full(taken.error()) || alone) stop(refuse_intake(taken.error()));
    return false;
  }

  // --- on the committer's thread

  void part_done(std::uint64_t number, Job& job) {
    const std::unique_lock lock(mutex_);
    Part& part = parts_[number - first_part_];
    part.done = true;
    --parts_under_way_;
    if (job.failure) {
      failed_ = true;
      why_ = answer_intake(job, false);
    } else {
      for (std::size_t i = 0; i < job.results.size(); ++i) keep(part, part.first + i, job.results[i]);
    }
    while (!failed_ && !parts_.empty() && parts_.front().done) {
      acknowledge(parts_.front());
      parts_.pop_front();
      ++first_part_;
    }
    finish_if_through();
    body_.wake();
  }

  // The functions below are called with the mutex held.

  void keep(Part& part, std::uint64_t index, LineResult& result) {
    ++counts_[static_cast<std::size_t>(result.outcome)];
    const bool problem = result.outcome == LineOutcome::conflict || result.outcome == LineOutcome::quarantined;
    if (options_.live) {
      if (problem) part.told.push_back({index, std::move(result)});
      return;
    }
    if (options_.all && index < kResultsMax) {
      if (outcomes_.size() <= index) outcomes_.resize(index + 1, LineOutcome::pending);
      outcomes_[index] = result.outcome;
    }
    if (problem && problems_.size() < kProblemsMax) problems_.push_back({index, std::move(result)});
  }

  void acknowledge(Part& part) {
    acknowledged_ += part.documents;
    lines_ += part.lines;
    if (!options_.live) return;
    for (const Told& told : part.told) {
      Json json;
      write_line(json, told.index, told.result);
      live_ += json.take() + "\n";
    }
    Json json;
    json.begin_object();
    write_counts(json, "acknowledged", acknowledged_);
    json.end_object();
    live_ += json.take() + "\n";
    answer_.wake();
  }

  void write_counts(Json& json, std::string_view name, std::uint64_t n) const {
    json.field(name, n);
    if (options_.live && !options_.array) json.field("lines", lines_);
    for (const LineOutcome outcome : {LineOutcome::stored, LineOutcome::duplicate, LineOutcome::conflict, LineOutcome::quarantined})
      json.field(line_outcome_name(outcome), counts_[static_cast<std::size_t>(outcome)]);
  }

  void finish_if_through() {
    if (answered_ || parts_under_way_ != 0 || (!ended_ && !why_)) return;
    answered_ = true;
    if (options_.live) {
      Json json;
      json.begin_object();
      if (why_) {
        json.field_raw("error", with_acknowledged(std::move(why_->body)));
      } else {
        json.field("done", true);
        write_counts(json, "received", acknowledged_);
      }
      json.end_object();
      live_ += json.take() + "\n";
      answer_.wake();
      return;
    }
    if (why_) {
      if (acknowledged_ != 0 || why_->status == 400) why_->body = with_acknowledged(std::move(why_->body));
      return responder_.send(*std::move(why_));
    }
    answer();
  }

  // The problem with how far it came.
  std::string with_acknowledged(std::string body) const {
    const std::size_t end = body.rfind('}');
    if (end == std::string::npos) return body;
    body.resize(end);
    body += ",\"acknowledged\":" + std::to_string(acknowledged_);
    if (!options_.array) body += ",\"lines\":" + std::to_string(lines_);
    const std::string mend =
        failed_              ? "what comes after those that are acknowledged may be on disk or not: send it again with the same ids"
        : acknowledged_ == 0 ? "nothing of this request was taken in"
        : options_.array ? "so many documents from the start are on disk and nothing else: send the rest, or all again with the same ids"
                         : "so many documents, of so many lines from the start, are on disk and nothing else: send the rest, or all again "
                           "with the same ids";
    return body + ",\"mend\":\"" + mend + "\"}";
  }

  // As POST /v1/events answers many documents; written piece by piece.
  void answer() {
    std::ranges::sort(problems_, {}, &Told::index);
    Json json;
    json.begin_object();
    write_counts(json, "received", received_);
    const std::uint64_t listed = options_.all ? outcomes_.size() : problems_.size();
    const std::uint64_t wanted = options_.all ? received_
                                              : counts_[static_cast<std::size_t>(LineOutcome::conflict)] +
                                                    counts_[static_cast<std::size_t>(LineOutcome::quarantined)];
    if (wanted > listed) json.field("left_out", wanted - listed);  // of `results`
    http::Response head;
    head.body = json.take() + ",\"results\":[";
    if (listed <= kPlainResults) {
      while (pull_results_locked(head.body) == http::Pull::more) {}
      return responder_.send(std::move(head));
    }
    responder_.stream(std::move(head), [self = shared_from_this()](std::string& out) { return self->pull_results(out); });
  }

  http::Pull pull_results(std::string& out) {
    const std::lock_guard lock(mutex_);
    return pull_results_locked(out);
  }

  http::Pull pull_results_locked(std::string& out) {
    const std::size_t most = out.size() + kAnswerPiece;
    const std::uint64_t all = options_.all ? outcomes_.size() : problems_.size();
    while (written_ < all && out.size() < most) {
      const bool by_index = options_.all;
      while (by_index && problem_at_ < problems_.size() && problems_[problem_at_].index < written_) ++problem_at_;
      const std::size_t at = by_index ? problem_at_ : written_;
      Json json;
      if (at < problems_.size() && (!by_index || problems_[at].index == written_)) {
        write_line(json, problems_[at].index, problems_[at].result);
      } else {
        LineResult plain;
        plain.outcome = outcomes_[written_];
        write_line(json, written_, plain);
      }
      if (written_++ != 0) out.push_back(',');
      out += json.take();
    }
    if (written_ < all) return http::Pull::more;
    out += "]}\n";
    return http::Pull::done;
  }

  http::Pull pull(std::string& out) {
    const std::lock_guard lock(mutex_);
    if (live_.empty()) return answered_ ? http::Pull::done : http::Pull::later;
    const bool full = live_.size() > kLiveBytes;
    out += live_;
    live_.clear();
    if (full) body_.wake();
    return answered_ ? http::Pull::done : http::Pull::more;
  }

  Runtime& runtime_;
  const StreamOptions options_;
  const http::StreamHandle body_;
  http::Responder responder_;
  http::StreamHandle answer_;  // live
  // The I/O thread's while the body comes; read by others only after.
  Splitter splitter_;
  std::uint64_t received_ = 0;  // given to the runtime

  std::mutex mutex_;  // guards all below
  std::deque<Part> parts_;
  std::uint64_t first_part_ = 0;
  std::size_t parts_under_way_ = 0;
  std::uint64_t acknowledged_ = 0, lines_ = 0;
  std::uint64_t counts_[5] = {};
  std::vector<LineOutcome> outcomes_;
  std::vector<Told> problems_;
  std::string live_;
  std::optional<http::Response> why_;  // it ends early
  bool failed_ = false, ended_ = false, answered_ = false;
  std::uint64_t written_ = 0;
  std::size_t problem_at_ = 0;
};

class Sink : public http::BodySink {
 public:
  explicit Sink(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  bool data(std::string_view bytes) override { return stream_->data(bytes); }
  bool ready() override { return stream_->ready(); }
  bool end() override { return stream_->end(); }
  void broken(http::Response why) override { stream_->broken(std::move(why)); }

 private:
  std::shared_ptr<Stream> stream_;
};

}  // namespace

std::unique_ptr<http::BodySink> open_intake_stream(Runtime& runtime, StreamOptions options, http::Responder responder,
                                                   http::StreamHandle body) {
  auto stream = std::make_shared<Stream>(runtime, std::move(options), std::move(responder), std::move(body));
  stream->open();
  return std::make_unique<Sink>(std::move(stream));
}

}  // namespace nudge::daemon
