"""A fresh nudged with the workload's catalog and rules, and what the benchmark asks it. Used by tests/bench/run."""
import datetime
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "bench"
WORKLOAD_END = 1775001600000
DAY = 86_400_000

# An event that fires an action each time: what the latency from event to action is measured with.
PROBE_RULE = """rules:
  probe:
    when: {event: page_view, where: {field: path, equals: "/probe"}}
    then:
      - call_task: {subject: "Probe", due_in: 24h}
"""
NEW_RULE = """segments:
  late:
    where:
      all:
        - {attribute: tier, equals: gold}
        - {event: page_view, count: {at_least: 3}, within: 30d}
rules:
  late:
    when: {enters: late}
    then:
      - call_task: {subject: "Late", due_in: 24h}
"""
# One condition that ends by time alone for every customer.
TIMER_RULE = """segments:
  fresh:
    where: {event: login, count: {at_least: 1}, within: 1h}
rules:
  cooled:
    when: {leaves: fresh}
    then:
      - call_task: {subject: "Cooled down", due_in: 24h}
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


def wrong(text):
    """A benchmark of wrong answers measures nothing."""
    sys.exit(f"bench: WRONG: {text}")


def find(name):
    hits = [p for p in BUILD.rglob(name) if p.is_file() and os.access(p, os.X_OK)]
    if not hits:
        sys.exit(f"bench: {name} is not built; run without --no-build, or: cmake --preset bench && cmake --build --preset bench")
    return str(hits[0])


def json_of(command, **kwargs):
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, **kwargs)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(command[:1])} ended with {done.returncode}")
    return json.loads(done.stdout.decode().strip().splitlines()[-1])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def iso(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"


def ms_of(text):
    """Milliseconds of an instant as nudged writes it."""
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def now_ms():
    return int(time.time() * 1000)


def workload(what, *options):
    return subprocess.run([find("nudge-workload"), what, *map(str, options)], check=True, stdout=subprocess.PIPE).stdout.decode()


class Daemon:
    """One nudged in a directory of its own. kill() is a kill -9; start() starts it again on the same data."""

    def __init__(self, directory, rules, strict, texts=None, config=""):
        self.directory = Path(directory)
        self.port = free_port()
        self.process = None
        (self.directory / "schemas").mkdir()
        (self.directory / "rules").mkdir()
        (self.directory / "schemas" / "catalog.yaml").write_text(workload("catalog"))
        for part in range((rules + 999) // 1000):
            text = workload("rules-yaml", "--rules", rules, "--strict", strict, "--part", part)
            (self.directory / "rules" / f"workload-{part}.yaml").write_text(text)
        for name, text in (texts or {}).items():
            (self.directory / "rules" / name).write_text(text)
        (self.directory / "nudge.yaml").write_text(
            f"data_dir: data\nrules_dirs: [rules]\nschemas_dir: schemas\nclock_skew: 1d\nhttp:\n  port: {self.port}\nlog:\n  level: warn\n{config}")
        self.start()

    def start(self):
        """Seconds until it says that it is ready."""
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen([find("nudged"), "--config", str(self.directory / "nudge.yaml")], stdout=log, stderr=log)
        started = time.monotonic()
        while True:
            if self.process.poll() is not None:
                sys.exit(f"bench: nudged ended with {self.process.returncode}: {(self.directory / 'log').read_text()[-2000:]}")
            try:
                self.get("/-/ready")
                return time.monotonic() - started
            except OSError:
                time.sleep(0.02)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def remove(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=600) as answer:
            return answer.read()

    def post(self, path, document=None):
        body = b"" if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, method="POST", headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.loads(answer.read() or b"null")

    def load(self, file, *options):
        return json_of([find("nudge-load"), "--port", str(self.port), "--file", str(file), *map(str, options)])

    def status(self):
        return json.loads(self.get("/v1/status"))

    def counters(self):
        return self.status()["counters"]

    def settled(self):
        """The counters once nothing is under way any more: tasks and messages come back in as events of their own."""
        before, now = None, self.counters()
        while before != now:
            time.sleep(0.3)
            before, now = now, self.counters()
        return now

    def actions_since(self, at_ms, most):
        """How many of the newest actions, at most so many, were decided at this instant or later."""
        newest = json.loads(self.get(f"/v1/actions?limit={min(most, 1000)}"))["actions"] if most > 0 else []
        return sum(ms_of(action["at"]) >= at_ms for action in newest)

    def memory_mb(self):
        """Resident now, and the most it ever was."""
        figures = {}
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(("VmRSS", "VmHWM")):
                figures[line.split(":")[0]] = int(line.split()[1]) / 1024
        return figures["VmRSS"], figures["VmHWM"]

    def cpu_s(self):
        """Processor time it has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def disk_mb(self):
        return sum(p.stat().st_size for p in (self.directory / "data").rglob("*") if p.is_file()) / 1e6

    def segments(self):
        return json.loads(self.get("/v1/segments"))["segments"]

    def members(self):
        return sum(s["members"] for s in self.segments() if s["name"].startswith("match-r"))

    def members_of_first(self, count):
        return sum(s["members"] for s in self.segments() if s["name"].startswith("match-r") and int(s["name"].removeprefix("match-r")) < count)

    def counted_at(self, count, at):
        """The members of the first segments at an instant, from all that is known: a walk over all customers."""
        prefix = {100: "match-r000", 10: "match-r0000"}.get(count, "match-r")
        counts = json.loads(self.get(f"/v1/segments?at={iso(at)}&prefix={prefix}"))["segments"]
        return sum(s["members"] for s in counts if int(s["name"].removeprefix("match-r")) < count)

    def new_rule_s(self):
        """From a new rule in the directory to the moment in which every customer was judged by it."""
        (self.directory / "rules" / "late.yaml").write_text(NEW_RULE)
        started = time.monotonic()
        self.post("/v1/reload")
        while self.status()["plan"]["sweeping"]:
            time.sleep(0.01)
        return time.monotonic() - started

    def backtest_s(self, end):
        """Ten rules over all of the history, from ten days before its end."""
        text = workload("rules-yaml", "--rules", 10, "--strict", 2).replace("match-r", "draft-r").replace("  r0", "  draft-r0")
        started = time.monotonic()
        run = self.post("/v1/backtests", {"rules": [{"name": "draft.yaml", "text": text}], "overlay": True, "from": iso(end - 10 * DAY), "to": iso(end)})
        while True:
            run = json.loads(self.get(f"/v1/backtests/{run['id']}"))
            if run["state"] != "running":
                break
            time.sleep(0.05)
        if run.get("error"):
            sys.exit(f"bench: the backtest failed: {run['error']}")
        return time.monotonic() - started


