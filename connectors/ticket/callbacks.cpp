// What ticket systems call back with when a ticket changes, as reports. Their states become four: open, waiting, done, rejected.
#include <algorithm>
#include <cstdlib>

#include "connectors/http/digest.h"
#include "connectors/http/payload.h"
#include "connectors/ticket/ticket.h"

namespace nudge::connectors {

using sdk::Outcome;

namespace {

constexpr std::int64_t kSignatureAgeMs = 5 * 60'000;

std::string fingerprint(std::string_view text) { return hex(sha256(text)).substr(0, 32); }

const boost::json::object* member_object(const boost::json::object* object, std::string_view name) {
  const auto* value = object == nullptr ? nullptr : object->if_contains({name.data(), name.size()});
  return value == nullptr ? nullptr : value->if_object();
}

std::string text_at(const boost::json::object* object, std::string_view name) {
  return object == nullptr ? std::string() : member_text(*object, name);
}

std::string zendesk_status(std::string_view status) {
  if (status == "pending" || status == "hold" || status == "on-hold") return "waiting";
  if (status == "solved" || status == "closed") return "done";
  return status == "deleted" ? "rejected" : "open";
}

std::string zammad_status(std::string_view state) {
  if (state.starts_with("pending")) return "waiting";
  if (state == "closed" || state == "merged") return "done";
  return state == "removed" ? "rejected" : "open";
}

std::string jira_status(std::string_view category, std::string_view resolution) {
  if (category != "done") return "open";
  for (const std::string_view no : {"Won't Do", "Won't Fix", "Declined", "Duplicate", "Cannot Reproduce", "Rejected"})
    if (resolution == no) return "rejected";
  return "done";
}

}  // namespace

std::string zendesk_signature(std::string_view secret, std::string_view timestamp, std::string_view body) {
  return base64(hmac_sha256(secret, std::string(timestamp).append(body)));
}

std::string zammad_signature(std::string_view token, std::string_view body) { return "sha1=" + hex(hmac_sha1(token, body)); }

// The body is what the company's trigger says: {"ticket", "external_id", "status", "updated_at"}.
std::optional<std::vector<Report>> zendesk_reports(std::string_view body, std::string_view timestamp) {
  const auto object = json_object(body);
  if (!object) return std::nullopt;
  Report report;
  report.state = "ticket";
  report.ref = member_text(*object, "ticket");
  report.action = member_text(*object, "external_id");
  report.raw_status = member_text(*object, "status");
  std::transform(report.raw_status.begin(), report.raw_status.end(), report.raw_status.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if ((report.ref.empty() && report.action.empty()) || report.raw_status.empty()) return std::nullopt;
  report.status = zendesk_status(report.raw_status);
  const std::string updated = member_text(*object, "updated_at");
  report.at_ms = parse_instant(updated.empty() ? timestamp : std::string_view(updated));
  report.id = fingerprint(report.ref + "\n" + report.raw_status + "\n" + (updated.empty() ? std::string(timestamp) : updated));
  return std::vector<Report>{report};
}

std::optional<std::vector<Report>> zammad_reports(std::string_view body, std::string_view delivery, std::string_view id_attribute) {
  const auto object = json_object(body);
  const auto* ticket = object ? member_object(&*object, "ticket") : nullptr;
  if (ticket == nullptr) return std::nullopt;
  Report report;
  report.state = "ticket";
  report.ref = member_text(*ticket, "id");
  report.action = member_text(*ticket, id_attribute);
  const auto* state = member_object(ticket, "state");
  report.raw_status = state != nullptr ? member_text(*state, "name") : member_text(*ticket, "state");
  if (report.ref.empty()) return std::nullopt;
  if (report.raw_status.empty()) return std::vector<Report>();
  report.status = zammad_status(report.raw_status);
  const std::string updated = member_text(*ticket, "updated_at");
  report.at_ms = parse_instant(updated);
  report.id = delivery.empty() ? fingerprint(report.ref + "\n" + report.raw_status + "\n" + updated) : fingerprint(delivery);
  return std::vector<Report>{report};
}

std::optional<std::vector<Report>> jira_reports(std::string_view body) {
  const auto object = json_object(body);
  const auto* issue = object ? member_object(&*object, "issue") : nullptr;
  if (issue == nullptr) return std::nullopt;
  const auto* changelog = member_object(&*object, "changelog");
  const auto* items = changelog == nullptr ? nullptr : changelog->if_contains("items");
  bool moved = false;
  if (items != nullptr && items->is_array())
    for (const auto& item : items->get_array())
      if (const auto* one = item.if_object()) moved = moved || member_text(*one, "field") == "status";
  if (!moved) return std::vector<Report>();
  const auto* fields = member_object(issue, "fields");
  const auto* status = member_object(fields, "status");
  Report report;
  report.state = "ticket";
  report.ref = member_text(*issue, "key");
  const std::string mark = jira_label("");
  if (const auto* labels = fields == nullptr ? nullptr : fields->if_contains("labels"); labels != nullptr && labels->is_array())
    for (const auto& label : labels->get_array())
      if (label.is_string() && std::string_view(label.get_string()).starts_with(mark))
        report.action = std::string_view(label.get_string()).substr(mark.size());
  report.raw_status = text_at(status, "name");
  if (report.ref.empty() || report.raw_status.empty()) return std::nullopt;
  report.status =
      jira_status(text_at(member_object(status, "statusCategory"), "key"), text_at(member_object(fields, "resolution"), "name"));
  report.at_ms = parse_instant(text_at(fields, "updated"));
  report.id = fingerprint(report.ref + "\n" + text_at(changelog, "id") + "\n" + report.raw_status + "\n" + text_at(fields, "updated"));
  return std::vector<Report>{report};
}

std::optional<std::vector<Report>> generic_ticket_reports(std::string_view body) {
  const auto object = json_object(body);
  if (!object) return std::nullopt;
  Report report;
  report.state = "ticket";
  report.action = member_text(*object, "id");
  report.ref = member_text(*object, "ticket");
  report.status = member_text(*object, "status");
  report.raw_status = member_text(*object, "raw_status");
  report.id = member_text(*object, "event_id");
  report.at_ms = parse_instant(member_text(*object, "at"));
  const bool known = report.status == "open" || report.status == "waiting" || report.status == "done" || report.status == "rejected";
  if (!known || report.id.empty() || (report.action.empty() && report.ref.empty())) return std::nullopt;
  return std::vector<Report>{report};
}

Outcome TicketConnector::receive(const sdk::Request& request) {
  const auto inbound = Inbound::read(request.payload);
  if (!inbound) return not_understood("the callback can't be read");
  const std::string_view body = inbound->body;
  std::optional<std::vector<Report>> reports;
  std::string why;
  if (provider_ == "zendesk") {
    const std::string_view stamp = inbound->header("x-zendesk-webhook-signature-timestamp");
    const bool fresh = std::llabs(host_.now_ms() - parse_instant(stamp)) <= kSignatureAgeMs;
    const bool good = same_bytes(inbound->header("x-zendesk-webhook-signature"), zendesk_signature(callback_secret_, stamp, body));
    if (!inbound->trusted && (callback_secret_.empty() || !good || !fresh))
      return not_from_provider(callback_secret_.empty() ? "callback_secret is not set"
                               : good                   ? "the signature is over 5 minutes old"
                                                        : "X-Zendesk-Webhook-Signature does not fit");
    reports = zendesk_reports(body, stamp);
  } else if (provider_ == "zammad") {
    const bool good = same_bytes(inbound->header("x-hub-signature"), zammad_signature(callback_secret_, body));
    if (!inbound->trusted && (callback_secret_.empty() || !good))
      return not_from_provider(callback_secret_.empty() ? "callback_secret is not set" : "X-Hub-Signature does not fit");
    reports = zammad_reports(body, inbound->header("x-zammad-delivery"), id_attribute_);
  } else {
    if (!called_with_key(*inbound, callback_key_, why)) return not_from_provider(why);
    reports = provider_ == "jira" ? jira_reports(body) : generic_ticket_reports(body);
  }
  return reports ? reported(*reports) : not_understood("the body is no change of a ticket as " + provider_ + " sends it");
}

}  // namespace nudge::connectors
