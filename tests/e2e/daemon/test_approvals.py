#!/usr/bin/env python3
"""Actions that wait for somebody's yes: by API, command line and signed link; deadlines, races and kill -9 between; who may answer.
Run with NUDGED and NUDGE."""
import base64
import os
import re
import subprocess
import sys
import unittest
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, parse_ms  # noqa: E402

PASSWORD = "correct horse battery"
RULES = """
rules:
  offer:
    description: A big <b>discount</b>
    when: {event: login, where: {field: device, equals: offer}}
    then:
      - maildrop:
          to: "{{ customer.id }}"
          text: "30 % for {{ customer.id }}"
          approval:
            team: inside
            within: WITHIN
            otherwise: OTHERWISE
            subject: "30 % for {{ customer.name | default: 'somebody' }}"
            ask: [{maildrop: {to: "{{ approval.email }}", subject: "{{ approval.subject }}", text: "{{ approval.asked }} {{ approval.link }}"}}]
  visit:
    when: {event: login, where: {field: device, equals: visit}}
    then: [{call_task: {subject: Visit, team: inside, due_in: 1h, assign: {strategy: round_robin}, approval: {by: chen, within: 1d}}}]
  heard:
    category: management
    when: {event: approval_refused}
    then: [{ticket: {subject: "{{ event.by | default: 'somebody' }}: {{ event.reason }}"}}]
policies:
  agreed: {for: {channel: maildrop, rule: offer}, consent: {not: {tag: stop}}}
teams:
  inside: {manager: chen, members: [{id: lin, name: Lin}, {id: chen, name: Chen, email: chen@shop.example.com}]}
"""
CONFIG = "connectors: {drop: {kind: maildrop}}\napprovals: {url: 'https://sales.example.com/', key: {env: APPROVAL_KEY}}\n"
os.environ["APPROVAL_KEY"] = "a key of approvals, long enough"


