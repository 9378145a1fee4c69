// What the tests of rules have touched: which rules fired, which steps were reached, which parts of each condition were seen true and seen
// false. It watches the worlds that tests run in and asks the engine's evaluator beside the engine, which knows nothing of it.
//
// A condition is asked where the engine asks it: `if` at each trigger of its rule, `only_if` when its step is due, filters of events for
// each event that comes in, segments and scores whenever their customer is judged. Rules that are draft or paused are left out.
//
// Not thread-safe. Owns what it was given; a world it watches must not outlive it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/evaluate.h"
#include "engine/simulate/world.h"
#include "rules/lang/parts.h"

namespace nudge::testing {

// Something that no test has touched.
struct Gap {
  enum class Kind : std::uint8_t { never_fired, never_reached, never_true, never_false, never_asked };
  Kind kind = Kind::never_fired;
  std::string owner;  // "rule dormant-return", "segment dormant"
  std::string what;   // the step or the part in words; empty: the rule itself
  std::string file;
  std::uint32_t line = 0, column = 0;
};
// "never_true" …: for programs.
std::string_view gap_name(Gap::Kind kind);

struct CoverageReport {
  std::size_t covered = 0;  // of …
  std::size_t total = 0;    // … firings, steps, and twice the parts of conditions
  std::vector<Gap> gaps;    // by file, line, column
  // 0 to 100, rounded down; 100 when there is nothing to cover.
  [[nodiscard]] double percent() const;
};

class Coverage {
 public:
  // `plan` and `parts` of one compilation; every plan of the tests must come from the same sources.
  Coverage(const Plan& plan, std::vector<lang::ConditionPart> parts);

  void watch(World& world);
  [[nodiscard]] CoverageReport report() const;

 private:
  struct Seen {
    bool yes = false, no = false;
  };
  struct StepSeen {
    std::string words;
    lang::ConditionPart place;
    bool counts = false;  // it does something or ends the run; waits and branches follow from those
    bool reached = false;
  };
  struct RuleSeen {
    std::string name;
    lang::ConditionPart place;
    bool counts = false;  // neither draft nor paused
    bool fired = false;
    std::vector<StepSeen> steps;
  };

  void judged(const World& world, const Judgement& j);
  void note_rows(const Plan& plan, const Judgement& j);
  void note_rule(const World& world, const Judgement& j, std::size_t rule);
  void note_decisions(const World& world, const Judgement& j);
  void note_runs(const Plan& plan, const Judgement& j);
  // Goes the way of the engine from this step on, as far as it goes at this instant, and asks what it asks.
  void walk(const Plan& plan, const Judgement& j, const Rule& rule, const Cause& cause, std::uint32_t step, bool delay_passed);
  void ask(const Plan& plan, const Judgement& j, const Cause* cause, lang::ConditionPart::Owner owner, std::string_view name,
           std::uint32_t step = 0);
  void note(std::size_t part, bool truth) { (truth ? seen_[part].yes : seen_[part].no) = true; }
  RuleSeen* find(std::string_view rule);

  std::vector<lang::ConditionPart> parts_;
  std::vector<std::string> words_;  // of each part
  std::vector<Seen> seen_;
  std::vector<RuleSeen> rules_;
  Evaluator evaluator_;
};

}  // namespace nudge::testing
