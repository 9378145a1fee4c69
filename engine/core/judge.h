// Judges one instant of one customer: which segments flip, which rules fire, which waiting steps are due. Used by Engine; scratch is kept
// in between. Not thread-safe.
#pragma once

#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "engine/base/cron.h"
#include "engine/core/effects.h"
#include "engine/core/evaluate.h"
#include "engine/core/selector.h"

namespace nudge {

// Run::step of a firing that waits for its `for:` to pass, and of a `date` or `schedule` trigger that waits for its
// instant.
inline constexpr std::uint32_t kHoldStep = 0xfffffffe;
inline constexpr std::uint32_t kDateStep = 0xfffffffd;
// … and of one whose goal may still be met, and of one that the holdout kept back, to measure against.
inline constexpr std::uint32_t kGoalStep = 0xfffffffc;
inline constexpr std::uint32_t kGoalHoldoutStep = 0xfffffffb;
inline bool waits_for_goal(const Run& run) { return run.step == kGoalStep || run.step == kGoalHoldoutStep; }

// The order in which waiting runs are looked at: of those of one instant by rule and step, then the firing that began earlier, then what made
// it fire. No two runs of a customer are equal in it, so it never matters which of them was there first.
inline bool run_before(const Run& a, const Run& b) {
  const auto rank = [](const Run& r) { return std::tie(r.due, r.rule, r.step, r.started, r.cause.at, r.cause.row_id, r.cause.key); };
  return rank(a) < rank(b);
}

class Judge {
 public:
  // A row that is new at this instant, and an attribute whose value changed at it.
  struct NewRow {
    EventTypeId type;
    TimeMs time;
    std::string id;
  };
  struct Change {
    AttributeId attribute;
    TimeMs time;
    Value from;
    Value to;
  };

  void begin(const Plan& plan, CustomerState& state, Effects& effects);
  // What came in since begin or the last judge.
  void touch_event(EventTypeId type, TimeMs time, std::string_view id);
  void touch_attribute(AttributeId attribute);
  void touch_tags();
  void touch_everything();
  // A fact's time has come, or it came in now: one that a rule made hands on the depth of its chain (write.h).
  void arrived(std::string_view id);
  std::vector<NewRow> rows;     // trigger event rules
  std::vector<Change> changes;  // trigger attribute rules

  // Sets the waiting instants of `date` and `schedule` triggers after a change of plan.
  void arm_for_plan();
  // After a change of plan at `t`: each run between two steps goes on where its step stands now, or ends.
  void resume_runs(TimeMs t);

  // Judges `now` and sets the customer's clock to it. `silent`: nothing fires.
  void judge(TimeMs now, bool silent);
  // Sets the membership of one segment as it is at `t`, silently; with `fire` the rules that enter on it and ask for `existing: fire` fire.
  void seed(std::uint32_t segment, TimeMs t);
  // Fires a rule with `existing: fire` that was switched on at `t`, later than its segment, on a customer who is in it.
  void enter_existing(std::uint32_t rule, TimeMs t);

  Evaluator evaluator;
  std::uint64_t judged = 0;  // segments judged since ever: what a step costs, told without a clock

