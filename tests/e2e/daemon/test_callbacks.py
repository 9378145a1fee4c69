#!/usr/bin/env python3
"""Receipts, replies, bounces and complaints: from a provider's callback, verified by its signature, to the event that a rule fires on and the suppression
list; told twice, out of order, across a kill -9. The providers are fakes made from what theirs document; signatures are made here anew, not by nudge's code.
Run with NUDGED=path/to/nudged NUDGE=path/to/nudge."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon  # noqa: E402

CATALOG = """
customer:
  attributes:
    phone: {type: phone}
    email: {type: text}
events:
  order_placed: {fields: {sku: text}}
"""
RULES = """
rules:
  thanks:
    purpose: service
    when: {event: order_placed, where: {field: sku, equals: text}}
    then: [{sms: {text: "Thank you"}}]
  mail:
    purpose: service
    when: {event: order_placed, where: {field: sku, equals: mail}}
    then: [{email: {subject: Thank you, text: "Thank you"}}]
  arrived:
    category: management
    when: {message: delivered, of: thanks}
    then: [{maildrop: {text: "arrived {{ event.rule }}"}}]
  lost:
    category: management
    when: {message: failed}
    then: [{maildrop: {text: "lost: {{ event.reason }}"}}]
  answered:
    category: management
    when: {message: replied}
    then: [{maildrop: {text: "said: {{ event.text }}"}}]
  complained:
    category: management
    when: {message: unsubscribed}
    then: [{maildrop: {text: "complained: {{ event.reason }}"}}]
"""
PUBLIC = "https://nudge.example.com/v1/callbacks/texts"
ACCOUNT, TOKEN, KEY = "AC00112233445566778899aabbccddeeff", "twilio-auth-token-12345", "a-key-in-the-address-0123456789"


class Provider:
    """What the connector POSTs to; answers as Twilio, Aliyun or Tencent Cloud do."""

    def __init__(self):
        provider = self
        self.asked, self.answer = [], None

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.do_POST()

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                provider.asked.append((self.path, body))
                answer = provider.answer(self.path, body, len(provider.asked)) if provider.answer else None
                if answer is None:  # takes it, and never says so
                    self.close_connection = True
                    return
                status, text = answer
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def twilio(path, body, n):
    return 201, json.dumps({"sid": f"SM{n:032x}", "status": "queued", "num_segments": "1", "error_code": None})


def sign(url, fields, token=TOKEN):
    text = url + "".join(name + value for name, value in sorted(fields.items()))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


BOUNCE = """From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
To: bounces@shop.example.com
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
 boundary="9B095B5ADSN=_01D4"

--9B095B5ADSN=_01D4
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--9B095B5ADSN=_01D4
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
X-Postfix-Queue-ID: 4C2A01

Final-Recipient: rfc822; %(to)s
Original-Recipient: rfc822;%(to)s
Action: %(action)s
Status: %(status)s
Remote-MTA: dns; mail.example.net
Diagnostic-Code: smtp; 550 %(status)s <%(to)s>: Recipient address
    rejected: User unknown in virtual mailbox table

--9B095B5ADSN=_01D4
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

Message-ID: <%(id)s@shop.example.com>
Subject: Thank you

--9B095B5ADSN=_01D4--
"""
COMPLAINT = """From: <abuse@mailbox.example>
To: <bounces@shop.example.com>
Subject: FW: Thank you
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="part1"

--part1
Content-Type: text/plain

This is an email abuse report.
--part1
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1

--part1
Content-Type: message/rfc822

From: <sales@shop.example.com>
Message-ID: <%(id)s@shop.example.com>
Subject: Thank you

Thank you
--part1--
"""


class Callbacks(unittest.TestCase):
    def setUp(self):
        self.seen = set()
        self.provider = Provider()
        self.addCleanup(self.provider.close)

    def daemon(self, connectors, config=""):
        d = Daemon(rules=RULES, catalog=CATALOG, config="connectors:\n  drop: {kind: maildrop}\n" + connectors + config)
        self.addCleanup(d.close)
        for name, value in (("token", TOKEN), ("key", KEY)):
            d.write(name, value + "\n")
            os.chmod(d.home + "/" + name, 0o600)
        return d

    def twilio(self, config=""):
        self.provider.answer = twilio
        d = self.daemon("", "")
        d.write("nudge.yaml", d.read("nudge.yaml") + f"""  texts:
    kind: sms
    provider: twilio
    url: http://127.0.0.1:{self.provider.port}
    account_sid: {ACCOUNT}
    auth_token: {{file: {d.home}/token}}
    from: "+15005550006"
    status_callback: {PUBLIC}
    process: {{timeout: 5s}}
