// Inside of the server: one Core per I/O thread, and the Exchanges (request and answer) that travel between its
// connections and whoever answers.
//
// Threads: a Core and all that belongs to it (connections, exchanges) is used on its own thread only, except for what is
// marked [any thread]. An Exchange is lent to a Responder, which may live on any thread; it comes home through Core::give_back,
// so it is always recycled where it was made.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/http_server.h"
#include "daemon/http/router.h"
#include "daemon/http/tls.h"

namespace nudge::http {

namespace asio = boost::asio;
// Concrete executors: any_io_executor costs a virtual hop per operation and much compile time.
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using Clock = std::chrono::steady_clock;
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;
using ErrorCode = boost::system::error_code;

class Core;
class Connection;

// A stream seen from both sides. `closed` and `woken` are for any thread, `connection` for the core's.
struct StreamLink {
  std::atomic<bool> closed{false};
  std::atomic<bool> woken{false};
  Connection* connection = nullptr;
  std::shared_ptr<Core> core;
};

struct Exchange {
  // Written by the responder before it gives back; read by the connection after.
  Response response;
  PullBody source;
  std::shared_ptr<StreamLink> link;
  Exchange* next_given_back = nullptr;
  std::function<void(Response)> sink;  // of a detached responder

  // The core's.
  std::shared_ptr<Core> core;  // set while lent out
  Request request;
  std::string head_text;  // what the views of `request` point into
  std::string peer_text;
  Connection* connection = nullptr;  // null: nobody waits for the answer any more
  Exchange* next = nullptr;          // in the connection's order
  const Route* route = nullptr;
  Clock::time_point started;
  Clock::time_point deadline = Clock::time_point::max();  // of the handler
  std::size_t accounted = 0;                              // bytes of body in Stats::bodies_bytes
  std::size_t body_received = 0;
  bool lent = false;   // a responder has it
  bool ready = false;  // `response` may be sent
  bool keep_alive = true;
  bool http11 = true;
  bool head_only = false;
};

// Counters with one writer: plain additions that other threads may read.
struct CoreStats {
  std::atomic<std::uint64_t> requests{0}, in_flight{0}, bad_requests{0}, timeouts{0}, bytes_in{0}, bytes_out{0}, bodies_bytes{0};

  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  static void subtract(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
    counter.store(counter.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
};

// What all cores share: set before start, read only afterwards, except for the counts.
struct Shared {
  Options options;
  Router router;
  std::shared_ptr<TlsFiles> tls;   // null: plain
  std::vector<std::string> hosts;  // allowed values of Host, lower case; empty: any
  std::chrono::milliseconds tick{250};
  std::atomic<std::size_t> open{0};
  std::atomic<std::uint64_t> accepted{0}, refused{0};
  std::atomic<bool> cut{false};  // the stop deadline had to close something
  std::mutex mutex;
  std::condition_variable all_closed;
};

class Core : public std::enable_shared_from_this<Core> {
 public:
  explicit Core(std::shared_ptr<Shared> shared);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  void run();                              // the thread's body
  void adopt(Socket socket, bool refuse);  // makes a connection of an accepted socket
  void begin_drain();                      // close what is idle, answer the rest with Connection: close
  void cut_all();                          // close everything now
  void finish();                           // after the thread has ended: no exchange comes back any more

  Exchange* take();                             // a fresh exchange
  void recycle(Exchange* exchange);             // not lent, not in a connection
  void give_back(Exchange* exchange);           // [any thread] the responder is done
  void wake(std::shared_ptr<StreamLink> link);  // [any thread]
  // The Date header's value, renewed each second.
  std::string_view date();

  Shared& shared() { return *shared_; }
  const Options& options() const { return shared_->options; }
  asio::io_context& context() { return context_; }
  bool draining() const { return draining_; }
  std::size_t open() const { return open_.load(std::memory_order_relaxed); }  // [any thread]
  void closed(Connection* connection);                                        // called by a connection as its last act; deletes it
  std::span<char> scratch() { return scratch_; }

  CoreStats stats;
  Exchange* dispatching = nullptr;  // its handler is running on this thread now

 private:
  void arm_timer();
  void drain_given_back();
  void drain_wakes();
  void tick();
  void complete(Exchange* exchange);

  std::shared_ptr<Shared> shared_;
  asio::io_context context_;
  asio::executor_work_guard<Executor> work_;
  Timer timer_;
  std::vector<char> scratch_;
  std::vector<Connection*> connections_;
  std::vector<Connection*> touched_;
  std::vector<Exchange*> free_;
  std::atomic<Exchange*> given_back_{nullptr};
  std::atomic<std::size_t> open_{0};
  std::mutex wake_mutex_;
  std::vector<std::shared_ptr<StreamLink>> wakes_;  // guarded by wake_mutex_
  bool wakes_closed_ = false;                       // guarded by wake_mutex_
  bool draining_ = false;
  bool cut_ = false;
  std::string date_;
  std::int64_t date_second_ = -1;
};

}  // namespace nudge::http
