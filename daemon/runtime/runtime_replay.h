// The whole log decided again from its first block on, under the plans that were in force.
//
// Thread-safety: the store and the plans must not change meanwhile.
#pragma once

#include <functional>
#include <limits>

#include "daemon/runtime/plan_store.h"
#include "daemon/runtime/runtime.h"

namespace nudge::daemon {

inline constexpr std::uint64_t kLastBlock = std::numeric_limits<std::uint64_t>::max();

// Blocks up to `last`; kLastBlock: all. `catalog`: the newest one, by which states are encoded. `each` (may be empty) is given every
// customer's state at the end. Errors: of the store; corrupt.
Result<ReplayDigest> replay_whole_log(Store& store, PlanStore& plans, std::uint64_t last, const Catalog& catalog,
                                      const std::function<void(const CustomerState&)>& each);

}  // namespace nudge::daemon
