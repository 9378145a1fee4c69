// A backtest over a history gives what the live engine fires when the same facts come in order and the rules are switched on at `from`.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "engine/simulate/backtest_report.h"
#include "engine/simulate/world.h"
#include "rules/lang/load.h"

namespace nudge {
namespace {

constexpr const char* kCatalog = R"(
customer:
  attributes:
    tier: {type: text, one_of: [bronze, silver, gold]}
    level: {type: integer}
    renewal: {type: date}
    owner: {type: text}
events:
  login: {fields: {device: text}}
  order: {fields: {amount: decimal, no: text}}
)";

constexpr const char* kRules = R"(
segments:
  active: {where: {event: login, within: 5d}}
  quiet: {where: {all: [{event: login}, {not: {event: login, within: 7d}}]}}
  never: {where: {not: {event: order}}}
  gold: {where: {attribute: tier, equals: gold}}
  vip: {where: {all: [{tag: vip}, {segment: gold}]}}
  unused: {where: {event: order, within: 30d, sum: {field: amount, at_least: 500}}}
rules:
  big-order:
    when: {event: order, where: {field: amount, at_least: 50}}
    if: {any: [{segment: active}, {attribute: level, at_least: 3}]}
    then:
      - call_task: {team: inside, assign: {strategy: least_loaded}, subject: "Call {{ customer.id }}", due_in: 24h}
      - after: 2d
        only_if: {not: {event: order, within: 2d}}
        call_task: {team: inside, subject: "Again", due_in: 24h}
    limits: {once_per: 6d, at_most: 1 per day}
    rollout: {percent: 90, holdout: 30}
    goal: {event: order, within: 4d, where: {field: amount, at_least: 10}, value: amount}
  went-quiet:
    when: {enters: quiet, for: 12h}
    existing: fire
    then: [{call_task: {team: field, subject: Quiet, due_in: 1h}}]
  left:
    when: {leaves: active}
    then: [{ticket: {subject: left}}]
  upgraded:
    when: {attribute_changes: tier, to: gold}
    then: [{ticket: {subject: gold}}]
    limits: {once_per: ever}
  hello:
    when: {enters: never}
    then: [{ticket: {subject: hello}}]
  vip-in:
    when: {enters: vip}
    then: [{ticket: {subject: vip}}]
  monday:
    when: {schedule: 0 8 * * mon}
    if: {segment: active}
    then: [{ticket: {subject: monday}}]
  renew:
    when: {date: renewal, offset: -2d, at: 09:00}
    then: [{call_task: {team: field, assign: {strategy: owner}, subject: Renew, due_in: 1h}}]
  per-order:
    when: {event: order, same: no}
    then: [{ticket: {subject: "{{ event.no }}"}}]
    limits: {once_per: 10d}
teams:
  inside: {members: [{id: lin, name: Lin}, {id: wu, name: Wu}, {id: bo, name: Bo}]}
  field: {members: [{id: chen, name: Chen}, {id: li, name: Li}]}
policies:
  not-too-often: {for: {rule: [went-quiet, upgraded, per-order], channel: [ticket, call_task], purpose: [marketing, internal]}, cap: {at_most: 2, per: 3d}}
  by-day: {for: {channel: ticket, purpose: [marketing, internal]}, quiet_hours: {allow: {hours: 08:00-18:00}}}
  not-both: {for: {rule: left, purpose: marketing, channel: ticket}, inhibit: {by: [upgraded], within: 2d}}
  few: {for: {rule: [hello, left]}, budget: {at_most: 2, per: calendar_day}}
)";

std::shared_ptr<const Catalog> catalog() {
  static const std::shared_ptr<const Catalog> one(lang::load_catalog({{"catalog.yaml", kCatalog}}).catalog);
  return one;
}

std::unique_ptr<Plan> compile(const std::string& rules) {
  lang::CompileResult compiled = lang::compile({{"rules.yaml", rules}}, catalog());
  REQUIRE_MESSAGE(compiled.plan != nullptr, doc::render_text(compiled.diagnostics));
  return std::move(compiled.plan);
}

