#!/usr/bin/env python3
"""`keep` of an event type: what is older leaves states, interface, log and files; through kill -9, a restart, a backup and a new catalog. NUDGED and NUDGE
name the programs, SHIFTED_CLOCK_SO the library that lets days pass."""
import datetime
import mmap
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "daemon"))
from harness import Daemon, rfc3339  # noqa: E402

DAY = 86_400_000
CATALOG = """
customer: {attributes: {name: {type: text, pii: true}}}
events:
  page_viewed: {%sfields: {page: text}}
  order_placed: {fields: {sku: text}}
"""
RULES = """
segments:
  reader: {where: {event: page_viewed, within: 30d, count: {at_least: 2}}}
  gone: {where: {all: [{event: order_placed}, {not: {event: page_viewed, within: 30d}}]}}
rules:
  back: {category: management, when: {enters: reader}, then: [{ticket: {subject: "Reads again"}}]}
  left: {category: management, when: {enters: gone}, then: [{ticket: {subject: "Reads no more"}}]}
  later:
    category: management
    when: {event: page_viewed, where: {field: page, starts_with: Wait}}
    then: [{after: 45d, ticket: {subject: "Of {{ event.page }}"}}]
"""
# Random letters: no compression makes anything else of them than themselves.
OLD, YOUNG, WAITS, ORDER = "Kq7wZx93LpVm", "Rt5YbN8cDfGh", "Wait4HjK2sPq", "Zm6TvB1nXcLd"
CONFIG = "store: {low_space: 1MiB, checkpoint_interval: 1s}\nretention: {every: 1s}\n"


