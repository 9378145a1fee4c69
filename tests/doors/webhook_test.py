#!/usr/bin/env python3
"""Webhooks into a real nudged, signed as their senders sign; the mappings under rules/doors; `nudge webhook try` and `nudge check`.

NUDGED=path/to/nudged NUDGE=path/to/nudge
"""
import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e" / "daemon"))
from harness import Daemon, parse_ms  # noqa: E402

EXAMPLES = ROOT / "rules" / "doors"
CATALOG = """
customer: {attributes: {name: {type: text}, tier: {type: text, one_of: [silver, gold]}}}
events:
  order_placed: {fields: {amount: decimal, note: text}}
  pushed: {fields: {branch: text}}
"""
DOORS = """
webhooks:
  shop:
    signature: {style: shopify, secret: [{file: old.secret}, {file: new.secret}]}
    type: {header: X-Topic}
    id: {header: X-Id}
    customer: /customer
    messages:
      order: {event: order_placed, fields: {amount: {from: total, as: number}, note: note}}
      member: {attributes: {tier: tier}}
      noise: ignore
  pay:
    signature: {style: stripe, secret: {file: new.secret}}
    id: /id
    time: {from: created, as: seconds}
    customer: /who
    messages: {"*": {event: order_placed, fields: {amount: {from: cents, divide: 100}}}}
  standard:
    signature: {style: standard, secret: {file: whsec.secret}}
    id: {header: webhook-id}
    type: type
    time: timestamp
    customer: /data/customer
    messages: {order.paid: {event: order_placed, fields: {amount: /data/amount}}}
  git:
    signature: {style: github, secret: {file: new.secret}}
    id: {header: X-GitHub-Delivery}
    type: {header: X-GitHub-Event}
    customer: /sender
    messages: {push: {event: pushed, fields: {branch: ref}}}
  lab:
    signature: {style: token, header: X-Gitlab-Token, secret: {file: new.secret}}
    customer: /user
    messages: {"*": {event: pushed, fields: {branch: ref}}}
  form:
    signature: none
    customer: who
    each: ""
    messages: {"*": {event: order_placed, fields: {amount: {from: sum, as: number}}}}
"""
RULES = "segments:\n  buyers: {where: {event: order_placed}}\n"
SECRETS = {"old.secret": "an old secret", "new.secret": "a new secret", "whsec.secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
OLD, NEW = b"an old secret", b"a new secret"


def mac(key, content):
    return hmac.new(key, content, hashlib.sha256)


def nudge(*words, cwd=None, code=0):
    ran = subprocess.run([os.environ["NUDGE"], "--lang", "en", *words], capture_output=True, text=True, cwd=cwd, timeout=60)
    assert ran.returncode == code, (words, ran.returncode, ran.stdout, ran.stderr)
    return ran.stdout + ran.stderr


class Webhooks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(rules=RULES, catalog=CATALOG, config="doors: doors.yaml\nhttp: {port: 0, token: {file: token}}\n")
        cls.d.write("doors.yaml", DOORS)
        for name, secret in {**SECRETS, "token": "the-token"}.items():
            cls.d.write(name, secret + "\n")
            os.chmod(f"{cls.d.home}/{name}", 0o600)
        cls.d.start()

    @classmethod
    def tearDownClass(cls):
        for equation in cls.ask("GET", "/v1/status").json["balance"]:
            assert equation["holds"], equation
        cls.d.close()

    @classmethod
    def ask(cls, method, path, body=None):
        return cls.d.request(method, path, body, {"Authorization": "Bearer the-token"})

    def call(self, name, body, headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.d.request("POST", "/v1/webhooks/" + name, data, {"Content-Type": "application/json", **headers})

    def shop(self, body, topic, message, key=NEW, **more):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sign = base64.b64encode(mac(key, data).digest()).decode()
        return self.call("shop", data, {"X-Topic": topic, "X-Id": message, "X-Shopify-Hmac-Sha256": sign, **more})

    def events(self, customer):
        return self.ask("GET", "/v1/customers/" + customer).json["events"]

    def test_a_signed_call_comes_in_once(self):
        order = {"customer": 7, "total": "12.50", "note": "ü"}
        self.assertEqual(self.shop(order, "order", "m1").json["stored"], 1)
        self.assertEqual(self.shop(order, "order", "m1").json["duplicate"], 1, "sent again")
        self.assertEqual(self.shop(order, "order", "m1", OLD).json["duplicate"], 1, "the old secret is good beside the new one")
        self.assertEqual([(e["id"], e["data"]) for e in self.events("7")], [("shop:m1", {"amount": 12.5, "note": "ü"})])
        conflict = self.shop({**order, "total": "1"}, "order", "m1").json
        self.assertEqual((conflict["conflict"], conflict["results"][0]["code"]), (1, "conflict"))
        self.assertEqual(self.shop({}, "noise", "m2").json["received"], 0)

    def test_who_does_not_sign_is_refused(self):
        order = {"customer": 8, "total": "1"}
        data = json.dumps(order).encode()
        sign = base64.b64encode(mac(NEW, data).digest()).decode()
        head = {"X-Topic": "order", "X-Id": "x"}
        for headers, body in ((head, data), ({**head, "X-Shopify-Hmac-Sha256": sign}, data + b" "), ({**head, "X-Shopify-Hmac-Sha256": sign[:-4] + "AAA="}, data),
                              ({**head, "X-Shopify-Hmac-Sha256": mac(NEW, data).hexdigest()}, data), ({**head, "X-Shopify-Hmac-Sha256": "", "Authorization": "Bearer the-token"}, data)):
            answer = self.call("shop", body, headers)
            self.assertEqual((answer.status, answer.json["code"]), (401, "webhook.signature"), headers)
            self.assertNotIn("secret" + "s", answer.body.decode())
            self.assertNotIn("a new secret", answer.body.decode() + self.d.text_log())
        self.assertEqual(self.ask("GET", "/v1/customers/8").status, 404)
        self.assertEqual(self.call("nowhere", order, head).status, 404)

    def test_stripe_signs_the_time_too(self):
        body = json.dumps({"id": "e1", "who": "p", "cents": 1999, "created": int(time.time()) - 86400}).encode()

        def send(at, key=NEW):
            return self.call("pay", body, {"Stripe-Signature": f"t={at},v1={'0' * 64},v1={mac(key, b'%d.' % at + body).hexdigest()}"})

        now = int(time.time())
        self.assertEqual(send(now).json["stored"], 1)
        self.assertEqual(send(now - 250).json["duplicate"], 1)
        for answer in (send(now - 310), send(now + 310), send(now, OLD)):
            self.assertEqual((answer.status, answer.json["code"]), (401, "webhook.signature"))
        self.assertIn("ago", send(now - 310).json["detail"])
        event = self.events("p")[0]
        self.assertEqual(event["data"], {"amount": 19.99})
        self.assertAlmostEqual(parse_ms(event["time"]), (now - 86400) * 1000, delta=2000)

    def test_standard_webhooks_github_tokens_and_forms(self):
        key = base64.b64decode(SECRETS["whsec.secret"][6:])
        body, at = b'{"type":"order.paid","timestamp":"2026-01-02T03:04:05Z","data":{"customer":"s","amount":3}}', int(time.time())
        sign = "v1," + base64.b64encode(mac(key, b"msg_1.%d." % at + body).digest()).decode()
        headers = {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": "v1,AAAA " + sign}
        self.assertEqual(self.call("standard", body, headers).json["stored"], 1)
        self.assertEqual(self.call("standard", body, headers).json["duplicate"], 1)
        self.assertEqual(self.call("standard", body, {**headers, "webhook-id": "msg_2"}).status, 401, "the id is signed")
        push = b'{"sender":"g","ref":"refs/heads/main"}'
        github = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d1", "X-Hub-Signature-256": "sha256=" + mac(NEW, push).hexdigest()}
        self.assertEqual(self.call("git", push, github).json["stored"], 1)
        self.assertEqual(self.call("lab", {"user": "l", "ref": "r"}, {"X-Gitlab-Token": "a new secret"}).json["stored"], 1)
        self.assertEqual(self.call("lab", {"user": "l", "ref": "r"}, {"X-Gitlab-Token": "a new secre"}).status, 401)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.assertEqual(self.call("form", b"who=f&sum=1.5", form).status, 401, "without a signature it takes a token")
        listed = self.call("form", b'[{"who":"f","sum":"2"},{"who":"g2","sum":3}]', {"Authorization": "Bearer the-token"})
        self.assertEqual(listed.json["stored"], 2)

    def test_what_does_not_fit_is_kept_and_comes_in_once_it_is_mended(self):
        answer = self.shop({"customer": "q", "total": "a lot"}, "order", "q1")
        self.assertEqual((answer.status, answer.json["quarantined"], answer.json["results"][0]["field"]), (200, 1, "amount"))
        unknown = self.shop({"customer": "q", "total": "5"}, "ordr", "q2").json["results"][0]
        self.assertEqual(unknown["code"], "unknown_event")
        self.assertIn("did you mean `order`", unknown["reason"])
        broken = self.shop(b'{"customer": "q"', "order", "q3").json["results"][0]
        self.assertEqual(broken["code"], "bad_json")
        kept = self.ask("GET", f"/v1/quarantine/{unknown['quarantine']}").json["raw"]
        self.assertEqual(json.loads(kept)["message"]["headers"]["x-topic"], "ordr")
        self.assertNotIn("hmac", kept)
        self.d.write("doors.yaml", DOORS.replace("      noise: ignore", "      ordr: {event: order_placed, fields: {amount: {from: total, as: number}}}"))
        self.assertEqual(self.ask("POST", "/v1/reload", b"").status, 200)
        self.assertEqual(self.ask("POST", f"/v1/quarantine/{unknown['quarantine']}/replay", b"").json, {"status": "replayed"})
        self.assertEqual([e["id"] for e in self.events("q")], ["shop:q2"])
        self.d.write("doors.yaml", DOORS)
        self.assertEqual(self.ask("POST", "/v1/reload", b"").status, 200)

    def test_a_mapping_with_mistakes_changes_nothing(self):
        self.d.write("doors.yaml", DOORS.replace("old.secret", "no-such.secret").replace("order_placed, fields: {amount: {from: total", "order_plaecd, fields: {amount: {from: total"))
        answer = self.ask("POST", "/v1/reload", b"")
        self.assertGreaterEqual(answer.status, 400)
        for part in ("no-such.secret", "did you mean `order_placed`"):
            self.assertIn(part, answer.body.decode())
        self.assertEqual(self.shop({"customer": "still", "total": "1"}, "order", "s1").json["stored"], 1)
        self.d.write("doors.yaml", DOORS)


PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
PAGE_CATALOG = """
customer: {attributes: {name: {type: text}, tier: {type: text}, company: {type: text}, company_size: {type: integer}}}
events:
  order_placed: {fields: {amount: decimal, sku: text, channel: text}}
  page_viewed: {fields: {title: text}}
  login: {fields: {device: text}}
"""


class Page(unittest.TestCase):
    """docs/integrations.md: its mappings are good ones, and its calls do what it says."""

    def test_its_mappings_and_calls(self):
        mappings = [block for block in re.findall(r"```yaml\n# doors.yaml\n([\s\S]*?)```", PAGE)]
        self.assertEqual([m.split(":")[0] for m in mappings], ["segment", "cloudevents", "webhooks"])
        with Daemon(rules="segments:\n  buyers: {description: x, where: {event: order_placed}}\n", catalog=PAGE_CATALOG, config="doors: doors.yaml\n") as d:
            d.write("doors.yaml", "".join(mappings))
            d.write("shopify.secret", "s\n")
            self.assertIn("ok: ", nudge("check", d.home))
            d.start()
            calls = re.findall(r"```sh\n(curl [\s\S]*?)```", PAGE)
            self.assertEqual(len(calls), 1)
            ran = subprocess.run(["sh", "-c", calls[0].replace("localhost:8650", f"127.0.0.1:{d.port}")], capture_output=True, text=True, timeout=30)
            self.assertEqual(json.loads(ran.stdout), {"status": "stored"}, ran.stderr)
            self.assertEqual(d.get("/v1/customers/c1")["events"][0]["data"], {"device": "phone"})
            body = json.dumps({"customer": {"id": 5, "first_name": "Ana"}, "created_at": "2026-01-02T03:04:05Z", "total_price": "9.90", "source_name": "web"}).encode()
            sign = base64.b64encode(mac(b"s", body).digest()).decode()
            answer = d.request("POST", "/v1/webhooks/shopify", body, {"X-Shopify-Topic": "orders/create", "X-Shopify-Webhook-Id": "1", "X-Shopify-Hmac-Sha256": sign})
            self.assertEqual(answer.json["stored"], 2)
            self.assertEqual(d.get("/v1/customers/5")["events"][0]["data"], {"amount": 9.9, "channel": "online shop"})


class Examples(unittest.TestCase):
    maxDiff = None

    def test_each_call_becomes_what_is_written_beside_it(self):
        seen = 0
        for folder in sorted(p for p in EXAMPLES.iterdir() if p.is_dir()):
            for call in sorted(folder.glob("calls/*")):
                if call.suffix == ".expected":
                    continue
                with self.subTest(call=str(call)):
                    self.assertEqual(nudge("webhook", "try", f"calls/{call.name}", cwd=folder), call.with_suffix(".expected").read_text())
                    seen += 1
        self.assertGreaterEqual(seen, 5)

    def test_what_would_not_fit_is_told(self):
        with tempfile.TemporaryDirectory() as home:
            shop = pathlib.Path(home) / "shop"
            shutil.copytree(EXAMPLES / "shopify", shop)
            text = (shop / "doors.yaml").read_text()
            (shop / "doors.yaml").write_text(text.replace("{from: total_price, as: number}", "total_price"))
            out = nudge("webhook", "try", "calls/order-created.http", cwd=shop, code=1)
            self.assertIn("does not fit (wrong_type): `amount`", out.replace("field `amount`", "`amount`") if "wrong_type" in out else out)
            (shop / "doors.yaml").write_text(text)
            (shop / "body.json").write_text((shop / "calls/order-created.http").read_text().partition("\n\n")[2])
            self.assertIn("unknown_event", nudge("webhook", "try", "body.json", "--header", "X-Shopify-Webhook-Id: 1", cwd=shop, code=1))
            answer = json.loads(nudge("-o", "json", "webhook", "try", "body.json", "--header", "X-Shopify-Topic: orders/create", "--header", "X-Shopify-Webhook-Id: 1", cwd=shop))
            self.assertEqual([d["fits"] for d in answer["documents"]], [True, True])
            # `nudge check` reads the mapping beside the rules
            (shop / "rules").mkdir()
            (shop / "rules" / "r.yaml").write_text("segments:\n  buyers: {description: x, where: {event: order_placed}}\n")
            self.assertIn("in 3 files", nudge("check", cwd=shop))
            (shop / "doors.yaml").write_text(text.replace("order_cancelled", "order_canceled"))
            out = nudge("check", cwd=shop, code=1)
            for part in ("doors.yaml:", "R0858", "did you mean `order_cancelled`"):
                self.assertIn(part, out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
