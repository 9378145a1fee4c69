#include "engine/model/value.h"

#include <bit>
#include <charconv>
#include <cmath>

#include "engine/base/text.h"

namespace nudge {
namespace {

// Calls f(item) for each item until it answers false; false when the bytes are no packed list.
template <class F>
bool each_item(std::string_view packed, F f) {
  Reader in(packed);
  while (!in.at_end()) {
    const std::string_view item = in.string();
    if (in.bad()) return false;
    if (!f(item)) return true;
  }
  return true;
}

// A whole number of millionths, for integers and decimals.
Int128 millionths(const ValueView& v) { return v.kind == Kind::decimal ? Int128{v.i} : Int128{v.i} * Decimal::kScale; }

int sign(Int128 v) { return v < 0 ? -1 : v > 0 ? 1 : 0; }

// The sign of d * 10^6 - n, exactly. |n| < 2^84.
int compare_scaled(double d, Int128 n) {
  constexpr double kTwo64 = 18446744073709551616.0;
  if (d >= kTwo64) return 1;
  if (d <= -kTwo64) return -1;
  int exponent = 0;
  const double fraction = std::frexp(d, &exponent);
  // d = mantissa * 2^exponent, |mantissa| < 2^53
  const Int128 scaled = static_cast<Int128>(std::ldexp(fraction, 53)) * Decimal::kScale;
  exponent -= 53;
  if (exponent >= 0) return sign(scaled * (Int128{1} << exponent) - n);  // exponent <= 11
  const int down = -exponent;
  if (down >= 100) {
    // |d * 10^6| < 1, so only its sign counts, and only next to zero.
    if (n != 0) return n > 0 ? -1 : 1;
    return sign(scaled);
  }
  const Int128 floor = scaled >> down;
  if (floor != n) return floor < n ? -1 : 1;
  return scaled == floor * (Int128{1} << down) ? 0 : 1;
}

template <class T>
int order(T a, T b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

void append_number(std::string& out, double d) {
  if (!std::isfinite(d)) {
    out += "null";
    return;
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, d);
  out.append(buffer, end.ptr);
}

}  // namespace

Kind kind_of(Type type) {
  switch (type) {
    case Type::boolean: return Kind::boolean;
    case Type::integer: return Kind::integer;
    case Type::number: return Kind::number;
    case Type::decimal: return Kind::decimal;
    case Type::text:
    case Type::phone: return Kind::text;
    case Type::date: return Kind::date;
    case Type::timestamp: return Kind::timestamp;
    case Type::list: return Kind::list;
    case Type::object: return Kind::missing;
  }
  return Kind::missing;
}

std::string_view type_name(Type type) {
  switch (type) {
    case Type::boolean: return "boolean";
    case Type::integer: return "integer";
    case Type::number: return "number";
    case Type::decimal: return "decimal";
    case Type::text: return "text";
    case Type::phone: return "phone";
    case Type::date: return "date";
    case Type::timestamp: return "timestamp";
    case Type::list: return "list of text";
    case Type::object: return "object";
  }
  return "unknown";
}

Value::Value(const ValueView& v) : kind(v.kind) {
  switch (v.kind) {
    case Kind::missing: break;
    case Kind::text:
    case Kind::list: bytes.assign(v.bytes); break;
    case Kind::number: bits = std::bit_cast<std::int64_t>(v.d); break;
    default: bits = v.i;
  }
}

ValueView Value::view() const {
  ValueView v;
  v.kind = kind;
  if (kind == Kind::number) {
    v.d = std::bit_cast<double>(bits);
  } else {
    v.i = bits;
    v.bytes = bytes;
  }
  return v;
}

Value Value::of_list(const std::vector<std::string>& items) {
  Value v;
  v.kind = Kind::list;
  v.bytes = pack_list(items);
  return v;
}

std::string pack_list(const std::vector<std::string>& items) {
  std::string out;
  Writer writer(out);
  for (const std::string& item : items) writer.string(item);
  return out;
}

std::vector<std::string_view> unpack_list(std::string_view packed) {
  std::vector<std::string_view> items;
  each_item(packed, [&](std::string_view item) {
    items.push_back(item);
    return true;
  });
  return items;
}

std::size_t list_size(std::string_view packed) {
  std::size_t n = 0;
  each_item(packed, [&](std::string_view) {
    ++n;
    return true;
  });
  return n;
}

bool list_has(std::string_view packed, std::string_view item) {
  bool found = false;
  each_item(packed, [&](std::string_view each) {
    found = each == item;
    return !found;
  });
  return found;
}

bool is_numeric(Kind kind) { return kind == Kind::integer || kind == Kind::number || kind == Kind::decimal; }

int compare_numeric(const ValueView& a, const ValueView& b) {
  if (a.kind == Kind::number && b.kind == Kind::number) return order(a.d, b.d);
  if (a.kind == Kind::number) return compare_scaled(a.d, millionths(b));
  if (b.kind == Kind::number) return -compare_scaled(b.d, millionths(a));
  if (a.kind == b.kind) return order(a.i, b.i);
  return order(millionths(a), millionths(b));
}

bool same_value(const ValueView& a, const ValueView& b) {
  if (is_numeric(a.kind) && is_numeric(b.kind)) return compare_numeric(a, b) == 0;
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::missing: return true;
    case Kind::text:
    case Kind::list: return a.bytes == b.bytes;
    default: return a.i == b.i;
  }
}

void append_json(std::string& out, const ValueView& v) {
  switch (v.kind) {
    case Kind::missing: out += "null"; break;
    case Kind::boolean: out += v.i != 0 ? "true" : "false"; break;
    case Kind::integer: out += std::to_string(v.i); break;
    case Kind::number: append_number(out, v.d); break;
    case Kind::decimal: out += format_decimal(Decimal{v.i}); break;
    case Kind::text: append_json_string(out, v.bytes); break;
    case Kind::date: append_json_string(out, format_date(static_cast<DateDays>(v.i))); break;
    case Kind::timestamp: append_json_string(out, format_timestamp(v.i)); break;
    case Kind::list: {
      out += '[';
      bool first = true;
      each_item(v.bytes, [&](std::string_view item) {
        if (!first) out += ',';
        first = false;
        append_json_string(out, item);
        return true;
      });
      out += ']';
      break;
    }
  }
}

std::string to_json(const ValueView& v) {
  std::string out;
  append_json(out, v);
  return out;
}

std::string to_text(const ValueView& v) {
  std::string out;
  switch (v.kind) {
    case Kind::missing: return "(missing)";
    case Kind::text: return std::string(v.bytes);
    case Kind::date: return format_date(static_cast<DateDays>(v.i));
    case Kind::timestamp: return format_timestamp(v.i);
    case Kind::list:
      each_item(v.bytes, [&](std::string_view item) {
        if (!out.empty()) out += ", ";
        out += item;
        return true;
      });
      return out;
    default: append_json(out, v); return out;
  }
}

void encode_payload(Writer& out, const ValueView& v) {
  switch (v.kind) {
    case Kind::missing: break;
    case Kind::number: out.f64(v.d); break;
    case Kind::text:
    case Kind::list: out.string(v.bytes); break;
    default: out.svarint(v.i);
  }
}

bool decode_payload(Reader& in, Kind kind, ValueView& v) {
  v = ValueView{};
  v.kind = kind;
  switch (kind) {
    case Kind::missing: return true;
    case Kind::number: v = ValueView::of_number(in.f64()); return !in.bad() && std::isfinite(v.d);
    case Kind::text: v.bytes = in.string(); return !in.bad();
    case Kind::list: v.bytes = in.string(); return !in.bad() && each_item(v.bytes, [](std::string_view) { return true; });
    default: v.i = in.svarint();
  }
  if (in.bad()) return false;
  switch (kind) {
    case Kind::boolean: return v.i == 0 || v.i == 1;
    case Kind::decimal: return v.i >= -Decimal::kMaxUnits && v.i <= Decimal::kMaxUnits;
    case Kind::date: return v.i >= std::numeric_limits<DateDays>::min() && v.i <= std::numeric_limits<DateDays>::max();
    default: return true;
  }
}

void encode_value(Writer& out, const ValueView& v) {
  out.u8(static_cast<std::uint8_t>(v.kind));
  encode_payload(out, v);
}

bool decode_value(Reader& in, ValueView& v) {
  const std::uint8_t kind = in.u8();
  if (in.bad() || kind > static_cast<std::uint8_t>(Kind::list)) return false;
  return decode_payload(in, static_cast<Kind>(kind), v);
}

}  // namespace nudge
