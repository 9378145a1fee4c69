#include <doctest/doctest.h>

#include "daemon/http/router.h"
#include "daemon/http/uri.h"

using namespace nudge;
using namespace nudge::http;

namespace {

// A router whose handlers are never called; the pattern tells which route was found.
struct Fixture {
  Router router;
  Request request;

  void add(Method method, std::string_view pattern) {
    const auto added = router.add(method, pattern, [](Request&, Responder) {}, {});
    CAPTURE(pattern);
    REQUIRE(added.has_value());
  }
  // "GET /x" style answer: the pattern, or why not.
  std::string find(Method method, std::string_view path) {
    request = Request();
    const Router::Match match = router.match(method, path, request);
    switch (match.found) {
      case Router::Found::yes: {
        std::string out = match.route->pattern;
        for (const auto& [name, value] : request.params) out += " " + std::string(name) + "=" + value;
        return out;
      }
      case Router::Found::no_path: return "no path";
      case Router::Found::no_method: return "no method: " + allow_value(match.allowed);
      case Router::Found::bad_path: return "bad path";
    }
    return "?";
  }
};

void add_examples(Fixture& f) {
  f.add(Method::get, "/");
  f.add(Method::get, "/v1/rules");
  f.add(Method::post, "/v1/rules");
  f.add(Method::get, "/v1/rules/{id}");
  f.add(Method::del, "/v1/rules/{id}");
  f.add(Method::post, "/v1/rules/reload");
  f.add(Method::get, "/v1/customers/{id}/actions/{action}");
  f.add(Method::get, "/console/{path...}");
  f.add(Method::get, "/v1/{kind}/count");
}

}  // namespace

TEST_CASE("http router: paths and parameters") {
  Fixture f;
  add_examples(f);
  struct Row {
    Method method;
    std::string_view path;
    std::string_view expected;
  };
  const Row rows[] = {
      {Method::get, "/", "/"},
      {Method::get, "/v1/rules", "/v1/rules"},
      {Method::head, "/v1/rules", "/v1/rules"},
      {Method::put, "/v1/rules", "no method: GET, HEAD, POST"},
      {Method::get, "/v1/rules/", "no path"},
      {Method::get, "/v1/rules/a", "/v1/rules/{id} id=a"},
      {Method::del, "/v1/rules/a", "/v1/rules/{id} id=a"},
      {Method::post, "/v1/rules/reload", "/v1/rules/reload"},
      {Method::get, "/v1/rules/reload", "/v1/rules/{id} id=reload"},  // the literal has no GET, the parameter has
      {Method::patch, "/v1/rules/reload", "no method: GET, HEAD, POST, DELETE"},
      {Method::get, "/v1/rules/count", "/v1/rules/{id} id=count"},
      {Method::get, "/v1/segments/count", "/v1/{kind}/count kind=segments"},
      {Method::get, "/v1/rules/a/b", "no path"},
      {Method::get, "//", "no path"},
      {Method::get, "//v1/rules", "no path"},
      {Method::get, "/v1//rules", "no path"},
      {Method::get, "/V1/rules", "no path"},
      {Method::get, "/v1/rules;x", "no path"},
      {Method::get, "/v1/customers/c%201/actions/%E7%8E%8B", "/v1/customers/{id}/actions/{action} id=c 1 action=王"},
      {Method::get, "/v1/rules/a%2Fb", "/v1/rules/{id} id=a/b"},
      {Method::get, "/v1/rules/a+b", "/v1/rules/{id} id=a+b"},
      {Method::get, "/v1%2Frules", "no path"},
      {Method::get, "/%76%31/rules", "/v1/rules"},
      {Method::get, "/console/a", "/console/{path...} path=a"},
      {Method::get, "/console/a/b.css", "/console/{path...} path=a/b.css"},
      {Method::get, "/console", "no path"},
      {Method::get, "/console/../v1/rules", "bad path"},
      {Method::get, "/console/%2e%2e/x", "bad path"},
      {Method::get, "/console/.", "bad path"},
      {Method::get, "/v1/rules/%", "bad path"},
      {Method::get, "/v1/rules/%4", "bad path"},
      {Method::get, "/v1/rules/%zz", "bad path"},
      {Method::get, "/v1/rules/%00", "bad path"},
      {Method::get, "/v1/rules/%0d%0aX", "bad path"},
      {Method::get, "/v1/rules/%ff", "bad path"},
      {Method::get, "/v1/rules/%c0%af", "bad path"},
      {Method::get, "", "bad path"},
      {Method::get, "v1", "bad path"},
      {Method::get, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33/34", "no path"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.path);
    CHECK(f.find(row.method, row.path) == row.expected);
  }
}

TEST_CASE("http router: the decoded path is kept for messages") {
  Fixture f;
  add_examples(f);
  f.find(Method::get, "/v1/rules/a%2Fb");
  CHECK(f.request.path == "/v1/rules/a/b");
}

TEST_CASE("http router: patterns that make no sense are refused") {
  Fixture f;
  add_examples(f);
  const auto handler = [](Request&, Responder) {};
  for (const std::string_view pattern :
       {"", "x", "/a//b", "/{}", "/{a", "/a/{b}x", "/{a b}", "/{a}/{a}", "/{a...}/b", "/v1/rules", "/v1/rules/{other}"}) {
    CAPTURE(pattern);
    const auto added = f.router.add(Method::get, pattern, handler, {});
    REQUIRE_FALSE(added.has_value());
    CHECK(added.error().message.find("GET " + std::string(pattern)) != std::string::npos);
  }
  CHECK_FALSE(f.router.add(Method::get, "/ok", nullptr, {}).has_value());
}

TEST_CASE("http query strings") {
  std::vector<std::pair<std::string, std::string>> out;
  REQUIRE(parse_query("a=1&b=x%20y+z&&c&=d&a=%E7%8E%8B", out));
  REQUIRE(out.size() == 5);
  CHECK(out[0] == std::pair<std::string, std::string>("a", "1"));
  CHECK(out[1] == std::pair<std::string, std::string>("b", "x y z"));
  CHECK(out[2] == std::pair<std::string, std::string>("c", ""));
  CHECK(out[3] == std::pair<std::string, std::string>("", "d"));
  CHECK(out[4] == std::pair<std::string, std::string>("a", "王"));
  for (const std::string_view bad : {"a=%", "a=%1", "%gg", "a=%00", "a=%ff", "a=%0a"}) {
    CAPTURE(bad);
    out.clear();
    CHECK_FALSE(parse_query(bad, out));
  }
}
