#!/usr/bin/env python3
"""Every shipped rule pack compiles without a warning, passes its own tests, and says to a salesperson what it does; and all of them work together."""
import pathlib
import re
import shutil
import tempfile
import unittest

from support import REPO, nudge

PACKS = sorted(p for p in (REPO / "rules" / "packs").iterdir() if p.is_dir())
WANTED = {"dormant-return", "high-value-lead", "quote-follow-up", "third-ticket", "order-to-marketing", "contract-renewal"}


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

    def test_a_test_can_fail(self):
        """Each rule is broken on purpose; its pack's tests must notice."""
        for pack in PACKS:
            with self.subTest(pack.name), tempfile.TemporaryDirectory() as folder:
                copy = pathlib.Path(folder) / pack.name
                shutil.copytree(pack, copy)
                for file in (copy / "rules").glob("*.yaml"):
                    if not file.name.endswith(".test.yaml"):
                        file.write_text(re.sub(r"(?m)^(    priority: \d+)$", r"\1\n    state: paused", file.read_text()))
                ran = nudge("test", copy)
                self.assertEqual(ran.code, 1, ran)
                self.assertRegex(ran.out, r"FAIL .*\n +\S+\.test\.yaml:\d+: ")

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
            self.assertIn(f"{len(PACKS)} rules", ran.out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
