#include "daemon/store/health.h"

namespace nudge::daemon {

std::optional<Error> Health::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::string Health::refusal() const {
  const std::lock_guard lock(mutex_);
  if (failure_) return failure_->message;
  if (closed_) return "the store is closed";
  if (!background_error_.empty()) return background_error_;
  return low_space_;
}

Error Health::poison(Error error) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(error);
  update();
  return *failure_;
}

void Health::set_closed() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  update();
}

void Health::set_low_space(std::string reason) {
  const std::lock_guard lock(mutex_);
  low_space_ = std::move(reason);
  update();
}

void Health::set_background_error(std::string reason) {
  const std::lock_guard lock(mutex_);
  background_error_ = std::move(reason);
  update();
}

void Health::update() {
  poisoned_.store(failure_.has_value(), std::memory_order_release);
  accepting_.store(!failure_ && !closed_ && background_error_.empty() && low_space_.empty(), std::memory_order_release);
}

}  // namespace nudge::daemon
