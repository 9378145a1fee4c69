// What rules write back into their customer: attributes, tags and events of their own (docs/decisions/writes.md).
//
// A write made at the instant t is a fact dated t + 1 ms. The engine puts it into the state by itself; a replay of what came in makes it
// again, so it stands in no log. Pure; no state of its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/core/effects.h"
#include "engine/core/render.h"

namespace nudge {

// The id of a fact made by a rule: "~", the action's id, ".", and how many firings fed each other without delay to get there (1: the first).
std::string fact_id(const Hash128& action, std::uint32_t depth);
// The depth in such an id; 0 for every other.
std::uint32_t fact_depth(std::string_view id);

// A write, worked out: the fact, and what it says as the action's JSON payload.
struct MadeFact {
  Input input;
  std::string payload;
};
// `context` as for rendering, begun at the instant of the step. The fact is dated the millisecond after it; where another rule's write of
// the same instant is about the same attribute or tag, one after that, so that two additions add up. Error: what does not fit and why.
Result<MadeFact> make_fact(const RenderContext& context, const Write& write, std::string id);

// True for the actions that are done the moment they are decided: they never go to a connector or a list.
bool done_by_engine(const ActionOut& action);
// An assignment of an owner by the desk, as the fact that tells it to the customer's own rules; nothing when nobody was chosen or the
// attribute is no more. Its id is the same whenever it is made.
std::optional<Input> owner_fact(const Catalog& catalog, const ActionOut& action);
// The payload of an action that owner_fact reads.
std::string owner_payload(const Catalog& catalog, AttributeId owner, std::string_view fact);

}  // namespace nudge
