// What is known of how many rows there are: "at least 3 logins within 30 days", "no order ever". One set of rows may lie within another, by
// its window, its filter and its field; then it can't hold more rows.
//
// Plain data; not thread-safe (asks the solver about filters).
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "engine/plan/plan.h"

namespace nudge::lint {

class Solver;

inline constexpr std::int64_t kManyRows = std::numeric_limits<std::int64_t>::max();

// Rows of one event type.
struct Rowset {
  EventTypeId event = kNoEventType;
  NodeId filter = kNone;
  Window window;
  bool before_trigger = false;
  FieldId field = kNoField;  // only rows that have it
};

struct RowFact {
  Rowset rows;
  std::int64_t least = 0, most = kManyRows;
};

// True when every instant in `inner` is also in `outer`, whatever the time and the zone. False when it is not known.
bool window_within(const Window& inner, const Window& outer);
// True when no instant can be in both.
bool windows_apart(const Window& a, const Window& b);
// Rows whose age is in [least, most) of milliseconds; kNever: no end.
Window aged(DurationMs least, DurationMs most);

// True when every row of `inner` is one of `outer`.
bool rows_within(const Rowset& inner, const Rowset& outer, Solver& solver);
// True when these can't all be true.
bool contradict(const std::vector<RowFact>& facts, Solver& solver);

}  // namespace nudge::lint
