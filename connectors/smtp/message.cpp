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

}  // namespace

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
  if (email.html.empty()) return out + body_part("text/plain", email.text);
  if (email.text.empty()) return out + body_part("text/html", email.html);
  // "=_" can stand in neither encoding, so the boundary can't occur in a part.
  const std::string boundary = "=_nudge_" + hex(sha256(email.message_id)).substr(0, 24);
  out += "Content-Type: multipart/alternative; boundary=\"" + boundary + "\"\r\n\r\n";
  out += "--" + boundary + "\r\n" + body_part("text/plain", email.text);
  out += "--" + boundary + "\r\n" + body_part("text/html", email.html);
  return out + "--" + boundary + "--\r\n";
}

}  // namespace nudge::connectors
