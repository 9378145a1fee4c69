// What is legal but wrong in a set of rules: conditions that can never hold, rules that feed each other, gaps in texts … One small file per
// lint (lint_*.cpp); each works on the compiled plan and says where in the files it found something. docs/codes explains the codes R1001 …
//
// Cost grows with the size of the rules, never with its square: what is shared is judged once, and rules are compared only with few of
// those that do the same on the same trigger. Thread-safety: none; one call at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "rules/lang/source.h"
#include "rules/lang/source_map.h"

namespace nudge::lint {

// How much work a run took, for guards against what grows too fast.
struct Cost {
  std::uint64_t steps = 0;  // comparisons looked at, pairs of row sets, pairs of rules
};

struct Options {
  bool notes = false;                      // say what may well be meant so, too
};

// Adds warnings and notes to `diagnostics`; the caller sorts them. `plan` and `sources` are of one load (CompileOptions::map_sources).
Cost run(const Plan& plan, const lang::SourceMap& sources, const Options& options, doc::Diagnostics& diagnostics);

}  // namespace nudge::lint
