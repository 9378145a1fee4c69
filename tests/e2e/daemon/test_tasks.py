#!/usr/bin/env python3
"""What becomes of a task that nobody does: it is overdue, the manager hears of it once, also across a restart; and the calendar that shows a salesperson's
tasks, read by libical. Run with NUDGED=path/to/nudged."""
import ctypes
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "connectors"))
from harness import Daemon  # noqa: E402
from fake_salesforce import Salesforce  # noqa: E402

RULES = """
rules:
  call:
    description: Somebody must call
    when: {event: login}
    then:
      - call_task: {team: inside, subject: "Call {{ customer.id }}", due_in: 1s, mandatory: true, escalate: {when_overdue: manager}}
teams:
  inside:
    manager: chen
    members:
      - {id: lin, name: "Lin", email: lin@example.com}
      - {id: chen, name: "Chen", email: chen@example.com}
"""


PUSHED = """
rules:
  call:
    when: {event: login}
    then:
      - call_task: {team: inside, connector: salesforce, subject: "Call {{ customer.id }}", reason: "Is back", due_in: 24h, escalate: [{after: 2s, do: ticket}]}
  failed:
    when: {message: failed}
    then: [{add_tag: not-in-the-crm}]
teams:
  inside: {members: [{id: lin, name: "Lin"}, {id: mo, name: "Mo"}]}
"""


