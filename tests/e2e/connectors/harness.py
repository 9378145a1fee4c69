"""What the connector tests share: nudge-connector as a process, a scriptable HTTP peer, certificates. Loopback only."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RUNNER = os.environ["NUDGE_CONNECTOR"]
PLUGINS = os.environ.get("NUDGE_PLUGINS", os.path.dirname(RUNNER))


def now_ms():
    return int(time.time() * 1000)


class Connector:
    """One connector process, spoken to in the protocol of connectors/PROTOCOL.md."""

    def __init__(self, kind, config, env=None, expect_ok=True, timeout_s=20):
        self.timeout_s, self.ended = timeout_s, None
        self.process = subprocess.Popen(
            [RUNNER, "--plugin", kind if kind.startswith("/") else os.path.join(PLUGINS, kind + ".so")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", **(env or {})})
        self.raw_output = b""
        self.logs = []
        self.replies = {}
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.next_id = 1
        self._send({"op": "hello", "id": 0, "protocol": 1, "name": "test", "kind": kind, "config": config, "max_in_flight": 8})
        self.hello = self._wait(0)
        if expect_ok and not self.hello["ok"]:
            raise AssertionError(self.hello["detail"])

    def _read(self):
        for line in self.process.stdout:
            self.raw_output += line
            reply = json.loads(line)
            with self.changed:
                if reply.get("op") == "log":
                    self.logs.append(reply)
                else:
                    assert reply["id"] not in self.replies, f"two answers to {reply['id']}"
                    self.replies[reply["id"]] = reply
                self.changed.notify_all()

    def _send(self, request):
        text = request if isinstance(request, str) else json.dumps(request, ensure_ascii=False)
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def _wait(self, number):
        with self.changed:
            if not self.changed.wait_for(lambda: number in self.replies, self.timeout_s):
                raise AssertionError(f"no answer to request {number} in {self.timeout_s} s")
            return self.replies[number]

    def start(self, payload, action_id="ab12", attempt=1, op="deliver", created_ms=None, deadline_ms=None, **more):
        """Sends a request without waiting; payload may be JSON text, to test exact bytes."""
        number = self.next_id
        self.next_id += 1
        head = {"op": op, "id": number, "action_id": action_id, "kind": "test", "channel": "test", "attempt": attempt,
                "customer_id": "c1", "created_ms": now_ms() if created_ms is None else created_ms,
                "deadline_ms": now_ms() + 30000 if deadline_ms is None else deadline_ms, **more}
        body = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
        self._send(json.dumps(head)[:-1] + ', "payload": ' + body + "}")
        return number

    def deliver(self, payload, **more):
        return self._wait(self.start(payload, **more))

    def query(self, payload, **more):
        return self.deliver(payload, op="query", provider_ref=more.pop("provider_ref", ""), **more)

    def wait(self, number):
        return self._wait(number)

    def stop(self):
        """Ends it cleanly; gives the exit code and what it wrote to standard error. Again: the same answer."""
        if self.ended:
            return self.ended
        if self.process.poll() is None:
            try:
                self._send({"op": "stop", "id": self.next_id})
                self.process.stdin.close()
            except BrokenPipeError:
                pass
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("the connector did not stop within 10 s")
        self.reader.join(5)
        self.ended = self.process.returncode, self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.ended

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Seen:
    """One request as the peer saw it."""

    def __init__(self, handler, body):
        self.method, self.path = handler.command, handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.body = body

    def json(self):
        return json.loads(self.body)


class HttpPeer:
    """An HTTP server whose answers are scripted: a list of steps, or a function of the request.

    A step is (status, headers, body), or one of the words: silent (reads the request, never answers), close (reads it and
    closes), reset (reads it and resets), huge (a body of 5 MB), drip (a byte of the body each 100 ms), partial (half the body).
    """

    def __init__(self, script=None, tls=None):
        self.script, self.seen, self.lock = script, [], threading.Lock()
        self.default = (200, {}, "{}")
        self.closing = threading.Event()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                seen = Seen(self, body)
                with peer.lock:
                    peer.seen.append(seen)
                    if callable(peer.script):
                        step = peer.script(seen)
                    else:
                        step = peer.script.pop(0) if peer.script else peer.default
                peer.answer(self, step)

            do_GET = do_POST = do_PUT = serve

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler, step):
        if step == "silent":
            self.closing.wait(60)
            handler.close_connection = True
        elif step in ("close", "reset"):
            if step == "reset":
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            handler.close_connection = True
            handler.connection.close()
        elif step in ("huge", "drip", "partial"):
            body = b"x" * (5_000_000 if step == "huge" else 100)
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            if step == "huge":
                handler.wfile.write(body)
            elif step == "partial":
                handler.wfile.write(body[:50])
                handler.wfile.flush()
                handler.close_connection = True
            else:
                for _ in body:
                    handler.wfile.write(b"x")
                    handler.wfile.flush()
                    if self.closing.wait(0.1):
                        return
        else:
            status, headers, body = step
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


def refused_port():
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ConnectorTest(unittest.TestCase):
    """A temporary directory for secrets and files, and assertions on outcomes."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="nudge-connector-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def secret(self, name, value):
        path = os.path.join(self.directory, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(value + "\n")
        return {"file": path}

    def certificate(self, name="server", host="127.0.0.1"):
        cert, key = (os.path.join(self.directory, f"{name}.{end}") for end in ("crt", "key"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                        "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{host}"], check=True, capture_output=True)
        return cert, key

    def accepted(self, outcome):
        self.assertEqual(outcome["status"], "accepted", outcome)
        return outcome

    def retry(self, outcome, after_ms=None):
        self.assertEqual((outcome["status"], outcome.get("retryable")), ("not_sent", True), outcome)
        if after_ms is not None:
            self.assertEqual(outcome.get("retry_after_ms"), after_ms, outcome)
        return outcome

    def refused(self, outcome):
        self.assertEqual((outcome["status"], outcome.get("retryable")), ("not_sent", False), outcome)
        return outcome

    def unknown(self, outcome):
        self.assertEqual(outcome["status"], "unknown", outcome)
        return outcome

    def bad_config(self, outcome):
        self.assertEqual(outcome["status"], "bad_config", outcome)
        return outcome
