// The store: everything nudged keeps, in one directory, on RocksDB (nothing of which shows here). See docs/storage.md.
//
// Threads: every function of Store may be called from any thread, close() excepted (once, when nobody else calls). Commits are serialised:
// they take effect in the order in which they return, and a reader sees a commit as a whole or not at all.
// Ownership: the store owns its directory (one process at a time). A Snapshot may outlive the Store; the files close with the last of them.
// Law 2: when commit() returns a value, the set is on disk. After ANY failure of a commit or sync the store is poisoned: memory may be
// ahead of disk or behind it, so every later commit answers the same error and the caller is expected to stop and exit. Reads still work.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/status.h"

namespace nudge::daemon {

// The parts of the store, each a RocksDB column family. The numbers are in no file; the names are (family_name). Never rename one.
enum class Family : std::uint8_t { meta, log, customer, timer, outbox, task, decision, quarantine, history, audit };
inline constexpr std::size_t kFamilies = 10;
std::string_view family_name(Family family) noexcept;

// The format of the whole directory. An older one is brought forward when opened, a newer one is refused.
inline constexpr std::uint32_t kStoreFormat = 2;  // 2: actions of call tasks lie in their tasks, lists of actions by batch
// Keys of Family::meta that begin so are the store's own; put and erase refuse them.
inline constexpr std::string_view kReservedMeta = "store/";

// Sets of changes that are committed as one. Not thread-safe. A wrong call (append out of order, put into the log) is remembered and makes
// commit answer `invalid` without writing anything and without poisoning the store.
class WriteSet {
 public:
  void put(Family family, std::string_view key, std::string_view value);
  void erase(Family family, std::string_view key);
  // Adds one block of the log. Sequences start at 1 and only grow, within a set and from commit to commit; gaps are allowed.
  void append(std::uint64_t sequence, std::string_view block);

  bool empty() const noexcept { return count_ == 0; }
  std::size_t count() const noexcept { return count_; }
  // What the set takes in memory, and about what it will take in the write-ahead log.
  std::size_t bytes() const noexcept { return rep_.size(); }
  // Empties the set and keeps its memory.
  void clear() noexcept;

 private:
  friend class Store;
  enum class Kind : std::uint8_t { put, erase, append, append_compressed };
  void add(Kind kind, Family family, std::string_view key, std::string_view value, std::uint32_t checksum);

  std::string compressed_;  // a block, while it is appended
  std::string rep_;         // entries one after the other: header, key, value
  std::size_t count_ = 0;
  std::uint64_t first_sequence_ = 0;  // 0: no block
  std::uint64_t last_sequence_ = 0;
  std::string defect_;  // what was called wrongly
};

enum class StoreLogLevel : std::uint8_t { debug, info, warn, error };

struct StoreOptions {
  std::string path;  // the store's own directory; created if only its last part is missing
  bool create_if_missing = true;
  // false: commits return before they are on disk and are synced every `tick`; a power cut may take that much. Only if a person asks for
  // it.
  bool sync = true;
  // Opens although acknowledged writes are missing, or the write-ahead log or the watermark is damaged. What was lost is recorded
  // (losses()).
  bool accept_loss = false;
  std::uint64_t cache_bytes = 64ULL << 20;  // blocks read from files
  std::uint64_t write_buffer_bytes =
      32ULL << 20;                               // per large family (log, customer, history); all families together use at most 6 of these
  std::uint64_t wal_bytes = 256ULL << 20;        // of write-ahead log to replay at the next start, at most about this much
  std::uint64_t low_space_bytes = 512ULL << 20;  // below this much free space accepting() is false
  int background_jobs = 2;                       // threads for flush and compaction
  int open_files = 256;
  std::chrono::milliseconds tick{1000};  // watermark sync, free space, background sync
  // Called from any thread, also inside a commit; must be quick, must not throw and must not call the store. Lines are at most 2 KiB and
  // at most 100 a second; what goes beyond is counted and said.
  std::function<void(StoreLogLevel, std::string_view)> log;
  // For tests: a rocksdb::FileSystem known to RocksDB's object registry by this name. Empty: the real one.
  std::string file_system;
};

// What was missing when the store was opened with accept_loss. Kept for ever, in Family::meta.
struct AcceptedLoss {
  std::int64_t at_ms = 0;          // when, milliseconds since 1970
  std::uint64_t acknowledged = 0;  // log sequence by the watermark; 0 if the watermark was unreadable
  std::uint64_t found = 0;         // log sequence in the database
  std::string reason;
};

struct FamilyStats {
  Family family = Family::meta;
  std::uint64_t file_bytes = 0;
  std::uint64_t memory_bytes = 0;  // write buffers
  std::uint64_t keys_estimate = 0;
  std::uint64_t pending_compaction_bytes = 0;
  std::uint64_t level0_files = 0;
};

struct StoreStats {
  std::array<FamilyStats, kFamilies> families{};
  std::uint64_t wal_bytes = 0;
  std::uint64_t cache_used_bytes = 0;
  std::uint64_t free_bytes = 0;
  bool writes_stopped = false;           // RocksDB lets no write through until compaction catches up
  std::uint64_t delayed_write_rate = 0;  // bytes a second that RocksDB allows; 0: not slowed down
  std::uint64_t commits = 0;             // synced batches
  std::uint64_t background_commits = 0;
  std::uint64_t committed_bytes = 0;
  std::uint64_t last_sequence = 0;
  std::uint64_t watermark = 0;
};

// A consistent view. Movable; keeps old versions from being reclaimed, so hold it briefly.
class Snapshot {
 public:
  Snapshot(Snapshot&&) noexcept;
  Snapshot& operator=(Snapshot&&) noexcept;
  ~Snapshot();

