// What the loader is given and what it gives back. Thread-safety: the functions of load.h may run on any thread; results are not shared.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/plan/plan.h"
#include "rules/doc/diagnostic.h"
#include "rules/lang/parts.h"

namespace nudge::lang {

struct SourceMap;  // source_map.h

/// One file as text, so that a stored version can be compiled again without a file system.
struct Source {
  std::string name;  // path relative to its directory, with `/`: "growth/dormant-return.yaml"
  std::string text;
};

struct CatalogResult {
  std::unique_ptr<Catalog> catalog;  // null when there are errors
  doc::Diagnostics diagnostics;      // sorted
};

struct CompileOptions {
  Zone zone;                            // the company's
  std::vector<std::string> connectors;  // configured connectors, for `connector:` of an action …
  bool check_connectors = false;        // … which is looked up in them when this is set
  bool record_parts = false;            // fill in CompileResult::parts
  bool map_sources = false;             // fill in CompileResult::sources
};

struct CompileResult {
  std::unique_ptr<Plan> plan;        // null when there are errors: a bad set is refused as a whole
  doc::Diagnostics diagnostics;      // sorted; may hold warnings beside a plan
  std::vector<ConditionPart> parts;  // in the order of compilation, which is the same each time; empty unless asked for
  std::shared_ptr<const SourceMap> sources;  // where all of the plan stands; null unless asked for, and without a plan
};

}  // namespace nudge::lang
