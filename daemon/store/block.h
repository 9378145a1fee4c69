// The frame around one block of the log: what tells an intact block from a damaged, foreign or misplaced one. Layout in docs/storage.md.
// Pure functions, no shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/status.h"

namespace nudge::daemon {

inline constexpr std::size_t kBlockHeaderBytes = 36;
// 1: the payload as it is. 2: compressed (zstd); what does not get smaller stays version 1.
inline constexpr std::uint8_t kBlockVersion = 2;

struct Block {
  std::uint64_t sequence = 0;
  std::uint64_t previous = 0;  // sequence of the block that was appended before this one; 0 for the first
  bool compressed = false;
  std::string_view payload;  // a view into the stored value, as it is there
};

// The payload compressed into `out`, or as it is when that is not worth it (false).
bool compress_payload(std::string_view payload, std::string& out);
// What the block says; a view into the stored value, or into `room`. Error: corrupt.
Result<std::string_view> block_content(const Block& block, std::string& room);

// The header for a payload, as it is stored, whose crc32c is `payload_checksum`.
std::string block_header(std::uint64_t sequence, std::uint64_t previous, bool compressed, std::size_t payload_bytes,
                         std::uint32_t payload_checksum);

// Checks every byte of a stored value that was found under `sequence`. Errors: corrupt (damaged; says where and how to mend),
// invalid (written by a newer version).
Result<Block> open_block(std::uint64_t sequence, std::string_view stored);

}  // namespace nudge::daemon
