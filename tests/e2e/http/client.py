"""Raw-socket HTTP client for the tests: says exactly the bytes it is told to, and reads answers strictly."""
import json
import os
import signal
import socket
import subprocess


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        found = [v for n, v in self.headers if n.lower() == name.lower()]
        assert len(found) <= 1, f"{name} is there twice: {found}"
        return found[0] if found else None

    def problem(self):
        assert self.header("Content-Type") == "application/problem+json", self.headers
        problem = json.loads(self.body)
        assert problem["status"] == self.status and problem["code"] and problem["detail"] and problem["title"], problem
        return problem


class Closed(Exception):
    """The server closed the connection where an answer was expected."""


class Connection:
    def __init__(self, port, timeout=10, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def request(self, method, target, body=None, headers=(), version="1.1"):
        lines = [f"{method} {target} HTTP/{version}", "Host: localhost", *headers]
        if body is not None and not any(h.lower().startswith(("content-length", "transfer-encoding")) for h in headers):
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))

    def ask(self, method, target, body=None, headers=(), version="1.1"):
        self.request(method, target, body, headers, version)
        return self.answer(method)

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed(self.buffer)
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            self.more()
        found, self.buffer = self.buffer.split(mark, 1)
        return found

    def exactly(self, n):
        while len(self.buffer) < n:
            self.more()
        found, self.buffer = self.buffer[:n], self.buffer[n:]
        return found

    def head(self):
        lines = self.until(b"\r\n\r\n").decode().split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        return int(status), [tuple(line.split(": ", 1)) for line in lines[1:]]

    def chunk(self):
        size = int(self.until(b"\r\n"), 16)
        data = self.exactly(size)
        assert self.exactly(2) == b"\r\n"
        return data

    def answer(self, method="GET"):
        status, headers = self.head()
        answer = Answer(status, headers, b"")
        if method == "HEAD" or status in (204, 304) or status < 200:
            return answer
        if answer.header("Transfer-Encoding") == "chunked":
            while piece := self.chunk():
                answer.body += piece
        elif answer.header("Content-Length") is not None:
            answer.body = self.exactly(int(answer.header("Content-Length")))
        else:
            answer.body = self.rest()
        return answer

    def rest(self):
        """All that comes until the server closes."""
        try:
            while True:
                self.more()
        except (Closed, ConnectionResetError):
            found, self.buffer = self.buffer, b""
            return found

    def is_closed(self):
        return self.rest() == b""


class Server:
    """tests/e2e/http/test_server.cpp as a process."""

    def __init__(self, binary, *options):
        self.process = subprocess.Popen([binary, *options], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("port "), f"the server did not start: {line!r}"
        self.port = int(line.split()[1])

    def connect(self, **more):
        return Connection(self.port, **more)

    def ask(self, *arguments, **more):
        with self.connect() as connection:
            return connection.ask(*arguments, **more)

    def stats(self):
        return json.loads(self.ask("GET", "/stats").body)

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        """SIGTERM; the last line it printed and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=30)
        return out.strip(), self.process.returncode
