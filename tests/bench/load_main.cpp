// nudge-load --port P [--file events.ndjson] [--batch 500] [--connections 4] [--limit N] [--path /v1/events]
// Sends an NDJSON file to a running nudged in POSTs of `batch` lines over keep-alive connections, each waiting for its answer before the
// next, and prints one JSON line: events per second and the answers' latencies. Every answer must be a 2xx that stored every line; anything
// else ends it with exit 1.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  int port = 0;
  std::string file = "-";
  std::size_t batch = 500;
  std::size_t connections = 4;
  std::size_t limit = 0;
  std::string path = "/v1/events";
};

class Connection {
 public:
  explicit Connection(int port) {
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      std::perror("nudge-load: connect");
      std::exit(1);
    }
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The status and body of the answer to one request.
  int round_trip(std::string_view request, std::string& body) {
    for (std::size_t sent = 0; sent < request.size();) {
      const ssize_t n = send(fd_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) {
        std::perror("nudge-load: send");
        std::exit(1);
      }
      sent += static_cast<std::size_t>(n);
    }
    std::size_t head_end = std::string::npos;
    std::size_t length = 0;
    while (true) {
      if (head_end == std::string::npos && (head_end = buffer_.find("\r\n\r\n")) != std::string::npos) {
        std::string head = buffer_.substr(0, head_end);
        std::ranges::transform(head, head.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        const std::size_t at = head.find("content-length:");
        length = at == std::string::npos ? 0 : std::strtoull(head.c_str() + at + 15, nullptr, 10);
      }
      if (head_end != std::string::npos && buffer_.size() >= head_end + 4 + length) break;
      char chunk[65536];
      const ssize_t n = recv(fd_, chunk, sizeof chunk, 0);
      if (n <= 0) {
        std::fprintf(stderr, "nudge-load: the connection was closed\n");
        std::exit(1);
      }
      buffer_.append(chunk, static_cast<std::size_t>(n));
    }
    const int status = std::atoi(buffer_.c_str() + 9);
    body = buffer_.substr(head_end + 4, length);
    buffer_.erase(0, head_end + 4 + length);
    return status;
  }

 private:
  int fd_ = -1;
  std::string buffer_;
};

std::vector<std::string> read_bodies(const Options& o, std::size_t& lines) {
  std::ifstream in(o.file);
  if (!in) {
    std::fprintf(stderr, "nudge-load: cannot read %s\n", o.file.c_str());
    std::exit(2);
  }
  std::vector<std::string> bodies;
  std::string line, body;
  std::size_t in_body = 0;
  while ((o.limit == 0 || lines < o.limit) && std::getline(in, line)) {
    body += line;
    if (o.batch > 1) body += '\n';
    ++lines;
    if (++in_body == o.batch) {
      bodies.push_back(std::move(body));
      body.clear();
      in_body = 0;
    }
  }
  if (in_body > 0) bodies.push_back(std::move(body));
  return bodies;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    if (key == "--port")
      o.port = std::atoi(argv[i + 1]);
    else if (key == "--file")
      o.file = argv[i + 1];
    else if (key == "--batch")
      o.batch = std::strtoull(argv[i + 1], nullptr, 10);
    else if (key == "--connections")
      o.connections = std::strtoull(argv[i + 1], nullptr, 10);
    else if (key == "--limit")
      o.limit = std::strtoull(argv[i + 1], nullptr, 10);
    else if (key == "--path")
      o.path = argv[i + 1];
    else {
      std::fprintf(stderr, "nudge-load: unknown option %s\n", key.c_str());
      return 2;
    }
  }
  std::size_t lines = 0;
  const std::vector<std::string> bodies = read_bodies(o, lines);
  const char* type = o.batch > 1 ? "application/x-ndjson" : "application/json";
  std::vector<std::string> requests;
  for (const std::string& body : bodies) {
    requests.push_back("POST " + o.path + (o.batch > 1 ? "?results=problems" : "") + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " +
                       type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::vector<double> latencies;
  std::atomic<std::size_t> waits{0};
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (std::size_t c = 0; c < o.connections; ++c) {
    threads.emplace_back([&] {
      Connection connection(o.port);
      std::vector<double> mine;
      std::string answer;
      for (std::size_t i = next++; i < requests.size(); i = next++) {
        const auto sent = Clock::now();
        int status = connection.round_trip(requests[i], answer);
        while (status == 429 || status == 503) {  // back-pressure: the same request again
          ++waits;
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
          status = connection.round_trip(requests[i], answer);
        }
        mine.push_back(std::chrono::duration<double, std::milli>(Clock::now() - sent).count());
        const bool whole =
            o.batch == 1 || (answer.find("\"conflict\":0") != std::string::npos && answer.find("\"quarantined\":0") != std::string::npos);
        if (status / 100 != 2 || !whole) {
          std::fprintf(stderr, "nudge-load: answer %d: %.500s\n", status, answer.c_str());
          std::exit(1);
        }
      }
      const std::lock_guard lock(mutex);
      latencies.insert(latencies.end(), mine.begin(), mine.end());
    });
  }
  for (std::thread& t : threads) t.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::ranges::sort(latencies);
  const auto quantile = [&](double q) {
    return latencies.empty()
               ? 0.0
               : latencies[std::min(latencies.size() - 1, static_cast<std::size_t>(q * static_cast<double>(latencies.size())))];
  };
  std::printf(
      "{\"events\":%zu,\"seconds\":%.3f,\"per_s\":%.0f,\"batch\":%zu,\"connections\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,"
      "\"waits\":%zu}\n",
      lines, seconds, static_cast<double>(lines) / seconds, o.batch, o.connections, quantile(0.5), quantile(0.99), quantile(1),
      waits.load());
  return 0;
}
