// The action `enrich`: what is asked, and what becomes of the answer. Also values in data that goes out.
#include <algorithm>
#include <array>

#include "engine/plan/answer_path.h"
#include "rules/lang/compile.h"
#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

namespace {

constexpr std::array<std::string_view, 4> kReferences = {"attribute", "trait", "score", "field"};

Param text_value(std::string_view name, std::string text) {
  Param param;
  param.name = name;
  param.value = Value::of_text(text);
  return param;
}

}  // namespace

/// `{trait: NAME}` and the like; nothing when the node is something else.
std::optional<Param> Compiler::reference_param(const Context& context, const doc::Node& node, std::string_view name, const Scope& scope) {
  if (!node.is_map() || node.entries.size() != 1) return std::nullopt;
  const doc::Entry& entry = node.entries[0];
  if (std::ranges::find(kReferences, entry.key) == kReferences.end() || !entry.value->is_scalar()) return std::nullopt;
  MapReader map(context, node, node.mark, "");
  Param param;
  param.name = name;
  const Name referred_name = map.name(entry.key);
  if (!referred_name) return param;
  const Operated source = referred(entry.key, referred_name, scope);
  if (!source.ok) return param;
  param.kind = Param::Kind::expr;
  param.expr = source.expr;
  return param;
}

std::optional<std::string> Compiler::answer_path(const Context& context, const doc::Node& node) {
  const doc::Read<std::string_view> text = doc::read_text(node);
  if (!text) {
    error("R0104", context.at(node.mark), text.error().message, "where in the answer it stands, such as `result.score`");
    return std::nullopt;
  }
  if (is_answer_path(*text)) return std::string(*text);
  const bool close = text->find('{') == std::string_view::npos && is_answer_path("result." + std::string(*text));
  error("R0713", context.at(node.mark), quoted(*text) + " is no place in the answer",
        close ? "write `result." + std::string(*text) + "`" : "such as `result.score`, or `result.items.0.score` for the first of a list");
  return std::nullopt;
}

void Compiler::answer_attributes(const doc::Entry& set, const Context& context, Action& action) {
  const MapReader map(context, *set.value, set.key_mark, "`set`");
  if (!map.is_map()) return;
  Param param;
  param.name = "set";
  param.kind = Param::Kind::map;
  if (set.value->entries.empty()) error("R0109", context.at(set.key_mark), "`set` sets nothing", "set: {churn_risk: result.score}");
  for (const doc::Entry& entry : set.value->entries) {
    const ObjectDef* object = nullptr;
    const Operated target = attribute_operand({entry.key, context.at(entry.key_mark)}, &object);
    if (object != nullptr)
      error("R0315", context.at(entry.key_mark), quoted(entry.key) + " is an object", "set one of its members: `address.city`");
    const std::optional<std::string> path = answer_path(context, *entry.value);
    if (target.ok && object == nullptr && path) param.items.push_back(text_value(entry.key, *path));
  }
  action.params.push_back(std::move(param));
}

void Compiler::enrich_action(MapReader& map, Action& action, const Scope& scope) {
  const Context& context = map.context();
  action.category = Category::management;
  if (const doc::Entry* send = map.take("send")) {
    const MapReader question(context, *send->value, send->key_mark, "`send`");
    if (auto param = question.is_map() ? data_param(context, *send->value, "send", scope) : std::nullopt)
      action.params.push_back(std::move(*param));
  }
  const doc::Entry* set = map.take("set");
  const doc::Entry* tags = map.take("add_tags");
  if (set != nullptr) answer_attributes(*set, context, action);
  if (tags != nullptr) {
    if (const auto path = answer_path(context, *tags->value)) action.params.push_back(text_value("add_tags", *path));
  }
  if (const auto expires = map.duration("expires")) {
    Param param;
    param.name = "expires";
    param.kind = Param::Kind::duration;
    param.duration = *expires;
    action.params.push_back(std::move(param));
    if (tags == nullptr)
      error("R0107", context.at(map.node().find("expires")->key_mark), "`expires` is how long the tags stay, and there is no `add_tags`",
            "remove it, or use `expires_after` for how long the question may take");
  }
  if (set == nullptr && tags == nullptr)
    error("R0103", context.at(map.mark()), "`enrich` does nothing with the answer",
          "add `set: {churn_risk: result.score}` or `add_tags: result.labels`");
}

}  // namespace nudge::lang
