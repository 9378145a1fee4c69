#include "engine/core/selector.h"

#include <algorithm>
#include <set>

namespace nudge {

namespace {

constexpr std::size_t kValuesMax = 16384;  // remembered values of one attribute; then the table starts anew

// The one attribute that a condition depends on, when it depends on nothing else: no events, no time, no zone. kNoAttribute otherwise.
AttributeId only_attribute(const Plan& plan, NodeId id) {
  const Node& node = plan.nodes[id];
  switch (node.kind) {
    case Node::Kind::compare: {
      if (node.right != kNone) return kNoAttribute;
      const Expr* left = &plan.exprs[node.left];
      if (left->kind == Expr::Kind::size) left = &plan.exprs[left->child];
      if (left->kind != Expr::Kind::attribute || left->type == Type::date || left->type == Type::timestamp) return kNoAttribute;
      return static_cast<AttributeId>(left->ref);
    }
    case Node::Kind::all:
    case Node::Kind::any:
    case Node::Kind::negate: {
      AttributeId found = kNoAttribute;
      for (const NodeId child : node.children) {
        const AttributeId a = only_attribute(plan, child);
        if (a == kNoAttribute || (found != kNoAttribute && a != found)) return kNoAttribute;
        found = a;
      }
      return found;
    }
    default: return kNoAttribute;
  }
}

// What a condition asks of rows: thresholds of the plain kind that it is put together of by and, or and not; and below everything else the row
// filters, by event type (`kNone` stands for every row).
class EventWalk {
 public:
  EventWalk(const Plan& plan, const LeafTable& leaves) : plan_(plan), leaves_(leaves) {}
  std::set<std::pair<EventTypeId, NodeId>> found;
  std::set<NodeId> thresholds;

  void top(NodeId id) {
    if (!tops_.insert(id).second) return;
    if (leaves_.leaves[id].fn != Leaf::Fn::none) {
      thresholds.insert(id);
      return;
    }
    const Node& n = plan_.nodes[id];
    const bool junction = n.kind == Node::Kind::all || n.kind == Node::Kind::any || n.kind == Node::Kind::negate || n.kind == Node::Kind::segment;
    if (!junction) return node(id);
    for (const NodeId child : n.children) top(child);
  }

 private:
  void node(NodeId id) {
    if (!nodes_.insert(id).second) return;
    const Node& n = plan_.nodes[id];
    for (const NodeId child : n.children) node(child);
    if (n.left != kNone) expr(n.left);
    if (n.right != kNone) expr(n.right);
    if (n.kind == Node::Kind::sequence) {
      for (const SequenceStep& step : plan_.sequences[n.ref].steps) {
        found.emplace(step.event, kNone);
        if (step.filter != kNone) node(step.filter);
      }
    }
    if (n.kind == Node::Kind::band) score(n.ref);
  }

