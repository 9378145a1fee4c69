#!/usr/bin/env python3
"""nudge backtest, plan, apply, versions, rollback: rules tried on the past and switched on with open eyes. Needs NUDGE, NUDGED."""
import datetime
import html.parser
import json
import pathlib
import sys
import tempfile
import unittest

from support import NUDGE, REPO, nudge, project

sys.path.insert(0, str(REPO / "tests" / "e2e" / "daemon"))
from harness import Daemon  # noqa: E402

CATALOG = """
customer:
  attributes:
    tier: {type: text, one_of: [bronze, silver, gold]}
events:
  login: {fields: {device: text}}
  order_placed: {fields: {amount: decimal, sku: text}}
"""

RULES = """
segments:
  buyers: {description: A purchase in the last ten days, where: {event: order_placed, within: 10d}}
rules:
  big-order:
    description: A big order gets a call
    when: {event: order_placed, where: {field: amount, at_least: 100}}
    then:
      - call_task: {team: inside, subject: "Thank {{ customer.id }}", due_in: 24h}
    limits: {once_per: 5d}
    goal: {event: order_placed, within: 7d, value: amount}
  steady:
    description: Not touched by the drafts
    when: {event: login}
    then: [{ticket: {subject: hello}}]
teams:
  inside: {members: [{id: lin, name: Lin}, {id: wu, name: 吴芳}]}
"""

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


def at(days, minutes=0):
    return (START + datetime.timedelta(days=days, minutes=minutes)).isoformat().replace("+00:00", "Z")


def history():
    """Forty customers, an order every few days each; the amounts go up."""
    lines = []
    for c in range(40):
        lines.append({"customer": f"c{c:02}", "attributes": {"tier": ["bronze", "silver", "gold"][c % 3]}, "id": "a", "time": at(0, c)})
        for i in range(12):
            lines.append({"customer": f"c{c:02}", "event": "order_placed", "id": f"o{i}", "time": at(3 * i + c % 3, c), "data": {"amount": 20 * i + c, "sku": "A"}})
            lines.append({"customer": f"c{c:02}", "event": "login", "id": f"l{i}", "time": at(3 * i + c % 3, 600 + c)})
    return lines


def expected(least, from_day, once_per_days):
    """Firings of big-order, counted by hand: on each order of at least so much, but not within `once_per` of the last."""
    fired = {}
    for c in range(40):
        last = None
        for i in range(12):
            day = 3 * i + c % 3
            if 20 * i + c < least or day < from_day:
                continue
            if last is None or day - last >= once_per_days:
                fired.setdefault(f"c{c:02}", []).append(day)
                last = day
    return fired


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.outside, self.bars = [], 0

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.bars += tag == "rect"
        if tag in ("script", "link", "img", "iframe", "object", "embed") or "src" in attrs or "href" in attrs:
            self.outside.append((tag, attrs))


def validator():
    try:
        import jsonschema
    except ImportError:
        return None
    return jsonschema.Draft202012Validator(json.loads((REPO / "schemas" / "backtest.schema.json").read_text(encoding="utf-8")))


