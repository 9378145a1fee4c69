#!/usr/bin/env python3
"""What `nudge check` says beyond mistakes, in every shape that it can say it, and the pre-commit hook in a real git repository."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.parse

import jsonschema
import yaml

from support import NUDGE, REPO, nudge, project

WRONG = """
segments:
  both:
    where: {all: [{attribute: tier, equals: gold}, {attribute: tier, equals: silver}]}
  unused: {where: {attribute: vip, equals: true}}
rules:
  thanks:
    category: management
    when: {event: order_placed}
    then: [{ticket: {subject: "From {{ customer.name }}"}}]
  never:
    category: management
    when: {enters: both}
    then: [{ticket: {subject: "A"}}]
"""
RIGHT = """
rules:
  thanks:
    category: management
    when: {event: order_placed}
    then: [{ticket: {subject: "From {{ customer.name | default: 'somebody' }}"}}]
"""
# GitLab's documented shape of a code quality report (docs.gitlab.com/ci/testing/code_quality).
GITLAB = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "pattern": "^R[0-9]{4}$"},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {"path": {"type": "string", "pattern": r"^(?!\./|/)"}, "lines": {"type": "object", "required": ["begin"], "properties": {"begin": {"type": "integer", "minimum": 1}}}},
            },
        },
    },
}
# What SARIF 2.1.0 asks of the parts that are written here (docs.oasis-open.org/sarif, §3.13 to §3.52).
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array", "minItems": 1, "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {"type": "object", "required": ["driver"], "additionalProperties": False, "properties": {"driver": {
                        "type": "object", "required": ["name"], "additionalProperties": False,
                        "properties": {"name": {"const": "nudge"}, "version": {"type": "string"}, "rules": {"type": "array", "uniqueItems": True, "items": {
                            "type": "object", "required": ["id"], "additionalProperties": False,
                            "properties": {"id": {"type": "string"}, "shortDescription": TEXT, "fullDescription": TEXT, "defaultConfiguration": {"type": "object", "properties": {"level": LEVEL}}}}}}}}},
                    "results": {"type": "array", "items": {
                        "type": "object", "required": ["message", "ruleId", "ruleIndex", "level", "locations"], "additionalProperties": False,
                        "properties": {
                            "message": TEXT, "ruleId": {"type": "string"}, "ruleIndex": {"type": "integer", "minimum": 0}, "level": LEVEL,
                            "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                            "locations": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["physicalLocation"], "additionalProperties": False, "properties": {"physicalLocation": {
                                "type": "object", "required": ["artifactLocation", "region"], "additionalProperties": False,
                                "properties": {
                                    "artifactLocation": {"type": "object", "required": ["uri"], "additionalProperties": False, "properties": {"uri": {"type": "string"}}},
                                    "region": {"type": "object", "required": ["startLine", "startColumn"], "additionalProperties": False, "properties": {k: {"type": "integer", "minimum": 1} for k in ("startLine", "startColumn", "endColumn")}}}}}}}}}},
                },
            },
        },
    },
}
# docs.github.com/actions: workflow commands for annotations.
COMMAND = re.compile(r"^::(error|warning|notice) file=([^,:]+),line=(\d+),col=(\d+)(?:,endColumn=(\d+))?,title=([^,:]+)::(.+)$")


class Check(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.addCleanup(self.temp.cleanup)
        self.folder = pathlib.Path(self.temp.name).resolve()

    def test_warnings_do_not_fail_unless_asked_to(self):
        folder = project(self.folder, rules=WRONG)
        plain, strict = nudge("check", folder), nudge("check", "--strict", folder)
        self.assertEqual((plain.code, strict.code), (0, 3), plain)
        self.assertEqual(plain.out, strict.out)
        for code in ("R1001", "R1005", "R1007"):
            self.assertRegex(plain.out, rf"rules\.yaml:\d+:\d+: warning {code}: ")
        self.assertIn("0 errors, 3 warnings\nok: 2 rules", plain.out)
        self.assertNotIn("R1012", plain.out)
        notes = nudge("check", "--strict", "--notes", project(self.folder / "b", rules=RIGHT + "segments: {unused: {where: {attribute: vip, equals: true}}}\n"))
        self.assertEqual(notes.code, 0, notes)  # a note is no warning
        self.assertRegex(notes.out, r"note R1012: nothing uses the segment `unused`")
        self.assertEqual(nudge("check", "--strict", project(self.folder / "c", rules=RIGHT)).code, 0)

    def test_errors_come_first_and_the_code_explains_itself(self):
        ran = nudge("check", "--strict", project(self.folder, rules=WRONG.replace("equals: silver", "equals: lead")))
        self.assertEqual(ran.code, 1, ran)
        self.assertNotIn("warning", ran.out.replace("0 warnings", ""))  # what can't be compiled can't be judged
        self.assertIn("allow: [R1001]", nudge("explain-code", "R1001").out)

    def test_every_shape_says_the_same(self):
        project(self.folder, rules=WRONG)
        ran = {}
        for shape in ("json", "github", "gitlab", "sarif"):
            done = subprocess.run([NUDGE, "check", "--notes", "--output", shape, "."], capture_output=True, text=True, cwd=self.folder, timeout=120)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done)
            ran[shape] = done.stdout
        report = json.loads(ran["json"])
        self.assertEqual((report["errors"], report["warnings"], report["notes"]), (0, 3, 1))
        wanted = [(d["code"], d["line"]) for d in report["diagnostics"]]
        path = report["diagnostics"][0]["file"].removeprefix("./")
        self.assertTrue((self.folder / path).is_file())

        commands = [COMMAND.match(line) for line in ran["github"].splitlines()]
        self.assertTrue(all(commands), ran["github"])
        self.assertEqual([(m[6][:5], int(m[3])) for m in commands], wanted)
        self.assertEqual({m[1] for m in commands}, {"warning", "notice"})
        self.assertEqual({m[2] for m in commands}, {path})

        quality = json.loads(ran["gitlab"])
        jsonschema.validate(quality, GITLAB)
        self.assertEqual([(q["check_name"], q["location"]["lines"]["begin"]) for q in quality], wanted)
        self.assertEqual(len({q["fingerprint"] for q in quality}), len(quality))
        self.assertEqual({q["location"]["path"] for q in quality}, {path})

        sarif = json.loads(ran["sarif"])
        jsonschema.validate(sarif, SARIF)
        run = sarif["runs"][0]
        self.assertEqual([(r["ruleId"], r["locations"][0]["physicalLocation"]["region"]["startLine"]) for r in run["results"]], wanted)
        for result in run["results"]:
            self.assertEqual(run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"], result["ruleId"])
            self.assertEqual(urllib.parse.unquote(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]), path)

    def test_shapes_of_errors_and_of_nothing(self):
        bad, good = project(self.folder / "bad", rules=RIGHT.replace("order_placed", "order_plased")), project(self.folder / "good", rules=RIGHT)
        for shape, severity in (("github", "::error "), ("gitlab", '"severity":"critical"'), ("sarif", '"level":"error"')):
            ran = nudge("check", "-o", shape, bad)
            self.assertEqual(ran.code, 1, ran)
            self.assertIn(severity, ran.out)
            clean = nudge("check", "-o", shape, good)
            self.assertEqual(clean.code, 0, clean)
            if shape == "github":
                self.assertEqual(clean.out, "")
            elif shape == "gitlab":
                self.assertEqual(json.loads(clean.out), [])
            else:
                jsonschema.validate(json.loads(clean.out), SARIF)
        self.assertEqual(nudge("check", "-o", "xml", good).code, 2)


class PreCommit(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.addCleanup(self.temp.cleanup)
        self.folder = pathlib.Path(self.temp.name).resolve() / "company rules"
        self.folder.mkdir()
        self.git("init", "-q", "-b", "main")
        (self.folder / ".git" / "hooks" / "pre-commit").symlink_to(REPO / "deploy" / "pre-commit")

    def git(self, *args, env=None):
        settings = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        return subprocess.run(["git", *settings, *args], cwd=self.folder, capture_output=True, text=True, timeout=120,
                              env={**clean, "NUDGE": NUDGE, "GIT_CONFIG_NOSYSTEM": "1", "HOME": self.temp.name, **(env or {})})

    def commit(self, env=None):
        self.git("add", "-A")
        return self.git("commit", "-q", "-m", "rules", env=env)

    def test_a_commit_with_mistakes_is_refused_and_a_mended_one_goes_through(self):
        project(self.folder / "sales", rules=RIGHT.replace("order_placed", "order_plased"))
        project(self.folder / "service", rules=RIGHT)
        refused = self.commit()
        self.assertEqual(refused.returncode, 1, refused)
        self.assertIn("sales/rules/rules.yaml:5:", refused.stdout + refused.stderr)
        self.assertNotEqual(self.git("rev-parse", "HEAD").returncode, 0)
        project(self.folder / "sales", rules=RIGHT)
        self.assertEqual(self.commit().returncode, 0)

    def test_what_is_committed_counts_not_what_lies_around(self):
        project(self.folder, rules=RIGHT.replace("order_placed", "order_plased"))
        self.git("add", "-A")
        project(self.folder, rules=RIGHT)  # mended, but not added
        self.assertEqual(self.git("commit", "-q", "-m", "rules").returncode, 1)
        self.git("add", "-A")
        project(self.folder, rules=RIGHT.replace("order_placed", "order_plased"))  # broken, but not added
        done = self.git("commit", "-q", "-m", "rules")
        self.assertEqual(done.returncode, 0, done)

    def test_warnings_and_other_files(self):
        project(self.folder, rules=WRONG)
        self.assertEqual(self.commit(env={"NUDGE_CHECK": "--strict"}).returncode, 1)
        self.assertEqual(self.commit().returncode, 0)
        (self.folder / "README.txt").write_text("rules")
        done = self.commit(env={"NUDGE_CHECK": "--strict"})
        self.assertEqual(done.returncode, 0, done)  # no rule changed
        (self.folder / "rules" / "more.yaml").write_text("segments: {}\n")
        lost = self.commit(env={"NUDGE": "no-such-nudge"})
        self.assertEqual(lost.returncode, 1)
        self.assertIn("name it in NUDGE", lost.stderr)

    def test_as_the_pre_commit_framework_calls_it(self):
        hook, = yaml.safe_load((REPO / ".pre-commit-hooks.yaml").read_text())
        self.assertEqual((hook["id"], hook["language"]), ("nudge-check", "script"))
        entry = REPO / hook["entry"]
        self.assertTrue(os.access(entry, os.X_OK))
        project(self.folder / "a b", rules=WRONG)
        project(self.folder / "good", rules=RIGHT)
        files = ["a b/rules/rules.yaml", "good/rules/rules.yaml", "good/schemas/catalog.yaml"]
        self.assertTrue(all(re.search(hook["files"], f) for f in files))

        def call(*args):
            return subprocess.run([entry, *args], cwd=self.folder, capture_output=True, text=True, env={**os.environ, "NUDGE": NUDGE}, timeout=120)

        plain = call(*files)
        self.assertEqual(plain.returncode, 0, plain)
        self.assertEqual(plain.stdout.count("ok: "), 2)  # each project once
        self.assertEqual(call("--strict", *files).returncode, 1)
        self.assertEqual(call("--strict", *files[1:]).returncode, 0)


if __name__ == "__main__":
    unittest.main()
