#include "daemon/doors/messages.h"

#include <algorithm>

#include "daemon/doors/raw_json.h"
#include "daemon/doors/translate.h"
#include "engine/base/hash.h"
#include "engine/base/limits.h"
#include "engine/base/text.h"

namespace nudge::doors {
namespace {

using daemon::DoorDocument;

void append_field(std::string& out, std::string_view key, std::string_view text) {
  if (out.size() > 1) out.push_back(',');
  append_json_string(out, key);
  out.push_back(':');
  append_json_string(out, text);
}

// `type` as the catalog spells it, with the reversed domain before it ("com.shop.order") or without.
std::string event_name(const daemon::NameTable& events, std::string_view type) {
  for (std::string_view rest = type;;) {
    if (auto known = known_name(events, rest)) return *std::move(known);
    const std::size_t dot = rest.find('.');
    if (dot == std::string_view::npos) return std::string(type);
    rest.remove_prefix(dot + 1);
  }
}

class Opener {
 public:
  Opener(const MessageMapping& mapping, const daemon::IntakeSchema& schema, const OpenMessage& message, std::vector<DoorDocument>& out)
      : mapping_(mapping), schema_(schema), message_(message), out_(out) {}

  void open() {
    auto found = mapping_.types.find(message_.type);
    if (found == mapping_.types.end()) found = mapping_.types.find("*");
    if (found != mapping_.types.end()) {
      std::size_t number = 0;
      for (const DocumentMapping& document : found->second) make(document, ++number);
      return;
    }
    if (mapping_.base.empty()) {
      if (mapping_.unknown_events == Unknown::ignore) return;
      std::vector<std::string_view> known;
      for (const auto& [name, documents] : mapping_.types) known.push_back(name);
      return refuse(
          "unknown_event", said(mapping_.type.pointer),
          "the mapping has no message " + doc::quoted(message_.type) + "; " + doc::did_you_mean(message_.type, known, "messages"));
    }
    DocumentMapping usual;
    usual.translation.event = event_name(schema_.events(), message_.type);
    if (mapping_.unknown_events == Unknown::ignore && schema_.events().find(usual.translation.event) == daemon::NameTable::kMissing) return;
    make(usual, 1);
  }

 private:
  void refuse(std::string code, std::string field, std::string reason) {
    refuse_message(message_.kept, std::move(code), std::move(field), std::move(reason), out_);
  }

  void make(const DocumentMapping& how, std::size_t number) {
    const FieldSource& whose = how.customer.given() ? how.customer : mapping_.customer;
    const std::string customer = source_text(whose, message_.json).value_or("");
    if (customer.empty())
      return refuse("missing_customer", said(whose.pointer),
                    "the customer's id is to stand at `" + said(whose.pointer) + "`, and is not there");
    DoorDocument document;
    document.json = "{";
    append_field(document.json, "customer", customer);
    append_field(document.json, "id", number == 1 ? message_.id : fitting_id(message_.id + "/" + std::to_string(number), "m:"));
    const FieldSource& when = how.time.given() ? how.time : mapping_.time;
    // What is no time is shown to intake as it is: it says what is wrong.
    if (const std::string time = source_text(when, message_.json).value_or(""); !time.empty()) append_field(document.json, "time", time);
    const Translation& translation = how.translation;
    const bool attributes = translation.event.empty();
    if (!attributes) append_field(document.json, "event", translation.event);
    if (reads_nothing(translation))
      return refuse("wrong_type", said(mapping_.base),
                    "`" + said(mapping_.base) +
                        "` is no JSON object, so no field can be read from it; send an object (datacontenttype application/json), or "
                        "set `unknown_fields: ignore` to take such messages without it");
    const Result<std::string> object = values(translation);
    if (!object) return refuse("bad_json", said(mapping_.base), object.error().message);
    document.json += (attributes ? ",\"attributes\":" : ",\"data\":") + *object + "}";
    document.message = message_.kept;
    out_.push_back(std::move(document));
  }

  // There is something where the fields should stand, which nobody could read: to be dropped only when the mapping says so.
  bool reads_nothing(const Translation& translation) const {
    if (mapping_.base.empty() || mapping_.unknown_fields == Unknown::ignore) return false;
    if (std::ranges::any_of(translation.fields, [&](const FieldSource& field) { return field.pointer.starts_with(mapping_.base); }))
      return false;
    const std::string_view data = raw_at(message_.json, mapping_.base).value_or("");
    const bool plain = !data.empty() && !data.starts_with('{') && !raw_is_null(data);
    return plain || raw_at(message_.json, mapping_.base + "_base64").has_value();
  }

  Result<std::string> values(const Translation& translation) const {
    std::string_view object;
    if (!mapping_.base.empty()) object = raw_at(message_.json, mapping_.base).value_or("");
    if (!object.starts_with('{')) object = {};
    const ObjectParts parts{message_.json, mapping_.base, object, mapping_.unknown_fields};
    if (translation.event.empty()) return make_object(translation, parts, schema_.attributes());
    const std::uint32_t type = schema_.events().find(translation.event);
    if (type == daemon::NameTable::kMissing) return std::string("{}");  // intake says what is wrong, with the nearest name
    return make_object(translation, parts, schema_.fields(static_cast<EventTypeId>(type)));
  }

  const MessageMapping& mapping_;
  const daemon::IntakeSchema& schema_;
  const OpenMessage& message_;
  std::vector<DoorDocument>& out_;
};

}  // namespace

void open_message(const MessageMapping& mapping, const daemon::IntakeSchema& schema, const OpenMessage& message,
                  std::vector<DoorDocument>& out) {
  Opener(mapping, schema, message, out).open();
}

void refuse_message(std::string kept, std::string code, std::string field, std::string reason, std::vector<DoorDocument>& out) {
  DoorDocument document;
  document.problem = {std::move(code), std::move(field), std::move(reason)};
  document.message = std::move(kept);
  out.push_back(std::move(document));
}

std::string kept_message(std::string_view door, std::string_view name, std::string_view message) {
  std::string out = "{";
  append_field(out, "door", door);
  if (!name.empty()) append_field(out, "name", name);
  return out + ",\"message\":" + std::string(message) + "}";
}

std::string kept_text(std::string_view door, std::string_view name, std::string_view bytes) {
  if (!is_utf8(bytes)) return std::string(bytes);
  std::string text;
  append_json_string(text, bytes);
  std::string out = kept_message(door, name, text);
  out.replace(out.find(",\"message\":"), std::string_view(",\"message\":").size(), ",\"text\":");
  return out;
}

std::string said(std::string_view pointer) {
  constexpr std::string_view kHeaders = "/headers/";
  if (pointer.starts_with(kHeaders)) return "header " + std::string(pointer.substr(kHeaders.size()));
  for (const std::string_view root : {"/body/", "/"}) {
    if (!pointer.starts_with(root)) continue;
    std::string out(pointer.substr(root.size()));
    for (char& c : out) c = c == '/' ? '.' : c;
    return out;
  }
  return std::string(pointer);
}

std::string fitting_id(std::string id, std::string_view prefix) {
  if (id.size() <= limits::kEventIdBytes) return id;
  return std::string(prefix) + to_hex(hash128(id));
}

}  // namespace nudge::doors
