#!/usr/bin/env python3
"""The real client libraries of Segment and RudderStack send to a real nudged, unchanged.

usage: segment_test.py BUILD_DIRECTORY, with NUDGED=path/to/nudged. Ends with 77 (skipped) when the libraries can't be installed.
"""
import base64
import gzip
import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e" / "daemon"))
sys.path.insert(0, str(HERE))
from harness import Daemon, parse_ms, rfc3339  # noqa: E402
from support import install_node, install_python  # noqa: E402

CATALOG = """
customer:
  attributes:
    name: {type: text, pii: true}
    tier: {type: text, one_of: [bronze, silver, gold]}
    annual_spend: {type: decimal}
    company: {type: text}
events:
  order_placed: {fields: {amount: decimal, sku: text}}
  page: {fields: {name: text, path: text, library: text}}
  login: {fields: {device: text}}
"""
RULES = "segments:\n  buyers: {where: {event: order_placed}}\n"
DOORS = """
segment:
  track:
    Order Completed: {event: order_placed, fields: {amount: total, sku: /properties/products/0/sku}}
    Checkout Started: ignore
  unknown_fields: quarantine
  identify: {attributes: {tier: plan}}
  page: {event: page, fields: {library: /context/library/name}}
  group: {attributes: {company: /groupId}}
"""
CONFIG = "doors: doors.yaml\nsegment: {write_key: {file: write.key}, allowed_origins: ['https://shop.example.com']}\nhttp: {port: 0, token: {file: token}}\n"
KEY = {"Authorization": "Basic " + base64.b64encode(b"the-write-key:").decode()}
TOKEN = {"Authorization": "Bearer the-token"}


class Shop(Daemon):
    def __init__(self, doors=DOORS, config=CONFIG):
        super().__init__(rules=RULES, catalog=CATALOG, config=config)
        self.write("doors.yaml", doors)
        for name, secret in (("write.key", "the-write-key"), ("token", "the-token")):
            self.write(name, secret)
            os.chmod(f"{self.home}/{name}", 0o600)

    def request(self, method, path, body=None, headers=None, timeout=30):
        return super().request(method, path, body, TOKEN if headers is None else headers, timeout)

    def send(self, path, body, headers=None):
        return self.request("POST", path, body, KEY if headers is None else headers)

    def customer(self, name):
        return self.get("/v1/customers/" + name + "?personal=full")

    def events(self, name, kind):
        return [e for e in self.customer(name)["events"] if e["event"] == kind]

    def problems(self):
        return [(r["code"], r["field"], json.loads(r["raw"])["message"].get("messageId")) for r in self.get("/v1/quarantine")["records"]]


class Libraries(unittest.TestCase):
    def test_node_segment(self):
        with Shop() as d:
            d.start()
            subprocess.run(["node", str(NODE / "segment_node.cjs"), f"http://127.0.0.1:{d.port}", "the-write-key"], check=True, timeout=60)
            who = d.customer("node-user")
            self.assertEqual(who["attributes"], {"name": "王芳", "tier": "gold", "annual_spend": 12.5, "company": "acme"})
            self.assertEqual(sorted(who["aliases"]), ["anon-node", "node-lead"])
            # the order that came before anybody knew the name is there as well; the one with a coupon is not in the catalog's words
            d.until(lambda: [e["data"] for e in d.events("node-user", "order_placed")] == [{"amount": 20, "sku": "BEFORE"}])
            page = d.events("node-user", "page")[0]["data"]
            self.assertEqual(page, {"name": "Home", "path": "/", "library": "@segment/analytics-node"})
            self.assertEqual(sorted(d.problems()), [("unknown_field", "coupon", "node-2"), ("wrong_type", "amount", "node-5")])
            d.counters()

    def test_what_was_set_aside_comes_in_once_the_mapping_is_mended(self):
        with Shop() as d:
            d.start()
            subprocess.run(["node", str(NODE / "segment_node.cjs"), f"http://127.0.0.1:{d.port}", "the-write-key"], check=True, timeout=60)
            d.write("doors.yaml", DOORS.replace("unknown_fields: quarantine", "unknown_fields: ignore"))
            d.post("/v1/reload")
            answer = d.post("/v1/quarantine/replay", headers=TOKEN)
            self.assertEqual((answer["replayed"], answer["still_quarantined"]), (1, 1), answer)
            order = [e for e in d.events("node-user", "order_placed") if e["data"]["amount"] == 99.95]
            self.assertEqual([e["data"]["sku"] for e in order], ["A-1"])
            # an hour before it was sent, by our clock
            self.assertAlmostEqual(parse_ms(order[0]["time"]), time.time() * 1000 - 3600_000, delta=60_000)
            d.counters()

    def test_node_rudder(self):
        with Shop() as d:
            d.start()
            subprocess.run(["node", str(NODE / "rudder_node.cjs"), f"http://127.0.0.1:{d.port}", "the-write-key"], check=True, timeout=60)
            self.assertEqual(d.customer("rudder-user")["attributes"], {"name": "Li Wei", "tier": "silver"})
            self.assertEqual([e["data"] for e in d.events("rudder-user", "order_placed")], [{"amount": 5.5, "sku": "R-1"}])
            self.assertEqual(d.problems(), [("unknown_event", "event", "rudder-2")])

    def test_python_segment(self):
        with Shop() as d:
            d.start()
            command = [str(PYTHON), str(HERE / "segment_python.py"), f"http://127.0.0.1:{d.port}"]
            subprocess.run([*command, "the-write-key"], check=True, timeout=60)
            self.assertEqual(d.customer("python-user")["attributes"], {"name": "Ana", "tier": "bronze", "annual_spend": 1000.01})
            orders = d.events("python-user", "order_placed")
            self.assertEqual(len(orders), 1, "the same message id twice is one event")
            self.assertAlmostEqual(parse_ms(orders[0]["time"]), time.time() * 1000 - 86_400_000, delta=60_000)
            self.assertEqual(d.problems(), [("unknown_event", "event", "python-2")])
            # Its error handling reads `code` and `message` of our answer.
            refused = subprocess.run([*command, "a-wrong-key"], capture_output=True, text=True, timeout=60)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("unauthorized", refused.stderr)


