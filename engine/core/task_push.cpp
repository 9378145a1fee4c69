#include "engine/core/task_push.h"

#include "engine/base/hash.h"
#include "engine/base/text.h"

namespace nudge {

namespace {

void add(std::string& json, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  json += json.empty() ? "{" : ",";
  append_json_string(json, name);
  json += ':';
  append_json_string(json, text);
}

std::string payload_of(const Task& task) {
  const ActionOut& a = task.action;
  std::string json;
  add(json, "task", to_hex(a.id));
  add(json, "state", task_state_name(task.state));
  add(json, "subject", json_text(a.payload, "subject"));
  add(json, "script", json_text(a.payload, "script"));
  const std::string reason = json_text(a.payload, "reason");
  add(json, "reason", reason.empty() ? a.reason : reason);
  add(json, "priority", json_text(a.payload, "priority"));
  if (a.due != 0) add(json, "due", format_timestamp(a.due));
  add(json, "customer", a.customer);
  add(json, "rule", a.rule);
  add(json, "team", a.assignment.team);
  add(json, "owner", a.owner);
  add(json, "owner_name", a.owner_name);
  add(json, "disposition", task.disposition);
  add(json, "note", task.note);
  return json + "}";
}

}  // namespace

ActionOut task_push(const Task& task, std::uint64_t number, TimeMs now) {
  const ActionOut& about = task.action;
  ActionOut out;
  std::string bytes;
  Writer id(bytes);
  id.fixed64(about.id.hi);
  id.fixed64(about.id.lo);
  id.string("push");
  id.varint(number);
  out.id = hash128(bytes);
  out.rule = about.rule;
  out.rule_id = about.rule_id;
  out.rule_version = about.rule_version;
  out.customer = about.customer;
  out.cause = about.cause;
  out.step = about.step;
  out.priority = about.priority;
  out.at = now;
  out.category = Category::management;
  out.purpose = Purpose::internal;
  out.kind = out.channel = kTaskPush;
  out.connector = about.connector;
  out.reason = "The call task is " + std::string(task_state_name(task.state));
  out.payload = payload_of(task);
  return out;
}

}  // namespace nudge
