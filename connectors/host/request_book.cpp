#include "connectors/host/request_book.h"

#include <algorithm>
#include <utility>

namespace nudge::connectors {

bool RequestBook::add(Entry entry, std::size_t queue_max) {
  const std::lock_guard lock(mutex_);
  if (orders_.stop || queue_.size() >= queue_max) return false;
  queue_deadline_ = std::min(queue_deadline_, entry.deadline);
  queue_.push_back(std::move(entry));
  ++status_.taken;
  ++status_.queued;
  return true;
}

std::optional<Entry> RequestBook::take() {
  const std::lock_guard lock(mutex_);
  if (orders_.stop || queue_.empty() || status_.state != ConnectorState::ready) return std::nullopt;
  std::optional<Entry> entry(std::move(queue_.front()));
  queue_.pop_front();
  return entry;
}

void RequestBook::put_back(Entry entry) {
  const std::lock_guard lock(mutex_);
  queue_deadline_ = std::min(queue_deadline_, entry.deadline);
  queue_.push_front(std::move(entry));
}

void RequestBook::handed_over() {
  const std::lock_guard lock(mutex_);
  --status_.queued;
  ++status_.in_flight;
}

void RequestBook::settle(From from, OutcomeStatus status, bool received) {
  const std::lock_guard lock(mutex_);
  --(from == From::queue ? status_.queued : status_.in_flight);
  if (received) {
    ++status_.received;
    return;
  }
  switch (status) {
    case OutcomeStatus::accepted: ++status_.accepted; break;
    case OutcomeStatus::not_sent: ++status_.not_sent; break;
    case OutcomeStatus::unknown: ++status_.unknown; break;
    case OutcomeStatus::bad_config: ++status_.bad_config; break;
  }
}

std::deque<Entry> RequestBook::take_all() {
  const std::lock_guard lock(mutex_);
  queue_deadline_ = kNever;
  return std::exchange(queue_, {});
}

std::deque<Entry> RequestBook::take_expired(SteadyTime now) {
  std::deque<Entry> expired;
  const std::lock_guard lock(mutex_);
  if (queue_deadline_ > now) return expired;
  queue_deadline_ = kNever;
  std::deque<Entry> kept;
  for (Entry& entry : queue_) {
    if (entry.deadline <= now) {
      expired.push_back(std::move(entry));
    } else {
      queue_deadline_ = std::min(queue_deadline_, entry.deadline);
      kept.push_back(std::move(entry));
    }
  }
  queue_ = std::move(kept);
  return expired;
}

SteadyTime RequestBook::next_deadline() const {
  const std::lock_guard lock(mutex_);
  return orders_.stop ? std::min(queue_deadline_, orders_.stop_deadline) : queue_deadline_;
}

void RequestBook::set_state(ConnectorState state, int pid, std::string error) {
  const std::lock_guard lock(mutex_);
  status_.state = state;
  status_.pid = pid;
  if (!error.empty()) status_.last_error = std::move(error);
}

ConnectorState RequestBook::state() const {
  const std::lock_guard lock(mutex_);
  return status_.state;
}

void RequestBook::change(const std::function<void(ConnectorStatus&)>& how) {
  const std::lock_guard lock(mutex_);
  how(status_);
}

ConnectorStatus RequestBook::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void RequestBook::order_stop(SteadyTime deadline) {
  const std::lock_guard lock(mutex_);
  orders_.stop = true;
  orders_.stop_deadline = deadline;
}

void RequestBook::order_restart() {
  const std::lock_guard lock(mutex_);
  orders_.restart = true;
}

RequestBook::Orders RequestBook::orders() {
  const std::lock_guard lock(mutex_);
  Orders out = orders_;
  orders_.restart = false;
  return out;
}

}  // namespace nudge::connectors
