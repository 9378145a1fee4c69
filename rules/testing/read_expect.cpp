#include "rules/testing/read_expect.h"

#include <algorithm>
#include <array>

namespace nudge::testing {
namespace {

using doc::quoted;
using lang::Context;
using lang::MapReader;

constexpr std::array<std::pair<std::string_view, Held>, 28> kHeldWords = {{{"once_per", Held::once_per},
                                                                          {"refused", Held::refused},
                                                                          {"not_approved", Held::not_approved},
                                                                          {"rollout", Held::rollout},
                                                                          {"holdout", Held::holdout},
                                                                          {"shadow", Held::shadow},
                                                                          {"only_if", Held::only_if},
                                                                          {"at_most", Held::at_most},
                                                                          {"render", Held::render},
                                                                          {"rule_gone", Held::rule_gone},
                                                                          {"runs_full", Held::runs_full},
                                                                          {"exit", Held::exit},
                                                                          {"goal", Held::goal},
                                                                          {"step_gone", Held::step_gone},
                                                                          {"stopped", Held::stopped},
                                                                          {"timeout", Held::timeout},
                                                                          {"loop", Held::loop},
                                                                          {"write", Held::write},
                                                                          {"no_address", Held::no_address},
                                                                          {"opted_out", Held::opted_out},
                                                                          {"consent", Held::consent},
                                                                          {"inhibited", Held::inhibited},
                                                                          {"quiet_hours", Held::quiet_hours},
                                                                          {"cap", Held::cap},
                                                                          {"expired", Held::expired},
                                                                          {"budget", Held::budget},
                                                                          {"braked", Held::braked},
                                                                          {"silenced", Held::silenced}}};

constexpr std::int64_t kCountMax = 1'000'000'000;

template <class Def>
std::vector<std::string_view> names_of(const std::vector<Def>& definitions) {
  std::vector<std::string_view> names;
  for (const Def& d : definitions) names.push_back(d.name);
  return names;
}

std::optional<std::int64_t> read_count(MapReader& map, std::string_view key) {
  if (!map.has(key)) {
    map.take(key);
    return std::nullopt;
  }
  return map.integer(key, 0, 0, kCountMax);
}

/// `held: 1`, `held: once_per` or `held: {once_per: 1, holdout: 2}`.
void read_held(MapReader& map, Expectation& e) {
  const doc::Entry* entry = map.take("held");
  if (entry == nullptr) return;
  const Context& context = map.context();
  std::vector<std::string_view> words;
  for (const auto& [word, reason] : kHeldWords) words.push_back(word);
  const auto find = [&](std::string_view text, const doc::Mark& mark) -> Held {
    for (const auto& [word, reason] : kHeldWords) {
      if (word == text) return reason;
    }
    context.error("R0760", mark, quoted(text) + " is no reason for holding back", doc::did_you_mean(text, words, "reasons"));
    return Held::none;
  };
  if (entry->value->is_map()) {
    for (const doc::Entry& one : entry->value->entries) {
      const auto count = doc::read_integer(*one.value, 0, kCountMax);
      if (!count) context.error("R0104", one.value->mark, count.error().message, count.error().hint);
      e.held_by.emplace_back(find(one.key, one.key_mark), count.value_or(0));
    }
  } else if (entry->value->is_scalar() && lang::check_name(context, entry->value->text, entry->value->mark, "a reason") &&
             !doc::looks_typed(*entry->value)) {
    e.held_by.emplace_back(find(entry->value->text, entry->value->mark), 1);
    e.held = 1;
  } else {
    e.held = map.integer("held", 0, 0, kCountMax);
  }
}

/// `deferred: 1`, or the instants: `deferred: [2026-02-02T09:00:00+08:00]`.
void read_deferred(MapReader& map, Expectation& e) {
  const doc::Entry* entry = map.take("deferred");
  if (entry == nullptr) return;
  const Context& context = map.context();
  if (!entry->value->is_list()) {
    e.deferred = map.integer("deferred", 0, 0, kCountMax);
    return;
  }
  e.deferred_until.emplace();
  for (const doc::Node* item : lang::items_of(context, *entry->value, entry->key_mark, "`deferred`")) {
    const doc::Read<TimeMs> at = doc::read_timestamp(*item);
    if (!at) context.error("R0104", item->mark, at.error().message, at.error().hint);
    e.deferred_until->push_back(at.value_or(0));
  }
}

void read_segments(NameReader& names, MapReader& map, std::string_view key, std::vector<Name>& out) {
  const doc::Entry* entry = map.take(key);
  if (entry == nullptr) return;
  for (const doc::Node* item : lang::items_of(map.context(), *entry->value, entry->key_mark, quoted(key), true))
    out.push_back(names.segment(*item));
}

void read_values(NameReader& names, MapReader& map, Expectation& e) {
  const Context& context = map.context();
  if (const doc::Entry* traits = map.take("traits")) {
    const MapReader inner(context, *traits->value, traits->key_mark, "`traits`");
    for (const doc::Entry& one : traits->value->entries) {
      const Name name{one.key, context.at(one.key_mark)};
      if (names.check_trait(name)) e.traits.emplace_back(name, Raw{one.value, context.at(one.value->mark), context.at(one.key_mark)});
    }
  }
  if (const doc::Entry* scores = map.take("scores")) {
    const MapReader inner(context, *scores->value, scores->key_mark, "`scores`");
    for (const doc::Entry& one : scores->value->entries) {
      const Name name{one.key, context.at(one.key_mark)};
      if (names.check_score(name) != nullptr)
        e.scores.emplace_back(name, Raw{one.value, context.at(one.value->mark), context.at(one.key_mark)});
    }
  }
  if (const doc::Entry* bands = map.take("bands")) {
    const MapReader inner(context, *bands->value, bands->key_mark, "`bands`");
    for (const doc::Entry& one : bands->value->entries) {
      const Name name{one.key, context.at(one.key_mark)};
      const Score* score = names.check_score(name);
      if (score == nullptr) continue;
      const Name band{one.value->is_null() ? std::string_view() : one.value->text, context.at(one.value->mark)};
      std::vector<std::string_view> known;
      for (const Score::Band& b : score->bands) known.push_back(b.name);
      if (band && std::ranges::find(known, band.text) == known.end()) {
        context.error("R0764", one.value->mark, "the score " + quoted(one.key) + " has no band " + quoted(band.text),
                      doc::did_you_mean(band.text, known, "bands"));
      }
      e.bands.emplace_back(name, band);
    }
  }
}

void read_facts(NameReader& names, MapReader& map, Expectation& e) {
  const Context& context = map.context();
  if (const doc::Entry* attributes = map.take("attributes")) {
    const MapReader inner(context, *attributes->value, attributes->key_mark, "`attributes`");
    std::vector<std::string_view> known;
    for (const LeafDef& leaf : names.plan().catalog->attributes) known.push_back(leaf.name);
    for (const doc::Entry& one : attributes->value->entries) {
      const AttributeId id = names.plan().catalog->find_attribute(one.key);
      if (id == kNoAttribute) {
        context.error("R0751", one.key_mark, "the catalog has no attribute " + quoted(one.key),
                      doc::did_you_mean(one.key, known, "attributes"));
      } else {
        e.attributes.emplace_back(id, Raw{one.value, context.at(one.value->mark), context.at(one.key_mark)});
      }
    }
  }
  const auto tags = [&](std::string_view key, std::vector<std::string>& out) {
    const doc::Entry* entry = map.take(key);
    if (entry == nullptr) return;
    for (const doc::Node* item : lang::items_of(context, *entry->value, entry->key_mark, quoted(key), true)) out.emplace_back(item->text);
  };
  tags("tags", e.tags);
  tags("no_tags", e.no_tags);
}

}  // namespace

void NameReader::unknown(const Name& name, std::string_view what, const std::vector<std::string_view>& known) {
  context_.error("R0761", name.where.mark, "there is no " + std::string(what) + " " + quoted(name.text),
                 doc::did_you_mean(name.text, known, std::string(what) + "s"));
}

Name NameReader::rule(MapReader& map, std::string_view key) {
  const Name name = map.name(key);
  if (name && plan_.find_rule(name.text) == nullptr) unknown(name, "rule", names_of(plan_.rules));
  return name;
}

Name NameReader::rule(const doc::Node& node) {
  const auto text = doc::read_text(node);
  if (!text) {
    context_.error("R0104", node.mark, text.error().message, text.error().hint);
    return {};
  }
  const Name name{*text, context_.at(node.mark)};
  if (plan_.find_rule(name.text) == nullptr) unknown(name, "rule", names_of(plan_.rules));
  return name;
}

Name NameReader::event(MapReader& map, std::string_view key) {
  const Name name = map.name(key);
  if (name && plan_.catalog->find_event(name.text) == kNoEventType) unknown(name, "event type", names_of(plan_.catalog->events));
  return name;
}

Name NameReader::segment(MapReader& map, std::string_view key) {
  const doc::Entry* entry = map.take(key);
  return entry == nullptr ? Name{} : segment(*entry->value);
}

Name NameReader::segment(const doc::Node& node) {
  const auto text = doc::read_text(node);
  if (!text) {
    context_.error("R0104", node.mark, text.error().message, text.error().hint);
    return {};
  }
  const Name name{*text, context_.at(node.mark)};
  if (plan_.find_segment(name.text) == nullptr) unknown(name, "segment", names_of(plan_.segments));
  return name;
}

bool NameReader::check_trait(const Name& name) {
  if (std::ranges::find(plan_.traits, name.text, &Trait::name) != plan_.traits.end()) return true;
  unknown(name, "trait", names_of(plan_.traits));
  return false;
}

const Score* NameReader::check_score(const Name& name) {
  const auto found = std::ranges::find(plan_.scores, name.text, &Score::name);
  if (found != plan_.scores.end()) return &*found;
  unknown(name, "score", names_of(plan_.scores));
  return nullptr;
}

Expectation read_expectation(NameReader& names, const doc::Node& node, const doc::Mark& key_mark) {
  const Context& context = names.context();
  Expectation e;
  e.where = context.at(node.is_null() ? key_mark : node.mark);
  MapReader map(context, node, key_mark, "`expect`");
  if (!node.is_map()) return e;
  e.rule = names.rule(map, "rule");
  e.customer = map.name("customer");
  e.segment = names.segment(map, "segment");
  e.fired = read_count(map, "fired");
  read_held(map, e);
  read_deferred(map, e);
  e.actions = map.raw("actions");
  if (e.actions && !e.actions.node->is_list()) {
    lang::items_of(context, *e.actions.node, e.actions.key.mark, "`actions`");
    e.actions = {};
  }
  read_segments(names, map, "in", e.in);
  read_segments(names, map, "not_in", e.not_in);
  if (const doc::Entry* members = map.take("members")) {
    e.members.emplace();
    for (const doc::Node* item : lang::items_of(context, *members->value, members->key_mark, "`members`"))
      e.members->emplace_back(item->text);
    std::ranges::sort(*e.members);
  }
  e.count = read_count(map, "count");
  e.entries = read_count(map, "entries");
  e.exits = read_count(map, "exits");
  read_values(names, map, e);
  read_facts(names, map, e);
  e.open_tasks = read_count(map, "open_tasks");
  e.opportunities = map.raw("opportunities");
  if (e.opportunities && !e.opportunities.node->is_list()) {
    lang::items_of(context, *e.opportunities.node, e.opportunities.key.mark, "`opportunities`");
    e.opportunities = {};
  }
  e.lead = map.raw("lead");
  if (e.lead && !e.customer) context.error("R0103", e.lead.key.mark, "`lead` is asked of a customer", "customer: c1");
  e.tasks = map.raw("tasks");
  if (e.tasks && !e.tasks.node->is_list()) {
    lang::items_of(context, *e.tasks.node, e.tasks.key.mark, "`tasks`");
    e.tasks = {};
  }
  e.approvals = map.raw("approvals");
  if (e.approvals && !e.approvals.node->is_list()) {
    lang::items_of(context, *e.approvals.node, e.approvals.key.mark, "`approvals`");
    e.approvals = {};
  }
  e.duplicates = read_count(map, "duplicates");
  e.conflicts = read_count(map, "conflicts");
  e.nothing = map.boolean("nothing", false);
  map.finish();
  const bool asks_customer = !e.in.empty() || !e.not_in.empty() || !e.traits.empty() || !e.scores.empty() || !e.bands.empty() ||
                             !e.attributes.empty() || !e.tags.empty() || !e.no_tags.empty();
  if (asks_customer && !e.customer)
    context.error("R0762", e.where.mark, "this expectation does not say of which customer", "add `customer: ID`");
  if ((e.members || e.count || e.entries || e.exits) && !e.segment) {
    context.error("R0763", e.where.mark, "this expectation does not say of which segment", "add `segment: NAME`");
  }
  return e;
}

std::string_view held_word(Held reason) {
  for (const auto& [word, held] : kHeldWords) {
    if (held == reason) return word;
  }
  return {};
}

}  // namespace nudge::testing
