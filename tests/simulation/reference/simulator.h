// The slow simulator of one customer: steps the clock through every instant at which anything could change, evaluates everything from
// scratch, and so predicts every edge and every decision with its instant. Written from the language's text (rows, edges, limits), not from
// the engine.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/core/effects.h"
#include "tests/simulation/reference/oracle.h"

namespace nudge::reference {

// Something that happened, as a line of text that both sides can make.
struct Happening {
  TimeMs at = 0;
  std::string what;
  friend auto operator<=>(const Happening&, const Happening&) = default;
};

class Simulator {
 public:
  explicit Simulator(const Definitions* all) : all_(all) {}

  // All that arrives at `now`; what was due before is judged first.
  std::vector<Receipt> step(const std::vector<Input>& inputs, TimeMs now);
  // Judges all that is due strictly before `now`.
  void advance(TimeMs now);
  // Other definitions from `now` on. `fresh`: which segments are new or not what they were; `fresh_rules`: which rules, by name.
  void reload(const Definitions* all, const std::vector<bool>& fresh, const std::set<std::string>& fresh_rules, TimeMs now);

  struct Cause {
    Trigger::Kind kind = Trigger::Kind::event;
    TimeMs at = 0;
    std::string row;  // event: its id
    Value key;        // missing: none
  };
  // Names, not meanings, come from the caller: the id of what a step of a rule writes (without its depth), and in which order rules stand
  // whose waiting steps are due at one instant.
  std::function<std::string(const std::string& rule, const Cause& cause, const Input* row, std::size_t step)> name_fact;
  std::function<std::uint32_t(const std::string& rule)> rank;

  std::vector<Happening> happenings;  // since the caller last cleared it
  const std::vector<Input>& facts() const { return facts_; }
  const std::set<std::uint32_t>& members() const { return members_; }
  bool known() const { return known_; }

 private:
  struct Wait {
    std::string rule;
    std::size_t step = 0;
    bool holding = false;  // waits for `for:`
    TimeMs due = 0;        // its wait is over
    Cause cause;
    TimeMs started = 0;
    TimeMs look = kNever;      // to be looked at then, for its conditions may be others
    TimeMs written = kAlways;  // began at this instant, behind a write
  };
  struct Change {
    AttributeId attribute = 0;
    Value from, to;
    TimeMs since = 0;
  };
  struct Candidate {
    Cause cause;
    TimeMs happened = 0;
    TimeMs row_time = 0;
  };
  void judge(TimeMs now, const std::vector<std::string>& new_rows, const std::vector<Change>& changes, bool silent);
  std::vector<Change> changes_at(TimeMs now, const std::vector<Input>& facts_before, TimeMs before,
                                 const std::set<AttributeId>& touched) const;
  void judge_arrivals(TimeMs now);
  std::vector<Candidate> candidates(const Rule& rule, TimeMs now, const std::vector<std::string>& new_rows,
                                    const std::vector<Change>& changes, const std::vector<std::pair<std::uint32_t, bool>>& flipped) const;
  void consider(const Rule& rule, Candidate candidate, TimeMs now);
  void fire(const Rule& rule, const Cause& cause, TimeMs now);
  void run_steps(const Rule& rule, const Cause& cause, TimeMs started, std::vector<const Rule::Act*> rest, bool waited, TimeMs now);
  void look_at(const Rule& rule, const Wait& wait, TimeMs now);
  void stop_at_goals(TimeMs now, const std::vector<std::string>& new_rows);
  void move_waits(const Definitions& old, TimeMs now);
  // The instant from which what the step writes is there; `now` when it writes nothing.
  TimeMs write(const Rule& rule, const Cause& cause, const Rule::Act& act, std::size_t step, TimeMs now);
  void run_due(TimeMs now);
  void run_clock_rules(TimeMs now);
  TimeMs clock_instant(const Rule& rule, TimeMs now) const;
  bool holds(const ConditionRef& condition, const Cause& cause, TimeMs now, const Input* row = nullptr) const;
  const Input* find(const std::string& id) const;
  const Rule* rule_named(const std::string& name) const;
  void say(TimeMs at, std::string what) { happenings.push_back({at, std::move(what)}); }

  const Definitions* all_;
  std::map<std::string, std::uint32_t> depths_;  // of what rules wrote, by id: how many firings led to it at once
  std::uint32_t new_depth_ = 0;                  // the greatest of what is new at this instant
  std::uint32_t depth_ = 0;                      // of the firing under way
  bool wrote_ = false;
  bool known_ = false;
  TimeMs judged_ = kAlways;  // everything at or before it is done
  std::vector<Input> facts_;
  std::set<std::uint32_t> members_;
  std::map<std::string, TimeMs> fired_;  // rule and key
  std::vector<Wait> waits_;
  std::map<std::string, TimeMs> set_;  // date and schedule rules: the instant that is waited for
};

std::string cause_text(Trigger::Kind kind, const std::string& row);
bool same_inputs(const Input& a, const Input& b);

}  // namespace nudge::reference
