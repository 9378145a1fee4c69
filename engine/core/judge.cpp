#include "engine/core/judge.h"

#include <algorithm>

#include "engine/base/limits.h"
#include "engine/core/keep.h"
#include "engine/core/write.h"

namespace nudge {

void Judge::begin(const Plan& plan, CustomerState& state, Effects& effects) {
  plan_ = &plan;
  state_ = &state;
  effects_ = &effects;
  evaluator.prepare_for(plan);
  if (selected_ != evaluator.prepared()) {
    selector_.build(evaluator);
    find_waiting_rules();
    selected_ = evaluator.prepared();
  }
  reset();
}

void Judge::reset() {
  if (any_forced_ || forced_bits_ != plan_->segments.size()) forced_.reset(plan_->segments.size());
  forced_bits_ = plan_->segments.size();
  any_forced_ = false;
  everything_ = false;
  arm_all_ = false;
  instant_depth_ = depth_ = 0;
  armed_attributes_.clear();
  touched_rows_.clear();
  touched_waits_.clear();
  rows.clear();
  changes.clear();
}

void Judge::force(std::uint32_t segment) {
  any_forced_ = true;
  forced_.set(segment);
}
void Judge::touch_event(EventTypeId type, TimeMs time, std::string_view id) {
  if (type < plan_->segments_by_event.size() && !plan_->segments_by_event[type].empty())
    touched_rows_.push_back({type, time, std::string(id)});
  if (!state_->runs.empty() && type < plan_->waits_by_event.size())
    for (const auto r : plan_->waits_by_event[type]) touched_waits_.push_back(r);
}
void Judge::touch_attribute(AttributeId attribute) {
  if (attribute < plan_->segments_by_attribute.size())
    for (const auto s : plan_->segments_by_attribute[attribute]) force(s);
  if (!waiting_rules_.empty()) armed_attributes_.push_back(attribute);
  if (!state_->runs.empty() && attribute < plan_->waits_by_attribute.size())
    for (const auto r : plan_->waits_by_attribute[attribute]) touched_waits_.push_back(r);
}
void Judge::touch_tags() {
  for (const auto s : plan_->segments_by_tag) force(s);
  if (!state_->runs.empty()) touched_waits_.insert(touched_waits_.end(), plan_->waits_by_tag.begin(), plan_->waits_by_tag.end());
}
void Judge::arrived(std::string_view id) { instant_depth_ = std::max(instant_depth_, fact_depth(id)); }
void Judge::touch_everything() { everything_ = arm_all_ = true; }

void Judge::set_wake(RootId root, TimeMs until) {
  auto& wakes = state_->wakes;
  const auto it = std::ranges::lower_bound(wakes, root, {}, &Wake::root);
  const bool there = it != wakes.end() && it->root == root;
  if (until == kNever) {
    if (there) wakes.erase(it);
  } else if (there) {
    it->until = until;
  } else {
    wakes.insert(it, {root, until});
  }
}

void Judge::flip(std::uint32_t index, bool truth, TimeMs now, bool silent) {
  const Segment& segment = plan_->segments[index];
  auto& members = state_->members;
  const auto it = std::ranges::lower_bound(members, segment.root, {}, &Membership::root);
  if (truth)
    members.insert(it, {segment.root, now});
  else
    members.erase(it);
  effects_->edges.push_back({segment.root, truth, silent, now});
  if (!truth && index < plan_->rules_by_segment.size()) {
    // A firing that was waiting for its `for:` is off.
    for (const std::uint32_t r : plan_->rules_by_segment[index]) {
      const RuleId id = plan_->rules[r].id;
      erase_if(state_->runs, [&](const Run& run) { return run.rule == id && run.step == kHoldStep; });
    }
  }
  if (!silent) flipped_.emplace_back(index, truth);
}

void Judge::select_by_rows() {
  if (touched_rows_.size() > 1) std::ranges::sort(touched_rows_, {}, &Touch::type);
  for (std::size_t i = 0; i < touched_rows_.size();) {
    const EventTypeId type = touched_rows_[i].type;
    const Rows& found = *state_->rows(type);
    fresh_.clear();
    for (; i < touched_rows_.size() && touched_rows_[i].type == type; ++i) {
      fresh_.push_back(static_cast<std::uint32_t>(found.position(touched_rows_[i].time, touched_rows_[i].id)));
    }
    std::ranges::sort(fresh_);
    fresh_.erase(std::unique(fresh_.begin(), fresh_.end()), fresh_.end());
    selector_.by_rows(evaluator, type, found, fresh_, touched_);
  }
}

// Whatever the attributes rule out is false, and stays so until they change. It is judged only where that ends something: a membership, or
// an instant that is waited for.
void Judge::judge_segments(TimeMs now, bool silent) {
  touched_.reset(plan_->segments.size(), everything_);
  if (!everything_) select_by_rows();
  if (any_forced_) touched_.merge(forced_);
  remembered_.clear();
  const auto remember = [&](RootId root, bool always) {
    const auto it = plan_->segment_of_root.find(root);
    if (it != plan_->segment_of_root.end() && (always || everything_ || forced_.test(it->second))) remembered_.push_back(it->second);
  };
  for (const Wake& wake : state_->wakes) {
    if (wake.until <= now || any_forced_ || everything_) remember(wake.root, wake.until <= now);
  }
  if (any_forced_ || everything_) {
    for (const Membership& member : state_->members) remember(member.root, false);
  }
  for (const std::uint32_t index : remembered_) touched_.set(index);
  if (!touched_.any()) return;
  selector_.rule_out(evaluator, touched_);
  ruled_out_ = false;
  for (const std::uint32_t index : remembered_) {
    if (touched_.test(index)) continue;
    if (!ruled_out_) out_.reset(plan_->segments.size());
    ruled_out_ = true;
    out_.set(index);
  }
  if (ruled_out_) touched_.merge(out_);
  touched_.each(plan_->segments.size(), [&](std::size_t index) {
    ++judged;
    const Segment& segment = plan_->segments[index];
    const bool out = ruled_out_ && out_.test(index);
    const Verdict verdict = out ? evaluator.truth(segment.node) : evaluator.conjunction(selector_.residual(index));
    // Defensive: an instant that does not move on would be judged for ever.
    set_wake(segment.root, verdict.until <= now ? now + 1 : verdict.until);
    if (verdict.truth != state_->is_member(segment.root)) flip(static_cast<std::uint32_t>(index), verdict.truth, now, silent);
  });
}

void Judge::judge(TimeMs now, bool silent) {
  flipped_.clear();
  candidates_.clear();
  begun_ = false;
  state_->clock = std::max(state_->clock, now);
  evaluator.begin(*plan_, *state_, now);
  judge_segments(now, silent);
  arm_touched(now);
  wake_runs(now);  // those that began before: what begins now has asked already, or waits behind a write for its fact
  if (!silent) {
    meet_goals(now);
    collect_candidates(now);
    for (const Candidate& candidate : candidates_) consider(candidate, now);
  }
  run_due(now);
  if (keep_due(*state_, now)) {
    expire(*plan_->catalog, *state_, now);
    begun_ = false;
  }
  reset();
}

void Judge::seed(std::uint32_t index, TimeMs t) {
  const Segment& segment = plan_->segments[index];
  evaluator.begin(*plan_, *state_, t);
  begun_ = false;
  const Verdict verdict = evaluator.truth(segment.node);
  set_wake(segment.root, verdict.until);
  if (!verdict.truth || state_->is_member(segment.root)) return;
  flip(index, true, t, true);
  if (index >= plan_->rules_by_segment.size()) return;
  for (const std::uint32_t r : plan_->rules_by_segment[index]) {
    const Rule& rule = plan_->rules[r];
    if (!rule.existing_fire || rule.trigger.kind != Trigger::Kind::enters) continue;
    Cause cause;
    cause.kind = Cause::Kind::enters;
    cause.at = t;
    consider({r, cause, t}, t);
  }
}

void Judge::enter_existing(std::uint32_t r, TimeMs t) {
  const Segment& segment = plan_->segments[plan_->rules[r].trigger.segment];
  if (!state_->is_member(segment.root)) return;
  evaluator.begin(*plan_, *state_, t);
  begun_ = false;
  if (!evaluator.truth(segment.node).truth) return;  // a boundary that is still to be judged takes the customer out before
  Cause cause;
  cause.kind = Cause::Kind::enters;
  cause.at = t;
  consider({r, cause, t}, t);
}

void Judge::collect_candidates(TimeMs now) {
  for (const NewRow& row : rows) {
    if (row.type >= plan_->rules_by_event.size()) continue;
    for (const std::uint32_t r : plan_->rules_by_event[row.type]) {
      Cause cause;
      cause.kind = Cause::Kind::event;
      cause.at = now;
      cause.type = row.type;
      cause.row_time = row.time;
      cause.row_id = row.id;
      candidates_.push_back({r, std::move(cause), row.time});
    }
  }
  for (const auto& [segment, entered] : flipped_) {
    if (segment >= plan_->rules_by_segment.size()) continue;
    for (const std::uint32_t r : plan_->rules_by_segment[segment]) {
      const Trigger::Kind kind = plan_->rules[r].trigger.kind;
      if (kind != (entered ? Trigger::Kind::enters : Trigger::Kind::leaves)) continue;
      Cause cause;
      cause.kind = entered ? Cause::Kind::enters : Cause::Kind::leaves;
      cause.at = now;
      candidates_.push_back({r, std::move(cause), now});
    }
  }
  for (const Change& change : changes) {
    if (change.attribute >= plan_->rules_by_attribute.size()) continue;
    for (const std::uint32_t r : plan_->rules_by_attribute[change.attribute]) {
      const Trigger& trigger = plan_->rules[r].trigger;
      const auto fits = [](const std::vector<Value>& wanted, const Value& v) {
        return wanted.empty() || std::ranges::any_of(wanted, [&](const Value& w) { return same_value(w.view(), v.view()); });
      };
      if (trigger.kind != Trigger::Kind::attribute_changes || !fits(trigger.to, change.to) || !fits(trigger.from, change.from)) continue;
      Cause cause;
      cause.kind = Cause::Kind::attribute;
      cause.at = now;
      candidates_.push_back({r, std::move(cause), change.time});
    }
  }
  // Rules in their order of priority; for one rule the rows in row order.
  std::ranges::sort(candidates_, [](const Candidate& a, const Candidate& b) {
    if (a.rule != b.rule) return a.rule < b.rule;
    if (a.cause.row_time != b.cause.row_time) return a.cause.row_time < b.cause.row_time;
    return a.cause.row_id < b.cause.row_id;
  });
}

RowRef Judge::row_of(const Cause& cause) const {
  RowRef ref;
  if (cause.type == kNoEventType) return ref;
  const Rows* found = state_->rows(cause.type);
  if (found == nullptr) return ref;
  const std::size_t at = found->position(cause.row_time, cause.row_id);
  if (at < found->size() && found->time(at) == cause.row_time && found->id(at) == cause.row_id) ref = {found, at, cause.type};
  return ref;
}

void Judge::begin_for(const Cause& cause, TimeMs now) {
  const RowRef row = row_of(cause);
  if (begun_ && evaluator.now() == now && begun_rows_ == row.rows && begun_row_ == row.row && begun_key_ == cause.key) return;
  begun_key_ = cause.key;
  begun_rows_ = row.rows;
  begun_row_ = row.row;
  begun_ = true;
  evaluator.begin(*plan_, *state_, now, row, begun_key_);
}

void Judge::consider(const Candidate& candidate, TimeMs now) {
  const Rule& rule = plan_->rules[candidate.rule];
  if (rule.state == RuleState::draft || rule.state == RuleState::paused) return;
  const bool aged = rule.trigger.kind == Trigger::Kind::event || rule.trigger.kind == Trigger::Kind::attribute_changes;
  if (aged && now - candidate.happened >= rule.max_age) return;
  Cause cause = candidate.cause;
  if (cause.kind == Cause::Kind::event) {
    const RowRef row = row_of(cause);
    if (row.rows == nullptr) return;
    if (rule.trigger.same != kNoField) {
      if (!row.rows->has_field(row.row, rule.trigger.same)) return;
      const Type type = plan_->catalog->events[cause.type].fields[rule.trigger.same].type;
      Writer writer(cause.key);
      encode_value(writer, row.rows->field(row.row, rule.trigger.same, kind_of(type)));
    }
    begin_for(cause, now);
    if (rule.trigger.where != kNone && !evaluator.truth(rule.trigger.where, &row).truth) return;
  } else {
    begin_for(cause, now);
  }
  if (rule.condition != kNone && !evaluator.truth(rule.condition).truth) return;
  // An event tells by its id which chain it belongs to; what flipped or changed at this instant belongs to the longest of the instant.
  depth_ = cause.kind == Cause::Kind::event ? fact_depth(cause.row_id) : instant_depth_;
  if (depth_ > limits::kChainDepth) {
    decide(rule, cause, now, false, Held::loop, kNone,
           std::to_string(limits::kChainDepth) + " firings fed each other at once; let one of the rules ask in `if` whether it is done");
    return;
  }
  if (rule.trigger.kind == Trigger::Kind::enters && rule.trigger.hold_for > 0) {
    Run run;
    run.rule = rule.id;
    run.step = kHoldStep;
    run.due = now + rule.trigger.hold_for;
    run.started = now;
    run.cause = std::move(cause);
    add_run(rule, std::move(run));
    return;
  }
  fire(rule, cause, now);
}

namespace {

// Whether the rule, as it is now, still has what the run waits for.
bool still_runs(const Rule& rule, const Run& run) {
  if (rule.state == RuleState::paused || rule.state == RuleState::draft) return false;
  const Trigger::Kind kind = rule.trigger.kind;
  if (run.step == kHoldStep) return kind == Trigger::Kind::enters && rule.trigger.hold_for > 0;
  if (run.step == kDateStep) return kind == Trigger::Kind::date || kind == Trigger::Kind::schedule;
  return true;
}

}  // namespace

// The next run that is due. Where caps may have room for one of several, the rule with the higher priority comes first.
Run Judge::take_due() {
  auto next = state_->runs.begin();
  if (plan_->contact_horizon != 0) {
    const auto rank = [&](const Run& run) {
      const auto it = plan_->rule_of_id.find(run.rule);
      return it == plan_->rule_of_id.end() ? kNone : it->second;
    };
    for (auto it = next; it != state_->runs.end() && it->due == state_->runs.front().due; ++it) {
      if (rank(*it) < rank(*next)) next = it;
    }
  }
  Run run = std::move(*next);
  state_->runs.erase(next);
  return run;
}

void Judge::run_due(TimeMs now) {
  while (!state_->runs.empty() && state_->runs.front().due <= now) {
    const Run run = take_due();
    if (waits_for_goal(run)) continue;  // its time is over, unmet
    const auto it = plan_->rule_of_id.find(run.rule);
    if (it == plan_->rule_of_id.end() || !still_runs(plan_->rules[it->second], run)) {
      if (now < run.waits_until()) {  // it may be back by then
        Run later = run;
        later.due = run.waits_until();
        later.deadline = kAlways;
        const auto place = std::ranges::upper_bound(state_->runs, later, run_before);
        state_->runs.insert(place, std::move(later));
        continue;
      }
      if (run.step == kDateStep) {  // nothing had begun; a schedule goes on silently, so that what a pause covers is never made up for
        if (it != plan_->rule_of_id.end() && plan_->rules[it->second].trigger.kind == Trigger::Kind::schedule)
          arm(plan_->rules[it->second], now);
        continue;
      }
      Decision d;
      d.held = Held::rule_gone;
      d.rule_id = run.rule;
      if (it != plan_->rule_of_id.end()) d.rule = plan_->rules[it->second].name;
      d.customer = state_->id;
      d.at = now;
      d.cause = run.cause;
      d.step = run.step;
      effects_->decisions.push_back(std::move(d));
      continue;
    }
    const Rule& rule = plan_->rules[it->second];
    begun_ = false;  // the state may have changed since the last evaluation at this instant
    if (run.step == kHoldStep || run.step == kDateStep) {
      begin_for(run.cause, now);
      if (rule.trigger.kind == Trigger::Kind::schedule) arm(rule, now);
      if (rule.condition != kNone && !evaluator.truth(rule.condition).truth) continue;
      depth_ = 0;  // time has passed: a chain of its own
      fire(rule, run.cause, now);
    } else {
      // What goes on after a write belongs to its firing, whose fact is new now. A condition that came true belongs to what is new now; what
      // was waited for by time alone is a chain of its own.
      const bool until = run.step < rule.steps.size() && rule.steps[run.step].kind == Step::Kind::until;
      const bool at_once = run.step < rule.steps.size() && rule.steps[run.step].after == 0;
      depth_ = until ? instant_depth_ : at_once && instant_depth_ > 0 ? instant_depth_ - 1 : 0;
      waited_since_ = run.since;
      look_at(rule, run, now);
    }
  }
}

}  // namespace nudge
