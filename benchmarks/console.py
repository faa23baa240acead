"""How quick the console is with very many jobs and runs, and what it costs the dispatcher to have it busy.

    python benchmarks/console.py [--database sqlite|postgresql|all] [--jobs 100000] [--runs 1000000] [--json]

A real daemon with its console is started in a scratch folder, on a database that is filled before. Absolute
figures depend on the machine; each page stands beside the smallest one (/healthz), and the drains beside each
other, all from the same run.

- pages and API: each is asked one after the other by one client that keeps its connection; the 95th percentile
- requests a second: of the page of jobs and of the API's list, by as many clients as there are processors
- drain: no-op tasks while nobody looks, and while browsers have the page of jobs open, which ask anew every
  `refresh_interval`, and Prometheus scrapes every five seconds; in turns, each beside the drain of its own round,
  the median of these ratios. Another line tells it for clients that ask as fast as they are answered. On a
  machine that does other things too the ratios vary by a third; the console's share of the processors does not

The clients run in a process of their own with the lowest priority: mostly they are other machines.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine import Daemon, Figures, cpu_seconds, report, span

PASSWORD = "a password of the benchmark"
BATCH = 10_000
REFRESH_SECONDS = 2.0
SCRAPE_SECONDS = 5.0
PARTS = "part_banners part_controls part_counts part_jobs"

PAGES = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/tasks",
    "/tasks?status=failed",
    "/tasks?text=page+4711",
    "/jobs/{job}",
    "/cron-entries",
    "/history",
    "/history?status=failed",
    "/history?task=task3&client=acme",
    "/history?error=nothing+holds+this",
    "/failures",
    "/nodes",
    "/api/v1/jobs",
    "/api/v1/jobs?status=finished&client=acme",
    "/api/v1/jobs/{job}",
    "/api/v1/runs",
    "/api/v1/runs?client=acme",
    "/api/v1/runs?error=nothing+holds+this",
    "/api/v1/clients",
    "/api/v1/nodes",
)


def fill(store: Any, jobs: int, runs: int) -> None:
    """None of the jobs can start: they are due later, have ended, or belong to a client without a login."""
    from sqlalchemy import insert

    from taskserver.database import schema

    now = datetime.now(UTC)
    clients = [1, store.clients.add("acme", login="acme")["id"], store.clients.add("asleep")["id"]]
    with store.database.write() as connection:
        for first in range(0, runs, BATCH):
            rows = [_run(number, clients, now, runs) for number in range(first, min(first + BATCH, runs))]
            connection.execute(insert(schema.runs), rows)
        for first in range(0, jobs, BATCH):
            rows = [_job(number, clients, now) for number in range(first, min(first + BATCH, jobs))]
            connection.execute(insert(schema.jobs), rows)
        if store.database.dialect.name == "sqlite":
            connection.exec_driver_sql(f"UPDATE settings SET value = '{runs + 1}' WHERE name = 'last_run_id'")
        else:
            connection.exec_driver_sql(f"SELECT setval('run_ids', {runs + 1})")
            connection.exec_driver_sql("ANALYZE")  # as its own vacuum would do after a while


def _run(number: int, clients: list[int], now: datetime, count: int) -> dict[str, Any]:
    ended = now - timedelta(seconds=count - number)
    failed = number % 50 == 0
    return {
        "id": number + 1,
        "job_id": 10_000_000 + number,
        "client_id": clients[number % 2],
        "task": f"task{number % 10}",
        "title": f"Scan page {number}",
        "data": {"path": f"/scans/of/some/book/{number}.tif"},
        "login": "acme",
        "node_id": "elsewhere",
        "attempt": 0,
        "due_at": ended - timedelta(seconds=9) if number % 4 == 0 else None,
        "waiting_since": ended - timedelta(seconds=8),
        "started_at": ended - timedelta(seconds=number % 7 + 1),
        "finished_at": ended,
        "status": "failed" if failed else "finished",
        "reason": "error" if failed else None,
        "result": None if failed else "done",
        "error": f"file {number % 97} is not there" if failed else None,
    }


def _job(number: int, clients: list[int], now: datetime) -> dict[str, Any]:
    kind = ("later", "later", "asleep", "finished", "finished", "failed", "stopped")[number % 7]
    ended = kind in ("finished", "failed", "stopped")
    return {
        "client_id": clients[2] if kind == "asleep" else clients[number % 2],
        "task": f"task{number % 10}",
        "type": "once",
        "title": f"Scan page {number}",
        "description": "",
        "data": {"path": f"/scans/of/some/book/{number}.tif"},
        "active": True,
        "priority": 0,
        "position": number,
        "status": kind if ended else "waiting",
        "ready": 1 if kind == "asleep" else None,
        "next_run_at": now + timedelta(days=300) if kind == "later" else None,
        "lane": "",
        "attempt": 0,
        "crashes": 0,
        "ended_at": now - timedelta(seconds=number % 80_000) if ended else None,
        "error": "a file is not there" if kind == "failed" else None,
        "created_at": now - timedelta(days=1),
        "created_by": "",
    }


class Visitor:
    """One client with one connection: a browser that has signed in, or a program with a token."""

    def __init__(self, port: int, *, token: str | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.headers: dict[str, str] = {} if token is None else {"Authorization": f"Bearer {token}"}

    def sign_in(self) -> None:
        page, headers = self._ask("GET", "/login")
        cookie = headers["set-cookie"].partition(";")[0]
        found = re.search(rb'name="csrf_token" value="([^"]+)"', page)
        assert found
        body = f"csrf_token={found[1].decode()}&name=anna&password={PASSWORD.replace(' ', '+')}"
        form = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        _, headers = self._ask("POST", "/login", body, form, expected=303)
        cookies = [value for name, value in headers.items() if name.lower() == "set-cookie"]
        self.headers["Cookie"] = "; ".join(value.partition(";")[0] for value in cookies)

    def get(self, path: str, **headers: str) -> float:
        """Asks; seconds until the whole answer was there."""
        began = time.perf_counter()
        self._ask("GET", path, None, {**self.headers, **headers})
        return time.perf_counter() - began

    def _ask(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: dict[str, str] | None = None,
        *,
        expected: int = 200,
    ) -> tuple[bytes, Any]:
        self._connection.request(method, path, body, headers or {})
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != expected:
            raise SystemExit(f"{method} {path}: {response.status}\n{answer.decode()[:500]}")
        return answer, response.headers


def visitor_for(path: str, port: int, cookie: str, token: str) -> Visitor:
    programs = path.startswith(("/api/", "/metrics"))
    visitor = Visitor(port, token=token if programs else None)
    if not programs:
        visitor.headers["Cookie"] = cookie
    return visitor


def measure(figures: Figures, url: str, folder: Path, options: argparse.Namespace) -> None:
    from taskserver.store import Role, Store
    from taskserver.web.security.passwords import hashed
    from taskserver.web.security.tokens import new_token

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    Store.create_or_upgrade(url)
    token = new_token()
    with Store.open(url) as store:
        began = time.monotonic()
        fill(store, options.jobs, options.runs)
        figures.notes.append(f"Filled in {time.monotonic() - began:.0f} s.")
        store.users.add("anna", hashed(PASSWORD, name="anna"), role=Role.ADMINISTRATOR)
        store.tokens.add("bench", token.hash, prefix=token.prefix, role=Role.OPERATOR, client=None, created_by="x")
        daemon = Daemon(folder, url, os.cpu_count() or 1)
        console = (
            f'[task_server.console]\nenabled = true\nport = {port}\nrefresh_interval = "{REFRESH_SECONDS}s"\n'
        )
        daemon.configuration.write_text(daemon.configuration.read_text() + console)
        with daemon.running():
            browser = Visitor(port)
            browser.sign_in()
            cookie = browser.headers["Cookie"]
            if options.only != "drains":
                pages(figures, store, port, cookie, token.text, options.requests)
                rates(figures, port, cookie, token.text, options.seconds)
            if options.only != "pages":
                child = daemon.status()["console"]["pid"]
                drains(figures, store, port, cookie, token.text, child, options)


def pages(figures: Figures, store: Any, port: int, cookie: str, token: str, count: int) -> None:
    job = store.jobs.find(limit=1)[0]["id"]
    least = 0.0
    for template in PAGES:
        path = template.format(job=job)
        visitor = visitor_for(path, port, cookie, token)
        first = visitor.get(path)
        taken = sorted(visitor.get(path) * 1000 for _ in range(count))
        p95 = statistics.quantiles(taken, n=20)[-1]
        least = least or p95
        figures.add(f"p95 {template}", p95, "ms", least)
        figures.notes.append(f"{template}: first {first * 1000:.0f} ms, median {statistics.median(taken):.1f} ms.")


def rates(figures: Figures, port: int, cookie: str, token: str, seconds: float) -> None:
    count = os.cpu_count() or 1
    for path in ("/healthz", "/tasks", "/api/v1/jobs"):
        with crowd(port, cookie, token, [path] * count, pause=0.0) as told:
            time.sleep(seconds)
        figures.add(f"{path}, {count} clients", told()["count"] / seconds, "/s")


def drains(
    figures: Figures, store: Any, port: int, cookie: str, token: str, child: int, options: argparse.Namespace
) -> None:
    browsers = [f"/tasks#{number}" for number in range(options.browsers)]
    looks: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "alone": contextlib.nullcontext,
        "busy": lambda: crowd(port, cookie, token, [*browsers, "/metrics"], pause=REFRESH_SECONDS),
        "flooded": lambda: crowd(port, cookie, token, ["/tasks"] * (os.cpu_count() or 1), pause=0.0),
    }
    taken: dict[str, list[float]] = {name: [] for name in looks}
    used: dict[str, list[float]] = {name: [] for name in looks}
    drain(store, options.drain)  # the first after a start makes plans and fills caches
    for number in range(options.rounds):
        for name in sorted(looks, reverse=number % 2 == 1):  # what comes first has the quieter machine by chance
            with looks[name]():
                began, before = time.monotonic(), cpu_seconds(child)
                taken[name].append(drain(store, options.drain))
                used[name].append((cpu_seconds(child) - before) / (time.monotonic() - began))
    rate = {name: statistics.median(each) for name, each in taken.items()}
    figures.add("drain, nobody looks", rate["alone"], "jobs/s")
    for name, what, goal in (
        ("busy", f"drain, {options.browsers} browsers look", ">= 95 %"),
        ("flooded", "drain, asked as fast as it answers", "none"),
    ):
        ratios = [mine / alone for mine, alone in zip(taken[name], taken["alone"], strict=True)]
        share = 100 * statistics.median(used[name]) / (os.cpu_count() or 1)
        figures.add(
            f"processor time of the console, {name}", share, "%", goal="< 5 %" if name == "busy" else "none"
        )
        figures.add(what, statistics.median(ratios) * rate["alone"], "jobs/s", rate["alone"], goal=goal)
        figures.notes.append(
            f"{what}: beside the drain of its round {', '.join(f'{r:.0%}' for r in sorted(ratios))}."
        )


def drain(store: Any, count: int) -> float:
    """No-op jobs a second, beside all those that can't start."""
    from sqlalchemy import delete, func, select

    from taskserver.database.schema import jobs

    store.switches.set_autostart(False)
    ids = store.jobs.enqueue_many("noop", [{}] * count)
    mine = jobs.c.id.between(ids[0], ids[-1])
    store.switches.set_autostart(True)
    store.nodes.wake()
    deadline = time.monotonic() + 600
    while True:
        time.sleep(0.5)
        with store.database.read() as connection:
            left = connection.execute(select(func.count()).where(mine, jobs.c.status != "finished")).scalar_one()
        if not left:
            break
        if time.monotonic() > deadline:
            raise SystemExit(f"{left} jobs are left after ten minutes")
    began, ended = span(store, ids[0], ids[-1])
    with store.database.write() as connection:
        connection.execute(delete(jobs).where(mine))
    return count / (ended - began).total_seconds()


