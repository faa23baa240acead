"""From due times to jobs: on time, late, overlapping, by two nodes at once, over changes of the clocks."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from waiting import eventually

from taskserver.database.schema import jobs
from taskserver.jobs import Outcome
from taskserver.store.occurrences import BATCH, Occurrences


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def hourly(store):
    def add(name="hourly", cron_spec="0 * * * *", time_zone="UTC", **more):
        return store.entries.add(name, "ocr", cron_spec=cron_spec, time_zone=time_zone, **more)

    return add


def due_times(store, entry):
    return sorted(job["due_at"] for job in store.jobs.find(entry=entry, limit=1000))


def finish_all(node):
    node.turn(*((claim, Outcome.finished()) for claim in node.dispatch.own_claims(node.row)))


def live_through(node, clock, until):
    """Turns whenever something falls due, and lets every job finish at once."""
    while True:
        turn = node.turn(free=50)
        finish_all(node)
        if turn.next_due is None or clock.now + turn.next_due > until:
            clock.now = until
            return
        clock.now += turn.next_due


def test_nothing_is_queued_before_its_time(store, node, hourly, clock):
    entry = hourly()
    clock.now = at("2026-11-22T08:59:59.999999")

    turn = node.turn(free=1)

    assert turn.claims == []
    assert turn.next_due == timedelta(microseconds=1)
    assert store.jobs.find() == []
    assert store.entries.get(entry)["last_run_at"] is None


def test_a_due_entry_is_queued_and_claimed_in_one_turn(store, node, hourly, clock):
    entry = hourly()
    clock.now = at("2026-11-22T09:00")

    turn = node.turn(free=1)

    (claim,) = turn.claims
    assert (claim.due_at, claim.cron_entry_id) == (clock.now, entry)
    assert turn.next_due == timedelta(hours=1)
    assert store.entries.get(entry)["next_run_at"] == at("2026-11-22T10:00")
    assert store.entries.get(entry)["last_run_at"] == clock.now
    assert node.turn(free=1).claims == []


def test_each_due_time_becomes_one_job(store, node, hourly, clock):
    entry = hourly()

    live_through(node, clock, at("2026-11-23T08:00"))

    assert due_times(store, entry) == [at("2026-11-22T09:00") + timedelta(hours=n) for n in range(24)]
    assert len(store.runs.find(cron_entry_id=entry)) == 24


def test_the_time_zone_of_the_entry_counts(store, node, hourly, clock):
    tokyo = hourly("tokyo", "30 6 * * *", "Asia/Tokyo")
    kolkata = hourly("kolkata", "0 0 * * *", "Asia/Kolkata")

    live_through(node, clock, at("2026-11-24T00:00"))

    assert due_times(store, tokyo) == [at("2026-11-22T21:30"), at("2026-11-23T21:30")]
    assert due_times(store, kolkata) == [at("2026-11-22T18:30"), at("2026-11-23T18:30")]


def test_the_night_in_which_the_clocks_go_forward(store, node, hourly, clock):
    clock.now = at("2027-03-27T22:00")
    fixed = hourly("fixed", "30 2 * * *", "Europe/Berlin")
    wild = hourly("wild", "*/30 * * * *", "Europe/Berlin")

    live_through(node, clock, at("2027-03-28T12:00"))

    assert due_times(store, fixed) == [at("2027-03-28T01:00")]
    assert len(due_times(store, wild)) == 28


def test_the_night_in_which_the_clocks_go_back(store, node, hourly, clock):
    clock.now = at("2026-10-24T22:00")
    fixed = hourly("fixed", "30 2 * * *", "Europe/Berlin")
    wild = hourly("wild", "*/30 * * * *", "Europe/Berlin")

    live_through(node, clock, at("2026-10-25T12:00"))

    assert due_times(store, fixed) == [at("2026-10-25T00:30")]
    assert len(due_times(store, wild)) == 28


def test_a_due_time_is_not_queued_again_when_the_clock_is_set_back(store, node, hourly, clock):
    entry = hourly()
    clock.now = at("2026-11-22T09:00")
    node.turn(free=1)
    finish_all(node)

    clock.now = at("2026-11-22T08:30")
    live_through(node, clock, at("2026-11-22T09:30"))

    assert due_times(store, entry) == [at("2026-11-22T09:00")]


def test_a_due_time_whose_schedule_was_set_back_by_hand_is_queued_once(store, node, hourly, clock):
    entry = hourly()
    clock.now = at("2026-11-22T09:00")
    node.turn(free=1)
    finish_all(node)

    with store.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == entry).values(next_run_at=clock.now))
    turn = node.turn(free=1)

    assert turn.claims == []
    assert due_times(store, entry) == [at("2026-11-22T09:00")]


# --- after downtime


def missed(store, entry):
    return [
        (gap["reason"], gap["count"], gap["first_due_at"], gap["last_due_at"])
        for gap in store.entries.missed(entry)
    ]


def test_misfire_once_makes_one_job_of_all_that_was_missed(store, node, hourly, clock):
    entry = hourly(misfire="once")
    clock.now = at("2026-11-22T12:30")

    node.turn()

    assert due_times(store, entry) == [at("2026-11-22T12:00")]
    assert missed(store, entry) == [("misfire", 3, at("2026-11-22T09:00"), at("2026-11-22T11:00"))]
    assert store.entries.get(entry)["next_run_at"] == at("2026-11-22T13:00")


def test_misfire_all_makes_up_for_each_in_order(store, node, hourly, clock):
    entry = hourly(misfire="all")
    clock.now = at("2026-11-22T12:30")

    order = []
    for _ in range(6):
        order += [claim.due_at for claim in node.turn(free=4).claims]
        finish_all(node)

    assert order == [at(f"2026-11-22T{hour:02}:00") for hour in (9, 10, 11, 12)]
    assert missed(store, entry) == []


def test_misfire_skip_makes_up_for_nothing(store, node, hourly, clock):
    entry = hourly(misfire="skip")
    clock.now = at("2026-11-22T12:30")

    node.turn()

    assert due_times(store, entry) == []
    assert missed(store, entry) == [("misfire", 4, at("2026-11-22T09:00"), at("2026-11-22T12:00"))]


def test_misfire_skip_still_runs_what_is_on_time(store, node, hourly, clock):
    entry = hourly(misfire="skip")
    clock.now = at("2026-11-22T12:01")

    node.turn()

    assert due_times(store, entry) == [at("2026-11-22T12:00")]
    assert missed(store, entry) == [("misfire", 3, at("2026-11-22T09:00"), at("2026-11-22T11:00"))]


def test_a_little_late_is_on_time(store, node, hourly, clock):
    entry = hourly(misfire="skip")
    clock.now = at("2026-11-22T09:01:30")

    node.turn()

    assert due_times(store, entry) == [at("2026-11-22T09:00")]
    assert missed(store, entry) == []


@pytest.mark.parametrize("misfire", ["once", "skip"])
def test_a_year_of_downtime_of_a_minute_schedule_is_quick_and_counted(store, node, hourly, clock, misfire):
    entry = hourly(cron_spec="* * * * *", misfire=misfire)
    clock.now = at("2027-11-22T08:00:30")
    begun = time.process_time()

    while node.turn().next_due < timedelta(seconds=1):
        pass

    assert time.process_time() - begun < 3, "all the work, whatever else the machine does"
    assert due_times(store, entry) == [at("2027-11-22T08:00")]
    assert store.entries.get(entry)["next_run_at"] == at("2027-11-22T08:01")
    assert missed(store, entry) == [("misfire", 365 * 24 * 60 - 1, at("2026-11-22T08:01"), at("2027-11-22T07:59"))]


def test_a_day_of_a_minute_schedule_is_made_up_for_in_order(store, node, hourly, clock):
    """More than one turn takes: the first ones are there before the last ones are queued."""
    entry = hourly(cron_spec="* * * * *", misfire="all", overlap="queue")
    clock.now = at("2026-11-23T08:00:30")

    node.turn()
    first_turn = store.jobs.counts()["waiting"]
    while node.turn().next_due < timedelta(seconds=1):
        pass

    assert first_turn == BATCH
    assert due_times(store, entry)[:2] == [at("2026-11-22T08:01"), at("2026-11-22T08:02")]
    assert store.jobs.counts()["waiting"] == 24 * 60
    first = store.jobs.find(entry=entry, limit=1)[0]
    assert (first["due_at"], first["ready"]) == (at("2026-11-22T08:01"), 1)
    assert missed(store, entry) == []


def test_entries_of_a_long_downtime_take_turns(store, node, hourly, clock):
    entries = [hourly(f"entry {number}", "* * * * *") for number in range(4)]
    clock.now = at("2026-11-26T08:00:30")

    node.turn()
    first_turn = store.jobs.counts()["waiting"]
    node.turn()

    assert first_turn == 2
    assert [len(due_times(store, entry)) for entry in entries] == [1] * 4


# --- while an earlier job has not ended


@pytest.mark.parametrize("earlier", ["waiting", "running", "stopping"])
def test_overlap_skip_drops_a_due_time_while_an_earlier_job_lives(store, node, hourly, clock, earlier):
    entry = hourly(overlap="skip")
    clock.now = at("2026-11-22T09:00")
    claims = node.turn(free=0 if earlier == "waiting" else 1).claims
    if earlier == "stopping":
        store.jobs.stop(claims[0].job_id)
    clock.now = at("2026-11-22T10:00")

    node.turn()

    assert due_times(store, entry) == [at("2026-11-22T09:00")]
    assert missed(store, entry) == [("overlap", 1, at("2026-11-22T10:00"), at("2026-11-22T10:00"))]
    assert store.entries.get(entry)["next_run_at"] == at("2026-11-22T11:00")


def test_overlap_skip_lets_the_next_run_when_the_earlier_one_has_ended(store, node, hourly, clock):
    entry = hourly(overlap="skip")
    clock.now = at("2026-11-22T09:00")
    (claim,) = node.turn(free=1).claims
    clock.now = at("2026-11-22T10:00")

    turn = node.turn((claim, Outcome.failed("no")), free=1)

    assert [claim.due_at for claim in turn.claims] == [at("2026-11-22T10:00")]
    assert missed(store, entry) == []


def test_overlap_skip_and_misfire_once_record_both(store, node, hourly, clock):
    entry = hourly(overlap="skip", misfire="once")
    clock.now = at("2026-11-22T09:00")
    node.turn(free=1)
    clock.now = at("2026-11-22T12:30")

    node.turn()

    assert due_times(store, entry) == [at("2026-11-22T09:00")]
    assert sorted(missed(store, entry)) == [
        ("misfire", 2, at("2026-11-22T10:00"), at("2026-11-22T11:00")),
        ("overlap", 1, at("2026-11-22T12:00"), at("2026-11-22T12:00")),
    ]


@pytest.fixture
def three_hours(store, node, hourly, clock):
    """The jobs of three hours: the first is claimed, the others are held behind it."""
    entry = hourly(overlap="queue")
    for hour in (9, 10, 11):
        clock.now = at(f"2026-11-22T{hour:02}:00")
        node.turn(free=1)
    return sorted(store.jobs.find(entry=entry), key=lambda job: job["due_at"])


def test_overlap_queue_runs_one_after_the_other(store, node, three_hours):
    first, second, third = three_hours
    order = [first["id"]]

    for _ in range(2):
        (running,) = node.dispatch.own_claims(node.row)
        order += [claim.job_id for claim in node.turn((running, Outcome.finished()), free=4).claims]

    assert (first["status"], second["ready"], third["ready"]) == ("running", 0, 0)
    assert order == [first["id"], second["id"], third["id"]]


@pytest.mark.parametrize(
    "outcome", [Outcome.finished(), Outcome.failed("no"), Outcome.stopped()], ids=["finished", "failed", "stopped"]
)
def test_the_next_of_a_queue_follows_however_the_earlier_one_ended(store, node, three_hours, outcome):
    (running,) = node.dispatch.own_claims(node.row)
    store.jobs.stop(running.job_id)

    turn = node.turn((running, outcome), free=4)

    assert [claim.job_id for claim in turn.claims] == [three_hours[1]["id"]]


def test_a_retry_of_the_earlier_one_comes_before_the_next_of_a_queue(store, node, three_hours, clock):
    (running,) = node.dispatch.own_claims(node.row)

    node.turn((running, Outcome.retry("no", after=timedelta(minutes=5))), free=4)
    clock.advance(minutes=5)

    assert [claim.job_id for claim in node.claim(free=4)] == [running.job_id]


def test_a_held_job_that_is_started_by_hand_does_not_wait(store, node, three_hours):
    store.jobs.start(three_hours[2]["id"])

    assert [claim.job_id for claim in node.claim(free=4)] == [three_hours[2]["id"]]


@pytest.mark.parametrize("verb", ["stop", "delete"])
def test_a_held_job_follows_when_the_one_that_waits_before_it_is_taken_away(store, node, hourly, clock, verb):
    """Nobody has ended, nothing falls due: only the person's deed tells the dispatcher."""
    entry = hourly(overlap="queue")
    for hour in (9, 10):
        clock.now = at(f"2026-11-22T{hour:02}:00")
        node.turn(count=False)
    first, second = sorted(store.jobs.find(entry=entry), key=lambda job: job["due_at"])

    getattr(store.jobs, verb)(first["id"])
    turn = node.turn(free=1, count=False)

    assert (first["ready"], second["ready"]) == (1, 0)
    assert [claim.job_id for claim in turn.claims] == [second["id"]]


