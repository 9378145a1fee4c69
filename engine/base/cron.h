// Schedules in cron's five fields: minute hour day-of-month month weekday. Immutable; safe from any thread.
//
// As in cron, when both the day of the month and the weekday are given (not *), either is enough. Weekdays are 0 to 7, 0 and 7 both Sunday;
// months and weekdays also by their first three letters in lower case. Lists (1,15), ranges (mon-fri) and steps (*/10, 8-18/2).
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/zone.h"

namespace nudge {

class Cron {
 public:
  // The message of an error names the field and its range.
  static Result<Cron> parse(std::string_view text);

  // The first instant after t at which the schedule is due on the zone's wall clock; kNever when there is none within 8 years (30
  // February). A time that the clocks skip is due once, at the end of the gap; one that comes twice is due the first time only.
  TimeMs next(TimeMs t, const Zone& zone) const;

 private:
  bool day_fits(DateDays day) const;
  std::uint64_t minutes_ = 0;
  std::uint32_t hours_ = 0, days_ = 0;
  std::uint16_t months_ = 0;
  std::uint8_t weekdays_ = 0;  // bit 0 = Sunday
  bool any_day_ = false, any_weekday_ = false;
};

}  // namespace nudge
