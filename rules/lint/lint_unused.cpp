// R1012: definitions that nothing refers to. Segments, traits and scores with a description are there to be looked at, and left alone.
#include "rules/lint/findings.h"

namespace nudge::lint {

void lint_unused(Findings& f) {
  using Kind = lang::Definition::Kind;
  const Plan& plan = f.plan;
  if (plan.rules.empty()) return;  // a set of figures, which is looked at and not acted on
  std::set<std::uint32_t> used;
  const auto use = [&](Kind kind, std::string_view name) { used.insert(f.find(kind, name)); };
  for (const Node& node : plan.nodes) {
    if (node.kind == Node::Kind::segment) use(Kind::segment, plan.segments[node.ref].name);
    if (node.kind == Node::Kind::band) use(Kind::score, plan.scores[node.ref].name);
  }
  for (const Expr& expr : plan.exprs) {
    if (expr.kind == Expr::Kind::trait) use(Kind::trait, plan.traits[expr.ref].name);
    if (expr.kind == Expr::Kind::score) use(Kind::score, plan.scores[expr.ref].name);
  }
  for (const Rule& rule : plan.rules) {
    const bool by_segment = rule.trigger.kind == Trigger::Kind::enters || rule.trigger.kind == Trigger::Kind::leaves;
    if (by_segment) use(Kind::segment, plan.segments[rule.trigger.segment].name);
    for (const Step& step : rule.steps) {
      if (!step.action.template_name.empty()) use(Kind::template_, step.action.template_name);
      if (!step.action.assignment.team.empty()) use(Kind::team, step.action.assignment.team);
      for (const AssignEntry& entry : step.action.assignment.entries) {
        if (!entry.team.empty()) use(Kind::team, entry.team);
      }
    }
  }
  for (const Pool& pool : plan.pools) {
    if (!pool.team.empty()) use(Kind::team, pool.team);
  }
  for (const Team& team : plan.teams) {
    if (!team.overflow.empty()) use(Kind::team, team.overflow);
  }
  for (const std::string_view name : f.sources.used_templates) use(Kind::template_, name);
  const auto shown = [&](const lang::Definition& d) {
    const auto described = [&](const auto& all) {
      for (const auto& one : all) {
        if (one.name == d.name) return !one.description.empty();
      }
      return false;
    };
    return d.kind == Kind::segment ? described(plan.segments)
           : d.kind == Kind::trait ? described(plan.traits)
                                   : d.kind == Kind::score && described(plan.scores);
  };
  static constexpr std::string_view kWords[] = {"segment", "trait", "score", "rule", "template", "team"};
  for (std::uint32_t i = 0; i < f.sources.definitions.size(); ++i) {
    const lang::Definition& d = f.sources.definitions[i];
    if (d.kind == Kind::rule || used.contains(i) || shown(d)) continue;
    const bool looked_at = d.kind == Kind::segment || d.kind == Kind::trait || d.kind == Kind::score;
    f.note("R1012", d.where, {i}, "nothing uses the " + std::string(kWords[static_cast<std::size_t>(d.kind)]) + " " + quoted(d.name),
           looked_at ? "remove it, or give it a `description` when it is there to be looked at" : "remove it");
  }
}

// R1013: codes that a definition allows and that did not occur. Last, when all the others have spoken.
void lint_allowances(Findings& f) {
  for (std::uint32_t i = 0; i < f.sources.definitions.size(); ++i) {
    for (const lang::Name& allowed : f.sources.definitions[i].allow) {
      if (allowed.text == "R1013" || f.used_allowances().contains({i, allowed.text})) continue;
      f.note("R1013", allowed.where, {i}, quoted(allowed.text) + " does not occur in " + quoted(f.sources.definitions[i].name),
             "take it out of `allow`");
    }
  }
}

}  // namespace nudge::lint
