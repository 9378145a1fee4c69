#!/usr/bin/env python3
"""Writing rules in an editor: the real yaml-language-server completes, checks and explains by the schemas that `nudge schema` prints.

usage: editor_test.py NUDGE BUILD_DIRECTORY. Installs the server there (package.json and its lock file say which) unless that is done. Ends with
77 (skipped) when node, npm or the registry cannot be reached.
"""
import hashlib
import pathlib
import shutil
import subprocess
import sys
import unittest

from lsp import Server

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SKIPPED = 77


def skip(why):
    print(f"skipped: {why}; deploy/setup installs node and npm, and the first run needs the registry of npm")
    sys.exit(SKIPPED)


def install(folder):
    """The server's main file. A second run finds what the first installed."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            skip(f"there is no {tool}")
    folder.mkdir(parents=True, exist_ok=True)
    main = folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    done = folder / "installed"
    if main.is_file() and done.is_file() and done.read_text() == wanted:
        return main
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder / name)
    ran = subprocess.run(["npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--fetch-retries=1"], cwd=folder,
                         capture_output=True, text=True, timeout=300)
    if ran.returncode != 0:
        unreachable = ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT", "ECONNRESET", "ENETUNREACH", "ERR_SOCKET_TIMEOUT", "ENOTCACHED")
        if any(word in ran.stderr for word in unreachable):
            skip("the registry of npm cannot be reached")
        print(ran.stdout, ran.stderr)
        sys.exit(1)
    done.write_text(wanted)
    return main


RULES = """\
segments:
  vip: {where: {attribute: tier, equals: gold}}
rules:
  thanks:
    description: A big order
    when: {event: order_placed}
    if:
      all:
        - attribute: tier
          in: [gold]
        - event: login
          within: 30d
          count: {at_least: 3}
    then:
      - call_task: {subject: Thanks, due_in: 24h}
