// Takes what customers were out of a block of the log. Pure functions.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "daemon/runtime/erased.h"
#include "engine/base/status.h"
#include "engine/model/catalog.h"

namespace nudge::daemon {

// The block without what these customers did up to their instants: their entries and edges are gone, their decisions and actions stand
// there without a customer, so that numbers stay what they are; counters stay, the words of the last error do not. Nothing when the block
// says nothing of them. Error: corrupt.
Result<std::optional<std::string>> scrub_block(std::string_view block, const ErasedIds& gone);

// The block without the events of these types; entries that held nothing else go whole. Decisions, messages and counters stay. Nothing when it
// has none of them; `events` counts what went. Error: corrupt.
Result<std::optional<std::string>> scrub_events(std::string_view block, const std::set<EventTypeId>& types, std::uint64_t& events);

}  // namespace nudge::daemon
