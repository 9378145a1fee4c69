// Start and plans: recovery from checkpoint and log, activation and reload, the sweep, checkpoints.
#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "daemon/log/log.h"
#include "daemon/runtime/approvals.h"
#include "daemon/runtime/digests.h"
#include "daemon/runtime/deals.h"
#include "daemon/runtime/leads.h"
#include "daemon/runtime/log_block.h"
#include "daemon/runtime/runtime_impl.h"

namespace nudge::daemon {
namespace {

constexpr auto kLookAtWork = std::chrono::milliseconds(100);
constexpr std::uint64_t kNsPerMs = 1'000'000;

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::open(RuntimeOptions options, Store& store, Clock& clock,
                                               std::function<void(const Error&)> fatal) {
  if (options.shards == 0 || options.shards > kShardsMax)
    return nudge::fail(Code::invalid, "the number of shards must be between 1 and 64");
  auto impl = std::make_unique<Impl>(std::move(options), store, clock, kAlways, std::move(fatal));
  NUDGE_TRY(impl->recover());
  return std::unique_ptr<Runtime>(new Runtime(std::move(impl)));
}

// States come back from their checkpoints when they are needed; here only what lies in the log after the checkpoint is stepped again.
Result<void> Runtime::Impl::recover() {
  NUDGE_TRY(plans.load());
  if (plans.current() != 0) {
    NUDGE_ASSIGN(const BoundPlan latest, plans.plan(plans.current()));
    for (auto& shard : shards) shard->use_for_records(latest.plan);
  }
  StoredStats stats;
  NUDGE_ASSIGN(const auto stats_bytes, store.get(Family::meta, kMetaStats));
  if (stats_bytes) {
    NUDGE_ASSIGN(stats, decode_stats(*stats_bytes));
  }
  std::uint64_t checkpoint = 0;
  NUDGE_ASSIGN(const auto checkpoint_bytes, store.get(Family::meta, kMetaCheckpoint));
  if (checkpoint_bytes) {
    NUDGE_ASSIGN(checkpoint, decode_number(*checkpoint_bytes));
  }
  Desk desk;
  NUDGE_ASSIGN(const auto desk_bytes, store.get(Family::meta, kMetaDesk));
  if (desk_bytes) {
    NUDGE_ASSIGN(desk, Desk::decode(*desk_bytes));
  }
  NUDGE_TRY(gate.load(store));
  OpenSeries series;
  NUDGE_TRY(series.load(store, clock.now()));
  // What people have to do lies in families of its own: it is read while the customers are stepped.
  std::future<Result<void>> desk_loaded = std::async(std::launch::async, [&] { return load_desk(desk); });
  const Result<void> stepped = replay_tail(checkpoint, stats, series);
  NUDGE_TRY(desk_loaded.get());
  NUDGE_TRY(stepped);
  checkpointed = checkpoint;
  clock.not_before(stats.latest);
  committer.restore(std::move(stats), std::move(series), std::move(desk));
  return {};
}

Result<void> Runtime::Impl::load_desk(Desk& desk) {
  NUDGE_TRY(load_tasks(store, desk, [this](Error error) { committer.cannot_go_on(std::move(error)); }));
  NUDGE_TRY(load_approvals(store, desk));
  NUDGE_TRY(load_digests(store, desk));
  NUDGE_TRY(load_leads(store, desk));
  return load_deals(store, desk);
}

namespace {

// Entries of the log on their way to their shards: one thread a shard steps a portion while the next is read.
class Replay {
 public:
  explicit Replay(std::vector<std::unique_ptr<Shard>>& shards) : shards_(shards), portion_(shards.size()) {}
  ~Replay() { wait(); }

  void add(std::size_t shard, LogEntry&& entry, const std::shared_ptr<const Plan>& plan) {
    Portion& portion = portion_[shard];
    portion.entries.push_back(std::move(entry));
    portion.plans.push_back(plan);
    if (++entries_ % kPortion == 0) start();
  }
  std::uint64_t entries() const { return entries_; }
  bool failed() const { return error_.has_value(); }
  Result<void> finish() {
    start();
    wait();
    if (error_) return std::unexpected(*std::move(error_));
    return {};
  }

