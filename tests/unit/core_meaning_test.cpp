// One case per sentence of the language's § Meaning that the engine answers for.
#include <doctest/doctest.h>

#include <algorithm>

#include "core_support.h"

using namespace nudge;
using namespace nudge::testing;

TEST_CASE("Windows are exact and half-open: an event at t counts in within W exactly when now - W < t <= now") {
  Kit kit;
  const NodeId recent = kit.some(kit.rows("login", within(kHour)));
  kit.live({kit.event("login", kNoon, "a")});
  const Answer answers[] = {{kNoon - 1, false},        {kNoon, true},          {kNoon + 1, true},
                            {kNoon + kHour - 1, true}, {kNoon + kHour, false}, {kNoon + kHour + 1, false}};
  for (const Answer& a : answers) CHECK_MESSAGE(kit.holds(recent, a.now) == a.truth, "at noon + " << a.now - kNoon);
}

TEST_CASE("'No login for 30 days' becomes true at the second it is due, with no event at all") {
  Kit kit;
  const auto silent = kit.segment("silent", kit.none(kit.rows("login", within(30 * kDay))));
  kit.add(Kit::on_edge("wake", Trigger::Kind::enters, silent));
  kit.live({kit.event("login", kNoon, "a")});
  CHECK(kit.what().empty());
  CHECK(Engine::next_due(kit.state) == kNoon + 30 * kDay);
  kit.pass(kNoon + 30 * kDay);
  CHECK(kit.what().empty());
  kit.pass(kNoon + 30 * kDay + 1);
  CHECK(kit.happened() == Lines{"2026-03-06T12:00:00Z enters silent", "2026-03-06T12:00:00Z fires wake"});
  CHECK(Engine::next_due(kit.state) == kNever);
}

TEST_CASE("Time alone crosses every boundary of a window and of each relative date filter") {
  Kit kit;
  const ExprId seen = kit.attr("seen");
  kit.segment("from-to", kit.some(kit.rows("login", from_to(3 * kDay, kDay))));
  kit.segment("today", kit.some(kit.rows("login", since(Window::Unit::day))));
  kit.segment("within", kit.relative(seen, Op::within, kDay));
  kit.segment("older", kit.relative(seen, Op::older_than, 2 * kDay));
  kit.segment("next", kit.relative(seen, Op::in_next, kDay));
  kit.segment("days", kit.is(kit.days_since(seen), Op::at_least, integer(2)));
  kit.arrive(kNoon, {kit.event("login", kNoon, "a"), kit.set(kNoon, "b", {{"seen", Value::of_timestamp(kNoon + 2 * kDay)}})});
  kit.pass(kNoon + 30 * kDay);
  CHECK(kit.happened() == Lines{"2026-02-04T12:00:00Z enters today", "2026-02-05T00:00:00Z leaves today",
                                "2026-02-05T12:00:00Z enters from-to", "2026-02-05T12:00:00Z enters next",
                                "2026-02-06T12:00:00Z enters within", "2026-02-06T12:00:00Z leaves next",
                                "2026-02-07T12:00:00Z leaves from-to", "2026-02-07T12:00:00Z leaves within",
                                "2026-02-08T12:00:00Z enters older", "2026-02-08T12:00:00Z enters days"});
}

TEST_CASE("Every operator but exists is false on a missing value, and not turns that to true") {
  const Value t = text("x");
  struct {
    const char* attribute;
    Op op;
    std::vector<Value> literals;
    DurationMs d;
  } rows[] = {{"tier", Op::equals, {t}, 0},
              {"tier", Op::not_equals, {t}, 0},
              {"tier", Op::in, {t}, 0},
              {"tier", Op::not_in, {t}, 0},
              {"tier", Op::contains, {t}, 0},
              {"tier", Op::not_contains, {t}, 0},
              {"tier", Op::starts_with, {t}, 0},
              {"tier", Op::ends_with, {t}, 0},
              {"level", Op::equals, {integer(0)}, 0},
              {"level", Op::not_equals, {integer(0)}, 0},
              {"level", Op::in, {integer(0)}, 0},
              {"level", Op::not_in, {integer(0)}, 0},
              {"level", Op::less_than, {integer(1)}, 0},
              {"level", Op::at_most, {integer(0)}, 0},
              {"level", Op::greater_than, {integer(-1)}, 0},
              {"level", Op::at_least, {integer(0)}, 0},
              {"level", Op::between, {integer(-1), integer(1)}, 0},
              {"spend", Op::less_than, {decimal("1")}, 0},
              {"ratio", Op::not_equals, {number(1)}, 0},
              {"active", Op::equals, {Value::of_boolean(false)}, 0},
              {"born", Op::before, {date("2030-01-01")}, 0},
              {"born", Op::after, {date("1900-01-01")}, 0},
              {"born", Op::within, {}, kDay},
              {"born", Op::older_than, {}, kDay},
              {"born", Op::in_next, {}, kDay},
              {"born", Op::anniversary_in_next, {}, 400 * kDay},
              {"born", Op::anniversary_today, {}, 0},
              {"interests", Op::has, {t}, 0},
              {"interests", Op::has_any, {t}, 0},
              {"interests", Op::has_all, {t}, 0}};
  Kit kit;
  std::vector<NodeId> nodes;
  for (const auto& row : rows) nodes.push_back(kit.is(kit.attr(row.attribute), row.op, row.literals, row.d));
  const NodeId exists = kit.is("tier", Op::exists, Value::of_boolean(true));
  std::vector<NodeId> negated;
  for (const NodeId n : nodes) negated.push_back(kit.b.negate(n));
  const NodeId absent = kit.b.negate(exists);
  kit.live({kit.event("login", kNoon, "a")});
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    CHECK_MESSAGE(!kit.holds(nodes[i], kNoon), op_name(rows[i].op));
    CHECK_MESSAGE(kit.holds(negated[i], kNoon), op_name(rows[i].op));
  }
  CHECK(!kit.holds(exists, kNoon));
  CHECK(kit.holds(absent, kNoon));
}

