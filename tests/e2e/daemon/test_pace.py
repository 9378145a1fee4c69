#!/usr/bin/env python3
"""How fast providers are spoken to, in which order, what people say about actions, and connectors replaced while they run. Run with NUDGED=path/to/nudged."""
import json
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from harness import Daemon, parse_ms  # noqa: E402

RULES = """
rules:
  many: {priority: 50, when: {event: ping}, then: [{sms: {to: "1", text: "many"}}]}
  few: {priority: 50, when: {event: order_placed}, then: [{sms: {to: "1", text: "few"}}]}
  urgent: {priority: 90, when: {event: login}, then: [{sms: {to: "1", text: "urgent"}}]}
  failed: {when: {event: message_failed}, then: [{add_tag: failed}]}
"""
BUSY = {"status": "not_sent", "retryable": True, "http_status": 503, "detail": "busy"}
REFUSED = {"status": "not_sent", "detail": "no such number"}
SIGNED = {"author": "lin", "reason": "a test"}


class Paced(Daemon):
    """A provider behind `delivery:` limits; more connectors may follow."""

    def __init__(self, delivery="", answers=None, hello=None, process="timeout: 10s", rules=RULES, more=""):
        super().__init__(rules=rules)
        self.write("answers.json", json.dumps(answers or {}))
        self.base = self.read("nudge.yaml")
        self.connector(delivery, hello, process, more)

    def connector(self, delivery="", hello=None, process="timeout: 10s", more=""):
        self.write("nudge.yaml", self.base + f"""connectors:
  text:
    kind: sms
    command: [{sys.executable}, {HERE}/fake_provider.py]
    directory: {self.home}
    hello: {json.dumps(hello or {"idempotency": "key"})}
    process: {{{process}}}
    delivery: {{{delivery}}}
{more}""")

    def asked(self):
        try:
            with open(self.home + "/asked.jsonl", encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def texts(self):
        return [r["payload"]["text"] for r in self.asked()]

    def pace(self, name="text"):
        return next(c for c in self.get("/v1/connectors")["connectors"] if c["name"] == name)["pace"]

    def of_state(self, state):
        return self.get(f"/v1/actions?state={state}&kind=sms&limit=1000")["actions"]

    def stop_all(self, word):
        self.post("/v1/stop-all", {"stop": word, **SIGNED})


def pings(first, count):
    return [{"customer": f"c{n}", "event": "ping", "id": f"p{n}"} for n in range(first, first + count)]


class Pace(unittest.TestCase):
    def test_a_rate_holds_also_over_kills_and_restarts(self):
        with Paced("rate: 10/s, burst: 2") as d:
            d.start()
            d.lines(pings(0, 25))
            for count in (4, 9):
                d.until(lambda: len(d.asked()) >= count)
                d.kill()
                d.start()
            d.settled()
            at = sorted(r["at"] for r in d.asked())
            self.assertGreaterEqual(len(at), 25)
            for i in range(len(at) - 12):  # in any second: the rate and the burst. 30 ms: the way to the provider is not always as long
                self.assertGreaterEqual(at[i + 12] - at[i], 0.97)
            self.assertEqual(d.pace()["rate"], "10/s")

    def test_a_429_pauses_the_whole_account_and_is_shown(self):
        other = f"""  other:
    kind: ticket
    command: [{sys.executable}, {HERE}/fake_provider.py]
    directory: {{home}}
    hello: {{idempotency: key}}
    delivery: {{account: main}}
"""
        rules = RULES + '  ticket: {when: {attribute_changes: tier}, then: [{ticket: {subject: x}}]}\n'
        answers = {"sms": [{"status": "not_sent", "retryable": True, "http_status": 429, "retry_after_ms": 3000, "detail": "too many"}]}
        with Paced("account: main", answers, rules=rules) as d:
            d.connector("account: main", more=other.replace("{home}", d.home))
            d.start()
            d.lines(pings(0, 1))
            pace = d.until(lambda: (p := d.pace()) and p["throttles"] == 1 and p)
            self.assertIn("paused_until", d.pace("other"), "the other connector of the account pauses, too")
            d.lines([{"customer": "c0", "attributes": {"tier": "gold"}}])
            self.assertIn('nudge_connector_throttled_total{connector="text"} 1', d.request("GET", "/metrics").body.decode())
            self.assertGreaterEqual(parse_ms(pace["paused_until"]), 0)
            d.settled()
            asked = d.asked()
            self.assertEqual(len(asked), 3)
            for later in asked[1:]:
                self.assertGreaterEqual(later["at"] - asked[0]["at"], 2.9)

    def test_the_breaker_opens_probes_alone_and_waiting_uses_up_no_attempt(self):
        down = {"status": "not_sent", "retryable": True, "detail": "connection refused"}
        with Paced("breaker_after: 3, breaker_pause: 2s, breaker_pause_max: 2s, retry_first: 10ms, retry_max: 20ms, tries: 6", {"sms": [down] * 12}) as d:
            d.start()
            d.lines(pings(0, 30))
            # It opens several times (eight may be under way when it first does): whenever we look in time, it is shown.
            self.assertEqual(d.until(lambda: (p := d.pace())["breaker"] == "open" and p)["breaker_why"], "connection refused")
            d.until(lambda: 'nudge_connector_breaker{connector="text"} 2' in d.request("GET", "/metrics").body.decode())
            d.settled()
            self.assertEqual((len(d.of_state("accepted")), len(d.of_state("dead"))), (30, 0))
            self.assertEqual(d.pace()["breaker"], "closed")
            opened = d.pace()["breaker_opened"]
            self.assertGreaterEqual(opened, 1)
            untouched = [a for a in d.of_state("accepted") if a["tries"] == 1]
            self.assertGreater(len(untouched), 15, "what waited behind the breaker was tried once, when all was well again")

    def test_one_rule_does_not_starve_another_and_the_urgent_goes_first(self):
        with Paced(process="timeout: 10s, in_flight_max: 1") as d:
            d.start()
            d.stop_all("on")
            d.lines(pings(0, 60))
            d.lines([{"customer": "x", "event": "order_placed", "id": "o1", "data": {"amount": 1}}, {"customer": "y", "event": "login", "id": "l1"}])
            d.until(lambda: len(d.of_state("waiting")) == 62)
            d.stop_all("off")
            d.settled()
            texts = d.texts()
            self.assertEqual(len(texts), 62)
            self.assertEqual(texts[0], "urgent")
            self.assertLess(texts.index("few"), 4, texts)

    def test_in_order_a_customers_second_message_waits_for_the_first(self):
        rules = """
rules:
  first: {when: {event: ping}, then: [{sms: {to: "1", text: "first"}}, {sms: {to: "1", text: "second"}}, {sms: {to: "1", text: "third"}}]}
"""
        with Paced("order: customer, retry_first: 400ms, retry_max: 400ms", {"sms": [BUSY]}, rules=rules) as d:
            d.start()
            d.lines(pings(0, 1))
            d.settled()
            self.assertEqual(d.texts(), ["first", "first", "second", "third"])
            d.write("answers.json", json.dumps({"sms": [None] * 4 + ["hang"]}))
            d.lines(pings(1, 1))
            d.until(lambda: len(d.asked()) == 5)
            d.kill()  # the first is in flight: also after a restart nothing overtakes it
            d.start()
            d.settled()
            self.assertEqual(d.texts()[4:], ["first", "first", "second", "third"])

    def test_the_rules_word_goes_before_the_connectors(self):
        rules = """
rules:
  hold: {when: {event: ping}, then: [{sms: {to: "1", text: "hold", on_unknown: hold}}]}
  retry: {when: {event: login}, then: [{sms: {to: "1", text: "retry", on_unknown: retry}}]}
  neither: {when: {event: order_placed}, then: [{sms: {to: "1", text: "neither"}}]}
"""
        silent = {"status": "unknown", "detail": "no answer"}
        with Paced("on_unknown: hold, retry_first: 10ms", {"sms": [silent, silent, None, silent]}, rules=rules) as d:
            d.start()
            d.lines(pings(0, 1))
            d.until(lambda: len(d.of_state("unknown")) == 1)
            d.lines([{"customer": "y", "event": "login", "id": "l1"}])
            d.until(lambda: len(d.of_state("accepted")) == 1)
            d.lines([{"customer": "x", "event": "order_placed", "id": "o1", "data": {"amount": 1}}])
            d.until(lambda: len(d.of_state("unknown")) == 2)
            self.assertEqual(d.texts(), ["hold", "retry", "retry", "neither"])
            self.assertEqual(d.pace()["on_unknown"], "hold")


class Words(unittest.TestCase):
    """What people say about one action, or many."""

    def settle(self, d, word, status=200, **more):
        return d.post("/v1/outbox/settle", {"do": word, **more}, status)

    def test_many_dead_letters_count_first_then_retry_and_discard(self):
        with Paced(answers={"sms": [REFUSED] * 12}) as d:
            d.start()
            d.lines(pings(0, 10))
            d.lines([{"customer": "x", "event": "order_placed", "id": f"o{i}", "data": {"amount": i}} for i in range(2)])
            d.settled()
            self.assertEqual(len(d.of_state("dead")), 12)
            count = self.settle(d, "retry", state="dead")
            self.assertEqual((count["status"], count["actions"]), ("counted", 12))
            self.assertEqual(count["of"], [{"rule": "few", "state": "dead", "actions": 2}, {"rule": "many", "state": "dead", "actions": 10}])
            self.assertEqual(len(d.asked()), 12, "counting does nothing")
            refused = self.settle(d, "retry", 409, state="dead", rule="many", at_most=9, **SIGNED)
            self.assertIn("there are 10 such actions by now", refused["detail"])
            self.settle(d, "retry", 400, state="dead", rule="many", at_most=10)  # without a reason
            self.settle(d, "retry", 400, state="accepted", at_most=10, **SIGNED)
            self.settle(d, "explode", 400)
            done = self.settle(d, "retry", state="dead", rule="many", at_most=10, **SIGNED)
            self.assertEqual((done["status"], done["actions"]), ("retrying", 10))
            d.settled()
            self.assertEqual((len(d.of_state("dead")), len(d.of_state("accepted"))), (2, 10))
            self.assertEqual(self.settle(d, "discard", note="no such", at_most=2, **SIGNED)["actions"], 2)
            self.assertEqual(d.of_state("discarded")[0]["note"], "discarded by lin: a test")
            self.assertEqual(self.settle(d, "discard", note="no such")["actions"], 0)
            audit = d.get("/v1/audit")["records"]
            self.assertIn("outbox.settle", [r["action"] for r in audit])
            d.counters()

    def test_a_mended_address(self):
        with Paced(answers={"sms": [REFUSED]}) as d:
            d.start()
            d.lines(pings(0, 1))
            d.settled()
            dead = d.of_state("dead")[0]["id"]
            for wrong in ({"to": "+861390"}, {"to": "a@example.com", **SIGNED}, {"to": "", **SIGNED}):
                d.post(f"/v1/actions/{dead}/mend", wrong, 400)
            d.post(f"/v1/actions/{dead}/mend", {"to": "+861390", **SIGNED})
            d.settled()
            self.assertEqual([r["payload"]["to"] for r in d.asked()], ["1", "+861390"])
            self.assertEqual({r["action_id"] for r in d.asked()}, {dead})
            action = d.get(f"/v1/actions/{dead}")
            self.assertEqual((action["state"], action["payload"]["to"]), ("accepted", "+861390"))
            d.post(f"/v1/actions/{dead}/mend", {"to": "+861391", **SIGNED}, 409)

    def test_an_unknown_one_did_arrive_and_what_waits_is_given_up(self):
        rules = RULES + "  told: {when: {event: message_accepted}, then: [{add_tag: told}]}\n"
        with Paced("on_unknown: hold", {"sms": [{"status": "unknown"}]}, rules=rules) as d:
            d.start()
            d.lines(pings(0, 1))
            unknown = d.until(lambda: d.of_state("unknown"))[0]["id"]
            d.post(f"/v1/actions/{unknown}/arrived", {}, 400)
            d.post(f"/v1/actions/{unknown}/arrived", SIGNED)
            self.assertEqual(d.get(f"/v1/actions/{unknown}")["note"], "it arrived, says lin: a test")
            d.until(lambda: d.get("/v1/rules/told")["fired"] == 1)
            d.post(f"/v1/actions/{unknown}/arrived", SIGNED, 409)
            d.post(f"/v1/actions/{unknown}/release", SIGNED, 409)
            d.stop_all("on")
            d.lines(pings(1, 20))
            d.lines([{"customer": "x", "event": "order_placed", "id": "o1", "data": {"amount": 1}}])
            d.until(lambda: len(d.of_state("waiting")) == 21)
            self.assertEqual(self.settle(d, "discard", rule="many", state="waiting", at_most=20, **SIGNED)["actions"], 20)
            d.stop_all("off")
            d.settled()
            self.assertEqual(d.texts(), ["many", "few"])
            self.assertEqual(len(d.of_state("discarded")), 20)

    def test_what_a_budget_keeps_goes_out_one_by_one_or_by_filter(self):
        rules = RULES + "policies:\n  few: {for: {rule: many}, budget: {at_most: 1, per: calendar_day, over: hold}}\n"
        with Paced(rules=rules) as d:
            d.start()
            d.lines(pings(0, 6))
            d.until(lambda: len(d.of_state("kept")) == 5)
            one = d.of_state("kept")[0]
            d.post(f"/v1/actions/{one['id']}/release", SIGNED)
            d.settled()
            self.assertEqual(d.get(f"/v1/actions/{one['id']}")["state"], "accepted")
            customer = d.of_state("kept")[0]["customer"]
            self.assertEqual(self.settle(d, "discard", state="kept", customer=customer, at_most=1, **SIGNED)["actions"], 1)
            self.assertEqual(self.settle(d, "release", rule="many", at_most=3, **SIGNED)["actions"], 3)
            d.settled()
            self.assertEqual((len(d.of_state("accepted")), len(d.of_state("discarded")), len(d.of_state("kept"))), (5, 1, 0))


class Processes(unittest.TestCase):
    def test_a_connector_replaced_under_load_loses_nothing(self):
        with Paced(process="timeout: 10s, in_flight_max: 4") as d:
            d.start()
            pids = set()
            for round_ in range(4):
                d.lines(pings(round_ * 40, 40))
                pids.add(d.until(lambda: next(c for c in d.get("/v1/connectors")["connectors"] if c["name"] == "text")["pid"]))
                d.connector(hello={"idempotency": "key", "version": f"2.{round_}"}, process=f"timeout: 10s, in_flight_max: {round_ + 1}")
                d.post("/v1/connectors/text/restart")
            d.post("/v1/connectors/nobody/restart", status=404)
            d.settled()
            self.assertEqual(len(d.of_state("accepted")), 160)
            self.assertEqual([len(d.of_state(s)) for s in ("unknown", "dead")], [0, 0])
            asked = [r["action_id"] for r in d.asked()]
            self.assertEqual((len(asked), len(set(asked))), (160, 160), "nothing twice, nothing lost")
            d.until(lambda: d.pace()["at_once"] == 4)
            d.until(lambda: next(c for c in d.get("/v1/connectors")["connectors"] if c["name"] == "text")["pid"] not in pids)
            d.connector("rate: fast")
            self.assertIn("is no rate", d.post("/v1/connectors/text/restart", status=400)["detail"], "a bad configuration replaces nothing")

    def test_processor_time_is_limited(self):
        with Paced(answers={"sms": ["spin"]}, process="timeout: 60s, cpu_seconds: 1") as d:
            d.start()
            d.lines(pings(0, 1))
            d.settled(120)
            action = d.get("/v1/actions/" + d.of_state("accepted")[0]["id"])
            self.assertEqual([a["status"] for a in action["attempts"]], ["unknown", "accepted"])
            self.assertIn("SIGXCPU", action["attempts"][0]["detail"] + d.text_log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
