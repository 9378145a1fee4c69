// Runs tests of rules: each test gets a company of its own in virtual time (engine/simulate) and every expectation is checked.
//
// Thread-safety: any thread; nothing is shared between runs. No exception leaves it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/plan/plan.h"
#include "rules/testing/test_case.h"

namespace nudge::testing {

// Makes a fresh plan of the rules under test; the named rules are drafts in it. Called once per test and again for `reload` and `activate`.
using PlanSource = std::function<std::unique_ptr<Plan>(const std::vector<std::string>& drafts)>;

struct Failure {
  std::string file;
  std::uint32_t line = 0;
  std::string message;  // may have several lines: what was expected, what was there instead
};

struct TestResult {
  std::string name;
  std::string file;
  std::uint32_t line = 0;
  std::size_t expectations = 0;  // checked
  std::vector<Failure> failures;
  [[nodiscard]] bool ok() const { return failures.empty(); }
};

TestResult run_test(const TestCase& test, const PlanSource& plans);

}  // namespace nudge::testing
