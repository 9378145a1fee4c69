// Pools and leads: who has which customer, and what people do about it.
#include <algorithm>
#include <array>

#include "daemon/app/api.h"
#include "daemon/app/page.h"
#include "daemon/app/viewer.h"
#include "daemon/runtime/leads.h"
#include "daemon/runtime/tasks.h"
#include "engine/base/limits.h"
#include "engine/base/text.h"

namespace nudge::daemon {
namespace {

struct LeadWord {
  std::string_view word;
  LeadCommand::Kind kind;
  std::string_view status;
};
constexpr LeadWord kWords[] = {{"put", LeadCommand::Kind::put, "pooled"},          {"claim", LeadCommand::Kind::claim, "claimed"},
                               {"assign", LeadCommand::Kind::assign, "assigned"},  {"return", LeadCommand::Kind::give_back, "returned"},
                               {"transfer", LeadCommand::Kind::transfer, "transferred"}, {"close", LeadCommand::Kind::close, "closed"}};

std::string name_of(const Plan& plan, const std::string& id) {
  for (const Team& team : plan.teams) {
    if (const Member* member = team.find(id)) return member->name;
  }
  return {};
}

void write_time(Json& json, std::string_view key, TimeMs t) { json.field_time(key, t == kAlways ? 0 : t); }

void write_lead(Json& json, const Plan& plan, const Lead& lead, const Personal* hidden) {
  const Pool* pool = plan.find_pool(lead.pool);
  json.begin_object()
      .field("customer", lead.customer)
      .field("state", lead_state_name(lead.state))
      .field("pool", lead.pool)
      .field("team", pool != nullptr ? pool->team : std::string())
      .field("owner", lead.owner)
      .field("owner_name", name_of(plan, lead.owner));
  write_time(json, "since", lead.since);
  write_time(json, "followed", lead.followed_at);
  json.field_time("recycles", lead.recycle_at).field("last_owner", lead.last_owner);
  write_time(json, "last_owned", lead.last_owned);
  json.field("reason", hidden != nullptr ? hidden->hide(lead.reason) : lead.reason).field("changes", lead.changes);
}

// … and the end of the lead's object.
void write_history(Json& json, const std::vector<LeadChange>& history, const Personal* hidden) {
  json.key("history").begin_array();
  for (const LeadChange& change : history) {
    json.begin_object()
        .field("number", change.number)
        .field_time("at", change.at)
        .field("what", change.what)
        .field("pool", change.pool)
        .field("owner", change.owner)
        .field("previous", change.previous)
        .field("by", change.by)
        .field("reason", hidden != nullptr ? hidden->hide(change.reason) : change.reason)
        .end_object();
  }
  json.end_array().end_object();
}

void write_words(Json& json, std::string_view key, const std::vector<std::string>& words) {
  json.key(key).begin_array();
  for (const std::string& word : words) json.value(word);
  json.end_array();
}

void write_pool(Json& json, const Plan& plan, const Pool& pool, const Desk& desk, const Viewer& viewer, TimeMs now) {
  const auto counts = desk.leads().counts(pool.name);
  std::size_t owned = 0;
  for (const auto& [owner, count] : counts) owned += owner.empty() ? 0 : count;
  json.begin_object()
      .field("name", pool.name)
      .field("description", pool.description)
      .field("team", pool.team)
      .field("public", pool.everybody)
      .field("waiting", desk.leads().waiting(pool.name))
      .field("owned", owned)
      .key("owners")
      .begin_array();
  for (const auto& [owner, count] : counts) {
    if (!owner.empty()) json.begin_object().field("owner", owner).field("owner_name", name_of(plan, owner)).field("leads", count).end_object();
  }
  json.end_array().key("claims").begin_object().field("per_day", pool.per_day).field("owned_at_most", pool.owned_most);
  if (pool.again_after != 0) json.field("again_after", format_duration(pool.again_after));
  json.end_object();
  write_words(json, "return_reasons", pool.return_reasons);
  write_words(json, "close_reasons", pool.close_reasons);
  if (pool.recycle_after != 0) {
    json.key("recycle").begin_object().field("after", format_duration(pool.recycle_after)).field("to", pool.recycle_to.empty() ? pool.name : pool.recycle_to);
    json.key("follow_ups").begin_array();
    for (const EventTypeId event : pool.follow_ups) json.value(plan.catalog->events[event].name);
    json.end_array().end_object();
  }
  if (!viewer.person.empty()) {
    const Team* team = plan.find_team(pool.team);
    const bool inside = team != nullptr && (team->find(viewer.person) != nullptr || team->manager == viewer.person);
    json.key("mine")
        .begin_object()
        .field("may_claim", inside || (pool.everybody && !viewer.member_of.empty()))
        .field("owned", desk.leads().owned(pool.name, viewer.person))
        .field("claimed_today", desk.leads().claimed_today(plan, pool.name, viewer.person, now))
        .end_object();
  }
  json.end_object();
}

}  // namespace

void Api::pools(http::Request& request, http::Responder responder) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  auto json = std::make_shared<Json>();
  runtime_.tasks().look(
      [plan, json, viewer = viewer_of(request, *plan)](const Desk& desk, TimeMs now) {
        json->begin_object().key("pools").begin_array();
        for (const Pool& pool : plan->pools) write_pool(*json, *plan, pool, desk, viewer, now);
        json->end_array().end_object();
      },
      [to, json](const Error* failure) { to->send(failure != nullptr ? error_response(*failure) : json_response(std::move(*json))); });
}

