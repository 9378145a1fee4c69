#!/usr/bin/env python3
"""Backups of a real nudged under load, restored and compared. NUDGED and NUDGE name the programs."""
import json
import os
import pathlib
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "daemon"))
from harness import Daemon  # noqa: E402

RULES = """
rules:
  pinged:
    category: sales
    when: {event: ping, where: {field: n, at_least: 1000000}}
    then: [{ticket: {subject: "no"}}]
"""


def nudge(*words, code=0):
    ran = subprocess.run([os.environ["NUDGE"], "--lang", "en", *words], capture_output=True, text=True, timeout=120)
    assert ran.returncode == code, (words, ran.returncode, ran.stdout, ran.stderr)
    return ran.stdout.strip() if code == 0 else ran.stdout + ran.stderr


class Backup(unittest.TestCase):
    def setUp(self):
        self.d = Daemon(rules=RULES)
        self.addCleanup(self.d.close)
        self.d.start()
        self.place = self.d.home + "/backups"
        self.sent = 0

    def send(self, count):
        self.d.lines([{"customer": f"c{(self.sent + i) % 500}", "event": "ping", "id": str(self.sent + i), "data": {"n": self.sent + i}} for i in range(count)])
        self.sent += count

    def create(self, *words):
        return json.loads(nudge("--local", self.d.home + "/data", "-o", "json", "backup", "create", self.place, *words))

    def restored(self, *words):
        """A second nudged on what was restored."""
        other = Daemon(rules=RULES)
        self.addCleanup(other.close)
        nudge("restore", self.place, "--to", other.home + "/data", *words)
        return other.start()

    def test_the_restored_directory_has_the_same_state(self):
        self.send(5000)
        token = nudge("--local", self.d.home + "/data", "token", "create", "keeper", "--role", "admin")
        headers = {"Authorization": "Bearer " + token}
        digest = self.d.request("GET", "/v1/digest", headers=headers).json
        self.assertEqual(digest["customers"], 500)
        made = self.create()
        self.assertEqual((made["number"], made["new_bytes"]), (1, made["bytes"]))
        self.assertGreater(made["bytes"], 10_000)
        other = self.restored()
        self.assertEqual(other.request("GET", "/v1/digest", headers=headers).json, digest, "with the accounts, too")
        self.assertIn("whole", nudge("--local", other.home + "/data", "audit", "verify"))
        replay = other.request("POST", "/v1/digest/replay", headers=headers).json
        self.assertEqual(replay["digest"], digest["digest"])
        # It goes on from there.
        answer = other.request("POST", "/v1/events", {"customer": "c499", "event": "ping", "id": "4999"}, headers)
        self.assertEqual(answer.status, 409, "what was taken in is known there")
        self.assertEqual(other.request("POST", "/v1/events", {"customer": "new", "event": "ping"}, headers).status, 200)
        other.kill()
        other.start()
        self.assertEqual(other.request("GET", "/v1/digest", headers=headers).json["customers"], 501)

    def test_under_load_all_that_was_acknowledged_before_is_in_it_and_only_what_is_new_is_written(self):
        acknowledged, stop = [], threading.Event()

        def load():
            n = 0
            while not stop.is_set():
                self.d.lines([{"customer": f"w{n}", "event": "ping", "id": str(i)} for i in range(20)])
                acknowledged.append(f"w{n}")
                n += 1
        self.send(20_000)
        thread = threading.Thread(target=load)
        thread.start()
        try:
            self.d.until(lambda: len(acknowledged) > 5)
            first = self.create()
            before = len(acknowledged)
            self.d.until(lambda: len(acknowledged) > before + 5)
            known = list(acknowledged)
            second = self.create()
            after = len(acknowledged)
        finally:
            stop.set()
            thread.join()
        self.assertEqual((first["number"], second["number"]), (1, 2))
        self.assertLess(second["new_bytes"], second["bytes"], "what is there is not written again")
        self.assertGreater(after, len(known) - 1)
        self.assertGreater(len(known), 10)
        other = self.restored()
        for customer in known:
            self.assertEqual(other.request("GET", "/v1/customers/" + customer).status, 200, customer)
        for equation in other.get("/v1/status")["balance"]:
            self.assertTrue(equation["holds"], equation)
        listed = [json.loads(line) for line in nudge("-o", "json", "backup", "list", self.place).splitlines()]
        self.assertEqual([b["number"] for b in listed], [1, 2])
        earlier = self.restored("--number", "1")
        self.assertLess(earlier.get("/v1/status")["counters"]["stored"], other.get("/v1/status")["counters"]["stored"])

    def test_damage_is_found_and_nothing_is_written_over(self):
        self.send(1000)
        self.create()
        self.assertIn("is whole", nudge("backup", "verify", self.place))
        for path, _, names in os.walk(self.place):
            for name in names:
                self.assertEqual(os.stat(path + "/" + name).st_mode & 0o077, 0, name)
        files = sorted(os.listdir(self.place + "/files"), key=lambda f: -os.path.getsize(self.place + "/files/" + f))
        for name in files[:3]:
            path = self.place + "/files/" + name
            with open(path, "r+b") as file:
                content = file.read()
                file.seek(len(content) // 2)
                file.write(bytes([content[len(content) // 2] ^ 1]))
            target = self.d.home + "/back"
            self.assertIn("not what was written", nudge("backup", "verify", self.place, code=1))
            self.assertIn("not what was written", nudge("restore", self.place, "--to", target, code=1))
            self.assertEqual(os.listdir(target), [])
            os.rmdir(target)
            with open(path, "wb") as file:
                file.write(content)
        os.truncate(self.place + "/backups/1", os.path.getsize(self.place + "/backups/1") - 1)
        self.assertIn("damaged", nudge("backup", "verify", self.place, code=1))
        os.makedirs(self.d.home + "/mine")
        self.d.write("mine/note.txt", "x")
        self.assertIn("no backup", nudge("--local", self.d.home + "/data", "backup", "create", self.d.home + "/mine", code=1))
        self.assertEqual(os.listdir(self.d.home + "/mine"), ["note.txt"])

    def test_never_over_data_and_old_ones_go(self):
        for n in range(4):
            self.send(500)
            self.create("--keep", "2")
        listed = [json.loads(line)["number"] for line in nudge("-o", "json", "backup", "list", self.place).splitlines()]
        self.assertEqual(listed, [3, 4])
        for number in ("3", "4"):
            self.assertIn("is whole", nudge("backup", "verify", self.place, "--number", number))
        needed = set()
        for number in ("3", "4"):
            with open(f"{self.place}/backups/{number}") as file:
                needed |= {line.split()[0] for line in file.read().splitlines()[2:-1]}
        self.assertEqual(set(os.listdir(self.place + "/files")), needed)
        self.assertIn("exists", nudge("restore", self.place, "--to", self.d.home + "/data", code=1))
        self.assertEqual(self.d.get("/v1/status")["ready"], True)


if __name__ == "__main__":
    unittest.main(verbosity=1)
