#!/usr/bin/env python3
"""Makes the data directory of a release as a fixture: make.py VERSION (NUDGED and NUDGE name that release's programs).

It leaves a directory behind as a killed nudged does: with a checkpoint, with blocks of the log after it, with things under way. What a reader of the interface
sees of it is kept beside it, VERSION.json; test_upgrade.py compares. Run it once for each release that changes what lies on disk, and keep all of them.
"""
import json
import os
import pathlib
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "daemon"))
from harness import Daemon, parse_ms, rfc3339  # noqa: E402

RULES = """
traits:
  spent: {event: order_placed, within: 3650d, sum: {field: amount}}
segments:
  buyers:
    description: A purchase in the last ten years
    where: {event: order_placed, within: 3650d}
  silent:
    description: No ping in the last ten years
    where: {not: {event: ping, within: 3650d}}
rules:
  big-order:
    description: A big order gets a call, a message, and a second one much later
    category: sales
    when: {event: order_placed, where: {field: amount, at_least: 100}}
    then:
      - call_task: {team: inside, subject: "Call {{ customer.name | default: 'customer' }}", due_in: 24h, mandatory: true}
      - email: {to: "{{ customer.email | default: 'nobody@example.com' }}", subject: "Thank you", text: "Order {{ event.sku }}"}
      - after: 3000d
      - ticket: {subject: "Three thousand days of {{ customer.id }}"}
    limits: {once_per: 90d}
  new-buyer:
    description: Somebody bought for the first time
    category: management
    when: {enters: buyers}
    then: [{ticket: {subject: "New buyer {{ customer.id }}"}}]
teams:
  inside:
    members:
      - {id: lin, name: "Lin", email: lin@example.com}
      - {id: wu, name: "Wu", email: wu@example.com}
"""
CONFIG = "store: {checkpoint_interval: 1s, low_space: 1MiB}\n"


def daemon(where=None):
    d = Daemon(rules=RULES, where=where)
    d.write("nudge.yaml", d.read("nudge.yaml").replace("store: {low_space: 1MiB}\n", CONFIG))
    return d


def seen(d, headers):
    """What can be read of everything that is kept, without what differs by the moment of asking."""
    def get(path):
        # As it was stored, not masked; older releases know no other way.
        if path.startswith(("/v1/customers", "/v1/decisions", "/v1/tasks", "/v1/quarantine", "/v1/actions")):
            path += ("&" if "?" in path else "?") + "personal=full"
        answer = d.request("GET", path, headers=headers)
        assert answer.status == 200, (path, answer)
        return answer.json
    # First: a look at personal data is a record itself.
    audit = [{k: r[k] for k in ("number", "action", "hash")} for r in get("/v1/audit?limit=1000")["records"]]
    out = {"customers": get("/v1/customers?total=true"), "decisions": get("/v1/decisions?limit=1000")["decisions"], "tasks": get("/v1/tasks?limit=1000")["tasks"],
           "segments": [{k: s[k] for k in ("name", "members", "entered", "left")} for s in get("/v1/segments")["segments"]],
           "rules": [{k: r[k] for k in ("name", "version", "fired", "held", "actions", "accepted")} for r in get("/v1/rules")["rules"]],
           "quarantine": get("/v1/quarantine")["records"], "suppressions": get("/v1/suppressions"), "silences": get("/v1/silences"),
           "versions": [{k: v[k] for k in ("version", "at", "origin", "rules", "segments")} for v in get("/v1/versions")["versions"]],
           "tokens": [{k: t[k] for k in ("name", "roles")} for t in get("/v1/tokens")["tokens"]], "users": [u["name"] for u in get("/v1/users")["users"]],
           "audit": audit,
           "counters": {k: v for k, v in get("/v1/status")["counters"].items() if k in ("received", "stored", "duplicate", "conflict", "quarantined", "decisions", "fired", "held", "actions", "tasks")}}
    out["profiles"] = [{k: p[k] for k in ("customer", "aliases", "attributes", "tags", "segments", "traits", "events_stored", "events", "waiting_steps")}
                       for p in (get("/v1/customers/" + c) for c in out["customers"]["customers"])]
    out["actions"] = [get("/v1/actions/" + a["id"]) for a in get("/v1/actions?limit=1000")["actions"]]
    for task in out["tasks"]:
        task.pop("overdue")
    return out


