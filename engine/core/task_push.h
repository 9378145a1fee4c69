// A call task as it is shown in another system (a CRM), when its action names a connector: one action of the kind `crm` for each change,
// which says the whole task as it is then. Pure.
#pragma once

#include <cstdint>

#include "engine/core/work.h"

namespace nudge {

inline constexpr std::string_view kTaskPush = "crm";  // kind and channel

// True when the task is to be shown elsewhere.
inline bool is_pushed(const Task& task) { return !task.action.connector.empty(); }
// The action that says it, at `now`. `number` is the action's own: it makes the id, so that no two changes have the same.
ActionOut task_push(const Task& task, std::uint64_t number, TimeMs now);

}  // namespace nudge
