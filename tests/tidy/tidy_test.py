#!/usr/bin/env python3
"""The tidy test catches what it is there for: one planted fault each."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from tidy import CHECKOUT, check_file  # noqa: E402

PLANTED = [
    ("engine/base/a.cpp", '#include "engine/model/value.h"', "arrow of dependency"),
    ("engine/core/a.cpp", "#include <thread>", "pure"),
    ("engine/core/a.cpp", "auto t = std::chrono::system_clock::now();", "no clock"),
    ("rules/lang/a.cpp", "#include <yaml-cpp/yaml.h>", "only be included in"),
    ("rules/lang/a.cpp", '#include "daemon/store/store.h"', "arrow of dependency"),
    ("daemon/http/http_server.h", "#pragma once\n#include <boost/asio.hpp>", "too heavy"),
    ("daemon/runtime/a.cpp", "#include <rocksdb/db.h>", "only be included in"),
    ("daemon/http/a.cpp", "co_await f(Options{1, 2});", "braced temporary"),
    ("daemon/http/a.cpp", "co_await g(ok ? a : b);", "ternary"),
    ("daemon/http/a.cpp", "co_await h([x] { return x; });", "lambda"),
    ("daemon/http/a.cpp", "\n" * 600, "split it"),
    ("docs/a.md", f"see {CHECKOUT}/README.md", "path of one machine"),
]
CLEAN = [
    ("engine/core/a.cpp", '#include "engine/plan/plan.h"\n#include <vector>\nint f(int now) { return now; }\n'),
    ("daemon/http/a.cpp", "#include <boost/asio.hpp>\nco_await timer.async_wait(token);\n"),
]
failed = 0
for rel, text, wanted in PLANTED:
    messages = [m for _, m in check_file(rel, text)]
    if not any(wanted in m for m in messages):
        print(f"not caught in {rel}: {text!r} (wanted '{wanted}', got {messages})")
        failed += 1
for rel, text in CLEAN:
    if messages := [m for _, m in check_file(rel, text)]:
        print(f"false alarm in {rel}: {messages}")
        failed += 1
print(f"tidy_test: {len(PLANTED)} planted faults and {len(CLEAN)} clean files, {failed} failed")
sys.exit(1 if failed else 0)
