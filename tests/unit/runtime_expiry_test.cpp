// The end of what was set aside: retention.quarantine, over a real store, in virtual time.
#include <doctest/doctest.h>

#include "daemon/runtime/retention.h"
#include "tests/unit/runtime_life.h"

using namespace nudge;
using namespace nudge::daemon;
using namespace nudge::daemon::test;

namespace {

LifeSetup keeping(DurationMs quarantine) {
  return {.catalog = "customer: {attributes: {age: {type: integer}}}\nevents: {ping: {fields: {n: integer}}}\n",
          .rules = "segments: {adult: {where: {attribute: age, at_least: 18}}}\n",
          .options = [quarantine](RuntimeOptions& options) {
            options.retention.quarantine = quarantine;
            options.retention.every = std::chrono::hours(1000);
          }};
}

void discard(Life& life, std::uint64_t number, const std::string& why) {
  CHECK(life.while_time_goes_on([&] {
    std::promise<bool> done;
    life.runtime->discard_quarantined(number, why, [&](Result<void> result) { done.set_value(result.has_value()); });
    return done.get_future().get();
  }));
}

std::string all(const Store& store, Family family) {
  std::string out;
  REQUIRE(store.scan(family, "", "", [&](std::string_view, std::string_view value) {
    out += value;
    return true;
  }));
  return out;
}

std::string misfit(int n) { return R"({"customer":"c","event":"nope","id":")" + std::to_string(n) + R"(","data":{"word":"Kq7w)" + std::to_string(n) + "\"}}"; }

}  // namespace

TEST_CASE("records nobody saw to in time leave the quarantine, counted; what is young stays") {
  const Directory directory;
  ManualClock clock(kStart);
  Life life(directory.path, clock, keeping(90 * kDay));
  for (int i = 0; i < 1100; ++i) life.send(misfit(i));  // more than one portion
  discard(life, 5, "a slip of the pen");
  clock.advance(91 * kDay);
  life.send(misfit(5000));
  CHECK(life.runtime->stats().quarantine_open() == 1100);
  const Result<Trimmed> gone = life.runtime->retention().trim();
  REQUIRE_MESSAGE(gone, (gone ? "" : gone.error().message));
  CHECK(gone->quarantine == 1099 + 1);  // and the copy of the one that was given up
  const StatsDelta stats = life.runtime->stats();
  CHECK(stats.quarantine_open() == 1);
  CHECK(stats[Counter::quarantine_expired] == 1099);
  CHECK(stats[Counter::quarantine_discarded] == 1);
  CHECK(stats[Counter::quarantine_in] == 1101);
  CHECK(stats[Counter::quarantine_bytes] == static_cast<std::int64_t>(misfit(5000).size()));
  CHECK(all(*life.store, Family::quarantine).find("Kq7w5000") != std::string::npos);
  CHECK(all(*life.store, Family::quarantine).find("Kq7w7\"") == std::string::npos);
  // Why it was given up stays, what it said does not.
  CHECK(all(*life.store, Family::audit).find("a slip of the pen") != std::string::npos);
  CHECK(all(*life.store, Family::audit).find("Kq7w") == std::string::npos);
  CHECK(life.runtime->retention().trim()->quarantine == 0);
  life.balanced();
}

TEST_CASE("without retention.quarantine what was set aside stays") {
  const Directory directory;
  ManualClock clock(kStart);
  Life life(directory.path, clock, keeping(0));
  for (int i = 0; i < 10; ++i) life.send(misfit(i));
  clock.advance(4000 * kDay);
  REQUIRE(life.runtime->retention().trim());
  CHECK(life.runtime->stats().quarantine_open() == 10);
  CHECK(life.runtime->stats()[Counter::quarantine_expired] == 0);
}
