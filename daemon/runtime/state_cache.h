// The states of a shard's customers that are in memory: those used lately decoded, ready to be judged; the others packed, as the records
// that they are on disk, in a quarter of the room. Knows the order of use in each of the two, and which have changed since they were last
// written. Not thread-safe; one shard thread owns it. Pointers to entries stay valid until erase().
//
// A million customers do not fit into the processor's caches, so each first look at one waits for memory. Whoever has many to look at says
// so ahead, by the prefetch functions.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/runtime/timer_heap.h"
#include "engine/base/hash.h"
#include "engine/model/customer.h"

namespace nudge::daemon {

// There is one for each customer in memory: 160 bytes, which is a size of the allocator's.
struct CacheEntry {
  std::string id;                        // the customer's
  std::unique_ptr<CustomerState> state;  // null: packed, or still to be read
  std::unique_ptr<char[]> record;        // packed: the state's bytes
  std::uint32_t record_bytes = 0;
  std::uint8_t slot = 0;
  bool loaded = false;            // false: named by an input, its record is still to be read
  bool dirty = false;             // changed since it was last written
  bool on_disk = false;           // has a customer record
  bool packed_known = false;      // packed: CustomerState::known()
  bool fresh = false;             // packed, as it came from disk: `due` is not known yet, and it is not in the heap
  std::uint32_t hash = 0;         // of the id
  std::uint64_t used = 0;         // when it was last touched, by StateCache's count
  std::uint64_t unit = 0;         // the last unit of the shard that has a change or a write of it
  std::uint64_t dirty_since = 0;  // checkpoint generation in which it became dirty
  TimeMs due = kNever;            // Engine::next_due of the state
  TimeMs disk_due = kNever;       // the timer row on disk
  TimeMs erased_at = kAlways;     // when all that was known was erased; what comes in that millisecond waits for the next
  std::uint32_t bytes = 0;                // that it takes
  std::uint32_t heap_index = TimerHeap<CacheEntry>::kNotInHeap;
  std::uint32_t first_item = 0xffffffff, last_item = 0xffffffff;  // of the drain under way
  CacheEntry *newer = nullptr, *older = nullptr;                  // by last use, among the decoded or among the packed
  CacheEntry *dirty_next = nullptr, *dirty_previous = nullptr;    // of the slot, by dirty_since

  std::string_view packed() const { return {record.get(), record_bytes}; }
  bool known() const { return state != nullptr ? state->known() : packed_known; }
};

class StateCache {
 public:
  StateCache() = default;
  ~StateCache();
  StateCache(const StateCache&) = delete;
  StateCache& operator=(const StateCache&) = delete;

  CacheEntry* find(std::uint8_t slot, std::string_view customer) { return find(slot, customer, hash_of(customer)); }
  // The same in steps, for many at once: the hash; bring near where it would stand; bring near what stands there; find.
  static std::uint32_t hash_of(std::string_view customer) { return static_cast<std::uint32_t>(hash64(customer)); }
  void prefetch_place(std::uint8_t slot, std::uint32_t hash) const;
  void prefetch_entry(std::uint8_t slot, std::uint32_t hash) const;
  CacheEntry* find(std::uint8_t slot, std::string_view customer, std::uint32_t hash);
  // Bring near what a step of this entry reads first, and after that what lies behind it.
  static void prefetch_state(const CacheEntry& entry);
  static void prefetch_parts(const CacheEntry& entry);

  // A new entry that is still to be read; must not be there yet.
  CacheEntry* add(std::uint8_t slot, std::string_view customer);
  // Must not be dirty nor in the heap.
  void erase(CacheEntry* entry);
  // Marks it as used just now.
  void touch(CacheEntry* entry);
  // Counts its memory anew.
  void measure(CacheEntry* entry);
  // Replaces the state by its record, and back. The packed one is the newest among the packed, the unpacked among the decoded.
  void pack(CacheEntry* entry, std::string_view record);
  // The record of an entry that was still to be read.
  void put_record(CacheEntry* entry, std::string_view record);
  void unpack(CacheEntry* entry, std::unique_ptr<CustomerState> state);
  void set_dirty(CacheEntry* entry, std::uint64_t generation);
  void set_clean(CacheEntry* entry);

  // Entries touched so far: CacheEntry::used of the newest.
  std::uint64_t touched() const { return touched_; }
  CacheEntry* oldest_decoded() const { return decoded_.oldest; }
  CacheEntry* oldest_packed() const { return packed_.oldest; }
  // The one of the slot that has been dirty for longest.
  CacheEntry* first_dirty(std::uint8_t slot) const { return dirty_slots_[slot].first; }
  std::size_t bytes() const { return decoded_.bytes + packed_.bytes; }
  std::size_t decoded_bytes() const { return decoded_.bytes; }
  std::size_t size() const { return decoded_.size + packed_.size; }
  std::size_t decoded() const { return decoded_.size; }
  std::size_t dirty() const { return dirty_; }
  void each_in_slot(std::uint8_t slot, const std::function<void(CacheEntry&)>& each);

 private:
  // The entries of a slot by their hashes: open addressing, at most three quarters full, the place after the one that is taken.
  struct Place {
    std::uint32_t hash = 0;
    CacheEntry* entry = nullptr;
  };
  struct Table {
    std::vector<Place> places;  // as many as a power of two
    std::size_t size = 0;
    std::size_t mask() const { return places.size() - 1; }
    void insert(CacheEntry* entry);
    void erase(const CacheEntry* entry);
  };
  // Entries by last use, and what they take.
  struct List {
    CacheEntry *newest = nullptr, *oldest = nullptr;
    std::size_t bytes = 0, size = 0;
  };
  List& list_of(const CacheEntry* entry) { return entry->record != nullptr ? packed_ : decoded_; }
  void link(List& list, CacheEntry* entry);
  void unlink(List& list, CacheEntry* entry);

  std::array<Table, kSlots> slots_;
  std::uint64_t touched_ = 0;
  List decoded_, packed_;
  struct Dirty {
    CacheEntry *first = nullptr, *last = nullptr;
  };
  std::array<Dirty, kSlots> dirty_slots_{};
  std::size_t dirty_ = 0;
};

}  // namespace nudge::daemon
