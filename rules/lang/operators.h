// Which operators fit which types, in one table: the compiler checks by it, messages list from it, docs/language.md is held against it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/plan/condition.h"

namespace nudge::lang {

/// What stands after an operator.
enum class Operand : std::uint8_t {
  same,      // a literal of the left side's type, or {attribute: …}, {trait: …}, {field: …}
  list,      // a list of such literals
  pair,      // [low, high]
  text,      // a text (contains …, has)
  texts,     // a list of texts (has_any, has_all)
  pattern,   // RE2
  duration,  // 30d
  truth,     // true or false
  nested,    // a map with a comparison of its own (size, days_since)
};

using Families = std::uint8_t;
inline constexpr Families kText = 1, kNumeric = 2, kDate = 4, kTimestamp = 8, kBoolean = 16, kList = 32, kObject = 64;

struct OperatorInfo {
  std::string_view word;
  Op op;
  Families families;
  Operand operand;
  bool right_side;   // may be compared with an attribute or trait
  bool ignore_case;  // `ignore_case: true` means something
};

Families family_of(Type type);
/// Null for a word that is no plain operator (size, days_since, changed, has_been, band are not in the table).
const OperatorInfo* find_operator(std::string_view word);
/// The words that fit a type, for messages. `attribute`: with those that ask about an attribute's past.
std::vector<std::string_view> operators_for(Type type, bool attribute);

}  // namespace nudge::lang
