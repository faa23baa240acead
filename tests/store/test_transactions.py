"""A task's writes and its outcome: both or neither, also when the connection breaks at the worst moment."""

from __future__ import annotations

import threading
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import event, text

from taskserver.database import CommitUnknown, DatabaseUnavailable
from taskserver.jobs import Outcome, Status


@pytest.fixture
def bookings(store, sql):
    sql("CREATE TABLE bookings (amount integer)")
    yield lambda: [row[0] for row in sql("SELECT amount FROM bookings")]
    sql("DROP TABLE bookings")


def book(transaction, amount=7):
    transaction.connection.execute(text("INSERT INTO bookings VALUES (:amount)"), {"amount": amount})


def test_the_tasks_writes_commit_with_the_outcome(store, claimed, bookings):
    claim = claimed()
    transaction = store.transactions.begin(claim)
    book(transaction)

    committed = transaction.commit(Outcome.finished("booked"))

    assert committed is True
    assert bookings() == [7]
    assert store.jobs.get(claim.job_id)["status"] == Status.FINISHED
    assert store.runs.get(claim.run_id)["result"] == "booked"


def test_a_rollback_leaves_nothing(store, claimed, bookings):
    claim = claimed()
    transaction = store.transactions.begin(claim)
    book(transaction)
    transaction.checkpoint({"page": 3})

    transaction.rollback()

    assert bookings() == []
    job = store.jobs.get(claim.job_id)
    assert (job["status"], job["checkpoint"]) == ("running", None)
    assert store.runs.find() == []


@pytest.mark.only_on("postgresql")
def test_a_lost_claim_rolls_back(store, node, claimed, make_node, bookings):
    claim = claimed()
    transaction = store.transactions.begin(claim)
    book(transaction)
    store.nodes.leave(node.row)
    store.nodes.rescue(make_node("other").row, predecessors_are_dead=False)

    committed = transaction.commit(Outcome.finished())

    assert committed is False
    assert bookings() == []
    assert store.jobs.get(claim.job_id)["status"] == Status.WAITING
    assert store.runs.get(claim.run_id)["status"] == "lost"


def test_a_claim_that_was_lost_before_it_began_rolls_back(store, node, claimed, make_node, bookings):
    claim = claimed()
    store.nodes.leave(node.row)
    store.nodes.rescue(make_node("other").row, predecessors_are_dead=False)
    transaction = store.transactions.begin(claim)
    book(transaction)

    assert transaction.commit(Outcome.finished()) is False
    assert bookings() == []


def test_a_checkpoint_inside_commits_with_the_rest(store, node, claimed, bookings):
    claim = claimed()
    transaction = store.transactions.begin(claim)
    book(transaction)
    transaction.checkpoint({"page": 3})
    transaction.commit(Outcome.retry("half of it", after=timedelta(0)))

    (again,) = node.claim()

    assert bookings() == [7]
    assert (again.job_id, again.checkpoint, again.attempt) == (claim.job_id, {"page": 3}, 1)


def test_a_job_that_was_to_be_deleted_goes_with_the_commit(store, claimed, bookings):
    claim = claimed()
    store.jobs.delete(claim.job_id)
    transaction = store.transactions.begin(claim)
    book(transaction)

    assert transaction.commit(Outcome.finished()) is True
    assert store.jobs.get(claim.job_id)["gone"] is True
    assert bookings() == [7]


def test_while_it_is_open_others_see_nothing_of_it(store, claimed, bookings):
    claim = claimed()
    transaction = store.transactions.begin(claim)
    book(transaction)

    with store.database.read() as connection:
        seen = connection.execute(text("SELECT count(*) FROM bookings")).scalar()
    transaction.rollback()

    assert seen == 0


@pytest.mark.only_on("sqlite")
def test_a_transaction_waits_for_another_writer(store, claimed, bookings):
    first, second = claimed(), claimed()
    writing, begun = threading.Event(), []
    transaction = store.transactions.begin(first)

    def begin_another():
        writing.set()
        another = store.transactions.begin(second)
        begun.append(another)
        book(another, 2)
        another.commit(Outcome.finished())

    thread = threading.Thread(target=begin_another)
    thread.start()
    writing.wait(10)
    book(transaction, 1)
    nobody = not begun
    transaction.commit(Outcome.finished())
    thread.join()

    assert nobody
    assert bookings() == [1, 2]


