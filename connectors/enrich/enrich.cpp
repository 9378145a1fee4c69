#include "connectors/enrich/enrich.h"

#include "connectors/http/payload.h"
#include "connectors/sdk/raw_json.h"

namespace nudge::connectors {

using sdk::FieldType;
using sdk::Outcome;

namespace {

constexpr std::size_t kAnswerBytesMax = 64u << 10;
constexpr std::size_t kQuestionBytesMax = 256u << 10;
constexpr std::uint32_t kGarbageAttemptsMax = 3;  // a page of a proxy instead of an answer often goes by

}  // namespace

Outcome enrich_outcome(HttpReply reply, std::uint32_t attempt) {
  Outcome outcome = outcome_of(reply);
  // Whatever became of the question, it can be asked again.
  if (outcome.status == sdk::Status::unknown) return Outcome::retry(outcome.detail, reply.retry_after_ms, reply.status);
  if (outcome.status != sdk::Status::accepted) return outcome;
  if (!reply.error.empty()) return Outcome::refused("the answer is over 64 KiB", reply.status);
  if (!json_object(reply.body)) {
    const std::string text = "HTTP " + std::to_string(reply.status) + ", but the answer is no JSON object" +
                             (reply.body.empty() ? "" : ": " + excerpt(reply.body));
    return attempt < kGarbageAttemptsMax ? Outcome::retry(text, 0, reply.status) : Outcome::refused(text, reply.status);
  }
  outcome.result = std::move(reply.body);
  return outcome;
}

const sdk::Manifest& Enrich::manifest() {
  static const sdk::Manifest kManifest = {
      .kind = "enrich",
      .version = "1.0",
      .channels = {"enrich"},
      .idempotency = "key",
      .default_on_unknown = "retry",
      .fields =
          with_http_fields({{.name = "url", .type = FieldType::url, .help = "where to POST the question to", .required = true},
                            {.name = "headers", .type = FieldType::header_map, .help = "further headers, e.g. Authorization by reference"},
                            allow_http_field()},
                           "20000")};
  return kManifest;
}

void Enrich::check(sdk::Config& config) { check_https(config); }

Enrich::Enrich(const sdk::Host& host, const sdk::Config& config)
    : setup_(host, config), url_(config.text("url")), headers_(config.headers("headers", host)) {}

Outcome Enrich::deliver(const sdk::Request& request) {
  const std::string_view send = sdk::raw_member(request.payload, "send");
  HttpRequest post = setup_.post_json(request, url_, send.empty() ? "{}" : std::string(send));
  if (post.body.size() > kQuestionBytesMax) return Outcome::refused("the question is over 256 KiB");
  post.headers.insert(post.headers.end(), headers_.begin(), headers_.end());
  post.headers.emplace_back("Accept", "application/json");
  post.headers.emplace_back("User-Agent", "nudge-enrich/1");
  post.headers.emplace_back("Idempotency-Key", std::string(request.action_id));
  post.repeatable = true;
  post.reply_bytes_max = kAnswerBytesMax;
  return enrich_outcome(http_.send(post), request.attempt);
}

}  // namespace nudge::connectors
