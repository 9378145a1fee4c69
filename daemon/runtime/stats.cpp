#include "daemon/runtime/stats.h"

#include <algorithm>
#include <numeric>

namespace nudge::daemon {

std::string_view counter_name(Counter c) {
  static constexpr std::array<std::string_view, kCounters> kNames{"received",
                                                                  "stored",
                                                                  "duplicate",
                                                                  "conflict",
                                                                  "quarantined",
                                                                  "internal",
                                                                  "quarantine_in",
                                                                  "quarantine_replayed",
                                                                  "quarantine_discarded",
                                                                  "decisions",
                                                                  "fired",
                                                                  "held",
                                                                  "actions",
                                                                  "waiting",
                                                                  "in_flight",
                                                                  "retrying",
                                                                  "unknown",
                                                                  "accepted",
                                                                  "dead",
                                                                  "discarded",
                                                                  "cancelled",
                                                                  "tasks",
                                                                  "tasks_open",
                                                                  "tasks_done",
                                                                  "tasks_overdue",
                                                                  "timers",
                                                                  "attempts",
                                                                  "quarantine_bytes",
                                                                  "held_back",
                                                                  "kept",
                                                                  "quarantine_expired"};
  return kNames[static_cast<std::size_t>(c)];
}

std::int64_t RuleStats::dropped_total() const { return std::accumulate(dropped.begin(), dropped.end(), std::int64_t{0}); }
std::int64_t RuleStats::held_total() const { return std::accumulate(held.begin(), held.end(), std::int64_t{0}); }

void StatsDelta::add_edges(const std::vector<Edge>& edges) {
  for (const Edge& edge : edges) {
    RootStats& root = roots[edge.root];
    root.members += edge.entered ? 1 : -1;
    (edge.entered ? root.entered : root.left) += 1;
  }
}

void StatsDelta::add_goals(const std::vector<GoalMet>& goals) {
  for (const GoalMet& goal : goals) {
    RuleStats& rule = rules[goal.rule_id];
    ++(goal.holdout ? rule.holdout_converted : rule.converted);
    (goal.holdout ? rule.holdout_value : rule.converted_value) += goal.value.units;
  }
}

void StatsDelta::add_decision(const Decision& d) {
  RuleStats& rule = rules[d.rule_id];
  ++(*this)[Counter::decisions];
  if (d.fired) {
    ++(*this)[Counter::fired];
    ++rule.fired;
    rule.last_fired = std::max(rule.last_fired, d.at);
  } else {
    ++(*this)[Counter::held];
    const auto reason = static_cast<std::size_t>(d.held);
    ++rule.held[reason < kHeldReasons ? reason : 0];
    if (d.held == Held::render) {
      rule.last_error = d.detail;
      rule.last_error_at = d.at;
    }
  }
}

void StatsDelta::add(const StatsDelta& other) {
  for (std::size_t i = 0; i < kCounters; ++i) counters[i] += other.counters[i];
  for (const auto& [id, theirs] : other.rules) {
    RuleStats& ours = rules[id];
    ours.fired += theirs.fired;
    for (std::size_t i = 0; i < kHeldReasons; ++i) {
      ours.held[i] += theirs.held[i];
      ours.dropped[i] += theirs.dropped[i];
    }
    ours.actions += theirs.actions;
    ours.accepted += theirs.accepted;
    ours.failed += theirs.failed;
    ours.converted += theirs.converted;
    ours.converted_value += theirs.converted_value;
    ours.holdout_converted += theirs.holdout_converted;
    ours.holdout_value += theirs.holdout_value;
    ours.last_fired = std::max(ours.last_fired, theirs.last_fired);
    if (theirs.last_error_at != kAlways && theirs.last_error_at >= ours.last_error_at) {
      ours.last_error = theirs.last_error;
      ours.last_error_at = theirs.last_error_at;
    }
  }
  for (const auto& [id, theirs] : other.roots) roots[id].add(theirs);
}

std::int64_t StatsDelta::quarantine_open() const {
  using enum Counter;
  const StatsDelta& s = *this;
  return s[quarantine_in] - s[quarantine_replayed] - s[quarantine_discarded] - s[quarantine_expired];
}

bool StatsDelta::empty() const {
  return rules.empty() && roots.empty() && std::all_of(counters.begin(), counters.end(), [](std::int64_t v) { return v == 0; });
}

namespace {

// Stand where the number of counters stood in the first form, which had room for ten held reasons and no more. The third form counts what
// policies dropped as well.
constexpr std::uint64_t kSparseHeld = 0xfff0;
constexpr std::uint64_t kWithDropped = 0xfff1;
constexpr std::size_t kFirstHeldReasons = 10;

void encode_held(Writer& out, const std::array<std::int64_t, kHeldReasons>& held) {
  out.varint(static_cast<std::uint64_t>(std::ranges::count_if(held, [](std::int64_t v) { return v != 0; })));
  for (std::size_t i = 0; i < kHeldReasons; ++i) {
    if (held[i] == 0) continue;
    out.varint(i);
    out.svarint(held[i]);
  }
}

bool decode_held(Reader& in, std::array<std::int64_t, kHeldReasons>& held, bool sparse) {
  if (!sparse) {
    for (std::size_t i = 0; i < kFirstHeldReasons; ++i) held[i] = in.svarint();
    return true;
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    const std::uint64_t reason = in.varint();
    const std::int64_t count = in.svarint();
    if (reason >= kHeldReasons) return false;
    held[reason] = count;
  }
  return true;
}

}  // namespace

void StatsDelta::encode(Writer& out) const {
  out.varint(kWithDropped);
  out.varint(static_cast<std::uint64_t>(std::count_if(counters.begin(), counters.end(), [](std::int64_t v) { return v != 0; })));
  for (std::size_t i = 0; i < kCounters; ++i) {
    if (counters[i] == 0) continue;
    out.u8(static_cast<std::uint8_t>(i));
    out.svarint(counters[i]);
  }
  out.varint(rules.size());
  for (const auto& [id, rule] : rules) {
    out.varint(id);
    out.svarint(rule.fired);
    encode_held(out, rule.held);
    encode_held(out, rule.dropped);
    out.svarint(rule.actions);
    out.svarint(rule.accepted);
    out.svarint(rule.failed);
    out.svarint(rule.converted);
    out.svarint(rule.converted_value);
    out.svarint(rule.holdout_converted);
    out.svarint(rule.holdout_value);
    out.fixed64(static_cast<std::uint64_t>(rule.last_fired));
    out.fixed64(static_cast<std::uint64_t>(rule.last_error_at));
    out.string(rule.last_error);
  }
  out.varint(roots.size());
  for (const auto& [id, root] : roots) {
    out.varint(id);
    out.svarint(root.members);
    out.svarint(root.entered);
    out.svarint(root.left);
  }
}

bool StatsDelta::decode(Reader& in) {
  *this = StatsDelta();
  std::uint64_t used = in.varint();
  const bool with_dropped = used == kWithDropped;
  const bool sparse = used == kSparseHeld || with_dropped;
  if (sparse) used = in.varint();
  for (std::uint64_t n = used; n > 0 && !in.bad(); --n) {
    const std::uint8_t i = in.u8();
    const std::int64_t v = in.svarint();
    if (i >= kCounters) return false;
    counters[i] = v;
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    RuleStats& rule = rules[static_cast<RuleId>(in.varint())];
    rule.fired = in.svarint();
    if (!decode_held(in, rule.held, sparse)) return false;
    if (with_dropped && !decode_held(in, rule.dropped, true)) return false;
    rule.actions = in.svarint();
    rule.accepted = in.svarint();
    rule.failed = in.svarint();
    rule.converted = in.svarint();
    rule.converted_value = in.svarint();
    rule.holdout_converted = in.svarint();
    rule.holdout_value = in.svarint();
    rule.last_fired = static_cast<TimeMs>(in.fixed64());
    rule.last_error_at = static_cast<TimeMs>(in.fixed64());
    rule.last_error = in.string();
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    RootStats& root = roots[static_cast<RootId>(in.varint())];
    root.members = in.svarint();
    root.entered = in.svarint();
    root.left = in.svarint();
  }
  return !in.bad();
}

std::vector<Balance> balances(const StatsDelta& s) {
  using enum Counter;
  return {
      {"received = stored + duplicate + conflict + quarantined", s[received], s[stored] + s[duplicate] + s[conflict] + s[quarantined]},
      {"decisions = fired + held", s[decisions], s[fired] + s[held]},
      {"actions = waiting + in_flight + retrying + unknown + accepted + dead + discarded + cancelled + held_back + kept", s[actions],
       s[waiting] + s[in_flight] + s[retrying] + s[unknown] + s[accepted] + s[dead] + s[discarded] + s[cancelled] + s[held_back] + s[kept]},
      {"tasks = open + done", s[tasks], s[tasks_open] + s[tasks_done]},
  };
}

}  // namespace nudge::daemon