 private:
  struct Candidate {
    std::uint32_t rule;
    Cause cause;
    TimeMs happened;  // for max_age
  };
  void reset();
  void force(std::uint32_t segment);
  void select_by_rows();
  void judge_segments(TimeMs now, bool silent);
  void flip(std::uint32_t segment, bool truth, TimeMs now, bool silent);
  void set_wake(RootId root, TimeMs until);
  void collect_candidates(TimeMs now);
  void consider(const Candidate& candidate, TimeMs now);
  void begin_for(const Cause& cause, TimeMs now);
  RowRef row_of(const Cause& cause) const;
  Held gate(const Rule& rule, const Cause& cause, TimeMs now);
  void fire(const Rule& rule, const Cause& cause, TimeMs now);
  // The program of steps: see steps.cpp.
  void run_steps(const Rule& rule, const Cause& cause, TimeMs started, std::uint32_t step, bool delay_passed, TimeMs now);
  bool exits(const Rule& rule, const Cause& cause, std::uint32_t step, TimeMs now, TimeMs& again);
  void begin_wait(const Rule& rule, const Cause& cause, TimeMs started, std::uint32_t step, TimeMs deadline, TimeMs again, TimeMs now,
                  TimeMs since = kAlways);
  void look_at(const Rule& rule, Run run, TimeMs now);
  void wake_runs(TimeMs now);
  // What policies say to a step's action: see leave.cpp.
  enum class Leave : std::uint8_t {
    now,
    later,  // a run waits for it
    never,  // dropped, and recorded
  };
  Leave may_leave(const Rule& rule, const Cause& cause, TimeMs started, std::uint32_t step, TimeMs since, TimeMs now);
  // The action without its rendered parameters. `since`: when it was first due.
  ActionOut outline(const Rule& rule, const Cause& cause, std::uint32_t step, TimeMs since, TimeMs now);
  bool put_question(const Rule& rule, const Cause& cause, TimeMs now, ActionOut& out);
  void choose_entries(const Action& action, ActionOut& out, TimeMs now);
  void find_last_owner(ActionOut& out, TimeMs now);
  TimeMs act(const Rule& rule, const Cause& cause, std::uint32_t step, TimeMs since, TimeMs now);
  Run take_due();
  void run_due(TimeMs now);
  void add_run(const Rule& rule, Run run);
  // Goals: see goal.cpp.
  void watch_goal(const Rule& rule, const Cause& cause, bool holdout, TimeMs now);
  void meet_goals(TimeMs now);
  void stop_at_goal(const NewRow& row, const RowRef& ref, TimeMs now);
  // `date` and `schedule` triggers: see arm.cpp.
  TimeMs date_instant(const Trigger& trigger, TimeMs now);
  void arm(const Rule& rule, TimeMs now);
  void arm_touched(TimeMs now);
  void find_waiting_rules();
  void decide(const Rule& rule, const Cause& cause, TimeMs now, bool fired, Held held, std::uint32_t step, std::string detail);

  const Plan* plan_ = nullptr;
  CustomerState* state_ = nullptr;
  Effects* effects_ = nullptr;
  Selector selector_;
  std::uint64_t selected_ = 0;  // which of the evaluator's preparations the selector was built for
  struct Touch {
    EventTypeId type;
    TimeMs time;
    std::string id;
  };
  std::vector<Touch> touched_rows_;
  std::vector<std::uint32_t> fresh_;  // scratch
  std::vector<std::uint32_t> touched_waits_;  // rules whose `until` or `exit` may have changed by what came in
  bool everything_ = false;
  bool any_forced_ = false;
  std::vector<std::uint32_t> waiting_rules_;  // rules with a date or schedule trigger
  std::unordered_map<RuleId, Cron> crons_;
  std::vector<AttributeId> armed_attributes_;  // updated since the last judge
  bool arm_all_ = false;
  std::uint32_t instant_depth_ = 0;  // the greatest of the facts that are new at this instant
  std::uint32_t depth_ = 0;          // of the firing under way
  std::size_t forced_bits_ = 0;
  Bits forced_;  // segments to be judged whatever the attributes say
  Bits touched_;
  TimeMs waited_since_ = kAlways;                        // of the run under way: since when a policy holds its step up
  std::vector<std::uint32_t> remembered_;  // touched segments with a membership or an instant that may have to end
  bool ruled_out_ = false;
  Bits out_;                                             // when ruled_out_: those of them that the attributes rule out
  std::vector<std::pair<std::uint32_t, bool>> flipped_;  // segment, entered
  std::vector<Candidate> candidates_;
  const Rows* begun_rows_ = nullptr;  // the trigger that the evaluator was last begun with
  std::size_t begun_row_ = 0;
  std::string begun_key_;
  bool begun_ = false;
};

// The customer's place in a rule's rollout and holdout, 0 … 9999: fixed by rule name and customer.
std::uint32_t rollout_bucket(std::string_view rule, std::string_view customer);
std::uint32_t holdout_bucket(std::string_view rule, std::string_view customer);
// What a row that meets a goal is worth: its `value` field; 0 without one.
Decimal goal_value(const Plan& plan, const Goal& goal, const RowRef& row);
// The id of an action: the same for the same rule, version, customer, cause and step, whenever and wherever it is computed.
Hash128 action_id(const Rule& rule, std::string_view customer, const Cause& cause, std::uint32_t step);

}  // namespace nudge
