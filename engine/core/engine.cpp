#include "engine/core/engine.h"

#include <algorithm>

#include "engine/base/limits.h"
#include "engine/core/judge.h"
#include "engine/core/keep.h"
#include "engine/core/merge.h"
#include "engine/core/take_back.h"

namespace nudge {

namespace {

// What is new in a plan for a state that was judged under an earlier one. The same for every customer of a sweep, so it is looked for once.
struct Newer {
  const Plan* plan = nullptr;
  std::uint64_t sequence = 0, known = 0;
  decltype(Plan::digest) digest{};
  std::vector<std::uint32_t> segments;  // by activation
  std::vector<std::uint32_t> rules;     // with `existing: fire`, later than their segments

  void look(const Plan& p, std::uint64_t state_plan) {
    if (plan == &p && sequence == p.sequence && digest == p.digest && known == state_plan) return;
    plan = &p;
    sequence = p.sequence;
    digest = p.digest;
    known = state_plan;
    segments.clear();
    rules.clear();
    for (std::uint32_t i = 0; i < p.segments.size(); ++i) {
      if (p.segments[i].since_plan > known) segments.push_back(i);
    }
    std::ranges::sort(segments, {}, [&](std::uint32_t i) { return std::pair(p.segments[i].activated, i); });
    for (std::uint32_t r = 0; r < p.rules.size(); ++r) {
      const Rule& rule = p.rules[r];
      if (!rule.existing_fire || rule.since_plan <= known || rule.trigger.kind != Trigger::Kind::enters) continue;
      if (p.segments[rule.trigger.segment].since_plan <= known) rules.push_back(r);  // else seeding does it
    }
  }
};

}  // namespace

struct Engine::Scratch {
  Judge judge;
  Newer newer;
  std::vector<std::pair<AttributeId, Value>> before;  // attribute values before an instant's updates
};

Engine::Engine() : scratch_(std::make_unique<Scratch>()) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

namespace {

Value current(const CustomerState& state, AttributeId attribute, TimeMs now) {
  TimeMs until = kNever;
  return Value(state.attributes.at(attribute, now, until));
}

// Remembers the value of every attribute that an input is about to update, once each.
void remember(std::vector<std::pair<AttributeId, Value>>& before, const CustomerState& state, const Input& input, TimeMs now) {
  for (const AttributeUpdate& update : input.attributes) {
    if (std::ranges::none_of(before, [&](const auto& b) { return b.first == update.attribute; })) {
      before.emplace_back(update.attribute, current(state, update.attribute, now));
    }
  }
}

// Tells the judge what an input that is now stored touches. Rows dated ahead of now touch nothing yet.
void note(Judge& judge, const Input& input, TimeMs now) {
  if (input.time > now) return;
  if (input.kind == kTakenBack) return;
  if (!input.import) judge.arrived(input.id);
  switch (input.kind) {
    case InputKind::event:
      judge.touch_event(input.type, input.time, input.id);
      if (!input.import) judge.rows.push_back({input.type, input.time, input.id});
      break;
    case InputKind::attributes:
      for (const AttributeUpdate& update : input.attributes) judge.touch_attribute(update.attribute);
      break;
    case InputKind::tag: judge.touch_tags(); break;
  }
}

// What delivery tells of a message says when it left, or that it did not: caps count what left.
void note_contact(const Plan& plan, CustomerState& state, const Input& input) {
  if (input.kind != InputKind::event || state.contacts.empty()) return;
  if (input.type == plan.told_accepted) correct_contact(plan, state, input, true);
  if (input.type == plan.told_failed || input.type == plan.told_held) correct_contact(plan, state, input, false);
}

// The changes that this instant's updates made, one per attribute: from what was to what is.
void note_changes(Judge& judge, const CustomerState& state, const std::vector<std::pair<AttributeId, Value>>& before, TimeMs now) {
  for (const auto& [attribute, from] : before) {
    Value to = current(state, attribute, now);
    const bool same = from.kind == to.kind && (from.missing() || same_value(from.view(), to.view()));
    if (same) continue;
    judge.changes.push_back({attribute, state.attributes.since(attribute, now), from, std::move(to)});
  }
}

// Rows, updates and tags dated in (state.clock, t]: their time has come.
void note_arrived(Judge& judge, std::vector<std::pair<AttributeId, Value>>& before, const CustomerState& state, TimeMs t) {
  if (state.latest <= state.clock) return;  // nothing is dated ahead
  for (const auto& [type, rows] : state.events) {
    for (std::size_t row = rows.upper_bound(state.clock); row < rows.size() && rows.time(row) <= t; ++row) {
      judge.arrived(rows.id(row));
      judge.touch_event(type, rows.time(row), rows.id(row));
      judge.rows.push_back({type, rows.time(row), std::string(rows.id(row))});
    }
  }
  if (state.attributes.next_after(state.clock) <= t) {
    for (std::size_t i = 0; i < state.attributes.size(); ++i) {
      const TimeMs time = state.attributes.time(i);
      if (time <= state.clock || time > t) continue;
      const AttributeId attribute = state.attributes.attribute(i);
      judge.arrived(state.attributes.id(i));
      judge.touch_attribute(attribute);
      if (std::ranges::none_of(before, [&](const auto& b) { return b.first == attribute; })) {
        before.emplace_back(attribute, current(state, attribute, state.clock));
      }
    }
  }
  for (const TagUpdate& tag : state.tags) {
    if (tag.time <= state.clock || tag.time > t) continue;
    judge.arrived(tag.id);
    judge.touch_tags();
  }
}

// Takes out the firings that wait for their `for:` in a segment, of those rules that `which` picks.
template <class F>
void drop_holds(const Plan& plan, CustomerState& state, std::uint32_t segment, F&& which) {
  if (segment >= plan.rules_by_segment.size()) return;
  for (const std::uint32_t r : plan.rules_by_segment[segment]) {
    if (!which(plan.rules[r])) continue;
    erase_if(state.runs, [&](const Run& run) { return run.rule == plan.rules[r].id && run.step == kHoldStep; });
  }
}

}  // namespace

TimeMs Engine::next_due(const CustomerState& state) {
  TimeMs due = state.runs.empty() ? kNever : state.runs.front().due;
  for (const Wake& wake : state.wakes) due = std::min(due, wake.until);
  if (state.latest <= state.clock) return due;  // nothing is dated ahead
  for (const auto& [type, rows] : state.events) {
    if (rows.empty() || rows.time(rows.size() - 1) <= state.clock) continue;
    due = std::min(due, rows.time(rows.upper_bound(state.clock)));
  }
  for (const TagUpdate& tag : state.tags) {
    if (tag.time > state.clock) due = std::min(due, tag.time);
  }
  return std::min(due, state.attributes.next_after(state.clock));
}

void Engine::reconcile(const Plan& plan, CustomerState& state, Effects& effects) {
  if (state.plan == plan.sequence) return;
  const std::uint64_t known = state.plan;
  state.plan = plan.sequence;
  if (!state.known() || state.merged()) return;
  erase_if(state.members, [&](const Membership& m) { return !plan.segment_of_root.contains(m.root); });
  erase_if(state.wakes, [&](const Wake& w) { return !plan.segment_of_root.contains(w.root); });
  Newer& newer = scratch_->newer;
  newer.look(plan, known);
  Judge& judge = scratch_->judge;
  judge.begin(plan, state, effects);
  for (const std::uint32_t i : newer.segments) {
    // An id that was used by this name before: what it stood for then is over.
    erase_if(state.members, [&](const Membership& m) { return m.root == plan.segments[i].root; });
    const TimeMs t = std::max(plan.segments[i].activated, state.clock);
    drop_holds(plan, state, i, [&](const Rule& rule) { return rule.existing_fire; });  // they start anew
    judge.seed(i, t);
    if (!state.is_member(plan.segments[i].root)) drop_holds(plan, state, i, [](const Rule&) { return true; });
  }
  for (const std::uint32_t r : newer.rules) {
    const Rule& rule = plan.rules[r];
    judge.enter_existing(r, std::max(rule.activated, state.clock));
  }
  judge.arm_for_plan();
  judge.resume_runs(std::max(plan.activated, state.clock));
  arm_keep(*plan.catalog, state);
}

void Engine::advance(const Plan& plan, CustomerState& state, TimeMs now, Effects& effects) {
  if (!state.known() || state.merged()) return;
  reconcile(plan, state, effects);
  Judge& judge = scratch_->judge;
  for (std::size_t instants = 0; instants < limits::kInstantsPerAdvance; ++instants) {
    const TimeMs due = next_due(state);
    if (due >= now) return;
    const TimeMs t = std::max(due, state.clock);
    judge.begin(plan, state, effects);
    auto& before = scratch_->before;
    before.clear();
    note_arrived(judge, before, state, t);
    note_changes(judge, state, before, t);
    judge.judge(t, false);
  }
}

void Engine::step(const Plan& plan, CustomerState& state, std::span<const Input> inputs, TimeMs now, std::vector<Receipt>& receipts,
                  Effects& effects) {
  now = std::max(now, state.clock);
  const bool first_heard = !state.known();
  if (first_heard)
    state.plan = plan.sequence;
  else
    advance(plan, state, now, effects);
  Judge& judge = scratch_->judge;
  auto& before = scratch_->before;
  const std::size_t base = receipts.size();
  receipts.resize(base + inputs.size(), Receipt::stored);
  const bool any_import = std::ranges::any_of(inputs, &Input::import);
  bool heard = !first_heard;
  if (any_import && heard) advance(plan, state, now + 1, effects);  // what is due at this instant must not fall silent with the import
  // History first, silently; then what is live, judged together with the boundaries due at this instant.
  for (const bool import : {true, false}) {
    if (import && !any_import) continue;
    judge.begin(plan, state, effects);
    before.clear();
    if (!import && state.known()) {
      note_arrived(judge, before, state, now);
    }
    bool stored = false;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Input& input = inputs[i];
      if (input.import != import) continue;
      if (input.kind == InputKind::attributes) remember(before, state, input, now);
      if (state.store(input, *plan.catalog)) {
        stored = true;
        note(judge, input, now);
        if (input.kind == InputKind::event) note_kept(*plan.catalog, state, input, now);
        note_contact(plan, state, input);
        if (input.kind == kTakenBack) take_back(plan, state, input);
        continue;
      }
      const std::optional<Input> kept = state.find(input.id, *plan.catalog);
      receipts[base + i] = kept && same_content(*kept, input) ? Receipt::duplicate : Receipt::conflict;
    }
    if (!stored) continue;  // duplicates change nothing, not even the clock
    if (!heard) judge.touch_everything();
    heard = true;
    if (import) {
      judge.judge(now, true);
    } else {
      note_changes(judge, state, before, now);
      judge.judge(now, false);
    }
  }
}

