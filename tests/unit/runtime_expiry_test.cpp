// The end of what was set aside: retention.quarantine, over a real store, in virtual time.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <future>
#include <thread>

#include "daemon/runtime/retention.h"
#include "daemon/runtime/runtime.h"

using namespace nudge;
using namespace nudge::daemon;

namespace {

constexpr TimeMs kStart = 1'800'000'000'000;

struct Life {
  std::string path;
  ManualClock clock{kStart};
  std::unique_ptr<Store> store;
  std::unique_ptr<Runtime> runtime;

  explicit Life(DurationMs quarantine) {
    char name[] = "/tmp/nudge-quarantine-XXXXXX";
    path = ::mkdtemp(name);
    StoreOptions so;
    so.path = path + "/store";
    so.low_space_bytes = 1;
    auto opened = Store::open(std::move(so));
    REQUIRE(opened);
    store = *std::move(opened);
    RuntimeOptions options;
    options.shards = 2;
    options.checkpoint_interval = kHour;
    options.retention.quarantine = quarantine;
    options.retention.every = std::chrono::hours(1000);
    auto made = Runtime::open(std::move(options), *store, clock, [](const Error& error) { FAIL_CHECK(error.message); });
    REQUIRE(made);
    runtime = *std::move(made);
    PlanSources sources;
    sources.catalog = {{"catalog.yaml", "customer: {attributes: {age: {type: integer}}}\nevents: {ping: {fields: {n: integer}}}\n"}};
    sources.rules = {{"rules.yaml", "segments: {adult: {where: {attribute: age, at_least: 18}}}\n"}};
    const Result<PlanChange> change = runtime->activate(sources);
    REQUIRE(change);
    REQUIRE(change->accepted());
    REQUIRE(runtime->start());
  }
  ~Life() {
    runtime->stop(std::chrono::milliseconds(0));
    runtime.reset();
    CHECK(store->close());
    store.reset();
    std::filesystem::remove_all(path);
  }
  template <class T>
  T wait(std::future<T> future) {
    while (future.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) clock.advance(1);
    return future.get();
  }
  void send(std::string body) {
    auto done = std::make_shared<std::promise<void>>();
    auto job = std::make_unique<Job>();
    job->body = std::move(body);
    job->done = [done](Job&) { done->set_value(); };
    REQUIRE(runtime->ingest(std::move(job), Framing::guess));
    wait(done->get_future());
  }
  void discard(std::uint64_t number, std::string why) {
    auto done = std::make_shared<std::promise<bool>>();
    runtime->discard_quarantined(number, std::move(why), [done](Result<void> result) { done->set_value(result.has_value()); });
    CHECK(wait(done->get_future()));
  }
  std::string all(Family family) {
    std::string out;
    REQUIRE(store->scan(family, "", "", [&](std::string_view, std::string_view value) {
      out += value;
      return true;
    }));
    return out;
  }
};

std::string misfit(int n) { return R"({"customer":"c","event":"nope","id":")" + std::to_string(n) + R"(","data":{"word":"Kq7w)" + std::to_string(n) + "\"}}"; }

}  // namespace

TEST_CASE("records nobody saw to in time leave the quarantine, counted; what is young stays") {
  Life life(90 * kDay);
  for (int i = 0; i < 1100; ++i) life.send(misfit(i));  // more than one portion
  life.discard(5, "a slip of the pen");
  life.clock.advance(91 * kDay);
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
  CHECK(life.all(Family::quarantine).find("Kq7w5000") != std::string::npos);
  CHECK(life.all(Family::quarantine).find("Kq7w7\"") == std::string::npos);
  // Why it was given up stays, what it said does not.
  CHECK(life.all(Family::audit).find("a slip of the pen") != std::string::npos);
  CHECK(life.all(Family::audit).find("Kq7w") == std::string::npos);
  CHECK(life.runtime->retention().trim()->quarantine == 0);
  for (const Balance& b : life.runtime->figures().balance) CHECK_MESSAGE(b.holds(), b.name);
}

TEST_CASE("without retention.quarantine what was set aside stays") {
  Life life(0);
  for (int i = 0; i < 10; ++i) life.send(misfit(i));
  life.clock.advance(4000 * kDay);
  REQUIRE(life.runtime->retention().trim());
  CHECK(life.runtime->stats().quarantine_open() == 10);
  CHECK(life.runtime->stats()[Counter::quarantine_expired] == 0);
}
