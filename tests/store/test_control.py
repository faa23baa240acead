from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from waiting import eventually

from taskserver.errors import EXIT_ERROR, EXIT_NOT_FOUND
from taskserver.jobs import Outcome, Report, Status
from taskserver.store import Wanted, errors


def order(store, client="default"):
    return [job["id"] for job in store.jobs.find(status="waiting", client=client, limit=1000)]


# --- start


def test_a_waiting_job_started_by_hand_comes_before_all_others(store, node):
    store.jobs.enqueue("ocr", priority=100)
    later = store.jobs.enqueue("ocr", run_at=store.database.now() + timedelta(hours=1)).id

    store.jobs.start(later)

    assert [claim.job_id for claim in node.claim()] == [later]


def test_an_inactive_job_is_started_by_hand_all_the_same(store, node):
    job_id = store.jobs.enqueue("ocr", active=False).id

    store.jobs.start(job_id)

    assert [claim.job_id for claim in node.claim()] == [job_id]


@pytest.mark.parametrize("outcome", [Outcome.failed("no"), Outcome.stopped()], ids=["failed", "stopped"])
def test_a_job_that_did_not_finish_goes_on_where_it_was(store, node, claimed, sql, outcome):
    claim = claimed()
    report = Report(claim.run_id, claim.job_id, progress=30.0, checkpoint={"page": 3}, has_checkpoint=True)
    node.turn(reports=[report])
    store.jobs.stop(claim.job_id)
    node.end(claim, outcome)
    sql("UPDATE jobs SET crashes = 2, attempt = 5")

    store.jobs.start(claim.job_id)
    (again,) = node.claim()

    assert (again.attempt, again.crashes, again.checkpoint) == (0, 0, {"page": 3})
    job = store.jobs.get(claim.job_id)
    assert (job["status"], job["error"], job["progress"]) == ("running", None, 30)
    assert (job["stop_requested_at"], job["ended_at"]) == (None, None)
    assert node.turn().stops == set()


def test_a_finished_job_begins_anew(store, node, claimed):
    claim = claimed()
    report = Report(claim.run_id, claim.job_id, detail="page 3", checkpoint={"page": 3}, has_checkpoint=True)
    node.turn((claim, Outcome.finished("12 pages")), reports=[report])

    store.jobs.start(claim.job_id)
    job = store.jobs.get(claim.job_id)
    (again,) = node.claim()

    assert (job["status"], job["result"], job["progress"], job["detail"]) == ("waiting", None, None, None)
    assert again.checkpoint is None
    assert len(store.runs.find(job_id=claim.job_id)) == 1


def test_a_running_job_can_not_be_started(store, claimed):
    claim = claimed()

    with pytest.raises(errors.WrongStatus) as refusal:
        store.jobs.start(claim.job_id)

    assert refusal.value.exit_code == EXIT_ERROR
    assert store.jobs.get(claim.job_id)["claim"] == claim.run_id


def test_a_job_is_not_started_again_while_another_has_its_unique_key(store, node):
    first = store.jobs.enqueue("ocr", unique_key="invoices").id
    node.end(node.claim()[0])
    second = store.jobs.enqueue("ocr", unique_key="invoices").id

    with pytest.raises(errors.UniqueKeyTaken) as refusal:
        store.jobs.start(first)

    assert refusal.value.fields == {"job_id": first, "other": second, "key": "invoices"}
    assert store.jobs.get(first)["status"] == Status.FINISHED


# --- stop, kill, delete


def test_a_waiting_job_is_stopped_at_once(store, node, clock):
    job_id = store.jobs.enqueue("ocr").id

    status = store.jobs.stop(job_id)

    assert status == Status.STOPPED
    assert node.claim() == []
    assert store.jobs.get(job_id)["ended_at"] == clock.now


def test_a_running_job_is_asked_to_stop_once(store, claimed, clock):
    claim = claimed()

    first = store.jobs.stop(claim.job_id)
    asked_at = clock.now
    clock.advance(minutes=1)
    second = store.jobs.stop(claim.job_id)

    assert (first, second) == (Status.STOPPING, Status.STOPPING)
    assert store.jobs.get(claim.job_id)["stop_requested_at"] == asked_at


def test_only_a_running_command_can_be_killed(store, claimed, sql):
    claim = claimed()
    waiting = store.jobs.enqueue("ocr").id

    with pytest.raises(errors.OnlyCommandsAreKilled):
        store.jobs.kill(claim.job_id)
    sql("UPDATE tasks SET kind = 'command'")
    store.jobs.kill(claim.job_id)
    with pytest.raises(errors.WrongStatus):
        store.jobs.kill(waiting)

    job = store.jobs.get(claim.job_id)
    assert job["status"] == Status.STOPPING
    assert job["kill_requested_at"] is not None


