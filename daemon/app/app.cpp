#include "daemon/app/app.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <thread>

#include "daemon/app/api.h"
#include "daemon/app/app_check.h"
#include "daemon/app/metrics_page.h"
#include "daemon/log/log.h"

namespace nudge::daemon {
namespace {

constexpr std::uint32_t kShardsByDefaultMax = 16;

http::Options http_options(const config::Settings& s) {
  http::Options o;
  o.host = s.http_host;
  o.port = static_cast<std::uint16_t>(s.http_port);
  o.insecure_ok = s.http_insecure_ok;
  o.allowed_hosts = s.http_allowed_hosts;
  o.tls_certificate = s.http_tls_certificate;
  o.tls_key = s.http_tls_key;
  o.io_threads = static_cast<unsigned>(s.http_io_threads);
  o.head_bytes_max = static_cast<std::size_t>(s.http_head_bytes_max);
  o.header_fields_max = static_cast<std::size_t>(s.http_header_fields_max);
  o.target_bytes_max = static_cast<std::size_t>(s.http_target_bytes_max);
  o.body_bytes_max = static_cast<std::size_t>(s.http_body_bytes_max);
  o.bodies_bytes_max = static_cast<std::size_t>(s.http_bodies_bytes_max);
  o.connections_max = static_cast<std::size_t>(s.http_connections_max);
  o.pipeline_max = static_cast<std::size_t>(s.http_pipeline_max);
  o.head_timeout = s.http_head_timeout;
  o.body_timeout = s.http_body_timeout;
  o.body_bytes_per_s_min = static_cast<std::size_t>(s.http_body_bytes_per_s_min);
  o.idle_timeout = s.http_idle_timeout;
  o.write_timeout = s.http_write_timeout;
  o.handler_timeout = s.http_handler_timeout;
  return o;
}

Result<void> start_log(const config::Settings& s) {
  log::Options options;
  NUDGE_ASSIGN(options.level, log::parse_level(s.log_level));
  NUDGE_ASSIGN(options.format, log::parse_format(s.log_format));
  options.file = s.log_file;
  return log::init(options);
}

}  // namespace

struct App::Impl {
  AppOptions options;
  config::Loaded loaded;                                    // as of the start: read by all threads, changed by none
  config::Loaded in_force;                                  // with what reloads have changed; guarded by reload_mutex
  std::atomic<std::chrono::milliseconds> drain_deadline{};  // of in_force: a stop does not wait for a reload to know it
  SystemClock system_clock;
  std::string data_dir;
  std::string maildrop;
  std::vector<ConnectorSetup> connectors;
  std::unique_ptr<Store> store;
  std::unique_ptr<Runtime> runtime;
  std::unique_ptr<access::Accounts> accounts;
  std::unique_ptr<access::AuditLog> audit;
  std::unique_ptr<ErasureLedgers> ledgers;
  std::unique_ptr<access::Gate> gate;
  std::unique_ptr<metrics::Registry> metrics;
  std::unique_ptr<Workers> workers;
  std::unique_ptr<Api> api;
  std::shared_ptr<doors::Doors> doors = std::make_shared<doors::Doors>();
  std::unique_ptr<http::HttpServer> server;
  std::mutex reload_mutex;
  mutable std::mutex failed_mutex;
  std::optional<Error> failed;
  bool stopped = false;
  metrics::Gauge* reloaded = nullptr;

  Clock& clock() { return options.clock != nullptr ? *options.clock : system_clock; }
  Result<void> open_store();
  Result<void> open_runtime();
  Result<void> activate();
  Result<void> open_access();
  Result<void> start_http();
  Result<PlanChange> reload();
  std::string address(const std::string& host) const;
  std::string local_address() const;
  void keep_certificate() const;
};

App::App(AppOptions options, config::Loaded loaded) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  impl_->loaded = std::move(loaded);
  impl_->in_force = impl_->loaded;
  impl_->drain_deadline = impl_->loaded.settings.drain_deadline;
}

