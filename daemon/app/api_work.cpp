// Decisions, actions and tasks: what was decided, what became of it, and what people do with it.
#include "daemon/app/api.h"
#include "daemon/app/reads.h"
#include "daemon/runtime/payload.h"

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

void write_cause(Json& json, const Cause& cause) {
  json.begin_object().field("kind", cause_name(cause.kind)).field_time("at", cause.at);
  if (cause.kind == Cause::Kind::event) json.field("event_id", cause.row_id).field_time("event_time", cause.row_time);
  if (!cause.key.empty()) json.field("key", cause.key);
  json.end_object();
}

Result<ListQuery> list_query(const http::Request& request) {
  ListQuery query;
  NUDGE_ASSIGN(query.limit, number_param(request, "limit", 50, 1, 10'000));
  NUDGE_ASSIGN(query.before, number_param(request, "before", 0, 0, UINT64_MAX));
  query.rule = request.query_param("rule").value_or("");
  return query;
}

}  // namespace

void write_decision(Json& json, const Decision& d) {
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
  if (!d.detail.empty()) json.field("detail", d.detail);
  json.key("cause");
  write_cause(json, d.cause);
  json.end_object();
}

void write_action(Json& json, const ActionRecord& r, bool whole, const ActionReceipt& receipt) {
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
      .field("reason", a.reason);
  if (r.state == ActionState::waiting || r.state == ActionState::retrying) json.field_time("next_at", r.next_at);
  if (!r.note.empty()) json.field("note", r.note);
  if (r.held != Held::none) json.field("held", held_name(r.held));
  if (whole) {
    json.field_raw("payload", a.payload.empty() ? "{}" : a.payload).key("cause");
    write_cause(json, a.cause);
    json.key("attempts").begin_array();
    for (const Attempt& t : r.attempts) {
      json.begin_object().field_time("at", t.at).field("status", t.status).field("detail", t.detail);
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

void write_task(Json& json, const TaskRecord& r, TimeMs now) {
  const ActionOut& a = r.action;
  const bool open = r.state == TaskState::open;
  json.begin_object()
      .field("id", to_hex(a.id))
      .field("number", r.number)
      .field("state", open ? "open" : "done")
      .field("customer", a.customer)
      .field("subject", member_text(a.payload, "subject"))
      .field("team", a.assignment.team)
      .field("owner", a.owner)
      .field("owner_name", a.owner_name)
      .field_time("created", a.at)
      .field_time("due", a.due)
      .field("mandatory", a.mandatory)
      .field("overdue", open ? a.due != 0 && a.due < now : a.due != 0 && a.due < r.done_at)
      .field("priority", a.priority)
      .field("rule", a.rule)
      .field("reason", a.reason)
      .field_raw("payload", a.payload.empty() ? "{}" : a.payload);
  if (!open) {
    json.field_time("done", r.done_at).field("disposition", r.disposition).field("note", r.note).field("done_by", r.done_by);
  }
  json.end_object();
}

http::Response Api::decisions(const http::Request& request) {
  const Result<ListQuery> query = list_query(request);
  if (!query) return error_response(query.error());
  Result<DecisionPage> page;
  if (const auto customer = request.query_param("customer")) {
    Result<std::vector<Decision>> list = decisions_of(runtime_.store(), *customer, *query);
    if (!list) return error_response(list.error());
    page->next = list->size() == query->limit ? list->back().number : 0;
    page->decisions = *std::move(list);
  } else {
    page = decisions_recent(runtime_.store(), *query, kBlocksRead);
    if (!page) return error_response(page.error());
  }
  Json json;
  json.begin_object().key("decisions").begin_array();
  for (const Decision& d : page->decisions) write_decision(json, d);
  json.end_array().key("next");
  if (page->next != 0)
    json.value(page->next);
  else
    json.raw("null");
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
  const auto customer = request.query_param("customer");
  const Result<std::vector<ActionRecord>> list =
      customer ? actions_of(runtime_.store(), *customer, *query, *filter) : actions_recent(runtime_.store(), *query, *filter);
  if (!list) return error_response(list.error());
  Json json;
  json.begin_object().key("actions").begin_array();
  for (const ActionRecord& r : *list) write_action(json, r, false);
  json.end_array().key("next");
  if (list->size() == query->limit)
    json.value(list->back().number);
  else
    json.raw("null");
  json.end_object();
  return json_response(std::move(json));
}

http::Response Api::action(const http::Request& request) {
  const std::optional<std::string> id = id_from_hex(request.param("id"));
  if (!id) return error_response({Code::invalid, "an action's id has 32 hexadecimal digits"});
  const Result<ActionRecord> record = action_by_id(runtime_.store(), *id);
  if (!record) return error_response(record.error());
  const Result<ActionReceipt> receipt = load_receipt(runtime_.store(), *id);
  if (!receipt) return error_response(receipt.error());
  Json json;
  write_action(json, *record, true, *receipt);
  return json_response(std::move(json));
}

http::Response Api::tasks(const http::Request& request) {
  const Result<std::uint64_t> limit = number_param(request, "limit", 100, 1, 10'000);
  if (!limit) return error_response(limit.error());
  const std::string_view state = request.query_param("state").value_or("open");
  if (state != "open" && state != "done" && state != "overdue")
    return error_response({Code::invalid, "`state` must be open, done or overdue"});
  const auto owner = request.query_param("owner");
  const auto team = request.query_param("team");
  const auto customer = request.query_param("customer");
  const auto rule = request.query_param("rule");
  const TimeMs now = runtime_.now();
  const Result<std::vector<TaskRecord>> list = tasks_where(runtime_.store(), state != "done", *limit, [&](const TaskRecord& t) {
    if (owner && t.action.owner != *owner) return false;
    if (team && t.action.assignment.team != *team) return false;
    if (customer && t.action.customer != *customer) return false;
    if (rule && t.action.rule != *rule) return false;
    return state != "overdue" || (t.action.due != 0 && t.action.due < now);
  });
  if (!list) return error_response(list.error());
  Json json;
  json.begin_object().key("tasks").begin_array();
  for (const TaskRecord& t : *list) write_task(json, t, now);
  json.end_array().end_object();
  return json_response(std::move(json));
}

void Api::complete(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const std::optional<std::string> id = id_from_hex(request.param("id"));
  if (!id) return shared->send(error_response({Code::invalid, "a task's id has 32 hexadecimal digits"}));
  const std::string disposition = body_text(request, "disposition");
  if (disposition.empty())
    return shared->send(error_response({Code::invalid, "say what came of it: {\"disposition\": \"interested\", \"note\": \"…\"}"}));
  runtime_.delivery().complete_task(*id, disposition, body_text(request, "note"), body_text(request, "by"), [shared](Result<void> result) {
    if (!result) return shared->send(error_response(result.error()));
    Json json;
    json.begin_object().field("status", "done").end_object();
    shared->send(json_response(std::move(json)));
  });
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
  NUDGE_TRY(server.route(Method::get, "/v1/tasks", read(&Api::tasks)));
  NUDGE_TRY(server.route(Method::get, "/v1/tasks/{id}", on_worker([this](const http::Request& r) {
                           const std::optional<std::string> id = id_from_hex(r.param("id"));
                           if (!id) return error_response({Code::invalid, "a task's id has 32 hexadecimal digits"});
                           const Result<TaskRecord> task = task_by_id(runtime_.store(), *id);
                           if (!task) return error_response(task.error());
                           Json json;
                           write_task(json, *task, runtime_.now());
                           return json_response(std::move(json));
                         })));
  return server.route(Method::post, "/v1/tasks/{id}/complete",
                      [this](http::Request& r, http::Responder to) { complete(r, std::move(to)); });
}

}  // namespace nudge::daemon
