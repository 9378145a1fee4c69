#include "engine/base/zone.h"

#include <date/tz.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace nudge {
namespace {

// All offsets of one zone, in order. A span starts at `from` and ends where the next one starts; the first starts before every instant.
struct Span {
  TimeMs from;
  DurationMs offset;
};

}  // namespace

struct ZoneTable {
  std::string name;
  std::vector<Span> spans;

  std::size_t span_at(TimeMs t) const {
    const auto after = std::ranges::upper_bound(spans, t, {}, &Span::from);
    return static_cast<std::size_t>(after - spans.begin()) - 1;
  }
};

namespace {

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

LocalTime Zone::local(TimeMs t) const { return local_at(t, impl_ == nullptr ? 0 : impl_->spans[impl_->span_at(t)].offset); }

TimeMs Zone::start_of(DateDays d) const { return at(d, 0); }

TimeMs Zone::at(DateDays d, DurationMs of_day) const {
  const TimeMs wall = static_cast<TimeMs>(d) * kDay + of_day;
  if (impl_ == nullptr) return wall;
  const std::vector<Span>& spans = impl_->spans;
  // No offset reaches two days, so the answer lies in this span or in one of the next.
  for (std::size_t i = impl_->span_at(wall - 2 * kDay);; ++i) {
    const TimeMs t = wall - spans[i].offset;
    if (t < spans[i].from) return spans[i].from;  // the clock jumped over it: the end of the gap
    if (i + 1 == spans.size() || t < spans[i + 1].from) return t;
  }
}

TimeMs Zone::next_transition(TimeMs t) const {
  if (impl_ == nullptr) return kNever;
  const std::size_t next = impl_->span_at(t) + 1;
  return next < impl_->spans.size() ? impl_->spans[next].from : kNever;
}

}  // namespace nudge
