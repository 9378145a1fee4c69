// POST /v1/events, /v1/customers/{id}, /v1/import: what comes in, and how each document of it ended.
#include "daemon/app/api.h"

namespace nudge::daemon {
namespace {

void write_line(Json& json, std::size_t index, const LineResult& result) {
  json.begin_object().field("index", index).field("status", line_outcome_name(result.outcome));
  if (result.problem != nullptr) {
    json.field("code", result.problem->code);
    if (!result.problem->field.empty()) json.field("field", result.problem->field);
    json.field("reason", result.problem->reason);
  }
  if (result.quarantine != 0) json.field("quarantine", result.quarantine);
  json.end_object();
}

http::Response answer_single(const Job& job) {
  const LineResult& result = job.results[0];
  if (result.outcome == LineOutcome::stored || result.outcome == LineOutcome::duplicate) {
    Json json;
    json.begin_object().field("status", line_outcome_name(result.outcome)).end_object();
    return json_response(std::move(json));
  }
  if (result.outcome == LineOutcome::conflict) return http::problem(409, "conflict", result.problem->reason);
  Json json;
  json.begin_object()
      .field("type", "about:blank")
      .field("title", "Unprocessable Content")
      .field("status", 422)
      .field("code", result.problem->code)
      .field("detail", result.problem->reason + (result.problem->reason.ends_with("?") ? " It" : ". It") +
                           " was set aside and can be replayed once that is mended")
      .field("field", result.problem->field)
      .field("quarantine", result.quarantine)
      .end_object();
  http::Response response = json_response(std::move(json), 422);
  response.content_type = "application/problem+json";
  return response;
}

http::Response answer_many(const Job& job, bool all) {
  std::uint64_t counts[5] = {};
  for (const LineResult& result : job.results) ++counts[static_cast<std::size_t>(result.outcome)];
  Json json;
  json.begin_object()
      .field("received", job.results.size())
      .field("stored", counts[static_cast<std::size_t>(LineOutcome::stored)])
      .field("duplicate", counts[static_cast<std::size_t>(LineOutcome::duplicate)])
      .field("conflict", counts[static_cast<std::size_t>(LineOutcome::conflict)])
      .field("quarantined", counts[static_cast<std::size_t>(LineOutcome::quarantined)]);
  json.key("results").begin_array();
  for (std::size_t i = 0; i < job.results.size(); ++i) {
    const LineOutcome outcome = job.results[i].outcome;
    if (all || outcome == LineOutcome::conflict || outcome == LineOutcome::quarantined) write_line(json, i, job.results[i]);
  }
  json.end_array().end_object();
  return json_response(std::move(json));
}

http::Response refuse(const Error& error) {
  if (error.code != Code::unavailable) return error_response(error);
  // A full queue passes in a moment; no space or a failed disk does not.
  const bool queue = error.message.starts_with("more events");
  http::Response response = http::problem(queue ? 429 : 503, queue ? "busy" : "unavailable", error.message);
  response.headers.emplace_back("Retry-After", queue ? "1" : "30");
  return response;
}

}  // namespace

void Api::ingest(http::Request& request, http::Responder responder, bool import, std::string customer) {
  if (!ready_) {
    http::Response response = http::problem(503, "unavailable", "nudge is starting or stopping");
    response.headers.emplace_back("Retry-After", "2");
    return responder.send(std::move(response));
  }
  const std::string_view type = request.header("content-type");
  const Framing framing =
      type.starts_with("application/x-ndjson") || type.starts_with("application/jsonl") ? Framing::lines : Framing::guess;
  const bool all = request.query_param("results").value_or("all") != "problems";
  auto shared = std::make_shared<http::Responder>(std::move(responder));
  auto job = std::make_unique<Job>();
  job->body = std::move(request.body);
  job->import = import;
  job->customer = std::move(customer);
  job->done = [shared, all](Job& done) {
    if (done.failure.has_value()) {
      return shared->send(http::problem(500, "unknown",
                                        "it is not known whether this was written: " + done.failure->message +
                                            ". Send it again, with the same ids, once nudge runs again"));
    }
    shared->send(done.single ? answer_single(done) : answer_many(done, all));
  };
  Result<void> taken = runtime_.ingest(std::move(job), framing);
  if (!taken) shared->send(refuse(taken.error()));
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
