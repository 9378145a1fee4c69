// One case per sentence of the language's § Settled on instants, edges, the future, ends and dates.
#include <doctest/doctest.h>

#include "core_support.h"

using namespace nudge;
using namespace nudge::testing;

TEST_CASE("An old row that falls out of a window at the very millisecond at which a new one comes in gives neither an exit nor an entry") {
  for (const DurationMs gap : {kHour - 1, kHour, kHour + 1}) {
    Kit kit;
    kit.segment("active", kit.some(kit.rows("login", within(kHour))));
    kit.live({kit.event("login", kNoon, "a"), kit.event("login", kNoon + gap, "b")});
    CHECK(kit.what() == (gap <= kHour ? Lines{"enters active"} : Lines{"enters active", "leaves active", "enters active"}));
  }
}

TEST_CASE("A timer due at t runs when the clock has passed t: never early") {
  Kit kit;
  Rule r = kit.on_event("follow", "login");
  r.steps = {Kit::step(), Kit::step(kHour)};
  kit.add(r);
  kit.live({kit.event("login", kNoon, "a")});
  CHECK(kit.what() == Lines{"fires follow"});
  kit.pass(kNoon + kHour - 1);
  kit.pass(kNoon + kHour);
  CHECK(kit.what().empty());
  kit.pass(kNoon + kHour + 1);
  CHECK(kit.happened() == Lines{"2026-02-04T13:00:00Z acts follow 1"});
}

TEST_CASE("Rows are ordered by time, then by event id bytewise") {
  for (const bool reversed : {false, true}) {
    Kit kit;
    const ExprId last = kit.value(kit.of(Aggregate::Fn::last, "order", "sku"));
    const ExprId first = kit.value(kit.of(Aggregate::Fn::first, "order", "sku"));
    std::vector<Input> rows = {kit.event("order", kNoon, "B", {{"sku", text("B")}}), kit.event("order", kNoon, "a", {{"sku", text("a")}}),
                               kit.event("order", kNoon, "\xc3\xa9", {{"sku", text("é")}})};
    if (reversed) std::swap(rows[0], rows[2]);
    kit.arrive(kNoon, rows);
    CHECK(kit.compute(first, kNoon) == text("B"));
    CHECK(kit.compute(last, kNoon) == text("é"));
  }
}

TEST_CASE("Of two updates to an attribute the greater in that order wins, whatever the order of arrival") {
  for (const bool reversed : {false, true}) {
    Kit kit;
    const ExprId tier = kit.attr("tier");
    std::vector<Input> updates = {kit.set(kNoon, "2", {{"tier", text("two")}}), kit.set(kNoon, "10", {{"tier", text("ten")}}),
                                  kit.set(kNoon - 1, "9", {{"tier", text("old")}})};
    if (reversed) std::swap(updates[0], updates[2]);
    for (std::size_t i = 0; i < updates.size(); ++i) kit.arrive(kNoon + static_cast<TimeMs>(i), {updates[i]});
    CHECK(kit.compute(tier, kNoon + 5) == text("two"));
  }
}

TEST_CASE("A late event corrects the state; nothing is fired for a membership that lay wholly in the past") {
  Kit kit;
  const auto active = kit.segment("active", kit.some(kit.rows("login", within(kHour))));
  kit.add(Kit::on_edge("in", Trigger::Kind::enters, active));
  kit.live({kit.event("order", kNoon, "a")});
  kit.arrive(kNoon + kDay, {kit.event("login", kNoon + kHour, "b")});
  CHECK(kit.what().empty());
  CHECK(kit.holds(kit.plan().segments[active].node, kNoon + kHour));
}

TEST_CASE("Nothing that fired is taken back") {
  Kit kit;
  const auto silent = kit.segment("silent", kit.none(kit.rows("login", within(kHour))));
  kit.add(Kit::on_edge("in", Trigger::Kind::enters, silent));
  kit.live({kit.event("login", kNoon, "a")});
  kit.pass(kNoon + 61 * kMinute);
  CHECK(kit.what() == Lines{"enters silent", "fires in"});
  kit.arrive(kNoon + 61 * kMinute, {kit.event("login", kNoon + 59 * kMinute, "late")});
  CHECK(kit.happened() == Lines{"2026-02-04T13:01:00Z leaves silent"});
}

