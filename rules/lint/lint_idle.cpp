// R1011: active rules that something keeps from ever firing.
#include "rules/lint/findings.h"

namespace nudge::lint {
namespace {

std::string why_idle(const Rule& rule) {
  const Trigger& t = rule.trigger;
  if (rule.rollout_percent == 0) return "`rollout` gives it to 0 percent of the customers";
  const bool has_age = t.kind == Trigger::Kind::event || t.kind == Trigger::Kind::attribute_changes;
  if (has_age && rule.max_age <= 0) return "with `max_age: 0s` every trigger is too old, at the very millisecond at which it happens";
  if (t.kind == Trigger::Kind::attribute_changes && t.to.size() == 1 && t.from.size() == 1 && same_value(t.to[0].view(), t.from[0].view()))
    return "`from` and `to` of its trigger are the same value, which is no change";
  return {};
}

}  // namespace

void lint_idle(Findings& f) {
  for (const Rule& rule : f.plan.rules) {
    if (rule.state != RuleState::active && rule.state != RuleState::shadow) continue;
    const std::string why = why_idle(rule);
    if (why.empty()) continue;
    f.warn("R1011", f.place_of(rule), {f.definition_of(rule)}, quoted(rule.name) + " never fires: " + why,
           "mend it, or say `state: paused` when it is meant to rest");
  }
}

}  // namespace nudge::lint
