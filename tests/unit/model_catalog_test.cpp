#include <doctest/doctest.h>

#include "engine/base/limits.h"
#include "model_support.h"

using namespace nudge;
using namespace nudge::testing;

namespace {

std::string encoded(const Catalog& catalog) {
  std::string bytes;
  catalog.encode(bytes);
  return bytes;
}

Catalog catalog_of(std::vector<LeafDef> attributes, std::vector<LeafDef> login = {}) {
  Catalog catalog;
  catalog.attributes = std::move(attributes);
  if (!login.empty()) {
    EventTypeDef event;
    event.name = "login";
    event.fields = std::move(login);
    catalog.events.push_back(event);
  }
  catalog.index();
  return catalog;
}

}  // namespace

TEST_CASE("catalog: names") {
  Catalog catalog = sample_catalog();
  CHECK(catalog.find_attribute("tier") == 4);
  CHECK(catalog.find_attribute("Tier") == kNoAttribute);
  CHECK(catalog.find_event("login") == 1);
  CHECK(catalog.find_event("logout") == kNoEventType);
  CHECK(catalog.events[1].find("device") == 0);
  CHECK(catalog.events[1].find("nothing") == kNoField);
  catalog.attributes[4].retired = true;
  CHECK(catalog.find_attribute("tier") == kNoAttribute);
  catalog.objects.push_back({"address", {1, 2}});
  REQUIRE(catalog.find_object("address") != nullptr);
  CHECK(catalog.find_object("addres") == nullptr);
}

TEST_CASE("catalog: the event types that nudge makes itself") {
  Catalog catalog = sample_catalog();
  EventTypeDef own;
  own.name = "task_overdue";
  own.fields = {leaf("mine", Type::text)};
  catalog.events.push_back(own);
  catalog.add_built_in();
  for (const char* name : {"task_created", "task_completed", "task_overdue", "message_accepted", "message_failed", "message_held"}) {
    CHECK(catalog.find_event(name) != kNoEventType);
  }
  CHECK(catalog.events[catalog.find_event("task_overdue")].fields.size() == 1);  // the company's own stays
  CHECK(catalog.events[catalog.find_event("task_completed")].built_in);
  CHECK(catalog.events[catalog.find_event("task_completed")].find("disposition") != kNoField);
  const std::size_t events = catalog.events.size();
  catalog.add_built_in();
  CHECK(catalog.events.size() == events);
}

TEST_CASE("catalog: ids are kept, what is gone is retired, what is new comes after") {
  Catalog stored = catalog_of({leaf("name", Type::text), leaf("tier", Type::text), leaf("city", Type::text)},
                              {leaf("device", Type::text), leaf("ip", Type::text)});
  Catalog fresh = catalog_of({leaf("spend", Type::decimal), leaf("city", Type::text), leaf("name", Type::text)},
                             {leaf("app", Type::text), leaf("ip", Type::text)});
  fresh.objects.push_back({"where", {1}});
  fresh.events[0].objects.push_back({"net", {0, 1}});
  EventTypeDef order;
  order.name = "order";
  fresh.events.insert(fresh.events.begin(), order);
  fresh.index();
  REQUIRE(fresh.continue_from(stored).has_value());
  CHECK(fresh.find_attribute("name") == 0);
  CHECK(fresh.find_attribute("city") == 2);
  CHECK(fresh.find_attribute("spend") == 3);
  CHECK(fresh.find_attribute("tier") == kNoAttribute);
  CHECK(fresh.attributes[1].retired);
  CHECK(fresh.find_object("where")->leaves == std::vector<std::uint16_t>{2});
  CHECK(fresh.find_event("login") == 0);
  CHECK(fresh.find_event("order") == 1);
  CHECK(fresh.events[0].fields[0].retired);
  CHECK(fresh.events[0].find("ip") == 1);
  CHECK(fresh.events[0].find("app") == 2);
  CHECK(fresh.events[0].objects[0].leaves == std::vector<std::uint16_t>{2, 1});

  // Back again: the old ids live.
  Catalog again = catalog_of({leaf("tier", Type::text)});
  REQUIRE(again.continue_from(fresh).has_value());
  CHECK(again.find_attribute("tier") == 1);
  CHECK(again.attributes.size() == 4);
  CHECK(again.events[0].retired);
  CHECK(again.find_event("login") == kNoEventType);
  // The same catalog once more changes nothing.
  const std::string bytes = encoded(again);
  Catalog same = again;
  std::erase_if(same.attributes, [](const LeafDef& def) { return def.retired; });
  same.events.clear();
  REQUIRE(same.continue_from(again).has_value());
  CHECK(encoded(same) == bytes);
}

TEST_CASE("catalog: changed types are told, all of them") {
  const Catalog stored = catalog_of({leaf("spend", Type::decimal), leaf("phone", Type::text)}, {leaf("device", Type::text)});
  Catalog fresh = catalog_of({leaf("spend", Type::number), leaf("phone", Type::phone)}, {leaf("device", Type::integer)});
  const auto result = fresh.continue_from(stored);
  REQUIRE(!result.has_value());
  CHECK(result.error().code == Code::conflict);
  CHECK(result.error().message.find("\"spend\" was decimal and is now number") != std::string::npos);
  CHECK(result.error().message.find("\"device\" was text and is now integer") != std::string::npos);
  CHECK(result.error().message.find("\"phone\"") == std::string::npos);  // a phone is text
  CHECK(fresh.find_attribute("spend") == 0);                             // as it was

  Catalog retired = catalog_of({});
  REQUIRE(retired.continue_from(stored).has_value());
  Catalog back = catalog_of({leaf("spend", Type::integer)});
  CHECK(!back.continue_from(retired).has_value());  // stored values are still there
}

TEST_CASE("catalog: the limits count what is retired") {
  std::vector<LeafDef> old;
  std::vector<LeafDef> young;
  for (std::size_t i = 0; i < limits::kFieldsPerEvent; ++i) old.push_back(leaf("f" + std::to_string(i), Type::text));
  young.push_back(leaf("g", Type::text));
  Catalog fresh = catalog_of({}, young);
  const auto result = fresh.continue_from(catalog_of({}, old));
  REQUIRE(!result.has_value());
  CHECK(result.error().code == Code::too_large);
}

TEST_CASE("catalog in bytes: round trip; damage never crashes") {
  Catalog catalog = sample_catalog();
  catalog.add_built_in();
  catalog.attributes[4].one_of = {"gold", "silver"};
  catalog.attributes[4].pii = true;
  catalog.attributes[5].retired = true;
  catalog.attributes[5].description = "the mobile";
  catalog.objects.push_back({"address", {1, 2}});
  catalog.events[0].objects.push_back({"o", {0}});
  catalog.events[2].retired = true;
  const std::string bytes = encoded(catalog);
  const auto back = Catalog::decode(bytes);
  REQUIRE(back.has_value());
  CHECK(encoded(*back) == bytes);
  CHECK(back->find_attribute("tier") == 4);
  CHECK(back->attributes[4].one_of.size() == 2);
  CHECK(back->attributes[4].pii);
  CHECK(back->find_attribute("phone") == kNoAttribute);
  CHECK(back->find_event("bare") == kNoEventType);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    CHECK(!Catalog::decode(std::string_view(bytes).substr(0, at)).has_value());
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    if (const auto other = Catalog::decode(damaged)) CHECK(!encoded(*other).empty());
  }
  CHECK(!Catalog::decode("").has_value());
  CHECK(!Catalog::decode(bytes + "x").has_value());
}
