// The daemon as an object: an ordered list of small steps up, and a second list down that always runs to the end.
//
// Thread-safety: start(), stop() and the destructor from one thread; reload() and failed() from any.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "daemon/config/config.h"
#include "daemon/runtime/clock.h"
#include "daemon/runtime/runtime.h"

namespace nudge::daemon {

struct AppOptions {
  config::Sources sources;  // the configuration, read again at a reload
  std::string version;
  bool use_stored_rules = false;  // a bad set of rules at start: go on with the stored one
  bool accept_loss = false;       // open although acknowledged writes are missing (see docs/storage.md)
  Clock* clock = nullptr;         // null: the system's
};

class App {
 public:
  App(AppOptions options, config::Loaded loaded);
  ~App();  // stop()

  // Everything up to accepting requests. The error says what is wrong and what to do; what was started is stopped by the destructor.
  Result<void> start();
  // Checks the configuration, each connector's settings, rules and catalog, and says what it found; touches no data directory.
  Result<std::string> dry_run();
  // Stops taking in, lets what is under way finish (drain_deadline), writes a checkpoint and closes. Idempotent.
  void stop();
  // Reads the configuration and the rules again; all or nothing.
  Result<PlanChange> reload();

  std::uint16_t port() const;
  std::string address() const;
  // Set when nothing can go on: the process is to exit with code 3.
  std::optional<Error> failed() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// --- parts of the start, by themselves for tests

// The connectors of the configuration as the runtime wants them; without any, a maildrop in the data directory takes everything.
// `maildrop_directory` is set to where it keeps its messages, when there is one. Error: a missing secret or plugin, by name.
Result<std::vector<ConnectorSetup>> connector_setups(const config::Loaded& loaded, const std::string& data_dir,
                                                     std::string& maildrop_directory);
// Those whose program is there; what is wrong is added to `problems`, a line each. Error: settings that are no map.
Result<std::vector<ConnectorSetup>> known_connectors(const config::Loaded& loaded, const std::string& data_dir,
                                                     std::string& maildrop_directory, std::string& problems);
// Reads the catalog's and the rules' directories.
Result<PlanSources> read_sources(const config::Loaded& loaded, const std::vector<ConnectorSetup>& connectors);
// The directory, made with mode 0700 when its last part is missing; absolute.
Result<std::string> prepare_data_dir(const std::string& path);
// Writes a file that only this user can read, in place of one of that name.
Result<void> write_private_file(const std::string& path, const std::string& text);
// A refused set of rules, for people.
Error refused(const PlanChange& change);

}  // namespace nudge::daemon
