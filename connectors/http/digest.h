// Hashes and encodings that signatures are made of. Thread-safe, no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nudge::connectors {

std::string hex(std::string_view bytes);                     // lower case
std::string base64(std::string_view bytes);                  // RFC 4648, padded
std::optional<std::string> unbase64(std::string_view text);  // standard or URL alphabet, padding optional; nothing when malformed
std::string sha256(std::string_view bytes);                  // 32 raw bytes
std::string hmac_sha256(std::string_view key, std::string_view bytes);  // 32 raw bytes
std::string hmac_sha1(std::string_view key, std::string_view bytes);    // 20 raw bytes; for providers that sign their callbacks so
// Takes the same time wherever they differ. For signatures and keys.
bool same_bytes(std::string_view a, std::string_view b);
// Percent-encoding of RFC 3986: unreserved characters stay, a space is %20.
std::string percent_encode(std::string_view text);

}  // namespace nudge::connectors
