// Intake without a daemon: frames, names, conversion, documents.
#include <doctest/doctest.h>

#include <set>

#include "daemon/ingest/intake.h"

using namespace nudge;
using namespace nudge::daemon;

namespace {

std::shared_ptr<const Catalog> catalog() {
  auto c = std::make_shared<Catalog>();
  const auto leaf = [](std::string name, Type type) {
    LeafDef def;
    def.name = std::move(name);
    def.type = type;
    return def;
  };
  c->attributes = {leaf("name", Type::text),        leaf("spend", Type::decimal),  leaf("address.city", Type::text),
                   leaf("address.zip", Type::text), leaf("interests", Type::list), leaf("n", Type::number),
                   leaf("gone", Type::text)};
  c->attributes[6].retired = true;
  c->objects = {{"address", {2, 3}}};
  EventTypeDef order;
  order.name = "order";
  order.fields = {leaf("amount", Type::decimal), leaf("count", Type::integer), leaf("ship.to", Type::text)};
  order.objects = {{"ship", {2}}};
  c->events = {order, EventTypeDef{}};
  c->events[1].name = "login";
  c->index();
  return c;
}

struct Reader1 {
  IntakeSchema schema{catalog()};
  IdSource ids{1000};
  Intake intake;
  IntakeOptions options;
  Reader1() {
    options.now = 1'000'000;
    options.ids = &ids;
  }
  IntakeLine read(std::string body) {
    const auto length = static_cast<std::uint32_t>(body.size());
    body.append(kIntakePadding, ' ');
    body.resize(length);
    body.reserve(length + kIntakePadding);
    IntakeLine line;
    intake.read(schema, body, Span{0, length}, options, line);
    return line;
  }
  std::string code(std::string body) { return read(std::move(body)).problem.code; }
};

}  // namespace

TEST_CASE("a body is one document, an array or lines") {
  const auto spans = [](std::string_view body, Framing framing = Framing::guess) {
    const Result<Frames> frames = split_body(body, framing, 100);
    REQUIRE(frames);
    std::vector<std::string> out{frames->single ? "single" : "many"};
    for (const Span s : frames->spans) out.emplace_back(body.substr(s.offset, s.length));
    return out;
  };
  using L = std::vector<std::string>;
  CHECK(spans(R"({"a":1})") == L{"single", R"({"a":1})"});
  CHECK(spans(" {\"a\":\n1}\n ") == L{"single", "{\"a\":\n1}"});
  CHECK(spans("{\"a\":\"]}\\\"\"}\r\n{b\n\n{\"c\":2}") == L{"many", "{\"a\":\"]}\\\"\"}", "{b", "{\"c\":2}"});
  CHECK(spans("[ {\"a\":[1,2]} , \"x,]\" ,3]") == L{"many", "{\"a\":[1,2]}", "\"x,]\"", "3"});
  CHECK(spans("[]") == L{"many"});
  // A mark before UTF-8 is skipped, once.
  CHECK(spans("\xef\xbb\xbf{\"a\":1}") == L{"single", R"({"a":1})"});
  CHECK(spans("\xef\xbb\xbf [1]") == L{"many", "1"});
  CHECK(spans("\xef\xbb\xbf{\"a\":1}\n{\"b\":2}", Framing::lines) == L{"many", R"({"a":1})", R"({"b":2})"});
  CHECK(spans("\xef\xbb\xbf\xef\xbb\xbf{}") == L{"single", "\xef\xbb\xbf{}"});
  CHECK(spans("{\"a\":1}", Framing::lines) == L{"many", "{\"a\":1}"});
  CHECK(spans("{broken") == L{"single", "{broken"});
  CHECK(spans("{\"a\":\n{\"b\":1}") == L{"single", "{\"a\":\n{\"b\":1}"});  // the first line is not whole: one broken document
  CHECK(spans("{\"a\":1}\n{\"b\":") == L{"many", "{\"a\":1}", "{\"b\":"});  // it is: lines, of which the last is broken
  for (const char* bad : {"", " \n", "[{}", "[{},", "[{},]x", "[{}] x", "[,{}]", "[{} {}]"})
    CHECK_MESSAGE(!split_body(bad, Framing::guess, 100), bad);
  CHECK(split_body("{}\n{}\n{}", Framing::guess, 2).error().code == Code::too_large);
  CHECK(split_body("[1,2,3]", Framing::guess, 2).error().code == Code::too_large);
}

TEST_CASE("the name table finds every name and no other") {
  NameTable table;
  std::vector<std::string> names;
  for (int i = 0; i < 3000; ++i) names.push_back("a_long_common_prefix_" + std::to_string(i * 7919) + (i % 2 ? "_same_end" : ""));
  for (std::size_t i = 0; i < names.size(); ++i) table.add(names[i], static_cast<std::uint32_t>(i));
  table.add(names[5], 99);
  for (std::size_t i = 0; i < names.size(); ++i) CHECK(table.find(names[i]) == i);
  CHECK(table.find("a_long_common_prefix_") == NameTable::kMissing);
  CHECK(table.find("") == NameTable::kMissing);
  CHECK(NameTable().find("x") == NameTable::kMissing);
}

