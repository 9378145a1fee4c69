#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "engine/base/limits.h"
#include "rules/doc/reader.h"
#include "rules/lang/load.h"
#include "rules/lang/shape.h"

namespace nudge::lang {
namespace {

using doc::quoted;

constexpr std::array<std::pair<std::string_view, Type>, 10> kTypes = {{{"boolean", Type::boolean},
                                                                       {"integer", Type::integer},
                                                                       {"number", Type::number},
                                                                       {"decimal", Type::decimal},
                                                                       {"text", Type::text},
                                                                       {"phone", Type::phone},
                                                                       {"date", Type::date},
                                                                       {"timestamp", Type::timestamp},
                                                                       {"list of text", Type::list},
                                                                       {"object", Type::object}}};

/// What other systems call our types.
constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kAliases = {{{"string", "text"},
                                                                                     {"str", "text"},
                                                                                     {"email", "text"},
                                                                                     {"enum", "text"},
                                                                                     {"int", "integer"},
                                                                                     {"long", "integer"},
                                                                                     {"float", "number"},
                                                                                     {"double", "number"},
                                                                                     {"money", "decimal"},
                                                                                     {"currency", "decimal"},
                                                                                     {"bool", "boolean"},
                                                                                     {"datetime", "timestamp"},
                                                                                     {"time", "timestamp"},
                                                                                     {"list", "list of text"},
                                                                                     {"array", "list of text"},
                                                                                     {"map", "object"}}};

/// The leaves of one owner (the customer, or an event type), with where each was declared.
struct Group {
  std::vector<LeafDef>& leaves;
  std::vector<ObjectDef>& objects;
  std::map<std::string, std::string, std::less<>> declared;  // dotted name -> "file:line"
  std::size_t leaves_max;
};

class CatalogBuilder {
 public:
  explicit CatalogBuilder(doc::Diagnostics& diagnostics)
      : diagnostics_(diagnostics), customer_{catalog_->attributes, catalog_->objects, {}, limits::kAttributes} {}

  void read(const doc::Document& document) {
    const Context context{document, diagnostics_};
    if (document.root().is_null()) return;
    MapReader map(context, document.root(), document.root().mark, "a catalog file");
    if (const doc::Entry* customer = map.take("customer")) {
      MapReader inner(context, *customer->value, customer->key_mark, "`customer`");
      if (const doc::Entry* attributes = inner.require("attributes")) read_group(context, *attributes, customer_, "", "an attribute");
      inner.finish();
    }
    if (const doc::Entry* events = map.take("events")) {
      const MapReader inner(context, *events->value, events->key_mark, "`events`");
      for (const doc::Entry& event : events->value->entries) read_event(context, event);
    }
    for (const std::string_view section : {"segments", "traits", "scores", "rules", "templates", "teams", "policies"}) {
      if (const doc::Entry* entry = document.root().find(section)) {
        map.dealt_with(section);
        context.error("R0102", entry->key_mark, quoted(section) + " belongs to a rule file, not to the catalog",
                      "move it to a file in `rules/`");
      }
    }
    map.finish();
  }

  std::unique_ptr<Catalog> finish() {
    catalog_->add_built_in();
    catalog_->index();
    return std::move(catalog_);
  }

 private:
  void read_event(const Context& context, const doc::Entry& entry) {
    if (!check_name(context, entry.key, entry.key_mark, "an event type")) return;
    const auto known =
        std::find_if(catalog_->events.begin(), catalog_->events.end(), [&](const EventTypeDef& e) { return e.name == entry.key; });
    const auto index = static_cast<std::size_t>(known - catalog_->events.begin());
    if (known == catalog_->events.end()) {
      if (catalog_->events.size() >= limits::kEventTypes) {
        context.error("R0204", entry.key_mark, "the catalog has more than " + std::to_string(limits::kEventTypes) + " event types");
        return;
      }
      catalog_->events.push_back({.name = std::string(entry.key)});
    }
    EventTypeDef& event = catalog_->events[index];
    if (entry.value->is_null()) return;  // `login:` with nothing below it: an event without fields
    MapReader map(context, *entry.value, entry.key_mark, "the event type " + quoted(entry.key));
    event.description = map.text("description");
    if (const std::optional<DurationMs> keep = map.duration("keep")) {
      if (*keep < kWeek)
        context.error("R0105", entry.value->find("keep")->value->mark,
                      "events are kept for seven days at least: that long one that comes twice is known again", "keep: 7d");
      const DurationMs before = std::exchange(event.keep, *keep);
      if (before != 0 && before != *keep)
        context.error("R0202", entry.value->find("keep")->key_mark, "another file keeps " + quoted(entry.key) + " for another time",
                      "make both equal");
    }
    const doc::Entry* fields = map.take("fields");
    map.finish();
    if (fields == nullptr) return;
    Group group{event.fields, event.objects, std::move(event_declared_[event.name]), limits::kFieldsPerEvent};
    read_group(context, *fields, group, "", "a field");
    event_declared_[event.name] = std::move(group.declared);
  }

