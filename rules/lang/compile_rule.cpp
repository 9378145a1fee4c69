// Rules: triggers, limits, goals.
#include <algorithm>

#include "rules/lang/compile.h"
#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

namespace {

std::string_view trigger_word(Trigger::Kind kind) {
  switch (kind) {
    case Trigger::Kind::event: return "event";
    case Trigger::Kind::enters: return "enters";
    case Trigger::Kind::leaves: return "leaves";
    case Trigger::Kind::attribute_changes: return "attribute_changes";
    case Trigger::Kind::schedule: return "schedule";
    case Trigger::Kind::date: return "date";
  }
  return "";
}

}  // namespace

std::vector<Value> Compiler::change_values(const Raw& raw, const Operated& attribute) {
  std::vector<Value> values;
  if (!raw) return values;
  const Context context = context_of(raw.where);
  if (attribute.type == Type::list) {
    error("R0402", raw.key,
          quoted(raw.key.document->source().substr(raw.key.mark.offset, raw.key.mark.length)) +
              " can't name a list; ask for any change, or use `has`",
          "remove it");
    return values;
  }
  for (const doc::Node* item : items_of(context, *raw.node, raw.key.mark, "this", true)) {
    if (std::optional<Value> value = literal(attribute, *item, context.at(item->mark))) values.push_back(std::move(*value));
  }
  if (raw.node->is_list() && raw.node->items.empty())
    error("R0406", raw.where, "an empty list is never met", "list at least one value, or remove the key");
  return values;
}

NodeId Compiler::work_filter(const TriggerAst& t, EventTypeId event) {
  std::vector<NodeId> all;
  for (const auto& [name, value] : t.equals) {
    if (name == "rule" && !names_.rules.contains(value.text)) {
      error("R0317", value.where, "there is no rule " + quoted(value.text), doc::did_you_mean(value.text, keys_of(names_.rules), "rules"));
    }
    const FieldId id = event == kNoEventType ? kNoField : catalog_->events[event].find(name);
    if (id == kNoField) continue;
    Node node;
    node.kind = Node::Kind::compare;
    node.op = Op::equals;
    node.left = builder_.field(event, id);
    node.literals.push_back(Value::of_text(value.text));
    all.push_back(builder_.add(std::move(node)));
  }
  return builder_.all(std::move(all));
}

Trigger Compiler::trigger(const RuleAst& ast, Scope& scope) {
  const TriggerAst& t = ast.trigger;
  Trigger trigger;
  if (!t.kind) return trigger;
  trigger.kind = *t.kind;
  switch (*t.kind) {
    case Trigger::Kind::event:
      trigger.event = event_type(t.subject);
      scope.trigger_event = trigger.event;
      trigger.where = t.equals.empty() ? row_filter(t.filter, trigger.event, scope) : work_filter(t, trigger.event);
      if (t.filter) map_role(Spot::Role::trigger_filter);
      if (trigger.event != kNoEventType && t.same) {
        trigger.same = field(t.same, trigger.event, nullptr);
        if (trigger.same == kTimeField || (trigger.same != kNoField && field_type(trigger.event, trigger.same) == Type::list)) {
          error("R0507", t.same.where, "`same` needs a field with one plain value, such as an order number");
        } else if (trigger.same != kNoField) {
          scope.trigger_same = field_type(trigger.event, trigger.same);
          scope.trigger_field_same = trigger.same;
        }
      }
      break;
    case Trigger::Kind::enters:
    case Trigger::Kind::leaves: {
      trigger.hold_for = t.hold_for;
      if (!names_.segments.contains(t.subject.text)) {
        error("R0304", t.subject.where, "there is no segment " + quoted(t.subject.text),
              doc::did_you_mean(t.subject.text, keys_of(names_.segments), "segments"));
      } else {
        trigger.segment = static_cast<std::uint32_t>(segment_index(t.subject.text));
      }
      break;
    }
    case Trigger::Kind::attribute_changes:
    case Trigger::Kind::date: {
      const ObjectDef* object = nullptr;
      const Operated attribute = attribute_operand(t.subject, &object);
      if (object != nullptr)
        error("R0315", t.subject.where, quoted(t.subject.text) + " is an object; one value is needed here", "name one of its members");
      if (!attribute.ok) break;
      trigger.attribute = attribute.attribute;
      if (*t.kind == Trigger::Kind::date) {
        if (attribute.type != Type::date && attribute.type != Type::timestamp) {
          error("R0603", t.subject.where,
                "a `date` trigger needs a date or timestamp; " + attribute.what + " is of type " + quoted(type_name(attribute.type)));
        }
        trigger.offset = t.offset;
        trigger.time_of_day = t.time_of_day;
        trigger.at_midnight = t.time_given && t.time_of_day == 0 && attribute.type == Type::timestamp;
      } else {
        trigger.to = change_values(t.to, attribute);
        trigger.from = change_values(t.from, attribute);
      }
      break;
    }
    case Trigger::Kind::schedule:
      trigger.cron = t.cron;
      if (t.zone && t.zone.text != "customer") {
        if (!Zone::find(t.zone.text))
          error("R0314", t.zone.where, "there is no time zone " + quoted(t.zone.text),
                "IANA names such as Asia/Shanghai or Europe/Berlin, or `customer`");
      }
      trigger.zone = t.zone.text;
      break;
  }
  return trigger;
}

