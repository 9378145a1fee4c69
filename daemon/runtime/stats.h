// The counters that must add up (law 7), by data directory, rule and segment.
//
// Every commit writes its difference (StatsDelta) into its log block; the sums are stored now and then and brought up to date from the
// blocks after them, so they survive a restart to the last commit. Plain data; the committer owns the live Stats and guards it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/effects.h"

namespace nudge::daemon {

// Numbers are stored: append only.
enum class Counter : std::uint8_t {
  received = 0,  // = stored + duplicate + conflict + quarantined
  stored = 1,
  duplicate = 2,
  conflict = 3,
  quarantined = 4,
  internal = 5,       // of the received: events that nudge made itself
  quarantine_in = 6,  // records; = open + replayed + discarded + expired
  quarantine_replayed = 7,
  quarantine_discarded = 8,
  decisions = 9,  // = fired + held
  fired = 10,
  held = 11,
  actions = 12,  // = the eight below, and held_back and kept
  waiting = 13,  // not tried yet
  in_flight = 14,
  retrying = 15,  // tried, will be tried again
  unknown = 16,   // may have arrived; waits for a person
  accepted = 17,
  dead = 18,
  discarded = 19,
  cancelled = 20,  // expired or no longer wanted before it was sent
  tasks = 21,      // = tasks_open + tasks_done
  tasks_open = 22,
  tasks_done = 23,
  tasks_overdue = 24,
  timers = 25,              // boundaries that fell due
  attempts = 26,            // handed to a connector
  quarantine_bytes = 27,    // of the open records, as received
  held_back = 28,           // a policy dropped it
  kept = 29,                // waits for a person to release or discard it
  quarantine_expired = 30,  // retention.quarantine
  count_ = 31,
};
inline constexpr std::size_t kCounters = static_cast<std::size_t>(Counter::count_);
std::string_view counter_name(Counter c);

// Room for the numbers of Held; they are stored by number, so the room may grow.
inline constexpr std::size_t kHeldReasons = 40;

struct RuleStats {
  std::int64_t fired = 0;
  std::array<std::int64_t, kHeldReasons> held{};
  std::array<std::int64_t, kHeldReasons> dropped{};  // actions that policies held back, kept ones too, by reason
  std::int64_t actions = 0;
  std::int64_t accepted = 0;
  std::int64_t failed = 0;  // actions that died
  // The goal met within its time after a firing, and after one that the holdout kept back; values in millionths.
  std::int64_t converted = 0, converted_value = 0;
  std::int64_t holdout_converted = 0, holdout_value = 0;
  TimeMs last_fired = kAlways;
  TimeMs last_error_at = kAlways;
  std::string last_error;
  std::int64_t held_total() const;
  std::int64_t dropped_total() const;
  friend bool operator==(const RuleStats&, const RuleStats&) = default;
};

struct RootStats {
  std::int64_t members = 0;
  std::int64_t entered = 0;
  std::int64_t left = 0;
  void add(const RootStats& other) {
    members += other.members;
    entered += other.entered;
    left += other.left;
  }
  friend bool operator==(const RootStats&, const RootStats&) = default;
};

// A difference, and also a sum: adding two gives the third.
struct StatsDelta {
  std::array<std::int64_t, kCounters> counters{};
  std::map<RuleId, RuleStats> rules;
  std::map<RootId, RootStats> roots;

  std::int64_t& operator[](Counter c) { return counters[static_cast<std::size_t>(c)]; }
  std::int64_t operator[](Counter c) const { return counters[static_cast<std::size_t>(c)]; }
  void add_edges(const std::vector<Edge>& edges);
  void add_goals(const std::vector<GoalMet>& goals);
  void add_decision(const Decision& d);
  void add(const StatsDelta& other);
  bool empty() const;
  // Records that wait in quarantine.
  std::int64_t quarantine_open() const;
  void encode(Writer& out) const;
  bool decode(Reader& in);
  friend bool operator==(const StatsDelta&, const StatsDelta&) = default;
};

// One equation that must hold; `missing` is left − right.
struct Balance {
  std::string name;
  std::int64_t left = 0;
  std::int64_t right = 0;
  bool holds() const { return left == right; }
};
std::vector<Balance> balances(const StatsDelta& stats);

}  // namespace nudge::daemon
