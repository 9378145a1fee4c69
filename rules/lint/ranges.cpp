#include "rules/lint/ranges.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace nudge::lint {
namespace {

using End = Ranges::End;

/// Which of two lower ends starts first: below 0 when `a` does.
int compare_lows(const End& a, const End& b) {
  if (a.infinite || b.infinite) return a.infinite == b.infinite ? 0 : a.infinite ? -1 : 1;
  const int order = compare_numeric(a.at, b.at);
  if (order != 0) return order;
  return a.open == b.open ? 0 : a.open ? 1 : -1;
}

/// Which of two upper ends comes first: below 0 when `a` does.
int compare_highs(const End& a, const End& b) {
  if (a.infinite || b.infinite) return a.infinite == b.infinite ? 0 : a.infinite ? 1 : -1;
  const int order = compare_numeric(a.at, b.at);
  if (order != 0) return order;
  return a.open == b.open ? 0 : a.open ? -1 : 1;
}

bool is_empty(const End& low, const End& high) {
  if (low.infinite || high.infinite) return false;
  const int order = compare_numeric(low.at, high.at);
  return order > 0 || (order == 0 && (low.open || high.open));
}

/// The whole number at or above (or at or below) a number; nothing beyond 64 bits.
std::optional<std::int64_t> whole_at(const ValueView& v, bool up) {
  switch (v.kind) {
    case Kind::decimal: {
      std::int64_t q = v.i / Decimal::kScale;
      const std::int64_t rest = v.i % Decimal::kScale;
      if (rest > 0 && up) ++q;
      if (rest < 0 && !up) --q;
      return q;
    }
    case Kind::number: {
      const double rounded = up ? std::ceil(v.d) : std::floor(v.d);
      if (std::abs(rounded) > 9e18) return std::nullopt;
      return static_cast<std::int64_t>(rounded);
    }
    default: return v.i;
  }
}

}  // namespace

Ranges Ranges::everything() {
  Ranges r;
  r.ranges_.push_back({});
  return r;
}

Ranges Ranges::above(const ValueView& v, bool open) {
  Ranges r;
  r.ranges_.push_back({.low = {false, open, v}, .high = {}});
  return r;
}

Ranges Ranges::below(const ValueView& v, bool open) {
  Ranges r;
  r.ranges_.push_back({.low = {}, .high = {false, open, v}});
  return r;
}

Ranges Ranges::between(const ValueView& low, const ValueView& high) { return at_least(low).intersect(at_most(high)); }

Ranges Ranges::points(std::vector<ValueView> values) {
  std::ranges::sort(values, [](const ValueView& a, const ValueView& b) { return compare_numeric(a, b) < 0; });
  const auto rest = std::ranges::unique(values, [](const ValueView& a, const ValueView& b) { return compare_numeric(a, b) == 0; });
  values.erase(rest.begin(), rest.end());
  Ranges r;
  for (const ValueView& v : values) r.ranges_.push_back({.low = {false, false, v}, .high = {false, false, v}});
  return r;
}

Ranges Ranges::complement() const {
  Ranges r;
  End low;  // endless
  bool open_above = true;
  for (const Range& range : ranges_) {
    if (!range.low.infinite) {
      const End high{false, !range.low.open, range.low.at};
      if (!is_empty(low, high)) r.ranges_.push_back({low, high});
    }
    open_above = !range.high.infinite;
    if (!open_above) break;
    low = {false, !range.high.open, range.high.at};
  }
  if (open_above) r.ranges_.push_back({low, {}});
  return r;
}

Ranges Ranges::intersect(const Ranges& other) const {
  Ranges r;
  std::size_t i = 0, j = 0;
  while (i < ranges_.size() && j < other.ranges_.size()) {
    const Range& a = ranges_[i];
    const Range& b = other.ranges_[j];
    const End low = compare_lows(a.low, b.low) >= 0 ? a.low : b.low;
    const int ends = compare_highs(a.high, b.high);
    const End high = ends <= 0 ? a.high : b.high;
    if (!is_empty(low, high)) r.ranges_.push_back({low, high});
    (ends <= 0 ? i : j) += 1;
  }
  return r;
}

Ranges Ranges::whole() const {
  constexpr auto kLow = std::numeric_limits<std::int64_t>::min(), kHigh = std::numeric_limits<std::int64_t>::max();
  Ranges r;
  for (const Range& range : ranges_) {
    Range out;
    if (!range.low.infinite) {
      std::optional<std::int64_t> at = whole_at(range.low.at, true);
      if (at && range.low.open && compare_numeric(ValueView::of_integer(*at), range.low.at) == 0) {
        if (*at == kHigh) continue;
        ++*at;
      }
      if (at) out.low = {false, false, ValueView::of_integer(*at)};
    }
    if (!range.high.infinite) {
      std::optional<std::int64_t> at = whole_at(range.high.at, false);
      if (at && range.high.open && compare_numeric(ValueView::of_integer(*at), range.high.at) == 0) {
        if (*at == kLow) continue;
        --*at;
      }
      if (at) out.high = {false, false, ValueView::of_integer(*at)};
    }
    if (!is_empty(out.low, out.high)) r.ranges_.push_back(out);
  }
  return r;
}

std::int64_t Ranges::lowest(std::int64_t fallback) const {
  return ranges_.empty() || ranges_.front().low.infinite ? fallback : ranges_.front().low.at.i;
}

std::int64_t Ranges::highest(std::int64_t fallback) const {
  return ranges_.empty() || ranges_.back().high.infinite ? fallback : ranges_.back().high.at.i;
}

}  // namespace nudge::lint
