// One customer's rows of one event type, in row order: by time, then by event id bytewise.
//
// Compact: a row is some cells of four bytes, texts lie in one arena. Not thread-safe; owned by one customer's state.
// Views into a row are valid until the next insert or erase.
//
// Invariants: (1) rows are strictly ascending in (time, id); (2) field f of a row is present exactly when bit f of its presence is set;
// (3) every text reference is one of the arena; (4) a field has two cells when bit f of wide_ is set, else one, the same in every row: all
// values of a field with one cell can be told from four bytes (see narrow()).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>

#include "engine/base/id_coder.h"
#include "engine/model/catalog.h"
#include "engine/model/text_arena.h"

namespace nudge {

class Rows {
 public:
  std::size_t size() const { return stride_ == 0 ? 0 : cells_.size() / stride_; }
  bool empty() const { return cells_.empty(); }

  TimeMs time(std::size_t row) const { return static_cast<TimeMs>(load64(cells_.data() + row * stride_)); }
  std::string_view id(std::size_t row) const { return texts_.at(cells_[row * stride_ + 2]); }
  // The field's value; kTimeField gives the row's time. `kind` is the field's kind in the catalog.
  ValueView field(std::size_t row, FieldId field, Kind kind) const;
  bool has_field(std::size_t row, FieldId field) const {
    return field == kTimeField || (field < fields_ && ((cells_[row * stride_ + 3 + field / 32U] >> (field % 32U)) & 1U) != 0);
  }

  // False only when no row ever had a value below zero in this field.
  bool may_be_negative(FieldId field) const { return field >= 64 || ((negative_ >> field) & 1U) != 0; }

  // The first row with time >= t, and the first with time > t; size() when there is none.
  std::size_t lower_bound(TimeMs t) const;
  std::size_t upper_bound(TimeMs t) const;
  // The first row that is not before (t, id) in row order.
  std::size_t position(TimeMs t, std::string_view id) const;

  // Any row with this id, whatever its time; size() when there is none. Looks at every row.
  std::size_t find(std::string_view id) const;

  // Puts a row in its place and returns its index. The (time, id) must not be there yet.
  std::size_t insert(TimeMs time, std::string_view id, std::span<const Value> fields);
  // The first row that may have another place or content than when this was last asked, or size() when rows were only added at the end.
  std::size_t take_shifted() const {
    const std::size_t from = shifted_;
    shifted_ = 0xffffffff;
    return from < size() ? from : size();
  }
  // Forgets the first n rows, but for those that `stays` (when given) is true of.
  void erase_front(std::size_t n, const EventTypeDef& type, const std::function<bool(const Rows&, std::size_t)>& stays = {});

  std::size_t memory_bytes() const { return cells_.memory_bytes() + texts_.memory_bytes(); }

  void encode(Writer& out, IdCoder& ids, const EventTypeDef& type) const;
  // False when the bytes are damaged.
  bool decode(Reader& in, IdCoder& ids, const EventTypeDef& type);

 private:
  static std::uint64_t load64(const std::uint32_t* cell) {
    std::uint64_t word = 0;
    std::memcpy(&word, cell, sizeof word);
    return word;
  }
  // Cells before the fields: time (two), id reference, presence (one per 32 fields).
  static std::size_t head(std::size_t fields) { return 3 + (fields + 31) / 32; }
  // Where a row has the field.
  std::size_t cell_of(std::size_t f) const {
    return head(fields_) + f + static_cast<std::size_t>(std::popcount(wide_ & ((std::uint64_t{1} << f) - 1)));
  }
  std::uint64_t presence(std::size_t row) const;
  // Puts a row before row `row`, where it must belong. V is Value or ValueView.
  template <class V>
  void place(std::size_t row, TimeMs time, std::string_view id, std::span<const V> fields);
  // Room for more fields, or for fields that no longer fit into four bytes; `numbers` says which of those are numbers.
  void widen(std::size_t fields, std::uint64_t wide, std::uint64_t numbers);
  // The text's reference: the one that the neighbouring row has to the same text, when it has.
  TextRef store_like(std::size_t neighbour, FieldId field, std::string_view text);

  CompactArray<std::uint32_t> cells_;  // per row: time, id reference, presence, fields
  TextArena texts_;                    // ids and texts
  std::uint64_t negative_ = 0;         // bit f: field f has been below zero
  std::uint64_t wide_ = 0;             // bit f: field f has two cells
  std::uint8_t fields_ = 0;
  std::uint8_t stride_ = 0;                     // cells of a row, or 0 before the first insert
  mutable std::uint32_t shifted_ = 0xffffffff;  // see take_shifted
};

}  // namespace nudge
