// Actions and their parameters, by kind.
#include <algorithm>
#include <array>

#include "rules/lang/compile.h"
#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

namespace {

const std::initializer_list<std::string_view> kPriorities = {"low", "normal", "high", "urgent"};
const std::initializer_list<std::string_view> kOnUnknown = {"hold", "retry", "verify"};
constexpr int kDataDepth = 8;

Param text_param_of(std::string_view name, TemplateId text) {
  Param param;
  param.name = name;
  param.kind = Param::Kind::text;
  param.text = text;
  return param;
}

Param value_param_of(std::string_view name, Value value) {
  Param param;
  param.name = name;
  param.value = std::move(value);
  return param;
}

/// True when one of the keys is written, right or wrong: a wrong one has its own message.
bool has_any(const MapReader& map, std::initializer_list<std::string_view> keys) {
  return map.node().refused || std::any_of(keys.begin(), keys.end(), [&](std::string_view key) { return map.has(key); });
}

bool has_param(const Action& action, std::string_view name) {
  return std::any_of(action.params.begin(), action.params.end(), [&](const Param& p) { return p.name == name; });
}

}  // namespace

Action Compiler::action(const ActionAst& ast, const RuleAst& rule, const Scope& rule_scope) {
  Action action;
  action.kind = ast.kind.text;
  action.category = rule.category;
  action.channel = ast.kind.text == "call_task" || ast.kind.text == "cancel_tasks" ? "task" : ast.kind.text == "move_to_pool" || ast.kind.text == "close_lead" ? "lead" : std::string(ast.kind.text);
  if (write_action(ast, action, rule, rule_scope)) return action;
  const Context context = context_of(ast.kind.where);
  MapReader map(context, *ast.body, ast.kind.where.mark, quoted(ast.kind.text));
  if (!map.is_map()) return action;
  if (const auto expires = map.duration("expires_after")) {
    action.expires_after = *expires;
    if (*expires == 0)
      error("R0105", context.at(map.node().find("expires_after")->value->mark), "an action that expires at once never leaves",
            "such as 2d; without it, it waits as long as it takes");
  }
  if (ast.kind.text == "call_task") {
    connector_param(map, action);
    approval_param(map, action, rule, rule_scope);
    task_action(map, action, rule_scope);
  } else if (ast.kind.text == "cancel_tasks") {
    cancel_action(map, action, rule_scope);
  } else if (ast.kind.text == "move_to_pool" || ast.kind.text == "close_lead") {
    lead_action(map, action, rule_scope);
  } else {
    if (const auto word = map.word("on_unknown", kOnUnknown)) action.on_unknown = static_cast<OnUnknown>(*word + 1);
    connector_param(map, action);
    if (ast.kind.text != "enrich") approval_param(map, action, rule, rule_scope);
    if (ast.kind.text == "webhook") {
      webhook_action(map, action, rule_scope);
    } else if (ast.kind.text == "enrich") {
      enrich_action(map, action, rule_scope);
    } else {
      const bool gathers = ast.kind.text != "ticket";
      const doc::Entry* digest = gathers ? map.take("digest") : nullptr;
      Scope texts = rule_scope;
      texts.digest = digest != nullptr;
      message_action(map, action, texts);
      if (digest != nullptr) digest_param(*digest, context, action, rule_scope);
    }
  }
  map.finish();
  return action;
}

/// Which of the configured connectors takes it; of a `call_task`: which one shows it, too.
void Compiler::connector_param(MapReader& map, Action& action) {
  const Name connector = map.name("connector");
  if (!connector) return;
  action.connector = connector.text;
  const std::vector<std::string_view> known(options_.connectors.begin(), options_.connectors.end());
  if (options_.check_connectors && std::find(known.begin(), known.end(), connector.text) == known.end()) {
    error("R0311", connector.where, "no connector " + quoted(connector.text) + " is configured",
          doc::did_you_mean(connector.text, known, "connectors"));
  }
}

