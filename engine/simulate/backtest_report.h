// What a backtest found, counted. Plain data; see backtest.h for how it comes about.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/base/decimal.h"
#include "engine/simulate/backtest.h"

namespace nudge {

struct BacktestReport {
  // Customers by id, in order; at most `kIdsKept` of them are named, `total` counts all.
  struct Ids {
    std::uint64_t total = 0;
    std::vector<std::string> ids;
  };
  static constexpr std::size_t kIdsKept = 10'000;

  // What customers of one group did after a firing, or after one that was held back.
  struct Outcome {
    std::uint64_t firings = 0, converted = 0;
    Decimal value;
  };
  struct Person {
    std::string team, id, name;  // id empty: nobody fitted, the task lies in the team's pool
    std::uint64_t total = 0;
    std::vector<std::uint64_t> per_day;
  };
  // One version of a rule.
  struct Side {
    bool there = false;
    std::string state;  // as written; the draft is run as active
    std::uint64_t fired = 0, customers = 0, actions = 0;
    std::uint64_t busiest_hour = 0;  // the most actions in an hour as the brake counts them, with what it would have kept
    std::map<Held, std::uint64_t> held;       // firings that did not act, by reason
    std::map<Held, std::uint64_t> held_step;  // later steps that did not
    std::map<Held, std::uint64_t> held_by_policies;  // actions that policies dropped, kept or made wait
    std::map<std::string, std::uint64_t> kinds;
    std::vector<std::uint64_t> fired_per_day, held_per_day, actions_per_day;
    std::vector<Person> people;
    bool has_goal = false;
    std::string goal_event;
    DurationMs goal_within = 0;
    std::map<Held, Outcome> outcomes;  // Held::none: those that fired
  };
  struct Rule {
    std::string name, description;
    Change change = Change::same;
    Side draft, live;
    Ids only_draft, only_live, both;                                                // customers with at least one firing
    std::uint64_t firings_only_draft = 0, firings_only_live = 0, firings_both = 0;  // by what made them fire
  };
  struct SegmentSide {
    bool there = false;
    std::uint64_t members_from = 0, entered = 0, left = 0, members_to = 0;
    std::vector<std::uint64_t> entered_per_day;
    Ids customers;  // who entered
  };
  struct Segment {
    std::string name;
    Change change = Change::same;
    SegmentSide draft, live;
    Ids only_draft, only_live, both;  // of those who entered
  };

  TimeMs from = 0, to = 0;
  std::string zone;
  bool has_live = false;
  std::uint64_t customers = 0;  // known before `to`
  std::uint64_t events = 0;     // in the time of the backtest
  std::vector<DateDays> days;   // in the company's zone; per_day vectors are by their index
  std::vector<Rule> rules;
  std::vector<Segment> segments;
  std::vector<Faded> not_whole;  // of BacktestSetup
};

// Puts the workers' parts together: all customers in time order through a desk of each side, for at_most and assignment. Customers at the
// same millisecond go by their ids. Deterministic, whatever part a customer was in.
BacktestReport finish_backtest(const BacktestSetup& setup, std::vector<BacktestPart> parts);

// The report as a JSON object; schemas/backtest.schema.json describes it.
std::string backtest_json(const BacktestReport& report);

}  // namespace nudge
