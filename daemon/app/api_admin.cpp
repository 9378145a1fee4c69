// Status, connectors, reload, maildrop, health and metrics.
#include <dirent.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "daemon/app/api.h"
#include "daemon/app/draft_request.h"
#include "daemon/app/metrics_page.h"
#include "daemon/runtime/payload.h"

namespace nudge::daemon {
namespace {

void write_connector(Json& json, const ConnectorFigures& c) {
  json.begin_object()
      .field("name", c.name)
      .field("kind", c.kind)
      .field("fallback", c.fallback)
      .field("state", connectors::to_string(c.status.state))
      .field("pid", c.status.pid)
      .field("restarts", c.status.restarts)
      .field("waiting", c.waiting)
      .field("under_way", c.under_way)
      .field("taken", c.status.taken)
      .field("accepted", c.status.accepted)
      .field("not_sent", c.status.not_sent)
      .field("unknown", c.status.unknown)
      .field("bad_config", c.status.bad_config)
      .field("last_error", c.status.last_error);
  // Why it is given less than it could take.
  json.key("pace").begin_object().field("breaker", breaker_name(c.breaker)).field("breaker_opened", c.breaker_opened);
  if (c.breaker == Breaker::State::open) json.field_time("breaker_until", c.breaker_until);
  if (c.breaker != Breaker::State::closed) json.field("breaker_why", c.breaker_why);
  if (c.paused_until != 0) json.field_time("paused_until", c.paused_until);
  json.field("throttles", c.throttles).field("at_once", c.window).field("rate", c.rates).field("account", c.account);
  json.field("on_unknown", c.on_unknown).end_object();
  json.key("callbacks")
      .begin_object()
      .field("taken", c.callbacks_taken)
      .field("refused", c.callbacks_refused)
      .field("failed", c.callbacks_failed)
      .field("told", c.reports_told)
      .field("doubled", c.reports_doubled)
      .field("unmatched", c.reports_unmatched)
      .end_object()
      .end_object();
}

void write_shards(Json& json, const RuntimeFigures& f) {
  json.key("shards").begin_array();
  for (const ShardFigures& s : f.shards) {
    json.begin_object()
        .field("customers_hot", s.customers_hot)
        .field("customers_decoded", s.customers_decoded)
        .field("bytes", s.bytes)
        .field("dirty", s.dirty)
        .field("queued", s.queued)
        .field("timers_hot", s.timers_hot)
        .field_time("next_due", s.next_due)
        .field("loads", s.loads)
        .field("evictions", s.evictions)
        .field("slots_swept", s.slots_swept)
        .field("slots_owned", s.slots_owned)
        .end_object();
  }
  json.end_array();
}

// What holds actions back at this moment, as far as somebody should know at once.
void write_policies(Json& json, Runtime& runtime) {
  const std::shared_ptr<const Controls> controls = runtime.gate().controls();
  const std::shared_ptr<const Plan> plan = runtime.plan();
  const TimeMs now = runtime.now();
  json.key("policies").begin_object().field("stopped", controls->stopped);
  if (controls->stopped)
    json.field_time("stopped_at", controls->stopped_at)
        .field("stopped_by", controls->stopped_by)
        .field("stopped_why", controls->stopped_why);
  json.key("braked").begin_array();
  for (const auto& [id, braked] : controls->braked) {
    const auto rule = plan->rule_of_id.find(id);
    if (rule != plan->rule_of_id.end()) json.value(plan->rules[rule->second].name);
  }
  json.end_array();
  json.field("silences", std::ranges::count_if(controls->silences, [&](const Silence& s) { return now >= s.from && now < s.until; }));
  json.field("suppressions", runtime.gate().size()).key("test_mode").begin_array();
  for (const std::string& address : runtime.gate().send_only_to()) json.value(address);
  json.end_array().end_object();
}

std::string read_file(const std::string& path, std::size_t most) {
  std::ifstream in(path, std::ios::binary);
  std::string text(most, '\0');
  in.read(text.data(), static_cast<std::streamsize>(most));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in.gcount())));
  return text;
}

}  // namespace

