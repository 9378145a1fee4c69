// Of Connection: answers in order, streams, and the end of a connection.
#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <charconv>
#include <utility>

#include "daemon/http/connection.h"
#include "daemon/http/etag.h"
#include "daemon/http/uri.h"

namespace nudge::http {
namespace {

constexpr std::size_t kOutputBytes = 64 * 1024;  // gathered before a write
constexpr std::size_t kBigBody = 16 * 1024;      // sent without a copy
constexpr std::size_t kKeptOutput = 16 * 1024;

struct DefaultHeader {
  std::string_view name;
  std::string_view line;
};
constexpr std::array kDefaultHeaders{
    DefaultHeader{"Cache-Control", "Cache-Control: no-store\r\n"},
    DefaultHeader{"Content-Security-Policy", "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"},
    DefaultHeader{"Cross-Origin-Resource-Policy", "Cross-Origin-Resource-Policy: same-origin\r\n"},
    DefaultHeader{"Referrer-Policy", "Referrer-Policy: no-referrer\r\n"},
    DefaultHeader{"X-Content-Type-Options", "X-Content-Type-Options: nosniff\r\n"},
    DefaultHeader{"X-Frame-Options", "X-Frame-Options: DENY\r\n"},
};

void append_number(std::string& out, std::size_t n) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, n).ptr;
  out.append(text, end);
}

// A header that a handler sets must not be able to end its line, nor to change the framing.
bool is_safe_header(std::string_view name, std::string_view value) {
  const auto breaks = [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; };
  if (name.empty() || std::ranges::any_of(name, [&](char c) { return breaks(c) || c == ' ' || c == ':' || c == '\t'; })) return false;
  if (std::ranges::any_of(value, breaks)) return false;
  for (const std::string_view ours : {"Content-Length", "Transfer-Encoding", "Connection", "Content-Type", "Date", "Server"})
    if (equal_ignoring_case(name, ours)) return false;
  return true;
}

bool forbids_body(int status) { return status == 204 || status == 304 || status < 200; }

}  // namespace

void Connection::wait_write() {
  if (write_pending_ || closed_) return;
  write_pending_ = true;
  if (written_ == 0) write_progress_ = Clock::now();
  socket_.async_wait(Socket::wait_write, [this](ErrorCode ec) {
    write_pending_ = false;
    if (!closed_ && ec) close();
    if (!closed_) advance();
    maybe_delete();
  });
}

std::size_t Connection::write_bytes(std::string_view first, std::string_view second, ErrorCode& ec) {
  if (!tls_) {
    const std::array<asio::const_buffer, 2> buffers{asio::const_buffer(first.data(), first.size()),
                                                    asio::const_buffer(second.data(), second.size())};
    return second.empty() ? socket_.write_some(buffers[0], ec) : socket_.write_some(buffers, ec);
  }
  // Nothing is said before the handshake is done: a refusal could not be read.
  if (!tls_->established()) {
    ec = asio::error::connection_reset;
    return 0;
  }
  const std::string_view piece = first.empty() ? second : first;
  std::size_t n = 0;
  const TlsResult result = tls_->write(piece.data(), piece.size(), n);
  if (result == TlsResult::wait_write)
    ec = asio::error::would_block;
  else if (result != TlsResult::ok)
    ec = asio::error::connection_reset;
  return n;
}

// Sends what is gathered. True: all of it went. False: the socket is full (a wait is pending) or the connection is closed.
bool Connection::write_some() {
  for (;;) {
    const std::size_t total = output_.size() + output_body_.size();
    if (written_ == total) break;
    const std::string_view head(output_), body(output_body_);
    const bool in_head = written_ < head.size();
    ErrorCode ec;
    const std::size_t n = in_head ? write_bytes(head.substr(written_), body, ec) : write_bytes(body.substr(written_ - head.size()), {}, ec);
    if (ec == asio::error::would_block) {
      wait_write();
      return false;
    }
    if (ec) {
      close();
      return false;
    }
    written_ += n;
    write_progress_ = Clock::now();
    CoreStats::add(core_.stats.bytes_out, n);
  }
  written_ = 0;
  output_body_ = std::string();
  if (output_.capacity() > kKeptOutput) {
    output_ = std::string();
  } else {
    output_.clear();
  }
  return true;
}

// Writes all answers that are ready, in order. False: it must wait, or the connection is closed.
bool Connection::write_ready() {
  for (;;) {
    while (first_ != nullptr && output_body_.empty() && output_.size() < kOutputBytes) {
      if (streaming_) {
        if (!pump_stream()) break;
      } else if (first_->ready) {
        write_answer(*first_);
      } else {
        break;
      }
      if (closed_) return false;
    }
    if (continue_wanted_ && first_ == reading_) {
      continue_wanted_ = false;
      output_ += "HTTP/1.1 100 Continue\r\n\r\n";
    }
    if (output_.empty() && output_body_.empty()) return true;
    if (!write_some()) return false;
  }
}

void Connection::advance() {
  if (closed_) return;
  if (write_pending_) {
    if (!paused_ && !sink_waits_ && reading_state_ != Reading::stopped && !end_of_input_) wait_read();
    return;
  }
  for (;;) {
    if (!write_ready()) break;
    if (!paused_ || count_ >= core_.options().pipeline_max) break;
    paused_ = false;
    process_kept();
  }
  if (closed_) return;
  if (count_ == 0 && !write_pending_) {
    if (end_of_input_) return close();
    if (close_after_ && reading_state_ != Reading::linger) begin_linger();
    if (closed_) return;
    if (!head_begun_ && reading_state_ == Reading::head) read_started_ = std::max(read_started_, write_progress_);
  }
  if (!paused_ && !sink_waits_ && !end_of_input_ && reading_state_ != Reading::stopped) wait_read();
}