void Compiler::check_rule_options(const RuleAst& ast, const Trigger& trigger, bool trigger_ok) {
  if (!trigger_ok) return;
  if (ast.existing_at.document != nullptr && trigger.kind != Trigger::Kind::enters) {
    error("R0603", ast.existing_at, "`existing` says what happens to those who are in the segment already; it needs `when: {enters: …}`",
          "remove it");
  }
  const bool has_age = trigger.kind == Trigger::Kind::event || trigger.kind == Trigger::Kind::attribute_changes;
  if (ast.max_age_at.document != nullptr && !has_age) {
    error("R0603", ast.max_age_at,
          "`max_age` bounds how late an event or attribute change may come; a trigger " + quoted(trigger_word(trigger.kind)) +
              " is never late",
          "remove it");
  }
}

Goal Compiler::goal(const RuleAst& ast) {
  Goal goal;
  if (!ast.goal_event) return goal;
  goal.event = event_type(ast.goal_event);
  goal.where = row_filter(ast.goal_filter, goal.event, {});
  if (ast.goal_filter) map_role(Spot::Role::goal_filter);
  goal.within = ast.goal_within;
  goal.stop = ast.goal_stop;
  if (goal.event == kNoEventType || !ast.goal_value) return goal;
  goal.value = field(ast.goal_value, goal.event, nullptr);
  if (goal.value != kNoField && family_of(field_type(goal.event, goal.value)) != kNumeric) {
    error("R0410", ast.goal_value.where,
          "the value of a goal is a number; the field " + quoted(ast.goal_value.text) + " is of type " +
              quoted(type_name(field_type(goal.event, goal.value))));
  }
  return goal;
}

void Compiler::compile_rule(const RuleAst& ast) {
  if (diagnostics_.items().size() >= doc::Diagnostics::kMax) return;
  Scope scope;
  scope.in_rule = true;
  scope.user = "the rule " + quoted(ast.name.text);
  Rule rule;
  rule.name = ast.name.text;
  rule.description = ast.description;
  rule.category = ast.category;
  rule.purpose = ast.purpose.value_or(default_purpose(ast.category));
  rule.priority = ast.priority;
  rule.state = ast.state;
  owner_ = {ConditionPart::Owner::trigger, ast.name.text};
  map_owner_ = map_index(Definition::Kind::rule, ast.name.text);
  rule.trigger = trigger(ast, scope);
  check_rule_options(ast, rule.trigger, ast.trigger.kind.has_value());
  // What a broken trigger would have given is unknown: better no message than a wrong one.
  if (!ast.trigger.kind || (rule.trigger.kind == Trigger::Kind::event && rule.trigger.event == kNoEventType)) scope.any_event = true;
  owner_.kind = ConditionPart::Owner::rule;
  record_part(kNone, kNoEventType, ast.name.where);
  if (ast.condition) {
    rule.condition = condition(*ast.condition, scope);
    map_role(Spot::Role::rule_if);
  }
  steps(ast.steps, "", ast, scope, rule.steps);
  owner_ = {ConditionPart::Owner::exit, ast.name.text};
  if (ast.exit) {
    rule.exit = condition(*ast.exit, scope);
    map_role(Spot::Role::step);
  }
  rule.limits = ast.limits;
  rule.rollout_percent = ast.percent;
  rule.holdout_percent = ast.holdout;
  rule.existing_fire = ast.existing_fire;
  if (ast.max_age) rule.max_age = *ast.max_age;
  if (rule.trigger.kind == Trigger::Kind::event && rule.trigger.event != kNoEventType) {
    const EventTypeDef& type = catalog_->events[rule.trigger.event];
    if (type.keep != 0 && rule.max_age > type.keep)
      error("R0508", ast.max_age_at,
            "an event of " + quoted(type.name) + " may fire this rule until it is " + format_duration(rule.max_age) + " old, and the catalog keeps it for " +
                format_duration(type.keep) + " only; one that comes once more after that would fire again",
            "write `max_age: " + format_duration(type.keep) + "` or shorter, or `" + type.name + ": {keep: " + format_duration(rule.max_age) + "}` in the catalog");
  }
  owner_ = {ConditionPart::Owner::goal, ast.name.text};
  rule.goal = goal(ast);
  owner_ = {};
  map_owner_ = kNoDefinition;
  rule.file = ast.name.where.document->name();
  rule.line = ast.name.where.mark.line;
  builder_.plan().rules.push_back(std::move(rule));
}

}  // namespace nudge::lang
