// A mapping to begin with, for whoever has a file and none. Reads the file's first row only.
#pragma once

#include <string>

#include "daemon/cli/commands.h"
#include "engine/model/catalog.h"

namespace nudge::cli {

// YAML: the customer's column by its usual names, else the first; columns that are called like an attribute; the others as comments.
Result<std::string> proposed_mapping(const std::string& file, const std::string& sheet, const Catalog& catalog);
// Prints it and what to do with it. Always answers `failed`: nothing was imported.
Exit propose_mapping(const Output& out, const std::string& file, const std::string& sheet, const Catalog& catalog);

}  // namespace nudge::cli
