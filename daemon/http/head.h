// The header of a request: where it ends, and what it says. Strict: what two HTTP implementations could read in two ways is
// refused (the framing guard), because a proxy in front of us may read it the other way.
//
// Beast splits the fields; the guard closes what Beast 1.81 lets through: bare LF, folded lines, repeated Content-Length,
// unknown transfer codings, bytes above 0x7e in the target, any number of fields. Not thread-safe; holds views only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/http/http_server.h"

namespace nudge::http {

// Finds the end of a header in bytes that come piece by piece; looks at each byte once.
class HeadScanner {
 public:
  enum class Status : std::uint8_t { more, complete, bare_lf, too_many_fields };

  // `bytes` is all that has come of this header so far (it grows from call to call). Sets end() when complete.
  Status scan(std::string_view bytes, std::size_t fields_max);
  std::size_t end() const { return end_; }
  // True once the request line has come whole.
  bool has_line() const { return lines_ > 0; }
  void reset() { *this = HeadScanner(); }

 private:
  std::size_t position_ = 0;
  std::size_t line_start_ = 0;
  std::size_t lines_ = 0;
  std::size_t end_ = 0;
};

struct Head {
  std::string_view host;  // without port, brackets kept; empty for HTTP/1.0 without Host
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool gzip = false;
  bool http11 = true;
  bool keep_alive = true;
  bool expect_continue = false;
};

struct HeadError {
  int status = 400;
  std::string_view code;
  std::string detail;
};

// Reads a complete header into `head` and request.method, target and headers; the views point into `bytes`.
// An error means: answer it and close, since nobody can know where the next request would start.
std::optional<HeadError> parse_head(std::string_view bytes, const Options& limits, Head& head, Request& request);

// The answer for a header that grew beyond the limit, or is no header at all (a TLS handshake), while still incomplete.
std::optional<HeadError> check_partial_head(std::string_view bytes, const HeadScanner& scanner, const Options& limits);

}  // namespace nudge::http
