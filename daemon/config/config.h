// The daemon's settings: one table of keys says name, type, default, range, and whether a reload can change it. A value comes
// from, in this order: a flag, the environment (NUDGE_HTTP_PORT for http.port), the file (YAML), the default.
//
// Thread-safety: load() from any thread; a Loaded is plain data. All mistakes are reported at once, with file:line:column
// where there is one. Secrets are given by reference only: {file: /path} or {env: NAME}.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/log/secret.h"
#include "engine/base/status.h"

namespace nudge::config {

using Milliseconds = std::chrono::milliseconds;

// The typed values. Their defaults are those of the table; default_settings() fills them in.
struct Settings {
  std::string data_dir;
  std::vector<std::string> rules_dirs;
  std::string rules_from;  // directory, apply
  std::string schemas_dir;
  std::string doors;           // file with the mapping of other systems' messages; empty: by equal names
  std::string connectors_dir;  // of plugins; empty: those that came with the program
  std::string timezone;        // of the tenant
  Milliseconds clock_skew{};   // how far ahead of the clock an event may be dated
  Milliseconds drain_deadline{};

  std::string http_host;
  std::int64_t http_port = 0;
  bool http_insecure_ok = false;
  std::vector<std::string> http_allowed_hosts;
  Secret http_token;
  std::string http_auth;             // automatic, required, open
  std::string http_tls_certificate;  // path; empty: no TLS
  std::string http_tls_key;
  std::int64_t http_requests_per_second = 0;
  std::int64_t http_io_threads = 0;
  std::int64_t http_head_bytes_max = 0;
  std::int64_t http_header_fields_max = 0;
  std::int64_t http_target_bytes_max = 0;
  std::int64_t http_body_bytes_max = 0;
  std::int64_t http_bodies_bytes_max = 0;
  std::int64_t http_connections_max = 0;
  std::int64_t http_pipeline_max = 0;
  Milliseconds http_head_timeout{};
  Milliseconds http_body_timeout{};
  std::int64_t http_body_bytes_per_s_min = 0;
  Milliseconds http_idle_timeout{};
  Milliseconds http_write_timeout{};
  Milliseconds http_handler_timeout{};

  std::vector<std::string> test_mode_send_only_to;
  std::string unsubscribe_url;  // under which customers reach this daemon
  Secret unsubscribe_key;
  std::string approvals_url;  // under which managers reach it
  Secret approvals_key;
  Secret segment_write_key;
  std::vector<std::string> segment_allowed_origins;

  std::string log_level;
  std::string log_format;
  std::string log_file;

  std::int64_t engine_shards = 0;        // 0: one per processor
  std::int64_t engine_memory_bytes = 0;  // of customer states kept in memory

  std::int64_t intake_batch_bytes_max = 0;  // body of a request with many events
  std::int64_t intake_queue_bytes_max = 0;  // events taken in and not yet on disk; beyond it 429
  std::int64_t quarantine_entries_max = 0;

  std::int64_t store_low_space_bytes = 0;  // of the disk; below it no more events are taken in
  Milliseconds store_checkpoint_interval{};

  // 0: kept for ever
  Milliseconds retention_decisions{}, retention_actions{}, retention_tasks{}, retention_log{}, retention_quarantine{}, retention_every{};
};

enum class Type : std::uint8_t { text, path, paths, texts, choice, timezone, integer, boolean, duration, size, secret };
std::string_view to_string(Type type);

// Where a typed value lives in Settings.
using Place = std::variant<std::string Settings::*, std::vector<std::string> Settings::*, std::int64_t Settings::*, bool Settings::*,
                           Milliseconds Settings::*, Secret Settings::*>;

struct Key {
  std::string_view name;  // "http.port"
  Type type;
  Place place;
  std::string_view initial;  // the default, written as in a file; lists separated by commas
  std::int64_t min = 0;      // integer; duration in milliseconds; size in bytes
  std::int64_t max = 0;
  bool reloadable = false;
  std::string_view choices = {};  // "text, json"
  std::string_view help;
};
// The table, in the order in which it is shown.
std::span<const Key> keys();

enum class Source : std::uint8_t { initial, file, environment, flag };
struct Origin {
  Source source = Source::initial;
  std::string where;  // "nudge.yaml:3:9", "NUDGE_HTTP_PORT", "--http.port"; empty for a default
  std::string text;   // the value as a file would have it; of a secret its reference
};

// `delivery:` of a connector: how fast, how often and in which order it is given actions; see docs/delivery.md.
struct DeliveryLimits {
  std::vector<std::pair<std::int64_t, Milliseconds>> rates;  // at most so many in so long; all of them hold
  std::int64_t burst = 0;                                    // 0: what fits into a second
  std::string account;                                       // connectors of one account share its rates
  std::string order = "any";                                 // any, customer
  std::string on_unknown;                                    // hold, retry, verify; empty: as the channel makes sensible
  Milliseconds settle{60'000};
  Milliseconds key_window{0};
  std::int64_t breaker_after = 5;
  Milliseconds breaker_pause{5'000}, breaker_pause_max{300'000};
  Milliseconds retry_first{2'000}, retry_max{3'600'000};
  std::int64_t tries = 12;
  Milliseconds give_up_after{604'800'000};
};

// One entry of `connectors:`. What is not for nudge itself is handed to the connector as JSON, references to secrets unresolved.
struct Connector {
  std::string name;
  std::string kind;                  // "smtp"
  std::vector<std::string> command;  // a program that speaks the protocol, instead of a plugin
  Milliseconds timeout{30'000};
  std::int64_t in_flight_max = 8;
  std::int64_t queue_max = 1000;
  std::int64_t memory_bytes_max = std::int64_t{1} << 30;
  std::int64_t cpu_seconds_max = 0;  // of the process's whole life; 0: no limit
  std::int64_t open_files_max = 256;
  DeliveryLimits delivery;
  std::string config_json = "{}";
  std::string where;  // "nudge.yaml:12:3"
};

struct Sources {
  std::string file;                                              // path; empty: none
  std::vector<std::pair<std::string, std::string>> flags;        // key, value: --set http.port=8650
  std::vector<std::pair<std::string, std::string>> environment;  // NAME, value; see nudge_environment()
};
// The variables of this process whose name starts with NUDGE_.
std::vector<std::pair<std::string, std::string>> nudge_environment();

struct Loaded {
  Settings settings;
  std::vector<Origin> origins;  // one per key, in the order of keys()
  std::vector<Connector> connectors;
  std::vector<std::string> warnings;
};

Settings default_settings();
// Reads all sources. The error's message has a line for each mistake, with a snippet where the file has it.
Result<Loaded> load(const Sources& sources);
// The same with the text of the file given; `name` is what messages call it, `folder` what its relative paths start from.
Result<Loaded> load_text(std::string name, std::string text, std::string_view folder, const Sources& sources);

// The whole configuration as a file that load() reads, with where each value came from. Secrets show as their reference.
std::string print_config(const Loaded& loaded);
// Keys that differ and need a restart; empty: the new one can take effect at once.
std::vector<std::string> needs_restart(const Settings& running, const Settings& wanted);
// Names of connectors that came, went, or have other settings: each needs a restart.
std::vector<std::string> changed_connectors(const std::vector<Connector>& running, const std::vector<Connector>& wanted);
// docs/configuration.md: all keys as a table.
std::string reference_markdown();
// A JSON Schema (2020-12) of the file, for editors.
std::string json_schema();

}  // namespace nudge::config
