// What the store thinks of itself: poisoned, closed, low on space, failing in the background. Thread-safe. Outlives RocksDB's threads,
// which report into it.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

#include "engine/base/status.h"

namespace nudge::daemon {

class Health {
 public:
  bool poisoned() const noexcept { return poisoned_.load(std::memory_order_acquire); }
  bool accepting() const noexcept { return accepting_.load(std::memory_order_acquire); }
  std::optional<Error> failure() const;
  std::string refusal() const;

  // The first failure is kept. Returns the one that is kept.
  Error poison(Error error);
  void set_closed();
  // Empty: enough space.
  void set_low_space(std::string reason);
  // Empty: RocksDB recovered.
  void set_background_error(std::string reason);

 private:
  void update();  // with mutex_ held
  mutable std::mutex mutex_;
  std::optional<Error> failure_;  // guarded by mutex_
  std::string low_space_;         // guarded by mutex_
  std::string background_error_;  // guarded by mutex_
  bool closed_ = false;           // guarded by mutex_
  std::atomic<bool> poisoned_{false};
  std::atomic<bool> accepting_{true};
};

}  // namespace nudge::daemon
