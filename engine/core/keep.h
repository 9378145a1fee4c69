// Events that are kept for a time: `keep` of an event type in the catalog. What is older leaves the state at an instant that the facts alone
// decide, like any other boundary, so a replay comes to the same (docs/decisions/keep.md). Pure functions.
//
// No condition sees the difference: the compiler refuses windows and `max_age` beyond `keep`. Rows that something waiting speaks of stay until it is
// over, rows that came late for kIdsKept after they came in.
#pragma once

#include "engine/model/customer.h"

namespace nudge {

// The wake at which rows are looked through; no segment has this id.
inline constexpr RootId kKeepRoot = 0xfffffffe;
// Once a day and customer, at an instant of the customer's own.
inline constexpr DurationMs kKeepGrain = kDay;
// A sender who repeats an event is told so for at least this long.
inline constexpr DurationMs kIdsKept = 7 * kDay;

// To be called for each event that was stored at `now`: says when it is to be looked at.
void note_kept(const Catalog& catalog, CustomerState& state, const Input& input, TimeMs now);
// Says it anew for all rows: for states of another plan, and those put together by other ways than Engine::step.
void arm_keep(const Catalog& catalog, CustomerState& state);
// True when the time has come.
bool keep_due(const CustomerState& state, TimeMs now);
// Takes out what is too old at `now`, and says when to look again. Views into rows are void after it. Returns how many rows went.
std::size_t expire(const Catalog& catalog, CustomerState& state, TimeMs now);

}  // namespace nudge
