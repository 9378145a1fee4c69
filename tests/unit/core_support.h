// A small company for the tests of engine/core: builds a plan by hand, plays a history of one customer into the engine and keeps what
// happened as lines of text.
#pragma once

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/engine.h"
#include "engine/plan/registry.h"

template <>
struct doctest::StringMaker<std::vector<std::string>> {
  static doctest::String convert(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) out += "\n    " + line;
    return out.c_str();
  }
};

namespace nudge::testing {

inline TimeMs at(std::string_view text) { return parse_timestamp(text).value(); }
inline DateDays day(std::string_view text) { return parse_date(text).value(); }
inline Value text(std::string_view s) { return Value::of_text(s); }
inline Value integer(std::int64_t v) { return Value::of_integer(v); }
inline Value decimal(std::string_view s) { return Value::of_decimal(Decimal::parse(s).value()); }
inline Value number(double d) { return Value::of_number(d); }
inline Value moment(std::string_view s) { return Value::of_timestamp(at(s)); }
inline Value date(std::string_view s) { return Value::of_date(day(s)); }

inline Window within(DurationMs d) {
  Window w;
  w.kind = Window::Kind::within;
  w.a = d;
  return w;
}
inline Window from_to(DurationMs a, DurationMs b) {
  Window w;
  w.kind = Window::Kind::from_to;
  w.a = a;
  w.b = b;
  return w;
}
inline Window since(Window::Unit unit) {
  Window w;
  w.kind = Window::Kind::since;
  w.unit = unit;
  return w;
}
inline Window fixed(Window::Bound lo, Window::Bound hi) {
  Window w;
  w.kind = Window::Kind::fixed;
  w.lo = lo;
  w.hi = hi;
  return w;
}
inline Window::Bound on(std::string_view d) { return {true, true, day(d)}; }
inline Window::Bound upon(std::string_view t) { return {true, false, at(t)}; }

// midday of a day without anything special in any zone used here
inline const TimeMs kNoon = at("2026-02-04T12:00:00Z");

class Kit {
 public:
  using Named = std::initializer_list<std::pair<const char*, Value>>;

  Kit() : Kit(make_catalog()) {}

  // ---- the plan
  PlanBuilder b;
  ExprId attr(const char* name) { return b.attribute(catalog_->find_attribute(name)); }
  AttributeId attr_id(const char* name) const { return catalog_->find_attribute(name); }
  EventTypeId type(const char* name) const { return catalog_->find_event(name); }
  FieldId field_id(const char* event, const char* field) const { return catalog_->events[type(event)].find(field); }
  ExprId field(const char* event, const char* name) { return b.field(type(event), field_id(event, name)); }

  Aggregate rows(const char* event, Window window = {}, NodeId filter = kNone) const {
    Aggregate a;
    a.event = type(event);
    a.window = window;
    a.filter = filter;
    return a;
  }
  Aggregate of(Aggregate::Fn fn, const char* event, const char* field, Window window = {}) const {
    Aggregate a = rows(event, window);
    a.fn = fn;
    a.field = std::string_view(field) == "timestamp" ? kTimeField : field_id(event, field);
    return a;
  }
  ExprId value(const Aggregate& a) { return b.aggregate(b.add(a)); }
  NodeId is(ExprId left, Op op, std::vector<Value> literals = {}, DurationMs duration = 0) {
    Node n;
    n.kind = Node::Kind::compare;
    n.left = left;
    n.op = op;
    n.literals = std::move(literals);
    n.duration = duration;
    return b.add(std::move(n));
  }
  NodeId is(ExprId left, Op op, Value literal) { return is(left, op, std::vector<Value>{std::move(literal)}); }
  NodeId is(const char* attribute, Op op, Value literal) { return is(attr(attribute), op, std::move(literal)); }
  NodeId relative(ExprId left, Op op, DurationMs d) { return is(left, op, std::vector<Value>{}, d); }
  NodeId some(const Aggregate& a) { return is(value(a), Op::at_least, integer(1)); }
  NodeId none(const Aggregate& a) { return b.negate(some(a)); }
  NodeId member_of(std::uint32_t segment) {
    Node n;
    n.kind = Node::Kind::segment;
    n.ref = segment;
    n.children = {b.plan().segments[segment].node};
    return b.add(std::move(n));
  }
  NodeId tagged(const char* tag) {
    Node n;
    n.kind = Node::Kind::tag;
    n.text = tag;
    return b.add(std::move(n));
  }
  NodeId changed(const char* attribute, DurationMs d, std::vector<Value> to = {}, std::vector<Value> from = {}) {
    Node n;
    n.kind = Node::Kind::changed;
    n.ref = attr_id(attribute);
    if (d > 0) n.window = within(d);
    n.literals = std::move(to);
    n.from_literals = std::move(from);
    return b.add(std::move(n));
  }
  NodeId has_been(const char* attribute, NodeId child, DurationMs d) {
    Node n;
    n.kind = Node::Kind::has_been;
    n.ref = attr_id(attribute);
    n.children = {child};
    n.duration = d;
    return b.add(std::move(n));
  }
  NodeId sequence(std::vector<SequenceStep> steps, Window window = {}) {
    Sequence s;
    s.steps = std::move(steps);
    s.window = window;
    Node n;
    n.kind = Node::Kind::sequence;
    n.ref = b.add(std::move(s));
    return b.add(std::move(n));
  }
  SequenceStep then(const char* event, DurationMs within = kNever) const {
    SequenceStep s;
    s.event = type(event);
    s.within = within;
    return s;
  }
  SequenceStep no(const char* event, DurationMs lasting) const {
    SequenceStep s;
    s.event = type(event);
    s.absent = true;
    s.lasting = lasting;
    return s;
  }
  NodeId calendar(Calendar c) {
    Node n;
    n.kind = Node::Kind::calendar;
    n.ref = b.add(std::move(c));
    return b.add(std::move(n));
  }
  ExprId days_since(ExprId child) {
    Expr e;
    e.kind = Expr::Kind::days_since;
    e.type = Type::integer;
    e.child = child;
    return b.add(std::move(e));
  }

