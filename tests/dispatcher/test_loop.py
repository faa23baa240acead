from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from waiting import eventually

from taskserver import Context, task
from taskserver.database import CommitUnknown, Database, DatabaseBusy, DatabaseUnavailable


def test_a_job_runs_and_its_result_is_kept(serve):
    @task("add")
    def add(a: int, b: int) -> int:
        return a + b

    served = serve(add)
    job = served.ended(served.add("add", {"a": 1, "b": 2}))

    assert (job["status"], job["result"], job["progress"]) == ("finished", "3", 100)
    (run,) = served.runs(job["id"])
    assert (run["status"], run["login"], run["node_id"]) == ("finished", "default", run["node_id"])
    assert run["title"] == job["title"] == "add"


def test_a_failing_job_is_tried_again_until_its_attempts_are_used_up(serve):
    @task("fails", max_attempts=3, retry_delay=0.05)
    def fails() -> None:
        raise RuntimeError("no paper")

    served = serve(fails)
    job = served.ended(served.add("fails"))

    assert (job["status"], job["attempt"], job["error"]) == ("failed", 3, "RuntimeError: no paper")
    assert [run["status"] for run in served.runs(job["id"])] == ["failed"] * 3
    assert "no paper" in served.runs(job["id"])[0]["traceback"]


def test_progress_and_output_can_be_seen_while_the_job_runs(serve):
    go_on = threading.Event()

    @task("slow")
    def slow(ctx: Context) -> None:
        ctx.progress(40, "customer 4711")
        ctx.logger.info("looking at customer 4711")
        go_on.wait(30)

    served = serve(slow)
    job_id = served.add("slow")
    eventually(lambda: served.store.jobs.get(job_id)["progress"] == 40)
    detail = served.store.jobs.get(job_id)["detail"]
    lines = eventually(lambda: served.store.jobs.output(job_id))
    go_on.set()
    served.ended(job_id)

    assert detail == "customer 4711"
    assert "looking at customer 4711" in lines[0]["text"]


def test_a_stopped_job_goes_on_from_its_checkpoint(serve):
    seen: list[int] = []
    halfway = threading.Event()

    @task("count")
    def count(ctx: Context) -> str:
        for number in range((ctx.checkpoint_data or 0) + 1, 7):
            seen.append(number)
            ctx.checkpoint(number)
            if number == 3 and not halfway.is_set():
                halfway.set()
                while True:
                    ctx.check_stop()
        return "counted"

    served = serve(count)
    job_id = served.add("count")
    assert halfway.wait(30)
    served.store.jobs.stop(job_id)
    served.server.wake()
    stopped = served.ended(job_id)
    served.store.jobs.start(job_id)
    served.server.wake()
    finished = served.until(job_id, "finished")

    assert (stopped["status"], stopped["checkpoint"]) == ("stopped", 3)
    assert finished["result"] == "counted"
    assert seen == [1, 2, 3, 4, 5, 6]


def test_a_checkpoint_is_committed_when_the_call_returns(serve):
    found: list[object] = []
    holder: list[Any] = []

    @task("saves")
    def saves(ctx: Context) -> None:
        ctx.checkpoint({"last": 4711})
        found.append(holder[0].store.jobs.get(ctx.job_id)["checkpoint"])

    served = serve(saves)
    holder.append(served)
    served.ended(served.add("saves"))

    assert found == [{"last": 4711}]


def test_writes_of_a_task_commit_with_its_outcome(serve):
    @task("books")
    def books(ctx: Context, fail: bool) -> None:
        with ctx.transaction() as connection:
            connection.execute(text("INSERT INTO bookings (amount) VALUES (1)"))
        if fail:
            raise RuntimeError("after the block")

    served = serve(books)
    with served.store.database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE bookings (amount integer)")
    good = served.ended(served.add("books", {"fail": False}))
    bad = served.ended(served.add("books", {"fail": True}))

    assert (good["status"], bad["status"]) == ("finished", "failed")
    with served.store.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM bookings").scalar() == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_that_breaks_in_a_transaction_uses_up_no_attempt(serve):
    tries: list[int] = []

    @task("books", retry_delay=0.05)
    def books(ctx: Context) -> str:
        tries.append(1)
        with ctx.transaction() as connection:
            connection.execute(text("INSERT INTO bookings (amount) VALUES (1)"))
            if len(tries) == 1:
                connection.connection.dbapi_connection.close()
            connection.execute(text("INSERT INTO bookings (amount) VALUES (2)"))
        return "booked"

    served = serve(books)
    with served.store.database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE bookings (amount integer)")
    job = served.ended(served.add("books"))

    assert (job["status"], job["attempt"], len(tries)) == ("finished", 0, 2)
    with served.store.database.read() as connection:
        assert connection.exec_driver_sql("SELECT sum(amount) FROM bookings").scalar() == 3


