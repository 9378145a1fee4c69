#include "daemon/doors/mapping.h"

#include <algorithm>

#include "daemon/doors/raw_json.h"
#include "engine/base/text.h"
#include "rules/doc/scalar.h"
#include "rules/lang/shape.h"

namespace nudge::doors {
namespace {

using doc::quoted;
using lang::Context;
using lang::MapReader;

// Where names of a section point to.
struct Roots {
  std::string_view root;     // before every pointer that is written
  std::string_view base;     // of bare names
  bool has_headers = false;  // `header:` may be said
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

class Reader {
 public:
  Reader(const Context& context, const Catalog& catalog, const ReadSecret& read_secret)
      : context_(context), catalog_(catalog), read_secret_(read_secret) {}

  std::shared_ptr<const Mapping> read(const doc::Document& document) {
    auto mapping = std::make_shared<Mapping>();
    if (document.root().is_null()) return mapping;
    MapReader map(context_, document.root(), document.root().mark, "the doors");
    if (const doc::Entry* entry = map.take("segment")) segment(*entry, mapping->segment);
    if (const doc::Entry* entry = map.take("cloudevents")) cloud_events(*entry, mapping->cloud_events);
    if (const doc::Entry* entry = map.take("webhooks")) {
      const MapReader webhooks(context_, *entry->value, entry->key_mark, "`webhooks`");
      for (const doc::Entry& one : entry->value->entries) {
        if (lang::check_name(context_, one.key, one.key_mark, "a webhook")) webhook(one, mapping->webhooks[std::string(one.key)]);
      }
    }
    map.finish();
    return mapping;
  }

 private:
  Unknown unknown(MapReader& map, std::string_view key) {
    return map.word(key, {"quarantine", "ignore"}).value_or(0) == 1 ? Unknown::ignore : Unknown::quarantine;
  }

  void segment(const doc::Entry& entry, SegmentMapping& out) {
    MapReader map(context_, *entry.value, entry.key_mark, "`segment`");
    out.unknown_fields = unknown(map, "unknown_fields");
    out.unknown_events = unknown(map, "unknown_events");
    if (const auto word = map.word("merge", {"identify", "always", "never"})) out.merge = static_cast<MergeOn>(*word);
    const Roots properties{"", "/properties"}, traits{"", "/traits"};
    if (const doc::Entry* track = map.take("track")) {
      const MapReader events(context_, *track->value, track->key_mark, "`track`");
      for (const doc::Entry& one : track->value->entries) out.track.emplace(one.key, event(one, properties));
    }
    if (const doc::Entry* e = map.take("identify")) out.identify = attributes(*e, traits);
    if (const doc::Entry* e = map.take("page")) out.page = event(*e, properties);
    if (const doc::Entry* e = map.take("screen")) out.screen = event(*e, properties);
    if (const doc::Entry* e = map.take("group")) {
      const bool to_event = e->value->is_map() && e->value->find("event") != nullptr;
      out.group = to_event ? event(*e, traits) : attributes(*e, traits);
    }
    map.finish();
  }

  void cloud_events(const doc::Entry& entry, CloudEventsMapping& out) {
    MapReader map(context_, *entry.value, entry.key_mark, "`cloudevents`");
    const Roots roots{"", "/data"};
    out.messages.unknown_fields = unknown(map, "unknown_fields");
    out.messages.unknown_events = unknown(map, "unknown_events");
    if (const doc::Entry* e = map.take("customer")) out.messages.customer = source(*e, roots, nullptr);
    if (const doc::Entry* e = map.take("events")) types(*e, roots, out.messages);
    if (const doc::Entry* e = map.take("allowed_origins")) {
      for (const doc::Node* item : lang::items_of(context_, *e->value, e->key_mark, "`allowed_origins`", true))
        out.allowed_origins.emplace_back(item->text);
    }
    map.finish();
  }

