// The steps of a rule, compiled to its program: a flat list in which an `if` is a branch over its `then`.
#include "rules/lang/compile.h"

namespace nudge::lang {

void Compiler::steps(const std::vector<StepAst>& list, const std::string& prefix, const RuleAst& rule, const Scope& scope,
                     std::vector<Step>& program) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const StepAst& ast = list[i];
    const std::string label = prefix + std::to_string(i + 1);
    owner_ = {ConditionPart::Owner::step, rule.name.text, static_cast<std::uint32_t>(program.size())};
    record_part(kNone, kNoEventType, ast.where);
    Step step;
    step.label = label;
    step.kind = ast.kind;
    step.after = ast.after;
    step.timeout = ast.timeout;
    step.stop_on_timeout = ast.stop_on_timeout;
    if (ast.only_if) {
      step.only_if = condition(*ast.only_if, scope);
      map_role(Spot::Role::only_if);
    }
    if (ast.condition) {
      step.condition = condition(*ast.condition, scope);
      map_role(Spot::Role::step);
    }
    map_action_ = ast.action.kind.text;
    if (ast.action.kind) step.action = action(ast.action, rule, scope);
    program.push_back(std::move(step));
    if (ast.kind != Step::Kind::branch) continue;
    const std::size_t branch = program.size() - 1;
    steps(ast.then, label + ".then.", rule, scope, program);
    if (!ast.otherwise.empty()) {
      Step jump;
      jump.kind = Step::Kind::jump;
      jump.label = label;
      program.push_back(std::move(jump));
    }
    const std::size_t end_of_then = program.size();
    program[branch].target = static_cast<std::uint32_t>(end_of_then);
    if (ast.otherwise.empty()) continue;
    steps(ast.otherwise, label + ".else.", rule, scope, program);
    program[end_of_then - 1].target = static_cast<std::uint32_t>(program.size());
  }
}

}  // namespace nudge::lang
