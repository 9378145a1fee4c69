"""The same job on PostgreSQL, for `tests/bench/run --peer postgres`: insert the event, then one compiled query that says which rules match its customer, then the
actions of those that did not match before; all of it on disk before the answer.

A cluster of its own in a temporary directory, on a Unix socket alone. All rules become one statement: one aggregate with a FILTER for each distinct window, over
the customer's events by an index on (customer, time). It is prepared once (PL/pgSQL keeps its plan), so no SQL is parsed per event; JIT is off, because compiling
it takes longer than running it. What PostgreSQL does not do here, and nudged does: rules that turn true by time alone, finding repeated events, explanations.
The history before the measured events is loaded by COPY, which is not part of the figures. At the end the matches of all customers must be the known ones.
"""
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DAY = 86_400_000
MOST_AGGREGATES = 1500  # of one SELECT
FIELDS = ("path", "amount", "sku", "channel", "severity")


def programs():
    """The folder of the newest PostgreSQL, or the end with the way out."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name) if p.parent.name.isdigit() else 0)
    for folder in reversed(found):
        if all((folder / name).exists() for name in ("initdb", "postgres", "psql", "pgbench")):
            return folder
    sys.exit("bench: --peer postgres needs PostgreSQL's server and pgbench, and they are not installed. On Debian: apt-get install postgresql")


class Cluster:
    """A PostgreSQL of one's own. It refuses to run as root, so then it runs as the user `postgres`."""

    def __init__(self):
        self.bin = programs()
        self.user = None
        self.directory = Path(tempfile.mkdtemp(prefix="nudge-peer-"))
        if os.geteuid() == 0:
            try:
                self.user = pwd.getpwnam("postgres")
            except KeyError:
                sys.exit("bench: run as root, --peer postgres needs the user `postgres` (the package postgresql makes it)")
            os.chown(self.directory, self.user.pw_uid, self.user.pw_gid)
        self.data = self.directory / "data"
        self.server = None
        self.run("initdb", "-D", self.data, "-U", "bench", "-A", "trust", "--no-locale", "-E", "UTF8", quiet=True)
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"listen_addresses = ''\nunix_socket_directories = '{self.directory}'\nshared_buffers = 1GB\nwork_mem = 64MB\n"
                       "maintenance_work_mem = 256MB\nmax_wal_size = 4GB\nsynchronous_commit = on\nfsync = on\njit = off\nmax_parallel_workers_per_gather = 0\n"
                       "autovacuum = on\nmax_stack_depth = 6MB\n")
        self.log = open(self.directory / "log", "wb")
        self.server = subprocess.Popen([str(self.bin / "postgres"), "-D", str(self.data)], stdout=self.log, stderr=self.log, **self.as_user())
        for _ in range(300):
            if subprocess.run([str(self.bin / "psql"), *self.where(), "-c", "SELECT 1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
                return
            if self.server.poll() is not None:
                break
            time.sleep(0.1)
        text = (self.directory / "log").read_text(errors="replace")[-1500:]
        self.close()
        sys.exit(f"bench: PostgreSQL did not start: {text}")

    def as_user(self):
        return {} if self.user is None else {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": [], "cwd": "/"}

    def where(self):
        return ["-h", str(self.directory), "-U", "bench", "-d", "postgres"]

    def run(self, program, *args, quiet=False, stdin=None):
        done = subprocess.run([str(self.bin / program), *map(str, args)], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              **self.as_user())
        if done.returncode != 0:
            text = done.stderr.decode(errors="replace")[-1500:]
            self.close()
            sys.exit(f"bench: {program} failed: {text}")
        return "" if quiet else done.stdout.decode()

    def sql(self, text):
        path = self.directory / "statement.sql"
        path.write_text(text)
        path.chmod(0o644)
        return self.run("psql", *self.where(), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", path).strip()

    def copy(self, table, lines):
        command = [str(self.bin / "psql"), *self.where(), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", f"COPY {table} FROM STDIN"]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as feed:
            for line in lines:
                feed.stdin.write(line.encode())
            feed.stdin.close()
            if feed.wait() != 0:
                self.close()
                sys.exit(f"bench: COPY into {table} failed")

    def pgbench(self, script, clients, transactions):
        """Transactions a second."""
        path = self.directory / "script.sql"
        path.write_text(script)
        path.chmod(0o644)
        out = self.run("pgbench", *self.where()[:4], "-n", "-M", "prepared", "-c", clients, "-j", 1, "-t", transactions, "-f", path, "postgres")
        return float(next(line for line in out.splitlines() if line.startswith("tps =")).split()[2])

    def close(self):
        if self.server is not None and self.server.poll() is None:
            self.server.terminate()
            self.server.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


# --- the rules as one statement


def literal(value):
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def attribute_sql(node):
    column = f"c.{node['attr']}"
    if node["cmp"] == "in":
        return f"{column} IN ({', '.join(literal(v) for v in node['value'])})"
    return f"{column} {dict(eq='=', gte='>=', lte='<=')[node['cmp']]} {literal(node['value'])}"


def aggregate_sql(node):
    """One aggregate over the rows of a customer, `at` being now."""
    conditions = [f"e.type = {literal(node['event'])}", f"e.ts > at - {node['windowDays'] * DAY}::bigint"]
    conditions += [f"e.{w['field']} {dict(eq='=', gte='>=')[w['cmp']]} {literal(w['value'])}" for w in node["where"]]
    what = {"count": "count(*)", "sum": "coalesce(sum(e.{0}) {1}, 0)", "avg": "avg(e.{0})", "min": "min(e.{0})", "max": "max(e.{0})",
            "distinct": "count(DISTINCT e.{0})"}[node["agg"]]
    chosen = f"FILTER (WHERE {' AND '.join(conditions)})"
    if "{1}" in what:
        return what.format(node["field"], chosen)
    return f"{what.format(node.get('field'))} {chosen}"


def condition_sql(node, aggregates):
    if "op" in node:
        parts = [condition_sql(a, aggregates) for a in node["args"]]
        if node["op"] == "not":
            return f"NOT coalesce({parts[0]}, false)"
        return "(" + f" {node['op'].upper()} ".join(parts) + ")"
    if "attr" in node:
        return attribute_sql(node)
    column = aggregates.setdefault(aggregate_sql(node), f"a{len(aggregates)}")
    return f"w.{column} {dict(gte='>=', lte='<=')[node['cmp']]} {node['value']}"


def matching_sql(rules):
    """The list of the numbers of the rules that match customer `who` at `at`."""
    aggregates = {}
    cases = [f"CASE WHEN {condition_sql(rule['when'], aggregates)} THEN {i} END" for i, rule in enumerate(rules)]
    if len(aggregates) > MOST_AGGREGATES:
        sys.exit(f"bench: {len(aggregates)} different aggregates are more than one statement of PostgreSQL takes ({MOST_AGGREGATES}); use fewer rules")
    chosen = ", ".join(f"{sql} AS {name}" for sql, name in aggregates.items())
    return (f"SELECT array_remove(ARRAY[{', '.join(cases)}]::int[], NULL) FROM (SELECT {chosen} FROM events e WHERE e.customer = who AND e.ts > at - {90 * DAY}::bigint "
            "AND e.ts <= at) w, customers c WHERE c.customer = who")


def setup_sql(rules):
    matching = matching_sql(rules)
    columns = "customer, ts, type, path, amount, sku, channel, severity"
    types = "customer int NOT NULL, ts bigint NOT NULL, type text NOT NULL, path text, amount numeric, sku text, channel text, severity int"
    return f"""
CREATE TABLE customers (customer int PRIMARY KEY, region text, tier text, age int, industry text, owner text);
CREATE TABLE events ({types});
CREATE TABLE incoming (seq bigint PRIMARY KEY, {types});
CREATE TABLE members (customer int PRIMARY KEY, rules int[] NOT NULL);
CREATE TABLE actions (id bigserial PRIMARY KEY, rule int NOT NULL, customer int NOT NULL, at bigint NOT NULL);
CREATE SEQUENCE next_event MINVALUE 0 START 0;
CREATE FUNCTION matching(who int, at bigint) RETURNS int[] LANGUAGE plpgsql STABLE AS $$
BEGIN RETURN ({matching}); END $$;
CREATE FUNCTION take() RETURNS void LANGUAGE plpgsql AS $$
DECLARE number bigint := nextval('next_event'); one incoming%ROWTYPE; now_in int[]; was_in int[];
BEGIN
  SELECT * INTO STRICT one FROM incoming WHERE seq = number;
  INSERT INTO events ({columns}) VALUES (one.customer, one.ts, one.type, one.path, one.amount, one.sku, one.channel, one.severity);
  now_in := matching(one.customer, one.ts);
  SELECT rules INTO was_in FROM members WHERE customer = one.customer;
  IF now_in IS DISTINCT FROM was_in THEN
    INSERT INTO members VALUES (one.customer, now_in) ON CONFLICT (customer) DO UPDATE SET rules = excluded.rules;
    INSERT INTO actions (rule, customer, at) SELECT r, one.customer, one.ts FROM unnest(now_in) r WHERE r <> ALL (coalesce(was_in, '{{}}'));
  END IF;
END $$;
CREATE FUNCTION take_many(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN FOR i IN 1..n LOOP PERFORM take(); END LOOP; END $$;
"""


# --- the run


def event_row(line):
    event = json.loads(line)
    moment = event["ts"]
    seconds = time_of(moment[:19])
    data = event["data"]
    cells = [str(int(event["customer"][1:])), str(seconds * 1000 + int(moment[20:23])), event["type"]]
    return "\t".join(cells + [str(data[f]) if f in data else "\\N" for f in FIELDS]) + "\n"


def time_of(text, cache={}):  # noqa: B006: the cache of the second before
    if text not in cache:
        cache.clear()
        cache[text] = int(time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))) - time.timezone
    return cache[text]


def customer_rows(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            customer = json.loads(line)
            a = customer["attributes"]
            yield "\t".join((str(int(customer["customer"][1:])), a["region"], a["tier"], str(a["age"]), a["industry"], a["owner"])) + "\n"


def measure(customers, events, rules, live, end, known):
    """Figures of one run. `events`: the workload's NDJSON; the last `live` of them are measured, the rest is history."""
    cluster = Cluster()
    try:
        cluster.sql(setup_sql(rules))
        cluster.copy("customers", customer_rows(customers))
        with open(events, encoding="utf-8") as lines:
            total = sum(1 for _ in lines)
        live = min(live, total)
        with open(events, encoding="utf-8") as lines:
            cluster.copy("events", (event_row(next(lines)) for _ in range(total - live)))
            cluster.copy("incoming", (f"{i}\t" + event_row(line) for i, line in enumerate(lines)))
        cluster.sql("CREATE INDEX ON events (customer, ts); ANALYZE; CHECKPOINT;")
        # A tenth of them one by one over four connections, as nudged's single events; the rest in transactions of 500.
        singles = live // 40 * 4
        per_single = cluster.pgbench("SELECT take();\n", 4, singles // 4)
        many = (live - singles) // 500
        per_batch = cluster.pgbench("SELECT take_many(500);\n", 1, many) if many > 0 else 0
        left = live - singles - many * 500
        if left > 0:
            cluster.sql(f"SELECT take_many({left});")
        stored = int(cluster.sql("SELECT count(*) FROM events"))
        if stored != total:
            sys.exit(f"bench: WRONG: PostgreSQL has {stored} events of {total}")
        matches = int(cluster.sql(f"SELECT coalesce(sum(cardinality(matching(customer, {end}::bigint))), 0) FROM customers"))
        if known is not None and matches != known:
            sys.exit(f"bench: WRONG: PostgreSQL finds {matches} matches, the known answer is {known}")
        size = int(cluster.sql("SELECT pg_database_size('postgres')"))
        return {"singles_per_s": per_single, "events_per_s": per_batch * 500, "matches": matches, "disk_per_event": size / total,
                "actions": int(cluster.sql("SELECT count(*) FROM actions"))}
    finally:
        cluster.close()
