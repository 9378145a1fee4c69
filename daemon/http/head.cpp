#include "daemon/http/head.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <cstring>

#include "daemon/http/uri.h"

namespace nudge::http {
namespace {

namespace beast_http = boost::beast::http;
using boost::beast::http::field;
using boost::beast::http::verb;
using ErrorCode = boost::beast::error_code;

HeadError bad(std::string_view code, std::string detail) { return {400, code, std::move(detail)}; }

Method method_of(verb v) {
  switch (v) {
    case verb::get: return Method::get;
    case verb::head: return Method::head;
    case verb::post: return Method::post;
    case verb::put: return Method::put;
    case verb::patch: return Method::patch;
    case verb::delete_: return Method::del;
    case verb::options: return Method::options;
    case verb::trace: return Method::trace;
    case verb::connect: return Method::connect;
    default: return Method::other;
  }
}

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

// Beast's parser, kept to the header: it stores nothing, our views go straight to the caller's bytes.
class HeadParser final : public beast_http::basic_parser<true> {
 public:
  HeadParser(Head& head, Request& request) : head_(head), request_(request) {}

  std::optional<HeadError> error;

 private:
  void refuse(HeadError why, ErrorCode& ec) {
    if (!error) error = std::move(why);
    ec = beast_http::error::bad_field;
  }

  void on_request_impl(verb v, boost::beast::string_view, boost::beast::string_view target, int version, ErrorCode&) override {
    request_.method = method_of(v);
    request_.target = view(target);
    head_.http11 = version == 11;
  }

  void on_field_impl(field name, boost::beast::string_view name_text, boost::beast::string_view value_text, ErrorCode& ec) override {
    const std::string_view value = view(value_text);
    request_.headers.emplace_back(view(name_text), value);
    switch (name) {
      case field::host: return on_host(value, ec);
      case field::content_length: return on_content_length(value, ec);
      case field::transfer_encoding: return on_transfer_encoding(value, ec);
      case field::content_encoding:
        if (equal_ignoring_case(value, "gzip")) {
          head_.gzip = true;
        } else if (!equal_ignoring_case(value, "identity")) {
          refuse({415, "http.content_encoding", "Content-Encoding may be gzip or identity; send the body so, or plain"}, ec);
        }
        return;
      case field::expect:
        if (!equal_ignoring_case(value, "100-continue"))
          refuse({417, "http.expectation", "the only expectation we know is 100-continue; leave the Expect header out"}, ec);
        head_.expect_continue = true;
        return;
      default: return;
    }
  }

  void on_host(std::string_view value, ErrorCode& ec) {
    if (seen_host_) return refuse(bad("http.host", "there is more than one Host header; send one"), ec);
    seen_host_ = true;
    set_host(value, ec);
  }

  void on_content_length(std::string_view value, ErrorCode& ec) {
    if (head_.content_length) return refuse(bad("http.framing", "there is more than one Content-Length; send one"), ec);
    if (value.empty() || value.size() > 18 || !std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; }))
      return refuse(bad("http.framing", "Content-Length is not one decimal number"), ec);
    std::uint64_t length = 0;
    for (const char c : value) length = length * 10 + static_cast<std::uint64_t>(c - '0');
    head_.content_length = length;
  }

  void on_transfer_encoding(std::string_view value, ErrorCode& ec) {
    if (head_.chunked) return refuse(bad("http.framing", "there is more than one Transfer-Encoding; send one"), ec);
    if (!equal_ignoring_case(value, "chunked"))
      return refuse(bad("http.framing", "Transfer-Encoding may only be chunked; compress with Content-Encoding: gzip"), ec);
    head_.chunked = true;
  }

  void set_host(std::string_view value, ErrorCode& ec) {
    std::string_view name = value;
    std::string_view port;
    const std::size_t colon = value.starts_with('[') ? value.find(':', std::min(value.find(']'), value.size())) : value.find(':');
    if (colon != std::string_view::npos) {
      name = value.substr(0, colon);
      port = value.substr(colon + 1);
    }
    const auto allowed = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::strchr("-._~[]:%", c) != nullptr;
    };
    if (!std::ranges::all_of(name, allowed) || !std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; }))
      return refuse(bad("http.host", "the Host header is not a host name with an optional port"), ec);
    if (name.ends_with('.')) name.remove_suffix(1);
    head_.host = name;
  }

  void on_header_impl(ErrorCode& ec) override {
    head_.keep_alive = keep_alive();
    if (head_.content_length && head_.chunked)
      return refuse(bad("http.framing", "there are both Content-Length and Transfer-Encoding; send one of them"), ec);
    if (head_.chunked && !head_.http11) return refuse(bad("http.framing", "HTTP/1.0 has no Transfer-Encoding"), ec);
    if (head_.http11 && !seen_host_) return refuse(bad("http.host", "HTTP/1.1 needs a Host header"), ec);
    if (!head_.http11) head_.expect_continue = false;
  }

  void on_response_impl(int, boost::beast::string_view, int, ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(boost::beast::string_view, ErrorCode&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, boost::beast::string_view, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view, ErrorCode&) override { return 0; }
  void on_finish_impl(ErrorCode&) override {}

  Head& head_;
  Request& request_;
  bool seen_host_ = false;
};

