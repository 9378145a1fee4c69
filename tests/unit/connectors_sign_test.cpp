// Signatures, digests and mail encoding against published vectors.
#include <doctest/doctest.h>

#include <stdexcept>

#include "connectors/http/digest.h"
#include "connectors/sms/sign.h"
#include "connectors/smtp/message.h"
#include "connectors/webhook/webhook.h"

using namespace nudge::connectors;

TEST_CASE("digests and encodings") {
  CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(hmac_sha256("It's a Secret to Everybody", "Hello, World!")) ==
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
  CHECK(base64("agent@example.com/token:abc") == "YWdlbnRAZXhhbXBsZS5jb20vdG9rZW46YWJj");
  CHECK(base64("") == "");
  CHECK(base64("ab") == "YWI=");
  CHECK(unbase64("YWI=").value() == "ab");
  CHECK(unbase64("YWI").value() == "ab");
  CHECK(unbase64("-_8").value() == "\xfb\xff");
  CHECK_FALSE(unbase64("Y").has_value());
  CHECK_FALSE(unbase64("YW I").has_value());
  CHECK(percent_encode("a*b+c d~/测") == "a%2Ab%2Bc%20d~%2F%E6%B5%8B");
}

TEST_CASE("Aliyun ACS3-HMAC-SHA256: the documentation's example") {
  const std::string query =
      canonical_query({{"RegionId", "cn-shanghai"}, {"ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}});
  const std::string body_hash = hex(sha256(""));
  const auto out = acs3_sign("POST", "/", query,
                             {{"host", "ecs.cn-shanghai.aliyuncs.com"},
                              {"x-acs-action", "RunInstances"},
                              {"x-acs-content-sha256", body_hash},
                              {"x-acs-date", "2023-10-26T10:22:32Z"},
                              {"x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"},
                              {"x-acs-version", "2014-05-26"}},
                             body_hash, "YourAccessKeySecret");
  CHECK(out.request_hash == "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259");
  CHECK(out.signature == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0");
  CHECK(out.signed_headers == "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version");
}

TEST_CASE("Aliyun ACS3-HMAC-SHA256: empty values and repeated headers") {
  const auto out = acs3_sign("", "/", canonical_query({{"test", "ok"}, {"empty", ""}}), {{"x-acs-test", "https"}, {"x-acs-test", "http"}},
                             "55e12e91650d2fec56ec74e1d3e4ddbfce2ef3a65890c2a19ecf88a307e76a23", "secret");
  CHECK(out.signature == "4ab59fffe3c5738ff8a2729f90cc04fe18b02a4b15b2102cbaf92f9ff3df2ea3");
}

TEST_CASE("Aliyun ACS3-HMAC-SHA256: SendSms") {
  const std::string query = canonical_query({{"PhoneNumbers", "13800000000"},
                                             {"SignName", "测试签名"},
                                             {"TemplateCode", "SMS_0000001"},
                                             {"TemplateParam", "{\"code\":\"1234\"}"},
                                             {"OutId", "job-1"}});
  CHECK(query ==
        "OutId=job-1&PhoneNumbers=13800000000&SignName=%E6%B5%8B%E8%AF%95%E7%AD%BE%E5%90%8D&TemplateCode=SMS_0000001&"
        "TemplateParam=%7B%22code%22%3A%221234%22%7D");
  const std::string body_hash = hex(sha256(""));
  const auto out = acs3_sign("POST", "/", query,
                             {{"host", "dysmsapi.aliyuncs.com"},
                              {"x-acs-action", "SendSms"},
                              {"x-acs-content-sha256", body_hash},
                              {"x-acs-date", "2026-01-02T03:04:05Z"},
                              {"x-acs-signature-nonce", "00000000000000000000000000000001"},
                              {"x-acs-version", "2017-05-25"}},
                             body_hash, "testsecret");
  CHECK(out.request_hash == "8800df121f49d9d3052866ce0f7b919ff8d29b8edaca45687c263cb5380f4944");
  CHECK(out.signature == "29b296baa4ca6c33ce16d280261bacb017e605379a15b4791b7e3d534c68ece1");
}

TEST_CASE("Tencent TC3-HMAC-SHA256: both texts of the documentation, and SendSms") {
  const std::string body = R"({"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]})";
  REQUIRE(hex(sha256(body)) == "35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064");
  const auto old = tc3_sign("cvm", {{"content-type", "application/json; charset=utf-8"}, {"host", "cvm.tencentcloudapi.com"}}, 1551113065,
                            body, "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE");
  CHECK(old.request_hash == "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031");
  CHECK(old.signature == "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168");
  CHECK(old.authorization ==
        "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE/2019-02-25/cvm/tc3_request, SignedHeaders=content-type;host, "
        "Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168");
  const auto current = tc3_sign(
      "cvm",
      {{"content-type", "application/json; charset=utf-8"}, {"host", "cvm.tencentcloudapi.com"}, {"x-tc-action", "describeinstances"}},
      1551113065, body, "id", std::string(32, '*'));
  CHECK(current.request_hash == "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84");
  CHECK(current.signature == "10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f");
  const std::string sms =
      R"({"SmsSdkAppId":"1400006666","SignName":"腾讯云","TemplateId":"1234","TemplateParamSet":["12345"],"PhoneNumberSet":["+8618511122266"],"SessionContext":"test"})";
  REQUIRE(hex(sha256(sms)) == "41a774f1eb8f8f03663b01628f573f1334fd8f31378ec9b4ab36a462cdf195b7");
  const auto sent = tc3_sign("sms", {{"content-type", "application/json; charset=utf-8"}, {"host", "sms.tencentcloudapi.com"}}, 1767323045,
                             sms, "AKIDEXAMPLE", "SECRETEXAMPLE");
  CHECK(sent.request_hash == "e32c20232c094f378cd6b7dc68bdc8a18c931d31ddbbe8b61b663b2f9bc2ad48");
  CHECK(sent.signature == "9b581c3585fb707e3aa254c9545a9801264d29ac9676250382840a8d85510022");
}

TEST_CASE("Standard Webhooks: both vectors, rotation, keys") {
  const std::string first = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  CHECK(webhook_signature({first}, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})") ==
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  const std::string second = webhook_key("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
  const std::string body = R"({"type":"order.paid","timestamp":"2026-01-02T03:04:05Z","data":{"id":"o-1"}})";
  CHECK(webhook_signature({second}, "msg_1", 1767323045, body) == "v1,3GCVqdvlxkMV+YU4r8d8HPBaZTiH83HIX6Mlx+wtAsM=");
  CHECK(webhook_signature({second, first}, "msg_1", 1767323045, body).starts_with("v1,3GCVqdvlxkMV+YU4r8d8HPBaZTiH83HIX6Mlx+wtAsM= v1,"));
  CHECK(webhook_body("order.paid", 1767323045000, R"({"event":"order.paid","data":{"id":"o-1"}})") == body);
  CHECK(webhook_body("e", 0, R"({"data": {"amount": 12.10, "n":1e2}})") ==
        R"({"type":"e","timestamp":"1970-01-01T00:00:00Z","data":{"amount": 12.10, "n":1e2}})");
  CHECK(webhook_body("e", 0, "{}").ends_with("\"data\":{}}"));
  for (const char* bad : {"whsec_short", "", "whsec_!!!", "whsec_MDEyMzQ1Njc4OQ=="})
    CHECK_THROWS_AS(webhook_key(bad), std::invalid_argument);
}

TEST_CASE("RFC 2047 words") {
  CHECK(encode_header("Plain subject") == "Plain subject");
  CHECK(encode_header("测试主题：订单提醒") == "=?UTF-8?B?5rWL6K+V5Li76aKY77ya6K6i5Y2V5o+Q6YaS?=");
  CHECK(encode_header("客户张三的订单已超过三天未付款，请尽快电话联系并确认是否需要协助完成支付流程") ==
        "=?UTF-8?B?5a6i5oi35byg5LiJ55qE6K6i5Y2V5bey6LaF6L+H5LiJ5aSp5pyq5LuY5qy+?=\r\n "
        "=?UTF-8?B?77yM6K+35bC95b+r55S16K+d6IGU57O75bm256Gu6K6k5piv5ZCm6ZyA6KaB?=\r\n "
        "=?UTF-8?B?5Y2P5Yqp5a6M5oiQ5pSv5LuY5rWB56iL?=");
  CHECK(encode_header("=?fake?=").starts_with("=?UTF-8?B?"));
  // 23 two-byte characters = 46 bytes: the word must end between characters.
  std::string umlauts;
  for (int i = 0; i < 23; ++i) umlauts += "ü";
  CHECK(encode_header(umlauts) == "=?UTF-8?B?" + base64(umlauts.substr(0, 44)) + "?=\r\n =?UTF-8?B?" + base64("ü") + "?=");
}

TEST_CASE("mailboxes: one address, nothing smuggled in") {
  struct Row {
    const char* text;
    const char* name;
    const char* address;  // empty = refused
  };
  for (const Row& row : {Row{"a@b.example", "", "a@b.example"}, Row{" Lin <lin@x.example> ", "Lin", "lin@x.example"},
                         Row{"\"Lin, \\\"L\\\"\" <l@x>", "Lin, \"L\"", "l@x"}, Row{"王芳 <用户@example.net>", "王芳", "用户@example.net"},
                         Row{"a@b.c\r\nBcc: x@y", "", ""}, Row{"a@b.c, d@e.f", "", ""}, Row{"a@b.c d@e.f", "", ""},
                         Row{"<a@b.c> <d@e.f>", "", ""}, Row{"no address", "", ""}, Row{"", "", ""}, Row{"@b.c", "", ""}, Row{"a@", "", ""},
                         Row{"a@b@c", "", ""}, Row{"x, y <a@b.c>", "", ""}, Row{"a..b@c.d", "", ""}, Row{"a@b.c\t", "", ""},
                         Row{"Lin\n <a@b.c>", "", ""}, Row{"a@b.c>", "", ""}}) {
    CAPTURE(row.text);
    const auto mailbox = parse_mailbox(row.text);
    CHECK(mailbox.has_value() == (*row.address != '\0'));
    if (mailbox) {
      CHECK(mailbox->name == row.name);
      CHECK(mailbox->address == row.address);
    }
  }
  CHECK(format_mailbox({"Lin, \"L\"", "l@x"}) == "\"Lin, \\\"L\\\"\" <l@x>");
  CHECK(format_mailbox({"王芳", "w@x"}) == "=?UTF-8?B?546L6Iqz?= <w@x>");
  CHECK(format_mailbox({"", "w@x"}) == "w@x");
}

TEST_CASE("bodies and dates") {
  CHECK(quoted_printable("a=b 价 ") == "a=3Db =E4=BB=B7=20");
  CHECK(quoted_printable("line \nnext\r\nlast") == "line=20\r\nnext\r\nlast");
  const std::string soft = quoted_printable(std::string(200, 'x'));
  for (std::size_t at = 0, end = 0; end != std::string::npos; at = end + 2) {
    end = soft.find("\r\n", at);
    CHECK((end == std::string::npos ? soft.size() : end) - at <= 76);
  }
  CHECK(base64_lines(std::string(60, 'a')).find("\r\n") == 76);
  CHECK(mail_date(1767323045000) == "Fri, 02 Jan 2026 03:04:05 +0000");
}

TEST_CASE("a whole message: the same bytes each time, no long line, parts in order") {
  Email email;
  email.from = {"销售", "sales@example.com"};
  email.to = {"王芳", "wang@example.net"};
  email.subject = std::string(300, 'a') + " " + std::string(50, 'b') + " end";
  email.text = "你好\n.\n..dots\n" + std::string(3000, 'x');
  email.html = "<p>你好</p>";
  email.unsubscribe_url = "https://u.example/x";
  email.message_id = "abc123@example.com";
  email.date_ms = 1767323045000;
  const std::string message = build_message(email);
  CHECK(message == build_message(email));
  CHECK(message.find("Message-ID: <abc123@example.com>\r\n") != std::string::npos);
  CHECK(message.find("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n") != std::string::npos);
  CHECK(message.find("text/plain") < message.find("text/html"));
  for (std::size_t at = 0; at < message.size();) {
    const std::size_t end = message.find("\r\n", at);
    REQUIRE(end != std::string::npos);
    CHECK(end - at <= 998);
    at = end + 2;
  }
  for (std::size_t i = 0; i < message.size(); ++i)
    if (message[i] == '\n') CHECK(message[i - 1] == '\r');
}
