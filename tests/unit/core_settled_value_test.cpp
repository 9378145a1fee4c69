// One case per sentence of the language's § Settled on rows, values, duplicates, text, sequences and limits; and on scores.
#include <doctest/doctest.h>

#include "core_support.h"
#include "engine/base/regex.h"
#include "engine/base/text.h"

using namespace nudge;
using namespace nudge::testing;

TEST_CASE("Rows without the field are left out of an aggregate; first and last take the oldest or newest row that has it") {
  using Fn = Aggregate::Fn;
  Kit kit;
  const std::pair<Fn, Value> rows[] = {{Fn::sum, decimal("6")}, {Fn::average, decimal("3")}, {Fn::min, decimal("2")},
                                       {Fn::max, decimal("4")}, {Fn::distinct, integer(2)},  {Fn::first, decimal("2")},
                                       {Fn::last, decimal("4")}};
  std::vector<ExprId> exprs;
  for (const auto& [fn, v] : rows) exprs.push_back(kit.value(kit.of(fn, "order", "amount")));
  const ExprId count = kit.value(kit.rows("order"));
  kit.live({kit.event("order", kNoon - 1, "0"), kit.event("order", kNoon, "a", {{"amount", decimal("2")}}),
            kit.event("order", kNoon + 1, "b", {{"sku", text("x")}}), kit.event("order", kNoon + 2, "c", {{"amount", decimal("4")}}),
            kit.event("order", kNoon + 3, "d")});
  for (std::size_t i = 0; i < exprs.size(); ++i)
    CHECK(compare_numeric(kit.compute(exprs[i], kNoon + 9).view(), rows[i].second.view()) == 0);
  CHECK(kit.compute(count, kNoon + 9).bits == 5);
}

TEST_CASE("1 and 1.0 are the same value, and so are 0 and -0") {
  Kit kit;
  const NodeId a = kit.is("level", Op::equals, decimal("1.0"));
  const NodeId b = kit.is("ratio", Op::equals, number(1));
  const NodeId c = kit.is("spend", Op::in, decimal("1"));
  const ExprId weights = kit.value(kit.of(Aggregate::Fn::distinct, "order", "weight"));
  kit.live({kit.set(kNoon, "a", {{"level", integer(1)}, {"ratio", number(1.0)}, {"spend", decimal("1.0")}}),
            kit.event("order", kNoon + 1, "b", {{"weight", number(0.0)}}), kit.event("order", kNoon + 2, "c", {{"weight", number(-0.0)}})});
  for (const NodeId n : {a, b, c}) CHECK(kit.holds(n, kNoon));
  CHECK(kit.compute(weights, kNoon + 3).bits == 1);
}

TEST_CASE("Averages compare exactly: sum against bound times count") {
  Kit kit;
  const ExprId average = kit.value(kit.of(Aggregate::Fn::average, "order", "amount"));
  const NodeId third = kit.is(average, Op::equals, decimal("0.333333"));
  const NodeId above = kit.is(average, Op::greater_than, decimal("0.333333"));
  const NodeId below = kit.is(average, Op::less_than, decimal("0.333334"));
  const ExprId weight = kit.value(kit.of(Aggregate::Fn::average, "order", "weight"));
  const NodeId tenth = kit.is(weight, Op::equals, number(0.1));
  for (int i = 0; i < 3; ++i) {
    kit.live(
        {kit.event("order", kNoon + i, std::to_string(i).c_str(), {{"amount", decimal(i == 0 ? "1" : "0")}, {"weight", number(0.1)}})});
  }
  CHECK(!kit.holds(third, kNoon + 9));
  CHECK(kit.holds(above, kNoon + 9));
  CHECK(kit.holds(below, kNoon + 9));
  CHECK(kit.holds(tenth, kNoon + 9));
}

