#include "daemon/doors/webhook.h"

#include "daemon/doors/messages.h"
#include "daemon/doors/raw_json.h"
#include "daemon/doors/translate.h"
#include "engine/base/hash.h"
#include "engine/base/text.h"

namespace nudge::doors {
namespace {

constexpr std::string_view kDoor = "webhook";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// All headers as JSON but those that let somebody in.
std::string headers_json(Headers headers, const Signature& signature) {
  std::string out = "{";
  for (const auto& [name, value] : headers) {
    const std::string key = lower(name);
    if (key == "authorization" || key == "cookie" || key == lower(signature_header(signature)) || !is_utf8(value)) continue;
    if (out.size() > 1) out.push_back(',');
    append_json_string(out, key);
    out.push_back(':');
    append_json_string(out, value);
  }
  return out + "}";
}

std::string envelope(std::string_view headers, std::string_view body) {
  return "{\"headers\":" + std::string(headers) + ",\"body\":" + std::string(body) + "}";
}

void open_one(std::string_view name, const WebhookMapping& mapping, const daemon::IntakeSchema& schema, const std::string& json,
              std::vector<daemon::DoorDocument>& out) {
  const MessageMapping& m = mapping.messages;
  OpenMessage message{json, kept_message(kDoor, name, json), {}, {}};
  message.type = m.type.given() ? source_text(m.type, json).value_or("") : "*";
  // Without an id of the sender's, a call that is repeated is known by what it says.
  const std::string id = source_text(m.id, json).value_or("");
  message.id = id.empty() ? std::string(name) + ":" + to_hex(hash128(message.type + "\n" + std::string(raw_at(json, "/body").value_or(""))))
                          : fitting_id(std::string(name) + ":" + id, "w:");
  if (m.id.given() && id.empty())
    return refuse_message(std::move(message.kept), "missing_id", said(m.id.pointer),
                          "the id of the message is to stand at `" + said(m.id.pointer) + "`, and is not there", out);
  open_message(m, schema, message, out);
}

// A decoded %XX or '+' of a form.
bool append_decoded(std::string& out, std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
  };
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i] == '+' ? ' ' : text[i]);
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return false;
    decoded.push_back(static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])));
    i += 2;
  }
  if (!is_utf8(decoded)) return false;
  append_json_string(out, decoded);
  return true;
}

}  // namespace

Result<std::string> form_as_json(std::string_view form) {
  std::string out = "{";
  while (!form.empty()) {
    const std::string_view pair = form.substr(0, form.find('&'));
    form.remove_prefix(std::min(form.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (out.size() > 1) out.push_back(',');
    if (!append_decoded(out, pair.substr(0, equals))) return fail(Code::invalid, "the form is not percent-encoded UTF-8");
    out.push_back(':');
    if (!append_decoded(out, equals < pair.size() ? pair.substr(equals + 1) : ""))
      return fail(Code::invalid, "the form is not percent-encoded UTF-8");
  }
  return out + "}";
}

void open_webhook(std::string_view name, const WebhookMapping& mapping, const daemon::IntakeSchema& schema, Headers headers,
                  std::string_view body, std::vector<daemon::DoorDocument>& out) {
  std::string converted;
  if (lower(header_of(headers, "content-type")).starts_with("application/x-www-form-urlencoded")) {
    Result<std::string> json = form_as_json(body);
    if (!json) return refuse_message(kept_text(kDoor, name, body), "bad_json", "", json.error().message, out);
    converted = *std::move(json);
    body = converted;
  }
  if (!is_utf8(body)) return refuse_message(std::string(body), "bad_utf8", "", "the body is not valid UTF-8", out);
  const auto one = raw_array("[" + std::string(body) + "]");
  if (!one || one->size() != 1 || (!body.substr(body.find_first_not_of(" \t\r\n")).starts_with('{') && mapping.each == "-"))
    return refuse_message(kept_text(kDoor, name, body), "bad_json", "",
                          one && one->size() == 1 ? "the body is no JSON object" : "the body is no valid JSON", out);
  const std::string with = headers_json(headers, mapping.signature);
  if (mapping.each == "-") return open_one(name, mapping, schema, envelope(with, body), out);
  const auto list = raw_at(body, mapping.each);
  const auto items = list ? raw_array(*list) : fail(Code::invalid, "it is missing");
  if (!items)
    return refuse_message(kept_message(kDoor, name, envelope(with, body)), "wrong_type", mapping.each,
                          "`each` says that a list is at `" + mapping.each + "`: " + items.error().message, out);
  for (const std::string_view item : *items) open_one(name, mapping, schema, envelope(with, item), out);
}

Result<std::vector<daemon::DoorDocument>> reopen_webhook(const Mapping& mapping, const daemon::IntakeSchema& schema,
                                                         std::string_view kept) {
  NUDGE_ASSIGN(const std::vector<RawMember> members, raw_object(kept));
  const std::string name = raw_text(raw_member(members, "name")).value_or("");
  const auto found = mapping.webhooks.find(name);
  if (found == mapping.webhooks.end()) return fail(Code::invalid, "the mapping has no webhook " + doc::quoted(name) + " any more");
  std::vector<daemon::DoorDocument> out;
  const std::string_view message = raw_member(members, "message");
  if (message.empty()) {
    open_webhook(name, found->second, schema, {}, raw_text(raw_member(members, "text")).value_or(""), out);
  } else {
    open_one(name, found->second, schema, std::string(message), out);
  }
  return out;
}

}  // namespace nudge::doors
