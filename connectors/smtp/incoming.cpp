#include "connectors/smtp/incoming.h"

#include <algorithm>

#include "connectors/http/digest.h"

namespace nudge::connectors {

namespace {

constexpr int kPartsDeep = 4;
constexpr std::size_t kPartsMax = 50;
constexpr std::size_t kReplyBytesMax = 4000;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t' || text.front() == '\r' || text.front() == '\n'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r' || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// A parameter of Content-Type: boundary="abc"; its name in lower case.
std::string parameter(std::string_view field, std::string_view name) {
  const std::string low = lower(field);
  for (std::size_t at = low.find(';'); at != std::string::npos; at = low.find(';', at + 1)) {
    std::size_t begin = at + 1;
    while (begin < low.size() && (low[begin] == ' ' || low[begin] == '\t')) ++begin;
    if (low.compare(begin, name.size(), name) != 0 || begin + name.size() >= low.size() || low[begin + name.size()] != '=') continue;
    std::string_view value = field.substr(begin + name.size() + 1);
    if (value.starts_with('"')) return std::string(value.substr(1, value.find('"', 1) - 1));
    return std::string(trimmed(value.substr(0, value.find(';'))));
  }
  return {};
}

std::string content_type(const FormFields& headers) {
  const std::string_view field = form_field(headers, "content-type");
  return lower(trimmed(field.substr(0, field.find(';'))));
}

std::vector<std::string_view> parts_of(std::string_view body, const std::string& boundary) {
  std::vector<std::string_view> parts;
  const std::string mark = "--" + boundary;
  std::size_t at = body.starts_with(mark) ? 0 : body.find("\n" + mark);
  while (at != std::string_view::npos && parts.size() < kPartsMax) {
    std::size_t begin = body.find('\n', body[at] == '\n' ? at + 1 : at);
    if (begin == std::string_view::npos || body.substr(at + (body[at] == '\n' ? 1 : 0) + mark.size()).starts_with("--")) break;
    const std::size_t end = body.find("\n" + mark, begin);
    parts.push_back(body.substr(begin + 1, end == std::string_view::npos ? end : end - begin - 1 + (end == begin ? 1 : 0)));
    at = end;
  }
  return parts;
}

std::string decoded(std::string_view text, std::string_view encoding) {
  const std::string how = lower(trimmed(encoding));
  if (how == "base64") {
    std::string packed;
    for (const char c : text)
      if (c != '\r' && c != '\n' && c != ' ') packed += c;
    return unbase64(packed).value_or(std::string());
  }
  if (how != "quoted-printable") return std::string(text);
  std::string out;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '\n') {
      ++i;
    } else if (i + 2 < text.size() && text[i + 1] == '\r' && text[i + 2] == '\n') {
      i += 2;
    } else if (i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += '=';
    }
  }
  return out;
}

// The action's id in the Message-IDs of a field, when one is ours: <32 hexadecimal digits@domain>.
std::string our_id(std::string_view field, std::string_view domain) {
  for (std::size_t at = field.find('@'); at != std::string_view::npos; at = field.find('@', at + 1)) {
    const std::size_t begin = at >= 32 ? at - 32 : std::string_view::npos;
    if (begin == std::string_view::npos || (begin > 0 && field[begin - 1] != '<' && field[begin - 1] != ' ')) continue;
    const std::string id = lower(field.substr(begin, 32));
    if (id.find_first_not_of("0123456789abcdef") != std::string::npos) continue;
    const std::string_view rest = field.substr(at + 1);
    if (lower(rest.substr(0, domain.size())) == lower(domain) &&
        (rest.size() == domain.size() || rest[domain.size()] == '>' || rest[domain.size()] == ' '))
      return id;
  }
  return {};
}

// What the parts of a message say, whatever their nesting.
struct Letter {
  FormFields headers;
  std::string_view delivery_status, feedback;  // the machine-readable parts
  FormFields original;                         // headers of the message that this one is about
  std::string text;                            // the first text/plain
};

void read_parts(std::string_view entity, int depth, Letter& letter) {
  std::string_view body;
  const FormFields headers = read_mail_headers(entity, body);
  if (depth == 0) letter.headers = headers;
  const std::string type = content_type(headers);
  const std::string_view encoding = form_field(headers, "content-transfer-encoding");
  if (type.starts_with("multipart/") && depth < kPartsDeep) {
    const std::string boundary = parameter(form_field(headers, "content-type"), "boundary");
    if (!boundary.empty())
      for (const std::string_view part : parts_of(body, boundary)) read_parts(part, depth + 1, letter);
    return;
  }
  if (type == "message/delivery-status" || type == "message/global-delivery-status") {
    letter.delivery_status = body;
  } else if (type == "message/feedback-report") {
    letter.feedback = body;
  } else if ((type == "message/rfc822" || type == "text/rfc822-headers" || type == "message/global" || type == "message/global-headers") &&
             depth > 0) {
    std::string_view rest;
    letter.original = read_mail_headers(body, rest);
  } else if ((type.empty() || type == "text/plain") && letter.text.empty()) {
    letter.text = decoded(body, encoding);
  }
}

