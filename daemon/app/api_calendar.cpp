// The calendar of a salesperson's open tasks, for calendar programs, which send no credentials: the address is the secret. One address for
// a person at a time; making a new one takes the old one back. Kept as a hash, like a token.
#include "daemon/access/secrets.h"
#include "daemon/app/api.h"
#include "daemon/app/ical.h"
#include "daemon/app/reads.h"

namespace nudge::daemon {
namespace {

constexpr std::uint64_t kTasksMax = 1000;
constexpr std::size_t kOwnerBytesMax = 200;

std::string owner_key(std::string_view owner) { return "calendar/owner/" + std::string(owner); }
std::string link_key(std::string_view hash) { return "calendar/link/" + std::string(hash); }

http::Response no_calendar() { return http::problem(404, "not_found", "there is no such calendar; its address may have been replaced"); }

}  // namespace

// Every program asks again and again; who has what there is gets 304.
http::Response Api::calendar(const http::Request& request) {
  std::string token(request.param("file"));
  if (!token.ends_with(".ics")) return no_calendar();
  token.resize(token.size() - 4);
  const std::string hash = access::sha256_hex(token);
  const Result<std::optional<std::string>> owner = runtime_.store().get(Family::meta, link_key(hash));
  if (!owner) return error_response(owner.error());
  if (!*owner) return no_calendar();
  const Result<std::optional<std::string>> now = runtime_.store().get(Family::meta, owner_key(**owner));
  if (!now) return error_response(now.error());
  if (*now != hash) return no_calendar();  // only the newest one of a person counts
  const auto as = request.query_param("as").value_or("tasks");
  if (as != "tasks" && as != "events") return error_response({Code::invalid, "`as` is tasks or events"});
  TaskOrder order;
  order.limit = kTasksMax;
  const Result<TaskPage> tasks = tasks_page(runtime_.store(), true, order, [&](const TaskRecord& t) { return t.action.owner == **owner; });
  if (!tasks) return error_response(tasks.error());
  http::Response response;
  response.content_type = "text/calendar; charset=utf-8";
  response.body = calendar_of(**owner, tasks->tasks, as == "events" ? CalendarForm::events : CalendarForm::tasks);
  const std::string tag = "\"" + access::sha256_hex(response.body).substr(0, 32) + "\"";
  response.headers.emplace_back("ETag", tag);
  response.headers.emplace_back("Cache-Control", "private, no-cache");
  if (request.header("if-none-match").find(tag) != std::string_view::npos) {
    response.status = 304;
    response.body.clear();
  }
  return response;
}

// Makes the address, or (`make` false) takes it back.
void Api::change_calendar(http::Request& request, http::Responder responder, bool make) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  const std::string owner(request.param("owner"));
  if (owner.empty() || owner.size() > kOwnerBytesMax)
    return to->send(error_response({Code::invalid, "the owner is the id of a team's member, as the team's file has it"}));
  auto token = std::make_shared<std::string>(make ? access::random_text(24) : std::string());
  auto found = std::make_shared<bool>(false);
  settle_change(
      to,
      [this, owner, token, found](CommitContext& c) {
        const Result<std::optional<std::string>> old = runtime_.store().get(Family::meta, owner_key(owner));
        if (old && *old) {
          *found = true;
          c.set.erase(Family::meta, link_key(**old));
          c.set.erase(Family::meta, owner_key(owner));
        }
        if (token->empty()) return;
        const std::string hash = access::sha256_hex(*token);
        c.set.put(Family::meta, owner_key(owner), hash);
        c.set.put(Family::meta, link_key(hash), owner);
      },
      [owner, token, found] {
        if (token->empty() && !*found) return error_response({Code::not_found, "`" + owner + "` has no calendar address"});
        Json json;
        json.begin_object().field("owner", owner).field("status", token->empty() ? "revoked" : "made");
        if (!token->empty()) json.field("path", "/c/" + *token + ".ics");
        json.end_object();
        return json_response(std::move(json));
      });
}

Result<void> Api::install_calendar(http::HttpServer& server) {
  using http::Method;
  NUDGE_TRY(server.route(Method::get, "/c/{file}", on_worker([this](const http::Request& r) { return calendar(r); })));
  NUDGE_TRY(server.route(Method::post, "/v1/calendars/{owner}",
                         [this](http::Request& r, http::Responder to) { change_calendar(r, std::move(to), true); }));
  return server.route(Method::del, "/v1/calendars/{owner}",
                      [this](http::Request& r, http::Responder to) { change_calendar(r, std::move(to), false); });
}

}  // namespace nudge::daemon
