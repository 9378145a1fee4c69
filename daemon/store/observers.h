// What RocksDB calls back into: its info log, its background errors, and the records of its write-ahead log as they are replayed.
// Private to the store.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "daemon/store/health.h"
#include "daemon/store/store.h"

namespace rocksdb {
class EventListener;
class Logger;
class WalFilter;
}  // namespace rocksdb

namespace nudge::daemon {

// Passes lines on to StoreOptions::log within its bounds. Thread-safe.
class LogSink {
 public:
  explicit LogSink(std::function<void(StoreLogLevel, std::string_view)> log) : log_(std::move(log)) {}
  void line(StoreLogLevel level, std::string_view text) noexcept;

  static constexpr std::size_t kLineBytes = 2048;
  static constexpr std::uint32_t kLinesPerSecond = 100;

 private:
  std::function<void(StoreLogLevel, std::string_view)> log_;
  std::mutex mutex_;
  std::int64_t second_ = 0;       // guarded by mutex_
  std::uint32_t lines_ = 0;       // of this second; guarded by mutex_
  std::uint64_t suppressed_ = 0;  // guarded by mutex_
};

// RocksDB's own file logger can abort the process on a full disk; this one touches no file.
std::shared_ptr<rocksdb::Logger> make_rocksdb_logger(std::shared_ptr<LogSink> sink);
std::shared_ptr<rocksdb::EventListener> make_error_listener(std::shared_ptr<Health> health, std::shared_ptr<LogSink> sink);

// Every record of the write-ahead log carries the number of its first write. A jump means that a file or a part of one is gone, which
// RocksDB itself lets pass; then the opening fails, unless `tolerate`.
struct WalHole {
  std::uint64_t expected = 0;
  std::uint64_t found = 0;
  std::string file;
};
class WalCheck {
 public:
  explicit WalCheck(bool tolerate);
  ~WalCheck();
  // Ends the replay at the first record: for a look at what the files hold without the log.
  rocksdb::WalFilter* stop_at_once() const;
  // Checks the records, of which the first must not be above `next`.
  rocksdb::WalFilter* check_from(std::uint64_t next) const;
  // The first hole, if any. Valid after the opening.
  const std::optional<WalHole>& hole() const;

 private:
  class Stop;
  class Filter;
  std::unique_ptr<Stop> stop_;
  std::unique_ptr<Filter> filter_;
};

}  // namespace nudge::daemon
