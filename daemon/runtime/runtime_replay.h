// The whole log decided again from its first block on, under the plans that were in force.
//
// Thread-safety: the store and the plans must not change meanwhile.
#pragma once

#include <functional>
#include <limits>

#include "daemon/runtime/plan_store.h"
#include "daemon/runtime/runtime.h"

namespace nudge::daemon {

// A digest over states in any order: two halves of 32 digits with a dash between. The first says what they know and decided; the second
// also until when they wait, which are lower bounds: another release may choose earlier ones.
class StateDigest {
 public:
  void add(CustomerState& state, const Catalog& catalog) {
    state.applied = 0;  // a restart may change the block number
    add(all_, state, catalog);
    state.wakes.clear();
    add(known_, state, catalog);
    ++customers_;
  }
  std::uint64_t customers() const { return customers_; }
  std::string text() const { return to_hex(known_) + "-" + to_hex(all_); }

 private:
  // The order of customers is not fixed, so their hashes are added up.
  static void add(Hash128& sum, const CustomerState& state, const Catalog& catalog) {
    std::string bytes = state.id + "\n";
    encode_customer(bytes, state, catalog);
    const Hash128 h = hash128(bytes);
    sum.hi += h.hi;
    sum.lo += h.lo;
  }
  Hash128 known_, all_;
  std::uint64_t customers_ = 0;
};

inline constexpr std::uint64_t kLastBlock = std::numeric_limits<std::uint64_t>::max();

// Blocks up to `last`; kLastBlock: all. `catalog`: the newest one, by which states are encoded. `each` (may be empty) is given every
// customer's state at the end. Errors: of the store; corrupt.
Result<ReplayDigest> replay_whole_log(Store& store, PlanStore& plans, std::uint64_t last, const Catalog& catalog,
                                      const std::function<void(const CustomerState&)>& each);

}  // namespace nudge::daemon
