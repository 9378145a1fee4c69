// The parts of the runtime that need no thread: counters, blocks, records, the timer heap, the cache, what follows an attempt.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "daemon/runtime/clock.h"
#include "daemon/runtime/delivery.h"
#include "daemon/runtime/log_block.h"
#include "daemon/runtime/meta.h"
#include "daemon/runtime/payload.h"
#include "daemon/runtime/state_cache.h"

using namespace nudge;
using namespace nudge::daemon;

namespace {

ActionOut action_of(std::string customer) {
  ActionOut a;
  a.id = hash128(customer);
  a.rule = "r";
  a.rule_id = 7;
  a.rule_version = 2;
  a.customer = std::move(customer);
  a.kind = a.channel = "email";
  a.at = 1000;
  a.payload = R"({"subject":"x"})";
  return a;
}

struct HeapItem {
  int id = 0;
  std::size_t heap_index = TimerHeap<HeapItem>::kNotInHeap;
};

}  // namespace

TEST_CASE("sums written when there was room for ten held reasons only are still read") {
  std::string bytes;
  Writer w(bytes);
  w.varint(1);  // counters: decisions = 3
  w.u8(static_cast<std::uint8_t>(Counter::decisions));
  w.svarint(3);
  w.varint(1);  // one rule, id 7
  w.varint(7);
  w.svarint(1);  // fired
  for (int i = 0; i < 10; ++i) w.svarint(i == 3 ? 2 : 0);
  for (int i = 0; i < 7; ++i) w.svarint(i);  // actions … holdout_value
  w.fixed64(30);
  w.fixed64(static_cast<std::uint64_t>(kAlways));
  w.string("");
  w.varint(0);
  Reader in(bytes);
  StatsDelta sums;
  REQUIRE(sums.decode(in));
  CHECK(in.at_end());
  CHECK(sums.rules[7].held[static_cast<std::size_t>(Held::holdout)] == 2);
  CHECK(sums.rules[7].holdout_value == 6);
  CHECK(sums.rules[7].last_fired == 30);
  Decision late;  // a reason that came later
  late.held = Held::test_mode;
  late.rule_id = 7;
  sums.add_decision(late);
  std::string again;
  Writer w2(again);
  sums.encode(w2);
  Reader in2(again);
  StatsDelta back;
  REQUIRE(back.decode(in2));
  CHECK(back == sums);
}

TEST_CASE("differences add up to the sums, and come back from bytes") {
  StatsDelta sums;
  for (int i = 1; i <= 3; ++i) {
    StatsDelta d;
    d[Counter::received] = i;
    d[Counter::stored] = i;
    Decision fired;
    fired.fired = true;
    fired.rule_id = 4;
    fired.at = i * 10;
    d.add_decision(fired);
    Decision held;
    held.held = Held::once_per;
    held.rule_id = 4;
    d.add_decision(held);
    d.add_edges({Edge{9, true, false, 1}, Edge{9, i == 3, false, 2}});
    std::string bytes;
    Writer w(bytes);
    d.encode(w);
    Reader in(bytes);
    StatsDelta back;
    REQUIRE(back.decode(in));
    CHECK(in.at_end());
    CHECK(back == d);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      Reader torn(std::string_view(bytes).substr(0, cut));
      CHECK_FALSE(back.decode(torn));
    }
    sums.add(d);
  }
  CHECK(sums[Counter::received] == 6);
  CHECK(sums.rules[4].fired == 3);
  CHECK(sums.rules[4].held_total() == 3);
  CHECK(sums.rules[4].last_fired == 30);
  CHECK(sums.roots[9].members == 2);
  CHECK(sums.roots[9].entered == 4);
  for (const Balance& b : balances(sums)) CHECK_MESSAGE(b.holds(), b.name);
  sums[Counter::duplicate] = 1;
  CHECK_FALSE(balances(sums)[0].holds());
}

