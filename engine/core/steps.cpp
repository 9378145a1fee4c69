// The program of a rule's steps: run at the firing until the first wait, then whenever a wait is over.
#include <algorithm>
#include <utility>
#include <numeric>

#include "engine/core/judge.h"
#include "engine/core/runs.h"

namespace nudge {

namespace {

// Whether what the run waits for is also a condition, not only an instant.
bool asks(const Rule& rule, const Run& run) {
  if (!between_steps(run)) return false;
  return rule.exit != kNone || (run.step < rule.steps.size() && rule.steps[run.step].kind == Step::Kind::until);
}

// Equal ones stay as they stood.
void sort_runs(LeanVector<Run>& runs) {
  std::vector<std::size_t> order(runs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    if (run_before(runs[a], runs[b])) return true;
    return !run_before(runs[b], runs[a]) && a < b;
  });
  LeanVector<Run> sorted;
  sorted.reserve(runs.size());
  for (const std::size_t i : order) sorted.push_back(std::move(runs[i]));
  runs = std::move(sorted);
}

}  // namespace

// An exit ends what waits: it is asked before each step after the firing's own instant, and when a wait begins.
bool Judge::exits(const Rule& rule, const Cause& cause, std::uint32_t step, TimeMs now, TimeMs& again) {
  if (rule.exit == kNone) return false;
  begin_for(cause, now);
  const Verdict verdict = evaluator.truth(rule.exit);
  again = std::min(again, verdict.until);
  if (verdict.truth) decide(rule, cause, now, false, Held::exit, step, {});
  return verdict.truth;
}

void Judge::begin_wait(const Rule& rule, const Cause& cause, TimeMs started, std::uint32_t step, TimeMs deadline, TimeMs again,
                       TimeMs now, TimeMs since) {
  Run run;
  run.rule = rule.id;
  run.step = step;
  run.due = std::min(deadline, std::max(again, now + 1));
  run.started = started;
  run.cause = cause;
  if (run.due != deadline) run.deadline = deadline;
  run.mark = rule.steps[step].mark;
  run.since = since;
  add_run(rule, std::move(run));
}

void Judge::run_steps(const Rule& rule, const Cause& cause, TimeMs started, std::uint32_t step, bool delay_passed, TimeMs now) {
  TimeMs since = std::exchange(waited_since_, kAlways);
  while (step < rule.steps.size()) {
    const Step& next = rule.steps[step];
    TimeMs again = kNever;
    if ((now > started || next.waits()) && exits(rule, cause, step, now, again)) return;
    if (next.kind != Step::Kind::until && next.after > 0 && !delay_passed) {
      begin_wait(rule, cause, started, step, now + next.after, again, now);
      return;
    }
    delay_passed = false;
    begin_for(cause, now);
    switch (next.kind) {
      case Step::Kind::act:
        if (next.only_if != kNone && !evaluator.truth(next.only_if).truth) {
          decide(rule, cause, now, false, Held::only_if, step, {});
        } else {
          const TimeMs first_due = since == kAlways ? now : since;
          const Leave leave = may_leave(rule, cause, started, step, first_due, now);
          if (leave == Leave::later) return;
          const TimeMs done = leave == Leave::now ? act(rule, cause, step, first_due, now) : now;
          if (done > now && step + 1 < rule.steps.size()) {
            // A write is there from `done` on: what comes after it is looked at then, and its own wait starts then.
            const Step& after = rule.steps[step + 1];
            const DurationMs wait = after.kind == Step::Kind::until ? after.timeout : after.waits() ? after.after : 0;
            // Another write of this instant may be there before this one: a condition is asked from the next millisecond on.
            const bool asked = rule.exit != kNone || after.kind == Step::Kind::until;
            begin_wait(rule, cause, started, step + 1, done + wait, asked ? now + 1 : done, now);
            return;
          }
        }
        since = kAlways;
        break;
      case Step::Kind::wait: break;
      case Step::Kind::until: {
        const Verdict verdict = evaluator.truth(next.condition);
        if (verdict.truth) break;
        begin_wait(rule, cause, started, step, now + next.timeout, std::min(again, verdict.until), now);
        return;
      }
      case Step::Kind::branch:
        if (!evaluator.truth(next.condition).truth) {
          step = next.target;
          continue;
        }
        break;
      case Step::Kind::jump: step = next.target; continue;
      case Step::Kind::stop: decide(rule, cause, now, false, Held::stopped, step, {}); return;
    }
    ++step;
  }
}

// A run whose instant has come: its wait is over, or one of its conditions may have changed.
void Judge::look_at(const Rule& rule, Run run, TimeMs now) {
  TimeMs again = kNever;
  const TimeMs since = std::exchange(waited_since_, kAlways);
  if (exits(rule, run.cause, run.step, now, again)) return;
  const bool over = now >= run.waits_until();
  if (run.step < rule.steps.size() && rule.steps[run.step].kind == Step::Kind::until) {
    const Step& step = rule.steps[run.step];
    begin_for(run.cause, now);
    const Verdict verdict = evaluator.truth(step.condition);
    if (!verdict.truth && over && step.stop_on_timeout) {
      decide(rule, run.cause, now, false, Held::timeout, run.step, {});
      return;
    }
    if (verdict.truth || over) return run_steps(rule, run.cause, run.started, run.step + 1, false, now);
    again = std::min(again, verdict.until);
  } else if (over) {
    waited_since_ = since;
    return run_steps(rule, run.cause, run.started, run.step, true, now);
  }
  run.deadline = run.waits_until();
  run.due = std::min(run.deadline, std::max(again, now + 1));
  if (run.due == run.deadline) run.deadline = kAlways;
  add_run(rule, std::move(run));
}

// What came in touches the conditions of these rules: their runs are looked at now.
void Judge::wake_runs(TimeMs now) {
  if (!everything_ && touched_waits_.empty()) return;
  bool any = false;
  for (Run& run : state_->runs) {
    if (run.due <= now || !between_steps(run)) continue;
    const auto it = plan_->rule_of_id.find(run.rule);
    if (it == plan_->rule_of_id.end() || !asks(plan_->rules[it->second], run)) continue;
    if (!everything_ && std::ranges::find(touched_waits_, it->second) == touched_waits_.end()) continue;
    run.deadline = run.waits_until();
    run.due = now;
    any = true;
  }
  if (any) sort_runs(state_->runs);
}

void Judge::resume_runs(TimeMs t) {
  erase_if(state_->runs, [&](Run& run) {
    const auto it = plan_->rule_of_id.find(run.rule);
    if (!between_steps(run) || it == plan_->rule_of_id.end()) return false;
    const Rule& rule = plan_->rules[it->second];
    const std::optional<StepPlace> found = find_step(rule, run.step, run.mark);
    if (!found) {
      decide(rule, run.cause, t, false, Held::step_gone, run.step, {});
      return true;
    }
    run.step = found->step;
    run.mark = rule.steps[run.step].mark;
    const TimeMs deadline = run.waits_until();
    // A condition may be another one than it was, or the rule back from a pause.
    run.due = asks(rule, run) ? std::min(deadline, t) : deadline;
    run.deadline = run.due == deadline ? kAlways : deadline;
    return false;
  });
  sort_runs(state_->runs);
}

}  // namespace nudge
