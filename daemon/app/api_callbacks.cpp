// POST /v1/callbacks/{connector}: receipts, replies and changes of tickets, from the providers themselves. The connector verifies who
// calls, by signature or by the key in the address; nothing that is not verified has any effect. Answered once it is on disk.
#include <algorithm>

#include "connectors/http/digest.h"
#include "daemon/app/api.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kBodyMax = 192U << 10;
constexpr std::size_t kHeaderBytesMax = 4096;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// What the connector gets to see: neither cookies nor credentials of nudge's own.
std::string payload_of(const http::Request& request, bool trusted) {
  Json json;
  json.begin_object().field("url", request.target).key("headers").begin_object();
  std::vector<std::string> seen;
  for (const auto& [name, value] : request.headers) {
    const std::string key = lower(name);
    if (key == "authorization" || key == "cookie" || value.size() > kHeaderBytesMax) continue;
    if (std::ranges::find(seen, key) != seen.end()) continue;
    seen.push_back(key);
    json.field(key, value);
  }
  json.end_object().field("body", connectors::base64(request.body)).field("trusted", trusted).end_object();
  return json.take();
}

http::Response answer_of(const CallbackResult& result) {
  if (result.status == 200) {
    http::Response response;
    response.content_type = result.type == "xml"    ? "text/xml; charset=utf-8"
                            : result.type == "text" ? "text/plain; charset=utf-8"
                                                    : "application/json";
    response.body = result.body;
    return response;
  }
  // Who is not verified learns nothing but that.
  if (result.status == 401)
    return http::problem(401, "callback.unverified", "this is not signed by the connector's provider, and the address has no valid key");
  const char* code = result.status == 404   ? "not_found"
                     : result.status == 503 ? "unavailable"
                     : result.status == 400 ? "invalid"
                                            : "internal";
  http::Response response = http::problem(result.status, code, result.why);
  if (result.status == 503) response.headers.emplace_back("Retry-After", "5");
  return response;
}

}  // namespace

void Api::callback(http::Request& request, http::Responder responder) {
  auto to = std::make_shared<http::Responder>(std::move(responder));
  if (!ready_) {
    CallbackResult later;
    later.status = 503;
    later.why = "nudge is starting or stopping; call again";
    return to->send(answer_of(later));
  }
  const std::string token = access::token_of(request.header("authorization"));
  const std::optional<access::Identity> known = token.empty() ? std::nullopt : access_.accounts.identify_token(token);
  const bool trusted = known && (known->roles & (access::kIngest | access::kAdmin)) != 0;
  std::string connector(request.param("connector"));
  runtime_.delivery().receive(std::move(connector), payload_of(request, trusted),
                              [to](const CallbackResult& result) { to->send(answer_of(result)); });
}

Result<void> Api::install_callbacks(http::HttpServer& server) {
  using http::Method;
  http::RouteOptions options;
  options.body_bytes_max = kBodyMax;
  const http::Handler handler = [this](http::Request& r, http::Responder to) { callback(r, std::move(to)); };
  NUDGE_TRY(server.route(Method::post, "/v1/callbacks/{connector}", handler, options));
  return server.route(Method::post, "/v1/callbacks/{connector}/{key}", handler, options);
}

}  // namespace nudge::daemon
