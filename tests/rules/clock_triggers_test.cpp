// Triggers by time: `schedule` and `date`, from YAML through the engine.
#include "engine/base/cron.h"
#include "tests/rules/company.h"

namespace {

using namespace nudge;
using namespace nudge::testing;

constexpr std::string_view kDateRule =
    "rules:\n"
    "  renewal:\n"
    "    when: {date: contract_end, offset: -60d, at: \"09:00\"}\n"
    "    then: [{call_task: {subject: Renew, due_in: 24h}}]\n";

using Times = std::vector<std::string>;

}  // namespace

TEST_CASE("a schedule finds its instants: lists, ranges, steps, either kind of day") {
  const Zone utc;
  const auto next = [&](const char* cron, const char* t) { return format_timestamp(Cron::parse(cron).value().next(at(t), utc)); };
  CHECK(next("0 9 * * *", "2026-03-01T08:59:59Z") == "2026-03-01T09:00:00Z");
  CHECK(next("0 9 * * *", "2026-03-01T09:00:00Z") == "2026-03-02T09:00:00Z");
  CHECK(next("*/15 * * * *", "2026-03-01T09:07:00Z") == "2026-03-01T09:15:00Z");
  CHECK(next("30 8-18/2 * * mon-fri", "2026-03-06T18:30:00Z") == "2026-03-09T08:30:00Z");  // Friday evening to Monday
  CHECK(next("0 0 1,15 * *", "2026-03-02T00:00:00Z") == "2026-03-15T00:00:00Z");
  CHECK(next("0 0 13 * fri", "2026-03-07T00:00:00Z") == "2026-03-13T00:00:00Z");  // the 13th or a Friday
  CHECK(next("0 0 29 2 *", "2026-03-01T00:00:00Z") == "2028-02-29T00:00:00Z");
  CHECK(next("0 0 * * 7", "2026-03-01T00:00:00Z") == "2026-03-08T00:00:00Z");  // 7 is Sunday
  CHECK(Cron::parse("0 0 30 2 *").value().next(at("2026-01-01T00:00:00Z"), utc) == kNever);
  CHECK_FALSE(Cron::parse("0 24 * * *").has_value());
  CHECK_FALSE(Cron::parse("* * * *").has_value());
  CHECK_FALSE(Cron::parse("5/2 * * * *").has_value());
}

TEST_CASE("a schedule in a skipped hour runs once at the end of the gap, in a repeated hour the first time only") {
  const Zone berlin = Zone::find("Europe/Berlin").value();
  const Cron cron = Cron::parse("15,45 2 * * *").value();
  TimeMs t = at("2026-03-28T12:00:00Z");
  t = cron.next(t, berlin);
  CHECK(format_timestamp(t) == "2026-03-29T01:00:00Z");  // both fall into the gap 02:00 - 03:00
  t = cron.next(t, berlin);
  CHECK(format_timestamp(t) == "2026-03-30T00:15:00Z");
  t = at("2026-10-24T12:00:00Z");
  t = cron.next(t, berlin);
  CHECK(format_timestamp(t) == "2026-10-25T00:15:00Z");  // 02:15 summer time, the first of two
  t = cron.next(t, berlin);
  CHECK(format_timestamp(t) == "2026-10-25T00:45:00Z");
  t = cron.next(t, berlin);
  CHECK(format_timestamp(t) == "2026-10-26T01:15:00Z");
}

TEST_CASE("a date trigger fires at its time of day in the customer's zone, days counted on the calendar") {
  Company d(kDateRule);
  d.set("timezone", Value::of_text("Asia/Shanghai"), "2026-01-01T00:00:01Z");
  d.set("contract_end", Value::of_date(parse_date("2026-05-01").value()), "2026-01-02T00:00:00Z");
  CHECK(d.fired("2026-03-02T00:59:59Z") == Times{});
  const Times got = d.fired("2027-01-01T00:00:00Z");
  CAPTURE(got.size());
  CAPTURE((got.empty() ? std::string() : got[0]));
  CHECK(got == Times{"2026-03-02T01:00:00Z"});
}

