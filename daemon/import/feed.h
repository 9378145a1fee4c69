// Data files (CSV or Excel with a mapping, or NDJSON as intake reads it) to typed inputs, through the daemon's own catalog check: for
// replay without a daemon. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/import/rows.h"
#include "daemon/import/table.h"
#include "engine/model/input.h"

namespace nudge::import {

// Reads the mapping of a file; all its mistakes are in the error, as `nudge check` would show them.
Result<std::unique_ptr<Mapping>> load_mapping(const std::string& path, const Catalog& catalog);

// A file opened with a mapping, its header read and checked. `sheet`: instead of the mapping's.
struct TableSource {
  Table reader;
  RowWriter writer;
};
Result<TableSource> open_table(const std::string& path, const Mapping& mapping, const std::string& sheet = {});

// Appends the inputs of a file. `mapping`: null for NDJSON. What does not fit comes in `problems`, the rest is read.
Result<void> read_inputs(const std::string& path, const Mapping* mapping, std::shared_ptr<const Catalog> catalog,
                         std::vector<Input>& inputs, std::vector<RowProblem>& problems);

}  // namespace nudge::import
