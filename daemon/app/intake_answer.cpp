#include "daemon/app/intake_answer.h"

#include "daemon/app/api.h"

namespace nudge::daemon {
namespace {

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

}  // namespace

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

http::Response answer_intake(const Job& job, bool all) {
  if (job.failure) {
    return http::problem(
        500, "unknown",
        "it is not known whether this was written: " + job.failure->message + ". Send it again, with the same ids, once nudge runs again");
  }
  return job.single ? answer_single(job) : answer_many(job, all);
}

bool is_queue_full(const Error& error) { return error.code == Code::unavailable && error.message.starts_with("more events"); }

http::Response intake_not_ready() {
  http::Response response = http::problem(503, "unavailable", "nudge is starting or stopping");
  response.headers.emplace_back("Retry-After", "2");
  return response;
}

http::Response refuse_intake(const Error& error) {
  if (error.code != Code::unavailable) return error_response(error);
  // A full queue passes in a moment; no space or a failed disk does not.
  const bool queue = is_queue_full(error);
  http::Response response = http::problem(queue ? 429 : 503, queue ? "busy" : "unavailable", error.message);
  response.headers.emplace_back("Retry-After", queue ? "1" : "30");
  return response;
}

}  // namespace nudge::daemon
