// The inside of Runtime. Private to this folder.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "daemon/runtime/merger.h"
#include "daemon/runtime/runtime.h"
#include "daemon/runtime/tasks.h"

namespace nudge::daemon {

// A request taken apart: items by shard, and what is set aside (null: nothing).
struct Parsed {
  std::vector<std::vector<Item>> items;
  std::unique_ptr<Unit> aside;
};

// The item that a document makes; takes the line's content.
Item make_item(IntakeLine& line);

struct Runtime::Impl {
  Impl(RuntimeOptions options_in, Store& store_in, Clock& clock_in, TimeMs floor, std::function<void(const Error&)> fatal_in);

  Result<void> recover();
  Result<void> load_desk(Desk& desk);
  Result<void> replay_tail(std::uint64_t checkpoint, StoredStats& stats, OpenSeries& series);
  Shard& shard_of(std::uint8_t slot) { return *shards[slot % options.shards]; }
  void parse(Job& job, Parsed& parsed);
  Problem read_again(const IntakeSchema& current, QuarantineRecord record, std::vector<Item>& items);
  void publish(std::shared_ptr<const Plan> plan);
  void start_sweep();
  void checkpoint_loop();
  Result<void> checkpoint_now();
  void fail(const Error& error);

  const RuntimeOptions options;
  Store& store;
  LogicalClock clock;
  const std::function<void(const Error&)> fatal;
  std::atomic<bool> failed{false};

  Gate gate;
  Committer committer;
  std::vector<std::unique_ptr<Shard>> shards;
  PlanStore plans;
  std::unique_ptr<Delivery> delivery;
  std::unique_ptr<Tasks> tasks;
  std::unique_ptr<IdSource> ids;
  std::unique_ptr<Merger> merger;
  Result<void> resume_merges();
  std::unique_ptr<Eraser> eraser;
  std::unique_ptr<Retention> retention;
  Result<void> make_eraser();

  std::atomic<std::uint64_t> queued_items{0};
  std::atomic<std::uint64_t> queued_bytes{0};
  std::atomic<std::uint64_t> checkpointed{0};
  std::atomic<std::uint64_t> work_checkpointed{0};  // of committer.work_ns(), at the last checkpoint
  std::atomic<std::uint64_t> replayed{0};
  std::atomic<TimeMs> reloaded_at{0};
  std::atomic<std::uint32_t> sweeps{0};  // shards that are still sweeping
  bool started = false, shards_run = false, stopped = false;

  mutable std::mutex plan_mutex;
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<const IntakeSchema> schema;
  std::mutex reload_mutex;

  // Quarantine records with a replay or discard under way: a second one has to wait, or both would count.
  bool claim(std::uint64_t record) {
    const std::lock_guard lock(claims_mutex);
    return claims.insert(record).second;
  }
  void release(std::uint64_t record) {
    const std::lock_guard lock(claims_mutex);
    claims.erase(record);
  }
  void take_out(std::uint64_t number, std::optional<std::string> reason, std::function<void(Result<void>)> done);
  std::mutex claims_mutex;
  std::set<std::uint64_t> claims;

  std::mutex loop_mutex;
  std::condition_variable loop_wake;
  bool ending = false;
  std::thread checkpoint_thread;
  std::mutex checkpoint_mutex;  // one at a time
};

}  // namespace nudge::daemon