TEST_CASE("Imports fire nothing; a later edge by time alone does") {
  Kit kit;
  const auto active = kit.segment("active", kit.some(kit.rows("login", within(kHour))));
  kit.add(Kit::on_edge("in", Trigger::Kind::enters, active));
  kit.add(Kit::on_edge("out", Trigger::Kind::leaves, active));
  kit.arrive(kNoon, {Kit::import(kit.event("login", kNoon, "a"))});
  kit.pass(kNoon + kDay);
  CHECK(kit.what() == Lines{"enters active silently", "leaves active", "fires out"});
}

TEST_CASE("max_age binds event and attribute_changes, not edges") {
  Kit kit;
  const auto active = kit.segment("active", kit.some(kit.rows("login", within(10 * kDay))));
  kit.add(Kit::on_edge("edge", Trigger::Kind::enters, active));
  kit.add(kit.on_event("event", "login"));
  kit.add(kit.on_change("change", "tier"));
  kit.arrive(kNoon, {kit.event("login", kNoon - 2 * kDay, "a"), kit.set(kNoon - 2 * kDay, "b", {{"tier", text("gold")}})});
  CHECK(kit.what() == Lines{"enters active", "fires edge"});
}

TEST_CASE("A late trigger's if is asked at the clock: act on what is known now") {
  Kit kit;
  kit.add(kit.on_event("hello", "login", kit.is("tier", Op::equals, text("gold"))));
  kit.live({kit.set(kNoon - 1, "s", {{"tier", text("silver")}}), kit.set(kNoon + 2, "g", {{"tier", text("gold")}})});
  kit.arrive(kNoon + 3, {kit.event("login", kNoon, "a")});
  CHECK(kit.what() == Lines{"fires hello"});
}

TEST_CASE("before: trigger means rows strictly before the trigger in row order") {
  Kit kit;
  Aggregate before = kit.rows("login");
  before.before_trigger = true;
  kit.add(kit.on_event("second", "login", kit.some(before)));
  kit.arrive(kNoon, {kit.event("login", kNoon, "b")});
  CHECK(kit.what().empty());
  kit.arrive(kNoon + 1, {kit.event("login", kNoon, "a")});  // the same millisecond, a smaller id: it is the first
  CHECK(kit.what().empty());
  kit.arrive(kNoon + 2, {kit.event("login", kNoon, "c")});
  CHECK(kit.what() == Lines{"fires second"});
  kit.arrive(kNoon + 3, {kit.event("login", kNoon - 1, "d")});
  CHECK(kit.what().empty());
}

TEST_CASE("The dormant customer who returns: last login before the trigger older than a year") {
  for (const DurationMs gap : {365 * kDay - 1, 365 * kDay}) {
    Kit kit;
    Aggregate last = kit.of(Aggregate::Fn::last, "login", "timestamp");
    last.before_trigger = true;
    kit.add(kit.on_event("return", "login", kit.relative(kit.value(last), Op::older_than, 365 * kDay)));
    kit.live({kit.event("login", kNoon, "a"), kit.event("login", kNoon + gap, "b")});
    CHECK(kit.what() == (gap == 365 * kDay ? Lines{"fires return"} : Lines{}));
  }
}

TEST_CASE("A customer never heard of is in no segment") {
  Kit kit;
  const auto silent = kit.segment("silent", kit.none(kit.rows("login")));
  kit.start();
  kit.pass(kNoon);
  CHECK(!kit.state.known());
  CHECK(!kit.state.is_member(kit.plan().segments[silent].root));
  kit.live({kit.event("order", kNoon, "a")});
  CHECK(kit.what() == Lines{"enters silent"});
}

