#!/usr/bin/env python3
"""Tokens, people, sessions, roles and the audit log of a real nudged. NUDGED and NUDGE name the programs."""
import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "daemon"))
from harness import Daemon  # noqa: E402

ROLES = ["ingest", "viewer", "salesperson", "manager", "author", "operator", "admin"]
PASSWORD = "correct horse battery"
# What may be done without credentials, said here once more and by hand.
OPEN = {("GET", "/"), ("GET", "/console"), ("GET", "/console/"), ("GET", "/console/{rest...}"), ("GET", "/-/healthy"), ("GET", "/-/ready"), ("POST", "/v1/session"), ("GET", "/a/{token}"), ("POST", "/a/{token}"), ("GET", "/u/{token}"), ("POST", "/u/{token}")}
# Doors that ask for a write key themselves: test_the_doors_ask_for_a_key below.
DOORS = {(method, "/v1/" + name + slash) for method in ("POST", "OPTIONS") for slash in ("", "/")
         for name in ("identify", "track", "page", "screen", "group", "alias", "batch", "i", "t", "p", "s", "g", "a", "b")}
OPEN |= DOORS | {("POST", "/v1/import/"), ("OPTIONS", "/v1/import/"), ("OPTIONS", "/v1/cloudevents"), ("POST", "/v1/webhooks/{name}")}
# Calendar programs: the address is the secret, see tests/e2e/daemon/test_tasks.py.
OPEN |= {("GET", "/c/{file}")}
# Providers: the connector verifies them, see tests/e2e/daemon/test_callbacks.py.
OPEN |= {("POST", "/v1/callbacks/{connector}"), ("POST", "/v1/callbacks/{connector}/{key}")}
# What a role must never get, whatever the table says.
ADMIN_ONLY = ("/v1/tokens", "/v1/users", "/v1/audit", "/v1/backup")


def nudge(daemon, *words, stdin="", code=0, local=True):
    where = ["--local", daemon.home + "/data"] if local else ["--url", f"http://127.0.0.1:{daemon.port}"]
    ran = subprocess.run([os.environ["NUDGE"], *where, "--lang", "en", *words], input=stdin, capture_output=True, text=True, timeout=60)
    assert ran.returncode == code, (words, ran.returncode, ran.stdout, ran.stderr)
    return ran.stdout.strip() if code == 0 else ran.stdout + ran.stderr


def bearer(token):
    return {"Authorization": "Bearer " + token}


def local_token(daemon):
    return daemon.read("data/nudged.token").strip()


def concrete(path):
    """A path for the pattern, of things that are not there."""
    out = path
    for name, value in [("{id}", "00000000000000000000000000000000"), ("{name}", "nobody-such"), ("{number}", "999999"), ("{version}", "999999")]:
        out = out.replace(name, value)
    while "{" in out:
        out = out[:out.index("{")] + "x" + out[out.index("}") + 1:]
    return out


def files_below(folder):
    for place, _, names in os.walk(folder):
        for name in names:
            yield os.path.join(place, name)


