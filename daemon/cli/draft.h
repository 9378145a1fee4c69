// Files of rules that a person wants tried or applied, as they are sent to the daemon.
#pragma once

#include <string>
#include <vector>

#include "engine/base/status.h"
#include "rules/lang/source.h"

namespace nudge::cli {

struct DraftFiles {
  std::vector<lang::Source> rules, catalog;
  bool overlay = false;  // single files, laid over what is in force
};

// `path`: a file, a directory of rules, or one that holds rules/ and perhaps schemas/. `schemas`: a directory for the catalog; may be
// empty.
Result<DraftFiles> read_draft(const std::string& path, const std::string& schemas);
// The members "rules", "catalog" and "overlay" of a request, without braces.
std::string draft_members(const DraftFiles& files);

}  // namespace nudge::cli
