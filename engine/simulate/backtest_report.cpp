#include "engine/simulate/backtest_report.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "engine/core/desk.h"

namespace nudge {

namespace {

// All parts of one side as one: customers are ranks in the order of their ids.
struct Whole {
  std::vector<BacktestTally::Decided> decided;
  std::vector<BacktestTally::Acted> acted;
  std::vector<BacktestTally::Moved> moved;
  std::vector<std::string> kinds;
  std::vector<ActionOut> assigned;
  std::vector<std::tuple<std::uint32_t, Held, TimeMs>> held_by_desk;  // rule, reason, when
};

void append(Whole& whole, BacktestTally& tally, const std::vector<std::uint32_t>& rank) {
  std::vector<std::uint32_t> kinds;
  for (const std::string& kind : tally.kinds) {
    const auto it = std::ranges::find(whole.kinds, kind);
    kinds.push_back(static_cast<std::uint32_t>(it - whole.kinds.begin()));
    if (it == whole.kinds.end()) whole.kinds.push_back(kind);
  }
  const auto base = static_cast<std::uint32_t>(whole.assigned.size());
  for (BacktestTally::Decided& d : tally.decided) {
    d.customer = rank[d.customer];
    d.serial = static_cast<std::uint32_t>(whole.decided.size());
    whole.decided.push_back(d);
  }
  for (BacktestTally::Acted& a : tally.acted) {
    a.customer = rank[a.customer];
    a.serial = static_cast<std::uint32_t>(whole.acted.size());
    a.kind = kinds[a.kind];
    if (a.assign != kNone) a.assign += base;
    whole.acted.push_back(a);
  }
  for (BacktestTally::Moved& m : tally.moved) {
    m.customer = rank[m.customer];
    whole.moved.push_back(m);
  }
  std::ranges::move(tally.assigned, std::back_inserter(whole.assigned));
  tally = {};
}

// Lets a desk settle everything in order: takes back what is above at_most, gives tasks to people.
void settle(const Plan& plan, Whole& whole, const std::vector<std::string>& customers) {
  const auto order = [](const auto& a, const auto& b) { return std::tie(a.at, a.customer) < std::tie(b.at, b.customer); };
  const auto whole_order = [](const auto& a, const auto& b) {
    return std::tie(a.at, a.customer, a.serial) < std::tie(b.at, b.customer, b.serial);
  };
  std::ranges::sort(whole.decided, whole_order);
  std::ranges::sort(whole.acted, whole_order);
  const bool limited = std::ranges::any_of(plan.rules, [](const Rule& rule) { return rule.limits.at_most != 0; }) ||
                       std::ranges::any_of(plan.policies, [](const Policy& policy) {
                         return policy.kind == Policy::Kind::budget || policy.kind == Policy::Kind::brake;
                       });
  if (!limited && whole.assigned.empty()) return;
  Desk desk;
  desk.roster().assume_done();  // nobody does the tasks of a backtest
  Effects effects;
  std::vector<BacktestTally::Acted> left;
  std::vector<std::size_t> gone;
  std::size_t d = 0, a = 0;
  while (d < whole.decided.size() || a < whole.acted.size()) {
    const bool by_decision = a == whole.acted.size() || (d < whole.decided.size() && !order(whole.acted[a], whole.decided[d]));
    const TimeMs at = by_decision ? whole.decided[d].at : whole.acted[a].at;
    const std::uint32_t customer = by_decision ? whole.decided[d].customer : whole.acted[a].customer;
    const auto here = [&](const auto& x) { return x.at == at && x.customer == customer; };
    effects.clear();
    const std::size_t d0 = d;
    for (; d < whole.decided.size() && here(whole.decided[d]); ++d) {
      Decision& decision = effects.decisions.emplace_back();
      decision.fired = whole.decided[d].fired;
      decision.held = whole.decided[d].held;
      decision.rule_id = plan.rules[whole.decided[d].rule].id;
      decision.customer = customers[customer];
      decision.at = at;
      decision.step = whole.decided[d].step;
      decision.cause.at = static_cast<TimeMs>(whole.decided[d].cause);
    }
    for (; a < whole.acted.size() && here(whole.acted[a]); ++a) {
      const BacktestTally::Acted& acted = whole.acted[a];
      ActionOut& action = effects.actions.emplace_back();
      if (acted.assign != kNone) action = std::move(whole.assigned[acted.assign]);
      const Rule& rule = plan.rules[acted.rule];
      action.rule = rule.name;
      action.rule_id = rule.id;
      action.purpose = rule.purpose;
      if (acted.step < rule.steps.size()) {
        action.kind = rule.steps[acted.step].action.kind;
        action.channel = rule.steps[acted.step].action.channel;
        action.category = rule.steps[acted.step].action.category;
      }
      action.customer = customers[customer];
      action.at = at;
      action.cause = {};
      action.cause.at = static_cast<TimeMs>(acted.cause);
      action.due = static_cast<TimeMs>(a);  // which one it is, after some were taken out
    }
    // In life the run of a firing that was taken back is gone by now.
    for (std::size_t i = d0; i < d; ++i) {
      if (effects.decisions[i - d0].step != kNone && desk.is_taken_back(effects.decisions[i - d0])) gone.push_back(i);
    }
    desk.settle(plan, effects);
    for (std::size_t i = d0; i < d; ++i) {
      whole.decided[i].fired = effects.decisions[i - d0].fired;
      whole.decided[i].held = effects.decisions[i - d0].held;
    }
    for (const HeldAction& held : effects.held_actions)
      whole.held_by_desk.emplace_back(whole.acted[static_cast<std::size_t>(held.action.due)].rule, held.held, held.action.at);
    for (ActionOut& action : effects.actions) {
      const BacktestTally::Acted& acted = whole.acted[static_cast<std::size_t>(action.due)];
      left.push_back(acted);
      if (acted.assign != kNone) whole.assigned[acted.assign] = std::move(action);
    }
  }
  whole.acted = std::move(left);
  std::size_t i = 0, next = 0;
  std::erase_if(whole.decided, [&](const BacktestTally::Decided&) {
    const bool drop = next < gone.size() && gone[next] == i;
    ++i;
    if (drop) ++next;
    return drop;
  });
}

class Counter {
 public:
  Counter(BacktestReport& report, const Zone& zone) : report_(report), zone_(zone) {
    DateDays day = zone.local(report.from).date;
    const DateDays last = zone.local(report.to - 1).date;
    first_ = day;
    for (; day <= last; ++day) report.days.push_back(day);
  }

