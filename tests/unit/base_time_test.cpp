#include <doctest/doctest.h>

#include <random>
#include <set>

#include "engine/base/time.h"
#include "engine/base/zone.h"

using namespace nudge;

namespace {

TimeMs utc(std::string_view text) {
  const auto t = parse_timestamp(text);
  REQUIRE_MESSAGE(t.has_value(), text);
  return *t;
}

DateDays date(std::string_view text) {
  const auto d = parse_date(text);
  REQUIRE_MESSAGE(d.has_value(), text);
  return *d;
}

Zone zone(std::string_view name) {
  const auto z = Zone::find(name);
  REQUIRE_MESSAGE(z.has_value(), name);
  return *z;
}

}  // namespace

TEST_CASE("timestamps: read and written again") {
  struct Row {
    std::string_view text;
    std::string_view normal;
  };
  constexpr Row kRows[] = {
      {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
      {"2026-02-01T09:00:00.5+08:00", "2026-02-01T01:00:00.500Z"},
      {"2026-02-01t09:00:00z", "2026-02-01T09:00:00Z"},
      {"2026-02-01 09:00:00-00:30", "2026-02-01T09:30:00Z"},
      {"2024-02-29T23:59:59.999999999Z", "2024-02-29T23:59:59.999Z"},  // cut, never rounded up
      {"1969-12-31T23:59:59.9990Z", "1969-12-31T23:59:59.999Z"},
      {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
      {"9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"},
      {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},       // leap second
      {"2017-01-01T07:59:60+08:00", "2017-01-01T00:00:00Z"},  // the same in China
  };
  for (const Row& row : kRows) {
    CAPTURE(row.text);
    CHECK(format_timestamp(utc(row.text)) == row.normal);
  }
  CHECK(utc("0001-01-01T00:00:00Z") == kTimeMin);
  CHECK(utc("9999-12-31T23:59:59.999Z") == kTimeMax);
  CHECK(utc("2001-09-09T01:46:40.123Z") == 1'000'000'000'123);
}

TEST_CASE("timestamps: refused with the reason") {
  struct Row {
    std::string_view text;
    std::string_view reason;
  };
  constexpr Row kRows[] = {
      {"2026-02-01T09:00:00", "time zone is missing"},
      {"2026-02-01T09:00:00.1", "time zone is missing"},
      {"2026-02-01", "date without a time"},
      {"", "does not start with a date"},
      {"yesterday", "does not start with a date"},
      {"2026-13-01T00:00:00Z", "month must be"},
      {"2026-02-29T00:00:00Z", "no such day"},
      {"1900-02-29T00:00:00Z", "no such day"},
      {"2026-02-01T24:00:00Z", "no such time of day"},
      {"2026-02-01T09:60:00Z", "no such time of day"},
      {"2026-02-01T09:00:60Z", "no such time of day"},
      {"2026-02-01T09:00:00.Z", "fraction"},
      {"2026-02-01T09:00:00.1234567890Z", "fraction"},
      {"2026-02-01T09:00Z", "must look like"},
      {"2026-02-01T09:00:00+0800", "offset must look like"},
      {"2026-02-01T09:00:00+24:00", "offset must look like"},
      {"2026-02-01T09:00:00Zulu", "after the time zone"},
      {"2026-02-01T09:00:00 Z", "after the time comes"},
      {"0001-01-01T00:00:00+00:01", "1 to 9999"},
      {"9999-12-31T23:59:59-00:01", "1 to 9999"},
      {"0000-01-01T00:00:00Z", "year must be"},
      {"+2026-02-01T00:00:00Z", "does not start"},
      {"1767225600", "does not start"},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.text);
    const auto t = parse_timestamp(row.text);
    REQUIRE(!t.has_value());
    CHECK(t.error().code == Code::invalid);
    CHECK(t.error().message.find(row.reason) != std::string::npos);
    CAPTURE(t.error().message);
  }
}

TEST_CASE("the calendar agrees with counting day by day, years 1 to 9999") {
  DateDays d = date("0001-01-01");
  CHECK(d * kDay == kTimeMin);
  int weekday = 1;  // 0001-01-01 was a Monday
  std::size_t wrong = 0;
  for (std::int32_t year = 1; year <= 9999; ++year) {
    const bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
    for (std::uint8_t month = 1; month <= 12; ++month) {
      const int days = month == 2 ? (leap ? 29 : 28) : (month == 4 || month == 6 || month == 9 || month == 11) ? 30 : 31;
      wrong += days_in_month(year, month) != days ? 1U : 0U;
      for (std::uint8_t day = 1; day <= days; ++day, ++d) {
        const Ymd ymd{year, month, day};
        if (days_of(ymd) != d || !(ymd_of(d) == ymd) || iso_weekday(d) != weekday) ++wrong;
        weekday = weekday % 7 + 1;
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(d == date("9999-12-31") + 1);
  CHECK(days_in_month(2026, 13) == 0);
  CHECK(days_of({1970, 1, 1}) == 0);
  CHECK(days_of({-1, 3, 1}) < days_of({0, 3, 1}));
  CHECK(ymd_of(days_of({-401, 12, 31})) == Ymd{-401, 12, 31});
}

TEST_CASE("dates") {
  CHECK(format_date(date("2026-02-01")) == "2026-02-01");
  CHECK(format_date(date("0007-03-09")) == "0007-03-09");
  for (const std::string_view bad : {"2026-2-1", "2026-02-30", "2026-02-01 ", "26-02-01", "2026/02/01", "", "2026-02", "2026-00-10"}) {
    CAPTURE(bad);
    CHECK(!parse_date(bad).has_value());
  }
}

TEST_CASE("durations: read, and written in the usual form") {
  struct Row {
    std::string_view text;
    DurationMs ms;
    std::string_view normal;
  };
  constexpr Row kRows[] = {
      {"0s", 0, "0s"},
      {"250ms", 250, "250ms"},
      {"30s", 30 * kSecond, "30s"},
      {"15m", 15 * kMinute, "15m"},
      {"90m", 90 * kMinute, "1h30m"},
      {"24h", kDay, "1d"},
      {"1d12h", 36 * kHour, "1d12h"},
      {"90d", 90 * kDay, "90d"},
      {"7d", kWeek, "1w"},
      {"365d", 365 * kDay, "365d"},
      {"1w1d1h1m1s1ms", kWeek + kDay + kHour + kMinute + kSecond + 1, "8d1h1m1s1ms"},
      {"007d", kWeek, "1w"},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.text);
    const auto d = parse_duration(row.text);
    REQUIRE(d.has_value());
    CHECK(*d == row.ms);
    CHECK(format_duration(*d) == row.normal);
    CHECK(parse_duration(row.normal).value() == row.ms);
  }
  for (const std::string_view bad :
       {"", "5", "d", "-5d", "1.5h", "5 d", "1h1d", "1d1d", "5y", "5D", "5min", "99999999999999999999d", "9999999999d", "1d ", "٣d"}) {
    CAPTURE(bad);
    CHECK(!parse_duration(bad).has_value());
  }
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    const auto d = static_cast<DurationMs>(random() % static_cast<std::uint64_t>(kDay * 4000)) / (i % 3 == 0 ? kSecond : 1) *
                   (i % 3 == 0 ? kSecond : 1);
    CHECK(parse_duration(format_duration(d)).value() == d);
  }
}

TEST_CASE("zones: what the wall shows") {
  struct Row {
    std::string_view zone;
    std::string_view instant;
    std::string_view day;
    DurationMs of_day;
    DurationMs offset;
  };
  constexpr Row kRows[] = {
      {"UTC", "2026-02-01T09:00:00Z", "2026-02-01", 9 * kHour, 0},
      {"Asia/Shanghai", "2026-01-31T16:00:00Z", "2026-02-01", 0, 8 * kHour},
      {"Asia/Shanghai", "1988-07-01T00:00:00Z", "1988-07-01", 9 * kHour, 9 * kHour},  // China had summer time then
      {"Europe/Berlin", "2026-03-29T00:59:59.999Z", "2026-03-29", 2 * kHour - 1, kHour},
      {"Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29", 3 * kHour, 2 * kHour},
      {"Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25", 2 * kHour, kHour},
      {"America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03", kDay - kSecond, -3 * kHour},
      {"America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04", kHour, -2 * kHour},
      {"Australia/Lord_Howe", "2026-04-04T14:59:00Z", "2026-04-05", 2 * kHour - kMinute, 11 * kHour},
      {"Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-04-05", kHour + 30 * kMinute, 10 * kHour + 30 * kMinute},
      {"Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-01-01", 5 * kHour + 45 * kMinute, 5 * kHour + 45 * kMinute},
      {"Europe/Berlin", "2099-07-01T00:00:00Z", "2099-07-01", 2 * kHour, 2 * kHour},  // after the last listed change: the rule goes on
      {"Europe/Berlin", "2099-12-01T00:00:00Z", "2099-12-01", kHour, kHour},
      {"America/New_York", "2050-07-01T12:00:00Z", "2050-07-01", 8 * kHour, -4 * kHour},
      {"America/New_York", "2450-07-01T12:00:00Z", "2450-07-01", 8 * kHour, -4 * kHour},
      {"Europe/Berlin", "9999-07-01T00:00:00Z", "9999-07-01", 2 * kHour, 2 * kHour},
      {"Europe/Dublin", "2045-07-01T00:00:00Z", "2045-07-01", kHour, kHour},  // where winter is the exception
      {"Australia/Sydney", "2061-01-01T00:00:00Z", "2061-01-01", 11 * kHour, 11 * kHour},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.zone);
    CAPTURE(row.instant);
    const LocalTime local = zone(row.zone).local(utc(row.instant));
    CHECK(format_date(local.date) == row.day);
    CHECK(local.of_day == row.of_day);
    CHECK(local.utc_offset == row.offset);
  }
}

TEST_CASE("zones: the start of a day, and times of day in gaps and repeats") {
  struct Row {
    std::string_view zone;
    std::string_view day;
    DurationMs of_day;
    std::string_view instant;
  };
  constexpr Row kRows[] = {
      {"UTC", "2026-02-01", 0, "2026-02-01T00:00:00Z"},
      {"Asia/Shanghai", "2026-02-01", 0, "2026-01-31T16:00:00Z"},
      {"America/Sao_Paulo", "2018-11-04", 0, "2018-11-04T03:00:00Z"},  // midnight is skipped: the day starts at 01:00
      {"America/Sao_Paulo", "2018-11-03", 0, "2018-11-03T03:00:00Z"},
      {"America/Sao_Paulo", "2018-11-05", 0, "2018-11-05T02:00:00Z"},
      {"America/Sao_Paulo", "2018-02-18", 0, "2018-02-18T03:00:00Z"},                          // 23:00 to 24:00 came twice before it
      {"America/Sao_Paulo", "2018-02-17", 23 * kHour + 30 * kMinute, "2018-02-18T01:30:00Z"},  // twice: the first
      {"Europe/Berlin", "2026-03-29", 2 * kHour + 30 * kMinute, "2026-03-29T01:00:00Z"},       // in the gap: its end
      {"Europe/Berlin", "2026-03-29", 3 * kHour, "2026-03-29T01:00:00Z"},
      {"Europe/Berlin", "2026-10-25", 2 * kHour + 30 * kMinute, "2026-10-25T00:30:00Z"},  // twice: the first
      {"Europe/Berlin", "2026-10-25", 3 * kHour, "2026-10-25T02:00:00Z"},
      {"America/Havana", "2026-11-01", 0, "2026-11-01T04:00:00Z"},                              // midnight comes twice: the first
      {"Australia/Lord_Howe", "2026-10-04", 2 * kHour + 15 * kMinute, "2026-10-03T15:30:00Z"},  // a gap of half an hour
      {"Australia/Lord_Howe", "2026-04-05", kHour + 45 * kMinute, "2026-04-04T14:45:00Z"},
      {"Pacific/Apia", "2011-12-30", 0, "2011-12-30T10:00:00Z"},  // the whole day was skipped
      {"Europe/Berlin", "2099-03-29", 2 * kHour + 30 * kMinute, "2099-03-29T01:00:00Z"},
      {"Europe/Berlin", "2499-03-29", 2 * kHour + 30 * kMinute, "2499-03-29T01:00:00Z"},
      {"America/New_York", "2040-11-04", kHour + 30 * kMinute, "2040-11-04T05:30:00Z"},
      {"Pacific/Apia", "2011-12-31", 0, "2011-12-30T10:00:00Z"},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.zone);
    CAPTURE(row.day);
    CAPTURE(row.of_day);
    CHECK(format_timestamp(zone(row.zone).at(date(row.day), row.of_day)) == row.instant);
    if (row.of_day == 0) CHECK(format_timestamp(zone(row.zone).start_of(date(row.day))) == row.instant);
  }
}

