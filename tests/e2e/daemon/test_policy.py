#!/usr/bin/env python3
"""Policies in a running nudged: what is held back and why, stop-all, silences, the brake, the suppression list, one-click unsubscribe, test mode; across a
kill -9. Run with NUDGED=path/to/nudged."""
import json
import os
import sys
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon  # noqa: E402

RULES = """
rules:
  offer:
    when: {event: login}
    then: [{maildrop: {to: "{{ customer.email | default: 'nobody@example.com' }}", text: Offer}}]
  receipt:
    purpose: service
    when: {event: order_placed}
    then: [{maildrop: {to: "{{ customer.email | default: 'nobody@example.com' }}", text: Receipt}}]
  burst:
    when: {event: ping}
    then: [{maildrop: {text: "Ping {{ event.n }}"}}]
  heard:
    category: management
    when: {event: message_held}
    then: [{ticket: {subject: "Held: {{ event.reason }}"}}]
policies:
  yes-please:
    for: {rule: offer}
    consent: {attribute: vip, equals: true}
  two-a-day:
    for: {rule: receipt}
    cap: {at_most: 2, per: 1d}
  brake:
    for: {rule: burst}
    brake: {times: 2, at_least: 5}
"""
WHO = {"author": "lin", "reason": "a test"}


class Policies(unittest.TestCase):
    def event(self, d, kind, id_, customer="c", **data):
        d.post("/v1/events", {"customer": customer, "event": kind, "id": id_, "data": data})

    def vip(self, d, customer="c", **more):
        d.post(f"/v1/customers/{customer}", {"attributes": {"vip": True, **more}})

    def actions(self, d, rule, state=None):
        return d.get(f"/v1/actions?rule={rule}&limit=1000" + (f"&state={state}" if state else ""))["actions"]

    def texts(self, d):
        """Of all messages that arrived; the tickets of `heard` have none."""
        return sorted(filter(None, (m.get("payload", m).get("text", "") for m in d.get("/v1/maildrop?limit=1000")["messages"])))

    def balanced(self, d):
        for line in d.get("/v1/status")["balance"]:
            self.assertTrue(line["holds"], line)

    def test_what_is_held_back_is_recorded_counted_and_told(self):
        with Daemon(rules=RULES) as d:
            d.start()
            self.event(d, "login", "l1")
            for i in range(3):
                self.event(d, "order_placed", f"o{i}", amount=1)
            d.until(lambda: len(self.actions(d, "heard")) == 2)
            held = self.actions(d, "offer", "held")
            self.assertEqual([(a["held"], a["note"].split(":")[0]) for a in held], [("consent", "consent `yes-please`")])
            capped = self.actions(d, "receipt", "held")
            self.assertEqual([a["held"] for a in capped], ["cap"])
            self.assertIn("2 of 2 in the last 1d", capped[0]["note"])
            self.assertEqual(sorted(t["held_by"] for t in d.get("/v1/decisions?customer=c")["decisions"] if not t["fired"]), ["cap", "consent"])
            d.until(lambda: len(self.actions(d, "receipt", "accepted")) == 2)
            rule = d.get("/v1/rules/receipt")
            self.assertEqual(rule["actions_held_by"], {"cap": 1})
            metrics = d.request("GET", "/metrics").body.decode()
            self.assertIn('nudge_actions_held_total{rule="receipt",reason="cap"} 1', metrics)
            why = d.get("/v1/explain?customer=c&rule=offer")["explanation"]["policies"]
            self.assertEqual([(p["policy"], p["verdict"]) for p in why], [("", "allows"), ("yes-please", "drops")])
            self.balanced(d)
            d.kill()
            d.start()
            d.settled()
            self.assertEqual(len(self.actions(d, "heard")), 2, "told once, also across a restart")
            self.event(d, "order_placed", "o9", amount=1)
            self.assertEqual(len(self.actions(d, "receipt", "held")), 2, "the cap still knows what was sent before the restart")
            self.balanced(d)

    def test_stop_all_stops_everything_loses_nothing_and_is_kept_over_a_kill(self):
        with Daemon(rules=RULES) as d:
            d.start()
            self.vip(d)
            self.assertEqual(d.request("POST", "/v1/stop-all", {"stop": "on"}).status, 400, "without a reason nothing is stopped")
            d.post("/v1/stop-all", {"stop": "on", **WHO})
            self.event(d, "login", "l1")
            self.event(d, "order_placed", "o1", amount=1)
            time.sleep(0.5)
            self.assertEqual(self.texts(d), [])
            d.kill()
            d.start()
            self.assertTrue(d.get("/v1/status")["policies"]["stopped"])
            time.sleep(0.5)
            self.assertEqual(self.texts(d), [])
            self.assertEqual([a["state"] for a in self.actions(d, "offer")], ["waiting"])
            # Meanwhile the customer has changed their mind: asked again before it leaves.
            self.event(d, "message_unsubscribed", "u1", purpose="marketing")
            d.post("/v1/stop-all", {"stop": "off", **WHO})
            d.until(lambda: self.texts(d) == ["Receipt"])
            d.until(lambda: [a["held"] for a in self.actions(d, "offer", "held")] == ["opted_out"])
            self.balanced(d)

    def test_above_at_most_the_later_steps_do_not_come_either_also_over_a_kill(self):
        rules = """
rules:
  few: {when: {event: login}, limits: {at_most: 1 per month}, then: [{maildrop: {text: first}}, {after: 2s, maildrop: {text: second}}]}
  capped: {when: {event: order_placed}, then: [{maildrop: {text: other}}]}
policies:
  one: {for: {channel: maildrop, rule: [few, capped]}, cap: {at_most: 2, per: 30d}}
"""
        with Daemon(rules=rules) as d:
            d.start()
            d.lines([{"customer": f"c{n}", "event": "login", "id": f"l{n}"} for n in range(20)])
            d.kill()
            d.start()
            d.until(lambda: sorted(m["payload"]["text"] for m in d.get("/v1/maildrop?limit=100")["messages"]) == ["first", "second"])
            time.sleep(1)
            self.assertEqual(len(d.get("/v1/maildrop?limit=100")["messages"]), 2)
            lucky = self.actions(d, "few", "accepted")[0]["customer"]
            other = next(f"c{n}" for n in range(20) if f"c{n}" != lucky)
            for number in range(3):  # the undone firing took no place under the cap: two more may go
                self.event(d, "order_placed", f"o{number}", customer=other)
            d.until(lambda: len(self.actions(d, "capped", "held")) == 1)
            d.settled()
            self.assertEqual(len(self.actions(d, "capped", "accepted")), 2)
            self.balanced(d)

    def test_quiet_hours_that_began_while_it_waited(self):
        with Daemon(rules=RULES) as d:
            d.start()
            self.vip(d)
            d.post("/v1/stop-all", {"stop": "on", **WHO})
            self.event(d, "login", "l1")
            hour = time.gmtime().tm_hour
            window = f"{(hour + 6) % 24:02}:00-{(hour + 7) % 24 or 24:02}:00"  # six hours away, whenever this runs
            d.write("rules/rules.yaml", RULES + "  nights:\n    for: {rule: offer}\n    quiet_hours: {allow: {hours: '" + window + "'}}\n")
            d.post("/v1/reload")
            time.sleep(1.1)  # below a second the decision is as good as new
            d.post("/v1/stop-all", {"stop": "off", **WHO})
            waits = d.until(lambda: [a for a in self.actions(d, "offer", "waiting") if "quiet hours `nights`" in a.get("note", "")])
            self.assertEqual(waits[0]["next_at"][11:16], window[:5])
            d.kill()
            d.start()
            time.sleep(0.5)
            self.assertEqual([a["state"] for a in self.actions(d, "offer")], ["waiting"], "put off, not lost, also across a restart")
            self.assertEqual(self.texts(d), [])
            self.balanced(d)

    def test_a_silence_holds_back_until_it_ends(self):
        with Daemon(rules=RULES) as d:
            d.start()
            self.vip(d)
            self.assertEqual(d.request("POST", "/v1/silences", {"for": "1h", **WHO}).status, 400, "a silence matches something")
            self.assertEqual(d.request("POST", "/v1/silences", {"rule": "ofer", "for": "1h", **WHO}).status, 404)
            silence = d.post("/v1/silences", {"rule": "offer", "for": "1h", **WHO})
            self.event(d, "login", "l1")
            d.until(lambda: self.actions(d, "offer", "held"))
            self.assertIn("by lin until", self.actions(d, "offer", "held")[0]["note"])
            self.assertEqual([s["id"] for s in d.get("/v1/silences")["silences"]], [silence["id"]])
            d.post(f"/v1/silences/{silence['id']}/end", WHO)
            self.event(d, "login", "l2")
            d.until(lambda: self.texts(d) == ["Offer"])
            self.balanced(d)

    def test_the_brake_keeps_and_a_person_releases_or_discards(self):
        with Daemon(rules=RULES) as d:
            d.start()
            for i in range(8):
                self.event(d, "ping", f"p{i}", n=i)
            d.until(lambda: len(self.texts(d)) == 5)
            self.assertEqual(d.get("/v1/status")["policies"]["braked"], ["burst"])
            self.assertEqual(len(self.actions(d, "burst", "kept")), 3)
            d.kill()
            d.start()
            self.assertEqual(d.get("/v1/status")["policies"]["braked"], ["burst"])
            self.assertEqual(d.post("/v1/rules/burst/release", WHO)["actions"], 3)
            d.until(lambda: len(self.texts(d)) == 8)
            for i in range(8, 30):
                self.event(d, "ping", f"p{i}", n=i)
            d.until(lambda: self.actions(d, "burst", "kept"))
            kept = len(self.actions(d, "burst", "kept"))
            self.assertEqual(d.post("/v1/rules/burst/discard", WHO)["actions"], kept)
            self.assertEqual(len(self.actions(d, "burst", "discarded")), kept)
            self.balanced(d)

    def test_one_that_is_released_while_everything_is_stopped_waits_and_then_goes_once(self):
        with Daemon(rules=RULES) as d:
            d.start()
            for i in range(7):
                self.event(d, "ping", f"p{i}", n=i)
            d.until(lambda: len(self.texts(d)) == 5)
            d.post("/v1/stop-all", {"stop": "on", **WHO})
            one, other = [a["id"] for a in self.actions(d, "burst", "kept")]
            d.post(f"/v1/actions/{one}/release", WHO)
            self.assertEqual([a["id"] for a in self.actions(d, "burst", "waiting")], [one])
            time.sleep(0.5)
            self.assertEqual(len(self.texts(d)), 5, "stopped is stopped")
            d.kill()
            d.start()
            self.assertEqual([a["id"] for a in self.actions(d, "burst", "waiting")], [one])
            d.post("/v1/stop-all", {"stop": "off", **WHO})
            d.until(lambda: len(self.texts(d)) == 6)
            time.sleep(0.3)
            self.assertEqual(len(self.texts(d)), 6)
            self.assertEqual([a["id"] for a in self.actions(d, "burst", "kept")], [other], "the rule is braked still")
            self.balanced(d)

    def test_tasks_that_the_brake_keeps_come_to_the_list_or_never_do(self):
        rules = """
rules:
  calls:
    category: management
    when: {event: ping}
    then: [{call_task: {team: inside, assign: {strategy: least_loaded}, subject: "Call {{ event.n }}", due_in: 24h}}]
policies:
  brake: {for: {rule: calls}, brake: {times: 2, at_least: 2}}
teams:
  inside: {members: [{id: lin, name: Lin}, {id: wu, name: Wu}]}
"""
        with Daemon(rules=rules) as d:
            d.start()
            for i in range(4):
                self.event(d, "ping", f"p{i}", n=i)
            d.until(lambda: len(self.actions(d, "calls", "kept")) == 2)
            self.assertEqual(len(d.get("/v1/tasks")["tasks"]), 2)
            self.assertEqual(d.post("/v1/rules/calls/release", WHO)["actions"], 2)
            tasks = d.until(lambda: [t for t in [d.get("/v1/tasks")["tasks"]] if len(t) == 4])[0]
            self.assertEqual(sorted(t["owner"] for t in tasks), ["lin", "lin", "wu", "wu"])
            d.until(lambda: len([e for e in d.get("/v1/customers/c")["events"] if e["event"] == "task_created"]) == 4)
            for i in range(4, 12):
                self.event(d, "ping", f"p{i}", n=i)
            kept = len(d.until(lambda: self.actions(d, "calls", "kept")))
            self.assertEqual(d.post("/v1/rules/calls/discard", WHO)["actions"], kept)
            self.assertEqual(len(d.get("/v1/tasks")["tasks"]), 12 - kept)
            self.balanced(d)

    def test_the_suppression_list_by_customer_address_and_domain(self):
        with Daemon(rules=RULES) as d:
            d.start()
            for customer, email in (("a", "Ann <ann@Example.com>"), ("b", "bob@mail.spam.example"), ("c", "c@good.example"), ("e", "e@good.example")):
                self.vip(d, customer, email=email)
            d.post("/v1/suppressions", {"kind": "customer", "value": "e", **WHO})
            answer = d.request("POST", "/v1/suppressions/import?author=lin&reason=list", b"kind,value\naddress,ann@example.com\ndomain,spam.example\nnonsense,x\n")
            self.assertEqual(json.loads(answer.body)["imported"], 2)
            self.assertEqual([r["line"] for r in json.loads(answer.body)["refused"]], [4])
            d.kill()
            d.start()
            self.assertEqual(d.get("/v1/suppressions")["total"], 3)
            first = d.get("/v1/suppressions?limit=1")
            self.assertEqual(len(d.get(f"/v1/suppressions?after={first['next']}")["suppressions"]), 2)
            for customer in "abce":
                self.event(d, "login", "l1", customer)
            d.until(lambda: len(self.actions(d, "offer", "held")) == 3)
            self.assertEqual({a["customer"] for a in self.actions(d, "offer", "held")}, {"a", "b", "e"})
            self.assertEqual({a["held"] for a in self.actions(d, "offer", "held")}, {"suppressed"})
            d.post("/v1/suppressions/remove", {"kind": "address", "value": "ann@example.com", **WHO})
            self.assertEqual(d.request("POST", "/v1/suppressions/remove", {"kind": "address", "value": "x@y", **WHO}).status, 404)
            self.event(d, "login", "l2", "a")
            d.until(lambda: len(self.texts(d)) == 2)
            self.balanced(d)

    def test_test_mode_sends_nowhere_else(self):
        rules = RULES.replace("maildrop: {to", "email: {subject: x, to", 1)
        with Daemon(rules=rules, config="test_mode: {send_only_to: [me@example.com]}\n") as d:
            d.start()
            self.vip(d, email="ann@example.com")
            self.assertEqual(d.get("/v1/status")["policies"]["test_mode"], ["me@example.com"])
            self.event(d, "login", "l1")
            d.until(lambda: self.texts(d) == ["Offer"])
            message = d.get("/v1/maildrop")["messages"][0]
            self.assertIn("me@example.com", json.dumps(message))
            self.assertNotIn("ann@example.com", json.dumps(message))
            self.assertEqual(len(self.actions(d, "heard")), 0)


