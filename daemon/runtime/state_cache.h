// The decoded states of a shard's customers, under a memory cap: the least recently used go first. Knows which have changed since they were
// last written. Not thread-safe; one shard thread owns it. Pointers to entries stay valid until erase().
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "daemon/runtime/timer_heap.h"
#include "engine/base/hash.h"
#include "engine/model/customer.h"

namespace nudge::daemon {

struct CacheEntry {
  CustomerState state;
  std::uint8_t slot = 0;
  bool loaded = false;            // false: named by an input, its record is still to be read
  bool dirty = false;             // changed since it was last written
  bool on_disk = false;           // has a customer record
  std::uint64_t unit = 0;         // the last unit of the shard that has a change or a write of it
  std::uint64_t dirty_since = 0;  // checkpoint generation in which it became dirty
  TimeMs disk_due = kNever;       // the timer row on disk
  std::size_t bytes = 0;
  std::size_t heap_index = TimerHeap<CacheEntry>::kNotInHeap;
  std::uint32_t first_item = 0xffffffff, last_item = 0xffffffff;  // of the drain under way
  CacheEntry *newer = nullptr, *older = nullptr;                  // by last use
  CacheEntry *dirty_next = nullptr, *dirty_previous = nullptr;    // by dirty_since
};

class StateCache {
 public:
  CacheEntry* find(std::uint8_t slot, std::string_view customer);
  // A new entry with its id set; must not be there yet.
  CacheEntry* add(std::uint8_t slot, std::string_view customer);
  // Must not be dirty nor in the heap.
  void erase(CacheEntry* entry);
  // Marks it as used just now.
  void touch(CacheEntry* entry);
  // Counts its memory anew.
  void measure(CacheEntry* entry);
  void set_dirty(CacheEntry* entry, std::uint64_t generation);
  void set_clean(CacheEntry* entry);

  CacheEntry* oldest() const { return oldest_; }
  CacheEntry* first_dirty() const { return first_dirty_; }
  std::size_t bytes() const { return bytes_; }
  std::size_t size() const { return size_; }
  std::size_t dirty() const { return dirty_; }
  void each_in_slot(std::uint8_t slot, const std::function<void(CacheEntry&)>& each);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return static_cast<std::size_t>(hash64(s)); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a == b; }
  };
  using Map = std::unordered_map<std::string, std::unique_ptr<CacheEntry>, Hash, Equal>;
  void unlink(CacheEntry* entry);

  std::array<Map, kSlots> slots_;
  CacheEntry *newest_ = nullptr, *oldest_ = nullptr;
  CacheEntry *first_dirty_ = nullptr, *last_dirty_ = nullptr;
  std::size_t bytes_ = 0, size_ = 0, dirty_ = 0;
};

}  // namespace nudge::daemon
