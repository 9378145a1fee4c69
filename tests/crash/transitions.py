#!/usr/bin/env python3
"""kill -9 at every change of state of an action, just before it is on disk and just after: docs/delivery.md names them all.

  transitions.py [NAME ...]        NUDGED=path/to/nudged

Each case drives one action to a change of state, where the process ends itself as kill -9 would (NUDGE_CRASH_AT). It is started again, and the
case says where the action must end, how often the provider may have been handed it, and how often the rules heard of it. At the end it says
how many crashes there were, and fails when one of the changes of docs/delivery.md was not among them.
"""
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DAEMON = os.path.join(HERE, "..", "e2e", "daemon")
sys.path.insert(0, DAEMON)
from harness import CATALOG, Daemon  # noqa: E402

KEY, QUERY = {"idempotency": "key"}, {"idempotency": "query"}
NONE = {"idempotency": "none", "default_on_unknown": "hold"}
REFUSED = {"status": "not_sent", "detail": "no such number"}
BUSY = {"status": "not_sent", "retryable": True, "http_status": 503}
SILENT = {"status": "unknown", "detail": "no answer"}
RULES = """
rules:
  say:
    when: {event: order_placed}
    then: [{sms: {to: "+861380", text: "hello"%s}}]
  accepted: {when: {event: message_accepted}, then: [{add_tag: accepted}]}
  failed: {when: {event: message_failed}, then: [{add_tag: failed}]}
  heard: {when: {event: message_held}, then: [{add_tag: held}]}
"""
BUDGET = """policies:
  few: {for: {rule: say}, budget: {at_most: 1, per: calendar_day, over: hold}}
"""
NIGHT = """policies:
  night: {for: {rule: say}, quiet_hours: {allow: [{weekdays: [%s], hours: 08:00-09:00}]}}
"""
SIGNED = {"author": "lin", "reason": "test"}


class Run(Daemon):
    """One data directory, a provider, and a nudged that ends itself at a named place."""

    def __init__(self, hello, answers, extra="", policies="", pause="40ms", connector="sms"):
        super().__init__(rules=RULES % extra + policies, catalog=CATALOG.replace("vip: {type: boolean}", "vip: {type: boolean}\n    owner: {type: text}"))
        self.write("answers.json", json.dumps(answers))
        self.write("nudge.yaml", self.read("nudge.yaml") + f"""connectors:
  text:
    kind: {connector}
    command: [{sys.executable}, {DAEMON}/fake_provider.py]
    directory: {self.home}
    hello: {json.dumps(hello)}
    process: {{timeout: 10s}}
    delivery: {{retry_first: {pause}, retry_max: {pause}, settle: 10ms, breaker_after: 0}}
""")

    def start_with(self, crash_at):
        environment = dict(os.environ, NUDGE_CRASH_AT=crash_at) if crash_at else dict(os.environ)
        self.process = subprocess.Popen([self.program, "--config", self.home + "/nudge.yaml"], stdout=subprocess.PIPE, stderr=self.log,
                                        cwd=self.home, env=environment)
        line = self.process.stdout.readline().decode()
        if " on http://" not in line:  # it may have ended in the start already
            self.process.wait(30)
            self.process.stdout.close()
            return False
        self.port = int(line.strip().rsplit(":", 1)[1])
        return True

    def order(self, number=1):
        return self.post("/v1/events", {"customer": "c", "event": "order_placed", "id": f"o{number}", "data": {"amount": 1}})

    def one(self):
        actions = [a for a in self.get("/v1/actions")["actions"] if a["kind"] in ("sms", "assign_owner")]
        return actions[0] if actions else None

    def state(self, *states):
        return self.until(lambda: (a := self.one()) and a["state"] in states and a, 40)

    def handed(self):
        try:
            with open(self.home + "/asked.jsonl", encoding="utf-8") as file:
                asked = [json.loads(line) for line in file]
        except FileNotFoundError:
            return [], []
        return [r for r in asked if r["op"] == "deliver"], [r for r in asked if r["op"] == "query"]


class Case:
    """`drive` takes the action to the change; `ends`: the state (or states) it must end in, and how often it may have been handed over, by
    where the process died. `again`: what a person would do again after the restart, when the first word was lost."""

    def __init__(self, change, drive, before, after, hello=KEY, answers=None, again=None, name=None, heard=None, fits=None, **setup):
        self.change, self.drive, self.hello, self.answers, self.setup = change, drive, hello, answers or {}, setup
        self.ends = {"before": before, "after": after}
        self.again, self.heard, self.fits = again, heard, fits
        self.name = f"{change} ({name})" if name else change

    def points(self):
        return ["before:" + self.change, "after:" + self.change] if ">" in self.change else [self.change]


def order(d):
    d.order()