void Connection::write_head(const Exchange& exchange, const Response& response, bool chunked) {
  std::string& out = output_;
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::size_t>(response.status));
  out += ' ';
  out += reason_phrase(response.status);
  out += "\r\nServer: nudge\r\nDate: ";
  out += core_.date();
  out += "\r\n";
  if (!forbids_body(response.status)) {
    if (!response.content_type.empty()) {
      out += "Content-Type: ";
      out += response.content_type;
      out += "\r\n";
    }
    if (chunked) {
      out += "Transfer-Encoding: chunked\r\n";
    } else if (!exchange.source) {
      out += "Content-Length: ";
      append_number(out, response.body.size());
      out += "\r\n";
    }
  }
  for (const auto& header : kDefaultHeaders) {
    const auto same = [&](const auto& own) { return equal_ignoring_case(own.first, header.name); };
    if (response.headers.empty() || std::ranges::none_of(response.headers, same)) out += header.line;
  }
  for (const auto& [name, value] : response.headers)
    if (is_safe_header(name, value)) out.append(name).append(": ").append(value).append("\r\n");
  if (close_after_ && exchange.next == nullptr) {
    out += "Connection: close\r\n";
  } else if (!exchange.http11) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
}

void Connection::write_answer(Exchange& exchange) {
  Response& response = exchange.response;
  if (response.status < 200 || response.status > 599)
    response = problem(500, "http.bad_answer", "nudge made an answer that is none; this is a bug");
  if (!exchange.source) settle_conditional(exchange.request, response);
  const bool streams = exchange.source && !forbids_body(response.status);
  if (streams && !exchange.http11) close_after_ = true;  // HTTP/1.0 has no chunks: the end of the connection is the end of the body
  if (!streams) exchange.source = nullptr;
  if (!streams && &exchange == reading_) stop_body();
  write_head(exchange, response, streams && exchange.http11);
  if (streams && !exchange.head_only) {
    streaming_ = true;
    stream_waits_ = false;
    stream_bytes_ = 0;
    exchange.link->connection = this;
    append_piece(response.body);
    return;
  }
  const std::size_t size = response.body.size();
  if (!exchange.head_only && !forbids_body(response.status)) {
    if (size > kBigBody) {
      output_body_ = std::move(response.body);
    } else {
      output_ += response.body;
    }
  }
  observe(exchange, size);
  pop_first();
}

// A piece of a stream as one chunk; an empty one would end the stream.
void Connection::append_piece(std::string_view piece) {
  if (piece.empty()) return;
  stream_bytes_ += piece.size();
  if (!first_->http11) {
    output_ += piece;
    return;
  }
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, piece.size(), 16).ptr;
  output_.append(digits, end).append("\r\n").append(piece).append("\r\n");
}

// Takes the next piece of the stream into the output. False: nothing to take now.
bool Connection::pump_stream() {
  if (stream_waits_ && !core_.draining()) return false;
  Pull pull = Pull::abort;
  piece_.clear();
  try {
    pull = first_->source(piece_);
  } catch (...) {
    pull = Pull::abort;  // the client must see that the answer is not whole
  }
  if (pull == Pull::abort) {
    close();
    return false;
  }
  append_piece(piece_);
  stream_waits_ = pull == Pull::later;
  if (pull == Pull::done || (pull == Pull::later && core_.draining())) {
    end_stream();
    return true;
  }
  return pull == Pull::more;
}

void Connection::end_stream() {
  if (first_ == reading_) stop_body();
  const bool framed = first_->http11;
  if (framed) output_ += "0\r\n\r\n";
  observe(*first_, stream_bytes_);
  pop_first();
  while (!framed && first_ != nullptr) pop_first();  // the end of the connection is the end of the body: no answer can follow
}

void Connection::stream_woken() {
  stream_waits_ = false;
  if (!closed_) resume_sink();
  if (!closed_) advance();
  maybe_delete();
}

void Connection::pop_first() {
  Exchange* exchange = first_;
  first_ = exchange->next;
  if (first_ == nullptr) last_ = nullptr;
  --count_;
  if (streaming_) {
    streaming_ = false;
    piece_ = std::string();
  }
  release(exchange);
}

void Connection::observe(const Exchange& exchange, std::size_t bytes) const {
  const auto& observer = core_.options().observer;
  if (!observer) return;
  observer({exchange.request.method, exchange.route != nullptr ? std::string_view(exchange.route->pattern) : std::string_view(),
            exchange.request.peer, exchange.response.status, exchange.body_received, bytes, Clock::now() - exchange.started});
}

// All is said. The rest of what the client sends is read and dropped for a moment: closing with unread bytes would reset the
// connection, and the client might never see the answer.
void Connection::begin_linger() {
  ErrorCode ec;
  if (tls_) tls_->shut_down();
  socket_.shutdown(Socket::shutdown_send, ec);
  if (ec) return close();
  if (linger_left_ == 0) linger_left_ = 64 * 1024;
  reading_state_ = Reading::linger;
  read_started_ = Clock::now();
  input_ = std::string();
}

}  // namespace nudge::http