class Protocol(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Shop()
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        cls.d.close()

    def ok(self, answer):
        self.assertEqual((answer.status, answer.json), (200, {"success": True}))

    def refused(self, answer, status, code):
        self.assertEqual((answer.status, answer.json["code"]), (status, code))
        self.assertTrue(answer.json["message"])

    def test_the_path_says_the_type_and_a_slash_at_its_end_does_no_harm(self):
        for i, path in enumerate(("/v1/track", "/v1/track/", "/v1/t")):
            self.ok(self.d.send(path, {"userId": "paths", "event": "login", "messageId": f"path-{i}", "properties": {"device": path}}))
        self.ok(self.d.send("/v1/b", {"batch": [{"type": "track", "userId": "paths", "event": "login", "messageId": "path-3"}]}))
        self.ok(self.d.send("/v1/import/", {"batch": [{"type": "track", "userId": "paths", "event": "login", "messageId": "path-4"}]}))
        self.assertEqual(len(self.d.events("paths", "login")), 5)
        self.ok(self.d.send("/v1/i", {"userId": "paths", "traits": {"name": "P"}}))
        self.assertEqual(self.d.customer("paths")["attributes"], {"name": "P"})

    def test_the_key_may_be_a_header_or_in_the_body(self):
        message = {"userId": "keys", "event": "login", "messageId": "key-1"}
        self.refused(self.d.send("/v1/track", message, {}), 401, "unauthorized")
        self.refused(self.d.send("/v1/track", {**message, "writeKey": "other"}, {}), 401, "unauthorized")
        self.refused(self.d.send("/v1/track", message, {"Authorization": "Basic " + base64.b64encode(b"other:").decode()}), 401, "unauthorized")
        self.ok(self.d.send("/v1/track", {**message, "writeKey": "the-write-key"}, {}))
        self.ok(self.d.send("/v1/batch", {"batch": [{**message, "type": "track", "writeKey": "the-write-key"}]}, {}))
        self.ok(self.d.send("/v1/track", message, {"Authorization": "Basic " + base64.b64encode(b"the-write-key").decode()}))
        self.assertEqual(len(self.d.events("keys", "login")), 1)
        self.assertEqual(self.d.request("POST", "/v1/events", message, KEY).status, 401, "the write key opens no other door")

    def test_clock_correction(self):
        # the example of Segment's documentation: sent 4 ms after it happened
        now = round(time.time() * 1000)
        self.ok(self.d.send("/v1/track", {"userId": "clock", "event": "login", "messageId": "c1", "originalTimestamp": rfc3339(now - 7_200_004),
                                          "sentAt": rfc3339(now - 7_200_000)}))
        happened = parse_ms(self.d.events("clock", "login")[0]["time"])
        self.assertAlmostEqual(happened, now - 4, delta=5000)
        # Sent again later it has the same id and another time by our clock: still the same event.
        time.sleep(0.05)
        self.ok(self.d.send("/v1/track", {"userId": "clock", "event": "login", "messageId": "c1", "originalTimestamp": rfc3339(now - 7_200_004),
                                          "sentAt": rfc3339(now - 7_200_000)}))
        self.assertEqual([parse_ms(e["time"]) for e in self.d.events("clock", "login")], [happened])
        # a clock that runs ahead does not reach the future
        self.ok(self.d.send("/v1/track", {"userId": "ahead", "event": "login", "messageId": "c2", "timestamp": rfc3339(now + 86_400_000)}))
        self.assertLess(parse_ms(self.d.events("ahead", "login")[0]["time"]), now + 60_000)

    def test_one_bad_message_costs_itself_alone(self):
        before = len(self.d.problems())
        batch = [{"type": "track", "userId": "mixed", "event": "login", "messageId": "m1"}, {"type": "track", "event": "login", "messageId": "m2"},
                 {"type": "trick", "userId": "mixed", "messageId": "m3"}, {"type": "track", "userId": "mixed", "messageId": "m4"},
                 {"type": "track", "userId": "mixed", "event": "Checkout Started", "messageId": "m5"},
                 {"type": "track", "userId": 42, "event": "login", "messageId": "m6"}]
        self.ok(self.d.send("/v1/batch", {"batch": batch}))
        self.assertEqual(len(self.d.events("mixed", "login")), 1)
        self.assertEqual(len(self.d.events("42", "login")), 1, "a number is read as its digits")
        self.assertEqual(sorted(self.d.problems()[before:]), [("missing_customer", "userId", "m2"), ("missing_event", "event", "m4"), ("unknown_type", "type", "m3")])
        self.ok(self.d.send("/v1/batch", {"batch": []}))

    def test_bodies_that_are_no_messages(self):
        self.refused(self.d.send("/v1/batch", b"{"), 400, "invalid")
        self.refused(self.d.send("/v1/batch", b"[]"), 400, "invalid")
        self.refused(self.d.send("/v1/batch", b'{"batch": 1}'), 400, "invalid")
        packed = gzip.compress(json.dumps({"userId": "zip", "event": "login", "messageId": "z1"}).encode())
        self.ok(self.d.request("POST", "/v1/track", packed, {**KEY, "Content-Encoding": "gzip"}))
        self.assertEqual(self.d.request("POST", "/v1/track", packed[:-6] + b"abcdef", {**KEY, "Content-Encoding": "gzip"}).status, 400)
        self.assertEqual(len(self.d.events("zip", "login")), 1)

    def test_browsers(self):
        ask = {"Origin": "https://shop.example.com", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
        answer = self.d.request("OPTIONS", "/v1/t", None, ask)
        self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (204, "https://shop.example.com"))
        self.assertIn("authorization", answer.headers["Access-Control-Allow-Headers"])
        other = self.d.request("OPTIONS", "/v1/t", None, {**ask, "Origin": "https://evil.example.com"})
        self.assertIsNone(other.headers["Access-Control-Allow-Origin"])
        sent = self.d.send("/v1/t", {"anonymousId": "web", "event": "login", "messageId": "w1"}, {**KEY, "Origin": "https://shop.example.com", "Content-Type": "text/plain"})
        self.ok(sent)
        self.assertEqual(sent.headers["Access-Control-Allow-Origin"], "https://shop.example.com")
        self.assertIsNone(self.d.request("OPTIONS", "/v1/events", None, {**ask, **TOKEN}).headers["Access-Control-Allow-Origin"], "no other route lets browsers in")


class Mapping(unittest.TestCase):
    def test_mistakes_are_named_with_their_place(self):
        with Shop(doors="segment:\n  track:\n    Paid: {event: order_plcaed}\n    Sold: {event: order_placed, fields: {amuont: total}}\n") as d:
            with self.assertRaises(RuntimeError) as raised:
                d.start()
            for part in ("doors.yaml:3", "order_plcaed", "did you mean `order_placed`", "doors.yaml:4", "amuont"):
                self.assertIn(part, str(raised.exception))


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1))
    NODE, PYTHON = install_node(BUILD / "node"), install_python(BUILD / "python")
    unittest.main(verbosity=2)
