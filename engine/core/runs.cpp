#include "engine/core/runs.h"

#include <algorithm>

#include "engine/core/explain.h"
#include "engine/core/judge.h"

namespace nudge {

namespace {

std::uint64_t says(std::uint64_t mark) { return mark >> 32U; }
std::uint64_t place(std::uint64_t mark) { return mark & 0xffffffffU; }

bool on(const Rule& rule) { return rule.state == RuleState::active || rule.state == RuleState::shadow; }

std::string label_of(const Rule& rule, std::uint32_t step) {
  return step < rule.steps.size() && !rule.steps[step].label.empty() ? rule.steps[step].label : std::to_string(step + 1);
}

}  // namespace

std::string_view run_fate_name(RunFate fate) {
  switch (fate) {
    case RunFate::kept: return "kept";
    case RunFate::edited: return "edited";
    case RunFate::moved: return "moved";
    case RunFate::ended: return "ended";
    case RunFate::gone: return "gone";
  }
  return "";
}

std::optional<StepPlace> find_step(const Rule& rule, std::uint32_t step, std::uint64_t mark) {
  if (mark == 0) return step < rule.steps.size() ? std::optional<StepPlace>({step, RunFate::kept}) : std::nullopt;
  // Better: after an equal step; then nearer; then later.
  struct Rank {
    bool strange;
    std::uint32_t away;
    bool earlier;
    auto operator<=>(const Rank&) const = default;
  };
  std::optional<Rank> best;
  std::uint32_t found = 0;
  for (std::uint32_t i = 0; i < rule.steps.size(); ++i) {
    const std::uint64_t other = rule.steps[i].mark;
    if (says(other) != says(mark)) continue;
    const Rank rank{place(other) != place(mark), i > step ? i - step : step - i, i < step};
    if (best && *best <= rank) continue;
    best = rank;
    found = i;
  }
  if (best) return StepPlace{found, found == step ? RunFate::kept : RunFate::moved};
  if (step < rule.steps.size() && place(rule.steps[step].mark) == place(mark)) return StepPlace{step, RunFate::edited};
  return std::nullopt;
}

std::vector<RunChange> runs_under(const Plan& current, const CustomerState& state, const Plan& next) {
  std::vector<RunChange> changes;
  for (const Run& run : state.runs) {
    if (!between_steps(run)) continue;
    RunChange& change = changes.emplace_back();
    change.from = std::to_string(run.step + 1);
    change.waits_until = run.waits_until();
    const auto it = current.rule_of_id.find(run.rule);
    const Rule* then = nullptr;
    if (it != current.rule_of_id.end()) {
      const Rule& now = current.rules[it->second];
      change.rule = now.name;
      change.from = label_of(now, run.step);
      then = next.find_rule(now.name);
    }
    if (then == nullptr) {
      change.fate = RunFate::gone;
      continue;
    }
    const std::optional<StepPlace> found = find_step(*then, run.step, run.mark);
    change.fate = !found ? RunFate::ended : !on(*then) ? RunFate::gone : found->fate;
    if (found && on(*then)) change.to = label_of(*then, found->step);
  }
  return changes;
}

std::string describe_step(const Plan& plan, const Rule& rule, std::uint32_t step) {
  std::string text = "step " + label_of(rule, step);
  if (step >= rule.steps.size()) return text;
  const Step& s = rule.steps[step];
  switch (s.kind) {
    case Step::Kind::act: return text + " (" + s.action.kind + ")";
    case Step::Kind::wait: return text + " (a delay)";
    case Step::Kind::until: return text + " (until " + describe(plan, s.condition) + ")";
    case Step::Kind::branch: return text + " (if " + describe(plan, s.condition) + ")";
    case Step::Kind::jump: return text;
    case Step::Kind::stop: return text + " (stop)";
  }
  return text;
}

std::string describe_run(const Plan& plan, const Run& run) {
  const auto it = plan.rule_of_id.find(run.rule);
  const std::string when = format_timestamp(run.waits_until());
  if (run.step == kGoalStep || run.step == kGoalHoldoutStep) return "its goal is waited for until " + format_timestamp(run.due - 1);
  if (run.step == kHoldStep) return "fires at " + when + " if the segment holds until then";
  if (run.step == kDateStep) return "fires at " + when + " if its condition holds then";
  if (it == plan.rule_of_id.end()) return "waits until " + when + ": step " + std::to_string(run.step + 1) + " of a rule that is gone";
  const Rule& rule = plan.rules[it->second];
  const bool until = run.step < rule.steps.size() && rule.steps[run.step].kind == Step::Kind::until;
  return (until ? "waits until " + when + " at the latest: " : "waits until " + when + ": ") + describe_step(plan, rule, run.step);
}

}  // namespace nudge
