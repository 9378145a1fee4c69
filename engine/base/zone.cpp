#include "engine/base/zone.h"

#include <date/tz.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace nudge {
namespace {

// The data base lists changes of offset up to 2037; for later ones it has a rule ("the last Sunday of March"). The date library reads the
// list only, so the rule is read here and written out for 400 years, after which the calendar repeats: dates, weekdays and all.
constexpr std::int32_t kRulesFrom = 2038;
constexpr std::int32_t kCycleYears = 400;
constexpr std::int32_t kCycleDays = 146097;

// All offsets of one zone, in order. A span starts at `from` and ends where the next one starts; the first starts before every instant.
struct Span {
  TimeMs from;
  DurationMs offset;
};

}  // namespace

struct ZoneTable {
  std::string name;
  std::vector<Span> spans;  // up to kRulesFrom as listed, then by the zone's rule for 400 years and a bit

  std::size_t span_at(TimeMs t) const {
    const auto after = std::ranges::upper_bound(spans, t, {}, &Span::from);
    return static_cast<std::size_t>(after - spans.begin()) - 1;
  }
};

namespace {

// One end of summer time in a POSIX TZ string: month, week (5: the last) and weekday (0: Sunday), or a day of the year; and the time of day
// on the clock before the change, which may lie in the days around.
struct Change {
  enum class Kind : std::uint8_t { month_week, day_without_leap, day_of_year } kind = Kind::month_week;
  int month = 0, week = 0, weekday = 0, day = 0;
  DurationMs time = 2 * kHour;

  DateDays date_in(std::int32_t year) const {
    const DateDays first = days_of({year, 1, 1});
    if (kind == Kind::day_of_year) return first + day;
    if (kind == Kind::day_without_leap) return first + day - 1 + (is_leap(year) && day >= 60 ? 1 : 0);
    const auto m = static_cast<std::uint8_t>(month);
    const DateDays start = days_of({year, m, 1});
    const int from_sunday = (weekday - iso_weekday(start) % 7 + 7) % 7;
    DateDays d = start + from_sunday + (week - 1) * 7;
    while (d >= start + days_in_month(year, m)) d -= 7;
    return d;
  }
};

// The rule after the listed changes, for zones that keep summer time.
struct Rule {
  DurationMs standard = 0;
  DurationMs summer = 0;
  Change start, end;
};

// Reads "CET-1CEST,M3.5.0,M10.5.0/3". Nothing when there is no summer time in it, or when it is not understood.
class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : text_(text) {}

  bool read(Rule& rule) {
    if (!name() || !offset(rule.standard) || !name()) return false;
    rule.standard = -rule.standard;
    rule.summer = rule.standard + kHour;
    if (!at(',')) {
      if (!offset(rule.summer)) return false;
      rule.summer = -rule.summer;
    }
    return skip(',') && change(rule.start) && skip(',') && change(rule.end) && pos_ == text_.size();
  }

 private:
  bool at(char c) const { return pos_ < text_.size() && text_[pos_] == c; }
  bool skip(char c) {
    if (!at(c)) return false;
    ++pos_;
    return true;
  }
  bool number(int& out) {
    const std::size_t start = pos_;
    for (out = 0; pos_ < text_.size() && text_[pos_] >= '0' && text_[pos_] <= '9' && out < 1000; ++pos_)
      out = out * 10 + (text_[pos_] - '0');
    return pos_ > start;
  }
  bool name() {
    const std::size_t start = pos_;
    if (skip('<')) {
      while (pos_ < text_.size() && text_[pos_] != '>') ++pos_;
      return skip('>');
    }
    while (pos_ < text_.size() && ((text_[pos_] >= 'A' && text_[pos_] <= 'Z') || (text_[pos_] >= 'a' && text_[pos_] <= 'z'))) ++pos_;
    return pos_ > start;
  }
  bool offset(DurationMs& out) {
    const bool minus = at('-');
    if (minus || at('+')) ++pos_;
    int hours = 0;
    int minutes = 0;
    int seconds = 0;
    if (!number(hours) || (skip(':') && !number(minutes)) || (skip(':') && !number(seconds))) return false;
    out = (hours * kHour + minutes * kMinute + seconds * kSecond) * (minus ? -1 : 1);
    return true;
  }
  bool change(Change& c) {
    if (skip('M')) {
      if (!number(c.month) || !skip('.') || !number(c.week) || !skip('.') || !number(c.weekday)) return false;
      if (c.month < 1 || c.month > 12 || c.week < 1 || c.week > 5 || c.weekday > 6) return false;
    } else {
      c.kind = skip('J') ? Change::Kind::day_without_leap : Change::Kind::day_of_year;
      if (!number(c.day) || c.day > 365) return false;
    }
    return !skip('/') || offset(c.time);
  }

  std::string_view text_;
  std::size_t pos_ = 0;
};

