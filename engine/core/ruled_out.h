// Whether a customer's attributes alone rule out the segments that a plan adds to the one before it: then a sweep over all customers has nothing
// to do for that one, and needs no more of the record than its head. Scratch and tables of its own; not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/core/selector.h"
#include "engine/model/customer_head.h"
#include "engine/plan/plan.h"

namespace nudge {

class RuledOut {
 public:
  // `added`: indexes of segments of the plan (only_adds, engine/plan/addition.h).
  RuledOut(std::shared_ptr<const Plan> plan, std::vector<std::uint32_t> added);

  // True when Engine::reconcile would find the customer in none of them, and nothing to wait for. Asks for the clock and the attributes of the
  // state only. False also where it can't be told so.
  bool all(const CustomerState& state);
  // The same of a glance at a record, at the attributes that attributes() names and from not_before() on. Nothing where it takes the state to
  // tell; of most values that is so once.
  std::optional<bool> all(const CustomerGlance& glance);
  std::span<const AttributeId> attributes() const { return attributes_; }
  TimeMs not_before() const { return not_before_; }

 private:
  std::shared_ptr<const Plan> plan_;
  std::vector<std::uint32_t> added_;
  bool together_ = true;  // all were activated at one instant
  TimeMs not_before_ = kAlways;
  std::vector<AttributeId> attributes_;  // that their conditions are on
  Bits added_bits_;
  Evaluator evaluator_;
  Selector selector_;
  Bits open_;
  CustomerGlance glance_;
};

}  // namespace nudge
