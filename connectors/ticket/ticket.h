// ticket: opens a ticket in Zendesk, Jira, Zammad or any system with an HTTP interface. Thread-safe.
// An action never opens two: by the provider's idempotency key where there is one, else by looking before creating again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/http/http_setup.h"
#include "connectors/http/inbound.h"
#include "connectors/sdk/configured.h"

namespace nudge::connectors {

struct Ticket {
  std::string subject;  // one line, at most 255 characters
  std::string body;
  std::string priority = "normal";  // low normal high urgent
  std::string type = {};
  std::string due = {};  // RFC 3339, or a date
  std::string requester_name = {}, requester_email = {};
  std::vector<std::string> tags = {};
};
// Reads a payload; returns what is wrong with it, or an empty text.
std::string read_ticket(std::string_view payload, Ticket& ticket);

// Jira wants text as Atlassian Document Format: one paragraph a line.
boost::json::object atlassian_document(std::string_view text);
// The label that marks our issue in Jira.
std::string jira_label(std::string_view action_id);

class TicketSystem {
 public:
  TicketSystem() = default;
  TicketSystem(const TicketSystem&) = delete;
  TicketSystem& operator=(const TicketSystem&) = delete;
  virtual ~TicketSystem() = default;
  virtual sdk::Outcome open(const sdk::Request& request, const Ticket& ticket) = 0;
  // accepted = it is there; not_sent = it certainly is not; unknown = can't say.
  virtual sdk::Outcome find(const sdk::Request& request) = 0;

 protected:
  // Where there is no key: looks before a repeat. What to answer instead of opening it once more; nothing: it is to be opened.
  std::optional<sdk::Outcome> found_before(const sdk::Request& request) {
    if (request.attempt <= 1) return std::nullopt;
    sdk::Outcome found = find(request);
    if (found.status == sdk::Status::not_sent) return std::nullopt;
    if (found.status == sdk::Status::accepted) return found;
    return sdk::Outcome::retry("not opened again, because the look-up failed: " + found.detail);
  }
};

// How to reach it: what HTTP needs, and the system's address.
struct TicketTransport : HttpSetup {
  std::string url;
  // To `path` behind the address.
  HttpRequest request(const sdk::Request& request, std::string method, const std::string& path) const {
    return HttpSetup::request(request, std::move(method), url + path);
  }
};

std::unique_ptr<TicketSystem> make_generic_ticket(const TicketTransport& transport, const sdk::Config& config);
std::unique_ptr<TicketSystem> make_zendesk(const TicketTransport& transport, const sdk::Config& config);
std::unique_ptr<TicketSystem> make_zammad(const TicketTransport& transport, const sdk::Config& config);
std::unique_ptr<TicketSystem> make_jira(const TicketTransport& transport, const sdk::Config& config);

// --- what the systems call back with (callbacks.cpp): one report, or none when it says nothing of a status. Nothing at all: not
// understood.

std::string zendesk_signature(std::string_view secret, std::string_view timestamp, std::string_view body);
std::string zammad_signature(std::string_view token, std::string_view body);  // of X-Hub-Signature, with its "sha1="
std::optional<std::vector<Report>> zendesk_reports(std::string_view body, std::string_view timestamp);
std::optional<std::vector<Report>> zammad_reports(std::string_view body, std::string_view delivery, std::string_view id_attribute);
std::optional<std::vector<Report>> jira_reports(std::string_view body);
std::optional<std::vector<Report>> generic_ticket_reports(std::string_view body);

class TicketConnector final : public sdk::Configured<TicketConnector> {
 public:
  static const sdk::Manifest& manifest();
  static void check(sdk::Config& config);
  TicketConnector(const sdk::Host& host, const sdk::Config& config);
  sdk::Outcome deliver(const sdk::Request& request) override;
  sdk::Outcome query(const sdk::Request& request) override;
  sdk::Outcome receive(const sdk::Request& request) override;

 private:
  sdk::Host host_;
  std::string provider_, callback_secret_, callback_key_, id_attribute_;
  std::unique_ptr<TicketSystem> system_;
};

}  // namespace nudge::connectors
