#!/usr/bin/env python3
"""nudged under load, with all that people do to it meanwhile: load.py BUILD [--customers 3000] [--events 120000] [--rules 100]

For builds with a sanitizer (tests/sanitizers/run). One nudged with a hundred rules takes in events over several connections, while beside it: exports are
read and broken off, metrics and status are asked for, pages of customers, decisions, actions and segments, tails are listened to, the rules are
changed and loaded anew by request and by signal, the log is opened anew, a plan is made and applied, a backtest runs and is cancelled, customers
are merged and erased, tasks are done, stop-all is set and lifted, a backup is made. It is stopped in the middle of that, started again, and
must have all it acknowledged. Exit code 1: an answer was 500 or worse without reason, or the books do not add up, or it did not end with 0.
"""
import argparse
import collections
import http.client
import json
import random
import re
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
import daemon as d  # noqa: E402

GOOD = {200, 201, 202, 204, 304, 400, 404, 409, 412, 422, 429, 503}


class Beside(threading.Thread):
    """Does one thing again and again until it is told to end; what went wrong is kept."""

    problems = []
    ending = threading.Event()
    lock = threading.Lock()
    done = {}
    answers = collections.Counter()

    def __init__(self, name, nudged, work, pause=0.0):
        super().__init__(daemon=True, name=name)
        self.nudged, self.work, self.pause, self.times = nudged, work, pause, 0
        self.start()

    def ask(self, method, path, body=None, kind="application/json", read=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.nudged.port, timeout=300)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, {"Content-Type": kind} if data is not None else {})
            answer = connection.getresponse()
            text = answer.read(read) if read else answer.read()
            self.seen(f"{method} {re.sub(r'c?[0-9a-f-]{7,}', '…', path.split('?')[0])} {answer.status}")
            if answer.status not in GOOD:
                self.problems.append(f"{method} {path}: {answer.status} {text[:300]!r}")
            return answer.status, text
        finally:
            connection.close()

    def seen(self, what):
        with self.lock:
            self.answers[what] += 1

    def run(self):
        while not self.ending.is_set():
            try:
                self.work(self)
                self.times += 1
            except (OSError, http.client.HTTPException) as error:
                if not self.ending.is_set():
                    self.problems.append(f"{self.name}: {error!r}")
                    return
            except Exception as error:
                self.problems.append(f"{self.name}: {error!r}")
                return
            self.ending.wait(self.pause)
        self.done[self.name] = self.done.get(self.name, 0) + self.times


def exports(b):
    b.ask("GET", random.choice(["/v1/export/documents", "/v1/export/decisions", "/v1/export/actions", "/v1/export/tasks"]), read=random.choice([None, 100_000]))


def reads(b):
    for path in ("/metrics", "/v1/status", "/v1/customers?limit=20", f"/v1/customers/c{random.randrange(1000):07d}", "/v1/decisions?limit=20",
                 "/v1/actions?limit=20", "/v1/segments", "/v1/rules", "/v1/series", "/v1/versions", "/v1/tasks?limit=20", "/v1/connectors",
                 f"/v1/customers/c{random.randrange(1000):07d}/export", "/v1/customers?q=c00&rows=true", "/v1/quarantine", "/v1/digest", "/v1/backtests", "/v1/access",
                 f"/v1/preview?customer=c{random.randrange(1000):07d}", f"/v1/segments?at={d.iso(d.now_ms() - 1000)}&prefix=match-r000"):
        b.ask("GET", path)
    name = b.nudged.segments()[0]["name"]
    b.ask("GET", f"/v1/segments/{name}/members?limit=10")
    b.ask("GET", f"/v1/segments/{name}/members?at={d.iso(d.now_ms() - 1000)}")
    b.ask("GET", f"/v1/explain?segment={name}&customer=c{random.randrange(1000):07d}")


def tail(b):
    connection = http.client.HTTPConnection("127.0.0.1", b.nudged.port, timeout=5)
    try:
        connection.request("GET", "/v1/tail/all", headers={"Accept": "text/event-stream"})
        answer = connection.getresponse()
        b.seen(f"GET /v1/tail {answer.status}")
        for _ in range(200):
            if not answer.readline() or b.ending.is_set():
                break
    except TimeoutError:
        pass
    finally:
        connection.close()


def reloads(b):
    late = b.nudged.directory / "rules" / "late.yaml"
    if b.times % 2 == 0:
        late.write_text(d.NEW_RULE.replace("at_least: 3", f"at_least: {3 + b.times % 7}"))
    else:
        late.unlink(missing_ok=True)
    if b.times % 3 == 2:
        b.nudged.process.send_signal(signal.SIGHUP)
    else:
        b.ask("POST", "/v1/reload", b"")
    b.nudged.process.send_signal(signal.SIGUSR1)


