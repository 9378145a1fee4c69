#!/usr/bin/env python3
"""The Kubernetes manifests and the container file: parts that belong together fit, nothing runs with rights it does not need, and nudged takes the configuration in them.

NUDGED names the program. Where kubectl is there the kustomization is built too. Exit code 77 without yaml."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import yaml
except ImportError:
    print("SKIP: python3-yaml is not installed", file=sys.stderr)
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"


class Kubernetes(unittest.TestCase):
    def setUp(self):
        self.objects = {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all((FOLDER / "nudge.yaml").read_text(encoding="utf-8"))}
        self.set = self.objects["StatefulSet", "nudge"]["spec"]
        self.pod = self.set["template"]["spec"]
        self.container = self.pod["containers"][0]

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
        offered = {v["name"] for v in self.pod["volumes"]} | {v["metadata"]["name"] for v in self.set["volumeClaimTemplates"]}
        self.assertEqual(mounted, offered)
        for kind in ("NetworkPolicy", "PodDisruptionBudget"):
            spec = self.objects[kind, "nudge"]["spec"]
            self.assertEqual((spec.get("podSelector") or spec["selector"])["matchLabels"], labels)

    def test_no_more_rights_than_needed(self):
        pod, own = self.pod["securityContext"], self.container["securityContext"]
        self.assertTrue(pod["runAsNonRoot"] and pod["runAsUser"] > 1000 and pod["seccompProfile"]["type"] == "RuntimeDefault")
        self.assertTrue(own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"])
        self.assertEqual(own["capabilities"], {"drop": ["ALL"]})
        self.assertFalse(self.pod["automountServiceAccountToken"])
        self.assertFalse(self.pod["enableServiceLinks"], "NUDGE_PORT of a service would look like a setting")
        self.assertNotIn("env", self.container)
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

    def test_nudged_takes_the_configuration(self):
        """With the files as a kubelet lays them: links to links to a directory with dots."""
        home = tempfile.mkdtemp(prefix="nudge-k8s-")
        self.addCleanup(shutil.rmtree, home)
        text = self.objects["ConfigMap", "nudge-config"]["data"]["nudge.yaml"]
        for name, file in (("rules", "rules.yaml"), ("schemas", "catalog.yaml")):
            folder = pathlib.Path(home, name)
            (folder / "..2026_01_01").mkdir(parents=True)
            shutil.copy(FOLDER / file, folder / "..2026_01_01" / file)
            (folder / "..data").symlink_to("..2026_01_01")
            (folder / file).symlink_to("..data/" + file)
        config = pathlib.Path(home, "nudge.yaml")
        config.write_text(text.replace("/etc/nudge/", home + "/").replace("/var/lib/nudge", home))
        ran = subprocess.run([os.environ["NUDGED"], "--config", str(config), "--dry-run"], capture_output=True, text=True, cwd=home)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("good: 1 rules", ran.stdout)
        mounts = {m["mountPath"] for m in self.container["volumeMounts"]}
        for path in re.findall(r"/(?:etc|var/lib)/nudge/?[a-z]*", text):
            self.assertTrue(any(path == m or path.startswith(m + "/") for m in mounts), path)
        self.assertEqual(self.container["args"], ["--config", "/etc/nudge/config/nudge.yaml"])

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
