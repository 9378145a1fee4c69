// The desk decides what needs knowledge across customers: who gets a task, and whether a rule has used up its at_most. It works in the
// order of the log, so a replay gives the same choices. One per data directory; not thread-safe; its state is small and stored with every
// change.
#pragma once

#include <map>
#include <string>

#include "engine/core/effects.h"

namespace nudge {

class Desk {
 public:
  // Goes through the effects of one step in order: gives tasks their owners, and takes back firings above a rule's at_most (the decision
  // becomes held, its actions are removed). True when the desk's state changed.
  bool settle(const Plan& plan, Effects& effects);

  // Open tasks per member, for least_loaded. The runtime reports tasks that were closed or moved.
  void task_opened(const std::string& owner) { ++load_[owner]; }
  void task_closed(const std::string& owner);

  void encode(std::string& out) const;
  static Result<Desk> decode(std::string_view bytes);

 private:
  struct Window {
    TimeMs start = kAlways;
    std::uint64_t count = 0;
  };
  void assign(const Plan& plan, ActionOut& action);
  std::map<std::string, std::string> last_;    // team + rule -> id of the member who got the last one
  std::map<std::string, std::uint64_t> load_;  // member id -> open tasks
  std::map<RuleId, Window> fired_;             // at_most windows
};

// True when the member fits the filter. `values` are the customer's, for right sides that name an attribute. `now` gives tenure_days.
bool member_fits(const MemberFilter& filter, const Member& member, const std::vector<std::pair<AttributeId, Value>>& values, TimeMs now);

}  // namespace nudge