http::Response Api::status() {
  const RuntimeFigures f = runtime_.figures();
  const StoreStats store = runtime_.store().stats();
  const std::string refusal = runtime_.refusal();
  Json json;
  json.begin_object()
      .field("version", options_.version)
      .field("data_dir", options_.data_dir)
      .field_time("now", f.now)
      .field_time("started", options_.started_at)
      .field("ready", ready_.load())
      .field("accepting", refusal.empty() && ready_.load())
      .field("refusal", refusal);
  json.key("counters").begin_object();
  for (std::size_t i = 0; i < kCounters; ++i) json.field(counter_name(static_cast<Counter>(i)), f.stats.counters[i]);
  json.end_object();
  json.key("balance").begin_array();
  for (const Balance& b : f.balance) {
    json.begin_object().field("equation", b.name).field("left", b.left).field("right", b.right).field("holds", b.holds()).end_object();
  }
  json.end_array();
  json.field("quarantine_open", f.stats.quarantine_open());
  json.key("plan").begin_object().field("sequence", f.plan).field_time("reloaded", f.reloaded_at).field("sweeping", f.sweeping);
  json.field("slots_swept", f.slots_swept).field("slots", kSlots).field("rules_from", options_.rules_from);
  if (const auto version = runtime_.version_in_force(); version && *version)
    json.field("origin", plan_origin_name((*version)->note.origin))
        .field("author", (*version)->note.author)
        .field("comment", (*version)->note.comment);
  if (const auto plan = runtime_.plan())
    json.field("rules", plan->rules.size()).field("segments", plan->segments.size()).field("digest", to_hex(plan->digest));
  json.end_object();
  write_policies(json, runtime_);
  write_shards(json, f);
  json.key("queue")
      .begin_object()
      .field("items", f.queued_items)
      .field("items_max", runtime_.options().queue_items_max)
      .field("units", f.commit.queued_units);
  json.field("bytes", f.commit.queued_bytes).end_object();
  json.key("commit")
      .begin_object()
      .field("batches", f.commit.commits)
      .field("units", f.commit.units)
      .field("last_block", f.commit.last_block);
  json.field("last_us", f.commit.last_commit_us)
      .field("checkpoint", f.checkpoint)
      .field("replayed_blocks", f.replayed_blocks)
      .field("failed", f.commit.failed);
  json.end_object();
  json.key("disk")
      .begin_object()
      .field("free_bytes", store.free_bytes)
      .field("wal_bytes", store.wal_bytes)
      .field("writes_stopped", store.writes_stopped);
  std::uint64_t bytes = 0;
  for (const FamilyStats& family : store.families) bytes += family.file_bytes;
  json.field("file_bytes", bytes).end_object();
  json.key("connectors").begin_array();
  for (const ConnectorFigures& c : f.connectors) write_connector(json, c);
  json.end_array().end_object();
  return json_response(std::move(json));
}

http::Response Api::connectors() {
  const RuntimeFigures f = runtime_.figures();
  Json json;
  json.begin_object().key("connectors").begin_array();
  for (const ConnectorFigures& c : f.connectors) write_connector(json, c);
  json.end_array().end_object();
  return json_response(std::move(json));
}

