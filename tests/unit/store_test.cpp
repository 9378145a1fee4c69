// The store on a healthy disk.
#include <atomic>
#include <thread>

#include "tests/unit/store_support.h"

namespace nudge::daemon {

using namespace test;

TEST_CASE("what is committed is there, also after a clean reopen") {
  const TempDir dir(std::filesystem::temp_directory_path());  // on a disk
  const StoreOptions options = options_for(dir / "store");
  {
    const auto store = must_open(options);
    CHECK(store->last_sequence() == 0);
    commit_all(*store, 1, 300);
    CHECK(store->last_sequence() == 300);
    CHECK(store->accepting());
    CHECK(store->refusal().empty());
    const StoreStats stats = store->stats();
    CHECK(stats.commits == 300);
    CHECK(stats.watermark == 300);
    CHECK(stats.last_sequence == 300);
    CHECK(stats.wal_bytes > 300 * 200);
    CHECK(stats.families[static_cast<std::size_t>(Family::log)].keys_estimate == 300);
    CHECK(stats.free_bytes > 0);
    REQUIRE(store->close().has_value());
    const auto late = store->commit(full_set(301));
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().code == Code::unavailable);
    CHECK_FALSE(store->accepting());
  }
  const auto store = must_open(options);
  CHECK(store->last_sequence() == 300);
  CHECK(check_blocks(*store).size() == 300);
  CHECK(check_outbox(*store).size() == 300);
  commit_all(*store, 301, 310);
  CHECK(check_blocks(*store).size() == 310);
}

TEST_CASE("every family keeps its own keys") {
  const TempDir dir;
  const auto store = must_open(options_for(dir / "store"));
  WriteSet set;
  for (std::size_t i = 0; i < kFamilies; ++i)
    if (static_cast<Family>(i) != Family::log) set.put(static_cast<Family>(i), "key", family_name(static_cast<Family>(i)));
  REQUIRE(store->commit(std::move(set)).has_value());
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto value = store->get(static_cast<Family>(i), "key");
    REQUIRE(value.has_value());
    CHECK(value->has_value() == (static_cast<Family>(i) != Family::log));
    if (*value) CHECK(**value == family_name(static_cast<Family>(i)));
  }
}

TEST_CASE("reads: get, multi_get, scans both ways, early end, erase") {
  const TempDir dir;
  const auto store = must_open(options_for(dir / "store"));
  WriteSet set;
  for (int i = 0; i < 100; ++i) set.put(Family::task, Key{}.u32(static_cast<std::uint32_t>(i)).view(), std::to_string(i));
  REQUIRE(store->commit(std::move(set)).has_value());
  set.erase(Family::task, Key{}.u32(50).view());
  REQUIRE(store->commit(std::move(set)).has_value());

  const auto collect = [&](std::string from, std::string to, ScanOptions how, std::size_t limit = 1000) {
    std::vector<std::string> values;
    REQUIRE(store
                ->scan(
                    Family::task, from, to,
                    [&](std::string_view, std::string_view value) {
                      values.emplace_back(value);
                      return values.size() < limit;
                    },
                    how)
                .has_value());
    return values;
  };
  const auto key = [](std::uint32_t i) { return Key{}.u32(i).take(); };
  CHECK(collect(key(48), key(53), {}) == std::vector<std::string>{"48", "49", "51", "52"});
  CHECK(collect(key(48), key(53), {.backward = true}) == std::vector<std::string>{"52", "51", "49", "48"});
  CHECK(collect("", "", {}).size() == 99);
  CHECK(collect("", "", {.backward = true, .fill_cache = false}, 2) == std::vector<std::string>{"99", "98"});
  CHECK(collect(key(98), "", {}) == std::vector<std::string>{"98", "99"});
  CHECK(collect(key(200), "", {}).empty());
  CHECK(collect(key(5), key(5), {}).empty());

  CHECK_FALSE(store->get(Family::task, key(50)).value().has_value());
  const std::vector<std::string> keys{key(1), key(50), key(2), "none"};
  const auto values = store->multi_get(Family::task, keys);
  REQUIRE(values.has_value());
  CHECK(*values == std::vector<std::optional<std::string>>{"1", std::nullopt, "2", std::nullopt});
}

