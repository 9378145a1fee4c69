// The desk decides what needs knowledge across customers: who gets a task, whether a rule has used up its at_most or a budget, whether the
// brake stops it, and what people have silenced. It works in the order of the log, so a replay gives the same choices. One per data
// directory; not thread-safe; its state is small and stored with every change.
#pragma once

#include <map>
#include <set>
#include <string>

#include "engine/core/approvals.h"
#include "engine/core/controls.h"
#include "engine/core/digests.h"
#include "engine/core/effects.h"
#include "engine/core/roster.h"
#include "engine/core/work.h"

namespace nudge {

class Desk {
 public:
  // Goes through the effects of one step in order: gives tasks their owners, and takes back firings above a rule's at_most (the decision
  // becomes held, its actions are removed; its customer has to hear of it, see core/take_back.h). Actions that a silence, a budget or
  // the brake holds back move to effects.held_actions, those that wait for a yes to effects.questions. True when the desk's state changed.
  bool settle(const Plan& plan, Effects& effects);

  // What people have set, and which rules the brake has stopped.
  const Controls& controls() const { return controls_; }
  // People's word, in the order of the log. The silence's id is given here, ascending; true: there was such a silence, or such a braked rule.
  std::uint64_t silence(Silence silence);
  bool end_silence(std::uint64_t id, TimeMs now);
  void stop_all(bool on, TimeMs now, std::string author, std::string reason);
  // The rule may act again. What it did in this hour counts as its history from now on, so that it is not stopped again at once.
  bool release(RuleId rule);

  // Who has and got how much, and who is next.
  Roster& roster() { return roster_; }
  const Roster& roster() const { return roster_; }
  // The open tasks. They are kept one by one, not with the desk: whoever makes a desk of its record loads them too.
  Work& work() { return work_; }
  const Work& work() const { return work_; }
  // Actions that wait for a yes. Kept one by one, like tasks.
  Approvals& approvals() { return approvals_; }
  const Approvals& approvals() const { return approvals_; }
  // Hits that wait to go out in one message. Kept one by one, too.
  Digests& digests() { return digests_; }
  const Digests& digests() const { return digests_; }
  // Who has which lead. Kept one by one, too.
  Leads& leads() { return leads_; }
  const Leads& leads() const { return leads_; }
  Opportunities& deals() { return deals_; }
  const Opportunities& deals() const { return deals_; }
  // What came in for a customer, for whoever has to hear of it.
  void hear(const Plan& plan, const LeadSignal& signal, WorkOut& out);
  // When the next clock strikes, and what is due by then.
  TimeMs next_clock() const { return std::min({work_.next(), leads_.next(), deals_.next()}); }
  // … at most so many of the clocks of tasks: next_clock() tells of the others.
  void run_clocks(const Plan& plan, TimeMs now, WorkOut& out, std::size_t most = static_cast<std::size_t>(-1));
  void plan_changed(const Plan& plan, TimeMs now, WorkOut& out);
  // `alias` has become another name of the customer: what is open under it is the customer's from now on (docs/decisions/merge.md). Again: nothing.
  void merged(const Plan& plan, std::string_view alias, std::string_view customer, TimeMs now, WorkOut& out, ApprovalOut& approvals);

  // Firings that were taken back, of which the customer does not know yet: no later step of theirs acts. Kept with the news to the
  // customer, not with the desk: whoever makes a desk of its record loads them too.
  void remember_taken_back(const Decision& firing);
  bool is_taken_back(const Decision& step) const;
  void told_taken_back(const Decision& firing);

  void encode(std::string& out) const;
  static Result<Desk> decode(std::string_view bytes);

 private:
  struct Window {
    TimeMs start = kAlways;
    std::uint64_t count = 0;
  };
  // Actions of one rule by the hour: what the brake compares with.
  struct History {
    TimeMs hour = kAlways;               // start of the hour that is counted
    std::uint64_t count = 0;             // in it
    std::map<std::int64_t, std::uint64_t> busiest;  // day since 1970 (UTC) -> its busiest hour, of the last 8 days
  };
  void assign(const Plan& plan, ActionOut& action);
  bool limit_firings(const Plan& plan, Effects& effects);
  void drop_taken_back(Effects& effects) const;
  static TimeMs hour_in(const Zone& zone, TimeMs t);
  bool judge_actions(const Plan& plan, Effects& effects);
  bool over_budget(const Plan& plan, const Policy& policy, const ActionOut& action, std::string& words);
  bool brake(const Policy& policy, const ActionOut& action, std::string& words);
  Roster roster_;
  Work work_;
  Approvals approvals_;
  Digests digests_;
  Leads leads_;
  Opportunities deals_;
  std::map<RuleId, Window> fired_;             // at_most windows
  std::set<Hash128> taken_back_;               // firing_id()
  std::map<std::string, Window> budgets_;      // policy, or policy + rule
  std::map<RuleId, History> history_;          // of rules that a brake watches
  Controls controls_;
};

}  // namespace nudge
