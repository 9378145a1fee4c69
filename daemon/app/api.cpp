#include "daemon/app/api.h"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "daemon/console/console.h"
#include "daemon/runtime/payload.h"
#include "engine/base/hash.h"

namespace nudge::daemon {

Api::Api(Runtime& runtime, Workers& workers, metrics::Registry& metrics, ApiAccess access, ApiOptions options)
    : runtime_(runtime),
      workers_(workers),
      metrics_(metrics),
      access_(access),
      options_(std::move(options)),
      backtests_(runtime, runtime.options().shards),
      plans_(runtime, runtime.options().shards),
      index_(runtime),
      tails_(runtime),
      exports_(runtime, access.audit) {
  std::string at;
  if (std::ifstream file(options_.data_dir + "/last_backup"); std::getline(file, at)) last_backup_ = parse_timestamp(at).value_or(0);
}

Result<void> Api::install(http::HttpServer& server) {
  NUDGE_TRY(console::install(server));
  NUDGE_TRY(install_intake(server));
  NUDGE_TRY(install_segment(server));
  NUDGE_TRY(install_doors(server));
  NUDGE_TRY(install_callbacks(server));
  NUDGE_TRY(install_calendar(server));
  NUDGE_TRY(install_customers(server));
  NUDGE_TRY(install_rules(server));
  NUDGE_TRY(install_series(server));
  NUDGE_TRY(install_parts(server));
  NUDGE_TRY(install_work(server));
  NUDGE_TRY(install_quarantine(server));
  NUDGE_TRY(install_policy(server));
  NUDGE_TRY(install_unsubscribe(server));
  NUDGE_TRY(install_approvals(server));
  NUDGE_TRY(install_drafts(server));
  NUDGE_TRY(install_admin(server));
  NUDGE_TRY(install_access(server));
  NUDGE_TRY(install_streams(server));
  NUDGE_TRY(install_erasure(server));
  NUDGE_TRY(install_users(server));
  return {};
}

http::Handler Api::on_worker(Read read) {
  return [this, read = std::move(read)](http::Request&, http::Responder responder) {
    auto shared = std::make_shared<http::Responder>(std::move(responder));
    if (!workers_.post([shared, read] { shared->send(read(shared->request())); })) {
      http::Response busy = http::problem(503, "busy", "too many questions are waiting; try again in a moment");
      busy.headers.emplace_back("Retry-After", "1");
      shared->send(std::move(busy));
    }
  };
}

std::optional<http::Response> Api::condition_gate(const http::Request& request) {
  if (request.method == http::Method::get || request.method == http::Method::head) return std::nullopt;
  const bool knows = request.route.starts_with("/v1/tasks/{id}/") || request.route == "/v1/plans/{id}/apply";
  for (const std::string_view name : {"If-Match", "If-None-Match", "If-Unmodified-Since"}) {
    if (request.header(name).empty() || (knows && name == "If-Match")) continue;
    return http::problem(400, "http.no_condition",
                         std::string(name) + " is not taken here, so nothing was done; only changes of tasks and the applying of a plan take If-Match");
  }
  return std::nullopt;
}

http::Response json_response(Json json, int status) {
  http::Response response;
  response.status = status;
  response.body = json.take();
  response.body.push_back('\n');
  return response;
}

http::Response of_state(http::Response response, std::string state) {
  response.state = std::move(state);
  return response;
}

http::Response tagged_without(http::Response response, std::string_view moment) {
  std::string rest = response.body;
  const std::string member = "\"" + std::string(moment) + "\":\"";  // in a text its quotes would be escaped
  if (const std::size_t begin = rest.find(member); begin != std::string::npos)
    rest.erase(begin, rest.find('"', begin + member.size()) - begin);
  response.headers.emplace_back("ETag", "W/\"" + to_hex(hash128(rest)) + "\"");
  return response;
}

http::Response error_response(const Error& error) {
  switch (error.code) {
    case Code::invalid: return http::problem(400, "invalid", error.message);
    case Code::not_found: return http::problem(404, "not_found", error.message);
    case Code::conflict: return http::problem(409, "conflict", error.message);
    case Code::too_large: return http::problem(413, "too_large", error.message);
    case Code::denied: return http::problem(403, "denied", error.message);
    case Code::unavailable: {
      http::Response response = http::problem(503, "unavailable", error.message);
      response.headers.emplace_back("Retry-After", "5");
      return response;
    }
    case Code::corrupt:
    case Code::io:
    case Code::internal: break;
  }
  return http::problem(500, "internal", error.message);
}

Result<std::uint64_t> number_param(const http::Request& request, std::string_view name, std::uint64_t usual, std::uint64_t least,
                                   std::uint64_t most) {
  const auto text = request.query_param(name);
  if (!text) return usual;
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), n);
  if (error != std::errc() || end != text->data() + text->size() || n < least || n > most) {
    return fail(Code::invalid,
                "`" + std::string(name) + "` must be a number between " + std::to_string(least) + " and " + std::to_string(most));
  }
  return n;
}

Result<bool> flag_param(const http::Request& request, std::string_view name) {
  const std::string_view text = request.query_param(name).value_or("false");
  if (text != "true" && text != "false") return fail(Code::invalid, "`" + std::string(name) + "` is true or false");
  return text == "true";
}

Result<std::optional<TimeMs>> time_param(const http::Request& request, std::string_view name) {
  const auto text = request.query_param(name);
  if (!text) return std::optional<TimeMs>();
  Result<TimeMs> t = parse_timestamp(*text);
  if (!t) return std::unexpected(std::move(t).error().prefixed("`" + std::string(name) + "`"));
  return std::optional<TimeMs>(*t);
}

bool sees_personal(const http::Request& request) {
  if (request.query_param("personal").value_or("") != "full") return false;
  const access::RouteAccess* row = access::find_route(access_table(), request.method, request.route);
  return row != nullptr && row->personal != 0 && (request.roles & (row->personal | access::kAdmin)) != 0;
}

std::string author_of(const http::Request& request, const std::string& named) {
  const std::string& actor = request.actor;
  if (actor == "anybody" || actor == "nobody" || actor.empty()) return named;
  if (actor.starts_with("user:")) return actor.substr(5);
  if (named.empty() || named == actor) return actor;
  return actor == "local" ? named : named + " by " + actor;
}

Result<std::map<std::string, Personal>> Api::personal_of(const http::Request& request, std::vector<std::string> customers) {
  std::ranges::sort(customers);
  const auto [first, last] = std::ranges::unique(customers);
  customers.erase(first, last);
  std::map<std::string, Personal> out;
  if (sees_personal(request)) return out;
  auto found = std::make_shared<std::vector<Personal>>(customers.size());
  NUDGE_TRY(runtime_.ask_and_wait(customers, [found](Shard& shard, std::size_t i, const CustomerState* state) {
    if (state != nullptr) (*found)[i] = Personal::of(*state, *shard.plan().catalog);
  }));
  for (std::size_t i = 0; i < customers.size(); ++i) out.emplace(std::move(customers[i]), std::move((*found)[i]));
  return out;
}

std::vector<std::string> Api::names_of(const std::string& id) {
  auto names = std::make_shared<std::vector<std::string>>();
  const Result<void> asked = runtime_.ask_and_wait({id}, [names](Shard&, std::size_t, const CustomerState* state) {
    if (state == nullptr) return;
    names->push_back(state->id);
    names->insert(names->end(), state->aliases.begin(), state->aliases.end());
  });
  return asked && !names->empty() ? *names : std::vector{id};
}

std::string body_text(const http::Request& request, std::string_view name) { return member_text(request.body, name); }

}  // namespace nudge::daemon
