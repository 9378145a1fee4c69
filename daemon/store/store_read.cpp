#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>

#include "daemon/store/block.h"
#include "daemon/store/impl.h"
#include "daemon/store/keys.h"
#include "daemon/store/options.h"
#include "engine/base/codec.h"

namespace nudge::daemon {

namespace {

std::string reading(Family family) { return "cannot read from family " + std::string(family_name(family)); }

Error read_error(Family family, const rocksdb::Status& status) {
  Error error = to_error(reading(family), status);
  if (error.code == Code::corrupt) error.message += ". A file of the store is damaged: check the disk and restore the last backup";
  return error;
}

}  // namespace

Snapshot::Snapshot(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Snapshot::Snapshot(Snapshot&&) noexcept = default;
Snapshot& Snapshot::operator=(Snapshot&&) noexcept = default;
Snapshot::~Snapshot() = default;
Snapshot::State::~State() {
  if (snapshot != nullptr) database->db().ReleaseSnapshot(snapshot);
}

Snapshot Store::snapshot() const {
  auto state = std::make_unique<Snapshot::State>();
  state->database = impl_->database;
  state->snapshot = impl_->database->db().GetSnapshot();
  return Snapshot(std::move(state));
}

Result<std::optional<std::string>> Store::get(Family family, std::string_view key, const Snapshot* snapshot) const {
  rocksdb::ReadOptions options = make_read_options();
  if (snapshot != nullptr) options.snapshot = snapshot->state_->snapshot;
  std::string value;
  const auto status = impl_->database->db().Get(options, impl_->database->handle(family), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>{};
  if (!status.ok()) return std::unexpected(read_error(family, status));
  return std::optional<std::string>(std::move(value));
}

Result<std::vector<std::optional<std::string>>> Store::multi_get(Family family, std::span<const std::string> keys,
                                                                 const Snapshot* snapshot) const {
  rocksdb::ReadOptions options = make_read_options();
  if (snapshot != nullptr) options.snapshot = snapshot->state_->snapshot;
  std::vector<rocksdb::Slice> slices;
  slices.reserve(keys.size());
  for (const std::string& key : keys) slices.emplace_back(key);
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  impl_->database->db().MultiGet(options, impl_->database->handle(family), keys.size(), slices.data(), values.data(), statuses.data());
  std::vector<std::optional<std::string>> out(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].ok())
      out[i] = values[i].ToString();
    else if (!statuses[i].IsNotFound())
      return std::unexpected(read_error(family, statuses[i]));
  }
  return out;
}

Result<void> Store::scan(Family family, std::string_view from, std::string_view to,
                         const std::function<bool(std::string_view, std::string_view)>& each, const ScanOptions& how) const {
  rocksdb::ReadOptions options = make_read_options();
  const rocksdb::Slice lower = slice(from), upper = slice(to);
  options.iterate_lower_bound = &lower;
  if (!to.empty()) options.iterate_upper_bound = &upper;
  options.fill_cache = how.fill_cache;
  if (!how.fill_cache) options.readahead_size = how.read_ahead;
  if (how.snapshot != nullptr) options.snapshot = how.snapshot->state_->snapshot;
  const std::unique_ptr<rocksdb::Iterator> it(impl_->database->db().NewIterator(options, impl_->database->handle(family)));
  if (how.backward)
    it->SeekToLast();
  else
    it->SeekToFirst();
  for (; it->Valid(); how.backward ? it->Prev() : it->Next())
    if (!each(it->key().ToStringView(), it->value().ToStringView())) break;
  if (!it->status().ok()) return std::unexpected(read_error(family, it->status()));
  return {};
}

Result<std::uint64_t> Store::log_blocks(std::uint64_t from, const std::function<bool(std::uint64_t, std::string_view)>& each) const {
  std::uint64_t given = 0, before = 0;
  std::optional<Error> broken;
  std::string room;
  const auto check = [&](std::string_view key, std::string_view value) {
    const auto sequence = parse_log_key(key);
    if (!sequence) {
      broken = Error{Code::corrupt, "the log has a key that is not a sequence; restore the last backup"};
      return false;
    }
    auto block = open_block(*sequence, value);
    if (!block) {
      broken = std::move(block).error();
      return false;
    }
    // The predecessor must be the block just given; for the first, one below `from`.
    if (given == 0 ? block->previous >= from && block->previous > impl_->dropped : block->previous != before) {
      broken = Error{Code::corrupt, "the log has a hole: block " + std::to_string(*sequence) + " follows block " +
                                        std::to_string(block->previous) +
                                        ", which is not there. Nothing was skipped. Stop nudged and restore the last backup"};
      return false;
    }
    const auto content = block_content(*block, room);
    if (!content) {
      broken = content.error();
      return false;
    }
    before = *sequence;
    ++given;
    return each(*sequence, *content);
  };
  ScanOptions how;
  how.fill_cache = false;
  NUDGE_TRY(scan(Family::log, log_key(from), {}, check, how));
  if (broken) return std::unexpected(std::move(*broken));
  return given;
}

Result<std::vector<AcceptedLoss>> Store::losses() const {
  std::vector<AcceptedLoss> out;
  bool bad = false;
  NUDGE_TRY(scan(Family::meta, kLossPrefix, prefix_end(kLossPrefix), [&](std::string_view, std::string_view value) {
    Reader in(value);
    AcceptedLoss loss;
    loss.at_ms = in.svarint();
    loss.acknowledged = in.varint();
    loss.found = in.varint();
    loss.reason = in.string();
    bad = bad || in.bad();
    out.push_back(std::move(loss));
    return true;
  }));
  if (bad) return fail(Code::corrupt, "a record of an accepted loss is damaged; restore the last backup");
  return out;
}

}  // namespace nudge::daemon
