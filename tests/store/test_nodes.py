from __future__ import annotations

import contextlib
import socket
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from taskserver.jobs import Outcome, Status
from taskserver.store import Store
from taskserver.store.errors import NodeNotFound


@pytest.fixture
def other(make_node):
    return make_node("other")


def test_a_node_is_alive_until_its_lease_has_passed(store, node, clock):
    clock.advance(seconds=60)
    just_in_time = store.nodes.alive()
    clock.advance(seconds=1)
    too_late = store.nodes.alive()
    node.turn(heartbeat=True)

    assert [row["node_id"] for row in just_in_time] == ["here"]
    assert too_late == []
    assert [(row["node_id"], row["alive"]) for row in store.nodes.find()] == [("here", True)]


def test_a_node_tells_what_it_is(store, node):
    (row,) = store.nodes.find()

    assert (row["id"], row["node_id"], row["pid"], row["version"], row["slots"]) == (node.row, "here", 1, "0", 4)
    assert (row["tasks"], row["lease_seconds"], row["only_own_jobs"]) == (["ocr"], 60, False)


def test_a_node_that_has_left_is_not_found(store, node):
    store.nodes.leave(node.row)

    assert store.nodes.find() == []


def test_a_reload_publishes_anew(store, node):
    (task,) = store.tasks.find()
    changed = {name: value for name, value in task.items() if name != "published_at"}

    store.nodes.publish(node.row, [{**changed, "title": "OCR"}, {**changed, "name": "more"}], slots=8)

    (row,) = store.nodes.find()
    assert (row["tasks"], row["slots"]) == (["more", "ocr"], 8)
    assert store.tasks.get("ocr")["title"] == "OCR"


def test_jobs_of_a_node_whose_lease_has_passed_are_given_back(store, node, claimed, other, clock):
    claim = claimed()
    clock.advance(seconds=60)
    early = store.nodes.rescue(other.row, predecessors_are_dead=False)
    clock.advance(seconds=1)

    late = store.nodes.rescue(other.row, predecessors_are_dead=False)

    assert (early, late) == (0, 1)
    job, run = store.jobs.get(claim.job_id), store.runs.get(claim.run_id)
    assert (job["status"], job["crashes"], job["attempt"], job["claim"]) == ("waiting", 1, 0, None)
    assert (run["status"], run["reason"], run["node_id"]) == ("lost", "lost", "here")
    (again,) = other.claim()
    assert (again.job_id, again.crashes) == (claim.job_id, 1)


def test_jobs_of_a_node_that_has_left_are_given_back_at_once(store, node, claimed, other):
    claimed()
    store.nodes.leave(node.row)

    assert store.nodes.rescue(other.row, predecessors_are_dead=False) == 1
    assert store.nodes.rescue(other.row, predecessors_are_dead=False) == 0


def test_whoever_holds_the_name_takes_over_from_its_predecessor_at_once(store, node, claimed, make_node):
    claim = claimed()
    successor = make_node("here")

    waits = store.nodes.rescue(successor.row, predecessors_are_dead=False)
    takes_over = store.nodes.rescue(successor.row, predecessors_are_dead=True)

    assert (waits, takes_over) == (0, 1)
    assert [again.job_id for again in successor.claim()] == [claim.job_id]


@pytest.mark.only_on("postgresql")
def test_a_living_node_of_another_name_keeps_its_jobs(store, node, claimed, other):
    claim = claimed()

    rescued = store.nodes.rescue(other.row, predecessors_are_dead=True)

    assert rescued == 0
    assert store.jobs.get(claim.job_id)["claim"] == claim.run_id


@pytest.mark.only_on("sqlite")
def test_on_a_file_every_predecessor_is_dead(store, node, claimed, other):
    """One daemon runs on a file: whatever the one before was called, it is gone."""
    claimed()

    assert store.nodes.rescue(other.row, predecessors_are_dead=True) == 1


def test_a_node_never_rescues_from_itself(store, node, claimed, clock):
    claim = claimed()
    clock.advance(days=1)

    assert store.nodes.rescue(node.row, predecessors_are_dead=True) == 0
    assert store.jobs.get(claim.job_id)["claim"] == claim.run_id


def test_a_task_may_want_to_fail_when_its_node_dies(store, node, claimed, other, sql):
    sql("UPDATE tasks SET on_crash = 'fail'")
    claim = claimed()
    store.nodes.leave(node.row)

    store.nodes.rescue(other.row, predecessors_are_dead=False)

    job = store.jobs.get(claim.job_id)
    assert (job["status"], job["crashes"]) == ("failed", 1)
    assert "here" in job["error"]
    assert store.runs.get(claim.run_id)["status"] == "lost"


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_job_that_kills_its_node_too_often_fails(store, make_node, sql, most):
    store.jobs.enqueue("ocr")
    statuses = []
    for number in range(most):
        node, other = make_node(f"node {number}"), make_node("other")
        sql("UPDATE tasks SET max_crashes = :most", most=most)
        (claim,) = node.claim()
        store.nodes.leave(node.row)
        store.nodes.rescue(other.row, predecessors_are_dead=False)
        statuses.append(store.jobs.get(claim.job_id)["status"])

    assert statuses == ["waiting"] * (most - 1) + ["failed"]
    assert len(store.runs.find(status="lost")) == most


@pytest.mark.parametrize("on_crash", ["requeue", "fail"])
def test_a_job_whose_node_died_while_it_was_stopping_is_stopped(store, node, claimed, other, sql, on_crash):
    sql("UPDATE tasks SET on_crash = :on_crash, max_crashes = 1", on_crash=on_crash)
    claim = claimed()
    store.jobs.stop(claim.job_id)
    store.nodes.leave(node.row)

    store.nodes.rescue(other.row, predecessors_are_dead=False)

    assert store.jobs.get(claim.job_id)["status"] == Status.STOPPED
    assert store.runs.get(claim.run_id)["status"] == "lost"


