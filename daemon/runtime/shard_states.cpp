// The shard's other half: reading and writing states, checkpoints, the sweep after a reload, eviction, and questions.
#include <algorithm>

#include "daemon/runtime/committer.h"
#include "daemon/runtime/shard.h"
#include "daemon/store/keys.h"
#include "engine/base/leading_bytes.h"
#include "engine/core/ruled_out.h"
#include "engine/model/customer_head.h"
#include "engine/plan/addition.h"

namespace nudge::daemon {
namespace {

// A sweep's work in a turn, so that what comes in waits some 100 ms for it at most. Most customers are done with at a glance at their
// attributes; one who is not costs as much as so many glances.
constexpr std::size_t kGlancesPerTurn = 393216;
constexpr std::size_t kGlancesPerJudging = 16;
constexpr std::size_t kStateBytes = 1024;  // of a usual state's record, with room
constexpr std::size_t kDecodedPart = 4;    // of the memory for states: this part stays with decoded ones

// A slot's records are a short range in each of some files.
constexpr ScanOptions kOfSlot{.fill_cache = false, .read_ahead = 128U << 10};

}  // namespace

// --- reading

CacheEntry* Shard::load(std::uint8_t slot, std::string_view customer, bool create) {
  CacheEntry* entry = cache_.find(slot, customer);
  if (entry == nullptr || !entry->loaded) {
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
  }
  if (Result<void> unpacked = unpack(*entry); !unpacked) {
    fail_with(std::move(unpacked).error());
    return nullptr;
  }
  return entry;
}

Result<CustomerState> Shard::read_record(std::string_view id, std::string_view record) const {
  Result<CustomerState> state = decode_customer(record, *plan_->catalog);
  if (!state) return std::unexpected(std::move(state).error().prefixed("record of customer `" + std::string(id) + "`"));
  state->id = id;
  return state;
}

// From the record on disk, or as a customer that was never heard of.
Result<void> Shard::fill(CacheEntry& entry, const std::optional<std::string>& record) {
  if (record.has_value()) {
    ++loads_;
    if (cold_[entry.slot] != kUnknownCold) --cold_[entry.slot];
    NUDGE_ASSIGN(CustomerState state, read_record(entry.id, *record));
    entry.state = std::make_unique<CustomerState>(std::move(state));
    entry.on_disk = true;
    entry.due = entry.disk_due = Engine::next_due(*entry.state);
    timers_.set(&entry, entry.due);
  } else {
    entry.state = std::make_unique<CustomerState>();
    entry.state->id = entry.id;
  }
  entry.loaded = true;
  cache_.measure(&entry);
  return {};
}

Result<void> Shard::unpack(CacheEntry& entry) {
  if (entry.state != nullptr) return {};
  NUDGE_ASSIGN(CustomerState state, read_record(entry.id, entry.packed()));
  cache_.unpack(&entry, std::make_unique<CustomerState>(std::move(state)));
  know_due(entry, *entry.state);
  return {};
}

// Of one that came from disk packed: its state is read now, so what is due for it is known.
void Shard::know_due(CacheEntry& entry, const CustomerState& state) {
  if (!std::exchange(entry.fresh, false)) return;
  entry.due = entry.disk_due = Engine::next_due(state);
  timers_.set(&entry, entry.due);
}

Result<void> Shard::prefetch(std::span<const LogEntry> entries) {
  constexpr std::size_t kAtOnce = 1024;
  missing_.clear();
  for (const LogEntry& entry : entries) {
    const std::uint8_t slot = slot_of(entry.customer);
    if (cache_.find(slot, entry.customer) == nullptr) missing_.push_back(cache_.add(slot, entry.customer));
  }
  std::ranges::sort(missing_, {}, [](const CacheEntry* e) { return std::pair(e->slot, std::string_view(e->id)); });
  std::vector<std::string> keys;
  for (std::size_t from = 0; from < missing_.size(); from += kAtOnce) {
    const std::span part = std::span(missing_).subspan(from, std::min(kAtOnce, missing_.size() - from));
    keys.clear();
    for (const CacheEntry* entry : part) keys.push_back(customer_key(entry->slot, entry->id));
    NUDGE_ASSIGN(const auto records, store_.multi_get(Family::customer, keys));
    for (std::size_t i = 0; i < part.size(); ++i) {
      CacheEntry& entry = *part[i];
      if (!records[i].has_value()) {
        NUDGE_TRY(fill(entry, std::nullopt));
        continue;
      }
      ++loads_;
      cache_.put_record(&entry, *records[i]);
      entry.packed_known = entry.loaded = entry.on_disk = entry.fresh = true;
    }
  }
  return {};
}

// While memory is over its cap, the states that were used least lately become their records: those take a third of the memory, and less
// work than going to disk and back. A part of the memory stays with decoded ones.
void Shard::pack_oldest() {
  const std::size_t cap = options_.memory_bytes;
  while (cache_.bytes() > cap && cache_.decoded_bytes() > cap / kDecodedPart) {
    CacheEntry* const entry = cache_.oldest_decoded();
    if (entry == nullptr || !entry->loaded) return;
    if (entry->newer != nullptr && entry->newer->newer != nullptr) {
      StateCache::prefetch_state(*entry->newer->newer);
      StateCache::prefetch_parts(*entry->newer);
    }
    record_.clear();
    encode_customer(record_, *entry->state, *plan_->catalog);
    cache_.pack(entry, record_);
  }
}

Result<void> Shard::load_many(std::span<CacheEntry* const> entries) {
  if (entries.empty()) return {};
  std::vector<std::string> keys;
  keys.reserve(entries.size());
  for (const CacheEntry* entry : entries) keys.push_back(customer_key(entry->slot, entry->id));
  NUDGE_ASSIGN(const auto records, store_.multi_get(Family::customer, keys));
  for (std::size_t i = 0; i < entries.size(); ++i) NUDGE_TRY(fill(*entries[i], records[i]));
  return {};
}

const CustomerState* Shard::customer(std::string_view id) {
  CacheEntry* entry = load(slot_of(id), id, false);
  if (entry == nullptr || !entry->state->known()) return nullptr;
  cache_.touch(entry);
  reconcile_entry(*entry);
  return &*entry->state;
}

void Shard::unwritten_customers(const std::function<void(std::string_view id)>& each) const {
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    for (const CacheEntry* entry = cache_.first_dirty(static_cast<std::uint8_t>(slot)); entry != nullptr; entry = entry->dirty_next) {
      if (!entry->on_disk && entry->loaded && entry->known()) each(entry->id);
    }
  }
}

