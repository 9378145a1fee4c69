"""`enrich` against a real HTTP service: what it answers becomes facts about the customer, once, whatever happens in between."""
import json
import os
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import Daemon

CATALOG = """
customer:
  attributes:
    name: {type: text}
    tier: {type: text, one_of: [bronze, silver, gold]}
    churn_risk: {type: decimal}
    calls: {type: integer}
events:
  order_placed: {fields: {amount: decimal}}
"""
RULES = """
traits:
  spent: {event: order_placed, sum: {field: amount}}
rules:
  ask:
    category: management
    when: {event: order_placed}
    then:
      - enrich:
          send: {id: "{{ customer.id }}", spent: {trait: spent}, name: {attribute: name}}
          set: {churn_risk: result.score, tier: result.segment.0}
          add_tags: result.labels
          expires: 30d
  risky:
    when: {attribute_changes: churn_risk}
    if: {attribute: churn_risk, at_least: 0.8}
    then: [{call_task: {subject: "Risk {{ customer.churn_risk }}"}}]
  not-asked:
    when: {message: failed, channel: enrich}
    then: [{call_task: {subject: "Nobody knows"}}]
"""
ORDER = {"customer": "c", "event": "order_placed", "id": "o1", "data": {"amount": 12.50}}
GOOD = {"score": 0.82, "segment": ["silver"], "labels": ["late", "price"], "unused": {"a": [None, 1]}}


class Service:
    """Answers as a test says, one answer a request; the last for all that follow. An answer is (status, body) or a function of the request."""

    def __init__(self, *answers):
        self.answers, self.asked, self.lock = list(answers), [], threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with service.lock:
                    number = len(service.asked)
                    service.asked.append((dict(self.headers), body))
                answer = service.answers[min(number, len(service.answers) - 1)]
                if callable(answer):
                    answer = answer(self)
                if answer is None:
                    self.close_connection = True
                    return
                status, content = answer
                data = content if isinstance(content, bytes) else json.dumps(content, indent=2).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/score"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def keys(self):
        return [headers["Idempotency-Key"] for headers, _ in self.asked]


class Asking(Daemon):
    def __init__(self, service, more="", process="{timeout: 10s}"):
        super().__init__(rules=RULES, catalog=CATALOG, config=f"""http: {{port: 0}}
connectors:
  model: {{kind: enrich, url: "{service.url}", allow_http: true, headers: {{Authorization: {{env: MODEL_KEY}}}}, process: {process}{more}}}
  drop: {{kind: maildrop}}
""")

    def action(self):
        actions = [a for a in self.get("/v1/actions")["actions"] if a["kind"] == "enrich"]
        return self.get(f"/v1/actions/{actions[0]['id']}") if actions else None

    def until_state(self, state):
        return self.until(lambda: (a := self.action()) and a["state"] == state and a)

    def attributes(self):
        return self.get("/v1/customers/c")["attributes"]

    def tags(self):
        return sorted(t["tag"] if isinstance(t, dict) else t for t in self.get("/v1/customers/c")["tags"])


