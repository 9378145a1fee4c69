#include <algorithm>
#include <array>
#include <charconv>

#include "rules/lang/read.h"

namespace nudge::lang {
namespace {

using doc::quoted;

constexpr std::array<std::string_view, 16> kActions = {"call_task",  "email",        "sms",           "ticket",  "chat",
                                                       "webhook",    "maildrop",     "set_attribute", "add_tag", "remove_tag",
                                                       "emit_event", "assign_owner", "enrich",        "cancel_tasks",
                                                       "move_to_pool",    "close_lead"};
constexpr std::array<std::string_view, 8> kTriggers = {"event",    "enters", "leaves", "attribute_changes",
                                                       "schedule", "date",   "task",   "message"};

/// `500 per day`
void read_at_most(const Context& context, const doc::Entry& entry, Limits& limits) {
  const std::string_view text = entry.value->is_scalar() ? entry.value->text : std::string_view();
  const std::size_t space = text.find(' ');
  const std::string_view count = text.substr(0, space);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), value);
  const std::string_view rest = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  static constexpr std::array<std::string_view, 4> kUnits = {"per hour", "per day", "per week", "per month"};
  const auto unit = std::find(kUnits.begin(), kUnits.end(), rest);
  if (error != std::errc() || end != count.data() + count.size() || value == 0 || unit == kUnits.end()) {
    context.error("R0604", entry.value->mark, "a limit such as `500 per day` is expected here",
                  "a number above 0, then `per hour`, `per day`, `per week` or `per month`");
    return;
  }
  limits.at_most = value;
  switch (unit - kUnits.begin()) {
    case 0: limits.at_most_per_hour = true; break;
    case 1: limits.at_most_per = Window::Unit::day; break;
    case 2: limits.at_most_per = Window::Unit::week; break;
    default: limits.at_most_per = Window::Unit::month; break;
  }
}

void read_limits(const Context& context, const doc::Entry& entry, Limits& limits) {
  MapReader map(context, *entry.value, entry.key_mark, "`limits`");
  const doc::Entry* once = map.take("once_per");
  const doc::Entry* at_most = map.take("at_most");
  map.finish();
  if (once != nullptr && once->value->is_scalar() && once->value->text == "ever") {
    limits.once_ever = true;
  } else if (once != nullptr) {
    const doc::Read<DurationMs> value = doc::read_duration(*once->value);
    if (!value)
      context.error("R0104", once->value->mark, value.error().message,
                    "write a duration such as 90d, or `ever` for once in a customer's life");
    limits.once_per = value.value_or(0);
    if (value && *value == 0)
      context.error("R0105", once->value->mark, "`once_per` of no time limits nothing", "remove it or give a duration");
  }
  if (at_most != nullptr) read_at_most(context, *at_most, limits);
}

void read_rollout(const Context& context, const doc::Entry& entry, RuleAst& rule) {
  MapReader map(context, *entry.value, entry.key_mark, "`rollout`");
  rule.percent = static_cast<std::uint32_t>(map.integer("percent", 100, 0, 100));
  rule.holdout = static_cast<std::uint32_t>(map.integer("holdout", 0, 0, 99));
  map.finish();
}

void read_goal(const Context& context, const doc::Entry& entry, RuleAst& rule) {
  MapReader map(context, *entry.value, entry.key_mark, "`goal`");
  map.require("event");
  rule.goal_event = map.name("event");
  rule.goal_filter = read_row_filter(map);
  map.require("within");
  rule.goal_within = map.duration("within").value_or(0);
  rule.goal_value = map.name("value");
  rule.goal_stop = map.boolean("stop", true);
  map.finish();
}

