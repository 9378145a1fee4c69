// The registry gives segments and rules ids that stay the same for the life of a data directory, and remembers since when each definition
// has been active. Kept in the store; small. Not thread-safe.
#pragma once

#include <map>
#include <string>

#include "engine/plan/plan.h"

namespace nudge {

class Registry {
 public:
  // Gives the plan its sequence number, every segment its root id, activation instant and first plan (kept when an equal definition under
  // the same name was active in the previous plan; one that was away keeps its id and is activated anew), every rule its id and version. A
  // rule's id belongs to its name for good; its version goes up when its definition changes. It is activated when its name is new or was
  // away from the previous plan, and when its state rises (draft -> shadow -> active); an edit or a pause does not activate it anew. Rule::since_plan names the plan of that.
  void bind(Plan& plan, TimeMs now);

  std::uint64_t plan_sequence() const { return plan_sequence_; }
  void encode(std::string& out) const;
  static Result<Registry> decode(std::string_view bytes);
  friend bool operator==(const Registry&, const Registry&) = default;

 private:
  struct RootEntry {
    RootId id = 0;
    TimeMs activated = 0;
    std::uint64_t since_plan = 0;
    std::uint64_t last_plan = 0;
    friend bool operator==(const RootEntry&, const RootEntry&) = default;
  };
  struct RuleEntry {
    RuleId id = 0;
    Hash128 definition;
    std::uint64_t version = 0;
    TimeMs activated = 0;
    std::uint64_t last_plan = 0;
    RuleState state = RuleState::draft;
    std::uint64_t since_plan = 0;  // that activated it
    friend bool operator==(const RuleEntry&, const RuleEntry&) = default;
  };
  void bind_segments(Plan& plan, TimeMs now);
  void bind_rules(Plan& plan, TimeMs now);

  std::map<Hash128, RootEntry> roots_;
  std::map<std::string, RuleEntry> rules_;
  std::uint64_t plan_sequence_ = 0;
  RootId next_root_ = 1;
  RuleId next_rule_ = 1;
};

}  // namespace nudge
