// Where instants come from. The engine has no clock; the runtime has this one, and tests put a manual one in its place.
//
// Thread-safety: everything from any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>

#include "engine/base/time.h"

namespace nudge::daemon {

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since 1970. May jump backwards; LogicalClock deals with that.
  virtual TimeMs now() = 0;
  // Milliseconds that only ever go forward, from any start.
  virtual std::int64_t steady() = 0;
  // The longest a thread may sleep before it looks at the clock again.
  virtual std::chrono::milliseconds patience() const = 0;
};

class SystemClock : public Clock {
 public:
  TimeMs now() override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  std::int64_t steady() override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  std::chrono::milliseconds patience() const override { return std::chrono::milliseconds(200); }
};

// Stands still until told otherwise.
class ManualClock : public Clock {
 public:
  explicit ManualClock(TimeMs start) : now_(start) {}
  TimeMs now() override { return now_.load(); }
  std::int64_t steady() override { return steady_.load(); }
  std::chrono::milliseconds patience() const override { return std::chrono::milliseconds(2); }
  void set(TimeMs t) { now_.store(t); }
  void advance(DurationMs d) {
    now_.fetch_add(d);
    steady_.fetch_add(d);
  }

 private:
  std::atomic<TimeMs> now_;
  std::atomic<std::int64_t> steady_{0};
};

// Never goes backwards, also not across a restart: `floor` is the highest instant used before.
//
// When the wall clock is behind (it was set back, or was ahead by mistake in an earlier life), logical time goes on at half speed until the
// wall clock has caught up: a customer is judged at most once a millisecond, so time that stood still would stop everything.
class LogicalClock {
 public:
  LogicalClock(Clock& clock, TimeMs floor) : clock_(clock), highest_(floor) {}

  TimeMs now() {
    const TimeMs t = clock_.now();
    if (t >= highest_.load(std::memory_order_relaxed)) {
      behind_.store(false, std::memory_order_relaxed);
      return raise(t);
    }
    const std::lock_guard lock(mutex_);
    const std::int64_t steady = clock_.steady();
    if (!behind_.exchange(true, std::memory_order_relaxed)) {
      anchor_ = highest_.load(std::memory_order_relaxed);
      anchor_steady_ = steady;
    }
    return raise(std::max(t, anchor_ + (steady - anchor_steady_) / 2));
  }
  // Raises the floor.
  void not_before(TimeMs t) { raise(t); }
  std::chrono::milliseconds patience() const { return clock_.patience(); }

 private:
  TimeMs raise(TimeMs t) {
    TimeMs seen = highest_.load(std::memory_order_relaxed);
    while (seen < t && !highest_.compare_exchange_weak(seen, t, std::memory_order_relaxed)) {}
    return std::max(seen, t);
  }

  Clock& clock_;
  std::atomic<TimeMs> highest_;
  std::atomic<bool> behind_{false};
  std::mutex mutex_;
  TimeMs anchor_ = 0;  // guarded by mutex_
  std::int64_t anchor_steady_ = 0;
};

}  // namespace nudge::daemon