TEST_CASE("A decimal holds 18 significant digits; a sum never wraps") {
  Kit kit;
  const ExprId sum = kit.value(kit.of(Aggregate::Fn::sum, "order", "amount"));
  const NodeId above = kit.is(sum, Op::greater_than, decimal("999999999999.999999"));
  const NodeId negative = kit.is(sum, Op::less_than, decimal("0"));
  std::vector<Input> inputs;
  for (int i = 0; i < 100; ++i) {
    const std::string id = "e" + std::to_string(i);
    inputs.push_back(kit.event("order", kNoon, id.c_str(), {{"amount", decimal("999999999999.999999")}}));
  }
  kit.arrive(kNoon, inputs);
  CHECK(kit.holds(above, kNoon));
  CHECK(!kit.holds(negative, kNoon));
  CHECK(kit.compute(sum, kNoon).view().d == doctest::Approx(1e14));
}

TEST_CASE("A sum of numbers is exact, whatever their order") {
  Kit kit;
  const ExprId sum = kit.value(kit.of(Aggregate::Fn::sum, "order", "weight"));
  const NodeId one = kit.is(sum, Op::equals, number(1));
  kit.arrive(kNoon, {kit.event("order", kNoon, "a", {{"weight", number(1e300)}}), kit.event("order", kNoon, "b", {{"weight", number(1)}}),
                     kit.event("order", kNoon, "c", {{"weight", number(-1e300)}})});
  CHECK(kit.holds(one, kNoon));
}

TEST_CASE("A null removes an attribute; what was there before stays true of the past") {
  Kit kit;
  const NodeId exists = kit.is("tier", Op::exists, Value::of_boolean(true));
  kit.live({kit.set(kNoon, "a", {{"tier", text("gold")}}), kit.set(kNoon + 5, "b", {{"tier", Value()}})});
  CHECK(kit.holds(exists, kNoon + 4));
  CHECK(!kit.holds(exists, kNoon + 5));
}

TEST_CASE("Empty text and empty lists are present") {
  Kit kit;
  const NodeId tier = kit.is("tier", Op::equals, text(""));
  Expr size;
  size.kind = Expr::Kind::size;
  size.type = Type::integer;
  size.child = kit.attr("interests");
  const NodeId empty = kit.is(kit.b.add(std::move(size)), Op::equals, integer(0));
  kit.live({kit.event("login", kNoon, "z")});
  CHECK(!kit.holds(tier, kNoon));
  CHECK(!kit.holds(empty, kNoon));
  kit.live({kit.set(kNoon + 1, "a", {{"tier", text("")}, {"interests", Value::of_list({})}})});
  CHECK(kit.holds(tier, kNoon + 1));
  CHECK(kit.holds(empty, kNoon + 1));
}

TEST_CASE("Missing to value and value to missing are both changes for attribute_changes and changed") {
  Kit kit;
  const NodeId changed = kit.changed("tier", kHour);
  kit.add(kit.on_change("change", "tier"));
  kit.live({kit.set(kNoon, "a", {{"tier", text("gold")}})});
  CHECK(kit.what() == Lines{"fires change"});
  CHECK(kit.holds(changed, kNoon));
  CHECK(!kit.holds(changed, kNoon + kHour));
  kit.live({kit.set(kNoon + kDay, "b", {{"tier", Value()}})});
  CHECK(kit.what() == Lines{"fires change"});
  CHECK(kit.holds(changed, kNoon + kDay));
  kit.live({kit.set(kNoon + 2 * kDay, "c", {{"tier", Value()}})});
  CHECK(kit.what().empty());
  CHECK(!kit.holds(changed, kNoon + 2 * kDay));
}

TEST_CASE("Same id, same content: a duplicate. Same id, other content: the first is kept, the second is refused") {
  Kit kit;
  const ExprId sku = kit.value(kit.of(Aggregate::Fn::last, "order", "sku"));
  kit.start();
  const Input first = kit.event("order", kNoon, "x", {{"sku", text("a")}});
  Input other_field = first, other_time = first;
  other_field.fields = kit.event("order", kNoon, "x", {{"sku", text("b")}}).fields;
  other_time.time -= 1;
  const Input other_kind = kit.set(kNoon, "x", {{"tier", text("gold")}});
  CHECK(kit.arrive(kNoon, {first}) == std::vector{Receipt::stored});
  CHECK(kit.arrive(kNoon + 1, {first, other_field, other_time, other_kind, Kit::import(first)}) ==
        std::vector{Receipt::duplicate, Receipt::conflict, Receipt::conflict, Receipt::conflict, Receipt::duplicate});
  CHECK(kit.compute(sku, kNoon + 2) == text("a"));
}

