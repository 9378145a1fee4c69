// What the HTTP server alone can carry: requests in, bodies whole, answers out; no parsing, no disk. Client and server share the
// machine, as in the goals of the project. Usage: http_bench [seconds per figure] [io threads] [directory for the ceiling]
//
//   batches    POST bodies of 500 events (57 KiB), 4 connections, one request at a time each; answered in the handler
//   singles    POST bodies of one event, 16 connections, one request at a time each
//   committed  the same, answered from another thread in groups, as group commit does
//   pipelined  the same as singles, 16 requests in flight per connection
//   ceiling    with a directory: the same as batches, every field read and the bodies on disk before the answer. What nudged could do at
//   most
//              if it had no rules, no states and no check of the catalog
//   ceiling1   the same as singles, every event on disk before the answer
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <simdjson.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "daemon/http/http_server.h"
#include "daemon/store/store.h"

using namespace nudge::http;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kEventsPerBatch = 500;
constexpr std::size_t kBodies = 64;

// Bodies of so many events, all of one length and no two events alike: equal ones would be compressed to nothing on their way to the disk.
std::vector<std::string> make_bodies(std::size_t events) {
  std::mt19937_64 random(1);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  std::vector<std::string> bodies(kBodies);
  unsigned number = 0;
  for (std::string& body : bodies) {
    for (std::size_t i = 0; i < events; ++i, ++number) {
      char line[160];
      const int bytes = std::snprintf(
          line, sizeof line,
          R"({"id":"e%09u","ts":"2026-01-%02uT%02u:%02u:%02u.%03uZ","customer":"c%07u","type":"page_view","data":{"path":"/p/%02u"}})"
          "\n",
          number, 1 + below(28), below(24), below(60), below(60), below(1000), below(1'000'000), below(100));
      body.append(line, static_cast<std::size_t>(bytes));
    }
  }
  return bodies;
}

// Collects responders and answers all that are there at once, like the committer.
class Committer {
 public:
  Committer() : thread_([this] { run(); }) {}
  ~Committer() {
    stop_ = true;
    signal_.test_and_set();
    signal_.notify_one();
    thread_.join();
  }
  void add(Responder responder) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(responder));
    }
    if (!signal_.test_and_set()) signal_.notify_one();
  }

 private:
  void run() {
    std::vector<Responder> batch;
    while (!stop_) {
      signal_.wait(false);
      signal_.clear();
      {
        const std::lock_guard lock(mutex_);
        batch.swap(waiting_);
      }
      for (Responder& responder : batch) responder.send({202, "application/json", {}, R"({"stored":1})"});
      batch.clear();
    }
  }

  std::mutex mutex_;
  std::vector<Responder> waiting_;
  std::atomic_flag signal_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Collects bodies, writes all that are there as one synced batch and answers.
class DurableCommitter {
 public:
  explicit DurableCommitter(const std::string& directory) {
    nudge::daemon::StoreOptions options;
    options.path = directory;
    options.low_space_bytes = 0;
    auto store = nudge::daemon::Store::open(options);
    if (!store) fail(store.error().message);
    store_ = *std::move(store);
    thread_ = std::thread([this] { run(); });
  }
  ~DurableCommitter() {
    stop_ = true;
    signal_.test_and_set();
    signal_.notify_one();
    thread_.join();
  }
  void add(std::string body, Responder responder) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.emplace_back(std::move(body), std::move(responder));
    }
    if (!signal_.test_and_set()) signal_.notify_one();
  }

 private:
  [[noreturn]] static void fail(const std::string& why) {
    std::fprintf(stderr, "http bench: %s\n", why.c_str());
    std::exit(1);
  }
  void run() {
    std::vector<std::pair<std::string, Responder>> batch;
    std::uint64_t sequence = 0;
    std::string block;
    while (!stop_) {
      signal_.wait(false);
      signal_.clear();
      {
        const std::lock_guard lock(mutex_);
        batch.swap(waiting_);
      }
      if (batch.empty()) continue;
      block.clear();
      for (const auto& [body, responder] : batch) block += body;
      nudge::daemon::WriteSet set;
      set.append(++sequence, block);
      if (auto done = store_->commit(std::move(set)); !done) fail(done.error().message);
      for (auto& [body, responder] : batch) responder.send({202, "application/json", {}, R"({"stored":1})"});
      batch.clear();
    }
  }

  std::unique_ptr<nudge::daemon::Store> store_;
  std::mutex mutex_;
  std::vector<std::pair<std::string, Responder>> waiting_;
  std::atomic_flag signal_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// The texts' lengths in an object and in those within it, so that no field is left out.
std::size_t read_object(simdjson::ondemand::object object) {
  std::size_t sum = 0;
  for (auto field : object) {
    simdjson::ondemand::value value;
    if (field.value().get(value) != simdjson::SUCCESS) return sum;
    simdjson::ondemand::json_type type{};
    if (value.type().get(type) != simdjson::SUCCESS) return sum;
    std::string_view text;
    simdjson::ondemand::object inner;
    if (type == simdjson::ondemand::json_type::string && value.get_string().get(text) == simdjson::SUCCESS) sum += text.size();
    if (type == simdjson::ondemand::json_type::object && value.get_object().get(inner) == simdjson::SUCCESS) sum += read_object(inner);
  }
  return sum;
}

