#include "daemon/doors/mapping.h"

#include <algorithm>
#include "daemon/doors/raw_json.h"

#include "rules/lang/shape.h"

namespace nudge::doors {
namespace {

using doc::quoted;
using lang::Context;
using lang::MapReader;

class Reader {
 public:
  Reader(const Context& context, const Catalog& catalog) : context_(context), catalog_(catalog) {}

  std::shared_ptr<const Mapping> read(const doc::Document& document) {
    auto mapping = std::make_shared<Mapping>();
    if (document.root().is_null()) return mapping;
    MapReader map(context_, document.root(), document.root().mark, "the doors");
    if (const doc::Entry* entry = map.take("segment")) segment(*entry, mapping->segment);
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
    if (const doc::Entry* track = map.take("track")) {
      const MapReader events(context_, *track->value, track->key_mark, "`track`");
      for (const doc::Entry& one : track->value->entries) out.track.emplace(one.key, event(one, "/properties"));
    }
    if (const doc::Entry* e = map.take("identify")) out.identify = attributes(*e, "/traits");
    if (const doc::Entry* e = map.take("page")) out.page = event(*e, "/properties");
    if (const doc::Entry* e = map.take("screen")) out.screen = event(*e, "/properties");
    if (const doc::Entry* e = map.take("group")) {
      const bool to_event = e->value->is_map() && e->value->find("event") != nullptr;
      out.group = to_event ? event(*e, "/traits") : attributes(*e, "/traits");
    }
    map.finish();
  }

  // `ignore`, or {event: NAME, fields: {FIELD: SOURCE}}.
  Translation event(const doc::Entry& entry, std::string_view base) {
    Translation out;
    if (ignored(entry, out)) return out;
    MapReader map(context_, *entry.value, entry.key_mark, quoted(entry.key));
    if (!map.is_map()) return out;
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
    if (fields != nullptr) sources(*fields, catalog_.events[type].fields, "field", base, out);
    return out;
  }

  // `ignore`, or {attributes: {ATTRIBUTE: SOURCE}}.
  Translation attributes(const doc::Entry& entry, std::string_view base) {
    Translation out;
    if (ignored(entry, out)) return out;
    MapReader map(context_, *entry.value, entry.key_mark, quoted(entry.key));
    if (!map.is_map()) return out;
    if (const doc::Entry* e = map.require("attributes")) sources(*e, catalog_.attributes, "attribute", base, out);
    map.finish();
    return out;
  }

  static bool ignored(const doc::Entry& entry, Translation& out) {
    out.ignored = entry.value->is_scalar() && entry.value->text == "ignore";
    return out.ignored;
  }

  void sources(const doc::Entry& entry, const std::vector<LeafDef>& leaves, std::string_view what, std::string_view base,
               Translation& out) {
    const MapReader map(context_, *entry.value, entry.key_mark, quoted(entry.key));
    for (const doc::Entry& one : entry.value->entries) {
      if (std::ranges::none_of(leaves, [&](const LeafDef& l) { return l.name == one.key && !l.retired; })) {
        std::vector<std::string_view> known;
        for (const LeafDef& l : leaves) {
          if (!l.retired) known.push_back(l.name);
        }
        context_.error("R0855", one.key_mark, "the catalog has no " + std::string(what) + " " + quoted(one.key),
                       doc::did_you_mean(one.key, known, std::string(what) + "s"));
        continue;
      }
      if (!one.value->is_scalar() || one.value->text.empty()) {
        context_.error("R0104", one.value->mark, "a text is expected here: the name of a member, or a pointer such as `/context/ip`");
        continue;
      }
      out.fields.push_back({std::string(one.key), pointer(one.value->text, base)});
    }
  }

  // A name is a member of `base`; what starts with a slash is a pointer already.
  static std::string pointer(std::string_view text, std::string_view base) {
    if (text.starts_with('/')) return std::string(text);
    return raw_pointer(base, text);
  }

  const Context& context_;
  const Catalog& catalog_;
};

}  // namespace

std::shared_ptr<const Mapping> read_mapping(const doc::Document& document, const Catalog& catalog, doc::Diagnostics& diagnostics) {
  const Context context{document, diagnostics};
  auto mapping = Reader(context, catalog).read(document);
  return diagnostics.ok() ? std::move(mapping) : nullptr;
}

}  // namespace nudge::doors
