// Actions that wait for a manager's yes: the list, and the answer. The page behind the signed link of a message: approval_link.cpp.
#include <algorithm>
#include <array>

#include "daemon/app/api.h"
#include "daemon/app/reads.h"
#include "daemon/runtime/actions.h"
#include "daemon/runtime/approvals.h"
#include "daemon/runtime/tasks.h"
#include "daemon/store/keys.h"
#include "engine/core/render_filter.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kReasonBytes = 16U << 10U;

// Whom the approvals are shown to, and whose yes counts. A manager sees what they are asked; whoever runs nudge sees all and answers none
// of it, but an admin answers for anybody.
struct Asker {
  std::string person;  // empty: not a person
  bool all = false, admin = false;
};

Asker asker_of(const http::Request& request) {
  Asker asker;
  if (request.actor.starts_with("user:")) asker.person = request.actor.substr(5);
  asker.admin = (request.roles & access::kAdmin) != 0;
  asker.all = asker.admin || asker.person.empty() || (request.roles & access::kOperator) != 0;
  return asker;
}

bool sees(const Asker& asker, const Plan& plan, const Request& r) {
  return asker.all || r.person == asker.person || r.decided_by == asker.person || asked_now(plan, r) == asker.person;
}

std::string name_of(const Plan& plan, const std::string& id) {
  const Member* member = find_member(plan, id);
  return member != nullptr ? member->name : std::string();
}

void write_approval(Json& json, const Plan& plan, const Asker& asker, const Request& r, const Personal* hidden) {
  const bool open = r.state == ApprovalState::open;
  const std::string asked = open ? asked_now(plan, r) : r.person;
  const auto shown = [&](const std::string& text) { return hidden != nullptr ? hidden->hide(text) : text; };
  json.begin_object()
      .field("id", to_hex(r.action.id))
      .field("number", r.number)
      .field("state", approval_state_name(r.state))
      .field("subject", shown(r.subject))
      .field("rule", r.action.rule)
      .field("why", shown(r.action.reason))
      .field("customer", r.action.customer)
      .field("kind", r.action.kind)
      .field("channel", r.action.channel)
      .field("team", r.team)
      .field("asked", asked)
      .field("asked_name", name_of(plan, asked))
      .field_time("asked_at", r.action.at)
      .field_time("deadline", r.deadline)
      .field("otherwise", r.otherwise_send ? "send" : "drop")
      .field("may_answer", open && (asker.admin || (!asker.person.empty() && asker.person == asked)))
      .field_raw("payload", shown_payload(r.action, hidden));
  if (!open) {
    json.field("sent", r.sent).field_time("decided", r.decided_at).field("decided_by", r.decided_by).field("reason", shown(r.reason));
  }
  json.field("words", shown(decision_words(r))).end_object();
}

}  // namespace

