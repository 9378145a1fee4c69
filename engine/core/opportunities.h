// Opportunities: sales under way, each in a stage of its funnel. Like leads they are decided here alone, in the order of the log, and tell the
// customer's rules what happened (docs/decisions/opportunities.md). Pure: no clock, no I/O. Not thread-safe; owns the open ones, and the caller
// keeps what is touched.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/core/leads.h"

namespace nudge {

// Numbers are stored: append only.
enum class DealState : std::uint8_t { open = 1, won = 2, lost = 3 };
std::string_view deal_state_name(DealState s);

// One thing that happened to an opportunity, for people.
struct DealStep {
  TimeMs at = 0;
  std::string what;  // opened, moved, changed, task_done, task_undone, stalled, merged, won, lost
  std::string stage, by, reason;
};
inline constexpr std::size_t kDealStepsKept = 128;

// A key task of a stage that somebody has done.
struct DealDone {
  std::string stage, task, by;
  TimeMs at = 0;
};

struct Opportunity {
  std::string id;
  std::string customer, funnel, stage, title, owner;
  DealState state = DealState::open;
  bool has_amount = false;
  Decimal amount;
  TimeMs opened = 0, since = 0;   // since: in this stage
  TimeMs active_at = 0;           // the last move or follow-up
  TimeMs closed = 0;              // 0: it is not
  TimeMs stall_at = kNever;       // open: when it counts as stalled unless something happens
  bool stalled = false;           // and that was told
  std::uint32_t furthest = 0;     // the stage it came to, by its place in the funnel of then
  std::uint32_t told = 0;
  std::string reason;             // why it was lost
  std::vector<DealStep> steps;    // the newest kDealStepsKept
  std::vector<DealDone> done;     // in the order in which they were
};
const DealDone* find_done(const Opportunity& deal, std::string_view stage, std::string_view task);

struct DealCommand {
  enum class Kind : std::uint8_t { open, move, change, win, lose, task_done, task_undone };
  Kind kind = Kind::open;
  std::string id;  // open: to be given, or empty for one of its own
  std::string customer, funnel;
  std::string stage, title, owner, by, reason;
  std::string task;  // task_done, task_undone: of the stage, empty: of the one it is in
  bool has_amount = false;
  Decimal amount;
};

struct DealOut {
  std::vector<Opportunity> touched;  // as they are now, each once
  std::vector<Input> news;
  std::string id;                    // of the one that was opened
  bool empty() const { return touched.empty() && news.empty(); }
};

class Opportunities {
 public:
  // Error: not_found (no open one with this id), conflict (there is one; it is closed), invalid.
  Result<void> apply(const Plan& plan, const DealCommand& command, TimeMs now, DealOut& out);
  // A follow-up of the customer keeps their opportunities from stalling.
  void hear(const Plan& plan, const LeadSignal& signal, DealOut& out);
  void run(const Plan& plan, TimeMs now, DealOut& out);
  TimeMs next() const { return clocks_.empty() ? kNever : clocks_.begin()->first; }
  // Stages may have other terms now; one whose stage is gone stays in it, by name.
  void plan_changed(const Plan& plan, TimeMs now, DealOut& out);
  void load(Opportunity deal);
  // Nothing is known of this customer any more.
  void forget(std::string_view customer);
  // Both names are one customer's: the open ones of `alias` are this customer's from now on. Again: nothing.
  void merged(std::string_view alias, std::string_view customer, TimeMs now, DealOut& out);
  const std::map<std::string, Opportunity, std::less<>>& open() const { return open_; }

 private:
  Result<void> start(const Plan& plan, const DealCommand& command, TimeMs now, DealOut& out);
  Result<void> move(const Plan& plan, Opportunity& deal, const DealCommand& command, TimeMs now, DealOut& out);
  Result<void> change(const Plan& plan, Opportunity& deal, const DealCommand& command, TimeMs now, DealOut& out);
  Result<void> check(const Plan& plan, Opportunity& deal, const DealCommand& command, TimeMs now, DealOut& out);
  Result<void> end(const Plan& plan, Opportunity& deal, const DealCommand& command, TimeMs now, DealOut& out);
  void tell(const Plan& plan, Opportunity& deal, std::string_view what, std::string_view previous, std::string_view by, std::string_view reason, TimeMs at,
            DealOut& out);
  void arm(const Plan& plan, Opportunity& deal, TimeMs not_before);
  static void touch(const Opportunity& deal, DealOut& out);

  std::map<std::string, Opportunity, std::less<>> open_;
  std::set<std::pair<TimeMs, std::string>> clocks_;
  std::map<std::string, std::set<std::string>, std::less<>> of_customer_;
};

// The place of a stage; the number of stages when the funnel has none of this name.
std::size_t stage_index(const Funnel& funnel, std::string_view stage);

void encode_deal(std::string& out, const Opportunity& deal);
Result<Opportunity> decode_deal(std::string_view bytes);

}  // namespace nudge
