// Erasure of customers: nothing of them is left, in the states, beside them, in the log and in the files; what others have stays.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include "daemon/runtime/log_block.h"
#include "daemon/runtime/log_scrub.h"
#include "daemon/runtime/runtime.h"
#include "daemon/runtime/tasks.h"
#include "daemon/store/keys.h"

using namespace nudge;
using namespace nudge::daemon;

namespace {

constexpr TimeMs kStart = 1'800'000'000'000;

const char* const kCatalog = R"(
customer:
  attributes:
    name: {type: text, pii: true}
    email: {type: text, pii: true}
events:
  ping: {fields: {n: integer, note: text}}
)";
const char* const kRules = R"(
segments:
  pinged: {where: {event: ping}}
rules:
  call:
    when: {event: ping}
    then:
      - call_task: {team: t, subject: "Call {{ customer.name }}", due_in: 1h}
      - email: {to: "{{ customer.email }}", subject: "Dear {{ customer.name }}", text: hello}
  later:
    when: {event: ping}
    then:
      - after: 1d
        call_task: {team: t, subject: "again", due_in: 1h}
teams:
  t: {members: [{id: a, name: A, email: a@example.com}]}
)";

struct Directory {
  std::string path;
  Directory() {
    char name[] = "/tmp/nudge-erasure-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path); }
};

struct Life {
  ManualClock& clock;
  std::unique_ptr<Store> store;
  std::unique_ptr<Runtime> runtime;

  // A customer is judged once a millisecond, so the clock has to move while somebody waits.
  template <class Work>
  auto while_time_goes_on(Work work) {
    auto future = std::async(std::launch::async, std::move(work));
    while (future.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) clock.advance(1);
    return future.get();
  }

