"""Reading and writing beside other writers: patience, its end, and commits that break off."""

from __future__ import annotations

import select
import threading
import time

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError

from taskserver.database import BRIEF, CommitUnknown, Database, DatabaseBusy, DatabaseUnavailable, Patience


def insert(connection, task="ocr"):
    connection.exec_driver_sql(f"INSERT INTO jobs (task) VALUES ('{task}')")


def tasks(database):
    with database.read() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT task FROM jobs ORDER BY id")]


def test_a_write_commits_when_its_block_is_left(database):
    with database.write() as connection:
        insert(connection)

    assert tasks(database) == ["ocr"]


def test_a_write_rolls_back_when_its_block_fails(database):
    with pytest.raises(KeyError), database.write() as connection:
        insert(connection)
        raise KeyError

    assert tasks(database) == []


def test_what_is_the_statements_own_fault_passes_through(database):
    with pytest.raises(IntegrityError), database.write() as connection:
        insert(connection)
        insert(connection, task="")

    assert tasks(database) == []


def test_a_constraint_that_is_checked_at_the_commit_is_no_unknown_commit(database):
    with pytest.raises(DBAPIError) as fault, database.write() as connection:
        if database.dialect.one_writer:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            connection.exec_driver_sql("INSERT INTO jobs (task, client_id) VALUES ('ocr', 4711)")
        else:
            connection.exec_driver_sql("CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
            connection.exec_driver_sql("INSERT INTO late VALUES (1), (1)")

    assert isinstance(fault.value, IntegrityError)
    assert tasks(database) == []


def test_a_connection_that_is_kept_serves_many_transactions(database):
    with database.connect() as connection:
        for task in ("a", "b"):
            with database.write(connection) as writing:
                insert(writing, task)
        with database.read(connection) as reading:
            count = reading.exec_driver_sql("SELECT count(*) FROM jobs").scalar()

    assert count == 2


@pytest.mark.only_on("sqlite")
def test_a_read_sees_one_state_from_its_beginning(database):
    """Under SQLite; PostgreSQL's readers see what is committed statement by statement."""
    with database.read() as reading:
        with database.write() as writing:
            insert(writing)
        seen = reading.exec_driver_sql("SELECT count(*) FROM jobs").scalar()

    assert seen == 0
    assert tasks(database) == ["ocr"]


# --- SQLite's one writer


@pytest.fixture
def file_database(sqlite_file):
    database = Database(f"sqlite:///{sqlite_file}")
    yield database
    database.close()


def test_a_write_waits_for_another_process_to_let_go(file_database, sqlite_file, hold):
    holder = hold(sqlite_file)
    trying = threading.Event()
    event.listen(file_database.engine, "handle_error", lambda context: trying.set())
    done = threading.Event()

    def write():
        with file_database.write() as connection:
            insert(connection)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    trying.wait(10)
    before = done.is_set()
    holder.let_go()
    thread.join()

    assert (before, done.is_set()) == (False, True)
    assert tasks(file_database) == ["ocr"]


@pytest.mark.parametrize("seconds", [0.0, BRIEF.seconds, 0.3])
def test_patience_comes_to_an_end(file_database, sqlite_file, hold, seconds):
    hold(sqlite_file)
    begun = time.monotonic()

    with pytest.raises(DatabaseBusy), file_database.write(patience=Patience(seconds)):
        pytest.fail("another writer was in the file")

    assert seconds <= time.monotonic() - begun < seconds + 2


def test_after_a_busy_turn_the_same_connection_goes_on(file_database, sqlite_file, hold):
    holder = hold(sqlite_file)
    with file_database.connect() as connection:
        with pytest.raises(DatabaseBusy), file_database.write(connection, patience=BRIEF):
            pass
        holder.let_go()

        with file_database.write(connection, patience=BRIEF) as writing:
            insert(writing)

    assert tasks(file_database) == ["ocr"]


def test_readers_do_not_wait_for_a_writer(file_database, sqlite_file, hold):
    hold(sqlite_file, "BEGIN IMMEDIATE", "INSERT INTO jobs (task) VALUES ('theirs')")

    assert tasks(file_database) == []


def test_a_reader_waits_while_the_whole_file_is_locked(file_database, sqlite_file, hold):
    holder = hold(sqlite_file, "PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE")
    found = []
    trying = threading.Event()
    event.listen(file_database.engine, "do_connect", lambda *_: trying.set())
    thread = threading.Thread(target=lambda: found.append(tasks(file_database)))
    thread.start()
    trying.wait(10)
    holder.let_go()
    thread.join()

    assert found == [[]]


def test_many_writers_all_get_their_turn(file_database):
    """busy_timeout would starve some of them."""
    threads = [threading.Thread(target=lambda: _write_often(file_database)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(tasks(file_database)) == 6 * 20


def _write_often(database):
    for _ in range(20):
        with database.write() as connection:
            insert(connection)


def test_patience_waits_shortly_first_and_longer_later():
    delays = [delay for delay, _ in zip(Patience(60).delays(), range(200), strict=False)]

    assert delays == sorted(delays)
    assert delays[0] < 0.001 < delays[-1] < 0.1


def test_without_any_patience_one_try_is_made_all_the_same(file_database):
    with file_database.write(patience=Patience(0)) as connection:
        insert(connection)

    assert tasks(file_database) == ["ocr"]


# --- PostgreSQL's connections


@pytest.fixture
def server_database(postgres):
    name = postgres.copy()
    database = Database(postgres.url(name))
    yield database
    database.close()
    postgres.drop(name)


def terminate(database, connection):
    pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_connection_that_breaks_in_a_write_is_unavailable(server_database):
    with pytest.raises(DatabaseUnavailable) as fault, server_database.write() as connection:
        insert(connection)
        terminate(server_database, connection)
        insert(connection)

    assert not isinstance(fault.value, CommitUnknown)
    assert tasks(server_database) == []


def test_a_connection_that_breaks_at_the_commit_leaves_its_fate_unknown(server_database):
    with pytest.raises(CommitUnknown), server_database.write() as connection:
        insert(connection)
        terminate(server_database, connection)

    assert tasks(server_database) == []


def test_after_a_restart_the_pool_gives_out_living_connections(server_database):
    with server_database.read() as connection:
        terminate(server_database, connection)

    with server_database.write() as connection:
        insert(connection)

    assert tasks(server_database) == ["ocr"]


def test_a_deadlock_is_busy(server_database):
    with server_database.write() as connection:
        insert(connection, "a")
        insert(connection, "b")
    barrier = threading.Barrier(2)
    faults = []

    def cross(first, second):
        try:
            with server_database.write() as connection:
                connection.exec_driver_sql(f"UPDATE jobs SET priority = 1 WHERE task = '{first}'")
                barrier.wait(10)
                connection.exec_driver_sql(f"UPDATE jobs SET priority = 2 WHERE task = '{second}'")
        except DatabaseUnavailable as fault:
            faults.append(fault)

    threads = [threading.Thread(target=cross, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [type(fault) for fault in faults] == [DatabaseBusy]


def test_the_listener_is_told_of_jobs_and_of_nothing_else(server_database):
    listener = server_database.listen()
    assert listener is not None
    with server_database.write() as connection:
        connection.exec_driver_sql("UPDATE settings SET value = 'off' WHERE name = 'autostart'")
    quiet = listener.drain()
    with server_database.write() as connection:
        insert(connection)
    with server_database.read() as connection:
        connection.exec_driver_sql("SELECT 1")

    heard = listener.drain()
    listener.close()

    assert (quiet, heard) == (False, True)
    with pytest.raises(OSError, match="closed"):
        listener.fileno()


def test_a_listener_whose_connection_is_lost_says_so(server_database):
    listener = server_database.listen()
    with server_database.read() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'taskserver listener'"
        )

    with pytest.raises(OSError, match=r"server closed|terminat|lost"):
        for _ in range(3):  # the server's last words come first
            select.select([listener], [], [], 10)
            listener.drain()
    listener.close()


def test_a_server_that_can_not_be_listened_to_is_polled(tmp_path):
    database = Database(f"postgresql:///nothing?host={tmp_path}")

    assert database.listen() is None


def test_a_file_tells_nobody(file_database):
    assert file_database.listen() is None
