// What the daemon and the system around it tell each other: readiness to systemd, and privileges that it gives up.
//
// Thread-safety: notify() from any thread; drop_privileges() once, before threads start.
#pragma once

#include <string_view>

#include "engine/base/status.h"

namespace nudge::daemon {

// Sends `state` ("READY=1") to the supervisor that $NOTIFY_SOCKET names (systemd's sd_notify protocol). Without one, and when it does not
// listen, nothing happens.
void notify(std::string_view state) noexcept;

// No capability of root remains, but the one to listen below port 1024 if it is there and `low_port` asks for it; and no program that is
// started gets more than this one has. Files that belong to this user stay in reach. Error: the kernel refused.
Result<void> drop_privileges(bool low_port);

}  // namespace nudge::daemon
