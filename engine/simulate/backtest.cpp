#include "engine/simulate/backtest.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/core/judge.h"
#include "engine/core/write.h"
#include "engine/plan/dependencies.h"
#include "engine/plan/registry.h"

namespace nudge {

std::string_view change_name(Change c) {
  switch (c) {
    case Change::same: return "same";
    case Change::added: return "added";
    case Change::changed: return "changed";
    case Change::removed: return "removed";
  }
  return "";
}

namespace {

// Leaves in the plan what the rules and segments of these names need, and gives it ids of its own. Segments that conditions speak of are
// part of the graph; only those whose edges count need judging.
std::shared_ptr<const Plan> narrow(const Plan& whole, const std::set<std::string>& rules, const std::set<std::string>& segments, bool draft,
                                   TimeMs activated) {
  auto plan = std::make_shared<Plan>(whole);
  std::erase_if(plan->rules, [&](const Rule& rule) { return !rules.contains(rule.name); });
  std::vector<std::uint32_t> place(plan->segments.size(), kNone);
  std::vector<Segment> kept;
  const auto keep = [&](std::uint32_t index) {
    if (place[index] != kNone) return;
    place[index] = static_cast<std::uint32_t>(kept.size());
    kept.push_back(plan->segments[index]);
  };
  for (std::uint32_t i = 0; i < plan->segments.size(); ++i) {
    if (segments.contains(plan->segments[i].name)) keep(i);
  }
  for (Rule& rule : plan->rules) {
    if (rule.trigger.segment != kNone) {
      keep(rule.trigger.segment);
      rule.trigger.segment = place[rule.trigger.segment];
    }
    if (draft || rule.state == RuleState::shadow) rule.state = RuleState::active;
  }
  for (Node& node : plan->nodes) {
    if (node.kind == Node::Kind::segment && node.ref < place.size()) node.ref = place[node.ref] == kNone ? 0 : place[node.ref];
  }
  plan->segments = std::move(kept);
  index_plan(*plan);
  Registry().bind(*plan, activated);
  return plan;
}

template <class T, class Same>
void compare(const std::vector<T>& draft, const std::vector<T>* live, Same&& same, std::map<std::string, Change>& out) {
  for (const T& d : draft) out[d.name] = Change::added;
  if (live == nullptr) return;
  std::map<std::string_view, const T*> known;
  for (const T& d : draft) known[d.name] = &d;
  for (const T& l : *live) {
    const auto it = known.find(l.name);
    out[l.name] = it == known.end() ? Change::removed : same(*it->second, l) ? Change::same : Change::changed;
  }
}

std::uint64_t fingerprint(const Cause& cause, std::string& scratch) {
  scratch.clear();
  Writer out(scratch);
  out.u8(static_cast<std::uint8_t>(cause.kind));
  if (cause.kind == Cause::Kind::event) {
    out.varint(cause.type);
    out.svarint(cause.row_time);
    out.string(cause.row_id);
  } else {
    out.svarint(cause.at);
  }
  out.string(cause.key);
  return hash64(scratch);
}

bool writes(const Plan& plan) {
  return std::ranges::any_of(plan.rules, [](const Rule& rule) {
    return std::ranges::any_of(rule.steps, [](const Step& step) { return step.action.write.kind != Write::Kind::none; });
  });
}

TimeMs oldest_fact(const CustomerState& state) {
  TimeMs first = state.attributes.next_after(kAlways);
  for (const auto& [type, rows] : state.events) {
    if (!rows.empty()) first = std::min(first, rows.time(0));
  }
  for (const TagUpdate& tag : state.tags) first = std::min(first, tag.time);
  return first;
}

}  // namespace

namespace {

// What both sides would have to see from the beginning on.
std::vector<Faded> faded_of(const BacktestSetup& setup, const Catalog& kept_by) {
  std::vector<Faded> all;
  for (const Plan* plan : {setup.draft.get(), setup.live.get()}) {
    if (plan == nullptr) continue;
    Reading reading;
    for (const Rule& rule : plan->rules) {
      add_reading(*plan, rule, reading);
      reading.events.push_back(rule.goal.event);
    }
    for (const Segment& segment : plan->segments) reading.conditions.push_back(segment.node);
    for (Faded& f : faded(*plan, reading, setup.options.from, kept_by, setup.options.now)) {
      if (std::ranges::find(all, f.event, &Faded::event) == all.end()) all.push_back(std::move(f));
    }
  }
  std::ranges::sort(all, {}, &Faded::event);
  return all;
}

}  // namespace

Result<BacktestSetup> prepare_backtest(const Plan& draft, const Plan* live, const std::vector<std::string>& only, BacktestOptions options) {
  if (options.from >= options.to) return fail(Code::invalid, "a backtest must start before it ends: `from` is not before `to`");
  std::map<std::string, Change> rules, segments;
  compare(
      draft.rules, live == nullptr ? nullptr : &live->rules, [](const Rule& a, const Rule& b) { return a.definition == b.definition; },
      rules);
  compare(
      draft.segments, live == nullptr ? nullptr : &live->segments, [](const Segment& a, const Segment& b) { return a.key == b.key; },
      segments);
  std::set<std::string> wanted_rules, wanted_segments;
  for (const std::string& name : only) {
    if (!rules.contains(name))
      return fail(Code::not_found, "there is no rule `" + name + "`, neither in the draft nor among the live ones");
    wanted_rules.insert(name);
  }
  const bool any_difference = live != nullptr && (std::ranges::any_of(rules, [](const auto& r) { return r.second != Change::same; }) ||
                                                  std::ranges::any_of(segments, [](const auto& s) { return s.second != Change::same; }));
  if (only.empty()) {
    for (const auto& [name, change] : rules) {
      if (!any_difference || change != Change::same) wanted_rules.insert(name);
    }
    for (const auto& [name, change] : segments) {
      if (!any_difference || change != Change::same) wanted_segments.insert(name);
    }
  }
  const auto triggers = [&](const Plan& plan) {
    for (const Rule& rule : plan.rules) {
      if (wanted_rules.contains(rule.name) && rule.trigger.segment != kNone)
        wanted_segments.insert(plan.segments[rule.trigger.segment].name);
    }
  };
  triggers(draft);
  if (live != nullptr) triggers(*live);
  BacktestSetup setup;
  setup.options = options;
  setup.draft = narrow(draft, wanted_rules, wanted_segments, true, options.from - 1);
  if (live != nullptr) setup.live = narrow(*live, wanted_rules, wanted_segments, false, options.from - 1);
  for (const std::string& name : wanted_rules) {
    BacktestSetup::Named named{name, rules[name], {}, {}};
    if (const Rule* rule = draft.find_rule(name)) named.draft_state = rule_state_name(rule->state);
    if (const Rule* rule = live == nullptr ? nullptr : live->find_rule(name)) named.live_state = rule_state_name(rule->state);
    setup.rules.push_back(std::move(named));
  }
  for (const std::string& name : wanted_segments) setup.segments.push_back({name, segments[name], {}, {}});
  if (options.now != 0) setup.not_whole = faded_of(setup, live == nullptr ? *draft.catalog : *live->catalog);
  return setup;
}

BacktestWorker::BacktestWorker(const BacktestSetup& setup) : setup_(setup) {}

void BacktestWorker::customer(CustomerState& state) {
  const TimeMs first = oldest_fact(state);
  if (first >= setup_.options.to) return;
  ++part_.heard;
  for (const auto& [type, rows] : state.events) part_.events += rows.lower_bound(setup_.options.to) - rows.lower_bound(setup_.options.from);
  current_ = kNone;
  if (setup_.live == nullptr) return run(draft_, *setup_.draft, state, first, part_.draft);
  if (!writes(*setup_.draft) && !writes(*setup_.live)) {
    run(draft_, *setup_.draft, state, first, part_.draft);
    return run(live_, *setup_.live, state, first, part_.live);
  }
  // What the live rules wrote is among the facts. The draft starts without it, and what it writes itself stays on its side.
  CustomerState draft_state = state;
  written_.clear();
  run(live_, *setup_.live, state, first, part_.live);
  forget_written(draft_state);
  run(draft_, *setup_.draft, draft_state, first, part_.draft);
}

// Takes the facts that actions in `written_` made out of the state.
void BacktestWorker::forget_written(CustomerState& state) {
  if (written_.empty()) return;
  const auto made = [&](std::string_view id) { return fact_depth(id) > 0 && written_.contains(id.substr(0, id.rfind('.'))); };
  AttributeHistory attributes;
  for (std::size_t i = 0; i < state.attributes.size(); ++i) {
    if (made(state.attributes.id(i))) continue;
    attributes.insert(state.attributes.attribute(i), state.attributes.time(i), state.attributes.id(i), Value(state.attributes.value(i)));
  }
  state.attributes = std::move(attributes);
  erase_if(state.tags, [&](const TagUpdate& tag) { return made(tag.id); });
  for (auto& [type, rows] : state.events) {
    const std::vector<LeafDef>& fields = setup_.draft->catalog->events[type].fields;
    Rows left;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      if (made(rows.id(row))) continue;
      std::vector<Value> values;
      for (std::size_t f = 0; f < fields.size(); ++f) values.emplace_back(rows.field(row, static_cast<FieldId>(f), kind_of(fields[f].type)));
      left.insert(rows.time(row), rows.id(row), values);
    }
    rows = std::move(left);
  }
  erase_if(state.events, [](const auto& entry) { return entry.second.empty(); });
  state.rebuild_ids();
}

