#include "rules/testing/match.h"

#include <simdjson.h>

#include <algorithm>

#include "engine/base/hash.h"
#include "engine/base/text.h"
#include "rules/doc/scalar.h"

namespace nudge::testing {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

std::string shown(const doc::Node& node) {
  if (node.is_scalar()) {
    std::string out;
    if (node.quoted || !doc::looks_typed(node)) append_json_string(out, node.text);
    return out.empty() ? std::string(node.text) : out;
  }
  return node.is_null() ? "nothing" : std::string(doc::kind_name(node));
}

std::string shown(const element& value) { return simdjson::minify(value); }

bool same_instant(std::string_view a, std::string_view b) {
  const auto x = parse_timestamp(a), y = parse_timestamp(b);
  return x && y && *x == *y;
}

bool scalar_equals(const doc::Node& expected, const element& actual) {
  switch (actual.type()) {
    case element_type::STRING: {
      std::string_view text;
      if (actual.get(text) != simdjson::SUCCESS) return false;
      return !doc::looks_typed(expected) && (expected.text == text || same_instant(expected.text, text));
    }
    case element_type::BOOL: return !expected.quoted && expected.text == (bool(actual) ? "true" : "false");
    case element_type::INT64:
    case element_type::UINT64:
    case element_type::DOUBLE: {
      if (expected.quoted || !doc::is_json_number(expected.text)) return false;
      const auto want = Decimal::parse(expected.text), got = Decimal::parse(shown(actual));
      if (want && got) return *want == *got;
      const auto number = doc::read_number(expected);
      return number && *number == double(actual);
    }
    default: return false;
  }
}

/// One operator instead of a value: `{contains: "…"}`, `{starts_with: "…"}`, `{exists: false}`.
bool is_operator(const doc::Node& node) {
  return node.is_map() && node.entries.size() == 1 &&
         (node.entries[0].key == "contains" || node.entries[0].key == "starts_with" || node.entries[0].key == "exists");
}

void compare(const std::string& name, const doc::Node& expected, const element* actual, std::vector<Difference>& out) {
  if (is_operator(expected)) {
    const doc::Entry& op = expected.entries[0];
    std::string_view text;
    const bool is_text = actual != nullptr && actual->is_string() && actual->get(text) == simdjson::SUCCESS;
    bool ok = false;
    if (op.key == "exists") {
      ok = (op.value->text == "true") == (actual != nullptr && !actual->is_null());
    } else if (op.key == "contains") {
      ok = is_text && text.find(op.value->text) != std::string_view::npos;
    } else {
      ok = is_text && text.starts_with(op.value->text);
    }
    if (!ok) out.push_back({name, std::string(op.key) + " " + shown(*op.value), actual == nullptr ? "nothing" : shown(*actual)});
    return;
  }
  if (expected.is_null()) {
    if (actual != nullptr && !actual->is_null()) out.push_back({name, "nothing", shown(*actual)});
    return;
  }
  if (actual == nullptr) {
    out.push_back({name, shown(expected), "nothing"});
    return;
  }
  if (expected.is_map()) {
    if (!actual->is_object()) {
      out.push_back({name, "a map", shown(*actual)});
      return;
    }
    for (const doc::Entry& entry : expected.entries) {
      element member;
      const bool found = actual->at_key(entry.key).get(member) == simdjson::SUCCESS;
      compare(name.empty() ? std::string(entry.key) : name + "." + std::string(entry.key), *entry.value, found ? &member : nullptr, out);
    }
    return;
  }
  if (expected.is_list()) {
    simdjson::dom::array array;
    if (actual->get(array) != simdjson::SUCCESS || array.size() != expected.items.size()) {
      out.push_back({name, "a list of " + std::to_string(expected.items.size()), shown(*actual)});
      return;
    }
    std::size_t i = 0;
    for (const element item : array) {
      compare(name + "[" + std::to_string(i) + "]", *expected.items[i], &item, out);
      ++i;
    }
    return;
  }
  if (!scalar_equals(expected, *actual)) out.push_back({name, shown(expected), shown(*actual)});
}

/// What stands beside the rendered parameters, as one JSON object.
std::string extras(const ActionOut& action, std::string_view template_name) {
  std::string out = "{";
  const auto add = [&](std::string_view key, const std::string& json) {
    if (out.size() > 1) out += ',';
    append_json_string(out, key);
    out += ':';
    out += json;
  };
  const auto text = [](std::string_view value) {
    std::string json;
    append_json_string(json, value);
    return json;
  };
  add("rule", text(action.rule));
  add("customer", text(action.customer));
  add("at", text(format_timestamp(action.at)));
  add("category", text(category_name(action.category)));
  add("channel", text(action.channel));
  add("mandatory", action.mandatory ? "true" : "false");
  if (!action.connector.empty()) add("connector", text(action.connector));
  if (action.on_unknown != OnUnknown::by_connector) add("on_unknown", text(on_unknown_name(action.on_unknown)));
  if (action.due != 0) add("due", text(format_timestamp(action.due)));
  if (!action.owner.empty()) add("owner", text(action.owner));
  if (!action.reason.empty()) add("reason", text(action.reason));
  if (action.assigns) add("team", text(action.assignment.team));
  if (!template_name.empty()) add("template", text(template_name));
  return out + "}";
}

}  // namespace

