#!/usr/bin/env python3
"""What /metrics shows, against docs/metrics.md, the alerts and the dashboard. NUDGED names the program; NUDGE_UPDATE=1 writes the table of the document anew."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "e2e" / "daemon"))
from harness import Daemon  # noqa: E402

DOCUMENT = ROOT / "docs" / "metrics.md"
ALERTS = ROOT / "deploy" / "prometheus" / "nudge.rules.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "nudge.json"
GIVEN = {"up", "ALERTS"}  # of Prometheus itself
LABELS = {"job", "instance", "le"}


def read(page):
    """{name: (type, help, labels)} of a page, and {sample name: family}."""
    families, samples = {}, {}
    for line in page.splitlines():
        if found := re.match(r"# HELP (\S+) (.*)", line):
            families[found[1]] = ["", found[2], set()]
        elif found := re.match(r"# TYPE (\S+) (\S+)", line):
            families[found[1]][0] = found[2]
        elif found := re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$", line):
            name = found[1] if found[1] in families else re.sub(r"_(bucket|sum|count)$", "", found[1])
            families[name][2] |= set(re.findall(r'(\w+)="', found[2] or ""))
            samples[found[1]] = name
            float(found[3])
        elif line:
            raise AssertionError("no line of the format: " + line)
    return families, samples


def used(expression):
    """The names of metrics and of labels that a PromQL expression asks for."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    names = set(re.findall(r"\b(?:nudge_\w+|process_\w+|up|ALERTS)\b", bare))
    labels = {label for part in re.findall(r"\{([^}]*)\}", bare) for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", part)}
    labels |= {label.strip() for part in re.findall(r"\bby \(([^)]*)\)", bare) for label in part.split(",")}
    return names, labels


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Daemon() as d:
            d.start()
            d.post("/v1/silences", {"rule": "gone", "for": "1h", "author": "wu", "reason": "to see one held back"})
            d.lines([{"customer": "c", "event": "order_placed", "id": "o", "data": {"amount": 500}}, {"customer": "c", "event": "nope"}])
            d.until(lambda: "nudge_actions_held_total{" in d.request("GET", "/metrics").body.decode())
            cls.page = d.request("GET", "/metrics").body.decode()
            cls.families, cls.samples = read(cls.page)
            cls.status = d.get("/v1/status")

    def test_the_document_lists_all_of_them(self):
        rows = []
        for name, (kind, words, labels) in sorted(self.families.items()):
            rows.append(f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in sorted(labels - {'le'}))} | {words} |")
        table = "| metric | type | labels | what it says |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
        text = DOCUMENT.read_text(encoding="utf-8")
        head, mark = text.split("<!-- made by tests/e2e/ops/test_metrics.py", 1)
        mark, rest = mark.split("-->\n", 1)
        made = head + "<!-- made by tests/e2e/ops/test_metrics.py" + mark + "-->\n" + table
        if os.environ.get("NUDGE_UPDATE") == "1":
            DOCUMENT.write_text(made, encoding="utf-8")
        self.assertGreater(len(rows), 50)
        self.assertEqual(made, DOCUMENT.read_text(encoding="utf-8"), "run it with NUDGE_UPDATE=1")

    def test_the_figures_are_those_of_the_status(self):
        value = dict(re.findall(r"^(nudge_\S+) (\S+)$", self.page, re.M))
        self.assertEqual(float(value['nudge_inputs_total{outcome="quarantined"}']), self.status["counters"]["quarantined"])
        self.assertEqual(float(value['nudge_tasks{state="open"}']), 1)
        self.assertEqual(float(value["nudge_quarantine_entries"]), self.status["quarantine_open"])
        self.assertEqual(float(value["nudge_metrics_rejected_total"]), 0)
        self.assertEqual(float(value["nudge_ready"]), 1)
        self.assertIn('nudge_actions_held_total{rule="gone",reason="silenced"} 1', self.page)
        self.assertGreater(float(re.search(r"^process_resident_memory_bytes (\S+)$", self.page, re.M)[1]), 5e6)

    def test_prometheus_takes_the_page_as_it_is(self):
        ran = subprocess.run(["promtool", "check", "metrics"], input=self.page, capture_output=True, text=True)
        # A gauge may end in _total-less words only; what it finds beside that is its opinion of names, one a line.
        self.assertEqual((ran.returncode, ran.stdout + ran.stderr), (0, ""))

    def check_expression(self, where, expression):
        names, labels = used(expression)
        self.assertTrue(names, where)
        for name in names - GIVEN:
            self.assertTrue(name in self.samples or name in self.families, f"{where}: there is no metric {name}")
        have = set().union(*(self.families[self.samples.get(n, n)][2] for n in names - GIVEN)) if names - GIVEN else set()
        self.assertLessEqual(labels - LABELS, have, where)

    def test_alerts_go_by_metrics_that_there_are_and_their_tests_pass(self):
        text = ALERTS.read_text(encoding="utf-8")
        expressions = re.findall(r"- alert: (\w+)\n +expr: (.*)", text)
        self.assertGreater(len(expressions), 15)
        production = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
        tested = ALERTS.with_name("nudge.rules.test.yaml").read_text(encoding="utf-8")
        for name, expression in expressions:
            self.check_expression(name, expression)
            self.assertIn(f'runbook: "production.md#{name.lower()}"', text)
            self.assertIn(f"### {name}\n", production, "the runbook has no entry")
            self.assertIn(name, tested, "it has no test")
        for words in (["check", "rules", str(ALERTS)], ["test", "rules", str(ALERTS.with_name("nudge.rules.test.yaml"))]):
            ran = subprocess.run(["promtool", *words], capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_every_query_of_the_dashboard_can_be_answered(self):
        dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
        queries = [(p["title"], t["expr"]) for p in dashboard["panels"] for t in p.get("targets", [])]
        queries += [(a["name"], a["expr"]) for a in dashboard["annotations"]["list"]]
        self.assertGreater(len(queries), 30)
        for title, expression in queries:
            self.check_expression(title, expression)
        self.assertEqual(len({p["id"] for p in dashboard["panels"]}), len(dashboard["panels"]))
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                self.check_expression(variable["name"], re.sub(r"label_values\((.*), \w+\)", r"\1", variable["query"]["query"]))
        # Prometheus parses them.
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            json.dump({"groups": [{"name": "d", "rules": [{"record": f"q:{i}", "expr": e.replace("$instance", ".*")} for i, (_, e) in enumerate(queries)]}]}, file)
            file.flush()
            ran = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
            self.assertIn(f"{len(queries)} rules found", ran.stdout)

    def test_planted_mistakes_are_found(self):
        for expression in ("rate(nudge_nothing_total[5m])", 'nudge_actions{stat="dead"}', "sum by (rule) (nudge_actions)"):
            with self.assertRaises(AssertionError):
                self.check_expression("planted", expression)


if __name__ == "__main__":
    unittest.main(verbosity=1)
