// The compiled form of policies: what binds every rule. Plain data; immutable once the plan is built.
//
// Consent, quiet hours, caps and inhibition are judged by the engine from one customer's state (core/policy.h); budgets and the brake by
// the desk, which sees all customers (core/desk.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/plan/condition.h"

namespace nudge {

// What a message is for. Numbers are stored: append only.
enum class Purpose : std::uint8_t {
  marketing = 1,  // to sell: needs that the customer does not mind
  service = 2,    // about something the customer has or asked for
  internal = 3,   // does not reach the customer
};
std::string_view purpose_name(Purpose p);
// The number of a channel as it is stored with a contact; 0 for one without a number of its own. Append only.
std::uint8_t channel_number(std::string_view channel);
// True for channels that reach the customer (email, sms, chat …), false for tasks, tickets and webhooks.
bool reaches_customer(std::string_view channel);
bool reaches_customer(std::uint8_t channel);  // by its number

// Which actions a policy binds. An empty list leaves that side open; without channels every channel that reaches the customer is meant,
// for a budget or brake every action.
struct PolicyMatch {
  std::vector<std::string> channels;
  std::vector<std::string> rules;
  std::vector<Purpose> purposes;
  std::vector<std::uint8_t> categories;  // numbers of Category
};

// Working days of a country or company: its weekdays, less its holidays, plus the days made up for.
struct BusinessCalendar {
  struct Day {
    DateDays date;
    std::string name;
  };
  std::string name;
  std::uint8_t weekdays = 0x1f;  // bit 0 = Monday
  std::vector<Day> holidays;     // by date
  std::vector<Day> workdays;     // make-up days that are worked whatever the weekday, by date
  // Whether the day is worked; `why` (may be null) gets the name of the holiday or make-up day.
  bool works(DateDays day, std::string_view* why = nullptr) const;
};

struct Policy {
  enum class Kind : std::uint8_t { consent, quiet_hours, cap, inhibit, budget, brake };
  // What happens to an action that the policy does not let through.
  enum class Over : std::uint8_t {
    cancel,  // dropped, with its reason
    defer,   // waits until the policy would let it through, then is judged again
    hold,    // kept until a person releases or discards it
  };
  Kind kind = Kind::consent;
  std::string name;
  std::string description;
  PolicyMatch match;

  NodeId condition = kNone;  // consent: must hold for the customer

  // quiet_hours: when messages may leave. `open` are times of the week; in a Calendar only weekdays and hours are set.
  std::vector<Calendar> open;
  std::uint32_t calendar = kNone;  // index into Plan::business_calendars: only on its working days
  Over over = Over::cancel;
  DurationMs spread = 0;  // what waited for the opening leaves over this time, each at its own instant
  enum class ZoneOf : std::uint8_t { customer, company, named } zone_of = ZoneOf::customer;
  std::string zone;  // named
  // For a customer without a `timezone`: the zone by a value of this attribute; of a phone attribute by the longest prefix.
  AttributeId zone_attribute = kNoAttribute;
  bool zone_by_prefix = false;
  std::vector<std::pair<std::string, std::string>> zones;  // value or prefix -> IANA name

  // cap, budget: at most so many in the last `per` (rolling), or in the calendar unit
  std::uint64_t at_most = 0;
  bool rolling = false;
  DurationMs per = 0;
  Window::Unit unit = Window::Unit::day;
  bool unit_is_hour = false;
  bool shared = false;  // budget: all rules that match share it, else each has its own

  PolicyMatch by;              // inhibit: an action of these rules …
  DurationMs within = 0;       // … so recently holds back the ones that match; cap: unused
  std::uint64_t times = 0;     // brake: an hour with more than this times the busiest hour of the last 7 days …
  std::uint64_t at_least = 0;  // … and more than this many stops the rule
};
std::string_view policy_kind_name(Policy::Kind kind);

}  // namespace nudge
