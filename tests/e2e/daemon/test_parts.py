#!/usr/bin/env python3
"""Counts per part of a condition, against the explanation of each customer, one by one. Run with NUDGED."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, rfc3339  # noqa: E402

RULES = """
segments:
  keen:
    where:
      all:
        - {attribute: tier, in: [silver, gold]}
        - any: [{event: login, within: 1d, count: {at_least: 2}}, {event: order_placed, sum: {field: amount, at_least: 100}}]
        - not: {attribute: tags_of_old, equals: lapsed}
rules:
  keen-ones:
    when: {enters: keen}
    if: {event: ping}
    then: [{ticket: {subject: x}}]
  big:
    when: {event: order_placed, where: {field: amount, at_least: 100}}
    if: {attribute: tier, equals: gold}
    then: [{ticket: {subject: x}}]
"""
CATALOG = """
customer:
  attributes:
    tier: text
    tags_of_old: text
events:
  login: {fields: {}}
  order_placed: {fields: {amount: decimal}}
  ping: {fields: {}}
"""
TIERS = ("bronze", "silver", "gold")


def walk(part):
    """The part and those below it, as they follow each other."""
    yield part
    for inner in part.get("parts", []):
        yield from walk(inner)


class Parts(unittest.TestCase):
    def setUp(self):
        self.d = Daemon(rules=RULES, catalog=CATALOG).__enter__()
        self.d.start()
        at = int(time.time() * 1000) - 60_000
        documents = []
        for i in range(60):
            documents.append({"customer": f"c{i}", "id": f"a{i}", "attributes": {"tier": TIERS[i % 3], **({"tags_of_old": "lapsed"} if i % 7 == 0 else {})}})
            documents += [{"customer": f"c{i}", "id": f"l{i}-{n}", "type": "login", "time": rfc3339(at + n)} for n in range(i % 4)]
            if i % 5 == 0:
                documents.append({"customer": f"c{i}", "id": f"o{i}", "type": "order_placed", "time": rfc3339(at), "data": {"amount": 40 * (i % 6)}})
            if i % 2 == 0:
                documents.append({"customer": f"c{i}", "id": f"p{i}", "type": "ping", "time": rfc3339(at)})
        self.d.lines(documents)
        self.d.settled()

    def tearDown(self):
        self.d.__exit__(None, None, None)

    def explained(self, what, name):
        return [self.d.get(f"/v1/explain?customer=c{i}&{what}={name}")["explanation"] for i in range(60)]

    def test_a_segment_is_counted_as_its_customers_are_explained(self):
        counted = self.d.get("/v1/segments/keen/parts")
        each = self.explained("segment", "keen")
        self.assertEqual(counted["customers"], 60)
        self.assertEqual(counted["holds"], sum(e["holds"] for e in each))
        self.assertEqual(counted["holds"], self.d.get("/v1/segments/keen")["members"])
        rows = [list(walk(e)) for e in each]
        for at, part in enumerate(walk(counted["parts"][0])):
            self.assertEqual({r[at]["text"] for r in rows}, {part["text"]})
            self.assertEqual(part["holds"], sum(r[at]["holds"] for r in rows), part["text"])
        top = counted["parts"][0]["parts"]
        self.assertEqual([p["so_far"] for p in top], [sum(all(p["holds"] for p in e["parts"][:n + 1]) for e in each) for n in range(3)])
        self.assertTrue(0 < top[2]["so_far"] < top[1]["so_far"] < top[0]["so_far"] < 60, top)
        self.assertEqual([p["so_far"] for p in top[1]["parts"]], [None, None])

    def test_a_rule_is_counted_with_what_sets_it_off(self):
        counted = self.d.get("/v1/rules/keen-ones/parts")
        self.assertEqual([p["text"] for p in counted["parts"]], ["all of", "count of ping events at_least 1"])
        self.assertEqual(counted["parts"][1]["holds"], 30)
        self.assertEqual(counted["holds"], counted["parts"][1]["so_far"])
        self.assertEqual(counted["holds"], sum(e["condition"]["holds"] for e in self.explained("rule", "keen-ones")))
        big = self.d.get("/v1/rules/big/parts")
        placed = [i for i in range(60) if i % 5 == 0]
        large = [i for i in placed if 40 * (i % 6) >= 100]
        self.assertEqual([p["so_far"] for p in big["parts"]], [len(placed), len(large), len([i for i in large if i % 3 == 2])])
        self.assertEqual(big["parts"][0]["text"], "event order_placed")

    def test_an_instant_of_the_past_and_names_that_there_are_not(self):
        self.assertEqual(self.d.get("/v1/segments/keen/parts?at=2001-01-01T00:00:00Z")["holds"], 0)
        for path in ("/v1/segments/none/parts", "/v1/rules/none/parts"):
            self.d.get(path, 404)
        self.d.get("/v1/rules/big/parts?at=soon", 400)


if __name__ == "__main__":
    unittest.main(verbosity=2)
