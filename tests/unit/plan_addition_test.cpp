// A plan that only adds: what the head of a record says must be what a full reconcile would have found.
#include <doctest/doctest.h>

#include "engine/core/engine.h"
#include "engine/core/ruled_out.h"
#include "engine/model/customer_head.h"
#include "engine/plan/addition.h"
#include "engine/plan/registry.h"
#include "rules/lang/load.h"

namespace {

using namespace nudge;

constexpr TimeMs kStart = 1767225600000;
constexpr const char* kCatalog =
    "customer:\n  attributes:\n    tier: {type: text}\n    age: {type: integer}\nevents:\n  login: {fields: {device: text}}\n";
const std::string kFirst =
    "segments:\n  active:\n    where: {event: login, within: 7d}\n"
    "rules:\n  greet:\n    when: {enters: active}\n    then:\n      - call_task: {subject: \"A\", due_in: 24h}\n";

struct Company {
  std::shared_ptr<const Catalog> catalog = lang::load_catalog({{"catalog.yaml", kCatalog}}).catalog;
  Registry registry;
  std::unique_ptr<Plan> plan(const std::string& more, TimeMs now, const std::string& first = kFirst) {
    auto compiled = lang::compile({{"first.yaml", first}, {"more.yaml", more}}, catalog);
    REQUIRE(compiled.plan);
    registry.bind(*compiled.plan, now);
    return std::move(compiled.plan);
  }
};

std::string segment(const std::string& name, const std::string& where) { return "segments:\n  " + name + ":\n    where: " + where + "\n"; }

}  // namespace

TEST_CASE("a plan only adds when nothing is gone, changed or waits for days") {
  Company company;
  const auto before = company.plan(segment("other", "{attribute: age, at_least: 18}"), kStart);
  const auto added = [&](const std::string& more, const std::string& first = kFirst) {
    Registry registry = company.registry;
    auto compiled = lang::compile({{"first.yaml", first}, {"more.yaml", more}}, company.catalog);
    REQUIRE(compiled.plan);
    registry.bind(*compiled.plan, kStart + 1);
    const auto found = only_adds(*before, *compiled.plan);
    return found ? static_cast<int>(found->size()) : -1;
  };
  const std::string other = segment("other", "{attribute: age, at_least: 18}");
  CHECK(added(other) == 0);
  CHECK(added(other + "  gold:\n    where: {attribute: tier, equals: gold}\n") == 1);
  CHECK(added(segment("other", "{attribute: age, at_least: 19}")) == -1);  // another definition
  CHECK(added("") == -1);                                                  // gone
  std::string louder = kFirst;
  louder.replace(louder.find("\"A\""), 3, "\"B\"");
  CHECK(added(other, louder) == -1);  // a rule has another step
  const std::string rule = "rules:\n  more:\n    when: ";
  const std::string then = "\n    then:\n      - call_task: {subject: \"M\", due_in: 24h}\n";
  CHECK(added(other + rule + "{event: login}" + then) == 0);
  CHECK(added(other + rule + "{schedule: \"0 9 * * *\"}" + then) == -1);
  CHECK(added(other + rule + "{enters: active}\n    existing: fire" + then) == -1);
}

TEST_CASE("customers whom the head of their record rules out are those that a full reconcile leaves as they are") {
  Company company;
  const auto before = company.plan("", kStart);
  const std::shared_ptr<Plan> after = company.plan(
      "segments:\n  gold:\n    where: {all: [{attribute: tier, equals: gold}, {event: login, within: 30d}]}\n"
      "  old:\n    where: {all: [{attribute: tier, in: [gold, silver]}, {attribute: age, at_least: 60}, {not: {event: login, within: 1d}}]}\n",
      kStart + 10 * kDay);
  const auto added = only_adds(*before, *after);
  REQUIRE(added);
  REQUIRE(added->size() == 2);
  RuledOut to_come(after, *added);
  Engine engine;
  Effects effects;
  std::vector<Receipt> receipts;
  CustomerState head;
  int out = 0, changed = 0, n = 0;
  for (const char* tier : {"bronze", "silver", "gold", ""}) {
    for (int age = 20; age <= 80; age += 20) {
      for (int logins = 0; logins < 3; ++logins) {
        CustomerState state;
        state.id = "c" + std::to_string(n++);
        Input input;
        input.customer = state.id;
        input.id = "a";
        input.time = kStart + 1;
        input.kind = InputKind::attributes;
        if (*tier != 0) input.attributes.push_back({company.catalog->find_attribute("tier"), Value::of_text(tier)});
        input.attributes.push_back({company.catalog->find_attribute("age"), Value::of_integer(age)});
        engine.step(*before, state, {&input, 1}, input.time, receipts, effects);
        for (int i = 0; i < logins; ++i) {
          Input login;
          login.customer = state.id;
          login.id = "e" + std::to_string(i);
          login.time = kStart + kDay * (1 + 8 * i);
          login.type = company.catalog->find_event("login");
          login.fields.resize(1);
          engine.step(*before, state, {&login, 1}, login.time, receipts, effects);
        }
        std::string record;
        encode_customer(record, state, *company.catalog);
        REQUIRE(decode_customer_head(record, *company.catalog, head));
        CHECK(head.clock == state.clock);
        CHECK(head.plan == before->sequence);
        const bool ruled_out = to_come.all(head);
        const auto members = state.members;
        const auto wakes = state.wakes;
        engine.reconcile(*after, state, effects);
        const bool same = state.members == members && state.wakes == wakes;
        CAPTURE(tier);
        CAPTURE(age);
        CAPTURE(logins);
        CHECK((!ruled_out || same));
        out += ruled_out ? 1 : 0;
        changed += same ? 0 : 1;
      }
    }
  }
  CHECK(out == 30);      // bronze and none: never; silver: only the old
  CHECK(changed > 10);
  CHECK(changed + out <= n);
  std::string damaged = "\x02";
  CHECK_FALSE(decode_customer_head(damaged, *company.catalog, head));
  CHECK_FALSE(decode_customer_head("", *company.catalog, head));
}
