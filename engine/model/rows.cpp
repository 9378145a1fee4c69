#include "engine/model/rows.h"

#include <algorithm>
#include <bit>
#include <vector>

namespace nudge {
namespace {

constexpr std::size_t kReserveAtMost = 4096;  // rows: more are reserved only as they are read
constexpr std::size_t kRowBytesMin = 3;       // of an encoded row: time, id, presence

std::uint64_t to_word(TimeMs t) { return static_cast<std::uint64_t>(t); }

void store64(std::uint32_t* cell, std::uint64_t word) { std::memcpy(cell, &word, sizeof word); }

bool is_text(Kind kind) { return kind == Kind::text || kind == Kind::list; }

std::uint64_t bits_of(const Value& v) { return static_cast<std::uint64_t>(v.bits); }
std::uint64_t bits_of(const ValueView& v) {
  return v.kind == Kind::number ? std::bit_cast<std::uint64_t>(v.d) : static_cast<std::uint64_t>(v.i);
}

// The four bytes that a value's bits can be told from by widened(): small whole numbers and dates, and numbers whose lower half is zero.
std::uint32_t narrow(bool number, std::uint64_t bits) { return static_cast<std::uint32_t>(number ? bits >> 32 : bits); }
std::uint64_t widened(bool number, std::uint32_t cell) {
  return number ? std::uint64_t{cell} << 32 : static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(cell)});
}
bool fits_narrow(bool number, std::uint64_t bits) { return widened(number, narrow(number, bits)) == bits; }

}  // namespace

ValueView Rows::field(std::size_t row, FieldId field, Kind kind) const {
  if (field == kTimeField) return ValueView::of_timestamp(time(row));
  if (!has_field(row, field)) return {};
  const std::uint32_t* cell = cells_.data() + row * stride_ + cell_of(field);
  ValueView v;
  v.kind = kind;
  if (is_text(kind)) {
    v.bytes = texts_.at(*cell);
    return v;
  }
  const bool number = kind == Kind::number;
  const std::uint64_t bits = ((wide_ >> field) & 1U) != 0 ? load64(cell) : widened(number, *cell);
  if (number)
    v.d = std::bit_cast<double>(bits);
  else
    v.i = static_cast<std::int64_t>(bits);
  return v;
}

std::uint64_t Rows::presence(std::size_t row) const {
  if (fields_ == 0) return 0;
  const std::uint32_t* cell = cells_.data() + row * stride_ + 3;
  return fields_ <= 32 ? cell[0] : cell[0] | std::uint64_t{cell[1]} << 32;
}

std::size_t Rows::lower_bound(TimeMs t) const {
  std::size_t low = 0;
  for (std::size_t n = size(); n > 0;) {
    const std::size_t half = n / 2;
    if (time(low + half) < t) {
      low += half + 1;
      n -= half + 1;
    } else {
      n = half;
    }
  }
  return low;
}

std::size_t Rows::upper_bound(TimeMs t) const {
  const std::size_t rows = size();
  if (rows == 0 || time(rows - 1) <= t) return rows;  // most questions are about now, and all rows are before it
  return lower_bound(t + 1);
}

std::size_t Rows::position(TimeMs t, std::string_view id) const {
  // Most questions are about the newest row, or about one that is newer: its end of the array was looked at a moment ago, its middle was not.
  const std::size_t rows = size();
  if (rows == 0 || time(rows - 1) < t) return rows;
  if (time(rows - 1) == t && (rows == 1 || time(rows - 2) < t)) return this->id(rows - 1) < id ? rows : rows - 1;
  std::size_t low = lower_bound(t);
  const std::size_t end = upper_bound(t);
  for (std::size_t n = end - low; n > 0;) {
    const std::size_t half = n / 2;
    if (this->id(low + half) < id) {
      low += half + 1;
      n -= half + 1;
    } else {
      n = half;
    }
  }
  return low;
}

std::size_t Rows::find(std::string_view id) const {
  const std::size_t rows = size();
  for (std::size_t row = 0; row < rows; ++row) {
    if (this->id(row) == id) return row;
  }
  return rows;
}

TextRef Rows::store_like(std::size_t neighbour, FieldId field, std::string_view text) {
  if (neighbour < size() && has_field(neighbour, field)) {
    const TextRef ref = cells_[neighbour * stride_ + cell_of(field)];
    if (texts_.at(ref) == text) return ref;
  }
  return texts_.store(text);
}

void Rows::widen(std::size_t fields, std::uint64_t wide, std::uint64_t numbers) {
  Rows old = std::move(*this);
  const std::size_t rows = old.size();
  *this = Rows{};
  texts_ = std::move(old.texts_);
  negative_ = old.negative_;
  shifted_ = old.shifted_;
  wide_ = wide;
  fields_ = static_cast<std::uint8_t>(fields);
  stride_ = static_cast<std::uint8_t>(head(fields) + fields + static_cast<std::size_t>(std::popcount(wide)));
  if (rows > 0) cells_.insert(0, rows * stride_);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::uint32_t* from = old.cells_.data() + row * old.stride_;
    std::uint32_t* to = cells_.data() + row * stride_;
    std::copy_n(from, head(old.fields_), to);
    for (std::size_t f = 0; f < old.fields_; ++f) {
      const std::uint32_t* cell = from + old.cell_of(f);
      const bool was_wide = ((old.wide_ >> f) & 1U) != 0;
      if (!was_wide && ((wide >> f) & 1U) == 0)
        to[cell_of(f)] = *cell;
      else
        store64(to + cell_of(f), was_wide ? load64(cell) : widened(((numbers >> f) & 1U) != 0, *cell));
    }
  }
}

