#include "daemon/runtime/state_cache.h"

#include <algorithm>

namespace nudge::daemon {

// With its place in the table, and what the allocator adds to each block.
constexpr std::size_t kEntryBytes = sizeof(CacheEntry) + 24;
static_assert(sizeof(CacheEntry) <= 160 && sizeof(CustomerState) <= 192, "the next larger block of the allocator is 32 bytes larger");
constexpr std::size_t kLine = 64;  // of the processor's caches
constexpr std::size_t kBlockBytes = 16;

StateCache::~StateCache() {
  for (Table& table : slots_) {
    for (const Place& place : table.places) delete place.entry;
  }
}

void StateCache::Table::insert(CacheEntry* entry) {
  if (4 * (size + 1) > 3 * places.size()) {
    std::vector<Place> old(std::max<std::size_t>(16, 2 * places.size()));
    old.swap(places);
    size = 0;
    for (const Place& place : old) {
      if (place.entry != nullptr) insert(place.entry);
    }
  }
  std::size_t at = entry->hash & mask();
  while (places[at].entry != nullptr) at = (at + 1) & mask();
  places[at] = {entry->hash, entry};
  ++size;
}

// What stands behind it moves up, so that no search ends too early.
void StateCache::Table::erase(const CacheEntry* entry) {
  std::size_t hole = entry->hash & mask();
  while (places[hole].entry != entry) hole = (hole + 1) & mask();
  for (std::size_t at = (hole + 1) & mask(); places[at].entry != nullptr; at = (at + 1) & mask()) {
    const std::size_t home = places[at].hash & mask();
    if (((at - home) & mask()) < ((at - hole) & mask())) continue;  // it stands between its home and the hole: there it stays
    places[hole] = places[at];
    hole = at;
  }
  places[hole] = {};
  --size;
}

void StateCache::prefetch_place(std::uint8_t slot, std::uint32_t hash) const {
  const Table& table = slots_[slot];
  if (!table.places.empty()) __builtin_prefetch(&table.places[hash & table.mask()]);
}

void StateCache::prefetch_entry(std::uint8_t slot, std::uint32_t hash) const {
  const Table& table = slots_[slot];
  if (table.places.empty()) return;
  const Place& place = table.places[hash & table.mask()];  // nearly always
  if (place.entry == nullptr) return;
  const char* const at = reinterpret_cast<const char*>(place.entry);
  for (std::size_t line = 0; line < sizeof(CacheEntry); line += kLine) __builtin_prefetch(at + line);
}

void StateCache::prefetch_state(const CacheEntry& entry) {
  if (entry.newer != nullptr) __builtin_prefetch(&entry.newer->older);
  if (entry.older != nullptr) __builtin_prefetch(&entry.older->newer);
  if (entry.state != nullptr) {
    const char* const at = reinterpret_cast<const char*>(entry.state.get());
    for (std::size_t line = 0; line < sizeof(CustomerState); line += kLine) __builtin_prefetch(at + line);
  } else if (entry.record != nullptr) {
    for (std::size_t line = 0; line < std::min<std::size_t>(entry.record_bytes, 8 * kLine); line += kLine)
      __builtin_prefetch(entry.record.get() + line);
  }
}

void StateCache::prefetch_parts(const CacheEntry& entry) {
  if (entry.state == nullptr) return;
  const CustomerState& state = *entry.state;
  __builtin_prefetch(state.events.data());
  __builtin_prefetch(state.wakes.data());
  __builtin_prefetch(state.members.data());
  state.attributes.prefetch();
}

CacheEntry* StateCache::find(std::uint8_t slot, std::string_view customer, std::uint32_t hash) {
  const Table& table = slots_[slot];
  if (table.places.empty()) return nullptr;
  for (std::size_t at = hash & table.mask(); table.places[at].entry != nullptr; at = (at + 1) & table.mask()) {
    if (table.places[at].hash == hash && table.places[at].entry->id == customer) return table.places[at].entry;
  }
  return nullptr;
}

CacheEntry* StateCache::add(std::uint8_t slot, std::string_view customer) {
  auto made = std::make_unique<CacheEntry>();
  CacheEntry* const entry = made.get();
  entry->id = customer;
  entry->slot = slot;
  entry->hash = hash_of(customer);
  slots_[slot].insert(entry);
  [[maybe_unused]] CacheEntry* const owned = made.release();
  link(decoded_, entry);
  return entry;
}

void StateCache::erase(CacheEntry* entry) {
  unlink(list_of(entry), entry);
  slots_[entry->slot].erase(entry);
  delete entry;
}

void StateCache::link(List& list, CacheEntry* entry) {
  entry->older = list.newest;
  entry->newer = nullptr;
  if (list.newest != nullptr) list.newest->newer = entry;
  list.newest = entry;
  if (list.oldest == nullptr) list.oldest = entry;
  list.bytes += entry->bytes;
  ++list.size;
}

void StateCache::unlink(List& list, CacheEntry* entry) {
  if (entry->newer != nullptr)
    entry->newer->older = entry->older;
  else
    list.newest = entry->older;
  if (entry->older != nullptr)
    entry->older->newer = entry->newer;
  else
    list.oldest = entry->newer;
  entry->newer = entry->older = nullptr;
  list.bytes -= entry->bytes;
  --list.size;
}

void StateCache::touch(CacheEntry* entry) {
  entry->used = ++touched_;
  List& list = list_of(entry);
  if (list.newest == entry) return;
  unlink(list, entry);
  link(list, entry);
}

void StateCache::measure(CacheEntry* entry) {
  std::size_t now = kEntryBytes;
  if (entry->state != nullptr) now += entry->state->memory_bytes() + kBlockBytes;
  if (entry->record != nullptr) now += entry->record_bytes + kBlockBytes;
  List& list = list_of(entry);
  list.bytes -= entry->bytes;
  entry->bytes = static_cast<std::uint32_t>(std::min<std::size_t>(now, 0xffffffff));
  list.bytes += entry->bytes;
}

void StateCache::pack(CacheEntry* entry, std::string_view record) {
  entry->packed_known = entry->state->known();
  put_record(entry, record);
}

void StateCache::put_record(CacheEntry* entry, std::string_view record) {
  unlink(decoded_, entry);
  entry->state.reset();
  entry->record = std::make_unique_for_overwrite<char[]>(record.size());
  entry->record_bytes = static_cast<std::uint32_t>(record.size());
  std::ranges::copy(record, entry->record.get());
  link(packed_, entry);
  measure(entry);
}

void StateCache::unpack(CacheEntry* entry, std::unique_ptr<CustomerState> state) {
  unlink(packed_, entry);
  entry->record.reset();
  entry->record_bytes = 0;
  entry->state = std::move(state);
  link(decoded_, entry);
  measure(entry);
}

void StateCache::set_dirty(CacheEntry* entry, std::uint64_t generation) {
  if (entry->dirty) return;
  Dirty& slot = dirty_slots_[entry->slot];
  entry->dirty = true;
  entry->dirty_since = generation;
  entry->dirty_previous = slot.last;
  entry->dirty_next = nullptr;
  if (slot.last != nullptr) slot.last->dirty_next = entry;
  slot.last = entry;
  if (slot.first == nullptr) slot.first = entry;
  ++dirty_;
}

void StateCache::set_clean(CacheEntry* entry) {
  if (!entry->dirty) return;
  Dirty& slot = dirty_slots_[entry->slot];
  entry->dirty = false;
  if (entry->dirty_previous != nullptr)
    entry->dirty_previous->dirty_next = entry->dirty_next;
  else
    slot.first = entry->dirty_next;
  if (entry->dirty_next != nullptr)
    entry->dirty_next->dirty_previous = entry->dirty_previous;
  else
    slot.last = entry->dirty_previous;
  entry->dirty_next = entry->dirty_previous = nullptr;
  --dirty_;
}

void StateCache::each_in_slot(std::uint8_t slot, const std::function<void(CacheEntry&)>& each) {
  const std::vector<Place>& places = slots_[slot].places;
  constexpr std::size_t kAhead = 8;  // a customer's entry, state and attributes are three looks behind one another
  const auto ahead = [&](std::size_t at) { return at < places.size() ? places[at].entry : nullptr; };
  for (std::size_t at = 0; at < places.size(); ++at) {
    if (const CacheEntry* entry = ahead(at + 3 * kAhead)) {
      __builtin_prefetch(&entry->state);
      __builtin_prefetch(&entry->record_bytes);
    }
    if (const CacheEntry* entry = ahead(at + 2 * kAhead)) {
      if (entry->state != nullptr) __builtin_prefetch(&entry->state->clock);
      if (entry->state != nullptr) __builtin_prefetch(&entry->state->attributes);
      if (entry->record != nullptr) __builtin_prefetch(entry->record.get());
      if (entry->record != nullptr) __builtin_prefetch(entry->record.get() + kLine);
    }
    if (const CacheEntry* entry = ahead(at + kAhead); entry != nullptr && entry->state != nullptr) entry->state->attributes.prefetch();
    if (CacheEntry* const entry = places[at].entry; entry != nullptr) each(*entry);
  }
}

}  // namespace nudge::daemon
