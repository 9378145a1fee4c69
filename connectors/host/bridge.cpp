#include "connectors/host/bridge.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "connectors/host/plugin.h"
#include "connectors/host/protocol.h"
#include "connectors/sdk/raw_json.h"

namespace nudge::connectors {

namespace json = boost::json;

namespace {

json::string_view sv(std::string_view s) { return {s.data(), s.size()}; }

// A payload may be as deep as the host lets it be, and stands one level down in its line.
json::value parse_line(std::string_view line, json::error_code& error) {
  json::parse_options options;
  options.max_depth = 64;
  return json::parse(sv(line), error, {}, options);
}

// Writes whole lines to the protocol's descriptor. Thread-safe.
class Output {
 public:
  Output() : fd_(::dup(1)) { ::dup2(2, 1); }
  // `result`: one more member, its bytes as they are; empty: none.
  void line(const json::object& object, std::string_view result = {}) {
    std::string text = json::serialize(object);
    if (!result.empty()) {
      text.back() = ',';
      text += "\"result\":" + one_line(result) + "}";
    }
    text += '\n';
    const std::lock_guard lock(mutex_);
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t put = ::write(fd_, text.data() + at, text.size() - at);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) ::_exit(0);  // nobody listens any more
      at += static_cast<std::size_t>(put);
    }
  }
  void log(int level, const std::string& text) {
    static constexpr std::array<const char*, 4> kLevels{"debug", "info", "warning", "error"};
    line({{"op", "log"},
          {"level", kLevels[static_cast<std::size_t>(std::clamp(level, 0, 3))]},
          {"text", sv(clean_text(text, kDetailBytesMax))}});
  }

 private:
  std::mutex mutex_;
  int fd_;
};

// Lines of standard input. One thread.
class Input {
 public:
  std::optional<std::string> next() {
    for (;;) {
      if (const std::size_t end = buffer_.find('\n', searched_); end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        searched_ = 0;
        return line;
      }
      searched_ = buffer_.size();
      if (buffer_.size() > 2 * kRequestBytesMax) return std::nullopt;
      std::array<char, 65536> room;
      const ssize_t got = ::read(0, room.data(), room.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return std::nullopt;
      buffer_.append(room.data(), static_cast<std::size_t>(got));
    }
  }

 private:
  std::string buffer_;
  std::size_t searched_ = 0;
};

struct Job {
  std::string line;
  json::object fields;
};

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(sv(key));
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::int64_t integer_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(sv(key));
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

class Server {
 public:
  Server(Plugin& plugin, Output& output) : plugin_(plugin), output_(output) {}

  bool hello(const json::object& fields, std::string_view line) {
    std::string_view config = sdk::raw_member(line, "config");
    if (config.empty()) config = "{}";
    std::string why;
    for (const std::string& problem : plugin_.validate(config)) why += (why.empty() ? "" : "; ") + problem;
    if (why.empty())
      if (auto made = plugin_.create(config); !made) why = made.error();
    json::error_code error;
    json::value description = json::parse(sv(plugin_.describe()), error);
    if (why.empty() && (error || !description.is_object())) why = "the plugin's description is no JSON object";
    if (why.empty()) why = start_threads(static_cast<std::size_t>(std::clamp<std::int64_t>(integer_of(fields, "max_in_flight"), 1, 64)));
    json::object reply = why.empty() ? description.get_object() : json::object{};
    reply.erase("config_schema");
    reply["id"] = integer_of(fields, "id");
    reply["op"] = "hello";
    reply["ok"] = why.empty();
    reply["protocol"] = kProtocolVersion;
    reply["ping"] = true;
    if (!why.empty()) reply["detail"] = sv(why);
    output_.line(reply);
    if (!why.empty()) return false;
    return true;
  }

  void add(Job job) {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    more_.notify_one();
  }

