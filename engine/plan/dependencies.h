// What an input can touch: fills the indexes of a plan from the graph below its segments and from the triggers of its rules.
#pragma once

#include "engine/plan/plan.h"

namespace nudge {

// A segment depends on every event type, attribute and tag that its graph reaches through traits, scores, sequences and other segments; and
// on the customer's time zone when dates, calendar windows or calendars are among them.
void index_plan(Plan& plan);

}  // namespace nudge