std::vector<Difference> differences(const doc::Node& expected, const ActionOut& action, std::string_view template_name) {
  std::vector<Difference> out;
  if (expected.is_scalar()) {  // `- sms`: only the kind
    if (expected.text != action.kind) out.push_back({"action", std::string(expected.text), action.kind});
    return out;
  }
  if (!expected.is_map() || expected.entries.size() != 1) {
    out.push_back({"action", "`KIND: {PARAMETER: VALUE}`", std::string(doc::kind_name(expected))});
    return out;
  }
  const doc::Entry& entry = expected.entries[0];
  if (entry.key != action.kind) {
    out.push_back({"action", std::string(entry.key), action.kind});
    return out;
  }
  simdjson::dom::parser parser, extra_parser;
  element payload, extra;
  const std::string extra_json = extras(action, template_name);
  if (parser.parse(action.payload).get(payload) != simdjson::SUCCESS || extra_parser.parse(extra_json).get(extra) != simdjson::SUCCESS) {
    out.push_back({"parameters", "JSON", action.payload});
    return out;
  }
  for (const doc::Entry& one : entry.value->entries) {
    element found;
    const bool there = payload.at_key(one.key).get(found) == simdjson::SUCCESS || extra.at_key(one.key).get(found) == simdjson::SUCCESS;
    compare(std::string(one.key), *one.value, there ? &found : nullptr, out);
  }
  return out;
}

namespace {

/// Members of a JSON object, one after the other.
struct Members {
  std::string out = "{";
  void add(std::string_view key, const std::string& json) {
    if (out.size() > 1) out += ',';
    append_json_string(out, key);
    out += ':' + json;
  }
  void text(std::string_view key, std::string_view value) {
    std::string json;
    append_json_string(json, value);
    add(key, value.empty() ? "null" : json);
  }
  void instant(std::string_view key, TimeMs t) { text(key, t == 0 || t == kNever || t == kAlways ? "" : format_timestamp(t)); }
};

/// What a test can ask of an opportunity, as one JSON object.
std::string deal_json(const Opportunity& deal) {
  Members m;
  m.text("id", deal.id);
  m.text("customer", deal.customer);
  m.text("funnel", deal.funnel);
  m.text("stage", deal.stage);
  m.text("state", deal_state_name(deal.state));
  m.text("title", deal.title);
  m.text("owner", deal.owner);
  m.text("reason", deal.reason);
  m.add("amount", deal.has_amount ? format_decimal(deal.amount) : "null");
  m.add("stalled", deal.stalled ? "true" : "false");
  std::string done;
  for (const DealDone& d : deal.done) {
    if (!done.empty()) done += ',';
    append_json_string(done, d.task);
  }
  m.add("tasks_done", "[" + done + "]");
  m.instant("stage_since", deal.since);
  m.instant("active", deal.active_at);
  m.instant("stalls", deal.stall_at);
  m.instant("closed", deal.closed);
  return m.out + "}";
}

/// What a test can ask of a lead, as one JSON object.
std::string lead_json(const Lead& lead) {
  Members m;
  m.text("state", lead_state_name(lead.state));
  m.text("pool", lead.pool);
  m.text("owner", lead.owner);
  m.text("reason", lead.reason);
  m.text("last_owner", lead.last_owner);
  m.instant("since", lead.since);
  m.instant("followed_at", lead.followed_at);
  m.instant("recycle_at", lead.recycle_at);
  m.add("changes", std::to_string(lead.changes));
  return m.out + "}";
}

/// What a test can ask of a task, as one JSON object.
std::string task_json(const Task& task) {
  Members m;
  const auto add = [&](std::string_view key, const std::string& json) { m.add(key, json); };
  const auto text = [&](std::string_view key, std::string_view value) { m.text(key, value); };
  const auto instant = [&](std::string_view key, TimeMs t) { m.instant(key, t); };
  text("rule", task.action.rule);
  text("customer", task.action.customer);
  text("state", task_state_name(task.state));
  text("owner", task.action.owner);
  text("team", task.action.assignment.team);
  text("subject", json_text(task.action.payload, "subject"));
  text("disposition", task.disposition);
  instant("due", task.action.due);
  instant("offer_until", task.state == TaskState::offered ? task.offer_until : 0);
  instant("again_at", task.not_before);
  add("overdue", task.overdue ? "true" : "false");
  add("waits", task.waits ? "true" : "false");
  add("tries", std::to_string(task.tries));
  std::string refused;
  for (const std::string& id : task.refused) {
    refused += refused.empty() ? "[" : ",";
    append_json_string(refused, id);
  }
  add("refused", refused.empty() ? "[]" : refused + "]");
  return m.out + "}";
}

}  // namespace

