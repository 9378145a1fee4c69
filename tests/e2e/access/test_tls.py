#!/usr/bin/env python3
"""TLS of a real nudged: versions, ciphers, large bodies, slow clients, certificates that change. NUDGED and NUDGE name the programs."""
import http.client
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "daemon"))
from harness import Daemon  # noqa: E402


def certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder + "/key.new", "-out", folder + "/cert.new"],
                   check=True, capture_output=True)
    os.chmod(folder + "/key.new", 0o600)
    os.rename(folder + "/key.new", folder + "/key.pem")
    os.rename(folder + "/cert.new", folder + "/cert.pem")


class Tls(unittest.TestCase):
    def setUp(self):
        self.d = Daemon(config="http: {port: 0, tls_certificate: cert.pem, tls_key: key.pem, head_timeout: 1s}\n")
        self.addCleanup(self.d.close)
        certificate(self.d.home, "first")
        self.start()

    def start(self):
        self.d.start(wait=False)
        line = self.d.process.stdout.readline().decode()
        self.assertIn(" on https://", line, self.d.text_log())
        self.port = int(line.strip().rsplit(":", 1)[1])

    def context(self):
        return ssl.create_default_context(cafile=self.d.home + "/cert.pem")

    def connection(self, context=None):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context or self.context(), timeout=30)

    def ask(self, method, path, body=None, headers=None):
        connection = self.connection()
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        out = answer.status, answer.read(), answer.headers
        connection.close()
        return out

    def handshake(self, low, high, ciphers=None):
        context = self.context()
        context.minimum_version, context.maximum_version = low, high
        if ciphers:
            context.set_ciphers(ciphers)
        with socket.create_connection(("127.0.0.1", self.port), 10) as raw, context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
            return tls.version(), tls.cipher()[0]

    def test_versions_and_ciphers(self):
        v = ssl.TLSVersion
        self.assertEqual(self.handshake(v.TLSv1_3, v.TLSv1_3)[0], "TLSv1.3")
        self.assertEqual(self.handshake(v.TLSv1_2, v.TLSv1_2)[0], "TLSv1.2")
        for low, high, ciphers in ((v.TLSv1, v.TLSv1_1, "ALL:@SECLEVEL=0"), (v.TLSv1_2, v.TLSv1_2, "AES128-SHA"), (v.TLSv1_2, v.TLSv1_2, "ECDHE+AES:!AESGCM:!AESCCM")):
            with self.subTest(high=high, ciphers=ciphers), self.assertRaises((ssl.SSLError, ConnectionError)):
                self.handshake(low, high, ciphers)
        self.assertEqual(self.ask("GET", "/-/ready")[0], 200)

    def test_large_bodies_both_ways_and_pipelines(self):
        documents = [{"customer": f"c{i}", "event": "ping", "id": str(i), "data": {"n": i}} for i in range(20_000)]
        body = b"".join(json.dumps(d).encode() + b"\n" for d in documents)
        self.assertGreater(len(body), 1_000_000)
        status, answer, _ = self.ask("POST", "/v1/events", body, {"Content-Type": "application/x-ndjson"})
        self.assertEqual((status, json.loads(answer)["stored"]), (200, 20_000))
        self.assertGreater(len(answer), 100_000)
        connection = self.connection()
        connection.connect()
        connection.sock.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        got = b""
        while got.count(b"HTTP/1.1 200") < 100:
            piece = connection.sock.recv(65536)
            self.assertTrue(piece)
            got += piece
        connection.close()

    def test_what_is_no_tls_ends_and_harms_nobody(self):
        for noise in (b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 50, os.urandom(500), b""):
            with socket.create_connection(("127.0.0.1", self.port), 10) as raw:
                raw.sendall(noise)
                raw.settimeout(15)
                try:
                    while raw.recv(4096):
                        pass
                except ConnectionError:
                    pass
        self.assertEqual(self.ask("GET", "/-/ready")[0], 200)
        self.assertIsNone(self.d.process.poll())

    def test_a_new_certificate_is_taken_and_a_broken_one_is_not(self):
        self.assertEqual(self.ask("GET", "/-/ready")[0], 200)
        old = self.context()
        certificate(self.d.home, "second")
        def new_one():
            try:
                return self.ask("GET", "/-/ready")[0] == 200
            except ssl.SSLError:
                return False
        self.d.until(new_one)
        with self.assertRaises(ssl.SSLError):
            self.connection(old).request("GET", "/-/ready")
        good = self.context()
        with open(self.d.home + "/cert.pem", "w") as file:
            file.write("no certificate\n")
        def asked():
            connection = self.connection(good)
            connection.request("GET", "/-/ready")
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()
            return "can't be used" in self.d.text_log()
        self.d.until(asked)

    def test_the_command_line_and_the_cookie(self):
        environment = {**os.environ, "NUDGE_CA": self.d.home + "/cert.pem"}
        def nudge(*words, **options):
            return subprocess.run([os.environ["NUDGE"], "--local", self.d.home + "/data", *words], capture_output=True, text=True, timeout=60, **options)
        ran = nudge("user", "create", "lin", "--role", "viewer", "--password-file", "-", input="correct horse battery\n", env=environment)
        self.assertEqual(ran.returncode, 0, ran)
        self.assertEqual(nudge("status", env=dict(os.environ)).returncode, 0, "--local takes the certificate of its own nudged")
        by_url = subprocess.run([os.environ["NUDGE"], "--url", f"https://127.0.0.1:{self.port}", "status"], capture_output=True, text=True, env=dict(os.environ), timeout=60)
        self.assertNotEqual(by_url.returncode, 0, "a certificate of nobody is not taken")
        status, _, headers = self.ask("POST", "/v1/session", json.dumps({"user": "lin", "password": "correct horse battery"}))
        self.assertEqual(status, 200)
        self.assertTrue(headers["Set-Cookie"].startswith("__Host-nudge="))
        self.assertIn("; Secure", headers["Set-Cookie"])

    def test_a_key_for_all_eyes_is_refused(self):
        self.d.stop()
        os.chmod(self.d.home + "/key.pem", 0o644)
        self.d.start(wait=False)
        self.assertEqual(self.d.process.wait(20), 1)
        self.assertIn("chmod 600", self.d.text_log())


if __name__ == "__main__":
    unittest.main(verbosity=1)
