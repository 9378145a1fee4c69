// Where each part of each condition stands, and which node of the plan it became: what coverage of tests speaks of. Recorded only when a
// load asks for it (CompileOptions::record_parts). Plain data; owns all it says.
#pragma once

#include <cstdint>
#include <string>

#include "engine/plan/plan.h"

namespace nudge::lang {

/// One condition that stands for itself: not `all`, `any` or `not`, which follow from their parts. Without a node: the place of a rule
/// (Owner::rule) or of one of its steps (Owner::step) itself.
struct ConditionPart {
  enum class Owner : std::uint8_t { none, segment, trait, score, trigger, rule, step, exit, goal };
  Owner owner = Owner::none;
  std::string name;        // of the segment, trait, score or rule
  std::uint32_t step = 0;  // Owner::step: index into Rule::steps
  NodeId node = kNone;
  EventTypeId row_event = kNoEventType;  // a filter of this event's rows; else asked of the customer
  std::string file;
  std::uint32_t line = 0, column = 0;  // from 1
};

/// Who owns the conditions that are being compiled.
struct PartOwner {
  ConditionPart::Owner kind = ConditionPart::Owner::none;
  std::string_view name;
  std::uint32_t step = 0;
};

}  // namespace nudge::lang