  void finish() {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    more_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  // Fewer threads than wanted do the work too, only slower.
  std::string start_threads(std::size_t count) {
    try {
      while (threads_.size() < count) threads_.emplace_back([this] { work(); });
    } catch (const std::exception& error) {
      if (threads_.empty()) return std::string("no thread can be started, is the memory limit too low? ") + error.what();
      output_.log(
          2, "only " + std::to_string(threads_.size()) + " of " + std::to_string(count) + " threads could be started: " + error.what());
    }
    return {};
  }

  void work() {
    for (;;) {
      Job job;
      {
        std::unique_lock lock(mutex_);
        more_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      run(job);
    }
  }

  void run(const Job& job) {
    const std::array<std::string, 5> texts{text_of(job.fields, "action_id"), text_of(job.fields, "kind"), text_of(job.fields, "channel"),
                                           text_of(job.fields, "customer_id"), text_of(job.fields, "provider_ref")};
    const std::string_view payload = sdk::raw_member(job.line, "payload");
    const auto str = [](std::string_view s) { return nudge_str{s.data(), s.size()}; };
    nudge_request request{};
    request.struct_size = sizeof request;
    request.abi_major = NUDGE_ABI_MAJOR;
    request.abi_minor = NUDGE_ABI_MINOR;
    request.attempt = static_cast<std::uint32_t>(std::clamp<std::int64_t>(integer_of(job.fields, "attempt"), 1, 1'000'000));
    request.created_ms = integer_of(job.fields, "created_ms");
    request.deadline_ms = integer_of(job.fields, "deadline_ms");
    request.action_id = str(texts[0]);
    request.kind = str(texts[1]);
    request.channel = str(texts[2]);
    request.customer_id = str(texts[3]);
    request.provider_ref = str(texts[4]);
    request.payload = str(payload.empty() ? std::string_view("{}") : payload);
    const std::string op = text_of(job.fields, "op");
    if (request.deadline_ms > 0 && wall_ms() >= request.deadline_ms) {
      // It waited for a thread for too long. Nobody hears the answer; what counts is that it is not sent behind the books' back.
      output_.line({{"id", integer_of(job.fields, "id")},
                    {"status", "not_sent"},
                    {"retryable", true},
                    {"detail", "its deadline passed before it was begun"}});
      return;
    }
    const Outcome outcome = op == "receive" ? plugin_.receive(request) : op == "query" ? plugin_.query(request) : plugin_.deliver(request);
    json::object reply{{"id", integer_of(job.fields, "id")}, {"status", sv(to_string(outcome.status))}};
    if (outcome.status == OutcomeStatus::not_sent) reply["retryable"] = outcome.retryable;
    if (outcome.retry_after_ms > 0) reply["retry_after_ms"] = outcome.retry_after_ms;
    if (outcome.http_status != 0) reply["http_status"] = outcome.http_status;
    if (!outcome.provider_ref.empty()) reply["provider_ref"] = sv(outcome.provider_ref);
    if (!outcome.detail.empty()) reply["detail"] = sv(outcome.detail);
    output_.line(reply, outcome.result_json);
  }

  Plugin& plugin_;
  Output& output_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<Job> jobs_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

void refuse(Output& output, const json::object& fields, const std::string& why) {
  output.line({{"id", integer_of(fields, "id")}, {"op", "hello"}, {"ok", false}, {"protocol", kProtocolVersion}, {"detail", sv(why)}});
}

}  // namespace

int serve_plugin(const std::string& plugin_path) {
  Output output;
  Input input;
  auto loaded = Plugin::load(plugin_path, [&output](int level, const std::string& text) { output.log(level, text); });
  std::optional<Server> server;
  if (loaded) server.emplace(**loaded, output);
  bool ready = false;
  while (std::optional<std::string> line = input.next()) {
    json::error_code error;
    json::value value = parse_line(*line, error);
    if (error || !value.is_object()) {
      output.log(3, "a request that is no JSON object was ignored");
      continue;
    }
    json::object& fields = value.get_object();
    const std::string op = text_of(fields, "op");
    if (op == "stop") break;
    if (op == "ping") output.line({{"id", integer_of(fields, "id")}, {"op", "pong"}});
    if (op == "hello" && !loaded) {
      refuse(output, fields, loaded.error());
    } else if (op == "hello" && !ready) {
      ready = server->hello(fields, *line);
    } else if ((op == "deliver" || op == "query" || op == "receive") && ready) {
      fields.erase("payload");
      server->add({std::move(*line), std::move(fields)});
    } else if (op == "deliver" || op == "query" || op == "receive") {
      output.line({{"id", integer_of(fields, "id")},
                   {"status", "not_sent"},
                   {"retryable", true},
                   {"detail", "there was no successful hello before"}});
    }
  }
  if (server) server->finish();
  return 0;
}

}  // namespace nudge::connectors
