// What people set by hand: silences, stop-all, the suppression list, and what becomes of what the brake keeps.
#pragma once

#include "daemon/cli/commands.h"

namespace nudge::cli {

struct PolicyWords {
  std::string rule, channel, category, customer;  // what a silence matches
  std::string length, until;                      // how long
  std::string address, domain;                    // what is suppressed
  std::string word;                               // on or off, an id, a rule, a file
  std::string author, reason;
};

Exit policies(const Output& out, Client& client);
Exit silence_add(const Output& out, Client& client, const PolicyWords& words);
Exit silence_list(const Output& out, Client& client);
Exit silence_end(const Output& out, Client& client, const PolicyWords& words);
Exit stop_all(const Output& out, Client& client, const PolicyWords& words);
Exit suppress(const Output& out, Client& client, const PolicyWords& words, bool add);
Exit suppress_list(const Output& out, Client& client);
Exit suppress_import(const Output& out, Client& client, const PolicyWords& words);
// What is kept of a rule goes out, or never will.
Exit settle_kept(const Output& out, Client& client, const PolicyWords& words, bool release);

}  // namespace nudge::cli
