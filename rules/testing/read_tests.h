// Reads *.test.yaml against a catalog and a plan: names are looked up, values typed, and every mistake reported with its place.
//
// Thread-safety: any thread. No exception leaves it.
#pragma once

#include "engine/plan/plan.h"
#include "rules/testing/test_case.h"

namespace nudge::testing {

// The tests of one file, in order. Tests with mistakes are left out; they are in `diagnostics` (codes R0750 to R0799).
std::vector<TestCase> read_tests(const doc::Document& document, const Plan& plan, doc::Diagnostics& diagnostics);

}  // namespace nudge::testing
