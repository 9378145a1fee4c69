#include "engine/core/evaluate.h"

#include <algorithm>

namespace nudge {

void Evaluator::begin(const Plan& plan, const CustomerState& state, TimeMs now, RowRef trigger, std::string_view key) {
  prepare_for(plan);
  state_ = &state;
  now_ = now;
  trigger_ = trigger;
  has_key_ = false;
  if (!key.empty()) {
    Reader reader(key);
    has_key_ = decode_value(reader, key_);
  }
  zone_known_ = false;
  ++epoch_;
  sums_used_ = 0;
  buffers_used_ = 0;
  values_used_ = 0;
}

void Evaluator::prepare_for(const Plan& plan) {
  if (plan_ != &plan || prepared_sequence_ != plan.sequence || prepared_digest_ != plan.digest) prepare(plan);
}

void Evaluator::prepare(const Plan& plan) {
  plan_ = &plan;
  ++prepared_;
  prepared_sequence_ = plan.sequence;
  prepared_digest_ = plan.digest;
  filters_.build(plan);
  prepare_aggregates();
  leaves_.build(plan, filters_);
  slots_.assign(leaves_.slots, {});
  verdicts_.assign(plan.nodes.size(), {});
  quantities_.assign(plan.exprs.size(), {});
}

const Zone& Evaluator::zone() {
  if (zone_known_) return zone_;
  zone_known_ = true;
  zone_ = plan_->zone;
  if (plan_->zone_attribute == kNoAttribute) return zone_;
  TimeMs until = kNever;
  const ValueView name = state_->attributes.at(plan_->zone_attribute, now_, until);
  if (name.kind != Kind::text) return zone_;
  const auto [it, fresh] = zones_.try_emplace(std::string(name.bytes));
  // A name that no zone has falls back to the company's: the catalog check at intake reports it.
  if (fresh) it->second = Zone::find(name.bytes).value_or(plan_->zone);
  zone_ = it->second;
  return zone_;
}

Verdict Evaluator::truth(NodeId id, const RowRef* row) {
  const Node& node = plan_->nodes[id];
  if (row != nullptr) return evaluate(node, row);
  auto& memo = verdicts_[id];
  if (memo.epoch == epoch_) return memo.value;
  const Leaf& leaf = leaves_.leaves[id];
  const Verdict verdict = leaf.fn != Leaf::Fn::none ? judge_leaf(leaf, node) : evaluate(node, nullptr);
  // Looked up again: evaluating may have asked for other nodes, never for a larger table.
  verdicts_[id] = {epoch_, verdict};
  return verdict;
}

// `deciding` is the truth of one child that settles the whole: false for all, true for any. While any deciding child stays as it is, so does
// the whole: it holds at least until the latest of their instants.
Verdict Evaluator::settle(std::span<const NodeId> children, bool deciding, const RowRef* row) {
  bool decided = false;
  TimeMs latest = kAlways;
  TimeMs earliest = kNever;
  for (const NodeId child : children) {
    const Verdict v = truth(child, row);
    if (v.truth == deciding) {
      if (v.until == kNever) return {deciding, kNever};
      decided = true;
      latest = std::max(latest, v.until);
    } else {
      earliest = std::min(earliest, v.until);
    }
  }
  return decided ? Verdict{deciding, latest} : Verdict{!deciding, earliest};
}

Verdict Evaluator::evaluate(const Node& node, const RowRef* row) {
  switch (node.kind) {
    case Node::Kind::constant: return {node.truth, kNever};
    case Node::Kind::all: return settle(node.children, false, row);
    case Node::Kind::any: return settle(node.children, true, row);
    case Node::Kind::negate: {
      const Verdict v = truth(node.children[0], row);
      return {!v.truth, v.until};
    }
    case Node::Kind::segment: return truth(node.children[0], row);
    case Node::Kind::compare: return compare(node, row);
    case Node::Kind::tag: {
      const TagUpdate* last = nullptr;
      for (const TagUpdate& update : state_->tags) {
        if (update.tag == node.text && update.time <= now_) last = &update;
      }
      if (last == nullptr || last->removed || last->expires <= now_) return {false, kNever};
      return {true, last->expires};
    }
    case Node::Kind::sequence: return sequence(plan_->sequences[node.ref]);
    case Node::Kind::calendar: return calendar(plan_->calendars[node.ref]);
    case Node::Kind::changed: return changed(node);
    case Node::Kind::has_been: return has_been(node);
    case Node::Kind::band: return band(node);
  }
  return {};
}

Quantity Evaluator::value(ExprId id, const RowRef* row) {
  const Expr& expr = plan_->exprs[id];
  Quantity q;
  switch (expr.kind) {
    case Expr::Kind::literal: q.view = expr.value.view(); return q;
    case Expr::Kind::attribute: {
      TimeMs ahead = kNever;
      q.view = state_->attributes.at(static_cast<AttributeId>(expr.ref), now_, ahead);
      return q;
    }
    case Expr::Kind::field:
      if (row != nullptr && row->rows != nullptr) q.view = row->rows->field(row->row, static_cast<FieldId>(expr.ref), kind_of(expr.type));
      return q;
    case Expr::Kind::trigger_field:
      if (trigger_.rows != nullptr && trigger_.type == expr.event) {
        q.view = trigger_.rows->field(trigger_.row, static_cast<FieldId>(expr.ref), kind_of(expr.type));
      }
      return q;
    case Expr::Kind::size: {
      q = value(expr.child, row);
      if (q.view.kind == Kind::list) q.view = ValueView::of_integer(static_cast<std::int64_t>(list_size(q.view.bytes)));
      return q;
    }
    case Expr::Kind::days_since: {
      q = value(expr.child, row);
      if (q.view.missing()) return q;
      q.ticks_from = instant_of(q.view);
      const DurationMs age = now_ - q.ticks_from;
      // Whole days, counted down to the earlier one for instants ahead of now.
      const std::int64_t days = age >= 0 ? age / kDay : -((-age + kDay - 1) / kDay);
      q.view = ValueView::of_integer(days);
      return q;
    }
    case Expr::Kind::trait: return value(expr.child, row);
    case Expr::Kind::aggregate:
    case Expr::Kind::score: break;
  }
  if (quantities_[id].epoch == epoch_) return quantities_[id].value;
  q = expr.kind == Expr::Kind::aggregate ? aggregate_value(plan_->aggregates[expr.ref]) : score(plan_->scores[expr.ref]);
  quantities_[id] = {epoch_, q};
  return q;
}

Value Evaluator::plain(const Quantity& q) const {
  if (!q.is_ratio) return Value(q.view);
  if (q.denominator == 1) {
    if (q.view.kind == Kind::integer) return Value(q.view);
    if (q.numerator >= -Decimal::kMaxUnits && q.numerator <= Decimal::kMaxUnits) {
      return Value::of_decimal(Decimal{static_cast<std::int64_t>(q.numerator)});
    }
  }
  return Value::of_number(static_cast<double>(q.numerator) / static_cast<double>(Decimal::kScale) / static_cast<double>(q.denominator));
}

TimeMs Evaluator::instant_of(const ValueView& v) { return v.kind == Kind::date ? zone().start_of(static_cast<DateDays>(v.i)) : v.i; }

namespace {

// What happens at one millisecond is judged together: only the last of its updates was ever the value.
bool overtaken(const AttributeHistory& updates, std::size_t i) {
  return i + 1 < updates.size() && updates.attribute(i + 1) == updates.attribute(i) && updates.time(i + 1) == updates.time(i);
}

}  // namespace

Verdict Evaluator::changed(const Node& node) {
  const auto attribute = static_cast<AttributeId>(node.ref);
  const AttributeHistory& updates = state_->attributes;
  const auto in = [](const std::vector<Value>& values, const ValueView& v) {
    return values.empty() || std::ranges::any_of(values, [&](const Value& l) { return same_value(l.view(), v); });
  };
  Verdict verdict;
  ValueView previous;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    if (updates.attribute(i) != attribute || overtaken(updates, i)) continue;
    const TimeMs time = updates.time(i);
    if (time > now_) break;
    const ValueView value = updates.value(i);
    const bool differs = value.kind != previous.kind || (value.present() && !same_value(value, previous));
    if (differs && in(node.literals, value) && in(node.from_literals, previous)) {
      const TimeMs exit = exit_of(node.window, time);
      const bool inside = node.window.kind == Window::Kind::within ? time > now_ - node.window.a : true;
      if (inside) verdict = {true, verdict.truth ? std::max(verdict.until, exit) : exit};
    }
    previous = value;
  }
  return verdict;
}

