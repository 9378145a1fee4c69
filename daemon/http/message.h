// What a handler sees of HTTP: plain std types, no Asio, no Beast.
//
// Lifetime: a `Request&` is valid until its handler has returned AND its Responder is gone (answered, dropped), whichever
// comes later. Views in it (headers, target) point into it. Moving `body` out is allowed. Not thread-safe: one owner at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nudge::http {

enum class Method : std::uint8_t { get, head, post, put, patch, del, options, trace, connect, other };

// "GET", … ; "OTHER" for a method this server does not know.
std::string_view to_string(Method method);

struct Request {
  Method method = Method::get;
  std::string_view target;  // as sent, e.g. "/v1/customers/c%201?limit=5"
  std::string path;         // decoded, for logs and messages; routing was done per segment, so a %2F never splits one
  std::vector<std::pair<std::string_view, std::string>> params;        // {name} of the pattern → decoded segment
  std::vector<std::pair<std::string, std::string>> query;              // decoded, in order, '+' is a space
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // names as sent; values trimmed
  std::string body;       // whole, decoded from gzip; its capacity is at least size() + kBodyPadding
  std::string_view peer;  // "127.0.0.1" (the address, without port)

  std::string_view route;   // the pattern that matched, "/v1/customers/{id}"; for the gate and the handler
  std::string actor;        // who asks, as the gate found out; empty without a gate
  std::uint32_t roles = 0;  // what they may, as the gate found out
  std::string csrf;         // of the session they come with, if they do

  // The parameter of the route pattern; empty if the pattern has none of that name.
  std::string_view param(std::string_view name) const;
  // The first query parameter of that name, or nothing.
  std::optional<std::string_view> query_param(std::string_view name) const;
  // The first header of that name (ASCII case-insensitive), or empty.
  std::string_view header(std::string_view name) const;
};

// Spare capacity behind Request::body, so that a SIMD JSON parser may read past its end without a copy.
inline constexpr std::size_t kBodyPadding = 64;

struct Response {
  int status = 200;
  std::string_view content_type = "application/json";        // a literal, or what lives as long as the process
  std::vector<std::pair<std::string, std::string>> headers;  // replace the defaults of the same name; CR, LF, NUL are refused
  std::string body;
  std::string state;  // what the answer shows is in this state: the first part of its ETag (etag.h); letters, digits, - and _
  std::string note;  // for whoever decorates handlers (HttpServer's Options::decorate); not sent
};

// What a streaming body has to offer at this moment.
enum class Pull : std::uint8_t {
  more,   // something was appended, ask again when there is room
  done,   // that was all (what was appended is still sent)
  later,  // nothing now; ask again after StreamHandle::wake()
  abort,  // cut the connection, so that the client sees that the answer is not whole
};
// Appends the next piece to `out` (aim at 16 to 64 KiB). Called on an I/O thread, never twice at once, only when the
// client has taken nearly all of what came before. It must not block: do slow work elsewhere, answer `later`, then wake().
// Destroyed when the stream ends or the client goes away.
using PullBody = std::function<Pull(std::string& out)>;

struct Exchange;
struct StreamLink;

// A streaming answer, seen from outside. Copyable, thread-safe, may outlive the connection and the server.
class StreamHandle {
 public:
  StreamHandle() = default;
  // Asks the source again soon. Cheap; many wakes before the next pull count as one.
  void wake() const;
  // True once the client has gone or the stream has ended.
  bool closed() const;

 private:
  friend class Responder;
  friend class Connection;
  std::shared_ptr<StreamLink> link_;
};

// The right and the duty to answer one request, once. Move-only; send() from any thread, at any later time. One that is
// destroyed without an answer answers 500. Answers after the handler timeout, or to a client that left, are dropped.
class Responder {
 public:
  explicit Responder(Exchange* exchange) noexcept : exchange_(exchange) {}
  Responder(Responder&& other) noexcept : exchange_(std::exchange(other.exchange_, nullptr)) {}
  Responder& operator=(Responder&& other) noexcept;
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;
  ~Responder();

  // Answers. A second call does nothing.
  void send(Response response) noexcept;
  // Answers with `head` (its body is sent first) and then what `source` gives, chunked. Content type "text/event-stream"
  // gives server-sent events. A HEAD request gets the head only.
  StreamHandle stream(Response head, PullBody source) noexcept;
  // The request this answers; not after send() or stream().
  Request& request() const;
  // A responder without a server: for tests of handlers and for calls inside the process. `sink` is called once, on the thread
  // that answers (a stream arrives as its head only). The request is the responder's; fill it through request().
  static Responder detached(std::function<void(Response)> sink);
  explicit operator bool() const { return exchange_ != nullptr; }

 private:
  Exchange* exchange_;
};

using Handler = std::function<void(Request&, Responder)>;

// Takes the body of one request piece by piece, so that its length needs no limit. All functions run on the connection's I/O thread, one
// at a time, and must not block. It has the Responder; what it answers before the body is whole ends the reading (a stream of an answer
// that goes on does not).
class BodySink {
 public:
  virtual ~BodySink() = default;
  // The next bytes, unpacked from gzip; all of them are taken. False: no more for now.
  virtual bool data(std::string_view bytes) = 0;
  // After a false, when the StreamHandle was woken and now and then: may it go on?
  virtual bool ready() = 0;
  // The body is whole. False: not yet, ask again when ready() says so. Nothing is called after a true.
  virtual bool end() = 0;
  // The rest does not come: the connection broke, was too slow, or what comes can't be read. `why` is the answer that says so; the client
  // may be gone. Nothing is called after it.
  virtual void broken(Response why) = 0;
};
// For a route: which requests are taken that way, and by whom. The handle wakes the connection when the sink is ready again.
struct BodySinks {
  std::function<bool(const Request&)> wanted;
  std::function<std::unique_ptr<BodySink>(Request&, Responder, StreamHandle)> open;
};

// An RFC 9457 application/problem+json answer. `code` is stable and for machines ("http.body_too_large"); `detail` is for a
// person: what is wrong and how to mend it.
Response problem(int status, std::string_view code, std::string_view detail);
// "Not Found" for 404 and so on; "Status" if unknown.
std::string_view reason_phrase(int status);
}  // namespace nudge::http