class Approvals(unittest.TestCase):
    def daemon(self, within="1d", otherwise="drop", config=CONFIG):
        d = Daemon(rules=RULES.replace("WITHIN", within).replace("OTHERWISE", otherwise), config=config)
        self.addCleanup(d.close)
        return d.start()

    def ask(self, d, customer):
        d.post("/v1/events", {"customer": customer, "event": "login", "id": "l-" + customer, "data": {"device": "offer"}})
        return self.open(d, customer)

    def open(self, d, customer, state="open"):
        return d.until(lambda: d.get(f"/v1/approvals?customer={customer}&state={state}")["approvals"])[0]

    def sent(self, d, customer):
        return [m for m in d.get("/v1/maildrop?limit=1000")["messages"] if m.get("payload", m).get("to") == customer]

    def link(self, d, customer):
        def found():
            for m in d.get(f"/v1/maildrop?limit=1000")["messages"]:
                text = m.get("payload", m).get("text", "")
                if m.get("customer", customer) == customer and "https://" in text:
                    return re.search(r"https://sales\.example\.com(/a/\S+)", text).group(1)
        return d.until(found)

    def events_of(self, d, customer):
        return [e["event"] for e in d.get(f"/v1/customers/{customer}?events=100")["events"]]

    def test_a_yes_lets_it_out_once_and_a_no_never(self):
        d = self.daemon()
        waits = self.ask(d, "c1")
        self.assertEqual((waits["asked"], waits["team"], waits["subject"], waits["otherwise"]), ("chen", "inside", "30 % for somebody", "drop"))
        self.assertEqual(self.sent(d, "c1"), [])
        self.assertEqual(d.get(f"/v1/actions/{waits['id']}")["state"], "kept")
        refused = d.request("POST", f"/v1/actions/{waits['id']}/release", {"author": "op", "reason": "x"})
        self.assertEqual(refused.status, 409, refused)
        self.assertIn("nudge approval", refused.json["detail"])
        d.post("/v1/rules/offer/release", {"author": "op", "reason": "x"}, status=d.request("POST", "/v1/rules/offer/release", {"author": "op", "reason": "x"}).status)
        self.assertEqual(self.sent(d, "c1"), [])
        self.assertEqual(d.post(f"/v1/approvals/{waits['id']}/approve", {"by": "chen", "reason": "good"})["status"], "approved")
        d.until(lambda: self.sent(d, "c1"))
        self.assertEqual(d.request("POST", f"/v1/approvals/{waits['id']}/reject", {"by": "chen", "reason": "no"}).status, 409)
        self.assertEqual(d.get(f"/v1/approvals/{waits['id']}")["payload"]["text"], "30 % for c1")
        d.until(lambda: {"approval_requested", "approval_given"} <= set(self.events_of(d, "c1")))
        no = self.ask(d, "c2")
        self.assertEqual(d.request("POST", f"/v1/approvals/{no['id']}/reject", {"by": "chen"}).status, 400)
        d.post(f"/v1/approvals/{no['id']}/reject", {"by": "chen", "reason": "too much"})
        d.until(lambda: d.get("/v1/actions?kind=ticket&customer=c2")["actions"])
        d.until(lambda: {"approval_refused", "message_held"} <= set(self.events_of(d, "c2")))
        self.assertEqual(d.get(f"/v1/actions/{no['id']}")["state"], "held")
        d.until(lambda: d.get("/v1/status")["counters"]["kept"] == 0)
        d.kill()
        d.start()
        self.assertEqual((len(self.sent(d, "c1")), len(self.sent(d, "c2"))), (1, 0))
        self.assertEqual(self.open(d, "c2", "rejected")["reason"], "too much")
        d.counters()

    def test_a_task_is_given_out_with_the_yes_also_after_a_kill(self):
        d = self.daemon()
        for customer in ("t1", "t2"):
            d.post("/v1/events", {"customer": customer, "event": "login", "id": "l", "data": {"device": "visit"}})
        waits, no = self.open(d, "t1"), self.open(d, "t2")
        self.assertEqual((waits["kind"], d.get("/v1/tasks")["total"]), ("call_task", 0))
        d.kill()
        d.start()
        d.post(f"/v1/approvals/{no['id']}/reject", {"by": "chen", "reason": "too far"})
        d.post(f"/v1/approvals/{waits['id']}/approve", {"by": "chen"})
        d.kill()
        d.start()
        tasks = d.get("/v1/tasks?state=open")["tasks"]
        self.assertEqual([(t["customer"], t["owner"], t["id"]) for t in tasks], [("t1", "lin", waits["id"])])
        self.assertEqual(parse_ms(tasks[0]["due"]) - parse_ms(tasks[0]["created"]), 3_600_000)
        self.assertGreater(parse_ms(tasks[0]["created"]), parse_ms(waits["asked_at"]))
        self.assertEqual([d.get(f"/v1/actions/{a['id']}")["state"] for a in (waits, no)], ["accepted", "held"])
        d.until(lambda: {"approval_given", "task_created"} <= set(self.events_of(d, "t1")))
        d.post(f"/v1/tasks/{waits['id']}/complete", {"by": "lin", "disposition": "done"})
        d.counters()

    def test_of_two_hundred_clicks_at_once_the_first_decides(self):
        d = self.daemon()
        for n in range(10):
            waits = self.ask(d, f"c{n}")
            words = ["approve", "reject"] * 10
            with ThreadPoolExecutor(20) as pool:
                answers = list(pool.map(lambda w: d.request("POST", f"/v1/approvals/{waits['id']}/{w}", {"by": "chen", "reason": "r"}).status, words))
            self.assertEqual(sorted(answers), [200] + [409] * 19)
            won = words[answers.index(200)]
            self.assertEqual(d.get(f"/v1/approvals/{waits['id']}")["state"], {"approve": "approved", "reject": "rejected"}[won])
            d.until(lambda: len(self.sent(d, f"c{n}")) == (1 if won == "approve" else 0))
        d.counters()

    def test_exactly_once_over_a_kill_at_the_very_moment(self):
        for where in ("before:kept>waiting", "after:kept>waiting"):
            with self.subTest(where):
                d = self.daemon()
                waits = self.ask(d, "c1")
                d.kill()
                os.environ["NUDGE_CRASH_AT"] = where
                try:
                    d.start()
                finally:
                    del os.environ["NUDGE_CRASH_AT"]
                with self.assertRaises(OSError):
                    d.request("POST", f"/v1/approvals/{waits['id']}/approve", {"by": "chen"})
                d.process.wait(30)
                d.process.stdout.close()
                d.start()
                again = d.request("POST", f"/v1/approvals/{waits['id']}/approve", {"by": "chen"})
                self.assertEqual(again.status, 200 if where.startswith("before") else 409, again)
                d.until(lambda: self.sent(d, "c1"))
                d.settled()
                self.assertEqual(len(self.sent(d, "c1")), 1)
                d.until(lambda: "approval_given" in self.events_of(d, "c1"))
                self.assertEqual(self.events_of(d, "c1").count("approval_given"), 1)

    def test_the_deadline_decides_also_when_the_process_was_away(self):
        for otherwise, count in (("drop", 0), ("send", 1)):
            with self.subTest(otherwise):
                d = self.daemon("700ms", otherwise)
                waits = self.ask(d, "c1")
                d.kill()
                d.start()
                done = self.open(d, "c1", "expired")
                self.assertEqual((done["decided"], done["decided_by"], done["sent"]), (waits["deadline"], "", otherwise == "send"))
                self.assertEqual(parse_ms(waits["deadline"]), parse_ms(waits["asked_at"]) + 700)
                d.until(lambda: "approval_expired" in self.events_of(d, "c1"))
                d.settled()
                self.assertEqual(len(self.sent(d, "c1")), count)
                self.assertEqual(d.request("POST", f"/v1/approvals/{waits['id']}/approve", {"by": "chen"}).status, 409)

    def test_what_changed_meanwhile_counts_when_it_is_let_out(self):
        d = self.daemon()
        waits = self.ask(d, "c1")
        d.until(lambda: parse_ms(d.get("/v1/status")["now"]) > parse_ms(waits["asked_at"]) + 1100)
        d.post("/v1/events", {"customer": "c1", "tag": "stop"})
        d.post(f"/v1/approvals/{waits['id']}/approve", {"by": "chen"})
        action = d.until(lambda: (a := d.get(f"/v1/actions/{waits['id']}"))["state"] == "held" and a)
        self.assertIn("agreed", action["note"])
        self.assertEqual(self.sent(d, "c1"), [])

    def test_the_link_is_signed_answers_once_and_only_by_post(self):
        d = self.daemon()
        waits = self.ask(d, "c1")
        link = self.link(d, "c1")
        for _ in range(3):  # what scanners of mails do
            shown = d.request("GET", link)
            self.assertEqual(shown.status, 200)
            self.assertEqual(d.request("HEAD", link).status, 200)
        page = shown.body.decode()
        self.assertIn("A big &lt;b&gt;discount&lt;/b&gt;", page)
        self.assertIn('lang="en"', page)
        self.assertIn(">Approve<", page)
        # In Chinese for a browser that asks for it, and for whom the team file says so.
        chinese = d.request("GET", link, headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}).body.decode()
        self.assertIn('lang="zh-CN"', chinese)
        self.assertIn(">批准<", chinese)
        self.assertIn("A big &lt;b&gt;discount&lt;/b&gt;", chinese)
        self.assertIn(">Approve<", d.request("GET", link, headers={"Accept-Language": "en-GB,en;q=0.9,zh;q=0.8"}).body.decode())
        d.write("rules/rules.yaml", d.read("rules/rules.yaml").replace("name: Chen,", "name: Chen, language: zh,"))
        d.post("/v1/reload")
        self.assertIn(">批准<", d.request("GET", link, headers={"Accept-Language": "en"}).body.decode())
        self.assertEqual(shown.headers["Cache-Control"], "no-store")
        self.assertEqual(d.get(f"/v1/approvals/{waits['id']}")["state"], "open")
        token, signature = link[3:].split(".")
        raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        raw[-1] ^= 1  # another person
        forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        yes = urllib.parse.urlencode({"answer": "approve", "reason": "fine & good"}).encode()
        for bad in (f"/a/{forged}.{signature}", f"/a/{token}", f"/a/{token}.", f"/a/{token}.{signature[:-2]}AA", "/a/x.y"):
            self.assertEqual(d.request("GET", bad).status, 404, bad)
            self.assertEqual(d.request("POST", bad, yes, form).status, 404, bad)
        self.assertEqual(d.request("POST", link, b"answer=maybe", form).status, 400)
        self.assertEqual(d.request("POST", link, b"answer=reject", form).status, 400)
        with ThreadPoolExecutor(8) as pool:
            answers = sorted(pool.map(lambda _: d.request("POST", link, yes, form).status, range(8)))
        self.assertEqual(answers, [200] + [409] * 7)
        done = self.open(d, "c1", "approved")
        self.assertEqual((done["decided_by"], done["reason"]), ("chen", "fine & good"))
        d.until(lambda: len(self.sent(d, "c1")) == 1)
        self.assertEqual(d.request("GET", link).status, 409)
        self.assertIn("chen 已批准：fine &amp; good", d.request("GET", link).body.decode())
        on_record = [r for r in d.get("/v1/audit?after=0")["records"] if r.get("action") == "approval.approve"]
        self.assertTrue(any("link:chen" in str(r) for r in on_record), on_record)

    def test_a_link_is_no_longer_good_when_somebody_else_is_asked_or_it_is_late(self):
        d = self.daemon()
        self.ask(d, "c1")
        link = self.link(d, "c1")
        d.write("rules/rules.yaml", d.read("rules/rules.yaml").replace("manager: chen", "manager: lin"))
        d.post("/v1/reload")
        answer = d.request("POST", link, b"answer=approve", {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(answer.status, 403, answer)
        self.assertEqual(self.open(d, "c1")["asked"], "lin")

    def test_without_a_key_the_message_names_the_command(self):
        d = self.daemon(config="connectors: {drop: {kind: maildrop}}\n")
        waits = self.ask(d, "c1")
        text = d.until(lambda: [m["payload"]["text"] if "payload" in m else m["text"] for m in d.get("/v1/maildrop?limit=10")["messages"]])[0]
        self.assertEqual(text, f"Chen nudge approval approve {waits['id']}")
        self.assertEqual(d.request("GET", "/a/" + "A" * 40 + ".B").status, 404)
        nudge = [os.environ["NUDGE"], "--url", f"http://127.0.0.1:{d.port}", "--lang", "en", "approval"]
        listed = subprocess.run(nudge + ["list"], capture_output=True, text=True)
        self.assertIn("30 % for somebody", listed.stdout, listed.stderr)
        for words, expected in ((["reject", waits["id"], "--by", "chen"], "reason"), (["approve", waits["id"], "--by", "chen", "--reason", "ok"], "approved by chen: ok"),
                                (["approve", waits["id"], "--by", "chen"], "decided already: approved by chen: ok"), (["list"], "nothing waits for a yes"),
                                (["list", "--state", "closed"], "approved")):
            ran = subprocess.run(nudge + words, capture_output=True, text=True)
            self.assertIn(expected, ran.stdout + ran.stderr)

    def test_only_who_is_asked_or_an_admin(self):
        d = self.daemon()
        ids = [self.ask(d, f"c{n}")["id"] for n in range(3)]
        for person, role in (("chen", "manager"), ("boss", "manager"), ("root", "admin"), ("op", "operator"), ("lin", "salesperson")):
            ran = subprocess.run([os.environ["NUDGE"], "--local", d.home + "/data", "user", "create", person, "--role", role, "--password-file", "-"],
                                 input=PASSWORD + "\n", capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stderr)
        session = {}
        for person in ("chen", "boss", "root", "op", "lin"):
            answer = d.request("POST", "/v1/session", {"user": person, "password": PASSWORD})
            session[person] = {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "X-Nudge-CSRF": answer.json["csrf"]}
        seen = lambda who: d.request("GET", "/v1/approvals", headers=session[who])
        self.assertEqual(seen("lin").status, 403)
        self.assertEqual([seen(w).json["total"] for w in ("chen", "boss", "root", "op")], [3, 0, 3, 3])
        self.assertEqual([seen(w).json["approvals"][0]["may_answer"] for w in ("chen", "root", "op")], [True, True, False])
        go = lambda who, n, word="approve": d.request("POST", f"/v1/approvals/{ids[n]}/{word}", {"by": "chen", "reason": "r"}, session[who])
        self.assertEqual([go(w, 0).status for w in ("lin", "op", "boss")], [403, 403, 404])
        self.assertEqual(go("chen", 0).json["approval"]["decided_by"], "chen")
        self.assertEqual(go("root", 1, "reject").json["approval"]["decided_by"], "root")


if __name__ == "__main__":
    unittest.main(verbosity=2)
