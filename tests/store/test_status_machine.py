"""The status machine under fire: whatever people, nodes and crashes do to jobs, in whatever order, no job leaves
the transitions, none is claimed without running, and none is lost."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskserver.errors import TaskServerError
from taskserver.jobs import TRANSITIONS, Outcome, Status
from taskserver.store.errors import WrongStatus

OUTCOMES = {
    "finish": Outcome.finished("done"),
    "fail": Outcome.failed("no"),
    "retry": Outcome.retry("no", after=timedelta(seconds=30)),
    "retry-now": Outcome.retry("no", after=timedelta(0)),
    "stopped": Outcome.stopped(),
    "release": Outcome.released(),
}
ON_JOBS = ["start", "stop", "kill", "delete", "up", "first"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["enqueue", "claim", "claim", *OUTCOMES, *ON_JOBS, "stale", "rescue", "time", "delete-finished"]
        ),
        st.integers(0, 5),
    ),
    min_size=5,
    max_size=40,
)


class World:
    """The jobs, and what each claim's holder believes. Every step is checked against the step before."""

    def __init__(self, store, make_node, clock):
        self.store, self.make_node, self.clock = store, make_node, clock
        self.node = make_node()
        self.claims = []
        self.old_claims = []
        self.deleted = set()
        self.before = {}

    def step(self, verb, number):
        if verb == "enqueue":
            self.store.jobs.enqueue("ocr", priority=number % 2)
        elif verb == "claim":
            self.claims += self.node.claim(free=number)
        elif verb in OUTCOMES and self.claims:
            claim = self.claims.pop(number % len(self.claims))
            self.old_claims.append(claim)
            turn = self.node.turn((claim, OUTCOMES[verb]))
            assert turn.accepted == {claim.run_id}
        elif verb == "stale" and self.old_claims:
            before = self.read()
            self.node.turn((self.old_claims[number % len(self.old_claims)], Outcome.failed("too late")))
            assert self.read() == before
        elif verb == "rescue":
            successor = self.make_node()
            self.store.nodes.rescue(successor.row, predecessors_are_dead=True)
            self.old_claims += self.claims
            self.node.close()
            self.node, self.claims = successor, []
        elif verb == "time":
            self.clock.advance(seconds=20)
        elif verb == "delete-finished":
            finished = {job_id for job_id, job in self.before.items() if job["status"] == Status.FINISHED}
            assert self.store.jobs.delete_finished() == len(finished)
            self.deleted |= finished
        elif verb in ON_JOBS and self.before:
            self.on_job(verb, sorted(self.before)[number % len(self.before)])
        self.check()

    def on_job(self, verb, job_id):
        with contextlib.suppress(TaskServerError):
            if verb in ("up", "first"):
                self.store.jobs.move(job_id, verb)
            else:
                getattr(self.store.jobs, verb)(job_id)
            if verb == "delete":
                self.deleted.add(job_id)

    def read(self):
        return {job["id"]: job for job in self.store.jobs.find(limit=1000)}

    def check(self):
        after = self.read()
        for job_id, job in after.items():
            was, now = self.before.get(job_id, {"status": Status.WAITING})["status"], job["status"]
            # One step may hide two changes: what was released is claimed in the same turn, or the other way round.
            assert was == now or now in TRANSITIONS[Status(was)] or self.over_two(was, now), (was, now)
            assert (job["claim"] is not None) == (now in (Status.RUNNING, Status.STOPPING))
            assert job["ready"] is None or now == Status.WAITING
            assert (job["claimed_by"] is None) == (job["claim"] is None)
        assert set(self.before) - set(after) <= self.deleted
        held = {job["claim"] for job in after.values() if job["claim"]}
        assert held == {claim.run_id for claim in self.claims}
        recorded = [run["id"] for run in self.store.runs.find(limit=1000)]
        assert sorted(recorded) == sorted(claim.run_id for claim in self.old_claims)
        self.before = after

    @staticmethod
    def over_two(was, now):
        return any(now in TRANSITIONS[between] for between in TRANSITIONS[Status(was)])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_order_of_events_leaves_the_transitions(store, make_node, clock, sql, steps):
    for table in ("jobs", "runs", "nodes"):
        sql(f"DELETE FROM {table}")
    world = World(store, make_node, clock)
    sql("UPDATE tasks SET kind = 'command', max_crashes = 2")

    for verb, number in [("enqueue", 0), ("enqueue", 1), *steps]:
        world.step(verb, number)

    for claim in list(world.claims):
        world.node.end(claim)
    world.node.close()
    assert {job["status"] for job in world.read().values()}.isdisjoint({Status.RUNNING, Status.STOPPING})


REFUSED = None
BY_HAND = {
    "start": ["waiting", REFUSED, REFUSED, "waiting", "waiting", "waiting"],
    "stop": ["stopped", "stopping", "stopping", REFUSED, REFUSED, REFUSED],
    "kill": [REFUSED, "stopping", "stopping", REFUSED, REFUSED, REFUSED],
}


@pytest.mark.parametrize("verb", list(BY_HAND))
def test_each_verb_changes_what_it_may_and_refuses_the_rest(store, node, sql, verb):
    sql("UPDATE tasks SET kind = 'command'")
    for status, expected in zip(Status, BY_HAND[verb], strict=True):
        claimed = status in (Status.RUNNING, Status.STOPPING)
        (job,) = sql(
            "INSERT INTO jobs (task, status, ready, claim, claimed_by) "
            "VALUES ('ocr', :status, :ready, :claim, :node) RETURNING id",
            status=status.value,
            ready=1 if status == Status.WAITING else None,
            claim=7 if claimed else None,
            node=node.row if claimed else None,
        )

        if expected is REFUSED:
            with pytest.raises(WrongStatus):
                getattr(store.jobs, verb)(job.id)
        else:
            getattr(store.jobs, verb)(job.id)

        assert store.jobs.get(job.id)["status"] == (expected or status)