  Life(const std::string& path, ManualClock& clock_in, RetentionOptions retention = {}) : clock(clock_in) {
    StoreOptions so;
    so.path = path + "/store";
    so.low_space_bytes = 1;
    auto opened = Store::open(std::move(so));
    REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().message));
    store = *std::move(opened);
    RuntimeOptions options;
    options.shards = 2;
    options.checkpoint_interval = kHour;
    options.retention = retention;
    auto made = Runtime::open(std::move(options), *store, clock, [](const Error& error) { FAIL_CHECK(error.message); });
    REQUIRE_MESSAGE(made, (made ? "" : made.error().message));
    runtime = *std::move(made);
    PlanSources sources;
    sources.catalog = {{"catalog.yaml", kCatalog}};
    sources.rules = {{"rules.yaml", kRules}};
    const Result<PlanChange> change = runtime->activate(sources);
    REQUIRE(change);
    REQUIRE_MESSAGE(change->accepted(), doc::render_text(change->diagnostics));
    REQUIRE(while_time_goes_on([this] { return runtime->start(); }));
  }
  ~Life() { end(); }
  void end() {
    if (runtime == nullptr) return;
    settle();
    runtime->stop(std::chrono::milliseconds(0));
    runtime.reset();
    REQUIRE(store->close());
    store.reset();
  }
  void send(std::string body) {
    auto done = std::make_shared<std::promise<void>>();
    auto job = std::make_unique<Job>();
    job->body = std::move(body);
    job->done = [done](Job&) { done->set_value(); };
    REQUIRE(runtime->ingest(std::move(job), Framing::guess));
    while_time_goes_on([done] { done->get_future().get(); });
  }
  void settle() {
    for (int quiet = 0; quiet < 30; ++quiet) {
      if (runtime->figures().queued_items != 0) quiet = 0;
      clock.advance(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  void erase(const std::string& id, const std::string& erasure) {
    const auto sight = while_time_goes_on([&] { return runtime->eraser().look(id); });
    REQUIRE_MESSAGE(sight, (sight ? "" : sight.error().message));
    const auto done = while_time_goes_on([&] { return runtime->eraser().erase(erasure, sight->ids, "test"); });
    REQUIRE_MESSAGE(done, (done ? "" : done.error().message));
  }
  bool all_done() {
    for (int i = 0; i < 4000; ++i) {
      const auto all = runtime->eraser().list();
      REQUIRE(all);
      bool done = true;
      for (const Erasure& e : *all) done = done && e.step == Erasure::Step::done;
      if (done) return true;
      clock.advance(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  std::string digest() {
    std::promise<std::string> done;
    runtime->digest([&](Result<std::string> d, std::uint64_t customers) {
      REQUIRE(d);
      done.set_value(*d + " of " + std::to_string(customers));
    });
    return done.get_future().get();
  }
  std::string digest_of_log() {
    const auto replayed = runtime->replay_digest();
    REQUIRE_MESSAGE(replayed, (replayed ? "" : replayed.error().message));
    CHECK(replayed->same_decisions);
    return replayed->digest + " of " + std::to_string(replayed->customers);
  }
  void balanced() {
    for (const Balance& b : runtime->figures().balance) CHECK_MESSAGE(b.holds(), b.name);
  }
  // Cancels all open tasks but those of one customer. The number of them.
  std::size_t close_tasks(const std::string& but) {
    std::vector<Hash128> open;
    const std::string prefix = task_key(true, "");
    REQUIRE(store->scan(Family::task, prefix, prefix_end(prefix), [&](std::string_view, std::string_view value) {
      const Result<Task> task = decode_task(value);
      if (task && task->action.customer != but) open.push_back(task->action.id);
      return task.has_value();
    }));
    for (const Hash128& id : open) {
      TaskCommand command;
      command.kind = TaskCommand::Kind::cancel;
      command.task = id;
      command.by = "test";
      CHECK(while_time_goes_on([&] {
        std::promise<Result<void>> done;
        runtime->tasks().apply(command, [&](Result<void> r) { done.set_value(std::move(r)); });
        return done.get_future().get().has_value();
      }));
    }
    settle();
    return open.size();
  }
  // Sums are stored every two seconds, and at an end.
  void live_sums() {
    for (int i = 0; i < 50; ++i) {
      clock.advance(100);
      runtime->change([](CommitContext&) {}, nullptr);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    settle();
  }
  bool knows(const std::string& id) {
    std::promise<bool> known;
    runtime->ask_customer(id, [&](Shard&, const CustomerState* state) { known.set_value(state != nullptr); });
    return known.get_future().get();
  }
};

// Where a text is in the store: in keys and values of every family, and in the contents of the log's blocks.
std::string found_in_store(const Store& store, const std::string& text) {
  std::string where;
  for (std::size_t f = 0; f < kFamilies; ++f) {
    const auto family = static_cast<Family>(f);
    const auto scanned = store.scan(family, "", "", [&](std::string_view key, std::string_view value) {
      if (key.find(text) != std::string_view::npos) where += std::string(family_name(family)) + " key, ";
      if (value.find(text) != std::string_view::npos) where += std::string(family_name(family)) + " value, ";
      return true;
    });
    REQUIRE(scanned);
  }
  REQUIRE(store.log_blocks(1, [&](std::uint64_t sequence, std::string_view block) {
    if (block.find(text) != std::string_view::npos) where += "block " + std::to_string(sequence) + ", ";
    return true;
  }));
  return where;
}

std::string found_in_files(const std::string& directory, const std::string& text) {
  std::string where;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory)) {
    if (!file.is_regular_file()) continue;
    std::ifstream in(file.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    if (bytes.str().find(text) != std::string::npos) where += file.path().string() + ", ";
  }
  return where;
}

std::string ping(const std::string& customer, const std::string& id, const std::string& note) {
  return R"({"customer":")" + customer + R"(","id":")" + id + R"(","event":"ping","data":{"n":1,"note":")" + note + R"("}})";
}

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
    Life life(dir.path, clock);
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
    Life life(dir.path, clock);
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
    Life life(dir.path, clock);
    CHECK(life.digest() == live);
    life.erase("zq7-customer", "e2");
    life.erase("zq7-visitor", "e3");
    CHECK(life.all_done());
  }
  { Life life(dir.path, clock); }  // the manifest is written anew at a start
  for (const std::string& mark : kMarks) CHECK_MESSAGE(found_in_files(dir.path, mark) == "", mark);
}

TEST_CASE("what waits for an erased customer never happens") {
  Directory dir;
  ManualClock clock(kStart);
  Life life(dir.path, clock);
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
    Life life(dir.path, clock);
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
  Life life(dir.path, clock);
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

namespace {

std::uint64_t rows(const Store& store, Family family, char kind) {
  std::uint64_t n = 0;
  const std::string prefix = kind == 0 ? std::string() : std::string(1, kind);
  REQUIRE(store.scan(family, prefix, kind == 0 ? std::string() : std::string(1, static_cast<char>(kind + 1)), [&](std::string_view, std::string_view) {
    ++n;
    return true;
  }));
  return n;
}

std::uint64_t file_bytes(const Store& store, Family family) { return store.stats().families[static_cast<std::size_t>(family)].file_bytes; }

}  // namespace

TEST_CASE("what is over leaves after its time, the books stay, and what is open keeps what belongs to it") {
  Directory dir;
  ManualClock clock(kStart);
  RetentionOptions keep{.decisions = kDay, .actions = kDay, .tasks = kDay, .log = kDay, .every = std::chrono::hours(1000)};
  std::string live;
  StatsDelta books;
  {
    Life life(dir.path, clock, keep);
    for (int i = 0; i < 200; ++i) life.send(ping("c" + std::to_string(i), "e" + std::to_string(i), "an old note " + std::to_string(i * 7919)));
    life.settle();
    CHECK(life.close_tasks("c7") == 199);
    clock.advance(2 * kDay);  // "again" tasks are made; they are young and open
    life.settle();
    life.send(ping("new", "n", "a young note"));
    life.settle();
    REQUIRE(life.runtime->checkpoint());
    life.live_sums();
    REQUIRE(life.store->compact());
    const std::uint64_t before[] = {file_bytes(*life.store, Family::log), file_bytes(*life.store, Family::task), file_bytes(*life.store, Family::decision)};
    books = life.runtime->stats();
    live = life.digest();
    CHECK(rows(*life.store, Family::task, 'd') == 199);
    const Result<Trimmed> gone = life.runtime->retention().trim();
    REQUIRE_MESSAGE(gone, (gone ? "" : gone.error().message));
    CHECK(gone->tasks == 199);
    CHECK(gone->actions == 199);  // c7's is still to be done
    CHECK(gone->blocks > 100);
    CHECK(rows(*life.store, Family::task, 'd') == 0);
    CHECK(rows(*life.store, Family::outbox, 'n') == static_cast<std::uint64_t>(books[Counter::actions]) - 199);
    CHECK(file_bytes(*life.store, Family::log) < before[0]);
    CHECK(file_bytes(*life.store, Family::task) < before[1]);
    CHECK(found_in_store(*life.store, "a young note") != "");
    CHECK(life.runtime->stats() == books);
    CHECK(life.digest() == live);
    life.balanced();
    const auto replay = life.runtime->replay_digest();
    REQUIRE_FALSE(replay);
    CHECK(replay.error().code == Code::conflict);
    CHECK(life.runtime->retention().trim()->all() == 0);
  }
  Life life(dir.path, clock, keep);
  CHECK(life.digest() == live);
  life.send(ping("new", "n2", "later"));
  life.settle();
  life.balanced();
  CHECK(life.store->dropped_blocks() > 100);
  // Everybody's second task is open, so their decisions are needed; once those are over they go too.
  const std::uint64_t decisions = rows(*life.store, Family::decision, 0);
  CHECK(decisions >= 200);
  CHECK(life.close_tasks("c7") >= 199);
  const Result<Trimmed> gone = life.runtime->retention().trim();
  REQUIRE(gone);
  CHECK(gone->decisions >= 199);
  CHECK(gone->tasks == 0);  // closed a moment ago
  CHECK(rows(*life.store, Family::decision, 0) < 250);
  CHECK(life.runtime->stats()[Counter::decisions] >= static_cast<std::int64_t>(decisions));
  life.balanced();
}
