// Policies against a slow reference that shares no code with the engine: random policies, random histories; what acted, waited and was
// dropped must be the same, instant by instant, and no cap may ever be exceeded.
#include <algorithm>
#include <deque>
#include <random>
#include <set>

#include "core_support.h"
#include "engine/core/desk.h"
#include "engine/core/judge.h"
#include "engine/core/policy.h"
#include "engine/core/take_back.h"

using namespace nudge;
using namespace nudge::testing;

namespace {

struct RuleSpec {
  std::string name, channel, event;
  std::int32_t priority = 50;
  Purpose purpose = Purpose::marketing;
};

// One thing that happened to one firing.
struct Outcome {
  TimeMs at = 0;
  std::string rule, what;  // acts, waits, cap, quiet_hours, inhibited
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

std::string shown(const Outcome& o) { return format_timestamp(o.at) + " " + o.rule + " " + o.what; }

bool matches(const PolicyMatch& m, const RuleSpec& r) {
  const auto listed = [](const auto& list, const auto& value) { return list.empty() || std::ranges::find(list, value) != list.end(); };
  return listed(m.channels, r.channel) && listed(m.rules, r.name) && listed(m.purposes, r.purpose);
}

// The reference: UTC only, no spread.
class Reference {
 public:
  Reference(std::vector<RuleSpec> rules, std::vector<Policy> policies) : rules_(std::move(rules)), policies_(std::move(policies)) {}

  std::vector<Outcome> run(const std::map<TimeMs, std::vector<std::string>>& firings, TimeMs end) {
    std::map<TimeMs, std::vector<std::string>> fresh = firings;
    while (true) {
      TimeMs now = fresh.empty() ? kNever : fresh.begin()->first;
      for (const auto& [due, rule] : waiting_) now = std::min(now, due);
      if (now >= end) return out_;
      std::vector<std::string> todo;
      if (!fresh.empty() && fresh.begin()->first == now) {
        todo = fresh.begin()->second;
        fresh.erase(fresh.begin());
      }
      std::ranges::sort(todo, {}, [&](const std::string& name) { return rank(name); });
      std::vector<std::string> due;
      std::erase_if(waiting_, [&](const auto& w) {
        if (w.first != now) return false;
        due.push_back(w.second);
        return true;
      });
      std::ranges::sort(due, {}, [&](const std::string& name) { return rank(name); });
      todo.insert(todo.end(), due.begin(), due.end());
      for (const std::string& name : todo) judge(name, now);
    }
  }
  std::size_t still_waiting() const { return waiting_.size(); }

 private:
  const RuleSpec& spec(const std::string& name) const { return *std::ranges::find(rules_, name, &RuleSpec::name); }
  int rank(const std::string& name) const {  // by priority, then by name
    int better = 0;
    for (const RuleSpec& r : rules_) better += std::pair(-r.priority, r.name) < std::pair(-spec(name).priority, name) ? 1 : 0;
    return better;
  }

  void judge(const std::string& name, TimeMs now) {
    const RuleSpec& r = spec(name);
    TimeMs wait = 0;
    for (const Policy::Kind kind : {Policy::Kind::inhibit, Policy::Kind::quiet_hours, Policy::Kind::cap}) {
      for (const Policy& p : policies_) {
        if (p.kind != kind || !matches(p.match, r)) continue;
        if (kind == Policy::Kind::inhibit) {
          for (const auto& [at, by] : sent_) {
            if (by != name && std::ranges::find(p.by.rules, by) != p.by.rules.end() && at > now - p.within)
              return note(now, name, "inhibited");
          }
        } else if (kind == Policy::Kind::quiet_hours) {
          const DurationMs of_day = now % kDay;
          const Calendar::Hours h = p.open[0].hours[0];
          const bool open = h.from < h.to ? of_day >= h.from && of_day < h.to : of_day >= h.from || of_day < h.to;
          if (open) continue;
          if (p.over == Policy::Over::cancel) return note(now, name, "quiet_hours");
          wait = std::max(wait, now - of_day + h.from + (of_day < h.from ? 0 : kDay));
        } else {
          const TimeMs unit = now - now % kDay;
          std::vector<TimeMs> counted;
          for (const auto& [at, by] : sent_) {
            if ((p.rolling ? at > now - p.per : at >= unit) && matches(p.match, spec(by))) counted.push_back(at);
          }
          std::ranges::sort(counted);
          if (counted.size() < p.at_most) continue;
          if (p.over == Policy::Over::cancel) return note(now, name, "cap");
          wait = std::max(wait, p.rolling ? counted[counted.size() - p.at_most] + p.per : unit + kDay);
        }
      }
      if (wait != 0) {
        waiting_.emplace_back(wait, name);
        return note(now, name, "waits");
      }
    }
    sent_.emplace_back(now, name);
    note(now, name, "acts");
  }
  void note(TimeMs at, const std::string& rule, const char* what) { out_.push_back({at, rule, what}); }

