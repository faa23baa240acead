"""Moving as a property: wherever the jobs stand, a move changes the place of one job, and by one step."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PLACES = st.lists(st.tuples(st.integers(-1, 1), st.integers(100, 104)), min_size=2, max_size=7)
MOVES = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["up", "down", "first", "last"])), min_size=1, max_size=4
)


def expected(order, job_id, where):
    rest = [other for other in order if other != job_id]
    at = order.index(job_id)
    place = {"up": max(at - 1, 0), "down": min(at + 1, len(rest)), "first": 0, "last": len(rest)}[where]
    return [*rest[:place], job_id, *rest[place:]]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=PLACES, moves=MOVES)
def test_a_move_goes_exactly_one_step(store, sql, places, moves):
    """Close and equal positions are what plain INSERTs in one instant and `enqueue_many` leave."""
    sql("DELETE FROM jobs")
    rows = ", ".join(f"('ocr', {priority}, {position})" for priority, position in places)
    sql(f"INSERT INTO jobs (task, priority, position) VALUES {rows}")

    for number, where in moves:
        before = [job["id"] for job in store.jobs.find()]
        job_id = sorted(before)[number % len(before)]
        store.jobs.move(job_id, where)
        after = [job["id"] for job in store.jobs.find()]

        assert after == expected(before, job_id, where)


def test_jobs_of_one_instant_can_be_moved(store, sql):
    sql("INSERT INTO jobs (task, position) VALUES ('a', 7), ('b', 7), ('c', 7), ('d', 7)")
    a, b, c, d = (job["id"] for job in store.jobs.find())

    store.jobs.move(d, "up")
    store.jobs.move(a, "down")

    assert [job["id"] for job in store.jobs.find()] == [b, a, d, c]


def test_a_place_behind_a_crowded_one_is_found(store, sql):
    """Many jobs queued at once stand side by side, without room between them."""
    many = store.jobs.enqueue_many("ocr", [{}] * 5, priority=5)
    low = store.jobs.enqueue("ocr").id
    sql("UPDATE jobs SET position = 1, id = -1 WHERE id = :id", id=low)

    store.jobs.move(-1, "up")

    assert [job["id"] for job in store.jobs.find()] == [*many[:4], -1, many[4]]
