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
  action.channel = ast.kind.text == "call_task" ? "task" : std::string(ast.kind.text);
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
    task_action(map, action, rule_scope);
  } else {
    if (const auto word = map.word("on_unknown", kOnUnknown)) action.on_unknown = static_cast<OnUnknown>(*word + 1);
    if (const Name connector = map.name("connector")) {
      action.connector = connector.text;
      const std::vector<std::string_view> known(options_.connectors.begin(), options_.connectors.end());
      if (options_.check_connectors && std::find(known.begin(), known.end(), connector.text) == known.end()) {
        error("R0311", connector.where, "no connector " + quoted(connector.text) + " is configured",
              doc::did_you_mean(connector.text, known, "connectors"));
      }
    }
    if (ast.kind.text == "webhook") {
      webhook_action(map, action, rule_scope);
    } else if (ast.kind.text == "enrich") {
      enrich_action(map, action, rule_scope);
    } else {
      message_action(map, action, rule_scope);
    }
  }
  map.finish();
  return action;
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

void Compiler::task_action(MapReader& map, Action& action, const Scope& scope) {
  map.require("subject");
  Scope texts = scope;
  if (const doc::Entry* team = map.node().find("team"); team != nullptr && team->value->is_scalar()) {
    const auto found = names_.teams.find(team->value->text);
    if (found != names_.teams.end()) texts.team = &found->second->team;
  }
  for (const std::string_view key : {"subject", "script", "reason"}) text_param(map, key, action, texts);
  if (const auto priority = map.word("priority", kPriorities))
    action.params.push_back(value_param_of("priority", Value::of_text(*(kPriorities.begin() + *priority))));
  action.mandatory = map.boolean("mandatory", false);
  if (const auto due = map.duration("due_in")) {
    action.due_in = *due;
    if (*due == 0)
      error("R0105", map.context().at(map.node().find("due_in")->value->mark), "a task that is due in no time is overdue at once",
            "give the salesperson time, such as 2h");
  }
  if (const doc::Entry* entry = map.take("escalate")) {
    MapReader escalate(map.context(), *entry->value, entry->key_mark, "`escalate`");
    escalate.require("when_overdue");
    if (const auto whom = escalate.word("when_overdue", {"manager"})) {
      Param inner = value_param_of("when_overdue", Value::of_text(*whom == 0 ? "manager" : ""));
      Param param;
      param.name = "escalate";
      param.kind = Param::Kind::map;
      param.items.push_back(std::move(inner));
      action.params.push_back(std::move(param));
      if (action.due_in == 0)
        error("R0706", map.context().at(entry->key_mark),
              "`escalate` when overdue needs `due_in`: a task without a deadline is never overdue", "due_in: 24h");
    }
    escalate.finish();
  }
  assignment(map, action);
}

void Compiler::assignment(MapReader& map, Action& action) {
  const Name team_name = map.name("team");
  const doc::Entry* assign = map.take("assign");
  const Team* team = nullptr;
  if (team_name) {
    const auto found = names_.teams.find(team_name.text);
    if (found == names_.teams.end()) {
      error("R0308", team_name.where, "there is no team " + quoted(team_name.text),
            doc::did_you_mean(team_name.text, keys_of(names_.teams), "teams"));
    } else {
      team = &found->second->team;
      action.assigns = true;
      action.assignment.team = team_name.text;
    }
  }
  if (assign == nullptr) return;
  MapReader inner(map.context(), *assign->value, assign->key_mark, "`assign`");
  if (!team_name) error("R0706", map.context().at(assign->key_mark), "`assign` needs a `team` to choose from", "add `team: NAME`");
  const doc::Entry* strategy = inner.take("strategy");
  const std::string_view word = strategy != nullptr && strategy->value->is_scalar() ? strategy->value->text : std::string_view();
  static constexpr std::array<std::string_view, 5> kLater = {"weighted", "most_available", "by_skill", "sticky", "first_available"};
  if (std::find(kLater.begin(), kLater.end(), word) != kLater.end()) {
    error("R0901", map.context().at(strategy->value->mark), "`strategy: " + std::string(word) + "` is not available in this version",
          "round_robin, least_loaded or owner");
  } else if (const auto chosen = inner.word("strategy", {"round_robin", "least_loaded", "owner"})) {
    action.assignment.strategy = static_cast<Assignment::Strategy>(*chosen);
  }
  const bool by_owner = action.assignment.strategy == Assignment::Strategy::owner;
  const Name owner = inner.name("attribute");
  if (owner || by_owner) {
    const Name wanted = owner ? owner : Name{"owner", map.context().at(assign->key_mark)};
    const ObjectDef* object = nullptr;
    const Operated attribute = attribute_operand(wanted, &object);
    if (!by_owner) error("R0107", owner.where, "`attribute` names the owner's id; it belongs to `strategy: owner`", "remove it");
    if (object != nullptr || (attribute.ok && family_of(attribute.type) != kText))
      error("R0408", wanted.where, "the attribute that names the owner must be text: the id of a team member");
    action.assignment.owner_attribute = attribute.attribute;
  }
  if (const doc::Entry* where = inner.take("where"))
    action.assignment.where = member_filter(read_member_filter(map.context(), *where->value, where->key_mark), team);
  inner.finish();
}

