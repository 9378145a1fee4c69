// Typed values: what attributes and event fields hold, and what conditions compare.
//
// ValueView does not own: it points into a customer's rows, a literal of the plan or an Event, and is valid as long as that is unchanged.
// Value owns. Both are plain data, safe to copy between threads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/codec.h"
#include "engine/base/decimal.h"
#include "engine/base/time.h"

namespace nudge {

// The kind of a value in memory. `missing` is the unknown of language.md § Meaning 3. These numbers are stored: append only.
enum class Kind : std::uint8_t {
  missing = 0,
  boolean = 1,
  integer = 2,
  number = 3,
  decimal = 4,
  text = 5,
  date = 6,
  timestamp = 7,
  list = 8
};

// The type a catalog declares. A phone is text that was checked and is masked like text; an object is a group of leaves with dotted names.
enum class Type : std::uint8_t { boolean, integer, number, decimal, text, phone, date, timestamp, list, object };

Kind kind_of(Type type);
std::string_view type_name(Type type);  // as written in a catalog: "list of text"

struct ValueView {
  Kind kind = Kind::missing;
  union {
    std::int64_t i = 0;  // boolean (0/1), integer, decimal (millionths), date (days), timestamp (ms)
    double d;            // number
  };
  std::string_view bytes;  // text; list: packed items (see pack_list)

  bool missing() const { return kind == Kind::missing; }
  bool present() const { return kind != Kind::missing; }

  static ValueView of_int(Kind kind, std::int64_t v) {
    ValueView r;
    r.kind = kind;
    r.i = v;
    return r;
  }
  static ValueView of_boolean(bool v) { return of_int(Kind::boolean, v ? 1 : 0); }
  static ValueView of_integer(std::int64_t v) { return of_int(Kind::integer, v); }
  // Minus zero becomes zero: one value has one form in bytes, which is what keys and `distinct` go by.
  static ValueView of_number(double v) {
    ValueView r;
    r.kind = Kind::number;
    r.d = v == 0 ? 0 : v;
    return r;
  }
  static ValueView of_decimal(Decimal v) { return of_int(Kind::decimal, v.units); }
  static ValueView of_date(DateDays v) { return of_int(Kind::date, v); }
  static ValueView of_timestamp(TimeMs v) { return of_int(Kind::timestamp, v); }
  static ValueView of_text(std::string_view v) {
    ValueView r;
    r.kind = Kind::text;
    r.bytes = v;
    return r;
  }
  static ValueView of_list(std::string_view packed) {
    ValueView r;
    r.kind = Kind::list;
    r.bytes = packed;
    return r;
  }
};

struct Value {
  Kind kind = Kind::missing;
  std::int64_t bits = 0;  // as ValueView::i, or the bits of d
  std::string bytes;

  Value() = default;
  explicit Value(const ValueView& v);
  ValueView view() const;
  bool missing() const { return kind == Kind::missing; }

  static Value of_boolean(bool v) { return Value(ValueView::of_boolean(v)); }
  static Value of_integer(std::int64_t v) { return Value(ValueView::of_integer(v)); }
  static Value of_number(double v) { return Value(ValueView::of_number(v)); }
  static Value of_decimal(Decimal v) { return Value(ValueView::of_decimal(v)); }
  static Value of_date(DateDays v) { return Value(ValueView::of_date(v)); }
  static Value of_timestamp(TimeMs v) { return Value(ValueView::of_timestamp(v)); }
  static Value of_text(std::string_view v) { return Value(ValueView::of_text(v)); }
  static Value of_list(const std::vector<std::string>& items);

  // Same kind and same content, byte for byte (1 and 1.0 differ here; see same_value for the language's equality).
  friend bool operator==(const Value&, const Value&) = default;
};

// A list of text in bytes: for each item its length as a varint, then its bytes.
std::string pack_list(const std::vector<std::string>& items);
std::vector<std::string_view> unpack_list(std::string_view packed);
std::size_t list_size(std::string_view packed);
bool list_has(std::string_view packed, std::string_view item);

bool is_numeric(Kind kind);
// -1, 0, 1 for two numeric values (integer, number, decimal) compared exactly: 1 and 1.0 are the same value; a double is compared as the
// exact binary fraction it is. NaN never gets in.
int compare_numeric(const ValueView& a, const ValueView& b);
// The language's equality: numeric values by value, others only within one kind. Missing equals missing here (what tells a change); that an
// operator is false on a missing value is the caller's to see to.
bool same_value(const ValueView& a, const ValueView& b);

// JSON text of a value: dates and timestamps as strings, decimals as numbers with all digits, missing as null.
void append_json(std::string& out, const ValueView& v);
std::string to_json(const ValueView& v);
// For people: text as it is, lists joined by ", ", missing as "(missing)".
std::string to_text(const ValueView& v);

void encode_value(Writer& out, const ValueView& v);
// False when the bytes are no value. The view points into the reader's input.
bool decode_value(Reader& in, ValueView& v);
// The same without the kind, which the reader must know.
void encode_payload(Writer& out, const ValueView& v);
bool decode_payload(Reader& in, Kind kind, ValueView& v);

}  // namespace nudge
