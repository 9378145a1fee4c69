#!/usr/bin/env python3
"""schemas/openapi.yaml against the routes in the source and against real answers. NUDGED=path/to/nudged; exit code 77 without yaml and jsonschema."""
import os
import pathlib
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon  # noqa: E402

try:
    import jsonschema
    import yaml
except ImportError:
    print("SKIP: python3-yaml and python3-jsonschema are not installed", file=sys.stderr)
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[3]
SPEC = yaml.safe_load((ROOT / "schemas" / "openapi.yaml").read_text(encoding="utf-8"))


class OpenApi(unittest.TestCase):
    def test_every_route_is_described_and_every_description_is_a_route(self):
        routes = set()
        for file in (ROOT / "daemon" / "app").glob("*.cpp"):
            # Rows of kDoor are the routes of api_segment.cpp, which is read below, and the same paths with a slash at the end.
            for method, path in re.findall(r'Method::(get|post|put|del|patch),\s*"(/[^"]*)"(?!, kDoor)', file.read_text(encoding="utf-8")):
                # The pages of the console are no part of the interface.
                if path == "/" or path.startswith("/console"):
                    continue
                routes.add(("delete" if method == "del" else method, path))
        table = (ROOT / "daemon" / "app" / "api_segment.cpp").read_text(encoding="utf-8")
        routes |= {("post", path) for path in re.findall(r'\{"(/v1/[^"]*)", +"[a-z]*"\}', table)}
        described = {(method, path) for path, item in SPEC["paths"].items() for method in item if method in ("get", "post", "put", "delete", "patch")}
        self.assertGreater(len(routes), 25)
        self.assertEqual(routes, described)

    def test_every_read_in_json_can_be_asked_for_conditionally(self):
        for path, item in SPEC["paths"].items():
            responses = item.get("get", {}).get("responses", {})
            ok = responses.get("200", {})
            if "$ref" in ok:
                ok = SPEC["components"]["responses"][ok["$ref"].rsplit("/", 1)[1]]
            if "application/json" in ok.get("content", {}) and path != "/-/healthy":
                self.assertIn("304", responses, path)
        takes = {path for path, item in SPEC["paths"].items() if "#/components/parameters/ifMatch" in str(item)}
        described = {path for path, item in SPEC["paths"].items() if "412" in item.get("post", {}).get("responses", {})}
        self.assertEqual(takes, described)
        api = (ROOT / "daemon" / "app" / "api.cpp").read_text(encoding="utf-8")
        knows = re.search(r"const bool knows = (.*);", api).group(1)
        self.assertEqual({path for path in takes if not path.startswith("/v1/tasks/{id}/")}, set(re.findall(r'== "([^"]*)"', knows)))
        self.assertEqual({path for path in SPEC["paths"] if path.startswith("/v1/tasks/{id}/")}, {path for path in takes if path.startswith("/v1/tasks/")})

    def schema(self, path, method, status):
        response = SPEC["paths"][path][method]["responses"][str(status)]
        if "$ref" in response:
            response = SPEC["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        return next(iter(response["content"].values()))["schema"]

    def check(self, path, method, answer):
        schema = {**self.schema(path, method, answer.status), "components": SPEC["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json)

    def test_answers_are_as_described(self):
        with Daemon() as d:
            d.start()
            d.post("/v1/events", [{"customer": "c", "event": "order_placed", "id": "o", "data": {"amount": 500}}, {"customer": "c", "event": "nope"}])
            d.settled()
            action = d.get("/v1/actions")["actions"][0]["id"]
            task = d.get("/v1/tasks")["tasks"][0]["id"]
            calls = [
                ("get", "/v1/customers", "/v1/customers", None), ("get", "/v1/customers/{id}", "/v1/customers/c", None),
                ("get", "/v1/customers/{id}", "/v1/customers/x", None), ("get", "/v1/customers/{id}", "/v1/customers/c?at=yesterday", None),
                ("get", "/v1/customers", "/v1/customers?q=c&rows=true&sort=-changed", None), ("get", "/v1/customers", "/v1/customers?segment=nope", None),
                ("get", "/v1/customers/{id}/export", "/v1/customers/c/export", None), ("get", "/v1/customers/{id}/export", "/v1/customers/x/export", None),
                ("get", "/v1/tail/{what}", "/v1/tail/events", None), ("get", "/v1/export/{what}", "/v1/export/x", None),
                ("get", "/v1/explain", "/v1/explain?customer=c&rule=big-order", None), ("get", "/v1/explain", "/v1/explain?customer=c&segment=buyers", None),
                ("get", "/v1/preview", "/v1/preview?customer=c&rule=big-order", None), ("get", "/v1/preview", "/v1/preview", None),
                ("get", "/v1/explain", "/v1/explain", None), ("get", "/v1/rules", "/v1/rules", None), ("get", "/v1/rules/{name}", "/v1/rules/gone", None),
                ("get", "/v1/rules/{name}/parts", "/v1/rules/gone/parts", None), ("get", "/v1/segments/{name}/parts", "/v1/segments/buyers/parts", None),
                ("get", "/v1/segments", "/v1/segments", None), ("get", "/v1/segments/{name}", "/v1/segments/buyers", None),
                ("get", "/v1/segments/{name}", "/v1/segments/buyers?at=2026-01-01T00:00:00Z", None),
                ("get", "/v1/segments", "/v1/segments?at=2026-01-01T00:00:00Z&prefix=buy", None),
                ("get", "/v1/segments/{name}/members", "/v1/segments/buyers/members", None),
                ("get", "/v1/segments/{name}/changes", "/v1/segments/buyers/changes", None), ("get", "/v1/segments/{name}/changes", "/v1/segments/buyers/changes?cursor=x", None),
                ("get", "/v1/segments/{name}/changes", "/v1/segments/nope/changes", None), ("get", "/v1/series", "/v1/series?last=3", None),
                ("get", "/v1/series", "/v1/series?by=week", None), ("get", "/v1/segments/{name}/series", "/v1/segments/buyers/series?by=day", None),
                ("get", "/v1/segments/{name}/series", "/v1/segments/nope/series", None), ("get", "/v1/rules/{name}/series", "/v1/rules/gone/series", None),
                ("get", "/v1/rules/{name}/series", "/v1/rules/nope/series", None), ("get", "/v1/rules/{name}/series", "/v1/rules/gone/series?last=2001", None), ("post", "/v1/reload", "/v1/reload", None),
                ("get", "/v1/decisions", "/v1/decisions", None), ("get", "/v1/decisions", "/v1/decisions?limit=0", None), ("get", "/v1/actions", "/v1/actions", None),
                ("get", "/v1/actions", "/v1/actions?state=lost", None), ("get", "/v1/actions/{id}", f"/v1/actions/{action}", None),
                ("get", "/v1/actions/{id}", "/v1/actions/zz", None), ("post", "/v1/actions/{id}/retry", f"/v1/actions/{action}/retry", None),
                ("post", "/v1/actions/{id}/discard", f"/v1/actions/{'0' * 32}/discard", {"reason": "x"}), ("get", "/v1/tasks", "/v1/tasks", None),
                ("get", "/v1/tasks/{id}", f"/v1/tasks/{task}", None), ("post", "/v1/tasks/{id}/complete", f"/v1/tasks/{task}/complete", {"disposition": "x"}),
                ("get", "/v1/tasks", "/v1/tasks?state=done", None), ("get", "/v1/quarantine", "/v1/quarantine", None),
                ("get", "/v1/quarantine/{number}", "/v1/quarantine/1", None), ("post", "/v1/quarantine/{number}/replay", "/v1/quarantine/1/replay", None),
                ("post", "/v1/quarantine/replay", "/v1/quarantine/replay", None),
                ("post", "/v1/quarantine/{number}/discard", "/v1/quarantine/1/discard", {"reason": "x"}),
                ("get", "/v1/status", "/v1/status", None), ("get", "/v1/connectors", "/v1/connectors", None), ("get", "/v1/maildrop", "/v1/maildrop", None),
                ("post", "/v1/backtests", "/v1/backtests", {"rules": [{"name": "rules.yaml", "text": "rules: {}"}], "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}),
                ("post", "/v1/backtests", "/v1/backtests", {"rules": [{"name": "rules.yaml", "text": "rulez: {}"}], "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}),
                ("get", "/v1/backtests", "/v1/backtests", None), ("get", "/v1/backtests/{id}", "/v1/backtests/1", None),
                ("get", "/v1/backtests/{id}", "/v1/backtests/99", None), ("delete", "/v1/backtests/{id}", "/v1/backtests/99", None),
                ("post", "/v1/plans", "/v1/plans", {"rules": [{"name": "rules.yaml", "text": "segments: {buyers: {where: {event: login}}}"}]}),
                ("post", "/v1/plans", "/v1/plans?rollback=7", None), ("get", "/v1/plans/{id}", "/v1/plans/1", None), ("get", "/v1/plans/{id}", "/v1/plans/9", None),
                ("post", "/v1/plans/{id}/apply", "/v1/plans/1/apply", {"author": "lin"}), ("post", "/v1/plans/{id}/apply", "/v1/plans/9/apply", {}),
                ("get", "/v1/versions", "/v1/versions", None), ("get", "/v1/versions/{version}", "/v1/versions/1", None),
                ("get", "/v1/versions/{version}", "/v1/versions/x", None),
                ("get", "/v1/digest", "/v1/digest", None), ("post", "/v1/digest/replay", "/v1/digest/replay", None),
                *(("post", path, path, {"userId": "c", "event": "login"}) for path in ("/v1/track", "/v1/t", "/v1/identify", "/v1/page")),
                ("post", "/v1/batch", "/v1/batch", {"batch": [{"type": "track", "userId": "c", "event": "login"}]}), ("post", "/v1/batch", "/v1/batch", [1]),
                ("post", "/v1/events", "/v1/events", {"customer": "c", "merge": "d"}),
                ("post", "/v1/events", "/v1/events", {"customer": "c", "event": "login"}), ("post", "/v1/events", "/v1/events", {"customer": "c"}),
                ("post", "/v1/import", "/v1/import", [{"customer": "c", "event": "login"}]), ("post", "/v1/customers/{id}", "/v1/customers/c", {"tag": "x"}),
            ]
            for method, path, target, body in calls:
                with self.subTest(target):
                    answer = d.request(method.upper(), target, body if body is not None else (b"" if method == "post" else None))
                    self.check(path, method, answer)
                    if method == "get" and answer.status == 200 and answer.headers["Content-Type"] == "application/json":
                        self.assertRegex(answer.headers["ETag"], r'^(W/)?"([0-9a-z]+\.)?[0-9a-f]{32}"$')
            for target in ("/-/healthy", "/-/ready", "/metrics"):
                self.assertEqual(d.request("GET", target).status, 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
