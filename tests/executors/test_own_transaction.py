from __future__ import annotations

import pytest
from pool_bench import Transaction

from taskserver.jobs import Reason, Status


def test_writes_commit_with_the_outcome_after_the_function_returned(bench):
    def work(ctx):
        with ctx.transaction() as connection:
            connection.append("a")
        with ctx.transaction() as connection, ctx.transaction() as same:
            assert connection is same
            same.append("b")
        ctx.checkpoint({"last": 1})
        assert bench.store.log == []
        return "done"

    bench.offer(work)
    bench.submit()

    done = bench.done()
    assert done.stored
    assert bench.store.log == [("commit", ["a", "b"], [{"last": 1}], done.outcome)]
    assert done.outcome.result == "done"


def test_async_tasks_use_it_too(bench):
    async def work(ctx):
        with ctx.transaction() as connection:
            connection.append("a")

    bench.offer(work)
    bench.submit()

    assert bench.done().stored and bench.store.log[0][0] == "commit"


def test_any_error_rolls_back(bench):
    def work(ctx):
        with ctx.transaction() as connection:
            connection.append("a")
        raise ValueError("later")

    bench.offer(work)
    bench.submit()

    done = bench.done()
    assert not done.stored and done.outcome.job_status is Status.FAILED
    assert bench.store.log == [("rollback", ["a"])]


def test_a_failed_block_may_be_tried_again_when_nothing_else_is_lost_with_it(bench):
    def work(ctx):
        try:
            with ctx.transaction() as connection:
                connection.append("wrong")
                raise KeyError
        except KeyError:
            pass
        with ctx.transaction() as connection:
            connection.append("right")

    bench.offer(work)
    bench.submit()

    assert bench.done().stored
    assert [entry[:2] for entry in bench.store.log] == [("rollback", ["wrong"]), ("commit", ["right"])]


@pytest.mark.parametrize("more", [True, False])
def test_a_swallowed_error_never_finishes_a_run_whose_earlier_writes_are_gone(bench, more):
    def work(ctx):
        with ctx.transaction() as connection:
            connection.append("earlier")
        try:
            with ctx.transaction():
                raise KeyError
        except KeyError:
            pass
        if more:
            with ctx.transaction():
                pass

    bench.offer(work)
    bench.submit()

    done = bench.done()
    assert done.outcome.job_status is Status.FAILED and "rolled back" in done.outcome.error
    assert bench.store.log == [("rollback", ["earlier"])]


def test_an_error_swallowed_inside_an_outer_block_fails_the_outer_one(bench):
    def work(ctx):
        with ctx.transaction() as connection:
            connection.append("a")
            try:
                with ctx.transaction():
                    raise KeyError
            except KeyError:
                pass

    bench.offer(work)
    bench.submit()

    assert "rolled back" in bench.done().outcome.error
    assert bench.store.log == [("rollback", ["a"])]


def test_a_lost_claim_at_commit_is_not_reported_as_finished(bench):
    class Lost(Transaction):
        def commit(self, outcome):
            return False

    def work(ctx):
        with ctx.transaction():
            pass

    bench.store.kind = Lost
    bench.offer(work)
    bench.submit()

    done = bench.done()
    assert not done.stored
    assert (done.outcome.job_status, done.outcome.reason) == (Status.WAITING, Reason.LOST)


def test_a_commit_that_fails_is_a_failure_of_the_run(bench):
    class Broken(Transaction):
        def commit(self, outcome):
            raise OSError("the database is gone")

    def work(ctx):
        with ctx.transaction():
            pass

    bench.store.kind = Broken
    bench.offer(work, max_attempts=2)
    bench.submit()

    done = bench.done()
    assert not done.stored
    assert done.outcome.job_status is Status.WAITING and "the database is gone" in done.outcome.error
