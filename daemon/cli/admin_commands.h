// The words of the command line for an admin: tokens, accounts, audit, backups, doctor. The frame around them is nudge_main.cpp.
#pragma once

#include <functional>
#include <string>

#include "daemon/cli/commands.h"

namespace CLI {
class App;
}

namespace nudge::cli {

// What the words fill in; must outlive the app.
struct AdminLine {
  AccessOptions access;
  BackupCommand backup;
  DoctorCommand doctor;
  StreamOptions stream;
  EraseCommand erase;
  std::string word;
  TraceCommand trace;
  WorkOptions work;
  std::string team;
  ApprovalOptions approval;
};
// Adds a command that needs the daemon, or one that does not, to `parent`.
using AddOnline = std::function<CLI::App*(CLI::App& parent, const std::string& name, const std::string& what,
                                          std::function<Exit(const Output&, Client&)>)>;
using AddOffline =
    std::function<CLI::App*(CLI::App& parent, const std::string& name, const std::string& what, std::function<Exit(const Output&)>)>;

// `door`: where the daemon is.
void add_admin_commands(CLI::App& app, AdminLine& line, const Door& door, const AddOnline& ask, const AddOffline& offline);

// What the shell is told. `callback` answers mail systems in their own numbers: 75 makes them keep the mail and try again.
int shell_code(const CLI::App& app, Exit exit);

}  // namespace nudge::cli
