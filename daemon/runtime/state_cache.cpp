#include "daemon/runtime/state_cache.h"

#include <algorithm>

namespace nudge::daemon {

// The map's node with its key, and what the allocator adds to each block.
constexpr std::size_t kEntryBytes = sizeof(CacheEntry) + 72;
constexpr std::size_t kBlockBytes = 16;

CacheEntry* StateCache::find(std::uint8_t slot, std::string_view customer) {
  const auto it = slots_[slot].find(customer);
  return it == slots_[slot].end() ? nullptr : &it->second;
}

CacheEntry* StateCache::add(std::uint8_t slot, std::string_view customer) {
  const auto it = slots_[slot].try_emplace(std::string(customer)).first;
  CacheEntry* entry = &it->second;
  entry->id = it->first;
  entry->slot = slot;
  link(decoded_, entry);
  return entry;
}

void StateCache::erase(CacheEntry* entry) {
  unlink(list_of(entry), entry);
  Map& map = slots_[entry->slot];
  map.erase(map.find(entry->id));
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
  list.bytes += now;
  list.bytes -= entry->bytes;
  entry->bytes = now;
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
  for (auto& [customer, entry] : slots_[slot]) each(entry);
}

}  // namespace nudge::daemon
