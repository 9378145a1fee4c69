// Actions that write back into the customer: set_attribute, add_tag, remove_tag, emit_event, assign_owner.
#include <algorithm>
#include <array>

#include "engine/base/text.h"
#include "rules/lang/compile.h"
#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

namespace {

constexpr std::array<std::string_view, 9> kForms = {"attribute", "trait", "score", "field", "now", "add", "append", "remove", "back"};

/// Whether a value of type `from` always has a place in `to`, or has but for its size.
bool fits_into(Type from, Type to) {
  const auto is_text = [](Type t) { return t == Type::text || t == Type::phone; };
  if (from == to || (is_text(from) && to == Type::text)) return true;
  if (to == Type::decimal) return from == Type::integer;
  return to == Type::number && (from == Type::integer || from == Type::decimal);
}

bool is_template(const doc::Node& node) { return node.is_scalar() && node.text.find("{{") != std::string_view::npos; }

}  // namespace

/// A value that is written out: of the target's type exactly.
std::optional<Value> Compiler::written_literal(const Context& context, const doc::Node& node, const Operated& target) {
  if (target.type == Type::list) {
    std::vector<std::string> items;
    bool ok = node.is_list();
    if (!ok) error("R0404", context.at(node.mark), target.what + " is a list of text", "write `[first, second]`, or `{append: text}`");
    for (const doc::Node* item : node.is_list() ? items_of(context, node, node.mark, "the list") : std::vector<const doc::Node*>()) {
      const doc::Read<std::string_view> text = doc::read_text(*item);
      if (!text) error("R0404", context.at(item->mark), text.error().message, text.error().hint);
      ok = ok && text.has_value();
      if (text) items.emplace_back(*text);
    }
    return ok ? std::optional(Value::of_list(items)) : std::nullopt;
  }
  std::optional<Value> value = literal(target, node, context.at(node.mark));
  if (!value) return std::nullopt;
  if (value->kind != kind_of(target.type)) {
    error("R0404", context.at(node.mark), target.what + " is of type " + quoted(type_name(target.type)) + "; this value is of another");
    return std::nullopt;
  }
  if (target.type == Type::phone && !is_phone(value->bytes)) {
    error("R0404", context.at(node.mark), quoted(value->bytes) + " is no phone number", "3 to 20 digits, such as \"+86 21 5555 0100\"");
    return std::nullopt;
  }
  return value;
}

/// `attribute: NAME`, `trait: …`, `score: …`, and `field: …` of the event that fired the rule.
Operated Compiler::referred(std::string_view form, const Name& name, const Scope& scope) {
  const Where where = name.where;
  Operated source;
  if (form == "attribute") {
    const ObjectDef* object = nullptr;
    source = attribute_operand(name, &object);
    if (object != nullptr) error("R0315", where, quoted(name.text) + " is an object; one value is needed here", "name one of its members");
  } else if (form == "trait") {
    source = trait_reference(name);
  } else if (form == "score") {
    source = score_reference(name);
  } else if (scope.trigger_event == kNoEventType) {
    if (!scope.any_event)
      error("R0711", where, "`field` is of the event on which the rule fires, and this rule fires on something else",
            "use `when: {event: …}`, or `{attribute: …}`");
  } else if (const FieldId id = field(name, scope.trigger_event, nullptr); id == kTimeField) {
    error("R0711", where, "the event's own time is no field that can be written", "use `{now: true}`, or a field of the event");
  } else if (id != kNoField) {
    source = {.expr = builder_.trigger_field(scope.trigger_event, id),
              .type = field_type(scope.trigger_event, id),
              .what = "the field " + quoted(name.text),
              .ok = true};
  }
  return source;
}

bool Compiler::written_reference(const doc::Entry& form, const Name& name, const Operated& target, const Scope& scope, WriteValue& out) {
  const Where where = name.where;
  if (!name) return false;
  const Operated source = referred(form.key, name, scope);
  if (!source.ok) return false;
  if (!fits_into(source.type, target.type)) {
    error("R0711", where,
          source.what + " (" + std::string(type_name(source.type)) + ") can't be written into " + target.what + " (" +
              std::string(type_name(target.type)) + ")",
          "both must be of one type; an integer also goes into a decimal or number");
    return false;
  }
  out.source = WriteValue::Source::expr;
  out.expr = source.expr;
  return true;
}

