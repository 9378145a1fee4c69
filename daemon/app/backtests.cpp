#include "daemon/app/backtests.h"

#include <charconv>
#include <chrono>

#include "daemon/app/json.h"

namespace nudge::daemon {
namespace {

std::uint64_t number_of(const std::string& id) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), n);
  return error == std::errc() && end == id.data() + id.size() ? n : 0;
}

}  // namespace

void Backtests::stop() {
  const std::lock_guard lock(mutex_);
  for (auto& [number, run] : runs_) run->cancel = true;
  for (auto& [number, run] : runs_) {
    if (run->thread.joinable()) run->thread.join();
  }
}

Result<std::string> Backtests::start(BacktestSetup setup, std::shared_ptr<const Catalog> catalog) {
  const std::lock_guard lock(mutex_);
  std::size_t under_way = 0;
  for (const auto& [number, run] : runs_) under_way += run->done ? 0U : 1U;
  if (under_way >= kUnderWay) return fail(Code::unavailable, "two backtests are under way already; wait for one, or cancel it");
  forget_old();
  auto run = std::make_unique<Run>();
  Run& started = *run;
  started.id = std::to_string(++last_);
  started.from = setup.options.from;
  started.to = setup.options.to;
  runs_.emplace(last_, std::move(run));
  started.thread =
      std::thread([this, &started, setup = std::move(setup), catalog = std::move(catalog)] { work(started, setup, *catalog); });
  return started.id;
}

void Backtests::work(Run& run, const BacktestSetup& setup, const Catalog& catalog) {
  const auto begun = std::chrono::steady_clock::now();
  std::vector<BacktestWorker> workers;
  workers.reserve(threads_);
  for (unsigned i = 0; i < threads_; ++i) workers.emplace_back(setup);
  const Result<void> read = runtime_.read_states(
      catalog, threads_, [&](unsigned thread, CustomerState& state) { workers[thread].customer(state); },
      [&](double part) {
        run.progress = part;
        return !run.cancel;
      });
  if (read) {
    std::vector<BacktestPart> parts;
    for (BacktestWorker& worker : workers) parts.push_back(worker.take());
    const BacktestReport report = finish_backtest(setup, std::move(parts));
    run.events = report.events;
    run.report = backtest_json(report);
  } else {
    run.error = read.error();
  }
  run.took_ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun).count();
  run.done = true;
}

void Backtests::write(std::string& out, const Run& run, bool with_report) {
  Json json;
  const bool done = run.done;
  json.begin_object()
      .field("id", run.id)
      .field("state", !done        ? "running"
                      : !run.error ? "done"
                      : run.cancel ? "cancelled"
                                   : "failed")
      .field_time("from", run.from)
      .field_time("to", run.to)
      .field_raw("progress", std::to_string(run.progress.load()));
  if (done) {
    json.field("took_ms", run.took_ms).field("events", run.events);
    if (run.error) json.field("error", run.error->message);
    if (with_report && !run.error) json.field_raw("report", run.report);
  }
  json.end_object();
  out += json.text();
}

std::optional<std::string> Backtests::show(const std::string& id, bool with_report) {
  const std::lock_guard lock(mutex_);
  const auto it = runs_.find(number_of(id));
  if (it == runs_.end()) return std::nullopt;
  std::string out;
  write(out, *it->second, with_report);
  return out;
}

std::string Backtests::list() {
  const std::lock_guard lock(mutex_);
  std::string out = "{\"backtests\":[";
  for (auto it = runs_.rbegin(); it != runs_.rend(); ++it) {
    if (out.back() != '[') out += ',';
    write(out, *it->second, false);
  }
  return out + "]}";
}

bool Backtests::cancel(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto it = runs_.find(number_of(id));
  if (it == runs_.end()) return false;
  if (!it->second->done) {
    it->second->cancel = true;
    return true;
  }
  if (it->second->thread.joinable()) it->second->thread.join();
  runs_.erase(it);
  return true;
}

void Backtests::forget_old() {
  for (auto it = runs_.begin(); it != runs_.end() && runs_.size() >= kKept;) {
    if (!it->second->done) {
      ++it;
      continue;
    }
    if (it->second->thread.joinable()) it->second->thread.join();
    it = runs_.erase(it);
  }
}

}  // namespace nudge::daemon
