// What leaves after its time, and the lists that lead to what stays.
#include <doctest/doctest.h>

#include "daemon/runtime/actions.h"
#include "tests/unit/runtime_life.h"

using namespace nudge;
using namespace nudge::daemon;
using namespace nudge::daemon::test;

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

std::uint64_t listed(const Store& store, std::optional<std::string_view> customer) {
  std::uint64_t n = 0;
  REQUIRE(scan_actions(store, customer, 0, [&](std::uint64_t, std::string_view) { return ++n != 0; }));
  return n;
}

// The ids of the actions of a customer, the newest first.
std::vector<std::string> ids_of(const Store& store, std::string_view customer) {
  std::vector<std::string> ids;
  REQUIRE(scan_actions(store, customer, 0, [&](std::uint64_t, std::string_view id) {
    ids.emplace_back(id);
    return true;
  }));
  return ids;
}

ActionOut action_for(std::string customer, std::uint64_t id) {
  ActionOut action;
  action.customer = std::move(customer);
  action.id = {7, id};
  return action;
}

}  // namespace

TEST_CASE("actions are listed by number and by customer, batch by batch, until they are taken out") {
  Directory dir;
  StoreOptions options;
  options.path = dir.path + "/store";
  const auto store = *Store::open(options);
  WriteSet set;
  const std::vector<ActionOut> first{action_for("a", 10), action_for("a", 11), action_for("b", 12), action_for("a", 13)};
  list_actions(set, 10, first);
  list_actions(set, 14, std::vector<ActionOut>{action_for("a", 14)});
  list_actions(set, 15, {});
  REQUIRE(store->commit(std::move(set)));
  const auto numbers = [&](std::optional<std::string_view> customer, std::uint64_t before) {
    std::vector<std::uint64_t> seen;
    REQUIRE(scan_actions(*store, customer, before, [&](std::uint64_t number, std::string_view id) {
      CHECK(id == id_bytes({7, number}));
      seen.push_back(number);
      return true;
    }));
    return seen;
  };
  using Numbers = std::vector<std::uint64_t>;
  CHECK(numbers(std::nullopt, 0) == Numbers{14, 13, 12, 11, 10});
  CHECK(numbers("a", 0) == Numbers{14, 13, 11, 10});
  CHECK(numbers("b", 0) == Numbers{12});
  CHECK(numbers("c", 0) == Numbers{});
  CHECK(numbers(std::nullopt, 12) == Numbers{11, 10});  // in the middle of an entry
  CHECK(numbers("a", 11) == Numbers{10});
  CHECK(numbers("a", 10) == Numbers{});

  const auto take_out = [&](std::initializer_list<std::pair<std::string_view, std::uint64_t>> which) {
    Unlisting lists(*store);
    for (const auto& [customer, number] : which) REQUIRE(lists.take_out(customer, number));
    WriteSet changes;
    lists.write(changes);
    REQUIRE(store->commit(std::move(changes)));
  };
  take_out({{"a", 10}, {"b", 12}});
  CHECK(numbers(std::nullopt, 0) == Numbers{14, 13, 11});
  CHECK(numbers("a", 0) == Numbers{14, 13, 11});
  CHECK(rows(*store, Family::outbox, 'c') == 3);
  const auto entries = listed_from(*store, "", 4);  // the first names as many, blank ones too
  REQUIRE(entries);
  REQUIRE(entries->size() == 1);
  CHECK(entries->front().key == action_number_key(10));
  CHECK(entries->front().ids == std::vector<std::string>{"", id_bytes({7, 11}), "", id_bytes({7, 13})});
  CHECK(listed_from(*store, "", 5)->size() == 2);
  CHECK(listed_from(*store, action_number_key(10) + '\0', 5)->size() == 1);
  CHECK(listed_from(*store, action_number_key(15), 5)->empty());
  take_out({{"a", 13}, {"a", 11}, {"a", 14}, {"nobody", 99}});
  CHECK(rows(*store, Family::outbox, 'n') == 0);
  CHECK(rows(*store, Family::outbox, 'c') == 0);
}

TEST_CASE("an action stays when its task goes, and a task when its action goes") {
  for (const bool actions_first : {true, false}) {
    CAPTURE(actions_first);
    Directory dir;
    ManualClock clock(kStart);
    RetentionOptions keep{.actions = actions_first ? kDay : 9 * kDay, .tasks = actions_first ? 9 * kDay : kDay, .every = std::chrono::hours(1000)};
    Life life(dir.path, clock, pings(keep));
    life.send(ping("alias", "e", "a note"));
    life.send(R"({"customer":"person","merge":"alias"})");
    life.settle();
    const std::vector<std::string> ids = ids_of(*life.store, "alias");
    REQUIRE(ids.size() == 1);  // who has no address gets no message
    const Result<ActionRecord> was = find_action(*life.store, ids[0]);
    REQUIRE(was);
    CHECK(was->action.customer == "alias");  // for whom it was decided
    CHECK(was->state == ActionState::accepted);
    CHECK(rows(*life.store, Family::outbox, 'x') == 0);
    CHECK(life.close_tasks("") == 1);
    clock.advance(2 * kDay);
    life.settle();
    const Result<Trimmed> gone = life.runtime->retention().trim();
    REQUIRE(gone);
    CHECK(gone->actions == (actions_first ? 1 : 0));
    CHECK(gone->tasks == (actions_first ? 0 : 1));
    const Result<ActionRecord> is = find_action(*life.store, ids[0]);
    CHECK(is.has_value() == !actions_first);
    CHECK(ids_of(*life.store, "alias").size() == (actions_first ? 0U : 1U));
    CHECK(rows(*life.store, Family::task, 'd') == (actions_first ? 1 : 0));
    if (is) {
      std::string before, after;
      encode_record(before, *was);
      encode_record(after, *is);
      CHECK(before == after);
    }
    CHECK(life.runtime->retention().trim()->all() == 0);
    clock.advance(9 * kDay);
    life.settle();
    REQUIRE(life.close_tasks("") == 1);  // "again", made a day after
    CHECK(life.runtime->retention().trim()->all() == 2);  // the rest of the first, and the action of this one
    CHECK(rows(*life.store, Family::task, 'd') == 1);
    CHECK(ids_of(*life.store, "alias").empty());
    life.balanced();
  }
}

TEST_CASE("what is over leaves after its time, the books stay, and what is open keeps what belongs to it") {
  Directory dir;
  ManualClock clock(kStart);
  RetentionOptions keep{.decisions = kDay, .actions = kDay, .tasks = kDay, .log = kDay, .every = std::chrono::hours(1000)};
  std::string live;
  StatsDelta books;
  {
    Life life(dir.path, clock, pings(keep));
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
    CHECK(listed(*life.store, std::nullopt) == static_cast<std::uint64_t>(books[Counter::actions]) - 199);
    CHECK(listed(*life.store, "c3") == 1);  // the task that is open
    CHECK(listed(*life.store, "c7") == 2);
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
  Life life(dir.path, clock, pings(keep));
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
