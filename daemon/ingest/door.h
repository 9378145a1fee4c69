// What a door (daemon/doors) makes of a foreign message: documents as intake reads them, or the reason why it could make none.
#pragma once

#include <string>

#include "engine/model/convert.h"

namespace nudge::daemon {

struct DoorDocument {
  std::string json;     // one line; empty when there is a problem
  Problem problem;      // why no document could be made
  std::string message;  // what came in, as the quarantine keeps it: a replay opens it again, under the mapping of then
  // The time in it was computed from when the message came (clock correction): sent again, the first answer stands.
  bool computed_time = false;
};

}  // namespace nudge::daemon
