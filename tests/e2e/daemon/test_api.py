#!/usr/bin/env python3
"""The routes out: pages, search, masking, and who may see what. NUDGED=path/to/nudged."""
import http.client
import json
import os
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon  # noqa: E402

PASSWORD = "correct horse battery"


def walk(d, path, key, limit):
    """All pages of a list, and how many there were."""
    items, cursor, pages = [], None, 0
    while True:
        page = d.get(f"{path}{'&' if '?' in path else '?'}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        items += page[key]
        pages += 1
        cursor = page["next"]
        if cursor is None:
            return items, pages


class Lists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon()
        cls.d.start()
        cls.d.lines([{"customer": f"c{i:03}", "attributes": {"name": f"{'王芳' if i % 3 else 'Ann'} {i}", "phone": f"+86 138 0013 {i:04}",
                                                             "email": f"P{i}@example.com", "tier": ["bronze", "silver", "gold"][i % 3]}} for i in range(60)])
        cls.d.lines([{"customer": f"c{i:03}", "event": "order_placed", "id": "o", "data": {"amount": 100 + i}} for i in range(0, 60, 2)])

    @classmethod
    def tearDownClass(cls):
        cls.d.close()

    def test_customers_are_found_by_what_people_know_of_them(self):
        d = self.d
        found = lambda q: d.get("/v1/customers?" + q)["customers"]  # noqa: E731
        self.assertEqual(found("q=p17@EXAMPLE"), ["c017"])
        self.assertEqual(found("q=13800130042"), ["c042"], "digits of a number that was sent with spaces")
        self.assertEqual(found("q=138%200013%200042"), ["c042"])
        self.assertEqual(found("q=c00"), [f"c00{i}" for i in range(10)])
        self.assertEqual(len(found("q=%E7%8E%8B%E8%8A%B3")), 40)
        self.assertEqual(found("q=nothing-like-it"), [])
        self.assertEqual(len(found("attribute=tier:gold")), 20)
        self.assertEqual(set(found("attribute=tier:gold&q=p1")), {f"c{i:03}" for i in range(60) if i % 3 == 2 and str(i).startswith("1")})
        for bad, word in [("attribute=phone:1", "can't be filtered"), ("attribute=tier:tin", "none of the values"), ("attribute=tier", "a name and a value"),
                          ("sort=size", "sort"), ("q=c&cursor=zz", "cursor")]:
            answer = d.request("GET", "/v1/customers?" + bad)
            self.assertEqual((answer.status, answer.json["code"]), (400, "invalid"))
            self.assertIn(word, answer.json["detail"])
        self.assertEqual(d.request("GET", "/v1/customers?segment=nope").status, 404)
        # What comes in is found at once.
        d.post("/v1/events", {"customer": "new", "attributes": {"name": "Zoë Quill"}})
        self.assertEqual(found("q=ZO%C3%8B"), ["new"])
        d.post("/v1/events", {"customer": "new", "attributes": {"name": "Other"}})
        self.assertEqual(found("q=quill"), [])

    def test_pages_are_stable_in_every_order(self):
        d = self.d
        for sort in ("customer", "-customer", "name", "-name", "changed", "-changed"):
            whole = d.get(f"/v1/customers?q=c0&sort={sort}")
            self.assertIsNone(whole["next"])
            for limit in (1, 7, 60):
                ids, pages = walk(d, f"/v1/customers?q=c0&sort={sort}", "customers", limit)
                self.assertEqual(ids, whole["customers"], sort)
                self.assertEqual(pages, -(-whole["total"] // limit))
        names = [r["attributes"]["name"] for r in d.get("/v1/customers?q=c0&sort=name&rows=true&personal=full")["rows"]]
        self.assertEqual(names, sorted(names, key=lambda n: n.casefold().encode()))

    def test_members_of_a_segment_come_and_go(self):
        with Daemon() as d:
            d.start()
            d.lines([{"customer": f"m{i}", "event": "order_placed", "id": "o", "data": {"amount": 1}} for i in range(5)])
            self.assertEqual(d.get("/v1/customers?segment=buyers")["total"], 5)
            d.until(lambda: d.get("/v1/customers?segment=buyers")["total"] == 0)
            self.assertEqual(d.get("/v1/customers?q=m")["total"], 5)

    def test_tasks_decisions_and_actions_page_through_everything_once(self):
        d = self.d
        all_tasks = d.get("/v1/tasks?limit=10000")
        self.assertEqual(all_tasks["total"], 30)
        self.assertIsNone(all_tasks["next"])
        for sort in ("", "due", "-due", "created", "-priority", "number"):
            tasks, _ = walk(d, "/v1/tasks?" + (f"sort={sort}" if sort else ""), "tasks", 7)
            self.assertEqual(sorted(t["number"] for t in tasks), sorted(t["number"] for t in all_tasks["tasks"]), sort)
            if sort.lstrip("-") in ("due", "created"):
                order = [t[sort.lstrip("-")] for t in tasks]
                self.assertEqual(order, sorted(order, reverse=sort.startswith("-")))
        self.assertEqual(d.get("/v1/tasks?q=C058")["total"], 1)
        self.assertEqual(d.request("GET", "/v1/tasks?sort=colour").status, 400)
        for key in ("decisions", "actions"):
            items, pages = walk(d, f"/v1/{key}?rule=big-order", key, 8)
            numbers = [x["number"] for x in items]
            self.assertEqual(numbers, sorted(set(numbers), reverse=True))
            self.assertGreater(pages, 3)
        self.assertEqual(d.get("/v1/decisions?fired=false")["decisions"], [])
        self.assertEqual({a["kind"] for a in d.get("/v1/actions?channel=email")["actions"]}, {"email"})


class Masking(unittest.TestCase):
    def setUp(self):
        self.d = Daemon()
        self.addCleanup(self.d.close)
        self.d.start()
        self.d.post("/v1/customers/c1", {"attributes": {"name": "O'Brien \"Bo\"", "phone": "13812345678", "email": "w@example.com", "tier": "gold"}})
        self.d.post("/v1/events", {"customer": "c1", "event": "order_placed", "id": "o1", "data": {"amount": 250, "sku": "A"}})
        self.d.post("/v1/events", {"customer": "c1", "attributes": {"phone": "+8613999998888", "nope": 1}}, 422)
        self.d.settled()

    secrets = ("Brien", "12345678", "999988")

    def test_personal_data_is_masked_until_somebody_asks_for_it(self):
        d = self.d
        task = d.get("/v1/tasks")["tasks"][0]
        action = next(a["id"] for a in d.get("/v1/actions")["actions"] if a["kind"] == "email")
        routes = ["/v1/customers/c1", "/v1/customers?rows=true", "/v1/tasks", "/v1/tasks/" + task["id"], "/v1/actions", "/v1/actions/" + action, "/v1/decisions",
                  "/v1/decisions?customer=c1", "/v1/explain?customer=c1&rule=big-order", "/v1/preview?customer=c1&rule=big-order", "/v1/quarantine", "/v1/quarantine/1",
                  "/v1/maildrop"]
        for route in routes:
            text = d.request("GET", route).body.decode()
            for secret in self.secrets:
                self.assertNotIn(secret, text, route)
        customer = d.get("/v1/customers/c1")
        self.assertEqual(customer["attributes"]["phone"], "138****5678")
        self.assertEqual(customer["attributes"]["tier"], "gold")
        self.assertEqual(sorted(customer["masked"]), ["name", "phone"])
        self.assertEqual(task["subject"], "Call O***")
        self.assertIn("+86139****8888", d.get("/v1/quarantine")["records"][0]["raw"])
        full = d.get("/v1/customers/c1?personal=full")
        self.assertEqual((full["attributes"]["name"], full["attributes"]["phone"]), ("O'Brien \"Bo\"", "13812345678"))
        self.assertNotIn("masked", full)
        self.assertEqual(d.get("/v1/tasks?personal=full")["tasks"][0]["subject"], "Call O'Brien \"Bo\"")
        self.assertIn("13999998888", d.get("/v1/quarantine?personal=full")["records"][0]["raw"])
        self.assertEqual(d.request("GET", "/v1/customers/c1?personal=yes").status, 400)

    def test_only_some_roles_may_see_it_and_each_look_is_on_record(self):
        d = self.d
        local = {"Authorization": "Bearer " + d.read("data/nudged.token").strip()}
        tokens = {}
        for role in ("viewer", "salesperson", "manager", "author", "operator", "admin"):
            made = d.request("POST", "/v1/tokens", {"name": "t-" + role, "roles": [role]}, local)
            tokens[role] = {"Authorization": "Bearer " + made.json["token"]}
        ask = lambda role, path: d.request("GET", path, None, tokens[role])  # noqa: E731
        self.assertEqual(ask("viewer", "/v1/customers/c1").status, 403)
        for role in ("author", "operator"):
            self.assertEqual(ask(role, "/v1/customers/c1").status, 200)
            refused = ask(role, "/v1/customers/c1?personal=full")
            self.assertEqual((refused.status, refused.json["code"]), (403, "http.forbidden"))
            self.assertNotIn("Brien", refused.body.decode())
        for role in ("salesperson", "manager", "admin"):
            self.assertEqual(ask(role, "/v1/customers/c1?personal=full").json["attributes"]["phone"], "13812345678")
        self.assertEqual(ask("operator", "/v1/quarantine?personal=full").status, 200)
        self.assertEqual(ask("salesperson", "/v1/quarantine?personal=full").status, 403)
        records = [r for r in d.request("GET", "/v1/audit?limit=1000", None, local).json["records"] if r["action"] == "personal.read"]
        self.assertEqual([r["actor"] for r in records], ["token:t-salesperson", "token:t-manager", "token:t-admin", "token:t-operator"])
        self.assertEqual(len({r["target"] for r in records[:3]}), 1)
        self.assertRegex(records[0]["target"], r"^GET /v1/customers/customer-[0-9a-f]{24}$", "a customer stands in the record by a pseudonym")

    def test_who_did_it_is_who_is_logged_in(self):
        d = self.d
        local = {"Authorization": "Bearer " + d.read("data/nudged.token").strip()}
        self.assertEqual(d.request("POST", "/v1/users", {"name": "lin", "roles": ["manager"], "password": PASSWORD}, local).status, 201)
        session = d.request("POST", "/v1/session", {"user": "lin", "password": PASSWORD})
        lin = {"Cookie": session.headers["Set-Cookie"].split(";")[0], "X-Nudge-CSRF": session.json["csrf"]}
        task = d.request("GET", "/v1/tasks", None, lin).json["tasks"][0]["id"]
        self.assertEqual(d.request("POST", f"/v1/tasks/{task}/complete", {"disposition": "won", "by": "somebody else"}, lin).status, 200)
        self.assertEqual(d.request("GET", "/v1/tasks/" + task, None, lin).json["done_by"], "lin")
        silence = d.request("POST", "/v1/silences", {"rule": "gone", "for": "1h", "author": "the boss", "reason": "x"}, lin)
        self.assertEqual(silence.json["author"], "lin")
        self.assertEqual(d.request("POST", "/v1/silences", {"rule": "gone", "for": "1h", "reason": "x"}, lin).json["author"], "lin", "need not be said")
        made = d.request("POST", "/v1/tokens", {"name": "crm", "roles": ["manager"]}, local).json["token"]
        by_machine = d.request("POST", "/v1/silences", {"rule": "gone", "for": "1h", "author": "wu", "reason": "x"}, {"Authorization": "Bearer " + made})
        self.assertEqual(by_machine.json["author"], "wu by token:crm")


class Tail:
    """Somebody who listens to a tail."""

    def __init__(self, d, what, headers=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", d.port, timeout=30)
        self.connection.request("GET", "/v1/tail/" + what, headers={"Accept": "text/event-stream", **(headers or {})})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.last = None
        assert self.message()["event"] == "open"

    def message(self):
        """The next one that is no sign of life."""
        fields = {}
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if line.startswith("id: "):
                self.last = line[4:]
            if not line and "event" in fields:
                return {**fields, "data": json.loads(fields.get("data", "{}"))}
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value

    def close(self):
        self.connection.close()


class Streams(unittest.TestCase):
    def setUp(self):
        self.d = Daemon()
        self.addCleanup(self.d.close)
        self.d.start()

    def send(self, numbers):
        self.d.lines([{"customer": f"c{i % 3}", "event": "order_placed", "id": f"o{i}", "data": {"amount": 90 + i}} for i in numbers])

    def said_once(self, heard, count):
        """All of them, once, and each customer's in order."""
        numbers = [int(ident[1:]) for ident in heard]
        self.assertEqual(sorted(numbers), list(range(count)))
        for customer in range(3):
            mine = [n for n in numbers if n % 3 == customer]
            self.assertEqual(mine, sorted(mine))

    def test_a_tail_says_everything_once_also_over_a_break_and_a_restart(self):
        d = self.d
        self.assertEqual(d.request("GET", "/v1/tail/events").status, 406)
        self.assertEqual(d.request("GET", "/v1/tail/nothing").status, 404)
        self.assertEqual(d.request("GET", "/v1/tail/events?after=x", headers={"Accept": "text/event-stream"}).status, 400)
        tail = Tail(d, "events?event=order_placed")
        heard = []
        for part in range(4):
            self.send(range(part * 10, part * 10 + 10))
            while len(heard) < part * 10 + (10 if part < 3 else 5):
                message = tail.message()
                self.assertEqual(message["event"], "event")
                heard.append(message["data"]["id"])
            if part == 1:  # in the middle, twice: the tail breaks, the daemon ends
                tail.close()
                d.kill()
                d.start()
                tail = Tail(d, "events?event=order_placed", {"Last-Event-ID": tail.last})
        last = tail.last  # in the middle of a block
        tail.close()
        tail = Tail(d, "events?event=order_placed", {"Last-Event-ID": last})
        heard += [tail.message()["data"]["id"] for _ in range(5)]
        self.said_once(heard, 40)
        tail.close()

    def test_decisions_actions_and_edges(self):
        d = self.d
        d.post("/v1/events", {"customer": "c0", "attributes": {"name": "Secret Name"}})
        tail = Tail(d, "all?customer=c0")
        self.send([0, 21])
        seen = {}
        while not {"event", "decision", "action", "edge"} <= seen.keys():
            message = tail.message()
            self.assertNotIn("Secret Name", json.dumps(message["data"]))
            self.assertEqual(message["data"]["customer"], "c0")
            seen.setdefault(message["event"], message["data"])
        self.assertEqual((seen["decision"]["rule"], seen["decision"]["fired"]), ("big-order", True))
        self.assertEqual((seen["edge"]["segment"], seen["edge"]["entered"]), ("buyers", True))
        self.assertIn(seen["action"]["kind"], ("call_task", "email"))
        while seen["edge"]["entered"]:  # two seconds later, by time alone
            message = tail.message()
            if message["event"] == "edge":
                seen["edge"] = message["data"]
        tail.close()

    def test_an_export_imported_elsewhere_gives_the_same_customers(self):
        d = self.d
        d.lines([{"customer": "c0", "attributes": {"name": "Ann", "tier": "gold", "annual_spend": 1.25, "interests": ["a"]}, "id": "a1", "time": "2026-01-02T03:04:05Z"},
                 {"customer": "c0", "attributes": {"tier": "silver"}, "id": "a2", "time": "2026-02-02T03:04:05Z"},
                 {"customer": "c0", "tag": "vip", "id": "t1", "time": "2026-01-03T00:00:00Z"}])
        self.send(range(30))
        d.settled()
        answer = d.request("GET", "/v1/export/documents?personal=full")
        documents = [json.loads(line) for line in answer.body.splitlines()]
        self.assertEqual(answer.headers["Content-Type"], "application/x-ndjson")
        self.assertGreaterEqual(len(documents), 33)
        self.assertNotIn(b'"Ann"', d.request("GET", "/v1/export/documents").body)
        with Daemon() as other:
            other.start()
            mine = [x for x in documents if not x["id"].startswith("nudge:")]
            result = other.lines(mine, "/v1/import")
            self.assertEqual(result["stored"], len(mine), result)
            for key in ("attributes", "tags"):
                self.assertEqual(other.get("/v1/customers/c0?personal=full")[key], d.get("/v1/customers/c0?personal=full")[key])
        tasks = d.get("/v1/tasks?limit=1000")["tasks"]
        self.assertEqual(len(d.request("GET", "/v1/export/tasks").body.splitlines()), len(tasks))
        self.assertEqual(len(d.request("GET", "/v1/export/actions").body.splitlines()), d.counters()["actions"])
        self.assertEqual(len(d.request("GET", "/v1/export/decisions").body.splitlines()), d.counters()["decisions"])
        self.assertEqual(d.request("GET", "/v1/export/nothing").status, 404)
        one = d.get("/v1/customers/c0/export")
        then, now = ({x["id"] for x in these if x["customer"] == "c0"} for these in (documents, one["documents"]))
        self.assertLessEqual(then, now)
        # A message's outcome may have come between the two.
        self.assertEqual([x for x in now - then if not x.startswith("nudge:")], [])
        self.assertEqual({a["customer"] for a in one["actions"]} | {x["customer"] for x in one["decisions"]}, {"c0"})
        actions = {r["action"] for r in d.get("/v1/audit?limit=1000")["records"]}
        self.assertLessEqual({"export", "customer.export", "personal.read"}, actions)

    def test_a_listener_who_takes_nothing_holds_nobody_up(self):
        d = self.d
        lazy = socket.create_connection(("127.0.0.1", d.port))
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.sendall(b"GET /v1/tail/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        quick = Tail(d, "events?event=order_placed")
        for part in range(20):
            self.send(range(part * 500, part * 500 + 500))
        heard = [quick.message()["data"]["id"] for _ in range(10_000)]
        self.said_once(heard, 10_000)
        lazy.close()
        quick.close()



class Series(unittest.TestCase):
    """What rules and segments did over time."""

    def test_curves_add_up_to_the_sums_and_survive_a_kill(self):
        rules = """
segments:
  ever: {where: {event: order_placed}}
  spender: {where: {event: order_placed, sum: {field: amount, at_least: 150}}}
  none: {where: {event: order_placed, count: {at_least: 99}}}
rules:
  thanks:
    when: {event: order_placed}
    then: [{email: {to: "a@example.com", subject: Hello, text: there}}]
    limits: {once_per: 90d}
  never: {when: {event: login}, then: [{ticket: {subject: x}}]}
"""
        with Daemon(rules=rules, config="timezone: Asia/Shanghai\n") as d:
            d.start()
            begun = d.get("/v1/series?last=2")
            self.assertEqual([len(begun["times"]), len(begun["rules"]), len(begun["segments"])], [2, 2, 3])
            self.assertEqual(begun["since"], begun["times"][-1], "nothing was recorded before the start")
            self.assertEqual(begun["rules"][0]["fired"], [None, 0])
            d.lines([{"customer": f"c{i}", "event": "order_placed", "id": "o1", "data": {"amount": 100}} for i in range(8)])
            d.lines([{"customer": f"c{i}", "event": "order_placed", "id": "o2", "data": {"amount": 100}} for i in range(3)])
            d.settled()
            # The hour may turn while this runs: sums over the row.
            total = lambda row: sum(v or 0 for v in row)  # noqa: E731

            def look():
                rule = d.get("/v1/rules/thanks/series?last=3")
                self.assertEqual([total(rule[k]) for k in ("fired", "held", "actions", "accepted", "failed")], [8, 3, 8, 8, 0])
                segment = d.get("/v1/segments/spender/series?by=day&last=2")
                self.assertEqual((segment["by"], segment["zone"], segment["times"][-1][11:]), ("day", "Asia/Shanghai", "16:00:00Z"))
                self.assertEqual((segment["members"][-1], total(segment["entered"]), total(segment["left"])), (3, 3, 0))
                every = d.get("/v1/series?last=3")
                self.assertEqual({r["name"]: total(r["fired"]) for r in every["rules"]}, {"thanks": 8, "never": 0})
                self.assertEqual({s["name"]: s["members"][-1] for s in every["segments"]}, {"ever": 8, "spender": 3, "none": 0})
                self.assertEqual(every["times"], sorted(every["times"]))
                return every["since"]

            since = look()
            d.kill()
            d.start()
            self.assertEqual(look(), since)
            d.stop()
            d.start()
            self.assertEqual(look(), since)
            self.assertEqual(d.get("/v1/rules/thanks/series?last=3&to=2020-01-01T00:30:00Z")["times"],
                             ["2019-12-31T22:00:00Z", "2019-12-31T23:00:00Z", "2020-01-01T00:00:00Z"])
            self.assertEqual(d.get("/v1/rules/thanks/series?last=1&to=2020-01-01T00:30:00Z")["fired"], [None])

            changes, pages = walk(d, "/v1/segments/spender/changes", "changes", 2)
            self.assertEqual(sorted(c["customer"] for c in changes), ["c0", "c1", "c2"])
            self.assertEqual(pages, 2)
            self.assertTrue(all(c["change"] == "entered" and not c["silent"] and c["at"] for c in changes))
            self.assertEqual(walk(d, "/v1/segments/none/changes", "changes", 2), ([], 1))
            # Members: from memory now, judged anew for an instant.
            self.assertEqual(d.get("/v1/segments/spender/members")["members"], ["c0", "c1", "c2"])
            page = d.get("/v1/segments/ever/members?limit=3")
            self.assertEqual((page["members"], page["total"], page["next"]), (["c0", "c1", "c2"], 8, "c2"))
            rest = d.get("/v1/segments/ever/members?after=c2")
            self.assertEqual((rest["members"], rest["total"], rest["next"]), ([f"c{i}" for i in range(3, 8)], 8, None))
            judged = d.get(f"/v1/segments/ever/members?after=c2&limit=3&at={rest['at']}")
            self.assertEqual((judged["members"], judged["total"], judged["next"]), (["c3", "c4", "c5"], 8, "c5"))
            ever, _ = walk(d, "/v1/segments/ever/changes", "changes", 3)
            self.assertEqual(len(ever), 8)
            self.assertEqual([c["at"] for c in ever], sorted((c["at"] for c in ever), reverse=True))
            d.lines([{"customer": "old", "event": "order_placed", "id": "o", "data": {"amount": 500}}], path="/v1/import")
            newest = d.get("/v1/segments/spender/changes?limit=1")["changes"][0]
            self.assertEqual((newest["customer"], newest["silent"]), ("old", True))
            for bad in ("by=week", "last=0", "last=2001", "by=day&last=401", "to=now"):
                answer = d.request("GET", "/v1/series?" + bad)
                self.assertEqual((answer.status, answer.json["code"]), (400, "invalid"), bad)
            for bad in ("limit=0", "cursor=7", "cursor=a.b", "cursor=1.2.3"):
                self.assertEqual(d.request("GET", "/v1/segments/spender/changes?" + bad).status, 400, bad)



class Conditions(unittest.TestCase):
    """ETag, If-None-Match, If-Match."""

    def test_who_has_it_already_is_told_so(self):
        with Daemon() as d:
            d.start()
            d.post("/v1/events", {"customer": "c", "event": "order_placed", "id": "o", "data": {"amount": 500}})
            d.settled()
            task = d.get("/v1/tasks")["tasks"][0]["id"]
            paths = ["/v1/rules", "/v1/rules/big-order", "/v1/segments", "/v1/segments/buyers", "/v1/segments/buyers/members", "/v1/policies", "/v1/silences", "/v1/versions", "/v1/versions/1",
                     "/v1/customers", "/v1/customers/c", "/v1/tasks", f"/v1/tasks/{task}", "/v1/teams", "/v1/decisions", "/v1/actions"]

            def tags():
                return {path: d.request("GET", path).headers["ETag"] for path in paths}

            d.until(lambda: d.get("/v1/rules/gone")["fired"] == 1)  # two seconds later: the segment is left
            d.settled()
            known = tags()
            for path, tag in known.items():
                again = d.request("GET", path, headers={"If-None-Match": tag})
                self.assertEqual((again.status, again.body, again.headers["ETag"]), (304, b"", tag), path)
                head = d.request("HEAD", path, headers={"If-None-Match": '"x", ' + tag})
                self.assertEqual(head.status, 304, path)
                self.assertEqual(d.request("GET", path, headers={"If-None-Match": '"x"'}).status, 200, path)
                self.assertEqual(d.request("GET", path, headers={"If-Match": '"x"'}).status, 412, path)
            d.post("/v1/events", {"customer": "c", "event": "order_placed", "id": "o2", "data": {"amount": 500}})
            d.settled()
            for path in ("/v1/rules", "/v1/rules/big-order", "/v1/segments/buyers", "/v1/segments/buyers/members", "/v1/customers/c", "/v1/tasks", "/v1/decisions", "/v1/actions"):
                self.assertEqual(d.request("GET", path, headers={"If-None-Match": known[path]}).status, 200, path)
            self.assertEqual(d.request("GET", "/v1/versions/1", headers={"If-None-Match": known["/v1/versions/1"]}).status, 304)

    def test_a_change_of_a_task_may_insist_on_what_was_seen(self):
        with Daemon() as d:
            d.start()
            d.post("/v1/events", {"customer": "c", "event": "order_placed", "id": "o", "data": {"amount": 500}})
            d.settled()
            task = d.get("/v1/tasks")["tasks"][0]
            path = f"/v1/tasks/{task['id']}"
            seen = d.request("GET", path).headers["ETag"]
            other = "wu" if task["owner"] == "lin" else "lin"
            d.post(path + "/reassign", {"to": other, "reason": "holiday"}, headers={"If-Match": seen})
            for word, body in (("reassign", {"to": "lin", "reason": "x"}), ("complete", {"disposition": "sold"}), ("cancel", {"reason": "x"}), ("accept", {"by": other})):
                answer = d.request("POST", f"{path}/{word}", body, {"If-Match": seen})
                self.assertEqual((answer.status, answer.json["code"]), (412, "http.changed"), word)
            now = d.request("GET", path)
            self.assertEqual((now.json["owner"], now.json["state"]), (other, "open"))
            d.post(path + "/complete", {"disposition": "sold"}, headers={"If-Match": '"x.y", ' + now.headers["ETag"]})
            self.assertEqual(d.get(path)["state"], "done")
            self.assertEqual(d.request("POST", path + "/cancel", {"reason": "x"}, {"If-Match": now.headers["ETag"]}).status, 412, "closed since")
            self.assertEqual(d.request("POST", path + "/cancel", {"reason": "x"}).status, 409)

    def test_of_many_who_saw_the_same_one_is_first(self):
        with Daemon() as d:
            d.start()
            d.post("/v1/events", {"customer": "c", "event": "order_placed", "id": "o", "data": {"amount": 500}})
            d.settled()
            task = d.get("/v1/tasks")["tasks"][0]
            path = f"/v1/tasks/{task['id']}"
            other = "wu" if task["owner"] == "lin" else "lin"
            seen = d.request("GET", path).headers["ETag"]
            got = []
            threads = [threading.Thread(target=lambda i=i: got.append(d.request("POST", path + "/reassign", {"to": other, "reason": f"r{i}"}, {"If-Match": seen}).status))
                       for i in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(sorted(got), [200] + [412] * 7)

    def test_rules_are_applied_to_the_version_that_was_looked_at(self):
        with Daemon(config="rules_from: apply\n") as d:
            d.start()
            draft = lambda w: {"rules": [{"name": "rules.yaml", "text": f"segments: {{buyers: {{where: {{event: {w}}}}}}}"}]}  # noqa: E731
            seen = d.request("GET", "/v1/rules").headers["ETag"]
            plan = d.post("/v1/plans", draft("login"))["id"]
            answer = d.request("POST", f"/v1/plans/{plan}/apply", {}, {"If-Match": '"v7.0"'})
            self.assertEqual((answer.status, answer.json["code"]), (412, "http.changed"))
            stale = d.post("/v1/plans", draft("ping"))["id"]
            d.post(f"/v1/plans/{plan}/apply", {}, headers={"If-Match": seen})
            self.assertEqual(d.request("POST", f"/v1/plans/{stale}/apply", {}, {"If-Match": seen}).status, 412)
            self.assertEqual(d.request("POST", f"/v1/plans/{stale}/apply", {}).json["code"], "moved")
            newer = d.post("/v1/plans", draft("ping"))["id"]
            self.assertEqual(d.request("POST", f"/v1/plans/{newer}/apply", {}, {"If-Match": seen}).status, 412, "looked at before the last version")
            d.post(f"/v1/plans/{newer}/apply", {}, headers={"If-Match": d.request("GET", "/v1/segments/buyers").headers["ETag"]})

    def test_a_condition_that_nobody_looks_at_is_refused(self):
        with Daemon() as d:
            d.start()
            for path, body, header in (("/v1/events", {"customer": "c", "event": "login"}, "If-Match"), ("/v1/customers/c", {"tag": "x"}, "If-Match"), ("/v1/stop-all", {"stop": "on"}, "If-Match"),
                                       ("/v1/reload", b"", "If-Unmodified-Since"), ("/v1/events", {"customer": "c", "event": "login"}, "If-None-Match")):
                answer = d.request("POST", path, body, {header: "*"})
                self.assertEqual((answer.status, answer.json["code"]), (400, "http.no_condition"), path)
            self.assertEqual(d.get("/v1/customers?total=true")["total"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
