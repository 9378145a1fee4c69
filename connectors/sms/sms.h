// sms: text messages through Aliyun, Tencent Cloud, Twilio or any gateway with an HTTP interface. Thread-safe.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/http/http_setup.h"
#include "connectors/http/inbound.h"
#include "connectors/sdk/configured.h"

namespace nudge::connectors {

// The message of one action, checked.
struct SmsMessage {
  std::string to;                                         // digits, perhaps with a + in front
  std::string text;                                       // control characters but line breaks taken out
  std::string sign_name, template_code, template_params;  // as the payload names them; template_params is JSON
  std::vector<std::string> media;                         // https addresses of pictures, at most ten
};
// Reads a payload; returns what is wrong with it, or an empty text.
std::string read_sms(std::string_view payload, SmsMessage& message);

// Aliyun's answer code (and the HTTP status) as an outcome; "OK" is accepted.
sdk::Outcome aliyun_outcome(std::string_view code, std::string_view message, int http_status, std::int64_t retry_after_ms);
// Tencent Cloud's code, of the request or of one number, as an outcome; "Ok" is accepted.
sdk::Outcome tencent_outcome(std::string_view code, std::string_view message, int http_status);
// Twilio's error answer as an outcome.
sdk::Outcome twilio_outcome(const HttpReply& reply);

// One way to send; the base of the providers.
class SmsProvider {
 public:
  SmsProvider() = default;
  SmsProvider(const SmsProvider&) = delete;
  SmsProvider& operator=(const SmsProvider&) = delete;
  virtual ~SmsProvider() = default;
  virtual sdk::Outcome send(const sdk::Request& request, const SmsMessage& message) = 0;
  virtual sdk::Outcome query(const sdk::Request& request, const SmsMessage& message) = 0;
  virtual sdk::Outcome receive(const Inbound& inbound) = 0;
  virtual bool takes_media() const { return false; }
};

// What all of them need of the configuration.
struct SmsTransport : HttpSetup {
  std::string url;
  HttpRequest request(const sdk::Request& request) const { return HttpSetup::request(request, "POST", url); }
};

std::unique_ptr<SmsProvider> make_aliyun(const SmsTransport& transport, const sdk::Config& config);
std::unique_ptr<SmsProvider> make_tencent(const SmsTransport& transport, const sdk::Config& config);
std::unique_ptr<SmsProvider> make_twilio(const SmsTransport& transport, const sdk::Config& config);
std::unique_ptr<SmsProvider> make_generic_sms(const SmsTransport& transport, const sdk::Config& config);

class Sms final : public sdk::Configured<Sms> {
 public:
  static const sdk::Manifest& manifest();
  static void check(sdk::Config& config);
  Sms(const sdk::Host& host, const sdk::Config& config);
  sdk::Outcome deliver(const sdk::Request& request) override;
  sdk::Outcome query(const sdk::Request& request) override;
  sdk::Outcome receive(const sdk::Request& request) override;

 private:
  std::unique_ptr<SmsProvider> provider_;
};

// --- what providers call back with (callbacks.cpp)

// X-Twilio-Signature for a form POST to `url`.
std::string twilio_signature(std::string_view token, std::string_view url, const FormFields& fields);
// Twilio's receipt or incoming message as a report; nothing for what says nothing (sent, queued …).
std::vector<Report> twilio_reports(const FormFields& fields, std::string_view action);
// Aliyun's SmsReport and SmsUp, Tencent Cloud's receipts and replies, and what a generic gateway sends. Nothing: not understood.
std::optional<std::vector<Report>> aliyun_reports(std::string_view body);
std::optional<std::vector<Report>> tencent_reports(std::string_view body);
std::optional<std::vector<Report>> generic_reports(std::string_view body);
// The three verify by the key in the address alone.
sdk::Outcome receive_by_key(const Inbound& inbound, std::string_view key, const std::optional<std::vector<Report>>& reports,
                            const char* answer);

// True when `code` is one of `codes`; a name that ends with '*' stands for all that begin so.
bool code_in(std::string_view code, std::initializer_list<std::string_view> codes);

// How long an action that a provider doesn't list may still turn up there.
inline constexpr std::int64_t kSmsSettleMs = 60'000;

}  // namespace nudge::connectors