const TimeMs kStart = parse_timestamp("2026-01-01T00:00:00Z").value();
const TimeMs kFrom = parse_timestamp("2026-01-15T06:00:00Z").value();
const TimeMs kTo = parse_timestamp("2026-02-20T00:00:00Z").value();

// Facts of some customers over two months. No two customers share a millisecond, nor does what the daemon makes after a decision.
std::vector<Input> history(std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto below = [&](std::uint32_t n) { return static_cast<std::int64_t>(random() % n); };
  std::vector<Input> inputs;
  for (std::int64_t c = 0; c < 25; ++c) {
    const TimeMs born = c % 3 == 0 ? kFrom + below(30) * kDay : kStart;
    const std::int64_t n = 3 + below(40);
    for (std::int64_t i = 0; i < n; ++i) {
      Input in;
      in.customer = "c" + std::to_string(c);
      in.id = std::to_string(i);
      in.time = born + below(60 * 24 * 60) * kMinute + below(3) * 100 + c * 3;
      if (below(4) == 0 && i > 0) {  // several facts at one instant; on whole hours windows of others end there too
        in.time = inputs.back().time;
      } else if (below(4) == 0) {
        in.time = born + below(60 * 24) * kHour + c * 3;
      }
      const std::int64_t what = below(10);
      if (what < 4) {
        in.type = catalog()->find_event("login");
        in.fields = {Value::of_text("phone")};
      } else if (what < 7) {
        in.type = catalog()->find_event("order");
        in.fields = {Value::of_decimal(Decimal{below(120) * Decimal::kScale}),
                     below(5) == 0 ? Value() : Value::of_text("n" + std::to_string(below(3)))};
      } else if (what < 9) {
        in.kind = InputKind::attributes;
        const char* tiers[] = {"bronze", "silver", "gold"};
        const char* owners[] = {"chen", "li", "nobody"};
        in.attributes.push_back({catalog()->find_attribute("tier"), Value::of_text(tiers[below(3)])});
        if (below(2) == 0) in.attributes.push_back({catalog()->find_attribute("level"), Value::of_integer(below(6))});
        if (below(2) == 0) in.attributes.push_back({catalog()->find_attribute("owner"), Value::of_text(owners[below(3)])});
        if (below(2) == 0)
          in.attributes.push_back({catalog()->find_attribute("renewal"), Value::of_date(static_cast<DateDays>(kFrom / kDay + below(40)))});
      } else {
        in.kind = InputKind::tag;
        in.tag = "vip";
        in.tag_removed = below(3) == 0;
        if (!in.tag_removed && below(2) == 0) in.tag_expires = in.time + (1 + below(9)) * kDay;
      }
      inputs.push_back(std::move(in));
    }
  }
  std::ranges::sort(inputs,
                    [](const Input& a, const Input& b) { return std::tie(a.time, a.customer, a.id) < std::tie(b.time, b.customer, b.id); });
  return inputs;
}

void play(World& world, const std::vector<Input>& inputs) {
  world.load(compile("segments: {}\n"));
  bool on = false;
  for (const Input& in : inputs) {
    if (!on && in.time >= kFrom) {
      world.move_to(kFrom - 1);
      world.load(compile(kRules));
      on = true;
    }
    if (in.time >= kTo) break;
    world.move_to(in.time);
    world.submit(in);
  }
  world.move_to(kTo);
}

// Later steps of a firing that the desk takes back do not come to be; the workers know no desk, the report (compared further below) does.
bool desk_decides(const std::string& rule, std::uint32_t step) { return rule == "big-order" && step != kNone; }

// "rule customer instant step: fired" of all decisions.
std::multiset<std::string> lines(const World& world) {
  std::multiset<std::string> out;
  for (const Decision& d : world.record().decisions) {
    if (desk_decides(d.rule, d.step)) continue;
    out.insert(d.rule + " " + d.customer + " " + format_timestamp(d.at) + " " + std::to_string(d.step) + ": " +
               (d.fired || d.held == Held::at_most ? "fired" : std::string(held_text(d.held))));
  }
  return out;
}
std::multiset<std::string> lines(const BacktestSetup& setup, const BacktestPart& part) {
  std::multiset<std::string> out;
  for (const BacktestTally::Decided& d : part.draft.decided) {
    if (desk_decides(setup.draft->rules[d.rule].name, d.step)) continue;
    out.insert(setup.draft->rules[d.rule].name + " " + part.customers[d.customer] + " " + format_timestamp(d.at) + " " +
               std::to_string(d.step) + ": " + (d.fired ? "fired" : std::string(held_text(d.held))));
  }
  return out;
}

