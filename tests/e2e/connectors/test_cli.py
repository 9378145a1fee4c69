#!/usr/bin/env python3
"""nudge-connector as a command: --describe, --check, wrong usage; maildrop; the schema that a plugin prints."""
import concurrent.futures
import json
import os
import re
import subprocess
import time
import unittest

import jsonschema
import yaml
from harness import PLUGINS, RUNNER, Connector, ConnectorTest

KINDS = {"maildrop": ("key", "retry"), "smtp": ("none", "retry"), "sms": ("query", "verify"), "ticket": ("query", "verify"), "webhook": ("key", "retry")}


def run(*arguments, **more):
    return subprocess.run([RUNNER, *arguments], capture_output=True, text=True, timeout=30, **more)


class CommandTest(ConnectorTest):
    def write(self, name, value):
        path = os.path.join(self.directory, name)
        with open(path, "w") as file:
            file.write(value if isinstance(value, str) else json.dumps(value))
        return path

    def test_describe(self):
        for kind, (idempotency, on_unknown) in KINDS.items():
            with self.subTest(kind=kind):
                done = run("--describe", os.path.join(PLUGINS, kind + ".so"))
                self.assertEqual(done.returncode, 0, done.stderr)
                description = json.loads(done.stdout)
                self.assertEqual((description["kind"], description["idempotency"], description["default_on_unknown"]), (kind, idempotency, on_unknown))
                self.assertTrue(description["channels"])
                jsonschema.Draft202012Validator.check_schema(description["config_schema"])
        self.assertEqual(run("--describe", "/nonexistent.so").returncode, 1)

    def test_schema_and_check_agree(self):
        secret = self.secret("s", "whsec_" + "A" * 43 + "=")
        good = {
            "maildrop": [{"directory": self.directory + "/drop"}],
            "smtp": [{"host": "m.example", "from": "a@b.example"}, {"host": "m", "from": "a@b", "port": 465, "security": "tls", "username": "u", "password": secret}],
            "sms": [{"provider": "generic_http", "url": "https://x", "headers": {"A": "b", "C": secret}},
                    {"provider": "aliyun", "access_key_id": "i", "access_key_secret": secret},
                    {"provider": "tencent", "secret_id": "i", "secret_key": secret, "sdk_app_id": "1"},
                    {"provider": "twilio", "account_sid": "AC", "auth_token": secret, "from": "+1"}],
            "ticket": [{"provider": "generic_http", "url": "http://x", "lookup_url": "http://x/{id}"},
                       {"provider": "zendesk", "url": "https://x", "zendesk_email": "e", "zendesk_token": secret},
                       {"provider": "jira", "url": "https://x", "jira_email": "e", "jira_token": secret, "project": "P"}],
            "webhook": [{"url": "https://x", "secrets": [secret]}],
        }
        broken = [("unknown_field", 1), ("timeout_ms", "5"), ("timeout_ms", -1), ("ca_file", ""), ("ca_file", "a\nb")]
        compared = 0
        for kind, configs in good.items():
            schema = json.loads(run("--describe", os.path.join(PLUGINS, kind + ".so")).stdout)["config_schema"]
            validator = jsonschema.Draft202012Validator(schema)
            for config in configs:
                cases = [(config, True)] + [({**config, name: value}, False) for name, value in broken]
                cases += [({k: v for k, v in config.items() if k != name}, False) for name in schema["required"]]
                cases += [({**config, name: "literal secret"}, False) for name, value in config.items() if value == secret]
                for case, expected in cases:
                    done = run("--check", self.write("c.json", case), "--plugin", os.path.join(PLUGINS, kind + ".so"))
                    with self.subTest(kind=kind, case=case):
                        self.assertEqual(done.returncode == 0, expected, done.stderr)
                        self.assertEqual(validator.is_valid(case), expected, "the schema and the check differ")
                        compared += 1
        self.assertGreater(compared, 60)

    def test_check_changes_nothing(self):
        path = self.write("c.json", {"directory": self.directory + "/not/yet"})
        self.assertEqual(run("--check", path, "--plugin", os.path.join(PLUGINS, "maildrop.so")).returncode, 0)
        self.assertFalse(os.path.exists(self.directory + "/not"))

    def test_examples_of_the_documentation(self):
        page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../docs/connectors.md")
        with open(page) as file:
            blocks = re.findall(r"```yaml\n(.*?)```", file.read(), re.S)
        checked = 0
        for block in blocks:
            for name, config in yaml.safe_load(block)["connectors"].items():
                kind = config.pop("kind")
                config.pop("process", None)
                if config.pop("command", None):
                    continue
                schema = json.loads(run("--describe", os.path.join(PLUGINS, kind + ".so")).stdout)["config_schema"]
                with self.subTest(name=name):
                    jsonschema.validate(config, schema)
                    checked += 1
        self.assertGreaterEqual(checked, 10)

    def test_check_names_every_mistake(self):
        config = self.write("connectors.json", {"connectors": [
            {"name": "drop", "kind": "maildrop", "config": {"directory": self.directory + "/d"}},
            {"name": "mail", "kind": "smtp", "config": {"host": "m", "port": 70000, "security": "ssl", "username": "u", "from": "nobody", "hots": "x"}},
            {"name": "hook", "kind": "webhook", "config": {"url": "http://x", "secrets": [{"env": "NOT_SET_1"}, {"file": "/nonexistent/secret"}]}},
            {"name": "other", "kind": "carrier-pigeon", "config": {}},
            {"config": {}}]})
        done = run("--check", config, env={"PATH": "/usr/bin:/bin"})
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout.strip(), "drop: ok")
        for words in ["mail: port: must be between 1 and 65535", "mail: security: must be one of starttls, tls, none", "mail: from: it is no e-mail address",
                      "mail: hots: no such field", "mail: password: give username and password", "hook: url: is not https",
                      "hook: secrets[0]: the environment variable NOT_SET_1 is not set", "hook: secrets[1]: the secret file /nonexistent/secret can't be opened",
                      "other: no plugin at", 'connectors[4]: needs "kind"']:
            self.assertIn(words, done.stderr)
        self.assertEqual(len(done.stderr.strip().split("\n")), 10, done.stderr)

    def test_broken_config_files(self):
        for text, words in [("{\n\n  nonsense", ":3: no valid JSON"), ('{} {}', "text after the end"), ("[]", "needs"), ('{"connectors": 5}', "must be a list"),
                            ("[" * 100000, "no valid JSON"), ("", "no valid JSON")]:
            with self.subTest(text=text[:20]):
                done = run("--check", self.write("bad.json", text))
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(words, done.stderr)
        self.assertIn("can't open", run("--check", "/nonexistent.json").stderr)

    def test_world_readable_secret_is_refused(self):
        path = self.secret("s", "whsec_" + "A" * 43 + "=")["file"]
        os.chmod(path, 0o644)
        done = run("--check", self.write("c.json", {"url": "https://x", "secrets": [{"file": path}]}), "--plugin", os.path.join(PLUGINS, "webhook.so"))
        self.assertIn(f"chmod 600 {path}", done.stderr)

    def test_usage(self):
        for arguments in [(), ("--plugin",), ("--frobnicate", "x"), ("--limit-memory", "-5", "--plugin", "x"), ("--limit-cpu", "many", "--plugin", "x")]:
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("usage:", done.stderr)
        self.assertEqual(run("--help").returncode, 0)


