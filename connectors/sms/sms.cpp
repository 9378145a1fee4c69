#include "connectors/sms/sms.h"

#include <algorithm>

#include "connectors/http/payload.h"

namespace nudge::connectors {

using sdk::Field;
using sdk::FieldType;
using sdk::Outcome;

namespace {

constexpr std::size_t kMediaMax = 10;

sdk::Fields make_fields() {
  sdk::Fields fields = {
      {.name = "provider", .help = "who sends", .required = true, .one_of = {"generic_http", "aliyun", "tencent", "twilio"}},
      {.name = "url", .type = FieldType::url, .help = "the provider's address; only generic_http must have one"},
  };
  add_fields_of(fields, "generic_http",
                {{.name = "headers", .type = FieldType::header_map, .help = "headers of each request, e.g. Authorization by reference"},
                 {.name = "sender", .help = "the sender's name or number, sent as \"from\""}});
  add_fields_of(fields, "aliyun",
                {{.name = "access_key_id", .help = "the AccessKey's id", .required = true},
                 {.name = "access_key_secret", .type = FieldType::secret, .help = "the AccessKey's secret", .required = true},
                 {.name = "sign_name", .help = "approved signature (SignName) when a message names none"},
                 {.name = "template_code", .help = "approved template (SMS_…) when a message names none"},
                 {.name = "text_param", .help = "the template's variable that gets the whole text of a message without params"}});
  add_fields_of(fields, "tencent",
                {{.name = "secret_id", .help = "the API key's SecretId", .required = true},
                 {.name = "secret_key", .type = FieldType::secret, .help = "the API key's SecretKey", .required = true},
                 {.name = "sdk_app_id", .help = "the SMS application (SmsSdkAppId)", .required = true},
                 {.name = "region", .help = "X-TC-Region", .default_json = "\"ap-guangzhou\""},
                 {.name = "tencent_sign_name", .help = "approved signature when a message names none; needed for mainland numbers"},
                 {.name = "template_id", .help = "approved template when a message names none"},
                 {.name = "text_is_param",
                  .type = FieldType::boolean,
                  .help = "a message without params gives its whole text as the template's one parameter",
                  .default_json = "false"}});
  add_fields_of(
      fields, "twilio",
      {{.name = "account_sid", .help = "the account (AC…)", .required = true},
       {.name = "auth_token", .type = FieldType::secret, .help = "its auth token, or the secret of api_key_sid", .required = true},
       {.name = "api_key_sid", .help = "an API key (SK…) to log in with instead of the account"},
       {.name = "from", .help = "sender's number; or messaging_service_sid"},
       {.name = "messaging_service_sid", .help = "messaging service (MG…); or from"},
       {.name = "status_callback",
        .type = FieldType::url,
        .help = "where Twilio reports delivery: the address under which it reaches /v1/callbacks/NAME of this nudge"},
       {.name = "callback_token",
        .type = FieldType::secret,
        .help = "the account's auth token, by which Twilio signs its callbacks; needed with api_key_sid, else auth_token is taken"}});
  fields.push_back(callback_key_field());
  return with_http_fields(std::move(fields), "10000");
}

}  // namespace

std::string read_sms(std::string_view json, SmsMessage& message) {
  const Payload payload(json);
  for (const char c : payload.text("to"))
    if (c != ' ' && c != '-' && c != '(' && c != ')') message.to += c;
  const std::string_view digits = std::string_view(message.to).substr(message.to.starts_with('+') ? 1 : 0);
  if (digits.size() < 5 || digits.size() > 15 || digits.find_first_not_of("0123456789") != std::string_view::npos)
    return "the number \"to\" must be 5 to 15 digits, perhaps with a + in front";
  for (const char c : payload.text("text"))
    if (c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)) message.text += c;
  message.sign_name = payload.text("sign_name");
  message.template_code = payload.text("template");
  if (const auto* params = payload.find("params"); params != nullptr && params->is_object()) {
    boost::json::object texts;  // the providers take strings only
    for (const auto& member : params->get_object())
      texts[member.key()] = member.value().is_string() ? member.value() : boost::json::value(boost::json::serialize(member.value()));
    message.template_params = boost::json::serialize(texts);
  }
  if (const auto* media = payload.find("media"); media != nullptr && media->is_array()) {
    for (const auto& one : media->get_array()) {
      const std::string address = one.is_string() ? std::string(one.get_string()) : std::string("no text");
      if (address.empty()) continue;  // a template that came out empty
      if (!address.starts_with("https://") || has_control(address) || address.find(' ') != std::string::npos)
        return "media: each entry is the https address of a picture";
      message.media.push_back(address);
    }
    if (message.media.size() > kMediaMax) return "media: over ten pictures in one message";
  }
  if (message.text.empty() && message.template_code.empty() && message.media.empty()) return "the message has neither text nor template";
  return {};
}

