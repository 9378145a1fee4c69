#!/usr/bin/env python3
"""Customers who are erased: by the command line, through a crash at each step, and over a restore. NUDGED and NUDGE name the programs."""
import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "daemon"))
from harness import CATALOG, Daemon  # noqa: E402

# Random letters: no compression makes anything else of them than themselves.
NAME, MAIL, ID, VISITOR = "Qx7kWv93ZpLm", "vT4mR8kz@mail.example", "Hq2ZbX9w-customer", "Nf5YcP3u-visitor"
MARKS = [NAME, MAIL, ID, VISITOR]


def nudge(home, *words, code=0):
    ran = subprocess.run([os.environ["NUDGE"], "--lang", "en", "--local", home + "/data", *words], capture_output=True, text=True, timeout=120)
    assert ran.returncode == code, (words, ran.returncode, ran.stdout, ran.stderr)
    return ran.stdout.strip() if code == 0 else ran.stdout + ran.stderr


def in_files(directory, mark):
    return [str(p) for p in sorted(pathlib.Path(directory).rglob("*")) if p.is_file() and mark.encode() in p.read_bytes()]


class Erasure(unittest.TestCase):
    def setUp(self):
        os.environ.pop("NUDGE_CRASH_AT", None)
        self.d = self.daemon().start()

    def daemon(self):
        d = Daemon()
        self.addCleanup(d.close)
        return d

    def live(self):
        d = self.d
        d.lines([{"customer": ID, "attributes": {"name": NAME, "email": MAIL, "tier": "gold"}},
                 {"customer": VISITOR, "event": "order_placed", "id": "o-1", "data": {"amount": 500, "sku": "a"}}])
        d.lines([{"customer": ID, "merge": VISITOR}, {"customer": "other", "attributes": {"name": "Bob"}}])
        d.lines([{"customer": ID, "event": "order_placed", "id": "o-2", "data": {"amount": 500, "sku": "b"}},
                 {"customer": "other", "event": "order_placed", "id": "o-3", "data": {"amount": 500, "sku": "c"}},
                 {"customer": ID, "event": "order_placed", "data": {"amount": "not money", "sku": NAME}}])

    def get(self, path, d=None):
        return (d or self.d).request("GET", path)

    def finished(self, d=None):
        end = time.monotonic() + 60
        while True:
            all_of_them = self.get("/v1/erasures", d).json["erasures"]
            if all_of_them and all(e["step"] == "done" for e in all_of_them):
                return all_of_them
            self.assertLess(time.monotonic(), end, all_of_them)
            time.sleep(0.05)

    def gone(self, d=None):
        d = d or self.d
        for id in (ID, VISITOR):
            self.assertEqual(self.get(f"/v1/customers/{id}", d).status, 404)
        for path in ("/v1/customers?limit=1000", "/v1/decisions?limit=1000", "/v1/actions?limit=1000", "/v1/tasks?limit=1000", "/v1/quarantine",
                     "/v1/export/documents?personal=full", "/v1/export/decisions?personal=full", "/v1/export/actions?personal=full",
                     "/v1/export/tasks?personal=full", "/v1/audit?limit=1000"):
            answer = self.get(path, d)
            self.assertEqual(answer.status, 200, path)
            for mark in MARKS:
                self.assertNotIn(mark.encode(), answer.body, path)
        status = self.get("/v1/status", d).json
        for balance in status["balance"]:
            self.assertTrue(balance["holds"] if "holds" in balance else balance["left"] == balance["right"], balance)
        d.as_its_log()

    def test_the_command_line_erases_and_nothing_is_left_in_any_file(self):
        self.live()
        for mark in MARKS:
            self.assertTrue(in_files(self.d.home + "/data", mark), mark)
        shown = nudge(self.d.home, "erase", VISITOR, "--dry-run")
        self.assertIn(f"known as: {ID}, {VISITOR}", shown)
        self.assertIn("1 records in quarantine", shown)
        self.assertIn("--reason", nudge(self.d.home, "erase", ID, code=1))
        self.assertIn("--yes", nudge(self.d.home, "erase", ID, "--reason", "asked for it", code=1))
        self.assertEqual(self.get(f"/v1/customers/{ID}").status, 200)
        said = nudge(self.d.home, "erase", ID, "--reason", "letter of May 3", "--yes")
        self.assertIn("erased, as ", said)
        self.assertIn("nothing is kept of this id", nudge(self.d.home, "erase", ID, "--reason", "again", "--yes", code=1))
        self.finished()
        self.gone()
        records = [r for r in self.get("/v1/audit?limit=1000").json["records"] if r["action"] == "customer.erase" and r["status"] == 200]
        self.assertEqual(len(records), 1)
        self.assertIn("letter of May 3", records[0]["detail"])
        self.assertIn("/v1/customers/customer-", records[0]["target"])
        # Names of tables' first and last keys are in the manifest until it is written anew, at a start.
        for mark in MARKS:
            self.assertEqual([f for f in in_files(self.d.home + "/data", mark) if "MANIFEST" not in f], [], mark)
        self.assertEqual(self.d.stop(), 0)
        self.d.start()
        self.gone()
        for mark in MARKS:
            self.assertEqual(in_files(self.d.home + "/data", mark), [], mark)
            self.assertNotIn(mark, self.d.text_log())
        self.d.lines([{"customer": ID, "event": "order_placed", "id": "o-2", "data": {"amount": 1, "sku": "new"}}])
        back = self.get(f"/v1/customers/{ID}?personal=full").json
        self.assertEqual((len(back["events"]), back["attributes"]), (1, {}), "whoever comes again is new")

    def test_a_crash_at_each_step_and_a_start_finishes_it(self):
        for place in ("erasure:begun", "erasure:state", "erasure:state*2", "erasure:records", "erasure:blocks", "erasure:files"):
            with self.subTest(place):
                self.d.close()
                self.d = self.daemon()
                os.environ["NUDGE_CRASH_AT"] = place
                self.d.start()
                os.environ.pop("NUDGE_CRASH_AT")
                self.live()
                try:
                    self.d.request("DELETE", f"/v1/customers/{ID}?reason=test")
                except Exception:
                    pass  # it died on the way
                self.d.process.wait(30)
                self.d.process.stdout.close()
                self.d.start()
                # Before anybody can ask it is done, as far as anybody could tell.
                self.assertEqual(self.get(f"/v1/customers/{ID}").status, 404)
                self.finished()
                self.gone()
                self.assertIn("erasures", os.listdir(self.d.home + "/data"))
                self.assertEqual(self.d.stop(), 0)
                self.d.start()
                for mark in MARKS:
                    self.assertEqual(in_files(self.d.home + "/data", mark), [], mark)

    def test_a_restore_of_an_older_backup_brings_nobody_back(self):
        self.live()
        place = self.d.home + "/backups"
        nudge(self.d.home, "backup", "create", place)
        nudge(self.d.home, "erase", ID, "--reason", "test", "--yes")
        self.finished()
        self.d.lines([{"customer": ID, "event": "order_placed", "id": "o-9", "data": {"amount": 1, "sku": "later"}}])
        # The data directory is lost: only what lies beside the backups is there.
        other = self.daemon()
        nudge(self.d.home, "restore", place, "--to", other.home + "/data")
        other.start()
        self.gone(other)
        self.finished(other)
        self.assertEqual(self.get("/v1/customers/other", other).status, 200)
        self.assertEqual(other.stop(), 0)
        other.start()
        self.gone(other)
        for mark in MARKS:
            self.assertEqual(in_files(other.home + "/data", mark), [], mark)
        # A backup after it is another matter: who came again is in it.
        nudge(self.d.home, "backup", "create", place)
        third = self.daemon()
        nudge(self.d.home, "restore", place, "--to", third.home + "/data")
        third.start()
        self.assertEqual(self.get(f"/v1/customers/{ID}", third).status, 200)
        # An erasure there is noted beside the backups that it came from.
        nudge(third.home, "erase", "other", "--reason", "test", "--yes")
        fourth = self.daemon()
        nudge(self.d.home, "restore", place, "--to", fourth.home + "/data")
        fourth.start()
        self.assertEqual(self.get("/v1/customers/other", fourth).status, 404)
        self.assertEqual(self.get(f"/v1/customers/{ID}", fourth).status, 200)


