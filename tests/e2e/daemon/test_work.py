#!/usr/bin/env python3
"""People at work on tasks: a race for a pool, offers, ladders and call-backs across kill -9, teams that change, who sees what.
Run with NUDGED and NUDGE."""
import datetime
import os
import subprocess
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, parse_ms, rfc3339  # noqa: E402

PASSWORD = "correct horse battery"

RULES = """
rules:
  pooled:
    when: {event: login, where: {field: device, equals: pool}}
    then: [{call_task: {team: many, subject: "Call {{ customer.id }}", assign: {where: {attribute: id, equals: nobody}}}}]
  offered:
    when: {event: login, where: {field: device, equals: offer}}
    then: [{call_task: {team: inside, subject: "Call {{ customer.id }}", accept_within: 1500ms}}]
  laddered:
    when: {event: login, where: {field: device, equals: ladder}}
    then:
      - call_task:
          team: inside
          subject: "Call {{ customer.id }}"
          due_in: 1s
          escalate: [{overdue: 500ms, do: reassign}, {overdue: 1s, do: manager}]
  plain:
    when: {event: login, where: {field: device, equals: plain}}
    then: [{call_task: {team: one, subject: "Call {{ customer.id }}"}}]
  heard:
    category: management
    when: {task: declined}
    then: [{ticket: {subject: "{{ event.by }} declined {{ event.subject }}"}}]
  bought:
    category: management
    when: {event: order_placed}
    then: [{cancel_tasks: {reason: bought}}]
teams:
  inside:
    manager: chen
    members: [{id: lin, name: Lin}, {id: mo, name: Mo}, {id: chen, name: Chen}]
  many:
    manager: chen
    members: [MANY]
  one:
    members: [{id: solo, capacity: 1, per_day: 9}]
dispositions:
  connected: {}
  no_answer: {retry_after: 1s}
  call_back: {asks_time: true}
"""
MEMBERS = [f"p{n}" for n in range(10)]
RULES = RULES.replace("MANY", ", ".join("{id: %s}" % m for m in MEMBERS))


