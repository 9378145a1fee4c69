#!/usr/bin/env python3
"""CloudEvents 1.0 into a real nudged, made by the real SDKs and by hand.

usage: cloudevents_test.py BUILD_DIRECTORY, with NUDGED=path/to/nudged. Ends with 77 (skipped) when the SDKs can't be installed.
"""
import base64
import json
import pathlib
import subprocess
import sys
import unittest
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e" / "daemon"))
sys.path.insert(0, str(HERE))
from harness import Daemon  # noqa: E402
from support import install_node, install_python  # noqa: E402

CATALOG = """
customer: {attributes: {name: {type: text}, tier: {type: text}}}
events:
  order_placed: {fields: {amount: decimal, sku: text, note: text}}
  login: {fields: {device: text}}
"""
RULES = "segments:\n  buyers: {where: {event: order_placed}}\n"
DOORS = """
cloudevents:
  events:
    com.shop.order.paid: {event: order_placed, customer: /data/buyer/id, fields: {amount: total, sku: /data/items/0/sku, note: /region}}
    com.shop.customer.changed: {attributes: {name: fullName}}
    com.shop.both:
      - {event: login, customer: /data/who}
      - {attributes: {tier: {value: gold}}, customer: /data/who}
    com.shop.heartbeat: ignore
  unknown_fields: ignore
  allowed_origins: [events.example.com]
"""
EVENT = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "login", "subject": "c"}


