// Two ids, one person: what an alias was known by leaves its state in portions, and the customer that it turned out to be takes them in
// (docs/decisions/merge.md). Pure functions.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"
#include "engine/model/customer.h"

namespace nudge {

// A part of what an alias was known by. `memory` has no facts: its id is the alias, its clock that of the merge, and the first portion's
// has the last firings, contacts, waiting steps and aliases.
struct Portion {
  CustomerState memory;
  std::vector<Input> inputs;
};

// Empties the alias's state at `now`, leaves the way to `into` in it, and answers what was in it, encoded, in portions of bounded size: at
// least one. Its memberships end without an edge.
std::vector<std::string> take_out(CustomerState& alias, std::string_view into, TimeMs now, const Catalog& catalog);

// Reads a portion for customer `into`. What was dated ahead at the merge is live, all else history. Error: corrupt.
Result<Portion> read_portion(std::string_view bytes, std::string_view into, const Catalog& catalog);

// The portion without the events of these types, which it adds to `events`; nothing when it can't be read.
std::optional<std::string> portion_without(std::string_view bytes, const std::set<EventTypeId>& types, std::uint64_t& events);

// Adds firings, contacts, waiting steps and aliases to a customer's own; what is there already stays as it is.
void join_memory(CustomerState& state, const CustomerState& memory);

}  // namespace nudge
