#include "daemon/ingest/names.h"

#include <utility>

namespace nudge::daemon {

void NameTable::add(std::string_view name, std::uint32_t value) {
  if (find(name) != kMissing) return;
  if ((names_.size() + 1) * 2 > slots_.size()) grow();
  std::size_t i = hash(name) & mask_;
  while (slots_[i].value != kMissing) i = (i + 1) & mask_;
  slots_[i] = Slot{std::string(name), value};
  names_.emplace_back(name);
}

void NameTable::grow() {
  std::vector<Slot> old = std::exchange(slots_, {});
  slots_.resize(old.empty() ? 16 : old.size() * 2);
  mask_ = slots_.size() - 1;
  for (Slot& slot : old) {
    if (slot.value == kMissing) continue;
    std::size_t i = hash(slot.name) & mask_;
    while (slots_[i].value != kMissing) i = (i + 1) & mask_;
    slots_[i] = std::move(slot);
  }
}

}  // namespace nudge::daemon
