// The compiled form of conditions: one directed acyclic graph of nodes, expressions and aggregates, equal ones shared.
//
// Plain data without behaviour; built by PlanBuilder, evaluated by core/. Ids index the vectors of Plan. Immutable once the plan is built.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/decimal.h"
#include "engine/model/catalog.h"

namespace nudge {

using NodeId = std::uint32_t;  // a condition: true or false
using ExprId = std::uint32_t;  // a value, or missing
using AggregateId = std::uint32_t;
inline constexpr std::uint32_t kNone = 0xffffffff;

class Regex;  // base/regex.h

// Which rows count, by their time. now is the instant of evaluation. No window ever sees a row later than now.
struct Window {
  enum class Kind : std::uint8_t {
    ever,     // t <= now
    within,   // now - a < t <= now
    from_to,  // now - a < t <= now - b
    since,    // the start of the calendar unit that now lies in <= t <= now
    fixed,    // lo … hi; see below
  };
  enum class Unit : std::uint8_t { day, week, month, quarter, year };
  // One end of a fixed range: an instant, or a whole calendar day in the customer's zone.
  struct Bound {
    bool set = false;
    bool is_date = false;  // the whole day counts, both ends included; an instant: start included, end excluded
    std::int64_t at = 0;   // DateDays or TimeMs
    friend bool operator==(const Bound&, const Bound&) = default;
  };
  Kind kind = Kind::ever;
  DurationMs a = 0;
  DurationMs b = 0;
  Unit unit = Unit::day;
  bool tenant_zone = false;  // calendar in the company's zone instead of the customer's
  Bound lo, hi;
  friend bool operator==(const Window&, const Window&) = default;
};

// An aggregate over a customer's rows of one event type.
struct Aggregate {
  enum class Fn : std::uint8_t { count, sum, average, min, max, distinct, first, last };
  EventTypeId event = kNoEventType;
  NodeId filter = kNone;  // a condition over the row's fields
  Window window;
  bool before_trigger = false;  // only rows strictly before the trigger in row order
  Fn fn = Fn::count;
  FieldId field = kNoField;  // all but count; kTimeField is the row's time
  // Per value: only rows whose value of this field equals the key of the rule's trigger; without a trigger key, the comparison holds when
  // it holds for the rows of at least one present value.
  FieldId same = kNoField;
};

// Where a value comes from.
struct Expr {
  enum class Kind : std::uint8_t {
    literal,        // `value`
    attribute,      // of the customer
    field,          // of the row that a filter looks at
    trigger_field,  // of the event that triggered the rule (missing when something else did)
    aggregate,
    days_since,  // whole 24-hour days from `child` (a date or timestamp) to now
    size,        // of the list `child`
    trait,       // `child`, under a name
    score,       // a score's sum
  };
  Kind kind = Kind::literal;
  Type type = Type::text;            // of what it yields when present
  Value value;                       // literal
  std::uint32_t ref = kNone;         // attribute, field, aggregate, score, trait: the id; trigger_field: the field
  EventTypeId event = kNoEventType;  // field, trigger_field: of which type
  ExprId child = kNone;
};

// How two sides are compared. Every operator but `exists` is false on a missing value.
enum class Op : std::uint8_t {
  equals,
  not_equals,
  in,
  not_in,
  contains,
  not_contains,
  starts_with,
  ends_with,
  matches,
  exists,
  greater_than,
  at_least,
  less_than,
  at_most,
  between,
  before,
  after,
  within,
  older_than,
  in_next,
  anniversary_in_next,
  anniversary_today,
  has,
  has_any,
  has_all,
};
std::string_view op_name(Op op);  // as written in the language

// A sequence of rows, in row order.
struct SequenceStep {
  EventTypeId event = kNoEventType;
  NodeId filter = kNone;
  bool absent = false;         // `no_event … for D`: none in (t, t + D] after the previous row; true from t + D on
  DurationMs within = kNever;  // present: the gap to the previous row is below this
  DurationMs lasting = 0;      // absent: D
  FieldId same = kNoField;     // this step's field that must be present and equal in all steps
};
struct Sequence {
  std::vector<SequenceStep> steps;
  Window window;  // where the rows of all present steps must lie
};

// Times of the week and year, in the customer's zone (or the company's).
struct Calendar {
  std::uint8_t weekdays = 0x7f;  // bit 0 = Monday
  struct Hours {
    DurationMs from, to;
    friend bool operator==(const Hours&, const Hours&) = default;
  };                         // of the day; to <= from runs over midnight
  std::vector<Hours> hours;  // empty: all day
  struct Range {
    DateDays from, to;
    friend bool operator==(const Range&, const Range&) = default;
  };                         // both included
  std::vector<Range> dates;  // empty: every day
  bool tenant_zone = false;
};

struct Node {
  enum class Kind : std::uint8_t {
    constant,  // `truth`
    all,
    any,       // children
    negate,    // children[0]
    compare,   // left op right
    tag,       // carries the tag `text`
    segment,   // children[0], under the name of segment `ref`
    sequence,  // `ref`
    calendar,  // `ref`
    changed,   // attribute `ref` changed in `window` (to `literals`, from `from_literals`, when given)
    has_been,  // compare child has held for attribute `ref` for `lasting`: true from exactly then on
    band,      // score `ref` lies in band `band`
  };
  Kind kind = Kind::constant;
  bool truth = false;
  Op op = Op::equals;
  bool ignore_case = false;  // text literals are stored folded
  std::vector<NodeId> children;
  ExprId left = kNone;
  ExprId right = kNone;              // right side that is not a literal …
  Decimal times{Decimal::kScale};    // … times this
  std::vector<Value> literals;       // right side: one; two for between; many for in, has_any …
  std::vector<Value> from_literals;  // changed: from
  DurationMs duration = 0;           // within, older_than, in_next, anniversary_in_next, has_been
  Window window;                     // changed
  std::uint32_t ref = kNone;
  std::uint32_t band = kNone;
  std::string text;                    // tag; matches: the pattern
  std::shared_ptr<const Regex> regex;  // matches
};

}  // namespace nudge