/// `{add: …}`, `{append: …}`, `{remove: …}`: what is there, changed.
bool Compiler::written_change(const Context& context, const doc::Entry& form, const Operated& target, const Scope& scope, WriteValue& out) {
  const bool adds = form.key == "add";
  const bool numeric = target.type == Type::integer || target.type == Type::decimal || target.type == Type::number;
  if (adds ? !numeric : target.type != Type::list) {
    error("R0711", context.at(form.key_mark),
          quoted(form.key) + " needs a " + (adds ? "number" : "list") + "; " + target.what + " is of type " + quoted(type_name(target.type)));
    return false;
  }
  Operated by = target;
  if (!adds && !form.value->is_list()) by.type = Type::text;
  if (!write_value(context, *form.value, by, scope, out) || out.op != WriteValue::Op::set) return false;
  out.op = adds ? WriteValue::Op::add : form.key == "append" ? WriteValue::Op::append : WriteValue::Op::remove;
  return true;
}

bool Compiler::write_value(const Context& context, const doc::Node& node, const Operated& target, const Scope& scope, WriteValue& out) {
  if (node.refused) return false;
  if (node.is_map()) {
    MapReader map(context, node, node.mark, "what is written into " + target.what);
    const doc::Entry* form = nullptr;
    for (const std::string_view key : kForms) {
      const doc::Entry* entry = map.take(key);
      if (form == nullptr) form = entry;
    }
    map.finish();
    if (node.entries.size() != 1 || form == nullptr) {
      if (form != nullptr || node.entries.empty())
        error("R0711", context.at(node.mark), "one thing is written into " + target.what,
              "one of " + join_words({kForms.begin(), kForms.end()}, "or"));
      return false;
    }
    if (form->key == "add" || form->key == "append" || form->key == "remove") return written_change(context, *form, target, scope, out);
    if (form->key == "back") {
      if (target.leaf == nullptr || !target.leaf->forward) {
        error("R0711", context.at(form->key_mark), target.what + " may move in any direction: it is not `forward_only`", "write the value alone");
        return false;
      }
      out.back = true;
      return write_value(context, *form->value, target, scope, out) && out.op == WriteValue::Op::set;
    }
    if (form->key != "now") {
      MapReader again(context, node, node.mark, "");
      return written_reference(*form, again.name(form->key), target, scope, out);
    }
    if (target.type != Type::timestamp && target.type != Type::date) {
      error("R0711", context.at(form->key_mark), "`now` is a time; " + target.what + " is of type " + quoted(type_name(target.type)));
      return false;
    }
    out.source = WriteValue::Source::now;
    return true;
  }
  if (is_template(node) && (target.type == Type::text || target.type == Type::phone)) {
    out.source = WriteValue::Source::text;
    out.text = template_text(node.text, context.at(node.mark), scope);
    return true;
  }
  std::optional<Value> value = written_literal(context, node, target);
  if (value) out.value = std::move(*value);
  return value.has_value();
}

void Compiler::set_attribute_action(const Context& context, const ActionAst& ast, Action& action, const Scope& scope) {
  action.write.kind = Write::Kind::attributes;
  const MapReader map(context, *ast.body, ast.kind.where.mark, "`set_attribute`");
  if (!map.is_map()) return;
  if (ast.body->entries.empty()) error("R0109", ast.kind.where, "`set_attribute` sets nothing", "set_attribute: {tier: gold}");
  for (const doc::Entry& entry : ast.body->entries) {
    const ObjectDef* object = nullptr;
    Operated target = attribute_operand({entry.key, context.at(entry.key_mark)}, &object);
    if (object != nullptr)
      error("R0315", context.at(entry.key_mark), quoted(entry.key) + " is an object", "set one of its members: `address.city`");
    if (!target.ok || object != nullptr) continue;
    WriteValue value;
    value.target = target.attribute;
    if (entry.value->is_null()) {
      value.source = WriteValue::Source::clear;
    } else if (!write_value(context, *entry.value, target, scope, value)) {
      continue;
    }
    action.write.values.push_back(std::move(value));
  }
}

void Compiler::tag_action(const Context& context, const ActionAst& ast, Action& action) {
  const bool adds = ast.kind.text == "add_tag";
  action.write.kind = adds ? Write::Kind::add_tag : Write::Kind::remove_tag;
  const doc::Node* name = ast.body;
  if (ast.body->is_map()) {
    MapReader map(context, *ast.body, ast.kind.where.mark, quoted(ast.kind.text));
    const doc::Entry* tag = map.require("tag");
    if (adds) action.write.expires = map.duration("expires").value_or(0);
    map.finish();
    if (tag == nullptr) return;
    name = tag->value;
  }
  const doc::Read<std::string_view> text = doc::read_text(*name);
  if (!text) return error("R0104", context.at(name->mark), text.error().message, "a tag's name, or `{tag: NAME, expires: 30d}`");
  if (check_name(context, *text, name->mark, "a tag")) action.write.tag = *text;
}