def test_a_job_that_was_to_be_deleted_goes_when_its_node_died(store, node, claimed, other):
    claim = claimed()
    store.jobs.delete(claim.job_id)
    store.nodes.leave(node.row)

    store.nodes.rescue(other.row, predecessors_are_dead=False)

    assert store.jobs.get(claim.job_id)["gone"] is True


def test_a_job_whose_task_nobody_offers_any_more_is_given_back(store, node, claimed, other, sql):
    claim = claimed()
    sql("DELETE FROM tasks")
    store.nodes.leave(node.row)

    store.nodes.rescue(other.row, predecessors_are_dead=False)

    assert store.jobs.get(claim.job_id)["status"] == Status.WAITING


def test_only_nodes_that_hold_nothing_are_forgotten(store, node, claimed, other, clock):
    claim = claimed()
    clock.advance(days=31)
    other.turn(heartbeat=True)

    holding = store.nodes.forget(timedelta(days=30))
    node.end(claim, Outcome.finished())
    idle = store.nodes.forget(timedelta(days=30))

    assert (holding, idle) == (0, 1)
    assert [row["node_id"] for row in store.nodes.find()] == ["other"]


@pytest.fixture
def control_socket(tmp_path):
    """A daemon's socket, far down in the file system."""
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    path = folder / "control.sock"
    listening = socket.socket(socket.AF_UNIX)
    with contextlib.chdir(folder):
        listening.bind(path.name)
    listening.listen()
    listening.settimeout(10)
    yield path, listening
    listening.close()


def test_a_wake_reaches_the_daemons_socket(store, node, sql, control_socket):
    path, listening = control_socket
    sql("UPDATE nodes SET control_socket = :path", path=str(path))

    store.nodes.wake()

    connection, _ = listening.accept()
    with connection:
        assert connection.recv(100) == b"wake\n"


def test_a_daemon_that_can_not_be_woken_is_no_error(store, make_node, sql, control_socket):
    path, listening = control_socket
    make_node("gone")
    sql("UPDATE nodes SET control_socket = '/nowhere/control.sock'")
    node = make_node("here")
    sql("UPDATE nodes SET control_socket = :path WHERE id = :id", path=str(path), id=node.row)

    store.nodes.wake()

    connection, _ = listening.accept()
    connection.close()


def test_a_dead_node_is_not_woken(store, node, sql, control_socket, clock):
    path, listening = control_socket
    sql("UPDATE nodes SET control_socket = :path", path=str(path))
    clock.advance(hours=1)

    store.nodes.wake()

    listening.setblocking(False)
    with pytest.raises(BlockingIOError):
        listening.accept()


@pytest.mark.only_on("postgresql")
def test_a_new_connection_holds_the_nodes_name_again(store, make_node):
    one, two = make_node("same"), make_node("same")
    assert one.dispatch.hold_name("same")

    one.dispatch.close()
    one.dispatch.open()

    assert not two.dispatch.hold_name("same")


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("hours", [-1, 1])
def test_with_the_next_heartbeat_the_node_follows_a_clock_that_was_moved(database_url, make_node, hours):
    with Store.open(database_url) as by_the_real_clock:
        node = make_node(on=by_the_real_clock)
        node.turn(heartbeat=True)
        before, after = _moved_by(hours, node)
        node.close()

    assert abs(before) < timedelta(minutes=1)
    assert abs(after - timedelta(hours=hours)) < timedelta(minutes=1)


def _moved_by(hours, node):
    """How far the node's time is from this machine's, which stands back against the server's; then a heartbeat."""
    with time_machine.travel(datetime.now(UTC) - timedelta(hours=hours)):  # this machine's, against the server's
        node.turn()
        before = node.store.database.now() - datetime.now(UTC)
        node.turn(heartbeat=True)
        return before, node.store.database.now() - datetime.now(UTC)


def test_a_node_that_was_told_so_claims_nothing_until_it_is_told_again(store, node, other):
    job = store.jobs.enqueue("ocr").id

    name = store.nodes.set_claiming(node.row, False)
    stopped = node.turn(free=4)
    told = store.nodes.find()
    store.nodes.set_claiming(node.row, True)
    again = node.turn(free=4)

    assert name == "here"
    assert (stopped.claims, stopped.claiming) == ([], False)
    assert [(row["node_id"], row["claiming"]) for row in told] == [("other", True), ("here", False)]
    assert ([claim.job_id for claim in again.claims], again.claiming) == ([job], True)


def test_a_node_that_claims_nothing_leaves_the_jobs_to_others(store, node, other):
    store.jobs.enqueue("ocr")
    store.nodes.set_claiming(node.row, False)

    assert len(other.turn(free=4).claims) == 1


def test_explain_says_that_every_node_was_told_to_claim_nothing(store, node):
    job = store.jobs.enqueue("ocr").id
    store.nodes.set_claiming(node.row, False)

    assert "not_claiming" in [finding.code for finding in store.jobs.explain(job)]


def test_a_node_that_has_ended_is_told_nothing(store, node):
    store.nodes.leave(node.row)

    with pytest.raises(NodeNotFound):
        store.nodes.set_claiming(node.row, False)


def test_a_heartbeat_tells_the_memory_and_the_busy_slots_are_counted(store, node, claimed):
    claimed()

    node.turn(heartbeat=True, memory=50 << 20)

    (row,) = store.nodes.find()
    assert (row["memory_bytes"], row["busy"]) == (50 << 20, 1)
