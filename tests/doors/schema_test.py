#!/usr/bin/env python3
"""schemas/doors.schema.json and `nudge check` agree on doors.yaml: on each example of the docs, and on what is wrong in shape. NUDGE names the program; 77 without yaml, jsonschema."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

try:
    import jsonschema
    import yaml
except ImportError:
    print("SKIP: python3-yaml and python3-jsonschema are not installed", file=sys.stderr)
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "schemas" / "doors.schema.json").read_text(encoding="utf-8"))
CATALOG = """
customer:
  attributes: {name: text, tier: text, company: text, company_size: integer, phone: text}
events:
  order_placed: {fields: {amount: decimal, sku: text, channel: text}}
  page_viewed: {fields: {title: text}}
"""
SIGNED = "signature: none, customer: /c, "
EVENT = "{event: order_placed, fields: {amount: total}}"
GOOD = [
    "", "segment: {}", "segment: {unknown_fields: ignore, merge: always, group: {event: order_placed}}", f"segment: {{track: {{Order Done: {EVENT}, Else: ignore}}}}",
    "segment: {identify: {attributes: {tier: {from: plan, map: {a: gold}}}}, page: ignore}", "cloudevents: {customer: /subject, allowed_origins: x.example}",
    f"cloudevents: {{events: {{a.b: [{EVENT}, {{attributes: {{tier: level}}}}], c: ignore}}, allowed_origins: [a, b]}}",
    f"webhooks: {{a: {{{SIGNED} messages: {{'*': {EVENT}}}}}}}",
    f"webhooks: {{a: {{{SIGNED} type: {{header: X-T}}, each: /, messages: {{x: {{event: order_placed, fields: {{amount: {{from: t, as: number, divide: 100}}, sku: {{value: 7}}}}}}, y: ignore}}}}}}",
    f"webhooks: {{a: {{signature: {{style: hmac, secret: [{{env: A}}, {{env: B}}], header: X, prefix: s=, encoding: base64, timestamp_header: T, tolerance: 5m}}, customer: c, messages: {{'*': {EVENT}}}}}}}",
    f"webhooks: {{a: {{signature: {{style: token, secret: {{env: A}}, header: X}}, messages: {{'*': {{customer: id, event: order_placed}}}}}}}}",
]
BAD = [
    "[]", "x: 1", "segment: {trak: {}}", "segment: {merge: sometimes}", "segment: {unknown_fields: drop}", "segment: {track: {A: {fields: {}}}}", "segment: {track: {A: drop}}",
    "segment: {page: {event: order_placed, attributes: {}}}", "segment: {identify: {event: order_placed}}", "cloudevents: {event: {}}", "cloudevents: {events: {a: [ignore]}}",
    "cloudevents: {events: {a: {event: order_placed, attributes: {tier: x}}}}", "cloudevents: {events: {a: {event: order_placed, fields: {amount: [x]}}}}",
    "cloudevents: {events: {a: {event: order_placed, fields: {amount: {from: x, value: 1}}}}}", "cloudevents: {events: {a: {event: order_placed, fields: {amount: {as: number}}}}}",
    "cloudevents: {events: {a: {event: order_placed, fields: {amount: {header: x}}}}}", "cloudevents: {events: {a: {event: order_placed, fields: {amount: {from: x, as: decimal}}}}}",
    "cloudevents: {events: {a: {event: order_placed, fields: {amount: {from: x, divide: 7}}}}}", "cloudevents: {events: {a: {event: order_placed, fields: {amount: {from: x, divide: lots}}}}}",
    f"webhooks: {{'no name': {{{SIGNED} messages: {{'*': {EVENT}}}}}}}", f"webhooks: {{a: {{messages: {{'*': {EVENT}}}}}}}", f"webhooks: {{a: {{{SIGNED} }}}}",
    f"webhooks: {{a: {{signature: some, messages: {{'*': {EVENT}}}}}}}", f"webhooks: {{a: {{signature: {{style: stripe}}, customer: c, messages: {{'*': {EVENT}}}}}}}",
    f"webhooks: {{a: {{signature: {{style: stripe, secret: plain}}, customer: c, messages: {{'*': {EVENT}}}}}}}",
    f"webhooks: {{a: {{signature: {{style: hmac, secret: {{env: A}}}}, customer: c, messages: {{'*': {EVENT}}}}}}}",
    f"webhooks: {{a: {{signature: {{style: stripe, secret: {{env: A}}, prefix: x}}, customer: c, messages: {{'*': {EVENT}}}}}}}",
    f"webhooks: {{a: {{signature: {{style: stripe, secret: {{env: A}}, tolerance: soon}}, customer: c, messages: {{'*': {EVENT}}}}}}}",
]


class Doors(unittest.TestCase):
    def says(self, text):
        """Of the schema and of `nudge check`: whether they take it."""
        by_schema = not list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(yaml.safe_load(text)))
        with tempfile.TemporaryDirectory() as folder:
            for name, content in (("schemas/catalog.yaml", CATALOG), ("rules/r.yaml", "rules: {}\n"), ("doors.yaml", text)):
                path = pathlib.Path(folder) / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(content, encoding="utf-8")
            ran = subprocess.run([os.environ["NUDGE"], "--lang", "en", "check", "."], cwd=folder, capture_output=True, text=True, timeout=60)
        return by_schema, ran.returncode == 0, ran.stdout + ran.stderr

    def test_they_agree(self):
        jsonschema.Draft202012Validator.check_schema(SCHEMA)
        for text, good in [(t, True) for t in GOOD] + [(t, False) for t in BAD]:
            with self.subTest(text):
                by_schema, by_check, words = self.says(text)
                self.assertEqual((by_schema, by_check), (good, good), words)

    def test_the_examples_of_the_docs_fit(self):
        text = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
        examples = re.findall(r"```yaml\n# doors.yaml\n(.*?)```", text, re.S)
        self.assertGreaterEqual(len(examples), 3)
        for example in examples:
            self.assertEqual(list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(yaml.safe_load(example))), [], example)

    def test_it_is_printed_for_editors(self):
        ran = subprocess.run([os.environ["NUDGE"], "schema", "doors"], capture_output=True, text=True, check=True, timeout=60)
        self.assertEqual(json.loads(ran.stdout), SCHEMA)

    def test_mappings_of_tables_are_checked_too(self):
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            (place / "schemas").mkdir()
            (place / "rules").mkdir()
            (place / "schemas" / "catalog.yaml").write_text(CATALOG, encoding="utf-8")
            (place / "rules" / "r.yaml").write_text("rules: {}\n", encoding="utf-8")
            mapping = place / "orders.map.yaml"

            def check():
                return subprocess.run([os.environ["NUDGE"], "--lang", "en", "check", "."], cwd=folder, capture_output=True, text=True, timeout=60)

            mapping.write_text("rows: {customer: Id, event: order_placed, time: When, data: {amount: Total}}\n", encoding="utf-8")
            ran = check()
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
            self.assertIn("in 3 files", ran.stdout)
            mapping.write_text("rows: {customer: Id, event: order_plced, time: When, data: {amount: Total}}\n", encoding="utf-8")
            ran = check()
            self.assertEqual(ran.returncode, 1)
            self.assertIn("orders.map.yaml:1:", ran.stdout)
            self.assertIn("order_placed", ran.stdout, "did you mean")


if __name__ == "__main__":
    unittest.main(verbosity=2)
