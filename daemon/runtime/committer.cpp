#include "daemon/runtime/committer.h"

#include <algorithm>
#include <chrono>
#include <future>

#include "daemon/runtime/actions.h"
#include "daemon/runtime/committer_batch.h"
#include "daemon/runtime/deals.h"
#include "daemon/runtime/leads.h"
#include "daemon/runtime/tasks.h"
#include "engine/core/take_back.h"
#include "engine/core/task_push.h"
#include "engine/core/write.h"

namespace nudge::daemon {
namespace {

constexpr std::uint64_t kQueueBytes = 64U << 20;
constexpr std::uint64_t kBatchBytes = 8U << 20;
constexpr DurationMs kStatsEvery = 2 * kSecond;

// Roughly what a unit takes in memory, and in time: what it decided is most of both when many timers come at once. Two thousand decisions
// make a batch: some 60 ms, and whoever comes next waits no longer for it.
std::uint64_t weight(const Unit& unit) { return unit.entries.size() + unit.states.bytes() + unit.effects.size() * 4096 + 512; }

}  // namespace

std::string_view line_outcome_name(LineOutcome outcome) {
  switch (outcome) {
    case LineOutcome::pending: return "unknown";
    case LineOutcome::stored: return "stored";
    case LineOutcome::duplicate: return "duplicate";
    case LineOutcome::conflict: return "conflict";
    case LineOutcome::quarantined: return "quarantined";
  }
  return "";
}

Committer::Committer(Store& store, LogicalClock& clock, CommitHooks hooks) : store_(store), clock_(clock), hooks_(std::move(hooks)) {}
Committer::~Committer() { stop(); }

void Committer::restore(StoredStats stats, OpenSeries series, Desk desk) {
  series_ = std::move(series);
  stats_ = std::move(stats.sums);
  latest_ = stats.latest;
  last_block_ = std::max(stats.sequence, store_.last_sequence());
  desk_ = std::move(desk);
  controls_ = std::make_shared<const Controls>(desk_.controls());
}

void Committer::start() {
  if (hooks_.controls) hooks_.controls(controls_);
  if (hooks_.work_due) hooks_.work_due(work_due());
  thread_ = std::thread([this] { run(); });
}

void Committer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Committer::push(std::unique_ptr<Unit> unit) {
  const std::uint64_t bytes = weight(*unit);
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return queued_bytes_ < kQueueBytes || figures_.failed; });
    queued_bytes_ += bytes;
    queue_.push_back(std::move(unit));
  }
  wake_.notify_one();
}

void Committer::push_unbounded(std::unique_ptr<Unit> unit) {
  {
    const std::lock_guard lock(mutex_);
    queued_bytes_ += weight(*unit);
    queue_.push_back(std::move(unit));
  }
  wake_.notify_one();
}

void Committer::change(Change change, std::function<void(const Error*)> done) {
  auto unit = std::make_unique<Unit>();
  unit->changes.push_back(std::move(change));
  unit->done = std::move(done);
  push_unbounded(std::move(unit));
}

Result<void> Committer::change_and_wait(Change what) {
  std::promise<Result<void>> promise;
  change(std::move(what), [&promise](const Error* failure) {
    if (failure != nullptr)
      promise.set_value(std::unexpected(*failure));
    else
      promise.set_value({});
  });
  return promise.get_future().get();
}

StatsDelta Committer::stats() const {
  const std::lock_guard lock(stats_mutex_);
  return stats_;
}

std::pair<StatsDelta, SeriesHours> Committer::stats_and_hours() const {
  const std::lock_guard lock(stats_mutex_);
  return {stats_, series_.hours()};
}

CommitFigures Committer::figures() const {
  const std::lock_guard lock(mutex_);
  CommitFigures figures = figures_;
  figures.queued_units = queue_.size();
  figures.queued_bytes = queued_bytes_;
  figures.last_block = last_block_.load();
  return figures;
}

void Committer::run() {
  while (true) {
    Batch batch;
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, std::chrono::seconds(1), [this] { return !queue_.empty() || stopping_; });
      std::uint64_t bytes = 0;
      while (!queue_.empty() && bytes < kBatchBytes) {
        bytes += weight(*queue_.front());
        batch.units.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
      queued_bytes_ -= std::min(queued_bytes_, bytes);
      stopping = stopping_ && batch.units.empty();
    }
    room_.notify_all();
    const bool stats_due = stats_dirty_ && (stopping || clock_.now() - stats_written_ >= kStatsEvery);
    if (batch.units.empty() && !stats_due) {
      if (stopping) return;
      continue;
    }
    if (!failure_.has_value()) put_together(batch);
    complete(batch, failure_.has_value() ? &*failure_ : nullptr);
    if (stopping) return;
  }
}

