#include "engine/core/effects.h"

#include "engine/core/work.h"

namespace nudge {

std::string_view held_text(Held h) {
  switch (h) {
    case Held::none: return "";
    case Held::once_per: return "fired for this customer within once_per";
    case Held::rollout: return "outside the rollout percentage";
    case Held::holdout: return "in the holdout group";
    case Held::shadow: return "the rule is in shadow: it decides and does nothing";
    case Held::only_if: return "the step's only_if was false when it was due";
    case Held::at_most: return "the rule's at_most was reached";
    case Held::render: return "a template could not be rendered";
    case Held::rule_gone: return "the rule was removed or paused while the step was waiting";
    case Held::runs_full: return "too many delayed steps are waiting for this customer";
    case Held::exit: return "the rule's exit came true";
    case Held::goal: return "the rule's goal was met";
    case Held::step_gone: return "the step that was waited for is not in the rule any more";
    case Held::stopped: return "the run came to a stop step";
    case Held::timeout: return "what the step waited for did not come in time";
    case Held::loop: return "rules feed each other without delay: the chain was cut";
    case Held::write: return "a value to be written does not fit the catalog";
    case Held::no_address: return "there is no address to send it to";
    case Held::opted_out: return "the customer unsubscribed";
    case Held::consent: return "there is no consent";
    case Held::inhibited: return "another rule acted for this customer shortly before";
    case Held::quiet_hours: return "outside the opening hours";
    case Held::cap: return "a frequency cap was reached";
    case Held::expired: return "it could not leave before it expired";
    case Held::budget: return "the rule's budget was used up";
    case Held::braked: return "the brake has stopped the rule";
    case Held::silenced: return "a silence holds it back";
    case Held::suppressed: return "the recipient is on the suppression list";
    case Held::deferred: return "it waits until a policy lets it through";
    case Held::approval: return "it waits for a yes";
    case Held::refused: return "it was not approved";
    case Held::not_approved: return "nobody approved it in time";
    case Held::test_mode: return "in test mode only given addresses are sent to";
  }
  return "";
}

std::string_view held_name(Held h) {
  switch (h) {
    case Held::none: return "";
    case Held::once_per: return "once_per";
    case Held::rollout: return "rollout";
    case Held::holdout: return "holdout";
    case Held::shadow: return "shadow";
    case Held::only_if: return "only_if";
    case Held::at_most: return "at_most";
    case Held::render: return "render";
    case Held::rule_gone: return "rule_gone";
    case Held::runs_full: return "runs_full";
    case Held::loop: return "loop";
    case Held::write: return "write";
    case Held::no_address: return "no_address";
    case Held::opted_out: return "opted_out";
    case Held::consent: return "consent";
    case Held::inhibited: return "inhibited";
    case Held::quiet_hours: return "quiet_hours";
    case Held::cap: return "cap";
    case Held::expired: return "expired";
    case Held::budget: return "budget";
    case Held::braked: return "braked";
    case Held::silenced: return "silenced";
    case Held::suppressed: return "suppressed";
    case Held::test_mode: return "test_mode";
    case Held::approval: return "approval";
    case Held::refused: return "refused";
    case Held::not_approved: return "not_approved";
    case Held::exit: return "exit";
    case Held::goal: return "goal";
    case Held::step_gone: return "step_gone";
    case Held::stopped: return "stopped";
    case Held::timeout: return "timeout";
    case Held::deferred: return "deferred";
  }
  return "";
}

namespace {

void encode_cause(Writer& out, const Cause& c) {
  out.u8(static_cast<std::uint8_t>(c.kind));
  out.svarint(c.at);
  out.varint(c.type);
  out.svarint(c.row_time);
  out.string(c.row_id);
  out.string(c.key);
}

void decode_cause(Reader& in, Cause& c) {
  c.kind = static_cast<Cause::Kind>(in.u8());
  c.at = in.svarint();
  c.type = static_cast<EventTypeId>(in.varint());
  c.row_time = in.svarint();
  c.row_id = in.string();
  c.key = in.string();
}

}  // namespace

void encode_decision(Writer& out, const Decision& d) {
  out.varint(d.number);
  out.u8(static_cast<std::uint8_t>((d.fired ? 1 : 0) | (d.deferred_until != 0 ? 2 : 0)));  // bit 1: an instant follows at the end
  out.u8(static_cast<std::uint8_t>(d.held));
  out.string(d.rule);
  out.varint(d.rule_id);
  out.varint(d.rule_version);
  out.string(d.customer);
  out.svarint(d.at);
  encode_cause(out, d.cause);
  out.varint(d.step);
  out.string(d.detail);
  if (d.deferred_until != 0) out.svarint(d.deferred_until);
}

bool decode_decision(Reader& in, Decision& d) {
  d.number = in.varint();
  const std::uint8_t flags = in.u8();
  d.fired = (flags & 1U) != 0;
  d.held = static_cast<Held>(in.u8());
  d.rule = in.string();
  d.rule_id = static_cast<RuleId>(in.varint());
  d.rule_version = in.varint();
  d.customer = in.string();
  d.at = in.svarint();
  decode_cause(in, d.cause);
  d.step = static_cast<std::uint32_t>(in.varint());
  d.detail = in.string();
  d.deferred_until = (flags & 2U) != 0 ? in.svarint() : 0;
  return !in.bad();
}

// The assignment is settled before an action is stored: who got it is, how it was chosen is not.
void encode_action(Writer& out, const ActionOut& a) {
  out.fixed64(a.id.hi);
  out.fixed64(a.id.lo);
  out.string(a.rule);
  out.varint(a.rule_id);
  out.varint(a.rule_version);
  out.string(a.customer);
  encode_cause(out, a.cause);
  out.varint(a.step);
  out.svarint(a.priority);
  out.svarint(a.at);
  out.u8(static_cast<std::uint8_t>(a.category));
  out.string(a.kind);
  out.string(a.channel);
  out.string(a.connector);
  out.u8(static_cast<std::uint8_t>((a.mandatory ? 1 : 0) | 2));  // bit 1: what came later stands at the end, with its length
  out.svarint(a.due);
  out.string(a.reason);
  out.string(a.payload);
  out.string(a.owner);
  out.string(a.owner_name);
  out.string(a.assignment.team);
  std::string more;
  Writer extra(more);
  extra.u8(static_cast<std::uint8_t>(a.purpose));
  extra.fixed64(static_cast<std::uint64_t>(a.expires_at));
  // A task goes to no connector: it has terms where others may have a choice.
  if (a.kind == "call_task")
    encode_terms(extra, a.terms);
  else if (a.on_unknown != OnUnknown::by_connector || !a.asks_for.empty())
    extra.u8(static_cast<std::uint8_t>(a.on_unknown));
  if (!a.asks_for.empty()) extra.string(a.asks_for);
  out.string(more);
}

bool decode_action(Reader& in, ActionOut& a) {
  a.id.hi = in.fixed64();
  a.id.lo = in.fixed64();
  a.rule = in.string();
  a.rule_id = static_cast<RuleId>(in.varint());
  a.rule_version = in.varint();
  a.customer = in.string();
  decode_cause(in, a.cause);
  a.step = static_cast<std::uint32_t>(in.varint());
  a.priority = static_cast<std::int32_t>(in.svarint());
  a.at = in.svarint();
  a.category = static_cast<Category>(in.u8());
  a.kind = in.string();
  a.channel = in.string();
  a.connector = in.string();
  const std::uint8_t flags = in.u8();
  a.mandatory = (flags & 1U) != 0;
  a.due = in.svarint();
  a.reason = in.string();
  a.payload = in.string();
  a.owner = in.string();
  a.owner_name = in.string();
  a.assignment.team = in.string();
  a.purpose = default_purpose(a.category);
  if ((flags & 2U) == 0) return !in.bad();
  Reader extra(in.string());
  a.purpose = static_cast<Purpose>(extra.u8());
  a.expires_at = static_cast<TimeMs>(extra.fixed64());
  if (!extra.at_end() && a.kind == "call_task") {
    if (!decode_terms(extra, a.terms)) return false;
  } else if (!extra.at_end()) {
    a.on_unknown = static_cast<OnUnknown>(extra.u8());
    if (!extra.at_end()) a.asks_for = extra.string();
  }
  return !in.bad() && !extra.bad();
}

}  // namespace nudge
