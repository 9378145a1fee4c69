#!/usr/bin/env python3
"""Chat robots against fakes that check what the real ones check: the signature, the pace, the shape, the group's keyword."""
import base64
import hashlib
import hmac
import json
import threading
import time
import unittest
import urllib.parse

from harness import Connector, ConnectorTest, HttpPeer, now_ms, refused_port

SECRET = "SEC0123456789abcdef"


class Robot:
    """What a provider does with a message; `said` is what the group has seen."""

    def __init__(self, secret=None, keyword=None, per_minute=None):
        self.secret, self.keyword, self.per_minute = secret, keyword, per_minute
        self.said, self.times, self.lock = [], [], threading.Lock()
        self.peer = HttpPeer(self.answer)

    def too_fast(self):
        now = time.time()
        with self.lock:
            self.times = [t for t in self.times if t > now - 60] + [now]
            return self.per_minute is not None and len(self.times) > self.per_minute


def reply(value):
    return (200, {"Content-Type": "application/json"}, json.dumps(value))


class WeCom(Robot):
    def answer(self, seen):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(seen.path).query)
        if query.get("key") != ["robot-key-0001"]:
            return reply({"errcode": 93000, "errmsg": "invalid webhook url"})
        if self.too_fast():
            return reply({"errcode": 45009, "errmsg": "api freq out of limit"})
        body = seen.json()
        if body.get("msgtype") not in ("text", "markdown"):
            return reply({"errcode": 40008, "errmsg": "invalid message type"})
        content = body[body["msgtype"]]["content"]
        if len(content.encode()) > (2048 if body["msgtype"] == "text" else 4096):
            return reply({"errcode": 45002, "errmsg": "content size out of limit"})
        self.said.append(body)
        return reply({"errcode": 0, "errmsg": "ok"})


class DingTalk(Robot):
    def answer(self, seen):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(seen.path).query))
        if query.get("access_token") != "robot-token-0001":
            return reply({"errcode": 300001, "errmsg": "token is not exist"})
        if self.secret:
            stamp = query.get("timestamp", "")
            wanted = base64.b64encode(hmac.new(self.secret.encode(), f"{stamp}\n{self.secret}".encode(), hashlib.sha256).digest()).decode()
            if not stamp or abs(int(stamp) - now_ms()) > 3600_000 or query.get("sign") != wanted:
                return reply({"errcode": 310000, "errmsg": "sign not match, more: [https://example.com]"})
        if self.too_fast():
            return reply({"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"})
        body = seen.json()
        text = body[body["msgtype"]].get("content") or body[body["msgtype"]].get("text")
        if self.keyword and self.keyword not in text:
            return reply({"errcode": 310000, "errmsg": "keywords not in content"})
        self.said.append(body)
        return reply({"errcode": 0, "errmsg": "ok"})


class Feishu(Robot):
    def answer(self, seen):
        body = seen.json()
        if self.secret:
            key = f"{body.get('timestamp', '')}\n{self.secret}".encode()
            if abs(int(body.get("timestamp", "0")) - time.time()) > 3600 or body.get("sign") != base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode():
                return reply({"code": 19021, "msg": "sign match fail or timestamp is not within one hour from current time"})
        if len(seen.body) > 20_000 or body.get("msg_type") not in ("text", "interactive"):
            return reply({"code": 9499, "msg": "Bad Request"})
        if self.too_fast():
            return reply({"code": 11232, "msg": "frequency limited"})
        self.said.append(body)
        return reply({"code": 0, "msg": "success", "data": {}, "StatusCode": 0, "StatusMessage": "success"})


class Slack(Robot):
    def answer(self, seen):
        if not seen.path.startswith("/services/T1/B1/"):
            return (404, {}, "no_service")
        if self.too_fast():
            return (429, {"Retry-After": "7"}, "rate_limited")
        body = seen.json()
        if not body.get("text"):
            return (400, {}, "no_text")
        self.said.append(body)
        return (200, {"Content-Type": "text/html"}, "ok")


