// The parts of the start that only read and check: directories, connectors, rule files.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "daemon/app/app.h"

namespace nudge::daemon {
namespace {

namespace bj = boost::json;

std::string text_of(const bj::value& value) { return std::string(value.get_string().data(), value.get_string().size()); }

// References to secrets ({file: …} or {env: …}) that lead nowhere.
void missing_secrets(const bj::value& value, const std::string& path, std::string& problems) {
  if (value.is_array()) {
    for (const bj::value& item : value.get_array()) missing_secrets(item, path, problems);
    return;
  }
  if (!value.is_object()) return;
  const bj::object& object = value.get_object();
  if (object.size() == 1) {
    const bj::value* file = object.if_contains("file");
    if (file != nullptr && file->is_string()) {
      const std::string name = text_of(*file);
      if (::access(name.c_str(), R_OK) != 0) {
        problems += "\n  " + path + ": the secret's file " + name + " can't be read (" + std::strerror(errno) + ")";
      }
      return;
    }
    const bj::value* env = object.if_contains("env");
    if (env != nullptr && env->is_string()) {
      const std::string name = text_of(*env);
      if (const char* set = std::getenv(name.c_str()); set == nullptr || *set == '\0') {
        problems += "\n  " + path + ": the environment variable " + name + " that holds the secret is not set";
      }
      return;
    }
  }
  for (const auto& member : object) {
    missing_secrets(member.value(), path + "." + std::string(member.key().data(), member.key().size()), problems);
  }
}

Result<bj::object> config_object(const config::Connector& connector) {
  boost::system::error_code error;
  bj::value value = bj::parse(connector.config_json, error);
  if (error || !value.is_object())
    return fail(Code::invalid, connector.where + ": connector `" + connector.name + "`: its settings are no map");
  return std::move(value.get_object());
}

}  // namespace

Result<std::string> prepare_data_dir(const std::string& path) {
  if (path.empty()) return fail(Code::invalid, "data_dir is empty; say where to keep the data");
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(errno == EACCES ? Code::denied : Code::not_found, "the data directory " + path + " can't be made: " + std::strerror(errno) +
                                                                      (errno == ENOENT ? "; make the folder it is to lie in first" : ""));
  }
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) == nullptr) return fail(Code::io, "the data directory " + path + ": " + std::strerror(errno));
  return std::string(resolved);
}

namespace {

LaneOptions lane_options(const config::DeliveryLimits& from, std::string_view kind) {
  LaneOptions to;
  for (const auto& [count, per] : from.rates) to.rates.rates.push_back({count, per.count()});
  to.rates.burst = from.burst;
  to.account = from.account;
  to.ordered = from.order == "customer" || kind == "crm";  // what a task was must not come after what it is
  if (from.on_unknown == "hold") to.on_unknown = OnUnknown::hold;
  if (from.on_unknown == "retry") to.on_unknown = OnUnknown::retry;
  if (from.on_unknown == "verify") to.on_unknown = OnUnknown::verify;
  to.settle = from.settle.count();
  to.key_window = from.key_window.count();
  to.breaker = {from.breaker_after, from.breaker_pause.count(), std::max(from.breaker_pause, from.breaker_pause_max).count()};
  to.retry_first = from.retry_first.count();
  to.retry_most = std::max(from.retry_first, from.retry_max).count();
  to.tries_most = static_cast<std::uint32_t>(from.tries);
  to.age_most = from.give_up_after.count();
  return to;
}

// An account has one rate, whoever of those that share it says so.
void check_account(const config::Connector& connector, std::vector<ConnectorSetup>& others, ConnectorSetup& setup, std::string& problems) {
  if (setup.delivery.account.empty()) return;
  for (ConnectorSetup& other : others) {
    if (other.delivery.account != setup.delivery.account) continue;
    if (setup.delivery.rates.rates.empty()) setup.delivery.rates = other.delivery.rates;
    if (other.delivery.rates.rates.empty()) other.delivery.rates = setup.delivery.rates;
    if (other.delivery.rates == setup.delivery.rates) continue;
    problems += "\n  connectors." + connector.name + ": the account `" + setup.delivery.account + "` has another rate at `" + other.spec.name +
                "`; give the rate at one of the two, or the same at both";
  }
}

}  // namespace

