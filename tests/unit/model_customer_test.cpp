#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "engine/model/customer_head.h"
#include "model_support.h"

using namespace nudge;
using namespace nudge::testing;

namespace {

std::string encoded(const CustomerState& state, const Catalog& catalog) {
  std::string bytes;
  encode_customer(bytes, state, catalog);
  return bytes;
}

Input event(std::string id, TimeMs time, std::string device) {
  Input input;
  input.customer = "c1";
  input.id = std::move(id);
  input.time = time;
  input.type = 1;
  input.fields = {Value::of_text(device)};
  return input;
}

Input upsert(std::string id, TimeMs time, AttributeId attribute, Value value) {
  Input input;
  input.customer = "c1";
  input.kind = InputKind::attributes;
  input.id = std::move(id);
  input.time = time;
  input.attributes = {{attribute, std::move(value)}};
  return input;
}

Input tag(std::string id, TimeMs time, std::string name, bool removed = false) {
  Input input;
  input.customer = "c1";
  input.kind = InputKind::tag;
  input.id = std::move(id);
  input.time = time;
  input.tag = std::move(name);
  input.tag_removed = removed;
  return input;
}

// One attribute's value over time, the slow way: what holds at each instant of a short range.
struct Timeline {
  std::map<std::pair<TimeMs, std::string>, Value> updates;

  Value at(TimeMs t) const {
    const auto after = updates.lower_bound({t + 1, ""});
    return after == updates.begin() ? Value() : std::prev(after)->second;
  }
};

}  // namespace

TEST_CASE("attribute history agrees with looking at every instant, any order of arrival, seeded") {
  constexpr TimeMs kEnd = 30;
  std::size_t futures = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Random random(seed);
    AttributeHistory history;
    std::map<AttributeId, Timeline> naive;
    const std::size_t n = random() % 20;
    for (std::size_t i = 0; i < n; ++i) {
      const auto attribute = static_cast<AttributeId>(3 + random() % 3);
      const TimeMs t = static_cast<TimeMs>(random() % static_cast<std::uint64_t>(kEnd));
      const std::string id(1, static_cast<char>('a' + random() % 4));
      const Value value = random() % 4 == 0 ? Value() : Value::of_text(random() % 2 == 0 ? "gold" : "silver");
      const bool fresh = naive[attribute].updates.emplace(std::pair(t, id), value).second;
      CHECK(history.insert(attribute, t, id, value) == fresh);
    }
    for (AttributeId attribute = 2; attribute < 7; ++attribute) {
      const Timeline& line = naive[attribute];
      for (TimeMs now = -1; now <= kEnd; ++now) {
        CAPTURE(seed);
        CAPTURE(attribute);
        CAPTURE(now);
        TimeMs until = 0;
        const Value value(history.at(attribute, now, until));
        CHECK(value == line.at(now));
        TimeMs next = kNever;
        for (TimeMs t = kEnd; t > now; --t) {
          if (line.at(t) != line.at(t - 1)) next = t;  // the earliest change is what stays
        }
        CHECK(until == next);
        futures += until != kNever ? 1U : 0U;
        TimeMs start = now;
        while (start > -2 && line.at(start - 1) == line.at(now)) --start;
        if (start == -2) {
          CHECK(history.since(attribute, now) == kNever);
          CHECK(history.previous(attribute, now).missing());
        } else {
          CHECK(history.since(attribute, now) == start);
          CHECK(Value(history.previous(attribute, now)) == line.at(start - 1));
        }
      }
    }
    for (TimeMs now = -1; now <= kEnd; ++now) {
      TimeMs next = kNever;
      for (const auto& [attribute, line] : naive) {
        for (const auto& [key, value] : line.updates) {
          if (key.first > now) next = std::min(next, key.first);
        }
      }
      CHECK(history.next_after(now) == next);
    }
  }
  CHECK(futures > 1000);
}

TEST_CASE("attribute history: repeated values, removal, and a change undone within one millisecond") {
  AttributeHistory history;
  TimeMs until = 0;
  CHECK(history.at(0, 100, until).missing());
  CHECK(until == kNever);
  CHECK(history.since(0, 100) == kNever);
  history.insert(0, 10, "a", Value::of_text("gold"));
  history.insert(0, 20, "b", Value::of_text("gold"));
  history.insert(0, 30, "c", Value());
  history.insert(0, 40, "d", Value());
  CHECK(history.since(0, 25) == 10);
  CHECK(history.since(0, 45) == 30);
  CHECK(history.previous(0, 45).bytes == "gold");
  CHECK(history.at(0, 15, until).bytes == "gold");
  CHECK(until == 30);  // the repeated value at 20 is no change
  history.insert(0, 25, "x", Value::of_text("silver"));
  history.insert(0, 25, "y", Value::of_text("gold"));  // greater id at the same instant: silver was never seen
  CHECK(history.since(0, 26) == 10);
  CHECK(history.at(0, 15, until).bytes == "gold");
  CHECK(until == 30);
  history.insert(1, 5, "a", Value());  // removing what was never set
  CHECK(history.since(1, 6) == kNever);
  history.insert(1, 7, "b", Value::of_text("x"));
  CHECK(history.since(1, 7) == 7);
  CHECK(history.previous(1, 7).missing());
}

