// Pools, leads and opportunities on the command line.
#pragma once

#include "daemon/cli/admin_commands.h"

namespace nudge::cli {

// Adds `pools`, `lead …` and `note`.
void add_lead_commands(CLI::App& app, const AddOnline& ask);
// Adds `opportunity …` and `funnel`.
void add_deal_commands(CLI::App& app, const AddOnline& ask);

}  // namespace nudge::cli