class Access(unittest.TestCase):
    def setUp(self):
        self.d = Daemon()
        self.addCleanup(self.d.close)
        self.d.start()

    def ask(self, method, path, token=None, body=None, headers=None):
        return self.d.request(method, path, body, {**(bearer(token) if token else {}), **(headers or {})})

    def log_in(self, user, password=PASSWORD):
        answer = self.ask("POST", "/v1/session", body={"user": user, "password": password})
        return answer, (answer.headers.get("Set-Cookie") or "").split(";")[0]

    def test_every_route_by_every_role_and_without_credentials(self):
        tokens = {role: nudge(self.d, "token", "create", "t-" + role, "--role", role) for role in ROLES}
        routes = self.ask("GET", "/v1/access", tokens["admin"]).json["routes"]
        self.assertGreater(len(routes), 50)
        self.assertEqual([r for r in routes if not r["known"]], [], "a route without a row in daemon/app/access_table.cpp")
        self.assertEqual({(r["method"], r["path"]) for r in routes if r["anybody"]} - OPEN, set())
        tried = 0
        for route in routes:
            method, path = route["method"], concrete(route["path"])
            if route["path"] in ("/v1/reload", "/v1/digest/replay"):
                path += "?x=1"
            # The body is refused by whoever is let in, so that nothing changes on the way.
            body = b"[" if method == "POST" else None
            for role in [None, *ROLES]:
                tried += 1
                status = self.ask(method, path, tokens.get(role), body).status
                if route["anybody"]:
                    self.assertNotIn(status, (401, 403), (route, role))
                elif role is None:
                    self.assertEqual(status, 401, route)
                elif role in route["roles"]:
                    self.assertNotIn(status, (401, 403), (route, role))
                else:
                    self.assertEqual(status, 403, (route, role))
                    self.assertNotIn("admin", role)
            if route["path"].startswith(ADMIN_ONLY):
                self.assertEqual(route["roles"], ["admin"], route)
            if re.match(r"/v1/(customers|explain|decisions|actions|tasks|approvals|quarantine|maildrop|suppressions|silences|segments/.*/members)", route["path"]):
                self.assertNotIn("viewer", route["roles"], f"a viewer sees nothing of a single customer: {route}")
            if "ingest" in route["roles"] and not route["anybody"]:
                self.assertTrue(method == "POST" or route["path"].startswith("/v1/session"), f"ingest reads nothing: {route}")
            # HEAD goes the way of GET, and another method is nobody's.
            if method == "GET" and not route["anybody"]:
                self.assertEqual(self.ask("HEAD", path).status, 401, route)
        self.assertGreater(tried, 400)

    def test_the_doors_ask_for_a_key(self):
        message = {"userId": "c", "event": "ping", "messageId": "m"}
        self.assertEqual(self.ask("POST", "/v1/track", body=message).status, 200, "open as everything is")
        page = {"Origin": "https://evil.example"}
        self.assertEqual(self.ask("POST", "/v1/track", body=message, headers=page).status, 403, "a page of another site needs a key")
        tokens = {role: nudge(self.d, "token", "create", "t-" + role, "--role", role) for role in ROLES}
        for method, path in sorted(DOORS) + [("POST", "/v1/import/")]:
            if method == "POST":
                self.assertEqual(self.ask(method, path, body=message).status, 401, path)
        for role, token in tokens.items():
            wanted = 200 if role in ("ingest", "admin") else 401
            self.assertEqual(self.ask("POST", "/v1/track", body={**message, "writeKey": token}).status, wanted, role)
            self.assertEqual(self.ask("POST", "/v1/track", body={**message, "writeKey": token}, headers=page).status, wanted, role)
            basic = "Basic " + base64.b64encode((token + ":").encode()).decode()
            for header in ("Bearer " + token, "bearer " + token, basic):
                self.assertEqual(self.ask("POST", "/v1/track", body=message, headers={"Authorization": header}).status, wanted, (role, header[:6]))
        # As OAuth has it: a bearer of somebody else's, and the key in the body.
        oauth = {"Authorization": "Bearer of-somebody-else"}
        self.assertEqual(self.ask("POST", "/v1/track", body={**message, "writeKey": tokens["ingest"]}, headers=oauth).status, 200)
        self.assertEqual(self.ask("POST", "/v1/track", body=message, headers=oauth).status, 401)
        wrong = "Basic " + base64.b64encode(b"wrong:").decode()
        self.assertEqual(self.ask("POST", "/v1/track", body={**message, "writeKey": tokens["ingest"]}, headers={"Authorization": wrong}).status, 401, "two keys that differ")

    def test_open_until_the_first_account_and_never_again(self):
        self.assertEqual(self.ask("GET", "/v1/session").json["actor"], "anybody")
        token = nudge(self.d, "token", "create", "crm", "--role", "viewer", local=False)
        self.assertEqual(self.ask("GET", "/v1/rules").status, 401)
        self.assertEqual(self.ask("GET", "/v1/rules", token).status, 200)
        nudge(self.d, "token", "revoke", "crm")
        self.assertEqual(self.ask("GET", "/v1/rules", token).status, 401)
        self.assertEqual(self.ask("GET", "/v1/rules").status, 401, "a revoked token does not open the door again")
        self.d.stop()
        self.assertFalse(os.path.exists(self.d.home + "/data/nudged.token"))
        self.d.start()
        self.assertEqual(self.ask("GET", "/v1/rules").status, 401)

    def test_bad_tokens_get_one_answer(self):
        token = nudge(self.d, "token", "create", "crm", "--role", "viewer")
        good = self.ask("GET", "/v1/rules", token)
        self.assertEqual(good.status, 200)
        revoked = nudge(self.d, "token", "create", "old", "--role", "viewer")
        nudge(self.d, "token", "revoke", "old")
        bodies = set()
        for bad in [revoked, token[:-1], token + "x", token.upper(), token.replace("nudge_", ""), token[:18] + "_" + "A" * 43, "nudge_", "x"]:
            answer = self.ask("GET", "/v1/rules", bad)
            self.assertEqual(answer.status, 401, bad)
            bodies.add(answer.body)
        bodies.add(self.ask("GET", "/v1/rules").body)
        self.assertEqual(len(bodies), 1)
        self.assertEqual(self.ask("GET", "/v1/rules?token=" + token).status, 400, "never in an address")
        # As an analytics library sends its write key.
        import base64
        basic = base64.b64encode((token + ":").encode()).decode()
        self.assertEqual(self.ask("GET", "/v1/rules", headers={"Authorization": "Basic " + basic}).status, 200)
        with_password = base64.b64encode((token + ":x").encode()).decode()
        self.assertEqual(self.ask("GET", "/v1/rules", headers={"Authorization": "Basic " + with_password}).status, 401)

    def test_tokens_are_stored_as_hashes_and_rotate_without_a_gap(self):
        first = nudge(self.d, "token", "create", "crm", "--role", "ingest", "--days", "1")
        self.assertEqual(self.ask("POST", "/v1/events", first, {"customer": "c", "event": "ping", "data": {"n": 1}}).status, 200)
        second = nudge(self.d, "token", "rotate", "crm", "--overlap", "3600")
        self.assertNotEqual(first, second)
        for token in (first, second):
            self.assertEqual(self.ask("POST", "/v1/events", token, {"customer": "c", "event": "ping"}).status, 200)
        third = nudge(self.d, "token", "rotate", "crm", "--overlap", "0")
        self.assertEqual(self.ask("POST", "/v1/events", third, {"customer": "c", "event": "ping"}).status, 200)
        for token in (first, second):
            self.assertEqual(self.ask("POST", "/v1/events", token, {"customer": "c", "event": "ping"}).status, 401)
        self.d.stop()
        self.d.start()
        self.assertEqual(self.ask("POST", "/v1/events", third, {"customer": "c", "event": "ping"}).status, 200, "over a restart")
        nudge(self.d, "user", "create", "lin", "--role", "viewer", "--password-file", "-", stdin=PASSWORD + "\n")
        self.d.stop()
        read = 0
        for path in files_below(self.d.home):
            with open(path, "rb") as file:
                content = file.read()
            read += len(content)
            for secret in (first, second, third, PASSWORD):
                self.assertNotIn(secret.encode(), content, path)
        self.assertGreater(read, 10_000)
        self.assertEqual(os.stat(self.d.home + "/data").st_mode & 0o077, 0)

    def test_people_log_in_and_out(self):
        nudge(self.d, "user", "create", "lin", "--role", "admin", "--password-file", "-", stdin=PASSWORD + "\n")
        wrong, _ = self.log_in("lin", "wrong horse battery")
        unknown, _ = self.log_in("nobody", "wrong horse battery")
        self.assertEqual((wrong.status, wrong.body), (401, unknown.body))
        answer, cookie = self.log_in("lin")
        self.assertEqual(answer.status, 200)
        header = answer.headers["Set-Cookie"]
        for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
            self.assertIn(part, header)
        _, another = self.log_in("lin")
        self.assertNotEqual(cookie, another)
        csrf = answer.json["csrf"]
        host = f"127.0.0.1:{self.d.port}"
        me = self.ask("GET", "/v1/session", headers={"Cookie": "a=b; " + cookie}).json
        self.assertEqual((me["actor"], me["csrf"], me["roles"]), ("user:lin", csrf, ["admin"]))
        token = {"name": "x", "roles": ["viewer"]}
        for headers in ({}, {"X-Nudge-CSRF": "wrong"}, {"X-Nudge-CSRF": csrf, "Origin": "https://evil.example"}, {"X-Nudge-CSRF": csrf, "Origin": "null"},
                        {"X-Nudge-CSRF": csrf, "Sec-Fetch-Site": "cross-site"}):
            self.assertEqual(self.ask("POST", "/v1/tokens", body=token, headers={"Cookie": cookie, **headers}).status, 403, headers)
        made = self.ask("POST", "/v1/tokens", body=token, headers={"Cookie": cookie, "X-Nudge-CSRF": csrf, "Origin": "http://" + host})
        self.assertEqual(made.status, 201)
        self.assertEqual(self.ask("DELETE", "/v1/session", headers={"Cookie": cookie, "X-Nudge-CSRF": csrf}).status, 204)
        self.assertEqual(self.ask("GET", "/v1/session", headers={"Cookie": cookie}).status, 401)
        self.assertEqual(self.ask("GET", "/v1/session", headers={"Cookie": another}).status, 200)
        nudge(self.d, "user", "change", "lin", "--password", "--password-file", "-", stdin="another horse battery\n")
        self.assertEqual(self.ask("GET", "/v1/session", headers={"Cookie": another}).status, 401, "a new password ends the sessions")

    def test_roles_change_live_and_the_last_admin_stays(self):
        for user, role in (("lin", "admin"), ("wu", "viewer")):
            nudge(self.d, "user", "create", user, "--role", role, "--password-file", "-", stdin=PASSWORD + "\n")
        _, cookie = self.log_in("wu")
        self.assertEqual(self.ask("GET", "/v1/users", headers={"Cookie": cookie}).status, 403)
        nudge(self.d, "user", "change", "wu", "--role", "admin")
        self.assertEqual(self.ask("GET", "/v1/users", headers={"Cookie": cookie}).status, 200)
        nudge(self.d, "user", "change", "wu", "--disable")
        self.assertEqual(self.ask("GET", "/v1/users", headers={"Cookie": cookie}).status, 401)
        self.assertEqual(self.log_in("wu")[0].status, 401)
        for words in (("change", "lin", "--disable"), ("change", "lin", "--role", "viewer"), ("remove", "lin")):
            self.assertIn("last admin", nudge(self.d, "user", *words, code=1))
        nudge(self.d, "user", "change", "wu", "--enable")
        nudge(self.d, "user", "remove", "lin")

    def test_weak_passwords_and_wrong_attempts(self):
        for weak in ("short", "password1234", "aaaaaaaaaaaaaaa", "lin-is-the-best"):
            nudge(self.d, "user", "create", "lin-", "--role", "viewer", "--password-file", "-", stdin=weak.replace("lin", "lin-") + "\n", code=1)
        long = "p" + "q" * 100
        nudge(self.d, "user", "create", "lin", "--role", "viewer", "--password-file", "-", stdin=long + "\n")
        self.assertEqual(self.log_in("lin", long[:72])[0].status, 401, "all of a long password counts")
        self.assertEqual(self.log_in("lin", long)[0].status, 200)
        statuses = [self.log_in("lin", "wrong horse battery")[0].status for _ in range(12)]
        self.assertEqual(statuses, [401] * 10 + [429] * 2)
        answer, _ = self.log_in("lin", long)
        self.assertEqual(answer.status, 429)
        self.assertGreater(int(answer.headers["Retry-After"]), 60)

    def test_changes_are_written_down_once_and_nobody_mends_the_record(self):
        author = nudge(self.d, "token", "create", "author", "--role", "author")
        before = len(nudge(self.d, "-o", "json", "audit", "list").splitlines())
        self.assertEqual(self.ask("POST", "/v1/reload", author).status, 200)
        self.assertEqual(self.ask("POST", "/v1/plans/999/apply", author, {"yes": True}).status, 404)
        self.assertEqual(self.ask("GET", "/v1/rules", author).status, 200)
        self.log_in("evil\r\n\x1b[31mname", "wrong horse battery")
        records = [json.loads(line) for line in nudge(self.d, "-o", "json", "audit", "list").splitlines()]
        new = records[before:]
        self.assertEqual([(r["actor"], r["action"], r["status"]) for r in new],
                         [("token:author", "rules.reload", 200), ("token:author", "rules.apply", 404), ("nobody", "session.open", 401)])
        self.assertEqual(new[1]["body_sha256"], hashlib.sha256(b'{"yes": true}').hexdigest())
        head = nudge(self.d, "audit", "verify").splitlines()[-1]
        # The chain by other means than ours.
        raw = self.ask("GET", "/v1/audit?limit=1000", local_token(self.d)).body.decode()
        lines = raw[raw.index("[") + 1:raw.rindex("]")].replace("},{\"number\"", "}\n{\"number\"").splitlines()
        self.assertEqual(len(lines), len(records))
        previous = "0" * 64
        for line in lines:
            content, digest = line[:-len(',"hash":""}') - 64] + "}", line[-66:-2]
            self.assertEqual(json.loads(line)["prev"], previous)
            self.assertEqual(hashlib.sha256(content.encode()).hexdigest(), digest)
            previous = digest
        self.assertEqual(head, f"{len(lines)}:{previous}")
        self.d.kill()
        self.d.start()
        nudge(self.d, "token", "create", "later", "--role", "viewer")
        self.assertIn("whole", nudge(self.d, "audit", "verify", "--head", head))
        self.assertIn("not the one that was noted down", nudge(self.d, "audit", "verify", "--head", head[:-1] + ("0" if head[-1] != "0" else "1"), code=1))
        self.assertIn("is not there", nudge(self.d, "audit", "verify", "--head", "9999:" + "0" * 64, code=1))
        self.assertEqual(self.ask("GET", "/v1/audit", author).status, 403)

    def test_credentials_come_before_the_body(self):
        nudge(self.d, "token", "create", "crm", "--role", "viewer")
        answer = self.d.head_only("POST", "/v1/events", 1_000_000)
        self.assertEqual(answer.status, 401)
        self.assertEqual(answer.headers["Connection"], "close")