  std::size_t day_of(TimeMs at) const { return static_cast<std::size_t>(zone_.local(std::max(at, report_.from)).date - first_); }
  std::size_t days() const { return report_.days.size(); }

 private:
  BacktestReport& report_;
  const Zone& zone_;
  DateDays first_ = 0;
};

using Sides = std::vector<BacktestReport::Side>;
// What fired, by rule: customer and cause.
using Fired = std::vector<std::vector<std::pair<std::uint32_t, std::uint64_t>>>;

void count_outcomes(const Plan& plan, const Whole& whole, Sides& sides) {
  // A customer counts once at a time: a firing while an earlier one still waits for its goal starts the wait anew, so a row counts for the
  // last firing before it only.
  std::map<std::tuple<std::uint32_t, std::uint32_t, Held>, TimeMs> next;
  for (std::size_t i = whole.decided.size(); i-- > 0;) {
    const BacktestTally::Decided& d = whole.decided[i];
    const Goal& goal = plan.rules[d.rule].goal;
    if (d.step != kNone || goal.event == kNoEventType || goal.within <= 0) continue;
    const auto [later, first] = next.try_emplace({d.customer, d.rule, d.held}, kNever);
    BacktestReport::Outcome& outcome = sides[d.rule].outcomes[d.held];
    ++outcome.firings;
    if (d.goal_at != kNever && d.goal_at <= later->second) {
      ++outcome.converted;
      outcome.value.units += d.goal_value.units;
    }
    later->second = d.at;
  }
}

Sides count_rules(const Plan& plan, const Whole& whole, const Counter& counter, Fired& fired) {
  Sides sides(plan.rules.size());
  fired.assign(plan.rules.size(), {});
  for (std::size_t r = 0; r < plan.rules.size(); ++r) {
    BacktestReport::Side& side = sides[r];
    side.there = true;
    for (auto* days : {&side.fired_per_day, &side.held_per_day, &side.actions_per_day}) days->assign(counter.days(), 0);
    const Goal& goal = plan.rules[r].goal;
    side.has_goal = goal.event != kNoEventType;
    if (!side.has_goal) continue;
    side.goal_event = plan.catalog->events[goal.event].name;
    side.goal_within = goal.within;
  }
  std::map<std::pair<std::uint32_t, TimeMs>, std::uint64_t> hours;  // by rule and start of the hour, as the brake counts
  const auto count_hour = [&](std::uint32_t rule, TimeMs at) {
    std::uint64_t& most = sides[rule].busiest_hour;
    most = std::max(most, ++hours[{rule, at - ((at % kHour) + kHour) % kHour}]);
  };
  for (const auto& [rule, held, at] : whole.held_by_desk) {
    ++sides[rule].held_by_policies[held];
    count_hour(rule, at);
  }
  for (const BacktestTally::Decided& d : whole.decided) {
    BacktestReport::Side& side = sides[d.rule];
    if (d.step != kNone) {
      if (!d.fired) ++(held_by_policy(d.held) ? side.held_by_policies : side.held_step)[d.held];
      continue;
    }
    if (d.fired) {
      ++side.fired;
      ++side.fired_per_day[counter.day_of(d.at)];
      fired[d.rule].emplace_back(d.customer, d.cause);
    } else {
      ++side.held[d.held];
      ++side.held_per_day[counter.day_of(d.at)];
    }
  }
  std::vector<std::map<std::tuple<std::string, std::string>, BacktestReport::Person>> people(plan.rules.size());
  for (const BacktestTally::Acted& a : whole.acted) {
    BacktestReport::Side& side = sides[a.rule];
    ++side.actions;
    count_hour(a.rule, a.at);
    ++side.actions_per_day[counter.day_of(a.at)];
    ++side.kinds[whole.kinds[a.kind]];
    if (a.assign == kNone) continue;
    const ActionOut& action = whole.assigned[a.assign];
    BacktestReport::Person& person = people[a.rule][{action.assignment.team, action.owner}];
    if (person.per_day.empty())
      person = {action.assignment.team, action.owner, action.owner_name, 0, std::vector<std::uint64_t>(counter.days())};
    ++person.total;
    ++person.per_day[counter.day_of(a.at)];
  }
  for (std::size_t r = 0; r < people.size(); ++r) {
    for (auto& [who, person] : people[r]) sides[r].people.push_back(std::move(person));
  }
  count_outcomes(plan, whole, sides);
  return sides;
}

std::vector<BacktestReport::SegmentSide> count_segments(const Plan& plan, const Whole& whole, const Counter& counter,
                                                        std::vector<std::set<std::uint32_t>>& entered) {
  std::vector<BacktestReport::SegmentSide> sides(plan.segments.size());
  entered.assign(plan.segments.size(), {});
  for (auto& side : sides) {
    side.there = true;
    side.entered_per_day.assign(counter.days(), 0);
  }
  for (const BacktestTally::Moved& m : whole.moved) {
    BacktestReport::SegmentSide& side = sides[m.segment];
    if (m.silent) {
      if (m.entered) ++side.members_from;
    } else if (m.entered) {
      ++side.entered;
      ++side.entered_per_day[counter.day_of(m.at)];
      entered[m.segment].insert(m.customer);
    } else {
      ++side.left;
    }
  }
  for (auto& side : sides) side.members_to = side.members_from + side.entered - side.left;
  return sides;
}

void add(BacktestReport::Ids& ids, std::uint32_t customer, const std::vector<std::string>& names) {
  ++ids.total;
  if (ids.ids.size() < BacktestReport::kIdsKept) ids.ids.push_back(names[customer]);
}

// Sorts who is in one, the other or both.
template <class Range, class Take>
void divide(const Range& draft, const Range& live, Take&& take) {
  auto d = draft.begin();
  auto l = live.begin();
  while (d != draft.end() || l != live.end()) {
    if (l == live.end() || (d != draft.end() && *d < *l))
      take(*d++, true, false);
    else if (d == draft.end() || *l < *d)
      take(*l++, false, true);
    else {
      take(*d++, true, true);
      ++l;
    }
  }
}

void compare_rule(BacktestReport::Rule& rule, std::vector<std::pair<std::uint32_t, std::uint64_t>> draft,
                  std::vector<std::pair<std::uint32_t, std::uint64_t>> live, const std::vector<std::string>& names) {
  std::ranges::sort(draft);
  std::ranges::sort(live);
  divide(draft, live, [&](const auto&, bool in_draft, bool in_live) {
    ++(in_draft && in_live ? rule.firings_both : in_draft ? rule.firings_only_draft : rule.firings_only_live);
  });
  std::set<std::uint32_t> d, l;
  for (const auto& [customer, cause] : draft) d.insert(customer);
  for (const auto& [customer, cause] : live) l.insert(customer);
  rule.draft.customers = d.size();
  rule.live.customers = l.size();
  divide(d, l, [&](std::uint32_t customer, bool in_draft, bool in_live) {
    add(in_draft && in_live ? rule.both : in_draft ? rule.only_draft : rule.only_live, customer, names);
  });
}

// One side: settled and counted.
struct Counted {
  Sides rules;
  Fired fired;
  std::vector<BacktestReport::SegmentSide> segments;
  std::vector<std::set<std::uint32_t>> entered;
};

Counted count(const Plan& plan, Whole& whole, const Counter& counter, const std::vector<std::string>& names) {
  Counted counted;
  settle(plan, whole, names);
  counted.rules = count_rules(plan, whole, counter, counted.fired);
  counted.segments = count_segments(plan, whole, counter, counted.entered);
  for (std::size_t s = 0; s < counted.segments.size(); ++s) {
    for (const std::uint32_t customer : counted.entered[s]) add(counted.segments[s].customers, customer, names);
  }
  return counted;
}

}  // namespace

BacktestReport finish_backtest(const BacktestSetup& setup, std::vector<BacktestPart> parts) {
  BacktestReport report;
  report.from = setup.options.from;
  report.to = setup.options.to;
  report.zone = setup.draft->zone.name();
  report.has_live = setup.live != nullptr;
  report.not_whole = setup.not_whole;
  const Counter counter(report, setup.draft->zone);
  std::vector<std::string> names;
  for (const BacktestPart& part : parts) {
    report.customers += part.heard;
    report.events += part.events;
    names.insert(names.end(), part.customers.begin(), part.customers.end());
  }
  std::ranges::sort(names);
  Whole draft, live;
  for (BacktestPart& part : parts) {
    std::vector<std::uint32_t> rank;
    for (const std::string& id : part.customers) {
      rank.push_back(static_cast<std::uint32_t>(std::ranges::lower_bound(names, id) - names.begin()));
    }
    append(draft, part.draft, rank);
    append(live, part.live, rank);
  }
  const Counted d = count(*setup.draft, draft, counter, names);
  const Counted l = setup.live == nullptr ? Counted() : count(*setup.live, live, counter, names);
  const auto place = [](const auto& all, const std::string& name) {
    return static_cast<std::size_t>(std::ranges::find(all, name, [](const auto& x) -> const std::string& { return x.name; }) - all.begin());
  };
  const Plan none;
  const Plan& live_plan = setup.live == nullptr ? none : *setup.live;
  for (const BacktestSetup::Named& named : setup.rules) {
    BacktestReport::Rule& rule = report.rules.emplace_back();
    rule.name = named.name;
    rule.change = named.change;
    const std::size_t in_draft = place(setup.draft->rules, named.name), in_live = place(live_plan.rules, named.name);
    const bool has_draft = in_draft < d.rules.size(), has_live = in_live < l.rules.size();
    if (has_live) rule.live = l.rules[in_live];
    if (has_draft) rule.draft = d.rules[in_draft];
    rule.description = has_draft ? setup.draft->rules[in_draft].description : live_plan.rules[in_live].description;
    rule.draft.state = named.draft_state;
    rule.live.state = named.live_state;
    compare_rule(rule, has_draft ? d.fired[in_draft] : Fired::value_type(), has_live ? l.fired[in_live] : Fired::value_type(), names);
  }
  for (const BacktestSetup::Named& named : setup.segments) {
    BacktestReport::Segment& segment = report.segments.emplace_back();
    segment.name = named.name;
    segment.change = named.change;
    const std::size_t in_draft = place(setup.draft->segments, named.name), in_live = place(live_plan.segments, named.name);
    if (in_draft < d.segments.size()) segment.draft = d.segments[in_draft];
    if (in_live < l.segments.size()) segment.live = l.segments[in_live];
    divide(in_draft < d.entered.size() ? d.entered[in_draft] : std::set<std::uint32_t>(),
           in_live < l.entered.size() ? l.entered[in_live] : std::set<std::uint32_t>(),
           [&](std::uint32_t customer, bool drafted, bool lived) {
             add(drafted && lived ? segment.both : drafted ? segment.only_draft : segment.only_live, customer, names);
           });
  }
  return report;
}

}  // namespace nudge
