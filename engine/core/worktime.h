// Working time: whether somebody works at an instant, when they work next, and when so much working time has passed. Pure functions.
#pragma once

#include "engine/plan/plan.h"

namespace nudge {

// The hours of a member: their own, else the team's.
const WorkHours& hours_of(const Team& team, const Member& member);
// The zone of the hours, else the company's.
Zone zone_of(const Plan& plan, const WorkHours& hours);

// Whether `at` lies in working time (start included, end not).
bool works_at(const Plan& plan, const WorkHours& hours, TimeMs at);
// The first instant at or after `at` that is working time; kNever when none comes within 400 days.
TimeMs next_work(const Plan& plan, const WorkHours& hours, TimeMs at);
// The earliest instant by which `length` of working time has passed since `from`; `from` itself for no length. Without hours that is on the
// clock. kNever when it does not pass within 400 days of working days.
TimeMs after_work(const Plan& plan, const WorkHours& hours, TimeMs from, DurationMs length);

// Whether the member is away on the day that `at` is in their zone; `until` (may be null) gets the last day of it.
bool is_absent(const Plan& plan, const Team& team, const Member& member, TimeMs at, DateDays* until = nullptr);

}  // namespace nudge
