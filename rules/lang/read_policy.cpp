// Times of the week, business calendars and policies: the read pass.
#include <algorithm>
#include <array>

#include "engine/base/limits.h"
#include "rules/lang/read.h"

namespace nudge::lang {
namespace {

using doc::quoted;

std::optional<Calendar::Hours> read_hours(const Context& context, const doc::Node& node) {
  const std::string_view text = node.is_scalar() ? node.text : std::string_view();
  const std::size_t dash = text.find('-');
  if (dash != std::string_view::npos) {
    const std::optional<DurationMs> from = parse_clock(text.substr(0, dash), false);
    const std::optional<DurationMs> to = parse_clock(text.substr(dash + 1), true);
    if (from && to && *from != *to) return Calendar::Hours{*from, *to};
  }
  context.error("R0506", node.mark,
                "hours are written as 09:00-18:00, not " + (node.is_scalar() ? quoted(text) : std::string(doc::kind_name(node))),
                "the start is included, the end is not; 22:00-06:00 runs over midnight");
  return std::nullopt;
}

std::vector<Calendar::Range> read_ranges(const Context& context, const doc::Entry& entry) {
  std::vector<Calendar::Range> ranges;
  for (const doc::Node* item : items_of(context, *entry.value, entry.key_mark, quoted(entry.key), true)) {
    MapReader range(context, *item, item->mark, "a range of dates");
    const doc::Entry* from = range.require("from");
    const doc::Entry* to = range.require("to");
    range.finish();
    if (from == nullptr || to == nullptr) continue;
    const doc::Read<DateDays> first = doc::read_date(*from->value);
    const doc::Read<DateDays> last = doc::read_date(*to->value);
    if (!first) context.error("R0104", from->value->mark, first.error().message, first.error().hint);
    if (!last) context.error("R0104", to->value->mark, last.error().message, last.error().hint);
    if (!first || !last) continue;
    if (*first > *last) context.error("R0506", to->value->mark, "this range of dates ends before it starts", "swap `from` and `to`");
    ranges.push_back({*first, *last});
  }
  return ranges;
}

}  // namespace

std::uint8_t read_weekdays(const Context& context, const doc::Entry& entry) {
  static constexpr std::array<std::string_view, 7> kDays = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};
  std::uint8_t weekdays = 0;
  for (const doc::Node* item : items_of(context, *entry.value, entry.key_mark, quoted(entry.key))) {
    const auto day = item->is_scalar() ? std::find(kDays.begin(), kDays.end(), item->text) : kDays.end();
    if (day == kDays.end()) {
      context.error("R0506", item->mark, "a weekday is expected here, such as `monday`",
                    item->is_scalar() ? doc::did_you_mean(item->text, {kDays.begin(), kDays.end()}, "weekdays") : "");
    } else {
      weekdays = static_cast<std::uint8_t>(weekdays | (1U << static_cast<unsigned>(day - kDays.begin())));
    }
  }
  return weekdays;
}

Calendar read_week_times(const Context& context, const doc::Node& node, const doc::Mark& key_mark, const std::string& what, bool dates) {
  Calendar calendar;
  MapReader map(context, node, key_mark, what);
  const doc::Entry* weekdays = map.take("weekdays");
  const doc::Entry* hours = map.take("hours");
  const doc::Entry* days = dates ? map.take("dates") : nullptr;
  if (dates) calendar.tenant_zone = map.word("zone", {"customer", "company"}) == 1;
  map.finish();
  if (weekdays != nullptr) calendar.weekdays = read_weekdays(context, *weekdays);
  if (hours != nullptr) {
    for (const doc::Node* item : items_of(context, *hours->value, hours->key_mark, "`hours`", true)) {
      if (const auto range = read_hours(context, *item)) calendar.hours.push_back(*range);
    }
  }
  if (days != nullptr) calendar.dates = read_ranges(context, *days);
  if (map.is_map() && weekdays == nullptr && hours == nullptr && days == nullptr) {
    context.error(
        "R0506", key_mark, what + " needs `weekdays`" + (dates ? ", `hours` or `dates`" : " or `hours`"),
        dates ? "calendar: {weekdays: [monday, friday], hours: 09:00-18:00}" : "{weekdays: [monday, friday], hours: 09:00-18:00}");
  }
  return calendar;
}

