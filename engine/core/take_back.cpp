#include "engine/core/take_back.h"

#include <algorithm>

#include "engine/core/judge.h"

namespace nudge {

Hash128 firing_id(RuleId rule, std::string_view customer, const Cause& cause) {
  std::string bytes;
  Writer out(bytes);
  out.varint(rule);
  out.string(customer);
  out.u8(static_cast<std::uint8_t>(cause.kind));
  out.svarint(cause.at);
  out.varint(cause.type);
  out.svarint(cause.row_time);
  out.string(cause.row_id);
  out.string(cause.key);
  return hash128(bytes);
}

bool leaves_something(const Plan& plan, const Rule& rule) {
  return rule.steps.size() > 1 || rule.goal.event != kNoEventType || plan.contact_horizon > 0;
}

bool is_to_be_told(const Plan& plan, const Decision& decision) {
  if (decision.held != Held::at_most || decision.step != kNone) return false;
  const auto rule = plan.rule_of_id.find(decision.rule_id);
  return rule != plan.rule_of_id.end() && leaves_something(plan, plan.rules[rule->second]);
}

Input taken_back_input(const Decision& taken_back) {
  Input input;
  input.kind = kTakenBack;
  input.customer = taken_back.customer;
  input.id = "nudge:" + to_hex(firing_id(taken_back.rule_id, taken_back.customer, taken_back.cause)) + ":taken-back";
  input.time = taken_back.at;
  Writer out(input.tag);
  encode_decision(out, taken_back);
  return input;
}

std::optional<Decision> taken_back_by(const Input& input) {
  Decision decision;
  Reader in(input.tag);
  if (input.kind != kTakenBack || !decode_decision(in, decision)) return std::nullopt;
  return decision;
}

void take_back(const Plan& plan, CustomerState& state, const Input& input) {
  const std::optional<Decision> firing = taken_back_by(input);
  if (!firing) return;
  erase_if(state.runs, [&](const Run& run) { return run.rule == firing->rule_id && run.cause == firing->cause; });
  const auto rule = plan.rule_of_id.find(firing->rule_id);
  if (rule == plan.rule_of_id.end() || state.contacts.empty()) return;
  const Rule& definition = plan.rules[rule->second];
  for (std::uint32_t step = 0; step < definition.steps.size(); ++step) {
    const Hash128 action = action_id(definition, state.id, firing->cause, step);
    erase_if(state.contacts, [&](const Contact& contact) { return contact.action == action; });
  }
}

}  // namespace nudge
