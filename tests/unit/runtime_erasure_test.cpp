// Erasure of customers: nothing of them is left, in the states, beside them, in the log and in the files; what others have stays.
#include <doctest/doctest.h>

#include <future>

#include "daemon/runtime/log_scrub.h"
#include "tests/unit/runtime_life.h"

using namespace nudge;
using namespace nudge::daemon;
using namespace nudge::daemon::test;

namespace {

// Texts that occur nowhere but in what the erased customer is known by.
const std::vector<std::string> kMarks{"Zq7NameMark", "zq7mail@example.org", "zq7-customer", "zq7-visitor", "Zq7NoteMark", "zq7-event"};

void live_a_while(Life& life) {
  life.send(R"({"customer":"zq7-customer","attributes":{"name":"Zq7NameMark","email":"zq7mail@example.org"}})");
  life.send(ping("zq7-visitor", "zq7-event-1", "Zq7NoteMark one"));
  life.send(R"({"customer":"zq7-customer","merge":"zq7-visitor"})");
  life.send(R"({"customer":"other","attributes":{"name":"Bob","email":"bob@example.com"}})");
  life.send(ping("other", "o1", "a note that stays"));
  life.send(ping("zq7-customer", "zq7-event-2", "Zq7NoteMark two"));
  life.send(R"({"customer":"zq7-customer","event":"no-such-event","data":{"note":"Zq7NoteMark three"}})");
  life.send(ping("other", "o2", "another"));
  life.settle();
}

}  // namespace

TEST_CASE("an erased customer is nowhere any more, and the books and the others are as they were") {
  Directory dir;
  ManualClock clock(kStart);
  std::string live, books;
  {
    Life life(dir.path, clock, pings());
    live_a_while(life);
    for (const std::string& mark : kMarks) CHECK_MESSAGE(!found_in_store(*life.store, mark).empty(), mark);
    const StatsDelta before = life.runtime->stats();
    const auto sight = life.while_time_goes_on([&] { return life.runtime->eraser().look("zq7-visitor"); });
    REQUIRE(sight);
    CHECK(sight->ids == std::vector<std::string>{"zq7-customer", "zq7-visitor"});
    CHECK(sight->counts.facts >= 4);  // two attributes, two pings, and what nudge tells of the tasks
    CHECK(sight->counts.tasks == 2);
    CHECK(sight->counts.actions == 3);  // the visitor had no address to write to
    CHECK(sight->counts.quarantine == 1);
    CHECK(life.knows("zq7-customer"));  // looking changes nothing

    life.erase("zq7-visitor", "e1");
    CHECK_FALSE(life.knows("zq7-customer"));
    CHECK_FALSE(life.knows("zq7-visitor"));
    CHECK(life.knows("other"));
    CHECK(life.all_done());
    life.balanced();
    const StatsDelta after = life.runtime->stats();
    CHECK(after[Counter::stored] == before[Counter::stored]);
    CHECK(after[Counter::fired] == before[Counter::fired]);
    CHECK(after[Counter::actions] == before[Counter::actions]);
    CHECK(after[Counter::tasks] == before[Counter::tasks]);
    CHECK(after[Counter::tasks_open] == before[Counter::tasks_open] - 2);
    CHECK(after.roots.begin()->second.members == before.roots.begin()->second.members - 1);
    for (const std::string& mark : kMarks) CHECK_MESSAGE(found_in_store(*life.store, mark) == "", mark);
    CHECK(found_in_store(*life.store, "a note that stays") != "");
    live = life.digest();
    CHECK(live == life.digest_of_log());
    const auto again = life.while_time_goes_on([&] { return life.runtime->eraser().look("zq7-customer"); });
    REQUIRE_FALSE(again);
    CHECK(again.error().code == Code::not_found);
  }
  {
    Life life(dir.path, clock, pings());
    CHECK(life.digest() == live);
    // Whoever comes again is new: the ids of before are free, the visitor is nobody's other name.
    life.send(ping("zq7-customer", "zq7-event-2", "back"));
    life.send(ping("zq7-visitor", "v", "back"));
    life.settle();
    CHECK(life.knows("zq7-customer"));
    const auto sight = life.while_time_goes_on([&] { return life.runtime->eraser().look("zq7-customer"); });
    REQUIRE(sight);
    CHECK(sight->ids == std::vector<std::string>{"zq7-customer"});
    CHECK(life.digest() == life.digest_of_log());
    life.balanced();
    live = life.digest();
  }
  {
    Life life(dir.path, clock, pings());
    CHECK(life.digest() == live);
    life.erase("zq7-customer", "e2");
    life.erase("zq7-visitor", "e3");
    CHECK(life.all_done());
  }
  { Life life(dir.path, clock, pings()); }  // the manifest is written anew at a start
  for (const std::string& mark : kMarks) CHECK_MESSAGE(found_in_files(dir.path, mark) == "", mark);
}

