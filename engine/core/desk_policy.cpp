// The desk's policies: silences, budgets, the brake.
#include <algorithm>
#include <utility>

#include "engine/core/desk.h"
#include "engine/core/evaluate.h"
#include "engine/core/policy.h"
#include "engine/core/write.h"

namespace nudge {
namespace {

constexpr std::int64_t kHistoryDays = 7;

TimeMs hour_of(TimeMs t) { return t - ((t % kHour) + kHour) % kHour; }
std::int64_t day_of(TimeMs t) { return (t - ((t % kDay) + kDay) % kDay) / kDay; }

}  // namespace

bool Desk::over_budget(const Plan& plan, const Policy& policy, const ActionOut& action, std::string& words) {
  TimeMs start = hour_in(plan.zone, action.at);
  if (!policy.unit_is_hour) start = unit_around(policy.unit, action.at, plan.zone).first;
  Window& window = budgets_[policy.shared ? policy.name : policy.name + '\n' + action.rule];
  // An action that was due while nudge was away counts in the window that is open now: windows never go back.
  if (start > window.start) window = {start, 0};
  if (window.count < policy.at_most) {
    ++window.count;
    return false;
  }
  static constexpr const char* kUnits[] = {"day", "week", "month", "quarter", "year"};
  words = "budget `" + policy.name + "`: " + std::to_string(policy.at_most) + " of " + std::to_string(policy.at_most) + " in this " +
          (policy.unit_is_hour ? "hour" : kUnits[static_cast<int>(policy.unit)]) +
          (policy.shared ? " for all rules together" : " for the rule " + action.rule);
  return true;
}

bool Desk::brake(const Policy& policy, const ActionOut& action, std::string& words) {
  History& history = history_[action.rule_id];
  const TimeMs hour = std::max(hour_of(action.at), history.hour);
  if (hour != history.hour) {
    if (history.count != 0) {
      std::uint64_t& busiest = history.busiest[day_of(history.hour)];
      busiest = std::max(busiest, history.count);
    }
    history.hour = hour;
    history.count = 0;
    std::erase_if(history.busiest, [&](const auto& day) { return day.first < day_of(hour) - kHistoryDays; });
  }
  ++history.count;
  std::uint64_t busiest = 0;
  for (const auto& [day, count] : history.busiest) busiest = std::max(busiest, count);
  const std::uint64_t measure = std::max(busiest, policy.at_most);  // its own, or what its backtest promised
  if (history.count <= policy.at_least || history.count <= measure * policy.times) return false;
  words = "brake `" + policy.name + "`: action " + std::to_string(history.count) + " of the rule " + action.rule +
          " in this hour; its busiest hour of the last 7 days had " + std::to_string(busiest) +
          (policy.at_most == 0 ? "" : ", " + std::to_string(policy.at_most) + " were expected") + ", and more than " +
          std::to_string(policy.times) + " times " + (policy.at_most > busiest ? "what was expected" : "that") + " (at least " +
          std::to_string(policy.at_least) + ") stops it";
  return true;
}

// Moves what is held back out of `effects.actions`, which keeps its order.
bool Desk::judge_actions(const Plan& plan, Effects& effects) {
  if (effects.actions.empty()) return false;
  const bool watches =
      std::ranges::any_of(plan.policies, [](const Policy& p) { return p.kind == Policy::Kind::budget || p.kind == Policy::Kind::brake; });
  if (!watches && controls_.silences.empty() && controls_.braked.empty()) return false;
  bool changed = false;
  const auto judge = [&](ActionOut& action) {
    if (done_by_engine(action)) return false;  // it is in the customer's state already
    const auto hold = [&](Held held, std::string words, bool kept) {
      // Released by a person it would go out without the yes that it needs: it is not kept.
      if (kept && action.question != nullptr) kept = false, words += "; it is not kept, for it would have needed a yes besides";
      effects.held_actions.push_back({std::move(action), held, std::move(words), kept});
      return true;
    };
    if (const Silence* s = controls_.silenced(action, action.at)) {
      return hold(Held::silenced,
                  "silence " + std::to_string(s->id) + " (" + describe_silence(*s) + ") by " + s->author + " until " +
                      format_timestamp(s->until) + ": " + s->reason,
                  false);
    }
    const PolicySubject subject = subject_of(action);
    std::string words;
    bool counted = false;
    for (const Policy& policy : plan.policies) {
      if (policy.kind != Policy::Kind::brake || !policy_binds(policy, subject)) continue;
      changed = true;
      if (std::exchange(counted, true)) --history_[action.rule_id].count;  // one action, however many brakes look at it
      if (!brake(policy, action, words) || controls_.braked.contains(action.rule_id)) continue;
      controls_.braked[action.rule_id] = {action.at, policy.name, words, 0};
    }
    if (const auto braked = controls_.braked.find(action.rule_id); braked != controls_.braked.end()) {
      changed = true;
      ++braked->second.kept;
      return hold(Held::braked, braked->second.words, true);
    }
    for (const Policy& policy : plan.policies) {
      if (policy.kind != Policy::Kind::budget || !policy_binds(policy, subject)) continue;
      changed = true;
      if (over_budget(plan, policy, action, words)) return hold(Held::budget, words, policy.over == Policy::Over::hold);
    }
    return false;
  };
  std::erase_if(effects.actions, judge);
  return changed;
}

std::uint64_t Desk::silence(Silence silence) {
  std::erase_if(controls_.silences, [&](const Silence& s) { return s.until <= silence.from; });
  silence.id = ++controls_.last_silence;
  controls_.silences.push_back(std::move(silence));
  return controls_.last_silence;
}

bool Desk::end_silence(std::uint64_t id, TimeMs now) {
  std::erase_if(controls_.silences, [&](const Silence& s) { return s.until <= now && s.id != id; });
  return std::erase_if(controls_.silences, [&](const Silence& s) { return s.id == id; }) != 0;
}

void Desk::stop_all(bool on, TimeMs now, std::string author, std::string reason) {
  controls_.stopped = on;
  controls_.stopped_at = now;
  controls_.stopped_by = std::move(author);
  controls_.stopped_why = std::move(reason);
}

bool Desk::release(RuleId rule) {
  if (controls_.braked.erase(rule) == 0) return false;
  if (const auto found = history_.find(rule); found != history_.end()) {
    History& history = found->second;
    std::uint64_t& busiest = history.busiest[day_of(history.hour)];
    busiest = std::max(busiest, history.count);
  }
  return true;
}

}  // namespace nudge