Result<std::vector<ConnectorSetup>> connector_setups(const config::Loaded& loaded, const std::string& data_dir,
                                                     std::string& maildrop_directory) {
  std::string problems;
  std::vector<ConnectorSetup> setups;
  NUDGE_ASSIGN(setups, known_connectors(loaded, data_dir, maildrop_directory, problems));
  if (!problems.empty()) return fail(Code::invalid, "the connectors can't be started:" + problems);
  return setups;
}

Result<std::vector<ConnectorSetup>> known_connectors(const config::Loaded& loaded, const std::string& data_dir,
                                                     std::string& maildrop_directory, std::string& problems) {
  std::vector<config::Connector> wanted = loaded.connectors;
  if (wanted.empty()) {
    config::Connector maildrop;
    maildrop.name = maildrop.kind = "maildrop";
    maildrop.in_flight_max = 16;
    wanted.push_back(std::move(maildrop));
  }
  std::string plugins = loaded.settings.connectors_dir;
  if (plugins.empty()) plugins = connectors::find_plugin_directory();
  std::vector<ConnectorSetup> setups;
  for (const config::Connector& connector : wanted) {
    ConnectorSetup setup;
    bool there = true;
    NUDGE_ASSIGN(bj::object settings, config_object(connector));
    missing_secrets(bj::value(settings), "connectors." + connector.name, problems);
    if (connector.kind == "maildrop") {
      setup.fallback = true;
      if (!settings.contains("directory")) settings["directory"] = data_dir + "/maildrop";
      if (settings["directory"].is_string()) maildrop_directory = text_of(settings["directory"]);
    }
    setup.spec.name = connector.name;
    setup.spec.kind = connector.kind;
    setup.spec.command = connector.command;
    setup.spec.timeout_ms = connector.timeout.count();
    setup.spec.in_flight_max = static_cast<std::size_t>(connector.in_flight_max);
    setup.spec.queue_max = static_cast<std::size_t>(connector.queue_max);
    setup.spec.memory_bytes_max = static_cast<std::uint64_t>(connector.memory_bytes_max);
    setup.spec.cpu_seconds_max = static_cast<std::uint64_t>(connector.cpu_seconds_max);
    setup.spec.open_files_max = static_cast<std::uint64_t>(connector.open_files_max);
    setup.spec.config_json = bj::serialize(settings);
    setup.delivery = lane_options(connector.delivery, connector.kind);
    check_account(connector, setups, setup, problems);
    if (connector.command.empty()) {
      setup.spec.plugin = plugins + "/" + connector.kind + ".so";
      if (::access(setup.spec.plugin.c_str(), R_OK) != 0) {
        there = false;
        problems += "\n  connectors." + connector.name + ": there is no plugin for kind `" + connector.kind + "`" +
                    (plugins.empty() ? " (the folder of plugins was not found; set connectors_dir)" : " in " + plugins);
      }
    }
    if (there) setups.push_back(std::move(setup));
  }
  return setups;
}

Result<PlanSources> read_sources(const config::Loaded& loaded, const std::vector<ConnectorSetup>& connectors) {
  PlanSources sources;
  NUDGE_ASSIGN(sources.catalog, lang::read_catalog_directory(loaded.settings.schemas_dir));
  for (const std::string& directory : loaded.settings.rules_dirs) {
    NUDGE_ASSIGN(std::vector<lang::Source> files, lang::read_rule_directory(directory));
    // Names stay apart when there is more than one directory.
    const std::string prefix = loaded.settings.rules_dirs.size() > 1 ? directory.substr(directory.find_last_of('/') + 1) + "/" : "";
    for (lang::Source& file : files) {
      file.name = prefix + file.name;
      sources.rules.push_back(std::move(file));
    }
  }
  sources.timezone = loaded.settings.timezone;
  for (const ConnectorSetup& connector : connectors) sources.connectors.push_back(connector.spec.name);
  return sources;
}

Error refused(const PlanChange& change) {
  std::string text = change.error.empty() ? std::string("the rules have mistakes") : change.error;
  if (!change.diagnostics.items().empty()) text += "\n" + doc::render_text(change.diagnostics);
  return Error{Code::invalid, std::move(text)};
}

Result<void> write_private_file(const std::string& path, const std::string& text) {
  const std::string aside = path + ".new";
  ::unlink(aside.c_str());
  const int file = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool written = file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) ::close(file);
  if (written && ::rename(aside.c_str(), path.c_str()) == 0) return {};
  return fail(Code::io, "cannot write " + path + ": " + std::strerror(errno));
}

}  // namespace nudge::daemon
