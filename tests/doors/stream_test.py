#!/usr/bin/env python3
"""Bodies of any length: taken in while they come, in bounded memory, each line answered, and exactly what was acknowledged kept when it breaks off.

NUDGED=path/to/nudged; BYTES changes the length of the long one.
"""
import gzip
import json
import os
import pathlib
import socket
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e" / "daemon"))
from harness import Daemon  # noqa: E402

BYTES = int(os.environ.get("BYTES", 24 << 20))
NDJSON = {"Content-Type": "application/x-ndjson"}
CONFIG = "intake: {batch_bytes_max: 1MiB, queue_bytes_max: 1MiB}\n"
TIME = "2026-01-02T03:04:05Z"


def ping(n, pad=""):
    return {"customer": f"c{n % 50}", "event": "login", "id": f"p{n}", "time": TIME, "data": {"device": pad}}


def lines(documents):
    return b"".join(json.dumps(d).encode() + b"\n" for d in documents)


class Wire:
    """A request by hand, so that it can be cut off anywhere."""

    def __init__(self, port, target, length=None, headers=""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        framing = f"Content-Length: {length}\r\n" if length is not None else "Transfer-Encoding: chunked\r\n"
        self.chunked = length is None
        self.socket.sendall(f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n{framing}{headers}\r\n".encode())
        self.got = b""

    def send(self, data):
        self.socket.sendall(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    def finish(self):
        self.socket.sendall(b"0\r\n\r\n")

    def read_until(self, what):
        while what not in self.got:
            piece = self.socket.recv(65536)
            if not piece:
                raise AssertionError(f"the connection ended: {self.got[-500:]}")
            self.got += piece
        return self.got

    def rest(self):
        try:
            while piece := self.socket.recv(65536):
                self.got += piece
        except OSError:
            pass
        self.socket.close()
        return self.got

    def told(self):
        """The JSON lines of the answer so far, whatever chunks they came in."""
        body, out = self.got.partition(b"\r\n\r\n")[2], []
        for line in body.split(b"\n"):
            start, end = line.find(b"{"), line.rfind(b"}")
            if 0 <= start < end:
                out.append(json.loads(line[start:end + 1]))
        return out


class Stream(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(config=CONFIG).start()

    @classmethod
    def tearDownClass(cls):
        cls.d.counters()
        cls.d.close()

    def memory(self, name):
        with open(f"/proc/{self.d.process.pid}/status") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith(name + ":"))

    def stored(self, customers=range(50)):
        return {e["id"] for n in customers for e in self.d.request("GET", f"/v1/customers/c{n}?events=10000").json.get("events", []) if e["event"] == "login"}

    def test_a_long_body_needs_no_memory_and_no_limit(self):
        one = lines(ping(n, "x" * 20_000) for n in range(50))
        self.d.post("/v1/events", one[:len(one) // 50 * 2], headers=NDJSON, status=200)
        times = BYTES // len(one) + 1
        before = self.memory("VmRSS")
        wire = Wire(self.d.port, "/v1/events?results=problems", length=times * len(one))
        for _ in range(times):
            wire.send(one)
        answer = json.loads(wire.read_until(b"]}\n").partition(b"\r\n\r\n")[2])
        self.assertEqual((answer["received"], answer["stored"] + answer["duplicate"]), (50 * times, 50 * times))
        self.assertLess(self.memory("VmHWM") - before, 160 << 20 if BYTES > 400 << 20 else BYTES * 3 // 4 + (24 << 20))

    def test_results_are_those_of_a_short_body(self):
        documents = []
        for n in range(6000):
            documents.append({**ping(100_000 + n, "y" * 60), "customer": f"r{n % 9}"})
            if n % 1000 == 500:
                documents[-1]["data"] = {"device": 7}
            if n % 1000 == 600:
                documents[-1] = documents[-2]
            if n % 1000 == 700:
                documents[-1] = {**documents[-2], "data": {"device": "other"}}
        body = lines(documents).replace(b"\n", b"\n\n", 40) + b'{"customer": "r1", "event"'
        answer = self.d.post("/v1/events", body, headers=NDJSON)
        self.assertEqual({k: answer[k] for k in ("received", "stored", "duplicate", "conflict", "quarantined")},
                         {"received": 6001, "stored": 6000 - 18, "duplicate": 6, "conflict": 6, "quarantined": 7})
        self.assertEqual([r["index"] for r in answer["results"]], list(range(6001)))
        for index, status, code in ((500, "quarantined", "wrong_type"), (5600, "duplicate", None), (5700, "conflict", "conflict"), (6000, "quarantined", "bad_json")):
            self.assertEqual((answer["results"][index]["status"], answer["results"][index].get("code")), (status, code))
        self.assertIn("device", answer["results"][5500]["field"])
        few = self.d.post("/v1/events?results=problems", body, headers=NDJSON)
        self.assertEqual((few["duplicate"], [r["index"] for r in few["results"]][:2]), (6000 - 12, [500, 700]))

    def test_gzip_and_its_bombs(self):
        documents = [{**ping(200_000 + n, "z" * 80), "customer": f"z{n % 9}"} for n in range(9000)]
        packed = gzip.compress(lines(documents))
        self.assertEqual(self.d.post("/v1/events?results=problems", packed, headers={**NDJSON, "Content-Encoding": "gzip"})["stored"], 9000)
        broken = self.d.request("POST", "/v1/events", packed[:-9] + b"123456789", {**NDJSON, "Content-Encoding": "gzip"})
        self.assertEqual((broken.status, broken.json["code"]), (400, "http.gzip"))
        before = self.memory("VmHWM")
        empty = self.d.request("POST", "/v1/events", gzip.compress(b"\n" * (96 << 20), 9), {**NDJSON, "Content-Encoding": "gzip"}, timeout=120)
        self.assertEqual((empty.status, empty.json["code"]), (413, "http.gzip_ratio"))
        one_line = self.d.request("POST", "/v1/events", gzip.compress(b"0" * (30 << 20), 9), {**NDJSON, "Content-Encoding": "gzip"})
        self.assertEqual((one_line.status, one_line.json["code"]), (413, "too_large"))
        self.assertIn("line 1 ", one_line.json["detail"])
        self.assertLess(self.memory("VmHWM") - before, 64 << 20)

    def test_a_body_that_breaks_off_keeps_what_is_acknowledged_and_nothing_else(self):
        documents = [{**ping(300_000 + n, "w" * 300), "customer": f"c{n % 5}"} for n in range(4000)]
        body = lines(documents)
        wire = Wire(self.d.port, "/v1/events", length=len(body) + 1000)
        wire.send(body[:-7])
        wire.socket.shutdown(socket.SHUT_WR)
        answer = json.loads(wire.rest().partition(b"\r\n\r\n")[2])
        self.assertEqual((answer["status"], answer["code"]), (400, "http.body_incomplete"))
        kept = answer["acknowledged"]
        self.assertEqual(answer["lines"], kept)
        self.assertTrue(2000 < kept < 4000, kept)
        self.assertIn("send the rest, or all again", answer["mend"])
        self.assertEqual({i for i in self.stored(range(5)) if i >= "p300000"}, {f"p{300_000 + n}" for n in range(kept)})
        again = self.d.post("/v1/events?results=problems", body, headers=NDJSON)
        self.assertEqual((again["duplicate"], again["stored"]), (kept, 4000 - kept))

    def test_told_as_it_goes_on(self):
        documents = [{**ping(400_000 + n, "v" * 300), "customer": f"v{n % 5}"} for n in range(3000)]
        documents[7] = {"customer": "v1", "event": "nope"}
        body = lines(documents)
        wire = Wire(self.d.port, "/v1/events?results=stream")
        half = body.index(b"\n", len(body) // 2) + 1
        wire.send(body[:half])
        wire.read_until(b'"acknowledged"')
        first = wire.told()
        self.assertEqual((first[0]["index"], first[0]["code"]), (7, "unknown_event"))
        self.assertGreater(first[1]["acknowledged"], 100)
        wire.send(body[half:])
        wire.finish()
        wire.read_until(b'"done"')
        last = wire.told()[-1]
        self.assertEqual((last["received"], last["lines"], last["stored"], last["quarantined"]), (3000, 3000, 2999, 1))
        # the connection goes on
        wire.got = b""
        wire.socket.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b"200 OK", wire.read_until(b"\r\n\r\n"))

    def test_an_array_of_any_length(self):
        documents = [{**ping(500_000 + n, "u,]" * 100), "customer": f"u{n % 5}"} for n in range(5000)]
        body = json.dumps(documents, indent=1).encode()
        self.assertGreater(len(body), 1 << 20)
        answer = self.d.post("/v1/events?results=problems", body)
        self.assertEqual((answer["stored"], answer["results"]), (5000, []))
        broken = self.d.post("/v1/events?results=problems", body[:-1], status=400)
        self.assertIn("the array does not end", broken["detail"])
        self.assertTrue(4000 < broken["acknowledged"] <= 5000)
        self.assertEqual(self.d.post("/v1/events", b'{"a":"' + b"x" * (2 << 20) + b'"}', status=400)["acknowledged"], 0)

    def test_one_customer_and_history(self):
        documents = [{"event": "login", "id": f"h{n}", "time": TIME, "data": {"device": "t" * 300}} for n in range(1500)]
        self.assertEqual(self.d.post("/v1/customers/alone?results=problems", lines(documents), headers=NDJSON)["stored"], 1500)
        self.assertEqual(self.d.get("/v1/customers/alone")["events_stored"], 1500)
        history = [{**d, "customer": "past", "id": "i" + d["id"]} for d in documents]
        fired = self.d.counters()["fired"]
        self.assertEqual(self.d.post("/v1/import?results=problems", lines(history), headers=NDJSON)["stored"], 1500)
        self.assertEqual(self.d.counters()["fired"], fired)


class Killed(unittest.TestCase):
    def test_what_was_acknowledged_survives_a_kill_in_the_middle(self):
        with Daemon(config=CONFIG) as d:
            d.start()
            documents = [{**ping(n, "k" * 300), "customer": f"c{n % 5}"} for n in range(12_000)]
            body = lines(documents)
            wire = Wire(d.port, "/v1/events?results=stream", length=len(body))
            wire.send(body[:len(body) // 2])
            wire.read_until(b'"acknowledged"')
            time.sleep(0.2)
            d.kill()
            wire.rest()
            told = [t["acknowledged"] for t in wire.told() if "acknowledged" in t]
            d.start()
            have = {e["id"] for n in range(5) for e in d.get(f"/v1/customers/c{n}?events=10000")["events"]}
            self.assertLessEqual({f"p{n}" for n in range(told[-1])}, have)
            self.assertLess(len(have), len(documents))
            again = d.post("/v1/events?results=problems", body, headers=NDJSON)
            self.assertEqual((again["duplicate"], again["stored"]), (len(have), 12_000 - len(have)))
            d.counters()


if __name__ == "__main__":
    unittest.main(verbosity=2)
