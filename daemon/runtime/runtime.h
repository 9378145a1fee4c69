// The runtime: everything between intake and the outside world, behind one door. Owns the shards, the committer, delivery and the plans.
//
// Order of life: open() recovers; activate() or use_stored_plan() gives it a plan; start(); … stop().
// Thread-safety: from start() to stop() every function may be called from any thread, reload() by one at a time. Callbacks run on threads
// of the runtime and must not block.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/runtime/clock.h"
#include "daemon/runtime/committer.h"
#include "daemon/runtime/delivery.h"
#include "daemon/runtime/erasure.h"
#include "daemon/runtime/plan_store.h"
#include "daemon/runtime/retention.h"
#include "daemon/runtime/shard.h"
#include "daemon/runtime/versions.h"

namespace nudge::daemon {

struct RuntimeOptions {
  std::uint32_t shards = 2;
  std::size_t memory_bytes = 512U << 20;    // of decoded customer states
  std::uint64_t queue_items_max = 400'000;  // taken in and not yet on disk; beyond it intake says "later"
  std::uint64_t queue_bytes_max = 256U << 20;
  std::size_t documents_max = 100'000;             // of one request
  std::uint64_t quarantine_entries_max = 100'000;  // open records; beyond it requests with something that does not fit are refused
  std::uint64_t quarantine_bytes_max = 256U << 20;
  DurationMs skew = 5 * kMinute;
  DurationMs checkpoint_interval = 10 * kSecond;
  // Also once each shard has worked this long since the last one, so that the work after a crash is bounded whatever the load was.
  DurationMs checkpoint_work = 4 * kSecond;
  // Opens a message again that a door handed in and that was set aside (Job::opened); called on any thread.
  std::function<Result<std::vector<DoorDocument>>(const IntakeSchema& schema, std::string_view kept, TimeMs received)> reopen;
  DeliveryOptions delivery;
  std::vector<std::string> send_only_to;  // test mode; empty: none
  ErasureLedger erasures;
  RetentionOptions retention;
};

struct PlanChange {
  bool changed = false;  // false: the texts are what runs already
  std::uint64_t sequence = 0;
  doc::Diagnostics diagnostics;  // of a refused set, or warnings of an accepted one
  std::string error;             // why it was refused, apart from the diagnostics
  bool accepted() const { return error.empty() && diagnostics.ok(); }
};

struct RuntimeFigures {
  TimeMs now = 0;
  StatsDelta stats;
  std::vector<Balance> balance;
  std::vector<ShardFigures> shards;
  CommitFigures commit;
  std::vector<ConnectorFigures> connectors;
  std::uint64_t queued_items = 0;
  std::uint64_t queued_bytes = 0;
  std::uint64_t checkpoint = 0;
  std::uint64_t plan = 0;
  bool sweeping = false;
  std::uint64_t slots_swept = 0;
  std::uint64_t replayed_blocks = 0;  // at the last start
  TimeMs reloaded_at = 0;
};

// What a replay of the whole log gives.
struct ReplayDigest {
  std::string digest;        // as Runtime::digest
  std::string live;          // of a running daemon's states, each at the very point of the log up to which `digest` has it; empty: none run
  bool same_states = false;  // … they know and decided the same; until when they wait is another release's choice, too
  std::uint64_t customers = 0;
  std::uint64_t blocks = 0;
  std::uint64_t entries = 0;    // steps of customers
  std::uint64_t decisions = 0;  // stored
  bool same_decisions = false;  // deciding again gave the stored ones
};

class Tasks;

class Runtime {
 public:
  // Recovers what the store holds. `fatal` is told when nothing can go on (law 2); the process is then to exit with an error.
  static Result<std::unique_ptr<Runtime>> open(RuntimeOptions options, Store& store, Clock& clock, std::function<void(const Error&)> fatal);
  ~Runtime();

  // True when the data directory has a plan from before.
  bool has_stored_plan() const;
  // Compiles and, when there are no mistakes, puts the plan into force: all or nothing. Before start() and after (reload).
  // `note`: who did it and why. `base`: 0, or the sequence that must still be in force (conflict when it is not).
  Result<PlanChange> activate(const PlanSources& sources, const PlanNote& note = {}, std::uint64_t base = 0);
  // Goes on with the plan that was in force last. Before start().
  Result<void> use_stored_plan();
  Result<void> start();
  // Finishes what was taken in, waits up to `deadline` for deliveries under way, writes a last checkpoint. Idempotent.
  void stop(std::chrono::milliseconds deadline);

  // Takes a request in. On an error (unavailable: queue full or no space; invalid, too_large: the frame) nothing was taken in and the job
  // is dropped. Otherwise job->done is called once, after everything in it is on disk or set aside on disk.
  Result<void> ingest(std::unique_ptr<Job> job, Framing framing);
  // An input that nudge itself makes, with a change that is committed together with it.
  void post_event(Input input, Attachment attachment);
  // All of one customer, and at least one; they stay in one batch. The attachment goes with the last.
  void post_events(std::vector<Input> inputs, Attachment attachment);

