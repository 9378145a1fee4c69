#!/usr/bin/env python3
"""nudged from outside: what comes in, what is decided, what survives. Run with NUDGED=path/to/nudged."""
import json
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import CATALOG, RULES, Daemon, parse_ms, rfc3339  # noqa: E402


class HappyPath(unittest.TestCase):
    def test_customers_page_by_key_whether_they_are_on_disk_or_not(self):
        with Daemon() as d:
            d.start()
            first = [f"a{i:03}" for i in range(300)]
            d.lines([{"customer": c, "tag": "x"} for c in first])
            self.assertEqual(d.stop(), 0)  # all are written
            d.start()
            d.lines([{"customer": c, "tag": "x"} for c in ("a0005", "b1", "b2", "a007")])
            wanted = sorted([*first, "a0005", "b1", "b2"])
            got, after = [], ""
            while after is not None:
                page = d.get(f"/v1/customers?limit=37&after={after}")
                got += page["customers"]
                after = page["next"]
            self.assertEqual(got, wanted)
            self.assertEqual(d.get("/v1/customers?prefix=b&total=true"), {"total": 2, "customers": ["b1", "b2"], "next": None})
            self.assertEqual(d.get("/v1/customers?prefix=a000&total=true")["customers"], ["a000", "a0005"])
            self.assertEqual(d.get("/v1/customers?total=true&limit=2&after=b1"), {"total": len(wanted), "customers": ["b2"], "next": None})

    def test_event_to_task_and_message(self):
        with Daemon() as d:
            d.start()
            self.assertEqual(d.post("/v1/customers/c1", {"attributes": {"name": "王芳", "email": "w@example.com", "annual_spend": 12.50}}), {"status": "stored"})
            self.assertEqual(d.post("/v1/events", {"customer": "c1", "event": "order_placed", "id": "o1", "data": {"amount": 250.25, "sku": "A"}}),
                             {"status": "stored"})
            self.assertEqual(d.post("/v1/events", {"customer": "c2", "event": "order_placed", "id": "o1", "data": {"amount": 99.99}}), {"status": "stored"})
            tasks = d.get("/v1/tasks?personal=full")["tasks"]
            self.assertEqual(len(tasks), 1)
            task = tasks[0]
            self.assertEqual((task["customer"], task["subject"], task["owner"], task["mandatory"]), ("c1", "Call 王芳", "lin", True))
            self.assertEqual(parse_ms(task["due"]) - parse_ms(task["created"]), 24 * 3600 * 1000)
            d.settled()
            messages = d.get("/v1/maildrop?customer=c1")["messages"]
            self.assertEqual([m["payload"] for m in messages if m["kind"] == "email"], [{"to": "w@example.com", "subject": "Thank you", "text": "Order A"}])
            # The purchase leaves the two seconds with no event at all, and that fires.
            d.until(lambda: any(m["kind"] == "ticket" for m in d.get("/v1/maildrop?customer=c1")["messages"]))
            customer = d.get("/v1/customers/c1")
            self.assertEqual(customer["attributes"]["annual_spend"], 12.5)
            order = next(e for e in customer["events"] if e["event"] == "order_placed")
            left = next(x for x in customer["decisions"] if x["rule"] == "gone")
            self.assertEqual(parse_ms(left["at"]) - parse_ms(order["time"]), 2000, "exact to the millisecond")
            self.assertEqual(customer["segments"], [])
            # as of an instant
            at = rfc3339(parse_ms(order["time"]) + 1999)
            self.assertEqual(d.get(f"/v1/segments/buyers?at={at}")["members"] >= 1, True)
            self.assertIn("c1", d.get(f"/v1/segments/buyers/members?at={at}")["members"])
            every = d.get(f"/v1/segments?at={at}&prefix=buy")
            self.assertEqual([(s["name"], s["members"]) for s in every["segments"]], [("buyers", d.get(f"/v1/segments/buyers?at={at}")["members"])])
            self.assertEqual(d.get(f"/v1/segments?at={at}&prefix=none")["segments"], [])
            at = rfc3339(parse_ms(order["time"]) + 2000)
            self.assertNotIn("c1", d.get(f"/v1/segments/buyers/members?at={at}")["members"])
            rule = d.get("/v1/rules/big-order")
            self.assertEqual((rule["fired"], rule["actions"], rule["accepted"], rule["failed"], rule["version"]), (1, 2, 2, 0, 1))
            explanation = d.get("/v1/explain?customer=c2&rule=big-order")["explanation"]
            self.assertTrue(explanation)
            self.assertEqual(d.get("/v1/customers?limit=1"), {"total": None, "customers": ["c1"], "next": "c1"})
            self.assertEqual(d.get("/v1/customers?limit=1&total=true")["total"], 2)
            self.assertEqual(d.get("/v1/customers?after=c1&limit=1")["customers"], ["c2"])
            d.get("/v1/customers/nobody", 404)
            d.get("/v1/rules/nobody", 404)
            # The salesperson's word comes back as an event.
            d.post(f"/v1/tasks/{task['id']}/complete", {}, 400)
            d.post(f"/v1/tasks/{task['id']}/complete", {"disposition": "interested", "note": "会回电", "by": "lin"})
            d.post(f"/v1/tasks/{task['id']}/complete", {"disposition": "again"}, 409)
            self.assertEqual(d.get("/v1/tasks")["tasks"], [])
            done = d.get("/v1/tasks?state=done")["tasks"][0]
            self.assertEqual((done["disposition"], done["note"], done["done_by"]), ("interested", "会回电", "lin"))
            completed = [e for e in d.get("/v1/customers/c1")["events"] if e["event"] == "task_completed"]
            self.assertEqual(completed[0]["data"]["disposition"], "interested")
            counters = d.counters()
            self.assertEqual((counters["tasks"], counters["tasks_open"], counters["tasks_done"]), (1, 0, 1))
            metrics = d.request("GET", "/metrics").body.decode()
            self.assertIn('nudge_rule_fired_total{rule="big-order"} 1', metrics)
            self.assertIn('nudge_books{what="stored"}', metrics)
            self.assertEqual(d.stop(), 0)


