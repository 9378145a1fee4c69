// Running sums over the rows that pass one filter, for customers with many rows: a window is then two binary searches, whatever its length.
//
// A column belongs to one customer, one event type, one row filter and one field; all windows, functions and thresholds over these share
// it. It is derived (model/derived.h): made when a window with many rows is first looked through, brought up to date with the rows that
// came since, cut back to where a late row went in. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/core/filter.h"
#include "engine/core/recency.h"
#include "engine/model/derived.h"

namespace nudge {

struct ColumnDef {
  EventTypeId event = kNoEventType;
  NodeId filter_node = kNone;
  const Predicate* filter = nullptr;  // a conjunction of `filters` predicates
  std::size_t filters = 0;
  FieldId field = kNoField;  // kNoField: rows only; otherwise of kind integer or decimal, and only rows that have it
  Kind kind = Kind::missing;
  bool distinct = false;  // counts values, of whatever kind, instead of summing them up
};

class Column {
 public:
  // Takes in the rows that it has not seen yet. False when sums do not fit: the column is then of no use.
  bool sync(const Rows& rows, const ColumnDef& def);
  // Forgets everything about this row and those after it.
  void cut(std::size_t row);

  // The places in the column of the rows in [lo, hi).
  std::pair<std::size_t, std::size_t> span(std::size_t lo, std::size_t hi) const;
  std::size_t row(std::size_t place) const { return rows_[place]; }
  std::int64_t sum(std::size_t from, std::size_t to) const { return sums_[to] - sums_[from]; }
  std::int64_t value(std::size_t place) const { return sums_[place + 1] - sums_[place]; }
  // The newest place in [from, to) that reaches `wanted` together with those after it; `to` when there is none. Values must not be
  // negative.
  std::size_t newest_sum(std::size_t from, std::size_t to, std::int64_t wanted) const;
  // The newest place in [from, to) with a value at or beyond the bound, upward or downward; `to` when there is none.
  std::size_t newest_beyond(std::size_t from, std::size_t to, bool upward, std::int64_t bound) const;
  // The greatest (or lowest) value in [from, to), which must not be empty.
  std::int64_t extreme(std::size_t from, std::size_t to, bool greatest) const;
  // For columns that count values: the place of the value that came last as the k-th from the newest back; size() when there are fewer.
  std::size_t nth_newest_value(std::size_t k) const { return recency_ == nullptr ? size() : recency_->nth_newest(k); }
  // For the same columns: how many values lie at this place or after it, and where this place's value lay last before it (size(): nowhere).
  std::size_t values_from(std::size_t place) const { return recency_ == nullptr ? 0 : recency_->values_from(place); }
  std::size_t earlier_with_value(std::size_t place) const { return recency_ == nullptr ? size() : recency_->earlier(place); }
  std::size_t size() const { return rows_.size(); }
  std::size_t memory_bytes() const;

 private:
  static constexpr std::size_t kBlock = 64;
  struct Block {
    std::int64_t least, most;
  };
  bool beyond(const Block& block, bool upward, std::int64_t bound) const { return upward ? block.most >= bound : block.least <= bound; }

  std::vector<std::uint32_t> rows_;
  std::vector<std::int64_t> sums_{0};  // sums_[n]: of the first n
  std::vector<Block> blocks_;          // of every kBlock values
  std::unique_ptr<Recency> recency_;   // of columns that count values
  std::size_t seen_ = 0;               // rows
  bool usable_ = true;
};

class Columns : public Derived {
 public:
  // Ids are indexes into `defs`. Kept alive, so that no other plan's can lie at the same address.
  explicit Columns(std::shared_ptr<const std::vector<ColumnDef>> defs) : defs_(std::move(defs)) {}
  const std::vector<ColumnDef>* defs() const { return defs_.get(); }
  Column& at(std::uint32_t id, EventTypeId event);
  void cut(EventTypeId event, std::size_t row);
  std::size_t memory_bytes() const override;

 private:
  struct Entry {
    std::uint32_t id;
    EventTypeId event;
    Column column;
  };
  std::shared_ptr<const std::vector<ColumnDef>> defs_;
  std::vector<Entry> entries_;  // by id
};

}  // namespace nudge
