"""The invoices example: what its tasks make, seen through the control program."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from zlib import crc32
from zoneinfo import ZoneInfo

import pytest
from client_books import Books, bookings, make_sample_data
from example_installation import Installation
from waiting import eventually

from taskserver.store import Store

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One daemon for all tests here; each has a client of its own."""
    office = Installation(tmp_path_factory.mktemp("office") / "installation", "invoices")
    office.start()
    yield office
    office.kill()


@pytest.fixture
def books(office: Installation, request: pytest.FixtureRequest) -> Books:
    """The books of a new client with a login and twelve orders, of which ten go on."""
    client = f"c{crc32(request.node.name.encode()):x}"
    make_sample_data(office, client)
    with Store.open(f"sqlite:///{office.users_dir}/taskserver.sqlite") as store:
        store.clients.add(client, login="sample")
    return Books(office, client)


def create(office: Installation, books: Books, *more: str, code: int = 0) -> str:
    return office("job", "add", "invoices.create", "--client", books.client, "--wait", *more, code=code)


def book(office: Installation, books: Books, *more: str, code: int = 0) -> str:
    return office("job", "add", "invoices.book", "--client", books.client, "--wait", *more, code=code)


def test_a_month_gives_one_row_and_one_file_for_each_order(office, books):
    told = create(office, books, "month=2026-11")

    assert "10 invoices of 2026-11" in told
    books.assert_complete("2026-11")
    page = books.pages()[f"{books.client}-2026-11-00002.html"]
    assert "Sample customer 002" in page
    assert "250.00 EUR" in page


def test_a_second_run_changes_nothing(office, books):
    create(office, books, "month=2026-11")
    rows, pages = books.rows(), books.pages()
    times = {file: file.stat().st_mtime_ns for file in books.folder.iterdir()}

    told = create(office, books, "month=2026-11")

    assert "0 invoices of 2026-11" in told
    assert (books.rows(), books.pages()) == (rows, pages)
    assert {file: file.stat().st_mtime_ns for file in books.folder.iterdir()} == times


def test_a_lost_file_is_made_again_from_its_row_and_a_temporary_one_removed(office, books):
    create(office, books, "month=2026-10")
    pages = books.pages()
    (books.folder / f"{books.client}-2026-10-00002.html").unlink()
    (books.folder / f"{books.client}-2026-10-00099.part").write_text("half a p")

    job_id = office.add("invoices.create", "month=2026-11", "--client", books.client)
    office.wait(job_id)

    books.assert_complete("2026-10", "2026-11")
    assert books.pages().items() >= pages.items()
    log = office("job", "log", str(job_id))
    assert "removed 1 temporary files" in log
    assert "2026-10-00002 again" in log


def test_a_file_that_can_not_get_its_name_fails_the_job_and_is_made_later(office, books):
    obstacle = books.folder / f"{books.client}-2026-11-00003.html"
    (obstacle / "in the way").mkdir(parents=True)

    create(office, books, "month=2026-11", "--max-attempts", "1", code=150)
    left_behind = [order for _, _, order in books.rows()]
    shutil.rmtree(obstacle)
    create(office, books, "month=2026-11")

    assert left_behind == [1, 2, 3]
    books.assert_complete("2026-11")


def test_a_cron_entry_queues_the_month_for_each_client(office, books):
    cron = ("--cron", "0 6 1 * *", "--time-zone", "Europe/Berlin", "--client", books.client)

    entry = office.json("schedule", "add", "invoices", "invoices.create", *cron)
    office("schedule", "run", "invoices", "--client", books.client)

    due = datetime.fromisoformat(entry["next_run_at"]).astimezone(BERLIN)
    assert (due.day, due.hour, due.minute) == (1, 6, 0)
    statement = "SELECT status FROM jobs WHERE cron_entry_id = ? AND status IN ('finished', 'failed')"
    assert eventually(lambda: office.query(statement, entry["id"])) == [("finished",)]
    books.assert_complete(f"{datetime.now(UTC).astimezone(BERLIN):%Y-%m}")


def test_nothing_runs_for_a_client_without_a_login(office, books):
    office("client", "set-login", books.client, "--none")

    waiting = office.add("invoices.create", "month=2026-11", "--client", books.client)
    office("job", "add", "sample", "seconds=0", "--wait")

    assert office.query("SELECT status FROM jobs WHERE id = ?", waiting) == [("waiting",)]
    assert f"{books.client} has no login" in office("job", "explain", str(waiting))
    assert not books.folder.exists()
    office("client", "set-login", books.client, "sample")
    office.wait(waiting)
    books.assert_complete("2026-11")


def test_a_wrong_month_and_a_client_without_orders_are_named(office, books):
    refused = create(office, books, "month=2026-13", code=2)
    failed = office("job", "add", "invoices.create", "--wait", code=150)

    assert "month: '2026-13' does not match" in refused
    assert "client default has no orders" in failed


def test_the_total_is_booked_once_and_another_refused(office, books):
    early = office.add("invoices.book", "month=2026-11", "--client", books.client)
    eventually(lambda: office.query("SELECT attempt FROM jobs WHERE id = ?", early) == [(1,)])
    assert bookings(office, books.client) == []

    create(office, books, "month=2026-11")
    first = book(office, books, "month=2026-11")
    second = book(office, books, "month=2026-11")
    connection = sqlite3.connect(books.database)
    with connection:
        connection.execute("UPDATE invoices SET total_cents = total_cents + 1 WHERE order_id = 1")
    connection.close()
    third = book(office, books, "month=2026-11", code=150)

    assert "2026-11: 1616.00 EUR\n" in first
    assert "booked before" in second
    assert "was booked with 1616.00 EUR before; now it would be 1616.01 EUR" in third
    assert bookings(office, books.client) == [("2026-11", 161600)]