App::~App() { stop(); }

Result<void> App::start() {
  Impl& impl = *impl_;
  NUDGE_TRY(start_log(impl.loaded.settings));
  for (const std::string& warning : impl.loaded.warnings) log::warn(warning);
  NUDGE_ASSIGN(impl.data_dir, prepare_data_dir(impl.loaded.settings.data_dir));
  NUDGE_ASSIGN(impl.connectors, connector_setups(impl.loaded, impl.data_dir, impl.maildrop));
  NUDGE_TRY(impl.open_store());
  NUDGE_TRY(impl.open_access());
  NUDGE_TRY(impl.open_runtime());
  NUDGE_TRY(impl.activate());
  NUDGE_TRY(impl.doors->load(impl.loaded.settings.doors, *impl.runtime->plan()->catalog));
  NUDGE_TRY(impl.runtime->start());
  impl.metrics = std::make_unique<metrics::Registry>();
  impl.workers = std::make_unique<Workers>(2);
  impl.accounts->use_background([workers = impl.workers.get()](std::function<void()> work) { (void)workers->post(std::move(work)); });
  ApiOptions api;
  api.reload = [this] { return reload(); };
  api.maildrop_directory = impl.maildrop;
  api.version = impl.options.version;
  api.rules_from = impl.loaded.settings.rules_from;
  api.data_dir = impl.data_dir;
  api.doors = impl.doors;
  api.write_key = impl.loaded.settings.segment_write_key;
  api.allowed_origins = impl.loaded.settings.segment_allowed_origins;
  api.batch_bytes_max = static_cast<std::size_t>(impl.loaded.settings.intake_batch_bytes_max);
  api.started_at = impl.runtime->now();
  impl.api = std::make_unique<Api>(*impl.runtime, *impl.workers, *impl.metrics,
                                   ApiAccess{*impl.accounts, *impl.audit, *impl.gate, *impl.ledgers, !impl.loaded.settings.http_tls_certificate.empty()},
                                   std::move(api));
  NUDGE_TRY(impl.start_http());
  impl.api->set_ready(true);
  // For scripts that start nudged on any free port, and for `nudge --local`.
  std::ofstream(impl.data_dir + "/nudged.url") << impl.local_address() << "\n";
  impl.keep_certificate();
  if (impl.accounts->is_open())
    log::warn("nobody is asked for credentials; whoever reaches this address may do everything",
              {{"mend", "nudge --local " + impl.data_dir + " user create NAME --role admin"}});
  log::info("nudged is ready", {{"address", address()}, {"data_dir", impl.data_dir}, {"version", impl.options.version}});
  return {};
}

Result<void> App::Impl::open_store() {
  StoreOptions o;
  o.path = data_dir + "/store";
  o.accept_loss = options.accept_loss;
  o.low_space_bytes = static_cast<std::uint64_t>(loaded.settings.store_low_space_bytes);
  o.log = [](StoreLogLevel level, std::string_view text) {
    const std::initializer_list<log::Field> fields{{"text", text}};
    switch (level) {
      case StoreLogLevel::debug: log::debug("store", fields); break;
      case StoreLogLevel::info: log::debug("store", fields); break;
      case StoreLogLevel::warn: log::warn("store", fields); break;
      case StoreLogLevel::error: log::error("store", fields); break;
    }
  };
  NUDGE_ASSIGN(store, Store::open(std::move(o)));
  return {};
}

