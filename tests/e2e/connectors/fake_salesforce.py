"""A Salesforce of its own, as its documentation has it: the client credentials flow, tokens that run out, the upsert of a Task on an External ID with its
own errors. `faults` is what the next upserts get instead: (status, errorCode), or `close` (does it, and never says so)."""
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FIELDS = {"Subject", "Description", "Priority", "Status", "ActivityDate", "OwnerId", "Customer__c"}
STATUSES = {"Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred"}


class Salesforce:
    def __init__(self, client="the-app", secret="the-consumer-secret-0001"):
        self.client, self.secret = client, secret
        self.lock = threading.Lock()
        self.tokens, self.tokens_given, self.tasks, self.history, self.faults = set(), 0, {}, [], []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                self.say(*fake.token(self.path, dict(urllib.parse.parse_qsl(body))))

            def do_PATCH(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with fake.lock:
                    self.say(*fake.upsert(self.path, self.headers.get("Authorization", ""), body))

            def say(self, status, answer, headers=()):
                if status is None:
                    self.close_connection = True
                    return
                data = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Type", "application/json;charset=UTF-8")
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def expire(self):
        with self.lock:
            self.tokens.clear()

    def token(self, path, fields):
        if path != "/services/oauth2/token":
            return 404, [{"errorCode": "NOT_FOUND", "message": "no such resource"}]
        if fields.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type", "error_description": "grant type not supported"}
        if fields.get("client_id") != self.client or fields.get("client_secret") != self.secret:
            return 401, {"error": "invalid_client", "error_description": "invalid client credentials"}
        with self.lock:
            self.tokens_given += 1
            token = f"00D!token-{self.tokens_given:04d}"
            self.tokens.add(token)
        return 200, {"access_token": token, "instance_url": self.url, "id": self.url + "/id/00D/005", "token_type": "Bearer", "issued_at": "1767323045000"}

    def upsert(self, path, authorization, body):
        one = lambda status, code, message="as planted", headers=(): (status, [{"errorCode": code, "message": message}], headers)
        if authorization.removeprefix("Bearer ") not in self.tokens:
            return one(401, "INVALID_SESSION_ID", "Session expired or invalid")
        match = re.fullmatch(r"/services/data/v\d+\.0/sobjects/Task/Nudge_Id__c/([0-9a-f]+)", path)
        if not match:
            return one(404, "NOT_FOUND", "The requested resource does not exist")
        fields = json.loads(body)
        fault = self.faults.pop(0) if self.faults else None
        if fault and fault != "close":
            return one(*fault)
        if "Nudge_Id__c" in fields:
            return one(400, "INVALID_FIELD", "the external id belongs into the address")
        if set(fields) - FIELDS:
            return one(400, "INVALID_FIELD", f"No such column '{sorted(set(fields) - FIELDS)[0]}' on sobject of type Task")
        if len(fields.get("Subject", "")) > 255:
            return one(400, "STRING_TOO_LONG", "Subject: data value too large")
        if fields.get("Status", "Not Started") not in STATUSES:
            return one(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Status: bad value")
        new = match[1] not in self.tasks
        self.tasks.setdefault(match[1], {"Id": f"00T5g{len(self.tasks):013d}"}).update(fields)
        self.history.append((match[1], fields))
        if fault == "close":
            return None, None
        return (201, {"id": self.tasks[match[1]]["Id"], "success": True, "errors": [], "created": True}) if new else (204, None)
