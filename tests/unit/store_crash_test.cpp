// kill -9 of a process that commits in a loop: nothing it was told is stored is missing, and no commit is there by half.
#include <cstring>
#include <random>
#include <set>
#include <thread>

#include "tests/unit/store_support.h"

namespace nudge::daemon {

using namespace test;

namespace {

StoreOptions crash_options(const std::string& path) {
  StoreOptions options = options_for(path);
  options.write_buffer_bytes = 128U << 10;  // flushes and compactions are cut short as well
  return options;
}

}  // namespace

TEST_CASE("child: commits without end" * doctest::skip()) {
  const std::string directory = child_directory();
  if (directory.empty()) return;
  auto store = Store::open(crash_options(directory));
  if (!store) {
    const std::string text = "ERROR" + store.error().message;
    _exit(write(3, text.data(), text.size()) > 0 ? 4 : 5);
  }
  for (std::uint64_t next = (*store)->last_sequence() + 1;;) {
    // Three sets in one batch, so that half a batch can be told from a whole one: the sequence modulo 3.
    while (next % 3 != 1) ++next;
    std::vector<WriteSet> sets;
    for (int i = 0; i < 3; ++i) sets.push_back(full_set(next++));
    if (next % 4 == 0) {
      WriteSet checkpoint;
      checkpoint.put(Family::meta, "checkpoint", Key{}.u64(next).view());
      if (!(*store)->commit_background(std::move(checkpoint))) _exit(6);
    }
    if (!(*store)->commit_many(sets)) _exit(7);
    const std::uint64_t acknowledged = next - 1;
    if (write(3, &acknowledged, sizeof acknowledged) != sizeof acknowledged) _exit(8);
  }
}

TEST_CASE("kill -9 under load loses nothing acknowledged and leaves no half commit") {
  const TempDir dir;
  const char* wanted = getenv("NUDGE_STORE_KILLS");
  const int rounds = wanted != nullptr ? std::atoi(wanted) : 25;
  std::mt19937 random(static_cast<unsigned>(rounds));
  std::uint64_t acknowledged_total = 0, compared = 0, maybe = 0, before = 0;
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    std::set<std::uint64_t> acknowledged;
    {
      Child child("child: commits without end", dir / "store");
      // Every fifth is killed at any moment of its opening, the others a moment after some number of commits, however slow the machine is.
      const bool opening = round % 5 == 4;
      const std::string first = opening ? "" : child.read(8 * (8 + random() % 60));
      std::thread killer([delay = opening ? random() % 60'000 : random() % 8'000, pid = child.pid()] {
        std::this_thread::sleep_for(std::chrono::microseconds(delay));
        kill(pid, SIGKILL);
      });
      const std::string told = first + child.read_all();
      killer.join();
      REQUIRE_MESSAGE(!told.starts_with("ERROR"), told);
      CHECK(WTERMSIG(child.wait()) == SIGKILL);
      for (std::size_t i = 0; i + 8 <= told.size(); i += 8) {
        std::uint64_t sequence = 0;
        std::memcpy(&sequence, told.data() + i, 8);
        for (std::uint64_t s = sequence - 2; s <= sequence; ++s) acknowledged.insert(s);
      }
    }
    const auto store = must_open(crash_options(dir / "store"));
    const auto blocks = check_blocks(*store);
    const std::set<std::uint64_t> present(blocks.begin(), blocks.end());
    std::uint64_t missing = 0;
    for (const std::uint64_t sequence : acknowledged) missing += present.contains(sequence) ? 0U : 1U;
    CHECK(missing == 0);
    CHECK(check_outbox(*store) == blocks);
    CHECK(blocks.size() % 3 == 0);  // batches of three, whole
    CHECK((blocks.empty() || blocks.back() == blocks.size()));
    CHECK(blocks.size() >= before + acknowledged.size());
    maybe += blocks.size() - before - acknowledged.size();
    before = blocks.size();
    acknowledged_total += acknowledged.size();
    compared += blocks.size();
  }
  MESSAGE(rounds << " kills, " << acknowledged_total << " acknowledged blocks, " << maybe << " kept without having been acknowledged, "
                 << compared << " comparisons");
  CHECK(acknowledged_total >= static_cast<std::uint64_t>(rounds) * 20);  // else the loop has proved nothing
}

}  // namespace nudge::daemon
