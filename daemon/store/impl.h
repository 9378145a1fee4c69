// The store's inside, shared by store*.cpp. Private to the store.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "daemon/store/database.h"
#include "daemon/store/health.h"
#include "daemon/store/store.h"
#include "daemon/store/watermark.h"

namespace nudge::daemon {

struct Store::Impl {
  // Constant after open().
  StoreOptions options;
  std::shared_ptr<LogSink> sink;
  std::shared_ptr<Health> health;
  std::shared_ptr<Database> database;
  StoreId id{};

  // Guarded by commit_mutex.
  mutable std::mutex commit_mutex;
  std::optional<Watermark> watermark;
  std::uint64_t chain_tail = 0;  // the newest block in the database: what the next block names as its predecessor
  bool unsynced = false;         // commits that are not on disk yet
  bool watermark_dirty = false;  // the watermark moved since its last fdatasync
  std::uint64_t bytes_since_space_check = 0;
  bool closed = false;

  std::atomic<std::uint64_t> last_sequence{0};
  std::atomic<std::uint64_t> dropped{0};  // blocks up to here were taken off the log
  std::atomic<std::uint64_t> rewrites{0};
  std::atomic<std::uint64_t> acknowledged{0};
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> background_commits{0};
  std::atomic<std::uint64_t> committed_bytes{0};

  // The thread that ticks.
  std::thread ticker;
  std::mutex tick_mutex;
  std::condition_variable tick_wake;
  bool stopping = false;  // guarded by tick_mutex

  ~Impl();
  std::string database_path() const { return options.path + "/db"; }
  std::string watermark_path() const { return options.path + "/watermark"; }

  // store_open.cpp
  Result<void> check_before_opening() const;
  Result<void> identify();
  Result<void> establish();
  Result<void> find_last_sequence();
  Result<void> check_watermark();
  Result<void> bring_forward();
  Result<void> put_meta(std::string_view key, std::string_view value);
  Result<std::optional<std::string>> get_meta(std::string_view key) const;
  Result<void> record_loss(std::uint64_t acknowledged_sequence, std::string_view reason);
  std::optional<Mark> mark_at_open;
  std::uint32_t format_at_open = kStoreFormat;
  std::optional<Error> mark_error;  // the watermark could not be read and accept_loss is given

  // store.cpp; the first three with commit_mutex held
  Result<void> sync_locked();
  Result<void> advance_watermark();
  std::unexpected<Error> poison(Error error, std::string_view outcome);
  void look_at_space();
  void run_ticker();
  void tick();
};

struct Snapshot::State {
  std::shared_ptr<Database> database;
  const rocksdb::Snapshot* snapshot = nullptr;
  ~State();
};

}  // namespace nudge::daemon
