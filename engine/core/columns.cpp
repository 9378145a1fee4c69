#include "engine/core/columns.h"

#include <algorithm>
#include <string>

namespace nudge {
namespace {

std::string key_of(const ValueView& v) {
  if (v.kind == Kind::text || v.kind == Kind::list) return std::string(v.bytes);
  return std::string(reinterpret_cast<const char*>(&v.i), sizeof v.i);
}

}  // namespace

bool Column::sync(const Rows& rows, const ColumnDef& def) {
  const std::size_t size = rows.size();
  for (; usable_ && seen_ < size; ++seen_) {
    if (def.field != kNoField && !rows.has_field(seen_, def.field)) continue;
    if (!std::all_of(def.filter, def.filter + def.filters, [&](const Predicate& p) { return p.holds(rows, seen_); })) continue;
    rows_.push_back(static_cast<std::uint32_t>(seen_));
    if (def.field == kNoField) continue;
    if (def.distinct) {
      if (recency_ == nullptr) recency_ = std::make_unique<Recency>();
      recency_->add(key_of(rows.field(seen_, def.field, def.kind)));
      continue;
    }
    const std::int64_t value = rows.field(seen_, def.field, def.kind).i;
    std::int64_t sum = 0;
    if (__builtin_add_overflow(sums_.back(), value, &sum)) {
      *this = Column();
      usable_ = false;
      return false;
    }
    sums_.push_back(sum);
    if (rows_.size() % kBlock != 0) continue;
    Block block{value, value};
    for (std::size_t place = rows_.size() - kBlock; place < rows_.size(); ++place) {
      block.least = std::min(block.least, this->value(place));
      block.most = std::max(block.most, this->value(place));
    }
    blocks_.push_back(block);
  }
  return usable_;
}

void Column::cut(std::size_t row) {
  if (row >= seen_) return;
  seen_ = row;
  rows_.erase(std::ranges::lower_bound(rows_, static_cast<std::uint32_t>(row)), rows_.end());
  sums_.resize(std::min(sums_.size(), rows_.size() + 1));
  blocks_.resize(std::min(blocks_.size(), rows_.size() / kBlock));
  if (recency_ != nullptr) recency_->cut(rows_.size());
}

std::pair<std::size_t, std::size_t> Column::span(std::size_t lo, std::size_t hi) const {
  const auto from = std::ranges::lower_bound(rows_, static_cast<std::uint32_t>(lo));
  const auto to = std::lower_bound(from, rows_.end(), static_cast<std::uint32_t>(hi));
  return {static_cast<std::size_t>(from - rows_.begin()), static_cast<std::size_t>(to - rows_.begin())};
}

std::size_t Column::newest_sum(std::size_t from, std::size_t to, std::int64_t wanted) const {
  if (sum(from, to) < wanted) return to;
  // sums_ never falls: the last place whose sum before it leaves enough for the rest.
  const auto first = sums_.begin() + static_cast<std::ptrdiff_t>(from);
  const auto past = std::upper_bound(first, sums_.begin() + static_cast<std::ptrdiff_t>(to), sums_[to] - wanted);
  return static_cast<std::size_t>(past - sums_.begin()) - 1;
}

std::size_t Column::newest_beyond(std::size_t from, std::size_t to, bool upward, std::int64_t bound) const {
  for (std::size_t place = to; place > from;) {
    if (place % kBlock == 0 && place >= from + kBlock && !beyond(blocks_[place / kBlock - 1], upward, bound)) {
      place -= kBlock;
      continue;
    }
    --place;
    if (upward ? value(place) >= bound : value(place) <= bound) return place;
  }
  return to;
}

std::int64_t Column::extreme(std::size_t from, std::size_t to, bool greatest) const {
  std::int64_t found = value(from);
  const auto take = [&](std::int64_t v) { found = greatest ? std::max(found, v) : std::min(found, v); };
  for (std::size_t place = from; place < to;) {
    if (place % kBlock == 0 && place + kBlock <= to) {
      const Block& block = blocks_[place / kBlock];
      take(greatest ? block.most : block.least);
      place += kBlock;
    } else {
      take(value(place++));
    }
  }
  return found;
}

std::size_t Column::memory_bytes() const {
  const std::size_t values = recency_ == nullptr ? 0 : recency_->memory_bytes();
  return rows_.capacity() * sizeof(rows_[0]) + sums_.capacity() * sizeof(sums_[0]) + blocks_.capacity() * sizeof(Block) + values;
}

Column& Columns::at(std::uint32_t id, EventTypeId event) {
  auto it = std::ranges::lower_bound(entries_, id, {}, &Entry::id);
  if (it == entries_.end() || it->id != id) it = entries_.insert(it, {id, event, {}});
  return it->column;
}

void Columns::cut(EventTypeId event, std::size_t row) {
  for (Entry& entry : entries_) {
    if (entry.event == event) entry.column.cut(row);
  }
}

std::size_t Columns::memory_bytes() const {
  std::size_t bytes = sizeof(*this) + entries_.capacity() * sizeof(Entry);
  for (const Entry& entry : entries_) bytes += entry.column.memory_bytes();
  return bytes;
}

}  // namespace nudge
