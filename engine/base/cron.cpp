#include "engine/base/cron.h"

#include <array>
#include <string>
#include <vector>

namespace nudge {

namespace {

struct FieldRule {
  std::string_view name;
  int low, high;
  std::string_view words;  // three letters each, from `low` on
};
constexpr std::array<FieldRule, 5> kFields = {{{"minute", 0, 59, ""},
                                               {"hour", 0, 23, ""},
                                               {"day of the month", 1, 31, ""},
                                               {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                                               {"weekday", 0, 7, "sunmontuewedthufrisat"}}};

bool read_number(std::string_view text, int& n) {
  if (text.empty() || text.size() > 4) return false;
  n = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    n = n * 10 + (c - '0');
  }
  return true;
}

bool read_value(const FieldRule& field, std::string_view text, int& n) {
  if (read_number(text, n)) return n >= field.low && n <= field.high;
  if (text.size() != 3) return false;
  for (std::size_t i = 0; i + 3 <= field.words.size(); i += 3) {
    if (field.words.substr(i, 3) == text) {
      n = field.low + static_cast<int>(i / 3);
      return true;
    }
  }
  return false;
}

// One item of a list: *, a value or a range, each with an optional step (a single value takes none). Adds its bits.
bool read_item(const FieldRule& field, std::string_view item, std::uint64_t& bits) {
  int step = 1;
  const std::size_t slash = item.find('/');
  if (slash != std::string_view::npos) {
    if (!read_number(item.substr(slash + 1), step) || step == 0 || step > field.high) return false;
    item = item.substr(0, slash);
    if (item != "*" && item.find('-') == std::string_view::npos) return false;
  }
  int low = field.low;
  int high = field.high;
  if (item != "*") {
    const std::size_t dash = item.find('-');
    if (!read_value(field, item.substr(0, dash), low)) return false;
    high = low;
    if (dash != std::string_view::npos && !read_value(field, item.substr(dash + 1), high)) return false;
    if (high < low) return false;
  }
  for (int n = low; n <= high; n += step) bits |= std::uint64_t{1} << n;
  return true;
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = std::min(text.find(' ', i), text.size());
    if (end > i) parts.push_back(text.substr(i, end - i));
    i = end + 1;
  }
  if (parts.size() != kFields.size()) {
    return fail(Code::invalid, "a schedule has 5 fields (minute hour day month weekday), this one has " + std::to_string(parts.size()));
  }
  std::array<std::uint64_t, 5> bits{};
  for (std::size_t f = 0; f < parts.size(); ++f) {
    for (std::string_view rest = parts[f];;) {
      const std::size_t comma = rest.find(',');
      if (!read_item(kFields[f], rest.substr(0, comma), bits[f])) {
        return fail(Code::invalid, "`" + std::string(parts[f]) + "` is no valid " + std::string(kFields[f].name) + " of a schedule (" +
                                       std::to_string(kFields[f].low) + " to " + std::to_string(kFields[f].high) + ")");
      }
      if (comma == std::string_view::npos) break;
      rest = rest.substr(comma + 1);
    }
  }
  Cron cron;
  cron.minutes_ = bits[0];
  cron.hours_ = static_cast<std::uint32_t>(bits[1]);
  cron.days_ = static_cast<std::uint32_t>(bits[2]);
  cron.months_ = static_cast<std::uint16_t>(bits[3]);
  cron.weekdays_ = static_cast<std::uint8_t>((bits[4] | bits[4] >> 7U) & 0x7f);  // 7 is Sunday too
  cron.any_day_ = parts[2] == "*";
  cron.any_weekday_ = parts[4] == "*";
  return cron;
}

bool Cron::day_fits(DateDays day) const {
  const Ymd ymd = ymd_of(day);
  if (((months_ >> ymd.month) & 1U) == 0) return false;
  const bool day_of_month = ((days_ >> ymd.day) & 1U) != 0;
  const bool weekday = ((weekdays_ >> (iso_weekday(day) % 7)) & 1U) != 0;
  if (any_day_ || any_weekday_) return day_of_month && weekday;
  return day_of_month || weekday;
}

TimeMs Cron::next(TimeMs t, const Zone& zone) const {
  constexpr DateDays kSearch = 8 * 366;  // a 29 February may be 8 years away
  // The day before as well: clocks put back over midnight can bring a day's end after the next day's start.
  const DateDays today = zone.local(t).date;
  for (DateDays day = today - 1; day <= today + kSearch; ++day) {
    if (!day_fits(day)) continue;
    TimeMs best = kNever;
    for (int hour = 0; hour < 24; ++hour) {
      if (((hours_ >> hour) & 1U) == 0) continue;
      // Most hours lie wholly in the past: no need to look at their minutes.
      if (zone.at(day, hour * kHour + kHour - kMinute) + 3 * kHour <= t) continue;
      for (int minute = 0; minute < 60; ++minute) {
        if (((minutes_ >> minute) & 1U) == 0) continue;
        const TimeMs at = zone.at(day, hour * kHour + minute * kMinute);
        if (at > t && at < best) best = at;
      }
      if (best != kNever && hour * kHour > zone.local(best).of_day + 4 * kHour) break;
    }
    if (best != kNever) return best;
  }
  return kNever;
}

}  // namespace nudge
