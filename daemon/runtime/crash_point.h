// Places where the crash test ends the process, as kill -9 would. Set by the environment variable NUDGE_CRASH_AT, read once: `NAME` dies
// the first time that NAME is come by, `NAME*3` the third. Without it a place costs one comparison. Thread-safe.
#pragma once

#include <string_view>

namespace nudge::daemon {

bool crash_points_set();
void crash_point(std::string_view name);

}  // namespace nudge::daemon
