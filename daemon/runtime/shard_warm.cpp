// After a start: the shard's customers come into memory as the records that they are on disk, a portion a turn, as far as there is room. So
// the first event of each finds it there, and a sweep or a count over all customers need not read files to see whom it has to ask
// (docs/decisions/packed-states.md). Which of a slot are not in memory is known from then on.
#include "daemon/runtime/shard.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kPerTurn = 2048;         // records: some 3 ms
constexpr std::size_t kPerBusyTurn = 256;      // … while inputs come in
constexpr ScanOptions kOfSlot{.fill_cache = false, .read_ahead = 128U << 10};

}  // namespace

// It leaves memory; clean, and on disk as it is.
void Shard::forget(CacheEntry* entry) {
  const std::uint8_t slot = entry->slot;
  if (entry->on_disk) {
    if (cold_[slot] != kUnknownCold) ++cold_[slot];
    if (slot == warm_slot_) warm_whole_ = false;
  }
  timers_.remove(entry);
  cache_.erase(entry);
}

void Shard::warm_portion() {
  if (warm_slot_ >= kSlots || sweeping_ || broken_) return;
  while (warm_slot_ < kSlots && !owns(static_cast<std::uint8_t>(warm_slot_))) ++warm_slot_;
  // An eighth stays for who comes in.
  const std::size_t room = options_.memory_bytes - options_.memory_bytes / 8;
  if (cache_.bytes() >= room) warm_slot_ = kSlots;
  if (warm_slot_ >= kSlots) return;
  const auto slot = static_cast<std::uint8_t>(warm_slot_);
  if (warm_cursor_.empty()) {
    warm_cursor_ = slot_prefix(slot);
    warm_whole_ = true;
  }
  std::size_t left = taken_ == 0 ? kPerTurn : kPerBusyTurn;
  bool through = true;
  Result<void> scanned = store_.scan(
      Family::customer, warm_cursor_, prefix_end(slot_prefix(slot)),
      [&](std::string_view key, std::string_view record) {
        if (left == 0 || cache_.bytes() >= room) {
          warm_cursor_ = key;
          through = false;
          return false;
        }
        --left;
        const std::optional<CustomerKey> parsed = parse_customer_key(key);
        if (!parsed || cache_.find(slot, parsed->customer) != nullptr) return true;
        CacheEntry* const entry = cache_.add(slot, parsed->customer);
        cache_.put_record(entry, record);
        entry->packed_known = entry->loaded = entry->on_disk = entry->fresh = true;
        return true;
      },
      kOfSlot);
  if (!scanned) return fail_with(std::move(scanned).error());
  if (!through) return;
  if (warm_whole_) cold_[slot] = 0;
  ++warm_slot_;
  warm_cursor_.clear();
}

}  // namespace nudge::daemon
