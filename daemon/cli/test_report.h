// What `nudge test` shows and writes: failures with both sides beside each other, JUnit XML, JSON, coverage. Not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "daemon/cli/commands.h"
#include "rules/testing/coverage.h"
#include "rules/testing/run_tests.h"

namespace nudge::cli {

struct Ran {
  testing::TestResult result;
  double seconds = 0;
};

// A test that passed (only when `verbose`) or failed, for people.
void show_test(const Terminal& terminal, const Ran& ran, bool verbose);
// One test suite per file, in the shape that build servers read. An error when the file cannot be written.
Result<void> write_junit(const std::string& path, const std::vector<Ran>& all);
// {"tests":[…],"passed":N,"failed":N[,"coverage":{…}]}; `coverage` may be null.
std::string tests_json(const std::vector<Ran>& all, const testing::CoverageReport* coverage);

// What no test touched, a line each with its place, and a last line with the percentage.
void show_coverage(const Terminal& terminal, const testing::CoverageReport& report);
// {"percent":91.5,"covered":N,"total":N,"gaps":[{"file":…,"line":…,"column":…,"kind":…,"owner":…,"what":…}]}
std::string coverage_json(const testing::CoverageReport& report);
// A page by itself: no script, nothing loaded.
std::string coverage_html(const testing::CoverageReport& report);

std::string seconds_text(double seconds);

}  // namespace nudge::cli
