#include "rules/lint/solver.h"

#include "rules/lint/facts.h"

namespace nudge::lint {

/// What must hold together: single comparisons, and alternatives of which one each must hold.
struct Solver::Question {
  std::vector<Literal> leaves;
  std::vector<Literal> choices;  // an `any` that is to hold, or an `all` that is not
  const Known* known = nullptr;
  std::uint32_t branches = 0;
};

Solver::Solver(const Plan& plan, std::uint64_t budget) : plan_(plan), budget_(budget), verdicts_(plan.nodes.size(), 0) {}

/// Takes a condition apart; false when that alone shows a contradiction.
bool Solver::expand(Literal literal, Question& question) const {
  const Node& node = plan_.nodes[literal.node];
  switch (node.kind) {
    case Node::Kind::constant: return node.truth == literal.holds;
    case Node::Kind::negate: return expand({node.children[0], !literal.holds}, question);
    case Node::Kind::segment: return expand({node.children[0], literal.holds}, question);
    case Node::Kind::all:
    case Node::Kind::any: {
      if ((node.kind == Node::Kind::all) != literal.holds) {
        question.choices.push_back(literal);
        return true;
      }
      for (const NodeId child : node.children) {
        if (!expand({child, literal.holds}, question)) return false;
      }
      return true;
    }
    default: question.leaves.push_back(literal); return true;
  }
}

/// Tries each way of making the choices from `next` on true. True when one may work, and when the budget is used up.
bool Solver::search(Question& question, std::size_t next) {
  if (++question.branches > kBranchesMax || !spend(question.leaves.size() + 1)) return true;
  if (!Facts(plan_, *this).consistent(question.leaves, *question.known)) return false;
  if (next == question.choices.size()) return true;
  const Literal choice = question.choices[next];
  const std::size_t leaves = question.leaves.size(), choices = question.choices.size();
  for (const NodeId child : plan_.nodes[choice.node].children) {
    const bool fine = expand({child, choice.holds}, question);
    const bool found = fine && search(question, next + 1);
    question.leaves.resize(leaves);
    question.choices.resize(choices);
    if (found) return true;
  }
  return false;
}

bool Solver::possible(const Known& together) {
  if (spent()) return true;
  Question question;
  question.known = &together;
  for (const Literal& literal : together.literals) {
    if (!expand(literal, question)) return false;
  }
  return search(question, 0);
}

Verdict Solver::verdict(NodeId node) {
  std::uint8_t& kept = verdicts_[node];
  if (kept >= 2) return static_cast<Verdict>(kept - 2);
  if (kept == 1) return Verdict::open;
  kept = 1;
  const Verdict answer = verdict(node, {});
  verdicts_[node] = static_cast<std::uint8_t>(2 + static_cast<std::uint8_t>(answer));
  return answer;
}

Verdict Solver::verdict(NodeId node, const Known& known) {
  Known question = known;
  question.literals.push_back({node, true});
  if (!possible(question)) return Verdict::never;
  question.literals.back().holds = false;
  return possible(question) ? Verdict::open : Verdict::always;
}

bool Solver::implies(NodeId a, NodeId b) {
  if (a == b) return true;
  const std::uint64_t key = (std::uint64_t{a} << 32) | b;
  if (const auto found = implications_.find(key); found != implications_.end()) return found->second;
  const bool answer = !possible({{{a, true}, {b, false}}, {}, {}});
  implications_[key] = answer;
  return answer;
}

bool Solver::always_there(ExprId value, Known known) {
  known.missing.push_back(value);
  return !possible(known);
}

}  // namespace nudge::lint
