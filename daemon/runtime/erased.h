// Customers who were erased, and up to which instant: what is older is not touched, sent or written any more, what is newer is a new
// customer's of the same id. Thread-safe; asked on hot ways, so that an empty one costs one load.
#pragma once

#include <atomic>
#include <map>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "engine/base/time.h"

namespace nudge::daemon {

class ErasedIds {
 public:
  // kNever: everything of this customer, whenever it was.
  void set(std::string_view customer, TimeMs upto) {
    const std::lock_guard lock(mutex_);
    upto_.insert_or_assign(std::string(customer), upto);
    any_.store(true, std::memory_order_release);
  }
  bool covers(std::string_view customer, TimeMs at) const {
    if (!any_.load(std::memory_order_acquire)) return false;
    const std::shared_lock lock(mutex_);
    const auto found = upto_.find(customer);
    return found != upto_.end() && at <= found->second;
  }

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, TimeMs, std::less<>> upto_;
  std::atomic<bool> any_{false};
};

}  // namespace nudge::daemon
