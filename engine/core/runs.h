// Runs under a change of plan: whether the step that a run waits at still exists, and what happens to each run of a state. Pure.
//
// A step is the same step when all that it says is the same, wherever it stands now; of several such the one after an equal step, then the
// one at the same place, then the nearest. A step that was edited at its place (the same kind, and the step before it is what it was) is
// the same step as well: the run goes on with what it says now, and the instant that it waits for stays as it was set.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/effects.h"
#include "engine/model/customer.h"
#include "engine/plan/plan.h"

namespace nudge {

enum class RunFate : std::uint8_t {
  kept,    // waits on, at the same place
  edited,  // waits on, at the same place; what the step says is new
  moved,   // waits on, at another place
  ended,   // its step is gone: ends when the new plan takes over, with Held::step_gone
  gone,    // its rule is gone, paused or a draft: ends when its wait is over, with Held::rule_gone, unless the rule is back by then
};
std::string_view run_fate_name(RunFate fate);  // "kept" …

// A run between two steps; not one that waits for a `for:`, a day or a goal.
inline constexpr std::uint32_t kFirstWaitStep = 0xfffffff0;  // from here on `Run::step` stands for waits outside of the rule's steps
inline bool between_steps(const Run& run) { return run.step < kFirstWaitStep; }

struct StepPlace {
  std::uint32_t step = 0;
  RunFate fate = RunFate::kept;
};
// Where the step that a run waits at stands in this version of its rule; nothing when it is gone.
std::optional<StepPlace> find_step(const Rule& rule, std::uint32_t step, std::uint64_t mark);

// What happens to a run of a state when `next` takes over from `current`.
struct RunChange {
  std::string rule;
  RunFate fate = RunFate::kept;
  std::string from;        // the step's label in the current plan; its number when the rule is not in it
  std::string to;          // … in the next plan; empty: ended or gone
  TimeMs waits_until = 0;  // when its wait is over at the latest
};
// One entry per run between two steps, in the order of the state's runs. `current` is the plan that the state was judged under, and bound;
// `next` need not be bound: rules are known by their names.
std::vector<RunChange> runs_under(const Plan& current, const CustomerState& state, const Plan& next);

// "step 3 (sms)", "step 4 (until 2 hours …)": a step for people.
std::string describe_step(const Plan& plan, const Rule& rule, std::uint32_t step);
// "waits until 2026-02-01T00:00:00Z: step 3 (sms)"; for every kind of run.
std::string describe_run(const Plan& plan, const Run& run);

}  // namespace nudge
