#!/usr/bin/env python3
"""Data directories that earlier releases left behind, opened by this one. NUDGED and NUDGE name the programs."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "daemon"))
from harness import Daemon  # noqa: E402
from make import known, seen  # noqa: E402

RELEASES = sorted(p.name.removesuffix(".tar.xz") for p in HERE.glob("*.tar.xz"))


class Upgrade(unittest.TestCase):
    maxDiff = 4000

    def opened(self, release):
        d = Daemon()
        self.addCleanup(d.close)
        shutil.rmtree(d.home + "/rules")
        shutil.rmtree(d.home + "/schemas")
        with tarfile.open(HERE / f"{release}.tar.xz") as tar:
            tar.extractall(d.home, filter="data")
        os.chmod(d.home + "/data", 0o700)
        return d.start(), json.loads((HERE / f"{release}.json").read_text(encoding="utf-8"))

    def test_all_of_it_is_there_and_the_log_gives_the_same_again(self):
        self.assertIn("0.1.0", RELEASES)
        for release in RELEASES:
            with self.subTest(release=release):
                d, was = self.opened(release)
                headers = {"Authorization": was["token"]}
                now = seen(d, headers)
                # The same rules may be another plan in a release that knows more; the versions before it stay as they were.
                now["versions"] = now["versions"][-len(was["versions"]):]
                now = known(was, now)
                for part in was.keys() - {"digest", "token", "internal"}:
                    self.assertEqual(now[part], was[part], part)
                self.assertGreater(len(was["profiles"]), 15)
                self.assertTrue(any(p["waiting_steps"] for p in was["profiles"]))
                digest = d.request("GET", "/v1/digest", headers=headers).json
                replay = d.request("POST", "/v1/digest/replay", headers=headers).json
                self.assertTrue(replay["same_decisions"], replay)
                # The second half is also of the instants that states wait for: lower bounds, and this release may choose others.
                self.assertEqual(replay["digest"].split("-")[0], digest["digest"].split("-")[0])
                self.assertGreater(replay["decisions"], 10)

    def test_it_goes_on_from_there(self):
        for release in RELEASES:
            with self.subTest(release=release):
                d, was = self.opened(release)
                headers = {"Authorization": was["token"]}
                known_one = {"customer": "c1", "event": "order_placed", "id": "big-1", "data": {"amount": 101, "sku": "BIG"}}
                self.assertEqual(d.request("POST", "/v1/events", known_one, headers).json["status"], "duplicate")
                self.assertEqual(d.request("POST", "/v1/events", {**known_one, "data": {"amount": 102, "sku": "BIG"}}, headers).status, 409)
                self.assertEqual(d.request("POST", "/v1/events", {"customer": "fresh", "event": "order_placed", "id": "1", "data": {"amount": 1}}, headers).status, 200)
                # The chain of changes goes on, and states are written anew in this release's form.
                verify = subprocess.run([os.environ["NUDGE"], "--local", d.home + "/data", "--lang", "en", "audit", "verify"], capture_output=True, text=True)
                self.assertIn("whole", verify.stdout, verify)
                self.assertEqual(d.stop(), 0, d.text_log())
                d.start()
                self.assertIn("1", [e["id"] for e in d.request("GET", "/v1/customers/fresh", headers=headers).json["events"]])
                status = d.request("GET", "/v1/status", headers=headers).json
                self.assertEqual([e for e in status["balance"] if not e["holds"]], [])
                self.assertEqual(status["counters"]["stored"], was["counters"]["stored"] + 1 + status["counters"]["internal"] - was["internal"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
