// Twilio Messages (2010-04-01).
#include <algorithm>

#include "connectors/http/digest.h"
#include "connectors/http/payload.h"
#include "connectors/sms/sms.h"

namespace nudge::connectors {

using sdk::Outcome;

namespace {

constexpr std::size_t kBodyCharactersMax = 1600;

std::string form(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out += (out.empty() ? "" : "&") + percent_encode(name) + "=" + percent_encode(value);
  return out;
}

std::size_t characters(std::string_view utf8) {
  std::size_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  return count;
}

class Twilio final : public SmsProvider {
 public:
  Twilio(SmsTransport transport, const sdk::Config& config)
      : transport_(std::move(transport)),
        account_(config.text("account_sid")),
        from_(config.text("from")),
        service_(config.text("messaging_service_sid")),
        callback_(config.text("status_callback")) {
    if (transport_.url.empty()) transport_.url = "https://api.twilio.com";
    while (transport_.url.ends_with('/')) transport_.url.pop_back();
    const std::string user = config.has("api_key_sid") ? config.text("api_key_sid") : account_;
    const std::string token = config.secret("auth_token", transport_.host);
    authorization_ = "Basic " + base64(user + ":" + token);
    callback_token_ = config.has("callback_token") ? config.secret("callback_token", transport_.host)
                      : config.has("api_key_sid")  ? std::string()
                                                   : token;
  }

  Outcome send(const sdk::Request& request, const SmsMessage& message) override {
    if (message.text.empty() && message.media.empty()) return Outcome::refused("the message has no text");
    if (characters(message.text) > kBodyCharactersMax) return Outcome::refused("the text is over 1600 characters");
    HttpRequest post = transport_.request(request);
    post.url = messages_url();
    post.headers = {{"Authorization", authorization_}, {"Content-Type", "application/x-www-form-urlencoded"}};
    std::vector<std::pair<std::string, std::string>> fields{{"To", message.to}, {"Body", message.text}};
    for (const std::string& picture : message.media) fields.emplace_back("MediaUrl", picture);
    fields.emplace_back(service_.empty() ? "From" : "MessagingServiceSid", service_.empty() ? from_ : service_);
    if (!callback_.empty()) fields.emplace_back("StatusCallback", callback_address(request.action_id));
    post.body = form(fields);
    const HttpReply reply = http_.send(post);
    if (reply.transport != HttpReply::Transport::answered || reply.status < 200 || reply.status >= 300) return twilio_outcome(reply);
    const auto answer = json_object(reply.body);
    return Outcome::accepted(answer ? member_text(*answer, "sid") : "", answer ? member_text(*answer, "status") : "", reply.status);
  }

  // Twilio keeps no key of ours: a message to the number with the same text that was made after the action is taken for it.
  Outcome query(const sdk::Request& request, const SmsMessage& message) override {
    HttpRequest get = transport_.request(request);
    get.method = "GET";
    get.repeatable = true;
    get.url = messages_url() + "?To=" + percent_encode(message.to) + "&PageSize=50";
    get.headers = {{"Authorization", authorization_}};
    const HttpReply reply = http_.send(get);
    const auto answer = json_object(reply.body);
    const auto* list = answer ? answer->if_contains("messages") : nullptr;
    if (reply.transport != HttpReply::Transport::answered || reply.status != 200 || list == nullptr || !list->is_array())
      return Outcome::unknown("Twilio can't be asked now: " + (reply.error.empty() ? excerpt(reply.body) : reply.error), reply.status);
    for (const auto& item : list->get_array()) {
      const auto* one = item.if_object();
      if (one == nullptr || member_text(*one, "body") != message.text) continue;
      const std::int64_t made = parse_http_date(member_text(*one, "date_created"));
      if (made + 1000 < request.created_ms) continue;
      return Outcome::accepted(member_text(*one, "sid"), member_text(*one, "status"), reply.status);
    }
    if (list->get_array().size() >= 50) return Outcome::unknown("over 50 messages to this number: the list is cut");
    if (transport_.host.now_ms() - request.created_ms < kSmsSettleMs) return Outcome::unknown("Twilio doesn't list it yet");
    return Outcome::retry("Twilio doesn't list it");
  }

