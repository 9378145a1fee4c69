// Configuration of a connector as a table of fields: one table checks a configuration (every mistake at once), fills in
// defaults and prints the JSON Schema, so the three can't drift apart. Header-only; needs Boost.JSON (link Boost::json).
//
// Secrets are given by reference only: {"file": "/path"} or {"env": "NAME"}. A literal in a secret field is a mistake.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/plugin.h"

namespace nudge::sdk {

enum class FieldType {
  text,
  integer,
  boolean,
  url,          // http:// or https://
  secret,       // a reference
  secret_list,  // one or more references
  header_map    // names to texts or references
};

struct Field {
  std::string_view name;
  FieldType type = FieldType::text;
  std::string_view help = {};
  bool required = false;
  std::string_view default_json = {};  // used when the field is absent; empty = none
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  std::vector<std::string_view> one_of = {};
  // The field belongs only to configurations in which field `when` has the value `is`.
  std::string_view when = {};
  std::string_view is = {};
};

using Fields = std::vector<Field>;

inline bool is_secret_reference(const boost::json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr || object->size() != 1) return false;
  const auto& member = *object->begin();
  return (member.key() == "file" || member.key() == "env") && member.value().is_string() && !member.value().get_string().empty();
}

namespace detail {

inline std::string type_problem(const Field& field, const boost::json::value& value) {
  constexpr std::string_view kReference = "must name the secret by reference: {\"file\": \"/path\"} or {\"env\": \"NAME\"}";
  switch (field.type) {
    case FieldType::text:
      if (!value.is_string() || value.get_string().empty()) return "must be a text that is not empty";
      for (const char c : value.get_string())
        if (static_cast<unsigned char>(c) < 0x20) return "must not hold control characters or line breaks";
      break;
    case FieldType::url: {
      if (!value.is_string()) return "must be a URL as text";
      const std::string_view url(value.get_string());
      if (!url.starts_with("http://") && !url.starts_with("https://")) return "must begin with https:// (or http://)";
      if (url.find_first_of(std::string_view(" \t\r\n\0", 5)) != std::string_view::npos) return "must not hold spaces or line breaks";
      break;
    }
    case FieldType::integer:
      if (!value.is_int64()) return "must be a whole number";
      if (value.get_int64() < field.min || value.get_int64() > field.max)
        return "must be between " + std::to_string(field.min) + " and " + std::to_string(field.max);
      break;
    case FieldType::boolean:
      if (!value.is_bool()) return "must be true or false";
      break;
    case FieldType::secret:
      if (!is_secret_reference(value)) return std::string(kReference) + "; a secret never stands in the configuration itself";
      break;
    case FieldType::secret_list:
      if (!value.is_array() || value.get_array().empty()) return "must be a list of one or more references";
      for (const auto& item : value.get_array())
        if (!is_secret_reference(item)) return "each entry " + std::string(kReference);
      break;
    case FieldType::header_map:
      if (!value.is_object()) return "must be an object of header names and values";
      for (const auto& member : value.get_object()) {
        if (!member.value().is_string() && !is_secret_reference(member.value()))
          return "\"" + std::string(member.key()) + "\" must be a text or a reference to a secret";
        if (member.value().is_string() && member.value().get_string().find_first_of("\r\n") != std::string_view::npos)
          return "\"" + std::string(member.key()) + "\" must not hold line breaks";
      }
      break;
  }
  if (!field.one_of.empty() && value.is_string()) {
    std::string choices;
    for (const std::string_view choice : field.one_of) {
      if (std::string_view(value.get_string()) == choice) return {};
      choices += (choices.empty() ? "" : ", ") + std::string(choice);
    }
    return "must be one of " + choices;
  }
  return {};
}

inline boost::json::value field_schema(const Field& field) {
  using boost::json::object;
  const auto reference = [] {
    const auto one = [](const char* name) {
      return object{{"type", "object"},
                    {"properties", object{{name, object{{"type", "string"}, {"minLength", 1}}}}},
                    {"required", boost::json::array{name}},
                    {"additionalProperties", false}};
    };
    return object{{"oneOf", boost::json::array{one("file"), one("env")}}};
  };
  object out;
  switch (field.type) {
    case FieldType::text: out = {{"type", "string"}, {"minLength", 1}, {"pattern", "^[^\\u0000-\\u001f]*$"}}; break;
    case FieldType::url: out = {{"type", "string"}, {"pattern", "^https?://[^ \\t\\r\\n]*$"}}; break;
    case FieldType::integer: out = {{"type", "integer"}, {"minimum", field.min}, {"maximum", field.max}}; break;
    case FieldType::boolean: out = {{"type", "boolean"}}; break;
    case FieldType::secret: out = reference(); break;
    case FieldType::secret_list: out = {{"type", "array"}, {"minItems", 1}, {"items", reference()}}; break;
    case FieldType::header_map: {
      object value = reference();
      value["oneOf"].as_array().push_back(object{{"type", "string"}, {"pattern", "^[^\\r\\n]*$"}});
      out = {{"type", "object"}, {"additionalProperties", value}};
      break;
    }
  }
  out["description"] = boost::json::string_view(field.help.data(), field.help.size());
  if (!field.one_of.empty()) {
    boost::json::array choices;
    for (const std::string_view choice : field.one_of) choices.emplace_back(boost::json::string_view(choice.data(), choice.size()));
    out["enum"] = choices;
  }
  if (!field.default_json.empty()) out["default"] = boost::json::parse({field.default_json.data(), field.default_json.size()});
  return out;
}

}  // namespace detail

