#include "daemon/store/database.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/options.h>

#include <algorithm>

#include "daemon/store/options.h"

namespace nudge::daemon {

namespace {

constexpr std::array<std::string_view, kFamilies> kNames{"meta", "log",      "customer",   "timer",   "outbox",
                                                         "task", "decision", "quarantine", "history", "audit"};

bool is_ours(const std::string& name) { return std::ranges::find(kNames, name) != kNames.end(); }

Code code_of(const rocksdb::Status& status) {
  if (status.IsCorruption()) return Code::corrupt;
  if (status.IsNoSpace()) return Code::unavailable;
  if (status.IsNotFound()) return Code::not_found;
  return Code::io;
}

Error opening_failed(const rocksdb::Status& status, const std::optional<WalHole>& hole, bool accept_loss) {
  if (hole && !accept_loss)
    return {Code::corrupt,
            "the write-ahead log has a hole: " + hole->file + " goes on with write " + std::to_string(hole->found) + " where " +
                std::to_string(hole->expected) +
                " was due, so a file or a part of one is missing. Nothing was changed. Put the missing file back, or restore "
                "the last backup; or, to give up what is missing, start once with accept_loss"};
  Error error = to_error("cannot open the database", status);
  if (status.IsCorruption() && !accept_loss)
    error.message +=
        ". Nothing was changed. Check the disk and restore the last backup; or, to go on with what comes before the damage, start once "
        "with accept_loss";
  else if (status.IsCorruption())
    error.message += ". The damage is not in the write-ahead log alone, so accept_loss can't help; restore the last backup";
  return error;
}

}  // namespace

std::string_view family_name(Family family) noexcept {
  const auto i = static_cast<std::size_t>(family);
  return i < kFamilies ? kNames[i] : "unknown";
}

Error to_error(std::string_view doing, const rocksdb::Status& status) {
  return {code_of(status), std::string(doing) + ": " + status.ToString()};
}

Result<std::shared_ptr<Database>> Database::open(const StoreOptions& options, const std::string& path, DirectoryLock lock,
                                                 std::shared_ptr<Health> health, std::shared_ptr<LogSink> sink) {
  std::shared_ptr<Database> database(new Database(options.accept_loss));
  database->lock_ = std::move(lock);
  database->health_ = std::move(health);
  database->sink_ = std::move(sink);
  database->cache_ = make_cache(options);
  NUDGE_TRY(database->set_environment(options));
  NUDGE_ASSIGN(const std::vector<std::string> names, database->list_families(path));
  NUDGE_TRY(database->open_existing(options, path, names));
  NUDGE_TRY(database->add_missing(options));
  return database;
}

Result<void> Database::set_environment(const StoreOptions& options) {
  env_ = rocksdb::Env::Default();
  // Compaction has time; whoever waits for a commit has not. Flushes keep theirs: memory waits for them.
  env_->LowerThreadPoolCPUPriority(rocksdb::Env::LOW, rocksdb::CpuPriority::kLow);
  if (options.file_system.empty()) return {};
  const auto status = rocksdb::FileSystem::CreateFromString(rocksdb::ConfigOptions(), options.file_system, &file_system_);
  if (!status.ok()) return std::unexpected(to_error("there is no file system " + options.file_system, status));
  own_env_ = rocksdb::NewCompositeEnv(file_system_);
  env_ = own_env_.get();
  return {};
}

// The families that the database at `path` has; only the default one if there is no database yet.
Result<std::vector<std::string>> Database::list_families(const std::string& path) {
  if (!path_exists(path + "/CURRENT")) {
    created_ = true;
    return std::vector<std::string>{rocksdb::kDefaultColumnFamilyName};
  }
  rocksdb::DBOptions options;
  options.env = env_;
  std::vector<std::string> names;
  const auto status = rocksdb::DB::ListColumnFamilies(options, path, &names);
  if (!status.ok()) return std::unexpected(opening_failed(status, std::nullopt, true));
  for (const std::string& name : names)
    if (name != rocksdb::kDefaultColumnFamilyName && !is_ours(name))
      return fail(Code::invalid, "the database " + path + " has a family '" + name +
                                     "' that this nudged does not know; it was written by a newer version: use that version, or restore a "
                                     "backup of this one");
  return names;
}

Result<void> Database::open_existing(const StoreOptions& options, const std::string& path, const std::vector<std::string>& names) {
  rocksdb::DBOptions db_options = make_db_options(options);
  db_options.env = env_;
  db_options.create_if_missing = created_;
  db_options.info_log = make_rocksdb_logger(sink_);
  db_options.listeners = {make_error_listener(health_, sink_)};
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) {
    const auto i = std::ranges::find(kNames, name) - kNames.begin();
    const Family family = name == rocksdb::kDefaultColumnFamilyName ? Family::meta : static_cast<Family>(i);
    descriptors.emplace_back(name, make_family_options(family, options, cache_));
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  rocksdb::Status status;
  // Without the log first: up to which write everything is in files. There the log has to go on.
  std::uint64_t in_files = 0;
  if (!created_) {
    db_options.wal_filter = wal_check_.stop_at_once();
    // It warns of every log that it is dropped: wanted here, and frightening to read at each start.
    db_options.info_log->SetInfoLogLevel(rocksdb::InfoLogLevel::ERROR_LEVEL);
    status = rocksdb::DB::OpenForReadOnly(db_options, path, descriptors, &handles, &db);
    db_options.info_log->SetInfoLogLevel(rocksdb::InfoLogLevel::WARN_LEVEL);
    if (!status.ok()) return std::unexpected(opening_failed(status, std::nullopt, options.accept_loss));
    in_files = db->GetLatestSequenceNumber();
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    handles.clear();
    delete std::exchange(db, nullptr);
  }
  db_options.wal_filter = wal_check_.check_from(in_files + 1);
  status = rocksdb::DB::Open(db_options, path, descriptors, &handles, &db);
  if (!status.ok()) return std::unexpected(opening_failed(status, wal_check_.hole(), options.accept_loss));
  db_.reset(db);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == rocksdb::kDefaultColumnFamilyName)
      default_ = handles[i];
    else
      handles_[static_cast<std::size_t>(std::ranges::find(kNames, names[i]) - kNames.begin())] = handles[i];
  }
  return {};
}

