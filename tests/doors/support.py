"""Installs the client libraries that package-lock.json and requirements.txt pin, once for a build directory."""
import hashlib
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77
UNREACHABLE = ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT", "ECONNRESET", "ENETUNREACH", "ERR_SOCKET_TIMEOUT", "ENOTCACHED",
               "NewConnectionError", "Max retries exceeded", "Temporary failure in name resolution", "Could not find a version", "ReadTimeoutError")


def skip(why):
    print(f"skipped: {why}; the first run needs the registries of npm and PyPI")
    sys.exit(SKIPPED)


def run(command, folder, what):
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if ran.returncode == 0:
        return
    if any(word in ran.stderr + ran.stdout for word in UNREACHABLE):
        skip(f"the registry of {what} cannot be reached")
    sys.exit(ran.stdout + ran.stderr)


def marked(folder, name):
    """Whether this content of the lock file is installed, and the file that says so."""
    digest = hashlib.sha256((HERE / name).read_bytes()).hexdigest()
    mark = folder / (name + ".installed")
    return mark.is_file() and mark.read_text() == digest, mark, digest


def install_node(folder):
    """The folder to run node in."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            skip(f"there is no {tool} (deploy/setup installs it)")
    folder.mkdir(parents=True, exist_ok=True)
    done, mark, digest = marked(folder, "package-lock.json")
    if not done:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder / name)
        # Not `npm ci`: the lock file leaves out optional parts of other platforms, which it would miss.
        run(["npm", "install", "--no-save", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--fetch-retries=1"], folder, "npm")
        mark.write_text(digest)
    for script in HERE.glob("*.cjs"):  # node looks for packages from where the script lies
        shutil.copy(script, folder / script.name)
    return folder


def install_python(folder):
    """The interpreter that has the packages."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "venv" / "bin" / "python"
    done, mark, digest = marked(folder, "requirements.txt")
    if done and python.is_file():
        return python
    run([sys.executable, "-m", "venv", str(folder / "venv")], folder, "PyPI")
    run([str(python), "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check", "--retries", "1", "-r", str(HERE / "requirements.txt")],
        folder, "PyPI")
    mark.write_text(digest)
    return python
