#include "connectors/chat/pace.h"

#include <algorithm>

namespace nudge::connectors {

namespace {

constexpr std::size_t kWaitingMax = 20'000;
constexpr std::int64_t kForgottenMs = 3'600'000;  // a place that nobody came back for

}  // namespace

std::int64_t Pace::next(std::int64_t now) const {
  std::int64_t at = std::max({now, quiet_until_, given_.empty() ? 0 : given_.back()});
  for (const Limit& limit : limits_)
    if (given_.size() >= limit.messages) at = std::max(at, given_[given_.size() - limit.messages] + limit.in_ms);
  return at;
}

std::int64_t Pace::ask(std::string_view id, std::int64_t now) {
  const std::lock_guard lock(mutex_);
  if (const auto known = waiting_.find(id); known != waiting_.end()) {
    const std::int64_t at = std::max(known->second, quiet_until_);
    if (at <= now) waiting_.erase(known);
    return at;
  }
  const std::int64_t at = next(now);
  if (at > now) {
    if (waiting_.size() >= kWaitingMax) std::erase_if(waiting_, [now](const auto& one) { return one.second + kForgottenMs < now; });
    if (waiting_.size() >= kWaitingMax) return at;  // no place is taken: it asks anew
    waiting_.emplace(id, at);
  }
  given_.push_back(at);
  std::size_t most = 0;
  for (const Limit& limit : limits_) most = std::max(most, limit.messages);
  while (given_.size() > most) given_.pop_front();
  return at;
}

void Pace::quiet(std::int64_t until) {
  const std::lock_guard lock(mutex_);
  quiet_until_ = std::max(quiet_until_, until);
}

}  // namespace nudge::connectors
