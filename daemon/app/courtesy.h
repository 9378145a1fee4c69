// A reader beside intake: while something comes in, its thread takes a fifth of a processor, and as much as there is when nothing does.
//
// Not a lower priority: whoever is put off while it holds a lock (of a pipe, the allocator, the store) puts off all who wait for that lock, and
// intake is among them. A thread that sleeps by itself holds none. One thread; refers to what `progress` does.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

namespace nudge::daemon {

class Courtesy {
 public:
  static constexpr std::uint64_t kSliceNs = 500'000;  // worked between two rests
  static constexpr unsigned kRestPerWork = 4;

  // `progress` grows with what intake has committed.
  explicit Courtesy(std::function<std::uint64_t()> progress) : progress_(std::move(progress)) {}
  // To be called often, without a lock: sleeps when it is time to. Returns the nanoseconds that it was to sleep.
  std::uint64_t rest();

 private:
  const std::function<std::uint64_t()> progress_;
  std::uint64_t seen_ = 0, began_ = 0;
  std::chrono::steady_clock::time_point busy_until_{};  // a commit may be long against a slice
  unsigned calls_ = 0;
};

}  // namespace nudge::daemon
