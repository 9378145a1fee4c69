// Opportunities and the funnel: sales under way, and how many get through.
#include <algorithm>
#include <array>
#include <atomic>

#include "daemon/app/api.h"
#include "daemon/app/viewer.h"
#include "daemon/runtime/deals.h"
#include "daemon/runtime/tasks.h"
#include "engine/base/limits.h"
#include "engine/base/text.h"
#include "engine/core/funnel.h"

namespace nudge::daemon {
namespace {

struct DealWord {
  std::string_view word;
  DealCommand::Kind kind;
  std::string_view status;
};
constexpr DealWord kWords[] = {{"open", DealCommand::Kind::open, "opened"},
                               {"move", DealCommand::Kind::move, "moved"},
                               {"change", DealCommand::Kind::change, "changed"},
                               {"win", DealCommand::Kind::win, "won"},
                               {"lose", DealCommand::Kind::lose, "lost"},
                               {"done", DealCommand::Kind::task_done, "done"},
                               {"undone", DealCommand::Kind::task_undone, "undone"}};
constexpr std::size_t kWordBytes = 512;

std::string fresh_id(std::string_view customer, TimeMs now) {
  static std::atomic<std::uint64_t> made{0};
  return to_hex(hash128("deal\n" + std::string(customer) + "\n" + std::to_string(now) + "\n" + std::to_string(++made)));
}

// Whose opportunities a request may see: a salesperson their own and nobody's, a manager also those of the teams they manage.
bool sees(const Viewer& viewer, const Plan& plan, const Opportunity& deal) {
  return viewer.all || deal.owner.empty() || deal.owner == viewer.person || viewer.leads(plan, {}, deal.owner);
}

Error not_theirs() { return {Code::not_found, "there is no opportunity of this id that is yours to see"}; }

const FunnelStage* stage_of(const Plan& plan, const Opportunity& deal) {
  const Funnel* funnel = plan.find_funnel(deal.funnel);
  const std::size_t place = funnel == nullptr ? 0 : stage_index(*funnel, deal.stage);
  return funnel == nullptr || place == funnel->stages.size() ? nullptr : &funnel->stages[place];
}

void write_amount(Json& json, std::string_view key, Int128 units) { json.field(key, format_units(units)); }

// The key tasks of the stage it is in, and what was done of others'.
void write_tasks(Json& json, const Plan& plan, const Opportunity& deal) {
  json.key("tasks").begin_array();
  const Funnel* funnel = plan.find_funnel(deal.funnel);
  for (const FunnelStage& stage : funnel == nullptr ? std::vector<FunnelStage>() : funnel->stages) {
    for (const std::string& task : stage.tasks) {
      const DealDone* done = find_done(deal, stage.name, task);
      if (done == nullptr && stage.name != deal.stage) continue;
      json.begin_object().field("stage", stage.name).field("task", task).field("done", done != nullptr);
      json.field_time("at", done != nullptr ? done->at : 0).field("by", done != nullptr ? done->by : std::string()).end_object();
    }
  }
  json.end_array();
}

void write_deal(Json& json, const Plan& plan, const Opportunity& deal, TimeMs now, const Personal* hidden, bool whole) {
  const auto shown = [&](const std::string& text) { return hidden != nullptr ? hidden->hide(text) : text; };
  const FunnelStage* stage = stage_of(plan, deal);
  const bool open = deal.state == DealState::open;
  json.begin_object()
      .field("id", deal.id)
      .field("customer", deal.customer)
      .field("funnel", deal.funnel)
      .field("state", deal_state_name(deal.state))
      .field("stage", deal.stage)
      .field("title", shown(deal.title))
      .field("owner", deal.owner)
      .key("amount");
  if (deal.has_amount)
    json.value(format_decimal(deal.amount));
  else
    json.raw("null");
  json.field("probability", deal.state == DealState::won ? 100U : open && stage != nullptr ? stage->percent : 0U)
      .field_time("opened", deal.opened)
      .field_time("stage_since", deal.since)
      .field("stage_age_ms", static_cast<std::uint64_t>(std::max<TimeMs>(0, (open ? now : deal.closed) - deal.since)))
      .field_time("active", deal.active_at)
      .field_time("stalls", deal.stall_at)
      .field("stalled", deal.stalled)
      .field_time("closed", deal.closed)
      .field("reason", shown(deal.reason));
  std::size_t left = 0;
  if (open && stage != nullptr) {
    for (const std::string& task : stage->tasks) left += find_done(deal, stage->name, task) == nullptr ? 1U : 0U;
  }
  json.field("tasks_left", left);
  if (whole) {
    write_tasks(json, plan, deal);
    json.key("history").begin_array();
    for (const DealStep& step : deal.steps)
      json.begin_object().field_time("at", step.at).field("what", step.what).field("stage", step.stage).field("by", step.by).field("reason", shown(step.reason)).end_object();
    json.end_array();
  }
  json.end_object();
}

// In percent, to a tenth, cut off.
void write_share(Json& json, std::uint64_t part, std::uint64_t of) {
  if (of == 0)
    json.raw("null");
  else
    json.value(std::to_string(part * 1000 / of / 10) + "." + std::to_string(part * 1000 / of % 10));
}

void write_funnel(Json& json, const Funnel& funnel, const std::vector<Opportunity>& deals, TimeMs now) {
  const FunnelCount count = count_funnel(funnel, deals, now);
  json.begin_object().field("name", funnel.name).field("description", funnel.description).field("open", count.open.open).field("stalled", count.open.stalled);
  write_amount(json, "amount", count.open.amount);
  write_amount(json, "forecast", count.open.expected);
  json.key("stages").begin_array();
  for (std::size_t i = 0; i < count.stages.size(); ++i) {
    const StageCount& s = count.stages[i];
    const FunnelStage& stage = funnel.stages[i];
    json.begin_object().field("name", stage.name).field("description", stage.description).field("probability", stage.percent).field("open", s.open);
    write_amount(json, "amount", s.amount);
    write_amount(json, "forecast", s.expected);
    json.field("stalled", s.stalled).field("reached", s.reached).field("moved_on", s.moved_on).key("conversion");
    write_share(json, s.moved_on, s.reached);
    json.field("average_age_ms", s.open == 0 ? std::uint64_t{0} : static_cast<std::uint64_t>(s.age) / s.open);
    json.end_object();
  }
  json.end_array().key("won").begin_object().field("count", count.won);
  write_amount(json, "amount", count.won_amount);
  json.end_object().key("lost").begin_object().field("count", count.lost);
  write_amount(json, "amount", count.lost_amount);
  json.key("reasons").begin_array();
  for (const auto& [reason, n] : count.lost_reasons) json.begin_object().field("reason", reason).field("count", n).end_object();
  json.end_array().end_object().end_object();
}

}  // namespace

http::Response Api::deals(const http::Request& request) {
  const Result<std::uint64_t> limit = number_param(request, "limit", 100, 1, 10'000);
  if (!limit) return error_response(limit.error());
  const Result<std::uint64_t> skip = number_param(request, "cursor", 0, 0, 1'000'000'000);
  if (!skip) return error_response(skip.error());
  const std::string_view state = request.query_param("state").value_or("open");
  static constexpr std::string_view kStates[] = {"open", "stalled", "won", "lost", "closed", "all"};
  if (std::ranges::find(kStates, state) == std::end(kStates))
    return error_response({Code::invalid, "`state` must be open, stalled, won, lost, closed (both) or all"});
  const auto funnel = request.query_param("funnel"), stage = request.query_param("stage"), owner = request.query_param("owner"), customer = request.query_param("customer");
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Viewer viewer = viewer_of(request, *plan);
  const auto fits = [&](const Opportunity& deal) {
    if ((funnel && deal.funnel != *funnel) || (stage && deal.stage != *stage) || (owner && deal.owner != *owner)) return false;
    if (state == "stalled" && !(deal.state == DealState::open && deal.stalled)) return false;
    if (state == "closed" && deal.state == DealState::open) return false;
    if ((state == "open" || state == "won" || state == "lost") && state != deal_state_name(deal.state)) return false;
    return sees(viewer, *plan, deal);
  };
  const DealsIn which = state == "all" ? DealsIn::all : state == "open" || state == "stalled" ? DealsIn::open : DealsIn::closed;
  Result<std::vector<Opportunity>> found =
      customer ? deals_of(runtime_.store(), names_of(std::string(*customer))) : deals_where(runtime_.store(), which, fits);
  if (!found) return error_response(found.error());
  if (customer) std::erase_if(*found, [&](const Opportunity& deal) { return !fits(deal); });
  std::ranges::sort(*found, {}, [](const Opportunity& d) { return std::pair<TimeMs, std::string_view>{d.since, d.id}; });
  const std::size_t from = std::min<std::size_t>(*skip, found->size()), to = std::min<std::size_t>(from + *limit, found->size());
  std::vector<std::string> names;
  for (std::size_t i = from; i < to; ++i) names.push_back((*found)[i].customer);
  const auto hidden = personal_of(request, std::move(names));
  if (!hidden) return error_response(hidden.error());
  Json json;
  json.begin_object().field("total", found->size()).key("opportunities").begin_array();
  for (std::size_t i = from; i < to; ++i) write_deal(json, *plan, (*found)[i], runtime_.now(), hidden_for(*hidden, (*found)[i].customer), false);
  json.end_array().key("next");
  if (to == found->size())
    json.raw("null");
  else
    json.value(static_cast<std::uint64_t>(to));
  json.end_object();
  return json_response(std::move(json));
}

http::Response Api::deal(const http::Request& request) {
  const Result<Opportunity> deal = deal_of(runtime_.store(), request.param("id"));
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Viewer viewer = viewer_of(request, *plan);
  if (!deal && (viewer.all || deal.error().code != Code::not_found)) return error_response(deal.error());
  if (!deal || !sees(viewer, *plan, *deal)) return error_response(not_theirs());  // somebody else's is answered as one that never was
  const auto hidden = personal_of(request, {deal->customer});
  if (!hidden) return error_response(hidden.error());
  Json json;
  write_deal(json, *plan, *deal, runtime_.now(), hidden_for(*hidden, deal->customer), true);
  return json_response(std::move(json));
}

// What is kept of a customer under any of these names, as it is.
Result<void> Api::write_deals_of(Json& json, const std::vector<std::string>& names) {
  NUDGE_ASSIGN(const std::vector<Opportunity> deals, deals_of(runtime_.store(), names));
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  json.key("opportunities").begin_array();
  for (const Opportunity& deal : deals) write_deal(json, *plan, deal, runtime_.now(), nullptr, true);
  json.end_array();
  return {};
}

http::Response Api::funnel(const http::Request& request) {
  const auto from = time_param(request, "from");
  if (!from) return error_response(from.error());
  const auto to = time_param(request, "to");
  if (!to) return error_response(to.error());
  const auto name = request.query_param("funnel"), owner = request.query_param("owner");
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  if (name && plan->find_funnel(*name) == nullptr) return error_response({Code::not_found, "there is no funnel " + std::string(*name)});
  const Viewer viewer = viewer_of(request, *plan);
  const Result<std::vector<Opportunity>> found = deals_where(runtime_.store(), DealsIn::all, [&](const Opportunity& deal) {
    if ((*from && deal.opened < **from) || (*to && deal.opened >= **to) || (owner && deal.owner != *owner)) return false;
    return sees(viewer, *plan, deal);
  });
  if (!found) return error_response(found.error());
  Json json;
  json.begin_object().field_time("at", runtime_.now()).key("funnels").begin_array();
  for (const Funnel& funnel : plan->funnels) {
    if (!name || funnel.name == *name) write_funnel(json, funnel, *found, runtime_.now());
  }
  json.end_array().end_object();
  return json_response(std::move(json));
}

// One of open, move, change, win, lose, done, undone.
void Api::deal_command(http::Request& request, http::Responder responder, std::string_view word) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const auto refuse = [&](Error error) { to->send(error_response(error)); };
  const DealWord& what = *std::ranges::find(kWords, word, &DealWord::word);
  DealCommand command;
  command.kind = what.kind;
  const bool opens = command.kind == DealCommand::Kind::open;
  for (const auto& [key, text] : std::array<std::pair<std::string_view, std::string*>, 7>{{{"funnel", &command.funnel},
                                                                                            {"task", &command.task},
                                                                                            {"stage", &command.stage},
                                                                                            {"title", &command.title},
                                                                                            {"owner", &command.owner},
                                                                                            {"by", &command.by},
                                                                                            {"reason", &command.reason}}}) {
    *text = body_text(request, key);
    if (text->size() > kWordBytes) return refuse({Code::invalid, "`" + std::string(key) + "` is longer than " + std::to_string(kWordBytes) + " bytes"});
  }
  if (const std::string amount = body_text(request, "amount"); !amount.empty()) {
    const Result<Decimal> value = Decimal::parse(amount);
    if (!value) return refuse({Code::invalid, "`amount` is a decimal, such as 1200.50 (in JSON in quotes)"});
    if (value->units < 0) return refuse({Code::invalid, "`amount` is not below 0"});
    command.has_amount = true;
    command.amount = *value;
  }
  command.customer = body_text(request, "customer");
  command.id = opens ? body_text(request, "id") : std::string(request.param("id"));
  for (const std::string* id : {&command.customer, &command.id}) {
    if (id->size() > limits::kCustomerIdBytes || !is_utf8(*id) || id->contains('\0'))
      return refuse({Code::invalid, "an id is text of at most " + std::to_string(limits::kCustomerIdBytes) + " bytes"});
  }
  if (opens && command.customer.empty()) return refuse({Code::invalid, "say whose: {\"customer\": \"c1\", \"funnel\": \"deals\"}"});
  if (command.kind == DealCommand::Kind::move && command.stage.empty()) return refuse({Code::invalid, "say where to: {\"stage\": \"quote\"}"});
  if ((command.kind == DealCommand::Kind::task_done || command.kind == DealCommand::Kind::task_undone) && command.task.empty())
    return refuse({Code::invalid, "say which key task of the stage: {\"task\": \"send the quote\"}"});
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Viewer viewer = viewer_of(request, *plan);
  if (!viewer.person.empty()) {
    command.by = viewer.person;  // who logged in is who did it
    if (opens && command.owner.empty() && !viewer.member_of.empty()) command.owner = viewer.person;
  }
  if (opens && command.id.empty()) command.id = fresh_id(command.customer, runtime_.now());
  const bool posted = workers_.post([this, to, command, viewer, plan, opens, status = what.status]() mutable {
    if (opens) command.customer = names_of(command.customer)[0];
    const Result<Opportunity> deal = deal_of(runtime_.store(), command.id);
    if (opens && deal) return to->send(error_response({Code::conflict, "there is an opportunity " + command.id + " already"}));
    if (!deal && deal.error().code != Code::not_found) return to->send(error_response(deal.error()));
    if (!deal && !opens && viewer.all) return to->send(error_response(deal.error()));
    if (!opens && (!deal || !sees(viewer, *plan, *deal))) return to->send(error_response(not_theirs()));
    if (deal && deal->state != DealState::open)
      return to->send(error_response({Code::conflict, "the opportunity is " + std::string(deal_state_name(deal->state)) + " already"}));
    const std::string id = command.id;
    runtime_.tasks().apply(std::move(command), [this, to, id, plan, status](Result<void> result) {
      if (!result) return to->send(error_response(result.error()));
      const bool again = workers_.post([this, to, id, plan, status] {
        const Result<Opportunity> now = deal_of(runtime_.store(), id);
        const auto hidden = personal_of(to->request(), now ? std::vector{now->customer} : std::vector<std::string>());
        Json json;
        json.begin_object().field("status", status).field("id", id);
        if (now && hidden) write_deal(json.key("opportunity"), *plan, *now, runtime_.now(), hidden_for(*hidden, now->customer), true);
        json.end_object();
        to->send(json_response(std::move(json)));
      });
      if (!again) to->send(json_response(Json().begin_object().field("status", status).field("id", id).end_object()));
    });
  });
  if (!posted) refuse({Code::unavailable, "too many questions are waiting"});
}

Result<void> Api::install_deals(http::HttpServer& server) {
  using http::Method;
  const auto command = [this](std::string_view word) {
    return [this, word](http::Request& r, http::Responder to) { deal_command(r, std::move(to), word); };
  };
  NUDGE_TRY(server.route(Method::get, "/v1/funnel", on_worker([this](const http::Request& r) { return funnel(r); })));
  NUDGE_TRY(server.route(Method::get, "/v1/opportunities", on_worker([this](const http::Request& r) { return deals(r); })));
  NUDGE_TRY(server.route(Method::post, "/v1/opportunities", command("open")));
  NUDGE_TRY(server.route(Method::get, "/v1/opportunities/{id}", on_worker([this](const http::Request& r) { return deal(r); })));
  NUDGE_TRY(server.route(Method::post, "/v1/opportunities/{id}", command("change")));
  NUDGE_TRY(server.route(Method::post, "/v1/opportunities/{id}/move", command("move")));
  NUDGE_TRY(server.route(Method::post, "/v1/opportunities/{id}/win", command("win")));
  NUDGE_TRY(server.route(Method::post, "/v1/opportunities/{id}/lose", command("lose")));
  NUDGE_TRY(server.route(Method::post, "/v1/opportunities/{id}/done", command("done")));
  return server.route(Method::post, "/v1/opportunities/{id}/undone", command("undone"));
}

}  // namespace nudge::daemon