// Reads every field of every line of a body, which has kBodyPadding bytes behind it.
std::size_t read_all(const std::string& body) {
  thread_local simdjson::ondemand::parser parser;
  std::size_t sum = 0;
  for (std::size_t start = 0; start < body.size();) {
    const std::size_t end = std::min(body.find('\n', start), body.size());
    simdjson::ondemand::document document;
    simdjson::ondemand::object event;
    if (parser.iterate(body.data() + start, end - start, body.capacity() - start).get(document) != simdjson::SUCCESS) return sum;
    if (document.get_object().get(event) == simdjson::SUCCESS) sum += read_object(event);
    start = end + 1;
  }
  return sum;
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::perror("connect");
    std::exit(1);
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      std::perror("send");
      std::exit(1);
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

// One client thread drives all connections by epoll: `depth` requests in flight on each. Answers all have the same length,
// learned from the first one, so counting bytes is enough. Gives requests per second.
double drive(std::uint16_t port, std::string_view path, std::size_t connections, std::size_t depth, const std::vector<std::string>& bodies,
             double seconds) {
  // The requests in a row, and the first ones once more: any `depth` of them are one piece.
  std::string requests;
  for (std::size_t i = 0; i < bodies.size() + depth; ++i) {
    const std::string& body = bodies[i % bodies.size()];
    requests += "POST " + std::string(path) +
                " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body;
  }
  const std::size_t size = requests.size() / (bodies.size() + depth);
  std::size_t next = 0;
  const auto take = [&](std::size_t n) {
    const std::string_view piece = std::string_view(requests).substr(next * size, n * size);
    next = (next + n) % bodies.size();
    return piece;
  };
  const int epoll = ::epoll_create1(0);
  std::vector<std::size_t> received(connections, 0);
  std::vector<int> sockets;
  std::vector<char> buffer(1 << 16);
  std::size_t answer_size = 0;
  for (std::size_t i = 0; i < connections; ++i) {
    const int fd = connect_to(port);
    sockets.push_back(fd);
    if (i == 0) {
      send_all(fd, take(1));
      answer_size = static_cast<std::size_t>(::recv(fd, buffer.data(), buffer.size(), 0));
      if (std::string_view(buffer.data(), 10) != "HTTP/1.1 2") {
        std::fprintf(stderr, "unexpected answer: %.*s\n", static_cast<int>(answer_size), buffer.data());
        std::exit(1);
      }
    }
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
  for (const int fd : sockets) send_all(fd, take(depth));
  std::size_t answers = 0;
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  std::vector<epoll_event> events(connections);
  while (Clock::now() < end) {
    const int n = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 100);
    for (int e = 0; e < n; ++e) {
      const std::size_t i = events[static_cast<std::size_t>(e)].data.u64;
      const ssize_t got = ::recv(sockets[i], buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        std::fprintf(stderr, "the server closed a connection\n");
        std::exit(1);
      }
      received[i] += static_cast<std::size_t>(got);
      const std::size_t done = received[i] / answer_size;
      received[i] %= answer_size;
      answers += done;
      if (done > 0) send_all(sockets[i], take(done));
    }
  }
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  for (const int fd : sockets) ::close(fd);
  ::close(epoll);
  return static_cast<double>(answers) / took;
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 3.0;
  Options options;
  options.io_threads = argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 1;
  Committer committer;
  std::unique_ptr<DurableCommitter> durable;
  const std::string directory = argc > 3 ? std::string(argv[3]) + "/nudge-http-bench" : "";
  if (!directory.empty()) {
    std::filesystem::remove_all(directory);
    durable = std::make_unique<DurableCommitter>(directory);
  }
  HttpServer server(options);  // behind the committers: it goes first
  std::atomic<std::size_t> bytes{0};
  const auto answer = [&](Request& request, Responder responder) {
    bytes.fetch_add(request.body.size(), std::memory_order_relaxed);
    responder.send({202, "application/json", {}, R"({"stored":1})"});
  };
  const auto commit = [&](Request&, Responder responder) { committer.add(std::move(responder)); };
  const auto keep = [&](Request& request, Responder responder) {
    bytes.fetch_add(read_all(request.body), std::memory_order_relaxed);
    durable->add(std::move(request.body), std::move(responder));
  };
  if (!server.route(Method::post, "/v1/events", answer) || !server.route(Method::post, "/v1/committed", commit) ||
      !server.route(Method::post, "/v1/durable", keep) || !server.start())
    return 1;

  const std::vector<std::string> one = make_bodies(1), batch = make_bodies(kEventsPerBatch);
  const double batches = drive(server.port(), "/v1/events", 4, 1, batch, seconds);
  std::printf("batches    %9.0f requests/s  %10.0f events/s  %6.0f MB/s\n", batches, batches * kEventsPerBatch,
              batches * static_cast<double>(batch[0].size()) / 1e6);
  const double singles = drive(server.port(), "/v1/events", 16, 1, one, seconds);
  std::printf("singles    %9.0f requests/s\n", singles);
  const double committed = drive(server.port(), "/v1/committed", 16, 1, one, seconds);
  std::printf("committed  %9.0f requests/s\n", committed);
  const double pipelined = drive(server.port(), "/v1/events", 16, 16, one, seconds);
  std::printf("pipelined  %9.0f requests/s\n", pipelined);
  if (durable != nullptr) {
    const double ceiling = drive(server.port(), "/v1/durable", 4, 1, batch, seconds);
    std::printf("ceiling    %9.0f requests/s  %10.0f events/s\n", ceiling, ceiling * kEventsPerBatch);
    const double ceiling_singles = drive(server.port(), "/v1/durable", 16, 1, one, seconds);
    std::printf("ceiling1   %9.0f requests/s\n", ceiling_singles);
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("memory     %9ld KiB at most (client included)\n", usage.ru_maxrss);
  return 0;
}
