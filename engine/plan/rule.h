// The compiled form of rules and of what they share: segments, traits, scores, teams. Plain data; immutable once the plan is built.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/hash.h"
#include "engine/model/customer.h"
#include "engine/plan/action.h"
#include "engine/plan/policy.h"
#include "engine/plan/team.h"

namespace nudge {

struct Segment {
  std::string name;
  std::string description;
  NodeId node = kNone;
  // Given by bind (plan/registry.h).
  Hash128 key;  // of name and definition
  RootId root = kNone;
  TimeMs activated = kAlways;    // when this definition became active: members at that instant are seeded
  std::uint64_t since_plan = 0;  // the first plan that had it
  std::string file;
  std::uint32_t line = 0;
};

struct Trait {
  std::string name;
  std::string description;
  ExprId expr = kNone;
};

struct Score {
  struct Points {
    NodeId condition = kNone;  // add `add` when true …
    ExprId trait = kNone;      // … or the value times `add`
    Decimal add;
    bool has_at_most = false;
    Decimal at_most;
  };
  struct Band {
    std::string name;
    Decimal from;
  };
  std::string name;
  std::string description;
  std::vector<Points> points;
  std::vector<Band> bands;  // by `from`, ascending
};

struct Trigger {
  enum class Kind : std::uint8_t { event, enters, leaves, attribute_changes, schedule, date };
  Kind kind = Kind::event;
  EventTypeId event = kNoEventType;
  NodeId where = kNone;                  // event: a condition over the row's fields
  FieldId same = kNoField;               // event: fires per value of this field (once_per counts per value)
  std::uint32_t segment = kNone;         // enters, leaves: index into Plan::segments
  AttributeId attribute = kNoAttribute;  // attribute_changes, date
  std::vector<Value> to, from;           // attribute_changes: only to / from these
  DurationMs hold_for = 0;               // enters: must hold this long before it fires
  std::string cron;                      // schedule
  std::string zone;                      // schedule
  DurationMs offset = 0;                 // date: negative is before
  DurationMs time_of_day = 0;            // date
  bool at_midnight = false;              // date, a timestamp: `at: 00:00` is written; without `at` it keeps its own time of day
};

enum class RuleState : std::uint8_t { draft, shadow, active, paused };
std::string_view rule_state_name(RuleState s);

struct Limits {
  DurationMs once_per = 0;    // 0: no limit
  bool once_ever = false;     // once per customer, for good
  std::uint64_t at_most = 0;  // firings of the rule over all customers per `at_most_per`; 0: no limit
  Window::Unit at_most_per = Window::Unit::day;
  bool at_most_per_hour = false;
};

struct Goal {
  EventTypeId event = kNoEventType;  // kNoEventType: no goal
  NodeId where = kNone;
  DurationMs within = 0;
  FieldId value = kNoField;
  bool stop = true;  // once it is met, the later steps of that firing do not run
};

struct Rule {
  std::string name;
  std::string description;
  Category category = Category::sales;
  Purpose purpose = Purpose::marketing;  // what its messages are for; see default_purpose
  std::int32_t priority = 50;  // higher first
  RuleState state = RuleState::active;
  Trigger trigger;
  NodeId condition = kNone;  // `if`; kNone: always
  std::vector<Step> steps;
  NodeId exit = kNone;  // a run that waits ends as soon as this holds
  Limits limits;
  std::uint32_t rollout_percent = 100;
  std::uint32_t holdout_percent = 0;
  bool existing_fire = false;
  DurationMs max_age = kDay;
  Goal goal;
  Hash128 definition;  // of everything above but the description: the rule's version
  RuleId id = kNone;   // given by bind
  TimeMs activated = kAlways;
  std::uint64_t version = 0;     // 1, 2, 3 … of this name; given by bind
  std::uint64_t since_plan = 0;  // the plan that activated it; given by bind
  std::string file;
  std::uint32_t line = 0;
};

// What rules of a category are for unless they say so themselves: sales sells, the others do not reach the customer.
inline Purpose default_purpose(Category c) { return c == Category::sales ? Purpose::marketing : Purpose::internal; }

}  // namespace nudge