  std::vector<RuleSpec> rules_;
  std::vector<Policy> policies_;
  std::vector<std::pair<TimeMs, std::string>> sent_;
  std::deque<std::pair<TimeMs, std::string>> waiting_;
  std::vector<Outcome> out_;
};

Policy random_policy(std::mt19937& random, const std::vector<RuleSpec>& rules, std::size_t n) {
  const auto pick = [&](std::size_t below) { return static_cast<std::size_t>(random() % below); };
  Policy p;
  p.name = "p" + std::to_string(n);
  if (pick(2) == 0) p.match.channels = {pick(2) == 0 ? "sms" : "email"};
  if (pick(4) == 0) p.match.purposes = {Purpose::marketing};
  switch (pick(4)) {
    case 0:
      p.kind = Policy::Kind::quiet_hours;
      p.open.resize(1);
      p.open[0].hours = {pick(3) == 0 ? Calendar::Hours{20 * kHour, 3 * kHour} : Calendar::Hours{9 * kHour, 18 * kHour}};
      p.over = pick(3) == 0 ? Policy::Over::cancel : Policy::Over::defer;
      p.zone_of = Policy::ZoneOf::company;
      break;
    case 1:
      p.kind = Policy::Kind::inhibit;
      p.by.rules = {rules[pick(rules.size())].name};
      p.within = static_cast<DurationMs>(pick(8) + 1) * 3 * kHour;
      break;
    default:
      p.kind = Policy::Kind::cap;
      p.at_most = pick(3) + 1;
      p.rolling = pick(2) == 0;
      p.per = static_cast<DurationMs>(pick(6) + 1) * 6 * kHour;
      p.over = pick(2) == 0 ? Policy::Over::cancel : Policy::Over::defer;
      break;
  }
  return p;
}

std::string word_of(const Decision& d) {
  if (d.fired) return {};
  return d.held == Held::deferred ? "waits" : std::string(held_name(d.held));
}

}  // namespace

TEST_CASE("random policies over random histories act, wait and drop as the slow reference says, and no cap is ever exceeded") {
  const TimeMs start = at("2026-02-02T00:00:00Z");
  const TimeMs end = start + 40 * kDay;
  std::size_t acted = 0, waited = 0, dropped = 0;
  for (std::uint32_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](std::size_t below) { return static_cast<std::size_t>(random() % below); };
    std::vector<RuleSpec> rules;
    for (const char* name : {"alpha", "beta", "gamma"}) {
      rules.push_back({name, pick(2) == 0 ? "sms" : "email",
                       rules.empty()  ? "login"
                       : pick(2) == 0 ? "login"
                                      : "paid",
                       static_cast<std::int32_t>(pick(3)) * 10, pick(3) == 0 ? Purpose::service : Purpose::marketing});
    }
    std::vector<Policy> policies;
    for (std::size_t n = pick(4) + 1; n > 0; --n) policies.push_back(random_policy(random, rules, n));

    Kit kit;
    for (const RuleSpec& spec : rules) {
      Rule rule = kit.on_event(spec.name.c_str(), spec.event.c_str());
      rule.priority = spec.priority;
      rule.purpose = spec.purpose;
      Step step = Kit::step();
      step.action.channel = spec.channel;
      rule.steps = {step};
      kit.add(std::move(rule));
    }
    kit.b.plan().policies = policies;

    std::map<TimeMs, std::vector<std::string>> firings;
    std::map<TimeMs, std::vector<Input>> arrivals;
    const std::size_t events = pick(40) + 5;
    for (std::size_t i = 0; i < events; ++i) {
      const TimeMs t = start + static_cast<DurationMs>(pick(4 * 24 * 12)) * 15 * kMinute;  // twelve days, often at one instant
      const char* type = pick(3) == 0 ? "paid" : "login";
      const std::string id = "e" + std::to_string(i);
      arrivals[t].push_back(kit.event(type, t, id.c_str()));
    }
    for (const auto& [t, inputs] : arrivals) {
      for (const Input& input : inputs) {
        for (const RuleSpec& spec : rules) {
          if (kit.type(spec.event.c_str()) == input.type) firings[t].push_back(spec.name);
        }
      }
    }
    std::vector<Outcome> engine;
    std::vector<std::pair<TimeMs, std::string>> sent;
    std::set<Hash128> ids;
    const auto collect = [&] {
      const Effects& effects = kit.effects();
      for (const Decision& d : effects.decisions) {
        if (const std::string word = word_of(d); !word.empty()) engine.push_back({d.at, d.rule, word});
      }
      for (const ActionOut& a : effects.actions) {
        CHECK_MESSAGE(ids.insert(a.id).second, "an action came twice");
        engine.push_back({a.at, a.rule, "acts"});
        sent.emplace_back(a.at, a.rule);
      }
      for (const HeldAction& h : effects.held_actions) CHECK_FALSE(h.reason.empty());
    };
    for (const auto& [t, inputs] : arrivals) {
      kit.pass(t);
      collect();
      kit.arrive(t, inputs);
      collect();
      if (pick(5) == 0) kit.restart();
    }
    kit.pass(end);
    collect();

    Reference reference(rules, policies);
    std::vector<Outcome> wanted = reference.run(firings, end);
    // Within one instant actions and decisions lie in two lists: compared as sorted.
    const auto order = [](const Outcome& a, const Outcome& b) { return std::tie(a.at, a.rule, a.what) < std::tie(b.at, b.rule, b.what); };
    std::ranges::sort(engine, order);
    std::ranges::sort(wanted, order);
    if (engine != wanted) {
      const auto [a, b] = std::ranges::mismatch(engine, wanted);
      FAIL_CHECK("engine: " << (a == engine.end() ? "(nothing)" : shown(*a))
                            << "; reference: " << (b == wanted.end() ? "(nothing)" : shown(*b)));
      break;
    }
    std::size_t waiting = 0;
    for (const Run& run : kit.state.runs) waiting += waits_for_goal(run) ? 0U : 1U;
    CHECK(waiting == reference.still_waiting());
    for (const Policy& p : policies) {
      if (p.kind != Policy::Kind::cap) continue;
      std::vector<TimeMs> counted;
      for (const auto& [t, name] : sent) {
        if (matches(p.match, *std::ranges::find(rules, name, &RuleSpec::name))) counted.push_back(t);
      }
      for (const TimeMs t : counted) {
        const auto n = std::ranges::count_if(
            counted, [&](TimeMs other) { return other <= t && (p.rolling ? other > t - p.per : other / kDay == t / kDay); });
        CHECK_MESSAGE(static_cast<std::uint64_t>(n) <= p.at_most, "cap " << p.name << " exceeded at " << format_timestamp(t));
      }
    }
    for (const Outcome& o : wanted) ++(o.what == "acts" ? acted : o.what == "waits" ? waited : dropped);
  }
  // A comparison that never saw anything held back would prove nothing.
  CHECK(acted > 3000);
  CHECK(waited > 1000);
  CHECK(dropped > 1000);
}

