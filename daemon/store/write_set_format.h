// How a WriteSet keeps its entries in memory. Private to the store; nothing of this is on disk.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nudge::daemon {

inline constexpr std::size_t kKeyBytes = 4096;
inline constexpr std::size_t kValueBytes = 64U << 20;

struct EntryHeader {
  std::uint8_t kind = 0;  // WriteSet::Kind
  std::uint8_t family = 0;
  std::uint16_t key_bytes = 0;
  std::uint32_t value_bytes = 0;
  std::uint32_t checksum = 0;  // of a block's payload
};

}  // namespace nudge::daemon
