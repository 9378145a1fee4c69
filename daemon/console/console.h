// Serves the console under /console/: files that nudged carries inside, under a content security policy that lets no foreign script, style
// or address in. The pages themselves talk to the HTTP interface like any other client.
//
// Thread-safety: install() once, before the server starts.
#pragma once

#include "daemon/http/http_server.h"
#include "engine/base/status.h"

namespace nudge::console {

// Adds the routes of the console: /, /console, /console/ and /console/{rest...}.
Result<void> install(http::HttpServer& server);

}  // namespace nudge::console
