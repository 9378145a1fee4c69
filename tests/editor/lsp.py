"""A small client for a language server over standard input and output."""
import json
import subprocess
import threading


class Server:
    def __init__(self, command, configuration):
        self.configuration = configuration
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.next_id, self.answers, self.diagnostics = 0, {}, {}
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.request("initialize", {
            "processId": None, "rootUri": None,
            "capabilities": {"textDocument": {"completion": {"completionItem": {"snippetSupport": True}}, "hover": {"contentFormat": ["plaintext"]},
                                              "publishDiagnostics": {}},
                             "workspace": {"configuration": True}}})
        self.notify("initialized", {})
        self.notify("workspace/didChangeConfiguration", {"settings": {"yaml": configuration}})

    def _send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _read(self):
        while True:
            length = None
            while (line := self.process.stdout.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if length is None:
                return
            self._take(json.loads(self.process.stdout.read(length)))

    def _take(self, message):
        if "method" in message and "id" in message:  # the server asks
            result = None
            if message["method"] == "workspace/configuration":
                wanted = [item.get("section", "") for item in message["params"]["items"]]
                result = [self.configuration if section == "yaml" else {} for section in wanted]
            self._send({"id": message["id"], "result": result})
            return
        with self.changed:
            if message.get("method") == "textDocument/publishDiagnostics":
                self.diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
            elif "id" in message:
                self.answers[message["id"]] = message
            self.changed.notify_all()

    def request(self, method, params):
        self.next_id += 1
        self._send({"id": self.next_id, "method": method, "params": params})
        with self.changed:
            assert self.changed.wait_for(lambda: self.next_id in self.answers, timeout=120), f"no answer to {method}"
            answer = self.answers.pop(self.next_id)
        assert "error" not in answer, answer
        return answer["result"]

    def notify(self, method, params):
        self._send({"method": method, "params": params})

    def open(self, uri, text):
        """Opens a text; answers what the server says is wrong with it."""
        with self.changed:
            self.diagnostics.pop(uri, None)
        self.notify("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
        with self.changed:
            assert self.changed.wait_for(lambda: uri in self.diagnostics, timeout=120), "no diagnostics came"
            return self.diagnostics[uri]

    def at(self, method, uri, line, character):
        return self.request(method, {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}})

    def close(self):
        try:
            self.request("shutdown", None)
            self.notify("exit", None)
        finally:
            self.process.wait(timeout=60)
            self.process.stdin.close()
            self.reader.join(timeout=60)
            self.process.stdout.close()
