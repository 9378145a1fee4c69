// What a rule brings in: its goal within its time, once, and the same for the holdout.
#include "tests/rules/company.h"

namespace {

using namespace nudge;
using namespace nudge::testing;

std::string rule(std::string_view rollout) {
  return "rules:\n  back:\n    when: {event: login}\n    then: [{call_task: {subject: Call, due_in: 24h}}]\n"
         "    goal: {event: order_placed, where: {field: amount, at_least: 10}, within: 14d, value: amount}\n    rollout: " +
         std::string(rollout) + "\n";
}
Value amount(std::string_view text) { return Value::of_decimal(Decimal::parse(text).value()); }

}  // namespace

TEST_CASE("a goal is met by the first event that fits, strictly after the firing and up to its time, once") {
  Company d(rule("{percent: 100}"));
  d.happen("login", {}, "2026-03-01T00:00:00Z");
  d.happen("order_placed", {{"amount", amount("5")}}, "2026-03-02T00:00:00Z");  // too small
  CHECK(d.effects.goals.empty());
  d.happen("order_placed", {{"amount", amount("99.5")}}, "2026-03-15T00:00:00Z");  // exactly 14 days
  REQUIRE(d.effects.goals.size() == 1);
  CHECK(d.effects.goals[0] == GoalMet{d.plan->rules[0].id, false, at("2026-03-15T00:00:00Z"), Decimal::parse("99.5").value()});
  d.happen("order_placed", {{"amount", amount("20")}}, "2026-03-15T01:00:00Z");
  CHECK(d.effects.goals.size() == 1);
}

TEST_CASE("a goal that comes a millisecond too late is none, and leaves nothing behind") {
  Company d(rule("{percent: 100}"));
  d.happen("login", {}, "2026-03-01T00:00:00Z");
  d.happen("order_placed", {{"amount", amount("99.5")}}, "2026-03-15T00:00:00.001Z");
  CHECK(d.effects.goals.empty());
  CHECK(d.state.runs.empty());
}

TEST_CASE("the holdout does nothing and is measured all the same") {
  Company d(rule("{percent: 100, holdout: 99}"));
  d.happen("login", {}, "2026-03-01T00:00:00Z");
  REQUIRE(d.effects.decisions.size() == 1);
  REQUIRE(d.effects.decisions[0].held == Held::holdout);
  CHECK(d.effects.actions.empty());
  d.happen("order_placed", {{"amount", amount("30")}}, "2026-03-02T00:00:00Z");
  REQUIRE(d.effects.goals.size() == 1);
  CHECK(d.effects.goals[0].holdout);
}

TEST_CASE("a firing while an earlier one waits for its goal starts the wait anew, and counts once") {
  Company d(rule("{percent: 100}"));
  d.happen("login", {}, "2026-03-01T00:00:00Z");
  d.happen("login", {}, "2026-03-10T00:00:00Z");
  d.happen("order_placed", {{"amount", amount("30")}}, "2026-03-20T00:00:00Z");
  CHECK(d.effects.goals.size() == 1);
}
