// A catalog with every type in it, and values of every kind, for the tests of engine/model.
#pragma once

#include <cmath>
#include <random>
#include <string>

#include "engine/model/customer.h"

namespace nudge::testing {

using Random = std::mt19937_64;

inline LeafDef leaf(std::string name, Type type) {
  LeafDef def;
  def.name = std::move(name);
  def.type = type;
  return def;
}

inline Catalog sample_catalog() {
  Catalog catalog;
  const std::pair<const char*, Type> every[] = {{"vip", Type::boolean},   {"visits", Type::integer}, {"ratio", Type::number},
                                                {"spend", Type::decimal}, {"tier", Type::text},      {"phone", Type::phone},
                                                {"born", Type::date},     {"seen", Type::timestamp}, {"likes", Type::list}};
  for (const auto& [name, type] : every) catalog.attributes.push_back(leaf(name, type));
  EventTypeDef all;
  all.name = "all_kinds";
  for (const auto& [name, type] : every) all.fields.push_back(leaf(name, type));
  catalog.events.push_back(all);
  EventTypeDef login;
  login.name = "login";
  login.fields.push_back(leaf("device", Type::text));
  catalog.events.push_back(login);
  EventTypeDef bare;
  bare.name = "bare";
  catalog.events.push_back(bare);
  EventTypeDef wide;
  wide.name = "wide";
  for (int i = 0; i < 64; ++i) wide.fields.push_back(leaf("f" + std::to_string(i), i % 2 == 0 ? Type::integer : Type::text));
  catalog.events.push_back(wide);
  catalog.index();
  return catalog;
}

inline std::string random_text(Random& random) {
  static const char* const kTexts[] = {"", "a", "ios", "android", "王芳", "a text that is longer than fifteen bytes", "\x01\x00\xff"};
  const auto pick = random() % 9;
  return pick < 7 ? kTexts[pick] : std::string(random() % 300, 'x');
}

// Missing one time in four.
inline Value random_value(Random& random, Kind kind) {
  if (random() % 4 == 0) return {};
  const auto bits = static_cast<std::int64_t>(random()) >> (random() % 64);
  switch (kind) {
    case Kind::missing: return {};
    case Kind::boolean: return Value::of_boolean(random() % 2 == 0);
    case Kind::integer: return Value::of_integer(bits);
    case Kind::number: return Value::of_number(std::ldexp(static_cast<double>(bits), static_cast<int>(random() % 100) - 50));
    case Kind::decimal: return Value::of_decimal({bits % Decimal::kMaxUnits});
    case Kind::text: return Value::of_text(random_text(random));
    case Kind::date: return Value::of_date(static_cast<DateDays>(bits));
    case Kind::timestamp: return Value::of_timestamp(bits % kTimeMax);
    case Kind::list: {
      std::vector<std::string> items(random() % 4);
      for (std::string& item : items) item = random_text(random);
      return Value::of_list(items);
    }
  }
  return {};
}

inline std::vector<Value> random_fields(Random& random, const EventTypeDef& type) {
  std::vector<Value> fields;
  for (const LeafDef& def : type.fields) fields.push_back(random_value(random, kind_of(def.type)));
  return fields;
}

inline Input random_input(Random& random, const Catalog& catalog, const std::string& id) {
  Input input;
  input.customer = "c1";
  input.id = id;
  input.time = 1'700'000'000'000 + static_cast<TimeMs>(random() % 1000) * (random() % 2 == 0 ? 1 : kHour);
  input.import = random() % 5 == 0;
  input.generated_id = random() % 5 == 0;
  switch (random() % 4) {
    case 0: {
      input.kind = InputKind::attributes;
      for (AttributeId a = 0; a < catalog.attributes.size(); ++a) {
        if (random() % 3 == 0 || (input.attributes.empty() && a + 1U == catalog.attributes.size())) {
          input.attributes.push_back({a, random_value(random, kind_of(catalog.attributes[a].type))});
        }
      }
      break;
    }
    case 1:
      input.kind = InputKind::tag;
      input.tag = "tag-" + std::to_string(random() % 3);
      input.tag_removed = random() % 3 == 0;
      if (random() % 2 == 0) input.tag_expires = input.time + static_cast<TimeMs>(random() % 100000);
      break;
    default:
      input.kind = InputKind::event;
      input.type = static_cast<EventTypeId>(random() % catalog.events.size());
      input.fields = random_fields(random, catalog.events[input.type]);
  }
  return input;
}

inline CustomerState random_state(Random& random, const Catalog& catalog, int inputs) {
  CustomerState state;
  state.id = "c1";
  state.clock = 1'800'000'000'000;
  state.plan = random();
  state.applied = random() % 100000;
  for (int i = 0; i < inputs; ++i) state.store(random_input(random, catalog, "in-" + std::to_string(i)), catalog);
  for (RootId root = 1; root < 40; root += 1 + static_cast<RootId>(random() % 9)) {
    state.members.push_back({root, static_cast<TimeMs>(random() % kTimeMax)});
    state.wakes.push_back({root, random() % 5 == 0 ? kNever : static_cast<TimeMs>(random() % kTimeMax)});
    state.fired.push_back({root, random_text(random), static_cast<TimeMs>(random() % kTimeMax)});
    Run run{root, static_cast<std::uint32_t>(random() % 5), static_cast<TimeMs>(random() % kTimeMax), kAlways, {}};
    run.cause.kind = static_cast<Cause::Kind>(1 + random() % 5);
    run.cause.at = static_cast<TimeMs>(random() % kTimeMax);
    run.cause.row_id = random_text(random);
    run.cause.key = random_text(random);
    if (random() % 2 == 0) run.cause.type = 1;
    if (random() % 2 == 0) run.deadline = static_cast<TimeMs>(random() % kTimeMax);
    if (random() % 2 == 0) run.mark = random();
    state.runs.push_back(run);
  }
  return state;
}

}  // namespace nudge::testing
