// What a robot says, in each provider's words. Text of users is data: nobody is called by a mention that stands in it.
#include "connectors/chat/message.h"

#include <algorithm>

#include "connectors/chat/chat.h"
#include "connectors/http/payload.h"

namespace nudge::connectors {

namespace json = boost::json;

namespace {

constexpr std::size_t kMentionsMax = 50;
constexpr std::string_view kZeroWidthSpace = "\xE2\x80\x8B";

void replace(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
}

// A number as the providers want it: digits alone. Empty: it is an id.
std::string mobile(std::string_view who) {
  std::string digits;
  for (const char c : who) {
    if (c >= '0' && c <= '9')
      digits += c;
    else if (c != '+' && c != ' ' && c != '-')
      return {};
  }
  return digits.size() >= 5 ? digits : std::string();
}

std::string with_subject(const ChatMessage& message, std::string_view before, std::string_view behind) {
  if (message.subject.empty()) return message.text;
  return std::string(before) + message.subject + std::string(behind) + "\n" + message.text;
}

json::object wecom(const ChatMessage& message, std::string text) {
  json::array ids, mobiles;
  for (const std::string& who : message.mention) {
    if (const std::string number = mobile(who); !number.empty())
      mobiles.emplace_back(number);
    else if (message.markdown)
      text += who == "all" ? "" : " <@" + who + ">";  // markdown can't call everybody
    else
      ids.emplace_back(who == "all" ? "@all" : who);
  }
  if (message.markdown) return {{"msgtype", "markdown"}, {"markdown", {{"content", text}}}};
  json::object inner{{"content", text}};
  if (!ids.empty()) inner["mentioned_list"] = ids;
  if (!mobiles.empty()) inner["mentioned_mobile_list"] = mobiles;
  return {{"msgtype", "text"}, {"text", inner}};
}

json::object dingtalk(const ChatMessage& message, std::string text) {
  json::array ids, mobiles;
  bool all = false;
  for (const std::string& who : message.mention) {
    const std::string number = mobile(who);
    all = all || who == "all";
    if (who == "all") continue;
    (number.empty() ? ids : mobiles).emplace_back(number.empty() ? who : number);
    text += " @" + (number.empty() ? who : number);  // shown only when the text says it, too
  }
  json::object out{{"at", {{"atMobiles", mobiles}, {"atUserIds", ids}, {"isAtAll", all}}}};
  out["msgtype"] = message.markdown ? "markdown" : "text";
  if (message.markdown)
    out["markdown"] = {{"title", message.subject.empty() ? std::string(message.text, 0, utf8_cut(message.text, 60)) : message.subject},
                       {"text", text}};
  else
    out["text"] = {{"content", text}};
  return out;
}

json::object feishu(const ChatMessage& message, std::string text) {
  for (const std::string& who : message.mention) {
    if (message.markdown)
      text += " <at id=" + who + "></at>";
    else
      text += " <at user_id=\"" + who + "\"></at>";
  }
  if (!message.markdown) return {{"msg_type", "text"}, {"content", {{"text", text}}}};
  json::object card{{"elements", json::array{json::object{{"tag", "markdown"}, {"content", text}}}}};
  if (!message.subject.empty()) card["header"] = {{"title", {{"tag", "plain_text"}, {"content", message.subject}}}};
  return {{"msg_type", "interactive"}, {"card", card}};
}

json::object slack(const ChatMessage& message, std::string text) {
  for (const std::string& who : message.mention) text += who == "all" ? " <!channel>" : " <@" + who + ">";
  return {{"text", text}, {"mrkdwn", message.markdown}, {"unfurl_links", false}};
}

// The text with what would be a command of the provider's own made harmless.
std::string harmless(ChatProvider provider, const ChatMessage& message) {
  std::string text;
  switch (provider) {
    case ChatProvider::wecom:
      text = message.markdown ? with_subject(message, "### ", "") : with_subject(message, "", "");
      replace(text, "<@", "<" + std::string(kZeroWidthSpace) + "@");
      break;
    case ChatProvider::dingtalk: text = message.markdown ? with_subject(message, "### ", "\n") : with_subject(message, "", ""); break;
    case ChatProvider::feishu:
      text = message.markdown ? message.text : with_subject(message, "", "");
      replace(text, "<at", "<" + std::string(kZeroWidthSpace) + "at");
      break;
    case ChatProvider::slack:
      text = message.markdown ? with_subject(message, "*", "*") : with_subject(message, "", "");
      replace(text, "&", "&amp;");
      replace(text, "<", "&lt;");
      replace(text, ">", "&gt;");
      break;
  }
  return text;
}

json::object object_for(ChatProvider provider, const ChatMessage& message, std::string text) {
  switch (provider) {
    case ChatProvider::wecom: return wecom(message, std::move(text));
    case ChatProvider::dingtalk: return dingtalk(message, std::move(text));
    case ChatProvider::feishu: return feishu(message, std::move(text));
    case ChatProvider::slack: break;
  }
  return slack(message, std::move(text));
}

struct Room {
  std::size_t text_bytes, body_bytes;
};
Room room_of(ChatProvider provider, bool markdown) {
  switch (provider) {
    case ChatProvider::wecom: return {markdown ? 4096U : 2048U, 64U << 10};
    case ChatProvider::dingtalk: return {20'000, 20'000};
    case ChatProvider::feishu: return {20'000, 20'000};
    case ChatProvider::slack: break;
  }
  return {40'000, 256U << 10};
}

// The provider's text inside the object, with all that was put behind it.
std::size_t content_bytes(ChatProvider provider, const json::object& object) {
  if (provider != ChatProvider::wecom) return 0;
  const json::object& inner = object.at(object.at("msgtype").get_string()).get_object();
  return inner.at("content").get_string().size();
}

}  // namespace

std::size_t utf8_cut(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text.size();
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  return bytes;
}

std::string read_chat(std::string_view json_text, ChatMessage& message) {
  const Payload payload(json_text);
  for (const char c : payload.text("subject")) message.subject += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  message.subject.resize(utf8_cut(message.subject, 250));
  message.text = payload.text("text");
  if (message.text.find_first_not_of(" \t\r\n") == std::string::npos) return "the message has no text";
  const std::string format = payload.text("format");
  if (!format.empty() && format != "text" && format != "markdown") return "the format must be text or markdown";
  message.markdown = format == "markdown";
  if (const auto* mention = payload.find("mention"); mention != nullptr && mention->is_array()) {
    for (const auto& who : mention->get_array()) {
      if (!who.is_string() || who.get_string().empty()) continue;  // an attribute that is missing calls nobody
      const std::string_view id(who.get_string());
      if (id.size() > 128 || id.find_first_of("<>\"&=|") != std::string_view::npos || has_control(id))
        return "a mention must be a user's id, a mobile number or all";
      message.mention.emplace_back(id);
    }
  }
  if (message.mention.size() > kMentionsMax) return "more than 50 are mentioned; mention all";
  return {};
}

std::string chat_body(ChatProvider provider, const ChatMessage& message, std::string_view timestamp, std::string_view sign) {
  const Room room = room_of(provider, message.markdown);
  std::string text = harmless(provider, message);
  const std::string_view mark = "…";
  for (std::size_t keep = text.size();;) {
    json::object object = object_for(provider, message, keep == text.size() ? text : text.substr(0, keep) + std::string(mark));
    if (!timestamp.empty()) {
      object["timestamp"] = json::string_view(timestamp.data(), timestamp.size());
      object["sign"] = json::string_view(sign.data(), sign.size());
    }
    std::string body = json::serialize(object);
    const std::size_t content = content_bytes(provider, object);
    const std::size_t over =
        std::max(body.size() > room.body_bytes ? body.size() - room.body_bytes : 0, content > room.text_bytes ? content - room.text_bytes
                                                                                    : keep > room.text_bytes  ? keep - room.text_bytes
                                                                                                              : 0);
    if (over == 0 || keep == 0) return body;
    keep = utf8_cut(text, keep - std::min(keep, keep == text.size() ? over + mark.size() : over));
  }
}

}  // namespace nudge::connectors
