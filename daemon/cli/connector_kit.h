// `nudge connector test`: tries a connector against a provider that misbehaves, the way nudged would run it; `nudge connector new` begins
// one.
#pragma once

#include <string>
#include <vector>

#include "daemon/cli/commands.h"

namespace nudge::cli {

struct ConnectorTestOptions {
  std::vector<std::string> command;  // a plugin (*.so), or a program and its arguments
  std::string config = "{}";         // JSON, or @FILE; {{provider}} becomes the address of the misbehaving provider
  std::string payload;               // JSON, or @FILE: of an action that the connector can deliver
  std::string channel = "webhook";
  std::string answer = "{}";  // what the provider says when all is well
  long timeout_ms = 6000;     // for one attempt
};
Exit test_connector(const Output& out, const ConnectorTestOptions& options);

// `nudge connector new`: a file to start from, in Python (a program) or C++ (a plugin), that passes the kit as it is.
struct ConnectorNewOptions {
  std::string name;  // of the kind: letters, digits and _
  std::string language = "python";
};
Exit new_connector(const Output& out, const ConnectorNewOptions& options);

}  // namespace nudge::cli