TEST_CASE("Text is compared as received; ignore_case uses full Unicode case folding, in matches too; matches finds anywhere") {
  struct {
    const char* have;
    Op op;
    const char* want;
    bool ignore_case;
    bool truth;
  } rows[] = {{"Gold", Op::equals, "gold", false, false},           {"Gold", Op::equals, "gold", true, true},
              {"STRASSE", Op::equals, "straße", true, true},        {" gold", Op::equals, "gold", true, false},
              {"e\xcc\x81", Op::equals, "é", true, false},          {"王芳", Op::starts_with, "王", true, true},
              {"Straße 5", Op::starts_with, "STRASSE", true, true}, {"old gold", Op::contains, "d g", false, true},
              {"gold", Op::ends_with, "ld", false, true},           {"old gold", Op::matches, "go", false, true},
              {"old gold", Op::matches, "^go", false, false},       {"Straße", Op::matches, "STRASSE$", true, true},
              {"gold", Op::matches, "^g.*d$", false, true}};
  for (const auto& row : rows) {
    Kit kit;
    Node n;
    n.kind = Node::Kind::compare;
    n.left = kit.attr("tier");
    n.op = row.op;
    n.ignore_case = row.ignore_case;
    if (row.op == Op::matches) {
      n.text = row.want;
      n.regex = Regex::compile(row.want, row.ignore_case).value();
    } else {
      n.literals = {text(row.ignore_case ? fold_case(row.want) : std::string(row.want))};
    }
    const NodeId node = kit.b.add(std::move(n));
    kit.live({kit.set(kNoon, "a", {{"tier", text(row.have)}})});
    CHECK_MESSAGE(kit.holds(node, kNoon) == row.truth, row.have << " " << op_name(row.op) << " " << row.want);
  }
}

TEST_CASE("Lists: has, has_any, has_all") {
  Kit kit;
  const NodeId has = kit.is("interests", Op::has, text("tea"));
  const NodeId any = kit.is(kit.attr("interests"), Op::has_any, {text("wine"), text("tea")});
  const NodeId all = kit.is(kit.attr("interests"), Op::has_all, {text("wine"), text("tea")});
  kit.live({kit.set(kNoon, "a", {{"interests", Value::of_list({"tea", "音乐"})}})});
  CHECK(kit.holds(has, kNoon));
  CHECK(kit.holds(any, kNoon));
  CHECK(!kit.holds(all, kNoon));
}

TEST_CASE("then within W: later in row order with a gap below W") {
  struct {
    DurationMs gap;
    const char* id;
    bool truth;
  } rows[] = {{-1, "b", false}, {0, "b", true}, {0, "A", false}, {1, "b", true}, {kHour - 1, "b", true}, {kHour, "b", false}};
  for (const auto& row : rows) {
    Kit kit;
    const NodeId bought = kit.sequence({kit.then("login"), kit.then("order", kHour)});
    kit.arrive(kNoon + 2 * kHour, {kit.event("login", kNoon, "a"), kit.event("order", kNoon + row.gap, row.id)});
    CHECK_MESSAGE(kit.holds(bought, kNoon + 2 * kHour) == row.truth, row.gap << row.id);
  }
}

TEST_CASE("no_event for D: none in (t, t + D]; it becomes true at t + D, and one exactly there prevents it") {
  struct {
    DurationMs when;
    bool truth;
  } rows[] = {{-1, true}, {0, true}, {1, false}, {kHour, false}, {kHour + 1, true}};
  for (const auto& row : rows) {
    Kit kit;
    const NodeId unpaid = kit.sequence({kit.then("order"), kit.no("paid", kHour)});
    kit.arrive(kNoon + kDay, {kit.event("order", kNoon, "a"), kit.event("paid", kNoon + row.when, "b")});
    CHECK_MESSAGE(kit.holds(unpaid, kNoon + kDay) == row.truth, row.when);
  }
  Kit kit;
  kit.segment("unpaid", kit.sequence({kit.then("order"), kit.no("paid", kHour)}));
  kit.live({kit.event("order", kNoon, "a")});
  kit.pass(kNoon + kDay);
  CHECK(kit.happened() == Lines{"2026-02-04T13:00:00Z enters unpaid"});
}

