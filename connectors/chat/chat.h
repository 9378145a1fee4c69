// chat: a robot in a group of WeCom, DingTalk, Feishu (Lark) or Slack says something. Thread-safe.
// The robot's URL is its credential and never stands in a log or an error. None of the four knows a repeat: a message whose answer was lost
// is said again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/chat/pace.h"
#include "connectors/http/http_setup.h"
#include "connectors/sdk/configured.h"

namespace nudge::connectors {

enum class ChatProvider : std::uint8_t { wecom, dingtalk, feishu, slack };

struct ChatMessage {
  std::string subject;  // may be empty; one line
  std::string text;
  bool markdown = false;
  std::vector<std::string> mention;  // ids, mobile numbers, or "all"
};
// Reads a payload; returns what is wrong with it, or an empty text.
std::string read_chat(std::string_view payload, ChatMessage& message);

// The body for a provider, cut on a character's border to what it takes. `timestamp` and `sign`: Feishu's, empty without a secret.
std::string chat_body(ChatProvider provider, const ChatMessage& message, std::string_view timestamp, std::string_view sign);

// base64 of HMAC-SHA256. DingTalk: the key is the secret, the text "milliseconds LF secret". Feishu: the key is "seconds LF secret", the
// text is empty.
std::string dingtalk_sign(std::int64_t timestamp_ms, std::string_view secret);
std::string feishu_sign(std::int64_t timestamp_s, std::string_view secret);

// What an answer means. Errors come as HTTP 200 with a code in the body (Slack: as a status).
sdk::Outcome chat_outcome(ChatProvider provider, const HttpReply& reply);

class Chat final : public sdk::Configured<Chat> {
 public:
  static const sdk::Manifest& manifest();
  static void check(sdk::Config& config);
  Chat(const sdk::Host& host, const sdk::Config& config);
  sdk::Outcome deliver(const sdk::Request& request) override;

 private:
  HttpSetup setup_;
  ChatProvider provider_;
  std::string url_, secret_;
  Pace pace_;
  HttpClient http_;
};

}  // namespace nudge::connectors