// Builds the batch and writes it; sets failure_ when that fails.
void Committer::put_together(Batch& batch) {
  const auto started = std::chrono::steady_clock::now();
  batch.block.first_decision = static_cast<std::uint64_t>(stats_[Counter::decisions]) + 1;
  batch.block.first_action = static_cast<std::uint64_t>(stats_[Counter::actions]) + 1;
  const TimeMs now = clock_.now();
  StatsDelta& delta = batch.block.stats;
  std::size_t actions = 0;
  for (const auto& unit : batch.units) {
    for (const Effects& effects : unit->effects) actions += effects.actions.size();
  }
  batch.block.actions.reserve(actions);
  for (auto& unit : batch.units) {
    delta.add(unit->delta);
    settle(*unit, batch);
    set_aside(*unit, batch);
    WorkOut work;
    ApprovalOut approvals;
    CommitContext context{
        batch.set, delta, desk_, batch.desk_changed, now, batch.after, work, approvals, {last_block_.load() + 1, batch.block.units.size()}};
    if (!unit->changes.empty()) batch.worked = true;
    for (Change& change : unit->changes) change(context);
    if (desk_.digests().next() < now) {  // never early: the clock has passed it
      DigestOut made;
      desk_.digests().run(now - 1, made);
      keep_digests(made, batch);
    }
    keep_approvals(approvals, batch);
    keep_work(work, batch);
    if (!unit->entries.empty()) batch.block.units.push_back({unit->plan->sequence, unit->entries.bytes()});
    batch.edges += unit->edges;
    latest_ = std::max(latest_, unit->latest);
    batch.synced = batch.synced || !unit->jobs.empty() || unit->done != nullptr || !unit->entries.empty();
  }
  if (failure_.has_value()) return;
  list_actions(batch.set, batch.block.first_action, batch.block.actions);
  std::uint64_t sequence = last_block_.load();
  if (!delta.empty() || !batch.block.units.empty() || !batch.block.decisions.empty() || !batch.news.inputs.empty()) {
    ++sequence;
    if (!batch.news.inputs.empty()) batch.news.key = book_news(batch.set, sequence, batch.news.inputs);
    block_.clear();
    batch.block.edges = batch.edges;
    encode_block(block_, batch.block);
    batch.set.append(sequence, block_);
    stats_dirty_ = true;
  }
  if (batch.desk_changed) {
    std::string desk;
    desk_.encode(desk);
    batch.set.put(Family::meta, kMetaDesk, desk);
  }
  const bool write_stats = stats_dirty_ && (now - stats_written_ >= kStatsEvery || batch.units.empty());
  if (write_stats) {
    if (Result<void> put = series_.put(batch.set, store_, now, delta); !put) {
      failure_ = std::move(put).error();
      return;
    }
    StatsDelta sums = stats_;
    sums.add(delta);
    batch.set.put(Family::meta, kMetaStats, encode_stats({sequence, std::max(latest_, now), std::move(sums)}));
    stats_written_ = now;
    stats_dirty_ = false;
  }
  std::vector<WriteSet> sets;
  sets.push_back(std::move(batch.set));
  for (auto& unit : batch.units) {
    if (!unit->states.empty()) sets.push_back(std::move(unit->states));
  }
  Result<void> committed = store_.commit_many(sets);
  if (!committed) {
    failure_ = std::move(committed).error();
    return;
  }
  if (batch.worked) desk_.work().rest();
  last_block_.store(sequence, std::memory_order_release);
  for (const auto& unit : batch.units) work_ns_.fetch_add(unit->work_ns, std::memory_order_relaxed);
  {
    const std::lock_guard lock(stats_mutex_);
    stats_.add(delta);  // not a copy of them all: with many rules that is more than a small batch costs
    series_.add(now, delta);
    if (write_stats) series_.written();
  }
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - started);
  const std::lock_guard lock(mutex_);
  ++figures_.commits;
  figures_.units += batch.units.size();
  figures_.last_commit_us = static_cast<std::uint64_t>(took.count());
}