Result<void> App::Impl::open_access() {
  const config::Settings& s = loaded.settings;
  access::AccountsOptions o;
  o.demand = s.http_auth == "required" ? access::Demand::required
             : s.http_auth == "open"   ? access::Demand::open
                                       : access::Demand::automatic;
  o.fixed_token = s.http_token;
  o.clock = [this] { return clock().now(); };
  NUDGE_ASSIGN(accounts, access::Accounts::open(*store, std::move(o)));
  NUDGE_ASSIGN(audit, access::AuditLog::open(*store));
  NUDGE_ASSIGN(ledgers, ErasureLedgers::open(data_dir, maildrop, *audit));
  access::GateOptions g;
  g.tls = !s.http_tls_certificate.empty();
  g.requests_per_second = s.http_requests_per_second;
  g.steady_ms = [] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  gate = std::make_unique<access::Gate>(*accounts, access_table(), std::move(g));
  // Beyond this machine, somebody who needs no credentials could be anybody.
  const bool loopback = s.http_host == "localhost" || s.http_host == "::1" || s.http_host.starts_with("127.");
  if (!loopback && s.http_auth == "automatic" && accounts->is_open())
    return fail(Code::denied, "http.host " + s.http_host +
                                  " can be reached from other machines, and there are no accounts or tokens yet, so anybody could do "
                                  "everything: set http.auth: required (then make the first account with `nudge --local " +
                                  data_dir + " user create NAME --role admin`), or http.auth: open if that is what you want");
  return write_private_file(data_dir + "/nudged.token", std::string(accounts->local_token().reveal()) + "\n");
}

Result<void> App::Impl::open_runtime() {
  const config::Settings& s = loaded.settings;
  RuntimeOptions o;
  o.shards = static_cast<std::uint32_t>(s.engine_shards);
  if (o.shards == 0) o.shards = std::clamp(std::thread::hardware_concurrency(), 1U, kShardsByDefaultMax);
  o.memory_bytes = static_cast<std::size_t>(s.engine_memory_bytes);
  o.queue_bytes_max = static_cast<std::uint64_t>(s.intake_queue_bytes_max);
  o.quarantine_entries_max = static_cast<std::uint64_t>(s.quarantine_entries_max);
  o.skew = s.clock_skew.count();
  o.checkpoint_interval = s.store_checkpoint_interval.count();
  o.delivery.connectors = connectors;
  o.delivery.reread = [this](const std::string& name) -> Result<ConnectorSetup> {
    NUDGE_ASSIGN(const config::Loaded fresh, config::load(options.sources));
    std::string drop;
    NUDGE_ASSIGN(std::vector<ConnectorSetup> setups, connector_setups(fresh, data_dir, drop));
    for (ConnectorSetup& setup : setups) {
      if (setup.spec.name == name) return std::move(setup);
    }
    return fail(Code::not_found, "the configuration has no connector `" + name + "` any more; start nudged again to take it out");
  };
  o.send_only_to = s.test_mode_send_only_to;
  o.delivery.approvals = {s.approvals_url, s.approvals_key.empty() ? std::string() : std::string(s.approvals_key.reveal())};
  o.erasures = ledgers->for_runtime();
  o.retention = {s.retention_decisions.count(), s.retention_actions.count(),    s.retention_tasks.count(),
                 s.retention_log.count(),       s.retention_quarantine.count(), s.retention_every};
  o.delivery.unsubscribe = {s.unsubscribe_url, s.unsubscribe_key.empty() ? std::string() : std::string(s.unsubscribe_key.reveal())};
  o.reopen = [doors = doors](const IntakeSchema& schema, std::string_view kept, TimeMs received) {
    return doors->reopen(schema, kept, received);
  };
  NUDGE_ASSIGN(runtime, Runtime::open(std::move(o), *store, clock(), [this](const Error& error) {
                 const std::lock_guard lock(failed_mutex);
                 if (!failed) failed = error;
               }));
  return {};
}

