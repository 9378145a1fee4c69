// The store on a disk that fails, fills up, lies, or loses its power.
#include <sys/mount.h>

#include <random>
#include <thread>

#include "tests/unit/store_faults.h"
#include "tests/unit/store_support.h"

namespace nudge::daemon {

using namespace test;

namespace {

StoreOptions faulty_options(const std::string& path) {
  faults::reset();
  StoreOptions options = options_for(path);
  options.file_system = faulty_file_system();
  options.tick = std::chrono::hours(1);
  return options;
}

// Every block up to `acknowledged` and every one of them with its outbox record; perhaps the next one, too.
void check_kept(const StoreOptions& options, std::uint64_t acknowledged, std::uint64_t submitted) {
  const auto store = must_open(options);
  const auto blocks = check_blocks(*store);
  CHECK(blocks.size() >= acknowledged);
  CHECK(blocks.size() <= submitted);
  CHECK(check_outbox(*store) == blocks);
  CHECK(store->last_sequence() == blocks.size());
  WriteSet next = full_set(blocks.size() + 1);
  CHECK(store->commit(std::move(next)).has_value());
}

}  // namespace

TEST_CASE("one failed fdatasync poisons the store; what was acknowledged is there after a restart") {
  for (const int times : {1, -1}) {
    CAPTURE(times);
    const TempDir dir;
    const StoreOptions options = faulty_options(dir / "store");
    {
      const auto store = must_open(options);
      commit_all(*store, 1, 20);
      faults::fail_syncs(times);
      const auto failed = store->commit(full_set(21));
      REQUIRE_FALSE(failed.has_value());
      CHECK(failed.error().code == Code::io);
      CHECK(contains(failed.error().message, "unknown"));
      CHECK(store->poisoned());
      CHECK_FALSE(store->accepting());
      CHECK(store->refusal() == failed.error().message);
      CHECK(store->last_sequence() == 20);
      CHECK(store->stats().watermark == 20);
      // The same answer for everything that would write, for good.
      WriteSet small;
      small.put(Family::task, "k", "v");
      CHECK(store->commit(std::move(small)).error().message == failed.error().message);
      CHECK(store->commit_background(full_set(22)).error().message == failed.error().message);
      CHECK(store->sync().error().message == failed.error().message);
      CHECK(store->failure().value().message == failed.error().message);
      CHECK(store->get(Family::outbox, log_key(20)).value().has_value());  // reads still work
      CHECK(store->close().error().message == failed.error().message);
    }
    faults::fail_syncs(0);
    check_kept(options, 20, 21);
  }
}

TEST_CASE("the n-th sync fails, for every n of a small life") {
  int n = 0, poisoned = 0;
  for (bool failed = true; failed; ++n) {
    REQUIRE(n < 500);
    CAPTURE(n);
    const TempDir dir;
    StoreOptions options = faulty_options(dir / "store");
    options.write_buffer_bytes = 64U << 10;
    std::uint64_t acknowledged = 0;
    const int before = faults::syncs();
    {
      // The first n syncs succeed, counted from the opening of a new store.
      auto store = Store::open(options);
      REQUIRE(store.has_value());
      failed = false;
      for (std::uint64_t i = 1; i <= 30 && !failed; ++i) {
        if (faults::syncs() - before >= n) faults::fail_syncs(1);
        if ((*store)->commit(full_set(i)))
          acknowledged = i;
        else
          failed = true;
      }
      if (failed) {
        CHECK((*store)->poisoned());
        ++poisoned;
      }
    }
    faults::fail_syncs(0);
    check_kept(options, acknowledged, 30);
  }
  CHECK(poisoned >= 30);
}

TEST_CASE("a torn write in the middle of a commit poisons; after a restart the commit is there as a whole or not at all") {
  for (int n = 1; n <= 3; ++n) {
    CAPTURE(n);
    const TempDir dir;
    const StoreOptions options = faulty_options(dir / "store");
    std::uint64_t acknowledged = 10;
    {
      const auto store = must_open(options);
      commit_all(*store, 1, 10);
      faults::tear_append(n);
      while (store->commit(full_set(acknowledged + 1))) ++acknowledged;
      CHECK(store->poisoned());
      CHECK(acknowledged < 14);
    }
    check_kept(options, acknowledged, acknowledged + 1);
  }
}

TEST_CASE("a power cut takes what was not synced and nothing else") {
  std::mt19937 random(11);
  std::uint64_t lost_bytes = 0, compared = 0, dropped_blocks = 0;
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    const TempDir dir;
    StoreOptions options = faulty_options(dir / "store");
    options.write_buffer_bytes = 64U << 10;  // so that flushes and new logs are under way as well
    std::uint64_t written = 0, acknowledged = 0;
    for (int life = 0; life < 3; ++life) {
      {
        const auto store = must_open(options);
        CHECK(store->last_sequence() >= acknowledged);
        written = store->last_sequence();
        acknowledged = written;  // what an opening shows counts as acknowledged from then on
        const std::uint64_t steps = 5 + random() % 60;
        for (std::uint64_t i = 0; i < steps; ++i) {
          if (random() % 3 != 0) {
            REQUIRE(store->commit(full_set(++written)).has_value());
            acknowledged = written;
          } else {
            REQUIRE(store->commit_background(full_set(++written)).has_value());
          }
        }
        for (std::uint64_t i = random() % 4; i > 0; --i) REQUIRE(store->commit_background(full_set(++written)).has_value());
        faults::power_off();
      }
      lost_bytes += faults::lose_unsynced();
      const auto store = must_open(options);
      const auto blocks = check_blocks(*store);
      CHECK(blocks.size() >= acknowledged);
      CHECK(blocks.size() <= written);
      CHECK(check_outbox(*store) == blocks);
      compared += blocks.size();
      dropped_blocks += written - blocks.size();
    }
  }
  // The test has bitten: there were losses, and they were only of what was not acknowledged.
  CHECK(lost_bytes > 0);
  CHECK(dropped_blocks >= 10);
  CHECK(compared >= 2000);
}

