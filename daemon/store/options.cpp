#include "daemon/store/options.h"

#include <rocksdb/cache.h>
#include <rocksdb/comparator.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/flush_block_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include <climits>

namespace nudge::daemon {

namespace {

constexpr std::uint64_t kMiB = 1ULL << 20;
constexpr std::uint64_t kGiB = 1ULL << 30;

void set_files_and_logs(rocksdb::DBOptions& db) {
  db.db_paths.clear();
  db.db_log_dir = "";
  db.wal_dir = "";
  db.db_host_id = "nudge";  // not the name of the machine: the files travel in backups
  db.write_dbid_to_manifest = false;
  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  db.max_log_file_size = 0;
  db.log_file_time_to_roll = 0;
  db.keep_log_file_num = 10;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.persist_stats_to_disk = false;
  db.stats_history_buffer_size = 0;
  db.dump_malloc_stats = false;
  db.statistics = nullptr;
  db.enable_thread_tracking = false;
  db.allow_data_in_errors = false;  // customers' data never ends in an error text
  db.max_manifest_file_size = kMiB;  // it names the first and last key of each file, erased ones too, until it is written anew
  db.manifest_preallocation_size = kMiB;
  db.delete_obsolete_files_period_micros = 6ULL * 3600 * 1'000'000;
  db.file_checksum_gen_factory = nullptr;
  db.checksum_handoff_file_types = rocksdb::FileTypeSet();
  db.sst_file_manager = nullptr;
  db.allow_mmap_reads = false;
  db.allow_mmap_writes = false;
  db.use_direct_reads = false;
  db.use_direct_io_for_flush_and_compaction = false;
  db.allow_fallocate = true;
  db.is_fd_close_on_exec = true;
  db.advise_random_on_open = true;
  db.access_hint_on_compaction_start = rocksdb::DBOptions::NORMAL;
  db.compaction_readahead_size = 2 * kMiB;
  db.random_access_max_buffer_size = kMiB;
  db.writable_file_max_buffer_size = kMiB;
  db.log_readahead_size = 2 * kMiB;
}

void set_recovery(rocksdb::DBOptions& db, bool accept_loss) {
  // The default opens "OK" after a flipped byte, with acknowledged records missing; the strictest refuses after an ordinary kill.
  // With accept_loss WalCheck stops the replay at the first hole; kPointInTimeRecovery would, too, but refuses when a family was flushed
  // since.
  db.wal_recovery_mode =
      accept_loss ? rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords : rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  // A start that is refused (watermark, newer format) leaves the write-ahead log as it found it, for whoever has to repair.
  db.avoid_flush_during_recovery = !accept_loss;
  db.avoid_flush_during_shutdown = true;
  db.create_if_missing = false;  // the caller decides
  db.create_missing_column_families = false;
  db.error_if_exists = false;
  db.paranoid_checks = true;
  db.flush_verify_memtable_count = true;
  // 7.8 raises false alarms ("Missing WAL", mended in 7.9) and misses a truncated live log; WalCheck and the watermark do this job.
  db.track_and_verify_wals_in_manifest = false;
  db.verify_sst_unique_id_in_manifest = true;
  db.skip_stats_update_on_db_open = true;  // start-up time must not grow with the data
  db.skip_checking_sst_file_sizes_on_db_open = false;
  db.best_efforts_recovery = false;
  db.fail_if_options_file_error = true;
  db.max_bgerror_resume_count = INT_MAX;
  db.bgerror_resume_retry_interval = 1'000'000;
  db.enforce_single_del_contracts = true;
}

void set_writes(rocksdb::DBOptions& db, const StoreOptions& options) {
  db.use_fsync = false;  // fdatasync
  db.max_total_wal_size = options.wal_bytes;
  db.WAL_ttl_seconds = 0;
  db.WAL_size_limit_MB = 0;
  db.recycle_log_file_num = 0;  // does not go with kTolerateCorruptedTailRecords
  db.wal_compression = rocksdb::kNoCompression;
  db.manual_wal_flush = false;
  db.bytes_per_sync = kMiB;  // compaction output goes out steadily instead of in a burst beside a commit,
  db.wal_bytes_per_sync = 0;
  // and never far ahead of the disk: a sync of the write-ahead log waits for what other files have in the file system's journal.
  db.strict_bytes_per_sync = true;
  db.rate_limiter = nullptr;
  db.db_write_buffer_size = 6 * options.write_buffer_bytes;
  db.write_buffer_manager = nullptr;
  db.delayed_write_rate = 16 * kMiB;
  db.enable_pipelined_write = false;
  db.unordered_write = false;
  db.two_write_queues = false;
  db.allow_2pc = false;
  db.atomic_flush = false;  // the write-ahead log keeps the families consistent
  db.allow_concurrent_memtable_write = true;
  db.enable_write_thread_adaptive_yield = true;
  db.max_write_batch_group_size_bytes = kMiB;
  db.write_thread_max_yield_usec = 100;
  db.write_thread_slow_yield_usec = 3;
  db.avoid_unnecessary_blocking_io = true;  // files are deleted in the background, not by whoever drops an iterator
  db.allow_ingest_behind = false;
  db.use_adaptive_mutex = false;
}

rocksdb::CompressionOptions compression_options(int level) {
  rocksdb::CompressionOptions c;
  c.window_bits = -14;
  c.level = level;
  c.strategy = 0;
  c.max_dict_bytes = 0;
  c.zstd_max_train_bytes = 0;
  c.parallel_threads = 1;
  c.enabled = true;
  c.max_dict_buffer_bytes = 0;
  c.use_zstd_dict_trainer = true;
  return c;
}

std::shared_ptr<rocksdb::TableFactory> make_table(bool log, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.flush_block_policy_factory = std::make_shared<rocksdb::FlushBlockBySizePolicyFactory>();
  table.block_cache = cache;
  table.no_block_cache = false;
  table.persistent_cache = nullptr;
  table.block_cache_compressed = nullptr;
  table.cache_index_and_filter_blocks = true;  // the cache's size is the whole bound
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.pin_top_level_index_and_filter = true;
  table.metadata_cache_options = rocksdb::MetadataCacheOptions{};
  table.index_type = rocksdb::BlockBasedTableOptions::kBinarySearch;
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinarySearch;
  table.data_block_hash_table_util_ratio = 0.75;
  table.checksum = rocksdb::kXXH3;
  table.block_size = 16 * 1024;
  table.block_size_deviation = 10;
  table.block_restart_interval = 16;
  table.index_block_restart_interval = 1;
  table.metadata_block_size = 4096;
  table.partition_filters = false;
  table.optimize_filters_for_memory = false;
  table.use_delta_encoding = true;
  table.filter_policy.reset(log ? nullptr : rocksdb::NewBloomFilterPolicy(10, false));  // the log is read in order, never by a doubtful key
  table.whole_key_filtering = true;
  table.detect_filter_construct_corruption = false;
  table.verify_compression = false;
  table.read_amp_bytes_per_bit = 0;
  table.format_version = 5;
  table.enable_index_compression = true;
  table.block_align = false;
  table.index_shortening = rocksdb::BlockBasedTableOptions::IndexShorteningMode::kShortenSeparators;
  table.max_auto_readahead_size = 256 * 1024;
  table.initial_auto_readahead_size = 8 * 1024;
  table.num_file_reads_for_auto_readahead = 2;
  table.prepopulate_block_cache = rocksdb::BlockBasedTableOptions::PrepopulateBlockCache::kDisable;
  return std::shared_ptr<rocksdb::TableFactory>(rocksdb::NewBlockBasedTableFactory(table));
}

void set_levels(rocksdb::ColumnFamilyOptions& cf, bool rewritten) {
  cf.compaction_style = rocksdb::kCompactionStyleLevel;
  cf.compaction_pri = rocksdb::kMinOverlappingRatio;
  cf.num_levels = 7;
  // What is overwritten again and again meets the whole level below each time: seldom, then.
  cf.level0_file_num_compaction_trigger = rewritten ? 12 : 4;
  cf.level0_slowdown_writes_trigger = 30;  // far from the stop: 7.8 can hang after a stop (mended in 8.7)
  cf.level0_stop_writes_trigger = 60;
  cf.target_file_size_base = 64 * kMiB;
  cf.target_file_size_multiplier = 1;
  cf.level_compaction_dynamic_level_bytes = true;
  cf.level_compaction_dynamic_file_size = true;
  cf.max_bytes_for_level_base = 256 * kMiB;
  cf.max_bytes_for_level_multiplier = 10;
  cf.max_bytes_for_level_multiplier_additional = std::vector<int>(7, 1);
  cf.max_compaction_bytes = 1600 * kMiB;
  cf.ignore_max_compaction_bytes_for_input = true;
  cf.soft_pending_compaction_bytes_limit = 64 * kGiB;
  cf.hard_pending_compaction_bytes_limit = 256 * kGiB;
  cf.disable_auto_compactions = false;
  cf.ttl = 0;
  cf.periodic_compaction_seconds = 0;
  cf.compaction_filter = nullptr;
  cf.compaction_filter_factory = nullptr;
  cf.compaction_thread_limiter = nullptr;
  cf.sst_partitioner_factory = nullptr;
  cf.cf_paths.clear();
  cf.bottommost_temperature = rocksdb::Temperature::kUnknown;
  cf.last_level_temperature = rocksdb::Temperature::kUnknown;
  cf.preclude_last_level_data_seconds = 0;
  cf.preserve_internal_time_seconds = 0;
  cf.snap_refresh_nanos = 0;
  cf.table_properties_collector_factories.clear();
  cf.check_flush_compaction_key_order = true;
  cf.paranoid_file_checks = false;
  cf.force_consistency_checks = true;
  cf.report_bg_io_stats = false;
  cf.sample_for_compression = 0;
  cf.optimize_filters_for_hits = false;
}

void set_memory(rocksdb::ColumnFamilyOptions& cf, std::uint64_t write_buffer_bytes) {
  cf.write_buffer_size = write_buffer_bytes;
  cf.max_write_buffer_number = 3;
  cf.min_write_buffer_number_to_merge = 1;
  cf.max_write_buffer_number_to_maintain = 0;
  cf.max_write_buffer_size_to_maintain = 0;
  cf.arena_block_size = 0;  // an eighth of the write buffer, at most 1 MiB
  cf.memtable_factory = std::make_shared<rocksdb::SkipListFactory>();
  cf.memtable_prefix_bloom_size_ratio = 0.0;
  cf.memtable_whole_key_filtering = false;
  cf.memtable_huge_page_size = 0;
  cf.memtable_insert_with_hint_prefix_extractor = nullptr;
  cf.memtable_protection_bytes_per_key = 0;
  cf.bloom_locality = 0;
  cf.inplace_update_support = false;
  cf.inplace_update_num_locks = 10000;
  cf.inplace_callback = nullptr;
  cf.experimental_mempurge_threshold = 0.0;
  cf.max_successive_merges = 0;
  cf.max_sequential_skip_in_iterations = 8;
}

void set_blobs(rocksdb::ColumnFamilyOptions& cf) {
  cf.enable_blob_files = false;
  cf.min_blob_size = 0;
  cf.blob_file_size = 256 * kMiB;
  cf.blob_compression_type = rocksdb::kNoCompression;
  cf.enable_blob_garbage_collection = false;
  cf.blob_garbage_collection_age_cutoff = 0.25;
  cf.blob_garbage_collection_force_threshold = 1.0;
  cf.blob_compaction_readahead_size = 0;
  cf.blob_file_starting_level = 0;
  cf.blob_cache = nullptr;
  cf.prepopulate_blob_cache = rocksdb::PrepopulateBlobCache::kDisable;
}

}  // namespace

rocksdb::DBOptions make_db_options(const StoreOptions& options) {
  rocksdb::DBOptions db;
  set_files_and_logs(db);
  set_recovery(db, options.accept_loss);
  set_writes(db, options);
  db.max_open_files = options.open_files;
  db.max_file_opening_threads = 2;
  db.table_cache_numshardbits = 4;
  db.max_background_jobs = options.background_jobs;
  db.max_background_compactions = -1;  // both from max_background_jobs
  db.max_background_flushes = -1;
  db.max_subcompactions = 1;
  db.row_cache = nullptr;
  db.lowest_used_cache_tier = rocksdb::CacheTier::kVolatileTier;
  db.compaction_service = nullptr;
  return db;
}

rocksdb::ColumnFamilyOptions make_family_options(Family family, const StoreOptions& options, const std::shared_ptr<rocksdb::Cache>& cache) {
  const bool large = family == Family::log || family == Family::customer || family == Family::history;
  rocksdb::ColumnFamilyOptions cf;
  cf.comparator = rocksdb::BytewiseComparator();
  cf.merge_operator = nullptr;
  cf.prefix_extractor = nullptr;
  // Actions and tasks come by the thousand when rules fire. Each buffer that is full begins a new write-ahead log, whose first sync waits
  // for the directory as well, and with it for whatever the file system's journal holds.
  const bool busy = family == Family::outbox || family == Family::task;
  set_levels(cf, family == Family::customer || busy);
  set_memory(cf, large ? options.write_buffer_bytes : std::max<std::uint64_t>(options.write_buffer_bytes / (busy ? 2 : 4), kMiB / 4));
  set_blobs(cf);
  cf.compression = rocksdb::kLZ4Compression;
  cf.compression_per_level.clear();
  // What is soon merged is not worth packing twice. The log's files move down as they are.
  if (family != Family::log) cf.compression_per_level = {rocksdb::kNoCompression, rocksdb::kLZ4Compression};
  cf.compression_opts = compression_options(rocksdb::CompressionOptions::kDefaultCompressionLevel);
  // The log's files never overlap, so with one compression at all levels they are moved down, not rewritten; zstd at the bottom would save
  // a tenth of the space for twice the work (docs/storage.md).
  cf.bottommost_compression = family == Family::log ? rocksdb::kLZ4Compression : rocksdb::kZSTD;
  cf.bottommost_compression_opts = compression_options(family == Family::log ? rocksdb::CompressionOptions::kDefaultCompressionLevel : 1);
  cf.table_factory = make_table(family == Family::log, cache);
  return cf;
}

std::shared_ptr<rocksdb::Cache> make_cache(const StoreOptions& options) {
  rocksdb::LRUCacheOptions cache;
  cache.capacity = options.cache_bytes;
  cache.num_shard_bits = 4;
  cache.strict_capacity_limit = false;
  cache.high_pri_pool_ratio = 0.5;
  cache.low_pri_pool_ratio = 0.0;
  cache.use_adaptive_mutex = false;
  cache.metadata_charge_policy = rocksdb::kFullChargeCacheMetadata;
  return rocksdb::NewLRUCache(cache);
}

rocksdb::WriteOptions make_write_options(bool sync) {
  rocksdb::WriteOptions write;
  write.sync = sync;
  write.disableWAL = false;
  write.ignore_missing_column_families = false;
  write.no_slowdown = false;
  write.low_pri = false;
  write.memtable_insert_hint_per_batch = false;
  write.rate_limiter_priority = rocksdb::Env::IO_TOTAL;
  write.protection_bytes_per_key = 0;
  return write;
}

rocksdb::ReadOptions make_read_options() {
  rocksdb::ReadOptions read;
  read.snapshot = nullptr;
  read.readahead_size = 0;
  read.max_skippable_internal_keys = 0;
  read.read_tier = rocksdb::kReadAllTier;
  read.verify_checksums = true;
  read.fill_cache = true;
  read.tailing = false;
  read.total_order_seek = true;
  read.auto_prefix_mode = false;
  read.prefix_same_as_start = false;
  read.pin_data = false;
  read.background_purge_on_iterator_cleanup = true;
  read.ignore_range_deletions = true;  // there are none
  read.deadline = std::chrono::microseconds::zero();
  read.io_timeout = std::chrono::microseconds::zero();
  read.adaptive_readahead = true;
  read.async_io = false;
  read.optimize_multiget_for_io = false;
  return read;
}

}  // namespace nudge::daemon
