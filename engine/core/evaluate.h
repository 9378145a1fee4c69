// Evaluates conditions and values of a plan for one customer at one instant. Scratch memory is kept between customers; not thread-safe.
//
// Every answer comes with `until`: the instant before which it cannot change by time alone, given the rows at or before now. It is a lower
// bound: never too late, sometimes early (then evaluating again gives a later one). Rows and updates dated after now are not looked at; the
// engine judges again when their time comes.
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/base/zone.h"
#include "engine/core/filter.h"
#include "engine/core/leaf.h"
#include "engine/core/value_set.h"
#include "engine/model/customer.h"
#include "engine/plan/plan.h"

namespace nudge {

struct Verdict {
  bool truth = false;
  TimeMs until = kNever;
};

// A value with more precision than a Value can hold: sums beyond 64 bits and averages stay exact fractions, sums of doubles exact
// accumulators.
struct Quantity {
  ValueView view;  // the value, or the nearest to it
  TimeMs until = kNever;
  bool is_ratio = false;  // exactly numerator / denominator, in millionths
  Int128 numerator = 0;
  std::int64_t denominator = 1;
  const ExactSum* exact = nullptr;  // number: exactly this over `denominator`; lives until the next begin
  TimeMs ticks_from = kAlways;      // days_since: whole days since this instant; `until` is then that of the instant
};

// One row of one event type.
struct RowRef {
  const Rows* rows = nullptr;
  std::size_t row = 0;
  EventTypeId type = kNoEventType;
};

class Evaluator {
 public:
  // Sets the customer, the instant, the trigger's row (null rows: none) and the trigger's per-value key (encoded value; empty: none). All
  // stay unchanged and alive until the next begin.
  void begin(const Plan& plan, const CustomerState& state, TimeMs now, RowRef trigger = {}, std::string_view key = {});

  Verdict truth(NodeId id, const RowRef* row = nullptr);
  // All of them; true when there are none.
  Verdict conjunction(std::span<const NodeId> parts, const RowRef* row = nullptr) { return settle(parts, false, row); }
  Quantity value(ExprId id, const RowRef* row = nullptr);
  // The points of a score, whether or not any condition uses it.
  Quantity score_value(std::uint32_t index) { return score(plan_->scores[index]); }
  // The value as plain data: exact where it fits (a sum beyond 18 digits becomes the nearest number; an average a number).
  Value plain(const Quantity& q) const;

  // Windows with fewer rows are looked through row by row, which is as fast; others by columns (columns.h). The answers are the same.
  void use_columns_from(std::size_t rows) { columns_from_ = rows; }

  // Makes the tables for a plan, unless they are there already; begin does it by itself. `prepared`: how often they were made: tables that
  // refer to them are to be made again then.
  void prepare_for(const Plan& plan);
  std::uint64_t prepared() const { return prepared_; }
  const FilterTable& filters() const { return filters_; }
  const LeafTable& leaves() const { return leaves_; }
  TimeMs now() const { return now_; }
  const Plan& plan() const { return *plan_; }
  const CustomerState& state() const { return *state_; }
  const RowRef& trigger() const { return trigger_; }
  const Zone& zone();  // the customer's, else the company's, else UTC
  // Rows of an aggregate that count at this instant, ascending. For explain.
  std::vector<std::size_t> counted_rows(const Aggregate& aggregate);

  // Thresholds of the plain kind: see leaf.h and crossing.h. The rows that a leaf looks through:
  struct Slot {
    std::uint64_t epoch = 0;
    const Rows* rows = nullptr;  // null: none of the type
    std::size_t lo = 0, hi = 0;  // the rows of the window
  };
  const Slot& slot_of_leaf(const Leaf& leaf);
  // The customer's column for this leaf, up to date; null when the window has few rows, or sums do not fit.
  Column* column_of(const Leaf& leaf, const Slot& slot);
  bool passes(const Leaf& leaf, const Rows& rows, std::size_t row) const;

 private:
  // until: when a row enters or the calendar unit ends; back: when a clock that is put back over midnight brings the unit before it back
  struct Range {
    std::size_t lo = 0, hi = 0;
    TimeMs until = kNever, back = kNever;
  };
  template <class T>
  struct Memo {
    std::uint64_t epoch = 0;
    T value;
  };
  // What a threshold over an aggregate needs, worked out once per plan.
  struct Threshold {
    bool literal = false;    // one numeric literal that is no double, and an operator of that kind
    std::int64_t count = 0;  // the smallest count that reaches it
    Int128 units = 0;        // the smallest sum that reaches it, in millionths
  };