TEST_CASE("a backlog leaves spread over the opening, each customer at their own instant, the same whenever it is asked") {
  Kit kit;
  Rule rule = kit.on_event("promo", "login");
  Step step = Kit::step();
  step.action.channel = "sms";
  rule.steps = {step};
  kit.add(std::move(rule));
  Policy p;
  p.name = "day";
  p.kind = Policy::Kind::quiet_hours;
  p.open.resize(1);
  p.open[0].hours = {{9 * kHour, 18 * kHour}};
  p.over = Policy::Over::defer;
  p.spread = 2 * kHour;
  kit.b.plan().policies = {p};
  const TimeMs night = at("2026-02-03T22:00:00Z");
  const TimeMs open = at("2026-02-04T09:00:00Z");
  kit.start();
  std::vector<TimeMs> promised, left;
  for (int i = 0; i < 200; ++i) {
    Engine engine;
    CustomerState state;
    state.id = "c" + std::to_string(i);
    std::vector<Receipt> receipts;
    Effects effects;
    const std::vector<Input> both{kit.event("login", night, "e1"), kit.event("login", night, "e2")};
    engine.step(kit.plan(), state, both, night, receipts, effects);
    REQUIRE(effects.decisions.size() == 4);  // fired and deferred, twice
    std::set<TimeMs> mine;
    for (const Decision& d : effects.decisions) {
      if (d.held == Held::deferred) mine.insert(d.deferred_until);
    }
    REQUIRE(mine.size() == 1);  // both at one instant: there priorities decide
    promised.push_back(*mine.begin());
    effects.clear();
    Engine after;
    after.advance(kit.plan(), state, at("2026-02-05T00:00:00Z"), effects);
    REQUIRE(effects.actions.size() == 2);
    CHECK(effects.actions[0].at == effects.actions[1].at);
    left.push_back(effects.actions[0].at);
  }
  std::ranges::sort(promised);
  std::ranges::sort(left);
  CHECK(left == promised);
  CHECK(left.front() >= open);
  CHECK(left.back() < open + 2 * kHour);
  std::array<int, 4> quarters{};
  for (const TimeMs t : left) ++quarters[static_cast<std::size_t>((t - open) / (30 * kMinute))];
  for (const int n : quarters) CHECK(n > 25);
}

