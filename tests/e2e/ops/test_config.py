#!/usr/bin/env python3
"""Where a setting comes from, and what a reload takes, asked of a real nudged. NUDGED names the program."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "e2e" / "daemon"))
from harness import Daemon, RULES  # noqa: E402


def nudged(*words, cwd, **environment):
    return subprocess.run([os.environ["NUDGED"], *words], capture_output=True, text=True, timeout=60, cwd=cwd, env={**os.environ, **environment})


class Config(unittest.TestCase):
    def setUp(self):
        self.d = Daemon()
        self.addCleanup(self.d.close)
        self.config = self.d.home + "/nudge.yaml"

    def log(self):
        return self.d.text_log()

    def test_flag_before_environment_before_file_before_default_and_each_says_so(self):
        self.d.write("nudge.yaml", "data_dir: data\nlog:\n  level: warn\nhttp: {port: 1, idle_timeout: 5s, io_threads: 2}\n")
        ran = nudged("--config", self.config, "--set", "http.port=3", "--print-config", cwd=self.d.home, NUDGE_HTTP_PORT="2", NUDGE_HTTP_IO_THREADS="4")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        rows = {key.strip(): (value, origin) for key, value, origin in re.findall(r"^( *[\w.]+): (.*?) +# (.*)$", ran.stdout, re.M)}
        self.assertEqual(rows["port"][0], "3")
        self.assertIn("--http.port", rows["port"][1])
        self.assertEqual(rows["io_threads"][0], "4")
        self.assertIn("NUDGE_HTTP_IO_THREADS", rows["io_threads"][1])
        self.assertEqual(rows["idle_timeout"][0], "5s")
        self.assertIn("nudge.yaml:4", rows["idle_timeout"][1])
        self.assertEqual((rows["head_timeout"][0], rows["head_timeout"][1]), ("10s", "default"))
        # What it prints is a file that says the same.
        self.d.write("again.yaml", ran.stdout)
        again = nudged("--config", self.d.home + "/again.yaml", "--print-config", cwd=self.d.home)
        bare = lambda text: re.sub(r" +#.*", "", text)
        self.assertEqual(bare(again.stdout), bare(ran.stdout))

    def test_all_mistakes_at_once(self):
        self.d.write("nudge.yaml", "data_dir: data\nlgo: {level: info}\nhttp: {port: 70000, token: hunter2hunter2}\nengine: {shards: many}\nconnectors: {a: {}}\n")
        ran = nudged("--config", self.config, "--set", "store.low_space=lots", "--dry-run", cwd=self.d.home, NUDGE_LOG_LEVEL="loud")
        self.assertEqual(ran.returncode, 1)
        for words in ("lgo", "http.port", "http.token", "engine.shards", "connectors", "store.low_space", "NUDGE_LOG_LEVEL"):
            self.assertIn(words, ran.stderr)
        self.assertNotIn("hunter2", ran.stderr)

    def test_a_dry_run_asks_every_connector_and_tells_all_at_once(self):
        program = ROOT / "connectors" / "examples" / "file_connector.py"
        self.d.write("hook.secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        os.chmod(self.d.home + "/hook.secret", 0o600)
        good = (f"connectors:\n  hook: {{kind: webhook, url: 'https://example.com/in', secrets: [{{file: {self.d.home}/hook.secret}}]}}\n  drop: {{kind: maildrop}}\n"
                f"  kept: {{kind: file, command: [/usr/bin/python3, {program}], directory: {self.d.home}/kept}}\n")
        base = self.d.read("nudge.yaml")
        self.d.write("nudge.yaml", base + good)
        ran = nudged("--config", self.config, "--dry-run", cwd=self.d.home)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""), ran.stdout)
        self.assertIn(", 3 connectors", ran.stdout)
        self.assertFalse(os.path.exists(self.d.home + "/data"), "the data directory is not touched")
        self.d.write("nudge.yaml", base + good.replace("https:", "ftp:").replace("/kept}", "/kept, color: red}")
                     + "  mail: {kind: smtp, host: mx.example.com, port: 99999, form: A <a@example.com>, password: {env: NO_SUCH_SECRET}}\n  away: {kind: no_such_kind}\n"
                     + "  ends: {kind: file, command: [/bin/false]}\n  post: {kind: smtp, host: mx.example.com, from: nobody}\ndoors: gone.yaml\n")
        self.d.write("rules/bad.yaml", "rules:\n  x: {when: {event: nope}, then: [{add_tag: t}]}\n")
        ran = nudged("--config", self.config, "--set", f"http.tls_certificate={self.d.home}/none.crt", "--set", f"http.tls_key={self.d.home}/none.key", "--dry-run", cwd=self.d.home)
        self.assertEqual(ran.returncode, 1)
        said = ran.stderr
        for words in ("none.key", "connectors.hook: url", "connectors.kept: ", "NO_SUCH_SECRET", "no_such_kind", "connectors.ends: ", "connectors.post: from", "bad.yaml:2", "connectors.mail: form: no such field", "port: must be between"):
            self.assertIn(words, said)
        self.assertEqual(said.count("NO_SUCH_SECRET"), 1)
        os.unlink(self.d.home + "/rules/bad.yaml")
        self.d.write("nudge.yaml", base + "doors: gone.yaml\n")
        self.assertIn("gone.yaml", nudged("--config", self.config, "--dry-run", cwd=self.d.home).stderr)

    def test_a_reload_takes_what_the_table_says_it_takes(self):
        text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
        reloaded = {name for name, reload in re.findall(r"^\| `([\w.]+)` \|(?:[^|]*\|){3} (\w+) \|", text, re.M) if reload == "yes"}
        tried = set()
        d = self.d.start()

        def reload(**settings):
            tried.update(name.replace("__", ".") for name in settings)
            d.write("nudge.yaml", d.base + "".join(f"{name.replace('__', ': {')}: {value}{'}' if '__' in name else ''}\n" for name, value in settings.items()))
            return d.request("POST", "/v1/reload", b"")

        d.base = d.read("nudge.yaml")
        self.assertEqual(reload(log__level="off").status, 200)
        d.base += "clock_skew: 1m\n"
        self.assertEqual(reload(log__level="off").status, 200)
        self.assertEqual(reload(log__format="json").status, 200)
        self.assertEqual(reload(log__format="json").status, 200)  # each says that clock_skew needs a restart
        d.until(lambda: '{"ts":' in self.log())
        self.assertEqual(reload(log__file="other.log").status, 200)
        self.assertTrue(os.path.exists(d.home + "/other.log"))
        os.makedirs(d.home + "/rules2")
        d.write("rules2/rules.yaml", RULES.replace("big-order:", "bigger-order:"))
        d.base = d.base.replace("rules_dirs: [rules]\n", "")
        self.assertEqual(reload(rules_dirs="[rules2]").json["changed"], True)
        self.assertIn("bigger-order", [r["name"] for r in d.get("/v1/rules")["rules"]])
        os.makedirs(d.home + "/schemas2")
        d.write("schemas2/catalog.yaml", d.read("schemas/catalog.yaml") + "  pong: {fields: {n: integer}}\n")
        d.base = d.base.replace("schemas_dir: schemas\n", "") + "rules_dirs: [rules2]\n"
        self.assertEqual(reload(schemas_dir="schemas2").status, 200)
        d.post("/v1/events", {"customer": "c", "event": "pong", "data": {"n": 1}})
        d.base += "schemas_dir: schemas2\n"
        self.assertEqual(reload(timezone="Asia/Tokyo").json["changed"], True)
        d.write("doors.yaml", "nonsense: 1\n")
        self.assertNotEqual(reload(doors="doors.yaml").status, 200, "a mapping with mistakes is refused, so it was read")
        self.assertEqual(reload(drain_deadline="1s").status, 200)
        self.assertEqual(tried, reloaded)

    def test_a_signal_reloads_and_the_log_names_what_needs_a_restart(self):
        d = self.d.start()
        d.write("rules/rules.yaml", RULES.replace("big-order:", "bigger-order:"))
        d.write("nudge.yaml", d.read("nudge.yaml").replace("shards: 2", "shards: 3") + "clock_skew: 1m\nconnectors: {box: {kind: maildrop}}\n")
        d.process.send_signal(1)
        d.until(lambda: "bigger-order" in [r["name"] for r in d.get("/v1/rules")["rules"]])
        line = d.until(lambda: [line for line in self.log().splitlines() if "need a restart" in line])[0]
        for name in ("engine.shards", "clock_skew", "connectors.box"):
            self.assertIn(name, line)

    def test_rules_that_come_by_apply_stay_and_all_else_is_taken(self):
        self.d.write("nudge.yaml", self.d.read("nudge.yaml") + "rules_from: apply\n")
        d = self.d.start()
        d.write("nudge.yaml", d.read("nudge.yaml") + "log: {format: json}\n")
        self.assertEqual(d.request("POST", "/v1/reload", b"").status, 409)
        self.assertEqual(d.get("/v1/status")["ready"], True)
        self.assertIn("nudge_reload_success 1", d.request("GET", "/metrics").body.decode())
        d.stop()
        self.assertIn('{"ts":', self.log())


if __name__ == "__main__":
    unittest.main(verbosity=1)
