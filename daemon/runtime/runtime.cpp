#include "daemon/runtime/runtime.h"

#include <algorithm>
#include <future>

#include "daemon/log/log.h"
#include "daemon/runtime/runtime_impl.h"
#include "daemon/runtime/runtime_replay.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
Runtime::Impl::Impl(RuntimeOptions options_in, Store& store_in, Clock& clock_in, TimeMs floor, std::function<void(const Error&)> fatal_in)
    : options(std::move(options_in)),
      store(store_in),
      clock(clock_in, floor),
      fatal(std::move(fatal_in)),
      gate(options.send_only_to),
      committer(store_in, clock,
                CommitHooks{.fatal = [this](const Error& error) { fail(error); },
                            .action = [this](const ActionRecord& record) { delivery->add(record); },
                            .news = [this](News news) { tasks->tell(std::move(news)); },
                            .work_due = [this](TimeMs next) { tasks->due(next); },
                            .held = [this](const ActionRecord& record) { delivery->tell_held(record); },
                            .controls =
                                [this](std::shared_ptr<const Controls> controls) {
                                  gate.set_controls(std::move(controls));
                                  if (delivery) delivery->controls_changed();
                                },
                            .left = [this](std::uint64_t items) { queued_items.fetch_sub(items, std::memory_order_relaxed); }}),
      plans(store_in) {
  for (std::uint32_t i = 0; i < options.shards; ++i) {
    ShardOptions shard;
    shard.index = i;
    shard.shards = options.shards;
    shard.memory_bytes = options.memory_bytes / options.shards;
    shards.push_back(std::make_unique<Shard>(shard, store, clock, committer, [this](const Error& error) { fail(error); }));
  }
}

void Runtime::Impl::fail(const Error& error) {
  if (failed.exchange(true)) return;
  log::error("nudge can't go on and stops", {{"error", error}});
  fatal(error);
}

Runtime::Runtime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Runtime::~Runtime() { stop(std::chrono::milliseconds(0)); }

bool Runtime::has_stored_plan() const { return impl_->plans.current() != 0; }
Delivery& Runtime::delivery() { return *impl_->delivery; }
Tasks& Runtime::tasks() { return *impl_->tasks; }
Eraser& Runtime::eraser() { return *impl_->eraser; }
Retention& Runtime::retention() { return *impl_->retention; }
Gate& Runtime::gate() { return impl_->gate; }
void Runtime::change(Change change, std::function<void(const Error*)> done) { impl_->committer.change(std::move(change), std::move(done)); }
Store& Runtime::store() { return impl_->store; }
std::uint64_t Runtime::last_block() const { return impl_->committer.last_block(); }
TimeMs Runtime::now() { return impl_->clock.now(); }
StatsDelta Runtime::stats() const { return impl_->committer.stats(); }
Result<Runtime::Series> Runtime::series(TimeMs from, TimeMs to) const {
  // The open hours first: one that is closed in between is in both then, and in none the other way round.
  auto [sums, open] = impl_->committer.stats_and_hours();
  NUDGE_ASSIGN(StoredSeries stored, read_series(impl_->store, from, to));
  for (auto& [hour, figures] : open) {
    stored.since = std::min(stored.since, hour);
    if (hour >= from && hour < to) stored.hours[hour] = std::move(figures);
  }
  return Series{std::move(stored), std::move(sums)};
}
const RuntimeOptions& Runtime::options() const { return impl_->options; }

std::shared_ptr<const IntakeSchema> Runtime::schema() const {
  const std::lock_guard lock(impl_->plan_mutex);
  return impl_->schema;
}

std::shared_ptr<const Plan> Runtime::plan() const {
  const std::lock_guard lock(impl_->plan_mutex);
  return impl_->plan;
}

std::string Runtime::refusal() const {
  if (impl_->failed) return "nudge stops because it could not write to its disk";
  if (!impl_->store.accepting()) return impl_->store.refusal();
  return {};
}