TEST_CASE("a snapshot sees one moment and may outlive the store") {
  const TempDir dir;
  std::optional<Snapshot> kept;
  {
    const auto store = must_open(options_for(dir / "store"));
    WriteSet set;
    set.put(Family::task, "k", "old");
    REQUIRE(store->commit(std::move(set)).has_value());
    Snapshot snapshot = store->snapshot();
    set.put(Family::task, "k", "new");
    set.put(Family::task, "l", "new");
    REQUIRE(store->commit(std::move(set)).has_value());
    CHECK(store->get(Family::task, "k", &snapshot).value() == "old");
    CHECK(store->get(Family::task, "k").value() == "new");
    const std::vector<std::string> keys{"k", "l"};
    CHECK(store->multi_get(Family::task, keys, &snapshot).value() == std::vector<std::optional<std::string>>{"old", std::nullopt});
    int seen = 0;
    REQUIRE(store->scan(Family::task, {}, {}, [&](auto, auto) { return ++seen, true; }, {.snapshot = &snapshot}).has_value());
    CHECK(seen == 1);
    kept = std::move(snapshot);
  }
  CHECK(must_refuse(options_for(dir / "store")).code == Code::conflict);  // still open through the snapshot
  kept.reset();
  must_open(options_for(dir / "store"));
}

TEST_CASE("a wrong set writes nothing and does not poison") {
  const TempDir dir;
  const auto store = must_open(options_for(dir / "store"));
  commit_all(*store, 1, 5);
  struct Case {
    const char* what;
    std::function<void(WriteSet&)> build;
  };
  const std::vector<Case> cases{
      {"5", [](WriteSet& s) { s.append(5, "again"); }},
      {"block 0", [](WriteSet& s) { s.append(0, "zero"); }},
      {"after block 9", [](WriteSet& s) { s.append(9, "a"), s.append(8, "b"); }},
      {"append()", [](WriteSet& s) { s.put(Family::log, log_key(9), "raw"); }},
      {"append()", [](WriteSet& s) { s.erase(Family::log, log_key(1)); }},
      {"store/", [](WriteSet& s) { s.put(Family::meta, "store/format", "99"); }},
      {"store/", [](WriteSet& s) { s.erase(Family::meta, "store/id"); }},
      {"empty", [](WriteSet& s) { s.put(Family::task, "", "v"); }},
      {"4097", [](WriteSet& s) { s.put(Family::task, std::string(4097, 'k'), "v"); }},
      {"no family", [](WriteSet& s) { s.put(static_cast<Family>(kFamilies), "k", "v"); }},
  };
  for (const auto& [what, build] : cases) {
    CAPTURE(what);
    std::vector<WriteSet> sets(2);
    sets[0].put(Family::task, "side effect", "x");
    build(sets[1]);
    const auto done = store->commit_many(sets);
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().code == Code::invalid);
    CHECK(contains(done.error().message, what));
    CHECK_FALSE(store->poisoned());
    CHECK_FALSE(store->get(Family::task, "side effect").value().has_value());
  }
  commit_all(*store, 6, 7);
  CHECK(check_blocks(*store).size() == 7);
}

TEST_CASE("several sets are one batch, in order; gaps are allowed") {
  const TempDir dir;
  const auto store = must_open(options_for(dir / "store"));
  std::vector<WriteSet> sets(3);
  sets[0].append(10, payload(10));
  sets[0].append(12, payload(12));
  sets[1].put(Family::task, "k", "first");
  sets[2].append(20, payload(20));
  sets[2].put(Family::task, "k", "last");
  REQUIRE(store->commit_many(sets).has_value());
  for (const WriteSet& set : sets) CHECK(set.empty());
  CHECK(store->stats().commits == 1);
  CHECK(store->get(Family::task, "k").value() == "last");
  CHECK(check_blocks(*store) == std::vector<std::uint64_t>{10, 12, 20});
  std::vector<std::uint64_t> later;
  CHECK(store->log_blocks(12, [&](std::uint64_t s, std::string_view) { return later.push_back(s), false; }).value() == 1);
  CHECK(later == std::vector<std::uint64_t>{12});
  CHECK(store->log_blocks(11, [&](std::uint64_t, std::string_view) { return true; }).value() == 2);
  CHECK(store->log_blocks(21, [&](std::uint64_t, std::string_view) { return true; }).value() == 0);
}

