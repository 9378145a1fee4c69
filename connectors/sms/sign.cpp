#include "connectors/sms/sign.h"

#include <algorithm>

#include "connectors/http/digest.h"
#include "connectors/http/utc.h"

namespace nudge::connectors {

std::string canonical_query(NameValues parameters) {
  std::sort(parameters.begin(), parameters.end());
  std::string out;
  for (const auto& [name, value] : parameters) out += (out.empty() ? "" : "&") + percent_encode(name) + "=" + percent_encode(value);
  return out;
}

AcsSignature acs3_sign(std::string_view method, std::string_view path, std::string_view query, NameValues headers,
                       std::string_view body_hash, std::string_view key_secret) {
  std::sort(headers.begin(), headers.end());  // by name, then by value: repeated names are joined in this order
  std::string canonical, names;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    if (i > 0 && headers[i].first == headers[i - 1].first) {
      canonical.pop_back();
      canonical += "," + headers[i].second + "\n";
      continue;
    }
    canonical += headers[i].first + ":" + headers[i].second + "\n";
    names += (names.empty() ? "" : ";") + headers[i].first;
  }
  std::string request(method);
  for (const std::string_view part : {path, query, std::string_view(canonical), std::string_view(names), body_hash}) {
    request += '\n';
    request += part;
  }
  AcsSignature out;
  out.signed_headers = names;
  out.request_hash = hex(sha256(request));
  out.signature = hex(hmac_sha256(key_secret, "ACS3-HMAC-SHA256\n" + out.request_hash));
  return out;
}

Tc3Signature tc3_sign(std::string_view service, const NameValues& headers, std::int64_t timestamp_s, std::string_view body,
                      std::string_view secret_id, std::string_view secret_key) {
  std::string canonical, names;
  for (const auto& [name, value] : headers) {
    canonical += name + ":" + value + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  Tc3Signature out;
  out.request_hash = hex(sha256("POST\n/\n\n" + canonical + "\n" + names + "\n" + hex(sha256(body))));
  const std::string date = iso_utc(timestamp_s * 1000).substr(0, 10);
  const std::string scope = date + "/" + std::string(service) + "/tc3_request";
  const std::string text = "TC3-HMAC-SHA256\n" + std::to_string(timestamp_s) + "\n" + scope + "\n" + out.request_hash;
  const std::string day_key = hmac_sha256("TC3" + std::string(secret_key), date);
  out.signature = hex(hmac_sha256(hmac_sha256(hmac_sha256(day_key, service), "tc3_request"), text));
  out.authorization =
      "TC3-HMAC-SHA256 Credential=" + std::string(secret_id) + "/" + scope + ", SignedHeaders=" + names + ", Signature=" + out.signature;
  return out;
}

}  // namespace nudge::connectors
