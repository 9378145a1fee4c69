#!/usr/bin/env python3
"""A connector program that misbehaves at the level of the protocol, as its configuration says."""
import json
import sys
import time

mode = "ok"


def say(value):
    sys.stdout.write(value if isinstance(value, str) else json.dumps(value) + "\n")
    sys.stdout.flush()


for line in sys.stdin:
    request = json.loads(line)
    op, number = request["op"], request.get("id")
    if op == "hello":
        mode = request["config"].get("mode", "ok")
        if mode == "refuse":
            say({"id": number, "op": "hello", "ok": False, "detail": "the account is closed"})
        elif mode == "protocol":
            say({"id": number, "op": "hello", "ok": True, "protocol": 7})
        elif mode == "silent":
            time.sleep(3600)
        else:
            say({"id": number, "op": "hello", "ok": True, "protocol": 1, "kind": "fake", "idempotency": "none"})
    elif op == "stop":
        break
    elif mode == "garbage":
        say("Traceback (most recent call last): oops\n")
    elif mode == "binary":
        sys.stdout.buffer.write(b"\xff\xfe\x00{]\n")
        sys.stdout.flush()
    elif mode == "oversized":
        say('{"id":%d,"status":"accepted","detail":"%s"}\n' % (number, "x" * 400_000))
    elif mode == "endless":
        while True:
            say("x" * 65536)
    elif mode == "foreign_id":
        say({"id": 999_999, "status": "accepted"})
    elif mode == "bad_status":
        say({"id": number, "status": "perhaps"})
    elif mode == "twice":
        say({"id": number, "status": "accepted"})
        say({"id": number, "status": "not_sent"})
    elif mode == "late":
        time.sleep(request["payload"].get("seconds", 0))
        say({"id": number, "status": "accepted"})
    elif mode == "die_after_answer":
        say({"id": number, "status": "accepted"})
        sys.exit(5)
    elif mode == "deaf":
        time.sleep(3600)
    elif mode == "environment":
        import os
        say({"id": number, "status": "accepted", "detail": " ".join(sorted(os.environ))})
    elif mode == "child":
        import subprocess
        helper = subprocess.Popen(["/bin/sleep", "3600"])
        say({"id": number, "status": "accepted", "provider_ref": str(helper.pid)})
    else:
        say({"id": number, "status": "accepted", "provider_ref": "fake-" + request["action_id"]})