TEST_CASE("A right side that is missing is unknown too") {
  Kit kit;
  Node n;
  n.kind = Node::Kind::compare;
  n.left = kit.attr("spend");
  n.op = Op::less_than;
  n.right = kit.attr("limit");
  const NodeId below = kit.b.add(std::move(n));
  kit.live({kit.set(kNoon, "a", {{"spend", decimal("1")}})});
  CHECK(!kit.holds(below, kNoon));
  kit.live({kit.set(kNoon + 1, "b", {{"limit", decimal("2")}})});
  CHECK(kit.holds(below, kNoon + 1));
}

TEST_CASE("An aggregate over no rows: count, sum and distinct are 0; average, min, max, first, last are missing") {
  using Fn = Aggregate::Fn;
  for (const bool known_type : {false, true}) {  // rows of the type outside the window, or none at all
    Kit kit;
    const std::pair<Fn, bool> rows[] = {{Fn::sum, true},  {Fn::distinct, true}, {Fn::average, false}, {Fn::min, false},
                                        {Fn::max, false}, {Fn::first, false},   {Fn::last, false}};
    std::vector<ExprId> exprs;
    for (const auto& [fn, zero] : rows) exprs.push_back(kit.value(kit.of(fn, "order", "amount", within(kDay))));
    const ExprId count = kit.value(kit.rows("order", within(kDay)));
    kit.live({kit.event("login", kNoon - 3 * kDay, "a")});
    if (known_type) kit.live({kit.event("order", kNoon - 2 * kDay, "b", {{"amount", decimal("5")}})});
    CHECK(kit.compute(count, kNoon).bits == 0);
    for (std::size_t i = 0; i < exprs.size(); ++i) {
      const Value v = kit.compute(exprs[i], kNoon);
      CHECK(v.missing() == !rows[i].second);
      if (rows[i].second) CHECK(compare_numeric(v.view(), ValueView::of_integer(0)) == 0);
    }
  }
}

TEST_CASE("Order does not matter: the same set of events gives the same state whatever order they arrive in") {
  std::string first_facts;
  std::vector<int> order = {0, 1, 2, 3, 4};
  do {
    Kit kit;
    const NodeId node = kit.b.all({kit.is(kit.value(kit.of(Aggregate::Fn::last, "order", "sku")), Op::equals, text("c")),
                                   kit.is("tier", Op::equals, text("gold")), kit.tagged("vip")});
    const Input inputs[] = {kit.event("order", kNoon, "b", {{"sku", text("b")}}), kit.event("order", kNoon, "c", {{"sku", text("c")}}),
                            kit.set(kNoon, "2", {{"tier", text("gold")}}), kit.set(kNoon, "1", {{"tier", text("silver")}}),
                            Kit::tag(kNoon, "t", "vip")};
    for (std::size_t i = 0; i < order.size(); ++i) kit.arrive(kNoon + static_cast<TimeMs>(i), {inputs[order[i]]});
    CHECK(kit.holds(node, kNoon + 10));
    kit.state.clock = 0;
    kit.state.wakes.clear();
    std::string bytes;
    encode_customer(bytes, kit.state, *kit.plan().catalog);
    if (first_facts.empty()) first_facts = bytes;
    CHECK(bytes == first_facts);
  } while (std::ranges::next_permutation(order).found);
}

