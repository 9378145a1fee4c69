#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "model_support.h"

using namespace nudge;
using namespace nudge::testing;

namespace {

ValueView integer(std::int64_t v) { return ValueView::of_integer(v); }
ValueView number(double v) { return ValueView::of_number(v); }
ValueView decimal(std::string_view text) { return ValueView::of_decimal(Decimal::parse(text).value()); }

}  // namespace

TEST_CASE("numbers of different kinds compare exactly") {
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  struct Row {
    ValueView a;
    ValueView b;
    int order;
  };
  const Row rows[] = {
      {integer(1), number(1.0), 0},
      {integer(1), decimal("1"), 0},
      {number(1.0), decimal("1.000000"), 0},
      {number(0.5), decimal("0.5"), 0},
      {number(0.1), decimal("0.1"), 1},   // the double next to 0.1 is a little more
      {number(0.3), decimal("0.3"), -1},  // and the one next to 0.3 a little less
      {number(0.0), integer(0), 0},
      {number(-0.0), integer(0), 0},
      {number(-0.0), number(0.0), 0},
      {integer(9007199254740993), number(9007199254740992.0), 1},  // 2^53 + 1 is no double
      {integer(kMax), number(9223372036854775808.0), -1},
      {integer(kMin), number(-9223372036854775808.0), 0},
      {integer(kMin), number(-9223372036854777856.0), 1},
      {integer(kMax), number(9223372036854774784.0), 1},
      {integer(kMax), decimal("999999999999.999999"), 1},
      {integer(kMin), decimal("-999999999999.999999"), -1},
      {integer(999999999999), decimal("999999999999.000001"), -1},
      {number(1e300), integer(kMax), 1},
      {number(-1e300), integer(kMin), -1},
      {number(std::numeric_limits<double>::denorm_min()), integer(0), 1},
      {number(-std::numeric_limits<double>::denorm_min()), decimal("0"), -1},
      {number(std::numeric_limits<double>::denorm_min()), decimal("0.000001"), -1},
      {number(-1e-300), integer(1), -1},
      {number(-1e-300), integer(-1), 1},
      {number(999999999999.75), decimal("999999999999.75"), 0},
      {number(std::nextafter(999999999999.75, 1e300)), decimal("999999999999.75"), 1},
      {number(18446744073709551616.0), integer(kMax), 1},
      {integer(kMin), integer(kMax), -1},
  };
  for (const Row& row : rows) {
    CAPTURE(to_json(row.a));
    CAPTURE(to_json(row.b));
    CHECK(compare_numeric(row.a, row.b) == row.order);
    CHECK(compare_numeric(row.b, row.a) == -row.order);
    CHECK(same_value(row.a, row.b) == (row.order == 0));
  }
}

TEST_CASE("doubles against decimals and integers, by integers in 2^-30, seeded") {
  Random random(2);
  for (int i = 0; i < 50000; ++i) {
    const auto scaled = static_cast<std::int64_t>(random()) >> (11 + random() % 50);
    const double d = std::ldexp(static_cast<double>(scaled), -30);  // exact
    std::int64_t units = static_cast<std::int64_t>(random()) >> (4 + random() % 56);
    if (i % 3 == 0)
      units = static_cast<std::int64_t>(Int128{scaled} * 1'000'000 >> 30) + static_cast<std::int64_t>(random() % 3) - 1;  // next to it
    if (units > Decimal::kMaxUnits || units < -Decimal::kMaxUnits) continue;
    const Int128 left = Int128{scaled} * 1'000'000;
    const Int128 right = Int128{units} * (Int128{1} << 30);
    CHECK(compare_numeric(number(d), ValueView::of_decimal({units})) == (left < right ? -1 : left > right ? 1 : 0));
    const std::int64_t whole = units / 1'000'000;
    const Int128 right_whole = Int128{whole} * (Int128{1} << 30);
    CHECK(compare_numeric(integer(whole), number(d)) == (right_whole < scaled ? -1 : right_whole > scaled ? 1 : 0));
  }
}

