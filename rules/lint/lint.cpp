#include "rules/lint/lint.h"

#include "rules/lint/findings.h"

namespace nudge::lint {

Findings::Findings(const Plan& the_plan, const lang::SourceMap& the_sources, const Options& the_options, doc::Diagnostics& diagnostics)
    : plan(the_plan), sources(the_sources), options(the_options), solver(the_plan), diagnostics_(diagnostics) {
  for (const Rule& rule : plan.rules) rules_.emplace(rule.name, &rule);
  bool rules_begun = false;
  for (std::uint32_t i = 0; i < sources.definitions.size(); ++i) {
    const lang::Definition& d = sources.definitions[i];
    if (d.kind == lang::Definition::Kind::rule && !rules_begun) first_rule_ = i, rules_begun = true;
    definitions_.emplace(std::to_string(static_cast<int>(d.kind)) + std::string(d.name), i);
  }
}

bool Findings::allowed(std::string_view code, const std::vector<std::uint32_t>& owners) {
  for (const std::uint32_t owner : owners) {
    if (owner == lang::kNoDefinition) continue;
    for (const lang::Name& allowed : sources.definitions[owner].allow) {
      if (allowed.text != code) continue;
      used_.emplace(owner, allowed.text);
      return true;
    }
  }
  return false;
}

bool Findings::warn(std::string_view code, const lang::Where& where, std::vector<std::uint32_t> owners, std::string message,
                    std::string hint) {
  if (where.document == nullptr || allowed(code, owners)) return false;
  diagnostics_.warning(code, *where.document, where.mark, std::move(message), std::move(hint));
  return true;
}

bool Findings::note(std::string_view code, const lang::Where& where, std::vector<std::uint32_t> owners, std::string message,
                    std::string hint) {
  if (!options.notes || where.document == nullptr || allowed(code, owners)) return false;
  diagnostics_.note(code, *where.document, where.mark, std::move(message), std::move(hint));
  return true;
}

const Rule* Findings::rule_of(std::uint32_t definition) const {
  if (definition == lang::kNoDefinition || sources.definitions[definition].kind != lang::Definition::Kind::rule) return nullptr;
  const auto found = rules_.find(sources.definitions[definition].name);
  return found == rules_.end() ? nullptr : found->second;
}

std::uint32_t Findings::find(lang::Definition::Kind kind, std::string_view name) const {
  const auto found = definitions_.find(std::to_string(static_cast<int>(kind)) + std::string(name));
  return found == definitions_.end() ? lang::kNoDefinition : found->second;
}

std::uint32_t Findings::definition_of(const Rule& rule) const { return find(lang::Definition::Kind::rule, rule.name); }

const lang::Where& Findings::trigger_place(const Rule& rule) const {
  const std::uint32_t definition = definition_of(rule);
  const lang::Where& when = sources.triggers[definition - first_rule_];
  return when.document == nullptr ? sources.definitions[definition].where : when;
}

std::string Findings::line_of(const lang::Where& where) const {
  std::string_view line = where.document->line_text(where.mark.line);
  while (!line.empty() && (line.front() == ' ' || line.front() == '-')) line.remove_prefix(1);
  if (const std::size_t comment = line.find(" #"); comment != std::string_view::npos) line = line.substr(0, comment);
  while (!line.empty() && line.back() == ' ') line.remove_suffix(1);
  return quoted(line) + " (line " + std::to_string(where.mark.line) + ")";
}

Known at_trigger(const Plan& plan, const Rule& rule, bool on_time) {
  Known known;
  const Trigger& t = rule.trigger;
  if (t.kind == Trigger::Kind::enters || t.kind == Trigger::Kind::leaves) {
    known.literals.push_back({plan.segments[t.segment].node, t.kind == Trigger::Kind::enters});
  } else if (t.kind == Trigger::Kind::event) {
    Rowset rows{t.event, t.where, aged(0, on_time ? 1 : std::max<DurationMs>(rule.max_age, 1)), false, t.same};
    known.rows.push_back({rows, 1, kManyRows});
  }
  return known;
}

Cost run(const Plan& plan, const lang::SourceMap& sources, const Options& options, doc::Diagnostics& diagnostics) {
  Findings findings(plan, sources, options, diagnostics);
  lint_conditions(findings);
  lint_loops(findings);
  lint_templates(findings);
  lint_reach(findings);
  lint_triggers(findings);
  lint_idle(findings);
  lint_unused(findings);
  lint_messages(findings);
  lint_allowances(findings);
  return {findings.solver.steps()};
}

}  // namespace nudge::lint