class LimitsTest(ConnectorTest):
    def test_limits_reach_the_program(self):
        code = ("import resource as r, os; print([r.getrlimit(x)[0] for x in (r.RLIMIT_AS, r.RLIMIT_CPU, r.RLIMIT_NOFILE, r.RLIMIT_CORE)],"
                " [l for l in open('/proc/self/status') if l.startswith('NoNewPrivs')][0].split()[1])")
        done = run("--limit-memory", "1000000000", "--limit-cpu", "77", "--limit-files", "99", "--exec", "/usr/bin/python3", "-c", code)
        self.assertEqual(done.returncode, 0, done.stderr)
        sanitized = "[-1" if done.stdout.startswith("[-1") else "[1000000000"  # a build with sanitizers sets no limit on addresses
        self.assertEqual(done.stdout.strip(), sanitized + ", 77, 99, 0] 1")
        self.assertEqual(run("--exec", "/nonexistent").returncode, 127)

    def test_it_dies_with_its_parent(self):
        code = ("import subprocess, os, sys, time\n"
                f"child = subprocess.Popen([{RUNNER!r}, '--parent', str(os.getpid()), '--exec', '/bin/sleep', '600'])\n"
                "print(child.pid, flush=True)\ntime.sleep(600)")
        parent = subprocess.Popen(["/usr/bin/python3", "-c", code], stdout=subprocess.PIPE)
        pid = int(parent.stdout.readline())

        def name():
            try:
                with open(f"/proc/{pid}/stat") as file:
                    fields = file.read().rsplit(")", 1)
                return None if fields[1].split()[0] == "Z" else fields[0].split("(")[1]
            except FileNotFoundError:
                return None
        for _ in range(500):
            if name() == "sleep":
                break
            time.sleep(0.01)
        self.assertEqual(name(), "sleep")
        parent.kill()
        parent.wait()
        parent.stdout.close()
        for _ in range(500):
            if name() is None:
                return
            time.sleep(0.01)
        self.fail("the connector outlived its parent")


