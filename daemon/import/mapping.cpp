#include "daemon/import/mapping.h"

#include <algorithm>

#include "rules/lang/shape.h"

namespace nudge::import {
namespace {

using doc::quoted;
using lang::Context;
using lang::MapReader;

/// A scalar as it is written, typed or not: constants are typed by the field they go to.
std::string plain(const doc::Node& node) { return node.is_scalar() ? std::string(node.text) : std::string(); }

class MappingReader {
 public:
  MappingReader(const Context& context, const Catalog& catalog) : context_(context), catalog_(catalog) {}

  std::unique_ptr<Mapping> read(const doc::Document& document) {
    auto mapping = std::make_unique<Mapping>();
    MapReader map(context_, document.root(), document.root().mark, "a mapping");
    if (!document.root().is_map()) return mapping;
    if (const doc::Entry* entry = map.take("delimiter")) {
      const std::string text = plain(*entry->value);
      if (text == "tab" || text == "\t") {
        mapping->delimiter = '\t';
      } else if (text.size() == 1 && text[0] != '"' && text[0] != '\n') {
        mapping->delimiter = text[0];
      } else {
        context_.error("R0851", entry->value->mark, "`delimiter` is one character or `tab`", "`delimiter: \";\"`");
      }
    }
    mapping->encoding = std::string(map.text("encoding"));
    mapping->sheet = std::string(map.text("sheet"));
    if (const doc::Entry* entry = map.take("columns")) mapping->columns = texts(*entry, "`columns`");
    if (const doc::Entry* entry = map.take("empty")) mapping->nulls = texts(*entry, "`empty`");
    mapping->trim = map.boolean("trim", false);
    if (const std::string_view zone = map.text("time_zone"); !zone.empty()) {
      const auto found = Zone::find(zone);
      if (found) {
        mapping->zone = *found;
      } else {
        context_.error("R0852", map.take("time_zone")->value->mark, found.error().message, "use a name like `Asia/Shanghai`");
      }
    }
    if (const auto word = map.word("ids", {"row_number", "content"})) mapping->ids_by_content = *word == 1;
    mapping->source = std::string(map.text("source"));
    const doc::Entry* rows = map.require("rows");
    map.finish();
    if (rows != nullptr) {
      for (const doc::Node* node : lang::items_of(context_, *rows->value, rows->key_mark, "`rows`", true))
        mapping->rows.push_back(read_row(*node));
    }
    return mapping;
  }

 private:
  std::vector<std::string> texts(const doc::Entry& entry, std::string_view what) {
    std::vector<std::string> out;
    for (const doc::Node* item : lang::items_of(context_, *entry.value, entry.key_mark, what, true)) {
      if (item->is_scalar()) {
        out.push_back(plain(*item));
      } else {
        context_.error("R0104", item->mark, "a text is expected here");
      }
    }
    return out;
  }

  Cell cell(const doc::Entry& entry, bool instant = false) {
    Cell out;
    out.line = entry.key_mark.line;
    const doc::Node& node = *entry.value;
    if (node.is_scalar()) {
      out.kind = instant && (parse_timestamp(node.text) || parse_date(node.text)) ? Cell::Kind::constant : Cell::Kind::column;
      (out.kind == Cell::Kind::constant ? out.constant : out.column) = plain(node);
      return out;
    }
    MapReader map(context_, node, entry.key_mark, quoted(entry.key));
    if (!node.is_map()) return out;
    int sources = 0;
    if (const doc::Entry* e = map.take("column")) {
      ++sources;
      out.kind = Cell::Kind::column;
      out.column = plain(*e->value);
    }
    if (const doc::Entry* e = map.take("value")) {
      ++sources;
      out.kind = Cell::Kind::constant;
      out.constant = plain(*e->value);
    }
    if (const doc::Entry* e = map.take("text")) {
      ++sources;
      out.kind = Cell::Kind::text;
      out.constant = plain(*e->value);
    }
    if (const doc::Entry* e = map.take("days_between")) {
      ++sources;
      out.kind = Cell::Kind::days_between;
      const std::vector<std::string> names = texts(*e, "`days_between`");
      if (names.size() == 2) {
        out.column = names[0];
        out.column_to = names[1];
      } else {
        context_.error("R0853", e->value->mark, "`days_between` names two columns", "`days_between: [from, to]`");
      }
    }
    if (map.boolean("row_number", false)) {
      ++sources;
      out.kind = Cell::Kind::row_number;
    }
    if (sources != 1) {
      context_.error("R0854", entry.key_mark,
                     quoted(entry.key) + " needs exactly one of `column`, `value`, `text`, `days_between` and `row_number`",
                     "write the column's name, or `{column: NAME, map: {…}}`, `{value: CONSTANT}`, `{text: \"acc-{account}\"}`");
    }
    if (const doc::Entry* e = map.take("map")) read_map(*e, out);
    out.map_only = map.boolean("map_only", false);
    if (const doc::Entry* e = map.take("default")) out.otherwise = plain(*e->value);
    out.format = std::string(map.text("format"));
    out.split = std::string(map.text("split"));
    out.first = static_cast<std::size_t>(map.integer("first", 0, 0, 1000));
    map.finish();
    return out;
  }

