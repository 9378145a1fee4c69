// nudge-load --port P [--file events.ndjson] [--batch 500] [--connections 4] [--limit N] [--skip N] [--path /v1/events] [--resend SECONDS]
//            [--probe probes.ndjson [--pace MS]]
// Sends an NDJSON file to a running nudged in POSTs of `batch` lines over keep-alive connections, each waiting for its answer before the
// next, and prints one JSON line: events per second and the answers' latencies. Every answer must be a 2xx that stored every line; anything
// else ends it with exit 1.
//
// --resend: a connection that breaks is opened again for up to that long, and what was not answered is sent again, as any sender has to:
// so a nudged that is killed and started again in the middle takes in everything once.
// --probe: one more connection sends the lines of another file one by one, one every `pace` milliseconds, until the load is through; what
// those few waited is told apart (probe_p50_ms …), with how many there were.
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
  std::size_t skip = 0;
  std::string path = "/v1/events";
  double resend_s = 0;
  std::string probe;
  std::size_t pace_ms = 10;
};

class Connection {
 public:
  explicit Connection(int port) : port_(port) {}
  ~Connection() { drop(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Connects unless it is connected.
  bool open() {
    if (fd_ >= 0) return true;
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
    drop();
    return false;
  }

  // The status and body of the answer to one request; 0 when the connection broke.
  int round_trip(std::string_view request, std::string& body) {
    if (!send_all(request)) return broken();
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
      if (n <= 0) return broken();
      buffer_.append(chunk, static_cast<std::size_t>(n));
    }
    const int status = std::atoi(buffer_.c_str() + 9);
    body = buffer_.substr(head_end + 4, length);
    buffer_.erase(0, head_end + 4 + length);
    return status;
  }

 private:
  bool send_all(std::string_view bytes) {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t n = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<std::size_t>(n);
    }
    return true;
  }
  int broken() {
    drop();
    return 0;
  }
  void drop() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
    buffer_.clear();
  }

  int port_;
  int fd_ = -1;
  std::string buffer_;
};

[[noreturn]] void give_up(const char* why, std::string_view what = {}) {
  std::fprintf(stderr, "nudge-load: %s%.*s\n", why, static_cast<int>(std::min<std::size_t>(what.size(), 500)), what.data());
  std::exit(1);
}

// Requests of `batch` lines each.
std::vector<std::string> read_requests(const Options& o, const std::string& file, std::size_t batch, std::size_t& lines) {
  std::ifstream in(file);
  if (!in) give_up("cannot read ", file);
  const std::string head = "POST " + o.path + (batch > 1 ? "?results=problems" : "") +
                           " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + (batch > 1 ? "application/x-ndjson" : "application/json") +
                           "\r\nContent-Length: ";
  std::vector<std::string> requests;
  std::string line, body;
  std::size_t in_body = 0;
  const auto finish = [&] {
    requests.push_back(head + std::to_string(body.size()) + "\r\n\r\n" + body);
    body.clear();
    in_body = 0;
  };
  for (std::size_t skipped = 0; skipped < o.skip && std::getline(in, line); ++skipped) continue;
  while ((o.limit == 0 || lines < o.limit) && std::getline(in, line)) {
    body += line;
    if (batch > 1) body += '\n';
    ++lines;
    if (++in_body == batch) finish();
  }
  if (in_body > 0) finish();
  return requests;
}

struct Counts {
  std::atomic<std::size_t> waits{0};   // answers that said: later
  std::atomic<std::size_t> resent{0};  // requests without an answer, sent again
};

// Sends one request until it is answered; ends the process when the answer is not what it must be.
void send_one(Connection& connection, const Options& o, const std::string& request, bool single, Counts& counts) {
  std::string answer;
  Clock::time_point broke{};
  while (true) {
    const int status = connection.open() ? connection.round_trip(request, answer) : 0;
    if (status == 429 || status == 503) {  // back-pressure: the same request again
      ++counts.waits;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    if (status == 0) {
      if (broke == Clock::time_point{}) {
        broke = Clock::now();
        ++counts.resent;
      }
      if (std::chrono::duration<double>(Clock::now() - broke).count() >= o.resend_s) give_up("the connection was closed");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    const bool whole =
        single || (answer.find("\"conflict\":0") != std::string::npos && answer.find("\"quarantined\":0") != std::string::npos);
    if (status / 100 == 2 && whole) return;
    give_up(("answer " + std::to_string(status) + ": ").c_str(), answer);
  }
}

double ms_since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(q * static_cast<double>(sorted.size())))];
}