@contextlib.contextmanager
def crowd(port: int, cookie: str, token: str, paths: list[str], *, pause: float) -> Iterator[Any]:
    """Visitors in a process of their own while the block lasts; afterwards what they have to tell."""
    asked = json.dumps({"port": port, "cookie": cookie, "token": token, "paths": paths, "pause": pause})
    process = subprocess.Popen(
        [sys.executable, __file__, "--crowd"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    process.stdin.write(asked + "\n")
    process.stdin.flush()
    process.stdout.readline()  # they have begun
    told: dict[str, Any] = {}
    try:
        yield lambda: told
    finally:
        out, _ = process.communicate("\n", timeout=120)
        told |= json.loads(out)


def be_the_crowd() -> None:
    """The process of `crowd`: each visitor asks, rests, asks again, until a line comes."""
    os.nice(19)
    asked = json.loads(sys.stdin.readline())
    over = threading.Event()
    counts: list[int] = []

    def visit(path: str, number: int) -> None:
        path, _, _ = path.partition("#")
        visitor = visitor_for(path, asked["port"], asked["cookie"], asked["token"])
        pause = SCRAPE_SECONDS if path == "/metrics" and asked["pause"] else asked["pause"]
        parts = {"X-Part": PARTS} if asked["pause"] and path == "/tasks" else {}
        over.wait(pause * number / max(1, len(asked["paths"])))  # nobody opens twenty pages in one instant
        count = 0
        while not over.is_set():
            visitor.get(path, **parts)
            count += 1
            over.wait(pause)
        counts.append(count)

    threads = [threading.Thread(target=visit, args=(path, number)) for number, path in enumerate(asked["paths"])]
    for thread in threads:
        thread.start()
    print("begun", flush=True)
    sys.stdin.readline()
    over.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"count": sum(counts)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "all"], default="all")
    parser.add_argument("--jobs", type=int, default=100_000, help="jobs in the table")
    parser.add_argument("--runs", type=int, default=1_000_000, help="runs in the history")
    parser.add_argument("--requests", type=int, default=40, help="for each page")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each flood of requests")
    parser.add_argument("--browsers", type=int, default=10, help="open pages of jobs while the dispatcher drains")
    parser.add_argument("--drain", type=int, default=4_000, help="jobs of each drain")
    parser.add_argument("--rounds", type=int, default=9, help="drains of each kind")
    parser.add_argument("--only", choices=["pages", "drains"], help="the one half of it")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--crowd", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.crowd:
        be_the_crowd()
        return
    report(options, measure)


if __name__ == "__main__":
    main()
