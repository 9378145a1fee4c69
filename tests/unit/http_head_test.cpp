// The framing guard: what Beast alone would let through is refused here.
#include <doctest/doctest.h>

#include "daemon/http/body.h"
#include "daemon/http/head.h"

using namespace nudge::http;

namespace {

struct Parsed {
  Head head;
  Request request;
  std::string code;  // of the error; empty: fine
  int status = 0;
};

Parsed parse(const std::string& bytes) {
  static std::string kept;  // the views of the request point into it
  kept = bytes;
  Parsed out;
  HeadScanner scanner;
  switch (scanner.scan(kept, Options().header_fields_max)) {
    case HeadScanner::Status::more: out.code = "incomplete"; return out;
    case HeadScanner::Status::bare_lf: out.code = "bare lf"; return out;
    case HeadScanner::Status::too_many_fields: out.code = "too many"; return out;
    case HeadScanner::Status::complete: break;
  }
  if (const auto error = parse_head(std::string_view(kept).substr(0, scanner.end()), Options(), out.head, out.request)) {
    out.code = error->code;
    out.status = error->status;
  }
  return out;
}

const std::string kStart = "POST /v1/events HTTP/1.1\r\nHost: localhost:8650\r\n";

}  // namespace

TEST_CASE("http head: an ordinary request") {
  const Parsed p = parse(kStart + "Content-Length: 12\r\ncontent-type:application/json \r\nX-Empty:\r\n\r\n{}");
  REQUIRE(p.code == "");
  CHECK(p.request.method == Method::post);
  CHECK(p.request.target == "/v1/events");
  CHECK(p.request.header("Content-Type") == "application/json");
  CHECK(p.request.header("x-empty") == "");
  CHECK(p.head.content_length == 12);
  CHECK(p.head.host == "localhost");
  CHECK(p.head.keep_alive);
  CHECK_FALSE(p.head.chunked);
}

