// Which resolved addresses an outgoing connection may go to. Judged at connect time on the address itself, so neither a name
// that resolves to a private address, nor an odd spelling of one, nor a name that changes its mind gets through.
#pragma once

struct sockaddr;

namespace nudge::connectors {

// False for loopback, private, link-local, shared (100.64/10), multicast, reserved and documentation ranges, IPv4 and IPv6,
// also when an IPv4 address is wrapped in an IPv6 one (mapped, 6to4, NAT64). False for any other family.
bool is_public_address(const sockaddr* address);

}  // namespace nudge::connectors