// The messages the maildrop connector kept, newest first.
http::Response Api::maildrop(const http::Request& request) {
  if (options_.maildrop_directory.empty()) return error_response({Code::not_found, "no maildrop connector is configured"});
  const Result<std::uint64_t> limit = number_param(request, "limit", 50, 1, 1000);
  if (!limit) return error_response(limit.error());
  const auto customer = request.query_param("customer");
  std::vector<std::pair<std::int64_t, std::string>> messages;
  if (DIR* directory = ::opendir(options_.maildrop_directory.c_str())) {
    while (const dirent* entry = ::readdir(directory)) {
      const std::string_view name = entry->d_name;
      if (!name.ends_with(".json") || name.starts_with(".")) continue;
      std::string text = read_file(options_.maildrop_directory + "/" + std::string(name), 2U << 20);
      while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
      if (text.empty()) continue;
      if (customer && text.find("\"customer_id\":\"" + std::string(*customer) + "\"") == std::string::npos) continue;
      const std::size_t at = text.find("\"dropped_ms\":");
      messages.emplace_back(at == std::string::npos ? 0 : std::atoll(text.c_str() + at + 13), std::move(text));
    }
    ::closedir(directory);
  }
  std::ranges::sort(messages, [](const auto& a, const auto& b) { return a.first > b.first; });
  const std::size_t total = messages.size();
  if (messages.size() > *limit) messages.resize(*limit);
  std::vector<std::string> names;
  for (const auto& [when, text] : messages) names.push_back(member_text(text, "customer_id"));
  const auto hidden = personal_of(request, names);
  if (!hidden) return error_response(hidden.error());
  Json json;
  json.begin_object().field("total", total).key("messages").begin_array();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto found = hidden->find(names[i]);
    json.raw(found == hidden->end() ? messages[i].second : found->second.hide_json(messages[i].second));
  }
  json.end_array().end_object();
  return json_response(std::move(json));
}

void Api::collect(metrics::Page& page) {
  const RuntimeFigures f = runtime_.figures();
  show_runtime(page, runtime_,
               {.version = options_.version, .ready = ready_.load(), .started_at = options_.started_at, .last_backup = last_backup_.load()});
  collect_pace(page, f);
  page.family("nudge_callbacks_total", metrics::Type::counter, "Callbacks of providers since the start; refused: not from the provider.");
  for (const ConnectorFigures& c : f.connectors) {
    page.sample({{"connector", c.name}, {"outcome", "taken"}}, static_cast<double>(c.callbacks_taken));
    page.sample({{"connector", c.name}, {"outcome", "refused"}}, static_cast<double>(c.callbacks_refused));
    page.sample({{"connector", c.name}, {"outcome", "failed"}}, static_cast<double>(c.callbacks_failed));
  }
  page.family("nudge_provider_reports_total", metrics::Type::counter, "Receipts, replies and changes of tickets since the start.");
  for (const ConnectorFigures& c : f.connectors) {
    page.sample({{"connector", c.name}, {"outcome", "told"}}, static_cast<double>(c.reports_told));
    page.sample({{"connector", c.name}, {"outcome", "doubled"}}, static_cast<double>(c.reports_doubled));
    page.sample({{"connector", c.name}, {"outcome", "unmatched"}}, static_cast<double>(c.reports_unmatched));
  }
}

// How fast the connectors are given actions, and what slows them down.
void Api::collect_pace(metrics::Page& page, const RuntimeFigures& f) {
  const auto of_each = [&](std::string_view name, metrics::Type type, std::string_view help, const auto& value) {
    page.family(name, type, help);
    for (const ConnectorFigures& c : f.connectors) page.sample({{"connector", c.name}}, static_cast<double>(value(c)));
  };
  using metrics::Type;
  of_each("nudge_connector_under_way", Type::gauge, "Actions handed to a connector, without an outcome yet.",
          [](const ConnectorFigures& c) { return c.under_way; });
  of_each("nudge_connector_at_once", Type::gauge, "So many may be under way at this moment; fewer after failures and 429s.",
          [](const ConnectorFigures& c) { return c.window; });
  of_each("nudge_connector_breaker", Type::gauge, "0: closed, all is well; 1: half open, one probe; 2: open, nothing is sent.",
          [](const ConnectorFigures& c) { return c.breaker == Breaker::State::open        ? 2
                                                 : c.breaker == Breaker::State::half_open ? 1
                                                                                          : 0; });
  of_each("nudge_connector_breaker_opened_total", Type::counter, "So often the breaker has opened.",
          [](const ConnectorFigures& c) { return c.breaker_opened; });
  of_each("nudge_connector_paused", Type::gauge, "1 while the provider has asked for a pause.",
          [](const ConnectorFigures& c) { return c.paused_until != 0 ? 1 : 0; });
  of_each("nudge_connector_throttled_total", Type::counter, "Answers that said: too much (429 and the like).",
          [](const ConnectorFigures& c) { return c.throttles; });
  of_each("nudge_connector_restarts_total", Type::counter, "Starts of the connector's process after the first.",
          [](const ConnectorFigures& c) { return c.status.restarts; });
}

