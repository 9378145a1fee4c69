#include "daemon/cli/project.h"

#include <algorithm>
#include <filesystem>

#include "daemon/cli/words.h"
#include "rules/lint/lint.h"

namespace nudge::cli {
namespace {

std::string part(const std::string& given, const std::string& directory, std::string_view name) {
  if (!given.empty()) return given;
  return directory.empty() || directory == "." ? std::string(name) : directory + (directory.ends_with('/') ? "" : "/") + std::string(name);
}

/// Messages name files as the person at the keyboard would.
void name_from_here(std::vector<lang::Source>& sources, const std::string& directory) {
  for (lang::Source& source : sources) source.name = directory + (directory.ends_with('/') ? "" : "/") + source.name;
}

}  // namespace

std::vector<std::string> Project::directories(const ProjectPaths& paths) {
  return {part(paths.schemas, paths.directory, "schemas"), part(paths.rules, paths.directory, "rules")};
}

Result<Project> Project::open(const ProjectPaths& paths) {
  Project project;
  const std::vector<std::string> both = directories(paths);
  const std::string &schemas = both[0], &rules = both[1];
  for (const std::string& directory : {schemas, rules}) {
    std::error_code error;
    if (!std::filesystem::is_directory(directory, error)) {
      return fail(
          Code::not_found,
          say("there is no directory {1}: name a directory that holds schemas/ (the catalog) and rules/, or give --schemas and --rules",
              {directory}));
    }
  }
  NUDGE_ASSIGN(project.schemas_, lang::read_catalog_directory(schemas));
  NUDGE_ASSIGN(project.rules_, lang::read_rule_directory(rules));
  NUDGE_ASSIGN(project.tests_, lang::read_test_directory(rules));
  name_from_here(project.schemas_, schemas);
  name_from_here(project.rules_, rules);
  name_from_here(project.tests_, rules);
  if (!paths.zone.empty()) {
    NUDGE_ASSIGN(project.zone_, Zone::find(paths.zone));
  }
  return project;
}

lang::CompileResult Project::load(bool map_sources) {
  lang::CatalogResult catalog = lang::load_catalog(schemas_);
  diagnostics_ = std::move(catalog.diagnostics);
  if (catalog.catalog == nullptr) return {};
  catalog_ = std::move(catalog.catalog);
  lang::CompileOptions options;
  options.zone = zone_;
  options.record_parts = true;
  options.map_sources = map_sources;
  lang::CompileResult compiled = lang::compile(rules_, catalog_, options);
  for (const doc::Diagnostic& d : compiled.diagnostics.items()) diagnostics_.add(d);
  return compiled;
}

std::unique_ptr<Plan> Project::lint(bool notes) {
  lang::CompileResult compiled = load(true);
  if (compiled.plan != nullptr) lint::run(*compiled.plan, *compiled.sources, {notes}, diagnostics_);
  return std::move(compiled.plan);
}

std::unique_ptr<Plan> Project::compile(const std::vector<std::string>& drafts) {
  lang::CompileResult compiled = load(false);
  if (compiled.plan != nullptr) {
    parts_ = std::move(compiled.parts);
    for (Rule& rule : compiled.plan->rules) {
      if (std::ranges::find(drafts, rule.name) == drafts.end()) continue;
      rule.state = RuleState::draft;
      rule.definition.hi ^= 1;  // another version than the active one
    }
  }
  return std::move(compiled.plan);
}

}  // namespace nudge::cli
