"""The world around nudged in the tests of the console: a company with people and rules, a marketing department that listens, a clock that can be moved."""
import base64
import datetime
import http.server
import json
import os
import pathlib
import struct
import threading

HERE = pathlib.Path(__file__).resolve().parent
PEOPLE = {"chief": "admin", "lin": "salesperson", "kate": "salesperson", "zhao": "manager"}
PASSWORD = "a long enough password"
FUNNELS = """
funnels:
  deals:
    description: From the first word to the signature
    lost_reasons: [price, competitor]
    stages:
      - {name: contact, probability: 10, stalled_after: 7d, tasks: [first call]}
      - {name: quote, probability: 50, tasks: [send the quote]}
"""


class Marketing:
    """Takes webhooks; GET gives all that came, as JSON."""

    def __init__(self):
        heard, lock = [], threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    heard.append(json.loads(body))
                self.answer(b"{}")

            def do_GET(self):
                with lock:
                    self.answer(json.dumps(heard).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Clock:
    """Milliseconds that the preloaded clock adds; the test writes them."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "clock")
        with open(self.path, "wb") as file:
            file.write(struct.pack("q", 0))


def rules():
    hired = datetime.date.today() - datetime.timedelta(days=120)
    return (HERE / "company" / "rules.yaml").read_text().replace("@HIRED@", hired.isoformat())


def catalog():
    return (HERE / "company" / "catalog.yaml").read_text()


def config(marketing, folder):
    secret = pathlib.Path(folder, "marketing.secret")
    secret.touch(mode=0o600)
    secret.write_text("whsec_" + base64.b64encode(os.urandom(32)).decode())
    return (f"rules_from: apply\nconnectors:\n  marketing: {{kind: webhook, url: '{marketing.url}/hook', allow_http: true, allow_private: true, "
            f"secrets: [{{file: {secret}}}]}}\n")


def make_accounts(daemon):
    """One account for each of PEOPLE; from then on nobody comes in without."""
    for name, role in PEOPLE.items():
        cookie = {}
        if name != "chief":
            session = daemon.request("POST", "/v1/session", {"user": "chief", "password": PASSWORD})
            cookie = {"Cookie": session.headers["Set-Cookie"].split(";")[0], "X-Nudge-CSRF": session.json["csrf"]}
        answer = daemon.request("POST", "/v1/users", {"name": name, "roles": [role], "password": PASSWORD}, cookie)
        assert answer.status in (200, 201), answer
