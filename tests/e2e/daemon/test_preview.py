#!/usr/bin/env python3
"""`nudge preview`: each kind of message as it would go out, by whom, when, and all that would stop it at this moment; and what then really happens is that.
Run with NUDGED=path/to/nudged NUDGE=path/to/nudge."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon  # noqa: E402

CATALOG = """
customer:
  attributes:
    name: {type: text, pii: true}
    phone: {type: phone, pii: true}
    email: {type: text, pii: true}
    tier: {type: text}
events:
  order_placed: {fields: {sku: text}}
"""
RULES = """
rules:
  all-kinds:
    description: A word by every channel
    purpose: service
    when: {event: order_placed}
    then:
      - email: {subject: "Order {{ event.sku }}", text: "Dear {{ customer.name | default: 'customer' }}", html: "<b>{{ customer.name }}</b>"}
      - sms: {text: "订单 {{ event.sku }}"}
      - chat: {text: "An order of {{ customer.tier }}"}
      - ticket: {subject: "Pack {{ event.sku }}", priority: high}
      - webhook: {event: order, data: {sku: "{{ event.sku }}"}}
      - call_task: {team: inside, subject: "Thank {{ customer.name | default: 'them' }}", due_in: 1d}
      - after: 2h
        maildrop: {text: "Later"}
  kept:
    when: {event: order_placed}
    then: [{maildrop: {to: "a@example.com", text: Offer}}]
  big:
    when: {event: order_placed}
    then: [{maildrop: {to: "a@example.com", text: Offer, approval: {team: inside, within: 4h, otherwise: drop}}}]
policies:
  few: {for: {rule: kept}, budget: {at_most: 1, per: calendar_day, over: hold}}
teams:
  inside: {manager: lin, members: [{id: lin, name: Lin}]}
"""
WHO = {"author": "lin", "reason": "a test"}


class Preview(unittest.TestCase):
    def start(self, rules=RULES, config=""):
        d = Daemon(rules=rules, catalog=CATALOG, config="connectors:\n  drop: {kind: maildrop}\n" + config)
        self.addCleanup(d.close)
        d.start()
        d.post("/v1/customers/c", {"attributes": {"name": "<王芳>", "phone": "+8613800000000", "email": "fang@example.com", "tier": "gold"}})
        return d

    def preview(self, d, rule, customer="c"):
        return d.get(f"/v1/preview?customer={customer}&rule={rule}&personal=full")["preview"]

    def stops(self, d, rule, step=0):
        return [(s["what"], s["words"]) for s in self.preview(d, rule)["steps"][step]["stops"]]

    def order(self, d, number=1, customer="c"):
        d.post("/v1/events", {"customer": customer, "event": "order_placed", "id": f"o{number}", "data": {"sku": f"s{number}"}})

    def test_every_kind_as_it_then_goes_out(self):
        d = self.start()
        self.order(d)
        shown = self.preview(d, "all-kinds")
        steps = shown["steps"]
        self.assertEqual([s["kind"] for s in steps], ["email", "sms", "chat", "ticket", "webhook", "call_task", "maildrop"])
        self.assertIn("o1", shown["cause"])
        self.assertEqual({s["connector"] for s in steps if s["kind"] != "call_task"}, {"drop"}, "the drop takes what has no connector of its own")
        self.assertEqual((steps[5]["connector"], steps[5]["team"]), (None, "inside"))
        self.assertEqual(steps[0]["payload"]["html"], "<b>&lt;王芳&gt;</b>")
        self.assertEqual(steps[1]["sms"], {"alphabet": "UCS-2", "units": 5, "segments": 1})
        for step in steps:
            self.assertEqual((step["policy"]["verdict"], step["stops"], step["error"]), ("allow", [], None), step)
        self.assertGreater(steps[6]["at"], steps[0]["at"])
        d.settled()
        sent = {a["kind"]: d.get(f"/v1/actions/{a['id']}?personal=full") for a in d.get("/v1/actions?rule=all-kinds&limit=100")["actions"]}
        for step in steps[:6]:
            self.assertEqual(sent[step["kind"]]["payload"], step["payload"], "what was shown is what went out")

    def test_whatever_stops_it_is_said_before_it_happens(self):
        d = self.start()
        self.order(d, 1)
        d.until(lambda: d.get("/v1/actions?rule=kept&state=accepted")["actions"])
        (kept,) = self.stops(d, "kept")
        self.assertEqual(kept[0], "kept")
        self.assertIn("budget `few`: 1 of 1", kept[1])
        self.assertEqual(self.stops(d, "kept"), [kept], "to ask uses nothing up")
        (asked,) = self.stops(d, "big")
        self.assertEqual(asked[0], "asked")
        self.assertIn("the manager of inside, at most 4h", asked[1])
        d.post("/v1/silences", {"rule": "all-kinds", "channel": "sms", "for": "1h", **WHO})
        self.assertEqual([len(s["stops"]) for s in self.preview(d, "all-kinds")["steps"]], [0, 1, 0, 0, 0, 0, 0])
        what, words = self.stops(d, "all-kinds", 1)[0]
        self.assertEqual(what, "held")
        self.assertIn("by lin until", words)
        d.post("/v1/suppressions", {"kind": "address", "value": "fang@example.com", **WHO})
        what, words = self.stops(d, "all-kinds", 0)[0]
        self.assertEqual(what, "held")
        self.assertIn("suppression list", words)
        d.post("/v1/stop-all", {"stop": "on", **WHO})
        self.assertEqual([s["stops"][-1]["what"] for s in self.preview(d, "all-kinds")["steps"] if s["stops"]], ["held", "held", "waits", "waits", "waits", "waits"])
        d.post("/v1/customers/d", {"attributes": {"tier": "gold"}})
        empty = self.preview(d, "all-kinds", "d")["steps"][0]["stops"]
        self.assertIn(("held", "no address: `to` of this email is empty"), [(s["what"], s["words"]) for s in empty])

    def test_no_connector_and_test_mode(self):
        config = "  texts: {kind: maildrop2, command: [/bin/false]}\n"
        d = self.start(config=config + "test_mode: {send_only_to: [me@example.com]}\n")
        steps = self.preview(d, "all-kinds")["steps"]
        self.assertEqual([(s["what"], s["words"]) for s in steps[0]["stops"]], [("elsewhere", "test mode: it goes to me@example.com instead")])
        self.assertEqual(steps[3]["stops"][0]["what"], "held")

    def test_by_hand(self):
        d = self.start()
        d.post("/v1/stop-all", {"stop": "on", **WHO})
        done = subprocess.run([os.environ["NUDGE"], "--lang", "en", "--local", d.home + "/data", "preview", "all-kinds", "c"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("by drop", done.stdout)
        self.assertIn("policy: waits: everything was stopped by lin", done.stdout)
        self.assertIn("for the team inside", done.stdout)


if __name__ == "__main__":
    unittest.main()
