#!/usr/bin/env python3
"""The examples of docs/api.md, run as they stand there, one after the other, against what `nudge new` makes. NUDGED and NUDGE name the programs."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "e2e" / "daemon"))
from harness import Daemon  # noqa: E402

TOKEN = "example-" + "t" * 40


def examples():
    """[(command, the answer that stands below it, or None)]"""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").split("## By hand\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```(sh|json)\n(.*?)```", text, re.S)
    found = []
    for kind, block in blocks:
        if kind == "sh":
            found.append([block, None])
        else:
            assert found and found[-1][1] is None, block
            found[-1][1] = json.loads(block)
    return found


class Examples(unittest.TestCase):
    def fits(self, shown, got, where="answer"):
        """All that is shown is in it; `…` is anything."""
        if shown == "…":
            return
        if isinstance(shown, str) and "…" in shown:
            self.assertRegex(got, "^" + ".*".join(map(re.escape, shown.split("…"))) + "$", where)
        elif isinstance(shown, dict):
            self.assertIsInstance(got, dict, where)
            for key, value in shown.items():
                self.assertIn(key, got, where)
                self.fits(value, got[key], f"{where}.{key}")
        elif isinstance(shown, list):
            self.assertEqual(len(shown), len(got), where)
            for i, value in enumerate(shown):
                self.fits(value, got[i], f"{where}[{i}]")
        else:
            self.assertEqual(shown, got, where)

    def test_each_of_them(self):
        found = examples()
        self.assertGreaterEqual(len(found), 15)
        with tempfile.TemporaryDirectory() as folder, Daemon(config=f"http: {{port: 0, token: {{file: {folder}/token}}}}\n") as d:
            (pathlib.Path(folder) / "token").write_text(TOKEN + "\n", encoding="utf-8")
            os.chmod(folder + "/token", 0o600)
            subprocess.run([os.environ["NUDGE"], "new", "project", folder + "/shop"], check=True, capture_output=True)
            for part in ("schemas", "rules"):
                shutil.rmtree(f"{d.home}/{part}")
                shutil.copytree(f"{folder}/shop/{part}", f"{d.home}/{part}")
            d.start()
            for command, shown in found:
                with self.subTest(command):
                    ran = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60,
                                         env={**os.environ, "NUDGE": f"http://127.0.0.1:{d.port}", "TOKEN": TOKEN})
                    self.assertEqual((ran.returncode, ran.stderr), (0, ""), command)
                    if shown is not None:
                        self.fits(shown, json.loads(ran.stdout.splitlines()[0]))

    def test_the_documents_of_the_text_are_taken_in(self):
        """Those under "What comes in", with a catalog that has what they name."""
        text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").split("## What comes in")[1]
        block = re.search(r"```json\n(.*?)```", text, re.S).group(1)
        decoder, documents, at = json.JSONDecoder(), [], 0
        while (begin := block.find("{", at)) >= 0:
            document, at = decoder.raw_decode(block, begin)
            documents.append(document)
        self.assertGreaterEqual(len(documents), 5)
        catalog = """
customer: {attributes: {tier: text, phone: phone, address: {type: object, fields: {city: text}}}}
events: {order_placed: {fields: {amount: decimal, sku: text}}}
"""
        with Daemon(catalog=catalog, rules="rules: {}\n") as d:
            d.start()
            for document in documents:
                self.assertEqual(d.post("/v1/events", document), {"status": "stored"}, document)


if __name__ == "__main__":
    unittest.main(verbosity=2)