"""


class Editor(unittest.TestCase):
    server = None

    @classmethod
    def setUpClass(cls):
        main = install(BUILD)
        schemas = {}
        for name, pattern in (("rules", "*.rules.yaml"), ("tests", "*.test.yaml"), ("catalog", "*catalog.yaml"), ("config", "*nudged.yaml")):
            path = BUILD / f"{name}.schema.json"
            path.write_bytes(subprocess.run([NUDGE, "schema", name], capture_output=True, check=True, timeout=60).stdout)
            schemas[path.as_uri()] = pattern
        cls.server = Server(["node", str(main), "--stdio"], {"schemas": schemas, "validate": True, "completion": True, "hover": True,
                                                             "schemaStore": {"enable": False}, "kubernetesCRDStore": {"enable": False}})
        cls.addClassCleanup(cls.server.close)
        cls.count = 0

    def open(self, text, kind="rules"):
        type(self).count += 1
        name = {"rules": "x.rules.yaml", "tests": "x.test.yaml", "catalog": "x-catalog.yaml", "config": "x-nudged.yaml"}[kind]
        uri = f"file:///editor/{self.count}/{name}"
        return uri, self.server.open(uri, text)

    def complete(self, text, kind="rules"):
        """The labels offered at the mark |, with the texts they insert."""
        before = text[:text.index("|")]
        uri, _ = self.open(text.replace("|", "", 1), kind)
        line, character = before.count("\n"), len(before) - before.rfind("\n") - 1
        answer = self.server.at("textDocument/completion", uri, line, character)
        return {item["label"]: item for item in (answer["items"] if isinstance(answer, dict) else answer)}

    def hover(self, text, word, kind="rules"):
        uri, _ = self.open(text, kind)
        at = text.index(word)
        answer = self.server.at("textDocument/hover", uri, text[:at].count("\n"), at - text.rfind("\n", 0, at) - 1 + 1)
        contents = answer["contents"] if answer else ""
        return contents["value"] if isinstance(contents, dict) else str(contents)

    def test_a_right_file_has_no_marks(self):
        self.assertEqual(self.open(RULES)[1], [])
        for folder in ("rules/packs/dormant-return", "rules/packs/quote-follow-up", "deploy/demo-company"):
            for path in sorted((ROOT / folder).rglob("*.yaml")):
                kind = "tests" if path.name.endswith(".test.yaml") else "catalog" if path.parent.name == "schemas" else "rules"
                if path.parent.name not in ("schemas", "rules"):
                    continue
                with self.subTest(path=str(path.relative_to(ROOT))):
                    self.assertEqual(self.open(path.read_text(), kind)[1], [])

    def test_completion_of_a_rule(self):
        offered = self.complete("rules:\n  thanks:\n    when: {event: x}\n    |\n")
        self.assertLessEqual({"description", "category", "priority", "state", "if", "then", "limits", "rollout", "goal", "max_age"}, set(offered))
        self.assertNotIn("when", offered)  # stands already
        self.assertNotIn("segments", offered)
        self.assertIn("documentation", offered["limits"])

    def test_completion_of_triggers_values_actions_and_operators(self):
        self.assertLessEqual({"event", "enters", "leaves", "attribute_changes", "schedule", "date"},
                             set(self.complete("rules:\n  a:\n    when:\n      |\n    then: [{ticket: {subject: x}}]\n")))
        self.assertLessEqual({"draft", "shadow", "active", "paused"}, set(self.complete("rules:\n  a:\n    state: |\n")))
        self.assertLessEqual({"call_task", "email", "sms", "after", "only_if"}, set(self.complete("rules:\n  a:\n    then:\n      - |\n")))
        self.assertLessEqual({"equals", "in", "at_least", "older_than", "exists"}, set(self.complete("segments:\n  a:\n    where:\n      attribute: tier\n      |\n")))

    def test_snippets(self):
        offered = self.complete("rules:\n  |\n")
        self.assertIn("rule on an event", offered)
        inserted = offered["rule on an event"].get("insertText") or offered["rule on an event"]["textEdit"]["newText"]
        for part in ("when:", "event:", "then:", "call_task:"):
            self.assertIn(part, inserted)
        self.assertIn("test of a rule", self.complete("tests:\n  |\n", "tests"))

    def test_mistakes_are_marked_at_their_place(self):
        for wrong, word, line in ((RULES.replace("at_least: 3", "atleast: 3"), "atleast", 12), (RULES.replace("in: [gold]", "inn: [gold]"), "inn", 9),
                                  (RULES.replace("within: 30d", "within: 30 days"), "30 days", 11), (RULES.replace("due_in", "due"), "due:", 14),
                                  (RULES.replace("description:", "descripton:"), "descripton", 4)):
            _, marks = self.open(wrong)
            with self.subTest(word=word):
                self.assertTrue(marks, "nothing was marked")
                lines = [(mark["range"]["start"]["line"], mark["range"]["end"]["line"]) for mark in marks]
                self.assertTrue(any(start <= line <= end for start, end in lines), marks)
        _, marks = self.open(RULES.replace("description:", "descripton:"))
        self.assertEqual([(m["range"]["start"]["line"], m["range"]["start"]["character"]) for m in marks], [(4, 4)])
        self.assertIn("descripton", marks[0]["message"])
        _, marks = self.open("segments:\n  a: {where: {attribute: tier, at_leest: 3}}\n")
        self.assertEqual(marks[0]["range"]["start"]["line"], 1)
        self.assertLessEqual(marks[0]["range"]["start"]["character"], 31)

    def test_hover_shows_what_a_key_means(self):
        self.assertIn("by time alone", self.hover(RULES.replace("when: {event: order_placed}", "when: {enters: vip}"), "enters"))
        self.assertIn("last D", self.hover(RULES, "within"))
        self.assertIn("plain words", self.hover(RULES, "description"))
        self.assertIn("this or above", self.hover(RULES, "at_least").lower())
        self.assertIn("order of time", self.hover("tests:\n  - name: x\n    timeline: []\n", "timeline", "tests"))


if __name__ == "__main__":
    NUDGE, BUILD = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    install(BUILD)
    unittest.main(argv=sys.argv[:1], verbosity=2)
