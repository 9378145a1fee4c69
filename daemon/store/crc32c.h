// CRC-32C (Castagnoli), as in iSCSI and ext4: the checksum of everything that the store frames itself.
#pragma once

#include <cstdint>
#include <string_view>

namespace nudge::daemon {

// Uses the processor's own instruction where it has one; the value is the same either way.
std::uint32_t crc32c(std::string_view bytes);
// The table version, so that a test can compare the two.
std::uint32_t crc32c_portable(std::string_view bytes);

}  // namespace nudge::daemon
