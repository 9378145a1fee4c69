// The commands of `nudge`, one function each. They write to the terminal and answer what to tell the shell.
#pragma once

#include <string>
#include <vector>

#include "daemon/cli/client.h"
#include "daemon/cli/exit_code.h"
#include "daemon/cli/project.h"
#include "daemon/cli/terminal.h"

namespace nudge::cli {

struct Output {
  const Terminal& terminal;
  bool json = false;
};

// Says the error and answers the exit code that fits it.
Exit report(const Output& out, const Error& error);

// --- without a daemon
Exit check(const Output& out, const ProjectPaths& paths);

struct TestOptions {
  ProjectPaths paths;
  std::string pattern;  // part of a test's name or file; empty: all
  std::string junit;    // file to write; empty: none
  bool verbose = false;
};
Exit test(const Output& out, const TestOptions& options);

struct ReplayOptions {
  ProjectPaths paths;
  std::vector<std::string> data, mappings;  // files, and for each CSV file its mapping
  std::vector<std::string> at;              // instants for members and values
  bool live = false;                        // the rules fire as time goes by; else it is history that fires nothing
  bool digest = false;
  std::string decisions, edges, members, values;  // NDJSON files to write; empty: none
};
Exit replay(const Output& out, const ReplayOptions& options);
// RFC 3339 or a date (its first moment in UTC).
Result<TimeMs> read_instant(const std::string& text);

Exit explain_code(const Output& out, const std::string& code);

}  // namespace nudge::cli