class MaildropTest(ConnectorTest):
    def test_every_message_once(self):
        drop = os.path.join(self.directory, "a/b/drop")
        with Connector("maildrop", {"directory": drop}) as connector:
            payload = '{"to": "a@b", "text": "价格 12.10", "amount": 12.10}'
            first = self.accepted(connector.deliver(payload, action_id="00ff"))
            self.assertEqual(first["provider_ref"], "00ff.json")
            before = os.stat(os.path.join(drop, "00ff.json"))
            self.accepted(connector.deliver(payload, action_id="00ff", attempt=2))
            after = os.stat(os.path.join(drop, "00ff.json"))
            self.assertEqual((before.st_ino, before.st_mtime_ns), (after.st_ino, after.st_mtime_ns), "a repeat wrote again")
            self.accepted(connector.query("{}", action_id="00ff"))
            self.retry(connector.query("{}", action_id="00fe"))
            for bad in ("../../etc/x", "a/b", "", "x" * 300, "a\nb"):
                self.refused(connector.deliver(payload, action_id=bad))
            with open(os.path.join(drop, "00ff.json")) as file:
                text = file.read()
            self.assertIn(payload, text, "the payload's bytes must be kept")
            self.assertEqual(json.loads(text)["action_id"], "00ff")
            numbers = [connector.start(payload, action_id=f"{n % 50:04x}") for n in range(200)]  # four times the same fifty
            for number in numbers:
                self.accepted(connector.wait(number))
        self.assertEqual(sorted(os.listdir(drop)), sorted({f"{n:04x}.json" for n in range(50)} | {"00ff.json"}))
        self.assertEqual(os.stat(drop).st_mode & 0o777, 0o700)

    def test_two_processes_write_the_same(self):
        drop = os.path.join(self.directory, "drop")
        with Connector("maildrop", {"directory": drop}) as one, Connector("maildrop", {"directory": drop}) as two:
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                jobs = [pool.submit(lambda c: [c.wait(c.start('{"x":1}', action_id=f"{n:04x}"))["status"] for n in range(100)], c) for c in (one, two)]
                for job in jobs:
                    self.assertEqual(set(job.result()), {"accepted"})
        self.assertEqual(len(os.listdir(drop)), 100)

    def test_no_directory(self):
        path = self.secret("file", "x")["file"]
        for directory in (path, path + "/below", "relative/path"):
            connector = Connector("maildrop", {"directory": directory}, expect_ok=False)
            self.assertFalse(connector.hello["ok"])
            self.assertIn("directory", connector.hello["detail"])
            connector.stop()

    def test_garbage_requests_are_survived(self):
        with Connector("maildrop", {"directory": self.directory + "/d"}) as connector:
            for line in ("nonsense", "[]", "{}", '{"op":"fly","id":5}', "[" * 100000, '{"op":"hello","id":0}', "\x00"):
                connector._send(line)
            self.accepted(connector.deliver("{}", action_id="01"))


if __name__ == "__main__":
    unittest.main()