def millis(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class Clock:
    def __init__(self):
        self.file = tempfile.NamedTemporaryFile(prefix="nudge-clock-")
        self.file.write(bytes(8))
        self.file.flush()
        self.map = mmap.mmap(self.file.fileno(), 8)
        self.path, self.shift = self.file.name, 0

    def pass_by(self, ms):
        self.shift += ms
        self.map[:] = struct.pack("=q", self.shift)

    def now(self):
        return int(time.time() * 1000) + self.shift


class Keep(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.d = self.daemon("keep: 30d, ")

    def daemon(self, keep):
        d = Daemon(rules=RULES, catalog=CATALOG % keep)
        d.write("nudge.yaml", d.read("nudge.yaml").replace("store: {low_space: 1MiB}\n", CONFIG))
        d.environment = {"LD_PRELOAD": os.environ["SHIFTED_CLOCK_SO"], "SHIFTED_CLOCK": self.clock.path}
        self.addCleanup(d.close)
        return d

    def view(self, customer, page, id, late=0):
        return {"customer": customer, "event": "page_viewed", "id": id, "time": rfc3339(self.clock.now() - late), "data": {"page": page}}

    def live(self):
        """Two views on the first day of each of twenty customers, an order, one view that a rule waits with; a young view forty days later."""
        for n in range(20):
            c = f"c{n}"
            results = self.d.lines([self.view(c, OLD, f"{c}-1"), self.view(c, OLD, f"{c}-2"),
                                    {"customer": c, "event": "order_placed", "id": f"{c}-3", "data": {"sku": ORDER}}])
            self.assertEqual(results["stored"], 3, results)
        self.d.lines([self.view("c7", WAITS, "c7-wait")])
        self.d.until(lambda: self.decisions() >= 21)
        self.d.as_its_log()  # what delivery tells of the tickets is on its way yet

    def decisions(self):
        return len(self.d.get("/v1/decisions?limit=1000")["decisions"])

    def pages(self, customer):
        events = self.d.get(f"/v1/customers/{customer}?personal=full")["events"]
        return sorted(e["data"]["page"] for e in events if e["event"] == "page_viewed")

    def in_files(self, mark):
        found = []
        for path in pathlib.Path(self.d.home + "/data").rglob("*"):
            try:
                if path.is_file() and mark.encode() in path.read_bytes():
                    found.append(str(path))
            except FileNotFoundError:
                pass  # rewritten while we looked
        return found

    def gone(self, seconds=60):
        self.d.until(lambda: all(self.pages(f"c{n}") == (sorted([WAITS, YOUNG]) if n == 7 else [YOUNG]) for n in range(20)), seconds)
        for kind in ("documents", "decisions", "actions", "tasks"):
            self.assertNotIn(OLD.encode(), self.d.request("GET", f"/v1/export/{kind}?personal=full").body, kind)
        self.assertIn(ORDER.encode(), self.d.request("GET", "/v1/export/documents?personal=full").body)
        self.d.counters()

    def forty_days(self):
        """Everybody's page views are too old; what happened meanwhile is the rules' work."""
        for _ in range(4):
            self.clock.pass_by(10 * DAY)
            time.sleep(0.3)
        self.d.lines([self.view(f"c{n}", YOUNG, f"c{n}-young") for n in range(20)])

    def the_past_says_what_it_cannot_see(self):
        """Everybody read twice on the first day; now that those events are gone an answer about then says that it may be wrong."""
        then, now = rfc3339(self.clock.now() - 30 * DAY), rfc3339(self.clock.now() + 60_000)
        asked = ["/v1/explain?customer=c1&rule=back", "/v1/explain?customer=c1&segment=reader", "/v1/segments?prefix=reader", "/v1/segments/reader", "/v1/segments/reader/members?limit=5",
                 "/v1/segments/reader/parts", "/v1/rules/left/parts", "/v1/customers/c1", "/v1/preview?customer=c1&rule=back"]
        for path in asked:
            at = lambda instant: path + ("&" if "?" in path else "?") + "at=" + instant.replace("+", "%2B")  # noqa: E731
            gone = self.d.get(at(then)).get("not_whole")
            if path == "/v1/rules/left/parts":
                self.assertIsNone(gone, "its condition reads no events: " + path)
                continue
            self.assertEqual([(g["event"], g["keep"]) for g in gone], [("page_viewed", "30d")], path)
            self.assertIn("`page_viewed` are kept for 30d", gone[0]["note"])
            self.assertLess(abs(self.clock.now() - 30 * DAY - millis(gone[0]["whole_since"])), 60_000)
            self.assertNotIn("not_whole", self.d.get(at(now)), "the present is never short of anything: " + path)
            self.assertNotIn("not_whole", self.d.get(path))
        self.assertIn("events of page_viewed are kept for 30d", self.nudge("explain", "c1", "back", "--at", then))
        self.assertIn("events of page_viewed are kept for 30d", self.nudge("segment", "reader", "--at", then))
        # A segment of events that stay is whole, however far back.
        fresh = """
segments: {ordered: {where: {event: order_placed}}}
rules: {fresh: {category: management, when: {enters: ordered}, then: [{ticket: {subject: Ordered}}]}}
"""
        for text, only, wanted in ((RULES, "left", ["page_viewed"]), (fresh, "fresh", [])):
            run = self.d.post("/v1/backtests", {"rules": [{"name": "rules.yaml", "text": text}], "from": rfc3339(self.clock.now() - 60 * DAY), "to": rfc3339(self.clock.now()), "only": [only]}, 202)
            report = self.d.until(lambda: self.d.get("/v1/backtests/" + run["id"]).get("report"))
            self.assertEqual([g["event"] for g in report["not_whole"]], wanted, only)

    def nudge(self, *words):
        ran = subprocess.run([os.environ["NUDGE"], "--local", self.d.home + "/data", *words], capture_output=True, text=True, timeout=60)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        return ran.stdout + ran.stderr

    def clean_files(self):
        """The records' files are rewritten once a day, so another one passes."""
        self.clock.pass_by(2 * DAY)
        self.d.until(lambda: not self.in_files(OLD), 60)

    def test_old_events_leave_states_interface_log_and_files_and_what_was_decided_stays(self):
        self.d.start()
        self.live()
        self.d.until(lambda: self.in_files(OLD))  # with the next checkpoint at the latest
        self.forty_days()
        self.d.until(lambda: self.decisions() >= 41)  # `gone`, when the last view had left the window
        self.gone()
        self.clean_files()
        self.the_past_says_what_it_cannot_see()
        before = self.d.get("/v1/digest")["digest"]
        said = self.d.request("POST", "/v1/digest/replay")
        self.assertEqual(said.status, 409)
        self.assertIn("page_viewed", said.json["detail"])
        self.assertIn("keep", said.json["detail"])
        # What a rule waits with is still there, and in its text.
        self.clock.pass_by(6 * DAY)
        self.d.until(lambda: f"Of {WAITS}".encode() in self.d.request("GET", "/v1/export/actions?personal=full").body)
        self.clock.pass_by(2 * DAY)
        self.d.until(lambda: self.pages("c7") == [YOUNG])
        self.d.kill()
        self.d.start()
        self.assertEqual(self.pages("c7"), [YOUNG])
        self.assertNotEqual(before, "")
        # A repeated event: known while it is there; years later stored once more, fires nothing, and goes again.
        fired = self.decisions()
        again = self.view("c3", OLD, "c3-1", late=400 * DAY)
        self.assertEqual(self.d.lines([again])["stored"], 1)
        self.assertEqual(self.d.lines([again])["duplicate"], 1)
        self.clock.pass_by(10 * DAY)
        self.d.until(lambda: OLD not in self.pages("c3"))
        self.assertEqual(self.decisions(), fired)

    def test_kill_9_in_the_middle_of_the_sweep_and_a_start_finishes_it(self):
        for place in ("keep:marked", "keep:blocks"):
            with self.subTest(place):
                self.d.close()
                self.d = self.daemon("keep: 30d, ")
                self.d.start()
                self.live()
                self.forty_days()
                self.d.kill()  # before the sweep, or in it, as it happens; the next one dies at the place
                self.d.environment["NUDGE_CRASH_AT"] = place
                self.d.start()
                try:
                    self.d.process.wait(5)
                except subprocess.TimeoutExpired:
                    self.d.kill()  # the first sweep was through before the kill
                else:
                    self.d.process.stdout.close()
                    self.assertEqual(self.d.process.returncode, -9)
                del self.d.environment["NUDGE_CRASH_AT"]
                self.d.start()
                self.gone()
                self.clean_files()
                states = self.d.get("/v1/digest")["digest"]
                self.d.kill()
                self.d.start()
                self.gone()
                self.assertEqual(self.d.get("/v1/digest")["digest"].split("-")[0], states.split("-")[0])

    def test_a_backup_restored_is_the_same_and_goes_on_deleting(self):
        self.d.start()
        self.live()
        self.d.lines([self.view("c1", YOUNG, "c1-young")])
        backup = self.d.home + "/backup"
        nudge = [os.environ["NUDGE"], "--lang", "en", "--local", self.d.home + "/data"]
        subprocess.run([*nudge, "backup", "create", backup], check=True, capture_output=True, timeout=120)
        digest = self.d.get("/v1/digest")["digest"]
        self.d.stop()
        restored = self.d.home + "/restored"
        subprocess.run([os.environ["NUDGE"], "--lang", "en", "restore", backup, "--to", restored], check=True, capture_output=True, timeout=120)
        self.d.write("nudge.yaml", self.d.read("nudge.yaml").replace("data_dir: data", "data_dir: restored"))
        self.d.start()
        self.assertEqual(self.d.get("/v1/digest")["digest"], digest)
        self.assertEqual(self.pages("c2"), [OLD, OLD])
        self.clock.pass_by(40 * DAY)
        self.d.until(lambda: self.pages("c2") == [] and self.pages("c1") == [], 60)

    def test_a_catalog_that_begins_to_keep_for_a_time_deletes_what_is_too_old_and_a_rule_that_looks_further_back_is_refused(self):
        self.d.close()
        self.d = self.daemon("")
        self.d.start()
        self.live()
        self.clock.pass_by(40 * DAY)
        self.assertEqual(self.pages("c2"), [OLD, OLD])
        self.d.write("schemas/catalog.yaml", CATALOG % "keep: 20d, ")
        refused = self.d.request("POST", "/v1/reload")
        self.assertEqual(refused.status, 422)
        self.assertIn("R0508", refused.body.decode())
        self.assertIn("`page_viewed` for 20d", refused.body.decode())
        self.assertEqual(self.pages("c2"), [OLD, OLD])
        self.d.write("schemas/catalog.yaml", CATALOG % "keep: 30d, ")
        self.assertEqual(self.d.request("POST", "/v1/reload").status, 200)
        self.d.until(lambda: self.pages("c2") == [])
        self.d.kill()
        self.d.start()
        self.assertEqual(self.pages("c2"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