TEST_CASE("An event dated ahead of the clock exists from its own time on, and fires then") {
  Kit kit;
  const auto active = kit.segment("active", kit.some(kit.rows("login", within(kHour))));
  kit.add(kit.on_event("hello", "login"));
  kit.add(kit.on_change("promoted", "tier"));
  const TimeMs ahead = kNoon + 2 * kMinute;
  kit.arrive(kNoon, {kit.event("login", ahead, "a"), kit.set(ahead, "b", {{"tier", text("gold")}})});
  CHECK(kit.what().empty());
  CHECK(!kit.holds(kit.plan().segments[active].node, ahead - 1));
  kit.pass(ahead + kMinute);
  CHECK(kit.happened() ==
        Lines{"2026-02-04T12:02:00Z enters active", "2026-02-04T12:02:00Z fires hello", "2026-02-04T12:02:00Z fires promoted"});
}

TEST_CASE("Ends: within, older_than and in_next on an instant") {
  Kit kit;
  const ExprId seen = kit.attr("seen");
  const NodeId recent = kit.relative(seen, Op::within, kDay);
  const NodeId older = kit.relative(seen, Op::older_than, kDay);
  const NodeId next = kit.relative(seen, Op::in_next, kDay);
  const TimeMs t = kNoon + 10 * kDay;
  kit.live({kit.set(kNoon, "a", {{"seen", Value::of_timestamp(t)}})});
  struct {
    DurationMs off;
    bool recent, older, next;
  } rows[] = {{-kDay - 1, false, false, false}, {-kDay, false, false, true},    {-1, false, false, true},   {0, true, false, false},
              {1, true, false, false},          {kDay - 1, true, false, false}, {kDay, false, true, false}, {kDay + 1, false, true, false}};
  for (const auto& row : rows) {
    CHECK_MESSAGE(kit.holds(recent, t + row.off) == row.recent, row.off);
    CHECK_MESSAGE(kit.holds(older, t + row.off) == row.older, row.off);
    CHECK_MESSAGE(kit.holds(next, t + row.off) == row.next, row.off);
  }
}

TEST_CASE("Ends: from A, to B means now - A < t <= now - B") {
  Kit kit;
  const NodeId earlier = kit.some(kit.rows("login", from_to(2 * kDay, kDay)));
  kit.live({kit.event("login", kNoon, "a")});
  const Answer answers[] = {{kNoon + kDay - 1, false}, {kNoon + kDay, true}, {kNoon + 2 * kDay - 1, true}, {kNoon + 2 * kDay, false}};
  for (const Answer& a : answers) CHECK(kit.holds(earlier, a.now) == a.truth);
}

TEST_CASE(
    "Fixed ranges: an end given as a date means that whole day in the time zone, both ends included; a timestamp: start included, end "
    "excluded") {
  Kit kit;
  kit.zone("Asia/Shanghai");
  const NodeId days = kit.some(kit.rows("login", fixed(on("2026-02-03"), on("2026-02-04"))));
  const NodeId instants = kit.some(kit.rows("login", fixed(upon("2026-02-03T00:00:00Z"), upon("2026-02-04T00:00:00Z"))));
  kit.start();
  struct {
    const char* t;
    bool days, instants;
  } rows[] = {{"2026-02-02T15:59:59.999Z", false, false}, {"2026-02-02T16:00:00Z", true, false},
              {"2026-02-02T23:59:59.999Z", true, false},  {"2026-02-03T00:00:00Z", true, true},
              {"2026-02-03T23:59:59.999Z", true, true},   {"2026-02-04T00:00:00Z", true, false},
              {"2026-02-04T15:59:59.999Z", true, false},  {"2026-02-04T16:00:00Z", false, false}};
  for (const auto& row : rows) {
    kit.state = CustomerState();
    kit.live({kit.event("login", at(row.t), "a")});
    CHECK_MESSAGE(kit.holds(days, at("2026-03-01T00:00:00Z")) == row.days, row.t);
    CHECK_MESSAGE(kit.holds(instants, at("2026-03-01T00:00:00Z")) == row.instants, row.t);
  }
}

