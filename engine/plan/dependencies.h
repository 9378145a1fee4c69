// What an input can touch: fills the indexes of a plan from the graph below its segments and from the triggers of its rules.
#pragma once

#include <map>
#include <vector>

#include "engine/plan/plan.h"

namespace nudge {

// A segment depends on every event type, attribute and tag that its graph reaches through traits, scores, sequences and other segments; and
// on the customer's time zone when dates, calendar windows or calendars are among them.
void index_plan(Plan& plan);

// How far before now a window can see; kNever: without end. A day more than the longest of its kind: zones have repeated hours and days.
DurationMs reach_of(const Window& window);

// What a reading reads: conditions, values, and rows of these types at the instant itself. kNone stands for nothing.
struct Reading {
  std::vector<NodeId> conditions;
  std::vector<ExprId> values;
  std::vector<EventTypeId> events;
};
// All that decides whether and how the rule acts, its trigger included.
void add_reading(const Plan& plan, const Rule& rule, Reading& reading);
// The types of events that are read, and how far back at most.
std::map<EventTypeId, DurationMs> looks_back(const Plan& plan, const Reading& reading);

}  // namespace nudge