class Intake(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().start()

    @classmethod
    def tearDownClass(cls):
        cls.d.close()

    def problem(self, document, code, field=None, status=422):
        raw = document if isinstance(document, bytes) else None
        answer = self.d.request("POST", "/v1/events", raw if raw is not None else document)
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["Content-Type"].split(";")[0], "application/problem+json")
        self.assertEqual(answer.json["code"], code, answer)
        if field is not None:
            self.assertEqual(answer.json["field"], field)
        return answer.json

    def test_what_does_not_fit_is_named(self):
        at = {"customer": "q"}
        p = self.problem({**at, "event": "order_placed", "data": {"amuont": 1}}, "unknown_field", "amuont")
        self.assertIn("amount", p["detail"])
        self.assertIn("order_placed", self.problem({**at, "event": "order_place"}, "unknown_event", "event")["detail"])
        self.problem({**at, "attributes": {"nmae": "x"}}, "unknown_attribute", "nmae")
        self.problem({**at, "event": "order_placed", "data": {"amount": "12"}}, "wrong_type", "amount")
        self.problem({**at, "event": "order_placed", "data": {"quantity": 1.5}}, "wrong_type", "quantity")
        self.problem({**at, "event": "order_placed", "data": {"amount": 0.1234567}}, "bad_number", "amount")
        self.problem({**at, "event": "order_placed", "data": {"quantity": 92233720368547758080}}, "bad_number", "quantity")
        self.problem({**at, "attributes": {"tier": "platinum"}}, "not_allowed", "tier")
        self.problem({**at, "attributes": {"address": {"town": "x"}}}, "unknown_attribute", "address.town")
        self.problem({**at, "attributes": {"address": "x"}}, "wrong_type", "address")
        self.problem({**at, "attributes": {"interests": ["a", 1]}}, "wrong_type", "interests")
        self.problem({**at, "attributes": {"since": "2026-02-30"}}, "bad_time", "since")
        self.problem({**at, "attributes": {"phone": "call me"}}, "bad_phone", "phone")
        self.problem({**at, "attributes": {"name": "x" * 70000}}, "too_long", "name")
        self.problem({**at, "attributes": {}}, "nothing_given")
        self.problem({"event": "login"}, "missing_customer", "customer")
        self.problem({"customer": "", "event": "login"}, "empty", "customer")
        self.problem({"customer": 7, "event": "login"}, "wrong_type", "customer")
        self.problem({"customer": "x" * 257, "event": "login"}, "too_long", "customer")
        self.problem({**at, "event": "login", "tag": "x"}, "given_twice")
        self.problem({**at, "event": "login", "foo": 1}, "unknown_key", "foo")
        self.problem({**at, "event": "login", "time": "2026-01-01T00:00:00"}, "bad_time", "time")
        self.problem({**at, "event": "login", "time": rfc3339(time.time() * 1000 + 3600_000)}, "time_in_future", "time")
        self.problem(b'{"customer":"q","event":"login","data":{"device":"a","device":"b"}}', "given_twice", "device")
        self.problem(b'{"customer":"q","customer":"r","event":"login"}', "given_twice", "customer")
        self.problem(b'{"customer":"q","event":"login","data":{"device":"\xff"}}', "bad_utf8")
        self.problem(b'{"customer":"q","event":"login"} trailing', "bad_json")
        self.problem(b'{"customer":"q","event":"order_placed","data":{"quantity":01}}', "bad_json")
        self.problem(b'{"customer":"q","event":"login","data":' + b'{"a":' * 10000 + b"1" + b"}" * 10001, "unknown_field")
        self.problem(b'{"customer":"q","event":"login","data":{"device":' + b"[" * 10000 + b"]" * 10000 + b"}}", "wrong_type", "device")
        self.assertEqual(self.d.request("POST", "/v1/events", b"").status, 400)
        self.assertEqual(self.d.request("POST", "/v1/events", b"[{},").status, 400)
        # Documents may come in a body of any length; a question of a person has an end.
        self.assertEqual(self.d.head_only("POST", "/v1/silences", 17 << 20).status, 413)

    def test_types_come_out_as_they_went_in(self):
        values = {"name": "Ünïcødé 王", "phone": "+86 (21) 1234-5678", "tier": "gold", "annual_spend": 123456789012.123456, "age": -7, "score_x": 1.5e-3,
                  "since": "2024-02-29", "seen": "2026-01-01T08:00:00.5+08:00", "vip": True, "interests": ["a", "", "ü"], "address": {"city": "X", "zip": "1"}}
        body = json.dumps({"customer": "t", "attributes": values}, ensure_ascii=False).replace("123456789012.12346", "123456789012.123456")
        self.assertEqual(self.d.request("POST", "/v1/events", body.encode()).status, 200)
        raw = self.d.request("GET", "/v1/customers/t?personal=full").body
        self.assertIn(b"123456789012.123456", raw)
        got = json.loads(raw)["attributes"]
        self.assertEqual(got["seen"], "2026-01-01T00:00:00.500Z")
        for name in ("name", "phone", "tier", "age", "score_x", "since", "vip", "interests"):
            self.assertEqual(got[name], values[name])
        self.assertEqual((got["address.city"], got["address.zip"]), ("X", "1"))
        # An object is replaced as a whole, a dotted name sets one member, null removes.
        self.d.post("/v1/customers/t", {"attributes": {"address": {"city": "Y"}}})
        self.assertNotIn("address.zip", self.d.get("/v1/customers/t")["attributes"])
        self.d.post("/v1/customers/t", {"attributes": {"address.zip": "2", "name": None}})
        got = self.d.get("/v1/customers/t")["attributes"]
        self.assertEqual((got["address.city"], got["address.zip"], "name" in got), ("Y", "2", False))

    def test_wrong_type_sets_the_whole_aside_and_the_old_value_stays(self):
        self.d.post("/v1/customers/wt", {"attributes": {"tier": "gold", "age": 40}})
        batch = self.d.post("/v1/events", [{"customer": "wt", "attributes": {"age": "41", "tier": "silver"}}, {"customer": "wt", "event": "order_placed", "id": "w1", "data": {"amount": "12", "quantity": 1}}])
        self.assertEqual([r["status"] for r in batch["results"]], ["quarantined", "quarantined"])
        kept = [self.d.get(f"/v1/quarantine/{r['quarantine']}") for r in batch["results"]]
        self.assertEqual([(k["code"], k["field"]) for k in kept], [("wrong_type", "age"), ("wrong_type", "amount")])
        customer = self.d.get("/v1/customers/wt")
        self.assertEqual((customer["attributes"]["age"], customer["attributes"]["tier"], customer["events"]), (40, "gold", []))

    def test_duplicates_and_conflicts(self):
        one = {"customer": "dup", "event": "ping", "id": "p1", "time": "2026-01-01T00:00:00Z", "data": {"n": 1}}
        self.assertEqual(self.d.post("/v1/events", one)["status"], "stored")
        self.assertEqual(self.d.post("/v1/events", one)["status"], "duplicate")
        self.d.post("/v1/events", {**one, "data": {"n": 2}}, 409)
        self.assertEqual(self.d.post("/v1/events", {**one, "customer": "dup2"})["status"], "stored")
        no_time = {"customer": "dup", "event": "ping", "id": "p2", "data": {"n": 1}}
        self.assertEqual(self.d.post("/v1/events", no_time)["status"], "stored")
        time.sleep(0.01)
        self.assertEqual(self.d.post("/v1/events", no_time)["status"], "duplicate")
        self.d.post("/v1/events", {**no_time, "data": {"n": 3}}, 409)
        batch = self.d.post("/v1/events", [one, {**one, "data": {"n": 9}}, {**one, "id": "p3"}])
        self.assertEqual([r["status"] for r in batch["results"]], ["duplicate", "conflict", "stored"])
        record = self.d.get(f"/v1/quarantine/{batch['results'][1]['quarantine']}")
        self.assertEqual((record["code"], json.loads(record["raw"])["data"]), ("conflict", {"n": 9}))

    def test_batches_are_decided_line_by_line(self):
        body = (b'{"customer":"b1","event":"ping","data":{"n":1}}\n\n{broken\n{"ts":"2026-01-01T00:00:00.123Z","type":"ping","data":{"n":2},"customer":"b1","id":"g1"}\r\n'
                b'{"customer":"b1","attributes":{"age":1}}\n{"customer":"b1","tag":"vip"}\n')
        answer = self.d.request("POST", "/v1/events", body).json
        self.assertEqual([r["status"] for r in answer["results"]], ["stored", "quarantined", "stored", "stored", "stored"])
        self.assertEqual((answer["received"], answer["stored"], answer["quarantined"]), (5, 4, 1))
        self.assertEqual(answer["results"][1]["code"], "bad_json")
        self.assertEqual(len(self.d.request("POST", "/v1/events?results=problems", body).json["results"]), 1)
        customer = self.d.get("/v1/customers/b1")
        self.assertEqual(customer["tags"], ["vip"])
        self.assertEqual([e["data"]["n"] for e in customer["events"] if e["id"] == "g1"], [2], "data before its type is read too")
        pretty = json.dumps({"customer": "b2", "event": "ping", "data": {"n": 1}}, indent=2).encode()
        self.assertEqual(self.d.request("POST", "/v1/events", pretty).json, {"status": "stored"})
        self.assertEqual(self.d.post("/v1/events", [])["received"], 0)
        self.d.post("/v1/customers/b3", {"customer": "b4", "attributes": {"age": 1}}, 422)
        self.d.post("/v1/customers/b1", {"tag": "vip", "remove": True})
        self.assertEqual(self.d.get("/v1/customers/b1")["tags"], [])

    def test_imports_fire_nothing(self):
        before = self.d.counters()["fired"]
        self.d.post("/v1/import", {"customer": "im", "event": "order_placed", "data": {"amount": 5000}})
        time.sleep(0.05)
        self.assertEqual(self.d.counters()["fired"], before)