// What must hold for the bytes before anybody splits them into fields.
std::optional<HeadError> check_bytes(std::string_view bytes) {
  std::size_t cr = 0;
  std::size_t lf = 0;
  std::size_t wrong = 0;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    cr += byte == '\r';
    lf += byte == '\n';
    wrong += static_cast<std::size_t>(byte < 0x20 && byte != '\t' && byte != '\r' && byte != '\n') + (byte == 0x7f);
  }
  // The scanner saw a CR before each LF; so equal numbers mean that no CR stands alone.
  if (wrong != 0 || cr != lf) return bad("http.bytes", "the header holds control characters");
  for (std::size_t at = bytes.find("\r\n"); at != std::string_view::npos; at = bytes.find("\r\n", at + 2)) {
    if (at + 2 < bytes.size() && (bytes[at + 2] == ' ' || bytes[at + 2] == '\t'))
      return bad("http.folding", "a header line is folded (it starts with a space); send it as one line");
  }
  return std::nullopt;
}

std::optional<HeadError> check_target(Request& request, Head& head, const Options& limits) {
  std::string_view target = request.target;
  if (target.size() > limits.target_bytes_max)
    return HeadError{414, "http.target_too_long",
                     "the request target has " + std::to_string(target.size()) + " bytes, the limit is " +
                         std::to_string(limits.target_bytes_max) + " (http.target_bytes_max); put long input into the body"};
  if (!std::ranges::all_of(target, [](char c) { return c > 0x20 && c < 0x7f; }))
    return bad("http.target", "the request target holds bytes that must be percent-encoded");
  if (target.starts_with("http://")) {  // absolute form, as to a proxy: its authority counts, not Host
    const std::size_t slash = target.find_first_of("/?", 7);
    std::string_view authority = target.substr(7, slash == std::string_view::npos ? slash : slash - 7);
    if (authority.empty() || authority.find('@') != std::string_view::npos)
      return bad("http.target", "the request target has no usable host");
    if (!authority.starts_with('[')) authority = authority.substr(0, authority.find(':'));
    head.host = authority;
    if (slash == std::string_view::npos || target[slash] != '/') return bad("http.target", "the request target has no path");
    request.target = target.substr(slash);
    return std::nullopt;
  }
  if (request.method == Method::connect || (request.method == Method::options && target == "*")) return std::nullopt;
  if (!target.starts_with('/')) return bad("http.target", "the request target must start with '/'");
  if (target.find('#') != std::string_view::npos) return bad("http.target", "the request target must not have a fragment (#)");
  return std::nullopt;
}

HeadError describe(const ErrorCode& ec, std::string_view bytes) {
  using beast_http::error;
  if (ec == error::bad_version) {
    const std::string_view line = bytes.substr(0, bytes.find('\r'));
    if (line.find(" HTTP/") != std::string_view::npos) return {505, "http.version", "this server speaks HTTP/1.1 and HTTP/1.0 only"};
    return bad("http.request_line", "the request line must be METHOD TARGET HTTP/1.1");
  }
  if (ec == error::bad_method || ec == error::bad_target)
    return bad("http.request_line", "the request line must be METHOD TARGET HTTP/1.1");
  if (ec == error::bad_content_length || ec == error::multiple_content_length)
    return bad("http.framing", "Content-Length must be one decimal number, and must not stand beside Transfer-Encoding");
  if (ec == error::bad_transfer_encoding) return bad("http.framing", "Transfer-Encoding may only be chunked");
  if (ec == error::bad_field) return bad("http.header", "a header name holds characters that are not allowed");
  if (ec == error::bad_value) return bad("http.header", "a header value holds characters that are not allowed");
  return bad("http.header", "the header cannot be read: " + ec.message());
}

}  // namespace

HeadScanner::Status HeadScanner::scan(std::string_view bytes, std::size_t fields_max) {
  while (position_ < bytes.size()) {
    const void* found = std::memchr(bytes.data() + position_, '\n', bytes.size() - position_);
    if (found == nullptr) {
      position_ = bytes.size();
      break;
    }
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
    position_ = at + 1;
    if (at == line_start_ || bytes[at - 1] != '\r') return Status::bare_lf;
    if (at == line_start_ + 1 && lines_ > 0) {
      end_ = at + 1;
      return Status::complete;
    }
    line_start_ = at + 1;
    if (++lines_ > fields_max + 1) return Status::too_many_fields;
  }
  return Status::more;
}

std::optional<HeadError> parse_head(std::string_view bytes, const Options& limits, Head& head, Request& request) {
  if (auto error = check_bytes(bytes)) return error;
  HeadParser parser(head, request);
  parser.header_limit(static_cast<std::uint32_t>(bytes.size() + 1));
  parser.body_limit(boost::none);
  ErrorCode ec;
  parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
  if (parser.error) return std::move(parser.error);
  if (ec) return describe(ec, bytes);
  return check_target(request, head, limits);
}

std::optional<HeadError> check_partial_head(std::string_view bytes, const HeadScanner& scanner, const Options& limits) {
  if (!bytes.empty() && bytes.front() == 0x16)
    return bad("http.tls", "this looks like TLS, and this port speaks plain HTTP: use http:// instead of https://");
  if (!scanner.has_line() && bytes.size() > limits.target_bytes_max + 32)
    return HeadError{414, "http.target_too_long",
                     "the request target is longer than " + std::to_string(limits.target_bytes_max) +
                         " bytes (http.target_bytes_max); put long input into the body"};
  if (bytes.size() > limits.head_bytes_max)
    return HeadError{431, "http.header_too_large",
                     "the header is longer than " + std::to_string(limits.head_bytes_max) +
                         " bytes (http.head_bytes_max); send fewer or shorter header fields"};
  return std::nullopt;
}

}  // namespace nudge::http