TEST_CASE("a block says what was stepped and decided") {
  Input a;
  a.customer = "c";
  a.id = "i1";
  a.time = 5;
  a.type = 0;
  a.fields = {Value::of_integer(3), Value()};
  Input b = a;
  b.id = "i2";
  EntryWriter entries;
  entries.step("c", 10, std::vector<const Input*>{&a, &b});
  entries.mark(EntryKind::advance, "d", 11);
  entries.mark(EntryKind::reconcile, "e", 12);
  entries.step("c", 12, std::vector<const Input*>{&a});
  entries.merge(EntryKind::merge, "c2", 9, "c1");
  entries.step("c", 9, {});
  LogBlock block;
  block.first_decision = 5;
  block.first_action = 6;
  block.units.push_back({3, entries.bytes()});
  block.decisions.push_back(Decision{.number = 5, .fired = true, .rule = "r", .customer = "c"});
  block.actions.push_back(action_of("c"));
  block.stats[Counter::stored] = 2;
  std::string edges;
  append_edges(edges, "c", std::vector<Edge>{{4, true, false, 10}, {5, false, true, 11}});
  block.edges = edges;
  std::string bytes;
  encode_block(bytes, block);
  const Result<LogBlock> back = decode_block(bytes, BlockPart::all);
  REQUIRE(back);
  CHECK(back->units[0].plan == 3);
  CHECK(back->decisions[0].customer == "c");
  CHECK(back->actions[0].id == block.actions[0].id);
  CHECK(back->stats == block.stats);
  std::vector<std::string> seen;
  const auto note = [&](const LogEntry& e) {
    seen.push_back(e.customer + std::to_string(e.instant) + ":" + std::to_string(e.inputs.size()) + e.text);
    if (!e.inputs.empty()) CHECK(same_content(e.inputs[0], a));
    if (e.inputs.size() > 1) CHECK(same_content(e.inputs[1], b));
  };
  REQUIRE(read_entries(back->units[0], note));
  CHECK(seen == std::vector<std::string>{"c10:2", "d11:0", "e12:0", "c12:1", "c29:0c1", "c9:0"});
  std::vector<std::string> moved;
  REQUIRE(read_edges(back->edges, [&](const LogEdge& e) {
    moved.push_back(std::string(e.customer) + std::to_string(e.root) + (e.entered ? "+" : "-") + (e.silent ? "s" : "") +
                    std::to_string(e.at));
  }));
  CHECK(moved == std::vector<std::string>{"c4+10", "c5-s11"});
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) CHECK_FALSE(decode_block(std::string_view(bytes).substr(0, cut), BlockPart::all));

  // As the first version wrote it: the customer again in each input, ids and times in full.
  std::string old;
  Writer w(old);
  w.u8(static_cast<std::uint8_t>(EntryKind::step));
  w.string("c");
  w.svarint(10);
  w.varint(2);
  encode_input(w, a);
  encode_input(w, b);
  w.u8(static_cast<std::uint8_t>(EntryKind::advance));
  w.string("d");
  w.svarint(11);
  seen.clear();
  REQUIRE(read_entries(LogUnit{3, old, true}, note));
  CHECK(seen == std::vector<std::string>{"c10:2", "d11:0"});
  block.units[0].entries = old;
  block.edges = {};
  bytes.clear();
  encode_block(bytes, block);
  bytes[0] = 1;
  // Where the length of the edges, 0, stands: behind the numbers, the count of units, the plan, the entries and their length.
  bytes.erase(1 + 1 + 1 + 1 + 1 + 1 + old.size(), 1);
  const Result<LogBlock> before = decode_block(bytes, BlockPart::units);
  REQUIRE(before);
  CHECK(before->units[0].plain);
}

TEST_CASE("records come back from bytes, and damaged ones are refused") {
  ActionRecord r;
  r.number = 9;
  r.state = ActionState::retrying;
  r.next_at = 77;
  r.tries = 2;
  r.connector = "mail";
  r.attempts.push_back({5, "not_sent", "busy", "ref", 429});
  r.action = action_of("c1");
  std::string bytes;
  encode_record(bytes, r);
  const Result<ActionRecord> back = decode_action_record(bytes);
  REQUIRE(back);
  CHECK(back->attempts[0].http_status == 429);
  CHECK(back->action.customer == "c1");
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) CHECK_FALSE(decode_action_record(std::string_view(bytes).substr(0, cut)));
  CHECK(id_from_hex(to_hex(r.action.id)) == id_bytes(r.action.id));
  CHECK_FALSE(id_from_hex("xyz"));
  CHECK_FALSE(id_from_hex(std::string(32, 'G')));
  TaskRecord t;
  t.action = r.action;
  t.disposition = "ok";
  std::string task;
  encode_task(task, t);
  CHECK(decode_task(task)->disposition == "ok");
  QuarantineRecord q;
  q.number = 3;
  q.raw = std::string("a\0b\xff", 4);
  std::string aside;
  encode_record(aside, q);
  CHECK(decode_quarantine_record(aside)->raw == q.raw);
  for (std::uint8_t s = 1; s <= 8; ++s)
    CHECK(find_action_state(action_state_name(static_cast<ActionState>(s))) == static_cast<ActionState>(s));
}

