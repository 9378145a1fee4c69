// The Segment-compatible tracking API: /v1/track and its relatives, and the browser's short paths. Answers are what the client libraries
// expect: 200 {"success":true} once everything is on disk or set aside on disk, {"code", "message"} otherwise.
#include <algorithm>

#include "connectors/http/digest.h"
#include "daemon/access/secrets.h"
#include "daemon/app/api.h"
#include "daemon/doors/raw_json.h"
#include "daemon/doors/segment.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kBodyMax = 4U << 20;  // what RudderStack's server takes; Segment's own limit is 500 KB

struct Route {
  std::string_view path;
  std::string_view type;  // empty: each message says its own
};
constexpr Route kRoutes[] = {{"/v1/identify", "identify"}, {"/v1/track", "track"}, {"/v1/page", "page"}, {"/v1/screen", "screen"},
                             {"/v1/group", "group"},       {"/v1/alias", "alias"}, {"/v1/batch", ""},    {"/v1/i", "identify"},
                             {"/v1/t", "track"},           {"/v1/p", "page"},      {"/v1/s", "screen"},  {"/v1/g", "group"},
                             {"/v1/a", "alias"},           {"/v1/b", ""},          {"/v1/import/", ""}};

http::Response answer(int status, std::string_view code, std::string_view message) {
  http::Response response = http::problem(status, code, message);
  // The libraries read `message` where RFC 9457 says `detail`.
  Json json;
  json.begin_object()
      .field("type", "about:blank")
      .field("title", http::reason_phrase(status))
      .field("status", status)
      .field("code", code)
      .field("detail", message)
      .field("message", message)
      .end_object();
  response.body = json.take();
  return response;
}

http::Response success() {
  Json json;
  json.begin_object().field("success", true).end_object();
  return json_response(std::move(json));
}

// The write key of "Authorization: Basic base64(key:)"; some callers leave the colon out. Nothing without such a header.
std::optional<std::string> basic_key(const http::Request& request) {
  constexpr std::string_view kScheme = "basic ";
  const std::string_view given = request.header("authorization");
  if (given.size() <= kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if ((given[i] | 0x20) != kScheme[i] && given[i] != ' ') return std::nullopt;
  }
  const auto decoded = connectors::unbase64(given.substr(kScheme.size()));
  if (!decoded) return std::string();
  return decoded->substr(0, decoded->find(':'));
}

struct Opened {
  std::vector<DoorDocument> documents;
  std::optional<std::string> write_key;  // of the body
};

// Takes the body apart. Error: it is no message and no batch.
Result<Opened> open_body(const doors::SegmentMapping& mapping, const IntakeSchema& schema, std::string_view body, std::string_view type,
                         TimeMs now) {
  NUDGE_ASSIGN(const auto members, doors::raw_object(body));
  Opened out;
  out.write_key = doors::raw_text(doors::raw_member(members, "writeKey"));
  const std::string_view batch = doors::raw_member(members, "batch");
  if (batch.empty()) {
    doors::open_segment(mapping, schema, {type, {}, {}, now}, body, out.documents);
    return out;
  }
  NUDGE_ASSIGN(const auto messages, doors::raw_array(batch));
  const std::string sent = doors::raw_text(doors::raw_member(members, "sentAt")).value_or("");
  const doors::SegmentCall call{{}, sent, doors::raw_member(members, "context"), now};
  for (const std::string_view message : messages) {
    if (!out.write_key) {
      const auto own = doors::raw_object(message);
      if (own) out.write_key = doors::raw_text(doors::raw_member(*own, "writeKey"));
    }
    doors::open_segment(mapping, schema, call, message, out.documents);
  }
  return out;
}

}  // namespace

std::optional<http::Response> Api::door_gate(const http::Request& request) const {
  if (request.route == "/v1/webhooks/{name}") return webhook_gate(request);
  std::string_view path = request.path;
  if (path.size() > 1 && path.ends_with('/') && path != "/v1/import/") path.remove_suffix(1);
  if (std::ranges::none_of(kRoutes, [&](const Route& r) { return r.path == path; })) return std::nullopt;
  if (request.method == http::Method::options) return std::nullopt;  // a browser asks before it may say who it is
  const std::optional<std::string> key = basic_key(request);
  if (key && !write_key_fits(*key))
    return answer(401, "unauthorized", "the write key is neither segment.write_key nor a token that may send events");
  return std::nullopt;  // without one here, it must stand in the body
}

