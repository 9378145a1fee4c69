"""The workload made harder, checked and not timed: kill -9 in the middle, late and repeated events, changes of attributes, rules on texts, and a cap on memory so
small that most customers wait on disk. What is right is known from plain counting (answers.py), and for the standard sizes from PostgreSQL and DuckDB. Used by
tests/bench/run."""
import json
import random
import time

import answers
import daemon as d
from daemon import Daemon, now_ms, say, wrong

CHANGES = 0.05  # of the events are changes of an attribute
REPEATED = 0.05  # of the events come twice
LATE_BY = 20_000  # lines that an event may come after its place, or before


def neutral_rules(bench, count):
    return json.loads(d.workload("rules", "--rules", count, "--strict", bench.args.strict))


def counted(daemon, prefix, at):
    """Members of the segments whose names begin so, at an instant."""
    return sum(s["members"] for s in json.loads(daemon.get(f"/v1/segments?at={d.iso(at)}&prefix={prefix}"))["segments"])


def must_be_stored(daemon, expected, duplicates=None):
    counters = daemon.settled()
    stored = counters["stored"] - counters["internal"]
    if stored != expected:
        wrong(f"{stored} documents are stored, {expected} were sent")
    if duplicates is not None and counters["duplicate"] != duplicates:
        wrong(f"{counters['duplicate']} documents were found to be repeated, {duplicates} were")


def crash(bench, files, kills=3):
    """Killed in the middle of the load, several times; the senders send again what was not answered. Nothing is missing and nothing is there twice."""
    daemon = Daemon(bench.directory(), 100, bench.args.strict)
    try:
        daemon.load(files["customers"], "--batch", 500, "--connections", 4)
        end = now_ms()
        events = bench.generate("events", end - d.WORKLOAD_END)
        known = bench.known or answers.matches([files["customers"], events], neutral_rules(bench, 100), end)
        load = d.Beside(lambda: daemon.load(events, "--batch", 500, "--connections", 4, "--resend", 120))
        ready = []
        for kill in range(kills):
            goal = bench.customers + bench.events * (kill + 1) // (kills + 1)
            while daemon.counters()["stored"] < goal and load.is_alive():
                time.sleep(0.02)
            daemon.kill()
            ready.append(daemon.start())
        resent = load.result()["resent"]
        if resent < kills:
            wrong(f"only {resent} requests were cut off by {kills} kills: the load had ended before")
        must_be_stored(daemon, bench.customers + bench.events)
        d.check_members(daemon, 100, end, known)
        say(f"bench: killed {kills} times in the load, {resent} requests cut off, ready again after {', '.join(f'{s:.2f}' for s in ready)} s; nothing lost")
        return ready
    finally:
        daemon.remove()


def shuffled(bench, path):
    """The same events in another order, some of them twice."""
    random.seed(1)
    lines = path.read_text().splitlines()
    lines = [line for _, line in sorted(((i + random.uniform(-LATE_BY, LATE_BY), line) for i, line in enumerate(lines)))]
    again = random.sample(range(len(lines)), int(len(lines) * REPEATED))
    for i in sorted(again, reverse=True):
        lines.insert(min(len(lines), i + random.randrange(LATE_BY)), lines[i])
    path.write_text("\n".join(lines) + "\n")
    return len(again)


def late_and_repeated(bench, files):
    daemon = Daemon(bench.directory(), 100, bench.args.strict)
    try:
        daemon.load(files["customers"], "--batch", 500, "--connections", 4)
        end = now_ms()
        events = bench.generate("events", end - d.WORKLOAD_END)
        known = bench.known or answers.matches([files["customers"], events], neutral_rules(bench, 100), end)
        repeated = shuffled(bench, events)
        daemon.load(events, "--batch", 500, "--connections", 4)
        must_be_stored(daemon, bench.customers + bench.events, repeated)
        d.check_members(daemon, 100, end, known)
        say(f"bench: late and repeated events: {known} members, {repeated} of {bench.events} repeated")
    finally:
        daemon.remove()


