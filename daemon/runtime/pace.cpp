#include "daemon/runtime/pace.h"

#include <algorithm>
#include <cmath>

namespace nudge::daemon {
namespace {

constexpr std::int64_t kMicros = 1000;  // of a millisecond
constexpr DurationMs kPauseFirst = kSecond;

std::int64_t in_a_second(const Rate& rate) { return std::max<std::int64_t>(1, rate.count * kSecond / std::max<DurationMs>(1, rate.per)); }

}  // namespace

std::string format_rate(const Rate& rate) {
  if (rate.count == 0) return {};
  const std::string per = rate.per == kSecond ? "s" : rate.per == kMinute ? "min" : rate.per == kHour ? "h" : format_duration(rate.per);
  return std::to_string(rate.count) + "/" + per;
}

TokenBucket::TokenBucket(const Rate& rate, std::int64_t burst) {
  if (rate.count <= 0) return;
  gap_ = std::max<std::int64_t>(1, rate.per * kMicros / rate.count);
  tolerance_ = gap_ * (std::max<std::int64_t>(1, burst) - 1);
}

TimeMs TokenBucket::next(TimeMs now) {
  if (gap_ == 0) return now;
  if (full_at_ == INT64_MIN) full_at_ = now * kMicros + tolerance_;  // the first question: the bucket has one in it
  const std::int64_t at = full_at_ - tolerance_;
  return at <= now * kMicros ? now : (at + kMicros - 1) / kMicros;
}

void TokenBucket::take(TimeMs now) {
  if (gap_ == 0) return;
  (void)next(now);
  full_at_ = std::max(full_at_, now * kMicros) + gap_;
}

std::string_view breaker_name(Breaker::State state) {
  switch (state) {
    case Breaker::State::closed: return "closed";
    case Breaker::State::open: return "open";
    case Breaker::State::half_open: return "half_open";
  }
  return "";
}

Breaker::State Breaker::state(TimeMs now) const {
  if (!tripped_) return State::closed;
  return now < until_ ? State::open : State::half_open;
}

std::size_t Breaker::allowed(TimeMs now, std::size_t most) const {
  switch (state(now)) {
    case State::closed: return most;
    case State::open: return 0;
    case State::half_open: return std::min<std::size_t>(1, most);
  }
  return most;
}

void Breaker::good() {
  in_a_row_ = 0;
  doublings_ = 0;
  tripped_ = false;
}

void Breaker::bad(TimeMs now, bool at_once) {
  ++in_a_row_;
  if (options_.after == 0 || (!tripped_ && !at_once && in_a_row_ < options_.after)) return;
  if (tripped_ && now < until_) return;  // one that was under way when it opened: says nothing new
  const DurationMs pause = std::min(options_.pause_most, options_.pause << std::min(doublings_, 20U));
  if (doublings_ < 20U) ++doublings_;
  tripped_ = true;
  until_ = now + pause;
  ++opened_;
}

Account::Account(const Options& options) {
  for (const Rate& rate : options.rates) buckets_.emplace_back(rate, options.burst > 0 ? options.burst : in_a_second(rate));
}

TimeMs Account::next(TimeMs now) {
  TimeMs at = std::max(now, paused_until_);
  for (TokenBucket& bucket : buckets_) at = std::max(at, bucket.next(now));
  return at;
}

void Account::take(TimeMs now) {
  for (TokenBucket& bucket : buckets_) bucket.take(now);
}

void Account::throttled(TimeMs now, DurationMs asked, std::size_t under_way) {
  ++throttles_;
  const bool again = now < paused_until_;  // the others of the same moment
  if (!again) {
    window_ = std::max(1.0, std::floor(std::min(window_, static_cast<double>(std::max<std::size_t>(under_way, 1))) / 2));
    if (in_a_row_ < 20U) ++in_a_row_;
  }
  const DurationMs pause = asked > 0 ? asked : again ? 0 : kPauseFirst << std::min(in_a_row_ - 1, 6U);
  paused_until_ = std::max(paused_until_, now + std::min(pause, kPauseMost));
}

void Account::good() {
  in_a_row_ = 0;
  if (window_ < 1e6) window_ += 1.0 / window_;
}

std::size_t Account::window(std::size_t most) const {
  return window_ >= static_cast<double>(most) ? most : static_cast<std::size_t>(std::max(1.0, window_));
}

}  // namespace nudge::daemon
