"""`nudge connector`: the kit passes what is good, finds what is planted, and what `new` writes passes as it is."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

REPO = pathlib.Path(__file__).resolve().parents[3]
NUDGE = os.environ["NUDGE"]
PLUGINS = os.environ["NUDGE_PLUGINS"]

# A connector of the kit's own trial: right, but for what its first argument says.
CONNECTOR = '''
import json, os, sys, urllib.error, urllib.request
fault = sys.argv[1] if len(sys.argv) > 1 else ""
class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None
opener = urllib.request.build_opener() if fault == "follows" else urllib.request.build_opener(NoRedirect)
def say(reply):
    sys.stdout.write(json.dumps(reply) + "\\n")
    sys.stdout.flush()
def deliver(request, url):
    body = json.dumps(request["payload"]).encode()
    headers = {"Content-Type": "application/json"} if fault == "no_key" else {"Idempotency-Key": request["action_id"]}
    try:
        with opener.open(urllib.request.Request(url, body, headers), timeout=60 if fault == "hangs" else 3) as answer:
            answer.read()
            return {"status": "accepted"}
    except urllib.error.HTTPError as error:
        after = 0 if fault == "no_retry_after" else int(error.headers.get("Retry-After", "0")) * 1000
        return {"status": "not_sent", "retryable": error.code == 429 or error.code >= 500, "retry_after_ms": after}
    except urllib.error.URLError as error:
        lost = isinstance(error.reason, TimeoutError)
        return {"status": "unknown"} if lost else {"status": "not_sent", "retryable": True, "detail": secret if fault == "tells" else ""}
    except (TimeoutError, OSError, ValueError):
        return {"status": "accepted"} if fault == "guesses" else {"status": "unknown"}
secret = os.environ.get("NUDGE_KIT_SECRET", "")
for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "hello":
        config = request["config"]
        unknown = sorted(set(config) - {"url", "token"})
        good = fault == "any_field" or not unknown
        say({"id": 0, "op": "hello", "ok": good, "protocol": 1, "kind": "try", "idempotency": "key", "default_on_unknown": "retry", "detail": str(unknown)})
    elif request["op"] == "deliver":
        say({"id": request["id"], **deliver(request, config["url"])})
    elif request["op"] == "stop":
        break
'''


def nudge(*arguments, where=None):
    done = subprocess.run([NUDGE, "--lang", "en", *arguments], capture_output=True, text=True, timeout=240, cwd=where)
    return done.returncode, done.stdout + done.stderr


class Kit(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="nudge-kit-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.program = self.home + "/try.py"
        pathlib.Path(self.program).write_text(CONNECTOR)

    def run_kit(self, fault=""):
        return nudge("connector", "test", "--config", '{"url": "{{provider}}/hook", "token": {"env": "NUDGE_KIT_SECRET"}}', "--", sys.executable, self.program, *([fault] if fault else []))

    def test_a_good_connector_passes(self):
        code, text = self.run_kit()
        self.assertEqual(code, 0, text)
        self.assertNotIn("FAIL", text)
        self.assertGreaterEqual(text.count("ok    "), 16, text)

    def test_each_fault_is_found_and_named(self):
        for fault, line in (("no_retry_after", "429"), ("guesses", "silence"), ("hangs", "hangs"), ("follows", "redirect"), ("no_key", "idempotency key"),
                            ("any_field", "unknown field"), ("tells", "no secret")):
            with self.subTest(fault):
                code, text = self.run_kit(fault)
                self.assertEqual(code, 1, text)
                failed = [one for one in text.splitlines() if one.startswith("FAIL")]
                self.assertTrue(any(line in one for one in failed), text)

    def test_the_built_in_connectors_pass(self):
        config = '{"url": "{{provider}}/ask", "allow_http": true, "timeout_ms": 4000, "headers": {"Authorization": {"env": "NUDGE_KIT_SECRET"}}}'
        code, text = nudge("connector", "test", "--channel", "enrich", "--payload", '{"send": {"a": 1}}', "--config", config, PLUGINS + "/enrich.so")
        self.assertEqual(code, 0, text)

    def test_every_shipped_connector_passes(self):
        """Slow, 429, 500, a page, a redirect, silence, a hang, a crash: each connector with its own provider's words."""
        secret = {"env": "NUDGE_KIT_SECRET"}
        quick = {"timeout_ms": 3000}
        sms, ticket = ("sms", {"to": "+8613800000000", "text": "Hi"}), ("ticket", {"subject": "Try"})
        trials = {
            "generic sms": (*sms, {"provider": "generic_http", "url": "{{provider}}/", "headers": {"Authorization": secret}, **quick}, '{"id": "m1"}'),
            "aliyun": (*sms, {"provider": "aliyun", "url": "{{provider}}", "access_key_id": "id", "access_key_secret": secret, "sign_name": "S", "template_code": "T", "text_param": "t", **quick},
                       '{"Code": "OK", "BizId": "1^0"}'),
            "tencent": (*sms, {"provider": "tencent", "url": "{{provider}}", "secret_id": "id", "secret_key": secret, "sdk_app_id": "1", "template_id": "2", **quick},
                        '{"Response": {"SendStatusSet": [{"SerialNo": "1", "Code": "Ok"}], "RequestId": "r"}}'),
            "twilio": (*sms, {"provider": "twilio", "url": "{{provider}}", "account_sid": "AC1", "auth_token": secret, "from": "+15005550006", **quick}, '{"sid": "SM1", "status": "queued"}'),
            "generic ticket": (*ticket, {"provider": "generic_http", "url": "{{provider}}/", "headers": {"Authorization": secret}, **quick}, '{"id": 1}'),
            "zendesk": (*ticket, {"provider": "zendesk", "url": "{{provider}}", "zendesk_email": "a@example.com", "zendesk_token": secret, **quick}, '{"ticket": {"id": 1}}'),
            "jira": (*ticket, {"provider": "jira", "url": "{{provider}}", "jira_email": "a@example.com", "jira_token": secret, "project": "P", **quick}, '{"id": "1", "key": "P-1"}'),
            "zammad": (*ticket, {"provider": "zammad", "url": "{{provider}}", "zammad_token": secret, "group": "G", "customer": "a@example.com", **quick}, '{"id": 1}'),
            "salesforce": ("crm", {"task": "ab" * 16, "state": "open", "subject": "Try"},
                           {"provider": "salesforce", "url": "{{provider}}", "client_id": "id", "client_secret": secret, "allow_http": True, **quick},
                           '{"access_token": "t", "instance_url": "{{provider}}", "id": "00T1", "success": true}'),
            "maildrop": ("maildrop", {"to": "a@example.com", "text": "Hi"}, {"directory": self.home}, "{}"),
            "smtp": ("email", {"to": "a@example.com", "subject": "s", "text": "t"}, {"host": "127.0.0.1", "port": 1, "security": "none", "from": "b@example.com"}, "{}"),
        }
        said = ("chat", {"text": "Try"})
        robot = lambda provider: (*said, {"provider": provider, "url": secret, "allow_http": True, **quick})
        trials |= {
            "webhook": ("webhook", {"event": "try", "data": {}}, {"url": "{{provider}}/hook", "secrets": [secret], "allow_http": True, "allow_private": True, **quick}, "{}"),
            "wecom": (*robot("wecom"), '{"errcode": 0, "errmsg": "ok"}'),
            "dingtalk": (*robot("dingtalk"), '{"errcode": 0, "errmsg": "ok"}'),
            "feishu": (*robot("feishu"), '{"code": 0, "msg": "success"}'),
            "slack": (*robot("slack"), "ok"),
        }
        # Secrets of a form of their own: a signing key, and addresses that are secrets.
        secrets = {"webhook": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "wecom": "{{provider}}/cgi-bin/webhook/send?key=robot-key-0001",
                   "dingtalk": "{{provider}}/robot/send?access_token=robot-token-0001", "feishu": "{{provider}}/open-apis/bot/v2/hook/hook-0001",
                   "slack": "{{provider}}/services/T1/B1/very-secret"}
        running = {}
        for name, (channel, payload, config, answer) in trials.items():
            kind = {"generic sms": "sms", "aliyun": "sms", "tencent": "sms", "twilio": "sms", "generic ticket": "ticket", "zendesk": "ticket", "jira": "ticket", "zammad": "ticket",
                    "wecom": "chat", "dingtalk": "chat", "feishu": "chat", "slack": "chat", "salesforce": "crm"}.get(name, name)
            running[name] = subprocess.Popen([NUDGE, "--lang", "en", "connector", "test", "--channel", channel, "--payload", json.dumps(payload), "--config", json.dumps(config),
                                              "--answer", answer, f"{PLUGINS}/{kind}.so"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                             env={**os.environ, **({"NUDGE_KIT_SECRET": secrets[name]} if name in secrets else {})})
        for name, process in running.items():
            with self.subTest(name):
                text = process.communicate(timeout=280)[0]
                self.assertEqual(process.returncode, 0, f"{name}:\n{text}")

    def test_new_writes_what_passes(self):
        code, text = nudge("connector", "new", "pigeon", where=self.home)
        self.assertEqual(code, 0, text)
        code, text = nudge("connector", "test", "--config", '{"directory": "%s"}' % self.home, "--", sys.executable, self.home + "/pigeon.py", where=self.home)
        self.assertEqual(code, 0, text)
        self.assertIn('"kind": "pigeon"', pathlib.Path(self.home + "/pigeon.py").read_text())
        self.assertEqual(nudge("connector", "new", "pigeon", where=self.home)[0], 1, "written over")
        code, text = nudge("connector", "new", "pigeon", "--language", "cpp", where=self.home)
        self.assertEqual(code, 0, text)
        wanted = (REPO / "connectors/examples/pager.cpp").read_text().replace('"pager"', '"pigeon"')
        self.assertEqual(pathlib.Path(self.home + "/pigeon.cpp").read_text(), wanted, "the example that is built and tested, under another name")

    def test_mistakes(self):
        self.assertEqual(nudge("connector", "new", "No-Name", where=self.home)[0], 1)
        self.assertEqual(nudge("connector", "test", "--config", "[]", "/bin/cat")[0], 1)
        self.assertEqual(nudge("connector", "test", "no-such-program")[0], 1)
        code, text = nudge("connector", "test", "/bin/cat")
        self.assertEqual(code, 1)
        self.assertIn("starts with this configuration", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
