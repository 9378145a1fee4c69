#include "engine/model/rows.h"

#include <algorithm>
#include <bit>

namespace nudge {
namespace {

constexpr std::size_t kHead = 3;              // time, id reference, presence
constexpr std::size_t kReserveAtMost = 4096;  // rows: more are reserved only as they are read
constexpr std::size_t kRowBytesMin = 4;       // of an encoded row: time, id's length, one byte of id, presence

std::uint64_t to_word(TimeMs t) { return static_cast<std::uint64_t>(t); }

bool in_arena(Kind kind) { return kind == Kind::text || kind == Kind::list; }

}  // namespace

ValueView Rows::field(std::size_t row, FieldId field, Kind kind) const {
  if (field == kTimeField) return ValueView::of_timestamp(time(row));
  if (!has_field(row, field)) return {};
  const std::uint64_t word = words_[row * stride_ + kHead + field];
  ValueView v;
  v.kind = kind;
  switch (kind) {
    case Kind::text:
    case Kind::list: v.bytes = text_at(word); break;
    case Kind::number: v.d = std::bit_cast<double>(word); break;
    default: v.i = static_cast<std::int64_t>(word);
  }
  return v;
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

std::size_t Rows::upper_bound(TimeMs t) const { return t == kNever ? size() : lower_bound(t + 1); }

std::size_t Rows::position(TimeMs t, std::string_view id) const {
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

std::string_view Rows::long_text_at(std::uint64_t offset) const {
  Reader in(std::string_view(arena_).substr(offset, 8));
  return std::string_view(arena_).substr(offset + 8, in.fixed64());
}

std::uint64_t Rows::store_text(std::string_view text) {
  const std::uint64_t offset = arena_.size();
  if (text.size() >= kLong) Writer(arena_).fixed64(text.size());
  arena_.append(text);
  return offset << 24 | std::min<std::uint64_t>(text.size(), kLong);
}

std::uint64_t Rows::store_like(std::size_t neighbour, std::size_t word, std::string_view text) {
  if (neighbour < size() && ((words_[neighbour * stride_ + 2] >> (word - kHead)) & 1U) != 0) {
    const std::uint64_t ref = words_[neighbour * stride_ + word];
    if (text_at(ref) == text) return ref;
  }
  return store_text(text);
}

void Rows::widen(std::uint16_t fields) {
  const std::size_t rows = size();
  const auto stride = static_cast<std::uint16_t>(kHead + fields);
  std::vector<std::uint64_t> wider(rows * stride, 0);
  for (std::size_t row = 0; row < rows; ++row) {
    std::copy_n(words_.begin() + static_cast<std::ptrdiff_t>(row * stride_), stride_,
                wider.begin() + static_cast<std::ptrdiff_t>(row * stride));
  }
  words_ = std::move(wider);
  fields_ = fields;
  stride_ = stride;
}

std::size_t Rows::make_row(std::size_t row, TimeMs time, std::string_view id) {
  const std::size_t at = row * stride_;
  const std::uint64_t ref = store_text(id);
  if (at == words_.size()) {
    words_.resize(at + stride_);
  } else {
    words_.insert(words_.begin() + static_cast<std::ptrdiff_t>(at), stride_, 0);
  }
  words_[at] = to_word(time);
  words_[at + 1] = ref;
  return at;
}

std::size_t Rows::insert(TimeMs time, std::string_view id, std::span<const Value> fields) {
  if (stride_ == 0 || fields.size() > fields_) widen(static_cast<std::uint16_t>(fields.size()));
  const std::size_t rows = size();
  std::size_t row = rows;
  if (rows > 0) {
    const TimeMs last = this->time(rows - 1);
    if (time < last || (time == last && id < this->id(rows - 1))) row = position(time, id);
  }
  const std::size_t at = make_row(row, time, id);
  // Neighbours often say the same: the row before, or, at the front, the one after.
  const std::size_t neighbour = row > 0 ? row - 1 : row + 1;
  std::uint64_t presence = 0;
  for (std::size_t f = 0; f < fields.size(); ++f) {
    const Value& value = fields[f];
    if (value.missing()) continue;
    presence |= std::uint64_t{1} << f;
    if (in_arena(value.kind)) {
      in_arena_ |= std::uint64_t{1} << f;
      words_[at + kHead + f] = store_like(neighbour, kHead + f, value.bytes);
    } else {
      words_[at + kHead + f] = static_cast<std::uint64_t>(value.bits);
      // The sign of a double is the top bit of its word too.
      if (value.bits < 0) negative_ |= std::uint64_t{1} << f;
    }
  }
  words_[at + 2] = presence;
  return row;
}

void Rows::erase_front(std::size_t n) {
  n = std::min(n, size());
  if (n == 0) return;
  words_.erase(words_.begin(), words_.begin() + static_cast<std::ptrdiff_t>(n * stride_));
  rebuild_arena();
}

void Rows::rebuild_arena() {
  const std::string old = std::move(arena_);
  arena_.clear();
  const auto old_text = [&](std::uint64_t ref) {
    const std::uint64_t offset = ref >> 24;
    if ((ref & kLong) < kLong) return std::string_view(old).substr(offset, ref & kLong);
    Reader in(std::string_view(old).substr(offset, 8));
    return std::string_view(old).substr(offset + 8, in.fixed64());
  };
  const std::size_t rows = size();
  std::vector<std::pair<std::uint64_t, std::uint64_t>> previous(fields_, {0, 0});  // old and new reference, to keep what is shared shared
  for (std::size_t row = 0; row < rows; ++row) {
    std::uint64_t* words = &words_[row * stride_];
    words[1] = store_text(old_text(words[1]));
    for (std::size_t f = 0; f < fields_; ++f) {
      if ((words[2] & in_arena_ & (std::uint64_t{1} << f)) == 0) continue;
      std::uint64_t& word = words[kHead + f];
      const bool shared = row > 0 && previous[f].first == word && previous[f].second != 0;
      const std::uint64_t moved = shared ? previous[f].second : store_text(old_text(word));
      previous[f] = {word, moved};
      word = moved;
    }
  }
  arena_.shrink_to_fit();
}

void Rows::encode(Writer& out, const EventTypeDef& type) const {
  const std::size_t rows = size();
  out.varint(rows);
  if (rows == 0) return;
  out.varint(fields_);
  TimeMs previous = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    const TimeMs t = time(row);
    out.svarint(static_cast<std::int64_t>(to_word(t) - to_word(previous)));
    previous = t;
    out.string(id(row));
    const std::uint64_t presence = words_[row * stride_ + 2];
    out.varint(presence);
    for (std::uint64_t rest = presence; rest != 0; rest &= rest - 1) {
      const auto f = static_cast<FieldId>(std::countr_zero(rest));
      encode_payload(out, field(row, f, kind_of(type.fields[f].type)));
    }
  }
}

bool Rows::decode(Reader& in, const EventTypeDef& type) {
  *this = Rows{};
  const std::uint64_t rows = in.varint();
  if (in.bad() || rows > in.left() / kRowBytesMin) return false;
  if (rows == 0) return true;
  const std::uint64_t fields = in.varint();
  if (in.bad() || fields > type.fields.size() || fields > 64) return false;
  widen(static_cast<std::uint16_t>(fields));
  words_.reserve(std::min<std::size_t>(rows, kReserveAtMost) * stride_);
  TimeMs previous = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto t = static_cast<TimeMs>(to_word(previous) + static_cast<std::uint64_t>(in.svarint()));
    previous = t;
    const std::string_view id = in.string();
    const std::uint64_t presence = in.varint();
    if (in.bad() || id.empty() || (fields < 64 && (presence >> fields) != 0)) return false;
    if (row > 0 && (t < time(row - 1) || (t == time(row - 1) && id <= this->id(row - 1)))) return false;
    const std::size_t at = make_row(row, t, id);
    words_[at + 2] = presence;
    for (std::uint64_t rest = presence; rest != 0; rest &= rest - 1) {
      const auto f = static_cast<std::size_t>(std::countr_zero(rest));
      const Kind kind = kind_of(type.fields[f].type);
      ValueView v;
      if (kind == Kind::missing || !decode_payload(in, kind, v)) return false;
      if (in_arena(kind)) {
        in_arena_ |= std::uint64_t{1} << f;
        words_[at + kHead + f] = row > 0 ? store_like(row - 1, kHead + f, v.bytes) : store_text(v.bytes);
      } else {
        words_[at + kHead + f] = kind == Kind::number ? std::bit_cast<std::uint64_t>(v.d) : static_cast<std::uint64_t>(v.i);
        if (static_cast<std::int64_t>(words_[at + kHead + f]) < 0) negative_ |= std::uint64_t{1} << f;
      }
    }
  }
  return true;
}

}  // namespace nudge