def test_a_job_that_was_asked_to_stop_may_still_be_killed(store, node, claimed, sql, clock):
    claim = claimed()
    sql("UPDATE tasks SET kind = 'command'")
    store.jobs.stop(claim.job_id)
    asked_at = clock.now
    clock.advance(seconds=3)

    store.jobs.kill(claim.job_id)

    assert node.turn().kills == {claim.run_id}
    assert store.jobs.get(claim.job_id)["stop_requested_at"] == asked_at


@pytest.mark.parametrize("outcome", [Outcome.finished(), Outcome.failed("no")], ids=["finished", "failed"])
def test_an_ended_job_can_be_neither_stopped_nor_killed(store, node, claimed, sql, outcome):
    claim = claimed()
    sql("UPDATE tasks SET kind = 'command'")
    node.end(claim, outcome)

    for verb in (store.jobs.stop, store.jobs.kill):
        with pytest.raises(errors.WrongStatus):
            verb(claim.job_id)

    assert store.jobs.get(claim.job_id)["status"] == outcome.job_status


def test_a_job_that_never_ran_is_gone_without_a_trace(store):
    job_id = store.jobs.enqueue("ocr").id

    assert store.jobs.delete(job_id) is True

    with pytest.raises(errors.JobNotFound) as refusal:
        store.jobs.get(job_id)
    assert refusal.value.exit_code == EXIT_NOT_FOUND


def test_deleting_twice_asks_once(store, claimed, clock):
    claim = claimed()

    assert store.jobs.delete(claim.job_id) is False
    assert store.jobs.delete(claim.job_id) is False

    assert store.jobs.get(claim.job_id)["status"] == Status.STOPPING


@pytest.mark.parametrize("verb", ["start", "stop", "kill", "delete"])
def test_a_verb_on_nothing_says_so(store, verb):
    with pytest.raises(errors.JobNotFound) as refusal:
        getattr(store.jobs, verb)(4711)

    assert refusal.value.exit_code == EXIT_NOT_FOUND
    assert "4711" in str(refusal.value)


@pytest.mark.parametrize("verb", ["start", "stop", "kill", "delete"])
def test_a_verb_for_jobs_leaves_cron_entries_alone(store, verb):
    entry = store.entries.add("nightly", "ocr", cron_spec="0 3 * * *", time_zone="UTC")

    with pytest.raises(errors.IsCronEntry):
        getattr(store.jobs, verb)(entry)
    with pytest.raises(errors.IsCronEntry):
        store.jobs.move(entry, "up")

    assert store.entries.get(entry)["active"] is True


def test_delete_finished_takes_nothing_else(store, node, claimed):
    store.clients.add("acme", login="clerk")
    finished, failed, stopped, running = claimed(), claimed(), claimed(), claimed()
    store.jobs.stop(stopped.job_id)
    node.turn((finished, Outcome.finished()), (failed, Outcome.failed("no")), (stopped, Outcome.stopped()))
    theirs = claimed(client="acme")
    node.end(theirs)
    waiting = store.jobs.enqueue("ocr").id
    entry = store.entries.add("nightly", "ocr", cron_spec="0 3 * * *", time_zone="UTC")

    mine = store.jobs.delete_finished("default")
    everybodys = store.jobs.delete_finished()

    assert (mine, everybodys) == (1, 1)
    left = {job["id"] for job in store.jobs.find()}
    assert left == {failed.job_id, stopped.job_id, running.job_id, waiting}
    assert store.entries.get(entry)["name"] == "nightly"
    assert store.jobs.get(finished.job_id)["gone"] is True


def test_delete_all_asks_running_jobs_and_removes_the_others(store, node, claimed):
    store.clients.add("acme", login="clerk")
    running, finished = claimed(), claimed()
    node.end(finished)
    store.jobs.enqueue("ocr")
    theirs = store.jobs.enqueue("ocr", client="acme").id
    entry = store.entries.add("nightly", "ocr", cron_spec="0 3 * * *", time_zone="UTC")

    count = store.jobs.delete_all("default")

    assert count == 3
    assert {job["id"] for job in store.jobs.find()} == {running.job_id, theirs}
    assert node.turn().stops == {running.run_id}
    node.end(running, Outcome.stopped())
    assert {job["id"] for job in store.jobs.find()} == {theirs}
    assert store.entries.get(entry)["active"] is True


@pytest.mark.parametrize("verb", ["delete_finished", "delete_all"])
def test_deleting_for_an_unknown_client_says_so(store, verb):
    store.jobs.enqueue("ocr")

    with pytest.raises(errors.ClientNotFound):
        getattr(store.jobs, verb)("acme")

    assert store.jobs.counts()["waiting"] == 1


