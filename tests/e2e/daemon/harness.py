"""A real nudged on a free port, in a directory of its own: started, asked, killed and started again."""
import datetime
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

# A build with a sanitizer is many times slower; tests/sanitizers/run says how much longer to wait for it.
PATIENCE = float(os.environ.get("NUDGE_PATIENCE", "1"))

CATALOG = """
customer:
  attributes:
    name: {type: text, pii: true}
    phone: {type: phone, pii: true}
    email: {type: text}
    tier: {type: text, one_of: [bronze, silver, gold]}
    annual_spend: {type: decimal}
    age: {type: integer}
    score_x: {type: number}
    since: {type: date}
    seen: {type: timestamp}
    vip: {type: boolean}
    interests: {type: list of text}
    address: {type: object, fields: {city: text, zip: text}}
events:
  login: {fields: {device: text}}
  order_placed: {fields: {amount: decimal, sku: text, quantity: integer}}
  ping: {fields: {n: integer}}
"""

RULES = """
segments:
  buyers:
    description: A purchase in the last 2 seconds
    where: {event: order_placed, within: 2s}
rules:
  big-order:
    description: A big order gets a call and a message
    category: sales
    when: {event: order_placed, where: {field: amount, at_least: 100}}
    then:
      - call_task: {team: inside, subject: "Call {{ customer.name | default: 'customer' }}", due_in: 24h, mandatory: true}
      - email: {to: "{{ customer.email | default: 'nobody@example.com' }}", subject: "Thank you", text: "Order {{ event.sku }}"}
  gone:
    description: The purchase is two seconds old
    category: management
    when: {leaves: buyers}
    then:
      - ticket: {subject: "Gone {{ customer.id }}"}
teams:
  inside:
    members:
      - {id: lin, name: "Lin", email: lin@example.com}
      - {id: wu, name: "Wu", email: wu@example.com}
"""


def rfc3339(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_ms(text):
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


class Daemon:
    """One data directory and the nudged that works on it."""

    def __init__(self, program=None, rules=RULES, catalog=CATALOG, config="", where=None):
        self.program = os.path.abspath(program or os.environ["NUDGED"])  # it runs in a directory of its own
        self.home = tempfile.mkdtemp(prefix="nudge-e2e-", dir=where)
        os.makedirs(self.home + "/schemas")
        os.makedirs(self.home + "/rules")
        self.write("schemas/catalog.yaml", catalog)
        self.write("rules/rules.yaml", rules)
        http_part = "" if "http:" in config else "http: {port: 0}\n"
        self.write("nudge.yaml", "data_dir: data\nrules_dirs: [rules]\nschemas_dir: schemas\nengine: {shards: 2}\nstore: {low_space: 1MiB}\n"
                   + http_part + config)
        self.process = None
        self.port = 0
        self.environment = {}  # what nudged gets besides
        self.log = open(self.home + "/log.txt", "ab")

    def write(self, name, text):
        with open(f"{self.home}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, name):
        with open(f"{self.home}/{name}", encoding="utf-8") as file:
            return file.read()

    def start(self, *arguments, wait=True):
        self.process = subprocess.Popen([self.program, "--config", self.home + "/nudge.yaml", *arguments], stdout=subprocess.PIPE,
                                        stderr=self.log, cwd=self.home, env={**os.environ, **self.environment})
        if not wait:
            return self
        line = self.process.stdout.readline().decode()
        if " on http://" not in line:
            self.process.wait(20 * PATIENCE)
            self.process.stdout.close()
            raise RuntimeError(f"nudged did not start (exit code {self.process.returncode}):\n{self.text_log()}")
        self.port = int(line.strip().rsplit(":", 1)[1])
        return self

    def text_log(self):
        with open(self.home + "/log.txt", encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self):
        """kill -9: nothing is finished, nothing is flushed."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self, seconds=30):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds * PATIENCE)
        self.process.stdout.close()
        return code

    def close(self):
        if self.process is not None:
            if self.process.poll() is None:
                self.kill()
            self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def request(self, method, path, body=None, headers=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE)
        try:
            data = body if body is None or isinstance(body, (bytes, bytearray)) else json.dumps(body, ensure_ascii=False).encode()
            connection.request(method, path, data, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def head_only(self, method, path, content_length):
        """The answer to a header that announces a body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30 * PATIENCE)
        try:
            connection.putrequest(method, path)
            connection.putheader("Content-Length", str(content_length))
            connection.endheaders()
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path, status=200):
        answer = self.request("GET", path)
        assert answer.status == status, f"GET {path}: {answer}"
        return answer.json

    def post(self, path, body=None, status=200, headers=None):
        answer = self.request("POST", path, body if body is not None else b"", headers)
        assert answer.status == status, f"POST {path}: {answer}"
        return answer.json

    def lines(self, documents, path="/v1/events", status=200):
        body = b"".join(json.dumps(d, ensure_ascii=False).encode() + b"\n" for d in documents)
        return self.post(path, body, status, {"Content-Type": "application/x-ndjson"})

    def counters(self):
        status = self.get("/v1/status")
        for equation in status["balance"]:
            assert equation["holds"], equation
        return status["counters"]

    def until(self, what, seconds=20):
        """Asks until `what()` is true; its value."""
        end = time.monotonic() + seconds * PATIENCE
        while True:
            value = what()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"did not come true within {seconds} s; log:\n{self.text_log()[-3000:]}")
            time.sleep(0.02)

    def as_its_log(self):
        """The states are what the log alone makes of them, whatever comes in meanwhile; the replay's answer."""
        replayed = self.post("/v1/digest/replay")
        assert replayed["same_decisions"] and replayed["same_states"] and replayed["live"] == replayed["digest"], replayed
        return replayed

    def settled(self, seconds=60):
        """Waits until nothing is on its way: all actions have an end, all queues are empty."""
        def still():
            status = self.get("/v1/status")
            c = status["counters"]
            return status["queue"]["items"] == 0 and c["waiting"] + c["in_flight"] + c["retrying"] == 0
        self.until(still, seconds)
        return self.counters()