http::Response Api::approvals(const http::Request& request) {
  const Result<std::uint64_t> limit = number_param(request, "limit", 100, 1, 1'000);
  if (!limit) return error_response(limit.error());
  const Result<std::uint64_t> offset = number_param(request, "cursor", 0, 0, 1'000'000'000);
  if (!offset) return error_response(offset.error());
  static constexpr std::array<std::string_view, 5> kStates = {"open", "approved", "rejected", "expired", "closed"};
  const std::string_view state = request.query_param("state").value_or("open");
  if (std::ranges::find(kStates, state) == kStates.end())
    return error_response({Code::invalid, "`state` must be open, approved, rejected, expired, or closed (the last three)"});
  const bool open = state == "open";
  Result<std::vector<Request>> all = approvals_in(runtime_.store(), open);
  if (!all) return error_response(all.error());
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const Asker asker = asker_of(request);
  const auto rule = request.query_param("rule"), customer = request.query_param("customer"), asked = request.query_param("asked");
  const std::vector<std::string> theirs = customer ? names_of(std::string(*customer)) : std::vector<std::string>();
  std::erase_if(*all, [&](const Request& r) {
    if (!open && state != "closed" && state != approval_state_name(r.state)) return true;
    if ((rule && r.action.rule != *rule) || (customer && std::ranges::find(theirs, r.action.customer) == theirs.end())) return true;
    return (asked && asked_now(*plan, r) != *asked) || !sees(asker, *plan, r);
  });
  // What is most urgent first; of what was decided the newest.
  std::ranges::sort(*all, [&](const Request& a, const Request& b) {
    if (open) return a.deadline != b.deadline ? a.deadline < b.deadline : a.number < b.number;
    return a.decided_at != b.decided_at ? a.decided_at > b.decided_at : a.number > b.number;
  });
  const std::size_t total = all->size(), from = std::min<std::size_t>(*offset, total), end = std::min<std::size_t>(total, from + *limit);
  std::vector<std::string> names;
  for (std::size_t i = from; i < end; ++i) names.push_back((*all)[i].action.customer);
  const auto hidden = personal_of(request, std::move(names));
  if (!hidden) return error_response(hidden.error());
  Json json;
  json.begin_object().field("total", total).key("approvals").begin_array();
  for (std::size_t i = from; i < end; ++i) write_approval(json, *plan, asker, (*all)[i], hidden_for(*hidden, (*all)[i].action.customer));
  json.end_array().key("next");
  if (end == total)
    json.raw("null");
  else
    json.value(std::to_string(end));
  json.end_object();
  return json_response(std::move(json));
}

Result<Request> Api::shown_approval(const http::Request& request, const std::string& id) {
  NUDGE_ASSIGN(Request found, approval_by_id(runtime_.store(), id));
  if (!sees(asker_of(request), *runtime_.plan(), found)) return fail(Code::not_found, "there is no approval with this id that you are asked for");
  if (found.state != ApprovalState::open) {  // what was decided on lies with the action
    if (Result<ActionRecord> record = find_action(runtime_.store(), id)) found.action.payload = std::move(record->action.payload);
  }
  return found;
}

http::Response Api::approval(const http::Request& request) {
  const std::optional<std::string> id = id_from_hex(request.param("id"));
  if (!id) return error_response({Code::invalid, "an approval's id has 32 hexadecimal digits"});
  const Result<Request> found = shown_approval(request, *id);
  if (!found) return error_response(found.error());
  const auto hidden = personal_of(request, {found->action.customer});
  if (!hidden) return error_response(hidden.error());
  Json json;
  write_approval(json, *runtime_.plan(), asker_of(request), *found, hidden_for(*hidden, found->action.customer));
  return json_response(std::move(json));
}

void Api::answer_approval(http::Request& request, http::Responder responder, bool yes) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const std::optional<std::string> id = id_from_hex(request.param("id"));
  if (!id) return to->send(error_response({Code::invalid, "an approval's id has 32 hexadecimal digits"}));
  ApprovalCommand command;
  command.yes = yes;
  command.reason = body_text(request, "reason");
  if (command.reason.size() > kReasonBytes) return to->send(error_response({Code::invalid, "`reason` is longer than 16 KiB"}));
  if (!yes && command.reason.empty()) return to->send(error_response({Code::invalid, "say why not: {\"reason\": \"…\"}"}));
  const Asker asker = asker_of(request);
  command.as_admin = asker.admin;
  command.by = author_of(request, body_text(request, "by"));
  if (command.by.empty()) command.by = "somebody";
  const bool posted = workers_.post([this, to, id = *id, command]() mutable {
    const Result<Request> before = shown_approval(to->request(), id);
    if (!before) return to->send(error_response(before.error()));
    command.id = before->action.id;
    runtime_.tasks().answer(std::move(command), [this, to, id](Result<void> result) {
      auto told = [this, to, id, result = std::move(result)] {
        const Result<Request> now = shown_approval(to->request(), id);
        if (!result && result.error().code == Code::not_found && now && now->state != ApprovalState::open)
          return to->send(error_response({Code::conflict, "it is decided already: " + decision_words(*now)}));
        if (!result) return to->send(error_response(result.error()));
        const auto hidden = personal_of(to->request(), now ? std::vector{now->action.customer} : std::vector<std::string>());
        Json json;
        json.begin_object().field("status", now ? approval_state_name(now->state) : "decided");
        if (now && hidden)
          write_approval(json.key("approval"), *runtime_.plan(), asker_of(to->request()), *now, hidden_for(*hidden, now->action.customer));
        json.end_object();
        to->send(json_response(std::move(json)));
      };
      auto shared = std::make_shared<decltype(told)>(std::move(told));
      if (!workers_.post([shared] { (*shared)(); })) to->send(json_response(Json().begin_object().field("status", "decided").end_object()));
    });
  });
  if (!posted) to->send(error_response({Code::unavailable, "too many questions are waiting"}));
}

Result<void> Api::install_approvals(http::HttpServer& server) {
  using http::Method;
  NUDGE_TRY(server.route(Method::get, "/v1/approvals", on_worker([this](const http::Request& r) { return approvals(r); })));
  NUDGE_TRY(server.route(Method::get, "/v1/approvals/{id}", on_worker([this](const http::Request& r) { return approval(r); })));
  NUDGE_TRY(server.route(Method::post, "/v1/approvals/{id}/approve",
                         [this](http::Request& r, http::Responder to) { answer_approval(r, std::move(to), true); }));
  NUDGE_TRY(server.route(Method::post, "/v1/approvals/{id}/reject",
                         [this](http::Request& r, http::Responder to) { answer_approval(r, std::move(to), false); }));
  NUDGE_TRY(server.route(Method::get, "/a/{token}", on_worker([this](const http::Request& r) { return approval_page(r); })));
  return server.route(Method::post, "/a/{token}", [this](http::Request& r, http::Responder to) { approval_by_link(r, std::move(to)); });
}

}  // namespace nudge::daemon
