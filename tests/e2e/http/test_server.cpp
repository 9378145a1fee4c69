// A server for tests/e2e/http: prints its port, serves odd handlers, stops cleanly on SIGTERM or when its input ends.
// Options are given as name=value, as in nudge::http::Options; times in milliseconds.
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "daemon/http/http_server.h"

using namespace nudge;
using namespace nudge::http;

namespace {

// Runs work at a later time on a thread of its own, as the commit thread of the daemon does.
class Later {
 public:
  Later() : thread_([this] { run(); }) {}
  ~Later() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  void at(std::chrono::milliseconds delay, std::move_only_function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      work_.emplace(std::chrono::steady_clock::now() + delay, std::move(work));
    }
    wake_.notify_all();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      if (work_.empty()) {
        wake_.wait(lock);
      } else if (work_.begin()->first > std::chrono::steady_clock::now()) {
        wake_.wait_until(lock, work_.begin()->first);
      } else {
        auto node = work_.extract(work_.begin());
        lock.unlock();
        node.mapped()();
        lock.lock();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::multimap<std::chrono::steady_clock::time_point, std::move_only_function<void()>> work_;
  bool stop_ = false;
  std::thread thread_;
};

std::size_t number(const Request& request, std::string_view name, std::size_t otherwise) {
  const auto text = request.query_param(name);
  std::size_t value = otherwise;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

Response text(std::string body) { return {200, "text/plain", {}, std::move(body)}; }

std::atomic<int> live_streams{0};
struct CountsAsStream {
  CountsAsStream() { ++live_streams; }
  CountsAsStream(const CountsAsStream&) = delete;
  CountsAsStream& operator=(const CountsAsStream&) = delete;
  ~CountsAsStream() { --live_streams; }
};

// Events that another thread produces, one each 20 ms; pulled when woken.
void serve_events(Later& later, std::size_t count, Responder responder) {
  struct Feed {
    CountsAsStream counts;
    std::mutex mutex;
    std::deque<std::string> ready;
    std::size_t made = 0;
  };
  auto feed = std::make_shared<Feed>();
  const auto pull = [feed, count](std::string& out) {
    const std::lock_guard lock(feed->mutex);
    if (feed->ready.empty()) return feed->made == count ? Pull::done : Pull::later;
    out += feed->ready.front();
    feed->ready.pop_front();
    return Pull::more;
  };
  const StreamHandle handle = responder.stream({200, "text/event-stream", {{"Cache-Control", "no-cache"}}, ": hello\n\n"}, pull);
  struct Step {
    static void make(Later& on, std::weak_ptr<Feed> weak, StreamHandle stream, std::size_t total) {
      const auto locked = weak.lock();
      if (!locked) return;
      {
        const std::lock_guard lock(locked->mutex);
        if (locked->made == total) return;
        locked->ready.push_back("data: " + std::to_string(locked->made++) + "\n\n");
      }
      stream.wake();
      on.at(std::chrono::milliseconds(20), [&on, weak, stream, total] { make(on, weak, stream, total); });
    }
  };
  Step::make(later, feed, handle, count);
}

void add_routes(HttpServer& server, Later& later, std::vector<Responder>& hung) {
  const auto add = [&](Method method, std::string_view pattern, Handler handler, RouteOptions options = {}) {
    if (auto added = server.route(method, pattern, std::move(handler), options); !added) {
      std::fprintf(stderr, "%s\n", added.error().message.c_str());
      std::exit(1);
    }
  };
  add(Method::get, "/", [](Request&, Responder r) { r.send(text("root")); });
  add(Method::get, "/hello", [](Request&, Responder r) { r.send(text("hello")); });
  add(Method::get, "/items/{id}", [](Request& q, Responder r) { r.send(text("item " + std::string(q.param("id")))); });
  add(Method::put, "/items/{id}", [](Request& q, Responder r) { r.send(text("put " + q.body)); });
  add(Method::get, "/items/{id}/parts/{part}",
      [](Request& q, Responder r) { r.send(text(std::string(q.param("id")) + "|" + std::string(q.param("part")))); });
  add(Method::get, "/items/special", [](Request&, Responder r) { r.send(text("special")); });
  add(Method::get, "/files/{path...}", [](Request& q, Responder r) { r.send(text("file " + std::string(q.param("path")))); });
  add(Method::get, "/query", [](Request& q, Responder r) {
    std::string out;
    for (const auto& [name, value] : q.query) out += name + "=" + value + ";";
    r.send(text(out));
  });
  add(Method::post, "/echo", [](Request& q, Responder r) { r.send(text(std::move(q.body))); });
  add(Method::post, "/needs-body", [](Request& q, Responder r) { r.send(text(std::to_string(q.body.size()))); }, {.needs_body = true});
  add(Method::post, "/large", [](Request& q, Responder r) { r.send(text(std::to_string(q.body.size()))); },
      {.body_bytes_max = 64 * 1024 * 1024});
  add(Method::get, "/later", [&later](Request& q, Responder r) {
    const auto delay = std::chrono::milliseconds(number(q, "ms", 10));
    later.at(delay, [r = std::move(r), delay]() mutable { r.send(text("after " + std::to_string(delay.count()))); });
  });
  add(Method::get, "/dropped", [](Request&, Responder) {});
  add(Method::get, "/dropped-later", [&later](Request&, Responder r) {
    later.at(std::chrono::milliseconds(10), [r = std::move(r)]() mutable { const Responder gone = std::move(r); });
  });
  add(Method::get, "/throws", [](Request&, Responder) { throw std::runtime_error("no secrets in answers"); });
  add(Method::get, "/hangs", [&hung](Request&, Responder r) {
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    hung.push_back(std::move(r));
  });
  add(Method::get, "/big", [](Request& q, Responder r) { r.send(text(std::string(number(q, "bytes", 1 << 20), 'x'))); });
  add(Method::get, "/injects", [](Request& q, Responder r) {
    r.send({200, "text/plain", {{"X-Reflected", std::string(q.query_param("v").value_or("")) + "\r\nX-Evil: 1"}, {"X-Good", "1"}}, "ok"});
  });
  add(Method::get, "/nothing", [](Request&, Responder r) { r.send({204, {}, {}, "must not be sent"}); });
  add(Method::get, "/stream", [](Request& q, Responder r) {
    r.stream({200, "application/x-ndjson", {}, ""}, [left = number(q, "pieces", 10), size = number(q, "size", 1000),
                                                     counts = std::make_shared<CountsAsStream>()](std::string& out) mutable {
      if (left == 0) return Pull::done;
      out.append(size, static_cast<char>('a' + left % 26));
      --left;
      return Pull::more;
    });
  });
  add(Method::get, "/stream-abort", [](Request&, Responder r) {
    r.stream({200, "text/plain", {}, "begin"}, [n = 0](std::string& out) mutable {
      out += "middle";
      return ++n < 3 ? Pull::more : Pull::abort;
    });
  });
  add(Method::get, "/events", [&later](Request& q, Responder r) { serve_events(later, number(q, "count", 5), std::move(r)); });
  add(Method::get, "/live-streams", [](Request&, Responder r) { r.send(text(std::to_string(live_streams))); });
  add(Method::get, "/stats", [&server](Request&, Responder r) {
    const Stats s = server.stats();
    r.send({200,
            "application/json",
            {},
            "{\"requests\":" + std::to_string(s.requests) + ",\"bad\":" + std::to_string(s.bad_requests) +
                ",\"timeouts\":" + std::to_string(s.timeouts) + ",\"open\":" + std::to_string(s.connections_open) +
                ",\"in_flight\":" + std::to_string(s.requests_in_flight) + ",\"refused\":" + std::to_string(s.connections_refused) +
                ",\"bodies_bytes\":" + std::to_string(s.bodies_bytes) + "}"});
  });
  add(Method::post, "/guarded", [](Request& q, Responder r) { r.send(text(std::to_string(q.body.size()))); });
}

bool set_option(Options& options, std::string_view name, std::string_view value) {
  std::size_t n = 0;
  std::from_chars(value.data(), value.data() + value.size(), n);
  const std::chrono::milliseconds ms(n);
  if (name == "host") return options.host = value, true;
  if (name == "port") return options.port = static_cast<std::uint16_t>(n), true;
  if (name == "insecure_ok") return options.insecure_ok = n != 0, true;
  if (name == "allowed_host") return options.allowed_hosts.emplace_back(value), true;
  if (name == "io_threads") return options.io_threads = static_cast<unsigned>(n), true;
  if (name == "head_bytes_max") return options.head_bytes_max = n, true;
  if (name == "header_fields_max") return options.header_fields_max = n, true;
  if (name == "target_bytes_max") return options.target_bytes_max = n, true;
  if (name == "body_bytes_max") return options.body_bytes_max = n, true;
  if (name == "bodies_bytes_max") return options.bodies_bytes_max = n, true;
  if (name == "connections_max") return options.connections_max = n, true;
  if (name == "pipeline_max") return options.pipeline_max = n, true;
  if (name == "head_timeout") return options.head_timeout = ms, true;
  if (name == "body_timeout") return options.body_timeout = ms, true;
  if (name == "body_bytes_per_s_min") return options.body_bytes_per_s_min = n, true;
  if (name == "idle_timeout") return options.idle_timeout = ms, true;
  if (name == "write_timeout") return options.write_timeout = ms, true;
  if (name == "handler_timeout") return options.handler_timeout = ms, true;
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  Options options;
  std::size_t drain_ms = 2000;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const std::size_t equals = std::min(argument.find('='), argument.size() - 1);
    const std::string_view value = argument.substr(equals + 1);
    if (argument.starts_with("drain_ms=")) {
      std::from_chars(value.data(), value.data() + value.size(), drain_ms);
    } else if (!set_option(options, argument.substr(0, equals), value)) {
      std::fprintf(stderr, "unknown option %s\n", argv[i]);
      return 2;
    }
  }
  options.gate = [](const Request& request) -> std::optional<Response> {
    if (request.path != "/guarded" || request.header("Authorization") == "Bearer good") return std::nullopt;
    return problem(401, "test.unauthorized", "say who you are");
  };
  Later later;
  std::vector<Responder> hung;  // answers never; outlives the server, as a commit thread's do
  HttpServer server(options);
  add_routes(server, later, hung);
  if (auto started = server.start(); !started) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    return 1;
  }
  std::printf("port %u\n", static_cast<unsigned>(server.port()));
  std::fflush(stdout);
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  const bool clean = server.stop(std::chrono::milliseconds(drain_ms));
  std::printf("stopped %s\n", clean ? "clean" : "cut");
  return 0;
}