class Quarantine(unittest.TestCase):
    def test_replay_after_the_catalog_was_mended(self):
        with Daemon() as d:
            d.start()
            batch = d.post("/v1/events", [{"customer": "c", "event": "demo_asked", "id": "x1", "data": {"size": 5}}, {"customer": "c", "event": "login"},
                                          {"customer": "c", "event": "nonsense", "id": "x2"}])
            first = batch["results"][0]["quarantine"]
            self.assertEqual(d.get("/v1/quarantine")["open"], 2)
            d.post(f"/v1/quarantine/{first}/replay", status=422)
            d.write("schemas/catalog.yaml", CATALOG + "  demo_asked: {fields: {size: integer}}\n")
            self.assertTrue(d.post("/v1/reload")["changed"])
            self.assertEqual(d.post(f"/v1/quarantine/{first}/replay"), {"status": "replayed"})
            self.assertEqual([e["data"] for e in d.get("/v1/customers/c")["events"] if e["id"] == "x1"], [{"size": 5}])
            d.post(f"/v1/quarantine/{first}/replay", status=404)
            many = d.post("/v1/quarantine/replay")
            self.assertEqual((many["replayed"], many["still_quarantined"], many["problems"][0]["code"]), (0, 1, "unknown_event"))
            second = batch["results"][2]["quarantine"]
            d.post(f"/v1/quarantine/{second}/discard", {}, 400)
            d.post(f"/v1/quarantine/{second}/discard", {"reason": "a typing mistake of ours"})
            counters = d.counters()
            self.assertEqual((counters["quarantine_in"], counters["quarantine_replayed"], counters["quarantine_discarded"]), (2, 1, 1))
            self.assertEqual(d.get("/v1/quarantine")["open"], 0)
            self.assertEqual(d.stop(), 0)
            d.start()
            self.assertEqual(d.counters(), counters, "the books survive a restart")

    def test_a_full_quarantine_refuses_and_takes_in_nothing(self):
        with Daemon(config="quarantine: {entries_max: 3}\n") as d:
            d.start()
            for i in range(3):
                d.post("/v1/events", {"customer": "c", "event": "nope"}, 422)
            before = d.counters()
            answer = d.request("POST", "/v1/events", [{"customer": "c", "event": "login"}, {"customer": "c", "event": "nope"}])
            self.assertEqual(answer.status, 503, answer)
            self.assertIn("Retry-After", answer.headers)
            self.assertEqual(d.counters(), before)
            self.assertEqual(d.post("/v1/events", {"customer": "c", "event": "login"})["status"], "stored")


