// A directory with `schemas/` (the catalog) and `rules/` (segments, rules, teams, tests of rules), read and compiled without a daemon.
// Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/plan/plan.h"
#include "rules/lang/load.h"

namespace nudge::cli {

struct ProjectPaths {
  std::string directory;  // holds schemas/ and rules/
  std::string schemas;    // instead of directory/schemas
  std::string rules;      // instead of directory/rules
  std::string zone;       // the company's time zone; empty: UTC
};

class Project {
 public:
  // Reads the files; an unreadable directory or an unknown zone is an error.
  static Result<Project> open(const ProjectPaths& paths);

  // The directories that open would read: of the catalog, and of the rules with their tests.
  static std::vector<std::string> directories(const ProjectPaths& paths);

  // Compiles it all afresh; the rules named are drafts. Null when there are errors, which stand in diagnostics().
  std::unique_ptr<Plan> compile(const std::vector<std::string>& drafts = {});
  // The same, and says what is legal but wrong (rules/lint): warnings, and notes when they are asked for.
  std::unique_ptr<Plan> lint(bool notes);
  const doc::Diagnostics& diagnostics() const { return diagnostics_; }
  doc::Diagnostics& diagnostics() { return diagnostics_; }
  // Where the parts of the conditions of the plan last compiled stand; the same for each compilation.
  const std::vector<lang::ConditionPart>& parts() const { return parts_; }
  const std::shared_ptr<const Catalog>& catalog() const { return catalog_; }
  const std::vector<lang::Source>& tests() const { return tests_; }
  std::size_t files() const { return schemas_.size() + rules_.size() + tests_.size(); }

 private:
  lang::CompileResult load(bool map_sources);

  std::vector<lang::Source> schemas_, rules_, tests_;
  Zone zone_;
  std::shared_ptr<const Catalog> catalog_;
  doc::Diagnostics diagnostics_;
  std::vector<lang::ConditionPart> parts_;
};

}  // namespace nudge::cli
