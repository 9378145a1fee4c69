// Instants, durations and their text. The engine has no clock: every instant comes in as an argument.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "engine/base/status.h"

namespace nudge {

// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds. The grain of everything in nudge.
using TimeMs = std::int64_t;
// A length of time in milliseconds.
using DurationMs = std::int64_t;
// Days since 1970-01-01, of a calendar date without a zone.
using DateDays = std::int32_t;

inline constexpr TimeMs kNever = std::numeric_limits<TimeMs>::max();   // an instant that does not come
inline constexpr TimeMs kAlways = std::numeric_limits<TimeMs>::min();  // before every instant

inline constexpr DurationMs kSecond = 1000;
inline constexpr DurationMs kMinute = 60 * kSecond;
inline constexpr DurationMs kHour = 60 * kMinute;
inline constexpr DurationMs kDay = 24 * kHour;  // in the language `d` is 24 hours, never a calendar day
inline constexpr DurationMs kWeek = 7 * kDay;

// The range of instants taken in: years 1 to 9999. Sums of such an instant and any duration of the language do not overflow.
inline constexpr TimeMs kTimeMin = -62135596800000;
inline constexpr TimeMs kTimeMax = 253402300799999;

// RFC 3339 with a zone ("2026-02-01T09:00:00.5+08:00", "Z"); up to 9 fraction digits, cut to milliseconds (never rounded up).
// A time without a zone is an error that says so.
Result<TimeMs> parse_timestamp(std::string_view text);
// "2026-02-01"
Result<DateDays> parse_date(std::string_view text);
// "90d", "2h", "15m", "30s", "1w", "250ms", and sums largest first: "1d12h". Not negative.
Result<DurationMs> parse_duration(std::string_view text);

// RFC 3339 in UTC, with milliseconds only when there are any: "2026-02-01T01:00:00Z".
std::string format_timestamp(TimeMs t);
std::string format_date(DateDays d);
// The shortest exact form that parse_duration reads: 5400000 -> "1h30m".
std::string format_duration(DurationMs d);

// Calendar arithmetic on the proleptic Gregorian calendar.
struct Ymd {
  std::int32_t year;
  std::uint8_t month;  // 1..12
  std::uint8_t day;    // 1..31
  friend bool operator==(const Ymd&, const Ymd&) = default;
};
Ymd ymd_of(DateDays d);
DateDays days_of(Ymd ymd);
bool is_leap(std::int32_t year);
std::uint8_t days_in_month(std::int32_t year, std::uint8_t month);
// 1 = Monday … 7 = Sunday (ISO 8601).
int iso_weekday(DateDays d);

}  // namespace nudge
