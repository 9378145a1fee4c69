#include "daemon/doors/cloudevents.h"

#include <algorithm>
#include <set>

#include "connectors/http/digest.h"
#include "daemon/doors/messages.h"
#include "daemon/doors/raw_json.h"
#include "engine/base/text.h"

namespace nudge::doors {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// The media type without parameters, in lower case.
std::string media_type(std::string_view content_type) {
  std::string out = lower(content_type.substr(0, content_type.find(';')));
  while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
  return out;
}

bool is_json(std::string_view media) { return media.empty() || media.ends_with("/json") || media.ends_with("+json"); }

bool is_attribute_name(std::string_view name) {
  return !name.empty() && name != "data" &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// A header's value: a quoted string undone, then one round of percent-decoding, UTF-8.
Result<std::string> header_value(std::string_view name, std::string_view value) {
  std::string text(value);
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    text.clear();
    for (std::size_t i = 1; i + 1 < value.size(); ++i) {
      if (value[i] == '\\' && i + 2 < value.size()) ++i;
      text.push_back(value[i]);
    }
  }
  std::string out;
  bool good = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1, low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    good = good && high >= 0 && low >= 0;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  if (!good || !is_utf8(out)) return fail(Code::invalid, "header `" + std::string(name) + "` is not percent-encoded UTF-8");
  return out;
}

void append_text(std::string& out, std::string_view key, std::string_view text) {
  if (out.size() > 1) out.push_back(',');
  append_json_string(out, key);
  out.push_back(':');
  append_json_string(out, text);
}

std::string text_of(const std::vector<RawMember>& members, std::string_view key) { return raw_text(raw_member(members, key)).value_or(""); }

struct Flaw {
  std::string field, reason;
};

// What the specification demands of an event; nothing when all is well.
std::optional<Flaw> flaw_of(const std::vector<RawMember>& members) {
  for (const std::string_view name : {"specversion", "id", "source", "type", "subject", "time"}) {
    const std::string_view value = raw_member(members, name);
    const bool required = name != "subject" && name != "time";
    if (value.empty() || raw_is_null(value)) {
      if (required)
        return Flaw{std::string(name), "`" + std::string(name) + "` is missing; a CloudEvent has specversion, id, source and type"};
      continue;
    }
    if (!value.starts_with('"') || !raw_text(value) || raw_text(value)->empty())
      return Flaw{std::string(name), "`" + std::string(name) + "` must be a text that is not empty"};
  }
  if (const std::string version = text_of(members, "specversion"); version != "1.0")
    return Flaw{"specversion", "`specversion` is " + doc::quoted(version) + ", and nudge reads CloudEvents 1.0"};
  if (!raw_member(members, "data").empty() && !raw_member(members, "data_base64").empty())
    return Flaw{"data", "`data` and `data_base64` exclude each other"};
  std::set<std::string_view> seen;
  for (const RawMember& member : members) {
    if (!seen.insert(member.key).second) return Flaw{member.key, "`" + member.key + "` is given twice"};
    if (member.key != "data" && member.key != "data_base64" && !is_attribute_name(member.key))
      return Flaw{member.key, doc::quoted(member.key) + " is no name of an attribute: those are of lower-case letters and digits"};
  }
  return std::nullopt;
}

// `data_base64` that holds JSON, as `data`. Nothing when there is none, or it is something else.
std::optional<std::string> decoded_data(const std::vector<RawMember>& members) {
  const std::string_view packed = raw_member(members, "data_base64");
  if (packed.empty() || !is_json(media_type(text_of(members, "datacontenttype")))) return std::nullopt;
  const auto bytes = connectors::unbase64(raw_text(packed).value_or("?"));
  if (!bytes || !is_utf8(*bytes)) return std::nullopt;
  const auto one = raw_array("[" + *bytes + "]");
  if (!one || one->size() != 1) return std::nullopt;
  std::string out = "{";
  for (const RawMember& member : members) {
    if (member.key == "data_base64") continue;
    append_json_string(out, member.key);
    out += ":" + std::string(member.value) + ",";
  }
  return out + "\"data\":" + *bytes + "}";
}

}  // namespace

Result<EventMode> cloud_event_mode(std::string_view content_type) {
  const std::string media = media_type(content_type);
  if (!media.starts_with("application/cloudevents")) return EventMode::binary;
  if (media == "application/cloudevents-batch+json") return EventMode::batch;
  if (media == "application/cloudevents+json" || media == "application/cloudevents") return EventMode::structured;
  return fail(Code::invalid, "nudge reads CloudEvents in JSON only, not " + doc::quoted(media));
}

bool has_event_headers(Headers headers) {
  return std::ranges::any_of(headers, [](const auto& header) { return lower(header.first).starts_with("ce-"); });
}

Result<std::string> structured_event(Headers headers, std::string_view body) {
  std::string out = "{", type;
  for (const auto& [name, value] : headers) {
    const std::string key = lower(name);
    if (key == "content-type") type = value;
    if (!key.starts_with("ce-")) continue;
    const std::string_view attribute = std::string_view(key).substr(3);
    if (!is_attribute_name(attribute) || attribute == "datacontenttype")
      return fail(Code::invalid, "header `" + key + "` names no attribute of a binary CloudEvent");
    NUDGE_ASSIGN(const std::string text, header_value(key, value));
    append_text(out, attribute, text);
  }
  if (!type.empty()) append_text(out, "datacontenttype", type);
  if (body.empty()) return out + "}";
  if (out.size() > 1) out.push_back(',');
  if (is_json(media_type(type))) {
    const auto one = raw_array("[" + std::string(body) + "]");
    if (!one || one->size() != 1) return fail(Code::invalid, "the body is no valid JSON, which its content type says it is");
    out += "\"data\":" + std::string(body);
  } else {
    out += "\"data_base64\":\"" + connectors::base64(body) + "\"";
  }
  return out + "}";
}

void open_cloud_event(const MessageMapping& mapping, const daemon::IntakeSchema& schema, std::string_view event,
                      std::vector<daemon::DoorDocument>& out) {
  const auto members = raw_object(event);
  if (!members) return refuse_message(kept_text("cloudevents", "", event), "bad_json", "", members.error().message, out);
  // Bytes that are no UTF-8 can't be kept inside JSON; intake names the fault.
  if (!is_utf8(event)) return refuse_message(std::string(event), "bad_utf8", "", "the event is not valid UTF-8", out);
  std::string kept = kept_message("cloudevents", "", event);
  if (std::optional<Flaw> flaw = flaw_of(*members))
    return refuse_message(std::move(kept), "bad_cloudevent", std::move(flaw->field), std::move(flaw->reason), out);
  const std::optional<std::string> decoded = decoded_data(*members);
  // A source is a reference to a URI, so no space is in it.
  std::string id = fitting_id(text_of(*members, "source") + " " + text_of(*members, "id"), "ce:");
  open_message(mapping, schema, {decoded ? *decoded : event, std::move(kept), std::move(id), text_of(*members, "type")}, out);
}

Result<std::vector<daemon::DoorDocument>> reopen_cloud_event(const MessageMapping& mapping, const daemon::IntakeSchema& schema,
                                                             std::string_view kept) {
  NUDGE_ASSIGN(const std::vector<RawMember> members, raw_object(kept));
  const std::string text = text_of(members, "text");
  const std::string_view message = raw_member(members, "message");
  std::vector<daemon::DoorDocument> out;
  open_cloud_event(mapping, schema, message.empty() ? std::string_view(text) : message, out);
  return out;
}

}  // namespace nudge::doors
