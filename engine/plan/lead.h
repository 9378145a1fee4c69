// Leads as the rules see them: pools, the stages of a sale. Plain data; immutable once the plan is built.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/time.h"
#include "engine/model/catalog.h"

namespace nudge {

// Where leads lie until somebody takes them, and where they go back to.
struct Pool {
  std::string name;
  std::string description;
  std::string team;                        // whose pool it is; empty only when everybody may claim
  bool everybody = false;                  // `public`: members of any team may claim
  std::uint32_t per_day = 0;               // claims of one person in a day of the company; 0: no limit
  std::uint32_t owned_most = 0;            // leads of this pool that a person who claims may have; 0: no limit
  DurationMs again_after = 0;              // who had it last may claim it again so much later
  std::vector<std::string> return_reasons;  // empty: any words
  std::vector<std::string> close_reasons;
  DurationMs recycle_after = 0;            // without a follow-up the owner loses it; 0: never
  std::string recycle_to;                  // the pool that gets it then
  std::vector<EventTypeId> follow_ups;     // events that count as such
  AttributeId owner_attribute = kNoAttribute;  // of the customer: says who has it, as the desk decided
};

// A stage of a funnel.
struct FunnelStage {
  std::string name;
  std::string description;
  std::uint32_t percent = 0;       // of the opportunities in it that are won in the end
  DurationMs stalled_after = 0;    // without a move or a follow-up; 0: never
  std::vector<std::string> tasks;  // what is to be done in it, for people
};

struct Funnel {
  std::string name;
  std::string description;
  std::vector<FunnelStage> stages;  // in order
  std::vector<std::string> lost_reasons;
  std::vector<EventTypeId> follow_ups;
};

}  // namespace nudge