def test_what_a_task_says_is_kept_when_its_transaction_commits_the_outcome(serve):
    @task("books")
    def books(ctx: Context) -> None:
        with ctx.transaction():
            ctx.logger.info("one booked")

    served = serve(books)
    job = served.ended(served.add("books"))

    lines = eventually(lambda: served.store.jobs.output(job["id"]))
    assert "one booked" in lines[0]["text"]


def test_a_silent_run_whose_claim_was_taken_away_is_stopped(serve):
    told = threading.Event()

    @task("silent")
    def silent(ctx: Context) -> None:
        while not ctx.stop_requested:
            told.wait(0.01)
        told.set()

    served = serve(silent, lease=1)
    job_id = served.add("silent")
    served.until(job_id, "running")
    with served.store.database.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET claim = 4711, claimed_by = NULL")

    assert told.wait(30)
    assert served.runs(job_id) == []


def test_async_tasks_run_side_by_side_with_others(serve):
    @task("async")
    async def waits(ctx: Context) -> str:
        await asyncio.sleep(0)
        return "awaited"

    served = serve(waits)

    assert served.ended(served.add("async"))["result"] == "awaited"


def test_hanging_and_failing_jobs_disturb_no_other(serve):
    release = threading.Event()

    @task("hangs")
    def hangs() -> None:
        release.wait(60)

    @task("fails")
    def fails() -> None:
        raise SystemExit(3)

    @task("works")
    def works() -> str:
        return "done"

    served = serve(hangs, fails, works, max_parallel=2)
    hanging = served.add("hangs")
    served.until(hanging, "running")
    for _ in range(10):
        served.add("fails")
    good = [served.ended(served.add("works"))["status"] for _ in range(5)]
    release.set()

    assert good == ["finished"] * 5
    assert served.ended(hanging)["status"] == "finished"


def test_a_job_over_its_timeout_fails_and_frees_its_slot(serve):
    @task("endless", timeout=0.2)
    def endless(ctx: Context) -> None:
        while True:
            ctx.check_stop()

    served = serve(endless)
    job = served.ended(served.add("endless"))

    assert job["status"] == "failed"
    assert served.runs(job["id"])[0]["reason"] == "timeout"


@pytest.mark.parametrize("took_effect", [True, False])
def test_a_commit_whose_fate_is_unknown_is_read_back(serve, monkeypatch, took_effect):
    """Every job runs exactly once, whether the broken turn had been committed or not."""
    ran: list[int] = []

    @task("noop")
    def noop(ctx: Context) -> None:
        ran.append(ctx.job_id)

    served = serve(noop)
    broken: list[int] = []
    commit = Database.commit

    def commit_and_break(self: Database, connection: object) -> None:
        if threading.current_thread().name != "dispatcher" or len(broken) >= 3:
            commit(self, connection)
            return
        broken.append(1)
        if took_effect:
            commit(self, connection)
        else:
            connection.rollback()
        raise CommitUnknown(database="test", reason="the cable was pulled")

    monkeypatch.setattr(Database, "commit", commit_and_break)
    ids = [served.add("noop") for _ in range(6)]
    ended = [served.ended(job_id)["status"] for job_id in ids]

    assert len(broken) == 3
    assert ended == ["finished"] * 6
    assert sorted(ran) == ids
    assert [len(served.runs(job_id)) for job_id in ids] == [1] * 6


