#include "engine/core/leaf.h"

#include <algorithm>

#include "engine/core/evaluate.h"

namespace nudge {
namespace {

bool is_threshold(Op op) { return op == Op::at_least || op == Op::greater_than || op == Op::less_than || op == Op::at_most; }

Int128 floor_divide(Int128 a, Int128 b) { return a / b - (a % b != 0 && a < 0 ? 1 : 0); }

Leaf::Fn function_of(const Aggregate& a, bool upward) {
  switch (a.fn) {
    case Aggregate::Fn::count: return Leaf::Fn::count;
    case Aggregate::Fn::sum: return Leaf::Fn::sum;
    case Aggregate::Fn::average: return Leaf::Fn::average;
    case Aggregate::Fn::max: return upward ? Leaf::Fn::beyond : Leaf::Fn::extreme;
    case Aggregate::Fn::min: return upward ? Leaf::Fn::extreme : Leaf::Fn::beyond;
    case Aggregate::Fn::distinct: return Leaf::Fn::distinct;
    default: return Leaf::Fn::none;
  }
}

// The bound in the field's own units (whole ones for counts): the least that reaches it, or for min and max downward the greatest.
bool bound_of(const Node& node, Leaf& leaf, bool whole) {
  const ValueView v = node.literals[0].view();
  if (v.kind != Kind::integer && v.kind != Kind::decimal) return false;
  leaf.units = v.kind == Kind::integer ? Int128{v.i} * Decimal::kScale : Int128{v.i};
  const Int128 scale = whole ? Decimal::kScale : 1;
  const Int128 below = floor_divide(leaf.units, scale);
  const Int128 above = -floor_divide(-leaf.units, scale);
  const bool downward = !leaf.upward && (leaf.fn == Leaf::Fn::beyond || leaf.fn == Leaf::Fn::extreme);
  Int128 wanted = 0;
  if (downward)
    wanted = node.op == Op::at_most ? below : above - 1;
  else
    wanted = node.op == Op::greater_than || node.op == Op::at_most ? below + 1 : above;
  if (wanted > (Int128{1} << 62) || wanted < -(Int128{1} << 62)) return false;
  leaf.wanted = static_cast<std::int64_t>(wanted);
  return true;
}

bool leaf_of(const Plan& plan, const FilterTable& filters, const Node& node, Leaf& leaf) {
  if (node.kind != Node::Kind::compare || node.right != kNone || node.literals.size() != 1 || !is_threshold(node.op)) return false;
  const Expr* left = &plan.exprs[node.left];
  while (left->kind == Expr::Kind::trait) left = &plan.exprs[left->child];
  if (left->kind != Expr::Kind::aggregate) return false;
  const Aggregate& a = plan.aggregates[left->ref];
  if (a.before_trigger || a.same != kNoField || a.field == kTimeField) return false;
  if (a.window.kind != Window::Kind::ever && a.window.kind != Window::Kind::within) return false;
  if (a.filter != kNone) {
    const std::vector<Predicate>* simple = filters.find(a.filter);
    if (simple == nullptr) return false;
    leaf.filter = simple->data();
    leaf.filters = simple->size();
  }
  leaf.upward = node.op == Op::at_least || node.op == Op::greater_than;
  leaf.strict = node.op == Op::greater_than || node.op == Op::less_than;
  leaf.fn = function_of(a, leaf.upward);
  leaf.event = a.event;
  leaf.field = a.field;
  if (a.field != kNoField) leaf.kind = kind_of(plan.catalog->events[a.event].fields[a.field].type);
  leaf.length = a.window.kind == Window::Kind::within ? a.window.a : kNever;
  const bool counts = leaf.fn == Leaf::Fn::count || leaf.fn == Leaf::Fn::distinct;
  if (!counts && leaf.kind != Kind::integer && leaf.kind != Kind::decimal) return false;
  return leaf.fn != Leaf::Fn::none && bound_of(node, leaf, counts || leaf.kind == Kind::integer);
}

}  // namespace

NodeId filter_of_leaf(const Plan& plan, const Node& node) {
  const Expr* left = &plan.exprs[node.left];
  while (left->kind == Expr::Kind::trait) left = &plan.exprs[left->child];
  return plan.aggregates[left->ref].filter;
}

void LeafTable::build(const Plan& plan, const FilterTable& filters) {
  leaves.assign(plan.nodes.size(), {});
  std::vector<ColumnDef> found;
  std::vector<std::pair<EventTypeId, DurationMs>> windows;
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    Leaf leaf;
    if (!leaf_of(plan, filters, plan.nodes[i], leaf)) continue;
    const std::pair window(leaf.event, leaf.length);
    auto slot = std::ranges::find(windows, window);
    if (slot == windows.end()) slot = windows.insert(windows.end(), window);
    leaf.slot = static_cast<std::uint32_t>(slot - windows.begin());
    if (leaf.fn != Leaf::Fn::count || leaf.filters > 0) {
      const bool distinct = leaf.fn == Leaf::Fn::distinct;
      const NodeId filter = filter_of_leaf(plan, plan.nodes[i]);
      auto column = std::ranges::find_if(found, [&](const ColumnDef& c) {
        return c.event == leaf.event && c.filter_node == filter && c.field == leaf.field && c.distinct == distinct;
      });
      if (column == found.end())
        column = found.insert(found.end(), {leaf.event, filter, leaf.filter, leaf.filters, leaf.field, leaf.kind, distinct});
      leaf.column = static_cast<std::uint32_t>(column - found.begin());
    }
    leaves[i] = leaf;
  }
  columns = std::make_shared<const std::vector<ColumnDef>>(std::move(found));
  slots = windows.size();
}

