#include "daemon/runtime/series.h"

#include <algorithm>

#include "daemon/store/keys.h"

namespace nudge::daemon {
namespace {

constexpr std::uint8_t kForm = 1;
constexpr std::string_view kPrefix = "series/";

std::string series_key(TimeMs hour) { return Key().raw(kPrefix).i64(hour).take(); }

TimeMs hour_of_key(std::string_view key) { return KeyReader(key.substr(kPrefix.size())).i64(); }

}  // namespace

TimeMs hour_of(TimeMs t) { return t - ((t % kHour) + kHour) % kHour; }

void RuleHour::add(const RuleHour& other) {
  fired += other.fired;
  held += other.held;
  actions += other.actions;
  dropped += other.dropped;
  accepted += other.accepted;
  failed += other.failed;
}

void SeriesHour::add(const StatsDelta& delta) {
  for (const auto& [id, d] : delta.rules)
    rules[id].add({d.fired, d.held_total(), d.actions, d.dropped_total(), d.accepted, d.failed});
  for (const auto& [id, d] : delta.roots) roots[id].add(d);
}

void SeriesHour::encode(std::string& out) const {
  Writer w(out);
  w.u8(kForm);
  w.varint(rules.size());
  for (const auto& [id, r] : rules) {
    w.varint(id);
    for (const std::int64_t v : {r.fired, r.held, r.actions, r.dropped, r.accepted, r.failed}) w.svarint(v);
  }
  w.varint(roots.size());
  for (const auto& [id, r] : roots) {
    w.varint(id);
    for (const std::int64_t v : {r.members, r.entered, r.left}) w.svarint(v);
  }
}

Result<SeriesHour> SeriesHour::decode(std::string_view bytes) {
  Reader in(bytes);
  SeriesHour out;
  bool fits = in.u8() == kForm;
  for (std::uint64_t n = in.varint(); fits && n > 0 && !in.bad(); --n) {
    RuleHour& r = out.rules[static_cast<RuleId>(in.varint())];
    for (std::int64_t* v : {&r.fired, &r.held, &r.actions, &r.dropped, &r.accepted, &r.failed}) *v = in.svarint();
  }
  for (std::uint64_t n = in.varint(); fits && n > 0 && !in.bad(); --n) {
    RootStats& r = out.roots[static_cast<RootId>(in.varint())];
    for (std::int64_t* v : {&r.members, &r.entered, &r.left}) *v = in.svarint();
  }
  fits = fits && !in.bad() && in.at_end();
  if (!fits) return fail(Code::corrupt, "the figures of an hour can't be read: they are damaged or of another version");
  return out;
}

Result<void> OpenSeries::load(const Store& store, TimeMs now) {
  std::optional<Error> error;
  NUDGE_TRY(store.scan(
      Family::meta, kPrefix, prefix_end(kPrefix),
      [&](std::string_view key, std::string_view value) {
        Result<SeriesHour> hour = SeriesHour::decode(value);
        if (hour)
          hours_[hour_of_key(key)] = *std::move(hour);
        else
          error = std::move(hour).error();
        return false;
      },
      ScanOptions{.backward = true}));
  if (error) return std::unexpected(*std::move(error));
  if (hours_.empty()) hours_[hour_of(now)];
  return {};
}

// A clock that was put back counts into the newest hour: no hour is opened twice.
void OpenSeries::add(TimeMs now, const StatsDelta& delta) {
  if (delta.rules.empty() && delta.roots.empty()) return;
  const TimeMs newest = hours_.empty() ? kAlways : hours_.rbegin()->first;
  hours_[std::max(hour_of(now), newest)].add(delta);
}

Result<void> OpenSeries::put(WriteSet& set, const Store& store, TimeMs now, const StatsDelta& delta) const {
  OpenSeries then = *this;
  then.add(now, delta);
  for (const auto& [hour, figures] : then.hours_) {
    std::string bytes;
    figures.encode(bytes);
    set.put(Family::meta, series_key(hour), bytes);
  }
  if (then.hours_.size() < 2) return {};
  // An hour has turned.
  return store.scan(Family::meta, kPrefix, series_key(hour_of(now) - kSeriesKept), [&set](std::string_view key, std::string_view) {
    set.erase(Family::meta, key);
    return true;
  });
}

void OpenSeries::written() {
  while (hours_.size() > 1) hours_.erase(hours_.begin());
}

Result<StoredSeries> read_series(const Store& store, TimeMs from, TimeMs to) {
  StoredSeries out;
  std::optional<Error> error;
  NUDGE_TRY(store.scan(
      Family::meta, kPrefix, prefix_end(kPrefix),
      [&out](std::string_view key, std::string_view) {
        out.since = hour_of_key(key);
        return false;
      },
      ScanOptions{.read_ahead = 0}));
  NUDGE_TRY(store.scan(Family::meta, series_key(from), series_key(to), [&](std::string_view key, std::string_view value) {
    Result<SeriesHour> hour = SeriesHour::decode(value);
    if (!hour) {
      error = std::move(hour).error();
      return false;
    }
    out.hours.emplace(hour_of_key(key), *std::move(hour));
    return true;
  }));
  if (error) return std::unexpected(*std::move(error));
  return out;
}

}  // namespace nudge::daemon