TEST_CASE("documents become inputs") {
  Reader1 r;
  SUBCASE("an event") {
    const IntakeLine line = r.read(
        R"({"id":"e1","ts":"1970-01-01T00:10:00.250Z","customer":"c\u00e9","type":"order","data":{"amount":12.50,"ship":{"to":"x"}}})");
    REQUIRE_FALSE(line.problem.set());
    CHECK(line.input.customer == "cé");
    CHECK(line.input.time == 600'250);
    CHECK(line.has_time);
    CHECK(line.input.fields[0] == Value::of_decimal(Decimal{12'500'000}));
    CHECK(line.input.fields[1].missing());
    CHECK(line.input.fields[2] == Value::of_text("x"));
    CHECK_FALSE(line.input.generated_id);
  }
  SUBCASE("data may stand before its event, and may be absent or null") {
    const IntakeLine line = r.read(R"({"data":{"count":-3,"ship.to":"y"},"event":"order","customer":"c"})");
    REQUIRE_FALSE(line.problem.set());
    CHECK(line.input.fields[1] == Value::of_integer(-3));
    CHECK(line.input.fields[2] == Value::of_text("y"));
    CHECK(line.input.time == 1'000'000);
    CHECK_FALSE(line.has_time);
    CHECK(line.input.generated_id);
    CHECK(line.input.id.size() == 14);
    CHECK(r.read(R"({"event":"order","customer":"c"})").input.fields.size() == 3);
    CHECK(r.code(R"({"event":"order","customer":"c","data":null})").empty());
  }
  SUBCASE("attributes: an object is replaced whole, a dotted name sets a member, null removes") {
    const IntakeLine whole = r.read(R"({"customer":"c","attributes":{"address":{"zip":"1"}}})");
    REQUIRE_FALSE(whole.problem.set());
    REQUIRE(whole.input.attributes.size() == 2);
    CHECK(whole.input.attributes[0].value == Value::of_text("1"));
    CHECK(whole.input.attributes[1].attribute == 2);
    CHECK(whole.input.attributes[1].value.missing());
    CHECK(r.read(R"({"customer":"c","attributes":{"address.zip":"1"}})").input.attributes.size() == 1);
    CHECK(r.read(R"({"customer":"c","attributes":{"address":null}})").input.attributes.size() == 2);
    CHECK(r.code(R"({"customer":"c","attributes":{"address.zip":"1","address":{"zip":"2"}}})") == "given_twice");
    CHECK(r.read(R"({"customer":"c","attributes":{"interests":["a",""]}})").input.attributes[0].value == Value::of_list({"a", ""}));
  }
  SUBCASE("tags") {
    const IntakeLine line = r.read(R"({"customer":"c","tag":"vip","expires":"2030-01-01T00:00:00Z"})");
    CHECK(line.input.kind == InputKind::tag);
    CHECK(line.input.tag_expires == *parse_timestamp("2030-01-01T00:00:00Z"));
    CHECK(r.read(R"({"customer":"c","tag":"vip","remove":true})").input.tag_removed);
    CHECK(r.read(R"({"customer":"c","tag":"vip"})").input.tag_expires == kNever);
  }
  SUBCASE("the customer of the address") {
    r.options.customer = "c9";
    CHECK(r.read(R"({"attributes":{"name":"x"}})").input.customer == "c9");
    CHECK(r.code(R"({"customer":"c9","attributes":{"name":"x"}})").empty());
    CHECK(r.code(R"({"customer":"c8","attributes":{"name":"x"}})") == "other_customer");
  }
}

TEST_CASE("what does not fit says why") {
  Reader1 r;
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"([1])", "not_an_object"},
      {R"({"customer":"c","event":"order"} x)", "bad_json"},
      {R"({"customer":"c","event":"order","data":{"count":1e2}})", "wrong_type"},
      {R"({"customer":"c","event":"order","data":{"count":1.0}})", "wrong_type"},
      {R"({"customer":"c","event":"order","data":{"count":9223372036854775808}})", "bad_number"},
      {R"({"customer":"c","event":"order","data":{"amount":+1}})", "bad_json"},
      {R"({"customer":"c","event":"order","data":{"amount":1.}})", "bad_json"},
      {R"({"customer":"c","event":"order","data":{"amount":00}})", "bad_json"},
      {R"({"customer":"c","event":"order","data":{"amount":true}})", "wrong_type"},
      {R"({"customer":"c","event":"order","data":{"amount":nul}})", "bad_json"},
      {R"({"customer":"c","event":"order","data":{"ship":1}})", "wrong_type"},
      {R"({"customer":"c","event":"order","data":[1]})", "wrong_type"},
      {R"({"customer":"c","event":"order","data":{"amount":1,"amount":2}})", "given_twice"},
      {R"({"customer":"c","attributes":{"gone":"x"}})", "unknown_attribute"},
      {R"({"customer":"c","attributes":{"n":1e999}})", "bad_number"},
      {R"({"customer":"c","attributes":{"spend":1234567890123}})", "bad_number"},
      {R"({"customer":"c","attributes":["name"]})", "wrong_type"},
      {R"({"customer":"c"})", "nothing_given"},
      {R"({"customer":"c","event":"login","attributes":{"name":"x"}})", "given_twice"},
      {R"({"customer":"c","event":"login","expires":"2030-01-01T00:00:00Z"})", "unknown_key"},
      {R"({"customer":"c","data":{},"tag":"x"})", "unknown_key"},
      {R"({"customer":"c","event":"login","time":"yesterday"})", "bad_time"},
      {R"({"customer":"c","event":"login","time":12})", "wrong_type"},
      {R"({"customer":"c","event":"login","time":"1970-01-01T00:21:40.001Z"})", "time_in_future"},
      {R"({"customer":"c","event":"login","id":""})", "empty"},
      // Whom no address could name could not be looked at, nor erased.
      {R"({"customer":"c\u0001","event":"login"})", "bad_customer"},
      {R"({"customer":"a\u007fb","event":"login"})", "bad_customer"},
      {R"({"customer":".","event":"login"})", "bad_customer"},
      {R"({"customer":"..","event":"login"})", "bad_customer"},
      {R"({"customer":"c","merge":"a\nb"})", "bad_customer"},
      {"{\"customer\":\"c\",\"event\":\"login\",\"id\":\"\xc3\x28\"}", "bad_utf8"},
      {R"({"customer":"c","event":"lgoin"})", "unknown_event"},
      {R"({"customer":"c","event":"login","id":"~0123456789abcdef0123456789abcdef.17"})", "not_allowed"},  // as if a rule had written it
  };
  for (const auto& [body, code] : cases) CHECK_MESSAGE(r.code(body) == code, body);
  CHECK(r.code(R"({"customer":"c","event":"login","time":"1970-01-01T00:21:40.000Z"})").empty());  // exactly the skew
  CHECK(r.code(R"({"customer":"c","event":"login","id":"~0123456789abcdef0123456789abcdef."})").empty());
  Reader1 history;
  history.options.import = true;
  CHECK(history.code(R"({"customer":"c","event":"login","id":"~0123456789abcdef0123456789abcdef.1"})").empty());  // it fires nothing
  CHECK(history.code(R"({"customer":"c","event":"login","time":"1970-01-01T00:16:40.001Z"})") == "time_in_future");
  CHECK(history.code(R"({"customer":"c","event":"login","time":"1970-01-01T00:16:40.000Z"})").empty());
  CHECK(r.read(R"({"customer":"c","event":"lgoin"})").problem.reason.find("login") != std::string::npos);
  const auto reason = [&](const char* body) { return r.read(body).problem.reason; };
  CHECK(reason(R"({"customer":"c","event":"order","data":{"amount":NaN}})").find("NaN") != std::string::npos);
  CHECK(reason(R"({"customer":"c")") == "the document is no valid JSON: it ends before its brackets are closed");
  CHECK(reason(R"({"customer":"\ud800","event":"login"})").find("surrogate") != std::string::npos);
  CHECK(reason(R"({"customer":"c","event":"login","type":"login"})") == "`type` is given twice (`event` is another name for it)");
  CHECK(reason(R"({"customer":"c","customer":"d","event":"login"})") == "`customer` is given twice");
}

