#include "connectors/webhook/webhook.h"

#include <stdexcept>

#include "connectors/http/digest.h"
#include "connectors/http/payload.h"
#include "connectors/http/utc.h"
#include "connectors/sdk/raw_json.h"

namespace nudge::connectors {

using sdk::FieldType;
using sdk::Outcome;

namespace {

constexpr std::size_t kBodyBytesMax = 256u << 10;

bool event_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == std::string_view::npos;
}

}  // namespace

std::string webhook_key(std::string_view secret) {
  if (secret.starts_with("whsec_")) secret.remove_prefix(6);
  const auto key = unbase64(secret);
  if (!key || key->size() < 24 || key->size() > 64)
    throw std::invalid_argument(
        "secrets: a signing secret must be whsec_ and 24 to 64 random bytes in base64; make one with: echo whsec_$(openssl rand -base64 "
        "32)");
  return *key;
}

std::string webhook_signature(const std::vector<std::string>& keys, std::string_view id, std::int64_t timestamp_s, std::string_view body) {
  const std::string content = std::string(id) + "." + std::to_string(timestamp_s) + "." + std::string(body);
  std::string out;
  for (const std::string& key : keys) out += (out.empty() ? "v1," : " v1,") + base64(hmac_sha256(key, content));
  return out;
}

std::string webhook_body(std::string_view event, std::int64_t created_ms, std::string_view payload) {
  const std::string_view data = sdk::raw_member(payload, "data");
  return "{\"type\":\"" + std::string(event) + "\",\"timestamp\":\"" + iso_utc(created_ms) +
         "\",\"data\":" + (data.empty() ? "{}" : std::string(data)) + "}";
}

const sdk::Manifest& Webhook::manifest() {
  static const sdk::Manifest kManifest = {
      .kind = "webhook",
      .version = "1.0",
      .channels = {"webhook"},
      .idempotency = "key",
      .default_on_unknown = "retry",
      .fields =
          with_http_fields({{.name = "url", .type = FieldType::url, .help = "where to POST to", .required = true},
                            {.name = "secrets",
                             .type = FieldType::secret_list,
                             .help = "signing secrets (whsec_…); with two, both signatures are sent, for a change of secret without a gap",
                             .required = true},
                            {.name = "headers", .type = FieldType::header_map, .help = "further headers, e.g. Authorization by reference"},
                            {.name = "allow_private",
                             .type = FieldType::boolean,
                             .help = "let it connect to private and loopback addresses; they are refused by the resolved address otherwise",
                             .default_json = "false"},
                            allow_http_field(),
                            {.name = "payload_url",
                             .type = FieldType::boolean,
                             .help = "let a rule choose another url in its payload",
                             .default_json = "false"}},
                           "20000")};
  return kManifest;
}

void Webhook::check(sdk::Config& config) { check_https(config); }

Webhook::Webhook(const sdk::Host& host, const sdk::Config& config)
    : setup_(host, config),
      url_(config.text("url")),
      headers_(config.headers("headers", host)),
      allow_private_(config.flag("allow_private")),
      allow_http_(config.flag("allow_http")),
      payload_url_(config.flag("payload_url")) {
  for (const std::string& secret : config.secrets("secrets", host)) keys_.push_back(webhook_key(secret));
}

Outcome Webhook::deliver(const sdk::Request& request) {
  const Payload payload(request.payload);
  const std::string event = payload.text("event");
  if (!event_name(event)) return Outcome::refused("the payload's event must be a name of letters, digits, _ . and -");
  std::string url = payload.text("url");
  const bool own_url = !url.empty() && url != url_;
  if (url.empty()) url = url_;
  if (own_url && !payload_url_) return Outcome::refused("the rule names a url, but this connector's payload_url is false");
  if (has_control(url) || (is_plain_http(url) ? !allow_http_ : !url.starts_with("https://")))
    return Outcome::refused("the url is not allowed: it must be https (or allow_http must be true)");

  HttpRequest post = setup_.post_json(request, url, webhook_body(event, request.created_ms, request.payload));
  if (post.body.size() > kBodyBytesMax) return Outcome::refused("the body is over 256 KiB");
  const std::int64_t now_ms = setup_.host.now_ms();
  post.headers.insert(post.headers.end(), headers_.begin(), headers_.end());
  post.headers.emplace_back("User-Agent", "nudge-webhook/1");
  post.headers.emplace_back("webhook-id", std::string(request.action_id));
  post.headers.emplace_back("webhook-timestamp", std::to_string(now_ms / 1000));
  post.headers.emplace_back("webhook-signature", webhook_signature(keys_, request.action_id, now_ms / 1000, post.body));
  post.repeatable = true;  // the receiver knows a repeat by its webhook-id
  post.public_addresses_only = !allow_private_;
  const HttpReply reply = http_.send(post);
  Outcome outcome = outcome_of(reply);
  if (reply.transport == HttpReply::Transport::answered && reply.status == 410)
    outcome = own_url ? Outcome::refused("HTTP 410: the receiver wants no more of these", 410)
                      : Outcome::bad_config("HTTP 410: the receiver wants no more webhooks at this url", 410);
  if (outcome.status == sdk::Status::accepted) outcome.provider_ref = std::string(request.action_id);
  return outcome;
}

}  // namespace nudge::connectors
