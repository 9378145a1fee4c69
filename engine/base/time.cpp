#include "engine/base/time.h"

#include <array>

namespace nudge {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads exactly n digits at `pos` and moves it on; -1 when they are not there.
int digits(std::string_view text, std::size_t& pos, std::size_t n) {
  if (text.size() - pos < n) return -1;
  int v = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const char c = text[pos + i];
    if (!is_digit(c)) return -1;
    v = v * 10 + (c - '0');
  }
  pos += n;
  return v;
}

bool skip(std::string_view text, std::size_t& pos, char c) {
  if (pos >= text.size() || text[pos] != c) return false;
  ++pos;
  return true;
}

// What a person wrote, short enough to show.
std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 40;
  std::string out = "\"";
  out += text.substr(0, kShown);
  if (text.size() > kShown) out += "…";
  return out + "\"";
}

std::unexpected<Error> bad_time(std::string_view text, std::string_view why) {
  return fail(Code::invalid, quoted(text) + " is no timestamp: " + std::string(why) + "; write it like 2026-02-01T09:00:00+08:00");
}

// "YYYY-MM-DD" at pos; empty string when it is one, else why not.
std::string_view read_date(std::string_view text, std::size_t& pos, DateDays& out) {
  const int year = digits(text, pos, 4);
  if (year < 0 || !skip(text, pos, '-')) return "it does not start with a date";
  const int month = digits(text, pos, 2);
  if (month < 0 || !skip(text, pos, '-')) return "it does not start with a date";
  const int day = digits(text, pos, 2);
  if (day < 0) return "it does not start with a date";
  if (year < 1) return "the year must be 1 to 9999";
  if (month < 1 || month > 12) return "the month must be 01 to 12";
  if (day < 1 || day > days_in_month(year, static_cast<std::uint8_t>(month))) return "that month has no such day";
  out = days_of({year, static_cast<std::uint8_t>(month), static_cast<std::uint8_t>(day)});
  return {};
}

// The part after the time: "Z" or "+08:00", as milliseconds that local time is ahead.
std::string_view read_offset(std::string_view text, std::size_t& pos, DurationMs& out) {
  if (pos == text.size()) return "the time zone is missing (end it with Z or with an offset such as +08:00)";
  if (skip(text, pos, 'Z') || skip(text, pos, 'z')) {
    out = 0;
    return {};
  }
  const bool minus = text[pos] == '-';
  if (!minus && text[pos] != '+') return "after the time comes Z or an offset such as +08:00";
  ++pos;
  const int hours = digits(text, pos, 2);
  if (hours < 0 || !skip(text, pos, ':')) return "the offset must look like +08:00";
  const int minutes = digits(text, pos, 2);
  if (minutes < 0 || hours > 23 || minutes > 59) return "the offset must look like +08:00";
  out = (hours * kHour + minutes * kMinute) * (minus ? -1 : 1);
  return {};
}

void append_padded(std::string& out, std::int64_t v, std::size_t width) {
  const std::string s = std::to_string(v);
  if (s.size() < width) out.append(width - s.size(), '0');
  out += s;
}

struct DurationUnit {
  std::string_view name;
  DurationMs ms;
};
// Largest first: the order in which they may be written.
constexpr std::array<DurationUnit, 6> kUnits{{{"w", kWeek}, {"d", kDay}, {"h", kHour}, {"m", kMinute}, {"s", kSecond}, {"ms", 1}}};
// Far above every limit of the language, far below what could overflow.
constexpr DurationMs kDurationMax = 3'000'000 * kDay;

}  // namespace

bool is_leap(std::int32_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

std::uint8_t days_in_month(std::int32_t year, std::uint8_t month) {
  static constexpr std::array<std::uint8_t, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12) return 0;
  return month == 2 && is_leap(year) ? std::uint8_t{29} : kDays[month - 1U];
}

// Both directions count in eras of 400 years that start on 1 March, so that the leap day is the last of its year.
DateDays days_of(Ymd ymd) {
  const std::int64_t y = ymd.month <= 2 ? ymd.year - 1 : ymd.year;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const std::int64_t year_of_era = y - era * 400;
  const std::int64_t day_of_year = (153 * (ymd.month + (ymd.month > 2 ? -3 : 9)) + 2) / 5 + ymd.day - 1;
  const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return static_cast<DateDays>(era * 146097 + day_of_era - 719468);
}

Ymd ymd_of(DateDays d) {
  const std::int64_t z = static_cast<std::int64_t>(d) + 719468;
  const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const std::int64_t doe = z - era * 146097;
  const std::int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const std::int64_t mp = (5 * doy + 2) / 153;
  const std::int64_t month = mp < 10 ? mp + 3 : mp - 9;
  const std::int64_t year = yoe + era * 400 + (month <= 2 ? 1 : 0);
  return {static_cast<std::int32_t>(year), static_cast<std::uint8_t>(month), static_cast<std::uint8_t>(doy - (153 * mp + 2) / 5 + 1)};
}

int iso_weekday(DateDays d) {
  // 1970-01-01 was a Thursday.
  const std::int64_t r = (static_cast<std::int64_t>(d) + 3) % 7;
  return static_cast<int>(r < 0 ? r + 7 : r) + 1;
}

Result<DateDays> parse_date(std::string_view text) {
  std::size_t pos = 0;
  DateDays d = 0;
  std::string_view why = read_date(text, pos, d);
  if (why.empty() && pos != text.size()) why = "there is something after the day";
  if (!why.empty()) return fail(Code::invalid, quoted(text) + " is no date: " + std::string(why) + "; write it like 2026-02-01");
  return d;
}