class Enrich(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.environ["MODEL_KEY"] = "Bearer very-secret-key"

    def asking(self, *answers, **more):
        service = Service(*answers)
        self.addCleanup(service.close)
        daemon = Asking(service, **more)
        self.addCleanup(daemon.close)
        return daemon.start(), service

    def fits(self, d, calls=1):
        d.settled()
        self.assertEqual({k: d.attributes().get(k) for k in ("churn_risk", "tier")}, {"churn_risk": 0.82, "tier": "silver"})
        self.assertEqual(d.tags(), ["late", "price"])
        self.assertEqual(d.get("/v1/rules/risky")["fired"], calls, "another rule fired on what was written, once")

    def nothing_written(self, d):
        d.settled()
        self.assertEqual([d.attributes().get(k) for k in ("churn_risk", "tier")], [None, None])
        self.assertEqual(d.tags(), [])
        self.assertEqual(d.get("/v1/rules/not-asked")["fired"], 1)

    def test_the_question_and_the_answer(self):
        d, service = self.asking((200, GOOD))
        d.post("/v1/events", ORDER)
        action = d.until_state("accepted")
        self.fits(d)
        headers, body = service.asked[0]
        self.assertEqual(json.loads(body), {"id": "c", "spent": 12.5, "name": None})
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(headers["Authorization"], "Bearer very-secret-key")
        self.assertEqual(headers["Idempotency-Key"], action["id"])
        self.assertIn("0.82", action["note"])
        self.assertNotIn("very-secret-key", d.text_log() + json.dumps(action))

    def test_a_failing_and_a_slow_service_are_asked_again_with_the_same_key(self):
        def slow(_):
            time.sleep(1.5)
            return 200, GOOD

        d, service = self.asking((500, {"error": "busy"}), (429, {}), lambda handler: None, slow)
        d.post("/v1/events", ORDER)
        action = d.until_state("accepted")
        self.fits(d)
        self.assertEqual(service.keys(), [action["id"]] * 4)
        self.assertEqual(len({body for _, body in service.asked}), 1, "the same bytes at every attempt")

    def test_garbage_is_asked_again_twice_and_then_given_up(self):
        d, service = self.asking((200, b"<html>Gateway</html>"))
        d.post("/v1/events", ORDER)
        action = d.until_state("dead")
        self.nothing_written(d)
        self.assertEqual(len(service.asked), 3)
        self.assertIn("no JSON object", action["note"])

    def test_too_large_an_answer_is_refused(self):
        d, service = self.asking((200, {**GOOD, "more": "x" * 70_000}))
        d.post("/v1/events", ORDER)
        self.assertIn("64 KiB", d.until_state("dead")["note"])
        self.nothing_written(d)
        self.assertEqual(len(service.asked), 1)

    def test_what_does_not_fit_the_catalog_is_dead_with_the_field_named_and_nothing_half_written(self):
        for wrong, field in (({"segment": ["platinum"]}, "tier"), ({"score": "0.82"}, "churn_risk"), ({"score": None}, "churn_risk"),
                             ({"segment": []}, "tier"), ({"labels": [1]}, "add_tags"), ({"score": 1e300}, "churn_risk")):
            with self.subTest(wrong):
                d, service = self.asking((200, {**GOOD, **wrong}), (200, GOOD))
                d.post("/v1/events", ORDER)
                action = d.until_state("dead")
                self.assertIn(field, action["note"])
                self.nothing_written(d)
                # Mended at the service: a person asks again.
                d.post(f"/v1/actions/{action['id']}/retry")
                d.until_state("accepted")
                self.fits(d)

    def test_kill_9_while_the_service_thinks_and_after_it_has_answered(self):
        thinking, answer = threading.Event(), threading.Event()

        def slow(_):
            thinking.set()
            answer.wait(20)
            return 200, {**GOOD, "score": 0.95}  # never heard

        d, service = self.asking(slow, (200, GOOD))
        d.post("/v1/events", ORDER)
        self.assertTrue(thinking.wait(20))
        d.kill()
        answer.set()
        d.start()
        d.until_state("accepted")
        self.fits(d)
        self.assertEqual(len(set(service.keys())), 1)
        asked = len(service.asked)
        # Whatever is told twice by a recovery is a duplicate: nothing fires again, nothing is asked again.
        for _ in range(2):
            d.kill()
            d.start()
            self.fits(d)
        self.assertEqual(len(service.asked), asked)

    def test_killed_again_and_again_under_load_each_answer_is_written_once(self):

        d, service = self.asking((200, GOOD))
        sent = 0
        for _ in range(4):
            for _ in range(25):
                d.post("/v1/events", {"customer": f"c{sent}", "event": "order_placed", "id": "o", "data": {"amount": 1}})
                sent += 1
            d.kill()
            d.start()
        d.settled()
        counters = d.counters()
        self.assertEqual(counters["accepted"] + counters["dead"], 2 * sent, "an enrich and a task each")
        self.assertEqual(counters["dead"], 0)
        self.assertEqual(d.get("/v1/rules/risky")["fired"], sent)
        for n in range(sent):
            self.assertEqual(d.get(f"/v1/customers/c{n}")["attributes"]["tier"], "silver")
        self.assertGreaterEqual(len(service.asked), sent)
        self.assertEqual(len(set(service.keys())), sent)

    def test_without_a_connector_for_it_the_action_says_so(self):
        with Daemon(rules=RULES, catalog=CATALOG, config="connectors: {drop: {kind: maildrop}}\n").start() as d:
            d.post("/v1/events", ORDER)
            action = d.until(lambda: next((a for a in d.get("/v1/actions")["actions"] if a["state"] == "dead"), None))
            self.assertIn("no connector for `enrich`", d.get(f"/v1/actions/{action['id']}")["note"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
