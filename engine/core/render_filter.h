// Filters of templates: values into text. Pure; used by render.cpp and by the desk for what it fills in.
#pragma once

#include <span>
#include <string>

#include "engine/core/effects.h"

namespace nudge {

class Evaluator;

// What a placeholder holds on its way through the filters.
struct Shown {
  Value value;       // while it is a value
  std::string text;  // once a filter made it text
  bool is_text = false;
  bool missing() const { return is_text ? false : value.missing(); }
  std::string as_text() const { return is_text ? text : to_text(value.view()); }
};

struct FilterContext {
  Evaluator* evaluator = nullptr;  // for the customer's zone; null: UTC
  std::string_view language;       // empty: plain forms
};

// `operand`: the filter's argument, when it is a variable.
void apply_filter(const FilterContext& context, const Filter& filter, const Shown* operand, Shown& shown);

// What stands in a stored text until a digest's message is made (core/digests.h): of "list" or "size".
std::string digest_mark(std::string_view property, Escape escape);

void append_escaped(std::string& out, std::string_view text, Escape how);

// The member of a team with this id, in any team of the plan; null when there is none.
const Member* find_member(const Plan& plan, std::string_view id);
// The member's property; `tenure_days` at that instant.
Value member_property(const Member& member, std::string_view name, TimeMs now);
// Puts what was left open for the desk into the payload: properties of `member` (null: nobody was chosen), or by `more` (may be null) what is
// known by name, of an approval.
void fill_late(ActionOut& action, const Member* member, const std::vector<std::pair<std::string, Value>>* more = nullptr);

}  // namespace nudge