""" + config)
        d.start()
        d.post("/v1/customers/c", {"attributes": {"phone": "+14155550100", "email": "wang@example.net"}})
        return d

    def other(self, provider, more, answer):
        self.provider.answer = answer
        d = self.daemon("", "")
        d.write("nudge.yaml", d.read("nudge.yaml") + f"""  texts:
    kind: sms
    provider: {provider}
    url: http://127.0.0.1:{self.provider.port}
    callback_key: {{file: {d.home}/key}}
""" + "".join(f"    {line}\n" for line in more.format(home=d.home).split("\n")))
        d.start()
        d.post("/v1/customers/c", {"attributes": {"phone": "+8613800000000"}})
        return d

    def order(self, d, n, sku="text", state="accepted", rule="thanks"):
        d.post("/v1/events", {"customer": "c", "event": "order_placed", "id": f"o{n}", "data": {"sku": sku}})
        action = d.until(lambda: [a["id"] for a in d.get(f"/v1/actions?rule={rule}&limit=100")["actions"]
                                  if a["state"] == state and a["id"] not in self.seen])[0]
        self.seen.add(action)
        return action

    def call(self, d, fields, query="", token=TOKEN, path="/v1/callbacks/texts", headers=None):
        signature = sign(PUBLIC + query, fields, token)
        return d.request("POST", path + query, urllib.parse.urlencode(fields).encode(),
                         {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded", **(headers or {})})

    def receipt(self, status, n=1, **more):
        return {"AccountSid": ACCOUNT, "MessageSid": f"SM{n:032x}", "MessageStatus": status, "To": "+14155550100", "From": "+15005550006", **more}

    def texts(self, d, start=""):
        return sorted(t for t in (m.get("payload", m).get("text", "") for m in d.get("/v1/maildrop?limit=1000")["messages"]) if t.startswith(start))

    def figures(self, d):
        return [c for c in d.get("/v1/connectors")["connectors"] if c["name"] == "texts"][0]["callbacks"]

    def balanced(self, d):
        for line in d.get("/v1/status")["balance"]:
            self.assertTrue(line["holds"], line)

    def test_twilio_from_receipt_to_rule(self):
        d = self.twilio()
        action = self.order(d, 1)
        path, body = self.provider.asked[0]
        self.assertEqual(path, f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
        callback = dict(urllib.parse.parse_qsl(body))["StatusCallback"]
        self.assertEqual(callback, f"{PUBLIC}?action={action}")
        query = f"?action={action}"
        self.assertEqual(self.call(d, self.receipt("sent"), query).status, 200)
        answer = self.call(d, self.receipt("delivered"), query)
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/xml; charset=utf-8"))
        d.until(lambda: self.texts(d, "arrived") == ["arrived thanks"])
        for _ in range(3):  # as often as they like
            self.assertEqual(self.call(d, self.receipt("delivered"), query).status, 200)
        self.assertEqual(self.call(d, self.receipt("read"), query).status, 200)
        receipt = d.get(f"/v1/actions/{action}")["receipt"]
        self.assertIsNotNone(receipt["delivered_at"])
        self.assertIsNone(receipt["failed_at"])
        f = self.figures(d)
        self.assertEqual((f["taken"], f["refused"], f["told"], f["doubled"], f["unmatched"]), (6, 0, 1, 4, 0))
        self.assertIn('nudge_provider_reports_total{connector="texts",outcome="told"} 1', d.request("GET", "/metrics").body.decode())
        time.sleep(0.3)
        self.assertEqual(self.texts(d, "arrived"), ["arrived thanks"], "one event, one firing")
        # A receipt without our address: by Twilio's own id.
        second = self.order(d, 2)
        self.assertEqual(self.call(d, self.receipt("undelivered", 2, ErrorCode="30008")).status, 200)
        d.until(lambda: self.texts(d, "lost") == ["lost: undelivered: Twilio 30008"])
        self.assertIn("30008", d.get(f"/v1/actions/{second}")["receipt"]["reason"])
        self.assertEqual(d.get("/v1/suppressions")["total"], 0, "unreachable is not gone")
        self.balanced(d)

    def test_what_is_not_signed_has_no_effect_and_is_counted(self):
        d = self.twilio()
        action = self.order(d, 1)
        query, good = f"?action={action}", self.receipt("delivered")
        wrong = [
            self.call(d, good, query, token="another-token"),
            d.request("POST", "/v1/callbacks/texts" + query, urllib.parse.urlencode(good).encode()),  # no signature at all
            d.request("POST", "/v1/callbacks/texts" + query, urllib.parse.urlencode({**good, "MessageStatus": "failed"}).encode(),
                      {"X-Twilio-Signature": sign(PUBLIC + query, good)}),  # another body
            d.request("POST", "/v1/callbacks/texts?action=" + "0" * 32, urllib.parse.urlencode(good).encode(),
                      {"X-Twilio-Signature": sign(PUBLIC + query, good)}),  # another action
            self.call(d, {**good, "AccountSid": "AC" + "0" * 32}, query),  # signed, of another account
            self.call(d, good, query, token="x", path="/v1/callbacks/texts/" + KEY),
        ]
        self.assertEqual([a.status for a in wrong], [401] * 6)
        self.assertEqual(len({a.body for a in wrong}), 1, "who is refused learns nothing but that")
        self.assertEqual(d.request("POST", "/v1/callbacks/nobody", b"{}").status, 404)
        self.assertEqual(d.request("POST", "/v1/callbacks/drop", b"{}").status, 404, "a connector without callbacks")
        self.assertEqual(d.request("POST", "/v1/callbacks/texts", b"x" * 300_000).status, 413)
        f = self.figures(d)
        self.assertEqual((f["taken"], f["refused"], f["told"]), (0, 6, 0))
        time.sleep(0.2)
        self.assertEqual(self.texts(d), [])
        self.assertNotIn("receipt", d.get(f"/v1/actions/{action}"))
        for secret in (TOKEN, "another-token"):
            self.assertNotIn(secret, d.text_log())

    def test_stop_and_start(self):
        d = self.twilio()
        self.order(d, 1)
        said = lambda n, text: {"AccountSid": ACCOUNT, "MessageSid": f"SMin{n}", "SmsStatus": "received", "From": "+1 415 555 0100", "To": "+15005550006", "Body": text}
        self.assertEqual(self.call(d, said(1, "When do you deliver? 什么时候到？")).status, 200)
        d.until(lambda: self.texts(d, "said") == ["said: When do you deliver? 什么时候到？"])
        self.assertEqual(d.get("/v1/suppressions")["total"], 0)
        self.assertEqual(self.call(d, said(2, " stop. ")).status, 200)
        listed = d.get("/v1/suppressions")["suppressions"]
        self.assertEqual([(s["value"], s["channel"], s["author"]) for s in listed], [("+14155550100", "sms", "texts")])
        self.order(d, 2, state="held")
        self.assertEqual(len(self.provider.asked), 1, "nothing more leaves to this number")
        self.assertEqual(self.call(d, said(3, "START")).status, 200)
        self.assertEqual(d.get("/v1/suppressions")["total"], 0)
        self.assertEqual(self.call(d, said(2, " stop. ")).status, 200)  # told once more, late
        self.assertEqual(d.get("/v1/suppressions")["total"], 0, "a double does not undo what was said since")
        self.order(d, 3)
        d.until(lambda: len(self.provider.asked) == 2)
        # From a number that nothing was sent to: no customer, but the word counts.
        self.assertEqual(self.call(d, {**said(4, "STOP"), "From": "+14155550199"}).status, 200)
        self.assertEqual([s["value"] for s in d.get("/v1/suppressions")["suppressions"]], ["+14155550199"])
        # A number that is gone for good.
        action = d.get("/v1/actions?rule=thanks&state=accepted&limit=100")["actions"][0]["id"]
        self.call(d, self.receipt("undelivered", 9, ErrorCode="30005"), f"?action={action}")
        d.until(lambda: "+14155550100" in [s["value"] for s in d.get("/v1/suppressions")["suppressions"]])
        self.call(d, said(5, "START"))
        self.assertIn("+14155550100", [s["value"] for s in d.get("/v1/suppressions")["suppressions"]], "not the customer's to take away")
        self.balanced(d)

    def test_a_receipt_settles_what_was_unknown(self):
        # A connector of somebody else's, in Python: what it makes of a callback comes through the JSON-lines protocol.
        d = self.daemon("", "")
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_provider.py")
        d.write("nudge.yaml", d.read("nudge.yaml") + f"""  texts:
    kind: sms
    command: [{sys.executable}, {program}]
    directory: {d.home}
    hello: {{receives: true, idempotency: none, default_on_unknown: hold}}