  void webhook(const doc::Entry& entry, WebhookMapping& out) {
    MapReader map(context_, *entry.value, entry.key_mark, "webhook " + quoted(entry.key));
    if (!map.is_map()) return;
    const Roots roots{"/body", "/body", true};
    MessageMapping& m = out.messages;
    if (const doc::Entry* e = map.require("signature")) signature(*e, out.signature);
    if (const doc::Entry* e = map.take("type")) m.type = source(*e, roots, nullptr);
    if (const doc::Entry* e = map.take("id")) m.id = source(*e, roots, nullptr);
    if (const doc::Entry* e = map.take("time")) m.time = source(*e, roots, nullptr);
    if (const doc::Entry* e = map.take("customer")) m.customer = source(*e, roots, nullptr);
    out.each = "-";
    if (map.has("each")) {
      out.each = std::string(map.text("each"));
      if (!out.each.empty() && !out.each.starts_with('/')) out.each.insert(0, "/");
      if (out.each == "/") out.each.clear();
    }
    m.unknown_events = unknown(map, "unknown_events");
    m.unknown_fields = Unknown::ignore;  // only what is named is taken
    if (const doc::Entry* e = map.require("messages")) types(*e, roots, m);
    if (!m.type.given() && (m.types.size() > 1 || (m.types.size() == 1 && !m.types.contains("*"))))
      context_.error("R0859", map.mark(), "`type` is missing: where does a call say which of `messages` it is?",
                     "write `type: {header: X-Topic}` or `type: /type`; or name the only kind of message `\"*\"`");
    for (const auto& [name, documents] : m.types) {
      for (const DocumentMapping& document : documents) {
        if (!m.customer.given() && !document.customer.given())
          context_.error("R0859", map.mark(), "`customer` is missing: where in message " + quoted(name) + " does the customer's id stand?",
                         "write `customer: /customer/id`");
      }
    }
    map.finish();
  }

  void signature(const doc::Entry& entry, Signature& out) {
    if (entry.value->is_scalar() && entry.value->text == "none") return;
    MapReader map(context_, *entry.value, entry.key_mark, "`signature`");
    if (!map.is_map()) return;
    map.require("style");
    const auto style = map.word("style", {"standard", "stripe", "github", "shopify", "hmac", "token"});
    if (style) out.style = static_cast<Style>(*style + 1);
    if (const doc::Entry* e = map.require("secret")) secrets(*e, out);
    if (const auto tolerance = map.duration("tolerance")) out.tolerance = *tolerance;
    if (style && (out.style == Style::hmac || out.style == Style::token)) {
      map.require("header");
      out.header = std::string(map.text("header"));
    }
    if (out.style == Style::hmac) {
      out.prefix = std::string(map.text("prefix"));
      out.base64 = map.word("encoding", {"hex", "base64"}).value_or(0) == 1;
      out.timestamp_header = std::string(map.text("timestamp_header"));
    }
    map.finish();
  }

  void secrets(const doc::Entry& entry, Signature& out) {
    for (const doc::Node* item : lang::items_of(context_, *entry.value, entry.key_mark, "`secret`", true)) {
      const doc::Entry* file = item->is_map() ? item->find("file") : nullptr;
      const doc::Entry* env = item->is_map() ? item->find("env") : nullptr;
      if ((file == nullptr) == (env == nullptr) || item->entries.size() != 1) {
        context_.error("R0860", item->mark, "a secret is not written into the file",
                       "name where it stands: `{file: PATH}` or `{env: NAME}`");
        continue;
      }
      const doc::Entry& from = file != nullptr ? *file : *env;
      Result<Secret> secret = read_secret_(file != nullptr, std::string(from.value->text));
      if (secret) {
        out.secrets.push_back(*std::move(secret));
      } else {
        context_.error("R0860", from.value->mark, secret.error().message);
      }
    }
  }

