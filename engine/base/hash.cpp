#include "engine/base/hash.h"

namespace nudge {
namespace {

std::uint64_t load(const char* p, std::size_t n) {
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < n; ++i) v |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(p[i])) << (8 * i);
  return v;
}

std::uint64_t rotate(std::uint64_t x, int r) { return (x << r) | (x >> (64 - r)); }

std::uint64_t finalise(std::uint64_t k) {
  k ^= k >> 33;
  k *= 0xff51afd7ed558ccdULL;
  k ^= k >> 33;
  k *= 0xc4ceb9fe1a85ec53ULL;
  k ^= k >> 33;
  return k;
}

}  // namespace

std::uint32_t murmur2(std::string_view key) {
  constexpr std::uint32_t kMul = 0x5bd1e995;
  std::uint32_t h = 0x9747b28cU ^ static_cast<std::uint32_t>(key.size());
  const char* p = key.data();
  std::size_t left = key.size();
  for (; left >= 4; left -= 4, p += 4) {
    auto k = static_cast<std::uint32_t>(load(p, 4));
    k *= kMul;
    k ^= k >> 24;
    k *= kMul;
    h *= kMul;
    h ^= k;
  }
  if (left > 0) {
    h ^= static_cast<std::uint32_t>(load(p, left));
    h *= kMul;
  }
  h ^= h >> 13;
  h *= kMul;
  h ^= h >> 15;
  return h;
}

std::uint64_t hash64(std::string_view bytes, std::uint64_t seed) {
  std::uint64_t h = 0xcbf29ce484222325ULL ^ finalise(seed);
  for (const char c : bytes) {
    h ^= static_cast<std::uint8_t>(c);
    h *= 0x100000001b3ULL;
  }
  return finalise(h);
}

Hash128 hash128(std::string_view bytes, std::uint32_t seed) {
  constexpr std::uint64_t kMul1 = 0x87c37b91114253d5ULL;
  constexpr std::uint64_t kMul2 = 0x4cf5ad432745937fULL;
  std::uint64_t h1 = seed;
  std::uint64_t h2 = seed;
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 16; left -= 16, p += 16) {
    h1 ^= rotate(load(p, 8) * kMul1, 31) * kMul2;
    h1 = (rotate(h1, 27) + h2) * 5 + 0x52dce729;
    h2 ^= rotate(load(p + 8, 8) * kMul2, 33) * kMul1;
    h2 = (rotate(h2, 31) + h1) * 5 + 0x38495ab5;
  }
  if (left > 8) h2 ^= rotate(load(p + 8, left - 8) * kMul2, 33) * kMul1;
  if (left > 0) h1 ^= rotate(load(p, left < 8 ? left : 8) * kMul1, 31) * kMul2;
  h1 ^= bytes.size();
  h2 ^= bytes.size();
  h1 += h2;
  h2 += h1;
  h1 = finalise(h1);
  h2 = finalise(h2);
  h1 += h2;
  h2 += h1;
  return {h1, h2};
}

std::string to_hex(Hash128 h) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out(32, '0');
  for (std::size_t i = 0; i < 16; ++i) {
    out[15 - i] = kDigits[(h.hi >> (4 * i)) & 0xf];
    out[31 - i] = kDigits[(h.lo >> (4 * i)) & 0xf];
  }
  return out;
}

}  // namespace nudge
