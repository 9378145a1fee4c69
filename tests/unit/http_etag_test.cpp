// Conditional requests: which tags are the same, who gets a 304 or a 412.
#include <doctest/doctest.h>

#include "daemon/http/etag.h"

using namespace nudge::http;

namespace {

Response asked(Method method, std::string body, std::vector<std::pair<std::string_view, std::string_view>> headers, Response response = {}) {
  Request request;
  request.method = method;
  request.headers = std::move(headers);
  response.body = std::move(body);
  settle_conditional(request, response);
  return response;
}

std::string tag(const Response& response) {
  for (const auto& [name, value] : response.headers)
    if (name == "ETag") return value;
  return {};
}

}  // namespace

TEST_CASE("a list of tags is read as RFC 9110 writes it") {
  CHECK(etag_listed("\"a\"", "\"a\""));
  CHECK(etag_listed("\"x\", W/\"a\"", "\"a\""));
  CHECK(etag_listed("\"a\"", "W/\"a\""));
  CHECK(etag_listed(" * ", "\"a\""));
  CHECK(etag_listed("\"a,b\" , \"c\"", "\"a,b\""));
  CHECK_FALSE(etag_listed("\"b\"", "\"a\""));
  CHECK_FALSE(etag_listed("", "\"a\""));
  CHECK_FALSE(etag_listed("a", "\"a\""));    // no quotes, no tag
  CHECK_FALSE(etag_listed("\"a", "\"a\""));  // cut off
  CHECK_FALSE(etag_listed("\"*\"", "\"a\""));
}

TEST_CASE("the state of a tag is what stands before its last dot") {
  CHECK(state_listed("\"v12.abc\"", "v12"));
  CHECK(state_listed("\"x\", \"v12.abc\"", "v12"));
  CHECK(state_listed("*", "v12"));
  CHECK_FALSE(state_listed("\"v1.abc\"", "v12"));
  CHECK_FALSE(state_listed("\"v12\"", "v12"));  // a tag without a state
  CHECK_FALSE(state_listed("v12.abc", "v12"));
}

TEST_CASE("JSON gets a tag that its bytes and its state change, and nothing else") {
  const std::string plain = tag(asked(Method::get, "{}", {}));
  CHECK(plain.size() == 34);
  CHECK(plain == tag(asked(Method::head, "{}", {})));
  CHECK(plain != tag(asked(Method::get, "{ }", {})));
  CHECK(tag(asked(Method::get, "{}", {}, {.state = "v3"})) == "\"v3." + plain.substr(1));
  CHECK(tag(asked(Method::post, "{}", {})).empty());
  CHECK(tag(asked(Method::get, "{}", {}, {.status = 404})).empty());
  CHECK(tag(asked(Method::get, "x", {}, {.content_type = "text/plain"})).empty());
  CHECK(tag(asked(Method::get, "x", {}, {.content_type = "text/plain", .headers = {{"etag", "\"own\""}}})).empty());
}

TEST_CASE("who has it already gets a 304 without a body, and keeps the tag") {
  const std::string known = tag(asked(Method::get, "{}", {}));
  const Response same = asked(Method::get, "{}", {{"if-none-match", known}});
  CHECK(same.status == 304);
  CHECK(same.body.empty());
  CHECK(tag(same) == known);
  const Response other = asked(Method::get, "{\"a\":1}", {{"If-None-Match", known}});
  CHECK(other.status == 200);
  CHECK(other.body == "{\"a\":1}");
  CHECK(asked(Method::get, "{}", {{"If-None-Match", "*"}}).status == 304);
  CHECK(asked(Method::get, "x", {{"If-None-Match", "\"own\""}}, {.content_type = "text/plain", .headers = {{"etag", "\"own\""}}}).status == 304);
}

TEST_CASE("a GET that insists on a tag gets a 412 when it is another") {
  const std::string known = tag(asked(Method::get, "{}", {}));
  CHECK(asked(Method::get, "{}", {{"If-Match", known}}).status == 200);
  const Response gone = asked(Method::get, "{\"a\":1}", {{"If-Match", known}});
  CHECK(gone.status == 412);
  CHECK(gone.body.find("http.changed") != std::string::npos);
}
