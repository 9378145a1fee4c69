// The steps of a rule: waits, branches, stops, exits and goals, and what a reload does to those who are in the middle.
#include <map>

#include "engine/core/explain.h"
#include "engine/core/runs.h"
#include "tests/rules/company.h"

namespace {

using namespace nudge;
using namespace nudge::testing;

std::string rule(std::string_view then, std::string_view more = "") {
  return "rules:\n  r:\n    when: {event: login}\n" + std::string(more) + "    then:\n" + std::string(then);
}

// "2026-03-01T00:00:00Z a" for what acted (its text), "… exit" for what was held back, in order of time, actions of an instant last.
std::vector<std::string> story(Company& c, std::string_view until) {
  c.engine.advance(*c.plan, c.state, at(until) + 1, c.effects);
  std::multimap<TimeMs, std::string> all;  // equal keys stay in the order of insertion
  for (const Decision& d : c.effects.decisions)
    if (!d.fired) all.emplace(d.at, held_name(d.held));
  for (const ActionOut& a : c.effects.actions) {
    const std::size_t from = a.payload.find("\"text\":\"") + 8;
    all.emplace(a.at, a.payload.substr(from, a.payload.find('"', from) - from));
  }
  c.effects.clear();
  std::vector<std::string> lines;
  for (const auto& [t, what] : all) lines.push_back(format_timestamp(t) + " " + what);
  return lines;
}

std::string mail(std::string_view text) { return "      - maildrop: {text: " + std::string(text) + "}\n"; }

// Encoded and decoded, as over a restart.
void restart(Company& c) {
  std::string bytes;
  encode_customer(bytes, c.state, *c.catalog);
  const Result<CustomerState> back = decode_customer(bytes, *c.catalog);
  REQUIRE(back);
  CHECK(back->runs == c.state.runs);
  c.state = *back;
  c.engine = Engine();
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("steps: a delay alone holds up what follows, also over a restart") {
  Company c(rule("      - after: 2d\n" + mail("a") + "      - {after: 1h, maildrop: {text: b}}\n"));
  c.happen("login", {}, "2026-03-01T00:00:00Z");
  restart(c);
  CHECK(story(c, "2026-03-02T23:59:59.999Z") == Lines{});
  CHECK(story(c, "2026-03-10T00:00:00Z") == Lines{"2026-03-03T00:00:00Z a", "2026-03-03T01:00:00Z b"});
  CHECK(c.state.runs.empty());
}

TEST_CASE("steps: until waits for a condition, woken by the input that makes it true") {
  Company c(rule("      - {until: {event: order_placed, within: 2d}, timeout: 2d}\n" + mail("a")));
  c.happen("login", {}, "2026-03-01T00:00:00Z");
  CHECK(story(c, "2026-03-01T12:00:00Z") == Lines{});
  restart(c);
  c.happen("order_placed", {}, "2026-03-01T13:00:00Z");
  CHECK(story(c, "2026-03-09T00:00:00Z") == Lines{"2026-03-01T13:00:00Z a"});
}

TEST_CASE("steps: until is over at once when its condition holds already") {
  Company c(rule("      - {until: {event: order_placed}, timeout: 2d}\n" + mail("a")));
  c.happen("order_placed", {}, "2026-02-01T00:00:00Z");
  c.happen("login", {}, "2026-03-01T00:00:00Z");
  CHECK(story(c, "2026-03-01T00:00:00Z") == Lines{"2026-03-01T00:00:00Z a"});
}

TEST_CASE("steps: until is over at its timeout to the millisecond, and goes on or stops") {
  Company c(rule("      - {until: {event: order_placed}, timeout: 2d}\n" + mail("a") +
                 "      - {until: {event: order_placed}, timeout: 1d, on_timeout: stop}\n" + mail("b")));
  c.happen("login", {}, "2026-03-01T00:00:00Z");
  CHECK(story(c, "2026-03-02T23:59:59.999Z") == Lines{});
  CHECK(story(c, "2026-03-09T00:00:00Z") == Lines{"2026-03-03T00:00:00Z a", "2026-03-04T00:00:00Z timeout"});
}

TEST_CASE("steps: what until waits for may come at its very last millisecond") {
  Company c(rule("      - {until: {event: order_placed}, timeout: 1d, on_timeout: stop}\n" + mail("a")));
  c.happen("login", {}, "2026-03-01T00:00:00Z");
  c.happen("order_placed", {}, "2026-03-02T00:00:00Z");
  CHECK(story(c, "2026-03-09T00:00:00Z") == Lines{"2026-03-02T00:00:00Z a"});
}

TEST_CASE("steps: until sees its condition turn true by time alone, exactly") {
  Company c(rule("      - {until: {not: {event: login, within: 36h}}, timeout: 30d}\n" + mail("a")));
  c.happen("login", {}, "2026-03-01T00:00:00Z");
  c.happen("login", {}, "2026-03-01T06:00:00.005Z");  // a second run, and the first waits longer
  CHECK(story(c, "2026-03-02T18:00:00.004Z") == Lines{});
  CHECK(story(c, "2026-03-09T00:00:00Z") == Lines{"2026-03-02T18:00:00.005Z a", "2026-03-02T18:00:00.005Z a"});
}

TEST_CASE("steps: an import fires nothing, and what waits sees it") {
  Company c(rule("      - {until: {attribute: tier, equals: gold}, timeout: 2d}\n" + mail("a")));
  c.happen("login", {}, "2026-03-01T00:00:00Z");
  c.set("tier", Value::of_text("gold"), "2026-03-01T12:00:00Z", true);
  CHECK(story(c, "2026-03-09T00:00:00Z") == Lines{"2026-03-01T12:00:00Z a"});
}

TEST_CASE("steps: a branch is taken by what holds when it is reached; stop ends the run") {
  const std::string then =
      "      - after: 1h\n"
      "      - if: {attribute: tier, equals: gold}\n"
      "        then:\n          - if: {event: order_placed}\n            then: [{maildrop: {text: gold buyer}}, {stop: true}]\n"
      "            else: [{maildrop: {text: gold}}]\n"
      "        else:\n          - maildrop: {text: other}\n" +
      mail("end");
  Company other(rule(then));
  other.happen("login", {}, "2026-03-01T00:00:00Z");
  CHECK(story(other, "2026-03-09T00:00:00Z") == Lines{"2026-03-01T01:00:00Z other", "2026-03-01T01:00:00Z end"});
  Company gold(rule(then));
  gold.happen("login", {}, "2026-03-01T00:00:00Z");
  gold.set("tier", Value::of_text("gold"), "2026-03-01T00:30:00Z");
  CHECK(story(gold, "2026-03-09T00:00:00Z") == Lines{"2026-03-01T01:00:00Z gold", "2026-03-01T01:00:00Z end"});
  Company buyer(rule(then));
  buyer.set("tier", Value::of_text("gold"), "2026-02-01T00:30:00Z");
  buyer.happen("order_placed", {}, "2026-02-01T01:00:00Z");
  buyer.happen("login", {}, "2026-03-01T00:00:00Z");
  CHECK(story(buyer, "2026-03-09T00:00:00Z") == Lines{"2026-03-01T01:00:00Z stopped", "2026-03-01T01:00:00Z gold buyer"});
}

TEST_CASE("steps: an exit ends a run that waits as soon as it holds, and asks nothing of the firing itself") {
  const std::string text = rule(mail("a") + "      - {after: 3d, maildrop: {text: b}}\n", "    exit: {attribute: tier, equals: gold}\n");
  Company c(text);
  c.happen("login", {}, "2026-03-01T00:00:00Z");
  c.set("tier", Value::of_text("gold"), "2026-03-02T00:00:00Z");
  CHECK(story(c, "2026-03-09T00:00:00Z") == Lines{"2026-03-01T00:00:00Z a", "2026-03-02T00:00:00Z exit"});
  c.happen("login", {}, "2026-03-10T00:00:00Z");
  CHECK(story(c, "2026-03-19T00:00:00Z") == Lines{"2026-03-10T00:00:00Z exit", "2026-03-10T00:00:00Z a"});
  // By time alone, and at the instant of the step itself.
  Company d(rule("      - {after: 3d, maildrop: {text: b}}\n", "    exit: {not: {event: login, within: 3d}}\n"));
  d.happen("login", {}, "2026-03-01T00:00:00Z");
  CHECK(story(d, "2026-03-09T00:00:00Z") == Lines{"2026-03-04T00:00:00Z exit"});
}

TEST_CASE("steps: the later steps of a firing whose goal is met do not run, unless the rule says stop: false") {
  const std::string then = mail("a") + "      - {after: 3d, maildrop: {text: b}}\n";
  Company c(rule(then, "    goal: {event: order_placed, within: 14d}\n"));
  c.happen("login", {}, "2026-03-01T00:00:00Z");
  c.happen("order_placed", {}, "2026-03-04T00:00:00Z");  // at the very instant of the step
  CHECK(c.effects.goals.size() == 1);
  CHECK(story(c, "2026-03-09T00:00:00Z") == Lines{"2026-03-01T00:00:00Z a", "2026-03-04T00:00:00Z goal"});
  Company on(rule(then, "    goal: {event: order_placed, within: 14d, stop: false}\n"));
  on.happen("login", {}, "2026-03-01T00:00:00Z");
  on.happen("order_placed", {}, "2026-03-02T00:00:00Z");
  CHECK(on.effects.goals.size() == 1);
  CHECK(story(on, "2026-03-09T00:00:00Z") == Lines{"2026-03-01T00:00:00Z a", "2026-03-04T00:00:00Z b"});
  // Too late for the goal: the step runs.
  Company late(rule("      - {after: 20d, maildrop: {text: b}}\n", "    goal: {event: order_placed, within: 1d}\n"));
  late.happen("login", {}, "2026-03-01T00:00:00Z");
  late.happen("order_placed", {}, "2026-03-02T00:00:00.001Z");
  CHECK(story(late, "2026-04-01T00:00:00Z") == Lines{"2026-03-21T00:00:00Z b"});
}

TEST_CASE("steps: a reload goes on where the step stands now, and says so when it is gone") {
  const std::string a = mail("a"), b = "      - {after: 3d, maildrop: {text: b}}\n";
  const auto after_reload = [&](std::string_view then, std::vector<RunFate> fates) {
    Company c(rule(a + b));
    c.happen("login", {}, "2026-03-01T00:00:00Z");
    story(c, "2026-03-01T00:00:00Z");
    const std::unique_ptr<Plan> before = std::move(c.plan);
    c.use(rule(then), at("2026-03-02T00:00:00Z"));
    std::vector<RunFate> said;
    for (const RunChange& change : runs_under(*before, c.state, *c.plan)) said.push_back(change.fate);
    CHECK(said == fates);
    return story(c, "2026-03-30T00:00:00Z");
  };
  CHECK(after_reload(a + b, {RunFate::kept}) == Lines{"2026-03-04T00:00:00Z b"});
  // A step before it: the run finds its own.
  CHECK(after_reload(a + "      - {after: 1d, maildrop: {text: new}}\n" + b, {RunFate::moved}) == Lines{"2026-03-04T00:00:00Z b"});
  // What it says is new, and so is how long it waits: the instant stays as it was set.
  CHECK(after_reload(a + "      - {after: 9d, maildrop: {text: better}}\n", {RunFate::edited}) == Lines{"2026-03-04T00:00:00Z better"});
  CHECK(after_reload(a, {RunFate::ended}) == Lines{"2026-03-02T00:00:00Z step_gone"});
  CHECK(after_reload(mail("other") + "      - {after: 1d, maildrop: {text: c}}\n", {RunFate::ended}) ==
        Lines{"2026-03-02T00:00:00Z step_gone"});
}

TEST_CASE("steps: a run survives a reload that gives its until another condition, and a pause that ends in time") {
  const auto until = [](std::string_view tier, std::string_view more = "") {
    return rule("      - {until: {attribute: tier, equals: " + std::string(tier) + "}, timeout: 9d}\n" + mail("a"), more);
  };
  Company c(until("gold"));
  c.set("tier", Value::of_text("silver"), "2026-02-01T00:00:00Z");
  c.happen("login", {}, "2026-03-01T00:00:00Z");
  c.use(until("gold", "    state: paused\n"), at("2026-03-02T00:00:00Z"));
  c.set("tier", Value::of_text("gold"), "2026-03-03T00:00:00Z");
  CHECK(story(c, "2026-03-04T00:00:00Z") == Lines{});
  c.use(until("gold"), at("2026-03-05T00:00:00Z"));
  CHECK(story(c, "2026-03-30T00:00:00Z") == Lines{"2026-03-05T00:00:00Z a"});
  Company d(until("gold"));
  d.set("tier", Value::of_text("silver"), "2026-02-01T00:00:00Z");
  d.happen("login", {}, "2026-03-01T00:00:00Z");
  d.use(until("silver"), at("2026-03-02T00:00:00Z"));
  CHECK(story(d, "2026-03-30T00:00:00Z") == Lines{"2026-03-02T00:00:00Z a"});
  // The rule is gone: its end is recorded when the wait is over, not at an instant in between.
  Company e(rule("      - {until: {not: {event: login, within: 1d}}, timeout: 9d}\n" + mail("a")));
  e.happen("login", {}, "2026-03-01T00:00:00Z");
  e.use("rules: {}\n", at("2026-03-01T12:00:00Z"));
  CHECK(story(e, "2026-03-30T00:00:00Z") == Lines{"2026-03-10T00:00:00Z rule_gone"});
}

TEST_CASE("steps: explain says what a customer waits for") {
  Company c(rule(mail("a") + "      - {until: {event: order_placed}, timeout: 2d}\n      - {after: 1d, maildrop: {text: b}}\n"));
  c.happen("login", {}, "2026-03-01T00:00:00Z");
  const auto lines = [&](std::string_view when) { return explain_rule(*c.plan, c.state, c.plan->rules[0], at(when)).limits; };
  CHECK(lines("2026-03-01T00:00:01Z") ==
        Lines{"waits until 2026-03-03T00:00:00Z at the latest: step 2 (until count of order_placed events at_least 1)"});
  story(c, "2026-03-03T00:00:00Z");
  CHECK(lines("2026-03-03T00:00:01Z") == Lines{"waits until 2026-03-04T00:00:00Z: step 3 (maildrop)"});
}

TEST_CASE("existing: fire also fires when the rule comes later than its segment, once per activation") {
  const std::string segment = "segments: {gold: {where: {attribute: tier, equals: gold}}}\n";
  const std::string enters = segment + "rules:\n  r:\n    when: {enters: gold}\n    existing: fire\n    then: [{maildrop: {text: a}}]\n";
  Company c(segment);
  c.set("tier", Value::of_text("gold"), "2026-02-01T00:00:00Z");
  c.use(enters, at("2026-03-01T00:00:00Z"));
  CHECK(story(c, "2026-03-02T00:00:00Z") == Lines{"2026-03-01T00:00:00Z a"});
  c.engine.reconcile(*c.plan, c.state, c.effects);
  CHECK(story(c, "2026-03-02T00:00:00Z") == Lines{});
  Company d(segment);
  d.set("tier", Value::of_text("gold"), "2026-02-01T00:00:00Z");
  d.use(enters, at("2026-03-01T00:00:00Z"));
  d.use(enters + "traits: {t: {attribute: tier}}\n", at("2026-03-01T06:00:00Z"));  // a second reload before the state is touched
  d.engine.reconcile(*d.plan, d.state, d.effects);
  CHECK(story(d, "2026-03-02T00:00:00Z") == Lines{"2026-03-01T00:00:00Z a"});
  d.use(enters, at("2026-03-03T00:00:00Z"));
  d.engine.reconcile(*d.plan, d.state, d.effects);
  CHECK(story(d, "2026-03-04T00:00:00Z") == Lines{});
}

TEST_CASE("date on a timestamp: at: 00:00 is a time of day as any other") {
  const auto fired = [](std::string_view more) {
    Company c("rules:\n  r:\n    when: {date: trial_end" + std::string(more) + "}\n    then: [{maildrop: {text: a}}]\n");
    c.set("trial_end", Value::of_timestamp(at("2026-03-05T10:30:00Z")), "2026-03-01T00:00:00Z");
    return c.fired("2026-03-30T00:00:00Z");
  };
  CHECK(fired("") == Lines{"2026-03-05T10:30:00Z"});
  CHECK(fired(", at: 00:00") == Lines{"2026-03-05T00:00:00Z"});
  CHECK(fired(", at: 09:00") == Lines{"2026-03-05T09:00:00Z"});
}