void Compiler::emit_event_action(const Context& context, const ActionAst& ast, Action& action, const Scope& scope) {
  action.write.kind = Write::Kind::event;
  MapReader map(context, *ast.body, ast.kind.where.mark, "`emit_event`");
  if (!map.is_map()) return;
  map.require("type");
  const Name type = map.name("type");
  const doc::Entry* fields = map.take("fields");
  map.finish();
  if (!type) return;
  const EventTypeId event = event_type(type);
  if (event == kNoEventType) return;
  if (catalog_->events[event].built_in) {
    return error("R0711", type.where, quoted(type.text) + " is told by nudge itself, when it happens",
                 "declare an event type of your own in the catalog");
  }
  action.write.event = event;
  if (fields == nullptr) return;
  const MapReader each(context, *fields->value, fields->key_mark, "`fields`");
  for (const doc::Entry& entry : fields->value->entries) {
    const ObjectDef* object = nullptr;
    const Name name{entry.key, context.at(entry.key_mark)};
    const FieldId id = field(name, event, &object);
    if (object != nullptr) error("R0315", name.where, quoted(entry.key) + " is an object", "name one of its members with a dot");
    if (id == kTimeField) error("R0711", name.where, "an emitted event happens when the step is done", "remove `timestamp`");
    if (id == kNoField || id == kTimeField) continue;
    Operated target{.type = field_type(event, id), .what = "the field " + quoted(entry.key), .ok = true};
    target.leaf = &catalog_->events[event].fields[id];
    WriteValue value;
    value.target = id;
    if (!write_value(context, *entry.value, target, scope, value)) continue;
    if (value.op != WriteValue::Op::set) {
      error("R0711", name.where, "a new event has nothing to add to", "write the value itself");
      continue;
    }
    action.write.values.push_back(std::move(value));
  }
}

void Compiler::assign_owner_action(const Context& context, const ActionAst& ast, Action& action, const Scope& scope) {
  MapReader map(context, *ast.body, ast.kind.where.mark, "`assign_owner`");
  if (!map.is_map()) return;
  const Name attribute = map.has("attribute") ? map.name("attribute") : Name{"owner", ast.kind.where};
  const ObjectDef* object = nullptr;
  const Operated target = attribute_operand(attribute, &object);
  const bool ok = target.ok && object == nullptr && target.type == Type::text;
  if (target.ok && !ok)
    error("R0711", attribute.where, "the attribute that names the owner must be text: it gets the id of a team member");
  const doc::Entry* to = map.take("to");
  if (to != nullptr && map.has("team")) error("R0107", context.at(to->key_mark), "`to` names a person and `team` chooses one", "keep one");
  if (to != nullptr) {
    action.write.kind = Write::Kind::attributes;
    WriteValue value;
    value.target = target.attribute;
    std::vector<std::string_view> members;
    for (const auto& [name, team] : names_.teams) {
      for (const Member& member : team->team.members) members.push_back(member.id);
    }
    if (ok && write_value(context, *to->value, target, {}, value)) {
      if (value.source == WriteValue::Source::literal && std::ranges::find(members, value.value.bytes) == members.end()) {
        error("R0711", context.at(to->value->mark), quoted(value.value.bytes) + " is in no team",
              doc::did_you_mean(value.value.bytes, members, "members"));
      }
      action.write.values.push_back(std::move(value));
    }
    map.dealt_with("team");
  } else {
    map.require("team");
    action.write.kind = Write::Kind::owner;
    action.write.owner = target.attribute;
    assignment(map, action, scope);
    if (const Team* team = ok && target.leaf != nullptr && !target.leaf->one_of.empty() ? team_of(action) : nullptr) {
      for (const Member& member : team->members) {
        if (std::ranges::find(target.leaf->one_of, member.id) == target.leaf->one_of.end())
          error("R0409", attribute.where, target.what + " is never " + quoted(member.id) + ": the catalog does not allow it");
      }
    }
  }
  map.finish();
}

const Team* Compiler::team_of(const Action& action) const {
  const auto found = names_.teams.find(action.assignment.team);
  return found == names_.teams.end() ? nullptr : &found->second->team;
}

bool Compiler::write_action(const ActionAst& ast, Action& action, const RuleAst& rule, const Scope& scope) {
  const Context context = context_of(ast.kind.where);
  if (ast.kind.text == "set_attribute") {
    set_attribute_action(context, ast, action, scope);
  } else if (ast.kind.text == "add_tag" || ast.kind.text == "remove_tag") {
    tag_action(context, ast, action);
  } else if (ast.kind.text == "emit_event") {
    emit_event_action(context, ast, action, scope);
  } else if (ast.kind.text == "assign_owner") {
    assign_owner_action(context, ast, action, scope);
  } else {
    return false;
  }
  action.category = Category::management;
  if (rule.limits.at_most > 0 && action.write.kind != Write::Kind::owner) {
    error("R0712", ast.kind.where, quoted(ast.kind.text) + " in a rule with `at_most`: what is written is there before all firings are counted",
          "write in a rule of its own without `at_most`");
  }
  return true;
}

}  // namespace nudge::lang