TEST_CASE("since start_of: its first instant included; weeks start on Monday; the customer's zone") {
  using Unit = Window::Unit;
  struct {
    Unit unit;
    const char* zone;
    const char* now;
    const char* first;
  } rows[] = {{Unit::day, "UTC", "2026-02-04T12:00:00Z", "2026-02-04T00:00:00Z"},
              {Unit::day, "Asia/Shanghai", "2026-02-04T16:00:00Z", "2026-02-04T16:00:00Z"},
              {Unit::week, "UTC", "2026-02-08T23:59:59Z" /* Sunday */, "2026-02-02T00:00:00Z"},
              {Unit::week, "UTC", "2026-02-09T00:00:00Z" /* Monday */, "2026-02-09T00:00:00Z"},
              {Unit::month, "Europe/Berlin", "2026-03-31T21:59:59Z", "2026-02-28T23:00:00Z"},
              {Unit::quarter, "UTC", "2026-06-30T00:00:00Z", "2026-04-01T00:00:00Z"},
              {Unit::year, "UTC", "2026-12-31T23:59:59.999Z", "2026-01-01T00:00:00Z"},
              {Unit::day, "America/Sao_Paulo", "2018-11-04T12:00:00Z" /* has no midnight */, "2018-11-04T03:00:00Z"}};
  for (const auto& row : rows) {
    for (const TimeMs off : {-1, 0}) {
      Kit kit;
      const NodeId some = kit.some(kit.rows("login", since(row.unit)));
      kit.live({kit.set(at(row.first) - 2, "z", {{"timezone", text(row.zone)}}), kit.event("login", at(row.first) + off, "a")});
      CHECK_MESSAGE(kit.holds(some, at(row.now)) == (off == 0), row.now);
    }
  }
}

TEST_CASE("has_been X for D: true from exactly D on; a repeated equal value doesn't restart it") {
  Kit kit;
  const NodeId node = kit.has_been("tier", kit.is("tier", Op::equals, text("gold")), kDay);
  kit.segment("golden", node);
  kit.live({kit.set(kNoon, "a", {{"tier", text("gold")}}), kit.set(kNoon + kHour, "b", {{"tier", text("gold")}})});
  CHECK(!kit.holds(node, kNoon + kDay - 1));
  CHECK(kit.holds(node, kNoon + kDay));
  kit.pass(kNoon + 2 * kDay);
  kit.live({kit.set(kNoon + 2 * kDay, "c", {{"tier", text("silver")}}), kit.set(kNoon + 2 * kDay + 1, "d", {{"tier", text("gold")}})});
  kit.pass(kNoon + 10 * kDay);
  CHECK(kit.happened() ==
        Lines{"2026-02-05T12:00:00Z enters golden", "2026-02-06T12:00:00Z leaves golden", "2026-02-07T12:00:00.001Z enters golden"});
}

TEST_CASE("has_been and changed do not see an update that another of the same millisecond overtook") {
  Kit kit;
  const NodeId golden = kit.has_been("tier", kit.is("tier", Op::equals, text("gold")), kDay);
  const NodeId changed = kit.changed("tier", kHour);
  const TimeMs t = kNoon + 3 * kDay;
  kit.live({kit.set(kNoon, "a", {{"tier", text("gold")}})});
  kit.arrive(t, {kit.set(t, "b", {{"tier", text("silver")}}), kit.set(t, "c", {{"tier", text("gold")}})});
  CHECK(kit.holds(golden, t));
  CHECK(!kit.holds(changed, t));
}

TEST_CASE("max_age and once_per: at exactly the limit the event is too old, and the rule may fire again") {
  Kit kit;
  Rule r = kit.on_event("hello", "login");
  r.max_age = kMinute;
  r.limits.once_per = kHour;
  kit.add(r);
  kit.arrive(kNoon, {kit.event("login", kNoon - kMinute, "a")});
  CHECK(kit.what().empty());
  kit.arrive(kNoon + 1, {kit.event("login", kNoon + 1 - kMinute + 1, "b")});
  CHECK(kit.what() == Lines{"fires hello"});
  kit.live({kit.event("login", kNoon + kHour, "c")});
  CHECK(kit.what() == Lines{"held hello once_per"});
  kit.live({kit.event("login", kNoon + kHour + 1, "d")});
  CHECK(kit.what() == Lines{"fires hello"});
}

