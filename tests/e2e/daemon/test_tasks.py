#!/usr/bin/env python3
"""What becomes of a task that nobody does: it is overdue, the manager hears of it once, also across a restart. Run with NUDGED=path/to/nudged."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon  # noqa: E402

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


if __name__ == "__main__":
    unittest.main(verbosity=2)
