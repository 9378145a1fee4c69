// The words of the command line for what comes in: files, webhooks, quarantine. The frame around them is nudge_main.cpp.
#pragma once

#include "daemon/cli/admin_commands.h"

namespace nudge::cli {

// What the words fill in; must outlive the app.
struct DoorLine {
  ImportOptions import;
  WebhookTry webhook;
  std::string number, code, reason;
};
void add_door_commands(CLI::App& app, DoorLine& line, const AddOnline& ask, const AddOffline& offline);

}  // namespace nudge::cli
