#include "engine/core/filter.h"

namespace nudge {

namespace {

bool predicate_of(const Plan& plan, const Node& node, Predicate& p) {
  if (node.kind != Node::Kind::compare || node.right != kNone || node.literals.size() != 1 || node.ignore_case) return false;
  const Expr& left = plan.exprs[node.left];
  if (left.kind != Expr::Kind::field || left.ref == kTimeField) return false;
  const Value& literal = node.literals[0];
  p.field = static_cast<FieldId>(left.ref);
  p.kind = kind_of(left.type);
  p.op = node.op;
  if (literal.kind != p.kind) return false;
  switch (p.kind) {
    case Kind::text: p.text = literal.bytes; return node.op == Op::equals || node.op == Op::not_equals;
    case Kind::boolean: p.i = literal.bits; return node.op == Op::equals || node.op == Op::not_equals;
    case Kind::integer:
    case Kind::decimal:
    case Kind::number:
      p.i = literal.bits;
      p.d = literal.view().d;
      return node.op == Op::equals || node.op == Op::not_equals || node.op == Op::greater_than || node.op == Op::at_least ||
             node.op == Op::less_than || node.op == Op::at_most;
    default: return false;
  }
}

}  // namespace

void FilterTable::build(const Plan& plan) {
  simple_.assign(plan.nodes.size(), {});
  for (std::size_t id = 0; id < plan.nodes.size(); ++id) {
    const Node& node = plan.nodes[id];
    Entry& entry = simple_[id];
    if (node.kind == Node::Kind::all) {
      entry.usable = true;
      for (const NodeId child : node.children) {
        Predicate p;
        if (!predicate_of(plan, plan.nodes[child], p)) {
          entry.usable = false;
          break;
        }
        entry.all.push_back(std::move(p));
      }
    } else {
      Predicate p;
      entry.usable = predicate_of(plan, node, p);
      if (entry.usable) entry.all.push_back(std::move(p));
    }
    if (!entry.usable) entry.all.clear();
  }
}

}  // namespace nudge