@pytest.mark.only_on("postgresql")
def test_a_job_that_is_claimed_while_it_is_deleted_is_asked_to_stop(store, node, sql):
    """Two transactions at once: the second sees what the first has done."""
    job_id = store.jobs.enqueue("ocr").id
    answers = []
    deleting = threading.Thread(target=lambda: answers.append(store.jobs.delete(job_id)))

    with store.database.write() as claiming:
        claiming.exec_driver_sql(
            "UPDATE jobs SET status = 'running', ready = NULL, claim = 1, claimed_by = %(node)s",
            {"node": node.row},
        )
        deleting.start()
        eventually(lambda: sql("SELECT 1 FROM pg_locks WHERE NOT granted"))
    deleting.join()

    assert answers == [False]
    assert store.jobs.get(job_id)["status"] == Status.STOPPING


def test_counts_name_every_status_and_no_entry(store, node, claimed):
    store.entries.add("nightly", "ocr", cron_spec="0 3 * * *", time_zone="UTC")
    node.end(claimed())
    claimed()
    store.jobs.enqueue_many("ocr", [{}] * 3)

    assert store.jobs.counts() == {
        "waiting": 3,
        "running": 1,
        "stopping": 0,
        "stopped": 0,
        "finished": 1,
        "failed": 0,
    }


# --- move


def test_up_and_down_change_places_with_the_neighbour(store, node):
    a, b, c = (store.jobs.enqueue("ocr").id for _ in range(3))

    store.jobs.move(c, "up")
    after_up = order(store)
    store.jobs.move(a, "down")
    after_down = order(store)

    assert after_up == [a, c, b]
    assert after_down == [c, a, b]
    assert [claim.job_id for claim in node.claim(free=3)] == [c, a, b]


def test_first_and_last_go_to_the_ends(store):
    a, b, c = (store.jobs.enqueue("ocr").id for _ in range(3))

    store.jobs.move(b, "first")
    after_first = order(store)
    store.jobs.move(b, "last")
    after_last = order(store)

    assert after_first == [b, a, c]
    assert after_last == [a, c, b]


@pytest.mark.parametrize(("at", "where"), [(0, "up"), (0, "first"), (2, "down"), (2, "last")])
def test_at_the_end_nothing_moves(store, at, where):
    ids = [store.jobs.enqueue("ocr").id for _ in range(3)]
    before = store.jobs.find()

    store.jobs.move(ids[at], where)

    assert store.jobs.find() == before


def test_a_job_takes_on_the_priority_of_the_place(store):
    urgent, normal, idle = (store.jobs.enqueue("ocr", priority=priority).id for priority in (5, 0, -5))

    store.jobs.move(normal, "up")
    store.jobs.move(idle, "first")

    assert order(store) == [idle, normal, urgent]
    assert {job["priority"] for job in store.jobs.find()} == {5}


def test_a_job_moves_among_those_of_its_client_alone(store):
    store.clients.add("acme", login="clerk")
    mine = [store.jobs.enqueue("ocr").id, 0, 0]
    theirs = store.jobs.enqueue_many("ocr", [{}, {}], client="acme")
    mine[1:] = [store.jobs.enqueue("ocr").id for _ in range(2)]

    store.jobs.move(mine[1], "up")
    store.jobs.move(mine[2], "first")

    assert order(store) == [mine[2], mine[1], mine[0]]
    assert order(store, "acme") == theirs


def test_what_can_start_moves_past_nothing_that_can_not(store, clock):
    """Else it would change places with a job that stands elsewhere in every list."""
    first = store.jobs.enqueue("ocr").id
    store.jobs.enqueue("ocr", run_at=clock.now + timedelta(hours=1))
    by_hand = store.jobs.enqueue("ocr").id
    last = store.jobs.enqueue("ocr").id
    store.jobs.start(by_hand)

    moved = [store.jobs.move(last, "up"), store.jobs.move(last, "up"), store.jobs.move(by_hand, "down")]

    assert moved == [True, False, False]
    assert [row["id"] for row in store.overview.page(Wanted()).rows][:3] == [by_hand, last, first]


def test_only_waiting_jobs_move(store, claimed):
    claim = claimed()

    with pytest.raises(errors.CannotMove) as refusal:
        store.jobs.move(claim.job_id, "up")

    assert "running" in str(refusal.value)


def test_a_running_job_is_no_neighbour(store, node, claimed):
    claimed()
    a, b = (store.jobs.enqueue("ocr").id for _ in range(2))

    store.jobs.move(a, "up")

    assert order(store) == [a, b]
