// Which event ids a customer has, in four bytes each: a set of 32-bit fingerprints. A hit must be verified against the rows; a miss is
// certain. One that was never filled knows nothing: every id may be there (a customer with few rows goes without). Derived from the rows,
// never stored. Not thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/model/lean_vector.h"

namespace nudge {

class IdIndex {
 public:
  void add(std::string_view id);
  bool may_have(std::string_view id) const;
  // Makes room, so that adding this many ids in all does not rebuild the table.
  void reserve(std::size_t ids);
  // Different fingerprints, which is the number of ids but for rare collisions.
  std::size_t size() const { return count_; }
  std::size_t memory_bytes() const { return slots_.memory_bytes(); }

 private:
  void grow();
  void resize(std::size_t slots);
  LeanVector<std::uint32_t> slots_;  // open addressing, zero is empty; a power of two long
  std::uint32_t count_ = 0;
};

}  // namespace nudge
