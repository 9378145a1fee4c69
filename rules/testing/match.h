// Whether an action is the one that a test expects: every parameter that the test names must be there and equal; others do not matter.
#pragma once

#include <string>
#include <vector>

#include "engine/core/approvals.h"
#include "engine/core/work.h"
#include "rules/testing/run_tests.h"

namespace nudge::testing {

// What differs; empty: it matches. `template_name`: of the action's step, empty for none.
std::vector<Difference> differences(const doc::Node& expected, const ActionOut& action, std::string_view template_name);

// An action on one line, for people: kind, customer, rule, instant, and its parameters as JSON.
std::string describe_action(const ActionOut& action);

// An expected action on one line, for people.
std::string describe_expected(const doc::Node& expected);

// What differs between a task and the one that a test expects: `owner: lin`, `state: offered` …; and a task on one line.
std::vector<Difference> task_differences(const doc::Node& expected, const Task& task);
std::string describe_task(const Task& task);
// The same of an opportunity: `stage: quote`, `state: open`, `stalled: true` …
std::vector<Difference> deal_differences(const doc::Node& expected, const Opportunity& deal);
std::string describe_deal(const Opportunity& deal);
// The same of a lead: `state: owned`, `owner: lin`, `pool: inbound`, `recycle_at: …`.
std::vector<Difference> lead_differences(const doc::Node& expected, const Lead& lead);
std::string describe_lead(const Lead& lead);

// The same for what waited for a yes: `asked: chen`, `state: approved` …
std::vector<Difference> approval_differences(const doc::Node& expected, const Request& request);
std::string describe_approval(const Request& request);

// Whether a plain value written in a test equals a JSON value: texts by bytes, numbers by value, instants by meaning.
bool equals_json(const doc::Node& expected, std::string_view json);

}  // namespace nudge::testing
