#include "engine/core/write.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/base/limits.h"
#include "engine/base/text.h"
#include "engine/core/evaluate.h"

namespace nudge {

namespace {

constexpr std::size_t kFactHead = 34;     // "~", 32 digits, "."
constexpr DurationMs kWritesAhead = 64;  // the writes of one instant lie this close; one further on is of another time (a backtest's)

std::string quoted(std::string_view name) { return "`" + std::string(name) + "`"; }

std::unexpected<Error> unfit(const LeafDef& leaf, const std::string& why) {
  return fail(Code::invalid, "nothing was written: " + quoted(leaf.name) + " " + why);
}

Result<Value> fit_text(const LeafDef& leaf, Value v) {
  if (v.bytes.size() > limits::kTextBytes) return unfit(leaf, "would be longer than " + std::to_string(limits::kTextBytes) + " bytes");
  if (!leaf.one_of.empty() && std::ranges::find(leaf.one_of, v.bytes) == leaf.one_of.end()) {
    std::string allowed;
    for (const std::string& text : leaf.one_of) allowed += (allowed.empty() ? "" : ", ") + text;
    return unfit(leaf, "may not be " + to_json(v.view()) + "; allowed are " + allowed);
  }
  if (leaf.type == Type::phone && !is_phone(v.bytes)) return unfit(leaf, "would be no phone number: " + to_json(v.view()));
  return v;
}

Result<Value> fit_list(const LeafDef& leaf, const Value& v) {
  if (list_size(v.bytes) > limits::kListItems) return unfit(leaf, "would have more than " + std::to_string(limits::kListItems) + " items");
  for (const std::string_view item : unpack_list(v.bytes)) {
    if (leaf.one_of.empty() || std::ranges::find(leaf.one_of, item) != leaf.one_of.end()) continue;
    return unfit(leaf, "may not have the item " + quoted(item));
  }
  return v;
}

Result<Value> fit_decimal(const LeafDef& leaf, const Value& v) {
  const std::string beyond = "would be beyond 18 digits";
  if (v.kind == Kind::decimal) {
    if (v.bits > Decimal::kMaxUnits || v.bits < -Decimal::kMaxUnits) return unfit(leaf, beyond);
    return v;
  }
  if (v.kind == Kind::integer) {
    constexpr std::int64_t kMost = Decimal::kMaxUnits / Decimal::kScale;
    if (v.bits > kMost || v.bits < -kMost) return unfit(leaf, beyond);
    return Value::of_decimal(Decimal{v.bits * Decimal::kScale});
  }
  // An average: the nearest millionth.
  const double units = std::nearbyint(v.view().d * static_cast<double>(Decimal::kScale));
  if (!(std::fabs(units) <= static_cast<double>(Decimal::kMaxUnits))) return unfit(leaf, beyond);
  return Value::of_decimal(Decimal{static_cast<std::int64_t>(units)});
}

double as_double(const Value& v) {
  if (v.kind == Kind::number) return v.view().d;
  return v.kind == Kind::integer ? static_cast<double>(v.bits) : static_cast<double>(v.bits) / static_cast<double>(Decimal::kScale);
}

// The value in the leaf's own kind, within its limits.
Result<Value> fit(const LeafDef& leaf, Value v) {
  const Kind wanted = kind_of(leaf.type);
  if (wanted == Kind::decimal && is_numeric(v.kind)) return fit_decimal(leaf, v);
  if (wanted == Kind::number && is_numeric(v.kind)) {
    const double d = as_double(v);
    if (!std::isfinite(d)) return unfit(leaf, "would be no finite number");
    return Value::of_number(d);
  }
  if (v.kind != wanted) return unfit(leaf, "is of type " + quoted(type_name(leaf.type)) + " and can't be " + quoted(to_text(v.view())));
  if (wanted == Kind::text) return fit_text(leaf, std::move(v));
  if (wanted == Kind::list) return fit_list(leaf, v);
  return v;
}

Result<Value> source_of(const RenderContext& context, const WriteValue& w, const LeafDef& leaf) {
  switch (w.source) {
    case WriteValue::Source::literal: return w.value;
    case WriteValue::Source::expr: return context.evaluator.plain(context.evaluator.value(w.expr));
    case WriteValue::Source::text: {
      NUDGE_ASSIGN(std::string text, render(context, w.text, Escape::none));
      return Value::of_text(text);
    }
    case WriteValue::Source::now:
      if (leaf.type == Type::date) return Value::of_date(context.evaluator.zone().local(context.now).date);
      return Value::of_timestamp(context.now);
    case WriteValue::Source::clear: break;
  }
  return Value();
}

Result<Value> sum(const LeafDef& leaf, const Value& current, const Value& by) {
  NUDGE_ASSIGN(const Value add, fit(leaf, by));
  if (current.missing()) return add;  // as a sum over nothing: 0
  if (leaf.type == Type::number) return fit(leaf, Value::of_number(current.view().d + add.view().d));
  std::int64_t total = 0;
  if (__builtin_add_overflow(current.bits, add.bits, &total)) return unfit(leaf, "would be beyond 64 bits");
  return fit(leaf, leaf.type == Type::integer ? Value::of_integer(total) : Value::of_decimal(Decimal{total}));
}

// A list with the items added at its end, each once, or taken out.
Result<Value> changed_list(const LeafDef& leaf, const Value& current, const Value& by, bool append) {
  std::vector<std::string> items;
  for (const std::string_view item : unpack_list(current.bytes)) items.emplace_back(item);
  std::vector<std::string> some;
  if (by.kind == Kind::list) {
    for (const std::string_view item : unpack_list(by.bytes)) some.emplace_back(item);
  } else {
    some.push_back(by.bytes);
  }
  for (const std::string& item : some) {
    const bool there = std::ranges::find(items, item) != items.end();
    if (append && !there) items.push_back(item);
    if (!append) std::erase(items, item);
  }
  return fit(leaf, Value::of_list(items));
}

// `value`, unless that is a step back which nobody asked for.
Result<Value> forward(const WriteValue& w, const LeafDef& leaf, const Value& current, Value value) {
  if (!leaf.forward || w.back || current.missing()) return value;
  const auto place = [&](const Value& v) { return std::ranges::find(leaf.one_of, v.bytes) - leaf.one_of.begin(); };
  if (place(value) >= place(current)) return value;
  return unfit(leaf, "is " + quoted(current.bytes) + " already and moves forward only, so it does not become " + quoted(value.bytes) + "; `{back: " + value.bytes +
                         "}` would be a step back on purpose");
}

Result<Value> written(const RenderContext& context, const WriteValue& w, const LeafDef& leaf, const Value& current) {
  if (w.source == WriteValue::Source::clear) return Value();
  NUDGE_ASSIGN(Value v, source_of(context, w, leaf));
  if (v.missing()) return unfit(leaf, "has nothing to take its value from: what it refers to is missing");
  switch (w.op) {
    case WriteValue::Op::set: {
      NUDGE_ASSIGN(Value value, fit(leaf, std::move(v)));
      return forward(w, leaf, current, std::move(value));
    }
    case WriteValue::Op::add: return sum(leaf, current, v);
    case WriteValue::Op::append: return changed_list(leaf, current, v, true);
    case WriteValue::Op::remove: return current.missing() ? Result<Value>(Value()) : changed_list(leaf, current, v, false);
  }
  return Value();
}

bool made_by_rule(std::string_view id) { return fact_depth(id) > 0; }

// The first instant after `now` that no rule's write about the same thing has taken.
TimeMs free_instant(const CustomerState& state, const Write& write, TimeMs now) {
  TimeMs taken = now;
  if (write.kind == Write::Kind::attributes && state.attributes.next_after(now) != kNever) {
    for (std::size_t i = 0; i < state.attributes.size(); ++i) {
      const TimeMs time = state.attributes.time(i);
      if (time <= taken || time > now + kWritesAhead || !made_by_rule(state.attributes.id(i))) continue;
      const AttributeId attribute = state.attributes.attribute(i);
      if (std::ranges::any_of(write.values, [&](const WriteValue& w) { return w.target == attribute; })) taken = state.attributes.time(i);
    }
  }
  if (write.kind == Write::Kind::add_tag || write.kind == Write::Kind::remove_tag) {
    for (const TagUpdate& tag : state.tags) {
      const bool near = tag.time > taken && tag.time <= now + kWritesAhead;
      if (near && tag.tag == write.tag && made_by_rule(tag.id)) taken = tag.time;
    }
  }
  return taken + 1;
}

void append_member(std::string& json, std::string_view name, std::string_view value) {
  if (json.back() != '{') json += ',';
  append_json_string(json, name);
  json += ':';
  json += value;
}

Result<void> write_attributes(const RenderContext& context, const Write& write, MadeFact& made) {
  made.input.kind = InputKind::attributes;
  made.payload = "{";
  for (const WriteValue& w : write.values) {
    const LeafDef& leaf = context.plan.catalog->attributes[w.target];
    TimeMs until = kNever;
    const Value current(context.state.attributes.at(w.target, made.input.time, until));
    NUDGE_ASSIGN(Value value, written(context, w, leaf, current));
    append_member(made.payload, leaf.name, to_json(value.view()));
    made.input.attributes.push_back({w.target, std::move(value)});
  }
  made.payload += '}';
  return {};
}

Result<void> write_event(const RenderContext& context, const Write& write, MadeFact& made) {
  const EventTypeDef& type = context.plan.catalog->events[write.event];
  made.input.kind = InputKind::event;
  made.input.type = write.event;
  made.input.fields.resize(type.fields.size());
  std::string fields = "{";
  for (const WriteValue& w : write.values) {
    const LeafDef& leaf = type.fields[w.target];
    NUDGE_ASSIGN(Value source, source_of(context, w, leaf));
    if (source.missing()) continue;  // as in every event, what is not known is left out
    NUDGE_ASSIGN(Value value, fit(leaf, std::move(source)));
    append_member(fields, leaf.name, to_json(value.view()));
    made.input.fields[w.target] = std::move(value);
  }
  std::string name;
  append_json_string(name, type.name);
  made.payload = "{";
  append_member(made.payload, "type", name);
  append_member(made.payload, "fields", fields + "}");
  made.payload += '}';
  return {};
}

}  // namespace

std::string fact_id(const Hash128& action, std::uint32_t depth) { return "~" + to_hex(action) + "." + std::to_string(depth); }

std::uint32_t fact_depth(std::string_view id) {
  if (id.size() <= kFactHead || id[0] != '~' || id[kFactHead - 1] != '.') return 0;
  std::uint32_t depth = 0;
  const auto [end, error] = std::from_chars(id.data() + kFactHead, id.data() + id.size(), depth);
  return error == std::errc() && end == id.data() + id.size() ? depth : 0;
}

Result<MadeFact> make_fact(const RenderContext& context, const Write& write, std::string id) {
  MadeFact made;
  made.input.customer = context.state.id;
  made.input.id = std::move(id);
  // Judging the past once more finds what was written then: it stays as it was.
  const std::optional<Input> kept = context.state.find(made.input.id, *context.plan.catalog);
  made.input.time = kept ? kept->time : free_instant(context.state, write, context.now);
  switch (write.kind) {
    case Write::Kind::attributes: NUDGE_TRY(write_attributes(context, write, made)); break;
    case Write::Kind::event: NUDGE_TRY(write_event(context, write, made)); break;
    case Write::Kind::add_tag:
    case Write::Kind::remove_tag: {
      made.input.kind = InputKind::tag;
      made.input.tag = write.tag;
      made.input.tag_removed = write.kind == Write::Kind::remove_tag;
      std::string tag;
      append_json_string(tag, write.tag);
      made.payload = "{\"tag\":" + tag;
      if (write.expires > 0) {
        made.input.tag_expires = made.input.time + write.expires;
        append_member(made.payload, "expires", to_json(ValueView::of_timestamp(made.input.tag_expires)));
      }
      made.payload += '}';
      break;
    }
    case Write::Kind::none:
    case Write::Kind::owner: break;
  }
  return made;
}

bool done_by_engine(const ActionOut& action) {
  return action.kind == "set_attribute" || action.kind == "add_tag" || action.kind == "remove_tag" || action.kind == "emit_event" ||
         action.kind == "cancel_tasks" || action.kind == "move_to_pool" || action.kind == "close_lead" || (action.kind == "assign_owner" && !action.assigns);
}

// Both values are made by us and need no escapes: a name of the catalog, and a fact's id.
std::string owner_payload(const Catalog& catalog, AttributeId owner, std::string_view fact) {
  std::string out = R"({"attribute":")" + catalog.attributes[owner].name + R"(","fact":")";
  out.append(fact);
  return out + R"("})";
}

std::optional<Input> owner_fact(const Catalog& catalog, const ActionOut& action) {
  const auto member = [&](std::string_view name) {
    const std::string key = "\"" + std::string(name) + "\":\"";
    const std::size_t at = action.payload.find(key);
    if (at == std::string::npos) return std::string();
    const std::size_t from = at + key.size();
    return action.payload.substr(from, action.payload.find('"', from) - from);
  };
  const AttributeId owner = catalog.find_attribute(member("attribute"));
  if (action.owner.empty() || owner == kNoAttribute || kind_of(catalog.attributes[owner].type) != Kind::text) return std::nullopt;
  Input input;
  input.kind = InputKind::attributes;
  input.customer = action.customer;
  input.id = member("fact");
  input.time = action.at + 1;
  input.attributes.push_back({owner, Value::of_text(action.owner)});
  return input;
}

}  // namespace nudge