TEST_CASE("opening hours keep to the wall clock where the clocks change, over midnight and over holidays") {
  Plan plan;
  Policy p;
  p.open.resize(1);
  p.open[0].hours = {{2 * kHour + 30 * kMinute, 4 * kHour}};
  const Zone berlin = Zone::find("Europe/Berlin").value();
  // 29 March 2026: 02:30 does not exist; the window begins where the gap ends.
  Opening o = opening_of(plan, p, berlin, at("2026-03-29T00:00:00+01:00"));
  CHECK_FALSE(o.open);
  CHECK(o.from == at("2026-03-29T03:00:00+02:00"));
  CHECK(o.to == at("2026-03-29T04:00:00+02:00"));
  // 25 October: 02:30 comes twice, the first counts.
  o = opening_of(plan, p, berlin, at("2026-10-25T00:00:00+02:00"));
  CHECK(o.from == at("2026-10-25T02:30:00+02:00"));
  CHECK(o.to == at("2026-10-25T04:00:00+01:00"));
  // Over midnight: belongs to the day on which it starts.
  p.open[0].hours = {{22 * kHour, 2 * kHour}};
  p.open[0].weekdays = 1U << 4U;                                    // Friday
  o = opening_of(plan, p, Zone(), at("2026-02-07T01:59:59.999Z"));  // Saturday
  CHECK(o.open);
  CHECK(o.to == at("2026-02-07T02:00:00Z"));
  o = opening_of(plan, p, Zone(), at("2026-02-07T02:00:00Z"));
  CHECK_FALSE(o.open);
  CHECK(o.from == at("2026-02-13T22:00:00Z"));
  // A calendar: the National Day week is off, the Saturday after it is worked.
  BusinessCalendar china;
  china.name = "china";
  for (DateDays d = day("2026-10-01"); d <= day("2026-10-07"); ++d) china.holidays.push_back({d, "National Day"});
  china.workdays.push_back({day("2026-10-10"), "National Day"});
  plan.business_calendars.push_back(china);
  Policy office;
  office.calendar = 0;
  office.open.resize(1);
  office.open[0].hours = {{9 * kHour, 18 * kHour}};
  CHECK(opening_of(plan, office, Zone(), at("2026-09-30T18:00:00Z")).from == at("2026-10-08T09:00:00Z"));
  CHECK(opening_of(plan, office, Zone(), at("2026-10-10T12:00:00Z")).open);
  CHECK(opening_of(plan, office, Zone(), at("2026-10-10T18:00:00Z")).from == at("2026-10-12T09:00:00Z"));
  // No opening at all.
  plan.business_calendars[0].weekdays = 0;
  plan.business_calendars[0].workdays.clear();
  CHECK_FALSE(opening_of(plan, office, Zone(), at("2026-10-10T18:00:00Z")).found);
}