WORK_RULES = """
rules:
  offer:
    when: {event: order_placed, where: {field: sku, equals: offer}}
    then:
      - maildrop:
          to: "{{ customer.email }}"
          text: "30 % for {{ customer.name }}"
          approval: {team: inside, within: 1d, otherwise: drop, subject: "30 % for {{ customer.name }} ({{ customer.id }})"}
  hits:
    category: management
    when: {event: order_placed, where: {field: sku, equals: hit}}
    then:
      - maildrop: {to: lin, subject: "{{ digest.size }} hits", text: "{{ digest.list }}", digest: {line: "{{ customer.id }} {{ customer.name }}", wait: WAIT, every: WAIT}}
  call:
    when: {event: order_placed, where: {field: sku, equals: call}}
    then: [{call_task: {team: inside, subject: "Call {{ customer.name }}", due_in: 1d}}]
pools:
  inbound: {team: inside}
  second: {team: inside}
teams:
  inside: {manager: chen, members: [{id: lin, name: Lin}, {id: chen, name: Chen, email: chen@shop.example.com}]}
"""
WORK_CONFIG = "connectors: {drop: {kind: maildrop}}\napprovals: {url: 'https://sales.example.com/', key: {env: APPROVAL_KEY}}\n"
OTHER = ("other", "Bob Other", "bob@mail.example")


