// How leads are kept, and what they have to hear of.
#include <algorithm>

#include "engine/base/codec.h"
#include "engine/core/leads.h"
#include "engine/core/work.h"
#include "engine/core/write.h"

namespace nudge {

namespace {

constexpr std::uint8_t kVersion = 1;

std::unexpected<Error> damaged(std::string_view what) {
  return fail(Code::corrupt, "a stored " + std::string(what) + " can't be read: it is damaged or was written by a newer version");
}

void put_time(Writer& out, TimeMs t) { out.fixed64(static_cast<std::uint64_t>(t)); }
TimeMs get_time(Reader& in) { return static_cast<TimeMs>(in.fixed64()); }

bool is_owner(const Plan& plan, AttributeId attribute) {
  return attribute != kNoAttribute && std::ranges::find(plan.pools, attribute, &Pool::owner_attribute) != plan.pools.end();
}

}  // namespace

void lead_signals(const Plan& plan, std::span<const Input> inputs, std::span<const Receipt> receipts, std::vector<LeadSignal>& out) {
  if (plan.pools.empty() && plan.funnels.empty()) return;
  for (std::size_t i = 0; i < inputs.size() && i < receipts.size(); ++i) {
    const Input& input = inputs[i];
    if (receipts[i] != Receipt::stored) continue;
    if (input.kind == InputKind::event) {
      const auto counts = [&](const auto& one) { return std::ranges::find(one.follow_ups, input.type) != one.follow_ups.end(); };
      if (std::ranges::any_of(plan.pools, counts) || std::ranges::any_of(plan.funnels, counts)) out.push_back({input.customer, input.time, input.type, kNoAttribute, {}, input.id});
      continue;
    }
    if (input.kind != InputKind::attributes) continue;
    for (const AttributeUpdate& update : input.attributes) {
      if (is_owner(plan, update.attribute)) out.push_back({input.customer, input.time, kNoEventType, update.attribute, update.value.bytes, input.id});
    }
  }
}

void lead_signals(const Plan& plan, const ActionOut& action, std::vector<LeadSignal>& out) {
  if (plan.pools.empty()) return;
  const bool writes = action.kind == "set_attribute" || action.kind == "assign_owner";
  if (!writes) return;
  const auto hear = [&](AttributeId attribute, std::string owner) {
    if (is_owner(plan, attribute)) out.push_back({action.customer, action.at + 1, kNoEventType, attribute, std::move(owner), "~" + to_hex(action.id)});
  };
  if (action.assigns) {
    if (!action.owner.empty()) hear(plan.catalog->find_attribute(json_text(action.payload, "attribute")), action.owner);
    return;
  }
  std::vector<AttributeId> known;
  for (const Pool& pool : plan.pools) {
    const AttributeId attribute = pool.owner_attribute;
    if (attribute == kNoAttribute || std::ranges::find(known, attribute) != known.end()) continue;
    known.push_back(attribute);
    const std::string key = "\"" + plan.catalog->attributes[attribute].name + "\":";
    if (action.payload.find(key) != std::string::npos) hear(attribute, json_text(action.payload, plan.catalog->attributes[attribute].name));
  }
}

std::optional<LeadCommand> lead_command_of(const ActionOut& action) {
  if (action.kind != "move_to_pool" && action.kind != "close_lead") return std::nullopt;
  LeadCommand command;
  command.kind = action.kind == "move_to_pool" ? LeadCommand::Kind::put : LeadCommand::Kind::close;
  command.customer = action.customer;
  command.pool = json_text(action.payload, "pool");
  command.reason = json_text(action.payload, "reason");
  command.by = "rule " + action.rule;
  command.as_manager = true;
  return command;
}

void encode_lead(std::string& bytes, const Lead& lead) {
  Writer out(bytes);
  out.u8(kVersion);
  out.string(lead.customer);
  out.string(lead.pool);
  out.string(lead.owner);
  out.u8(static_cast<std::uint8_t>(lead.state));
  out.u8(lead.member ? 1 : 0);
  put_time(out, lead.since);
  put_time(out, lead.followed_at);
  put_time(out, lead.recycle_at);
  out.varint(lead.changes);
  out.varint(lead.facts);
  out.string(lead.last_owner);
  put_time(out, lead.last_owned);
  out.string(lead.reason);
}

Result<Lead> decode_lead(std::string_view bytes) {
  Reader in(bytes);
  if (in.u8() != kVersion) return damaged("lead");
  Lead lead;
  lead.customer = in.string();
  lead.pool = in.string();
  lead.owner = in.string();
  const std::uint8_t state = in.u8();
  lead.state = static_cast<LeadState>(state);
  lead.member = in.u8() != 0;
  lead.since = get_time(in);
  lead.followed_at = get_time(in);
  lead.recycle_at = get_time(in);
  lead.changes = static_cast<std::uint32_t>(in.varint());
  lead.facts = static_cast<std::uint32_t>(in.varint());
  lead.last_owner = in.string();
  lead.last_owned = get_time(in);
  lead.reason = in.string();
  if (in.bad() || state < 1 || state > 3) return damaged("lead");
  return lead;
}

void encode_lead_change(std::string& bytes, const LeadChange& change) {
  Writer out(bytes);
  out.u8(kVersion);
  out.varint(change.number);
  put_time(out, change.at);
  for (const std::string* text : {&change.customer, &change.what, &change.pool, &change.owner, &change.previous, &change.by, &change.reason})
    out.string(*text);
}

Result<LeadChange> decode_lead_change(std::string_view bytes) {
  Reader in(bytes);
  if (in.u8() != kVersion) return damaged("change of a lead");
  LeadChange change;
  change.number = static_cast<std::uint32_t>(in.varint());
  change.at = get_time(in);
  for (std::string* text : {&change.customer, &change.what, &change.pool, &change.owner, &change.previous, &change.by, &change.reason})
    *text = in.string();
  if (in.bad()) return damaged("change of a lead");
  return change;
}

void encode_claims(std::string& bytes, const LeadClaims& claims) {
  Writer out(bytes);
  out.u8(kVersion);
  out.string(claims.pool);
  out.string(claims.person);
  put_time(out, claims.day);
  out.varint(claims.count);
}

Result<LeadClaims> decode_claims(std::string_view bytes) {
  Reader in(bytes);
  if (in.u8() != kVersion) return damaged("count of claims");
  LeadClaims claims;
  claims.pool = in.string();
  claims.person = in.string();
  claims.day = get_time(in);
  claims.count = static_cast<std::uint32_t>(in.varint());
  if (in.bad()) return damaged("count of claims");
  return claims;
}

}  // namespace nudge
