// What policies say to one customer's action at one instant: let it through, wait, or drop it. Pure: the state, the plan and the instant
// in, a verdict in words out. Used by the engine when an action is to be made, by delivery before an action leaves that had to wait, and by
// explain.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/core/effects.h"
#include "engine/core/evaluate.h"

namespace nudge {

// What is to be judged.
struct PolicySubject {
  std::string_view rule;
  RuleId rule_id = kNone;
  std::string_view channel;
  Category category = Category::sales;
  Purpose purpose = Purpose::marketing;
  Hash128 action;              // its own contact never counts against it
  TimeMs expires_at = kNever;  // no later than this
};

struct PolicyVerdict {
  enum class Kind : std::uint8_t { allow, defer, drop };
  Kind kind = Kind::allow;
  Held held = Held::none;  // why it is dropped or waits
  TimeMs until = 0;        // defer: when to judge again
  std::string policy;      // by name; empty: one that is built in
  std::string words;       // a clause for people: "quiet hours `nights`: it is 22:15 in Asia/Shanghai, the next opening is …"
};

PolicySubject subject_of(const ActionOut& action);

// The first policy, in their order of judgement, that does not let the action through: opt-outs, consent, inhibition, quiet hours, caps.
// Begins nothing: `evaluator` must have been begun for the customer and instant.
PolicyVerdict judge_policies(Evaluator& evaluator, const PolicySubject& subject);
// What each policy that binds the action says, for explain.
std::vector<PolicyVerdict> review_policies(Evaluator& evaluator, const PolicySubject& subject);

// Whether the policy binds such an action.
bool policy_binds(const Policy& policy, const PolicySubject& subject);

// Keeps a contact that was let through, when a cap or inhibition of the plan may look back at it, and forgets those too old to count.
void keep_contact(const Plan& plan, CustomerState& state, const PolicySubject& subject, TimeMs now);
// A message that nudge let through was taken by its provider at `at`, or (`left` false) did not leave after all.
void correct_contact(const Plan& plan, CustomerState& state, const Input& told, bool left);

// When messages may leave under a quiet_hours policy: whether they may at `now`, and until when; else the next opening.
struct Opening {
  bool open = false;
  bool found = false;  // false: no opening within 400 days
  TimeMs from = 0, to = 0;
};
Opening opening_of(const Plan& plan, const Policy& policy, const Zone& zone, TimeMs now);

// A policy in words, on one line.
std::string describe_policy(const Plan& plan, const Policy& policy);

}  // namespace nudge
