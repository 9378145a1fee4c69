// Where what is compiled stands: fills the source map when a load asks for it.
#include <algorithm>

#include "rules/lang/compile.h"

namespace nudge::lang {

void Compiler::begin_map() {
  if (!options_.map_sources) return;
  map_ = std::make_shared<SourceMap>();
  const auto add_all = [&](const auto& table, Definition::Kind kind) {
    map_starts_[static_cast<std::size_t>(kind)] = static_cast<std::uint32_t>(map_->definitions.size());
    for (const auto& [name, ast] : table) map_->definitions.push_back({kind, ast->name.text, ast->name.where, ast->allow});
  };
  add_all(names_.segments, Definition::Kind::segment);
  add_all(names_.traits, Definition::Kind::trait);
  add_all(names_.scores, Definition::Kind::score);
  add_all(names_.rules, Definition::Kind::rule);
  add_all(names_.templates, Definition::Kind::template_);
  add_all(names_.teams, Definition::Kind::team);
  for (const auto& [name, rule] : names_.rules) map_->triggers.push_back(rule->trigger.where);
}

std::uint32_t Compiler::map_index(Definition::Kind kind, std::string_view name) const {
  if (map_ == nullptr) return kNoDefinition;
  const auto begin = map_->definitions.begin() + map_starts_[static_cast<std::size_t>(kind)];
  const auto end = std::partition_point(begin, map_->definitions.end(), [&](const Definition& d) { return d.kind == kind; });
  const auto found = std::lower_bound(begin, end, name, [](const Definition& d, std::string_view n) { return d.name < n; });
  return static_cast<std::uint32_t>(found - map_->definitions.begin());
}

void Compiler::map_condition(const Condition& ast, const Scope& scope, NodeId node, std::size_t first) {
  if (map_ == nullptr || ast.where.document == nullptr) return;
  map_->spots.push_back({.node = node,
                         .where = ast.where,
                         .owner = map_owner_,
                         .first = static_cast<std::uint32_t>(first),
                         .row_event = scope.row_event,
                         .reference = ast.kind == Condition::Kind::segment});
}

void Compiler::map_role(Spot::Role role) {
  if (map_ != nullptr && !map_->spots.empty()) map_->spots.back().role = role;
}

void Compiler::map_window(EventTypeId event, const Window& window, const WindowAst& ast) {
  if (map_ == nullptr) return;
  const Raw& raw = ast.within ? ast.within : ast.since ? ast.since : ast.from ? ast.from : ast.to;
  if (raw) map_->windows.push_back({event, window, raw.where, map_owner_});
}

void Compiler::map_variable(const TemplatePart& part, std::string_view written, const Where& where, bool known) {
  if (map_ == nullptr || part.kind != TemplatePart::Kind::value) return;
  const bool has_default = known || std::ranges::any_of(part.filters, [](const Filter& f) { return f.fn == Filter::Fn::default_; });
  map_->variables.push_back({part.expr, std::string(written), has_default, where, map_owner_, map_template_, map_action_, map_param_});
}

}  // namespace nudge::lang
