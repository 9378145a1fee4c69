// What was set aside and is taken in again.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <future>

#include "daemon/runtime/runtime.h"

using namespace nudge;
using namespace nudge::daemon;

namespace {

const char* const kCatalog = R"(
customer: {attributes: {name: {type: text}}}
events:
  ping: {fields: {n: integer}}
)";

struct Directory {
  std::string path;
  Directory() {
    char name[] = "/tmp/nudge-quarantine-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("a document without an id that two replay at once comes in once") {
  const Directory directory;
  SystemClock clock;
  StoreOptions so;
  so.path = directory.path + "/store";
  so.low_space_bytes = 1;
  auto store = Store::open(std::move(so));
  REQUIRE(store);
  // Runs while a replay has the record's bytes in hand, and before it hands anything to a shard.
  std::function<void()> meanwhile;
  RuntimeOptions options;
  options.shards = 2;
  options.reopen = [&](const IntakeSchema&, std::string_view, TimeMs) -> Result<std::vector<DoorDocument>> {
    if (const auto once = std::exchange(meanwhile, nullptr)) once();
    return std::vector<DoorDocument>{{.json = R"({"customer":"c","event":"ping","data":{"n":1}})", .problem = {}, .message = {}}};
  };
  auto runtime = Runtime::open(std::move(options), **store, clock, [](const Error& error) { FAIL_CHECK(error.message); });
  REQUIRE(runtime);
  PlanSources sources;
  sources.catalog = {{"catalog.yaml", kCatalog}};
  const Result<PlanChange> change = (*runtime)->activate(sources);
  REQUIRE(change);
  REQUIRE_MESSAGE(change->accepted(), doc::render_text(change->diagnostics));
  REQUIRE((*runtime)->start());

  auto job = std::make_unique<Job>();
  job->add_document({.json = {}, .problem = {"unknown_event", "event", "no such event yet"}, .message = R"({"door":"test"})"});
  std::promise<std::uint64_t> set_aside;
  job->done = [&](Job& done) { set_aside.set_value(done.results.front().quarantine); };
  REQUIRE((*runtime)->ingest(std::move(job), Framing::guess));
  const std::uint64_t record = set_aside.get_future().get();
  REQUIRE(record != 0);

  const auto replay = [&] {
    auto ended = std::make_shared<std::promise<Result<Problem>>>();
    (*runtime)->replay_quarantined(record, [ended](Result<Problem> how) { ended->set_value(std::move(how)); });
    return ended->get_future().get();
  };
  std::optional<Result<Problem>> second;
  meanwhile = [&] { second = replay(); };
  const Result<Problem> first = replay();
  CHECK(first.has_value());
  REQUIRE(second.has_value());
  REQUIRE_FALSE(second->has_value());
  CHECK(second->error().code == Code::conflict);
  const StatsDelta stats = (*runtime)->stats();
  CHECK(stats[Counter::stored] == 1);
  CHECK(stats[Counter::quarantine_replayed] == 1);
  for (const Balance& b : (*runtime)->figures().balance) CHECK_MESSAGE(b.holds(), b.name);
  // Given back: it is asked for again, and found gone.
  const Result<Problem> third = replay();
  REQUIRE_FALSE(third.has_value());
  CHECK(third.error().code == Code::not_found);
  (*runtime)->stop(std::chrono::milliseconds(0));
  REQUIRE((*store)->close());
}
