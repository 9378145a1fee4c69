// Every option of RocksDB, set here and nowhere else, so that another version with other defaults behaves the same. Private to the store.
#pragma once

#include <memory>

#include "daemon/store/store.h"

namespace rocksdb {
class Cache;
struct ColumnFamilyOptions;
struct DBOptions;
struct ReadOptions;
struct WriteOptions;
}  // namespace rocksdb

namespace nudge::daemon {

// Without env, info_log, listeners and wal_filter: the caller owns those.
rocksdb::DBOptions make_db_options(const StoreOptions& options);
rocksdb::ColumnFamilyOptions make_family_options(Family family, const StoreOptions& options, const std::shared_ptr<rocksdb::Cache>& cache);
std::shared_ptr<rocksdb::Cache> make_cache(const StoreOptions& options);
rocksdb::WriteOptions make_write_options(bool sync);
rocksdb::ReadOptions make_read_options();

}  // namespace nudge::daemon
