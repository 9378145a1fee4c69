// R1006: two active sales rules that reach the same people by the same channel at the same time. Rules are put into buckets by channel and
// trigger, and within a bucket each is compared with the few before it only, so that 10,000 rules cost no more than that many comparisons.
#include <algorithm>
#include <map>

#include "rules/lint/findings.h"
#include "rules/lint/relation.h"

namespace nudge::lint {
namespace {

constexpr std::size_t kNeighbours = 8;

/// What makes a rule fire, so that rules with the same words fire together; "" when that can't be told.
std::string trigger_key(const Plan& plan, const Trigger& t) {
  switch (t.kind) {
    case Trigger::Kind::event: return "event " + std::to_string(t.event);
    case Trigger::Kind::enters:
    case Trigger::Kind::leaves:
      // By meaning: two segments with the same condition are one node.
      return (t.kind == Trigger::Kind::enters ? "enters " : "leaves ") + std::to_string(plan.segments[t.segment].node) + " " +
             std::to_string(t.hold_for);
    case Trigger::Kind::attribute_changes: return "changes " + std::to_string(t.attribute);
    case Trigger::Kind::schedule: return "schedule " + t.cron + " " + t.zone;
    case Trigger::Kind::date:
      return "date " + std::to_string(t.attribute) + " " + std::to_string(t.offset) + " " + std::to_string(t.time_of_day);
  }
  return {};
}

std::vector<std::string> channels_of(const Rule& rule) {
  std::vector<std::string> channels;
  const std::vector<DurationMs> times = earliest(rule);
  for (std::size_t i = 0; i < rule.steps.size(); ++i) {
    if (times[i] >= kDay || rule.steps[i].kind != Step::Kind::act) continue;
    const std::string& channel = rule.steps[i].action.channel;
    const bool reaches = channel == "email" || channel == "sms" || channel == "task";
    if (reaches && std::ranges::find(channels, channel) == channels.end()) channels.push_back(channel);
  }
  return channels;
}

bool values_meet(const std::vector<Value>& a, const std::vector<Value>& b) {
  if (a.empty() || b.empty()) return true;
  return std::ranges::any_of(
      a, [&](const Value& x) { return std::ranges::any_of(b, [&](const Value& y) { return same_value(x.view(), y.view()); }); });
}

/// False only when what fires one can't fire the other.
bool meet(Findings& f, const Rule& a, const Rule& b) {
  if (!values_meet(a.trigger.to, b.trigger.to) || !values_meet(a.trigger.from, b.trigger.from)) return false;
  if (a.trigger.where != kNone && b.trigger.where != kNone && f.solver.exclude(a.trigger.where, b.trigger.where)) return false;
  // A schedule comes for everybody, so its rules choose by `if` alone: they meet for sure only when one asks for less than the other.
  if (a.trigger.kind == Trigger::Kind::schedule && a.condition != kNone && b.condition != kNone)
    return f.solver.implies(a.condition, b.condition) || f.solver.implies(b.condition, a.condition);
  Known known = at_trigger(f.plan, a, false);
  for (const Rule* rule : {&a, &b}) {
    if (rule->condition != kNone) known.literals.push_back({rule->condition, true});
  }
  return f.solver.possible(known);
}

std::string by_channel(const std::string& channel) {
  return channel == "task" ? "a call" : channel == "sms" ? "a text message" : "an e-mail";
}

}  // namespace

void lint_reach(Findings& f) {
  std::map<std::string, std::vector<const Rule*>> buckets;
  std::vector<const Rule*> rules;
  for (const Rule& rule : f.plan.rules) {
    if (rule.state == RuleState::active && rule.category == Category::sales && rule.rollout_percent > 0) rules.push_back(&rule);
  }
  std::ranges::sort(rules, [](const Rule* a, const Rule* b) { return a->name < b->name; });
  for (const Rule* rule : rules) {
    const std::string key = trigger_key(f.plan, rule->trigger);
    bool told = false;
    for (const std::string& channel : channels_of(*rule)) {
      std::vector<const Rule*>& bucket = buckets[channel + " " + key];
      const std::size_t from = bucket.size() > kNeighbours ? bucket.size() - kNeighbours : 0;
      for (std::size_t i = bucket.size(); i > from && !told; --i) {
        const Rule& other = *bucket[i - 1];
        if (!f.solver.spend(1) || !meet(f, other, *rule)) continue;
        told = true;
        const lang::Where& there = f.place_of(other);
        f.warn("R1006", f.place_of(*rule), {f.definition_of(*rule), f.definition_of(other)},
               quoted(rule->name) + " and " + quoted(other.name) + " (" + there.document->name() + ":" + std::to_string(there.mark.line) +
                   ") fire on the same trigger for the same customers, and both make " + by_channel(channel),
               "put the two into one rule, or let their `if` exclude each other");
      }
      bucket.push_back(rule);
    }
  }
}

}  // namespace nudge::lint
