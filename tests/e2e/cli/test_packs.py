#!/usr/bin/env python3
"""Every shipped rule pack compiles without a warning, passes its own tests, and says to a salesperson what it does; and all of them work together."""
import pathlib
import re
import shutil
import tempfile
import unittest

import yaml

from support import REPO, nudge

PACKS = sorted(p for p in (REPO / "rules" / "packs").iterdir() if p.is_dir())
WANTED = {
    "birthday", "contract-renewal", "dormant-return", "high-value-lead", "lead-assignment", "life-cycle", "marketing-roi", "mql-to-sql", "neglected-lead", "onboarding",
    "order-to-marketing", "payment-overdue", "public-pool", "quote-follow-up", "renewal-countdown", "rfm-classes", "second-purchase", "stalled-opportunity",
    "third-ticket", "usage-churn", "vip-complaint", "win-back",
}


def breakages(text):
    """(what, text) for everything that can be broken in a rule file, one at a time. Positions come from the YAML, so the text stays as written."""
    root = yaml.compose(text)
    cut = lambda a, b, new="": text[:a.start_mark.index] + new + text[b.end_mark.index:]
    member = lambda node, name: next((pair for pair in node.value if pair[0].value == name), None)
    for section, names in root.value:
        if section.value not in ("rules", "segments", "traits"):
            continue
        for name, body in names.value:
            if section.value == "rules":
                yield f"{name.value} paused", text[:body.start_mark.index] + "state: paused\n    " + text[body.start_mark.index:]
                then = member(body, "then")
                for step in then[1].value if len(then[1].value) > 1 else []:
                    yield f"{name.value} without the step at line {step.start_mark.line + 1}", cut(step, step, "{maildrop: {text: nothing}}\n")
                conditions = [member(body, "if")] + [member(step, "only_if") for step in then[1].value]
                for key, value in filter(None, conditions):
                    yield f"{name.value} without the condition at line {key.start_mark.line + 1}", cut(value, value, "{any: [{tag: no-such}, {not: {tag: no-such}}]}\n")
                limits = member(body, "limits")
                if limits is not None:
                    yield f"{name.value} without its limit", cut(limits[1], limits[1], "{once_per: 1ms}")
            for node in lengths(body):
                yield f"{name.value}: {node.value} at line {node.start_mark.line + 1} longer by 1 ms", cut(node, node, node.value + "1ms")


def rules_of(file):
    """Names of the rules in a file."""
    return [name.value for key, names in yaml.compose(file.read_text()).value if key.value == "rules" for name, _ in names.value]


def lengths(node):
    """Scalars that are the length of a window, a delay or a deadline."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(value, yaml.ScalarNode):
                if key.value in TIMES and re.fullmatch(r"(\d+[smhdw])+", value.value):
                    yield value
            elif key.value != "goal":  # measured by the daemon; tests of rules say nothing of it
                yield from lengths(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from lengths(value)


TIMES = {"within", "from", "to", "older_than", "in_next", "anniversary_in_next", "for", "after", "due_in"}


class Packs(unittest.TestCase):
    def test_the_promised_ones_are_there(self):
        self.assertLessEqual(WANTED, {p.name for p in PACKS})

    def test_check(self):
        for pack in PACKS:
            with self.subTest(pack.name):
                ran = nudge("check", pack)
                self.assertEqual(ran.code, 0, ran)

    def test_tests(self):
        for pack in PACKS:
            with self.subTest(pack.name):
                ran = nudge("test", pack)
                self.assertEqual(ran.code, 0, ran)
                tests, expectations = map(int, re.search(r"(\d+) tests?, (\d+) expectations?: all passed", ran.out).groups())
                self.assertGreaterEqual(tests, 2, ran)
                self.assertGreaterEqual(expectations, 4, ran)

    def test_the_tests_notice_each_broken_part(self):
        """Each rule, step, condition, limit and length of time of each pack is broken on purpose, one at a time; its pack's tests must notice."""
        with tempfile.TemporaryDirectory() as folder:
            for pack in PACKS:
                with self.subTest(pack.name):
                    copy = pathlib.Path(folder) / pack.name
                    shutil.copytree(pack, copy)
                    broken, survived = 0, []
                    for file in sorted((copy / "rules").glob("*.yaml")):
                        if file.name.endswith(".test.yaml"):
                            continue
                        text = file.read_text()
                        for what, changed in breakages(text):
                            file.write_text(changed)
                            ran = nudge("test", copy)
                            broken += 1
                            if ran.code == 0:
                                survived.append(what)
                        file.write_text(text)
                    self.assertEqual(survived, [])
                    self.assertGreater(broken, 0)

    def test_readme(self):
        for pack in PACKS:
            text = (pack / "README.md").read_text()
            for part in ("# ", "**When**", "**then**", "What to change:", "Needs:"):
                self.assertIn(part, text, pack.name)

    def test_all_together(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for pack in PACKS:
                (folder / "rules" / pack.name).mkdir(parents=True)
                (folder / "schemas").mkdir(exist_ok=True)
                shutil.copy(pack / "schemas" / "catalog.yaml", folder / "schemas" / f"{pack.name}.yaml")
                for file in (pack / "rules").iterdir():
                    if file.name != "teams.yaml":
                        shutil.copy(file, folder / "rules" / pack.name)
            shutil.copy(REPO / "rules" / "packs" / "dormant-return" / "rules" / "teams.yaml", folder / "rules")
            ran = nudge("check", folder)
            self.assertEqual(ran.code, 0, ran)
            rules = sum(len(rules_of(file)) for pack in PACKS for file in (pack / "rules").glob("*.yaml") if not file.name.endswith(".test.yaml"))
            self.assertIn(f"ok: {rules} rules", ran.out)
            ran = nudge("test", folder)
            self.assertEqual(ran.code, 0, ran)


if __name__ == "__main__":
    unittest.main(verbosity=2)
