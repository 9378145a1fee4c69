// CloudEvents and calls of webhooks: whatever comes, the documents made of it are one JSON object each, in which no member stands twice
// (nothing that a sender writes can get out of its place), and what is kept can be opened again.
#include <cstdlib>
#include <set>

#include "daemon/doors/cloudevents.h"
#include "daemon/doors/raw_json.h"
#include "daemon/doors/webhook.h"
#include "rules/doc/reader.h"

namespace {

using namespace nudge;

constexpr const char* kDoors = R"(
cloudevents: {unknown_fields: ignore, events: {paid: {event: order_placed, customer: /data/who, fields: {amount: {from: cents, divide: 100}, note: {from: n, as: text}}}}}
webhooks:
  shop:
    signature: none
    each: /
    type: /type
    id: {header: x-id}
    time: {from: at, as: seconds}
    customer: {from: who, map: {a: b}}
    messages:
      paid: [{event: order_placed, fields: {amount: {from: total, as: number}, note: /deep/0/x}}, {attributes: {name: name}}]
)";

void require(bool good) {
  if (!good) std::abort();
}

std::shared_ptr<const Catalog> catalog() {
  auto made = std::make_shared<Catalog>();
  const auto leaf = [](std::string name, Type type) {
    LeafDef def;
    def.name = std::move(name);
    def.type = type;
    return def;
  };
  made->attributes = {leaf("name", Type::text)};
  EventTypeDef order;
  order.name = "order_placed";
  order.fields = {leaf("amount", Type::decimal), leaf("note", Type::text)};
  made->events = {order};
  made->index();
  return made;
}

struct World {
  std::shared_ptr<const Catalog> names = catalog();
  daemon::IntakeSchema schema{names};
  std::shared_ptr<const doors::Mapping> mapping;
  World() {
    doc::Diagnostics diagnostics;
    const auto document = doc::read_document("doors.yaml", kDoors, diagnostics);
    mapping = doors::read_mapping(*document, *names, [](bool, const std::string&) { return Secret("s"); }, diagnostics);
    require(mapping != nullptr);
  }
};

void check(const World& world, const std::vector<daemon::DoorDocument>& documents) {
  for (const daemon::DoorDocument& document : documents) {
    if (!document.problem.set()) {
      const auto members = doors::raw_object(document.json);
      require(members.has_value());
      std::set<std::string> seen;
      for (const auto& member : *members) require(seen.insert(member.key).second);
      require(seen.contains("customer") && seen.contains("id"));
    }
    if (!document.message.starts_with("{\"door\":")) continue;
    if (document.message.starts_with("{\"door\":\"webhook\""))
      require(doors::reopen_webhook(*world.mapping, world.schema, document.message).has_value());
    else
      require(doors::reopen_cloud_event(world.mapping->cloud_events.messages, world.schema, document.message).has_value());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World world;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<daemon::DoorDocument> documents;
  doors::open_cloud_event(world.mapping->cloud_events.messages, world.schema, text, documents);
  check(world, documents);
  documents.clear();
  const std::vector<std::pair<std::string_view, std::string_view>> headers{{"X-Id", text.substr(0, 20)},
                                                                           {"Content-Type", "application/json"}};
  doors::open_webhook("shop", world.mapping->webhooks.at("shop"), world.schema, headers, text, documents);
  check(world, documents);
  documents.clear();
  const std::vector<std::pair<std::string_view, std::string_view>> form{{"content-type", "application/x-www-form-urlencoded"}};
  doors::open_webhook("shop", world.mapping->webhooks.at("shop"), world.schema, form, text, documents);
  check(world, documents);
  const std::vector<std::pair<std::string_view, std::string_view>> binary{
      {"ce-id", text.substr(0, 30)}, {"ce-subject", text}, {"content-type", "application/json"}};
  if (const auto event = doors::structured_event(binary, text)) require(doors::raw_object(*event).has_value());
  return 0;
}