TEST_CASE("a cap of a calendar day waits for a day that begins for good, also where the clock is put back over midnight") {
  // In Santiago the clock goes from 00:00 on 5 April 2026 back to 23:00 on the 4th.
  Kit kit;
  Rule rule = kit.on_event("promo", "login");
  Step step = Kit::step();
  step.action.channel = "sms";
  rule.steps = {step};
  kit.add(std::move(rule));
  Policy p;
  p.name = "one";
  p.kind = Policy::Kind::cap;
  p.at_most = 1;
  p.over = Policy::Over::defer;
  kit.b.plan().policies = {p};
  kit.zone("America/Santiago");
  const TimeMs first = at("2026-04-04T20:00:00-03:00");
  const TimeMs again = at("2026-04-04T23:30:00-04:00");  // the second half past eleven
  REQUIRE(Zone::find("America/Santiago").value().local(again).of_day == 23 * kHour + 30 * kMinute);
  kit.arrive(first, {kit.event("login", first, "a")});
  kit.arrive(again, {kit.event("login", again, "b")});
  REQUIRE(kit.effects().decisions.size() == 2);
  CHECK(kit.effects().decisions[1].held == Held::deferred);
  const TimeMs until = kit.effects().decisions[1].deferred_until;
  CHECK(until > again);
  CHECK(until <= at("2026-04-06T00:00:00-04:00"));
  kit.pass(at("2026-04-07T00:00:00-04:00"));
  CHECK(kit.effects().actions.size() == 1);
  CHECK(kit.state.runs.empty());
}

TEST_CASE("the brake stops a rule far above its own history, keeps what it would have sent, and lets go when a person says so") {
  Kit kit;
  Rule rule = kit.on_event("promo", "login");
  Step step = Kit::step();
  step.action.channel = "sms";
  rule.steps = {step};
  kit.add(std::move(rule));
  Policy p;
  p.name = "brake";
  p.kind = Policy::Kind::brake;
  p.times = 3;
  p.at_least = 10;
  kit.b.plan().policies = {p};
  kit.start();
  Desk desk;
  const RuleId id = kit.plan().rules[0].id;
  const auto hour = [&](TimeMs t, int n) {
    std::pair<int, int> went{0, 0};
    for (int i = 0; i < n; ++i) {
      Effects effects;
      ActionOut action;
      action.rule = "promo";
      action.rule_id = id;
      action.channel = "sms";
      action.at = t + i;
      effects.actions.push_back(action);
      desk.settle(kit.plan(), effects);
      went.first += static_cast<int>(effects.actions.size());
      for (const HeldAction& h : effects.held_actions) went.second += h.kept && h.held == Held::braked ? 1 : 0;
      std::string bytes;
      desk.encode(bytes);
      desk = Desk::decode(bytes).value();
    }
    return went;
  };
  const TimeMs t = at("2026-02-02T10:00:00Z");
  CHECK(hour(t, 10) == std::pair(10, 0));               // at most at_least: never stopped, whatever the history
  CHECK(hour(t + kDay, 30) == std::pair(30, 0));        // three times the busiest hour, not more
  CHECK(hour(t + 2 * kDay, 100) == std::pair(90, 10));  // the 91st is more than three times 30
  CHECK(desk.controls().braked.at(id).kept == 10);
  CHECK(hour(t + 2 * kDay + kHour, 5) == std::pair(0, 5));  // stopped is stopped, also in the next hour
  CHECK(desk.release(id));
  CHECK_FALSE(desk.release(id));
  CHECK(hour(t + 2 * kDay + 2 * kHour, 100) == std::pair(100, 0));  // what was released is history now
  CHECK(hour(t + 20 * kDay, 11) == std::pair(10, 1));               // after two quiet weeks there is none
  CHECK(desk.release(id));
  CHECK(hour(t + 20 * kDay + kMinute, 10) == std::pair(10, 0));  // within the same hour as well
}

