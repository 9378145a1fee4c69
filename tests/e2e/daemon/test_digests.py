#!/usr/bin/env python3
"""Many hits in one message: over restarts and kill -9, nothing lost, nothing twice, and each hit accounted for. Run with NUDGED."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, parse_ms  # noqa: E402

RULES = """
rules:
  hits:
    category: management
    when: {event: login}
    then:
      - maildrop:
          to: "{{ event.device }}"
          subject: "{{ digest.size }}"
          text: "{{ digest.list }}"
          digest: {line: "{{ customer.id }}", wait: WAIT, every: EVERY}
"""
CONFIG = "connectors: {drop: {kind: maildrop}}\n"


class Digests(unittest.TestCase):
    def daemon(self, wait="1500ms", every="2s"):
        d = Daemon(rules=RULES.replace("WAIT", wait).replace("EVERY", every), config=CONFIG)
        self.addCleanup(d.close)
        return d.start()

    def hit(self, d, first, last, device="lin"):
        d.lines([{"customer": f"c{n}", "event": "login", "id": f"l{n}", "data": {"device": device}} for n in range(first, last)])

    def messages(self, d):
        return [m.get("payload", m) for m in d.get("/v1/maildrop?limit=1000")["messages"]]

    def lines(self, d, to="lin"):
        """All lines there are; of one request the shards decide side by side, so in no order."""
        return sorted((line for m in self.messages(d) if m["to"] == to for line in m["text"].split("\n")), key=lambda line: int(line[1:]))

    def test_hits_wait_over_kills_and_go_out_once(self):
        d = self.daemon("3s", "3s")
        self.hit(d, 0, 20)
        d.kill()
        d.start()
        self.hit(d, 20, 40)
        self.hit(d, 40, 45, "mo")
        self.assertEqual(d.get("/v1/status")["counters"]["kept"], 45)
        waits = d.get("/v1/actions?customer=c3")["actions"][0]
        self.assertEqual(waits["state"], "kept")
        self.assertIn("a line of the message of", waits["note"])
        self.assertEqual(d.request("POST", f"/v1/actions/{waits['id']}/release", {"author": "op", "reason": "x"}).status, 409)
        d.kill()
        d.start()
        d.until(lambda: d.get("/v1/status")["counters"]["kept"] == 0)
        d.settled()
        self.assertEqual(self.lines(d), [f"c{n}" for n in range(40)])
        self.assertEqual(sorted(m["subject"] for m in self.messages(d)), ["40", "5"])
        done = d.get(f"/v1/actions/{waits['id']}")
        self.assertEqual(done["state"], "accepted")
        message = d.get("/v1/actions/" + re.search(r"[0-9a-f]{32}", done["note"]).group())
        self.assertEqual((message["payload"]["subject"], "digest" in message["payload"]), ("40", False))
        self.hit(d, 50, 53)
        d.kill()
        d.start()
        d.until(lambda: len(self.lines(d)) == 43)
        d.settled()
        self.assertEqual(self.lines(d)[40:], ["c50", "c51", "c52"])
        d.counters()

    def test_a_kill_at_the_moment_of_the_message(self):
        for where in ("before:kept>accepted", "after:kept>accepted", "before:in_flight>accepted"):
            with self.subTest(where):
                d = self.daemon("2500ms", "1h")
                self.hit(d, 0, 10)
                d.kill()
                os.environ["NUDGE_CRASH_AT"] = where
                try:
                    d.start()
                    d.process.wait(60)
                finally:
                    del os.environ["NUDGE_CRASH_AT"]
                d.process.stdout.close()
                d.start()
                d.until(lambda: self.lines(d))
                d.settled()
                self.assertEqual(self.lines(d), [f"c{n}" for n in range(10)])
                self.assertEqual(d.counters()["kept"], 0)

    def test_the_second_message_waits_for_its_time(self):
        d = self.daemon("500ms", "4s")
        self.hit(d, 0, 1)
        d.until(lambda: self.messages(d))
        self.hit(d, 1, 4)
        d.until(lambda: len(self.messages(d)) == 2)
        made = sorted(parse_ms(a["at"]) for a in d.get("/v1/actions?limit=100")["actions"] if a["state"] == "accepted" and not a.get("note", "").startswith("in the message"))
        self.assertEqual(made[1] - made[0], 4000)
        d.counters()


if __name__ == "__main__":
    unittest.main(verbosity=2)
