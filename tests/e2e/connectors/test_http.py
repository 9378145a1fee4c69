#!/usr/bin/env python3
"""webhook, sms and ticket against a real HTTP peer. Signatures are verified by independent code (hashlib, hmac)."""
import base64
import email.utils
import hashlib
import hmac
import json
import os
import time
import unittest
import urllib.parse

from harness import Connector, ConnectorTest, HttpPeer, now_ms, refused_port

KEY = bytes(range(32))
OLD_KEY = bytes(range(100, 132))


def whsec(key):
    return "whsec_" + base64.b64encode(key).decode()


def verify_webhook(seen, key):
    """Standard Webhooks, as a receiver checks it."""
    identity, stamp = seen.headers["webhook-id"], seen.headers["webhook-timestamp"]
    assert abs(time.time() - int(stamp)) < 300, "timestamp out of tolerance"
    wanted = base64.b64encode(hmac.new(key, f"{identity}.{stamp}.".encode() + seen.body, hashlib.sha256).digest()).decode()
    given = [part.split(",", 1)[1] for part in seen.headers["webhook-signature"].split(" ") if part.startswith("v1,")]
    return any(hmac.compare_digest(wanted, one) for one in given)


def verify_aliyun(seen, secret):
    """ACS3-HMAC-SHA256, as Aliyun checks it. Returns the parameters."""
    scheme, rest = seen.headers["authorization"].split(" ", 1)
    fields = dict(part.split("=", 1) for part in rest.split(","))
    path, _, query = seen.path.partition("?")
    parameters = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    encode = lambda text: urllib.parse.quote(text, safe="-_.~")
    canonical_query = "&".join(f"{encode(name)}={encode(value)}" for name, value in sorted(parameters))
    signed = fields["SignedHeaders"].split(";")
    assert signed == sorted(signed) and "host" in signed and all(name in signed for name in seen.headers if name.startswith("x-acs-"))
    body_hash = hashlib.sha256(seen.body).hexdigest()
    assert seen.headers["x-acs-content-sha256"] == body_hash
    assert "content-type" not in seen.headers, "a content type that is not signed"
    headers = "".join(f"{name}:{seen.headers[name].strip()}\n" for name in signed)
    request = "\n".join([seen.method, path, canonical_query, headers, ";".join(signed), body_hash])
    text = scheme + "\n" + hashlib.sha256(request.encode()).hexdigest()
    assert scheme == "ACS3-HMAC-SHA256"
    assert hmac.compare_digest(hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest(), fields["Signature"]), "signature"
    stamp = time.strptime(seen.headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ")
    import calendar
    assert abs(calendar.timegm(stamp) - time.time()) < 900
    return fields["Credential"], dict(parameters)


def verify_tencent(seen, secret):
    """TC3-HMAC-SHA256, as Tencent Cloud checks it."""
    head, rest = seen.headers["authorization"].split(" ", 1)
    fields = dict(part.split("=", 1) for part in rest.split(", "))
    signed = fields["SignedHeaders"].split(";")
    assert head == "TC3-HMAC-SHA256" and {"content-type", "host"} <= set(signed)
    headers = "".join(f"{name}:{seen.headers[name]}\n" for name in signed)
    request = "\n".join([seen.method, seen.path, "", headers, ";".join(signed), hashlib.sha256(seen.body).hexdigest()])
    stamp = seen.headers["x-tc-timestamp"]
    identity, date, service, end = fields["Credential"].split("/")
    assert (date, service, end) == (time.strftime("%Y-%m-%d", time.gmtime(int(stamp))), "sms", "tc3_request")
    assert abs(time.time() - int(stamp)) < 300
    text = "\n".join([head, stamp, f"{date}/{service}/{end}", hashlib.sha256(request.encode()).hexdigest()])
    key = ("TC3" + secret).encode()
    for part in (date, service, end):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    assert hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), fields["Signature"]), "signature"
    return identity, seen.json()


class HttpConnectorTest(ConnectorTest):
    def connector(self, kind, config, **more):
        connector = Connector(kind, config, **more)
        self.addCleanup(connector.stop)
        return connector

    def peer(self, *args, **more):
        peer = HttpPeer(*args, **more)
        self.addCleanup(peer.__exit__)
        return peer


