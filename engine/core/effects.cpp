#include "engine/core/effects.h"

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
  out.u8(d.fired ? 1 : 0);
  out.u8(static_cast<std::uint8_t>(d.held));
  out.string(d.rule);
  out.varint(d.rule_id);
  out.varint(d.rule_version);
  out.string(d.customer);
  out.svarint(d.at);
  encode_cause(out, d.cause);
  out.varint(d.step);
  out.string(d.detail);
}

bool decode_decision(Reader& in, Decision& d) {
  d.number = in.varint();
  d.fired = in.u8() != 0;
  d.held = static_cast<Held>(in.u8());
  d.rule = in.string();
  d.rule_id = static_cast<RuleId>(in.varint());
  d.rule_version = in.varint();
  d.customer = in.string();
  d.at = in.svarint();
  decode_cause(in, d.cause);
  d.step = static_cast<std::uint32_t>(in.varint());
  d.detail = in.string();
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
  out.u8(a.mandatory ? 1 : 0);
  out.svarint(a.due);
  out.string(a.reason);
  out.string(a.payload);
  out.string(a.owner);
  out.string(a.owner_name);
  out.string(a.assignment.team);
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
  a.mandatory = in.u8() != 0;
  a.due = in.svarint();
  a.reason = in.string();
  a.payload = in.string();
  a.owner = in.string();
  a.owner_name = in.string();
  a.assignment.team = in.string();
  return !in.bad();
}

}  // namespace nudge
