#include "engine/model/id_index.h"

#include <cstring>

namespace nudge {
namespace {

constexpr std::size_t kFirstSlots = 8;

std::uint64_t mix(std::uint64_t h, std::uint64_t word) {
  h = (h ^ word) * 0x9fb21c651e98df25ULL;
  return h ^ (h >> 32);
}

// Eight bytes at a time: this runs for every event. Never stored, so it need not be the same on every machine. Zero means an empty slot, so
// no id has it.
std::uint32_t fingerprint(std::string_view id) {
  std::uint64_t h = id.size() * 0x9e3779b97f4a7c15ULL;
  std::uint64_t word = 0;
  const char* p = id.data();
  std::size_t left = id.size();
  for (; left >= 8; left -= 8, p += 8) {
    std::memcpy(&word, p, 8);
    h = mix(h, word);
  }
  if (left > 0) {
    word = 0;
    std::memcpy(&word, p, left);
    h = mix(h, word);
  }
  h = mix(h, h >> 29);
  const auto f = static_cast<std::uint32_t>(h ^ (h >> 32));
  return f == 0 ? 1 : f;
}

// Puts a fingerprint into a table that has room; false when it is there.
bool place(LeanVector<std::uint32_t>& slots, std::uint32_t f) {
  const std::size_t mask = slots.size() - 1;
  std::size_t i = f & mask;
  while (slots[i] != 0) {
    if (slots[i] == f) return false;
    i = (i + 1) & mask;
  }
  slots[i] = f;
  return true;
}

}  // namespace

void IdIndex::add(std::string_view id) {
  if ((count_ + 1) * std::size_t{4} > slots_.size() * 3) grow();
  if (place(slots_, fingerprint(id))) ++count_;
}

bool IdIndex::may_have(std::string_view id) const {
  if (slots_.empty()) return true;
  const std::uint32_t f = fingerprint(id);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = f & mask; slots_[i] != 0; i = (i + 1) & mask) {
    if (slots_[i] == f) return true;
  }
  return false;
}

void IdIndex::reserve(std::size_t ids) {
  std::size_t need = slots_.empty() ? kFirstSlots : slots_.size();
  while (need * 3 < ids * 4) need *= 2;
  if (need > slots_.size()) resize(need);
}

void IdIndex::grow() { resize(slots_.empty() ? kFirstSlots : slots_.size() * 2); }

void IdIndex::resize(std::size_t slots) {
  LeanVector<std::uint32_t> bigger;
  bigger.reserve(slots);
  while (bigger.size() < slots) bigger.push_back(0);
  for (const std::uint32_t f : slots_) {
    if (f != 0) place(bigger, f);
  }
  slots_ = std::move(bigger);
}

}  // namespace nudge
