#!/usr/bin/env python3
"""A receiver that keeps a ledger of everything it was handed, before it answers. It knows no idempotency keys, but says a repeat is harmless."""
import json
import os
import sys


def main():
    ledger = None
    for line in sys.stdin:
        request = json.loads(line)
        operation = request["op"]
        if operation == "hello":
            ledger = os.open(request["config"]["ledger"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            answer = {"id": request["id"], "op": "hello", "ok": True, "protocol": 1, "kind": request["kind"], "version": "1", "channels": ["*"],
                      "idempotency": "key", "default_on_unknown": "retry"}
        elif operation == "deliver":
            os.write(ledger, (json.dumps({"action_id": request["action_id"], "attempt": request["attempt"], "customer": request["customer_id"]}) + "\n").encode())
            answer = {"id": request["id"], "status": "accepted", "provider_ref": f"r{request['id']}"}
        elif operation == "stop":
            return
        else:
            continue
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