template <class V>
void Rows::place(std::size_t row, TimeMs time, std::string_view id, std::span<const V> fields) {
  std::uint64_t wide = wide_;
  std::uint64_t numbers = 0;
  for (std::size_t f = 0; f < fields.size(); ++f) {
    const Kind kind = fields[f].kind;
    if (kind == Kind::missing || is_text(kind)) continue;
    if (kind == Kind::number) numbers |= std::uint64_t{1} << f;
    if (!fits_narrow(kind == Kind::number, bits_of(fields[f]))) wide |= std::uint64_t{1} << f;
  }
  if (stride_ == 0 || fields.size() > fields_ || wide != wide_) widen(std::max<std::size_t>(fields.size(), fields_), wide, numbers);
  if (row < size()) shifted_ = std::min(shifted_, static_cast<std::uint32_t>(row));
  const std::size_t at = row * stride_;
  const TextRef ref = texts_.store(id);
  std::uint32_t* cells = cells_.insert(at, stride_);
  store64(cells, to_word(time));
  cells[2] = ref;
  // Neighbours often say the same: the row before, or, at the front, the one after.
  const std::size_t neighbour = row > 0 ? row - 1 : row + 1;
  for (std::size_t f = 0; f < fields.size(); ++f) {
    const Kind kind = fields[f].kind;
    if (kind == Kind::missing) continue;
    cells[3 + f / 32] |= std::uint32_t{1} << (f % 32);
    std::uint32_t* cell = cells + cell_of(f);
    if (is_text(kind)) {
      *cell = store_like(neighbour, static_cast<FieldId>(f), fields[f].bytes);
      continue;
    }
    const std::uint64_t bits = bits_of(fields[f]);
    if (((wide_ >> f) & 1U) != 0)
      store64(cell, bits);
    else
      *cell = narrow(kind == Kind::number, bits);
    // The sign of a double is the top bit of its bits too.
    if (static_cast<std::int64_t>(bits) < 0) negative_ |= std::uint64_t{1} << f;
  }
}

std::size_t Rows::insert(TimeMs time, std::string_view id, std::span<const Value> fields) {
  const std::size_t rows = size();
  std::size_t row = rows;
  if (rows > 0) {
    const TimeMs last = this->time(rows - 1);
    if (time < last || (time == last && id < this->id(rows - 1))) row = position(time, id);
  }
  place(row, time, id, fields);
  return row;
}

void Rows::erase_front(std::size_t n, const EventTypeDef& type, const std::function<bool(const Rows&, std::size_t)>& stays) {
  const Rows old = std::move(*this);
  *this = Rows{};
  std::vector<ValueView> fields(old.fields_);
  for (std::size_t row = stays ? 0 : n; row < old.size(); ++row) {
    if (row < n && !stays(old, row)) continue;
    for (std::size_t f = 0; f < fields.size(); ++f) fields[f] = old.field(row, static_cast<FieldId>(f), kind_of(type.fields[f].type));
    place(size(), old.time(row), old.id(row), std::span<const ValueView>(fields));
  }
  shifted_ = 0;
}

void Rows::encode(Writer& out, IdCoder& ids, const EventTypeDef& type) const {
  const std::size_t rows = size();
  out.varint(rows);
  if (rows == 0) return;
  out.varint(fields_);
  TimeMs previous = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    const TimeMs t = time(row);
    out.svarint(static_cast<std::int64_t>(to_word(t) - to_word(previous)));
    previous = t;
    ids.write(out, id(row));
    const std::uint64_t present = presence(row);
    out.varint(present);
    for (std::uint64_t rest = present; rest != 0; rest &= rest - 1) {
      const auto f = static_cast<FieldId>(std::countr_zero(rest));
      encode_payload(out, field(row, f, kind_of(type.fields[f].type)));
    }
  }
}

// Read into arrays that keep their room from one customer to the next, and copied from there: so each block of a customer's is asked of the
// allocator once, in its final size.
bool Rows::decode(Reader& in, IdCoder& ids, const EventTypeDef& type) {
  constexpr std::size_t kKeep = 64U << 10;
  static const Rows kNone;
  thread_local Rows read;
  thread_local std::vector<ValueView> values;
  *this = Rows{};
  const std::uint64_t rows = in.varint();
  if (in.bad() || rows > in.left() / kRowBytesMin) return false;
  if (rows == 0) return true;
  const std::uint64_t fields = in.varint();
  if (in.bad() || fields > type.fields.size() || fields > 64) return false;
  if (read.memory_bytes() > kKeep) read = Rows{};
  read = kNone;
  read.fields_ = static_cast<std::uint8_t>(fields);
  read.stride_ = static_cast<std::uint8_t>(head(fields) + fields);
  read.cells_.reserve(std::min<std::size_t>(rows, kReserveAtMost) * read.stride_);
  values.assign(fields, ValueView{});
  TimeMs previous = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto t = static_cast<TimeMs>(to_word(previous) + static_cast<std::uint64_t>(in.svarint()));
    previous = t;
    const std::string_view id = ids.read(in);
    const std::uint64_t present = in.varint();
    if (in.bad() || id.empty() || (fields < 64 && (present >> fields) != 0)) return false;
    if (row > 0 && (t < read.time(row - 1) || (t == read.time(row - 1) && id <= read.id(row - 1)))) return false;
    std::ranges::fill(values, ValueView{});
    for (std::uint64_t rest = present; rest != 0; rest &= rest - 1) {
      const auto f = static_cast<std::size_t>(std::countr_zero(rest));
      const Kind kind = kind_of(type.fields[f].type);
      if (kind == Kind::missing || !decode_payload(in, kind, values[f])) return false;
    }
    read.place(row, t, id, std::span<const ValueView>(values));
  }
  *this = read;
  return true;
}

}  // namespace nudge