TEST_CASE("background commits are ordered, and synced by the tick, by sync and by the next commit") {
  const TempDir dir;
  StoreOptions options = options_for(dir / "store");
  options.tick = std::chrono::hours(1);
  const auto store = must_open(options);
  WriteSet set = full_set(1);
  REQUIRE(store->commit_background(std::move(set)).has_value());
  CHECK(store->last_sequence() == 1);
  CHECK(store->stats().watermark == 0);  // not acknowledged
  REQUIRE(store->sync().has_value());
  CHECK(store->stats().watermark == 1);
  REQUIRE(store->commit_background(full_set(2)).has_value());
  REQUIRE(store->commit(full_set(3)).has_value());
  CHECK(store->stats().watermark == 3);
  CHECK(check_blocks(*store).size() == 3);
  CHECK(store->stats().background_commits == 2);

  StoreOptions lazy = options_for(dir / "lazy");
  lazy.sync = false;
  const auto unsynced = must_open(lazy);
  REQUIRE(unsynced->commit(full_set(1)).has_value());
  for (int i = 0; i < 500 && unsynced->stats().watermark == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(unsynced->stats().watermark == 1);
}

TEST_CASE("commits from several threads all arrive, once") {
  const TempDir dir;
  const auto store = must_open(options_for(dir / "store"));
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        WriteSet set;
        set.put(Family::task, Key{}.u32(static_cast<std::uint32_t>(t)).u32(static_cast<std::uint32_t>(i)).view(), "v");
        if (!(i % 2 == 0 ? store->commit(std::move(set)) : store->commit_background(std::move(set)))) ++failed;
        if (!store->get(Family::task, Key{}.u32(static_cast<std::uint32_t>(t)).u32(static_cast<std::uint32_t>(i)).view()).value()) ++failed;
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(failed == 0);
  int count = 0;
  REQUIRE(store->scan(Family::task, {}, {}, [&](auto, auto) { return ++count, true; }).has_value());
  CHECK(count == 400);
}

TEST_CASE("below the low-space mark it stops accepting, with a reason") {
  const TempDir dir;
  StoreOptions options = options_for(dir / "store");
  options.low_space_bytes = std::uint64_t{1} << 60;
  LogLines lines;
  options.log = [&](StoreLogLevel, std::string_view line) {
    const std::lock_guard lock(lines.mutex);
    lines.text.append(line).append("\n");
  };
  const auto store = must_open(options);
  CHECK_FALSE(store->accepting());
  CHECK(contains(store->refusal(), "free"));
  CHECK(contains(store->refusal(), options.path));
  CHECK(lines.contains("no events are taken in"));
  CHECK(store->free_space().value() > 0);
  // What is needed to free space still goes through.
  WriteSet set;
  set.erase(Family::task, "k");
  CHECK(store->commit(std::move(set)).has_value());
}

TEST_CASE("a backup opens as a store of its own, with what was there at its moment") {
  const TempDir dir;
  StoreOptions options = options_for(dir / "store");
  options.write_buffer_bytes = 64U << 10;
  const auto store = must_open(options);
  commit_all(*store, 1, 200);
  REQUIRE(store->compact().has_value());
  commit_all(*store, 201, 250);
  REQUIRE(store->checkpoint_to(dir / "backup").has_value());
  commit_all(*store, 251, 300);
  const auto again = store->checkpoint_to(dir / "backup");
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == Code::conflict);
  const auto nowhere = store->checkpoint_to(dir / "no/such/place");
  REQUIRE_FALSE(nowhere.has_value());
  CHECK(nowhere.error().code == Code::not_found);
  const auto backup = must_open(options_for(dir / "backup"));
  CHECK(check_blocks(*backup).size() == 250);
  CHECK(check_outbox(*backup).size() == 250);
  CHECK(backup->last_sequence() == 250);
  commit_all(*backup, 251, 260);
  CHECK(check_blocks(*store).size() == 300);
}

}  // namespace nudge::daemon
