#include "engine/core/parts.h"

#include "engine/core/explain.h"

namespace nudge {

PartCounter::PartCounter(const Plan& plan, const Segment& segment) : plan_(plan) { roots_.push_back(take(segment.node, 0, true)); }

PartCounter::PartCounter(const Plan& plan, const Rule& rule) : plan_(plan) {
  const Trigger& trigger = rule.trigger;
  if (trigger.kind == Trigger::Kind::enters || trigger.kind == Trigger::Kind::leaves) {
    roots_.push_back(take(plan.segments[trigger.segment].node, 0, true));
  } else if (trigger.kind == Trigger::Kind::event) {
    trigger_ = trigger.event;
    roots_.push_back(take(Place{}, "event " + plan.catalog->events[trigger.event].name, 0, true));
    if (trigger.where != kNone) {
      Place where;
      where.node = trigger.where;
      where.event = trigger.event;
      roots_.push_back(take(std::move(where), describe(plan, trigger.where), 0, true));
    }
  }
  if (rule.condition != kNone) roots_.push_back(take(rule.condition, 0, true));
}

std::size_t PartCounter::take(Place place, std::string text, std::uint32_t depth, bool joined) {
  places_.push_back(std::move(place));
  PartCount& part = parts_.emplace_back();
  part.text = std::move(text);
  part.depth = depth;
  part.joined = joined;
  return places_.size() - 1;
}

std::size_t PartCounter::take(NodeId id, std::uint32_t depth, bool joined) {
  const Node& node = plan_.nodes[id];
  std::string text = describe(plan_, id);
  if (node.kind == Node::Kind::all) text = "all of";
  if (node.kind == Node::Kind::any) text = "any of";
  if (node.kind == Node::Kind::negate) text = "not";
  Place place;
  place.node = id;
  const std::size_t at = take(std::move(place), std::move(text), depth, joined);
  // What a value of the past is compared with is no condition of its own today.
  if (node.kind == Node::Kind::has_been) return at;
  for (const NodeId child : node.children) {
    const std::size_t inner = take(child, depth + 1, node.kind == Node::Kind::all);
    places_[at].children.push_back(inner);
  }
  return at;
}

void PartCounter::count(const CustomerState& state, TimeMs now) {
  ++customers_;
  row_ = {};
  if (trigger_ != kNoEventType) {
    if (const Rows* rows = state.rows(trigger_)) {
      if (const std::size_t n = rows->upper_bound(now); n > 0) row_ = {rows, n - 1, trigger_};
    }
  }
  evaluator_.begin(plan_, state, now, row_);
  bool all = true;
  for (const std::size_t root : roots_) all = visit(root, all) && all;
  if (all) ++holds_;
}

// `others`: each sibling before it holds.
bool PartCounter::visit(std::size_t at, bool others) {
  const Place& place = places_[at];
  bool truth = row_.rows != nullptr;
  if (place.event != kNoEventType)
    truth = truth && evaluator_.truth(place.node, &row_).truth;
  else if (place.node != kNone)
    truth = evaluator_.truth(place.node).truth;
  bool before = true;
  for (const std::size_t child : place.children) before = visit(child, before) && before;
  if (truth) ++parts_[at].holds;
  if (truth && others) ++parts_[at].so_far;
  return truth;
}

void PartCounter::add(const PartCounter& other) {
  customers_ += other.customers_;
  holds_ += other.holds_;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    parts_[i].holds += other.parts_[i].holds;
    parts_[i].so_far += other.parts_[i].so_far;
  }
}

}  // namespace nudge
