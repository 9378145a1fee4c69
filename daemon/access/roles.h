// Roles, and the shape of the table that says which role may use which route.
// Constants and pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/message.h"
#include "engine/base/status.h"

namespace nudge::access {

// A set of roles, one bit each. Roles do not contain each other: whoever has several may do what any of them may.
using Roles = std::uint32_t;
inline constexpr Roles kIngest = 1;       // sends events and attributes, reads nothing
inline constexpr Roles kViewer = 2;       // reads rules and figures, nothing of a single customer
inline constexpr Roles kSalesperson = 4;  // reads customers and works on tasks
inline constexpr Roles kManager = 8;      // what salespeople do, for all of them
inline constexpr Roles kAuthor = 16;      // tries rules and puts them into force
inline constexpr Roles kOperator = 32;    // runs it: quarantine, dead letters, brakes, imports
inline constexpr Roles kAdmin = 64;       // everything, and alone: tokens, people, audit, backup
inline constexpr Roles kEveryRole = 127;
inline constexpr Roles kAnybody = 1U << 31;  // in the table only: no credentials needed
// In the table only, beside kAnybody: the route asks for a key itself, and itself says from which other sites a browser may send.
inline constexpr Roles kOwnKey = 1U << 30;

struct RoleName {
  Roles role;
  std::string_view name;
};
inline constexpr std::array<RoleName, 7> kRoleNames{{{kIngest, "ingest"},
                                                     {kViewer, "viewer"},
                                                     {kSalesperson, "salesperson"},
                                                     {kManager, "manager"},
                                                     {kAuthor, "author"},
                                                     {kOperator, "operator"},
                                                     {kAdmin, "admin"}}};

// The set of these names. Error (invalid): names the one that is no role; at least one is needed.
Result<Roles> parse_roles(const std::vector<std::string>& names);
std::vector<std::string_view> role_names(Roles roles);

// One row of the table of routes.
struct RouteAccess {
  http::Method method;
  std::string_view pattern;
  Roles roles;              // any of these may; an admin may everything that is not kAnybody
  std::string_view action;  // what the audit log calls it; empty: changes nothing that a person answers for
  Roles personal = 0;       // any of these may ask for personal data as it is (?personal=full); 0: the route has none, or never shows it
};

}  // namespace nudge::access