class Restart(unittest.TestCase):
    def test_timers_that_fell_due_while_down_fire_once_and_in_order(self):
        for how in ("stop", "kill"):
            with self.subTest(how), Daemon() as d:
                d.start()
                now = int(time.time() * 1000)
                sent = {}
                for i in range(40):  # 25 ms apart, so that the boundaries have an order
                    sent[f"c{i:02}"] = now - 1000 + i * 25
                d.lines([{"customer": c, "event": "order_placed", "id": "o", "time": rfc3339(t), "data": {"amount": 1}} for c, t in sent.items()])
                d.stop() if how == "stop" else d.kill()
                time.sleep(2.5)
                d.start()
                d.until(lambda: d.get("/v1/rules/gone")["fired"] == 40)
                decisions = {x["customer"]: x for x in d.get("/v1/decisions?rule=gone&limit=100")["decisions"]}
                self.assertEqual({c: parse_ms(x["at"]) for c, x in decisions.items()}, {c: t + 2000 for c, t in sent.items()}, "each at its own instant")
                for half in (0, 1):  # in order within each shard
                    numbers = [(parse_ms(x["at"]), x["number"]) for x in decisions.values() if half == d_shard(d, x["customer"])]
                    self.assertEqual(sorted(numbers), sorted(numbers, key=lambda n: n[1]))
                d.settled()
                self.assertEqual(d.get("/v1/rules/gone")["actions"], 40)
                messages = d.get("/v1/maildrop?limit=1000")["messages"]
                self.assertEqual(len({m["action_id"] for m in messages}), len(messages))
                digest = d.get("/v1/digest")
                d.kill()
                d.start()
                self.assertEqual(d.get("/v1/digest"), digest, "bit for bit")
                self.assertEqual(d.get("/v1/rules/gone")["fired"], 40)

    def test_everything_is_there_again(self):
        with Daemon() as d:
            d.start()
            d.post("/v1/events", [{"customer": f"c{i}", "event": "order_placed", "id": "o", "data": {"amount": 100 + i}} for i in range(50)])
            d.settled()
            d.until(lambda: d.get("/v1/rules/gone")["fired"] == 50)
            d.settled()
            seen = {path: d.get(path) for path in ("/v1/tasks?limit=1000", "/v1/actions?limit=1000", "/v1/rules", "/v1/segments", "/v1/digest")}
            counters = d.counters()
            # Pages, taken together, are the list.
            for path, key in (("/v1/decisions", "decisions"), ("/v1/decisions?rule=gone", "decisions"), ("/v1/actions?kind=ticket", "actions")):
                whole, paged, before = d.get(path + ("&" if "?" in path else "?") + "limit=1000")[key], [], ""
                while before is not None:
                    page = d.get(path + ("&" if "?" in path else "?") + f"limit=7{before}")
                    paged += page[key]
                    before = f"&before={page['next']}" if page["next"] is not None else None
                self.assertEqual(paged, whole, path)
                self.assertGreaterEqual(len(whole), 50)
            self.assertEqual(d.stop(), 0)
            d.start()
            for path, answer in seen.items():
                self.assertEqual(d.get(path), answer, path)
            self.assertEqual(d.counters(), counters)
            status = d.get("/v1/status")
            self.assertEqual(status["commit"]["replayed_blocks"], 0, "a clean stop leaves nothing to replay")


