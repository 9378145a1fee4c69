// A runtime that lives in a directory of its own, with a clock that a test moves, and what is found in its store and its files.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <sstream>
#include <thread>

#include "daemon/runtime/log_block.h"
#include "daemon/runtime/runtime.h"
#include "daemon/runtime/tasks.h"
#include "daemon/store/keys.h"

namespace nudge::daemon::test {

inline constexpr TimeMs kStart = 1'800'000'000'000;

struct Directory {
  std::string path;
  Directory() {
    char name[] = "/tmp/nudge-life-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path); }
};

struct LifeSetup {
  const char* catalog = "";
  const char* rules = "";
  std::function<void(RuntimeOptions&)> options = nullptr;  // others than two shards, and checkpoints when a test says so
  bool still = false;                                      // the clock stands while it starts
};

// One life of a runtime on a directory.
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

  Life(const std::string& path, ManualClock& clock_in, const LifeSetup& setup) : clock(clock_in) {
    StoreOptions so;
    so.path = path + "/store";
    so.low_space_bytes = 1;
    auto opened = Store::open(std::move(so));
    REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().message));
    store = *std::move(opened);
    RuntimeOptions options;
    options.shards = 2;
    options.checkpoint_interval = kHour;
    if (setup.options) setup.options(options);
    auto made = Runtime::open(std::move(options), *store, clock, [](const Error& error) { FAIL_CHECK(error.message); });
    REQUIRE_MESSAGE(made, (made ? "" : made.error().message));
    runtime = *std::move(made);
    PlanSources sources;
    sources.catalog = {{"catalog.yaml", setup.catalog}};
    sources.rules = {{"rules.yaml", setup.rules}};
    const Result<PlanChange> change = runtime->activate(sources);
    REQUIRE(change);
    REQUIRE_MESSAGE(change->accepted(), doc::render_text(change->diagnostics));
    REQUIRE((setup.still ? runtime->start() : while_time_goes_on([this] { return runtime->start(); })));
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
  // The outcomes of a request, once it is on disk.
  std::vector<LineOutcome> send(std::string body) {
    auto done = std::make_shared<std::promise<std::vector<LineOutcome>>>();
    auto job = std::make_unique<Job>();
    job->body = std::move(body);
    job->done = [done](Job& j) {
      std::vector<LineOutcome> outcomes;
      for (const LineResult& r : j.results) outcomes.push_back(r.outcome);
      done->set_value(std::move(outcomes));
    };
    REQUIRE(runtime->ingest(std::move(job), Framing::guess));
    return while_time_goes_on([done] { return done->get_future().get(); });
  }
  // Every shard took a turn since now, and what they gave to the committer is on disk.
  void pass() {
    for (const char* id : {"a", "b", "c", "d", "e", "f", "g", "h"}) knows(id);  // both shards have some of these
    std::promise<void> done;
    runtime->change([](CommitContext&) {}, [&](const Error*) { done.set_value(); });
    done.get_future().wait();
  }
  // Lets everything that is under way arrive; the clock moves for that.
  void settle() {
    for (int quiet = 0; quiet < 30; ++quiet) {
      pass();
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
  // Waits until `what` holds; the clock stands still.
  template <class What>
  bool until(What what) {
    for (int i = 0; i < 10000; ++i) {
      if (what()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  std::int64_t fired(std::string_view rule) {
    const auto plan = runtime->plan();
    const StatsDelta stats = runtime->stats();
    const auto found = stats.rules.find(plan->find_rule(rule)->id);
    return found == stats.rules.end() ? 0 : found->second.fired;
  }
  bool all_done() {
    for (int i = 0; i < 10000; ++i) {
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
inline std::string found_in_store(const Store& store, const std::string& text) {
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

inline std::string found_in_files(const std::string& directory, const std::string& text) {
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

// Rules that make a task, a message and a later task of each `ping`.
inline constexpr const char* kPingCatalog = R"(
customer:
  attributes:
    name: {type: text, pii: true}
    email: {type: text, pii: true}
events:
  ping: {fields: {n: integer, note: text}}
)";
inline constexpr const char* kPingRules = R"(
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
inline LifeSetup pings(RetentionOptions retention = {}) {
  return {.catalog = kPingCatalog, .rules = kPingRules, .options = [retention](RuntimeOptions& options) { options.retention = retention; }};
}
inline std::string ping(const std::string& customer, const std::string& id, const std::string& note) {
  return R"({"customer":")" + customer + R"(","id":")" + id + R"(","event":"ping","data":{"n":1,"note":")" + note + R"("}})";
}

}  // namespace nudge::daemon::test
