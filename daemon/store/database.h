// RocksDB opened: handles and everything that must outlive them, destroyed in the right order. Private to the store. Of RocksDB
// only the lightest header and forward declarations here.
#pragma once

#include <rocksdb/slice.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/store/directory.h"
#include "daemon/store/observers.h"
#include "daemon/store/store.h"

namespace rocksdb {
class Cache;
class ColumnFamilyHandle;
class DB;
class Env;
class FileSystem;
class Snapshot;
class Status;
}  // namespace rocksdb

namespace nudge::daemon {

class Database {
 public:
  // Opens or creates the database at `path` with all families. Takes the lock over, also when it fails (then the lock is released).
  static Result<std::shared_ptr<Database>> open(const StoreOptions& options, const std::string& path, DirectoryLock lock,
                                                std::shared_ptr<Health> health, std::shared_ptr<LogSink> sink);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& db() const { return *db_; }
  rocksdb::ColumnFamilyHandle* handle(Family family) const { return handles_[static_cast<std::size_t>(family)]; }
  rocksdb::Cache& cache() const { return *cache_; }
  // The hole in the write-ahead log that was met while opening; only with accept_loss, else opening fails.
  const std::optional<WalHole>& hole() const { return wal_check_.hole(); }
  // The write-ahead logs that were replayed stay until their contents are flushed. A process that was killed may have left in them what was
  // never synced; as it counts as stored from now on, it has to be on disk.
  Result<void> sync_replayed_logs(const std::string& path) const;
  // True if this opening created the database.
  bool created() const { return created_; }

 private:
  explicit Database(bool tolerate_holes);
  Result<void> set_environment(const StoreOptions& options);
  Result<std::vector<std::string>> list_families(const std::string& path);
  Result<void> open_existing(const StoreOptions& options, const std::string& path, const std::vector<std::string>& names);
  Result<void> add_missing(const StoreOptions& options);

  DirectoryLock lock_;  // first, so released last
  std::shared_ptr<Health> health_;
  std::shared_ptr<LogSink> sink_;
  std::shared_ptr<rocksdb::FileSystem> file_system_;
  std::unique_ptr<rocksdb::Env> own_env_;
  rocksdb::Env* env_ = nullptr;
  std::shared_ptr<rocksdb::Cache> cache_;
  WalCheck wal_check_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* default_ = nullptr;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> handles_{};
  bool created_ = false;
};

// RocksDB is built with assertions here: it aborts on a null pointer, even of an empty text.
inline rocksdb::Slice slice(std::string_view s) { return {s.data() == nullptr ? "" : s.data(), s.size()}; }

// A status of RocksDB as an error: what was being done, what RocksDB says.
Error to_error(std::string_view doing, const rocksdb::Status& status);

// Keys of Family::meta that the store keeps for itself.
inline constexpr std::string_view kFormatKey = "store/format";
inline constexpr std::string_view kIdKey = "store/id";
inline constexpr std::string_view kFloorKey = "store/sequence_floor";
inline constexpr std::string_view kDroppedKey = "store/log_dropped";
inline constexpr std::string_view kLossPrefix = "store/loss/";

}  // namespace nudge::daemon
