#!/usr/bin/env python3
"""A real mail system: Postfix with STARTTLS and AUTH takes nudge's mail, delivers it, bounces it with a delivery status notification, and hands the bounce to
`nudge callback` through a pipe, which fills the suppression list. Postfix has a configuration, a queue and a port of its own, on loopback; nothing leaves the machine.

Run with NUDGED, NUDGE; as root, for Postfix's master starts as root (without it, and without sudo, the test is skipped).
"""
import email
import email.policy
import os
import pathlib
import pwd
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "daemon"))
from harness import Daemon  # noqa: E402

USER, PASSWORD = "nudge", "a password, with: odd = signs"
SKIPPED = 77

MAIN = """
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
maillog_file = {home}/log
maillog_file_prefixes = {home}
myhostname = mta.example.test
mydestination = example.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
alias_maps = hash:{home}/etc/aliases
alias_database = hash:{home}/etc/aliases
# Every local name is taken over and bounced later: what is refused at once is another test's.
local_recipient_maps =
default_privs = {runner}
default_transport = error:nothing leaves this machine
relay_transport = error:nothing leaves this machine
smtpd_tls_cert_file = {home}/etc/server.crt
smtpd_tls_key_file = {home}/etc/server.key
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_authenticated_header = yes
smtpd_tls_received_header = yes
smtpd_sasl_local_domain = example.test
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = {home}/etc/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
RULES = """
rules:
  offer:
    when: {event: order_placed}
    then: [{email: {to: "{{ customer.email }}", subject: "价格 for {{ customer.name }}", text: "Dear {{ customer.name }}"}}]
  lost:
    category: management
    when: {event: message_failed}
    then: [{maildrop: {to: x, text: "lost: {{ event.reason }}"}}]
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **more)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > end:
            return None
        time.sleep(0.1)


class Postfix:
    """A Postfix of its own. `home` is readable for its unprivileged half, which delivers and runs the pipe."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="nudge-mta-", dir="/var/tmp")
        os.chmod(self.home, 0o755)
        self.port = free_port()
        self.runner = "nobody"
        for name in ("etc", "etc/sasl", "spool", "data", "mail", "bin"):
            os.mkdir(f"{self.home}/{name}")
        runner = pwd.getpwnam(self.runner)
        os.chown(self.home + "/mail", runner.pw_uid, runner.pw_gid)
        owner = pwd.getpwnam("postfix")
        os.chown(self.home + "/data", owner.pw_uid, owner.pw_gid)
        self.write("etc/main.cf", MAIN.format(home=self.home, runner=self.runner))
        self.write("etc/master.cf", MASTER.format(port=self.port))
        # The pipe is the line that docs/connectors.md gives, with the address of a nudged that moves in this test.
        shutil.copy(os.environ["NUDGE"], self.home + "/bin/nudge")
        self.write("bin/bounce", f"#!/bin/sh\nNUDGE_URL=$(cat {self.home}/url) NUDGE_TOKEN=$(cat {self.home}/token) exec {self.home}/bin/nudge callback mail\n")
        self.write("bin/gone", f"#!/bin/sh\ncat >/dev/null\n[ -e {self.home}/leave ] && exit 67\nexit 75\n")
        for name in ("bounce", "gone"):
            os.chmod(f"{self.home}/bin/{name}", 0o755)
        self.write("etc/aliases", f'bounces: "|{self.home}/bin/bounce"\nleaving: "|{self.home}/bin/gone"\nwang: {self.home}/mail/wang\npostmaster: {self.home}/mail/postmaster\n')
        self.write("etc/sasl/smtpd.conf", f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: {self.home}/etc/sasl/db\n")
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", self.home + "/etc/sasl/db", "-u", "example.test", USER], input=PASSWORD, text=True, check=True, timeout=30)
        os.chown(self.home + "/etc/sasl/db", owner.pw_uid, owner.pw_gid)
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.home + "/etc/server.key", "-out", self.home + "/etc/server.crt", "-days", "2",
            "-subj", "/CN=mta.example.test", "-addext", "subjectAltName=IP:127.0.0.1")
        os.chmod(self.home + "/etc/server.key", 0o600)
        run("postalias", "-c", self.home + "/etc", "hash:" + self.home + "/etc/aliases")
        run("postfix", "-c", self.home + "/etc", "start")

    def write(self, name, text):
        with open(f"{self.home}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def mailbox(self, name):
        try:
            with open(f"{self.home}/mail/{name}", "rb") as file:
                return [email.message_from_bytes(m.split(b"\n", 1)[1], policy=email.policy.default) for m in (b"\n" + file.read()).split(b"\nFrom ")[1:]]
        except FileNotFoundError:
            return []

    def log(self):
        try:
            return pathlib.Path(self.home + "/log").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def queued(self):
        return sum(len(files) for folder in ("incoming", "active", "deferred") for _, _, files in os.walk(f"{self.home}/spool/{folder}"))

    def close(self):
        subprocess.run(["postfix", "-c", self.home + "/etc", "stop"], capture_output=True, timeout=60, check=False)
        shutil.rmtree(self.home, ignore_errors=True)


class Guarded(Daemon):
    """Asks for credentials; the test is the machine's admin."""

    def request(self, method, path, body=None, headers=None, timeout=30):
        return super().request(method, path, body, {**(headers or {}), "Authorization": "Bearer " + self.read("data/nudged.token").strip()}, timeout)