Result<void> Shard::each_customer(std::uint8_t slot, const std::function<void(const CustomerState&)>& each) {
  std::optional<Error> error;
  cache_.each_in_slot(slot, [&](CacheEntry& entry) {
    if (!entry.loaded || !entry.known() || error) return;
    if (entry.state != nullptr) return each(*entry.state);
    Result<CustomerState> state = read_record(entry.id, entry.packed());
    if (state)
      each(*state);
    else
      error = std::move(state).error();
  });
  if (error) return std::unexpected(*std::move(error));
  if (cold_[slot] == 0) return {};
  const std::string prefix = slot_prefix(slot);
  NUDGE_TRY(store_.scan(
      Family::customer, prefix, prefix_end(prefix),
      [&](std::string_view key, std::string_view value) {
        std::optional<CustomerKey> parsed = parse_customer_key(key);
        if (!parsed) return true;
        const CacheEntry* hot = cache_.find(slot, parsed->customer);
        if (hot != nullptr && hot->loaded) return true;
        Result<CustomerState> state = read_record(parsed->customer, value);
        if (!state) {
          error = std::move(state).error();
          return false;
        }
        each(*state);
        return true;
      },
      kOfSlot));
  if (error) return std::unexpected(*std::move(error));
  return {};
}

// --- writing

// Puts the record and the timer row into the unit: they reach the disk with or after the log entries of everything that is in the state.
void Shard::write_state(CacheEntry& entry) {
  const bool known = entry.known();
  if (!known) {
    unit_->states.erase(Family::customer, customer_key(entry.slot, entry.id));
  } else {
    if (entry.state != nullptr) {
      record_.clear();
      encode_customer(record_, *entry.state, *plan_->catalog);
    }
    unit_->states.put(Family::customer, customer_key(entry.slot, entry.id),
                      entry.state != nullptr ? std::string_view(record_) : entry.packed());
  }
  const TimeMs due = entry.due;
  if (due != entry.disk_due) {
    if (entry.disk_due != kNever) unit_->states.erase(Family::timer, timer_key(entry.slot, entry.disk_due, entry.id));
    if (due != kNever) unit_->states.put(Family::timer, timer_key(entry.slot, due, entry.id), "");
    entry.disk_due = due;
  }
  entry.on_disk = known;
  entry.unit = unit_number_;
  cache_.set_clean(&entry);
  // Its turn to be packed would come soon: the record is made, so now.
  if (entry.state != nullptr && soon_packed(entry)) cache_.pack(&entry, record_);
}

// True for the older half of the decoded states while memory is over its cap.
bool Shard::soon_packed(const CacheEntry& entry) const {
  const std::size_t cap = options_.memory_bytes;
  if (cache_.bytes() + cap / kDecodedPart <= cap || cache_.decoded_bytes() <= cap / kDecodedPart / 2) return false;
  const std::uint64_t oldest = cache_.oldest_decoded()->used;
  return entry.used - oldest < (cache_.touched() - oldest) / 2;
}

