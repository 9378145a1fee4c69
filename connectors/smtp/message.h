// Building one e-mail as bytes: headers per RFC 5322 and 2047, text and HTML per MIME. Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace nudge::connectors {

struct Mailbox {
  std::string name;     // display name in UTF-8, may be empty
  std::string address;  // addr-spec
};

// Reads "a@b", "Name <a@b>" or "\"Name\" <a@b>": exactly one address. Refuses control characters (header injection), several
// addresses, and what is no address.
std::expected<Mailbox, std::string> parse_mailbox(std::string_view text);

// RFC 2047: text as it may stand in a header; encoded words of at most 75 characters when it is not plain ASCII, folded.
std::string encode_header(std::string_view text);
// "Name <address>" for a header, the name quoted or encoded where it must be.
std::string format_mailbox(const Mailbox& mailbox);

std::string quoted_printable(std::string_view text);  // text's line breaks become CRLF
std::string base64_lines(std::string_view bytes);     // 76 characters a line, CRLF
std::string mail_date(std::int64_t epoch_ms);         // Fri, 02 Jan 2026 03:04:05 +0000
// True when user data can not stand in a header: it holds a line break or another control character.
bool breaks_header(std::string_view text);

// A file that goes with a message: attached, or shown in the HTML as <img src="cid:NAME">.
struct MailFile {
  std::string name;  // as the reader sees it, in UTF-8; of an inline one its Content-ID
  std::string type;  // image/png
  std::string bytes;
  bool inline_image = false;
};
// The media type by the name's ending; application/octet-stream when it is not known.
std::string media_type_of(std::string_view name);

struct Email {
  Mailbox from, to;
  std::string subject, text, html;
  std::string reply_to;         // formatted; empty = none
  std::string unsubscribe_url;  // https; empty = none
  std::string message_id;       // without the angle brackets
  std::int64_t date_ms = 0;
  std::vector<MailFile> files;
};
// The whole message with CRLF line ends, no line over 998 octets; the same bytes for the same Email.
std::string build_message(const Email& email);

}  // namespace nudge::connectors
