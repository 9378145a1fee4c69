// Tasks and teams: what people have to do, and what they say of it.
#include <algorithm>
#include <array>

#include "daemon/app/api.h"
#include "daemon/app/reads.h"
#include "daemon/app/page.h"
#include "daemon/app/viewer.h"
#include "daemon/http/etag.h"
#include "daemon/runtime/payload.h"
#include "daemon/runtime/tasks.h"
#include "engine/base/text.h"
#include "engine/core/worktime.h"

namespace nudge::daemon {
namespace {

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

void write_steps(Json& json, const Task& task, const Personal* hidden) {
  json.key("steps").begin_array();
  for (const TaskStep& step : task.steps)
    json.begin_object().field_time("at", step.at).field("what", step.what).field("who", step.who).field("why", hidden != nullptr ? hidden->hide(step.words) : step.words).end_object();
  json.end_array().key("refused").begin_array();
  for (const std::string& id : task.refused) json.value(id);
  json.end_array();
}

struct CommandWord {
  std::string_view word;
  TaskCommand::Kind kind;
  std::string_view status;
};
constexpr CommandWord kWords[] = {{"accept", TaskCommand::Kind::accept, "accepted"},   {"decline", TaskCommand::Kind::decline, "declined"},
                                  {"complete", TaskCommand::Kind::complete, "done"},   {"reassign", TaskCommand::Kind::reassign, "reassigned"},
                                  {"release", TaskCommand::Kind::release, "released"}, {"cancel", TaskCommand::Kind::cancel, "cancelled"}};

}  // namespace

void write_task(Json& json, const TaskRecord& r, TimeMs now, const Personal* hidden, bool whole) {
  const auto shown = [&](const std::string& text) { return hidden != nullptr ? hidden->hide(text) : text; };
  const ActionOut& a = r.action;
  const bool open = is_open(r.state);
  json.begin_object()
      .field("id", to_hex(a.id))
      .field("number", r.number)
      .field("state", task_state_name(r.state))
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
      .field("urgency", a.terms.rank)
      .field("units", a.terms.units)
      .field("waits", r.waits)
      .field("tries", r.tries)
      .field_time("given", r.given_at)
      .field_time("again_at", r.not_before)
      .field_time("accept_by", r.state == TaskState::offered ? r.offer_until : 0)
      .field_time("expires", r.expires_at)
      .field("rule", a.rule)
      .field("reason", shown(a.reason))
      .field_raw("payload", shown_payload(a, hidden));
  if (!open || r.tries != 0) json.field("disposition", r.disposition).field("note", shown(r.note));
  if (!open) json.field_time("done", r.done_at).field("done_by", r.done_by);
  if (whole) write_steps(json, r, hidden);
  json.end_object();
}

namespace {

// Somebody else's task is answered as one that never was.
Error no_task(const Viewer& viewer, const Error& error = {Code::not_found, {}}) {
  if (error.code != Code::not_found || viewer.all) return error;
  return {Code::not_found, "there is no task with this id that is yours to see"};
}

// Names what people have seen of a task: whoever changes it may insist that it is still so.
std::string state_of(const TaskRecord& r) {
  std::string bytes;
  Writer w(bytes);
  w.u8(static_cast<std::uint8_t>(r.state));
  w.u8(r.overdue ? 1 : 0);
  w.u8(r.waits ? 1 : 0);
  for (const std::string* text : {&r.action.owner, &r.action.assignment.team, &r.disposition, &r.note, &r.done_by}) w.string(*text);
  for (const TimeMs t : {r.action.due, r.given_at, r.offer_until, r.not_before, r.expires_at, r.done_at}) w.svarint(t);
  w.varint(r.tries);
  if (!r.steps.empty()) {
    w.svarint(r.steps.back().at);
    w.string(r.steps.back().what);
    w.string(r.steps.back().words);
  }
  return to_hex(hash128(bytes)).substr(0, 16);
}

}  // namespace

http::Response Api::tasks(const http::Request& request) {
  const Result<std::uint64_t> limit = number_param(request, "limit", 100, 1, 10'000);
  if (!limit) return error_response(limit.error());
  static constexpr std::string_view kStates[] = {"open", "done", "overdue", "waiting", "offered", "accepted", "cancelled", "expired", "closed"};
  const std::string_view state = request.query_param("state").value_or("open");
  if (std::ranges::find(kStates, state) == std::end(kStates))
    return error_response(
        {Code::invalid, "`state` must be open, waiting, offered, accepted or overdue; or done, cancelled, expired or closed (all three)"});
  const auto owner = request.query_param("owner");
  const auto team = request.query_param("team");
  const auto customer = request.query_param("customer");
  const std::vector<std::string> theirs = customer ? names_of(std::string(*customer)) : std::vector<std::string>();
  const auto rule = request.query_param("rule");
  const TimeMs now = runtime_.now();
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Viewer viewer = viewer_of(request, *plan);
  const bool closed = state == "done" || state == "cancelled" || state == "expired" || state == "closed";
  const auto text = request.query_param("q");
  const std::string needle = text && is_utf8(*text) ? fold_case(*text) : std::string();
  Result<TaskOrder> order = task_order(request.query_param("sort").value_or(""), !closed);
  if (!order) return error_response(order.error());
  order->cursor = request.query_param("cursor").value_or("");
  order->limit = *limit;
  const Result<TaskPage> page = tasks_page(runtime_.store(), !closed, *order, [&](const TaskRecord& t) {
    if (owner && t.action.owner != *owner) return false;
    if (team && t.action.assignment.team != *team) return false;
    if (customer && std::ranges::find(theirs, t.action.customer) == theirs.end()) return false;
    if (rule && t.action.rule != *rule) return false;
    if (!viewer.sees(t)) return false;
    if (!needle.empty() && fold_case(t.action.customer + "\n" + t.action.payload).find(needle) == std::string::npos) return false;
    if (state == "overdue") return t.action.due != 0 && t.action.due < now;
    if (state == "waiting") return t.waits;
    return state == "open" || state == "closed" || state == task_state_name(t.state);
  });
  if (!page) return error_response(page.error());
  std::vector<std::string> names;
  for (const TaskRecord& t : page->tasks) names.push_back(t.action.customer);
  const auto hidden = personal_of(request, std::move(names));
  if (!hidden) return error_response(hidden.error());
  Json json;
  json.begin_object().field("total", page->total).key("tasks").begin_array();
  for (const TaskRecord& t : page->tasks) write_task(json, t, now, hidden_for(*hidden, t.action.customer));
  return end_page(std::move(json), page->next);
}

http::Response Api::task(const http::Request& request) {
  const std::optional<std::string> id = id_from_hex(request.param("id"));
  if (!id) return error_response({Code::invalid, "a task's id has 32 hexadecimal digits"});
  const Result<TaskRecord> task = task_by_id(runtime_.store(), *id);
  const Viewer viewer = viewer_of(request, *runtime_.plan());
  if (!task || !viewer.sees(*task)) return error_response(task ? no_task(viewer) : no_task(viewer, task.error()));
  const auto hidden = personal_of(request, {task->action.customer});
  if (!hidden) return error_response(hidden.error());
  Json json;
  write_task(json, *task, runtime_.now(), hidden_for(*hidden, task->action.customer), true);
  return of_state(json_response(std::move(json)), state_of(*task));
}

// One of accept, decline, complete, reassign, release, cancel.
void Api::task_command(http::Request& request, http::Responder responder, std::string_view word) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const auto refuse = [&](Error error) { to->send(error_response(error)); };
  const std::optional<std::string> id = id_from_hex(request.param("id"));
  if (!id) return refuse({Code::invalid, "a task's id has 32 hexadecimal digits"});
  const CommandWord& what = *std::ranges::find(kWords, word, &CommandWord::word);
  TaskCommand command;
  command.kind = what.kind;
  for (const std::string_view key : {"disposition", "note", "reason", "to", "by"}) {
    std::string text = body_text(request, key);
    if (text.size() > 16U << 10U) return refuse({Code::invalid, "`" + std::string(key) + "` is longer than 16 KiB"});
    if (key == "disposition") command.disposition = std::move(text);
    else if (key == "note") command.note = std::move(text);
    else if (key == "reason") command.reason = std::move(text);
    else if (key == "to") command.to = std::move(text);
    else command.by = std::move(text);
  }
  if (const std::string at = body_text(request, "at"); !at.empty()) {
    const Result<TimeMs> time = parse_timestamp(at);
    if (!time) return refuse({Code::invalid, "`at`: " + time.error().message});
    command.at = *time;
  }
  if (command.kind == TaskCommand::Kind::complete && command.disposition.empty())
    return refuse({Code::invalid, "say what came of it: {\"disposition\": \"interested\", \"note\": \"…\"}"});
  if (command.kind == TaskCommand::Kind::reassign && command.to.empty())
    return refuse({Code::invalid, "say who gets it: {\"to\": \"lin\", \"reason\": \"…\"}"});
  if (command.kind == TaskCommand::Kind::cancel && command.reason.empty()) return refuse({Code::invalid, "say why: {\"reason\": \"…\"}"});
  const Viewer viewer = viewer_of(request, *runtime_.plan());
  if (!viewer.person.empty()) command.by = viewer.person;  // who logged in is who did it
  const bool posted = workers_.post([this, to, id = *id, command, viewer, status = what.status,
                                    only_if = std::string(request.header("If-Match"))]() mutable {
    const Result<TaskRecord> task = task_by_id(runtime_.store(), id);
    if (!task || !viewer.sees(*task)) return to->send(error_response(task ? no_task(viewer) : no_task(viewer, task.error())));
    if (!only_if.empty() && !http::state_listed(only_if, state_of(*task)))
      return to->send(http::problem(412, "http.changed", Tasks::kMovedOn));
    if (!is_open(task->state)) {
      return to->send(error_response({Code::conflict, "the task is " + std::string(task_state_name(task->state)) + " already"}));
    }
    command.as_manager = viewer.commands(*task);
    const bool others = !viewer.person.empty() && task->action.owner != viewer.person && !task->action.owner.empty();
    const bool moves = command.kind == TaskCommand::Kind::reassign || command.kind == TaskCommand::Kind::cancel;
    if ((others || moves) && !command.as_manager)
      return to->send(http::problem(403, "http.forbidden", "this takes the manager of the team " + task->action.assignment.team));
    command.task = task->action.id;
    std::function<bool(const Task&)> still;
    if (!only_if.empty()) still = [only_if](const Task& as_it_is) { return http::state_listed(only_if, state_of(as_it_is)); };
    const auto done = [this, to, id, status](Result<void> result) {
      if (!result && result.error().message == Tasks::kMovedOn) return to->send(http::problem(412, "http.changed", result.error().message));
      if (!result) return to->send(error_response(result.error()));
      const bool again = workers_.post([this, to, id, status] {
        const Result<TaskRecord> now = task_by_id(runtime_.store(), id);
        // It is done: when the task can't be shown as this person may see it, the answer goes without it.
        const auto hidden = personal_of(to->request(), now ? std::vector{now->action.customer} : std::vector<std::string>());
        Json json;
        json.begin_object().field("status", now && status == "done" && is_open(now->state) ? "again" : status);
        if (now && hidden) write_task(json.key("task"), *now, runtime_.now(), hidden_for(*hidden, now->action.customer));
        json.end_object();
        to->send(json_response(std::move(json)));
      });
      if (!again) to->send(json_response(Json().begin_object().field("status", status).end_object()));
    };
    runtime_.tasks().apply(std::move(command), done, std::move(still));
  });
  if (!posted) refuse({Code::unavailable, "too many questions are waiting"});
}

namespace {

void write_member(Json& json, const Plan& plan, const Team& team, const Member& m, const Desk& desk, TimeMs now) {
  DateDays until = 0;
  const bool absent = is_absent(plan, team, m, now, &until);
  json.begin_object()
      .field("id", m.id)
      .field("name", m.name)
      .field("email", m.email)
      .field("capacity", m.capacity)
      .field("per_day", m.per_day != 0 ? m.per_day : m.capacity)
      .field("weight", m.weight)
      .field("load", desk.roster().load(m.id))
      .field("today", desk.roster().today(plan, m.id, now))
      .field("absent", absent)
      .field("working", !absent && works_at(plan, hours_of(team, m), now));
  if (absent) json.field("absent_until", format_date(until));
  json.key("properties").begin_object();
  for (const auto& [name, value] : m.properties) json.field_raw(name, to_json(value.view()));
  json.end_object();
  const auto account = desk.roster().ledger().find(m.id);
  const Roster::Account got = account == desk.roster().ledger().end() ? Roster::Account() : account->second;
  json.key("ledger")
      .begin_object()
      .field("given", got.given)
      .field("units", got.units)
      .field("declined", got.declined)
      .field_time("last", got.last)
      .end_object()
      .end_object();
}

}  // namespace

// All teams, or the one in the path, with what each person has.
void Api::teams(http::Request& request, http::Responder responder) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const std::string name(request.param("name"));
  if (!name.empty() && plan->find_team(name) == nullptr) return to->send(error_response({Code::not_found, "there is no team " + name}));
  auto json = std::make_shared<Json>();
  runtime_.tasks().look(
      [plan, name, json](const Desk& desk, TimeMs now) {
        if (name.empty()) json->begin_object().key("teams").begin_array();
        for (const Team& team : plan->teams) {
          if (!name.empty() && team.name != name) continue;
          const auto counted = desk.work().by_team().find(team.name);
          const Work::Count count = counted == desk.work().by_team().end() ? Work::Count{} : counted->second;
          json->begin_object()
              .field("name", team.name)
              .field("manager", team.manager)
              .field("overflow", team.overflow)
              .field("open", count.open)
              .field("in_pool", count.in_pool)
              .field("working", works_at(*plan, team.hours, now))
              .key("members")
              .begin_array();
          for (const Member& m : team.members) write_member(*json, *plan, team, m, desk, now);
          json->end_array().end_object();
        }
        if (name.empty()) json->end_array().end_object();
      },
      [to, json](const Error* failure) { to->send(failure != nullptr ? error_response(*failure) : json_response(std::move(*json))); });
}

