#include "daemon/access/secrets.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <vector>

namespace nudge::access {
namespace {

constexpr std::size_t kPasswordMin = 12;
constexpr std::size_t kPasswordMax = 256;

// Those of the lists of leaked passwords that are long enough for us, and what people make of a demand for twelve characters.
constexpr std::array<std::string_view, 36> kTriedFirst{
    "123456789012",  "1234567890123",    "12345678901234", "123456789012345", "1234567890123456", "qwertyuiop12",
    "qwertyuiop123", "qwertyuiopas",     "qwertyuiop[]",   "1q2w3e4r5t6y",    "1qaz2wsx3edc",     "q1w2e3r4t5y6",
    "zxcvbnm12345",  "passwordpassword", "password1234",   "password12345",   "password123456",   "passw0rd1234",
    "p@ssw0rd1234",  "p@ssword1234",     "iloveyou1234",   "adminadminadmin", "administrator",    "administrator1",
    "admin1234567",  "letmein12345",     "welcome12345",   "changeme1234",    "changemechangeme", "abcdefghijkl",
    "abcd12345678",  "aaaaaaaaaaaa",     "111111111111",   "000000000000",    "qwerty123456",     "monkey123456"};

// Of a password that nobody has, so that an unknown account costs the same as a known one.
const std::string& nobodys_hash() {
  static const std::string hash = hash_password(random_text(32)).value_or(std::string());
  return hash;
}

}  // namespace

Result<void> init_secrets() {
  if (sodium_init() < 0) return fail(Code::internal, "libsodium could not be set up: the system gives no random numbers");
  return {};
}

std::string random_text(std::size_t bytes) {
  std::vector<unsigned char> raw(bytes);
  randombytes_buf(raw.data(), raw.size());
  std::string out(sodium_base64_encoded_len(bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING), '\0');
  sodium_bin2base64(out.data(), out.size(), raw.data(), raw.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  sodium_memzero(raw.data(), raw.size());
  while (!out.empty() && out.back() == '\0') out.pop_back();
  return out;
}

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  std::string out(digest.size() * 2 + 1, '\0');
  sodium_bin2hex(out.data(), out.size(), digest.data(), digest.size());
  out.pop_back();
  return out;
}

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<void> check_password(std::string_view password, std::string_view account) {
  if (password.size() < kPasswordMin)
    return fail(Code::invalid, "a password has at least 12 characters; several words in a row are easy to keep in mind");
  if (password.size() > kPasswordMax) return fail(Code::invalid, "a password has at most 256 bytes");
  std::string lower(password);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const bool one_letter = std::ranges::all_of(lower, [&](char c) { return c == lower.front(); });
  if (one_letter || std::ranges::find(kTriedFirst, lower) != kTriedFirst.end())
    return fail(Code::invalid, "this password is among those that are tried first; choose another");
  if (account.size() >= 4 && lower.find(account) != std::string::npos)
    return fail(Code::invalid, "the password contains the account's name; choose another");
  return {};
}

Result<std::string> hash_password(std::string_view password) {
  std::array<char, crypto_pwhash_STRBYTES> out{};
  if (crypto_pwhash_str_alg(out.data(), password.data(), password.size(), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                            crypto_pwhash_MEMLIMIT_INTERACTIVE, crypto_pwhash_ALG_ARGON2ID13) != 0)
    return fail(Code::unavailable, "there is no memory to hash a password (64 MiB); try again");
  return std::string(out.data());
}

bool verify_password(std::string_view hash, std::string_view password) {
  const std::string text(hash.empty() ? std::string_view(nobodys_hash()) : hash);
  if (text.empty() || text.size() >= crypto_pwhash_STRBYTES || password.size() > kPasswordMax) return false;
  const bool right = crypto_pwhash_str_verify(text.c_str(), password.data(), password.size()) == 0;
  return right && !hash.empty();
}

}  // namespace nudge::access
