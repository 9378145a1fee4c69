#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "engine/base/decimal.h"

using namespace nudge;

TEST_CASE("decimals: read exactly") {
  struct Row {
    std::string_view text;
    std::int64_t units;
    std::string_view normal;
  };
  constexpr Row kRows[] = {
      {"0", 0, "0"},
      {"-0", 0, "0"},
      {"0.000000000", 0, "0"},
      {"0e999999999999999999999", 0, "0"},
      {"12", 12'000'000, "12"},
      {"-0.5", -500'000, "-0.5"},
      {"12.340000", 12'340'000, "12.34"},
      {"12.34000000000000", 12'340'000, "12.34"},
      {"1e3", 1'000'000'000, "1000"},
      {"1.5E-2", 15'000, "0.015"},
      {"100000000000000e-6", 100'000'000'000'000, "100000000"},
      {"0.000001", 1, "0.000001"},
      {"-0.000001", -1, "-0.000001"},
      {"999999999999.999999", Decimal::kMaxUnits, "999999999999.999999"},
      {"-999999999999.999999", -Decimal::kMaxUnits, "-999999999999.999999"},
      {"0.000000000000000000001e15", 1, "0.000001"},
      {"1e+11", 100'000'000'000'000'000, "100000000000"},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.text);
    const auto d = Decimal::parse(row.text);
    REQUIRE(d.has_value());
    CHECK(d->units == row.units);
    CHECK(format_decimal(*d) == row.normal);
    CHECK(Decimal::parse(row.normal).value() == *d);
  }
}

TEST_CASE("decimals: never rounded, never guessed") {
  for (const std::string_view bad : {"",
                                     "-",
                                     "+1",
                                     ".5",
                                     "5.",
                                     "1,5",
                                     "1 000",
                                     "0x10",
                                     "NaN",
                                     "inf",
                                     "1e",
                                     "1e+",
                                     "--1",
                                     "01",
                                     "-01.5",
                                     "1.2.3",
                                     "12a",
                                     " 1",
                                     "1 ",
                                     "0.0000001",
                                     "1.0000001",
                                     "1e-7",
                                     "1000000000000",
                                     "1e12",
                                     "999999999999.9999995",
                                     "1e99999999999999999999",
                                     "1e-99999999999999999999"}) {
    CAPTURE(bad);
    const auto d = Decimal::parse(bad);
    REQUIRE(!d.has_value());
    CHECK(d.error().code == Code::invalid);
  }
}

TEST_CASE("decimals: every value survives its text, seeded") {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20000; ++i) {
    std::int64_t units = static_cast<std::int64_t>(random() % 1'000'000'000'000'000'000ULL) >> (random() % 60);
    if (i % 2 == 0) units = -units;
    CHECK(Decimal::parse(format_decimal({units})).value().units == units);
  }
  const Int128 big = Int128{Decimal::kMaxUnits} * 1'000'000'000;
  CHECK(format_units(big) == "999999999999999999000");
  CHECK(format_units(-big - 500'000) == "-999999999999999999000.5");
}

namespace {

// Doubles whose sum fits 128 bits when counted in 2^-60.
double moderate(std::mt19937_64& random) {
  const double x = std::ldexp(static_cast<double>(static_cast<std::int64_t>(random() >> 11)), static_cast<int>(random() % 60) - 80);
  return random() % 2 == 0 ? std::ldexp(std::floor(std::ldexp(x, 60)), -60) : -std::ldexp(std::floor(std::ldexp(x, 60)), -60);
}

Int128 in_units(double x) {
  int exponent = 0;
  const double m = std::frexp(x, &exponent);
  Int128 v = static_cast<Int128>(std::ldexp(m, 53));
  const int shift = exponent - 53 + 60;
  return shift >= 0 ? v * (Int128{1} << shift) : v / (Int128{1} << -shift);
}

double any_double(std::mt19937_64& random) {
  for (;;) {
    const double x = std::bit_cast<double>(random());
    if (std::isfinite(x)) return x;
  }
}

}  // namespace

TEST_CASE("exact sum: agrees with 128-bit integers, seeded") {
  std::mt19937_64 random(5);
  for (int round = 0; round < 200; ++round) {
    ExactSum sum;
    Int128 naive = 0;
    std::vector<double> in;
    for (int i = 0; i < 200; ++i) {
      if (!in.empty() && random() % 3 == 0) {
        const std::size_t which = random() % in.size();
        sum.subtract(in[which]);
        naive -= in_units(in[which]);
        in.erase(in.begin() + static_cast<std::ptrdiff_t>(which));
      } else {
        in.push_back(moderate(random));
        sum.add(in.back());
        naive += in_units(in.back());
      }
    }
    // The conversion of a 128-bit integer to double rounds to nearest, ties to even.
    CHECK(sum.value() == std::ldexp(static_cast<double>(naive), -60));
    const double bound = moderate(random);
    const auto factor = static_cast<std::int64_t>(random() % 1000) - 500;
    const Int128 right = in_units(bound) * factor;
    CHECK(sum.compare(bound, factor) == (naive < right ? -1 : naive > right ? 1 : 0));
  }
}

TEST_CASE("exact sum: any finite doubles in any order, and back to nothing") {
  std::mt19937_64 random(9);
  for (int round = 0; round < 100; ++round) {
    std::vector<double> in;
    for (int i = 0; i < 100; ++i) in.push_back(any_double(random));
    ExactSum forward;
    for (const double x : in) forward.add(x);
    std::ranges::shuffle(in, random);
    ExactSum shuffled;
    for (const double x : in) shuffled.add(x);
    CHECK(forward.value() == shuffled.value());
    CHECK(forward.compare(shuffled.value(), 1) == shuffled.compare(forward.value(), 1));
    std::ranges::shuffle(in, random);
    for (const double x : in) forward.subtract(x);
    CHECK(forward.value() == 0.0);
    CHECK(forward.compare(0.0, 7) == 0);
    CHECK(forward.compare(5e-324, 1) == -1);
    CHECK(forward.compare(-5e-324, 1) == 1);
  }
}

TEST_CASE("exact sum: edges") {
  constexpr double kMax = std::numeric_limits<double>::max();
  constexpr double kTiny = std::numeric_limits<double>::denorm_min();
  ExactSum sum;
  for (int i = 0; i < 1000; ++i) sum.add(kMax);
  CHECK(sum.compare(kMax, 1000) == 0);
  CHECK(sum.compare(kMax, 999) == 1);
  CHECK(sum.compare(kMax, (std::int64_t{1} << 53) - 1) == -1);
  CHECK(sum.value() == kMax);  // a sum of finite numbers is finite
  sum.add(kTiny);
  CHECK(sum.compare(kMax, 1000) == 1);
  for (int i = 0; i < 1000; ++i) sum.subtract(kMax);
  CHECK(sum.value() == kTiny);
  sum.subtract(kTiny);
  sum.subtract(kTiny);
  CHECK(sum.value() == -kTiny);
  CHECK(sum.compare(0.0, 0) == -1);

  ExactSum tenths;
  for (int i = 0; i < 10; ++i) tenths.add(0.1);
  CHECK(tenths.value() == 1.0);  // plain addition gives 0.9999999999999999
  CHECK(tenths.compare(0.1, 10) == 0);
  CHECK(tenths.compare(1.0, 1) == 1);  // ten times the binary fraction next to 0.1 is a little more than one

  ExactSum ties;
  ties.add(9007199254740992.0);  // 2^53
  ties.add(1.0);
  CHECK(ties.value() == 9007199254740992.0);  // half way, to even
  ties.add(kTiny);
  CHECK(ties.value() == 9007199254740994.0);  // a little above half way
  ties.subtract(kTiny);
  ties.add(2.0);
  CHECK(ties.value() == 9007199254740996.0);  // 2^53 + 3: half way, to even
}
