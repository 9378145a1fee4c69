// What a *.test.yaml file says, read and checked: customers, a timeline in virtual time, and what is expected along it.
//
// Plain data. Views and nodes point into the documents of the load, which must outlive it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/approvals.h"
#include "engine/core/effects.h"
#include "engine/core/work.h"
#include "engine/model/input.h"
#include "rules/lang/shape.h"

namespace nudge::testing {

using lang::Name;
using lang::Raw;
using lang::Where;

// One `expect:`. What is counted (firings, actions, entries …) is counted since the steps before the expectations that stand right above;
// what is asked (membership, values) is asked of the present.
struct Expectation {
  Where where;
  Name rule, customer, segment;
  std::optional<std::int64_t> fired, held;
  std::vector<std::pair<Held, std::int64_t>> held_by;
  std::optional<std::int64_t> deferred;               // steps that a policy made wait …
  std::optional<std::vector<TimeMs>> deferred_until;  // … until exactly then, in order
  Raw actions;                                        // a list; each item: {KIND: {PARAM: VALUE …}}
  std::vector<Name> in, not_in;                       // segments of `customer`
  std::optional<std::vector<std::string>> members;    // of `segment`: exactly these
  std::optional<std::int64_t> count, entries, exits;  // of `segment`
  std::vector<std::pair<Name, Raw>> traits, scores;   // of `customer`; a null value: missing
  std::vector<std::pair<Name, Name>> bands;           // of `customer`: score, band
  std::vector<std::pair<AttributeId, Raw>> attributes;  // of `customer`; a null value: missing
  std::vector<std::string> tags, no_tags;               // that `customer` carries, or does not
  std::optional<std::int64_t> open_tasks, duplicates, conflicts;
  Raw opportunities;     // of `customer`, in the order of their ids: a list of {id, stage, state …}
  Raw lead;              // of `customer`: {state, pool, owner …}; null: they are no lead
  Raw tasks;             // a list, of all tasks of `rule` and `customer` ever made: {owner, state, due …}
  Raw approvals;         // the same of all that ever waited for a yes: {asked, state, deadline …}
  bool nothing = false;  // no firing, nothing held, no action
};

struct TimelineStep {
  enum class Kind : std::uint8_t { input, move, activate, reload, task, delivery, approval, lead, deal, expect };
  Kind kind = Kind::move;
  Where where;
  TimeMs at = 0;                                // when it arrives: what the clock shows then
  Input input;                                  // input
  Name rule, customer;                          // activate, task, delivery, approval
  std::string_view outcome, note;               // delivery
  TaskCommand command;                          // task
  ApprovalCommand answer;                       // approval
  LeadCommand lead;                             // lead
  DealCommand deal;                             // opportunity
  std::string_view text;                        // delivery: what the customer answered
  std::string result;                           // delivery: what an `enrich` was answered, as JSON; empty: none
  std::vector<Expectation> expectations;        // expect
};

struct TestCase {
  std::string name;
  Where where;
  TimeMs start = 0;
  std::vector<Input> customers;       // their attributes at the start
  std::vector<std::string> inactive;  // rules that a later `activate` switches on
  std::vector<TimelineStep> timeline;
};

}  // namespace nudge::testing
