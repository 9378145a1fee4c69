#!/usr/bin/env python3
"""The workload's bytes, by hash: they are those of the generator that the known answers were computed with.

Usage: workload_test.py NUDGE-WORKLOAD
"""
import hashlib
import subprocess
import sys
import unittest

KNOWN = {
    "customers --customers 2000": "d12191773d14672638de49fabde1be6ed08a538cb33eb302f29a257c916ce446",
    "events --customers 2000 --events 20000": "4f40295ac633740bf60fe8f902c3ba9e84c2f0fda3af9ffd2d764e52c6407e17",
    "events --customers 2000 --events 20000 --attr-rate 0.05": "f3a2fef485b606024db70a92f2c8928e0443fcd0f9ea256605a913ee69cc7902",
    "events --customers 2000 --events 20000 --seed 7 --zipf 0.5": "6f12a7cb49bf261e5edf32c0b5200141b110bec4f3c0e7a69f8ccca39645088c",
    "rules --rules 1000": "7e44aa2c8877bb918b1bea90445f3ce8d0ed6a8b8941a4de04b53bbbf27a249e",
    "rules --rules 1000 --strict 4": "1ad53c68a68a3a478f9928625983178c9d55d7e2441053b45e0a0c976bf85b53",
    "rules --rules 10000 --strict 4": "9ad29bf8dc65e30f4ede894a40833b394e78443b59d90f33f6ce86233a7a9c5d",
}
PROGRAM = sys.argv.pop(1)


class Workload(unittest.TestCase):
    def test_bytes(self):
        for arguments, known in KNOWN.items():
            with self.subTest(arguments):
                out = subprocess.run([PROGRAM, *arguments.split()], check=True, stdout=subprocess.PIPE).stdout
                self.assertEqual(hashlib.sha256(out).hexdigest(), known)

    def test_an_unknown_option_is_refused(self):
        done = subprocess.run([PROGRAM, "rules", "--rulez", "3"], check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"--rulez", done.stderr)


if __name__ == "__main__":
    unittest.main()