def word(name, state):
    """A person's word on the action, once it is in this state."""
    def drive(d):
        if not d.one():
            d.order()
        action = d.state(state)
        d.post(f"/v1/actions/{action['id']}/{name}", SIGNED)
    return drive


def stopped(then):
    """The action waits behind stop-all; `then` is done meanwhile, and everything goes on."""
    def drive(d):
        d.post("/v1/stop-all", {"stop": "on", **SIGNED})
        d.order()
        d.state("waiting")
        then(d)
        d.post("/v1/stop-all", {"stop": "off", **SIGNED})
    return drive


def silence(d):
    d.post("/v1/silences", {"rule": "say", "for": "1h", **SIGNED})


def at_night(d):
    time.sleep(1.1)  # older than a second: its policies are asked again
    day = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"][(time.gmtime().tm_wday + 3) % 7]
    d.write("rules/night.yaml", NIGHT % day)
    d.post("/v1/reload")


def discard_waiting(d):
    d.post(f"/v1/actions/{d.state('waiting')['id']}/discard", SIGNED)


def kept(name):
    def drive(d):
        d.order(1)
        d.until(lambda: d.get("/v1/actions?state=accepted")["actions"])
        d.order(2)
        d.post(f"/v1/actions/{d.state('kept')['id']}/{name}", SIGNED)
    return drive


def silenced_retry(d):
    d.order()
    d.state("retrying")
    silence(d)


OK = "accepted"
CASES = [
    # The way of a message that arrives. (state, least, most handed over)
    Case("waiting>in_flight", order, (OK, 1, 1), (OK, 1, 1)),
    Case("waiting>in_flight", order, (OK, 1, 1), ("unknown", 0, 0), hello=NONE, name="hold"),
    Case("submitted", order, None, (OK, 1, 2)),
    Case("submitted", order, None, ("unknown", 0, 1), hello=NONE, name="hold"),
    Case("answered", order, None, (OK, 2, 2)),
    Case("answered", order, None, ("unknown", 1, 1), hello=NONE, name="hold"),
    Case("in_flight>accepted", order, (OK, 2, 2), (OK, 1, 1), heard="accepted"),
    Case("in_flight>accepted", order, ("unknown", 1, 1), (OK, 1, 1), hello=NONE, name="hold"),
    Case("in_flight>accepted", order, (OK, 1, 1), (OK, 1, 1), hello=QUERY, answers={"query": [{"status": "accepted"}]}, name="verify", heard="accepted"),
    # Refused, busy, silent
    Case("in_flight>dead", order, ("unknown", 2, 2), ("dead", 1, 1), answers={"sms": [REFUSED, REFUSED]}),
    Case("in_flight>dead", order, ("unknown", 1, 1), ("dead", 1, 1), hello=NONE, answers={"sms": [REFUSED]}, name="hold"),
    Case("in_flight>retrying", order, (OK, 2, 2), (OK, 2, 2), answers={"sms": [BUSY]}),
    Case("in_flight>retrying", order, ("unknown", 1, 1), (OK, 2, 2), hello=NONE, answers={"sms": [BUSY]}, name="hold"),
    Case("retrying>in_flight", order, (OK, 2, 2), (OK, 2, 2), answers={"sms": [BUSY]}),
    Case("retrying>in_flight", order, (OK, 2, 2), ("unknown", 1, 1), hello=NONE, answers={"sms": [BUSY]}, name="hold"),
    Case("in_flight>asking", order, (OK, 1, 1), (OK, 1, 1), hello=QUERY, answers={"sms": [SILENT]}),
    Case("retrying>in_flight", order, (OK, 1, 1), (OK, 1, 1), hello=QUERY, answers={"sms": [SILENT]}, name="asking"),
    Case("in_flight>retrying", order, (OK, 2, 2), (OK, 2, 2), hello=QUERY,
         answers={"sms": [SILENT], "query": [{"status": "not_sent"}] * 3}, name="the provider does not have it"),
    Case("in_flight>unknown", order, ("unknown", 1, 1), ("unknown", 1, 1), hello=NONE, answers={"sms": [SILENT]}),
    Case("retrying>unknown", silenced_retry, ("unknown", 1, 1), ("unknown", 1, 1), answers={"sms": [SILENT]}, again=silence,
         pause="1500ms", name="silenced meanwhile"),
    # Before it leaves
    Case("waiting>held", stopped(silence), ("held", 0, 0), ("held", 0, 0), heard="heard"),
    Case("waiting>cancelled", stopped(lambda d: time.sleep(1.2)), ("cancelled", 0, 0), ("cancelled", 0, 0), extra=", expires_after: 1s", heard="heard"),
    Case("waiting>waiting", stopped(at_night), ("waiting", 0, 0), ("waiting", 0, 0), name="deferred"),
    Case("waiting>dead", order, ("dead", 0, 0), ("dead", 0, 0), connector="email", heard="failed"),
    # What people say
    Case("dead>retrying", word("retry", "dead"), ("dead", 1, 1), (OK, 2, 2), answers={"sms": [REFUSED]}),
    Case("dead>discarded", word("discard", "dead"), ("dead", 1, 1), ("discarded", 1, 1), answers={"sms": [REFUSED]}),
    Case("unknown>retrying", word("retry", "unknown"), ("unknown", 1, 1), (OK, 2, 2), hello=NONE, answers={"sms": [SILENT]}),
    Case("unknown>discarded", word("discard", "unknown"), ("unknown", 1, 1), ("discarded", 1, 1), hello=NONE, answers={"sms": [SILENT]}),
    Case("unknown>accepted", word("arrived", "unknown"), ("unknown", 1, 1), (OK, 1, 1), hello=NONE, answers={"sms": [SILENT]}),
    Case("retrying>discarded", word("discard", "retrying"), (OK, 2, 2), ("discarded", 1, 1), answers={"sms": [BUSY]},
         pause="5s"),
    Case("waiting>discarded", stopped(discard_waiting), ("waiting", 0, 0), ("discarded", 0, 0)),
    Case("kept>waiting", kept("release"), ("kept", 1, 1), (OK, 2, 2), policies=BUDGET),
    Case("kept>discarded", kept("discard"), ("kept", 1, 1), ("discarded", 1, 1), policies=BUDGET),
]


