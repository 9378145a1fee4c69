#include "engine/core/keep.h"

#include <algorithm>
#include <tuple>

namespace nudge {
namespace {

// The first instant of the customer's own, one a day, at or after `t`.
TimeMs own_instant(std::string_view customer, TimeMs t) {
  const auto offset = static_cast<TimeMs>(hash64(customer) % static_cast<std::uint64_t>(kKeepGrain));
  const TimeMs behind = ((t - offset) % kKeepGrain + kKeepGrain) % kKeepGrain;
  return behind == 0 ? t : t + (kKeepGrain - behind);
}

Wake* wake_of(CustomerState& state) {
  return !state.wakes.empty() && state.wakes.back().root == kKeepRoot ? &state.wakes.back() : nullptr;
}

void set_wake(CustomerState& state, TimeMs until) {
  Wake* wake = wake_of(state);
  if (until == kNever) {
    if (wake != nullptr) state.wakes.erase(wake);
  } else if (wake != nullptr) {
    wake->until = until;
  } else {
    state.wakes.insert(state.wakes.end(), {kKeepRoot, until});
  }
}

// When the oldest rows are over; kNever when nothing ever is.
TimeMs next_look(const Catalog& catalog, const CustomerState& state) {
  TimeMs first = kNever;
  for (const auto& [type, rows] : state.events) {
    if (catalog.events[type].keep != 0 && !rows.empty()) first = std::min(first, rows.time(0) + catalog.events[type].keep);
  }
  return first == kNever ? kNever : std::max(own_instant(state.id, first), state.clock + 1);
}

void note_late(CustomerState& state, EventTypeId type, TimeMs time, TimeMs now) {
  const TimeMs until = (now / kKeepGrain + 1) * kKeepGrain + kIdsKept;  // of all of a day the same
  state.seldom.change_late([&](LeanVector<LateRows>& late) {
    const auto at = std::ranges::lower_bound(late, std::tuple(type, until), {}, [](const LateRows& l) { return std::tuple(l.type, l.until); });
    if (at == late.end() || at->type != type || at->until != until) {
      late.insert(at, {type, until, time, time});
    } else {
      at->from = std::min(at->from, time);
      at->upto = std::max(at->upto, time);
    }
  });
}

// Whether a row is to stay although it is too old.
bool held(const CustomerState& state, EventTypeId type, const Rows& rows, std::size_t row) {
  const TimeMs time = rows.time(row);
  const auto late = [&](const LateRows& l) { return l.type == type && l.from <= time && time <= l.upto; };
  if (std::ranges::any_of(state.seldom.late(), late)) return true;
  return std::ranges::any_of(state.runs, [&](const Run& run) {
    return run.cause.type == type && run.cause.row_time == time && run.cause.row_id == rows.id(row);
  });
}

}  // namespace

void note_kept(const Catalog& catalog, CustomerState& state, const Input& input, TimeMs now) {
  const DurationMs keep = catalog.events[input.type].keep;
  if (keep == 0) return;
  if (input.time + keep < now + kIdsKept) note_late(state, input.type, input.time, now);
  const TimeMs due = std::max(own_instant(state.id, input.time + keep), now + 1);
  const Wake* wake = wake_of(state);
  if (wake == nullptr || due < wake->until) set_wake(state, due);
}

void arm_keep(const Catalog& catalog, CustomerState& state) { set_wake(state, next_look(catalog, state)); }

bool keep_due(const CustomerState& state, TimeMs now) {
  return !state.wakes.empty() && state.wakes.back().root == kKeepRoot && state.wakes.back().until <= now;
}

std::size_t expire(const Catalog& catalog, CustomerState& state, TimeMs now) {
  if (!state.seldom.late().empty()) {
    state.seldom.change_late([&](LeanVector<LateRows>& late) { erase_if(late, [&](const LateRows& l) { return l.until <= now; }); });
  }
  std::size_t gone = 0;
  bool all_of_a_type = false;
  for (auto& entry : state.events) {
    const EventTypeId type = entry.first;
    const EventTypeDef& def = catalog.events[type];
    if (def.keep == 0) continue;
    const std::size_t old = entry.second.upper_bound(now - def.keep);
    if (old == 0) continue;
    const std::size_t before = entry.second.size();
    entry.second.erase_front(old, def, [&](const Rows& rows, std::size_t row) { return held(state, type, rows, row); });
    gone += before - entry.second.size();
    all_of_a_type = all_of_a_type || entry.second.empty();
  }
  if (all_of_a_type) erase_if(state.events, [](const auto& entry) { return entry.second.empty(); });
  if (gone != 0) {
    state.derived.set(nullptr);
    state.rebuild_ids();
  }
  // What is held is looked at again a day later.
  TimeMs next = next_look(catalog, state);
  if (next != kNever) next = std::max(next, own_instant(state.id, now + 1));
  set_wake(state, next);
  return gone;
}

}  // namespace nudge
