#!/usr/bin/env python3
"""Faults planted one by one: the doctor finds each and says what to do, and finds nothing where there is nothing. The bundle for whoever helps holds no secret.

NUDGED and NUDGE name the programs."""
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "daemon"))
from harness import Daemon  # noqa: E402

def nudge(*words, lang="en"):
    ran = subprocess.run([os.environ["NUDGE"], "--lang", lang, *words], capture_output=True, text=True, timeout=60)
    return ran.returncode, ran.stdout + ran.stderr


class Doctor(unittest.TestCase):
    def start(self, config="", rules=None, **more):
        d = Daemon(config=config, **({"rules": rules} if rules else {}), **more)
        self.addCleanup(d.close)
        return d

    def ask(self, d, *words):
        code, text = nudge("--local", d.home + "/data", "doctor", *words)
        findings = re.findall(r"^(ok|look|WRONG) +(.*)(?:\n +→ (.*))?", text, re.M)
        self.assertTrue(findings, text)
        for state, what, mend in findings:
            self.assertEqual(bool(mend), state != "ok", f"{what}: every finding, and no other, says what to do")
        self.assertEqual(code, 1 if any(state == "WRONG" for state, _, _ in findings) else 0)
        return findings

    def finds(self, d, state, words, *arguments):
        findings = self.ask(d, *arguments)
        self.assertTrue(any(s == state and words in what for s, what, _ in findings), f"{state} {words}: {findings}")

    def backed_up(self, d):
        code, text = nudge("--local", d.home + "/data", "backup", "create", d.home + "/backups")
        self.assertEqual(code, 0, text)

    def test_nothing_where_there_is_nothing(self):
        d = self.start().start()
        nudge("--local", d.home + "/data", "token", "create", "x", "--role", "viewer")
        self.backed_up(d)
        findings = self.ask(d, "--config", d.home + "/nudge.yaml")
        self.assertEqual({state for state, _, _ in findings}, {"ok"}, findings)
        self.assertGreater(len(findings), 6)
        code, text = nudge("--local", d.home + "/data", "doctor", lang="zh")
        self.assertIn("数据只有", text)

    def test_each_fault(self):
        d = self.start().start()
        with self.subTest("credentials, backup"):
            self.finds(d, "look", "nobody is asked for credentials")
            self.finds(d, "look", "no backup was ever made")
        with self.subTest("data directory"):
            os.chmod(d.home + "/data", 0o755)
            self.finds(d, "WRONG", "others may look into the data directory")
            os.chmod(d.home + "/data", 0o700)
        with self.subTest("quarantine"):
            d.lines([{"customer": "c", "event": "nope"}])
            self.finds(d, "look", "1 documents are in quarantine")
        with self.subTest("stop-all"):
            d.post("/v1/stop-all", {"stop": "on", "author": "wu", "reason": "a mistake in a template"})
            self.finds(d, "WRONG", "stop-all is on since")
            d.post("/v1/stop-all", {"stop": "off", "author": "wu", "reason": "mended"})
        with self.subTest("reload"):
            good = d.read("rules/rules.yaml")
            d.write("rules/rules.yaml", good.replace("event: order_placed", "event: order_plaeced"))
            self.assertEqual(d.request("POST", "/v1/reload", b"").status, 422)
            self.finds(d, "WRONG", "the last reload was refused")
            d.write("rules/rules.yaml", good)
            self.assertEqual(d.request("POST", "/v1/reload", b"").status, 200)
            self.assertNotIn("the last reload was refused", str(self.ask(d)))
        with self.subTest("not running"):
            self.assertEqual(d.stop(), 0)
            self.finds(d, "WRONG", "no nudged runs on")
        with self.subTest("killed"):
            d.start()
            d.kill()
            self.finds(d, "WRONG", "nudged does not answer")

    def test_disk_space(self):
        d = self.start()
        d.write("nudge.yaml", d.read("nudge.yaml").replace("low_space: 1MiB", "low_space: 1TiB"))
        d.start()
        self.finds(d, "WRONG", "it takes no events")

    def test_a_connector_that_does_not_start(self):
        d = self.start(config="connectors: {mail: {kind: mine, command: [/bin/false]}}\n").start()
        d.until(lambda: d.get("/v1/connectors")["connectors"][0]["state"] != "ready")
        self.finds(d, "WRONG", "the connector mail is")

    def test_a_certificate_that_expires(self):
        d = self.start(config="http: {port: 0, tls_certificate: c.pem, tls_key: k.pem, host: 0.0.0.0, auth: required}\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3", "-subj", "/CN=elsewhere.example.com",
                        "-keyout", d.home + "/k.pem", "-out", d.home + "/c.pem"], check=True, capture_output=True)
        os.chmod(d.home + "/k.pem", 0o600)
        d.start(wait=False)
        d.process.stdout.readline()
        # It listens everywhere, under another name: --local finds it and takes this certificate only.
        self.finds(d, "WRONG", "the certificate expires in")
        url = d.read("data/nudged.url").strip()
        self.assertIn("https://127.0.0.1:", url)
        code, text = nudge("--url", url, "status")
        self.assertNotEqual(code, 0, "without --local the name counts")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3", "-subj", "/CN=other",
                        "-keyout", d.home + "/k2.pem", "-out", d.home + "/data/nudged.crt"], check=True, capture_output=True)
        self.finds(d, "WRONG", "certificate")

    def test_the_configuration(self):
        d = self.start().start()
        config = d.home + "/nudge.yaml"
        good = d.read("nudge.yaml")
        self.finds(d, "ok", "configuration, catalog and rules are good", "--config", config)
        for text, words in ((good + "connectors: {a: {kind: nothing}}\n", "there is no plugin for kind `nothing`"),
                            (good.replace("schemas_dir: schemas", "schemas_dir: nowhere"), "nowhere")):
            d.write("other.yaml", text)
            code, said = nudge("--local", d.home + "/data", "doctor", "--config", d.home + "/other.yaml")
            self.assertEqual(code, 1)
            self.assertIn(words, said)
        d.write("other.yaml", good.replace("shards: 2", "shards: 99") + "log: {levle: info}\n")
        code, said = nudge("--local", d.home + "/data", "doctor", "--config", d.home + "/other.yaml")
        self.assertTrue("log.levle" in said and "engine.shards" in said, "all mistakes at once")
        os.chmod(config, 0o666)
        self.finds(d, "WRONG", "others may change", "--config", config)

    def test_what_can_be_planted_in_its_answers_only(self):
        """A nudged whose books are off or whose record was changed can't be had; one that says so can."""
        d = self.start().start()
        real = {path: d.request("GET", path) for path in ("/v1/status", "/v1/session", "/v1/audit/verdict", "/metrics")}
        answers = {path: answer.body for path, answer in real.items()}

        class Stand(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = answers.get(self.path, b"{}")
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stand)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}"
        status = json.loads(answers["/v1/status"])

        def planted(at, path, value):
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value

        for path, value, words in ((("balance", 0, "holds"), False, "the books do not add up"), (("counters", "dead"), 3, "3 actions could not be delivered"),
                                   (("counters", "unknown"), 2, "of 2 actions nobody knows"), (("counters", "kept"), 4, "4 actions wait for a person"),
                                   (("policies", "braked"), ["big-order"], "the brake has stopped the rule big-order"), (("policies", "test_mode"), ["a@example.com"], "test mode"),
                                   (("version",), "9.9.9", "nudged is 9.9.9"), (("disk", "free_bytes"), 0, "the disk has 0 MiB left")):
            copy = json.loads(json.dumps(status))
            if path == ("disk", "free_bytes"):
                copy["disk"]["file_bytes"] = 10
            planted(copy, path, value)
            answers["/v1/status"] = json.dumps(copy).encode()
            self.assertIn(words, nudge("--url", url, "doctor")[1])
        answers["/v1/status"] = json.dumps(status).encode()
        answers["/v1/audit/verdict"] = b'{"whole": false, "problem": "record 3 was changed"}'
        self.assertIn("record 3 was changed", nudge("--url", url, "doctor")[1])
        answers["/v1/audit/verdict"] = real["/v1/audit/verdict"].body
        for metric, value, words in (("nudge_timer_lag_seconds", 300, "300 seconds late"), ("nudge_queue_items", 399999, "the queue is more than half full"),
                                     ("nudge_log_lost_total", 5, "lines of the log were lost"), ("nudge_store_writes_stopped", 1, "the disk can't keep up"),
                                     ("process_open_fds", 10**9, "files are open"), ("nudge_backup_last_success_timestamp_seconds", time.time() - 100.5 * 3600, "the last backup is 100 hours old")):
            page, count = re.subn(rf"(?m)^{metric} .*$", f"{metric} {value}", real["/metrics"].body.decode())
            self.assertEqual(count, 1, metric)
            answers["/metrics"] = page.encode()
            self.assertIn(words, nudge("--url", url, "doctor")[1])

    def test_the_bundle_holds_no_secret(self):
        """Every kind of thing that must not leave is planted, and looked for in every file."""
        canaries = ["+8613800138000", "canary@secret.example", "CANARY-NAME", "canary-id", "CANARY-PASSWORD-1", "canary-secret-in-a-file", "canary.host.example", "CANARY-REASON"]
        d = self.start(config="test_mode: {send_only_to: [canary@secret.example]}\nconnectors: {mail: {kind: smtp, host: canary.host.example, from: 'canary@secret.example', "
                              "password: {file: secret}}, box: {kind: maildrop}}\n")
        d.write("secret", "canary-secret-in-a-file\n")
        os.chmod(d.home + "/secret", 0o600)
        d.start()
        d.post("/v1/events", {"customer": "canary-id", "attributes": {"phone": "+8613800138000", "email": "canary@secret.example", "name": "CANARY-NAME"}})
        d.post("/v1/events", {"customer": "canary-id", "event": "order_placed", "data": {"amount": 500, "sku": "CANARY-NAME"}, "id": "canary-o"})
        d.lines([{"customer": "canary-id", "event": "CANARY-NAME"}])
        d.post("/v1/stop-all", {"stop": "on", "author": "wu", "reason": "CANARY-REASON"})
        token = nudge("--local", d.home + "/data", "token", "create", "x", "--role", "admin")[1].split()[0]
        d.until(lambda: d.request("GET", "/v1/actions", headers={"Authorization": "Bearer " + token}).json["actions"])
        canaries += [token, d.read("data/nudged.token").strip()]
        d.write("both.yaml", d.read("nudge.yaml") + "log: {levle: CANARY-NAME}\n")
        for number, config in enumerate(("nudge.yaml", "both.yaml")):
            to = f"{d.home}/bundle{number}"
            code, text = nudge("--local", d.home + "/data", "support", to, "--config", f"{d.home}/{config}")
            self.assertEqual(code, 0, text)
            files = {p.name: p.read_bytes() for p in pathlib.Path(to).iterdir()}
            self.assertLessEqual({"doctor.txt", "status.json", "rules.json", "connectors.json", "metrics.txt", "machine.txt", "config.txt", "README.txt"}, files.keys())
            self.assertIn(b'"stored"', files["status.json"])
            self.assertIn(b"big-order", files["rules.json"])
            self.assertIn(b"engine.shards", files["config.txt"] if number == 0 else b"engine.shards")
            for name, content in files.items():
                self.assertEqual(os.stat(f"{to}/{name}").st_mode & 0o077, 0)
                for canary in [*canaries, d.home]:
                    self.assertNotIn(canary.encode(), content, f"{canary[:10]}... is in {name}")
        self.assertEqual(nudge("--local", d.home + "/data", "support", d.home + "/bundle0")[0], 1, "never over what is there")
        # Also when no nudged runs.
        d.stop()
        self.assertEqual(nudge("--local", d.home + "/data", "support", d.home + "/bundle2")[0], 0)
        self.assertIn("WRONG", pathlib.Path(d.home, "bundle2/doctor.txt").read_text())


if __name__ == "__main__":
    unittest.main(verbosity=1)