  std::uint32_t segment(const char* name, NodeId node) {
    Segment s;
    s.name = name;
    s.node = node;
    b.plan().segments.push_back(std::move(s));
    return static_cast<std::uint32_t>(b.plan().segments.size() - 1);
  }
  static Rule rule(const char* name, Trigger::Kind kind) {
    Rule r;
    r.name = name;
    r.trigger.kind = kind;
    return r;
  }
  Rule on_event(const char* name, const char* event, NodeId condition = kNone) const {
    Rule r = rule(name, Trigger::Kind::event);
    r.trigger.event = type(event);
    r.condition = condition;
    return r;
  }
  static Rule on_edge(const char* name, Trigger::Kind kind, std::uint32_t segment) {
    Rule r = rule(name, kind);
    r.trigger.segment = segment;
    return r;
  }
  Rule on_change(const char* name, const char* attribute) const {
    Rule r = rule(name, Trigger::Kind::attribute_changes);
    r.trigger.attribute = attr_id(attribute);
    return r;
  }
  static Step step(DurationMs after = 0, NodeId only_if = kNone) {
    Step s;
    s.after = after;
    s.only_if = only_if;
    s.action.kind = "note";
    return s;
  }
  void add(Rule r) {
    if (r.steps.empty()) r.steps.push_back(step());
    b.plan().rules.push_back(std::move(r));
  }
  void zone(std::string_view name) { b.plan().zone = Zone::find(name).value(); }

  // ---- the life of one customer
  // Switches the plan on. Without this the first use does, before everything.
  void start(TimeMs now = 0) {
    b.plan().zone_attribute = attr_id("timezone");
    plan_ = b.finish();
    registry_.bind(*plan_, now);
  }
  // Another kit's plan takes over.
  void reload(Kit& other, TimeMs now) {
    other.b.plan().zone_attribute = attr_id("timezone");
    effects_.clear();
    engine_.advance(*plan_, state, now, effects_);
    note();
    plan_ = other.b.finish();
    registry_.bind(*plan_, now);
    effects_.clear();
    engine_.reconcile(*plan_, state, effects_);
    note();
  }

  Input event(const char* name, TimeMs time, const char* id, Named fields = {}) const {
    Input in;
    in.customer = "c";
    in.id = id;
    in.time = time;
    in.type = type(name);
    in.fields.resize(catalog_->events[in.type].fields.size());
    for (const auto& [field, v] : fields) in.fields[field_id(name, field)] = v;
    return in;
  }
  Input set(TimeMs time, const char* id, Named attributes) const {
    Input in;
    in.kind = InputKind::attributes;
    in.customer = "c";
    in.id = id;
    in.time = time;
    for (const auto& [name, v] : attributes) in.attributes.push_back({attr_id(name), v});
    return in;
  }
  static Input tag(TimeMs time, const char* id, const char* name, TimeMs expires = kNever, bool removed = false) {
    Input in;
    in.kind = InputKind::tag;
    in.customer = "c";
    in.id = id;
    in.time = time;
    in.tag = name;
    in.tag_expires = expires;
    in.tag_removed = removed;
    return in;
  }
  static Input import(Input in) {
    in.import = true;
    return in;
  }

