// What a plan adds to the one before it. Where it only adds segments, a customer whom their filters on attributes rule out is what it was: a
// sweep over all customers then reads little more than the attributes of most.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/plan/plan.h"

namespace nudge {

// The segments of `plan` that `before` does not have, as indexes; both are bound. Nothing when the plan does more than add segments and rules
// that enter or leave them or fire on what comes in: when anything is gone, changed, waits for days, or fires on existing members of a segment
// that was there before.
std::optional<std::vector<std::uint32_t>> only_adds(const Plan& before, const Plan& plan);

}  // namespace nudge