""")
        d.write("answers.json", json.dumps({"sms": [{"status": "unknown", "detail": "no answer"}]}))
        d.start()
        d.post("/v1/customers/c", {"attributes": {"phone": "+14155550100"}})
        action = self.order(d, 1, state="unknown")
        report = lambda **r: d.request("POST", "/v1/callbacks/texts", json.dumps({"reports": [r]}).encode()).status
        self.assertEqual(report(action=action, state="lifted to heaven"), 500, "a connector that talks nonsense")
        self.assertEqual(report(action=action, state="replied", text="no id"), 500)
        self.assertEqual(report(action="0" * 32, state="delivered"), 200)
        self.assertEqual(report(action=action, state="delivered"), 200)
        self.assertEqual(d.until(lambda: d.get(f"/v1/actions/{action}")["state"] == "accepted" and d.get(f"/v1/actions/{action}"))["note"],
                         "the provider reports on it, so it has taken it")
        d.until(lambda: self.texts(d, "arrived") == ["arrived thanks"])
        self.assertEqual(len(d.read("asked.jsonl").splitlines()), 1)
        self.assertEqual(report(address="+1 (415) 555-0100", state="replied", id="r1", text="Thanks!"), 200)
        d.until(lambda: self.texts(d, "said") == ["said: Thanks!"])
        f = self.figures(d)
        self.assertEqual((f["taken"], f["failed"], f["told"], f["unmatched"]), (3, 2, 2, 1))
        self.balanced(d)

    def test_a_receipt_that_comes_before_the_answer(self):
        release = threading.Event()
        self.addCleanup(release.set)
        d = self.other("generic_http", "timeout_ms: 9000", lambda *_: release.wait(20) and None)
        d.post("/v1/events", {"customer": "c", "event": "order_placed", "id": "o1", "data": {"sku": "text"}})
        d.until(lambda: self.provider.asked)
        action = json.loads(self.provider.asked[0][1])["id"]
        self.assertEqual(d.request("POST", "/v1/callbacks/texts/" + KEY, json.dumps({"id": action, "status": "delivered"}).encode()).status, 200)
        release.set()  # now the connection breaks: without the receipt this would be unknown
        d.until(lambda: d.get(f"/v1/actions/{action}")["state"] == "accepted")
        self.assertEqual(d.settled()["unknown"], 0)

    def test_aliyun(self):
        d = self.other("aliyun", "access_key_id: testid\naccess_key_secret: {{file: {home}/token}}\nsign_name: 测试签名\ntemplate_code: SMS_1\ntext_param: content",
                       lambda path, body, n: (200, json.dumps({"Code": "OK", "Message": "OK", "BizId": f"9006195{n}^0", "RequestId": "R"})))
        action = self.order(d, 1)
        self.assertIn(f"OutId={action}", self.provider.asked[0][0])
        url = "/v1/callbacks/texts/" + KEY
        report = {"phone_number": "13800000000", "send_time": "2026-01-02 11:12:13", "report_time": "2026-01-02 11:13:13", "success": True,
                  "err_code": "DELIVERED", "err_msg": "用户接收成功", "sms_size": "1", "biz_id": "90061951^0", "out_id": action}
        for bad in ("/v1/callbacks/texts", url[:-1], url + "x"):
            self.assertEqual(d.request("POST", bad, json.dumps([report]).encode()).status, 401)
        answer = d.request("POST", url, json.dumps([report, report]).encode())
        self.assertEqual((answer.status, answer.json["code"]), (200, 0))
        d.until(lambda: self.texts(d, "arrived") == ["arrived thanks"])
        self.assertEqual(d.request("POST", url, b"<html>").status, 400)
        failed = self.order(d, 2)
        d.request("POST", url, json.dumps([{**report, "out_id": failed, "success": False, "err_code": "MK:0001", "err_msg": "关机"}]).encode())
        d.until(lambda: self.texts(d, "lost") == ["lost: MK:0001: 关机"])
        reply = [{"phone_number": "8613800000000", "send_time": "2026-01-02 11:20:00", "content": "TD", "sign_name": "测试签名", "dest_code": "1069", "sequence_id": 1234567890}]
        self.assertEqual(d.request("POST", url, json.dumps(reply).encode()).json["code"], 0)
        d.until(lambda: self.texts(d, "said") == ["said: TD"])
        self.assertEqual([s["value"] for s in d.get("/v1/suppressions")["suppressions"]], ["8613800000000"])
        self.assertNotIn(KEY, d.text_log())

    def test_tencent(self):
        d = self.other("tencent", "secret_id: AKID\nsecret_key: {{file: {home}/token}}\nsdk_app_id: \"1400006666\"\ntemplate_id: \"1234\"",
                       lambda path, body, n: (200, json.dumps({"Response": {"SendStatusSet": [{
                           "SerialNo": f"5000:10459{n}", "PhoneNumber": "+8613800000000", "Fee": 1, "Code": "Ok", "Message": "send success",
                           "SessionContext": json.loads(body)["SessionContext"]}], "RequestId": "r"}})))
        self.order(d, 1)
        url = "/v1/callbacks/texts/" + KEY
        one = {"user_receive_time": "2026-01-02 11:13:13", "nationcode": "86", "mobile": "13800000000", "report_status": "SUCCESS", "errmsg": "DELIVRD",
               "description": "用户短信送达成功", "sid": "5000:104591"}
        self.assertEqual(d.request("POST", "/v1/callbacks/texts", json.dumps([one]).encode()).status, 401)
        answer = d.request("POST", url, json.dumps([one, {**one, "sid": "5000:1045999"}]).encode())
        self.assertEqual((answer.status, answer.json), (200, {"result": 0, "errmsg": "OK"}))
        d.until(lambda: self.texts(d, "arrived") == ["arrived thanks"])
        self.assertEqual(self.figures(d)["unmatched"], 1, "a receipt of somebody else's message")
        reply = {"extend": "", "nationcode": "86", "mobile": "13800000000", "sign": "腾讯云", "text": "退订", "time": 1767323600}
        self.assertEqual(d.request("POST", url, json.dumps(reply).encode()).status, 200)
        d.until(lambda: self.texts(d, "said") == ["said: 退订"])
        self.assertEqual([s["value"] for s in d.get("/v1/suppressions")["suppressions"]], ["+8613800000000"])

    def test_a_ticket_that_is_done_wakes_a_rule(self):
        self.provider.answer = lambda path, body, n: (201, json.dumps({"ticket": {"id": 41 + n}}))
        d = Daemon(catalog=CATALOG, config="connectors:\n  drop: {kind: maildrop}\n", rules="""
