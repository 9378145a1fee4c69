// One JSON document (RFC 8259) as a tree, strict and bounded: for small answers of others. Pure; the tree owns all its text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace nudge {

struct JsonValue {
  enum class Kind : std::uint8_t { null, boolean, number, text, list, object };
  Kind kind = Kind::null;
  bool truth = false;
  std::string text;                // text: unescaped, valid UTF-8; number: its token as written, so that no digit is lost
  std::vector<std::string> names;  // object: of the members, in the order written
  std::vector<JsonValue> items;    // list; object: the members' values

  // Of several members with one name the last counts; null: none.
  const JsonValue* find(std::string_view name) const;
  // For messages: "a text", "a number" …
  std::string_view kind_name() const;
};

inline constexpr int kJsonDepth = 32;
// Error: no valid JSON, nested too deep, or longer than `bytes_max`; the message says at which byte.
Result<JsonValue> parse_json(std::string_view text, std::size_t bytes_max);

}  // namespace nudge
