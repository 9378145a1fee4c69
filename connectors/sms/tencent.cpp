// Tencent Cloud SMS (2021-01-11): SendSms and PullSmsSendStatusByPhoneNumber with TC3-HMAC-SHA256. Errors come as HTTP 200.
#include "connectors/http/payload.h"
#include "connectors/sms/sign.h"
#include "connectors/sms/sms.h"

namespace nudge::connectors {

using sdk::Outcome;

namespace {

constexpr std::int64_t kSecondMs = 1'000;
constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kReceiptSettleMs = 10 * 60'000;  // only receipts are listed, and a receipt comes late
constexpr const char* kContentType = "application/json; charset=utf-8";

boost::json::string js(std::string_view text) { return boost::json::string(text.data(), text.size()); }

// The object "Response" of an answer; nothing when there is none.
const boost::json::object* response_of(const std::optional<boost::json::object>& answer) {
  const auto* value = answer ? answer->if_contains("Response") : nullptr;
  return value == nullptr ? nullptr : value->if_object();
}

const boost::json::array* list_of(const boost::json::object* object, std::string_view name) {
  const auto* value = object == nullptr ? nullptr : object->if_contains({name.data(), name.size()});
  return value == nullptr ? nullptr : value->if_array();
}

class Tencent final : public SmsProvider {
 public:
  Tencent(SmsTransport transport, const sdk::Config& config)
      : transport_(std::move(transport)),
        secret_id_(config.text("secret_id")),
        secret_key_(config.secret("secret_key", transport_.host)),
        app_id_(config.text("sdk_app_id")),
        region_(config.text("region")),
        sign_name_(config.text("tencent_sign_name")),
        template_id_(config.text("template_id")),
        callback_key_(config.secret("callback_key", transport_.host)),
        text_is_param_(config.flag("text_is_param")) {
    if (transport_.url.empty()) transport_.url = "https://sms.tencentcloudapi.com";
    while (transport_.url.ends_with('/')) transport_.url.pop_back();
  }

  Outcome send(const sdk::Request& request, const SmsMessage& message) override {
    const std::string& template_id = message.template_code.empty() ? template_id_ : message.template_code;
    if (template_id.empty())
      return Outcome::bad_config("template_id: neither the message nor the configuration names an approved template");
    boost::json::array params;  // in the order in which the message names them
    if (!message.template_params.empty()) {
      for (const auto& member : boost::json::parse(message.template_params).as_object()) params.push_back(member.value());
    } else if (text_is_param_) {
      params.emplace_back(js(message.text));
    }
    boost::json::object body{{"PhoneNumberSet", boost::json::array{js(message.to)}},
                             {"SmsSdkAppId", js(app_id_)},
                             {"TemplateId", js(template_id)},
                             {"TemplateParamSet", params},
                             {"SessionContext", js(request.action_id)}};
    const std::string& sign_name = message.sign_name.empty() ? sign_name_ : message.sign_name;
    if (!sign_name.empty()) body["SignName"] = js(sign_name);
    const HttpReply reply = call(request, "SendSms", boost::json::serialize(body), false);
    if (reply.transport != HttpReply::Transport::answered) return outcome_of(reply);
    const auto answer = json_object(reply.body);
    const auto* response = response_of(answer);
    if (response == nullptr)
      return reply.status == 200 ? Outcome::unknown("HTTP 200 with an answer that holds no Response", 200) : outcome_of(reply);
    if (const auto* error = response->if_contains("Error"); error != nullptr && error->is_object())
      return tencent_outcome(member_text(error->get_object(), "Code"), member_text(error->get_object(), "Message"), reply.status);
    const auto* list = list_of(response, "SendStatusSet");
    const auto* one = list == nullptr || list->empty() ? nullptr : list->front().if_object();
    if (one == nullptr) return Outcome::unknown("the answer holds no status of the number", reply.status);
    Outcome outcome = tencent_outcome(member_text(*one, "Code"), member_text(*one, "Message"), reply.status);
    if (outcome.status == sdk::Status::accepted) outcome.provider_ref = member_text(*one, "SerialNo");
    return outcome;
  }