// Families are created one by one, so a crash during the first start leaves some of them. Once the format is recorded all must be there.
Result<void> Database::add_missing(const StoreOptions& options) {
  if (const auto meta = handle(Family::meta); meta != nullptr) {
    std::string format;
    const bool established = db_->Get(make_read_options(), meta, slice(kFormatKey), &format).ok();
    for (std::size_t i = 0; established && i < kFamilies; ++i)
      if (handles_[i] == nullptr)
        return fail(Code::corrupt, "the database has lost its family '" + std::string(kNames[i]) + "'; restore the last backup");
  }
  for (std::size_t i = 0; i < kFamilies; ++i) {
    if (handles_[i] != nullptr) continue;
    const auto status =
        db_->CreateColumnFamily(make_family_options(static_cast<Family>(i), options, cache_), std::string(kNames[i]), &handles_[i]);
    if (!status.ok()) return std::unexpected(to_error("cannot create family " + std::string(kNames[i]), status));
  }
  return {};
}

Result<void> Database::sync_replayed_logs(const std::string& path) const {
  rocksdb::FileSystem& files = *env_->GetFileSystem();
  std::vector<std::string> names;
  rocksdb::IOStatus status = files.GetChildren(path, {}, &names, nullptr);
  for (const std::string& name : names) {
    if (!status.ok()) break;
    std::uint64_t size = 0;
    const std::string file = path + "/" + name;
    // The newest one, still empty, is being written by RocksDB.
    if (!name.ends_with(".log")) continue;
    // One whose contents are in files by now may vanish at any moment.
    if (status = files.GetFileSize(file, {}, &size, nullptr); !status.ok() || size == 0) {
      if (status.IsNotFound() || !files.FileExists(file, {}, nullptr).ok()) status = rocksdb::IOStatus::OK();
      continue;
    }
    std::unique_ptr<rocksdb::FSWritableFile> log;
    if (status = files.ReopenWritableFile(file, {}, &log, nullptr); !status.ok()) break;
    status = log->Sync({}, nullptr);
    if (const auto closed = log->Close({}, nullptr); status.ok()) status = closed;
  }
  if (!status.ok()) return std::unexpected(to_error("cannot sync the write-ahead log", status));
  return {};
}

Database::Database(bool tolerate_holes) : wal_check_(tolerate_holes) {}

Database::~Database() {
  if (!db_) return;
  for (rocksdb::ColumnFamilyHandle* handle : handles_)
    if (handle != nullptr) db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  if (default_ != nullptr) db_->DestroyColumnFamilyHandle(default_).PermitUncheckedError();
  if (const auto status = db_->Close(); !status.ok()) sink_->line(StoreLogLevel::warn, "closing the database: " + status.ToString());
  db_.reset();
}

}  // namespace nudge::daemon
