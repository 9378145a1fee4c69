// What a step decided. Plain data; owned by the caller; everything needed later is copied in, so effects outlive the plan.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/plan/plan.h"

namespace nudge {

// How an input ended.
enum class Receipt : std::uint8_t {
  stored,
  duplicate,  // same id, same content: acknowledged, nothing changed
  conflict,   // same id, other content: the first is kept, this one is refused
};

// A customer entered or left a segment.
struct Edge {
  RootId root = kNone;
  bool entered = false;
  bool silent = false;  // by seeding or import: counted, never fired on
  TimeMs at = 0;
};

// Why a firing, or a step of one, did not act. Numbers are stored: append only.
enum class Held : std::uint8_t {
  none = 0,
  once_per = 1,   // fired for this customer within `once_per`
  rollout = 2,    // outside the rollout percentage
  holdout = 3,    // in the holdout group
  shadow = 4,     // the rule decides and records, and does nothing
  only_if = 5,    // the step's only_if was false when it was due
  at_most = 6,    // the rule's at_most over all customers was reached (decided by the desk)
  render = 7,     // a template could not be rendered; the detail says why
  rule_gone = 8,  // the rule was removed or paused while the run was waiting
  runs_full = 9,  // too many delayed steps are waiting for this customer
  exit = 10,       // the rule's `exit` came true while the run was waiting
  goal = 11,       // the rule's goal was met
  step_gone = 12,  // the step that the run waited at is not in the rule any more
  stopped = 13,    // the run came to a `stop`
  timeout = 14,    // an `until` was not met in its time, and the rule says `on_timeout: stop`
  loop = 20,   // the firing ends a chain of firings that fed each other without delay
  write = 21,  // a value to be written does not fit the catalog; the detail says why
  no_address = 22,  // an email or sms whose `to` came out empty
  // Policies, judged for one customer. The detail names the policy and the figures.
  opted_out = 24,    // the customer unsubscribed
  consent = 25,      // a consent policy does not hold
  inhibited = 26,    // another rule acted for this customer a short time before
  quiet_hours = 27,  // outside the opening hours
  cap = 28,          // a frequency cap is reached
  expired = 29,      // it could not leave within expires_after
  // … across customers, or by people
  budget = 30,
  braked = 31,
  silenced = 32,
  suppressed = 33,  // the customer, address or domain is on the suppression list
  approval = 36,      // kept until somebody says yes or no
  refused = 37,       // somebody said no
  not_approved = 38,  // nobody said yes in time
  test_mode = 34,   // only given addresses are sent to
  deferred = 35,    // not dropped: the step waits, see Decision::deferred_until
};
inline bool held_by_policy(Held h) { return h >= Held::opted_out && h <= Held::deferred; }
std::string_view held_text(Held h);
// As tests of rules, metrics and the command line name it: `once_per`, `quiet_hours` …
std::string_view held_name(Held h);

// One decision about one rule and customer. A firing gives one decision (fired or held); a delayed step gives one more when it is due.
struct Decision {
  std::uint64_t number = 0;  // given by the runtime: order within the data directory
  bool fired = false;
  Held held = Held::none;
  std::string rule;
  RuleId rule_id = kNone;
  std::uint64_t rule_version = 0;
  std::string customer;
  TimeMs at = 0;  // the instant judged
  Cause cause;
  std::uint32_t step = kNone;  // kNone: the firing itself
  std::string detail;
  TimeMs deferred_until = 0;  // not 0: not dropped, the step waits until then and is judged again
};

// How a place wants values escaped; the template's own text is the author's and stays as written.
enum class Escape : std::uint8_t {
  none,
  html,
  header,  // no line breaks, no control characters
  sms,     // no control characters but the line break
};

// A value of a payload that only the desk knows: a property of whom it gives the action to.
struct LateText {
  std::size_t at = 0;  // where in the payload, inside a JSON string
  std::string property;
  std::vector<Filter> filters;
  std::string locale;
  Escape escape = Escape::none;
};

struct Question;

// An action to be carried out. `id` is derived from rule, version, customer, cause and step: neither replay nor restart makes a second one.
struct ActionOut {
  Hash128 id;
  std::string rule;
  RuleId rule_id = kNone;
  std::uint64_t rule_version = 0;
  std::string customer;
  Cause cause;
  std::uint32_t step = 0;
  std::int32_t priority = 50;
  TimeMs at = 0;  // the instant it was decided
  Category category = Category::sales;
  std::string kind;  // call_task, email, sms …
  std::string channel;
  std::string connector;  // empty: the kind's default
  bool mandatory = false;
  TimeMs due = 0;       // call_task: deadline, 0: none
  std::string reason;   // for people: why this happened
  std::string payload;  // the rendered parameters: a JSON object
  std::vector<LateText> late;  // what the desk puts into the payload, by `at`; never stored
  // call_task: who may get it; decided by the desk, in the order of the log.
  bool assigns = false;
  Assignment assignment;
  std::vector<std::pair<AttributeId, Value>> customer_values;  // what the assignment compares with
  std::string owner;                                           // given by the desk: a member's id, or empty
  std::string owner_name;
  std::string why;                // given by the desk: how the owner was chosen; not stored with the action
  std::string last_owner;         // who had this customer's last task, for `sticky`
  TimeMs last_owned = kAlways;
  TaskTerms terms;                // call_task
  Purpose purpose = Purpose::marketing;
  TimeMs expires_at = kNever;  // not sent from then on
  OnUnknown on_unknown = OnUnknown::by_connector;
  std::shared_ptr<const Question> question;  // to be asked before it goes out; never stored
  std::string asks_for;  // of a message that asks: which approval, by when and whom (core/approvals.h); empty: it asks nothing
};

// What is asked before an action goes out, as the step made it.
struct Question {
  std::string team, person;  // as Approval has them
  TimeMs deadline = 0;
  bool otherwise_send = false;
  std::string subject;
  std::vector<ActionOut> asks;
};

// The event that a rule's goal names came in time after a firing, or after one that the holdout kept back: what the rule brings in is the
// difference.
struct GoalMet {
  RuleId rule_id = kNone;
  bool holdout = false;
  TimeMs at = 0;
  Decimal value;  // of the goal's field; 0 without one
  friend bool operator==(const GoalMet&, const GoalMet&) = default;
};

// An action that a policy held back, as it would have been: dropped, or kept until a person releases or discards it.
struct HeldAction {
  ActionOut action;
  Held held = Held::none;
  std::string reason;
  bool kept = false;
};

struct Effects {
  std::vector<HeldAction> held_actions;
  std::vector<GoalMet> goals;
  std::vector<Edge> edges;
  std::vector<Decision> decisions;
  std::vector<ActionOut> actions;
  std::vector<ActionOut> questions;  // moved there by the desk: actions that wait for a yes
  void clear() {
    questions.clear();
    goals.clear();
    edges.clear();
    decisions.clear();
    actions.clear();
    held_actions.clear();
  }
};

void encode_decision(Writer& out, const Decision& d);
bool decode_decision(Reader& in, Decision& d);
void encode_action(Writer& out, const ActionOut& a);
bool decode_action(Reader& in, ActionOut& a);

}  // namespace nudge
