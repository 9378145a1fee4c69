"""Which customers match the neutral rules at an instant, by looking at every event of every customer: slow, plain, and nothing of nudged in it.

Windows: events of the type and customer with at - X days < time <= at. Over no events count, sum and distinct are 0, and a comparison of avg, min and max is
false. Amounts are decimals and compared exactly.
"""
import json
from collections import defaultdict
from datetime import datetime, timezone
from decimal import Decimal

DAY = 86_400_000
COMPARE = {"eq": lambda a, b: a == b, "gte": lambda a, b: a >= b, "lte": lambda a, b: a <= b, "in": lambda a, b: a in b,
           "starts_with": lambda a, b: a.startswith(b), "contains": lambda a, b: b in a}


def ms_of(text):
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def read(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line, parse_float=Decimal)


def aggregate(node, events, at):
    after = at - node["windowDays"] * DAY
    rows = [data for time, data in events.get(node["event"], ()) if after < time <= at]
    for where in node.get("where", ()):
        rows = [r for r in rows if where["field"] in r and COMPARE[where["cmp"]](r[where["field"]], where["value"])]
    if node["agg"] == "count":
        return len(rows)
    values = [r[node["field"]] for r in rows if node["field"] in r]
    if node["agg"] == "distinct":
        return len(set(values))
    if node["agg"] == "sum":
        return sum(values)
    if not values:
        return None
    return {"avg": lambda: sum(values, Decimal(0)) / len(values), "min": lambda: min(values), "max": lambda: max(values)}[node["agg"]]()


def holds(node, attributes, events, at):
    if "op" in node:
        if node["op"] == "not":
            return not holds(node["args"][0], attributes, events, at)
        return (all if node["op"] == "and" else any)(holds(a, attributes, events, at) for a in node["args"])
    if "attr" in node:
        return node["attr"] in attributes and COMPARE[node["cmp"]](attributes[node["attr"]], node["value"])
    value = aggregate(node, events, at)
    return value is not None and COMPARE[node["cmp"]](value, node["value"])


def matches(documents, rules, at):
    """Pairs of rule and customer. `documents`: files of customers and events; of two documents with one id the first counts, attributes go by their time."""
    attributes, events, seen = defaultdict(dict), defaultdict(lambda: defaultdict(list)), set()
    for path in documents:
        for one in read(path):
            key = (one["customer"], one.get("id"))
            if key[1] is not None and key in seen:
                continue
            seen.add(key)
            time = ms_of(one["ts"]) if "ts" in one else 0
            if "attributes" in one:
                for name, value in one["attributes"].items():
                    if name not in attributes[one["customer"]] or attributes[one["customer"]][name][0] <= time <= at:
                        attributes[one["customer"]][name] = (time, value)
            else:
                events[one["customer"]][one["type"]].append((time, one["data"]))
    total = 0
    for customer, named in attributes.items():
        now = {name: value for name, (_, value) in named.items()}
        total += sum(1 for rule in rules if holds(rule["when"], now, events[customer], at))
    return total