  bool takes_media() const override { return true; }

  // Twilio signs the whole address: as we gave it, whatever a proxy has made of it on the way.
  Outcome receive(const Inbound& inbound) override {
    if (callback_.empty()) return not_from_provider("status_callback is not set: there is no address that Twilio could have signed");
    if (callback_token_.empty()) return not_from_provider("callback_token is not set: an API key's secret signs no callbacks");
    const std::string_view given = inbound.header("x-twilio-signature");
    const FormFields query = inbound.query_fields();
    const std::string_view body_hash = form_field(query, "bodySHA256");
    const FormFields fields = body_hash.empty() ? read_form(inbound.body) : FormFields();
    if (!body_hash.empty() && !same_bytes(body_hash, hex(sha256(inbound.body)))) return not_from_provider("the body is not the signed one");
    const std::string base = callback_.substr(0, callback_.find('?'));
    const std::string query_part = inbound.query.empty() ? std::string() : "?" + inbound.query;
    bool good = false;
    for (const std::string& one : {base, other_port(base)})
      good = same_bytes(given, twilio_signature(callback_token_, one + query_part, fields)) || good;
    if (!good) return not_from_provider("X-Twilio-Signature does not fit; is status_callback the address that Twilio calls?");
    if (form_field(fields, "AccountSid") != account_) return not_from_provider("it speaks of another account");
    return reported(twilio_reports(fields, form_field(query, "action")), {"xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>"});
  }

 private:
  // With the action's id, when it is this nudge that is called.
  std::string callback_address(std::string_view action_id) const {
    if (callback_.find("/v1/callbacks/") == std::string::npos) return callback_;
    return callback_ + (callback_.find('?') == std::string::npos ? "?action=" : "&action=") + std::string(action_id);
  }
  // The same address with the usual port spelt out, or without it.
  static std::string other_port(const std::string& url) {
    const std::size_t begin = url.find("://") + 3, end = std::min(url.find('/', begin), url.size());
    const std::string usual = url.starts_with("https") ? ":443" : ":80";
    const std::string host = url.substr(begin, end - begin);
    if (host.ends_with(usual)) return url.substr(0, end - usual.size()) + url.substr(end);
    return host.find(':') == std::string::npos ? url.substr(0, end) + usual + url.substr(end) : url;
  }
  std::string messages_url() const { return transport_.url + "/2010-04-01/Accounts/" + percent_encode(account_) + "/Messages.json"; }

  SmsTransport transport_;
  std::string account_, from_, service_, callback_, authorization_, callback_token_;
  HttpClient http_;
};

}  // namespace

sdk::Outcome twilio_outcome(const HttpReply& reply) {
  Outcome outcome = outcome_of(reply);
  const auto answer = json_object(reply.body);
  if (reply.transport != HttpReply::Transport::answered || !answer) return outcome;
  const std::string code = member_text(*answer, "code");
  if (!code.empty()) outcome.detail = "Twilio " + code + ": " + excerpt(member_text(*answer, "message"));
  if (code == "20429" || code == "30001") return Outcome::retry(outcome.detail, reply.retry_after_ms, reply.status);
  if (code == "20003" || code == "20404" || code == "21606" || code == "21659" || code == "21212")
    return Outcome::bad_config(outcome.detail, reply.status);
  if (reply.status == 403)
    return Outcome::refused(outcome.detail, reply.status);  // of the number or region, e.g. 21408, not of the account
  return outcome;
}

std::unique_ptr<SmsProvider> make_twilio(const SmsTransport& transport, const sdk::Config& config) {
  return std::make_unique<Twilio>(transport, config);
}

}  // namespace nudge::connectors