bool Compiler::text_param(MapReader& map, std::string_view key, Action& action, const Scope& scope) {
  const doc::Entry* entry = map.take(key);
  if (entry == nullptr) return false;
  if (entry->value->refused) return true;
  const Context& context = map.context();
  const doc::Read<std::string_view> text = doc::read_text(*entry->value);
  if (!text) {
    const std::string hint = entry->value->is_map() ? "a text that starts with `{{` needs quotes" : text.error().hint;
    error("R0104", context.at(entry->value->mark), text.error().message, hint);
    return true;
  }
  if (text->empty()) error("R0109", context.at(entry->value->mark), quoted(key) + " is empty", "write a text, or remove the key");
  if (has_param(action, key)) {
    error("R0107", context.at(entry->key_mark), quoted(key) + " is given by the template already", "remove one of the two");
    return true;
  }
  map_param_ = key;
  action.params.push_back(text_param_of(key, template_text(*text, context.at(entry->value->mark), scope, key)));
  map_param_ = {};
  return true;
}

void Compiler::recipient_param(MapReader& map, std::string_view attribute, Action& action, const Scope& scope) {
  if (text_param(map, "to", action, scope)) return;
  if (scope.approval) {  // never to the customer
    if (action.kind != "email" || !scope.asked_has_email) {
      error("R0103", map.context().at(map.mark()),
            map.what() + (action.kind == "email" ? " needs `to`: whom it asks has no `email` in the team file" : " needs `to`: whom it asks"),
            action.kind == "email" ? "give the member an `email`" : "to: \"+49 …\"");
      return;
    }
    action.params.push_back(text_param_of("to", template_text("{{ approval.email }}", map.context().at(map.mark()), scope, "to")));
    return;
  }
  const AttributeId id = catalog_->find_attribute(attribute);
  if (id == kNoAttribute || family_of(catalog_->attributes[id].type) != kText) {
    error("R0103", map.context().at(map.mark()),
          map.what() + " needs `to`: the catalog has no attribute " + quoted(attribute) + " to take it from", "to: \"{{ customer.… }}\"");
    return;
  }
  Template text;
  TemplatePart part;
  part.kind = TemplatePart::Kind::value;
  part.expr = builder_.attribute(id);
  text.parts.push_back(std::move(part));
  action.params.push_back(text_param_of("to", builder_.add(std::move(text))));
}

void Compiler::message_action(MapReader& map, Action& action, const Scope& scope) {
  const Where here = map.context().at(map.mark());
  // A list of texts, which may have placeholders.
  const auto list_param = [&](std::string_view key) {
    const doc::Entry* entry = map.take(key);
    if (entry == nullptr) return;
    const bool list = !items_of(map.context(), *entry->value, entry->key_mark, quoted(key)).empty();
    if (auto param = list ? data_param(map.context(), *entry->value, key, scope) : std::nullopt) action.params.push_back(std::move(*param));
  };
  const Name name = map.name("template");
  if (name) use_template(name, action, scope);
  if (action.kind == "email") {
    recipient_param(map, "email", action, scope);
    for (const std::string_view key : {"subject", "text", "html", "reply_to", "unsubscribe_url"}) text_param(map, key, action, scope);
    for (const std::string_view key : {"attachments", "inline"}) list_param(key);
    if (!has_any(map, {"template"}) && (!has_any(map, {"subject"}) || !has_any(map, {"text", "html"}))) {
      error("R0103", here, "`email` needs a `template`, or a `subject` and a `text` or `html`");
    }
  } else if (action.kind == "sms") {
    recipient_param(map, "phone", action, scope);
    text_param(map, "text", action, scope);
    list_param("media");
    // The provider's own approved template; its parameters are ours.
    if (const doc::Entry* entry = map.take("provider_template")) {
      const doc::Read<std::string_view> code = doc::read_text(*entry->value);
      if (!code) error("R0104", map.context().at(entry->value->mark), code.error().message, code.error().hint);
      if (code) action.params.push_back(value_param_of("template", Value::of_text(*code)));
    }
    if (const doc::Entry* entry = map.take("params")) {
      MapReader params(map.context(), *entry->value, entry->key_mark, "`params`");
      if (auto param = params.is_map() ? data_param(map.context(), *entry->value, "params", scope) : std::nullopt)
        action.params.push_back(std::move(*param));
    }
    if (!has_any(map, {"template", "text", "provider_template"}))
      error("R0103", here, "`sms` needs a `template`, a `text` or a `provider_template`");
  } else if (action.kind == "ticket") {
    for (const std::string_view key : {"subject", "body", "type"}) text_param(map, key, action, scope);
    if (const auto priority = map.word("priority", kPriorities))
      action.params.push_back(value_param_of("priority", Value::of_text(*(kPriorities.begin() + *priority))));
    if (const doc::Entry* entry = map.take("requester")) {
      MapReader requester(map.context(), *entry->value, entry->key_mark, "`requester`");
      Action inner;
      for (const std::string_view key : {"name", "email"}) text_param(requester, key, inner, scope);
      requester.finish();
      Param param;
      param.name = "requester";
      param.kind = Param::Kind::map;
      param.items = std::move(inner.params);
      action.params.push_back(std::move(param));
    }
    list_param("tags");
    if (!has_any(map, {"template", "subject"})) error("R0103", here, "`ticket` needs a `template` or a `subject`");
  } else if (action.kind == "chat") {
    action.category = Category::collaboration;  // a robot speaks to colleagues, whatever the rule is about
    for (const std::string_view key : {"subject", "text"}) text_param(map, key, action, scope);
    if (const auto format = map.word("format", {"text", "markdown"}))
      action.params.push_back(value_param_of("format", Value::of_text(*format == 0 ? "text" : "markdown")));
    list_param("mention");
    if (!has_any(map, {"template", "text"})) error("R0103", here, "`chat` needs a `template` or a `text`");
  } else {  // maildrop: whatever channel, kept locally
    for (const std::string_view key : {"to", "subject", "text"}) text_param(map, key, action, scope);
    if (!has_any(map, {"text"})) error("R0103", here, "`maildrop` needs a `text`");
  }
}

