// What is streamed: tails of what is stored and decided, exports of everything, and all that is known of one customer.
#include "daemon/app/api.h"
#include "daemon/app/exports.h"
#include "daemon/app/reads.h"
#include "daemon/app/tails.h"
#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

using http::Method;

unsigned tail_of(std::string_view what) {
  if (what == "events") return TailRequest::events;
  if (what == "decisions") return TailRequest::decisions;
  if (what == "actions") return TailRequest::actions;
  if (what == "edges") return TailRequest::edges;
  return what == "all" ? TailRequest::events | TailRequest::decisions | TailRequest::actions | TailRequest::edges : 0;
}

std::string text_of(const http::Request& request, std::string_view name) { return std::string(request.query_param(name).value_or("")); }

constexpr std::uint64_t kAll = UINT64_MAX;

}  // namespace

void Api::tail(http::Request& request, http::Responder responder) {
  TailRequest tail;
  tail.what = tail_of(request.param("what"));
  if (tail.what == 0)
    return responder.send(error_response({Code::not_found, "there are tails of events, decisions, actions, edges and all of them: /v1/tail/events"}));
  if (request.header("Accept").find("text/event-stream") == std::string_view::npos)
    return responder.send(http::problem(406, "http.not_acceptable",
                                        "a tail is a stream of server-sent events without an end; ask with the header Accept: text/event-stream"));
  tail.customer = text_of(request, "customer");
  tail.rule = text_of(request, "rule");
  tail.event = text_of(request, "event");
  tail.segment = text_of(request, "segment");
  tail.full = sees_personal(request);
  std::string after(request.header("Last-Event-ID"));
  if (after.empty()) after = text_of(request, "after");
  tail.after = {runtime_.last_block(), 0};
  if (!after.empty()) {
    const std::optional<TailPlace> place = TailPlace::parse(after);
    if (!place) return responder.send(error_response({Code::invalid, "`after`, or Last-Event-ID, is the id of an event of a tail, such as 17-3"}));
    if (place->block <= tail.after.block) tail.after = *place;
  }
  const access::RouteAccess* row = access::find_route(access_table(), request.method, request.route);
  const access::Roles wanted = (row != nullptr ? row->roles : 0) | access::kAdmin;
  tail.still = [this, wanted, token = Secret(access::token_of(request.header("Authorization"))),
                session = Secret(std::string(access_.gate.cookie(request)))] {
    if (access_.accounts.is_open()) return true;
    if (!session.empty()) return access_.accounts.session_lives(session.reveal());
    const auto who = access_.accounts.identify_token(token.reveal());
    return who && (who->roles & wanted) != 0;
  };
  if (const Result<void> opened = tails_.open(std::move(tail), responder); !opened) responder.send(error_response(opened.error()));
}

void Api::export_all(http::Request& request, http::Responder responder) {
  const std::string what(request.param("what"));
  if (!Exports::known(what))
    return responder.send(error_response({Code::not_found, "there are exports of documents, decisions, actions, tasks, quarantine and audit"}));
  if (what == "audit" && (request.roles & access::kAdmin) == 0)
    return responder.send(http::problem(403, "http.forbidden", request.actor + " may not export the audit log; it takes the role admin"));
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  access::AuditEntry entry = audit_entry(request, "export");
  entry.status = 200;
  const bool posted = workers_.post([this, shared, what, entry = std::move(entry), full = sees_personal(shared->request())] {
    if (const Result<void> written = access_.audit.append(entry); !written)
      return shared->send(http::problem(500, "audit", "this could not be written to the audit log, so nothing is exported: " + written.error().message));
    if (const Result<void> started = exports_.start(what, full, *shared); !started) shared->send(error_response(started.error()));
  });
  if (!posted) shared->send(error_response({Code::unavailable, "too many questions are waiting"}));
}

