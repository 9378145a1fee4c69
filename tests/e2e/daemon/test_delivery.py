#!/usr/bin/env python3
"""What becomes of actions when providers refuse, hang, die or say nothing; and what a failing disk does. Run with NUDGED=path/to/nudged."""
import json
import os
import resource
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, rfc3339  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
RULES = """
rules:
  say:
    when: {event: order_placed}
    then: [{sms: {to: "1", text: "hello"}}]
  failed-too-often:
    when: {event: message_failed}
    then: [{ticket: {subject: "message failed"}}]
  thanked:
    when: {event: message_accepted, where: {field: channel, equals: sms}}
    then: [{ticket: {subject: "message accepted"}}]
"""
ORDER = {"customer": "c", "event": "order_placed", "id": "o1", "data": {"amount": 1}}


class Provider(Daemon):
    def __init__(self, answers, hello=None, timeout="5s"):
        super().__init__(rules=RULES)
        config = {"directory": self.home, "hello": hello or {}}
        self.write("answers.json", json.dumps(answers))
        self.write("nudge.yaml", self.read("nudge.yaml") + f"""connectors:
  text:
    kind: sms
    command: [{sys.executable}, {HERE}/fake_provider.py]
    directory: {self.home}
    hello: {json.dumps(config["hello"])}
    process: {{timeout: {timeout}}}
  drop: {{kind: maildrop}}
""")

    def asked(self, kind="sms"):
        try:
            with open(self.home + "/asked.jsonl", encoding="utf-8") as file:
                return [r for r in map(json.loads, file) if r["kind"] == kind]
        except FileNotFoundError:
            return []

    def action(self, kind="sms"):
        actions = [a for a in self.get("/v1/actions")["actions"] if a["kind"] == kind]
        return self.get(f"/v1/actions/{actions[0]['id']}") if actions else None

    def until_state(self, state):
        return self.until(lambda: (a := self.action()) and a["state"] == state and a)


