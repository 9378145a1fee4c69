// Reading an action's payload: typed access to the rendered JSON, and checks of what goes to a provider. Thread-safe, no state.
// Header-only; needs Boost.JSON.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace nudge::connectors {

class Payload {
 public:
  // Never throws: a payload that is no object has no fields.
  explicit Payload(std::string_view json) {
    boost::json::error_code error;
    boost::json::value value = boost::json::parse({json.data(), json.size()}, error);
    if (!error && value.is_object()) object_ = std::move(value.get_object());
  }
  std::string text(std::string_view name) const {
    const auto* value = find(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
  }
  const boost::json::value* find(std::string_view name) const { return object_.if_contains({name.data(), name.size()}); }

 private:
  boost::json::object object_;
};

// Text on one line of a protocol: a line break or control character there would be an injection.
inline bool has_control(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  return false;
}

// A provider's JSON answer as an object; nothing when it is none (an HTML error page, a cut body).
inline std::optional<boost::json::object> json_object(std::string_view body) {
  boost::json::error_code error;
  boost::json::value value = boost::json::parse({body.data(), body.size()}, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

// A member as text: strings as they are, whole numbers in digits; empty otherwise.
inline std::string member_text(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains({name.data(), name.size()});
  if (value == nullptr) return {};
  if (value->is_string()) return std::string(value->get_string());
  if (value->is_int64()) return std::to_string(value->get_int64());
  if (value->is_uint64()) return std::to_string(value->get_uint64());
  return {};
}

}  // namespace nudge::connectors
