#include "connectors/smtp/message.h"

#include <array>
#include <cstdio>

#include "connectors/http/digest.h"
#include "connectors/http/utc.h"

namespace nudge::connectors {

namespace {

constexpr std::size_t kEncodedWordBytesMax = 45;  // 60 base64 characters + "=?UTF-8?B?" + "?=" = 72 of the 75 allowed
constexpr std::size_t kHeaderLineMax = 76;

bool ascii(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

bool control(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  return false;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool good_address(std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == address.size() || address.size() > 254 || at > 64) return false;
  if (address.find_first_of(" \t<>()[],;:\\\"") != std::string_view::npos || address.find('@') != at) return false;
  for (const std::string_view part : {address.substr(0, at), address.substr(at + 1)})
    if (part.front() == '.' || part.back() == '.' || part.find("..") != std::string_view::npos) return false;
  return true;
}

std::string encoded_words(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t size = std::min(kEncodedWordBytesMax, text.size());
    while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;  // never inside a character
    if (size == 0) size = std::min(kEncodedWordBytesMax, text.size());
    out += (out.empty() ? "" : "\r\n ") + ("=?UTF-8?B?" + base64(text.substr(0, size)) + "?=");
    text.remove_prefix(size);
  }
  return out;
}

// Breaks a plain header value at spaces so that its lines stay short.
std::string fold(std::string_view text, std::size_t used) {
  std::string out;
  while (text.size() + used > kHeaderLineMax) {
    std::size_t at = text.rfind(' ', kHeaderLineMax - std::min(used, kHeaderLineMax - 1));
    if (at == std::string_view::npos || at == 0) at = text.find(' ', 1);
    if (at == std::string_view::npos) break;
    out += std::string(text.substr(0, at)) + "\r\n";
    text.remove_prefix(at);
    used = 0;
  }
  return out + std::string(text);
}

std::string body_part(std::string_view type, std::string_view text) {
  std::size_t foreign = 0;
  for (const char c : text) foreign += static_cast<unsigned char>(c) >= 0x80 ? 1 : 0;
  const bool dense = foreign * 6 > text.size();  // quoted-printable triples such bytes; base64 adds a third to all
  std::string normal;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) normal += '\r';
    normal += text[i];
  }
  return "Content-Type: " + std::string(type) + "; charset=utf-8\r\nContent-Transfer-Encoding: " + (dense ? "base64" : "quoted-printable") +
         "\r\n\r\n" + (dense ? base64_lines(normal) : quoted_printable(text)) + "\r\n";
}

// "=_" can stand in neither encoding, so a boundary can't occur in a part.
std::string boundary_of(const Email& email, const char* what) {
  return std::string("=_nudge_") + what + hex(sha256(email.message_id)).substr(0, 24);
}

std::string joined(const std::string& type, const std::string& boundary, const std::vector<std::string>& parts) {
  std::string out = "Content-Type: " + type + "; boundary=\"" + boundary + "\"\r\n\r\n";
  for (const std::string& part : parts) out += "--" + boundary + "\r\n" + part;
  return out + "--" + boundary + "--\r\n";
}

// The name in ASCII, and when that is not all of it, whole by RFC 2231.
std::string file_part(const MailFile& file) {
  std::string plain;
  for (const char c : file.name)
    plain += static_cast<unsigned char>(c) >= 0x80 || c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 ? '_' : c;
  std::string out = "Content-Type: " + file.type + "\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: ";
  out += file.inline_image ? "inline" : "attachment";
  out += ";\r\n filename=\"" + plain + "\"";
  if (plain != file.name) out += ";\r\n filename*=UTF-8''" + percent_encode(file.name);
  out += "\r\n";
  if (file.inline_image) out += "Content-ID: <" + file.name + ">\r\n";
  return out + "\r\n" + base64_lines(file.bytes) + "\r\n";
}

// mixed( alternative( plain, related( html, inline images ) ), attachments ), each level only where there is something for it.
std::string content_of(const Email& email) {
  std::vector<std::string> related, mixed;
  if (!email.html.empty()) related.push_back(body_part("text/html", email.html));
  for (const MailFile& file : email.files)
    if (file.inline_image) related.push_back(file_part(file));
  std::string body = email.html.empty()   ? body_part("text/plain", email.text)
                     : related.size() > 1 ? joined("multipart/related", boundary_of(email, "r"), related)
                                          : related[0];
  if (!email.text.empty() && !email.html.empty())
    body = joined("multipart/alternative", boundary_of(email, ""), {body_part("text/plain", email.text), body});
  mixed.push_back(std::move(body));
  for (const MailFile& file : email.files)
    if (!file.inline_image) mixed.push_back(file_part(file));
  return mixed.size() > 1 ? joined("multipart/mixed", boundary_of(email, "m"), mixed) : mixed[0];
}

}  // namespace

