#include "engine/core/explain.h"
#include "engine/core/judge.h"
#include "engine/core/policy.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/core/evaluate.h"
#include "engine/core/runs.h"

namespace nudge {

namespace {

class Explainer {
 public:
  Explainer(const Plan& plan, const CustomerState& state, TimeMs now, const TriggerRow* trigger) : plan_(plan), state_(state) {
    RowRef row;
    if (trigger != nullptr) {
      if (const Rows* rows = state.rows(trigger->type)) {
        const std::size_t at = rows->position(trigger->time, trigger->id);
        if (at < rows->size() && rows->id(at) == trigger->id) row = {rows, at, trigger->type};
      }
    }
    evaluator_.begin(plan, state, now, row);
  }

  Explanation node(NodeId id) {
    const Node& n = plan_.nodes[id];
    const Verdict verdict = evaluator_.truth(id);
    Explanation e;
    e.text = describe(plan_, id);
    e.truth = verdict.truth;
    e.until = verdict.until;
    switch (n.kind) {
      case Node::Kind::all: e.text = "all of"; break;
      case Node::Kind::any: e.text = "any of"; break;
      case Node::Kind::negate: e.text = "not"; break;
      case Node::Kind::compare:
        e.value = operand(n.left, e);
        if (n.right != kNone) e.value += "; right side: " + operand(n.right, e);
        break;
      case Node::Kind::changed:
      case Node::Kind::has_been: e.value = attribute_text(static_cast<AttributeId>(n.ref)); break;
      case Node::Kind::band: {
        const Score& s = plan_.scores[n.ref];
        for (const Score::Points& p : s.points)
          if (p.condition != kNone) e.children.push_back(node(p.condition));
        break;
      }
      default: break;
    }
    for (const NodeId child : n.children) e.children.push_back(node(child));
    return e;
  }

  bool where(NodeId filter, const TriggerRow& trigger) {
    const Rows* rows = state_.rows(trigger.type);
    if (rows == nullptr) return false;
    const RowRef row{rows, rows->position(trigger.time, trigger.id), trigger.type};
    return row.row < rows->size() && evaluator_.truth(filter, &row).truth;
  }

 private:
  std::string attribute_text(AttributeId id) {
    TimeMs until = kNever;
    const ValueView v = state_.attributes.at(id, evaluator_.now(), until);
    std::string text = plan_.catalog->attributes[id].name + " = " + to_text(v);
    const TimeMs since = state_.attributes.since(id, evaluator_.now());
    if (v.present() && since != kNever) text += ", since " + format_timestamp(since);
    return text;
  }

  // The window's edges at this instant.
  std::string edges(const Window& window) {
    const TimeMs now = evaluator_.now();
    const auto between = [](TimeMs from, const char* first, const char* last, TimeMs to) {
      return format_timestamp(from) + first + "t" + last + format_timestamp(to);
    };
    switch (window.kind) {
      case Window::Kind::ever: return {};
      case Window::Kind::within: return between(now - window.a, " < ", " <= ", now);
      case Window::Kind::from_to: return between(now - window.a, " < ", " <= ", now - window.b);
      case Window::Kind::since:
        return between(unit_around(window.unit, now, window.tenant_zone ? plan_.zone : evaluator_.zone()).first, " <= ", " <= ", now);
      case Window::Kind::fixed: break;
    }
    const Zone& zone = evaluator_.zone();
    const auto instant = [&](const Window::Bound& bound, bool end) {
      if (!bound.is_date) return bound.at;
      return zone.start_of(static_cast<DateDays>(bound.at) + (end ? 1 : 0));
    };
    std::string text = window.lo.set ? format_timestamp(instant(window.lo, false)) + " <= t" : "t";
    return text + (window.hi.set ? " < " + format_timestamp(instant(window.hi, true)) : " <= " + format_timestamp(now));
  }