  void read_group(const Context& context, const doc::Entry& entry, Group& group, const std::string& prefix, std::string_view what) {
    const MapReader map(context, *entry.value, entry.key_mark, quoted(entry.key));
    for (const doc::Entry& leaf : entry.value->entries) {
      if (leaf.key.find('.') != std::string_view::npos) {
        context.error("R0202", leaf.key_mark, "dots are not allowed in the name " + quoted(leaf.key),
                      "declare a nested object: `{type: object, fields: {…}}`");
        continue;
      }
      if (!check_name(context, leaf.key, leaf.key_mark, what)) continue;
      if (what == "a field" && prefix.empty() && leaf.key == "timestamp") {
        context.error("R0205", leaf.key_mark, "every event has a `timestamp` of its own: when it happened", "give this field another name");
        continue;
      }
      if (prefix.empty() && what == "an attribute" && leaf.key == "id") {
        context.error("R0205", leaf.key_mark, "every customer has an `id` of its own", "give this attribute another name");
        continue;
      }
      read_leaf(context, leaf, group, prefix, what);
    }
  }

  std::optional<Type> read_type(const Context& context, const doc::Node& node, const doc::Mark& key_mark) {
    const std::string_view text = node.is_scalar() ? node.text : std::string_view();
    for (const auto& [name, type] : kTypes) {
      if (name == text) return type;
    }
    std::string hint;
    for (const auto& [alias, name] : kAliases) {
      if (alias == text) hint = "did you mean " + quoted(name) + "?";
    }
    std::vector<std::string_view> names;
    for (const auto& [name, type] : kTypes) names.push_back(name);
    if (hint.empty()) hint = doc::did_you_mean(text, names, "types");
    context.error("R0201", node.is_null() ? key_mark : node.mark,
                  node.is_scalar() ? quoted(text) + " is no type" : "a type is expected here, not " + std::string(doc::kind_name(node)),
                  hint);
    return std::nullopt;
  }

  void read_leaf(const Context& context, const doc::Entry& entry, Group& group, const std::string& prefix, std::string_view what) {
    LeafDef leaf;
    leaf.name = prefix + std::string(entry.key);
    std::optional<Type> type;
    const doc::Entry* fields = nullptr;
    if (entry.value->is_map()) {
      MapReader map(context, *entry.value, entry.key_mark, std::string(what));
      if (const doc::Entry* given = map.require("type")) type = read_type(context, *given->value, given->key_mark);
      leaf.description = map.text("description");
      leaf.pii = map.boolean("pii", false);
      if (const doc::Entry* words = map.take("one_of")) read_one_of(context, *words, type, leaf);
      const doc::Entry* forward = map.node().find("forward_only");
      leaf.forward = map.boolean("forward_only", false);
      if (leaf.forward && map.node().find("one_of") == nullptr)
        context.error("R0203", forward->key_mark, "`forward_only` needs an order to go by, and there is none", "list the steps in order: `one_of: [lead, mql, sql, customer]`");
      fields = map.take("fields");
      map.finish();
    } else {
      type = read_type(context, *entry.value, entry.key_mark);
    }
    if (!type) {
      group.declared.emplace(leaf.name, place(context, entry));  // known by name, so that rules don't report it again
      return;
    }
    if (fields != nullptr && *type != Type::object)
      context.error("R0203", fields->key_mark, "only an object has `fields`", "write `type: object`");
    if (*type == Type::object) {
      read_object(context, entry, group, leaf.name, fields, what);
      return;
    }
    leaf.type = *type;
    add_leaf(context, entry, group, std::move(leaf));
  }

