#include "daemon/doors/signature.h"

#include <algorithm>
#include <charconv>

#include "connectors/http/digest.h"

namespace nudge::doors {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

// In a time that depends on the lengths only.
bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

std::unexpected<Error> missing(std::string_view header) {
  return fail(Code::denied, "the header " + std::string(header) + " is missing; the sender has to sign its calls");
}

Result<void> check_age(std::string_view seconds, DurationMs tolerance, TimeMs now) {
  std::int64_t at = 0;
  const auto [end, error] = std::from_chars(seconds.data(), seconds.data() + seconds.size(), at);
  if (error != std::errc() || end != seconds.data() + seconds.size() || at < 0 || at > kTimeMax / 1000)
    return fail(Code::denied, "the time of the signature is no number of seconds since 1970");
  const DurationMs apart = at * 1000 > now ? at * 1000 - now : now - at * 1000;
  if (apart > tolerance) {
    return fail(Code::denied, "the signature was made " + format_duration(apart / kSecond * kSecond) +
                                  (at * 1000 > now ? " ahead" : " ago") + ", and at most " + format_duration(tolerance) +
                                  " are allowed; was the call held up or repeated, or is a clock wrong?");
  }
  return {};
}

// The key of a Standard Webhooks secret: base64, usually behind "whsec_"; one that is no base64 is taken as it is.
std::string standard_key(std::string_view secret) {
  constexpr std::string_view kPrefix = "whsec_";
  if (!secret.starts_with(kPrefix)) return std::string(secret);
  return connectors::unbase64(secret.substr(kPrefix.size())).value_or(std::string(secret));
}

bool any_fits(const Signature& signature, std::string_view content, const std::vector<std::string>& given, bool base64) {
  for (const Secret& secret : signature.secrets) {
    const std::string key = signature.style == Style::standard ? standard_key(secret.reveal()) : std::string(secret.reveal());
    const std::string mac = connectors::hmac_sha256(key, content);
    const std::string wanted = base64 ? connectors::base64(mac) : connectors::hex(mac);
    if (std::ranges::any_of(given, [&](const std::string& g) { return same(g, wanted); })) return true;
  }
  return false;
}

std::unexpected<Error> wrong(std::string_view header) {
  return fail(Code::denied,
              "the signature in " + std::string(header) + " does not fit the body and the secret; compare the secret with the sender's");
}

// The parts of `text` between `separator` that start with `prefix`, without it.
std::vector<std::string> parts_with(std::string_view text, char separator, std::string_view prefix) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    std::string_view part = text.substr(0, end);
    while (part.starts_with(' ')) part.remove_prefix(1);
    if (part.starts_with(prefix)) out.emplace_back(part.substr(prefix.size()));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

Result<void> check_standard(const Signature& signature, Headers headers, std::string_view body, TimeMs now) {
  const std::string_view id = header_of(headers, "webhook-id"), at = header_of(headers, "webhook-timestamp");
  const std::string_view given = header_of(headers, "webhook-signature");
  if (id.empty()) return missing("webhook-id");
  if (at.empty()) return missing("webhook-timestamp");
  if (given.empty()) return missing("webhook-signature");
  NUDGE_TRY(check_age(at, signature.tolerance, now));
  const std::string content = std::string(id) + "." + std::string(at) + "." + std::string(body);
  if (any_fits(signature, content, parts_with(given, ' ', "v1,"), true)) return {};
  return wrong("webhook-signature");
}

Result<void> check_stripe(const Signature& signature, Headers headers, std::string_view body, TimeMs now) {
  const std::string_view given = header_of(headers, "stripe-signature");
  if (given.empty()) return missing("Stripe-Signature");
  const std::vector<std::string> at = parts_with(given, ',', "t=");
  if (at.size() != 1) return fail(Code::denied, "the header Stripe-Signature has no time (`t=`)");
  NUDGE_TRY(check_age(at[0], signature.tolerance, now));
  if (any_fits(signature, at[0] + "." + std::string(body), parts_with(given, ',', "v1="), false)) return {};
  return wrong("Stripe-Signature");
}

Result<void> check_hmac(const Signature& signature, Headers headers, std::string_view body, TimeMs now) {
  const std::string_view header = signature_header(signature);
  const std::string_view given = header_of(headers, header);
  if (given.empty()) return missing(header);
  const std::string_view prefix = signature.style == Style::github ? "sha256=" : std::string_view(signature.prefix);
  if (!given.starts_with(prefix)) return wrong(header);
  std::string content;
  if (!signature.timestamp_header.empty()) {
    const std::string_view at = header_of(headers, signature.timestamp_header);
    if (at.empty()) return missing(signature.timestamp_header);
    NUDGE_TRY(check_age(at, signature.tolerance, now));
    content = std::string(at) + ".";
  }
  content += body;
  const bool base64 = signature.style == Style::shopify || (signature.style == Style::hmac && signature.base64);
  std::string text(given.substr(prefix.size()));
  if (!base64) std::ranges::transform(text, text.begin(), lower);
  if (any_fits(signature, content, {text}, base64)) return {};
  return wrong(header);
}

}  // namespace

std::string_view header_of(Headers headers, std::string_view name) {
  const auto found = std::ranges::find_if(headers, [&](const auto& header) { return same_name(header.first, name); });
  return found == headers.end() ? std::string_view() : found->second;
}

std::string_view signature_header(const Signature& signature) {
  switch (signature.style) {
    case Style::none: return {};
    case Style::standard: return "webhook-signature";
    case Style::stripe: return "Stripe-Signature";
    case Style::github: return "X-Hub-Signature-256";
    case Style::shopify: return "X-Shopify-Hmac-Sha256";
    case Style::hmac:
    case Style::token: return signature.header;
  }
  return {};
}

Result<void> check_signature(const Signature& signature, Headers headers, std::string_view body, TimeMs now) {
  switch (signature.style) {
    case Style::none: return {};
    case Style::standard: return check_standard(signature, headers, body, now);
    case Style::stripe: return check_stripe(signature, headers, body, now);
    case Style::github:
    case Style::shopify:
    case Style::hmac: return check_hmac(signature, headers, body, now);
    case Style::token: break;
  }
  const std::string_view given = header_of(headers, signature.header);
  if (given.empty()) return missing(signature.header);
  for (const Secret& secret : signature.secrets) {
    // Hashes, so that the time says nothing of how long the secret is.
    if (same(connectors::sha256(given), connectors::sha256(secret.reveal()))) return {};
  }
  return fail(Code::denied, "the secret in " + signature.header + " is another one; compare it with the sender's");
}

}  // namespace nudge::doors