# --- the connection breaks


def terminate(store, connection):
    """As a restart of the server does to it."""
    pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    address = store.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


@pytest.fixture
def break_at_commit(store):
    """Breaks the next connection that commits, right before its COMMIT is sent."""
    breaking = []

    def at_commit(connection):
        if breaking:
            afterwards = breaking.pop()
            terminate(store, connection)
            afterwards()

    event.listen(store.database.engine, "commit", at_commit)
    yield lambda afterwards=lambda: None: breaking.append(afterwards)
    event.remove(store.database.engine, "commit", at_commit)


@pytest.mark.only_on("postgresql")
def test_a_connection_that_breaks_before_the_outcome_leaves_nothing(store, claimed, bookings):
    claim = claimed()
    transaction = store.transactions.begin(claim)
    book(transaction)
    terminate(store, transaction.connection)

    with pytest.raises(DatabaseUnavailable):
        transaction.commit(Outcome.finished())

    assert bookings() == []
    assert store.jobs.get(claim.job_id)["status"] == Status.RUNNING


@pytest.mark.only_on("postgresql")
def test_a_commit_that_did_not_take_effect_is_read_back(store, claimed, bookings, break_at_commit):
    claim = claimed()
    transaction = store.transactions.begin(claim)
    book(transaction)
    break_at_commit()

    with pytest.raises(DatabaseUnavailable):
        transaction.commit(Outcome.finished())

    assert bookings() == []
    assert store.jobs.get(claim.job_id)["status"] == Status.RUNNING


@pytest.mark.only_on("postgresql")
def test_a_commit_that_took_effect_without_an_answer_is_read_back(store, claimed, bookings, deaf_commit):
    claim = claimed()
    another, deaf = deaf_commit()
    transaction = another.transactions.begin(claim)
    book(transaction)
    deaf.armed = True

    committed = transaction.commit(Outcome.finished("booked"))

    assert committed is True
    assert bookings() == [7]
    assert store.runs.get(claim.run_id)["result"] == "booked"


@pytest.mark.only_on("postgresql")
def test_a_run_that_was_declared_lost_meanwhile_is_not_taken_for_committed(
    store, node, claimed, make_node, bookings, break_at_commit
):
    claim = claimed()
    other = make_node("other")
    transaction = store.transactions.begin(claim)
    book(transaction)
    store.nodes.leave(node.row)
    break_at_commit(lambda: store.nodes.rescue(other.row, predecessors_are_dead=False))

    committed = transaction.commit(Outcome.finished())

    assert committed is False
    assert bookings() == []
    assert store.runs.get(claim.run_id)["status"] == "lost"


@pytest.mark.only_on("postgresql")
def test_a_turn_whose_commit_broke_off_can_be_told_again(store, node, claimed, break_at_commit):
    claim = claimed()
    waiting = store.jobs.enqueue("ocr").id
    break_at_commit()

    with pytest.raises(CommitUnknown):
        node.turn((claim, Outcome.finished()), free=1)
    node.dispatch.close()
    mine = node.dispatch.own_claims(node.row)
    turn = node.turn((claim, Outcome.finished()), free=1)

    assert mine == [claim]
    assert turn.accepted == {claim.run_id}
    assert [claim.job_id for claim in turn.claims] == [waiting]


@pytest.mark.only_on("postgresql")
def test_a_turn_that_took_effect_without_an_answer_finds_its_claims(store, make_node, deaf_commit):
    node = make_node()
    store.jobs.enqueue("ocr")
    (claim,) = node.claim()
    waiting = store.jobs.enqueue("ocr").id
    node.dispatch.close()
    another, deaf = deaf_commit()
    node.dispatch = another.dispatch(node.zone)
    node.turn()
    deaf.armed = True

    with pytest.raises(CommitUnknown):
        node.turn((claim, Outcome.finished("once")), free=1)
    node.dispatch.close()
    mine = node.dispatch.own_claims(node.row)
    turn = node.turn((claim, Outcome.finished("once")), free=1)

    assert [own.job_id for own in mine] == [waiting]
    assert turn.accepted == {claim.run_id}
    assert turn.claims == []
    assert len(store.runs.find()) == 1
