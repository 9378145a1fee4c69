#include "rules/testing/read_values.h"

#include <algorithm>
#include <functional>

#include "engine/base/text.h"

namespace nudge::testing {
namespace {

using doc::quoted;

template <class T>
bool report(const lang::Context& context, const doc::Node& node, const doc::Read<T>& read) {
  if (read) return true;
  context.error("R0104", node.mark, read.error().message, read.error().hint);
  return false;
}

std::optional<Value> read_list(const lang::Context& context, const doc::Node& node) {
  if (!node.is_list()) {
    context.error("R0104", node.mark, "a list of texts is expected here, not " + std::string(doc::kind_name(node)), "write `[a, b]`");
    return std::nullopt;
  }
  std::vector<std::string> items;
  for (const doc::Node* item : node.items) {
    const auto text = doc::read_text(*item);
    if (!report(context, *item, text)) return std::nullopt;
    items.emplace_back(*text);
  }
  return Value::of_list(items);
}

/// A group of leaves with dotted names: the customer's attributes, or the fields of one event type.
struct Leaves {
  const std::vector<LeafDef>& leaves;
  const std::vector<ObjectDef>& objects;
  std::string_view what;  // "attribute", "field"
  std::function<void(std::uint16_t, Value)> set;
};

void read_leaves(const lang::Context& context, const doc::Node& node, const std::string& prefix, const Leaves& group);

void read_leaf(const lang::Context& context, const doc::Entry& entry, const std::string& name, const Leaves& group) {
  const auto leaf = std::ranges::find_if(group.leaves, [&](const LeafDef& l) { return l.name == name && !l.retired; });
  if (leaf != group.leaves.end()) {
    const auto id = static_cast<std::uint16_t>(leaf - group.leaves.begin());
    if (entry.value->is_null()) {
      group.set(id, Value());
    } else if (std::optional<Value> value = read_value(context, *entry.value, *leaf)) {
      group.set(id, std::move(*value));
    }
    return;
  }
  const auto object = std::ranges::find(group.objects, name, &ObjectDef::name);
  if (object != group.objects.end()) {
    for (const std::uint16_t id : object->leaves) group.set(id, Value());  // an object is replaced as a whole
    if (entry.value->is_null()) return;
    if (entry.value->is_map()) {
      read_leaves(context, *entry.value, name + ".", group);
    } else {
      context.error("R0104", entry.value->mark,
                    quoted(name) + " is an object: a map is expected here, not " + std::string(doc::kind_name(*entry.value)));
    }
    return;
  }
  std::vector<std::string_view> known;
  for (const LeafDef& l : group.leaves) {
    if (!l.retired) known.push_back(l.name);
  }
  context.error("R0751", entry.key_mark, "the catalog has no " + std::string(group.what) + " " + quoted(name),
                doc::did_you_mean(name, known, std::string(group.what) + "s"));
}

void read_leaves(const lang::Context& context, const doc::Node& node, const std::string& prefix, const Leaves& group) {
  for (const doc::Entry& entry : node.entries) read_leaf(context, entry, prefix + std::string(entry.key), group);
}

}  // namespace

std::optional<Value> read_value(const lang::Context& context, const doc::Node& node, const LeafDef& leaf) {
  switch (leaf.type) {
    case Type::boolean: {
      const auto v = doc::read_bool(node);
      return report(context, node, v) ? std::optional(Value::of_boolean(*v)) : std::nullopt;
    }
    case Type::integer: {
      const auto v = doc::read_integer(node);
      return report(context, node, v) ? std::optional(Value::of_integer(*v)) : std::nullopt;
    }
    case Type::number: {
      const auto v = doc::read_number(node);
      return report(context, node, v) ? std::optional(Value::of_number(*v)) : std::nullopt;
    }
    case Type::decimal: {
      const auto v = doc::read_decimal(node);
      return report(context, node, v) ? std::optional(Value::of_decimal(*v)) : std::nullopt;
    }
    case Type::date: {
      const auto v = doc::read_date(node);
      return report(context, node, v) ? std::optional(Value::of_date(*v)) : std::nullopt;
    }
    case Type::timestamp: {
      const auto v = doc::read_timestamp(node);
      return report(context, node, v) ? std::optional(Value::of_timestamp(*v)) : std::nullopt;
    }
    case Type::list: return read_list(context, node);
    case Type::text:
    case Type::phone: {
      const auto v = doc::read_text(node);
      if (!report(context, node, v)) return std::nullopt;
      if (!leaf.one_of.empty() && std::ranges::find(leaf.one_of, *v) == leaf.one_of.end()) {
        const std::vector<std::string_view> allowed(leaf.one_of.begin(), leaf.one_of.end());
        context.error("R0752", node.mark, quoted(leaf.name) + " must be one of " + lang::join_words(allowed, "or") + ", not " + quoted(*v),
                      doc::did_you_mean(*v, allowed, "values"));
        return std::nullopt;
      }
      return Value::of_text(*v);
    }
    case Type::object: break;
  }
  context.error("R0104", node.mark, quoted(leaf.name) + " is an object and has no value of its own");
  return std::nullopt;
}

void read_fields(const lang::Context& context, const doc::Node& node, const doc::Mark& key_mark, const EventTypeDef& type,
                 std::vector<Value>& fields) {
  const lang::MapReader map(context, node, key_mark, "`data`");
  fields.resize(type.fields.size());
  read_leaves(context, node, "", {type.fields, type.objects, "field", [&](std::uint16_t id, Value v) { fields[id] = std::move(v); }});
}

void read_attributes(const lang::Context& context, const doc::Node& node, const doc::Mark& key_mark, const Catalog& catalog,
                     std::vector<AttributeUpdate>& updates) {
  const lang::MapReader map(context, node, key_mark, "the attributes");
  read_leaves(context, node, "", {catalog.attributes, catalog.objects, "attribute", [&](std::uint16_t id, Value v) {
                                    const auto same = std::ranges::find(updates, id, &AttributeUpdate::attribute);
                                    if (same == updates.end()) {
                                      updates.push_back({id, std::move(v)});
                                    } else {
                                      same->value = std::move(v);
                                    }
                                  }});
}

std::string json_of(const doc::Node& node) {
  if (node.is_null()) return "null";
  std::string out;
  if (node.is_scalar()) {
    if (!node.quoted && doc::looks_typed(node)) return std::string(node.text);
    append_json_string(out, node.text);
    return out;
  }
  out = node.is_map() ? "{" : "[";
  for (const doc::Entry& entry : node.entries) {
    if (out.size() > 1) out += ',';
    append_json_string(out, entry.key);
    out += ':' + json_of(*entry.value);
  }
  for (const doc::Node* item : node.items) out += (out.size() > 1 ? "," : "") + json_of(*item);
  return out + (node.is_map() ? '}' : ']');
}

}  // namespace nudge::testing
