// What rules and segments did hour by hour: stored with the sums, whole after any end, taken off when it is old.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>

#include "daemon/runtime/series.h"

using namespace nudge;
using namespace nudge::daemon;

namespace {

constexpr TimeMs kStart = 500'000 * kHour;

struct Directory {
  std::string path;
  std::unique_ptr<Store> store;
  Directory() {
    char name[] = "/tmp/nudge-series-XXXXXX";
    path = ::mkdtemp(name);
    StoreOptions options;
    options.path = path + "/store";
    options.low_space_bytes = 1;
    store = *Store::open(std::move(options));
  }
  ~Directory() {
    store.reset();
    std::filesystem::remove_all(path);
  }
};

StatsDelta delta_of(RuleId rule, std::int64_t fired, RootId root, std::int64_t entered) {
  StatsDelta d;
  d.rules[rule].fired = fired;
  d.rules[rule].held[3] = 2;
  d.rules[rule].dropped[5] = 1;
  d.rules[rule].actions = 7;
  d.rules[rule].accepted = 4;
  d.rules[rule].failed = 1;
  d.roots[root] = {entered, entered, 0};
  return d;
}

// As the committer does it: put, commit, then add.
void write(Store& store, OpenSeries& series, TimeMs now, const StatsDelta& delta) {
  WriteSet set;
  REQUIRE(series.put(set, store, now, delta));
  REQUIRE(store.commit(std::move(set)));
  series.add(now, delta);
  series.written();
}

}  // namespace

TEST_CASE("an hour reads back as it was written") {
  SeriesHour hour;
  hour.add(delta_of(3, 5, 9, -2));
  std::string bytes;
  hour.encode(bytes);
  const Result<SeriesHour> again = SeriesHour::decode(bytes);
  REQUIRE(again);
  CHECK(*again == hour);
  CHECK(hour.rules[3] == RuleHour{5, 2, 7, 1, 4, 1});
  CHECK_FALSE(SeriesHour::decode(bytes.substr(0, bytes.size() - 1)));
  CHECK_FALSE(SeriesHour::decode("\x7f"));
}

TEST_CASE("an hour begins at whole hours, also before 1970") {
  CHECK(hour_of(kStart) == kStart);
  CHECK(hour_of(kStart + kHour - 1) == kStart);
  CHECK(hour_of(-1) == -kHour);
  CHECK(hour_of(-kHour) == -kHour);
}

TEST_CASE("hours go on after a start, and what comes goes into the hour in which it comes") {
  Directory d;
  OpenSeries series;
  REQUIRE(series.load(*d.store, kStart + 5));
  write(*d.store, series, kStart + 10, delta_of(1, 1, 1, 1));
  series.add(kStart + kHour, delta_of(1, 10, 1, 1));  // not written yet when the hour turns again
  write(*d.store, series, kStart + 2 * kHour + 1, delta_of(1, 100, 1, 1));
  CHECK(series.hours().size() == 1);

  OpenSeries later;
  REQUIRE(later.load(*d.store, kStart + 2 * kHour + 9));
  CHECK(later.hours() == series.hours());
  write(*d.store, later, kStart + 2 * kHour + 10, delta_of(1, 1000, 2, 1));
  write(*d.store, later, kStart + kHour, delta_of(1, 5000, 2, 1));  // the clock was put back: no hour is opened twice

  const Result<StoredSeries> stored = read_series(*d.store, kStart, kNever);
  REQUIRE(stored);
  CHECK(stored->since == kStart);
  REQUIRE(stored->hours.size() == 3);
  CHECK(stored->hours.at(kStart).rules.at(1).fired == 1);
  CHECK(stored->hours.at(kStart + kHour).rules.at(1).fired == 10);
  CHECK(stored->hours.at(kStart + 2 * kHour).rules.at(1).fired == 6100);
  CHECK(stored->hours.at(kStart + 2 * kHour).roots.at(1).members == 1);
  const Result<StoredSeries> part = read_series(*d.store, kStart + kHour, kStart + 2 * kHour);
  REQUIRE(part);
  CHECK(part->hours.size() == 1);
  CHECK(part->since == kStart);
}

TEST_CASE("the record has a beginning before anything happens") {
  Directory d;
  OpenSeries series;
  REQUIRE(series.load(*d.store, kStart + 5));
  REQUIRE(series.hours().size() == 1);
  CHECK(series.hours().begin()->first == kStart);
  CHECK(read_series(*d.store, 0, kNever)->since == kNever);
}

TEST_CASE("hours that are too old are taken off when an hour turns") {
  Directory d;
  OpenSeries series;
  REQUIRE(series.load(*d.store, kStart));
  write(*d.store, series, kStart, delta_of(1, 1, 1, 1));
  write(*d.store, series, kStart + kHour, delta_of(1, 1, 1, 1));
  write(*d.store, series, kStart + kSeriesKept + kHour + 5, delta_of(1, 1, 1, 1));
  const Result<StoredSeries> stored = read_series(*d.store, 0, kNever);
  REQUIRE(stored);
  CHECK(stored->since == kStart + kHour);  // the edge itself is kept
  CHECK(stored->hours.size() == 2);
}
