// Lets the days pass for a program under test: preloaded, it adds to the wall clock what the file SHIFTED_CLOCK holds (8 bytes, milliseconds, as the
// machine writes them), read anew at each look at the clock. Clocks that only measure spans are left as they are, so waiting takes as long as ever.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

const std::atomic<std::int64_t>* shift() {
  // No lock and no allocation: the allocator looks at the clock while it starts.
  static std::atomic<const std::atomic<std::int64_t>*> place{nullptr};
  if (const auto* known = place.load(std::memory_order_acquire)) return known;
  const char* name = std::getenv("SHIFTED_CLOCK");
  if (name == nullptr) return nullptr;
  const int file = ::open(name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return nullptr;
  void* mapped = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  if (mapped == MAP_FAILED) return nullptr;
  const auto* found = static_cast<const std::atomic<std::int64_t>*>(mapped);
  place.store(found, std::memory_order_release);
  return found;
}

void moved(timespec* at) {
  const auto* by = shift();
  if (by == nullptr) return;
  const std::int64_t ms = by->load(std::memory_order_relaxed);
  at->tv_sec += ms / 1000;
  at->tv_nsec += ms % 1000 * 1'000'000;
  if (at->tv_nsec >= 1'000'000'000) {
    at->tv_nsec -= 1'000'000'000;
    ++at->tv_sec;
  }
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* at) noexcept {
  const long result = ::syscall(SYS_clock_gettime, clock, at);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) moved(at);
  return static_cast<int>(result);
}

extern "C" int gettimeofday(timeval* at, void*) noexcept {
  timespec now{};
  const int result = clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return result;
}

extern "C" time_t time(time_t* at) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (at != nullptr) *at = now.tv_sec;
  return now.tv_sec;
}
