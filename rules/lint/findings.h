// What the lints share: the plan, where its parts stand, the solver, and the one way to say something, which minds `allow`.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rules/lang/source_map.h"
#include "rules/lint/lint.h"
#include "rules/lint/solver.h"

namespace nudge::lint {

using doc::quoted;

class Findings {
 public:
  Findings(const Plan& plan, const lang::SourceMap& sources, const Options& options, doc::Diagnostics& diagnostics);

  const Plan& plan;
  const lang::SourceMap& sources;
  const Options& options;
  Solver solver;

  // Says it unless one of the owners (indexes into SourceMap::definitions) allows it. False when it is allowed.
  bool warn(std::string_view code, const lang::Where& where, std::vector<std::uint32_t> owners, std::string message, std::string hint);
  bool note(std::string_view code, const lang::Where& where, std::vector<std::uint32_t> owners, std::string message, std::string hint);

  // The rule behind a definition, and the definition of a rule.
  const Rule* rule_of(std::uint32_t definition) const;
  std::uint32_t definition_of(const Rule& rule) const;
  const lang::Where& place_of(const Rule& rule) const { return sources.definitions[definition_of(rule)].where; }
  const lang::Where& trigger_place(const Rule& rule) const;
  std::uint32_t find(lang::Definition::Kind kind, std::string_view name) const;  // kNoDefinition when there is none
  // The line on which something stands, trimmed and in quotes, with its number.
  std::string line_of(const lang::Where& where) const;

  // Codes that were allowed and did occur, by definition.
  const std::set<std::pair<std::uint32_t, std::string_view>>& used_allowances() const { return used_; }

 private:
  bool allowed(std::string_view code, const std::vector<std::uint32_t>& owners);

  doc::Diagnostics& diagnostics_;
  std::unordered_map<std::string_view, const Rule*> rules_;
  std::unordered_map<std::string, std::uint32_t> definitions_;
  std::uint32_t first_rule_ = 0;
  std::set<std::pair<std::uint32_t, std::string_view>> used_;
};

// What is sure at the moment at which a rule's `if` is asked. `on_time`: the event that fires it has just happened; else it may be as old
// as `max_age` allows.
Known at_trigger(const Plan& plan, const Rule& rule, bool on_time);

// The lints, in the order of their codes.
void lint_conditions(Findings& findings);
void lint_loops(Findings& findings);
void lint_templates(Findings& findings);
void lint_reach(Findings& findings);
void lint_triggers(Findings& findings);
void lint_idle(Findings& findings);
void lint_unused(Findings& findings);
void lint_messages(Findings& findings);
void lint_allowances(Findings& findings);

}  // namespace nudge::lint
