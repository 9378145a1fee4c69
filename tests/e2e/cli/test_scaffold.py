#!/usr/bin/env python3
"""`nudge new`: what it writes passes check and test at once, with nothing left uncovered. `nudge schema`: the files as they are."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import jsonschema
import yaml

from support import NUDGE, REPO, nudge, project

SCHEMAS = {name: REPO / "schemas" / f"{name}.schema.json" for name in ("rules", "catalog", "tests", "config")}
SCHEMAS["openapi"] = REPO / "schemas" / "openapi.yaml"
SCHEMAS["snippets"] = REPO / "schemas" / "vscode" / "nudge.code-snippets"


class Scaffold(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = pathlib.Path(temp.name)

    def passes(self, folder, tests):
        checked = nudge("check", folder)
        self.assertEqual(checked.code, 0, checked)
        ran = nudge("test", folder, "--fail-under", "100")
        self.assertEqual(ran.code, 0, ran)
        self.assertRegex(ran.out, rf"{tests} tests?, .*: all passed")

    def test_every_trigger_and_channel(self):
        folder = project(self.folder, rules="")
        (folder / "rules" / "rules.yaml").unlink()
        made = 0
        for trigger in ("event", "enters", "schedule", "date"):
            for channel in ("call_task", "email", "sms", "ticket", "webhook", "maildrop"):
                name = f"{trigger}-{channel}"
                ran = nudge("new", "rule", name, "--in", folder, "--trigger", trigger, "--channel", channel)
                self.assertEqual(ran.code, 0, ran)
                self.assertIn(f"nudge test {folder} --run {name}", ran.out)
                made += 1
        self.passes(folder, made)
        text = (folder / "rules" / "event-sms.yaml").read_text()
        self.assertNotIn("{{NAME}}", text)
        self.assertIn("event: login", text)

    def test_another_event_and_a_time_zone(self):
        folder = project(self.folder)
        catalog = folder / "schemas" / "catalog.yaml"
        catalog.write_text(catalog.read_text().replace("since: {type: date}", "signed: {type: timestamp}\n    timezone: {type: text}"))
        self.assertEqual(nudge("new", "rule", "second", "--in", folder, "--event", "order_placed").code, 0)
        self.assertEqual(nudge("new", "rule", "third", "--in", folder, "--trigger", "date").code, 0)
        for zone in ("UTC", "Asia/Shanghai", "America/New_York"):
            ran = nudge("test", folder, "--zone", zone)
            self.assertEqual(ran.code, 0, ran)

    def test_project_and_pack(self):
        made = self.folder / "acme"
        self.assertEqual(nudge("new", "project", made).code, 0)
        self.passes(made, 3)
        done = subprocess.run(["sh", "ci.sh"], cwd=made, capture_output=True, text=True, timeout=120,
                              env={"PATH": f"{pathlib.Path(NUDGE).parent}:/usr/bin:/bin"})
        self.assertEqual(done.returncode, 0, done)
        self.assertTrue((made / "results.xml").is_file())
        settings = json.loads((made / ".vscode" / "settings.json").read_text())
        for schema in settings["yaml.schemas"]:
            self.assertIn("properties", json.loads((made / schema).read_text()))
        self.assertEqual(nudge("new", "rule", "second-order", "--in", made, "--trigger", "enters", "--channel", "email").code, 0)
        self.passes(made, 4)
        pack = self.folder / "packs" / "back"
        self.assertEqual(nudge("new", "pack", pack).code, 0)
        self.passes(pack, 3)
        self.assertTrue((pack / "README.md").read_text().startswith("# back\n"))

    def test_nothing_is_written_over(self):
        made = self.folder / "acme"
        nudge("new", "project", made)
        before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
        ran = nudge("new", "project", made)
        self.assertEqual(ran.code, 1)
        self.assertIn("not empty; nothing was written", ran.err)
        ran = nudge("new", "rule", "welcome-back", "--in", made)
        self.assertIn("there is a rule welcome-back already", ran.err)
        (made / "rules" / "x.test.yaml").write_text("tests: []\n")
        ran = nudge("new", "rule", "x", "--in", made)
        self.assertEqual(ran.code, 1)
        self.assertIn("x.test.yaml is there already", ran.err)
        (made / "rules" / "x.test.yaml").unlink()
        self.assertEqual(before, {path: path.read_bytes() for path in made.rglob("*") if path.is_file()})

    def test_mistakes(self):
        folder = project(self.folder)
        self.assertIn("is no name", nudge("new", "rule", "../evil", "--in", folder).err)
        self.assertIn("no event type nope", nudge("new", "rule", "x", "--in", folder, "--event", "nope").err)
        self.assertEqual(nudge("new", "rule", "x", "--in", folder, "--trigger", "moon").code, 2)
        catalog = folder / "schemas" / "catalog.yaml"
        catalog.write_text(catalog.read_text().replace("since: {type: date}", "since: {type: text}"))
        self.assertIn("no attribute of type date", nudge("new", "rule", "x", "--in", folder, "--trigger", "date").err)
        (folder / "rules" / "rules.yaml").write_text("rules: 7\n")
        self.assertIn("mend what `nudge check` says", nudge("new", "rule", "x", "--in", folder).err)
        self.assertEqual(sorted(p.name for p in (folder / "rules").iterdir()), ["rules.yaml"])


class Schema(unittest.TestCase):
    def test_each_file_is_compiled_in(self):
        for name, path in SCHEMAS.items():
            done = subprocess.run([NUDGE, "schema", name], capture_output=True, timeout=60, cwd="/")
            self.assertEqual((done.returncode, done.stdout), (0, path.read_bytes()), name)
        ran = nudge("schema", "nope")
        self.assertEqual(ran.code, 1)
        for name in SCHEMAS:
            self.assertIn(name, ran.err)

    def test_every_key_has_a_text_for_hovering(self):
        for name in ("rules", "catalog", "tests", "config"):
            schema, lacking = json.loads(SCHEMAS[name].read_text()), []

            def described(value):
                while isinstance(value, dict) and "description" not in value and "$ref" in value:
                    node = schema
                    for part in value["$ref"][2:].split("/"):
                        node = node[part]
                    value = node
                return not isinstance(value, dict) or "description" in value or set(value) == {"const"}

            def walk(value, path):
                if isinstance(value, dict):
                    for key, child in value.items():
                        if key == "properties" and isinstance(child, dict) and not any(part in path for part in ("then", "if", "oneOf")):
                            lacking.extend(f"{'/'.join(path)}: {one}" for one, what in child.items() if not described(what))
                        # keywords of the schema, not keys of the language, which may have the same names
                        walk(child, path + ([key] if "properties" not in path[-1:] else ["." + key]))
                elif isinstance(value, list):
                    for i, child in enumerate(value):
                        walk(child, path + [str(i)])
            walk(schema, [])
            self.assertEqual(lacking, [], f"{name}.schema.json: give each key a `description`")

    def test_schema_and_compiler_agree(self):
        sys.path.insert(0, str(REPO / "tests" / "rules"))
        from schema_test import Loader
        validators = {name: jsonschema.Draft202012Validator(json.loads(SCHEMAS[name].read_text())) for name in ("rules", "tests", "catalog")}

        def both(text, kind="rules"):
            """Whether the compiler, and whether the schema, takes it."""
            with tempfile.TemporaryDirectory() as temp:
                folder = project(temp, catalog=CATALOG if kind != "catalog" else text, rules=text if kind == "rules" else "segments:\n  a: {where: {tag: x}}\n",
                                 tests=text if kind == "tests" else None)
                ran = nudge("-o", "json", "check", folder)
                codes = [d["code"] for d in json.loads(ran.out)["diagnostics"] if d["severity"] == "error"]
                return not codes, validators[kind].is_valid(yaml.load(text, Loader)), codes

        CATALOG = (REPO / "tests" / "rules" / "catalog.yaml").read_text()
        self.assertTrue(validators["catalog"].is_valid(yaml.load(CATALOG, Loader)))
        good = sorted((REPO / "tests" / "rules" / "good").glob("*.yaml"))
        self.assertGreaterEqual(len(good), 5)
        for path in good:
            with self.subTest(good=path.name):
                self.assertEqual(both(path.read_text())[:2], (True, True))
        for path in sorted((REPO / "tests" / "rules" / "bad").glob("*.yaml")):
            kind = "catalog" if path.name.startswith("catalog") else "rules"
            with self.subTest(bad=path.name):
                try:
                    accepted, schema, codes = both(path.read_text(), kind)
                except (yaml.YAMLError, RecursionError):
                    continue  # no YAML for Python either
                self.assertFalse(accepted)
        rule = "rules: {r: {when: {event: login}, then: [{ticket: {subject: x}}]%s}}"
        where = "segments: {a: {where: %s}}"
        mistakes = [
            "rules: []", "rules: {r: {}}", "rules: {r: {when: {event: login}}}", "rules: {r: {then: [{ticket: {subject: x}}]}}", "ruls: {}",
            "rules: {r: {when: login, then: [{ticket: {subject: x}}]}}", "rules: {r: {when: {event: login}, then: []}}",
            "rules: {r: {when: {event: login}, then: [{}]}}", "rules: {r: {when: {event: login}, then: [{fax: {}}]}}",
            "rules: {r: {when: {event: login, enters: a}, then: [{ticket: {subject: x}}]}}", "rules: {'bad name': {when: {event: login}, then: [{ticket: {subject: x}}]}}",
            rule % ", prority: 3", rule % ", priority: high", rule % ", priority: 101", rule % ", category: sale", rule % ", state: on", rule % ", limits: {once_per: 3 days}",
            rule % ", limits: {at_most: 5}", rule % ", rollout: {percent: 120}", rule % ", goal: {event: login}", rule % ", existing: maybe", rule % ", max_age: yes",
            rule % ", if: {}", rule % ", if: [{tag: x}]", rule % ", if: {all: {tag: x}}", rule % ", if: {all: []}",
            where % "{}", where % "{attribute: tier}", where % "{attribute: tier, equls: gold}", where % "{attribute: tier, equals: gold, in: [gold]}",
            where % "{tag: x, segment: y}", where % "{event: login, within: soon}", where % "{event: login, within: 1d, since: start_of_month}",
            where % "{event: login, count: 3}", where % "{event: login, since: start_of_century}", where % "{any: tag}", where % "{attribute: tier, exists: perhaps}",
            where % "{sequence: [{event: login}]}", where % "{calendar: {weekdays: [funday]}}", "segments: {a: {were: {tag: x}}}", "segments: {a: {}}",
            "scores: {s: {points: []}}", "teams: {t: {members: [{name: Lin}]}}", "templates: {t: {channel: fax, text: x}}", "traits: {t: {}}"]
        for text in mistakes:
            with self.subTest(mistake=text):
                accepted, schema, _ = both(text + "\n")
                self.assertEqual((accepted, schema), (False, False))
        for text in ("tests: {}", "tests: [{name: x}]", "tests: [{name: x, timeline: [{}]}]", "tests: [{name: x, timeline: [{advance: soon}]}]",
                     "tests: [{name: x, timeline: [{at: now}]}]", "tests: [{name: x, timeline: [{expect: {fird: 1}}]}]", "tests: [{name: x, timeline: [{expect: {held: whim}}]}]"):
            with self.subTest(mistake=text):
                self.assertEqual(both(text + "\n", "tests")[:2], (False, False))
        for text in ("customers: {}", "customer: {attributes: {a: {type: money}}}", "events: {login: {field: {}}}", "events: {login: {fields: {a: {typ: text}}}}"):
            with self.subTest(mistake=text):
                self.assertEqual(both(text + "\n", "catalog")[:2], (False, False))

    def test_snippets_are_rules_that_compile(self):
        import re
        snippets = json.loads(SCHEMAS["snippets"].read_text())
        self.assertGreaterEqual(len(snippets), 5)
        for name, snippet in snippets.items():
            text = "\n".join(snippet["body"])
            for _ in range(4):
                text = re.sub(r"\$\{\d+\|([^,|]*)[^}]*\|\}", r"\1", text)
                text = re.sub(r"\$\{\d+:((?:\\\}|[^${}]|\{\{|\\)*)\}", r"\1", text)
            text = text.replace("\\}", "}")
            with tempfile.TemporaryDirectory() as temp:
                is_test = text.startswith("tests:")
                rules = "segments:\n  segment: {where: {event: login}}\n"
                folder = project(temp, rules=rules if not text.startswith("segments") else "{}\n")
                catalog = folder / "schemas" / "catalog.yaml"
                catalog.write_text(catalog.read_text().replace("since: {type: date}", "contract_end: {type: date}"))
                if is_test:
                    (folder / "rules" / "r.yaml").write_text("rules:\n  rule:\n    when: {event: order_placed}\n    then: [{ticket: {subject: x}}]\n")
                (folder / "rules" / ("s.test.yaml" if is_test else "s.yaml")).write_text(text + "\n")
                ran = nudge("test" if is_test else "check", folder)
                self.assertEqual(ran.code, 0, f"{name}:\n{text}\n{ran}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
