// R1007 to R1010: triggers that nobody meets, and conditions that the trigger has settled already.
#include "rules/lint/findings.h"

namespace nudge::lint {
namespace {

using lang::Spot;

/// R1007, R1008: entering and leaving a segment that holds never or always.
void lint_segment(Findings& f, const Rule& rule) {
  const Trigger& t = rule.trigger;
  if (t.kind != Trigger::Kind::enters && t.kind != Trigger::Kind::leaves) return;
  const Segment& segment = f.plan.segments[t.segment];
  const Verdict verdict = f.solver.verdict(segment.node);
  if (verdict == Verdict::open) return;
  const bool enters = t.kind == Trigger::Kind::enters;
  const std::string where = " (" + segment.file + ":" + std::to_string(segment.line) + ")";
  if (enters && verdict == Verdict::always) {
    f.warn("R1008", f.trigger_place(rule), {f.definition_of(rule)},
           "every customer is in the segment " + quoted(segment.name) + where + " from the start: only new customers ever enter it",
           "mend the segment's condition");
    return;
  }
  f.warn("R1007", f.trigger_place(rule), {f.definition_of(rule)},
         "nobody can ever " + std::string(enters ? "enter" : "leave") + " the segment " + quoted(segment.name) + where +
             ": its condition " + (verdict == Verdict::never ? "can never hold" : "always holds"),
         "mend the segment's condition");
}

std::string fired_by(const Findings& f, const Rule& rule) {
  const Trigger& t = rule.trigger;
  if (t.kind == Trigger::Kind::event) return "the " + quoted(f.plan.catalog->events[t.event].name) + " that fires it counts itself";
  return "the customer has just " + std::string(t.kind == Trigger::Kind::enters ? "entered " : "left ") +
         quoted(f.plan.segments[t.segment].name);
}

std::string advice(const Rule& rule) {
  return rule.trigger.kind == Trigger::Kind::event ? "`before: trigger` leaves out the event that fires the rule"
                                                   : "take it out, or fire on something else";
}

/// R1009, R1010: the rule's `if`, given its trigger.
void lint_if(Findings& f, const Rule& rule, std::uint32_t root) {
  const auto& spots = f.sources.spots;
  if (f.solver.verdict(rule.condition) != Verdict::open) return;  // told already
  const Known sure = at_trigger(f.plan, rule, false), usual = at_trigger(f.plan, rule, true);
  if (sure.literals.empty() && sure.rows.empty()) return;
  const bool never = f.solver.verdict(rule.condition, sure) == Verdict::never;
  if (never) {
    f.warn("R1009", spots[root].where, {f.definition_of(rule)},
           "the condition of " + quoted(rule.name) + " never holds when the rule fires: " + fired_by(f, rule), advice(rule));
    return;
  }
  std::vector<bool> decided(spots.size() - spots[root].first);
  for (std::uint32_t i = spots[root].first; i <= root; ++i) {
    const Spot& spot = spots[i];
    if (spot.owner != spots[root].owner || spot.row_event != kNoEventType || spot.node == kNone) continue;
    if (f.solver.verdict(spot.node) != Verdict::open) continue;
    const Verdict verdict = f.solver.verdict(spot.node, usual);
    if (verdict == Verdict::open) continue;
    decided[i - spots[root].first] = true;
    bool inner = false;
    for (std::uint32_t j = spot.first; j < i && !inner; ++j) inner = decided[j - spots[root].first];
    if (inner) continue;
    const bool late = f.solver.verdict(spot.node, sure) == Verdict::open;
    f.warn("R1010", spot.where, {f.definition_of(rule)},
           std::string(verdict == Verdict::always ? "this always holds" : "this never holds") + " when the rule fires" +
               (late ? ", but for a late event" : "") + ": " + fired_by(f, rule),
           advice(rule));
  }
}

}  // namespace

void lint_triggers(Findings& f) {
  for (const Rule& rule : f.plan.rules) lint_segment(f, rule);
  for (std::uint32_t i = 0; i < f.sources.spots.size(); ++i) {
    if (f.sources.spots[i].role != Spot::Role::rule_if) continue;
    const Rule* rule = f.rule_of(f.sources.spots[i].owner);
    if (rule != nullptr && rule->condition != kNone) lint_if(f, *rule, i);
  }
}

}  // namespace nudge::lint
