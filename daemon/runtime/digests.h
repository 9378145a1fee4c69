// Digests in the daemon: what is kept of the groups and of the hits that wait in them. Gathering is the desk's (engine/core/digests.h).
// Functions over the store; thread-safe as it is.
#pragma once

#include "daemon/runtime/unit.h"
#include "engine/core/digests.h"

namespace nudge::daemon {

void book_digests(WriteSet& set, const DigestOut& out);
// Reads the groups and what waits in them into the desk, at the start.
Result<void> load_digests(const Store& store, Desk& desk);
// The hit with this number is in no message.
void erase_digest_part(WriteSet& set, std::uint64_t number);

}  // namespace nudge::daemon