  void expr(ExprId id) {
    if (!exprs_.insert(id).second) return;
    const Expr& e = plan_.exprs[id];
    if (e.child != kNone) expr(e.child);
    if (e.kind == Expr::Kind::score) score(e.ref);
    if (e.kind != Expr::Kind::aggregate) return;
    const Aggregate& a = plan_.aggregates[e.ref];
    // Per value: a row that the filter turns away may still bring the value that the comparison is then made for.
    found.emplace(a.event, a.same == kNoField ? a.filter : kNone);
    if (a.filter != kNone) node(a.filter);
  }
  void score(std::uint32_t id) {
    if (!scores_.insert(id).second) return;
    for (const Score::Points& p : plan_.scores[id].points) {
      if (p.condition != kNone) node(p.condition);
      if (p.trait != kNone) expr(p.trait);
    }
  }
  const Plan& plan_;
  const LeafTable& leaves_;
  std::set<NodeId> tops_;
  std::set<NodeId> nodes_;
  std::set<ExprId> exprs_;
  std::set<std::uint32_t> scores_;
};

}  // namespace

void Selector::build(const Evaluator& evaluator) {
  const Plan& plan = evaluator.plan();
  filters_ = &evaluator.filters();
  segments_ = plan.segments.size();
  types_.clear();
  types_.resize(plan.catalog ? plan.catalog->events.size() : 0);
  attributes_.clear();
  residual_.assign(segments_, {});
  for (std::uint32_t s = 0; s < segments_; ++s) {
    const NodeId root = plan.segments[s].node;
    const bool conjunction = plan.nodes[root].kind == Node::Kind::all;
    for (const NodeId part : conjunction ? std::span<const NodeId>(plan.nodes[root].children) : std::span<const NodeId>(&root, 1)) {
      if (only_attribute(plan, part) == kNoAttribute) residual_[s].push_back(part);
    }
    index_conjunction(plan, s, root);
    index_events(plan, evaluator.leaves(), s, root);
  }
  for (TypeIndex& type : types_) {
    for (Group& group : type.groups) group.crossings.finish();
    for (TypeIndex::Equal& equal : type.equal)
      for (auto& [value, groups] : equal.by_value)
        for (Group& group : groups) group.crossings.finish();
  }
}

// Takes in a part of the segment's conjunction that depends on one attribute alone; false when it depends on more.
bool Selector::index_part(const Plan& plan, std::uint32_t segment, NodeId part) {
  const AttributeId attribute = only_attribute(plan, part);
  if (attribute == kNoAttribute) return false;
  auto it = std::ranges::find(attributes_, attribute, &AttributeIndex::attribute);
  if (it == attributes_.end()) {
    attributes_.emplace_back().attribute = attribute;
    it = std::prev(attributes_.end());
  }
  it->conditions.emplace_back(segment, part);
  return true;
}

void Selector::index_conjunction(const Plan& plan, std::uint32_t segment, NodeId root) {
  const Node& node = plan.nodes[root];
  if (index_part(plan, segment, root)) return;
  if (node.kind == Node::Kind::all) {
    for (const NodeId child : node.children) {
      if (!index_part(plan, segment, child) && plan.nodes[child].kind == Node::Kind::segment)
        index_conjunction(plan, segment, plan.nodes[child].children[0]);
    }
  } else if (node.kind == Node::Kind::segment) {
    index_conjunction(plan, segment, node.children[0]);
  }
}

Selector::Group& Selector::group_of(TypeIndex& type, NodeId filter) {
  const std::vector<Predicate>* simple = filter == kNone ? nullptr : filters_->find(filter);
  std::vector<Group>* groups = &type.groups;
  if (simple != nullptr) {
    const auto equal = std::ranges::find_if(*simple, [](const Predicate& p) { return p.kind == Kind::text && p.op == Op::equals; });
    if (equal != simple->end()) {
      auto it = std::ranges::find(type.equal, equal->field, &TypeIndex::Equal::field);
      if (it == type.equal.end()) {
        type.equal.emplace_back().field = equal->field;
        it = std::prev(type.equal.end());
      }
      groups = &it->by_value[equal->text];
    }
  }
  const auto group = std::ranges::find(*groups, filter, &Group::filter);
  if (group != groups->end()) return *group;
  Group& made = groups->emplace_back();
  made.filter = filter;
  made.simple = simple;
  return made;
}

void Selector::index_events(const Plan& plan, const LeafTable& leaves, std::uint32_t segment, NodeId root) {
  EventWalk walk(plan, leaves);
  walk.top(root);
  for (const auto& [event, filter] : walk.found) {
    TypeIndex& type = types_[event];
    type.any = true;
    // A filter that is not simple may change with time or attributes: its rows must always be looked at.
    Bits* bits = nullptr;
    bool* any = nullptr;
    if (filter == kNone || filters_->find(filter) == nullptr) {
      bits = &type.always;
      any = &type.any_always;
    } else {
      Group& group = group_of(type, filter);
      bits = &group.segments;
      any = &group.any;
    }
    if (!*any) bits->reset(segments_);
    *any = true;
    bits->set(segment);
  }
  for (const NodeId id : walk.thresholds) {
    const Leaf& leaf = leaves.leaves[id];
    types_[leaf.event].any = true;
    group_of(types_[leaf.event], filter_of_leaf(plan, plan.nodes[id])).crossings.add(leaf, segment);
  }
}

void Selector::by_group(const Group& group, Evaluator& evaluator, const Rows& rows, std::span<const std::uint32_t> fresh, Bits& touched) {
  passing_.clear();
  for (const std::uint32_t row : fresh) {
    const bool passes = group.simple == nullptr || std::ranges::all_of(*group.simple, [&](const Predicate& p) { return p.holds(rows, row); });
    if (passes) passing_.push_back(row);
  }
  if (passing_.empty()) return;
  if (group.any) touched.merge(group.segments);
  group.crossings.visit(evaluator, rows, passing_, scratch_, touched);
}

void Selector::by_rows(Evaluator& evaluator, EventTypeId id, const Rows& rows, std::span<const std::uint32_t> fresh, Bits& touched) {
  if (id >= types_.size() || !types_[id].any) return;
  const TypeIndex& type = types_[id];
  if (type.any_always) touched.merge(type.always);
  for (const Group& group : type.groups) by_group(group, evaluator, rows, fresh, touched);
  for (const TypeIndex::Equal& equal : type.equal) {
    const auto value = [&](std::uint32_t row) {
      return rows.has_field(row, equal.field) ? rows.field(row, equal.field, Kind::text).bytes : std::string_view();
    };
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      const auto it = equal.by_value.find(value(fresh[i]));
      if (it == equal.by_value.end()) continue;
      // Once for each value.
      if (std::any_of(fresh.begin(), fresh.begin() + static_cast<std::ptrdiff_t>(i), [&](std::uint32_t row) { return value(row) == it->first; }))
        continue;
      for (const Group& group : it->second) by_group(group, evaluator, rows, fresh, touched);
    }
  }
}

