// A loaded plugin: dlopen, the version gate, and the calls as C++. Lives inside nudge-connector, never in the daemon.
// Thread-safety: deliver, query and receive may be called from several threads at once; the rest from one. A plugin is never unloaded.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/host/connector_process.h"
#include "nudge/connector.h"

namespace nudge::connectors {

// Why a plugin's table can't be used by a host of this version; empty = it can. The one place that decides about versions.
std::string version_problem(const nudge_connector_api& api, std::uint32_t host_major, std::uint32_t host_minor);

// Resolves {"file": PATH} and {"env": NAME}, and hides what it resolved from any text. Thread-safe.
class Secrets {
 public:
  std::expected<std::string, std::string> resolve(std::string_view reference_json);
  std::string redact(std::string text) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> known_;
};

class Plugin {
 public:
  // `log` gets the plugin's own lines, secrets already hidden.
  static std::expected<std::unique_ptr<Plugin>, std::string> load(const std::string& path, std::function<void(int, std::string)> log);
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  ~Plugin();

  std::string describe() const;
  // Every mistake of a configuration, one an entry.
  std::vector<std::string> validate(std::string_view config_json) const;
  std::expected<void, std::string> create(std::string_view config_json);
  Outcome deliver(const nudge_request& request) const;
  Outcome query(const nudge_request& request) const;
  Outcome receive(const nudge_request& request) const;
  Secrets& secrets() { return secrets_; }

 private:
  Plugin() = default;
  Outcome call(void (*function)(nudge_connector*, const nudge_request*, nudge_result*), const nudge_request& request,
               std::size_t result_bytes_max) const;

  const nudge_connector_api* api_ = nullptr;
  nudge_connector* instance_ = nullptr;
  nudge_host host_{};
  Secrets secrets_;
  std::function<void(int, std::string)> log_;
};

}  // namespace nudge::connectors
