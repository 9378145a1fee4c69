// Speaks the protocol of connectors/PROTOCOL.md for one plugin, on standard input and output. Used by nudge-connector only.
#pragma once

#include <memory>
#include <string>

namespace nudge::connectors {

// Serves until `stop` or the end of input. Returns the process's exit code. Standard output is taken over: what the plugin
// prints there goes to standard error instead and can't disturb the protocol.
int serve_plugin(const std::string& plugin_path);

}  // namespace nudge::connectors