http::Response Api::leads(const http::Request& request) {
  const Result<std::uint64_t> limit = number_param(request, "limit", 100, 1, 10'000);
  if (!limit) return error_response(limit.error());
  const std::string_view state = request.query_param("state").value_or("open");
  static constexpr std::string_view kStates[] = {"open", "pooled", "owned", "closed", "all"};
  if (std::ranges::find(kStates, state) == std::end(kStates))
    return error_response({Code::invalid, "`state` must be pooled, owned, open (both), closed or all"});
  LeadQuery query;
  if (state == "pooled") query.state = LeadState::pooled;
  if (state == "owned") query.state = LeadState::owned;
  if (state == "closed") query.state = LeadState::closed;
  query.cursor = request.query_param("cursor").value_or("");
  query.limit = *limit;
  const auto pool = request.query_param("pool");
  const auto owner = request.query_param("owner");
  const auto text = request.query_param("q");
  const std::string needle = text && is_utf8(*text) ? fold_case(*text) : std::string();
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Viewer viewer = viewer_of(request, *plan);
  const Result<LeadPage> page = leads_page(runtime_.store(), query, [&](const LeadEntry& lead) {
    if (state == "open" && lead.state == LeadState::closed) return false;
    if ((pool && lead.pool != *pool) || (owner && lead.owner != *owner)) return false;
    if (!needle.empty() && fold_case(lead.customer).find(needle) == std::string::npos) return false;
    return viewer.sees(*plan, lead.pool, lead.owner);
  });
  if (!page) return error_response(page.error());
  std::vector<std::string> names;
  for (const Lead& lead : page->leads) names.push_back(lead.customer);
  const auto hidden = personal_of(request, std::move(names));
  if (!hidden) return error_response(hidden.error());
  Json json;
  json.begin_object().field("total", page->total).key("leads").begin_array();
  for (const Lead& lead : page->leads) {
    write_lead(json, *plan, lead, hidden_for(*hidden, lead.customer));
    json.end_object();
  }
  return end_page(std::move(json), page->next);
}

http::Response Api::lead(const http::Request& request) {
  const std::vector<std::string> known_as = names_of(std::string(request.param("id")));
  const std::string& customer = known_as[0];
  const Result<Lead> lead = lead_of(runtime_.store(), customer);
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Viewer viewer = viewer_of(request, *plan);
  if (!lead && (viewer.all || lead.error().code != Code::not_found)) return error_response(lead.error());
  if (!lead || !viewer.sees(*plan, lead->pool, lead->owner))  // somebody else's is answered as one that never was
    return error_response({Code::not_found, "there is no lead of this name that is yours to see"});
  const Result<std::vector<LeadChange>> history = lead_history(runtime_.store(), known_as);
  if (!history) return error_response(history.error());
  const auto hidden = personal_of(request, {customer});
  if (!hidden) return error_response(hidden.error());
  const Personal* masks = hidden_for(*hidden, customer);
  Json json;
  write_lead(json, *plan, *lead, masks);
  write_history(json, *history, masks);
  return json_response(std::move(json));
}

// What is kept of a customer under any of these names, as it is.
Result<void> Api::write_leads_of(Json& json, const std::vector<std::string>& names) {
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  json.key("leads").begin_array();
  for (const std::string& name : names) {
    const Result<Lead> lead = lead_of(runtime_.store(), name);
    if (!lead && lead.error().code == Code::not_found) continue;
    if (!lead) return std::unexpected(lead.error());
    NUDGE_ASSIGN(const std::vector<LeadChange> history, lead_history(runtime_.store(), names));
    write_lead(json, *plan, *lead, nullptr);
    write_history(json, history, nullptr);
  }
  json.end_array();
  return {};
}

// One of put, claim, assign, return, transfer, close.
void Api::lead_command(http::Request& request, http::Responder responder, std::string_view word) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const auto refuse = [&](Error error) { to->send(error_response(error)); };
  const LeadWord& what = *std::ranges::find(kWords, word, &LeadWord::word);
  LeadCommand command;
  command.kind = what.kind;
  const bool puts = command.kind == LeadCommand::Kind::put;
  for (const auto& [key, text] : std::array<std::pair<std::string_view, std::string*>, 4>{
           {{"pool", &command.pool}, {"by", &command.by}, {"to", &command.to}, {"reason", &command.reason}}}) {
    *text = body_text(request, key);
    if (text->size() > 4U << 10U) return refuse({Code::invalid, "`" + std::string(key) + "` is longer than 4 KiB"});
  }
  command.customer = puts ? body_text(request, "customer") : std::string(request.param("id"));
  if (command.customer.empty()) return refuse({Code::invalid, "say which customer: {\"customer\": \"c1\", \"pool\": \"inbound\"}"});
  if (command.customer.size() > limits::kCustomerIdBytes || !is_utf8(command.customer) || command.customer.contains('\0'))
    return refuse({Code::invalid, "a customer's id is text of at most " + std::to_string(limits::kCustomerIdBytes) + " bytes"});
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Viewer viewer = viewer_of(request, *plan);
  if (!viewer.person.empty()) command.by = viewer.person;  // who logged in is who did it
  const bool posted = workers_.post([this, to, command, viewer, plan, puts, status = what.status]() mutable {
    command.customer = names_of(command.customer)[0];
    const Result<Lead> lead = lead_of(runtime_.store(), command.customer);
    if (!lead && lead.error().code != Code::not_found) return to->send(error_response(lead.error()));
    if (!lead && !puts && viewer.all) return to->send(error_response(lead.error()));
    if (!lead && !puts) return to->send(error_response({Code::not_found, "there is no lead of this name that is yours to see"}));
    if (lead && !viewer.sees(*plan, lead->pool, lead->owner)) {
      // Who claims is told that somebody was quicker, and no more.
      if (command.kind == LeadCommand::Kind::claim && lead->state == LeadState::owned) return to->send(error_response({Code::conflict, "somebody else has this lead"}));
      return to->send(error_response({Code::not_found, "there is no lead of this name that is yours to see"}));
    }
    command.as_manager = viewer.all || viewer.leads(*plan, lead ? lead->pool : command.pool, lead ? lead->owner : std::string());
    if ((command.kind == LeadCommand::Kind::assign || puts) && !command.as_manager)
      return to->send(http::problem(403, "http.forbidden", "this takes the manager of the pool's team, or of whoever has the lead"));
    const std::string customer = command.customer;
    runtime_.tasks().apply(std::move(command), [this, to, customer, plan, status](Result<void> result) {
      if (!result) return to->send(error_response(result.error()));
      const bool again = workers_.post([this, to, customer, plan, status] {
        const Result<Lead> now = lead_of(runtime_.store(), customer);
        const auto hidden = personal_of(to->request(), now ? std::vector{customer} : std::vector<std::string>());
        Json json;
        json.begin_object().field("status", status);
        if (now && hidden) {
          write_lead(json.key("lead"), *plan, *now, hidden_for(*hidden, customer));
          json.end_object();
        }
        json.end_object();
        to->send(json_response(std::move(json)));
      });
      if (!again) to->send(json_response(Json().begin_object().field("status", status).end_object()));
    });
  });
  if (!posted) refuse({Code::unavailable, "too many questions are waiting"});
}

