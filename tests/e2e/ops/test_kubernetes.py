#!/usr/bin/env python3
"""The Kubernetes manifests and the container file: parts that belong together fit, nothing runs with rights it does not need, and nudged runs with them as in a pod.

NUDGED and NUDGE name the programs. Where kubectl is there the kustomization is built too. Exit code 77 without yaml. tests/deploy/kubernetes/run holds the manifests
against Kubernetes' own types and validation."""
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

try:
    import yaml
except ImportError:
    print("SKIP: python3-yaml is not installed", file=sys.stderr)
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"


UNITS = {"s": 1, "m": 60, "h": 3600, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def amount(text):
    """Seconds or bytes, as nudged or Kubernetes writes them."""
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]+)", str(text)).groups()
    return int(number) * UNITS[unit]


class Kubernetes(unittest.TestCase):
    def setUp(self):
        self.objects = {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all((FOLDER / "nudge.yaml").read_text(encoding="utf-8"))}
        self.set = self.objects["StatefulSet", "nudge"]["spec"]
        self.pod = self.set["template"]["spec"]
        self.container, self.backup = self.pod["containers"]

    def test_parts_fit(self):
        labels = self.set["template"]["metadata"]["labels"]
        self.assertEqual(self.set["selector"]["matchLabels"], labels)
        for name in (("Service", "nudge"), ("Service", "nudge-pods")):
            self.assertEqual(self.objects[name]["spec"]["selector"], labels)
            self.assertEqual([p["targetPort"] for p in self.objects[name]["spec"]["ports"]], [p["name"] for p in self.container["ports"]])
        self.assertIn(("Service", self.set["serviceName"]), self.objects)
        self.assertEqual(self.objects["Service", self.set["serviceName"]]["spec"]["clusterIP"], "None")
        self.assertEqual(self.set["replicas"], 1, "two would have different data")
        mounted = {m["name"] for m in self.container["volumeMounts"]}
        places = {m["name"]: m["mountPath"] for m in self.container["volumeMounts"]}
        for mount in self.backup["volumeMounts"]:
            self.assertEqual(mount["mountPath"], places[mount["name"]], "nudged writes where it is told to, by its own names")
        self.assertEqual(self.backup["image"], self.container["image"])
        offered = {v["name"] for v in self.pod["volumes"]} | {v["metadata"]["name"] for v in self.set["volumeClaimTemplates"]}
        self.assertEqual(mounted, offered)
        for kind in ("NetworkPolicy", "PodDisruptionBudget"):
            spec = self.objects[kind, "nudge"]["spec"]
            self.assertEqual((spec.get("podSelector") or spec["selector"])["matchLabels"], labels)

    def test_no_more_rights_than_needed(self):
        pod = self.pod["securityContext"]
        self.assertTrue(pod["runAsNonRoot"] and pod["runAsUser"] > 1000 and pod["seccompProfile"]["type"] == "RuntimeDefault")
        for container in self.pod["containers"]:
            own = container["securityContext"]
            self.assertTrue(own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"])
            self.assertEqual(own["capabilities"], {"drop": ["ALL"]})
            self.assertNotIn("env", container)
        self.assertFalse(self.pod["automountServiceAccountToken"])
        self.assertFalse(self.pod["enableServiceLinks"], "NUDGE_PORT of a service would look like a setting")
        container_file = (ROOT / "deploy" / "container" / "Containerfile").read_text(encoding="utf-8")
        self.assertRegex(container_file, rf"(?m)^USER {pod['runAsUser']}:{pod['runAsGroup']}$")
        self.assertNotRegex(container_file, r"(?m)^(ADD|.*curl .*\| *sh)")

    def test_probes_ask_what_there_is(self):
        table = (ROOT / "daemon" / "app" / "access_table.cpp").read_text(encoding="utf-8")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = self.container[probe]["httpGet"]
            self.assertIn(f'{{Method::get, "{asked["path"]}", kAnybody, ""}}', table, "a probe has no credentials")
            self.assertEqual(asked["port"], self.container["ports"][0]["name"])
        self.assertEqual(self.container["livenessProbe"]["httpGet"]["path"], "/-/healthy", "a full disk is no reason to kill it")
        self.assertGreaterEqual(self.pod["terminationGracePeriodSeconds"], 60)

    def test_the_pod_runs(self):
        """With the files as a kubelet lays them, links to links to a directory with dots, readable for the pod's group only; and as the pod's user where this test may become it."""
        home = tempfile.mkdtemp(prefix="nudge-k8s-")
        self.addCleanup(shutil.rmtree, home)
        os.chmod(home, 0o755)
        ids = self.pod["securityContext"]["runAsUser"], self.pod["securityContext"]["fsGroup"]
        become = ["setpriv", f"--reuid={ids[0]}", f"--regid={ids[1]}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"] if os.geteuid() == 0 else []
        if become and subprocess.run([*become, os.environ["NUDGED"], "--version"], capture_output=True).returncode != 0:
            become = []  # the build lies where that user may not look
        text = self.objects["ConfigMap", "nudge-config"]["data"]["nudge.yaml"]
        at_home = lambda words: words.replace("/etc/nudge/", home + "/etc/").replace("/var/lib/nudge", home + "/lib").replace("/var/backups/nudge", home + "/backups")  # noqa: E731
        self.lay(home, "config", {"nudge.yaml": at_home(text)}, 0o644)
        for name, file in (("rules", "rules.yaml"), ("schemas", "catalog.yaml")):
            self.lay(home, name, {file: (FOLDER / file).read_text(encoding="utf-8")}, 0o644)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=nudge", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", home + "/tls.key", "-out", home + "/tls.crt"], check=True, capture_output=True)
        secret = next(v["secret"] for v in self.pod["volumes"] if v["name"] == "tls")
        self.lay(home, "tls", {name: pathlib.Path(home, name).read_text() for name in ("tls.crt", "tls.key")}, secret["defaultMode"] if become else 0o400, ids[1])
        for volume in ("lib", "backups"):
            os.mkdir(f"{home}/{volume}")
            if become:
                os.chown(f"{home}/{volume}", 0, ids[1])
                os.chmod(f"{home}/{volume}", 0o2775)
        environment = {"PATH": f"{os.path.dirname(os.environ['NUDGE'])}:{os.environ['PATH']}"}
        arguments = [at_home(a) for a in self.container["args"]]

        def run(*words):
            return subprocess.run([*become, *words], capture_output=True, text=True, cwd="/", env=environment)

        dry = run(os.environ["NUDGED"], *arguments, "--dry-run")
        self.assertEqual(dry.returncode, 0, dry.stdout + dry.stderr)
        self.assertIn("good: 1 rule, ", dry.stdout)
        # What the manifest says outside of the configuration, and what is in force by it.
        shown = run(os.environ["NUDGED"], *arguments, "--print-config").stdout
        force = yaml.safe_load(shown)
        self.assertEqual(force["http"]["port"], self.container["ports"][0]["containerPort"])
        self.assertLess(amount(force["drain_deadline"]) + 30, self.pod["terminationGracePeriodSeconds"], "a checkpoint is written after the last request")
        room, least = amount(self.container["resources"]["limits"]["memory"]), amount(self.container["resources"]["requests"]["memory"])
        states, others = amount(force["engine"]["memory"]), amount(force["http"]["bodies_bytes_max"]) + amount(force["intake"]["queue_bytes_max"])
        self.assertGreaterEqual(room, 2 * states + others, "it would be killed for its memory at full load")
        self.assertGreaterEqual(least, 1.5 * states + others, "a node that is short of memory would take it away")
        mounts = {m["mountPath"] for m in self.container["volumeMounts"]}
        for path in re.findall(r"/(?:etc|var/lib)/nudge/?[a-z]*", text):
            self.assertTrue(any(path == m or path.startswith(m + "/") for m in mounts), path)

        pod = subprocess.Popen([*become, os.environ["NUDGED"], *arguments, "--set", "http.port=0"], cwd="/", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(pod.stdout.close)
        self.addCleanup(pod.wait)
        self.addCleanup(pod.kill)
        said = ""
        while " on https://" not in said:
            line = pod.stdout.readline()
            self.assertTrue(line, said)
            said += line
        self.address = pathlib.Path(home, "lib/data/nudged.url").read_text().strip().replace("0.0.0.0", "localhost").replace("127.0.0.1", "localhost")
        self.trust = ssl.create_default_context(cafile=home + "/tls.crt")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = self.container[probe]["httpGet"]
            self.assertEqual(asked["scheme"], "HTTPS")
            self.assertEqual(self.ask(asked["path"]), 200, probe)
        self.assertEqual(self.ask("/v1/customers"), 401, "nobody gets in without credentials")
        # The first account, as the comment in the manifest says.
        first = run(os.environ["NUDGE"], "--local", home + "/lib/data", "token", "create", "crm", "--role", "ingest", "--days", "1")
        self.assertEqual(first.returncode, 0, first.stderr)

        # The container beside it makes a backup at once, not a second one, and ends when it is told to.
        sidecar = subprocess.Popen([*become, *[at_home(w).replace("sleep 600", "sleep 0.1") for w in self.backup["command"]]], cwd="/", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(sidecar.stdout.close)
        self.addCleanup(sidecar.wait)
        self.addCleanup(sidecar.kill)
        made = pathlib.Path(home, "backups/backups")
        end = time.monotonic() + 60
        while not (made.is_dir() and any(made.iterdir())):
            self.assertLess(time.monotonic(), end, "no backup")
            self.assertIsNone(sidecar.poll())
            time.sleep(0.1)
        time.sleep(1)
        sidecar.terminate()
        sidecar.wait(30)
        listed = run(os.environ["NUDGE"], "--output", "json", "backup", "list", home + "/backups")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertEqual(len(list(made.iterdir())), 1, listed.stdout)
        verified = run(os.environ["NUDGE"], "backup", "verify", home + "/backups")
        self.assertIn("is whole", verified.stdout, verified.stderr)
        pod.terminate()
        self.assertEqual(pod.wait(60), 0)

    def lay(self, home, name, files, mode, group=None):
        folder = pathlib.Path(home, "etc", name)
        (folder / "..2026_01_01").mkdir(parents=True)
        (folder / "..data").symlink_to("..2026_01_01")
        for file, text in files.items():
            path = folder / "..2026_01_01" / file
            path.write_text(text, encoding="utf-8")
            if group is not None and os.geteuid() == 0:
                os.chown(path, 0, group)
            os.chmod(path, mode)
            (folder / file).symlink_to("..data/" + file)

    def ask(self, path):
        try:
            with urllib.request.urlopen(self.address + path, context=self.trust, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def test_the_kustomization_builds(self):
        kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
        for entry in kustomization["configMapGenerator"]:
            for file in entry["files"]:
                self.assertTrue((FOLDER / file).is_file())
        made = {v["configMap"]["name"] for v in self.pod["volumes"] if "configMap" in v} - {"nudge-config"}
        self.assertEqual(made, {entry["name"] for entry in kustomization["configMapGenerator"]})
        if shutil.which("kubectl"):
            ran = subprocess.run(["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            self.assertIn("image: registry.example.com/nudge:0.1.0", ran.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=1)