TEST_CASE("A sequence stays true while its rows stand; within on the whole bounds that") {
  Kit kit;
  kit.segment("for-good", kit.sequence({kit.then("login"), kit.then("order")}));
  kit.segment("bounded", kit.sequence({kit.then("login"), kit.then("order")}, within(kDay)));
  kit.live({kit.event("login", kNoon, "a"), kit.event("order", kNoon + kHour, "b")});
  kit.pass(kNoon + 100 * kDay);
  CHECK(kit.happened() ==
        Lines{"2026-02-04T13:00:00Z enters for-good", "2026-02-04T13:00:00Z enters bounded", "2026-02-05T12:00:00Z leaves bounded"});
}

TEST_CASE("same demands equal, present values of that field in all steps of a sequence") {
  struct {
    Value order, paid;
    bool truth;
  } rows[] = {{text("1"), text("1"), true}, {text("1"), text("2"), false}, {Value(), Value(), false}, {text("1"), Value(), false}};
  for (const auto& row : rows) {
    Kit kit;
    SequenceStep order = kit.then("order"), paid = kit.then("paid");
    order.same = kit.field_id("order", "number");
    paid.same = kit.field_id("paid", "number");
    const NodeId node = kit.sequence({order, paid});
    kit.live({kit.event("order", kNoon, "a", {{"number", row.order}}), kit.event("paid", kNoon + 1, "b", {{"number", row.paid}})});
    CHECK(kit.holds(node, kNoon + 1) == row.truth);
  }
}

TEST_CASE("same on an event condition makes it per value: it holds when it holds for the rows of one value") {
  Kit kit;
  Aggregate orders = kit.rows("order");
  orders.same = kit.field_id("order", "sku");
  const NodeId twice = kit.is(kit.value(orders), Op::at_least, integer(2));
  kit.live({kit.event("order", kNoon, "a", {{"sku", text("x")}}), kit.event("order", kNoon + 1, "b", {{"sku", text("y")}}),
            kit.event("order", kNoon + 2, "c")});
  CHECK(!kit.holds(twice, kNoon + 2));
  kit.live({kit.event("order", kNoon + 3, "d", {{"sku", text("x")}})});
  CHECK(kit.holds(twice, kNoon + 3));
}

TEST_CASE("Per value: a row that the filter turns away may bring the value that the comparison is made for") {
  Kit kit;
  Aggregate orders = kit.rows("order", within(kDay), kit.is(kit.field("order", "quantity"), Op::equals, integer(1)));
  orders.same = kit.field_id("order", "sku");
  kit.segment("none-of-one", kit.is(kit.value(orders), Op::at_most, integer(0)));
  kit.live({kit.event("login", kNoon, "z"), kit.event("order", kNoon + 1, "a", {{"sku", text("x")}})});
  CHECK(kit.what() == Lines{"enters none-of-one"});
}

TEST_CASE("Per value, a right side that is per value too is asked for the same value") {
  Kit kit;
  Aggregate recent = kit.rows("order", within(kDay)), before = kit.rows("order", from_to(2 * kDay, kDay));
  recent.same = before.same = kit.field_id("order", "sku");
  Node n;
  n.kind = Node::Kind::compare;
  n.left = kit.value(recent);
  n.op = Op::greater_than;
  n.right = kit.value(before);
  const NodeId rising = kit.b.add(std::move(n));
  // Yesterday: a, b, b. Today: a, b, b. Nothing rises, though today's two b are more than yesterday's one a.
  const auto order = [&](TimeMs t, const char* id, const char* sku) { kit.live({kit.event("order", t, id, {{"sku", text(sku)}})}); };
  order(kNoon - kDay - 3, "1", "a");
  order(kNoon - kDay - 2, "2", "b");
  order(kNoon - kDay - 1, "3", "b");
  order(kNoon - 2, "4", "a");
  order(kNoon - 1, "5", "b");
  order(kNoon - 1, "5b", "b");
  CHECK(!kit.holds(rising, kNoon));
  order(kNoon, "6", "a");
  CHECK(kit.holds(rising, kNoon));
}