Operated Compiler::member_property(const Name& name, const Team* team) {
  Operated result;
  result.what = "the property " + quoted(name.text);
  result.ok = true;
  if (name.text == "id" || name.text == "name" || name.text == "email") return result;
  if (name.text == "tenure_days" || name.text == "capacity") {
    result.type = Type::integer;
    return result;
  }
  std::vector<std::string_view> known = {"id", "name", "email", "tenure_days", "capacity"};
  if (team != nullptr) {
    for (const Member& member : team->members) {
      for (const auto& [property, value] : member.properties) {
        if (std::find(known.begin(), known.end(), property) == known.end()) known.push_back(property);
        if (property != name.text) continue;
        switch (value.kind) {
          case Kind::boolean: result.type = Type::boolean; break;
          case Kind::integer:
          case Kind::number:
          case Kind::decimal: result.type = Type::decimal; break;
          case Kind::date: result.type = Type::date; break;
          case Kind::list: result.type = Type::list; break;
          default: result.type = Type::text; break;
        }
        return result;
      }
    }
  }
  result.ok = false;
  if (team != nullptr)
    error("R0313", name.where, "nobody in the team " + quoted(team->name) + " has a property " + quoted(name.text),
          doc::did_you_mean(name.text, known, "properties"));
  return result;
}

MemberFilter Compiler::member_filter(const MemberFilterAst& ast, const Team* team) {
  MemberFilter filter;
  filter.kind = ast.kind;
  for (const MemberFilterAst& child : ast.children) filter.children.push_back(member_filter(child, team));
  if (ast.kind != MemberFilter::Kind::compare || !ast.property || ast.comparison.op.empty()) return filter;
  const Operated left = member_property(ast.property, team);
  if (!left.ok) return filter;
  filter.property = ast.property.text;
  const Raw& operand = ast.comparison.operand;
  const OperatorInfo* info = find_operator(ast.comparison.op);
  const bool plain = info != nullptr && (info->families & family_of(left.type)) != 0 && info->operand != Operand::duration &&
                     info->operand != Operand::pattern && info->op != Op::anniversary_today && !ast.comparison.ignore_case;
  if (!plain) {
    error("R0402", operand.key, quoted(ast.comparison.op) + " does not fit " + left.what + " of a team member",
          "`equals`, `in`, `less_than`, `at_least` and the like");
    return filter;
  }
  filter.op = info->op;
  if (operand.node->is_map()) {
    const Context context = context_of(operand.where);
    MapReader right(context, *operand.node, operand.key.mark, "the right side");
    right.require("attribute");
    const Name name = right.name("attribute");
    right.finish();
    if (!name) return filter;
    const ObjectDef* object = nullptr;
    const Operated attribute = attribute_operand(name, &object);
    if (object != nullptr || (attribute.ok && (family_of(attribute.type) != family_of(left.type) || !info->right_side))) {
      error("R0408", name.where, left.what + " of a team member can't be compared with " + attribute.what,
            "both sides must be of one kind");
    }
    filter.customer_attribute = attribute.attribute;
    return filter;
  }
  // The plan's own comparison knows how to check and type the literals.
  const std::size_t before = diagnostics_.errors();
  Operated stand_in = left;
  stand_in.expr = builder_.literal(Value(), left.type);
  const NodeId node = comparison(stand_in, ast.comparison, {}, ast.where);
  if (diagnostics_.errors() != before) return filter;
  const Node& compared = builder_.node(node);
  if (compared.kind == Node::Kind::negate) {
    MemberFilter inner = filter;
    inner.literals = builder_.node(compared.children[0]).literals;
    filter = {};
    filter.kind = MemberFilter::Kind::negate;
    filter.children.push_back(std::move(inner));
  } else {
    filter.literals = compared.literals;
  }
  return filter;
}

}  // namespace nudge::lang