TEST_CASE("what a restart after a kill shows survives a power cut after that") {
  const TempDir dir;
  const StoreOptions options = faulty_options(dir / "store");
  {
    const auto store = must_open(options);
    commit_all(*store, 1, 5);
    for (std::uint64_t i = 6; i <= 10; ++i) REQUIRE(store->commit_background(full_set(i)).has_value());
    faults::power_off();  // as good as a kill: closing can't write any more
  }
  faults::power_on();
  std::uint64_t shown = 0;
  {
    const auto store = must_open(options);
    shown = store->last_sequence();
    CHECK(shown == 10);
    faults::power_off();
  }
  faults::lose_unsynced();
  CHECK(check_blocks(*must_open(options)).size() == shown);
}

TEST_CASE("a disk that lies about syncs is found out at the next start") {
  const TempDir dir;
  const StoreOptions options = faulty_options(dir / "store");
  {
    const auto store = must_open(options);
    commit_all(*store, 1, 10);
    faults::ignore_syncs(true);
    commit_all(*store, 11, 20);
    faults::power_off();
  }
  CHECK(faults::lose_unsynced() > 0);
  faults::ignore_syncs(false);
  const Error error = must_refuse(options);
  CHECK(error.code == Code::corrupt);
  CHECK(contains(error.message, "sequence 20"));
  CHECK(contains(error.message, "ends at 10"));
}

TEST_CASE("no space for the n-th byte: a clean error, nothing acknowledged is lost") {
  std::size_t full = 0;
  for (const std::int64_t bytes : {0, 1, 100, 3000, 20'000, 60'000, 150'000}) {
    CAPTURE(bytes);
    const TempDir dir;
    StoreOptions options = faulty_options(dir / "store");
    options.write_buffer_bytes = 64U << 10;
    std::uint64_t acknowledged = 0;
    {
      const auto store = must_open(options);
      commit_all(*store, 1, 10);
      acknowledged = 10;
      faults::space_left(bytes);
      while (acknowledged < 400 && store->commit(full_set(acknowledged + 1))) ++acknowledged;
      CHECK(acknowledged < 400);
      if (store->poisoned()) ++full;
      CHECK_FALSE(store->accepting());
      CHECK(check_outbox(*store).size() >= acknowledged);
    }
    faults::space_left(-1);
    check_kept(options, acknowledged, acknowledged + 1);
  }
  CHECK(full == 7);
}

TEST_CASE("a really full disk: refused at the low-space mark; going on regardless ends in an error, not an abort") {
  const TempDir dir;
  if (mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=12m") != 0) {
    MESSAGE("mount is not permitted here: the cases with a file system that says so stand in");
    return;
  }
  struct Unmount {  // also when a check below ends the case
    const std::string& path;
    ~Unmount() { umount2(path.c_str(), MNT_DETACH); }
  } const unmount{dir.path()};
  {
    StoreOptions options = options_for(dir / "store");
    options.write_buffer_bytes = 256U << 10;
    options.low_space_bytes = 5U << 20;
    std::uint64_t acknowledged = 0, refused_at = 0;
    {
      const auto store = must_open(options);
      CHECK(store->accepting());
      while (acknowledged < 20'000) {
        if (refused_at == 0 && !store->accepting()) {
          refused_at = acknowledged;
          CHECK(contains(store->refusal(), "MiB are free"));
        }
        if (acknowledged % 200 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(30));  // longer than a tick
        if (!store->commit(full_set(acknowledged + 1))) break;
        ++acknowledged;
      }
      CHECK(acknowledged < 20'000);
      CHECK(store->poisoned());
      CHECK(refused_at > 0);
      CHECK(refused_at < acknowledged);
    }
    REQUIRE(mount("tmpfs", dir.path().c_str(), "tmpfs", MS_REMOUNT, "size=64m") == 0);
    check_kept(options, acknowledged, acknowledged + 1);
    CHECK(acknowledged > 500);
  }
}

}  // namespace nudge::daemon
