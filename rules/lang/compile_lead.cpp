// Pools, and what rules do with leads.
#include <algorithm>

#include "rules/lang/compile.h"
#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

namespace {

// What counts as being in touch when nothing else is written.
constexpr std::string_view kFollowUps[] = {"follow_up", "task_completed", "task_attempted"};

}  // namespace

bool Compiler::pool_exists(const Name& name) {
  if (names_.pools.contains(name.text)) return true;
  error("R0318", name.where, "there is no pool " + quoted(name.text), doc::did_you_mean(name.text, keys_of(names_.pools), "pools"));
  return false;
}

std::vector<EventTypeId> Compiler::follow_up_events(const std::vector<Name>& names) {
  std::vector<EventTypeId> events;
  const auto add = [&](EventTypeId type) {
    if (type != kNoEventType && std::ranges::find(events, type) == events.end()) events.push_back(type);
  };
  for (const Name& name : names) add(event_type(name));
  if (names.empty()) {
    for (const std::string_view name : kFollowUps) add(catalog_->find_event(name));
  }
  std::ranges::sort(events);
  return events;
}

void Compiler::compile_pools() {
  for (const auto& [name, ast] : names_.pools) {
    Pool pool = ast->pool;
    if (ast->team && team_named(ast->team) != nullptr) pool.team = ast->team.text;
    if (pool.recycle_after != 0) pool.follow_ups = follow_up_events(ast->follow_ups);
    if (ast->recycle_to && pool_exists(ast->recycle_to)) pool.recycle_to = ast->recycle_to.text;
    if (ast->owner) {
      const ObjectDef* object = nullptr;
      const Operated attribute = attribute_operand(ast->owner, &object);
      if (object != nullptr || (attribute.ok && attribute.type != Type::text))
        error("R0408", ast->owner.where, "the attribute that names the owner must be text: it gets the id of a team member");
      else
        pool.owner_attribute = attribute.attribute;
    } else if (const AttributeId owner = catalog_->find_attribute("owner"); owner != kNoAttribute && catalog_->attributes[owner].type == Type::text) {
      pool.owner_attribute = owner;
    }
    builder_.plan().pools.push_back(std::move(pool));
  }
}

void Compiler::compile_funnels() {
  for (const auto& [name, ast] : names_.funnels) {
    Funnel funnel = ast->funnel;
    funnel.follow_ups = follow_up_events(ast->follow_ups);
    builder_.plan().funnels.push_back(std::move(funnel));
  }
}

/// `move_to_pool: {pool: NAME, reason: …}` and `close_lead: {reason: …}`.
void Compiler::lead_action(MapReader& map, Action& action, const Scope& scope) {
  action.category = Category::management;
  if (action.kind == "move_to_pool") {
    map.require("pool");
    if (const Name pool = map.name("pool"); pool && pool_exists(pool)) {
      Param param;
      param.name = "pool";
      param.value = Value::of_text(pool.text);
      action.params.push_back(std::move(param));
    }
  } else {
    map.require("reason");
  }
  text_param(map, "reason", action, scope);
}

}  // namespace nudge::lang
