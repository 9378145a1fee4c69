#include "connectors/chat/chat.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "connectors/chat/message.h"
#include "connectors/http/digest.h"
#include "connectors/http/payload.h"

namespace nudge::connectors {

using sdk::FieldType;
using sdk::Outcome;

namespace {

constexpr std::array<std::string_view, 4> kProviders{"wecom", "dingtalk", "feishu", "slack"};
constexpr std::int64_t kSecondMs = 1000;
constexpr std::int64_t kMinuteMs = 60'000;

std::vector<Pace::Limit> limits_of(ChatProvider provider) {
  switch (provider) {
    case ChatProvider::wecom:
    case ChatProvider::dingtalk: return {{20, kMinuteMs}};
    case ChatProvider::feishu: return {{5, kSecondMs}, {100, kMinuteMs}};
    case ChatProvider::slack: break;
  }
  return {{1, kSecondMs}};
}

ChatProvider provider_of(std::string_view name) {
  return static_cast<ChatProvider>(std::find(kProviders.begin(), kProviders.end(), name) - kProviders.begin());
}

Outcome pause(std::string text, std::int64_t at_least_ms, const HttpReply& reply) {
  return Outcome::retry(std::move(text), std::max(at_least_ms, reply.retry_after_ms), reply.status);
}

bool is_in(std::int64_t code, std::initializer_list<std::int64_t> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

Outcome wecom_outcome(std::int64_t code, std::string text, const HttpReply& reply) {
  if (code == -1) return pause(std::move(text), 0, reply);
  if (code == 45009) return pause(std::move(text), kMinuteMs, reply);
  if (is_in(code, {93000, 93004, 93008})) return Outcome::bad_config(text + "; is the robot still in the group?", reply.status);
  return Outcome::refused(std::move(text), reply.status);
}

Outcome dingtalk_outcome(std::int64_t code, std::string_view words, std::string text, const HttpReply& reply) {
  if (code == -1) return pause(std::move(text), 0, reply);
  if (code == 130101) return pause(std::move(text), 10 * kMinuteMs, reply);
  if (code == 410100) return pause(std::move(text), kMinuteMs, reply);
  // The group wants a certain word in every message: this one lacks it, the next may have it.
  if (code == 310000 && words.find("keyword") != std::string_view::npos) return Outcome::refused(std::move(text), reply.status);
  if (is_in(code, {310000, 300001, 400013}))
    return Outcome::bad_config(text + "; check the robot's url, secret and security settings", reply.status);
  return Outcome::refused(std::move(text), reply.status);
}

Outcome feishu_outcome(std::int64_t code, std::string text, const HttpReply& reply) {
  if (is_in(code, {11232, 230020})) return pause(std::move(text), 5 * kSecondMs, reply);
  if (code == 99991400) {
    const std::string reset(reply.header("x-ogw-ratelimit-reset"));
    return pause(std::move(text), std::max<std::int64_t>(kSecondMs, parse_retry_after(reset, 0)), reply);
  }
  if (is_in(code, {19001, 19021, 19022}))
    return Outcome::bad_config(text + "; check the robot's url, secret and this machine's clock", reply.status);
  return Outcome::refused(std::move(text), reply.status);
}

Outcome slack_outcome(const HttpReply& reply) {
  const std::string text = "Slack answers " + std::to_string(reply.status) + ": " + excerpt(reply.body);
  if (reply.status == 200) return reply.body == "ok" ? Outcome::accepted({}, {}, 200) : Outcome::unknown(text, 200);
  if (reply.status == 429) return pause(text, kSecondMs, reply);
  if (reply.status == 403 || reply.status == 404 || reply.status == 410)
    return Outcome::bad_config(text + "; is the app still in the channel?", reply.status);
  return outcome_of(reply);
}

}  // namespace

std::string dingtalk_sign(std::int64_t timestamp_ms, std::string_view secret) {
  return base64(hmac_sha256(secret, std::to_string(timestamp_ms) + "\n" + std::string(secret)));
}

std::string feishu_sign(std::int64_t timestamp_s, std::string_view secret) {
  return base64(hmac_sha256(std::to_string(timestamp_s) + "\n" + std::string(secret), ""));
}

Outcome chat_outcome(ChatProvider provider, const HttpReply& reply) {
  if (reply.transport != HttpReply::Transport::answered) return outcome_of(reply);
  if (provider == ChatProvider::slack) return slack_outcome(reply);
  const auto answer = json_object(reply.body);
  const bool feishu = provider == ChatProvider::feishu;
  const boost::json::value* code = nullptr;
  if (answer)
    for (const char* name : {feishu ? "code" : "errcode", feishu ? "StatusCode" : "errcode"})
      if (code == nullptr) code = answer->if_contains(name);
  if (code == nullptr || !code->is_int64()) {
    if (reply.status == 200) return Outcome::unknown("HTTP 200, but the answer holds no code: " + excerpt(reply.body), 200);
    return outcome_of(reply);
  }
  const std::int64_t number = code->get_int64();
  if (number == 0 && reply.status == 200) return Outcome::accepted({}, {}, 200);
  const std::string words = member_text(*answer, feishu ? "msg" : "errmsg");
  const std::string text = "error " + std::to_string(number) + ": " + excerpt(words);
  switch (provider) {
    case ChatProvider::wecom: return wecom_outcome(number, text, reply);
    case ChatProvider::dingtalk: return dingtalk_outcome(number, words, text, reply);
    default: return feishu_outcome(number, text, reply);
  }
}

const sdk::Manifest& Chat::manifest() {
  static const sdk::Manifest kManifest = {
      .kind = "chat",
      .version = "1.0",
      .channels = {"chat"},
      .idempotency = "none",
      .default_on_unknown = "retry",
      .fields = with_http_fields(
          {{.name = "provider", .help = "whose robot", .required = true, .one_of = {kProviders.begin(), kProviders.end()}},
           {.name = "url", .type = FieldType::secret, .help = "the robot's webhook address: it is a credential", .required = true},
           {.name = "secret", .type = FieldType::secret, .help = "DingTalk and Feishu: the signing secret, where the group asks for one"},
           allow_http_field()},
          "10000")};
  return kManifest;
}

void Chat::check(sdk::Config& config) {
  const std::string provider = config.text("provider");
  if (config.has("secret") && (provider == "wecom" || provider == "slack"))
    config.problem("secret: " + provider + " has none; its url is all there is. Take it out");
}

Chat::Chat(const sdk::Host& host, const sdk::Config& config)
    : setup_(host, config),
      provider_(provider_of(config.text("provider"))),
      url_(config.secret("url", host)),
      secret_(config.secret("secret", host)),
      pace_(limits_of(provider_)) {
  if (!url_.starts_with("https://") && !(is_plain_http(url_) && config.flag("allow_http")))
    throw std::invalid_argument("url: the address in the secret must begin with https:// (or allow_http must be true)");
  if (has_control(url_) || url_.find(' ') != std::string::npos) throw std::invalid_argument("url: the secret holds more than an address");
}

Outcome Chat::deliver(const sdk::Request& request) {
  ChatMessage message;
  if (std::string problem = read_chat(request.payload, message); !problem.empty()) return Outcome::refused(problem);
  // A short wait is waited here; a long one is left to the outbox, which has other things to do meanwhile.
  std::int64_t now = setup_.host.now_ms();
  if (const std::int64_t at = pace_.ask(request.action_id, now); at > now) {
    const std::int64_t until = request.deadline_ms > 0 ? request.deadline_ms - setup_.timeout_ms : now + setup_.timeout_ms;
    if (at > until || at - now > 2 * kSecondMs)
      return Outcome::retry("it waits for its turn: the robot may say only so much a minute", at - now);
    std::this_thread::sleep_for(std::chrono::milliseconds(at - now));
    now = setup_.host.now_ms();
    if (pace_.ask(request.action_id, std::max(at, now)) > std::max(at, now))
      return Outcome::retry("the robot was told to pause", kMinuteMs);
  }
  std::string url = url_, timestamp, sign;
  if (provider_ == ChatProvider::dingtalk && !secret_.empty())
    url += "&timestamp=" + std::to_string(now) + "&sign=" + percent_encode(dingtalk_sign(now, secret_));
  if (provider_ == ChatProvider::feishu && !secret_.empty()) {
    timestamp = std::to_string(now / kSecondMs);
    sign = feishu_sign(now / kSecondMs, secret_);
  }
  const HttpReply reply = http_.send(setup_.post_json(request, url, chat_body(provider_, message, timestamp, sign)));
  Outcome outcome = chat_outcome(provider_, reply);
  if (outcome.retryable && outcome.retry_after_ms > 0) pace_.quiet(setup_.host.now_ms() + outcome.retry_after_ms);
  return outcome;
}

}  // namespace nudge::connectors
