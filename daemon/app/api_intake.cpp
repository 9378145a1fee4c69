// POST /v1/events, /v1/customers/{id}, /v1/import: what comes in, and how each document of it ended.
#include "daemon/app/api.h"
#include "daemon/app/intake_answer.h"

namespace nudge::daemon {

void Api::ingest(http::Request& request, http::Responder responder, bool import, std::string customer) {
  if (!ready_) return responder.send(intake_not_ready());
  const std::string_view type = request.header("content-type");
  const Framing framing =
      type.starts_with("application/x-ndjson") || type.starts_with("application/jsonl") ? Framing::lines : Framing::guess;
  const bool all = request.query_param("results").value_or("all") != "problems";
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  auto job = std::make_unique<Job>();
  job->body = std::move(request.body);
  job->import = import;
  job->customer = std::move(customer);
  job->done = [shared, all](Job& done) { shared->send(answer_intake(done, all)); };
  Result<void> taken = runtime_.ingest(std::move(job), framing);
  if (!taken) shared->send(refuse_intake(taken.error()));
}

Result<void> Api::install_intake(http::HttpServer& server) {
  http::RouteOptions options;
  options.body_bytes_max = options_.batch_bytes_max;
  options.needs_body = true;
  NUDGE_TRY(server.route(
      http::Method::post, "/v1/events", [this](http::Request& r, http::Responder to) { ingest(r, std::move(to), false, ""); }, options));
  NUDGE_TRY(server.route(
      http::Method::post, "/v1/import", [this](http::Request& r, http::Responder to) { ingest(r, std::move(to), true, ""); }, options));
  return server.route(
      http::Method::post, "/v1/customers/{id}",
      [this](http::Request& r, http::Responder to) { ingest(r, std::move(to), false, std::string(r.param("id"))); }, options);
}

}  // namespace nudge::daemon
