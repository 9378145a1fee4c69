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

    def test_what_sales_work_has_open_follows_a_customer_to_their_other_name(self):
        self.d.write("rules/funnel.yaml", "funnels: {deals: {stages: [{name: contact, probability: 10, stalled_after: 1h}, {name: bid, probability: 80}]}}\n")
        self.d.write("rules/call.yaml", """
rules:
  call: {category: management, when: {event: called}, then: [{call_task: {team: many, subject: Call}}]}
  bought: {category: management, when: {event: bought}, then: [{cancel_tasks: {of: [call], reason: has bought}}]}
  ask:
    category: management
    when: {event: asked}
    then: [{ticket: {subject: May we, approval: {team: many, within: 1h}}}]
""")
        self.d.write("schemas/more.yaml", "events: {bought: {}, asked: {}}\n")
        self.d.post("/v1/reload")
        for name in ("v1", "v2"):
            self.d.lines([{"customer": name, "event": "login", "id": "l", "data": {"device": "web"}}, {"customer": name, "event": "called", "id": "t"},
                          {"customer": name, "event": "asked", "id": "a"}])
            self.d.until(lambda: self.d.get("/v1/leads?state=pooled&q=" + name)["total"] == 1)
            self.d.until(lambda: self.d.get("/v1/tasks?customer=" + name)["total"] == 1)
            self.d.until(lambda: len(self.d.get("/v1/approvals?customer=" + name)["approvals"]) == 1)
            self.d.post("/v1/opportunities", {"customer": name, "id": "of-" + name, "amount": "5"})
        self.d.post("/v1/leads/v2/claim", {"by": "p3"})
        # The first name of two that are known, then one that is not.
        for alias, customer in (("v1", "v2"), ("v2", "u")):
            self.d.lines([{"customer": customer, "merge": alias}])
            # For an instant the name leads to the customer, and what it stood for is on its way there.
            self.d.until(lambda: self.d.request("GET", "/v1/leads/" + alias).json.get("customer") == customer)
            self.d.kill()
            self.d.start()
            self.d.lines([{"customer": customer, "merge": alias}])  # said again
        lead = self.d.get("/v1/leads/u")
        self.assertEqual((lead["state"], lead["owner"]), ("owned", "p3"))
        self.assertEqual([(h["what"], h["owner"]) for h in lead["history"] if h["what"] in ("claimed", "merged")], [("claimed", "p3"), ("merged", "p3"), ("merged", "p3")])
        self.assertEqual(self.d.get("/v1/leads?state=all")["total"], 1)
        self.d.until(lambda: self.d.get("/v1/customers/u")["attributes"].get("owner") == "p3")
        self.assertEqual({t["customer"] for t in self.d.get("/v1/tasks?customer=v1")["tasks"]}, {"u"})
        self.assertEqual({a["customer"] for a in self.d.get("/v1/approvals?customer=u")["approvals"]}, {"u"})
        deals = self.d.get("/v1/opportunities?customer=v2")["opportunities"]
        self.assertEqual([(d["id"], d["customer"]) for d in deals], [("of-v1", "u"), ("of-v2", "u")])
        # Words for an old name reach the customer.
        self.d.post("/v1/leads/v1/transfer", {"to": "p4", "by": "p3"})
        self.assertEqual(self.d.get("/v1/leads/u")["owner"], "p4")
        self.assertEqual(self.d.post("/v1/opportunities", {"customer": "v1", "id": "late"})["opportunity"]["customer"], "u")
        # And so does what rules do.
        self.d.lines([{"customer": "v1", "event": "bought", "id": "b"}])
        self.d.until(lambda: self.d.get("/v1/tasks?customer=u")["total"] == 0)
        self.assertEqual({t["state"] for t in self.d.get("/v1/tasks?customer=u&state=closed")["tasks"]}, {"cancelled"})

    def test_opportunities_stall_on_time_also_across_a_crash_and_the_funnel_counts(self):
        funnel = """
funnels:
  deals:
    lost_reasons: [price]
    follow_ups: called
    stages:
      - {name: contact, probability: 10, stalled_after: 2s, tasks: [call]}
      - {name: quote, probability: 50}
      - {name: bid, probability: 80}
"""
        self.d.write("rules/rules.yaml", RULES + funnel)
        self.d.post("/v1/reload")

        def say(path, body, status=200):
            answer = self.d.request("POST", "/v1/opportunities" + path, body)
            self.assertEqual(answer.status, status, answer)
            return answer.json

        one = say("", {"customer": "c1", "id": "o1", "title": "lamps", "amount": "1000", "owner": "p1"})["opportunity"]
        self.assertEqual((one["stage"], one["probability"], [(t["task"], t["done"]) for t in one["tasks"]], one["tasks_left"]), ("contact", 10, [("call", False)], 1))
        say("", {"customer": "c1", "id": "o1"}, 409)
        say("", {"customer": "c1", "stage": "no"}, 400)
        say("", {"customer": "c1", "amount": "-5"}, 400)
        say("/o9/win", {}, 404)
        made = say("", {"customer": "c2", "amount": "200.50"})["id"]
        say("/" + made + "/move", {"stage": "bid"})
        say("", {"customer": "c3", "id": "o3", "stage": "quote", "amount": "10"})
        say("/o3/lose", {"reason": "bored"}, 400)
        say("/o3/lose", {"reason": "price"})
        say("/o3/move", {"stage": "bid"}, 409)
        say("", {"customer": "c4", "id": "o4"})
        say("/o4/win", {"amount": "70"})
        six = say("", {"customer": "c6", "id": "o6", "amount": "1"})
        say("/o6/done", {"task": "sing"}, 400)
        say("/o6/done", {}, 400)
        six = say("/o6/done", {"task": "call", "by": "p1"})["opportunity"]
        self.assertEqual((six["tasks_left"], six["tasks"][0]["done"], six["tasks"][0]["by"]), (0, True, "p1"))
        self.assertEqual(say("/o6/undone", {"task": "call"})["opportunity"]["tasks_left"], 1)
        say("/o6/done", {"task": "call"})
        say("/o6/move", {"stage": "quote"})
        self.assertEqual([(t["stage"], t["done"]) for t in self.d.get("/v1/opportunities/o6")["tasks"]], [("contact", True)])
        say("/o6/lose", {"reason": "price"})
        self.d.kill()
        self.d.start()
        deal = self.d.until(lambda: [d for d in [self.d.get("/v1/opportunities/o1")] if d["stalled"]])[0]
        self.assertEqual([h["what"] for h in deal["history"]], ["opened", "stalled"])
        self.assertEqual(parse_ms(deal["history"][1]["at"]), parse_ms(deal["opened"]) + 2000)
        self.d.until(lambda: {"opportunity_opened", "opportunity_stalled"} <= set(self.events_of("c1")))
        self.d.post("/v1/events", {"customer": "c1", "event": "called", "id": "e1"})
        self.d.until(lambda: not self.d.get("/v1/opportunities/o1")["stalled"])
        shown = self.d.get("/v1/funnel")["funnels"][0]
        self.assertEqual((shown["open"], shown["amount"], shown["forecast"]), (2, "1200.5", "260.4"))
        self.assertEqual([(s["open"], s["reached"], s["moved_on"], s["conversion"]) for s in shown["stages"]], [(1, 5, 4, "80.0"), (0, 4, 2, "50.0"), (1, 2, 1, "50.0")])
        self.assertEqual((shown["won"], shown["lost"]["reasons"]), ({"count": 1, "amount": "70"}, [{"reason": "price", "count": 2}]))
        page = self.d.get("/v1/opportunities?state=all&limit=3")
        self.assertEqual((page["total"], len(page["opportunities"]), page["next"]), (5, 3, 3))
        self.assertEqual(len(self.d.get("/v1/opportunities?state=all&limit=3&cursor=3")["opportunities"]), 2)

        def nudge(*words):
            ran = subprocess.run([os.environ["NUDGE"], "--url", f"http://127.0.0.1:{self.d.port}", "--lang", "en", *words], capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
            return ran.stdout

        nudge("opportunity", "open", "c5", "--id", "o5", "--amount", "3", "--title", "bulbs")
        nudge("opportunity", "move", "o5", "quote")
        nudge("opportunity", "change", "o5", "--owner", "p2")
        self.assertIn("bulbs", nudge("opportunity", "list"))
        nudge("opportunity", "lose", "o5", "--reason", "price")
        self.assertIn("changed", nudge("opportunity", "show", "o5"))
        self.assertIn("2 open, worth 1200.5, forecast 260.4", nudge("funnel"))
        # Who is erased leaves none behind, open or closed.
        for customer in ("c1", "c5"):
            self.assertEqual(self.d.request("DELETE", f"/v1/customers/{customer}?reason=asked").status, 200)
        for _ in range(2):
            self.assertEqual({d["customer"] for d in self.d.get("/v1/opportunities?state=all")["opportunities"]}, {"c2", "c3", "c4", "c6"})
            self.assertEqual([self.d.request("GET", "/v1/opportunities/" + i).status for i in ("o1", "o5")], [404, 404])
            self.assertEqual(self.d.get("/v1/funnel")["funnels"][0]["open"], 1)
            self.d.kill()
            self.d.start()

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
        self.d.write("rules/funnel.yaml", "funnels: {deals: {stages: [{name: contact, probability: 10}, {name: bid, probability: 80}]}}\n")
        self.d.post("/v1/reload")
        self.d.post("/v1/opportunities", {"customer": "c1", "id": "nobodys"})

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
        # Opportunities: their own and nobody's; somebody else's is answered as one that never was.
        ask = lambda who, path, body=None: self.d.request("GET" if body is None else "POST", "/v1/opportunities" + path, body, session[who])
        self.assertEqual(ask("p1", "", {"customer": "c0", "id": "mine", "amount": "10"}).json["opportunity"]["owner"], "p1", "what they open is theirs")
        ids = lambda who: {o["id"] for o in ask(who, "").json["opportunities"]}
        self.assertEqual({who: ids(who) for who in session}, {"p1": {"mine", "nobodys"}, "olga": {"nobodys"}, "chen": {"mine", "nobodys"}, "dora": {"nobodys"}})
        for path, body in (("", None), ("/move", {"stage": "bid"}), ("/win", {}), ("/done", {"task": "x"})):
            theirs, none = ask("olga", "/mine" + path, body), ask("olga", "/none" + path, body)
            self.assertEqual((theirs.status, theirs.json), (404, none.json), path)
        self.assertEqual(ask("chen", "/mine/move", {"stage": "bid"}).json["opportunity"]["history"][-1]["by"], "chen")
        self.assertEqual(self.d.request("GET", "/v1/funnel", headers=session["olga"]).json["funnels"][0]["open"], 1)

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