std::vector<std::string> Engine::give_away(const Plan& plan, CustomerState& alias, std::string_view into, TimeMs now, Effects& effects,
                                           LeanVector<Membership>& left) {
  advance(plan, alias, now, effects);
  if (!alias.known()) alias.plan = plan.sequence;
  left = std::move(alias.members);
  return take_out(alias, into, now, *plan.catalog);
}

void Engine::absorb(const Plan& plan, CustomerState& state, const Portion& portion, TimeMs now, std::vector<Receipt>& receipts,
                    Effects& effects) {
  if (state.known())
    advance(plan, state, now + 1, effects);  // what is due by then is judged on what was known
  else
    state.plan = plan.sequence;
  const bool heard = state.known();
  join_memory(state, portion.memory);
  step(plan, state, portion.inputs, now, receipts, effects);
  Judge& judge = scratch_->judge;
  if (!state.known()) {
    judge.begin(plan, state, effects);
    judge.touch_everything();
    constexpr bool kSilent = true;
    judge.judge(now, kSilent);
  }
  state.clock = std::max(state.clock, now);
  if (heard && portion.memory.plan != plan.sequence && !portion.memory.runs.empty()) {
    judge.begin(plan, state, effects);
    judge.resume_runs(state.clock);
  }
}

void Engine::hear(const Plan& plan, CustomerState& state, TimeMs now, Effects& effects) {
  state.plan = plan.sequence;
  Judge& judge = scratch_->judge;
  judge.begin(plan, state, effects);
  auto& before = scratch_->before;
  before.clear();
  note_arrived(judge, before, state, now);
  judge.touch_everything();
  note_changes(judge, state, before, now);
  judge.judge(now, false);
  arm_keep(*plan.catalog, state);
}

