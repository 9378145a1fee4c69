// The front door of the rule language: catalogs and rules from YAML text to the engine's plan, all mistakes reported at once.
//
//   read     (read.h)     each file: YAML tree -> plain structs with places
//   collect  (collect.h)  all files: names, uniqueness
//   compile  (compile.h)  lookup, types, hash-consed plan
//
// Thread-safety: every function may run on any thread; none keeps state. No exception leaves them.
#pragma once

#include <string>
#include <vector>

#include "engine/base/status.h"
#include "rules/lang/source.h"

namespace nudge::lang {

/// Limits of one load: all files together.
inline constexpr std::size_t kFilesMax = 10'000;
inline constexpr std::size_t kSourceBytesMax = std::size_t{64} << 20U;

/// Reads and merges catalog files, adds the event types that nudge itself makes, and indexes the result.
CatalogResult load_catalog(const std::vector<Source>& sources);

/// Compiles rule files against a catalog. The plan is not bound yet (engine/plan/registry.h gives it ids and a sequence number).
CompileResult compile(const std::vector<Source>& sources, std::shared_ptr<const Catalog> catalog, const CompileOptions& options = {});

/// Parses one condition, as it stands after `if:`, into a plan of its own: for `nudge segment` on an ad-hoc condition and for tests.
/// The plan has one segment named `name`.
CompileResult compile_condition(const Source& condition, std::string_view name, std::shared_ptr<const Catalog> catalog);

/// The files of a directory tree: `schemas` takes *.yaml of the directory itself; `rules` takes **/*.yaml but *.test.yaml. Sorted by name;
/// hidden files and directories are left out; symbolic links are not followed out of the tree. A missing directory or an unreadable file is
/// an error.
Result<std::vector<Source>> read_catalog_directory(const std::string& directory);
Result<std::vector<Source>> read_rule_directory(const std::string& directory);
/// The *.test.yaml files of a tree.
Result<std::vector<Source>> read_test_directory(const std::string& directory);

}  // namespace nudge::lang
