// Conditions over events, fields, sequences and the calendar.
#include <algorithm>

#include "engine/base/limits.h"
#include "engine/plan/dependencies.h"
#include "rules/lang/compile.h"

namespace nudge::lang {

using doc::quoted;

namespace {

std::vector<std::string_view> names_of(const std::vector<LeafDef>& leaves, const std::vector<ObjectDef>& objects) {
  std::vector<std::string_view> names;
  for (const LeafDef& leaf : leaves) {
    if (!leaf.retired) names.push_back(leaf.name);
  }
  for (const ObjectDef& object : objects) names.push_back(object.name);
  return names;
}

/// The part of a dotted path that is declared as a plain value: `name` of `name.first`.
const LeafDef* plain_prefix(const std::vector<LeafDef>& leaves, std::string_view path) {
  for (const LeafDef& leaf : leaves) {
    if (!leaf.retired && path.size() > leaf.name.size() && path.starts_with(leaf.name) && path[leaf.name.size()] == '.') return &leaf;
  }
  return nullptr;
}

}  // namespace

NodeId Compiler::condition(const Condition& ast, const Scope& scope) {
  const std::size_t first = map_ == nullptr ? 0 : map_->spots.size();
  const NodeId node = compile_condition(ast, scope);
  map_condition(ast, scope, node, first);
  using Kind = Condition::Kind;
  const bool for_itself = ast.kind != Kind::broken && ast.kind != Kind::all && ast.kind != Kind::any && ast.kind != Kind::negate;
  if (for_itself) record_part(node, scope.row_event, ast.where);
  return node;
}

void Compiler::record_part(NodeId node, EventTypeId row_event, const Where& where) {
  if (!options_.record_parts || where.document == nullptr || owner_.kind == ConditionPart::Owner::none) return;
  parts_.push_back({.owner = owner_.kind,
                    .name = std::string(owner_.name),
                    .step = owner_.step,
                    .node = node,
                    .row_event = row_event,
                    .file = where.document->name(),
                    .line = where.mark.line,
                    .column = where.mark.column});
}

NodeId Compiler::compile_condition(const Condition& ast, const Scope& scope) {
  using Kind = Condition::Kind;
  // Further messages would not be shown, and looking for near names costs time.
  if (diagnostics_.items().size() >= doc::Diagnostics::kMax) return broken();
  switch (ast.kind) {
    case Kind::broken: return broken();
    case Kind::all:
    case Kind::any: {
      std::vector<NodeId> children;
      for (const Condition& child : ast.children) children.push_back(condition(child, scope));
      return ast.kind == Kind::all ? builder_.all(std::move(children)) : builder_.any(std::move(children));
    }
    case Kind::negate: return builder_.negate(condition(ast.children.front(), scope));
    case Kind::attribute: {
      const ObjectDef* object = nullptr;
      const Operated left = attribute_operand(ast.subject, &object);
      if (object != nullptr) return object_condition(*object, ast.comparison, kNoEventType, left.what, ast.where);
      return left.ok ? comparison(left, ast.comparison, scope, ast.where) : broken();
    }
    case Kind::field: {
      if (scope.row_event == kNoEventType) return broken();  // the event is unknown: reported
      const ObjectDef* object = nullptr;
      const FieldId id = field(ast.subject, scope.row_event, &object);
      const std::string what = "the field " + quoted(ast.subject.text);
      if (object != nullptr) return object_condition(*object, ast.comparison, scope.row_event, what, ast.where);
      if (id == kNoField) return broken();
      const EventTypeDef& event = catalog_->events[scope.row_event];
      const Operated left{.expr = builder_.field(scope.row_event, id),
                          .type = field_type(scope.row_event, id),
                          .what = what,
                          .leaf = id == kTimeField ? nullptr : &event.fields[id],
                          .ok = true};
      return comparison(left, ast.comparison, scope, ast.where);
    }
    case Kind::event: return event_condition(*ast.query, scope);
    case Kind::trait: {
      const Operated left = trait_reference(ast.subject);
      return left.ok ? comparison(left, ast.comparison, scope, ast.where) : broken();
    }
    case Kind::score: {
      const Operated left = score_reference(ast.subject);
      if (!left.ok) return broken();
      if (ast.comparison.op == "band") return band_condition(builder_.expr(left.expr).ref, ast.comparison);
      return comparison(left, ast.comparison, scope, ast.where);
    }
    case Kind::segment: return segment_reference(ast.subject);
    case Kind::tag: {
      Node node;
      node.kind = Node::Kind::tag;
      node.text = ast.subject.text;
      return builder_.add(std::move(node));
    }
    case Kind::sequence: return sequence_condition(ast, scope);
    case Kind::calendar: {
      Node node;
      node.kind = Node::Kind::calendar;
      node.ref = builder_.add(ast.calendar);
      return builder_.add(std::move(node));
    }
  }
  return broken();
}

EventTypeId Compiler::event_type(const Name& name) {
  const EventTypeId id = catalog_->find_event(name.text);
  if (id != kNoEventType) return id;
  std::vector<std::string_view> known;
  for (const EventTypeDef& event : catalog_->events) {
    if (!event.retired) known.push_back(event.name);
  }
  std::string hint = doc::did_you_mean(name.text, known, "event types");
  error("R0302", name.where, "the catalog has no event type " + quoted(name.text),
        hint.empty() ? "declare it under `events:` in schemas/" : hint);
  return kNoEventType;
}

FieldId Compiler::field(const Name& name, EventTypeId event, const ObjectDef** object) {
  if (name.text == "timestamp") return kTimeField;
  const EventTypeDef& def = catalog_->events[event];
  const FieldId id = def.find(name.text);
  if (id != kNoField) return id;
  if (object != nullptr) {
    *object = def.find_object(name.text);
    if (*object != nullptr) return kNoField;
  } else if (def.find_object(name.text) != nullptr) {
    error("R0315", name.where, quoted(name.text) + " is an object; one value is needed here",
          "name one of its members: `" + std::string(name.text) + ".…`");
    return kNoField;
  }
  if (const LeafDef* leaf = plain_prefix(def.fields, name.text)) {
    error("R0312", name.where,
          quoted(name.text) + " looks inside " + quoted(leaf->name) + ", which is a plain value of type " + quoted(type_name(leaf->type)),
          "only an object has members");
    return kNoField;
  }
  std::vector<std::string_view> known = names_of(def.fields, def.objects);
  known.push_back("timestamp");
  std::string hint = doc::did_you_mean(name.text, known, "fields");
  error("R0303", name.where, "the event " + quoted(def.name) + " has no field " + quoted(name.text), std::move(hint));
  return kNoField;
}

Type Compiler::field_type(EventTypeId event, FieldId field) const {
  return field == kTimeField ? Type::timestamp : catalog_->events[event].fields[field].type;
}

Operated Compiler::attribute_operand(const Name& name, const ObjectDef** object) {
  Operated result;
  result.what = "the attribute " + quoted(name.text);
  const AttributeId id = catalog_->find_attribute(name.text);
  if (id != kNoAttribute) {
    result.expr = builder_.attribute(id);
    result.leaf = &catalog_->attributes[id];
    result.type = result.leaf->type;
    result.attribute = id;
    result.ok = true;
    return result;
  }
  *object = catalog_->find_object(name.text);
  if (*object != nullptr) return result;
  if (const LeafDef* leaf = plain_prefix(catalog_->attributes, name.text)) {
    error("R0312", name.where,
          quoted(name.text) + " looks inside " + quoted(leaf->name) + ", which is a plain value of type " + quoted(type_name(leaf->type)),
          "only an object has members");
    return result;
  }
  std::string hint = doc::did_you_mean(name.text, names_of(catalog_->attributes, catalog_->objects), "attributes");
  error("R0301", name.where, "the catalog has no attribute " + quoted(name.text),
        hint.empty() ? "declare it under `customer: attributes:` in schemas/" : hint);
  return result;
}

NodeId Compiler::object_condition(const ObjectDef& object, const Comparison& comparison, EventTypeId event, const std::string& what,
                                  const Where& where) {
  if (comparison.op != "exists") {
    error("R0402", comparison.op.empty() ? where : comparison.operand.key, what + " is an object: only `exists` can be asked of it",
          "name one of its members: `" + object.name + ".…`");
    return broken();
  }
  const doc::Read<bool> wanted = doc::read_bool(*comparison.operand.node);
  if (!wanted) {
    error("R0404", comparison.operand.where, wanted.error().message, wanted.error().hint);
    return broken();
  }
  std::vector<NodeId> members;
  for (const std::uint16_t leaf : object.leaves) {
    Node node;
    node.kind = Node::Kind::compare;
    node.op = Op::exists;
    node.left = event == kNoEventType ? builder_.attribute(leaf) : builder_.field(event, leaf);
    node.literals = {Value::of_boolean(true)};
    members.push_back(builder_.add(std::move(node)));
  }
  const NodeId present = builder_.any(std::move(members));
  return *wanted ? present : builder_.negate(present);
}

NodeId Compiler::row_filter(const std::unique_ptr<Condition>& filter, EventTypeId event, const Scope& scope) {
  if (filter == nullptr) return kNone;
  Scope inner = scope;
  inner.row_event = event;
  return condition(*filter, inner);
}

NodeId Compiler::event_condition(const EventQuery& query, const Scope& scope) {
  const Operated left = aggregate(query, scope);
  if (!left.ok) return broken();
  if (!query.aggregate.empty()) {
    if (query.comparison.op.empty()) return broken();  // reported by the reader
    return comparison(left, query.comparison, scope, query.aggregate_at);
  }
  Node node;
  node.kind = Node::Kind::compare;
  node.left = left.expr;
  node.op = Op::at_least;
  node.literals = {Value::of_integer(1)};
  return builder_.add(std::move(node));
}

Operated Compiler::aggregate(const EventQuery& query, const Scope& scope) {
  Operated result;
  Aggregate aggregate;
  aggregate.event = event_type(query.event);
  const bool known = aggregate.event != kNoEventType;
  aggregate.filter = row_filter(query.filter, aggregate.event, scope);
  aggregate.window = window(query.window);
  map_window(aggregate.event, aggregate.window, query.window);
  const Raw& written = query.window.within ? query.window.within : query.window.since ? query.window.since : query.window.from ? query.window.from : query.window.to;
  check_kept(aggregate.event, aggregate.window, written ? written.where : query.event.where);
  if (query.before_trigger) {
    aggregate.before_trigger = true;
    if (scope.trigger_event == kNoEventType) {
      error("R0504", query.before_at,
            "`before: trigger` needs a rule that fires on an event; " +
                (scope.in_rule ? "this rule fires on something else" : std::string("a definition has no trigger")),
            scope.in_rule ? "" : "move the condition into the rule's `if`");
    }
  }
  if (!known) return result;
  if (query.same) {
    aggregate.same = field(query.same, aggregate.event, nullptr);
    const Type type = aggregate.same == kNoField ? Type::text : field_type(aggregate.event, aggregate.same);
    if (aggregate.same == kTimeField || type == Type::list) {
      error("R0507", query.same.where, "`same` needs a field with one plain value, such as an order number");
    } else if (aggregate.same != kNoField && scope.trigger_same && family_of(*scope.trigger_same) != family_of(type)) {
      error("R0507", query.same.where,
            "`same` of the trigger is of type " + quoted(type_name(*scope.trigger_same)) + ", the field " + quoted(query.same.text) +
                " of type " + quoted(type_name(type)) + ": they are never equal",
            "name the field that holds the same thing in both events");
    }
    const bool derived = query.days_since || query.comparison.op == "size";
    if (derived && !scope.trigger_same) {
      error("R0507", query.same.where,
            "`same` can't be combined with " + quoted(query.days_since ? "days_since" : "size") +
                " here: it is not clear which value's rows are meant",
            "it can be in a rule whose trigger says `same`");
    }
  }
  const std::string_view fn = query.aggregate;
  result.what = "`" + std::string(fn.empty() ? "count" : fn) + "` of " + quoted(query.event.text);
  if (fn.empty() || fn == "count") {
    result.type = Type::integer;
  } else {
    static constexpr std::pair<std::string_view, Aggregate::Fn> kFns[] = {
        {"sum", Aggregate::Fn::sum},  {"average", Aggregate::Fn::average},   {"min", Aggregate::Fn::min},
        {"max", Aggregate::Fn::max},  {"distinct", Aggregate::Fn::distinct}, {"first", Aggregate::Fn::first},
        {"last", Aggregate::Fn::last}};
    for (const auto& [word, value] : kFns) {
      if (word == fn) aggregate.fn = value;
    }
    const bool ends = fn == "first" || fn == "last";
    if (!query.field && !ends) {
      error("R0411", query.aggregate_at, quoted(fn) + " needs the field that it is computed from",
            "`" + std::string(fn) + ": {field: NAME, …}`");
      return result;
    }
    aggregate.field = query.field ? field(query.field, aggregate.event, nullptr) : kTimeField;
    if (aggregate.field == kNoField) return result;
    const Type type = field_type(aggregate.event, aggregate.field);
    const Families family = family_of(type);
    const bool fits = fn == "sum" || fn == "average" ? family == kNumeric
                      : fn == "min" || fn == "max"   ? (family & (kNumeric | kDate | kTimestamp)) != 0
                      : fn == "distinct"             ? family != kList
                                                     : true;
    if (!fits) {
      error("R0410", query.field ? query.field.where : query.aggregate_at,
            quoted(fn) + " does not fit the field " + quoted(query.field.text) + ", which is of type " + quoted(type_name(type)),
            fn == "sum" || fn == "average" ? "it needs a number; to count rows use `count`"
            : fn == "distinct"             ? ""
                                           : "it needs a number, date or timestamp");
      return result;
    }
    result.what = quoted(fn) + " of " + (query.field ? "the field " + quoted(query.field.text) : std::string("the row's time"));
    if (ends && aggregate.field != kTimeField) result.leaf = &catalog_->events[aggregate.event].fields[aggregate.field];
    result.type = fn == "distinct" ? Type::integer : fn == "average" && type == Type::integer ? Type::decimal : type;
  }
  result.expr = builder_.aggregate(builder_.add(aggregate));
  result.ok = true;
  if (query.days_since) {
    if (result.type != Type::date && result.type != Type::timestamp) {
      error("R0410", query.field.where,
            "`days_since` needs a date or timestamp; " + result.what + " is of type " + quoted(type_name(result.type)));
      result.ok = false;
      return result;
    }
    Expr expr;
    expr.kind = Expr::Kind::days_since;
    expr.type = Type::integer;
    expr.child = result.expr;
    result = {.expr = builder_.add(std::move(expr)), .type = Type::integer, .what = "the days since " + result.what, .ok = true};
  }
  return result;
}

std::optional<DurationMs> Compiler::window_length(const Raw& raw) {
  const doc::Read<DurationMs> value = doc::read_duration(*raw.node);
  if (!value) {
    error("R0104", raw.where, value.error().message, value.error().hint);
    return std::nullopt;
  }
  if (*value > limits::kWindow) {
    error("R0502", raw.where, quoted(raw.node->text) + " is longer than the longest window, " + format_duration(limits::kWindow),
          "without a window all rows count");
    return std::nullopt;
  }
  return *value;
}

Window Compiler::window(const WindowAst& ast) {
  Window result;
  const int forms = int{static_cast<bool>(ast.within)} + int{static_cast<bool>(ast.since)} + int{ast.from || ast.to};
  if (forms > 1) {
    const Where& second = ast.since ? ast.since.key : ast.from ? ast.from.key : ast.to.key;
    error("R0501", second, "a condition has one window: `within`, or `from` and `to`, or `since`", "take one of them out");
    return result;
  }
  if (ast.within) {
    result.kind = Window::Kind::within;
    result.a = window_length(ast.within).value_or(1);
    if (result.a == 0) error("R0502", ast.within.where, "a window of no time holds nothing", "give it a length, such as 30d");
  } else if (ast.since && ast.unit) {
    result.kind = Window::Kind::since;
    result.unit = static_cast<Window::Unit>(*ast.unit);
    result.tenant_zone = ast.company_zone;
  } else if (ast.from || ast.to) {
    const auto is_duration = [](const Raw& raw) {
      return raw && raw.node->is_scalar() && !raw.node->quoted && parse_duration(raw.node->text).has_value();
    };
    if (is_duration(ast.from) || is_duration(ast.to)) {
      if (!ast.from || !ast.to) {
        error("R0501", ast.from ? ast.from.key : ast.to.key,
              ast.from ? "`from` a length of time needs a `to`" : "`to` a length of time needs a `from`",
              ast.from ? "for the last " + std::string(ast.from.node->text) + " write `within: " + std::string(ast.from.node->text) + "`"
                       : "");
        return result;
      }
      result.kind = Window::Kind::from_to;
      const auto a = window_length(ast.from);
      const auto b = window_length(ast.to);
      if (a && b && *a <= *b)
        error("R0503", ast.to.where, "this window ends before it starts: `from` is the longer time ago", "swap `from` and `to`");
      result.a = a.value_or(1);
      result.b = b.value_or(0);
    } else {
      result.kind = Window::Kind::fixed;
      result.tenant_zone = ast.company_zone;
      const auto bound = [&](const Raw& raw) {
        Window::Bound end;
        if (!raw) return end;
        if (const auto date = doc::read_date(*raw.node)) {
          end = {true, true, *date};
        } else if (const auto time = doc::read_timestamp(*raw.node)) {
          end = {true, false, *time};
        } else {
          error("R0104", raw.where, "a length of time, a date or a timestamp is expected here",
                "60d, 2026-01-31 or 2026-01-31T09:00:00+08:00");
        }
        return end;
      };
      result.lo = bound(ast.from);
      result.hi = bound(ast.to);
      const bool comparable = result.lo.set && result.hi.set && result.lo.is_date == result.hi.is_date;
      if (comparable && (result.lo.is_date ? result.lo.at > result.hi.at : result.lo.at >= result.hi.at))
        error("R0503", ast.to.where, "this window ends before it starts", "swap `from` and `to`");
    }
  }
  if (ast.zone && result.kind != Window::Kind::since && result.kind != Window::Kind::fixed) {
    error("R0501", ast.zone.key, "`zone` only matters to a window by the calendar",
          "remove it, or use `since: start_of_day` or fixed dates");
  }
  return result;
}

void Compiler::check_kept(EventTypeId event, const Window& window, const Where& where) {
  if (event == kNoEventType || catalog_->events[event].keep == 0) return;
  const EventTypeDef& type = catalog_->events[event];
  const DurationMs reach = reach_of(window);
  if (reach <= type.keep) return;
  const std::string kept = "the catalog keeps " + quoted(type.name) + " for " + format_duration(type.keep) + " only; what is older is deleted";
  const std::string shorter = "`within: " + format_duration(type.keep) + "` or shorter";
  if (window.kind == Window::Kind::ever) {
    error("R0508", where, "without a window all rows count, however old, and " + kept,
          "say how far back: " + shorter + "; or take `keep` out of the catalog");
  } else if (window.kind == Window::Kind::fixed) {
    error("R0508", where, "this window's dates do not move on with time, and " + kept, "write " + shorter + ", or take `keep` out of the catalog");
  } else {
    error("R0508", where, "this window reaches back " + format_duration(reach) + ", and " + kept,
          "write " + shorter + ", or `" + type.name + ": {keep: " + format_duration(reach) + "}` in the catalog");
  }
}

NodeId Compiler::sequence_condition(const Condition& ast, const Scope& scope) {
  const SequenceAst& sequence = *ast.sequence;
  Sequence result;
  bool ok = sequence.items.size() >= 2;
  std::optional<Type> same_type;
  for (const SequenceItem& item : sequence.items) {
    SequenceStep step;
    step.event = event_type(item.event);
    step.filter = row_filter(item.filter, step.event, scope);
    step.absent = item.absent;
    if (item.within) step.within = *item.within;
    if (item.lasting) step.lasting = *item.lasting;
    if (step.event == kNoEventType) {
      ok = false;
      continue;
    }
    if (sequence.same) {
      step.same = field(sequence.same, step.event, nullptr);
      if (step.same == kTimeField) {
        error("R0507", sequence.same.where, "`same` needs a field with one plain value, such as an order number");
      } else if (step.same != kNoField) {
        const Type type = field_type(step.event, step.same);
        if (type == Type::list || (same_type && *same_type != type))
          error("R0507", sequence.same.where,
                "the field " + quoted(sequence.same.text) + " must have the same plain type in every event of the sequence");
        same_type = type;
      }
      ok = ok && step.same != kNoField;
    }
    result.steps.push_back(step);
  }
  if (sequence.within) {
    result.window.kind = Window::Kind::within;
    result.window.a = *sequence.within;
  }
  for (std::size_t i = 0; i < result.steps.size() && ok; ++i) check_kept(result.steps[i].event, result.window, sequence.items[i].event.where);
  if (!ok) return broken();
  Node node;
  node.kind = Node::Kind::sequence;
  node.ref = builder_.add(std::move(result));
  return builder_.add(std::move(node));
}

}  // namespace nudge::lang
