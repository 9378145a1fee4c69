// One TCP connection: reads requests, hands them to handlers in order, writes the answers in order. Lives on its Core's thread.
//
// Invariants
//  1. exchanges_ (first_ … last_) holds the requests whose answer is not sent yet, in the order they came; reading_ is the
//     last of them while its body is still coming.
//  2. At most one read wait and one write wait are pending; the connection is deleted when it is closed and none is.
//  3. After close_after_ is set no further byte is read as a request: what follows a refused request is never interpreted.
//  4. sink_ is set only while reading_ is; while sink_waits_ nothing is read.
//  5. An idle connection holds no buffer: bytes are read into the core's scratch space and only a rest is kept in input_.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/http/body.h"
#include "daemon/http/core.h"
#include "daemon/http/head.h"

namespace nudge::http {

inline constexpr std::size_t kLingerBytes = 8 * 1024 * 1024;  // read and dropped after a refusal, so that the client gets to see it

class Connection {
 public:
  Connection(Core& core, Socket socket);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start();
  void refuse_connection();           // over the limit of connections: 503 and close
  void drain();                       // the server stops: finish what is under way
  void cut();                         // close at once
  void check(Clock::time_point now);  // time limits
  void advance();                     // send what is ready, read on
  void stream_woken();

  std::size_t slot = 0;  // in the core's list
  bool touched = false;  // is in the core's list of connections to flush

 private:
  enum class Reading : std::uint8_t { head, body, stopped, linger };

  // Reading (connection.cpp)
  void wait_read();
  void on_readable();
  std::size_t read_bytes(std::span<char> to, ErrorCode& ec);
  std::size_t write_bytes(std::string_view first, std::string_view second, ErrorCode& ec);
  void on_end_of_input();
  void process(std::string_view& in);
  void process_kept();
  bool read_head(std::string_view& in);
  bool read_body(std::string_view& in);
  bool append_body(std::string_view data);
  void finish_body();
  // A body that is taken piece by piece (connection_sink.cpp)
  void open_sink(Exchange& exchange);
  bool feed_sink(std::string_view data);
  void pause_sink();
  void resume_sink();
  void finish_sink();
  std::unique_ptr<BodySink> leave_sink();
  void break_sink(Response why);
  void stop_body();

  void append(Exchange* exchange);
  void release(Exchange* exchange);
  void close();
  void maybe_delete();

  // Requests (connection_request.cpp)
  void on_head(Exchange& exchange);
  bool is_there_without_slash(const Request& request) const;
  bool route(Exchange& exchange);
  void begin_body(Exchange& exchange);
  void dispatch(Exchange& exchange);
  bool host_is_allowed() const;
  bool has_body() const { return head_.chunked || head_.content_length.value_or(0) > 0; }
  void answer(Exchange& exchange, Response response);            // from inside, instead of a handler
  void refuse(Exchange& exchange, Response response);            // answer; close if a body would follow
  void refuse_and_close(Exchange* exchange, Response response);  // exchange may be null: a fresh one is made
  void refuse_bad(Exchange* exchange, const HeadError& error);   // the same, counted as a bad request
  void expire(Exchange* exchange);

  // Writing (connection_write.cpp)
  void wait_write();
  bool write_ready();
  bool write_some();
  void pop_first();
  void write_answer(Exchange& exchange);
  void write_head(const Exchange& exchange, const Response& response, bool chunked);
  void append_piece(std::string_view piece);
  bool pump_stream();
  void end_stream();
  void begin_linger();
  void observe(const Exchange& exchange, std::size_t bytes) const;

  Core& core_;
  Socket socket_;
  std::unique_ptr<TlsSession> tls_;  // null: plain
  bool tls_wants_write_ = false;     // to go on with reading
  std::string peer_;

  Reading reading_state_ = Reading::head;
  std::string input_;  // bytes that came but are not used yet
  HeadScanner scanner_;
  Head head_;
  ChunkReader chunks_;
  std::unique_ptr<Gunzip> gunzip_;
  std::size_t body_limit_ = 0;
  std::uint64_t length_left_ = 0;
  Exchange* reading_ = nullptr;
  std::unique_ptr<BodySink> sink_;         // of reading_, when its body is taken piece by piece
  std::shared_ptr<StreamLink> sink_link_;  // to wake it
  std::string held_, unpacked_;            // gzip: what the sink could not take yet, packed; scratch
  std::uint64_t unpacked_bytes_ = 0;
  bool sink_waits_ = false;  // it said that it can take no more
  bool sink_ends_ = false;   // the body is whole, and the sink does not know yet
  Clock::time_point sink_paused_;
  Clock::time_point read_started_;  // of the header or body under way, or since when idle

  Exchange* first_ = nullptr;
  Exchange* last_ = nullptr;
  std::size_t count_ = 0;

  std::string output_;
  std::string output_body_;  // a big body, sent after output_ without a copy
  std::size_t written_ = 0;  // of output_ and output_body_ together
  Clock::time_point write_progress_;
  std::string piece_;  // of a stream
  std::size_t stream_bytes_ = 0;
  std::size_t linger_left_ = 0;

  bool read_pending_ = false;
  bool write_pending_ = false;
  bool paused_ = false;  // too many requests in flight
  bool head_begun_ = false;
  bool continue_wanted_ = false;
  bool served_ = false;        // at least one request has come
  bool streaming_ = false;     // first_ is a stream whose head is sent
  bool stream_waits_ = false;  // it had nothing to offer and was not woken since
  bool end_of_input_ = false;
  bool close_after_ = false;  // when all answers are sent
  bool closed_ = false;
};

}  // namespace nudge::http