class Beside(threading.Thread):
    """Runs something beside the rest; result() waits for it."""

    def __init__(self, work):
        super().__init__()
        self.work, self.value, self.error = work, None, None
        self.start()

    def run(self):
        try:
            self.value = self.work()
        except BaseException as error:  # also the exits of a load that failed
            self.error = error

    def result(self):
        self.join()
        if self.error is not None:
            raise self.error
        return self.value


def check_members(daemon, rules, end, known):
    """Exits unless the members are right: at the workload's end as known, and now as counted anew."""
    count = min(rules, 100)
    if count == 0:
        return
    total = daemon.counted_at(count, end)
    if known is not None and total != known:
        wrong(f"{total} members of the first {count} segments at the end of the workload, the known answer is {known}")
    now = now_ms()
    time.sleep(1)
    asked = now_ms()
    members = daemon.members_of_first(count)
    # Some enter or leave by time alone while this asks.
    bounds = sorted(daemon.counted_at(count, at) for at in (now - 5000, asked, now_ms()))
    if not bounds[0] <= members <= bounds[-1]:
        wrong(f"{members} members counted step by step, {bounds[0]} to {bounds[-1]} counted anew")
    say(f"bench: members agree: {total} at the end of the workload{'' if known is None else ' (known)'}, {members} now")