class Unsubscribe(unittest.TestCase):
    def test_one_click(self):
        rules = RULES.replace("maildrop: {to", "email: {subject: x, to", 1)
        with Daemon(rules=rules, config="unsubscribe: {url: 'https://news.example.com', key: {env: UNSUBSCRIBE_KEY}}\nhttp: {port: 0, token: {env: UNSUBSCRIBE_KEY}}\n") as d:
            os.environ["UNSUBSCRIBE_KEY"] = "k" * 32
            d.start()
            token = {"Authorization": "Bearer " + "k" * 32}

            def call(method, path, body=None, headers=None):
                request = urllib.request.Request(f"http://127.0.0.1:{d.port}{path}", method=method, data=body, headers=headers or {})
                try:
                    with urllib.request.urlopen(request) as answer:
                        return answer.status, answer.read().decode()
                except urllib.error.HTTPError as error:
                    return error.code, error.read().decode()

            def ask(path):
                return json.loads(call("GET", path, headers=token)[1])

            def post(path, document):
                return call("POST", path, json.dumps(document).encode(), {**token, "Content-Type": "application/json"})

            def wait(what):
                end = time.time() + 20
                while not what():
                    self.assertLess(time.time(), end)
                    time.sleep(0.05)

            post("/v1/customers/c", {"attributes": {"vip": True, "email": "c@example.com"}})
            post("/v1/events", {"customer": "c", "event": "login", "id": "l1", "data": {}})
            def arrived():
                return [m for m in ask("/v1/maildrop")["messages"] if m.get("payload", m).get("text")]

            wait(arrived)
            message = json.dumps(arrived()[0])
            link = message[message.index("https://news.example.com/u/") :].split('"')[0]
            path = link[len("https://news.example.com") :]
            self.assertEqual(call("GET", "/v1/status")[0], 401, "the token still guards the rest")
            status, page = call("GET", path)
            self.assertEqual(status, 200)
            self.assertIn("<button>", page)
            post("/v1/events", {"customer": "c", "event": "login", "id": "l2", "data": {}})
            wait(lambda: len(arrived()) == 2)  # a GET has changed nothing
            self.assertEqual(call("POST", path[:-3] + "AAA", b"List-Unsubscribe=One-Click")[0], 404)
            for _ in range(3):
                status, page = call("POST", path, b"List-Unsubscribe=One-Click", {"Content-Type": "application/x-www-form-urlencoded"})
                self.assertEqual(status, 200, page)
            post("/v1/events", {"customer": "c", "event": "login", "id": "l3", "data": {}})
            post("/v1/events", {"customer": "c", "event": "order_placed", "id": "o1", "data": {"amount": 1}})
            wait(lambda: len(arrived()) == 3)  # the receipt: service goes on
            held = ask("/v1/actions?rule=offer&state=held")["actions"]
            self.assertEqual([a["held"] for a in held], ["opted_out"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
