#include "connectors/http/address_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace nudge::connectors {

namespace {

struct Range4 {
  std::uint32_t base;
  int bits;
};

// IANA's special-purpose registry: everything that is not globally reachable.
constexpr std::array<Range4, 16> kNotPublic4{{{0x00000000, 8},
                                              {0x0A000000, 8},
                                              {0x64400000, 10},
                                              {0x7F000000, 8},
                                              {0xA9FE0000, 16},
                                              {0xAC100000, 12},
                                              {0xC0000000, 24},
                                              {0xC0000200, 24},
                                              {0xC0586300, 24},
                                              {0xC0A80000, 16},
                                              {0xC6120000, 15},
                                              {0xC6336400, 24},
                                              {0xCB007100, 24},
                                              {0xE0000000, 4},
                                              {0xF0000000, 4},
                                              {0xFFFFFFFF, 32}}};

bool is_public4(std::uint32_t address) {
  for (const Range4& range : kNotPublic4)
    if ((address ^ range.base) >> (32 - range.bits) == 0) return false;
  return true;
}

std::uint32_t word(const std::array<std::uint8_t, 16>& bytes, std::size_t at) {
  return static_cast<std::uint32_t>(bytes[at]) << 24 | static_cast<std::uint32_t>(bytes[at + 1]) << 16 |
         static_cast<std::uint32_t>(bytes[at + 2]) << 8 | bytes[at + 3];
}

bool is_public6(const std::array<std::uint8_t, 16>& bytes) {
  const std::uint32_t first = word(bytes, 0);
  const bool zeros = first == 0 && word(bytes, 4) == 0;
  if (zeros && (word(bytes, 8) == 0x0000FFFF || word(bytes, 8) == 0))
    return word(bytes, 8) != 0 && is_public4(word(bytes, 12));                                                // mapped; ::/96 never
  if (first == 0x0064FF9B) return word(bytes, 4) == 0 && word(bytes, 8) == 0 && is_public4(word(bytes, 12));  // NAT64
  if (first >> 16 == 0x2002) return is_public4(first << 16 | word(bytes, 4) >> 16);                           // 6to4
  if (first == 0x20010DB8 || first >> 9 == 0x20010000 >> 9) return false;  // documentation; 2001::/23 protocol assignments (Teredo)
  return first >> 29 == 1;                                                 // 2000::/3 is all that is given out for the public net
}

}  // namespace

bool is_public_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    return is_public4(ntohl(v4.sin_addr.s_addr));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return is_public6(bytes);
  }
  return false;
}

}  // namespace nudge::connectors
