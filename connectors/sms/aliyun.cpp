// Aliyun SMS (Dysmsapi 2017-05-25): SendSms and QuerySendDetails with signature version 3.
#include <array>
#include <cstdio>
#include <random>

#include "connectors/http/digest.h"
#include "connectors/http/payload.h"
#include "connectors/http/utc.h"
#include "connectors/sms/sign.h"
#include "connectors/sms/sms.h"

namespace nudge::connectors {

using sdk::Outcome;

namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kChinaOffsetMs = 8 * 60 * kMinuteMs;

std::string nonce() {
  std::random_device source;
  std::string bytes;
  for (int i = 0; i < 4; ++i) {
    const unsigned word = source();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  return hex(bytes);
}

std::string host_of(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  return std::string(url.substr(0, url.find_first_of("/?")));
}

// The answer of a look-up: the entry of our OutId, or nothing.
const boost::json::object* find_detail(const boost::json::object& answer, std::string_view out_id) {
  const auto* outer = answer.if_contains("SmsSendDetailDTOs");
  if (outer == nullptr || !outer->is_object()) return nullptr;
  const auto* list = outer->get_object().if_contains("SmsSendDetailDTO");
  if (list == nullptr || !list->is_array()) return nullptr;
  for (const auto& item : list->get_array())
    if (const auto* detail = item.if_object(); detail != nullptr && member_text(*detail, "OutId") == out_id) return detail;
  return nullptr;
}

class Aliyun final : public SmsProvider {
 public:
  Aliyun(SmsTransport transport, const sdk::Config& config)
      : transport_(std::move(transport)),
        key_id_(config.text("access_key_id")),
        key_secret_(config.secret("access_key_secret", transport_.host)),
        sign_name_(config.text("sign_name")),
        template_code_(config.text("template_code")),
        text_param_(config.text("text_param")),
        callback_key_(config.secret("callback_key", transport_.host)) {
    if (transport_.url.empty()) transport_.url = "https://dysmsapi.aliyuncs.com/";
  }

  Outcome send(const sdk::Request& request, const SmsMessage& message) override {
    NameValues parameters{{"PhoneNumbers", message.to},
                          {"SignName", message.sign_name.empty() ? sign_name_ : message.sign_name},
                          {"TemplateCode", message.template_code.empty() ? template_code_ : message.template_code},
                          {"OutId", std::string(request.action_id)}};
    if (parameters[1].second.empty())
      return Outcome::bad_config("sign_name: neither the message nor the configuration names an approved signature");
    if (parameters[2].second.empty())
      return Outcome::bad_config("template_code: neither the message nor the configuration names an approved template");
    if (!message.template_params.empty())
      parameters.emplace_back("TemplateParam", message.template_params);
    else if (!text_param_.empty())
      parameters.emplace_back("TemplateParam", boost::json::serialize(boost::json::object{{text_param_, message.text}}));
    const HttpReply reply = call(request, "SendSms", parameters, false);
    if (reply.transport != HttpReply::Transport::answered) return outcome_of(reply);
    const auto answer = json_object(reply.body);
    if (!answer || member_text(*answer, "Code").empty())  // not Aliyun's own words: a gateway's
      return reply.status == 200 ? Outcome::unknown("HTTP 200 with an answer that is no JSON object", 200) : outcome_of(reply);
    Outcome outcome = aliyun_outcome(member_text(*answer, "Code"), member_text(*answer, "Message"), reply.status, reply.retry_after_ms);
    if (outcome.status == sdk::Status::accepted) outcome.provider_ref = member_text(*answer, "BizId");
    return outcome;
  }

  Outcome query(const sdk::Request& request, const SmsMessage& message) override {
    const std::int64_t now = transport_.host.now_ms();
    // The day in China of the attempt is not known here: ask for every day since the action was decided, at most three.
    for (std::int64_t day = request.created_ms, days = 0; day <= now + 24 * 60 * kMinuteMs && days < 3;
         day += 24 * 60 * kMinuteMs, ++days) {
      const Utc date = utc(day + kChinaOffsetMs);
      char send_date[16];
      std::snprintf(send_date, sizeof send_date, "%04d%02d%02d", date.year, date.month % 100, date.day % 100);
      const HttpReply reply = call(request, "QuerySendDetails",
                                   {{"PhoneNumber", message.to}, {"SendDate", send_date}, {"PageSize", "50"}, {"CurrentPage", "1"}}, true);
      const auto answer = json_object(reply.body);
      if (reply.transport != HttpReply::Transport::answered || !answer || member_text(*answer, "Code") != "OK")
        return Outcome::unknown("Aliyun can't be asked now: " + (reply.error.empty() ? excerpt(reply.body) : reply.error), reply.status);
      if (const auto* detail = find_detail(*answer, request.action_id)) {
        const std::string state = member_text(*detail, "SendStatus");
        return Outcome::accepted(std::string(request.provider_ref), state == "3" ? "delivered"
                                                                    : state == "2"
                                                                        ? "accepted, then failed: " + member_text(*detail, "ErrCode")
                                                                        : "on its way");
      }
      const auto* total = answer->if_contains("TotalCount");
      if (total != nullptr && total->is_int64() && total->get_int64() > 50)
        return Outcome::unknown("over 50 messages to this number in a day: the list is cut");
    }
    if (now - request.created_ms < kSmsSettleMs) return Outcome::unknown("Aliyun doesn't list it yet");
    return Outcome::retry("Aliyun doesn't list it");
  }

  Outcome receive(const Inbound& inbound) override {
    return receive_by_key(inbound, callback_key_, aliyun_reports(inbound.body), R"({"code":0,"msg":"received"})");
  }

 private:
  HttpReply call(const sdk::Request& request, const char* action, NameValues parameters, bool repeatable) {
    HttpRequest post = transport_.request(request);
    const std::string query = canonical_query(std::move(parameters));
    const std::string body_hash = hex(sha256(""));
    NameValues headers{{"host", host_of(post.url)},        {"x-acs-action", action},
                       {"x-acs-version", "2017-05-25"},    {"x-acs-date", iso_utc(transport_.host.now_ms())},
                       {"x-acs-signature-nonce", nonce()}, {"x-acs-content-sha256", body_hash}};
    const AcsSignature signature = acs3_sign("POST", "/", query, headers, body_hash, key_secret_);
    post.headers.assign(headers.begin(), headers.end());
    post.headers.emplace_back("Authorization", "ACS3-HMAC-SHA256 Credential=" + key_id_ + ",SignedHeaders=" + signature.signed_headers +
                                                   ",Signature=" + signature.signature);
    post.headers.emplace_back("Content-Type", "");  // none: it would have to be signed
    post.url = post.url.substr(0, post.url.find('/', post.url.find("://") + 3)) + "/?" + query;
    post.repeatable = repeatable;
    return http_.send(post);
  }

  SmsTransport transport_;
  std::string key_id_, key_secret_, sign_name_, template_code_, text_param_, callback_key_;
  HttpClient http_;
};

}  // namespace

sdk::Outcome aliyun_outcome(std::string_view code, std::string_view message, int http_status, std::int64_t retry_after_ms) {
  const std::string text = std::string(code) + ": " + excerpt(message);
  if (code == "OK") return Outcome::accepted({}, {}, http_status);
  if (code == "isv.BUSINESS_LIMIT_CONTROL") {  // the message names the level whose count ran out: 分钟级, 小时级流控, 天级流控
    const bool day = message.find("天级") != std::string_view::npos || message.find("day") != std::string_view::npos;
    const bool hour = message.find("小时级") != std::string_view::npos || message.find("hour") != std::string_view::npos;
    return Outcome::retry(text, day ? 24 * 60 * kMinuteMs : hour ? 60 * kMinuteMs : kMinuteMs, http_status);
  }
  if (code_in(code, {"isv.DAY_LIMIT_CONTROL", "isv.MONTH_LIMIT_CONTROL"})) return Outcome::retry(text, 24 * 60 * kMinuteMs, http_status);
  if (code_in(code, {"isp.SYSTEM_ERROR", "isv.SYSTEM_ERROR", "InternalError"}))
    return Outcome::unknown(text, http_status);  // ask for the receipt first
  if (code_in(code, {"Throttling*", "ServiceUnavailable", "SignatureNonceUsed", "InvalidTimeStamp.Expired"}))
    return Outcome::retry(text, retry_after_ms, http_status);
  if (code_in(code, {"isv.AMOUNT_NOT_ENOUGH", "isv.OUT_OF_SERVICE", "isv.PRODUCT_UNSUBSCRIBE", "isv.PRODUCT_UN_SUBSCRIPT",
                     "isv.ACCOUNT_NOT_EXISTS", "isv.ACCOUNT_ABNORMAL", "SignatureDoesNotMatch", "InvalidAccessKeyId.NotFound",
                     "InvalidAccessKeyId.Inactive", "Forbidden.RAM"}))
    return Outcome::bad_config(text, http_status);
  if (code.empty() || http_status >= 500) return Outcome::unknown("HTTP " + std::to_string(http_status) + ": " + text, http_status);
  return Outcome::refused(text, http_status);
}

std::unique_ptr<SmsProvider> make_aliyun(const SmsTransport& transport, const sdk::Config& config) {
  return std::make_unique<Aliyun>(transport, config);
}

}  // namespace nudge::connectors
