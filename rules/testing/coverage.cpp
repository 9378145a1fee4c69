#include "rules/testing/coverage.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "engine/core/explain.h"
#include "engine/core/judge.h"

namespace nudge::testing {
namespace {

using Owner = lang::ConditionPart::Owner;

std::string step_words(std::size_t index, const Step& step) {
  const std::string what = step.kind == Step::Kind::stop ? "stop" : step.action.kind;
  return "step " + (step.label.empty() ? std::to_string(index + 1) : step.label) + (what.empty() ? "" : " (" + what + ")");
}

std::string owner_words(const lang::ConditionPart& part) {
  switch (part.owner) {
    case Owner::segment: return "segment " + part.name;
    case Owner::trait: return "trait " + part.name;
    case Owner::score: return "score " + part.name;
    case Owner::step: return "rule " + part.name + ", step " + std::to_string(part.step + 1);
    case Owner::exit: return "rule " + part.name + ", exit";
    case Owner::goal: return "rule " + part.name + ", goal";
    case Owner::trigger: return "rule " + part.name + ", when";
    case Owner::rule:
    case Owner::none: break;
  }
  return "rule " + part.name;
}

bool of_rule(Owner owner) {
  return owner == Owner::rule || owner == Owner::exit || owner == Owner::step || owner == Owner::trigger || owner == Owner::goal;
}

RowRef row_of(const CustomerState& state, EventTypeId type, TimeMs time, std::string_view id) {
  const Rows* rows = type == kNoEventType ? nullptr : state.rows(type);
  if (rows == nullptr) return {};
  const std::size_t at = rows->position(time, id);
  return at < rows->size() && rows->time(at) == time && rows->id(at) == id ? RowRef{rows, at, type} : RowRef{};
}

bool changes_to(const Trigger& trigger, const Input& input) {
  return std::ranges::any_of(input.attributes, [&](const AttributeUpdate& u) {
    const auto same = [&](const Value& wanted) { return same_value(wanted.view(), u.value.view()); };
    return u.attribute == trigger.attribute && (trigger.to.empty() || std::ranges::any_of(trigger.to, same));
  });
}

}  // namespace

std::string_view gap_name(Gap::Kind kind) {
  switch (kind) {
    case Gap::Kind::never_fired: return "never_fired";
    case Gap::Kind::never_reached: return "never_reached";
    case Gap::Kind::never_true: return "never_true";
    case Gap::Kind::never_false: return "never_false";
    case Gap::Kind::never_asked: return "never_asked";
  }
  return "";
}

double CoverageReport::percent() const {
  return total == 0 ? 100 : std::floor(static_cast<double>(covered) * 1000 / static_cast<double>(total)) / 10;
}

Coverage::Coverage(const Plan& plan, std::vector<lang::ConditionPart> parts) : parts_(std::move(parts)) {
  for (const Rule& rule : plan.rules) {
    RuleSeen seen;
    seen.name = rule.name;
    seen.place.file = rule.file;
    seen.place.line = rule.line;
    seen.counts = rule.state == RuleState::active || rule.state == RuleState::shadow;
    for (std::size_t i = 0; i < rule.steps.size(); ++i) {
      const Step& step = rule.steps[i];
      const bool counts = step.kind == Step::Kind::act || step.kind == Step::Kind::stop;
      seen.steps.push_back({step_words(i, step), seen.place, counts, false});
    }
    rules_.push_back(std::move(seen));
  }
  for (const lang::ConditionPart& part : parts_) {
    RuleSeen* rule = part.node == kNone ? find(part.name) : nullptr;
    if (rule == nullptr) continue;
    if (part.owner == Owner::rule) rule->place = part;
    if (part.owner == Owner::step && part.step < rule->steps.size()) rule->steps[part.step].place = part;
  }
  std::erase_if(parts_, [](const lang::ConditionPart& part) { return part.node == kNone; });
  seen_.resize(parts_.size());
  for (const lang::ConditionPart& part : parts_) words_.push_back(describe(plan, part.node));
}

Coverage::RuleSeen* Coverage::find(std::string_view rule) {
  const auto found = std::ranges::find(rules_, rule, &RuleSeen::name);
  return found == rules_.end() ? nullptr : &*found;
}

void Coverage::watch(World& world) {
  world.watch([this](const World& w, const Judgement& j) { judged(w, j); });
}

void Coverage::judged(const World& world, const Judgement& j) {
  const Plan& plan = world.plan();
  note_rows(plan, j);
  for (std::size_t r = 0; r < plan.rules.size(); ++r) note_rule(world, j, r);
  note_decisions(world, j);
  note_runs(plan, j);
  evaluator_.begin(plan, j.state, j.now);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const lang::ConditionPart& part = parts_[i];
    if (part.row_event == kNoEventType && (part.owner == Owner::segment || part.owner == Owner::score || part.owner == Owner::trait))
      note(i, evaluator_.truth(part.node).truth);
  }
}