  std::string operand(ExprId id, Explanation& e) {
    const Expr* expr = &plan_.exprs[id];
    if (expr->kind == Expr::Kind::attribute) return attribute_text(static_cast<AttributeId>(expr->ref));
    const std::string value = to_text(evaluator_.plain(evaluator_.value(id)).view());
    while (expr->child != kNone) expr = &plan_.exprs[expr->child];
    if (expr->kind != Expr::Kind::aggregate) return value;
    const Aggregate& a = plan_.aggregates[expr->ref];
    const std::vector<std::size_t> counted = evaluator_.counted_rows(a);
    const Rows* rows = state_.rows(a.event);
    for (auto it = counted.rbegin(); it != counted.rend() && e.rows.size() < 10; ++it) {
      e.rows.emplace_back(rows->id(*it));
      e.row_times.push_back(rows->time(*it));
    }
    e.window = edges(a.window);
    std::string text = value + ", from " + std::to_string(counted.size()) + (counted.size() == 1 ? " row" : " rows");
    if (!counted.empty()) {
      text += counted.size() == 1 ? " at " : ", the newest at ";
      text += format_timestamp(rows->time(counted.back()));
    }
    return text;
  }

  const Plan& plan_;
  const CustomerState& state_;
  Evaluator evaluator_;
};

// The first part that decides a false condition, for the one-sentence verdict.
const Explanation& culprit(const Explanation& e) {
  if (e.text == "all of") {
    for (const Explanation& child : e.children)
      if (!child.truth) return culprit(child);
  }
  return e;
}

std::optional<TriggerRow> newest_row(const CustomerState& state, EventTypeId type, TimeMs now) {
  const Rows* rows = state.rows(type);
  if (rows == nullptr) return std::nullopt;
  const std::size_t n = rows->upper_bound(now);
  if (n == 0) return std::nullopt;
  return TriggerRow{type, rows->time(n - 1), std::string(rows->id(n - 1))};
}

std::vector<std::string> limits_of(const Plan& plan, const CustomerState& state, const Rule& rule, TimeMs now) {
  std::vector<std::string> out;
  if (rule.state != RuleState::active) out.push_back("the rule is " + std::string(rule_state_name(rule.state)));
  if (rule.rollout_percent < 100) {
    const bool in = rollout_bucket(rule.name, state.id) < rule.rollout_percent * 100;
    out.push_back("rollout " + std::to_string(rule.rollout_percent) + " %: this customer is " + (in ? "in" : "out"));
  }
  if (rule.holdout_percent > 0) {
    const bool held = holdout_bucket(rule.name, state.id) < rule.holdout_percent * 100;
    out.push_back("holdout " + std::to_string(rule.holdout_percent) + " %: this customer is " +
                  (held ? "held out, nothing is done" : "not held out"));
  }
  for (const LastFired& f : state.fired) {
    if (f.rule != rule.id) continue;
    std::string text = "last fired " + format_timestamp(f.at);
    if (rule.limits.once_ever)
      text += ", and fires once per customer";
    else if (now - f.at < rule.limits.once_per)
      text += ", and may fire again from " + format_timestamp(f.at + rule.limits.once_per) + " on";
    out.push_back(std::move(text));
  }
  for (const Run& run : state.runs) {
    if (run.rule == rule.id) out.push_back(describe_run(plan, run));
  }
  return out;
}

}  // namespace

Explanation explain_condition(const Plan& plan, const CustomerState& state, NodeId node, TimeMs now, const TriggerRow* trigger) {
  return Explainer(plan, state, now, trigger).node(node);
}

CustomerState as_of(const Plan& plan, CustomerState state, const Rule& rule, TimeMs at, LeanVector<LastFired> fired) {
  state.runs.clear();
  state.members.clear();
  state.fired = std::move(fired);
  if (rule.trigger.segment < plan.segments.size()) {
    const Segment& segment = plan.segments[rule.trigger.segment];
    if (explain_condition(plan, state, segment.node, at).truth) state.members.push_back({segment.root, kAlways});
  }
  return state;
}

namespace {

std::vector<PolicyLine> policies_of(const Plan& plan, const CustomerState& state, const Rule& rule, TimeMs now) {
  static constexpr const char* kVerdicts[] = {"allows", "defers", "drops"};
  std::vector<PolicyLine> lines;
  Evaluator evaluator;
  evaluator.begin(plan, state, now);
  for (std::size_t i = 0; i < rule.steps.size(); ++i) {
    const Step& step = rule.steps[i];
    if (step.kind != Step::Kind::act) continue;
    PolicySubject subject;
    subject.rule = rule.name;
    subject.rule_id = rule.id;
    subject.channel = step.action.channel;
    subject.category = step.action.category;
    subject.purpose = rule.purpose;
    for (PolicyVerdict& v : review_policies(evaluator, subject)) {
      PolicyLine line;
      line.step = step.label.empty() ? std::to_string(i + 1) : step.label;
      line.action = step.action.kind;
      line.policy = std::move(v.policy);
      line.verdict = kVerdicts[static_cast<int>(v.kind)];
      line.text = std::move(v.words);
      if (v.kind == PolicyVerdict::Kind::defer) line.until = v.until;
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

}  // namespace

RuleExplanation explain_rule(const Plan& plan, const CustomerState& state, const Rule& rule, TimeMs now) {
  RuleExplanation r;
  r.rule = rule.name;
  r.version = rule.version;
  r.limits = limits_of(plan, state, rule, now);
  r.policies = policies_of(plan, state, rule, now);
  const Trigger& trigger = rule.trigger;
  std::optional<TriggerRow> row;
  bool triggered = true;
  switch (trigger.kind) {
    case Trigger::Kind::event: {
      const std::string name = plan.catalog->events[trigger.event].name;
      row = newest_row(state, trigger.event, now);
      if (!row) {
        r.trigger = "on each " + name + " event; this customer has none yet";
        triggered = false;
        break;
      }
      r.trigger = "on each " + name + " event; the newest, " + row->id + ", is of " + format_timestamp(row->time);
      if (trigger.where != kNone && !Explainer(plan, state, now, &*row).where(trigger.where, *row)) {
        r.trigger += ", and does not fit: " + describe(plan, trigger.where);
        triggered = false;
      }
      break;
    }
    case Trigger::Kind::enters:
    case Trigger::Kind::leaves: {
      const Segment& segment = plan.segments[trigger.segment];
      r.trigger = std::string("when the customer ") + (trigger.kind == Trigger::Kind::enters ? "enters " : "leaves ") + segment.name;
      const auto it = std::ranges::find(state.members, segment.root, &Membership::root);
      const bool member = it != state.members.end();
      r.trigger += member ? "; a member" + (it->since == kAlways ? std::string() : " since " + format_timestamp(it->since)) : "; not a member";
      triggered = member == (trigger.kind == Trigger::Kind::enters);
      Explanation part = explain_condition(plan, state, segment.node, now);
      r.condition.text = "segment " + segment.name;
      r.condition.truth = part.truth;
      r.condition.until = part.until;
      r.condition.children.push_back(std::move(part));
      break;
    }
    case Trigger::Kind::attribute_changes:
      r.trigger = "when attribute " + plan.catalog->attributes[trigger.attribute].name + " changes";
      break;
    case Trigger::Kind::schedule: r.trigger = "on the schedule " + trigger.cron; break;
    case Trigger::Kind::date: r.trigger = "on a day given by attribute " + plan.catalog->attributes[trigger.attribute].name; break;
  }
  const Explanation* why = nullptr;
  if (rule.condition != kNone) {
    Explanation condition = explain_condition(plan, state, rule.condition, now, row ? &*row : nullptr);
    if (r.condition.text.empty()) {
      r.condition = std::move(condition);
    } else {
      Explanation both;
      both.text = "all of";
      both.truth = r.condition.truth && condition.truth;
      both.children.push_back(std::move(r.condition));
      both.children.push_back(std::move(condition));
      r.condition = std::move(both);
    }
  } else if (r.condition.text.empty()) {
    r.condition.text = "always";
    r.condition.truth = true;
  }
  if (!r.condition.truth) why = &culprit(r.condition);
  if (rule.state == RuleState::draft || rule.state == RuleState::paused) {
    r.verdict = "does not fire: the rule is " + std::string(rule_state_name(rule.state));
  } else if (why != nullptr) {
    r.verdict = "does not fire: false is " + why->text + (why->value.empty() ? "" : " (" + why->value + ")");
  } else if (!triggered) {
    r.verdict = "does not fire: its trigger has not happened (" + r.trigger + ")";
  } else {
    r.verdict = "its trigger and condition hold";
    for (const std::string& limit : r.limits) {
      if (limit.find("may fire again") != std::string::npos || limit.find("held out") != std::string::npos || limit.ends_with("is out")) {
        r.verdict += ", but: " + limit;
        break;
      }
    }
  }
  return r;
}

void append_json(std::string& out, const Explanation& e) {
  out += "{\"text\":";
  append_json_string(out, e.text);
  out += e.truth ? ",\"holds\":true" : ",\"holds\":false";
  if (!e.value.empty()) {
    out += ",\"value\":";
    append_json_string(out, e.value);
  }
  if (e.until != kNever) out += ",\"until\":\"" + format_timestamp(e.until) + "\"";
  if (!e.rows.empty()) {
    out += ",\"rows\":[";
    for (std::size_t i = 0; i < e.rows.size(); ++i) {
      if (i > 0) out.push_back(',');
      append_json_string(out, e.rows[i]);
    }
    out.push_back(']');
  }
  if (!e.window.empty()) {
    out += ",\"window\":";
    append_json_string(out, e.window);
  }
  if (!e.row_times.empty()) {
    out += ",\"row_times\":[";
    for (std::size_t i = 0; i < e.row_times.size(); ++i) out += (i > 0 ? ",\"" : "\"") + format_timestamp(e.row_times[i]) + "\"";
    out.push_back(']');
  }
  if (!e.children.empty()) {
    out += ",\"parts\":[";
    for (std::size_t i = 0; i < e.children.size(); ++i) {
      if (i > 0) out.push_back(',');
      append_json(out, e.children[i]);
    }
    out.push_back(']');
  }
  out.push_back('}');
}

void append_json(std::string& out, const RuleExplanation& e) {
  out += "{\"rule\":";
  append_json_string(out, e.rule);
  out += ",\"version\":" + std::to_string(e.version) + ",\"verdict\":";
  append_json_string(out, e.verdict);
  out += ",\"trigger\":";
  append_json_string(out, e.trigger);
  out += ",\"condition\":";
  append_json(out, e.condition);
  out += ",\"policies\":[";
  for (std::size_t i = 0; i < e.policies.size(); ++i) {
    const PolicyLine& line = e.policies[i];
    const auto text = [&](const char* name, std::string_view value) {
      out += name;
      append_json_string(out, value);
    };
    out += i > 0 ? ",{" : "{";
    text("\"step\":", line.step);
    text(",\"action\":", line.action);
    text(",\"policy\":", line.policy);
    text(",\"verdict\":", line.verdict);
    text(",\"text\":", line.text);
    if (line.until != kNever) out += ",\"until\":\"" + format_timestamp(line.until) + "\"";
    out.push_back('}');
  }
  out += "],\"limits\":[";
  for (std::size_t i = 0; i < e.limits.size(); ++i) {
    if (i > 0) out.push_back(',');
    append_json_string(out, e.limits[i]);
  }
  out += "]}";
}

}  // namespace nudge