class Work(unittest.TestCase):
    def setUp(self):
        self.d = Daemon(rules=RULES)
        self.addCleanup(self.d.close)
        self.d.start()

    def login(self, customer, device, n=1):
        self.d.post("/v1/events", {"customer": customer, "event": "login", "id": f"l{n}", "data": {"device": device}})

    def task_of(self, customer, state="open"):
        return self.d.get(f"/v1/tasks?customer={customer}&state={state}")["tasks"]

    def events_of(self, customer):
        return [e["event"] for e in self.d.get(f"/v1/customers/{customer}?events=100")["events"]]

    def post(self, task, word, body, status=200):
        answer = self.d.request("POST", f"/v1/tasks/{task}/{word}", body)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def test_a_thousand_claims_on_a_hundred_leads_give_each_to_one_person(self):
        self.d.lines([{"customer": f"lead{n}", "event": "login", "id": "l", "data": {"device": "pool"}} for n in range(100)])
        tasks = self.d.get("/v1/tasks?team=many&limit=1000")["tasks"]
        self.assertEqual(len(tasks), 100)
        self.assertEqual({t["owner"] for t in tasks}, {""})
        won, lost = {}, []
        lock = threading.Lock()

        def claim(pair):
            task, person = pair
            answer = self.d.request("POST", f"/v1/tasks/{task}/accept", {"by": person}, timeout=120)
            with lock:
                if answer.status == 200:
                    won.setdefault(task, []).append(person)
                else:
                    lost.append(answer.status)

        claims = [(t["id"], MEMBERS[(n + turn) % 10]) for turn in range(10) for n, t in enumerate(tasks)]
        with ThreadPoolExecutor(50) as pool:
            list(pool.map(claim, claims))
        self.assertEqual(len(won), 100)
        self.assertEqual({len(people) for people in won.values()}, {1}, "each lead went to exactly one person")
        self.assertEqual((len(lost), set(lost)), (900, {409}))
        self.d.kill()
        self.d.start()
        now = {t["id"]: t["owner"] for t in self.d.get("/v1/tasks?team=many&limit=1000")["tasks"]}
        self.assertEqual(now, {task: people[0] for task, people in won.items()}, "and stays there")
        load = {m["id"]: m["load"] for m in self.d.get("/v1/teams/many")["members"]}
        self.assertEqual(sum(load.values()), 100)
        self.d.counters()

    def test_an_offer_goes_on_when_it_is_declined_or_runs_out_also_across_a_crash(self):
        self.login("c1", "offer")
        task = self.d.until(lambda: self.task_of("c1"))[0]
        self.assertEqual((task["state"], task["owner"]), ("offered", "lin"))
        self.post(task["id"], "accept", {"by": "mo"}, 409)
        self.post(task["id"], "decline", {"by": "lin", "reason": "on the phone"})
        self.d.kill()
        self.d.start()
        after = self.d.until(lambda: [t for t in self.task_of("c1") if t["owner"] == "chen" or not t["owner"]])[0]
        whole = self.d.get(f"/v1/tasks/{task['id']}")
        self.assertEqual(whole["refused"][:2], ["lin", "mo"], whole["steps"])
        self.assertIn(after["state"], ("offered", "open"))
        self.d.until(lambda: self.task_of("c1")[0]["state"] == "open")
        self.assertEqual(self.d.get(f"/v1/tasks/{task['id']}")["refused"], ["lin", "mo", "chen"])
        self.assertEqual(self.post(task["id"], "accept", {"by": "mo"})["task"]["owner"], "mo")
        self.d.until(lambda: {"task_created", "task_offered", "task_declined", "task_accepted"} <= set(self.events_of("c1")))
        self.d.until(lambda: len(self.d.get("/v1/actions?kind=ticket")["actions"]) == 3)  # `heard`, for each of the three
        why = subprocess.run([os.environ["NUDGE"], "--url", f"http://127.0.0.1:{self.d.port}", "--lang", "en", "assign", "--why", task["id"]],
                             capture_output=True, text=True)
        self.assertEqual(why.returncode, 0, why.stderr)
        for word in ("lin is next in turn", "declined", "not accepted", "is with mo", "never given again to: lin, mo, chen"):
            self.assertIn(word, why.stdout)

    def test_a_ladder_is_climbed_on_time_also_when_the_process_died_before(self):
        self.login("c1", "ladder")
        task = self.d.until(lambda: self.task_of("c1"))[0]
        self.d.kill()
        self.d.start()
        self.d.until(lambda: len(self.task_of("c1")) == 2)
        made = [t for t in self.task_of("c1") if t["id"] != task["id"]][0]
        self.assertEqual((made["owner"], made["subject"]), ("chen", "Overdue: Call c1"))
        whole = self.d.get(f"/v1/tasks/{task['id']}")
        self.assertNotEqual(whole["owner"], task["owner"], "it went to somebody else")
        due = parse_ms(task["due"])
        instants = {step["what"]: parse_ms(step["at"]) for step in whole["steps"]}
        self.assertEqual(instants["overdue"], due)
        self.assertEqual(instants["escalated"], due + 1000)
        self.assertEqual(instants["given"], due + 500)
        self.d.until(lambda: {"task_overdue", "task_reassigned", "task_escalated"} <= set(self.events_of("c1")))
        self.assertEqual(self.events_of("c1").count("task_escalated"), 2)

    def test_dispositions_try_again_and_call_back(self):
        self.login("c1", "plain")
        task = self.d.until(lambda: self.task_of("c1"))[0]["id"]
        wrong = self.post(task, "complete", {"disposition": "bored"}, 400)
        self.assertIn("connected, no_answer, call_back", wrong["detail"].replace("call_back, connected, no_answer", "connected, no_answer, call_back"))
        self.assertEqual(self.post(task, "complete", {"disposition": "no_answer", "by": "solo"})["status"], "again")
        self.post(task, "complete", {"disposition": "call_back", "by": "solo"}, 400)
        at = rfc3339(parse_ms(self.d.get("/v1/status")["now"]) + 1200)
        self.assertEqual(self.post(task, "complete", {"disposition": "call_back", "by": "solo", "at": at})["task"]["again_at"], at)
        self.d.kill()
        self.d.start()
        self.d.until(lambda: "task_reminded" in self.events_of("c1"))
        self.assertEqual(self.post(task, "complete", {"disposition": "connected", "note": "nice", "by": "solo"})["status"], "done")
        self.post(task, "complete", {"disposition": "connected"}, 409)
        self.d.until(lambda: "task_completed" in self.events_of("c1"))
        self.assertEqual(self.events_of("c1").count("task_attempted"), 2)

    def test_what_waits_is_given_out_when_the_team_grows_and_withdrawn_when_the_customer_buys(self):
        for n in (1, 2, 3):
            self.login(f"c{n}", "plain")
        self.d.until(lambda: len(self.d.get("/v1/tasks?team=one")["tasks"]) == 3)
        self.assertEqual(len(self.d.get("/v1/tasks?state=waiting")["tasks"]), 2)
        self.d.write("rules/rules.yaml", RULES.replace("{id: solo, capacity: 1, per_day: 9}", "{id: solo, capacity: 1, per_day: 9}, {id: new, capacity: 1}"))
        self.d.post("/v1/reload")
        self.d.until(lambda: len(self.d.get("/v1/tasks?state=waiting")["tasks"]) == 1)
        self.assertEqual([t["customer"] for t in self.d.get("/v1/tasks?owner=new")["tasks"]], ["c2"])
        self.d.post("/v1/events", {"customer": "c1", "event": "order_placed", "id": "o", "data": {"amount": 1}})
        self.d.until(lambda: self.task_of("c1", "cancelled"))
        self.d.until(lambda: not self.d.get("/v1/tasks?state=waiting")["tasks"])
        self.assertEqual([t["customer"] for t in self.d.get("/v1/tasks?owner=solo")["tasks"]], ["c3"])

    def test_a_salesperson_sees_their_own_and_a_manager_their_team(self):
        self.login("c1", "offer")
        self.login("c2", "pool")
        self.login("c3", "plain")
        self.d.until(lambda: len(self.d.get("/v1/tasks")["tasks"]) == 3)

        def nudge(*words):
            ran = subprocess.run([os.environ["NUDGE"], "--local", self.d.home + "/data", "user", "create", *words, "--password-file", "-"],
                                 input=PASSWORD + "\n", capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stderr)

        for person, role in (("p1", "salesperson"), ("solo", "salesperson"), ("chen", "manager")):
            nudge(person, "--role", role)
        session = {}
        for person in ("p1", "solo", "chen"):
            answer = self.d.request("POST", "/v1/session", {"user": person, "password": PASSWORD})
            self.assertEqual(answer.status, 200, answer)
            session[person] = {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "X-Nudge-CSRF": answer.json["csrf"]}

        def seen(person):
            answer = self.d.request("GET", "/v1/tasks", headers=session[person])
            self.assertEqual(answer.status, 200, answer)
            return {t["customer"]: t["id"] for t in answer.json["tasks"]}

        self.assertEqual(set(seen("p1")), {"c2"})
        self.assertEqual(set(seen("solo")), {"c3"})
        self.assertEqual(set(seen("chen")), {"c1", "c2"})
        ids = seen("chen") | seen("solo")
        go = lambda person, customer, word, body: self.d.request("POST", f"/v1/tasks/{ids[customer]}/{word}", body, session[person])
        self.assertEqual(go("p1", "c3", "complete", {"disposition": "connected"}).status, 404)
        self.assertEqual(go("p1", "c2", "reassign", {"to": "p2"}).status, 403)
        self.assertEqual(go("p1", "c2", "accept", {"by": "p5"}).json["task"]["owner"], "p1", "who is logged in is who did it")
        self.assertEqual(go("chen", "c2", "reassign", {"to": "p3", "reason": "fair"}).json["task"]["owner"], "p3")
        self.assertEqual(set(seen("p1")), set())
        self.assertEqual(go("chen", "c3", "cancel", {"reason": "x"}).status, 404, "another team")


if __name__ == "__main__":
    unittest.main(verbosity=2)