TEST_CASE("http head: keep-alive, versions, forms of the target") {
  CHECK_FALSE(parse(kStart + "Connection: foo, Close\r\n\r\n").head.keep_alive);
  CHECK_FALSE(parse("GET / HTTP/1.0\r\n\r\n").head.keep_alive);
  CHECK(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").head.keep_alive);
  CHECK(parse(kStart + "Expect: 100-continue\r\n\r\n").head.expect_continue);
  CHECK(parse(kStart + "Content-Encoding: GZIP\r\n\r\n").head.gzip);
  CHECK(parse(kStart + "Transfer-Encoding: Chunked\r\n\r\n").head.chunked);
  const Parsed absolute = parse("GET http://127.0.0.1:80/a?b HTTP/1.1\r\nHost: evil.test\r\n\r\n");
  CHECK(absolute.code == "");
  CHECK(absolute.request.target == "/a?b");
  CHECK(absolute.head.host == "127.0.0.1");
  CHECK(parse("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").head.host == "[::1]");
  CHECK(parse("GET / HTTP/1.1\r\nHost: localhost.\r\n\r\n").head.host == "localhost");
  CHECK(parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").code == "");
}

TEST_CASE("http head: what is refused") {
  struct Row {
    std::string bytes;
    std::string_view code;
  };
  const Row rows[] = {
      {"GET / HTTP/1.1\r\n\r\n", "http.host"},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "http.host"},
      {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "http.host"},
      {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "http.host"},
      {"GET / HTTP/1.1\r\nHost: a:80x\r\n\r\n", "http.host"},
      {kStart + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "http.framing"},
      {kStart + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "http.framing"},
      {kStart + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "http.framing"},
      {kStart + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "http.framing"},
      {kStart + "Content-Length: 5, 5\r\n\r\n", "http.framing"},
      {kStart + "Content-Length: +5\r\n\r\n", "http.framing"},
      {kStart + "Content-Length: -5\r\n\r\n", "http.framing"},
      {kStart + "Content-Length: 0x5\r\n\r\n", "http.framing"},
      {kStart + "Content-Length:\r\n\r\n", "http.framing"},
      {kStart + "Content-Length: 99999999999999999999\r\n\r\n", "http.framing"},
      {kStart + "Transfer-Encoding: gzip\r\n\r\n", "http.framing"},
      {kStart + "Transfer-Encoding: xchunked\r\n\r\n", "http.framing"},
      {kStart + "Transfer-Encoding: identity\r\n\r\n", "http.framing"},
      {kStart + "Transfer-Encoding: gzip, chunked\r\n\r\n", "http.framing"},
      {kStart + "Transfer-Encoding: chunked, identity\r\n\r\n", "http.framing"},
      {kStart + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "http.framing"},
      {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "http.framing"},
      {kStart + "X-A: 1\r\n 2\r\n\r\n", "http.folding"},
      {kStart + "X-A: 1\r\n\t2\r\n\r\n", "http.folding"},
      {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "http.folding"},
      {kStart + "X-A : 1\r\n\r\n", "http.header"},
      {kStart + "X A: 1\r\n\r\n", "http.header"},
      {kStart + ": 1\r\n\r\n", "http.header"},
      {kStart + "nonsense\r\n\r\n", "http.header"},
      {kStart + "X-A: a\x01z\r\n\r\n", "http.bytes"},
      {kStart + "X-A: a\x7f\r\n\r\n", "http.bytes"},
      {kStart + std::string("X-A: a\0b\r\n\r\n", 12), "http.bytes"},
      {kStart + "X-A: a\rb\r\n\r\n", "http.bytes"},
      {"GET / HTTP/1.1\nHost: a\n\n", "bare lf"},
      {"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "bare lf"},
      {"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", "http.target"},
      {"GET /\xe7\x8e\x8b HTTP/1.1\r\nHost: a\r\n\r\n", "http.target"},
      {"GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", "http.target"},
      {"GET x HTTP/1.1\r\nHost: a\r\n\r\n", "http.target"},
      {"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "http.target"},
      {"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "http.target"},
      {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "http.request_line"},
      {"GET / x HTTP/1.1\r\nHost: a\r\n\r\n", "http.version"},
      {"GET /\r\nHost: a\r\n\r\n", "http.request_line"},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "http.version"},
      {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "http.version"},
      {"GET / http/1.1\r\nHost: a\r\n\r\n", "http.request_line"},
      {kStart + "Expect: tea\r\n\r\n", "http.expectation"},
      {kStart + "Content-Encoding: br\r\n\r\n", "http.content_encoding"},
      {"GET /" + std::string(5000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", "http.target_too_long"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.bytes);
    CHECK(parse(row.bytes).code == row.code);
  }
}

TEST_CASE("http head: a header that comes byte by byte ends at the same place") {
  const std::string bytes = kStart + "X: y\r\n\r\nGET /next";
  HeadScanner scanner;
  std::size_t complete_at = 0;
  for (std::size_t n = 1; n <= bytes.size() && complete_at == 0; ++n)
    if (scanner.scan(std::string_view(bytes).substr(0, n), 64) == HeadScanner::Status::complete) complete_at = n;
  CHECK(complete_at == bytes.find("GET /next"));
  CHECK(scanner.end() == complete_at);
}

TEST_CASE("http head: limits while it is incomplete") {
  const Options limits;
  HeadScanner scanner;
  const std::string tls("\x16\x03\x01\x02\x00", 5);
  REQUIRE(check_partial_head(tls, scanner, limits).has_value());
  CHECK(check_partial_head(tls, scanner, limits)->code == "http.tls");
  const std::string endless(5000, 'a');
  CHECK(check_partial_head(endless, scanner, limits)->status == 414);
  std::string fields = "GET / HTTP/1.1\r\n";
  CHECK(scanner.scan(fields, 64) == HeadScanner::Status::more);
  CHECK_FALSE(check_partial_head(fields, scanner, limits).has_value());
  fields += "X: " + std::string(9000, 'b');
  CHECK(scanner.scan(fields, 64) == HeadScanner::Status::more);
  CHECK(check_partial_head(fields, scanner, limits)->status == 431);
}

TEST_CASE("http head: the number of fields is limited") {
  const auto with = [](int n) {
    std::string out = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 1; i < n; ++i) out += "X: y\r\n";
    return out + "\r\n";
  };
  CHECK(parse(with(64)).code == "");
  CHECK(parse(with(65)).code == "too many");
  CHECK(parse(with(10'000)).code == "too many");
}

namespace {

// Feeds `bytes` in pieces of `step`; gives the body, or "bad", or "more:…".
std::string unchunk(std::string_view bytes, std::size_t step, std::string_view* rest = nullptr) {
  ChunkReader reader;
  std::string body;
  while (!bytes.empty()) {
    std::string_view in = bytes.substr(0, step);
    const std::size_t given = in.size();
    while (!in.empty()) {
      std::string_view data;
      const auto status = reader.next(in, data);
      body += data;
      if (status == ChunkReader::Status::bad) return "bad";
      if (status == ChunkReader::Status::done) {
        if (rest != nullptr) *rest = bytes.substr(given - in.size());
        return body;
      }
    }
    bytes.remove_prefix(given);
  }
  return "more:" + body;
}

}  // namespace

TEST_CASE("http chunks: whole and in pieces") {
  const std::string_view bytes = "5\r\nhello\r\nA;ext=\"v\"\r\n, chunked!\r\n0\r\nAuthorization: Bearer x\r\nX: y\r\n\r\nNEXT";
  for (const std::size_t step : {1U, 2U, 3U, 7U, 1000U}) {
    std::string_view rest;
    CHECK(unchunk(bytes, step, &rest) == "hello, chunked!");
    CHECK(rest == "NEXT");
  }
  CHECK(unchunk("0\r\n\r\n", 100) == "");
  CHECK(unchunk("000\r\n\r\n", 100) == "");
  CHECK(unchunk("5\r\nhel", 100) == "more:hel");
}

TEST_CASE("http chunks: what is refused") {
  for (const std::string_view bytes :
       {"\r\n", "x\r\n", "-1\r\n", "+1\r\na", " 5\r\nhello", "5 \r\nhello", "0x5\r\nhello\r\n", "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\rX", "123456789\r\n", "ffffffffffffffff\r\n", "5;\x01\r\nhello",
        "5;a\nb\r\nhello", "0\r\nX: \x01\r\n\r\n", "0\r\nX: y\n\r\n", "0\r\n folded\r\n\r\n", "0\r\n\rX"}) {
    CAPTURE(bytes);
    CHECK(unchunk(bytes, 1000) == "bad");
    CHECK(unchunk(bytes, 1) == "bad");
  }
  CHECK(unchunk("1;" + std::string(300, 'e') + "\r\na", 1000) == "bad");
  CHECK(unchunk("0\r\nX: " + std::string(5000, 't') + "\r\n\r\n", 1000) == "bad");
}