 private:
  friend class Store;
  struct State;
  explicit Snapshot(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

struct ScanOptions {
  bool backward = false;               // from the last key below `to` down to `from`
  const Snapshot* snapshot = nullptr;  // null: as of now, one view for the whole scan
  bool fill_cache = true;              // false for long one-off scans
  std::uint32_t read_ahead = 2U << 20;  // of those: bytes of each file at a time; a short range wants less
};

class Store {
 public:
  // Opens or creates. Errors, all with the way out: conflict (in use, says the pid), denied, not_found (no parent), invalid (newer format,
  // unknown family), corrupt (damaged, or below the watermark), io.
  static Result<std::unique_ptr<Store>> open(StoreOptions options);
  // Closes; what close() would have answered goes to the log.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // One atomic batch, on disk when this returns. On success the set is empty. Errors: invalid (the set itself is wrong; nothing written,
  // not poisoned), unavailable (closed), else poisoned: the outcome of this set is UNKNOWN, it may be there after a restart.
  Result<void> commit(WriteSet&& set);
  // The same for several sets in this order: one batch, one sync, all or nothing.
  Result<void> commit_many(std::span<WriteSet> sets);
  // For checkpoints: atomic and ordered after earlier commits, on disk only with the next commit, sync() or tick.
  Result<void> commit_background(WriteSet&& set);
  // Everything committed so far is on disk when this returns.
  Result<void> sync();
  bool poisoned() const noexcept;
  // Why, once poisoned.
  std::optional<Error> failure() const;
  // Syncs, writes the watermark and stops the background thread; later commits answer `unavailable`. Idempotent.
  Result<void> close();

  // Errors of reads: corrupt (a checksum does not match; says where), io.
  Result<std::optional<std::string>> get(Family family, std::string_view key, const Snapshot* snapshot = nullptr) const;
  // One answer per key, in order.
  Result<std::vector<std::optional<std::string>>> multi_get(Family family, std::span<const std::string> keys,
                                                            const Snapshot* snapshot = nullptr) const;
  // Every key in [from, to); an empty `to` means no upper end. The views live until the callback returns; returning false ends the scan.
  // Values of Family::log come with their frame; use log_blocks.
  Result<void> scan(Family family, std::string_view from, std::string_view to,
                    const std::function<bool(std::string_view key, std::string_view value)>& each, const ScanOptions& options = {}) const;
  Snapshot snapshot() const;

  // The highest sequence that was ever appended (or acknowledged and lost); 0 in a new store. The next append must be above it.
  std::uint64_t last_sequence() const noexcept;
  // Every block with a sequence >= from, in order, checked: a damaged block, or one whose predecessor is missing, ends the call with
  // `corrupt` and is never skipped. Returning false ends it early. Returns the number of blocks given.
  Result<std::uint64_t> log_blocks(std::uint64_t from,
                                   const std::function<bool(std::uint64_t sequence, std::string_view block)>& each) const;
  // Takes the blocks up to `upto` off the log, in synced batches; what stays begins behind them. Never the newest block.
  Result<void> drop_blocks(std::uint64_t upto);
  // The last block that was taken off; 0: the log goes back to its beginning.
  std::uint64_t dropped_blocks() const noexcept;
  // How often blocks were taken off the log or got another content since the store was opened.
  std::uint64_t rewrites() const noexcept;
  // Puts other contents in the place of blocks that are there, for what has to leave the log: in one synced batch, sequence and predecessor
  // stay. What was there before is on disk until compact(). Error: not_found, and those of commit().
  Result<void> replace_blocks(std::span<const std::pair<std::uint64_t, std::string>> blocks);

  // False: answer 503; reads and the work that frees space may go on. Changes with the free space (looked at every tick and every
  // 16 MiB committed), when RocksDB reports a background error, and for good once poisoned or closed.
  bool accepting() const noexcept;
  // Empty while accepting.
  std::string refusal() const;
  // Of the file system that holds the store, for an ordinary user.
  Result<std::uint64_t> free_space() const;

  StoreStats stats() const;
  // Rewrites every family to its smallest; takes a while and runs beside commits. What was erased or replaced before the call is in no file
  // afterwards, but for what a Snapshot, a scan under way or a backup still holds.
  Result<void> compact();
  // The same for one family, or for its keys in [from, to) alone.
  Result<void> compact(Family family, std::string_view from = {}, std::string_view to = {});
  // Writes what is in memory into files, so that the write-ahead log behind it goes. What was erased or replaced may have been in there.
  Result<void> flush();
  // A complete, openable copy as of now (hard links where possible) in `directory`, which must not exist. For backups.
  Result<void> checkpoint_to(const std::string& directory);
  Result<std::vector<AcceptedLoss>> losses() const;

  // Bulk history (sorted files that are ingested whole) is to come here with the reorganiser of the log; it has to count the sequence
  // numbers that an ingest takes, because the check of the write-ahead log at start regards a jump as a loss.

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl) noexcept;
  struct Change;
  static std::vector<Change> in_order(std::span<const WriteSet> sets, std::size_t count);
  Result<void> write(std::span<WriteSet> sets, bool sync);
  std::unique_ptr<Impl> impl_;
};

}  // namespace nudge::daemon
