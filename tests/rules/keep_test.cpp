// `keep`: what is too old leaves the state, and nothing that was decided, or will be, is another for it.
#include <random>

#include "engine/core/keep.h"
#include "tests/rules/company.h"

using namespace nudge;
using namespace nudge::testing;

namespace {

std::shared_ptr<const Catalog> catalog_with(const std::string& keep) {
  auto loaded = lang::load_catalog({{"catalog.yaml",
                                     "customer: {attributes: {tier: text}}\n"
                                     "events: {login: {" + keep + "fields: {device: text}}, order_placed: {" + keep +
                                         "fields: {amount: decimal, sku: text}}, paid: {fields: {sku: text}}}\n"}});
  REQUIRE(loaded.catalog);
  return std::move(loaded.catalog);
}

constexpr std::string_view kRules = R"(
segments:
  active: {where: {event: login, within: 10d}}
  quiet: {where: {not: {event: login, within: 7d}}}
  earlier: {where: {event: login, from: 10d, to: 5d}}
  busy: {where: {event: login, within: 9d, count: {at_least: 3}}}
  spends: {where: {event: order_placed, within: 10d, sum: {field: amount, at_least: 50}}}
  average: {where: {event: order_placed, within: 10d, average: {field: amount, less_than: 20}}}
  many: {where: {event: order_placed, within: 8d, distinct: {field: sku, at_least: 2}}}
  week: {where: {event: order_placed, since: start_of_week}}
  chain: {where: {sequence: [{event: login}, {then: order_placed, within: 3d}], within: 10d}}
  left: {where: {sequence: [{event: login}, {no_event: order_placed, for: 4d}], within: 10d}}
traits:
  last: {event: order_placed, within: 10d, max: {field: amount}}
rules:
  edge: {when: {enters: busy}, then: [{maildrop: {text: "busy {{ trait.last | default: 0 }}"}}]}
  gone: {when: {leaves: active}, then: [{maildrop: {text: gone}}]}
  again: {when: {enters: left}, limits: {once_per: 3d}, then: [{maildrop: {text: left}}]}
  each: {when: {event: order_placed, same: sku}, max_age: 10d, if: {not: {event: order_placed, before: trigger, within: 10d}}, then: [{maildrop: {text: first}}]}
  later:
    when: {event: order_placed}
    max_age: 4d
    goal: {event: login, within: 12d}
    then:
      - maildrop: {text: "got {{ event.sku }}"}
      - {after: 14d, only_if: {not: {segment: busy}}, maildrop: {text: "still {{ event.sku }}"}}
      - {until: {event: login, within: 1d}, timeout: 3d}
      - maildrop: {text: "end {{ event.amount }}"}
)";

// One side of the comparison: the same customer under the same rules.
struct Side {
  std::shared_ptr<const Catalog> catalog;
  std::unique_ptr<Plan> plan;
  Registry registry;
  Engine engine;
  CustomerState state;
  Effects effects;

  explicit Side(const std::string& keep) : catalog(catalog_with(keep)) {
    state.id = "c1";
    auto compiled = lang::compile({{"rules.yaml", std::string(kRules)}}, catalog);
    for (const auto& d : compiled.diagnostics.items()) MESSAGE(d.message);
    REQUIRE(compiled.plan);
    plan = std::move(compiled.plan);
    registry.bind(*plan, at("2026-01-01T00:00:00Z"));
  }
  std::string told() {
    std::string bytes;
    Writer out(bytes);
    for (const Edge& e : effects.edges) out.varint(e.root), out.u8(e.entered), out.u8(e.silent), out.svarint(e.at);
    for (const Decision& d : effects.decisions) encode_decision(out, d);
    for (const ActionOut& a : effects.actions) encode_action(out, a);
    effects.clear();
    return bytes;
  }
  // Encoded and decoded, as over a restart.
  void restart() {
    std::string bytes;
    encode_customer(bytes, state, *catalog);
    Result<CustomerState> back = decode_customer(bytes, *catalog);
    REQUIRE(back);
    std::string again;
    encode_customer(again, *back, *catalog);
    REQUIRE(again == bytes);
    state = *std::move(back);
  }
  std::size_t older_than(TimeMs t, const char* event) const {
    const Rows* rows = state.rows(catalog->find_event(event));
    return rows == nullptr ? 0 : rows->upper_bound(t);
  }
};

Input event_of(const Catalog& catalog, const char* type, std::string id, TimeMs time, std::int64_t n) {
  Input input;
  input.customer = "c1";
  input.id = std::move(id);
  input.time = time;
  input.type = catalog.find_event(type);
  const EventTypeDef& def = catalog.events[input.type];
  input.fields.resize(def.fields.size());
  if (const FieldId sku = def.find("sku"); sku != kNoField) input.fields[sku] = Value::of_text("s" + std::to_string(n % 4));
  if (const FieldId amount = def.find("amount"); amount != kNoField && n % 5 != 0) input.fields[amount] = Value::of_integer(n % 40);
  if (input.fields.size() > 1 && n % 5 != 0) input.fields[def.find("amount")] = Value::of_decimal(Decimal::parse(std::to_string(n % 40)).value());
  return input;
}

}  // namespace

