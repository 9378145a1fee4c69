// What providers call back with: verified by the signatures that they publish, read into reports.
//
// Every signature vector of the fact sheets and where it is tested (HubSpot, Slack, GitHub and Aliyun's version 1 are made of our digests
// by the rule that their makers publish: no connector takes them in yet):
//
//   what                                      vector                                              where
//   Aliyun ACS3                               documentation (06563a9e…), SDK (4ab59fff…),         connectors_sign_test
//                                             SendSms (29b296ba…)
//   Aliyun RPC version 1                      OLeaidS1…, XlUyV4sX…, rOjce0kJ…                     here
//   Tencent TC3                               72e494ea…, 10b1a37a…, SMS 9b581c35…                 connectors_sign_test
//   Twilio X-Twilio-Signature                 RSOYDt4T…, repeated names IK+Dwps5…, body hash      here
//   Zendesk webhook                           D8ip3PuT…                                           here
//   Zammad webhook                            sha1=c7022078…                                      here
//   Zendesk API token (Basic)                 YWdlbnRA…                                           connectors_sign_test
//   GitHub X-Hub-Signature-256                757107ea…                                           connectors_sign_test
//   HubSpot v1, v2, v3                        69fc6631…, 4fe4e3a7…, K36dawei…                     here
//   Slack v0                                  a2114d57…                                           here
//   DingTalk, Feishu                          hmPWwU+7…, /eYKrXQB…                                connectors_chat_test
//   Standard Webhooks                         g0hM9SsE…, 3GCVqdvl…                                connectors_sign_test
//   unsubscribe token                         SAH3RTle…                                           here
//   RFC 2047 words, quoted-printable          5rWL6K+V…, a=3Db =E4=BB=B7=20                       connectors_sign_test
//   dot-stuffing                              through a real server                               tests/e2e/connectors/test_smtp.py
//   Asterisk MD5 challenge, SMPP PDUs         no connector speaks them                            –
#include <doctest/doctest.h>

#include "connectors/http/digest.h"
#include "connectors/http/inbound.h"
#include "connectors/sms/sign.h"
#include "connectors/sms/sms.h"
#include "connectors/smtp/incoming.h"
#include "connectors/ticket/ticket.h"

using namespace nudge::connectors;

namespace {

// RFC 2104 by hand would prove nothing new; this is the composition that Aliyun publishes for version 1.
std::string aliyun_v1(const std::string& method, NameValues parameters, const std::string& secret) {
  return base64(hmac_sha1(secret + "&", method + "&%2F&" + percent_encode(canonical_query(std::move(parameters)))));
}

}  // namespace