std::optional<Param> Compiler::data_param(const Context& context, const doc::Node& node, std::string_view name, const Scope& scope) {
  struct Frame {
    static int depth_of(const doc::Node& n) {
      int deepest = 0;
      for (const doc::Entry& entry : n.entries) deepest = std::max(deepest, depth_of(*entry.value));
      for (const doc::Node* item : n.items) deepest = std::max(deepest, depth_of(*item));
      return deepest + 1;
    }
  };
  if (Frame::depth_of(node) > kDataDepth) {
    context.error("R0105", node.mark, "data nested more than " + std::to_string(kDataDepth) + " levels deep");
    return std::nullopt;
  }
  if (auto reference = reference_param(context, node, name, scope)) return reference;
  Param param;
  param.name = name;
  if (node.is_map()) {
    param.kind = Param::Kind::map;
    for (const doc::Entry& entry : node.entries) {
      if (auto inner = data_param(context, *entry.value, entry.key, scope)) param.items.push_back(std::move(*inner));
    }
    return param;
  }
  if (node.is_list()) {
    param.kind = Param::Kind::list;
    for (const doc::Node* item : node.items) {
      if (auto inner = data_param(context, *item, "", scope)) param.items.push_back(std::move(*inner));
    }
    return param;
  }
  if (node.is_null()) return param;  // a missing value: null
  if (const auto truth = doc::read_bool(node)) {
    param.value = Value::of_boolean(*truth);
  } else if (const auto integer = doc::read_integer(node)) {
    param.value = Value::of_integer(*integer);
  } else if (const auto decimal = doc::read_decimal(node)) {
    param.value = Value::of_decimal(*decimal);
  } else if (const auto text = doc::read_text(node)) {
    param.kind = Param::Kind::text;
    param.text = template_text(*text, context.at(node.mark), scope);
  } else {
    context.error("R0104", node.mark, text.error().message, text.error().hint);
    return std::nullopt;
  }
  return param;
}

void Compiler::webhook_action(MapReader& map, Action& action, const Scope& scope) {
  map.require("event");
  text_param(map, "event", action, scope);
  text_param(map, "url", action, scope);
  if (const doc::Entry* data = map.take("data")) {
    if (!data->value->is_map()) {
      error("R0101", map.context().at(data->value->is_null() ? data->key_mark : data->value->mark),
            "`data` must be a map (`key: value` lines)", "it becomes the JSON object that is sent");
    } else if (auto param = data_param(map.context(), *data->value, "data", scope)) {
      action.params.push_back(std::move(*param));
    }
  }
}

}  // namespace nudge::lang
