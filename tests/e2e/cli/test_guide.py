#!/usr/bin/env python3
"""docs/guide.md, its first half hour, followed word for word: each file is written as it stands there, each command run, each line of output compared.

A yaml or csv block whose first line is `# file: PATH` is a file. In a console block `$ COMMAND` is run; the lines below it are its output, where `…` stands
for anything and a block that shows nothing below a command promises nothing. The daemon gets a free port, which the guide's reader does not need."""
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest

from support import NUDGE, REPO

PAGE = (REPO / "docs" / "guide.md").read_text(encoding="utf-8")
PART = PAGE[PAGE.index("# Half an hour"):PAGE.index("# What else")]


def steps():
    """("file", path, text) and ("run", command, expected lines), in the page's order."""
    for kind, body in re.findall(r"^```(\w+)[^\n]*\n(.*?)^```$", PART, re.M | re.S):
        if kind == "console":
            for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", body, re.M):
                yield "run", command, shown.rstrip("\n").split("\n") if shown.strip() else []
        elif body.startswith("# file: "):
            first, text = body.split("\n", 1)
            path = first.removeprefix("# file: ").strip()
            yield "file", path, text if path.endswith(".csv") else body


def pattern(line):
    return ".*".join(re.escape(part) for part in line.rstrip().split("…"))


class Guide(unittest.TestCase):
    def test_word_for_word(self):
        with tempfile.TemporaryDirectory(prefix="nudge-guide-") as folder:
            path = os.pathsep.join([str(pathlib.Path(NUDGE).parent), str(pathlib.Path(os.environ["NUDGED"]).parent), os.environ["PATH"]])
            self.env = {**os.environ, "PATH": path, "NUDGE_HTTP_PORT": "0", "LANG": "C.UTF-8", "USER": "you"}
            self.folder, self.daemon, ran = pathlib.Path(folder), None, 0
            try:
                for kind, what, more in steps():
                    if kind == "file":
                        (self.folder / what).parent.mkdir(parents=True, exist_ok=True)
                        (self.folder / what).write_text(more, encoding="utf-8")
                    elif what.startswith("nudged "):
                        self.start(what.rstrip(" &"))
                    else:
                        self.run_one(what, more)
                        ran += 1
            finally:
                if self.daemon is not None:
                    self.daemon.send_signal(signal.SIGTERM)
                    self.daemon.wait(60)
                    self.daemon.stdout.close()
            self.assertGreaterEqual(ran, 15)

    def test_the_mapping_of_the_reference(self):
        """The long example of a mapping, on the rows that it speaks of."""
        text = re.search(r"^```yaml\n(# orders\.map\.yaml\n.*?)^```$", PAGE, re.M | re.S).group(1)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "schemas").mkdir()
            (folder / "rules").mkdir()
            (folder / "schemas" / "catalog.yaml").write_text(
                "customer: {attributes: {tier: {type: text, one_of: [bronze, silver, gold]}, country: text}}\n"
                "events: {order_placed: {fields: {amount: decimal, channel: text, sku: text}}}\n")
            (folder / "rules" / "rules.yaml").write_text(
                "segments:\n  web: {where: {event: order_placed, where: {all: [{field: channel, equals: web}, {field: sku, equals: unknown}]}, sum: {field: amount, equals: 12.5}}}\n"
                "  gold: {where: {all: [{attribute: tier, equals: gold}, {attribute: country, equals: CN}]}}\n")
            (folder / "m.yaml").write_text(text)
            (folder / "orders.csv").write_text("customer_no,date,total,ch,product,level\n1,31.01.2026,12.50,W,,3\n2,31.01.2026,12.50,S,saw,1\n")
            ran = subprocess.run([NUDGE, "replay", str(folder), "--data", str(folder / "orders.csv"), "--mapping", str(folder / "m.yaml"),
                                  "--at", "2026-01-31", "--members", "-"], capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            self.assertIn('{"segment":"web","at":"2026-01-31T00:00:00Z","ids":["1"]}', ran.stdout)
            self.assertIn('{"segment":"gold","at":"2026-01-31T00:00:00Z","ids":["1"]}', ran.stdout)

    def test_every_command_of_the_page_is_in_the_part_that_is_followed(self):
        self.assertEqual(PAGE.count("```console"), PART.count("```console"))

    def start(self, command):
        self.daemon = subprocess.Popen(command.split(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.folder, env=self.env)
        line = self.daemon.stdout.readline().decode()
        self.assertIn(" on http://", line)
        self.env["NUDGE_URL"] = line.strip().split(" on ", 1)[1].split()[0]

    def run_one(self, command, shown):
        want = "\n".join(pattern(line) for line in shown)
        for _ in range(100 if shown else 1):  # what the daemon does in the background takes a moment
            ran = subprocess.run(command, shell=True, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
            got = "\n".join(line.rstrip() for line in (ran.stdout + ran.stderr).strip("\n").split("\n"))
            if not shown or re.fullmatch(want, got, re.S):
                break
            if self.daemon is None:
                break
            time.sleep(0.1)
        if shown:
            self.assertRegex(got + "\n", f"(?s)\\A{want}\n\\Z", f"$ {command}")
        else:
            self.assertEqual(ran.returncode, 0, f"$ {command}\n{got}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