class Backtest(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory(prefix="nudge-backtest-")
        self.addCleanup(self.home.cleanup)
        self.dir = pathlib.Path(self.home.name)

    def draft(self, text):
        path = self.dir / "rules.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def started(self, **kwargs):
        daemon = Daemon(rules=RULES, catalog=CATALOG, **kwargs)
        self.addCleanup(daemon.close)
        daemon.start()
        self.url = f"http://127.0.0.1:{daemon.port}"
        lines = history()
        self.assertEqual(daemon.lines(lines, "/v1/import")["stored"], len(lines))
        return daemon

    def run_json(self, *args):
        ran = nudge("backtest", *args, "--output", "json", url=self.url)
        self.assertEqual(ran.code, 0, ran)
        report = json.loads(ran.out)
        if (schema := validator()) is not None:
            schema.validate(report)
        return report

    def test_a_changed_rule_beside_the_live_one(self):
        daemon = self.started()
        draft = self.draft(RULES.replace("at_least: 100", "at_least: 180").replace("once_per: 5d", "once_per: 6d"))
        report = self.run_json(draft, "--from", at(10), "--to", at(60))
        self.assertEqual([r["name"] for r in report["rules"]], ["big-order"])
        rule = report["rules"][0]
        draft_fired, live_fired = expected(180, 10, 6), expected(100, 10, 5)
        self.assertEqual(rule["draft"]["fired"], sum(map(len, draft_fired.values())))
        self.assertEqual(rule["live"]["fired"], sum(map(len, live_fired.values())))
        self.assertEqual(rule["difference"]["both"]["customers"], sorted(set(draft_fired) & set(live_fired)))
        self.assertEqual(rule["difference"]["only_live"]["customers"], sorted(set(live_fired) - set(draft_fired)))
        self.assertEqual(rule["difference"]["only_draft"]["total"], 0)
        per_day = {}
        for days in draft_fired.values():
            for day in days:
                per_day[day] = per_day.get(day, 0) + 1
        first = (datetime.date.fromisoformat(report["days"][0]) - START.date()).days
        self.assertEqual({i + first: n for i, n in enumerate(rule["draft"]["fired_per_day"]) if n}, per_day)
        self.assertEqual(sum(p["tasks"] for p in rule["draft"]["people"]), rule["draft"]["fired"])
        self.assertLessEqual(abs(rule["draft"]["people"][0]["tasks"] - rule["draft"]["people"][1]["tasks"]), 1)
        self.assertEqual(rule["draft"]["goal"]["groups"][0]["firings"], rule["draft"]["fired"])
        self.assertGreater(rule["draft"]["goal"]["groups"][0]["converted"], 0)
        self.assertEqual(report["events"], sum(1 for d in history() if "event" in d and d["time"] >= at(10)))
        # Nothing of it happened.
        self.assertEqual(daemon.counters()["decisions"], 0)
        self.assertEqual(daemon.get("/v1/status")["plan"]["sequence"], 1)

    def test_text_fits_a_terminal_and_the_page_asks_for_nothing_outside(self):
        self.started()
        draft = self.draft(RULES.replace("at_least: 100", "at_least: 230"))
        ran = nudge("backtest", draft, "--from", at(10), "--to", at(50), url=self.url)
        self.assertEqual(ran.code, 0, ran)
        for words in ("big-order", "DRAFT", "LIVE", "fired", "吴芳", "goal order_placed within 1w", "only live", "Please note", "late"):
            self.assertIn(words, ran.out)
        self.assertNotIn("steady", ran.out)
        for line in ran.out.splitlines():
            self.assertLessEqual(len(line) + line.count("吴芳") * 2, 80, line)
        page = self.dir / "report.html"
        ran = nudge("backtest", draft, "--from", at(10), "--to", at(50), "--output", "html", "--file", page, url=self.url)
        self.assertEqual((ran.code, ran.out), (0, ""), ran)
        parsed = Page()
        parsed.feed(page.read_text(encoding="utf-8"))
        self.assertEqual(parsed.outside, [])
        self.assertGreater(parsed.bars, 20)
        self.assertNotIn("http", page.read_text(encoding="utf-8").replace("http-equiv", ""))

    def test_one_rule_a_new_file_and_mistakes(self):
        self.started()
        new = self.dir / "new.yaml"
        new.write_text("rules:\n  gold-in:\n    when: {enters: golden}\n    state: draft\n    then: [{ticket: {subject: x}}]\n"
                       "segments:\n  golden: {where: {all: [{segment: buyers}, {attribute: tier, equals: gold}]}}\n", encoding="utf-8")
        report = self.run_json(new, "--from", at(-1), "--to", at(90))
        self.assertEqual([(r["name"], r["change"], r["draft"]["state"]) for r in report["rules"]], [("gold-in", "added", "draft")])
        self.assertIsNone(report["rules"][0]["live"])
        self.assertEqual(report["segments"][0]["draft"]["entered"], 13)  # each third of forty, once: an order every three days
        self.assertEqual(report["segments"][0]["draft"]["left"], 13)     # ten days after the last
        self.assertEqual(report["rules"][0]["draft"]["fired"], 13)
        same = self.run_json(self.draft(RULES), "--from", at(10), "--rule", "steady")
        self.assertEqual(same["rules"][0]["change"], "same")
        self.assertEqual(same["rules"][0]["draft"]["fired"], same["rules"][0]["live"]["fired"])
        wrong = nudge("backtest", self.draft(RULES.replace("at_least: 100", "at_leest: 100")), "--from", at(10), url=self.url)
        self.assertEqual(wrong.code, 1)
        self.assertIn("at_leest", wrong.err)
        self.assertIn("at_least", wrong.err)
        missing = nudge("backtest", self.draft(RULES), "--from", at(10), "--rule", "stedy", url=self.url)
        self.assertEqual(missing.code, 1)
        self.assertIn("stedy", missing.err)
        back = nudge("backtest", self.draft(RULES), "--from", at(10), "--to", at(9), url=self.url)
        self.assertEqual(back.code, 1)

    def test_without_a_daemon_the_same_counts(self):
        self.started()
        draft = self.draft(RULES.replace("at_least: 100", "at_least: 180"))
        online = self.run_json(draft, "--from", at(10), "--to", at(60))
        data = self.dir / "history.ndjson"
        data.write_text("".join(json.dumps(d) + "\n" for d in history()), encoding="utf-8")
        live, drafts = project(self.dir / "live", RULES, CATALOG), project(self.dir / "draft", draft.read_text(encoding="utf-8"), CATALOG)
        offline = self.run_json(drafts, "--from", at(10), "--to", at(60), "--data", data, "--live", live)
        self.assertEqual(offline, online)
        alone = self.run_json(drafts, "--from", at(10), "--data", data)
        self.assertFalse(alone["compared_with_live"])
        self.assertEqual({r["name"] for r in alone["rules"]}, {"big-order", "steady"})

    def test_by_the_api_with_cancel(self):
        daemon = self.started()
        body = {"rules": [{"name": "rules.yaml", "text": RULES.replace("100", "60")}], "overlay": True, "from": at(0), "to": at(60)}
        started = daemon.post("/v1/backtests", body, 202)
        done = daemon.until(lambda: (one := daemon.get(f"/v1/backtests/{started['id']}"))["state"] == "done" and one)
        self.assertEqual(done["report"]["rules"][0]["name"], "big-order")
        self.assertEqual([b["id"] for b in daemon.get("/v1/backtests")["backtests"]], [started["id"]])
        self.assertEqual(daemon.request("DELETE", f"/v1/backtests/{started['id']}").status, 200)
        daemon.get(f"/v1/backtests/{started['id']}", 404)
        self.assertEqual(daemon.request("POST", "/v1/backtests", {"rules": [], "from": at(0), "to": at(1)}).status, 400)
        self.assertEqual(daemon.request("POST", "/v1/backtests", {**body, "form": at(0)}).status, 400)
        self.assertEqual(daemon.request("POST", "/v1/backtests", {**body, "from": "soon"}).status, 400)


class Change(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory(prefix="nudge-plan-")
        self.addCleanup(home.cleanup)
        self.dir = pathlib.Path(home.name)

    def draft(self, text):
        path = self.dir / "rules.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def started(self, **kwargs):
        daemon = Daemon(rules=RULES, catalog=CATALOG, **kwargs)
        self.addCleanup(daemon.close)
        daemon.start()
        self.url = f"http://127.0.0.1:{daemon.port}"
        return daemon

    def nudge(self, *args, code=0):
        ran = nudge(*args, url=self.url, stdin="")
        self.assertEqual(ran.code, code, ran)
        return ran.out if code == 0 else ran.err

    def plan(self, text):
        return json.loads(self.nudge("plan", self.draft(text), "--output", "json"))

    def golds(self, daemon):
        lines = [{"customer": f"c{i}", "attributes": {"tier": "gold" if i < 7 else "silver"}, "id": "a"} for i in range(10)]
        lines += [{"customer": f"c{i}", "event": "order_placed", "id": "o", "data": {"amount": 5}} for i in range(5)]
        self.assertEqual(daemon.lines(lines)["stored"], 15)

    NEW = RULES.replace("segments:\n", "segments:\n  golden: {where: {attribute: tier, equals: gold}}\n").replace(
        "rules:\n", "rules:\n  gold-in:\n    when: {enters: golden}\n    existing: fire\n    then: [{ticket: {subject: x}}]\n", 1)

    def test_plan_says_what_apply_then_does(self):
        daemon = self.started()
        self.golds(daemon)
        self.assertIn("No change", self.nudge("plan", self.draft(RULES)))
        plan = self.plan(self.NEW.replace("within: 10d", "within: 10d, where: {field: amount, at_least: 6}").replace("at_least: 100", "at_least: 50"))
        self.assertEqual({(i["kind"], i["name"], i["change"]) for i in plan["items"]},
                         {("rule", "gold-in", "added"), ("segment", "golden", "added"), ("segment", "buyers", "changed"), ("rule", "big-order", "changed")})
        big = next(i for i in plan["items"] if i["name"] == "big-order")
        self.assertEqual([p["part"] for p in big["parts"]], ["when"])
        self.assertIn("100", big["parts"][0]["was"])
        self.assertIn("50", big["parts"][0]["now"])
        counts = {s["name"]: (s["members_now"], s["members_then"], s["enter"], s["leave"]) for s in plan["segments"]}
        self.assertEqual(counts, {"golden": (0, 7, 7, 0), "buyers": (5, 0, 0, 5)})
        self.assertEqual((plan["customers"], plan["fires_at_once"], plan["actions_at_once"]), (10, 7, 7))
        self.assertEqual(daemon.get("/v1/status")["plan"]["sequence"], 1)
        text = self.nudge("plan", self.dir / "rules.yaml")
        for words in ("+ segment golden", "~ rule big-order", "5 go out", "fires at once: 7", "7 actions at once"):
            self.assertIn(words, text)

        refused = self.nudge("apply", self.dir / "rules.yaml", code=1)
        self.assertIn("7 actions", refused)
        self.nudge("apply", self.dir / "rules.yaml", "--max-actions", "6", code=1)
        self.assertEqual(daemon.get("/v1/status")["plan"]["sequence"], 1)
        self.assertIn("version 2 is in force",
                      self.nudge("apply", self.dir / "rules.yaml", "--max-actions", "7", "--author", "chen", "--comment", "more calls"))
        daemon.until(lambda: daemon.counters()["fired"] == 7)
        self.assertEqual(daemon.get("/v1/segments/buyers")["members"], 0)
        self.assertEqual(daemon.get("/v1/segments/golden")["members"], 7)
        plan_now = daemon.get("/v1/status")["plan"]
        self.assertEqual((plan_now["origin"], plan_now["author"], plan_now["comment"], plan_now["rules_from"]), ("applied", "chen", "more calls", "directory"))

    def test_versions_rollback_and_restarts(self):
        daemon = self.started()
        self.golds(daemon)
        self.nudge("apply", self.draft(self.NEW), "--yes", "--author", "chen", "--comment", "golden")
        self.nudge("apply", self.draft(RULES), "--author", "li")
        one, two, three = reversed(daemon.get("/v1/versions")["versions"])
        self.assertEqual((one["origin"], two["origin"], two["author"], two["comment"], three["in_force"]), ("directory", "applied", "chen", "golden", True))
        self.assertIn("golden", daemon.get("/v1/versions/2")["rules"][0]["text"])
        text = self.nudge("rollback", "2", "--yes", "--author", "chen")
        self.assertIn("+ rule gold-in", text)
        self.assertIn("version 4 is in force", text)
        newest = daemon.get("/v1/versions")["versions"][0]
        self.assertEqual((newest["version"], newest["origin"], newest["rolled_back_to"], newest["comment"]), (4, "rollback", 2, "rollback to version 2"))
        self.assertIn("rollback to 2", self.nudge("versions"))
        self.nudge("rollback", "99", code=1)
        # What was applied goes on over a restart, although the folder still has the first rules …
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        self.url = f"http://127.0.0.1:{daemon.port}"
        self.assertEqual(daemon.get("/v1/status")["plan"]["sequence"], 4)
        self.assertIn("gold-in", [r["name"] for r in daemon.get("/v1/rules")["rules"]])
        # … until somebody reloads it.
        self.assertEqual(daemon.post("/v1/reload")["plan"], 5)
        self.assertNotIn("gold-in", [r["name"] for r in daemon.get("/v1/rules")["rules"]])
        self.assertIn("No change", self.nudge("rollback", "1"))

    def test_a_plan_against_rules_that_moved_on_is_refused(self):
        daemon = self.started()
        body = {"rules": [{"name": "rules.yaml", "text": RULES.replace("100", "60")}]}
        stale, fresh = daemon.post("/v1/plans", body), daemon.post("/v1/plans", body)
        self.assertEqual(daemon.get(f"/v1/plans/{stale['id']}"), stale)
        self.assertEqual(daemon.post(f"/v1/plans/{fresh['id']}/apply", {})["plan"], 2)
        moved = daemon.post(f"/v1/plans/{stale['id']}/apply", {"yes": True}, 409)
        self.assertEqual(moved["code"], "moved")
        daemon.post(f"/v1/plans/{fresh['id']}/apply", {}, 404)
        self.assertEqual(daemon.post("/v1/plans", {"rules": [{"name": "r.yaml", "text": "rulez: {}"}]}, 422)["code"], "bad_rules")
        self.assertEqual(daemon.request("POST", f"/v1/plans/{stale['id']}/apply", {"jes": True}).status, 400)

    def test_a_daemon_whose_rules_change_by_apply_only(self):
        daemon = self.started(config="rules_from: apply\n")
        daemon.write("rules/rules.yaml", RULES.replace("100", "60"))
        self.assertEqual(daemon.post("/v1/reload", None, 409)["code"], "conflict")
        self.assertEqual(daemon.get("/v1/status")["plan"]["sequence"], 1)
        self.assertIn("version 2", self.nudge("apply", self.draft(RULES.replace("100", "70"))))
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        self.assertEqual(daemon.get("/v1/status")["plan"]["sequence"], 2)

    def test_explain_in_the_past_by_the_rules_and_limits_of_then(self):
        daemon = self.started()
        daemon.lines([{"customer": "c", "event": "order_placed", "id": "o1", "data": {"amount": 500}}])
        daemon.until(lambda: daemon.counters()["decisions"] == 1)
        daemon.lines([{"customer": "c", "event": "order_placed", "id": "o2", "data": {"amount": 400}}])
        daemon.until(lambda: daemon.counters()["decisions"] == 2)
        second, first = daemon.get("/v1/decisions?customer=c&rule=big-order")["decisions"]
        self.assertEqual((first["fired"], second["fired"]), (True, False))
        self.nudge("apply", self.draft(RULES.replace("at_least: 100", "at_least: 1000").replace("amount}", "amount}\n    if: {segment: buyers}")))

        def explained(at=None):
            return json.loads(self.nudge("explain", "c", "big-order", *(["--at", at] if at else []), "--output", "json"))

        then = explained(first["at"])
        self.assertEqual((then["plan"], then["in_force_then"], then["explanation"]["version"]), (1, True, 1))
        self.assertEqual(then["explanation"]["limits"], [])
        self.assertEqual([(d["number"], d["rule_version"], d["fired"]) for d in then["decided"]], [(first["number"], 1, True)])
        later = explained(second["at"])
        self.assertIn("may fire again", later["explanation"]["verdict"])
        self.assertEqual(later["decided"][0]["held"], second["held"])
        now = explained()
        self.assertEqual(now["explanation"]["version"], 2)
        self.assertIn("does not fit", now["explanation"]["trigger"])
        buyers = now["explanation"]["condition"]
        while "window" not in buyers:
            buyers = buyers["parts"][0]
        self.assertEqual(buyers["rows"], ["o2", "o1"])
        self.assertEqual(len(buyers["row_times"]), 2)
        self.assertRegex(buyers["window"], r"^20.*Z < t <= 20.*Z$")
        text = self.nudge("explain", "c", "big-order", "--at", second["at"])
        for words in ("version 1", "may fire again", "in force then"):
            self.assertIn(words, text)

    def test_the_log_replayed_gives_the_same_digest(self):
        daemon = self.started()
        self.golds(daemon)
        self.nudge("apply", self.draft(self.NEW), "--yes")
        daemon.until(lambda: daemon.counters()["fired"] == 7)
        daemon.settled()
        one = json.loads(self.nudge("replay", "--digest", "--output", "json"))
        self.assertEqual((one["digest"], one["same_states"], one["same_decisions"], one["decisions"]), (one["live"], True, True, 7))
        self.assertEqual(self.nudge("replay", "--digest").strip(), one["digest"])
        self.nudge("replay", code=1)

    def test_a_stopped_data_directory_is_read_and_not_changed(self):
        daemon = self.started()
        self.golds(daemon)
        self.nudge("apply", self.draft(self.NEW), "--yes")
        daemon.until(lambda: daemon.counters()["fired"] == 7)
        daemon.settled()
        one = json.loads(self.nudge("replay", "--digest", "--output", "json"))
        draft = self.draft(self.NEW.replace("at_least: 100", "at_least: 1"))
        online = json.loads(self.nudge("backtest", draft, "--from", "2020-01-01", "--output", "json"))
        window = ("--from", "2020-01-01", "--to", online["to"], "--output", "json")
        data = daemon.home + "/data"
        self.assertIn("a nudged runs on", self.nudge("replay", "--digest", "--data-dir", data, code=1))
        daemon.stop()

        def bytes_of():
            return {str(f): (f.read_bytes(), f.stat().st_mtime_ns) for f in sorted(pathlib.Path(data).rglob("*")) if f.is_file()}
        before = bytes_of()
        again = json.loads(self.nudge("replay", "--digest", "--data-dir", data, "--output", "json"))
        self.assertEqual({k: again[k] for k in ("digest", "same_decisions", "customers", "decisions")}, {k: one[k] for k in ("digest", "same_decisions", "customers", "decisions")})
        self.assertEqual(json.loads(self.nudge("backtest", draft, *window, "--data-dir", data)), online)
        self.assertEqual(bytes_of(), before)
        self.assertIn("no data of nudged", self.nudge("replay", "--digest", "--data-dir", self.dir, code=1))
        self.assertIn("--digest", self.nudge("replay", "--data-dir", data, code=1))

    def test_waiting_runs_are_counted_by_what_becomes_of_them(self):
        steps = RULES.replace("    limits: {once_per: 5d}\n", "      - after: 3d\n        ticket: {subject: later}\n")
        daemon = Daemon(rules=steps, catalog=CATALOG)
        self.addCleanup(daemon.close)
        daemon.start()
        self.url = f"http://127.0.0.1:{daemon.port}"
        daemon.lines([{"customer": f"c{i}", "event": "order_placed", "id": "o", "data": {"amount": 500}} for i in range(4)])
        gone = self.plan(steps[:steps.index("  big-order:")] + steps[steps.index("  steady:"):])
        self.assertEqual(next(r for r in gone["rules"] if r["name"] == "big-order")["runs"]["gone"], 4)
        kept = self.plan(steps.replace("at_least: 100", "at_least: 50"))
        self.assertEqual(next(r for r in kept["rules"] if r["name"] == "big-order")["runs"]["kept"], 4)
        self.assertIn("waiting runs: 4 go on, 0 end", self.nudge("plan", self.dir / "rules.yaml"))


if __name__ == "__main__":
    assert NUDGE
    unittest.main(verbosity=2)
