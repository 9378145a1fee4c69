#!/usr/bin/env python3
"""All doors, one table: the same bad input gets the same code, field and words, wherever it comes in, and lies in the same quarantine; once the
catalog is mended the same replay brings it in. What is sent again is a duplicate at every door.

NUDGED=path/to/nudged
"""
import hashlib
import hmac
import json
import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e" / "daemon"))
from harness import Daemon  # noqa: E402

CATALOG = """
customer: {attributes: {name: {type: text}}}
events:
  order_placed: {fields: {amount: decimal, note: text}}
"""
MENDED = CATALOG.replace("note: text", "note: text, colour: text") + "  order_plaecd: {fields: {amount: decimal, note: text}}\n"
DOORS = """
webhooks:
  hook:
    signature: {style: github, secret: {file: secret}}
    type: type
    id: id
    time: time
    customer: /customer
    messages:
      order_placed: {event: order_placed, fields: {amount: /fields/amount, note: /fields/note}}
"""
# The same door, when it wants what the catalog does not have yet.
DOORS_MENDED = DOORS.replace("note: /fields/note}}", "note: /fields/note, colour: /fields/colour}}\n      order_plaecd: {event: order_plaecd}")
RULES = "segments:\n  buyers: {where: {event: order_placed}}\n"
TIME = "2026-01-02T03:04:05Z"


def mac(data):
    return "sha256=" + hmac.new(b"the secret", data, hashlib.sha256).hexdigest()


class Door:
    """How one door writes an event, sends it (alone, or beside a good one) and says how each ended."""

    def __init__(self, name, path, write, content="application/json", wrap=None, headers=None):
        self.name, self.path, self.write, self.content, self.wrap, self.headers = name, path, write, content, wrap, headers or (lambda data: {})

    def message(self, **e):
        written = self.write(**{"customer": "c", "kind": "order_placed", "at": TIME, "fields": {}, **e})
        return json.dumps({k: v for k, v in written.items() if v is not None}, ensure_ascii=False).encode()

    def send(self, d, data):
        body = self.wrap(data) if self.wrap else data
        return d.request("POST", self.path, body, {"Content-Type": self.content, **self.headers(body)})


def own(customer, kind, id, at, fields):
    return {"customer": customer, "event": kind, "id": id, "time": at, "data": fields}


DOORWAYS = [
    Door("own", "/v1/events", own),
    Door("ndjson", "/v1/events", own, "application/x-ndjson", lambda data: data + b"\n"),
    Door("stream", "/v1/events?results=stream", own, "application/x-ndjson", lambda data: data + b"\n"),
    Door("array", "/v1/events", own, wrap=lambda data: b"[" + data + b"]"),
    Door("customer", "/v1/customers/c", own),
    Door("import", "/v1/import", own),
    Door("segment", "/v1/track", lambda customer, kind, id, at, fields: {"userId": customer, "event": kind, "messageId": id, "timestamp": at, "properties": fields}),
    Door("batch", "/v1/batch", lambda customer, kind, id, at, fields: {"type": "track", "userId": customer, "event": kind, "messageId": id, "timestamp": at, "properties": fields},
         wrap=lambda data: b'{"batch": [' + data + b"]}"),
    Door("cloudevents", "/v1/cloudevents", lambda customer, kind, id, at, fields: {"specversion": "1.0", "id": id, "source": "/s", "type": kind, "subject": customer, "time": at, "data": fields},
         "application/cloudevents+json"),
    Door("cloudevents batch", "/v1/cloudevents", lambda customer, kind, id, at, fields: {"specversion": "1.0", "id": id, "source": "/s", "type": kind, "subject": customer, "time": at, "data": fields},
         "application/cloudevents-batch+json", lambda data: b"[" + data + b"]"),
    Door("webhook", "/v1/webhooks/hook", lambda customer, kind, id, at, fields: {"customer": customer, "type": kind, "id": id, "time": at, "fields": fields},
         headers=lambda body: {"X-Hub-Signature-256": mac(body)}),
]
# What is wrong, the code, the field, and a part of the reason. Doors for which it means something else are left out by name.
WRONG = [
    ("unknown field", dict(fields={"colour": "red"}), "unknown_field", "colour", "has no field `colour`", {"webhook"}),  # it takes what the mapping names
    ("wrong type", dict(fields={"amount": "12"}), "wrong_type", "amount", "amount", set()),
    ("too long", dict(fields={"note": "x" * 70_000}), "too_long", "note", "note", set()),
    ("unknown event", dict(kind="order_plaecd"), "unknown_event", None, "did you mean `order_placed`", set()),
    ("a list for a text", dict(fields={"note": ["x"]}), "wrong_type", "note", "note", set()),
    ("too many digits", dict(fields={"amount": 10 ** 30}), "bad_number", "amount", "amount", set()),
    ("a time that is none", dict(at="yesterday"), "bad_time", "time", "yesterday", {"segment", "batch"}),  # their clients' clocks are corrected: it counts as now
    ("in the future", dict(at="2100-01-01T00:00:00Z"), "time_in_future", "time", "2100-01-01", {"segment", "batch"}),
    ("whose", dict(customer=None), "missing_customer", None, "", {"customer"}),
    ("an id too long for a customer", dict(customer="c" * 300), "too_long", "customer", "customer", {"customer"}),
]


