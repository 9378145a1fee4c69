#!/usr/bin/env python3
"""The JSON Schemas under schemas/ and the loader agree on every definition of tests/rules.

Each file is cut into its definitions (one segment, one rule ...). The loader's verdict on a definition is read from the .expected file
beside it: no message, messages about its shape, or messages that need knowledge a schema has not (names, types of the catalog, time).
"""
import copy
import json
import pathlib
import re
import sys

import jsonschema
import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# The schema must refuse these ...
SHAPE = {"R0101", "R0102", "R0103", "R0106", "R0108", "R0109", "R0401", "R0403", "R0412", "R0413", "R0415", "R0505", "R0601", "R0604", "R0651", "R0701", "R0702", "R0705",
         "R0201", "R0205"}
# ... and must not refuse these: only the loader can know.
KNOWLEDGE = {"R0301", "R0302", "R0303", "R0304", "R0305", "R0306", "R0307", "R0308", "R0309", "R0310", "R0311", "R0312", "R0313", "R0314", "R0315", "R0316", "R0317", "R0318", "R0402", "R0407", "R0409",
             "R0410", "R0414", "R0503", "R0504", "R0507", "R0602", "R0603", "R0652", "R0653", "R0706", "R0712", "R0802", "R0803", "R0804", "R0805", "R0806"}


SECTIONS = {"segments", "traits", "scores", "rules", "templates", "teams", "events", "policies", "calendars", "dispositions", "pools", "funnels"}


class Loader(yaml.SafeLoader):
    """YAML as the language reads it: true/false, JSON numbers and null are typed, everything else is text."""


Loader.yaml_implicit_resolvers = {}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789"))
Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"), list("-0123456789"))


# The runner of tests refuses these; so must its schema.
BAD_TESTS = [
    "tests: [{timeline: []}]",
    "tests: [{name: x, timeline: [{}]}]",
    "tests: [{name: x, timeline: [{at: yesterday}]}]",
    "tests: [{name: x, timeline: [{at: 2026-01-01T00:00:00Z, event: a}]}]",
    "tests: [{name: x, timeline: [{customer: c, event: a, tag: b}]}]",
    "tests: [{name: x, timeline: [{reload: false}]}]",
    "tests: [{name: x, timeline: [{expect: {held: because}}]}]",
    "tests: [{name: x, timeline: [{expect: {fird: 1}}]}]",
    "tests: [{name: x, timeline: [{advance: 3 days}]}]",
]


def construct_float(loader, node):
    return float(loader.construct_scalar(node))


Loader.add_constructor("tag:yaml.org,2002:float", construct_float)


def messages(path):
    """[(code, path in the document)] of an .expected file."""
    found = []
    for line in path.read_text().splitlines():
        head = re.match(r"^\S+:\d+:\d+: (?:error|warning) (R\d{4}): ", line)
        if head:
            found.append([head.group(1), ""])
        elif line.startswith("   in: "):
            found[-1][1] = line[len("   in: "):]
    return found


def definitions(document):
    """(where, document with that definition alone)"""
    for section, entries in (document or {}).items():
        if section == "customer":
            for name, leaf in (entries.get("attributes") or {}).items():
                yield f"customer > attributes > {name}", {"customer": {"attributes": {name: leaf}}}
        elif not isinstance(entries, dict) or section not in SECTIONS:
            yield section, {section: entries}
        else:
            for name, entry in entries.items():
                yield f"{section} > {name}", {section: {name: copy.deepcopy(entry)}}


def main():
    validators = {}
    for name in ("rules", "catalog", "tests"):
        schema = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[name] = jsonschema.Draft202012Validator(schema)
    compared = refused = failures = 0

    def check(where, part, validator, must_refuse, must_accept):
        nonlocal compared, refused, failures
        errors = list(validator.iter_errors(part))
        if must_refuse or must_accept:
            compared += 1
        refused += bool(must_refuse)
        if must_refuse and not errors:
            print(f"FAIL {where}: the loader refuses it ({must_refuse}), the schema accepts it")
            failures += 1
        if must_accept and errors:
            print(f"FAIL {where}: the loader says {must_accept}, the schema refuses it: {errors[0].message[:200]}")
            failures += 1

    for path in [HERE / "catalog.yaml", *sorted((HERE / "good").glob("*.yaml")), *sorted((HERE / "lint").glob("*.yaml"))]:
        name = "rules" if path.parent.name in ("good", "lint") else "catalog"
        document = yaml.load(path.read_text(), Loader)
        check(path.name, document, validators[name], "", "nothing")
        for where, part in definitions(document):
            check(f"{path.name}: {where}", part, validators[name], "", "nothing")
    for path in [*sorted((ROOT / "rules" / "packs").rglob("*.yaml")), *sorted((HERE / "settled").rglob("*.yaml"))]:
        document = yaml.load(path.read_text(), Loader)
        is_catalog = document and ("events" in document or "customer" in document)
        schema = "tests" if path.name.endswith(".test.yaml") else "catalog" if is_catalog else "rules"
        check(str(path.relative_to(ROOT)), document, validators[schema], "", "nothing")
    for document in BAD_TESTS:
        check(document, yaml.load(document, Loader), validators["tests"], "shape", "")
    for path in sorted((HERE / "bad").glob("*.yaml")):
        if path.name.startswith(("yaml", "rules-twice", "catalog-conflict")):
            continue  # no YAML that Python would read the same way
        said = messages(path.with_suffix(".expected"))
        source = path.read_text()
        for where, part in definitions(yaml.load(source.replace("{{ customer.name }}", "x"), Loader)):
            codes = {code for code, place in said if place == where or place.startswith((where + " ", where + "["))}
            shape = codes & SHAPE
            check(f"{path.name}: {where}", part, validators["catalog" if path.name.startswith("catalog") else "rules"],
                  ", ".join(sorted(shape)), (", ".join(sorted(codes)) or "nothing") if codes <= KNOWLEDGE else "")
    print(f"{compared} definitions compared, {refused} of them refused by both, {failures} disagreements")
    if compared < 250 or refused < 60:
        print("FAIL: too few to mean anything")
        return 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