void BacktestWorker::run(Side& side, const Plan& plan, CustomerState& state, TimeMs first, BacktestTally& tally) {
  const BacktestOptions& options = setup_.options;
  state.members.clear();
  state.wakes.clear();
  state.fired.clear();
  state.runs.clear();
  state.contacts.clear();
  state.plan = 0;
  state.applied = 0;
  effects_.clear();
  const std::size_t before = tally.decided.size();
  if (first < options.from) {
    state.clock = options.from - 1;
    side.engine.reconcile(plan, state, effects_);
  } else {
    state.clock = kAlways;
    side.engine.hear(plan, state, first, effects_);
  }
  keep(side, plan, state, tally);
  // One call judges a bounded number of instants.
  for (TimeMs due = Engine::next_due(state); due < options.to; due = Engine::next_due(state)) {
    side.engine.advance(plan, state, options.to, effects_);
    keep(side, plan, state, tally);
  }
  find_goals(plan, state, tally, before);
}

std::uint32_t BacktestWorker::index_of(const CustomerState& state) {
  if (current_ == kNone) {
    current_ = static_cast<std::uint32_t>(part_.customers.size());
    part_.customers.push_back(state.id);
  }
  return current_;
}

void BacktestWorker::keep(Side& side, const Plan& plan, const CustomerState& state, BacktestTally& tally) {
  for (const Edge& edge : effects_.edges) {
    const auto it = plan.segment_of_root.find(edge.root);
    if (it != plan.segment_of_root.end()) tally.moved.push_back({edge.at, index_of(state), it->second, edge.entered, edge.silent});
  }
  for (const Decision& d : effects_.decisions) {
    const auto it = plan.rule_of_id.find(d.rule_id);
    if (it == plan.rule_of_id.end()) continue;
    tally.decided.push_back({d.at, fingerprint(d.cause, scratch_), kNever, {}, index_of(state), it->second, d.step, d.fired, d.held});
  }
  for (ActionOut& action : effects_.actions) {
    if (&side == &live_ && (done_by_engine(action) || action.kind == "assign_owner")) written_.insert("~" + to_hex(action.id));
    const auto it = plan.rule_of_id.find(action.rule_id);
    if (it == plan.rule_of_id.end()) continue;
    const auto [kind, fresh] = side.kinds.try_emplace(action.kind, static_cast<std::uint32_t>(tally.kinds.size()));
    if (fresh) tally.kinds.push_back(action.kind);
    BacktestTally::Acted acted{action.at, fingerprint(action.cause, scratch_), index_of(state), it->second, action.step, kind->second};
    if (action.assigns) {
      acted.assign = static_cast<std::uint32_t>(tally.assigned.size());
      action.payload = {};
      action.late = {};
      action.reason = {};
      tally.assigned.push_back(std::move(action));
    }
    tally.acted.push_back(acted);
  }
  effects_.clear();
}

// What the customer did after each firing, up to the end of what is known: the goal's first row in (at, at + within].
void BacktestWorker::find_goals(const Plan& plan, const CustomerState& state, BacktestTally& tally, std::size_t from) {
  for (std::size_t i = from; i < tally.decided.size(); ++i) {
    BacktestTally::Decided& decided = tally.decided[i];
    const Goal& goal = plan.rules[decided.rule].goal;
    if (decided.step != kNone || goal.event == kNoEventType || goal.within <= 0) continue;
    const Rows* rows = state.rows(goal.event);
    if (rows == nullptr) continue;
    for (std::size_t row = rows->upper_bound(decided.at); row < rows->size() && rows->time(row) <= decided.at + goal.within; ++row) {
      const RowRef ref{rows, row, goal.event};
      if (goal.where != kNone) {
        evaluator_.begin(plan, state, rows->time(row));
        if (!evaluator_.truth(goal.where, &ref).truth) continue;
      }
      decided.goal_at = rows->time(row);
      decided.goal_value = goal_value(plan, goal, ref);
      break;
    }
  }
}

}  // namespace nudge