  // Runs `ask` on the shard of the customer; the state is null when the customer was never heard of. An id that was merged stands for the
  // customer that it became.
  void ask_customer(std::string id, std::function<void(Shard&, const CustomerState*)> ask);
  // The same for many at once, one question to each shard: `each` is told which of `ids` it is; `done` once all were asked. Several at once.
  void ask_customers(std::vector<std::string> ids, std::function<void(Shard&, std::size_t index, const CustomerState*)> each,
                     std::function<void()> done);
  // The same, waited for. `each` may run after this has answered `unavailable` (nudge stops): it owns what it uses. Not on a shard's thread.
  Result<void> ask_and_wait(std::vector<std::string> ids, std::function<void(Shard&, std::size_t index, const CustomerState*)> each);
  // Runs `each` on every customer, on the shards' threads (with the shard's index, several at once), slot by slot between drains; then
  // `done` once.
  void scan_customers(std::function<void(Shard&, const CustomerState&)> each, std::function<void(Result<void>)> done);

  // The texts of a version; 0: of the one in force. Not found when there is none.
  Result<PlanSources> plan_sources(std::uint64_t sequence);
  // A compiled plan bound as it would be if it were activated now; changes nothing.
  Result<std::shared_ptr<const Plan>> preview(const Plan& plan);
  // All versions from the oldest on. Those before versions were recorded are left out.
  Result<std::vector<PlanVersion>> versions();
  // The plan that was in force at an instant; the oldest recorded one for those before it.
  Result<std::shared_ptr<const Plan>> plan_at(TimeMs at);
  // The one in force; nothing when it was not recorded.
  Result<std::optional<PlanVersion>> version_in_force() const;

  // Reads every customer's state as it is on disk, after a checkpoint: all that was acknowledged before the call is in. One view of the
  // store, on threads of its own beside the running shards, which it does not stop. `each` gets the number of its thread and a state that
  // it may use up. `progress` gets the part done, 0 to 1, and ends the reading (error unavailable) by answering false. Blocks.
  using EachState = std::function<void(unsigned thread, CustomerState&)>;
  Result<void> read_states(const Catalog& catalog, unsigned threads, const EachState& each, const std::function<bool(double)>& progress);

  // Ids of customers that start with `prefix` and come after `after`, the `limit` smallest, ascending. Goes by keys: no state is read.
  // `total`, when asked for, counts all with the prefix (that walks over all their keys). Everything acknowledged before the call is in.
  // Blocks.
  struct CustomerIds {
    std::vector<std::string> ids;
    std::optional<std::uint64_t> total;
  };
  Result<CustomerIds> customer_ids(const std::string& prefix, const std::string& after, std::size_t limit, bool total);

  // Puts a record of the quarantine through intake again; it leaves the quarantine when it is stored. The problem when it still does not
  // fit.
  void replay_quarantined(std::uint64_t number, std::function<void(Result<Problem>)> done);
  void discard_quarantined(std::uint64_t number, std::string reason, std::function<void(Result<void>)> done);

  // Asks every shard for a checkpoint and waits until it is written.
  Result<void> checkpoint();

  Delivery& delivery();
  Tasks& tasks();
  Eraser& eraser();
  Retention& retention();
  Gate& gate();
  // One change of the books, from any thread; `done` is told once it is on disk, or that it may not be.
  void change(Change change, std::function<void(const Error*)> done);
  Store& store();
  // The newest block of the log that is on disk.
  std::uint64_t last_block() const;
  std::shared_ptr<const Plan> plan() const;
  // The catalog in force, as intake reads by it.
  std::shared_ptr<const IntakeSchema> schema() const;
  TimeMs now();
  RuntimeFigures figures() const;
  StatsDelta stats() const;
  // What it was hour by hour, for hours that begin in [from, to), and the sums at the same moment.
  struct Series {
    StoredSeries stored;
    StatsDelta sums;
  };
  Result<Series> series(TimeMs from, TimeMs to) const;
  // Why intake is closed (no space, poisoned, stopping); empty: open.
  std::string refusal() const;
  const RuntimeOptions& options() const;
  // A digest of every customer's state: equal for equal states, whatever machine and history of restarts. For the crash test.
  void digest(std::function<void(Result<std::string>, std::uint64_t customers)> done);
  // The same from the log alone, stepped anew in memory from the first block on, and compared with the states at the same point, however
  // much comes in meanwhile. Slow; blocks the caller, and a reload meanwhile. Error: conflict (the log is not whole, or is being
  // rewritten).
  Result<ReplayDigest> replay_digest();

 private:
  // As scan_customers, with those ids too that are other names of a customer.
  void scan_states(std::function<void(Shard&, const CustomerState&)> each, std::function<void(Result<void>)> done);
  void post_item(Item item, Attachment attachment);
  struct Marked;  // see replay_digest()
  void mark_slot(const std::shared_ptr<Marked>& marked, const std::shared_ptr<const Plan>& plan, std::uint32_t slot);
  struct Impl;
  explicit Runtime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace nudge::daemon