def test_a_held_job_follows_when_plain_sql_takes_the_earlier_one_away(store, node, three_hours, sql):
    sql("DELETE FROM jobs WHERE id = :id", id=three_hours[0]["id"])

    turn = node.turn(free=1, count=False, heartbeat=True)

    assert [claim.job_id for claim in turn.claims] == [three_hours[1]["id"]]


def test_queues_of_two_entries_do_not_hold_each_other(store, node, hourly, clock):
    a, b = hourly("a", overlap="queue"), hourly("b", overlap="queue")
    clock.now = at("2026-11-22T09:00")

    claims = node.turn(free=4).claims

    assert {claim.cron_entry_id for claim in claims} == {a, b}


# --- entries that were made with plain SQL

PLAIN = "INSERT INTO jobs (type, name, task, cron_spec, time_zone) VALUES ('interval', 'plain', 'ocr', '{}', {})"


def test_a_plain_entry_is_set_going_by_the_dispatcher(store, node, sql, clock):
    sql(PLAIN.format("0 * * * *", "'Asia/Kolkata'"))

    first = node.turn(free=1)

    entry = store.entries.get("plain")
    assert (first.claims, entry["next_run_at"]) == ([], at("2026-11-22T08:30"))
    assert first.next_due == timedelta(minutes=30)
    clock.advance(minutes=30)
    assert len(node.claim()) == 1