// The rows that a leaf looks through; null rows: the customer has none of the type.
const Evaluator::Slot& Evaluator::slot_of_leaf(const Leaf& leaf) {
  Slot& slot = slots_[leaf.slot];
  if (slot.epoch == epoch_) return slot;
  slot.epoch = epoch_;
  slot.rows = state_->rows(leaf.event);
  slot.lo = slot.hi = 0;
  if (slot.rows == nullptr) return slot;
  slot.hi = slot.rows->upper_bound(now_);
  if (leaf.length != kNever) slot.lo = slot.rows->upper_bound(now_ - leaf.length);
  return slot;
}

Column* Evaluator::column_of(const Leaf& leaf, const Slot& slot) {
  if (leaf.column == kNone || slot.hi - slot.lo < columns_from_) return nullptr;
  auto* columns = static_cast<Columns*>(state_->derived.get());
  if (columns == nullptr || columns->defs() != leaves_.columns.get()) {
    auto made = std::make_unique<Columns>(leaves_.columns);
    columns = made.get();
    state_->derived.set(std::move(made));
  }
  const std::size_t from = slot.rows->take_shifted();
  if (from < slot.rows->size()) columns->cut(leaf.event, from);
  Column& column = columns->at(leaf.column, leaf.event);
  return column.sync(*slot.rows, (*leaves_.columns)[leaf.column]) ? &column : nullptr;
}

bool Evaluator::passes(const Leaf& leaf, const Rows& rows, std::size_t row) const {
  if (leaf.field != kNoField && !rows.has_field(row, leaf.field)) return false;
  for (std::size_t i = 0; i < leaf.filters; ++i) {
    if (!leaf.filter[i].holds(rows, row)) return false;
  }
  return true;
}

// Counts, sums and extremes that rows reach, taken from the newest back: the row that was needed last says until when they do.
Verdict Evaluator::reach_leaf(const Leaf& leaf, const Slot& slot) {
  const Rows& rows = *slot.rows;
  const auto reached = [&](std::size_t row) {
    return Verdict{leaf.fn == Leaf::Fn::beyond || leaf.upward, leaf.length == kNever ? kNever : rows.time(row) + leaf.length};
  };
  const Verdict missed{leaf.fn != Leaf::Fn::beyond && !leaf.upward, kNever};
  if (leaf.fn == Leaf::Fn::count || leaf.fn == Leaf::Fn::distinct) {
    if (slot.hi - slot.lo < static_cast<std::size_t>(leaf.wanted)) return missed;  // not even all of them
    if (leaf.fn == Leaf::Fn::count && leaf.filters == 0) return reached(slot.hi - static_cast<std::size_t>(leaf.wanted));
  }
  const bool distinct = leaf.fn == Leaf::Fn::distinct;
  const Column* column = column_of(leaf, slot);
  // Values are counted from the column's end: rows that are still to come stand in the way.
  if (column != nullptr && (!distinct || column->span(slot.lo, slot.hi).second == column->size())) {
    const auto [from, to] = column->span(slot.lo, slot.hi);
    std::size_t place = to;
    if (distinct)
      place = column->nth_newest_value(static_cast<std::size_t>(leaf.wanted));
    else if (leaf.fn == Leaf::Fn::count)
      place = to - from < static_cast<std::size_t>(leaf.wanted) ? to : to - static_cast<std::size_t>(leaf.wanted);
    else if (leaf.fn == Leaf::Fn::sum)
      place = column->newest_sum(from, to, leaf.wanted);
    else
      place = column->newest_beyond(from, to, leaf.upward, leaf.wanted);
    return place == to || place < from ? missed : reached(column->row(place));
  }
  std::int64_t count = 0;
  Int128 sum = 0;
  ValueSet* values = distinct ? &take_values(std::min(static_cast<std::size_t>(leaf.wanted), slot.hi - slot.lo)) : nullptr;
  if (distinct) --values_used_;  // nothing below takes another
  for (std::size_t row = slot.hi; row-- > slot.lo;) {
    if (!passes(leaf, rows, row)) continue;
    if (leaf.fn == Leaf::Fn::count) {
      if (++count == leaf.wanted) return reached(row);
      continue;
    }
    const ValueView v = rows.field(row, leaf.field, leaf.kind);
    if (leaf.fn == Leaf::Fn::sum) {
      if ((sum += v.i) >= leaf.wanted) return reached(row);
    } else if (leaf.fn == Leaf::Fn::beyond) {
      if (leaf.upward ? v.i >= leaf.wanted : v.i <= leaf.wanted) return reached(row);
    } else if (values->add(v, static_cast<std::uint32_t>(row)) && static_cast<std::int64_t>(values->count()) == leaf.wanted) {
      return reached(row);
    }
  }
  return missed;
}

