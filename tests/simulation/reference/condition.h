// Rules and conditions as plain trees, for the reference evaluator: nothing is shared, flattened or indexed here.
//
// A tree is translated into a plan (translate.h) and evaluated from scratch (oracle.h); the two answers are then compared. Immutable once
// made.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/plan/plan.h"

namespace nudge::reference {

struct Condition;
struct Operand;
using ConditionRef = std::shared_ptr<const Condition>;
using OperandRef = std::shared_ptr<const Operand>;

// Rows of one event type, and what is computed from them.
struct Query {
  EventTypeId event = 0;
  ConditionRef where;  // over fields; null: every row
  Window window;
  bool before_trigger = false;
  Aggregate::Fn fn = Aggregate::Fn::count;
  FieldId field = kNoField;
  FieldId same = kNoField;
};

struct Operand {
  enum class Kind : std::uint8_t { attribute, field, trigger_field, query, days_since, size, trait, score };
  Kind kind = Kind::attribute;
  Type type = Type::text;  // of what it yields
  std::uint32_t ref = 0;   // attribute, field, trait, score
  EventTypeId event = 0;   // field, trigger_field
  OperandRef child;        // days_since, size
  Query query;
};

struct Step {
  EventTypeId event = 0;
  ConditionRef where;
  bool absent = false;
  DurationMs within = kNever;
  DurationMs lasting = 0;
  FieldId same = kNoField;
};

struct Condition {
  enum class Kind : std::uint8_t { constant, all, any, negate, compare, tag, segment, sequence, calendar, changed, has_been, band };
  Kind kind = Kind::constant;
  bool truth = false;
  std::vector<ConditionRef> children;  // all, any, negate, has_been
  Op op = Op::equals;
  bool ignore_case = false;
  OperandRef left;
  OperandRef right;
  Decimal times{Decimal::kScale};
  std::vector<Value> literals;
  std::vector<Value> from_literals;
  DurationMs duration = 0;
  Window window;          // changed, sequence
  std::uint32_t ref = 0;  // segment, score of a band, attribute of changed and has_been
  std::uint32_t band = 0;
  std::string text;  // tag, pattern
  std::vector<Step> steps;
  Calendar calendar;
};

struct Rule {
  std::string name;
  std::int32_t priority = 50;
  RuleState state = RuleState::active;
  Trigger::Kind trigger = Trigger::Kind::event;
  EventTypeId event = 0;
  ConditionRef where;
  FieldId same = kNoField;
  std::uint32_t segment = 0;
  AttributeId attribute = 0;
  std::vector<Value> to, from;
  DurationMs hold_for = 0;
  DurationMs offset = 0;  // date
  DurationMs time_of_day = 0;
  std::vector<int> minutes, hours;  // schedule; a day of the month or a weekday (1 = Monday), 0: any
  int day_of_month = 0, weekday = 0;
  std::string zone;
  ConditionRef condition;  // null: always
  // What a step writes back into the customer.
  struct Writing {
    enum class Kind : std::uint8_t { none, set, clear, add, tag, untag, emit };
    Kind kind = Kind::none;
    AttributeId attribute = 0;
    Value value;
    std::string tag;
    DurationMs expires = 0;
    EventTypeId event = 0;
    std::vector<Value> fields;  // emit: missing ones are left out
  };
  struct Act {
    enum class Kind : std::uint8_t { act, wait, until, branch, stop };
    Kind kind = Kind::act;
    DurationMs after = 0;  // act, wait
    ConditionRef only_if;
    Writing writing;
    ConditionRef condition;  // until, branch
    DurationMs timeout = 0;
    bool stop_on_timeout = false;
    std::vector<Act> then, otherwise;  // branch
  };
  std::vector<Act> steps;
  ConditionRef exit;
  EventTypeId goal = kNoEventType;  // kNoEventType: no goal
  ConditionRef goal_where;
  DurationMs goal_within = 0;
  bool goal_stop = true;
  DurationMs once_per = 0;
  bool once_ever = false;
  std::uint32_t rollout = 100;  // 0 or 100: who is in between depends on a hash that the reference does not share
  std::uint32_t holdout = 0;
  bool existing_fire = false;
  DurationMs max_age = kDay;
};

struct Definitions {
  std::string zone = "UTC";
  std::vector<ConditionRef> segments;  // named segment-0, segment-1 …; one may refer to those before it
  std::vector<OperandRef> traits;
  struct Points {
    ConditionRef condition;
    OperandRef trait;
    Decimal add;
    bool has_at_most = false;
    Decimal at_most;
  };
  struct Score {
    std::vector<Points> points;
    std::vector<Decimal> bands;  // ascending
  };
  std::vector<Score> scores;
  std::vector<Rule> rules;
};

// The catalog that all cases use: attribute 0 is the time zone; every event type has the same fields.
std::shared_ptr<const Catalog> test_catalog();
inline constexpr AttributeId kZoneAttribute = 0;

// For people, and to tell whether two definitions are the same: segments, traits and scores are written out in place.
std::string describe(const Definitions& all, const ConditionRef& condition);
std::string describe(const Definitions& all, const OperandRef& operand);
std::string describe(const Definitions& all, const Rule& rule);
std::string describe(const Input& input);

// One step without those inside of it.
std::string describe(const Definitions& all, const Rule::Act& act);

std::string cron_of(const Rule& rule);

// The same as a plan. The registry must still bind it. Nodes of the segments and rules are those of the plan's own.
std::unique_ptr<Plan> translate(const Definitions& all);

}  // namespace nudge::reference
