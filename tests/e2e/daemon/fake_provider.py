#!/usr/bin/env python3
"""A connector whose answers a test decides: for each delivery it reads `answers.json` in its directory ({kind: [answer, ...]}) and takes the first that is left.

An answer is an outcome ({"status": …}), "hang" (no answer), "spin" (no answer, and all of the processor), or "die". Without one it accepts. All it was asked goes to `asked.jsonl`."""
import base64
import json
import os
import sys
import time


def main():
    directory, hello = None, None
    counts = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "hello":
            directory, hello = request["config"]["directory"], request["config"].get("hello", {})
            answer = {"id": request["id"], "op": "hello", "ok": True, "protocol": 1, "kind": request["kind"], "version": "1", "channels": ["*"], **hello}
        elif request["op"] in ("deliver", "query"):
            with open(directory + "/answers.json", encoding="utf-8") as file:
                answers = json.load(file).get(request["op"] if request["op"] == "query" else request["kind"], [])
            n = counts.get(request["kind"], 0)
            # Counted on disk, because the process may die in between.
            path = f"{directory}/count-{request['op']}-{request['kind']}"
            if os.path.exists(path):
                n = int(open(path, encoding="utf-8").read())
            with open(path + "-new", "w", encoding="utf-8") as file:
                file.write(str(n + 1))
            os.replace(path + "-new", path)  # whole or not at all, whenever it is killed
            # Last: a test that sees the question and kills finds it counted, too.
            with open(directory + "/asked.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps({**request, "at": time.time()}) + "\n")
            outcome = answers[n] if n < len(answers) and answers[n] is not None else {"status": "accepted"}
            if outcome == "hang":
                continue
            if outcome == "die":
                os._exit(1)
            while outcome == "spin":  # until its processor time is used up
                pass
            answer = {"id": request["id"], **outcome}
        elif request["op"] == "receive":  # a callback: the body says what to make of it
            answer = {"id": request["id"], "status": "accepted", "result": json.loads(base64.b64decode(request["payload"]["body"]))}
        elif request["op"] == "stop":
            return
        else:
            continue
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