// Averages, and extremes that all values keep to: missing, and so false, without a value.
Verdict Evaluator::whole_leaf(const Leaf& leaf, const Slot& slot) {
  const Rows& rows = *slot.rows;
  const bool greatest = !leaf.upward;  // of which value an extreme is
  std::int64_t n = 0;
  Int128 sum = 0;
  std::int64_t found = 0;
  std::size_t decisive = 0;  // the row that leaves first of those that the answer rests on
  if (const Column* column = column_of(leaf, slot)) {
    const auto [from, to] = column->span(slot.lo, slot.hi);
    if (from == to) return {false, kNever};
    n = static_cast<std::int64_t>(to - from);
    if (leaf.fn == Leaf::Fn::average) {
      sum = column->sum(from, to);
      decisive = column->row(from);
    } else {
      found = column->extreme(from, to, greatest);
      decisive = column->row(column->newest_beyond(from, to, greatest, found));
    }
  } else {
    for (std::size_t row = slot.lo; row < slot.hi; ++row) {
      if (!passes(leaf, rows, row)) continue;
      const std::int64_t v = rows.field(row, leaf.field, leaf.kind).i;
      sum += v;
      // Of equal extremes the newest counts: the answer stays until that one leaves.
      const bool beyond = n == 0 || (greatest ? v >= found : v <= found);
      if (leaf.fn == Leaf::Fn::average ? n == 0 : beyond) decisive = row;
      if (beyond) found = v;
      ++n;
    }
    if (n == 0) return {false, kNever};
  }
  const TimeMs until = leaf.length == kNever ? kNever : rows.time(decisive) + leaf.length;
  if (leaf.fn == Leaf::Fn::extreme) return {leaf.upward ? found >= leaf.wanted : found <= leaf.wanted, until};
  const Int128 left = leaf.kind == Kind::integer ? sum * Decimal::kScale : sum;
  const Int128 right = leaf.units * n;
  if (left == right) return {!leaf.strict, until};
  return {(left > right) == leaf.upward, until};
}

Verdict Evaluator::judge_leaf(const Leaf& leaf, const Node& node) {
  const bool whole = leaf.fn == Leaf::Fn::average || leaf.fn == Leaf::Fn::extreme;
  const bool adds = leaf.fn == Leaf::Fn::count || leaf.fn == Leaf::Fn::distinct || leaf.fn == Leaf::Fn::sum;
  if (adds && leaf.wanted <= 0 && leaf.fn != Leaf::Fn::sum) return {leaf.upward, kNever};
  const Slot& slot = slot_of_leaf(leaf);
  if (slot.rows != nullptr && leaf.fn == Leaf::Fn::sum && slot.rows->may_be_negative(leaf.field)) return evaluate(node, nullptr);
  if (adds && leaf.wanted <= 0) return {leaf.upward, kNever};
  if (slot.hi == slot.lo) return {adds && !leaf.upward, kNever};
  return whole ? whole_leaf(leaf, slot) : reach_leaf(leaf, slot);
}

}  // namespace nudge