BacktestReport run(const BacktestSetup& setup, const World& world, unsigned workers) {
  std::vector<BacktestWorker> all;
  for (unsigned w = 0; w < workers; ++w) all.emplace_back(setup);
  unsigned next = 0;
  for (const auto& [id, state] : world.customers()) {
    CustomerState copy = state;
    all[next++ % workers].customer(copy);
  }
  std::vector<BacktestPart> parts;
  for (BacktestWorker& worker : all) parts.push_back(worker.take());
  return finish_backtest(setup, std::move(parts));
}

std::size_t day_index(TimeMs at) { return static_cast<std::size_t>(Zone().local(std::max(at, kFrom)).date - Zone().local(kFrom).date); }

TEST_CASE("a backtest gives what the live engine fired: each decision, at_most, people, segments") {
  std::uint64_t fired_in_all = 0, held_at_most = 0, converted = 0;
  std::uint64_t held_by_policies = 0;
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    World world(kStart - 1);
    play(world, history(seed));
    const auto plan = compile(kRules);
    const auto setup = prepare_backtest(*plan, nullptr, {}, {kFrom, kTo});
    REQUIRE(setup.has_value());

    BacktestWorker worker(*setup);
    for (const auto& [id, state] : world.customers()) {
      CustomerState copy = state;
      worker.customer(copy);
    }
    const auto expected = lines(world);
    const auto got = lines(*setup, worker.take());
    std::vector<std::string> missing, extra;
    std::ranges::set_difference(expected, got, std::back_inserter(missing));
    std::ranges::set_difference(got, expected, std::back_inserter(extra));
    if (!missing.empty()) FAIL_CHECK("the live engine alone: " << missing.front() << " and " << missing.size() - 1 << " more");
    if (!extra.empty()) FAIL_CHECK("the backtest alone: " << extra.front() << " and " << extra.size() - 1 << " more");

    const BacktestReport report = run(*setup, world, 3);
    std::map<std::string, BacktestReport::Side> want;
    std::map<std::string, std::set<std::string>> customers;
    std::map<std::string, std::map<std::string, std::vector<std::uint64_t>>> people;
    for (const BacktestReport::Rule& rule : report.rules) want[rule.name].fired_per_day.assign(report.days.size(), 0);
    for (const Decision& d : world.record().decisions) {
      if (d.step != kNone) {
        ++(held_by_policy(d.held) ? want[d.rule].held_by_policies : want[d.rule].held_step)[d.held];
      } else if (d.fired) {
        ++want[d.rule].fired;
        ++want[d.rule].fired_per_day[day_index(d.at)];
        customers[d.rule].insert(d.customer);
      } else {
        ++want[d.rule].held[d.held];
      }
    }
    std::map<std::pair<std::string, std::int64_t>, std::uint64_t> hours;  // what a brake would see: held back or not
    for (const ActionOut& a : world.record().actions) {
      ++want[a.rule].actions;
      want[a.rule].busiest_hour = std::max(want[a.rule].busiest_hour, ++hours[{a.rule, a.at / kHour}]);
      auto& days = people[a.rule][a.owner];
      days.resize(report.days.size());
      if (a.assigns) ++days[day_index(a.at)];
    }
    for (const HeldAction& h : world.record().held) {
      if (h.held != Held::budget) continue;
      ++want[h.action.rule].held_by_policies[h.held];
      want[h.action.rule].busiest_hour = std::max(want[h.action.rule].busiest_hour, ++hours[{h.action.rule, h.action.at / kHour}]);
    }
    for (const BacktestReport::Rule& rule : report.rules) {
      CAPTURE(rule.name);
      const BacktestReport::Side& side = want[rule.name];
      CHECK(rule.draft.held_by_policies == side.held_by_policies);
      for (const auto& [why, count] : side.held_by_policies) held_by_policies += count;
      CHECK(rule.draft.fired == side.fired);
      CHECK(rule.draft.fired_per_day == side.fired_per_day);
      CHECK(rule.draft.held == side.held);
      CHECK(rule.draft.held_step == side.held_step);
      CHECK(rule.draft.actions == side.actions);
      CHECK(rule.draft.busiest_hour == side.busiest_hour);
      CHECK(rule.draft.customers == customers[rule.name].size());
      CHECK(std::vector<std::string>(customers[rule.name].begin(), customers[rule.name].end()) == rule.only_draft.ids);
      std::uint64_t total = 0;
      for (const BacktestReport::Person& person : rule.draft.people) {
        CHECK(person.per_day == people[rule.name][person.id]);
        total += person.total;
      }
      if (rule.name == "big-order" || rule.name == "renew") CHECK(total == rule.draft.actions);
      fired_in_all += rule.draft.fired;
      if (side.held.contains(Held::at_most)) held_at_most += side.held.at(Held::at_most);
      for (const auto& [held, outcome] : rule.draft.outcomes) converted += outcome.converted;
    }
    for (const BacktestReport::Segment& segment : report.segments) {
      CAPTURE(segment.name);
      BacktestReport::SegmentSide side;
      for (const WorldRecord::CustomerEdge& e : world.record().edges) {
        if (e.segment != segment.name) continue;
        if (e.edge.silent)
          ++side.members_from;
        else
          ++(e.edge.entered ? side.entered : side.left);
      }
      CHECK(segment.draft.members_from == side.members_from);
      CHECK(segment.draft.entered == side.entered);
      CHECK(segment.draft.left == side.left);
      CHECK(segment.draft.members_to == world.members(*world.plan().find_segment(segment.name)).size());
    }
  }
  // The histories were worth it.
  CHECK(fired_in_all > 1000);
  CHECK(held_at_most > 0);
  CHECK(held_by_policies > 50);
  CHECK(converted > 0);
}

