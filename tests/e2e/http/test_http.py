#!/usr/bin/env python3
"""The HTTP server over raw sockets: framing, limits, time limits, streams, floods. Usage: test_http.py SERVER_BINARY [unittest arguments]"""
import concurrent.futures
import gzip
import random
import resource
import socket
import struct
import sys
import time
import unittest

from client import Closed, Server

BINARY = sys.argv.pop(1)
MIB = 1 << 20


class Case(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(BINARY, *cls.options)

    @classmethod
    def tearDownClass(cls):
        out, code = cls.server.stop()
        assert code == 0, f"the server ended with {code}: {out}"

    def connect(self, **more):
        connection = self.server.connect(**more)
        self.addCleanup(connection.socket.close)
        return connection

    def assert_settles(self):
        """Nothing is left over of earlier connections."""
        deadline = time.monotonic() + 5
        while True:
            stats = self.server.stats()
            if stats["in_flight"] == 1 and stats["bodies_bytes"] == 0:  # the one that asks
                return
            self.assertLess(time.monotonic(), deadline, stats)
            time.sleep(0.02)


class Basics(Case):
    def test_headers_of_an_answer(self):
        answer = self.server.ask("GET", "/hello")
        self.assertEqual((answer.status, answer.body), (200, b"hello"))
        self.assertEqual(answer.header("Server"), "nudge")
        self.assertEqual(answer.header("X-Content-Type-Options"), "nosniff")
        self.assertEqual(answer.header("Cache-Control"), "no-store")
        self.assertEqual(answer.header("Referrer-Policy"), "no-referrer")
        self.assertIn("frame-ancestors 'none'", answer.header("Content-Security-Policy"))
        self.assertRegex(answer.header("Date"), r"^\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT$")
        self.assertIsNone(answer.header("Access-Control-Allow-Origin"))

    def test_head_is_get_without_body(self):
        with self.connect() as c:
            get, head, again = c.ask("GET", "/hello"), c.ask("HEAD", "/hello"), c.ask("GET", "/hello")
        self.assertEqual(head.header("Content-Length"), get.header("Content-Length"))
        self.assertEqual(again.body, b"hello")
        self.assertEqual(self.server.ask("HEAD", "/stream").status, 200)

    def test_errors_are_problems_with_codes(self):
        self.assertEqual(self.server.ask("GET", "/nope").problem()["code"], "http.no_such_path")
        answer = self.server.ask("DELETE", "/items/1")
        self.assertEqual((answer.status, answer.header("Allow")), (405, "GET, HEAD, PUT"))
        for method in ("TRACE", "PATCH"):
            self.assertEqual(self.server.ask(method, "/hello").status, 405)
        self.assertEqual(self.server.ask("CONNECT", "localhost:80").status, 405)
        answer = self.server.ask("BREW", "/hello")
        self.assertEqual((answer.status, answer.problem()["code"], answer.header("Allow")), (405, "http.method_not_allowed", "GET, HEAD"))
        self.assertEqual(self.server.ask("BREW", "/nope").problem()["code"], "http.no_such_path")
        self.assertEqual(self.server.ask("GET", "/hello/").problem()["detail"], "there is nothing at '/hello/'; there is without the slash at its end")
        self.assertEqual(self.server.ask("GET", "/nope/").problem()["detail"], "there is nothing at '/nope/'")
        answer = self.server.ask("OPTIONS", "*")
        self.assertEqual((answer.status, bool(answer.header("Allow"))), (204, True))
        answer = self.server.ask("OPTIONS", "/items/1")
        self.assertEqual((answer.status, answer.header("Allow")), (204, "GET, HEAD, PUT"))
        for path in ("/dropped", "/dropped-later", "/throws"):
            answer = self.server.ask("GET", path)
            self.assertEqual((answer.status, answer.problem()["code"]), (500, "http.no_answer"))
            self.assertNotIn(b"secret", answer.body)
        self.assertIsNone(self.server.ask("GET", "/hello", headers=["X-HTTP-Method-Override: DELETE"]).header("Allow"))

    def test_paths_and_queries(self):
        for target, body in (("/items/a%2Fb", b"item a/b"), ("/items/%E7%8E%8B", "item 王".encode()), ("/items/special", b"special"),
                             ("/items/a/parts/b%20c", b"a|b c"), ("/files/x/y.css", b"file x/y.css"), ("/query?a=1&b=x+y&a=%26", b"a=1;b=x y;a=&;"),
                             ("http://localhost/hello?x", b"hello")):
            with self.subTest(target):
                self.assertEqual(self.server.ask("GET", target).body, body)
        for target in ("/files/../hello", "/files/%2e%2e/hello", "/items/%00", "/items/%ff", "/items/%", "/items/%c0%af", "/query?a=%ff", "/query?%"):
            with self.subTest(target):
                self.assertEqual(self.server.ask("GET", target).status, 400)
        for target in ("//hello", "/hello/", "/HELLO", "/hello;x", "/hello%2F"):
            with self.subTest(target):
                self.assertEqual(self.server.ask("GET", target).status, 404)

    def test_no_answer_can_inject_a_header(self):
        answer = self.server.ask("GET", "/injects?v=x")
        self.assertIsNone(answer.header("X-Evil"))
        self.assertIsNone(answer.header("X-Reflected"))
        self.assertEqual(answer.header("X-Good"), "1")

    def test_no_content_has_no_body(self):
        with self.connect() as c:
            answer = c.ask("GET", "/nothing")
            self.assertEqual((answer.status, answer.header("Content-Length")), (204, None))
            self.assertEqual(c.ask("GET", "/hello").body, b"hello")

    def test_host_header(self):
        for host, status in (("localhost", 200), ("LOCALHOST:99", 200), ("127.0.0.1", 200), ("[::1]:8650", 200), ("evil.test", 421),
                             ("localhost.evil.test", 421), ("", 421)):
            with self.subTest(host), self.connect() as c:
                c.send(f"GET /hello HTTP/1.1\r\nHost: {host}\r\n\r\n")
                self.assertEqual(c.answer().status, status)

    def test_http_1_0(self):
        with self.connect() as c:
            c.send("GET /hello HTTP/1.0\r\nHost: localhost\r\n\r\n")
            self.assertEqual(c.answer().body, b"hello")
            self.assertTrue(c.is_closed())
        with self.connect() as c:
            for _ in range(2):
                c.send("GET /hello HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n")
                answer = c.answer()
                self.assertEqual((answer.body, answer.header("Connection")), (b"hello", "keep-alive"))


class KeepAliveAndPipelining(Case):
    def test_many_requests_on_one_connection(self):
        with self.connect() as c:
            for i in range(1000):
                self.assertEqual(c.ask("GET", f"/items/{i}").body, b"item %d" % i)

    def test_pipelined_answers_keep_their_order(self):
        chosen = random.Random(7)
        wanted, sent = [], b""
        for i in range(300):  # more than are handled at a time; quick and slow ones mixed
            if chosen.random() < 0.3:
                ms = chosen.randrange(15)
                sent += b"GET /later?ms=%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % ms
                wanted.append(b"after %d" % ms)
            elif chosen.random() < 0.5:
                body = bytes([97 + i % 26]) * chosen.randrange(3000)
                sent += b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                wanted.append(body)
            else:
                sent += b"GET /items/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % i
                wanted.append(b"item %d" % i)
        for step in (len(sent), 1000, 7):
            with self.subTest(step=step), self.connect() as c:
                with concurrent.futures.ThreadPoolExecutor(1) as pool:
                    sender = pool.submit(lambda: [c.send(sent[at:at + step]) for at in range(0, len(sent), step)])
                    self.assertEqual([c.answer().body for _ in wanted], wanted)
                    sender.result()

    def test_a_request_byte_by_byte(self):
        with self.connect() as c:
            c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"\r\nPOST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n":
                c.send(bytes([byte]))
            self.assertEqual(c.answer().body, b"abc")
            self.assertEqual(c.ask("GET", "/hello").body, b"hello")

    def test_connection_close_ends_it(self):
        with self.connect() as c:
            c.send("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\nGET /items/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = c.answer()
            self.assertEqual((answer.body, answer.header("Connection")), (b"hello", "close"))
            self.assertTrue(c.is_closed())

    def test_connection_close_with_a_body(self):
        with self.connect() as c:
            answer = c.ask("POST", "/echo", b"x" * 100000, ["Connection: close"])
            self.assertEqual((len(answer.body), answer.header("Connection")), (100000, "close"))
            self.assertTrue(c.is_closed())

    def test_half_close_still_gets_all_answers(self):
        with self.connect() as c:
            c.send(b"GET /later?ms=30 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
            c.socket.shutdown(socket.SHUT_WR)
            for _ in range(100):
                self.assertEqual(c.answer().body, b"after 30")
            self.assertTrue(c.is_closed())


class Bodies(Case):
    options = ("body_bytes_max=1048576",)

    def test_sizes(self):
        with self.connect() as c:
            for size in (0, 1, 100, 16383, 16384, 65536, 200000, MIB):
                body = random.Random(size).randbytes(size)
                self.assertEqual(c.ask("POST", "/echo", body).body, body)
            self.assertEqual(c.ask("POST", "/large", bytes(5 * MIB)).body, str(5 * MIB).encode())

    def test_chunked(self):
        body = random.Random(1).randbytes(100000)
        with self.connect() as c:
            for step in (99, 4096, 100000):
                chunks = b"".join(b"%x;q=1\r\n" % len(body[at:at + step]) + body[at:at + step] + b"\r\n" for at in range(0, len(body), step))
                c.request("POST", "/echo", chunks + b"0\r\n\r\n", ["Transfer-Encoding: chunked"])
                self.assertEqual(c.answer().body, body)

    def test_two_megabytes_are_refused_with_advice_that_arrives(self):
        with self.connect() as c:
            c.request("POST", "/echo", bytes(2 * MIB))
            answer = c.answer()
            self.assertEqual(answer.status, 413)
            self.assertEqual(answer.problem()["code"], "http.body_too_large")
            for part in ("2097152", "1048576", "http.body_bytes_max", "smaller parts"):
                self.assertIn(part, answer.problem()["detail"])
            self.assertTrue(c.is_closed())

    def test_a_client_that_sends_all_before_it_listens_still_hears_why(self):
        with self.connect() as c:
            c.request("POST", "/echo", None, ["Content-Length: 7340032"])
            for _ in range(112):
                c.send(bytes(65536))  # must not fail: the rest is read and dropped
                time.sleep(0.001)
            self.assertEqual(c.answer().status, 413)

    def test_two_megabytes_in_chunks(self):
        with self.connect() as c:
            c.request("POST", "/echo", (b"10000\r\n" + bytes(65536) + b"\r\n") * 32 + b"0\r\n\r\n", ["Transfer-Encoding: chunked"])
            self.assertEqual(c.answer().status, 413)
            self.assertTrue(c.is_closed())

    def test_one_byte_too_many(self):
        self.assertEqual(self.server.ask("POST", "/echo", bytes(MIB)).status, 200)
        self.assertEqual(self.server.ask("POST", "/echo", bytes(MIB + 1)).status, 413)

    def test_gzip(self):
        body = b"the same line again\n" * 5000
        packed = gzip.compress(body)
        gz = ["Content-Encoding: gzip"]
        with self.connect() as c:
            self.assertEqual(c.ask("POST", "/echo", packed, gz).body, body)
            self.assertEqual(c.ask("POST", "/echo", gzip.compress(b"a") + gzip.compress(b"b"), gz).body, b"ab")
            self.assertEqual(c.ask("POST", "/echo", gzip.compress(bytes(MIB)), gz).body, bytes(MIB))
            c.request("POST", "/echo", b"%x\r\n" % len(packed) + packed + b"\r\n0\r\n\r\n", ["Transfer-Encoding: chunked", *gz])
            self.assertEqual(c.answer().body, body)
        for broken, code in ((b"not gzip", "http.gzip"), (packed[:-9], "http.gzip"), (packed + b"x", "http.gzip"), (packed[:30] + b"\0" + packed[31:], "http.gzip"),
                             (gzip.compress(bytes(MIB + 1)), "http.body_too_large"), (gzip.compress(bytes(300 * MIB), 9), "http.body_too_large")):
            answer = self.server.ask("POST", "/echo", broken, gz)
            self.assertEqual(answer.problem()["code"], code)
        self.assertEqual(self.server.ask("POST", "/echo", b"x", ["Content-Encoding: br"]).status, 415)
        self.assertLess(self.server.resident_bytes(), 400 * MIB)

    def test_expect_continue(self):
        with self.connect() as c:
            c.request("POST", "/echo", None, ["Content-Length: 5", "Expect: 100-continue"])
            self.assertEqual(c.head(), (100, []))
            c.send("hello")
            self.assertEqual(c.answer().body, b"hello")
            # not asked for while an earlier answer is due
            c.request("GET", "/later?ms=50")
            c.request("POST", "/echo", None, ["Content-Length: 2", "Expect: 100-continue"])
            self.assertEqual(c.answer().body, b"after 50")
            self.assertEqual(c.head()[0], 100)
            c.send("ok")
            self.assertEqual(c.answer().body, b"ok")
        with self.connect() as c:
            c.request("POST", "/echo", None, ["Content-Length: 99999999", "Expect: 100-continue"])
            self.assertEqual(c.answer().status, 413)
            self.assertTrue(c.is_closed())
        self.assertEqual(self.server.ask("POST", "/echo", b"x", ["Expect: coffee"]).status, 417)

    def test_length_required(self):
        with self.connect() as c:
            c.request("POST", "/needs-body")
            answer = c.answer()
            self.assertEqual((answer.status, answer.problem()["code"]), (411, "http.length_required"))
            self.assertEqual(c.ask("POST", "/needs-body", b"").body, b"0")
            self.assertEqual(c.ask("POST", "/echo").body, b"")

    def test_get_with_body_stays_in_step(self):
        with self.connect() as c:
            self.assertEqual(c.ask("GET", "/hello", b"GET /items/1 HTTP/1.1\r\nHost: localhost\r\n\r\n").body, b"hello")
            self.assertEqual(c.ask("GET", "/items/2").body, b"item 2")

    def test_incomplete_body(self):
        with self.connect() as c:
            c.request("POST", "/echo", None, ["Content-Length: 10"])
            c.send("half")
            c.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(c.answer().problem()["code"], "http.body_incomplete")
        self.assert_settles()


class BodiesMemory(Case):
    options = ("bodies_bytes_max=1048576",)

    def test_too_many_bodies_in_flight(self):
        held = [self.connect() for _ in range(8)]
        for c in held:
            c.request("POST", "/echo", None, ["Content-Length: 400000"])
            c.send(bytes(300000))
        statuses = []
        for c in held:
            c.socket.settimeout(0.3)
            try:
                answer = c.answer()
                statuses.append(answer.status)
                self.assertEqual((answer.problem()["code"], answer.header("Retry-After")), ("http.busy", "1"))
            except TimeoutError:
                statuses.append(0)
        self.assertIn(503, statuses)
        self.assertIn(0, statuses)  # some had room and still wait for the rest
        for c in held:
            c.socket.close()
        self.assert_settles()
        self.assertEqual(self.server.ask("POST", "/echo", bytes(300000)).status, 200)


class Smuggling(Case):
    """After each of these the connection is closed, and what was behind it is never taken for a request."""

    SECOND = b"GET /items/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def refuse(self, head, body=b"", status=(400,)):
        with self.subTest(head=head), self.connect() as c:
            c.send(head + b"\r\n" + body + self.SECOND)
            answer = c.answer()
            self.assertIn(answer.status, status)
            self.assertTrue(answer.problem()["code"].startswith("http."))
            self.assertEqual(answer.header("Connection"), "close")
            self.assertEqual(c.rest(), b"")

    def test_shapes(self):
        post = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"
        chunk = b"5\r\nhello\r\n0\r\n\r\n"
        for fields in (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                       b"Content-Length: 5\r\nContent-Length: 5\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: 5, 5\r\n",
                       b"Content-Length: +5\r\n", b"Content-Length: 5 5\r\n", b"Content-Length: 0x5\r\n", b"Content-Length: -1\r\n",
                       b"Content-Length: 184467440737095516165\r\n", b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding: xchunked\r\n",
                       b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
                       b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding:\x0bchunked\r\n",
                       b"Transfer-Encoding\t: chunked\r\n", b"Transfer-Encoding : chunked\r\n", b" Transfer-Encoding: chunked\r\n",
                       b"X: y\r\n Transfer-Encoding: chunked\r\n", b"X: y\rTransfer-Encoding: chunked\r\n", b"X: a\x00b\r\n", b"Content-Length: 5\n",
                       b"Transfer-Encoding: \"chunked\"\r\n", b"Host: localhost\r\n", b"Host: other\r\n"):
            self.refuse(post + fields, chunk)
        self.refuse(b"POST /echo HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n", chunk)
        self.refuse(b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\n", b"hello")
        self.refuse(b"GET /hello HTTP/2.0\r\nHost: localhost\r\n", b"", (505,))
        self.refuse(b"PRI * HTTP/2.0\r\n", b"", (505,))
        self.refuse(b"GET /hello\r\n")
        self.refuse(b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n")
        self.refuse(b"GET /a b HTTP/1.1\r\nHost: localhost\r\n", b"", (400, 505))

    def test_broken_chunks(self):
        head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        for body in (b"x\r\n", b"5\nhello\n0\n\n", b"5\r\nhelloXX0\r\n\r\n", b"-5\r\nhello\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n",
                     b"fffffffff\r\n", b"5;" + b"e" * 300 + b"\r\nhello\r\n", b"5\r\nhello\r\n0\r\n" + b"T: " + b"t" * 5000 + b"\r\n\r\n",
                     b"5\r\nhello\r\n0\r\nT: x\nGET / HTTP/1.1\r\n\r\n"):
            self.refuse(head, body)

    def test_trailers_are_dropped(self):
        with self.connect() as c:
            c.send(b"POST /guarded HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"1\r\na\r\n0\r\nAuthorization: Bearer good\r\nContent-Length: 100\r\n\r\n")
            self.assertEqual(c.answer().status, 401)
        with self.connect() as c:
            c.send(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nContent-Length: 100\r\n\r\n")
            self.assertEqual(c.answer().body, b"a")
            self.assertEqual(c.ask("GET", "/hello").body, b"hello")

    def test_a_tls_client_is_told(self):
        with self.connect() as c:
            c.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            self.assertEqual(c.answer().problem()["code"], "http.tls")


class Guarded(Case):
    def test_refused_before_the_body(self):
        self.assertEqual(self.server.ask("POST", "/guarded", b"abc", ["Authorization: Bearer good"]).body, b"3")
        with self.connect() as c:
            c.request("POST", "/guarded", None, ["Content-Length: 1000000"])  # the body never comes
            self.assertEqual(c.answer().problem()["code"], "test.unauthorized")
        with self.connect() as c:
            c.request("POST", "/guarded", None, ["Transfer-Encoding: chunked"])
            sent = 0
            with self.assertRaises(OSError):
                while sent < 100 * MIB:
                    c.send(b"10000\r\n" + bytes(65536) + b"\r\n")
                    sent += 65536
            self.assertLess(sent, 16 * MIB)  # what fits the kernel's buffers, and a little
        with self.connect() as c:  # without a body the connection goes on
            self.assertEqual(c.ask("POST", "/guarded").status, 401)
            self.assertEqual(c.ask("GET", "/hello").body, b"hello")


class HeaderLimits(Case):
    def test_limits(self):
        long_target = self.server.ask("GET", "/items/" + "a" * 5000)
        self.assertEqual((long_target.status, long_target.problem()["code"]), (414, "http.target_too_long"))
        endless = self.connect()
        endless.send("GET /" + "a" * 100000)
        self.assertEqual(endless.answer().status, 414)
        big = self.server.ask("GET", "/hello", headers=["X-Big: " + "b" * 9000])
        self.assertEqual((big.status, big.problem()["code"]), (431, "http.header_too_large"))
        self.assertIn("8192", big.problem()["detail"])
        self.assertEqual(self.server.ask("GET", "/hello", headers=["X: y"] * 63).status, 200)
        many = self.server.ask("GET", "/hello", headers=["X: y"] * 64)
        self.assertEqual((many.status, many.problem()["code"]), (431, "http.too_many_fields"))

    def test_ten_thousand_headers(self):
        with self.connect() as c:
            c.send(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(10000)) + b"\r\n")
            self.assertEqual(c.answer().status, 431)
            self.assertTrue(c.is_closed())


class Slow(Case):
    options = ("head_timeout=300", "body_timeout=300", "body_bytes_per_s_min=1000", "idle_timeout=400", "write_timeout=400", "handler_timeout=300")

    def drip(self, c, data, pause):
        """One byte at a time until the server has had enough; seconds that took."""
        began = time.monotonic()
        c.socket.settimeout(pause)
        for byte in data:
            try:
                c.send(bytes([byte]))
                c.more()
                break
            except TimeoutError:
                pass
            except OSError:
                break
        c.socket.settimeout(5)
        return time.monotonic() - began

    def test_slow_header(self):
        with self.connect() as c:
            took = self.drip(c, b"GET /hello HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1000, 0.02)
            answer = c.answer()
            self.assertEqual((answer.status, answer.problem()["code"]), (408, "http.head_timeout"))
            self.assertTrue(0.25 < took < 2, took)

    def test_slow_body(self):
        with self.connect() as c:
            c.request("POST", "/echo", None, ["Content-Length: 100000"])
            took = self.drip(c, b"x" * 1000, 0.02)
            answer = c.answer()
            self.assertEqual((answer.status, answer.problem()["code"]), (408, "http.body_timeout"))
            self.assertTrue(0.25 < took < 2, took)

    def test_a_steady_body_may_take_longer(self):
        with self.connect() as c:
            c.request("POST", "/echo", None, ["Content-Length: 8000"])
            for _ in range(8):
                c.send(bytes(1000))
                time.sleep(0.1)
            self.assertEqual(len(c.answer().body), 8000)

    def test_silent_and_idle_connections_are_closed(self):
        silent, idle = self.connect(), self.connect()
        self.assertEqual(idle.ask("GET", "/hello").status, 200)
        began = time.monotonic()
        self.assertTrue(silent.is_closed())
        self.assertTrue(idle.is_closed())
        self.assertTrue(0.3 < time.monotonic() - began < 2)

    def test_slow_reader(self):
        with self.connect(receive_buffer=4096) as c:
            c.request("GET", "/big?bytes=50000000")
            time.sleep(1.2)
            self.assertLess(len(c.rest()), 50000000)
        self.assert_settles()

    def test_handler_that_hangs(self):
        with self.connect() as c:
            answer = c.ask("GET", "/hangs")
            self.assertEqual((answer.status, answer.problem()["code"], answer.header("Retry-After")), (503, "http.handler_timeout", "1"))
            self.assertEqual(c.ask("GET", "/hello").body, b"hello")
            c.request("GET", "/later?ms=600")  # its answer comes too late and must not be given to the next request
            c.request("GET", "/items/next")
            self.assertEqual(c.answer().status, 503)
            self.assertEqual(c.answer().body, b"item next")
            time.sleep(0.2)
            self.assertEqual(c.ask("GET", "/items/more").body, b"item more")

    def test_slowloris_does_not_hurt_others(self):
        drips = [self.connect() for _ in range(200)]
        for c in drips:
            c.send("GET /hello HTTP/1.1\r\nX: ")
        slowest = 0
        for i in range(50):
            began = time.monotonic()
            self.assertEqual(self.server.ask("GET", f"/items/{i}").body, b"item %d" % i)
            slowest = max(slowest, time.monotonic() - began)
        self.assertLess(slowest, 1)


class Crowds(Case):
    options = ("connections_max=1100", "io_threads=2")

    def test_a_thousand_connections(self):
        crowd = [self.connect() for _ in range(1000)]
        for round_number in range(3):
            for i, c in enumerate(crowd):
                c.request("GET", f"/items/{i}-{round_number}")
            for i, c in enumerate(crowd):
                self.assertEqual(c.answer().body, f"item {i}-{round_number}".encode())
        self.assertGreaterEqual(self.server.stats()["open"], 1000)

    def test_abrupt_ends(self):
        moments = (b"", b"G", b"GET /hello HTTP/1.1\r\n", b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc",
                   b"GET /later?ms=20 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5, b"GET /big?bytes=3000000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                   b"GET /stream?pieces=5000&size=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /events?count=100 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                   b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
        for i in range(600):
            c = self.connect()
            c.send(moments[i % len(moments)])
            if i % 3 == 0:
                time.sleep(0.002)
            if i % 2 == 0:  # a reset instead of an orderly end
                c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.socket.close()
        self.assert_settles()
        deadline = time.monotonic() + 5
        while self.server.ask("GET", "/live-streams").body != b"0":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)


class TooManyConnections(Case):
    options = ("connections_max=5",)

    def test_refused_politely_and_let_in_again(self):
        held = [self.connect() for _ in range(5)]
        for c in held:
            self.assertEqual(c.ask("GET", "/hello").status, 200)
        with self.connect() as c:
            answer = c.answer()
            self.assertEqual((answer.status, answer.header("Retry-After")), (503, "1"))
            self.assertEqual(answer.problem()["code"], "http.too_many_connections")
        self.assertEqual(held[0].ask("GET", "/hello").status, 200)
        for c in held:
            c.socket.close()
        deadline = time.monotonic() + 5
        while True:
            with self.connect() as c:
                try:
                    if c.ask("GET", "/hello").status == 200:
                        break
                except (Closed, OSError):
                    pass
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_a_flood_beyond_that(self):
        flood = [self.connect() for _ in range(300)]
        for c in flood:
            c.socket.close()
        time.sleep(0.2)
        self.test_refused_politely_and_let_in_again()


class Streams(Case):
    def test_chunked_stream(self):
        with self.connect() as c:
            answer = c.ask("GET", "/stream?pieces=1000&size=1000")
            self.assertEqual(answer.header("Transfer-Encoding"), "chunked")
            self.assertIsNone(answer.header("Content-Length"))
            self.assertEqual(answer.body, b"".join(bytes([97 + left % 26]) * 1000 for left in range(1000, 0, -1)))
            self.assertEqual(c.ask("GET", "/hello").body, b"hello")

    def test_stream_to_http_1_0(self):
        with self.connect() as c:
            c.send("GET /stream?pieces=3&size=4 HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n")
            answer = c.answer()
            self.assertEqual((answer.body, answer.header("Connection"), answer.header("Transfer-Encoding")), (b"ddddccccbbbb", "close", None))

    def test_nothing_follows_a_stream_to_http_1_0(self):
        with self.connect() as c:
            c.send(b"GET /stream?pieces=2&size=1 HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n" * 2)
            self.assertEqual(c.answer().body, b"cb")

    def test_pipelined_behind_a_stream(self):
        with self.connect() as c:
            c.send(b"GET /events?count=3 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(c.answer().body, b": hello\n\ndata: 0\n\ndata: 1\n\ndata: 2\n\n")
            self.assertEqual(c.answer().body, b"hello")

    def test_events_come_one_by_one(self):
        with self.connect() as c:
            c.request("GET", "/events?count=4")
            status, headers = c.head()
            self.assertEqual((status, dict(headers)["Content-Type"], dict(headers)["Cache-Control"]), (200, "text/event-stream", "no-cache"))
            seen = b""
            times = []
            while piece := c.chunk():
                seen += piece
                times.append(time.monotonic())
            self.assertEqual(seen, b": hello\n\ndata: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\n")
            self.assertGreater(times[-1] - times[0], 0.04)

    def test_an_aborted_stream_is_seen_as_broken(self):
        with self.connect() as c, self.assertRaises((Closed, ConnectionResetError)):
            c.ask("GET", "/stream-abort")

    def test_back_pressure(self):
        before = self.server.resident_bytes()
        with self.connect(receive_buffer=8192) as c:
            c.request("GET", "/stream?pieces=1000000&size=1000")
            time.sleep(0.5)
            self.assertLess(self.server.resident_bytes() - before, 30 * MIB)
        deadline = time.monotonic() + 5
        while self.server.ask("GET", "/live-streams").body != b"0":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_a_client_that_leaves_ends_the_stream(self):
        readers = [self.connect() for _ in range(20)]
        for c in readers:
            c.request("GET", "/events?count=100000")
            c.head()
        self.assertEqual(self.server.ask("GET", "/live-streams").body, b"20")
        for c in readers:
            c.socket.close()
        deadline = time.monotonic() + 5
        while self.server.ask("GET", "/live-streams").body != b"0":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)


class Stopping(unittest.TestCase):
    def test_what_is_under_way_is_finished(self):
        server = Server(BINARY, "drain_ms=5000")
        busy, idle, events = server.connect(), server.connect(), server.connect()
        for c in (busy, idle, events):
            self.addCleanup(c.socket.close)
        self.assertEqual(idle.ask("GET", "/hello").status, 200)
        busy.send(b"GET /later?ms=400 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        events.request("GET", "/events?count=100000")
        events.head()
        time.sleep(0.1)
        out, code = server.stop()
        self.assertEqual((out, code), ("stopped clean", 0))
        self.assertEqual(busy.answer().body, b"after 400")
        last = busy.answer()
        self.assertEqual((last.body, last.header("Connection")), (b"after 400", "close"))
        self.assertTrue(idle.is_closed())
        self.assertTrue(events.rest().endswith(b"\r\n0\r\n\r\n"))  # ended in order, so the client reconnects

    def test_the_deadline_cuts(self):
        server = Server(BINARY, "drain_ms=200")
        hangs = server.connect()
        self.addCleanup(hangs.socket.close)
        hangs.request("GET", "/hangs")
        time.sleep(0.1)
        began = time.monotonic()
        self.assertEqual(server.stop(), ("stopped cut", 0))
        self.assertLess(time.monotonic() - began, 3)
        self.assertTrue(hangs.is_closed())


class Garbage(Case):
    def test_mutated_requests_never_hurt(self):
        chosen = random.Random(20260201)
        seeds = [b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
                 b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                 b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n" + gzip.compress(b"hello", mtime=0)]
        answered = 0
        for i in range(1500):
            data = bytearray(chosen.choice(seeds) * chosen.choice((1, 1, 3)))
            for _ in range(chosen.randrange(1, 6)):
                at = chosen.randrange(len(data))
                match chosen.randrange(4):
                    case 0: data[at] = chosen.randrange(256)
                    case 1: del data[at:at + chosen.randrange(1, 10)]
                    case 2: data[at:at] = chosen.randbytes(chosen.randrange(1, 10))
                    case 3: data[at:at] = chosen.choice((b"\r\n", b"\r\n\r\n", b"\n", b"\0", b": ", b"chunked", b"0\r\n\r\n", b"ffff"))
                if not data:
                    break
            with self.server.connect() as c:
                c.send(bytes(data))
                c.socket.shutdown(socket.SHUT_WR)
                reply = c.rest()
                self.assertTrue(reply == b"" or reply.startswith(b"HTTP/1.1 "), (bytes(data), reply))
                answered += reply.startswith(b"HTTP/1.1 ")
        self.assertGreater(answered, 500)
        self.assert_settles()


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))  # for a thousand connections; the server inherits it
    unittest.main(verbosity=1)
