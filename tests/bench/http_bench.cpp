// What the HTTP server alone can carry: requests in, bodies whole, answers out; no parsing, no disk. Client and server share the
// machine, as in the goals of the project. Usage: http_bench [seconds per figure] [io threads]
//
//   batches    POST bodies of 500 events (57 KiB), 4 connections, one request at a time each; answered in the handler
//   singles    POST bodies of one event, 16 connections, one request at a time each
//   committed  the same, answered from another thread in groups, as group commit does
//   pipelined  the same as singles, 16 requests in flight per connection
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/http/http_server.h"

using namespace nudge::http;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::string_view kEvent =
    R"({"id":"e000000000","ts":"2026-01-01T00:00:00.000Z","customer":"c0000001","type":"page_view","data":{"path":"/p/17"}})"
    "\n";
constexpr std::size_t kEventsPerBatch = 500;

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
double drive(std::uint16_t port, std::string_view path, std::size_t connections, std::size_t depth, const std::string& body,
             double seconds) {
  const std::string request =
      "POST " + std::string(path) +
      " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
      body;
  std::string in_flight;
  for (std::size_t i = 0; i < depth; ++i) in_flight += request;
  const int epoll = ::epoll_create1(0);
  std::vector<std::size_t> received(connections, 0);
  std::vector<int> sockets;
  std::vector<char> buffer(1 << 16);
  std::size_t answer_size = 0;
  for (std::size_t i = 0; i < connections; ++i) {
    const int fd = connect_to(port);
    sockets.push_back(fd);
    if (i == 0) {
      send_all(fd, request);
      answer_size = static_cast<std::size_t>(::recv(fd, buffer.data(), buffer.size(), 0));
      if (std::string_view(buffer.data(), 10) != "HTTP/1.1 2") {
        std::fprintf(stderr, "unexpected answer: %.*s\n", static_cast<int>(answer_size), buffer.data());
        std::exit(1);
      }
    }
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
  for (const int fd : sockets) send_all(fd, in_flight);
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
      if (done > 0) send_all(sockets[i], std::string_view(in_flight).substr(0, done * request.size()));
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
  HttpServer server(options);
  std::atomic<std::size_t> bytes{0};
  const auto answer = [&](Request& request, Responder responder) {
    bytes.fetch_add(request.body.size(), std::memory_order_relaxed);
    responder.send({202, "application/json", {}, R"({"stored":1})"});
  };
  const auto commit = [&](Request&, Responder responder) { committer.add(std::move(responder)); };
  if (!server.route(Method::post, "/v1/events", answer) || !server.route(Method::post, "/v1/committed", commit) || !server.start())
    return 1;

  const std::string one(kEvent);
  std::string batch;
  for (std::size_t i = 0; i < kEventsPerBatch; ++i) batch += kEvent;
  const double batches = drive(server.port(), "/v1/events", 4, 1, batch, seconds);
  std::printf("batches    %9.0f requests/s  %10.0f events/s  %6.0f MB/s\n", batches, batches * kEventsPerBatch,
              batches * static_cast<double>(batch.size()) / 1e6);
  const double singles = drive(server.port(), "/v1/events", 16, 1, one, seconds);
  std::printf("singles    %9.0f requests/s\n", singles);
  const double committed = drive(server.port(), "/v1/committed", 16, 1, one, seconds);
  std::printf("committed  %9.0f requests/s\n", committed);
  const double pipelined = drive(server.port(), "/v1/events", 16, 16, one, seconds);
  std::printf("pipelined  %9.0f requests/s\n", pipelined);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("memory     %9ld KiB at most (client included)\n", usage.ru_maxrss);
  return 0;
}
