#!/usr/bin/env python3
"""The rules of the house as a test: who may include what, the limits of a file, calls that are banned, coroutine traps of GCC 12.

Usage: tidy.py ROOT. Prints file:line: what is wrong and how to mend it; exit 1 when anything is.
"""
import re
import sys
from pathlib import Path

# folder -> folders of this project that it may include, besides itself (docs/architecture.md). The longest matching prefix counts.
MAY_INCLUDE = {
    "engine/base": [],
    "engine/model": ["engine/base"],
    "engine/plan": ["engine/base", "engine/model"],
    "engine/core": ["engine/base", "engine/model", "engine/plan"],
    "engine/simulate": ["engine/base", "engine/model", "engine/plan", "engine/core"],
    "rules/doc": ["engine/base"],
    "rules/lang": ["engine/base", "engine/model", "engine/plan", "rules/doc"],
    "rules/lint": ["engine/base", "engine/model", "engine/plan", "rules/doc", "rules/lang"],
    "rules": ["engine", "rules"],
    "schemas": [],
    "connectors": ["engine/base", "connectors"],
    "daemon": ["engine", "rules", "schemas", "connectors", "daemon"],
    "tests": ["engine", "rules", "schemas", "connectors", "daemon", "tests"],
}
# library headers -> the only folders that may include them
ONLY_IN = [
    (re.compile(r"^yaml-cpp/"), ["rules/doc"]),
    (re.compile(r"^rocksdb/"), ["daemon/store", "tests"]),
    (re.compile(r"^boost/(asio|beast)"), ["daemon/http", "tests"]),
    (re.compile(r"^spdlog/"), ["daemon/log"]),
    (re.compile(r"^sodium"), ["daemon/access"]),
    (re.compile(r"^openssl/(ssl|err)"), ["daemon/http"]),
    (re.compile(r"^simdjson"), ["daemon/ingest", "daemon/cli", "rules/testing", "tests"]),
    (re.compile(r"^curl/"), ["connectors", "daemon/cli"]),
    (re.compile(r"^re2/"), ["engine/base"]),
    (re.compile(r"^unicode/"), ["engine/base"]),
    (re.compile(r"^date/"), ["engine/base"]),
    (re.compile(r"^boost/"), ["connectors", "daemon", "rules", "tests"]),
]
ENGINE_BANNED_HEADERS = re.compile(r"^(thread|mutex|shared_mutex|condition_variable|atomic|future|random|iostream|fstream|filesystem|regex)$")
HEAVY_IN_HEADERS = re.compile(r"^(boost/asio|boost/beast|rocksdb/db|yaml-cpp/yaml|spdlog/spdlog|simdjson|regex$|iostream$|filesystem$)")
ENGINE_BANNED_CALLS = [
    (re.compile(r"::now\(\)"), "the engine has no clock: take the instant as an argument"),
    (re.compile(r"\b(std::rand|srand|random_device)\b"), "the engine has no randomness: derive it from names with engine/base/hash.h"),
    (re.compile(r"\b(fopen|getenv|std::cout|std::cerr|printf)\b"), "the engine does no I/O: return facts, let the caller show them"),
]
COROUTINE_TRAPS = [
    (re.compile(r"co_await[^;]*\[[^\]&]"), "a capturing lambda inside a co_await expression is destroyed twice by GCC 12: name it on the line above"),
    (re.compile(r"co_await[^;]*\?"), "a ternary inside a co_await expression is destroyed twice by GCC 12: name it on the line above"),
    (re.compile(r"co_await[^;]*\{"), "a braced temporary inside a co_await expression is destroyed twice by GCC 12: name it on the line above"),
    (re.compile(r"\basio::detached\b"), "detached drops exceptions silently: use a completion handler that logs and counts"),
]
LINES_MAX = {".h": 300, ".cpp": 500}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
CHECKOUT = str(Path(__file__).resolve().parents[2])  # where this checkout lies: nothing in it may say so


def room_of(path, table):
    best = None
    for room in table:
        if (path == room or path.startswith(room + "/")) and (best is None or len(room) > len(best)):
            best = room
    return best


def inside(path, folders):
    return any(path == f or path.startswith(f + "/") for f in folders)


def check_include(rel, angled, target):
    folder = str(Path(rel).parent)
    top = target.split("/")[0]
    if top in ("engine", "rules", "schemas", "connectors", "daemon", "tests") and not angled:
        room = room_of(folder, MAY_INCLUDE)
        if room and not inside(target, [room] + MAY_INCLUDE[room]):
            yield f"{room} may not include {target}: the arrow of dependency points the other way (docs/architecture.md)"
    for pattern, folders in ONLY_IN:
        if pattern.match(target):
            if not inside(folder, folders):
                yield f"<{target}> may only be included in {', '.join(folders)}: use what that room offers"
            break
    # The zone table is shared by all threads, and is read from the system's zone files once a zone.
    process_wide = rel == "engine/base/zone.cpp" and target in ("mutex", "fstream")
    if folder.startswith("engine") and ENGINE_BANNED_HEADERS.match(target) and not process_wide:
        yield f"the engine is pure: <{target}> has no place in it"
    private_header = folder == "daemon/http" and rel != "daemon/http/http_server.h"  # shared by the few files that instantiate Asio
    if rel.endswith(".h") and not private_header and not folder.startswith("tests") and HEAVY_IN_HEADERS.match(target):
        yield f"<{target}> is too heavy for a header: include it in the .cpp and forward-declare"


def strip_comment(line):
    return re.sub(r"//.*", "", line)


def check_file(rel, text):
    """Yields (line number, message) for one source file; rel is its path below the root, with forward slashes."""
    suffix = Path(rel).suffix
    lines = text.split("\n")
    in_tests = rel.startswith("tests/")
    if suffix in LINES_MAX and not in_tests and len(lines) > LINES_MAX[suffix] + 1:
        yield len(lines), f"{len(lines)} lines; a {suffix} file has at most {LINES_MAX[suffix]}: split it by concern"
    if suffix == ".h" and "#pragma once" not in text and not rel.startswith("connectors/include"):
        yield 1, "a header starts with #pragma once"
    for number, line in enumerate(lines, 1):
        if CHECKOUT + "/" in line:
            yield number, "a path of one machine has no place here: name files relative to the root"
        if suffix not in (".h", ".cpp"):
            continue
        if m := INCLUDE.match(line):
            for message in check_include(rel, m.group(1) == "<", m.group(2)):
                yield number, message
            continue
        code = strip_comment(line)
        for pattern, message in COROUTINE_TRAPS:
            if pattern.search(code):
                yield number, message
        if rel.startswith("engine/"):
            for pattern, message in ENGINE_BANNED_CALLS:
                if pattern.search(code):
                    yield number, message
        if not in_tests and re.search(r"\bstd::regex\b", code):
            yield number, "std::regex is not linear in time: use engine/base/regex.h"


def main():
    root = Path(sys.argv[1])
    suffixes = {".h", ".cpp", ".py", ".sh", ".cmake", ".yaml", ".json", ".md", ".txt"}
    count = found = 0
    for path in sorted(root.rglob("*")):
        rel = path.relative_to(root).as_posix()
        if rel.startswith(("build/", ".git/")) or "node_modules" in rel or not path.is_file():
            continue
        if path.suffix not in suffixes:
            continue
        count += 1
        for number, message in check_file(rel, path.read_text(encoding="utf-8")):
            print(f"{rel}:{number}: {message}")
            found += 1
    print(f"tidy: {count} files read, {found} faults")
    return 1 if found or count < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
