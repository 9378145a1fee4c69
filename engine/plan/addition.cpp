#include "engine/plan/addition.h"

namespace nudge {

std::optional<std::vector<std::uint32_t>> only_adds(const Plan& before, const Plan& plan) {
  if (before.zone != plan.zone || before.zone_attribute != plan.zone_attribute) return std::nullopt;
  if (!plan.catalog->keeps_like(*before.catalog)) return std::nullopt;
  for (const Segment& was : before.segments) {
    const auto it = plan.segment_of_root.find(was.root);
    if (it == plan.segment_of_root.end()) return std::nullopt;
    const Segment& is = plan.segments[it->second];
    if (is.key != was.key || is.since_plan != was.since_plan) return std::nullopt;
  }
  for (const Rule& was : before.rules) {
    const auto it = plan.rule_of_id.find(was.id);
    if (it == plan.rule_of_id.end()) return std::nullopt;
    const Rule& is = plan.rules[it->second];
    if (is.definition != was.definition || is.version != was.version || is.state != was.state) return std::nullopt;
  }
  for (const Rule& rule : plan.rules) {
    if (before.rule_of_id.contains(rule.id)) continue;
    const Trigger::Kind kind = rule.trigger.kind;
    if (kind == Trigger::Kind::date || kind == Trigger::Kind::schedule) return std::nullopt;
    const bool enters = kind == Trigger::Kind::enters && rule.existing_fire;
    if (enters && before.segment_of_root.contains(plan.segments[rule.trigger.segment].root)) return std::nullopt;
  }
  std::vector<std::uint32_t> added;
  for (std::uint32_t i = 0; i < plan.segments.size(); ++i) {
    if (!before.segment_of_root.contains(plan.segments[i].root)) added.push_back(i);
  }
  return added;
}

}  // namespace nudge
