// Texts in order, faster: of two texts the one whose leading bytes are the smaller number comes first; only texts with the same number have
// to be looked at themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace nudge {

// The first eight bytes as a number, highest first; a shorter text as if zeros followed.
inline std::uint64_t leading_bytes(std::string_view text) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof number; ++i) number = number << 8U | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0U);
  return number;
}

}  // namespace nudge