const Bits& Selector::allowed(AttributeIndex& index, Evaluator& evaluator) {
  TimeMs until = kNever;
  const ValueView v = evaluator.state().attributes.at(index.attribute, evaluator.now(), until);
  Bits* bits = nullptr;
  bool known = true;
  if (v.missing()) {
    bits = &index.when_missing;
    known = index.missing_known;
    index.missing_known = true;
  } else if (v.kind == Kind::text || v.kind == Kind::list) {
    if (index.by_text.size() > kValuesMax) index.by_text.clear();
    auto it = index.by_text.find(v.bytes);
    known = it != index.by_text.end();
    if (!known) it = index.by_text.try_emplace(std::string(v.bytes)).first;
    bits = &it->second;
  } else {
    if (index.by_number.size() > kValuesMax) index.by_number.clear();
    const auto [it, fresh] = index.by_number.try_emplace(Value(v).bits);
    bits = &it->second;
    known = !fresh;
  }
  if (!known) {
    bits->reset(segments_, true);
    for (const auto& [segment, node] : index.conditions) {
      if (!evaluator.truth(node).truth) bits->clear(segment);
    }
  }
  return *bits;
}

const Bits* Selector::known(const AttributeIndex& index, const ValueView& v) {
  if (v.missing()) return index.missing_known ? &index.when_missing : nullptr;
  if (v.kind == Kind::text || v.kind == Kind::list) {
    const auto it = index.by_text.find(v.bytes);
    return it == index.by_text.end() ? nullptr : &it->second;
  }
  const auto it = index.by_number.find(Value(v).bits);
  return it == index.by_number.end() ? nullptr : &it->second;
}

std::vector<AttributeId> Selector::attributes_of(std::span<const std::uint32_t> segments) const {
  std::vector<AttributeId> found;
  for (const AttributeIndex& index : attributes_) {
    const auto among = [&](const auto& condition) { return std::ranges::find(segments, condition.first) != segments.end(); };
    if (std::ranges::any_of(index.conditions, among)) found.push_back(index.attribute);
  }
  std::ranges::sort(found);
  return found;
}

bool Selector::rule_out_by(AttributeId attribute, const ValueView& value, Bits& touched) const {
  const auto index = std::ranges::find(attributes_, attribute, &AttributeIndex::attribute);
  const Bits* const bits = index == attributes_.end() ? nullptr : known(*index, value);
  if (bits != nullptr) touched.mask(*bits);
  return bits != nullptr;
}

void Selector::rule_out(Evaluator& evaluator, Bits& touched) {
  for (AttributeIndex& index : attributes_) {
    if (!touched.any()) return;
    touched.mask(allowed(index, evaluator));
  }
}

}  // namespace nudge