class WebhookTest(HttpConnectorTest):
    PAYLOAD = '{"event": "order.reported", "data": {"amount": 12.10, "name": "王芳", "n": 1e2, "big": 12345678901234567890123}}'

    def config(self, url, **more):
        return {"url": url, "secrets": [self.secret("new", whsec(KEY)), self.secret("old", whsec(OLD_KEY))],
                "allow_private": True, "allow_http": True, "timeout_ms": 2500, **more}

    def test_signature_and_body(self):
        peer = self.peer([(500, {}, ""), (204, {}, "")])
        connector = self.connector("webhook", self.config(peer.url + "/hook?a=1", headers={"X-Team": "marketing", "Authorization": self.secret("t", "Bearer token-1")}))
        self.retry(connector.deliver(self.PAYLOAD, action_id="0a1b", created_ms=1767323045000))
        time.sleep(1.1)
        outcome = self.accepted(connector.deliver(self.PAYLOAD, action_id="0a1b", created_ms=1767323045000, attempt=2))
        self.assertEqual(outcome["provider_ref"], "0a1b")
        first, second = peer.seen
        self.assertEqual(first.body, second.body, "the signed bytes must be the same at every attempt")
        self.assertEqual(first.headers["webhook-id"], "0a1b")
        self.assertEqual(second.headers["webhook-id"], "0a1b")
        self.assertNotEqual(first.headers["webhook-timestamp"], second.headers["webhook-timestamp"])
        for seen in peer.seen:
            self.assertTrue(verify_webhook(seen, KEY))
            self.assertTrue(verify_webhook(seen, OLD_KEY), "rotation: the old key must still do")
            self.assertFalse(verify_webhook(seen, bytes(32)))
        self.assertEqual(first.body.decode(), '{"type":"order.reported","timestamp":"2026-01-02T03:04:05Z","data":'
                         '{"amount": 12.10, "name": "王芳", "n": 1e2, "big": 12345678901234567890123}}')
        self.assertEqual((first.path, first.headers["content-type"], first.headers["x-team"], first.headers["authorization"]),
                         ("/hook?a=1", "application/json", "marketing", "Bearer token-1"))
        code, errors = connector.stop()
        self.assertEqual(code, 0)
        for secret in (b"whsec_", b"token-1"):
            self.assertNotIn(secret, connector.raw_output + errors)

    def test_answers(self):
        later = email.utils.formatdate(time.time() + 90, usegmt=True)
        cases = [((200, {}, ""), self.accepted), ((202, {}, "ok"), self.accepted), ((301, {"Location": "/x"}, ""), self.refused),
                 ((307, {"Location": "/x"}, ""), self.refused), ((400, {}, "no"), self.refused), ((401, {}, ""), self.bad_config),
                 ((404, {}, ""), self.refused), ((410, {}, ""), self.bad_config), ((408, {}, ""), self.retry), ((500, {}, "oops"), self.retry),
                 ((503, {}, ""), self.retry), ((502, {}, ""), self.unknown), ((504, {}, ""), self.unknown),
                 ((429, {"Retry-After": "7"}, ""), lambda o: self.retry(o, 7000)), ((503, {"Retry-After": "120"}, ""), lambda o: self.retry(o, 120000)),
                 ("silent", self.unknown), ("close", self.unknown), ("reset", self.unknown), ("drip", self.unknown), ("partial", self.unknown),
                 ("huge", self.accepted)]
        peer = self.peer()
        connector = self.connector("webhook", self.config(peer.url))
        for number, (step, check) in enumerate(cases):
            with self.subTest(step=step):
                peer.script = [step]
                before = len(peer.seen)
                check(connector.deliver(self.PAYLOAD, action_id=f"{number:04x}"))
                self.assertEqual(len(peer.seen) - before, 1, "one attempt must be one request")
        peer.script = [(429, {"Retry-After": later}, "")]
        outcome = self.retry(connector.deliver(self.PAYLOAD))
        self.assertTrue(80_000 < outcome["retry_after_ms"] <= 91_000, outcome)

    def test_kept_connections(self):
        peer = self.peer()
        connector = self.connector("webhook", self.config(peer.url))
        for number in range(20):
            self.accepted(connector.deliver(self.PAYLOAD, action_id=f"{number:04x}"))
        numbers = [connector.start(self.PAYLOAD, action_id=f"{n:04x}") for n in range(100, 200)]
        for number in numbers:
            self.accepted(connector.wait(number))
        self.assertEqual(len(peer.seen), 120)
        self.assertEqual(len({seen.headers["webhook-id"] for seen in peer.seen}), 120)

    def test_a_kept_connection_that_dies_repeats_nothing(self):
        """libcurl alone would send the second one again on a fresh connection, and call it delivered."""
        for dies in ("close", "reset"):
            peer = self.peer([(200, {}, "{}"), dies, (200, {}, "{}")])
            connector = self.connector("webhook", self.config(peer.url))
            self.accepted(connector.deliver(self.PAYLOAD, action_id="aa01"))
            self.unknown(connector.deliver(self.PAYLOAD, action_id="aa02"))
            self.assertEqual([seen.headers["webhook-id"] for seen in peer.seen], ["aa01", "aa02"])
            self.accepted(connector.deliver(self.PAYLOAD, action_id="aa02", attempt=2))  # it goes on, on a fresh connection

    def test_not_sent_when_nobody_listens(self):
        connector = self.connector("webhook", self.config(f"http://127.0.0.1:{refused_port()}/"))
        self.retry(connector.deliver(self.PAYLOAD))
        connector = self.connector("webhook", self.config("http://nobody.invalid/"))
        self.retry(connector.deliver(self.PAYLOAD))

    def test_the_deadline_counts_when_it_is_nearer_than_the_timeout(self):
        peer = self.peer(["silent"])
        connector = self.connector("webhook", self.config(peer.url, timeout_ms=60000))
        begin = time.monotonic()
        self.unknown(connector.deliver(self.PAYLOAD, deadline_ms=now_ms() + 3000))
        self.assertLess(time.monotonic() - begin, 3.0)

    def test_private_addresses_are_refused_by_the_resolved_address(self):
        peer = self.peer()
        config = self.config(peer.url, allow_private=False, payload_url=True)
        connector = self.connector("webhook", config)
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0.0.0.0", "[::ffff:127.0.0.1]", "localhost."):
            with self.subTest(host=host):
                outcome = connector.deliver({"event": "x", "data": {}, "url": f"http://{host}:{peer.port}/"})
                self.assertEqual(outcome["status"], "not_sent", outcome)
                if "resolve" not in outcome["detail"] and "URL" not in outcome["detail"]:
                    self.assertIn("not public", self.refused(outcome)["detail"])
        self.assertEqual(peer.seen, [])

    def test_urls_of_rules(self):
        peer = self.peer()
        closed = self.connector("webhook", self.config(peer.url))
        self.assertIn("payload_url", self.refused(closed.deliver({"event": "x", "data": {}, "url": peer.url + "/other"}))["detail"])
        opened = self.connector("webhook", self.config(peer.url, payload_url=True))
        self.accepted(opened.deliver({"event": "x", "data": {}, "url": peer.url + "/other"}))
        for url in ("file:///etc/passwd", "gopher://127.0.0.1/", "ftp://x/", peer.url + "/\r\nX: y"):
            self.refused(opened.deliver({"event": "x", "data": {}, "url": url}))
        for event in ("", "a b", "x\r\ny", 'x"'):
            self.refused(opened.deliver({"event": event, "data": {}}))
        self.assertEqual([seen.path for seen in peer.seen], ["/other"])
        secure = self.connector("webhook", self.config("https://127.0.0.1/", allow_http=False, payload_url=True))
        self.refused(secure.deliver({"event": "x", "data": {}, "url": peer.url}))

    def test_tls_is_verified(self):
        cert, key = self.certificate("good")
        wrong, wrong_key = self.certificate("wrong", host="127.0.0.2")
        good_peer, wrong_peer = self.peer(tls=(cert, key)), self.peer(tls=(wrong, wrong_key))
        self.accepted(self.connector("webhook", self.config(good_peer.url, ca_file=cert)).deliver(self.PAYLOAD))
        self.assertTrue(verify_webhook(good_peer.seen[0], KEY))
        for url, ca in ((good_peer.url, None), (wrong_peer.url, wrong)):
            config = self.config(url, **({"ca_file": ca} if ca else {}))
            self.retry(self.connector("webhook", config).deliver(self.PAYLOAD))
        self.assertEqual((len(good_peer.seen), len(wrong_peer.seen)), (1, 0))

    def test_proxies_of_the_environment_are_ignored(self):
        peer, proxy = self.peer(), self.peer()
        connector = self.connector("webhook", self.config(peer.url), env={"http_proxy": proxy.url, "ALL_PROXY": proxy.url})
        self.accepted(connector.deliver(self.PAYLOAD))
        self.assertEqual((len(peer.seen), len(proxy.seen)), (1, 0))

    def test_bad_secrets(self):
        for secret, words in [("whsec_short", "24 to 64"), ("", "is empty")]:
            connector = self.connector("webhook", self.config("https://x.example/", secrets=[self.secret("bad", secret)]), expect_ok=False)
            self.assertFalse(connector.hello["ok"])
            self.assertIn(words, connector.hello["detail"])


