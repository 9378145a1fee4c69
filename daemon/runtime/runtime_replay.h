// The whole log decided again from its first block on, under the plans that were in force.
//
// Thread-safety: the plans must not change meanwhile; the log may grow, and not be rewritten.
#pragma once

#include <array>
#include <functional>
#include <limits>

#include "daemon/runtime/log_block.h"
#include "daemon/runtime/plan_store.h"
#include "daemon/runtime/runtime.h"
#include "engine/base/hash.h"

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
  // The first half of such a text.
  static std::string_view known(std::string_view text) { return text.substr(0, text.find('-')); }

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
inline constexpr LogPlace kLogEnd{kLastBlock, 0};

// Where in the log each slot's customers were when their states were added up; by slot. A customer is in one slot for ever, so that states
// taken slot by slot, while others go on, are compared at the same point all the same.
using SlotPlaces = std::array<LogPlace, kSlots>;

// Blocks up to `last`; kLastBlock: all. Decisions are compared up to there; the digest has each slot's customers as they were at `places`
// (null: at the end). `catalog`: the newest one, by which states are encoded. `each` (may be empty) is given every customer's state at the
// end. Errors: of the store; corrupt; conflict (not every block has what it had).
Result<ReplayDigest> replay_whole_log(Store& store, PlanStore& plans, std::uint64_t last, const Catalog& catalog,
                                      const std::function<void(const CustomerState&)>& each, const SlotPlaces* places = nullptr);

}  // namespace nudge::daemon
