#!/usr/bin/env python3
"""A connector in Python: keeps each message as a file. Speaks the protocol of connectors/PROTOCOL.md.

Copy it to start your own: change `check` (your configuration), `deliver` (your provider) and `query` (if it can be asked).
Standard output belongs to the protocol: print() nothing; use log() or standard error.
"""
import json
import os
import sys

DESCRIPTION = {"kind": "file", "version": "1.0", "channels": ["*"], "idempotency": "key", "default_on_unknown": "retry"}


def say(reply):
    sys.stdout.write(json.dumps(reply, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def log(level, text):
    say({"op": "log", "level": level, "text": text})


def accepted(provider_ref="", detail=""):
    return {"status": "accepted", "provider_ref": provider_ref, "detail": detail}


def not_sent(detail, retryable, retry_after_ms=0):
    return {"status": "not_sent", "detail": detail, "retryable": retryable, "retry_after_ms": retry_after_ms}


def unknown(detail):
    return {"status": "unknown", "detail": detail}


class FileConnector:
    def __init__(self, config):
        self.directory = config["directory"]
        os.makedirs(self.directory, mode=0o700, exist_ok=True)

    @staticmethod
    def check(config):
        """Every mistake of a configuration, as a list of sentences."""
        problems = [f"{name}: no such field; known is directory" for name in config if name != "directory"]
        if not isinstance(config.get("directory"), str):
            problems.append("directory: is missing; the absolute path of the directory that gets the files")
        return problems

    def path(self, request):
        if not request["action_id"] or set(request["action_id"]) - set("0123456789abcdef"):
            raise ValueError("the action id is not hexadecimal")
        return os.path.join(self.directory, request["action_id"] + ".json")

    def deliver(self, request):
        path = self.path(request)
        if os.path.exists(path):  # an earlier attempt got through: the action id is the idempotency key
            return accepted(path, "it lay there already")
        aside = path + ".part"
        with open(aside, "w", encoding="utf-8") as file:
            file.write(json.dumps(request["payload"], ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(aside, path)
        return accepted(path)

    def query(self, request):
        path = self.path(request)
        return accepted(path) if os.path.exists(path) else not_sent("there is no such file", retryable=True)


def main():
    connector = None
    for line in sys.stdin:
        request = json.loads(line)
        op, number = request["op"], request.get("id")
        if op == "hello":
            problems = FileConnector.check(request["config"])
            try:
                connector = None if problems else FileConnector(request["config"])
            except OSError as error:
                problems = [f"directory: {error}"]
            reply = {"id": number, "op": "hello", "ok": connector is not None, "protocol": 1}
            say({**reply, "detail": "; ".join(problems)} if problems else {**reply, **DESCRIPTION})
        elif op == "stop":
            return
        elif op in ("deliver", "query"):
            try:
                outcome = getattr(connector, op)(request)
            except (OSError, ValueError) as error:
                outcome = not_sent(str(error), retryable=isinstance(error, OSError))
            except Exception as error:  # nobody can tell how far it had come
                outcome = unknown(f"{type(error).__name__}: {error}")
            say({"id": number, **outcome})


if __name__ == "__main__":
    main()
