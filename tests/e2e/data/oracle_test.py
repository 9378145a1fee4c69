#!/usr/bin/env python3
"""Real data against figures that were computed elsewhere: counts and hashes of ids, each at its instant.

  oracle_test.py SET --nudge PATH                with `nudge replay`, without a daemon: every figure
  oracle_test.py SET --nudge PATH --nudged PATH  through the importer into a real nudged: every figure about members of segments

The data and the figures lie in ../shared/data beside this repository, or in $NUDGE_SHARED. Without them the test says so and ends with 77 (skipped).
"""
import argparse
import csv
import datetime
import gzip
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

EVER = "2021-01-01"  # figures that hold at all times are asked then
HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[2]


def shared_folder():
    for place in (os.environ.get("NUDGE_SHARED"), REPO.parent / "shared"):
        if place and (pathlib.Path(place) / "data" / "oracles").is_dir():
            return pathlib.Path(place) / "data"
    print(f"SKIP: the data sets are not at {REPO.parent / 'shared'} and NUDGE_SHARED does not name their folder", file=sys.stderr)
    sys.exit(77)


def sha(lines):
    return hashlib.sha256("".join(line + "\n" for line in sorted(lines, key=lambda s: s.encode())).encode()).hexdigest()


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


class Report:
    def __init__(self, figures):
        self.figures, self.good, self.bad, self.left = figures, 0, 0, []

    def find(self, figure, now="all"):
        return next(f for f in self.figures if f["id"] == figure and f["now"] == now)

    def say(self, figure, ok, got):
        figure["seen"] = True
        if ok:
            self.good += 1
            return
        self.bad += 1
        print(f"WRONG {figure['id']} at {figure['now']}: {figure['condition']}\n  expected {figure.get('count', figure.get('value'))}, got {got}")

    def ids(self, figure, ids):
        key = "sha256_ids" if "sha256_ids" in figure else "sha256_lines"
        expected = figure["count"] if "count" in figure else figure["value"]
        self.say(figure, len(ids) == expected and sha(ids) == figure[key], f"{len(ids)} ({sha(ids)[:12]}…, expected {figure[key][:12]}…)")

    def value(self, figure, got):
        expected = figure["value"] if "value" in figure else figure["count"]
        same = abs(expected - got) < 1e-9 if isinstance(expected, float) else expected == got
        self.say(figure, same, got)

    def lines(self, figure, lines, value):
        expected = figure["value"] if "value" in figure else figure["count"]
        self.say(figure, value == expected and sha(lines) == figure["sha256_lines"], f"{value} ({sha(lines)[:12]}…)")

    def end(self, name, reasons):
        unseen = [f for f in self.figures if not f.get("seen")]
        for why, wanted in reasons.items():
            some = sorted({f["id"] for f in unseen if wanted(f["id"])})
            if some:
                print(f"not asked here: {', '.join(some)}: {why}")
                unseen = [f for f in unseen if f["id"] not in some]
        for f in unseen:
            print(f"FORGOTTEN {f['id']} at {f['now']}: {f['condition']}")
        print(f"{name}: {self.good} figures match, {self.bad} differ, {len(unseen)} forgotten")
        if self.good < len(self.figures) / 2:  # a harness that compares nothing must not pass
            print("too few figures were compared")
            return 1
        return 1 if self.bad or unseen else 0


