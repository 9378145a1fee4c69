// smtp: e-mail through a submission server. Thread-safe. One message per recipient, so that every answer of the server is about exactly one
// action; a connection is kept for the next message.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/http/http_setup.h"
#include "connectors/sdk/configured.h"
#include "connectors/smtp/message.h"

namespace nudge::connectors {

// What is known of one SMTP conversation when it is over.
struct SmtpConversation {
  int curl_code = 0;               // CURLcode
  int reply_code = 0;              // of the last reply; 0 = none
  std::string reply_text;          // the last reply's line
  std::string error;               // libcurl's words
  bool message_sent = false;       // the whole message and its final dot left
  bool not_authenticated = false;  // stopped by us: credentials are set, but the server did not take them
  bool stale = false;              // a kept connection turned out to be gone before it said anything: nothing happened
};
// The retry decision: 4xx again later, 5xx never, silence after the final dot unknown, credentials and protocol bad_config.
sdk::Outcome smtp_outcome(const SmtpConversation& conversation, std::uint32_t attempt);

class Smtp final : public sdk::Configured<Smtp> {
 public:
  static const sdk::Manifest& manifest();
  static void check(sdk::Config& config);
  Smtp(const sdk::Host& host, const sdk::Config& config);
  ~Smtp() override;
  sdk::Outcome deliver(const sdk::Request& request) override;
  sdk::Outcome receive(const sdk::Request& request) override;

 private:
  struct Line;  // a connection, kept between messages
  struct Lines;
  SmtpConversation talk(Line& line, const std::string& recipient, const std::string& message, std::int64_t timeout_ms) const;
  // On a kept connection when there is one, else on a new one.
  SmtpConversation send(const std::string& recipient, const std::string& message, std::int64_t timeout_ms);

  HttpSetup setup_;
  std::string url_, security_, username_, password_, envelope_from_, message_id_domain_, callback_key_, files_;
  std::int64_t files_bytes_max_ = 0;
  Mailbox from_;
  std::unique_ptr<Lines> lines_;
};

}  // namespace nudge::connectors
