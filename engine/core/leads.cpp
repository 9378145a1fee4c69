#include "engine/core/leads.h"

#include <algorithm>

#include "engine/base/codec.h"
#include "engine/core/evaluate.h"
#include "engine/core/render_filter.h"
#include "engine/core/telling.h"

namespace nudge {

namespace {

TimeMs day_of(const Plan& plan, TimeMs at) { return unit_around(Window::Unit::day, at, plan.zone).first; }

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

// Of one customer of any data directory: two customers that become one keep their ids apart.
std::string event_id(const Lead& lead, std::string_view what, std::uint32_t number) {
  return "nudge:" + to_hex(hash128("lead\n" + lead.customer)) + ":" + std::string(what) + ":" + std::to_string(number);
}

std::string words_for(const Plan& plan, std::string_view id) {
  const Member* member = find_member(plan, id);
  return member == nullptr || member->name == id ? std::string(id) : member->name + " (" + std::string(id) + ")";
}

std::string who_has(const Plan& plan, const Lead& lead) {
  if (lead.state == LeadState::closed) return "the lead is closed" + (lead.reason.empty() ? "" : ": " + lead.reason);
  if (lead.state == LeadState::owned) return "the lead is with " + words_for(plan, lead.owner);
  return "the lead lies in the pool " + lead.pool;
}

Result<void> fits(const std::vector<std::string>& allowed, const std::string& reason, std::string_view word) {
  if (reason.empty()) return fail(Code::invalid, "say why: {\"reason\": \"…\"}" + (allowed.empty() ? "" : "; one of " + joined(allowed)));
  if (allowed.empty() || std::ranges::find(allowed, reason) != allowed.end()) return {};
  return fail(Code::invalid, "\"" + reason + "\" is no reason to " + std::string(word) + " a lead of this pool; the reasons are " + joined(allowed));
}

}  // namespace

std::string_view lead_state_name(LeadState s) {
  static constexpr std::string_view kNames[] = {"", "pooled", "owned", "closed"};
  return kNames[static_cast<std::size_t>(s)];
}

const Lead* Leads::find(std::string_view customer) const {
  const auto it = leads_.find(customer);
  return it == leads_.end() ? nullptr : &it->second;
}

std::size_t Leads::owned(std::string_view pool, std::string_view person) const {
  const auto it = counts_.find({std::string(pool), std::string(person)});
  return it == counts_.end() ? 0 : it->second;
}

std::map<std::string, std::size_t> Leads::counts(std::string_view pool) const {
  std::map<std::string, std::size_t> out;
  for (auto it = counts_.lower_bound({std::string(pool), ""}); it != counts_.end() && it->first.first == pool; ++it) out[it->first.second] = it->second;
  return out;
}

std::uint32_t Leads::claimed_today(const Plan& plan, std::string_view pool, std::string_view person, TimeMs now) const {
  const auto it = claims_.find({std::string(pool), std::string(person)});
  return it == claims_.end() || it->second.day != day_of(plan, now) ? 0 : it->second.count;
}

// --- what is kept

void Leads::take_in(Lead& lead) {
  if (lead.state != LeadState::closed) ++counts_[{lead.pool, lead.owner}];
  if (lead.recycle_at != kNever) clocks_.emplace(lead.recycle_at, lead.customer);
}

void Leads::take_out(const Lead& lead) {
  if (const auto it = counts_.find({lead.pool, lead.owner}); it != counts_.end() && lead.state != LeadState::closed && --it->second == 0) counts_.erase(it);
  if (lead.recycle_at != kNever) clocks_.erase({lead.recycle_at, lead.customer});
}

void Leads::load(Lead lead) {
  forget(lead.customer);
  Lead& kept = leads_[lead.customer];
  kept = std::move(lead);
  take_in(kept);
}

void Leads::load(LeadClaims claims) { claims_[{claims.pool, claims.person}] = std::move(claims); }

void Leads::forget(std::string_view customer) {
  const auto it = leads_.find(customer);
  if (it == leads_.end()) return;
  take_out(it->second);
  leads_.erase(it);
}

void Leads::set_clock(const Plan& plan, Lead& lead, TimeMs not_before) {
  const Pool* pool = plan.find_pool(lead.pool);
  lead.recycle_at = kNever;
  if (lead.state != LeadState::owned || pool == nullptr || pool->recycle_after == 0) return;
  lead.recycle_at = std::max(std::max(lead.since, lead.followed_at) + pool->recycle_after, not_before);
}

void Leads::tell_owner(const Pool& pool, Lead& lead, TimeMs at, LeadOut& out) {
  Input fact;
  fact.kind = InputKind::attributes;
  fact.customer = lead.customer;
  fact.id = event_id(lead, "owner", ++lead.facts);
  fact.time = at;
  fact.attributes.push_back({pool.owner_attribute, lead.owner.empty() ? Value() : Value::of_text(lead.owner)});
  out.news.push_back(std::move(fact));
}

// --- the one way in which a lead changes

void Leads::become(const Plan& plan, Lead& lead, LeadState state, std::string_view owner, std::string_view pool, const Change& change, TimeMs now,
                   LeadOut& out) {
  const bool fresh = lead.changes == 0;
  const Lead before = lead;
  if (!fresh) take_out(lead);
  const TimeMs at = std::max(now, lead.since == kAlways ? now : lead.since + 1);
  if (!before.owner.empty()) {
    lead.last_owner = before.owner;
    lead.last_owned = at;
  }
  lead.state = state;
  lead.owner = owner;
  lead.pool = pool;
  lead.member = !owner.empty() && find_member(plan, owner) != nullptr;
  lead.since = at;
  lead.reason = change.reason;
  ++lead.changes;
  set_clock(plan, lead, kAlways);
  const Pool* where = plan.find_pool(lead.pool);
  // The attribute first, so that a rule on the event finds who has the customer.
  if (change.tell_owner && where != nullptr && where->owner_attribute != kNoAttribute && (fresh || before.state == LeadState::closed || before.owner != lead.owner)) {
    tell_owner(*where, lead, at, out);
  }
  Telling event(*plan.catalog, "lead_" + std::string(change.what), lead.customer, event_id(lead, change.what, lead.changes), at);
  if (event.known()) {
    event.text("pool", lead.pool).text("team", where != nullptr ? where->team : "").text("owner", lead.owner).text("previous", before.owner);
    event.text("by", change.by).text("reason", change.reason);
    if (!before.owner.empty()) event.set("owned_since", Value::of_timestamp(before.since));
    out.news.push_back(event.take());
  }
  out.changes.push_back({lead.customer, lead.changes, at, std::string(change.what), lead.pool, lead.owner, before.owner, std::string(change.by),
                         std::string(change.reason)});
  take_in(lead);
  out.touched.push_back({fresh ? std::nullopt : std::optional<Lead>(before), lead});
}

// --- people's words

Result<void> Leads::apply(const Plan& plan, const LeadCommand& command, TimeMs now, LeadOut& out) {
  if (command.kind == LeadCommand::Kind::put) return put(plan, command, now, out);
  const auto it = leads_.find(command.customer);
  if (it == leads_.end()) return fail(Code::not_found, "the customer " + command.customer + " is no lead: they are in no pool");
  Lead& lead = it->second;
  switch (command.kind) {
    case LeadCommand::Kind::claim: return claim(plan, lead, command, now, out);
    case LeadCommand::Kind::assign:
    case LeadCommand::Kind::transfer: return give(plan, lead, command, now, out);
    case LeadCommand::Kind::give_back: return give_back(plan, lead, command, now, out);
    case LeadCommand::Kind::close: return close(plan, lead, command, now, out);
    case LeadCommand::Kind::put: break;
  }
  return {};
}

Result<void> Leads::put(const Plan& plan, const LeadCommand& command, TimeMs now, LeadOut& out) {
  if (plan.find_pool(command.pool) == nullptr) {
    std::vector<std::string> names;
    for (const Pool& pool : plan.pools) names.push_back(pool.name);
    return fail(Code::invalid, "there is no pool \"" + command.pool + "\"" + (names.empty() ? "" : "; there are " + joined(names)));
  }
  Lead& lead = leads_[command.customer];
  lead.customer = command.customer;
  if (lead.changes != 0 && lead.state == LeadState::pooled && lead.pool == command.pool) return {};  // it lies there already
  become(plan, lead, LeadState::pooled, {}, command.pool, {"pooled", command.by, command.reason}, now, out);
  return {};
}

Result<void> Leads::claim(const Plan& plan, Lead& lead, const LeadCommand& command, TimeMs now, LeadOut& out) {
  if (command.by.empty()) return fail(Code::invalid, "say who claims it: {\"by\": \"lin\"}");
  if (lead.state == LeadState::owned && lead.owner == command.by) return {};  // said twice
  if (lead.state != LeadState::pooled) return fail(Code::conflict, who_has(plan, lead));
  const Pool* pool = plan.find_pool(lead.pool);
  if (pool == nullptr) return fail(Code::conflict, "the pool " + lead.pool + " is in the rules no more; put the lead into another");
  const Team* team = plan.find_team(pool->team);
  const bool inside = team != nullptr && (team->find(command.by) != nullptr || team->manager == command.by);
  if (!inside && (!pool->everybody || find_member(plan, command.by) == nullptr))
    return fail(Code::invalid, command.by + " is not in " + (pool->everybody ? "any team" : "the team " + pool->team + ", whose pool " + pool->name + " is"));
  if (pool->again_after != 0 && lead.last_owner == command.by && now < lead.last_owned + pool->again_after)
    return fail(Code::conflict, command.by + " had this lead until " + format_timestamp(lead.last_owned) + " and may claim it again from " +
                                    format_timestamp(lead.last_owned + pool->again_after) + " on");
  if (const std::size_t has = owned(pool->name, command.by); pool->owned_most != 0 && has >= pool->owned_most)
    return fail(Code::conflict, command.by + " has " + std::to_string(has) + " leads of the pool " + pool->name + ", and more than " +
                                    std::to_string(pool->owned_most) + " are not allowed; give one back first");
  LeadClaims& claims = claims_[{pool->name, command.by}];
  claims.pool = pool->name;
  claims.person = command.by;
  if (const TimeMs day = day_of(plan, now); claims.day != day) {
    claims.day = day;
    claims.count = 0;
  }
  if (pool->per_day != 0 && claims.count >= pool->per_day)
    return fail(Code::conflict, command.by + " has claimed " + std::to_string(claims.count) + " leads of the pool " + pool->name +
                                    " today, and more than " + std::to_string(pool->per_day) + " in a day are not allowed");
  ++claims.count;
  out.claims.push_back(claims);
  become(plan, lead, LeadState::owned, command.by, lead.pool, {"claimed", command.by, command.reason}, now, out);
  return {};
}

// A manager's `assign` stands whatever limits say; a `transfer` is the owner's own word.
Result<void> Leads::give(const Plan& plan, Lead& lead, const LeadCommand& command, TimeMs now, LeadOut& out) {
  const bool transfer = command.kind == LeadCommand::Kind::transfer;
  if (command.to.empty()) return fail(Code::invalid, "say who gets it: {\"to\": \"lin\"}");
  if (find_member(plan, command.to) == nullptr) return fail(Code::invalid, "\"" + command.to + "\" is in no team; `to` is the id of a member");
  if (lead.state == LeadState::closed || (transfer && lead.state != LeadState::owned)) return fail(Code::conflict, who_has(plan, lead));
  if (transfer && lead.owner != command.by && !command.as_manager)
    return fail(Code::conflict, who_has(plan, lead) + ", who alone can transfer it; a manager can assign it");
  if (lead.owner == command.to) return fail(Code::conflict, who_has(plan, lead) + " already");
  become(plan, lead, LeadState::owned, command.to, lead.pool, {transfer ? "transferred" : "assigned", command.by, command.reason}, now, out);
  return {};
}

Result<void> Leads::give_back(const Plan& plan, Lead& lead, const LeadCommand& command, TimeMs now, LeadOut& out) {
  if (lead.state != LeadState::owned) return fail(Code::conflict, who_has(plan, lead));
  if (lead.owner != command.by && !command.as_manager) return fail(Code::conflict, who_has(plan, lead) + ", who alone can give it back");
  const std::string to = command.pool.empty() ? lead.pool : command.pool;
  const Pool* pool = plan.find_pool(to);
  if (pool == nullptr) return fail(command.pool.empty() ? Code::conflict : Code::invalid, "there is no pool \"" + to + "\"");
  const Pool* own = plan.find_pool(lead.pool);
  NUDGE_TRY(fits(own != nullptr ? own->return_reasons : std::vector<std::string>(), command.reason, "return"));
  become(plan, lead, LeadState::pooled, {}, to, {"returned", command.by, command.reason}, now, out);
  return {};
}

Result<void> Leads::close(const Plan& plan, Lead& lead, const LeadCommand& command, TimeMs now, LeadOut& out) {
  if (lead.state == LeadState::closed) return fail(Code::conflict, who_has(plan, lead));
  if (lead.state == LeadState::owned && lead.owner != command.by && !command.as_manager)
    return fail(Code::conflict, who_has(plan, lead) + ", who alone can close it");
  if (lead.state == LeadState::pooled && !command.as_manager)
    return fail(Code::conflict, who_has(plan, lead) + ": claim it, or let a manager close it");
  const Pool* pool = plan.find_pool(lead.pool);
  NUDGE_TRY(fits(pool != nullptr ? pool->close_reasons : std::vector<std::string>(), command.reason, "close"));
  become(plan, lead, LeadState::closed, {}, lead.pool, {"closed", command.by, command.reason}, now, out);
  return {};
}

// --- two customers that are one

void Leads::merged(const Plan& plan, std::string_view alias, std::string_view customer, TimeMs now, LeadOut& out) {
  const auto it = leads_.find(alias);
  if (it == leads_.end() || alias == customer) return;
  const Lead gone = std::move(it->second);
  take_out(gone);
  leads_.erase(it);
  out.gone.push_back(gone);
  const auto reach = [](LeadState state) { return state == LeadState::owned ? 2 : state == LeadState::pooled ? 1 : 0; };
  Lead& lead = leads_[std::string(customer)];
  const bool fresh = lead.changes == 0;
  const Lead before = lead;
  if (!fresh) take_out(lead);
  if (fresh || reach(gone.state) > reach(before.state)) {
    lead = gone;
    lead.customer = customer;
    lead.changes = before.changes;
    lead.facts = before.facts;
    if (!fresh) lead.since = std::max(gone.since, before.since);
  }
  lead.followed_at = std::max(gone.followed_at, before.followed_at);
  set_clock(plan, lead, kAlways);
  out.changes.push_back({lead.customer, ++lead.changes, now, "merged", lead.pool, lead.owner, before.owner, {}, "the customer was known as " + std::string(alias)});
  // Of the updates of both names the newest wins, and that may be the other one's.
  const Pool* pool = plan.find_pool(lead.pool);
  if (pool != nullptr && pool->owner_attribute != kNoAttribute && lead.state != LeadState::closed) tell_owner(*pool, lead, std::max(now, lead.since), out);
  take_in(lead);
  out.touched.push_back({fresh ? std::nullopt : std::optional<Lead>(before), lead});
}

// --- what comes in, and time

void Leads::hear(const Plan& plan, const LeadSignal& signal, LeadOut& out) {
  const auto it = leads_.find(signal.customer);
  if (it == leads_.end() || it->second.state == LeadState::closed) return;
  Lead& lead = it->second;
  const Pool* pool = plan.find_pool(lead.pool);
  if (pool == nullptr) return;
  if (signal.event != kNoEventType) {
    if (signal.at <= lead.followed_at || std::ranges::find(pool->follow_ups, signal.event) == pool->follow_ups.end()) return;
    const Lead before = lead;
    take_out(lead);
    lead.followed_at = signal.at;
    set_clock(plan, lead, kAlways);
    take_in(lead);
    out.touched.push_back({before, lead});
    return;
  }
  if (signal.attribute != pool->owner_attribute || signal.owner == lead.owner) return;
  // The later of two updates wins, as in the customer's state.
  const std::string ours = event_id(lead, "owner", lead.facts);
  if (signal.at < lead.since || (signal.at == lead.since && signal.id < ours)) return;
  const Change change{signal.owner.empty() ? "returned" : lead.owner.empty() ? "assigned" : "transferred", {}, "the customer's record says so", false};
  become(plan, lead, signal.owner.empty() ? LeadState::pooled : LeadState::owned, signal.owner, lead.pool, change, signal.at, out);
}

void Leads::run(const Plan& plan, TimeMs now, LeadOut& out) {
  while (!clocks_.empty() && clocks_.begin()->first <= now) {
    const auto [at, customer] = *clocks_.begin();
    Lead& lead = leads_.find(customer)->second;
    const Pool* pool = plan.find_pool(lead.pool);
    const std::string to = pool == nullptr || pool->recycle_to.empty() ? lead.pool : pool->recycle_to;
    const std::string reason = "no follow-up since " + format_timestamp(std::max(lead.since, lead.followed_at));
    become(plan, lead, LeadState::pooled, {}, to, {"recycled", {}, reason}, at, out);
  }
}

void Leads::plan_changed(const Plan& plan, TimeMs now, LeadOut& out) {
  for (auto& [customer, lead] : leads_) {
    if (lead.state != LeadState::owned) continue;
    if (lead.member && find_member(plan, lead.owner) == nullptr) {
      become(plan, lead, LeadState::pooled, {}, lead.pool, {"returned", {}, "the person is in no team any more"}, now, out);
      continue;
    }
    Lead other = lead;
    set_clock(plan, other, kAlways);
    if (other.recycle_at == lead.recycle_at) continue;
    set_clock(plan, other, now);  // terms that would have ended it earlier end it now
    if (other.recycle_at == lead.recycle_at) continue;
    const Lead before = lead;
    take_out(lead);
    lead.recycle_at = other.recycle_at;
    take_in(lead);
    out.touched.push_back({before, lead});
  }
}

}  // namespace nudge