/// Filters of events are asked of every event that comes in, whoever asks later.
void Coverage::note_rows(const Plan& plan, const Judgement& j) {
  for (const Input& input : j.inputs) {
    if (input.kind != InputKind::event) continue;
    const RowRef row = row_of(j.state, input.type, input.time, input.id);
    if (row.rows == nullptr) continue;
    evaluator_.begin(plan, j.state, j.now, row);
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (parts_[i].row_event == input.type) note(i, evaluator_.truth(parts_[i].node, &row).truth);
    }
  }
}

void Coverage::note_rule(const World& world, const Judgement& j, std::size_t index) {
  const Plan& plan = world.plan();
  const Rule& rule = plan.rules[index];
  if (rule.state == RuleState::draft || rule.state == RuleState::paused) return;
  const Trigger& trigger = rule.trigger;
  for (const Run& run : j.waiting) {
    if (run.due <= j.now && run.rule == rule.id && (run.step == kHoldStep || run.step == kDateStep))
      ask(plan, j, &run.cause, Owner::rule, rule.name);
  }
  switch (trigger.kind) {
    case Trigger::Kind::event:
    case Trigger::Kind::attribute_changes:
      for (const Input& input : j.inputs) {
        if (input.import || j.now - input.time >= rule.max_age) continue;
        if (trigger.kind == Trigger::Kind::attribute_changes) {
          if (input.kind == InputKind::attributes && changes_to(trigger, input)) ask(plan, j, nullptr, Owner::rule, rule.name);
          continue;
        }
        if (input.kind != InputKind::event || input.type != trigger.event) continue;
        const RowRef row = row_of(j.state, input.type, input.time, input.id);
        if (row.rows == nullptr) continue;
        Cause cause;
        cause.type = input.type;
        cause.row_time = input.time;
        cause.row_id = input.id;
        if (trigger.same != kNoField) {
          if (!row.rows->has_field(row.row, trigger.same)) continue;
          Writer writer(cause.key);
          encode_value(writer, row.rows->field(row.row, trigger.same, kind_of(plan.catalog->events[input.type].fields[trigger.same].type)));
        }
        evaluator_.begin(plan, j.state, j.now, row, cause.key);
        if (trigger.where != kNone && !evaluator_.truth(trigger.where, &row).truth) continue;
        ask(plan, j, &cause, Owner::rule, rule.name);
      }
      break;
    case Trigger::Kind::enters:
    case Trigger::Kind::leaves: {
      const std::string& segment = plan.segments[trigger.segment].name;
      for (std::size_t e = j.edges; e < world.record().edges.size(); ++e) {
        const WorldRecord::CustomerEdge& edge = world.record().edges[e];
        const bool wanted = edge.edge.entered == (trigger.kind == Trigger::Kind::enters);
        if (edge.segment == segment && wanted && (!edge.edge.silent || rule.existing_fire)) ask(plan, j, nullptr, Owner::rule, rule.name);
      }
      break;
    }
    case Trigger::Kind::schedule:
    case Trigger::Kind::date: break;  // runs that were due: above
    default: break;
  }
}

void Coverage::note_decisions(const World& world, const Judgement& j) {
  const Plan& plan = world.plan();
  const WorldRecord& record = world.record();
  const auto reached = [&](std::string_view rule, std::uint32_t step, const Cause& cause) {
    RuleSeen* seen = find(rule);
    if (seen == nullptr || step >= seen->steps.size()) return;
    seen->steps[step].reached = true;
    ask(plan, j, &cause, Owner::step, rule, step);
  };
  for (std::size_t d = j.decisions; d < record.decisions.size(); ++d) {
    const Decision& decision = record.decisions[d];
    if (decision.step != kNone) {
      if (decision.held != Held::rule_gone) reached(decision.rule, decision.step, decision.cause);
    } else if (decision.fired || decision.held == Held::shadow) {
      if (RuleSeen* seen = find(decision.rule)) seen->fired = true;
      if (const Rule* rule = plan.find_rule(decision.rule); rule != nullptr && decision.fired)
        walk(plan, j, *rule, decision.cause, 0, false);
    }
  }
  for (std::size_t a = j.actions; a < record.actions.size(); ++a)
    reached(record.actions[a].rule, record.actions[a].step, record.actions[a].cause);
}

