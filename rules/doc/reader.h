// Reads one YAML document strictly. What people get wrong by accident, or hostile files use on purpose, is refused with its
// position: aliases and anchors, tags, merge keys, duplicate keys, tabs, control characters, bad UTF-8, several documents in a
// file, and whatever passes the limits below. This folder is the only place that uses yaml-cpp.
//
// Thread-safety: read_document may run on any number of threads at once. No exception leaves it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "rules/doc/diagnostic.h"
#include "rules/doc/node.h"

namespace nudge::doc {

/// Limits of one file. They are checked while reading, before memory is spent.
struct ReadLimits {
  std::size_t bytes_max = std::size_t{4} << 20U;
  std::size_t nodes_max = 200'000;
  std::size_t depth_max = 32;
};

/// Reads `source` and reports every mistake to `diagnostics` (codes R0001 to R0019). The Document is never null: where reading had to
/// stop, it holds what was read in full, so that later passes can report more. Ask diagnostics.ok() before trusting it.
std::unique_ptr<Document> read_document(std::string name, std::string source, Diagnostics& diagnostics, const ReadLimits& limits = {});

}  // namespace nudge::doc
