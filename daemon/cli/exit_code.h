// What `nudge` tells the shell. Stable: scripts branch on these.
#pragma once

namespace nudge::cli {

enum class Exit : int {
  ok = 0,
  failed = 1,       // it ran, and the answer is no: errors in rules, failing tests, an unknown customer
  usage = 2,        // the command line is wrong
  warnings = 3,     // `check --strict`: no errors, but warnings
  unreachable = 4,  // the daemon cannot be reached or does not answer
};

}  // namespace nudge::cli