TEST_CASE("a state takes facts in once, and finds them again") {
  const Catalog catalog = sample_catalog();
  CustomerState state;
  state.id = "c1";
  CHECK(!state.known());
  CHECK(state.store(event("e1", 10, "ios"), catalog));
  CHECK(!state.store(event("e1", 10, "ios"), catalog));
  CHECK(!state.store(event("e1", 11, "android"), catalog));  // same id, other content
  CHECK(!state.store(tag("e1", 10, "vip"), catalog));        // … or another sort of input
  CHECK(!state.store(upsert("e1", 10, 4, Value::of_text("gold")), catalog));
  CHECK(state.store(upsert("u1", 5, 4, Value::of_text("gold")), catalog));
  CHECK(state.store(upsert("u2", 6, 4, Value()), catalog));
  CHECK(!state.store(event("u2", 6, "ios"), catalog));
  CHECK(state.store(tag("t1", 7, "vip"), catalog));
  CHECK(state.store(tag("t2", 3, "vip", true), catalog));
  CHECK(!state.store(event("t1", 7, "ios"), catalog));
  REQUIRE(state.rows(1) != nullptr);
  CHECK(state.rows(1)->size() == 1);
  CHECK(state.rows(0) == nullptr);
  CHECK(state.attributes.size() == 2);
  REQUIRE(state.tags.size() == 2);
  CHECK(state.tags[0].id == "t2");  // in order of time

  CHECK(same_content(state.find("e1", catalog).value(), event("e1", 10, "ios")));
  CHECK(!same_content(state.find("e1", catalog).value(), event("e1", 10, "android")));
  CHECK(same_content(state.find("u2", catalog).value(), upsert("u2", 6, 4, Value())));
  CHECK(same_content(state.find("t2", catalog).value(), tag("t2", 3, "vip", true)));
  CHECK(!state.find("nobody", catalog).has_value());
  CHECK(state.memory_bytes() > sizeof(CustomerState));

  state.members = {{2, 5}, {7, 6}};
  CHECK(state.is_member(7));
  CHECK(!state.is_member(3));
}

TEST_CASE("the order of arrival does not matter, and every input is found again, seeded") {
  const Catalog catalog = sample_catalog();
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    std::vector<Input> inputs;
    for (int i = 0; i < 60; ++i) inputs.push_back(random_input(random, catalog, "in-" + std::to_string(i)));
    CustomerState first;
    first.id = "c1";
    for (const Input& input : inputs) CHECK(first.store(input, catalog));
    const std::string bytes = encoded(first, catalog);
    for (int round = 0; round < 3; ++round) {
      std::ranges::shuffle(inputs, random);
      CustomerState other;
      other.id = "c1";
      for (const Input& input : inputs) other.store(input, catalog);
      CHECK(encoded(other, catalog) == bytes);
    }
    for (const Input& input : inputs) {
      const auto found = first.find(input.id, catalog);
      REQUIRE(found.has_value());
      CHECK(same_content(*found, input));
      CHECK(!first.store(input, catalog));
    }
  }
}

TEST_CASE("customer codec: round trip, seeded") {
  const Catalog catalog = sample_catalog();
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    const CustomerState state = random_state(random, catalog, static_cast<int>(seed));
    const std::string bytes = encoded(state, catalog);
    const auto back = decode_customer(bytes, catalog);
    REQUIRE(back.has_value());
    CHECK(encoded(*back, catalog) == bytes);
    CHECK(back->id == state.id);
    CHECK(back->clock == state.clock);
    CHECK(back->plan == state.plan);
    CHECK(back->applied == state.applied);
    CHECK(back->attributes == state.attributes);
    CHECK(back->tags == state.tags);
    CHECK(back->members == state.members);
    CHECK(back->wakes == state.wakes);
    CHECK(back->fired == state.fired);
    CHECK(back->runs == state.runs);
    REQUIRE(back->events.size() == state.events.size());
    for (int i = 0; i < static_cast<int>(seed); ++i) {
      const std::string id = "in-" + std::to_string(i);
      const auto a = state.find(id, catalog);
      const auto b = back->find(id, catalog);
      REQUIRE(a.has_value());
      REQUIRE(b.has_value());
      CHECK(*a == *b);
    }
  }
  const auto nobody = decode_customer(encoded(CustomerState{}, catalog), catalog);
  REQUIRE(nobody.has_value());
  CHECK(!nobody->known());
}