TEST_CASE("what the backtest promised counts like an hour that the rule had") {
  Kit kit;
  kit.add(kit.on_event("promo", "login"));
  Policy p;
  p.name = "launch";
  p.kind = Policy::Kind::brake;
  p.times = 2;
  p.at_least = 10;
  p.at_most = 40;  // expect
  kit.b.plan().policies = {p};
  kit.start();
  Desk desk;
  const RuleId id = kit.plan().rules[0].id;
  const auto kept = [&](TimeMs t, int n) {
    std::size_t count = 0;
    for (int i = 0; i < n; ++i) {
      Effects effects;
      ActionOut& action = effects.actions.emplace_back();
      action.rule = "promo";
      action.rule_id = id;
      action.channel = "sms";
      action.at = t + i;
      desk.settle(kit.plan(), effects);
      count += effects.held_actions.size();
    }
    return count;
  };
  const TimeMs t = at("2026-02-02T10:00:00Z");
  CHECK(kept(t, 80) == 0);  // new, and no more than twice what was expected
  CHECK(kept(t + 80, 1) == 1);
  CHECK(desk.controls().braked.at(id).words.find("40 were expected") != std::string::npos);
  CHECK(desk.release(id));
  CHECK(kept(t + kHour, 162) == 0);  // its own hour of 81 is more than the 40 by now
  CHECK(kept(t + kHour + 200, 1) == 1);
}

TEST_CASE("windows of at_most and budgets follow the company's clock and never go back, whatever the order of the log") {
  Kit kit;
  Rule rule = kit.on_event("promo", "login");
  rule.limits.at_most = 2;
  rule.limits.at_most_per_hour = true;
  kit.add(std::move(rule));
  kit.zone("Asia/Kolkata");  // hours begin at half past those of UTC
  kit.start();
  Desk desk;
  const auto fires = [&](std::string_view when) {
    Effects effects;
    Decision d;
    d.fired = true;
    d.rule = "promo";
    d.rule_id = kit.plan().rules[0].id;
    d.customer = "c";
    d.at = d.cause.at = at(when);
    effects.decisions.push_back(d);
    desk.settle(kit.plan(), effects);
    return effects.decisions[0].fired;
  };
  CHECK(fires("2026-02-04T10:10:00+05:30"));
  CHECK(fires("2026-02-04T10:50:00+05:30"));
  CHECK_FALSE(fires("2026-02-04T10:59:59.999+05:30"));  // UTC's hour is another by now
  CHECK(fires("2026-02-04T11:00:00+05:30"));
  CHECK(fires("2026-02-04T10:59:59.999+05:30"));  // late by a shard's turn: counts in the window that is open
  CHECK_FALSE(fires("2026-02-04T11:00:01+05:30"));
  CHECK(fires("2026-02-04T12:00:00+05:30"));
}

