#!/usr/bin/env python3
"""crm against a Salesforce of its own (fake_salesforce.py): one Task for each of ours, whatever goes wrong on the way."""
import unittest

from fake_salesforce import Salesforce
from harness import Connector, ConnectorTest

TASK = {"task": "0123456789abcdef0123456789abcdef", "state": "open", "subject": "Call 王芳", "script": "Ask how it went", "reason": "A year without an order",
        "priority": "urgent", "due": "2026-01-31T18:30:00Z", "customer": "c1", "owner": "lin", "owner_name": "Lin"}


class SalesforceTest(ConnectorTest):
    def setUp(self):
        super().setUp()
        self.crm = Salesforce()
        self.addCleanup(self.crm.close)

    def config(self, **more):
        return {"provider": "salesforce", "url": self.crm.url, "allow_http": True, "client_id": "the-app", "timeout_ms": 2500,
                "client_secret": self.secret("secret", more.pop("secret_text", self.crm.secret)), **more}

    def connector(self, **more):
        connector = Connector("crm", self.config(**more))
        self.addCleanup(connector.stop)
        return connector

    def test_a_task_and_what_becomes_of_it(self):
        c = self.connector(owners={"lin": "0055g00000AAAAA"}, customer_field="Customer__c", utc_offset="+08:00")
        made = self.accepted(c.deliver(TASK, action_id="a1"))
        (task,) = self.crm.tasks.values()
        self.assertEqual(made["provider_ref"], task["Id"])
        self.assertEqual({k: v for k, v in task.items() if k != "Id"}, {
            "Subject": "Call 王芳", "Description": "Ask how it went\n\nWhy: A year without an order", "Priority": "High", "Status": "Not Started",
            "ActivityDate": "2026-02-01", "OwnerId": "0055g00000AAAAA", "Customer__c": "c1"})
        self.accepted(c.deliver({**TASK, "state": "accepted"}, action_id="a2"))
        self.assertEqual(task["Status"], "In Progress")
        self.accepted(c.deliver({**TASK, "state": "done", "disposition": "connected", "note": "wants an offer"}, action_id="a3"))
        self.assertEqual(task["Status"], "Completed")
        self.assertIn("What came of it: connected", task["Description"])
        self.assertEqual((len(self.crm.tasks), self.crm.tokens_given), (1, 1))
        self.assertEqual(c.hello["idempotency"], "key")

    def test_whoever_is_not_known_there_is_named(self):
        c = self.connector(statuses={"cancelled": "Completed"})
        self.accepted(c.deliver({**TASK, "state": "cancelled", "subject": "x" * 400, "due": ""}))
        (task,) = self.crm.tasks.values()
        self.assertTrue(task["Description"].startswith("For Lin\n\nAsk"))
        self.assertEqual((task["Status"], len(task["Subject"])), ("Completed", 255))
        self.assertNotIn("ActivityDate", task)
        self.assertNotIn("OwnerId", task)

    def test_a_token_that_has_run_out_is_got_anew_once(self):
        c = self.connector()
        self.accepted(c.deliver(TASK, action_id="a1"))
        self.crm.expire()
        self.accepted(c.deliver(TASK, action_id="a2"))
        self.assertEqual((self.crm.tokens_given, len(self.crm.tasks)), (2, 1))
        self.crm.faults = [(401, "INVALID_SESSION_ID")] * 2
        self.bad_config(c.deliver(TASK, action_id="a3"))
        self.assertEqual(len(self.crm.faults), 0, "two tries, no more")
        self.accepted(c.deliver(TASK, action_id="a4"))

    def test_many_at_once_get_one_token(self):
        c = self.connector()
        numbers = [c.start({**TASK, "task": f"{n:032x}"}, action_id=f"{n:04x}") for n in range(8)]
        for number in numbers:
            self.accepted(c.wait(number))
        self.assertEqual((self.crm.tokens_given, len(self.crm.tasks)), (1, 8))

    def test_errors(self):
        c = self.connector()
        day = 15 * 60_000
        for fault, check in [((403, "REQUEST_LIMIT_EXCEEDED"), lambda o: self.retry(o, day)), ((400, "UNABLE_TO_LOCK_ROW"), self.retry),
                             ((503, "SERVER_UNAVAILABLE"), self.retry), ((500, "UNKNOWN_EXCEPTION"), self.retry), ((300, "MULTIPLE"), self.refused),
                             ((400, "DUPLICATES_DETECTED"), self.refused), ((400, "FIELD_CUSTOM_VALIDATION_EXCEPTION"), self.refused),
                             ((400, "REQUIRED_FIELD_MISSING"), self.refused), ((404, "NOT_FOUND"), self.refused),
                             ((403, "INSUFFICIENT_ACCESS_OR_READONLY"), self.bad_config), ((502, "GATEWAY"), self.unknown), ("close", self.unknown)]:
            with self.subTest(fault=fault):
                self.crm.faults = [fault]
                check(c.deliver(TASK, action_id="a1"))
        self.accepted(c.deliver(TASK, action_id="a1"))
        self.assertEqual(len(self.crm.tasks), 1, "what was done and never said is not done twice")
        self.assertIn("as planted", str(c.replies))

    def test_a_wrong_secret_is_told_and_not_shown(self):
        c = self.connector(secret_text="a-wrong-secret-9999")
        outcome = self.bad_config(c.deliver(TASK))
        self.assertIn("invalid_client", outcome["detail"])
        self.crm.secret = "a-wrong-secret-9999"
        self.accepted(c.deliver(TASK))
        _, errors = c.stop()
        for secret in (b"a-wrong-secret-9999", b"00D!token"):
            self.assertNotIn(secret, c.raw_output + errors)

    def test_configurations_and_payloads_that_are_wrong(self):
        for more, word in [({"url": "http://example.com", "allow_http": False}, "https"), ({"utc_offset": "8"}, "utc_offset"),
                           ({"statuses": {"finished": "Completed"}}, "finished"), ({"client_secret": "literal"}, "reference"), ({"team": "x"}, "team")]:
            with self.subTest(more=more):
                c = Connector("crm", {**self.config(), **more}, expect_ok=False)
                self.addCleanup(c.stop)
                self.assertFalse(c.hello["ok"])
                self.assertIn(word, c.hello["detail"])
        c = self.connector()
        self.assertIn("call_task", self.refused(c.deliver({"to": "+86", "text": "Hi"}))["detail"])
        self.refused(c.deliver({**TASK, "state": "sleeping"}))


if __name__ == "__main__":
    unittest.main()