TEST_CASE("zones: at() and local() agree, seeded") {
  std::mt19937_64 random(11);
  std::size_t gaps = 0;
  for (const std::string_view name : {"UTC", "Europe/Berlin", "Asia/Shanghai", "America/Sao_Paulo", "Australia/Lord_Howe",
                                      "America/St_Johns", "Africa/Casablanca", "Pacific/Apia", "Asia/Tehran", "America/Havana"}) {
    CAPTURE(name);
    const Zone z = zone(name);
    for (int i = 0; i < 3000; ++i) {
      const auto d = static_cast<DateDays>(random() % 200000);
      const auto of_day = static_cast<DurationMs>(random() % 96) * 15 * kMinute;
      const TimeMs t = z.at(d, of_day);
      const LocalTime local = z.local(t);
      const TimeMs wall = local.date * kDay + local.of_day;
      const TimeMs wanted = d * kDay + of_day;
      if (wall != wanted) {
        // Only in a gap: the instant before it shows an earlier time, and the change of offset is here.
        ++gaps;
        CHECK(wall > wanted);
        const LocalTime before = z.local(t - 1);
        CHECK(before.date * kDay + before.of_day < wanted);
        CHECK(z.next_transition(t - 1) == t);
      } else if (const TimeMs earlier = t - 2 * kHour; true) {
        // It is the first instant that shows this time.
        for (TimeMs probe = earlier; probe < t; probe += 15 * kMinute) {
          const LocalTime at = z.local(probe);
          CHECK(at.date * kDay + at.of_day != wanted);
        }
      }
    }
  }
  CHECK(gaps > 0);
}

