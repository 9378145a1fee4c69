// Webhooks: signatures by published examples, and messages put together by the mapping.
#include <doctest/doctest.h>

#include "connectors/http/digest.h"
#include "daemon/doors/mapping.h"
#include "daemon/doors/signature.h"
#include "daemon/doors/webhook.h"
#include "rules/doc/reader.h"

namespace nudge::doors {
namespace {

using Given = std::vector<std::pair<std::string_view, std::string_view>>;

Signature signed_by(Style style, std::string secret) {
  Signature out;
  out.style = style;
  out.secrets.emplace_back(std::move(secret));
  return out;
}

bool good(const Signature& signature, const Given& headers, std::string_view body, TimeMs now = 0) {
  return check_signature(signature, headers, body, now).has_value();
}

std::string why(const Signature& signature, const Given& headers, std::string_view body, TimeMs now = 0) {
  const auto checked = check_signature(signature, headers, body, now);
  return checked ? "" : checked.error().message;
}

std::shared_ptr<const Catalog> catalog() {
  auto made = std::make_shared<Catalog>();
  const auto leaf = [](std::string name, Type type) {
    LeafDef def;
    def.name = std::move(name);
    def.type = type;
    return def;
  };
  made->attributes = {leaf("name", Type::text), leaf("spent", Type::decimal)};
  EventTypeDef order;
  order.name = "order_placed";
  order.fields = {leaf("amount", Type::decimal), leaf("channel", Type::text), leaf("paid_at", Type::timestamp),
                  leaf("items", Type::integer)};
  made->events = {order};
  made->index();
  return made;
}

Result<Secret> no_secrets(bool /*from_file*/, const std::string& name) {
  if (name == "missing") return fail(Code::not_found, "the secret's file missing can't be read");
  return Secret("the secret " + name);
}

std::string mistakes(const std::string& text) {
  doc::Diagnostics diagnostics;
  const auto document = doc::read_document("doors.yaml", text, diagnostics);
  const auto mapping = read_mapping(*document, *catalog(), no_secrets, diagnostics);
  CHECK((mapping == nullptr) == !diagnostics.ok());
  return doc::render_text(diagnostics);
}

std::vector<std::string> opened(const std::string& yaml, const Given& headers, std::string_view body) {
  doc::Diagnostics diagnostics;
  const auto document = doc::read_document("doors.yaml", yaml, diagnostics);
  const auto mapping = read_mapping(*document, *catalog(), no_secrets, diagnostics);
  REQUIRE_MESSAGE(mapping != nullptr, doc::render_text(diagnostics));
  const daemon::IntakeSchema schema(catalog());
  std::vector<daemon::DoorDocument> documents;
  open_webhook("shop", mapping->webhooks.at("shop"), schema, headers, body, documents);
  std::vector<std::string> out;
  for (const auto& d : documents) out.push_back(d.problem.set() ? d.problem.code + " " + d.problem.field : d.json);
  return out;
}

constexpr std::string_view kShop = R"(
webhooks:
  shop:
    signature: {style: shopify, secret: {file: s}}
    type: {header: X-Topic}
    id: {header: X-Id}
    time: created_at
    customer: /customer/id
    messages:
      orders/create:
        - event: order_placed
          fields:
            amount: {from: total_price, as: number}
            channel: {from: source, map: {web: online}}
            paid_at: {from: /paid/0/at, as: seconds}
        - attributes: {name: /customer/name, spent: {from: cents, divide: 100}}
      carts/update: ignore
)";

}  // namespace

