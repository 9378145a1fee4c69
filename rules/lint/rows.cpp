#include "rules/lint/rows.h"

#include <map>

#include "rules/lint/solver.h"

namespace nudge::lint {
namespace {

bool is_relative(const Window& w) {
  return w.kind == Window::Kind::ever || w.kind == Window::Kind::within || w.kind == Window::Kind::from_to;
}
/// Ages of the rows in it: [least, most).
DurationMs most_age(const Window& w) { return w.kind == Window::Kind::ever ? kNever : w.a; }
DurationMs least_age(const Window& w) { return w.kind == Window::Kind::from_to ? w.b : 0; }

/// No calendar unit is longer, with a day more for the clock changes of any zone.
DurationMs longest(Window::Unit unit) {
  switch (unit) {
    case Window::Unit::day: return 2 * kDay + kHour;
    case Window::Unit::week: return 8 * kDay + kHour;
    case Window::Unit::month: return 32 * kDay + kHour;
    case Window::Unit::quarter: return 93 * kDay + kHour;
    case Window::Unit::year: return 367 * kDay + kHour;
  }
  return kNever;
}

bool unit_within(Window::Unit inner, Window::Unit outer) {
  if (inner == outer || inner == Window::Unit::day) return true;
  return inner != Window::Unit::week && outer != Window::Unit::week && inner < outer;
}

bool same_kind(const Window::Bound& a, const Window::Bound& b, bool same_zone) {
  return a.is_date == b.is_date && (!a.is_date || same_zone);
}

}  // namespace

Window aged(DurationMs least, DurationMs most) {
  Window w;
  w.kind = Window::Kind::from_to;
  w.a = most;
  w.b = least;
  return w;
}

bool window_within(const Window& inner, const Window& outer) {
  if (outer.kind == Window::Kind::ever || inner == outer) return true;
  if (is_relative(inner) && is_relative(outer)) return most_age(inner) <= most_age(outer) && least_age(inner) >= least_age(outer);
  const bool same_zone = inner.tenant_zone == outer.tenant_zone;
  if (outer.kind == Window::Kind::since) {
    // A row of this very millisecond lies in every calendar unit that goes on now.
    if (is_relative(inner)) return most_age(inner) <= 1;
    return inner.kind == Window::Kind::since && same_zone && unit_within(inner.unit, outer.unit);
  }
  if (inner.kind == Window::Kind::since) {
    return is_relative(outer) && least_age(outer) == 0 && longest(inner.unit) <= most_age(outer);
  }
  if (inner.kind != Window::Kind::fixed || outer.kind != Window::Kind::fixed) return false;
  const bool low = !outer.lo.set || (inner.lo.set && same_kind(inner.lo, outer.lo, same_zone) && inner.lo.at >= outer.lo.at);
  const bool high = !outer.hi.set || (inner.hi.set && same_kind(inner.hi, outer.hi, same_zone) && inner.hi.at <= outer.hi.at);
  return low && high;
}

bool windows_apart(const Window& a, const Window& b) {
  return is_relative(a) && is_relative(b) && (most_age(a) <= least_age(b) || most_age(b) <= least_age(a));
}

bool rows_within(const Rowset& inner, const Rowset& outer, Solver& solver) {
  if (inner.event != outer.event || (outer.before_trigger && !inner.before_trigger)) return false;
  if (outer.field != kNoField && outer.field != inner.field) return false;
  if (!window_within(inner.window, outer.window)) return false;
  return outer.filter == kNone || inner.filter == outer.filter || (inner.filter != kNone && solver.implies(inner.filter, outer.filter));
}

bool contradict(const std::vector<RowFact>& facts, Solver& solver) {
  std::map<EventTypeId, std::pair<std::vector<const RowFact*>, std::vector<const RowFact*>>> by_event;
  for (const RowFact& fact : facts) {
    if (fact.least > fact.most) return true;
    const bool no_room = is_relative(fact.rows.window) && most_age(fact.rows.window) <= least_age(fact.rows.window);
    if (no_room && fact.least > 0) return true;
    auto& [some, few] = by_event[fact.rows.event];
    if (fact.least > 0) {
      if (fact.rows.filter != kNone && solver.verdict(fact.rows.filter) == Verdict::never) return true;
      some.push_back(&fact);
    }
    if (fact.most != kManyRows) few.push_back(&fact);
  }
  for (const auto& [event, sides] : by_event) {
    for (const RowFact* inner : sides.first) {
      for (const RowFact* outer : sides.second) {
        if (!solver.spend(1)) return false;
        if (inner->least > outer->most && rows_within(inner->rows, outer->rows, solver)) return true;
      }
    }
  }
  return false;
}

}  // namespace nudge::lint