TEST_CASE("zones: transitions go on, each changes the offset") {
  for (const std::string_view name : {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe"}) {
    CAPTURE(name);
    const Zone z = zone(name);
    TimeMs t = utc("2026-01-01T00:00:00Z");
    int n = 0;
    for (; n < 200; ++n) {
      const TimeMs next = z.next_transition(t);
      if (next == kNever || next > utc("2096-01-01T00:00:00Z")) break;
      CHECK(z.local(next).utc_offset != z.local(next - 1).utc_offset);
      CHECK(next > t);
      t = next;
    }
    CHECK(n == 140);
  }
  CHECK(Zone().next_transition(0) == kNever);
  CHECK(zone("Asia/Shanghai").next_transition(utc("2026-01-01T00:00:00Z")) == kNever);
}

TEST_CASE("zones: names") {
  CHECK(zone("Europe/Berlin") == zone("Europe/Berlin"));
  CHECK(zone("Europe/Berlin").name() == "Europe/Berlin");
  CHECK(zone("UTC") == Zone());
  CHECK(Zone().name() == "UTC");
  for (const std::string_view bad : {"", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe/Berlin ", "europe", "Europe"}) {
    CAPTURE(bad);
    const auto z = Zone::find(bad);
    REQUIRE(!z.has_value());
    CHECK(z.error().code == Code::not_found);
  }
}