// What the customer wrote, without what they quote: up to the first line that quotes or introduces a quotation.
std::string own_words(std::string_view text) {
  std::string out;
  while (!text.empty() && out.size() < kReplyBytesMax) {
    const std::string_view line = next_line(text);
    if (line.starts_with('>') || line.starts_with("-----Original") || line == "-- " ||
        (line.starts_with("On ") && line.ends_with("wrote:")) ||
        (line.starts_with("在") && (line.ends_with("写道：") || line.ends_with("写道:"))))
      break;
    out.append(line);
    out += '\n';
  }
  return std::string(trimmed(out));
}

std::string status_code(std::string_view field) {
  field = trimmed(field);
  return std::string(field.substr(0, field.find_first_not_of("0123456789.")));
}

// The blocks of a delivery status after the first: one for each recipient. We send to one.
std::vector<Report> bounce(const Letter& letter, const std::string& action) {
  std::string_view rest;
  (void)read_mail_headers(letter.delivery_status, rest);
  std::vector<Report> reports;
  while (!trimmed(rest).empty() && reports.size() < kPartsMax) {
    while (rest.starts_with('\r') || rest.starts_with('\n')) rest.remove_prefix(1);
    const FormFields of = read_mail_headers(rest, rest);
    const std::string did = lower(trimmed(form_field(of, "action")));
    if (did.empty()) continue;
    Report report;
    report.action = action;
    report.code = status_code(form_field(of, "status"));
    std::string_view said = form_field(of, "diagnostic-code");
    said = trimmed(said.substr(said.find(';') == std::string_view::npos ? 0 : said.find(';') + 1));
    if (did == "failed") {
      // 5.1.x: there is no such mailbox or domain. Other lasting failures (a policy, a size) say nothing about the address.
      report.state = "failed";
      report.gone = code_is_hard(report.code);
      report.reason =
          std::string(report.gone ? "hard bounce: " : "bounce: ") + (report.code.empty() ? "" : report.code + " ") + std::string(said);
    } else if (did == "delayed") {
      report.state = "delayed";
      report.reason = "delayed: " + report.code + " " + std::string(said);
    } else if (did == "delivered") {
      report.state = "delivered";
    } else {
      continue;  // relayed, expanded: nobody knows more than before
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace

bool code_is_hard(std::string_view code) {
  return code == "5.1.1" || code == "5.1.2" || code == "5.1.3" || code == "5.1.6" || code == "5.1.10" || code == "5.2.1";
}

FormFields read_mail_headers(std::string_view text, std::string_view& rest) {
  FormFields fields;
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    if (line.empty()) break;
    if (line.front() == ' ' || line.front() == '\t') {
      if (!fields.empty() && fields.back().second.size() < 8192) fields.back().second += " " + std::string(trimmed(line));
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      if (fields.empty() && line.starts_with("From ")) continue;  // the line that an mbox puts in front
      break;
    }
    if (fields.size() < 500) fields.emplace_back(lower(trimmed(line.substr(0, colon))), std::string(trimmed(line.substr(colon + 1))));
  }
  rest = text;
  return fields;
}

std::optional<std::vector<Report>> mail_reports(std::string_view message, std::string_view domain) {
  Letter letter;
  read_parts(message, 0, letter);
  if (letter.headers.empty()) return std::nullopt;
  std::string action = our_id(form_field(letter.original, "message-id"), domain);
  if (!letter.delivery_status.empty()) {
    if (action.empty()) return std::vector<Report>();
    return bounce(letter, action);
  }
  if (!letter.feedback.empty()) {
    if (action.empty()) return std::vector<Report>();
    std::string_view rest;
    const FormFields feedback = read_mail_headers(letter.feedback, rest);
    Report report;
    report.state = "unsubscribed";
    report.action = action;
    report.reason = "complaint: " + std::string(form_field(feedback, "feedback-type"));
    return std::vector<Report>{report};
  }
  // An answer of a person; machines say what they are.
  const std::string automatic = lower(form_field(letter.headers, "auto-submitted"));
  if ((!automatic.empty() && automatic != "no") || !form_field(letter.headers, "x-auto-response-suppress").empty())
    return std::vector<Report>();
  const std::string precedence = lower(form_field(letter.headers, "precedence"));
  if (precedence == "bulk" || precedence == "junk" || precedence == "auto_reply") return std::vector<Report>();
  for (const char* field : {"in-reply-to", "references"})
    if (action.empty()) action = our_id(form_field(letter.headers, field), domain);
  if (action.empty()) return std::vector<Report>();
  Report report;
  report.state = "replied";
  report.action = action;
  report.text = own_words(letter.text);
  const std::string_view id = form_field(letter.headers, "message-id");
  report.id = hex(sha256(id.empty() ? message : id)).substr(0, 32);
  return std::vector<Report>{report};
}

}  // namespace nudge::connectors
