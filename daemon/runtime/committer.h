// The committer: one thread that takes all units that are there, lets the desk settle what was decided, numbers it, writes ONE synced batch
// and only then completes the requests (law 2). Everything the runtime writes goes through here, in order.
//
// When a commit fails, nothing is known about it: the requests of the batch and all later ones are completed as such, `fatal` is told, and
// nothing is written any more. The process is expected to exit.
//
// Thread-safety: push(), stats(), figures(), committed() from any thread. Hooks and callbacks run on the committer's thread.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "daemon/runtime/clock.h"
#include "daemon/runtime/meta.h"
#include "daemon/runtime/series.h"
#include "daemon/runtime/unit.h"

namespace nudge::daemon {

inline constexpr std::uint32_t kShardsMax = 64;

struct CommitHooks {
  std::function<void(const Error&)> fatal;
  // New actions that wait to be delivered, once they are on disk.
  std::function<void(const ActionRecord&)> action;
  // News about tasks and approvals that are on disk, to be stored with their customers; when the next clock of one strikes (after each batch that
  // touched any, and at start()).
  std::function<void(News)> news;
  std::function<void(TimeMs)> work_due;
  // Actions that a policy dropped: the rules are to hear of them.
  std::function<void(const ActionRecord&)> held;
  // What people have set, or the brake has stopped, is another from now on; also once at start().
  std::function<void(std::shared_ptr<const Controls>)> controls;
  // `items` inputs have left the runtime.
  std::function<void(std::uint64_t items)> left;
};

struct CommitFigures {
  std::uint64_t commits = 0;
  std::uint64_t units = 0;
  std::uint64_t queued_units = 0;
  std::uint64_t queued_bytes = 0;
  std::uint64_t last_block = 0;
  std::uint64_t last_commit_us = 0;
  bool failed = false;
};

class Committer {
 public:
  Committer(Store& store, LogicalClock& clock, CommitHooks hooks);
  ~Committer();

  // Before start(): where the last run left off.
  void restore(StoredStats stats, OpenSeries series, Desk desk);
  void start();
  // Commits what was pushed, writes the sums and ends the thread.
  void stop();

  // Hands a unit over. Waits while more than 64 MiB are queued. Not from the committer's own thread when it may be full; changes from there
  // go through push_unbounded().
  void push(std::unique_ptr<Unit> unit);
  void push_unbounded(std::unique_ptr<Unit> unit);
  // One change on its own; `done` is told once it is on disk, or that it may not be.
  void change(Change change, std::function<void(const Error*)> done = nullptr);
  // change(), waited for. Not from the committer's thread.
  Result<void> change_and_wait(Change change);

  // On the committer's thread: something that a batch needs can't be read. It is not written, nor is anything after it.
  void cannot_go_on(Error error) { failure_ = std::move(error); }

  // Units of the shard below this number are on disk.
  std::uint64_t committed(std::uint32_t shard) const { return committed_[shard].load(std::memory_order_acquire); }
  // Processor time that went into the entries of the log committed since the start: what a recovery without a checkpoint in between would
  // have to spend again.
  std::uint64_t work_ns() const { return work_ns_.load(std::memory_order_relaxed); }
  std::uint64_t last_block() const { return last_block_.load(std::memory_order_acquire); }
  StatsDelta stats() const;
  // The sums, and the hours that are not stored yet, as of one batch.
  std::pair<StatsDelta, SeriesHours> stats_and_hours() const;
  CommitFigures figures() const;

 private:
  struct Batch;
  void run();
  void put_together(Batch& batch);
  void settle(Unit& unit, Batch& batch);
  void add_action(const Plan& plan, ActionOut action, Batch& batch);
  void add_held(HeldAction held, Batch& batch);
  void keep_work(WorkOut& work, Batch& batch);
  void ask_first(const Plan& plan, ActionOut action, Batch& batch);
  void keep_approvals(ApprovalOut& out, Batch& batch);
  void gather(ActionRecord& record, Batch& batch);
  void keep_digests(DigestOut& out, Batch& batch);
  TimeMs work_due() const { return std::min({desk_.next_clock(), desk_.approvals().next(), desk_.digests().next()}); }
  void act_on_leads(const Plan& plan, ActionRecord& record, Batch& batch, WorkOut& work);
  void keep_action(const ActionRecord& record, Batch& batch);
  void set_aside(Unit& unit, Batch& batch);
  void complete(Batch& batch, const Error* failure);

  Store& store_;
  LogicalClock& clock_;
  const CommitHooks hooks_;
  std::array<std::atomic<std::uint64_t>, kShardsMax> committed_{};
  std::atomic<std::uint64_t> last_block_{0};
  std::atomic<std::uint64_t> work_ns_{0};

  // Committer's thread only.
  Desk desk_;
  TimeMs latest_ = kAlways;
  TimeMs stats_written_ = 0;  // an instant to reckon with: kAlways would wrap
  std::shared_ptr<const Controls> controls_ = std::make_shared<const Controls>();  // as last told
  bool stats_dirty_ = false;
  std::string block_;
  std::optional<Error> failure_;

  mutable std::mutex stats_mutex_;
  StatsDelta stats_;   // written by the committer's thread alone
  OpenSeries series_;  // the same

  mutable std::mutex mutex_;
  std::condition_variable wake_, room_;
  std::deque<std::unique_ptr<Unit>> queue_;
  std::uint64_t queued_bytes_ = 0;
  bool stopping_ = false;
  CommitFigures figures_;

  std::thread thread_;
};

}  // namespace nudge::daemon
