// The shard's other half: reading and writing states, checkpoints, the sweep after a reload, eviction, and questions.
#include <algorithm>

#include "daemon/runtime/committer.h"
#include "daemon/runtime/shard.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kSweptPerTurn = 1024;
constexpr std::size_t kStateBytes = 1024;  // of a usual state's record, with room

}  // namespace

// --- reading

CacheEntry* Shard::load(std::uint8_t slot, std::string_view customer, bool create) {
  CacheEntry* entry = cache_.find(slot, customer);
  if (entry != nullptr && entry->loaded) return entry;
  Result<std::optional<std::string>> record = store_.get(Family::customer, customer_key(slot, customer));
  if (!record) {
    fail_with(std::move(record).error());
    return nullptr;
  }
  if (!record->has_value() && !create) return nullptr;
  if (entry == nullptr) entry = cache_.add(slot, customer);
  if (Result<void> filled = fill(*entry, *record); !filled) {
    fail_with(std::move(filled).error());
    return nullptr;
  }
  return entry;
}

Result<void> Shard::fill(CacheEntry& entry, const std::optional<std::string>& record) {
  entry.loaded = true;
  if (record.has_value()) {
    ++loads_;
    std::string id = std::move(entry.state.id);
    Result<CustomerState> state = decode_customer(*record, *plan_->catalog);
    if (!state) {
      entry.state.id = std::move(id);
      return std::unexpected(std::move(state).error().prefixed("record of customer `" + entry.state.id + "`"));
    }
    entry.state = *std::move(state);
    entry.state.id = std::move(id);
    entry.on_disk = true;
    entry.disk_due = Engine::next_due(entry.state);
    timers_.set(&entry, entry.disk_due);
  }
  cache_.measure(&entry);
  return {};
}

Result<void> Shard::load_many(std::span<CacheEntry* const> entries) {
  if (entries.empty()) return {};
  std::vector<std::string> keys;
  keys.reserve(entries.size());
  for (const CacheEntry* entry : entries) keys.push_back(customer_key(entry->slot, entry->state.id));
  NUDGE_ASSIGN(const auto records, store_.multi_get(Family::customer, keys));
  for (std::size_t i = 0; i < entries.size(); ++i) NUDGE_TRY(fill(*entries[i], records[i]));
  return {};
}

const CustomerState* Shard::customer(std::string_view id) {
  CacheEntry* entry = load(slot_of(id), id, false);
  if (entry == nullptr || !entry->state.known()) return nullptr;
  cache_.touch(entry);
  reconcile_entry(*entry);
  return &entry->state;
}

void Shard::unwritten_customers(const std::function<void(std::string_view id)>& each) const {
  for (const CacheEntry* entry = cache_.first_dirty(); entry != nullptr; entry = entry->dirty_next) {
    if (!entry->on_disk && entry->loaded && entry->state.known()) each(entry->state.id);
  }
}

Result<void> Shard::each_customer(std::uint8_t slot, const std::function<void(const CustomerState&)>& each) {
  cache_.each_in_slot(slot, [&](CacheEntry& entry) {
    if (entry.loaded && entry.state.known()) each(entry.state);
  });
  std::optional<Error> error;
  const std::string prefix = slot_prefix(slot);
  NUDGE_TRY(store_.scan(
      Family::customer, prefix, prefix_end(prefix),
      [&](std::string_view key, std::string_view value) {
        std::optional<CustomerKey> parsed = parse_customer_key(key);
        if (!parsed) return true;
        const CacheEntry* hot = cache_.find(slot, parsed->customer);
        if (hot != nullptr && hot->loaded) return true;
        Result<CustomerState> state = decode_customer(value, *plan_->catalog);
        if (!state) {
          error = std::move(state).error().prefixed("record of customer `" + parsed->customer + "`");
          return false;
        }
        state->id = std::move(parsed->customer);
        each(*state);
        return true;
      },
      ScanOptions{.fill_cache = false}));
  if (error) return std::unexpected(*std::move(error));
  return {};
}

// --- writing

// Puts the record and the timer row into the unit: they reach the disk with or after the log entries of everything that is in the state.
void Shard::write_state(CacheEntry& entry) {
  std::string record;
  encode_customer(record, entry.state, *plan_->catalog);
  unit_->states.put(Family::customer, customer_key(entry.slot, entry.state.id), record);
  const TimeMs due = Engine::next_due(entry.state);
  if (due != entry.disk_due) {
    if (entry.disk_due != kNever) unit_->states.erase(Family::timer, timer_key(entry.slot, entry.disk_due, entry.state.id));
    if (due != kNever) unit_->states.put(Family::timer, timer_key(entry.slot, due, entry.state.id), "");
    entry.disk_due = due;
  }
  entry.on_disk = true;
  entry.unit = unit_number_;
  cache_.set_clean(&entry);
}

