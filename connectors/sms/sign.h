// The request signatures of Aliyun (version 3, ACS3-HMAC-SHA256) and Tencent Cloud (TC3-HMAC-SHA256). Pure functions.
#pragma once

#include <cstdint>
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

struct Tc3Signature {
  std::string request_hash;   // hex SHA-256 of the canonical request
  std::string signature;      // hex
  std::string authorization;  // the whole header's value
};

// A POST to / of `service`. `headers` are those to sign, names in lower case and sorted (at least content-type and host).
Tc3Signature tc3_sign(std::string_view service, const NameValues& headers, std::int64_t timestamp_s, std::string_view body,
                      std::string_view secret_id, std::string_view secret_key);

}  // namespace nudge::connectors
