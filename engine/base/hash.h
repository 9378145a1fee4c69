// Stable hashes: the same bytes give the same value on every machine and in every version, because they are stored and agreed on with
// peers.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace nudge {

// Kafka's default partitioner (murmur2, seed 0x9747b28c). `slot_of` maps a customer onto one of the 256 slots as Kafka maps a key onto
// partitions.
std::uint32_t murmur2(std::string_view key);
inline constexpr std::uint32_t kSlots = 256;
inline std::uint8_t slot_of(std::string_view customer) { return static_cast<std::uint8_t>((murmur2(customer) & 0x7fffffffU) % kSlots); }

// FNV-1a folded through a 64-bit finaliser; for tables and stable keys, not against an adversary.
std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0);

// 128 bits (MurmurHash3 x64 128); names actions and definitions.
struct Hash128 {
  std::uint64_t hi = 0, lo = 0;
  friend auto operator<=>(const Hash128&, const Hash128&) = default;
};
Hash128 hash128(std::string_view bytes, std::uint32_t seed = 0);
// 32 lower-case hexadecimal digits.
std::string to_hex(Hash128 h);

}  // namespace nudge