class Outcomes(unittest.TestCase):
    def test_retryable_refusals_are_tried_again_with_the_same_id(self):
        with Provider({"sms": [{"status": "not_sent", "retryable": True, "detail": "busy", "http_status": 503}]}) as d:
            d.start()
            d.post("/v1/events", ORDER)
            action = d.until_state("accepted")
            self.assertEqual([(a["status"], a.get("http_status")) for a in action["attempts"]], [("not_sent", 503), ("accepted", None)])
            asked = d.asked()
            self.assertEqual([(r["action_id"], r["attempt"]) for r in asked], [(action["id"], 1), (action["id"], 2)])
            self.assertGreaterEqual(asked[1]["at"] - asked[0]["at"], 0.99, "a pause before the second attempt")
            d.settled()
            self.assertEqual(d.get("/v1/rules/thanked")["fired"], 1, "the outcome came back as an event")

    def test_retry_after_is_kept(self):
        with Provider({"sms": [{"status": "not_sent", "retryable": True, "retry_after_ms": 3500}]}) as d:
            d.start()
            d.post("/v1/events", ORDER)
            d.until_state("accepted")
            asked = d.asked()
            self.assertGreaterEqual(asked[1]["at"] - asked[0]["at"], 3.5)

    def test_a_refusal_for_good_is_a_dead_letter_until_a_person_says_so(self):
        with Provider({"sms": [{"status": "not_sent", "detail": "no such number"}] * 2}) as d:
            d.start()
            d.post("/v1/events", ORDER)
            action = d.until_state("dead")
            self.assertEqual(action["note"], "no such number")
            rule = d.get("/v1/rules/say")
            self.assertEqual((rule["failed"], rule["last_error"]), (1, "no such number"))
            d.settled()
            self.assertEqual(d.get("/v1/rules/failed-too-often")["fired"], 1)
            self.assertEqual([a["id"] for a in d.get("/v1/actions?state=dead")["actions"]], [action["id"]])
            d.post(f"/v1/actions/{action['id']}/retry")
            d.until(lambda: len(d.asked()) == 2)
            d.until_state("dead")
            d.kill()
            d.start()
            d.post(f"/v1/actions/{action['id']}/retry")
            d.until_state("accepted")
            d.post(f"/v1/actions/{action['id']}/retry", status=409)
            d.post(f"/v1/actions/{action['id']}/discard", {"reason": "x"}, 409)
            self.assertEqual(d.get("/v1/rules/say")["failed"], 0)
            d.settled()

    def test_an_unknown_outcome_without_help_waits_for_a_person(self):
        for answer in ({"status": "unknown", "detail": "cut off"}, "die"):
            with self.subTest(answer), Provider({"sms": [answer]}, {"idempotency": "none", "default_on_unknown": "hold"}) as d:
                d.start()
                d.post("/v1/events", ORDER)
                action = d.until_state("unknown")
                time.sleep(1.5)
                self.assertEqual(len(d.asked()), 1, "not sent again by itself")
                self.assertEqual(d.counters()["unknown"], 1)
                d.post(f"/v1/actions/{action['id']}/discard", {"reason": "called instead"})
                self.assertEqual(d.action()["note"], "discarded: called instead")
                self.assertEqual(d.counters()["discarded"], 1)

    def test_an_unknown_outcome_with_a_key_is_repeated_and_with_a_query_asked(self):
        with Provider({"sms": ["die"]}, {"idempotency": "key"}) as d:
            d.start()
            d.post("/v1/events", ORDER)
            d.until_state("accepted")
            self.assertEqual(len({r["action_id"] for r in d.asked()}), 1)
            self.assertEqual(len(d.asked()), 2)
        with Provider({"sms": [{"status": "unknown", "provider_ref": "p7"}], "query": [{"status": "accepted"}]}, {"idempotency": "query"}) as d:
            d.start()
            d.post("/v1/events", ORDER)
            d.until_state("accepted")
            self.assertEqual([(r["op"], r.get("provider_ref")) for r in d.asked()], [("deliver", None), ("query", "p7")])

    def test_what_was_in_flight_at_a_kill(self):
        for hello, state in (({"idempotency": "none", "default_on_unknown": "hold"}, "unknown"), ({"idempotency": "key"}, "accepted")):
            with self.subTest(state), Provider({"sms": ["hang"]}, hello, timeout="60s") as d:
                d.start()
                d.post("/v1/events", ORDER)
                d.until(lambda: d.asked())
                self.assertEqual(d.action()["state"], "in_flight")
                d.kill()
                d.start()
                action = d.until_state(state)
                self.assertEqual(len({r["action_id"] for r in d.asked()}), 1)
                self.assertEqual(len(d.asked()), 1 if state == "unknown" else 2)
                self.assertEqual(action["attempts"][0]["status"], "unknown")
                d.counters()

    def test_a_hanging_provider_costs_only_itself(self):
        with Provider({"sms": ["hang"] * 100}, timeout="60s") as d:
            d.start()
            for i in range(30):
                d.post("/v1/events", {**ORDER, "customer": f"c{i}"})
            d.lines([{"customer": f"m{i}", "event": "ping"} for i in range(500)])
            d.until(lambda: d.asked())
            status = d.get("/v1/status")
            self.assertEqual(status["queue"]["items"], 0)
            text = next(c for c in status["connectors"] if c["name"] == "text")
            self.assertGreater(text["waiting"], 10)
            began = time.monotonic()
            d.post("/v1/events", {"customer": "x", "event": "ping"})
            self.assertLess(time.monotonic() - began, 2)

    def test_what_is_under_way_cannot_be_taken_back_and_can_when_it_is_unknown(self):
        with Provider({"sms": ["hang"]}, hello={"idempotency": "none", "default_on_unknown": "hold"}, timeout="3s") as d:
            d.start()
            d.post("/v1/events", ORDER)
            action = d.until_state("in_flight")
            word = {"author": "lin", "reason": "wrong price"}
            for name in ("discard", "retry", "arrived"):
                answer = d.request("POST", f"/v1/actions/{action['id']}/{name}", word)
                self.assertEqual(answer.status, 409, name)
                self.assertIn("under way at this moment", answer.body.decode())
            self.assertEqual(d.post("/v1/outbox/settle", {"do": "discard", "rule": "say", "at_most": 10, **word})["actions"], 0, "not among many either")
            d.post("/v1/stop-all", {"stop": "on", **word})  # does not call it back either
            d.until_state("unknown")
            d.post(f"/v1/actions/{action['id']}/discard", word)
            self.assertEqual(d.action()["state"], "discarded")
            d.post("/v1/stop-all", {"stop": "off", **word})
            time.sleep(0.3)
            self.assertEqual(len(d.asked()), 1)
            d.counters()

    def test_no_connector_for_a_channel(self):
        with Daemon(rules=RULES, config=f"connectors:\n  text: {{kind: ticket, command: [{sys.executable}, {HERE}/fake_provider.py], directory: /nonexistent}}\n") as d:
            d.start()
            d.post("/v1/events", ORDER)
            action = d.until(lambda: next((a for a in d.get("/v1/actions")["actions"] if a["kind"] == "sms" and a["state"] == "dead"), None))
            self.assertIn("no connector for `sms`", action["note"])