// A bad set never replaces a good one; with a good one stored it takes a person's word to start with that.
Result<void> App::Impl::activate() {
  // What a person applied stays in force over a restart, until a reload reads the folders again.
  if (runtime->has_stored_plan()) {
    NUDGE_ASSIGN(const std::optional<PlanVersion> version, runtime->version_in_force());
    const bool applied = version && version->note.origin != PlanOrigin::directory;
    if (applied || loaded.settings.rules_from == "apply") {
      log::info("going on with the rules that were applied", {{"version", version ? version->sequence : 0}});
      return runtime->use_stored_plan();
    }
  }
  const std::string way_out =
      runtime->has_stored_plan() ? "\nMend them, or start with --use-stored-rules to go on with the rules that ran last." : "";
  Result<PlanSources> sources = read_sources(loaded, connectors);
  if (sources) {
    NUDGE_ASSIGN(const PlanChange change, runtime->activate(*sources));
    if (change.accepted()) {
      if (change.diagnostics.warnings() != 0)
        log::warn("the rules have warnings; see `nudge check`", {{"warnings", change.diagnostics.warnings()}});
      return {};
    }
    if (!options.use_stored_rules || !runtime->has_stored_plan()) {
      Error error = refused(change);
      error.message += way_out;
      return std::unexpected(std::move(error));
    }
    log::warn("the rules have mistakes; going on with those that ran last", {{"errors", change.diagnostics.errors()}});
  } else if (!options.use_stored_rules || !runtime->has_stored_plan()) {
    return std::unexpected(Error{sources.error().code, sources.error().message + way_out});
  }
  return runtime->use_stored_plan();
}

Result<void> App::Impl::start_http() {
  http::Options o = http_options(loaded.settings);
  metrics::Histogram& latency =
      metrics->histogram("nudge_http_request_seconds", "From the header of a request to its answer.", metrics::latency_bounds());
  metrics::Counter& requests = metrics->counter("nudge_http_requests_total", "Requests answered.");
  metrics::Counter& errors = metrics->counter("nudge_http_errors_total", "Requests answered with 5xx.");
  reloaded = &metrics->gauge("nudge_reload_success", "0 when the last reload of configuration and rules was refused.");
  reloaded->set(1);
  o.observer = [&latency, &requests, &errors](const http::Options::Completed& done) {
    latency.observe(std::chrono::duration<double>(done.took).count());
    requests.add();
    if (done.status >= 500) errors.add();
  };
  o.gate = [this](http::Request& request) {
    // The doors for other systems ask for what their senders have.
    if (std::optional<http::Response> refusal = api->door_gate(request)) return refusal;
    if (std::optional<http::Response> refusal = gate->check(request)) return refusal;
    return Api::condition_gate(request);
  };
  o.decorate = [this](http::Method method, std::string_view pattern, http::Handler handler) {
    return api->audited(method, pattern, std::move(handler));
  };
  o.tls_changed = [this](const std::optional<Error>& error) {
    if (error) return log::error("the changed certificate can't be used; the old one stays", {{"error", *error}});
    log::info("the changed certificate is in use");
    keep_certificate();
  };
  server = std::make_unique<http::HttpServer>(std::move(o));
  metrics->collect([this](metrics::Page& page) {
    show_http(page, *server);
    show_process(page);
  });
  NUDGE_TRY(api->install(*server));
  return server->start();
}

Result<PlanChange> App::reload() {
  Result<PlanChange> change = impl_->reload();
  // A conflict is no failure: with `rules_from: apply` all else was read.
  const bool taken = change ? change->accepted() : change.error().code == Code::conflict;
  if (impl_->reloaded != nullptr) impl_->reloaded->set(taken ? 1 : 0);
  return change;
}