  // All that arrives at one instant.
  std::vector<Receipt> arrive(TimeMs now, std::vector<Input> inputs) {
    if (!plan_) start();
    state.id = "c";
    std::vector<Receipt> receipts;
    effects_.clear();
    engine_.step(*plan_, state, inputs, now, receipts, effects_);
    note();
    return receipts;
  }
  // Each arrives at its own time.
  void live(std::vector<Input> inputs) {
    for (Input& in : inputs) arrive(in.time, {in});
  }
  // The clock goes to `now`: what is due before it is judged.
  void pass(TimeMs now) {
    if (!plan_) start();
    effects_.clear();
    engine_.advance(*plan_, state, now, effects_);
    note();
  }
  bool holds(NodeId node, TimeMs now) {
    if (!plan_) start();
    return engine_.holds(*plan_, state, node, now);
  }
  Value compute(ExprId expr, TimeMs now) {
    if (!plan_) start();
    return engine_.value(*plan_, state, expr, now);
  }
  // Encoded and decoded, as over a restart.
  void restart() {
    std::string bytes;
    encode_customer(bytes, state, *catalog_);
    state = decode_customer(bytes, *catalog_).value();
    engine_ = Engine();
  }
  // What happened since the last call: "2026-02-01T00:00:00Z enters dormant", "… fires rule", "… acts rule 0", "… held rule once_per".
  std::vector<std::string> happened() { return std::exchange(log_, {}); }
  // The same without the instants.
  std::vector<std::string> what() {
    std::vector<std::string> lines = happened();
    for (std::string& line : lines) line.erase(0, line.find(' ') + 1);
    return lines;
  }
  const Plan& plan() const { return *plan_; }
  const Effects& effects() const { return effects_; }

  CustomerState state;

 private:
  explicit Kit(std::shared_ptr<const Catalog> catalog) : b(catalog), catalog_(std::move(catalog)) {}
  static std::shared_ptr<const Catalog> make_catalog() {
    const auto leaf = [](const char* name, Type type) {
      LeafDef def;
      def.name = name;
      def.type = type;
      return def;
    };
    auto catalog = std::make_shared<Catalog>();
    catalog->attributes = {leaf("timezone", Type::text), leaf("tier", Type::text),      leaf("level", Type::integer),
                           leaf("spend", Type::decimal), leaf("ratio", Type::number),   leaf("active", Type::boolean),
                           leaf("born", Type::date),     leaf("seen", Type::timestamp), leaf("interests", Type::list),
                           leaf("nick", Type::text),     leaf("limit", Type::decimal)};
    EventTypeDef login;
    login.name = "login";
    login.fields = {leaf("device", Type::text)};
    EventTypeDef order;
    order.name = "order";
    order.fields = {leaf("amount", Type::decimal), leaf("sku", Type::text),        leaf("quantity", Type::integer),
                    leaf("weight", Type::number),  leaf("ships", Type::timestamp), leaf("number", Type::text),
                    leaf("day", Type::date)};
    EventTypeDef paid;
    paid.name = "paid";
    paid.fields = {leaf("number", Type::text)};
    catalog->events = {login, order, paid};
    catalog->index();
    return catalog;
  }
  void note() {
    for (const Edge& e : effects_.edges) {
      const auto it = plan_->segment_of_root.find(e.root);
      log_.push_back(format_timestamp(e.at) + (e.entered ? " enters " : " leaves ") + plan_->segments[it->second].name +
                     (e.silent ? " silently" : ""));
    }
    std::vector<std::string> lines;
    for (const Decision& d : effects_.decisions) {
      log_.push_back(format_timestamp(d.at) + (d.fired ? " fires " + d.rule : " held " + d.rule + " " + std::string(d.held == Held::none ? "none" : held_name(d.held))));
    }
    for (const ActionOut& a : effects_.actions) {
      if (a.step > 0) log_.push_back(format_timestamp(a.at) + " acts " + a.rule + " " + std::to_string(a.step));
    }
  }

  std::shared_ptr<const Catalog> catalog_;
  std::unique_ptr<Plan> plan_;
  Registry registry_;
  Engine engine_;
  Effects effects_;
  std::vector<std::string> log_;
};

using Lines = std::vector<std::string>;

// A condition's answers over time.
struct Answer {
  TimeMs now;
  bool truth;
};

}  // namespace nudge::testing
