#!/usr/bin/env python3
"""The demo plays its story to the end, twice: afresh, and going on with the data of the first run."""
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

from support import REPO, nudge


class Demo(unittest.TestCase):
    def play(self, home, *more):
        return subprocess.run(["/usr/bin/python3", REPO / "deploy" / "demo-company" / "demo.py", "--once", "--home", home, "--build", os.environ["NUDGE_BUILD"], "--port", "0", *more],
                              capture_output=True, text=True, timeout=240)

    def test_twice(self):
        with tempfile.TemporaryDirectory() as folder:
            home = pathlib.Path(folder) / "demo"
            first = self.play(home)
            self.assertEqual(first.returncode, 0, first.stdout + first.stderr)
            for part in (" rule packs checked: birthday, contract-renewal, dormant-return", "0 firings: history counts, but fires nothing", "a mandatory call task for", "hired", "a ticket in the management's system",
                         "marketing hears of it by a signed webhook", "a mail to", "Nobody follows up", "the books add up", "✓ all of", "Where to look"):
                self.assertIn(part, first.stdout)
            # All packs in one company: no mistake, and nothing that is legal but wrong.
            checked = nudge("check", "--strict", home)
            self.assertEqual((checked.code, "warning" in checked.out), (0, False), checked)
            second = self.play(home, "--keep")
            self.assertEqual(second.returncode, 0, second.stdout + second.stderr)
            self.assertIn("2,000 known already", second.stdout)
            self.assertIn("a mandatory call task for", second.stdout)

    def test_it_runs_until_interrupted(self):
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(["/usr/bin/python3", REPO / "deploy" / "demo-company" / "demo.py", "--home", f"{folder}/demo", "--build", os.environ["NUDGE_BUILD"], "--port", "0", "--customers", "200"],
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            try:
                lines, url = [], None
                for line in process.stdout:
                    lines.append(line)
                    if "nudged runs at" in line:
                        url = line.split("nudged runs at ")[1].split(",")[0]
                    if "Ctrl-C ends the demo" in line:
                        break
                self.assertIsNotNone(url, "".join(lines))
                self.assertEqual(nudge("status", url=url).code, 0)
                self.assertIn("dormant-return", nudge("tasks", url=url).out)
                process.send_signal(signal.SIGINT)
                rest = process.communicate(timeout=60)[0]
                self.assertEqual(process.returncode, 0, rest)
                self.assertEqual(nudge("status", url=url).code, 4, "nudged has stopped, too")
            finally:
                if process.poll() is None:
                    process.kill()
                    process.communicate()

    def test_the_company_is_always_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("a", "b"):
                subprocess.run(["/usr/bin/python3", REPO / "deploy" / "demo-company" / "company.py", "--out", f"{folder}/{name}", "--day", "2026-05-04"], check=True, stdout=subprocess.DEVNULL)
            for file in ("customers.csv", "contacts.csv.gz", "orders.csv"):
                a, b = ((pathlib.Path(folder) / name / file).read_bytes() for name in ("a", "b"))
                self.assertTrue(a == b and len(a) > 10_000, file)


if __name__ == "__main__":
    unittest.main(verbosity=2)
