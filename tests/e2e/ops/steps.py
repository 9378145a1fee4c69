"""The steps of docs/production.md, run as they stand there: in an unpacked package with stand-ins for apt-get and systemctl, in a real Debian in a chroot, or on one with
systemd (tests/deploy/machine)."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
PLACES = ["/etc/nudge", "/etc/default/nudged", "/var/lib/nudge", "/var/backups/nudge", "/usr/share/nudge"]

# What systemd does with the unit, as far as the steps ask for it. @R@ is where the package lies, @AS@ how to become the user nudge.
SYSTEMCTL = r"""#!/bin/bash
set -eu
unit=@R@/lib/systemd/system/nudged.service pid=@R@/run/nudged.pid
at_root() { sed 's|/usr/bin/|@R@/usr/bin/|g; s|/etc/nudge|@R@/etc/nudge|g'; }
command_of() { sed -n "s/^$1=//p" "$unit" | at_root; }
start() {
  set -a; . @R@/etc/default/nudged; NUDGE_HTTP_PORT=0; set +a
  mkdir -p @R@/run
  # Type=notify: it says when it is ready.
  rm -f @R@/var/lib/nudge/nudged.url
  @AS@ $(command_of ExecStart) </dev/null >@R@/run/nudged.out 2>&1 &
  echo $! >"$pid"
  for _ in $(seq 600); do
    [ -s @R@/var/lib/nudge/nudged.url ] && return 0
    kill -0 "$(cat "$pid")" || { cat @R@/run/nudged.out >&2; exit 1; }
    sleep 0.1
  done
  exit 1
}
stop() {
  [ -s "$pid" ] || return 0
  main=$(pgrep -P "$(cat "$pid")" -x nudged || cat "$pid")
  kill -TERM "$main"
  for _ in $(seq 600); do kill -0 "$main" 2>/dev/null || { rm -f "$pid"; return 0; }; sleep 0.1; done
  exit 1
}
case "$1 $2" in
  "start nudged") start ;;
  "stop nudged") stop ;;
  "restart nudged") stop; start ;;
  "reload nudged") kill -HUP "$(pgrep -P "$(cat "$pid")" -x nudged || cat "$pid")"; sleep 1 ;;
  *) echo "systemctl stand-in: $*" >&2; exit 1 ;;
esac
"""


def steps():
    """[(name, script)] in the order of the document."""
    text = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
    found = re.findall(r"<!-- step: ([\w -]+) -->\n```sh\n(.*?)```", text, re.S)
    boxes = text.count("```sh\n")
    assert boxes == len(found), f"{boxes - len(found)} boxes of docs/production.md have no step: they would not be run"
    return found


def run(script, environment, cwd, prefix=()):
    ran = subprocess.run([*prefix, "bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=300, env=environment, cwd=cwd)
    assert ran.returncode == 0, f"{script}\n--- ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout + ran.stderr


# What must have come of each step.
EXPECTED = {
    "install": ["ready   up"],
    "first rules": ["configuration, catalog and rules are good", "dormant-return"],
    "credentials": ['"status":"stored"'],
    "tls": ["ready   up"],
    "doctor": ["the books add up", "no backup was ever made"],
    "backup": ["is whole"],
    "restore": ["login", "whole: "],
    "upgrade": ["ready   up", "there is a backup"],
    "remove": ["dormant-return.yaml", "backups"],
}
