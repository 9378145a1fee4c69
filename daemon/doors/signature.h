// Whether a call of a webhook comes from who has the secret: the ways of signing that are in use. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/log/secret.h"
#include "engine/base/status.h"
#include "engine/base/time.h"

namespace nudge::doors {

enum class Style : std::uint8_t {
  none,      // the route asks for a token instead, as every other
  standard,  // Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature
  stripe,    // Stripe-Signature: t=…,v1=…
  github,    // X-Hub-Signature-256: sha256=…
  shopify,   // X-Shopify-Hmac-Sha256: base64
  hmac,      // the header and the encoding that the mapping names
  token,     // the secret itself in a header
};

struct Signature {
  Style style = Style::none;
  std::vector<Secret> secrets;  // any of them; more than one while a secret is changed
  // Of hmac and token.
  std::string header;
  std::string prefix;            // before the signature, "sha256="
  bool base64 = false;           // else hexadecimal
  std::string timestamp_header;  // signed as TIMESTAMP.BODY; empty: the body alone is signed
  DurationMs tolerance = 5 * kMinute;
};

using Headers = std::span<const std::pair<std::string_view, std::string_view>>;

// The first header of that name, in any case; empty when there is none.
std::string_view header_of(Headers headers, std::string_view name);
// The header that carries the signature; empty for `none`.
std::string_view signature_header(const Signature& signature);

// Error (denied): what is missing or does not fit, with a hint, and nothing of the secret. The body is the bytes that were signed.
Result<void> check_signature(const Signature& signature, Headers headers, std::string_view body, TimeMs now);

}  // namespace nudge::doors
