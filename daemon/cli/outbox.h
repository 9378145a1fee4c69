// The words about messages on their way out: lists, dead letters, and what a person says about one action or many.
#pragma once

#include <functional>
#include <string>

#include "daemon/cli/commands.h"

namespace CLI {
class App;
}

namespace nudge::cli {

// What the words fill in; must outlive the app.
struct OutboxLine {
  ActionOptions which;
  std::string id;         // of one action; empty: all that `which` chooses
  std::string to;         // mend: the right address
  std::string connector;  // restart
  std::string author, reason;
  bool all = false;  // without a filter
  bool yes = false;  // without a question
};
using AddDaemonWord = std::function<CLI::App*(CLI::App& parent, const std::string& name, const std::string& what,
                                              std::function<Exit(const Output&, Client&)>)>;
void add_outbox_commands(CLI::App& app, OutboxLine& line, const AddDaemonWord& ask);

}  // namespace nudge::cli