rules:
  complaint:
    category: management
    when: {event: order_placed, where: {field: sku, equals: text}}
    then: [{ticket: {subject: "Complaint"}}]
  solved:
    category: management
    when: {event: ticket_updated, where: {field: status, equals: done}}
    then: [{maildrop: {text: "solved {{ event.ticket }} {{ event.raw_status }} of {{ event.rule }}"}}]
""")
        self.addCleanup(d.close)
        for name, value in (("token", "zendesk-api-token"), ("key", "zendesk-test-secret")):
            d.write(name, value + "\n")
            os.chmod(d.home + "/" + name, 0o600)
        d.write("nudge.yaml", d.read("nudge.yaml") + f"""  texts:
    kind: ticket
    provider: zendesk
    url: http://127.0.0.1:{self.provider.port}
    zendesk_email: a@example.com
    zendesk_token: {{file: {d.home}/token}}
    callback_secret: {{file: {d.home}/key}}
""")
        d.start()
        action = self.order(d, 1, rule="complaint")

        def change(body, secret="zendesk-test-secret", age=0):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age))
            signature = base64.b64encode(hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).digest()).decode()
            return d.request("POST", "/v1/callbacks/texts", body, {"X-Zendesk-Webhook-Signature": signature, "X-Zendesk-Webhook-Signature-Timestamp": stamp}).status
        at = lambda seconds: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        body = lambda status, when, **more: json.dumps({"ticket": "42", "status": status, "updated_at": when, **more}).encode()
        solved = body("Solved", at(-1))
        self.assertEqual(change(solved, secret="wrong"), 401)
        self.assertEqual(change(solved, age=400), 401, "a signature of 5 minutes ago")
        self.assertEqual(change(body("Open", at(-2), external_id=action)), 200)
        self.assertEqual(change(solved), 200)  # known by its number alone
        self.assertEqual(change(solved), 200)
        d.until(lambda: self.texts(d, "solved") == ["solved 42 solved of complaint"])
        f = self.figures(d)
        self.assertEqual((f["taken"], f["refused"], f["told"], f["doubled"]), (3, 2, 2, 1))
        self.assertEqual(change(b"{}"), 400)
        self.balanced(d)

    def ticket_system(self, fields, answer):
        """A daemon with this ticket system, whose first attempt is taken and never answered: it is looked for before it would be opened again."""
        opened = []

        def silent_first(path, body, n):
            if answer.is_search(path):
                return 200, json.dumps(answer.found(opened))
            opened.append(body)
            return None
        self.provider.answer = silent_first
        d = Daemon(catalog=CATALOG, config="connectors:\n  drop: {kind: maildrop}\n", rules="""