def changing_attributes(bench, _):
    """The customers' attributes are from before the first event, and some events are changes of them."""
    end = now_ms()
    people, changes = bench.workspace / "people.ndjson", 0
    with open(people, "w", encoding="utf-8") as out:
        for line in open(bench.generate("customers"), encoding="utf-8"):
            out.write(json.dumps({"id": "first", "ts": d.iso(end - 100 * d.DAY), **json.loads(line)}) + "\n")
    events = bench.generate("events", end - d.WORKLOAD_END, attr_rate=CHANGES)
    lines = []
    for line in events.read_text().splitlines():
        one = json.loads(line)
        if one["type"] == "attr_set":
            changes += 1
            one["attributes"] = one.pop("data")
            del one["type"]
            line = json.dumps(one)
        lines.append(line)
    events.write_text("\n".join(lines) + "\n")
    known = answers.matches([people, events], neutral_rules(bench, 100), end)
    daemon = Daemon(bench.directory(), 100, bench.args.strict)
    try:
        for file in (people, events):
            daemon.load(file, "--batch", 500, "--connections", 4)
        must_be_stored(daemon, bench.customers + bench.events)
        d.check_members(daemon, 100, end, known)
        say(f"bench: changing attributes: {known} members, {changes} changes")
    finally:
        daemon.remove()


def text_rules():
    """Rules on texts, neutral and in the rule language."""
    neutral, yaml = [], "segments:\n"
    for i in range(20):
        event, field, cmp, value, count, days = (("page_view", "path", "starts_with", f"/p/{i:02d}", 2, 30) if i % 2 == 0 else
                                                 ("order_placed", "sku", "contains", f"{i:02d}", 1, 90))
        tier = ("bronze", "silver", "gold", "platinum")[i // 2 % 4]
        neutral.append({"when": {"op": "and", "args": [
            {"attr": "tier", "cmp": "eq", "value": tier},
            {"agg": "count", "event": event, "where": [{"field": field, "cmp": cmp, "value": value}], "windowDays": days, "cmp": "gte", "value": count}]}})
        yaml += (f"  match-t{i:03d}:\n    where:\n      all:\n        - {{attribute: tier, equals: {tier}}}\n"
                 f"        - {{event: {event}, where: {{field: {field}, {cmp}: \"{value}\"}}, within: {days}d, count: {{at_least: {count}}}}}\n")
    return neutral, yaml


def texts(bench, files):
    neutral, yaml = text_rules()
    daemon = Daemon(bench.directory(), 0, 1, {"texts.yaml": yaml})
    try:
        daemon.load(files["customers"], "--batch", 500, "--connections", 4)
        end = now_ms()
        events = bench.generate("events", end - d.WORKLOAD_END)
        known = answers.matches([files["customers"], events], neutral, end)
        daemon.load(events, "--batch", 500, "--connections", 4)
        found = counted(daemon, "match-t", end)
        if found != known:
            wrong(f"{found} members of segments on texts, plain counting gives {known}")
        say(f"bench: rules on texts: {known} members")
    finally:
        daemon.remove()


def spilling(bench, files):
    """Room for a small part of the customers: most wait on disk. Slower, and exactly as right."""
    daemon = Daemon(bench.directory(), 100, bench.args.strict, config=f"engine:\n  memory: {max(256, bench.customers // 50)}KiB\n")
    try:
        daemon.load(files["customers"], "--batch", 500, "--connections", 4)
        end = now_ms()
        events = bench.generate("events", end - d.WORKLOAD_END)
        known = bench.known or answers.matches([files["customers"], events], neutral_rules(bench, 100), end)
        loaded = daemon.load(events, "--batch", 500, "--connections", 4)
        must_be_stored(daemon, bench.customers + bench.events)
        shards = daemon.status()["shards"]
        in_memory, loads = sum(s["customers_hot"] for s in shards), sum(s["loads"] for s in shards)
        if in_memory > bench.customers // 2 or loads == 0:
            wrong(f"{in_memory} of {bench.customers} customers are in memory, {loads} were read from disk: nothing spilled")
        d.check_members(daemon, 100, end, known)
        daemon.kill()
        daemon.start()
        d.check_members(daemon, 100, end, known)
        say(f"bench: {in_memory} of {bench.customers} customers in memory, {loads} read from disk: {known} members as they must be")
        return loaded["per_s"]
    finally:
        daemon.remove()