void Shard::checkpoint(std::function<void()> done) {
  ask([done = std::move(done)](Shard& shard) mutable { shard.checkpoints_.push_back({shard.generation_++, std::move(done)}); });
}

// Bytes of states to write in this turn: at the rate at which inputs change them, or a checkpoint under load would never end and memory
// would not stay under its cap.
std::size_t Shard::portion() const { return std::max(options_.portion_bytes, 2 * taken_ * kStateBytes); }

void Shard::checkpoint_portion() {
  if (checkpoints_.empty()) return;
  Checkpoint& checkpoint = checkpoints_.front();
  for (; checkpoint.slot < kSlots; ++checkpoint.slot) {
    if (!write_dirty(static_cast<std::uint8_t>(checkpoint.slot), checkpoint.generation)) return;
  }
  unit_->changes.push_back([done = std::move(checkpoint.done)](CommitContext& c) { c.after.push_back(done); });
  checkpoints_.pop_front();
}

// The states of a slot that a checkpoint has to write, in the order of their keys: that costs the database a fraction of what any other
// order does. False when the turn's portion is full.
bool Shard::write_dirty(std::uint8_t slot, std::uint64_t generation) {
  writing_.clear();
  std::size_t room = portion();
  room -= std::min(room, unit_->states.bytes());
  CacheEntry* entry = cache_.first_dirty(slot);
  for (; entry != nullptr && entry->dirty_since <= generation && room > 0; entry = entry->dirty_next) {
    writing_.emplace_back(leading_bytes(entry->id), entry);
    room -= std::min<std::size_t>(room, entry->record != nullptr ? entry->record_bytes : entry->bytes / kDecodedPart);
  }
  std::ranges::sort(writing_, [](const auto& a, const auto& b) { return a.first != b.first ? a.first < b.first : a.second->id < b.second->id; });
  for (std::size_t i = 0; i < writing_.size(); ++i) {
    if (i + 4 < writing_.size()) StateCache::prefetch_state(*writing_[i + 4].second);
    if (i + 2 < writing_.size()) StateCache::prefetch_parts(*writing_[i + 2].second);
    write_state(*writing_[i].second);
  }
  return entry == nullptr || entry->dirty_since > generation;
}

// Least recently used states leave memory until it is under the cap. One that has changed is written first and leaves once that is
// committed.
void Shard::evict() {
  pack_oldest();
  const std::size_t cap = options_.memory_bytes;
  CacheEntry* entry = cache_.oldest_packed();
  std::size_t over = cache_.bytes() > cap ? cache_.bytes() - cap : 0;
  const std::uint64_t committed = committer_.committed(options_.index);
  while (entry != nullptr && over > 0) {
    CacheEntry* const newer = entry->newer;
    over -= std::min<std::size_t>(over, entry->bytes);
    if (entry->dirty) {
      if (unit_->states.bytes() >= portion()) return;
      write_state(*entry);
    } else if (entry->unit < committed) {
      if (entry->due < horizon_[entry->slot]) cold_timers_.push({entry->due, std::string(entry->id)});
      forget(entry);
      ++evictions_;
    }
    entry = newer;
  }
}

// --- plan

// A packed state is judged as a copy and stays packed when nothing changes.
void Shard::reconcile_entry(CacheEntry& entry) {
  if (!entry.loaded) return;
  std::unique_ptr<CustomerState> read;
  if (entry.state == nullptr) {
    Result<CustomerState> state = read_record(entry.id, entry.packed());
    if (!state) return fail_with(std::move(state).error());
    read = std::make_unique<CustomerState>(*std::move(state));
    know_due(entry, *read);
  }
  CustomerState& state = read != nullptr ? *read : *entry.state;
  if (!state.known() || state.plan == plan_->sequence) return;
  Effects effects;
  if (!reconcile(state, effects)) return;
  if (read != nullptr) cache_.unpack(&entry, std::move(read));
  unit_->entries.mark(EntryKind::reconcile, entry.id, entry.state->clock);
  ++unit_->steps;
  changed(entry, std::move(effects));
}

// False when the new plan changes nothing for this customer. The state then stays what it was, also in whose plan it is of: nothing has to
// be written for it, and its next step comes to the same.
bool Shard::reconcile(CustomerState& state, Effects& effects) {
  const std::uint64_t known = state.plan;
  const std::size_t fired = state.fired.size();
  const bool waits = !state.runs.empty();
  members_before_ = state.members;
  wakes_before_ = state.wakes;
  count_gone_members(state);
  engine_.reconcile(*plan_, state, effects);
  const bool decided = !effects.edges.empty() || !effects.decisions.empty() || !effects.actions.empty() || !effects.goals.empty() ||
                       !effects.held_actions.empty();
  if (waits || decided || !state.runs.empty() || state.fired.size() != fired) return true;
  if (state.members != members_before_ || state.wakes != wakes_before_) return true;
  state.plan = known;
  return false;
}