void Shard::checkpoint(std::function<void()> done) {
  ask([done = std::move(done)](Shard& shard) mutable { shard.checkpoints_.push_back({shard.generation_++, std::move(done)}); });
}

// Bytes of states to write in this turn: at the rate at which inputs change them, or a checkpoint under load would never end and memory
// would not stay under its cap.
std::size_t Shard::portion() const { return std::max(options_.portion_bytes, 2 * taken_ * kStateBytes); }

void Shard::checkpoint_portion() {
  if (checkpoints_.empty()) return;
  const std::uint64_t generation = checkpoints_.front().generation;
  while (CacheEntry* entry = cache_.first_dirty()) {
    if (entry->dirty_since > generation) break;
    if (unit_->states.bytes() >= portion()) return;
    write_state(*entry);
  }
  unit_->changes.push_back([done = std::move(checkpoints_.front().done)](CommitContext& c) { c.after.push_back(done); });
  checkpoints_.pop_front();
}

// Least recently used states leave memory until it is under the cap. One that has changed is written first and leaves once that is
// committed.
void Shard::evict() {
  const std::size_t cap = options_.memory_bytes;
  CacheEntry* entry = cache_.oldest();
  std::size_t over = cache_.bytes() > cap ? cache_.bytes() - cap : 0;
  const std::uint64_t committed = committer_.committed(options_.index);
  while (entry != nullptr && over > 0) {
    CacheEntry* const newer = entry->newer;
    over -= std::min(over, entry->bytes);
    if (entry->dirty) {
      if (unit_->states.bytes() >= portion()) return;
      write_state(*entry);
    } else if (entry->loaded && entry->unit < committed) {
      const TimeMs due = Engine::next_due(entry->state);
      if (due < horizon_[entry->slot]) cold_timers_.push({due, entry->state.id});
      timers_.remove(entry);
      cache_.erase(entry);
      ++evictions_;
    }
    entry = newer;
  }
}

// --- sweep

void Shard::sweep(std::function<void()> done) {
  ask([done = std::move(done)](Shard& shard) mutable {
    shard.sweeping_ = true;
    shard.sweep_slot_ = 0;
    shard.sweep_cursor_.clear();
    shard.sweep_done_.push_back(std::move(done));
  });
}

// Hot customers of a slot first, then its records in portions. A record that was brought over by an input meanwhile is found current.
void Shard::sweep_portion() {
  while (sweep_slot_ < kSlots && !owns(static_cast<std::uint8_t>(sweep_slot_))) ++sweep_slot_;
  if (sweep_slot_ >= kSlots) {
    sweeping_ = false;
    for (auto& done : sweep_done_) unit_->changes.push_back([done = std::move(done)](CommitContext& c) { c.after.push_back(done); });
    sweep_done_.clear();
    return;
  }
  const auto slot = static_cast<std::uint8_t>(sweep_slot_);
  const std::string prefix = slot_prefix(slot);
  if (sweep_cursor_.empty()) {
    cache_.each_in_slot(slot, [&](CacheEntry& entry) {
      if (entry.loaded) reconcile_entry(entry);
    });
    sweep_cursor_ = prefix;
  }
  std::vector<std::pair<std::string, std::string>> cold;
  std::size_t seen = 0;
  Result<void> scanned = store_.scan(
      Family::customer, sweep_cursor_, prefix_end(prefix),
      [&](std::string_view key, std::string_view value) {
        if (++seen > kSweptPerTurn) {
          sweep_cursor_ = key;
          return false;
        }
        std::optional<CustomerKey> parsed = parse_customer_key(key);
        if (parsed && cache_.find(slot, parsed->customer) == nullptr) cold.emplace_back(std::move(parsed->customer), value);
        return true;
      },
      ScanOptions{.fill_cache = false});
  if (!scanned) return fail_with(std::move(scanned).error());
  for (const auto& [customer, record] : cold) {
    CacheEntry* entry = cache_.add(slot, customer);
    if (Result<void> filled = fill(*entry, record); !filled) return fail_with(std::move(filled).error());
    reconcile_entry(*entry);
    if (entry->dirty) continue;  // else it need not stay; its timer is where it was
    timers_.remove(entry);
    cache_.erase(entry);
  }
  if (seen <= kSweptPerTurn) {
    ++sweep_slot_;
    sweep_cursor_.clear();
  }
}

}  // namespace nudge::daemon
