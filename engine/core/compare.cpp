// How two sides are compared, by type. Every operator but `exists` is false on a missing value.
#include <algorithm>
#include <cmath>

#include "engine/base/regex.h"
#include "engine/base/text.h"
#include "engine/core/evaluate.h"

namespace nudge {

namespace {

__extension__ typedef unsigned __int128 UInt128;

// A product of two 128-bit magnitudes: 256 bits, high half first.
struct Wide {
  UInt128 hi, lo;
  friend auto operator<=>(const Wide&, const Wide&) = default;
};
Wide multiply(UInt128 a, UInt128 b) {
  constexpr UInt128 kMask = (UInt128{1} << 64) - 1;
  const UInt128 al = a & kMask, ah = a >> 64, bl = b & kMask, bh = b >> 64;
  const UInt128 low = al * bl;
  const UInt128 mid1 = ah * bl + (low >> 64);
  const UInt128 mid2 = al * bh + (mid1 & kMask);
  return {ah * bh + (mid1 >> 64) + (mid2 >> 64), (mid2 << 64) | (low & kMask)};
}
int sign(Int128 v) { return (v > 0) - (v < 0); }
UInt128 magnitude(Int128 v) { return v < 0 ? UInt128{0} - static_cast<UInt128>(v) : static_cast<UInt128>(v); }

// a * x <=> b * y for x, y > 0
int compare_products(Int128 a, Int128 x, Int128 b, Int128 y) {
  if (sign(a) != sign(b)) return sign(a) < sign(b) ? -1 : 1;
  const Wide left = multiply(magnitude(a), magnitude(x));
  const Wide right = multiply(magnitude(b), magnitude(y));
  if (left == right) return 0;
  return (left < right) == (sign(a) >= 0) ? -1 : 1;
}

bool is_double(const Quantity& q) { return q.exact != nullptr || (!q.is_ratio && q.view.kind == Kind::number); }

double as_double(const Quantity& q) {
  if (q.is_ratio) return static_cast<double>(q.numerator) / static_cast<double>(Decimal::kScale) / static_cast<double>(q.denominator);
  if (q.view.kind == Kind::number) return q.view.d;
  if (q.view.kind == Kind::decimal) return static_cast<double>(q.view.i) / static_cast<double>(Decimal::kScale);
  return static_cast<double>(q.view.i);
}

Int128 units_of(const Quantity& q) {
  if (q.is_ratio) return q.numerator;
  return q.view.kind == Kind::integer ? Int128{q.view.i} * Decimal::kScale : Int128{q.view.i};
}

bool holds(Op op, int order) {
  switch (op) {
    case Op::equals: return order == 0;
    case Op::not_equals: return order != 0;
    case Op::greater_than: return order > 0;
    case Op::at_least: return order >= 0;
    case Op::less_than: return order < 0;
    case Op::at_most: return order <= 0;
    default: return false;
  }
}

}  // namespace

int compare_quantities(const Quantity& a, const Quantity& b, Decimal times) {
  const bool plain_times = times.units == Decimal::kScale;
  if (!is_double(a) && !is_double(b)) {
    // a.num / a.den <=> b.num / b.den * times / scale
    Int128 right = units_of(b);
    Int128 factor = Int128{times.units} * (a.is_ratio ? a.denominator : 1);
    if (factor < 0) {
      right = -right;
      factor = -factor;
    }
    if (factor == 0) return sign(units_of(a));
    return compare_products(units_of(a), Int128{Decimal::kScale} * (b.is_ratio ? b.denominator : 1), right, factor);
  }
  if (plain_times && a.exact != nullptr && b.exact == nullptr && !b.is_ratio && b.view.kind == Kind::number) {
    return a.exact->compare(b.view.d, a.denominator);
  }
  if (plain_times && !a.is_ratio && !b.is_ratio && a.exact == nullptr && b.exact == nullptr) return compare_numeric(a.view, b.view);
  const double right = as_double(b) * (static_cast<double>(times.units) / static_cast<double>(Decimal::kScale));
  const double left = as_double(a);
  return (left > right) - (left < right);
}

Verdict Evaluator::compare(const Node& node, const RowRef* row) {
  const Expr* left = &plan_->exprs[node.left];
  while (left->kind == Expr::Kind::trait) left = &plan_->exprs[left->child];
  if (left->kind == Expr::Kind::aggregate && row == nullptr) return compare_aggregate(node, plan_->aggregates[left->ref]);
  return compare_values(node, value(node.left, row), row);
}

Verdict Evaluator::compare_values(const Node& node, const Quantity& left, const RowRef* row) {
  if (node.op == Op::exists) {
    const bool wanted = node.literals.empty() || node.literals[0].bits != 0;
    return {left.view.present() == wanted, left.until};
  }
  Quantity right;
  const Quantity* right_ptr = nullptr;
  TimeMs right_until = kNever;
  if (node.right != kNone) {
    right = value(node.right, row);
    right_ptr = &right;
    right_until = right.until;
    if (right.ticks_from != kAlways) right_until = std::min(right_until, right.ticks_from + (right.view.i + 1) * kDay);
    if (right.view.missing()) return {false, std::min(left.until, right_until)};
  }
  if (left.view.missing()) return {false, left.until};
  Verdict v;
  switch (left.view.kind) {
    case Kind::integer:
    case Kind::number:
    case Kind::decimal: v = compare_numbers(node, left, right_ptr); break;
    case Kind::text: v = compare_text(node, left.view.bytes, right_ptr); break;
    case Kind::list: v = compare_list(node, left.view); break;
    case Kind::date:
    case Kind::timestamp: v = compare_times(node, left.view, right_ptr); break;
    case Kind::boolean: {
      const ValueView other = right_ptr != nullptr ? right.view : node.literals[0].view();
      const bool same = same_value(left.view, other);
      v.truth = node.op == Op::not_equals ? !same : same;
      break;
    }
    case Kind::missing: break;
  }
  v.until = std::min({v.until, left.until, right_until});
  return v;
}

bool Evaluator::literal_in(const Node& node, const ValueView& left) const {
  return std::ranges::any_of(node.literals, [&](const Value& l) { return same_value(l.view(), left); });
}

Verdict Evaluator::compare_numbers(const Node& node, const Quantity& left, const Quantity* right) {
  Verdict v;
  const auto order_to = [&](const Value& literal) {
    Quantity q;
    q.view = literal.view();
    return compare_quantities(left, q, Decimal{Decimal::kScale});
  };
  if (right != nullptr) {
    v.truth = holds(node.op, compare_quantities(left, *right, node.times));
  } else if (node.op == Op::between) {
    v.truth = order_to(node.literals[0]) >= 0 && order_to(node.literals[1]) <= 0;
  } else if (node.op == Op::in || node.op == Op::not_in) {
    const bool found = std::ranges::any_of(node.literals, [&](const Value& l) { return order_to(l) == 0; });
    v.truth = found == (node.op == Op::in);
  } else {
    v.truth = holds(node.op, order_to(node.literals[0]));
  }
  if (left.ticks_from == kAlways) return v;
  if (right != nullptr) {
    v.until = left.ticks_from + (left.view.i + 1) * kDay;
    return v;
  }
  // A count of days only changes the answer as it passes one of the literals.
  for (const Value& literal : node.literals) {
    const ValueView l = literal.view();
    const double bound =
        l.kind == Kind::number ? l.d : static_cast<double>(l.i) / (l.kind == Kind::decimal ? static_cast<double>(Decimal::kScale) : 1.0);
    if (std::abs(bound) > 1e9) continue;
    for (const double candidate : {std::ceil(bound), std::floor(bound) + 1}) {
      const auto days = static_cast<std::int64_t>(candidate);
      if (days > left.view.i) v.until = std::min(v.until, left.ticks_from + days * kDay);
    }
  }
  return v;
}

Verdict Evaluator::compare_text(const Node& node, std::string_view text, const Quantity* right) {
  std::string folded;
  std::string other_folded;
  if (node.ignore_case && node.op != Op::matches) {
    folded = fold_case(text);
    text = folded;
  }
  if (node.op == Op::matches) return {node.regex != nullptr && node.regex->found_in(text), kNever};
  if (node.op == Op::in || node.op == Op::not_in) return {literal_in(node, ValueView::of_text(text)) == (node.op == Op::in), kNever};
  std::string_view other = right != nullptr ? right->view.bytes : std::string_view(node.literals[0].bytes);
  if (right != nullptr && node.ignore_case) {
    other_folded = fold_case(other);
    other = other_folded;
  }
  switch (node.op) {
    case Op::equals: return {text == other, kNever};
    case Op::not_equals: return {text != other, kNever};
    case Op::contains: return {text.find(other) != std::string_view::npos, kNever};
    case Op::not_contains: return {text.find(other) == std::string_view::npos, kNever};
    case Op::starts_with: return {text.starts_with(other), kNever};
    case Op::ends_with: return {text.ends_with(other), kNever};
    default: return {false, kNever};
  }
}

Verdict Evaluator::compare_list(const Node& node, const ValueView& list) const {
  std::string folded;
  std::string_view packed = list.bytes;
  if (node.ignore_case) {
    std::vector<std::string> items;
    for (const std::string_view item : unpack_list(packed)) items.push_back(fold_case(item));
    folded = pack_list(items);
    packed = folded;
  }
  const auto has = [&](const Value& item) { return list_has(packed, item.bytes); };
  switch (node.op) {
    case Op::has: return {has(node.literals[0]), kNever};
    case Op::has_any: return {std::ranges::any_of(node.literals, has), kNever};
    case Op::has_all: return {std::ranges::all_of(node.literals, has), kNever};
    default: return {false, kNever};
  }
}

Verdict Evaluator::compare_times(const Node& node, const ValueView& left, const Quantity* right) {
  const TimeMs t = instant_of(left);
  const DurationMs d = node.duration;
  // Each relative filter is an interval of now: [from, to).
  const auto during = [&](TimeMs from, TimeMs to) {
    if (now_ < from) return Verdict{false, from};
    return now_ < to ? Verdict{true, to} : Verdict{false, kNever};
  };
  switch (node.op) {
    case Op::within: return during(t, t + d);
    case Op::older_than: return during(t + d, kNever);
    case Op::in_next: return during(t - d, t);
    case Op::anniversary_in_next:
    case Op::anniversary_today: return anniversary(node, left);
    case Op::before: return {t < instant_of(right != nullptr ? right->view : node.literals[0].view()), kNever};
    case Op::after: return {t > instant_of(right != nullptr ? right->view : node.literals[0].view()), kNever};
    case Op::between: {
      const ValueView lo = node.literals[0].view();
      const ValueView hi = node.literals[1].view();
      const bool below_end = hi.kind == Kind::date ? t < zone().start_of(static_cast<DateDays>(hi.i) + 1) : t < hi.i;
      return {t >= instant_of(lo) && below_end, kNever};
    }
    case Op::equals:
    case Op::not_equals: {
      const bool same = t == instant_of(right != nullptr ? right->view : node.literals[0].view());
      return {same == (node.op == Op::equals), kNever};
    }
    default: return {false, kNever};
  }
}

Verdict Evaluator::anniversary(const Node& node, const ValueView& left) {
  const Zone& z = zone();
  const bool is_date = left.kind == Kind::date;
  const LocalTime wall = is_date ? LocalTime{static_cast<DateDays>(left.i), 0, 0} : z.local(left.i);
  const Ymd origin = ymd_of(wall.date);
  const auto in_year = [&](std::int32_t year) {
    const std::uint8_t day = std::min(origin.day, days_in_month(year, origin.month));  // 29 February is kept on the 28th in common years
    return days_of({year, origin.month, day});
  };
  const auto instant = [&](DateDays d) { return is_date ? z.start_of(d) : z.at(d, wall.of_day); };
  const LocalTime today = z.local(now_);
  std::int32_t year = std::max(origin.year + 1, ymd_of(today.date).year);
  if (node.op == Op::anniversary_today) {
    if (in_year(year) < today.date) ++year;
    const DateDays day = in_year(year);
    return day == today.date ? Verdict{true, day_until(z, z.start_of(day + 1))} : Verdict{false, day_until(z, z.start_of(day))};
  }
  while (instant(in_year(year)) <= now_) ++year;  // at most twice
  const TimeMs next = instant(in_year(year));
  return now_ >= next - node.duration ? Verdict{true, next} : Verdict{false, next - node.duration};
}

}  // namespace nudge