class PushedToTheCrm(unittest.TestCase):
    """From a rule to a Salesforce of its own, and what becomes of the task."""

    def start(self, d, crm):
        d.write("crm.secret", crm.secret + "\n")
        os.chmod(d.home + "/crm.secret", 0o600)
        d.write("nudge.yaml", d.read("nudge.yaml") + f"""connectors:
  drop: {{kind: maildrop}}
  salesforce:
    kind: crm
    provider: salesforce
    url: {crm.url}
    allow_http: true
    client_id: {crm.client}
    client_secret: {{file: {d.home}/crm.secret}}
    owners: {{lin: 0055g00000AAAAA, mo: 0055g00000BBBBB}}
    delivery: {{retry_first: 50ms, retry_max: 100ms, breaker_after: 0}}
""")
        d.start()
        d.until(lambda: all(c["state"] == "ready" for c in d.get("/v1/connectors")["connectors"]))

    def test_each_change_is_said_there_in_order(self):
        crm = Salesforce()
        self.addCleanup(crm.close)
        with Daemon(rules=PUSHED) as d:
            self.start(d, crm)
            crm.faults = [(400, "UNABLE_TO_LOCK_ROW"), "close"]  # what comes after must not overtake what is repeated
            d.post("/v1/events", {"customer": "c1", "event": "login", "id": "l1", "data": {}})
            task = d.get("/v1/tasks")["tasks"][0]
            d.post(f"/v1/tasks/{task['id']}/reassign", {"by": "chen", "to": "mo", "manager": True})
            d.kill()
            d.start()
            d.post(f"/v1/tasks/{task['id']}/complete", {"by": "mo", "disposition": "connected", "note": "wants an offer"})
            d.until(lambda: task["id"] in crm.tasks and crm.tasks[task["id"]]["Status"] == "Completed")
            there = crm.tasks[task["id"]]
            self.assertEqual((there["Subject"], there["OwnerId"], there["Priority"]), ("Call c1", "0055g00000BBBBB", "Normal"))
            self.assertEqual(there["Description"], "Why: Is back\n\nWhat came of it: connected\n\nNote: wants an offer")
            self.assertEqual(set(crm.tasks), {task["id"]})
            said = [fields["Status"] for _, fields in crm.history]
            self.assertEqual(said, sorted(said, key=["Not Started", "Completed"].index), "never back")
            d.settled()
            pushes = [a for a in d.get("/v1/actions?limit=100")["actions"] if a["kind"] == "crm"]
            self.assertEqual({a["state"] for a in pushes}, {"accepted"})
            self.assertGreaterEqual(len(pushes), 3, "made, given to another, done")
            numbers = [a["number"] for a in d.get("/v1/actions?limit=100")["actions"]]
            self.assertEqual(len(set(numbers)), len(numbers))
            self.assertTrue(all(line["holds"] for line in d.get("/v1/status")["balance"]))

    def test_what_the_crm_refuses_is_a_dead_letter_and_the_task_stays(self):
        crm = Salesforce()
        self.addCleanup(crm.close)
        with Daemon(rules=PUSHED) as d:
            self.start(d, crm)
            crm.faults = [(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")]
            d.post("/v1/events", {"customer": "c1", "event": "login", "id": "l1", "data": {}})
            dead = d.until(lambda: d.get("/v1/actions?state=dead")["actions"])
            self.assertEqual([(a["kind"], a["connector"]) for a in dead], [("crm", "salesforce")])
            self.assertIn("FIELD_CUSTOM_VALIDATION_EXCEPTION", d.get(f"/v1/actions/{dead[0]['id']}")["note"])
            d.until(lambda: "not-in-the-crm" in d.get("/v1/customers/c1")["tags"])
            task = d.get("/v1/tasks")["tasks"][0]
            # The ladder's ticket is no task: it goes where tickets go.
            d.until(lambda: any(m["channel"] == "ticket" for m in d.get("/v1/maildrop")["messages"]))
            d.post(f"/v1/tasks/{task['id']}/complete", {"by": task["owner"], "disposition": "called"})
            d.until(lambda: crm.tasks and crm.tasks[task["id"]]["Status"] == "Completed")


class Escalation(unittest.TestCase):
    def tasks(self, d, owner):
        return d.get(f"/v1/tasks?owner={owner}")["tasks"]

    def test_the_manager_hears_of_an_overdue_task_once(self):
        with Daemon(rules=RULES) as d:
            d.start()
            d.post("/v1/events", {"customer": "c1", "event": "login", "id": "l1", "data": {}})
            own = self.tasks(d, "lin")
            self.assertEqual([t["subject"] for t in own], ["Call c1"])
            self.assertEqual(self.tasks(d, "chen"), [])
            d.until(lambda: self.tasks(d, "chen"))
            escalated = self.tasks(d, "chen")
            self.assertEqual(len(escalated), 1)
            self.assertEqual((escalated[0]["subject"], escalated[0]["mandatory"], escalated[0]["customer"]), ("Overdue: Call c1", True, "c1"))
            self.assertIn("A task of Lin was due", escalated[0]["reason"])
            self.assertEqual(escalated[0]["payload"]["overdue_task"], own[0]["id"])
            self.assertTrue(self.tasks(d, "lin")[0]["overdue"], "the task itself stays open")
            d.kill()
            d.start()
            d.settled()
            self.assertEqual(len(self.tasks(d, "chen")), 1, "not again after a restart")
            d.post(f"/v1/tasks/{escalated[0]['id']}/complete", {"disposition": "called"})
            self.assertEqual(self.tasks(d, "chen"), [])
            balance = d.get("/v1/status")["balance"]
            self.assertTrue(all(line["holds"] for line in balance) if isinstance(balance, list) else balance, balance)

    def test_a_task_done_in_time_is_not_escalated(self):
        with Daemon(rules=RULES) as d:
            d.start()
            d.post("/v1/events", {"customer": "c2", "event": "login", "id": "l1", "data": {}})
            d.post(f"/v1/tasks/{self.tasks(d, 'lin')[0]['id']}/complete", {"disposition": "called"})
            d.post("/v1/events", {"customer": "c3", "event": "login", "id": "l1", "data": {}})
            d.until(lambda: any(t["customer"] == "c3" and t["subject"].startswith("Overdue") for t in d.get("/v1/tasks")["tasks"]))
            self.assertEqual([t for t in d.get("/v1/tasks")["tasks"] if t["customer"] == "c2"], [])


class Ical:
    """libical, which calendar programs read such a text with."""

    def __init__(self, text):
        self.library = library = ctypes.CDLL("libical.so.3")
        for name, result, arguments in (("icalparser_parse_string", ctypes.c_void_p, [ctypes.c_char_p]), ("icalrestriction_check", ctypes.c_int, [ctypes.c_void_p]),
                                        ("icalcomponent_count_errors", ctypes.c_int, [ctypes.c_void_p]), ("icalcomponent_get_first_component", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]),
                                        ("icalcomponent_get_next_component", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]), ("icalcomponent_get_summary", ctypes.c_char_p, [ctypes.c_void_p]),
                                        ("icalcomponent_get_description", ctypes.c_char_p, [ctypes.c_void_p]), ("icalcomponent_get_uid", ctypes.c_char_p, [ctypes.c_void_p]),
                                        ("icalcomponent_string_to_kind", ctypes.c_int, [ctypes.c_char_p])):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self.root = library.icalparser_parse_string(text.encode())
        self.good = bool(self.root) and library.icalrestriction_check(self.root) == 1 and library.icalcomponent_count_errors(self.root) == 0

    def entries(self, kind):
        kind = self.library.icalcomponent_string_to_kind(kind.encode())
        at, out = self.library.icalcomponent_get_first_component(self.root, kind), []
        while at:
            out.append({"summary": self.library.icalcomponent_get_summary(at).decode(), "description": self.library.icalcomponent_get_description(at).decode(),
                        "uid": self.library.icalcomponent_get_uid(at).decode()})
            at = self.library.icalcomponent_get_next_component(self.root, kind)
        return sorted(out, key=lambda e: e["summary"])


