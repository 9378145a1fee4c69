#include "engine/core/ruled_out.h"

#include <algorithm>

namespace nudge {

RuledOut::RuledOut(std::shared_ptr<const Plan> plan, std::vector<std::uint32_t> added) : plan_(std::move(plan)), added_(std::move(added)) {
  if (added_.empty()) return;
  const TimeMs first = plan_->segments[added_.front()].activated;
  together_ = std::ranges::all_of(added_, [&](std::uint32_t i) { return plan_->segments[i].activated == first; });
  evaluator_.prepare_for(*plan_);
  selector_.build(evaluator_);
}

bool RuledOut::all(const CustomerState& state) {
  if (added_.empty()) return true;
  if (!together_) return false;
  evaluator_.begin(*plan_, state, std::max(plan_->segments[added_.front()].activated, state.clock));
  open_.reset(plan_->segments.size());
  for (const std::uint32_t index : added_) open_.set(index);
  selector_.rule_out(evaluator_, open_);
  return !open_.any();
}

}  // namespace nudge
