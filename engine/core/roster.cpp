#include "engine/core/roster.h"

#include <algorithm>
#include <limits>

#include "engine/core/evaluate.h"
#include "engine/core/render_filter.h"
#include "engine/core/worktime.h"

namespace nudge {

namespace {

constexpr std::size_t kWhyMembers = 12;  // passed over, named in the words
constexpr int kOverflowsMost = 8;
constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

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

const Value* value_of(const Bid& bid, AttributeId attribute) {
  if (attribute == kNoAttribute || bid.values == nullptr) return nullptr;
  for (const auto& [id, value] : *bid.values) {
    if (id == attribute) return &value;
  }
  return nullptr;
}

bool has_skill(const Member& member, std::string_view skill) {
  const auto skills = std::ranges::find(member.properties, "skills", &std::pair<std::string, Value>::first);
  if (skills == member.properties.end()) return false;
  return skills->second.kind == Kind::list ? list_has(skills->second.bytes, skill) : skills->second.bytes == skill;
}

// The first skill that is asked for and that the member has not; empty: they have all.
std::string missing_skill(const AssignEntry& entry, const Bid& bid, const Member& member) {
  for (const std::string& skill : entry.skills) {
    if (!has_skill(member, skill)) return skill;
  }
  const Value* asked = value_of(bid, entry.skill_attribute);
  if (asked == nullptr || asked->missing()) return {};
  if (asked->kind != Kind::list) return has_skill(member, asked->bytes) ? std::string() : asked->bytes;
  for (const std::string_view skill : unpack_list(asked->bytes)) {
    if (!has_skill(member, skill)) return std::string(skill);
  }
  return {};
}

std::uint64_t per_day_of(const Member& member) { return member.per_day != 0 ? member.per_day : member.capacity; }

std::string_view strategy_name(AssignEntry::Strategy strategy) {
  static constexpr std::string_view kNames[] = {"round_robin", "least_loaded", "owner", "weighted", "most_available", "by_skill", "sticky"};
  return kNames[static_cast<std::size_t>(strategy)];
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

// Who could take it, in the order of the team file.
struct Roster::Field {
  const Team* team = nullptr;
  std::vector<const Member*> open;  // may take it now
};

std::uint64_t Roster::load(std::string_view member) const {
  const auto it = load_.find(member);
  return it == load_.end() ? 0 : it->second;
}

std::uint64_t Roster::today(const Plan& plan, std::string_view member, TimeMs at) const {
  const auto it = days_.find(member);
  if (it == days_.end()) return 0;
  return it->second.start == unit_around(Window::Unit::day, at, plan.zone).first ? it->second.units : 0;
}

std::uint64_t Roster::turn_of(std::string_view member) const {
  const auto it = ledger_.find(member);
  return it == ledger_.end() ? 0 : it->second.turn;
}

std::uint64_t Roster::room(const Member& member) const {
  if (member.capacity == 0 || assume_done_) return kNoLimit;
  const std::uint64_t has = load(member.id);
  return has >= member.capacity ? 0 : member.capacity - has;
}

void Roster::consider(const Plan& plan, const Team& team, const AssignEntry& entry, const Bid& bid, Field& field, Choice& choice) const {
  static const std::vector<std::pair<AttributeId, Value>> kNoValues;
  std::vector<const Member*> off;  // may take it, and are not at work
  std::string passed;
  std::size_t named = 0;
  const auto pass = [&](const Member& member, const std::string& why) {
    if (++named <= kWhyMembers) passed += (passed.empty() ? "" : "; ") + member.id + " " + why;
  };
  for (const Member& member : team.members) {
    DateDays until = 0;
    if (!member_fits(entry.where, member, bid.values != nullptr ? *bid.values : kNoValues, bid.at)) {
      pass(member, "does not fit `where`");
    } else if (const std::string skill = entry.strategy == AssignEntry::Strategy::by_skill ? missing_skill(entry, bid, member) : "";
               !skill.empty()) {
      pass(member, "lacks the skill " + skill);
    } else if (bid.refused != nullptr && std::ranges::find(*bid.refused, member.id) != bid.refused->end()) {
      pass(member, "has had it already");
    } else if (is_absent(plan, team, member, bid.at, &until)) {
      pass(member, "is away until " + format_date(until));
      choice.may_change = true;
    } else if (room(member) < bid.units) {
      pass(member, "is full (" + std::to_string(load(member.id)) + " of " + std::to_string(member.capacity) + " units)");
      choice.may_change = true;
    } else if (const std::uint64_t had = today(plan, member.id, bid.at); per_day_of(member) != 0 && had + bid.units > per_day_of(member)) {
      pass(member, "got " + std::to_string(had) + " of " + std::to_string(per_day_of(member)) + " units today");
      choice.may_change = true;
    } else if (entry.off_hours != AssignEntry::OffHours::ignore && !works_at(plan, hours_of(team, member), bid.at)) {
      off.push_back(&member);
    } else {
      field.open.push_back(&member);
    }
  }
  if (field.open.empty() && entry.off_hours == AssignEntry::OffHours::prefer) {
    field.open = std::move(off);
  } else {
    for (const Member* member : off) pass(*member, "is off work");
    if (!off.empty()) choice.may_change = true;
  }
  field.team = &team;
  if (named > kWhyMembers) passed += "; and " + std::to_string(named - kWhyMembers) + " more";
  if (!passed.empty()) choice.why += (choice.why.empty() ? "" : " | ") + ("team " + team.name + ", passed over: " + passed);
}

// In the order of the file, the first one after whoever got the last.
const Member* Roster::in_turn(const std::string& ring, const Field& field) {
  const auto& members = field.team->members;
  const auto last = last_.find(ring);
  std::size_t start = 0;
  if (last != last_.end()) {
    const auto it = std::ranges::find(members, last->second, &Member::id);
    if (it != members.end()) start = static_cast<std::size_t>(it - members.begin()) + 1;
  }
  for (std::size_t i = 0; i < members.size(); ++i) {
    const Member* member = &members[(start + i) % members.size()];
    if (std::ranges::find(field.open, member) == field.open.end()) continue;
    last_[ring] = member->id;
    return member;
  }
  return nullptr;
}

// Smooth weighted turns: each round everybody gains their weight, and who gets it pays the sum of all.
const Member* Roster::by_weight(const std::string& ring, const Field& field) {
  auto& credit = credit_[ring];
  std::erase_if(credit, [&](const auto& entry) { return field.team->find(entry.first) == nullptr; });
  std::int64_t total = 0;
  const Member* best = nullptr;
  for (const Member* member : field.open) {
    if (member->weight == 0) continue;
    total += member->weight;
    credit[member->id] += member->weight;
    if (best == nullptr || credit[member->id] > credit[best->id]) best = member;
  }
  if (best != nullptr) credit[best->id] -= total;
  return best;
}

// Of equals, who waited longest.
const Member* Roster::most_room(const Field& field) const {
  const Member* best = nullptr;
  for (const Member* member : field.open) {
    if (best == nullptr || room(*member) > room(*best) || (room(*member) == room(*best) && turn_of(member->id) < turn_of(best->id)))
      best = member;
  }
  return best;
}

const Member* Roster::pick(const AssignEntry& entry, const Bid& bid, const std::string& ring, Field& field, std::string& why) {
  using Strategy = AssignEntry::Strategy;
  const auto open = [&](std::string_view id) -> const Member* {
    const auto it = std::ranges::find(field.open, id, &Member::id);
    return it == field.open.end() ? nullptr : *it;
  };
  if (entry.strategy == Strategy::sticky && !bid.last_owner.empty() && (entry.within == 0 || bid.last_owned > bid.at - entry.within)) {
    if (const Member* member = open(bid.last_owner)) {
      why = "had this customer's last task";
      return member;
    }
  }
  if (entry.strategy == Strategy::owner || entry.strategy == Strategy::sticky) {
    const Value* owner = value_of(bid, entry.owner_attribute);
    if (const Member* member = owner == nullptr || owner->missing() ? nullptr : open(owner->bytes)) {
      why = "is the customer's owner";
      return member;
    }
  }
  switch (entry.strategy) {
    case Strategy::least_loaded: {
      const Member* best = nullptr;
      for (const Member* member : field.open) {
        if (best == nullptr || load(member->id) < load(best->id) ||
            (load(member->id) == load(best->id) && turn_of(member->id) < turn_of(best->id)))
          best = member;
      }
      if (best != nullptr) why = "has the least open work: " + std::to_string(load(best->id)) + " units";
      return best;
    }
    case Strategy::weighted: {
      const Member* best = by_weight(ring, field);
      if (best != nullptr) why = "is next by weight (" + std::to_string(best->weight) + ")";
      return best;
    }
    case Strategy::most_available:
    case Strategy::by_skill: {
      const Member* best = most_room(field);
      if (best == nullptr) return nullptr;
      why = room(*best) == kNoLimit ? "has no limit, and waited longest" : "has the most room: " + std::to_string(room(*best)) + " units";
      if (entry.strategy == Strategy::by_skill) why = "has the skills, and " + why;
      return best;
    }
    default: {
      const Member* best = in_turn(ring, field);
      if (best != nullptr) why = "is next in turn";
      return best;
    }
  }
}

Choice Roster::choose(const Plan& plan, const Bid& bid) {
  static const std::vector<AssignEntry> kInTurns(1);
  Choice choice;
  const std::vector<AssignEntry>& entries = bid.assignment->entries.empty() ? kInTurns : bid.assignment->entries;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const AssignEntry* entry = &entries[i];
    std::string_view name = entry->team.empty() ? std::string_view(bid.assignment->team) : std::string_view(entry->team);
    // The team's overflow comes before the next entry: that entry is for other customers, or for when nobody at all is there.
    for (int hop = 0; hop < kOverflowsMost && !name.empty(); ++hop) {
      const Team* team = plan.find_team(name);
      if (team == nullptr) break;
      AssignEntry anybody;
      if (hop > 0) {  // `where` speaks of the people of the team that it was written for
        anybody = *entry;
        anybody.where = {};
        entry = &anybody;
      }
      Field field;
      consider(plan, *team, *entry, bid, field, choice);
      const std::string ring = team->name + '\n' + std::string(bid.rule);
      std::string why;
      if (const Member* member = field.open.empty() ? nullptr : pick(*entry, bid, ring, field, why)) {
        choice.member = member;
        choice.team = team->name;
        const std::string words = member->id + " " + why + " (team " + team->name + ", " + std::string(strategy_name(entry->strategy)) +
                                  (entries.size() > 1 ? ", entry " + std::to_string(i + 1) : "") + ")";
        choice.why = words + (choice.why.empty() ? "" : " | " + choice.why);
        return choice;
      }
      name = team->overflow;
      entry = &entries[i];
    }
  }
  return choice;
}

void Roster::given(const Plan& plan, std::string_view member, std::uint32_t units, TimeMs at, bool fresh) {
  load_[std::string(member)] += units;
  if (!fresh) return;
  Account& account = ledger_[std::string(member)];
  ++account.given;
  account.units += units;
  account.turn = ++turn_;
  account.last = at;
  Day& day = days_[std::string(member)];
  const TimeMs start = unit_around(Window::Unit::day, at, plan.zone).first;
  if (start > day.start) day = {start, 0};
  day.units += units;
}

void Roster::returned(std::string_view member, std::uint32_t units) {
  const auto it = load_.find(member);
  if (it == load_.end()) return;
  if (it->second <= units)
    load_.erase(it);
  else
    it->second -= units;
}

TimeMs Roster::next_chance(const Plan& plan, const Team& team, TimeMs at) {
  TimeMs next = unit_around(Window::Unit::day, at, plan.zone).second;
  for (const Member& member : team.members) {
    const WorkHours& hours = hours_of(team, member);
    if (!hours.always() && !works_at(plan, hours, at)) next = std::min(next, next_work(plan, hours, at + 1));
    DateDays until = 0;
    if (is_absent(plan, team, member, at, &until)) next = std::min(next, zone_of(plan, hours).start_of(until + 1));
  }
  return next;
}

void Roster::take_first_form(std::map<std::string, std::string> last, std::map<std::string, std::uint64_t> load) {
  last_ = std::move(last);
  for (auto& [member, units] : load) load_[member] = units;
}

void Roster::encode(Writer& out) const {
  out.varint(last_.size());
  for (const auto& [ring, id] : last_) {
    out.string(ring);
    out.string(id);
  }
  out.varint(credit_.size());
  for (const auto& [ring, members] : credit_) {
    out.string(ring);
    out.varint(members.size());
    for (const auto& [id, credit] : members) {
      out.string(id);
      out.svarint(credit);
    }
  }
  out.varint(load_.size());
  for (const auto& [id, units] : load_) {
    out.string(id);
    out.varint(units);
  }
  out.varint(days_.size());
  for (const auto& [id, day] : days_) {
    out.string(id);
    out.svarint(day.start);
    out.varint(day.units);
  }
  out.varint(ledger_.size());
  for (const auto& [id, account] : ledger_) {
    out.string(id);
    out.varint(account.given);
    out.varint(account.units);
    out.varint(account.declined);
    out.varint(account.turn);
    out.svarint(account.last);
  }
  out.varint(turn_);
}

bool Roster::decode(Reader& in) {
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    std::string ring(in.string());
    last_[std::move(ring)] = in.string();
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    auto& members = credit_[std::string(in.string())];
    for (std::uint64_t m = in.varint(); m > 0 && !in.bad(); --m) {
      std::string id(in.string());
      members[std::move(id)] = in.svarint();
    }
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    std::string id(in.string());
    load_[std::move(id)] = in.varint();
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    Day& day = days_[std::string(in.string())];
    day.start = in.svarint();
    day.units = in.varint();
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    Account& account = ledger_[std::string(in.string())];
    account.given = in.varint();
    account.units = in.varint();
    account.declined = in.varint();
    account.turn = in.varint();
    account.last = in.svarint();
  }
  turn_ = in.varint();
  return !in.bad();
}

}  // namespace nudge
