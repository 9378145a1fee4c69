// Decisions and actions: what was decided, and what became of it.
#include "daemon/app/api.h"
#include "daemon/app/reads.h"
#include "daemon/runtime/actions.h"
#include "daemon/runtime/payload.h"
#include "engine/base/text.h"

namespace nudge::daemon {
namespace {

constexpr std::uint64_t kBlocksRead = 20'000;  // for one answer; a page may be short, and `next` goes on

std::string_view cause_name(Cause::Kind kind) {
  switch (kind) {
    case Cause::Kind::event: return "event";
    case Cause::Kind::enters: return "enters";
    case Cause::Kind::leaves: return "leaves";
    case Cause::Kind::attribute: return "attribute_changes";
    case Cause::Kind::schedule: return "schedule";
  }
  return "";
}

void write_cause(Json& json, const Cause& cause, const Personal* hidden) {
  json.begin_object().field("kind", cause_name(cause.kind)).field_time("at", cause.at);
  if (cause.kind == Cause::Kind::event) json.field("event_id", cause.row_id).field_time("event_time", cause.row_time);
  if (!cause.key.empty()) json.field("key", hidden != nullptr ? hidden->hide(cause.key) : cause.key);
  json.end_object();
}

Result<ListQuery> list_query(const http::Request& request) {
  ListQuery query;
  NUDGE_ASSIGN(query.limit, number_param(request, "limit", 50, 1, 10'000));
  NUDGE_ASSIGN(query.before, number_param(request, request.query_param("cursor") ? "cursor" : "before", 0, 0, UINT64_MAX));
  NUDGE_ASSIGN(const std::optional<TimeMs> from, time_param(request, "from"));
  NUDGE_ASSIGN(const std::optional<TimeMs> to, time_param(request, "to"));
  query.from = from.value_or(kAlways);
  query.to = to.value_or(kNever);
  query.rule = request.query_param("rule").value_or("");
  return query;
}

// `next`: null when that was all.
void write_next(Json& json, std::uint64_t next) {
  json.key("next");
  if (next != 0)
    json.value(next);
  else
    json.raw("null");
}

}  // namespace

std::string shown_payload(const ActionOut& action, const Personal* hidden) {
  if (action.payload.empty()) return "{}";
  return hidden != nullptr ? hidden->hide_json(action.payload) : action.payload;
}

const Personal* hidden_for(const std::map<std::string, Personal>& hidden, const std::string& customer) {
  const auto found = hidden.find(customer);
  return found == hidden.end() ? nullptr : &found->second;
}

void write_decision(Json& json, const Decision& d, const Personal* hidden) {
  const auto shown = [&](const std::string& text) { return hidden != nullptr ? hidden->hide(text) : text; };
  json.begin_object()
      .field("number", d.number)
      .field_time("at", d.at)
      .field("rule", d.rule)
      .field("rule_version", d.rule_version)
      .field("customer", d.customer)
      .field("fired", d.fired);
  if (!d.fired) json.field("held", held_text(d.held)).field("held_by", held_name(d.held));
  if (d.deferred_until != 0) json.field_time("deferred_until", d.deferred_until);
  if (d.step != kNone) json.field("step", d.step);
  if (!d.detail.empty()) json.field("detail", shown(d.detail));
  json.key("cause");
  write_cause(json, d.cause, hidden);
  json.end_object();
}

void write_action(Json& json, const ActionRecord& r, bool whole, const Personal* hidden, const ActionReceipt& receipt) {
  const auto shown = [&](const std::string& text) { return hidden != nullptr ? hidden->hide(text) : text; };
  const ActionOut& a = r.action;
  json.begin_object()
      .field("id", to_hex(a.id))
      .field("number", r.number)
      .field("state", action_state_name(r.state))
      .field("kind", a.kind)
      .field("channel", a.channel)
      .field("category", category_name(a.category))
      .field("rule", a.rule)
      .field("rule_version", a.rule_version)
      .field("customer", a.customer)
      .field_time("at", a.at)
      .field_time("changed_at", r.changed_at)
      .field("connector", r.connector.empty() ? a.connector : r.connector)
      .field("tries", r.tries)
      .field("reason", shown(a.reason));
  if (r.state == ActionState::waiting || r.state == ActionState::retrying) json.field_time("next_at", r.next_at);
  if (!r.note.empty()) json.field("note", shown(r.note));
  if (r.held != Held::none) json.field("held", held_name(r.held));
  if (whole) {
    json.field_raw("payload", shown_payload(a, hidden)).key("cause");
    write_cause(json, a.cause, hidden);
    json.key("attempts").begin_array();
    for (const Attempt& t : r.attempts) {
      json.begin_object().field_time("at", t.at).field("status", t.status).field("detail", shown(t.detail));
      if (!t.provider_ref.empty()) json.field("provider_ref", t.provider_ref);
      if (t.http_status != 0) json.field("http_status", t.http_status);
      json.end_object();
    }
    json.end_array();
    if (receipt.any()) {
      json.key("receipt").begin_object().field_time("delivered_at", receipt.delivered_at).field_time("failed_at", receipt.failed_at);
      json.field_time("delayed_at", receipt.delayed_at).field("reason", receipt.reason).end_object();
    }
  }
  json.end_object();
}

http::Response Api::decisions(const http::Request& request) {
  Result<ListQuery> query = list_query(request);
  if (!query) return error_response(query.error());
  const Result<bool> fired = flag_param(request, "fired");
  if (!fired) return error_response(fired.error());
  if (request.query_param("fired")) query->fired = *fired;
  query->held_by = request.query_param("held_by").value_or("");
  query->erased = &runtime_.eraser().erased();
  DecisionPage page;
  if (const auto customer = request.query_param("customer")) {
    Result<std::vector<Decision>> list = decisions_of(runtime_.store(), *customer, *query);
    if (!list) return error_response(list.error());
    page.next = list->size() == query->limit ? list->back().number : 0;
    page.decisions = *std::move(list);
  } else {
    Result<DecisionPage> recent = decisions_recent(runtime_.store(), *query, kBlocksRead);
    if (!recent) return error_response(recent.error());
    page = *std::move(recent);
  }
  std::vector<std::string> names;
  for (const Decision& d : page.decisions)
    if (!d.detail.empty() || !d.cause.key.empty()) names.push_back(d.customer);
  const auto hidden = personal_of(request, std::move(names));
  if (!hidden) return error_response(hidden.error());
  Json json;
  json.begin_object().key("decisions").begin_array();
  for (const Decision& d : page.decisions) write_decision(json, d, hidden_for(*hidden, d.customer));
  json.end_array();
  write_next(json, page.next);
  json.end_object();
  return json_response(std::move(json));
}

http::Response Api::actions(const http::Request& request) {
  const Result<ListQuery> query = list_query(request);
  if (!query) return error_response(query.error());
  ActionChoice choice;
  for (const auto& [name, place] : choice.fields()) *place = request.query_param(name).value_or("");
  choice.rule.clear();  // list_query() has it
  const Result<ActionFilter> filter = choice.filter();
  if (!filter) return error_response(filter.error());
  const ActionFilter within = [&](const ActionRecord& r) { return (*filter)(r) && r.action.at >= query->from && r.action.at < query->to; };
  const auto customer = request.query_param("customer");
  const Result<std::vector<ActionRecord>> list =
      customer ? actions_of(runtime_.store(), *customer, *query, within) : actions_recent(runtime_.store(), *query, within);
  if (!list) return error_response(list.error());
  std::vector<std::string> names;
  for (const ActionRecord& r : *list) names.push_back(r.action.customer);
  const auto hidden = personal_of(request, std::move(names));
  if (!hidden) return error_response(hidden.error());
  Json json;
  json.begin_object().key("actions").begin_array();
  for (const ActionRecord& r : *list) write_action(json, r, false, hidden_for(*hidden, r.action.customer));
  json.end_array();
  write_next(json, list->size() == query->limit ? list->back().number : 0);
  json.end_object();
  return json_response(std::move(json));
}

http::Response Api::action(const http::Request& request) {
  const std::optional<std::string> id = id_from_hex(request.param("id"));
  if (!id) return error_response({Code::invalid, "an action's id has 32 hexadecimal digits"});
  const Result<ActionRecord> record = find_action(runtime_.store(), *id);
  if (!record) return error_response(record.error());
  const Result<ActionReceipt> receipt = load_receipt(runtime_.store(), *id);
  if (!receipt) return error_response(receipt.error());
  const auto hidden = personal_of(request, {record->action.customer});
  if (!hidden) return error_response(hidden.error());
  Json json;
  write_action(json, *record, true, hidden_for(*hidden, record->action.customer), *receipt);
  return json_response(std::move(json));
}

Result<void> Api::install_work(http::HttpServer& server) {
  using http::Method;
  const auto read = [this](http::Response (Api::*method)(const http::Request&)) {
    return on_worker([this, method](const http::Request& r) { return (this->*method)(r); });
  };
  NUDGE_TRY(server.route(Method::get, "/v1/decisions", read(&Api::decisions)));
  NUDGE_TRY(server.route(Method::get, "/v1/actions", read(&Api::actions)));
  NUDGE_TRY(server.route(Method::get, "/v1/actions/{id}", read(&Api::action)));
  NUDGE_TRY(server.route(Method::get, "/v1/trace/{id}", read(&Api::trace)));
  NUDGE_TRY(install_outbox(server));
  return install_tasks(server);
}

}  // namespace nudge::daemon