// A checked configuration. Accessors return the default, or an empty value when there is none.
class Config {
 public:
  // Reads `json`. Every mistake goes to problems(); the accessors are only to be used when there is none.
  Config(std::string_view json, const Fields& fields) {
    boost::json::error_code error;
    boost::json::value parsed = boost::json::parse({json.data(), json.size()}, error);
    if (error || !parsed.is_object()) {
      problems_.push_back("config: must be a JSON object" + (error ? ": " + error.message() : std::string()));
      return;
    }
    values_ = std::move(parsed.get_object());
    for (const auto& member : values_) {
      bool known = false;
      for (const Field& field : fields) known = known || field.name == std::string_view(member.key());
      if (!known) problems_.push_back(std::string(member.key()) + ": no such field; known are " + names(fields));
    }
    for (const Field& field : fields) check(field);
  }

  const std::vector<std::string>& problems() const { return problems_; }
  void problem(std::string text) { problems_.push_back(std::move(text)); }
  // Throws with every mistake in one text: for create().
  void throw_if_bad() const {
    if (problems_.empty()) return;
    std::string all;
    for (const std::string& one : problems_) all += (all.empty() ? "" : "; ") + one;
    throw std::invalid_argument(all);
  }

  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::string text(std::string_view name) const {
    const auto* value = find(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
  }
  std::int64_t integer(std::string_view name) const {
    const auto* value = find(name);
    return value != nullptr && value->is_int64() ? value->get_int64() : 0;
  }
  bool flag(std::string_view name) const {
    const auto* value = find(name);
    return value != nullptr && value->is_bool() && value->get_bool();
  }
  // Resolves a secret; empty when the field is absent. Throws with the field's name when it can't be had.
  std::string secret(std::string_view name, const Host& host) const {
    const auto* value = find(name);
    return value == nullptr ? std::string() : resolve(name, *value, host);
  }
  std::vector<std::string> secrets(std::string_view name, const Host& host) const {
    std::vector<std::string> out;
    if (const auto* value = find(name); value != nullptr && value->is_array())
      for (const auto& item : value->get_array()) out.push_back(resolve(name, item, host));
    return out;
  }
  std::vector<std::pair<std::string, std::string>> headers(std::string_view name, const Host& host) const {
    std::vector<std::pair<std::string, std::string>> out;
    if (const auto* value = find(name); value != nullptr && value->is_object())
      for (const auto& member : value->get_object())
        out.emplace_back(std::string(member.key()),
                         member.value().is_string() ? std::string(member.value().get_string()) : resolve(name, member.value(), host));
    return out;
  }

 private:
  const boost::json::value* find(std::string_view name) const { return values_.if_contains({name.data(), name.size()}); }

  static std::string names(const Fields& fields) {
    std::string out;
    for (const Field& field : fields) out += (out.empty() ? "" : ", ") + std::string(field.name);
    return out;
  }

  static std::string resolve(std::string_view name, const boost::json::value& reference, const Host& host) {
    std::string value;
    if (!host.secret(boost::json::serialize(reference), value)) throw std::invalid_argument(std::string(name) + ": " + value);
    return value;
  }

  void check(const Field& field) {
    const boost::json::string_view key(field.name.data(), field.name.size());
    const bool applies = field.when.empty() || text(field.when) == field.is;
    const auto* value = values_.if_contains(key);
    if (value == nullptr) {
      if (field.required && applies)
        problems_.push_back(std::string(field.name) + ": is missing; " + std::string(field.help));
      else if (!field.default_json.empty() && applies)
        values_[key] = boost::json::parse({field.default_json.data(), field.default_json.size()});
      return;
    }
    if (!applies) {
      problems_.push_back(std::string(field.name) + ": belongs to " + std::string(field.when) + ": " + std::string(field.is) +
                          " only; take it out");
      return;
    }
    if (std::string found = detail::type_problem(field, *value); !found.empty())
      problems_.push_back(std::string(field.name) + ": " + found);
  }

  boost::json::object values_;
  std::vector<std::string> problems_;
};

// The JSON Schema (draft 2020-12) of the table.
inline boost::json::object json_schema(const Fields& fields) {
  using boost::json::array;
  using boost::json::object;
  object properties;
  array required;
  array conditions;
  std::vector<std::pair<std::string_view, std::string_view>> groups;
  for (const Field& field : fields) {
    const boost::json::string_view name(field.name.data(), field.name.size());
    properties[name] = detail::field_schema(field);
    if (field.required && field.when.empty()) required.emplace_back(name);
    const std::pair group{field.when, field.is};
    if (!field.when.empty() && std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  }
  for (const auto& [when, is] : groups) {
    array needed;
    object forbidden;
    for (const Field& field : fields) {
      if (field.when != when || field.is != is) continue;
      if (field.required) needed.emplace_back(boost::json::string_view(field.name.data(), field.name.size()));
      forbidden[{field.name.data(), field.name.size()}] = false;
    }
    const boost::json::string_view key(when.data(), when.size());
    object test{{"properties", object{{key, object{{"const", boost::json::string_view(is.data(), is.size())}}}}}, {"required", array{key}}};
    conditions.push_back(object{{"if", test}, {"then", object{{"required", needed}}}, {"else", object{{"properties", forbidden}}}});
  }
  object out{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
             {"type", "object"},
             {"properties", properties},
             {"required", required},
             {"additionalProperties", false}};
  if (!conditions.empty()) out["allOf"] = conditions;
  return out;
}

// The description that nudge_connector_api::describe returns. Keep the text in a static.
inline std::string describe_json(std::string_view kind, std::string_view version, const std::vector<std::string_view>& channels,
                                 std::string_view idempotency, std::string_view default_on_unknown, const Fields& fields,
                                 bool receives = false) {
  const auto text = [](std::string_view s) { return boost::json::string(s.data(), s.size()); };
  boost::json::array list;
  for (const std::string_view channel : channels) list.emplace_back(text(channel));
  return boost::json::serialize(boost::json::object{{"kind", text(kind)},
                                                    {"version", text(version)},
                                                    {"channels", list},
                                                    {"idempotency", text(idempotency)},
                                                    {"default_on_unknown", text(default_on_unknown)},
                                                    {"receives", receives},
                                                    {"config_schema", json_schema(fields)}});
}

}  // namespace nudge::sdk