TEST_CASE("Twilio signs the address and the sorted fields") {
  const FormFields call{
      {"CallSid", "CA1234567890ABCDE"}, {"Caller", "+14158675309"}, {"Digits", "1234"}, {"From", "+14158675309"}, {"To", "+18005551212"}};
  CHECK(twilio_signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", call) == "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
  const FormFields repeated{{"Sid", "CA123"}, {"SidAccount", "AC123"}, {"Digits", "5678"}, {"Digits", "1234"}, {"Digits", "1234"}};
  CHECK(twilio_signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", repeated) == "IK+Dwps556ElfBT0I3Rgjkr1wJU=");
  CHECK(hex(sha256(R"({"property": "value", "boolean": true})")) == "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620");
}

TEST_CASE("the other signatures of callbacks") {
  CHECK(zendesk_signature("zendesk-test-secret", "2026-01-02T03:04:05Z", R"({"ticket":"42","status":"solved"})") ==
        "D8ip3PuTr8dZViKUyYR99UM8avaTR/JUIfvMmb3bYYQ=");
  CHECK(zammad_signature("zammad-token", R"({"ticket":{"id":42}})") == "sha1=c70220789df0eed72db372332232657bb9beaf49");
  const std::string body =
      "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA"
      "&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F3977"
      "00885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
  CHECK("v0=" + hex(hmac_sha256("8f742231b10e8888abcd99yyyzzz85a5", "v0:1531420618:" + body)) ==
        "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503");
  const std::string secret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", event = "{'example_field':'example_value'}",
                    url = "https://www.example.com/webhook_uri";
  CHECK(hex(sha256(secret + event)) == "69fc6631a867edd4f9e9e627fc5c1148e3fbdd8b21837b6d2b8901c1fa57f750");
  CHECK(hex(sha256(secret + "POST" + url + event)) == "4fe4e3a7d3cf09db53be39d0a58130e2aaba074ec123a9e355b876a689a1c383");
  CHECK(base64(hmac_sha256(secret, "POST" + url + event + "1693657560000")) == "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=");
  std::string token = base64(hmac_sha256("k1", "t1|news|u@example.com|j1"));
  while (token.ends_with('=')) token.pop_back();
  CHECK(token == "SAH3RTleXyNjTUxnG5WiLlXtLeevE9G1oPIIxii98II");
}

TEST_CASE("Aliyun's version 1, which we do not send: the digests give its vectors") {
  CHECK(aliyun_v1("GET",
                  {{"AccessKeyId", "testid"},
                   {"Action", "DescribeRegions"},
                   {"Format", "XML"},
                   {"SignatureMethod", "HMAC-SHA1"},
                   {"SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"},
                   {"SignatureVersion", "1.0"},
                   {"Timestamp", "2016-02-23T12:46:24Z"},
                   {"Version", "2014-05-26"}},
                  "testsecret") == "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
  CHECK(aliyun_v1("GET", {{"query", "test"}, {"body", "test"}}, "secret") == "XlUyV4sXjOuX5FnjUz9IF9tm5rU=");
  CHECK(aliyun_v1("GET",
                  {{"PhoneNumbers", "13800000000"},
                   {"SignName", "测试签名"},
                   {"TemplateCode", "SMS_0000001"},
                   {"TemplateParam", R"({"code":"1234"})"},
                   {"OutId", "job-1"},
                   {"AccessKeyId", "testid"},
                   {"Action", "SendSms"},
                   {"Format", "JSON"},
                   {"RegionId", "cn-hangzhou"},
                   {"SignatureMethod", "HMAC-SHA1"},
                   {"SignatureNonce", "n-1"},
                   {"SignatureVersion", "1.0"},
                   {"Timestamp", "2026-01-02T03:04:05Z"},
                   {"Version", "2017-05-25"}},
                  "testsecret") == "rOjce0kJkErmQQ8+nMpKQFNg7YY=");
}

TEST_CASE("keys and signatures are compared whole") {
  CHECK(same_bytes("abc", "abc"));
  CHECK_FALSE(same_bytes("abc", "abd"));
  CHECK_FALSE(same_bytes("abc", "abcd"));
  CHECK_FALSE(same_bytes("", "a"));
  Inbound inbound;
  std::string why;
  inbound.path = "/v1/callbacks/texts/the-key";
  CHECK(called_with_key(inbound, "the-key", why));
  CHECK_FALSE(called_with_key(inbound, "the-keys", why));
  CHECK_FALSE(called_with_key(inbound, "", why));  // no key is configured: nobody is let in
  inbound.path = "/v1/callbacks/texts";
  CHECK_FALSE(called_with_key(inbound, "", why));
  CHECK(why.find("not set") != std::string::npos);
  inbound.trusted = true;
  CHECK(called_with_key(inbound, "", why));
}

TEST_CASE("forms are read as they were written") {
  CHECK(read_form("a=1&b=%E4%BD%A0+%26&c&=x&a=2") == FormFields{{"a", "1"}, {"b", "你 &"}, {"c", ""}, {"", "x"}, {"a", "2"}});
  CHECK(read_form("p=%2&q=%zz") == FormFields{{"p", "%2"}, {"q", "%zz"}});
}

TEST_CASE("what is no UTF-8 does not spoil the answer") {
  Report report;
  report.state = "replied";
  report.text = std::string("caf\xe9 \xf5\x80 \0 ok", 12);
  const auto outcome = reported({report});
  CHECK(outcome.result.find("caf? ?? ? ok") != std::string::npos);
}

TEST_CASE("instants of providers") {
  CHECK(parse_plain_time("1970-01-02 08:00:00", 8 * 3'600'000) == 86'400'000);
  CHECK(parse_plain_time("2026-02-30 08:00:00", 0) == 0);
  CHECK(parse_plain_time("soon", 0) == 0);
  CHECK(parse_instant("2026-01-02T03:04:05Z") == 1767323045000);
  CHECK(parse_instant("2026-01-02T11:04:05.123+0800") == 1767323045000);
  CHECK(parse_instant("2026-01-01T22:04:05-05:00") == 1767323045000);
  CHECK(parse_instant("2026-01-02 03:04:05") == 0);  // no zone, no instant
}

TEST_CASE("changes of tickets") {
  const auto zendesk = zendesk_reports(R"({"ticket":"42","external_id":"0a","status":"Solved","updated_at":"2026-01-02T03:04:05Z"})", "");
  REQUIRE(zendesk.has_value());
  CHECK(zendesk->at(0).status == "done");
  CHECK(zendesk->at(0).raw_status == "solved");
  CHECK(zendesk->at(0).at_ms == 1767323045000);
  CHECK(zendesk_reports(R"({"ticket":"42","status":"pending"})", "2026-01-02T03:04:05Z")->at(0).status == "waiting");
  CHECK_FALSE(zendesk_reports(R"({"ticket":"42"})", "").has_value());
  CHECK_FALSE(zendesk_reports("<html>", "").has_value());
  const auto zammad = zammad_reports(R"({"ticket":{"id":7,"state":"pending close","nudge_id":"ab","updated_at":"2026-01-02T03:04:05.5Z"}})",
                                     "d1", "nudge_id");
  REQUIRE(zammad.has_value());
  CHECK((zammad->at(0).ref == "7" && zammad->at(0).action == "ab" && zammad->at(0).status == "waiting"));
  CHECK(zammad_reports(R"({"ticket":{"id":7,"state":{"name":"closed"}}})", "", "nudge_id")->at(0).status == "done");
  CHECK(zammad_reports(R"({"ticket":{"id":42}})", "", "nudge_id")->empty());
  const std::string issue =
      R"("issue":{"id":"1","key":"SFA-24","fields":{"labels":["x","nudge-00ff"],"updated":"2026-01-02T11:04:05.000+0800","status":{"name":"Done","statusCategory":{"key":"done"}},"resolution":{"name":"Done"}}})";
  const auto jira =
      jira_reports(R"({"webhookEvent":"jira:issue_updated","changelog":{"id":"10","items":[{"field":"status"}]},)" + issue + "}");
  REQUIRE(jira.has_value());
  CHECK(
      (jira->at(0).action == "00ff" && jira->at(0).ref == "SFA-24" && jira->at(0).status == "done" && jira->at(0).at_ms == 1767323045000));
  CHECK(jira_reports(R"({"changelog":{"id":"10","items":[{"field":"priority"}]},)" + issue + "}")->empty());
  CHECK_FALSE(generic_ticket_reports(R"({"id":"a","status":"done"})").has_value());  // a double could not be told
  CHECK(generic_ticket_reports(R"({"id":"a","status":"done","event_id":"e"})")->size() == 1);
}

TEST_CASE("mail that comes back: hostile and odd forms") {
  const std::string id(32, 'a'), domain = "shop.example.com";
  const auto bounce = [&](const std::string& fields, const std::string& message_id) {
    return "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n" +
           fields + "\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <" + message_id + ">\n\nText\n--b--\n";
  };
  const auto one = mail_reports(
      bounce("Action: Failed\nStatus: 5.1.10 (nobody)\nDiagnostic-Code: smtp; 550\n 5.1.10 no\n", id + "@shop.example.com"), domain);
  REQUIRE(one.has_value());
  REQUIRE(one->size() == 1);
  CHECK((one->at(0).action == id && one->at(0).gone && one->at(0).reason == "hard bounce: 5.1.10 550 5.1.10 no"));
  CHECK_FALSE(
      mail_reports(bounce("Action: failed\nStatus: 5.7.1\n", id + "@SHOP.example.com"), domain)->at(0).gone);  // a policy, not the address
  CHECK(mail_reports(bounce("Action: relayed\nStatus: 2.0.0\n", id + "@shop.example.com"), domain)->empty());
  CHECK(mail_reports(bounce("Action: failed\nStatus: 5.1.1\n", id + "@evil.example"), domain)->empty());  // not ours
  CHECK(mail_reports(bounce("Action: failed\nStatus: 5.1.1\n", id + "@shop.example.com.evil.example"), domain)->empty());
  CHECK(mail_reports(bounce("Action: failed\nStatus: 5.1.1\n", "b" + id + "@shop.example.com"), domain)->empty());  // no such id
  CHECK_FALSE(mail_reports("", domain).has_value());
  CHECK_FALSE(mail_reports("\x00\x01", domain).has_value());
  std::string deep = "Subject: x\n";
  for (int i = 0; i < 40; ++i) deep += "Content-Type: multipart/mixed; boundary=b\n\n--b\n";
  CHECK(mail_reports(deep, domain)->empty());
  CHECK(mail_reports("Subject: x\nContent-Type: multipart/mixed; boundary=\"\"\n\n--\n--\n", domain)->empty());
  CHECK(mail_reports("In-Reply-To: <" + id + "@shop.example.com>\nAuto-Submitted: auto-replied\n\nAway\n", domain)->empty());
  const auto reply =
      mail_reports("In-Reply-To: <" + id +
                       "@shop.example.com>\nContent-Type: multipart/alternative; boundary=q\n\n--q\nContent-Type: text/plain\n"
                       "Content-Transfer-Encoding: quoted-printable\n\nCaf=C3=A9 =\nplease\n\nOn Monday X wrote:\n> "
                       "Hello\n--q\nContent-Type: text/html\n\n<p>\n--q--\n",
                   domain);
  REQUIRE(reply->size() == 1);
  CHECK((reply->at(0).state == "replied" && reply->at(0).text == "Café please" && !reply->at(0).id.empty()));
}
