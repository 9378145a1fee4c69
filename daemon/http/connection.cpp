#include "daemon/http/connection.h"

#include <fcntl.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <utility>

namespace nudge::http {
namespace {

constexpr std::size_t kKeptInput = 4096;
constexpr std::size_t kFirstBodyBytes = 64 * 1024;

std::string with_limit(std::string_view what, std::size_t limit, std::string_view key) {
  return std::string(what) + " is larger than " + std::to_string(limit) + " bytes (" + std::string(key) +
         "); send it in smaller parts, or raise the limit";
}

}  // namespace

Connection::Connection(Core& core, Socket socket) : core_(core), socket_(std::move(socket)), read_started_(Clock::now()) {
  ErrorCode ec;
  const auto endpoint = socket_.remote_endpoint(ec);
  if (!ec) peer_ = endpoint.address().to_string();
  ::fcntl(socket_.native_handle(), F_SETFD, FD_CLOEXEC);  // Asio does not, and connectors are child processes
  socket_.non_blocking(true, ec);
  socket_.set_option(asio::ip::tcp::no_delay(true), ec);
  socket_.set_option(asio::socket_base::keep_alive(true), ec);
  if (const auto& tls = core.shared().tls) {
    tls_ = tls->accept(socket_.native_handle());
    if (!tls_) socket_.close(ec);  // the first wait fails and ends it
  }
}

Connection::~Connection() = default;

void Connection::start() { wait_read(); }

std::size_t Connection::read_bytes(std::span<char> to, ErrorCode& ec) {
  if (!tls_) return socket_.read_some(asio::buffer(to.data(), to.size()), ec);
  // A read takes one record; all that came are read, because the socket does not tell again of what OpenSSL holds.
  std::size_t total = 0;
  tls_wants_write_ = false;
  while (total < to.size()) {
    std::size_t n = 0;
    const TlsResult result = tls_->read(to.data() + total, to.size() - total, n);
    total += n;
    if (result == TlsResult::ok) continue;
    if (total > 0) break;  // the next read meets it again
    tls_wants_write_ = result == TlsResult::wait_write;
    ec = asio::error::connection_reset;
    if (result == TlsResult::end) ec = asio::error::eof;
    if (result == TlsResult::wait_read || result == TlsResult::wait_write) ec = asio::error::would_block;
    return 0;
  }
  return total;
}

void Connection::maybe_delete() {
  if (closed_ && !read_pending_ && !write_pending_) core_.closed(this);
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  ErrorCode ec;
  socket_.close(ec);
  const std::unique_ptr<BodySink> sink = leave_sink();
  reading_ = nullptr;
  while (first_ != nullptr) pop_first();
  if (sink) sink->broken(problem(400, "http.body_incomplete", "the connection ended before the body was complete"));
}

void Connection::wait_read() {
  if (read_pending_ || closed_) return;
  read_pending_ = true;
  socket_.async_wait(tls_wants_write_ ? Socket::wait_write : Socket::wait_read, [this](ErrorCode ec) {
    read_pending_ = false;
    if (!closed_ && ec) close();
    if (!closed_) on_readable();
    maybe_delete();
  });
}

void Connection::on_readable() {
  if (reading_state_ == Reading::stopped || sink_waits_) return;  // until it lingers; until the sink is ready
  const std::span<char> scratch = core_.scratch();
  ErrorCode ec;
  const std::size_t n = read_bytes(scratch, ec);
  if (ec == asio::error::would_block) return wait_read();
  if (ec == asio::error::eof) return on_end_of_input();
  if (ec) return close();
  CoreStats::add(core_.stats.bytes_in, n);
  if (reading_state_ == Reading::linger) {
    if (linger_left_ < n) return close();
    linger_left_ -= n;
    return wait_read();
  }
  std::string_view in(scratch.data(), n);
  if (input_.empty()) {
    process(in);
    input_.assign(in);
  } else {
    input_.append(in);
    process_kept();
  }
  advance();
}

void Connection::process_kept() {
  std::string_view in = input_;
  process(in);
  input_.erase(0, input_.size() - in.size());
  if (input_.empty() && input_.capacity() > kKeptInput) input_ = std::string();
}

void Connection::on_end_of_input() {
  end_of_input_ = true;
  if (count_ == 0 || reading_state_ == Reading::linger) return close();
  if (streaming_ && first_->response.content_type == "text/event-stream") return close();
  if (reading_ != nullptr) {
    refuse_and_close(reading_, problem(400, "http.body_incomplete", "the connection ended before the body was complete; send it again"));
  }
  // The client may have closed its sending side only and still wait for its answers, also to requests kept in input_.
  if (!paused_) {
    close_after_ = true;
    reading_state_ = Reading::stopped;
  }
  advance();
}

void Connection::process(std::string_view& in) {
  for (;;) {
    if (closed_) return;
    if (reading_state_ == Reading::head) {
      if (!read_head(in)) return;
    } else if (reading_state_ == Reading::body) {
      if (sink_waits_ || !read_body(in)) return;
    } else {
      in = {};
      return;
    }
  }
}

bool Connection::read_head(std::string_view& in) {
  if (close_after_) {
    reading_state_ = Reading::stopped;
    return true;
  }
  if (count_ >= core_.options().pipeline_max) {
    paused_ = true;
    return false;
  }
  if (!head_begun_) {
    while (in.starts_with("\r\n")) in.remove_prefix(2);  // some clients end a body with one too many
    if (in.empty() || in == "\r") return false;
    head_begun_ = true;
    served_ = true;
    read_started_ = Clock::now();
  }
  const Options& options = core_.options();
  switch (scanner_.scan(in, options.header_fields_max)) {
    case HeadScanner::Status::more: {
      const auto error = check_partial_head(in, scanner_, options);
      if (!error) return false;
      refuse_bad(nullptr, *error);
      return true;
    }
    case HeadScanner::Status::bare_lf: refuse_bad(nullptr, {400, "http.line_ending", "header lines must end in CR LF"}); return true;
    case HeadScanner::Status::too_many_fields:
      refuse_bad(nullptr, {431, "http.too_many_fields",
                           "there are more than " + std::to_string(options.header_fields_max) +
                               " header fields (http.header_fields_max); send fewer"});
      return true;
    case HeadScanner::Status::complete: break;
  }
  Exchange* exchange = core_.take();
  exchange->started = read_started_;
  exchange->head_text.assign(in.substr(0, scanner_.end()));
  in.remove_prefix(scanner_.end());
  head_begun_ = false;
  head_ = Head();
  append(exchange);
  auto error = check_partial_head(exchange->head_text, scanner_, options);
  scanner_.reset();
  if (!error) error = parse_head(exchange->head_text, options, head_, exchange->request);
  if (error) {
    refuse_bad(exchange, *error);
  } else {
    on_head(*exchange);
  }
  return true;
}

bool Connection::read_body(std::string_view& in) {
  if (in.empty()) return false;
  std::string_view data;
  if (!head_.chunked) {
    data = in.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(length_left_, in.size())));
    in.remove_prefix(data.size());
    length_left_ -= data.size();
    if (append_body(data) && length_left_ == 0) finish_body();
    return true;
  }
  const ChunkReader::Status status = chunks_.next(in, data);
  if (!data.empty() && !append_body(data)) return true;
  if (status == ChunkReader::Status::bad) refuse_bad(reading_, {400, "http.chunk", "the chunked framing of the body is broken"});
  if (status == ChunkReader::Status::done) finish_body();
  return true;
}

