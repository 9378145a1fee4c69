// What people say about actions: one by its id, or many by a filter, with the count shown first. And the restart of a connector.
#include <charconv>
#include <future>
#include <map>

#include "daemon/app/api.h"
#include "daemon/app/reads.h"
#include "daemon/runtime/actions.h"
#include "daemon/runtime/payload.h"

namespace nudge::daemon {
namespace {

// Who does it: as the body says, else as the gate found out.
Told told_by(const http::Request& request) {
  Told by{body_text(request, "author"), body_text(request, "reason"), ""};
  if (by.author.empty() && request.actor != "anybody") by.author = request.actor;
  return by;
}

std::string_view done_name(Word word) {
  switch (word) {
    case Word::retry: return "retrying";
    case Word::discard: return "discarded";
    case Word::release: return "released";
    case Word::arrived: return "accepted";
  }
  return "";
}

http::Response counted(std::string_view status, std::uint64_t count) {
  Json json;
  json.begin_object().field("status", status).field("actions", count).end_object();
  return json_response(std::move(json));
}

// The states in which the word can meet an action, apart by where they lie.
std::pair<bool, bool> where_to_look(Word word, const std::string& state) {
  const std::optional<ActionState> wanted = find_action_state(state);
  if (wanted) return {is_pending(*wanted), !is_pending(*wanted)};
  return {true, word == Word::retry || word == Word::discard};
}

}  // namespace

void Api::tell_action(http::Request& request, http::Responder responder, Word word) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const std::optional<std::string> id = id_from_hex(request.param("id"));
  if (!id) return to->send(error_response({Code::invalid, "an action's id has 32 hexadecimal digits"}));
  Told by = told_by(request);
  if (word != Word::retry && by.reason.empty()) return to->send(error_response({Code::invalid, "say why: {\"reason\": \"…\"}"}));
  runtime_.delivery().tell({*id}, word, std::move(by), [to, word](Result<std::uint64_t> result) {
    to->send(result ? counted(done_name(word), *result) : error_response(result.error()));
  });
}

// A dead letter to another address: the right one.
void Api::mend_action(http::Request& request, http::Responder responder) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const std::optional<std::string> id = id_from_hex(request.param("id"));
  if (!id) return to->send(error_response({Code::invalid, "an action's id has 32 hexadecimal digits"}));
  Told by = told_by(request);
  by.to = body_text(request, "to");
  if (by.to.empty() || by.reason.empty())
    return to->send(error_response({Code::invalid, "say the right address and why: {\"to\": \"a@example.com\", \"reason\": \"…\"}"}));
  const Result<ActionRecord> record = find_action(runtime_.store(), *id);
  if (!record) return to->send(error_response(record.error()));
  const std::string old = member_text(record->action.payload, "to");
  if (record->state != ActionState::dead || record->perhaps) {
    return to->send(
        error_response({Code::conflict, "the action is " + std::string(action_state_name(record->state)) +
                                            "; only a dead letter gets another address: what may have arrived would then go out twice"}));
  }
  if (old.empty()) return to->send(error_response({Code::conflict, "the action has no address: " + record->action.kind}));
  if ((old.find('@') == std::string::npos) != (by.to.find('@') == std::string::npos) || normal_address(by.to).empty() ||
      by.to.find_first_of("\r\n") != std::string::npos)
    return to->send(error_response({Code::invalid, "`to` is no address of the same kind as the one it had"}));
  runtime_.delivery().tell({*id}, Word::retry, std::move(by), [to](Result<std::uint64_t> result) {
    to->send(result ? counted("retrying", *result) : error_response(result.error()));
  });
}

