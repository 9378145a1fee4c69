// The steps of rules in the slow simulator: a run is the list of steps that are still to come. Nothing is flattened; numbers are only given
// so that both sides can name a step.
#include <algorithm>
#include <tuple>

#include "tests/simulation/reference/simulator.h"

namespace nudge::reference {

namespace {

using Act = Rule::Act;

struct Numbered {
  const Act* act = nullptr;  // null: the end of the `then` of a branch that has an `else`
  std::string text;
};

// As the engine numbers them: a branch, its `then`, one for the end of it when there is an `else`, the `else`.
void number(const Definitions& all, const std::vector<Act>& acts, std::vector<Numbered>& out) {
  for (const Act& act : acts) {
    const std::string text = describe(all, act);
    out.push_back({&act, text});
    number(all, act.then, out);
    if (!act.otherwise.empty()) out.push_back({nullptr, "end of " + text});
    number(all, act.otherwise, out);
  }
}

std::vector<Numbered> numbered(const Definitions& all, const Rule& rule) {
  std::vector<Numbered> out;
  number(all, rule.steps, out);
  return out;
}

// The steps from `from` on, as they would be reached.
bool rest_from(const std::vector<Act>& acts, const Act* from, std::vector<const Act*>& rest) {
  bool found = false;
  for (const Act& act : acts) {
    if (found)
      rest.push_back(&act);
    else if (&act == from) {
      rest.push_back(&act);
      found = true;
    } else {
      found = rest_from(act.then, from, rest) || rest_from(act.otherwise, from, rest);
    }
  }
  return found;
}

bool switched_on(const Rule& rule) { return rule.state == RuleState::active || rule.state == RuleState::shadow; }

}  // namespace

void Simulator::run_steps(const Rule& rule, const Cause& cause, TimeMs started, std::vector<const Act*> rest, bool waited, TimeMs now) {
  const std::vector<Numbered> numbers = numbered(*all_, rule);
  while (!rest.empty()) {
    const Act& act = *rest.front();
    const auto n = static_cast<std::size_t>(std::ranges::find(numbers, &act, &Numbered::act) - numbers.begin());
    const std::string what = rule.name + " step " + std::to_string(n) + " by " + cause_text(cause.kind, cause.row);
    const bool waits = act.after > 0 || act.kind == Act::Kind::until;
    if (rule.exit && (waits || now > started) && holds(rule.exit, cause, now)) return say(now, "held exit: " + what);
    if (act.after > 0 && !waited) {
      waits_.push_back({rule.name, n, false, now + act.after, cause, started});
      return;
    }
    waited = false;
    rest.erase(rest.begin());
    switch (act.kind) {
      case Act::Kind::act: {
        if (!holds(act.only_if, cause, now)) {
          say(now, "held only_if: " + what);
          break;
        }
        say(now, "acts: " + what);
        const TimeMs done = write(rule, cause, act, n, now);
        if (done == now || rest.empty()) break;
        // The next step sees what was written, and its own wait starts then. (What writes stands in no branch here: the next is n + 1.)
        const Act& next = *rest.front();
        waits_.push_back(
            {rule.name, n + 1, false, done + (next.kind == Act::Kind::until ? next.timeout : next.after), cause, started, done, now});
        return;
      }
      case Act::Kind::wait: break;
      case Act::Kind::until:
        if (holds(act.condition, cause, now)) break;
        waits_.push_back({rule.name, n, false, now + act.timeout, cause, started});
        return;
      case Act::Kind::branch: {
        const std::vector<Act>& chosen = holds(act.condition, cause, now) ? act.then : act.otherwise;
        std::vector<const Act*> first;
        for (const Act& inner : chosen) first.push_back(&inner);
        rest.insert(rest.begin(), first.begin(), first.end());
        break;
      }
      case Act::Kind::stop: return say(now, "held stopped: " + what);
    }
  }
}

void Simulator::look_at(const Rule& rule, const Wait& wait, TimeMs now) {
  const std::string what = rule.name + " step " + std::to_string(wait.step) + " by " + cause_text(wait.cause.kind, wait.cause.row);
  if (rule.exit && holds(rule.exit, wait.cause, now)) return say(now, "held exit: " + what);
  const bool over = now >= wait.due;
  const Act* act = numbered(*all_, rule)[wait.step].act;
  std::vector<const Act*> rest;
  rest_from(rule.steps, act, rest);
  if (act->kind != Act::Kind::until) {
    if (over) return run_steps(rule, wait.cause, wait.started, std::move(rest), true, now);
    return waits_.push_back(wait);
  }
  const bool holding = holds(act->condition, wait.cause, now);
  if (!holding && !over) return waits_.push_back(wait);
  if (!holding && act->stop_on_timeout) return say(now, "held timeout: " + what);
  rest.erase(rest.begin());
  run_steps(rule, wait.cause, wait.started, std::move(rest), false, now);
}

// Whatever waits is looked at whenever anything is.
void Simulator::run_due(TimeMs now) {
  std::vector<Wait> waits;
  std::swap(waits, waits_);
  const auto step_of = [](const Wait& w) { return w.holding ? static_cast<std::size_t>(-1) : w.step; };
  std::ranges::sort(waits, {}, [&](const Wait& w) { return std::tuple(rank(w.rule), step_of(w), w.started, w.cause.at, w.cause.row); });
  for (Wait& wait : waits) {
    const Rule* rule = rule_named(wait.rule);
    if (wait.written == now) {  // what follows a write is looked at when the fact is there, not at the instant of the write itself
      waits_.push_back(wait);
      continue;
    }
    wait.look = kNever;
    if (rule == nullptr || !switched_on(*rule)) {
      if (wait.due <= now)
        say(now, "held rule_gone: by " + cause_text(wait.cause.kind, wait.cause.row));
      else
        waits_.push_back(wait);
    } else if (!wait.holding) {
      const Act* act = numbered(*all_, *rule)[wait.step].act;
      depth_ = act->kind == Act::Kind::until ? new_depth_ : act->after == 0 && new_depth_ > 0 ? new_depth_ - 1 : 0;
      look_at(*rule, wait, now);
    } else if (wait.due > now) {
      waits_.push_back(wait);
    } else if (depth_ = 0; holds(rule->condition, wait.cause, now)) {
      fire(*rule, wait.cause, now);
    }
  }
}

void Simulator::stop_at_goals(TimeMs now, const std::vector<std::string>& new_rows) {
  std::erase_if(waits_, [&](const Wait& wait) {
    const Rule* rule = rule_named(wait.rule);
    if (wait.holding || rule == nullptr || rule->goal == kNoEventType || !rule->goal_stop) return false;
    const bool met = std::ranges::any_of(new_rows, [&](const std::string& id) {
      const Input* row = find(id);
      if (row->type != rule->goal || row->time <= wait.started || row->time > wait.started + rule->goal_within) return false;
      Cause none;
      none.kind = Trigger::Kind::date;
      return !rule->goal_where || holds(rule->goal_where, none, now, row);
    });
    if (!met) return false;
    say(now, "held goal: " + wait.rule + " step " + std::to_string(wait.step) + " by " + cause_text(wait.cause.kind, wait.cause.row));
    return true;
  });
}

// A step is the same that says the same: best after a step that says what the one before it said, then nearest, then later. One that says
// something new is the same at its own place, when the one before it is what it was.
void Simulator::move_waits(const Definitions& old, TimeMs now) {
  std::erase_if(waits_, [&](Wait& wait) {
    const Rule* rule = rule_named(wait.rule);
    if (wait.holding || rule == nullptr) return false;
    const Rule* before = nullptr;
    for (const Rule& each : old.rules) {
      if (each.name == wait.rule) before = &each;
    }
    // While the rule was away the step is known by what it said when the run came to it; the definitions come in turns, so it is the same.
    if (before == nullptr) {
      wait.look = now;
      return false;
    }
    const std::vector<Numbered> was = numbered(old, *before);
    const std::vector<Numbered> is = numbered(*all_, *rule);
    const auto previous = [](const std::vector<Numbered>& all, std::size_t i) { return i == 0 ? std::string() : all[i - 1].text; };
    std::vector<std::tuple<bool, std::size_t, bool, std::size_t>> found;
    for (std::size_t i = 0; i < is.size(); ++i) {
      if (is[i].text != was[wait.step].text) continue;
      found.emplace_back(previous(is, i) != previous(was, wait.step), i > wait.step ? i - wait.step : wait.step - i, i < wait.step, i);
    }
    std::size_t place = is.size();
    if (!found.empty())
      place = std::get<3>(*std::ranges::min_element(found));
    else if (wait.step < is.size() && is[wait.step].act != nullptr && is[wait.step].act->kind == was[wait.step].act->kind &&
             previous(is, wait.step) == previous(was, wait.step))
      place = wait.step;
    if (place == is.size()) {
      say(now,
          "held step_gone: " + wait.rule + " step " + std::to_string(wait.step) + " by " + cause_text(wait.cause.kind, wait.cause.row));
      return true;
    }
    wait.step = place;
    wait.look = now;
    return false;
  });
}

}  // namespace nudge::reference
