#include <algorithm>
#include <unordered_set>

#include "engine/plan/definition.h"
#include "engine/plan/template_bytes.h"
#include "engine/plan/dependencies.h"
#include "engine/plan/plan.h"

namespace nudge {
namespace {

template <class E>
void put_enum(Writer& out, E e) {
  out.u8(static_cast<std::uint8_t>(e));
}

// The keys below hold everything that makes two things different, in ids of this plan: children are in the plan already, so equal ids are
// equal things. The first letter keeps the sorts apart.

std::string key_of(const Node& n) {
  std::string key = "N";
  Writer out(key);
  put_enum(out, n.kind);
  put_enum(out, n.op);
  out.u8(static_cast<std::uint8_t>((n.truth ? 1 : 0) | (n.ignore_case ? 2 : 0)));
  out.varint(n.children.size());
  for (const NodeId child : n.children) out.varint(child);
  out.varint(n.left);
  out.varint(n.right);
  out.svarint(n.times.units);
  put_values(out, n.literals);
  put_values(out, n.from_literals);
  out.svarint(n.duration);
  put_window(out, n.window);
  out.varint(n.ref);
  out.varint(n.band);
  out.string(n.text);
  return key;
}

std::string key_of(const Expr& e) {
  std::string key = "E";
  Writer out(key);
  put_enum(out, e.kind);
  put_enum(out, e.type);
  encode_value(out, e.value.view());
  out.varint(e.ref);
  out.varint(e.event);
  out.varint(e.child);
  return key;
}

std::string key_of(const Aggregate& a) {
  std::string key = "A";
  Writer out(key);
  out.varint(a.event);
  out.varint(a.filter);
  put_window(out, a.window);
  out.u8(a.before_trigger ? 1 : 0);
  put_enum(out, a.fn);
  out.varint(a.field);
  out.varint(a.same);
  return key;
}

std::string key_of(const Sequence& s) {
  std::string key = "S";
  Writer out(key);
  out.varint(s.steps.size());
  for (const SequenceStep& step : s.steps) {
    out.varint(step.event);
    out.varint(step.filter);
    out.u8(step.absent ? 1 : 0);
    out.svarint(step.within);
    out.svarint(step.lasting);
    out.varint(step.same);
  }
  put_window(out, s.window);
  return key;
}

std::string key_of(const Calendar& c) {
  std::string key = "C";
  Writer out(key);
  out.u8(c.weekdays);
  out.u8(c.tenant_zone ? 1 : 0);
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
  return key;
}

// Within one plan, ids stand for themselves.
class PlainIds final : public TemplateIds {
 public:
  void expr(Writer& out, ExprId id) override { out.varint(id); }
  void node(Writer& out, NodeId id) override { out.varint(id); }
  void score(Writer& out, std::uint32_t id) override { out.varint(id); }
  void attribute(Writer& out, std::uint32_t id) override { out.varint(id); }
  void field(Writer& out, EventTypeId event, std::uint32_t field) override {
    out.varint(event);
    out.varint(field);
  }
  void text(Writer& out, TemplateId id) override { out.varint(id); }
};

std::string key_of(const Template& t) {
  std::string key = "T";
  Writer out(key);
  PlainIds ids;
  put_template(out, t, ids);
  return key;
}

// The id under the key, or a new one at the end of `all`.
template <class T>
std::uint32_t share(std::unordered_map<std::string, std::uint32_t>& ids, std::vector<T>& all, T&& one) {
  const auto [place, fresh] = ids.emplace(key_of(one), static_cast<std::uint32_t>(all.size()));
  if (fresh) all.push_back(std::forward<T>(one));
  return place->second;
}

}  // namespace

PlanBuilder::PlanBuilder(std::shared_ptr<const Catalog> catalog) : plan_(std::make_unique<Plan>()) { plan_->catalog = std::move(catalog); }

NodeId PlanBuilder::constant(bool truth) {
  Node n;
  n.truth = truth;
  return share(ids_, plan_->nodes, std::move(n));
}

NodeId PlanBuilder::junction(Node::Kind kind, const std::vector<NodeId>& children) {
  const bool neutral = kind == Node::Kind::all;  // what changes nothing when it is added
  Node n;
  n.kind = kind;
  std::unordered_set<NodeId> seen;
  const auto take = [&](NodeId child) {
    if (seen.insert(child).second) n.children.push_back(child);
  };
  for (const NodeId child : children) {
    const Node& c = plan_->nodes[child];
    if (c.kind == Node::Kind::constant) {
      if (c.truth != neutral) return constant(!neutral);
    } else if (c.kind == kind) {
      for (const NodeId below : c.children) take(below);
    } else {
      take(child);
    }
  }
  if (n.children.empty()) return constant(neutral);
  if (n.children.size() == 1) return n.children.front();
  return share(ids_, plan_->nodes, std::move(n));
}

NodeId PlanBuilder::all(std::vector<NodeId> children) { return junction(Node::Kind::all, children); }
NodeId PlanBuilder::any(std::vector<NodeId> children) { return junction(Node::Kind::any, children); }

NodeId PlanBuilder::negate(NodeId child) {
  const Node& c = plan_->nodes[child];
  if (c.kind == Node::Kind::constant) return constant(!c.truth);
  if (c.kind == Node::Kind::negate) return c.children.front();
  Node n;
  n.kind = Node::Kind::negate;
  n.children.push_back(child);
  return share(ids_, plan_->nodes, std::move(n));
}

NodeId PlanBuilder::add(Node node) {
  switch (node.kind) {
    case Node::Kind::all:
    case Node::Kind::any: return junction(node.kind, node.children);
    case Node::Kind::negate: return negate(node.children.front());
    default: return share(ids_, plan_->nodes, std::move(node));
  }
}

ExprId PlanBuilder::add(Expr expr) { return share(ids_, plan_->exprs, std::move(expr)); }
AggregateId PlanBuilder::add(Aggregate aggregate) { return share(ids_, plan_->aggregates, std::move(aggregate)); }
std::uint32_t PlanBuilder::add(Sequence sequence) { return share(ids_, plan_->sequences, std::move(sequence)); }
std::uint32_t PlanBuilder::add(Calendar calendar) { return share(ids_, plan_->calendars, std::move(calendar)); }
TemplateId PlanBuilder::add(Template t) { return share(ids_, plan_->templates, std::move(t)); }

ExprId PlanBuilder::literal(Value value, Type type) {
  Expr e;
  e.kind = Expr::Kind::literal;
  e.type = type;
  e.value = std::move(value);
  return add(std::move(e));
}

ExprId PlanBuilder::attribute(AttributeId id) {
  Expr e;
  e.kind = Expr::Kind::attribute;
  e.type = plan_->catalog->attributes[id].type;
  e.ref = id;
  return add(std::move(e));
}

ExprId PlanBuilder::row_field(Expr::Kind kind, EventTypeId event, FieldId id) {
  Expr e;
  e.kind = kind;
  e.type = id == kTimeField ? Type::timestamp : plan_->catalog->events[event].fields[id].type;
  e.ref = id;
  e.event = event;
  return add(std::move(e));
}

ExprId PlanBuilder::field(EventTypeId event, FieldId id) { return row_field(Expr::Kind::field, event, id); }
ExprId PlanBuilder::trigger_field(EventTypeId event, FieldId id) { return row_field(Expr::Kind::trigger_field, event, id); }

ExprId PlanBuilder::aggregate(AggregateId id) {
  const Aggregate& a = plan_->aggregates[id];
  const auto field_type = [&] {
    if (a.field == kTimeField) return Type::timestamp;
    const auto& fields = plan_->catalog->events[a.event].fields;
    return a.field < fields.size() ? fields[a.field].type : Type::timestamp;
  };
  Expr e;
  e.kind = Expr::Kind::aggregate;
  e.ref = id;
  switch (a.fn) {
    case Aggregate::Fn::count:
    case Aggregate::Fn::distinct: e.type = Type::integer; break;
    case Aggregate::Fn::average: e.type = field_type() == Type::integer ? Type::decimal : field_type(); break;
    case Aggregate::Fn::sum:
    case Aggregate::Fn::min:
    case Aggregate::Fn::max:
    case Aggregate::Fn::first:
    case Aggregate::Fn::last: e.type = field_type(); break;
  }
  return add(std::move(e));
}

namespace {

// What judging policies looks up, found once.
void prepare_policies(Plan& plan) {
  std::ranges::sort(plan.policies, {}, &Policy::name);
  for (const Policy& p : plan.policies) {
    DurationMs look_back = p.kind == Policy::Kind::inhibit ? p.within : 0;
    if (p.kind == Policy::Kind::cap) look_back = p.rolling ? p.per : p.unit == Window::Unit::month ? 32 * kDay : 8 * kDay;
    plan.contact_horizon = std::max(plan.contact_horizon, look_back);
  }
  const auto find = [&](std::string_view name, Plan::ConsentEvents& event) {
    event.type = plan.catalog->find_event(name);
    if (event.type == kNoEventType) return;
    const EventTypeDef& type = plan.catalog->events[event.type];
    const auto text = [&](std::string_view field) {
      const FieldId id = type.find(field);
      return id != kNoField && type.fields[id].type == Type::text ? id : kNoField;
    };
    event.channel = text("channel");
    event.purpose = text("purpose");
    event.text = text("text");
  };
  find("message_unsubscribed", plan.opt_out);
  find("message_subscribed", plan.opt_in);
  find("message_replied", plan.reply);
  plan.told_accepted = plan.catalog->find_event("message_accepted");
  plan.told_failed = plan.catalog->find_event("message_failed");
  plan.told_held = plan.catalog->find_event("message_held");
}

}  // namespace

std::unique_ptr<Plan> PlanBuilder::finish() {
  std::unique_ptr<Plan> plan = std::move(plan_);
  ids_.clear();
  std::ranges::sort(plan->rules,
                    [](const Rule& a, const Rule& b) { return a.priority != b.priority ? a.priority > b.priority : a.name < b.name; });
  prepare_policies(*plan);
  Definitions definitions(*plan);
  for (Segment& s : plan->segments) s.key = definitions.segment(s);
  for (Rule& r : plan->rules) {
    r.definition = definitions.rule(r);
    const std::vector<std::uint64_t> marks = definitions.marks(r);
    for (std::size_t i = 0; i < marks.size(); ++i) r.steps[i].mark = marks[i];
  }
  plan->digest = definitions.digest();
  index_plan(*plan);
  return plan;
}

}  // namespace nudge
