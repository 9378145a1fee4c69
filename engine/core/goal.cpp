// What a rule brings in: whether its goal comes within its time after a firing, and after one that the holdout kept back.
#include <algorithm>

#include "engine/core/judge.h"
#include "engine/core/runs.h"

namespace nudge {

void Judge::watch_goal(const Rule& rule, const Cause& cause, bool holdout, TimeMs now) {
  if (rule.goal.event == kNoEventType || rule.goal.within <= 0) return;
  const std::uint32_t step = holdout ? kGoalHoldoutStep : kGoalStep;
  // A customer counts once at a time: a firing while an earlier one still waits for its goal starts the wait anew.
  erase_if(state_->runs, [&](const Run& run) { return run.rule == rule.id && run.step == step && run.cause.key == cause.key; });
  Run run;
  run.rule = rule.id;
  run.step = step;
  run.due = now + rule.goal.within + 1;  // an event exactly `within` after the firing still counts
  run.started = now;
  run.cause = cause;
  add_run(rule, std::move(run));
}

Decimal goal_value(const Plan& plan, const Goal& goal, const RowRef& row) {
  Decimal value;
  if (goal.value == kNoField) return value;
  const Kind kind = kind_of(plan.catalog->events[row.type].fields[goal.value].type);
  const ValueView v = row.rows->field(row.row, goal.value, kind);
  constexpr std::int64_t kMost = Decimal::kMaxUnits / Decimal::kScale;
  if (v.kind == Kind::decimal) value.units = v.i;
  if (v.kind == Kind::integer) value.units = std::clamp(v.i, -kMost, kMost) * Decimal::kScale;
  if (v.kind == Kind::number)
    value.units = static_cast<std::int64_t>(std::clamp(v.d, -1e11, 1e11) * static_cast<double>(Decimal::kScale));
  return value;
}

// The later steps of a firing whose goal is met do not run, whichever of the rule's firings is the one that is measured.
void Judge::stop_at_goal(const NewRow& row, const RowRef& ref, TimeMs now) {
  erase_if(state_->runs, [&](const Run& run) {
    if (!between_steps(run)) return false;
    const auto it = plan_->rule_of_id.find(run.rule);
    if (it == plan_->rule_of_id.end()) return false;
    const Rule& rule = plan_->rules[it->second];
    const Goal& goal = rule.goal;
    if (!goal.stop || goal.event != row.type || row.time <= run.started || row.time - run.started > goal.within) return false;
    if (goal.where != kNone && !evaluator.truth(goal.where, &ref).truth) return false;
    decide(rule, run.cause, now, false, Held::goal, run.step, {});
    return true;
  });
}

void Judge::meet_goals(TimeMs now) {
  if (rows.empty() || state_->runs.empty()) return;
  for (const NewRow& row : rows) {
    const Rows* found = state_->rows(row.type);
    if (found == nullptr) continue;
    const RowRef ref{found, found->position(row.time, row.id), row.type};
    stop_at_goal(row, ref, now);
    erase_if(state_->runs, [&](const Run& run) {
      if (!waits_for_goal(run) || row.time <= run.started || row.time >= run.due) return false;
      const auto it = plan_->rule_of_id.find(run.rule);
      if (it == plan_->rule_of_id.end()) return false;
      const Goal& goal = plan_->rules[it->second].goal;
      if (goal.event != row.type || (goal.where != kNone && !evaluator.truth(goal.where, &ref).truth)) return false;
      const GoalMet met{run.rule, run.step == kGoalHoldoutStep, now, goal_value(*plan_, goal, ref)};
      effects_->goals.push_back(met);
      return true;
    });
  }
}

}  // namespace nudge
