#!/usr/bin/env python3
"""Plays the demo company into a real nudged and tells what happens. Started by deploy/demo."""
import argparse
import base64
import datetime
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
import webbrowser

from aiosmtpd.controller import Controller

import company
import day as company_day

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]
PACKS = REPO / "rules" / "packs"
HOOK_SECRET = "whsec_" + base64.b64encode(b"the demo's signing key, 32 bytes").decode()
PATIENCE_S = 60
UTC = datetime.timezone.utc


# ------------------------------------------------------------------------------------------------ the screen

class Screen:
    def __init__(self):
        self.colors = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self.width = min(100, shutil.get_terminal_size((100, 24)).columns)
        self.lock = threading.Lock()

    def paint(self, text, code):
        return f"\033[{code}m{text}\033[0m" if self.colors else text

    def say(self, text=""):
        with self.lock:
            print(text, flush=True)

    def chapter(self, number, title):
        self.say()
        self.say(self.paint(f" {number}  {title}", "1;36"))

    def step(self, text):
        self.say("    " + text)

    def happens(self, text):
        self.say()
        self.say(f"    {datetime.datetime.now():%H:%M:%S}  {text}")

    def effect(self, title, *details):
        self.say("              " + self.paint("→ " + title, "1;32"))
        for line in details:
            self.say("                " + self.paint(line, "2"))

    def trouble(self, text):
        self.say(self.paint("    ! " + text, "1;31"))


screen = Screen()


class DemoError(Exception):
    pass


# ------------------------------------------------------------------------------------------------ the world outside

class Mailbox:
    """A real SMTP server that keeps what it gets."""

    def __init__(self):
        self.mails, self.changed = [], threading.Condition()
        self.port = free_port(0)
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    async def handle_DATA(self, server, session, envelope):
        import email
        import email.policy
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        with self.changed:
            self.mails.append({"to": envelope.rcpt_tos[0], "subject": str(message["Subject"]), "text": message.get_body(("plain",)).get_content()})
            self.changed.notify_all()
        return "250 kept"


class Departments:
    """The ticket system of the management and the marketing department, as one small HTTP server."""

    def __init__(self):
        self.tickets, self.reports, self.forged, self.changed = [], [], 0, threading.Condition()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = outer.take(self.path, self.headers, body)
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, headers, body):
        with self.changed:
            document = json.loads(body)
            if path == "/tickets":
                self.tickets.append(document)
                answer = {"id": len(self.tickets)}
            else:
                signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
                key = base64.b64decode(HOOK_SECRET.removeprefix("whsec_"))
                wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
                if any(hmac.compare_digest(wanted, one) for one in headers["webhook-signature"].split()):
                    self.reports.append(document)
                else:
                    self.forged += 1
                answer = {}
            self.changed.notify_all()
        return json.dumps(answer).encode()


# ------------------------------------------------------------------------------------------------ nudged

