#include "rules/lint/facts.h"

#include <algorithm>
#include <set>

namespace nudge::lint {
namespace {

constexpr std::uint32_t kScoreKey = 0x80000000;
constexpr std::int64_t kFarDays = 1'000'000'000;

bool numeric(Type type) { return type == Type::integer || type == Type::number || type == Type::decimal; }
bool times(Type type) { return type == Type::date || type == Type::timestamp; }
bool texts(Type type) { return type == Type::text || type == Type::phone; }

Ranges unite(const Ranges& a, const Ranges& b) { return a.complement().intersect(b.complement()).complement(); }

std::int64_t floor_days(TimeMs t) { return t / kDay - (t % kDay < 0 ? 1 : 0); }

/// What a comparison of a date or timestamp with a fixed one leaves of it, in days or milliseconds. A date is the instant at which that day
/// starts in a zone that is not known here; and where a zone skips a day, two dates start at one instant. So some ends are a little loose.
struct Edge {
  std::int64_t low = 0, high = 0;  // the fixed instant lies between them, both included
  std::int64_t slack = 0;          // between dates: how far `not before` is from `after or equal`
  Ranges before() const { return Ranges::less_than(ValueView::of_integer(high)); }
  Ranges after() const { return Ranges::greater_than(ValueView::of_integer(low)); }
  Ranges not_before() const { return Ranges::whole_from(low - slack); }
  Ranges not_after() const { return Ranges::at_most(ValueView::of_integer(high + slack)); }
};

Edge edge_of(Type subject, const Value& literal, std::int64_t days_later = 0) {
  const bool date = literal.kind == Kind::date;
  const std::int64_t at = literal.bits + (date ? days_later : 0);
  if (subject == Type::date) return date ? Edge{at, at, 1} : Edge{floor_days(at) - 2, floor_days(at) + 2, 0};
  return date ? Edge{(at - 1) * kDay, (at + 1) * kDay, 0} : Edge{at, at, 0};
}

Ranges numbers_of(const Node& node) {
  const auto side = [&](std::size_t i) { return node.literals[i].view(); };
  std::vector<ValueView> all;
  for (const Value& v : node.literals) all.push_back(v.view());
  switch (node.op) {
    case Op::equals:
    case Op::in: return Ranges::points(std::move(all));
    case Op::not_equals:
    case Op::not_in: return Ranges::points(std::move(all)).complement();
    case Op::greater_than: return Ranges::greater_than(side(0));
    case Op::at_least: return Ranges::at_least(side(0));
    case Op::less_than: return Ranges::less_than(side(0));
    case Op::at_most: return Ranges::at_most(side(0));
    case Op::between: return Ranges::between(side(0), side(1));
    default: return Ranges::everything();
  }
}

const LeafDef* leaf_of(const Plan& plan, const Expr& expr) {
  const auto field = [&](EventTypeId event, std::uint32_t id) -> const LeafDef* {
    const auto& fields = plan.catalog->events[event].fields;
    return id < fields.size() ? &fields[id] : nullptr;
  };
  switch (expr.kind) {
    case Expr::Kind::attribute: return &plan.catalog->attributes[expr.ref];
    case Expr::Kind::field:
    case Expr::Kind::trigger_field: return field(expr.event, expr.ref);
    case Expr::Kind::aggregate: return field(plan.aggregates[expr.ref].event, plan.aggregates[expr.ref].field);
    default: return nullptr;
  }
}

bool counts(const Aggregate& a) { return a.fn == Aggregate::Fn::count || a.fn == Aggregate::Fn::distinct; }

bool of_row_time(const Aggregate& a) {
  using Fn = Aggregate::Fn;
  return a.field == kTimeField && (a.fn == Fn::first || a.fn == Fn::last || a.fn == Fn::min || a.fn == Fn::max);
}

/// Ages that rows of a window may have.
Ranges ages_in(const Window& w) {
  const std::int64_t least = w.kind == Window::Kind::from_to ? w.b : 0;
  if (w.kind == Window::Kind::within || w.kind == Window::Kind::from_to) return Ranges::half_open(least, w.a);
  return Ranges::whole_from(0);
}

}  // namespace

bool Facts::Subject::impossible() const {
  if (numeric(type)) return type == Type::integer ? numbers.whole().empty() : numbers.empty();
  if (type == Type::boolean) return numbers.intersect(Ranges::points({ValueView::of_integer(0), ValueView::of_integer(1)})).empty();
  return times(type) && (numbers.whole().empty() || age.whole().empty());
}

bool Facts::opaque(ExprId id) const {
  const Expr& expr = plan_.exprs[id];
  if (expr.kind == Expr::Kind::aggregate) return plan_.aggregates[expr.ref].same != kNoField;
  return expr.child != kNone && opaque(expr.child);
}

std::uint32_t Facts::key_of(ExprId id) const {
  const Expr& expr = plan_.exprs[id];
  if (expr.kind == Expr::Kind::trait) return key_of(expr.child);
  return expr.kind == Expr::Kind::score ? kScoreKey | expr.ref : id;
}

Ranges Facts::score_bounds(std::uint32_t score) const {
  std::int64_t low = 0, high = 0;
  bool endless_low = false, endless_high = false;
  for (const Score::Points& points : plan_.scores[score].points) {
    if (points.condition != kNone) {
      (points.add.units < 0 ? low : high) += points.add.units;
      continue;
    }
    if (points.trait == kNone) return Ranges::everything();
    const std::uint32_t key = key_of(points.trait);
    const Expr& expr = plan_.exprs[key & ~kScoreKey];
    const bool natural = (key & kScoreKey) == 0 &&
                         ((expr.kind == Expr::Kind::aggregate && counts(plan_.aggregates[expr.ref])) || expr.kind == Expr::Kind::size);
    if (!natural || points.add.units < 0) {
      endless_low = true;
    } else if (points.has_at_most) {
      low += std::min<std::int64_t>(points.at_most.units, 0);
    }
    if (points.has_at_most) {
      high += std::max<std::int64_t>(points.at_most.units, 0);
    } else if (!natural || points.add.units > 0) {
      endless_high = true;
    }
  }
  Ranges r = Ranges::everything();
  if (!endless_low) r = r.intersect(Ranges::at_least(ValueView::of_decimal(Decimal{low})));
  if (!endless_high) r = r.intersect(Ranges::at_most(ValueView::of_decimal(Decimal{high})));
  return r;
}

/// What is known of a value before anything is asked of it.
void Facts::begin(Subject& subject) const {
  const Expr& expr = plan_.exprs[subject.expr];
  subject.type = expr.type;
  switch (expr.kind) {
    case Expr::Kind::literal: subject.always_there = true; break;
    case Expr::Kind::field:
    case Expr::Kind::trigger_field:
      if (expr.ref != kTimeField) break;
      subject.always_there = expr.kind == Expr::Kind::field;
      subject.age = Ranges::whole_from(0);
      break;
    case Expr::Kind::size: subject.numbers = Ranges::whole_from(0); break;
    case Expr::Kind::aggregate: {
      const Aggregate& a = plan_.aggregates[expr.ref];
      subject.always_there = counts(a) || a.fn == Aggregate::Fn::sum;
      if (counts(a)) subject.numbers = Ranges::whole_from(0);
      if (of_row_time(a)) subject.age = ages_in(a.window);
      break;
    }
    default: break;
  }
}

Facts::Subject& Facts::subject(std::uint32_t key, ExprId expr) {
  const auto [place, fresh] = subjects_.try_emplace(key);
  if (fresh && (key & kScoreKey) != 0) {
    place->second.type = Type::decimal;
    place->second.always_there = true;
    place->second.numbers = score_bounds(key & ~kScoreKey);
  } else if (fresh) {
    place->second.expr = (key & kScoreKey) == 0 ? key : expr;
    begin(place->second);
  }
  return place->second;
}

void Facts::add_times(Subject& s, const Node& node, bool holds) {
  const auto age = [&](const Ranges& r) { s.age = s.age.intersect(holds ? r : r.complement()); };
  const auto fixed = [&](const Ranges& r) { s.numbers = s.numbers.intersect(r); };
  switch (node.op) {
    case Op::within: age(Ranges::half_open(0, node.duration)); break;
    case Op::older_than: age(Ranges::whole_from(node.duration)); break;
    case Op::in_next: age(Ranges::half_open(-node.duration, 0)); break;
    case Op::before: {
      const Edge edge = edge_of(s.type, node.literals[0]);
      fixed(holds ? edge.before() : edge.not_before());
      break;
    }
    case Op::after: {
      const Edge edge = edge_of(s.type, node.literals[0]);
      fixed(holds ? edge.after() : edge.not_after());
      break;
    }
    case Op::between: {  // an end that is a date counts as that whole day
      const Edge low = edge_of(s.type, node.literals[0]), high = edge_of(s.type, node.literals[1], 1);
      fixed(holds ? low.not_before().intersect(high.before()) : unite(low.before(), high.not_before()));
      break;
    }
    default: break;
  }
}

bool Facts::add_pair(const Node& node, bool holds) {
  unsigned signs = 0;
  switch (node.op) {
    case Op::equals: signs = 2; break;
    case Op::not_equals: signs = 5; break;
    case Op::less_than:
    case Op::before: signs = 1; break;
    case Op::at_most: signs = 3; break;
    case Op::greater_than:
    case Op::after: signs = 4; break;
    case Op::at_least: signs = 6; break;
    default: return true;
  }
  const std::uint32_t left = key_of(node.left), right = key_of(node.right);
  Pair& pair = pairs_[{left, right, static_cast<std::uint64_t>(node.times.units), node.ignore_case ? 1U : 0U}];
  pair.left = left;
  pair.right = right;
  if (left == right && node.times.units == Decimal::kScale) pair.signs &= 2;
  pair.signs &= holds ? signs : 7U & ~signs;
  pair.present = pair.present || holds;
  Subject& one = subject(left, node.left);
  one.present = one.present || holds;
  Subject& other = subject(right, node.right);
  other.present = other.present || holds;
  return true;
}

bool Facts::add_compare(const Node& node, bool holds) {
  if (opaque(node.left) || (node.right != kNone && opaque(node.right))) return true;
  if (node.right != kNone) return add_pair(node, holds);
  Subject& s = subject(key_of(node.left), node.left);
  if (node.op == Op::exists) {
    (holds ? s.present : s.missing) = true;
    return true;
  }
  s.present = s.present || holds;
  if (numeric(s.type)) {
    const Ranges r = numbers_of(node);
    if (!r.is_everything()) s.numbers = s.numbers.intersect(holds ? r : r.complement());
  } else if (s.type == Type::boolean && (node.op == Op::equals || node.op == Op::not_equals)) {
    const std::int64_t wanted = (node.literals[0].bits != 0) == (node.op == Op::equals) ? 1 : 0;
    s.numbers = s.numbers.intersect(Ranges::points({ValueView::of_integer(holds ? wanted : 1 - wanted)}));
  } else if (times(s.type)) {
    add_times(s, node, holds);
  } else {
    (holds ? s.yes : s.no).push_back(&node);
  }
  return true;
}

void Facts::add_sequence(const Sequence& sequence) {
  const Window& whole = sequence.window;
  for (std::size_t i = 0; i < sequence.steps.size(); ++i) {
    const SequenceStep& step = sequence.steps[i];
    if (step.absent) continue;
    Window window = whole;
    // What was waited for in vain for D after a row tells that the row is that old.
    const bool waited = i + 1 < sequence.steps.size() && sequence.steps[i + 1].absent;
    const bool relative = whole.kind == Window::Kind::ever || whole.kind == Window::Kind::within;
    if (waited && relative) window = aged(sequence.steps[i + 1].lasting, whole.kind == Window::Kind::ever ? kNever : whole.a);
    rows_.push_back({{step.event, step.filter, window, false, step.same}, 1, kManyRows});
  }
}

bool Facts::add(Literal leaf) {
  const auto [place, fresh] = said_.try_emplace(leaf.node, leaf.holds);
  if (!fresh) return place->second == leaf.holds;
  const Node& node = plan_.nodes[leaf.node];
  switch (node.kind) {
    case Node::Kind::compare: return add_compare(node, leaf.holds);
    case Node::Kind::has_been: return !leaf.holds || add({node.children[0], true});  // it holds now, too
    case Node::Kind::sequence:
      if (leaf.holds) add_sequence(plan_.sequences[node.ref]);
      return true;
    case Node::Kind::calendar:
      if (leaf.holds) calendars_.push_back(&plan_.calendars[node.ref]);
      return true;
    case Node::Kind::band: {
      const std::vector<Score::Band>& bands = plan_.scores[node.ref].bands;
      Ranges r = Ranges::at_least(ValueView::of_decimal(bands[node.band].from));
      if (node.band + 1 < bands.size()) r = r.intersect(Ranges::less_than(ValueView::of_decimal(bands[node.band + 1].from)));
      Subject& s = subject(kScoreKey | node.ref, kNone);
      s.numbers = s.numbers.intersect(leaf.holds ? r : r.complement());
      return true;
    }
    default: return true;
  }
}

/// Two calendars of one zone whose weekdays, hours or dates never meet. Hours over midnight belong to two days and are left alone.
bool Facts::calendars_fit() const {
  const auto over_midnight = [](const Calendar& c) { return std::ranges::any_of(c.hours, [](const auto& h) { return h.to <= h.from; }); };
  const auto meet = [](const auto& as, const auto& bs, auto overlap) {
    if (as.empty() || bs.empty()) return true;
    for (const auto& a : as) {
      for (const auto& b : bs) {
        if (overlap(a, b)) return true;
      }
    }
    return false;
  };
  for (std::size_t i = 0; i < calendars_.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const Calendar& a = *calendars_[i];
      const Calendar& b = *calendars_[j];
      if (a.tenant_zone != b.tenant_zone || over_midnight(a) || over_midnight(b)) continue;
      if ((a.weekdays & b.weekdays) == 0) return false;
      if (!meet(a.hours, b.hours, [](const auto& x, const auto& y) { return x.from < y.to && y.from < x.to; })) return false;
      if (!meet(a.dates, b.dates, [](const auto& x, const auto& y) { return x.from <= y.to && y.from <= x.to; })) return false;
    }
  }
  return true;
}