Result<TimeMs> parse_timestamp(std::string_view text) {
  std::size_t pos = 0;
  DateDays d = 0;
  if (const auto why = read_date(text, pos, d); !why.empty()) return bad_time(text, why);
  if (pos == text.size()) return bad_time(text, "it is a date without a time");
  if (!skip(text, pos, 'T') && !skip(text, pos, 't') && !skip(text, pos, ' ')) return bad_time(text, "after the date comes T and the time");
  const int hour = digits(text, pos, 2);
  if (hour < 0 || !skip(text, pos, ':')) return bad_time(text, "the time must look like 09:00:00");
  const int minute = digits(text, pos, 2);
  if (minute < 0 || !skip(text, pos, ':')) return bad_time(text, "the time must look like 09:00:00");
  const int second = digits(text, pos, 2);
  if (second < 0) return bad_time(text, "the time must look like 09:00:00");
  if (hour > 23 || minute > 59 || second > 60) return bad_time(text, "there is no such time of day");

  DurationMs fraction = 0;
  if (skip(text, pos, '.')) {
    std::size_t n = 0;
    for (DurationMs weight = 100; pos < text.size() && is_digit(text[pos]); ++pos, ++n, weight /= 10)
      fraction += (text[pos] - '0') * weight;
    if (n == 0 || n > 9) return bad_time(text, "a fraction of a second has 1 to 9 digits");
  }
  DurationMs offset = 0;
  if (const auto why = read_offset(text, pos, offset); !why.empty()) return bad_time(text, why);
  if (pos != text.size()) return bad_time(text, "there is something after the time zone");

  const TimeMs minutes = d * kDay + hour * kHour + minute * kMinute - offset;
  if (second == 60) {
    // A leap second is the last of a UTC day; without leap seconds it is the first of the next day, as POSIX has it.
    const TimeMs of_day = ((minutes % kDay) + kDay) % kDay;
    if (of_day != kDay - kMinute) return bad_time(text, "there is no such time of day");
  }
  const TimeMs t = minutes + second * kSecond + fraction;
  if (t < kTimeMin || t > kTimeMax) return bad_time(text, "the year must be 1 to 9999 in UTC");
  return t;
}

Result<DurationMs> parse_duration(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return fail(Code::invalid, quoted(text) + " is no duration: " + std::string(why) + "; write it like 90d, 2h, 15m, 30s or 1d12h");
  };
  if (text.empty()) return bad("it is empty");
  DurationMs sum = 0;
  std::size_t next_unit = 0;
  for (std::size_t pos = 0; pos < text.size();) {
    std::int64_t n = 0;
    const std::size_t start = pos;
    for (; pos < text.size() && is_digit(text[pos]); ++pos) {
      n = n * 10 + (text[pos] - '0');
      if (n > kDurationMax) return bad("it is too long");
    }
    if (pos == start) return bad("a whole number must come before each unit");
    std::size_t end = pos;
    while (end < text.size() && !is_digit(text[end])) ++end;
    const std::string_view name = text.substr(pos, end - pos);
    if (name.empty()) return bad("the unit is missing (s, m, h, d or w)");
    std::size_t unit = 0;
    while (unit < kUnits.size() && kUnits[unit].name != name) ++unit;
    if (unit == kUnits.size()) return bad("the units are w, d, h, m, s and ms");
    if (unit < next_unit) return bad("each unit comes once, the largest first");
    if (n > (kDurationMax - sum) / kUnits[unit].ms) return bad("it is too long");
    sum += n * kUnits[unit].ms;
    next_unit = unit + 1;
    pos = end;
  }
  return sum;
}

std::string format_date(DateDays d) {
  const Ymd ymd = ymd_of(d);
  std::string out;
  if (ymd.year < 0) out += '-';
  append_padded(out, ymd.year < 0 ? -ymd.year : ymd.year, 4);
  out += '-';
  append_padded(out, ymd.month, 2);
  out += '-';
  append_padded(out, ymd.day, 2);
  return out;
}

std::string format_timestamp(TimeMs t) {
  if (t == kNever) return "never";
  if (t == kAlways) return "always";
  TimeMs days = t / kDay;
  TimeMs rest = t % kDay;
  if (rest < 0) {
    --days;
    rest += kDay;
  }
  std::string out = format_date(static_cast<DateDays>(days));
  out += 'T';
  append_padded(out, rest / kHour, 2);
  out += ':';
  append_padded(out, rest / kMinute % 60, 2);
  out += ':';
  append_padded(out, rest / kSecond % 60, 2);
  if (rest % kSecond != 0) {
    out += '.';
    append_padded(out, rest % kSecond, 3);
  }
  out += 'Z';
  return out;
}

std::string format_duration(DurationMs d) {
  if (d == kNever) return "forever";
  if (d == 0) return "0s";
  std::string out;
  if (d < 0) {
    out += '-';
    if (d == kAlways) return out + "forever";
    d = -d;
  }
  if (d % kWeek == 0) return out + std::to_string(d / kWeek) + "w";
  // People say 90d, not 12w6d.
  for (std::size_t unit = 1; unit < kUnits.size(); ++unit) {
    if (d < kUnits[unit].ms) continue;
    out += std::to_string(d / kUnits[unit].ms);
    out += kUnits[unit].name;
    d %= kUnits[unit].ms;
  }
  return out;
}

}  // namespace nudge
