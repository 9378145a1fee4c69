// What is different between two plans, in words: for `nudge plan`. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "engine/simulate/backtest.h"

namespace nudge {

struct PlanDiff {
  // One side of a definition that differs: "if", "then 2", "limits". Empty texts: it is not there.
  struct Part {
    std::string part, was, now;
  };
  struct Item {
    std::string kind;  // rule, segment, trait, score, team, policy, calendar, template, attribute, event
    std::string name;
    Change change = Change::changed;
    std::vector<Part> parts;  // of a changed one; of an added one all, with `was` empty; of a removed one the other way round
    std::string state;        // what happens to what was remembered for it; empty: it has no state
  };
  std::vector<Item> items;  // rules first, then segments, then the rest; by name
};

// `current` may be null: everything is new. Both catalogs are of one data directory.
PlanDiff diff_plans(const Plan* current, const Plan& next);

}  // namespace nudge