TEST_CASE(
    "A date is the instant at which that day starts in the customer's zone; the zone is the customer's timezone, else the company's, else "
    "UTC") {
  struct {
    const char* company;
    const char* customer;
    const char* starts;
  } rows[] = {{"UTC", nullptr, "2026-02-05T00:00:00Z"},
              {"Asia/Shanghai", nullptr, "2026-02-04T16:00:00Z"},
              {"Asia/Shanghai", "America/New_York", "2026-02-05T05:00:00Z"},
              {"Asia/Shanghai", "Mars/Base", "2026-02-04T16:00:00Z"}};
  for (const auto& row : rows) {
    Kit kit;
    kit.zone(row.company);
    kit.segment("past", kit.relative(kit.attr("born"), Op::older_than, 0));
    kit.arrive(kNoon - kDay, {kit.set(kNoon - kDay, "a", {{"born", date("2026-02-05")}})});
    if (row.customer != nullptr) kit.arrive(kNoon - kDay + 1, {kit.set(kNoon - kDay + 1, "b", {{"timezone", text(row.customer)}})});
    kit.pass(kNoon + 3 * kDay);
    CHECK(kit.happened() == Lines{std::string(row.starts) + " enters past"});
  }
}

TEST_CASE(
    "anniversary_in_next asks for the next anniversary by in_next; the first is one year later; 29 February is kept on 28 February in "
    "common years") {
  struct {
    const char* born;
    const char* anniversary;
    bool first;
  } rows[] = {{"2020-05-10", "2026-05-10T00:00:00Z", false},
              {"2025-05-10", "2026-05-10T00:00:00Z", true},
              {"2024-02-29", "2026-02-28T00:00:00Z", false},
              {"2020-02-29", "2028-02-29T00:00:00Z", false}};
  for (const auto& row : rows) {
    Kit kit;
    const NodeId soon = kit.relative(kit.attr("born"), Op::anniversary_in_next, 10 * kDay);
    const NodeId today = kit.is(kit.attr("born"), Op::anniversary_today);
    kit.live({kit.set(at("2020-01-01T00:00:00Z"), "a", {{"born", date(row.born)}})});
    const TimeMs t = at(row.anniversary);
    const Answer answers[] = {{t - 10 * kDay - 1, false}, {t - 10 * kDay, true}, {t - 1, true}, {t, false}};
    for (const Answer& a : answers) CHECK_MESSAGE(kit.holds(soon, a.now) == a.truth, row.born << " " << a.now - t);
    CHECK(!kit.holds(today, t - 1));
    CHECK(kit.holds(today, t));
    CHECK(kit.holds(today, t + kDay - 1));
    CHECK(!kit.holds(today, t + kDay));
    if (row.first) {
      const TimeMs origin = at(std::string(row.born) + "T00:00:00Z");
      CHECK(!kit.holds(today, origin));
      CHECK(!kit.holds(soon, origin - kDay));
    }
  }
}

TEST_CASE("days_since counts whole 24-hour days") {
  Kit kit;
  const ExprId days = kit.days_since(kit.attr("seen"));
  kit.segment("three", kit.is(days, Op::equals, integer(3)));
  kit.live({kit.set(kNoon, "a", {{"seen", Value::of_timestamp(kNoon)}})});
  const std::pair<DurationMs, std::int64_t> rows[] = {{-1, -1}, {0, 0}, {kDay - 1, 0}, {kDay, 1}, {3 * kDay - 1, 2}, {3 * kDay, 3}};
  for (const auto& [off, n] : rows)
    CHECK_MESSAGE(kit.compute(days, kNoon + std::max<DurationMs>(off, 0)).bits == std::max<std::int64_t>(n, 0), off);
  kit.pass(kNoon + 10 * kDay);
  CHECK(kit.happened() == Lines{"2026-02-07T12:00:00Z enters three", "2026-02-08T12:00:00Z leaves three"});
}