/// The days since a date, or the size of a list, are there exactly when the date or list is.
void Facts::settle_children() {
  std::vector<std::uint32_t> derived;
  for (const auto& [key, s] : subjects_) {
    if (s.expr == kNone) continue;
    const Expr::Kind kind = plan_.exprs[s.expr].kind;
    if (kind == Expr::Kind::days_since || kind == Expr::Kind::size) derived.push_back(key);
  }
  for (const std::uint32_t key : derived) {
    const Expr& expr = plan_.exprs[subjects_.at(key).expr];
    Subject& child = subject(key_of(expr.child), expr.child);
    Subject& parent = subjects_.at(key);
    if (parent.impossible()) parent.missing = true;
    child.present = child.present || parent.present;
    child.missing = child.missing || parent.missing;
    parent.always_there = child.always_there;
    if (expr.kind != Expr::Kind::days_since || parent.numbers.is_everything()) continue;
    const Ranges days = parent.numbers.whole();
    const std::int64_t low = days.lowest(-kFarDays), high = days.highest(kFarDays);
    if (low > -kFarDays) child.age = child.age.intersect(Ranges::whole_from(std::min(low, kFarDays) * kDay));
    if (high < kFarDays) child.age = child.age.intersect(Ranges::whole_below((std::max(high, -kFarDays) + 1) * kDay));
  }
}

