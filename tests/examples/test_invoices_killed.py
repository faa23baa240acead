"""The invoices example under kill -9: nothing is made twice, nothing is lost, whatever the moment."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import pytest
from client_books import Books, bookings, make_sample_data
from example_installation import Installation
from waiting import eventually

import taskserver

EXAMPLE = "invoices"
CLIENTS = ("acme", "beta", "cern")

CREATING = [
    "create call 0",
    "remove_temporary return 0",
    "open_orders return 0",
    "prepare call 0",
    "page call 1",
    "prepare return 0",
    "prepare return 2",
    "add call 1",
    "add return 0",
    "add return 3",
    "publish return 1",
    "sync call 0",
    "create return 0",
]
BOOKING = ["book call 0", "total_cents return 0", "book call 1", "book return 0", "book return 1"]


@pytest.fixture
def mortal(installation: Installation) -> Installation:
    """An installation with one slot and one client, whose daemon dies of the jobs that `doom` names."""
    shutil.copy(Path(__file__).with_name("sudden_death.py"), installation.example)
    configuration = installation.example / "taskserver.toml"
    settings = configuration.read_text().replace("modules = [", 'modules = ["sudden_death", ')
    configuration.write_text(settings.replace("max_parallel = 4", "max_parallel = 1"))
    make_sample_data(installation, "acme", orders=5)
    installation.start()
    installation("client", "add", "acme", "--login", "sample")
    return installation


def doom(mortal: Installation, task: str, moments: list[str]) -> dict[str, str]:
    """Has the daemon die at each moment, of one month's job each; the months with their moments."""
    months = {f"{2025 + number // 12}-{number % 12 + 1:02d}": moment for number, moment in enumerate(moments)}
    deaths = mortal.example / "deaths"
    deaths.mkdir()
    for month, moment in months.items():
        (deaths / f"{task}-{month}").write_text(moment)
    return months


def queue(mortal: Installation, task: str, months: dict[str, str]) -> list[int]:
    with taskserver.connect(f"sqlite:///{mortal.users_dir}/taskserver.sqlite") as server:
        return server.enqueue_many(task, [{"month": month} for month in months], client="acme")


def start_again(mortal: Installation) -> None:
    """The next death may come before `start` has returned."""
    mortal("start", "--allow-root", code=None)


def test_killed_between_any_two_steps_nothing_is_made_twice_or_lost(mortal):
    acme, months = Books(mortal, "acme"), doom(mortal, "create", CREATING)

    jobs = queue(mortal, "invoices.create", months)
    for _ in months:
        eventually(lambda: mortal.pid() is None)
        acme.assert_possible()
        start_again(mortal)

    mortal.wait(jobs[-1])
    acme.assert_complete(*months)
    ended = mortal.query("SELECT status, count(*) FROM runs GROUP BY status ORDER BY status")
    assert ended == [("finished", len(months)), ("lost", len(months))]


def test_a_booking_and_its_job_commit_together_whenever_the_daemon_is_killed(mortal):
    months = doom(mortal, "book", BOOKING)
    mortal.wait(queue(mortal, "invoices.create", months)[-1])

    jobs = queue(mortal, "invoices.book", months)
    for number, _ in enumerate(months):
        eventually(lambda: mortal.pid() is None)
        finished = mortal.query(
            "SELECT id FROM jobs WHERE status = 'finished' AND task = 'invoices.book' ORDER BY id"
        )
        assert [job_id for (job_id,) in finished] == jobs[:number]
        assert [month for month, _ in bookings(mortal, "acme")] == list(months)[:number]
        start_again(mortal)

    mortal.wait(jobs[-1])
    mortal.kill()
    mortal.start()
    assert bookings(mortal, "acme") == [(month, 80800) for month in months]
    for job_id in jobs:
        runs = mortal.query("SELECT status FROM runs WHERE job_id = ? ORDER BY id", job_id)
        assert runs == [("lost",), ("finished",)]


def test_killed_at_any_time_while_all_clients_are_at_work(installation):
    make_sample_data(installation, *CLIENTS, orders=80)
    installation.start()
    for client in CLIENTS:
        installation("client", "add", client, "--login", "sample")
    installation.kill()
    books, chance = [Books(installation, client) for client in CLIENTS], random.Random(4711)
    with taskserver.connect(f"sqlite:///{installation.users_dir}/taskserver.sqlite") as server:
        month = {"month": "2026-11"}
        jobs = [server.enqueue("invoices.create", month, client=client).id for client in CLIENTS]

    for _ in range(2):
        # On a busy machine the first kill may come late, with hardly anything left to be done.
        enough = min(rows_of(books) + chance.randint(1, 40), 80 * len(CLIENTS))
        starting = installation.begin("start", "--allow-root")
        pid = eventually(lambda enough=enough: rows_of(books) >= enough and installation.pid())
        os.kill(pid, signal.SIGKILL)
        starting.communicate()
        eventually(lambda pid=pid: not Path(f"/proc/{pid}").exists(), what="its end")
        for each in books:
            each.assert_possible()

    installation.start()
    for job_id, each in zip(jobs, books, strict=True):
        installation.wait(job_id)
        each.assert_complete("2026-11")


def rows_of(books: list[Books]) -> int:
    return sum(len(each.rows()) for each in books)
