// Thresholds over aggregates, compiled for speed: `count of logins within 30 days is at least 4`. Most conditions are of this kind, so each
// is one small record without pointers into the plan's graph. Everything that is not of the plain kind stays with the Evaluator's general
// way.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/columns.h"
#include "engine/plan/plan.h"

namespace nudge {

struct Leaf {
  enum class Fn : std::uint8_t {
    none,   // not of the plain kind
    count,  // rows
    sum,    // of values that were never negative
    average,
    beyond,   // some value is at or beyond the bound: max at least, min at most
    extreme,  // all are: min at least, max at most
    distinct,
  };
  Fn fn = Fn::none;
  bool upward = false;  // at_least, greater_than
  bool strict = false;  // greater_than, less_than
  Kind kind = Kind::missing;
  EventTypeId event = kNoEventType;
  FieldId field = kNoField;
  std::uint32_t slot = 0;        // of the window
  std::uint32_t column = kNone;  // of the filter and field; kNone: rows are looked at one by one
  DurationMs length = kNever;    // of the window; kNever: all that ever was
  std::int64_t wanted = 0;       // count, distinct: the smallest that reaches it. Others: the bound in units of the field
  Int128 units = 0;              // average: the bound in millionths
  const Predicate* filter = nullptr;
  std::size_t filters = 0;
};

// Built once per plan; immutable afterwards. Refers to the filters it was built with.
struct LeafTable {
  std::vector<Leaf> leaves;  // by node
  std::shared_ptr<const std::vector<ColumnDef>> columns;
  std::size_t slots = 0;

  void build(const Plan& plan, const FilterTable& filters);
};

// The row filter of a node that is a leaf; kNone: none.
NodeId filter_of_leaf(const Plan& plan, const Node& node);

}  // namespace nudge