bool set_option(Options& o, const std::string& key, const char* value) {
  const std::size_t number = std::strtoull(value, nullptr, 10);
  if (key == "--port")
    o.port = static_cast<int>(number);
  else if (key == "--file")
    o.file = value;
  else if (key == "--batch")
    o.batch = number;
  else if (key == "--connections")
    o.connections = number;
  else if (key == "--limit")
    o.limit = number;
  else if (key == "--skip")
    o.skip = number;
  else if (key == "--path")
    o.path = value;
  else if (key == "--resend")
    o.resend_s = std::atof(value);
  else if (key == "--probe")
    o.probe = value;
  else if (key == "--pace")
    o.pace_ms = number;
  else
    return false;
  return true;
}

// One after the other at the given pace until `stop`. What each waited.
std::vector<double> run_probes(const Options& o, const std::vector<std::string>& requests, const std::atomic<bool>& stop, Counts& counts) {
  std::vector<double> took;
  Connection connection(o.port);
  auto next = Clock::now();
  for (const std::string& request : requests) {
    std::this_thread::sleep_until(next);
    if (stop) break;
    const auto sent = Clock::now();
    send_one(connection, o, request, true, counts);
    took.push_back(ms_since(sent));
    next = std::max(next + std::chrono::milliseconds(o.pace_ms), Clock::now());
  }
  std::ranges::sort(took);
  return took;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (set_option(o, argv[i], argv[i + 1])) continue;
    std::fprintf(stderr, "nudge-load: unknown option %s\n", argv[i]);
    return 2;
  }
  std::size_t lines = 0, probes = 0;
  const std::vector<std::string> requests = read_requests(o, o.file, o.batch, lines);
  Options all = o;
  all.limit = all.skip = 0;
  const std::vector<std::string> probe_requests = o.probe.empty() ? std::vector<std::string>() : read_requests(all, o.probe, 1, probes);
  Counts counts;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> through{false};
  std::mutex mutex;
  std::vector<double> latencies, probe_latencies;
  const auto start = Clock::now();
  std::thread prober([&] { probe_latencies = run_probes(o, probe_requests, through, counts); });
  std::vector<std::thread> threads;
  for (std::size_t c = 0; c < o.connections; ++c) {
    threads.emplace_back([&] {
      Connection connection(o.port);
      std::vector<double> mine;
      for (std::size_t i = next++; i < requests.size(); i = next++) {
        const auto sent = Clock::now();
        send_one(connection, o, requests[i], o.batch == 1, counts);
        mine.push_back(ms_since(sent));
      }
      const std::lock_guard lock(mutex);
      latencies.insert(latencies.end(), mine.begin(), mine.end());
    });
  }
  for (std::thread& t : threads) t.join();
  const double seconds = ms_since(start) / 1000;
  through = true;
  prober.join();
  std::ranges::sort(latencies);
  std::printf(
      "{\"events\":%zu,\"seconds\":%.3f,\"per_s\":%.0f,\"batch\":%zu,\"connections\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,"
      "\"waits\":%zu,\"resent\":%zu,\"probes\":%zu,\"probe_p50_ms\":%.3f,\"probe_p99_ms\":%.3f,\"probe_max_ms\":%.3f}\n",
      lines, seconds, static_cast<double>(lines) / seconds, o.batch, o.connections, quantile(latencies, 0.5), quantile(latencies, 0.99),
      quantile(latencies, 1), counts.waits.load(), counts.resent.load(), probe_latencies.size(), quantile(probe_latencies, 0.5),
      quantile(probe_latencies, 0.99), quantile(probe_latencies, 1));
  return 0;
}
