#!/usr/bin/env python3
"""Each statement of the language has a test that names it: statements.yaml says which. The tests named must exist; where the language's page is at
hand (../shared/language.md beside this repository, or $NUDGE_SHARED), no statement of its parts Meaning and Settled may be missing."""
import os
import pathlib
import re
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]


def plain(text):
    """On one line, without stars, numbers of list items and headings."""
    text = re.sub(r"(?m)^#.*$|^\d+\. ", "", text).replace("**", "")
    return re.sub(r"\s+", " ", text).strip()


def names_of(path):
    """A test file's text with C++ literals that go over lines put together, and YAML's doubled quotes as they are."""
    return re.sub(r'"\s*\n\s*"', "", path.read_text(encoding="utf-8"))


def main():
    faults, entries = [], yaml.safe_load((HERE / "statements.yaml").read_text(encoding="utf-8"))["statements"]
    named = 0
    for entry in entries:
        if ("open" in entry) == ("tests" in entry):
            faults.append(f"either tests or open: {entry['says']}")
        for test in entry.get("tests", []):
            file, _, name = test.partition(" > ")
            named += 1
            if not (REPO / file).is_file():
                faults.append(f"there is no file {file}: {entry['says']}")
            elif name not in names_of(REPO / file):
                faults.append(f"{file} has no test `{name}`: {entry['says']}")
    page = next((p for p in (pathlib.Path(os.environ.get("NUDGE_SHARED", "/nowhere")) / "language.md", REPO.parent / "shared" / "language.md") if p.is_file()), None)
    if page is not None:
        text = page.read_text(encoding="utf-8")
        left = plain(text[text.index("## Meaning"):text.index("## Scores, traits, teams")]).replace("Each of these is a promise, and a test names it.", "")
        for entry in entries:
            if entry["says"] not in left:
                faults.append(f"the language does not say: {entry['says']}")
            left = left.replace(entry["says"], "", 1)
        if left.strip():
            faults.append(f"statements without an entry: {left.strip()}")
    for entry in entries:
        if "open" in entry:
            print(f"open: {entry['says'][:90]}…: {entry['open']}")
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"{len(entries)} statements, {named} tests named, {len(faults)} faults" + ("" if page else "; language.md is not at hand, so not checked against it"))
    return 1 if faults or named < 80 else 0


if __name__ == "__main__":
    sys.exit(main())