def d_shard(d, customer):
    """The shard of a customer, as murmur2 says (Kafka's partitioner)."""
    data, mask = customer.encode(), 0xFFFFFFFF
    m, h = 0x5BD1E995, (0x9747B28C ^ len(customer.encode())) & mask
    i = 0
    while len(data) - i >= 4:
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
        i += 4
    rest = data[i:]
    if len(rest) >= 3:
        h ^= rest[2] << 16
    if len(rest) >= 2:
        h ^= rest[1] << 8
    if len(rest) >= 1:
        h = (h ^ rest[0]) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    h ^= h >> 15
    return ((h & 0x7FFFFFFF) % 256) % 2


class Reload(unittest.TestCase):
    def test_keeps_state_and_is_all_or_nothing(self):
        with Daemon() as d:
            d.start()
            for i in range(20):
                d.post("/v1/events", {"customer": f"c{i}", "event": "order_placed", "id": "o", "time": rfc3339(time.time() * 1000 - 3600_000), "data": {"amount": 500}})
            d.settled()
            before = d.get("/v1/rules/big-order")
            self.assertEqual(before["fired"], 20)
            self.assertFalse(d.post("/v1/reload")["changed"], "same texts, same plan")
            d.write("rules/more.yaml", "segments:\n  ever: {where: {event: order_placed}}\nrules:\n  new-one:\n    when: {enters: ever}\n    then: [{ticket: {subject: x}}]\n")
            plan = d.post("/v1/reload")
            self.assertEqual((plan["changed"], plan["plan"]), (True, 2))
            d.until(lambda: not d.get("/v1/status")["plan"]["sweeping"])
            ever = d.get("/v1/segments/ever")
            self.assertEqual((ever["members"], d.get("/v1/rules/new-one")["fired"]), (20, 0), "members at activation are seeded, not fired on")
            after = d.get("/v1/rules/big-order")
            self.assertEqual({k: after[k] for k in ("fired", "version", "active_since")}, {k: before[k] for k in ("fired", "version", "active_since")})
            d.post("/v1/events", {"customer": "new", "event": "order_placed", "data": {"amount": 1}})
            self.assertEqual(d.get("/v1/rules/new-one")["fired"], 1)
            # Members are counted right when a segment goes and comes back.
            more = d.read("rules/more.yaml")
            d.write("rules/more.yaml", "")
            d.post("/v1/reload")
            d.until(lambda: not d.get("/v1/status")["plan"]["sweeping"])
            d.get("/v1/segments/ever", 404)
            d.write("rules/more.yaml", more)
            d.post("/v1/reload")
            d.until(lambda: not d.get("/v1/status")["plan"]["sweeping"])
            self.assertEqual(d.get("/v1/segments/ever")["members"], 21)
            # A bad set: everything stays, and the message has the place.
            d.write("rules/more.yaml", "rules:\n  new-one:\n    when: {event: order_placd}\n    then: [{ticket: {subject: x}}]\n")
            answer = d.request("POST", "/v1/reload")
            self.assertEqual((answer.status, answer.json["code"]), (422, "bad_rules"))
            self.assertIn("more.yaml:3", answer.json["text"])
            self.assertEqual(d.get("/v1/segments/ever")["members"], 21)
            # At start a bad set is refused, unless a person asks for the stored one.
            d.stop()
            with self.assertRaises(RuntimeError):
                d.start()
            self.assertIn("--use-stored-rules", d.text_log())
            d.start("--use-stored-rules")
            self.assertEqual(d.get("/v1/segments/ever")["members"], 21)
            self.assertEqual(d.get("/v1/rules/new-one")["fired"], 1)

    def test_a_new_segment_reaches_customers_on_disk(self):
        """Most of them its filter on an attribute rules out: of those the head of the record is all that is read."""
        with Daemon() as d:
            d.start()
            for i in range(40):
                d.post(f"/v1/customers/c{i}", {"attributes": {"tier": ("bronze", "silver", "gold")[i % 3], "age": i}})
                if i % 2 == 0:
                    d.post("/v1/events", {"customer": f"c{i}", "event": "order_placed", "time": rfc3339(time.time() * 1000 - 3600_000), "data": {"amount": 5}})
            d.settled()

            def reload(text):
                d.write("rules/more.yaml", text)
                d.post("/v1/reload")
                d.until(lambda: not d.get("/v1/status")["plan"]["sweeping"])

            gold = "segments:\n  gold: {where: {all: [{attribute: tier, equals: gold}, {event: order_placed}]}}\n"
            idle = "  idle: {where: {all: [{attribute: tier, in: [silver, gold]}, {attribute: age, less_than: 20}, {not: {event: order_placed}}]}}\n"
            d.stop()
            d.start()  # nobody is in memory
            reload(gold)
            self.assertEqual(d.get("/v1/segments/gold")["members"], len([i for i in range(40) if i % 3 == 2 and i % 2 == 0]))
            reload(gold + idle)
            self.assertEqual(d.get("/v1/segments/idle")["members"], len([i for i in range(20) if i % 3 and i % 2]))
            # Who was ruled out then, and no longer is, comes in.
            d.post("/v1/customers/c0", {"attributes": {"tier": "gold"}})
            d.settled()
            self.assertEqual(d.get("/v1/segments/gold")["members"], len([i for i in range(40) if i % 3 == 2 and i % 2 == 0]) + 1)
            # Another definition under the same name, and one that is gone: everybody is looked at.
            reload(gold.replace("equals: gold", "equals: silver"))
            self.assertEqual(d.get("/v1/segments/gold")["members"], len([i for i in range(40) if i % 3 == 1 and i % 2 == 0]))
            d.get("/v1/segments/idle", 404)
            reload(gold.replace("equals: gold", "equals: silver") + idle)
            self.assertEqual(d.get("/v1/segments/idle")["members"], len([i for i in range(20) if i % 3 and i % 2]))

    def test_a_changed_type_is_refused(self):
        with Daemon() as d:
            d.start()
            d.write("schemas/catalog.yaml", CATALOG.replace("age: {type: integer}", "age: {type: text}"))
            answer = d.request("POST", "/v1/reload")
            self.assertEqual(answer.status, 422, answer)
            self.assertIn("age", answer.json["detail"])


