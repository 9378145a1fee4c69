// Messages of other systems: taken apart without losing a digit, and put together by the mapping.
#include <doctest/doctest.h>

#include "daemon/doors/mapping.h"
#include "daemon/doors/raw_json.h"
#include "daemon/doors/segment.h"
#include "daemon/doors/translate.h"
#include "rules/doc/reader.h"

namespace nudge::doors {
namespace {

std::shared_ptr<const Catalog> catalog() {
  auto made = std::make_shared<Catalog>();
  const auto leaf = [](std::string name, Type type) {
    LeafDef def;
    def.name = std::move(name);
    def.type = type;
    return def;
  };
  made->attributes = {leaf("name", Type::text), leaf("tier", Type::text), leaf("annual_spend", Type::decimal)};
  EventTypeDef order;
  order.name = "order_placed";
  order.fields = {leaf("amount", Type::decimal), leaf("product_id", Type::text)};
  made->events = {order};
  return made;
}

std::vector<daemon::DoorDocument> open(const SegmentMapping& mapping, std::string_view message, TimeMs received = 1'000'000) {
  const daemon::IntakeSchema schema(catalog());
  std::vector<daemon::DoorDocument> out;
  open_segment(mapping, schema, SegmentCall{{}, {}, {}, received}, message, out);
  return out;
}

Result<Secret> no_secrets(bool /*from_file*/, const std::string& name) { return Secret("the secret " + name); }

}  // namespace

TEST_CASE("doors: JSON is taken apart without changing a byte") {
  const auto members = raw_object(R"( {"a" : 12.500, "b\u00e9\n":"x\"}","c":[1,{"d":"]"}] , "a":null} )");
  REQUIRE(members);
  REQUIRE(members->size() == 4);
  CHECK((*members)[0].value == "12.500");
  CHECK((*members)[1].key == "b\xC3\xA9\n");
  CHECK((*members)[2].value == R"([1,{"d":"]"}])");
  CHECK(raw_member(*members, "a") == "null");
  CHECK(raw_text(R"("\ud83d\ude00\/")") == "\xF0\x9F\x98\x80/");
  CHECK(raw_text("-7") == "-7");
  CHECK(!raw_text("true"));
  CHECK(!raw_text(R"("\ud83d")"));
  const std::string_view deep = R"({"p":{"list":[{"sku":"A"},{"sku":"B"}],"a/b":1,"m~n":2}})";
  CHECK(raw_at(deep, "/p/list/1/sku") == "\"B\"");
  CHECK(raw_at(deep, "/p/a~1b") == "1");
  CHECK(raw_at(deep, "/p/m~0n") == "2");
  CHECK(raw_at(deep, "") == deep);
  CHECK(!raw_at(deep, "/p/list/2/sku"));
  CHECK(!raw_at(deep, "/p/list/x"));
  CHECK(!raw_at(deep, "p"));
  for (const std::string_view broken :
       {"", "{", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":[}]}", "{\"a\":\"b}", "{\"a\":1} x", "{a:1}", "{\"a\":{]}"}) {
    CAPTURE(broken);
    CHECK(!raw_object(broken));
  }
}

TEST_CASE("doors: names as catalogs spell them") {
  CHECK(snake_case("Order Completed") == "order_completed");
  CHECK(snake_case("productId") == "product_id");
  CHECK(snake_case("ProductID") == "product_id");
  CHECK(snake_case("HTTPStatus") == "http_status");
  CHECK(snake_case("a-b.c") == "a_b_c");
  CHECK(snake_case("\xE4\xB8\x8A") == "\xE4\xB8\x8A");
}

TEST_CASE("doors: the clock of the sender is corrected as documented") {
  // the example of Segment's "common fields" page
  const auto at = [](std::string_view text) { return read_timestamp(text).value(); };
  CHECK(corrected_time("2015-12-10T04:08:31.577Z", "2015-12-10T04:08:31.581Z", at("2015-12-10T04:08:31.909Z")) ==
        at("2015-12-10T04:08:31.905Z"));
  CHECK(corrected_time("2026-01-01T00:00:00.000Z", "2026-01-01T00:10:00.000Z", at("2026-01-01T01:10:05.250Z")) ==
        at("2026-01-01T01:00:05.250Z"));
  CHECK(corrected_time("2026-01-01T00:00:00+00:00", "", at("2026-01-01T01:00:00Z")) == at("2026-01-01T00:00:00Z"));
  CHECK(corrected_time("2027-01-01T00:00:00Z", "", at("2026-01-01T01:00:00Z")) == at("2026-01-01T01:00:00Z"));
  CHECK(!corrected_time("yesterday", "2026-01-01T00:00:00Z", 0));
  CHECK(!corrected_time("", "", 0));
}

TEST_CASE("doors: a message becomes the documents that the mapping says") {
  SegmentMapping mapping;
  mapping.track["Order Completed"] = {false, "order_placed", {{"amount", "/properties/total", Convert::none, 0, {}, {}}}};
  auto documents =
      open(mapping,
           R"({"type":"track","userId":7,"event":"Order Completed","messageId":"m","properties":{"total":12.50,"productId":"p","odd":1}})");
  REQUIRE(documents.size() == 1);
  CHECK(documents[0].json == R"({"customer":"7","id":"m","event":"order_placed","data":{"amount":12.50,"product_id":"p","odd":1}})");
  mapping.unknown_fields = Unknown::ignore;
  documents = open(mapping, R"({"type":"track","userId":"u","event":"order placed","properties":{"amount":1,"odd":{"x":2}}})");
  REQUIRE(documents.size() == 1);
  CHECK(documents[0].json == R"({"customer":"u","event":"order_placed","data":{"amount":1}})");
  documents = open(mapping, R"({"type":"identify","userId":"u","anonymousId":"a","traits":{"name":"N","annualSpend":3}})");
  REQUIRE(documents.size() == 2);
  CHECK(documents[0].json == R"({"customer":"u","merge":"a","unless_merged":true})");
  CHECK(documents[1].json == R"({"customer":"u","attributes":{"name":"N","annual_spend":3}})");
  mapping.merge = MergeOn::never;
  CHECK(open(mapping, R"({"type":"identify","userId":"u","anonymousId":"a"})").empty());
  documents = open(mapping, R"({"type":"track","event":"x"})");
  REQUIRE(documents.size() == 1);
  CHECK(documents[0].problem.field == "userId");
  // what is kept opens again, under another mapping
  mapping.track["x"] = {true, "", {}};
  const daemon::IntakeSchema schema(catalog());
  const auto again = reopen_segment(mapping, schema, R"({"door":"segment","type":"track","message":{"userId":"u","event":"x"}})", 0);
  REQUIRE(again);
  CHECK(again->empty());
}

TEST_CASE("doors: mistakes in the mapping name what is meant") {
  doc::Diagnostics diagnostics;
  const auto document = doc::read_document(
      "doors.yaml", "segment:\n  track: {Paid: {event: order_plced}, Sold: {event: order_placed, fields: {amuont: x}}}\n  mergee: never\n",
      diagnostics);
  CHECK(read_mapping(*document, *catalog(), no_secrets, diagnostics) == nullptr);
  CHECK(diagnostics.errors() == 3);
}

}  // namespace nudge::doors
