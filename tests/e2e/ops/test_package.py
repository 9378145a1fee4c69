#!/usr/bin/env python3
"""The Debian package: made out of a build tree, looked at, and docs/production.md followed with it, step by step.

NUDGE_BUILD names the build tree. `test_package.py --chroot [MIRROR]` does the steps in a freshly debootstrapped Debian, with its real apt, and installs, upgrades,
removes and purges; it needs root, debootstrap and a mirror, and takes minutes.
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from steps import EXPECTED, PLACES, ROOT, SYSTEMCTL, run, steps  # noqa: E402

APT_GET = r"""#!/bin/bash
set -eu
if [ "$1" = remove ]; then systemctl stop nudged; rm -rf @R@/usr/bin @R@/usr/lib @R@/lib; exit 0; fi
if [ "$1" = purge ]; then rm -rf @R@/var/lib/nudge @R@/etc/default/nudged @R@/etc/nudge/nudge.yaml; exit 0; fi
old=$(mktemp -d)
cp -a @R@/etc/nudge @R@/etc/default/nudged "$old" 2>/dev/null || true
if [ -s @R@/run/nudged.pid ]; then systemctl stop nudged; fi
dpkg-deb -x "${@: -1}" @R@
# What was changed stays, as dpkg does it.
if [ -d "$old/nudge" ]; then cp -a "$old/nudge/." @R@/etc/nudge/; cp -a "$old/nudged" @R@/etc/default/nudged; fi
sed -i 's|: /var/lib/nudge|: @R@/var/lib/nudge|' @R@/etc/nudge/nudge.yaml
mkdir -p -m 0700 @R@/var/lib/nudge @R@/var/backups/nudge
systemctl start nudged
"""


def build(to, version=None):
    words = [str(ROOT / "deploy" / "package"), "--from", os.environ["NUDGE_BUILD"], "--to", str(to), *(["--version", version] if version else [])]
    ran = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "NUDGE_PACKAGE_COMPRESSION": "none"})
    assert ran.returncode == 0, ran.stderr
    return pathlib.Path(ran.stdout.strip())


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="nudge-package-")
        cls.package = build(cls.folder)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def test_lintian_has_no_complaint(self):
        ran = subprocess.run(["lintian", "--fail-on", "error,warning", "--suppress-tags", "uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball", str(self.package)], capture_output=True, text=True)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_what_is_in_it(self):
        listed = subprocess.run(["dpkg-deb", "--contents", str(self.package)], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 5) for line in listed.splitlines()]
        modes = {row[5].removeprefix("."): row[0] for row in rows}
        self.assertEqual({row[1] for row in rows}, {"root/root"})
        for path, mode in modes.items():
            self.assertFalse(mode[8] == "w" or "s" in mode.lower().split(" ")[0][1:], (path, mode))
        for path in ("/usr/bin/nudged", "/usr/bin/nudge", "/usr/bin/nudge-connector", "/usr/lib/nudge/connectors/maildrop.so", "/usr/lib/nudge/connectors/smtp.so",
                     "/lib/systemd/system/nudged.service", "/lib/systemd/system/nudge-backup.timer", "/etc/nudge/nudge.yaml", "/usr/share/nudge/grafana/nudge.json",
                     "/usr/share/nudge/prometheus/nudge.rules.yaml", "/usr/share/nudge/packs/dormant-return/rules", "/usr/share/doc/nudge/production.md",
                     "/usr/share/man/man1/nudged.1.gz"):
            self.assertIn(path, {p.rstrip("/") for p in modes})
        control = subprocess.run(["dpkg-deb", "--field", str(self.package)], capture_output=True, text=True, check=True).stdout
        self.assertRegex(control, r"Depends: .*librocksdb7\.8.*")
        self.assertNotIn("@", re.sub(r"<.*@.*>", "", control))
        # The version of the package is the one that the programs say.
        version = re.search(r"Version: (\S+)", control)[1]
        self.assertIn(version, (ROOT / "CMakeLists.txt").read_text())

    def test_the_same_tree_gives_the_same_package(self):
        again = build(self.folder + "/again")
        self.assertEqual(self.package.read_bytes(), again.read_bytes())

    def test_each_step_of_the_document(self):
        home = tempfile.mkdtemp(prefix="nudge-steps-")
        self.addCleanup(shutil.rmtree, home, True)
        os.makedirs(home + "/shims")
        for name, text in (("systemctl", SYSTEMCTL), ("apt-get", APT_GET), ("chown", "#!/bin/sh\nexit 0\n")):
            path = pathlib.Path(home, "shims", name)
            path.write_text(text.replace("@R@", home).replace("@AS@", "exec" if name != "systemctl" else ""))
            path.chmod(0o755)
        shutil.copy(self.package, home)
        environment = {"PATH": f"{home}/shims:{home}/usr/bin:{os.environ['PATH']}", "HOME": home, "LANG": "C.UTF-8"}
        self.addCleanup(lambda: subprocess.run([home + "/shims/systemctl", "stop", "nudged"], capture_output=True, env=environment))

        def step(name, script):
            if name == "remove":
                self.assertEqual(oct(os.stat(home + "/var/lib/nudge").st_mode & 0o777), "0o700")
            return run(at(home, script), environment, home)

        follow(step)

    def test_it_starts_where_the_unit_lets_it(self):
        """The unit's filter of system calls takes capset() away; whoever has no capabilities needs none of it."""
        with tempfile.TemporaryDirectory(prefix="nudge-filter-") as home:
            os.chmod(home, 0o755)
            for name in ("rules", "schemas"):
                os.mkdir(f"{home}/{name}", 0o755)
            for as_nobody, expected in ((True, 0), (False, 1)):
                if not as_nobody and os.geteuid() != 0:
                    continue  # it has no capabilities either way
                ran = subprocess.run([os.environ["NUDGE_BUILD"] + "/daemon/app/nudged", "--dry-run"], cwd=home, capture_output=True, text=True, preexec_fn=lambda who=as_nobody: without_capset(who))
                if "Permission denied" in ran.stderr and as_nobody:
                    self.skipTest("the build lies where an ordinary user may not look")
                self.assertEqual(ran.returncode, expected, ran.stdout + ran.stderr)
                self.assertEqual("the kernel refuses to give up capabilities" in ran.stderr, not as_nobody)

    def test_systemd_is_told_when_it_is_ready(self):
        with tempfile.TemporaryDirectory(prefix="nudge-notify-") as home:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            listener.bind(home + "/notify")
            listener.settimeout(30)
            os.makedirs(home + "/rules")
            os.makedirs(home + "/schemas")
            daemon = subprocess.Popen([os.environ["NUDGE_BUILD"] + "/daemon/app/nudged", "--set", "http.port=0"], cwd=home, env={**os.environ, "NOTIFY_SOCKET": home + "/notify"},
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                self.assertIn("READY=1", listener.recv(1000).decode())
                daemon.terminate()
                self.assertEqual(listener.recv(1000).decode(), "STOPPING=1")
                self.assertEqual(daemon.wait(30), 0)
            finally:
                daemon.kill()
                daemon.wait()
                listener.close()

    def test_the_units_give_little_away(self):
        for unit, most in (("nudged.service", 2.0), ("nudge-backup.service", 2.0)):
            ran = subprocess.run(["systemd-analyze", "security", "--offline=true", str(ROOT / "deploy" / "systemd" / unit)], capture_output=True, text=True)
            level = re.search(r"Overall exposure level for \S+: ([\d.]+)", ran.stdout)
            self.assertTrue(level, ran.stdout + ran.stderr)
            self.assertLess(float(level[1]), most, ran.stdout)
        units = [str(p) for p in sorted((ROOT / "deploy" / "systemd").iterdir())]
        ran = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", *units], capture_output=True, text=True)
        complaints = [line for line in ran.stderr.splitlines() if not re.search(r"is not executable|No such file|Failed to (prepare|open|load)|Unit .* not found", line)]
        self.assertEqual(complaints, [])


def without_capset(as_nobody):
    """In the child: as a user without rights, and with a filter that answers capset() with EPERM."""
    import ctypes
    import struct

    if as_nobody and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    number = {"x86_64": 126, "aarch64": 91}[os.uname().machine]
    # load the number; capset? then errno EPERM, else allow
    program = b"".join(struct.pack("HBBI", *line) for line in ((0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)))
    text = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", 4, ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.create_string_buffer(header, len(header)), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the filter of system calls can't be set")