def test_a_plain_entry_without_a_time_zone_is_in_the_servers(store, node, sql):
    sql(PLAIN.format("0 9 * * *", "NULL"))

    node.turn()

    assert store.entries.get("plain")["next_run_at"] == at("2026-11-22T09:00")


@pytest.mark.parametrize(
    ("spec", "zone", "word"),
    [("99 * * * *", "'UTC'", "99"), ("0 * * * *", "'Nowhere'", "Nowhere"), ("0 0 30 2 *", "'UTC'", "never")],
    ids=["spec", "zone", "never"],
)
def test_a_plain_entry_that_makes_no_sense_is_switched_off_and_says_why(store, node, sql, clock, spec, zone, word):
    sql(PLAIN.format(spec, zone))
    good = store.entries.add("good", "ocr", cron_spec="0 * * * *", time_zone="UTC")
    clock.advance(hours=1)

    claims = node.turn(free=4).claims

    entry = store.entries.get("plain")
    assert entry["active"] is False
    assert word in entry["error"]
    assert [claim.cron_entry_id for claim in claims] == [good]


def test_a_plain_entry_of_the_past_obeys_its_misfire(store, node, sql, clock):
    sql(PLAIN.format("0 * * * *", "'UTC'"))
    node.turn()
    clock.advance(hours=5)

    node.turn()

    assert due_times(store, store.entries.get("plain")["id"]) == [at("2026-11-22T13:00")]