TEST_CASE("calendar hours: start included, end excluded; hours over midnight belong to the weekday on which they start") {
  Calendar c;
  c.weekdays = 1U << 4;  // Friday
  c.hours = {{22 * kHour, 2 * kHour}};
  Kit kit;
  kit.zone("Europe/Berlin");
  const NodeId night = kit.calendar(c);
  kit.segment("night", night);
  kit.live({kit.event("login", at("2026-02-04T12:00:00Z"), "a")});
  kit.pass(at("2026-02-12T00:00:00Z"));
  CHECK(kit.happened() == Lines{"2026-02-06T21:00:00Z enters night", "2026-02-07T01:00:00Z leaves night"});
  CHECK(!kit.holds(night, at("2026-02-06T00:30:00Z")));  // Friday 01:30 belongs to Thursday
}

TEST_CASE("calendar hours come twice when a clock is put back, and are skipped with the hour when it is put forward") {
  Calendar c;
  c.hours = {{150 * kMinute, 3 * kHour}};  // 02:30 to 03:00
  struct {
    const char* from;
    Lines lines;
  } rows[] = {{"2024-10-26T12:00:00Z",
               {"2024-10-27T00:30:00Z enters h", "2024-10-27T01:00:00Z leaves h", "2024-10-27T01:30:00Z enters h",
                "2024-10-27T02:00:00Z leaves h"}},
              {"2024-03-30T12:00:00Z", {}}};
  for (const auto& row : rows) {
    Kit kit;
    kit.zone("Europe/Berlin");
    kit.segment("h", kit.calendar(c));
    kit.live({kit.event("login", at(row.from), "a")});
    kit.pass(at(row.from) + kDay);
    CHECK(kit.happened() == row.lines);
  }
}

TEST_CASE("Where midnight comes twice, a verdict still ends later than now") {
  // St. John's put its clocks back at one minute past midnight: Sunday began, was Saturday again, and began once more.
  Kit kit;
  kit.zone("America/St_Johns");
  Calendar sunday;
  sunday.weekdays = 1U << 6;
  kit.segment("sunday", kit.calendar(sunday));
  kit.segment("today", kit.some(kit.rows("login", since(Window::Unit::day))));
  kit.live({kit.event("login", at("2010-11-06T12:00:00Z"), "a")});
  kit.pass(at("2010-11-07T12:00:00Z"));
  CHECK(kit.happened() == Lines{"2010-11-06T12:00:00Z enters today", "2010-11-07T02:30:00Z enters sunday",
                                "2010-11-07T02:30:00Z leaves today", "2010-11-07T02:31:00Z leaves sunday",
                                "2010-11-07T02:31:00Z enters today", "2010-11-07T03:30:00Z enters sunday",
                                "2010-11-07T03:30:00Z leaves today"});
}

TEST_CASE("A firing waits for its `for:` while membership lasts, and is off when it ends at or before that instant") {
  for (const DurationMs stay : {kHour - 1, kHour, kHour + 1}) {
    Kit kit;
    const auto active = kit.segment("active", kit.some(kit.rows("login", within(stay))));
    Rule r = Kit::on_edge("stays", Trigger::Kind::enters, active);
    r.trigger.hold_for = kHour;
    kit.add(r);
    kit.live({kit.event("login", kNoon, "a")});
    kit.pass(kNoon + kDay);
    const Lines happened = kit.what();
    CHECK((std::ranges::find(happened, "fires stays") != happened.end()) == (stay > kHour));
  }
}

TEST_CASE("A firing that waits for its `for:` is off when its segment, redefined, no longer holds the customer") {
  for (const bool still : {false, true}) {
    for (const bool existing : {false, true}) {
      Kit before;
      const auto active = before.segment("active", before.some(before.rows("login")));
      Rule r = Kit::on_edge("stays", Trigger::Kind::enters, active);
      r.trigger.hold_for = kDay;
      r.existing_fire = existing;
      before.add(r);
      before.live({before.event("login", kNoon, "a")});
      CHECK(before.what() == Lines{"enters active"});
      Kit after;
      after.segment("active", after.some(after.rows(still ? "login" : "order", within(100 * kDay))));
      after.add(r);
      before.reload(after, kNoon + kHour);
      before.pass(kNoon + 10 * kDay);
      Lines expected;
      if (still)
        expected = {"2026-02-04T13:00:00Z enters active silently",
                    std::string(existing ? "2026-02-05T13" : "2026-02-05T12") + ":00:00Z fires stays"};
      CHECK(before.happened() == expected);
    }
  }
}

