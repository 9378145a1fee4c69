// Whether a customer's attributes alone rule out the segments that a plan adds to the one before it: then a sweep over all customers has nothing
// to do for that one, and needs no more of the record than its head. Scratch and tables of its own; not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/core/selector.h"
#include "engine/plan/plan.h"

namespace nudge {

class RuledOut {
 public:
  // `added`: indexes of segments of the plan (only_adds, engine/plan/addition.h).
  RuledOut(std::shared_ptr<const Plan> plan, std::vector<std::uint32_t> added);

  // True when Engine::reconcile would find the customer in none of them, and nothing to wait for. Asks for the clock and the attributes of the
  // state only. False also where it can't be told so.
  bool all(const CustomerState& state);

 private:
  std::shared_ptr<const Plan> plan_;
  std::vector<std::uint32_t> added_;
  bool together_ = true;  // all were activated at one instant
  Evaluator evaluator_;
  Selector selector_;
  Bits open_;
};

}  // namespace nudge