class SmsTest(HttpConnectorTest):
    MESSAGE = {"to": "+8613800000000", "text": "您好，欢迎回来"}

    def test_generic(self):
        peer = self.peer([(201, {}, {"message_id": "m-7"}), (429, {"Retry-After": "3"}, ""), (500, {}, ""), "close", "silent", (400, {}, "bad number")])
        config = {"provider": "generic_http", "url": peer.url + "/send", "sender": "nudge", "timeout_ms": 2000,
                  "headers": {"Authorization": self.secret("k", "Bearer sms-key")}}
        connector = self.connector("sms", config)
        self.assertEqual(self.accepted(connector.deliver(self.MESSAGE, action_id="0c0d"))["provider_ref"], "m-7")
        self.retry(connector.deliver(self.MESSAGE), 3000)
        self.retry(connector.deliver(self.MESSAGE))
        self.unknown(connector.deliver(self.MESSAGE))
        self.unknown(connector.deliver(self.MESSAGE))
        self.refused(connector.deliver(self.MESSAGE))
        self.unknown(connector.query(self.MESSAGE))
        self.refused(connector.deliver({"to": "abc", "text": "x"}))
        self.assertEqual(len(peer.seen), 6, "never sent twice inside one attempt")
        self.assertEqual(peer.seen[0].json(), {"id": "0c0d", "to": "+8613800000000", "text": "您好，欢迎回来", "from": "nudge"})
        self.assertEqual((peer.seen[0].headers["idempotency-key"], peer.seen[0].headers["authorization"]), ("0c0d", "Bearer sms-key"))

    def aliyun(self, peer, **more):
        return self.connector("sms", {"provider": "aliyun", "url": peer.url, "access_key_id": "LTAI-test", "timeout_ms": 2000,
                                      "access_key_secret": self.secret("s", "aliyun-secret"), "sign_name": "测试签名",
                                      "template_code": "SMS_1", "text_param": "content", **more})

    def test_aliyun_send(self):
        peer = self.peer([(200, {}, {"Code": "OK", "Message": "OK", "BizId": "900^0", "RequestId": "r"}),
                          (200, {}, {"Code": "OK", "BizId": "901^0"}),
                          (200, {}, {"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "触发小时级流控Permits:5"}),
                          (200, {}, {"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "x"}),
                          (200, {}, {"Code": "isv.AMOUNT_NOT_ENOUGH", "Message": "x"}), (400, {}, {"Code": "SignatureDoesNotMatch", "Message": "x"}),
                          (503, {}, {"Code": "ServiceUnavailable", "Message": "x"}), (200, {}, "<html>"), "close"])
        connector = self.aliyun(peer)
        self.assertEqual(self.accepted(connector.deliver(self.MESSAGE, action_id="aa01"))["provider_ref"], "900^0")
        self.accepted(connector.deliver({**self.MESSAGE, "template": "SMS_2", "params": {"name": "王 芳*", "n": 3}, "sign_name": "S&S"}))
        self.retry(connector.deliver(self.MESSAGE), 3_600_000)
        self.refused(connector.deliver(self.MESSAGE))
        self.bad_config(connector.deliver(self.MESSAGE))
        self.bad_config(connector.deliver(self.MESSAGE))
        self.retry(connector.deliver(self.MESSAGE))
        self.unknown(connector.deliver(self.MESSAGE))
        self.unknown(connector.deliver(self.MESSAGE))
        self.assertEqual(len(peer.seen), 9)
        nonces = set()
        for seen in peer.seen:
            credential, parameters = verify_aliyun(seen, "aliyun-secret")
            self.assertEqual((credential, seen.headers["x-acs-action"], seen.headers["x-acs-version"]), ("LTAI-test", "SendSms", "2017-05-25"))
            nonces.add(seen.headers["x-acs-signature-nonce"])
        self.assertEqual(len(nonces), 9)
        self.assertEqual(verify_aliyun(peer.seen[0], "aliyun-secret")[1],
                         {"PhoneNumbers": "+8613800000000", "SignName": "测试签名", "TemplateCode": "SMS_1", "OutId": "aa01",
                          "TemplateParam": '{"content":"您好，欢迎回来"}'})
        second = verify_aliyun(peer.seen[1], "aliyun-secret")[1]
        self.assertEqual((second["SignName"], second["TemplateCode"], json.loads(second["TemplateParam"])), ("S&S", "SMS_2", {"name": "王 芳*", "n": "3"}))
        code, errors = connector.stop()
        self.assertNotIn(b"aliyun-secret", connector.raw_output + errors)

    def test_aliyun_query(self):
        def listing(*ids):
            return (200, {}, {"Code": "OK", "TotalCount": len(ids), "SmsSendDetailDTOs": {"SmsSendDetailDTO": [{"OutId": one, "SendStatus": 3} for one in ids]}})
        peer = self.peer(lambda seen: listing("other", "aa01") if "aa01" in found else listing("other"))
        found = {"aa01"}
        connector = self.aliyun(peer)
        self.assertEqual(self.accepted(connector.query(self.MESSAGE, action_id="aa01"))["detail"], "delivered")
        found.clear()
        self.unknown(connector.query(self.MESSAGE, action_id="aa01"))  # made just now: it may still turn up
        self.retry(connector.query(self.MESSAGE, action_id="aa01", created_ms=now_ms() - 90_000))
        parameters = verify_aliyun(peer.seen[0], "aliyun-secret")[1]
        self.assertEqual(parameters["SendDate"], time.strftime("%Y%m%d", time.gmtime(time.time() + 8 * 3600)))
        peer.script = [(500, {}, "")]
        self.unknown(connector.query(self.MESSAGE, action_id="aa01", created_ms=now_ms() - 90_000))

    def test_tencent(self):
        def sent(code, **more):
            return (200, {}, {"Response": {"SendStatusSet": [{"SerialNo": "5:1", "PhoneNumber": "x", "Code": code, "Message": "m"}], **more}})

        def receipts(*ids):
            return (200, {}, {"Response": {"PullSmsSendStatusSet": [{"SerialNo": "5:" + one, "SessionContext": one, "ReportStatus": "SUCCESS"} for one in ids]}})
        peer = self.peer([sent("Ok"), sent("Ok"), sent("LimitExceeded.PhoneNumberThirtySecondLimit"), sent("FailedOperation.ContainSensitiveWord"),
                          (200, {}, {"Response": {"Error": {"Code": "AuthFailure.SignatureFailure", "Message": "x"}}}), (200, {}, "<html>"), "close",
                          receipts("other", "bb01"), receipts("other"), receipts(), (500, {}, "")])
        connector = self.connector("sms", {"provider": "tencent", "url": peer.url + "/", "secret_id": "AKID-test", "secret_key": self.secret("s", "tencent-secret"),
                                           "sdk_app_id": "1400006666", "tencent_sign_name": "腾讯云", "template_id": "1234", "text_is_param": True, "timeout_ms": 2000})
        self.assertEqual(self.accepted(connector.deliver(self.MESSAGE, action_id="bb01"))["provider_ref"], "5:1")
        self.accepted(connector.deliver({**self.MESSAGE, "template": "99", "params": {"z": "first", "a": 2}}))
        self.retry(connector.deliver(self.MESSAGE), 30_000)
        self.refused(connector.deliver(self.MESSAGE))
        self.bad_config(connector.deliver(self.MESSAGE))
        self.unknown(connector.deliver(self.MESSAGE))
        self.unknown(connector.deliver(self.MESSAGE))
        self.assertEqual(self.accepted(connector.query(self.MESSAGE, action_id="bb01"))["provider_ref"], "5:bb01")
        self.unknown(connector.query(self.MESSAGE, action_id="bb01"))
        self.retry(connector.query(self.MESSAGE, action_id="bb01", created_ms=now_ms() - 11 * 60_000))
        self.unknown(connector.query(self.MESSAGE, action_id="bb01"))
        self.assertEqual(len(peer.seen), 11)
        for seen in peer.seen:
            self.assertEqual(verify_tencent(seen, "tencent-secret")[0], "AKID-test")
        self.assertEqual(peer.seen[0].json(), {"PhoneNumberSet": ["+8613800000000"], "SmsSdkAppId": "1400006666", "TemplateId": "1234", "SignName": "腾讯云",
                                               "TemplateParamSet": ["您好，欢迎回来"], "SessionContext": "bb01"})
        self.assertEqual((peer.seen[1].json()["TemplateId"], peer.seen[1].json()["TemplateParamSet"]), ("99", ["first", "2"]))
        self.assertEqual((peer.seen[0].headers["x-tc-action"], peer.seen[7].headers["x-tc-action"]), ("SendSms", "PullSmsSendStatusByPhoneNumber"))
        code, errors = connector.stop()
        self.assertNotIn(b"tencent-secret", connector.raw_output + errors)

    def test_twilio(self):
        account = "AC00112233445566778899aabbccddeeff"
        start_ms = now_ms()
        made = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
        peer = self.peer([(201, {}, {"sid": "SM1", "status": "queued"}), (429, {}, {"code": 20429, "message": "Too Many Requests"}),
                          (400, {}, {"code": 21211, "message": "Invalid To"}), (401, {}, {"code": 20003, "message": "Authenticate"}), "silent",
                          (200, {}, {"messages": [{"sid": "SM0", "body": "other", "date_created": made},
                                                  {"sid": "SM9", "body": self.MESSAGE["text"], "date_created": made, "status": "sent"}]}),
                          (200, {}, {"messages": [{"sid": "SM9", "body": self.MESSAGE["text"], "date_created": "Fri, 02 Jan 2026 03:04:05 +0000"}]}),
                          (200, {}, {"messages": []})])
        connector = self.connector("sms", {"provider": "twilio", "url": peer.url, "account_sid": account, "auth_token": self.secret("t", "twilio-token"),
                                           "from": "+15005550006", "timeout_ms": 2000, "status_callback": "https://me.example/cb?x=1"})
        self.assertEqual(self.accepted(connector.deliver(self.MESSAGE))["provider_ref"], "SM1")
        self.retry(connector.deliver(self.MESSAGE))
        self.assertIn("21211", self.refused(connector.deliver(self.MESSAGE))["detail"])
        self.bad_config(connector.deliver(self.MESSAGE))
        self.unknown(connector.deliver(self.MESSAGE))
        self.assertEqual(self.accepted(connector.query(self.MESSAGE, created_ms=start_ms))["provider_ref"], "SM9")
        self.retry(connector.query(self.MESSAGE, created_ms=now_ms() - 90_000))  # an older message with the same text is not it
        self.unknown(connector.query(self.MESSAGE))
        seen = peer.seen[0]
        self.assertEqual((seen.method, seen.path), ("POST", f"/2010-04-01/Accounts/{account}/Messages.json"))
        self.assertEqual(seen.headers["authorization"], "Basic " + base64.b64encode(f"{account}:twilio-token".encode()).decode())
        self.assertEqual(dict(urllib.parse.parse_qsl(seen.body.decode())), {"To": self.MESSAGE["to"], "Body": self.MESSAGE["text"], "From": "+15005550006",
                                                                            "StatusCallback": "https://me.example/cb?x=1"})
        self.refused(connector.deliver({"to": self.MESSAGE["to"], "text": "x" * 1601}))

    def test_pictures(self):
        peer = self.peer([(201, {}, {"sid": "MM1", "status": "queued"})] * 2)
        twilio = self.connector("sms", {"provider": "twilio", "url": peer.url, "account_sid": "AC0", "auth_token": self.secret("t", "twilio-token"), "from": "+15005550006"})
        pictures = ["https://shop.example.com/a.png?x=1&y=2", "https://shop.example.com/b.png"]
        self.accepted(twilio.deliver({**self.MESSAGE, "media": [pictures[0], "", pictures[1]]}))
        self.assertEqual([v for k, v in urllib.parse.parse_qsl(peer.seen[0].body.decode()) if k == "MediaUrl"], pictures)
        self.accepted(twilio.deliver({"to": self.MESSAGE["to"], "media": pictures[:1]}))  # a picture says enough
        for wrong in (["http://shop.example.com/a.png"], ["javascript:x"], [7], ["https://a/ b"], pictures * 6):
            self.assertIn("media", self.refused(twilio.deliver({**self.MESSAGE, "media": wrong}))["detail"])
        other = self.connector("sms", {"provider": "generic_http", "url": peer.url})
        self.assertIn("no pictures", self.refused(other.deliver({**self.MESSAGE, "media": pictures}))["detail"])
        self.assertEqual(len(peer.seen), 2)


class TicketTest(HttpConnectorTest):
    PAYLOAD = {"subject": "Third open ticket in a week", "body": "王芳 is waiting.\n\nCall her.", "priority": "urgent", "type": "escalation",
               "requester": {"name": "王芳", "email": "wang@example.net"}, "due": "2026-01-31T10:00:00Z", "tags": ["vip customer"]}

    def test_generic_with_lookup(self):
        tickets = {}

        def script(seen):
            if seen.method == "GET":
                identity = seen.path.rsplit("/", 1)[1]
                return (200, {}, {"id": tickets[identity]}) if identity in tickets else (404, {}, "")
            tickets[seen.json()["id"]] = len(tickets) + 1
            return "close" if fail else (201, {}, {"id": tickets[seen.json()["id"]]})
        fail = True
        peer = self.peer(script)
        connector = self.connector("ticket", {"provider": "generic_http", "url": peer.url + "/tickets", "lookup_url": peer.url + "/by/{id}", "timeout_ms": 2000})
        self.unknown(connector.deliver(self.PAYLOAD, action_id="f1"))  # it took the ticket and said nothing
        fail = False
        self.assertEqual(self.accepted(connector.deliver(self.PAYLOAD, action_id="f1", attempt=2))["provider_ref"], "1")
        self.assertEqual(self.accepted(connector.query(self.PAYLOAD, action_id="f1"))["provider_ref"], "1")
        self.assertEqual([seen.method for seen in peer.seen], ["POST", "GET", "GET"], "opened once, looked up after")
        self.assertEqual(peer.seen[0].headers["idempotency-key"], "f1")
        self.unknown(connector.query(self.PAYLOAD, action_id="f2"))
        self.retry(connector.query(self.PAYLOAD, action_id="f2", created_ms=now_ms() - 90_000))
        self.assertEqual(self.accepted(connector.deliver(self.PAYLOAD, action_id="f2", attempt=2))["provider_ref"], "2")
        peer.script = lambda seen: (500, {}, "")
        before = len(peer.seen)
        self.retry(connector.deliver(self.PAYLOAD, action_id="f3", attempt=2))
        self.assertEqual([seen.method for seen in peer.seen[before:]], ["GET"], "nothing is opened while the look-up fails")

    def test_zendesk(self):
        kept = {}

        def script(seen):
            if seen.method == "GET":
                wanted = urllib.parse.parse_qs(seen.path.partition("?")[2])["external_id"][0]
                return (200, {}, {"tickets": [{"id": 35, "external_id": wanted}] if wanted in kept else []})
            key = seen.headers["idempotency-key"]
            if key in kept and kept[key] != seen.body:
                return (400, {}, {"error": "IdempotentRequestError"})
            hit = key in kept
            kept[key] = seen.body
            if steps:
                return steps.pop(0)
            return (201, {"x-idempotency-lookup": "hit" if hit else "miss"}, {"ticket": {"id": 35}})
        steps = ["close", (429, {"Retry-After": "93"}, ""), (409, {}, "")]
        peer = self.peer(script)
        connector = self.connector("ticket", {"provider": "zendesk", "url": peer.url + "/", "zendesk_email": "agent@example.com",
                                              "zendesk_token": self.secret("z", "abc-zendesk"), "timeout_ms": 2000})
        self.unknown(connector.deliver(self.PAYLOAD, action_id="f1"))
        self.retry(connector.deliver(self.PAYLOAD, action_id="f1", attempt=2), 93_000)
        self.retry(connector.deliver(self.PAYLOAD, action_id="f1", attempt=3))
        outcome = self.accepted(connector.deliver(self.PAYLOAD, action_id="f1", attempt=4))
        self.assertEqual((outcome["provider_ref"], outcome["detail"]), ("35", "an earlier attempt had opened it"))
        self.assertEqual(len({seen.body for seen in peer.seen}), 1, "the same bytes with the same key")
        ticket = peer.seen[0].json()["ticket"]
        self.assertEqual(ticket, {"subject": self.PAYLOAD["subject"], "comment": {"body": self.PAYLOAD["body"], "public": False}, "priority": "urgent",
                                  "external_id": "f1", "tags": ["nudge", "vip customer", "escalation"], "type": "task", "due_at": "2026-01-31T10:00:00Z",
                                  "requester": {"name": "王芳", "email": "wang@example.net"}})
        self.assertEqual(peer.seen[0].headers["authorization"], "Basic " + base64.b64encode(b"agent@example.com/token:abc-zendesk").decode())
        before = len(peer.seen)
        self.accepted(connector.deliver(self.PAYLOAD, action_id="f1", attempt=5, created_ms=now_ms() - 3 * 3600 * 1000))
        self.assertEqual([seen.method for seen in peer.seen[before:]], ["GET"], "after two hours the key is forgotten: look up first")
        steps.append((422, {}, {"error": "RecordInvalid"}))
        self.assertIn("RecordInvalid", self.refused(connector.deliver(self.PAYLOAD, action_id="f9"))["detail"])
        steps.append((201, {}, "<html>"))
        self.unknown(connector.deliver(self.PAYLOAD, action_id="fa"))

    def test_jira(self):
        issues = {}

        def script(seen):
            body = seen.json()
            if seen.path == "/rest/api/3/search/jql":
                label = body["jql"].split('"')[1]
                return (200, {}, {"issues": [{"key": issues[label]}] if label in issues else []})
            fields = body["fields"]
            if not isinstance(fields["description"], dict) or fields["description"]["type"] != "doc":
                return (400, {}, {"errors": {"description": "must be ADF"}})
            issues[next(label for label in fields["labels"] if label.startswith("nudge-"))] = f"SFA-{len(issues) + 24}"
            return steps.pop(0) if steps else (201, {}, {"id": "1", "key": list(issues.values())[-1]})
        steps = ["silent"]
        peer = self.peer(script)
        connector = self.connector("ticket", {"provider": "jira", "url": peer.url, "jira_email": "me@example.com", "jira_token": self.secret("j", "jira-token"),
                                              "project": "SFA", "timeout_ms": 2000})
        self.unknown(connector.deliver(self.PAYLOAD, action_id="f1"))
        self.assertEqual(self.accepted(connector.deliver(self.PAYLOAD, action_id="f1", attempt=2))["provider_ref"], "SFA-24")
        self.assertEqual(len(issues), 1, "a second attempt must not open a second issue")
        fields = peer.seen[0].json()["fields"]
        self.assertEqual((fields["project"], fields["issuetype"], fields["priority"], fields["duedate"], fields["labels"]),
                         ({"key": "SFA"}, {"name": "escalation"}, {"name": "Highest"}, "2026-01-31", ["nudge", "nudge-f1", "vip-customer"]))
        texts = ["".join(node["text"] for node in paragraph.get("content", [])) for paragraph in fields["description"]["content"]]
        self.assertEqual(texts, ["王芳 is waiting.", "", "Call her.", "Customer: 王芳 <wang@example.net>"])
        self.assertEqual(self.accepted(connector.deliver({"subject": "plain"}, action_id="f2"))["provider_ref"], "SFA-25")
        self.assertEqual(peer.seen[-1].json()["fields"]["issuetype"], {"name": "Task"})
        steps.append((429, {"Retry-After": "11"}, ""))
        self.retry(connector.deliver(self.PAYLOAD, action_id="f3"), 11_000)
        steps.append((400, {}, {"errorMessages": [], "errors": {"duedate": "not on the screen"}}))
        self.assertIn("duedate", self.refused(connector.deliver(self.PAYLOAD, action_id="f4"))["detail"])
        code, errors = connector.stop()
        self.assertNotIn(b"jira-token", connector.raw_output + errors)

    def test_zammad(self):
        tickets, keeps = [], True

        def script(seen):
            if seen.headers.get("authorization") != "Token token=zammad-token":
                return (401, {}, {"error": "Invalid credentials"})
            if seen.method == "GET":
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(seen.path).query)
                self.assertEqual(query["expand"], ["true"])
                name, _, wanted = query["query"][0].partition(":")
                similar = [t for t in tickets if str(t.get(name, "")).startswith(wanted.strip('"')[:1])]  # a search engine finds what is like it, too
                return (200, {}, similar)
            body = seen.json()
            if seen.headers.get("content-type") != "application/json" or not body.get("group") or not body["customer_id"].startswith("guess:"):
                return (422, {}, {"error": "Need at least article"})
            tickets.append({"id": 40 + len(tickets), "number": "31000", "title": body["title"], **({"nudge_id": body["nudge_id"]} if keeps else {})})
            return steps.pop(0) if steps else (201, {}, tickets[-1])
        steps = ["silent"]
        peer = self.peer(script)
        connector = self.connector("ticket", {"provider": "zammad", "url": peer.url + "/", "zammad_token": self.secret("z", "zammad-token"), "group": "Sales",
                                              "customer": "nudge@example.com", "timeout_ms": 2000})
        self.unknown(connector.deliver(self.PAYLOAD, action_id="f1"))
        again = self.accepted(connector.deliver(self.PAYLOAD, action_id="f1", attempt=2))
        self.assertEqual((again["provider_ref"], len(tickets)), ("40", 1), "a second attempt must not open a second ticket")
        self.assertEqual(self.accepted(connector.deliver({"subject": "plain"}, action_id="f", attempt=2))["provider_ref"], "41", "f is not f1")
        body = peer.seen[0].json()
        self.assertEqual((body["group"], body["customer_id"], body["priority_id"], body["nudge_id"], body["tags"]),
                         ("Sales", "guess:wang@example.net", 3, "f1", "nudge,vip customer,escalation"))
        self.assertEqual((body["article"]["content_type"], body["article"]["internal"], body["state"]), ("text/plain", True, "pending reminder"))
        self.assertEqual(peer.seen[-1].json()["customer_id"], "guess:nudge@example.com")
        steps.append((422, {}, {"error": "No lookup value found for 'group'"}))
        self.assertIn("group", self.refused(connector.deliver(self.PAYLOAD, action_id="f4"))["detail"])
        keeps = False
        self.assertIn("nudge_id", self.accepted(connector.deliver(self.PAYLOAD, action_id="f5"))["detail"])
        code, errors = connector.stop()
        self.assertNotIn(b"zammad-token", connector.raw_output + errors)
        wrong = self.connector("ticket", {"provider": "zammad", "url": peer.url, "zammad_token": self.secret("y", "wrong-token"), "group": "Sales", "customer": "a@example.com"})
        self.bad_config(wrong.deliver(self.PAYLOAD))


class ExampleTest(HttpConnectorTest):
    def test_the_connector_of_the_documentation(self):
        peer = self.peer([(202, {}, ""), (429, {"Retry-After": "2"}, "")])
        connector = self.connector(os.environ["NUDGE_PAGER"], {"url": peer.url, "token": self.secret("t", "pager-token")})
        self.accepted(connector.deliver({"text": "ring 王芳"}, action_id="01"))
        self.retry(connector.deliver({"text": "ring"}), 2000)
        self.assertEqual((peer.seen[0].json(), peer.seen[0].headers["authorization"], peer.seen[0].headers["idempotency-key"]),
                         ({"text": "ring 王芳"}, "Bearer pager-token", "01"))
        self.assertIn("url: is missing", self.connector(os.environ["NUDGE_PAGER"], {"token": {"env": "X"}}, expect_ok=False).hello["detail"])

    def test_the_documentation_shows_the_same_code(self):
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..")
        with open(os.path.join(root, "docs/connectors.md")) as page, open(os.path.join(root, "connectors/examples/pager.cpp")) as code:
            self.assertIn(code.read(), page.read(), "docs/connectors.md shows another pager.cpp than connectors/examples")


if __name__ == "__main__":
    unittest.main()