rules:
  complaint:
    category: management
    when: {event: order_placed, where: {field: sku, equals: text}}
    then: [{ticket: {subject: "Complaint"}}]
  solved:
    category: management
    when: {event: ticket_updated}
    then: [{maildrop: {text: "{{ event.status }}: {{ event.raw_status | default: 'nothing' }} of {{ event.rule }}"}}]
""")
        self.addCleanup(d.close)
        for name, value in (("token", "an-api-token-0001"), ("key", KEY)):
            d.write(name, value + "\n")
            os.chmod(d.home + "/" + name, 0o600)
        d.write("nudge.yaml", d.read("nudge.yaml") + f"  texts:\n    kind: ticket\n    url: http://127.0.0.1:{self.provider.port}\n    timeout_ms: 1000\n"
                + "".join(f"    {line}\n" for line in fields.format(home=d.home, port=self.provider.port).split("\n"))
                + "    delivery: {retry_first: 50ms, settle: 10ms, breaker_after: 0}\n")
        d.start()
        action = self.order(d, 1, rule="complaint")
        self.assertEqual(len(opened), 1, "looked for, and not opened twice")
        return d, action

    def told(self, d, call, changes):
        """Each change is one event, in our words; told twice it is one still; and who is not the provider is refused."""
        for body, words in changes:
            self.assertEqual(call(body, good=False), 401)
            self.assertEqual((call(body), call(body)), (200, 200))
            d.until(lambda: words is None or words in self.texts(d))
        time.sleep(0.2)
        self.assertEqual(self.texts(d), sorted(words for _, words in changes if words))
        self.balanced(d)

    def test_a_ticket_in_jira_comes_back_as_events(self):
        class Answer:
            is_search = staticmethod(lambda path: path.endswith("/search/jql"))
            found = staticmethod(lambda opened: {"issues": [{"key": "SFA-24"}] if opened else []})
        d, action = self.ticket_system("provider: jira\njira_email: a@example.com\njira_token: {{file: {home}/token}}\nproject: SFA\ncallback_key: {{file: {home}/key}}", Answer)
        self.assertEqual(d.get(f"/v1/actions/{action}")["attempts"][-1]["provider_ref"], "SFA-24")

        def issue(status, category, field="status", resolution=None, change=1):
            return json.dumps({"webhookEvent": "jira:issue_updated", "changelog": {"id": str(change), "items": [{"field": field}]},
                               "issue": {"key": "SFA-24", "fields": {"labels": ["nudge-" + action], "updated": time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime()),
                                         "status": {"name": status, "statusCategory": {"key": category}}, "resolution": resolution and {"name": resolution}}}}).encode()
        call = lambda body, good=True: d.request("POST", "/v1/callbacks/texts/" + (KEY if good else "x"), body).status
        self.told(d, call, [(issue("In Arbeit", "indeterminate"), "open: In Arbeit of complaint"), (issue("In Arbeit", "indeterminate", field="assignee", change=2), None),
                            (issue("Fertig", "done", resolution="Done", change=3), "done: Fertig of complaint"),
                            (issue("Fertig", "done", resolution="Won't Do", change=4), "rejected: Fertig of complaint")])

    def test_a_ticket_in_zammad_comes_back_as_events(self):
        class Answer:
            is_search = staticmethod(lambda path: "/search?" in path)
            found = staticmethod(lambda opened: [{"id": 7, "nudge_id": json.loads(b)["nudge_id"]} for b in opened])
        d, action = self.ticket_system("provider: zammad\nzammad_token: {{file: {home}/token}}\ngroup: G\ncustomer: a@example.com\ncallback_secret: {{file: {home}/key}}", Answer)

        def call(body, good=True):
            signature = "sha1=" + hmac.new(KEY.encode() if good else b"x", body, hashlib.sha1).hexdigest()
            return d.request("POST", "/v1/callbacks/texts", body, {"X-Hub-Signature": signature, "X-Zammad-Delivery": hashlib.sha1(body).hexdigest()}).status
        state = lambda name: json.dumps({"ticket": {"id": 7, "state": name, "nudge_id": action, "updated_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}}).encode()
        self.told(d, call, [(state("open"), "open: open of complaint"), (state("pending reminder"), "waiting: pending reminder of complaint"), (state("closed"), "done: closed of complaint")])

    def test_a_ticket_of_somebody_elses_system_comes_back_as_events(self):
        class Answer:
            is_search = staticmethod(lambda path: path.startswith("/tickets/"))
            found = staticmethod(lambda opened: {"id": "T1"})
        d, action = self.ticket_system('provider: generic_http\nlookup_url: "http://127.0.0.1:{port}/tickets/{{id}}"\ncallback_key: {{file: {home}/key}}', Answer)
        call = lambda body, good=True: d.request("POST", "/v1/callbacks/texts/" + (KEY if good else "x"), body).status
        change = lambda n, status: json.dumps({"id": action, "status": status, "event_id": f"e{n}"}).encode()
        self.told(d, call, [(change(1, "waiting"), "waiting: nothing of complaint"), (change(2, "done"), "done: nothing of complaint")])
        self.assertEqual(call(change(3, "lifted to heaven")), 400)

    def test_kill_between_receipt_and_answer(self):
        """Whatever was killed where: called again until 200, as a provider does, each receipt is told once, and what was answered 200 is there."""
        d = self.twilio()
        actions = []
        for n in range(12):
            d.post("/v1/events", {"customer": f"k{n}", "event": "order_placed", "id": f"o{n}", "data": {"sku": "text"}})
        for n in range(12):
            d.post(f"/v1/customers/k{n}", {"attributes": {"phone": f"+1415555{n:04}"}})
            d.post("/v1/events", {"customer": f"k{n}", "event": "order_placed", "id": f"p{n}", "data": {"sku": "text"}})
        d.until(lambda: len(d.get("/v1/actions?rule=thanks&state=accepted&limit=100")["actions"]) == 12)
        actions = [a["id"] for a in d.get("/v1/actions?rule=thanks&state=accepted&limit=100")["actions"]]
        answered = set()

        def call_all():
            for action in actions:
                if action in answered:
                    continue
                try:
                    if self.call(d, self.receipt("delivered"), f"?action={action}").status == 200:
                        answered.add(action)
                except OSError:
                    return
        for pause in (0.001, 0.004, 0.01, 0.03):
            caller = threading.Thread(target=call_all)
            caller.start()
            time.sleep(pause)
            d.kill()
            caller.join()
            d.start()
            for action in answered:
                self.assertIsNotNone(d.get(f"/v1/actions/{action}")["receipt"]["delivered_at"])
        call_all()
        self.assertEqual(len(answered), 12)
        call_all()
        d.until(lambda: len(self.texts(d, "arrived")) == 12)
        d.settled()
        self.assertEqual(self.texts(d, "arrived"), ["arrived thanks"] * 12)
        self.balanced(d)

    def test_bounces_complaints_and_answers_of_mail(self):
        from aiosmtpd.controller import Controller

        class Box:
            async def handle_DATA(self, server, session, envelope):
                return "250 2.0.0 Ok: queued as Q1"

        class Server(Controller):
            def _create_server(self):
                return self.loop.create_server(self._factory_invoker, host=self.hostname, port=0)

            def _trigger_server(self):
                self.port = self.server.sockets[0].getsockname()[1]
                super()._trigger_server()
        server = Server(Box(), hostname="127.0.0.1", port=0)
        server.start()
        self.addCleanup(server.stop)
        d = self.daemon("", "")
        d.write("nudge.yaml", d.read("nudge.yaml") + f"""  texts:
    kind: smtp
    host: 127.0.0.1
    port: {server.port}
    security: none
    from: "Shop <sales@shop.example.com>"
    callback_key: {{file: {d.home}/key}}
