// Request bytes → framing verdict. A header that is accepted must mean the same to a second, naive reader of the same bytes: where it
// ends, how long the body is. What comes whole or byte by byte must come out the same. Bodies keep their limits.
#include <cstdlib>
#include <map>

#include "daemon/http/body.h"
#include "daemon/http/head.h"
#include "daemon/http/uri.h"
#include "engine/base/text.h"

using namespace nudge;
using namespace nudge::http;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

// The naive reader: splits at CR LF and at the first colon, knows nothing of Beast.
std::multimap<std::string, std::string> fields_of(std::string_view head) {
  std::multimap<std::string, std::string> out;
  head.remove_prefix(head.find("\r\n") + 2);
  while (!head.starts_with("\r\n")) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(line.size() + 2);
    const std::size_t colon = line.find(':');
    check(colon != std::string_view::npos && colon > 0);
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
    while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
    out.emplace(lower(line.substr(0, colon)), value);
  }
  return out;
}

void check_head(std::string_view bytes) {
  const Options limits;
  HeadScanner whole;
  const auto status = whole.scan(bytes, limits.header_fields_max);
  HeadScanner stepwise;
  auto last = HeadScanner::Status::more;
  for (std::size_t n = 1; n <= bytes.size() && last == HeadScanner::Status::more; ++n)
    last = stepwise.scan(bytes.substr(0, n), limits.header_fields_max);
  check(last == status);
  if (status != HeadScanner::Status::complete) return;
  check(stepwise.end() == whole.end() && bytes.substr(0, whole.end()).ends_with("\r\n\r\n"));
  const std::string_view head_bytes = bytes.substr(0, whole.end());
  Head head;
  Request request;
  if (parse_head(head_bytes, limits, head, request)) return;
  check(head_bytes.find("\r\n\r\n") + 4 == head_bytes.size());
  const auto fields = fields_of(head_bytes);
  check(fields.size() == request.headers.size() && fields.size() <= limits.header_fields_max);
  for (const auto& [name, value] : request.headers) check(fields.find(lower(name)) != fields.end());
  check(fields.count("host") <= 1 && (fields.count("host") == 1 || !head.http11));
  check(fields.count("content-length") + fields.count("transfer-encoding") <= 1);
  check(fields.count("content-length") == (head.content_length ? 1 : 0));
  if (head.content_length) {
    const std::string& text = fields.find("content-length")->second;
    check(!text.empty() && text.find_first_not_of("0123456789") == std::string::npos &&
          std::strtoull(text.c_str(), nullptr, 10) == *head.content_length);
  }
  check(head.chunked == (fields.count("transfer-encoding") == 1));
  if (head.chunked) check(head.http11 && lower(fields.find("transfer-encoding")->second) == "chunked");
  for (const char c : request.target) check(c > 0x20 && c < 0x7f);
}

struct Unchunked {
  ChunkReader::Status status = ChunkReader::Status::more;
  std::string body;
  std::size_t used = 0;
};

Unchunked unchunk(std::string_view bytes, std::size_t step) {
  Unchunked out;
  ChunkReader reader;
  for (std::size_t at = 0; at < bytes.size() && out.status == ChunkReader::Status::more; at += step) {
    std::string_view in = bytes.substr(at, step);
    while (!in.empty() && out.status == ChunkReader::Status::more) {
      const std::size_t before = in.size();
      std::string_view data;
      out.status = reader.next(in, data);
      out.body += data;
      out.used += before - in.size();
    }
  }
  return out;
}

void check_body(std::string_view bytes) {
  const Unchunked whole = unchunk(bytes, bytes.size() + 1);
  const Unchunked stepwise = unchunk(bytes, 1);
  check(whole.status == stepwise.status && whole.body == stepwise.body);
  if (whole.status == ChunkReader::Status::done) check(whole.used == stepwise.used && whole.body.size() < whole.used);

  constexpr std::size_t kLimit = 100'000;
  Gunzip gunzip;
  gunzip.reset();
  std::string out;
  const auto status = gunzip.append(bytes, kLimit, out);
  if (status == Gunzip::Status::ok) check(out.size() <= kLimit && (out.empty() || out.capacity() >= out.size() + kBodyPadding));
  gunzip.reset();
  std::string again;
  auto bytewise = Gunzip::Status::ok;
  for (std::size_t i = 0; i < bytes.size() && bytewise == Gunzip::Status::ok; ++i)
    bytewise = gunzip.append(bytes.substr(i, 1), kLimit, again);
  check(bytewise == status);
  if (status == Gunzip::Status::ok) check(again == out);
}

void check_uri(std::string_view bytes) {
  std::string decoded;
  if (percent_decode(bytes, false, decoded)) {
    check(is_utf8(decoded) && decoded.size() <= bytes.size());
    for (const char c : decoded) check(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  }
  std::vector<std::pair<std::string, std::string>> query;
  if (parse_query(bytes, query))
    for (const auto& [name, value] : query) check(is_utf8(name) && is_utf8(value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 64 * 1024) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 3) {
    case 0: check_head(bytes); break;
    case 1: check_body(bytes); break;
    case 2: check_uri(bytes); break;
  }
  return 0;
}
