#include "daemon/app/app_check.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

#include "connectors/host/connector_process.h"
#include "daemon/app/app.h"
#include "daemon/doors/doors.h"
#include "daemon/runtime/plan_store.h"

namespace nudge::daemon {
namespace {

std::string counted(std::size_t count, const char* what) { return std::to_string(count) + " " + what + (count == 1 ? "" : "s"); }

constexpr auto kPatience = std::chrono::seconds(20);

// A connector that is asked for its opinion of its settings: started, and ended before anything is sent.
class Trial {
 public:
  explicit Trial(const connectors::ConnectorSpec& spec)
      : name_(spec.name), process_(
                              spec, [](const connectors::DeliverRequest&, const connectors::Outcome&) {},
                              [this](int, std::string_view, std::string_view text) {
                                const std::lock_guard lock(mutex_);
                                said_ = text;
                              }) {}
  ~Trial() { process_.stop(0); }

  const std::string& name() const { return name_; }
  bool settled() const {
    const auto state = process_.status().state;
    return state != connectors::ConnectorState::starting;
  }
  // What is wrong, as one line of the report; empty: nothing.
  std::string problem() const {
    const connectors::ConnectorStatus status = process_.status();
    if (status.state == connectors::ConnectorState::ready) return {};
    std::string why = status.last_error;
    if (status.state == connectors::ConnectorState::starting)
      why = "it did not say within " + std::to_string(kPatience.count()) + " seconds that it is ready";
    const std::lock_guard lock(mutex_);
    if (!said_.empty() && why.find(said_) == std::string::npos && (why.empty() || said_.find(why) == std::string::npos)) why += "; the last that it said: " + said_;
    return "\n  connectors." + name_ + ": " + why;
  }

 private:
  const std::string name_;
  mutable std::mutex mutex_;
  std::string said_;
  connectors::ConnectorProcess process_;  // last: its callbacks use what stands above
};

// A drop without a directory of its own lies in the data directory, which may not be there yet and is the daemon's user's.
bool is_own_drop(const config::Loaded& loaded, const ConnectorSetup& setup) {
  const auto found = std::ranges::find(loaded.connectors, setup.spec.name, &config::Connector::name);
  return setup.fallback && (found == loaded.connectors.end() || found->config_json.find("\"directory\"") == std::string::npos);
}

// `known`: what was found before, of which nothing is said twice.
std::string ask_connectors(const config::Loaded& loaded, const std::vector<ConnectorSetup>& setups, const std::string& known) {
  std::vector<std::unique_ptr<Trial>> trials;
  for (const ConnectorSetup& setup : setups) {
    if (!is_own_drop(loaded, setup)) trials.push_back(std::make_unique<Trial>(setup.spec));
  }
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (const auto& trial : trials) {
    while (!trial->settled() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::string problems;
  for (const auto& trial : trials) {
    const std::string problem = trial->problem();
    // A connector that has nothing else to say names the secret that it can't read.
    const bool of_secret = problem.find(" is not set") != std::string::npos || problem.find("can't be read") != std::string::npos;
    if (!of_secret || known.find("connectors." + trial->name() + ".") == std::string::npos) problems += problem;
  }
  return problems;
}

}  // namespace

Result<std::string> check_setup(const config::Loaded& loaded, const http::Options& http) {
  std::string wrong;
  const auto add = [&wrong](const std::string& what) { wrong += (wrong.empty() ? "" : "\n") + what; };
  if (const Result<void> good = http::HttpServer::check(http); !good) add(good.error().message);
  std::string problems, maildrop;
  Result<std::vector<ConnectorSetup>> setups = known_connectors(loaded, loaded.settings.data_dir, maildrop, problems);
  if (setups)
    problems += ask_connectors(loaded, *setups, problems);
  else
    problems += "\n  " + setups.error().message;
  if (!problems.empty()) add("the connectors can't work:" + problems);
  std::string report;
  Result<PlanSources> sources = read_sources(loaded, setups ? *setups : std::vector<ConnectorSetup>());
  if (!sources) add(sources.error().message);
  if (sources) {
    // Rules may name every connector that is written down, also one that can't work.
    sources->connectors.clear();
    for (const config::Connector& connector : loaded.connectors) sources->connectors.push_back(connector.name);
    if (loaded.connectors.empty()) sources->connectors.emplace_back("maildrop");
    CompiledPlan compiled = compile_plan(*sources, nullptr);
    report = doc::render_text(compiled.diagnostics);
    if (!report.empty()) report += "\n";
    if (compiled.plan == nullptr) {
      PlanChange change;
      change.diagnostics = std::move(compiled.diagnostics);
      change.error = std::move(compiled.error);
      add(refused(change).message);
    } else {
      if (const Result<void> mapping = doors::Doors().load(loaded.settings.doors, *compiled.plan->catalog); !mapping)
        add(mapping.error().message);
      report += "configuration, catalog and rules are good: " + counted(compiled.plan->rules.size(), "rule") + ", " +
                counted(compiled.plan->segments.size(), "segment") + ", " + counted(sources->connectors.size(), "connector");
    }
  }
  if (!wrong.empty()) return fail(Code::invalid, std::move(wrong));
  return report;
}

}  // namespace nudge::daemon