  // TYPE: ignore, one document, or a list of them.
  void types(const doc::Entry& entry, const Roots& roots, MessageMapping& out) {
    const MapReader map(context_, *entry.value, entry.key_mark, quoted(entry.key));
    for (const doc::Entry& one : entry.value->entries) {
      std::vector<DocumentMapping>& documents = out.types[std::string(one.key)];
      if (one.value->is_list()) {
        for (const doc::Node* item : one.value->items) documents.push_back(document(*item, one, roots));
      } else if (!one.value->is_scalar() || one.value->text != "ignore") {
        documents.push_back(document(*one.value, one, roots));
      }
    }
  }

  DocumentMapping document(const doc::Node& node, const doc::Entry& entry, const Roots& roots) {
    DocumentMapping out;
    MapReader map(context_, node, node.is_map() ? entry.key_mark : node.mark, quoted(entry.key));
    if (!map.is_map()) return out;
    if (const doc::Entry* e = map.take("customer")) out.customer = source(*e, roots, nullptr);
    if (const doc::Entry* e = map.take("time")) out.time = source(*e, roots, nullptr);
    if (const doc::Entry* e = map.take("attributes")) {
      sources(*e, catalog_.attributes, "attribute", roots, out.translation);
      map.dealt_with("event");
      if (map.has("event"))
        context_.error("R0856", node.mark, "a document has `event` or `attributes`, not both", "make a list of two documents");
      map.finish();
    } else {
      out.translation = event_of(map, roots);
    }
    return out;
  }

  // `ignore`, or {event: NAME, fields: {FIELD: SOURCE}}.
  Translation event(const doc::Entry& entry, const Roots& roots) {
    Translation out;
    if (ignored(entry, out)) return out;
    MapReader map(context_, *entry.value, entry.key_mark, quoted(entry.key));
    if (!map.is_map()) return out;
    return event_of(map, roots);
  }

  Translation event_of(MapReader& map, const Roots& roots) {
    Translation out;
    map.require("event");
    const lang::Name name = map.name("event");
    out.event = std::string(name.text);
    const EventTypeId type = catalog_.find_event(name.text);
    const doc::Entry* fields = map.take("fields");
    map.finish();
    if (type == kNoEventType) {
      std::vector<std::string_view> known;
      for (const EventTypeDef& e : catalog_.events) known.push_back(e.name);
      if (name) {
        context_.error("R0858", name.where.mark, "the catalog has no event type " + quoted(name.text),
                       doc::did_you_mean(name.text, known, "event types"));
      }
      return out;
    }
    if (fields != nullptr) sources(*fields, catalog_.events[type].fields, "field", roots, out);
    return out;
  }

  // `ignore`, or {attributes: {ATTRIBUTE: SOURCE}}.
  Translation attributes(const doc::Entry& entry, const Roots& roots) {
    Translation out;
    if (ignored(entry, out)) return out;
    MapReader map(context_, *entry.value, entry.key_mark, quoted(entry.key));
    if (!map.is_map()) return out;
    if (const doc::Entry* e = map.require("attributes")) sources(*e, catalog_.attributes, "attribute", roots, out);
    map.finish();
    return out;
  }

  static bool ignored(const doc::Entry& entry, Translation& out) {
    out.ignored = entry.value->is_scalar() && entry.value->text == "ignore";
    return out.ignored;
  }

  void sources(const doc::Entry& entry, const std::vector<LeafDef>& leaves, std::string_view what, const Roots& roots, Translation& out) {
    const MapReader map(context_, *entry.value, entry.key_mark, quoted(entry.key));
    for (const doc::Entry& one : entry.value->entries) {
      const auto leaf = std::ranges::find_if(leaves, [&](const LeafDef& l) { return l.name == one.key && !l.retired; });
      if (leaf == leaves.end()) {
        std::vector<std::string_view> known;
        for (const LeafDef& l : leaves) {
          if (!l.retired) known.push_back(l.name);
        }
        context_.error("R0855", one.key_mark, "the catalog has no " + std::string(what) + " " + quoted(one.key),
                       doc::did_you_mean(one.key, known, std::string(what) + "s"));
        continue;
      }
      FieldSource from = source(one, roots, &*leaf);
      from.name = std::string(one.key);
      if (from.given()) out.fields.push_back(std::move(from));
    }
  }

