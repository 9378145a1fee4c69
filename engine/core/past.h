// What can't be seen of the past any more: events that the catalog keeps for a time leave the states (keep.h). No condition notices at the
// present, but one that is asked about an earlier instant looks back from there. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "engine/plan/dependencies.h"

namespace nudge {

// Events of a type that an answer would have to know, some of which may be gone.
struct Faded {
  std::string event;
  DurationMs keep = 0;
  TimeMs whole_since = 0;  // all that happened after this instant are there
};

// What a reading about the instant `at` (a range: its beginning) would have to see and can't be sure of; by the name. `kept_by`: the
// catalog that was in force up to `now`; its ids are those of the plan's catalog or continue them.
std::vector<Faded> faded(const Plan& plan, const Reading& reading, TimeMs at, const Catalog& kept_by, TimeMs now);
// One sentence, for people.
std::string faded_text(const Faded& f);

}  // namespace nudge
