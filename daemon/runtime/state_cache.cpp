#include "daemon/runtime/state_cache.h"

namespace nudge::daemon {

CacheEntry* StateCache::find(std::uint8_t slot, std::string_view customer) {
  const auto it = slots_[slot].find(customer);
  return it == slots_[slot].end() ? nullptr : it->second.get();
}

CacheEntry* StateCache::add(std::uint8_t slot, std::string_view customer) {
  auto entry = std::make_unique<CacheEntry>();
  entry->slot = slot;
  entry->state.id = customer;
  CacheEntry* raw = entry.get();
  slots_[slot].emplace(std::string(customer), std::move(entry));
  ++size_;
  touch(raw);
  return raw;
}

void StateCache::erase(CacheEntry* entry) {
  unlink(entry);
  bytes_ -= entry->bytes;
  --size_;
  Map& map = slots_[entry->slot];
  map.erase(map.find(entry->state.id));
}

void StateCache::unlink(CacheEntry* entry) {
  if (entry->newer != nullptr)
    entry->newer->older = entry->older;
  else if (newest_ == entry)
    newest_ = entry->older;
  if (entry->older != nullptr)
    entry->older->newer = entry->newer;
  else if (oldest_ == entry)
    oldest_ = entry->newer;
  entry->newer = entry->older = nullptr;
}

void StateCache::touch(CacheEntry* entry) {
  if (newest_ == entry) return;
  unlink(entry);
  entry->older = newest_;
  if (newest_ != nullptr) newest_->newer = entry;
  newest_ = entry;
  if (oldest_ == nullptr) oldest_ = entry;
}

void StateCache::measure(CacheEntry* entry) {
  const std::size_t now = sizeof(CacheEntry) + 96 + entry->state.memory_bytes();  // 96: the map's node and key
  bytes_ += now;
  bytes_ -= entry->bytes;
  entry->bytes = now;
}

void StateCache::set_dirty(CacheEntry* entry, std::uint64_t generation) {
  if (entry->dirty) return;
  entry->dirty = true;
  entry->dirty_since = generation;
  entry->dirty_previous = last_dirty_;
  entry->dirty_next = nullptr;
  if (last_dirty_ != nullptr) last_dirty_->dirty_next = entry;
  last_dirty_ = entry;
  if (first_dirty_ == nullptr) first_dirty_ = entry;
  ++dirty_;
}

void StateCache::set_clean(CacheEntry* entry) {
  if (!entry->dirty) return;
  entry->dirty = false;
  if (entry->dirty_previous != nullptr)
    entry->dirty_previous->dirty_next = entry->dirty_next;
  else
    first_dirty_ = entry->dirty_next;
  if (entry->dirty_next != nullptr)
    entry->dirty_next->dirty_previous = entry->dirty_previous;
  else
    last_dirty_ = entry->dirty_previous;
  entry->dirty_next = entry->dirty_previous = nullptr;
  --dirty_;
}

void StateCache::each_in_slot(std::uint8_t slot, const std::function<void(CacheEntry&)>& each) {
  for (auto& [customer, entry] : slots_[slot]) each(*entry);
}

}  // namespace nudge::daemon
