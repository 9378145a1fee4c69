// One batch of the committer under way. Used by the committer's own files only; lives on its thread.
#pragma once

#include "daemon/runtime/committer.h"
#include "daemon/runtime/log_block.h"

namespace nudge::daemon {

struct Committer::Batch {
  std::vector<std::unique_ptr<Unit>> units;
  LogBlock block;
  std::string edges;
  WriteSet set;
  std::vector<ActionRecord> actions;  // that wait to be delivered
  News news;
  bool worked = false;  // tasks or approvals were touched, or their clocks
  std::vector<ActionRecord> held;  // that the rules are to hear of
  std::vector<std::function<void()>> after;
  bool desk_changed = false;
  bool synced = false;  // somebody waits for it
};

}  // namespace nudge::daemon
