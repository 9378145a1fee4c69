#!/usr/bin/env python3
"""The way of an event by one id: from the log to the last attempt. NUDGED and NUDGE name the programs."""
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "daemon"))
from harness import Daemon  # noqa: E402


class Trace(unittest.TestCase):
    def setUp(self):
        self.d = Daemon()
        self.addCleanup(self.d.close)
        self.d.start()
        self.d.post("/v1/events", {"customer": "c1", "event": "order_placed", "id": "o-1", "data": {"amount": 500, "sku": "A"}})
        self.d.post("/v1/events", {"customer": "c2", "event": "order_placed", "id": "o-1", "data": {"amount": 5, "sku": "B"}})
        self.d.post("/v1/import", {"customer": "c3", "event": "ping", "id": "old", "data": {"n": 1}})
        self.d.settled()

    def trace(self, id, query="", status=200):
        return self.d.get(f"/v1/trace/{id}{query}", status)

    def test_from_the_event_to_the_attempt_and_back(self):
        found = self.trace("o-1")["found"]
        self.assertEqual([f["customer"] for f in found], ["c2", "c1"], "everybody who used the id, the newest first")
        way = self.trace("o-1", "?customer=c1")["found"]
        self.assertEqual(len(way), 1)
        way = way[0]
        self.assertEqual((way["event"], way["id"], way["kind"], way["import"]), ("order_placed", "o-1", "event", False))
        self.assertEqual([(d["rule"], d["fired"]) for d in way["decisions"]], [("big-order", True)])
        self.assertEqual(sorted(a["kind"] for a in way["actions"]), ["call_task", "email"])
        mail = next(a for a in way["actions"] if a["kind"] == "email")
        self.assertEqual([t["status"] for t in mail["attempts"]], ["accepted"])
        self.assertEqual(mail["payload"]["text"], "Order A")
        self.assertEqual([t["state"] for t in way["tasks"]], ["open"])
        # Every action, and every task, leads back to the event.
        for action in way["actions"]:
            self.assertEqual(self.trace(action["id"])["found"], [way])

    def test_what_fired_nothing_and_what_never_came(self):
        self.assertEqual([(f["event"], f["decisions"], f["import"]) for f in self.trace("old")["found"]], [("ping", [], True)])
        self.assertIn("quarantine", self.trace("nowhere", status=404)["detail"])
        self.assertEqual(self.trace("o-1", "?customer=c9", 404)["code"], "not_found")

    def test_after_a_restart_and_a_change_of_the_catalog(self):
        way = self.trace("o-1", "?customer=c1")["found"]
        self.d.kill()
        self.d.write("schemas/catalog.yaml", self.d.read("schemas/catalog.yaml").replace("events:\n", "events:\n  aaa: {fields: {x: text}}\n"))
        self.d.start()
        self.assertEqual(self.trace("o-1", "?customer=c1")["found"], way, "event types are named as they were")

    def test_as_people_read_it(self):
        ran = subprocess.run([os.environ["NUDGE"], "--local", self.d.home + "/data", "--lang", "en", "trace", "o-1", "--customer", "c1"], capture_output=True, text=True)
        for words in ("order_placed of customer c1", "big-order (version 1) fired", "tried by maildrop: accepted", "task for "):
            self.assertIn(words, ran.stdout)
        self.assertEqual(subprocess.run([os.environ["NUDGE"], "--local", self.d.home + "/data", "trace", "nowhere"], capture_output=True).returncode, 1)


if __name__ == "__main__":
    unittest.main(verbosity=1)
