// How fast a provider is spoken to: rates, what the provider itself asks for, and a circuit breaker. Pure: time comes from outside, so that
// every case is a line in a test.
//
// Not thread-safe; delivery's thread owns all of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/time.h"

namespace nudge::daemon {

// At most `count` in `per`. 0: no limit.
struct Rate {
  std::int64_t count = 0;
  DurationMs per = kSecond;
  friend bool operator==(const Rate&, const Rate&) = default;
};
std::string format_rate(const Rate& rate);  // "20/min"; empty: none

// A token bucket, kept as one instant (when the bucket would be full again), so that nothing is counted up and nothing drifts. It begins
// empty: a process that restarts again and again sends no faster than one that does not.
class TokenBucket {
 public:
  // `burst`: so many at once after a pause; at least 1.
  TokenBucket(const Rate& rate, std::int64_t burst);
  bool limits() const { return gap_ > 0; }
  // When the next one may go: not after `now` when it may go at once.
  TimeMs next(TimeMs now);
  void take(TimeMs now);

 private:
  std::int64_t gap_ = 0;        // µs between two
  std::int64_t tolerance_ = 0;  // µs ahead that a burst may be
  std::int64_t full_at_ = INT64_MIN;
};

struct BreakerOptions {
  std::int64_t after = 5;  // failures in a row; 0: no breaker
  DurationMs pause = 5 * kSecond;
  DurationMs pause_most = 5 * kMinute;
};

// After some failures in a row nothing is sent for a pause; then one is, alone. It goes well: all go again. It fails: the pause doubles.
class Breaker {
 public:
  enum class State : std::uint8_t { closed, open, half_open };
  explicit Breaker(BreakerOptions options) : options_(options) {}

  State state(TimeMs now) const;
  // How many may be under way at most; when open 0, until `opens_at`.
  std::size_t allowed(TimeMs now, std::size_t most) const;
  TimeMs until() const { return until_; }
  void good();
  // `at_once`: one is enough, such as a wrong password.
  void bad(TimeMs now, bool at_once = false);
  std::uint64_t opened() const { return opened_; }

 private:
  BreakerOptions options_;
  std::int64_t in_a_row_ = 0;
  std::uint32_t doublings_ = 0;
  bool tripped_ = false;
  TimeMs until_ = 0;
  std::uint64_t opened_ = 0;
};
std::string_view breaker_name(Breaker::State state);

// What one account with a provider bears: its rates, the pause the provider asked for (429, Retry-After), and how many at once. After each
// 429 half as many go at once, and one more for each round that goes well: what waited does not come as a flood.
class Account {
 public:
  struct Options {
    std::vector<Rate> rates;
    std::int64_t burst = 0;  // 0: what fits into a second, at least 1
    friend bool operator==(const Options&, const Options&) = default;
  };
  static constexpr DurationMs kPauseMost = kHour;  // whatever the provider says

  explicit Account(const Options& options);
  TimeMs next(TimeMs now);  // when the next one may go; not after `now`: at once
  void take(TimeMs now);
  // The provider has had enough. `asked`: for how long, 0 when it did not say.
  void throttled(TimeMs now, DurationMs asked, std::size_t under_way);
  void good();
  std::size_t window(std::size_t most) const;
  TimeMs paused_until() const { return paused_until_; }
  std::uint64_t throttles() const { return throttles_; }

 private:
  std::vector<TokenBucket> buckets_;
  TimeMs paused_until_ = 0;
  std::uint32_t in_a_row_ = 0;
  double window_ = 1e9;
  std::uint64_t throttles_ = 0;
};

}  // namespace nudge::daemon
