// A draft of rules tried on the past, beside the rules that are live: what would have fired from one instant to another.
//
// prepare_backtest() narrows both plans to the rules in question; each BacktestWorker runs customers, one after the other, over the facts
// of their states; finish_backtest() (backtest_report.h) puts the parts together. Both versions are switched on at `from`: who is in a
// segment then is seeded, as at any activation, and what happened before is history. Facts are taken as arrived at their own time, in
// order: that is exact for facts that came in when they happened, and what a late one would have done is told as if it had not been late.
//
// Pure: no clock, no I/O. A setup is immutable and shared by workers; a worker belongs to one thread. Memory: some 50 bytes per decision,
// action and edge, nothing per event.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/core/engine.h"
#include "engine/core/evaluate.h"
#include "engine/core/past.h"

namespace nudge {

struct BacktestOptions {
  TimeMs from = 0;  // included
  TimeMs to = 0;    // excluded
  TimeMs now = 0;   // what `keep` has deleted up to here is told; 0: nothing is deleted
};

// How a definition of the draft stands to the live one of the same name.
enum class Change : std::uint8_t { same, added, changed, removed };
std::string_view change_name(Change c);

struct BacktestSetup {
  BacktestOptions options;
  std::shared_ptr<const Plan> draft;  // narrowed and bound
  std::shared_ptr<const Plan> live;   // the same; null: nothing to compare with
  struct Named {
    std::string name;
    Change change = Change::same;
    std::string draft_state, live_state;  // of a rule: as it was written
  };
  std::vector<Named> rules, segments;  // those that are reported, by name
  std::vector<Faded> not_whole;        // what the rules would have to see of the past and may not
};

// The rules named by `only`; when it is empty, those that differ from `live`; when none does, all. Rules of the draft are run as active
// ones, whatever state they are in; of the live ones, those in shadow too. Error: a name that is in neither, or `from` not before `to`.
// The live plan's catalog must be the draft's or an earlier one of it (Catalog::continue_from).
Result<BacktestSetup> prepare_backtest(const Plan& draft, const Plan* live, const std::vector<std::string>& only, BacktestOptions options);

// What one side did with some customers. Customers are indexes into BacktestPart::customers, rules and segments into the side's plan.
struct BacktestTally {
  struct Decided {
    TimeMs at;
    std::uint64_t cause;      // a fingerprint: what made the rule fire
    TimeMs goal_at = kNever;  // the first row after `at` that meets the goal in its time; kNever: none
    Decimal goal_value;
    std::uint32_t customer, rule, step;
    bool fired;
    Held held;
    std::uint32_t serial = 0;  // the order within a customer; given by finish_backtest
  };
  struct Acted {
    TimeMs at;
    std::uint64_t cause;
    std::uint32_t customer, rule, step;
    std::uint32_t kind;            // index into kinds
    std::uint32_t assign = kNone;  // index into assigned
    std::uint32_t serial = 0;
  };
  struct Moved {
    TimeMs at;
    std::uint32_t customer, segment;
    bool entered, silent;
  };
  std::vector<Decided> decided;
  std::vector<Acted> acted;
  std::vector<Moved> moved;
  std::vector<std::string> kinds;
  std::vector<ActionOut> assigned;  // without their content: what the desk needs to give them to somebody
};

struct BacktestPart {
  std::vector<std::string> customers;  // those that something happened to
  BacktestTally draft, live;
  std::uint64_t heard = 0;   // customers known before `to`
  std::uint64_t events = 0;  // rows in [from, to)
};

class BacktestWorker {
 public:
  explicit BacktestWorker(const BacktestSetup& setup);
  // Runs one customer. The facts in `state` stay; its memory (segments, last firings, waiting steps, clock) is used up.
  void customer(CustomerState& state);
  BacktestPart take() { return std::move(part_); }

 private:
  struct Side {
    Engine engine;
    std::unordered_map<std::string, std::uint32_t> kinds;
  };
  void run(Side& side, const Plan& plan, CustomerState& state, TimeMs first, BacktestTally& tally);
  void keep(Side& side, const Plan& plan, const CustomerState& state, BacktestTally& tally);
  void find_goals(const Plan& plan, const CustomerState& state, BacktestTally& tally, std::size_t from);
  std::uint32_t index_of(const CustomerState& state);
  void forget_written(CustomerState& state);

  const BacktestSetup& setup_;
  Side draft_, live_;
  Evaluator evaluator_;
  Effects effects_;
  std::uint32_t current_ = kNone;  // the index of the customer under way, once something happened
  std::string scratch_;
  std::set<std::string, std::less<>> written_;  // by the live rules for this customer: the ids of their facts without the depth
  BacktestPart part_;
};

}  // namespace nudge