class Disk(unittest.TestCase):
    def test_low_space_closes_intake_and_nothing_else(self):
        with Daemon() as d:
            config = d.read("nudge.yaml")
            d.start()
            d.post("/v1/events", {"customer": "c", "event": "login"})
            d.stop()
            d.write("nudge.yaml", config.replace("low_space: 1MiB", "low_space: 1TiB"))
            d.start()
            answer = d.request("POST", "/v1/events", {"customer": "c", "event": "login"})
            self.assertEqual(answer.status, 503, answer)
            self.assertIn("Retry-After", answer.headers)
            self.assertEqual(d.request("GET", "/-/ready").status, 503)
            self.assertFalse(d.get("/v1/status")["accepting"])
            self.assertEqual(d.get("/v1/customers/c")["events_stored"], 1)

    def test_a_disk_that_fails_ends_the_process_with_3_and_loses_nothing_acknowledged(self):
        with Daemon() as d:
            def limit():
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

            d.process = subprocess.Popen([d.program, "--config", d.home + "/nudge.yaml"], stdout=subprocess.PIPE, stderr=d.log, cwd=d.home, preexec_fn=limit)
            d.port = int(d.process.stdout.readline().decode().strip().rsplit(":", 1)[1])
            acknowledged, unknown = [], []
            for k in range(4000):  # states and blocks are packed: it takes a while until the disk is full
                batch = [{"customer": f"c{n % 20}", "event": "ping", "id": f"{k}-{n}", "data": {"n": n}} for n in range(200)]
                try:
                    answer = d.request("POST", "/v1/events?results=problems", batch)
                except OSError:
                    break
                if answer.status == 200:
                    acknowledged += batch
                else:
                    unknown.append(answer)
                    if answer.status != 500:
                        break
            self.assertEqual(d.process.wait(30), 3, d.text_log()[-2000:])
            self.assertGreater(len(acknowledged), 1000)
            if unknown:
                self.assertEqual(unknown[0].json["code"], "unknown")
            d.process.stdout.close()
            d.start()
            total = sum(d.get(f"/v1/customers/c{i}?events=0")["events_stored"] for i in range(20))
            self.assertGreaterEqual(total, len(acknowledged))
            again = d.lines(acknowledged[:2000] if len(acknowledged) > 2000 else acknowledged)
            self.assertEqual((again["stored"], again["conflict"], again["quarantined"]), (0, 0, 0), "every acknowledged one is there: a duplicate now")


if __name__ == "__main__":
    unittest.main(verbosity=2)