TEST_CASE("what waits for an erased customer never happens") {
  Directory dir;
  ManualClock clock(kStart);
  Life life(dir.path, clock, pings());
  live_a_while(life);
  const auto plan = life.runtime->plan();
  const RuleId later = plan->find_rule("later")->id;
  life.erase("zq7-customer", "e1");
  clock.advance(2 * kDay);
  life.settle();
  StatsDelta stats = life.runtime->stats();
  CHECK(stats.rules[later].actions == 2);  // of the other's two pings
  CHECK(stats[Counter::tasks_overdue] == 4);
  CHECK_FALSE(life.knows("zq7-customer"));
  CHECK(life.all_done());
  life.balanced();
  CHECK(life.digest() == life.digest_of_log());
}

TEST_CASE("an erasure that a start finds half done is finished before anybody can ask") {
  Directory dir;
  ManualClock clock(kStart);
  std::string live;
  {
    Life life(dir.path, clock, pings());
    live_a_while(life);
    life.end();
    // As a process leaves it that ends right after it was begun.
    StoreOptions so;
    so.path = dir.path + "/store";
    so.low_space_bytes = 1;
    auto store = *Store::open(std::move(so));
    Erasure e;
    e.id = "half";
    e.at = clock.now();
    e.by = "test";
    e.customers = {{"zq7-customer", kNever}};
    std::string bytes;
    encode_erasure(bytes, e);
    WriteSet set;
    set.put(Family::meta, std::string(kErasures) + "half", bytes);
    REQUIRE(store->commit(std::move(set)));
    REQUIRE(store->close());
  }
  Life life(dir.path, clock, pings());
  CHECK_FALSE(life.knows("zq7-customer"));
  CHECK_FALSE(life.knows("zq7-visitor"));
  CHECK(life.all_done());
  for (const std::string& mark : kMarks) CHECK_MESSAGE(found_in_store(*life.store, mark) == "", mark);
  CHECK(life.digest() == life.digest_of_log());
  life.balanced();
}

TEST_CASE("a block keeps its numbers when customers leave it") {
  Input a;
  a.customer = "gone";
  a.id = "i1";
  a.time = 5;
  a.type = 0;
  a.fields = {Value::of_integer(3)};
  Input b = a;
  b.customer = "stays";
  EntryWriter entries;
  entries.step("gone", 10, std::vector<const Input*>{&a});
  entries.step("stays", 10, std::vector<const Input*>{&b});
  entries.mark(EntryKind::erase, "gone", 12);
  entries.step("gone", 13, std::vector<const Input*>{&a});  // who comes again
  LogBlock block;
  block.first_decision = 7;
  block.units.push_back({3, entries.bytes()});
  block.decisions.push_back(Decision{.number = 7, .fired = true, .rule = "r", .customer = "gone", .at = 10, .detail = "words"});
  block.decisions.push_back(Decision{.number = 8, .fired = true, .rule = "r", .customer = "gone", .at = 13});
  block.stats.rules[4].last_error = "no mailbox x@example.com";
  block.stats.rules[4].last_error_at = 5;
  std::string edges;
  append_edges(edges, "gone", std::vector<Edge>{{4, true, false, 10}});
  append_edges(edges, "stays", std::vector<Edge>{{4, true, false, 10}});
  block.edges = edges;
  std::string bytes;
  encode_block(bytes, block);
  ErasedIds gone;
  gone.set("nobody", 100);
  // An error's words name nobody, so they go with anybody.
  const auto without_words = scrub_block(bytes, gone);
  REQUIRE(without_words);
  REQUIRE(without_words->has_value());
  CHECK((*without_words)->find("mailbox") == std::string::npos);
  const auto nothing = scrub_block(**without_words, gone);
  REQUIRE(nothing);
  CHECK_FALSE(nothing->has_value());
  gone.set("gone", 12);
  const auto clean = scrub_block(bytes, gone);
  REQUIRE(clean);
  REQUIRE(clean->has_value());
  const auto back = decode_block(**clean, BlockPart::all);
  REQUIRE(back);
  CHECK(back->first_decision == 7);
  CHECK(back->stats.rules.at(4).last_error_at == 5);
  REQUIRE(back->decisions.size() == 2);
  CHECK(back->decisions[0].customer == "");
  CHECK(back->decisions[0].detail == "");
  CHECK(back->decisions[0].fired);
  CHECK(back->decisions[1].customer == "gone");
  std::vector<std::string> seen;
  REQUIRE(read_entries(back->units[0], [&](LogEntry& entry) { seen.push_back(entry.customer + "@" + std::to_string(entry.instant)); }));
  CHECK(seen == std::vector<std::string>{"stays@10", "gone@13"});
  seen.clear();
  REQUIRE(read_edges(back->edges, [&](const LogEdge& edge) { seen.emplace_back(edge.customer); }));
  CHECK(seen == std::vector<std::string>{"stays"});
  for (std::size_t cut = 0; cut < bytes.size(); cut += 3) CHECK_FALSE(scrub_block(std::string_view(bytes).substr(0, cut), gone));
}
