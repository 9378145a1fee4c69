// Every instant at which an answer could change, found the crude way: each time that occurs in the facts plus and minus each length of time
// that occurs in the definitions, each calendar day's start and hours in each zone, one millisecond before and after. Too many never hurts;
// the reference evaluates everything at each of them.
#pragma once

#include "tests/simulation/reference/condition.h"

namespace nudge::reference {

// Ascending, each once, all in (after, before).
std::vector<TimeMs> boundaries(const Definitions& all, const std::vector<Input>& facts, TimeMs after, TimeMs before);

}  // namespace nudge::reference