TEST_CASE("equality keeps kinds apart") {
  CHECK(!same_value(ValueView::of_text("1"), integer(1)));
  CHECK(!same_value(ValueView::of_boolean(true), integer(1)));
  CHECK(!same_value(ValueView::of_date(1), ValueView::of_timestamp(1)));
  CHECK(!same_value(ValueView{}, ValueView::of_text("")));
  CHECK(same_value(ValueView{}, ValueView{}));
  CHECK(same_value(ValueView::of_text("王"), ValueView::of_text("王")));
  CHECK(same_value(Value::of_list({"a", "b"}).view(), Value::of_list({"a", "b"}).view()));
  CHECK(!same_value(Value::of_list({"a", "b"}).view(), Value::of_list({"ab"}).view()));
  CHECK(Value::of_integer(1) != Value::of_number(1.0));
}

TEST_CASE("lists") {
  const std::vector<std::string> items{"", "golf", std::string(500, 'y'), "王"};
  const std::string packed = pack_list(items);
  CHECK(list_size(packed) == 4);
  CHECK(list_has(packed, ""));
  CHECK(list_has(packed, "王"));
  CHECK(!list_has(packed, "gol"));
  const auto unpacked = unpack_list(packed);
  CHECK(std::vector<std::string>(unpacked.begin(), unpacked.end()) == items);
  CHECK(list_size("") == 0);
  CHECK(!list_has("", ""));
  CHECK(unpack_list("\x05zz").empty());  // damaged: no item is made up
}

TEST_CASE("values as JSON and as text") {
  struct Row {
    Value value;
    std::string_view json;
    std::string_view text;
  };
  const Row rows[] = {
      {Value(), "null", "(missing)"},
      {Value::of_boolean(true), "true", "true"},
      {Value::of_integer(-7), "-7", "-7"},
      {Value::of_number(0.1), "0.1", "0.1"},
      {Value::of_number(1e300), "1e+300", "1e+300"},
      {Value::of_number(3.0), "3", "3"},
      {Value::of_decimal({12'500'000}), "12.5", "12.5"},
      {Value::of_decimal({-999'999'999'999'999'999}), "-999999999999.999999", "-999999999999.999999"},
      {Value::of_text("a\"王"), "\"a\\\"王\"", "a\"王"},
      {Value::of_date(0), "\"1970-01-01\"", "1970-01-01"},
      {Value::of_timestamp(1500), "\"1970-01-01T00:00:01.500Z\"", "1970-01-01T00:00:01.500Z"},
      {Value::of_list({"a", "b\n"}), "[\"a\",\"b\\n\"]", "a, b\n"},
      {Value::of_list({}), "[]", ""},
  };
  for (const Row& row : rows) {
    CHECK(to_json(row.value.view()) == row.json);
    CHECK(to_text(row.value.view()) == row.text);
  }
}

TEST_CASE("values in bytes: round trip; damaged bytes are refused") {
  Random random(4);
  for (int i = 0; i < 5000; ++i) {
    const Value value = random_value(random, static_cast<Kind>(i % 9));
    std::string bytes;
    Writer out(bytes);
    encode_value(out, value.view());
    Reader in(bytes);
    ValueView back;
    REQUIRE(decode_value(in, back));
    CHECK(in.at_end());
    CHECK(Value(back) == value);
    for (std::size_t cut = 0; cut < std::min<std::size_t>(bytes.size(), 40); ++cut) {
      Reader shorter(std::string_view(bytes).substr(0, cut));
      CHECK(!decode_value(shorter, back));
    }
  }
  // One form for zero, also when the bytes have the other one.
  Reader minus_zero(std::string_view("\x03\x00\x00\x00\x00\x00\x00\x00\x80", 9));
  ValueView zero;
  REQUIRE(decode_value(minus_zero, zero));
  CHECK(Value(zero) == Value::of_number(0.0));
  CHECK(Value::of_number(-0.0) == Value::of_number(0.0));
  // An unknown kind; a boolean of 2; a decimal that is too large; a list whose item is longer than it; a number that is infinite.
  for (const std::string& bad :
       {std::string("\x09\x00", 2), std::string("\x01\x04", 2), std::string("\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),
        std::string("\x08\x02\x05z", 4), std::string("\x03\x00\x00\x00\x00\x00\x00\xf0\x7f", 9)}) {
    Reader in(bad);
    ValueView v;
    CHECK(!decode_value(in, v));
  }
}

TEST_CASE("types") {
  CHECK(kind_of(Type::phone) == Kind::text);
  CHECK(type_name(Type::list) == "list of text");
  CHECK(is_numeric(Kind::decimal));
  CHECK(!is_numeric(Kind::boolean));
}