CALLS = """
rules:
  call:
    description: Somebody must call
    when: {event: order_placed}
    then:
      - call_task: {team: inside, subject: "{{ event.sku }}", script: "Say: hello, and\\nthen; wait", due_in: 2d, priority: high}
  later:
    when: {event: login}
    then: [{call_task: {team: inside, subject: No hurry}}]
teams:
  inside: {members: [{id: lin, name: Lin}]}
"""


class Calendar(unittest.TestCase):
    def test_the_calendar_of_a_salesperson(self):
        with Daemon(rules=CALLS) as d:
            d.start()
            long = "致电客户张三跟进订单" * 4
            for n, sku in enumerate((long, "a, b; c\\d")):
                d.post("/v1/events", {"customer": f"c{n}", "event": "order_placed", "id": "o", "data": {"sku": sku}})
            d.post("/v1/events", {"customer": "c9", "event": "login", "id": "l", "data": {}})
            d.until(lambda: len(d.get("/v1/tasks?owner=lin")["tasks"]) == 3)
            path = d.post("/v1/calendars/lin")["path"]
            answer = d.request("GET", path)
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/calendar; charset=utf-8"))
            text = answer.body.decode()
            lines = text.split("\r\n")
            self.assertTrue(all(len(line.encode()) <= 75 for line in lines))
            self.assertNotIn("\n", "".join(lines))
            at = lines.index("SUMMARY:致电客户张三跟进订单致电客户张三跟进订单致电")  # the vector: 74 octets, then 55
            self.assertEqual((len(lines[at].encode()), lines[at + 1]), (74, " 客户张三跟进订单致电客户张三跟进订单"))
            read = Ical(text)
            self.assertTrue(read.good, text)
            todos = read.entries("VTODO")
            self.assertEqual([t["summary"] for t in todos], sorted([long, "a, b; c\\d", "No hurry"]))
            self.assertIn("Say: hello, and\nthen; wait", [t for t in todos if t["summary"] == long][0]["description"])
            again = d.request("GET", path, headers={"If-None-Match": answer.headers["ETag"]})
            self.assertEqual((again.status, again.body), (304, b""))
            events = Ical(d.request("GET", path + "?as=events").body.decode())
            self.assertTrue(events.good)
            self.assertEqual([e["summary"] for e in events.entries("VEVENT")], sorted([long, "a, b; c\\d"]), "what has no time has no place")
            self.assertFalse({e["uid"] for e in events.entries("VEVENT")} & {t["uid"] for t in todos})
            done = [t for t in d.get("/v1/tasks?owner=lin")["tasks"] if t["subject"] == "No hurry"][0]
            d.post(f"/v1/tasks/{done['id']}/complete", {"disposition": "called"})
            changed = d.request("GET", path, headers={"If-None-Match": answer.headers["ETag"]})
            self.assertEqual((changed.status, len(Ical(changed.body.decode()).entries("VTODO"))), (200, 2))
            # A new address ends the old one; taken back, none is left. What is on disk does not have the secret.
            fresh = d.post("/v1/calendars/lin")["path"]
            self.assertEqual((d.request("GET", path).status, d.request("GET", fresh).status), (404, 200))
            d.kill()
            d.start()
            self.assertEqual(d.request("GET", fresh).status, 200)
            self.assertEqual(d.request("DELETE", "/v1/calendars/lin").status, 200)
            self.assertEqual(d.request("DELETE", "/v1/calendars/lin").status, 404)
            for gone in (fresh, path, "/c/x.ics", "/c/.ics", fresh[:-4]):
                self.assertEqual(d.request("GET", gone).status, 404)
            self.assertNotIn(fresh[3:-4], d.text_log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
