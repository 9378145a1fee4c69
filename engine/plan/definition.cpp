#include "engine/plan/definition.h"

#include <algorithm>

#include "engine/plan/template_bytes.h"

namespace nudge {
namespace {

template <class E>
void put_enum(Writer& out, E e) {
  out.u8(static_cast<std::uint8_t>(e));
}

void put_bool(Writer& out, bool b) { out.u8(b ? 1 : 0); }

void put_limits(Writer& out, const Limits& limits) {
  out.svarint(limits.once_per);
  put_bool(out, limits.once_ever);
  out.varint(limits.at_most);
  put_enum(out, limits.at_most_per);
  put_bool(out, limits.at_most_per_hour);
}

}  // namespace

Definitions::Definitions(const Plan& plan)
    : plan_(plan),
      nodes_(plan.nodes.size()),
      exprs_(plan.exprs.size()),
      aggregates_(plan.aggregates.size()),
      sequences_(plan.sequences.size()),
      calendars_(plan.calendars.size()),
      templates_(plan.templates.size()),
      scores_(plan.scores.size()) {}

// The hash of what `write` puts, remembered. kNone, and a thing that contains itself, have a hash of their own.
template <class F>
Hash128 Definitions::once(Memo& memo, std::uint32_t id, F write) {
  if (id >= memo.size()) return {};
  if (!memo[id]) {
    memo[id] = Hash128{0, 1};
    std::string bytes;
    Writer out(bytes);
    write(out);
    memo[id] = hash128(bytes);
  }
  return *memo[id];
}

void Definitions::put_attribute(Writer& out, std::uint32_t id) const {
  const auto& attributes = plan_.catalog->attributes;
  out.string(id < attributes.size() ? std::string_view(attributes[id].name) : std::string_view());
}

void Definitions::put_event(Writer& out, EventTypeId event) const {
  const auto& events = plan_.catalog->events;
  out.string(event < events.size() ? std::string_view(events[event].name) : std::string_view());
}

void Definitions::put_field(Writer& out, EventTypeId event, std::uint32_t field) const {
  const auto& events = plan_.catalog->events;
  const bool known = event < events.size() && field < events[event].fields.size();
  // The row's own time and "no field" are no names of the catalog, which hold no control characters.
  out.string(known ? std::string_view(events[event].fields[field].name) : field == kTimeField ? "\x01time" : "\x01none");
}

Hash128 Definitions::node(NodeId id) {
  return once(nodes_, id, [&](Writer& out) { put_node(out, plan_.nodes[id]); });
}

void Definitions::put_node(Writer& out, const Node& n) {
  put_enum(out, n.kind);
  switch (n.kind) {
    case Node::Kind::constant: put_bool(out, n.truth); return;
    case Node::Kind::tag: out.string(n.text); return;
    case Node::Kind::sequence: put_hash(out, sequence(n.ref)); return;
    case Node::Kind::calendar: put_hash(out, calendar(n.ref)); return;
    case Node::Kind::band:
      put_hash(out, score(n.ref));
      out.varint(n.band);
      return;
    case Node::Kind::changed:
    case Node::Kind::has_been: put_attribute(out, n.ref); break;
    default: break;
  }
  put_enum(out, n.op);
  put_bool(out, n.ignore_case);
  out.varint(n.children.size());
  for (const NodeId child : n.children) put_hash(out, node(child));
  put_hash(out, expr(n.left));
  put_hash(out, expr(n.right));
  out.svarint(n.times.units);
  put_values(out, n.literals);
  put_values(out, n.from_literals);
  out.svarint(n.duration);
  put_window(out, n.window);
  out.string(n.text);
}

Hash128 Definitions::expr(ExprId id) {
  return once(exprs_, id, [&](Writer& out) { put_expr(out, plan_.exprs[id]); });
}

void Definitions::put_expr(Writer& out, const Expr& e) {
  put_enum(out, e.kind);
  put_enum(out, e.type);
  switch (e.kind) {
    case Expr::Kind::literal: encode_value(out, e.value.view()); break;
    case Expr::Kind::attribute: put_attribute(out, e.ref); break;
    case Expr::Kind::field:
    case Expr::Kind::trigger_field:
      put_event(out, e.event);
      put_field(out, e.event, e.ref);
      break;
    case Expr::Kind::aggregate: put_hash(out, aggregate(e.ref)); break;
    case Expr::Kind::days_since:
    case Expr::Kind::size:
    case Expr::Kind::trait: put_hash(out, expr(e.child)); break;
    case Expr::Kind::score: put_hash(out, score(e.ref)); break;
  }
}

Hash128 Definitions::aggregate(AggregateId id) {
  return once(aggregates_, id, [&](Writer& out) {
    const Aggregate& a = plan_.aggregates[id];
    put_event(out, a.event);
    put_hash(out, node(a.filter));
    put_window(out, a.window);
    put_bool(out, a.before_trigger);
    put_enum(out, a.fn);
    put_field(out, a.event, a.field);
    put_field(out, a.event, a.same);
  });
}

Hash128 Definitions::sequence(std::uint32_t id) {
  return once(sequences_, id, [&](Writer& out) {
    const Sequence& s = plan_.sequences[id];
    out.varint(s.steps.size());
    for (const SequenceStep& step : s.steps) {
      put_event(out, step.event);
      put_hash(out, node(step.filter));
      put_bool(out, step.absent);
      out.svarint(step.within);
      out.svarint(step.lasting);
      put_field(out, step.event, step.same);
    }
    put_window(out, s.window);
  });
}

Hash128 Definitions::calendar(std::uint32_t id) {
  return once(calendars_, id, [&](Writer& out) {
    const Calendar& c = plan_.calendars[id];
    out.u8(c.weekdays);
    out.varint(c.hours.size());
    for (const Calendar::Hours& h : c.hours) {
      out.svarint(h.from);
      out.svarint(h.to);
    }
    out.varint(c.dates.size());
    for (const Calendar::Range& r : c.dates) {
      out.svarint(r.from);
      out.svarint(r.to);
    }
    put_bool(out, c.tenant_zone);
  });
}

Hash128 Definitions::score(std::uint32_t id) {
  return once(scores_, id, [&](Writer& out) {
    const Score& s = plan_.scores[id];
    out.varint(s.points.size());
    for (const Score::Points& p : s.points) {
      put_hash(out, node(p.condition));
      put_hash(out, expr(p.trait));
      out.svarint(p.add.units);
      put_bool(out, p.has_at_most);
      out.svarint(p.at_most.units);
    }
    out.varint(s.bands.size());
    for (const Score::Band& b : s.bands) {
      out.string(b.name);
      out.svarint(b.from.units);
    }
  });
}

Hash128 Definitions::rendered(TemplateId id) {
  // By what they stand for, so that the same template has the same bytes in every plan.
  struct Meanings final : TemplateIds {
    explicit Meanings(Definitions& d) : all(d) {}
    void expr(Writer& out, ExprId e) override { put_hash(out, all.expr(e)); }
    void node(Writer& out, NodeId n) override { put_hash(out, all.node(n)); }
    void score(Writer& out, std::uint32_t s) override { put_hash(out, all.score(s)); }
    void attribute(Writer& out, std::uint32_t a) override { all.put_attribute(out, a); }
    void field(Writer& out, EventTypeId event, std::uint32_t f) override {
      if (event == kNoEventType) return out.string("");
      all.put_event(out, event);
      all.put_field(out, event, f);
    }
    void text(Writer& out, TemplateId t) override { put_hash(out, all.rendered(t)); }
    Definitions& all;
  };
  return once(templates_, id, [&](Writer& out) {
    Meanings ids(*this);
    put_template(out, plan_.templates[id], ids);
  });
}

Hash128 Definitions::segment(const Segment& s) {
  std::string bytes;
  Writer out(bytes);
  out.string("segment");
  out.string(s.name);
  put_hash(out, node(s.node));
  return hash128(bytes);
}

void Definitions::put_trigger(Writer& out, const Trigger& t) {
  put_enum(out, t.kind);
  put_event(out, t.event);
  put_hash(out, node(t.where));
  put_field(out, t.event, t.same);
  put_hash(out, t.segment < plan_.segments.size() ? plan_.segments[t.segment].key : Hash128{});
  put_attribute(out, t.attribute);
  put_values(out, t.to);
  put_values(out, t.from);
  out.svarint(t.hold_for);
  out.string(t.cron);
  out.string(t.zone);
  out.svarint(t.offset);
  out.svarint(t.time_of_day);
  if (t.at_midnight) out.string("at midnight");
}

void Definitions::put_param(Writer& out, const Param& p) {
  out.string(p.name);
  put_enum(out, p.kind);
  put_hash(out, rendered(p.text));
  encode_value(out, p.value.view());
  out.svarint(p.duration);
  out.varint(p.items.size());
  for (const Param& item : p.items) put_param(out, item);
  if (p.kind == Param::Kind::expr) put_hash(out, expr(p.expr));  // an addition: the other kinds keep their definition
}

void Definitions::put_members(Writer& out, const MemberFilter& f) {
  put_enum(out, f.kind);
  out.varint(f.children.size());
  for (const MemberFilter& child : f.children) put_members(out, child);
  out.string(f.property);
  put_enum(out, f.op);
  put_values(out, f.literals);
  put_attribute(out, f.customer_attribute);
}

// What stands here for steps of the first kind may never change: digests of stored plans are compared with it.
void Definitions::put_step(Writer& out, const Step& step) {
  if (step.kind != Step::Kind::act) {
    out.svarint(-1 - static_cast<std::int64_t>(step.kind));  // no delay is negative
    out.svarint(step.after);
    put_hash(out, node(step.condition));
    out.svarint(step.timeout);
    put_bool(out, step.stop_on_timeout);
    out.varint(step.target);
    return;
  }
  out.svarint(step.after);
  put_hash(out, node(step.only_if));
  const Action& a = step.action;
  out.string(a.kind);
  put_enum(out, a.category);
  out.string(a.channel);
  out.string(a.connector);
  out.varint(a.params.size());
  for (const Param& p : a.params) put_param(out, p);
  put_bool(out, a.assigns);
  out.string(a.assignment.team);
  // The first form knew one entry with these three.
  const AssignEntry first = a.assignment.entries.empty() ? AssignEntry() : a.assignment.entries[0];
  put_enum(out, first.strategy);
  put_attribute(out, first.owner_attribute);
  put_members(out, first.where);
  put_bool(out, a.mandatory);
  out.svarint(a.due_in);
  out.string(a.template_name);
  if (a.expires_after > 0) out.svarint(a.expires_after);  // an addition: without it the fingerprint stays what it was
  if (a.on_unknown != OnUnknown::by_connector) {
    out.string("on_unknown");
    put_enum(out, a.on_unknown);
  }
  put_task(out, a);
  if (a.approval != nullptr) put_approval(out, *a.approval);
  if (a.write.kind != Write::Kind::none) put_write(out, a.write);  // nothing else: rules without writes keep their definition
}

void Definitions::put_write(Writer& out, const Write& w) {
  put_enum(out, w.kind);
  put_event(out, w.event);
  out.string(w.tag);
  out.svarint(w.expires);
  put_attribute(out, w.owner);
  out.varint(w.values.size());
  for (const WriteValue& v : w.values) {
    put_enum(out, v.source);
    put_enum(out, v.op);
    w.kind == Write::Kind::event ? put_field(out, w.event, v.target) : put_attribute(out, v.target);
    encode_value(out, v.value.view());
    put_hash(out, expr(v.expr));
    put_hash(out, rendered(v.text));
    if (v.back) out.string("back");  // an addition: writes of before keep their definition
  }
}

std::vector<std::uint64_t> Definitions::marks(const Rule& rule) {
  const auto half = [](std::string_view bytes) { return hash64(bytes, 0) & 0xffffffffU; };
  std::vector<std::uint64_t> says(rule.steps.size());
  std::vector<std::uint64_t> marks(rule.steps.size());
  for (std::size_t i = 0; i < rule.steps.size(); ++i) {
    Step step = rule.steps[i];
    step.target = 0;  // what is inserted into a branch makes no other branch of it
    std::string bytes;
    Writer out(bytes);
    if (step.kind == Step::Kind::jump) {  // the end of a `then`: known by the branch it belongs to
      for (std::size_t b = 0; b < i; ++b) {
        if (rule.steps[b].kind == Step::Kind::branch && rule.steps[b].target == i + 1) out.varint(says[b]);
      }
    }
    put_step(out, step);
    says[i] = half(bytes);
    bytes.clear();
    put_enum(out, step.kind);
    out.string(step.action.kind);
    out.varint(i > 0 ? says[i - 1] : 0);
    marks[i] = says[i] << 32U | half(bytes);
  }
  return marks;
}

Hash128 Definitions::rule(const Rule& r) {
  std::string bytes;
  Writer out(bytes);
  out.string("rule");
  out.string(r.name);
  put_enum(out, r.category);
  out.svarint(r.priority);
  put_enum(out, r.state);
  put_trigger(out, r.trigger);
  put_hash(out, node(r.condition));
  out.varint(r.steps.size());
  for (const Step& step : r.steps) put_step(out, step);
  put_limits(out, r.limits);
  out.varint(r.rollout_percent);
  out.varint(r.holdout_percent);
  put_bool(out, r.existing_fire);
  out.svarint(r.max_age);
  put_event(out, r.goal.event);
  put_hash(out, node(r.goal.where));
  out.svarint(r.goal.within);
  put_field(out, r.goal.event, r.goal.value);
  if (r.purpose != default_purpose(r.category)) put_enum(out, r.purpose);
  // Later words of the language: nothing stands here for a rule that does without them, so that it keeps its version.
  if (r.exit != kNone) {
    out.string("exit");
    put_hash(out, node(r.exit));
  }
  if (!r.goal.stop) out.string("goal goes on");
  return hash128(bytes);
}

namespace {

void put_texts(Writer& out, const std::vector<std::string>& texts) {
  out.varint(texts.size());
  for (const std::string& text : texts) out.string(text);
}

void put_match(Writer& out, const PolicyMatch& m) {
  put_texts(out, m.channels);
  put_texts(out, m.rules);
  out.varint(m.purposes.size());
  for (const Purpose purpose : m.purposes) put_enum(out, purpose);
  out.varint(m.categories.size());
  for (const std::uint8_t category : m.categories) out.u8(category);
}

}  // namespace

Hash128 Definitions::policy(const Policy& p) {
  std::string bytes;
  Writer out(bytes);
  put_enum(out, p.kind);
  put_match(out, p.match);
  put_hash(out, node(p.condition));
  out.varint(p.open.size());
  for (const Calendar& c : p.open) {
    out.u8(c.weekdays);
    out.varint(c.hours.size());
    for (const Calendar::Hours& h : c.hours) {
      out.svarint(h.from);
      out.svarint(h.to);
    }
  }
  out.string(p.calendar < plan_.business_calendars.size() ? plan_.business_calendars[p.calendar].name : std::string_view());
  put_enum(out, p.over);
  out.svarint(p.spread);
  put_enum(out, p.zone_of);
  out.string(p.zone);
  put_attribute(out, p.zone_attribute);
  put_bool(out, p.zone_by_prefix);
  out.varint(p.zones.size());
  for (const auto& [value, zone] : p.zones) {
    out.string(value);
    out.string(zone);
  }
  out.varint(p.at_most);
  put_bool(out, p.rolling);
  out.svarint(p.per);
  put_enum(out, p.unit);
  put_bool(out, p.unit_is_hour);
  put_bool(out, p.shared);
  put_match(out, p.by);
  out.svarint(p.within);
  out.varint(p.times);
  out.varint(p.at_least);
  return hash128(bytes);
}

Hash128 Definitions::business_calendar(const BusinessCalendar& c) const {
  std::string bytes;
  Writer out(bytes);
  out.u8(c.weekdays);
  for (const auto* days : {&c.holidays, &c.workdays}) {
    out.varint(days->size());
    for (const BusinessCalendar::Day& day : *days) {
      out.svarint(day.date);
      out.string(day.name);
    }
  }
  return hash128(bytes);
}

Hash128 Definitions::digest() {
  std::vector<std::pair<std::string, Hash128>> all;
  for (const Segment& s : plan_.segments) all.emplace_back("segment " + s.name, s.key);
  for (const Rule& r : plan_.rules) all.emplace_back("rule " + r.name, r.definition);
  for (const Trait& t : plan_.traits) all.emplace_back("trait " + t.name, expr(t.expr));
  for (std::size_t i = 0; i < plan_.scores.size(); ++i) {
    all.emplace_back("score " + plan_.scores[i].name, score(static_cast<std::uint32_t>(i)));
  }
  for (const Team& t : plan_.teams) all.emplace_back("team " + t.name, team(t));
  for (const Policy& p : plan_.policies) all.emplace_back("policy " + p.name, policy(p));
  for (std::size_t i = 0; i < plan_.dispositions.size(); ++i)
    all.emplace_back("disposition " + plan_.dispositions[i].name, disposition(i));
  for (const Pool& p : plan_.pools) all.emplace_back("pool " + p.name, pool(p));
  for (const Funnel& f : plan_.funnels) all.emplace_back("funnel " + f.name, funnel(f));
  for (const BusinessCalendar& c : plan_.business_calendars) all.emplace_back("calendar " + c.name, business_calendar(c));
  for (const auto& [name, text] : plan_.named_templates) all.emplace_back("template " + name, hash128(text));
  for (const EventTypeDef& e : plan_.catalog->events)
    if (e.keep != 0 && !e.retired) all.emplace_back("keep " + e.name, hash128(std::to_string(e.keep)));
  std::ranges::sort(all);
  std::string bytes;
  Writer out(bytes);
  for (const auto& [name, hash] : all) {
    out.string(name);
    put_hash(out, hash);
  }
  out.string(plan_.zone.name());
  put_attribute(out, plan_.zone_attribute);
  return hash128(bytes);
}

}  // namespace nudge
