// Chat robots: signatures by the vectors of the fact sheet, errors that come as HTTP 200, lengths counted in bytes, and the pace.
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>

#include "connectors/chat/chat.h"
#include "connectors/chat/message.h"
#include "connectors/http/digest.h"

using namespace nudge::connectors;
namespace sdk = nudge::sdk;
using nudge::sdk::Status;

namespace {

HttpReply answered(int status, std::string body) {
  HttpReply reply;
  reply.transport = HttpReply::Transport::answered;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

ChatMessage message(std::string text, bool markdown = false, std::string subject = {}, std::vector<std::string> mention = {}) {
  return {.subject = std::move(subject), .text = std::move(text), .markdown = markdown, .mention = std::move(mention)};
}

boost::json::object body(ChatProvider provider, const ChatMessage& m) {
  return boost::json::parse(chat_body(provider, m, "", "")).get_object();
}

std::string text_at(const boost::json::object& o, const char* pointer) {
  return std::string(boost::json::value(o).at_pointer(pointer).get_string());
}

}  // namespace

TEST_CASE("chat: DingTalk and Feishu sign by the same parts in opposite roles") {
  CHECK(dingtalk_sign(1577262236757, "this is secret") == "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM=");
  CHECK(percent_encode(dingtalk_sign(1577262236757, "this is secret")) == "hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D");
  CHECK(feishu_sign(1599360473, "this is secret") == "/eYKrXQBzTjUZJ3s6NX16VxGbTwmK7AEs8/FnvC1CSw=");
  CHECK(feishu_sign(1599360473, "this is secret") != base64(hmac_sha256("this is secret", "1599360473\nthis is secret")));
}

TEST_CASE("chat: what an answer means; HTTP 200 is no success by itself") {
  using P = ChatProvider;
  struct Row {
    P provider;
    int http;
    const char* body;
    Status status;
    bool retryable;
    std::int64_t after_ms;
  };
  for (const Row& row : {Row{P::wecom, 200, R"({"errcode":0,"errmsg":"ok"})", Status::accepted, false, 0},
                         Row{P::wecom, 200, R"({"errcode":-1,"errmsg":"system busy"})", Status::not_sent, true, 0},
                         Row{P::wecom, 200, R"({"errcode":45009})", Status::not_sent, true, 60'000},
                         Row{P::wecom, 200, R"({"errcode":93000,"errmsg":"invalid webhook url"})", Status::bad_config, false, 0},
                         Row{P::wecom, 200, R"({"errcode":45002})", Status::not_sent, false, 0},
                         Row{P::wecom, 200, "<html>", Status::unknown, false, 0},
                         Row{P::wecom, 500, "<html>", Status::not_sent, true, 0},
                         Row{P::wecom, 200, R"({"errcode":"0"})", Status::unknown, false, 0},
                         Row{P::dingtalk, 200, R"({"errcode":0,"errmsg":"ok"})", Status::accepted, false, 0},
                         Row{P::dingtalk, 200, R"({"errcode":130101,"errmsg":"send too fast"})", Status::not_sent, true, 600'000},
                         Row{P::dingtalk, 200, R"({"errcode":310000,"errmsg":"sign not match"})", Status::bad_config, false, 0},
                         Row{P::dingtalk, 200, R"({"errcode":310000,"errmsg":"keywords not in content"})", Status::not_sent, false, 0},
                         Row{P::dingtalk, 200, R"({"errcode":300001})", Status::bad_config, false, 0},
                         Row{P::feishu, 200, R"({"code":0,"msg":"success"})", Status::accepted, false, 0},
                         Row{P::feishu, 200, R"({"StatusCode":0,"StatusMessage":"success"})", Status::accepted, false, 0},
                         Row{P::feishu, 200, R"({"code":19021,"msg":"sign match fail"})", Status::bad_config, false, 0},
                         Row{P::feishu, 200, R"({"code":19024})", Status::not_sent, false, 0},
                         Row{P::feishu, 200, R"({"code":11232})", Status::not_sent, true, 5'000},
                         Row{P::feishu, 400, R"({"code":9499,"msg":"Bad Request"})", Status::not_sent, false, 0},
                         Row{P::feishu, 400, R"({"code":0})", Status::not_sent, false, 0},
                         Row{P::slack, 200, "ok", Status::accepted, false, 0},
                         Row{P::slack, 200, "<html>", Status::unknown, false, 0},
                         Row{P::slack, 400, "invalid_payload", Status::not_sent, false, 0},
                         Row{P::slack, 404, "no_service", Status::bad_config, false, 0},
                         Row{P::slack, 410, "channel_is_archived", Status::bad_config, false, 0},
                         Row{P::slack, 429, "", Status::not_sent, true, 1'000},
                         Row{P::slack, 500, "rollup_error", Status::not_sent, true, 0}}) {
    CAPTURE(row.body);
    CAPTURE(row.http);
    const sdk::Outcome outcome = chat_outcome(row.provider, answered(row.http, row.body));
    CHECK(outcome.status == row.status);
    CHECK(outcome.retryable == row.retryable);
    CHECK(outcome.retry_after_ms == row.after_ms);
  }
  HttpReply gateway = answered(400, R"({"code":99991400,"msg":"request trigger frequency limit"})");
  gateway.headers = {{"x-ogw-ratelimit-reset", "37"}};
  CHECK(chat_outcome(P::feishu, gateway).retry_after_ms == 37'000);
  HttpReply slack = answered(429, "");
  slack.retry_after_ms = 30'000;
  CHECK(chat_outcome(P::slack, slack).retry_after_ms == 30'000);
}

TEST_CASE("chat: bodies, mentions, and text that calls nobody") {
  using P = ChatProvider;
  const std::vector<std::string> who{"+86 138 0000 0000", "u1", "all"};
  const auto wecom = body(P::wecom, message("hi", false, "S", who));
  CHECK(text_at(wecom, "/text/content") == "S\nhi");
  CHECK(boost::json::serialize(boost::json::value(wecom).at_pointer("/text/mentioned_list")) == R"(["u1","@all"])");
  CHECK(boost::json::serialize(boost::json::value(wecom).at_pointer("/text/mentioned_mobile_list")) == R"(["8613800000000"])");
  CHECK(text_at(body(P::wecom, message("a <@boss> b", true, "S", {"u1"})), "/markdown/content") == "### S\na <\xE2\x80\x8B@boss> b <@u1>");
  const auto ding = body(P::dingtalk, message("hi", true, "S", who));
  CHECK(text_at(ding, "/markdown/title") == "S");
  CHECK(text_at(ding, "/markdown/text") == "### S\n\nhi @8613800000000 @u1");
  CHECK(boost::json::serialize(ding.at("at")) == R"({"atMobiles":["8613800000000"],"atUserIds":["u1"],"isAtAll":true})");
  CHECK(text_at(body(P::feishu, message("x <at user_id=\"all\"></at>", false, "", {"ou_1"})), "/content/text") ==
        "x <\xE2\x80\x8B"
        "at user_id=\"all\"></at> <at user_id=\"ou_1\"></at>");
  CHECK(text_at(body(P::feishu, message("t", true, "S")), "/card/header/title/content") == "S");
  CHECK(text_at(body(P::slack, message("a & <!channel>", true, "S", {"U1", "all"})), "/text") ==
        "*S*\na &amp; &lt;!channel&gt; <@U1> <!channel>");
  const auto signed_body = boost::json::parse(chat_body(P::feishu, message("t"), "1", "x=")).get_object();
  CHECK(text_at(signed_body, "/timestamp") == "1");
  CHECK(text_at(signed_body, "/sign") == "x=");
}

TEST_CASE("chat: too long a text is cut in bytes, on a character's border, and the mention stays") {
  using P = ChatProvider;
  CHECK(utf8_cut("王芳", 6) == 6);
  CHECK(utf8_cut("王芳", 5) == 3);
  CHECK(utf8_cut("王芳", 2) == 0);
  std::string text(1, 'x');
  while (text.size() < 9'000) text += "王";
  for (const bool markdown : {false, true}) {
    const std::string content =
        text_at(body(P::wecom, message(text, markdown, "", {"u1"})), markdown ? "/markdown/content" : "/text/content");
    CHECK(content.size() <= (markdown ? 4096U : 2048U));
    CHECK(content.size() > (markdown ? 4080U : 2040U));
    CHECK(content.find("…") != std::string::npos);
    CHECK(content.ends_with("<@u1>") == markdown);
  }
  for (const P provider : {P::dingtalk, P::feishu, P::slack}) {
    std::string lines;
    while (lines.size() < 100'000) lines += "\"\n王";  // escapes make the body longer than the text
    const std::string out = chat_body(provider, message(lines, true, "", {"u1"}), "1", "x");
    CHECK(out.size() <= (provider == P::slack ? 256U << 10 : 20'000U));
    CHECK(out.find("u1") != std::string::npos);
    CHECK(boost::json::parse(out).is_object());
  }
}

TEST_CASE("chat: the payload is read strictly") {
  const auto problem = [](const char* json) {
    ChatMessage m;
    return read_chat(json, m);
  };
  CHECK(problem(R"({"text":"x","mention":["", "u1"]})").empty());
  CHECK(problem(R"({"text":" \n"})") == "the message has no text");
  CHECK_FALSE(problem(R"({"text":"x","format":"html"})").empty());
  CHECK_FALSE(problem(R"({"text":"x","mention":["u1> <!channel"]})").empty());
}

TEST_CASE("chat: the pace delays and drops nothing") {
  Pace pace({{20, 60'000}});
  for (int i = 0; i < 20; ++i) CHECK(pace.ask("m" + std::to_string(i), 1000 + i) == 1000 + i);
  const std::int64_t later = pace.ask("m20", 1100);
  CHECK(later == 61'000);  // the 21st: a minute behind the first
  CHECK(pace.ask("m21", 1100) == 61'001);
  CHECK(pace.ask("m20", 2000) == later);    // it keeps its place
  CHECK(pace.ask("m20", 61'000) == later);  // and may go then
  for (int i = 22; i < 60; ++i) pace.ask("m" + std::to_string(i), 1100);
  CHECK(pace.ask("m60", 1100) > 121'000);  // the third minute
  pace.quiet(500'000);
  CHECK(pace.ask("m21", 61'001) == 500'000);
  CHECK(pace.ask("new", 61'002) >= 500'000);
  Pace two({{5, 1000}, {100, 60'000}});
  std::int64_t at = 0;
  for (int i = 0; i < 100; ++i) at = two.ask("x" + std::to_string(i), 0);
  CHECK(at == 19'000);
  CHECK(two.ask("x100", 0) == 60'000);
}
