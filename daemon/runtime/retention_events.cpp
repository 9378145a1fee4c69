// `keep`: events that the catalog keeps for a time leave the log (docs/decisions/keep.md). Out of the states they go by themselves, like any
// boundary of time (engine/core/keep.h).
#include "daemon/log/log.h"
#include "daemon/runtime/crash_point.h"
#include "daemon/runtime/log_block.h"
#include "daemon/runtime/log_scrub.h"
#include "daemon/runtime/meta.h"
#include "daemon/runtime/retention.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kBytesAtOnce = std::size_t{8} << 20;  // of rewritten blocks in one commit
constexpr DurationMs kFilesEvery = kDay;                    // the customers' records are many more bytes than what left them

// Whether something in the block came in at `since` or later.
Result<bool> has_entry_since(std::string_view bytes, TimeMs since) {
  NUDGE_ASSIGN(const LogBlock block, decode_block(bytes, BlockPart::units));
  bool young = false;
  for (const LogUnit& unit : block.units) NUDGE_TRY(read_entries(unit, [&](LogEntry& entry) { young = young || entry.instant >= since; }));
  return young;
}

}  // namespace

Result<KeptLog> read_kept_log(const Store& store) {
  KeptLog kept;
  NUDGE_ASSIGN(const auto bytes, store.get(Family::meta, std::string(kMetaKept)));
  if (!bytes) return kept;
  Reader in(*bytes);
  const bool known = in.u8() == kVersion;
  kept.changed = in.varint();
  kept.dirty_from = in.varint();
  kept.dirty_to = in.varint();
  kept.files_at = in.svarint();
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    const auto type = static_cast<EventTypeId>(in.varint());
    kept.next[type] = in.varint();
  }
  if (!known || in.bad()) return fail(Code::corrupt, "how far the log is clean of old events can't be read: damaged or of a newer version");
  return kept;
}

Result<void> Retention::save(const KeptLog& kept) {
  std::string bytes;
  Writer w(bytes);
  w.u8(kVersion);
  w.varint(kept.changed);
  w.varint(kept.dirty_from);
  w.varint(kept.dirty_to);
  w.svarint(kept.files_at);
  w.varint(kept.next.size());
  for (const auto& [type, next] : kept.next) {
    w.varint(type);
    w.varint(next);
  }
  if (ending()) return fail(Code::unavailable, "nudge stops");
  return committer_.change_and_wait([&bytes](CommitContext& c) { c.set.put(Family::meta, kMetaKept, bytes); });
}

// Types of one `keep` together, each from where it was last left: so a block is read for it once.
Result<std::uint64_t> Retention::trim_events(TimeMs now) {
  const std::shared_ptr<const Plan> plan = plan_();
  if (plan == nullptr) return std::uint64_t{0};
  std::map<DurationMs, std::set<EventTypeId>> by_keep;
  for (std::size_t type = 0; type < plan->catalog->events.size(); ++type) {
    const DurationMs keep = plan->catalog->events[type].keep;
    if (keep != 0) by_keep[keep].insert(static_cast<EventTypeId>(type));
  }
  if (by_keep.empty()) return std::uint64_t{0};
  NUDGE_ASSIGN(KeptLog kept, read_kept_log(store_));
  const std::uint64_t needed = needed_();
  std::uint64_t gone = 0;
  for (const auto& [keep, types] : by_keep) {
    NUDGE_ASSIGN(const std::uint64_t events, trim_events_of(types, now - keep, needed, kept));
    gone += events;
  }
  if (kept.dirty_from != 0) {
    NUDGE_TRY(store_.compact(Family::log, log_key(kept.dirty_from), log_key(kept.dirty_to + 1)));
    kept.dirty_from = kept.dirty_to = 0;
    NUDGE_TRY(save(kept));
  }
  // What left the states is in the files of their records until those are written anew, and in the write-ahead log.
  if (kept.files_at == kAlways || now - kept.files_at >= kFilesEvery) {
    NUDGE_TRY(store_.flush());
    NUDGE_TRY(store_.compact(Family::customer));
    kept.files_at = now;
    NUDGE_TRY(save(kept));
  }
  return gone;
}

// Takes the events out of the blocks that came in before `before`, as far as no start reads them.
Result<std::uint64_t> Retention::trim_events_of(const std::set<EventTypeId>& types, TimeMs before, std::uint64_t needed, KeptLog& kept) {
  std::uint64_t next = UINT64_MAX;
  for (const EventTypeId type : types) next = std::min(next, kept.next.contains(type) ? kept.next[type] : 1);
  next = std::max(next, store_.dropped_blocks() + 1);
  std::uint64_t gone = 0;
  for (bool more = true; more;) {
    if (ending()) return fail(Code::unavailable, "nudge stops");
    more = false;
    std::vector<std::pair<std::uint64_t, std::string>> clean;
    std::size_t bytes = 0;
    std::uint64_t behind = next;
    std::optional<Error> error;
    NUDGE_TRY(store_.log_blocks(next, [&](std::uint64_t sequence, std::string_view bytes_of_block) {
      if (sequence >= needed || ending()) return false;
      if (bytes >= kBytesAtOnce) return !(more = true);
      const Result<bool> young = has_entry_since(bytes_of_block, before);
      if (!young || *young) {
        if (!young) error = young.error();
        return false;
      }
      Result<std::optional<std::string>> without = scrub_events(bytes_of_block, types, gone);
      if (!without) {
        error = std::move(without).error();
        return false;
      }
      if (without->has_value()) {
        bytes += (*without)->size();
        clean.emplace_back(sequence, **std::move(without));
      }
      behind = sequence + 1;
      return true;
    }));
    if (error) return std::unexpected(*std::move(error));
    if (behind == next) break;
    if (!clean.empty()) {
      // Before the blocks: a replay of a log that lost something must not be taken for one of the whole, and their files are to be rewritten
      // whatever comes in between.
      kept.changed = std::max(kept.changed, clean.back().first);
      kept.dirty_from = kept.dirty_from == 0 ? clean.front().first : std::min(kept.dirty_from, clean.front().first);
      kept.dirty_to = std::max(kept.dirty_to, clean.back().first);
      NUDGE_TRY(save(kept));
      crash_point("keep:marked");
      NUDGE_TRY(store_.replace_blocks(clean));
      crash_point("keep:blocks");
    }
    next = behind;
    for (const EventTypeId type : types) {
      std::uint64_t& done = kept.next[type];
      done = std::max(done, next);
    }
    NUDGE_TRY(save(kept));
  }
  return gone;
}

}  // namespace nudge::daemon
