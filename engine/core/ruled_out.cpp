#include "engine/core/ruled_out.h"

#include <algorithm>

namespace nudge {

RuledOut::RuledOut(std::shared_ptr<const Plan> plan, std::vector<std::uint32_t> added) : plan_(std::move(plan)), added_(std::move(added)) {
  if (added_.empty()) return;
  const TimeMs first = plan_->segments[added_.front()].activated;
  together_ = std::ranges::all_of(added_, [&](std::uint32_t i) { return plan_->segments[i].activated == first; });
  evaluator_.prepare_for(*plan_);
  selector_.build(evaluator_);
  not_before_ = first;
  attributes_ = selector_.attributes_of(added_);
  added_bits_.reset(plan_->segments.size());
  for (const std::uint32_t index : added_) added_bits_.set(index);
}

std::optional<bool> RuledOut::all(const CustomerGlance& glance) {
  if (added_.empty()) return true;
  if (!together_) return false;
  open_ = added_bits_;
  for (std::size_t i = 0; i < attributes_.size() && open_.any(); ++i) {
    if (!selector_.rule_out_by(attributes_[i], glance.values[i], open_)) return std::nullopt;
  }
  return !open_.any();
}

bool RuledOut::all(const CustomerState& state) {
  if (added_.empty()) return true;
  if (!together_) return false;
  glance_.values.clear();
  for (const AttributeId attribute : attributes_) {
    TimeMs until = kNever;
    glance_.values.push_back(state.attributes.at(attribute, std::max(not_before_, state.clock), until));
  }
  if (const std::optional<bool> told = all(glance_)) return *told;
  evaluator_.begin(*plan_, state, std::max(plan_->segments[added_.front()].activated, state.clock));
  open_ = added_bits_;
  selector_.rule_out(evaluator_, open_);
  return !open_.any();
}

}  // namespace nudge