TEST_CASE("A date trigger whose instant has passed when it is set doesn't fire; one that moves fires again for the new date") {
  Kit kit;
  Rule r = Kit::rule("renew", Trigger::Kind::date);
  r.trigger.attribute = kit.attr_id("born");
  r.trigger.offset = -kDay;
  r.trigger.time_of_day = 9 * kHour;
  kit.add(r);
  kit.live({kit.set(kNoon, "a", {{"born", date("2026-02-05")}})});  // its instant was 09:00 today
  kit.live({kit.set(kNoon + 1, "b", {{"born", date("2026-02-08")}}), kit.set(kNoon + 2, "c", {{"born", date("2026-02-10")}})});
  kit.pass(kNoon + 5 * kDay + 12 * kHour);
  kit.live({kit.set(kNoon + 6 * kDay, "d", {{"born", date("2026-02-20")}})});
  kit.pass(kNoon + 60 * kDay);
  CHECK(kit.happened() == Lines{"2026-02-09T09:00:00Z fires renew", "2026-02-19T09:00:00Z fires renew"});
}

TEST_CASE("A date trigger fires also when the same date is said again at that very instant") {
  Kit kit;
  Rule r = Kit::rule("day", Trigger::Kind::date);
  r.trigger.attribute = kit.attr_id("born");
  kit.add(r);
  const TimeMs t = at("2026-02-08T00:00:00Z");
  kit.live({kit.set(kNoon, "a", {{"born", date("2026-02-08")}}), kit.set(t, "b", {{"born", date("2026-02-08")}})});
  kit.pass(t + kDay);
  CHECK(kit.happened() == Lines{"2026-02-08T00:00:00Z fires day"});
}

TEST_CASE(
    "A schedule in a skipped hour runs once at the end of the gap, in a repeated hour the first time only; an update at that instant loses "
    "none") {
  for (const char* zone : {"", "customer"}) {
    Kit kit;
    kit.zone("Europe/Berlin");
    Rule r = Kit::rule("nightly", Trigger::Kind::schedule);
    r.trigger.cron = "30 2 * * *";
    r.trigger.zone = zone;
    kit.add(r);
    kit.live({kit.event("login", at("2024-03-30T12:00:00Z"), "a"),
              kit.set(at("2024-03-31T01:00:00Z"), "b", {{"timezone", text("Europe/Berlin")}})});
    kit.pass(at("2024-04-01T12:00:00Z"));
    CHECK(kit.happened() == Lines{"2024-03-31T01:00:00Z fires nightly", "2024-04-01T00:30:00Z fires nightly"});
    kit.pass(at("2024-10-26T12:00:00Z"));
    kit.happened();
    kit.pass(at("2024-10-28T12:00:00Z"));
    CHECK(kit.happened() == Lines{"2024-10-27T00:30:00Z fires nightly", "2024-10-28T01:30:00Z fires nightly"});
  }
}

TEST_CASE("What a pause covers is never made up for: neither a schedule nor a date fires when the rule goes on") {
  for (const Trigger::Kind kind : {Trigger::Kind::schedule, Trigger::Kind::date}) {
    Kit kit, paused, resumed;
    Rule r = Kit::rule("r", kind);
    r.trigger.cron = "0 0 * * *";
    r.trigger.attribute = kit.attr_id("born");
    kit.add(r);
    resumed.add(r);
    r.state = RuleState::paused;
    paused.add(r);
    kit.live({kit.set(kNoon, "a", {{"born", date("2026-02-06")}})});
    kit.reload(paused, kNoon + kHour);
    kit.reload(resumed, kNoon + 3 * kDay);
    kit.pass(kNoon + 4 * kDay);
    CHECK(kit.happened() == (kind == Trigger::Kind::schedule ? Lines{"2026-02-08T00:00:00Z fires r"} : Lines{}));
  }
}
