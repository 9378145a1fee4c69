#!/usr/bin/env python3
"""smtp against a real SMTP server (aiosmtpd) and against servers that break off at the worst moments."""
import email
import email.policy
import logging
import os
import shutil
import socket
import ssl
import tempfile
import threading
import time
import unittest

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from harness import Connector, ConnectorTest, refused_port

PAYLOAD = {"to": "王芳 <wang@example.net>", "subject": "您的报价单已经三天没有回复了，我们能帮您做些什么吗？ (offer 12.10)",
           "text": "你好 王芳\n.\n..two dots\nlast line", "html": "<p>你好 &lt;王芳&gt;</p>", "unsubscribe_url": "https://u.example/x?t=1"}


class Mailbox:
    """aiosmtpd handler: keeps messages, and answers RCPT and DATA as scripted."""

    def __init__(self):
        self.messages, self.rcpt, self.data, self.mail, self.peers = [], None, None, None, []

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.peers.append(session.peer)
        if self.mail:
            return self.mail
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.rcpt:
            return self.rcpt
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.data:
            return self.data
        self.messages.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, session.authenticated))
        return "250 2.0.0 Ok: queued as Q" + str(len(self.messages))


def authenticator(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"nudge", b"right-password")
    return AuthResult(success=good, handled=False)


class Server(Controller):
    """Binds to a free port; `port` is known once it has started."""

    def _create_server(self):
        return self.loop.create_server(self._factory_invoker, host=self.hostname, port=0, ssl=self.ssl_context)

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class RawServer:
    """A scripted server for what a decent one never does: list of replies; a word instead of a reply ends the talk."""

    def __init__(self, after_data=None, at_data=None, ehlo=("250-raw", "250 SIZE 1000000"), greeting="220 raw"):
        self.after_data, self.at_data, self.ehlo, self.greeting = after_data, at_data, ehlo, greeting
        self.bodies, self.commands = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection, connection.makefile("rwb") as stream:
            def say(*lines):
                stream.write("".join(line + "\r\n" for line in lines).encode())
                stream.flush()
            say(self.greeting)
            for line in stream:
                command = line.decode().strip()
                self.commands.append(command)
                word = command.split(" ")[0].upper()
                if word == "EHLO":
                    say(*self.ehlo)
                elif word == "DATA":
                    if self.at_data == "close":
                        return
                    say(self.at_data or "354 go ahead")
                    if self.at_data:
                        continue
                    body = b""
                    while not body.endswith(b"\r\n.\r\n"):
                        part = stream.readline()
                        if not part:
                            break
                        body += part
                    self.bodies.append(body)
                    if self.after_data == "silent":
                        time.sleep(30)
                    if self.after_data in ("close", "silent"):
                        return
                    say(self.after_data or "250 OK")
                elif word == "QUIT":
                    time.sleep(20)  # never answers in time
                    return
                else:
                    say("250 OK")

    def close(self):
        self.listener.close()


class ClosingServer:
    """Closes a connection after one message: at once, or with 421 to the next command. Offers AUTH on its first `auth_on` connections."""

    def __init__(self, ends, auth_on=0):
        self.ends, self.auth_on, self.messages, self.connections = ends, auth_on, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.talk, args=(connection, self.connections <= self.auth_on), daemon=True).start()

    def talk(self, connection, auth):
        with connection, connection.makefile("rwb") as stream:
            def say(*lines):
                stream.write("".join(line + "\r\n" for line in lines).encode())
                stream.flush()
            say("220 closing")
            done = False
            for line in stream:
                word = line.decode().split(" ")[0].strip().upper()
                if done:
                    return say("421 4.4.2 idle for too long")
                if word == "EHLO":
                    say("250-closing", *(["250-AUTH PLAIN"] if auth else []), "250 SIZE 1000000")
                elif word == "AUTH":
                    say("235 2.7.0 ok") if len(line.split()) > 2 else say("334 ")
                elif word == "DATA":
                    say("354 go ahead")
                    while (part := stream.readline()) and part != b".\r\n":
                        pass
                    if not part:  # it broke off
                        return
                    self.messages += 1
                    say("250 2.0.0 queued")
                    if self.ends == "close":
                        return
                    done = True
                elif word == "QUIT":
                    return say("221 bye")
                else:
                    say("235 2.7.0 ok" if auth and word not in ("MAIL", "RCPT", "RSET", "NOOP") else "250 OK")

    def close(self):
        self.listener.close()


