// One JSON value to one typed value of the catalog, or the reason why it does not fit. Strict: nothing is guessed. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/model/catalog.h"

namespace nudge {

// Why something was set aside. `code` is stable, for machines; `field` is the dotted name or key at fault (may be empty);
// `reason` is one sentence for a person.
struct Problem {
  std::string code;
  std::string field;
  std::string reason;
  bool set() const { return !code.empty(); }
};

// "where" in messages: attribute `tier`, or field `amount` of `order_placed`.
struct Target {
  const LeafDef& leaf;
  std::string_view event;  // empty: an attribute
};

// A number, as its JSON token ("12.50"): decimals never pass through a double.
bool convert_number(const Target& target, std::string_view token, Value& out, Problem& problem);
bool convert_boolean(const Target& target, bool value, Value& out, Problem& problem);
// A string, unescaped and valid UTF-8.
bool convert_text(const Target& target, std::string_view text, Value& out, Problem& problem);
// A list of text; `items` are valid UTF-8.
bool convert_list(const Target& target, const std::vector<std::string>& items, Value& out, Problem& problem);
// Says that a value of JSON type `got` was found where the catalog wants another.
bool wrong_type(const Target& target, std::string_view got, Problem& problem);

// "2026-01-31T10:00:00.123Z" fast, everything else through parse_timestamp.
Result<TimeMs> read_timestamp(std::string_view text);

}  // namespace nudge