  void read_map(const doc::Entry& entry, Cell& out) {
    const MapReader map(context_, *entry.value, entry.key_mark, "`map`");
    for (const doc::Entry& one : entry.value->entries) {
      if (one.value->is_null()) {
        out.map.emplace_back(std::string(one.key), std::nullopt);
      } else {
        out.map.emplace_back(std::string(one.key), plain(*one.value));
      }
    }
  }

  void read_filter(MapReader& outer, RowMapping& row) {
    const doc::Entry* entry = outer.take("if");
    if (entry == nullptr) return;
    MapReader map(context_, *entry->value, entry->key_mark, "`if`");
    map.require("column");
    row.filter_column = std::string(map.text("column"));
    for (const std::string_view key : {"equals", "in", "not_equals", "not_in"}) {
      if (const doc::Entry* e = map.take(key)) {
        row.filter_values = texts(*e, quoted(key));
        row.filter_not = key.starts_with("not");
      }
    }
    map.finish();
  }

  void add_fields(const doc::Entry& entry, const std::vector<LeafDef>& leaves, std::string_view what, RowMapping& row) {
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
      row.fields.push_back({leaf->name, leaf->type, &*leaf, cell(one)});
    }
  }

  RowMapping read_row(const doc::Node& node) {
    RowMapping row;
    MapReader map(context_, node, node.mark, "an entry of `rows`");
    if (!node.is_map()) return row;
    if (const doc::Entry* e = map.require("customer")) row.customer = cell(*e);
    if (const doc::Entry* e = map.take("id")) row.id = cell(*e);
    if (const doc::Entry* e = map.take("time")) row.time = cell(*e, true);
    read_filter(map, row);
    const doc::Entry* attributes = map.take("attributes");
    const doc::Entry* tag = map.take("tag");
    const bool event = map.has("event");
    if (int{event} + int{attributes != nullptr} + int{tag != nullptr} != 1) {
      context_.error("R0856", node.mark, "an entry of `rows` makes exactly one of `event`, `attributes` and `tag`",
                     "make two entries of it");
    }
    if (attributes != nullptr) {
      row.kind = RowMapping::Kind::attributes;
      add_fields(*attributes, catalog_.attributes, "attribute", row);
    } else if (tag != nullptr) {
      row.kind = RowMapping::Kind::tag;
      row.tag = cell(*tag);
    } else if (event) {
      read_event(map, row);
    }
    map.finish();
    return row;
  }

  void read_event(MapReader& map, RowMapping& row) {
    const lang::Name name = map.name("event");
    row.event = std::string(name.text);
    const EventTypeId type = catalog_.find_event(name.text);
    const doc::Entry* data = map.take("data");
    if (!map.has("time")) context_.error("R0857", map.mark(), "an event needs `time`: the column that says when it happened");
    if (type == kNoEventType) {
      std::vector<std::string_view> known;
      for (const EventTypeDef& e : catalog_.events) known.push_back(e.name);
      context_.error("R0858", name.where.mark, "the catalog has no event type " + quoted(name.text),
                     doc::did_you_mean(name.text, known, "event types"));
      return;
    }
    if (data != nullptr) add_fields(*data, catalog_.events[type].fields, "field", row);
  }

  const Context& context_;
  const Catalog& catalog_;
};

}  // namespace

std::unique_ptr<Mapping> read_mapping(const doc::Document& document, const Catalog& catalog, doc::Diagnostics& diagnostics) {
  const Context context{document, diagnostics};
  auto mapping = MappingReader(context, catalog).read(document);
  return diagnostics.ok() ? std::move(mapping) : nullptr;
}

}  // namespace nudge::import
