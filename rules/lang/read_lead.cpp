// Pools of leads and funnels of opportunities: the read pass.
#include <algorithm>

#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

namespace {

std::vector<Name> read_names(const Context& context, MapReader& map, std::string_view key) {
  std::vector<Name> names;
  const doc::Entry* entry = map.take(key);
  if (entry == nullptr) return names;
  for (const doc::Node* item : items_of(context, *entry->value, entry->key_mark, quoted(key), true)) {
    const doc::Read<std::string_view> text = doc::read_text(*item);
    if (!text) {
      context.error("R0104", item->mark, text.error().message, text.error().hint);
      continue;
    }
    if (text->empty()) context.error("R0109", item->mark, "an item of " + quoted(key) + " is empty", "write a word, or remove it");
    names.push_back({*text, context.at(item->mark)});
  }
  return names;
}

std::vector<std::string> read_words(const Context& context, MapReader& map, std::string_view key) {
  std::vector<std::string> words;
  const doc::Entry* entry = map.node().find(key);
  if (entry != nullptr && entry->value->is_list() && entry->value->items.empty())
    context.error("R0109", entry->value->mark, quoted(key) + " lists nothing", "remove the key: without it any words will do");
  for (const Name& name : read_names(context, map, key)) words.emplace_back(name.text);
  return words;
}

DurationMs some_time(const Context& context, MapReader& map, std::string_view key) {
  const doc::Entry* entry = map.is_map() ? map.node().find(key) : nullptr;
  const std::optional<DurationMs> length = map.duration(key);
  if (length && *length == 0) context.error("R0105", entry->value->mark, quoted(key) + " is no time at all", "such as 7d; remove the key for no limit");
  return length.value_or(0);
}

}  // namespace

PoolAst read_pool(const Context& context, const doc::Entry& entry) {
  PoolAst ast;
  ast.name = {entry.key, context.at(entry.key_mark)};
  Pool& pool = ast.pool;
  pool.name = entry.key;
  MapReader map(context, *entry.value, entry.key_mark, "the pool " + quoted(entry.key));
  if (!map.is_map()) return ast;
  pool.description = map.text("description");
  pool.everybody = map.boolean("public", false);
  ast.team = map.name("team");
  if (!ast.team && !map.has("team") && !pool.everybody)
    context.error("R0103", entry.key_mark, "the pool " + quoted(entry.key) + " does not say whose it is", "`team: NAME`, or `public: true` for the members of all teams");
  if (const doc::Entry* claims = map.take("claims")) {
    MapReader inner(context, *claims->value, claims->key_mark, "`claims`");
    pool.per_day = static_cast<std::uint32_t>(inner.integer("per_day", 0, 1, 1'000'000));
    pool.owned_most = static_cast<std::uint32_t>(inner.integer("owned_at_most", 0, 1, 1'000'000));
    pool.again_after = some_time(context, inner, "again_after");
    inner.finish();
  }
  pool.return_reasons = read_words(context, map, "return_reasons");
  pool.close_reasons = read_words(context, map, "close_reasons");
  if (const doc::Entry* recycle = map.take("recycle")) {
    MapReader inner(context, *recycle->value, recycle->key_mark, "`recycle`");
    inner.require("after");
    pool.recycle_after = some_time(context, inner, "after");
    ast.recycle_to = inner.name("to");
    ast.follow_ups = read_names(context, inner, "follow_ups");
    inner.finish();
  }
  ast.owner = map.name("owner");
  map.finish();
  return ast;
}

FunnelAst read_funnel(const Context& context, const doc::Entry& entry) {
  FunnelAst ast;
  ast.name = {entry.key, context.at(entry.key_mark)};
  Funnel& funnel = ast.funnel;
  funnel.name = entry.key;
  MapReader map(context, *entry.value, entry.key_mark, "the funnel " + quoted(entry.key));
  if (!map.is_map()) return ast;
  funnel.description = map.text("description");
  funnel.lost_reasons = read_words(context, map, "lost_reasons");
  ast.follow_ups = read_names(context, map, "follow_ups");
  const doc::Entry* stages = map.require("stages");
  map.finish();
  if (stages == nullptr) return ast;
  const auto items = items_of(context, *stages->value, stages->key_mark, "`stages`");
  if (stages->value->is_list() && items.empty()) context.error("R0109", stages->value->mark, "`stages` lists none", "a funnel has at least one stage");
  for (const doc::Node* item : items) {
    FunnelStage stage;
    MapReader inner(context, *item, item->mark, "a stage");
    if (!inner.is_map()) continue;
    const doc::Entry* name = inner.require("name");
    stage.name = inner.text("name");
    if (name != nullptr && check_name(context, stage.name, name->value->mark, "a stage") &&
        std::ranges::find(funnel.stages, stage.name, &FunnelStage::name) != funnel.stages.end())
      context.error("R0309", name->value->mark, "the funnel has two stages named " + quoted(stage.name), "give each a name of its own");
    stage.description = inner.text("description");
    inner.require("probability");
    stage.percent = static_cast<std::uint32_t>(inner.integer("probability", 0, 0, 100));
    stage.stalled_after = some_time(context, inner, "stalled_after");
    stage.tasks = read_words(context, inner, "tasks");
    inner.finish();
    funnel.stages.push_back(std::move(stage));
  }
  return ast;
}

}  // namespace nudge::lang