class CloudEvents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(rules=RULES, catalog=CATALOG, config="doors: doors.yaml\n")
        cls.d.write("doors.yaml", DOORS)
        cls.d.start()
        cls.url = f"http://127.0.0.1:{cls.d.port}/v1/cloudevents"

    @classmethod
    def tearDownClass(cls):
        cls.d.counters()
        cls.d.close()

    def send(self, body, content="application/cloudevents+json", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.d.request("POST", "/v1/cloudevents", data, {**({"Content-Type": content} if content else {}), **headers})

    def events(self, customer):
        return self.d.get("/v1/customers/" + urllib.parse.quote(customer))["events"]

    def test_python_sdk_binary_structured_and_batch(self):
        subprocess.run([str(PYTHON), str(HERE / "cloudevents_python.py"), self.url], check=True, timeout=60)
        orders = self.events("王芳")
        self.assertEqual(sorted((e["data"]["amount"], e["data"]["sku"], e["data"]["note"]) for e in orders),
                         [(12.5, "A", "East € 😀"), (99.95, "A", "East € 😀")])
        self.assertEqual(orders[0]["time"], "2026-01-02T03:04:05Z")
        self.assertEqual(self.d.get("/v1/customers/c1")["attributes"], {"name": "Ana", "tier": "gold"})

    def test_node_sdk_binary_structured_and_batch(self):
        ran = subprocess.run(["node", str(NODE / "cloudevents_node.cjs"), self.url], cwd=NODE, capture_output=True, text=True, timeout=60)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        orders = self.events("node-customer")
        self.assertEqual(sorted((e["id"], e["data"]["amount"], e["data"]["note"]) for e in orders),
                         [("/node/shop n-1", 1.5, "West"), ("/node/shop n-2", 2.25, "West"), ("/node/shop n-3", 3, "West")])
        self.assertEqual(orders[0]["time"], "2026-01-02T03:04:05.678Z")

    def test_source_and_id_name_an_event(self):
        event = {**EVENT, "id": "same", "subject": "dup", "time": "2026-01-01T00:00:00Z"}
        self.assertEqual(self.send(event).json, {"status": "stored"})
        self.assertEqual(self.send(event).json, {"status": "duplicate"})
        self.assertEqual(self.send({**event, "time": "2026-01-02T00:00:00Z"}).status, 409)
        self.assertEqual(self.send({**event, "source": "/other"}).json, {"status": "stored"})
        answer = self.send([event, {**event, "id": "two"}, {**event, "id": "two"}], "application/cloudevents-batch+json; charset=utf-8").json
        self.assertEqual((answer["stored"], answer["duplicate"]), (1, 2))
        self.assertEqual(self.send([], "application/cloudevents-batch+json").json["received"], 0)
        long = {**event, "id": "x" * 300}
        self.assertEqual([self.send(long).json["status"] for _ in range(2)], ["stored", "duplicate"])

    def test_one_event_may_make_several_documents(self):
        event = {**EVENT, "id": "b", "type": "com.shop.both", "data": {"who": "both"}}
        answer = self.send(event).json
        self.assertEqual((answer["received"], answer["stored"]), (2, 2))
        self.assertEqual(self.send(event).json["duplicate"], 2)
        self.assertEqual(self.d.get("/v1/customers/both")["attributes"], {"tier": "gold"})
        self.assertEqual(len(self.events("both")), 1)

    def test_data_that_has_no_fields_is_set_aside_unless_the_mapping_says_otherwise(self):
        def mapping(text):
            self.d.write("doors.yaml", text)
            self.d.post("/v1/reload")

        odd = [{**EVENT, "data": "{}"}, {**EVENT, "data": [1]}, {**EVENT, "data": "<a/>", "datacontenttype": "text/xml"},
               {**EVENT, "datacontenttype": "image/png", "data_base64": "iVBORw0K"}]
        mapping(DOORS)
        for n, event in enumerate(odd):
            self.assertEqual(self.send({**event, "id": f"odd-{n}", "subject": "odd"}).json, {"status": "stored"}, "unknown_fields: ignore")
        mapping(DOORS.replace("  unknown_fields: ignore\n", ""))
        self.addCleanup(mapping, DOORS)
        for n, event in enumerate(odd):
            answer = self.send({**event, "id": f"more-{n}", "subject": "odd"})
            self.assertEqual((answer.status, answer.json["code"], answer.json["field"]), (422, "wrong_type", "data"), event)
            self.assertIn("unknown_fields: ignore", answer.json["detail"])
        self.assertEqual(self.send({**EVENT, "id": "none", "subject": "odd", "data": None}).json, {"status": "stored"}, "nothing is nothing")

    def test_binary_by_hand(self):
        ce = {"ce-specversion": "1.0", "CE-Id": "b1", "Ce-Source": "/s", "ce-type": "org.example.login", "ce-subject": "%E5%AE%A2%e6%88%b7"}
        self.assertEqual(self.send({"device": "d"}, "application/json", **ce).json, {"status": "stored"})
        self.assertEqual([e["data"] for e in self.events("客户")], [{"device": "d"}])
        self.assertEqual(self.send(b"", None, **{**ce, "CE-Id": "b2"}).json, {"status": "stored"})
        self.assertEqual(self.send(b"\x00\x01", "application/octet-stream", **{**ce, "CE-Id": "b3"}).json, {"status": "stored"})
        self.assertEqual(self.send({}, "application/json", **{**ce, "CE-Id": "b4", "ce-subject": '"a\\"b"'}).json, {"status": "stored"})
        self.assertEqual(len(self.events('a"b')), 1)
        for change in ({"ce-subject": "%C0%A0"}, {"ce-subject": "%4"}, {"ce-datacontenttype": "text/plain"}):
            self.assertEqual(self.send({}, "application/json", **{**ce, **change}).status, 400, change)
        for change, field in (({"ce-specversion": "0.3"}, "specversion"), ({"CE-Id": ""}, "id"), ({"ce-time": "2018-04-05"}, "time")):
            answer = self.send({}, "application/json", **{**ce, **change})
            self.assertEqual((answer.status, answer.json["field"]), (422, field), change)
        del ce["CE-Id"]
        self.assertIn("`id`", self.send({}, "application/json", **ce).json["detail"])
        self.assertEqual(self.send(b'1,"id":"x"', "application/json", **ce).status, 400)
        self.assertEqual(self.send({"a": 1}, "application/json").status, 400, "no header of an event at all")

    def test_what_is_no_event_or_does_not_fit_is_set_aside(self):
        self.assertEqual(self.send(b"<e/>", "application/cloudevents+xml").status, 415)
        self.assertEqual(self.send({**EVENT, "id": "x1"}, "APPLICATION/CloudEvents+JSON; charset=UTF-8").json, {"status": "stored"})
        for change, field in (({"id": ""}, "id"), ({"id": 1}, "id"), ({"data": 1, "data_base64": "AQID"}, "data"), ({"Com-Example": "x"}, "Com-Example"),
                              ({"specversion": "0.3"}, "specversion")):
            answer = self.send({**EVENT, **change})
            self.assertEqual((answer.status, answer.json["code"], answer.json["field"]), (422, "bad_cloudevent", field))
        mixed = self.send([{**EVENT, "id": "y1"}, {**EVENT, "id": ""}], "application/cloudevents-batch+json")
        self.assertEqual((mixed.json["stored"], mixed.json["quarantined"], mixed.json["results"][1]["field"]), (1, 1, "id"))
        self.assertEqual(self.send(b"[{", "application/cloudevents-batch+json").status, 400)
        unknown = self.send({**EVENT, "id": "z", "type": "com.shop.logni"})
        self.assertEqual((unknown.status, unknown.json["code"]), (422, "unknown_event"))
        nobody = self.send({**EVENT, "id": "z2", "subject": None})
        self.assertEqual((nobody.status, nobody.json["code"], nobody.json["field"]), (422, "missing_customer", "subject"))
        kept = json.loads(self.d.get(f"/v1/quarantine/{unknown.json['quarantine']}")["raw"])
        self.assertEqual(kept["message"]["type"], "com.shop.logni")
        self.assertEqual(self.send({**EVENT, "id": "h", "type": "com.shop.heartbeat"}).json["received"], 0)
        # mend the mapping, and it comes in
        self.d.write("doors.yaml", DOORS.replace("  unknown_fields", "    com.shop.logni: {event: login}\n  unknown_fields"))
        self.d.post("/v1/reload")
        self.assertEqual(self.d.post(f"/v1/quarantine/{unknown.json['quarantine']}/replay"), {"status": "replayed"})
        self.assertIn("/shop z", [e["id"] for e in self.events("c")])

    def test_data_in_base64_that_is_json_is_read(self):
        packed = base64.b64encode(b'{"device": "packed"}').decode()
        self.assertEqual(self.send({**EVENT, "id": "p", "subject": "p", "datacontenttype": "application/json", "data_base64": packed}).json, {"status": "stored"})
        self.assertEqual(self.events("p")[0]["data"], {"device": "packed"})
        self.assertEqual(self.send({**EVENT, "id": "q", "subject": "p", "data": '{"device": "a text stays one"}'}).json, {"status": "stored"})
        self.assertEqual(self.events("p")[0]["data"], {})

    def test_the_sender_asks_whether_it_may(self):
        ask = {"WebHook-Request-Origin": "events.example.com", "WebHook-Request-Rate": "120"}
        answer = self.d.request("OPTIONS", "/v1/cloudevents", None, ask)
        self.assertEqual((answer.headers["WebHook-Allowed-Origin"], answer.headers["WebHook-Allowed-Rate"]), ("events.example.com", "*"))
        other = self.d.request("OPTIONS", "/v1/cloudevents", None, {"WebHook-Request-Origin": "evil.example.com"})
        self.assertIsNone(other.headers["WebHook-Allowed-Origin"])


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1))
    NODE, PYTHON = install_node(BUILD / "node"), install_python(BUILD / "python")
    unittest.main(verbosity=2)