// The last line of the zone's file.
std::string rule_text(const std::string& name) {
  std::ifstream file("/usr/share/zoneinfo/" + name, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  if (bytes.size() < 2 || bytes.back() != '\n') return {};
  bytes.pop_back();
  return bytes.substr(bytes.rfind('\n') + 1);
}

void append_rule(std::vector<Span>& spans, const std::string& name) {
  Rule rule;
  if (spans.empty() || !RuleReader(rule_text(name)).read(rule)) return;
  for (std::int32_t year = kRulesFrom - 1; year < kRulesFrom + kCycleYears + 2; ++year) {
    Span changes[2] = {{rule.start.date_in(year) * kDay + rule.start.time - rule.standard, rule.summer},
                       {rule.end.date_in(year) * kDay + rule.end.time - rule.summer, rule.standard}};
    if (changes[0].from > changes[1].from) std::swap(changes[0], changes[1]);
    for (const Span& change : changes) {
      if (change.from > spans.back().from && change.offset != spans.back().offset) spans.push_back(change);
    }
  }
}

// How many days to go back to where the rules are written out.
DateDays days_back(const ZoneTable* table, DateDays d) {
  static const DateDays end = days_of({kRulesFrom + kCycleYears, 1, 1});
  if (table == nullptr || d < end) return 0;
  return ((d - end) / kCycleDays + 1) * kCycleDays;
}

DateDays day_of(TimeMs t) { return static_cast<DateDays>(std::clamp(t, kTimeMin, kTimeMax) / kDay); }

TimeMs to_ms(date::sys_seconds t) { return static_cast<TimeMs>(t.time_since_epoch().count()) * kSecond; }

std::unique_ptr<const ZoneTable> read_table(const date::time_zone& zone) {
  auto table = std::make_unique<ZoneTable>();
  table->name = zone.name();
  date::sys_seconds at{std::chrono::seconds{kTimeMin / kSecond}};
  const date::sys_seconds end{std::chrono::seconds{kTimeMax / kSecond}};
  while (at < end) {
    const date::sys_info info = zone.get_info(at);
    const DurationMs offset = static_cast<DurationMs>(info.offset.count()) * kSecond;
    if (table->spans.empty()) {
      table->spans.push_back({kAlways, offset});
    } else if (table->spans.back().offset != offset) {
      table->spans.push_back({to_ms(at), offset});
    }
    if (info.end <= at) break;
    at = info.end;
  }
  append_rule(table->spans, table->name);
  return table;
}

// Tables are made once and never freed: handles to them stay valid for the life of the process.
struct Tables {
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<const ZoneTable>, std::less<>> by_name;
};

Tables& tables() {
  static auto* instance = new Tables;
  return *instance;
}

std::unexpected<Error> unknown(std::string_view name) {
  constexpr std::size_t kShown = 64;
  return fail(Code::not_found, "there is no time zone \"" + std::string(name.substr(0, kShown)) +
                                   "\"; use a name of the IANA time zone data base such as Asia/Shanghai or Europe/Berlin");
}

bool looks_like_a_name(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '_' || c == '-' || c == '+';
  });
}

LocalTime local_at(TimeMs t, DurationMs offset) {
  const TimeMs wall = t + offset;
  TimeMs days = wall / kDay;
  TimeMs of_day = wall % kDay;
  if (of_day < 0) {
    --days;
    of_day += kDay;
  }
  return {static_cast<DateDays>(days), of_day, offset};
}

}  // namespace

Result<Zone> Zone::find(std::string_view name) {
  Zone zone;
  if (name == "UTC" || name == "Etc/UTC" || name == "Z") return zone;
  if (!looks_like_a_name(name)) return unknown(name);
  Tables& all = tables();
  const std::lock_guard lock(all.mutex);
  auto found = all.by_name.find(name);
  if (found == all.by_name.end()) {
    try {
      const date::time_zone* known = date::locate_zone(std::string(name));
      found = all.by_name.emplace(std::string(name), read_table(*known)).first;
    } catch (const std::exception&) {
      return unknown(name);
    }
  }
  zone.impl_ = found->second.get();
  return zone;
}

std::string_view Zone::name() const { return impl_ == nullptr ? std::string_view("UTC") : std::string_view(impl_->name); }

LocalTime Zone::local(TimeMs t) const {
  if (impl_ == nullptr) return local_at(t, 0);
  return local_at(t, impl_->spans[impl_->span_at(t - days_back(impl_, day_of(t)) * kDay)].offset);
}

TimeMs Zone::start_of(DateDays d) const { return at(d, 0); }

TimeMs Zone::at(DateDays d, DurationMs of_day) const {
  if (impl_ == nullptr) return static_cast<TimeMs>(d) * kDay + of_day;
  const DateDays back = days_back(impl_, d);
  const TimeMs wall = static_cast<TimeMs>(d - back) * kDay + of_day;
  const std::vector<Span>& spans = impl_->spans;
  // No offset reaches two days, so the answer lies in this span or in one of the next.
  for (std::size_t i = impl_->span_at(wall - 2 * kDay);; ++i) {
    const TimeMs t = wall - spans[i].offset;
    if (t < spans[i].from) return spans[i].from + back * kDay;  // the clock jumped over it: the end of the gap
    if (i + 1 == spans.size() || t < spans[i + 1].from) return t + back * kDay;
  }
}

TimeMs Zone::next_transition(TimeMs t) const {
  if (impl_ == nullptr) return kNever;
  const TimeMs back = days_back(impl_, day_of(t)) * kDay;
  const std::size_t next = impl_->span_at(t - back) + 1;
  return next < impl_->spans.size() ? impl_->spans[next].from + back : kNever;
}

}  // namespace nudge
