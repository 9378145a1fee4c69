#!/usr/bin/env python3
"""The console of a real nudged in a real headless Chromium. NUDGED=path/to/nudged; console_test.py DIRECTORY NAME [--long] runs NAME.mjs with
packages installed in DIRECTORY: day, pages, or many (which measures tables of 100,000 customers, and judges nothing). Exit code 77
(skipped) when Chromium, node or npm's registry are missing, or nudged has no console."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e" / "daemon"))
from harness import RULES, Daemon  # noqa: E402
import world  # noqa: E402


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def packages(folder):
    """Installs what the scripts import, once per content of the lock file, and puts the scripts beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    mark = folder / "installed"
    if not (mark.is_file() and mark.read_text() == digest):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder / name)
        # Not `npm ci`: the lock file leaves out optional parts of other platforms, which it would miss.
        ran = subprocess.run(["npm", "install", "--no-save", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--fetch-retries=1"],
                             cwd=folder, capture_output=True, text=True)
        if ran.returncode != 0:
            if any(word in ran.stderr for word in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT")):
                skip("the registry of npm cannot be reached")
            sys.exit(ran.stdout + ran.stderr)
        mark.write_text(digest)
    for script in HERE.glob("*.mjs"):  # node looks for packages from where the script lies
        shutil.copy(script, folder / script.name)


def main():
    folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    for tool, found in (("chromium", chromium), ("node", shutil.which("node")), ("npm", shutil.which("npm"))):
        if not found:
            skip(f"there is no {tool} (deploy/setup installs it)")
    environment = {**os.environ, "CHROMIUM": chromium, "NUDGE_SHORT": "0" if "--long" in sys.argv else "1"}
    if name == "day":  # with people of its own, and days that pass
        marketing, secrets = world.Marketing(), tempfile.mkdtemp(prefix="nudge-console-")
        daemon = Daemon(rules=world.rules(), catalog=world.catalog(), config=world.config(marketing, secrets))
        clock = world.Clock(daemon.home)
        daemon.environment = {"LD_PRELOAD": os.environ["SHIFTED_CLOCK_SO"], "SHIFTED_CLOCK": clock.path}
        environment |= {"MARKETING_URL": marketing.url, "CLOCK_FILE": clock.path, "PASSWORD": world.PASSWORD}
    else:
        daemon = Daemon(rules=RULES + world.FUNNELS)
    try:
        daemon.start()
        url = f"http://127.0.0.1:{daemon.port}"
        try:
            urllib.request.urlopen(url + "/console/icon.svg").close()
        except urllib.error.HTTPError:
            skip("this nudged was built without the console (NUDGE_CONSOLE=OFF)")
        packages(folder)
        if name == "day":
            world.make_accounts(daemon)
        environment["NUDGE_URL"] = url
        ran = subprocess.run(["node", str(folder / f"{name}.mjs")], env=environment)
        if ran.returncode != 0:
            print(daemon.text_log()[-3000:])
        return ran.returncode
    finally:
        daemon.close()
        if name == "day":
            shutil.rmtree(secrets)


if __name__ == "__main__":
    sys.exit(main())
