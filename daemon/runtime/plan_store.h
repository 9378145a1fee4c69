// The plans of a data directory: their texts by sequence number, so that whatever was decided can be decided again (recovery, replay,
// explain).
//
// Thread-safety: one owner at a time (start-up, then the reload, one after the other). Ownership: refers to the Store.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/runtime/versions.h"
#include "daemon/store/store.h"
#include "engine/plan/registry.h"
#include "rules/lang/load.h"

namespace nudge::daemon {

// The texts of a catalog and rules, as read from their directories.
struct PlanSources {
  std::vector<lang::Source> catalog;
  std::vector<lang::Source> rules;
  std::string timezone = "UTC";
  std::vector<std::string> connectors;  // that are configured; rules that name another are refused
};

// Compiled, not bound yet.
struct CompiledPlan {
  std::unique_ptr<Plan> plan;  // null: see diagnostics
  doc::Diagnostics diagnostics;
  std::string error;  // what is wrong apart from the diagnostics (a changed type of a stored attribute)
};

// Compiles against the ids of `stored` (null: the first plan of a data directory).
CompiledPlan compile_plan(const PlanSources& sources, const Catalog* stored);

struct BoundPlan {
  std::shared_ptr<const Plan> plan;
  PlanSources sources;
};

class PlanStore {
 public:
  explicit PlanStore(Store& store) : store_(store) {}

  // Reads the registry. Before anything else.
  Result<void> load();
  // 0: none yet.
  std::uint64_t current() const { return registry_.plan_sequence(); }
  // The plan with this sequence number, as it was bound then; compiled again and remembered.
  Result<BoundPlan> plan(std::uint64_t sequence);

  // Binds a compiled plan at `now` and puts it, its texts and the registry into `set`. Once `set` is committed, call accept().
  // `note` says who did it and why.
  std::shared_ptr<const Plan> bind(std::unique_ptr<Plan> plan, const PlanSources& sources, TimeMs now, const PlanNote& note, WriteSet& set);
  void accept();
  // As of the plan in force.
  const Registry& registry() const { return registry_; }

 private:
  Store& store_;
  Registry registry_, next_;
  std::map<std::uint64_t, BoundPlan> plans_;
  BoundPlan bound_;
};

}  // namespace nudge::daemon
