// Sessions, tokens, accounts, the table of roles, and the audit log.
#include <boost/json.hpp>

#include "daemon/access/secrets.h"
#include "daemon/app/api.h"
#include "daemon/app/app.h"
#include "daemon/store/backup.h"

namespace nudge::daemon {
namespace {

namespace bj = boost::json;
using http::Method;
using http::Request;
using http::Response;

constexpr TimeMs kDayMs = 24LL * 60 * 60 * 1000;

// A small JSON object whose members are all known. Error (invalid): says which is not, or has the wrong type.
class Body {
 public:
  static Result<Body> read(const Request& request) {
    Body body;
    if (request.body.empty()) return body;
    boost::system::error_code error;
    bj::value value = bj::parse(request.body, error);
    if (error || !value.is_object()) return fail(Code::invalid, "the body must be a JSON object");
    body.left_ = std::move(value.get_object());
    return body;
  }
  std::optional<std::string> text(const char* name) {
    return take(name, &bj::value::is_string, [](const bj::value& v) { return std::string(v.get_string().data(), v.get_string().size()); });
  }
  std::optional<bool> flag(const char* name) {
    return take(name, &bj::value::is_bool, [](const bj::value& v) { return v.get_bool(); });
  }
  std::optional<std::int64_t> number(const char* name) {
    return take(name, &bj::value::is_int64, [](const bj::value& v) { return v.get_int64(); });
  }
  std::optional<std::vector<std::string>> texts(const char* name) {
    return take(name, &bj::value::is_array, [](const bj::value& v) {
      std::vector<std::string> out;
      for (const bj::value& item : v.get_array())
        out.push_back(item.is_string() ? std::string(item.get_string().data(), item.get_string().size()) : std::string("?"));
      return out;
    });
  }
  // Whatever was not taken is a mistake.
  Result<void> end() const {
    if (left_.empty()) return {};
    const auto key = left_.begin()->key();
    return fail(Code::invalid, "`" + std::string(key.data(), key.size()) + "` is not known here, or has a value of the wrong type");
  }

