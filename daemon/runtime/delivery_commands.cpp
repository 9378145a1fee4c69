// The events that tell rules of actions.
#include "daemon/log/log.h"
#include "daemon/runtime/delivery.h"
#include "daemon/runtime/payload.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

void set_field(const EventTypeDef& type, Input& input, std::string_view name, Value value) {
  const FieldId field = type.find(name);
  if (field == kNoField || kind_of(type.fields[field].type) != value.kind) return;
  input.fields[field] = std::move(value);
}

Value text_or_missing(const std::string& text) { return text.empty() ? Value() : Value::of_text(text); }

}  // namespace

// The built-in event about an action. Its id is derived from the action's, so telling it twice is a duplicate.
Input Delivery::event_for(std::string_view type_name, const ActionOut& action, std::string id_suffix, TimeMs at) const {
  const std::shared_ptr<const Plan> plan = plan_();
  Input input;
  input.kind = InputKind::event;
  input.customer = action.customer;
  input.id = "nudge:" + to_hex(action.id) + ":" + std::move(id_suffix);
  input.time = at;
  input.type = plan->catalog->find_event(type_name);
  if (input.type == kNoEventType) return input;
  const EventTypeDef& type = plan->catalog->events[input.type];
  input.fields.resize(type.fields.size());
  set_field(type, input, "task", Value::of_text(to_hex(action.id)));
  set_field(type, input, "action", Value::of_text(to_hex(action.id)));
  set_field(type, input, "rule", Value::of_text(action.rule));
  set_field(type, input, "kind", Value::of_text(action.kind));
  set_field(type, input, "channel", Value::of_text(action.channel));
  set_field(type, input, "connector", text_or_missing(action.connector));
  set_field(type, input, "team", text_or_missing(action.assignment.team));
  set_field(type, input, "owner", text_or_missing(action.owner));
  set_field(type, input, "subject", text_or_missing(member_text(action.payload, "subject")));
  if (action.due != 0) set_field(type, input, "due", Value::of_timestamp(action.due));
  set_field(type, input, "mandatory", Value::of_boolean(action.mandatory));
  return input;
}

Input Delivery::held_event(const ActionOut& action, const std::string& reason, TimeMs at) const {
  Input input = event_for("message_held", action, "held", at);
  if (input.type == kNoEventType) return input;
  const std::shared_ptr<const Plan> plan = plan_();
  set_field(plan->catalog->events[input.type], input, "reason", text_or_missing(reason));
  return input;
}

}  // namespace nudge::daemon
