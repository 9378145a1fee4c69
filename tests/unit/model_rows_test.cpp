#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "model_support.h"

using namespace nudge;
using namespace nudge::testing;

namespace {

using Naive = std::map<std::pair<TimeMs, std::string>, std::vector<Value>>;

void check_same(const Rows& rows, const Naive& naive, const EventTypeDef& type) {
  REQUIRE(rows.size() == naive.size());
  std::size_t row = 0;
  std::size_t wrong = 0;
  for (const auto& [key, fields] : naive) {
    if (rows.time(row) != key.first || rows.id(row) != key.second) ++wrong;
    if (rows.position(key.first, key.second) != row) ++wrong;
    for (std::size_t f = 0; f < type.fields.size(); ++f) {
      const Value expected = f < fields.size() ? fields[f] : Value();
      const Kind kind = kind_of(type.fields[f].type);
      const bool below = kind == Kind::number ? !expected.missing() && expected.view().d < 0
                                              : kind != Kind::text && kind != Kind::list && expected.bits < 0;
      if (below && !rows.may_be_negative(static_cast<FieldId>(f))) ++wrong;
      if (Value(rows.field(row, static_cast<FieldId>(f), kind_of(type.fields[f].type))) != expected) ++wrong;
      if (rows.has_field(row, static_cast<FieldId>(f)) == expected.missing()) ++wrong;
    }
    ++row;
  }
  CHECK(wrong == 0);
}

std::string encoded(const Rows& rows, const EventTypeDef& type) {
  std::string bytes;
  Writer out(bytes);
  IdCoder ids;
  rows.encode(out, ids, type);
  return bytes;
}

}  // namespace

TEST_CASE("rows agree with a map, any order of arrival, seeded") {
  const Catalog catalog = sample_catalog();
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    const EventTypeDef& type = catalog.events[seed % catalog.events.size()];
    Rows rows;
    Naive naive;
    CHECK(rows.empty());
    const std::size_t n = random() % 200;
    for (std::size_t i = 0; i < n; ++i) {
      const TimeMs t = seed % 3 == 0 ? static_cast<TimeMs>(i) : static_cast<TimeMs>(random() % 50) - 25;
      const std::string id = "e" + std::to_string(random() % 1000);
      const auto fields = random_fields(random, type);
      if (!naive.emplace(std::pair(t, id), fields).second) continue;
      const std::size_t place = rows.insert(t, id, fields);
      REQUIRE(rows.time(place) == t);
      REQUIRE(rows.id(place) == id);
    }
    check_same(rows, naive, type);
    for (TimeMs t = -27; t < 30; ++t) {
      const auto lower = naive.lower_bound({t, ""});
      const auto upper = naive.lower_bound({t + 1, ""});
      CHECK(rows.lower_bound(t) == static_cast<std::size_t>(std::distance(naive.begin(), lower)));
      CHECK(rows.upper_bound(t) == static_cast<std::size_t>(std::distance(naive.begin(), upper)));
    }
    CHECK(rows.upper_bound(kNever) == rows.size());
    CHECK(rows.lower_bound(kAlways) == 0);

    const std::string bytes = encoded(rows, type);
    Rows back;
    Reader in(bytes);
    IdCoder ids;
    REQUIRE(back.decode(in, ids, type));
    CHECK(in.at_end());
    check_same(back, naive, type);
    CHECK(encoded(back, type) == bytes);

    const std::size_t gone = naive.empty() ? 0 : random() % naive.size();
    rows.erase_front(gone, type);
    naive.erase(naive.begin(), std::next(naive.begin(), static_cast<std::ptrdiff_t>(gone)));
    check_same(rows, naive, type);
    rows.erase_front(1000, type);
    CHECK(rows.empty());
  }
}