class Start(unittest.TestCase):
    def run_nudged(self, d, *arguments):
        return subprocess.run([d.program, "--config", d.home + "/nudge.yaml", *arguments], capture_output=True, text=True, timeout=60, cwd=d.home)

    def test_mistakes_at_start_say_what_to_do(self):
        with Daemon() as d:
            d.start()
            second = self.run_nudged(d)
            self.assertEqual(second.returncode, 1)
            self.assertIn(str(d.process.pid), second.stderr, "names the process that has the directory")
            other = self.run_nudged(d, "--set", "data_dir=other", "--set", f"http.port={d.port}")
            self.assertEqual(other.returncode, 1)
            self.assertIn(str(d.port), other.stderr)
            self.assertEqual(self.run_nudged(d, "--bogus").returncode, 2)
            self.assertEqual(self.run_nudged(d, "--dry-run").returncode, 0)
            self.assertIn("http.port", self.run_nudged(d, "--print-config").stdout.replace("http:\n  port", "http.port").replace("http:", "http.port"))
            self.assertIn("0.", self.run_nudged(d, "--version").stdout)
            d.write("rules/bad.yaml", "rules:\n  x:\n    when: {event: nope}\n    then: [{email: {to: a, subject: b, text: \"{{ customer.nope }}\"}}]\n")
            dry = self.run_nudged(d, "--dry-run")
            self.assertEqual(dry.returncode, 1)
            self.assertIn("bad.yaml:3", dry.stderr)
            self.assertIn("bad.yaml:4", dry.stderr)

    def test_the_token_guards_everything_but_health(self):
        with Daemon() as d:
            d.write("token", "s3cret")
            os.chmod(d.home + "/token", 0o600)
            d.write("nudge.yaml", d.read("nudge.yaml").replace("http: {port: 0}", f"http: {{port: 0, token: {{file: {d.home}/token}}}}"))
            d.start()
            good = {"Authorization": "Bearer s3cret"}
            for method, path in (("GET", "/v1/status"), ("GET", "/metrics"), ("POST", "/v1/events"), ("POST", "/v1/reload")):
                self.assertEqual(d.request(method, path, b"{}" if method == "POST" else None).status, 401, path)
                self.assertEqual(d.request(method, path, b"{}" if method == "POST" else None, {"Authorization": "Bearer s3cre"}).status, 401, path)
            self.assertEqual(d.request("GET", "/v1/status", headers=good).status, 200)
            self.assertEqual(d.request("POST", "/v1/events", {"customer": "c", "event": "login"}, good).status, 200)
            self.assertEqual((d.request("GET", "/-/healthy").status, d.request("GET", "/-/ready").status), (200, 200))
            self.assertNotIn("s3cret", d.text_log())

    def test_a_missing_secret_is_named(self):
        config = "connectors:\n  mail: {kind: smtp, host: 127.0.0.1, password: {file: /nonexistent/secret}}\n"
        with Daemon(config=config) as d:
            out = self.run_nudged(d)
            self.assertEqual(out.returncode, 1)
            self.assertIn("/nonexistent/secret", out.stderr)


