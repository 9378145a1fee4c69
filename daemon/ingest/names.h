// A table from names to small integers, for the few hundred names of a catalog that every event is checked against.
// Filled once, then immutable and safe from any thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace nudge::daemon {

class NameTable {
 public:
  static constexpr std::uint32_t kMissing = 0xffffffff;

  // Adds a name. The first of two equal names wins.
  void add(std::string_view name, std::uint32_t value);
  // The value of a name, or kMissing.
  std::uint32_t find(std::string_view name) const {
    if (slots_.empty()) return kMissing;
    for (std::size_t i = hash(name) & mask_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.value == kMissing) return kMissing;
      if (slot.name == name) return slot.value;
    }
  }
  // All names, in the order they were added.
  const std::vector<std::string>& names() const { return names_; }

 private:
  struct Slot {
    std::string name;
    std::uint32_t value = kMissing;
  };
  // Length, first and last bytes: enough to tell names of one catalog apart, in a few cycles.
  static std::size_t hash(std::string_view name) {
    std::uint64_t head = 0, tail = 0;
    if (name.size() >= 8) {
      std::memcpy(&head, name.data(), 8);
      std::memcpy(&tail, name.data() + name.size() - 8, 8);
    } else if (!name.empty()) {
      std::memcpy(&head, name.data(), name.size());
    }
    std::uint64_t h = (head ^ (tail * 0x9e3779b97f4a7c15ULL) ^ name.size()) * 0xff51afd7ed558ccdULL;
    return static_cast<std::size_t>(h ^ (h >> 32));
  }
  void grow();

  std::vector<Slot> slots_;  // a power of two, at most half full
  std::size_t mask_ = 0;
  std::vector<std::string> names_;
};

}  // namespace nudge::daemon
