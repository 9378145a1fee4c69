#include <doctest/doctest.h>

#include <algorithm>

#include "engine/plan/plan.h"
#include "model_support.h"

using namespace nudge;
using namespace nudge::testing;

namespace {

// sample_catalog, or the same with other ids for everything.
std::shared_ptr<const Catalog> catalog(bool other_ids = false) {
  auto made = std::make_shared<Catalog>();
  *made = sample_catalog();
  made->attributes.push_back(leaf("timezone", Type::text));
  if (other_ids) {
    std::ranges::reverse(made->attributes);
    std::ranges::reverse(made->events);
    for (EventTypeDef& event : made->events) std::ranges::reverse(event.fields);
  }
  made->index();
  return made;
}

NodeId compare(PlanBuilder& b, ExprId left, Op op, Value literal) {
  Node n;
  n.kind = Node::Kind::compare;
  n.op = op;
  n.left = left;
  n.literals.push_back(std::move(literal));
  return b.add(std::move(n));
}

ExprId attribute(PlanBuilder& b, std::string_view name) { return b.attribute(b.plan().catalog->find_attribute(name)); }

NodeId is_tier(PlanBuilder& b, std::string_view tier) { return compare(b, attribute(b, "tier"), Op::equals, Value::of_text(tier)); }

NodeId event_count(PlanBuilder& b, std::string_view event, DurationMs within, NodeId filter = kNone) {
  Aggregate a;
  a.event = b.plan().catalog->find_event(event);
  a.filter = filter;
  a.window.kind = Window::Kind::within;
  a.window.a = within;
  return compare(b, b.aggregate(b.add(a)), Op::at_least, Value::of_integer(1));
}

NodeId with_tag(PlanBuilder& b, std::string tag) {
  Node n;
  n.kind = Node::Kind::tag;
  n.text = std::move(tag);
  return b.add(std::move(n));
}

NodeId segment_node(PlanBuilder& b, std::uint32_t segment) {
  Node n;
  n.kind = Node::Kind::segment;
  n.ref = segment;
  n.children = {b.plan().segments[segment].node};
  return b.add(std::move(n));
}

std::uint32_t add_segment(PlanBuilder& b, std::string name, NodeId node) {
  Segment s;
  s.name = std::move(name);
  s.node = node;
  b.plan().segments.push_back(std::move(s));
  return static_cast<std::uint32_t>(b.plan().segments.size() - 1);
}

Hash128 key_of(bool other_ids, auto make) {
  PlanBuilder b(catalog(other_ids));
  add_segment(b, "s", make(b));
  return b.finish()->segments[0].key;
}

using Indexes = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("equal things get one id, different ones do not") {
  PlanBuilder b(catalog());
  CHECK(is_tier(b, "gold") == is_tier(b, "gold"));
  CHECK(is_tier(b, "gold") != is_tier(b, "silver"));
  CHECK(event_count(b, "login", kDay) == event_count(b, "login", kDay));
  CHECK(event_count(b, "login", kDay) != event_count(b, "login", kDay + 1));
  CHECK(event_count(b, "login", kDay) != event_count(b, "bare", kDay));
  CHECK(b.literal(Value::of_integer(1), Type::integer) != b.literal(Value::of_number(1), Type::number));
  CHECK(b.literal(Value::of_integer(1), Type::integer) == b.literal(Value::of_integer(1), Type::integer));
  CHECK(b.field(1, 0) == b.field(1, 0));
  CHECK(b.field(1, 0) != b.trigger_field(1, 0));
  CHECK(with_tag(b, "a") == with_tag(b, "a"));
  Calendar office;
  office.hours.push_back({9 * kHour, 18 * kHour});
  CHECK(b.add(office) == b.add(office));
  office.weekdays = 0x1f;
  CHECK(b.add(office) == 1);
  Sequence s;
  s.steps.push_back({1, kNone, false, kNever, 0, kNoField});
  CHECK(b.add(s) == b.add(s));
  s.steps.push_back({1, kNone, true, kNever, kDay, kNoField});
  CHECK(b.add(s) == 1);
  Template t;
  t.parts.push_back({});
  CHECK(b.add(t) == b.add(t));
  t.parts[0].text = "hello";
  CHECK(b.add(t) == 1);
  CHECK(b.plan().aggregates.size() == 3);
}

TEST_CASE("types of expressions") {
  PlanBuilder b(catalog());
  const EventTypeId all = b.plan().catalog->find_event("all_kinds");
  const auto type = [&](Aggregate::Fn fn, FieldId field) {
    Aggregate a;
    a.event = all;
    a.fn = fn;
    a.field = field;
    return b.expr(b.aggregate(b.add(a))).type;
  };
  using Fn = Aggregate::Fn;
  CHECK(type(Fn::count, kNoField) == Type::integer);
  CHECK(type(Fn::distinct, 4) == Type::integer);
  CHECK(type(Fn::sum, 1) == Type::integer);
  CHECK(type(Fn::average, 1) == Type::decimal);
  CHECK(type(Fn::average, 2) == Type::number);
  CHECK(type(Fn::sum, 3) == Type::decimal);
  CHECK(type(Fn::max, 6) == Type::date);
  CHECK(type(Fn::last, kTimeField) == Type::timestamp);
  CHECK(b.expr(b.field(all, kTimeField)).type == Type::timestamp);
  CHECK(b.expr(attribute(b, "born")).type == Type::date);
}

TEST_CASE("all and any: flat, without repeats and constants, in the written order") {
  PlanBuilder b(catalog());
  const NodeId yes = b.constant(true);
  const NodeId no = b.constant(false);
  const NodeId p = with_tag(b, "p");
  const NodeId q = with_tag(b, "q");
  const NodeId r = with_tag(b, "r");
  CHECK(b.all({}) == yes);
  CHECK(b.any({}) == no);
  CHECK(b.all({p}) == p);
  CHECK(b.all({p, yes}) == p);
  CHECK(b.all({p, no}) == no);
  CHECK(b.any({p, yes}) == yes);
  CHECK(b.any({p, no, p}) == p);
  CHECK(b.all({yes, yes}) == yes);
  const NodeId flat = b.all({r, b.all({q, p}), q});
  CHECK(b.node(flat).children == std::vector<NodeId>{r, q, p});
  CHECK(b.all({r, q, p}) == flat);
  CHECK(b.all({p, q, r}) != flat);  // shown as each was written
  const NodeId mixed = b.all({b.any({p, q}), r});
  CHECK(b.node(mixed).children.size() == 2);
  CHECK(b.negate(b.negate(p)) == p);
  CHECK(b.negate(yes) == no);
  CHECK(b.node(b.negate(p)).kind == Node::Kind::negate);
  Node n;
  n.kind = Node::Kind::any;
  n.children = {p, no};
  CHECK(b.add(n) == p);
}

TEST_CASE("definitions do not depend on numeric ids, nor on what else is in the plan") {
  const auto rich = [](PlanBuilder& b) {
    const EventTypeId all = b.plan().catalog->find_event("all_kinds");
    const FieldId tier = b.plan().catalog->events[all].find("tier");
    const NodeId filter = compare(b, b.field(all, tier), Op::equals, Value::of_text("gold"));
    Sequence s;
    s.steps.push_back({all, filter, false, kNever, 0, tier});
    s.steps.push_back({b.plan().catalog->find_event("login"), kNone, true, kNever, kDay, kNoField});
    Node sequence;
    sequence.kind = Node::Kind::sequence;
    sequence.ref = b.add(s);
    Node changed;
    changed.kind = Node::Kind::changed;
    changed.ref = b.plan().catalog->find_attribute("vip");
    return b.all({is_tier(b, "gold"), event_count(b, "all_kinds", kDay, filter), b.add(sequence), b.negate(b.add(changed))});
  };
  const Hash128 key = key_of(false, rich);
  CHECK(key == key_of(true, rich));
  CHECK(key == key_of(false, [&](PlanBuilder& b) {
          event_count(b, "bare", 5);  // takes the first ids
          with_tag(b, "other");
          return rich(b);
        }));
  const Hash128 tier = key_of(false, [](PlanBuilder& b) { return is_tier(b, "gold"); });
  CHECK(tier != key);
  CHECK(tier != key_of(false, [](PlanBuilder& b) { return is_tier(b, "silver"); }));
  CHECK(tier != key_of(false, [](PlanBuilder& b) { return compare(b, attribute(b, "phone"), Op::equals, Value::of_text("gold")); }));
  CHECK(key_of(false, [](PlanBuilder& b) { return event_count(b, "login", 1); }) !=
        key_of(false, [](PlanBuilder& b) { return event_count(b, "login", 2); }));

  // The name is part of the key; the description is not; the names of what it refers to are not either.
  PlanBuilder b(catalog());
  const auto gold = add_segment(b, "gold", is_tier(b, "gold"));
  add_segment(b, "gold too", is_tier(b, "gold"));
  b.plan().segments[gold].description = "text";
  const auto through = add_segment(b, "s", segment_node(b, gold));
  const auto plan = b.finish();
  CHECK(plan->segments[0].key != plan->segments[1].key);
  PlanBuilder c(catalog());
  add_segment(c, "s", segment_node(c, add_segment(c, "renamed", is_tier(c, "gold"))));
  const auto other = c.finish();
  CHECK(other->find_segment("s") != nullptr);
  CHECK(other->segments.size() == 2);
  CHECK(plan->segments[through].key == other->find_segment("s")->key);
}

TEST_CASE("a rule's definition is everything but its description") {
  const auto make = [](auto change) {
    PlanBuilder b(catalog());
    add_segment(b, "gold", is_tier(b, "gold"));
    Rule r;
    r.name = "r";
    r.trigger.kind = Trigger::Kind::enters;
    r.trigger.segment = 0;
    r.condition = with_tag(b, "p");
    Step step;
    step.action.kind = "email";
    Param param;
    param.name = "subject";
    param.kind = Param::Kind::text;
    Template t;
    t.parts.push_back({});
    t.parts[0].text = "hello";
    param.text = b.add(t);
    step.action.params.push_back(param);
    r.steps.push_back(step);
    change(b, r);
    b.plan().rules.push_back(r);
    return b.finish()->rules[0].definition;
  };
  const Hash128 plain = make([](PlanBuilder&, Rule&) {});
  CHECK(plain == make([](PlanBuilder&, Rule& r) { r.description = "other"; }));
  CHECK(plain == make([](PlanBuilder&, Rule& r) {
          r.file = "other.yaml";
          r.line = 7;
        }));
  const std::vector<Hash128> changed{
      make([](PlanBuilder&, Rule& r) { r.name = "q"; }),
      make([](PlanBuilder&, Rule& r) { r.category = Category::management; }),
      make([](PlanBuilder&, Rule& r) { r.priority = 51; }),
      make([](PlanBuilder&, Rule& r) { r.state = RuleState::paused; }),
      make([](PlanBuilder&, Rule& r) { r.trigger.kind = Trigger::Kind::leaves; }),
      make([](PlanBuilder& b, Rule&) { b.plan().segments[0].node = is_tier(b, "silver"); }),
      make([](PlanBuilder& b, Rule& r) { r.condition = with_tag(b, "q"); }),
      make([](PlanBuilder&, Rule& r) { r.condition = kNone; }),
      make([](PlanBuilder&, Rule& r) { r.steps[0].after = 1; }),
      make([](PlanBuilder& b, Rule& r) { r.steps[0].only_if = with_tag(b, "q"); }),
      make([](PlanBuilder&, Rule& r) { r.steps[0].action.kind = "sms"; }),
      make([](PlanBuilder& b, Rule&) { b.plan().templates[0].parts[0].text = "bye"; }),
      make([](PlanBuilder&, Rule& r) { r.steps[0].action.assignment.entries.push_back({.skills = {"boats"}}); }),
      make([](PlanBuilder&, Rule& r) { r.steps[0].action.task.units = 2; }),
      make([](PlanBuilder&, Rule& r) { r.steps.push_back({}); }),
      make([](PlanBuilder&, Rule& r) { r.limits.once_per = kDay; }),
      make([](PlanBuilder&, Rule& r) { r.rollout_percent = 10; }),
      make([](PlanBuilder&, Rule& r) { r.holdout_percent = 10; }),
      make([](PlanBuilder&, Rule& r) { r.existing_fire = true; }),
      make([](PlanBuilder&, Rule& r) { r.max_age = 1; }),
      make([](PlanBuilder&, Rule& r) { r.goal.event = 1; }),
  };
  for (std::size_t i = 0; i < changed.size(); ++i) {
    CAPTURE(i);
    CHECK(changed[i] != plain);
    for (std::size_t j = 0; j < i; ++j) CHECK(changed[i] != changed[j]);
  }
}

TEST_CASE("indexes: what reaches a segment, through everything") {
  const auto shared = catalog();
  PlanBuilder b(shared);
  b.plan().zone_attribute = shared->find_attribute("timezone");
  const auto at = [&](std::string_view name) { return shared->find_attribute(name); };
  const EventTypeId login = shared->find_event("login");
  const EventTypeId bare = shared->find_event("bare");

  add_segment(b, "0 tier", is_tier(b, "gold"));
  add_segment(b, "1 login", event_count(b, "login", kDay));
  add_segment(b, "2 through both", b.any({segment_node(b, 0), b.negate(segment_node(b, 1))}));
  add_segment(b, "3 tag", with_tag(b, "p"));

  Expr trait;  // 4: the last login's time, by a trait
  trait.kind = Expr::Kind::trait;
  trait.type = Type::timestamp;
  Aggregate last;
  last.event = login;
  last.fn = Aggregate::Fn::last;
  last.field = kTimeField;
  trait.child = b.aggregate(b.add(last));
  Node older;
  older.kind = Node::Kind::compare;
  older.op = Op::older_than;
  older.left = b.add(trait);
  older.duration = kDay;
  add_segment(b, "4 trait", b.add(older));

  Score score;  // 5: a score's band
  score.name = "quality";
  score.points.push_back({is_tier(b, "gold"), kNone, {10}, false, {}});
  score.points.push_back({event_count(b, "bare", kDay), kNone, {10}, false, {}});
  b.plan().scores.push_back(score);
  Node band;
  band.kind = Node::Kind::band;
  band.ref = 0;
  band.band = 0;
  add_segment(b, "5 band", b.add(band));

  Sequence s;
  s.steps.push_back({bare, kNone, false, kNever, 0, kNoField});
  s.steps.push_back({login, kNone, true, kNever, kDay, kNoField});
  Node sequence;
  sequence.kind = Node::Kind::sequence;
  sequence.ref = b.add(s);
  add_segment(b, "6 sequence", b.add(sequence));

  Node calendar;
  calendar.kind = Node::Kind::calendar;
  calendar.ref = b.add(Calendar{});
  add_segment(b, "7 calendar", b.add(calendar));
  Calendar company;
  company.tenant_zone = true;
  calendar.ref = b.add(company);
  add_segment(b, "8 the company's calendar", b.add(calendar));

  add_segment(b, "9 date", compare(b, attribute(b, "born"), Op::before, Value::of_date(1)));
  Aggregate today;
  today.event = login;
  today.window.kind = Window::Kind::since;
  add_segment(b, "10 today", compare(b, b.aggregate(b.add(today)), Op::at_least, Value::of_integer(1)));
  add_segment(b, "11 seen before a day", compare(b, attribute(b, "seen"), Op::before, Value::of_date(1)));
  add_segment(b, "12 seen", compare(b, attribute(b, "seen"), Op::before, Value::of_timestamp(1)));
  Node changed;
  changed.kind = Node::Kind::changed;
  changed.ref = at("vip");
  add_segment(b, "13 changed", b.add(changed));
  Node right;  // visits less_than ratio
  right.kind = Node::Kind::compare;
  right.op = Op::less_than;
  right.left = attribute(b, "visits");
  right.right = attribute(b, "ratio");
  add_segment(b, "14 two attributes", b.add(right));

  const auto plan = b.finish();
  CHECK(plan->segments_by_event[login] == Indexes{1, 2, 4, 6, 10});
  CHECK(plan->segments_by_event[bare] == Indexes{5, 6});
  CHECK(plan->segments_by_event[shared->find_event("wide")].empty());
  CHECK(plan->segments_by_attribute[at("tier")] == Indexes{0, 2, 5});
  CHECK(plan->segments_by_attribute[at("timezone")] == Indexes{7, 9, 10, 11});
  CHECK(plan->segments_by_attribute[at("seen")] == Indexes{11, 12});
  CHECK(plan->segments_by_attribute[at("vip")] == Indexes{13});
  CHECK(plan->segments_by_attribute[at("visits")] == Indexes{14});
  CHECK(plan->segments_by_attribute[at("ratio")] == Indexes{14});
  CHECK(plan->segments_by_tag == Indexes{3});
}

TEST_CASE("rules: the order of firing, and indexes by trigger") {
  const auto shared = catalog();
  PlanBuilder b(shared);
  add_segment(b, "gold", is_tier(b, "gold"));
  const auto rule = [&](std::string name, std::int32_t priority, Trigger::Kind kind) {
    Rule r;
    r.name = std::move(name);
    r.priority = priority;
    r.trigger.kind = kind;
    if (kind == Trigger::Kind::event) r.trigger.event = 1;
    if (kind == Trigger::Kind::attribute_changes) r.trigger.attribute = 4;
    if (kind == Trigger::Kind::enters || kind == Trigger::Kind::leaves) r.trigger.segment = 0;
    b.plan().rules.push_back(r);
  };
  rule("b", 50, Trigger::Kind::event);
  rule("a", 50, Trigger::Kind::enters);
  rule("z", 80, Trigger::Kind::leaves);
  rule("c", -5, Trigger::Kind::attribute_changes);
  b.plan().teams.push_back({"sales", "boss", {}});
  const auto plan = b.finish();
  std::string order;
  for (const Rule& r : plan->rules) order += r.name;
  CHECK(order == "zabc");
  CHECK(plan->rules_by_event[1] == Indexes{2});
  CHECK(plan->rules_by_event[0].empty());
  CHECK(plan->rules_by_attribute[4] == Indexes{3});
  CHECK(plan->rules_by_segment[0] == Indexes{0, 1});
  CHECK(plan->find_rule("c")->priority == -5);
  CHECK(plan->find_rule("d") == nullptr);
  CHECK(plan->find_segment("gold") == &plan->segments[0]);
  CHECK(plan->find_team("sales")->manager == "boss");
  CHECK(plan->find_team("nobody") == nullptr);
}

TEST_CASE("the digest is of all definitions, whatever their order") {
  const auto digest = [](bool swapped, std::string_view tier, std::string_view greeting, std::string_view manager) {
    PlanBuilder b(catalog());
    if (swapped) add_segment(b, "tagged", with_tag(b, "p"));
    add_segment(b, "tier", is_tier(b, tier));
    if (!swapped) add_segment(b, "tagged", with_tag(b, "p"));
    b.plan().named_templates["hello"] = greeting;
    b.plan().teams.push_back({"sales", std::string(manager), {}});
    return b.finish()->digest;
  };
  const Hash128 plain = digest(false, "gold", "hi", "boss");
  CHECK(plain == digest(true, "gold", "hi", "boss"));
  CHECK(plain != digest(false, "silver", "hi", "boss"));
  CHECK(plain != digest(false, "gold", "hello", "boss"));
  CHECK(plain != digest(false, "gold", "hi", "other"));
}