bool Engine::holds(const Plan& plan, const CustomerState& state, NodeId node, TimeMs now) {
  Evaluator& evaluator = scratch_->judge.evaluator;
  evaluator.begin(plan, state, now);
  return evaluator.truth(node).truth;
}

PolicyVerdict Engine::policies(const Plan& plan, const CustomerState& state, const ActionOut& action, TimeMs now) {
  Evaluator& evaluator = scratch_->judge.evaluator;
  evaluator.begin(plan, state, now);
  return judge_policies(evaluator, subject_of(action));
}

void Engine::use_columns_from(std::size_t rows) { scratch_->judge.evaluator.use_columns_from(rows); }

std::uint64_t Engine::judged() const { return scratch_->judge.judged; }

Value Engine::value(const Plan& plan, const CustomerState& state, ExprId expr, TimeMs now) {
  Evaluator& evaluator = scratch_->judge.evaluator;
  evaluator.begin(plan, state, now);
  return evaluator.plain(evaluator.value(expr));
}

Value Engine::score(const Plan& plan, const CustomerState& state, std::uint32_t index, TimeMs now) {
  Evaluator& evaluator = scratch_->judge.evaluator;
  evaluator.begin(plan, state, now);
  return evaluator.plain(evaluator.score_value(index));
}

}  // namespace nudge
