#include "daemon/cli/faulty_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "daemon/cli/words.h"

namespace nudge::cli {
namespace {

constexpr std::size_t kRequestBytesMax = 2u << 20;

int listen_on_loopback(std::uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 64) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    if (fd >= 0) ::close(fd);
    throw std::runtime_error(say("no port of the loopback interface can be listened on"));
  }
  port = ntohs(address.sin_port);
  return fd;
}

std::string address_of(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); }

void send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (put <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

std::size_t length_of_body(std::string head) {
  std::ranges::transform(head, head.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::size_t at = head.find("\r\ncontent-length:");
  return at == std::string::npos ? 0 : std::strtoull(head.c_str() + at + 17, nullptr, 10);
}

}  // namespace

struct FaultyPeer::Impl {
  std::string answer;
  std::uint16_t port = 0;
  int listener = -1;
  std::atomic<bool> closing{false};
  std::atomic<Mood> mood{Mood::well};
  mutable std::mutex mutex;
  std::vector<Seen> seen;
  std::vector<std::thread> talks;
  std::thread thread;

  // False when nothing came for as long as the server lives.
  bool wait_readable(int fd) const {
    pollfd one{fd, POLLIN, 0};
    while (!closing) {
      if (::poll(&one, 1, 50) > 0) return true;
    }
    return false;
  }

  bool read_request(int fd, Seen& request) const {
    std::string bytes;
    std::size_t end = std::string::npos;
    while (bytes.size() < kRequestBytesMax) {
      if (end == std::string::npos && (end = bytes.find("\r\n\r\n")) != std::string::npos) request.head = bytes.substr(0, end);
      if (end != std::string::npos && bytes.size() >= end + 4 + length_of_body(request.head)) {
        request.body = bytes.substr(end + 4);
        return true;
      }
      char room[16384];
      if (!wait_readable(fd)) return false;
      const ssize_t got = ::recv(fd, room, sizeof room, 0);
      if (got <= 0) return false;
      bytes.append(room, static_cast<std::size_t>(got));
    }
    return false;
  }

  static std::string reply(const std::string& status, const std::string& body, const std::string& more = {}) {
    return "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\n" + more + "Content-Length: " + std::to_string(body.size()) +
           "\r\nConnection: close\r\n\r\n" + body;
  }

  void talk(int fd) {
    Seen request;
    if (read_request(fd, request)) {
      const Mood now = mood;
      {
        const std::lock_guard lock(mutex);
        seen.push_back(request);
      }
      if (now == Mood::slow) std::this_thread::sleep_for(std::chrono::milliseconds(1500));
      switch (now) {
        case Mood::well:
        case Mood::slow: send_all(fd, reply("200 OK", answer)); break;
        case Mood::limited: send_all(fd, reply("429 Too Many Requests", R"({"error":"slow down"})", "Retry-After: 7\r\n")); break;
        case Mood::broken: send_all(fd, reply("500 Internal Server Error", R"({"error":"out of order"})")); break;
        case Mood::garbage: send_all(fd, reply("200 OK", "<!doctype html><title>Gateway</title>\xff\xfe<p>{\"ok\":")); break;
        case Mood::redirect: send_all(fd, reply("302 Found", "", "Location: " + address_of(port) + "/elsewhere\r\n")); break;
        case Mood::hangs:
          while (!closing) std::this_thread::sleep_for(std::chrono::milliseconds(20));
          break;
        case Mood::silent: break;
      }
    }
    ::close(fd);
  }

  void run() {
    while (wait_readable(listener)) {
      const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      const std::lock_guard lock(mutex);
      talks.emplace_back([this, fd] { talk(fd); });
    }
  }
};

FaultyPeer::FaultyPeer(std::string answer) : impl_(std::make_unique<Impl>()) {
  impl_->answer = std::move(answer);
  impl_->listener = listen_on_loopback(impl_->port);
  constexpr std::string_view kOwn = "{{provider}}";
  for (std::size_t at = 0; (at = impl_->answer.find(kOwn, at)) != std::string::npos;)
    impl_->answer.replace(at, kOwn.size(), address_of(impl_->port));
  impl_->thread = std::thread([this] { impl_->run(); });
}

FaultyPeer::~FaultyPeer() {
  impl_->closing = true;
  impl_->thread.join();
  for (std::thread& talk : impl_->talks) talk.join();
  ::close(impl_->listener);
}

std::string FaultyPeer::url() const { return address_of(impl_->port); }

void FaultyPeer::be(Mood mood) {
  const std::lock_guard lock(impl_->mutex);
  impl_->mood = mood;
  impl_->seen.clear();
}

std::vector<FaultyPeer::Seen> FaultyPeer::seen() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->seen;
}

std::string nobody_url() {
  std::uint16_t port = 0;
  ::close(listen_on_loopback(port));
  return address_of(port);
}

}  // namespace nudge::cli