bool Facts::settle_pairs() {
  for (const auto& [key, pair] : pairs_) {
    const Subject& left = subjects_.at(pair.left);
    const Subject& right = subjects_.at(pair.right);
    const bool there = pair.present || ((left.present || left.always_there) && (right.present || right.always_there));
    if (pair.signs == 0 && there) return false;
  }
  return true;
}

/// What the values left of aggregates say about the number of rows.
void Facts::settle_rows(std::vector<RowFact>& rows) const {
  using Fn = Aggregate::Fn;
  for (const auto& [key, s] : subjects_) {
    if (s.expr == kNone || plan_.exprs[s.expr].kind != Expr::Kind::aggregate) continue;
    const Aggregate& a = plan_.aggregates[plan_.exprs[s.expr].ref];
    const Rowset set{a.event, a.filter, a.window, a.before_trigger, a.fn == Fn::count || a.field == kTimeField ? kNoField : a.field};
    const Ranges whole = s.numbers.whole();
    if (a.fn == Fn::count) {
      rows.push_back({set, whole.lowest(0), whole.highest(kManyRows)});
    } else if (a.fn == Fn::distinct) {
      rows.push_back({set, whole.lowest(0), whole.highest(1) == 0 ? 0 : kManyRows});
    } else if (a.fn == Fn::sum) {
      if (s.numbers.intersect(Ranges::points({ValueView::of_integer(0)})).empty()) rows.push_back({set, 1, kManyRows});
    } else if (s.missing) {
      rows.push_back({set, 0, 0});
    } else if (s.present) {
      rows.push_back({set, 1, kManyRows});
      if (!of_row_time(a)) continue;
      const Ranges ages = s.age.whole();
      const std::int64_t least = ages.lowest(0), most = ages.highest(kNever);
      const DurationMs beyond = most >= kNever ? kNever : most + 1;
      Rowset part = set;
      part.window = aged(least, beyond);
      rows.push_back({part, 1, kManyRows});
      const bool relative = a.window.kind != Window::Kind::since && a.window.kind != Window::Kind::fixed;
      if (!relative) continue;
      const DurationMs from = a.window.kind == Window::Kind::from_to ? a.window.b : 0;
      const DurationMs to = a.window.kind == Window::Kind::ever ? kNever : a.window.a;
      const bool newest = a.fn == Fn::last || a.fn == Fn::max;
      part.window = newest ? aged(from, least) : aged(beyond, to);
      if (part.window.b < part.window.a) rows.push_back({part, 0, 0});
    }
  }
}

bool Facts::consistent(const std::vector<Literal>& leaves, const Known& known) {
  for (const ExprId value : known.missing) {
    if (!opaque(value)) subject(key_of(value), value).missing = true;
  }
  for (const Literal& leaf : leaves) {
    if (!add(leaf)) return false;
  }
  settle_children();
  for (auto& [key, s] : subjects_) {
    bool none_left = s.impossible();
    if (s.expr != kNone && texts(s.type)) {
      const LeafDef* leaf = leaf_of(plan_, plan_.exprs[s.expr]);
      static const std::vector<std::string> kAny;
      none_left = !text_left(s.yes, s.no, leaf == nullptr ? kAny : leaf->one_of);
    } else if (s.type == Type::list) {
      none_left = !list_left(s.yes, s.no);
    }
    if (none_left) s.missing = true;
    if (s.missing && (s.present || s.always_there)) return false;
  }
  if (!settle_pairs() || !calendars_fit()) return false;
  std::vector<RowFact> all = known.rows;
  all.insert(all.end(), rows_.begin(), rows_.end());
  settle_rows(all);
  return !contradict(all, solver_);
}

}  // namespace nudge::lint