  Outcome query(const sdk::Request& request, const SmsMessage& message) override {
    const boost::json::object body{{"BeginTime", request.created_ms / kSecondMs - 60},
                                   {"Offset", 0},
                                   {"Limit", 100},
                                   {"PhoneNumber", js(message.to)},
                                   {"SmsSdkAppId", js(app_id_)}};
    const HttpReply reply = call(request, "PullSmsSendStatusByPhoneNumber", boost::json::serialize(body), true);
    const auto answer = json_object(reply.body);
    const auto* list = list_of(response_of(answer), "PullSmsSendStatusSet");
    if (reply.transport != HttpReply::Transport::answered || list == nullptr)
      return Outcome::unknown("Tencent Cloud can't be asked now: " + (reply.error.empty() ? excerpt(reply.body) : reply.error),
                              reply.status);
    for (const auto& item : *list)
      if (const auto* one = item.if_object(); one != nullptr && member_text(*one, "SessionContext") == request.action_id)
        return Outcome::accepted(member_text(*one, "SerialNo"), member_text(*one, "ReportStatus") + " " + member_text(*one, "Description"),
                                 200);
    if (list->size() >= 100) return Outcome::unknown("over 100 receipts of this number: the list is cut");
    if (transport_.host.now_ms() - request.created_ms < kReceiptSettleMs) return Outcome::unknown("no receipt yet");
    return Outcome::retry("no receipt after ten minutes");
  }

  Outcome receive(const Inbound& inbound) override {
    return receive_by_key(inbound, callback_key_, tencent_reports(inbound.body), R"({"result":0,"errmsg":"OK"})");
  }

 private:
  HttpReply call(const sdk::Request& request, const char* action, std::string body, bool repeatable) {
    HttpRequest post = transport_.request(request);
    const std::string host = post.url.substr(post.url.find("://") + 3);
    const std::int64_t now_s = transport_.host.now_ms() / kSecondMs;
    const Tc3Signature signature = tc3_sign("sms", {{"content-type", kContentType}, {"host", host}}, now_s, body, secret_id_, secret_key_);
    post.headers = {{"Content-Type", kContentType},
                    {"Host", host},
                    {"X-TC-Action", action},
                    {"X-TC-Version", "2021-01-11"},
                    {"X-TC-Region", region_},
                    {"X-TC-Timestamp", std::to_string(now_s)},
                    {"Authorization", signature.authorization}};
    post.body = std::move(body);
    post.url += "/";
    post.repeatable = repeatable;
    return http_.send(post);
  }

  SmsTransport transport_;
  std::string secret_id_, secret_key_, app_id_, region_, sign_name_, template_id_, callback_key_;
  bool text_is_param_;
  HttpClient http_;
};

}  // namespace

sdk::Outcome tencent_outcome(std::string_view code, std::string_view message, int http_status) {
  const std::string text = std::string(code) + ": " + excerpt(message);
  if (code == "Ok") return Outcome::accepted({}, {}, http_status);
  if (code == "LimitExceeded.PhoneNumberThirtySecondLimit") return Outcome::retry(text, 30 * kSecondMs, http_status);
  if (code_in(code, {"LimitExceeded.PhoneNumberOneHourLimit", "LimitExceeded.DeliveryFrequencyLimit",
                     "FailedOperation.MarketingSendTimeConstraint"}))
    return Outcome::retry(text, kHourMs, http_status);
  if (code == "LimitExceeded.PhoneNumberCountLimit") return Outcome::refused(text, http_status);
  if (code_in(code, {"LimitExceeded.GlobalSmsSendingRateLimit", "RequestLimitExceeded*"})) return Outcome::retry(text, 0, http_status);
  if (code_in(code, {"LimitExceeded*"})) return Outcome::retry(text, 24 * kHourMs, http_status);
  if (code_in(code, {"InternalError.RequestTimeException", "AuthFailure.SignatureExpire"}))
    return Outcome::bad_config(text + "; is this machine's clock right?", http_status);
  if (code_in(code, {"InternalError*"}) || code.empty()) return Outcome::unknown(text, http_status);  // ask for the receipt first
  if (code_in(code, {"AuthFailure*", "UnauthorizedOperation*", "FailedOperation.InsufficientBalanceInSmsPackage"}))
    return Outcome::bad_config(text, http_status);
  return Outcome::refused(text, http_status);
}

std::unique_ptr<SmsProvider> make_tencent(const SmsTransport& transport, const sdk::Config& config) {
  return std::make_unique<Tencent>(transport, config);
}

}  // namespace nudge::connectors
