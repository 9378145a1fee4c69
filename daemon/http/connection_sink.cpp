// Of Connection: a body that is taken piece by piece as it comes, with back-pressure.
#include <algorithm>
#include <utility>

#include "daemon/http/connection.h"

namespace nudge::http {
namespace {

constexpr std::size_t kPackedStep = 4 * 1024;  // unpacked at a time: at most some 4 MiB
constexpr std::size_t kUnpackedStepMax = 8U << 20;
constexpr std::uint64_t kRatioFrom = 64U << 20;  // unpacked bytes from which on the ratio counts
constexpr std::uint64_t kRatioMax = 200;

}  // namespace

void Connection::open_sink(Exchange& exchange) {
  sink_link_ = std::make_shared<StreamLink>();
  sink_link_->core = core_.shared_from_this();
  sink_link_->connection = this;
  StreamHandle handle;
  handle.link_ = sink_link_;
  exchange.core = core_.shared_from_this();
  exchange.lent = true;
  exchange.deadline = Clock::time_point::max();  // it counts from the end of the body
  unpacked_bytes_ = 0;
  core_.dispatching = &exchange;
  try {
    sink_ = exchange.route->options.sinks.open(exchange.request, Responder(&exchange), std::move(handle));
  } catch (...) {
    // Its responder has answered 500 on the way out.
  }
  core_.dispatching = nullptr;
  if (!sink_) stop_body();
}

bool Connection::feed_sink(std::string_view data) {
  reading_->body_received += data.size();
  if (!head_.gzip) {
    if (!sink_->data(data)) pause_sink();
    return true;
  }
  while (!data.empty() && !sink_waits_) {
    const std::string_view step = data.substr(0, kPackedStep);
    data.remove_prefix(step.size());
    unpacked_.clear();
    if (gunzip_->append(step, kUnpackedStepMax, unpacked_) != Gunzip::Status::ok) {
      break_sink(problem(400, "http.gzip", "the body is not valid gzip, as its Content-Encoding says"));
      return false;
    }
    unpacked_bytes_ += unpacked_.size();
    if (unpacked_bytes_ > kRatioFrom && unpacked_bytes_ / kRatioMax > reading_->body_received) {
      break_sink(problem(413, "http.gzip_ratio", "the body unpacks to more than 200 times its size; send it with less compression"));
      return false;
    }
    if (!sink_->data(unpacked_)) pause_sink();
  }
  if (unpacked_.capacity() > kPackedStep * 16) unpacked_ = std::string();
  held_.assign(data);
  return true;
}

void Connection::pause_sink() {
  sink_waits_ = true;
  sink_paused_ = Clock::now();
}

// The sink was woken, or is asked now and then: goes on where it stopped.
void Connection::resume_sink() {
  if (!sink_ || !sink_waits_ || !sink_->ready()) return;
  sink_waits_ = false;
  read_started_ += Clock::now() - sink_paused_;  // the client did not make it wait
  if (!held_.empty()) {
    const std::string held = std::exchange(held_, {});
    reading_->body_received -= held.size();  // counted once
    if (!feed_sink(held)) return;
  }
  if (sink_ends_ && !sink_waits_) finish_sink();
  if (!sink_waits_) process_kept();
}

void Connection::finish_sink() {
  if (sink_waits_) {
    sink_ends_ = true;
    return;
  }
  if (head_.gzip && !gunzip_->finished()) {
    break_sink(problem(400, "http.gzip", "the gzip body ends too early"));
    return;
  }
  Exchange& exchange = *reading_;
  const auto limit =
      exchange.route->options.handler_timeout.count() > 0 ? exchange.route->options.handler_timeout : core_.options().handler_timeout;
  exchange.started = Clock::now();
  exchange.deadline = exchange.started + limit;
  if (!sink_->end()) {
    exchange.deadline = Clock::time_point::max();
    sink_ends_ = true;
    pause_sink();
    return;
  }
  leave_sink();
  reading_ = nullptr;
  continue_wanted_ = false;
  reading_state_ = Reading::head;
}

// The sink, which is no longer the connection's.
std::unique_ptr<BodySink> Connection::leave_sink() {
  if (sink_link_) {
    sink_link_->closed = true;
    sink_link_->connection = nullptr;
    sink_link_.reset();
  }
  sink_waits_ = sink_ends_ = false;
  held_ = std::string();
  return std::move(sink_);
}

// Nothing more of the body is read: the sink says how far it came.
void Connection::break_sink(Response why) {
  const std::unique_ptr<BodySink> sink = leave_sink();
  reading_->deadline = Clock::now() + core_.options().handler_timeout;
  stop_body();
  sink->broken(std::move(why));
}

void Connection::stop_body() {
  leave_sink();
  reading_ = nullptr;
  continue_wanted_ = false;
  close_after_ = true;
  linger_left_ = kLingerBytes;
  reading_state_ = Reading::stopped;
}

}  // namespace nudge::http