TEST_CASE("signature: Standard Webhooks, by the vectors of its reference library") {
  const Signature s = signed_by(Style::standard, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  Given headers{{"Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
                {"webhook-timestamp", "1614265330"},
                {"webhook-signature", "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}};
  const TimeMs at = 1614265330'000;
  const std::string_view body = R"({"test": 2432232314})";
  CHECK(good(s, headers, body, at));
  CHECK(good(s, headers, body, at + 300'000));
  CHECK(good(s, headers, body, at - 300'000));
  CHECK(!good(s, headers, body, at + 301'000));
  CHECK(!good(s, headers, body, at - 301'000));
  CHECK(!good(s, headers, R"({"test":2432232314})", at));
  CHECK(!good(signed_by(Style::standard, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), headers, body, at));
  headers[2].second = "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  CHECK(!good(s, headers, body, at));
  headers.pop_back();
  CHECK(why(s, headers, body, at).find("webhook-signature is missing") != std::string::npos);
  const Signature two = signed_by(Style::standard, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
  CHECK(good(two,
             {{"webhook-id", "msg_1"},
              {"webhook-timestamp", "1767323045"},
              {"webhook-signature", "v1,3GCVqdvlxkMV+YU4r8d8HPBaZTiH83HIX6Mlx+wtAsM="}},
             R"({"type":"order.paid","timestamp":"2026-01-02T03:04:05Z","data":{"id":"o-1"}})", 1767323045'000));
}

TEST_CASE("signature: GitHub's own example, and what is near it") {
  const Signature s = signed_by(Style::github, "It's a Secret to Everybody");
  const std::string_view right = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  CHECK(good(s, {{"x-hub-signature-256", right}}, "Hello, World!"));
  CHECK(!good(s, {{"x-hub-signature-256", right}}, "Hello, World"));
  CHECK(!good(s, {{"x-hub-signature-256", right.substr(7)}}, "Hello, World!"));
  CHECK(!good(s, {{"x-hub-signature-256", right.substr(0, 40)}}, "Hello, World!"));
  CHECK(!good(s, {{"x-hub-signature-256", "sha256="}}, "Hello, World!"));
  CHECK(!good(s, {}, "Hello, World!"));
}

TEST_CASE("signature: Stripe, Shopify, the general form, and a secret in a header; old and new secrets side by side") {
  const std::string body = R"({"id":1})";
  const auto mac = [&](const std::string& key, const std::string& content) { return connectors::hmac_sha256(key, content); };
  Signature stripe = signed_by(Style::stripe, "old");
  stripe.secrets.emplace_back("new");
  const std::string header = "t=1000,v0=zz,v1=" + connectors::hex(mac("new", "1000." + body));
  CHECK(good(stripe, {{"Stripe-Signature", header}}, body, 1'000'000));
  CHECK(!good(stripe, {{"Stripe-Signature", header}}, body, 1'301'000));
  CHECK(!good(stripe, {{"Stripe-Signature", "v1=" + connectors::hex(mac("new", "1000." + body))}}, body, 1'000'000));
  CHECK(good(signed_by(Style::shopify, "k"), {{"X-Shopify-Hmac-SHA256", connectors::base64(mac("k", body))}}, body));
  Signature general = signed_by(Style::hmac, "k");
  general.header = "X-Sign";
  general.prefix = "v=";
  general.timestamp_header = "X-Time";
  general.tolerance = kMinute;
  const std::string sign = "v=" + connectors::hex(mac("k", "50." + body));
  CHECK(good(general, {{"x-sign", sign}, {"x-time", "50"}}, body, 60'000));
  CHECK(!good(general, {{"x-sign", sign}, {"x-time", "51"}}, body, 60'000));
  CHECK(!good(general, {{"x-sign", sign}, {"x-time", "-50"}}, body, 60'000));
  CHECK(!good(general, {{"x-sign", sign}}, body, 60'000));
  CHECK(!good(general, {{"x-sign", sign}, {"x-time", "50"}}, body, 111'000));
  Signature token = signed_by(Style::token, "the secret");
  token.header = "X-Gitlab-Token";
  CHECK(good(token, {{"X-Gitlab-Token", "the secret"}}, body));
  CHECK(!good(token, {{"X-Gitlab-Token", "the secre"}}, body));
  CHECK(why(token, {{"X-Gitlab-Token", "other"}}, body).find("the secret") == 0);  // says so, and not what it is
}

TEST_CASE("webhook: a call becomes the documents that the mapping says, with its values converted as asked for") {
  const Given order{{"X-Topic", "orders/create"}, {"X-Id", "77"}, {"Authorization", "Bearer x"}};
  const auto documents =
      opened(std::string(kShop), order, R"({"customer":{"id":9007199254740993,"name":"N"},"created_at":"2026-01-02T03:04:05Z",
      "total_price":"12.50","source":"web","paid":[{"at":1767323045}],"cents":1999})");
  REQUIRE(documents.size() == 2);
  CHECK(documents[0] == R"({"customer":"9007199254740993","id":"shop:77","time":"2026-01-02T03:04:05Z","event":"order_placed",)"
                        R"("data":{"amount":12.50,"channel":"online","paid_at":"2026-01-02T03:04:05Z"}})");
  CHECK(documents[1] ==
        R"({"customer":"9007199254740993","id":"shop:77/2","time":"2026-01-02T03:04:05Z","attributes":{"name":"N","spent":19.99}})");
  CHECK(opened(std::string(kShop), {{"X-Topic", "carts/update"}, {"X-Id", "1"}}, "{}").empty());
  CHECK(opened(std::string(kShop), {{"X-Topic", "carts/delete"}, {"X-Id", "1"}}, "{}") ==
        std::vector<std::string>{"unknown_event header x-topic"});
  CHECK(opened(std::string(kShop), {{"X-Topic", "orders/create"}}, "{}") == std::vector<std::string>{"missing_id header x-id"});
  CHECK(opened(std::string(kShop), order, "{}") ==
        std::vector<std::string>{"missing_customer customer.id", "missing_customer customer.id"});
  CHECK(opened(std::string(kShop), order, "[1]") == std::vector<std::string>{"bad_json "});
  CHECK(opened(std::string(kShop), order, "") == std::vector<std::string>{"bad_json "});
  CHECK(opened(std::string(kShop), order, "{\"a\":\"\xff\"}") == std::vector<std::string>{"bad_utf8 "});
}

TEST_CASE("webhook: forms, lists of messages, and calls that bring no id") {
  const std::string form =
      "webhooks:\n  shop:\n    signature: none\n    customer: who\n    messages: {\"*\": {event: order_placed, fields: {amount: {from: "
      "sum, as: number}, items: {value: 3}}}}\n";
  const auto documents = opened(form, {{"Content-Type", "application/x-www-form-urlencoded"}}, "who=Ana+%E7%8E%8B&sum=-0.05&x");
  REQUIRE(documents.size() == 1);
  CHECK(documents[0].starts_with(R"({"customer":"Ana 王","id":"shop:)"));
  CHECK(documents[0].ends_with(R"("event":"order_placed","data":{"amount":-0.05,"items":3}})"));
  CHECK(opened(form, {}, R"({"who":"a"})") == opened(form, {}, R"({"who":"a"})"));
  CHECK(opened(form, {}, R"({"who":"a"})") != opened(form, {}, R"({"who":"b"})"));
  const std::string list =
      "webhooks:\n  shop:\n    signature: none\n    each: /events\n    id: n\n    customer: who\n    messages: {\"*\": {event: "
      "order_placed}}\n";
  CHECK(opened(list, {}, R"({"events":[{"who":"a","n":1},{"who":"b","n":"2"}]})") ==
        std::vector<std::string>{R"({"customer":"a","id":"shop:1","event":"order_placed","data":{}})",
                                 R"({"customer":"b","id":"shop:2","event":"order_placed","data":{}})"});
  CHECK(opened(list, {}, R"({"events":{}})") == std::vector<std::string>{"wrong_type /events"});
}

TEST_CASE("webhook: amounts in cents and instants are made of digits, not of floats") {
  const auto amount = [](std::string_view cents) {
    const std::string yaml =
        "webhooks:\n  shop:\n    signature: none\n    customer: who\n    messages: {\"*\": {event: order_placed, fields: {amount: {from: "
        "c, divide: 100}, paid_at: {from: t, as: milliseconds}}}}\n";
    const std::string d = opened(yaml, {}, "{\"who\":\"a\",\"c\":" + std::string(cents) + ",\"t\":1767323045678}").at(0);
    CHECK(d.find("2026-01-02T03:04:05.678Z") != std::string::npos);
    const std::size_t from = d.find("amount\":") + 8;
    return d.substr(from, d.find_first_of(",}", from) - from);
  };
  CHECK(amount("1999") == "19.99");
  CHECK(amount("5") == "0.05");
  CHECK(amount("-5") == "-0.05");
  CHECK(amount("0") == "0.00");
  CHECK(amount("123456789012345678") == "1234567890123456.78");
  CHECK(amount("12.5") == "0.125");
  CHECK(amount("\"1999\"") == "\"1999\"");  // a text: `as: number` would have to say so
  CHECK(amount("1e3") == "1e3");            // left as it is
}

TEST_CASE("webhook: mistakes in the mapping are named with their place") {
  CHECK(mistakes(std::string(kShop)).empty());
  const auto has = [](const std::string& text, std::string_view part) { CHECK_MESSAGE(text.find(part) != std::string::npos, text); };
  const std::string head = "webhooks:\n  shop:\n    signature: {style: shopify, secret: {file: s}}\n";
  has(mistakes("webhooks: {shop: {messages: {}}}\n"), "signature");
  has(mistakes(head + "    messages: {a: {event: order_placed}}\n"), "R0859");
  has(mistakes(head + "    type: /t\n    messages: {a: {event: order_placed}}\n"), "`customer` is missing");
  has(mistakes(head + "    customer: /c\n    messages: {\"*\": {event: order_plcaed}}\n"), "did you mean `order_placed`");
  has(mistakes(head + "    customer: /c\n    messages: {\"*\": {event: order_placed, fields: {amuont: a}}}\n"), "did you mean `amount`");
  has(mistakes(head + "    customer: /c\n    messages: {\"*\": {event: order_placed, fields: {amount: {from: a, divide: 60}}}}\n"),
      "`divide` is 10, 100");
  has(mistakes(head + "    customer: /c\n    messages: {\"*\": {event: order_placed, fields: {amount: {from: a, header: b}}}}\n"),
      "needs one source");
  has(mistakes("webhooks: {shop: {signature: {style: github, secret: hush}, customer: c, messages: {}}}\n"), "R0860");
  has(mistakes("webhooks: {shop: {signature: {style: github, secret: {file: missing}}, customer: c, messages: {}}}\n"),
      "missing can't be read");
  has(mistakes("webhooks: {shop: {signature: {style: hmac, secret: {env: S}}, customer: c, messages: {}}}\n"), "header");
  has(mistakes("webhooks: {shop: {signature: {style: shopfy, secret: {env: S}}, customer: c, messages: {}}}\n"), "did you mean `shopify`");
  has(mistakes("cloudevents: {customer: {header: X}}\n"), "header");
}

}  // namespace nudge::doors
