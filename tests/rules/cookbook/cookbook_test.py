#!/usr/bin/env python3
"""Every recipe of docs/cookbook.md is compiled, and its behaviour tested by cookbook.test.yaml beside this file."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

HERE = pathlib.Path(__file__).resolve().parent
PAGE = (HERE.parents[2] / "docs" / "cookbook.md").read_text()
NUDGE = os.environ["NUDGE"]
RECIPES = re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S)


def blocks(text):
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)


class Cookbook(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = pathlib.Path(temp.name)
        (self.folder / "schemas").mkdir()
        (self.folder / "rules").mkdir()
        (self.folder / "schemas" / "catalog.yaml").write_text(re.search(r"^```yaml catalog\n(.*?)^```$", PAGE, re.M | re.S).group(1))
        for n, (_, text) in enumerate(RECIPES):
            for part in blocks(text):
                (self.folder / "rules" / f"recipe-{n:02}.yaml").write_text(part)

    def nudge(self, *args):
        return subprocess.run([NUDGE, *args, str(self.folder)], capture_output=True, text=True, timeout=120)

    def test_there_are_many_and_each_has_one_block(self):
        self.assertGreaterEqual(len(RECIPES), 40)
        for title, text in RECIPES:
            self.assertEqual(len(blocks(text)), 1, title)

    def test_they_compile(self):
        ran = self.nudge("check")
        self.assertIn(ran.returncode, (0, 3), ran.stdout + ran.stderr)  # warnings speak of recipes that reach the same customers, which one company would not use together
        self.assertNotIn("error", ran.stdout)

    def test_they_do_what_they_say(self):
        shutil.copy(HERE / "cookbook.test.yaml", self.folder / "rules")
        ran = self.nudge("test")
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("all passed", ran.stdout)

    def test_the_tests_notice_each_recipe_that_is_broken(self):
        """All are broken at once: segments are true for nobody, rules paused. Each recipe's name must stand in a failure."""
        shutil.copy(HERE / "cookbook.test.yaml", self.folder / "rules")
        for file in (self.folder / "rules").glob("recipe-*.yaml"):
            file.write_text(broken(file.read_text()))
        ran = self.nudge("test")
        self.assertEqual(ran.returncode, 1, ran.stdout + ran.stderr)
        said = set(re.findall(r"[\w-]+", ran.stdout))
        for title, text in RECIPES:
            names = [name.value for key, section in yaml.compose(blocks(text)[0]).value if key.value in ("segments", "rules") for name, _ in section.value]
            self.assertTrue(names and said.issuperset(names), f"{title}: no test fails when {names} does nothing")


def broken(text):
    """The recipe with its segment true for nobody, or its rule paused."""
    for key, section in yaml.compose(text).value:
        for name, body in section.value if key.value in ("segments", "rules") else []:
            if key.value == "rules":
                plain = re.sub(r"(?m)^    state: .*\n", "", text)
                return plain.replace(f"  {name.value}:\n", f"  {name.value}:\n    state: paused\n", 1)
            where = next(value for k, value in body.value if k.value == "where")
            return text[:where.start_mark.index] + "{tag: no-such}" + ("\n" if where.flow_style is not True else "") + text[where.end_mark.index:]
    raise AssertionError("neither a segment nor a rule")


if __name__ == "__main__":
    unittest.main(verbosity=2)
