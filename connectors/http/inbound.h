// What a provider sends to us, on the way into a connector (sdk::Connector::receive), and what comes out of it: reports for nudge. Pure
// functions and plain data, thread-safe. Whatever is in it comes from outside: verify first.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/sdk/config.h"
#include "connectors/sdk/plugin.h"

namespace nudge::connectors {

using FormFields = std::vector<std::pair<std::string, std::string>>;
// application/x-www-form-urlencoded; what is malformed stays as it is.
FormFields read_form(std::string_view text);
// The first field of that name, or empty.
std::string_view form_field(const FormFields& fields, std::string_view name);

class Inbound {
 public:
  // Reads the payload of a receive request; nothing when it is none.
  static std::optional<Inbound> read(std::string_view payload);

  // As the request named it: path and query.
  std::string path, query;
  std::string body;
  bool trusted = false;  // came with a token of nudge's own: there is nothing to verify

  std::string_view header(std::string_view lower_case_name) const;
  // The last part of /v1/callbacks/NAME/KEY; empty without one.
  std::string_view key() const;
  FormFields query_fields() const { return read_form(query); }

 private:
  std::vector<std::pair<std::string, std::string>> headers_;
};

// The key that stands in the address, for providers that sign nothing: `callback_key`.
sdk::Field callback_key_field();
// True when it was called with this key, or with a token of nudge's own. `why`: what to tell.
bool called_with_key(const Inbound& inbound, std::string_view key, std::string& why);

// One thing that a provider reports. Empty texts are left out. See PROTOCOL.md.
struct Report {
  std::string state;                 // delivered, failed, delayed, replied, unsubscribed, ticket
  std::string action, ref, address;  // whose: the action's id, the provider's, or the last action to this address
  std::string id;                    // of the report itself, the same when it is told twice
  std::string code, reason;          // failed: for people
  std::string text;                  // replied
  std::string status, raw_status;    // ticket: open, waiting, done, rejected; and as the provider calls it
  std::int64_t at_ms = 0;            // 0: when it came in
  bool gone = false;                 // nothing will ever arrive at this address
};

// What the provider is to be answered: `type` is json, xml or text.
struct CallbackAnswer {
  std::string type = "json";
  std::string body = "{}";
};
sdk::Outcome reported(const std::vector<Report>& reports, const CallbackAnswer& answer = {});
sdk::Outcome not_from_provider(std::string why);  // 401
sdk::Outcome not_understood(std::string why);     // 400

// Instants of providers as milliseconds since 1970; 0 when malformed. `offset_ms`: what their clock is ahead of UTC.
std::int64_t parse_plain_time(std::string_view text, std::int64_t offset_ms);  // 2026-01-02 03:04:05, what follows is not read
// The same with T, perhaps a fraction, and Z or an offset (+08:00, +0800), which is needed.
std::int64_t parse_instant(std::string_view text);

}  // namespace nudge::connectors