# --- several nodes


def test_two_nodes_queue_an_occurrence_once(store, make_node, hourly, clock):
    nodes = [make_node("here"), make_node("there")]
    entries = [hourly(f"entry {number}", "*/5 * * * *") for number in range(20)]
    barrier = threading.Barrier(2)

    def work(node):
        for _ in range(5):
            barrier.wait(30)
            if node is nodes[0]:
                clock.advance(minutes=5)
            barrier.wait(30)
            claims = [claim for _ in range(3) for claim in node.turn(free=30).claims]
            node.turn(*((claim, Outcome.finished()) for claim in claims))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, nodes))

    for entry in entries:
        times = due_times(store, entry)
        assert len(times) == len(set(times))
    for node in nodes:
        node.turn()
    assert store.jobs.counts()["running"] == 0


@pytest.mark.only_on("postgresql")
def test_what_was_missed_is_recorded_by_one_of_two_nodes(store, node, hourly, clock, sql):
    """The second looks while the first has not committed yet: it waits, and finds the entry moved on."""
    entry = hourly()
    clock.now = at("2026-11-22T12:30")
    occurrences = Occurrences(store.database, node.zone)

    with ThreadPoolExecutor(1) as threads:
        with store.database.write() as connection:
            occurrences.queue_due(connection, clock.now)
            second = threads.submit(node.turn)
            eventually(lambda: sql("SELECT 1 FROM pg_locks WHERE NOT granted"))
        second.result()

    assert due_times(store, entry) == [at("2026-11-22T12:00")]
    assert missed(store, entry) == [("misfire", 3, at("2026-11-22T09:00"), at("2026-11-22T11:00"))]
