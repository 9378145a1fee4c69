#!/usr/bin/env python3
"""nudge without a daemon: check, test, replay, explain-code, and what it tells the shell."""
import gzip
import json
import pathlib
import socket
import tempfile
import unittest
import xml.etree.ElementTree

from support import RULES, nudge, project

GOOD_TEST = """
tests:
  - name: a big order is thanked for
    customers: {c1: {tier: gold, name: Wang}}
    timeline:
      - {at: 2026-05-04T10:00:00Z, customer: c1, event: order_placed, data: {amount: 150, sku: saw}}
      - expect: {rule: big-order, customer: c1, fired: 1, in: buyers, actions: [{call_task: {subject: "Thank Wang", owner: lin, due: 2026-05-05T10:00:00Z}}, {email: {text: "For saw"}}]}
  - name: a small one is not
    timeline:
      - {at: 2026-05-04T10:00:00Z, customer: c1, event: order_placed, data: {amount: 99.99}}
      - expect: {nothing: true}
"""


class Offline(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.addCleanup(self.temp.cleanup)
        self.folder = pathlib.Path(self.temp.name)

    def test_check(self):
        ran = nudge("check", project(self.folder, tests=GOOD_TEST))
        self.assertEqual((ran.code, ran.err), (0, ""), ran)
        self.assertEqual(ran.out, "ok: 1 rule, 1 segment, 0 traits, 0 scores, 1 team, 2 tests in 3 files\n")

    def test_mistakes_are_all_told_with_their_places(self):
        folder = project(self.folder, rules=RULES.replace("attribute: tier", "attribute: teir").replace("event: order_placed, within: 30d", "event: order_plased, within: 30d"))
        ran = nudge("check", folder)
        self.assertEqual(ran.code, 1, ran)
        self.assertRegex(ran.out, r"rules\.yaml:3:\d+: error R\d{4}: .*order_plased")
        self.assertRegex(ran.out, r"rules\.yaml:8:\d+: error R\d{4}: .*teir")
        self.assertIn("did you mean", ran.out)
        self.assertIn("2 errors", ran.out)
        report = json.loads(nudge("-o", "json", "check", folder).out)
        self.assertEqual((report["errors"], [d["line"] for d in report["diagnostics"]]), (2, [3, 8]))

    def test_mistakes_in_tests_are_told(self):
        ran = nudge("check", project(self.folder, tests=GOOD_TEST.replace("rule: big-order", "rule: big-oder").replace("tier: gold", "tier: golden").replace("amount: 150", "amuont: 150")))
        self.assertEqual(ran.code, 1, ran)
        for part in ("rules.test.yaml:4:", "rules.test.yaml:6:", "rules.test.yaml:7:", "`amount`?", "`gold`?", "`big-order`?", "3 errors"):
            self.assertIn(part, ran.out)

    def test_exit_codes(self):
        self.assertEqual(nudge("check", self.folder / "nowhere").code, 1)
        self.assertEqual(nudge("no-such-command").code, 2)
        self.assertEqual(nudge("check", "--no-such-option").code, 2)
        self.assertEqual(nudge().code, 2)
        self.assertEqual(nudge("--help").code, 0)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            closed = f"http://127.0.0.1:{probe.getsockname()[1]}"
            ran = nudge("status", url=closed)
        self.assertEqual(ran.code, 4, ran)
        self.assertIn("Is it running?", ran.err)
        self.assertEqual(nudge("status", env={"NUDGE_URL": closed}).code, 4)

    def test_tests_pass_and_fail(self):
        folder = project(self.folder, tests=GOOD_TEST)
        ran = nudge("test", folder, "--verbose", "--junit", self.folder / "out.xml")
        self.assertEqual(ran.code, 0, ran)
        self.assertIn("2 tests, 2 expectations: all passed", ran.out)
        self.assertEqual(xml.etree.ElementTree.parse(self.folder / "out.xml").getroot().attrib["tests"], "2")
        (folder / "rules" / "rules.test.yaml").write_text(GOOD_TEST.replace("Thank Wang", "Thank Li").replace("amount: 99.99", "amount: 100"))
        (folder / "schemas" / "catalog.yaml").write_text((folder / "schemas" / "catalog.yaml").read_text())
        ran = nudge("test", folder, "--junit", self.folder / "out.xml")
        self.assertEqual(ran.code, 1, ran)
        self.assertRegex(ran.out, r'subject  "Thank Li"  "Thank Wang"')
        self.assertRegex(ran.out, r"rules\.test\.yaml:7: ")
        self.assertEqual(xml.etree.ElementTree.parse(self.folder / "out.xml").getroot().attrib["failures"], "1")
        report = json.loads(nudge("-o", "json", "test", folder).out)
        self.assertEqual((report["passed"], report["failed"]), (1, 1))
        self.assertEqual(nudge("test", folder, "--run", "small").code, 0)
        self.assertEqual(nudge("test", folder, "--run", "nothing like it").code, 1)

    def test_everything_a_test_can_say(self):
        ran = nudge("test", pathlib.Path(__file__).parent / "features")
        self.assertEqual(ran.code, 0, ran)
        self.assertRegex(ran.out, r"^\d+ tests, \d+ expectations: all passed")

    def test_broken_files_of_data(self):
        folder = project(self.folder)
        mapping = folder / "m.yaml"
        mapping.write_text("delimiter: \";\"\nrows:\n  - {customer: who, event: order_placed, time: when, data: {amount: amount, sku: sku}}\n")
        def replay(content, name="x.csv"):
            (folder / name).write_bytes(content)
            return nudge("replay", folder, "--data", folder / name, "--mapping", mapping)
        head = b"who;when;amount;sku\n"
        ran = replay(head + b'a;2026-01-01;1;"two\nlines; and a ""quote"""\n\n\nb;2026-01-01;2;"x"')
        self.assertEqual((ran.code, ran.out), (0, "2 inputs of 2 customers\n"), ran)
        ran = replay(head + b'a;2026-01-01;1;"never closed\nb;2026-01-01;2;x\n')
        self.assertEqual(ran.code, 1, ran)
        self.assertRegex(ran.err, r"x\.csv:2: the quote that opens here is never closed")
        packed = gzip.compress(head + b"".join(b"a;2026-01-01;%d;x\n" % n for n in range(5000)))
        self.assertEqual(replay(packed, "x.csv.gz").out, "5,000 inputs of 1 customer\n")
        ran = replay(packed[:-2000], "x.csv.gz")
        self.assertEqual(ran.code, 1, ran)
        self.assertIn("gzip stream is damaged", ran.err)
        ran = replay(b"")
        self.assertIn("is empty: its first line must name the columns", ran.err)
        ran = replay(head + b"a;2026-01-01;1;caf\xe9\n")
        self.assertIn("x.csv:2: column sku: the cell is not valid UTF-8", ran.err)
        mapping.write_text(mapping.read_text() + "encoding: iso-8859-1\n")
        self.assertEqual(replay(head + b"a;2026-01-01;1;caf\xe9\n").out, "1 input of 1 customer\n")

    def test_a_table_without_ids(self):
        folder = project(self.folder, rules="scores:\n  s: {points: [{if: {attribute: tier, equals: gold}, add: 5}]}\nsegments:\n  five: {where: {score: s, equals: 5}}\n")
        (folder / "levels.csv").write_text("level\ngold\nsilver\ngold\n")
        (folder / "levels.yaml").write_text("rows:\n  - {customer: {row_number: true}, time: 2026-01-01, attributes: {tier: level}}\n")
        ran = nudge("replay", folder, "--data", folder / "levels.csv", "--mapping", folder / "levels.yaml", "--at", "2026-01-02", "--values", "-")
        values = {v["customer"]: v["value"] for v in map(json.loads, ran.out.splitlines()[:-1]) if v["score"] == "s"}
        self.assertEqual(values, {"1": 5, "2": 0, "3": 5}, ran)

    def test_replay_tells_whose_each_task_would_be(self):
        folder = project(self.folder, rules="""
rules:
  call:
    when: {event: order_placed}
    then: [{call_task: {subject: "Call {{ customer.id }}", team: t, accept_within: 1h, assign: {strategy: weighted}}}]
teams: {t: {members: [{id: lin, weight: 2, capacity: 2, per_day: 9}, {id: mo, capacity: 1, per_day: 9}, {id: off, weight: 0}]}}
""")
        mapping = folder / "m.yaml"
        mapping.write_text("rows:\n  - {customer: who, event: order_placed, time: when, data: {amount: amount}}\n")
        (folder / "x.csv").write_text("who,when,amount\n" + "".join(f"c{n},2026-02-02T10:0{n}:00Z,1\n" for n in range(4)))

        def replay(*more):
            ran = nudge("replay", folder, "--live", "--data", folder / "x.csv", "--mapping", mapping, *more)
            self.assertEqual(ran.code, 0, ran)
            return ran.out

        def tasks(at):
            return [json.loads(line) for line in replay("--at", at, "--tasks", "-").splitlines() if line.startswith("{")]

        now = tasks("2026-02-02T10:30:00Z")
        self.assertEqual([(t["customer"], t["owner"], t["state"]) for t in now], [("c0", "lin", "offered"), ("c1", "mo", "offered"), ("c2", "lin", "offered"), ("c3", "", "open")])
        self.assertIn("by weight", now[0]["steps"][0]["why"])
        later = tasks("2026-02-02T11:00:00Z")
        self.assertEqual([step["what"] for step in later[0]["steps"]], ["created", "not accepted"], later[0])
        self.assertEqual(later[3]["owner"], "lin", "what the first let run out went to the one that waited")
        self.assertRegex(replay("--at", "2026-02-02T11:00:00Z"), r"lin +3 +1\n")
        self.assertEqual(tasks("2026-02-02T11:00:00Z"), later, "the same data, the same choices")

    def test_replay_is_deterministic(self):
        folder = project(self.folder)
        (folder / "orders.csv").write_text("who,when,amount\n" + "".join(f"c{n % 7},2026-05-{n % 28 + 1:02d} 10:00,{n * 3}.50\n" for n in range(300)))
        (folder / "orders.yaml").write_text("rows:\n  - {customer: who, event: order_placed, time: when, data: {amount: amount}}\n  - {customer: who, time: 2026-01-01, attributes: {tier: {value: gold}}}\n")
        args = ("replay", folder, "--live", "--data", folder / "orders.csv", "--mapping", folder / "orders.yaml")
        first, second = nudge(*args, "--digest"), nudge(*args, "--digest")
        self.assertEqual((first.code, first.out), (0, second.out), first)
        self.assertRegex(first.out, r"^[0-9a-f]{32}\n$")
        table = nudge(*args).out
        self.assertRegex(table, r"big-order +[1-9]\d+ ")
        (folder / "orders.csv").write_text((folder / "orders.csv").read_text().replace("30.50", "300.50"))
        self.assertNotEqual(nudge(*args, "--digest").out, first.out)

    def test_explain_code(self):
        ran = nudge("explain-code", "r0304")
        self.assertEqual(ran.code, 0, ran)
        self.assertIn("R0304", ran.out)
        self.assertEqual(nudge("explain-code", "R9999").code, 1)

    def test_no_colours_in_a_pipe(self):
        folder = project(self.folder)
        self.assertNotIn("\033", nudge("check", folder).out)
        self.assertIn("\033", nudge("--color", "always", "check", folder).out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
