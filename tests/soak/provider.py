#!/usr/bin/env python3
"""A connector with its provider behind it, as bad as providers are: slow, throttling, failing, accepting and then silent, answering twice, dying.

What it does with an attempt follows from the action's id, the attempt and a seed, so that a run can be looked at again. What the provider took is
in its ledger (ledger-CHANNEL.txt: a line "ID ATTEMPT" each, on disk before anybody hears of it); it outlives the process, and is what
a query is answered from.
"""
import base64
import hashlib
import heapq
import json
import os
import select
import sys
import time

SILENT = {"status": "unknown", "detail": "no answer in time"}
STORM_EVERY, STORM_LASTS = 7.0, 0.4  # seconds; within a storm everything gets 429


def dice(*parts):
    """A number from 0 up to 1 that follows from its parts."""
    return int.from_bytes(hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=6).digest(), "big") / (1 << 48)


class Provider:
    def __init__(self, config, kind):
        self.seed, self.faults = config["seed"], config["faults"]
        self.path = f"{config['directory']}/ledger-{kind}.txt"
        self.ledger = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.has = set()
        if config.get("idempotency") == "query":
            with open(self.path, encoding="utf-8") as file:
                self.has = {line.split()[0] for line in file if line.endswith("\n")}

    def take(self, request):
        os.write(self.ledger, f"{request['action_id']} {request['attempt']}\n".encode())
        self.has.add(request["action_id"])

    def query(self, request):
        chance = dice(self.seed, "query", request["action_id"], request["attempt"])
        if chance < 0.1 * self.faults:
            return 0, {"status": "unknown", "detail": "no answer to the question"}
        if request["action_id"] in self.has:
            return 0, {"status": "accepted", "provider_ref": "p-" + request["action_id"][:8]}
        return 0, {"status": "not_sent", "detail": "the provider does not know it"}

    def deliver(self, request):
        """(seconds until the answer, the answer; None: none ever comes)"""
        if self.faults and time.time() % STORM_EVERY < STORM_LASTS:
            return 0, {"status": "not_sent", "retryable": True, "retry_after_ms": 300, "http_status": 429, "detail": "429"}
        chance = dice(self.seed, request["action_id"], request["attempt"]) / max(self.faults, 1e-9)
        if chance < 0.03:
            return 0, {"status": "not_sent", "retryable": True, "http_status": 500, "detail": "500"}
        if chance < 0.035:
            return 0, {"status": "not_sent", "detail": "no such number"}
        if chance < 0.045:
            return 0.4, SILENT  # it never got there, and nobody says so
        if chance < 0.0452:
            os._exit(1)  # the process dies before the provider has it
        self.take(request)
        accepted = {"status": "accepted", "provider_ref": "p-" + request["action_id"][:8]}
        if chance < 0.0454:
            os._exit(1)  # … and after
        if chance < 0.0456:
            return None, None  # accepted, and the connector itself hangs
        if chance < 0.06:
            return 0.4, SILENT  # accepted, then silent: the connector gives up waiting
        if chance < 0.07:
            return 0, {"status": "unknown", "detail": "504 from a gateway"}
        if chance < 0.10:
            return 0.01 + 0.2 * dice(self.seed, "slow", request["action_id"]), accepted
        if chance < 0.12:
            return 0, (accepted, accepted)  # twice
        return 0, accepted


def main():
    provider, late, buffer = None, [], b""
    while True:
        wait = max(0, late[0][0] - time.monotonic()) if late else None
        readable, _, _ = select.select([0], [], [], wait)
        out = []
        while late and late[0][0] <= time.monotonic():
            out.append(heapq.heappop(late)[2])
        if readable:
            data = os.read(0, 1 << 20)
            if not data:
                return
            buffer += data
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                request = json.loads(line)
                if request["op"] == "hello":
                    config = request["config"]
                    provider = Provider(config, request["kind"])
                    out.append({"id": request["id"], "op": "hello", "ok": True, "protocol": 1, "kind": request["kind"], "version": "1", "channels": ["*"],
                                "idempotency": config["idempotency"], "default_on_unknown": config["default_on_unknown"], "ping": True, "receives": True})
                elif request["op"] == "stop":
                    return
                elif request["op"] == "receive":  # a receipt: the body says what became of which action
                    reports = json.loads(base64.b64decode(request["payload"]["body"]))
                    out.append({"id": request["id"], "status": "accepted", "result": {"reports": reports}})
                elif request["op"] == "ping":
                    out.append({"id": request["id"], "op": "pong"})
                elif request["op"] in ("deliver", "query"):
                    pause, answer = provider.deliver(request) if request["op"] == "deliver" else provider.query(request)
                    for one in answer if isinstance(answer, tuple) else [answer]:
                        if one is None:
                            continue
                        reply = {"id": request["id"], **one}
                        if pause:
                            heapq.heappush(late, (time.monotonic() + pause, request["id"], reply))
                        else:
                            out.append(reply)
        if out:
            os.write(1, b"".join(json.dumps(reply).encode() + b"\n" for reply in out))


if __name__ == "__main__":
    main()