def plans(b):
    rule = "rules:\n  planned:\n    when: {event: login}\n    then: [{call_task: {subject: Planned, due_in: 1h}}]\n"
    status, text = b.ask("POST", "/v1/plans", {"rules": [{"name": "planned.yaml", "text": rule}], "overlay": True})
    if status == 200 and b.times % 2:
        b.ask("POST", f"/v1/plans/{json.loads(text)['id']}/apply", {"yes": True})
    status, text = b.ask("POST", "/v1/backtests", {"rules": [{"name": "drafted.yaml", "text": rule}], "overlay": True,
                                                   "from": d.iso(d.now_ms() - d.DAY), "to": d.iso(d.now_ms())})
    if status in (200, 202):
        b.ask("GET", f"/v1/backtests/{json.loads(text)['id']}")
        b.ask("DELETE", f"/v1/backtests/{json.loads(text)['id']}")


def people(b):
    a, other = f"c{random.randrange(3000):07d}", f"c{random.randrange(3000):07d}"
    b.ask("POST", "/v1/events", {"customer": other, "merge": a} if b.times % 2 else {"customer": a, "type": "page_view", "data": {"path": "/probe"}})
    b.ask("DELETE", f"/v1/customers/{a}?reason=asked")
    b.ask("POST", "/v1/stop-all", {"stop": "on" if b.times % 2 else "off", "author": "op", "reason": "to see it"})
    b.ask("POST", "/v1/suppressions", {"kind": "customer", "value": other, "author": "op", "reason": "asked"})
    b.ask("POST", "/v1/silences", {"category": "sales", "for": "1s", "author": "op", "reason": "to see it"})
    b.ask("POST", "/v1/connectors/maildrop/restart", b"")
    status, text = b.ask("GET", "/v1/tasks?limit=5")
    for task in json.loads(text).get("tasks", []) if status == 200 else []:
        b.ask("POST", f"/v1/tasks/{task['id']}/complete", {"disposition": "reached", "by": "lin"})
    b.ask("POST", "/v1/backup", {"directory": str(b.nudged.directory / "backup"), "keep": 2})
    b.ask("POST", "/v1/events", b"\n".join(json.dumps({"customer": a, "type": "nonsense", "data": {}}).encode() for _ in range(20)), "application/x-ndjson")
    b.ask("POST", "/v1/quarantine/replay", b"")


def check(condition, text):
    if not condition:
        sys.exit(f"load: {text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--customers", type=int, default=3000)
    parser.add_argument("--events", type=int, default=120_000)
    parser.add_argument("--rules", type=int, default=100)
    args = parser.parse_args()
    d.BUILD = args.build
    with tempfile.TemporaryDirectory(prefix="nudge-load-") as place:
        place = Path(place)
        (place / "home").mkdir()
        events = place / "events.ndjson"
        events.write_text(d.workload("events", "--customers", args.customers, "--events", args.events, "--shift", d.now_ms() - d.WORKLOAD_END))
        nudged = d.Daemon(place / "home", args.rules, 2, {"probe.yaml": d.PROBE_RULE}, "engine: {shards: 3}\nstore: {checkpoint_interval: 2s}\n")
        try:
            stored = 0
            for life in range(3):
                Beside.ending.clear()
                beside = [Beside("exports", nudged, exports), Beside("more exports", nudged, exports, 0.1), Beside("reads", nudged, reads),
                          Beside("tail", nudged, tail), Beside("reloads", nudged, reloads, 0.3), Beside("plans", nudged, plans, 0.2),
                          Beside("people", nudged, people, 0.1)]
                part = args.events // 4
                got = nudged.load(events, "--batch", 100, "--connections", 4, "--skip", life * part, "--limit", part, *(["--path", "/v1/import"] if life else []))
                stored += got.get("stored", part)
                Beside.ending.set()
                for one in beside if life else []:  # the first time it is stopped under all of them
                    one.join()
                if life:
                    status = nudged.status()
                    check(all(b["holds"] for b in status["balance"]), f"the books do not add up: {status['balance']}")
                nudged.process.send_signal(signal.SIGTERM)
                code = nudged.process.wait(300)
                check(code == 0, f"nudged ended with {code}:\n{(nudged.directory / 'log').read_text()[-3000:]}")
                for one in beside:
                    one.join()
                nudged.start()
            counters = nudged.counters()
            check(counters["stored"] + counters["duplicate"] >= stored, f"{counters} after {stored} documents were acknowledged")
            check(nudged.status()["counters"]["received"] >= stored, "acknowledged documents are missing")
        finally:
            nudged.kill()
        check(not Beside.problems, "\n  ".join(["answers that must not be:", *Beside.problems[:20]]))
        print("\n".join(f"{n:6} {what}" for what, n in sorted(Beside.answers.items())))
        print(f"load: {stored} events stored; " + ", ".join(f"{n} {name}" for name, n in sorted(Beside.done.items())))


if __name__ == "__main__":
    main()
