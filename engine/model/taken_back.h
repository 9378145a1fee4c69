// An input of the log that is no fact: our own word to a customer that a firing is undone (engine/core/take_back.h). It ends what waits,
// and leaves nothing in the state. `Input::tag` says which firing. Its number is stored, like those of InputKind.
#pragma once

#include "engine/model/input.h"

namespace nudge {

inline constexpr auto kTakenBack = static_cast<InputKind>(4);

}  // namespace nudge
