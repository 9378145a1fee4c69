// Who executes: teams, their people, and when they work. Plain data; immutable once the plan is built.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/zone.h"
#include "engine/plan/condition.h"

namespace nudge {

// When somebody works. Without times and calendar: always.
struct WorkHours {
  std::vector<Calendar> open;      // times of the week; only weekdays and hours are set
  std::string calendar_name;       // its working days only; empty: every day
  std::uint32_t calendar = kNone;  // index into Plan::business_calendars
  bool has_zone = false;           // else the company's
  Zone zone;
  bool always() const { return open.empty() && calendar_name.empty(); }
};

// Days on which somebody does not work, both included.
struct Absence {
  DateDays from = 0, to = 0;
};

struct Member {
  std::string id;
  std::string name;
  std::string email;
  std::vector<std::pair<std::string, Value>> properties;  // region, hired, capacity, skills … by name
  std::uint32_t capacity = 0;                             // units of open work at once, and of new work in a day; 0: no limit
  std::uint32_t per_day = 0;                              // units of new work in a day, where it differs; 0: capacity
  std::uint32_t weight = 1;                               // of `strategy: weighted`
  bool own_hours = false;
  WorkHours hours;  // own_hours; else the team's
  std::vector<Absence> absences;  // by day
};

struct Team {
  std::string name;
  std::string manager;
  std::vector<Member> members;
  std::string overflow;  // the team that gets what nobody here can take; empty: it waits
  WorkHours hours;

  const Member* find(std::string_view id) const;
};

// What came of a try to do a task, as people name it.
struct Disposition {
  std::string name;
  std::string description;
  bool closes = true;             // else the task stays open: it is tried again …
  DurationMs retry_after = 0;     // … so much later, or at the time given with it (asks_time)
  bool asks_time = false;
  std::uint32_t tries_most = 0;   // the try with this number closes the task; 0: no end
};

}  // namespace nudge
