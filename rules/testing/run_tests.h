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

class Coverage;

// One thing that is not as expected, both sides as a person would write them.
struct Difference {
  std::string what, expected, got;
};

struct Failure {
  std::string file;
  std::uint32_t line = 0;
  std::string subject;  // "rule r, customer c", and what the differences are in: may be empty
  std::vector<Difference> differences;
  std::vector<std::string> context;  // what happened instead, a line each
  std::string note;                  // what is wrong when it is no difference
  // All of it as text of several lines, without the place.
  [[nodiscard]] std::string message() const;
};

struct TestResult {
  std::string name;
  std::string file;
  std::uint32_t line = 0;
  std::size_t expectations = 0;  // checked
  std::vector<Failure> failures;
  [[nodiscard]] bool ok() const { return failures.empty(); }
};

// `coverage` (may be null) watches the run.
TestResult run_test(const TestCase& test, const PlanSource& plans, Coverage* coverage = nullptr);

}  // namespace nudge::testing
