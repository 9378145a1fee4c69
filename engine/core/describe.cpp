// Conditions and values in the words of the language, on one line.
#include "engine/core/explain.h"

namespace nudge {

namespace {

std::string quoted(const Value& v) { return v.kind == Kind::text ? to_json(v.view()) : to_text(v.view()); }

std::string literals_text(const std::vector<Value>& literals) {
  if (literals.size() == 1) return quoted(literals[0]);
  std::string out = "[";
  for (const Value& v : literals) out += (out.size() > 1 ? ", " : "") + quoted(v);
  return out + "]";
}

std::string bound_text(const Window::Bound& b) { return b.is_date ? format_date(static_cast<DateDays>(b.at)) : format_timestamp(b.at); }

std::string window_text(const Window& w) {
  static constexpr const char* kUnits[] = {"day", "week", "month", "quarter", "year"};
  switch (w.kind) {
    case Window::Kind::ever: return "";
    case Window::Kind::within: return " within " + format_duration(w.a);
    case Window::Kind::from_to: return " from " + format_duration(w.a) + " to " + format_duration(w.b) + " ago";
    case Window::Kind::since: return std::string(" since start_of_") + kUnits[static_cast<int>(w.unit)];
    case Window::Kind::fixed: return (w.lo.set ? " from " + bound_text(w.lo) : "") + (w.hi.set ? " to " + bound_text(w.hi) : "");
  }
  return "";
}

std::string op_text(const Plan& plan, const Node& node) {
  std::string out(op_name(node.op));
  switch (node.op) {
    case Op::exists: return out + (node.literals.empty() || node.literals[0].bits != 0 ? " true" : " false");
    case Op::within:
    case Op::older_than:
    case Op::in_next:
    case Op::anniversary_in_next: return out + " " + format_duration(node.duration);
    case Op::anniversary_today: return out;
    case Op::matches: return out + " /" + node.text + "/" + (node.ignore_case ? " (ignoring case)" : "");
    default: break;
  }
  if (node.right != kNone) {
    out += " " + describe_expr(plan, node.right);
    if (node.times.units != Decimal::kScale) out += " times " + format_decimal(node.times);
  } else {
    out += " " + literals_text(node.literals);
  }
  return out + (node.ignore_case ? " (ignoring case)" : "");
}

std::string aggregate_text(const Plan& plan, const Aggregate& a) {
  static constexpr const char* kFns[] = {"count", "sum", "average", "min", "max", "distinct", "first", "last"};
  const EventTypeDef& type = plan.catalog->events[a.event];
  std::string out = kFns[static_cast<int>(a.fn)];
  if (a.fn != Aggregate::Fn::count) out += " of " + (a.field == kTimeField ? std::string("timestamp") : type.fields[a.field].name);
  out += " of " + type.name + " events" + window_text(a.window);
  if (a.before_trigger) out += " before the trigger";
  if (a.same != kNoField) out += " with the same " + type.fields[a.same].name;
  if (a.filter != kNone) out += " where " + describe(plan, a.filter);
  return out;
}

std::string join(const Plan& plan, const std::vector<NodeId>& children, const char* word) {
  std::string out = "(";
  for (const NodeId child : children) out += (out.size() > 1 ? word : "") + describe(plan, child);
  return out + ")";
}

}  // namespace

std::string describe_expr(const Plan& plan, ExprId id) {
  const Expr& e = plan.exprs[id];
  switch (e.kind) {
    case Expr::Kind::literal: return quoted(e.value);
    case Expr::Kind::attribute: return "attribute " + plan.catalog->attributes[e.ref].name;
    case Expr::Kind::field: return e.ref == kTimeField ? "timestamp" : "field " + plan.catalog->events[e.event].fields[e.ref].name;
    case Expr::Kind::trigger_field:
      return e.ref == kTimeField ? "the trigger's timestamp" : "the trigger's " + plan.catalog->events[e.event].fields[e.ref].name;
    case Expr::Kind::aggregate: return aggregate_text(plan, plan.aggregates[e.ref]);
    case Expr::Kind::days_since: return "days since " + describe_expr(plan, e.child);
    case Expr::Kind::size: return "size of " + describe_expr(plan, e.child);
    case Expr::Kind::trait: return "trait " + plan.traits[e.ref].name;
    case Expr::Kind::score: return "score " + plan.scores[e.ref].name;
  }
  return "";
}

std::string describe(const Plan& plan, NodeId id) {
  const Node& n = plan.nodes[id];
  switch (n.kind) {
    case Node::Kind::constant: return n.truth ? "always" : "never";
    case Node::Kind::all: return join(plan, n.children, " and ");
    case Node::Kind::any: return join(plan, n.children, " or ");
    case Node::Kind::negate: return "not " + describe(plan, n.children[0]);
    case Node::Kind::compare: return describe_expr(plan, n.left) + " " + op_text(plan, n);
    case Node::Kind::tag: return "tag " + n.text;
    case Node::Kind::segment: return "segment " + plan.segments[n.ref].name;
    case Node::Kind::sequence: {
      std::string out = "sequence";
      for (const SequenceStep& s : plan.sequences[n.ref].steps) {
        out += (s.absent ? ", then no " : (out == "sequence" ? " " : ", then ")) + plan.catalog->events[s.event].name;
        if (s.absent)
          out += " for " + format_duration(s.lasting);
        else if (s.within != kNever)
          out += " within " + format_duration(s.within);
        if (s.filter != kNone) out += " where " + describe(plan, s.filter);
      }
      return out;
    }
    case Node::Kind::calendar: return "calendar";
    case Node::Kind::changed:
      return "attribute " + plan.catalog->attributes[n.ref].name + " changed" + window_text(n.window) +
             (n.from_literals.empty() ? "" : " from " + literals_text(n.from_literals)) +
             (n.literals.empty() ? "" : " to " + literals_text(n.literals));
    case Node::Kind::has_been:
      return "attribute " + plan.catalog->attributes[n.ref].name + " has been so for " + format_duration(n.duration) + ": " +
             describe(plan, n.children[0]);
    case Node::Kind::band: return "score " + plan.scores[n.ref].name + " in band " + plan.scores[n.ref].bands[n.band].name;
  }
  return "";
}

}  // namespace nudge
