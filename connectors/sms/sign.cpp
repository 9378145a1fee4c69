#include "connectors/sms/sign.h"

#include <algorithm>

#include "connectors/http/digest.h"

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

}  // namespace nudge::connectors
