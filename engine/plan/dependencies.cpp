#include "engine/plan/dependencies.h"

#include <algorithm>
#include <set>

namespace nudge {
namespace {

bool is_anniversary(Op op) { return op == Op::anniversary_in_next || op == Op::anniversary_today; }

bool has_date(const std::vector<Value>& values) {
  return std::ranges::any_of(values, [](const Value& v) { return v.kind == Kind::date; });
}

// Walks the graph below one segment at a time. Each thing is looked at once per segment: a mark says in which walk it was seen last.
class Walk {
 public:
  explicit Walk(const Plan& plan)
      : plan_(plan),
        nodes_(plan.nodes.size(), 0),
        exprs_(plan.exprs.size(), 0),
        aggregates_(plan.aggregates.size(), 0),
        scores_(plan.scores.size(), 0) {}

  void run(NodeId root) {
    begin();
    node(root);
  }
  // Begins anew; what the nodes added after it depend on comes together.
  void begin() {
    ++walk_;
    events.clear();
    back.clear();
    attributes.clear();
    tags = false;
    zone = false;
  }
  void add(NodeId root) { node(root); }
  void add_value(ExprId root) { expr(root); }

  std::set<EventTypeId> events;
  std::map<EventTypeId, DurationMs> back;  // of `events`: how far before now they are read
  std::set<AttributeId> attributes;
  bool tags = false;
  bool zone = false;

 private:
  using Marks = std::vector<std::uint32_t>;

  bool enter(Marks& marks, std::uint32_t id) {
    if (id >= marks.size() || marks[id] == walk_) return false;
    marks[id] = walk_;
    return true;
  }

  void reads(EventTypeId event, const Window& w) {
    events.insert(event);
    DurationMs& most = back[event];
    most = std::max(most, reach_of(w));
  }

  void window(const Window& w) {
    if (w.tenant_zone) return;
    zone = zone || w.kind == Window::Kind::since || (w.kind == Window::Kind::fixed && (w.lo.is_date || w.hi.is_date));
  }

  void node(NodeId id) {
    if (!enter(nodes_, id)) return;
    const Node& n = plan_.nodes[id];
    for (const NodeId child : n.children) node(child);
    expr(n.left);
    expr(n.right);
    zone = zone || is_anniversary(n.op) || has_date(n.literals) || has_date(n.from_literals);
    switch (n.kind) {
      case Node::Kind::tag: tags = true; break;
      case Node::Kind::sequence: sequence(n.ref); break;
      case Node::Kind::calendar: zone = zone || (n.ref < plan_.calendars.size() && !plan_.calendars[n.ref].tenant_zone); break;
      case Node::Kind::changed:
        attributes.insert(static_cast<AttributeId>(n.ref));
        window(n.window);
        break;
      case Node::Kind::has_been: attributes.insert(static_cast<AttributeId>(n.ref)); break;
      case Node::Kind::band: score(n.ref); break;
      default: break;
    }
  }

  void expr(ExprId id) {
    if (!enter(exprs_, id)) return;
    const Expr& e = plan_.exprs[id];
    // A date is the instant at which its day starts where the customer is.
    zone = zone || e.type == Type::date;
    switch (e.kind) {
      case Expr::Kind::attribute: attributes.insert(static_cast<AttributeId>(e.ref)); break;
      case Expr::Kind::aggregate: aggregate(e.ref); break;
      case Expr::Kind::score: score(e.ref); break;
      default: break;
    }
    expr(e.child);
  }

  void aggregate(AggregateId id) {
    if (!enter(aggregates_, id)) return;
    const Aggregate& a = plan_.aggregates[id];
    reads(a.event, a.window);
    node(a.filter);
    window(a.window);
  }

  void sequence(std::uint32_t id) {
    if (id >= plan_.sequences.size()) return;
    const Sequence& s = plan_.sequences[id];
    for (const SequenceStep& step : s.steps) {
      reads(step.event, s.window);
      node(step.filter);
    }
    window(s.window);
  }

  void score(std::uint32_t id) {
    if (!enter(scores_, id)) return;
    for (const Score::Points& p : plan_.scores[id].points) {
      node(p.condition);
      expr(p.trait);
    }
  }

