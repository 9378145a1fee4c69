// webhook: tells another system by a POST that is signed per Standard Webhooks. Thread-safe.
// The id is the action id and the body's bytes are the same at every attempt; the timestamp and so the signature are not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/http/http_setup.h"
#include "connectors/sdk/configured.h"

namespace nudge::connectors {

// The signing key inside "whsec_<base64>"; throws std::invalid_argument when it is not 24 to 64 bytes in base64.
std::string webhook_key(std::string_view secret);

// The header webhook-signature: one "v1,<base64>" per key, space-separated.
std::string webhook_signature(const std::vector<std::string>& keys, std::string_view id, std::int64_t timestamp_s, std::string_view body);

// {"type":EVENT,"timestamp":created,"data":…} with the data's bytes exactly as in the payload.
std::string webhook_body(std::string_view event, std::int64_t created_ms, std::string_view payload);

class Webhook final : public sdk::Configured<Webhook> {
 public:
  static const sdk::Manifest& manifest();
  static void check(sdk::Config& config);
  Webhook(const sdk::Host& host, const sdk::Config& config);
  sdk::Outcome deliver(const sdk::Request& request) override;

 private:
  HttpSetup setup_;
  std::string url_;
  std::vector<std::string> keys_;
  std::vector<std::pair<std::string, std::string>> headers_;
  bool allow_private_, allow_http_, payload_url_;
  HttpClient http_;
};

}  // namespace nudge::connectors
