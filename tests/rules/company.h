// A company of one customer for tests that go from YAML through the engine. The catalog is fixed; the rules are the test's.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "engine/core/engine.h"
#include "engine/plan/registry.h"
#include "rules/lang/load.h"

namespace nudge::testing {

inline TimeMs at(std::string_view text) { return parse_timestamp(text).value(); }

struct Company {
  std::shared_ptr<const Catalog> catalog;
  std::unique_ptr<Plan> plan;
  Registry registry;
  Engine engine;
  CustomerState state;
  Effects effects;
  int serial = 0;

  explicit Company(std::string_view rules) {
    auto loaded = lang::load_catalog(
        {{"catalog.yaml",
          "customer: {attributes: {timezone: {type: text}, contract_end: {type: date}, trial_end: {type: timestamp}, tier: {type: text}, "
          "language: {type: text}, owner: {type: text}, interests: {type: list of text}, spend: {type: decimal}, vip: {type: boolean}, note: {type: text}}}\n"
          "events: {login: {fields: {device: text}}, order_placed: {fields: {amount: decimal, sku: text}}}\n"}});
    REQUIRE(loaded.catalog);
    catalog = std::move(loaded.catalog);
    state.id = "c1";
    use(rules, at("2026-01-01T00:00:00Z"));
  }
  void use(std::string_view rules, TimeMs now) {
    auto compiled = lang::compile({{"rules.yaml", std::string(rules)}}, catalog);
    for (const auto& d : compiled.diagnostics.items()) MESSAGE(d.message);
    REQUIRE(compiled.plan);
    plan = std::move(compiled.plan);
    registry.bind(*plan, now);
  }
  void set(std::string_view attribute, Value value, std::string_view when, bool import = false) {
    Input input;
    input.kind = InputKind::attributes;
    input.customer = "c1";
    input.import = import;
    input.id = "u" + std::to_string(++serial);
    input.time = at(when);
    input.attributes.push_back({catalog->find_attribute(attribute), std::move(value)});
    std::vector<Receipt> receipts;
    engine.step(*plan, state, {&input, 1}, at(when), receipts, effects);
    REQUIRE(receipts[0] == Receipt::stored);
  }
  void happen(std::string_view event, std::vector<std::pair<std::string, Value>> fields, std::string_view when) {
    Input input;
    input.customer = "c1";
    input.id = "e" + std::to_string(++serial);
    input.time = at(when);
    input.type = catalog->find_event(event);
    const EventTypeDef& type = catalog->events[input.type];
    input.fields.resize(type.fields.size());
    for (auto& [name, value] : fields) input.fields[type.find(name)] = std::move(value);
    std::vector<Receipt> receipts;
    engine.step(*plan, state, {&input, 1}, at(when), receipts, effects);
    REQUIRE(receipts[0] == Receipt::stored);
  }
  // The instants at which rules fired up to and including `until`.
  std::vector<std::string> fired(std::string_view until) {
    engine.advance(*plan, state, at(until) + 1, effects);
    std::vector<std::string> out;
    for (const Decision& d : effects.decisions)
      if (d.fired) out.push_back(format_timestamp(d.at));
    effects.clear();
    return out;
  }
};

}  // namespace nudge::testing
