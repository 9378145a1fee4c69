#include "daemon/cli/json.h"

#include <simdjson.h>

#include <cstdlib>

#include "daemon/cli/words.h"
#include "engine/base/text.h"

namespace nudge::cli {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

Json convert(const element& value) {
  Json out;
  switch (value.type()) {
    case element_type::ARRAY:
      out.kind = Json::Kind::list;
      for (const element item : simdjson::dom::array(value)) out.items.push_back(convert(item));
      break;
    case element_type::OBJECT:
      out.kind = Json::Kind::object;
      for (const auto field : simdjson::dom::object(value)) out.members.push_back({std::string(field.key), convert(field.value)});
      break;
    case element_type::STRING: {
      std::string_view text;
      if (value.get(text) == simdjson::SUCCESS) out.text = text;
      out.kind = Json::Kind::text;
      break;
    }
    case element_type::BOOL:
      out.kind = Json::Kind::boolean;
      out.truth = bool(value);
      break;
    case element_type::NULL_VALUE: break;
    default: out.kind = Json::Kind::number; out.text = simdjson::minify(value);
  }
  return out;
}

const Json kNull;

}  // namespace

Result<Json> Json::parse(std::string_view bytes) {
  simdjson::dom::parser parser;
  element root;
  const simdjson::padded_string padded(bytes);
  if (const auto error = parser.parse(padded).get(root); error != simdjson::SUCCESS) {
    return fail(Code::invalid, say("the answer is not JSON: {1}", {simdjson::error_message(error)}));
  }
  return convert(root);
}

const Json& Json::operator[](std::string_view key) const {
  for (const auto& [name, value] : members) {
    if (name == key) return value;
  }
  return kNull;
}

const Json& Json::first_of(std::initializer_list<std::string_view> keys) const {
  for (const std::string_view key : keys) {
    if (const Json& found = (*this)[key]; !found.is_null()) return found;
  }
  return kNull;
}

std::string Json::shown() const {
  switch (kind) {
    case Kind::null: return {};
    case Kind::boolean: return truth ? "true" : "false";
    case Kind::number:
    case Kind::text: return text;
    case Kind::list: {
      std::string out;
      for (const Json& item : items) out += (out.empty() ? "" : ", ") + item.shown();
      return out;
    }
    case Kind::object: {
      std::string out;
      for (const auto& [key, value] : members) out += (out.empty() ? "" : ", ") + key + "=" + value.shown();
      return out;
    }
  }
  return {};
}

std::int64_t Json::integer() const { return kind == Kind::number ? std::strtoll(text.c_str(), nullptr, 10) : 0; }
double Json::number() const { return kind == Kind::number ? std::strtod(text.c_str(), nullptr) : 0; }

std::string Json::compact() const {
  std::string out;
  switch (kind) {
    case Kind::null: return "null";
    case Kind::boolean: return truth ? "true" : "false";
    case Kind::number: return text;
    case Kind::text: append_json_string(out, text); return out;
    case Kind::list:
      out = "[";
      for (const Json& item : items) out += (out.size() > 1 ? "," : "") + item.compact();
      return out + "]";
    case Kind::object:
      out = "{";
      for (const auto& [key, value] : members) {
        if (out.size() > 1) out += ',';
        append_json_string(out, key);
        out += ":" + value.compact();
      }
      return out + "}";
  }
  return out;
}

}  // namespace nudge::cli