TEST_CASE("the same report whatever the number of workers") {
  World world(kStart - 1);
  play(world, history(77));
  const auto plan = compile(kRules);
  const auto setup = prepare_backtest(*plan, nullptr, {}, {kFrom, kTo});
  REQUIRE(setup.has_value());
  CHECK(backtest_json(run(*setup, world, 1)) == backtest_json(run(*setup, world, 4)));
}

TEST_CASE("only what differs is run, and who is called under one version only is named") {
  World world(kStart - 1);
  play(world, history(5));
  std::string draft_text = kRules;
  const std::size_t at = draft_text.find("at_least: 50}");
  draft_text.replace(at, 12, "at_least: 90");
  const auto live = compile(kRules);
  const auto draft = compile(draft_text);
  const auto setup = prepare_backtest(*draft, live.get(), {}, {kFrom, kTo});
  REQUIRE(setup.has_value());
  REQUIRE(setup->rules.size() == 1);
  CHECK(setup->rules[0].name == "big-order");
  CHECK(setup->rules[0].change == Change::changed);
  CHECK(setup->draft->rules.size() == 1);
  CHECK(setup->draft->segments.empty());
  const BacktestReport report = run(*setup, world, 2);
  const BacktestReport::Rule& rule = report.rules[0];
  CHECK(rule.live.fired > rule.draft.fired);
  CHECK(rule.firings_both + rule.firings_only_draft == rule.draft.fired);
  CHECK(rule.firings_both + rule.firings_only_live == rule.live.fired);
  CHECK(rule.both.total + rule.only_live.total == rule.live.customers);
  CHECK(rule.both.total + rule.only_draft.total == rule.draft.customers);

  const auto both = prepare_backtest(*draft, live.get(), {"hello"}, {kFrom, kTo});
  REQUIRE(both.has_value());
  const BacktestReport same = run(*both, world, 2);
  REQUIRE(same.rules.size() == 1);
  CHECK(same.rules[0].change == Change::same);
  CHECK(same.rules[0].draft.fired == same.rules[0].live.fired);
  CHECK(same.rules[0].only_draft.total == 0);
  CHECK(same.rules[0].only_live.total == 0);
  REQUIRE(same.segments.size() == 1);
  CHECK(same.segments[0].name == "never");

  CHECK(prepare_backtest(*draft, live.get(), {"helo"}, {kFrom, kTo}).error().message.find("`helo`") != std::string::npos);
  CHECK_FALSE(prepare_backtest(*draft, live.get(), {}, {kTo, kFrom}).has_value());
}

