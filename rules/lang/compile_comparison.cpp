// Operators: do they fit the type, and is the right side of the type that they need?
#include <algorithm>

#include "engine/base/limits.h"
#include "engine/base/regex.h"
#include "engine/base/text.h"
#include "rules/lang/compile.h"
#include "rules/lang/read.h"

namespace nudge::lang {

using doc::quoted;

namespace {

std::string of_type(const Operated& left) { return left.what + ", which is of type " + quoted(type_name(left.type)); }

/// The order of two literals of one type, for `between`.
int order(const Value& a, const Value& b) {
  if (is_numeric(a.kind)) return compare_numeric(a.view(), b.view());
  return a.bits < b.bits ? -1 : a.bits > b.bits ? 1 : 0;
}

}  // namespace

NodeId Compiler::comparison(const Operated& left, const Comparison& comparison, const Scope& scope, const Where& where) {
  const bool is_attribute = left.attribute != kNoAttribute;
  if (comparison.op.empty()) {
    error("R0401", where, "this condition needs an operator to compare " + left.what + " with",
          "for type " + quoted(type_name(left.type)) + ": " + join_words(operators_for(left.type, is_attribute), "or"));
    return broken();
  }
  const OperatorInfo* info = find_operator(comparison.op);
  const Families family = family_of(left.type);
  bool fits = info != nullptr && (info->families & family) != 0;
  if (comparison.op == "size") fits = family == kList;
  if (comparison.op == "days_since") fits = (family & (kDate | kTimestamp)) != 0;
  if (comparison.op == "changed" || comparison.op == "has_been") fits = is_attribute;
  if (!fits) {
    error("R0402", comparison.operand.key, quoted(comparison.op) + " does not fit " + of_type(left),
          "operators that fit: " + join_words(operators_for(left.type, is_attribute)));
    return broken();
  }
  if (comparison.ignore_case && (info == nullptr || !info->ignore_case || (family & (kText | kList)) == 0)) {
    error("R0414", comparison.ignore_case_at, "`ignore_case` only matters to operators on text", "remove it");
  }
  if (comparison.op == "size" || comparison.op == "days_since") return nested_comparison(left, comparison, scope);
  if (comparison.op == "changed") return changed_condition(left, comparison);
  if (comparison.op == "has_been") return has_been_condition(left, comparison, scope);
  return simple_comparison(left, comparison, *info, scope);
}

NodeId Compiler::simple_comparison(const Operated& left, const Comparison& comparison, const OperatorInfo& info, const Scope& scope) {
  const Raw& operand = comparison.operand;
  const Context context = context_of(operand.where);
  Node node;
  node.kind = Node::Kind::compare;
  node.op = info.op;
  node.left = left.expr;
  node.ignore_case = comparison.ignore_case;
  bool right_ok = true;
  if (right_reference(left, operand, info, scope, node, &right_ok)) return right_ok ? builder_.add(std::move(node)) : broken();

  const auto add_literal = [&](const doc::Node& item) {
    std::optional<Value> value = literal(left, item, context.at(item.mark));
    if (!value) return false;
    if (comparison.ignore_case && value->kind == Kind::text) value = Value::of_text(fold_case(value->bytes));
    node.literals.push_back(std::move(*value));
    return true;
  };
  const auto add_text = [&](const doc::Node& item) {
    const doc::Read<std::string_view> text = doc::read_text(item);
    if (!text) {
      error("R0404", context.at(item.mark), text.error().message, text.error().hint);
      return false;
    }
    if (text->empty() && info.op != Op::has) {
      error("R0406", context.at(item.mark),
            "every text " +
                std::string(info.op == Op::starts_with ? "starts with"
                            : info.op == Op::ends_with ? "ends with"
                                                       : "contains") +
                " the empty text: this condition says nothing",
            "write what to look for, or use `exists: true`");
      return false;
    }
    node.literals.push_back(Value::of_text(comparison.ignore_case ? fold_case(*text) : std::string(*text)));
    return true;
  };
  switch (info.operand) {
    case Operand::same:
      if (!add_literal(*operand.node)) return broken();
      break;
    case Operand::text:
      if (!add_text(*operand.node)) return broken();
      break;
    case Operand::texts:
    case Operand::list: {
      const std::vector<const doc::Node*> items = items_of(context, *operand.node, operand.key.mark, quoted(comparison.op));
      if (!operand.node->is_list()) return broken();
      if (items.empty()) {
        error("R0406", operand.where,
              quoted(comparison.op) + " of an empty list is " +
                  (info.op == Op::has_all || info.op == Op::not_in ? "always true" : "never true"),
              "list at least one value");
        return broken();
      }
      bool ok = true;
      for (const doc::Node* item : items) {
        if (info.operand == Operand::texts) {
          const doc::Read<std::string_view> text = doc::read_text(*item);
          if (!text) error("R0404", context.at(item->mark), text.error().message, text.error().hint);
          ok = text.has_value() && ok;
          if (text) node.literals.push_back(Value::of_text(comparison.ignore_case ? fold_case(*text) : std::string(*text)));
        } else {
          ok = add_literal(*item) && ok;
        }
      }
      if (!ok) return broken();
      break;
    }
    case Operand::pair: {
      if (!operand.node->is_list() || operand.node->items.size() != 2) {
        error("R0404", operand.where, "`between` needs two values, the lower and the higher one; both are included", "between: [10, 20]");
        return broken();
      }
      if (!add_literal(*operand.node->items[0]) || !add_literal(*operand.node->items[1])) return broken();
      if (node.literals[0].kind == node.literals[1].kind || is_numeric(node.literals[0].kind)) {
        if (order(node.literals[0], node.literals[1]) > 0) {
          error("R0405", operand.where,
                "the ends of `between` are swapped: nothing lies between " + quoted(operand.node->items[0]->text) + " and " +
                    quoted(operand.node->items[1]->text),
                "write `between: [" + std::string(operand.node->items[1]->text) + ", " + std::string(operand.node->items[0]->text) + "]`");
          return broken();
        }
      }
      break;
    }
    case Operand::pattern: {
      const doc::Read<std::string_view> text = doc::read_text(*operand.node);
      if (!text) {
        error("R0404", operand.where, text.error().message, text.error().hint);
        return broken();
      }
      if (text->empty()) {
        error("R0406", operand.where, "the empty pattern is found in every text", "write a pattern, or use `exists: true`");
        return broken();
      }
      Result<std::shared_ptr<const Regex>> regex = Regex::compile(*text, comparison.ignore_case);
      if (!regex) {
        error("R0407", operand.where, regex.error().message, "patterns are written in RE2 syntax: no look-around and no back-references");
        return broken();
      }
      node.text = *text;
      node.regex = std::move(*regex);
      break;
    }
    case Operand::duration: {
      const std::optional<DurationMs> length = window_length(operand);
      if (!length) return broken();
      node.duration = *length;
      break;
    }
    case Operand::truth: {
      const doc::Read<bool> wanted = doc::read_bool(*operand.node);
      if (!wanted) {
        error("R0404", operand.where, wanted.error().message, wanted.error().hint);
        return broken();
      }
      if (info.op == Op::exists) {
        node.literals = {Value::of_boolean(true)};
      }
      const NodeId id = builder_.add(std::move(node));
      return *wanted ? id : builder_.negate(id);
    }
    case Operand::nested: return broken();
  }
  return builder_.add(std::move(node));
}

std::optional<Value> Compiler::literal(const Operated& left, const doc::Node& node, const Where& where) {
  const auto wrong = [&](const doc::Misread& misread) {
    if (node.is_list()) {
      error("R0404", where, left.what + " is compared with one value here, not with a list", "use `in: […]` for several values");
      return std::optional<Value>();
    }
    error("R0404", where, left.what + " is of type " + quoted(type_name(left.type)) + ": " + misread.message, misread.hint);
    return std::optional<Value>();
  };
  switch (left.type) {
    case Type::text:
    case Type::phone: {
      const doc::Read<std::string_view> text = doc::read_text(node);
      if (!text) return wrong(text.error());
      if (left.leaf != nullptr && !left.leaf->one_of.empty() &&
          std::find(left.leaf->one_of.begin(), left.leaf->one_of.end(), *text) == left.leaf->one_of.end()) {
        error("R0409", where, left.what + " is never " + quoted(*text) + ": the catalog does not allow it",
              doc::did_you_mean(*text, {left.leaf->one_of.begin(), left.leaf->one_of.end()}, "values"));
        return std::nullopt;
      }
      return Value::of_text(*text);
    }
    case Type::integer:
    case Type::decimal: {
      if (const doc::Read<std::int64_t> integer = doc::read_integer(node); integer && left.type == Type::integer)
        return Value::of_integer(*integer);
      const doc::Read<Decimal> decimal = doc::read_decimal(node);
      if (!decimal) return wrong(decimal.error());
      return Value::of_decimal(*decimal);
    }
    case Type::number: {
      const doc::Read<double> number = doc::read_number(node);
      if (!number) return wrong(number.error());
      return Value::of_number(*number);
    }
    case Type::boolean: {
      const doc::Read<bool> truth = doc::read_bool(node);
      if (!truth) return wrong(truth.error());
      return Value::of_boolean(*truth);
    }
    case Type::date:
    case Type::timestamp: {
      if (const doc::Read<DateDays> date = doc::read_date(node)) return Value::of_date(*date);
      if (const doc::Read<TimeMs> time = doc::read_timestamp(node)) return Value::of_timestamp(*time);
      return wrong({"a date or a timestamp with its zone is expected here, not " +
                        (node.is_scalar() ? quoted(node.text) : std::string(doc::kind_name(node))),
                    "2026-02-01 or 2026-02-01T09:00:00+08:00; for a time before or after now use `within`, `older_than` or `in_next`"});
    }
    case Type::list:
    case Type::object: break;
  }
  return std::nullopt;
}

bool Compiler::right_reference(const Operated& left, const Raw& operand, const OperatorInfo& info, const Scope& scope, Node& node,
                               bool* ok) {
  if (!operand.node->is_map()) return false;
  *ok = false;
  const Context context = context_of(operand.where);
  MapReader map(context, *operand.node, operand.key.mark, "the right side");
  const Name attribute = map.name("attribute");
  const Name trait = map.name("trait");
  const Name field_name = map.name("field");
  const doc::Entry* times = map.take("times");
  map.finish();
  if (!info.right_side) {
    error("R0408", operand.where, quoted(info.word) + " needs a value that is written out, not a reference");
    return true;
  }
  if (int{static_cast<bool>(attribute)} + int{static_cast<bool>(trait)} + int{static_cast<bool>(field_name)} != 1) {
    error("R0408", operand.where, "the right side refers to one thing: `attribute`, `trait` or, inside `where`, `field`",
          "`{trait: NAME, times: 0.5}`");
    return true;
  }
  const bool inside_row = scope.row_event != kNoEventType;
  if (static_cast<bool>(field_name) != inside_row) {
    error("R0408", operand.where,
          inside_row ? "inside `where` the right side can only be a value or another `field` of the same event"
                     : "`field` can only be referred to inside `where` of an event",
          inside_row ? "what is known of the customer is compared outside, with an aggregate: `{event: …, last: {field: timestamp, after: "
                       "{attribute: NAME}}}`; how long ago a row is, says a window"
                     : "");
    return true;
  }
  Operated right;
  if (attribute) {
    const ObjectDef* object = nullptr;
    right = attribute_operand(attribute, &object);
    if (object != nullptr) error("R0315", attribute.where, quoted(attribute.text) + " is an object; one value is needed here");
  } else if (trait) {
    right = trait_reference(trait);
  } else if (const FieldId id = field(field_name, scope.row_event, nullptr); id != kNoField) {
    right = {.expr = builder_.field(scope.row_event, id),
             .type = field_type(scope.row_event, id),
             .what = "the field " + quoted(field_name.text),
             .ok = true};
  }
  if (!right.ok) return true;
  constexpr Families kTimes = kDate | kTimestamp;
  const Families l = family_of(left.type);
  const Families r = family_of(right.type);
  if (l != r && !((l & kTimes) != 0 && (r & kTimes) != 0)) {
    error("R0408", operand.where,
          left.what + " (" + std::string(type_name(left.type)) + ") can't be compared with " + right.what + " (" +
              std::string(type_name(right.type)) + ")",
          "both sides must be of one kind");
    return true;
  }
  *ok = true;
  if (times != nullptr) {
    const doc::Read<Decimal> factor = doc::read_decimal(*times->value);
    if (!factor) {
      error("R0104", context.at(times->value->mark), factor.error().message, factor.error().hint);
      *ok = false;
    } else if (r != kNumeric) {
      error("R0408", context.at(times->key_mark), "`times` needs numbers; " + right.what + " is of type " + quoted(type_name(right.type)),
            "remove it");
      *ok = false;
    } else {
      node.times = *factor;
    }
  }
  node.right = right.expr;
  return true;
}

NodeId Compiler::nested_comparison(const Operated& left, const Comparison& ast, const Scope& scope) {
  const Context context = context_of(ast.operand.where);
  MapReader map(context, *ast.operand.node, ast.operand.key.mark, quoted(ast.op));
  if (!map.is_map()) return broken();
  const Comparison inner = read_comparison(map);
  map.finish();
  Expr expr;
  expr.kind = ast.op == "size" ? Expr::Kind::size : Expr::Kind::days_since;
  expr.type = Type::integer;
  expr.child = left.expr;
  const Operated number{.expr = builder_.add(std::move(expr)),
                        .type = Type::integer,
                        .what = (ast.op == "size" ? "the size of " : "the days since ") + left.what,
                        .ok = true};
  return comparison(number, inner, scope, ast.operand.key);
}

NodeId Compiler::changed_condition(const Operated& left, const Comparison& ast) {
  const Context context = context_of(ast.operand.where);
  MapReader map(context, *ast.operand.node, ast.operand.key.mark, "`changed`");
  if (!map.is_map()) return broken();
  WindowAst window_ast;
  window_ast.within = map.raw("within");
  const Raw to = map.raw("to");
  const Raw from = map.raw("from");
  map.finish();
  Node node;
  node.kind = Node::Kind::changed;
  node.ref = left.attribute;
  node.window = window(window_ast);
  node.literals = change_values(to, left);
  node.from_literals = change_values(from, left);
  return builder_.add(std::move(node));
}

NodeId Compiler::has_been_condition(const Operated& left, const Comparison& ast, const Scope& scope) {
  const Context context = context_of(ast.operand.where);
  MapReader map(context, *ast.operand.node, ast.operand.key.mark, "`has_been`");
  if (!map.is_map()) return broken();
  map.require("for");
  const std::optional<DurationMs> lasting = map.duration("for");
  const Comparison inner = read_comparison(map);
  map.finish();
  const OperatorInfo* info = find_operator(inner.op);
  if (inner.op.empty() || info == nullptr || (info->families & (kDate | kTimestamp)) == (kDate | kTimestamp) ||
      inner.operand.node->is_map()) {
    error("R0402", inner.op.empty() ? ast.operand.key : inner.operand.key,
          "`has_been` needs an operator that compares with a value written out, such as `equals`", "has_been: {equals: quote, for: 14d}");
    return broken();
  }
  const NodeId child = comparison(left, inner, scope, ast.operand.key);
  if (!lasting || builder_.node(child).kind != Node::Kind::compare) return broken();
  Node node;
  node.kind = Node::Kind::has_been;
  node.ref = left.attribute;
  node.children = {child};
  node.duration = *lasting;
  return builder_.add(std::move(node));
}

NodeId Compiler::band_condition(std::size_t score, const Comparison& ast) {
  const Context context = context_of(ast.operand.where);
  // By place in the score's own order, which is ascending in the plan.
  std::vector<std::pair<Decimal, std::string_view>> bands;
  for (const auto& [name, from] : scores_[score]->bands) bands.emplace_back(from, name.text);
  std::sort(bands.begin(), bands.end());
  std::vector<std::string_view> known;
  for (const auto& [from, name] : bands) known.push_back(name);
  std::vector<NodeId> any;
  for (const doc::Node* item : items_of(context, *ast.operand.node, ast.operand.key.mark, "`band`", true)) {
    const auto found = std::find(known.begin(), known.end(), item->is_scalar() ? item->text : std::string_view());
    if (found == known.end()) {
      error("R0316", context.at(item->mark),
            "the score " + quoted(scores_[score]->name.text) + " has no band " + (item->is_scalar() ? quoted(item->text) : "like this"),
            item->is_scalar() ? doc::did_you_mean(item->text, known, "bands") : "");
      continue;
    }
    Node node;
    node.kind = Node::Kind::band;
    node.ref = static_cast<std::uint32_t>(score);
    node.band = static_cast<std::uint32_t>(found - known.begin());
    any.push_back(builder_.add(std::move(node)));
  }
  if (any.empty()) return broken();
  return builder_.any(std::move(any));
}

}  // namespace nudge::lang
