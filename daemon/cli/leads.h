// Pools and leads on the command line.
#pragma once

#include "daemon/cli/admin_commands.h"

namespace nudge::cli {

// Adds `pools` and `lead …`.
void add_lead_commands(CLI::App& app, const AddOnline& ask);

}  // namespace nudge::cli