class Offline:
    """Asks `nudge replay`: once as history, once with the rules firing."""

    def __init__(self, nudge, folder, data, instants):
        self.nudge = nudge
        self.temp = tempfile.TemporaryDirectory()
        out = pathlib.Path(self.temp.name)
        base = [nudge, "replay", str(folder)] + [a for file, mapping in data for a in ("--data", str(file), "--mapping", str(folder / mapping))]
        at = ["--at", *instants]
        subprocess.run(base + at + ["--members", str(out / "members"), "--values", str(out / "values")], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(base + ["--live", "--decisions", str(out / "decisions"), "--edges", str(out / "edges"), "--at", instants[-1]], check=True, stdout=subprocess.DEVNULL)
        read = lambda name: (json.loads(line) for line in open(out / name, encoding="utf-8"))
        self.in_segment = {(m["segment"], m["at"][:10]): m["ids"] for m in read("members")}
        self.values = {}
        for v in read("values"):
            self.values.setdefault((v.get("trait") or v["score"], v["at"][:10]), {})[v["customer"]] = v["value"]
        self.decisions = [d for d in read("decisions") if d["fired"]]
        self.edges = list(read("edges"))

    def members(self, segment, at):
        return self.in_segment[segment, EVER if at == "all" else at]

    def segments(self):
        return {s for s, _ in self.in_segment}


def firings(offline, rule):
    return [(d["customer"], d["at"][:10]) for d in offline.decisions if d["rule"] == rule]


def members_of_figures(report, source):
    """Every figure whose id is the name of a segment."""
    names = source.segments()
    for figure in report.figures:
        if "sha256_ids" in figure and figure["id"].lower() in names:
            report.ids(figure, [without_prefix(i) for i in source.members(figure["id"].lower(), figure["now"])])


def without_prefix(customer):
    return customer.split(":", 1)[1] if ":" in customer else customer


def cents(value):
    return round(float(value) * 100)


def cdnow(report, source, data):
    members_of_figures(report, source)
    if not isinstance(source, Offline):
        return
    last = "1998-06-30"
    total = lambda trait: source.values[trait, last].values()
    report.value(report.find("T0"), sum(total("orders")))
    report.value(report.find("T1"), sum(1 for n in total("orders") if n > 0))
    report.value(report.find("T2"), sum(cents(v) for v in total("spend")))
    report.value(report.find("T3"), sum(total("cds")))
    report.value(report.find("T4"), sum(total("free_orders")))
    report.value(report.find("T5"), sum(total("order_days")))
    sample = set(source.members("sample", last))
    report.value(report.find("S4"), sum(n for c, n in source.values["orders", last].items() if c in sample))
    summary_tables(report, source, data)
    table_with_transactions(report, source, data)
    for figure in [f for f in report.figures if f["id"] == "H1"]:
        by_months = {}
        for n in source.values["order_months", figure["now"]].values():
            if n > 0:
                by_months[str(n)] = by_months.get(str(n), 0) + 1
        report.value(figure, by_months)
    for days in ("90", "180", "365"):
        fired = firings(source, "e" + days)
        report.lines(report.find("E" + days), [f"{c},{d}" for c, d in fired], len(fired))
        report.value(report.find(f"E{days}c"), len({c for c, _ in fired}))
    # C14 and C11 speak of an order in its own moment: what the rules fired on, looked back at from each instant.
    orders = [(r["customer_id"], r["date"]) for r in rows(data / "cdnow" / "transactions.csv.gz")]
    back, large = firings(source, "e180"), set(firings(source, "c11"))
    for figure in report.figures:
        now = figure["now"]
        if figure["id"] == "C14":
            report.ids(figure, sorted({c for c, d in back if days_between(d, now) in range(0, 30)}))
        if figure["id"] == "C11":
            latest = {}
            for c, d in orders:
                if d <= now:
                    latest[c] = max(d, latest.get(c, ""))
            report.ids(figure, sorted(c for c, d in latest.items() if (c, d) in large))
    first = {}
    for e in source.edges:
        if e["segment"] == "e3" and e["edge"] == "entered":
            first.setdefault(e["customer"], e["at"][:10])
    report.lines(report.find("E3"), [f"{c},{d}" for c, d in first.items()], len(first))
    # Entries and exits day by day, as the rules saw them go by.
    with open(data / "oracles" / "cdnow_daily_segments.csv", encoding="utf-8") as f:
        daily = list(csv.DictReader(f))
    for name in ("C01", "C02", "C03"):
        moves = {}
        for e in source.edges:
            if e["segment"] == name.lower():
                moves.setdefault(e["at"][:10], [0, 0])[0 if e["edge"] == "entered" else 1] += 1
        members, wrong = 0, 0
        for day in daily:
            entered, left = moves.pop(day["date"], [0, 0])
            members += entered - left
            wrong += (members, entered, left) != tuple(int(day[f"{name}_{k}"]) for k in ("members", "entered", "left"))
        figure = report.find("D_" + name)
        total = [sum(int(day[f"{name}_{k}"]) for day in daily) for k in ("entered", "left")]
        report.say(figure, wrong == 0 and not moves and total == figure["value"], f"{wrong} days differ, {len(moves)} days too many")


def summary_tables(report, source, data):
    """The published recency and frequency tables, recomputed from traits."""
    now = "1997-09-30"
    days, first, last = (source.values[t, now] for t in ("order_days", "first_order_days", "last_order_days"))
    published = {r["ID"]: r for r in rows(data / "cdnow" / "summary.csv.gz")}
    sample = {r["customer_id"]: r["sample_id"] for r in rows(data / "cdnow" / "sample_ids.csv.gz")}
    wrong, repeats = 0, {}
    for customer, number in sample.items():
        row = published[number]
        got = (days[customer] - 1, (first[customer] - last[customer]) / 7, first[customer] / 7)
        want = tuple(float(row[k]) for k in ("frequency", "recency", "T"))
        wrong += any(abs(g - w) > 0.00501 for g, w in zip(got, want))
        repeats[str(days[customer] - 1)] = repeats.get(str(days[customer] - 1), 0) + 1
    report.value(report.find("S1", now), [len(sample), wrong])
    report.value(report.find("S3", now), dict(sorted(repeats.items(), key=lambda kv: int(kv[0]))))
    lines = [f"{c},{n - 1},{first[c] - last[c]},{first[c]}" for c, n in days.items() if n > 0]
    report.lines(report.find("S5", now), lines, len(lines))


def table_with_transactions(report, source, data):
    """The published table with the average of the repeat days. What a customer spent on its first day is what it had spent when that day was over:
    the same trait, asked at that instant."""
    folder, now = HERE / "cdnow-days", "1997-09-30"
    published = {r["ID"]: r for r in rows(data / "cdnow" / "summary_with_transactions.csv.gz")}
    sample = {r["customer_id"]: r["sample_id"] for r in rows(data / "cdnow" / "sample_ids.csv.gz")}
    out = pathlib.Path(source.temp.name)
    with open(out / "sample.csv", "w", encoding="utf-8", newline="") as f:
        orders = [r for r in rows(data / "cdnow" / "transactions.csv.gz") if r["customer_id"] in sample]
        writer = csv.DictWriter(f, orders[0].keys())
        writer.writeheader()
        writer.writerows(orders)
    first_days = [(datetime.date(1997, 1, 1) + datetime.timedelta(days=n)).isoformat() for n in range(90)]
    subprocess.run([source.nudge, "replay", str(folder), "--data", str(out / "sample.csv"), "--mapping", str(HERE / "cdnow" / "orders.map.yaml"),
                    "--at", *first_days, now, "--values", str(out / "days")], check=True, stdout=subprocess.DEVNULL)
    values = {}
    with open(out / "days", encoding="utf-8") as f:
        for v in map(json.loads, f):
            values.setdefault((v["trait"], v["at"][:10]), {})[v["customer"]] = v["value"]
    days, first, last, spend = (values[t, now] for t in ("order_days", "first_order_days", "last_order_days", "spend"))
    wrong = 0
    for customer, number in sample.items():
        day = (datetime.date.fromisoformat(now) - datetime.timedelta(days=first[customer])).isoformat()
        repeats = days[customer] - 1
        zbar = (spend[customer] - values["spend", day][customer]) / repeats if repeats else 0
        got = (repeats, (first[customer] - last[customer]) / 7, first[customer] / 7, zbar)
        wrong += any(abs(g - float(published[number][k])) > 0.00501 for g, k in zip(got, ("x", "t_x", "T", "zbar")))
    report.value(report.find("S2", now), [len(sample), wrong])


def days_between(early, late):
    return (datetime.date.fromisoformat(late) - datetime.date.fromisoformat(early)).days


def crm(report, source, data):
    members_of_figures(report, source)
    instants = ("2017-06-30", "2017-09-30", "2017-12-31")
    agent_of = {r["opportunity_id"]: r["sales_agent"] for r in rows(data / "crm-sales-opportunities" / "sales_pipeline.csv.gz")}
    last = instants[-1]
    size = lambda segment, at=last: len(source.members(segment, at))
    stages = ("Won", "Lost", "Engaging", "Prospecting")
    report.value(report.find("T0"), {s: size("t0-" + s.lower()) for s in sorted(stages)})
    report.value(report.find("T2"), {s: size("t2-" + s.lower()) for s in ("Engaging", "Prospecting")})
    report.value(report.find("T3"), sorted(without_prefix(a) for a in source.members("t3", last)))
    for now in instants:
        report.ids(report.find("V1", now), [without_prefix(o) for o in source.members("v1", now)])
        report.value(report.find("V2", now), [size("v2-won", now), size("v2-lost", now)])
        waiting = {}
        for o in source.members("k02", now):
            agent = agent_of[without_prefix(o)]
            waiting[agent] = waiting.get(agent, 0) + 1
        report.lines(report.find("K02a", now), [f"{a},{n}" for a, n in waiting.items()], dict(sorted(waiting.items())))
        report.ids(report.find("K02b", now), [a for a, n in waiting.items() if n >= 40])
    if not isinstance(source, Offline):
        return
    office_of = {r["sales_agent"]: r["regional_office"] for r in rows(data / "crm-sales-opportunities" / "sales_teams.csv.gz")}

    def by_office(trait, at):
        sums = {}
        for agent, v in source.values[trait, at].items():
            if without_prefix(agent) in office_of:
                office = office_of[without_prefix(agent)]
                sums[office] = sums.get(office, 0) + round(v)
        return dict(sorted((o, s) for o, s in sums.items() if s))

    report.value(report.find("T1"), sum(round(v) for v in source.values["won_value", last].values()))
    report.value(report.find("T5"), by_office("agent_won_value", last))
    days = [source.values["days_open", last][o] for o in source.members("closed", last)]
    report.value(report.find("T4"), [round(sum(days) / len(days), 4), max(days)])
    back, again = firings(source, "k08"), firings(source, "k14")
    for now in instants:
        won = {without_prefix(a): round(v) for a, v in source.values["won_value_365d", now].items() if a.startswith("account:")}
        report.lines(report.find("K03", now), [f"{a},{v}" for a, v in won.items()], [len(won), sum(won.values())])
        report.value(report.find("K15", now), by_office("agent_won_value_90d", now))
        report.ids(report.find("K08", now), sorted({without_prefix(a) for a, d in back if days_between(d, now) in range(0, 90)}))
        lines = sorted({f"{without_prefix(a)},{d}" for a, d in again if d <= now})
        report.lines(report.find("K14", now), lines, len(lines))


def leads(report, source, data):
    members_of_figures(report, source)
    report.value(report.find("T0"), len(source.members("t0", "all")))
    if not isinstance(source, Offline):
        return
    scores = source.values["lead-score", EVER]
    by_score = {}
    for score in scores.values():
        by_score[str(score)] = by_score.get(str(score), 0) + 1
    report.lines(report.find("L14"), [f"{lead},{score}" for lead, score in scores.items()], by_score)


def bank(report, source, data):
    members_of_figures(report, source)
    sold = source.members("t0-sold", "all")
    report.value(report.find("T0"), [len(source.members("t0", "all")), len(sold)])
    if not isinstance(source, Offline):
        return
    month, by_month = source.values["month", EVER], {}
    for call in sold:
        by_month[month[call]] = by_month.get(month[call], 0) + 1
    report.value(report.find("B09"), by_month)


SETS = {
    "leads": (leads, [("lead-scoring/leads.csv.gz", "leads.map.yaml")]),
    "bank": (bank, [("bank-marketing/bank-additional-full.csv.gz", "calls.map.yaml")]),
    "cdnow": (cdnow, [("cdnow/transactions.csv.gz", "orders.map.yaml"), ("cdnow/sample_ids.csv.gz", "sample.map.yaml")]),
    "crm": (crm, [("crm-sales-opportunities/accounts.csv.gz", "accounts.map.yaml"), ("crm-sales-opportunities/sales_teams.csv.gz", "teams.map.yaml"),
                  ("crm-sales-opportunities/sales_pipeline.csv.gz", "pipeline.map.yaml")]),
}

# What only a rule that fires can say: asked without a daemon, where the years go by in seconds.
LIVE = {"it sums over customers or speaks of firings; asked by the same test without a daemon":
        lambda i: i[0] in "TSDEH" or i in ("C11", "C14", "K03", "K08", "K14", "K15", "L14", "B09")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--nudge", required=True)
    parser.add_argument("--nudged")
    args = parser.parse_args()
    data = shared_folder()
    check, files = SETS[args.set]
    files = [(data / file, mapping) for file, mapping in files]
    with open(data / "oracles" / f"{args.set}.json", encoding="utf-8") as f:
        report = Report(json.load(f))
    instants = sorted({f["now"] for f in report.figures if f["now"] != "all"}) or [EVER]
    if args.nudged:
        from daemon import Online
        with Online(args.nudge, args.nudged, HERE / args.set, files) as source:
            check(report, source, data)
            return report.end(f"{args.set}, in nudged", LIVE)
    check(report, Offline(args.nudge, HERE / args.set, files, instants), data)
    return report.end(f"{args.set}, by replay", {})


if __name__ == "__main__":
    sys.exit(main())