TEST_CASE("same on a trigger: the rule fires per value, and once_per counts for that value") {
  Kit kit;
  Aggregate orders = kit.rows("order");
  orders.same = kit.field_id("order", "sku");
  Rule r = kit.on_event("second", "order", kit.is(kit.value(orders), Op::at_least, integer(2)));
  r.trigger.same = kit.field_id("order", "sku");
  r.limits.once_per = kDay;
  kit.add(r);
  const auto order = [&](TimeMs t, const char* id, Value sku) { kit.live({kit.event("order", t, id, {{"sku", std::move(sku)}})}); };
  order(kNoon, "a", text("x"));
  order(kNoon + 1, "b", text("y"));
  order(kNoon + 2, "c", Value());
  CHECK(kit.what().empty());
  order(kNoon + 3, "d", text("x"));
  order(kNoon + 4, "e", text("y"));
  order(kNoon + 5, "f", text("x"));
  CHECK(kit.what() == Lines{"fires second", "fires second", "held second once_per"});
}

TEST_CASE("once_per counts from the last firing of the rule for that customer, also when nothing was done") {
  Kit kit;
  Rule r = kit.on_event("hello", "login");
  r.limits.once_per = kHour;
  r.state = RuleState::shadow;
  kit.add(r);
  kit.live({kit.event("login", kNoon, "a"), kit.event("login", kNoon + kHour - 1, "b"), kit.event("login", kNoon + kHour, "c")});
  CHECK(kit.what() == Lines{"held hello shadow", "held hello once_per", "held hello shadow"});
}

TEST_CASE("A score below its lowest band has no band; a missing trait adds nothing to a score") {
  Kit kit;
  nudge::Score s;
  s.name = "quality";
  nudge::Score::Points gold, spend;
  gold.condition = kit.is("tier", Op::equals, text("gold"));
  gold.add = Decimal::parse("30").value();
  spend.trait = kit.attr("spend");
  spend.add = Decimal::parse("2").value();
  spend.has_at_most = true;
  spend.at_most = Decimal::parse("25").value();
  s.points = {gold, spend};
  s.bands = {{"cold", Decimal::parse("10").value()}, {"hot", Decimal::parse("50").value()}};
  kit.b.plan().scores.push_back(std::move(s));
  Expr e;
  e.kind = Expr::Kind::score;
  e.type = Type::decimal;
  e.ref = 0;
  const ExprId sum = kit.b.add(std::move(e));
  std::vector<NodeId> bands;
  for (std::uint32_t i = 0; i < 2; ++i) {
    Node n;
    n.kind = Node::Kind::band;
    n.ref = 0;
    n.band = i;
    bands.push_back(kit.b.add(std::move(n)));
  }
  struct {
    const char* tier;
    const char* spend;
    const char* sum;
    int band;
  } rows[] = {{"none", nullptr, "0", -1}, {"none", "4.5", "9", -1}, {"none", "5", "10", 0},
              {"gold", nullptr, "30", 0}, {"gold", "10", "50", 1},  {"gold", "1000", "55", 1}};
  kit.start();
  for (const auto& row : rows) {
    kit.state = CustomerState();
    kit.live({kit.set(kNoon, "a", {{"tier", text(row.tier)}, {"spend", row.spend == nullptr ? Value() : decimal(row.spend)}})});
    CHECK(compare_numeric(kit.compute(sum, kNoon).view(), decimal(row.sum).view()) == 0);
    for (int i = 0; i < 2; ++i) CHECK(kit.holds(bands[static_cast<std::size_t>(i)], kNoon) == (i == row.band));
  }
}

