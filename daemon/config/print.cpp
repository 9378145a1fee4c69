// What is derived from the table for people and editors: the effective configuration, the reference, the JSON Schema.
#include <algorithm>
#include <filesystem>

#include "daemon/config/config.h"
#include "daemon/config/connector_limits.h"
#include "daemon/config/value.h"
#include "engine/base/text.h"
#include "engine/base/time.h"

namespace nudge::config {
namespace {

constexpr std::size_t kCommentColumn = 44;

std::string origin_text(const Origin& origin) {
  switch (origin.source) {
    case Source::initial: return "default";
    case Source::file: return origin.where;
    case Source::environment: return "environment " + origin.where;
    case Source::flag: return "flag " + origin.where;
  }
  return {};
}

std::string absolute(const std::string& path) { return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string(); }

// The value as a file anywhere would have it: a relative path in a file counts from that file, elsewhere from the working directory.
std::string value_text(const Key& key, const Origin& origin, const Settings& settings) {
  if (origin.source == Source::file || (key.type != Type::path && key.type != Type::paths)) return origin.text;
  Settings shown;
  if (key.type == Type::path) {
    const auto member = std::get<std::string Settings::*>(key.place);
    shown.*member = absolute(settings.*member);
  } else {
    const auto member = std::get<std::vector<std::string> Settings::*>(key.place);
    for (const std::string& path : settings.*member) (shown.*member).push_back(absolute(path));
  }
  return show(key, shown);
}

std::string range_text(const Key& key) {
  switch (key.type) {
    case Type::integer: return std::to_string(key.min) + " to " + std::to_string(key.max);
    case Type::duration: return format_duration(key.min) + " to " + format_duration(key.max);
    case Type::size: return format_size(key.min) + " to " + format_size(key.max);
    case Type::choice: return std::string(key.choices);
    default: return {};
  }
}

void append_type_schema(std::string& out, const Key& key) {
  switch (key.type) {
    case Type::integer:
      out += R"("type":"integer","minimum":)" + std::to_string(key.min) + R"(,"maximum":)" + std::to_string(key.max);
      return;
    case Type::boolean: out += R"("type":"boolean")"; return;
    case Type::duration: out += R"("type":"string","pattern":"^([0-9]+(ms|s|m|h|d|w))+$")"; return;
    case Type::size: out += R"("type":["string","integer"],"pattern":"^[0-9]+(B|KiB|MiB|GiB|TiB)?$")"; return;
    case Type::paths:
    case Type::texts: out += R"("type":["array","string"],"items":{"type":"string"})"; return;
    case Type::secret:
      out += R"("type":"object","minProperties":1,"maxProperties":1,"additionalProperties":false,)"
             R"("properties":{"file":{"type":"string","description":"A file that holds the secret."},)"
             R"("env":{"type":"string","description":"An environment variable that holds the secret."}})";
      return;
    case Type::choice: {
      out += R"("enum":[)";
      bool first = true;
      for (const std::string& choice : split_list(key.choices)) {
        if (!std::exchange(first, false)) out += ',';
        append_json_string(out, choice);
      }
      out += ']';
      return;
    }
    case Type::text:
    case Type::path:
    case Type::timezone: out += R"("type":"string")"; return;
  }
}

}  // namespace

std::string print_config(const Loaded& loaded) {
  std::string out;
  std::string_view section;
  for (std::size_t i = 0; i < keys().size(); ++i) {
    const Key& key = keys()[i];
    const std::size_t dot = key.name.find('.');
    const std::string_view group = dot == std::string_view::npos ? std::string_view() : key.name.substr(0, dot);
    if (group != section) out.append(group).append(":\n");
    section = group;
    std::string line = group.empty() ? "" : "  ";
    line.append(group.empty() ? key.name : key.name.substr(dot + 1))
        .append(": ")
        .append(value_text(key, loaded.origins[i], loaded.settings));
    line.append(line.size() < kCommentColumn ? kCommentColumn - line.size() : 2, ' ');
    out.append(line).append("# ").append(origin_text(loaded.origins[i])).append("\n");
  }
  if (loaded.connectors.empty()) return out;
  out += "connectors:\n";
  for (const Connector& connector : loaded.connectors) {
    out.append("  ").append(connector.name).append(": {\"kind\": ").append(yaml_text(connector.kind));
    if (!connector.command.empty()) {
      out += ", \"command\": [";
      for (std::size_t i = 0; i < connector.command.size(); ++i) {
        if (i > 0) out += ", ";
        append_json_string(out, connector.command[i]);
      }
      out += "]";
    }
    Connector limits = connector;
    out += ", \"process\": " + show_limits(process_limits(limits)) + ", \"delivery\": " + show_limits(delivery_limits(limits.delivery));
    if (connector.config_json.size() > 2) out.append(", ").append(connector.config_json, 1, connector.config_json.size() - 2);
    out.append("}  # ").append(connector.where).append("\n");
  }
  return out;
}

std::vector<std::string> changed_connectors(const std::vector<Connector>& running, const std::vector<Connector>& wanted) {
  const auto same = [](const Connector& a, const Connector& b) {
    return a.name == b.name && a.kind == b.kind && a.command == b.command && a.timeout == b.timeout && a.in_flight_max == b.in_flight_max &&
           a.queue_max == b.queue_max && a.memory_bytes_max == b.memory_bytes_max && a.config_json == b.config_json;
  };
  const auto there = [&](const Connector& one, const std::vector<Connector>& all) {
    return std::ranges::any_of(all, [&](const Connector& other) { return same(one, other); });
  };
  std::vector<std::string> out;
  for (const Connector& c : running)
    if (!there(c, wanted)) out.push_back(c.name);
  for (const Connector& c : wanted)
    if (!there(c, running) && std::ranges::find(out, c.name) == out.end()) out.push_back(c.name);
  return out;
}

std::vector<std::string> needs_restart(const Settings& running, const Settings& wanted) {
  std::vector<std::string> out;
  for (const Key& key : keys()) {
    if (key.reloadable) continue;
    const bool same = std::visit([&](auto member) { return running.*member == wanted.*member; }, key.place);
    if (!same) out.emplace_back(key.name);
  }
  return out;
}

std::string reference_markdown() {
  std::string out = "| key | type | default | range | reload | what it does |\n|---|---|---|---|---|---|\n";
  for (const Key& key : keys()) {
    out.append("| `").append(key.name).append("` | ").append(to_string(key.type)).append(" | ");
    if (!key.initial.empty()) out.append("`").append(key.initial).append("`");
    out.append(" | ")
        .append(range_text(key))
        .append(" | ")
        .append(key.reloadable ? "yes" : "restart")
        .append(" | ")
        .append(key.help)
        .append(" |\n");
  }
  return out;
}

namespace {

/// What an editor shows for a group of keys.
std::string_view group_help(std::string_view group) {
  if (group == "http") return "The HTTP interface.";
  if (group == "log") return "What is written to the log, and how.";
  if (group == "retention") return "How long things that are over are kept. Counters stay.";
  if (group == "test_mode") return "Where messages go while everything is tried out.";
  if (group == "approvals") return "Links in messages to managers, by which they say yes or no.";
  if (group == "unsubscribe") return "One-click unsubscribe (RFC 8058).";
  if (group == "segment") return "What Segment's and RudderStack's libraries send.";
  if (group == "engine") return "How customers are judged.";
  if (group == "intake") return "What is taken in.";
  if (group == "quarantine") return "What did not fit the catalog is kept here.";
  if (group == "store") return "How data is kept.";
  return "Keys that belong together.";
}

}  // namespace

std::string json_schema() {
  std::string out =
      "{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", \"$id\": \"config.schema.json\", \"title\": \"nudge "
      "configuration\",\n"
      " \"type\": [\"object\", \"null\"], \"additionalProperties\": false,\n \"properties\": {\n";
  std::string_view section;
  for (const Key& key : keys()) {
    const std::size_t dot = key.name.find('.');
    const std::string_view group = dot == std::string_view::npos ? std::string_view() : key.name.substr(0, dot);
    if (group != section) {
      if (!section.empty()) out.replace(out.size() - 2, 2, "\n  }},\n");  // the comma after the group's last key
      out += "  ";
      append_json_string(out, group);
      out += R"(: {"type": ["object", "null"], "description": )";
      append_json_string(out, group_help(group));
      out += R"(, "additionalProperties": false, "properties": {)"
             "\n";
      section = group;
    }
    out += group.empty() ? "  " : "    ";
    append_json_string(out, group.empty() ? key.name : key.name.substr(dot + 1));
    out += ": {";
    append_type_schema(out, key);
    out += R"(, "description": )";
    append_json_string(out, key.help);
    out += "},\n";
  }
  out.replace(out.size() - 2, 2, "\n  }},\n");
  Connector any;
  return out + R"(  "connectors": {"type": ["object", "null"], "description": "Ways out to the world, by name; see docs/connectors.md.",
    "additionalProperties": {"type": "object", "required": ["kind"], "properties": {
      "kind": {"type": "string", "description": "smtp, sms, webhook, ticket, maildrop, or your own"},
      "command": {"type": "array", "items": {"type": "string"}, "description": "A program that speaks the protocol, instead of a plugin"},
      "process": {"type": "object", "additionalProperties": false, "description": "Limits of the connector's process", "properties": {
)" + limits_schema(process_limits(any)) +
         R"(}},
      "delivery": {"type": "object", "additionalProperties": false, "description": "How fast, how often and in which order it is given actions", "properties": {
)" + limits_schema(delivery_limits(any.delivery)) +
         R"(}}}}}
}}
)";
}

}  // namespace nudge::config