TEST_CASE("keep: what is deleted changes no edge, no decision, no message and no answer to a repeated event") {
  std::size_t told = 0, deleted = 0, repeated = 0, looked = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    Side all(""), kept("keep: 10d, ");
    TimeMs now = at("2026-01-05T00:00:00Z");
    std::vector<std::pair<TimeMs, Input>> sent;  // when it came in
    TimeMs free_since = kNever;
    for (int i = 0; i < 150; ++i) {
      now += 1 + static_cast<TimeMs>(random() % static_cast<unsigned>(random() % 20 == 0 ? 9 * kDay : kDay));
      std::vector<Input> inputs;
      for (unsigned n = 0; n < 1 + random() % 3; ++n) {
        if (!sent.empty() && random() % 6 == 0) {
          const auto& [came, again] = sent[sent.size() - 1 - random() % std::min<std::size_t>(sent.size(), 12)];
          if (now - came < kIdsKept) {
            inputs.push_back(again);
            if (random() % 3 == 0) inputs.back().time += 1;  // the same id with other content
            ++repeated;
            continue;
          }
        }
        const DurationMs late = random() % 4 == 0 ? static_cast<DurationMs>(random() % static_cast<unsigned>(24 * kDay)) : 0;
        const char* type = random() % 2 == 0 ? "login" : random() % 5 == 0 ? "paid" : "order_placed";
        inputs.push_back(event_of(*all.catalog, type, "e" + std::to_string(i) + "-" + std::to_string(n), now - late, static_cast<std::int64_t>(random() % 1000)));
        inputs.back().import = late > 12 * kDay;
        sent.emplace_back(now, inputs.back());
      }
      std::vector<Receipt> here, there;
      all.engine.step(*all.plan, all.state, inputs, now, here, all.effects);
      kept.engine.step(*kept.plan, kept.state, inputs, now, there, kept.effects);
      REQUIRE(here == there);
      const std::string expected = all.told();
      REQUIRE(kept.told() == expected);
      told += expected.size();
      REQUIRE(kept.state.members == all.state.members);
      if (random() % 8 == 0) kept.restart();
      // Whatever is older than it should be is held by something: a step that waits, or having come late.
      const bool free = kept.state.runs.empty() && kept.state.seldom.late().empty();
      free_since = free ? std::min(free_since, now) : kNever;
      for (const char* type : {"login", "order_placed"}) {
        if (!free || now - free_since <= kDay) continue;
        CHECK(kept.older_than(now - 11 * kDay, type) == 0);
        ++looked;
      }
    }
    for (int day = 0; day < 60; ++day) {
      now += kDay;
      all.engine.advance(*all.plan, all.state, now, all.effects);
      kept.engine.advance(*kept.plan, kept.state, now, kept.effects);
      REQUIRE(kept.told() == all.told());
    }
    const Rows* logins = all.state.rows(all.catalog->find_event("login"));
    deleted += logins == nullptr ? 0 : logins->size();
    CHECK(kept.state.rows(kept.catalog->find_event("login")) == nullptr);
    CHECK(kept.state.rows(kept.catalog->find_event("order_placed")) == nullptr);
    CHECK(kept.state.seldom.late().empty());
    CHECK(Engine::next_due(kept.state) == kNever);
    const EventTypeId paid = all.catalog->find_event("paid");
    CHECK((all.state.rows(paid) == nullptr ? 0 : all.state.rows(paid)->size()) == (kept.state.rows(paid) == nullptr ? 0 : kept.state.rows(paid)->size()));
  }
  CHECK(told > 100'000);
  CHECK(deleted > 1000);
  CHECK(repeated > 500);
  CHECK(looked > 20);
}

TEST_CASE("keep: an event is there until its time is over and gone within a day after, at an instant of the customer's own") {
  Side kept("keep: 10d, ");
  const TimeMs noon = at("2026-02-04T12:00:00Z");
  const Input input = event_of(*kept.catalog, "login", "a", noon, 1);
  std::vector<Receipt> receipts;
  kept.engine.step(*kept.plan, kept.state, {&input, 1}, noon, receipts, kept.effects);
  kept.engine.advance(*kept.plan, kept.state, noon + 10 * kDay, kept.effects);
  CHECK(kept.older_than(noon, "login") == 1);
  kept.engine.advance(*kept.plan, kept.state, noon + 11 * kDay + 1, kept.effects);
  CHECK(kept.older_than(noon, "login") == 0);
  CHECK(kept.state.find("a", *kept.catalog) == std::nullopt);
}

TEST_CASE("keep: given to a type that has old events already, and taken away again, by a new catalog") {
  Side side("");
  const TimeMs noon = at("2026-02-04T12:00:00Z");
  std::vector<Receipt> receipts;
  for (int day = 0; day < 30; ++day) {
    const Input input = event_of(*side.catalog, "login", "e" + std::to_string(day), noon + day * kDay, day);
    side.engine.step(*side.plan, side.state, {&input, 1}, input.time, receipts, side.effects);
  }
  const TimeMs now = noon + 29 * kDay;
  const auto use = [&](const std::string& keep) {
    side.catalog = catalog_with(keep);
    side.plan = std::move(lang::compile({{"rules.yaml", std::string(kRules)}}, side.catalog).plan);
    REQUIRE(side.plan);
    side.registry.bind(*side.plan, now + 1);
  };
  use("keep: 12d, ");
  side.engine.reconcile(*side.plan, side.state, side.effects);
  CHECK(side.older_than(kNever, "login") == 30);  // a plan deletes nothing by itself: time does
  side.engine.advance(*side.plan, side.state, now + 2, side.effects);
  CHECK(side.older_than(kNever, "login") == 12);
  use("");
  side.engine.advance(*side.plan, side.state, now + 90 * kDay, side.effects);
  CHECK(side.older_than(kNever, "login") == 12);
}
