#include "rules/lint/relation.h"

#include <algorithm>

namespace nudge::lint {
namespace {

/// An event that nudge itself makes of an action, with what is known of its fields.
Writing built_in(const Plan& plan, std::string_view event, const Rule& rule, const Action& action) {
  Writing w;
  w.event = plan.catalog->find_event(event);
  if (w.event == kNoEventType) return w;
  const EventTypeDef& def = plan.catalog->events[w.event];
  const auto know = [&](std::string_view field, const std::string& value) {
    const FieldId id = def.find(field);
    if (id != kNoField) w.fields.emplace_back(id, Value::of_text(value));
  };
  know("rule", rule.name);
  know("kind", action.kind);
  know("channel", action.channel);
  return w;
}

int compare(const Plan& plan, const Node& node, const std::vector<std::pair<FieldId, Value>>& fields) {
  const Expr& expr = plan.exprs[node.left];
  if (expr.kind != Expr::Kind::field || node.right != kNone || node.ignore_case) return -1;
  const auto known = std::ranges::find_if(fields, [&](const auto& f) { return f.first == expr.ref; });
  if (known == fields.end()) return -1;
  const bool found = std::ranges::any_of(node.literals, [&](const Value& v) { return same_value(v.view(), known->second.view()); });
  switch (node.op) {
    case Op::equals:
    case Op::in: return found ? 1 : 0;
    case Op::not_equals:
    case Op::not_in: return found ? 0 : 1;
    case Op::exists: return 1;
    default: return -1;
  }
}

}  // namespace

int judge(const Plan& plan, NodeId filter, const std::vector<std::pair<FieldId, Value>>& fields) {
  if (filter == kNone) return 1;
  const Node& node = plan.nodes[filter];
  switch (node.kind) {
    case Node::Kind::constant: return node.truth ? 1 : 0;
    case Node::Kind::negate: {
      const int inner = judge(plan, node.children[0], fields);
      return inner < 0 ? inner : 1 - inner;
    }
    case Node::Kind::all:
    case Node::Kind::any: {
      const int settles = node.kind == Node::Kind::all ? 0 : 1;
      int all = 1 - settles;
      for (const NodeId child : node.children) {
        const int one = judge(plan, child, fields);
        if (one == settles) return settles;
        if (one < 0) all = -1;
      }
      return all;
    }
    case Node::Kind::compare: return compare(plan, node, fields);
    default: return -1;
  }
}

namespace {

/// What an action writes back into the customer's own facts.
void add_writes(const Write& write, std::vector<Writing>& writings) {
  Writing w;
  if (write.kind == Write::Kind::add_tag || write.kind == Write::Kind::remove_tag) {
    w.kind = Writing::Kind::tag;
    w.tag = write.tag;
    w.removed = write.kind == Write::Kind::remove_tag;
    writings.push_back(std::move(w));
    return;
  }
  if (write.kind == Write::Kind::event && write.event != kNoEventType) {
    w.event = write.event;
    for (const WriteValue& v : write.values) {
      if (v.source == WriteValue::Source::literal && !v.value.missing()) w.fields.emplace_back(v.target, v.value);
    }
    writings.push_back(std::move(w));
    return;
  }
  w.kind = Writing::Kind::attribute;
  if (write.kind == Write::Kind::owner && write.owner != kNoAttribute) {
    w.attribute = write.owner;
    writings.push_back(std::move(w));
  } else if (write.kind == Write::Kind::attributes) {
    for (const WriteValue& v : write.values) {
      w.attribute = v.target;
      w.value = v.source == WriteValue::Source::literal && v.op == WriteValue::Op::set ? v.value : Value();
      writings.push_back(w);
    }
  }
}

/// What the answer to an `enrich` sets; nobody knows to what.
void add_answer(const Plan& plan, const Action& action, std::vector<Writing>& writings) {
  for (const Param& param : action.params) {
    if (action.kind != "enrich" || param.name != "set") continue;
    for (const Param& target : param.items) {
      Writing w;
      w.kind = Writing::Kind::attribute;
      w.attribute = plan.catalog->find_attribute(target.name);
      if (w.attribute != kNoAttribute) writings.push_back(std::move(w));
    }
  }
}

}  // namespace

std::vector<DurationMs> earliest(const Rule& rule) {
  std::vector<DurationMs> arrival(rule.steps.size() + 1, kNever), acts(rule.steps.size(), kNever);
  arrival[0] = 0;
  for (std::size_t i = 0; i < rule.steps.size(); ++i) {
    if (arrival[i] == kNever) continue;
    const Step& step = rule.steps[i];
    acts[i] = arrival[i] + step.after;
    const auto go = [&](std::size_t to) {
      if (to < arrival.size()) arrival[to] = std::min(arrival[to], acts[i]);
    };
    switch (step.kind) {
      case Step::Kind::stop: break;
      case Step::Kind::jump: go(step.target); break;
      case Step::Kind::branch:
        go(i + 1);
        go(step.target);
        break;
      default: go(i + 1);
    }
  }
  return acts;
}

std::vector<Writing> writings_of(const Plan& plan, const Rule& rule) {
  std::vector<Writing> writings;
  if (rule.state != RuleState::active || rule.rollout_percent == 0) return writings;
  const auto add = [&](Writing w) {
    if (w.kind != Writing::Kind::event || w.event != kNoEventType) writings.push_back(std::move(w));
  };
  const std::vector<DurationMs> times = earliest(rule);
  for (std::size_t i = 0; i < rule.steps.size(); ++i) {
    if (times[i] >= kDay || rule.steps[i].kind != Step::Kind::act) continue;
    const Action& action = rule.steps[i].action;
    add_writes(action.write, writings);
    add_answer(plan, action, writings);
    if (action.kind == "call_task") {
      add(built_in(plan, "task_created", rule, action));
    } else if (action.kind == "cancel_tasks") {
      // It tells of the tasks of other rules, and of none that has no task.
      const auto of = std::ranges::find(action.params, "of", &Param::name);
      for (const Rule& other : plan.rules) {
        const bool meant = of == action.params.end() || of->items.empty() ||
                           std::ranges::any_of(of->items, [&](const Param& p) { return p.value.bytes == other.name; });
        const auto task = std::ranges::find_if(other.steps, [](const Step& s) { return s.action.kind == "call_task"; });
        if (meant && task != other.steps.end()) add(built_in(plan, "task_cancelled", other, task->action));
      }
    } else if (action.kind == "email" || action.kind == "sms" || action.kind == "ticket" || action.kind == "webhook" || action.kind == "chat" ||
               action.kind == "enrich") {
      for (const std::string_view event : {"message_accepted", "message_failed", "message_held"}) add(built_in(plan, event, rule, action));
    }
  }
  return writings;
}

namespace {

bool speaks_of(const Plan& plan, ExprId id, AttributeId attribute) {
  if (id == kNone) return false;
  const Expr& expr = plan.exprs[id];
  if (expr.kind == Expr::Kind::attribute) return expr.ref == attribute;
  return (expr.kind == Expr::Kind::size || expr.kind == Expr::Kind::days_since) && speaks_of(plan, expr.child, attribute);
}

Moves of_score(const Plan& plan, std::uint32_t score, const Writing& writing) {
  for (const Score::Points& points : plan.scores[score].points) {
    if (points.condition == kNone) continue;
    const Moves inner = moves(plan, points.condition, writing);
    if (inner.to_true || inner.to_false) return {true, true};  // which way the sum goes depends on the points
  }
  return {};
}

Moves of_comparison(const Plan& plan, const Node& node, const Writing& writing) {
  if (plan.exprs[node.left].kind == Expr::Kind::score) return of_score(plan, plan.exprs[node.left].ref, writing);
  if (writing.kind != Writing::Kind::attribute) return {};
  if (!speaks_of(plan, node.left, writing.attribute) && !speaks_of(plan, node.right, writing.attribute)) return {};
  const bool plain = plan.exprs[node.left].kind == Expr::Kind::attribute && node.right == kNone && !node.ignore_case;
  if (!plain || writing.value.missing()) return {true, true};
  const bool found = std::ranges::any_of(node.literals, [&](const Value& v) { return same_value(v.view(), writing.value.view()); });
  switch (node.op) {
    case Op::equals:
    case Op::in: return {found, !found};
    case Op::not_equals:
    case Op::not_in: return {!found, found};
    case Op::exists: return {true, false};
    default: return {true, true};
  }
}

}  // namespace

Moves moves(const Plan& plan, NodeId id, const Writing& writing) {
  if (id == kNone) return {};
  const Node& node = plan.nodes[id];
  Moves all;
  for (const NodeId child : node.children) {
    const Moves one = moves(plan, child, writing);
    all.to_true = all.to_true || one.to_true;
    all.to_false = all.to_false || one.to_false;
  }
  switch (node.kind) {
    case Node::Kind::negate: return {all.to_false, all.to_true};
    case Node::Kind::tag: {
      const bool it = writing.kind == Writing::Kind::tag && writing.tag == node.text;
      return {it && !writing.removed, it && writing.removed};
    }
    case Node::Kind::compare: return of_comparison(plan, node, writing);
    case Node::Kind::band: return of_score(plan, node.ref, writing);
    // What has to last for a day gives people the time to see it.
    case Node::Kind::has_been: return {all.to_true && node.duration < kDay, all.to_false};
    case Node::Kind::changed: return {writing.kind == Writing::Kind::attribute && node.ref == writing.attribute, false};
    default: return all;
  }
}

bool listens_to(const Plan& plan, const Rule& rule, const Writing& writing) {
  if (rule.state != RuleState::active || rule.rollout_percent == 0) return false;
  const Trigger& t = rule.trigger;
  if (t.kind == Trigger::Kind::enters || t.kind == Trigger::Kind::leaves) {
    if (writing.kind == Writing::Kind::event || t.hold_for >= kDay) return false;
    const Moves moved = moves(plan, plan.segments[t.segment].node, writing);
    return t.kind == Trigger::Kind::enters ? moved.to_true : moved.to_false;
  }
  switch (writing.kind) {
    case Writing::Kind::event:
      return t.kind == Trigger::Kind::event && t.event == writing.event && judge(plan, t.where, writing.fields) != 0;
    case Writing::Kind::attribute:
      if (t.kind != Trigger::Kind::attribute_changes || t.attribute != writing.attribute) return false;
      return writing.value.missing() || t.to.empty() ||
             std::ranges::any_of(t.to, [&](const Value& v) { return same_value(v.view(), writing.value.view()); });
    case Writing::Kind::tag: return false;  // nothing fires on a tag but by a segment
  }
  return false;
}

}  // namespace nudge::lint