namespace {

std::vector<Difference> state_differences(const doc::Node& expected, const std::string& json, std::string_view what) {
  std::vector<Difference> out;
  if (!expected.is_map()) {
    out.push_back({std::string(what), "`{NAME: VALUE …}`", std::string(doc::kind_name(expected))});
    return out;
  }
  simdjson::dom::parser parser;
  element all;
  if (parser.parse(json).get(all) != simdjson::SUCCESS) return out;
  for (const doc::Entry& one : expected.entries) {
    element found;
    const bool there = all.at_key(one.key).get(found) == simdjson::SUCCESS;
    if (one.value->is_null() && there && found.is_null()) continue;
    compare(std::string(one.key), *one.value, there ? &found : nullptr, out);
  }
  return out;
}

/// What a test can ask of an approval, as one JSON object.
std::string approval_json(const Request& r) {
  std::string out = "{";
  const auto add = [&](std::string_view key, std::string_view value) {
    if (out.size() > 1) out += ',';
    append_json_string(out, key);
    out += ':';
    if (value.empty()) out += "null";
    else append_json_string(out, value);
  };
  const auto instant = [&](std::string_view key, TimeMs t) { add(key, t == 0 || t == kNever ? "" : format_timestamp(t)); };
  add("rule", r.action.rule);
  add("customer", r.action.customer);
  add("kind", r.action.kind);
  add("state", approval_state_name(r.state));
  add("team", r.team);
  add("asked", r.person);
  add("subject", r.subject);
  add("otherwise", r.otherwise_send ? "send" : "drop");
  instant("deadline", r.deadline);
  instant("decided", r.decided_at);
  add("decided_by", r.decided_by);
  add("reason", r.reason);
  return out + (r.sent ? ",\"sent\":true}" : ",\"sent\":false}");
}

}  // namespace

std::vector<Difference> task_differences(const doc::Node& expected, const Task& task) { return state_differences(expected, task_json(task), "task"); }

std::vector<Difference> approval_differences(const doc::Node& expected, const Request& request) {
  return state_differences(expected, approval_json(request), "approval");
}

std::string describe_approval(const Request& request) {
  return request.action.kind + " for " + request.action.customer + " by " + request.action.rule + ", " +
         std::string(approval_state_name(request.state)) + ": " + decision_words(request);
}

std::vector<Difference> lead_differences(const doc::Node& expected, const Lead& lead) { return state_differences(expected, lead_json(lead), "lead"); }

std::vector<Difference> deal_differences(const doc::Node& expected, const Opportunity& deal) {
  return state_differences(expected, deal_json(deal), "opportunity");
}

std::string describe_deal(const Opportunity& deal) {
  std::string out = deal.id + " of " + deal.customer + ": " + std::string(deal_state_name(deal.state)) + " in " + deal.stage;
  if (deal.stall_at != kNever) out += ", stalls at " + format_timestamp(deal.stall_at);
  if (deal.stalled) out += ", stalled";
  return out;
}

std::string describe_lead(const Lead& lead) {
  std::string out = std::string(lead_state_name(lead.state)) + ", pool " + lead.pool;
  if (!lead.owner.empty()) out += ", with " + lead.owner;
  if (lead.recycle_at != kNever) out += ", goes back at " + format_timestamp(lead.recycle_at);
  if (!lead.reason.empty()) out += " (" + lead.reason + ")";
  return out;
}

std::string describe_task(const Task& task) {
  std::string out = std::string(task_state_name(task.state)) + " for " + task.action.customer + " by " + task.action.rule;
  out += task.action.owner.empty() ? std::string(task.waits ? ", waits for somebody of " : ", in the pool of ") + task.action.assignment.team
                                   : ", with " + task.action.owner;
  if (task.action.due != 0) out += ", due " + format_timestamp(task.action.due) + (task.overdue ? " (overdue)" : "");
  if (task.not_before != 0) out += ", again at " + format_timestamp(task.not_before);
  return out;
}

std::string describe_action(const ActionOut& action) {
  std::string out = action.kind + " for " + action.customer + " by " + action.rule + " at " + format_timestamp(action.at);
  if (action.due != 0) out += ", due " + format_timestamp(action.due);
  if (action.mandatory) out += ", mandatory";
  if (!action.owner.empty()) out += ", owner " + action.owner;
  return out + " " + action.payload;
}

std::string describe_expected(const doc::Node& expected) {
  if (!expected.is_map()) return expected.is_scalar() ? std::string(expected.text) : shown(expected);
  std::string out;
  for (const doc::Entry& entry : expected.entries) {
    if (!out.empty()) out += ", ";
    out += entry.key;
    if (entry.value->is_null()) continue;
    out += entry.value->is_map() ? " {" + describe_expected(*entry.value) + "}" : ": " + shown(*entry.value);
  }
  return out;
}

bool equals_json(const doc::Node& expected, std::string_view json) {
  simdjson::dom::parser parser;
  element value;
  if (parser.parse(simdjson::padded_string(json)).get(value) != simdjson::SUCCESS) return false;
  std::vector<Difference> out;
  compare("value", expected, &value, out);
  return out.empty();
}

}  // namespace nudge::testing