// Without `at_most` only counts, by rule and state, so that nobody sends 40,000 messages with one word; with it, goes ahead when there are
// no more than that.
http::Response Api::settle_actions(const http::Request& request) {
  const std::optional<Word> word = find_word(body_text(request, "do"));
  if (!word) return error_response({Code::invalid, "`do` is one of retry, discard, release, arrived"});
  Told by = told_by(request);
  ActionChoice choice;
  for (const auto& [name, place] : choice.fields()) *place = body_text(request, name);
  const Result<ActionFilter> filter = choice.filter();
  if (!filter) return error_response(filter.error());
  if (const auto state = find_action_state(choice.state); state && !may_be_told(*state, *word))
    return error_response(
        {Code::invalid, "only actions that are " + std::string(states_for(*word)) + " can be meant here, not " + choice.state});
  std::map<std::pair<std::string, std::string>, std::uint64_t> kinds;
  const ActionFilter meant = [&](const ActionRecord& r) {
    if (!may_be_told(r.state, *word) || !(*filter)(r)) return false;
    ++kinds[{r.action.rule, std::string(action_state_name(r.state))}];
    return true;
  };
  std::vector<std::string> ids;
  const auto [pending, ended] = where_to_look(*word, choice.state);
  for (const bool side : {true, false}) {
    if (!(side ? pending : ended)) continue;
    Result<std::vector<std::string>> found = action_ids(runtime_.store(), side, meant);
    if (!found) return error_response(found.error());
    ids.insert(ids.end(), std::make_move_iterator(found->begin()), std::make_move_iterator(found->end()));
  }
  const std::string at_most = body_text(request, "at_most");
  const bool go = !at_most.empty();
  std::uint64_t most = 0;
  if (go) {
    const auto [end, ec] = std::from_chars(at_most.data(), at_most.data() + at_most.size(), most);
    if (ec != std::errc() || end != at_most.data() + at_most.size())
      return error_response({Code::invalid, "`at_most` is the count that was shown: a number"});
    if (by.reason.empty()) return error_response({Code::invalid, "say why: {\"reason\": \"…\"}"});
    if (ids.size() > most)
      return error_response({Code::conflict, "there are " + std::to_string(ids.size()) + " such actions by now, more than " +
                                                 std::to_string(most) + "; nothing was done: look again, and say the new number"});
  }
  std::uint64_t count = ids.size();
  if (go && !ids.empty()) {
    std::promise<Result<std::uint64_t>> promise;
    auto answer = promise.get_future();
    runtime_.delivery().tell(std::move(ids), *word, std::move(by), [&promise](Result<std::uint64_t> result) { promise.set_value(result); });
    const Result<std::uint64_t> done = answer.get();
    if (!done) return error_response(done.error());
    count = *done;
  }
  Json json;
  json.begin_object().field("status", go ? done_name(*word) : "counted").field("actions", count).key("of").begin_array();
  for (const auto& [kind, n] : kinds)
    json.begin_object().field("rule", kind.first).field("state", kind.second).field("actions", n).end_object();
  json.end_array().end_object();
  return json_response(std::move(json));
}

Result<void> Api::install_outbox(http::HttpServer& server) {
  using http::Method;
  const auto one = [&](std::string path, Word word) {
    return server.route(Method::post, std::move(path),
                        [this, word](http::Request& r, http::Responder to) { tell_action(r, std::move(to), word); });
  };
  NUDGE_TRY(one("/v1/actions/{id}/retry", Word::retry));
  NUDGE_TRY(one("/v1/actions/{id}/discard", Word::discard));
  NUDGE_TRY(one("/v1/actions/{id}/release", Word::release));
  NUDGE_TRY(one("/v1/actions/{id}/arrived", Word::arrived));
  NUDGE_TRY(
      server.route(Method::post, "/v1/actions/{id}/mend", [this](http::Request& r, http::Responder to) { mend_action(r, std::move(to)); }));
  http::RouteOptions slow;
  slow.handler_timeout = std::chrono::minutes(10);
  NUDGE_TRY(server.route(Method::post, "/v1/outbox/settle", on_worker([this](const http::Request& r) { return settle_actions(r); }), slow));
  return server.route(Method::post, "/v1/connectors/{name}/restart", on_worker([this](const http::Request& r) {
                        const std::string name(r.param("name"));
                        if (const Result<void> done = runtime_.delivery().restart_connector(name); !done)
                          return error_response(done.error());
                        Json json;
                        json.begin_object().field("status", "restarting").field("connector", name).end_object();
                        return json_response(std::move(json));
                      }));
}

}  // namespace nudge::daemon