TEST_CASE("The same event id twice is the same event once") {
  Kit kit;
  const ExprId count = kit.value(kit.rows("login"));
  kit.add(kit.on_event("hello", "login"));
  CHECK(kit.arrive(kNoon, {kit.event("login", kNoon, "a")}) == std::vector{Receipt::stored});
  CHECK(kit.arrive(kNoon + 1, {kit.event("login", kNoon, "a")}) == std::vector{Receipt::duplicate});
  CHECK(kit.arrive(kNoon + 2, {kit.event("login", kNoon + 2, "b"), kit.event("login", kNoon + 2, "b")}) ==
        std::vector{Receipt::stored, Receipt::duplicate});
  CHECK(kit.compute(count, kNoon + 2).bits == 2);
  CHECK(kit.what() == Lines{"fires hello", "fires hello"});
}

TEST_CASE("A late event corrects the state; it fires an event trigger only while it is younger than the rule's max_age (default one day)") {
  Kit kit;
  const ExprId count = kit.value(kit.rows("login", within(3 * kDay)));
  kit.add(kit.on_event("by-default", "login"));
  Rule strict = kit.on_event("strict", "login");
  strict.max_age = kHour;
  kit.add(strict);
  kit.arrive(kNoon, {kit.event("login", kNoon - kDay, "a")});
  CHECK(kit.what().empty());
  kit.arrive(kNoon + 1, {kit.event("login", kNoon + 1 - kDay + 1, "b")});
  CHECK(kit.what() == Lines{"fires by-default"});
  kit.arrive(kNoon + 2, {kit.event("login", kNoon + 2 - kHour + 1, "c")});
  CHECK(kit.what() == Lines{"fires by-default", "fires strict"});
  CHECK(kit.compute(count, kNoon + 2).bits == 3);
}

TEST_CASE("Imported history never fires") {
  Kit kit;
  const auto active = kit.segment("active", kit.some(kit.rows("login", within(kDay))));
  kit.add(kit.on_event("hello", "login"));
  kit.add(Kit::on_edge("entered", Trigger::Kind::enters, active));
  kit.add(kit.on_change("promoted", "tier"));
  kit.arrive(kNoon, {Kit::import(kit.event("login", kNoon, "a")), Kit::import(kit.set(kNoon, "b", {{"tier", text("gold")}}))});
  CHECK(kit.what() == Lines{"enters active silently"});
}

TEST_CASE("enters fires once when membership turns true, leaves when it turns false") {
  Kit kit;
  const auto active = kit.segment("active", kit.some(kit.rows("login", within(kHour))));
  kit.add(Kit::on_edge("in", Trigger::Kind::enters, active));
  kit.add(Kit::on_edge("out", Trigger::Kind::leaves, active));
  kit.live({kit.event("login", kNoon, "a"), kit.event("login", kNoon + kMinute, "b")});
  kit.pass(kNoon + kDay);
  kit.live({kit.event("login", kNoon + 2 * kDay, "c")});
  CHECK(kit.happened() == Lines{"2026-02-04T12:00:00Z enters active", "2026-02-04T12:00:00Z fires in", "2026-02-04T13:01:00Z leaves active",
                                "2026-02-04T13:01:00Z fires out", "2026-02-06T12:00:00Z enters active", "2026-02-06T12:00:00Z fires in"});
}

TEST_CASE("At activation those who are already members are seeded, not fired on, unless the rule says existing: fire") {
  for (const bool existing : {false, true}) {
    Kit before;
    before.live({before.event("login", kNoon, "a")});
    Kit after;
    const auto active = after.segment("active", after.some(after.rows("login", within(kDay))));
    Rule in = Kit::on_edge("in", Trigger::Kind::enters, active);
    in.existing_fire = existing;
    after.add(in);
    before.reload(after, kNoon + kHour);
    CHECK(before.happened() == (existing ? Lines{"2026-02-04T13:00:00Z enters active silently", "2026-02-04T13:00:00Z fires in"}
                                         : Lines{"2026-02-04T13:00:00Z enters active silently"}));
    before.pass(kNoon + 2 * kDay);
    CHECK(before.happened() == Lines{"2026-02-05T12:00:00Z leaves active"});
  }
}

TEST_CASE("A segment that a reload leaves as it is keeps its members") {
  Kit before;
  before.segment("active", before.some(before.rows("login", within(kDay))));
  before.live({before.event("login", kNoon, "a")});
  CHECK(before.what() == Lines{"enters active"});
  Kit after;
  after.segment("other", after.is("tier", Op::equals, text("gold")));
  after.segment("active", after.some(after.rows("login", within(kDay))));
  before.reload(after, kNoon + kHour);
  CHECK(before.what().empty());
  before.pass(kNoon + 2 * kDay);
  CHECK(before.what() == Lines{"leaves active"});
}