bool code_in(std::string_view code, std::initializer_list<std::string_view> codes) {
  for (const std::string_view one : codes)
    if (one.ends_with('*') ? code.starts_with(one.substr(0, one.size() - 1)) : code == one) return true;
  return false;
}

const sdk::Manifest& Sms::manifest() {
  static const sdk::Manifest kManifest = {.kind = "sms",
                                          .version = "1.0",
                                          .channels = {"sms"},
                                          .idempotency = "query",
                                          .default_on_unknown = "verify",
                                          .fields = make_fields(),
                                          .receives = true};
  return kManifest;
}

void Sms::check(sdk::Config& config) {
  const std::string provider = config.text("provider");
  if (provider == "generic_http" && !config.has("url")) config.problem("url: is missing; generic_http needs the gateway's address");
  if (provider == "twilio" && config.has("callback_key"))
    config.problem("callback_key: Twilio signs its callbacks; set status_callback instead, and take callback_key out");
  if (provider == "twilio" && config.has("from") == config.has("messaging_service_sid"))
    config.problem("from: give either from or messaging_service_sid");
}

Sms::Sms(const sdk::Host& host, const sdk::Config& config) {
  const SmsTransport transport{{host, config}, config.text("url")};
  const std::string provider = config.text("provider");
  provider_ = provider == "aliyun"    ? make_aliyun(transport, config)
              : provider == "tencent" ? make_tencent(transport, config)
              : provider == "twilio"  ? make_twilio(transport, config)
                                      : make_generic_sms(transport, config);
}

Outcome Sms::deliver(const sdk::Request& request) {
  SmsMessage message;
  if (std::string problem = read_sms(request.payload, message); !problem.empty()) return Outcome::refused(problem);
  if (!message.media.empty() && !provider_->takes_media())
    return Outcome::refused("media: this provider sends no pictures; put a link into the text");
  return provider_->send(request, message);
}

Outcome Sms::query(const sdk::Request& request) {
  SmsMessage message;
  if (std::string problem = read_sms(request.payload, message); !problem.empty()) return Outcome::refused(problem);
  return provider_->query(request, message);
}

Outcome Sms::receive(const sdk::Request& request) {
  const auto inbound = Inbound::read(request.payload);
  return inbound ? provider_->receive(*inbound) : not_understood("the callback can't be read");
}

// --- any gateway that takes JSON over HTTP ---

namespace {

class GenericSms final : public SmsProvider {
 public:
  GenericSms(SmsTransport transport, const sdk::Config& config)
      : transport_(std::move(transport)),
        headers_(config.headers("headers", transport_.host)),
        sender_(config.text("sender")),
        callback_key_(config.secret("callback_key", transport_.host)) {}

  Outcome send(const sdk::Request& request, const SmsMessage& message) override {
    HttpRequest post = transport_.request(request);
    post.headers = headers_;
    post.headers.emplace_back("Content-Type", "application/json");
    post.headers.emplace_back("Idempotency-Key", std::string(request.action_id));
    boost::json::object body{
        {"id", boost::json::string_view(request.action_id.data(), request.action_id.size())}, {"to", message.to}, {"text", message.text}};
    if (!sender_.empty()) body["from"] = sender_;
    if (!message.template_code.empty()) body["template"] = message.template_code;
    if (!message.template_params.empty()) body["params"] = boost::json::parse(message.template_params);
    post.body = boost::json::serialize(body);
    const HttpReply reply = http_.send(post);
    Outcome outcome = outcome_of(reply);
    if (outcome.status != sdk::Status::accepted) return outcome;
    if (const auto answer = json_object(reply.body))
      for (const char* name : {"id", "message_id", "sid", "messageId"})
        if (outcome.provider_ref.empty()) outcome.provider_ref = member_text(*answer, name);
    return outcome;
  }

  Outcome query(const sdk::Request&, const SmsMessage&) override { return Outcome::unknown("a generic_http gateway can't be asked"); }

  Outcome receive(const Inbound& inbound) override {
    return receive_by_key(inbound, callback_key_, generic_reports(inbound.body), R"({"status":"ok"})");
  }

 private:
  SmsTransport transport_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::string sender_, callback_key_;
  HttpClient http_;
};

}  // namespace

std::unique_ptr<SmsProvider> make_generic_sms(const SmsTransport& transport, const sdk::Config& config) {
  return std::make_unique<GenericSms>(transport, config);
}

}  // namespace nudge::connectors