std::string media_type_of(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 15> kTypes{
      {{"pdf", "application/pdf"},
       {"png", "image/png"},
       {"jpg", "image/jpeg"},
       {"jpeg", "image/jpeg"},
       {"gif", "image/gif"},
       {"webp", "image/webp"},
       {"svg", "image/svg+xml"},
       {"txt", "text/plain; charset=utf-8"},
       {"csv", "text/csv; charset=utf-8"},
       {"ics", "text/calendar; charset=utf-8"},
       {"vcf", "text/vcard; charset=utf-8"},
       {"zip", "application/zip"},
       {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
       {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
       {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"}}};
  const std::size_t dot = name.rfind('.');
  std::string ending(dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1));
  for (char& c : ending)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (const auto& [known, type] : kTypes)
    if (ending == known) return std::string(type);
  return "application/octet-stream";
}

bool breaks_header(std::string_view text) { return control(text); }

std::expected<Mailbox, std::string> parse_mailbox(std::string_view text) {
  if (control(text)) return std::unexpected("the address holds a line break or control character");
  text = trim(text);
  Mailbox out;
  if (text.ends_with('>')) {
    const std::size_t open = text.rfind('<');
    if (open == std::string_view::npos) return std::unexpected("the address has a > without a <");
    out.address = trim(text.substr(open + 1, text.size() - open - 2));
    std::string_view name = trim(text.substr(0, open));
    if (name.size() >= 2 && name.front() == '"' && name.back() == '"') {
      name = name.substr(1, name.size() - 2);
      for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] == '\\' && i + 1 < name.size()) ++i;
        out.name += name[i];
      }
    } else {
      if (name.find_first_of("<>@,;") != std::string_view::npos) return std::unexpected("there must be exactly one address");
      out.name = name;
    }
  } else {
    out.address = text;
  }
  if (!good_address(out.address)) return std::unexpected("it is no e-mail address, or more than one");
  return out;
}

std::string encode_header(std::string_view text) {
  // What looks like an encoded word must be encoded too, or a reader would decode it.
  return ascii(text) && text.find("=?") == std::string_view::npos ? std::string(text) : encoded_words(text);
}

std::string format_mailbox(const Mailbox& mailbox) {
  if (mailbox.name.empty()) return mailbox.address;
  if (!ascii(mailbox.name) || mailbox.name.find("=?") != std::string::npos)
    return encoded_words(mailbox.name) + " <" + mailbox.address + ">";
  std::string quoted = "\"";
  for (const char c : mailbox.name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\" <" + mailbox.address + ">";
}

std::string quoted_printable(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  std::size_t column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (c == '\n') {
      out += "\r\n";
      column = 0;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    const bool line_end = i + 1 == text.size() || text[i + 1] == '\n' || text[i + 1] == '\r';
    const bool plain = (byte >= 33 && byte <= 126 && c != '=') || ((c == ' ' || c == '\t') && !line_end);
    const std::size_t width = plain ? 1 : 3;
    if (column + width > 75) {
      out += "=\r\n";
      column = 0;
    }
    if (plain) {
      out += c;
    } else {
      out += '=';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
    column += width;
  }
  return out;
}

std::string base64_lines(std::string_view bytes) {
  const std::string all = base64(bytes);
  std::string out;
  for (std::size_t at = 0; at < all.size(); at += 76) out += (at == 0 ? "" : "\r\n") + all.substr(at, 76);
  return out;
}

std::string mail_date(std::int64_t epoch_ms) {
  static constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Utc t = utc(epoch_ms);
  char out[64];
  std::snprintf(out, sizeof out, "%s, %02d %s %04d %02d:%02d:%02d +0000", kDays[static_cast<std::size_t>(t.weekday)], t.day,
                kMonths[static_cast<std::size_t>(t.month - 1)], t.year, t.hour, t.minute, t.second);
  return out;
}

std::string build_message(const Email& email) {
  std::string out = "Date: " + mail_date(email.date_ms) + "\r\n";
  out += "From: " + format_mailbox(email.from) + "\r\n";
  out += "To: " + format_mailbox(email.to) + "\r\n";
  if (!email.reply_to.empty()) out += "Reply-To: " + email.reply_to + "\r\n";
  const std::string subject = encode_header(email.subject);
  out += "Subject: " + (subject == email.subject ? fold(subject, 9) : subject) + "\r\n";
  out += "Message-ID: <" + email.message_id + ">\r\n";
  out += "Auto-Submitted: auto-generated\r\n";  // keeps holiday replies from answering
  if (!email.unsubscribe_url.empty())
    out += "List-Unsubscribe: <" + email.unsubscribe_url + ">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
  out += "MIME-Version: 1.0\r\n";
  return out + content_of(email);
}

}  // namespace nudge::connectors