namespace {

// What a condition over a task's event asks of its fields `rule` and `disposition`.
struct WaitedFor {
  std::string rule;  // empty: whatever rule made it
  std::vector<std::string> words;
};
void read_waited_for(const Plan& plan, NodeId id, WaitedFor& found) {
  if (id == kNone) return;
  const Node& node = plan.nodes[id];
  for (const NodeId child : node.kind == Node::Kind::all || node.kind == Node::Kind::any ? node.children : std::vector<NodeId>())
    read_waited_for(plan, child, found);
  if (node.kind != Node::Kind::compare || (node.op != Op::equals && node.op != Op::in)) return;
  const Expr& left = plan.exprs[node.left];
  if (left.kind != Expr::Kind::field || left.event == kNoEventType || left.ref >= plan.catalog->events[left.event].fields.size()) return;
  const std::string& field = plan.catalog->events[left.event].fields[left.ref].name;
  for (const Value& literal : node.literals) {
    if (field == "rule") found.rule = literal.view().bytes;
    if (field == "disposition") found.words.emplace_back(literal.view().bytes);
  }
}

}  // namespace

// Those that are written down, and those that rules wait for: without the first, any word will do, and nobody could guess the second.
http::Response Api::dispositions() const {
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  Json json;
  json.begin_object().key("dispositions").begin_array();
  for (const Disposition& d : plan->dispositions) {
    json.begin_object().field("name", d.name).field("description", d.description).field("closes", d.closes).field("asks_time", d.asks_time);
    if (d.retry_after != 0) json.field("retry_after", format_duration(d.retry_after));
    if (d.tries_most != 0) json.field("at_most", d.tries_most);
    json.end_object();
  }
  json.end_array().key("waited_for").begin_array();
  for (const Rule& rule : plan->rules) {
    if (rule.trigger.kind != Trigger::Kind::event || rule.trigger.event == kNoEventType) continue;
    const std::string& event = plan->catalog->events[rule.trigger.event].name;
    if (event != "task_completed" && event != "task_attempted") continue;
    WaitedFor found;
    read_waited_for(*plan, rule.trigger.where, found);
    for (const std::string& word : found.words)
      json.begin_object().field("disposition", word).field("of", found.rule).field("by", rule.name).end_object();
  }
  json.end_array().end_object();
  return json_response(std::move(json));
}

