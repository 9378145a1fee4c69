// Time zones of the IANA data base. A Zone is an immutable handle that stays valid for the life of the process; safe from any thread.
#pragma once

#include <string_view>

#include "engine/base/time.h"

namespace nudge {

// What the wall shows at an instant in a zone.
struct LocalTime {
  DateDays date;
  DurationMs of_day;      // milliseconds since the wall showed 00:00
  DurationMs utc_offset;  // local = UTC + utc_offset
};

struct ZoneTable;  // zone.cpp

class Zone {
 public:
  // UTC.
  Zone() = default;
  // The zone with this IANA name; an unknown name is an error that names it.
  static Result<Zone> find(std::string_view name);

  std::string_view name() const;
  LocalTime local(TimeMs t) const;
  // The instant at which a calendar day starts: its midnight, or, where midnight is skipped, the first instant of the day;
  // where midnight comes twice, the first one.
  TimeMs start_of(DateDays d) const;
  // The instant at which the wall shows `of_day` on day d. In a gap: the end of the gap. Twice: the first time.
  TimeMs at(DateDays d, DurationMs of_day) const;
  // The next instant after t at which the offset from UTC changes, or kNever.
  TimeMs next_transition(TimeMs t) const;

  friend bool operator==(const Zone&, const Zone&) = default;

 private:
  const ZoneTable* impl_ = nullptr;  // in the process-wide table; null is UTC
};

}  // namespace nudge
