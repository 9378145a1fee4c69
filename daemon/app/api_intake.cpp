// POST /v1/events, /v1/customers/{id}, /v1/import: what comes in, and how each document of it ended.
#include <charconv>

#include "daemon/app/api.h"
#include "daemon/app/intake_answer.h"
#include "daemon/app/intake_stream.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kWholeBytes = 256 * 1024;  // shorter bodies of lines are taken in at once

bool is_lines(const http::Request& request) {
  const std::string_view type = request.header("content-type");
  return type.starts_with("application/x-ndjson") || type.starts_with("application/jsonl") || type.starts_with("application/ndjson");
}

std::size_t announced(const http::Request& request) {
  const std::string_view text = request.header("content-length");
  std::size_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc() && !text.empty() ? n : SIZE_MAX;
}

}  // namespace

void Api::ingest(http::Request& request, http::Responder responder, bool import, std::string customer) {
  if (!ready_) return responder.send(intake_not_ready());
  const Framing framing = is_lines(request) ? Framing::lines : Framing::guess;
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

// Bodies that may be of any length are taken in while they come: lines, and JSON arrays longer than a body in memory may be.
http::BodySinks Api::intake_sinks(bool import) {
  const std::size_t most = options_.batch_bytes_max;
  http::BodySinks sinks;
  sinks.wanted = [most](const http::Request& request) {
    if (request.query_param("results").value_or("") == "stream") return true;
    const std::size_t length = announced(request);
    const bool packed = !request.header("content-encoding").empty();
    return is_lines(request) ? packed || length > kWholeBytes : length != SIZE_MAX && length > most;
  };
  sinks.open = [this, import, most](http::Request& request, http::Responder responder,
                                    http::StreamHandle body) -> std::unique_ptr<http::BodySink> {
    if (!ready_) {
      responder.send(intake_not_ready());
      return nullptr;
    }
    StreamOptions options;
    options.import = import;
    options.customer = std::string(request.param("id"));
    options.array = !is_lines(request);
    const std::string_view results = request.query_param("results").value_or("all");
    options.all = results != "problems";
    options.live = results == "stream";
    options.document_bytes_max = most;
    return open_intake_stream(runtime_, std::move(options), std::move(responder), std::move(body));
  };
  return sinks;
}

Result<void> Api::install_intake(http::HttpServer& server) {
  const auto options = [this](bool import) {
    http::RouteOptions o;
    o.body_bytes_max = options_.batch_bytes_max;
    o.needs_body = true;
    o.sinks = intake_sinks(import);
    return o;
  };
  NUDGE_TRY(server.route(
      http::Method::post, "/v1/events", [this](http::Request& r, http::Responder to) { ingest(r, std::move(to), false, ""); },
      options(false)));
  NUDGE_TRY(server.route(
      http::Method::post, "/v1/import", [this](http::Request& r, http::Responder to) { ingest(r, std::move(to), true, ""); },
      options(true)));
  return server.route(
      http::Method::post, "/v1/customers/{id}",
      [this](http::Request& r, http::Responder to) { ingest(r, std::move(to), false, std::string(r.param("id"))); }, options(false));
}

}  // namespace nudge::daemon
