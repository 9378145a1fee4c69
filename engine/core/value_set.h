// A set of values of one kind, each with the newest row that has it; scratch for `distinct`. Not thread-safe. Views must outlive the use.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/model/value.h"

namespace nudge {

class ValueSet {
 public:
  // Empties the set and makes room for n values.
  void reset(std::size_t n) {
    std::size_t size = 16;
    while (size < n * 2) size *= 2;
    if (slots_.size() < size) slots_.resize(size);
    mask_ = size - 1;
    ++epoch_;
    count_ = 0;
  }
  // True when the value is new. `row` replaces the one remembered with it.
  bool add(const ValueView& value, std::uint32_t row) {
    const bool text = value.kind == Kind::text || value.kind == Kind::list;
    std::uint64_t h = text ? std::hash<std::string_view>()(value.bytes) : static_cast<std::uint64_t>(value.i) * 0x9e3779b97f4a7c15U;
    h ^= h >> 29U;
    for (std::size_t i = h & mask_;; i = (i + 1) & mask_) {
      Slot& slot = slots_[i];
      if (slot.epoch != epoch_) {
        slot = {epoch_, value, row};
        ++count_;
        return true;
      }
      if (same(slot.value, value)) {
        slot.row = row;
        return false;
      }
    }
  }
  // Whether two values of one kind are one in a set.
  static bool same(const ValueView& a, const ValueView& b) {
    return a.kind == Kind::text || a.kind == Kind::list ? a.bytes == b.bytes : a.i == b.i;
  }
  std::size_t count() const { return count_; }
  template <class F>
  void each(F&& f) const {
    for (std::size_t i = 0; i <= mask_; ++i)
      if (slots_[i].epoch == epoch_) f(slots_[i].row);
  }

 private:
  struct Slot {
    std::uint64_t epoch = 0;
    ValueView value;
    std::uint32_t row = 0;
  };
  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
  std::size_t count_ = 0;
  std::uint64_t epoch_ = 0;
};

}  // namespace nudge