TEST_CASE(
    "a firing above at_most is undone whole: no step, no goal, no contact; also when the step is due before the customer hears of it") {
  Kit kit;
  Rule rule = kit.on_event("promo", "login");
  rule.limits.at_most = 1;
  rule.goal.event = kit.type("order");
  rule.goal.within = 30 * kDay;
  Step first = Kit::step(), second = Kit::step(2 * kHour);
  first.action.channel = second.action.channel = "sms";
  rule.steps = {first, second};
  kit.add(std::move(rule));
  Policy p;
  p.name = "one";
  p.kind = Policy::Kind::cap;
  p.at_most = 1;
  p.per = 7 * kDay;
  p.rolling = true;
  kit.b.plan().policies = {p};
  Desk desk;
  kit.start();
  Effects taken;
  Decision d;
  d.fired = true;
  d.rule_id = kit.plan().rules[0].id;
  d.customer = "other";
  d.at = d.cause.at = kNoon;
  taken.decisions.push_back(d);
  desk.settle(kit.plan(), taken);
  REQUIRE(taken.decisions[0].fired);
  kit.arrive(kNoon, {kit.event("login", kNoon, "e")});
  REQUIRE(kit.effects().actions.size() == 1);
  REQUIRE(kit.state.runs.size() == 2);  // the second step, and the goal
  REQUIRE(kit.state.contacts.size() == 1);
  Effects mine = kit.effects();
  desk.settle(kit.plan(), mine);
  CHECK(mine.actions.empty());
  REQUIRE(mine.decisions.size() == 1);
  REQUIRE(is_to_be_told(kit.plan(), mine.decisions[0]));
  // The step is due before its customer heard of it: the desk stops it.
  Effects late;
  ActionOut step_two;
  step_two.rule_id = mine.decisions[0].rule_id;
  step_two.customer = "c";
  step_two.cause = mine.decisions[0].cause;
  late.actions.push_back(step_two);
  desk.settle(kit.plan(), late);
  CHECK(late.actions.empty());
  // It hears of it, as the log writes it.
  std::string bytes;
  Writer out(bytes);
  encode_input(out, taken_back_input(mine.decisions[0]));
  Input told;
  Reader in(bytes);
  REQUIRE(decode_input(in, told));
  CHECK(same_content(told, taken_back_input(mine.decisions[0])));
  kit.arrive(kNoon + 1, {told});
  CHECK(kit.state.runs.empty());
  CHECK(kit.state.contacts.empty());
  CHECK_FALSE(kit.state.find(told.id, *kit.plan().catalog).has_value());  // being told is no fact
  desk.told_taken_back(*taken_back_by(told));
  late.actions.push_back(step_two);
  desk.settle(kit.plan(), late);
  CHECK(late.actions.size() == 1);
}

TEST_CASE("an action counts once, however many brakes bind its rule, and the strictest decides") {
  Kit kit;
  Rule rule = kit.on_event("promo", "login");
  rule.steps = {Kit::step()};
  kit.add(std::move(rule));
  Policy loose;
  loose.name = "everybody";
  loose.kind = Policy::Kind::brake;
  loose.times = 3;
  loose.at_least = 20;
  Policy strict = loose;
  strict.name = "promo";
  strict.at_least = 10;
  kit.b.plan().policies = {loose, strict};
  kit.start();
  Desk desk;
  std::size_t went = 0;
  for (int i = 0; i < 30; ++i) {
    Effects effects;
    ActionOut action;
    action.rule = "promo";
    action.rule_id = kit.plan().rules[0].id;
    action.at = kNoon + i;
    effects.actions.push_back(action);
    desk.settle(kit.plan(), effects);
    went += effects.actions.size();
  }
  CHECK(went == 10);
  CHECK(desk.controls().braked.at(kit.plan().rules[0].id).policy == "promo");
}

TEST_CASE("a silence matches all that it names, from its beginning to its end, and stop-all keeps its word over a restart") {
  Desk desk;
  Silence s;
  s.rule = "promo";
  s.channel = "sms";
  s.from = 100;
  s.until = 200;
  s.author = "lin";
  s.reason = "wrong price";
  CHECK(desk.silence(s) == 1);
  CHECK(desk.silence(s) == 2);
  ActionOut action;
  action.rule = "promo";
  action.channel = "sms";
  CHECK(desk.controls().silenced(action, 99) == nullptr);
  CHECK(desk.controls().silenced(action, 100) != nullptr);
  CHECK(desk.controls().silenced(action, 199) != nullptr);
  CHECK(desk.controls().silenced(action, 200) == nullptr);
  action.channel = "email";
  CHECK(desk.controls().silenced(action, 150) == nullptr);
  CHECK(desk.end_silence(1, 150));
  CHECK_FALSE(desk.end_silence(1, 150));
  desk.stop_all(true, 160, "lin", "midnight");
  std::string bytes;
  desk.encode(bytes);
  const Desk again = Desk::decode(bytes).value();
  CHECK(again.controls() == desk.controls());
  CHECK(again.controls().stopped);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) CHECK_FALSE(Desk::decode(std::string_view(bytes).substr(0, cut)).has_value());
}