  // NAME, /pointer, or a map with `from`, `header` or `value` and what is made of it. `leaf`: what it is for; null: a text.
  FieldSource source(const doc::Entry& entry, const Roots& roots, const LeafDef* leaf) {
    FieldSource out;
    const doc::Node& node = *entry.value;
    if (node.is_scalar() && !node.text.empty()) {
      out.pointer = pointer(node.text, roots);
      return out;
    }
    if (!node.is_map()) {
      context_.error("R0104", node.mark, "a text is expected here: the name of a member, or a pointer such as `/context/ip`");
      return out;
    }
    MapReader map(context_, node, entry.key_mark, quoted(entry.key));
    int given = 0;
    if (map.has("from")) {
      ++given;
      if (const std::string_view from = map.text("from"); !from.empty()) out.pointer = pointer(from, roots);
    }
    if (roots.has_headers && map.has("header")) {
      ++given;
      out.pointer = raw_pointer("/headers", lower(map.text("header")));
    }
    if (const doc::Entry* e = map.take("value")) {
      ++given;
      out.constant = constant(*e, leaf);
    }
    if (given != 1)
      context_.error(
          "R0859", entry.key_mark, quoted(entry.key) + " needs one source",
          roots.has_headers ? "`from` (a member of the body), `header` or `value` (a constant)" : "`from` or `value` (a constant)");
    if (const auto as = map.word("as", {"number", "text", "seconds", "milliseconds"})) out.as = static_cast<Convert>(*as + 1);
    if (map.has("divide")) {
      std::int64_t by = map.integer("divide", 1, 1, 1'000'000'000);
      for (; by > 1 && by % 10 == 0; by /= 10) ++out.divide;
      if (by != 1)
        context_.error("R0859", map.node().find("divide")->value->mark, "`divide` is 10, 100, 1000 …", "amounts in cents: `divide: 100`");
    }
    if (const doc::Entry* e = map.take("map")) {
      const MapReader values(context_, *e->value, e->key_mark, "`map`");
      for (const doc::Entry& one : e->value->entries) out.map.emplace_back(one.key, one.value->text);
    }
    map.finish();
    return out;
  }

  std::string constant(const doc::Entry& entry, const LeafDef* leaf) {
    const std::string_view text = entry.value->text;
    if (!entry.value->is_scalar()) {
      context_.error("R0104", entry.value->mark, "a text, a number or true and false are expected here");
      return {};
    }
    const bool bare = leaf != nullptr && (leaf->type == Type::integer || leaf->type == Type::number || leaf->type == Type::decimal ||
                                          leaf->type == Type::boolean);
    if (bare && (doc::is_json_number(text) || text == "true" || text == "false")) return std::string(text);
    std::string out;
    append_json_string(out, text);
    return out;
  }

  // A name is a member of the base; what starts with a slash is a pointer already.
  static std::string pointer(std::string_view text, const Roots& roots) {
    if (text.starts_with('/')) return std::string(roots.root) + std::string(text);
    return raw_pointer(roots.base, text);
  }

  const Context& context_;
  const Catalog& catalog_;
  const ReadSecret& read_secret_;
};

}  // namespace

CloudEventsMapping::CloudEventsMapping() {
  messages.customer.pointer = "/subject";
  messages.type.pointer = "/type";
  messages.time.pointer = "/time";
  messages.base = "/data";
}

std::shared_ptr<const Mapping> read_mapping(const doc::Document& document, const Catalog& catalog, const ReadSecret& read_secret,
                                            doc::Diagnostics& diagnostics) {
  const Context context{document, diagnostics};
  auto mapping = Reader(context, catalog, read_secret).read(document);
  return diagnostics.ok() ? std::move(mapping) : nullptr;
}

}  // namespace nudge::doors
