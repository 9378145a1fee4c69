#include "daemon/app/courtesy.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace nudge::daemon {
namespace {

constexpr unsigned kCallsPerLook = 8;  // the clock of a thread costs as much as a short line
constexpr std::chrono::milliseconds kBusy{500};
constexpr std::uint64_t kSecondNs = 1'000'000'000;

std::uint64_t worked_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * kSecondNs + static_cast<std::uint64_t>(t.tv_nsec);
}

}  // namespace

std::uint64_t Courtesy::rest() {
  if (calls_++ % kCallsPerLook != 0) return 0;
  const std::uint64_t worked = worked_ns(), slice = worked - began_;
  if (slice < kSliceNs) return 0;
  began_ = worked;
  const std::uint64_t progress = progress_();
  const auto now = std::chrono::steady_clock::now();
  if (std::exchange(seen_, progress) != progress) busy_until_ = now + kBusy;
  if (now >= busy_until_) return 0;  // nobody to be in the way of
  const std::uint64_t ns = std::min(slice, 20 * kSliceNs) * kRestPerWork;
  std::this_thread::sleep_for(std::chrono::nanoseconds(ns));
  return ns;
}

}  // namespace nudge::daemon
