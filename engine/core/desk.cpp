#include "engine/core/desk.h"

#include <algorithm>

#include "engine/core/approved.h"
#include "engine/core/evaluate.h"
#include "engine/core/render_filter.h"
#include "engine/core/take_back.h"

namespace nudge {

void Desk::assign(const Plan& plan, ActionOut& action) { give_out(plan, roster_, action); }

void Desk::remember_taken_back(const Decision& firing) { taken_back_.insert(firing_id(firing.rule_id, firing.customer, firing.cause)); }
bool Desk::is_taken_back(const Decision& step) const {
  return !taken_back_.empty() && taken_back_.contains(firing_id(step.rule_id, step.customer, step.cause));
}
void Desk::told_taken_back(const Decision& firing) { taken_back_.erase(firing_id(firing.rule_id, firing.customer, firing.cause)); }

// Later steps, come due before their customer heard that the firing is undone.
void Desk::drop_taken_back(Effects& effects) const {
  if (taken_back_.empty()) return;
  const auto undone = [&](const ActionOut& a) { return taken_back_.contains(firing_id(a.rule_id, a.customer, a.cause)); };
  std::erase_if(effects.actions, undone);
  std::erase_if(effects.held_actions, [&](const HeldAction& h) { return undone(h.action); });
}

// The wall's hour: of a zone at half an hour from UTC it does not begin with UTC's.
TimeMs Desk::hour_in(const Zone& zone, TimeMs t) { return t - zone.local(t).of_day % kHour; }

void Desk::run_clocks(const Plan& plan, TimeMs now, WorkOut& out, std::size_t most) {
  work_.run(plan, roster_, now, out, most);
  leads_.run(plan, now, out.leads);
  deals_.run(plan, now, out.deals);
}

void Desk::hear(const Plan& plan, const LeadSignal& signal, WorkOut& out) {
  leads_.hear(plan, signal, out.leads);
  deals_.hear(plan, signal, out.deals);
}

void Desk::plan_changed(const Plan& plan, TimeMs now, WorkOut& out) {
  work_.plan_changed(plan, roster_, now, out);
  leads_.plan_changed(plan, now, out.leads);
  deals_.plan_changed(plan, now, out.deals);
}

void Desk::merged(const Plan& plan, std::string_view alias, std::string_view customer, TimeMs now, WorkOut& out, ApprovalOut& approvals) {
  work_.merged(alias, customer, now, out);
  leads_.merged(plan, alias, customer, now, out.leads);
  deals_.merged(alias, customer, now, out.deals);
  approvals_.merged(alias, customer, approvals);
}

bool Desk::limit_firings(const Plan& plan, Effects& effects) {
  bool changed = false;
  for (Decision& decision : effects.decisions) {
    if (!decision.fired || decision.step != kNone) continue;
    const auto found = plan.rule_of_id.find(decision.rule_id);
    if (found == plan.rule_of_id.end()) continue;
    const Rule& rule = plan.rules[found->second];
    if (rule.limits.at_most == 0) continue;
    changed = true;
    Window& window = fired_[rule.id];
    TimeMs start = 0;
    if (rule.limits.at_most_per_hour) {
      start = hour_in(plan.zone, decision.at);
    } else {
      start = unit_around(rule.limits.at_most_per, decision.at, plan.zone).first;
    }
    // Windows never go back: shards are judged side by side, so a firing of 9:59:59.999 may come after one of 10:00, and where the clock
    // is put back over midnight yesterday comes twice.
    if (start > window.start) window = {start, 0};
    if (window.count < rule.limits.at_most) {
      ++window.count;
      continue;
    }
    decision.fired = false;
    decision.held = Held::at_most;
    const auto of_decision = [&](const ActionOut& a) {
      return a.rule_id == decision.rule_id && a.customer == decision.customer && a.cause == decision.cause;
    };
    std::erase_if(effects.actions, of_decision);
    std::erase_if(effects.held_actions, [&](const HeldAction& h) { return of_decision(h.action); });
    if (leaves_something(plan, rule)) remember_taken_back(decision);
  }
  return changed;
}

bool Desk::settle(const Plan& plan, Effects& effects) {
  bool changed = limit_firings(plan, effects);
  drop_taken_back(effects);
  if (judge_actions(plan, effects)) changed = true;
  const auto give = [&](ActionOut& action) {
    if (!action.assigns) return;
    assign(plan, action);
    changed = true;
  };
  // Before it is stored for good, so that every attempt sends the same bytes.
  const auto fill = [&](ActionOut& action) {
    if (!action.late.empty()) fill_late(action, find_member(plan, action.owner));
  };
  std::erase_if(effects.actions, [&](ActionOut& action) {
    if (action.question == nullptr) return false;
    fill(action);
    effects.questions.push_back(std::move(action));
    return true;
  });
  for (ActionOut& action : effects.actions) {
    give(action);
    fill(action);
  }
  // What waits for a person's release has its owner already; what is dropped needs none.
  for (HeldAction& held : effects.held_actions) {
    if (held.kept) give(held.action);
    fill(held.action);
  }
  return changed;
}

void Desk::encode(std::string& bytes) const {
  Writer out(bytes);
  out.u8(3);  // version 2 added what stands behind the windows of at_most, version 3 the whole roster
  roster_.encode(out);
  out.varint(fired_.size());
  for (const auto& [rule, window] : fired_) {
    out.varint(rule);
    out.svarint(window.start);
    out.varint(window.count);
  }
  out.varint(budgets_.size());
  for (const auto& [name, window] : budgets_) {
    out.string(name);
    out.svarint(window.start);
    out.varint(window.count);
  }
  out.varint(history_.size());
  for (const auto& [rule, history] : history_) {
    out.varint(rule);
    out.svarint(history.hour);
    out.varint(history.count);
    out.varint(history.busiest.size());
    for (const auto& [day, count] : history.busiest) {
      out.svarint(day);
      out.varint(count);
    }
  }
  encode_controls(out, controls_);
}

Result<Desk> Desk::decode(std::string_view bytes) {
  Reader in(bytes);
  Desk desk;
  const std::uint8_t version = in.u8();
  if (version < 1 || version > 3) return fail(Code::corrupt, "the desk record is damaged or of a newer version");
  if (version >= 3) {
    if (!desk.roster_.decode(in)) return fail(Code::corrupt, "the desk record is cut off");
  } else {
    std::map<std::string, std::string> last;
    std::map<std::string, std::uint64_t> load;
    for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
      std::string ring(in.string());
      last[std::move(ring)] = in.string();
    }
    for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
      std::string id(in.string());
      load[std::move(id)] = in.varint();
    }
    desk.roster_.take_first_form(std::move(last), std::move(load));
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    const auto rule = static_cast<RuleId>(in.varint());
    const TimeMs start = in.svarint();
    desk.fired_[rule] = {start, in.varint()};
  }
  if (version >= 2) {
    for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
      std::string name(in.string());
      const TimeMs start = in.svarint();
      desk.budgets_[std::move(name)] = {start, in.varint()};
    }
    for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
      History& history = desk.history_[static_cast<RuleId>(in.varint())];
      history.hour = in.svarint();
      history.count = in.varint();
      for (std::uint64_t days = in.varint(); days > 0 && !in.bad(); --days) {
        const std::int64_t day = in.svarint();
        history.busiest[day] = in.varint();
      }
    }
    if (!decode_controls(in, desk.controls_)) return fail(Code::corrupt, "the desk record is cut off");
  }
  if (in.bad()) return fail(Code::corrupt, "the desk record is cut off");
  return desk;
}

}  // namespace nudge
