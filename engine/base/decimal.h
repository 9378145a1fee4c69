// Exact decimal numbers for money: 18 significant digits, 6 of them after the point. Sums are 128 bits wide and never wrap.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/status.h"

namespace nudge {

__extension__ typedef __int128 Int128;

// A number of millionths. |units| < 10^18.
struct Decimal {
  std::int64_t units = 0;
  static constexpr std::int64_t kScale = 1'000'000;
  static constexpr std::int64_t kMaxUnits = 999'999'999'999'999'999;

  // "12", "-0.5", "12.340000", "1e3", "1.5E-2". More than 6 digits after the point (other than zeros) or more than 12 before
  // it is refused with the reason: a value is never rounded.
  static Result<Decimal> parse(std::string_view text);
  friend auto operator<=>(const Decimal&, const Decimal&) = default;
};

// Without trailing zeros: "12.5", "3", "-0.000001".
std::string format_decimal(Decimal d);
std::string format_units(Int128 units);

// Exact sum of doubles, whatever their order: a fixed-point accumulator wide enough for every finite double (Kulisch). The result does not
// depend on the order in which values were added or removed.
class ExactSum {
 public:
  void add(double x);
  void subtract(double x) { add(-x); }
  // -1, 0, 1: the sign of (sum - bound * factor), exactly. factor: |factor| < 2^53.
  int compare(double bound, std::int64_t factor) const;
  // The nearest double to the exact sum (ties to even).
  double value() const;

 private:
  void normalize() const;
  static constexpr int kLimbs = 68;  // 32 bits each: 2^-1074 … 2^1024 and room for 2^31 additions of carry
  mutable std::int64_t limbs_[kLimbs] = {};
  mutable std::uint32_t pending_ = 0;  // additions since the last normalize
};

}  // namespace nudge