TEST_CASE("a date trigger whose instant has passed when it is set does not fire; one that moves fires again for the new date") {
  Company d(kDateRule);
  d.set("contract_end", Value::of_date(parse_date("2026-02-01").value()), "2026-01-02T00:00:00Z");
  CHECK(d.fired("2026-01-03T00:00:00Z") == Times{});
  d.set("contract_end", Value::of_date(parse_date("2026-04-01").value()), "2026-01-04T00:00:00Z");
  CHECK(d.fired("2026-02-01T00:00:00Z") == Times{"2026-01-31T09:00:00Z"});
  d.set("contract_end", Value::of_date(parse_date("2026-06-01").value()), "2026-02-02T00:00:00Z");
  d.set("contract_end", Value(), "2026-02-03T00:00:00Z");
  CHECK(d.fired("2027-01-01T00:00:00Z") == Times{});
}

TEST_CASE("imported attributes fire nothing, their day fires when it comes") {
  Company d(kDateRule);
  d.set("contract_end", Value::of_date(parse_date("2026-05-01").value()), "2026-01-02T00:00:00Z", true);
  CHECK(d.fired("2026-03-03T00:00:00Z") == Times{"2026-03-02T09:00:00Z"});
}

TEST_CASE("a timestamp without a time of day is moved by the offset as it is") {
  Company d("rules:\n  trial:\n    when: {date: trial_end, offset: -36h}\n    then: [{call_task: {subject: Trial ends, due_in: 24h}}]\n");
  d.set("trial_end", Value::of_timestamp(at("2026-02-10T15:30:00Z")), "2026-01-02T00:00:00Z");
  CHECK(d.fired("2026-03-01T00:00:00Z") == Times{"2026-02-09T03:30:00Z"});
}

TEST_CASE("a schedule fires for customers for whom `if` holds, each time, across a reload") {
  const std::string rules =
      "rules:\n  weekly:\n    when: {schedule: \"0 9 * * mon\", zone: Europe/Berlin}\n    if: {attribute: tier, equals: gold}\n"
      "    then: [{call_task: {subject: Weekly, due_in: 24h}}]\n";
  Company d(rules);
  d.set("tier", Value::of_text("silver"), "2026-03-01T00:00:00Z");
  CHECK(d.fired("2026-03-08T00:00:00Z") == Times{});
  d.set("tier", Value::of_text("gold"), "2026-03-10T00:00:00Z");
  CHECK(d.fired("2026-03-24T00:00:00Z") == Times{"2026-03-16T08:00:00Z", "2026-03-23T08:00:00Z"});
  d.use(rules + "segments:\n  gold: {where: {attribute: tier, equals: gold}}\n", at("2026-03-25T00:00:00Z"));
  CHECK(d.fired("2026-04-07T00:00:00Z") == Times{"2026-03-30T07:00:00Z", "2026-04-06T07:00:00Z"});  // summer time by then
}

TEST_CASE("a rule with a date that is new starts at its activation") {
  Company d("segments:\n  gold: {where: {attribute: tier, equals: gold}}\n");
  d.set("contract_end", Value::of_date(parse_date("2026-05-01").value()), "2026-01-02T00:00:00Z");
  d.use(kDateRule, at("2026-02-01T00:00:00Z"));
  CHECK(d.fired("2026-06-01T00:00:00Z") == Times{"2026-03-02T09:00:00Z"});
  d.use("segments:\n  gold: {where: {attribute: tier, equals: gold}}\n", at("2026-06-02T00:00:00Z"));
  d.set("contract_end", Value::of_date(parse_date("2026-09-01").value()), "2026-06-03T00:00:00Z");
  d.use(kDateRule, at("2026-08-01T00:00:00Z"));  // 3 July has passed
  CHECK(d.fired("2027-01-01T00:00:00Z") == Times{});
}
