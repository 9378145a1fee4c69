// The HTTP/1.1 server. std types only: Asio and Beast stay behind the pimpl.
//
// Thread-safety: set up (route, …) before start(), from one thread. start(), stop() and the destructor from one thread.
// stats() and port() from any. Handlers run on the I/O threads, several at once, and must not block: hand slow work to
// another thread and let it answer through the Responder. Requests of one connection reach their handlers in order.
// What a handler throws becomes a 500.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/message.h"
#include "engine/base/status.h"

namespace nudge::http {

struct Options {
  std::string host = "127.0.0.1";  // an address, or "localhost"
  std::uint16_t port = 0;          // 0: any free one, see HttpServer::port()
  bool insecure_ok = false;        // listen beyond loopback without TLS; without it start() refuses
  // PEM files of the certificate chain and its key: the port speaks TLS 1.2 and 1.3 only. Read again when they change. Both or none.
  std::string tls_certificate, tls_key;
  // Told when a changed certificate was taken (no error), or can't be (the old one stays).
  std::function<void(const std::optional<Error>&)> tls_changed;
  // Values of the Host header (without port) that are served; others get 421. Empty: on loopback localhost, 127.0.0.1, [::1]
  // (so that a web page cannot reach us by DNS rebinding), else any. "*" is any.
  std::vector<std::string> allowed_hosts;
  unsigned io_threads = 1;

  std::size_t head_bytes_max = 8 * 1024;
  std::size_t header_fields_max = 64;
  std::size_t target_bytes_max = 4 * 1024;
  std::size_t body_bytes_max = 1024 * 1024;          // as sent, and again after gunzip
  std::size_t bodies_bytes_max = 256 * 1024 * 1024;  // of all requests in flight; beyond it 503
  std::size_t connections_max = 1024;
  std::size_t pipeline_max = 32;  // requests of one connection that are in flight at once

  std::chrono::milliseconds head_timeout{10'000};  // first byte of a request to the end of its header
  std::chrono::milliseconds body_timeout{10'000};  // for the body, plus one second per body_bytes_per_s_min that came
  std::size_t body_bytes_per_s_min = 16 * 1024;
  std::chrono::milliseconds idle_timeout{60'000};     // between requests
  std::chrono::milliseconds write_timeout{30'000};    // without the client taking a byte
  std::chrono::milliseconds handler_timeout{30'000};  // from handler call to answer

  // Asked when the header of a routed request has come, before its body is read (authentication, rate limits): an answer
  // refuses the request and closes the connection if there is a body. It may set actor, roles and csrf of the request. Runs on an
  // I/O thread; must not block.
  std::function<std::optional<Response>(Request&)> gate;

  // Asked for each route that is added: the handler to use instead. Empty: as it is.
  std::function<Handler(Method, std::string_view pattern, Handler)> decorate;

  // Told of each answered request (access log, metrics). Runs on an I/O thread; must not block or throw.
  struct Completed {
    Method method;
    std::string_view route;  // the pattern, "" when none matched
    std::string_view peer;
    int status;
    std::size_t request_bytes;      // of the body
    std::size_t response_bytes;     // of the body; of a stream: so far
    std::chrono::nanoseconds took;  // header complete → answer handed to the connection
  };
  std::function<void(const Completed&)> observer;
};

struct RouteOptions {
  std::size_t body_bytes_max = 0;                // 0: as in Options
  std::chrono::milliseconds handler_timeout{0};  // 0: as in Options
  bool needs_body = false;                       // a request without Content-Length or chunks gets 411
  BodySinks sinks = {};                          // bodies that are taken piece by piece, whatever their length
};

// Counters since start; gauges of now.
struct Stats {
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;  // over connections_max
  std::uint64_t connections_open = 0;
  std::uint64_t requests = 0;  // headers read, also bad ones
  std::uint64_t requests_in_flight = 0;
  std::uint64_t bad_requests = 0;  // refused by the framing guard
  std::uint64_t timeouts = 0;      // head, body, write, handler
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t bodies_bytes = 0;  // held for requests in flight
};

class HttpServer {
 public:
  explicit HttpServer(Options options);
  ~HttpServer();  // stop(0)
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // What start() would refuse, short of listening: limits, address, certificate and key.
  static Result<void> check(const Options& options);

  // Adds a route. `pattern` is "/v1/customers/{id}" or ends in "/{rest...}", which takes one or more segments. A literal
  // segment wins over a parameter, and that over the rest. GET serves HEAD as well. Before start() only. Error: a pattern
  // that makes no sense, or is there twice.
  Result<void> route(Method method, std::string_view pattern, Handler handler, RouteOptions options = {});

  struct RouteInfo {
    Method method;
    std::string pattern;
  };
  // All routes, for the OpenAPI and the security tests.
  std::vector<RouteInfo> routes() const;

  // Binds, listens and starts the threads. Error: says host:port and what to do. Not again after stop().
  Result<void> start();
  // The port that is listened on; 0 before start().
  std::uint16_t port() const;

  // Stops accepting, closes idle connections, lets requests in flight finish until the deadline, then cuts the rest and
  // joins the threads. True if nothing had to be cut. Responders may outlive it. Not from a handler.
  bool stop(std::chrono::milliseconds deadline);

  Stats stats() const;
  // When the certificate in use expires, in seconds since 1970; nothing without TLS.
  std::optional<std::int64_t> tls_expires() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nudge::http