// The desk's word on what a unit decided, then numbers and records for what is left.
void Committer::settle(Unit& unit, Batch& batch) {
  WorkOut heard;
  for (const LeadSignal& signal : unit.heard) desk_.hear(*unit.plan, signal, heard);
  keep_work(heard, batch);
  for (Effects& effects : unit.effects) {
    if (desk_.settle(*unit.plan, effects)) batch.desk_changed = true;
    for (const Decision& decision : effects.decisions) {
      if (is_to_be_told(*unit.plan, decision)) batch.news.inputs.push_back(taken_back_input(decision));
    }
    if (!effects.decisions.empty()) {
      std::string list;
      Writer w(list);
      const std::uint64_t first = batch.block.first_decision + batch.block.decisions.size();
      for (Decision& d : effects.decisions) {
        d.number = batch.block.first_decision + batch.block.decisions.size();
        batch.block.stats.add_decision(d);
        encode_decision(w, d);
        batch.block.decisions.push_back(std::move(d));
      }
      batch.set.put(Family::decision, decision_key(batch.block.decisions.back().customer, first), list);
    }
    for (ActionOut& action : effects.actions) add_action(*unit.plan, std::move(action), batch);
    for (ActionOut& action : effects.questions) ask_first(*unit.plan, std::move(action), batch);
    for (HeldAction& held : effects.held_actions) add_held(std::move(held), batch);
  }
}

// Records of tasks, and what is to be told and done because of them.
void Committer::keep_work(WorkOut& work, Batch& batch) {
  if (work.made.empty() && work.touched.empty() && work.news.empty() && work.actions.empty() && work.leads.empty() && work.deals.empty()) return;
  batch.worked = true;
  book_leads(batch.set, work.leads);
  book_deals(batch.set, work.deals);
  for (std::vector<Input>* news : {&work.leads.news, &work.deals.news}) {
    for (Input& input : *news) work.news.push_back(std::move(input));
  }
  book_work(batch.set, batch.block.stats, work);
  for (Input& input : work.news) batch.news.inputs.push_back(std::move(input));
  // Tickets of a ladder: never tasks, so no plan is needed to take them in.
  static const Plan kNoPlan;
  for (ActionOut& action : work.actions) add_action(kNoPlan, std::move(action), batch);
  // Tasks that another system shows are said there as they are now.
  const auto push = [&](const Task& task) {
    if (!is_pushed(task)) return;
    const TimeMs at = task.steps.empty() ? task.action.at : task.steps.back().at;
    add_action(kNoPlan, task_push(task, batch.block.first_action + batch.block.actions.size(), at), batch);
  };
  for (const Task& task : work.touched) push(task);
  for (const Task& task : work.made) push(task);
}

void Committer::add_action(const Plan& plan, ActionOut action, Batch& batch) {
  ActionRecord record;
  record.number = batch.block.first_action + batch.block.actions.size();
  record.changed_at = record.next_at = action.at;
  record.action = std::move(action);
  const ActionOut& out = record.action;
  StatsDelta& delta = batch.block.stats;
  RuleStats& rule = delta.rules[out.rule_id];
  ++delta[Counter::actions];
  ++rule.actions;
  WorkOut work;  // kept last: the actions that follow have numbers behind this one's
  const bool is_task = out.kind == "call_task";
  if (is_task) {
    // Our own list is the provider: with this batch the task is there.
    record.state = ActionState::accepted;
    ++delta[Counter::accepted];
    ++rule.accepted;
    desk_.work().add(plan, record.action, record.number, out.at, work, true);
  } else if (done_by_engine(out)) {
    // The engine wrote it into the customer's state; the steps in this block make it again on recovery.
    record.state = ActionState::accepted;
    ++delta[Counter::accepted];
    ++rule.accepted;
    if (out.kind == "cancel_tasks") {
      const Withdrawal what = withdrawal_of(out);
      desk_.work().withdraw(plan, desk_.roster(), out.customer, what.rules, what.reason, out.at, work);
      batch.desk_changed = true;
    }
    act_on_leads(plan, record, batch, work);
  } else if (out.kind == "assign_owner" && out.owner.empty()) {
    record.state = ActionState::dead;
    record.note = "nobody of the team `" + out.assignment.team + "` fits the assignment; the owner stays as it is";
    ++delta[Counter::dead];
    ++rule.failed;
  } else if (is_hit(out)) {
    gather(record, batch);
  } else {
    ++delta[Counter::waiting];
  }
  if (is_task)
    batch.block.actions.push_back(std::move(record.action));
  else
    keep_action(record, batch);
  if (is_pending(record.state) && record.state != ActionState::kept) batch.actions.push_back(std::move(record));
  keep_work(work, batch);
}

