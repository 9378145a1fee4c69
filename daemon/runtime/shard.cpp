#include "daemon/runtime/shard.h"

#include <algorithm>
#include <ctime>

#include "daemon/runtime/committer.h"
#include "daemon/store/keys.h"
#include "engine/core/ruled_out.h"

namespace nudge::daemon {
namespace {

constexpr std::uint32_t kNoItem = 0xffffffff;
constexpr std::size_t kTimersPerTurn = 512;
constexpr std::size_t kColdPerLoad = 256;
constexpr std::size_t kRefillPerTurn = 8192;  // timer rows
// Timers wait while this many units of the shard are not on disk, so that an event never stands behind a great many of them.
constexpr std::uint64_t kUnitsAhead = 2;
constexpr std::size_t kReadAhead = 6;  // customers that are brought near before their turn

// Processor time of this thread.
std::uint64_t thread_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// Inputs are typed by the catalog of their intake; a reload in between may have given their event type more fields.
void fit_fields(const Catalog& catalog, Input& input) {
  if (input.kind == InputKind::event && input.type < catalog.events.size()) input.fields.resize(catalog.events[input.type].fields.size());
}

}  // namespace

Shard::Shard(ShardOptions options, Store& store, LogicalClock& clock, Committer& committer, std::function<void(Error)> failed)
    : options_(options), store_(store), clock_(clock), committer_(committer), failed_(std::move(failed)) {
  horizon_.fill(kAlways);
  cold_.fill(kUnknownCold);
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) figures_.slots_owned += owns(static_cast<std::uint8_t>(slot)) ? 1U : 0U;
  figures_.slots_swept = figures_.slots_owned;
}

Shard::~Shard() { stop(); }

void Shard::start(std::shared_ptr<const Plan> plan) {
  plan_ = std::move(plan);
  unit_ = std::make_unique<Unit>();
  thread_ = std::thread([this] { run(); });
}

void Shard::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Shard::post(std::vector<Item> items) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty())
      queue_ = std::move(items);
    else
      std::move(items.begin(), items.end(), std::back_inserter(queue_));
  }
  wake_.notify_one();
}

void Shard::ask(std::function<void(Shard&)> question) {
  {
    const std::lock_guard lock(mutex_);
    questions_.push_back(std::move(question));
  }
  wake_.notify_one();
}

void Shard::set_plan(std::shared_ptr<const Plan> plan) {
  {
    const std::lock_guard lock(mutex_);
    next_plan_ = std::move(plan);
  }
  wake_.notify_one();
}

ShardFigures Shard::figures() const {
  const std::lock_guard lock(mutex_);
  ShardFigures figures = figures_;
  figures.queued = queue_.size();
  return figures;
}

void Shard::report() {
  const std::lock_guard lock(mutex_);
  figures_.customers_hot = cache_.size();
  figures_.customers_decoded = cache_.decoded();
  figures_.bytes = cache_.bytes();
  figures_.dirty = cache_.dirty();
  figures_.timers_hot = timers_.size();
  figures_.next_due = timers_.next();
  figures_.turned_at = clock_.now();
  figures_.slots_swept = sweeping_ ? sweep_slot_ / options_.shards : figures_.slots_owned;
  figures_.loads = loads_;
  figures_.evictions = evictions_;
}

void Shard::fail_with(Error error) {
  if (broken_) return;
  broken_ = true;
  failed_(std::move(error));
}

void Shard::run() {
  while (true) {
    wait_for_work();
    if (!turn()) break;
  }
}

// Sleeps until something was posted, a timer may be due, or it is time to look at the clock again.
void Shard::wait_for_work() {
  const bool busy = !deferred_.empty() || sweeping_ || !checkpoints_.empty() || refill_slot_ < kSlots || warm_slot_ < kSlots;
  std::chrono::milliseconds most = busy ? std::chrono::milliseconds(deferred_.empty() ? 0 : 1) : clock_.patience();
  TimeMs due = timers_.next();
  if (!cold_timers_.empty()) due = std::min(due, cold_timers_.top().due);
  if (due != kNever) {
    const TimeMs wait = due + 1 - clock_.now();
    most = std::min(most, std::chrono::milliseconds(std::clamp<TimeMs>(wait, committer_lags() ? 1 : 0, 1000)));
  }
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, most, [this] { return !queue_.empty() || !questions_.empty() || next_plan_ != nullptr || stopping_; });
}