Result<void> Runtime::start() {
  Impl& impl = *impl_;
  impl.ids = std::make_unique<IdSource>(impl.clock.now() + 1);
  // Delivery first: what the shards decide in their first turn is handed to it.
  impl.delivery = std::make_unique<Delivery>(
      impl.options.delivery, impl.store, impl.clock, impl.committer, impl.gate,
      PostEvent{[this](std::vector<Input> inputs, Attachment attachment) { post_events(std::move(inputs), std::move(attachment)); }},
      [this](const ActionOut& action, std::function<void(PolicyVerdict)> done) {
        ask_customer(action.customer, [action, done = std::move(done)](Shard& shard, const CustomerState* state) {
          if (state == nullptr) return done({});
          done(shard.engine().policies(shard.plan(), *state, action, std::max(shard.now(), state->clock)));
        });
      },
      [this] { return plan(); });
  impl.tasks = std::make_unique<Tasks>(
      impl.store, impl.clock, impl.committer,
      PostEvent{[this](std::vector<Input> inputs, Attachment attachment) { post_events(std::move(inputs), std::move(attachment)); }},
      [this] { return plan(); });
  NUDGE_TRY(impl.make_eraser());
  impl.delivery->use_erased(impl.eraser->erased());
  impl.tasks->use_erased(impl.eraser->erased());
  impl.committer.start();
  impl.started = true;
  NUDGE_TRY(impl.delivery->start());
  NUDGE_TRY(impl.tasks->start());
  impl.merger = std::make_unique<Merger>([&impl](std::uint8_t slot) -> Shard& { return impl.shard_of(slot); },
                                         [&impl](std::uint64_t n) { impl.queued_items.fetch_add(n, std::memory_order_relaxed); });
  for (auto& shard : impl.shards) {
    shard->use_forward([merger = impl.merger.get()](std::vector<Item> items) { merger->forward(std::move(items)); });
    shard->start(impl.plan);
  }
  impl.shards_run = true;
  impl.merger->start();
  NUDGE_TRY(impl.resume_merges());
  NUDGE_ASSIGN(const auto swept, impl.store.get(Family::meta, kMetaSwept));
  std::uint64_t swept_plan = 0;
  if (swept) {
    NUDGE_ASSIGN(swept_plan, decode_number(*swept));
  }
  if (swept_plan < impl.plan->sequence) {
    impl.start_sweep();
  } else {
    for (auto& shard : impl.shards) shard->swept(impl.plan);
  }
  NUDGE_TRY(impl.eraser->start());
  impl.retention->start();
  impl.checkpoint_thread = std::thread([this] { impl_->checkpoint_loop(); });
  return {};
}

