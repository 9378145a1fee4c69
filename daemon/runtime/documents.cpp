#include "daemon/runtime/documents.h"

#include "engine/base/text.h"

namespace nudge::daemon {

std::string as_document(const Input& input, const Catalog& catalog, const LeafText& text) {
  std::string out = "{\"customer\":";
  append_json_string(out, input.customer);
  out += ",\"id\":";
  append_json_string(out, input.id);
  out += ",\"time\":";
  append_json_string(out, format_timestamp(input.time));
  const auto values = [&](const std::vector<LeafDef>& leaves, auto&& each) {
    bool first = true;
    each([&](std::size_t leaf, const Value& value) {
      if (input.kind == InputKind::event && value.missing()) return;
      out += first ? "" : ",";
      first = false;
      append_json_string(out, leaves[leaf].name);
      out += ":" + (value.missing() ? std::string("null") : text ? text(leaves[leaf], value.view()) : to_json(value.view()));
    });
  };
  switch (input.kind) {
    case InputKind::event:
      out += ",\"event\":";
      append_json_string(out, catalog.events[input.type].name);
      out += ",\"data\":{";
      values(catalog.events[input.type].fields, [&](auto&& one) {
        for (std::size_t f = 0; f < input.fields.size(); ++f) one(f, input.fields[f]);
      });
      out += "}";
      break;
    case InputKind::attributes:
      out += ",\"attributes\":{";
      values(catalog.attributes, [&](auto&& one) {
        for (const AttributeUpdate& update : input.attributes) one(update.attribute, update.value);
      });
      out += "}";
      break;
    case InputKind::tag:
      out += ",\"tag\":";
      append_json_string(out, input.tag);
      if (input.tag_removed) out += ",\"remove\":true";
      if (!input.tag_removed && input.tag_expires != kNever) {
        out += ",\"expires\":";
        append_json_string(out, format_timestamp(input.tag_expires));
      }
      break;
  }
  return out + "}";
}

}  // namespace nudge::daemon
