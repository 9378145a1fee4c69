// Rules that somebody sends to have them tried or applied: read from the JSON of a request. Thread-safe: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/message.h"
#include "daemon/runtime/plan_store.h"

namespace nudge::daemon {

struct DraftRequest {
  PlanSources sources;            // whole: what was not sent is as it is in force
  std::string from, to;           // as sent; empty when absent
  std::vector<std::string> only;  // names of rules
  PlanNote note;                  // where the texts come from
};

// {"rules": [{"name", "text"}], "catalog": [{"name", "text"}], "overlay": bool, "from", "to", "only": [names]}.
// With `overlay` each file replaces the one of its name in force (or that its path ends in, or the only one with its last part), or is
// added; without it the files sent are all there are. Without `catalog` the one in force is kept. Error: invalid, naming the member.
Result<DraftRequest> read_draft_request(std::string_view body, PlanSources in_force);

// A refused set of rules as an answer: 422 with the diagnostics.
http::Response refused_response(const doc::Diagnostics& diagnostics, const std::string& error);

}  // namespace nudge::daemon
