#!/usr/bin/env python3
"""Writing rules: what `nudge test` tells of a failure, of coverage, to a build server and while files change."""
import json
import os
import pathlib
import queue
import signal
import subprocess
import tempfile
import threading
import unittest
import xml.etree.ElementTree

from support import NUDGE, RULES, nudge, project

TESTS = """
tests:
  - name: a big order is thanked for
    customers: {c1: {tier: gold, name: Wang}}
    timeline:
      - {at: 2026-05-04T10:00:00Z, customer: c1, event: order_placed, data: {amount: 150, sku: saw}}
      - expect: {rule: big-order, customer: c1, fired: 1, actions: [{call_task: {subject: "Thank Wang"}}, email]}
"""
MORE = """  - name: 小单不打扰
    customers: {c2: {tier: bronze}}
    timeline:
      - {at: 2026-05-04T10:00:00Z, customer: c2, event: order_placed, data: {amount: 99.99}}
      - {at: 2026-05-04T11:00:00Z, customer: c2, event: order_placed, data: {amount: 100}}
      - expect: {nothing: true}
      - {advance: 30d}
      - expect: {segment: buyers, count: 0}
"""
WAITING = """
segments:
  quiet: {where: {not: {event: login, within: 30d}}}
rules:
  follow-up:
    when: {event: order_placed}
    if: {any: [{attribute: vip, equals: true}, {attribute: spend, at_least: 10}]}
    then:
      - sms: {to: "1", text: hello}
      - after: 1d
        only_if: {not: {event: login, within: 1d}}
        sms: {to: "1", text: "still there?"}
  never:
    when: {enters: quiet}
    then: [{sms: {to: "1", text: gone}}]
  not-yet:
    state: draft
    when: {event: login, where: {field: device, equals: app}}
    then: [{sms: {to: "1", text: gone}}]
"""
WAITING_TEST = """
tests:
  - name: one
    customers: {c: {vip: true}}
    timeline:
      - {at: 2026-01-01T00:00:00Z, customer: c, event: login}
      - {at: 2026-01-01T00:00:00Z, customer: c, event: order_placed}
      - expect: {rule: follow-up, fired: 1}
"""


