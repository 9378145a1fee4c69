// Backtests under way and done: each runs on threads of its own over one view of the store; the last ones are kept in memory.
// Thread-safety: every function from any thread. Ownership: refers to the Runtime, which must outlive it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "daemon/runtime/runtime.h"
#include "engine/simulate/backtest_report.h"

namespace nudge::daemon {

class Backtests {
 public:
  static constexpr std::size_t kUnderWay = 2, kKept = 16;

  Backtests(Runtime& runtime, unsigned threads) : runtime_(runtime), threads_(threads) {}
  ~Backtests() { stop(); }
  // Cancels what is under way and waits for it. Idempotent; to be called before the runtime stops.
  void stop();

  // Starts one and answers its id. `catalog` reads the stored states: the draft's. Error: unavailable, when two are under way.
  Result<std::string> start(BacktestSetup setup, std::shared_ptr<const Catalog> catalog);
  // {"id","state","progress","took_ms","events_per_second","error","report"}; nothing when there is no such id (or no more).
  std::optional<std::string> show(const std::string& id, bool with_report);
  // All of them, the newest first, without reports.
  std::string list();
  // Cancels one under way; forgets one that is done. False: no such id.
  bool cancel(const std::string& id);

 private:
  struct Run {
    std::string id;
    TimeMs from = 0, to = 0;
    std::atomic<double> progress{0};
    std::atomic<bool> cancel{false}, done{false};
    // Written before `done`.
    std::optional<Error> error;
    std::string report;
    std::int64_t took_ms = 0;
    std::uint64_t events = 0;
    std::thread thread;
  };
  void work(Run& run, const BacktestSetup& setup, const Catalog& catalog);
  static void write(std::string& out, const Run& run, bool with_report);
  void forget_old();

  Runtime& runtime_;
  const unsigned threads_;
  std::mutex mutex_;
  std::map<std::uint64_t, std::unique_ptr<Run>> runs_;
  std::uint64_t last_ = 0;
};

}  // namespace nudge::daemon
