#!/usr/bin/env python3
"""Leads over HTTP: a race of many for few across kill -9, recycling across a crash, limits, who sees and does what, the command line.
Run with NUDGED and NUDGE."""
import os
import subprocess
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, parse_ms  # noqa: E402

PASSWORD = "correct horse battery"
MEMBERS = [f"p{n}" for n in range(10)]
CATALOG = """
customer: {attributes: {name: {type: text, pii: true}, owner: text}}
events: {login: {fields: {device: text}}, called: {}}
"""
RULES = """
rules:
  in:
    category: management
    when: {event: login, where: {field: device, equals: web}}
    then: [{move_to_pool: {pool: open, reason: web}}]
  heard:
    category: management
    when: {event: lead_recycled}
    then: [{ticket: {subject: "{{ event.previous }} lost it"}}]
pools:
  open: {public: true}
  few: {team: many, claims: {per_day: 3, owned_at_most: 2}, return_reasons: [no budget], close_reasons: [spam]}
  fast: {team: many, recycle: {after: 2s, to: few, follow_ups: called}}
teams:
  many: {manager: chen, members: [MANY]}
  other: {manager: dora, members: [{id: olga}]}
""".replace("MANY", ", ".join("{id: %s}" % m for m in MEMBERS))


class Leads(unittest.TestCase):
    def setUp(self):
        self.d = Daemon(rules=RULES, catalog=CATALOG)
        self.addCleanup(self.d.close)
        self.d.start()

    def post(self, path, body, status=200, headers=None):
        answer = self.d.request("POST", "/v1/leads" + path, body, headers)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def put(self, customer, pool):
        return self.post("", {"customer": customer, "pool": pool})["lead"]

    def owner_of(self, customer):
        return self.d.get(f"/v1/customers/{customer}")["attributes"].get("owner")

    def events_of(self, customer):
        return [e["event"] for e in self.d.get(f"/v1/customers/{customer}?events=100")["events"]]

    def test_a_thousand_claims_on_a_hundred_leads_with_a_kill_in_the_middle(self):
        customers = [f"c{n}" for n in range(100)]
        self.d.lines([{"customer": c, "event": "login", "id": "l", "data": {"device": "web"}} for c in customers])
        self.d.until(lambda: self.d.get("/v1/leads?state=pooled&limit=1")["total"] == 100)
        won, unsure = {}, []
        lock = threading.Lock()

        def claim(pair):
            customer, person = pair
            try:
                answer = self.d.request("POST", f"/v1/leads/{customer}/claim", {"by": person}, timeout=120)
            except OSError:
                with lock:
                    unsure.append(pair)
                return
            with lock:
                if answer.status == 200:
                    won.setdefault(customer, set()).add(person)
                else:
                    self.assertIn(answer.status, (409, 503))

        claims = [(c, MEMBERS[(n + turn) % 10]) for turn in range(10) for n, c in enumerate(customers)]
        with ThreadPoolExecutor(50) as pool:
            running = [pool.submit(claim, pair) for pair in claims[:500]]
            while sum(f.done() for f in running) < 40:
                pass
            self.d.kill()
            for f in running:
                f.result()
        before = {c: set(p) for c, p in won.items()}
        self.d.start()
        with ThreadPoolExecutor(50) as pool:
            list(pool.map(claim, claims[500:]))
        self.assertEqual({len(people) for people in won.values()}, {1}, "nobody was told yes for a lead that another has")
        leads = {lead["customer"]: lead["owner"] for lead in self.d.get("/v1/leads?state=owned&limit=1000")["leads"]}
        self.assertEqual(len(leads), 100)
        for customer, people in won.items():
            self.assertEqual({leads[customer]}, people)
        self.assertTrue(all(before[c] == won[c] for c in before))
        for customer in customers:
            history = self.d.get(f"/v1/leads/{customer}")["history"]
            self.assertEqual([h["what"] for h in history], ["pooled", "claimed"], history)
        self.d.until(lambda: all(self.owner_of(c) == leads[c] for c in customers))
        self.d.until(lambda: all(self.events_of(c).count("lead_claimed") == 1 for c in customers))
        self.d.counters()

    def test_a_lead_goes_back_on_time_also_when_the_process_died_before(self):
        self.put("c1", "fast")
        since = parse_ms(self.post("/c1/claim", {"by": "p1"})["lead"]["since"])
        self.d.post("/v1/events", {"customer": "c1", "event": "called", "id": "e1"})
        lead = self.d.get("/v1/leads/c1")
        self.assertGreaterEqual(parse_ms(lead["followed"]), since)
        due = parse_ms(lead["recycles"])
        self.assertEqual(due, parse_ms(lead["followed"]) + 2000)
        self.d.kill()
        self.d.start()
        lead = self.d.until(lambda: [x for x in [self.d.get("/v1/leads/c1")] if x["state"] == "pooled"])[0]
        self.assertEqual((lead["pool"], lead["last_owner"], parse_ms(lead["since"])), ("few", "p1", due))
        self.d.until(lambda: self.owner_of("c1") is None)
        self.d.until(lambda: len(self.d.get("/v1/actions?kind=ticket")["actions"]) == 1)
        pools = {p["name"]: p for p in self.d.get("/v1/pools")["pools"]}
        self.assertEqual((pools["few"]["waiting"], pools["fast"]["owned"]), (1, 0))

    def test_a_note_is_an_event_that_counts_as_follow_up_and_is_stored_once(self):
        self.d.write("rules/rules.yaml", RULES.replace("{after: 2s, to: few, follow_ups: called}", "{after: 1h}"))
        self.d.post("/v1/reload")
        self.put("c1", "fast")
        self.post("/c1/claim", {"by": "p1"})
        before = self.d.get("/v1/leads/c1")
        note = {"kind": "call", "result": "no answer", "text": "rings, 没人接", "by": "p1", "id": "n1", "at": self.d.get("/v1/status")["now"]}
        say = lambda body, status=200: self.d.request("POST", "/v1/customers/c1/notes", body)
        self.assertEqual(say(note).json["status"], "stored")
        self.assertEqual(say(note).json["status"], "duplicate")
        self.assertEqual(say(note | {"text": "other"}).status, 409)
        for wrong in ({"kind": "call"}, {"text": "x", "at": "2199-01-01T00:00:00Z"}, {"text": "x", "at": "then"}, {"result": "x" * 200}):
            self.assertEqual(say(wrong).status, 400, wrong)
        self.d.kill()
        self.d.start()
        events = [e for e in self.d.get("/v1/customers/c1?events=50")["events"] if e["event"] == "follow_up"]
        self.assertEqual([e["data"] for e in events], [{"by": "p1", "kind": "call", "text": "rings, 没人接", "result": "no answer"}])
        lead = self.d.get("/v1/leads/c1")
        self.assertEqual(lead["followed"], note["at"])
        self.assertGreater(parse_ms(lead["recycles"]), parse_ms(before["recycles"]) - 1)
        ran = subprocess.run([os.environ["NUDGE"], "--url", f"http://127.0.0.1:{self.d.port}", "--lang", "en", "note", "c1", "wants a quote", "--by", "p1"],
                             capture_output=True, text=True)
        self.assertEqual((ran.returncode, ran.stdout.strip()), (0, "noted"), ran.stderr)
        self.assertEqual(self.events_of("c1").count("follow_up"), 2)

    def test_limits_reasons_and_the_record_of_owners(self):
        for n in range(5):
            self.put(f"c{n}", "few")
        self.post("/c0/claim", {"by": "olga"}, 400)
        self.post("/c0/claim", {"by": "p0"})
        self.post("/c1/claim", {"by": "p0"})
        self.assertIn("give one back first", self.post("/c2/claim", {"by": "p0"}, 409)["detail"])
        self.assertIn("no budget", self.post("/c1/return", {"by": "p0", "reason": "lazy"}, 400)["detail"])
        self.post("/c1/return", {"by": "p0", "reason": "no budget"})
        self.post("/c1/return", {"by": "p0", "reason": "no budget"}, 409)
        self.post("/c2/claim", {"by": "p0"})
        self.d.kill()
        self.d.start()
        self.post("/c2/return", {"by": "p0", "reason": "no budget"})
        self.assertIn("in a day", self.post("/c3/claim", {"by": "p0"}, 409)["detail"])
        self.post("/c3/assign", {"to": "p0"})
        self.post("/c3/transfer", {"by": "p0", "to": "p1"})
        self.post("/c3/close", {"by": "p1", "reason": "spam"})
        self.assertIn("closed", self.post("/c3/claim", {"by": "p2"}, 409)["detail"])
        self.post("/c9/claim", {"by": "p2"}, 404)
        self.assertIn("few, open", self.post("", {"customer": "c1", "pool": "no"}, 400)["detail"].replace("fast, few, open", "few, open"))
        history = [(h["number"], h["what"], h["previous"], h["owner"]) for h in self.d.get("/v1/leads/c3")["history"]]
        self.assertEqual(history, [(1, "pooled", "", ""), (2, "assigned", "", "p0"), (3, "transferred", "p0", "p1"), (4, "closed", "p1", "")])
        seen, cursor = [], ""
        while cursor is not None:
            page = self.d.get(f"/v1/leads?state=all&limit=2&cursor={cursor}")
            self.assertEqual(page["total"], 5)
            seen += [lead["customer"] for lead in page["leads"]]
            cursor = page["next"]
        self.assertEqual(sorted(seen), [f"c{n}" for n in range(5)])

    def test_people_see_and_do_what_is_theirs(self):
        for n, pool in enumerate(["few", "few", "open"]):
            self.put(f"c{n}", pool)

        def user(name, role):
            ran = subprocess.run([os.environ["NUDGE"], "--local", self.d.home + "/data", "user", "create", name, "--role", role, "--password-file", "-"],
                                 input=PASSWORD + "\n", capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            answer = self.d.request("POST", "/v1/session", {"user": name, "password": PASSWORD})
            return {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "X-Nudge-CSRF": answer.json["csrf"]}

        session = {name: user(name, role) for name, role in [("p1", "salesperson"), ("olga", "salesperson"), ("chen", "manager"), ("dora", "manager")]}
        seen = lambda who: {x["customer"] for x in self.d.request("GET", "/v1/leads", headers=session[who]).json["leads"]}
        self.assertEqual(seen("p1"), {"c0", "c1", "c2"})
        self.assertEqual(seen("olga"), {"c2"})
        self.assertEqual(self.post("/c0/claim", {"by": "p7"}, 200, session["p1"])["lead"]["owner"], "p1", "who is logged in is who did it")
        self.post("/c0/claim", {}, 409, session["olga"])
        self.post("/c1/close", {"reason": "spam"}, 409, session["p1"])
        self.post("/c1/assign", {"to": "p2"}, 403, session["p1"])
        self.post("/c0/assign", {"to": "p2"}, 404, session["dora"])
        self.assertEqual(self.post("/c0/assign", {"to": "p2"}, 200, session["chen"])["lead"]["owner"], "p2")
        self.assertEqual(seen("p1"), {"c1", "c2"})
        self.assertEqual(seen("chen"), {"c0", "c1", "c2"})
        mine = {p["name"]: p["mine"] for p in self.d.request("GET", "/v1/pools", headers=session["p1"]).json["pools"]}
        self.assertEqual(mine["few"], {"may_claim": True, "owned": 0, "claimed_today": 1})

    def test_the_command_line_says_it(self):
        for n, pool in enumerate(["few", "few", "open"]):
            self.put(f"c{n}", pool)

        def nudge(*words, status=0):
            ran = subprocess.run([os.environ["NUDGE"], "--url", f"http://127.0.0.1:{self.d.port}", "--lang", "en", *words], capture_output=True, text=True)
            self.assertEqual(ran.returncode, status, ran.stdout + ran.stderr)
            return ran.stdout + ran.stderr

        self.assertIn("c2", nudge("lead", "claim", "c2", "--by", "olga"))
        self.assertIn("the lead is with olga", nudge("lead", "claim", "c2", "--by", "p1", status=1))
        nudge("lead", "assign", "c1", "--to", "p3")
        nudge("lead", "transfer", "c1", "--to", "p4", "--reason", "fair")
        nudge("lead", "return", "c1", "--reason", "no budget", "--by", "p4")
        nudge("lead", "close", "c1", "--reason", "spam")
        nudge("lead", "put", "c1", "--pool", "open")
        history = nudge("lead", "history", "c1")
        for word in ("pooled", "assigned", "transferred", "returned", "closed", "no budget", "p4"):
            self.assertIn(word, history)
        self.assertIn("olga", nudge("lead", "list", "--state", "owned"))
        self.assertIn("few", nudge("pools"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