class SmtpTest(ConnectorTest):
    def server(self, **options):
        mailbox = Mailbox()
        server = Server(mailbox, hostname="127.0.0.1", port=0, **options)
        server.start()
        self.addCleanup(server.stop)
        return server, mailbox

    def config(self, port, **more):
        return {"host": "127.0.0.1", "port": port, "security": "none", "from": "销售部 <sales@example.com>", "ehlo_name": "nudge.test", **more}

    def connector(self, config, **more):
        connector = Connector("smtp", config, **more)
        self.addCleanup(connector.stop)
        return connector

    def test_message_arrives_whole(self):
        server, mailbox = self.server()
        connector = self.connector(self.config(server.port, envelope_from="bounce@example.com"))
        first = self.accepted(connector.deliver(PAYLOAD, action_id="ab12", created_ms=1767323045000))
        self.assertIn("queued as Q1", first["provider_ref"])
        self.assertEqual(first["http_status"], 250)
        self.accepted(connector.deliver(PAYLOAD, action_id="ab12", created_ms=1767323045000, attempt=2))
        sender, recipients, content, _ = mailbox.messages[0]
        self.assertEqual((sender, recipients), ("bounce@example.com", ["wang@example.net"]))
        self.assertEqual(content, mailbox.messages[1][2], "a second attempt must be the same bytes")
        message = email.message_from_bytes(content, policy=email.policy.default)
        self.assertEqual(message["Message-ID"], "<ab12@example.com>")
        self.assertEqual(message["Subject"], PAYLOAD["subject"])
        self.assertEqual(message["To"].addresses[0].display_name, "王芳")
        self.assertEqual(message["From"].addresses[0].display_name, "销售部")
        self.assertEqual(message["Date"].datetime.timestamp(), 1767323045)
        self.assertEqual(message["List-Unsubscribe"], "<https://u.example/x?t=1>")
        self.assertEqual(message["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click")
        parts = [(part.get_content_type(), part.get_content().replace("\r\n", "\n")) for part in message.iter_parts()]
        self.assertEqual(parts, [("text/plain", PAYLOAD["text"]), ("text/html", PAYLOAD["html"])])
        self.assertTrue(all(len(line) <= 998 for line in content.split(b"\r\n")))
        self.assertEqual(list(message.defects), [])

    def test_plain_text_alone(self):
        server, mailbox = self.server()
        connector = self.connector(self.config(server.port))
        self.accepted(connector.deliver({"to": "a@example.net", "subject": "plain", "text": "x " * 2000 + "end = done"}))
        message = email.message_from_bytes(mailbox.messages[0][2], policy=email.policy.default)
        self.assertEqual(message.get_content_type(), "text/plain")
        self.assertEqual(message.get_content().strip(), "x " * 2000 + "end = done")

    def test_files(self):
        server, mailbox = self.server()
        folder = tempfile.mkdtemp(prefix="nudge-files-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        os.makedirs(folder + "/offers")
        picture, offer = bytes(range(256)) * 20, b"%PDF-1.4 " + os.urandom(3000)
        for name, content in (("logo.png", picture), ("offers/报价单.pdf", offer), ("big.bin", b"x" * 9000), ("bad name.png", b"x")):
            with open(f"{folder}/{name}", "wb") as file:
                file.write(content)
        os.symlink("/etc/hostname", folder + "/link.txt")
        os.symlink("/etc", folder + "/out")
        connector = self.connector(self.config(server.port, files=folder, files_bytes_max=9500))
        html = '<p><img src="cid:logo.png">你好</p>'
        payload = {**PAYLOAD, "html": html, "inline": ["logo.png"], "attachments": ["offers/报价单.pdf", ""]}
        self.accepted(connector.deliver(payload, action_id="ab13", created_ms=1767323045000))
        self.accepted(connector.deliver(payload, action_id="ab13", created_ms=1767323045000, attempt=2))
        self.assertEqual(mailbox.messages[0][2], mailbox.messages[1][2], "a second attempt must be the same bytes")
        message = email.message_from_bytes(mailbox.messages[0][2], policy=email.policy.default)
        self.assertEqual(message.get_content_type(), "multipart/mixed")
        alternative, attached = message.iter_parts()
        plain, related = alternative.iter_parts()
        shown, image = related.iter_parts()
        self.assertEqual([p.get_content_type() for p in (alternative, plain, related, shown, image, attached)],
                         ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png", "application/pdf"])
        self.assertEqual((plain.get_content().replace("\r\n", "\n"), shown.get_content().strip()), (PAYLOAD["text"], html))
        self.assertEqual((image["Content-ID"], image.get_content_disposition(), image.get_content()), ("<logo.png>", "inline", picture))
        self.assertEqual((attached.get_content_disposition(), attached.get_content()), ("attachment", offer))
        self.assertIn(b"filename*=UTF-8''%E6%8A%A5%E4%BB%B7%E5%8D%95.pdf\r\n", mailbox.messages[0][2])  # the vector; a name in ASCII stands before it
        self.assertEqual([d for part in message.walk() if part is not attached for d in part.defects], [])
        self.assertTrue(all(len(line) <= 998 for line in mailbox.messages[0][2].split(b"\r\n")))
        # One file only, beside a plain text.
        self.accepted(connector.deliver({"to": "a@example.net", "subject": "s", "text": "t", "attachments": ["logo.png"]}))
        one = email.message_from_bytes(mailbox.messages[2][2], policy=email.policy.default)
        self.assertEqual([p.get_content_type() for p in one.walk()], ["multipart/mixed", "text/plain", "image/png"])
        sent = len(mailbox.messages)
        for change, word in (({"attachments": ["gone.pdf"]}, "gone.pdf"), ({"attachments": ["../hostname"]}, "no file"), ({"attachments": ["/etc/hostname"]}, "no file"),
                             ({"attachments": ["link.txt"]}, "no file"), ({"attachments": ["out/hostname"]}, "no file"), ({"attachments": ["offers"]}, "no file"),
                             ({"attachments": ["offers/./../logo.png"]}, "no file"), ({"attachments": ["a\nb"]}, "character"), ({"attachments": ["big.bin", "logo.png"]}, "files_bytes_max"),
                             ({"attachments": "logo.png"}, "list"), ({"inline": ["bad name.png"]}, "inline"), ({"html": "", "inline": ["logo.png"]}, "no html")):
            with self.subTest(change=change):
                self.assertIn(word, self.refused(connector.deliver({**PAYLOAD, **change}))["detail"])
        self.assertEqual(len(mailbox.messages), sent)
        bare = self.connector(self.config(server.port))
        self.assertIn("`files`", self.refused(bare.deliver({**PAYLOAD, "attachments": ["logo.png"]}))["detail"])

    def test_answers_of_the_server(self):
        server, mailbox = self.server()
        connector = self.connector(self.config(server.port))
        for where, answer, check in [
                ("rcpt", "450 4.2.0 greylisted", self.retry), ("rcpt", "550 5.1.1 no such user", self.refused),
                ("rcpt", "552 5.2.2 mailbox full", self.retry), ("mail", "451 4.3.0 later", self.retry),
                ("mail", "530 5.7.0 authentication required", self.bad_config),
                ("data", "452 4.3.1 no space", self.retry), ("data", "554 5.7.1 spam", self.refused)]:
            with self.subTest(where=where, answer=answer):
                setattr(mailbox, where, answer)
                outcome = connector.deliver(PAYLOAD)
                setattr(mailbox, where, None)
                check(outcome)
                self.assertEqual(outcome["http_status"], int(answer[:3]))
                self.assertIn(answer[10:], outcome["detail"])
        self.assertEqual(mailbox.messages, [])
        self.accepted(connector.deliver(PAYLOAD))

    def test_bad_payloads_never_reach_the_server(self):
        server, mailbox = self.server()
        connector = self.connector(self.config(server.port))
        for change in [{"to": "a@example.net\r\nBcc: evil@example.net"}, {"to": "a@example.net, b@example.net"}, {"to": ""}, {"to": "nobody"},
                       {"subject": "x\r\nBcc: evil@example.net"}, {"reply_to": "x\n@y"}, {"text": "", "html": ""},
                       {"unsubscribe_url": "javascript:alert(1)"}, {"unsubscribe_url": "https://x/ >\r\nX: y"}]:
            with self.subTest(change=change):
                self.refused(connector.deliver({**PAYLOAD, **change}))
        self.refused(connector.deliver(PAYLOAD, action_id="x\r\ny"))
        self.assertEqual(mailbox.messages, [])

    def tls_context(self):
        self.cert, key = self.certificate()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        return context

    def test_starttls_and_auth(self):
        server, mailbox = self.server(tls_context=self.tls_context(), require_starttls=True, authenticator=authenticator, auth_required=True)
        login = {"security": "starttls", "username": "nudge", "ca_file": self.cert}
        good = self.connector(self.config(server.port, password=self.secret("p", "right-password"), **login))
        self.accepted(good.deliver(PAYLOAD))
        self.assertTrue(mailbox.messages[0][3])
        wrong = self.connector(self.config(server.port, password=self.secret("q", "wrong-password"), **login))
        outcome = self.bad_config(wrong.deliver(PAYLOAD))
        self.assertEqual(outcome["http_status"], 535)
        anonymous = self.connector(self.config(server.port, security="starttls", ca_file=self.cert))
        self.bad_config(anonymous.deliver(PAYLOAD))
        distrusting = self.connector(self.config(server.port, security="starttls", username="nudge", password=self.secret("p", "right-password")))
        self.retry(distrusting.deliver(PAYLOAD))
        self.assertEqual(len(mailbox.messages), 1)
        for connector in (good, wrong, anonymous, distrusting):
            code, errors = connector.stop()
            self.assertEqual(code, 0)
            self.assertNotIn(b"password", connector.raw_output + errors, "a secret in the output")

    def test_password_from_the_environment(self):
        server, mailbox = self.server(tls_context=self.tls_context(), authenticator=authenticator, auth_required=True)
        config = self.config(server.port, security="starttls", username="nudge", password={"env": "MAIL_PASSWORD"}, ca_file=self.cert)
        connector = self.connector(config, env={"MAIL_PASSWORD": "right-password"})
        self.accepted(connector.deliver(PAYLOAD))
        self.assertTrue(mailbox.messages[0][3])
        missing = self.connector(config, expect_ok=False)
        self.assertFalse(missing.hello["ok"])
        self.assertIn("MAIL_PASSWORD is not set", missing.hello["detail"])

    def test_implicit_tls(self):
        server, mailbox = self.server(ssl_context=self.tls_context())
        connector = self.connector(self.config(server.port, security="tls", ca_file=self.cert))
        self.accepted(connector.deliver(PAYLOAD))
        self.assertEqual(len(mailbox.messages), 1)

    def test_never_in_clear_when_starttls_is_wanted(self):
        server, mailbox = self.server()
        connector = self.connector(self.config(server.port, security="starttls"))
        self.assertIn("STARTTLS", self.bad_config(connector.deliver(PAYLOAD))["detail"])
        self.assertEqual(mailbox.messages, [])

    def test_never_without_auth_when_credentials_are_set(self):
        raw = RawServer()
        self.addCleanup(raw.close)
        connector = self.connector(self.config(raw.port, username="nudge", password=self.secret("p", "right-password"), allow_clear_password=True))
        self.assertIn("AUTH", self.bad_config(connector.deliver(PAYLOAD))["detail"])
        self.assertTrue(all(not body.strip() for body in raw.bodies), "the message left without authentication")

    def test_many_messages_on_one_connection(self):
        server, mailbox = self.server(tls_context=self.tls_context(), require_starttls=True, authenticator=authenticator, auth_required=True)
        connector = self.connector(self.config(server.port, security="starttls", username="nudge", password=self.secret("p", "right-password"), ca_file=self.cert))
        for n in range(30):
            if n == 10:  # a refusal in between costs neither the others nor the login
                mailbox.rcpt = "550 5.1.1 no such user"
                self.refused(connector.deliver(PAYLOAD, action_id="bad"))
                mailbox.rcpt = None
            self.accepted(connector.deliver({**PAYLOAD, "to": f"c{n}@example.net"}, action_id=f"ab{n}"))
        self.assertEqual([m[1] for m in mailbox.messages], [[f"c{n}@example.net"] for n in range(30)])
        self.assertTrue(all(m[3] for m in mailbox.messages), "authenticated, each of them")
        self.assertLessEqual(len(set(mailbox.peers)), 2)

    def test_several_at_once_have_connections_of_their_own(self):
        server, mailbox = self.server()
        connector = self.connector(self.config(server.port))
        for round in range(3):
            numbers = [connector.start({**PAYLOAD, "to": f"c{n}@example.net"}, action_id=f"ab{round}{n}") for n in range(8)]
            for number in numbers:
                self.accepted(connector.wait(number))
        self.assertEqual(len(mailbox.messages), 24)
        self.assertEqual(sorted(m[1][0] for m in mailbox.messages), sorted([f"c{n}@example.net" for n in range(8)] * 3))
        self.assertLessEqual(len(set(mailbox.peers)), 8)

    def test_a_kept_connection_that_the_server_has_closed_is_replaced(self):
        for ends in ("close", "421"):
            with self.subTest(ends):
                raw = ClosingServer(ends)
                self.addCleanup(raw.close)
                connector = self.connector(self.config(raw.port, timeout_ms=5000))
                for n in range(3):
                    self.accepted(connector.deliver(PAYLOAD, action_id=f"ab{n}"))
                self.assertEqual((raw.messages, raw.connections), (3, 3))

    def test_a_new_connection_must_prove_the_login_again(self):
        raw = ClosingServer("close", auth_on=1)
        self.addCleanup(raw.close)
        connector = self.connector(self.config(raw.port, username="nudge", password=self.secret("p", "right-password"), allow_clear_password=True))
        self.accepted(connector.deliver(PAYLOAD))
        self.assertIn("AUTH", self.bad_config(connector.deliver(PAYLOAD, action_id="ab2"))["detail"])
        self.assertEqual(raw.messages, 1)

    def test_connection_lost(self):
        begin = time.monotonic()
        for script, check in [({"after_data": "close"}, self.unknown), ({"after_data": "silent"}, self.unknown), ({"at_data": "close"}, self.retry),
                              ({"greeting": "421 4.3.2 too busy"}, self.retry), ({"greeting": "554 go away"}, self.refused),
                              ({"at_data": "451 not now"}, self.retry), ({"after_data": "250 fine"}, self.accepted)]:
            with self.subTest(**script):
                raw = RawServer(**script)
                connector = self.connector(self.config(raw.port, timeout_ms=2000))
                check(connector.deliver(PAYLOAD))
                raw.close()
        self.assertLess(time.monotonic() - begin, 40, "waiting for QUIT's answer")
        raw = RawServer()
        connector = self.connector(self.config(raw.port))
        self.accepted(connector.deliver(PAYLOAD))
        self.assertIn(b"\r\n.\r\n", raw.bodies[0])
        self.assertEqual(raw.commands[0], "EHLO nudge.test")
        raw.close()
        self.retry(self.connector(self.config(refused_port())).deliver(PAYLOAD))

    def test_many_at_once(self):
        server, mailbox = self.server()
        connector = self.connector(self.config(server.port))
        numbers = [connector.start({"to": f"c{i}@example.net", "subject": str(i), "text": "x"}, action_id=f"{i:04x}") for i in range(40)]
        for number in numbers:
            self.accepted(connector.wait(number))
        self.assertEqual(sorted(recipients[0] for _, recipients, _, _ in mailbox.messages), sorted(f"c{i}@example.net" for i in range(40)))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # the server's words on handshakes that are meant to fail
    unittest.main()