""")
        d.start()
        d.post("/v1/customers/c", {"attributes": {"email": "Wang@Example.net"}})
        action = self.order(d, 1, sku="mail", rule="mail")
        fields = {"id": action, "to": "Wang@Example.net"}
        # As a mail system hands it over: through a pipe. Nobody's key, the daemon's own token.
        pipe = lambda text, code=0: self.assertEqual(subprocess.run(
            [os.environ["NUDGE"], "--local", d.home + "/data", "callback", "texts"], input=text.encode(), capture_output=True).returncode, code)
        pipe(BOUNCE % {**fields, "action": "delayed", "status": "4.4.1"})
        self.assertIsNotNone(d.get(f"/v1/actions/{action}")["receipt"]["delayed_at"])
        self.assertEqual(self.texts(d, "lost"), [])
        answer = lambda text: d.request("POST", "/v1/callbacks/texts/" + KEY, text.encode(), {"Content-Type": "message/rfc822"}).status
        self.assertEqual(d.request("POST", "/v1/callbacks/texts", (BOUNCE % {**fields, "action": "failed", "status": "5.1.1"}).encode()).status, 401)
        self.assertEqual(answer("From: a@b\nIn-Reply-To: <" + action + "@shop.example.com>\nMessage-ID: <r1@b>\nContent-Type: text/plain; charset=utf-8\n"
                                "Content-Transfer-Encoding: base64\n\n" + base64.b64encode("好的，谢谢\n> Thank you\n".encode()).decode() + "\n"), 200)
        d.until(lambda: self.texts(d, "said") == ["said: 好的，谢谢"])
        self.assertEqual(answer("Auto-Submitted: auto-replied\nIn-Reply-To: <" + action + "@shop.example.com>\n\nI am on holiday\n"), 200)
        self.assertEqual(answer("Subject: Buy\nMessage-ID: <x@y>\n\nBuy this\n"), 200)
        self.assertEqual(answer("no mail at all"), 400)
        self.assertEqual(d.get("/v1/suppressions")["total"], 0)
        pipe((BOUNCE % {**fields, "action": "failed", "status": "5.1.1"}).replace("\n", "\r\n"))
        pipe(BOUNCE % {**fields, "action": "failed", "status": "5.1.1"})
        lost = d.until(lambda: self.texts(d, "lost"))
        self.assertEqual(lost, ["lost: it will never arrive there: hard bounce: 5.1.1 550 5.1.1 <Wang@Example.net>: Recipient address rejected: "
                                "User unknown in virtual mailbox table"])
        self.assertEqual([(s["value"], s["channel"]) for s in d.get("/v1/suppressions")["suppressions"]], [("wang@example.net", "email")])
        self.order(d, 2, sku="mail", state="held", rule="mail")
        # A complaint is a refusal.
        d.post("/v1/customers/c2", {"attributes": {"email": "li@example.net"}})
        d.post("/v1/events", {"customer": "c2", "event": "order_placed", "id": "x", "data": {"sku": "mail"}})
        other = d.until(lambda: d.get("/v1/actions?rule=mail&customer=c2&state=accepted")["actions"])[0]["id"]
        pipe(COMPLAINT % {"id": other})
        d.until(lambda: self.texts(d, "complained") == ["complained: complaint: abuse"])
        self.assertIn("li@example.net", [s["value"] for s in d.get("/v1/suppressions")["suppressions"]])
        self.balanced(d)
        d.stop()
        pipe(COMPLAINT % {"id": other}, 75)  # EX_TEMPFAIL: the mail system keeps it and tries again


if __name__ == "__main__":
    unittest.main(verbosity=2)
