#include "engine/core/approved.h"

#include "engine/core/worktime.h"

namespace nudge {

void give_out(const Plan& plan, Roster& roster, ActionOut& action) {
  if (plan.find_team(action.assignment.team) == nullptr) return;
  Bid bid;
  bid.assignment = &action.assignment;
  bid.values = &action.customer_values;
  bid.rule = action.rule;
  bid.last_owner = action.last_owner;
  bid.last_owned = action.last_owned;
  bid.at = action.at;
  bid.units = action.terms.units;
  Choice choice = roster.choose(plan, bid);
  action.why = std::move(choice.why);
  if (choice.member == nullptr) return;  // waits, or lies in the team's pool
  action.owner = choice.member->id;
  action.owner_name = choice.member->name;
  action.assignment.team = std::move(choice.team);
  if (action.kind == "call_task") roster.given(plan, action.owner, action.terms.units, action.at);
}

bool make_approved(const Plan& plan, Desk& desk, std::vector<Request>& decided, WorkOut& out) {
  bool any = false;
  for (Request& request : decided) {
    if (!request.sent || request.action.kind != "call_task") continue;
    ActionOut& action = request.action;
    action.at = request.decided_at;
    if (action.terms.due_in > 0) {
      const Team* team = action.terms.due_working ? plan.find_team(action.assignment.team) : nullptr;
      action.due = team != nullptr ? after_work(plan, team->hours, action.at, action.terms.due_in) : action.at + action.terms.due_in;
    }
    if (action.assigns) give_out(plan, desk.roster(), action);
    desk.work().add(plan, action, request.number, action.at, out);
    any = true;
  }
  return any;
}

}  // namespace nudge