// One turn of the loop; false when the shard is to end.
bool Shard::turn() {
  std::deque<std::function<void(Shard&)>> questions;
  bool stopping = false;
  items_ = std::move(deferred_);
  deferred_.clear();
  {
    const std::lock_guard lock(mutex_);
    if (next_plan_ != nullptr) plan_ = std::move(next_plan_);
    next_plan_ = nullptr;
    const std::size_t room = options_.items_per_drain > items_.size() ? options_.items_per_drain - items_.size() : 0;
    if (queue_.size() <= room && items_.empty()) {
      items_.swap(queue_);
    } else {
      std::size_t take = std::min(room, queue_.size());
      while (take > 0 && queue_[take - 1].with_next) ++take;
      std::move(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(take), std::back_inserter(items_));
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(take));
    }
    if (!questions_.empty()) {
      questions.push_back(std::move(questions_.front()));
      questions_.pop_front();
    }
    stopping = stopping_ && queue_.empty() && questions_.empty();
  }
  if (broken_) return !stopping;  // nothing is judged any more; requests end when the process does
  const TimeMs now = clock_.now();
  taken_ = items_.size();
  const std::uint64_t before = thread_ns();
  fire_timers(now);
  take_in(now);
  unit_->work_ns += thread_ns() - before;
  for (auto& question : questions) question(*this);
  if (sweeping_) sweep_portion();
  checkpoint_portion();
  evict();
  warm_portion();
  flush();
  if (!forwarded_.empty()) forward_(std::exchange(forwarded_, {}));
  report();
  return !(stopping && deferred_.empty() && items_.empty() && checkpoints_.empty());
}

void Shard::mark(Change change) {
  flush();
  unit_->changes.push_back(std::move(change));
}

void Shard::flush() {
  if (unit_->empty()) return;
  unit_->shard = options_.index;
  unit_->number = unit_number_;
  unit_->plan = plan_;
  committer_.push(std::move(unit_));
  unit_ = std::make_unique<Unit>();
  ++unit_number_;
}

// --- intake

void Shard::take_in(TimeMs now) {
  if (items_.empty()) return;
  touched_.clear();
  missing_.clear();
  hashes_.resize(items_.size());
  for (std::uint32_t i = 0; i < items_.size(); ++i) {
    hashes_[i] = StateCache::hash_of(items_[i].input.customer);
    cache_.prefetch_place(items_[i].slot, hashes_[i]);
  }
  for (std::uint32_t i = 0; i < items_.size(); ++i) {
    if (i + kReadAhead < items_.size()) cache_.prefetch_entry(items_[i + kReadAhead].slot, hashes_[i + kReadAhead]);
    Item& item = items_[i];
    item.next = kNoItem;
    CacheEntry* entry = cache_.find(item.slot, item.input.customer, hashes_[i]);
    if (entry == nullptr) {
      entry = cache_.add(item.slot, item.input.customer);
      missing_.push_back(entry);
    }
    if (entry->first_item == kNoItem) {
      entry->first_item = i;
      touched_.push_back(entry);
    } else {
      items_[entry->last_item].next = i;
    }
    entry->last_item = i;
  }
  if (Result<void> loaded = load_many(missing_); !loaded) return fail_with(std::move(loaded).error());
  for (std::size_t k = 0; k < touched_.size(); ++k) {
    if (k + 2 * kReadAhead < touched_.size()) StateCache::prefetch_state(*touched_[k + 2 * kReadAhead]);
    if (k + kReadAhead < touched_.size()) StateCache::prefetch_parts(*touched_[k + kReadAhead]);
    CacheEntry* const entry = touched_[k];
    if (Result<void> unpacked = unpack(*entry); !unpacked) return fail_with(std::move(unpacked).error());
    cache_.touch(entry);
    if (entry->erased_at >= now || (entry->state->known() && entry->state->clock >= now)) {
      for (std::uint32_t i = entry->first_item; i != kNoItem;) {
        const std::uint32_t next = items_[i].next;
        deferred_.push_back(std::move(items_[i]));
        i = next;
      }
    } else if (take_merges(*entry, now)) {
      step_customer(*entry, now);
    }
    entry->first_item = entry->last_item = kNoItem;
  }
  items_.clear();
}

void Shard::step_customer(CacheEntry& entry, TimeMs now) {
  inputs_.clear();
  receipts_.clear();
  for (std::uint32_t i = entry.first_item; i != kNoItem; i = items_[i].next) {
    Input& input = items_[i].input;
    fit_fields(*plan_->catalog, input);
    // Sent again without a time: it happened when it was first heard of, so that equal documents are duplicates.
    if (!items_[i].has_time && !input.generated_id && entry.state->ids.may_have(input.id)) {
      if (const std::optional<Input> first = entry.state->find(input.id, *plan_->catalog)) input.time = first->time;
    }
    inputs_.push_back(std::move(input));
  }
  count_gone_members(*entry.state);
  Effects effects;
  engine_.step(*plan_, *entry.state, inputs_, now, receipts_, effects);
  lead_signals(*plan_, inputs_, receipts_, unit_->heard);
  stored_.clear();
  std::size_t n = 0;
  for (std::uint32_t i = entry.first_item; i != kNoItem; i = items_[i].next, ++n) {
    if (receipts_[n] == Receipt::stored) stored_.push_back(&inputs_[n]);
    finish_item(items_[i], receipts_[n]);
  }
  unit_->entries.step(entry.id, now, stored_);
  ++unit_->steps;
  unit_->latest = std::max(unit_->latest, now);
  changed(entry, std::move(effects));
}

