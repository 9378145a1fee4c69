// What providers' answers mean: the tables that decide between sent, not sent and unknown; and the guard on addresses.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>

#include <cstring>
#include <string>

#include "connectors/enrich/enrich.h"
#include "connectors/host/protocol.h"
#include "connectors/http/address_guard.h"
#include "connectors/http/http_client.h"
#include "connectors/sms/sms.h"
#include "connectors/smtp/smtp.h"
#include "connectors/ticket/ticket.h"

using namespace nudge::connectors;
namespace sdk = nudge::sdk;
using nudge::sdk::Status;

namespace {

// libcurl's numbers, which are part of its ABI.
enum : int {
  CURLE_OK = 0,
  CURLE_COULDNT_RESOLVE_HOST = 6,
  CURLE_COULDNT_CONNECT = 7,
  CURLE_WEIRD_SERVER_REPLY = 8,
  CURLE_OPERATION_TIMEDOUT = 28,
  CURLE_ABORTED_BY_CALLBACK = 42,
  CURLE_SEND_ERROR = 55,
  CURLE_RECV_ERROR = 56,
  CURLE_USE_SSL_FAILED = 64,
  CURLE_LOGIN_DENIED = 67
};

bool public_address(const std::string& text) {
  if (text.find(':') != std::string::npos) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    REQUIRE(::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1);
    return is_public_address(reinterpret_cast<const sockaddr*>(&v6));
  }
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  REQUIRE(::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1);
  return is_public_address(reinterpret_cast<const sockaddr*>(&v4));
}

HttpReply answered(int status, std::string body = {}) {
  HttpReply reply;
  reply.transport = HttpReply::Transport::answered;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

}  // namespace

