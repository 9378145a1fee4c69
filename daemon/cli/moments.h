// Instants as people read them: in the time zone of the terminal, near ones by their distance.
#pragma once

#include <string>

#include "daemon/cli/json.h"
#include "engine/base/time.h"

namespace nudge::cli {

// An RFC 3339 member; kAlways when absent.
TimeMs instant_of(const Json& json);
// "2026-02-01 09:00" in the terminal's time zone (TZ); empty when absent. Seconds only when there are any.
std::string moment(const Json& json);
std::string moment(TimeMs at);
// "3 min ago", "2 days"; with `word`, " ago" is added.
std::string ago(TimeMs at, TimeMs now, bool word = true);

}  // namespace nudge::cli
