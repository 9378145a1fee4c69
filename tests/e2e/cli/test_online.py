#!/usr/bin/env python3
"""nudge against a real nudged: questions, work, intake, quarantine, import, reload."""
import datetime
import gzip
import json
import os
import pathlib
import tempfile
import time
import unittest

from support import CATALOG, RULES, NUDGE, nudge, project
from daemon import Online

ORDERS_MAP = """
empty: ["", "NULL"]
time_zone: Asia/Shanghai
rows:
  - customer: who
    event: order_placed
    time: {column: when, format: "%d.%m.%Y %H:%M"}
    data:
      amount: amount
      sku: {column: product, map: {SÄGE: saw, axe: null}}
      quantity: {column: n, default: "1"}
      placed: {column: when, format: "%d.%m.%Y %H:%M"}
"""
PEOPLE_MAP = """
delimiter: ";"
encoding: gb18030
rows:
  - customer: {text: "p-{id}"}
    time: 2020-01-01
    attributes:
      name: name
      since: {column: since, format: "%Y/%m/%d"}
      vip: {column: vip, map: {是: "true", 否: "false"}, map_only: true}
      interests: {column: likes, split: "|"}
      spend: spend
"""


def now(offset_s=0):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset_s)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class OnlineTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory()
        cls.folder = project(cls.temp.name)
        cls.daemon = Online(NUDGE, os.environ["NUDGED"], cls.folder, [])
        cls.daemon.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__()
        cls.temp.cleanup()

    def nudge(self, *args, **more):
        return nudge(*args, url=self.daemon.url, **more)

    def ok(self, *args, **more):
        ran = self.nudge(*args, **more)
        self.assertEqual(ran.code, 0, ran)
        return ran.out

    def json(self, *args):
        return json.loads(self.ok("-o", "json", *args))

    def post(self, *documents, code=0):
        ran = self.nudge("events", "post", "-", stdin="".join(json.dumps(d) + "\n" for d in documents))
        self.assertEqual(ran.code, code, ran)
        return ran

    def until(self, question):
        for _ in range(200):
            answer = question()
            if answer:
                return answer
            time.sleep(0.05)
        self.fail("waited in vain")

    def order(self, customer, ident, amount, **more):
        return {"customer": customer, "event": "order_placed", "id": ident, "time": now(), "data": {"amount": amount, "sku": "saw"}, **more}

    def test_from_event_to_task_and_why(self):
        self.post({"customer": "w1", "attributes": {"tier": "gold", "name": "王芳"}, "id": "a1"})
        self.post(self.order("w1", "o1", 150))
        task = self.until(lambda: self.json("--personal", "tasks", "--customer", "w1")["tasks"])[0]
        self.assertEqual((task["subject"], task["owner"], task["mandatory"]), ("Thank 王芳", "lin", True))
        table = self.ok("tasks", "--owner", "lin")
        self.assertRegex(table, r"DUE +OWNER|DUE ")
        self.assertIn("Thank 王***", table)
        self.assertNotIn("\033", table)
        self.assertNotIn("王芳", self.ok("customer", "w1"))
        shown = self.ok("customer", "w1", "--personal")
        for part in ("王芳", "buyers", "order_placed", "big-order", "Thank 王芳"):
            self.assertIn(part, shown)
        why = self.ok("explain", "w1", "big-order")
        self.assertIn("✓", why)
        self.assertIn("tier", why)
        self.assertIn("✓", self.ok("explain", "w1", "buyers"))
        self.post(self.order("w2", "o2", 500))
        self.assertIn("✗", self.ok("explain", "w2", "big-order"))
        self.assertEqual(self.nudge("explain", "nobody", "big-order").code, 1)
        self.assertIn("no rule", self.nudge("explain", "w1", "no-such").err)
        self.until(lambda: [a for a in self.json("actions", "--customer", "w1")["actions"] if a["state"] == "accepted" and a["kind"] == "email"])
        self.assertIn("email", self.ok("actions", "--customer", "w1"))
        self.ok("complete", task["id"], "--disposition", "interested", "--note", "wants a saw", "--by", "lin")
        self.assertEqual(self.json("tasks", "--customer", "w1")["tasks"], [])
        self.assertEqual(self.json("tasks", "--customer", "w1", "--state", "done")["tasks"][0]["disposition"], "interested")
        self.assertEqual(self.nudge("complete", task["id"], "--disposition", "again").code, 1)
        self.assertIn("fired", self.ok("status"))
        self.assertRegex(self.ok("rules"), r"big-order +1 +active")
        self.assertIn("no dead letters", self.ok("dead-letters", "list"))

    def test_segment_at_an_instant(self):
        history = [{"customer": f"s{n}", "event": "order_placed", "id": f"s{n}", "time": f"2024-03-{n + 1:02d}T00:00:00Z", "data": {"amount": 1}} for n in range(5)]
        ran = self.nudge("events", "post", "-", "--history", stdin="".join(json.dumps(d) + "\n" for d in history))
        self.assertEqual(ran.code, 0, ran)
        ids = lambda at: self.ok("segment", "buyers", "--at", at, "--ids").split()
        self.assertEqual(ids("2024-03-03"), ["s0", "s1", "s2"])
        self.assertEqual(ids("2024-03-30T23:59:59.999Z"), ["s0", "s1", "s2", "s3", "s4"])
        self.assertEqual(ids("2024-03-31T00:00:00Z"), ["s1", "s2", "s3", "s4"])
        self.assertEqual(ids("2024-04-04T08:00:00+08:00"), [])
        self.assertIn("3 members", self.ok("segment", "buyers", "--at", "2024-03-03"))
        self.assertIn("no instant", self.nudge("segment", "buyers", "--at", "yesterday").err)
        self.assertEqual(self.nudge("segment", "no-such").code, 1)

    def test_quarantine(self):
        ran = self.post({"customer": "q1", "event": "order_placed", "id": "q1", "data": {"amount": "12"}}, {"customer": "q1", "event": "order_placed", "id": "q2", "data": {"amount": 12}},
                        {"customer": "q1", "event": "lost_event", "id": "q3"}, code=1)
        self.assertIn("line 1, column amount", ran.err)
        self.assertIn("1 stored", ran.out)
        self.assertIn("2 in quarantine", ran.out)
        listed = [r for r in self.json("quarantine", "list")["records"] if '"q1"' in r["raw"]]
        self.assertEqual(len(listed), 2, listed)
        number = next(r["number"] for r in listed if "q3" in r["raw"])
        self.assertIn("lost_event", self.ok("quarantine", "show", number))
        self.assertEqual(self.nudge("quarantine", "replay", number).code, 1)
        catalog = self.folder / "schemas" / "catalog.yaml"
        try:
            catalog.write_text(CATALOG + "  lost_event: {}\n")
            self.assertIn("is in force", self.ok("reload"))
            self.assertIn("replayed", self.ok("quarantine", "replay", number))
        finally:
            catalog.write_text(CATALOG)
        other = next(r["number"] for r in listed if r["number"] != number)
        self.assertEqual(self.nudge("quarantine", "discard", other).code, 2, "a reason is asked for")
        self.ok("quarantine", "discard", other, "--reason", "sent by mistake")
        self.assertNotIn(other, [r["number"] for r in self.json("quarantine", "list")["records"]])

    def test_reload_is_all_or_nothing(self):
        rules = self.folder / "rules" / "rules.yaml"
        before = self.json("status")["plan"]["sequence"]
        try:
            rules.write_text(RULES.replace("buyers: {where: {event: order_placed", "buyers: {where: {event: order_plased"))
            ran = self.nudge("reload")
            self.assertEqual(ran.code, 1, ran)
            self.assertIn("order_plased", ran.out)
            self.assertRegex(ran.out, r"rules\.yaml:3:\d+")
            self.assertEqual(self.json("status")["plan"]["sequence"], before)
        finally:
            rules.write_text(RULES)

    def test_import(self):
        file, mapping, errors = self.folder / "orders.csv.gz", self.folder / "orders.yaml", self.folder / "errors.csv"
        mapping.write_text(ORDERS_MAP)
        good = "".join(f"i{n % 3},{n % 28 + 1:02d}.03.2023 08:30,{n}.25,SÄGE,{n + 1}\r\n" for n in range(1200))
        bad = 'i9,31.02.2023 08:30,1,"a ""quoted"" one",1\r\n,01.03.2023 00:00,1,x,1\r\ni9,01.03.2023 00:00,one,x,1\r\ni9,01.03.2023 00:00,1\r\ni9,01.03.2023 00:00,NULL,axe,\r\n'
        file.write_bytes(gzip.compress(("\ufeffwho,when,amount,product,n\r\n" + good + bad).encode()))
        args = ("import", file, "--mapping", mapping, "--schemas", self.folder / "schemas")
        dry = self.nudge(*args, "--dry-run")
        self.assertEqual((dry.code, "dry run" in dry.out), (1, True), dry)
        self.assertIn("1,205 rows would give 1,201 documents, with 5 problems", dry.out)
        self.assertIn('"time":"2023-03-01T00:30:00Z"', dry.out)
        self.assertNotIn("i0", self.ok("segment", "buyers", "--at", "2023-03-15", "--ids"))
        ran = self.nudge(*args, "--errors", errors)
        self.assertEqual(ran.code, 1, ran)
        self.assertIn("1,201 stored, 0 known already, 5 problems", ran.out)
        for part in ('1202,"when",', '1203,"who","the customer\'s id is empty"', '1204,"amount",', '1205,"","the row has 3 cells'):
            self.assertIn(part, errors.read_text())
        again = self.nudge(*args)
        self.assertIn("0 stored, 1,201 known already", again.out)
        self.assertEqual(self.ok("segment", "buyers", "--at", "2023-03-15", "--ids").split(), ["i0", "i1", "i2", "i9"])
        data = self.json("customer", "i9")["events"][0]["data"]
        self.assertEqual(data, {"quantity": 1, "placed": "2023-02-28T16:00:00Z"})
        self.assertEqual(self.json("tasks", "--customer", "i2")["tasks"], [], "history fires nothing")

    def test_import_without_a_mapping_shows_one_to_begin_with(self):
        file, mapping = self.folder / "draft.csv", self.folder / "draft.yaml"
        file.write_bytes("E-Mail;Customer ID;Name;\"What: #else\"\nx@example.com;d-1;Ann;1\n".encode())
        ran = self.nudge("import", file)
        self.assertEqual(ran.code, 1, ran)
        self.assertIn("nothing was sent", ran.err)
        self.assertEqual(ran.out, 'trim: true\nrows:\n  - customer: "Customer ID"\n    attributes:\n      email: "E-Mail"\n      name: "Name"\n      # ?: "What: #else"\n')
        mapping.write_text(ran.out)
        self.assertIn("1 stored", self.ok("import", file, "--mapping", mapping))
        self.assertEqual(self.json("--personal", "customer", "d-1")["attributes"], {"email": "x@example.com", "name": "Ann"})
        self.assertIn("--mapping", self.nudge("import", "-").err)
        file.write_bytes(b"")
        self.assertIn("is empty", self.nudge("import", file).err)
        file = self.folder / "not.xlsx"
        file.write_bytes(b"\x00\x01garbage")
        self.assertIn("no Excel file", self.nudge("import", file).err)

    def test_import_people_in_chinese(self):
        file, mapping = self.folder / "people.csv", self.folder / "people.yaml"
        mapping.write_text(PEOPLE_MAP)
        file.write_bytes("id;name;since;vip;likes;spend\n1;王小明;2019/05/04;是;书|茶;12.50\n2;李;2019/5/4;否;;\n3;x;2019/05/04;也许;;1\n".encode("gb18030"))
        ran = self.nudge("import", file, "--mapping", mapping)  # the catalog is the daemon's
        self.assertEqual(ran.code, 1, ran)
        self.assertIn("line 4, column vip: `也许` is not in the mapping's `map`", ran.err)
        c = self.json("--personal", "customer", "p-1")["attributes"]
        self.assertEqual(c, {"name": "王小明", "since": "2019-05-04", "vip": True, "interests": ["书", "茶"], "spend": 12.5})
        self.assertEqual(self.json("customer", "p-1", "--at", "2019-12-31")["attributes"], {})

    def test_mappings_are_checked(self):
        mapping, file = self.folder / "bad.yaml", self.folder / "x.csv"
        file.write_text("a,b\n1,2\n")
        run = lambda text: (mapping.write_text(text), self.nudge("import", file, "--mapping", mapping, "--schemas", self.folder / "schemas"))[1]
        ran = run("rows:\n  - {customer: a, event: order_placd, time: b, data: {amont: b}}\n  - {customer: a, attributes: {teir: b}, tag: x}\n")
        self.assertEqual(ran.code, 1)
        for part in ("bad.yaml:2:", "bad.yaml:3:", "`order_placed`", "`tier`", "exactly one of"):
            self.assertIn(part, ran.err)
        ran = run("rows:\n  - {customer: c, attributes: {tier: b}}\n")
        self.assertIn("wants the column `c`, which the file does not have", ran.err)
        self.assertIn("cannot read", self.nudge("import", "/nowhere.csv", "--mapping", mapping, "--schemas", self.folder / "schemas").err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
