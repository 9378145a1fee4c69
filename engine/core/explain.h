// Why and why not: the parts of a condition with their truth, their values and the rows that counted. Pure; for people, not for the hot
// path.
#pragma once

#include <string>
#include <vector>

#include "engine/core/engine.h"

namespace nudge {

struct Explanation {
  std::string text;  // the part in the language's words: "attribute tier in [silver, gold]"
  bool truth = false;
  bool is_value = false;          // a value, not a condition: truth says whether it is present
  std::string value;              // what it had: "tier = gold", "3 rows, the newest 2026-02-01T…"
  TimeMs until = kNever;          // holds by time alone until then
  std::vector<std::string> rows;  // ids of the newest rows that counted, at most 10, newest first
  std::vector<TimeMs> row_times;  // … and when they happened
  std::string window;             // which time was looked at: "2026-01-01T00:00:00Z < t <= 2026-01-31T00:00:00Z"; empty: all of it
  std::vector<Explanation> children;
};

// The condition's parts at `now`; `trigger` (may be null) is the row that `before: trigger` and trigger fields speak of.
struct TriggerRow {
  EventTypeId type;
  TimeMs time;
  std::string id;
};
Explanation explain_condition(const Plan& plan, const CustomerState& state, NodeId node, TimeMs now, const TriggerRow* trigger = nullptr);

// What one policy says to the action of one step, if it were made now.
struct PolicyLine {
  std::string step;     // its place as written
  std::string action;   // email, sms …
  std::string policy;   // empty: built in
  std::string verdict;  // allows, defers, drops
  std::string text;
  TimeMs until = kNever;  // defers: until then
};

struct RuleExplanation {
  std::string rule;
  std::uint64_t version = 0;
  std::string verdict;  // one sentence: "would fire now", "does not fire: tier is not one of silver, gold"
  std::string trigger;  // what it waits for, and when that last happened
  Explanation condition;
  std::vector<PolicyLine> policies;  // in the order in which they are asked, step by step
  std::vector<std::string> limits;   // what limits, rollout and holdout say for this customer
};
// The state as far as it is known for an instant in the past: its facts, memberships by what they say then (since when is not known), the
// rule's firings (by key, as of then), no waiting steps. `fired`: what the decisions say; pure, like everything here.
CustomerState as_of(const Plan& plan, CustomerState state, const Rule& rule, TimeMs at, LeanVector<LastFired> fired);
// For an event trigger the newest row of that type at or before `now` is taken as the trigger.
RuleExplanation explain_rule(const Plan& plan, const CustomerState& state, const Rule& rule, TimeMs now);

// A condition in the language's words, on one line.
std::string describe(const Plan& plan, NodeId node);
std::string describe_expr(const Plan& plan, ExprId expr);

// The explanation as a JSON object.
void append_json(std::string& out, const Explanation& e);
void append_json(std::string& out, const RuleExplanation& e);

}  // namespace nudge
