#include "daemon/store/store.h"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "daemon/store/block.h"
#include "daemon/store/impl.h"
#include "daemon/store/options.h"
#include "daemon/store/write_set_format.h"
#include "engine/base/leading_bytes.h"

namespace nudge::daemon {

namespace {

constexpr std::uint64_t kSpaceCheckBytes = 16ULL << 20;

std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

Store::Store(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

Store::~Store() {
  if (auto closed = close(); !closed) impl_->sink->line(StoreLogLevel::error, "closing the store: " + closed.error().message);
}

Store::Impl::~Impl() {
  {
    const std::lock_guard lock(tick_mutex);
    stopping = true;
  }
  tick_wake.notify_all();
  if (ticker.joinable()) ticker.join();
}

struct Store::Change {
  EntryHeader header;
  std::string_view key, value;
};

namespace {
rocksdb::Slice to_slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
}  // namespace

Result<void> Store::commit(WriteSet&& set) { return write({&set, 1}, impl_->options.sync); }

Result<void> Store::commit_many(std::span<WriteSet> sets) { return write(sets, impl_->options.sync); }

Result<void> Store::commit_background(WriteSet&& set) { return write({&set, 1}, false); }

// The changes of all sets, family by family, each in the order of its keys; those of one key stay in the order in which they were made.
// Inserted so, each stands near the one before it, and the database finds its place in half the time.
std::vector<Store::Change> Store::in_order(std::span<const WriteSet> sets, std::size_t count) {
  std::vector<Change> changes;
  changes.reserve(count);
  for (const WriteSet& set : sets) {
    for (std::string_view left = set.rep_; !left.empty();) {
      Change& change = changes.emplace_back();
      std::memcpy(&change.header, left.data(), sizeof change.header);
      change.key = left.substr(sizeof change.header, change.header.key_bytes);
      change.value = left.substr(sizeof change.header + change.header.key_bytes, change.header.value_bytes);
      left.remove_prefix(sizeof change.header + change.key.size() + change.value.size());
    }
  }
  // Small things are sorted, and keys looked at only where their beginnings are the same.
  struct Place {
    std::uint64_t rank;
    std::uint32_t change;
  };
  std::vector<Place> places(changes.size());
  for (std::uint32_t i = 0; i < places.size(); ++i)
    places[i] = {std::uint64_t{changes[i].header.family} << 56U | leading_bytes(changes[i].key) >> 8U, i};
  std::ranges::sort(places, [&](const Place& a, const Place& b) {
    if (a.rank != b.rank) return a.rank < b.rank;
    const int order = changes[a.change].key.compare(changes[b.change].key);
    return order != 0 ? order < 0 : a.change < b.change;
  });
  std::vector<Change> sorted;
  sorted.reserve(count);
  for (const Place& place : places) sorted.push_back(changes[place.change]);
  return sorted;
}

Result<void> Store::write(std::span<WriteSet> sets, bool sync) {
  Impl& impl = *impl_;
  const std::lock_guard lock(impl.commit_mutex);
  if (auto failure = impl.health->failure()) return std::unexpected(std::move(*failure));
  if (impl.closed) return fail(Code::unavailable, "the store is closed");

  // First the whole check, so that a wrong set changes nothing.
  std::uint64_t last = impl.last_sequence;
  std::size_t bytes = 0, count = 0;
  for (const WriteSet& set : sets) {
    if (!set.defect_.empty()) return fail(Code::invalid, "this set can't be committed: " + set.defect_);
    if (set.first_sequence_ != 0 && set.first_sequence_ <= last)
      return fail(Code::invalid, "this set can't be committed: block " + std::to_string(set.first_sequence_) +
                                     " is not above the last one, " + std::to_string(last));
    if (set.last_sequence_ != 0) last = set.last_sequence_;
    bytes += set.rep_.size();
    count += set.count_;
  }
  if (count == 0) return sync && impl.unsynced ? impl.sync_locked() : Result<void>{};

  rocksdb::WriteBatch batch(bytes + count * 16 + 64);
  std::uint64_t tail = impl.chain_tail;
  for (const Change& change : in_order(sets, count)) {
    rocksdb::ColumnFamilyHandle* family = impl.database->handle(static_cast<Family>(change.header.family));
    rocksdb::Status added;
    const auto kind = static_cast<WriteSet::Kind>(change.header.kind);
    if (kind == WriteSet::Kind::put) {
      added = batch.Put(family, to_slice(change.key), to_slice(change.value));
    } else if (kind == WriteSet::Kind::erase) {
      added = batch.Delete(family, to_slice(change.key));
    } else {
      std::uint64_t sequence = 0;
      for (const char c : change.key) sequence = sequence << 8 | static_cast<unsigned char>(c);
      const std::string frame =
          block_header(sequence, tail, kind == WriteSet::Kind::append_compressed, change.value.size(), change.header.checksum);
      const rocksdb::Slice key = to_slice(change.key);
      const std::array<rocksdb::Slice, 2> parts{rocksdb::Slice(frame), to_slice(change.value)};
      added = batch.Put(family, rocksdb::SliceParts(&key, 1), rocksdb::SliceParts(parts.data(), 2));
      tail = sequence;
    }
    if (!added.ok()) return std::unexpected(to_error("cannot build the batch", added));
  }

  if (const auto status = impl.database->db().Write(make_write_options(sync), &batch); !status.ok())
    return impl.poison(to_error("a commit failed", status), "this commit");
  impl.chain_tail = tail;
  impl.last_sequence = last;
  impl.unsynced = !sync;
  ++(sync ? impl.commits : impl.background_commits);
  impl.committed_bytes += bytes;
  if (sync) NUDGE_TRY(impl.advance_watermark());
  impl.bytes_since_space_check += bytes;
  if (impl.bytes_since_space_check >= kSpaceCheckBytes) {
    impl.bytes_since_space_check = 0;
    impl.look_at_space();
  }
  for (WriteSet& set : sets) set.clear();
  return {};
}

Result<void> Store::sync() {
  const std::lock_guard lock(impl_->commit_mutex);
  if (auto failure = impl_->health->failure()) return std::unexpected(std::move(*failure));
  if (impl_->closed) return fail(Code::unavailable, "the store is closed");
  return impl_->sync_locked();
}

// An empty batch with sync does what SyncWAL() does, but looks at RocksDB's background errors first; SyncWAL() after a failed sync of the
// background aborts the process in Debian's build.
Result<void> Store::Impl::sync_locked() {
  if (!unsynced) return {};
  rocksdb::WriteBatch nothing;
  if (const auto status = database->db().Write(make_write_options(true), &nothing); !status.ok())
    return poison(to_error("a sync failed", status), "what was committed since the last sync");
  unsynced = false;
  return advance_watermark();
}

// Everything written so far is on disk. Commits are serialised, so RocksDB's own count belongs to the last of them.
Result<void> Store::Impl::advance_watermark() {
  if (auto moved = watermark->advance({id, last_sequence, database->db().GetLatestSequenceNumber()}); !moved)
    return poison(std::move(moved).error(), "this commit");
  watermark_dirty = true;
  acknowledged = last_sequence.load();
  return {};
}

std::unexpected<Error> Store::Impl::poison(Error error, std::string_view outcome) {
  error.message +=
      ". The outcome of " + std::string(outcome) +
      " is unknown: it may be there after a restart. The store takes no further commits; stop nudged, mend the disk, start it again";
  error = health->poison(std::move(error));
  sink->line(StoreLogLevel::error, error.message);
  return std::unexpected(std::move(error));
}

bool Store::poisoned() const noexcept { return impl_->health->poisoned(); }

std::optional<Error> Store::failure() const { return impl_->health->failure(); }

Result<void> Store::close() {
  Impl& impl = *impl_;
  {
    const std::lock_guard lock(impl.tick_mutex);
    impl.stopping = true;
  }
  impl.tick_wake.notify_all();
  if (impl.ticker.joinable()) impl.ticker.join();
  const std::lock_guard lock(impl.commit_mutex);
  if (impl.closed) return {};
  impl.closed = true;
  impl.health->set_closed();
  if (auto failure = impl.health->failure()) return std::unexpected(std::move(*failure));
  NUDGE_TRY(impl.sync_locked());
  return impl.watermark->sync();
}

bool Store::accepting() const noexcept { return impl_->health->accepting(); }

std::string Store::refusal() const { return impl_->health->refusal(); }

std::uint64_t Store::last_sequence() const noexcept { return impl_->last_sequence; }

Result<std::uint64_t> Store::free_space() const { return free_bytes(impl_->options.path); }

// Refuses below the mark and takes in again a tenth above it, so that it does not flap.
void Store::Impl::look_at_space() {
  const auto free = free_bytes(options.path);
  if (!free) return health->set_low_space(free.error().message);
  const std::string before = health->refusal();
  const std::uint64_t mark = before.empty() ? options.low_space_bytes : options.low_space_bytes + options.low_space_bytes / 10;
  if (*free >= mark) return health->set_low_space({});
  health->set_low_space("only " + mebibytes(*free) + " are free on the disk of " + options.path + ", the mark is " +
                        mebibytes(options.low_space_bytes) + "; free some space or enlarge the disk");
  if (before.empty()) sink->line(StoreLogLevel::error, health->refusal() + "; no events are taken in until then");
}

void Store::Impl::run_ticker() {
  std::unique_lock lock(tick_mutex);
  while (!tick_wake.wait_for(lock, options.tick, [this] { return stopping; })) {
    lock.unlock();
    tick();
    lock.lock();
  }
}

void Store::Impl::tick() {
  look_at_space();
  bool dirty = false;
  {
    const std::lock_guard lock(commit_mutex);
    if (health->poisoned()) return;
    if (!sync_locked()) return;
    dirty = std::exchange(watermark_dirty, false);
  }
  // Outside the lock: a commit need not wait for this sync.
  if (!dirty) return;
  if (auto synced = watermark->sync(); !synced) {
    const std::lock_guard lock(commit_mutex);
    [[maybe_unused]] const auto kept = poison(std::move(synced).error(), "nothing acknowledged");
  }
}

}  // namespace nudge::daemon