def test_outcomes_wait_while_the_database_is_away(serve, monkeypatch, caplog):
    gate = threading.Event()

    @task("noop")
    def noop() -> None:
        gate.wait(30)

    served = serve(noop)
    job_id = served.add("noop")
    served.until(job_id, "running")
    away = threading.Event()
    away.set()
    begin = Database.begin_write

    def refuse(self: Database, connection: object, **more: object) -> None:
        if away.is_set() and threading.current_thread().name == "dispatcher":
            raise DatabaseUnavailable(database="test", reason="gone")
        begin(self, connection, **more)

    monkeypatch.setattr(Database, "begin_write", refuse)
    gate.set()
    eventually(lambda: "not available" in served.server.status()["database"])
    eventually(lambda: served.server.status()["busy"] == 0)
    meanwhile = served.store.jobs.get(job_id)["status"]
    away.clear()
    job = served.ended(job_id)

    assert meanwhile == "running"
    assert job["status"] == "finished"
    assert len(served.runs(job_id)) == 1
    assert sum("trying again" in record.message for record in caplog.records) == 1


def test_draining_lets_running_jobs_end_and_claims_nothing_more(serve):
    go_on = threading.Event()

    @task("slow")
    def slow() -> None:
        go_on.wait(30)

    served = serve(slow, max_parallel=1)
    first, second = served.add("slow"), served.add("slow")
    served.until(first, "running")
    served.server.drain(30)
    go_on.set()
    assert served.server.wait(30)

    assert served.store.jobs.get(first)["status"] == "finished"
    assert served.store.jobs.get(second)["status"] == "waiting"


def test_what_does_not_end_in_time_is_released_and_nothing_is_counted(serve, monkeypatch):
    monkeypatch.setattr("taskserver.dispatcher.drain.STOP_SECONDS", 0.2)
    release = threading.Event()

    @task("deaf")
    def deaf() -> None:
        release.wait(60)

    served = serve(deaf)
    job_id = served.add("deaf")
    served.until(job_id, "running")
    served.server.drain(0.1)
    assert served.server.wait(30)
    release.set()

    job = served.store.jobs.get(job_id)
    assert (job["status"], job["attempt"], job["crashes"], job["ready"]) == ("waiting", 0, 0, 1)
    (run,) = served.runs(job_id)
    assert (run["status"], run["reason"]) == ("stopped", "drained")


def test_cron_entries_queue_their_jobs(serve):
    @task("noop")
    def noop(ctx: Context) -> str:
        return str(ctx.due_at is not None)

    served = serve(noop)
    entry = served.store.entries.add("each minute", "noop", cron_spec="* * * * *", time_zone="Europe/Berlin")
    due = served.store.entries.get(entry)["next_run_at"] - timedelta(minutes=1)
    with served.store.database.write() as connection:
        connection.execute(
            text("UPDATE jobs SET next_run_at = :due WHERE id = :id"),
            {"due": served.store.database.instant(due), "id": entry},
        )
    served.server.wake()
    (job,) = eventually(lambda: served.store.jobs.find(entry=entry, status="finished"))

    assert job["due_at"] == due
    assert job["result"] == "True"
    assert served.store.entries.get(entry)["next_run_at"] > due


def test_jobs_are_counted_that_come_while_nothing_starts(serve):
    @task("quick")
    def quick() -> None:
        pass

    served = serve(quick)
    served.store.switches.set_autostart(False)
    eventually(lambda: served.server.status()["autostart"] is False)

    for _ in range(3):
        served.add("quick")

    eventually(lambda: served.server.status()["waiting"] == 3, what="three that wait")


def test_a_count_that_a_locked_database_has_postponed_is_made_up_for(serve, monkeypatch):
    @task("quick")
    def quick() -> None:
        pass

    served = serve(quick, poll_interval=3600)
    eventually(lambda: served.server.status()["waiting"] == 0)
    dispatch = served.server._dispatcher._dispatch
    turn, refused = dispatch.turn, []

    def locked_once(work: Any, capacity: Any) -> Any:
        if work.count and len(refused) < 3:
            refused.append(work)
            raise DatabaseBusy(database="here")
        return turn(work, capacity)

    monkeypatch.setattr(dispatch, "turn", locked_once)
    served.store.switches.set_autostart(False)
    served.add("quick")

    eventually(lambda: served.server.status()["waiting"] == 1, what="the count")
    assert len(refused) == 3
