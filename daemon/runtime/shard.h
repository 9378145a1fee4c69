// A shard: one thread that owns a part of the customers (law 5). It takes inputs in, fires timers, answers questions about its customers,
// and hands everything that must reach the disk to the committer as units, in order.
//
// Thread-safety: post(), ask(), set_plan(), checkpoint(), sweep(), stop() and figures() from any thread; replay() before start().
// Everything under "shard thread" only from there.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "daemon/runtime/clock.h"
#include "daemon/runtime/log_block.h"
#include "daemon/runtime/state_cache.h"
#include "daemon/runtime/unit.h"
#include "engine/model/customer_head.h"

namespace nudge {
class RuledOut;
}

namespace nudge::daemon {

class Committer;

struct ShardOptions {
  std::uint32_t index = 0;
  std::uint32_t shards = 1;               // slot s belongs to shard s % shards
  std::size_t memory_bytes = 256U << 20;  // of states in memory, decoded or packed
  std::size_t items_per_drain = 4096;
  std::size_t portion_bytes = 256U << 10;  // of checkpointed states in one unit, at least; more when much comes in
};

// For the status page; all as of the last turn of the shard's loop.
struct ShardFigures {
  std::uint64_t customers_hot = 0;      // in memory
  std::uint64_t customers_decoded = 0;  // … of them ready to be judged
  std::uint64_t bytes = 0;
  std::uint64_t dirty = 0;
  std::uint64_t queued = 0;
  std::uint64_t timers_hot = 0;
  TimeMs next_due = kNever;
  TimeMs turned_at = 0;
  std::uint64_t slots_swept = 0;  // of slots_owned
  std::uint64_t slots_owned = 0;
  std::uint64_t loads = 0;
  std::uint64_t evictions = 0;
};

class Shard {
 public:
  // `failed` is told once when the shard can't go on (a damaged record); the process is expected to stop.
  Shard(ShardOptions options, Store& store, LogicalClock& clock, Committer& committer, std::function<void(Error)> failed);
  ~Shard();

  // Before start(): takes items that belong to another customer now, or that are to be asked about (merges).
  void use_forward(std::function<void(std::vector<Item>)> forward) { forward_ = std::move(forward); }
  // Before replay(): the newest plan there is. Its catalog reads every record, whatever plan an entry was decided under.
  void use_for_records(std::shared_ptr<const Plan> newest) { plan_ = std::move(newest); }
  // Recovery, before start(): steps one entry of the log again unless the state has it already.
  Result<void> replay(LogEntry& entry, const std::shared_ptr<const Plan>& plan);
  // … and before a portion of them: reads the records of their customers, in the order of the disk.
  Result<void> prefetch(std::span<const LogEntry> entries);
  void start(std::shared_ptr<const Plan> plan);
  // Finishes what was posted and ends the thread.
  void stop();

  void post(std::vector<Item> items);
  // Runs `question` on the shard's thread between two drains.
  void ask(std::function<void(Shard&)> question);
  // The plan to use from the next drain on.
  void set_plan(std::shared_ptr<const Plan> plan);
  // Writes every state that has changed before this call; `done` runs on the committer's thread once they are committed.
  void checkpoint(std::function<void()> done);
  // Brings all customers to the current plan in portions; `done` as above.
  void sweep(std::function<void()> done);
  // At start: every customer was brought to this plan already.
  void swept(std::shared_ptr<const Plan> plan);
  ShardFigures figures() const;

  // --- shard thread ---
  const Plan& plan() const { return *plan_; }
  std::shared_ptr<const Plan> plan_pointer() const { return plan_; }
  Engine& engine() { return engine_; }
  TimeMs now() { return clock_.now(); }
  std::uint32_t index() const { return options_.index; }
  bool owns(std::uint8_t slot) const { return slot % options_.shards == options_.index; }
  // The customer's state, brought to the current plan; null when never heard of.
  const CustomerState* customer(std::string_view id);
  // Every customer of a slot, hot or cold, in no order. Cold ones are decoded and not kept.
  // Ids of customers that have no record on disk yet, in no order.
  void unwritten_customers(const std::function<void(std::string_view id)>& each) const;
  Result<void> each_customer(std::uint8_t slot, const std::function<void(const CustomerState&)>& each);
  // The change is made behind everything in the log that the states have in them, and before everything that they will have.
  void mark(Change change);

 private:
  struct ColdTimer {
    TimeMs due;
    std::string customer;
    bool operator<(const ColdTimer& other) const { return due > other.due || (due == other.due && customer > other.customer); }
  };
  struct Checkpoint {
    std::uint64_t generation;
    std::function<void()> done;
    std::uint32_t slot = 0;  // those below are written
  };

