// Rules tried on the past: by a daemon over its history, or over data files without one.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "daemon/cli/backtest_show.h"
#include "daemon/cli/draft.h"
#include "daemon/cli/words.h"
#include "daemon/import/feed.h"
#include "engine/base/text.h"
#include "engine/simulate/backtest_report.h"
#include "rules/lang/load.h"

namespace nudge::cli {
namespace {

constexpr std::size_t kProblemsShown = 10;

std::string bar(double done) {
  constexpr std::size_t kWidth = 30;
  const auto full = static_cast<std::size_t>(std::clamp(done, 0.0, 1.0) * kWidth);
  std::string out = "[";
  for (std::size_t i = 0; i < kWidth; ++i) out += i < full ? "█" : "·";
  return out + "] " + std::to_string(static_cast<int>(done * 100)) + " %";
}

void speed(const Output& out, std::uint64_t events, double seconds) {
  if (out.terminal.interactive() && !out.json && !out.html && seconds > 0) {
    out.terminal.error(
        say("{1} in {2} s, {3} events/s", {counted(static_cast<std::int64_t>(events), "event"), std::to_string(seconds).substr(0, 5),
                                           grouped(static_cast<std::int64_t>(static_cast<double>(events) / seconds))}));
  }
}

Exit show(const Output& out, const BacktestCommand& command, const std::string& report) {
  std::string text = report + "\n";
  if (!out.json) {
    const auto parsed = Json::parse(report);
    if (!parsed) return nudge::cli::report(out, parsed.error());
    text =
        out.html ? backtest_html(*parsed) : backtest_text(*parsed, command.file.empty() ? out.terminal : Terminal(Terminal::When::never));
  }
  if (command.file.empty()) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return Exit::ok;
  }
  std::ofstream file(command.file, std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush())
    return nudge::cli::report(out, {Code::io, say("cannot write {1}: check the directory and its permissions", {command.file})});
  return Exit::ok;
}

// --- with a daemon

Result<std::string> run_online(const Output& out, Client& client, const BacktestCommand& command) {
  NUDGE_ASSIGN(const DraftFiles files, read_draft(command.draft, command.schemas));
  NUDGE_ASSIGN(const TimeMs from, read_instant(command.from));
  TimeMs to = kTimeMax;
  if (!command.to.empty()) {
    NUDGE_ASSIGN(to, read_instant(command.to));
  }
  std::string body =
      "{" + draft_members(files) + ",\"from\":\"" + format_timestamp(from) + "\",\"to\":\"" + format_timestamp(to) + "\",\"only\":[";
  for (const std::string& rule : command.rules) {
    if (body.back() != '[') body += ',';
    append_json_string(body, rule);
  }
  NUDGE_ASSIGN(const Reply reply, client.send("POST", "/v1/backtests", body + "]}"));
  if (reply.status >= 300) {
    Error error = error_of(reply);
    if (const auto json = Json::parse(reply.body); json && !(*json)["text"].is_null()) error.message += "\n" + (*json)["text"].text;
    return std::unexpected(std::move(error));
  }
  NUDGE_ASSIGN(Json answer, Json::parse(reply.body));
  const std::string path = "/v1/backtests/" + url_escape(answer["id"].text);
  for (auto pause = std::chrono::milliseconds(5); answer["state"].text == "running";
       pause = std::min(pause * 2, std::chrono::milliseconds(200))) {
    out.terminal.progress(bar(answer["progress"].number()));
    std::this_thread::sleep_for(pause);
    NUDGE_ASSIGN(answer, client.get(path));
  }
  out.terminal.progress({});
  if (answer["state"].text != "done")
    return fail(Code::internal, say("the backtest ended as {1}: {2}", {say(answer["state"].text), answer["error"].shown()}));
  speed(out, static_cast<std::uint64_t>(answer["events"].integer()), answer["took_ms"].number() / 1000);
  // As it came: the tree keeps every digit.
  return answer["report"].compact();
}

// --- without

Result<std::unique_ptr<Plan>> compile_files(const DraftFiles& files, const std::shared_ptr<const Catalog>& catalog, const Zone& zone) {
  lang::CompileOptions options;
  options.zone = zone;
  lang::CompileResult compiled = lang::compile(files.rules, catalog, options);
  if (compiled.plan == nullptr) return fail(Code::invalid, say("the rules have mistakes") + "\n" + doc::render_text(compiled.diagnostics));
  return std::move(compiled.plan);
}

Result<std::vector<Input>> read_data(const Output& out, const BacktestCommand& command, const std::shared_ptr<const Catalog>& catalog) {
  std::vector<Input> inputs;
  std::vector<import::RowProblem> problems;
  for (std::size_t i = 0; i < command.data.size(); ++i) {
    std::unique_ptr<import::Mapping> mapping;
    if (i < command.mappings.size()) {
      NUDGE_ASSIGN(mapping, import::load_mapping(command.mappings[i], *catalog));
    }
    const std::size_t before = problems.size();
    NUDGE_TRY(import::read_inputs(command.data[i], mapping.get(), catalog, inputs, problems));
    for (std::size_t p = before; p < problems.size() && p < before + kProblemsShown; ++p) {
      out.terminal.error(command.data[i] + ":" + std::to_string(problems[p].line) + ": " + problems[p].reason);
    }
  }
  if (!problems.empty())
    out.terminal.error(problems.size() == 1
                           ? say("1 row does not fit and is left out")
                           : say("{1} rows do not fit and are left out", {grouped(static_cast<std::int64_t>(problems.size()))}));
  return inputs;
}

// Runs the customers of all inputs, which are used up, on both cores or more.
BacktestReport run_inputs(const BacktestSetup& setup, std::vector<Input> inputs, const Catalog& catalog) {
  std::ranges::sort(inputs,
                    [](const Input& a, const Input& b) { return std::tie(a.customer, a.time, a.id) < std::tie(b.customer, b.time, b.id); });
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (i == 0 || inputs[i].customer != inputs[i - 1].customer) starts.push_back(i);
  }
  starts.push_back(inputs.size());
  constexpr std::size_t kPortion = 64;
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::vector<BacktestPart> parts;
  const auto work = [&] {
    BacktestWorker worker(setup);
    for (std::size_t c = next.fetch_add(kPortion); c + 1 < starts.size(); c = next.fetch_add(kPortion)) {
      for (std::size_t one = c; one < std::min(c + kPortion, starts.size() - 1); ++one) {
        CustomerState state;
        state.id = inputs[starts[one]].customer;
        for (std::size_t i = starts[one]; i < starts[one + 1]; ++i) state.store(inputs[i], catalog);
        worker.customer(state);
      }
    }
    const std::lock_guard lock(mutex);
    parts.push_back(worker.take());
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  return finish_backtest(setup, std::move(parts));
}

Result<std::string> run_offline(const Output& out, const BacktestCommand& command) {
  NUDGE_ASSIGN(const DraftFiles files, read_draft(command.draft, command.schemas));
  if (files.catalog.empty())
    return fail(Code::invalid, say("the catalog is missing: give --schemas, or a directory that holds schemas/ and rules/"));
  Zone zone;
  if (!command.zone.empty()) {
    NUDGE_ASSIGN(zone, Zone::find(command.zone));
  }
  lang::CatalogResult loaded = lang::load_catalog(files.catalog);
  if (loaded.catalog == nullptr) return fail(Code::invalid, say("the catalog has mistakes") + "\n" + doc::render_text(loaded.diagnostics));
  const std::shared_ptr<const Catalog> catalog(std::move(loaded.catalog));
  NUDGE_ASSIGN(const std::unique_ptr<Plan> draft, compile_files(files, catalog, zone));
  std::unique_ptr<Plan> live;
  if (!command.live.empty()) {
    NUDGE_ASSIGN(const DraftFiles others, read_draft(command.live, {}));
    NUDGE_ASSIGN(live, compile_files(others, catalog, zone));
  }
  NUDGE_ASSIGN(std::vector<Input> inputs, read_data(out, command, catalog));
  BacktestOptions options;
  NUDGE_ASSIGN(options.from, read_instant(command.from));
  for (const Input& input : inputs) options.to = std::max(options.to, input.time + 1);
  if (!command.to.empty()) {
    NUDGE_ASSIGN(options.to, read_instant(command.to));
  }
  NUDGE_ASSIGN(const BacktestSetup setup, prepare_backtest(*draft, live.get(), command.rules, options));
  const auto begun = std::chrono::steady_clock::now();
  const BacktestReport report = run_inputs(setup, std::move(inputs), *catalog);
  speed(out, report.events, std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  return backtest_json(report);
}

}  // namespace

Exit backtest(const Output& out, Client& client, const BacktestCommand& command) {
  const Result<std::string> ran = !command.data_dir.empty() ? backtest_stopped(command)
                                  : command.data.empty()    ? run_online(out, client, command)
                                                            : run_offline(out, command);
  out.terminal.progress({});
  if (!ran) return report(out, ran.error());
  return show(out, command, *ran);
}

}  // namespace nudge::cli
