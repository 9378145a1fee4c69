// Where instants come from. The engine has no clock; the runtime has this one, and tests put a manual one in its place.
//
// Thread-safety: everything from any thread.
#pragma once

#include <atomic>
#include <chrono>

#include "engine/base/time.h"

namespace nudge::daemon {

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since 1970. May jump backwards; LogicalClock deals with that.
  virtual TimeMs now() = 0;
  // The longest a thread may sleep before it looks at the clock again.
  virtual std::chrono::milliseconds patience() const = 0;
};

class SystemClock : public Clock {
 public:
  TimeMs now() override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  std::chrono::milliseconds patience() const override { return std::chrono::milliseconds(200); }
};

// Stands still until told otherwise.
class ManualClock : public Clock {
 public:
  explicit ManualClock(TimeMs start) : now_(start) {}
  TimeMs now() override { return now_.load(); }
  std::chrono::milliseconds patience() const override { return std::chrono::milliseconds(2); }
  void set(TimeMs t) { now_.store(t); }
  void advance(DurationMs d) { now_.fetch_add(d); }

 private:
  std::atomic<TimeMs> now_;
};

// Never goes backwards, also not across a restart: `floor` is the highest instant used before.
class LogicalClock {
 public:
  LogicalClock(Clock& clock, TimeMs floor) : clock_(clock), highest_(floor) {}
  TimeMs now() {
    const TimeMs t = clock_.now();
    TimeMs seen = highest_.load(std::memory_order_relaxed);
    while (seen < t && !highest_.compare_exchange_weak(seen, t, std::memory_order_relaxed)) {
    }
    return seen < t ? t : seen;
  }
  // Raises the floor.
  void not_before(TimeMs t) {
    TimeMs seen = highest_.load(std::memory_order_relaxed);
    while (seen < t && !highest_.compare_exchange_weak(seen, t, std::memory_order_relaxed)) {
    }
  }
  std::chrono::milliseconds patience() const { return clock_.patience(); }

 private:
  Clock& clock_;
  std::atomic<TimeMs> highest_;
};

}  // namespace nudge::daemon