/// `task: completed`, `message: failed` …: what happened to the product's own work, as the built-in event that tells of it.
void read_work_trigger(MapReader& map, TriggerAst& trigger, const doc::Entry& form) {
  const Context& context = map.context();
  static constexpr std::array<std::string_view, 13> kTask = {
      "task_created",   "task_completed",  "task_overdue",  "task_offered",  "task_accepted",  "task_declined",
      "task_attempted", "task_reassigned", "task_released", "task_reminded", "task_escalated", "task_cancelled",
      "task_expired"};
  static constexpr std::array<std::string_view, 6> kMessage = {"message_accepted", "message_delivered", "message_failed",
                                                               "message_held",     "message_replied",   "message_unsubscribed"};
  const auto add = [&](std::string_view key, std::string_view field) {
    if (const Name value = map.name(key)) trigger.equals.emplace_back(field, value);
  };
  std::string_view event;
  if (form.key == "task") {
    if (const auto word = map.word("task", {"created", "completed", "overdue", "offered", "accepted", "declined", "attempted", "reassigned",
                                            "released", "reminded", "escalated", "cancelled", "expired"})) event = kTask[*word];
    const doc::Entry* disposition = form.value->is_scalar() ? map.node().find("disposition") : nullptr;
    add("disposition", "disposition");
    if (disposition != nullptr && !event.empty() && event != "task_completed" && event != "task_attempted")
      context.error("R0603", disposition->key_mark, "only a completed or attempted task has a `disposition`", "write `task: completed`");
  } else {
    if (const auto word = map.word("message", {"accepted", "delivered", "failed", "held", "replied", "unsubscribed"}))
      event = kMessage[*word];
    add("channel", "channel");
  }
  add("of", "rule");
  trigger.subject = {event, context.at(form.value->mark)};
  if (event.empty()) trigger.kind.reset();
}

void read_trigger_of_kind(MapReader& map, TriggerAst& trigger, const doc::Entry& form) {
  const Context& context = map.context();
  const auto kind = static_cast<std::size_t>(std::find(kTriggers.begin(), kTriggers.end(), form.key) - kTriggers.begin());
  static constexpr std::array<Trigger::Kind, 8> kKinds = {
      Trigger::Kind::event,    Trigger::Kind::enters, Trigger::Kind::leaves, Trigger::Kind::attribute_changes,
      Trigger::Kind::schedule, Trigger::Kind::date,   Trigger::Kind::event,  Trigger::Kind::event};
  trigger.kind = kKinds[kind];
  if (form.key == "task" || form.key == "message") return read_work_trigger(map, trigger, form);
  if (form.key == "schedule") {
    trigger.cron = map.text(form.key);
    trigger.zone = map.name("zone");
    if (const std::string wrong = trigger.cron.empty() ? "" : check_cron(trigger.cron); !wrong.empty()) {
      context.error("R0602", form.value->mark, wrong, "`0 9 * * mon-fri` is nine o'clock on working days");
    }
    return;
  }
  trigger.subject = map.name(form.key);
  if (!trigger.subject) trigger.kind.reset();
  if (form.key == "event") {
    trigger.filter = read_row_filter(map);
    trigger.same = map.name("same");
  } else if (form.key == "enters") {
    trigger.hold_for = map.duration("for").value_or(0);
    if (const doc::Entry* same = map.take("same"))
      context.error("R0601", same->key_mark, "a customer enters a segment as a whole, not once per value of a field",
                    "`when: {event: TYPE, same: FIELD}` fires per value; ask in its `if` what the segment asks");
  } else if (form.key == "attribute_changes") {
    trigger.to = map.raw("to");
    trigger.from = map.raw("from");
  } else if (form.key == "date") {
    if (const doc::Entry* offset = map.take("offset")) {
      const auto value = offset->value->is_scalar() && !offset->value->quoted ? parse_signed_duration(offset->value->text) : std::nullopt;
      if (!value)
        context.error("R0104", offset->value->mark, "a duration with an optional sign is expected here",
                      "`-60d` is sixty days before, `3d` three days after");
      trigger.offset = value.value_or(0);
    }
    if (const doc::Entry* at = map.take("at")) {
      const auto value = at->value->is_scalar() ? parse_clock(at->value->text, false) : std::nullopt;
      if (!value) context.error("R0104", at->value->mark, "a time of day is expected here", "written as 09:00");
      trigger.time_of_day = value.value_or(0);
      trigger.time_given = true;
    }
  }
}

}  // namespace