TEST_CASE("decimals keep every digit and integers their last one") {
  Reader1 r;
  CHECK(r.read(R"({"customer":"c","attributes":{"spend":123456789012.123456}})").input.attributes[0].value ==
        Value::of_decimal(Decimal{123456789012123456}));
  CHECK(r.read(R"({"customer":"c","event":"order","data":{"count":9223372036854775807}})").input.fields[1] ==
        Value::of_integer(9223372036854775807));
  CHECK(r.read(R"({"customer":"c","event":"order","data":{"count":-9223372036854775808}})").input.fields[1] ==
        Value::of_integer(std::numeric_limits<std::int64_t>::min()));
}

TEST_CASE("timestamps: the fast path and the careful one agree") {
  for (const char* text :
       {"2026-01-31T10:00:00Z", "2024-02-29T23:59:59.999Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "1969-12-31T23:59:59.001Z",
        "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
        "2026-01-0aT00:00:00Z", "2026-01-01T00:00:00.12aZ", "2026-01-01T08:00:00+08:00"}) {
    const Result<TimeMs> fast = read_timestamp(text), careful = parse_timestamp(text);
    REQUIRE_MESSAGE(fast.has_value() == careful.has_value(), text);
    if (fast) CHECK_MESSAGE(*fast == *careful, text);
  }
}

TEST_CASE("generated ids never meet, also those of a later start") {
  IdSource first(1'795'000'000'000), second(1'795'000'000'001);
  std::set<std::string> seen;
  for (int i = 0; i < 100'000; ++i) {
    CHECK(seen.insert(first.next()).second);
    CHECK(seen.insert(second.next()).second);
  }
}
