#include "engine/core/policy.h"

#include <algorithm>
#include <cstdio>

#include "engine/core/explain.h"
#include "engine/core/reply.h"

namespace nudge {

ReplyWord reply_word(std::string_view text) {
  static constexpr std::string_view kStop[] = {"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END",   "QUIT",  "REVOKE", "OPTOUT",
                                               "TD",   "T",       "N",        "退订",        "TD退订", "ARRET", "STOPP", "拒收"};
  static constexpr std::string_view kStart[] = {"START", "UNSTOP", "YES", "订阅"};
  while (!text.empty() && std::string_view(" \t\r\n").contains(text.front())) text.remove_prefix(1);
  while (!text.empty() && std::string_view(" \t\r\n.!").contains(text.back())) text.remove_suffix(1);
  if (text.size() > 16) return ReplyWord::other;
  std::string upper;
  for (const char c : text) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  if (std::ranges::find(kStop, upper) != std::end(kStop)) return ReplyWord::stop;
  return std::ranges::find(kStart, upper) != std::end(kStart) ? ReplyWord::start : ReplyWord::other;
}
namespace {

constexpr int kOpeningDays = 400;

bool within_list(const std::vector<std::string>& list, std::string_view name) {
  return list.empty() || std::ranges::find(list, name) != list.end();
}

bool fits(const PolicyMatch& match, std::string_view rule, Category category, Purpose purpose) {
  if (!within_list(match.rules, rule)) return false;
  if (!match.purposes.empty() && std::ranges::find(match.purposes, purpose) == match.purposes.end()) return false;
  return match.categories.empty() || std::ranges::find(match.categories, static_cast<std::uint8_t>(category)) != match.categories.end();
}

std::string clock_text(const Zone& zone, TimeMs t) {
  const LocalTime local = zone.local(t);
  char text[16];
  std::snprintf(text, sizeof text, "%02d:%02d", static_cast<int>(local.of_day / kHour), static_cast<int>(local.of_day % kHour / kMinute));
  return format_date(local.date) + " " + text;
}

std::string text_at(const CustomerState& state, AttributeId attribute, TimeMs now) {
  if (attribute == kNoAttribute) return {};
  TimeMs until = kNever;
  const ValueView v = state.attributes.at(attribute, now, until);
  return v.kind == Kind::text ? std::string(v.bytes) : std::string();
}

// The zone whose clock a policy goes by: the customer's own; else by country, region or the like; else the company's.
Zone zone_for(Evaluator& evaluator, const Policy& policy) {
  const Plan& plan = evaluator.plan();
  if (policy.zone_of == Policy::ZoneOf::company) return plan.zone;
  if (policy.zone_of == Policy::ZoneOf::named) return Zone::find(policy.zone).value_or(plan.zone);
  const std::string own = text_at(evaluator.state(), plan.zone_attribute, evaluator.now());
  if (!own.empty() && Zone::find(own)) return evaluator.zone();
  const std::string value = text_at(evaluator.state(), policy.zone_attribute, evaluator.now());
  std::string_view name;
  std::size_t longest = 0;
  for (const auto& [key, zone] : policy.zones) {
    const bool hit = policy.zone_by_prefix ? value.starts_with(key) : value == key;
    if (!hit || key.size() < longest) continue;
    longest = key.size();
    name = zone;
  }
  return name.empty() ? evaluator.zone() : Zone::find(name).value_or(plan.zone);
}

PolicyVerdict drop(Held held, const Policy* policy, std::string words) {
  PolicyVerdict v;
  v.kind = PolicyVerdict::Kind::drop;
  v.held = held;
  if (policy != nullptr) v.policy = policy->name;
  v.words = std::move(words);
  return v;
}

PolicyVerdict wait(Held held, const Policy& policy, TimeMs until, std::string words) {
  PolicyVerdict v = drop(held, &policy, std::move(words));
  v.kind = PolicyVerdict::Kind::defer;
  v.until = until;
  return v;
}

// --- opt-outs

// The newest row of the type that speaks of this channel and purpose; a row without a channel or purpose speaks of all.
struct Word {
  bool there = false;
  TimeMs time = 0;
  std::string_view id;
};
// The newest reply on this channel that says so and nothing else.
Word newest_answer(const CustomerState& state, const Plan::ConsentEvents& event, const PolicySubject& subject, TimeMs now, ReplyWord wanted) {
  const Rows* rows = event.type == kNoEventType || event.text == kNoField || event.channel == kNoField ? nullptr : state.rows(event.type);
  if (rows == nullptr) return {};
  for (std::size_t row = rows->upper_bound(now); row-- > 0;) {
    if (!rows->has_field(row, event.text) || !rows->has_field(row, event.channel)) continue;
    if (rows->field(row, event.channel, Kind::text).bytes != subject.channel) continue;
    if (reply_word(rows->field(row, event.text, Kind::text).bytes) == wanted) return {true, rows->time(row), rows->id(row)};
  }
  return {};
}

Word newest_word(const CustomerState& state, const Plan::ConsentEvents& event, const PolicySubject& subject, TimeMs now) {
  const Rows* rows = event.type == kNoEventType ? nullptr : state.rows(event.type);
  if (rows == nullptr) return {};
  const auto speaks = [&](std::size_t row, FieldId field, std::string_view wanted) {
    if (field == kNoField || !rows->has_field(row, field)) return true;
    return rows->field(row, field, Kind::text).bytes == wanted;
  };
  for (std::size_t row = rows->upper_bound(now); row-- > 0;) {
    if (speaks(row, event.channel, subject.channel) && speaks(row, event.purpose, purpose_name(subject.purpose)))
      return {true, rows->time(row), rows->id(row)};
  }
  return {};
}

PolicyVerdict judge_opt_out(Evaluator& evaluator, const PolicySubject& subject) {
  const Plan& plan = evaluator.plan();
  const auto newest = [&](const Plan::ConsentEvents& event, ReplyWord answer) {
    const Word word = newest_word(evaluator.state(), event, subject, evaluator.now());
    const Word said = newest_answer(evaluator.state(), plan.reply, subject, evaluator.now(), answer);
    return !word.there || (said.there && said.time > word.time) ? said : word;
  };
  const Word out = newest(plan.opt_out, ReplyWord::stop);
  if (!out.there) return {};
  const Word in = newest(plan.opt_in, ReplyWord::start);
  // At one instant the refusal counts: a message too few can be made up for.
  if (in.there && in.time > out.time) return {};
  return drop(Held::opted_out, nullptr,
              "the customer unsubscribed from " + std::string(subject.channel) + " (" + std::string(purpose_name(subject.purpose)) +
                  ") on " + format_timestamp(out.time) + ", event " + std::string(out.id));
}

// --- consent, inhibition

PolicyVerdict judge_consent(Evaluator& evaluator, const Policy& policy) {
  if (evaluator.truth(policy.condition).truth) return {};
  return drop(Held::consent, &policy,
              "consent `" + policy.name + "`: it does not hold that " + describe(evaluator.plan(), policy.condition));
}

std::string_view rule_name(const Plan& plan, RuleId id) {
  const auto found = plan.rule_of_id.find(id);
  return found == plan.rule_of_id.end() ? std::string_view() : std::string_view(plan.rules[found->second].name);
}

PolicyVerdict judge_inhibit(Evaluator& evaluator, const Policy& policy, const PolicySubject& subject) {
  const TimeMs now = evaluator.now();
  const Contact* source = nullptr;
  for (const Contact& c : evaluator.state().contacts) {
    if (c.at <= now - policy.within || c.at > now || c.rule == subject.rule_id || c.action == subject.action) continue;
    if (std::ranges::find(policy.by.rules, rule_name(evaluator.plan(), c.rule)) != policy.by.rules.end()) source = &c;
  }
  if (source == nullptr) return {};
  return drop(Held::inhibited, &policy,
              "inhibition `" + policy.name + "`: rule " + std::string(rule_name(evaluator.plan(), source->rule)) + " acted on " +
                  format_timestamp(source->at) + ", less than " + format_duration(policy.within) + " before");
}

// --- quiet hours

PolicyVerdict judge_quiet(Evaluator& evaluator, const Policy& policy) {
  const TimeMs now = evaluator.now();
  const Zone zone = zone_for(evaluator, policy);
  const Opening opening = opening_of(evaluator.plan(), policy, zone, now);
  if (opening.open) return {};
  const std::string words = "quiet hours `" + policy.name + "`: it is " + clock_text(zone, now) + " in " + std::string(zone.name()) + ", ";
  if (!opening.found) return drop(Held::quiet_hours, &policy, words + "and no opening comes within 400 days");
  if (policy.over == Policy::Over::cancel)
    return drop(Held::quiet_hours, &policy, words + "the next opening is " + clock_text(zone, opening.from));
  // Each customer has a place in the opening, the same whenever it is asked, and for all that waits: were it each message's own, one of a
  // lower rule could come first and take the last place under a cap.
  const DurationMs room = std::min(policy.spread, opening.to - opening.from);
  const std::uint64_t place = hash64(evaluator.state().id, static_cast<std::uint64_t>(opening.from));
  const DurationMs offset = room <= 0 ? 0 : static_cast<DurationMs>(place % static_cast<std::uint64_t>(room));
  const TimeMs until = opening.from + offset;
  return wait(Held::quiet_hours, policy, until, words + "it waits until " + clock_text(zone, until));
}

// --- caps

PolicyVerdict judge_cap(Evaluator& evaluator, const Policy& policy, const PolicySubject& subject) {
  const TimeMs now = evaluator.now();
  TimeMs start = now - policy.per, next = kNever;  // counted: start < t <= now, or start <= t for a calendar unit
  if (!policy.rolling) {
    const Zone& zone = policy.zone_of == Policy::ZoneOf::company ? evaluator.plan().zone : evaluator.zone();
    if (policy.unit_is_hour) {
      const LocalTime local = zone.local(now);
      start = now - local.of_day % kHour;
      next = start + kHour;
    } else {
      std::tie(start, next) = unit_around(policy.unit, now, zone);
      // Where the clock is put back over midnight the next day has begun once already: it begins for good a little later.
      for (TimeMs probe = now + kHour; next <= now; probe += kHour) next = unit_around(policy.unit, probe, zone).second;
    }
    start -= 1;
  }
  std::vector<TimeMs> counted;
  for (const Contact& c : evaluator.state().contacts) {
    if (c.at <= start || c.at > now || c.action == subject.action) continue;
    PolicySubject other;
    other.rule = rule_name(evaluator.plan(), c.rule);
    other.purpose = static_cast<Purpose>(c.purpose);
    const bool channel =
        policy.match.channels.empty()
            ? reaches_customer(c.channel)
            : std::ranges::any_of(policy.match.channels, [&](const std::string& name) { return channel_number(name) == c.channel; });
    if (channel && fits(policy.match, other.rule, subject.category, other.purpose)) counted.push_back(c.at);
  }
  if (counted.size() < policy.at_most) return {};
  static constexpr const char* kUnits[] = {"day", "week", "month", "quarter", "year"};
  if (policy.rolling) next = counted[counted.size() - policy.at_most] + policy.per;
  const std::string words = "cap `" + policy.name + "`: " + std::to_string(counted.size()) + " of " + std::to_string(policy.at_most) + " " +
                            (policy.rolling        ? "in the last " + format_duration(policy.per)
                             : policy.unit_is_hour ? "in this hour"
                                                   : "in this calendar " + std::string(kUnits[static_cast<int>(policy.unit)])) +
                            "; room again from " + format_timestamp(next);
  if (policy.over == Policy::Over::defer) return wait(Held::cap, policy, next, words);
  return drop(Held::cap, &policy, words);
}

PolicyVerdict judge_one(Evaluator& evaluator, const Policy& policy, const PolicySubject& subject) {
  switch (policy.kind) {
    case Policy::Kind::consent: return judge_consent(evaluator, policy);
    case Policy::Kind::inhibit: return judge_inhibit(evaluator, policy, subject);
    case Policy::Kind::quiet_hours: return judge_quiet(evaluator, policy);
    case Policy::Kind::cap: return judge_cap(evaluator, policy, subject);
    case Policy::Kind::budget:
    case Policy::Kind::brake: break;  // the desk's
  }
  return {};
}

constexpr Policy::Kind kOrder[] = {Policy::Kind::consent, Policy::Kind::inhibit, Policy::Kind::quiet_hours, Policy::Kind::cap};

// A wait that ends after the action has expired is none.
PolicyVerdict bounded(PolicyVerdict verdict, const PolicySubject& subject) {
  if (verdict.kind != PolicyVerdict::Kind::defer || verdict.until < subject.expires_at) return verdict;
  verdict.kind = PolicyVerdict::Kind::drop;
  verdict.held = Held::expired;
  verdict.words = "expired: it may leave until " + format_timestamp(subject.expires_at) + " only; " + verdict.words;
  return verdict;
}

}  // namespace

bool policy_binds(const Policy& policy, const PolicySubject& subject) {
  const bool over_all = policy.kind == Policy::Kind::budget || policy.kind == Policy::Kind::brake;
  const bool asked_for = std::ranges::find(policy.match.purposes, subject.purpose) != policy.match.purposes.end();
  if (!over_all && subject.purpose == Purpose::internal && !asked_for) return false;
  if (policy.match.channels.empty() ? !over_all && !reaches_customer(subject.channel)
                                    : !within_list(policy.match.channels, subject.channel))
    return false;
  return fits(policy.match, subject.rule, subject.category, subject.purpose);
}

PolicySubject subject_of(const ActionOut& action) {
  PolicySubject subject;
  subject.rule = action.rule;
  subject.rule_id = action.rule_id;
  subject.channel = action.channel;
  subject.category = action.category;
  subject.purpose = action.purpose;
  subject.action = action.id;
  subject.expires_at = action.expires_at;
  return subject;
}

PolicyVerdict judge_policies(Evaluator& evaluator, const PolicySubject& subject) {
  const Plan& plan = evaluator.plan();
  if (evaluator.now() >= subject.expires_at)
    return drop(Held::expired, nullptr, "expired: it may leave until " + format_timestamp(subject.expires_at) + " only");
  if (subject.purpose != Purpose::internal && reaches_customer(subject.channel)) {
    if (PolicyVerdict v = judge_opt_out(evaluator, subject); v.kind != PolicyVerdict::Kind::allow) return v;
  }
  if (plan.policies.empty()) return {};
  PolicyVerdict waits;
  for (const Policy::Kind kind : kOrder) {
    for (const Policy& policy : plan.policies) {
      if (policy.kind != kind || !policy_binds(policy, subject)) continue;
      PolicyVerdict v = judge_one(evaluator, policy, subject);
      if (v.kind == PolicyVerdict::Kind::drop) return v;
      // Of several that say wait, the longest wait; the others are asked again then.
      if (v.kind == PolicyVerdict::Kind::defer && (waits.kind == PolicyVerdict::Kind::allow || v.until > waits.until)) waits = std::move(v);
    }
    // Caps are asked when the message could leave, not while it waits for the morning.
    if (waits.kind != PolicyVerdict::Kind::allow) return bounded(std::move(waits), subject);
  }
  return {};
}

std::vector<PolicyVerdict> review_policies(Evaluator& evaluator, const PolicySubject& subject) {
  std::vector<PolicyVerdict> all;
  if (subject.purpose != Purpose::internal && reaches_customer(subject.channel)) {
    PolicyVerdict v = judge_opt_out(evaluator, subject);
    if (v.kind == PolicyVerdict::Kind::allow) v.words = "the customer has not unsubscribed from " + std::string(subject.channel);
    all.push_back(std::move(v));
  }
  for (const Policy::Kind kind : kOrder) {
    for (const Policy& policy : evaluator.plan().policies) {
      if (policy.kind != kind || !policy_binds(policy, subject)) continue;
      PolicyVerdict v = judge_one(evaluator, policy, subject);
      v.policy = policy.name;
      if (v.kind == PolicyVerdict::Kind::allow) v.words = std::string(policy_kind_name(kind)) + " `" + policy.name + "` lets it through";
      all.push_back(std::move(v));
    }
  }
  return all;
}

Opening opening_of(const Plan& plan, const Policy& policy, const Zone& zone, TimeMs now) {
  static const std::vector<Calendar> kEveryDay(1);
  static const std::vector<Calendar::Hours> kAllDay = {{0, kDay}};
  const BusinessCalendar* calendar = policy.calendar < plan.business_calendars.size() ? &plan.business_calendars[policy.calendar] : nullptr;
  Opening next;
  const DateDays first = zone.local(now).date - 1;  // hours over midnight belong to the day on which they start
  for (DateDays day = first; day < first + kOpeningDays; ++day) {
    if (calendar != nullptr && !calendar->works(day)) continue;
    for (const Calendar& open : policy.open.empty() ? kEveryDay : policy.open) {
      if (((open.weekdays >> (iso_weekday(day) - 1)) & 1U) == 0) continue;
      for (const Calendar::Hours& h : open.hours.empty() ? kAllDay : open.hours) {
        const TimeMs from = h.from == 0 ? zone.start_of(day) : zone.at(day, h.from);
        const TimeMs to = h.to <= h.from ? zone.at(day + 1, h.to) : h.to >= kDay ? zone.start_of(day + 1) : zone.at(day, h.to);
        if (to <= now || to <= from) continue;
        if (from <= now) return {true, true, from, to};
        if (!next.found || from < next.from) next = {false, true, from, to};
      }
    }
    if (next.found) break;
  }
  return next;
}

void keep_contact(const Plan& plan, CustomerState& state, const PolicySubject& subject, TimeMs now) {
  if (plan.contact_horizon == 0) return;
  const bool inhibits = std::ranges::any_of(plan.policies, [&](const Policy& p) {
    return p.kind == Policy::Kind::inhibit && std::ranges::find(p.by.rules, subject.rule) != p.by.rules.end();
  });
  const bool capped =
      std::ranges::any_of(plan.policies, [&](const Policy& p) { return p.kind == Policy::Kind::cap && policy_binds(p, subject); });
  if (!inhibits && !capped) return;
  auto& contacts = state.contacts;
  erase_if(contacts, [&](const Contact& c) { return c.at <= now - plan.contact_horizon; });
  const Contact contact{now, channel_number(subject.channel), static_cast<std::uint8_t>(subject.purpose), subject.rule_id, subject.action};
  const auto order = [](const Contact& a, const Contact& b) { return a.at != b.at ? a.at < b.at : a.action < b.action; };
  const auto it = std::ranges::lower_bound(contacts, contact, order);
  if (it == contacts.end() || it->at != contact.at || it->action != contact.action) contacts.insert(it, contact);
}

void correct_contact(const Plan& plan, CustomerState& state, const Input& told, bool left) {
  if (state.contacts.empty()) return;
  const EventTypeDef& type = plan.catalog->events[told.type];
  const FieldId field = type.find("action");
  if (field == kNoField || field >= told.fields.size() || told.fields[field].kind != Kind::text) return;
  const std::string& hex = told.fields[field].bytes;
  const auto it = std::ranges::find_if(state.contacts, [&](const Contact& c) { return to_hex(c.action) == hex; });
  if (it == state.contacts.end()) return;
  Contact contact = *it;
  state.contacts.erase(it);
  if (!left) return;
  contact.at = std::max(contact.at, told.time);
  const auto order = [](const Contact& a, const Contact& b) { return a.at != b.at ? a.at < b.at : a.action < b.action; };
  state.contacts.insert(std::ranges::lower_bound(state.contacts, contact, order), contact);
}

std::string describe_policy(const Plan& plan, const Policy& policy) {
  const auto per = [&]() -> std::string {
    static constexpr const char* kUnits[] = {"day", "week", "month", "quarter", "year"};
    if (policy.rolling) return format_duration(policy.per);
    return policy.unit_is_hour ? "calendar_hour" : "calendar_" + std::string(kUnits[static_cast<int>(policy.unit)]);
  };
  const auto over = [&]() -> std::string {
    return policy.over == Policy::Over::cancel ? "dropped" : policy.over == Policy::Over::defer ? "deferred" : "kept for a person";
  };
  switch (policy.kind) {
    case Policy::Kind::consent: return "needs " + describe(plan, policy.condition);
    case Policy::Kind::quiet_hours: {
      std::string out = "leaves in its opening hours only";
      if (policy.calendar < plan.business_calendars.size())
        out += ", on working days of calendar " + plan.business_calendars[policy.calendar].name;
      out += "; outside: " + over();
      if (policy.spread > 0) out += ", spread over " + format_duration(policy.spread);
      return out;
    }
    case Policy::Kind::cap: return "at most " + std::to_string(policy.at_most) + " per " + per() + " to one customer; more: " + over();
    case Policy::Kind::inhibit:
      return "held back within " + format_duration(policy.within) + " after an action of " + [&] {
        std::string names;
        for (const std::string& rule : policy.by.rules) names += (names.empty() ? "" : ", ") + rule;
        return names;
      }();
    case Policy::Kind::budget:
      return "at most " + std::to_string(policy.at_most) + " per " + per() + (policy.shared ? " of all rules together" : " of each rule") +
             "; more: " + over();
    case Policy::Kind::brake:
      return "a rule with more than " + std::to_string(policy.at_least) + " actions in an hour, and more than " +
             std::to_string(policy.times) + " times its busiest hour of the last 7 days" +
             (policy.at_most == 0 ? "" : " (or of the " + std::to_string(policy.at_most) + " that are expected)") + ", is stopped";
  }
  return "";
}

}  // namespace nudge
