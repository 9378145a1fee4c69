// The small JSON reader: what RFC 8259 allows, and what it does not.
#include <doctest/doctest.h>

#include <string>

#include "engine/base/json.h"

using namespace nudge;

namespace {

constexpr std::size_t kMost = 1 << 20;

bool good(const std::string& text) { return parse_json(text, kMost).has_value(); }

}  // namespace

TEST_CASE("json: values as they are, numbers to the last digit") {
  const auto v = parse_json(R"( {"a": 12.10, "b": [true, false, null, "x"], "c": {"a": -1e+5}, "a": "last"} )", kMost);
  REQUIRE(v);
  CHECK(v->find("a")->text == "last");
  CHECK(v->items[0].text == "12.10");
  const JsonValue& list = *v->find("b");
  REQUIRE(list.items.size() == 4);
  CHECK(list.items[0].truth);
  CHECK_FALSE(list.items[1].truth);
  CHECK(list.items[2].kind == JsonValue::Kind::null);
  CHECK(v->find("c")->find("a")->text == "-1e+5");
  CHECK(v->find("d") == nullptr);
  CHECK(list.find("a") == nullptr);
}

TEST_CASE("json: escapes and UTF-8") {
  CHECK(parse_json(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u738b\ud83d\ude00")", kMost)->text ==
        "\"\\/\b\f\n\r\tA\xC3\xA9\xE7\x8E\x8B\xF0\x9F\x98\x80");
  for (const char* bad : {R"("\ud83d")", R"("\ude00")", R"("\ud83dx")", R"("\ud83d\u0041")", R"("\u12g4")", R"("\x41")", "\"\\", "\"\\u12",
                          "\"\xff\"", "\"a\nb\"", "\"a"})
    CHECK_FALSE_MESSAGE(good(bad), bad);
}

TEST_CASE("json: what is no JSON") {
  for (const char* ok : {"0", "-0", "1.5", "1e9", "1E-9", "{}", "[]", "[1,2]", "null", " true "}) CHECK_MESSAGE(good(ok), ok);
  for (const char* bad : {"",  " ", "01", "1.",   ".5",      "+1",       "-",          "1e",    "1e+",   "NaN",   "tru", "nul",
                          "{", "[", "{]", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "[1 2]", "{} {}", "'x'", "// c\n1"})
    CHECK_FALSE_MESSAGE(good(bad), bad);
}

TEST_CASE("json: bounded in depth and length") {
  CHECK(good(std::string(kJsonDepth, '[') + std::string(kJsonDepth, ']')));
  CHECK_FALSE(good(std::string(kJsonDepth + 2, '[') + std::string(kJsonDepth + 2, ']')));
  CHECK_FALSE(good(std::string(100'000, '[')));
  CHECK(parse_json("[1, 2]", 6));
  CHECK(parse_json("[1, 2]", 5).error().code == Code::too_large);
}
