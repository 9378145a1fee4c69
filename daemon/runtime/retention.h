// What gets old and leaves: finished actions, done tasks, decisions, blocks of the log, each after the time that the configuration gives it; and
// out of the blocks the events of the types that the catalog keeps for a time (docs/decisions/keep.md).
// Counters stay (law 7). Nothing goes that something open still needs: an action whose task is open, decisions about a customer for whom
// something older than the limit waits, blocks that a start would read.
//
// Thread-safety: start() and stop() once each; trim() from any thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/runtime/committer.h"

namespace nudge::daemon {

// 0: kept for ever.
struct RetentionOptions {
  DurationMs decisions = 0, actions = 0, tasks = 0, log = 0, quarantine = 0;
  std::chrono::milliseconds every{std::chrono::hours(1)};
};

struct Trimmed {
  std::uint64_t decisions = 0, actions = 0, tasks = 0, blocks = 0;
  std::uint64_t quarantine = 0;  // records that still waited there, and copies of those that somebody gave up
  std::uint64_t events = 0;      // out of blocks that stay
  std::uint64_t all() const { return decisions + actions + tasks + blocks + quarantine + events; }
};

// How far the log is clean of the events of a type: blocks before `next` have none any more.
struct KeptLog {
  std::map<EventTypeId, std::uint64_t> next;
  std::uint64_t changed = 0;  // the last block that lost something; 0: none has
  std::uint64_t dirty_from = 0, dirty_to = 0;  // changed blocks whose files are not rewritten yet; 0: none
  TimeMs files_at = kAlways;  // when the customers' records were last rewritten for it
};
Result<KeptLog> read_kept_log(const Store& store);

class Retention {
 public:
  // Takes a record out of the quarantine unless somebody is at it, and counts it as expired; told once that is on disk. Any thread.
  using Expire = std::function<void(std::uint64_t record, std::function<void(Result<void>)> done)>;
  // `needed`: the first block that a start would read; `plan`: the one in force. Called on the thread of trim().
  Retention(RetentionOptions options, Store& store, LogicalClock& clock, Committer& committer, std::function<std::uint64_t()> needed,
            std::function<std::shared_ptr<const Plan>()> plan, Expire expire);
  ~Retention() { stop(); }
  void start();
  void stop();
  // Takes off what is too old by now, and lets the disk have its room back.
  Result<Trimmed> trim();

 private:
  struct Open;
  using Keys = std::vector<std::pair<Family, std::string>>;
  void run();
  bool ending() const;
  Result<Open> what_is_open() const;
  Result<std::uint64_t> trim_actions(const Open& open, TimeMs before);
  Result<void> add_action_keys(const ActionRecord& record, std::string_view id, Keys& keys) const;
  Result<std::uint64_t> trim_tasks(TimeMs before);
  Result<std::uint64_t> trim_decisions(const Open& open, TimeMs before);
  Result<std::uint64_t> trim_quarantine(TimeMs before);
  Result<std::uint64_t> trim_given_up(TimeMs before);
  Result<std::uint64_t> trim_log(TimeMs before);
  Result<std::uint64_t> trim_events(TimeMs now);
  Result<std::uint64_t> trim_events_of(const std::set<EventTypeId>& types, TimeMs before, std::uint64_t needed, KeptLog& kept);
  Result<void> save(const KeptLog& kept);
  // Off goes what is under the keys, and what `more` says besides, on the committer's thread.
  Result<void> take(const Keys& keys, const std::function<Result<void>(WriteSet&)>& more = nullptr);
  Result<void> keep_task_alone(WriteSet& set, std::string_view id) const;
  Result<void> keep_action_alone(WriteSet& set, std::string_view key) const;

  const RetentionOptions options_;
  Store& store_;
  LogicalClock& clock_;
  Committer& committer_;
  const std::function<std::uint64_t()> needed_;
  const std::function<std::shared_ptr<const Plan>()> plan_;
  const Expire expire_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace nudge::daemon