TEST_CASE("Retry-After: seconds and HTTP dates") {
  constexpr std::int64_t kNow = 1767323045000;  // Fri, 02 Jan 2026 03:04:05 GMT
  struct Row {
    const char* value;
    std::int64_t ms;
  };
  for (const Row& row :
       {Row{"120", 120'000}, Row{" 7 ", 7'000}, Row{"0", 0}, Row{"", 0}, Row{"-5", 0}, Row{"soon", 0}, Row{"1.5", 0},
        Row{"Fri, 02 Jan 2026 03:05:05 GMT", 60'000}, Row{"Friday, 02-Jan-26 03:05:05 GMT", 60'000},
        Row{"Fri Jan  2 03:05:05 2026", 60'000}, Row{"Fri, 02 Jan 2026 03:00:00 GMT", 0}, Row{"99999999999999999999999", 604'800'000},
        Row{"700000", 604'800'000}, Row{"Fri, 02 Jan 2037 03:00:00 GMT", 604'800'000}}) {
    CAPTURE(row.value);
    CHECK(parse_retry_after(row.value, kNow) == row.ms);
  }
}

TEST_CASE("HTTP answers") {
  struct Row {
    int http;
    Status status;
    bool retryable;
  };
  for (const Row& row : {Row{200, Status::accepted, false}, Row{204, Status::accepted, false}, Row{301, Status::not_sent, false},
                         Row{302, Status::not_sent, false}, Row{400, Status::not_sent, false}, Row{401, Status::bad_config, false},
                         Row{403, Status::bad_config, false}, Row{404, Status::not_sent, false}, Row{408, Status::not_sent, true},
                         Row{409, Status::not_sent, false}, Row{413, Status::not_sent, false}, Row{422, Status::not_sent, false},
                         Row{425, Status::not_sent, true}, Row{429, Status::not_sent, true}, Row{500, Status::not_sent, true},
                         Row{502, Status::unknown, false}, Row{503, Status::not_sent, true}, Row{504, Status::unknown, false}}) {
    CAPTURE(row.http);
    const sdk::Outcome outcome = outcome_of(answered(row.http));
    CHECK(outcome.status == row.status);
    CHECK(outcome.retryable == row.retryable);
    CHECK(outcome.http_status == row.http);
  }
  HttpReply lost;
  lost.transport = HttpReply::Transport::unknown;
  CHECK(outcome_of(lost).status == Status::unknown);
  lost.transport = HttpReply::Transport::not_sent;
  CHECK(outcome_of(lost).retryable);
  lost.forbidden = true;
  CHECK_FALSE(outcome_of(lost).retryable);
}

TEST_CASE("SMTP conversations") {
  struct Row {
    int curl, code;
    bool sent;
    Status status;
    bool retryable;
  };
  for (const Row& row : {Row{CURLE_OK, 250, true, Status::accepted, false},
                         Row{CURLE_WEIRD_SERVER_REPLY, 421, false, Status::not_sent, true},  // greeting
                         Row{CURLE_WEIRD_SERVER_REPLY, 554, false, Status::not_sent, false},
                         Row{CURLE_SEND_ERROR, 451, false, Status::not_sent, true},  // MAIL, RCPT
                         Row{CURLE_SEND_ERROR, 450, false, Status::not_sent, true},
                         Row{CURLE_SEND_ERROR, 550, false, Status::not_sent, false},
                         Row{CURLE_WEIRD_SERVER_REPLY, 452, true, Status::not_sent, true},  // after the body
                         Row{CURLE_WEIRD_SERVER_REPLY, 554, true, Status::not_sent, false},
                         Row{CURLE_SEND_ERROR, 552, false, Status::not_sent, true},  // mailbox full
                         Row{CURLE_SEND_ERROR, 503, false, Status::bad_config, false},
                         Row{CURLE_SEND_ERROR, 530, false, Status::bad_config, false},
                         Row{CURLE_LOGIN_DENIED, 535, false, Status::bad_config, false},
                         Row{CURLE_LOGIN_DENIED, 454, false, Status::not_sent, true},
                         Row{CURLE_USE_SSL_FAILED, 250, false, Status::bad_config, false},
                         Row{CURLE_COULDNT_CONNECT, 0, false, Status::not_sent, true},
                         Row{CURLE_COULDNT_RESOLVE_HOST, 0, false, Status::not_sent, true},
                         Row{CURLE_OPERATION_TIMEDOUT, 0, false, Status::not_sent, true},
                         Row{CURLE_OPERATION_TIMEDOUT, 354, false, Status::not_sent, true},  // before the final dot
                         Row{CURLE_OPERATION_TIMEDOUT, 354, true, Status::unknown, false},   // after it
                         Row{CURLE_RECV_ERROR, 354, true, Status::unknown, false},
                         Row{CURLE_RECV_ERROR, 0, true, Status::unknown, false}}) {
    CAPTURE(row.curl);
    CAPTURE(row.code);
    CAPTURE(row.sent);
    const sdk::Outcome outcome =
        smtp_outcome({.curl_code = row.curl, .reply_code = row.code, .reply_text = "", .error = "e", .message_sent = row.sent}, 1);
    CHECK(outcome.status == row.status);
    CHECK(outcome.retryable == row.retryable);
  }
  CHECK_FALSE(smtp_outcome({.curl_code = CURLE_SEND_ERROR, .reply_code = 552}, 4).retryable);
  CHECK(smtp_outcome({.curl_code = CURLE_ABORTED_BY_CALLBACK, .reply_code = 354, .not_authenticated = true}, 1).status ==
        Status::bad_config);
}

TEST_CASE("Aliyun's codes") {
  struct Row {
    const char* code;
    const char* message;
    int http;
    Status status;
    std::int64_t after_ms;
  };
  for (const Row& row :
       {Row{"OK", "OK", 200, Status::accepted, 0},
        Row{"isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1", 200, Status::not_sent, 60'000},
        Row{"isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5", 200, Status::not_sent, 3'600'000},
        Row{"isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10", 200, Status::not_sent, 86'400'000},
        Row{"isv.DAY_LIMIT_CONTROL", "", 200, Status::not_sent, 86'400'000}, Row{"isp.SYSTEM_ERROR", "", 200, Status::unknown, 0},
        Row{"Throttling.User", "", 400, Status::not_sent, 5'000}, Row{"isv.AMOUNT_NOT_ENOUGH", "", 200, Status::bad_config, 0},
        Row{"SignatureDoesNotMatch", "", 400, Status::bad_config, 0}, Row{"", "<html>", 503, Status::unknown, 0}}) {
    CAPTURE(row.code);
    const sdk::Outcome outcome = aliyun_outcome(row.code, row.message, row.http, 5'000);
    CHECK(outcome.status == row.status);
    CHECK(outcome.retry_after_ms == row.after_ms);
    CHECK(outcome.retryable == (row.status == Status::not_sent));
  }
  for (const char* code :
       {"isv.MOBILE_NUMBER_ILLEGAL", "isv.TEMPLATE_MISSING_PARAMETERS", "isv.SMS_SIGNATURE_ILLEGAL", "isv.BLACK_KEY_CONTROL_LIMIT"}) {
    const sdk::Outcome outcome = aliyun_outcome(code, "", 200, 0);
    CHECK(outcome.status == Status::not_sent);
    CHECK_FALSE(outcome.retryable);
  }
}

TEST_CASE("Tencent Cloud's codes") {
  struct Row {
    const char* code;
    Status status;
    bool retryable;
    std::int64_t after_ms;
  };
  for (const Row& row :
       {Row{"Ok", Status::accepted, false, 0}, Row{"LimitExceeded.PhoneNumberThirtySecondLimit", Status::not_sent, true, 30'000},
        Row{"LimitExceeded.PhoneNumberOneHourLimit", Status::not_sent, true, 3'600'000},
        Row{"LimitExceeded.PhoneNumberDailyLimit", Status::not_sent, true, 86'400'000},
        Row{"LimitExceeded.AppMainlandChinaDailyLimit", Status::not_sent, true, 86'400'000},
        Row{"LimitExceeded.PhoneNumberCountLimit", Status::not_sent, false, 0}, Row{"RequestLimitExceeded", Status::not_sent, true, 0},
        Row{"FailedOperation.MarketingSendTimeConstraint", Status::not_sent, true, 3'600'000},
        Row{"InternalError.Timeout", Status::unknown, false, 0}, Row{"InternalError.RequestTimeException", Status::bad_config, false, 0},
        Row{"AuthFailure.SecretIdNotFound", Status::bad_config, false, 0},
        Row{"UnauthorizedOperation.SdkAppIdIsDisabled", Status::bad_config, false, 0},
        Row{"FailedOperation.InsufficientBalanceInSmsPackage", Status::bad_config, false, 0},
        Row{"FailedOperation.ContainSensitiveWord", Status::not_sent, false, 0},
        Row{"InvalidParameterValue.IncorrectPhoneNumber", Status::not_sent, false, 0}, Row{"", Status::unknown, false, 0}}) {
    CAPTURE(row.code);
    const sdk::Outcome outcome = tencent_outcome(row.code, "", 200);
    CHECK(outcome.status == row.status);
    CHECK(outcome.retryable == row.retryable);
    CHECK(outcome.retry_after_ms == row.after_ms);
  }
}

TEST_CASE("Twilio's errors") {
  struct Row {
    int http;
    const char* body;
    Status status;
    bool retryable;
  };
  for (const Row& row : {Row{429, R"({"code":20429,"message":"Too Many Requests"})", Status::not_sent, true},
                         Row{400, R"({"code":21211,"message":"x"})", Status::not_sent, false},
                         Row{400, R"({"code":21610,"message":"x"})", Status::not_sent, false},
                         Row{401, R"({"code":20003,"message":"x"})", Status::bad_config, false},
                         Row{400, R"({"code":21606,"message":"x"})", Status::bad_config, false},
                         Row{403, R"({"code":21408,"message":"x"})", Status::not_sent, false}, Row{500, "<html>", Status::not_sent, true},
                         Row{503, R"({"code":20503})", Status::not_sent, true}}) {
    CAPTURE(row.body);
    const sdk::Outcome outcome = twilio_outcome(answered(row.http, row.body));
    CHECK(outcome.status == row.status);
    CHECK(outcome.retryable == row.retryable);
  }
}

TEST_CASE("addresses: only the public net is public") {
  for (const char* good : {"8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "192.169.0.1", "11.0.0.1",
                           "223.255.255.255", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:0808:0808::1"}) {
    CAPTURE(good);
    CHECK(public_address(good));
  }
  for (const char* bad : {"127.0.0.1",
                          "127.255.255.255",
                          "0.0.0.0",
                          "0.1.2.3",
                          "10.0.0.1",
                          "10.255.255.255",
                          "172.16.0.1",
                          "172.31.255.255",
                          "192.168.1.1",
                          "169.254.169.254",
                          "100.64.0.1",
                          "100.127.255.255",
                          "192.0.0.8",
                          "192.0.2.1",
                          "198.18.0.1",
                          "198.19.255.255",
                          "198.51.100.1",
                          "203.0.113.9",
                          "224.0.0.1",
                          "240.0.0.1",
                          "255.255.255.255",
                          "::1",
                          "::",
                          "::127.0.0.1",
                          "::ffff:127.0.0.1",
                          "::ffff:10.0.0.1",
                          "fc00::1",
                          "fd12::1",
                          "fe80::1",
                          "fec0::1",
                          "ff02::1",
                          "2001:db8::1",
                          "2001::1",
                          "64:ff9b::7f00:1",
                          "64:ff9b:1::1",
                          "2002:7f00:1::1",
                          "100::1",
                          "::ffff:0:127.0.0.1"}) {
    CAPTURE(bad);
    CHECK_FALSE(public_address(bad));
  }
}

TEST_CASE("payloads of sms and ticket are checked before anything is sent") {
  struct Row {
    const char* payload;
    bool good;
  };
  for (const Row& row : {Row{R"({"to":"+86 138-0000-0000","text":"hi"})", true}, Row{R"({"to":"13800000000","template":"SMS_1"})", true},
                         Row{R"({"to":"","text":"hi"})", false}, Row{R"({"to":"+12","text":"hi"})", false},
                         Row{R"({"to":"12345\r\nX: y","text":"hi"})", false}, Row{R"({"to":"13800000000,13900000000","text":"hi"})", false},
                         Row{R"({"to":"13800000000"})", false}, Row{R"({"to":13800000000,"text":"hi"})", false}, Row{"[]", false}}) {
    CAPTURE(row.payload);
    SmsMessage message;
    CHECK(read_sms(row.payload, message).empty() == row.good);
  }
  SmsMessage message;
  CHECK(read_sms(R"({"to":"(0)12345","text":"a\u0007b\nc","params":{"n":12,"t":"x"}})", message) == "");
  CHECK(message.to == "012345");
  CHECK(message.text == "ab\nc");
  CHECK(message.template_params == R"({"n":"12","t":"x"})");
  Ticket ticket;
  CHECK(read_ticket(R"({"subject":"two\nlines","priority":"high"})", ticket) == "");
  CHECK(ticket.subject == "two lines");
  Ticket other;
  CHECK(read_ticket(R"({"subject":"x","priority":"asap"})", other).find("urgent") != std::string::npos);
  Ticket none;
  CHECK_FALSE(read_ticket(R"({"body":"x"})", none).empty());
  Ticket wide;
  std::string subject;
  for (int i = 0; i < 300; ++i) subject += "价";
  CHECK(read_ticket("{\"subject\":\"" + subject + "\"}", wide) == "");
  CHECK(wide.subject.size() == 255 * 3);
}

TEST_CASE("Jira's document: a paragraph a line, no empty text node") {
  CHECK(boost::json::serialize(atlassian_document("a\n\nb\r\n")) ==
        R"({"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"a"}]},{"type":"paragraph"},)"
        R"({"type":"paragraph","content":[{"type":"text","text":"b"}]},{"type":"paragraph"}]})");
  CHECK(jira_label("ab\"12 c") == "nudge-ab12c");
}

TEST_CASE("configurations: every mistake at once, secrets by reference only") {
  struct Row {
    std::vector<std::string> (*validate)(std::string_view);
    const char* config;
    std::vector<std::string> expect;  // starts of the problems
  };
  const std::string sms_good = R"({"provider":"twilio","account_sid":"AC1","auth_token":{"env":"T"},"from":"+1"})";
  CHECK(Sms::validate(sms_good).empty());
  for (const Row& row :
       {Row{&Sms::validate, R"({})", {"provider: is missing"}}, Row{&Sms::validate, R"([])", {"config: must be"}},
        Row{&Sms::validate, R"({"provider":"pigeon"})", {"provider: must be one of generic_http, aliyun, tencent, twilio"}},
        Row{&Sms::validate,
            R"({"provider":"aliyun","from":"x","access_key_id":"i","access_key_secret":"literal"})",
            {"access_key_secret: must name the secret by reference", "from: belongs to provider: twilio only"}},
        Row{&Sms::validate,
            R"({"provider":"generic_http","timeout_ms":"10","typo":1})",
            {"typo: no such field", "timeout_ms: must be a whole number", "url: is missing"}},
        Row{&Smtp::validate, R"({"host":"m","from":"a@b","username":"u"})", {"password: give username and password"}},
        Row{&Smtp::validate, R"({"host":"m\r\nx","from":"a@b"})", {"host: must not hold control", "host: must be a host name"}},
        Row{&Smtp::validate,
            R"({"host":"m","from":"a@b","security":"none","username":"u","password":{"env":"P"}})",
            {"security: none would send the password in clear"}},
        Row{&Smtp::validate,
            R"({"host":"m","from":"a@b","port":0,"security":"ssl"})",
            {"port: must be between 1 and 65535", "security: must be one of"}},
        Row{&TicketConnector::validate,
            R"({"provider":"jira","url":"ftp://x","jira_email":"e","jira_token":{"file":"/t"}})",
            {"url: must begin with https", "project: is missing"}},
        Row{&TicketConnector::validate,
            R"({"provider":"generic_http","url":"http://x","lookup_url":"http://x"})",
            {"lookup_url: must hold {id}"}},
        Row{&TicketConnector::validate,
            R"({"provider":"generic_http","url":"http://x","headers":{"A":"b\r\nC: d"}})",
            {"headers: \"A\" must not hold line breaks"}}}) {
    CAPTURE(row.config);
    const auto problems = row.validate(row.config);
    REQUIRE(problems.size() == row.expect.size());
    for (const std::string& start : row.expect) {
      bool found = false;
      for (const std::string& problem : problems) found = found || problem.starts_with(start);
      CAPTURE(start);
      CHECK(found);
    }
  }
}

TEST_CASE("the protocol's lines") {
  DeliverRequest request;
  request.action_id = "ab\"1";
  request.kind = "sms";
  request.customer_id = "王\n芳";
  request.payload_json = "{\n \"a\": 12.10\r\n}";
  CHECK(
      encode_request(7, request, 99) ==
      "{\"op\":\"deliver\",\"id\":7,\"action_id\":\"ab\\\"1\",\"kind\":\"sms\",\"channel\":\"\",\"attempt\":1,\"customer_id\":\"王\\n芳\","
      "\"created_ms\":0,\"deadline_ms\":99,\"payload\":{  \"a\": 12.10  }}\n");
  struct Row {
    const char* line;
    Reply::What what;
  };
  for (const Row& row :
       {Row{R"({"id":1,"status":"accepted"})", Reply::What::outcome},
        Row{R"({"id":0,"op":"hello","ok":true,"protocol":1})", Reply::What::hello}, Row{R"({"op":"log","text":"x"})", Reply::What::log},
        Row{R"({"status":"accepted"})", Reply::What::garbage}, Row{"[]", Reply::What::garbage}, Row{"{", Reply::What::garbage},
        Row{"{\"id\":-1,\"status\":\"accepted\"}", Reply::What::garbage}, Row{"\xff", Reply::What::garbage},
        Row{"{\"id\":1,\"status\":\"\xff\"}", Reply::What::garbage}}) {
    CAPTURE(row.line);
    CHECK(decode_reply(row.line).what == row.what);
  }
  const Reply odd = decode_reply(R"({"id":1,"status":"not_sent","retryable":true,"retry_after_ms":1e30,"http_status":-4,"detail":7})");
  CHECK(odd.outcome.retryable);
  CHECK(odd.outcome.retry_after_ms == 0);
  CHECK(odd.outcome.http_status == 0);
  CHECK(odd.outcome.detail.empty());
  CHECK(decode_reply(R"({"id":1,"status":"not_sent","retry_after_ms":99999999999999})").outcome.retry_after_ms == 604'800'000);
  std::string deep = R"({"id":1,"x":)" + std::string(100'000, '[') + "}";
  CHECK(decode_reply(deep).what == Reply::What::garbage);
  CHECK(environment_references(R"({"a":{"env":"A"},"b":[{"x":{"env":"B"}}],"c":{"env":"no","file":"no"},"d":{"env":5}})") ==
        std::vector<std::string>{"A", "B"});
  CHECK(clean_text("a\x01\xff价\xe4\xbb", 100) == "a ?价??");
  CHECK(clean_text("价价", 4) == "价");
}

TEST_CASE("enrich: what a service's answer means") {
  struct Row {
    int http;
    const char* body;
    std::uint32_t attempt;
    Status status;
    bool retryable;
  };
  for (const Row& row : {Row{200, "{\"a\":1}", 1, Status::accepted, false}, Row{200, "<html>", 1, Status::not_sent, true},
                         Row{200, "<html>", 2, Status::not_sent, true}, Row{200, "<html>", 3, Status::not_sent, false},
                         Row{200, "[1]", 3, Status::not_sent, false}, Row{204, "", 3, Status::not_sent, false},
                         Row{200, "{\"a\":1", 1, Status::not_sent, true}, Row{429, "{}", 1, Status::not_sent, true},
                         Row{500, "{}", 9, Status::not_sent, true}, Row{502, "{}", 9, Status::not_sent, true},
                         Row{422, "{}", 1, Status::not_sent, false}, Row{401, "{}", 1, Status::bad_config, false},
                         Row{302, "{}", 1, Status::not_sent, false}}) {
    const sdk::Outcome outcome = enrich_outcome(answered(row.http, row.body), row.attempt);
    CAPTURE(row.http);
    CAPTURE(row.body);
    CHECK(outcome.status == row.status);
    CHECK(outcome.retryable == row.retryable);
    CHECK(outcome.result == (row.status == Status::accepted ? row.body : ""));
  }
  HttpReply cut = answered(200, "{\"a\":1}");
  cut.error = "the answer was over 65536 bytes and was cut";
  CHECK(enrich_outcome(cut, 1).status == Status::not_sent);
  CHECK_FALSE(enrich_outcome(cut, 1).retryable);
  HttpReply lost;
  lost.transport = HttpReply::Transport::unknown;
  CHECK(enrich_outcome(lost, 1).retryable);  // to ask again does no harm
}

TEST_CASE("protocol: a result belongs to accepted, keeps its bytes, and is bounded") {
  const auto outcome = [](const std::string& more) { return decode_reply("{\"id\":1,\"status\":\"accepted\"" + more + "}").outcome; };
  CHECK(outcome("").result_json.empty());
  CHECK(outcome(R"(,"result": {"x": 12.10} )").result_json == R"({"x": 12.10})");
  CHECK(outcome(R"(,"result":[1])").status == OutcomeStatus::unknown);
  CHECK(outcome(R"(,"result":null)").status == OutcomeStatus::unknown);
  CHECK(outcome(",\"result\":{\"x\":\"" + std::string(kResultBytesMax, 'x') + "\"}").status == OutcomeStatus::unknown);
  CHECK(decode_reply(R"({"id":1,"status":"not_sent","result":{"x":1}})").outcome.result_json.empty());
}