void Runtime::stop(std::chrono::milliseconds deadline) {
  Impl& impl = *impl_;
  if (!impl.started || impl.stopped) return;
  impl.stopped = true;
  {
    const std::lock_guard lock(impl.loop_mutex);
    impl.ending = true;
  }
  impl.loop_wake.notify_all();
  if (impl.checkpoint_thread.joinable()) impl.checkpoint_thread.join();
  if (impl.eraser) impl.eraser->stop();
  if (impl.retention) impl.retention->stop();
  impl.tasks->stop();
  impl.delivery->stop(deadline);
  // What is under way gets to disk before the last checkpoint, so that the next start has nothing to replay.
  for (int i = 0; i < 2000 && impl.shards_run && !impl.failed && impl.queued_items.load() != 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (impl.shards_run && !impl.failed) {
    if (Result<void> written = impl.checkpoint_now(); !written) log::warn("the last checkpoint failed", {{"error", written.error()}});
  }
  if (impl.merger) impl.merger->stop();
  for (auto& shard : impl.shards) shard->stop();
  impl.committer.stop();
}

// What an alias gave away and nobody had taken in when the process ended.
Result<void> Runtime::Impl::resume_merges() {
  std::vector<Item> items;
  std::optional<Error> error;
  NUDGE_TRY(store.scan(Family::meta, std::string(kPendingMerges), prefix_end(std::string(kPendingMerges)),
                       [&](std::string_view key, std::string_view value) {
                         Result<Item> item = read_pending(key, value);
                         if (!item) {
                           error = std::move(item).error();
                           return false;
                         }
                         items.push_back(*std::move(item));
                         return true;
                       }));
  if (error) return std::unexpected(*std::move(error));
  merger->forward(std::move(items));
  return {};
}

// --- intake

Result<void> Runtime::ingest(std::unique_ptr<Job> job, Framing framing) {
  Impl& impl = *impl_;
  if (std::string why = refusal(); !why.empty()) return nudge::fail(Code::unavailable, std::move(why));
  if (job->opened.empty()) {
    NUDGE_ASSIGN(Frames frames, split_body(job->body, framing, impl.options.documents_max));
    job->spans = std::move(frames.spans);
    job->single = frames.single;
  }
  const std::uint64_t n = job->spans.size();
  const std::uint64_t before = impl.queued_items.load(std::memory_order_relaxed);
  if (before != 0 && before + n > impl.options.queue_items_max) {
    return nudge::fail(Code::unavailable, "more events are waiting to be written than " + std::to_string(impl.options.queue_items_max) +
                                              "; try again in a moment");
  }
  const std::uint64_t bytes = job->body.size();
  // Counted before the work, so that what several I/O threads parse at once is bounded too.
  const std::uint64_t bytes_before = impl.queued_bytes.fetch_add(bytes, std::memory_order_relaxed);
  if (bytes_before != 0 && bytes_before + bytes > impl.options.queue_bytes_max) {
    impl.queued_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    return nudge::fail(Code::unavailable,
                       "more events are waiting to be written than intake.queue_bytes_max allows; try again in a moment");
  }
  job->results.resize(n);
  if (n == 0) {
    impl.queued_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    job->done(*job);
    return {};
  }
  job->remaining.store(static_cast<std::uint32_t>(n), std::memory_order_relaxed);
  if (job->body.capacity() < job->body.size() + kIntakePadding) job->body.reserve(job->body.size() + kIntakePadding);
  Parsed parsed;
  parsed.items.resize(impl.options.shards);
  impl.parse(*job, parsed);
  if (parsed.aside != nullptr) {
    const StatsDelta stats = impl.committer.stats();
    const std::int64_t open = stats.quarantine_open();
    std::uint64_t raw_bytes = static_cast<std::uint64_t>(stats[Counter::quarantine_bytes]);
    for (const SetAside& aside : parsed.aside->aside) raw_bytes += aside.record.raw.size();
    if (static_cast<std::uint64_t>(open) + parsed.aside->aside.size() > impl.options.quarantine_entries_max ||
        raw_bytes > impl.options.quarantine_bytes_max) {
      impl.queued_bytes.fetch_sub(bytes, std::memory_order_relaxed);
      const Problem& first = *job->results[parsed.aside->aside.front().line].problem;
      return nudge::fail(Code::unavailable,
                         "the quarantine is full (quarantine.entries_max and bytes_max), and document " +
                             std::to_string(parsed.aside->aside.front().line) + " does not fit: " + first.reason +
                             ". Nothing of this request was taken in; mend it, or replay or discard what is in quarantine");
    }
  }
  impl.queued_items.fetch_add(n, std::memory_order_relaxed);
  job->done = [&impl, bytes, done = std::move(job->done)](Job& finished) {
    impl.queued_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    done(finished);
  };
  Job* raw = job.release();  // deletes itself after its last part
  if (parsed.aside != nullptr) {
    const auto parts = static_cast<std::uint32_t>(parsed.aside->aside.size());
    parsed.aside->delta[Counter::received] += parts;
    parsed.aside->delta[Counter::quarantined] += parts;
    parsed.aside->items = parts;
    parsed.aside->jobs.emplace_back(raw, parts);
    impl.committer.push_unbounded(std::move(parsed.aside));
  }
  for (std::uint32_t shard = 0; shard < impl.options.shards; ++shard) {
    if (!parsed.items[shard].empty()) impl.shards[shard]->post(std::move(parsed.items[shard]));
  }
  return {};
}

Item make_item(IntakeLine& line) {
  Item item;
  if (!line.merge.empty()) {
    item.merge = std::make_unique<MergeItem>();
    item.merge->into = std::move(line.input.customer);
    item.merge->unless_merged = line.unless_merged;
    line.input.customer = std::move(line.merge);
  }
  item.slot = slot_of(line.input.customer);
  item.input = std::move(line.input);
  return item;
}

// Every document to an item for its shard, or to a record of the quarantine.
void Runtime::Impl::parse(Job& job, Parsed& parsed) {
  std::shared_ptr<const IntakeSchema> current;
  {
    const std::lock_guard lock(plan_mutex);
    current = schema;
  }
  thread_local Intake intake;
  const TimeMs now = clock.now();
  const IntakeOptions how{now, options.skew, job.import, job.customer, ids.get()};
  for (std::uint32_t i = 0; i < job.spans.size(); ++i) {
    IntakeLine line;
    if (job.opened.empty() || !job.opened[i].problem.set())
      intake.read(*current, job.body, job.spans[i], how, line);
    else
      line.problem = job.opened[i].problem;
    if (!line.problem.set()) {
      Item item = make_item(line);
      item.has_time = line.has_time && (job.opened.empty() || !job.opened[i].computed_time);
      item.job = &job;
      item.line = i;
      parsed.items[item.slot % options.shards].push_back(std::move(item));
      continue;
    }
    if (parsed.aside == nullptr) parsed.aside = std::make_unique<Unit>();
    SetAside aside;
    aside.record = {0, now, job.import, job.customer, line.problem.code, line.problem.field, line.problem.reason, job.received(i)};
    aside.job = &job;
    aside.line = i;
    parsed.aside->aside.push_back(std::move(aside));
    job.results[i].outcome = LineOutcome::quarantined;
    job.results[i].problem = std::make_unique<Problem>(std::move(line.problem));
  }
}

void Runtime::post_event(Input input, Attachment attachment) {
  std::vector<Input> inputs;
  inputs.push_back(std::move(input));
  post_events(std::move(inputs), std::move(attachment));
}

void Runtime::post_item(Item item, Attachment attachment) {
  if (attachment) item.attachment = std::make_unique<Attachment>(std::move(attachment));
  impl_->queued_items.fetch_add(1, std::memory_order_relaxed);
  std::vector<Item> items;
  const std::uint8_t slot = item.slot;
  items.push_back(std::move(item));
  impl_->shard_of(slot).post(std::move(items));
}

void Runtime::post_events(std::vector<Input> inputs, Attachment attachment) {
  std::vector<Item> items;
  const std::uint8_t slot = slot_of(inputs.front().customer);
  for (Input& input : inputs) {
    Item item;
    item.slot = slot;
    item.input = std::move(input);
    item.with_next = true;
    items.push_back(std::move(item));
  }
  items.back().with_next = false;
  if (attachment) items.back().attachment = std::make_unique<Attachment>(std::move(attachment));
  impl_->queued_items.fetch_add(items.size(), std::memory_order_relaxed);
  impl_->shard_of(slot).post(std::move(items));
}

// --- questions

void Runtime::ask_customer(std::string id, std::function<void(Shard&, const CustomerState*)> ask) {
  Shard& shard = impl_->shard_of(slot_of(id));
  shard.ask([this, id = std::move(id), ask = std::move(ask)](Shard& s) {
    const CustomerState* state = s.customer(id);
    if (state != nullptr && state->merged()) return ask_customer(state->merged_into(), ask);
    ask(s, state);
  });
}

void Runtime::ask_customers(std::vector<std::string> ids, std::function<void(Shard&, std::size_t, const CustomerState*)> each,
                            std::function<void()> done) {
  if (ids.empty()) return done();
  struct Asked {
    std::vector<std::string> ids;
    std::function<void(Shard&, std::size_t, const CustomerState*)> each;
    std::function<void()> done;
    std::atomic<std::size_t> left;
    void one() {
      if (left.fetch_sub(1) == 1) done();
    }
  };
  auto asked = std::make_shared<Asked>(std::move(ids), std::move(each), std::move(done));
  asked->left = asked->ids.size();
  std::vector<std::vector<std::size_t>> by_shard(impl_->options.shards);
  for (std::size_t i = 0; i < asked->ids.size(); ++i) by_shard[slot_of(asked->ids[i]) % impl_->options.shards].push_back(i);
  for (std::size_t s = 0; s < by_shard.size(); ++s) {
    if (by_shard[s].empty()) continue;
    impl_->shards[s]->ask([this, asked, indexes = std::move(by_shard[s])](Shard& shard) {
      for (const std::size_t i : indexes) {
        const CustomerState* state = shard.customer(asked->ids[i]);
        if (state != nullptr && state->merged()) {
          ask_customer(state->merged_into(), [asked, i](Shard& other, const CustomerState* whole) {
            asked->each(other, i, whole);
            asked->one();
          });
          continue;
        }
        asked->each(shard, i, state);
        asked->one();
      }
    });
  }
}

Result<void> Runtime::ask_and_wait(std::vector<std::string> ids, std::function<void(Shard&, std::size_t, const CustomerState*)> each) {
  auto all = std::make_shared<std::promise<void>>();
  std::future<void> asked = all->get_future();
  ask_customers(std::move(ids), std::move(each), [all] { all->set_value(); });
  while (asked.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) {
    if (impl_->failed) return nudge::fail(Code::unavailable, "nudge stops");
  }
  return {};
}

namespace {

struct Scan {
  std::function<void(Shard&, const CustomerState&)> each;
  std::function<void(Result<void>)> done;
  std::atomic<std::uint32_t> left;
  std::mutex mutex;
  std::optional<Error> error;
};

// One slot, then asks again for the next: intake goes on in between.
void scan_slot(const std::shared_ptr<Scan>& scan, Shard& shard, std::uint32_t slot) {
  while (slot < kSlots && !shard.owns(static_cast<std::uint8_t>(slot))) ++slot;
  if (slot < kSlots) {
    Result<void> walked =
        shard.each_customer(static_cast<std::uint8_t>(slot), [&](const CustomerState& state) { scan->each(shard, state); });
    if (walked) {
      shard.ask([scan, slot](Shard& s) { scan_slot(scan, s, slot + 1); });
      return;
    }
    const std::lock_guard lock(scan->mutex);
    if (!scan->error) scan->error = std::move(walked).error();
  }
  if (scan->left.fetch_sub(1) != 1) return;
  if (scan->error)
    scan->done(std::unexpected(*scan->error));
  else
    scan->done({});
}

}  // namespace

void Runtime::scan_customers(std::function<void(Shard&, const CustomerState&)> each, std::function<void(Result<void>)> done) {
  scan_states(
      [each = std::move(each)](Shard& shard, const CustomerState& state) {
        if (!state.merged()) each(shard, state);
      },
      std::move(done));
}

void Runtime::scan_states(std::function<void(Shard&, const CustomerState&)> each, std::function<void(Result<void>)> done) {
  auto scan = std::make_shared<Scan>();
  scan->each = std::move(each);
  scan->done = std::move(done);
  scan->left = impl_->options.shards;
  for (auto& shard : impl_->shards) shard->ask([scan](Shard& s) { scan_slot(scan, s, 0); });
}

void Runtime::digest(std::function<void(Result<std::string>, std::uint64_t)> done) {
  struct Sum {
    std::mutex mutex;
    StateDigest digest;
  };
  auto sum = std::make_shared<Sum>();
  scan_states(
      [sum](Shard& shard, const CustomerState& state) {
        CustomerState copy = state;
        const std::lock_guard lock(sum->mutex);
        sum->digest.add(copy, *shard.plan().catalog);
      },
      [sum, done = std::move(done)](Result<void> walked) {
        if (!walked)
          done(std::unexpected(std::move(walked).error()), 0);
        else
          done(sum->digest.text(), sum->digest.customers());
      });
}

RuntimeFigures Runtime::figures() const {
  Impl& impl = *impl_;
  RuntimeFigures f;
  f.now = impl.clock.now();
  f.stats = impl.committer.stats();
  f.balance = balances(f.stats);
  for (const auto& shard : impl.shards) f.shards.push_back(shard->figures());
  f.commit = impl.committer.figures();
  if (impl.delivery) f.connectors = impl.delivery->figures();
  f.queued_items = impl.queued_items.load();
  f.queued_bytes = impl.queued_bytes.load();
  f.checkpoint = impl.checkpointed.load();
  f.replayed_blocks = impl.replayed.load();
  f.reloaded_at = impl.reloaded_at.load();
  f.sweeping = impl.sweeps.load() != 0;
  for (const ShardFigures& shard : f.shards) f.slots_swept += shard.slots_swept;
  if (const auto current = plan()) f.plan = current->sequence;
  return f;
}

}  // namespace nudge::daemon