bool Api::write_key_fits(std::string_view key) const {
  if (!options_.write_key.empty() && access::same_secret(key, options_.write_key.reveal())) return true;
  if (options_.write_key.empty() && access_.accounts.is_open()) return true;
  const std::optional<access::Identity> known = access_.accounts.identify_token(key);
  return known && (known->roles & (access::kIngest | access::kAdmin)) != 0;
}

bool Api::origin_allowed(std::string_view origin) const {
  return std::ranges::any_of(options_.allowed_origins, [&](const std::string& o) { return o == "*" || o == origin; });
}

// What lets a browser on an allowed page read the answer.
void Api::allow_origin(const http::Request& request, http::Response& response) const {
  const std::string_view origin = request.header("origin");
  if (origin.empty()) return;
  response.headers.emplace_back("Vary", "Origin");
  if (!origin_allowed(origin)) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", std::string(origin));
}

http::Response Api::preflight(const http::Request& request) const {
  http::Response response;
  response.status = 204;
  allow_origin(request, response);
  response.headers.emplace_back("Access-Control-Allow-Methods", "POST");
  response.headers.emplace_back("Access-Control-Allow-Headers", "authorization, content-type, content-encoding, x-retry-count");
  response.headers.emplace_back("Access-Control-Max-Age", "86400");
  return response;
}

void Api::segment_call(http::Request& request, http::Responder responder, std::string_view type) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  const auto send = [this, shared](http::Response response) {
    allow_origin(shared->request(), response);
    shared->send(std::move(response));
  };
  const auto later = [&](int status, std::string_view code, const std::string& message, std::string seconds) {
    http::Response response = answer(status, code, message);
    response.headers.emplace_back("Retry-After", std::move(seconds));
    send(std::move(response));
  };
  if (!ready_) return later(503, "unavailable", "nudge is starting or stopping", "2");
  // Where no key is asked for, any page that a browser on this machine opens could send.
  if (const std::string_view origin = request.header("origin"); !origin.empty() && write_key_fits({}) && !origin_allowed(origin))
    return send(answer(403, "http.cross_site", "this was sent by a page that segment.allowed_origins does not name"));
  const std::optional<std::string> header_key = basic_key(request);
  Result<Opened> opened = open_body(options_.doors->mapping()->segment, *runtime_.schema(), request.body, type, runtime_.now());
  if (!opened) return send(answer(400, "invalid", opened.error().message));
  // A bearer that is none of ours may be one of OAuth: then the key stands in the body.
  const std::string bearer = header_key ? std::string() : access::token_of(request.header("Authorization"));
  if (!header_key && (bearer.empty() || !write_key_fits(bearer)) && !write_key_fits(opened->write_key.value_or("")))
    return send(answer(401, "unauthorized", "this needs the write key, as the user of Basic authorization, as a bearer, or as `writeKey` in the body"));
  if (opened->documents.empty()) return send(success());
  auto job = std::make_unique<Job>();
  for (DoorDocument& document : opened->documents) job->add_document(std::move(document));
  job->done = [send](Job& done) {
    if (done.failure)
      return send(answer(500, "unknown", "it is not known whether this was written: " + done.failure->message + ". Send it again"));
    send(success());
  };
  if (Result<void> taken = runtime_.ingest(std::move(job), Framing::lines); !taken) {
    if (taken.error().code != Code::unavailable) return send(answer(400, "invalid", taken.error().message));
    const bool queue = taken.error().message.starts_with("more events");
    later(queue ? 429 : 503, queue ? "busy" : "unavailable", taken.error().message, queue ? "1" : "30");
  }
}

Result<void> Api::install_segment(http::HttpServer& server) {
  http::RouteOptions options;
  options.body_bytes_max = std::min(kBodyMax, options_.batch_bytes_max);
  options.needs_body = true;
  for (const Route& route : kRoutes) {
    std::vector<std::string> paths{std::string(route.path)};
    if (!route.path.ends_with('/')) paths.push_back(paths[0] + "/");
    for (const std::string& path : paths) {
      const std::string_view type = route.type;
      NUDGE_TRY(server.route(
          http::Method::post, path, [this, type](http::Request& r, http::Responder to) { segment_call(r, std::move(to), type); }, options));
      NUDGE_TRY(server.route(http::Method::options, path, [this](http::Request& r, http::Responder to) { to.send(preflight(r)); }));
    }
  }
  return {};
}

}  // namespace nudge::daemon
