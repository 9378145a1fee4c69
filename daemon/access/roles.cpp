#include "daemon/access/roles.h"

#include <algorithm>

namespace nudge::access {

Result<Roles> parse_roles(const std::vector<std::string>& names) {
  Roles roles = 0;
  for (const std::string& name : names) {
    const auto found = std::ranges::find(kRoleNames, name, &RoleName::name);
    if (found == kRoleNames.end())
      return fail(Code::invalid,
                  "'" + name.substr(0, 40) + "' is no role; there are ingest, viewer, salesperson, manager, author, operator and admin");
    roles |= found->role;
  }
  if (roles == 0)
    return fail(Code::invalid, "at least one role is needed: ingest, viewer, salesperson, manager, author, operator or admin");
  return roles;
}

std::vector<std::string_view> role_names(Roles roles) {
  std::vector<std::string_view> out;
  for (const RoleName& entry : kRoleNames)
    if ((roles & entry.role) != 0) out.push_back(entry.name);
  return out;
}

}  // namespace nudge::access
