#include "engine/plan/plan.h"

#include <algorithm>

namespace nudge {

std::string_view op_name(Op op) {
  switch (op) {
    case Op::equals: return "equals";
    case Op::not_equals: return "not_equals";
    case Op::in: return "in";
    case Op::not_in: return "not_in";
    case Op::contains: return "contains";
    case Op::not_contains: return "not_contains";
    case Op::starts_with: return "starts_with";
    case Op::ends_with: return "ends_with";
    case Op::matches: return "matches";
    case Op::exists: return "exists";
    case Op::greater_than: return "greater_than";
    case Op::at_least: return "at_least";
    case Op::less_than: return "less_than";
    case Op::at_most: return "at_most";
    case Op::between: return "between";
    case Op::before: return "before";
    case Op::after: return "after";
    case Op::within: return "within";
    case Op::older_than: return "older_than";
    case Op::in_next: return "in_next";
    case Op::anniversary_in_next: return "anniversary_in_next";
    case Op::anniversary_today: return "anniversary_today";
    case Op::has: return "has";
    case Op::has_any: return "has_any";
    case Op::has_all: return "has_all";
  }
  return "unknown";
}

std::string_view on_unknown_name(OnUnknown word) {
  switch (word) {
    case OnUnknown::by_connector: return "";
    case OnUnknown::hold: return "hold";
    case OnUnknown::retry: return "retry";
    case OnUnknown::verify: return "verify";
  }
  return "";
}

std::string_view category_name(Category c) {
  switch (c) {
    case Category::sales: return "sales";
    case Category::management: return "management";
    case Category::collaboration: return "collaboration";
  }
  return "unknown";
}

std::string_view rule_state_name(RuleState s) {
  switch (s) {
    case RuleState::draft: return "draft";
    case RuleState::shadow: return "shadow";
    case RuleState::active: return "active";
    case RuleState::paused: return "paused";
  }
  return "unknown";
}

// Plans hold hundreds of names, and nobody looks one up on the hot path: what triggers a rule is found by the indexes.
const Segment* Plan::find_segment(std::string_view name) const {
  const auto found = std::ranges::find(segments, name, &Segment::name);
  return found == segments.end() ? nullptr : &*found;
}

const Rule* Plan::find_rule(std::string_view name) const {
  const auto found = std::ranges::find(rules, name, &Rule::name);
  return found == rules.end() ? nullptr : &*found;
}

const Team* Plan::find_team(std::string_view name) const {
  const auto found = std::ranges::find(teams, name, &Team::name);
  return found == teams.end() ? nullptr : &*found;
}

const Disposition* Plan::find_disposition(std::string_view name) const {
  const auto found = std::ranges::find(dispositions, name, &Disposition::name);
  return found == dispositions.end() ? nullptr : &*found;
}

const Pool* Plan::find_pool(std::string_view name) const {
  const auto found = std::ranges::find(pools, name, &Pool::name);
  return found == pools.end() ? nullptr : &*found;
}

const Funnel* Plan::find_funnel(std::string_view name) const {
  const auto found = std::ranges::find(funnels, name, &Funnel::name);
  return found == funnels.end() ? nullptr : &*found;
}

const Member* Team::find(std::string_view id) const {
  const auto found = std::ranges::find(members, id, &Member::id);
  return found == members.end() ? nullptr : &*found;
}

}  // namespace nudge
