#include "tests/simulation/sales/leads_reference.h"

#include <algorithm>

namespace nudge::leads_reference {

const Pool* Judge::pool(const std::string& name) const {
  for (const Pool& p : pools_) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

bool Judge::member(const std::string& person) const {
  return std::ranges::any_of(teams_, [&](const auto& t) { return t.second.contains(person); });
}

const Entry* Judge::last(const std::string& lead) const {
  const Entry* found = nullptr;
  const auto gone = gone_.find(lead);
  for (std::size_t i = gone == gone_.end() ? 0 : gone->second; i < journal_.size(); ++i) {
    if (journal_[i].lead == lead) found = &journal_[i];
  }
  return found;
}

void Judge::write(const std::string& lead, const std::string& what, const std::string& pool_name, const std::string& owner, int now) {
  const Entry* before = last(lead);
  Entry e{now, lead, what, pool_name, owner, before == nullptr ? "" : before->owner, what == "closed", now, {}, 0};
  if (before != nullptr) {
    e.loser = before->owner.empty() ? before->loser : before->owner;
    e.lost = before->owner.empty() ? before->lost : now;
  }
  journal_.push_back(e);
  strangers_.erase(lead);
  if (!owner.empty() && !member(owner)) strangers_.insert(lead);
}

bool Judge::put(const std::string& lead, const std::string& name, int now) {
  const Entry* is = last(lead);
  if (is != nullptr && !is->closed && is->owner.empty() && is->pool == name) return true;
  write(lead, "pooled", name, "", now);
  return true;
}

bool Judge::claim(const std::string& lead, const std::string& by, int now) {
  const Entry* is = last(lead);
  if (is == nullptr) return refuse();
  if (is->owner == by) return true;
  if (!is->owner.empty() || is->closed) return refuse();
  const Pool& p = *pool(is->pool);
  const auto team = teams_.find(p.team);
  const auto manager = managers_.find(p.team);
  const bool inside = (team != teams_.end() && team->second.contains(by)) || (manager != managers_.end() && manager->second == by);
  if (!inside && !(p.everybody && member(by))) return refuse();
  if (p.again_after > 0 && is->loser == by && now < is->lost + p.again_after) return refuse();
  std::set<std::string> leads;
  int has = 0, today = 0;
  for (const Entry& e : journal_) {
    leads.insert(e.lead);
    today += e.what == "claimed" && e.owner == by && e.pool == p.name && e.at / (24 * 60) == now / (24 * 60) ? 1 : 0;
  }
  for (const std::string& one : leads) has += last(one) != nullptr && last(one)->owner == by && last(one)->pool == p.name ? 1 : 0;
  if (p.owned_most > 0 && has >= p.owned_most) return refuse();
  if (p.per_day > 0 && today >= p.per_day) return refuse();
  write(lead, "claimed", is->pool, by, now);
  return true;
}

bool Judge::give(const std::string& lead, const std::string& by, const std::string& to, bool transfer, int now) {
  const Entry* is = last(lead);
  if (is == nullptr || is->closed || !member(to) || is->owner == to) return refuse();
  if (transfer && (is->owner.empty() || (!by.empty() && is->owner != by))) return refuse();
  write(lead, transfer ? "transferred" : "assigned", is->pool, to, now);
  return true;
}

bool Judge::give_back(const std::string& lead, const std::string& by, const std::string& reason, int now) {
  const Entry* is = last(lead);
  if (is == nullptr || is->owner.empty() || (!by.empty() && is->owner != by)) return refuse();
  if (reason.empty() || (pool(is->pool)->wants_reasons && reason != "good")) return refuse();
  write(lead, "returned", is->pool, "", now);
  return true;
}

bool Judge::close(const std::string& lead, const std::string& by, const std::string& reason, int now) {
  const Entry* is = last(lead);
  if (is == nullptr || is->closed || (!by.empty() && is->owner != by)) return refuse();
  if (reason.empty() || (pool(is->pool)->wants_reasons && reason != "good")) return refuse();
  write(lead, "closed", is->pool, "", now);
  return true;
}

void Judge::record_says(const std::string& lead, const std::string& owner, int now) {
  const Entry* is = last(lead);
  if (is == nullptr || is->closed || is->owner == owner) return;
  write(lead, owner.empty() ? "returned" : is->owner.empty() ? "assigned" : "transferred", is->pool, owner, now);
}

void Judge::merged(const std::string& alias, const std::string& customer, int now) {
  if (last(alias) == nullptr) return;
  const Entry theirs = *last(alias);
  const bool stranger = strangers_.erase(alias) != 0;
  gone_[alias] = journal_.size();
  for (auto& [who, at] : follow_ups_) who = who == alias ? customer : who;
  const Entry* own = last(customer);
  const auto far = [](const Entry& e) { return e.closed ? 0 : e.owner.empty() ? 1 : 2; };
  Entry e = own == nullptr || far(theirs) > far(*own) ? theirs : *own;
  if (own == nullptr || far(theirs) > far(*own)) {
    strangers_.erase(customer);
    if (stranger) strangers_.insert(customer);
    if (own != nullptr) e.since = std::max(e.since, own->since);
  }
  e.previous = own == nullptr ? "" : own->owner;
  e.at = now;
  e.lead = customer;
  e.what = "merged";
  journal_.push_back(e);
  ++joined;
}

void Judge::minute(int now) {
  std::set<std::string> leads;
  for (const Entry& e : journal_) leads.insert(e.lead);
  for (const std::string& lead : leads) {
    const Entry* is = last(lead);
    if (is == nullptr) continue;
    const Pool& p = *pool(is->pool);
    if (is->owner.empty() || p.recycle_after == 0) continue;
    int since = is->since;
    for (const auto& [who, at] : follow_ups_) since = who == lead ? std::max(since, at) : since;
    if (since + p.recycle_after > now) continue;
    ++recycled;
    write(lead, "recycled", p.recycle_to.empty() ? p.name : p.recycle_to, "", now);
  }
}

void Judge::teams(std::map<std::string, std::set<std::string>> teams, int now) {
  teams_ = std::move(teams);
  std::set<std::string> leads;
  for (const Entry& e : journal_) leads.insert(e.lead);
  for (const std::string& lead : leads) {
    const Entry* is = last(lead);
    if (is != nullptr && !is->owner.empty() && !strangers_.contains(lead) && !member(is->owner)) write(lead, "returned", is->pool, "", now);
  }
}

}  // namespace nudge::leads_reference