class Work(Erasure):
    """Who is a lead, waits for a manager's yes, is in a message that gathers, and has tasks and notes."""

    # Those of Erasure are made there.
    test_the_command_line_erases_and_nothing_is_left_in_any_file = None
    test_a_crash_at_each_step_and_a_start_finishes_it = None
    test_a_restore_of_an_older_backup_brings_nobody_back = None

    def daemon(self, wait="1h"):
        os.environ["APPROVAL_KEY"] = "a key of approvals, long enough"
        d = Daemon(rules=WORK_RULES.replace("WAIT", wait), catalog=CATALOG.replace("    name:", "    owner: text\n    name:"), config=WORK_CONFIG)
        self.addCleanup(d.close)
        return d

    def work(self, d):
        for id, name, mail in ((ID, NAME, MAIL), OTHER):
            d.lines([{"customer": id, "attributes": {"name": name, "email": mail}}])
            d.lines([{"customer": id, "event": "order_placed", "id": f"{word}-{n}", "data": {"amount": n, "sku": word}} for word in ("offer", "hit", "call") for n in range(2)])
            d.post("/v1/leads", {"customer": id, "pool": "inbound", "by": "lin", "reason": f"{name} asked"})
            d.post(f"/v1/leads/{id}/claim", {"by": "lin"})
            d.post(f"/v1/leads/{id}/transfer", {"to": "chen", "by": "lin", "reason": f"{name} wants Chen"})
            d.post(f"/v1/customers/{id}/notes", {"text": f"{name} likes tea", "kind": "note", "by": "lin"})
            asked = d.until(lambda: len(d.get(f"/v1/approvals?customer={id}")["approvals"]) == 2 and d.get(f"/v1/approvals?customer={id}")["approvals"])
            d.post(f"/v1/approvals/{asked[0]['id']}/reject", {"reason": f"no discount for {name}", "by": "chen"})  # one is decided, one waits
            task = d.until(lambda: d.get(f"/v1/tasks?customer={id}")["tasks"])[0]["id"]
            d.post(f"/v1/tasks/{task}/complete", {"disposition": "sold", "note": f"{name} paid", "by": "lin"})
        d.until(lambda: d.get("/v1/status")["counters"]["kept"] == 6)  # four hits wait in one message, two offers for a yes

    def nothing_left(self, d):
        self.gone(d)
        self.assertEqual(self.get(f"/v1/leads/{ID}", d).status, 404)
        for path in ("/v1/leads", "/v1/leads?pool=inbound", "/v1/leads?owner=chen", "/v1/approvals", "/v1/approvals?state=closed", "/v1/tasks?state=closed", "/v1/teams", "/v1/pools",
                     "/v1/segments", "/v1/maildrop?limit=1000&personal=full", "/v1/actions?state=kept&personal=full"):
            answer = self.get(path, d)
            self.assertEqual(answer.status, 200, path)
            for mark in MARKS:
                self.assertNotIn(mark.encode(), answer.body, path)
        # What the other one has stays.
        self.assertEqual(self.get("/v1/leads/other", d).json["owner"], "chen")
        self.assertEqual(len(self.get("/v1/approvals?customer=other", d).json["approvals"]), 1)
        self.assertEqual(len(self.get("/v1/approvals?customer=other&state=closed", d).json["approvals"]), 1)
        self.assertEqual(self.get("/v1/tasks?customer=other&state=closed", d).json["total"], 1)

    def test_sales_work_is_erased_and_a_restore_brings_none_of_it_back(self):
        self.work(self.d)
        place = self.d.home + "/backups"
        nudge(self.d.home, "backup", "create", place)
        nudge(self.d.home, "erase", ID, "--reason", "test", "--yes")
        self.finished()
        self.nothing_left(self.d)
        self.assertEqual(self.d.get("/v1/status")["counters"]["kept"], 3)
        self.assertEqual(self.d.stop(), 0)
        self.d.start()
        self.nothing_left(self.d)
        for mark in MARKS[:3]:
            self.assertEqual(in_files(self.d.home + "/data", mark), [], mark)
            self.assertNotIn(mark, self.d.text_log())
        # An older backup, with only what lies beside it.
        other = self.daemon()
        nudge(self.d.home, "restore", place, "--to", other.home + "/data")
        other.start()
        self.finished(other)
        self.nothing_left(other)
        self.assertEqual(other.stop(), 0)
        other.start()
        for mark in MARKS[:3]:
            self.assertEqual(in_files(other.home + "/data", mark), [], mark)

    def test_a_message_that_gathers_goes_out_without_who_is_erased(self):
        self.d.close()
        self.d = self.daemon("8s").start()
        self.work(self.d)
        nudge(self.d.home, "erase", ID, "--reason", "test", "--yes")
        self.finished()
        sent = self.d.until(lambda: [m.get("payload", m) for m in self.d.get("/v1/maildrop?limit=1000&personal=full")["messages"]], 30)
        self.assertEqual([m["text"] for m in sent if m["to"] == "lin"], ["other Bob Other\nother Bob Other"])
        self.nothing_left_of_marks()

    def nothing_left_of_marks(self):
        self.assertEqual(self.d.stop(), 0)
        self.d.start()
        for mark in MARKS[:3]:
            self.assertEqual(in_files(self.d.home + "/data", mark), [], mark)

    def test_crashes_on_the_way_leave_nothing_of_sales_work(self):
        for place in ("erasure:begun", "erasure:state", "erasure:records", "erasure:blocks", "erasure:files"):
            with self.subTest(place):
                self.d.close()
                self.d = self.daemon()
                os.environ["NUDGE_CRASH_AT"] = place
                self.d.start()
                os.environ.pop("NUDGE_CRASH_AT")
                self.work(self.d)
                try:
                    self.d.request("DELETE", f"/v1/customers/{ID}?reason=test")
                except Exception:
                    pass  # it died on the way
                self.d.process.wait(30)
                self.d.process.stdout.close()
                self.d.start()
                self.finished()
                self.nothing_left(self.d)
                self.nothing_left_of_marks()


if __name__ == "__main__":
    unittest.main()