Result<void> Api::install_leads(http::HttpServer& server) {
  using http::Method;
  const auto command = [this](std::string_view word) {
    return [this, word](http::Request& r, http::Responder to) { lead_command(r, std::move(to), word); };
  };
  NUDGE_TRY(server.route(Method::get, "/v1/pools", [this](http::Request& r, http::Responder to) { pools(r, std::move(to)); }));
  NUDGE_TRY(server.route(Method::get, "/v1/leads", on_worker([this](const http::Request& r) { return leads(r); })));
  NUDGE_TRY(server.route(Method::post, "/v1/leads", command("put")));
  NUDGE_TRY(server.route(Method::get, "/v1/leads/{id}", on_worker([this](const http::Request& r) { return lead(r); })));
  NUDGE_TRY(server.route(Method::post, "/v1/leads/{id}/claim", command("claim")));
  NUDGE_TRY(server.route(Method::post, "/v1/leads/{id}/assign", command("assign")));
  NUDGE_TRY(server.route(Method::post, "/v1/leads/{id}/return", command("return")));
  NUDGE_TRY(server.route(Method::post, "/v1/leads/{id}/transfer", command("transfer")));
  return server.route(Method::post, "/v1/leads/{id}/close", command("close"));
}

}  // namespace nudge::daemon