 private:
  // Many at once: the customers of a portion are read in the order in which they lie on disk, so that each block is read once.
  static constexpr std::uint64_t kPortion = 131'072;
  struct Portion {
    std::vector<LogEntry> entries;
    std::vector<std::shared_ptr<const Plan>> plans;  // of each entry
  };

  void start() {
    wait();
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      if (portion_[i].entries.empty()) continue;
      running_.push_back(
          std::async(std::launch::async, [&shard = *shards_[i], portion = std::exchange(portion_[i], {})]() mutable -> Result<void> {
            NUDGE_TRY(shard.prefetch(portion.entries));
            for (std::size_t k = 0; k < portion.entries.size(); ++k) NUDGE_TRY(shard.replay(portion.entries[k], portion.plans[k]));
            return {};
          }));
    }
  }
  void wait() {
    for (auto& running : running_) {
      if (Result<void> done = running.get(); !done && !error_) error_ = std::move(done).error();
    }
    running_.clear();
  }

  std::vector<std::unique_ptr<Shard>>& shards_;
  std::vector<Portion> portion_;
  std::vector<std::future<Result<void>>> running_;
  std::uint64_t entries_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Result<void> Runtime::Impl::replay_tail(std::uint64_t checkpoint, StoredStats& stats, OpenSeries& series) {
  const std::uint64_t from = std::min(checkpoint, stats.sequence) + 1;
  const std::uint64_t stats_from = stats.sequence;
  std::optional<Error> error;
  Replay replay(shards);
  NUDGE_TRY(store.log_blocks(from, [&](std::uint64_t sequence, std::string_view bytes) {
    Result<LogBlock> block = decode_block(bytes, BlockPart::units);
    if (!block) {
      error = std::move(block).error();
      return false;
    }
    const auto count = [&] {
      if (sequence <= stats_from) return;
      stats.sums.add(block->stats);
      stats.sequence = sequence;
      // A block does not say when it was written; what was last judged before is as good as that.
      series.add(stats.latest == kAlways ? clock.now() : stats.latest, block->stats);
    };
    if (sequence <= checkpoint) {
      count();
      return true;
    }
    ++replayed;
    for (const LogUnit& unit : block->units) {
      Result<BoundPlan> bound = plans.plan(unit.plan);
      if (!bound) {
        error = std::move(bound).error();
        return false;
      }
      Result<void> read = read_entries(unit, [&](LogEntry& entry) {
        stats.latest = std::max(stats.latest, entry.instant);
        const std::size_t shard = slot_of(entry.customer) % options.shards;
        replay.add(shard, std::move(entry), bound->plan);
      });
      if (!read) error = std::move(read).error();
      if (error || replay.failed()) return false;
    }
    count();
    return true;
  }));
  if (Result<void> stepped = replay.finish(); !stepped && !error) error = std::move(stepped).error();
  if (error) return std::unexpected(std::move(*error).prefixed("recovery"));
  if (replayed.load() != 0)
    log::info("recovered from the log", {{"blocks", replayed.load()}, {"steps", replay.entries()}, {"checkpoint", checkpoint}});
  return {};
}

// What was erased elsewhere since this directory was backed up is put on the list first.
Result<void> Runtime::Impl::make_eraser() {
  if (!options.erasures.erasures.empty()) {
    NUDGE_TRY(take_erasures(store, options.erasures, [this](const std::function<void(std::string_view)>& each) {
      for (auto& shard : shards) shard->unwritten_customers(each);
    }));
  }
  eraser = std::make_unique<Eraser>(ErasureParts{
      .store = store,
      .clock = clock,
      .committer = committer,
      .shard_of = [this](std::uint8_t slot) -> Shard& { return shard_of(slot); },
      .delivery = [this]() -> Delivery& { return *delivery; },
      .plan = [this] {
        const std::lock_guard lock(plan_mutex);
        return plan;
      },
      .checkpoint = [this]() -> Result<std::uint64_t> {
        NUDGE_TRY(checkpoint_now());
        return checkpointed.load();
      },
      .stopping = [this] { return failed.load(); },
      .forget_lists = [this](CommitContext& c, const std::vector<std::string>& names) { gate.forget(c, names); },
      .queued = [this](std::uint64_t n) { queued_items.fetch_add(n, std::memory_order_relaxed); },
      .record = options.erasures.record,
      .forget_files = options.erasures.forget_files});
  // A start reads blocks for the states behind the checkpoint, and for the sums behind the stored ones.
  retention = std::make_unique<Retention>(
      options.retention, store, clock, committer,
      [this]() -> std::uint64_t {
        const Result<std::optional<std::string>> bytes = store.get(Family::meta, kMetaStats);
        if (!bytes || !bytes->has_value()) return 0;
        const Result<StoredStats> stored = decode_stats(**bytes);
        return stored ? std::min(checkpointed.load(), stored->sequence) + 1 : 0;
      },
      [this] {
        const std::lock_guard lock(plan_mutex);
        return plan;
      },
      [this](std::uint64_t record, std::function<void(Result<void>)> done) { take_out(record, std::nullopt, std::move(done)); });
  return eraser->load();
}

// --- plans

void Runtime::Impl::publish(std::shared_ptr<const Plan> next) {
  // Shards first: whatever intake types by the new catalog must meet a shard that knows it.
  if (started) {
    for (auto& shard : shards) shard->set_plan(next);
  }
  const std::lock_guard lock(plan_mutex);
  schema = std::make_shared<const IntakeSchema>(next->catalog);
  plan = std::move(next);
}

Result<void> Runtime::use_stored_plan() {
  NUDGE_ASSIGN(BoundPlan bound, impl_->plans.plan(impl_->plans.current()));
  impl_->publish(bound.plan);
  return {};
}

Result<PlanChange> Runtime::activate(const PlanSources& sources, const PlanNote& note, std::uint64_t base) {
  Impl& impl = *impl_;
  const std::lock_guard one_at_a_time(impl.reload_mutex);
  PlanChange change;
  BoundPlan current;
  if (base != 0 && base != impl.plans.current()) {
    return nudge::fail(Code::conflict, "the rules have moved on: this was planned against version " + std::to_string(base) +
                                           ", and version " + std::to_string(impl.plans.current()) + " is in force now; plan again");
  }
  if (impl.plans.current() != 0) {
    NUDGE_ASSIGN(current, impl.plans.plan(impl.plans.current()));
  }
  CompiledPlan compiled = compile_plan(sources, current.plan == nullptr ? nullptr : current.plan->catalog.get());
  change.diagnostics = std::move(compiled.diagnostics);
  change.error = std::move(compiled.error);
  if (compiled.plan == nullptr || !change.accepted()) {
    if (change.accepted()) change.error = "the rules could not be compiled";
    return change;
  }
  if (current.plan != nullptr) {
    std::string before, after;
    current.plan->catalog->encode(before);
    compiled.plan->catalog->encode(after);
    change.sequence = current.plan->sequence;
    if (before == after && current.plan->digest == compiled.plan->digest && current.sources.timezone == sources.timezone) {
      if (plan() == nullptr) impl.publish(current.plan);
      return change;
    }
  }
  const TimeMs now = impl.clock.now();
  std::shared_ptr<const Plan> bound;
  if (impl.started) {
    NUDGE_TRY(impl.committer.change_and_wait(
        [&](CommitContext& c) { bound = impl.plans.bind(std::move(compiled.plan), sources, now, note, c.set); }));
  } else {
    WriteSet set;
    bound = impl.plans.bind(std::move(compiled.plan), sources, now, note, set);
    NUDGE_TRY(impl.store.commit(std::move(set)));
  }
  impl.plans.accept();
  change.changed = true;
  change.sequence = bound->sequence;
  impl.reloaded_at = now;
  impl.publish(bound);
  if (impl.started) impl.start_sweep();
  if (impl.tasks) impl.tasks->plan_changed();
  log::info("rules are in force", {{"plan", change.sequence}, {"rules", bound->rules.size()}, {"segments", bound->segments.size()}});
  return change;
}

void Runtime::Impl::start_sweep() {
  std::uint64_t sequence = 0;
  {
    const std::lock_guard lock(plan_mutex);
    sequence = plan->sequence;
  }
  auto left = std::make_shared<std::atomic<std::uint32_t>>(options.shards);
  sweeps += options.shards;
  for (auto& shard : shards) {
    shard->sweep([this, left, sequence] {
      --sweeps;
      if (left->fetch_sub(1) != 1) return;
      committer.change([sequence](CommitContext& c) { c.set.put(Family::meta, kMetaSwept, encode_number(sequence)); });
    });
  }
}

// --- checkpoints

void Runtime::Impl::checkpoint_loop() {
  // After a recovery at once: a process that is killed again and again must not have ever more to replay.
  bool wait = replayed.load() == 0;
  while (true) {
    if (std::exchange(wait, true)) {
      const auto due = std::chrono::steady_clock::now() + std::chrono::milliseconds(options.checkpoint_interval);
      const std::uint64_t work = work_checkpointed + static_cast<std::uint64_t>(options.checkpoint_work) * options.shards * kNsPerMs;
      std::unique_lock lock(loop_mutex);
      while (!ending && std::chrono::steady_clock::now() < due && committer.work_ns() < work)
        loop_wake.wait_until(lock, std::min(due, std::chrono::steady_clock::now() + kLookAtWork), [this] { return ending; });
      if (ending) return;
    }
    if (failed) return;
    if (Result<void> written = checkpoint_now(); !written) return;  // the committer has told
  }
}

// Everything in blocks up to `upto` is in states that the shards write now; then the mark moves there.
Result<void> Runtime::Impl::checkpoint_now() {
  const std::lock_guard one_at_a_time(checkpoint_mutex);
  const std::uint64_t work = committer.work_ns();
  const std::uint64_t upto = committer.last_block();
  if (upto == checkpointed.load() || failed) return {};
  auto left = std::make_shared<std::atomic<std::uint32_t>>(options.shards);
  auto all = std::make_shared<std::promise<void>>();
  std::future<void> written = all->get_future();
  for (auto& shard : shards) {
    shard->checkpoint([left, all] {
      if (left->fetch_sub(1) == 1) all->set_value();
    });
  }
  while (written.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) {
    if (failed) return nudge::fail(Code::unavailable, "nudge stops");
  }
  NUDGE_TRY(committer.change_and_wait([upto](CommitContext& c) { c.set.put(Family::meta, kMetaCheckpoint, encode_number(upto)); }));
  checkpointed = upto;
  work_checkpointed = work;
  return {};
}

Result<void> Runtime::checkpoint() { return impl_->checkpoint_now(); }

// --- quarantine

// What a record of the quarantine says today: its document, or those that its door makes of it now. The problem when it still does not fit.
Problem Runtime::Impl::read_again(const IntakeSchema& current, QuarantineRecord record, std::vector<Item>& items) {
  std::vector<DoorDocument> documents;
  const bool opened = options.reopen && record.raw.starts_with("{\"door\":");
  if (opened) {
    Result<std::vector<DoorDocument>> again = options.reopen(current, record.raw, record.at);
    if (!again) return {"bad_json", "", again.error().message};
    documents = *std::move(again);
    if (documents.empty()) return {"ignored", "", "the mapping ignores this message now; discard the record"};
  } else {
    documents.push_back({std::move(record.raw), {}, {}, false});
  }
  Intake intake;
  // A document without a time happened when it came in, not now.
  const IntakeOptions how{record.at, options.skew + (clock.now() - record.at), record.import, record.customer, ids.get()};
  for (DoorDocument& document : documents) {
    if (document.problem.set()) return std::move(document.problem);
    const auto length = static_cast<std::uint32_t>(document.json.size());
    document.json.reserve(length + kIntakePadding);
    IntakeLine line;
    intake.read(current, document.json, Span{0, length}, how, line);
    if (line.problem.set()) return std::move(line.problem);
    items.push_back(make_item(line));
  }
  return {};
}

void Runtime::replay_quarantined(std::uint64_t number, std::function<void(Result<Problem>)> done) {
  Impl& impl = *impl_;
  // Before it is read: a replay that ends in between has taken it away, and a document without an id would come in twice.
  if (!impl.claim(number))
    return done(nudge::fail(Code::conflict, "record " + std::to_string(number) + " is being replayed or discarded already"));
  const auto leave = [&](Result<Problem> how) {
    impl.release(number);
    done(std::move(how));
  };
  Result<std::optional<std::string>> bytes = impl.store.get(Family::quarantine, quarantine_key(number));
  if (!bytes) return leave(std::unexpected(std::move(bytes).error()));
  if (!bytes->has_value()) return leave(nudge::fail(Code::not_found, "there is no record " + std::to_string(number) + " in quarantine"));
  Result<QuarantineRecord> record = decode_quarantine_record(**bytes);
  if (!record) return leave(std::unexpected(std::move(record).error()));
  std::shared_ptr<const IntakeSchema> schema;
  {
    const std::lock_guard lock(impl.plan_mutex);
    schema = impl.schema;
  }
  const auto length = static_cast<std::uint32_t>(record->raw.size());
  std::vector<Item> items;
  if (Problem problem = impl.read_again(*schema, *std::move(record), items); problem.set()) return leave(std::move(problem));
  // Those before the last have ids of their own and are found again when the last one does not get to disk.
  for (std::size_t i = 0; i + 1 < items.size(); ++i) post_item(std::move(items[i]), {});
  post_item(std::move(items.back()),
            [&impl, &store = impl.store, number, length, done = std::move(done)](CommitContext& c, Receipt receipt) {
              --c.delta[Counter::internal];
              c.after.push_back([&impl, number] { impl.release(number); });
              if (receipt == Receipt::conflict) {
                c.after.push_back([done] { done(Problem{"conflict", "id", "an event with this id and other content is stored already"}); });
                return;
              }
              const auto still = store.get(Family::quarantine, quarantine_key(number));
              if (still && still->has_value()) {
                c.set.erase(Family::quarantine, quarantine_key(number));
                ++c.delta[Counter::quarantine_replayed];
                c.delta[Counter::quarantine_bytes] -= length;
              }
              c.after.push_back([done] { done(Problem{}); });
            });
}

// `reason`: why a person gave it up; nothing: its time was over.
void Runtime::Impl::take_out(std::uint64_t number, std::optional<std::string> reason, std::function<void(Result<void>)> done) {
  Result<std::optional<std::string>> bytes = store.get(Family::quarantine, quarantine_key(number));
  if (!bytes) return done(std::unexpected(std::move(bytes).error()));
  if (!bytes->has_value()) return done(nudge::fail(Code::not_found, "there is no record " + std::to_string(number) + " in quarantine"));
  if (!claim(number))
    return done(nudge::fail(Code::conflict, "record " + std::to_string(number) + " is being replayed or discarded already"));
  committer.change(
      [this, number, reason = std::move(reason), at = clock.now()](CommitContext& c) {
        const auto still = store.get(Family::quarantine, quarantine_key(number));
        if (!still || !still->has_value()) return;
        // Who gave what up, and why, stays on record.
        if (reason)
          c.set.put(Family::audit, given_up_key(at, number),
                    std::string(kGivenUp) + std::to_string(number) + ": " + *reason + "\n" + **still);
        c.set.erase(Family::quarantine, quarantine_key(number));
        ++c.delta[reason ? Counter::quarantine_discarded : Counter::quarantine_expired];
        if (const Result<QuarantineRecord> gone = decode_quarantine_record(**still)) {
          c.delta[Counter::quarantine_bytes] -= static_cast<std::int64_t>(gone->raw.size());
        }
      },
      [this, number, done = std::move(done)](const Error* failure) {
        release(number);
        if (failure != nullptr)
          done(std::unexpected(*failure));
        else
          done({});
      });
}

void Runtime::discard_quarantined(std::uint64_t number, std::string reason, std::function<void(Result<void>)> done) {
  impl_->take_out(number, std::move(reason), std::move(done));
}

}  // namespace nudge::daemon
