// What the providers of text messages call back with: receipts and replies, as reports.
#include <algorithm>
#include <set>

#include "connectors/http/digest.h"
#include "connectors/http/payload.h"
#include "connectors/sms/sms.h"

namespace nudge::connectors {

using sdk::Outcome;

namespace {

constexpr std::int64_t kChinaOffsetMs = 8 * 3'600'000;

boost::json::value parsed(std::string_view body) {
  boost::json::error_code error;
  boost::json::value value = boost::json::parse({body.data(), body.size()}, error);
  return error ? boost::json::value() : value;
}

// The objects of a list, or the one object that it is; nothing when it is neither.
std::optional<std::vector<boost::json::object>> objects_of(std::string_view body) {
  const boost::json::value value = parsed(body);
  std::vector<boost::json::object> out;
  if (value.is_object()) {
    out.push_back(value.get_object());
    return out;
  }
  if (!value.is_array()) return std::nullopt;
  for (const auto& item : value.get_array()) {
    if (!item.is_object()) return std::nullopt;
    out.push_back(item.get_object());
  }
  return out;
}

bool flag(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains({name.data(), name.size()});
  return value != nullptr && ((value->is_bool() && value->get_bool()) || (value->is_string() && value->get_string() == "true"));
}

std::string fingerprint(std::string_view text) { return hex(sha256(text)).substr(0, 32); }

}  // namespace

std::string twilio_signature(std::string_view token, std::string_view url, const FormFields& fields) {
  std::string text(url);
  for (const auto& [name, value] : std::set<std::pair<std::string, std::string>>(fields.begin(), fields.end())) text += name + value;
  return base64(hmac_sha1(token, text));
}

std::vector<Report> twilio_reports(const FormFields& fields, std::string_view action) {
  const auto text = [&](std::string_view name) { return std::string(form_field(fields, name)); };
  Report report;
  report.ref = text("MessageSid");
  const std::string status = text("MessageStatus");
  if (status.empty()) {  // an incoming message
    if (text("From").empty()) return {};
    report.state = "replied";
    report.id = report.ref;
    report.ref.clear();
    report.address = text("From");
    report.text = text("Body");
    return {report};
  }
  report.action = action;
  if (status == "delivered" || status == "read") {
    report.state = "delivered";
  } else if (status == "undelivered" || status == "failed") {
    report.state = "failed";
    report.code = text("ErrorCode");
    report.reason = status + (report.code.empty() ? "" : ": Twilio " + report.code);
    report.gone = code_in(report.code, {"21610", "21614", "30005", "30006"});
  } else {
    return {};
  }
  return {report};
}

std::optional<std::vector<Report>> aliyun_reports(std::string_view body) {
  const auto objects = objects_of(body);
  if (!objects) return std::nullopt;
  std::vector<Report> reports;
  for (const auto& one : *objects) {
    Report report;
    if (one.contains("content")) {  // SmsUp: an answer
      report.state = "replied";
      report.address = member_text(one, "phone_number");
      report.text = member_text(one, "content");
      report.id = member_text(one, "sequence_id");
      report.at_ms = parse_plain_time(member_text(one, "send_time"), kChinaOffsetMs);
      if (report.id.empty()) report.id = fingerprint(report.address + "\n" + member_text(one, "send_time") + "\n" + report.text);
    } else {
      if (!one.contains("success")) return std::nullopt;
      report.action = member_text(one, "out_id");
      report.ref = member_text(one, "biz_id");
      report.at_ms = parse_plain_time(member_text(one, "report_time"), kChinaOffsetMs);
      report.state = flag(one, "success") ? "delivered" : "failed";
      if (report.state == "failed") {
        report.code = member_text(one, "err_code");
        report.reason = report.code + ": " + member_text(one, "err_msg");
      }
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

std::optional<std::vector<Report>> tencent_reports(std::string_view body) {
  const auto objects = objects_of(body);
  if (!objects) return std::nullopt;
  std::vector<Report> reports;
  for (const auto& one : *objects) {
    Report report;
    const std::string number = "+" + member_text(one, "nationcode") + member_text(one, "mobile");
    if (one.contains("report_status")) {
      report.ref = member_text(one, "sid");
      report.state = member_text(one, "report_status") == "SUCCESS" ? "delivered" : "failed";
      report.at_ms = parse_plain_time(member_text(one, "user_receive_time"), kChinaOffsetMs);
      if (report.state == "failed") {
        report.code = member_text(one, "errmsg");
        report.reason = report.code + ": " + member_text(one, "description");
      }
    } else if (one.contains("text")) {
      report.state = "replied";
      report.address = number;
      report.text = member_text(one, "text");
      const std::string time = member_text(one, "time");
      if (const auto* value = one.if_contains("time"); value != nullptr && value->is_int64()) report.at_ms = value->get_int64() * 1000;
      report.id = fingerprint(number + "\n" + time + "\n" + report.text);
    } else {
      return std::nullopt;
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

std::optional<std::vector<Report>> generic_reports(std::string_view body) {
  const auto objects = objects_of(body);
  if (!objects) return std::nullopt;
  std::vector<Report> reports;
  for (const auto& one : *objects) {
    Report report;
    report.state = member_text(one, "status");
    if (report.state == "delivered" || report.state == "failed") {
      report.action = member_text(one, "id");
      report.ref = member_text(one, "message_id");
      report.reason = member_text(one, "reason");
      report.gone = report.state == "failed" && flag(one, "permanent");
    } else if (report.state == "replied") {
      report.address = member_text(one, "from");
      report.text = member_text(one, "text");
      report.id = member_text(one, "id");
      if (report.id.empty()) return std::nullopt;
    } else {
      return std::nullopt;
    }
    report.at_ms = parse_plain_time(member_text(one, "at"), 0);
    reports.push_back(std::move(report));
  }
  return reports;
}

Outcome receive_by_key(const Inbound& inbound, std::string_view key, const std::optional<std::vector<Report>>& reports,
                       const char* answer) {
  std::string why;
  if (!called_with_key(inbound, key, why)) return not_from_provider(why);
  if (!reports) return not_understood("the body is no list of receipts or replies of this provider");
  return reported(*reports, {"json", answer});
}

}  // namespace nudge::connectors