Result<void> Api::install_tasks(http::HttpServer& server) {
  using http::Method;
  NUDGE_TRY(server.route(Method::get, "/v1/tasks", on_worker([this](const http::Request& r) { return tasks(r); })));
  NUDGE_TRY(server.route(Method::get, "/v1/tasks/{id}", on_worker([this](const http::Request& r) { return task(r); })));
  const auto command = [this](std::string_view word) {
    return [this, word](http::Request& r, http::Responder to) { task_command(r, std::move(to), word); };
  };
  NUDGE_TRY(server.route(Method::post, "/v1/tasks/{id}/accept", command("accept")));
  NUDGE_TRY(server.route(Method::post, "/v1/tasks/{id}/decline", command("decline")));
  NUDGE_TRY(server.route(Method::post, "/v1/tasks/{id}/complete", command("complete")));
  NUDGE_TRY(server.route(Method::post, "/v1/tasks/{id}/release", command("release")));
  NUDGE_TRY(server.route(Method::post, "/v1/tasks/{id}/reassign", command("reassign")));
  NUDGE_TRY(server.route(Method::post, "/v1/tasks/{id}/cancel", command("cancel")));
  NUDGE_TRY(server.route(Method::get, "/v1/teams", [this](http::Request& r, http::Responder to) { teams(r, std::move(to)); }));
  NUDGE_TRY(server.route(Method::get, "/v1/teams/{name}", [this](http::Request& r, http::Responder to) { teams(r, std::move(to)); }));
  NUDGE_TRY(install_leads(server));
  NUDGE_TRY(install_notes(server));
  NUDGE_TRY(install_deals(server));
  return server.route(Method::get, "/v1/dispositions", on_worker([this](const http::Request&) { return dispositions(); }));
}

}  // namespace nudge::daemon
