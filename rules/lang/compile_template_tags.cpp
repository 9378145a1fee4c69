// The tags of templates: if, for, assign, render.
#include <algorithm>

#include "rules/lang/template_scope.h"

namespace nudge::lang {

using doc::quoted;

namespace {

using Kind = TemplatePart::Kind;

/// Adds the values that are there when the test comes out as `truth`.
void add_present(const TemplateTest& test, bool truth, std::vector<ExprId>& out) {
  const auto add = [&](const TemplatePart& part) {
    if (part.kind == Kind::value) out.push_back(part.expr);
  };
  switch (test.kind) {
    case TemplateTest::Kind::holds:
      if (truth) add(test.left);
      return;
    case TemplateTest::Kind::all:
    case TemplateTest::Kind::any:
      if ((test.kind == TemplateTest::Kind::all) == truth)
        for (const TemplateTest& child : test.children) add_present(child, truth, out);
      return;
    case TemplateTest::Kind::compare: break;
  }
  const bool against_nothing =
      test.against != TemplateTest::Right::value || (test.right.kind == Kind::literal && test.right.literal.missing());
  if (against_nothing) {
    // `!= empty` holds for nil too.
    if (test.against != TemplateTest::Right::empty && (test.op == Op::not_equals) == truth) add(test.left);
  } else if ((test.op == Op::not_equals) != truth) {
    // An equality of two variables holds when both are nil.
    if (test.right.kind != Kind::literal && (test.op == Op::equals || test.op == Op::not_equals)) return;
    add(test.left);
    add(test.right);
  }
}

std::string_view op_word(Op op) {
  switch (op) {
    case Op::equals: return "==";
    case Op::not_equals: return "!=";
    case Op::less_than: return "<";
    case Op::at_most: return "<=";
    case Op::greater_than: return ">";
    case Op::at_least: return ">=";
    default: return "contains";
  }
}

/// A text literal beside a date or timestamp becomes one. False when it is none.
bool make_moment(TypedPart& literal, Type type) {
  if (type == Type::date) {
    const auto date = parse_date(literal.part.literal.bytes);
    if (!date) return false;
    literal.part.literal = Value::of_date(*date);
  } else {
    const auto instant = parse_timestamp(literal.part.literal.bytes);
    if (!instant) return false;
    literal.part.literal = Value::of_timestamp(*instant);
  }
  literal.type = type;
  return true;
}

}  // namespace

bool Compiler::template_test(const TemplateCondition& condition, const Where& where, TemplateScope& scope, TemplateTest& out) {
  out.kind = condition.kind;
  if (condition.kind == TemplateTest::Kind::all || condition.kind == TemplateTest::Kind::any) {
    out.children.resize(condition.children.size());
    bool good = true;
    for (std::size_t i = 0; i < out.children.size(); ++i) good = template_test(condition.children[i], where, scope, out.children[i]) && good;
    return good;
  }
  return template_comparison(condition, where, scope, out);
}

bool Compiler::template_comparison(const TemplateCondition& condition, const Where& where, TemplateScope& scope, TemplateTest& out) {
  using Given = TemplateOperand::Kind;
  TypedPart left;
  TypedPart right;
  if (!template_operand(condition.left, where, scope, left)) return false;
  if (condition.kind == TemplateTest::Kind::compare && !template_operand(condition.right, where, scope, right)) return false;
  for (const TypedPart* side : {&left, &right}) {
    if (side->part.kind != Kind::assignee_field) continue;
    error("R0809", where, "conditions can't ask about the assignee: who gets the task is chosen after the text is made",
          "show it with a default: `{{ assignee.name | default: 'a colleague' }}`");
    return false;
  }
  out.op = condition.op;
  if (condition.kind == TemplateTest::Kind::compare) {
    const bool equality = condition.op == Op::equals || condition.op == Op::not_equals;
    if (right.kind == Given::blank || right.kind == Given::empty)
      out.against = right.kind == Given::blank ? TemplateTest::Right::blank : TemplateTest::Right::empty;
    const bool nothing = right.literal && (right.kind == Given::nil || out.against != TemplateTest::Right::value);
    if (right.literal && right.kind == Given::text && (family_of(left.type) & (kDate | kTimestamp)) != 0 && !make_moment(right, left.type)) {
      error("R0809", where, quoted(condition.right.text) + " is no " + std::string(type_name(left.type)),
            left.type == Type::date ? "such as '2026-12-31'" : "such as '2026-12-31T00:00:00Z'");
      return false;
    }
    const Families family = family_of(left.type);
    bool fits = false;
    if (nothing)
      fits = equality;
    else if (condition.op == Op::contains)
      fits = (family == kText || family == kList) && family_of(right.type) == kText;
    else
      fits = family == family_of(right.type) && (equality || (family & (kNumeric | kDate | kTimestamp)) != 0);
    if (!fits) {
      error("R0809", where,
            quoted(condition.left.text + " " + std::string(op_word(condition.op)) + " " + condition.right.text) + " compares a value of type " +
                quoted(type_name(left.type)) + (nothing ? " with nothing" : " with one of type " + quoted(type_name(right.type))),
            condition.op == Op::contains ? "`contains` looks for a text in a text or a list"
            : nothing                    ? "`==` and `!=` ask for nil, blank and empty"
                                         : "both sides must be of one kind; < and > are for numbers, dates and timestamps");
      return false;
    }
  }
  out.left = std::move(left.part);
  out.right = std::move(right.part);
  return true;
}

void Compiler::branch_piece(const TemplatePiece& piece, TemplateScope& scope, std::vector<TemplatePart>& into) {
  auto block = std::make_shared<TemplateBlock>();
  const std::size_t known = scope.present.size();
  const Where opening = scope.at(piece.offset, piece.length);
  for (const TemplatePiece::Branch& written : piece.branches) {
    TemplateBlock::Branch branch;
    branch.otherwise = !written.test;
    branch.negated = written.negated;
    const bool good = !written.test || template_test(*written.test, opening, scope, branch.test);
    const std::size_t before = scope.present.size();
    if (written.test && good) add_present(branch.test, !written.negated, scope.present);
    branch.parts = template_pieces(written.pieces, scope);
    scope.present.resize(before);
    // What comes after knows that this one did not hold.
    if (written.test && good) add_present(branch.test, written.negated, scope.present);
    block->branches.push_back(std::move(branch));
  }
  scope.present.resize(known);
  TemplatePart part;
  part.kind = Kind::branch;
  part.block = std::move(block);
  into.push_back(std::move(part));
}

bool Compiler::loop_source(const TemplatePiece& piece, const Where& where, TemplateScope& scope, TemplateBlock& block, TemplateLocal& local) {
  const std::string_view source = piece.value.text;
  if (piece.value.kind == TemplateOperand::Kind::variable && source.starts_with("events.") && !scope.locals.contains("events")) {
    block.event = event_type({source.substr(7), where});
    local.event = block.event;
    if (block.event == scope.rule.trigger_event) block.same = scope.rule.trigger_field_same;
    return block.event != kNoEventType;
  }
  TypedPart list;
  if (!template_operand(piece.value, where, scope, list)) return false;
  if (list.type != Type::list || list.literal) {
    error("R0809", where, quoted(source) + " is nothing to go through", "rows, such as `events.order_placed`, or a list, such as `tags`");
    return false;
  }
  block.list.push_back(std::move(list.part));
  return true;
}

void Compiler::loop_piece(const TemplatePiece& piece, TemplateScope& scope, std::vector<TemplatePart>& into) {
  auto block = std::make_shared<TemplateBlock>();
  const Where where = scope.at(piece.offset, piece.length);
  TemplateLocal local;
  local.slot = (*scope.slots)++;
  if (!loop_source(piece, where, scope, *block, local)) return;
  if (scope.loops.size() >= 3) {
    error("R0808", where, "loops are nested more than 3 deep", "take one of them out");
    return;
  }
  block->limit = piece.limit;
  block->offset = piece.skip;
  block->reversed = piece.reversed;
  const auto outer = scope.locals.find(piece.text);
  const std::optional<TemplateLocal> hidden = outer == scope.locals.end() ? std::nullopt : std::optional(outer->second);
  scope.locals[piece.text] = local;
  scope.loops.push_back(local.slot);
  block->parts = template_pieces(piece.body, scope);
  scope.loops.pop_back();
  if (hidden)
    scope.locals[piece.text] = *hidden;
  else
    scope.locals.erase(piece.text);
  block->otherwise = template_pieces(piece.otherwise, scope);
  TemplatePart part;
  part.kind = Kind::loop;
  part.slot = local.slot;
  part.block = std::move(block);
  into.push_back(std::move(part));
}

void Compiler::assign_piece(const TemplatePiece& piece, TemplateScope& scope, std::vector<TemplatePart>& into) {
  const Where where = scope.at(piece.offset, piece.length);
  TypedPart value;
  if (!template_operand(piece.value, where, scope, value) || !template_filters(piece.filters, piece.value.text, where, scope, value)) return;
  if (value.part.kind == Kind::assignee_field) {
    error("R0809", where, "the assignee can only be shown: who gets the task is chosen after the text is made", "`{{ assignee.name }}`");
    return;
  }
  const auto known = scope.locals.find(piece.text);
  if (known != scope.locals.end() && known->second.event != kNoEventType) {
    error("R0809", where, quoted(piece.text) + " is the row of a loop", "take another name");
    return;
  }
  const std::uint32_t slot = known != scope.locals.end() ? known->second.slot : (*scope.slots)++;
  scope.locals[piece.text] = {slot, kNoEventType, value.type};
  auto block = std::make_shared<TemplateBlock>();
  TemplatePart part;
  part.kind = Kind::assign;
  part.slot = slot;
  block->list.push_back(std::move(value.part));
  part.block = std::move(block);
  into.push_back(std::move(part));
}

void Compiler::render_piece(const TemplatePiece& piece, TemplateScope& scope, std::vector<TemplatePart>& into) {
  const Where where = scope.at(piece.offset, piece.length);
  const auto found = names_.templates.find(piece.text);
  if (found == names_.templates.end()) {
    error("R0307", where, "there is no template " + quoted(piece.text),
          doc::did_you_mean(piece.text, keys_of(names_.templates), "templates"));
    return;
  }
  const TemplateAst& ast = *found->second;
  if (std::ranges::find(scope.rendering, piece.text) != scope.rendering.end()) {
    std::string circle;
    for (const std::string_view name : scope.rendering) circle += std::string(name) + " → ";
    error("R0310", where, "this template renders itself: " + circle + piece.text, "take one of the `render` out");
    return;
  }
  if (scope.rendering.size() >= 8 || *scope.pieces > kTemplatePieces) {
    error("R0808", where, "templates render templates more than 8 deep, or come to more than " + std::to_string(kTemplatePieces) + " pieces",
          "put some of them together");
    return;
  }
  used_templates_.push_back(ast.name.text);
  const auto of_key = [&](std::string_view key) {
    const auto part = std::ranges::find_if(ast.parts, [&](const TemplateAst::Part& p) { return p.name == key; });
    return part == ast.parts.end() ? nullptr : &*part;
  };
  const TemplateAst::Part* part = of_key(scope.key);
  if (part == nullptr) part = of_key("text");
  if (part == nullptr) part = of_key("body");
  if (part == nullptr) {
    error("R0307", where, "the template " + quoted(piece.text) + " has no text that fits here", "give it a `text`");
    return;
  }
  std::string_view text = part->text;
  Where text_where = part->where;
  for (const TemplateAst::Translation& translation : ast.translations) {
    if (scope.language.empty() || translation.language.text != scope.language) continue;
    for (const TemplateAst::Part& other : translation.parts) {
      if (other.name != part->name) continue;
      text = other.text;
      text_where = other.where;
    }
  }
  const ParsedTemplate parsed = parse_template(text);
  TemplateFinder finder(text_where);
  for (const TemplateMistake& mistake : parsed.mistakes) error(mistake.code, text_where, mistake.message, mistake.hint);
  // As in Liquid, a partial sees what is given to it and the variables that everybody sees, not the names around it.
  TemplateScope inner{.rule = scope.rule, .text = text, .finder = &finder, .locals = {}, .loops = {}, .present = scope.present,
                      .rendering = scope.rendering, .key = scope.key, .language = scope.language, .slots = scope.slots, .pieces = scope.pieces};
  inner.rendering.push_back(ast.name.text);
  for (const auto& [name, operand] : piece.arguments) {
    const auto local = operand.kind == TemplateOperand::Kind::variable ? scope.locals.find(operand.text) : scope.locals.end();
    if (local != scope.locals.end() && local->second.event != kNoEventType) {
      inner.locals[name] = local->second;
      continue;
    }
    TemplatePiece assign;
    assign.text = name;
    assign.value = operand;
    assign.offset = piece.offset;
    assign.length = 0;
    TemplateScope outer = scope;
    outer.locals.erase(name);
    assign_piece(assign, outer, into);
    if (const auto made = outer.locals.find(name); made != outer.locals.end()) inner.locals[name] = made->second;
  }
  const std::uint32_t first = *scope.slots;
  std::vector<TemplatePart> parts = template_pieces(parsed.pieces, inner);
  // Inside a loop, what the last round assigned is gone.
  for (std::uint32_t slot = first; slot < *scope.slots && !scope.loops.empty(); ++slot) {
    auto block = std::make_shared<TemplateBlock>();
    block->list.emplace_back().kind = Kind::literal;
    TemplatePart& clear = into.emplace_back();
    clear.kind = Kind::assign;
    clear.slot = slot;
    clear.block = std::move(block);
  }
  for (TemplatePart& made : parts) into.push_back(std::move(made));
}

}  // namespace nudge::lang