// Everything that is kept of one customer, as it is: for the customer who asks what that is.
void Api::export_customer(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const std::string id(request.param("id"));
  runtime_.ask_customer(id, [this, shared, id](Shard& shard, const CustomerState* state) {
    if (state == nullptr) return shared->send(http::problem(404, "unknown_customer", "customer `" + id + "` was never heard of"));
    const Plan& plan = shard.plan();
    auto json = std::make_shared<Json>();
    json->begin_object().field("customer", state->id).field_time("exported", std::max(shard.now(), state->clock));
    json->key("aliases").begin_array();
    for (const std::string& alias : state->aliases) json->value(alias);
    json->end_array().key("documents").begin_array();
    each_document(*state, *plan.catalog, true, [&](std::string document) { json->raw(document); });
    json->end_array().key("segments").begin_array();
    for (const Membership& member : state->members) {
      const auto segment = plan.segment_of_root.find(member.root);
      if (segment != plan.segment_of_root.end())
        json->begin_object().field("name", plan.segments[segment->second].name).field_time("since", member.since).end_object();
    }
    json->end_array();
    std::vector<std::string> names{state->id};
    names.insert(names.end(), state->aliases.begin(), state->aliases.end());
    const bool posted = workers_.post([this, shared, names, json] {
      const Result<void> written = write_kept(*json, names);
      if (!written) return shared->send(error_response(written.error()));
      json->end_object();
      shared->send(json_response(std::move(*json)));
    });
    if (!posted) shared->send(error_response({Code::unavailable, "too many questions are waiting"}));
  });
}

// What lies outside of the customer's state under any of its names.
Result<void> Api::write_kept(Json& json, const std::vector<std::string>& names) {
  const TimeMs now = runtime_.now();
  ListQuery all;
  all.limit = kAll;
  std::vector<ActionRecord> actions;
  json.key("decisions").begin_array();
  for (const std::string& name : names) {
    NUDGE_ASSIGN(const std::vector<Decision> decisions, decisions_of(runtime_.store(), name, all));
    for (const Decision& d : decisions) write_decision(json, d, nullptr);
    NUDGE_ASSIGN(std::vector<ActionRecord> some, actions_of(runtime_.store(), name, all, [](const ActionRecord&) { return true; }));
    std::ranges::move(some, std::back_inserter(actions));
  }
  json.end_array().key("actions").begin_array();
  for (const ActionRecord& r : actions) write_action(json, r, true, nullptr);
  json.end_array().key("tasks").begin_array();
  for (const ActionRecord& r : actions) {
    if (r.action.kind != "call_task") continue;
    if (const Result<TaskRecord> task = task_by_id(runtime_.store(), id_bytes(r.action.id)); task) write_task(json, *task, now, nullptr);
  }
  json.end_array().key("quarantine").begin_array();
  std::vector<std::string> quoted;
  for (const std::string& name : names) append_json_string(quoted.emplace_back(), name);
  NUDGE_TRY(runtime_.store().scan(Family::quarantine, "", "", [&](std::string_view, std::string_view value) {
    const Result<QuarantineRecord> record = decode_quarantine_record(value);
    if (!record) return true;
    const bool of_customer = std::ranges::find(names, record->customer) != names.end() ||
                             std::ranges::any_of(quoted, [&](const std::string& q) { return record->raw.find(q) != std::string::npos; });
    if (of_customer) write_quarantined(json, *record, nullptr);
    return true;
  }));
  json.end_array().key("suppressions").begin_array();
  for (const std::string& name : names) {
    if (const std::optional<Suppression> found = runtime_.gate().find(name, "", ""))
      json.begin_object().field("kind", suppression_kind_name(found->kind)).field("value", found->value).field_time("at", found->at).field("reason", found->reason).end_object();
  }
  json.end_array();
  NUDGE_TRY(write_leads_of(json, names));
  return write_deals_of(json, names);
}

Result<void> Api::install_streams(http::HttpServer& server) {
  NUDGE_TRY(server.route(Method::get, "/v1/tail/{what}", [this](http::Request& r, http::Responder to) { tail(r, std::move(to)); }));
  NUDGE_TRY(server.route(Method::get, "/v1/export/{what}", [this](http::Request& r, http::Responder to) { export_all(r, std::move(to)); }));
  return server.route(Method::get, "/v1/customers/{id}/export",
                      [this](http::Request& r, http::Responder to) { export_customer(r, std::move(to)); });
}

}  // namespace nudge::daemon
