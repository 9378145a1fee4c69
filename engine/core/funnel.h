// The funnel: how many opportunities are in which stage, how many get through, and what they let expect. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/core/opportunities.h"

namespace nudge {

struct StageCount {
  std::uint64_t open = 0;      // in it now …
  std::uint64_t stalled = 0;   // … of which so many lie still
  std::uint64_t reached = 0;   // were in this stage or a later one, whatever became of them
  std::uint64_t moved_on = 0;  // reached the next stage; of the last stage: were won
  Int128 amount = 0, expected = 0;  // of those in it now, in millionths; expected: times the probability
  DurationMs age = 0;               // of all in it now, in this stage
};

struct FunnelCount {
  std::vector<StageCount> stages;  // in the order of the funnel
  StageCount open;                 // all open ones; also those whose stage is in the funnel no more, which let nothing expect
  std::uint64_t won = 0, lost = 0;
  Int128 won_amount = 0, lost_amount = 0;
  std::map<std::string, std::uint64_t> lost_reasons;
};

// Opportunities of other funnels are passed over.
FunnelCount count_funnel(const Funnel& funnel, std::span<const Opportunity> deals, TimeMs now);

}  // namespace nudge