  Verdict evaluate(const Node& node, const RowRef* row);
  // all (`deciding` false) or any (true) of the children.
  Verdict settle(std::span<const NodeId> children, bool deciding, const RowRef* row);
  Verdict compare(const Node& node, const RowRef* row);
  Verdict compare_values(const Node& node, const Quantity& left, const RowRef* row);
  Verdict compare_numbers(const Node& node, const Quantity& left, const Quantity* right);
  Verdict compare_text(const Node& node, std::string_view left, const Quantity* right);
  Verdict compare_list(const Node& node, const ValueView& left) const;
  Verdict compare_times(const Node& node, const ValueView& left, const Quantity* right);
  Verdict anniversary(const Node& node, const ValueView& left);
  bool literal_in(const Node& node, const ValueView& left) const;
  TimeMs instant_of(const ValueView& v);

  Quantity aggregate_value(const Aggregate& a);
  Verdict compare_aggregate(const Node& node, const Aggregate& a);
  Verdict per_value(const Node& node, const Aggregate& a);
  Verdict at_least_rows(const Aggregate& a, std::int64_t k);
  // A threshold that rows, taken from the newest back, reach or do not: holds until the last row that was needed leaves the window. Nothing
  // when this aggregate and operator are not of that kind.
  std::optional<Verdict> reaches(const Node& node, const Aggregate& a);
  template <class Reached>
  Verdict from_newest(const Aggregate& a, const Rows& rows, Reached&& reached);
  Quantity sum_of(const Aggregate& a, const Rows& rows, std::span<const std::uint32_t> matched, bool average);
  const Rows* rows_of(const Aggregate& a) const { return state_->rows(a.event); }
  Range range_of(const Window& window, const Rows& rows);
  Range range_of(const Aggregate& a, const Rows& rows);
  TimeMs exit_of(const Window& window, TimeMs row_time) const;
  // When the calendar moves on to the day that first starts at `next`, or, where a clock is put back over midnight, back to the day before.
  TimeMs day_until(const Zone& zone, TimeMs next) const;
  bool counts(const Aggregate& a, const Rows& rows, std::size_t row, TimeMs& until);
  // Indexes of the counting rows, ascending, in a buffer that lives until `release`.
  struct Matched {
    std::vector<std::uint32_t>* rows;
    TimeMs until;
  };
  Matched collect(const Aggregate& a, const Rows& rows);
  void release() { --buffers_used_; }
  // An empty set with room for n values, until --values_used_.
  ValueSet& take_values(std::size_t n) {
    if (values_used_ == values_.size()) values_.emplace_back();
    values_[values_used_].reset(n);
    return values_[values_used_++];
  }

  Verdict sequence(const Sequence& s);
  Verdict calendar(const Calendar& c);
  Verdict changed(const Node& node);
  Verdict has_been(const Node& node);
  Quantity score(const Score& s);
  Verdict band(const Node& node);

  Verdict judge_leaf(const Leaf& leaf, const Node& node);
  Verdict reach_leaf(const Leaf& leaf, const Slot& slot);
  Verdict whole_leaf(const Leaf& leaf, const Slot& slot);

  void prepare(const Plan& plan);
  void prepare_aggregates();  // thresholds_ and range_slots_

  const Plan* plan_ = nullptr;
  std::uint64_t prepared_sequence_ = 0;  // tells another plan at the same address apart
  Hash128 prepared_digest_;
  std::uint64_t prepared_ = 0;
  FilterTable filters_;
  LeafTable leaves_;
  std::size_t columns_from_ = 128;
  std::vector<Slot> slots_;
  const CustomerState* state_ = nullptr;
  TimeMs now_ = 0;
  RowRef trigger_;
  ValueView key_;
  bool has_key_ = false;
  bool zone_known_ = false;
  Zone zone_;
  std::uint64_t epoch_ = 0;
  std::vector<Threshold> thresholds_;       // by node
  std::vector<std::uint32_t> range_slots_;  // by aggregate: the same for the same event type and window
  std::vector<Memo<Range>> ranges_;         // by slot
  std::vector<Memo<Verdict>> verdicts_;
  std::vector<Memo<Quantity>> quantities_;
  std::deque<std::vector<std::uint32_t>> buffers_;  // a stack: filters may evaluate aggregates
  std::size_t buffers_used_ = 0;
  std::deque<ValueSet> values_;  // a stack, like buffers_
  std::size_t values_used_ = 0;
  std::deque<ExactSum> sums_;
  std::size_t sums_used_ = 0;
  std::unordered_map<std::string, Zone> zones_;  // names seen
};

// The sign of a - b * times, exactly where neither side is a double; with doubles exactly when b is a literal and times is 1.
int compare_quantities(const Quantity& a, const Quantity& b, Decimal times);
// The first instant of the calendar unit that `now` lies in, and of the next one.
std::pair<TimeMs, TimeMs> unit_around(Window::Unit unit, TimeMs now, const Zone& zone);

}  // namespace nudge