TEST_CASE("the timer heap agrees with a sorted set under random changes") {
  std::mt19937 random(7);
  std::vector<HeapItem> items(300);
  for (int i = 0; i < 300; ++i) items[static_cast<std::size_t>(i)].id = i;
  TimerHeap<HeapItem> heap;
  std::vector<TimeMs> due(300, kNever);
  for (int n = 0; n < 20'000; ++n) {
    const std::size_t i = random() % 300;
    due[i] = random() % 4 == 0 ? kNever : static_cast<TimeMs>(random() % 1000);
    heap.set(&items[i], due[i]);
    CHECK(heap.next() == *std::ranges::min_element(due));
    if (!heap.empty()) CHECK(due[static_cast<std::size_t>(heap.top()->id)] == heap.next());
  }
  TimeMs last = kAlways;
  while (!heap.empty()) {
    CHECK(heap.next() >= last);
    last = heap.next();
    heap.remove(heap.top());
  }
}

TEST_CASE("the cache finds what is in it, whatever came and went") {
  StateCache cache;
  std::map<std::string, CacheEntry*> model;
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    const std::string id = "c" + std::to_string(random() % 3000);
    const auto known = model.find(id);
    CHECK(cache.find(7, id) == (known == model.end() ? nullptr : known->second));
    if (known == model.end()) {
      CacheEntry* entry = model[id] = cache.add(7, id);
      cache.measure(entry);
      CHECK(entry->id == id);
    } else if (random() % 2 == 0) {
      cache.erase(known->second);
      model.erase(known);
    } else {
      cache.touch(known->second);
      CHECK(known->second->used == cache.touched());
    }
  }
  std::size_t seen = 0;
  cache.each_in_slot(7, [&](CacheEntry& entry) {
    ++seen;
    CHECK(model.at(std::string(entry.id)) == &entry);
  });
  CHECK(seen == model.size());
  CHECK(cache.size() == model.size());
}

TEST_CASE("the cache keeps use, dirt and memory in order") {
  StateCache cache;
  std::vector<CacheEntry*> entries;
  for (int i = 0; i < 5; ++i) entries.push_back(cache.add(static_cast<std::uint8_t>(i % 2), "c" + std::to_string(i)));
  for (CacheEntry* e : entries) cache.measure(e);
  CHECK(cache.find(0, "c2") == entries[2]);
  CHECK(cache.find(1, "c2") == nullptr);
  cache.touch(entries[0]);
  CHECK(cache.oldest_decoded() == entries[1]);
  CHECK(cache.oldest_packed() == nullptr);
  const std::size_t unread = cache.bytes();
  for (int i : {2, 1}) {
    CacheEntry* e = entries[static_cast<std::size_t>(i)];
    e->state = std::make_unique<CustomerState>();
    e->loaded = true;
    cache.measure(e);
    CHECK(cache.decoded_bytes() > unread);
    cache.pack(e, std::string(100, 'r'));
    CHECK(e->state == nullptr);
    CHECK(e->packed() == std::string(100, 'r'));
    CHECK_FALSE(e->known());
  }
  CHECK(cache.decoded() == 3);
  CHECK(cache.size() == 5);
  CHECK(cache.oldest_decoded() == entries[3]);
  CHECK(cache.oldest_packed() == entries[2]);
  cache.touch(entries[2]);
  CHECK(cache.oldest_packed() == entries[1]);
  CHECK(cache.decoded_bytes() < unread);
  CHECK(cache.bytes() > unread + 200);
  cache.unpack(entries[1], std::make_unique<CustomerState>());
  CHECK(cache.oldest_packed() == entries[2]);
  CHECK(cache.decoded() == 4);
  cache.set_dirty(entries[3], 1);
  cache.set_dirty(entries[1], 1);
  cache.set_dirty(entries[3], 2);
  cache.set_dirty(entries[0], 3);
  CHECK(cache.first_dirty(0) == entries[0]);
  CHECK(cache.first_dirty(1) == entries[3]);
  CHECK(cache.first_dirty(1)->dirty_since == 1);
  CHECK(cache.dirty() == 3);
  cache.set_clean(entries[3]);
  CHECK(cache.first_dirty(1) == entries[1]);
  cache.set_clean(entries[1]);
  CHECK(cache.first_dirty(1) == nullptr);
  cache.set_clean(entries[0]);
  CHECK(cache.first_dirty(0) == nullptr);
  CHECK(cache.dirty() == 0);
  for (CacheEntry* e : entries) cache.erase(e);
  CHECK(cache.size() == 0);
  CHECK(cache.bytes() == 0);
  CHECK(cache.oldest_decoded() == nullptr);
  CHECK(cache.oldest_packed() == nullptr);
}

