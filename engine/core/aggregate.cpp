// Windows and aggregates over a customer's rows.
#include <algorithm>
#include <map>
#include <set>

#include "engine/core/evaluate.h"

namespace nudge {

namespace {

// The smallest count that makes `count op literal` true for at_least and greater_than, and false for less_than and at_most.
std::int64_t count_bound(const Node& node, const ValueView& literal) {
  Int128 units = literal.kind == Kind::integer ? Int128{literal.i} * Decimal::kScale : Int128{literal.i};
  const Int128 scale = Decimal::kScale;
  Int128 floor = units / scale;
  if (units % scale != 0 && units < 0) --floor;
  const bool whole = floor * scale == units;
  const bool strict = node.op == Op::greater_than || node.op == Op::at_most;
  const Int128 bound = (strict || !whole) ? floor + 1 : floor;
  return static_cast<std::int64_t>(std::clamp<Int128>(bound, -1, Int128{1} << 62));
}

bool is_threshold(Op op) { return op == Op::at_least || op == Op::greater_than || op == Op::less_than || op == Op::at_most; }

}  // namespace

void Evaluator::prepare_aggregates() {
  thresholds_.assign(plan_->nodes.size(), {});
  for (std::size_t i = 0; i < plan_->nodes.size(); ++i) {
    const Node& node = plan_->nodes[i];
    if (node.kind != Node::Kind::compare || node.right != kNone || node.literals.size() != 1 || !is_threshold(node.op)) continue;
    const ValueView bound = node.literals[0].view();
    if (!is_numeric(bound.kind) || bound.kind == Kind::number) continue;
    const Int128 units = bound.kind == Kind::integer ? Int128{bound.i} * Decimal::kScale : Int128{bound.i};
    const bool beyond = node.op == Op::greater_than || node.op == Op::at_most;
    thresholds_[i] = {true, count_bound(node, bound), units + (beyond ? 1 : 0)};
  }
  range_slots_.assign(plan_->aggregates.size(), 0);
  std::vector<const Aggregate*> firsts;
  for (std::size_t i = 0; i < plan_->aggregates.size(); ++i) {
    const Aggregate& a = plan_->aggregates[i];
    auto same = std::ranges::find_if(firsts, [&](const Aggregate* f) { return f->event == a.event && f->window == a.window; });
    if (same == firsts.end()) same = firsts.insert(firsts.end(), &a);
    range_slots_[i] = static_cast<std::uint32_t>(same - firsts.begin());
  }
  ranges_.assign(firsts.size(), {});
}

std::pair<TimeMs, TimeMs> unit_around(Window::Unit unit, TimeMs now, const Zone& zone) {
  const DateDays today = zone.local(now).date;
  Ymd ymd = ymd_of(today);
  DateDays first = today;
  DateDays next = today + 1;
  const auto month_start = [](std::int32_t year, int month) {
    return days_of({year + (month - 1) / 12, static_cast<std::uint8_t>((month - 1) % 12 + 1), 1});
  };
  switch (unit) {
    case Window::Unit::day: break;
    case Window::Unit::week:
      first = today - (iso_weekday(today) - 1);
      next = first + 7;
      break;
    case Window::Unit::month:
      first = month_start(ymd.year, ymd.month);
      next = month_start(ymd.year, ymd.month + 1);
      break;
    case Window::Unit::quarter: {
      const int month = (ymd.month - 1) / 3 * 3 + 1;
      first = month_start(ymd.year, month);
      next = month_start(ymd.year, month + 3);
      break;
    }
    case Window::Unit::year:
      first = month_start(ymd.year, 1);
      next = month_start(ymd.year + 1, 1);
      break;
  }
  return {zone.start_of(first), zone.start_of(next)};
}

TimeMs Evaluator::day_until(const Zone& z, TimeMs next) const {
  if (next <= now_) next = now_ + (kDay - z.local(now_).of_day);  // the day's evening is there a second time
  for (TimeMs t = z.next_transition(now_); t < next; t = z.next_transition(t)) {
    if (z.local(t).date < z.local(t - 1).date) return t;
  }
  return next;
}

Evaluator::Range Evaluator::range_of(const Window& w, const Rows& rows) {
  Range range;
  const std::size_t past = rows.upper_bound(now_);
  range.hi = past;
  switch (w.kind) {
    case Window::Kind::ever: break;
    case Window::Kind::within: range.lo = rows.upper_bound(now_ - w.a); break;
    case Window::Kind::from_to:
      range.lo = rows.upper_bound(now_ - w.a);
      range.hi = rows.upper_bound(now_ - w.b);
      if (range.hi < past) range.until = rows.time(range.hi) + w.b;  // the next row comes in
      break;
    case Window::Kind::since: {
      const auto [start, next] = unit_around(w.unit, now_, w.tenant_zone ? plan_->zone : zone());
      range.lo = rows.lower_bound(start);
      range.until = day_until(w.tenant_zone ? plan_->zone : zone(), next);
      if (range.until < next) range.back = range.until;
      break;
    }
    case Window::Kind::fixed: {
      const Zone& z = w.tenant_zone ? plan_->zone : zone();
      if (w.lo.set) range.lo = rows.lower_bound(w.lo.is_date ? z.start_of(static_cast<DateDays>(w.lo.at)) : w.lo.at);
      if (w.hi.set) {
        const TimeMs end = w.hi.is_date ? z.start_of(static_cast<DateDays>(w.hi.at) + 1) : w.hi.at;
        range.hi = std::min(past, rows.lower_bound(end));
      }
      break;
    }
  }
  range.lo = std::min(range.lo, range.hi);
  return range;
}

Evaluator::Range Evaluator::range_of(const Aggregate& a, const Rows& rows) {
  // Many aggregates look through few windows. (A sequence asks with one of its own making.)
  const auto at = (reinterpret_cast<std::uintptr_t>(&a) - reinterpret_cast<std::uintptr_t>(plan_->aggregates.data())) / sizeof(Aggregate);
  Range range;
  if (at < range_slots_.size()) {
    Memo<Range>& memo = ranges_[range_slots_[at]];
    if (memo.epoch != epoch_) memo = {epoch_, range_of(a.window, rows)};
    range = memo.value;
  } else {
    range = range_of(a.window, rows);
  }
  if (a.before_trigger && trigger_.rows != nullptr) {
    range.hi = std::min(range.hi, rows.position(trigger_.rows->time(trigger_.row), trigger_.rows->id(trigger_.row)));
    range.lo = std::min(range.lo, range.hi);
  }
  return range;
}

TimeMs Evaluator::exit_of(const Window& w, TimeMs row_time) const {
  return w.kind == Window::Kind::within || w.kind == Window::Kind::from_to ? row_time + w.a : kNever;
}

bool Evaluator::counts(const Aggregate& a, const Rows& rows, std::size_t row, TimeMs& until) {
  if (a.same != kNoField && has_key_) {
    if (!rows.has_field(row, a.same)) return false;
    const Type type = plan_->catalog->events[a.event].fields[a.same].type;
    if (!same_value(rows.field(row, a.same, kind_of(type)), key_)) return false;
  }
  if (a.filter == kNone) return true;
  if (const std::vector<Predicate>* simple = filters_.find(a.filter)) {
    return std::ranges::all_of(*simple, [&](const Predicate& p) { return p.holds(rows, row); });
  }
  const RowRef ref{&rows, row, a.event};
  const Verdict v = truth(a.filter, &ref);
  until = std::min(until, v.until);
  return v.truth;
}

Evaluator::Matched Evaluator::collect(const Aggregate& a, const Rows& rows) {
  if (buffers_used_ == buffers_.size()) buffers_.emplace_back();
  auto& buffer = buffers_[buffers_used_++];
  buffer.clear();
  const Range range = range_of(a, rows);
  TimeMs until = range.until;
  for (std::size_t row = range.lo; row < range.hi; ++row) {
    if (a.field != kNoField && !rows.has_field(row, a.field)) continue;
    if (counts(a, rows, row, until)) buffer.push_back(static_cast<std::uint32_t>(row));
  }
  return {&buffer, until};
}

std::vector<std::size_t> Evaluator::counted_rows(const Aggregate& a) {
  std::vector<std::size_t> result;
  if (const Rows* rows = rows_of(a)) {
    const Matched matched = collect(a, *rows);
    result.assign(matched.rows->begin(), matched.rows->end());
    release();
  }
  return result;
}

Quantity Evaluator::sum_of(const Aggregate& a, const Rows& rows, std::span<const std::uint32_t> matched, bool average) {
  Quantity q;
  const Type type = a.field == kTimeField ? Type::timestamp : plan_->catalog->events[a.event].fields[a.field].type;
  const Kind kind = kind_of(type);
  const auto n = static_cast<std::int64_t>(matched.size());
  if (kind == Kind::number) {
    if (sums_used_ == sums_.size()) sums_.emplace_back();
    ExactSum& sum = sums_[sums_used_++];
    sum = ExactSum();
    for (const std::uint32_t row : matched) sum.add(rows.field(row, a.field, kind).d);
    q.exact = &sum;
    q.denominator = average ? n : 1;
    q.view = ValueView::of_number(average ? sum.value() / static_cast<double>(n) : sum.value());
    return q;
  }
  Int128 sum = 0;
  for (const std::uint32_t row : matched) sum += rows.field(row, a.field, kind).i;
  q.is_ratio = true;
  q.numerator = kind == Kind::integer ? sum * Decimal::kScale : sum;
  q.denominator = average ? n : 1;
  const bool fits = sum >= -Decimal::kMaxUnits && sum <= Decimal::kMaxUnits;
  if (kind == Kind::integer && !average && fits) q.view = ValueView::of_integer(static_cast<std::int64_t>(sum));
  else q.view = ValueView::of_number(static_cast<double>(q.numerator) / static_cast<double>(Decimal::kScale) / static_cast<double>(q.denominator));
  return q;
}

Quantity Evaluator::aggregate_value(const Aggregate& a) {
  using Fn = Aggregate::Fn;
  Quantity q;
  const Rows* rows = rows_of(a);
  if (rows == nullptr) {
    if (a.fn == Fn::count || a.fn == Fn::distinct) q.view = ValueView::of_integer(0);
    if (a.fn == Fn::sum) q = sum_of(a, Rows(), {}, false);
    return q;
  }
  const Kind kind = a.fn == Fn::count ? Kind::integer
                    : a.field == kTimeField ? Kind::timestamp
                                            : kind_of(plan_->catalog->events[a.event].fields[a.field].type);
  if (a.fn == Fn::last && a.filter == kNone && a.same == kNoField) {  // no need to look at the other rows
    const Range range = range_of(a, *rows);
    q.until = range.until;
    for (std::size_t row = range.hi; row-- > range.lo;) {
      if (!rows->has_field(row, a.field)) continue;
      q.view = rows->field(row, a.field, kind);
      q.until = std::min(q.until, exit_of(a.window, rows->time(row)));
      break;
    }
    return q;
  }
  const Matched found = collect(a, *rows);
  const std::span<const std::uint32_t> matched(*found.rows);
  q.until = found.until;
  const auto exit = [&](std::uint32_t row) { return exit_of(a.window, rows->time(row)); };
  TimeMs change = matched.empty() ? kNever : exit(matched.front());
  switch (a.fn) {
    case Fn::count: q.view = ValueView::of_integer(static_cast<std::int64_t>(matched.size())); break;
    case Fn::sum: q = sum_of(a, *rows, matched, false); q.until = found.until; break;
    case Fn::average:
      if (!matched.empty()) { q = sum_of(a, *rows, matched, true); q.until = found.until; }
      break;
    case Fn::min:
    case Fn::max: {
      const int wanted = a.fn == Fn::max ? 1 : -1;
      for (const std::uint32_t row : matched) {
        const ValueView v = rows->field(row, a.field, kind);
        const int order = q.view.missing() ? wanted
                          : is_numeric(kind) ? compare_numeric(v, q.view)
                                             : (v.i > q.view.i) - (v.i < q.view.i);
        // Of equal ones the newest counts: the answer stays until that one leaves.
        if (order == wanted || order == 0) { q.view = v; change = exit(row); }
      }
      break;
    }
    case Fn::distinct: {
      ValueSet& values = take_values(matched.size());
      for (const std::uint32_t row : matched) values.add(rows->field(row, a.field, kind), row);
      change = kNever;
      values.each([&](std::uint32_t row) { change = std::min(change, exit(row)); });
      q.view = ValueView::of_integer(static_cast<std::int64_t>(values.count()));
      --values_used_;
      break;
    }
    case Fn::first:
    case Fn::last:
      if (!matched.empty()) {
        const std::uint32_t row = a.fn == Fn::first ? matched.front() : matched.back();
        q.view = rows->field(row, a.field, kind);
        change = exit(row);
      }
      break;
  }
  release();
  q.until = std::min(q.until, change);
  return q;
}

template <class Reached>
Verdict Evaluator::from_newest(const Aggregate& a, const Rows& rows, Reached&& reached) {
  const Range range = range_of(a, rows);
  // A calendar unit that ends takes all its rows along; a row that comes in (from_to) can only add.
  const bool unit = a.window.kind == Window::Kind::since;
  TimeMs held_until = unit ? range.until : kNever;   // of the rows that count
  TimeMs until = unit ? range.back : range.until;    // of those that don't
  for (std::size_t row = range.hi; row-- > range.lo;) {
    if (a.field != kNoField && !rows.has_field(row, a.field)) continue;
    TimeMs row_until = kNever;
    if (!counts(a, rows, row, row_until)) {
      until = std::min(until, row_until);
      continue;
    }
    held_until = std::min(held_until, row_until);
    if (reached(row)) return {true, std::min(held_until, exit_of(a.window, rows.time(row)))};
  }
  // A row that counted now may stop counting, which only takes away.
  return {false, until};
}

Verdict Evaluator::at_least_rows(const Aggregate& a, std::int64_t k) {
  if (k <= 0) return {true, kNever};
  const Rows* rows = rows_of(a);
  if (rows == nullptr) return {false, kNever};
  if (a.filter == kNone && (a.same == kNoField || !has_key_)) {
    const Range range = range_of(a, *rows);
    const bool unit = a.window.kind == Window::Kind::since;
    const auto n = static_cast<std::int64_t>(range.hi - range.lo);
    if (n < k) return {false, unit ? range.back : range.until};
    return {true, std::min(unit ? range.until : kNever, exit_of(a.window, rows->time(range.hi - static_cast<std::size_t>(k))))};
  }
  if (a.filter == kNone || filters_.find(a.filter) != nullptr) {
    // Fewer rows than that, whatever the filter says of them.
    const Range range = range_of(a, *rows);
    if (static_cast<std::int64_t>(range.hi - range.lo) < k) return {false, a.window.kind == Window::Kind::since ? range.back : range.until};
  }
  std::int64_t n = 0;
  return from_newest(a, *rows, [&](std::size_t) { return ++n == k; });
}

std::optional<Verdict> Evaluator::reaches(const Node& node, const Aggregate& a) {
  using Fn = Aggregate::Fn;
  const bool upward = node.op == Op::at_least || node.op == Op::greater_than;
  const Threshold& threshold = thresholds_[static_cast<std::size_t>(&node - plan_->nodes.data())];
  const Rows* rows = rows_of(a);
  if (a.fn == Fn::count) {
    Verdict v = at_least_rows(a, threshold.count);
    v.truth = v.truth == upward;
    return v;
  }
  if (rows == nullptr || a.field == kTimeField) return std::nullopt;
  const Kind kind = kind_of(plan_->catalog->events[a.event].fields[a.field].type);
  const ValueView bound = node.literals[0].view();
  if ((a.fn == Fn::max && upward) || (a.fn == Fn::min && !upward)) {
    // Some row is at or beyond the bound: the newest such row is all that matters.
    const bool strict = node.op == Op::greater_than || node.op == Op::less_than;
    return from_newest(a, *rows, [&](std::size_t row) {
      const int order = compare_numeric(rows->field(row, a.field, kind), bound);
      return (upward ? order > 0 : order < 0) || (order == 0 && !strict);
    });
  }
  if (a.fn == Fn::distinct) {
    const std::int64_t k = threshold.count;
    if (k <= 0) return Verdict{upward, kNever};
    // No more values than rows: most customers are far from the bound.
    const Range range = range_of(a, *rows);
    ValueSet& values = take_values(std::min(static_cast<std::size_t>(k), range.hi - range.lo));
    Verdict v = from_newest(a, *rows, [&](std::size_t row) {
      return values.add(rows->field(row, a.field, kind), static_cast<std::uint32_t>(row)) && static_cast<std::int64_t>(values.count()) == k;
    });
    --values_used_;
    v.truth = v.truth == upward;
    return v;
  }
  if (a.fn == Fn::sum && (kind == Kind::integer || kind == Kind::decimal) && !rows->may_be_negative(a.field)) {
    // Values that are never negative: the newest rows that reach the bound hold it, whatever the older ones are.
    const auto units = [](const ValueView& v) { return v.kind == Kind::integer ? Int128{v.i} * Decimal::kScale : Int128{v.i}; };
    const Int128 wanted = threshold.units;
    Int128 sum = 0;
    if (wanted <= 0) return Verdict{upward, kNever};
    Verdict v = from_newest(a, *rows, [&](std::size_t row) { return (sum += units(rows->field(row, a.field, kind))) >= wanted; });
    v.truth = v.truth == upward;
    return v;
  }
  return std::nullopt;
}

Verdict Evaluator::per_value(const Node& node, const Aggregate& a) {
  // Without a trigger's key: the comparison holds when it holds for the rows of at least one value that is present. One value at a time takes
  // the place of the key.
  const Rows* rows = rows_of(a);
  if (rows == nullptr) return {false, kNever};
  const Kind kind = kind_of(plan_->catalog->events[a.event].fields[a.same].type);
  std::map<std::string, ValueView> values;
  const std::size_t past = rows->upper_bound(now_);
  for (std::size_t row = 0; row < past; ++row) {
    if (!rows->has_field(row, a.same)) continue;
    const ValueView v = rows->field(row, a.same, kind);
    std::string bytes;
    Writer writer(bytes);
    encode_value(writer, v);
    values.emplace(std::move(bytes), v);
  }
  Verdict result{false, kNever};
  has_key_ = true;
  for (const auto& [bytes, v] : values) {
    key_ = v;
    if (node.right != kNone) ++epoch_;  // a right side per value is another one for each value
    const Verdict one = compare_aggregate(node, a);
    if (one.truth && !result.truth) result = one;
    else if (one.truth) result.until = std::max(result.until, one.until);
    else if (!result.truth) result.until = std::min(result.until, one.until);
    if (result.truth && result.until == kNever) break;
  }
  has_key_ = false;
  if (node.right != kNone) ++epoch_;
  return result;
}

Verdict Evaluator::compare_aggregate(const Node& node, const Aggregate& a) {
  if (a.same != kNoField && !has_key_) return per_value(node, a);
  if (thresholds_[static_cast<std::size_t>(&node - plan_->nodes.data())].literal) {
    if (const std::optional<Verdict> v = reaches(node, a)) return *v;
  }
  const bool to_one = node.right == kNone && node.literals.size() == 1 && is_numeric(node.literals[0].kind);
  if (to_one && a.fn == Aggregate::Fn::count && node.op == Op::equals && node.literals[0].view().i == 0) {
    const Verdict v = at_least_rows(a, 1);
    return {!v.truth, v.until};
  }
  return compare_values(node, aggregate_value(a), nullptr);
}

}  // namespace nudge
