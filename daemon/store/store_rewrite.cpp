// What leaves the log: blocks that get other contents.
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "daemon/store/block.h"
#include "daemon/store/crc32c.h"
#include "daemon/store/impl.h"
#include "daemon/store/keys.h"
#include "daemon/store/options.h"
#include "engine/base/codec.h"

namespace nudge::daemon {

namespace {

constexpr std::size_t kDroppedAtOnce = 10'000;

}  // namespace

std::uint64_t Store::dropped_blocks() const noexcept { return impl_->dropped; }
std::uint64_t Store::rewrites() const noexcept { return impl_->rewrites; }

// The mark goes up with the blocks, so that a crash in between leaves a log without a hole.
Result<void> Store::drop_blocks(std::uint64_t upto) {
  Impl& impl = *impl_;
  if (upto >= impl.last_sequence) return fail(Code::invalid, "the newest block of the log can't be taken off");
  while (true) {
    rocksdb::WriteBatch batch;
    std::uint64_t last = 0;
    std::size_t count = 0;
    NUDGE_TRY(scan(
        Family::log, {}, log_key(upto + 1),
        [&](std::string_view key, std::string_view) {
          const auto sequence = parse_log_key(key);
          if (!sequence) return false;
          last = *sequence;
          batch.Delete(impl.database->handle(Family::log), rocksdb::Slice(key.data(), key.size()));
          return ++count < kDroppedAtOnce;
        },
        {.fill_cache = false}));
    if (count == 0) return {};
    std::string mark;
    Writer(mark).fixed64(last);
    batch.Put(impl.database->handle(Family::meta), rocksdb::Slice(kDroppedKey.data(), kDroppedKey.size()), mark);
    const std::lock_guard lock(impl.commit_mutex);
    if (auto failure = impl.health->failure()) return std::unexpected(std::move(*failure));
    if (impl.closed) return fail(Code::unavailable, "the store is closed");
    // Before the blocks are gone for a reader: it starts at the first that is there.
    impl.dropped = last;
    ++impl.rewrites;
    if (const auto status = impl.database->db().Write(make_write_options(true), &batch); !status.ok())
      return impl.poison(to_error("blocks could not be taken off the log", status), "this change");
    impl.unsynced = false;
    ++impl.commits;
    NUDGE_TRY(impl.advance_watermark());
  }
}

Result<void> Store::replace_blocks(std::span<const std::pair<std::uint64_t, std::string>> blocks) {
  Impl& impl = *impl_;
  if (blocks.empty()) return {};
  rocksdb::WriteBatch batch;
  std::uint64_t bytes = 0;
  std::string compressed;
  for (const auto& [sequence, content] : blocks) {
    const std::string key = log_key(sequence);
    NUDGE_ASSIGN(const auto stored, get(Family::log, key));
    if (!stored) return fail(Code::not_found, "there is no block " + std::to_string(sequence) + " in the log to put another content in");
    NUDGE_ASSIGN(const Block before, open_block(sequence, *stored));
    const bool smaller = compress_payload(content, compressed);
    const std::string& payload = smaller ? compressed : content;
    const std::string value = block_header(sequence, before.previous, smaller, payload.size(), crc32c(payload)) + payload;
    if (const auto added = batch.Put(impl.database->handle(Family::log), key, value); !added.ok())
      return std::unexpected(to_error("cannot build the batch", added));
    bytes += value.size();
  }
  const std::lock_guard lock(impl.commit_mutex);
  if (auto failure = impl.health->failure()) return std::unexpected(std::move(*failure));
  if (impl.closed) return fail(Code::unavailable, "the store is closed");
  ++impl.rewrites;  // first: who finds it unchanged has read nothing of this
  if (const auto status = impl.database->db().Write(make_write_options(true), &batch); !status.ok())
    return impl.poison(to_error("blocks of the log could not be replaced", status), "this change");
  impl.unsynced = false;
  ++impl.commits;
  impl.committed_bytes += bytes;
  return impl.advance_watermark();
}

}  // namespace nudge::daemon
