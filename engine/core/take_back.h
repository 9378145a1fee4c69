// A firing that the desk took back (the rule's at_most was used up) has left something with its customer: steps that wait, a goal that is
// watched, contacts that caps count. The customer is told by an input of the log, and forgets it. Pure functions.
#pragma once

#include <optional>

#include "engine/core/effects.h"
#include "engine/model/customer.h"
#include "engine/model/taken_back.h"
#include "engine/plan/plan.h"

namespace nudge {

// The firing, whichever of its decisions or actions names it.
Hash128 firing_id(RuleId rule, std::string_view customer, const Cause& cause);

// True when a firing of the rule leaves something that has to be taken back.
bool leaves_something(const Plan& plan, const Rule& rule);
// True for a decision by which the desk took a firing back that left something.
bool is_to_be_told(const Plan& plan, const Decision& decision);

// The input that tells the customer. `taken_back`: the decision on the firing itself.
Input taken_back_input(const Decision& taken_back);
// The decision that such an input speaks of; nothing when it is damaged.
std::optional<Decision> taken_back_by(const Input& input);

// Ends the runs of the firing, and forgets its contacts.
void take_back(const Plan& plan, CustomerState& state, const Input& input);

}  // namespace nudge
