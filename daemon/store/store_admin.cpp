#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/transaction_log.h>
#include <rocksdb/utilities/checkpoint.h>

#include <filesystem>

#include "daemon/store/impl.h"

namespace nudge::daemon {

namespace fs = std::filesystem;

StoreStats Store::stats() const {
  const Impl& impl = *impl_;
  rocksdb::DB& db = impl.database->db();
  const auto number = [&](rocksdb::ColumnFamilyHandle* family, const std::string& property) {
    std::uint64_t value = 0;
    return db.GetIntProperty(family, property, &value) ? value : 0;
  };
  StoreStats stats;
  for (std::size_t i = 0; i < kFamilies; ++i) {
    FamilyStats& family = stats.families[i];
    family.family = static_cast<Family>(i);
    auto* handle = impl.database->handle(family.family);
    family.file_bytes = number(handle, rocksdb::DB::Properties::kLiveSstFilesSize);
    family.memory_bytes = number(handle, rocksdb::DB::Properties::kSizeAllMemTables);
    family.keys_estimate = number(handle, rocksdb::DB::Properties::kEstimateNumKeys);
    family.pending_compaction_bytes = number(handle, rocksdb::DB::Properties::kEstimatePendingCompactionBytes);
    std::string files;
    if (db.GetProperty(handle, rocksdb::DB::Properties::kNumFilesAtLevelPrefix + "0", &files)) family.level0_files = std::stoull(files);
  }
  auto* any = impl.database->handle(Family::meta);
  stats.writes_stopped = number(any, rocksdb::DB::Properties::kIsWriteStopped) != 0;
  stats.delayed_write_rate = number(any, rocksdb::DB::Properties::kActualDelayedWriteRate);
  rocksdb::VectorLogPtr logs;
  if (db.GetSortedWalFiles(logs).ok())
    for (const auto& log : logs)
      if (log->Type() == rocksdb::kAliveLogFile) stats.wal_bytes += log->SizeFileBytes();
  stats.cache_used_bytes = impl.database->cache().GetUsage();
  stats.free_bytes = free_bytes(impl.options.path).value_or(0);
  stats.commits = impl.commits;
  stats.background_commits = impl.background_commits;
  stats.committed_bytes = impl.committed_bytes;
  stats.last_sequence = impl.last_sequence;
  stats.watermark = impl.acknowledged;
  return stats;
}

Result<void> Store::compact() {
  for (std::size_t i = 0; i < kFamilies; ++i) NUDGE_TRY(compact(static_cast<Family>(i)));
  return {};
}

Result<void> Store::compact(Family family, std::string_view from, std::string_view to) {
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.change_level = false;
  options.allow_write_stall = false;
  options.max_subcompactions = 1;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  const rocksdb::Slice first(from.data(), from.size()), last(to.data(), to.size());
  const auto status = impl_->database->db().CompactRange(options, impl_->database->handle(family), from.empty() ? nullptr : &first, to.empty() ? nullptr : &last);
  if (!status.ok()) return std::unexpected(to_error("cannot compact family " + std::string(family_name(family)), status));
  return {};
}

Result<void> Store::flush() {
  rocksdb::FlushOptions options;
  options.wait = true;
  options.allow_write_stall = false;
  std::vector<rocksdb::ColumnFamilyHandle*> all;
  for (std::size_t i = 0; i < kFamilies; ++i) all.push_back(impl_->database->handle(static_cast<Family>(i)));
  const auto status = impl_->database->db().Flush(options, all);
  if (!status.ok()) return std::unexpected(to_error("cannot write what is in memory into files", status));
  return {};
}

// Built aside and renamed, so that a crash leaves no half backup under the name that was asked for.
Result<void> Store::checkpoint_to(const std::string& directory) {
  if (path_exists(directory))
    return fail(Code::conflict, "a backup can't be written to " + directory + ": it exists; name a new directory");
  const std::string aside = directory + ".partial";
  std::error_code error;
  fs::remove_all(aside, error);
  NUDGE_TRY(prepare_directory(aside, true));
  Mark mark;
  {
    // The copy holds at least what is committed now.
    const std::lock_guard lock(impl_->commit_mutex);
    if (auto failure = impl_->health->failure()) return std::unexpected(std::move(*failure));
    if (impl_->closed) return fail(Code::unavailable, "the store is closed");
    mark = {impl_->id, impl_->last_sequence, impl_->database->db().GetLatestSequenceNumber()};
  }
  rocksdb::Checkpoint* raw = nullptr;
  auto status = rocksdb::Checkpoint::Create(&impl_->database->db(), &raw);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  if (status.ok()) status = checkpoint->CreateCheckpoint(aside + "/db", 0);
  Result<void> done = status.ok() ? Result<void>{} : std::unexpected(to_error("cannot write the backup " + directory, status));
  if (done) {
    if (auto mark_file = Watermark::create(aside + "/watermark", mark); !mark_file) done = std::unexpected(std::move(mark_file).error());
  }
  if (done) done = sync_directory(aside);
  if (done) {
    fs::rename(aside, directory, error);
    if (error) done = std::unexpected(system_error("cannot put in place the backup", directory, error.value()));
  }
  if (!done) {
    fs::remove_all(aside, error);
    return done;
  }
  const fs::path parent = fs::path(directory).parent_path();
  return sync_directory(parent.empty() ? "." : parent.string());
}

}  // namespace nudge::daemon