  void run();
  void wait_for_work();
  bool turn();
  void take_in(TimeMs now);
  void step_customer(CacheEntry& entry, TimeMs now);
  void finish_item(Item& item, Receipt receipt);
  bool take_merges(CacheEntry& entry, TimeMs now);
  void take_merge(CacheEntry& entry, Item& item, TimeMs now);
  void merge_away(CacheEntry& entry, Item& item, TimeMs now);
  void absorb_portion(CacheEntry& entry, Item& item, TimeMs now);
  void erase_all(CacheEntry& entry, Item& item, TimeMs now);
  void set_aside_conflict(const Input& input, std::string_view alias, TimeMs now);
  Result<void> replay_absorb(CacheEntry& entry, const LogEntry& log, const Plan& plan);
  void fire_timers(TimeMs now);
  void refill_cold_timers(TimeMs now);
  bool load_due_cold(TimeMs now);
  bool committer_lags() const;
  std::size_t portion() const;
  void advance_entry(CacheEntry& entry, TimeMs now);
  void reconcile_entry(CacheEntry& entry);
  bool reconcile(CustomerState& state, Effects& effects);
  bool write_dirty(std::uint8_t slot, std::uint64_t generation);
  void changed(CacheEntry& entry, Effects&& effects);
  void count_gone_members(const CustomerState& state);
  void checkpoint_portion();
  void sweep_portion();
  void end_sweep();
  Result<void> sweep_records(std::uint8_t slot, std::size_t& left);
  bool concerns(std::string_view record);
  bool concerns(const CustomerState& state) const;
  void evict();
  void write_state(CacheEntry& entry);
  bool soon_packed(const CacheEntry& entry) const;
  void flush();
  void report();

  CacheEntry* load(std::uint8_t slot, std::string_view customer, bool create);
  Result<void> load_many(std::span<CacheEntry* const> entries);
  Result<void> fill(CacheEntry& entry, const std::optional<std::string>& record);
  // Makes a packed state ready to be judged.
  Result<void> unpack(CacheEntry& entry);
  Result<CustomerState> read_record(std::string_view id, std::string_view record) const;
  void know_due(CacheEntry& entry, const CustomerState& state);
  void pack_oldest();
  // Warming up: see shard_warm.cpp.
  void warm_portion();
  void forget(CacheEntry* entry);
  void fail_with(Error error);

  const ShardOptions options_;
  Store& store_;
  LogicalClock& clock_;
  Committer& committer_;
  const std::function<void(Error)> failed_;
  std::function<void(std::vector<Item>)> forward_;

  // Shard thread only.
  std::shared_ptr<const Plan> plan_;
  Engine engine_;
  StateCache cache_;
  TimerHeap<CacheEntry> timers_;
  std::priority_queue<ColdTimer> cold_timers_;
  std::array<TimeMs, kSlots> horizon_{};  // cold timers of the slot are in cold_timers_ up to here
  TimeMs next_refill_ = kAlways;
  TimeMs refill_until_ = kAlways;
  std::uint32_t refill_slot_ = kSlots;  // being read; kSlots: none
  std::string refill_from_;             // the key in it to go on from; empty: from its horizon
  // Of each slot, customers with a record who are not in memory, once warming up has been through it.
  static constexpr std::uint32_t kUnknownCold = 0xffffffff;
  std::array<std::uint32_t, kSlots> cold_{};
  std::uint32_t warm_slot_ = 0;  // being read into memory; kSlots: none any more
  std::string warm_cursor_;      // the key in it to go on from; empty: from its start
  bool warm_whole_ = true;       // nobody of it left memory meanwhile
  std::size_t taken_ = 0;               // items of this turn
  std::vector<Item> items_;             // of the drain under way
  std::vector<std::uint32_t> hashes_;   // of their customers
  std::vector<Item> forwarded_;         // leave after the flush: what sent them away is then ahead of them on its way to disk
  std::vector<Item> deferred_;          // for customers that were judged in this millisecond already
  std::vector<CacheEntry*> touched_, missing_;
  std::vector<std::pair<std::uint64_t, CacheEntry*>> writing_;  // with the leading bytes of the id
  std::vector<Input> inputs_;
  std::vector<Receipt> receipts_;
  std::vector<const Input*> stored_;
  std::string record_;                      // being encoded
  LeanVector<Membership> members_before_;  // a reconcile
  LeanVector<Wake> wakes_before_;
  Effects effects_;
  std::unique_ptr<Unit> unit_;
  std::uint64_t unit_number_ = 0;
  std::uint64_t generation_ = 1;
  std::deque<Checkpoint> checkpoints_;
  bool sweeping_ = false;
  std::shared_ptr<const Plan> brought_;     // the plan that every customer has been brought to by a sweep; null: not known
  std::shared_ptr<const Plan> sweep_plan_;  // the plan of the sweep under way, …
  std::unique_ptr<RuledOut> ruled_out_;     // … and what it adds to brought_, when it does nothing else; null otherwise
  CustomerState head_;                      // scratch
  CustomerGlance glance_;
  std::uint32_t sweep_slot_ = 0;
  std::string sweep_cursor_;
  std::vector<std::function<void()>> sweep_done_;
  std::uint64_t loads_ = 0, evictions_ = 0;
  bool broken_ = false;

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Item> queue_;
  std::deque<std::function<void(Shard&)>> questions_;
  std::shared_ptr<const Plan> next_plan_;
  bool stopping_ = false;
  ShardFigures figures_;

  std::thread thread_;
};

}  // namespace nudge::daemon
