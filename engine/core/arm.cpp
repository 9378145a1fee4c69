// Triggers that wait for a day: `date` (an attribute ± an offset) and `schedule` (cron). Each waits as a run in the customer's state.
#include <algorithm>

#include "engine/core/judge.h"

namespace nudge {

TimeMs Judge::date_instant(const Trigger& trigger, TimeMs now) {
  TimeMs ahead = kNever;
  const ValueView v = state_->attributes.at(trigger.attribute, now, ahead);
  if (v.kind != Kind::date && v.kind != Kind::timestamp) return kNever;
  // A timestamp without a time of day is moved by the offset as it is.
  if (v.kind == Kind::timestamp && trigger.time_of_day == 0 && !trigger.at_midnight) return v.i + trigger.offset;
  const Zone& zone = evaluator.zone();
  const DateDays day = v.kind == Kind::date ? static_cast<DateDays>(v.i) : zone.local(v.i).date;
  // Whole days move on the calendar, so that 09:00 stays 09:00 over a change of the clocks; the rest moves on the clock.
  const DurationMs days = trigger.offset / kDay;
  return zone.at(day + static_cast<DateDays>(days), trigger.time_of_day) + trigger.offset % kDay;
}

void Judge::arm(const Rule& rule, TimeMs now) {
  const auto waits = [&](const Run& run) { return run.rule == rule.id && run.step == kDateStep; };
  TimeMs due = kNever;
  Cause::Kind kind = Cause::Kind::attribute;
  if (rule.trigger.kind == Trigger::Kind::date) {
    due = date_instant(rule.trigger, now);
  } else {
    const auto cron = crons_.find(rule.id);
    if (cron == crons_.end()) return;
    // What is due at this very instant runs, and sets the next one then.
    if (std::ranges::any_of(state_->runs, [&](const Run& run) { return waits(run) && run.due <= now; })) return;
    kind = Cause::Kind::schedule;
    const std::string& zone = rule.trigger.zone;
    due = cron->second.next(now, zone == "customer" ? evaluator.zone()
                                 : zone.empty()     ? plan_->zone
                                                    : Zone::find(zone).value_or(plan_->zone));
  }
  // One that waits for the same instant goes on waiting, also when that instant is now.
  if (std::ranges::any_of(state_->runs, [&](const Run& run) { return waits(run) && run.due == due; })) return;
  erase_if(state_->runs, waits);
  // An instant that has passed when it is set does not fire.
  if (due == kNever || due <= now) return;
  Run run;
  run.rule = rule.id;
  run.step = kDateStep;
  run.due = due;
  run.started = now;
  run.cause.kind = kind;
  run.cause.at = due;
  add_run(rule, std::move(run));
}

void Judge::arm_touched(TimeMs now) {
  if (!arm_all_ && armed_attributes_.empty()) return;
  const bool zone = arm_all_ || std::ranges::find(armed_attributes_, plan_->zone_attribute) != armed_attributes_.end();
  for (const std::uint32_t r : waiting_rules_) {
    const Rule& rule = plan_->rules[r];
    const bool touched =
        rule.trigger.kind == Trigger::Kind::date && std::ranges::find(armed_attributes_, rule.trigger.attribute) != armed_attributes_.end();
    if (zone || touched) arm(rule, now);
  }
  armed_attributes_.clear();
  arm_all_ = false;
}

void Judge::arm_for_plan() {
  if (waiting_rules_.empty()) return;
  for (const std::uint32_t r : waiting_rules_) {
    const Rule& rule = plan_->rules[r];
    // A rule that is new to this customer starts at its activation; one that was there goes on from the customer's clock.
    const TimeMs from = std::max(state_->clock, rule.activated);
    evaluator.begin(*plan_, *state_, from);
    begun_ = false;
    arm(rule, from);
  }
}

void Judge::find_waiting_rules() {
  waiting_rules_.clear();
  crons_.clear();
  for (std::uint32_t r = 0; r < plan_->rules.size(); ++r) {
    const Rule& rule = plan_->rules[r];
    if (rule.trigger.kind == Trigger::Kind::date) waiting_rules_.push_back(r);
    if (rule.trigger.kind != Trigger::Kind::schedule) continue;
    if (Result<Cron> cron = Cron::parse(rule.trigger.cron)) {
      crons_.emplace(rule.id, *cron);
      waiting_rules_.push_back(r);
    }
  }
}

}  // namespace nudge
