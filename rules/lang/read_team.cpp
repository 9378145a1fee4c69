// Teams, their people, when they work, and what comes of a task: the read pass.
#include <algorithm>
#include <array>

#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

namespace {

/// A property of a team member keeps the type it is written in: a quoted value is text, a plain one a number, boolean, date or text.
std::optional<Value> read_property(const Context& context, const doc::Node& node) {
  if (node.is_list()) {
    std::vector<std::string> texts;
    for (const doc::Node* item : node.items) {
      const doc::Read<std::string_view> text = doc::read_text(*item);
      if (!text) {
        context.error("R0104", item->mark, text.error().message, text.error().hint);
        return std::nullopt;
      }
      texts.emplace_back(*text);
    }
    return Value::of_list(texts);
  }
  if (!node.is_scalar()) {
    context.error("R0101", node.mark, "a property of a person is a single value or a list, not " + std::string(doc::kind_name(node)));
    return std::nullopt;
  }
  if (const auto flag = doc::read_bool(node)) return Value::of_boolean(*flag);
  if (const auto integer = doc::read_integer(node)) return Value::of_integer(*integer);
  if (const auto decimal = doc::read_decimal(node)) return Value::of_decimal(*decimal);
  if (!node.quoted) {
    if (const auto date = doc::read_date(node)) return Value::of_date(*date);
  }
  const doc::Read<std::string_view> text = doc::read_text(node);
  if (text) return Value::of_text(*text);
  context.error("R0104", node.mark, text.error().message, text.error().hint);
  return std::nullopt;
}

/// `working_hours`, `calendar` and `timezone` of a team or person; false: none of them is there.
bool read_work_hours(MapReader& map, WorkHours& hours, Name& calendar, Name& zone) {
  const Context& context = map.context();
  const doc::Entry* open = map.take("working_hours");
  calendar = map.name("calendar");
  zone = map.name("timezone");
  if (open != nullptr) {
    const auto items = items_of(context, *open->value, open->key_mark, "`working_hours`", true);
    if (items.empty() && open->value->is_list())
      context.error("R0109", open->value->mark, "`working_hours` lists no time at all", "remove the key: without it all hours are worked");
    for (const doc::Node* item : items)
      hours.open.push_back(read_week_times(context, *item, item->mark, "a time of `working_hours`", false));
  }
  return open != nullptr || calendar || zone;
}

std::vector<Absence> read_absences(const Context& context, const doc::Entry& entry) {
  std::vector<Absence> absences;
  for (const doc::Node* item : items_of(context, *entry.value, entry.key_mark, "`absences`", true)) {
    if (item->is_scalar()) {
      const doc::Read<DateDays> date = doc::read_date(*item);
      if (!date) context.error("R0104", item->mark, date.error().message, "2026-02-01, or {from: 2026-02-01, to: 2026-02-14}");
      if (date) absences.push_back({*date, *date});
      continue;
    }
    MapReader map(context, *item, item->mark, "an absence");
    const doc::Entry* from = map.require("from");
    const doc::Entry* to = map.require("to");
    map.text("reason");
    map.finish();
    if (from == nullptr || to == nullptr) continue;
    const doc::Read<DateDays> first = doc::read_date(*from->value);
    const doc::Read<DateDays> last = doc::read_date(*to->value);
    if (!first) context.error("R0104", from->value->mark, first.error().message, first.error().hint);
    if (!last) context.error("R0104", to->value->mark, last.error().message, last.error().hint);
    if (!first || !last) continue;
    if (*first > *last) context.error("R0506", to->value->mark, "this absence ends before it starts", "swap `from` and `to`");
    absences.push_back({*first, *last});
  }
  std::ranges::sort(absences, {}, &Absence::from);
  return absences;
}

constexpr std::array<std::string_view, 8> kOwnKeys = {"id", "name", "email", "per_day", "weight", "absences", "working_hours", "calendar"};

std::optional<MemberAst> read_member(const Context& context, const doc::Node& node, const std::vector<Member>& before) {
  MapReader map(context, node, node.mark, "a member of a team");
  if (!node.is_map()) return std::nullopt;
  MemberAst ast;
  Member& member = ast.member;
  const doc::Entry* id = map.require("id");
  member.id = map.text("id");
  member.name = map.text("name");
  member.email = map.text("email");
  if (member.name.empty()) member.name = member.id;
  if (id != nullptr) {
    check_name(context, member.id, id->value->mark, "a person");
    if (std::any_of(before.begin(), before.end(), [&](const Member& other) { return other.id == member.id; })) {
      context.error("R0309", id->value->mark, "the team has two members with the id " + quoted(member.id),
                    "give each person an id of their own");
    }
  }
  member.per_day = static_cast<std::uint32_t>(map.integer("per_day", 0, 1, 1'000'000));
  member.weight = static_cast<std::uint32_t>(map.integer("weight", 1, 0, 1'000));
  if (const doc::Entry* absences = map.take("absences")) member.absences = read_absences(context, *absences);
  member.own_hours = read_work_hours(map, member.hours, ast.calendar, ast.zone);
  for (const doc::Entry& entry : node.entries) {
    if (std::ranges::find(kOwnKeys, entry.key) != kOwnKeys.end() || entry.key == "timezone") continue;
    if (entry.key == "hired") {
      const doc::Read<DateDays> date = doc::read_date(*entry.value);
      if (!date) context.error("R0104", entry.value->mark, date.error().message, date.error().hint);
      member.properties.emplace_back("hired", Value::of_date(date.value_or(0)));
    } else if (entry.key == "capacity") {
      member.capacity = static_cast<std::uint32_t>(map.integer("capacity", 0, 0, 1'000'000));
      member.properties.emplace_back("capacity", Value::of_integer(member.capacity));
    } else if (entry.key == "tenure_days") {
      context.error("R0108", entry.key_mark, "`tenure_days` is computed from `hired`", "write `hired: 2026-03-01`");
    } else if (check_name(context, entry.key, entry.key_mark, "a property")) {
      if (auto value = read_property(context, *entry.value)) member.properties.emplace_back(entry.key, std::move(*value));
    }
  }
  std::sort(member.properties.begin(), member.properties.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return ast;
}

}  // namespace

TeamAst read_team(const Context& context, const doc::Entry& entry) {
  TeamAst result;
  result.name = {entry.key, context.at(entry.key_mark)};
  result.team.name = entry.key;
  MapReader map(context, *entry.value, entry.key_mark, "the team " + quoted(entry.key));
  map.text("description");
  result.allow = read_allow(map);
  const doc::Entry* manager = map.take("manager");
  const doc::Entry* members = map.require("members");
  if (manager != nullptr) result.team.manager = map.text("manager");
  result.overflow = map.name("overflow");
  result.team.overflow = result.overflow.text;
  read_work_hours(map, result.team.hours, result.calendar, result.zone);
  map.finish();
  if (members == nullptr) return result;
  for (const doc::Node* item : items_of(context, *members->value, members->key_mark, "`members`")) {
    if (auto member = read_member(context, *item, result.team.members)) {
      result.member_calendars.push_back(member->calendar);
      result.member_zones.push_back(member->zone);
      result.team.members.push_back(std::move(member->member));
    }
  }
  return result;
}

DispositionAst read_disposition(const Context& context, const doc::Entry& entry) {
  DispositionAst ast;
  ast.name = {entry.key, context.at(entry.key_mark)};
  ast.disposition.name = entry.key;
  if (entry.value->is_null()) return ast;  // `connected:` says all there is to say
  MapReader map(context, *entry.value, entry.key_mark, "the disposition " + quoted(entry.key));
  ast.disposition.description = map.text("description");
  const doc::Entry* retry = map.take("retry_after");
  if (retry != nullptr) {
    const doc::Read<DurationMs> length = doc::read_duration(*retry->value);
    if (!length) context.error("R0104", retry->value->mark, length.error().message, length.error().hint);
    ast.disposition.retry_after = length.value_or(kHour);
    ast.disposition.closes = false;
    if (length && *length == 0) context.error("R0105", retry->value->mark, "a task that is tried again at once is never done", "such as 2h");
  }
  ast.disposition.asks_time = map.boolean("asks_time", false);
  if (ast.disposition.asks_time) {
    ast.disposition.closes = false;
    if (retry != nullptr)
      context.error("R0107", retry->key_mark, "`asks_time` and `retry_after` both say when it is tried again", "keep one");
  }
  if (const doc::Entry* most = map.node().find("at_most"); most != nullptr && ast.disposition.closes)
    context.error("R0107", most->key_mark, "`at_most` bounds the tries of a disposition that does not close the task",
                  "add `retry_after: 2h` or `asks_time: true`");
  ast.disposition.tries_most = static_cast<std::uint32_t>(map.integer("at_most", 0, 1, 1'000));
  map.finish();
  return ast;
}

}  // namespace nudge::lang