bool Connection::append_body(std::string_view data) {
  if (sink_) return feed_sink(data);
  Exchange& exchange = *reading_;
  std::string& body = exchange.request.body;
  exchange.body_received += data.size();
  bool too_large = exchange.body_received > body_limit_;
  if (!too_large && head_.gzip) {
    const Gunzip::Status status = gunzip_->append(data, body_limit_, body);
    if (status == Gunzip::Status::bad) {
      refuse_and_close(&exchange, problem(400, "http.gzip", "the body is not valid gzip, as its Content-Encoding says"));
      return false;
    }
    too_large = status == Gunzip::Status::too_large;
  } else if (!too_large) {
    const std::uint64_t expected = head_.chunked ? data.size() : std::min<std::uint64_t>(length_left_ + data.size(), kFirstBodyBytes);
    reserve_body(body, static_cast<std::size_t>(std::max<std::uint64_t>(expected, data.size())), body_limit_);
    body.append(data);
  }
  if (too_large) {
    const std::string_view what = head_.gzip ? "the body, unpacked," : "the body";
    refuse_and_close(&exchange, problem(413, "http.body_too_large",
                                        body_limit_ == core_.options().body_bytes_max
                                            ? with_limit(what, body_limit_, "http.body_bytes_max")
                                            : std::string(what) + " is larger than " + std::to_string(body_limit_) +
                                                  " bytes, the limit here; send it in smaller parts"));
    return false;
  }
  CoreStats::add(core_.stats.bodies_bytes, body.capacity() - exchange.accounted);
  exchange.accounted = body.capacity();
  if (core_.stats.bodies_bytes > core_.options().bodies_bytes_max / core_.options().io_threads) {
    Response busy = problem(503, "http.busy", "too many request bodies are in flight (http.bodies_bytes_max); send it again later");
    busy.headers.emplace_back("Retry-After", "1");
    refuse_and_close(&exchange, std::move(busy));
    return false;
  }
  return true;
}

void Connection::finish_body() {
  if (sink_) return finish_sink();
  Exchange& exchange = *reading_;
  if (head_.gzip && !gunzip_->finished()) {
    refuse_and_close(&exchange, problem(400, "http.gzip", "the gzip body ends too early"));
    return;
  }
  reading_ = nullptr;
  continue_wanted_ = false;
  reading_state_ = Reading::head;
  dispatch(exchange);
}

void Connection::append(Exchange* exchange) {
  exchange->connection = this;
  exchange->peer_text = peer_;
  exchange->request.peer = exchange->peer_text;
  exchange->next = nullptr;
  if (last_ != nullptr) {
    last_->next = exchange;
  } else {
    first_ = exchange;
  }
  last_ = exchange;
  ++count_;
  CoreStats::add(core_.stats.requests, 1);
  CoreStats::add(core_.stats.in_flight, 1);
}

void Connection::release(Exchange* exchange) {
  CoreStats::subtract(core_.stats.in_flight, 1);
  CoreStats::subtract(core_.stats.bodies_bytes, exchange->accounted);
  exchange->accounted = 0;
  if (exchange->lent) {
    exchange->connection = nullptr;  // its responder brings it home, and may be writing to it now
    return;
  }
  if (exchange->link) {
    exchange->link->closed = true;
    exchange->link->connection = nullptr;
  }
  core_.recycle(exchange);
}

}  // namespace nudge::http