// --- sweep

void Shard::sweep(std::function<void()> done) {
  ask([done = std::move(done)](Shard& shard) mutable {
    shard.sweeping_ = true;
    shard.sweep_slot_ = 0;
    shard.sweep_cursor_.clear();
    shard.sweep_done_.push_back(std::move(done));
    shard.sweep_plan_ = shard.plan_;
    shard.ruled_out_.reset();
    if (shard.brought_ == nullptr) return;
    if (auto added = only_adds(*shard.brought_, *shard.plan_))
      shard.ruled_out_ = std::make_unique<RuledOut>(shard.plan_, *std::move(added));
  });
}

void Shard::swept(std::shared_ptr<const Plan> plan) {
  ask([plan = std::move(plan)](Shard& shard) { shard.brought_ = plan; });
}

// False when the sweep's plan leaves the customer as it is, which can be told from the head of the record: it adds nothing but segments
// that the attributes rule out. Such a record stays one of the plan that it is of, as any other that a plan does not change.
bool Shard::concerns(std::string_view record) {
  if (ruled_out_ == nullptr || plan_ != sweep_plan_) return true;
  if (glance_at_customer(record, ruled_out_->attributes(), ruled_out_->not_before(), glance_)) {
    if (glance_.clock == kAlways || glance_.plan > brought_->sequence) return true;
    if (const std::optional<bool> told = ruled_out_->all(glance_)) return !*told;
  }
  if (!decode_customer_head(record, *plan_->catalog, head_)) return true;  // who reads all of it says what is wrong
  return concerns(head_);
}

bool Shard::concerns(const CustomerState& state) const {
  if (ruled_out_ == nullptr || plan_ != sweep_plan_) return true;
  return !state.known() || state.plan > brought_->sequence || !ruled_out_->all(state);
}

// Slot by slot, as far as a turn goes: hot customers first, then the records in portions. A record that was brought over by an input
// meanwhile is found current.
void Shard::sweep_portion() {
  for (std::size_t left = kGlancesPerTurn; left > 0 && !broken_;) {
    while (sweep_slot_ < kSlots && !owns(static_cast<std::uint8_t>(sweep_slot_))) ++sweep_slot_;
    if (sweep_slot_ >= kSlots) return end_sweep();
    const auto slot = static_cast<std::uint8_t>(sweep_slot_);
    if (sweep_cursor_.empty()) {
      cache_.each_in_slot(slot, [&](CacheEntry& entry) {
        const bool judged = entry.record != nullptr ? concerns(entry.packed()) : entry.state == nullptr || concerns(*entry.state);
        if (judged) reconcile_entry(entry);
        left -= std::min(left, judged ? kGlancesPerJudging : 1);
      });
      sweep_cursor_ = slot_prefix(slot);
    }
    if (cold_[slot] == 0) {
      ++sweep_slot_;
      sweep_cursor_.clear();
      continue;
    }
    if (broken_ || left == 0) return;
    if (Result<void> swept = sweep_records(slot, left); !swept) fail_with(std::move(swept).error());
  }
}

void Shard::end_sweep() {
  sweeping_ = false;
  ruled_out_.reset();
  // A plan that came meanwhile has a sweep of its own to come.
  if (plan_ == sweep_plan_) brought_ = plan_;
  for (auto& done : sweep_done_) unit_->changes.push_back([done = std::move(done)](CommitContext& c) { c.after.push_back(done); });
  sweep_done_.clear();
}

// The next records of a slot that are not in memory. Takes what it did off `left`.
Result<void> Shard::sweep_records(std::uint8_t slot, std::size_t& left) {
  std::vector<std::pair<std::string, std::string>> cold;
  bool all = true;
  NUDGE_TRY(store_.scan(
      Family::customer, sweep_cursor_, prefix_end(slot_prefix(slot)),
      [&](std::string_view key, std::string_view value) {
        if (left == 0) {
          sweep_cursor_ = key;
          all = false;
          return false;
        }
        --left;
        if (!concerns(value)) return true;
        std::optional<CustomerKey> parsed = parse_customer_key(key);
        if (!parsed || cache_.find(slot, parsed->customer) != nullptr) return true;
        left -= std::min(left, kGlancesPerJudging);
        cold.emplace_back(std::move(parsed->customer), value);
        return true;
      },
      kOfSlot));
  for (const auto& [customer, record] : cold) {
    CacheEntry* entry = cache_.add(slot, customer);
    NUDGE_TRY(fill(*entry, record));
    reconcile_entry(*entry);
    if (entry->dirty) continue;  // else it need not stay; its timer is where it was
    forget(entry);
  }
  if (!all) return {};
  ++sweep_slot_;
  sweep_cursor_.clear();
  return {};
}

}  // namespace nudge::daemon
