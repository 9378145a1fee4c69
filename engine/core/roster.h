// The roster: whom work goes to. It knows how much each person has and got, and takes turns; what a person may take follows from the plan's
// teams. It works in the order of the log, so a replay gives the same choices. Plain value; not thread-safe.
//
// Turns are kept by name, so a person who is added, away for a while or gone does not reset them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/base/codec.h"
#include "engine/plan/plan.h"

namespace nudge {

// One thing to be given to somebody.
struct Bid {
  const Assignment* assignment = nullptr;
  const std::vector<std::pair<AttributeId, Value>>* values = nullptr;  // of the customer
  std::string_view rule;
  std::string_view last_owner;   // who had this customer's last task …
  TimeMs last_owned = kAlways;   // … and when
  TimeMs at = 0;
  std::uint32_t units = 1;
  const std::vector<std::string>* refused = nullptr;  // ids of those who must not get it; may be null
};

struct Choice {
  const Member* member = nullptr;  // of the plan; null: nobody can take it now
  std::string team;                // that it went to
  std::string why;                 // for people: which entry, who was passed over and why
  bool may_change = false;         // nobody yet, but somebody who fits is only away or full
};

class Roster {
 public:
  // Chooses, and moves the turns on. Does not count the work: given() does.
  Choice choose(const Plan& plan, const Bid& bid);
  // Somebody has this work now, or has not any more. `fresh`: it counts as new work of their day.
  void given(const Plan& plan, std::string_view member, std::uint32_t units, TimeMs at, bool fresh = true);
  void returned(std::string_view member, std::uint32_t units);
  void declined(std::string_view member) { ++ledger_[std::string(member)].declined; }

  // Units of open work; units given on the day that `at` is.
  std::uint64_t load(std::string_view member) const;
  std::uint64_t today(const Plan& plan, std::string_view member, TimeMs at) const;
  // What each person was given in all: whether it is fair.
  struct Account {
    std::uint64_t given = 0, units = 0, declined = 0;
    std::uint64_t turn = 0;  // ascending: who got something last
    TimeMs last = kAlways;
  };
  const std::map<std::string, Account, std::less<>>& ledger() const { return ledger_; }
  // The next instant after `at` at which time alone can let somebody of the team take more: a day, a shift or an absence begins or ends.
  static TimeMs next_chance(const Plan& plan, const Team& team, TimeMs at);

  void encode(Writer& out) const;
  bool decode(Reader& in);
  // The first form of the record: turns and loads alone.
  void take_first_form(std::map<std::string, std::string> last, std::map<std::string, std::uint64_t> load);
  // For a backtest, where nobody does the work: it counts against the day, and not as open.
  void assume_done() { assume_done_ = true; }

 private:
  struct Day {
    TimeMs start = kAlways;
    std::uint64_t units = 0;
  };
  struct Field;
  void consider(const Plan& plan, const Team& team, const AssignEntry& entry, const Bid& bid, Field& field, Choice& choice) const;
  const Member* pick(const AssignEntry& entry, const Bid& bid, const std::string& ring, Field& field, std::string& why);
  const Member* in_turn(const std::string& ring, const Field& field);
  const Member* by_weight(const std::string& ring, const Field& field);
  const Member* most_room(const Field& field) const;
  std::uint64_t turn_of(std::string_view member) const;
  std::uint64_t room(const Member& member) const;

  std::map<std::string, std::string> last_;  // team + rule -> id of the member who got the last one in turn
  std::map<std::string, std::map<std::string, std::int64_t>> credit_;  // the same -> member -> credit of weighted turns
  std::map<std::string, std::uint64_t, std::less<>> load_;
  std::map<std::string, Day, std::less<>> days_;
  std::map<std::string, Account, std::less<>> ledger_;
  std::uint64_t turn_ = 0;
  bool assume_done_ = false;
};

// True when the member fits the filter. `values` are the customer's, for right sides that name an attribute. `now` gives tenure_days.
bool member_fits(const MemberFilter& filter, const Member& member, const std::vector<std::pair<AttributeId, Value>>& values, TimeMs now);

}  // namespace nudge
