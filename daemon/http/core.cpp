#include "daemon/http/core.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <ctime>
#include <utility>

#include "daemon/http/connection.h"

namespace nudge::http {
namespace {

constexpr std::size_t kScratchBytes = 128 * 1024;
constexpr std::size_t kFreeMax = 64;
constexpr std::size_t kBodyKept = 256 * 1024;

thread_local Core* current_core = nullptr;

// Marks a list to which nothing can be given back any more.
Exchange* const kClosedList = reinterpret_cast<Exchange*>(1);

}  // namespace

Core::Core(std::shared_ptr<Shared> shared)
    : shared_(std::move(shared)), context_(1), work_(context_.get_executor()), timer_(context_), scratch_(kScratchBytes) {}

Core::~Core() {
  for (Exchange* exchange : free_) delete exchange;
}

void Core::run() {
  current_core = this;
  arm_timer();
  for (;;) {
    try {
      context_.run();
      break;
    } catch (...) {
      // Out of memory in the middle of one connection's work: its time limit will close it; the others go on.
      CoreStats::add(stats.bad_requests, 1);
    }
  }
  current_core = nullptr;
}

void Core::arm_timer() {
  timer_.expires_after(shared_->tick);
  timer_.async_wait([this](ErrorCode ec) {
    // A tick that was due already when cut_all() cancelled it comes without an error: armed anew it would keep the thread for ever.
    if (ec || cut_) return;
    tick();
    arm_timer();
  });
}

void Core::tick() {
  const Clock::time_point now = Clock::now();
  for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->check(now);  // backwards: one may leave
}

void Core::adopt(Socket socket, bool refuse) {
  if (cut_) {  // accepted by another core while this one ended: no tick would ever close it
    shared_->open.fetch_sub(1);
    return;
  }
  auto* connection = new Connection(*this, std::move(socket));
  connection->slot = connections_.size();
  connections_.push_back(connection);
  open_.fetch_add(1, std::memory_order_relaxed);
  if (refuse || draining_) {
    connection->refuse_connection();
  } else {
    connection->start();
  }
}

void Core::closed(Connection* connection) {
  connections_[connection->slot] = connections_.back();
  connections_[connection->slot]->slot = connection->slot;
  connections_.pop_back();
  if (connection->touched) std::erase(touched_, connection);
  delete connection;
  open_.fetch_sub(1, std::memory_order_relaxed);
  if (shared_->open.fetch_sub(1) == 1) {
    const std::lock_guard lock(shared_->mutex);
    shared_->all_closed.notify_all();
  }
}

void Core::begin_drain() {
  draining_ = true;
  for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->drain();
}

void Core::cut_all() {
  cut_ = true;
  for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->cut();
  timer_.cancel();
  work_.reset();
}

void Core::finish() {
  Exchange* list = given_back_.exchange(kClosedList, std::memory_order_acquire);
  while (list != nullptr && list != kClosedList) delete std::exchange(list, list->next_given_back);
  std::vector<std::shared_ptr<StreamLink>> wakes;
  const std::lock_guard lock(wake_mutex_);
  wakes_closed_ = true;
  wakes.swap(wakes_);
}

Exchange* Core::take() {
  if (free_.empty()) return new Exchange;
  Exchange* exchange = free_.back();
  free_.pop_back();
  return exchange;
}

void Core::recycle(Exchange* exchange) {
  if (free_.size() >= kFreeMax) {
    delete exchange;
    return;
  }
  Request& request = exchange->request;
  request.params.clear();
  request.query.clear();
  request.headers.clear();
  if (request.body.capacity() > kBodyKept) {
    request.body = std::string();
  } else {
    request.body.clear();
  }
  exchange->response = Response();
  exchange->source = nullptr;
  exchange->link.reset();
  exchange->connection = nullptr;
  exchange->next = nullptr;
  exchange->route = nullptr;
  exchange->deadline = Clock::time_point::max();
  exchange->accounted = exchange->body_received = 0;
  exchange->ready = exchange->head_only = false;
  exchange->keep_alive = exchange->http11 = true;
  free_.push_back(exchange);
}

void Core::give_back(Exchange* exchange) {
  if (current_core == this && dispatching == exchange) {  // answered inside its handler: dispatch() goes on with it
    exchange->lent = false;
    exchange->ready = true;
    exchange->core.reset();
    return;
  }
  // The I/O thread may free the exchange as soon as it is in the list; this keeps the core until we have posted.
  const std::shared_ptr<Core> self = exchange->core;
  Exchange* head = given_back_.load(std::memory_order_relaxed);
  do {
    if (head == kClosedList) {
      delete exchange;
      return;
    }
    exchange->next_given_back = head;
  } while (!given_back_.compare_exchange_weak(head, exchange, std::memory_order_release, std::memory_order_relaxed));
  if (head == nullptr) asio::post(context_, [this] { drain_given_back(); });
}

void Core::drain_given_back() {
  Exchange* list = given_back_.exchange(nullptr, std::memory_order_acquire);
  Exchange* in_order = nullptr;
  while (list != nullptr) {
    Exchange* next = list->next_given_back;
    list->next_given_back = in_order;
    in_order = std::exchange(list, next);
  }
  while (in_order != nullptr) complete(std::exchange(in_order, in_order->next_given_back));
  while (!touched_.empty()) {
    Connection* connection = touched_.back();
    touched_.pop_back();
    connection->touched = false;
    connection->advance();
  }
}

void Core::complete(Exchange* exchange) {
  exchange->lent = false;
  exchange->core.reset();
  if (exchange->connection == nullptr) {
    if (exchange->link) exchange->link->closed = true;
    recycle(exchange);
    return;
  }
  exchange->ready = true;
  if (exchange->connection->touched) return;
  exchange->connection->touched = true;
  touched_.push_back(exchange->connection);
}

void Core::wake(std::shared_ptr<StreamLink> link) {
  if (link->closed || link->woken.exchange(true)) return;
  const std::shared_ptr<Core> self = link->core;
  const std::lock_guard lock(wake_mutex_);
  if (wakes_closed_) return;
  wakes_.push_back(std::move(link));
  if (wakes_.size() == 1) asio::post(context_, [this] { drain_wakes(); });
}

void Core::drain_wakes() {
  std::vector<std::shared_ptr<StreamLink>> wakes;
  {
    const std::lock_guard lock(wake_mutex_);
    wakes.swap(wakes_);
  }
  for (const auto& link : wakes) {
    link->woken = false;
    if (link->connection != nullptr) link->connection->stream_woken();
  }
}

std::string_view Core::date() {
  const std::time_t now = std::time(nullptr);
  if (now != date_second_) {
    date_second_ = now;
    std::tm parts{};
    gmtime_r(&now, &parts);
    char text[64];
    const std::size_t n = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    date_.assign(text, n);
  }
  return date_;
}

// The responder's side.

Responder& Responder::operator=(Responder&& other) noexcept {
  if (this != &other) {
    Responder old(std::exchange(exchange_, std::exchange(other.exchange_, nullptr)));
  }
  return *this;
}

Responder::~Responder() {
  if (exchange_ != nullptr)
    send(problem(500, "http.no_answer", "nudge gave up on this request without an answer; this is a bug, see the log"));
}

void Responder::send(Response response) noexcept {
  Exchange* exchange = std::exchange(exchange_, nullptr);
  if (exchange == nullptr) return;
  if (exchange->sink) {
    const std::unique_ptr<Exchange> owned(exchange);
    owned->sink(std::move(response));
    return;
  }
  exchange->response = std::move(response);
  exchange->core->give_back(exchange);
}

StreamHandle Responder::stream(Response head, PullBody source) noexcept {
  StreamHandle handle;
  if (exchange_ == nullptr) return handle;
  handle.link_ = std::make_shared<StreamLink>();
  if (exchange_->sink) {
    handle.link_->closed = true;
    send(std::move(head));
    return handle;
  }
  handle.link_->core = exchange_->core;
  exchange_->link = handle.link_;
  exchange_->source = std::move(source);
  send(std::move(head));
  return handle;
}

Request& Responder::request() const { return exchange_->request; }

Responder Responder::detached(std::function<void(Response)> sink) {
  auto* exchange = new Exchange;
  exchange->sink = std::move(sink);
  return Responder(exchange);
}

void StreamHandle::wake() const {
  if (link_ && link_->core) link_->core->wake(link_);
}

bool StreamHandle::closed() const { return !link_ || link_->closed; }

}  // namespace nudge::http