void Shard::finish_item(Item& item, Receipt receipt) {
  StatsDelta& delta = unit_->delta;
  ++delta[Counter::received];
  ++unit_->items;
  switch (receipt) {
    case Receipt::stored: ++delta[Counter::stored]; break;
    case Receipt::duplicate: ++delta[Counter::duplicate]; break;
    case Receipt::conflict: ++delta[Counter::conflict]; break;
  }
  if (item.attachment != nullptr) {
    unit_->changes.push_back(
        [attachment = std::shared_ptr<Attachment>(std::move(item.attachment)), receipt](CommitContext& c) { (*attachment)(c, receipt); });
  }
  if (item.job == nullptr) {
    ++delta[Counter::internal];
    return;
  }
  Job& job = *item.job;
  LineResult& result = job.results[item.line];
  if (receipt == Receipt::conflict) {
    result.outcome = LineOutcome::conflict;
    result.problem = std::make_unique<Problem>(
        item.merge != nullptr
            ? Problem{"conflict", "merge",
                      "this id is another name of another customer already; merge that customer if the two are one person"}
            : Problem{"conflict", "id",
                      "an event with this id and other content is stored already; the first is kept. Give the new one an id of its own"});
    if (!job.single) {  // the sender of one event is told; in a batch nobody may be looking
      SetAside aside;
      aside.record = {0,
                      clock_.now(),
                      job.import,
                      job.customer,
                      result.problem->code,
                      result.problem->field,
                      result.problem->reason,
                      job.received(item.line)};
      aside.job = &job;
      aside.line = item.line;
      unit_->aside.push_back(std::move(aside));
    }
  } else {
    result.outcome = receipt == Receipt::stored ? LineOutcome::stored : LineOutcome::duplicate;
  }
  if (!unit_->jobs.empty() && unit_->jobs.back().first == &job)
    ++unit_->jobs.back().second;
  else
    unit_->jobs.emplace_back(&job, 1);
}

// Bookkeeping after anything that changed a state.
void Shard::changed(CacheEntry& entry, Effects&& effects) {
  entry.unit = unit_number_;
  cache_.set_dirty(&entry, generation_);
  cache_.measure(&entry);
  entry.due = Engine::next_due(*entry.state);
  timers_.set(&entry, entry.due);
  if (effects.edges.empty() && effects.decisions.empty() && effects.actions.empty() && effects.goals.empty()) return;
  unit_->delta.add_edges(effects.edges);
  append_edges(unit_->edges, entry.id, effects.edges);
  unit_->delta.add_goals(effects.goals);
  if (!effects.decisions.empty() || !effects.actions.empty()) unit_->effects.push_back(std::move(effects));
}

// Before a state meets a new plan: its memberships of segments that are gone, or start anew, end without an edge, and leave the count.
void Shard::count_gone_members(const CustomerState& state) {
  if (!state.known() || state.plan == plan_->sequence) return;
  for (const Membership& member : state.members) {
    const auto segment = plan_->segment_of_root.find(member.root);
    if (segment != plan_->segment_of_root.end() && plan_->segments[segment->second].since_plan <= state.plan) continue;
    --unit_->delta.roots[member.root].members;
  }
}

// --- timers

// True while the committer has some of this shard's units before it.
bool Shard::committer_lags() const { return unit_number_ > committer_.committed(options_.index) + kUnitsAhead; }

void Shard::fire_timers(TimeMs now) {
  refill_cold_timers(now);
  if (committer_lags()) return;
  for (std::size_t fired = 0; fired < kTimersPerTurn; ++fired) {
    const TimeMs hot = timers_.next();
    const TimeMs cold = cold_timers_.empty() ? kNever : cold_timers_.top().due;
    if (std::min(hot, cold) >= now) return;  // never early: due means before now
    if (cold <= hot) {
      if (!load_due_cold(now)) return;
      continue;
    }
    advance_entry(*timers_.top(), now);
    if (broken_) return;
  }
}