  const Plan& plan_;
  Marks nodes_, exprs_, aggregates_, scores_;
  std::uint32_t walk_ = 0;
};

void index_segments(Plan& plan) {
  Walk walk(plan);
  for (std::size_t i = 0; i < plan.segments.size(); ++i) {
    const auto index = static_cast<std::uint32_t>(i);
    walk.run(plan.segments[i].node);
    if (walk.zone && plan.zone_attribute != kNoAttribute) walk.attributes.insert(plan.zone_attribute);
    for (const EventTypeId event : walk.events) {
      if (event < plan.segments_by_event.size()) plan.segments_by_event[event].push_back(index);
    }
    for (const AttributeId attribute : walk.attributes) {
      if (attribute < plan.segments_by_attribute.size()) plan.segments_by_attribute[attribute].push_back(index);
    }
    if (walk.tags) plan.segments_by_tag.push_back(index);
  }
}

void index_rules(Plan& plan) {
  for (std::size_t i = 0; i < plan.rules.size(); ++i) {
    const auto index = static_cast<std::uint32_t>(i);
    const Trigger& t = plan.rules[i].trigger;
    switch (t.kind) {
      case Trigger::Kind::event:
        if (t.event < plan.rules_by_event.size()) plan.rules_by_event[t.event].push_back(index);
        break;
      case Trigger::Kind::attribute_changes:
        if (t.attribute < plan.rules_by_attribute.size()) plan.rules_by_attribute[t.attribute].push_back(index);
        break;
      case Trigger::Kind::enters:
      case Trigger::Kind::leaves:
        if (t.segment < plan.rules_by_segment.size()) plan.rules_by_segment[t.segment].push_back(index);
        break;
      case Trigger::Kind::schedule:
      case Trigger::Kind::date: break;  // by time, not by input
    }
  }
}

// What a waiting run can be woken by.
void index_waits(Plan& plan) {
  Walk walk(plan);
  for (std::size_t i = 0; i < plan.rules.size(); ++i) {
    const auto index = static_cast<std::uint32_t>(i);
    walk.begin();
    walk.add(plan.rules[i].exit);
    for (const Step& step : plan.rules[i].steps) {
      if (step.kind == Step::Kind::until) walk.add(step.condition);
    }
    if (walk.zone && plan.zone_attribute != kNoAttribute) walk.attributes.insert(plan.zone_attribute);
    for (const EventTypeId event : walk.events) {
      if (event < plan.waits_by_event.size()) plan.waits_by_event[event].push_back(index);
    }
    for (const AttributeId attribute : walk.attributes) {
      if (attribute < plan.waits_by_attribute.size()) plan.waits_by_attribute[attribute].push_back(index);
    }
    if (walk.tags) plan.waits_by_tag.push_back(index);
  }
}

}  // namespace

void index_plan(Plan& plan) {
  const std::size_t events = plan.catalog->events.size();
  const std::size_t attributes = plan.catalog->attributes.size();
  plan.segments_by_event.assign(events, {});
  plan.segments_by_attribute.assign(attributes, {});
  plan.segments_by_tag.clear();
  plan.rules_by_event.assign(events, {});
  plan.rules_by_attribute.assign(attributes, {});
  plan.rules_by_segment.assign(plan.segments.size(), {});
  index_segments(plan);
  index_rules(plan);
  plan.waits_by_event.assign(events, {});
  plan.waits_by_attribute.assign(attributes, {});
  plan.waits_by_tag.clear();
  index_waits(plan);
}

DurationMs reach_of(const Window& window) {
  switch (window.kind) {
    case Window::Kind::ever:
    case Window::Kind::fixed: return kNever;
    case Window::Kind::within:
    case Window::Kind::from_to: return window.a;
    case Window::Kind::since:
      switch (window.unit) {
        case Window::Unit::day: return 2 * kDay;
        case Window::Unit::week: return 8 * kDay;
        case Window::Unit::month: return 32 * kDay;
        case Window::Unit::quarter: return 93 * kDay;
        case Window::Unit::year: return 367 * kDay;
      }
  }
  return kNever;
}

void add_reading(const Plan& plan, const Rule& rule, Reading& reading) {
  const Trigger& trigger = rule.trigger;
  if (trigger.event != kNoEventType) reading.events.push_back(trigger.event);
  if (trigger.segment < plan.segments.size()) reading.conditions.push_back(plan.segments[trigger.segment].node);
  for (const NodeId condition : {rule.condition, rule.exit}) reading.conditions.push_back(condition);
  for (const Step& step : rule.steps) {
    reading.conditions.push_back(step.only_if);
    reading.conditions.push_back(step.condition);
  }
}

std::map<EventTypeId, DurationMs> looks_back(const Plan& plan, const Reading& reading) {
  Walk walk(plan);
  walk.begin();
  for (const NodeId condition : reading.conditions) walk.add(condition);
  for (const ExprId value : reading.values) walk.add_value(value);
  for (const EventTypeId event : reading.events) walk.back.try_emplace(event, 0);
  return std::move(walk.back);
}

}  // namespace nudge
