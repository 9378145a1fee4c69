// What `nudged --dry-run` looks at. Blocks: connectors are started to be asked. Opens no data directory and listens nowhere.
#pragma once

#include <string>

#include "daemon/config/config.h"
#include "daemon/http/http_server.h"

namespace nudge::daemon {

// Everything that would be wrong at a start, and what the connectors say to their settings; all of it at once. The text is for people.
Result<std::string> check_setup(const config::Loaded& loaded, const http::Options& http);

}  // namespace nudge::daemon
