// What gets old and leaves: finished actions, done tasks, decisions, blocks of the log, each after the time that the configuration gives it.
// Counters stay (law 7). Nothing goes that something open still needs: an action whose task is open, decisions about a customer for whom
// something older than the limit waits, blocks that a start would read.
//
// Thread-safety: start() and stop() once each; trim() from any thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/runtime/committer.h"

namespace nudge::daemon {

// 0: kept for ever.
struct RetentionOptions {
  DurationMs decisions = 0, actions = 0, tasks = 0, log = 0;
  std::chrono::milliseconds every{std::chrono::hours(1)};
  bool any() const { return decisions + actions + tasks + log != 0; }
};

struct Trimmed {
  std::uint64_t decisions = 0, actions = 0, tasks = 0, blocks = 0;
  std::uint64_t all() const { return decisions + actions + tasks + blocks; }
};

class Retention {
 public:
  // `needed`: the first block that a start would read; called on the thread of trim().
  Retention(RetentionOptions options, Store& store, LogicalClock& clock, Committer& committer, std::function<std::uint64_t()> needed);
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
  Result<std::uint64_t> trim_tasks(TimeMs before);
  Result<std::uint64_t> trim_decisions(const Open& open, TimeMs before);
  Result<std::uint64_t> trim_log(TimeMs before);
  Result<void> take(const Keys& keys);

  const RetentionOptions options_;
  Store& store_;
  LogicalClock& clock_;
  Committer& committer_;
  const std::function<std::uint64_t()> needed_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace nudge::daemon