  void read_object(const Context& context, const doc::Entry& entry, Group& group, const std::string& name, const doc::Entry* fields,
                   std::string_view what) {
    if (fields == nullptr) {
      context.error("R0103", entry.key_mark, "the object " + quoted(entry.key) + " needs `fields`",
                    "an object declares each of its members");
      return;
    }
    if (std::any_of(group.leaves.begin(), group.leaves.end(), [&](const LeafDef& l) { return l.name == name; })) {
      context.error("R0202", entry.key_mark, quoted(name) + " is declared as a plain value elsewhere (" + group.declared[name] + ")",
                    "use two different names");
      return;
    }
    group.declared.emplace(name, place(context, entry));
    if (std::none_of(group.objects.begin(), group.objects.end(), [&](const ObjectDef& o) { return o.name == name; }))
      group.objects.push_back({name, {}});
    read_group(context, *fields, group, name + ".", what);
    // Leaves may have come from several files; the object's list follows from the names.
    const auto object = std::find_if(group.objects.begin(), group.objects.end(), [&](const ObjectDef& o) { return o.name == name; });
    object->leaves.clear();
    for (std::size_t i = 0; i < group.leaves.size(); ++i) {
      if (group.leaves[i].name.starts_with(name + ".")) object->leaves.push_back(static_cast<std::uint16_t>(i));
    }
  }

  void read_one_of(const Context& context, const doc::Entry& entry, std::optional<Type> type, LeafDef& leaf) {
    if (type && *type != Type::text) {
      context.error("R0203", entry.key_mark, "`one_of` lists texts; this value is of type " + quoted(type_name(*type)),
                    "remove it, or make the type `text`");
      return;
    }
    const std::vector<const doc::Node*> items = items_of(context, *entry.value, entry.key_mark, "`one_of`");
    if (entry.value->is_list() && items.empty())
      context.error("R0109", entry.value->mark, "`one_of` allows nothing", "list the allowed texts");
    for (const doc::Node* item : items) {
      const doc::Read<std::string_view> text = doc::read_text(*item);
      if (!text) {
        context.error("R0104", item->mark, text.error().message, text.error().hint);
      } else if (std::find(leaf.one_of.begin(), leaf.one_of.end(), *text) != leaf.one_of.end()) {
        context.error("R0202", item->mark, quoted(*text) + " is listed twice");
      } else {
        leaf.one_of.emplace_back(*text);
      }
    }
  }

  void add_leaf(const Context& context, const doc::Entry& entry, Group& group, LeafDef leaf) {
    if (leaf.name.size() > limits::kNameBytes) {
      context.error("R0108", entry.key_mark,
                    "the name " + quoted(leaf.name) + " is longer than " + std::to_string(limits::kNameBytes) + " bytes");
      return;
    }
    const auto known = group.declared.find(leaf.name);
    if (known == group.declared.end()) {
      if (group.leaves.size() >= group.leaves_max) {
        context.error("R0204", entry.key_mark, "more than " + std::to_string(group.leaves_max) + " values are declared here",
                      "split the event type, or drop fields that no rule needs");
        return;
      }
      group.declared.emplace(leaf.name, place(context, entry));
      group.leaves.push_back(std::move(leaf));
      return;
    }
    // Packs may share attributes: the same declaration twice is one, another one is a mistake.
    const auto same = std::find_if(group.leaves.begin(), group.leaves.end(), [&](const LeafDef& l) { return l.name == leaf.name; });
    if (same != group.leaves.end() && same->type == leaf.type && same->one_of == leaf.one_of && same->forward == leaf.forward) {
      same->pii = same->pii || leaf.pii;
      return;
    }
    context.error("R0202", entry.key_mark, quoted(leaf.name) + " is declared differently elsewhere (" + known->second + ")",
                  "make both declarations equal, or use two names");
  }

  static std::string place(const Context& context, const doc::Entry& entry) {
    return context.document.name() + ":" + std::to_string(entry.key_mark.line);
  }

  doc::Diagnostics& diagnostics_;
  std::unique_ptr<Catalog> catalog_ = std::make_unique<Catalog>();
  Group customer_;
  std::map<std::string, std::map<std::string, std::string, std::less<>>> event_declared_;
};

}  // namespace

CatalogResult load_catalog(const std::vector<Source>& sources) {
  CatalogResult result;
  CatalogBuilder builder(result.diagnostics);
  std::vector<std::unique_ptr<doc::Document>> documents;
  for (const Source& source : sources) {
    documents.push_back(doc::read_document(source.name, source.text, result.diagnostics));
    builder.read(*documents.back());
  }
  std::unique_ptr<Catalog> catalog = builder.finish();
  result.diagnostics.sort();
  if (result.diagnostics.ok()) result.catalog = std::move(catalog);
  return result;
}

}  // namespace nudge::lang