void Coverage::note_runs(const Plan& plan, const Judgement& j) {
  for (const Run& run : j.waiting) {
    const auto found = plan.rule_of_id.find(run.rule);
    if (found == plan.rule_of_id.end()) continue;
    const Rule& rule = plan.rules[found->second];
    if (run.step >= rule.steps.size()) continue;  // it waits for something else than a step
    ask(plan, j, &run.cause, Owner::exit, rule.name);
    const Step& step = rule.steps[run.step];
    const bool over = j.now >= run.waits_until();
    if (step.kind == Step::Kind::until) ask(plan, j, &run.cause, Owner::step, rule.name, run.step);
    const bool stays = std::ranges::any_of(j.state.runs, [&](const Run& now) {
      return now.rule == run.rule && now.step == run.step && now.started == run.started && now.cause == run.cause;
    });
    if (stays) continue;
    if (step.kind == Step::Kind::until) {
      if (!over || !step.stop_on_timeout) walk(plan, j, rule, run.cause, run.step + 1, false);
    } else if (over) {
      walk(plan, j, rule, run.cause, run.step, true);
    }
  }
}

void Coverage::walk(const Plan& plan, const Judgement& j, const Rule& rule, const Cause& cause, std::uint32_t step, bool delay_passed) {
  const RowRef row = row_of(j.state, cause.type, cause.row_time, cause.row_id);
  while (step < rule.steps.size()) {
    const Step& next = rule.steps[step];
    if (next.kind != Step::Kind::until && next.after > 0 && !delay_passed) return;
    delay_passed = false;
    if (next.kind == Step::Kind::stop) return;
    if (next.kind == Step::Kind::jump) {
      step = next.target;
      continue;
    }
    if (next.kind == Step::Kind::until || next.kind == Step::Kind::branch) {
      ask(plan, j, &cause, Owner::step, rule.name, step);
      evaluator_.begin(plan, j.state, j.now, row, cause.key);
      const bool truth = evaluator_.truth(next.condition).truth;
      if (!truth && next.kind == Step::Kind::until) return;
      if (!truth) {
        step = next.target;
        continue;
      }
    }
    ++step;
  }
}

/// Asks all parts of one owner at the judged instant, with the row that triggered it.
void Coverage::ask(const Plan& plan, const Judgement& j, const Cause* cause, Owner owner, std::string_view name, std::uint32_t step) {
  const RowRef row = cause == nullptr ? RowRef{} : row_of(j.state, cause->type, cause->row_time, cause->row_id);
  const std::string key = cause == nullptr ? std::string() : cause->key;
  evaluator_.begin(plan, j.state, j.now, row, key);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const lang::ConditionPart& part = parts_[i];
    if (part.owner == owner && part.name == name && part.step == step && part.row_event == kNoEventType)
      note(i, evaluator_.truth(part.node).truth);
  }
}

CoverageReport Coverage::report() const {
  CoverageReport out;
  const auto point = [&out](bool covered, Gap gap) {
    ++out.total;
    if (covered)
      ++out.covered;
    else
      out.gaps.push_back(std::move(gap));
  };
  for (const RuleSeen& rule : rules_) {
    if (!rule.counts) continue;
    point(rule.fired, {Gap::Kind::never_fired, "rule " + rule.name, {}, rule.place.file, rule.place.line, rule.place.column});
    for (const StepSeen& step : rule.steps) {
      if (!step.counts) continue;
      point(step.reached, {Gap::Kind::never_reached, "rule " + rule.name, step.words, step.place.file, step.place.line, step.place.column});
    }
  }
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const lang::ConditionPart& part = parts_[i];
    const auto rule = std::ranges::find(rules_, part.name, &RuleSeen::name);
    if (of_rule(part.owner) && (rule == rules_.end() || !rule->counts)) continue;
    const auto gap = [&](Gap::Kind kind) { return Gap{kind, owner_words(part), words_[i], part.file, part.line, part.column}; };
    if (!seen_[i].yes && !seen_[i].no) {  // one line says it
      out.total += 2;
      out.gaps.push_back(gap(Gap::Kind::never_asked));
      continue;
    }
    point(seen_[i].yes, gap(Gap::Kind::never_true));
    point(seen_[i].no, gap(Gap::Kind::never_false));
  }
  std::ranges::sort(out.gaps, {}, [](const Gap& g) { return std::tie(g.file, g.line, g.column, g.kind, g.owner, g.what); });
  return out;
}

}  // namespace nudge::testing
