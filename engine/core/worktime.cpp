#include "engine/core/worktime.h"

#include <algorithm>
#include <vector>

namespace nudge {

namespace {

constexpr DateDays kHorizon = 400;

struct Span {
  TimeMs from, to;
};

// The working time that begins on a day; hours over midnight belong to the day they start on.
void append_day(const Plan& plan, const WorkHours& hours, const Zone& zone, DateDays day, std::vector<Span>& out) {
  if (hours.calendar < plan.business_calendars.size() && !plan.business_calendars[hours.calendar].works(day)) return;
  if (hours.open.empty()) return out.push_back({zone.start_of(day), zone.start_of(day + 1)});
  const auto weekday = static_cast<unsigned>(iso_weekday(day) - 1);
  // A day made up for is worked like a Friday of another week when its own weekday has no hours.
  std::uint8_t bit = static_cast<std::uint8_t>(1U << weekday);
  std::string_view why;
  const bool made_up = hours.calendar < plan.business_calendars.size() && plan.business_calendars[hours.calendar].works(day, &why) && !why.empty();
  const bool open = std::ranges::any_of(hours.open, [&](const Calendar& c) { return (c.weekdays & bit) != 0; });
  if (made_up && !open) bit = 1U << 4U;
  for (const Calendar& times : hours.open) {
    if ((times.weekdays & bit) == 0) continue;
    if (times.hours.empty()) out.push_back({zone.start_of(day), zone.start_of(day + 1)});
    for (const Calendar::Hours& h : times.hours) {
      const TimeMs from = zone.at(day, h.from);
      TimeMs to = 0;
      if (h.to > h.from)
        to = h.to >= kDay ? zone.start_of(day + 1) : zone.at(day, h.to);
      else
        to = zone.at(day + 1, h.to);
      if (to > from) out.push_back({from, to});
    }
  }
}

// Goes through working time from `at` on, in order and without overlaps, until `take` says that it has enough.
template <class Take>
bool walk(const Plan& plan, const WorkHours& hours, TimeMs at, Take take) {
  const Zone zone = zone_of(plan, hours);
  const DateDays first = zone.local(at).date - 1;
  std::vector<Span> spans;
  TimeMs cursor = at;
  for (DateDays day = first; day <= first + kHorizon; ++day) {
    append_day(plan, hours, zone, day, spans);
    std::ranges::sort(spans, {}, &Span::from);
    const TimeMs next_day = zone.start_of(day + 1);  // what starts later may still be overlapped by what is to come
    std::size_t taken = 0;
    for (; taken < spans.size() && spans[taken].from < next_day; ++taken) {
      const TimeMs from = std::max(cursor, spans[taken].from);
      if (from >= spans[taken].to) continue;
      if (take(from, spans[taken].to)) return true;
      cursor = spans[taken].to;
    }
    spans.erase(spans.begin(), spans.begin() + static_cast<std::ptrdiff_t>(taken));
  }
  return false;
}

}  // namespace

const WorkHours& hours_of(const Team& team, const Member& member) { return member.own_hours ? member.hours : team.hours; }

Zone zone_of(const Plan& plan, const WorkHours& hours) { return hours.has_zone ? hours.zone : plan.zone; }

bool works_at(const Plan& plan, const WorkHours& hours, TimeMs at) { return next_work(plan, hours, at) == at; }

TimeMs next_work(const Plan& plan, const WorkHours& hours, TimeMs at) {
  if (hours.always()) return at;
  TimeMs found = kNever;
  walk(plan, hours, at, [&](TimeMs from, TimeMs) {
    found = from;
    return true;
  });
  return found;
}

TimeMs after_work(const Plan& plan, const WorkHours& hours, TimeMs from, DurationMs length) {
  if (hours.always() || length <= 0) return from + length;
  TimeMs found = kNever;
  DurationMs left = length;
  walk(plan, hours, from, [&](TimeMs start, TimeMs end) {
    if (end - start < left) {
      left -= end - start;
      return false;
    }
    found = start + left;
    return true;
  });
  return found;
}

bool is_absent(const Plan& plan, const Team& team, const Member& member, TimeMs at, DateDays* until) {
  if (member.absences.empty()) return false;
  const DateDays today = zone_of(plan, hours_of(team, member)).local(at).date;
  for (const Absence& absence : member.absences) {
    if (today < absence.from || today > absence.to) continue;
    if (until != nullptr) *until = absence.to;
    return true;
  }
  return false;
}

}  // namespace nudge
