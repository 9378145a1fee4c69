#!/usr/bin/env python3
"""Shipped packs on real data: the CDNOW orders and the MavenTech pipeline run through those that fit, against figures counted here from the tables."""
import collections
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from oracle_test import HERE, REPO, rows, shared_folder

NUDGE = os.environ["NUDGE"]
DATA = shared_folder()
DAY = datetime.date.fromisoformat
CDNOW = DATA / "cdnow" / "transactions.csv.gz"
PIPELINE = DATA / "crm-sales-opportunities" / "sales_pipeline.csv.gz"


def replay(pack, data, mapping, *more):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        subprocess.run([NUDGE, "replay", str(REPO / "rules" / "packs" / pack), "--data", str(data), "--mapping", str(HERE / "packs" / mapping), *more, str(out)],
                       check=True, stdout=subprocess.DEVNULL)
        with open(out, encoding="utf-8") as f:
            return [json.loads(line) for line in f]


def orders():
    by_customer = collections.defaultdict(list)
    for r in rows(CDNOW):
        by_customer[r["customer_id"]].append((DAY(r["date"]), round(float(r["dollar_value"]) * 100)))
    return by_customer


NAMES = [f"rfm-{name}" for name in ("champion", "loyal", "newcomer", "promising", "at-risk", "drifting", "lost")]


def classes(bought_by, now):
    """The members of each RFM class at the start of a day, counted from the table."""
    found = collections.defaultdict(set)
    for customer, bought in bought_by.items():
        ages = [((now - day).days, cents) for day, cents in bought if day <= now]
        last, year = min(age for age, _ in ages), [cents for age, cents in ages if age < 365]
        frequent = len(year) >= 4
        if last < 60:
            name = ("champion" if sum(year) >= 100000 else "loyal") if frequent else "newcomer" if len(ages) == 1 else "promising"
        else:
            name = "lost" if last >= 180 else "at-risk" if frequent else "drifting"
        found["rfm-" + name].add(customer)
    return found


class Packs(unittest.TestCase):
    def test_rfm_classes(self):
        """Each of the 23,570 buyers is in exactly one class, the one that the table says."""
        seen, bought_by, instants = set(), orders(), [datetime.date(1997, 4, 30), datetime.date(1997, 9, 30)]
        members = replay("rfm-classes", CDNOW, "orders.map.yaml", "--at", *(now.isoformat() for now in instants), "--members")
        for now in instants:
            want = classes(bought_by, now)
            got = {m["segment"]: set(m["ids"]) for m in members if m["at"].startswith(now.isoformat())}
            for name in NAMES:
                self.assertEqual(len(got[name]), len(want[name]), name)
                self.assertEqual(got[name], want[name], name)
            self.assertEqual(sum(len(got[name]) for name in NAMES), 23570)
            seen |= {name for name in NAMES if want[name]}
        self.assertEqual(seen, set(NAMES))

    def test_second_purchase(self):
        """Fires on each customer's first order; the hint is for those who have not ordered again by then."""
        decisions = [d for d in replay("second-purchase", CDNOW, "orders.map.yaml", "--live", "--at", "1998-12-31", "--decisions") if d["rule"] == "second-purchase"]
        fired = {d["customer"]: d["at"][:10] for d in decisions if d["fired"]}
        want = {customer: min(day for day, _ in bought).isoformat() for customer, bought in orders().items()}
        self.assertEqual(fired, want)

    def test_dormant_return(self):
        """Who comes back after a year, in the figures of the oracle."""
        with open(DATA / "oracles" / "cdnow.json", encoding="utf-8") as f:
            figure = next(f for f in json.load(f) if f["id"] == "E365")
        decisions = replay("dormant-return", CDNOW, "visits.map.yaml", "--live", "--decisions")
        self.assertEqual(sum(d["fired"] for d in decisions), figure.get("count", figure.get("value")))

    def test_stalled_opportunities(self):
        """Each opportunity starts a countdown; one that closed in time is left in peace at each of the two steps."""
        end = datetime.date(2018, 12, 31)
        engaged, quiet = 0, collections.Counter()
        for r in rows(PIPELINE):
            if not r["engage_date"]:
                continue
            engaged += 1
            for days in (14, 21):
                if r["close_date"] and (DAY(r["close_date"]) - DAY(r["engage_date"])).days <= days:
                    quiet[days] += 1
        decisions = replay("stalled-opportunity", PIPELINE, "opportunities.map.yaml", "--live", "--at", end.isoformat(), "--decisions")
        mine = [d for d in decisions if d["rule"] == "stalled-early"]
        self.assertEqual(sum(d["fired"] for d in mine), engaged)
        held = [d["held"] for d in mine if not d["fired"]]
        self.assertTrue(all("only_if" in reason for reason in held))
        self.assertEqual(len(held), quiet[14] + quiet[21])
        self.assertGreater(quiet[14], 1000)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
