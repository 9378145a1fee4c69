// What was set aside and is taken in again.
#include <doctest/doctest.h>

#include "tests/unit/runtime_life.h"

using namespace nudge;
using namespace nudge::daemon;
using namespace nudge::daemon::test;

namespace {

const char* const kCatalog = R"(
customer: {attributes: {name: {type: text}}}
events:
  ping: {fields: {n: integer}}
)";

}  // namespace

TEST_CASE("a document without an id that two replay at once comes in once") {
  const Directory directory;
  ManualClock clock(kStart);
  // Runs while a replay has the record's bytes in hand, and before it hands anything to a shard.
  std::function<void()> meanwhile;
  const auto reopen = [&](const IntakeSchema&, std::string_view, TimeMs) -> Result<std::vector<DoorDocument>> {
    if (const auto once = std::exchange(meanwhile, nullptr)) once();
    return std::vector<DoorDocument>{{.json = R"({"customer":"c","event":"ping","data":{"n":1}})", .problem = {}, .message = {}}};
  };
  Life life(directory.path, clock, {.catalog = kCatalog, .rules = "", .options = [&](RuntimeOptions& options) { options.reopen = reopen; }});

  auto job = std::make_unique<Job>();
  job->add_document({.json = {}, .problem = {"unknown_event", "event", "no such event yet"}, .message = R"({"door":"test"})"});
  std::promise<std::uint64_t> set_aside;
  job->done = [&](Job& done) { set_aside.set_value(done.results.front().quarantine); };
  REQUIRE(life.runtime->ingest(std::move(job), Framing::guess));
  const std::uint64_t record = life.while_time_goes_on([&] { return set_aside.get_future().get(); });
  REQUIRE(record != 0);

  const auto replay = [&] {
    auto ended = std::make_shared<std::promise<Result<Problem>>>();
    life.runtime->replay_quarantined(record, [ended](Result<Problem> how) { ended->set_value(std::move(how)); });
    return ended->get_future().get();
  };
  std::optional<Result<Problem>> second;
  meanwhile = [&] { second = replay(); };
  const Result<Problem> first = life.while_time_goes_on(replay);
  CHECK(first.has_value());
  REQUIRE(second.has_value());
  REQUIRE_FALSE(second->has_value());
  CHECK(second->error().code == Code::conflict);
  const StatsDelta stats = life.runtime->stats();
  CHECK(stats[Counter::stored] == 1);
  CHECK(stats[Counter::quarantine_replayed] == 1);
  life.balanced();
  // Given back: it is asked for again, and found gone.
  const Result<Problem> third = life.while_time_goes_on(replay);
  REQUIRE_FALSE(third.has_value());
  CHECK(third.error().code == Code::not_found);
}
