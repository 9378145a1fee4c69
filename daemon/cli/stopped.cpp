// The data directory of a nudged that does not run: its log decided again, and rules tried on its history. Nothing in it is changed.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "daemon/app/draft_request.h"
#include "daemon/cli/commands.h"
#include "daemon/cli/draft.h"
#include "daemon/cli/words.h"
#include "daemon/runtime/offline.h"
#include "engine/simulate/backtest_report.h"

namespace nudge::cli {

Exit replay_stopped(const Output& out, const ReplayOptions& options) {
  if (!options.digest) return report(out, {Code::invalid, say("--data-dir goes with --digest")});
  const auto log = daemon::replay_stopped(options.data_dir, {});
  if (!log) return report(out, log.error());
  const daemon::ReplayDigest& d = log->digest;
  if (out.json) {
    out.terminal.line("{\"digest\":\"" + d.digest + "\",\"same_decisions\":" + (d.same_decisions ? "true" : "false") +
                      ",\"blocks\":" + std::to_string(d.blocks) + ",\"customers\":" + std::to_string(d.customers) +
                      ",\"decisions\":" + std::to_string(d.decisions) + "}");
  } else {
    const auto n = [](std::uint64_t count) { return static_cast<std::int64_t>(count); };
    out.terminal.line(d.digest);
    out.terminal.error(counted(n(d.blocks), "block") + ", " + counted(n(d.customers), "customer") + ", " +
                       counted(n(d.decisions), "decision") + ": " +
                       (d.same_decisions ? say("decided again as they were") : say("NOT as they were decided; please report this")));
  }
  return d.same_decisions ? Exit::ok : Exit::failed;
}

Result<std::string> backtest_stopped(const BacktestCommand& command) {
  std::vector<CustomerState> states;
  NUDGE_ASSIGN(const daemon::OfflineLog log,
               daemon::replay_stopped(command.data_dir, [&](const CustomerState& state) { states.push_back(state); }));
  std::ranges::sort(states, {}, &CustomerState::id);
  NUDGE_ASSIGN(const DraftFiles files, read_draft(command.draft, command.schemas));
  NUDGE_ASSIGN(daemon::DraftRequest draft, daemon::read_draft_request("{" + draft_members(files) + "}", log.sources));
  draft.sources.connectors.clear();  // which are configured, only the daemon's configuration says
  const daemon::CompiledPlan compiled = daemon::compile_plan(draft.sources, log.plan->catalog.get());
  if (compiled.plan == nullptr)
    return fail(Code::invalid,
                say("the rules have mistakes") + "\n" + (compiled.error.empty() ? doc::render_text(compiled.diagnostics) : compiled.error));
  BacktestOptions options;
  NUDGE_ASSIGN(options.from, read_instant(command.from));
  for (const CustomerState& state : states) options.to = std::max(options.to, state.clock + 1);
  if (!command.to.empty()) {
    NUDGE_ASSIGN(options.to, read_instant(command.to));
  }
  // Nobody's history goes on after the present, as with a daemon.
  const auto present = std::chrono::system_clock::now().time_since_epoch();
  options.now = std::chrono::duration_cast<std::chrono::milliseconds>(present).count();
  options.to = std::min(options.to, options.now);
  NUDGE_ASSIGN(const BacktestSetup setup, prepare_backtest(*compiled.plan, log.plan.get(), command.rules, options));
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::vector<BacktestPart> parts;
  const auto work = [&] {
    BacktestWorker worker(setup);
    for (std::size_t i = next.fetch_add(1); i < states.size(); i = next.fetch_add(1)) worker.customer(states[i]);
    const std::lock_guard lock(mutex);
    parts.push_back(worker.take());
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  return backtest_json(finish_backtest(setup, std::move(parts)));
}

}  // namespace nudge::cli