class Start(unittest.TestCase):
    def refusal(self, config):
        with Daemon(config=config) as d:
            d.start(wait=False)
            self.assertEqual(d.process.wait(20), 1)
            return d.text_log()

    def test_beyond_loopback_only_with_credentials_and_tls(self):
        self.assertIn("http.auth: required", self.refusal("http: {port: 0, host: 0.0.0.0, insecure_ok: true}\n"))
        self.assertIn("no TLS", self.refusal("http: {port: 0, host: 0.0.0.0, auth: required}\n"))
        with Daemon(config="http: {port: 0, host: 0.0.0.0, insecure_ok: true, auth: required}\n") as d:
            d.start()
            self.assertEqual(d.request("GET", "/v1/rules").status, 401)
            self.assertEqual(nudge(d, "token", "list"), "there are no tokens")

    def test_too_many_requests(self):
        with Daemon(config="http: {port: 0, requests_per_second: 5}\n") as d:
            d.start()
            statuses = [d.request("GET", "/v1/session").status for _ in range(30)]
            self.assertIn(429, statuses)
            self.assertEqual(statuses[:10], [200] * 10)

    def test_who_asks_too_much_slows_nobody_else(self):
        """A bucket for each token and person, and for each address of those without credentials."""
        def ask(headers=None, source="127.0.0.1", path="/v1/session"):
            connection = http.client.HTTPConnection("127.0.0.1", d.port, timeout=30, source_address=(source, 0))
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            answer.text = answer.read()
            connection.close()
            return answer

        def bearer(token):
            return {"Authorization": "Bearer " + token}

        def used_up(**how):
            answers = [ask(**how) for _ in range(60)]
            late = [a for a in answers if a.status == 429]
            self.assertTrue(late)
            for a in late:
                self.assertEqual((a.headers["Content-Type"], json.loads(a.text)["code"]), ("application/problem+json", "http.rate"))
                self.assertGreaterEqual(int(a.headers["Retry-After"]), 1)

        with Daemon(config="http: {port: 0, requests_per_second: 2}\n") as d:
            d.start()
            first, second = (nudge(d, "token", "create", name, "--role", "viewer") for name in ("first", "second"))
            time.sleep(1.5)  # the command line came from this machine's own token
            used_up(headers=bearer(first))
            self.assertEqual(ask(bearer(second)).status, 200, "another token from the same address")
            self.assertEqual(ask(bearer(second), "127.0.0.2").status, 200)
            self.assertEqual(ask(bearer(first), "127.0.0.3").status, 429, "the same token from another address")
            used_up(source="127.0.0.4", path="/-/healthy")
            self.assertEqual(ask(source="127.0.0.5", path="/-/healthy").status, 200, "another address")
            self.assertEqual(ask(bearer(second), "127.0.0.4").status, 200, "who has credentials is not held up by strangers beside them")
            # It comes back by itself.
            end = time.monotonic() + 20
            while ask(bearer(first)).status != 200:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.2)

    def test_the_token_of_the_configuration_still_works(self):
        with Daemon(config="http: {port: 0, token: {file: secret}}\n") as d:
            d.write("secret", "an-old-token-of-somebody\n")
            os.chmod(d.home + "/secret", 0o600)
            d.start()
            self.assertEqual(d.request("GET", "/v1/rules").status, 401)
            self.assertEqual(d.request("GET", "/v1/users", headers=bearer("an-old-token-of-somebody")).status, 200)


if __name__ == "__main__":
    unittest.main(verbosity=1)
