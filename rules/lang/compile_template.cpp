// Templates: variables looked up, filters checked against the type they are given. Tags: compile_template_tags.cpp.
#include <algorithm>

#include "engine/base/locale.h"
#include "rules/lang/template_scope.h"

namespace nudge::lang {

using doc::quoted;

namespace {

using Kind = TemplatePart::Kind;

std::string_view filter_word(Filter::Fn fn) { return filter_names()[static_cast<std::size_t>(fn)]; }

bool arithmetic(Filter::Fn fn) {
  return fn == Filter::Fn::times || fn == Filter::Fn::plus || fn == Filter::Fn::minus || fn == Filter::Fn::divided_by;
}

/// What a filter needs; "" when anything will do.
std::string_view needed(Filter::Fn fn, Type type, bool is_text_already) {
  const Families family = is_text_already ? kText : family_of(type);
  switch (fn) {
    case Filter::Fn::date:
    case Filter::Fn::time: return (family & (kDate | kTimestamp)) != 0 ? "" : "a date or timestamp";
    case Filter::Fn::number:
    case Filter::Fn::money:
    case Filter::Fn::times:
    case Filter::Fn::plus:
    case Filter::Fn::minus:
    case Filter::Fn::divided_by: return family == kNumeric ? "" : "a number";
    case Filter::Fn::join:
    case Filter::Fn::first:
    case Filter::Fn::last: return family == kList ? "" : "a list";
    case Filter::Fn::size: return (family & (kText | kList)) != 0 ? "" : "a text or a list";
    default: return "";
  }
}

}  // namespace

Where TemplateFinder::find(std::string_view written, std::size_t template_size) {
  const std::string& source = where_.document->source();
  const std::size_t room = 2 * template_size + 1000;  // indentation of a block text
  const std::size_t found = std::string_view(source).substr(0, std::min(source.size(), where_.mark.offset + room)).find(written, at_);
  if (found == std::string_view::npos) return where_;
  at_ = found + written.size();
  doc::Mark mark = where_.document->mark_at(found);
  mark.length = static_cast<std::uint32_t>(written.size());
  return {where_.document, mark};
}

TemplateId Compiler::template_text(std::string_view text, const Where& where, const Scope& scope, std::string_view key) {
  return builder_.add(compile_text(text, where, scope, key, {}));
}

Template Compiler::compile_text(std::string_view text, const Where& where, const Scope& scope, std::string_view key,
                                std::string_view language) {
  const ParsedTemplate parsed = parse_template(text);
  for (const TemplateMistake& mistake : parsed.mistakes) {
    TemplateFinder fresh(where);
    const std::string_view line = text.substr(mistake.offset, text.find('\n', mistake.offset) - mistake.offset);
    Where at = fresh.find(line, text.size());
    at.mark.length = static_cast<std::uint32_t>(std::max<std::size_t>(std::min<std::size_t>(mistake.length, line.size()), 1));
    error(mistake.code, at, mistake.message, mistake.hint);
  }
  Template result;
  result.language = language;
  std::size_t pieces = 0;
  TemplateFinder finder(where);
  TemplateScope inner{.rule = scope, .text = text, .finder = &finder, .locals = {}, .loops = {}, .present = {}, .rendering = {},
                      .key = key, .language = language, .slots = &result.slots, .pieces = &pieces};
  result.parts = template_pieces(parsed.pieces, inner);
  return result;
}

std::vector<TemplatePart> Compiler::template_pieces(const std::vector<TemplatePiece>& pieces, TemplateScope& scope) {
  std::vector<TemplatePart> parts;
  for (const TemplatePiece& piece : pieces) {
    ++*scope.pieces;
    switch (piece.kind) {
      case TemplatePiece::Kind::text: {
        TemplatePart part;
        part.text = piece.text;
        parts.push_back(std::move(part));
        break;
      }
      case TemplatePiece::Kind::output: {
        const Where at = scope.at(piece.offset, piece.length);
        TypedPart value;
        if (!template_operand(piece.value, at, scope, value)) break;
        template_filters(piece.filters, piece.text, at, scope, value);
        const bool known = std::ranges::find(scope.present, value.part.expr) != scope.present.end();
        map_variable(value.part, piece.text, at, known);
        parts.push_back(std::move(value.part));
        break;
      }
      case TemplatePiece::Kind::branch: branch_piece(piece, scope, parts); break;
      case TemplatePiece::Kind::loop: loop_piece(piece, scope, parts); break;
      case TemplatePiece::Kind::assign: assign_piece(piece, scope, parts); break;
      case TemplatePiece::Kind::render: render_piece(piece, scope, parts); break;
    }
  }
  return parts;
}

bool Compiler::template_filters(const std::vector<PieceFilter>& written, std::string_view name, const Where& where, TemplateScope& scope,
                                TypedPart& value) {
  bool is_text = false;
  bool good = true;
  for (const PieceFilter& piece : written) {
    Filter filter{piece.fn, piece.args, nullptr};
    const std::string_view need = needed(filter.fn, value.type, is_text);
    if (!need.empty()) {
      error("R0806", where,
            "the filter " + quoted(filter_word(filter.fn)) + " needs " + std::string(need) + "; " + quoted(name) +
                (is_text ? " is text by then" : " is of type " + quoted(type_name(value.type))),
            is_text ? "put it first" : "");
      good = false;
    }
    TypedPart operand;
    operand.type = !piece.args.empty() && piece.args[0].find('.') == std::string::npos ? Type::integer : Type::decimal;
    if (piece.operand) {
      if (!template_operand(*piece.operand, where, scope, operand)) return false;
      if (operand.part.kind == Kind::assignee_field || (arithmetic(filter.fn) && family_of(operand.type) != kNumeric)) {
        error("R0806", where, quoted(piece.operand->text) + " is no argument for the filter " + quoted(filter_word(filter.fn)),
              arithmetic(filter.fn) ? "a number is needed" : "");
        return false;
      }
      filter.operand = std::make_shared<const TemplatePart>(operand.part);
    }
    if (filter.fn == Filter::Fn::money && filter.args.size() == 1 && !scope.language.empty() && !is_currency(filter.args[0]))
      error("R0804", where, quoted(filter.args[0]) + " is no currency", "a code of ISO 4217, such as CNY, EUR or USD");
    if (arithmetic(filter.fn)) {
      if (value.type != Type::integer || operand.type != Type::integer) value.type = Type::decimal;
    } else if (filter.fn == Filter::Fn::size) {
      value.type = Type::integer;
      is_text = false;
    } else if (filter.fn == Filter::Fn::first || filter.fn == Filter::Fn::last) {
      value.type = Type::text;
    } else if (filter.fn != Filter::Fn::default_) {
      // `default` keeps the type for what comes after it: a value that is there is still a number or a date.
      is_text = true;
    }
    value.part.filters.push_back(std::move(filter));
  }
  if (is_text) value.type = Type::text;
  return good;
}

bool Compiler::template_operand(const TemplateOperand& operand, const Where& where, TemplateScope& scope, TypedPart& out) {
  out.kind = operand.kind;
  if (operand.kind == TemplateOperand::Kind::variable) return template_variable(operand.text, out, where, scope);
  out.literal = true;
  out.part.kind = Kind::literal;
  switch (operand.kind) {
    case TemplateOperand::Kind::number:
      if (operand.text.find('.') == std::string::npos) {
        out.type = Type::integer;
        out.part.literal = Value::of_integer(Decimal::parse(operand.text)->units / Decimal::kScale);
      } else {
        out.type = Type::decimal;
        out.part.literal = Value::of_decimal(*Decimal::parse(operand.text));
      }
      break;
    case TemplateOperand::Kind::truth:
      out.type = Type::boolean;
      out.part.literal = Value::of_boolean(operand.text == "true");
      break;
    case TemplateOperand::Kind::text: out.part.literal = Value::of_text(operand.text); break;
    default: break;
  }
  return true;
}

bool Compiler::template_variable(std::string_view variable, TypedPart& out, const Where& where, TemplateScope& scope) {
  const std::size_t dot = variable.find('.');
  const std::string_view head = variable.substr(0, dot);
  const std::string_view rest = dot == std::string_view::npos ? std::string_view() : variable.substr(dot + 1);
  if (const auto local = scope.locals.find(head); local != scope.locals.end())
    return local_variable(local->second, head, rest, out, where);
  if (head == "forloop" && !scope.loops.empty()) {
    static const std::vector<std::string_view> kCounters = {"index", "index0", "rindex", "rindex0", "first", "last", "length"};
    const auto counter = std::ranges::find(kCounters, rest);
    if (counter == kCounters.end()) {
      error("R0802", where, "there is no variable " + quoted(variable), doc::did_you_mean(rest, kCounters, "members of `forloop`"));
      return false;
    }
    out.part.kind = Kind::forloop;
    out.part.slot = scope.loops.back();
    out.part.ref = static_cast<std::uint32_t>(counter - kCounters.begin());
    out.type = rest == "first" || rest == "last" ? Type::boolean : Type::integer;
    return true;
  }
  if (variable == "now") {
    out.part.kind = Kind::now;
    out.type = Type::timestamp;
    return true;
  }
  if (variable == "customer.id" || variable == "rule.name") {
    out.part.kind = variable == "rule.name" ? Kind::rule_name : Kind::customer_id;
    return true;
  }
  if (variable == "tags") {
    out.part.kind = Kind::tags;
    out.type = Type::list;
    return true;
  }
  if ((head == "assignee" || head == "owner" || head == "approval" || head == "digest") && !rest.empty()) return member_variable(head, rest, out, where, scope.rule);
  if (head == "event" && !rest.empty()) return event_variable(variable, rest, out, where, scope.rule);
  static const std::vector<std::string_view> kHeads = {"customer", "trait", "score", "band", "segment", "rule", "goal", "events"};
  if (!rest.empty() && std::ranges::find(kHeads, head) != kHeads.end()) return plain_variable(head, rest, out, where);
  return unknown_variable(variable, where, scope);
}

bool Compiler::plain_variable(std::string_view head, std::string_view rest, TypedPart& out, const Where& where) {
  const Name name{rest, where};
  const auto from = [&](const Operated& value) {
    out.part.kind = Kind::value;
    out.part.expr = value.expr;
    out.type = value.type;
    return value.ok;
  };
  const auto member = [&](Kind kind, const std::vector<std::string_view>& known, std::initializer_list<std::string_view> numbers) {
    out.part.kind = kind;
    out.part.text = rest;
    out.type = std::ranges::find(numbers, rest) != numbers.end() ? Type::integer : Type::text;
    if (std::ranges::find(known, rest) != known.end()) return true;
    error("R0802", where, "there is no variable " + quoted(std::string(head) + "." + std::string(rest)),
          doc::did_you_mean(rest, known, "members of `" + std::string(head) + "`"));
    return false;
  };
  if (head == "customer") {
    const ObjectDef* object = nullptr;
    const Operated value = attribute_operand(name, &object);
    if (object != nullptr) {
      const std::string variable = "customer." + std::string(rest);
      error("R0315", where, quoted(variable) + " is an object; one value is needed here", "name one of its members: `" + variable + ".…`");
    }
    return from(value);
  }
  if (head == "trait") return from(trait_reference(name));
  if (head == "score") return from(score_reference(name));
  if (head == "band") {
    if (!from(score_reference(name))) return false;
    out.part.kind = Kind::band;
    out.part.ref = builder_.expr(out.part.expr).ref;
    out.type = Type::text;
    return true;
  }
  if (head == "segment") {
    const std::size_t before = diagnostics_.errors();
    out.part.kind = Kind::segment;
    out.part.node = segment_reference(name);
    out.type = Type::boolean;
    return diagnostics_.errors() == before;
  }
  if (head == "rule") return member(Kind::rule_field, {"name", "description", "version", "priority", "category", "purpose"}, {"version", "priority"});
  if (head == "goal") return member(Kind::goal_field, {"event", "days"}, {"days"});
  // events.TYPE.size
  if (!rest.ends_with(".size")) {
    error("R0802", where, quoted("events." + std::string(rest)) + " is a list of rows, which can't be shown as they are",
          "`{% for row in events." + std::string(rest) + " limit: 3 %}`, or `events." + std::string(rest) + ".size`");
    return false;
  }
  Aggregate count;
  count.event = event_type({rest.substr(0, rest.size() - 5), where});
  if (count.event == kNoEventType) return false;
  out.part.kind = Kind::value;
  out.part.expr = builder_.aggregate(builder_.add(count));
  out.type = Type::integer;
  return true;
}

bool Compiler::event_variable(std::string_view variable, std::string_view rest, TypedPart& out, const Where& where, const Scope& scope) {
  if (scope.trigger_event == kNoEventType) {
    if (!scope.any_event) {
      error("R0805", where,
            quoted(variable) + " is not known: " + (scope.user.empty() ? "this" : scope.user) + " does not fire on an event",
            "use `customer.…`, `trait.…` or `when: {event: …}`");
    }
    return false;
  }
  if (rest == "timestamp" || rest == "id") {
    out.part.kind = rest == "id" ? Kind::event_id : Kind::event_time;
    if (rest == "timestamp") out.type = Type::timestamp;
    return true;
  }
  const FieldId id = field({rest, where}, scope.trigger_event, nullptr);
  if (id == kNoField) return false;
  out.part.kind = Kind::value;
  out.part.expr = builder_.trigger_field(scope.trigger_event, id);
  out.type = field_type(scope.trigger_event, id);
  return true;
}

bool Compiler::local_variable(const TemplateLocal& local, std::string_view name, std::string_view rest, TypedPart& out, const Where& where) {
  out.part.slot = local.slot;
  if (local.event == kNoEventType) {
    out.part.kind = Kind::variable;
    out.type = local.type;
    if (rest.empty()) return true;
    error("R0802", where, quoted(name) + " is a plain value and has no member " + quoted(rest), "a filter works on it: `| size`");
    return false;
  }
  if (rest.empty()) {
    error("R0802", where, quoted(name) + " is a row of " + quoted(catalog_->events[local.event].name) + "; one value is needed here",
          "name one of its fields: `" + std::string(name) + ".…`");
    return false;
  }
  if (rest == "id") {
    out.part.kind = Kind::row_id;
    return true;
  }
  const FieldId id = rest == "timestamp" ? kTimeField : field({rest, where}, local.event, nullptr);
  if (id == kNoField) return false;
  out.part.kind = Kind::row_field;
  out.part.event = local.event;
  out.part.ref = id;
  out.type = id == kTimeField ? Type::timestamp : field_type(local.event, id);
  return true;
}

bool Compiler::member_variable(std::string_view head, std::string_view rest, TypedPart& out, const Where& where, const Scope& scope) {
  out.part.text = rest;
  if (head == "assignee") {
    out.part.kind = Kind::assignee_field;
    if (scope.any_event) return true;
    if (scope.team == nullptr) {
      error("R0805", where, quoted("assignee." + std::string(rest)) + " is not known: this action is given to nobody",
            "it is known in the texts of a `call_task` with `team`; `owner.…` is whom the customer's attribute `owner` names");
      return false;
    }
    const Operated property = member_property({rest, where}, scope.team);
    out.type = property.type;
    return property.ok;
  }
  if (head == "digest") {
    out.part.kind = Kind::assignee_field;
    out.part.text = "digest." + std::string(rest);
    if (rest != "list" && rest != "size") {
      error("R0802", where, "there is no variable " + quoted(out.part.text), "`digest.list` are the lines, `digest.size` is how many there are");
      return false;
    }
    if (scope.digest || scope.any_event) return true;
    error("R0805", where, quoted(out.part.text) + " is not known: this message lists nothing", "it is known in the texts of a message with `digest`");
    return false;
  }
  if (head == "approval") {
    out.part.kind = Kind::assignee_field;
    const std::vector<std::string_view> known(std::begin(kApprovalProperties), std::end(kApprovalProperties));
    if (std::ranges::find(known, rest) == known.end()) {
      error("R0802", where, "there is no variable " + quoted("approval." + std::string(rest)), doc::did_you_mean(rest, known, "members of `approval`"));
      return false;
    }
    if (scope.approval || scope.any_event) return true;
    error("R0805", where, quoted("approval." + std::string(rest)) + " is not known: this message asks nobody for a yes",
          "it is known in the messages of `ask` of an `approval`");
    return false;
  }
  out.part.kind = Kind::owner_field;
  const ObjectDef* object = nullptr;
  const Operated attribute = attribute_operand({"owner", where}, &object);
  if (object != nullptr || !attribute.ok || family_of(attribute.type) != kText) {
    if (attribute.ok || object != nullptr) error("R0408", where, "the attribute `owner` must be text: the id of a team member");
    return false;
  }
  out.part.ref = attribute.attribute;
  const Team* last = nullptr;
  for (const auto& [name, team] : names_.teams) {
    last = &team->team;
    const bool has = std::ranges::any_of(last->members, [&](const Member& m) {
      return std::ranges::any_of(m.properties, [&](const auto& p) { return p.first == rest; });
    });
    if (has) break;
  }
  const Operated property = member_property({rest, where}, last);
  out.type = property.type;
  return property.ok || last == nullptr;
}

bool Compiler::unknown_variable(std::string_view variable, const Where& where, const TemplateScope& scope) {
  const std::string_view head = variable.substr(0, variable.find('.'));
  const std::string rest(variable.substr(std::min(head.size() + 1, variable.size())));
  // A bare word: most likely the attribute or field of that name.
  std::string hint = "variables are `customer.NAME`, `event.FIELD`, `trait.NAME`, `score.NAME`, `rule.name` and `now`";
  std::vector<std::string_view> known = {"customer", "event", "trait", "score", "band", "segment", "tags", "rule", "goal", "owner", "assignee", "approval", "digest", "now"};
  for (const auto& [name, local] : scope.locals) known.push_back(name);
  if (catalog_->find_attribute(variable) != kNoAttribute) {
    hint = "did you mean `customer." + std::string(variable) + "`?";
  } else if (scope.rule.trigger_event != kNoEventType && catalog_->events[scope.rule.trigger_event].find(variable) != kNoField) {
    hint = "did you mean `event." + std::string(variable) + "`?";
  } else if (const std::string_view near = doc::nearest_name(head, known); !near.empty() && near != head) {
    hint = "did you mean `" + std::string(near) + (rest.empty() ? "" : "." + rest) + "`?";
  } else if (head == "forloop") {
    hint = "`forloop` is known inside `{% for … %}`";
  }
  error("R0802", where, "there is no variable " + quoted(variable), std::move(hint));
  return false;
}

namespace {

/// Puts the text in the company's language first, as the one for customers without a language of their own: `zh-hant`, else `zh`. Without
/// such a text the template's own stays the first.
void company_first(std::string language, std::vector<Template>& texts) {
  while (!language.empty()) {
    const auto found = std::ranges::find(texts, language, &Template::language);
    if (found != texts.end()) return std::swap(texts.front(), *found);
    const std::size_t cut = language.rfind('-');
    language.resize(cut == std::string::npos ? 0 : cut);
  }
}

}  // namespace

TemplateId Compiler::translated(const TemplateAst& ast, const TemplateAst::Part& part, const Scope& scope) {
  std::vector<Template> texts;  // the template's own first
  texts.push_back(compile_text(part.text, part.where, scope, part.name, ast.language));
  for (const TemplateAst::Translation& translation : ast.translations) {
    for (const TemplateAst::Part& other : translation.parts) {
      if (other.name == part.name)
        texts.push_back(compile_text(other.text, other.where, scope, other.name, normal_language(translation.language.text)));
    }
  }
  if (names_.language) company_first(normal_language(names_.language.text), texts);
  Template text = std::move(texts.front());
  for (std::size_t i = 1; i < texts.size(); ++i) {
    std::string language = texts[i].language;
    if (language.empty()) continue;  // the template does not say in which language its own text is: nobody can ask for it
    const TemplateId id = builder_.add(std::move(texts[i]));
    text.translations.push_back({std::move(language), id});
  }
  if (!text.translations.empty()) {
    text.language_attribute = catalog_->find_attribute("language");
    if (text.language_attribute == kNoAttribute || family_of(catalog_->attributes[text.language_attribute].type) != kText) {
      error("R0301", ast.translations.front().language.where, "translations need a customer attribute `language`, which the catalog does not have",
            "declare it in schemas/: `language: {type: text}`; its values are tags such as zh or de-CH");
    }
  }
  return builder_.add(std::move(text));
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
    param.text = translated(ast, part, scope);
    action.params.push_back(std::move(param));
  }
  map_template_ = kNoDefinition;
}

void Compiler::check_unused_templates() {
  for (const auto& [name, ast] : names_.templates) {
    if (std::find(used_templates_.begin(), used_templates_.end(), name) != used_templates_.end()) continue;
    Scope scope;
    scope.any_event = true;
    if (ast->channel == "partial") {
      // Its names may be given by who renders it: only its form can be held against anything.
      for (const TemplateAst::Part& part : ast->parts) {
        for (const TemplateMistake& m : parse_template(part.text).mistakes) error(m.code, part.where, m.message, m.hint);
      }
      continue;
    }
    for (const TemplateAst::Part& part : ast->parts) translated(*ast, part, scope);
  }
}

}  // namespace nudge::lang
