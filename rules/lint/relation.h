// What rules write and what they listen to: "rule A makes an event on which rule B fires". The ground of the lint on loops; what a new kind
// of action writes is added here and nowhere else.
//
// Plain data and pure functions.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/plan/plan.h"

namespace nudge::lint {

// Something that a rule makes happen, at once or by its steps within a day, without a person.
struct Writing {
  enum class Kind : std::uint8_t { event, attribute, tag };
  Kind kind = Kind::event;
  EventTypeId event = kNoEventType;
  AttributeId attribute = kNoAttribute;
  Value value;                                    // attribute: what it is set to; missing: not known beforehand
  std::vector<std::pair<FieldId, Value>> fields;  // event: the fields whose values are known
  std::string tag;
  bool removed = false;  // tag
};

// What a written attribute or tag may do to a condition within a day. Of an attribute whose new value is not known beforehand both are
// said.
struct Moves {
  bool to_true = false, to_false = false;
};
Moves moves(const Plan& plan, NodeId node, const Writing& writing);

// When each step of a rule may act at the earliest, counted from the firing; kNever: never. Waits for a condition count as none.
std::vector<DurationMs> earliest(const Rule& rule);
// What an active rule writes. A rule in another state writes nothing.
std::vector<Writing> writings_of(const Plan& plan, const Rule& rule);
// True when the rule's trigger is met by it, as far as can be told without the customer. A written attribute or tag is followed into the
// segments that it may move the customer into or out of; whether they are also left again, which a loop takes, is the caller's to ask.
bool listens_to(const Plan& plan, const Rule& rule, const Writing& writing);

// A filter on a row of which some fields are known: 1 it holds, 0 it does not, -1 that depends.
int judge(const Plan& plan, NodeId filter, const std::vector<std::pair<FieldId, Value>>& fields);

}  // namespace nudge::lint
