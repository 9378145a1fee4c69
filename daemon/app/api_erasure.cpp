// GET /v1/customers/{id}/erasure, DELETE /v1/customers/{id}, GET /v1/erasures: a customer who is to be forgotten, and the list beside data
// and backups that says so to a restore.
#include <algorithm>

#include "daemon/access/secrets.h"
#include "daemon/app/api.h"
#include "daemon/app/erasure_ledger.h"

namespace nudge::daemon {
namespace {

using http::Method;
using http::Request;
using http::Response;

constexpr std::size_t kReasonBytes = 500;
constexpr std::size_t kErasureIdBytes = 12;

void write_counts(Json& json, const ErasureCounts& counts) {
  json.field("facts", counts.facts).field("decisions", counts.decisions).field("actions", counts.actions);
  json.field("in_flight", counts.in_flight).field("tasks", counts.tasks).field("quarantine", counts.quarantine);
}

void write_erasure(Json& json, const Erasure& e) {
  json.begin_object().field("id", e.id).field_time("at", e.at).field("by", e.by).field("step", erasure_step_name(e.step));
  json.field_time("done", e.done_at);
  write_counts(json, e.counts);
  json.end_object();
}

}  // namespace

Response Api::erasure_sight(const Request& request) {
  const auto sight = runtime_.eraser().look(std::string(request.param("id")));
  if (!sight) return error_response(sight.error());
  Json json;
  json.begin_object().key("names").begin_array();
  for (const std::string& name : sight->ids) json.value(name);
  json.end_array();
  write_counts(json, sight->counts);
  json.end_object();
  return json_response(std::move(json));
}

Response Api::erase_customer(const Request& request) {
  const std::string reason(request.query_param("reason").value_or(""));
  if (reason.empty() || reason.size() > kReasonBytes)
    return error_response({Code::invalid, "say why, for the audit log, in `reason` (1 to 500 bytes; no names: the audit log can't be erased)"});
  const auto sight = runtime_.eraser().look(std::string(request.param("id")));
  if (!sight) return error_response(sight.error());
  const auto erased = runtime_.eraser().erase(access::random_text(kErasureIdBytes), sight->ids, request.actor);
  if (!erased) return error_response(erased.error());
  Json json;
  write_erasure(json, *erased);
  Response response = json_response(std::move(json));
  response.note = "erasure " + erased->id + ": " + reason;
  return response;
}

Response Api::erasures() {
  const auto all = runtime_.eraser().list();
  if (!all) return error_response(all.error());
  Json json;
  json.begin_object().key("erasures").begin_array();
  for (const Erasure& e : *all) write_erasure(json, e);
  json.end_array().end_object();
  return json_response(std::move(json));
}

Result<void> Api::install_erasure(http::HttpServer& server) {
  http::RouteOptions slow;
  slow.handler_timeout = std::chrono::minutes(10);
  NUDGE_TRY(server.route(Method::get, "/v1/customers/{id}/erasure", on_worker([this](const Request& r) { return erasure_sight(r); }), slow));
  NUDGE_TRY(server.route(Method::del, "/v1/customers/{id}", on_worker([this](const Request& r) { return erase_customer(r); }), slow));
  return server.route(Method::get, "/v1/erasures", on_worker([this](const Request&) { return erasures(); }));
}

}  // namespace nudge::daemon