std::span<const std::string_view> action_words() { return kActions; }

TriggerAst read_trigger(const Context& context, const doc::Node& node, const doc::Mark& key_mark) {
  TriggerAst trigger;
  trigger.where = context.at(key_mark);
  MapReader map(context, node, key_mark, "`when`");
  if (!node.is_map()) return trigger;
  const doc::Entry* form = nullptr;
  for (const std::string_view kind : kTriggers) {
    const doc::Entry* entry = map.take(kind);
    if (entry == nullptr) continue;
    if (form != nullptr) {
      context.error("R0601", entry->key_mark, "a rule has one trigger; " + quoted(form->key) + " and " + quoted(entry->key) + " are two",
                    "write two rules");
      continue;
    }
    form = entry;
  }
  if (form == nullptr && node.refused) return trigger;
  if (form == nullptr) {
    std::string hint;
    for (const doc::Entry& entry : node.entries) {
      const std::string_view near = doc::nearest_name(entry.key, {kTriggers.begin(), kTriggers.end()});
      if (!near.empty()) hint = "did you mean " + quoted(near) + "?";
    }
    if (hint.empty()) hint = "one of " + join_words({kTriggers.begin(), kTriggers.end()}, "or");
    context.error("R0601", node.entries.empty() ? key_mark : node.mark, "`when` does not say what makes the rule fire", hint);
    return trigger;
  }
  read_trigger_of_kind(map, trigger, *form);
  map.finish();
  return trigger;
}

RuleAst read_rule(const Context& context, const doc::Entry& entry) {
  RuleAst rule;
  rule.name = {entry.key, context.at(entry.key_mark)};
  MapReader map(context, *entry.value, entry.key_mark, "the rule " + quoted(entry.key));
  rule.description = map.text("description");
  rule.allow = read_allow(map);
  static const std::initializer_list<std::string_view> kCategories = {"sales", "management", "collaboration"};
  rule.category = static_cast<Category>(map.word("category", kCategories).value_or(0));
  rule.purpose = read_purpose(map);
  rule.priority = static_cast<std::int32_t>(map.integer("priority", 50, 0, 100));
  static constexpr std::array<RuleState, 4> kStates = {RuleState::draft, RuleState::shadow, RuleState::active, RuleState::paused};
  rule.state = kStates[map.word("state", {"draft", "shadow", "active", "paused"}).value_or(2)];
  if (const doc::Entry* when = map.require("when")) rule.trigger = read_trigger(context, *when->value, when->key_mark);
  if (const doc::Entry* condition = map.take("if")) rule.condition = read_condition(context, *condition->value, condition->key_mark);
  if (const doc::Entry* then = map.require("then")) rule.steps = read_steps(context, *then);
  if (const doc::Entry* exit = map.take("exit")) rule.exit = read_condition(context, *exit->value, exit->key_mark);
  if (const doc::Entry* limits = map.take("limits")) read_limits(context, *limits, rule.limits);
  if (const doc::Entry* rollout = map.take("rollout")) read_rollout(context, *rollout, rule);
  if (const doc::Entry* goal = map.take("goal")) read_goal(context, *goal, rule);
  if (const doc::Entry* existing = map.take("existing")) {
    rule.existing_at = context.at(existing->key_mark);
    rule.existing_fire = map.word("existing", {"seed", "fire"}) == 1;
  }
  if (const doc::Entry* age = map.take("max_age")) {
    rule.max_age_at = context.at(age->key_mark);
    rule.max_age = map.duration("max_age");
  }
  map.finish();
  return rule;
}

}  // namespace nudge::lang
