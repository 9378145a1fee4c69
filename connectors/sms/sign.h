// Aliyun's request signature, version 3 (ACS3-HMAC-SHA256). Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nudge::connectors {

using NameValues = std::vector<std::pair<std::string, std::string>>;

// name=value pairs, percent-encoded, sorted by name, joined with &.
std::string canonical_query(NameValues parameters);

struct AcsSignature {
  std::string request_hash;  // hex SHA-256 of the canonical request
  std::string signature;     // hex
  std::string signed_headers;
};

// `headers` are those to sign, names in lower case; one name may come several times. `body_hash` is hex SHA-256 of the body.
AcsSignature acs3_sign(std::string_view method, std::string_view path, std::string_view query, NameValues headers,
                       std::string_view body_hash, std::string_view key_secret);

}  // namespace nudge::connectors