def known(old, new):
    """`new`, cut down to what `old` has: a later release may say more, never less or something else."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {k: known(old[k], new[k]) for k in old if k in new}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [known(a, b) for a, b in zip(old, new)]
    return new


def main(version):
    with daemon() as d:
        d.start()
        now = parse_ms(d.get("/v1/status")["now"])
        day = 86_400_000
        d.lines([{"customer": f"c{i}", "attributes": {"name": f"Name {i}", "email": f"c{i}@example.com", "tier": ["bronze", "silver", "gold"][i % 3], "annual_spend": 12.5 * i,
                                                      "vip": i % 2 == 0, "interests": ["a", "b"][: i % 3], "address": {"city": "上海"}, "since": "2020-02-29"}} for i in range(12)])
        d.lines([{"customer": f"c{i % 12}", "event": "order_placed", "id": f"old-{i}", "time": rfc3339(now - (i + 1) * day), "data": {"amount": 10.01 * i, "sku": f"S{i}", "quantity": i}}
                 for i in range(60)], path="/v1/import")
        d.lines([{"customer": f"c{i}", "event": "order_placed", "id": f"big-{i}", "data": {"amount": 100 + i, "sku": "BIG"}} for i in range(6)])
        d.post("/v1/events", {"customer": "c1", "tag": "vip"})
        d.post("/v1/events", {"customer": "visitor-1", "event": "ping", "id": "p", "data": {"n": 1}})
        d.post("/v1/events", {"customer": "c2", "merge": "visitor-1"})
        d.settled()
        d.until(lambda: d.get("/v1/status")["commit"]["checkpoint"] >= d.get("/v1/status")["commit"]["last_block"] - 1)
        d.post("/v1/suppressions", {"kind": "domain", "value": "example.org", "author": "wu", "reason": "asked for it"})
        d.post("/v1/silences", {"rule": "new-buyer", "until": "2090-01-01T00:00:00Z", "author": "wu", "reason": "a fixture"})
        task = d.get("/v1/tasks")["tasks"][0]["id"]
        d.post(f"/v1/tasks/{task}/complete", {"disposition": "reached", "note": "talked", "by": "lin"})
        d.lines([{"customer": "c3", "event": "nope"}, {"customer": "c3", "event": "ping", "data": {"m": 1}}])
        d.lines([{"customer": f"late-{i}", "event": "order_placed", "id": "x", "data": {"amount": 50 * i, "sku": "L"}} for i in range(6)])
        d.lines([{"customer": "late-1", "event": "order_placed", "id": "x", "data": {"amount": 50, "sku": "L"}}])
        d.settled()
        for words in (["token", "create", "keeper", "--role", "admin"], ["token", "create", "crm", "--role", "ingest"]):
            token = subprocess.run([os.environ["NUDGE"], "--local", d.home + "/data", *words], capture_output=True, text=True, check=True).stdout.strip()
            headers = {"Authorization": "Bearer " + token} if words[2] == "keeper" else headers
        made = seen(d, headers)
        made["digest"] = d.request("GET", "/v1/digest", headers=headers).json["digest"]
        made["internal"] = d.request("GET", "/v1/status", headers=headers).json["counters"]["internal"]
        made["token"] = headers["Authorization"]
        d.kill()
        (HERE / f"{version}.json").write_text(json.dumps(made, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        with tarfile.open(HERE / f"{version}.tar.xz", "w:xz") as tar:
            for name in ("data", "rules", "schemas", "nudge.yaml"):
                tar.add(f"{d.home}/{name}", name, filter=lambda i: None if i.name in ("data/nudged.token", "data/nudged.url") else i)
        print(f"{version}: {len(made['profiles'])} customers, {len(made['decisions'])} decisions, {len(made['actions'])} actions")


if __name__ == "__main__":
    main(sys.argv[1])