TEST_CASE("rows: a catalog that grew") {
  Catalog catalog = sample_catalog();
  EventTypeDef& login = catalog.events[1];
  Rows rows;
  rows.insert(10, "a", std::vector{Value::of_text("ios")});
  std::string old;
  {
    Writer out(old);
    IdCoder ids;
    rows.encode(out, ids, login);
  }
  login.fields.push_back(leaf("app", Type::text));
  login.fields.push_back(leaf("speed", Type::number));
  Rows back;
  Reader in(old);
  IdCoder read_ids;
  REQUIRE(back.decode(in, read_ids, login));
  for (Rows* each : {&rows, &back}) {
    each->insert(5, "b", std::vector{Value(), Value::of_text("shop"), Value::of_number(2.5)});
    REQUIRE(each->size() == 2);
    CHECK(each->id(0) == "b");
    CHECK(each->field(0, 1, Kind::text).bytes == "shop");
    CHECK(each->field(0, 2, Kind::number).d == 2.5);
    CHECK(each->field(0, 0, Kind::text).missing());
    CHECK(each->field(1, 0, Kind::text).bytes == "ios");
    CHECK(!each->has_field(1, 2));
    CHECK(each->field(1, kTimeField, Kind::timestamp).i == 10);
  }
  CHECK(encoded(rows, login) == encoded(back, login));
  // A catalog with fewer fields than the rows have cannot read them.
  EventTypeDef fewer = login;
  fewer.fields.resize(1);
  const std::string bytes = encoded(rows, login);
  Reader wrong(bytes);
  IdCoder ids;
  CHECK(!Rows().decode(wrong, ids, fewer));
}

TEST_CASE("rows: repeated texts are kept once, and very long ones whole") {
  const EventTypeDef type = sample_catalog().events[1];
  Rows same;
  Rows different;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = std::to_string(i + 1000);
    same.insert(i, id, std::vector{Value::of_text("a device with a long name")});
    different.insert(i, id, std::vector{Value::of_text("a device with a long " + id)});
  }
  CHECK(same.memory_bytes() + 20'000 < different.memory_bytes());
  const std::string huge(20'000'000, 'h');
  Rows rows;
  rows.insert(1, "a", std::vector{Value::of_text("small")});
  rows.insert(2, "b", std::vector{Value::of_text(huge)});
  rows.insert(3, "c", std::vector{Value::of_text(huge)});
  rows.erase_front(1, type);
  CHECK(rows.field(0, 0, Kind::text).bytes == huge);
  CHECK(rows.field(1, 0, Kind::text).bytes == huge);
  CHECK(rows.memory_bytes() < 30'000'000);
  Rows back;
  const std::string bytes = encoded(rows, type);
  Reader in(bytes);
  IdCoder ids;
  REQUIRE(back.decode(in, ids, type));
  CHECK(back.field(1, 0, Kind::text).bytes == huge);
}

TEST_CASE("rows: damaged bytes are refused") {
  const EventTypeDef type = sample_catalog().events[1];
  const auto decodes = [&](std::string_view bytes) {
    Reader in(bytes);
    IdCoder fresh;
    return Rows().decode(in, fresh, type);
  };
  CHECK(decodes(std::string_view("\0", 1)));
  CHECK(!decodes("\xff\xff\xff\xff\x7f\x01"));                                                    // four billion rows in no bytes
  CHECK(!decodes("\x01\x02\x02\x01z\x01\x01x"));                                                  // two fields where the type has one
  CHECK(!decodes("\x01\x01\x02\x01z\x02\x01x"));                                                  // a field that is not there
  CHECK(!decodes(std::string_view("\x02\x01\x02\x01z\x00\x00\x01z\x00", 10)));                    // the same row twice
  CHECK(!decodes(std::string_view("\x02\x01\x02\x01z\x00\x01\x01z\x00", 10)));                    // back in time
  CHECK(!decodes(std::string_view("\x01\x01\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 13)));  // an empty id
}

TEST_CASE("id index: no id is missed, strangers are rarely hit") {
  IdIndex index;
  CHECK(index.may_have("x"));  // it was never filled and knows nothing
  index.add("first");
  CHECK(!index.may_have("x"));
  for (int i = 0; i < 20000; ++i) index.add("id-" + std::to_string(i));
  std::size_t missed = 0;
  std::size_t strangers = 0;
  for (int i = 0; i < 20000; ++i) {
    missed += index.may_have("id-" + std::to_string(i)) ? 0U : 1U;
    strangers += index.may_have("other-" + std::to_string(i)) ? 1U : 0U;
  }
  CHECK(missed == 0);
  CHECK(strangers <= 2);
  CHECK(index.size() >= 19998);
  CHECK(index.memory_bytes() <= 4 * 32768 + 8);
  const std::size_t before = index.size();
  index.add("id-7");
  CHECK(index.size() == before);
  IdIndex reserved;
  reserved.reserve(1000);
  const std::size_t bytes = reserved.memory_bytes();
  for (int i = 0; i < 1000; ++i) reserved.add("id-" + std::to_string(i));
  CHECK(reserved.memory_bytes() == bytes);
}
