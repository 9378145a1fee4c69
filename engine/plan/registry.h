// The registry gives segments and rules ids that stay the same for the life of a data directory, and remembers since when each definition has
// been active. Kept in the store; small. Not thread-safe.
#pragma once

#include <map>
#include <string>

#include "engine/plan/plan.h"

namespace nudge {

class Registry {
 public:
  // Gives the plan its sequence number, every segment its root id, activation instant and first plan (kept when an equal definition under the same
  // name was active in the previous plan), every rule its id and version.
  void bind(Plan& plan, TimeMs now);

  std::uint64_t plan_sequence() const { return plan_sequence_; }
  void encode(std::string& out) const;
  static Result<Registry> decode(std::string_view bytes);

 private:
  struct RootEntry { RootId id; TimeMs activated; std::uint64_t since_plan; std::uint64_t last_plan; };
  struct RuleEntry { RuleId id; Hash128 definition; std::uint64_t version; TimeMs activated; std::uint64_t last_plan; };
  std::map<Hash128, RootEntry> roots_;
  std::map<std::string, RuleEntry> rules_;
  std::uint64_t plan_sequence_ = 0;
  RootId next_root_ = 1;
  RuleId next_rule_ = 1;
};

}  // namespace nudge