Result<void> Api::install_admin(http::HttpServer& server) {
  using http::Method;
  metrics_.collect([this](metrics::Page& page) { collect(page); });
  NUDGE_TRY(server.route(Method::get, "/v1/status", on_worker([this](const http::Request&) { return status(); })));
  NUDGE_TRY(server.route(Method::get, "/v1/connectors", on_worker([this](const http::Request&) { return connectors(); })));
  NUDGE_TRY(server.route(Method::get, "/v1/maildrop", on_worker([this](const http::Request& r) { return maildrop(r); })));
  NUDGE_TRY(server.route(Method::post, "/v1/reload", on_worker([this](const http::Request&) {
                           const Result<PlanChange> change = options_.reload();
                           if (!change) return error_response(change.error());
                           if (!change->accepted()) {
                             return refused_response(change->diagnostics, change->error);
                           }
                           Json json;
                           json.begin_object()
                               .field("changed", change->changed)
                               .field("plan", change->sequence)
                               .field("warnings", change->diagnostics.warnings())
                               .end_object();
                           return json_response(std::move(json));
                         })));
  NUDGE_TRY(server.route(Method::get, "/v1/digest", [this](http::Request&, http::Responder to) {
    auto shared = std::make_shared<http::Responder>(std::move(to));
    runtime_.digest([shared](Result<std::string> digest, std::uint64_t customers) {
      if (!digest) return shared->send(error_response(digest.error()));
      Json json;
      json.begin_object().field("digest", *digest).field("customers", customers).end_object();
      shared->send(json_response(std::move(json)));
    });
  }));
  http::RouteOptions slow;
  slow.handler_timeout = std::chrono::hours(1);
  NUDGE_TRY(server.route(Method::post, "/v1/digest/replay", on_worker([this](const http::Request&) {
                           const Result<ReplayDigest> replay = runtime_.replay_digest();
                           if (!replay) return error_response(replay.error());
                           Json json;
                           json.begin_object()
                               .field("digest", replay->digest)
                               .field("live", replay->live)
                               .field("same_states", replay->same_states)
                               .field("customers", replay->customers)
                               .field("blocks", replay->blocks)
                               .field("entries", replay->entries)
                               .field("decisions", replay->decisions)
                               .field("same_decisions", replay->same_decisions)
                               .end_object();
                           return json_response(std::move(json));
                         }),
                         slow));
  const auto plain = [](int status, std::string text) {
    http::Response response;
    response.status = status;
    response.content_type = "text/plain; charset=utf-8";
    response.body = std::move(text);
    return response;
  };
  NUDGE_TRY(server.route(Method::get, "/-/healthy", [plain](http::Request&, http::Responder to) { to.send(plain(200, "ok\n")); }));
  NUDGE_TRY(server.route(Method::get, "/-/ready", [this, plain](http::Request&, http::Responder to) {
    const std::string refusal = runtime_.refusal();
    if (!ready_) return to.send(plain(503, "starting or stopping\n"));
    to.send(refusal.empty() ? plain(200, "ready\n") : plain(503, refusal + "\n"));
  }));
  return server.route(Method::get, "/metrics", on_worker([this](const http::Request&) {
                        http::Response response;
                        response.content_type = metrics::kContentType;
                        response.body = metrics_.render();
                        return response;
                      }));
}

}  // namespace nudge::daemon
