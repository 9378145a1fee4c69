// The server as an object: starting, stopping, responders that outlive it. What goes over the wire is in tests/e2e/http.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>

#include "daemon/http/http_server.h"

using namespace nudge;
using namespace nudge::http;
using namespace std::chrono_literals;

namespace {

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) const {
    REQUIRE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  // Reads until the other side closes.
  std::string read_all() const {
    std::string out;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::recv(fd_, buffer, sizeof buffer, 0)) > 0;) out.append(buffer, static_cast<std::size_t>(n));
    return out;
  }

 private:
  int fd_;
};

std::string get(std::string_view path, std::string_view more = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(more) + "\r\n";
}

}  // namespace

TEST_CASE("http server: a taken port, a wrong address and an open one are refused with advice") {
  HttpServer first{Options{}};
  REQUIRE(first.start().has_value());
  REQUIRE(first.port() != 0);
  Options options;
  options.port = first.port();
  const auto taken = HttpServer(options).start();
  REQUIRE_FALSE(taken.has_value());
  CHECK(taken.error().code == Code::unavailable);
  CHECK(taken.error().message.find("127.0.0.1:" + std::to_string(first.port())) != std::string::npos);
  CHECK(taken.error().message.find("http.port") != std::string::npos);

  options.port = 0;
  options.host = "nowhere.example";
  CHECK(HttpServer(options).start().error().message.find("not an address") != std::string::npos);
  options.host = "0.0.0.0";
  CHECK(HttpServer(options).start().error().code == Code::denied);
  options.host = "203.0.113.7";
  options.insecure_ok = true;
  CHECK(HttpServer(options).start().error().message.find("does not have that address") != std::string::npos);
  options.host = "127.0.0.1";
  options.pipeline_max = 0;
  CHECK(HttpServer(options).start().error().message == "http.pipeline_max must be above zero");
}

TEST_CASE("http server: a responder outlives the server") {
  std::optional<Responder> late;
  std::atomic<bool> asked{false};
  {
    HttpServer server{Options{}};
    REQUIRE(server
                .route(Method::get, "/",
                       [&](Request&, Responder responder) {
                         late.emplace(std::move(responder));
                         asked = true;
                       })
                .has_value());
    REQUIRE(server.start().has_value());
    const Client client(server.port());
    client.send(get("/"));
    while (!asked) std::this_thread::sleep_for(1ms);
    CHECK_FALSE(server.stop(50ms));  // something had to be cut
    CHECK(client.read_all() == "");
  }
  CHECK(late->request().target == "/");
  late->send({});
  CHECK_FALSE(static_cast<bool>(*late));
}

TEST_CASE("http server: stop waits for what is under way and turns away what is new") {
  std::optional<Responder> late;
  std::atomic<bool> asked{false};
  HttpServer server{Options{}};
  REQUIRE(server
              .route(Method::get, "/",
                     [&](Request&, Responder responder) {
                       late.emplace(std::move(responder));
                       asked = true;
                     })
              .has_value());
  REQUIRE(server.start().has_value());
  const Client busy(server.port());
  const Client idle(server.port());
  busy.send(get("/"));
  while (!asked) std::this_thread::sleep_for(1ms);
  std::thread answerer([&] {
    std::this_thread::sleep_for(100ms);
    late->send({200, "text/plain", {}, "done"});
  });
  CHECK(server.stop(5s));
  answerer.join();
  const std::string answer = busy.read_all();
  CHECK(answer.find("200 OK") != std::string::npos);
  CHECK(answer.find("Connection: close") != std::string::npos);
  CHECK(answer.ends_with("done"));
  CHECK(idle.read_all() == "");
  CHECK(server.stats().connections_open == 0);
}

TEST_CASE("http server: stop ends at whatever moment of its clock it comes") {
  // With time limits this short the cores tick every 5 ms; a stop that met a tick under way never came back.
  Options options;
  options.io_threads = 2;
  options.head_timeout = options.body_timeout = options.idle_timeout = options.write_timeout = options.handler_timeout = 20ms;
  for (int round = 0; round < 200; ++round) {
    HttpServer server{options};
    REQUIRE(server.start().has_value());
    std::this_thread::sleep_for(4800us + round * 2us);
    CHECK(server.stop(1s));
  }
}

TEST_CASE("http server: the observer sees route, status and sizes") {
  std::vector<std::string> seen;
  Options options;
  options.observer = [&](const Options::Completed& c) {
    seen.push_back(std::string(to_string(c.method)) + " " + std::string(c.route) + " " + std::to_string(c.status) + " " +
                   std::to_string(c.request_bytes) + " " + std::to_string(c.response_bytes) + " " + std::string(c.peer));
  };
  HttpServer server(options);
  REQUIRE(
      server.route(Method::post, "/echo/{id}", [](Request& q, Responder r) { r.send({200, "text/plain", {}, q.body + "!"}); }).has_value());
  REQUIRE(server.start().has_value());
  const Client client(server.port());
  client.send("POST /echo/7 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc" + get("/nope", "Connection: close\r\n"));
  CHECK(client.read_all().find("abc!") != std::string::npos);
  server.stop(1s);
  REQUIRE(seen.size() == 2);
  CHECK(seen[0] == "POST /echo/{id} 200 3 4 127.0.0.1");
  CHECK(seen[1].starts_with("GET  404 0 "));
}

TEST_CASE("http server: answers from many threads to many connections, each to its own request") {
  Options options;
  options.io_threads = 2;
  HttpServer server(options);
  REQUIRE(server
              .route(Method::get, "/{n}",
                     [](Request& q, Responder r) {
                       std::thread([n = std::string(q.param("n")), r = std::move(r)]() mutable {
                         r.send({200, "text/plain", {}, "<" + n + ">"});
                       }).detach();
                     })
              .has_value());
  REQUIRE(server.start().has_value());
  std::atomic<int> right{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      const Client client(server.port());
      std::string expected;
      for (int i = 0; i < 50; ++i) {
        const std::string n = std::to_string(c * 1000 + i);
        client.send(get("/" + n, i == 49 ? "Connection: close\r\n" : ""));
        expected += "<" + n + ">";
      }
      std::string bodies;
      const std::string all = client.read_all();
      for (std::size_t at = all.find("\r\n\r\n"); at != std::string::npos; at = all.find("\r\n\r\n", at + 1))
        bodies += all.substr(at + 4, all.find('>', at) - at - 3);
      if (bodies == expected) ++right;
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(right == 8);
  CHECK(server.stats().requests == 400);
  CHECK(server.stop(1s));
}

TEST_CASE("http server: a detached responder hands the answer to its sink") {
  std::vector<int> statuses;
  const auto sink = [&](Response response) { statuses.push_back(response.status); };
  {
    Responder responder = Responder::detached(sink);
    responder.request().method = Method::put;
    responder.send({204, {}, {}, {}});
    responder.send({200, {}, {}, {}});  // too late, does nothing
    const Responder dropped = Responder::detached(sink);
    Responder streamed = Responder::detached(sink);
    CHECK(streamed.stream({202, {}, {}, {}}, [](std::string&) { return Pull::done; }).closed());
  }
  CHECK(statuses == std::vector<int>{204, 202, 500});
}

TEST_CASE("http problem: valid JSON whatever the detail holds") {
  const Response response = problem(404, "test.code", "a \"quote\", \n and \xff");
  CHECK(response.status == 404);
  CHECK(response.content_type == "application/problem+json");
  CHECK(response.body == R"({"type":"about:blank","title":"Not Found","status":404,"code":"test.code","detail":"a \"quote\", \n and ?"})");
}
