// The runtime in virtual time: a real store in a temporary directory, a clock that a test moves.
#include <doctest/doctest.h>

#include <atomic>

#include "daemon/runtime/log_scrub.h"
#include "tests/unit/runtime_life.h"

using namespace nudge;
using namespace nudge::daemon;
using namespace nudge::daemon::test;

namespace {

const char* const kCatalog = R"(
customer:
  attributes:
    age: {type: integer}
    points: {type: integer}
    owner: {type: text}
events:
  ping: {fields: {n: integer}}
)";
const char* const kRules = R"(
segments:
  recent: {where: {event: ping, within: 10s}}
rules:
  gone:
    when: {leaves: recent}
    then: [{call_task: {team: t, subject: "gone", due_in: 1h}}]
  later:
    when: {event: ping, where: {field: n, equals: 7}}
    then:
      - after: 1d
        call_task: {team: t, subject: "a day later", due_in: 1h}
teams:
  t: {members: [{id: a, name: A, email: a@example.com}]}
)";

const char* const kWriting = R"(
segments:
  rich: {where: {attribute: points, at_least: 10}}
  seen: {where: {tag: seen}}
rules:
  count:
    when: {event: ping}
    then:
      - set_attribute: {points: {add: {field: n}}}
      - add_tag: seen
  rich:
    when: {enters: rich}
    then: [{call_task: {team: t, subject: rich}}]
  own:
    when: {event: ping, where: {field: n, equals: 7}}
    then: [{assign_owner: {team: t}}]
  owned:
    when: {attribute_changes: owner}
    then: [{call_task: {team: t, assign: {strategy: owner}, subject: yours}}]
teams:
  t:
    members: [{id: a, name: A}, {id: b, name: B}]
)";

LifeSetup with(const char* rules, std::size_t memory = 64U << 20) {
  return {.catalog = kCatalog, .rules = rules, .options = [memory](RuntimeOptions& options) { options.memory_bytes = memory; }, .still = true};
}

std::string ping(std::string customer, TimeMs t, std::string id, int n = 1) {
  return R"({"customer":")" + customer + R"(","event":"ping","id":")" + id + R"(","time":")" + format_timestamp(t) + R"(","data":{"n":)" +
         std::to_string(n) + "}}";
}

}  // namespace