class Mta(unittest.TestCase):
    def setUp(self):
        self.mta = Postfix()
        self.addCleanup(self.mta.close)
        self.d = Guarded(rules=RULES)
        self.addCleanup(self.d.close)
        self.d.write("password", PASSWORD + "\n")
        os.chmod(self.d.home + "/password", 0o600)
        self.base = self.d.read("nudge.yaml")

    def start(self, user=USER, **more):
        fields = {"host": "127.0.0.1", "port": self.mta.port, "security": "starttls", "username": f"{user}@example.test", "from": "Sales <sales@example.test>",
                  "envelope_from": "bounces@example.test", "ca_file": self.mta.home + "/etc/server.crt", "ehlo_name": "nudge.example.test", **more}
        text = "\n".join(f"    {name}: {value}" for name, value in fields.items())
        self.d.write("nudge.yaml", f"{self.base}connectors:\n  drop: {{kind: maildrop}}\n  mail:\n    kind: smtp\n{text}\n    password: {{file: {self.d.home}/password}}\n"
                     "    delivery: {retry_first: 200ms, retry_max: 1s}\n")
        self.again()
        made = subprocess.run([os.environ["NUDGE"], "--local", self.d.home + "/data", "token", "create", "mta", "--role", "ingest"], capture_output=True, text=True, timeout=60)
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        self.mta.write("token", made.stdout.split()[-1] + "\n")

    def again(self):
        self.d.start()
        self.mta.write("url", f"http://127.0.0.1:{self.d.port}\n")

    def order(self, customer, address, number=1):
        self.d.post(f"/v1/customers/{customer}", {"attributes": {"email": address, "name": "王芳"}})
        self.d.post("/v1/events", {"customer": customer, "event": "order_placed", "id": f"o{number}", "data": {"amount": 1}})

    def mails(self, state):
        return [a for a in self.d.get(f"/v1/actions?state={state}&limit=1000")["actions"] if a["kind"] == "email"]

    def wait(self, what):
        found = until(what)
        self.assertTrue(found, self.mta.log()[-6000:] + self.d.text_log()[-3000:])
        return found

    def test_mail_goes_in_over_tls_with_a_login_and_arrives_whole(self):
        self.start()
        self.order("c1", "wang@example.test")
        message = self.wait(lambda: self.mta.mailbox("wang"))[0]
        self.assertEqual(message["Subject"], "价格 for 王芳")
        self.assertEqual(message.get_content().strip(), "Dear 王芳")
        self.assertEqual(message["Return-Path"], "<bounces@example.test>")
        received = message.get_all("Received")[-1]
        self.assertIn("TLSv1.3", received)
        self.assertIn("(Authenticated sender: nudge@example.test)", received)
        self.assertEqual(self.mails("accepted")[0]["tries"], 1)
        # The same mail without a login is refused by this server: the login was needed.
        context = ssl.create_default_context(cafile=self.mta.home + "/etc/server.crt")
        with smtplib.SMTP("127.0.0.1", self.mta.port, timeout=20) as peer:
            peer.starttls(context=context)
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                peer.sendmail("a@example.test", ["wang@example.test"], "Subject: x\n\nx")

    def test_a_wrong_password_is_a_matter_of_configuration_and_loses_nothing(self):
        self.start(user="somebody-else")
        self.order("c1", "wang@example.test")
        shown = lambda: str([c for c in self.d.get("/v1/connectors")["connectors"] if c["name"] == "mail"])
        self.wait(lambda: "535" in shown())
        self.assertNotIn(PASSWORD, shown())
        self.assertNotIn(PASSWORD, self.d.text_log())
        self.assertEqual(self.mta.mailbox("wang"), [])

    def test_a_hard_bounce_comes_back_and_fills_the_suppression_list(self):
        self.start()
        self.order("c2", "nobody-here@example.test")
        action = self.wait(lambda: self.mails("accepted"))[0]
        listed = self.wait(lambda: self.d.get("/v1/suppressions")["suppressions"])
        self.assertEqual([(s["kind"], s["value"]) for s in listed], [("address", "nobody-here@example.test")])
        receipt = self.d.get("/v1/actions/" + action["id"])["receipt"]
        self.assertIn("5.1.1", str(receipt))
        self.wait(lambda: any(m.get("payload", m).get("text", "").startswith("lost: ") for m in self.d.get("/v1/maildrop?limit=100")["messages"]))
        # From now on nothing more goes there.
        self.order("c2", "nobody-here@example.test", 2)
        self.wait(lambda: [a for a in self.mails("held") if a["held"] == "suppressed"])
        # And another's mail arrives as before.
        self.order("c3", "wang@example.test", 3)
        self.wait(lambda: self.mta.mailbox("wang"))
        self.d.counters()

    def test_a_bounce_while_nudged_is_down_waits_in_the_mail_system(self):
        self.start()
        self.order("c4", "leaving@example.test")
        self.wait(lambda: self.mails("accepted"))
        self.assertEqual(self.d.stop(), 0)
        self.mta.write("leave", "")  # the mailbox goes away: the mail system gives the message back
        self.wait(lambda: "to=<bounces@example.test>" in self.mta.log() and "status=deferred" in self.mta.log().split("to=<bounces@example.test>", 1)[1])
        self.again()
        self.wait(lambda: self.d.get("/v1/suppressions")["total"] == 1)
        self.assertTrue(until(lambda: self.mta.queued() == 0, 20))


if __name__ == "__main__":
    if os.getuid() != 0:
        if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
            os.execvp("sudo", ["sudo", "-n", "--preserve-env=NUDGE,NUDGED,NUDGE_CONNECTOR,NUDGE_PLUGINS,PYTHONDONTWRITEBYTECODE", sys.executable, *sys.argv])
        print("skipped: Postfix's master process starts as root only, and there is no sudo")
        sys.exit(SKIPPED)
    unittest.main()
