// Templates: variables looked up, filters checked against the type they are given.
#include <algorithm>

#include "rules/lang/compile.h"
#include "rules/lang/template_parser.h"

namespace nudge::lang {

using doc::quoted;

namespace {

/// Where a placeholder stands in the source. Escapes and block indentation move it, so it is looked for as it is written.
class Finder {
 public:
  explicit Finder(const Where& where) : where_(where), at_(where.mark.offset) {}

  Where find(std::string_view written, std::size_t template_size) {
    const std::string& source = where_.document->source();
    const std::size_t room = 2 * template_size + 1000;  // indentation of a block text
    const std::size_t found = std::string_view(source).substr(0, std::min(source.size(), where_.mark.offset + room)).find(written, at_);
    if (found == std::string_view::npos) return where_;
    at_ = found + written.size();
    doc::Mark mark = where_.document->mark_at(found);
    mark.length = static_cast<std::uint32_t>(written.size());
    return {where_.document, mark};
  }

 private:
  Where where_;
  std::size_t at_;
};

std::string_view filter_word(Filter::Fn fn) {
  // In the order of Filter::Fn.
  return filter_names()[static_cast<std::size_t>(fn)];
}

/// What a filter needs; "" when anything will do.
std::string_view needed(Filter::Fn fn, Type type, bool is_text_already) {
  const Families family = is_text_already ? kText : family_of(type);
  switch (fn) {
    case Filter::Fn::date:
    case Filter::Fn::time: return (family & (kDate | kTimestamp)) != 0 ? "" : "a date or timestamp";
    case Filter::Fn::number:
    case Filter::Fn::money: return family == kNumeric ? "" : "a number";
    case Filter::Fn::join: return family == kList ? "" : "a list";
    default: return "";
  }
}

}  // namespace

TemplateId Compiler::template_text(std::string_view text, const Where& where, const Scope& scope) {
  const ParsedTemplate parsed = parse_template(text);
  Finder finder(where);
  Template result;
  for (const TemplateMistake& mistake : parsed.mistakes) {
    Finder fresh(where);
    const std::string_view line = text.substr(mistake.offset, text.find('\n', mistake.offset) - mistake.offset);
    Where at = fresh.find(line, text.size());
    at.mark.length = static_cast<std::uint32_t>(std::min<std::size_t>(mistake.length, line.size()));
    error(mistake.code, at, mistake.message, mistake.hint);
  }
  for (const TemplatePiece& piece : parsed.pieces) {
    TemplatePart part;
    if (!piece.placeholder) {
      part.text = piece.text;
      result.parts.push_back(std::move(part));
      continue;
    }
    const Where at = finder.find(text.substr(piece.offset, piece.length), text.size());
    Type type = Type::text;
    if (!template_variable(piece.text, part, type, at, scope)) continue;
    bool is_text = false;
    for (const Filter& filter : piece.filters) {
      const std::string_view need = needed(filter.fn, type, is_text);
      if (!need.empty()) {
        error("R0806", at,
              "the filter " + quoted(filter_word(filter.fn)) + " needs " + std::string(need) + "; " + quoted(piece.text) +
                  (is_text ? " is text by then" : " is of type " + quoted(type_name(type))),
              is_text ? "put it first" : "");
      }
      // `default` keeps the type for what comes after it: a value that is there is still a number or a date.
      if (filter.fn != Filter::Fn::default_) is_text = true;
    }
    part.filters = piece.filters;
    map_variable(part, piece.text, at);
    result.parts.push_back(std::move(part));
  }
  return builder_.add(std::move(result));
}

bool Compiler::template_variable(std::string_view variable, TemplatePart& part, Type& type, const Where& where, const Scope& scope) {
  using Kind = TemplatePart::Kind;
  const std::size_t dot = variable.find('.');
  const std::string_view head = variable.substr(0, dot);
  const std::string_view rest = dot == std::string_view::npos ? std::string_view() : variable.substr(dot + 1);
  const Name name{rest, where};
  const auto from = [&](const Operated& value) {
    part.kind = Kind::value;
    part.expr = value.expr;
    type = value.type;
    return value.ok;
  };
  if (variable == "now") {
    part.kind = Kind::now;
    type = Type::timestamp;
    return true;
  }
  if (variable == "customer.id" || variable == "rule.name") {
    part.kind = variable == "rule.name" ? Kind::rule_name : Kind::customer_id;
    return true;
  }
  if (head == "assignee") {
    error("R0901", where, quoted(variable) + " is not available in this version", "the task itself shows whose it is");
    return false;
  }
  if (head == "customer" && !rest.empty()) {
    const ObjectDef* object = nullptr;
    const Operated value = attribute_operand(name, &object);
    if (object != nullptr)
      error("R0315", where, quoted(variable) + " is an object; one value is needed here",
            "name one of its members: `" + std::string(variable) + ".…`");
    return from(value);
  }
  if (head == "trait" && !rest.empty()) return from(trait_reference(name));
  if (head == "score" && !rest.empty()) return from(score_reference(name));
  if (head == "event" && !rest.empty()) {
    if (scope.trigger_event == kNoEventType) {
      if (!scope.any_event) {
        error("R0805", where,
              quoted(variable) + " is not known: " + (scope.user.empty() ? "this" : scope.user) + " does not fire on an event",
              "use `customer.…`, `trait.…` or `when: {event: …}`");
      }
      return false;
    }
    if (rest == "timestamp" || rest == "id") {
      part.kind = rest == "id" ? Kind::event_id : Kind::event_time;
      if (rest == "timestamp") type = Type::timestamp;
      return true;
    }
    const FieldId id = field(name, scope.trigger_event, nullptr);
    if (id == kNoField) return false;
    part.kind = Kind::value;
    part.expr = builder_.trigger_field(scope.trigger_event, id);
    type = field_type(scope.trigger_event, id);
    return true;
  }
  // A bare word: most likely the attribute or field of that name.
  std::string hint = "variables are `customer.NAME`, `event.FIELD`, `trait.NAME`, `score.NAME`, `rule.name` and `now`";
  if (catalog_->find_attribute(variable) != kNoAttribute) {
    hint = "did you mean `customer." + std::string(variable) + "`?";
  } else if (scope.trigger_event != kNoEventType && catalog_->events[scope.trigger_event].find(variable) != kNoField) {
    hint = "did you mean `event." + std::string(variable) + "`?";
  } else if (const std::string_view near = doc::nearest_name(head, {"customer", "event", "trait", "score", "rule"});
             !near.empty() && near != head) {
    hint = "did you mean `" + std::string(near) + "." + std::string(rest) + "`?";
  }
  error("R0802", where, "there is no variable " + quoted(variable), std::move(hint));
  return false;
}

void Compiler::use_template(const Name& name, Action& action, const Scope& scope) {
  const auto found = names_.templates.find(name.text);
  if (found == names_.templates.end()) {
    error("R0307", name.where, "there is no template " + quoted(name.text),
          doc::did_you_mean(name.text, keys_of(names_.templates), "templates"));
    return;
  }
  const TemplateAst& ast = *found->second;
  used_templates_.push_back(ast.name.text);
  action.template_name = name.text;
  if (!ast.channel.empty() && ast.channel != action.channel) {
    error("R0705", name.where,
          "the template " + quoted(name.text) + " is for " + quoted(ast.channel) + ", not for " + quoted(action.channel),
          "use a template with `channel: " + action.channel + "`");
    return;
  }
  map_template_ = map_index(Definition::Kind::template_, name.text);
  for (const TemplateAst::Part& part : ast.parts) {
    Param param;
    param.name = part.name;
    param.kind = Param::Kind::text;
    param.text = template_text(part.text, part.where, scope);
    action.params.push_back(std::move(param));
  }
  map_template_ = kNoDefinition;
}

void Compiler::check_unused_templates() {
  for (const auto& [name, ast] : names_.templates) {
    if (std::find(used_templates_.begin(), used_templates_.end(), name) != used_templates_.end()) continue;
    Scope scope;
    scope.any_event = true;
    for (const TemplateAst::Part& part : ast->parts) template_text(part.text, part.where, scope);
  }
}

}  // namespace nudge::lang