TEST_CASE("a boundary is never early, comes once, at its own instant") {
  Directory directory;
  ManualClock clock(kStart);
  Life life(directory.path, clock, with(kRules));
  CHECK(life.send(ping("c", kStart, "1")) == std::vector{LineOutcome::stored});
  clock.set(kStart + 10'000);  // due at exactly this instant: not yet passed
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  CHECK(life.fired("gone") == 0);
  clock.set(kStart + 10'001);
  CHECK(life.until([&] { return life.fired("gone") == 1; }));
  clock.set(kStart + 400 * kDay);
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  CHECK(life.fired("gone") == 1);
  const RuntimeFigures f = life.runtime->figures();
  for (const Balance& b : f.balance) CHECK_MESSAGE(b.holds(), b.name);
}

TEST_CASE("a delayed step of a customer that left memory is done on time, also in another life") {
  Directory directory;
  ManualClock clock(kStart);
  std::string before;
  {
    Life life(directory.path, clock, with(kRules, 1));  // no state stays in memory
    for (int i = 0; i < 200; ++i) life.send(ping("c" + std::to_string(i), clock.now(), "1", i % 2 == 0 ? 7 : 1));
    CHECK(
        life.until([&] { return life.runtime->figures().shards[0].customers_hot + life.runtime->figures().shards[1].customers_hot < 20; }));
    clock.advance(11'000);
    CHECK(life.until([&] { return life.fired("gone") == 200; }));
    life.settle();
    before = life.digest();
  }
  {
    Life life(directory.path, clock, with(kRules, 1));
    CHECK(life.digest() == before);
    CHECK(life.runtime->figures().replayed_blocks == 0);
    CHECK(life.fired("later") == 100);
    const std::int64_t tasks = life.runtime->stats()[Counter::tasks];
    CHECK(tasks == 200);
    clock.advance(kDay);
    CHECK(life.until([&] { return life.runtime->stats()[Counter::tasks] == 300; }));
    CHECK(life.until([&] { return life.runtime->figures().shards[0].evictions > 0; }));
  }
}

TEST_CASE("after a start all customers come into memory by themselves, and what is due for them comes at its instant") {
  Directory directory;
  ManualClock clock(kStart);
  std::string before;
  constexpr int kCustomers = 300;
  const auto in_memory = [](const Life& life) {
    std::uint64_t sum = 0;
    for (const ShardFigures& shard : life.runtime->figures().shards) sum += shard.customers_hot;
    return sum;
  };
  const auto decoded = [](const Life& life) {
    std::uint64_t sum = 0;
    for (const ShardFigures& shard : life.runtime->figures().shards) sum += shard.customers_decoded;
    return sum;
  };
  {
    Life life(directory.path, clock, with(kRules));
    for (int i = 0; i < kCustomers; ++i) life.send(ping("c" + std::to_string(i), kStart, "1", 7));
    life.settle();
    before = life.digest();
  }
  Life life(directory.path, clock, with(kRules));
  CHECK(life.until([&] { return in_memory(life) == kCustomers; }));
  CHECK(decoded(life) == 0);
  CHECK(life.runtime->figures().replayed_blocks == 0);
  CHECK(life.digest() == before);
  // A plan that adds a segment finds them all, and none of them on disk.
  PlanSources sources;
  sources.catalog = {{"catalog.yaml", kCatalog}};
  sources.rules = {{"rules.yaml", std::string(kRules)}, {"more.yaml", "segments:\n  ever: {where: {event: ping}}\n"}};
  const Result<PlanChange> good = life.runtime->activate(sources);
  REQUIRE(good);
  CHECK(good->accepted());
  CHECK(life.until([&] { return !life.runtime->figures().sweeping; }));
  CHECK(life.runtime->stats().roots[life.runtime->plan()->find_segment("ever")->root].members == kCustomers);
  CHECK(life.fired("gone") == 0);
  clock.set(kStart + 10'000);
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  CHECK(life.fired("gone") == 0);
  clock.set(kStart + 10'001);
  CHECK(life.until([&] { return life.fired("gone") == kCustomers; }));
  for (const ShardFigures& shard : life.runtime->figures().shards) CHECK(shard.loads == 0);
}

TEST_CASE("what is due for customers who came into memory by themselves comes without anybody asking for them") {
  Directory directory;
  ManualClock clock(kStart);
  constexpr int kCustomers = 50;
  {
    Life life(directory.path, clock, with(kRules));
    for (int i = 0; i < kCustomers; ++i) life.send(ping("c" + std::to_string(i), kStart, "1", 7));
    life.settle();
  }
  Life life(directory.path, clock, with(kRules));
  const auto in_memory = [&] { return life.runtime->figures().shards[0].customers_hot + life.runtime->figures().shards[1].customers_hot; };
  CHECK(life.until([&] { return in_memory() == kCustomers; }));
  clock.set(kStart + 10'000);
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  CHECK(life.fired("gone") == 0);
  clock.set(kStart + 10'001);
  CHECK(life.until([&] { return life.fired("gone") == kCustomers; }));
}

TEST_CASE("without a checkpoint everything comes back from the log, and deciding again gives the same") {
  Directory directory, copy;
  ManualClock clock(kStart);
  std::string digest;
  {
    Life life(directory.path, clock, with(kRules));
    for (int i = 0; i < 100; ++i)
      life.send("[" + ping("c" + std::to_string(i % 10), clock.now(), std::to_string(i)) + "," + ping("d", clock.now(), std::to_string(i)) +
                "]");
    clock.advance(20'000);
    CHECK(life.until([&] { return life.fired("gone") == 11; }));
    life.settle();
    digest = life.digest();
    CHECK(life.digest_of_log() == digest);
    std::filesystem::remove_all(copy.path + "/store");
    REQUIRE(life.store->checkpoint_to(copy.path + "/store"));  // as a kill would leave it
  }
  Life life(copy.path, clock, with(kRules));
  CHECK(life.runtime->figures().replayed_blocks > 50);
  CHECK(life.digest() == digest);
  CHECK(life.fired("gone") == 11);
  CHECK(life.send(ping("d", kStart, "0")) != std::vector{LineOutcome::stored});
}

TEST_CASE("a rule set with a mistake changes nothing, and a good one takes its place while events come in") {
  Directory directory;
  ManualClock clock(kStart);
  Life life(directory.path, clock, with(kRules));
  life.send(ping("c", kStart, "1"));
  PlanSources sources;
  sources.catalog = {{"catalog.yaml", kCatalog}};
  sources.rules = {{"rules.yaml", "rules:\n  x:\n    when: {event: pong}\n    then: [{call_task: {team: t, subject: s}}]\n"}};
  const Result<PlanChange> bad = life.runtime->activate(sources);
  REQUIRE(bad);
  CHECK_FALSE(bad->accepted());
  CHECK(life.runtime->plan()->sequence == 1);
  sources.rules = {{"rules.yaml", std::string(kRules)}, {"more.yaml", "segments:\n  ever: {where: {event: ping}}\n"}};
  const Result<PlanChange> good = life.runtime->activate(sources);
  REQUIRE(good);
  CHECK(good->changed);
  CHECK(good->sequence == 2);
  CHECK(life.until([&] { return !life.runtime->figures().sweeping; }));
  const RootId root = life.runtime->plan()->find_segment("ever")->root;
  CHECK(life.runtime->stats().roots[root].members == 1);
  CHECK(life.send(ping("c2", clock.now(), "1")) == std::vector{LineOutcome::stored});
  CHECK(life.runtime->stats().roots[root].members == 2);
}

TEST_CASE("what rules write comes back from the log alone, once, and fires as it did") {
  Directory directory, copy;
  ManualClock clock(kStart);
  std::string digest;
  {
    Life life(directory.path, clock, with(kWriting));
    for (int i = 0; i < 30; ++i) life.send(ping("c" + std::to_string(i % 5), clock.now(), std::to_string(i), 2));
    life.send(ping("c0", kStart, "0", 2));  // a duplicate
    life.settle();
    CHECK(life.fired("count") == 30);
    CHECK(life.fired("rich") == 5);  // 6 pings of 2 points each
    digest = life.digest();
    CHECK(life.digest_of_log() == digest);
    life.balanced();
    CHECK(life.runtime->stats()[Counter::waiting] == 0);
    CHECK(life.runtime->stats()[Counter::actions] == 65);  // 30 of each write, and 5 tasks
    REQUIRE(life.store->checkpoint_to(copy.path + "/store"));
  }
  Life life(copy.path, clock, with(kWriting));
  CHECK(life.runtime->figures().replayed_blocks > 10);
  CHECK(life.digest() == digest);
  life.send(ping("c0", clock.now(), "more", 8));
  life.settle();
  CHECK(life.fired("rich") == 5);  // c0 was in already: its points are still there
}

TEST_CASE("an owner that the desk chose is written once, also when the process died before it was") {
  constexpr int kCustomers = 20;
  Directory directory, copy;
  ManualClock clock(kStart);
  const auto assigned = [&](Life& life) {
    return life.until([&] {
      clock.advance(1);
      return life.fired("owned") == kCustomers && life.runtime->stats()[Counter::waiting] == 0;
    });
  };
  {
    Life life(directory.path, clock, with(kWriting));
    for (int i = 0; i < kCustomers; ++i) life.send(ping("c" + std::to_string(i), clock.now(), "1", 7));
    REQUIRE(life.store->checkpoint_to(copy.path + "/store"));  // some choices are on their way, as a kill would leave them
    CHECK(assigned(life));
    life.settle();
    CHECK(life.fired("owned") == kCustomers);
  }
  Life life(copy.path, clock, with(kWriting));
  CHECK(assigned(life));
  life.settle();
  CHECK(life.fired("own") == kCustomers);
  CHECK(life.fired("owned") == kCustomers);
  CHECK(life.runtime->stats()[Counter::dead] == 0);
  life.balanced();
  CHECK(life.digest_of_log() == life.digest());
}

TEST_CASE("a plan that only adds segments reaches everybody whom their filters on attributes do not rule out, in memory, packed or on disk") {
  for (const std::size_t memory : {std::size_t{1}, std::size_t{96} << 10U, std::size_t{64} << 20U}) {
    CAPTURE(memory);
    Directory directory;
    ManualClock clock(kStart);
    Life life(directory.path, clock, with(kRules, memory));
    for (int i = 0; i < 90; ++i) {
      const std::string id = "c" + std::to_string(i);
      life.send(R"({"customer":")" + id + R"(","attributes":{"age":)" + std::to_string(i) + "}}");
      if (i % 2 == 0) life.send(ping(id, clock.now(), "1"));
    }
    life.settle();
    PlanSources sources;
    sources.catalog = {{"catalog.yaml", kCatalog}};
    const auto members = [&](const std::string& more, const std::string& name) {
      sources.rules = {{"rules.yaml", kRules}, {"more.yaml", "segments:\n" + more}};
      const Result<PlanChange> change = life.runtime->activate(sources);
      REQUIRE(change);
      REQUIRE_MESSAGE(change->accepted(), doc::render_text(change->diagnostics));
      CHECK(life.until([&] { return !life.runtime->figures().sweeping; }));
      return life.runtime->stats().roots[life.runtime->plan()->find_segment(name)->root].members;
    };
    const std::string grown = "  grown: {where: {all: [{attribute: age, at_least: 60}, {event: ping}]}}\n";
    const std::string young = "  young: {where: {all: [{attribute: age, less_than: 30}, {not: {event: ping}}]}}\n";
    CHECK(members(grown, "grown") == 15);
    CHECK(members(grown + young, "young") == 15);
    CHECK(members(grown + young, "grown") == 15);
    // Who was ruled out then, and no longer is, comes in.
    life.send(R"({"customer":"c40","attributes":{"age":70}})");
    life.settle();
    CHECK(life.runtime->stats().roots[life.runtime->plan()->find_segment("grown")->root].members == 16);
    // Another definition under the same name, then one that is gone and comes back: everybody is looked at.
    CHECK(members("  grown: {where: {all: [{attribute: age, at_least: 80}, {event: ping}]}}\n" + young, "grown") == 5);
    CHECK(members(grown, "grown") == 16);
    CHECK(members(grown + young, "young") == 15);
  }
}

TEST_CASE("a replay is compared with the states at the same point of the log, whatever comes in meanwhile") {
  Directory directory;
  ManualClock clock(kStart);
  Life life(directory.path, clock, with(kWriting));
  std::atomic<bool> ending{false};
  std::thread sender([&] {
    for (int i = 0; !ending; ++i) life.send(ping("c" + std::to_string(i % 40), clock.now(), std::to_string(i), i % 9));
  });
  int moved = 0;  // replays during which the log grew
  for (int i = 0; i < 200 && moved < 5; ++i) {
    const std::uint64_t before = life.runtime->last_block();
    const Result<ReplayDigest> replay = life.runtime->replay_digest();
    REQUIRE(replay);
    CHECK(replay->same_states);
    CHECK(replay->live == replay->digest);
    CHECK(replay->same_decisions);
    if (replay->customers != 0 && life.runtime->last_block() > before) ++moved;
  }
  ending = true;
  sender.join();
  CHECK(moved == 5);
}

TEST_CASE("states that are not those of the log are told") {
  Directory directory;
  ManualClock clock(kStart);
  Life life(directory.path, clock, with(kWriting));
  for (int i = 0; i < 5; ++i) life.send(ping("c" + std::to_string(i), clock.now(), std::to_string(i)));
  life.settle();
  REQUIRE(life.runtime->replay_digest()->same_states);
  // An event is lost from the log.
  const EventTypeId type = life.runtime->plan()->catalog->find_event("ping");
  std::uint64_t at = 0, events = 0;
  std::string without;
  REQUIRE(life.store->log_blocks(1, [&](std::uint64_t sequence, std::string_view block) {
    const auto scrubbed = scrub_events(block, {type}, events);
    REQUIRE(scrubbed);
    if (scrubbed->has_value()) {
      at = sequence;
      without = **scrubbed;
    }
    return at == 0;
  }));
  REQUIRE(at != 0);
  REQUIRE(life.store->replace_blocks(std::vector<std::pair<std::uint64_t, std::string>>{{at, without}}));
  const Result<ReplayDigest> replay = life.runtime->replay_digest();
  REQUIRE(replay);
  CHECK_FALSE(replay->same_states);
  CHECK_FALSE(replay->same_decisions);
  CHECK(replay->live != replay->digest);
}
