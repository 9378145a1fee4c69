"""What the commands of this folder share: a bare Debian 12 made here, and images and containers in a folder of their own. Nothing outside of it is touched."""
import os
import pathlib
import resource
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = "docker.io/library/debian:12-slim"


def skip(why):
    print(f"SKIP: {why}", file=sys.stderr)
    sys.exit(77)


def can_overlay(folder):
    """Layers upon each other, or else (inside another container, say) a copy of the image for each container, which takes minutes in all."""
    for name in ("lower", "upper", "work", "merged"):
        (folder / "try" / name).mkdir(parents=True)
    at = folder / "try"
    mounted = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={at}/lower,upperdir={at}/upper,workdir={at}/work", str(at / "merged")], capture_output=True).returncode == 0
    if mounted:
        subprocess.run(["umount", str(at / "merged")], check=True)
    return mounted


class Images:
    """Where images and containers are kept, and the words by which buildah and podman find them there."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        storage = ["--root", str(self.folder / "images"), "--runroot", str(self.folder / "run"), "--storage-driver", "overlay" if can_overlay(self.folder) else "vfs"]
        runtime = ["--runtime", "runc"] if shutil.which("runc") else []
        # Where there is no systemd the cgroups are made by hand.
        manager = [] if os.path.isdir("/run/systemd/system") else ["--cgroup-manager", "cgroupfs"]
        self.buildah = ["buildah", *storage]
        self.podman = ["podman", *storage, "--tmpdir", str(self.folder / "tmp"), *runtime, *manager, "--events-backend", "file"]
        # Podman would raise the limits of a container, which not every machine allows.
        self.limits = [f"--ulimit={name}={min(resource.getrlimit(kind)[1] % (1 << 64), 8192)}" for name, kind in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))]

    @staticmethod
    def without_noise(said):
        """Podman has a timer of systemd make the health checks; without systemd it says so each time, and they are made by the tests."""
        return "".join(line for line in said.splitlines(True) if "unable to get systemd connection" not in line)

    def remove(self):
        subprocess.run([*self.podman, "rm", "--all", "--force", "--time", "5"], capture_output=True)
        # What a build that was interrupted left mounted: below this folder, and innermost first.
        below = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines() if line.split()[1].startswith(f"{self.folder}/")]
        ended = [subprocess.run(["umount", place], capture_output=True).returncode for place in sorted(below, key=len, reverse=True)]
        if not any(ended):
            shutil.rmtree(self.folder, ignore_errors=True)


def make_base(folder):
    """A tar of a bare Debian 12, with this machine's way to its packages."""
    root = folder / "debian"
    subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(root)], check=True, stdout=subprocess.DEVNULL)
    for name in ("/etc/apt/sources.list", "/etc/apt/apt.conf.d", "/etc/apt/sources.list.d"):
        if os.path.isdir(name):
            shutil.copytree(name, str(root) + name, dirs_exist_ok=True)
        elif os.path.exists(name):
            shutil.copy(name, str(root) + name)
        elif name == "/etc/apt/sources.list" and os.path.isdir("/etc/apt/sources.list.d"):
            os.remove(str(root) + name)
    made = folder / "base.tar"
    subprocess.run(["tar", "-C", str(root), "-cf", str(made), "--exclude=./dev/*", "--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*", "."], check=True)
    shutil.rmtree(root)
    return made