TEST_CASE("customer codec: retired fields stay, new ones are missing") {
  Catalog stored = sample_catalog();
  CustomerState state;
  state.id = "c1";
  state.store(event("e1", 10, "ios"), stored);
  state.store(upsert("u1", 5, 4, Value::of_text("gold")), stored);
  const std::string bytes = encoded(state, stored);

  Catalog next;
  next.attributes.push_back(leaf("region", Type::text));
  EventTypeDef login;
  login.name = "login";
  login.fields = {leaf("app", Type::text)};  // `device` is gone
  next.events.push_back(login);
  next.index();
  REQUIRE(next.continue_from(stored).has_value());
  const auto back = decode_customer(bytes, next);
  REQUIRE(back.has_value());
  CHECK(encoded(*back, next) == bytes);
  const auto found = back->find("e1", next);
  REQUIRE(found.has_value());
  REQUIRE(found->fields.size() == 2);
  CHECK(found->fields[0] == Value::of_text("ios"));
  CHECK(found->fields[1].missing());
}

TEST_CASE("customer codec: flipped and cut bytes never crash, and a cut is always seen") {
  const Catalog catalog = sample_catalog();
  Random random(77);
  const CustomerState state = random_state(random, catalog, 40);
  const std::string bytes = encoded(state, catalog);
  std::size_t accepted = 0;
  std::size_t refused = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff, 0x40}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      const auto back = decode_customer(damaged, catalog);
      if (!back) {
        ++refused;
        CHECK(back.error().code == Code::corrupt);
        continue;
      }
      ++accepted;
      // Whatever is taken for a state must be one: it can be written and read again.
      const auto again = decode_customer(encoded(*back, catalog), catalog);
      REQUIRE(again.has_value());
      CHECK(again->events.size() == back->events.size());
    }
    CHECK(!decode_customer(std::string_view(bytes).substr(0, at), catalog).has_value());
  }
  CHECK(refused > 500);
  CHECK(accepted > 500);  // a changed letter of a text cannot be seen here: the store has checksums
  CHECK(!decode_customer(bytes + "x", catalog).has_value());
  std::string newer = bytes;
  newer[0] = 99;
  CHECK(decode_customer(newer, catalog).error().message.find("version 99") != std::string::npos);
}

TEST_CASE("customer codec: a state of one catalog is not read with another that lacks its ids") {
  const Catalog catalog = sample_catalog();
  CustomerState state;
  state.store(event("e1", 10, "ios"), catalog);
  CustomerState attributes;
  attributes.store(upsert("u1", 5, 4, Value::of_text("gold")), catalog);
  const Catalog empty;
  CHECK(!decode_customer(encoded(state, catalog), empty).has_value());
  CHECK(!decode_customer(encoded(attributes, catalog), empty).has_value());
}

TEST_CASE("a state that was written before runs had deadlines and marks is read as it was meant") {
  const Catalog catalog = sample_catalog();
  CustomerState state;
  state.id = "c1";
  state.clock = 1'800'000'000'000;
  state.runs.push_back({3, 1, state.clock + kDay, state.clock, {}});
  std::string bytes = encoded(state, catalog);
  REQUIRE(bytes[0] == static_cast<char>(kCustomerVersion));
  REQUIRE(bytes.back() == 0);  // the run has neither
  bytes[0] = 1;
  bytes.pop_back();
  const auto back = decode_customer(bytes, catalog);
  REQUIRE(back.has_value());
  CHECK(back->runs == state.runs);
  CHECK(back->runs[0].waits_until() == state.clock + kDay);
}

TEST_CASE("a glance at a record says what the attributes were at the clock, as the whole state does") {
  const Catalog catalog = sample_catalog();
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    CustomerState state = random_state(random, catalog, static_cast<int>(seed));
    state.clock = 1'700'000'000'000 + static_cast<TimeMs>(random() % 1000) * kHour;
    std::string bytes;
    encode_customer(bytes, state, catalog);
    std::vector<AttributeId> wanted;
    for (AttributeId a = 0; a < catalog.attributes.size(); ++a) {
      if (random() % 2 == 0) wanted.push_back(a);
    }
    const TimeMs not_before = random() % 2 == 0 ? kAlways : state.clock + static_cast<TimeMs>(random() % 100) * kHour;
    CustomerGlance glance;
    REQUIRE(glance_at_customer(bytes, wanted, not_before, glance));
    CHECK(glance.clock == state.clock);
    CHECK(glance.plan == state.plan);
    REQUIRE(glance.values.size() == wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      TimeMs until = kNever;
      CHECK(Value(glance.values[i]) == Value(state.attributes.at(wanted[i], std::max(state.clock, not_before), until)));
    }
  }
  CustomerGlance glance;
  CHECK_FALSE(glance_at_customer("", {}, kAlways, glance));
  CHECK_FALSE(glance_at_customer("\x02 of an older version", {}, kAlways, glance));
}