TEST_CASE("attribute_changes fires when the value becomes another, to and from as said") {
  Kit kit;
  kit.add(kit.on_change("any", "tier"));
  Rule up = kit.on_change("up", "tier");
  up.trigger.from = {text("silver")};
  up.trigger.to = {text("gold")};
  kit.add(up);
  kit.live({kit.set(kNoon, "a", {{"tier", text("silver")}})});
  CHECK(kit.what() == Lines{"fires any"});
  kit.live({kit.set(kNoon + 1, "b", {{"tier", text("silver")}})});
  CHECK(kit.what().empty());
  kit.live({kit.set(kNoon + 2, "c", {{"tier", text("gold")}})});
  CHECK(kit.what() == Lines{"fires any", "fires up"});
}

TEST_CASE("A delayed step checks only_if again when it is due") {
  for (const bool called : {false, true}) {
    Kit kit;
    Rule r = kit.on_event("follow", "order");
    r.steps = {Kit::step(), Kit::step(2 * kHour, kit.none(kit.rows("paid", within(2 * kHour)))), Kit::step(kHour)};
    kit.add(r);
    kit.live({kit.event("order", kNoon, "a")});
    if (called) kit.live({kit.event("paid", kNoon + kHour, "b")});
    kit.pass(kNoon + kDay);
    CHECK(kit.happened() == Lines{"2026-02-04T12:00:00Z fires follow",
                                  called ? "2026-02-04T14:00:00Z held follow only_if" : "2026-02-04T14:00:00Z acts follow 1",
                                  "2026-02-04T15:00:00Z acts follow 2"});
  }
}

TEST_CASE("Each step is durable") {
  Kit kit;
  Rule r = kit.on_event("follow", "order");
  r.steps = {Kit::step(), Kit::step(2 * kHour), Kit::step(kHour)};
  kit.add(r);
  kit.live({kit.event("order", kNoon, "a")});
  kit.restart();
  CHECK(Engine::next_due(kit.state) == kNoon + 2 * kHour);
  kit.pass(kNoon + 150 * kMinute);
  kit.restart();
  kit.pass(kNoon + kDay);
  CHECK(kit.happened() ==
        Lines{"2026-02-04T12:00:00Z fires follow", "2026-02-04T14:00:00Z acts follow 1", "2026-02-04T15:00:00Z acts follow 2"});
}

TEST_CASE("A decision names the version of the rule that decided, and the row that was its cause") {
  Kit kit;
  kit.add(kit.on_event("hello", "login"));
  kit.live({kit.event("login", kNoon, "a")});
  REQUIRE(kit.effects().decisions.size() == 1);
  const Decision& d = kit.effects().decisions[0];
  CHECK(d.rule_version == 1);
  CHECK(d.cause.row_id == "a");
  CHECK(d.cause.row_time == kNoon);
  CHECK(d.customer == "c");
}

TEST_CASE("An action's id follows from rule, customer, cause and step: the same again, and another for another") {
  std::vector<Hash128> ids;
  for (int round = 0; round < 2; ++round) {
    Kit kit;
    Rule r = kit.on_event("hello", "login");
    r.steps = {Kit::step(), Kit::step()};
    kit.add(r);
    kit.arrive(kNoon, {kit.event("login", kNoon, "a"), kit.event("login", kNoon, "b")});
    REQUIRE(kit.effects().actions.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
      if (round == 0)
        ids.push_back(kit.effects().actions[i].id);
      else
        CHECK(kit.effects().actions[i].id == ids[i]);
    }
  }
  std::ranges::sort(ids);
  CHECK(std::ranges::adjacent_find(ids) == ids.end());
}

TEST_CASE("What a rule held back is recorded with its reason") {
  Kit kit;
  Rule shadow = kit.on_event("a-shadow", "login");
  shadow.state = RuleState::shadow;
  kit.add(shadow);
  Rule out = kit.on_event("b-rollout", "login");
  out.rollout_percent = 0;
  kit.add(out);
  Rule holdout = kit.on_event("c-holdout", "login");
  holdout.holdout_percent = 100;
  kit.add(holdout);
  Rule paused = kit.on_event("d-paused", "login");
  paused.state = RuleState::paused;
  kit.add(paused);
  kit.live({kit.event("login", kNoon, "a")});
  CHECK(kit.what() == Lines{"held a-shadow shadow", "held b-rollout rollout", "held c-holdout holdout"});
  CHECK(kit.effects().actions.empty());
}