// Reads the customers of the first cold timers that are due: then they are in the heap of the hot ones, if they are still due.
bool Shard::load_due_cold(TimeMs now) {
  missing_.clear();
  for (std::size_t popped = 0; popped < kColdPerLoad && !cold_timers_.empty() && cold_timers_.top().due < now; ++popped) {
    const std::string& customer = cold_timers_.top().customer;
    const std::uint8_t slot = slot_of(customer);
    CacheEntry* const entry = cache_.find(slot, customer);
    if (entry == nullptr)
      missing_.push_back(cache_.add(slot, customer));
    else if (Result<void> unpacked = entry->fresh ? unpack(*entry) : Result<void>(); !unpacked)
      fail_with(std::move(unpacked).error());
    cold_timers_.pop();
  }
  Result<void> loaded = load_many(missing_);
  if (!loaded) fail_with(std::move(loaded).error());
  return !broken_;
}

void Shard::advance_entry(CacheEntry& entry, TimeMs now) {
  if (Result<void> unpacked = unpack(entry); !unpacked) return fail_with(std::move(unpacked).error());
  count_gone_members(*entry.state);
  Effects effects;
  engine_.advance(*plan_, *entry.state, now, effects);
  unit_->entries.mark(EntryKind::advance, entry.id, now);
  ++unit_->steps;
  unit_->latest = std::max(unit_->latest, now);
  ++unit_->delta[Counter::timers];
  cache_.touch(&entry);
  changed(entry, std::move(effects));
}

// Reads the timer rows of customers that are not in memory a minute ahead, a portion a turn. A customer that leaves memory meanwhile may
// get in twice; the second time it is found hot or not due.
void Shard::refill_cold_timers(TimeMs now) {
  if (refill_slot_ >= kSlots) {
    if (now < next_refill_) return;
    refill_until_ = now + kMinute;
    next_refill_ = now + kMinute / 2;
    refill_slot_ = 0;
  }
  std::size_t left = kRefillPerTurn;
  for (; refill_slot_ < kSlots; ++refill_slot_) {
    const auto slot = static_cast<std::uint8_t>(refill_slot_);
    if (!owns(slot)) continue;
    const std::string from = refill_from_.empty() ? timer_key(slot, horizon_[slot], "") : std::move(refill_from_);
    refill_from_.clear();
    horizon_[slot] = refill_until_;
    Result<void> scanned =
        store_.scan(Family::timer, from, timer_key(slot, refill_until_, ""), [&](std::string_view key, std::string_view) {
          if (left == 0) {
            refill_from_ = key;
            return false;
          }
          --left;
          std::optional<TimerKey> timer = parse_timer_key(key);
          const CacheEntry* const entry = timer ? cache_.find(timer->slot, timer->customer) : nullptr;
          if (timer && (entry == nullptr || entry->fresh)) cold_timers_.push({timer->due_ms, std::move(timer->customer)});
          return true;
        });
    if (!scanned) return fail_with(std::move(scanned).error());
    if (!refill_from_.empty()) return;
  }
}

// --- recovery

Result<void> Shard::replay(LogEntry& entry, const std::shared_ptr<const Plan>& plan) {
  CacheEntry* cached = load(slot_of(entry.customer), entry.customer, true);
  if (cached == nullptr) return fail(Code::corrupt, "the record of customer `" + entry.customer + "` is damaged");
  CustomerState& state = *cached->state;
  if (state.plan > plan->sequence) return {};  // the checkpoint is ahead of this entry
  Effects effects;
  LeanVector<Membership> left;
  switch (entry.kind) {
    case EntryKind::step:
      if (state.known() && state.clock >= entry.instant) return {};
      for (Input& input : entry.inputs) fit_fields(*plan->catalog, input);
      receipts_.clear();
      engine_.step(*plan, state, entry.inputs, entry.instant, receipts_, effects);
      break;
    case EntryKind::advance: engine_.advance(*plan, state, entry.instant, effects); break;
    case EntryKind::reconcile: engine_.reconcile(*plan, state, effects); break;
    case EntryKind::merge:
      if (state.known() && state.clock >= entry.instant) return {};
      engine_.give_away(*plan, state, entry.text, entry.instant, effects, left);
      break;
    case EntryKind::absorb:
      if (state.known() && state.clock >= entry.instant) return {};
      NUDGE_TRY(replay_absorb(*cached, entry, *plan));
      break;
    case EntryKind::erase:
      if (state.known() && state.clock >= entry.instant) return {};
      state = CustomerState{};
      state.id = entry.customer;
      break;
  }
  cache_.set_dirty(cached, generation_);
  cache_.measure(cached);
  cached->due = Engine::next_due(state);
  timers_.set(cached, cached->due);
  pack_oldest();
  return {};
}

}  // namespace nudge::daemon