Verdict Evaluator::has_been(const Node& node) {
  // Walks the attribute's updates from the newest back for as long as the comparison held.
  const auto attribute = static_cast<AttributeId>(node.ref);
  const Node& comparison = plan_->nodes[node.children[0]];
  const AttributeHistory& updates = state_->attributes;
  TimeMs held_since = kNever;
  for (std::size_t i = updates.size(); i-- > 0;) {
    if (updates.attribute(i) != attribute || updates.time(i) > now_ || overtaken(updates, i)) continue;
    Quantity q;
    q.view = updates.value(i);
    if (!compare_values(comparison, q, nullptr).truth) break;
    held_since = updates.time(i);
  }
  if (held_since == kNever) return {false, kNever};
  const TimeMs due = held_since + node.duration;
  return now_ >= due ? Verdict{true, kNever} : Verdict{false, due};
}

Quantity Evaluator::score(const Score& s) {
  Int128 sum = 0;
  Quantity result;
  for (const Score::Points& points : s.points) {
    if (points.condition != kNone) {
      const Verdict v = truth(points.condition);
      result.until = std::min(result.until, v.until);
      if (v.truth) sum += points.add.units;
      continue;
    }
    const Quantity q = value(points.trait);
    result.until = std::min(result.until, q.ticks_from == kAlways ? q.until : std::min(q.until, q.ticks_from + (q.view.i + 1) * kDay));
    if (q.view.missing()) continue;
    // Millionths times millionths: one scale is taken off again, toward zero.
    Int128 units = 0;
    if (q.is_ratio)
      units = q.numerator / q.denominator;
    else if (q.view.kind == Kind::integer)
      units = Int128{q.view.i} * Decimal::kScale;
    else if (q.view.kind == Kind::decimal)
      units = q.view.i;
    else if (q.view.kind == Kind::number)
      units = static_cast<Int128>(std::clamp(q.view.d, -1e15, 1e15) * static_cast<double>(Decimal::kScale));
    // Far beyond what any score means, the product stays at the end of its range instead of wrapping.
    constexpr Int128 kCap = Int128{Decimal::kMaxUnits} * Decimal::kMaxUnits;
    const Int128 most = points.add.units == 0 ? kCap : kCap / (points.add.units < 0 ? -points.add.units : points.add.units);
    units = std::clamp(units, -most, most);
    Int128 added = units * points.add.units / Decimal::kScale;
    if (points.has_at_most && added > points.at_most.units) added = points.at_most.units;
    sum += added;
  }
  result.is_ratio = true;
  result.numerator = sum;
  const Int128 shown = std::clamp(sum, Int128{-Decimal::kMaxUnits}, Int128{Decimal::kMaxUnits});
  result.view = ValueView::of_decimal(Decimal{static_cast<std::int64_t>(shown)});
  return result;
}

Verdict Evaluator::band(const Node& node) {
  const Score& s = plan_->scores[node.ref];
  const Quantity q = score(s);
  std::uint32_t found = kNone;
  for (std::uint32_t i = 0; i < s.bands.size(); ++i) {
    if (q.numerator >= s.bands[i].from.units) found = i;
  }
  return {found == node.band, q.until};
}

}  // namespace nudge
