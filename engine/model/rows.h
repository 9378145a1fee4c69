// One customer's rows of one event type, in row order: by time, then by event id bytewise.
//
// Compact: a row is three words and one per field, texts lie in one arena. Not thread-safe; owned by one customer's state.
// Views into a row are valid until the next insert or erase.
//
// Invariants: (1) rows are strictly ascending in (time, id); (2) field f of a row is present exactly when bit f of its presence word is set;
// (3) every text reference lies inside the arena.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/catalog.h"

namespace nudge {

class Rows {
 public:
  std::size_t size() const { return stride_ == 0 ? 0 : words_.size() / stride_; }
  bool empty() const { return words_.empty(); }

  TimeMs time(std::size_t row) const { return static_cast<TimeMs>(words_[row * stride_]); }
  std::string_view id(std::size_t row) const { return text_at(words_[row * stride_ + 1]); }
  // The field's value; kTimeField gives the row's time. `kind` is the field's kind in the catalog.
  ValueView field(std::size_t row, FieldId field, Kind kind) const;
  bool has_field(std::size_t row, FieldId field) const {
    return field == kTimeField || (field < fields_ && ((words_[row * stride_ + 2] >> field) & 1U) != 0);
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
  // Forgets the first n rows.
  void erase_front(std::size_t n);

  std::size_t memory_bytes() const { return words_.capacity() * 8 + arena_.capacity(); }

  void encode(Writer& out, const EventTypeDef& type) const;
  // False when the bytes are damaged.
  bool decode(Reader& in, const EventTypeDef& type);

 private:
  static constexpr std::uint64_t kLong = 0xffffff;  // a length of this or more stands in eight bytes before the text
  std::string_view text_at(std::uint64_t ref) const {
    const std::uint64_t length = ref & kLong;
    if (length == kLong) [[unlikely]] return long_text_at(ref >> 24);
    return {arena_.data() + (ref >> 24), length};
  }
  std::string_view long_text_at(std::uint64_t offset) const;
  std::uint64_t store_text(std::string_view text);
  // The same, or the reference that the neighbouring row has to the same text.
  std::uint64_t store_like(std::size_t neighbour, std::size_t word, std::string_view text);
  void widen(std::uint16_t fields);
  void rebuild_arena();
  std::size_t make_row(std::size_t row, TimeMs time, std::string_view id);

  std::vector<std::uint64_t> words_;  // per row: time, id reference, presence, field words
  std::string arena_;                 // ids and texts; a reference is offset << 24 | length
  std::uint16_t fields_ = 0;
  std::uint16_t stride_ = 0;          // 3 + fields_, or 0 before the first insert
  std::uint64_t in_arena_ = 0;        // bit f: field f is text or a list
  std::uint64_t negative_ = 0;        // bit f: field f has been below zero
};

}  // namespace nudge