class EveryDoor(unittest.TestCase):
    def setUp(self):
        self.d = Daemon(rules=RULES, catalog=CATALOG, config="doors: doors.yaml\n")
        self.addCleanup(self.d.close)
        self.d.write("doors.yaml", DOORS)
        self.d.write("secret", "the secret\n")
        os.chmod(self.d.home + "/secret", 0o600)
        self.d.start()

    def last(self):
        """The newest record of the quarantine."""
        after, newest = 0, None
        while (page := self.d.get(f"/v1/quarantine?after={after}&limit=1000"))["records"]:
            newest, after = page["records"][-1], page["records"][-1]["number"]
        return newest

    def told(self, door, answer):
        """(code, field) as the door's answer says; None when it says nothing, as Segment's does."""
        if door.path in ("/v1/track", "/v1/batch"):
            self.assertEqual((answer.status, answer.json), (200, {"success": True}))
            return None
        if "stream" in door.path:
            lines = [json.loads(line) for line in answer.body.splitlines()]
            self.assertEqual((answer.status, lines[-1]["done"], lines[-1]["quarantined"]), (200, True, 1))
            return lines[0]["code"], lines[0].get("field", "")
        body = answer.json
        if "results" in body:
            self.assertEqual((answer.status, body["quarantined"]), (200, 1))
            return body["results"][0]["code"], body["results"][0].get("field", "")
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (422, "application/problem+json"))
        return body["code"], body["field"]

    def test_the_same_bad_input_gets_the_same_answer(self):
        n = 0
        for door in DOORWAYS:
            for what, event, code, field, words, but in WRONG:
                if door.name in but:
                    continue
                with self.subTest(door=door.name, wrong=what):
                    n += 1
                    answer = door.send(self.d, door.message(id=f"w{n}", **event))
                    told = self.told(door, answer)
                    kept = self.last()
                    self.assertEqual(kept["code"], code)
                    self.assertIn(words, kept["reason"])
                    if field is not None:
                        self.assertEqual(kept["field"], field)
                    if told is not None:
                        self.assertEqual(told, (kept["code"], kept["field"]))
                    self.assertEqual(self.d.get("/v1/status")["quarantine_open"], n, "each is set aside once")
        self.assertGreater(n, 90)
        self.d.counters()

    def test_what_is_no_json_at_all(self):
        deep = b'{"customer": "c", "event": "order_placed", "data": {"note": ' + b"[" * 2000 + b"]" * 2000 + b"}}"
        for door in DOORWAYS:
            good = door.message(id="g", fields={"note": "fine"})
            for what, data in (("cut off", good[:-1]), ("no UTF-8", good.replace(b"fine", b"\xff\xfe")), ("a word", b"hello"), ("deep", deep), ("nothing", b"")):
                with self.subTest(door=door.name, wrong=what):
                    before = self.d.get("/v1/status")["quarantine_open"]
                    answer = door.send(self.d, data)
                    self.assertIn(answer.status, (200, 400, 422), answer)
                    # whatever was not refused as a whole is in the quarantine: nothing disappears
                    held = self.d.get("/v1/status")["quarantine_open"] - before
                    if answer.status == 400:
                        self.assertEqual(held, 0)
                        self.assertTrue(answer.json["detail"])
                    elif what != "nothing":
                        self.assertEqual(held, 1, answer)
                        self.assertIn(self.last()["code"], ("bad_json", "bad_utf8", "too_deep", "wrong_type", "missing_customer", "not_an_object", "bad_cloudevent", "missing_event", "missing_id"))
        self.assertEqual(self.d.request("GET", "/-/healthy").status, 200)
        self.assertNotIn("order_placed", [e["event"] for e in self.d.request("GET", "/v1/customers/c").json.get("events", [])])

    def test_sent_again_it_is_a_duplicate_and_with_other_content_a_conflict(self):
        for i, door in enumerate(DOORWAYS):
            with self.subTest(door=door.name):
                def send(note):
                    answer = door.send(self.d, door.message(id=f"d{i}", fields={"note": note}))
                    if door.path in ("/v1/track", "/v1/batch"):
                        return answer.json
                    if "stream" in door.path:
                        last = json.loads(answer.body.splitlines()[-1])
                        return next(k for k in ("stored", "duplicate", "conflict") if last[k])
                    return answer.json.get("status") if "results" not in answer.json else answer.json["results"][0]["status"]
                before = self.d.counters()
                first, again, other = send("one"), send("one"), send("two")
                after = self.d.counters()
                if door.path not in ("/v1/track", "/v1/batch"):
                    self.assertEqual((first, again), ("stored", "duplicate"))
                    self.assertIn(other, ("conflict", 409))
                self.assertEqual([after[k] - before[k] for k in ("stored", "duplicate")], [1, 1])

    def test_mend_the_catalog_and_replay(self):
        sent = 0
        for door in DOORWAYS:
            for event in (dict(fields={"colour": "red"}), dict(kind="order_plaecd")):
                if door.name == "webhook" and "fields" in event:
                    continue
                door.send(self.d, door.message(id=f"r{sent}", **event))
                sent += 1
        self.assertEqual(self.d.get("/v1/status")["quarantine_open"], sent)
        still = self.d.post("/v1/quarantine/replay", b"")
        self.assertEqual((still["replayed"], still["still_quarantined"]), (0, sent))
        self.d.write("schemas/catalog.yaml", MENDED)
        self.d.write("doors.yaml", DOORS_MENDED)
        self.d.post("/v1/reload", b"")
        done = self.d.post("/v1/quarantine/replay", b"")
        self.assertEqual((done["replayed"], done["still_quarantined"], done["problems"]), (sent, 0, []))
        events = self.d.get("/v1/customers/c?events=1000")["events"]
        self.assertEqual(len(events), sent)
        self.assertTrue(all(e["data"] == ({"colour": "red"} if e["event"] == "order_placed" else {}) for e in events))
        self.assertEqual({e["time"] for e in events}, {TIME}, "each at its own time, not at that of the replay")
        self.d.counters()


if __name__ == "__main__":
    unittest.main(verbosity=2)