 private:
  template <class Get>
  auto take(const char* name, bool (bj::value::*is)() const noexcept, Get get) -> std::optional<decltype(get(bj::value()))> {
    const auto found = left_.find(name);
    if (found == left_.end() || !(found->value().*is)()) return std::nullopt;
    auto out = get(found->value());
    left_.erase(found);
    return out;
  }
  bj::object left_;
};

void write_roles(Json& json, access::Roles roles) {
  json.key("roles").begin_array();
  for (const std::string_view name : access::role_names(roles)) json.value(name);
  json.end_array();
}

std::string joined_roles(access::Roles roles) {
  std::string out;
  for (const std::string_view name : access::role_names(roles)) out.append(out.empty() ? "" : ",").append(name);
  return out;
}

void write_token(Json& json, const access::TokenInfo& t) {
  json.field("id", t.id).field("name", t.name);
  write_roles(json, t.roles);
  json.field_time("created", t.created).field_time("expires", t.expires).field_time("revoked", t.revoked);
  json.field("created_by", t.created_by).field_time("previous_until", t.previous_until);
}

void write_user(Json& json, const access::UserInfo& u) {
  json.field("name", u.name);
  write_roles(json, u.roles);
  json.field("disabled", u.disabled).field_time("created", u.created).field_time("changed", u.changed);
}

Response new_token_response(const access::Accounts::NewToken& made, int status) {
  Json json;
  json.begin_object();
  write_token(json, made.info);
  json.field("token", made.secret.reveal()).end_object();
  Response response = json_response(std::move(json), status);
  response.note = "token " + made.info.name + ": " + joined_roles(made.info.roles);
  return response;
}

std::string cookie_of(const access::Gate& gate, bool tls, std::string_view value, bool ends) {
  std::string out(gate.cookie_name());
  out.append("=").append(value).append("; Path=/; HttpOnly; SameSite=Strict");
  if (tls) out += "; Secure";
  if (ends) out += "; Max-Age=0";
  return out;
}

Response noted(Response response, std::string note) {
  response.note = std::move(note);
  return response;
}

Response too_often(const Error& error, std::int64_t retry_ms) {
  Response busy = http::problem(429, "http.log_in_rate", error.message);
  busy.headers.emplace_back("Retry-After", std::to_string(retry_ms / 1000 + 1));
  return busy;
}

}  // namespace

access::AuditEntry Api::audit_entry(const Request& request, std::string action) const {
  // The record stays for ever, so a customer stands in it by a pseudonym.
  std::string path = request.path;
  for (const std::string_view one : {"/v1/customers/{id}", "/v1/leads/{id}"}) {
    if (!request.route.starts_with(one)) continue;
    path = std::string(one.substr(0, one.size() - 4)) + access_.audit.pseudonym(request.param("id")) + std::string(request.route.substr(one.size()));
  }
  std::string detail;
  if (const auto customer = request.query_param("customer")) detail = access_.audit.pseudonym(*customer);
  return {runtime_.now(),      request.actor, std::string(request.peer), std::move(action), std::string(http::to_string(request.method)) + " " + path,
          0,                   {},            std::move(detail)};
}

http::Handler Api::audited(Method method, std::string_view pattern, http::Handler handler) {
  const access::RouteAccess* row = access::find_route(access_table(), method, pattern);
  if (row != nullptr && row->action.empty() && row->personal == 0) return handler;
  if (row == nullptr && method == Method::get) return handler;
  if (row != nullptr && row->action.empty()) return audited_read(std::move(handler), row->personal);
  return audited_change(std::string(row != nullptr ? row->action : std::string_view("other")), std::move(handler));
}

// Personal data as it is: on record before it is shown.
http::Handler Api::audited_read(http::Handler handler, access::Roles roles) {
  return [this, roles, handler = std::move(handler)](Request& request, http::Responder to) {
    const auto how = request.query_param("personal");
    if (!how || *how == "masked") return handler(request, std::move(to));
    if (*how != "full") return to.send(error_response({Code::invalid, "`personal` is masked or full"}));
    if ((request.roles & (roles | access::kAdmin)) == 0) {
      std::string names;
      for (const std::string_view name : access::role_names(roles | access::kAdmin)) names.append(names.empty() ? "" : ", ").append(name);
      return to.send(http::problem(403, "http.forbidden", request.actor + " may see personal data only masked here; all of it takes one of these roles: " + names));
    }
    access::AuditEntry entry = audit_entry(request, "personal.read");
    entry.status = 200;
    auto outer = std::make_shared<http::Responder>(std::move(to));
    auto work = [this, outer, entry = std::move(entry), handler] {
      if (const Result<void> written = access_.audit.append(entry); !written)
        return outer->send(http::problem(500, "audit", "this could not be written to the audit log, so it is not shown: " + written.error().message));
      Request& asked = outer->request();  // on a line of its own: GCC moves the last argument first, and then there is no request
      handler(asked, std::move(*outer));
    };
    if (!workers_.post(work)) outer->send(error_response({Code::unavailable, "too many questions are waiting"}));
  };
}

namespace {

// Where a change takes a small JSON object, what is a text there must be one. A number or an object in its place would be taken for words, or
// for nothing. The routes that take something else look at it themselves.
std::optional<Response> no_such_body(const Request& request) {
  if (request.body.empty() || !request.route.starts_with("/v1/")) return std::nullopt;
  for (const std::string_view other : {"/v1/plans", "/v1/backtests", "/v1/suppressions/import"})
    if (request.route.starts_with(other)) return std::nullopt;
  boost::system::error_code error;
  const bj::value value = bj::parse(request.body, error);
  if (error || !value.is_object()) return error_response({Code::invalid, "the body must be a JSON object"});
  static constexpr std::string_view kTexts[] = {"at",   "author", "by",      "category", "channel", "connector", "customer", "disposition", "do",    "for",
                                                "held", "kind",   "message", "name",     "note",    "opportunity", "owner",   "pool",     "reason",      "result", "rule", "state",
                                                "stop", "text",   "to",      "until"};
  for (const auto& member : value.get_object()) {
    const std::string_view key(member.key().data(), member.key().size());
    const bool text = std::ranges::find(kTexts, key) != std::end(kTexts) || (key == "value" && request.route.starts_with("/v1/suppressions"));
    if (text && !member.value().is_string()) return error_response({Code::invalid, "`" + std::string(key) + "` must be a text"});
    if (key == "at_most" && !member.value().is_int64()) return error_response({Code::invalid, "`at_most` must be a whole number"});
  }
  return std::nullopt;
}

}  // namespace

// The intent is on disk before anything is done, and the answer is sent only when the record of it is.
http::Handler Api::audited_change(std::string action, http::Handler handler) {
  return [this, action = std::move(action), handler = std::move(handler)](Request& request, http::Responder to) {
    if (std::optional<Response> wrong = no_such_body(request)) return to.send(*std::move(wrong));
    access::AuditEntry entry = audit_entry(request, action);
    // A body with a password must not be told by its hash either.
    const bool secret = action.starts_with("session.") || action.starts_with("user.");
    if (!request.body.empty() && !secret) entry.body_sha256 = access::sha256_hex(request.body);
    auto outer = std::make_shared<http::Responder>(std::move(to));
    auto begin = [this, outer, entry = std::move(entry), handler]() mutable {
      std::uint64_t intent = 0;
      // A log-in that did not end has changed nothing.
      if (!entry.action.starts_with("session.")) {
        const Result<std::uint64_t> intended = access_.audit.intend(entry);
        if (!intended)
          return outer->send(http::problem(500, "audit", "this could not be written to the audit log, so it was not done: " + intended.error().message));
        intent = *intended;
      }
      http::Responder inner = http::Responder::detached([this, outer, intent, entry = std::move(entry)](Response response) {
        auto work = [this, outer, intent, entry, response = std::move(response)]() mutable {
          entry.status = response.status;
          if (!response.note.empty()) entry.detail = response.note;
          const Result<void> written = access_.audit.append(entry, intent);
          outer->send(written
                          ? std::move(response)
                          : http::problem(500, "audit",
                                          "this could not be written to the audit log; it may have happened: " + written.error().message));
        };
        auto shared = std::make_shared<decltype(work)>(std::move(work));
        if (!workers_.post([shared] { (*shared)(); })) (*shared)();
      });
      Request& copy = inner.request();
      copy = std::move(outer->request());  // what its views point into lives as long as `outer`
      handler(copy, std::move(inner));
    };
    auto shared = std::make_shared<decltype(begin)>(std::move(begin));
    if (!workers_.post([shared] { (*shared)(); })) outer->send(error_response({Code::unavailable, "too many questions are waiting; nothing was done"}));
  };
}

Response Api::log_in(const Request& request) {
  Result<Body> body = Body::read(request);
  if (!body) return error_response(body.error());
  const auto user = body->text("user"), password = body->text("password");
  if (!user || !password) return error_response({Code::invalid, "the body needs `user` and `password`"});
  if (Result<void> end = body->end(); !end) return error_response(end.error());
  std::int64_t retry_ms = 0;
  const auto session = access_.accounts.log_in(*user, Secret(*password), std::string(request.peer), retry_ms);
  const std::string note = "user " + user->substr(0, 64);
  if (!session) {
    if (retry_ms > 0) return noted(too_often(session.error(), retry_ms), note);
    return noted(
        session.error().code == Code::denied ? http::problem(401, "http.log_in", session.error().message) : error_response(session.error()),
        note);
  }
  // Whoever was logged in here before no longer is.
  if (const std::string_view old = access_.gate.cookie(request); !old.empty()) access_.accounts.log_out(old);
  Json json;
  json.begin_object().field("actor", session->identity.actor);
  write_roles(json, session->identity.roles);
  json.field("csrf", session->identity.csrf).field_time("expires", session->expires).end_object();
  Response response = json_response(std::move(json));
  response.headers.emplace_back("Set-Cookie", cookie_of(access_.gate, access_.tls, session->id.reveal(), false));
  return noted(std::move(response), note);
}

Response Api::change_password(const Request& request) {
  Result<Body> body = Body::read(request);
  if (!body) return error_response(body.error());
  const auto old_password = body->text("old"), new_password = body->text("new");
  if (!old_password || !new_password) return error_response({Code::invalid, "the body needs `old` and `new`"});
  if (Result<void> end = body->end(); !end) return error_response(end.error());
  if (!request.actor.starts_with("user:")) return error_response({Code::invalid, "only a person has a password; log in as one"});
  const std::string name = request.actor.substr(5);
  std::int64_t retry_ms = 0;
  if (const auto known = access_.accounts.log_in(name, Secret(*old_password), std::string(request.peer), retry_ms); !known)
    return retry_ms > 0 ? too_often(known.error(), retry_ms) : http::problem(403, "denied", "the old password is wrong");
  const auto changed = access_.accounts.change_user(name, {.password = Secret(*new_password)});
  if (!changed) return error_response(changed.error());
  Json json;
  json.begin_object().field("status", "changed; log in again").end_object();
  return json_response(std::move(json));
}

Response Api::create_token(const Request& request) {
  Result<Body> body = Body::read(request);
  if (!body) return error_response(body.error());
  const auto name = body->text("name");
  const auto names = body->texts("roles");
  const auto days = body->number("expires_days");
  if (Result<void> end = body->end(); !end) return error_response(end.error());
  if (!name || !names) return error_response({Code::invalid, "the body needs `name` and `roles`"});
  if (days && (*days < 1 || *days > 3650)) return error_response({Code::invalid, "`expires_days` must be between 1 and 3650"});
  const Result<access::Roles> roles = access::parse_roles(*names);
  if (!roles) return error_response(roles.error());
  const auto made = access_.accounts.create_token(*name, *roles, days ? runtime_.now() + *days * kDayMs : 0, request.actor);
  return made ? new_token_response(*made, 201) : error_response(made.error());
}

Response Api::rotate_token(const Request& request) {
  Result<Body> body = Body::read(request);
  if (!body) return error_response(body.error());
  const std::int64_t seconds = body->number("overlap_seconds").value_or(3600);
  if (Result<void> end = body->end(); !end) return error_response(end.error());
  if (seconds < 0 || seconds > 30 * 86400) return error_response({Code::invalid, "`overlap_seconds` must be between 0 and 2592000"});
  const auto made = access_.accounts.rotate_token(std::string(request.param("id")), seconds * 1000);
  return made ? new_token_response(*made, 200) : error_response(made.error());
}

Response Api::create_user(const Request& request) {
  Result<Body> body = Body::read(request);
  if (!body) return error_response(body.error());
  const auto name = body->text("name"), password = body->text("password");
  const auto names = body->texts("roles");
  if (Result<void> end = body->end(); !end) return error_response(end.error());
  if (!name || !names || !password) return error_response({Code::invalid, "the body needs `name`, `roles` and `password`"});
  const Result<access::Roles> roles = access::parse_roles(*names);
  if (!roles) return error_response(roles.error());
  const auto made = access_.accounts.add_user(*name, *roles, Secret(*password));
  if (!made) return error_response(made.error());
  Json json;
  json.begin_object();
  write_user(json, *made);
  json.end_object();
  return noted(json_response(std::move(json), 201), "user " + made->name + ": " + joined_roles(made->roles));
}

Response Api::change_user(const Request& request) {
  Result<Body> body = Body::read(request);
  if (!body) return error_response(body.error());
  access::Accounts::UserChange change;
  change.disabled = body->flag("disabled");
  const auto names = body->texts("roles");
  if (auto password = body->text("password")) change.password = Secret(*std::move(password));
  if (Result<void> end = body->end(); !end) return error_response(end.error());
  if (names) {
    const Result<access::Roles> roles = access::parse_roles(*names);
    if (!roles) return error_response(roles.error());
    change.roles = *roles;
  }
  const auto changed = access_.accounts.change_user(std::string(request.param("name")), change);
  if (!changed) return error_response(changed.error());
  Json json;
  json.begin_object();
  write_user(json, *changed);
  json.end_object();
  return noted(json_response(std::move(json)), "user " + changed->name + ": " + joined_roles(changed->roles) +
                                                   (changed->disabled ? ", disabled" : "") + (change.password ? ", new password" : ""));
}

Response Api::audit_records(const Request& request) {
  const Result<std::uint64_t> after = number_param(request, "after", 0, 0, UINT64_MAX - 1);
  if (!after) return error_response(after.error());
  const Result<std::uint64_t> limit = number_param(request, "limit", 100, 1, 10'000);
  if (!limit) return error_response(limit.error());
  const access::AuditHead head = access_.audit.head();
  Json json;
  json.begin_object().key("head").begin_object().field("number", head.number).field("hash", head.hash).end_object();
  json.key("records").begin_array();
  std::uint64_t count = 0, last = 0;
  const Result<void> read = access_.audit.read(*after, [&](std::uint64_t number, std::string_view line) {
    if (count == *limit) return false;
    json.raw(line);
    last = number;
    ++count;
    return true;
  });
  if (!read) return error_response(read.error());
  json.end_array().key("next");
  if (count == *limit && last < head.number)
    json.value(last);
  else
    json.raw("null");
  json.end_object();
  return json_response(std::move(json));
}

Response Api::audit_verdict(const Request& request) {
  const Result<std::uint64_t> number = number_param(request, "number", 0, 0, UINT64_MAX - 1);
  if (!number) return error_response(number.error());
  const Result<access::AuditHead> head = access_.audit.verify({*number, std::string(request.query_param("hash").value_or(""))});
  Json json;
  json.begin_object().field("whole", head.has_value());
  if (head)
    json.field("number", head->number).field("hash", head->hash);
  else if (head.error().code != Code::corrupt)
    return error_response(head.error());
  else
    json.field("problem", head.error().message);
  json.end_object();
  return json_response(std::move(json));
}

Response Api::back_up(const Request& request) {
  Result<Body> body = Body::read(request);
  if (!body) return error_response(body.error());
  const auto directory = body->text("directory");
  const std::int64_t keep = body->number("keep").value_or(0);
  if (Result<void> end = body->end(); !end) return error_response(end.error());
  if (!directory || keep < 0) return error_response({Code::invalid, "the body needs `directory`, and `keep` is at least 1"});
  const auto made = create_backup(runtime_.store(), {.directory = *directory,
                                                     .scratch = options_.data_dir + "/backup.scratch",
                                                     .at = format_timestamp(runtime_.now()),
                                                     .keep = static_cast<std::uint64_t>(keep)});
  if (!made) return error_response(made.error());
  if (const Result<void> noted_too = access_.ledgers.backup_to(*directory); !noted_too)
    return error_response(Error(noted_too.error()).prefixed("the backup is made, but the list of erasures beside it could not be written"));
  last_backup_ = runtime_.now();
  // So that a start knows how old it is. The backup is whole whatever becomes of this.
  (void)write_private_file(options_.data_dir + "/last_backup", made->at + "\n");
  Json json;
  json.begin_object().field("number", made->number).field("files", made->files).field("bytes", made->bytes);
  json.field("new_bytes", made->new_bytes).end_object();
  return noted(json_response(std::move(json)), "backup " + std::to_string(made->number) + " in " + *directory);
}

Result<void> Api::install_access(http::HttpServer& server) {
  http::RouteOptions small;
  small.body_bytes_max = std::size_t{64} * 1024;
  NUDGE_TRY(server.route(Method::post, "/v1/session", on_worker([this](const Request& r) { return log_in(r); }), small));
  NUDGE_TRY(server.route(Method::get, "/v1/session", [](Request& r, http::Responder to) {
    Json json;
    json.begin_object().field("actor", r.actor);
    write_roles(json, r.roles);
    json.key("csrf");
    if (r.csrf.empty())
      json.raw("null");
    else
      json.value(r.csrf);
    json.end_object();
    to.send(json_response(std::move(json)));
  }));
  NUDGE_TRY(server.route(Method::del, "/v1/session", [this](Request& r, http::Responder to) {
    access_.accounts.log_out(access_.gate.cookie(r));
    Response response;
    response.status = 204;
    response.headers.emplace_back("Set-Cookie", cookie_of(access_.gate, access_.tls, "", true));
    to.send(std::move(response));
  }));
  NUDGE_TRY(server.route(Method::post, "/v1/session/password", on_worker([this](const Request& r) { return change_password(r); }), small));
  NUDGE_TRY(server.route(Method::get, "/v1/access", [&server](Request&, http::Responder to) {
    Json json;
    json.begin_object().key("routes").begin_array();
    for (const auto& route : server.routes()) {
      const access::RouteAccess* row = access::find_route(access_table(), route.method, route.pattern);
      json.begin_object().field("method", http::to_string(route.method)).field("path", route.pattern).field("known", row != nullptr);
      const access::Roles roles = row == nullptr ? access::kAdmin : row->roles;
      json.field("anybody", (roles & access::kAnybody) != 0).field("action", row == nullptr ? std::string_view() : row->action);
      write_roles(json, roles | access::kAdmin);
      json.key("personal").begin_array();
      if (row != nullptr && row->personal != 0)
        for (const std::string_view name : access::role_names(row->personal | access::kAdmin)) json.value(name);
      json.end_array().end_object();
    }
    json.end_array().end_object();
    to.send(json_response(std::move(json)));
  }));
  http::RouteOptions slow = small;
  slow.handler_timeout = std::chrono::hours(6);
  NUDGE_TRY(server.route(Method::post, "/v1/backup", on_worker([this](const Request& r) { return back_up(r); }), slow));
  NUDGE_TRY(server.route(Method::get, "/v1/audit", on_worker([this](const Request& r) { return audit_records(r); })));
  return server.route(Method::get, "/v1/audit/verdict", on_worker([this](const Request& r) { return audit_verdict(r); }));
}

Result<void> Api::install_users(http::HttpServer& server) {
  http::RouteOptions small;
  small.body_bytes_max = std::size_t{64} * 1024;
  const auto removed = [](const Result<void>& result) {
    if (!result) return error_response(result.error());
    Response response;
    response.status = 204;
    return response;
  };
  NUDGE_TRY(server.route(Method::get, "/v1/tokens", on_worker([this](const Request&) {
                           Json json;
                           json.begin_object().key("tokens").begin_array();
                           for (const access::TokenInfo& t : access_.accounts.tokens()) {
                             json.begin_object();
                             write_token(json, t);
                             json.end_object();
                           }
                           json.end_array().end_object();
                           return json_response(std::move(json));
                         })));
  NUDGE_TRY(server.route(Method::post, "/v1/tokens", on_worker([this](const Request& r) { return create_token(r); }), small));
  NUDGE_TRY(server.route(Method::post, "/v1/tokens/{id}/rotate", on_worker([this](const Request& r) { return rotate_token(r); }), small));
  NUDGE_TRY(server.route(Method::del, "/v1/tokens/{id}", on_worker([this, removed](const Request& r) {
                           return removed(access_.accounts.revoke_token(std::string(r.param("id"))));
                         })));
  NUDGE_TRY(server.route(Method::get, "/v1/users", on_worker([this](const Request&) {
                           Json json;
                           json.begin_object().key("users").begin_array();
                           for (const access::UserInfo& u : access_.accounts.users()) {
                             json.begin_object();
                             write_user(json, u);
                             json.end_object();
                           }
                           json.end_array().end_object();
                           return json_response(std::move(json));
                         })));
  NUDGE_TRY(server.route(Method::post, "/v1/users", on_worker([this](const Request& r) { return create_user(r); }), small));
  NUDGE_TRY(server.route(Method::post, "/v1/users/{name}", on_worker([this](const Request& r) { return change_user(r); }), small));
  return server.route(Method::del, "/v1/users/{name}", on_worker([this, removed](const Request& r) {
                        return removed(access_.accounts.remove_user(std::string(r.param("name"))));
                      }));
}

}  // namespace nudge::daemon
