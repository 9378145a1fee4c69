// Decisions, actions and tasks: what was decided, what became of it, and what people do with it.
#include <array>

#include "daemon/app/api.h"
#include "daemon/app/reads.h"
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

std::string shown_payload(const ActionOut& action, const Personal* hidden) {
  if (action.payload.empty()) return "{}";
  return hidden != nullptr ? hidden->hide_json(action.payload) : action.payload;
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

const Personal* hidden_for(const std::map<std::string, Personal>& hidden, const std::string& customer) {
  const auto found = hidden.find(customer);
  return found == hidden.end() ? nullptr : &found->second;
}

// `next`: null when that was all.
void write_next(Json& json, std::uint64_t next) {
  json.key("next");
  if (next != 0)
    json.value(next);
  else
    json.raw("null");
}

// `due`, `-created` …: a leading minus means descending.
Result<TaskOrder> task_order(std::string_view text, bool open) {
  TaskOrder order;
  order.by = open ? TaskOrder::By::due : TaskOrder::By::done;
  order.descending = !open;
  if (text.empty()) return order;
  order.descending = text.starts_with('-');
  if (order.descending) text.remove_prefix(1);
  static constexpr std::array<std::pair<std::string_view, TaskOrder::By>, 5> kNames{{{"due", TaskOrder::By::due},
                                                                                     {"created", TaskOrder::By::created},
                                                                                     {"priority", TaskOrder::By::priority},
                                                                                     {"done", TaskOrder::By::done},
                                                                                     {"number", TaskOrder::By::number}}};
  for (const auto& [name, by] : kNames) {
    if (name != text) continue;
    order.by = by;
    return order;
  }
  return fail(Code::invalid, "`sort` is one of due, created, priority, done, number, each with a minus before it for the other direction");
}

}  // namespace

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

void write_task(Json& json, const TaskRecord& r, TimeMs now, const Personal* hidden) {
  const auto shown = [&](const std::string& text) { return hidden != nullptr ? hidden->hide(text) : text; };
  const ActionOut& a = r.action;
  const bool open = r.state == TaskState::open;
  json.begin_object()
      .field("id", to_hex(a.id))
      .field("number", r.number)
      .field("state", open ? "open" : "done")
      .field("customer", a.customer)
      .field("subject", shown(member_text(a.payload, "subject")))
      .field("team", a.assignment.team)
      .field("owner", a.owner)
      .field("owner_name", a.owner_name)
      .field_time("created", a.at)
      .field_time("due", a.due)
      .field("mandatory", a.mandatory)
      .field("overdue", open ? a.due != 0 && a.due < now : a.due != 0 && a.due < r.done_at)
      .field("priority", a.priority)
      .field("rule", a.rule)
      .field("reason", shown(a.reason))
      .field_raw("payload", shown_payload(a, hidden));
  if (!open) {
    json.field_time("done", r.done_at).field("disposition", r.disposition).field("note", shown(r.note)).field("done_by", r.done_by);
  }
  json.end_object();
}

http::Response Api::decisions(const http::Request& request) {
  Result<ListQuery> query = list_query(request);
  if (!query) return error_response(query.error());
  const auto fired = request.query_param("fired");
  if (fired && *fired != "true" && *fired != "false") return error_response({Code::invalid, "`fired` is true or false"});
  if (fired) query->fired = *fired == "true";
  query->held_by = request.query_param("held_by").value_or("");
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
  const Result<ActionRecord> record = action_by_id(runtime_.store(), *id);
  if (!record) return error_response(record.error());
  const Result<ActionReceipt> receipt = load_receipt(runtime_.store(), *id);
  if (!receipt) return error_response(receipt.error());
  const auto hidden = personal_of(request, {record->action.customer});
  if (!hidden) return error_response(hidden.error());
  Json json;
  write_action(json, *record, true, hidden_for(*hidden, record->action.customer), *receipt);
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
  const auto text = request.query_param("q");
  const std::string needle = text && is_utf8(*text) ? fold_case(*text) : std::string();
  Result<TaskOrder> order = task_order(request.query_param("sort").value_or(""), state != "done");
  if (!order) return error_response(order.error());
  order->cursor = request.query_param("cursor").value_or("");
  order->limit = *limit;
  const TimeMs now = runtime_.now();
  const Result<TaskPage> page = tasks_page(runtime_.store(), state != "done", *order, [&](const TaskRecord& t) {
    if (owner && t.action.owner != *owner) return false;
    if (team && t.action.assignment.team != *team) return false;
    if (customer && t.action.customer != *customer) return false;
    if (rule && t.action.rule != *rule) return false;
    if (!needle.empty() && fold_case(t.action.customer + "\n" + t.action.payload).find(needle) == std::string::npos) return false;
    return state != "overdue" || (t.action.due != 0 && t.action.due < now);
  });
  if (!page) return error_response(page.error());
  std::vector<std::string> names;
  for (const TaskRecord& t : page->tasks) names.push_back(t.action.customer);
  const auto hidden = personal_of(request, std::move(names));
  if (!hidden) return error_response(hidden.error());
  Json json;
  json.begin_object().field("total", page->total).key("tasks").begin_array();
  for (const TaskRecord& t : page->tasks) write_task(json, t, now, hidden_for(*hidden, t.action.customer));
  json.end_array().key("next");
  if (page->next.empty())
    json.raw("null");
  else
    json.value(page->next);
  json.end_object();
  return json_response(std::move(json));
}

void Api::complete(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const std::optional<std::string> id = id_from_hex(request.param("id"));
  if (!id) return shared->send(error_response({Code::invalid, "a task's id has 32 hexadecimal digits"}));
  const std::string disposition = body_text(request, "disposition");
  if (disposition.empty())
    return shared->send(error_response({Code::invalid, "say what came of it: {\"disposition\": \"interested\", \"note\": \"…\"}"}));
  runtime_.delivery().complete_task(*id, disposition, body_text(request, "note"), author_of(request, body_text(request, "by")), [shared](Result<void> result) {
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
                           const auto hidden = personal_of(r, {task->action.customer});
                           if (!hidden) return error_response(hidden.error());
                           Json json;
                           write_task(json, *task, runtime_.now(), hidden_for(*hidden, task->action.customer));
                           return json_response(std::move(json));
                         })));
  return server.route(Method::post, "/v1/tasks/{id}/complete",
                      [this](http::Request& r, http::Responder to) { complete(r, std::move(to)); });
}

}  // namespace nudge::daemon
