// The slow evaluator that is obviously right: answers a condition at an instant from scratch, by going through all that was ever received.
//
// Nothing is remembered between two questions, nothing is indexed by time, numbers are exact fractions. Shares no code with engine/core.
// The facts and definitions must stay alive and unchanged while it is used. Not thread-safe.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>

#include "tests/simulation/reference/condition.h"

namespace nudge::reference {

using Fraction = boost::multiprecision::cpp_rational;

// A value; numbers also as exact fractions (sums and averages do not fit a Value).
struct Known {
  Value value;  // kind missing: unknown
  bool numeric = false;
  Fraction number;
  bool missing() const { return value.missing(); }
};

// When the question is asked, and what is visible: nothing dated after `horizon`, even when now is later.
struct Moment {
  TimeMs now = 0;
  TimeMs horizon = kNever;
  const Input* trigger = nullptr;
  const Value* key = nullptr;
};

bool equal(const Value& a, const Value& b);
Fraction fraction_of(const Value& v);
// Time, then id bytewise.
bool row_before(const Input& a, const Input& b);

class Oracle {
 public:
  // `facts`: each input once, whatever their order.
  Oracle(const Definitions& all, const std::vector<Input>& facts);

  bool truth(const ConditionRef& condition, const Moment& at, const Input* row = nullptr) const;
  Known value(const OperandRef& operand, const Moment& at, const Input* row = nullptr) const;
  // The values that an attribute has had, each from its instant on: what was written later in the same millisecond wins.
  std::vector<std::pair<TimeMs, Value>> story(AttributeId attribute, const Moment& at) const;
  Value attribute(AttributeId attribute, const Moment& at) const;
  Zone zone(const Moment& at) const;

 private:
  std::vector<const Input*> rows(const Query& query, const Moment& at) const;
  bool in_window(const Window& window, TimeMs t, const Moment& at) const;
  Known compute(const Query& query, const Moment& at) const;
  bool compare(const Condition& c, const Known& left, const Moment& at, const Input* row) const;
  bool compare_times(const Condition& c, const Value& left, const Value* right, const Moment& at) const;
  bool anniversary(const Condition& c, const Value& left, const Moment& at) const;
  bool calendar(const Calendar& c, const Moment& at) const;
  bool sequence(const Condition& c, const Moment& at) const;
  bool follow(const Condition& c, std::size_t step, const Input* previous, TimeMs not_before, const Value* same, const Moment& at) const;
  bool changed(const Condition& c, const Moment& at) const;
  bool has_been(const Condition& c, const Moment& at) const;
  bool tagged(const std::string& tag, const Moment& at) const;
  Fraction score(std::uint32_t index, const Moment& at) const;
  TimeMs instant(const Value& v, const Moment& at) const;

  const Definitions& all_;
  const std::vector<Input>& facts_;
  std::vector<std::vector<const Input*>> rows_;  // by event type, in row order
  Zone tenant_;
};

}  // namespace nudge::reference