class Case(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = pathlib.Path(temp.name)


class Failures(Case):
    def test_both_sides_beside_each_other(self):
        folder = project(self.folder, tests=TESTS.replace('"Thank Wang"', '"Thank Li", mandatory: false'))
        ran = nudge("test", folder)
        self.assertEqual(ran.code, 1, ran)
        lines = ran.out.splitlines()
        head = next(i for i, line in enumerate(lines) if "rules.test.yaml:7: rule big-order, customer c1, action 1" in line)
        columns = lines[head + 1].index("expected"), lines[head + 1].index("got")
        for row, (what, expected, got) in zip(lines[head + 2:], [("subject", '"Thank Li"', '"Thank Wang"'), ("mandatory", "false", "true")]):
            self.assertEqual(row.split()[0], what)
            self.assertEqual((row.index(expected), row.index(got, columns[1])), columns, row)
        self.assertIn("the action: call_task for c1 by big-order", ran.out)

    def test_chinese_text_lines_up_too(self):
        folder = project(self.folder, tests=TESTS.replace("name: Wang", "name: 王芳").replace("Thank Wang", "Thank 王小芳"))
        lines = nudge("test", folder).out.splitlines()
        row = next(line for line in lines if line.strip().startswith("subject"))
        head = lines[lines.index(row) - 1]
        wide = sum(ord(c) > 0x2e80 for c in row[:row.index('"Thank 王芳"')])
        self.assertEqual(row.index('"Thank 王芳"') + wide, head.index("got"))

    def test_long_texts_stand_below_each_other_with_the_place_where_they_part(self):
        long = "x" * 90
        folder = project(self.folder, rules=RULES.replace("For {{ event.sku | default: 'it' }}", long + "b"),
                         tests=TESTS.replace("email]", '{email: {text: "' + long + 'a"}}]'))
        out = nudge("test", folder).out
        self.assertRegex(out, r'expected  "x{90}a"\n +got       "x{90}b"\n +they part after character 91')

    def test_actions_that_lack_or_are_too_many_are_shown_in_pairs(self):
        folder = project(self.folder, tests=TESTS.replace(", email]", ", email, {sms: {to: \"1\"}}]"))
        out = nudge("test", folder).out
        self.assertRegex(out, r"actions\n +expected +3\n +got +2\n")
        self.assertRegex(out, r"action 2\n +expected +email\n +got +email for c1")
        self.assertRegex(out, r'action 3\n +expected +sms \{to: "1"\}\n +got +nothing')
        self.assertIn("big-order c1 fired", out)
        report = json.loads(nudge("-o", "json", "test", folder).out)
        failure = report["tests"][0]["failures"][0]
        self.assertEqual(failure["line"], 7)
        self.assertEqual(failure["differences"][0], {"what": "actions", "expected": "3", "got": "2"})

    def test_run_takes_a_pattern(self):
        folder = project(self.folder, tests=TESTS + MORE)
        self.assertIn("1 test,", nudge("test", folder, "--run", "^a big .*for$").out)
        self.assertIn("1 test,", nudge("test", folder, "--run", "小单").out)
        self.assertIn("2 tests,", nudge("test", folder, "--run", r"rules\.test").out)
        self.assertEqual(nudge("test", folder, "--run", "^order").code, 1)
        ran = nudge("test", folder, "--run", "(")
        self.assertEqual(ran.code, 2)
        self.assertIn("--run", ran.err)


class Junit(Case):
    """The shape that Jenkins, GitLab and GitHub's reporters read."""

    def check_shape(self, path):
        root = xml.etree.ElementTree.parse(path).getroot()
        self.assertEqual(root.tag, "testsuites")
        totals = {"tests": 0, "failures": 0}
        for suite in root:
            self.assertEqual(suite.tag, "testsuite")
            self.assertLessEqual({"name", "tests", "failures", "errors", "skipped", "time"}, set(suite.attrib))
            self.assertEqual(int(suite.get("tests")), len(suite))
            self.assertEqual(int(suite.get("failures")), len(suite.findall("testcase/failure")))
            self.assertGreaterEqual(float(suite.get("time")), 0)
            for case in suite:
                self.assertEqual(case.tag, "testcase")
                self.assertLessEqual({"name", "classname", "file", "line", "time"}, set(case.attrib))
                self.assertTrue(pathlib.Path(case.get("file")).is_file())
                self.assertLessEqual(len(case), 1)
                for failure in case:
                    self.assertEqual(failure.tag, "failure")
                    self.assertLessEqual({"type", "message"}, set(failure.attrib))
                    self.assertTrue(failure.text.strip())
            for key in totals:
                totals[key] += int(suite.get(key))
        for key, value in totals.items():
            self.assertEqual(int(root.get(key)), value)
        return root

    def test_shape(self):
        folder = project(self.folder, tests=TESTS.replace("Thank Wang", "Thank <Li> & co") + MORE)
        (folder / "rules" / "more").mkdir()
        (folder / "rules" / "more" / "second.test.yaml").write_text(TESTS)
        ran = nudge("test", folder, "--junit", folder / "out.xml")
        self.assertEqual(ran.code, 1)
        root = self.check_shape(folder / "out.xml")
        self.assertEqual((root.get("tests"), root.get("failures"), len(root)), ("3", "1", 2))
        text = root.find(".//failure").text
        self.assertIn("Thank <Li> & co", text)
        self.assertRegex(text, r"rules\.test\.yaml:7: ")
        self.assertIn("小单不打扰", [case.get("name") for case in root.iter("testcase")])

    def test_a_file_that_cannot_be_written(self):
        ran = nudge("test", project(self.folder, tests=TESTS), "--junit", self.folder / "nowhere" / "out.xml")
        self.assertEqual(ran.code, 1)
        self.assertIn("cannot write", ran.err)


class Coverage(Case):
    def gaps(self, folder, *more):
        report = json.loads(nudge("-o", "json", "test", folder, "--coverage", *more).out)["coverage"]
        return report, {(pathlib.Path(g["file"]).name, g["line"], g["column"], g["kind"]) for g in report["gaps"]}

    def test_what_no_test_touched(self):
        folder = project(self.folder, rules=WAITING, tests=WAITING_TEST)
        report, gaps = self.gaps(folder)
        lines = {text.strip(): n for n, text in enumerate(WAITING.splitlines(), 1)}
        condition = lines["if: {any: [{attribute: vip, equals: true}, {attribute: spend, at_least: 10}]}"]
        only_if = lines["only_if: {not: {event: login, within: 1d}}"]
        self.assertEqual(gaps, {
            ("rules.yaml", condition, 17, "never_false"),       # vip
            ("rules.yaml", condition, 49, "never_true"),        # spend
            ("rules.yaml", lines["- after: 1d"], 9, "never_reached"),
            ("rules.yaml", only_if, 25, "never_asked"),
            ("rules.yaml", lines["never:"], 3, "never_fired"),
            ("rules.yaml", lines["when: {enters: quiet}"] + 1, 12, "never_reached"),
        })
        # 2 rules, 3 steps, 4 parts twice; the draft is left out
        self.assertEqual((report["total"], report["covered"]), (13, 13 - 7))
        text = nudge("test", folder, "--coverage").out
        self.assertIn(f"rules.yaml:{condition}:49: rule follow-up: never true in a test: attribute spend", text)
        self.assertIn("rule never: no test made it fire", text)
        self.assertIn("coverage: 46.1 % (6 of 13", text)

    def test_more_tests_close_the_gaps(self):
        more = WAITING_TEST + """      - {at: 2026-01-02T00:00:00Z}
      - {at: 2026-01-02T00:00:01Z, customer: d, attributes: {spend: 20}}
      - {at: 2026-01-02T00:00:02Z, customer: d, event: order_placed}
      - {at: 2026-01-02T12:00:00Z, customer: d, event: login}
      - {advance: 30d}
      - {advance: 2d}
      - {at: 2026-03-01T00:00:00Z, customer: e, event: order_placed}
      - expect: {rule: follow-up, fired: 0}
"""
        report, gaps = self.gaps(project(self.folder, rules=WAITING, tests=more))
        self.assertEqual((gaps, report["percent"]), (set(), 100))

    def test_filters_triggers_and_before_trigger(self):
        rules = RULES.replace("if: {attribute: tier, in: [silver, gold]}", "if: {event: order_placed, before: trigger, last: {older_than: 5d}}")
        _, gaps = self.gaps(project(self.folder, rules=rules, tests=TESTS.replace("expect: {rule: big-order, customer: c1, fired: 1, actions: [{call_task: {subject: \"Thank Wang\"}}, email]}", "expect: {fired: 0}")))
        self.assertIn(("rules.yaml", 7, 41, "never_false"), gaps)   # where: amount
        self.assertIn(("rules.yaml", 8, 10, "never_true"), gaps)
        self.assertNotIn(("rules.yaml", 8, 10, "never_false"), gaps)

    def test_waits_branches_stops_and_exits(self):
        rules = """
rules:
  visit:
    when: {event: order_placed}
    exit: {attribute: vip, equals: true}
    then:
      - until: {event: login, within: 1h}
        timeout: 2h
      - if: {attribute: spend, at_least: 10}
        then:
          - sms: {to: "1", text: rich}
        else:
          - sms: {to: "1", text: poor}
          - stop: true
      - after: 1d
        sms: {to: "1", text: later}
"""
        one = """
tests:
  - name: one
    customers: {c: {spend: 20}}
    timeline:
      - {at: 2026-01-01T00:00:00Z, customer: c, event: order_placed}
      - {at: 2026-01-01T01:00:00Z, customer: c, event: login}
      - expect: {rule: visit, actions: [{sms: {text: rich}}]}
      - {advance: 3d}
      - expect: {rule: visit, actions: [{sms: {text: later}}]}
"""
        two = """  - name: two
    timeline:
      - {at: 2026-01-01T00:00:00Z, customer: d, event: order_placed}
      - {advance: 2h}
      - expect: {rule: visit, actions: [{sms: {text: poor}}]}
  - name: three
    timeline:
      - {at: 2026-01-01T00:00:00Z, customer: e, event: order_placed}
      - {at: 2026-01-01T01:00:00Z, customer: e, attributes: {vip: true}}
      - expect: {rule: visit, actions: []}
"""
        place = lambda text: next(n for n, line in enumerate(rules.splitlines(), 1) if text in line)
        _, gaps = self.gaps(project(self.folder, rules=rules, tests=one))
        self.assertEqual({(line, kind) for _, line, _, kind in gaps},
                         {(place("exit:"), "never_true"), (place("at_least"), "never_false"), (place("poor"), "never_reached"), (place("stop:"), "never_reached")})
        report, gaps = self.gaps(project(self.folder, rules=rules, tests=one + two))
        self.assertEqual((gaps, report["percent"]), (set(), 100))

    def test_fail_under(self):
        folder = project(self.folder, tests=TESTS)
        self.assertEqual(nudge("test", folder).code, 0)
        ran = nudge("test", folder, "--fail-under", "99.9")
        self.assertEqual(ran.code, 1)
        self.assertIn("below 99.9 %", ran.err)
        self.assertEqual(nudge("test", folder, "--fail-under", "10").code, 0)
        self.assertEqual(nudge("test", folder, "--fail-under", "101").code, 2)

    def test_as_json_and_as_a_page(self):
        folder = project(self.folder, tests=TESTS)
        self.assertEqual(nudge("test", folder, "--coverage=html", "--coverage-file", folder / "c.html").code, 0)
        page = (folder / "c.html").read_text()
        self.assertIn("<meter", page)
        self.assertNotIn("<script", page)
        self.assertRegex(page, r"rules\.yaml:8</td><td>[^<]*never false")
        nudge("test", folder, "--coverage=json", "--coverage-file", folder / "c.json")
        self.assertEqual(json.loads((folder / "c.json").read_text())["total"], 9)


class Watch(Case):
    def start(self, folder):
        process = subprocess.Popen([NUDGE, "test", str(folder), "--watch"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env={**os.environ, "LANG": "C.UTF-8"})
        lines = queue.Queue()
        reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout], daemon=True)
        reader.start()

        def end():
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
            reader.join(timeout=60)
            process.stdout.close()
        self.addCleanup(end)
        return lines

    def run_of(self, lines):
        """The output of one run: all lines up to the one that says it waits."""
        out = ""
        while "waiting for a change" not in out:
            out += lines.get(timeout=120)
        return out

    def test_runs_again_on_a_change_of_any_file(self):
        folder = project(self.folder, tests=TESTS)
        lines = self.start(folder)
        self.assertIn("1 test, 1 expectation: all passed", self.run_of(lines))
        tests = folder / "rules" / "rules.test.yaml"
        tests.write_text(TESTS.replace("Thank Wang", "Thank Li"))
        self.assertIn("1 failed", self.run_of(lines))
        # an editor that writes another file and moves it into place
        (folder / "rules" / ".new").write_text(TESTS)
        (folder / "rules" / ".new").rename(tests)
        self.assertIn("all passed", self.run_of(lines))
        rules = folder / "rules" / "rules.yaml"
        rules.write_text(RULES.replace("attribute: tier", "attribute: teir"))
        self.assertIn("R0301", self.run_of(lines))
        rules.write_text(RULES)
        self.assertIn("all passed", self.run_of(lines))
        catalog = folder / "schemas" / "catalog.yaml"
        catalog.write_text(catalog.read_text().replace("sku: text, ", ""))
        self.assertIn("R0303", self.run_of(lines))
        catalog.write_text(catalog.read_text().replace("{amount: decimal, ", "{amount: decimal, sku: text, "))
        self.assertIn("all passed", self.run_of(lines))
        # a new directory, and a file in it later
        (folder / "rules" / "deep").mkdir()
        self.run_of(lines)
        (folder / "rules" / "deep" / "more.test.yaml").write_text(TESTS)
        self.assertIn("2 tests", self.run_of(lines))


if __name__ == "__main__":
    unittest.main(verbosity=2)
