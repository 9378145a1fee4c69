// The HTTP client of every connector: libcurl with limits, and an honest answer to "can the server have got it?".
// Thread-safe: send() may be called from several threads at once. Redirects are never followed, proxies of the environment
// are ignored, TLS is 1.2 or later and always verified.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/sdk/plugin.h"

namespace nudge::connectors {

struct HttpRequest {
  std::string method = "POST";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;  // one without a value takes libcurl's own of that name out
  std::string body;
  std::int64_t connect_timeout_ms = 5'000;
  std::int64_t total_timeout_ms = 15'000;
  std::size_t reply_bytes_max = 256u << 10;
  // Harmless to send twice (a GET, or the provider knows our key). Only then a kept connection is used, for one that ends at the wrong
  // moment leaves an unknown. Nothing but a GET is sent twice by one call: libcurl, which would, is kept from it.
  bool repeatable = false;
  bool public_addresses_only = false;
  std::string ca_file;  // empty = the system's
};

struct HttpReply {
  enum class Transport : std::uint8_t {
    answered,  // status, headers and body are valid
    not_sent,  // no byte of the request left: no connection, no name, no TLS, address not allowed
    unknown    // the request, or a part of it, left, and no whole answer came
  };
  Transport transport = Transport::not_sent;
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in the order they came
  std::string body;
  std::string error;       // for people, without URL or header
  bool forbidden = false;  // not_sent because of public_addresses_only
  std::int64_t retry_after_ms = 0;
  std::string_view header(std::string_view lower_case_name) const;  // the last one; empty = none
};

class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  HttpReply send(const HttpRequest& request);

 private:
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

// Starts libcurl, once per process. Throws when it can't. For connectors that use libcurl by themselves.
void start_curl();

// The Retry-After header: seconds or an HTTP date, as milliseconds from `now_ms` (epoch), between 0 and 7 days. 0 = none, past
// or malformed.
std::int64_t parse_retry_after(std::string_view value, std::int64_t now_ms);

// A date of HTTP or mail headers as epoch milliseconds; 0 when it is none.
std::int64_t parse_http_date(std::string_view value);

// What an answer means where a provider has no rules of its own: 2xx accepted (without a reference); 408, 425, 429 and 5xx
// retryable; 502 and 504 unknown, because a gateway speaks for a server that may have done the work; 3xx and the other 4xx
// refused; 401 and 403 bad_config. Transport failures by HttpReply::Transport.
sdk::Outcome outcome_of(const HttpReply& reply);

// The start of a provider's answer for a detail text: cut, one line.
std::string excerpt(std::string_view body);

// The time an attempt has: the configured one, or less when the request's deadline is nearer (with a margin for the way back).
std::int64_t attempt_ms(std::int64_t configured_ms, std::int64_t deadline_ms, std::int64_t now_ms);

}  // namespace nudge::connectors