PATHS = {"wecom": "/cgi-bin/webhook/send?key=robot-key-0001", "dingtalk": "/robot/send?access_token=robot-token-0001",
         "feishu": "/open-apis/bot/v2/hook/hook-0001", "slack": "/services/T1/B1/very-secret"}


class ChatTest(ConnectorTest):
    def robot(self, provider, robot, path=None):
        self.addCleanup(robot.peer.__exit__)
        connector = Connector("chat", {"provider": provider, "url": {"env": "ROBOT_URL"}, "allow_http": True},
                              env={"ROBOT_URL": robot.peer.url + (path or PATHS[provider])})
        self.addCleanup(connector.stop)
        return connector

    def test_each_provider_takes_text_and_markdown(self):
        for provider, kind, with_secret in (("wecom", WeCom, False), ("dingtalk", DingTalk, True), ("feishu", Feishu, True), ("slack", Slack, False)):
            with self.subTest(provider):
                robot = kind(secret=SECRET if with_secret else None)
                connector = self.signed(provider, robot) if with_secret else self.robot(provider, robot)
                for number, payload in enumerate(({"text": "王芳 下单"}, {"text": "**big** order", "subject": "Order", "format": "markdown", "mention": ["u1"]})):
                    outcome = connector.deliver(payload, action_id=f"{provider}{number}")
                    self.assertEqual(outcome["status"], "accepted", outcome)
                self.assertEqual(len(robot.said), 2)
                self.assertIn("王芳", json.dumps(robot.said[0], ensure_ascii=False))
                code, errors = connector.stop()
                self.assertEqual(code, 0)
                for secret in ("robot-key-0001", "robot-token-0001", "hook-0001", "very-secret", SECRET):
                    self.assertNotIn(secret.encode(), connector.raw_output + errors)

    def signed(self, provider, robot, secret=SECRET):
        self.addCleanup(robot.peer.__exit__)
        connector = Connector("chat", {"provider": provider, "url": {"env": "ROBOT_URL"}, "secret": {"env": "ROBOT_SECRET"}, "allow_http": True},
                              env={"ROBOT_URL": robot.peer.url + PATHS[provider], "ROBOT_SECRET": secret})
        self.addCleanup(connector.stop)
        return connector

    def test_a_wrong_secret_is_seen_although_the_answer_is_http_200(self):
        for provider, kind in (("dingtalk", DingTalk), ("feishu", Feishu)):
            with self.subTest(provider):
                robot = kind(secret=SECRET)
                outcome = self.signed(provider, robot, "another secret").deliver({"text": "x"})
                self.assertEqual(outcome["status"], "bad_config")
                self.assertEqual(robot.said, [])

    def test_a_robot_that_is_gone(self):
        self.assertEqual(self.robot("wecom", WeCom(), "/cgi-bin/webhook/send?key=other").deliver({"text": "x"})["status"], "bad_config")
        self.assertEqual(self.robot("slack", Slack(), "/services/T9/B9/x").deliver({"text": "x"})["status"], "bad_config")
        self.assertEqual(self.robot("dingtalk", DingTalk(), "/robot/send?access_token=other").deliver({"text": "x"})["status"], "bad_config")

    def test_a_keyword_that_is_missing_costs_this_message_only(self):
        connector = self.robot("dingtalk", DingTalk(keyword="订单"))
        outcome = connector.deliver({"text": "hello"})
        self.assertEqual((outcome["status"], outcome["retryable"]), ("not_sent", False))
        self.assertEqual(connector.deliver({"text": "订单 1"}, action_id="b")["status"], "accepted")

    def test_the_21st_message_of_a_minute_waits_and_is_not_dropped(self):
        robot = WeCom(per_minute=20)
        connector = self.robot("wecom", robot)
        outcomes = [connector.deliver({"text": f"m{n}"}, action_id=f"a{n}") for n in range(23)]
        self.assertEqual([o["status"] for o in outcomes[:20]], ["accepted"] * 20)
        for outcome in outcomes[20:]:
            self.assertEqual((outcome["status"], outcome["retryable"]), ("not_sent", True))
            self.assertGreater(outcome["retry_after_ms"], 50_000)
            self.assertLessEqual(outcome["retry_after_ms"], 61_000)
        self.assertEqual(len(robot.said), 20)
        self.assertEqual(len(robot.peer.seen), 20, "the provider never had to complain")

    def test_when_the_provider_asks_for_a_pause_nothing_is_said_before_it_is_over(self):
        for provider, robot, at_least in (("wecom", WeCom(per_minute=0), 60_000), ("dingtalk", DingTalk(per_minute=0), 600_000), ("slack", Slack(per_minute=0), 7_000)):
            with self.subTest(provider):
                connector = self.robot(provider, robot)
                first = connector.deliver({"text": "x"})
                self.assertEqual((first["status"], first["retryable"]), ("not_sent", True))
                self.assertGreaterEqual(first["retry_after_ms"], at_least)
                second = connector.deliver({"text": "y"}, action_id="cd34")
                self.assertTrue(second["retryable"])
                self.assertGreaterEqual(second["retry_after_ms"], at_least - 2000)
                self.assertEqual(len(robot.peer.seen), 1)

    def test_slack_is_spoken_to_once_a_second(self):
        robot = Slack()
        connector = self.robot("slack", robot)
        numbers = [connector.start({"text": f"m{n}"}, action_id=f"a{n}") for n in range(3)]
        self.assertEqual([connector.wait(n)["status"] for n in numbers], ["accepted"] * 3)
        gaps = [b - a for a, b in zip(robot.times, robot.times[1:])]
        self.assertTrue(all(gap > 0.9 for gap in gaps), gaps)

    def test_transport(self):
        connector = Connector("chat", {"provider": "wecom", "url": {"env": "U"}, "allow_http": True}, env={"U": f"http://127.0.0.1:{refused_port()}/?key=k"})
        self.addCleanup(connector.stop)
        outcome = connector.deliver({"text": "x"})
        self.assertEqual((outcome["status"], outcome["retryable"]), ("not_sent", True))
        peer = HttpPeer(["close", (302, {"Location": "http://127.0.0.1:1/"}, ""), (200, {}, "<html>")])
        self.addCleanup(peer.__exit__)
        connector = Connector("chat", {"provider": "wecom", "url": {"env": "U"}, "allow_http": True}, env={"U": peer.url + "/?key=k"})
        self.addCleanup(connector.stop)
        self.assertEqual(connector.deliver({"text": "x"})["status"], "unknown")
        self.assertEqual(connector.deliver({"text": "x"}, action_id="b")["status"], "not_sent")
        self.assertEqual(connector.deliver({"text": "x"}, action_id="c")["status"], "unknown")

    def test_configurations_that_are_refused(self):
        for config, env, word in (({"provider": "wecom", "url": "https://literal.example.com"}, {}, "reference"),
                                  ({"provider": "wecom", "url": {"env": "U"}}, {"U": "http://127.0.0.1/"}, "https"),
                                  ({"provider": "slack", "url": {"env": "U"}, "secret": {"env": "S"}}, {"U": "https://x.example.com/", "S": "s3cr3t!"}, "secret"),
                                  ({"provider": "teams", "url": {"env": "U"}}, {"U": "https://x.example.com/"}, "provider")):
            with self.subTest(word):
                connector = Connector("chat", config, env=env, expect_ok=False)
                self.addCleanup(connector.stop)
                self.assertFalse(connector.hello["ok"])
                self.assertIn(word, connector.hello["detail"])


if __name__ == "__main__":
    unittest.main()