class Pressure(unittest.TestCase):
    def test_a_flood_is_answered_with_429_and_nothing_is_lost(self):
        with Daemon(config="intake: {queue_bytes_max: 1MiB}\nhttp: {port: 0, io_threads: 4}\n") as d:
            d.start()
            import concurrent.futures
            documents = [[{"customer": f"c{n % 7}", "event": "ping", "id": f"{k}-{n}", "data": {"n": n}} for n in range(12000)] for k in range(16)]
            refused = 0

            def send(batch):
                body = json.dumps(batch).encode()
                tries = 0
                while True:
                    answer = d.request("POST", "/v1/events?results=problems", body)
                    if answer.status == 200:
                        return tries, answer.json["stored"] + answer.json["duplicate"]
                    self.assertEqual(answer.status, 429, answer)
                    self.assertGreater(int(answer.headers["Retry-After"]), 0)
                    tries += 1
                    time.sleep(0.02)

            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                outcomes = list(pool.map(send, documents))
            refused = sum(o[0] for o in outcomes)
            self.assertEqual(sum(o[1] for o in outcomes), 16 * 12000)
            self.assertGreater(refused, 0, "the limit was never reached: the test shows nothing")
            counters = d.counters()
            self.assertEqual(counters["stored"], 16 * 12000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
