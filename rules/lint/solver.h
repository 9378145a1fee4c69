// Whether conditions can hold at all: what is legal to write and yet never, or always, true.
//
// Sound, not complete: `never` is said only when no customer, at no instant, with no trigger could make the condition true, and `always`
// only when none could make it false; everything else is `open`. Conditions are taken apart into single comparisons, alternatives are tried
// one by one within a budget, and the comparisons that have to hold together are put against one another (facts.h, rows.h). The values that
// a catalog allows (`one_of`) are believed.
//
// Answers are kept by node, so what many rules share is judged once. Not thread-safe; the plan must outlive it.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/plan/plan.h"
#include "rules/lint/rows.h"

namespace nudge::lint {

enum class Verdict : std::uint8_t { open, never, always };

// A condition that is to hold, or not to.
struct Literal {
  NodeId node = kNone;
  bool holds = true;
};

// What is known beside the conditions: rows that are there, because one of them is the trigger.
struct Known {
  std::vector<Literal> literals;
  std::vector<RowFact> rows;
  std::vector<ExprId> missing;  // values that are not there
};

class Solver {
 public:
  // `budget`: how many steps (comparisons looked at, pairs of row sets) all questions together may take; then every further answer is
  // `open`.
  explicit Solver(const Plan& plan, std::uint64_t budget = kDefaultBudget);

  Verdict verdict(NodeId node);
  // The same where `known` is given.
  Verdict verdict(NodeId node, const Known& known);
  // False only when they can't all hold.
  bool possible(const Known& together);
  // True only when `b` holds wherever `a` does.
  bool implies(NodeId a, NodeId b);
  // True only when the value is there wherever `known` is given.
  bool always_there(ExprId value, Known known);
  // True only when both can't hold at once.
  bool exclude(NodeId a, NodeId b) { return !possible({{{a, true}, {b, true}}, {}, {}}); }

  const Plan& plan() const { return plan_; }
  std::uint64_t steps() const { return steps_; }
  bool spent() const { return steps_ >= budget_; }
  // Counts work; false when the budget is used up.
  bool spend(std::uint64_t steps) {
    steps_ += steps;
    return steps_ < budget_;
  }

  static constexpr std::uint64_t kDefaultBudget = 20'000'000;
  // How many ways of making alternatives true are tried before a question is left open.
  static constexpr std::uint32_t kBranchesMax = 256;

 private:
  struct Question;
  bool expand(Literal literal, Question& question) const;
  bool search(Question& question, std::size_t next);

  const Plan& plan_;
  std::uint64_t budget_;
  std::uint64_t steps_ = 0;
  std::vector<std::uint8_t> verdicts_;  // by node: 0 not asked, 1 being asked, else 2 + Verdict
  std::unordered_map<std::uint64_t, bool> implications_;
};

}  // namespace nudge::lint