def at(home, script):
    """The script with the places of the document moved below `home`."""
    for place in PLACES:
        script = script.replace(place, home + place)
    return script


def follow(do):
    """Every step of the document, and what must come of it."""
    names = []
    for name, script in steps():
        said = do(name, script)
        for word in EXPECTED[name]:
            assert word in said, f"step `{name}` did not say `{word}`:\n{said}"
        names.append(name)
    assert sorted(names) == sorted(EXPECTED), names


def in_chroot(mirror):
    folder = tempfile.mkdtemp(prefix="nudge-chroot-")
    root = folder + "/debian"
    inside = ["chroot", root, "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive", "LANG=C.UTF-8"]
    try:
        subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates,curl,openssl,procps", "bookworm", root, *([mirror] if mirror else [])], check=True, stdout=subprocess.DEVNULL)
        for kind, place in (("proc", "/proc"), ("devtmpfs", "/dev")):
            subprocess.run(["mount", "-t", kind, kind, root + place], check=True)
        for name in ("/etc/apt/sources.list", "/etc/apt/apt.conf.d", "/etc/apt/sources.list.d", "/etc/resolv.conf", "/etc/hosts"):  # the mirror as this machine reaches it
            if os.path.isdir(name):
                shutil.copytree(name, root + name, dirs_exist_ok=True)
            elif os.path.exists(name):
                shutil.copy(name, root + name)
        print("chroot: Debian is there")
        first, second = build(folder), build(folder, "0.1.0+next")
        pathlib.Path(root + "/usr/local/bin/systemctl").write_text(SYSTEMCTL.replace("@R@", "").replace("@AS@", "runuser -u nudge --preserve-environment --"))
        os.chmod(root + "/usr/local/bin/systemctl", 0o755)
        run("apt-get update", None, "/", inside)

        def step(name, script):
            if name == "upgrade":
                os.remove(f"{root}/root/{first.name}")
                shutil.copy(second, root + "/root")
            if "apt-get install" in script:
                if name == "install":
                    shutil.copy(first, root + "/root")
                    script = script.replace("nudge --local", "systemctl start nudged\nnudge --local", 1)  # there is no systemd that the package could ask
                else:
                    script = script.replace("nudge_*.deb\n", "nudge_*.deb\nsystemctl restart nudged\n")
            if name == "remove":
                owner = run("stat -c '%U %a' /var/lib/nudge /etc/nudge /var/backups/nudge; ps -o user= -p $(pgrep -P $(cat /run/nudged.pid) -x nudged || cat /run/nudged.pid)", None, "/", inside)
                assert owner.split() == ["nudge", "700", "root", "750", "nudge", "700", "nudge"], owner
                # Without systemd the package can't stop it; and removed it leaves what is somebody's.
                script = script.replace("apt-get remove", "systemctl stop nudged\napt-get remove").replace("apt-get purge", "test ! -e /usr/bin/nudged; test -d /var/lib/nudge; test -f /etc/nudge/nudge.yaml\napt-get purge")
            said = run("cd /root\n" + script, None, "/", inside)
            print(f"chroot: {name}: ok")
            return said

        follow(step)
        run("test ! -e /usr/bin/nudged; test ! -e /var/lib/nudge; test ! -e /etc/default/nudged; test ! -e /etc/nudge/nudge.yaml; test -d /var/backups/nudge; ! dpkg -s nudge 2>/dev/null", None, "/", inside)
        left = run("find / -xdev -name '*nudge*' -not -path '/root/*' -not -path '/var/backups/*' -not -path '/proc/*' -not -path '/var/lib/apt/*' -not -path '/var/log/*'", None, "/", inside).split()
        print("chroot: removed and purged; left:", " ".join(sorted(left)) or "nothing")
    finally:
        for place in ("/proc", "/dev"):
            subprocess.run(["umount", "-l", root + place], capture_output=True)
        # /dev in there is the machine's own: never to be deleted through the mount.
        if not any(os.path.ismount(root + place) for place in ("/proc", "/dev")):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--chroot"]:
        in_chroot(sys.argv[2] if len(sys.argv) > 2 else "")
    else:
        unittest.main(verbosity=1)
