// Random secrets, their hashes, and passwords (libsodium). Functions are thread-safe once init() has returned.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/base/status.h"

namespace nudge::access {

// Once per process, before anything else here. Error: the system gives no randomness.
Result<void> init_secrets();
// `bytes` random bytes as unpadded base64url.
std::string random_text(std::size_t bytes);
// SHA-256 in lower-case hexadecimal. For secrets that are random themselves: those need no slow hash.
std::string sha256_hex(std::string_view text);
// Equal, in a time that depends on the lengths only.
bool same_secret(std::string_view a, std::string_view b);

// At least 12 and at most 256 bytes, not one of those tried first, not the account's own name. Error (invalid): says what is wrong.
Result<void> check_password(std::string_view password, std::string_view account);
// Argon2id with a salt of its own; takes about a tenth of a second and 64 MiB. Error: no memory.
Result<std::string> hash_password(std::string_view password);
// False for a wrong password and for a broken hash. An empty `hash` takes the same time and is false: nobody learns who has an account.
bool verify_password(std::string_view hash, std::string_view password);

}  // namespace nudge::access