TEST_CASE("what live rules wrote in the past is theirs, and what a draft writes is the draft's") {
  const auto rules = [](int points) {
    return "segments:\n  rich: {where: {attribute: level, at_least: 10}}\nrules:\n  count:\n    when: {event: order}\n    then:\n" +
           ("      - set_attribute: {level: {add: " + std::to_string(points) + "}}\n") +
           "      - add_tag: seen\n  rich:\n    when: {enters: rich}\n    then: [{ticket: {subject: rich}}]\n";
  };
  World world(kFrom);
  world.load(compile(rules(1)));
  for (int i = 1; i <= 12; ++i) {
    Input in;
    in.customer = "c";
    in.id = std::to_string(i);
    in.time = kFrom + i * kHour;
    in.type = catalog()->find_event("order");
    in.fields = {Value::of_decimal(Decimal{Decimal::kScale}), Value()};
    world.move_to(in.time);
    world.submit(in);
  }
  world.move_to(kTo);
  CHECK(world.attribute("c", catalog()->find_attribute("level")) == Value::of_integer(12));
  const auto draft = compile(rules(5));
  const auto live = compile(rules(1));
  const auto setup = prepare_backtest(*draft, live.get(), {"count", "rich"}, {kFrom, kTo});
  REQUIRE(setup.has_value());
  BacktestWorker worker(*setup);
  CustomerState state = *world.find("c");
  worker.customer(state);
  const BacktestPart part = worker.take();
  const auto firings = [](const BacktestTally& tally, const Plan& plan, std::string_view rule) {
    std::vector<TimeMs> at;
    for (const BacktestTally::Decided& d : tally.decided) {
      if (d.fired && d.step == kNone && plan.rules[d.rule].name == rule) at.push_back(d.at);
    }
    return at;
  };
  CHECK(firings(part.live, *setup->live, "count").size() == 12);
  CHECK(firings(part.draft, *setup->draft, "count").size() == 12);
  CHECK(firings(part.live, *setup->live, "rich") == std::vector<TimeMs>{kFrom + 10 * kHour + 1});
  CHECK(firings(part.draft, *setup->draft, "rich") == std::vector<TimeMs>{kFrom + 2 * kHour + 1});
}

TEST_CASE("a goal counts for the last firing before it, after `to` too, and for the holdout apart") {
  const char* rules = R"(
rules:
  r:
    when: {event: login}
    then: [{ticket: {subject: x}}]
    goal: {event: order, within: 3d, value: amount}
)";
  World world(kStart - 1);
  world.load(compile("segments: {}\n"));
  const auto send = [&](TimeMs time, const char* event, std::int64_t amount) {
    Input in;
    in.customer = "c";
    in.time = time;
    in.id = std::to_string(time);
    in.type = catalog()->find_event(event);
    in.fields =
        amount < 0 ? std::vector<Value>{Value()} : std::vector<Value>{Value::of_decimal(Decimal{amount * Decimal::kScale}), Value()};
    world.move_to(time);
    world.submit(in);
  };
  send(kFrom, "login", -1);                    // its goal: nobody's, the next login takes over
  send(kFrom + kDay, "login", -1);             // met at once
  send(kFrom + kDay + 1, "order", 7);          //
  send(kTo - 1, "login", -1);                  // met after `to`, at the very end of its time
  send(kTo - 1 + 3 * kDay, "order", 5);        //
  send(kTo - 1 + 3 * kDay + 1, "order", 100);  // too late
  world.settle();
  const auto plan = compile(rules);
  const auto setup = prepare_backtest(*plan, nullptr, {}, {kFrom, kTo});
  REQUIRE(setup.has_value());
  const BacktestReport report = run(*setup, world, 1);
  const BacktestReport::Outcome& outcome = report.rules[0].draft.outcomes.at(Held::none);
  CHECK(outcome.firings == 3);
  CHECK(outcome.converted == 2);
  CHECK(format_decimal(outcome.value) == "12");
}

}  // namespace
}  // namespace nudge
