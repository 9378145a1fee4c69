"""The same questions, asked of a real nudged: data goes in through `nudge import`, answers come from `nudge segment --at --ids`."""
import pathlib
import shutil
import subprocess
import tempfile
import time

START_S = 60


class Online:
    def __init__(self, nudge, nudged, folder, files):
        self.nudge, self.nudged, self.folder, self.files = nudge, nudged, folder, files
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="nudge-data-"))
        self.url, self.process, self.cache = None, None, {}

    def __enter__(self):
        try:
            self.start()
            for file, mapping in self.files:
                self.load(file, mapping)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self):
        with open(self.home / "log", "wb") as log:
            self.process = subprocess.Popen([self.nudged, "--set", f"data_dir={self.home / 'data'}", "--set", f"schemas_dir={self.folder / 'schemas'}",
                                             "--set", f"rules_dirs={self.folder / 'rules'}", "--set", "http.port=0"], stdout=log, stderr=log)
        began = time.monotonic()
        while time.monotonic() - began < START_S:
            if self.process.poll() is not None:
                break
            for line in (self.home / "log").read_text(errors="replace").splitlines():
                if "http://" in line:
                    self.url = "http://" + line.split("http://", 1)[1].split()[0].strip('",\'')
                    if self.ask("status", ok=False) is not None:
                        return
            time.sleep(0.05)
        raise SystemExit("nudged did not start:\n" + (self.home / "log").read_text(errors="replace"))

    def ask(self, *args, ok=True):
        done = subprocess.run([self.nudge, "--url", self.url, *args], capture_output=True, text=True)
        if done.returncode != 0:
            if not ok:
                return None
            raise SystemExit(f"nudge {' '.join(args)} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
        return done.stdout

    def load(self, file, mapping):
        """Twice: the second time everything must be known already, or the import could not be resumed."""
        import json
        for again in (False, True):
            began = time.monotonic()
            done = json.loads(self.ask("-o", "json", "import", str(file), "--mapping", str(self.folder / mapping), "--schemas", str(self.folder / "schemas")))
            kinds = {k: done[k] for k in ("stored", "duplicate", "conflict", "quarantined", "problems")}
            wrong = kinds["conflict"] or kinds["quarantined"] or kinds["problems"] or (kinds["stored"] if again else kinds["duplicate"])
            if wrong or kinds["stored"] + kinds["duplicate"] == 0:
                raise SystemExit(f"import of {file} ({'again' if again else 'first'}): {done}")
            print(f"imported {file.name}{' again' if again else ''}: {done['rows']} rows, {kinds} in {time.monotonic() - began:.1f} s", flush=True)

    def segments(self):
        import json
        return {s["name"] for s in json.loads(self.ask("-o", "json", "segments"))["segments"]}

    def members(self, segment, at):
        at = "2021-01-01" if at == "all" else at
        if (segment, at) not in self.cache:
            self.cache[segment, at] = self.ask("segment", segment, "--at", at, "--ids").splitlines()
        return self.cache[segment, at]
