// POST /v1/cloudevents: CloudEvents 1.0 in the three modes of the HTTP binding. POST /v1/webhooks/{name}: calls of other systems' webhooks.
#include <algorithm>

#include "daemon/app/api.h"
#include "daemon/app/intake_answer.h"
#include "daemon/doors/cloudevents.h"
#include "daemon/doors/raw_json.h"
#include "daemon/doors/webhook.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kEventsMax = 4U << 20;
constexpr std::size_t kCallMax = 1U << 20;  // signed by whoever: read before anybody is known

http::Response denied(const Error& error) {
  http::Response refusal = http::problem(401, "webhook.signature", error.message);
  refusal.headers.emplace_back("WWW-Authenticate", "Signature");
  return refusal;
}

}  // namespace

void Api::take_in(std::shared_ptr<http::Responder> to, std::vector<DoorDocument> documents, bool single) {
  const bool all = to->request().query_param("results").value_or("all") != "problems";
  auto job = std::make_unique<Job>();
  for (DoorDocument& document : documents) job->add_document(std::move(document));
  if (job->opened.empty()) return to->send(answer_intake(*job, all));  // nothing, or nothing that the mapping wants
  job->single = single && job->opened.size() == 1;
  job->done = [to, all](Job& done) { to->send(answer_intake(done, all)); };
  if (Result<void> taken = runtime_.ingest(std::move(job), Framing::lines); !taken) to->send(refuse_intake(taken.error()));
}

// --- CloudEvents

void Api::cloud_events(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  if (!ready_) return shared->send(intake_not_ready());
  const Result<doors::EventMode> mode = doors::cloud_event_mode(request.header("content-type"));
  if (!mode) return shared->send(http::problem(415, "unsupported_format", mode.error().message));
  const auto mapping = options_.doors->mapping();
  const auto schema = runtime_.schema();
  std::vector<DoorDocument> documents;
  const auto open = [&](std::string_view event) { doors::open_cloud_event(mapping->cloud_events.messages, *schema, event, documents); };
  switch (*mode) {
    case doors::EventMode::structured: open(request.body); break;
    case doors::EventMode::binary: {
      if (!doors::has_event_headers(request.headers)) {
        return shared->send(
            http::problem(400, "invalid",
                          "this is no CloudEvent: its content type is not application/cloudevents+json, and it has no headers "
                          "that start with `ce-`"));
      }
      Result<std::string> event = doors::structured_event(request.headers, request.body);
      if (!event) return shared->send(error_response(event.error()));
      open(*event);
      break;
    }
    case doors::EventMode::batch: {
      const auto items = doors::raw_array(request.body);
      if (!items) return shared->send(error_response(items.error()));
      for (const std::string_view item : *items) open(item);
      break;
    }
  }
  take_in(std::move(shared), std::move(documents), *mode != doors::EventMode::batch);
}

// The handshake of the CloudEvents webhook profile: whoever is named may deliver, at any rate.
http::Response Api::cloud_events_consent(const http::Request& request) const {
  http::Response response;
  response.status = 204;
  response.headers.emplace_back("Allow", "OPTIONS, POST");
  const std::string_view origin = request.header("webhook-request-origin");
  const auto mapping = options_.doors->mapping();
  if (origin.empty() ||
      std::ranges::none_of(mapping->cloud_events.allowed_origins, [&](const std::string& o) { return o == "*" || o == origin; }))
    return response;
  response.headers.emplace_back("WebHook-Allowed-Origin", std::string(origin));
  response.headers.emplace_back("WebHook-Allowed-Rate", "*");
  return response;
}

// --- webhooks

std::optional<http::Response> Api::webhook_gate(const http::Request& request) const {
  const auto mapping = options_.doors->mapping();
  const auto found = mapping->webhooks.find(request.param("name"));
  if (found == mapping->webhooks.end()) return std::nullopt;  // the handler says so
  const doors::Signature& signature = found->second.signature;
  if (signature.style == doors::Style::none) {
    if (access_.accounts.is_open()) return std::nullopt;
    const auto known = access_.accounts.identify_token(access::token_of(request.header("authorization")));
    if (known && (known->roles & (access::kIngest | access::kAdmin)) != 0) return std::nullopt;
    return http::problem(401, "http.unauthorized",
                         "this webhook has no signature, so it needs a token that may send events: `Authorization: Bearer TOKEN`");
  }
  if (signature.style == doors::Style::token) {
    if (Result<void> good = doors::check_signature(signature, request.headers, {}, runtime_.now()); !good) return denied(good.error());
  } else if (doors::header_of(request.headers, doors::signature_header(signature)).empty()) {
    return denied(
        {Code::denied, "the header " + std::string(doors::signature_header(signature)) + " is missing; the sender has to sign its calls"});
  }
  return std::nullopt;
}

void Api::webhook(http::Request& request, http::Responder responder) {
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  if (!ready_) return shared->send(intake_not_ready());
  const auto mapping = options_.doors->mapping();
  const std::string name(request.param("name"));
  const auto found = mapping->webhooks.find(name);
  if (found == mapping->webhooks.end())
    return shared->send(http::problem(
        404, "not_found", "there is no webhook of this name; name it under `webhooks` in the doors' file, then `nudge reload`"));
  if (Result<void> good = doors::check_signature(found->second.signature, request.headers, request.body, runtime_.now()); !good)
    return shared->send(denied(good.error()));
  std::vector<DoorDocument> documents;
  doors::open_webhook(name, found->second, *runtime_.schema(), request.headers, request.body, documents);
  // Whoever calls would call again for days: what is set aside is taken care of.
  take_in(std::move(shared), std::move(documents), false);
}

Result<void> Api::install_doors(http::HttpServer& server) {
  using http::Method;
  http::RouteOptions events, calls;
  events.body_bytes_max = std::min(kEventsMax, options_.batch_bytes_max);
  calls.body_bytes_max = std::min(kCallMax, options_.batch_bytes_max);
  calls.needs_body = true;
  NUDGE_TRY(server.route(
      Method::post, "/v1/cloudevents", [this](http::Request& r, http::Responder to) { cloud_events(r, std::move(to)); }, events));
  NUDGE_TRY(
      server.route(Method::options, "/v1/cloudevents", [this](http::Request& r, http::Responder to) { to.send(cloud_events_consent(r)); }));
  return server.route(
      Method::post, "/v1/webhooks/{name}", [this](http::Request& r, http::Responder to) { webhook(r, std::move(to)); }, calls);
}

}  // namespace nudge::daemon
