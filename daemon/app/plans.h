// Changes of the rules that are looked at before they are made: what differs, what happens to state, how many customers and actions it
// concerns at once. The last plans are kept in memory until one of them is applied.
// Thread-safety: every function from any thread; make() and apply() block. Ownership: refers to the Runtime.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "daemon/app/draft_request.h"
#include "daemon/runtime/runtime.h"

namespace nudge::daemon {

struct ApplyRequest {
  bool yes = false;               // a person has seen the numbers
  std::uint64_t max_actions = 0;  // without `yes`: at most so many actions at once
  std::string author, comment;
  std::string only_if;  // an If-Match: of what was shown of the version that must still be in force
};
// The state of everything that is as the rules in force say (Response::state).
std::string state_of(const Plan& plan);

class Plans {
 public:
  static constexpr std::size_t kKept = 16;
  Plans(Runtime& runtime, unsigned threads) : runtime_(runtime), threads_(threads) {}

  // Compares and counts; the answer is that of POST /v1/plans: 200 with a plan, 422 for mistakes.
  http::Response make(DraftRequest draft);
  http::Response show(const std::string& id);
  // 412 when `only_if` names another version, 409 `moved` when the rules have changed since the plan was made, 409 `needs_yes` above the limit.
  http::Response apply(const std::string& id, const ApplyRequest& request);

 private:
  struct Kept {
    PlanSources sources;
    PlanNote note;
    std::uint64_t base = 0;
    std::uint64_t actions = 0;
    std::string json;
  };
  Runtime& runtime_;
  const unsigned threads_;
  std::mutex mutex_;
  std::map<std::uint64_t, Kept> plans_;
  std::uint64_t last_ = 0;
};

}  // namespace nudge::daemon