def check(case, d, where):
    state, least, most = case.ends[where]
    action = d.state(state)
    time.sleep(0.3)  # were it to go on, it would by now
    action = d.one()
    assert action["state"] == state, f"{action['state']}, not {state}: {action}"
    handed, asked = d.handed()
    assert least <= len(handed) <= most, f"handed over {len(handed)} times, not {least} to {most}"
    mine = {r["action_id"] for r in handed}
    assert len(mine) <= (2 if "kept" in case.change else 1), f"more than one id: {mine}"
    d.counters()  # the books hold
    if case.heard:
        d.until(lambda: d.get(f"/v1/rules/{case.heard}")["fired"] == 1)


def run(case, point):
    where = point.split(":")[0] if ":" in point else "after"
    with Run(case.hello, case.answers, **case.setup) as d:
        began = d.start_with(point)
        assert began or d.process.returncode == -9, "it did not start: " + d.text_log()[-1500:]
        if began:
            try:
                case.drive(d)
            except (OSError, AssertionError, json.JSONDecodeError, ValueError, EOFError) as e:
                if d.process.poll() is None:
                    time.sleep(0.5)
                if d.process.poll() is None:
                    raise AssertionError(f"it lived, and then: {e!r}") from e
            except Exception as e:  # http.client's, of a connection that was cut
                if "RemoteDisconnected" not in repr(e) and "IncompleteRead" not in repr(e) and "BadStatusLine" not in repr(e):
                    raise
            try:
                code = d.process.wait(30)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"it was never killed at {point}; the action is {d.one()}") from None
            assert code == -9, f"ended with {code}, not by the kill"
            d.process.stdout.close()
        assert d.start_with(None), "it did not start again: " + d.text_log()[-1500:]
        if case.again:
            case.again(d)
        if d.get("/v1/status")["policies"]["stopped"] and case.ends[where][0] != "waiting":
            d.post("/v1/stop-all", {"stop": "off", **SIGNED})
        check(case, d, where)


def documented():
    """The changes of state that docs/delivery.md lists."""
    with open(os.path.join(HERE, "..", "..", "docs", "delivery.md"), encoding="utf-8") as file:
        return set(re.findall(r"^\| `([a-z_]+>[a-z_]+)`", file.read(), re.MULTILINE))


def main():
    wanted = sys.argv[1:]
    jobs = [(case, point) for case in CASES for point in case.points() if not wanted or any(w in case.name for w in wanted)]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = {pool.submit(run, case, point): (case, point) for case, point in jobs}
        for future in concurrent.futures.as_completed(futures):
            case, point = futures[future]
            error = future.exception()
            if error is not None:
                failed += 1
                print(f"FAIL {point}  [{case.name}]: {error}", flush=True)
    print(f"{len(jobs)} crashes at {len({p for _, p in jobs})} places, {failed} failed")
    if not wanted:
        missing = documented() - {c.change for c in CASES}
        unknown = {c.change for c in CASES if ">" in c.change} - documented()
        for change in sorted(missing):
            print(f"FAIL docs/delivery.md lists {change}, and no case crashes there")
        for change in sorted(unknown):
            print(f"FAIL {change} is tested and docs/delivery.md does not list it")
        failed += len(missing) + len(unknown)
        if len(jobs) < 50:
            failed += 1
            print("FAIL too few crashes to mean anything")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