// What a rule says of leads; what can't be done is on record as such.
void Committer::act_on_leads(const Plan& plan, ActionRecord& record, Batch& batch, WorkOut& work) {
  std::vector<LeadSignal> signals;
  lead_signals(plan, record.action, signals);
  for (const LeadSignal& signal : signals) desk_.hear(plan, signal, work);
  if (const auto command = lead_command_of(record.action)) {
    if (Result<void> done = desk_.leads().apply(plan, *command, record.action.at, work.leads); !done) {
      record.state = ActionState::dead;
      record.note = done.error().message;
      StatsDelta& delta = batch.block.stats;
      --delta[Counter::accepted];
      ++delta[Counter::dead];
      --delta.rules[record.action.rule_id].accepted;
      ++delta.rules[record.action.rule_id].failed;
    }
  }
}

void Committer::keep_action(const ActionRecord& record, Batch& batch) {
  std::string bytes;
  encode_record(bytes, record);
  batch.set.put(Family::outbox, action_key(is_pending(record.state), id_bytes(record.action.id)), bytes);
  batch.block.actions.push_back(record.action);
}

// What a policy held back stays on record as it would have been: an action of its own, with the reason.
void Committer::add_held(HeldAction held, Batch& batch) {
  ActionRecord record;
  record.number = batch.block.first_action + batch.block.actions.size();
  record.changed_at = record.next_at = held.action.at;
  record.action = std::move(held.action);
  record.state = held.kept ? ActionState::kept : ActionState::held;
  record.held = held.held;
  record.note = std::move(held.reason);
  StatsDelta& delta = batch.block.stats;
  ++delta[Counter::actions];
  ++delta[held.kept ? Counter::kept : Counter::held_back];
  RuleStats& rule = delta.rules[record.action.rule_id];
  ++rule.actions;
  ++rule.dropped[static_cast<std::size_t>(record.held) % kHeldReasons];
  keep_action(record, batch);
  if (held.kept) return;
  batch.set.put(Family::outbox, held_untold_key(id_bytes(record.action.id)), "");
  batch.held.push_back(std::move(record));
}

void Committer::set_aside(Unit& unit, Batch& batch) {
  for (SetAside& aside : unit.aside) {
    StatsDelta& delta = batch.block.stats;
    aside.record.number = static_cast<std::uint64_t>(stats_[Counter::quarantine_in] + delta[Counter::quarantine_in]) + 1;
    ++delta[Counter::quarantine_in];
    delta[Counter::quarantine_bytes] += static_cast<std::int64_t>(aside.record.raw.size());
    std::string bytes;
    encode_record(bytes, aside.record);
    batch.set.put(Family::quarantine, quarantine_key(aside.record.number), bytes);
    if (aside.job != nullptr) aside.job->results[aside.line].quarantine = aside.record.number;
  }
}

// Tells everybody how it ended. After a failure nobody knows, and that is what is told.
void Committer::complete(Batch& batch, const Error* failure) {
  std::uint64_t items = 0;
  for (auto& unit : batch.units) {
    items += unit->items;
    if (failure == nullptr && unit->shard != Unit::kNoShard) committed_[unit->shard].store(unit->number + 1, std::memory_order_release);
  }
  if (failure == nullptr) {
    for (const ActionRecord& action : batch.actions) hooks_.action(action);
    if (batch.worked && hooks_.work_due) hooks_.work_due(work_due());
    if (!batch.news.inputs.empty() && hooks_.news) hooks_.news(std::move(batch.news));
    if (hooks_.held) {
      for (const ActionRecord& held : batch.held) hooks_.held(held);
    }
    if (batch.desk_changed && hooks_.controls && desk_.controls() != *controls_) {
      controls_ = std::make_shared<const Controls>(desk_.controls());
      hooks_.controls(controls_);
    }
    for (auto& after : batch.after) after();
  }
  if (items != 0) hooks_.left(items);
  for (auto& unit : batch.units) {
    if (unit->done) unit->done(failure);
    for (const auto& [job, parts] : unit->jobs) {
      if (failure != nullptr) job->failure = *failure;
      job->part_done(parts);
    }
  }
  if (failure == nullptr) return;
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = !figures_.failed;
    figures_.failed = true;
  }
  room_.notify_all();
  if (first) hooks_.fatal(*failure);
}

}  // namespace nudge::daemon
