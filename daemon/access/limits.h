// How often somebody may ask, and how often somebody may be wrong. Bounded memory: the oldest are forgotten first.
// Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace nudge::access {

// A bucket of requests per name (a token, a person, an address), refilled at a steady rate; two seconds' worth may come at once.
class RateLimit {
 public:
  // `per_second` 0: no limit.
  explicit RateLimit(std::int64_t per_second) : per_second_(per_second) {}
  // Takes one. 0: go on; else the milliseconds until the next may come. `now_ms` from a clock that does not go back.
  std::int64_t take(const std::string& name, std::int64_t now_ms);

 private:
  struct Bucket {
    double left;
    std::int64_t at;
  };
  const std::int64_t per_second_;
  std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
};

// Counts mistakes by name; after `most` of them within `window_ms` it is blocked until the window is over.
class Mistakes {
 public:
  Mistakes(int most, std::int64_t window_ms) : most_(most), window_ms_(window_ms) {}
  // 0: not blocked; else milliseconds until it ends.
  std::int64_t blocked(const std::string& name, std::int64_t now_ms);
  void add(const std::string& name, std::int64_t now_ms);
  void forget(const std::string& name);

 private:
  struct Count {
    int count;
    std::int64_t since;
  };
  const int most_;
  const std::int64_t window_ms_;
  std::mutex mutex_;
  std::unordered_map<std::string, Count> counts_;
};

}  // namespace nudge::access