TEST_CASE("logical time never goes back, and does not stand still when the wall clock does") {
  ManualClock wall(10'000);
  LogicalClock clock(wall, 9'000);
  CHECK(clock.now() == 10'000);
  wall.set(5'000);
  CHECK(clock.now() == 10'000);
  wall.advance(1'000);
  CHECK(clock.now() == 10'500);  // half speed
  wall.advance(2'000);
  CHECK(clock.now() == 11'500);
  wall.advance(10'000);
  CHECK(clock.now() == 18'000);  // caught up
  wall.advance(5);
  CHECK(clock.now() == 18'005);
  clock.not_before(20'000);
  CHECK(clock.now() == 20'000);
}

TEST_CASE("an answer that says the address is gone is told from one that says anything else") {
  using connectors::Outcome;
  using connectors::OutcomeStatus;
  const auto gone = [](std::string_view channel, std::string detail, bool retryable = false) {
    return !address_is_gone(channel, Outcome{.status = OutcomeStatus::not_sent, .retryable = retryable, .detail = std::move(detail)})
                .empty();
  };
  CHECK(gone("email", "550 5.1.1 <a@example.com>: user unknown"));
  CHECK(gone("email", "550-5.1.10. no such recipient"));
  CHECK(gone("email", "5.1.1"));
  CHECK_FALSE(gone("email", "550 5.1.11 something else"));
  CHECK_FALSE(gone("email", "550 15.1.1"));
  CHECK_FALSE(gone("email", "554 5.7.1 refused by policy"));
  CHECK_FALSE(gone("email", "450 5.1.1 try later", true));
  CHECK_FALSE(gone("sms", "550 5.1.1"));
  CHECK(gone("sms", "21610: the number has opted out"));
  CHECK(address_is_gone("email", Outcome{.status = OutcomeStatus::unknown, .detail = "5.1.1"}).empty());
}

TEST_CASE("addresses are compared without what does not matter in them") {
  CHECK(normal_address("Ann <Ann@Example.COM> ") == "ann@example.com");
  CHECK(normal_address("+86 138-0013 8000") == "+8613800138000");
  CHECK(normal_address("(0123) 45 67") == "01234567");
  CHECK(normal_address("  room-7 ") == "room-7");
  CHECK(domain_of(normal_address("a@Mail.example")) == "mail.example");
  CHECK(domain_of("+86138").empty());
}

TEST_CASE("a link to unsubscribe speaks of one customer, and nobody makes one without the key") {
  const UnsubscribeLinks links{"https://news.example.com", "k1"};
  const UnsubscribeWish wish{"c 1/王", "email", "marketing"};
  const std::string link = links.link(wish);
  CHECK(link.starts_with("https://news.example.com/u/"));
  CHECK(link == links.link(wish));
  const std::string token = links.token(wish);
  CHECK(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string::npos);
  CHECK(links.read(token) == wish);
  CHECK_FALSE(UnsubscribeLinks{"https://news.example.com", "k2"}.read(token));
  CHECK_FALSE(UnsubscribeLinks{}.read(token));
  for (std::size_t cut = 0; cut < token.size(); ++cut) CHECK_FALSE(links.read(std::string_view(token).substr(0, cut)));
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string other = token;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    // The last character of a part holds bits that belong to no byte: another spelling of the same.
    if (const auto read = links.read(other)) CHECK(*read == wish);
  }
}

TEST_CASE("what a connector says of itself") {
  CHECK(help_of(R"({"idempotency":"key"})").idempotency == Help::Idempotency::key);
  CHECK(help_of(R"({"idempotency":"query","default_on_unknown":"retry"})").retry_unknown);
  CHECK(help_of("").idempotency == Help::Idempotency::none);
  CHECK(member_text(R"({"subject":"a \"b\" \u738b","n":5})", "subject") == "a \"b\" 王");
  CHECK(member_text(R"({"n":5})", "n") == "5");
  CHECK(member_text("[]", "n").empty());
}
