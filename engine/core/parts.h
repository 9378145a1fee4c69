// How many customers each part of a condition holds for: where a rule loses them. Pure; for people, not for the hot path.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/evaluate.h"
#include "engine/plan/plan.h"

namespace nudge {

// One part, as far as it was counted.
struct PartCount {
  std::string text;          // in the language's words, as Explanation::text
  std::uint32_t depth = 0;   // of the tree whose parts follow each other, the outer before the inner
  std::uint64_t holds = 0;   // customers for whom this part holds
  bool joined = false;       // its siblings must hold as well
  std::uint64_t so_far = 0;  // joined: customers for whom it holds, and each of its siblings before it
};

// Counts customer by customer. Refers to the plan; not thread-safe: one for each thread, joined by `add`.
class PartCounter {
 public:
  PartCounter(const Plan& plan, const Segment& segment);
  // The condition of a rule: of its segment or its event, then its `if`. For an event the customer's newest one at that instant stands for the
  // one that would set the rule off, as in explain_rule.
  PartCounter(const Plan& plan, const Rule& rule);

  void count(const CustomerState& state, TimeMs now);
  // The figures of another one of the same segment or rule.
  void add(const PartCounter& other);

  std::uint64_t customers() const { return customers_; }
  // For whom all of it holds.
  std::uint64_t holds() const { return holds_; }
  const std::vector<PartCount>& parts() const { return parts_; }

 private:
  struct Place {
    NodeId node = kNone;                 // kNone: that there is such an event
    EventTypeId event = kNoEventType;    // `node` is a condition over the newest row of this type
    std::vector<std::size_t> children;   // places
  };
  std::size_t take(NodeId node, std::uint32_t depth, bool joined);
  std::size_t take(Place place, std::string text, std::uint32_t depth, bool joined);
  bool visit(std::size_t place, bool others);

  const Plan& plan_;
  EventTypeId trigger_ = kNoEventType;
  std::vector<std::size_t> roots_;  // all of them must hold
  std::vector<Place> places_;
  std::vector<PartCount> parts_;    // beside places_
  std::uint64_t customers_ = 0, holds_ = 0;
  Evaluator evaluator_;
  RowRef row_;  // of the trigger
};

}  // namespace nudge
