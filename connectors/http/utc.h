// UTC times as providers want them, without locale and without global state. Thread-safe, header-only.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace nudge::connectors {

struct Utc {
  int year, month, day, hour, minute, second, millisecond, weekday;  // weekday: 0 = Sunday
};

inline Utc utc(std::int64_t epoch_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> at{milliseconds(epoch_ms)};
  const sys_days day = floor<days>(at);
  const year_month_day date(day);
  const hh_mm_ss<milliseconds> time(at - day);
  return {static_cast<int>(date.year()),
          static_cast<int>(static_cast<unsigned>(date.month())),
          static_cast<int>(static_cast<unsigned>(date.day())),
          static_cast<int>(time.hours().count()),
          static_cast<int>(time.minutes().count()),
          static_cast<int>(time.seconds().count()),
          static_cast<int>(time.subseconds().count()),
          static_cast<int>(weekday(day).c_encoding())};
}

// 2026-01-02T03:04:05Z
inline std::string iso_utc(std::int64_t epoch_ms) {
  const Utc t = utc(epoch_ms);
  char out[64];
  std::snprintf(out, sizeof out, "%04d-%02d-%02dT%02d:%02d:%02dZ", t.year, t.month, t.day, t.hour, t.minute, t.second);
  return out;
}

}  // namespace nudge::connectors
