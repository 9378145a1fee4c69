#include "daemon/access/limits.h"

#include <algorithm>

namespace nudge::access {
namespace {

constexpr std::size_t kNamesMax = 20'000;

}  // namespace

std::int64_t RateLimit::take(const std::string& name, std::int64_t now_ms) {
  if (per_second_ <= 0) return 0;
  const double most = 2.0 * static_cast<double>(per_second_);
  const std::lock_guard lock(mutex_);
  if (buckets_.size() >= kNamesMax) {
    // Those that are full again have nothing to remember.
    std::erase_if(buckets_, [&](const auto& entry) { return now_ms - entry.second.at >= 2000; });
    if (buckets_.size() >= kNamesMax) buckets_.clear();
  }
  Bucket& bucket = buckets_.try_emplace(name, Bucket{most, now_ms}).first->second;
  bucket.left = std::min(most, bucket.left + static_cast<double>((now_ms - bucket.at) * per_second_) / 1000.0);
  bucket.at = now_ms;
  if (bucket.left >= 1) {
    bucket.left -= 1;
    return 0;
  }
  return std::max<std::int64_t>(1, static_cast<std::int64_t>((1 - bucket.left) * 1000.0 / static_cast<double>(per_second_)));
}

std::int64_t Mistakes::blocked(const std::string& name, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(name);
  if (found == counts_.end()) return 0;
  if (now_ms - found->second.since >= window_ms_) {
    counts_.erase(found);
    return 0;
  }
  return found->second.count >= most_ ? window_ms_ - (now_ms - found->second.since) : 0;
}

void Mistakes::add(const std::string& name, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (counts_.size() >= kNamesMax) {
    std::erase_if(counts_, [&](const auto& entry) { return now_ms - entry.second.since >= window_ms_; });
    if (counts_.size() >= kNamesMax) counts_.erase(counts_.begin());
  }
  Count& count = counts_.try_emplace(name, Count{0, now_ms}).first->second;
  if (now_ms - count.since >= window_ms_) count = {0, now_ms};
  ++count.count;
}

void Mistakes::forget(const std::string& name) {
  const std::lock_guard lock(mutex_);
  counts_.erase(name);
}

}  // namespace nudge::access
