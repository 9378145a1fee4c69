// What of sales work a request may see and do: by who asks, the teams they are in and those they manage. Plain value.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "daemon/access/gate.h"
#include "daemon/http/http_server.h"
#include "engine/core/work.h"

namespace nudge::daemon {

// Who asks, as far as sales work goes. A salesperson sees their own and what lies in their teams' pools, a manager their teams'; whoever runs
// nudge, and a token (a program), sees all.
struct Viewer {
  std::string person;  // the name they logged in with, which is a member's id; empty: not a person
  bool all = true;
  bool manages = false;  // may act on others' tasks of their teams
  std::vector<std::string> member_of, manager_of;

  bool in(const std::vector<std::string>& teams, const std::string& team) const { return std::ranges::find(teams, team) != teams.end(); }
  bool sees(const Task& task) const {
    const ActionOut& a = task.action;
    if (all || a.owner == person || in(manager_of, a.assignment.team)) return true;
    return a.owner.empty() && (in(member_of, a.assignment.team) || a.assignment.team.empty());
  }
  // May see the lead: their own, what lies in a pool that they may claim from, and what their teams have.
  bool sees(const Plan& plan, const std::string& pool_name, const std::string& owner) const {
    if (all || (!owner.empty() && owner == person) || leads(plan, pool_name, owner)) return true;
    const Pool* pool = plan.find_pool(pool_name);
    return owner.empty() && pool != nullptr && (pool->everybody || in(member_of, pool->team));
  }
  // Is the manager of the pool's team, or of whoever has the lead.
  bool leads(const Plan& plan, const std::string& pool_name, const std::string& owner) const {
    if (!manages) return false;
    const Pool* pool = plan.find_pool(pool_name);
    if (pool != nullptr && in(manager_of, pool->team)) return true;
    return !owner.empty() && std::ranges::any_of(plan.teams, [&](const Team& t) { return in(manager_of, t.name) && t.find(owner) != nullptr; });
  }
  bool commands(const Task& task) const { return all || (manages && in(manager_of, task.action.assignment.team)); }
};

inline Viewer viewer_of(const http::Request& request, const Plan& plan) {
  Viewer viewer;
  if (!request.actor.starts_with("user:")) return viewer;
  viewer.person = request.actor.substr(5);
  viewer.all = (request.roles & (access::kOperator | access::kAdmin)) != 0;
  viewer.manages = (request.roles & access::kManager) != 0;
  for (const Team& team : plan.teams) {
    if (team.find(viewer.person) != nullptr) viewer.member_of.push_back(team.name);
    if (viewer.manages && team.manager == viewer.person) viewer.manager_of.push_back(team.name);
  }
  return viewer;
}

}  // namespace nudge::daemon
