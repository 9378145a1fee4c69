// The connectors of connectors/examples, compiled in.
#pragma once

#include <string_view>

namespace nudge::cli {

extern const std::string_view kPythonConnector;  // a program that speaks the protocol
extern const std::string_view kCppConnector;     // a plugin

}  // namespace nudge::cli