TEST_CASE("A score never wraps") {
  Kit kit;
  nudge::Score s;
  s.name = "huge";
  nudge::Score::Points points;
  points.trait = kit.value(kit.of(Aggregate::Fn::sum, "order", "amount"));
  points.add = Decimal{Decimal::kMaxUnits};
  s.points = {points};
  s.bands = {{"any", Decimal{0}}};
  kit.b.plan().scores.push_back(std::move(s));
  Node n;
  n.kind = Node::Kind::band;
  n.ref = 0;
  n.band = 0;
  const NodeId any = kit.b.add(std::move(n));
  std::vector<Input> inputs;
  for (int i = 0; i < 500; ++i)
    inputs.push_back(
        kit.event("order", kNoon, ("e" + std::to_string(i)).c_str(), {{"amount", Value::of_decimal(Decimal{Decimal::kMaxUnits})}}));
  kit.arrive(kNoon, inputs);
  CHECK(kit.holds(any, kNoon));
}

TEST_CASE("The right side may be another attribute or a trait, with a factor") {
  Kit kit;
  Node n;
  n.kind = Node::Kind::compare;
  n.left = kit.value(kit.rows("order", within(30 * kDay)));
  n.op = Op::less_than;
  n.right = kit.value(kit.rows("order", from_to(60 * kDay, 30 * kDay)));
  n.times = Decimal::parse("0.5").value();
  kit.segment("slower", kit.b.add(std::move(n)));
  std::vector<Input> rows;
  for (int i = 0; i < 4; ++i) rows.push_back(kit.event("order", kNoon + i * kDay, ("e" + std::to_string(i)).c_str()));
  for (int i = 0; i < 2; ++i) rows.push_back(kit.event("order", kNoon + (34 + i) * kDay, ("f" + std::to_string(i)).c_str()));
  kit.live(rows);
  kit.pass(kNoon + 100 * kDay);
  // This month against half of the month before: 1 < 1.5 on day 32, 2 < 2 on day 35; 0 < 1 on day 65, 0 < 0 on day 95.
  CHECK(kit.happened() == Lines{"2026-03-08T12:00:00Z enters slower", "2026-03-11T12:00:00Z leaves slower",
                                "2026-04-10T12:00:00Z enters slower", "2026-05-10T12:00:00Z leaves slower"});
}

TEST_CASE("Tags hold from their time on until they expire or are removed") {
  Kit kit;
  kit.segment("vip", kit.tagged("vip"));
  kit.arrive(kNoon, {Kit::tag(kNoon, "a", "vip", kNoon + kHour), Kit::tag(kNoon, "b", "other")});
  kit.pass(kNoon + 2 * kHour);
  kit.arrive(kNoon + 2 * kHour, {Kit::tag(kNoon + 2 * kHour, "c", "vip")});
  kit.arrive(kNoon + 3 * kHour, {Kit::tag(kNoon + 3 * kHour, "d", "vip", kNever, true)});
  CHECK(kit.happened() == Lines{"2026-02-04T12:00:00Z enters vip", "2026-02-04T13:00:00Z leaves vip", "2026-02-04T14:00:00Z enters vip",
                                "2026-02-04T15:00:00Z leaves vip"});
}

TEST_CASE("Rules fire in order of priority, then of name; one rule's rows in row order") {
  Kit kit;
  Rule late = kit.on_event("a-late", "login"), early = kit.on_event("z-early", "login"), middle = kit.on_event("b-late", "login");
  early.priority = 90;
  for (Rule* r : {&late, &early, &middle}) kit.add(*r);
  kit.arrive(kNoon, {kit.event("login", kNoon, "2"), kit.event("login", kNoon - 1, "3"), kit.event("login", kNoon, "1")});
  std::vector<std::string> order;
  for (const Decision& d : kit.effects().decisions) order.push_back(d.rule + " " + d.cause.row_id);
  CHECK(order == Lines{"z-early 3", "z-early 1", "z-early 2", "a-late 3", "a-late 1", "a-late 2", "b-late 3", "b-late 1", "b-late 2"});
}