Result<PlanChange> App::Impl::reload() {
  Impl& impl = *this;
  const std::lock_guard lock(impl.reload_mutex);
  NUDGE_ASSIGN(config::Loaded fresh, config::load(impl.options.sources));
  std::vector<std::string> keys = config::needs_restart(impl.in_force.settings, fresh.settings);
  for (std::string& name : config::changed_connectors(impl.in_force.connectors, fresh.connectors)) keys.push_back("connectors." + name);
  if (!keys.empty()) {
    std::string list;
    for (const std::string& key : keys) list += (list.empty() ? "" : ", ") + key;
    log::warn("some settings need a restart to change", {{"keys", list}});
  }
  if (Result<void> log_opened = start_log(fresh.settings); !log_opened)
    log::warn("the log stays as it was", {{"error", log_opened.error()}});
  config::Loaded wanted = impl.in_force;
  wanted.settings.rules_dirs = fresh.settings.rules_dirs;
  wanted.settings.schemas_dir = fresh.settings.schemas_dir;
  wanted.settings.timezone = fresh.settings.timezone;
  wanted.settings.drain_deadline = fresh.settings.drain_deadline;
  if (impl.loaded.settings.rules_from == "apply") {
    NUDGE_TRY(impl.doors->load(fresh.settings.doors, *impl.runtime->plan()->catalog));
    impl.in_force.settings.doors = fresh.settings.doors;
    impl.in_force.settings.drain_deadline = fresh.settings.drain_deadline;
    impl.drain_deadline = fresh.settings.drain_deadline;
    return fail(Code::conflict,
                "the rules of this nudged change by `nudge apply` only (rules_from: apply), so a reload leaves them alone; its other "
                "settings were read again");
  }
  NUDGE_ASSIGN(const PlanSources sources, read_sources(wanted, impl.connectors));
  NUDGE_ASSIGN(PlanChange change, impl.runtime->activate(sources));
  if (change.accepted()) {
    wanted.settings.doors = fresh.settings.doors;
    NUDGE_TRY(impl.doors->load(wanted.settings.doors, *impl.runtime->plan()->catalog));
    impl.in_force = std::move(wanted);
    impl.drain_deadline = impl.in_force.settings.drain_deadline;
  } else {
    log::error("the new rules were refused; those that ran go on", {{"errors", change.diagnostics.errors()}, {"reason", change.error}});
  }
  return change;
}

Result<std::string> App::dry_run() { return check_setup(impl_->loaded, http_options(impl_->loaded.settings)); }

void App::stop() {
  Impl& impl = *impl_;
  if (impl.stopped) return;
  impl.stopped = true;
  const std::chrono::milliseconds deadline = impl.drain_deadline;
  if (impl.api) impl.api->set_ready(false);
  if (impl.server) impl.server->stop(deadline);
  if (impl.workers) impl.workers->stop();
  if (impl.api) impl.api->stop();
  if (impl.runtime) impl.runtime->stop(deadline);
  if (impl.store) {
    if (Result<void> closed = impl.store->close(); !closed) log::error("the store did not close cleanly", {{"error", closed.error()}});
  }
  // Only what this process has written: the next one may run already.
  if (impl.accounts) {
    for (const char* name : {"/nudged.url", "/nudged.token", "/nudged.crt"}) ::unlink((impl.data_dir + name).c_str());
  }
  if (impl.store) log::info("nudged has stopped");  // a dry run has nothing to stop
  log::flush();
}

std::uint16_t App::port() const { return impl_->server ? impl_->server->port() : std::uint16_t{0}; }

std::string App::Impl::address(const std::string& host) const {
  const std::string_view scheme = loaded.settings.http_tls_certificate.empty() ? "http://" : "https://";
  const std::uint16_t port = server ? server->port() : std::uint16_t{0};
  return std::string(scheme) + (host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

// As this machine reaches it.
std::string App::Impl::local_address() const {
  const std::string& host = loaded.settings.http_host;
  return address(host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host);
}

// The certificate in use, without its chain: `nudge --local` takes this one and no other, whatever names it has.
void App::Impl::keep_certificate() const {
  if (loaded.settings.http_tls_certificate.empty()) return;
  std::ifstream file(loaded.settings.http_tls_certificate);
  std::string text, line;
  while (std::getline(file, line)) {
    text += line + "\n";
    if (line.starts_with("-----END CERTIFICATE-----")) break;
  }
  if (auto written = write_private_file(data_dir + "/nudged.crt", text); !written)
    log::warn("`nudge --local` will not find the certificate", {{"error", written.error()}});
}

std::string App::address() const { return impl_->address(impl_->loaded.settings.http_host); }

std::optional<Error> App::failed() const {
  const std::lock_guard lock(impl_->failed_mutex);
  return impl_->failed;
}

}  // namespace nudge::daemon
