// `digest` of a message: many hits in one.
#include <algorithm>
#include <array>

#include "rules/lang/compile.h"
#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

/// `digest: {line, group_by, wait, every}`: the last of the parameters, which the engine takes out again (core/digests.h).
void Compiler::digest_param(const doc::Entry& entry, const Context& context, Action& action, const Scope& rule_scope) {
  Scope scope = rule_scope;
  scope.digest = false;  // of the hit, not of the list
  MapReader map(context, *entry.value, entry.key_mark, "`digest`");
  if (!map.is_map()) return;
  if (action.category == Category::sales)
    error("R0706", context.at(entry.key_mark), "a digest tells colleagues: this rule reaches customers, and each gets a message of their own",
          "`category: management` or `collaboration`");
  if (action.approval != nullptr) error("R0706", context.at(entry.key_mark), "a message that waits for a yes goes out on its own", "keep one of `digest` and `approval`");
  Action inner;
  map.require("line");
  text_param(map, "line", inner, scope);
  const auto time = [&](std::string_view key) {
    Param param;
    param.name = key;
    param.kind = Param::Kind::duration;
    map.require(key);
    param.duration = map.duration(key).value_or(0);
    const doc::Entry* written = map.node().find(key);
    if (written != nullptr && map.node().find(key)->value->is_scalar() && doc::read_duration(*written->value) && param.duration == 0)
      error("R0105", context.at(written->value->mark), quoted(key) + " of no time gathers nothing", "such as 5m");
    inner.params.push_back(std::move(param));
  };
  time("wait");
  time("every");
  Param by;
  by.name = "by";
  by.kind = Param::Kind::list;
  if (const doc::Entry* group = map.take("group_by")) {
    for (const doc::Node* item : items_of(context, *group->value, group->key_mark, "`group_by`", true)) {
      const doc::Read<std::string_view> text = doc::read_text(*item);
      if (!text) {
        error("R0104", context.at(item->mark), text.error().message, text.error().hint);
        continue;
      }
      std::string value(*text);
      if (value == "rule" || value == "customer") {
        value = value == "rule" ? "{{ rule.name }}" : "{{ customer.id }}";
      } else if (value.find("{{") == std::string::npos) {
        error("R0106", context.at(item->mark), quoted(value) + " is the same for all hits", "`rule`, `customer`, or a placeholder such as \"{{ event.team }}\"");
        continue;
      }
      Param one;
      one.kind = Param::Kind::text;
      one.text = template_text(value, context.at(item->mark), scope, "text");
      by.items.push_back(std::move(one));
    }
  }
  inner.params.push_back(std::move(by));
  map.finish();
  Param digest;
  digest.name = "digest";
  digest.kind = Param::Kind::map;
  digest.items = std::move(inner.params);
  action.params.push_back(std::move(digest));
}

}  // namespace nudge::lang