class Nudge:
    def __init__(self, build, home):
        self.build, self.home, self.process, self.url = build, home, None, None
        self.cli = build / "daemon" / "cli" / "nudge"
        self.daemon = build / "daemon" / "app" / "nudged"

    def start(self, port):
        log = open(self.home / "nudged.log", "ab")
        self.process = subprocess.Popen([self.daemon, "--config", self.home / "nudge.yaml", "--set", f"http.port={port}"], stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        first = self.process.stdout.readline().decode()
        if "http://" not in first:
            self.process.wait(30)
            raise DemoError(f"nudged did not start. Its last words ({self.home / 'nudged.log'}):\n" + "\n".join((self.home / "nudged.log").read_text(errors="replace").splitlines()[-12:]))
        self.url = "http://" + first.split("http://", 1)[1].split()[0]
        wait_for("nudged to be ready", lambda: self.get("/-/ready", raw=True))

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def request(self, method, path, body=None, raw=False):
        data = None if body is None else json.dumps(body).encode() if not isinstance(body, bytes) else body
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise DemoError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')[:400]}") from None
        return text if raw else json.loads(text)

    def get(self, path, raw=False):
        if path.startswith(("/v1/customers", "/v1/tasks", "/v1/actions", "/v1/maildrop")):
            path += ("&" if "?" in path else "?") + "personal=full"
        try:
            return self.request("GET", path, raw=raw)
        except (urllib.error.URLError, ConnectionError):
            if self.process.poll() is not None:
                raise DemoError(f"nudged has ended; see {self.home / 'nudged.log'}") from None
            return None

    def send(self, document, history=False):
        return self.request("POST", "/v1/import" if history else "/v1/events", document)

    def run(self, *args):
        done = subprocess.run([self.cli, "--url", self.url, *map(str, args)], capture_output=True, text=True)
        if done.returncode != 0:
            raise DemoError(f"nudge {' '.join(map(str, args))} failed:\n{done.stdout}{done.stderr}")
        return done.stdout


def wait_for(what, question, patience=PATIENCE_S):
    """Asks until there is an answer."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        answer = question()
        if answer:
            return answer
        time.sleep(0.05)
    raise DemoError(f"waited {patience} s for {what}, in vain")


# ------------------------------------------------------------------------------------------------ preparing

def months_ago(day, months):
    return (day - datetime.timedelta(days=months * 30)).isoformat()


def team(day):
    people = [("lin", "Lin Yue 林悦", "east", 4), ("ma", "Ma Chao 马超", "north", 7), ("diego", "Diego Cruz", "south", 10), ("kate", "Kate Brown", "west", 76), ("chen", "Chen Hao 陈浩", "east", 39),
              ("olga", "Olga Berg", "north", 25)]
    lines = ["teams:", "  inside-sales:", "    manager: zhao", "    members:"]
    for ident, name, region, months in people:
        lines.append(f'      - {{id: {ident}, name: "{name}", email: {ident}@spruce.example, region: {region}, capacity: 40, hired: {months_ago(day, months)}}}')
    lines += ["dispositions:", "  won: {}", "  connected: {}", "  no_answer: {retry_after: 2h, at_most: 3}", "  call_back: {asks_time: true}", "  not_interested: {}", "  wrong_number: {}"]
    lines += [f"  {name}: {{}}" for name in ("approved", "declined", "qualified", "not_qualified", "later")]  # what some of the packs wait for
    lines += ["funnels:", "  deals:", "    description: From the first quote to the signature", "    lost_reasons: [price, competitor, no need]", "    follow_ups: [follow_up, quote_requested, task_completed]", "    stages:",
              '      - {name: contact, probability: 10, stalled_after: 7d, tasks: [first call]}', '      - {name: quote, probability: 40, stalled_after: 14d, tasks: [send the quote, call about it]}',
              '      - {name: negotiation, probability: 70, stalled_after: 14d}', '      - {name: contract, probability: 90}']
    return "\n".join(lines) + "\n", {ident: (name, months) for ident, name, _, months in people}


def write_project(home, day, mailbox, departments):
    """Catalog, rules and configuration, as a company would have them: the shipped packs, its own people, its own connectors."""
    for part in ("schemas", "rules"):
        shutil.rmtree(home / part, ignore_errors=True)
        (home / part).mkdir(parents=True)
    packs = sorted(p.name for p in PACKS.iterdir() if p.is_dir())
    for pack in packs:
        shutil.copy(PACKS / pack / "schemas" / "catalog.yaml", home / "schemas" / f"{pack}.yaml")
        (home / "rules" / pack).mkdir()
        for file in (PACKS / pack / "rules").glob("*.yaml"):
            if file.name != "teams.yaml" and not file.name.endswith(".test.yaml"):
                shutil.copy(file, home / "rules" / pack)
    shutil.copy(HERE / "catalog.yaml", home / "schemas" / "company.yaml")
    text, people = team(day)
    (home / "rules" / "teams.yaml").write_text(text)
    secret = home / "webhook.secret"
    secret.touch(mode=0o600)
    secret.write_text(HOOK_SECRET)
    (home / "nudge.yaml").write_text(f"""# Written by deploy/demo.
data_dir: data
schemas_dir: schemas
rules_dirs: [rules]
timezone: Asia/Shanghai
connectors:
  mail:
    kind: smtp
    host: 127.0.0.1
    port: {mailbox.port}
    security: none
    from: "Spruce Tools <sales@spruce.example>"
  desk:
    kind: ticket
    provider: generic_http
    url: {departments.url}/tickets
  marketing:
    kind: webhook
    url: {departments.url}/hook
    secrets: [{{file: {secret}}}]
    allow_private: true
    allow_http: true
  box:
    kind: maildrop
""")
    return packs, people


def free_port(wanted):
    """The port that is wanted, or any free one when it is taken (or 0)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def import_history(nudge, home, files):
    total = 0
    for name, mapping in (("customers.csv", "customers.map.yaml"), ("contacts.csv.gz", "contacts.map.yaml"), ("orders.csv", "orders.map.yaml")):
        began = time.monotonic()
        done = json.loads(nudge.run("-o", "json", "import", files / name, "--mapping", HERE / mapping, "--schemas", home / "schemas"))
        if done["problems"]:
            raise DemoError(f"{name}: {done}")
        known = f", {done['duplicate']:,} known already" if done["duplicate"] else ""
        screen.step(f"{name:<16} {done['rows']:>6,} rows, {done['stored']:>6,} stored{known}  ({time.monotonic() - began:.1f} s)")
        total += done["stored"]
    return total


# ------------------------------------------------------------------------------------------------ the story

class Story:
    def __init__(self, nudge, people, number, mailbox, departments):
        self.nudge, self.people, self.number, self.mailbox, self.departments = nudge, people, number, mailbox, departments
        self.run_id = f"{int(time.time())}"
        self.sent = 0

    def hero(self, role):
        ident = company.hero_id(self.number, role)
        return ident, self.nudge.get(f"/v1/customers/{ident}")["attributes"]

    def event(self, customer, event, data=None, at=None, history=False):
        self.sent += 1
        at = at or datetime.datetime.now(UTC)
        self.nudge.send({"customer": customer, "event": event, "id": f"demo-{self.run_id}-{self.sent}", "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "data": data or {}}, history)

    def task(self, customer, rule):
        def question():
            tasks = (self.nudge.get(f"/v1/tasks?customer={customer}&rule={rule}") or {"tasks": []})["tasks"]
            return tasks[-1] if tasks else None
        return wait_for(f"the task of {rule} for {customer}", question)

    def show_task(self, task):
        name, months = self.people.get(task["owner"], (task["owner_name"] or "the team", None))
        hired = "" if months is None else f", hired {months} months ago" if months < 12 else f", with us for {months // 12} years"
        due = datetime.datetime.fromisoformat(task["due"].replace("Z", "+00:00")).astimezone()
        kind = "a mandatory call task" if task["mandatory"] else "a call task"
        reason = json.loads(json.dumps(task["payload"])).get("reason") or task["reason"]
        screen.effect(f"{kind} for {name}{hired}, due {due:%a %d %b %H:%M}", task["subject"], reason)

    def dormant(self):
        ident, c = self.hero(company.DORMANT)
        before = self.nudge.get(f"/v1/customers/{ident}?events=50")["events"]
        last = max(e["time"] for e in before if e["event"] == "login")
        days = (datetime.datetime.now(UTC) - datetime.datetime.fromisoformat(last.replace("Z", "+00:00"))).days
        screen.happens(f"{c['name']} ({c['tier']}) signs in. The visit before that was {days} days ago.")
        self.event(ident, "login", {"device": "app"})
        task = self.task(ident, "dormant-return")
        if not task["mandatory"] or self.people[task["owner"]][1] >= 12:
            raise DemoError(f"this task should be mandatory and go to a new hire: {task}")
        self.show_task(task)
        return ident

    def hot_lead(self):
        ident, c = self.hero(company.HOT_LEAD)
        screen.happens(f"{c['name']}, {c['company_size']} employees, asks for a quote. That makes the lead hot.")
        self.event(ident, "quote_requested", {"quote": f"R-{self.run_id}", "amount": 18500})
        self.show_task(self.task(ident, "high-value-lead"))

    def tickets(self):
        ident, c = self.hero(company.TICKETS)
        screen.happens(f"{c['name']} opens a third ticket this week; the two before it are still open.")
        known = len(self.departments.tickets)
        self.event(ident, "ticket_opened", {"ticket": f"T-{self.run_id}", "topic": "defect"})
        self.ticket(known, "three tickets", "a ticket in the management's system")

    def ticket(self, known, text, title):
        found = wait_for(f"a ticket with “{text}”", lambda: next((t for t in self.departments.tickets[known:] if text in json.dumps(t, ensure_ascii=False)), None))
        body = found.get("ticket", found)
        screen.effect(title, str(body.get("subject", "")), str(body.get("body", "")))

    def order(self):
        ident, c = self.hero(company.ORDER)
        screen.happens(f"{c['name']} orders in the shop for CNY 1,299.90.")
        number = f"O-{self.run_id}"
        self.event(ident, "order_placed", {"order": number, "amount": 1299.9, "channel": "shop"})
        report = wait_for("marketing's report", lambda: next((r for r in self.departments.reports if r["data"].get("order") == number), None))
        screen.effect("marketing hears of it by a signed webhook", json.dumps(report["data"], ensure_ascii=False))

    def contract(self):
        ident, c = self.hero(company.CONTRACT)
        end = (datetime.datetime.now(UTC) + datetime.timedelta(days=45)).date().isoformat()
        screen.happens(f"The contract of {c['name']} was cancelled early: it now ends on {end}, in 45 days.")
        self.sent += 1
        self.nudge.send({"customer": ident, "attributes": {"contract_end": end}, "id": f"demo-{self.run_id}-{self.sent}"})
        self.show_task(self.task(ident, "contract-renewal"))

    def by_time_alone(self):
        quote_id, q = self.hero(company.QUOTE)
        lead_id, lead = self.hero(company.NEGLECTED)
        now = datetime.datetime.now(UTC)
        quote_due, lead_due = now + datetime.timedelta(seconds=8), now + datetime.timedelta(seconds=12)
        self.event(quote_id, "quote_sent", {"quote": f"Q-{self.run_id}", "amount": 7400}, quote_due - datetime.timedelta(days=3), history=True)
        self.event(lead_id, "lead_assigned", {"owner": lead.get("owner", "ma")}, lead_due - datetime.timedelta(days=7), history=True)
        tickets, mails = len(self.departments.tickets), len(self.mailbox.mails)
        screen.happens(f"Nothing happens now. But the quote to {q['name']} is three days old at {quote_due.astimezone():%H:%M:%S}, without an order,")
        screen.say(f"              and nobody has followed up {lead['name']} since a week, as of {lead_due.astimezone():%H:%M:%S}. No event will come in; we wait.")
        mail = wait_for("the mail about the quote", lambda: next((m for m in self.mailbox.mails[mails:] if m["to"] == q["email"]), None))
        late = (datetime.datetime.now(UTC) - quote_due).total_seconds()
        if late < 0:
            raise DemoError(f"the mail came {-late:.3f} s too early")
        screen.happens(f"(the quote is three days old: {late * 1000:.0f} ms ago)")
        screen.effect(f"a mail to {mail['to']} has arrived at the mail server", mail["subject"], next((line for line in mail["text"].splitlines() if "quote" in line), ""))
        self.ticket(tickets, "Nobody follows up", "a ticket in the management's system")

    def why(self, ident):
        screen.chapter(4, "Why? nudge can tell")
        screen.step(screen.paint(f"$ nudge explain {ident} dormant-return", "1"))
        for line in self.nudge.run("explain", ident, "dormant-return").splitlines()[:16]:
            screen.step("  " + clip(line, screen.width - 6))


def clip(text, columns):
    used, out = 0, ""
    for c in text:
        used += 2 if unicodedata.east_asian_width(c) in "WF" else 1
        if used > columns:
            return out[:-1] + "…"
        out += c
    return out


def path_from_here(path):
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("../..") else relative


def where_to_look(nudge, home, story):
    screen.chapter(6, "Where to look")
    screen.step(screen.paint(f"{nudge.url}/console/", "1") + "   the console: rules, customers, the team, each salesperson's day")
    cli = path_from_here(nudge.cli)
    if not nudge.url.endswith(":8650"):
        screen.step(screen.paint(f"export NUDGE_URL={nudge.url}", "1"))
    half_a_year_ago = datetime.date.today() - datetime.timedelta(days=180)
    lines = [(f"{cli} status", "what came in, what was decided, what became of it"), (f"{cli} rules", "each rule with its firings"), (f"{cli} tasks", "the salespeople's lists"),
             (f"{cli} customer {company.hero_id(story, company.DORMANT)}", "one customer, with the time line"), (f"{cli} segment dormant --at {half_a_year_ago}", "how many were dormant half a year ago"),
             (f"{cli} actions", "every mail, ticket and webhook, with its fate"), (f"curl {nudge.url}/v1/status", "the same for programs; /metrics for Prometheus")]
    widest = max(len(command) for command, _ in lines)
    for command, what in lines:
        screen.step(screen.paint(command, "1") + " " * (widest - len(command) + 2) + what)
    screen.step(f"The rules are in {path_from_here(home / 'rules')}: change one, then `{cli} reload`.")


# ------------------------------------------------------------------------------------------------ all of it

def prepare_home(home, keep):
    """(is it new, the run's number, the day of the history)"""
    state = home / "demo.json"
    generator = hashlib.sha256((HERE / "company.py").read_bytes()).hexdigest()
    if keep and state.exists() and json.loads(state.read_text()).get("generator") != generator:
        keep = False  # another company: its history would contradict what is stored
    if (home / "data").exists() and not keep:
        screen.step("the data of the last run makes room (--keep goes on with it)")
        shutil.rmtree(home / "data")
        state.unlink(missing_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    if state.exists() and (home / "data").exists():
        kept = json.loads(state.read_text())
        kept["runs"] += 1
    else:
        kept = {"runs": 0, "day": datetime.datetime.now(UTC).date().isoformat(), "generator": generator}
    state.write_text(json.dumps(kept))
    return kept["runs"], datetime.date.fromisoformat(kept["day"])


def play(args):
    home = args.home.resolve()
    screen.say(screen.paint(" nudge · the demo company: Spruce Tools 云杉工具, 2,000 customers, 6 salespeople", "1"))
    screen.chapter(1, "Getting ready")
    number, day = prepare_home(home, args.keep)
    mailbox, departments = Mailbox(), Departments()
    packs, people = write_project(home, day, mailbox, departments)
    nudge = Nudge(args.build.resolve(), home)
    day_of_all = None
    try:
        checked = subprocess.run([nudge.cli, "check", home], capture_output=True, text=True)
        if checked.returncode not in (0, 3):
            raise DemoError("the rules do not compile:\n" + checked.stdout + checked.stderr)
        screen.step(f"{len(packs)} rule packs checked: {', '.join(packs)}")
        company.Company(day, args.customers, 7).write(home / "history")
        nudge.start(free_port(args.port))
        screen.step(f"nudged runs at {nudge.url}, a mail server and a ticket system stand beside it")
        screen.chapter(2, "Two years of history are imported")
        stored = import_history(nudge, home, home / "history")
        counters = nudge.get("/v1/status")["counters"]
        if number == 0 and counters["fired"]:
            raise DemoError(f"history must not fire, but {counters['fired']} decisions did")
        screen.step(f"{stored:,} facts, {counters['fired'] if number == 0 else 0} firings: history counts, but fires nothing")
        segments = {s["name"]: s["members"] for s in nudge.get("/v1/segments")["segments"]}
        screen.step(f"now {segments['dormant']:,} customers are dormant, {segments['hot-lead']:,} leads are hot, {segments['contract-ends-soon']:,} contracts end within 60 days")
        screen.chapter(3, "Today, live")
        story = Story(nudge, people, number, mailbox, departments)
        returned = story.dormant()
        story.hot_lead()
        story.tickets()
        story.order()
        story.contract()
        story.by_time_alone()
        story.why(returned)
        day_of_all = company_day.Day(nudge, args.customers, story.run_id, people)
        the_day(nudge, day_of_all)
        books(nudge, departments)
        where_to_look(nudge, home, number)
        if args.once:
            return
        screen.say()
        screen.say(screen.paint(" nudged keeps running, and so does the company. Ctrl-C ends the demo.", "1"))
        open_console(nudge)
        day_of_all.goes_on()
        watch(nudge, mailbox)
    finally:
        if day_of_all is not None:
            day_of_all.over.set()
        nudge.stop()
        mailbox.controller.stop()
        departments.server.shutdown()


def the_day(nudge, day):
    screen.chapter(5, "The rest of the day")
    day.happens(400)
    day.deals(24)
    tasks = wait_for("tasks out of the day", lambda: (nudge.get("/v1/tasks?state=open&limit=1") or {"total": 0})["total"])
    screen.step(f"400 things happen in the company: {tasks} tasks are open; the salespeople see to {day.work(30)} of them")


def open_console(nudge):
    """In a browser where there is a screen for one."""
    if sys.stdout.isatty() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(f"{nudge.url}/console/")


def books(nudge, departments):
    def settled():
        status = nudge.get("/v1/status")
        c = status["counters"]
        return status if c["waiting"] + c["in_flight"] + c["retrying"] == 0 else None
    status = wait_for("all deliveries to end", settled)
    wrong = [b["equation"] for b in status["balance"] if not b["holds"]]
    c = status["counters"]
    if wrong or c["dead"] or c["unknown"] or departments.forged:
        raise DemoError(f"the books do not add up: {wrong}, {c}, {departments.forged} forged webhooks")
    screen.say()
    screen.step(f"{c['received']:,} received, {c['fired']} fired, {c['accepted']} delivered, {c['tasks_open']} tasks open, 0 lost: the books add up")


def watch(nudge, mailbox):
    seen = len(mailbox.mails)
    while nudge.process.poll() is None:
        time.sleep(0.3)
        for mail in mailbox.mails[seen:]:
            screen.happens(f"a mail to {mail['to']}: {mail['subject']}")
            seen += 1
    raise DemoError(f"nudged has ended; see {nudge.home / 'nudged.log'}")


def main():
    parser = argparse.ArgumentParser(prog="deploy/demo", description="Plays two years of a company into nudge and tells what happens.")
    parser.add_argument("--once", action="store_true", help="end after the story")
    parser.add_argument("--keep", action="store_true", help="go on with the data of the last run")
    parser.add_argument("--home", type=pathlib.Path, default=REPO / "build" / "demo", help="where the demo keeps its data")
    parser.add_argument("--build", type=pathlib.Path, default=REPO / "build" / "release", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=8650, help="of nudged; a free one when it is taken")
    parser.add_argument("--customers", type=int, default=2000, help=argparse.SUPPRESS)
    args = parser.parse_args()
    def interrupt(*_):
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us in the background and INT is ignored
        signal.signal(number, interrupt)
    try:
        play(args)
    except KeyboardInterrupt:
        screen.say("\n stopped")
    except DemoError as error:
        screen.trouble(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
