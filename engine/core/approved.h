// Call tasks that waited for a yes: with it each is made as if its step were carried out at that instant. Pure; not thread-safe, as the desk.
#pragma once

#include "engine/core/desk.h"

namespace nudge {

// Whom the action is for, chosen and counted; it stays nobody's when nobody fits.
void give_out(const Plan& plan, Roster& roster, ActionOut& action);

// Gives each task that was just approved to somebody and adds it to the open ones; its times count from the decision. `decided` is changed
// to say whose it is. True when there was one: the roster is another.
bool make_approved(const Plan& plan, Desk& desk, std::vector<Request>& decided, WorkOut& out);

// How somebody is chosen for a task, with the values it goes by: what a stored action leaves out. Append only.
void encode_choice(Writer& out, const ActionOut& action);
bool decode_choice(Reader& in, ActionOut& action);

}  // namespace nudge
