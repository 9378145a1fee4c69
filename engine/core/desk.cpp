#include "engine/core/desk.h"

#include <algorithm>

#include "engine/core/evaluate.h"
#include "engine/core/render_filter.h"

namespace nudge {

namespace {

bool compare(Op op, const ValueView& left, const std::vector<Value>& literals) {
  const auto same = [&](const Value& l) { return left.kind == Kind::list ? list_has(left.bytes, l.bytes) : same_value(left, l.view()); };
  switch (op) {
    case Op::exists: return left.present() == (literals.empty() || literals[0].bits != 0);
    case Op::equals:
    case Op::has: return left.present() && same(literals[0]);
    case Op::not_equals: return left.present() && !same(literals[0]);
    case Op::in:
    case Op::has_any: return left.present() && std::ranges::any_of(literals, same);
    case Op::not_in: return left.present() && std::ranges::none_of(literals, same);
    case Op::has_all: return left.present() && std::ranges::all_of(literals, same);
    default: break;
  }
  if (!is_numeric(left.kind) || !std::ranges::all_of(literals, [](const Value& l) { return is_numeric(l.kind); })) return false;
  const int order = compare_numeric(left, literals[0].view());
  switch (op) {
    case Op::greater_than: return order > 0;
    case Op::at_least: return order >= 0;
    case Op::less_than: return order < 0;
    case Op::at_most: return order <= 0;
    case Op::between: return order >= 0 && compare_numeric(left, literals[1].view()) <= 0;
    default: return false;
  }
}

}  // namespace

bool member_fits(const MemberFilter& filter, const Member& member, const std::vector<std::pair<AttributeId, Value>>& values, TimeMs now) {
  const auto fits = [&](const MemberFilter& f) { return member_fits(f, member, values, now); };
  switch (filter.kind) {
    case MemberFilter::Kind::all: return std::ranges::all_of(filter.children, fits);
    case MemberFilter::Kind::any: return std::ranges::any_of(filter.children, fits);
    case MemberFilter::Kind::negate: return !fits(filter.children[0]);
    case MemberFilter::Kind::compare: break;
  }
  const Value left = member_property(member, filter.property, now);
  if (filter.customer_attribute == kNoAttribute) return compare(filter.op, left.view(), filter.literals);
  for (const auto& [attribute, value] : values) {
    if (attribute == filter.customer_attribute) return !value.missing() && compare(filter.op, left.view(), {value});
  }
  return false;
}

void Desk::task_closed(const std::string& owner) {
  const auto it = load_.find(owner);
  if (it == load_.end()) return;
  if (--it->second == 0) load_.erase(it);
}

void Desk::assign(const Plan& plan, ActionOut& action) {
  const Team* team = plan.find_team(action.assignment.team);
  if (team == nullptr) return;
  std::vector<const Member*> fit;
  for (const Member& member : team->members) {
    if (member_fits(action.assignment.where, member, action.customer_values, action.at)) fit.push_back(&member);
  }
  if (fit.empty()) return;  // lies in the team's pool
  const Member* chosen = nullptr;
  if (action.assignment.strategy == Assignment::Strategy::owner) {
    for (const auto& [attribute, value] : action.customer_values) {
      if (attribute != action.assignment.owner_attribute) continue;
      const auto it = std::ranges::find_if(team->members, [&](const Member& m) { return m.id == value.bytes; });
      if (it != team->members.end()) chosen = &*it;
    }
  }
  const std::string ring = action.assignment.team + '\n' + action.rule;
  if (chosen == nullptr && action.assignment.strategy == Assignment::Strategy::least_loaded) {
    chosen = *std::ranges::min_element(fit, {}, [&](const Member* m) {
      const auto it = load_.find(m->id);
      return it == load_.end() ? 0 : it->second;
    });
  }
  if (chosen == nullptr) {
    // Round robin in the order of the file: the first fitting member after the one who got the last. Adding a person does not reset it.
    const auto last = last_.find(ring);
    std::size_t start = 0;
    if (last != last_.end()) {
      const auto it = std::ranges::find_if(team->members, [&](const Member& m) { return m.id == last->second; });
      if (it != team->members.end()) start = static_cast<std::size_t>(it - team->members.begin()) + 1;
    }
    for (std::size_t i = 0; i < team->members.size() && chosen == nullptr; ++i) {
      const Member* member = &team->members[(start + i) % team->members.size()];
      if (std::ranges::find(fit, member) != fit.end()) chosen = member;
    }
    last_[ring] = chosen->id;
  }
  action.owner = chosen->id;
  action.owner_name = chosen->name;
  if (action.kind == "call_task") task_opened(chosen->id);
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
      start = decision.at - ((decision.at % kHour) + kHour) % kHour;
    } else {
      start = unit_around(rule.limits.at_most_per, decision.at, plan.zone).first;
    }
    if (window.start != start) window = {start, 0};
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
  }
  return changed;
}

bool Desk::settle(const Plan& plan, Effects& effects) {
  bool changed = limit_firings(plan, effects);
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
  out.u8(2);  // version 2 added what stands behind the windows of at_most
  out.varint(last_.size());
  for (const auto& [ring, id] : last_) {
    out.string(ring);
    out.string(id);
  }
  out.varint(load_.size());
  for (const auto& [id, n] : load_) {
    out.string(id);
    out.varint(n);
  }
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
  if (version != 1 && version != 2) return fail(Code::corrupt, "the desk record is damaged or of a newer version");
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    std::string ring(in.string());
    desk.last_[std::move(ring)] = in.string();
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    std::string id(in.string());
    desk.load_[std::move(id)] = in.varint();
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