std::optional<Purpose> read_purpose(MapReader& map) {
  const std::optional<std::size_t> word = map.word("purpose", {"marketing", "service", "internal"});
  if (!word) return std::nullopt;
  return static_cast<Purpose>(*word + 1);
}

namespace {

/// A day of a business calendar: a date, or {date, name}, or {from, to, name}.
void read_days(const Context& context, const doc::Entry& entry, std::vector<BusinessCalendar::Day>& days) {
  for (const doc::Node* item : items_of(context, *entry.value, entry.key_mark, quoted(entry.key))) {
    if (item->is_scalar()) {
      const doc::Read<DateDays> date = doc::read_date(*item);
      if (!date) context.error("R0104", item->mark, date.error().message, date.error().hint);
      if (date) days.push_back({*date, {}});
      continue;
    }
    MapReader map(context, *item, item->mark, "a day of a calendar");
    const std::string_view name = map.text("name");
    const doc::Entry* date = map.take("date");
    const doc::Entry* from = map.take("from");
    const doc::Entry* to = map.take("to");
    map.finish();
    if (!map.is_map()) continue;
    if ((date != nullptr) == (from != nullptr && to != nullptr)) {
      context.error("R0655", item->mark, "a day of a calendar is a `date`, or a range `from` … `to`", "{from: 2026-10-01, to: 2026-10-07}");
      continue;
    }
    const doc::Read<DateDays> first = doc::read_date(date != nullptr ? *date->value : *from->value);
    const doc::Read<DateDays> last = doc::read_date(date != nullptr ? *date->value : *to->value);
    if (!first || !last) {
      const doc::Node& wrong = !first ? (date != nullptr ? *date->value : *from->value) : *to->value;
      context.error("R0104", wrong.mark, "a date is expected here", "written as 2026-02-01");
      continue;
    }
    if (*first > *last || *last - *first > 366) {
      context.error("R0655", item->mark, "this range of days ends before it starts, or is longer than a year", "swap `from` and `to`");
      continue;
    }
    for (DateDays day = *first; day <= *last; ++day) days.push_back({day, std::string(name)});
  }
  std::ranges::sort(days, [](const auto& a, const auto& b) { return a.date != b.date ? a.date < b.date : a.name < b.name; });
  const auto twice = std::ranges::adjacent_find(days, {}, &BusinessCalendar::Day::date);
  if (twice != days.end())
    context.error("R0655", entry.key_mark, format_date(twice->date) + " stands twice in " + quoted(entry.key), "keep one of the two");
}

PolicyMatchAst read_match(const Context& context, const doc::Entry& entry) {
  PolicyMatchAst match;
  MapReader map(context, *entry.value, entry.key_mark, quoted(entry.key));
  const auto names = [&](std::string_view key) {
    std::vector<Name> list;
    if (const doc::Entry* e = map.take(key)) {
      const auto items = items_of(context, *e->value, e->key_mark, quoted(key), true);
      if (items.empty() && e->value->is_list()) context.error("R0109", e->value->mark, quoted(key) + " lists nothing", "remove the key");
      for (const doc::Node* item : items) {
        const doc::Read<std::string_view> text = doc::read_text(*item);
        if (!text) context.error("R0104", item->mark, text.error().message, text.error().hint);
        if (text) list.push_back({*text, context.at(item->mark)});
      }
    }
    return list;
  };
  const auto words = [&](std::string_view key, std::initializer_list<std::string_view> allowed) {
    std::vector<std::size_t> list;
    const std::vector<std::string_view> known(allowed);
    for (const Name& name : names(key)) {
      const auto found = std::ranges::find(known, name.text);
      if (found == known.end())
        context.error("R0106", name.where.mark, quoted(key) + " must be one of " + join_words(known, "or") + ", not " + quoted(name.text));
      else
        list.push_back(static_cast<std::size_t>(found - known.begin()));
    }
    return list;
  };
  match.channels = names("channel");
  match.rules = names("rule");
  for (const std::size_t i : words("purpose", {"marketing", "service", "internal"})) match.purposes.push_back(static_cast<Purpose>(i + 1));
  for (const std::size_t i : words("category", {"sales", "management", "collaboration"}))
    match.categories.push_back(static_cast<std::uint8_t>(i));
  map.finish();
  return match;
}

/// `at_most`, `per` and `over` of a cap or budget.
void read_amount(MapReader& map, PolicyAst& ast) {
  const Context& context = map.context();
  Policy& policy = ast.policy;
  const bool budget = ast.kind == Policy::Kind::budget;
  map.require("at_most");
  policy.at_most = static_cast<std::uint64_t>(map.integer("at_most", 1, 1, 1'000'000'000));
  static constexpr std::array<std::string_view, 4> kUnits = {"calendar_hour", "calendar_day", "calendar_week", "calendar_month"};
  if (const doc::Entry* per = map.require("per")) {
    const std::string_view text = per->value->is_scalar() ? per->value->text : std::string_view();
    const auto unit = std::ranges::find(kUnits, text);
    if (unit != kUnits.end()) {
      static constexpr std::array<Window::Unit, 4> kOf = {Window::Unit::day, Window::Unit::day, Window::Unit::week, Window::Unit::month};
      policy.unit = kOf[static_cast<std::size_t>(unit - kUnits.begin())];
      policy.unit_is_hour = unit == kUnits.begin();
    } else if (const doc::Read<DurationMs> length = doc::read_duration(*per->value); length && !budget) {
      policy.rolling = true;
      policy.per = *length;
      if (*length == 0 || *length > 400 * kDay)
        context.error("R0105", per->value->mark, "a cap looks back more than no time and at most 400d", "such as 7d");
    } else {
      context.error(
          "R0604", per->value->mark,
          budget ? "a budget is given per `calendar_hour`, `calendar_day`, `calendar_week` or `calendar_month`"
                 : "a cap is given per time (`7d`: rolling) or per `calendar_hour`, `calendar_day`, `calendar_week` or `calendar_month`",
          "name it explicitly: the last seven days and this calendar week are not the same");
    }
  }
  if (budget) {
    policy.over = map.word("over", {"cancel", "hold"}) == 1 ? Policy::Over::hold : Policy::Over::cancel;
    policy.shared = map.boolean("shared", false);
  } else {
    policy.over = map.word("over", {"cancel", "defer"}) == 1 ? Policy::Over::defer : Policy::Over::cancel;
    if (map.word("zone", {"customer", "company"}) == 1) policy.zone_of = Policy::ZoneOf::company;
  }
}

void read_quiet_hours(MapReader& map, PolicyAst& ast) {
  const Context& context = map.context();
  Policy& policy = ast.policy;
  const doc::Entry* allow = map.take("allow");
  ast.calendar = map.name("calendar");
  policy.over = map.word("outside", {"defer", "cancel"}) == 1 ? Policy::Over::cancel : Policy::Over::defer;
  if (const auto spread = map.duration("spread")) policy.spread = *spread;
  ast.zone = map.name("zone");
  if (const doc::Entry* by = map.take("zone_by")) {
    MapReader inner(context, *by->value, by->key_mark, "`zone_by`");
    inner.require("attribute");
    ast.zone_by = inner.name("attribute");
    if (const doc::Entry* zones = inner.require("zones")) {
      MapReader table(context, *zones->value, zones->key_mark, "`zones`");
      for (const doc::Entry& zone : zones->value->entries) {
        if (const Name name = table.name(zone.key)) ast.zones.emplace_back(zone.key, name);
      }
    }
    inner.finish();
  }
  if (allow == nullptr && !ast.calendar) {
    context.error("R0651", map.mark(), "`quiet_hours` needs `allow` (when messages may leave) or `calendar` (its working days)",
                  "allow: [{weekdays: [monday, friday], hours: 09:00-20:00}]");
  }
  if (allow == nullptr) return;
  const auto items = items_of(context, *allow->value, allow->key_mark, "`allow`", true);
  if (items.empty() && allow->value->is_list()) context.error("R0109", allow->value->mark, "`allow` lists no time at all", "add one");
  for (const doc::Node* item : items) policy.open.push_back(read_week_times(context, *item, item->mark, "a time of `allow`", false));
}

void read_kind(MapReader& map, const doc::Entry& form, PolicyAst& ast) {
  const Context& context = map.context();
  if (form.key == "consent") {
    ast.condition = read_condition(context, *form.value, form.key_mark);
    return;
  }
  MapReader inner(context, *form.value, form.key_mark, quoted(form.key));
  if (!inner.is_map()) return;
  switch (*ast.kind) {
    case Policy::Kind::consent: break;
    case Policy::Kind::quiet_hours: read_quiet_hours(inner, ast); break;
    case Policy::Kind::cap:
    case Policy::Kind::budget: read_amount(inner, ast); break;
    case Policy::Kind::inhibit:
      if (const doc::Entry* by = inner.require("by")) {
        for (const doc::Node* item : items_of(context, *by->value, by->key_mark, "`by`", true)) {
          const doc::Read<std::string_view> text = doc::read_text(*item);
          if (!text) context.error("R0104", item->mark, text.error().message, text.error().hint);
          if (text) ast.by.push_back({*text, context.at(item->mark)});
        }
      }
      inner.require("within");
      ast.policy.within = inner.duration("within").value_or(kDay);
      if (ast.policy.within == 0) context.error("R0105", inner.mark(), "`within` no time inhibits nothing", "such as 3d");
      break;
    case Policy::Kind::brake:
      ast.policy.times = static_cast<std::uint64_t>(inner.integer("times", 5, 1, 1000));
      inner.require("at_least");
      ast.policy.at_least = static_cast<std::uint64_t>(inner.integer("at_least", 100, 1, 1'000'000'000));
      ast.policy.at_most = static_cast<std::uint64_t>(inner.integer("expect", 0, 1, 1'000'000'000));
      break;
  }
  inner.finish();
}

}  // namespace

PolicyAst read_policy(const Context& context, const doc::Entry& entry) {
  PolicyAst ast;
  ast.name = {entry.key, context.at(entry.key_mark)};
  MapReader map(context, *entry.value, entry.key_mark, "the policy " + quoted(entry.key));
  ast.policy.description = map.text("description");
  if (const doc::Entry* match = map.take("for")) ast.match = read_match(context, *match);
  static constexpr std::array<std::string_view, 6> kKinds = {"consent", "quiet_hours", "cap", "inhibit", "budget", "brake"};
  const doc::Entry* form = nullptr;
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    const doc::Entry* found = map.take(kKinds[i]);
    if (found == nullptr) continue;
    if (form != nullptr) {
      context.error("R0651", found->key_mark, "a policy says one thing; " + quoted(form->key) + " and " + quoted(found->key) + " are two",
                    "write two policies");
      continue;
    }
    form = found;
    ast.kind = static_cast<Policy::Kind>(i);
  }
  map.finish();
  if (form == nullptr) {
    if (map.is_map())
      context.error("R0651", entry.key_mark, "the policy " + quoted(entry.key) + " says nothing",
                    "one of " + join_words({kKinds.begin(), kKinds.end()}, "or"));
    return ast;
  }
  ast.policy.kind = *ast.kind;
  read_kind(map, *form, ast);
  return ast;
}

CalendarAst read_business_calendar(const Context& context, const doc::Entry& entry) {
  CalendarAst ast;
  ast.name = {entry.key, context.at(entry.key_mark)};
  ast.calendar.name = entry.key;
  MapReader map(context, *entry.value, entry.key_mark, "the calendar " + quoted(entry.key));
  map.text("description");
  map.text("source");
  const doc::Entry* weekdays = map.take("working_weekdays");
  const doc::Entry* holidays = map.take("holidays");
  const doc::Entry* workdays = map.take("workdays");
  map.finish();
  if (weekdays != nullptr) ast.calendar.weekdays = read_weekdays(context, *weekdays);
  if (holidays != nullptr) read_days(context, *holidays, ast.calendar.holidays);
  if (workdays != nullptr) read_days(context, *workdays, ast.calendar.workdays);
  for (const BusinessCalendar::Day& day : ast.calendar.workdays) {
    const bool off = std::ranges::binary_search(ast.calendar.holidays, day.date, {}, &BusinessCalendar::Day::date);
    if (off)
      context.error("R0655", workdays->key_mark, format_date(day.date) + " is both a holiday and a make-up workday", "keep one of the two");
  }
  return ast;
}

}  // namespace nudge::lang
