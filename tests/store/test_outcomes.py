from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from taskserver.jobs import Outcome, OutputLine, Reason, Report, RunStatus, Status

NUL = "before\x00after"
LONE_SURROGATE = "a name that is not UTF-8: \udcff"


def test_a_finished_run_ends_the_job_and_is_recorded(store, node, claimed, clock):
    claim = claimed(data={"page": 1}, title="Page one")
    clock.advance(seconds=5)

    turn = node.end(claim, Outcome.finished("12 pages", cpu_seconds=1.5, max_rss=4096))

    job, run = store.jobs.get(claim.job_id), store.runs.get(claim.run_id)
    assert turn.accepted == {claim.run_id}
    assert (job["status"], job["result"], job["error"], job["progress"]) == ("finished", "12 pages", None, 100)
    assert (job["claim"], job["claimed_by"], job["ready"], job["attempt"]) == (None, None, None, 0)
    assert (job["ended_at"], job["last_status"]) == (clock.now, "finished")
    assert (run["job_id"], run["task"]) == (claim.job_id, "ocr")
    assert (run["title"], run["data"]) == ("Page one", {"page": 1})
    assert (run["status"], run["reason"], run["result"], run["error"]) == ("finished", None, "12 pages", None)
    assert (run["client"], run["login"], run["node_id"]) == ("default", "default", "here")
    assert (run["started_at"], run["finished_at"]) == (clock.now - timedelta(seconds=5), clock.now)
    assert (run["cpu_seconds"], run["max_rss"]) == (1.5, 4096)


def test_a_failed_run_keeps_its_error_and_counts_the_attempt(store, node, claimed):
    claim = claimed()

    node.end(claim, Outcome.failed("no such file", reason=Reason.ARGUMENTS, traceback="Traceback ..."))

    job, run = store.jobs.get(claim.job_id), store.runs.get(claim.run_id)
    assert (job["status"], job["error"], job["attempt"]) == ("failed", "no such file", 1)
    assert (run["status"], run["reason"], run["error"]) == ("failed", "arguments", "no such file")
    assert (run["traceback"], run["attempt"]) == ("Traceback ...", 0)


def test_a_retry_waits_for_its_time_and_is_the_next_attempt(store, node, claimed, clock):
    claim = claimed()

    node.end(claim, Outcome.retry("no connection", after=timedelta(seconds=40)))
    waiting = store.jobs.get(claim.job_id)
    clock.advance(seconds=39)
    early = node.claim()
    clock.advance(seconds=1)
    (again,) = node.claim()

    assert (waiting["status"], waiting["ready"], waiting["attempt"]) == ("waiting", None, 1)
    assert waiting["next_run_at"] == clock.now
    assert waiting["error"] == "no connection"
    assert early == []
    assert (again.job_id, again.attempt) == (claim.job_id, 1)
    assert again.run_id != claim.run_id
    assert store.jobs.get(claim.job_id)["error"] is None


def test_a_retry_without_delay_is_claimed_in_the_same_turn(node, claimed):
    claim = claimed()

    turn = node.turn((claim, Outcome.retry("once more", after=timedelta(0))), free=1)

    assert [again.job_id for again in turn.claims] == [claim.job_id]


def test_a_job_that_was_switched_off_while_it_ran_is_not_tried_again(store, node, claimed, sql):
    claim = claimed()
    sql("UPDATE jobs SET active = (1 = 0)")

    turn = node.turn((claim, Outcome.retry("once more", after=timedelta(0))), free=1)

    assert turn.claims == []
    assert store.jobs.get(claim.job_id)["status"] == Status.WAITING


def test_a_released_run_counts_as_nothing_and_runs_again(store, node, claimed):
    claim = claimed()
    node.turn(reports=[Report(claim.run_id, claim.job_id, checkpoint={"page": 3}, has_checkpoint=True)])

    node.end(claim, Outcome.released())
    (again,) = node.claim()

    assert (again.attempt, again.crashes, again.checkpoint) == (0, 0, {"page": 3})
    run = store.runs.get(claim.run_id)
    assert (run["status"], run["reason"]) == ("stopped", "drained")


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.stopped(), "stopped"),
        (Outcome.retry("failed", after=timedelta(seconds=9)), "stopped"),
        (Outcome.released(), "stopped"),
        (Outcome.finished(), "finished"),
        (Outcome.failed("failed"), "failed"),
    ],
    ids=["stopped", "retry", "released", "finished", "failed"],
)
def test_a_job_that_was_asked_to_stop_never_runs_on_by_itself(store, node, claimed, clock, outcome, status):
    claim = claimed()
    store.jobs.stop(claim.job_id)

    node.end(claim, outcome)
    clock.advance(hours=1)

    job = store.jobs.get(claim.job_id)
    assert (job["status"], job["ready"], job["next_run_at"], job["claim"]) == (status, None, None, None)
    assert node.claim() == []


def test_a_stop_that_nobody_asked_for_releases_the_job(store, node, claimed):
    claim = claimed()

    node.end(claim, Outcome.stopped())

    assert store.jobs.get(claim.job_id)["status"] == Status.WAITING
    assert [again.job_id for again in node.claim()] == [claim.job_id]


def test_a_stop_is_passed_to_the_node_that_runs_the_job(store, make_node):
    here, there = make_node("here"), make_node("there")
    store.jobs.enqueue("ocr")
    (claim,) = here.claim()

    store.jobs.stop(claim.job_id)

    assert here.turn().stops == {claim.run_id}
    assert here.turn().kills == set()
    assert there.turn().stops == set()


def test_a_kill_is_passed_to_the_node(store, node, claimed, sql):
    claim = claimed()
    sql("UPDATE tasks SET kind = 'command'")

    store.jobs.kill(claim.job_id)

    turn = node.turn()
    assert (turn.stops, turn.kills) == (set(), {claim.run_id})


def test_a_running_job_that_was_deleted_goes_when_it_has_ended(store, node, claimed):
    claim, other = claimed(), claimed()

    gone = store.jobs.delete(claim.job_id)
    asked = node.turn().stops
    before = store.jobs.get(claim.job_id)
    node.turn((claim, Outcome.stopped()), (other, Outcome.finished()))

    assert gone is False
    assert asked == {claim.run_id}
    assert (before["status"], before["gone"]) == ("stopping", False)
    after = store.jobs.get(claim.job_id)
    assert (after["gone"], after["status"], after["run_id"]) == (True, "stopped", claim.run_id)
    assert store.jobs.get(other.job_id)["gone"] is False


def test_only_an_accepted_outcome_leaves_a_run(store, node, claimed, make_node, clock):
    lost, kept = claimed(), claimed()
    clock.advance(minutes=5)
    node.turn()
    store.nodes.rescue(make_node("other").row, predecessors_are_dead=False)
    (again,) = [claim for claim in node.claim(free=4) if claim.job_id == kept.job_id]

    turn = node.turn((lost, Outcome.finished("too late")), (again, Outcome.finished("in time")))

    assert (turn.accepted, turn.lost) == ({again.run_id}, {lost.run_id})
    assert store.runs.get(lost.run_id)["status"] == "lost"
    assert store.runs.get(lost.run_id)["result"] is None
    assert store.runs.get(again.run_id)["result"] == "in time"
    assert len(store.runs.find(job_id=lost.job_id)) == 1


def test_an_outcome_for_a_token_that_never_was_changes_nothing(store, node, claimed):
    claim = claimed()

    turn = node.end(replace(claim, run_id=claim.run_id + 1000))

    assert (turn.accepted, turn.lost) == (set(), {claim.run_id + 1000})
    assert store.runs.find() == []
    assert store.jobs.get(claim.job_id)["status"] == Status.RUNNING


def test_recording_once_more_after_an_unknown_commit_changes_nothing(store, node, claimed, clock):
    claim = claimed()
    report = Report(claim.run_id, claim.job_id, lines=[OutputLine(1, clock.now, "stdout", "hello")])
    ending = (claim, Outcome.retry("no connection", after=timedelta(0)))
    node.turn(ending, reports=[report])
    before = store.jobs.get(claim.job_id)

    turn = node.turn(ending, reports=[report])

    assert (turn.accepted, turn.lost) == ({claim.run_id}, set())
    assert store.jobs.get(claim.job_id) == before
    assert len(store.runs.find()) == 1
    assert len(store.jobs.output(claim.job_id)) == 1


def test_a_report_that_is_sent_again_while_the_job_runs_adds_no_line_twice(store, node, claimed, clock):
    claim = claimed()
    lines = [OutputLine(number, clock.now, "stdout", f"line {number}") for number in (1, 2, 3)]
    node.turn(reports=[Report(claim.run_id, claim.job_id, lines=lines[:2])])

    turn = node.turn(reports=[Report(claim.run_id, claim.job_id, progress=5.0, lines=lines)])

    assert turn.lost == set()
    assert [line["text"] for line in store.jobs.output(claim.job_id)] == ["line 1", "line 2", "line 3"]
    assert store.jobs.get(claim.job_id)["progress"] == 5


def test_recording_once_more_leaves_the_next_run_alone(store, node, claimed):
    claim = claimed()
    ending = (claim, Outcome.retry("no connection", after=timedelta(0)))
    (again,) = node.turn(ending, free=1).claims

    turn = node.turn(ending)

    assert turn.accepted == {claim.run_id}
    assert store.jobs.get(claim.job_id)["claim"] == again.run_id
    assert store.jobs.get(claim.job_id)["attempt"] == 1


@pytest.mark.parametrize(
    "poison",
    [
        {"result": LONE_SURROGATE},
        {"error": LONE_SURROGATE},
        {"result": object()},
        {"error": {"not": "a text"}},
        {"max_rss": 2**70},
        {"retry_in": timedelta.max},
    ],
    ids=["surrogate-result", "surrogate-error", "object", "dict", "number-too-large", "time-too-far"],
)
def test_a_poisoned_outcome_does_not_stop_the_others(store, node, claimed, poison):
    first, bad, last = claimed(), claimed(), claimed()
    poisoned = replace(Outcome.retry("failed", after=timedelta(0)), **poison)

    turn = node.turn((first, Outcome.finished("1")), (bad, poisoned), (last, Outcome.finished("3")))

    assert turn.accepted == {first.run_id, bad.run_id, last.run_id}
    assert [store.jobs.get(claim.job_id)["result"] for claim in (first, last)] == ["1", "3"]
    job, run = store.jobs.get(bad.job_id), store.runs.get(bad.run_id)
    assert (job["status"], run["status"]) == ("failed", "failed")
    assert job["error"] == run["error"] == "the outcome of this run could not be stored"


def test_a_zero_byte_does_not_stop_the_others(store, node, claimed):
    """SQLite keeps it, PostgreSQL's text can't."""
    first, bad, last = claimed(), claimed(), claimed()

    turn = node.turn((first, Outcome.finished("1")), (bad, Outcome.finished(NUL)), (last, Outcome.finished("3")))

    assert turn.accepted == {first.run_id, bad.run_id, last.run_id}
    assert [store.jobs.get(claim.job_id)["result"] for claim in (first, last)] == ["1", "3"]
    run = store.runs.get(bad.run_id)
    assert run["result"] == NUL or run["error"] == "the outcome of this run could not be stored"


def test_the_same_outcome_twice_in_one_batch_is_recorded_once(store, node, claimed):
    claim, other = claimed(), claimed()

    turn = node.turn((claim, Outcome.finished()), (claim, Outcome.finished()), (other, Outcome.finished()))

    assert turn.accepted == {claim.run_id, other.run_id}
    assert len(store.runs.find()) == 2


def test_a_turn_with_a_poisoned_outcome_still_claims(store, node, claimed):
    bad = claimed()
    waiting = store.jobs.enqueue("ocr").id

    turn = node.turn((bad, Outcome.finished(LONE_SURROGATE)), free=1)

    assert [claim.job_id for claim in turn.claims] == [waiting]


@pytest.mark.parametrize(
    "poison",
    [
        {"detail": LONE_SURROGATE},
        {"checkpoint": object(), "has_checkpoint": True},
        {"checkpoint": float("nan"), "has_checkpoint": True},
    ],
    ids=["detail", "object", "nan"],
)
def test_a_poisoned_report_does_not_stop_the_others(store, node, claimed, poison):
    first, bad, last = claimed(), claimed(), claimed()
    reports = [
        Report(first.run_id, first.job_id, progress=10.0),
        Report(bad.run_id, bad.job_id, **poison),
        Report(last.run_id, last.job_id, progress=30.0),
    ]

    turn = node.turn((last, Outcome.finished()), reports=reports)

    assert turn.accepted == {last.run_id}
    assert store.jobs.get(first.job_id)["progress"] == 10
    assert store.jobs.get(bad.job_id)["status"] == Status.RUNNING
    assert store.jobs.get(last.job_id)["status"] == Status.FINISHED


def test_progress_and_detail_are_kept_apart(store, node, claimed):
    claim = claimed()

    node.turn(reports=[Report(claim.run_id, claim.job_id, progress=40.0, detail="page 12")])
    node.turn(reports=[Report(claim.run_id, claim.job_id, progress=50.0)])
    node.turn(reports=[Report(claim.run_id, claim.job_id, detail="page 20")])

    job = store.jobs.get(claim.job_id)
    assert (job["progress"], job["detail"]) == (50, "page 20")


def test_output_is_read_in_order_and_from_where_one_stopped(store, node, claimed, clock):
    claim = claimed()
    lines = [OutputLine(number, clock.now, "stdout", f"line {number}") for number in range(1, 6)]
    node.turn(reports=[Report(claim.run_id, claim.job_id, lines=lines[:3])])
    live = store.jobs.output(claim.job_id)
    node.turn((claim, Outcome.finished()), reports=[Report(claim.run_id, claim.job_id, lines=lines[3:])])

    rest = store.jobs.output(claim.job_id, after=(claim.run_id, 3))

    assert [(line["seq"], line["text"], line["at"]) for line in live] == [
        (number, f"line {number}", clock.now) for number in (1, 2, 3)
    ]
    assert [line["text"] for line in rest] == ["line 4", "line 5"]
    assert len(store.jobs.output(run_id=claim.run_id)) == 5


def test_output_of_a_job_goes_on_over_its_runs(store, node, claimed, clock):
    claim = claimed()
    line = OutputLine(1, clock.now, "log", "first try")
    ending = (claim, Outcome.retry("no", after=timedelta(0)))
    (again,) = node.turn(ending, reports=[Report(claim.run_id, claim.job_id, lines=[line])], free=1).claims
    node.turn(reports=[Report(again.run_id, again.job_id, lines=[replace(line, text="second try")])])

    assert [line["text"] for line in store.jobs.output(claim.job_id)] == ["first try", "second try"]
    assert [line["text"] for line in store.jobs.output(claim.job_id, after=(claim.run_id, 1))] == ["second try"]


@pytest.mark.parametrize("data", [{"last": 4711}, [1, 2], "text", 0, False, None, {"ä": "\x00 €"}])
def test_a_checkpoint_is_read_back_as_it_was_given(store, node, claimed, data):
    claim = claimed()
    node.turn(reports=[Report(claim.run_id, claim.job_id, checkpoint=data, has_checkpoint=True)])

    node.end(claim, Outcome.released())
    (again,) = node.claim()

    assert again.checkpoint == data
    assert store.jobs.get(claim.job_id)["checkpoint"] == data


def test_the_last_report_and_the_outcome_may_come_together(store, node, claimed, clock):
    claim = claimed()
    report = Report(
        claim.run_id,
        claim.job_id,
        detail="done",
        lines=[OutputLine(1, clock.now, "stdout", "bye")],
        checkpoint=7,
        has_checkpoint=True,
    )

    turn = node.turn((claim, Outcome.finished()), reports=[report])

    assert turn.lost == set()
    assert store.jobs.get(claim.job_id)["detail"] == "done"
    assert store.jobs.get(claim.job_id)["checkpoint"] == 7
    assert [line["text"] for line in store.jobs.output(claim.job_id)] == ["bye"]


def test_every_kind_of_run_and_reason_can_be_recorded(store, node, claimed):
    for reason in Reason:
        node.end(claimed(), Outcome.failed("failed", reason=reason))
    for status in (RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.LOST):
        node.end(claimed(), Outcome(status, Status.FINISHED))

    recorded = store.runs.find()

    assert {run["reason"] for run in recorded} == {*Reason, None}
    assert {run["status"] for run in recorded} == set(RunStatus)


def test_a_run_knows_since_when_its_job_could_have_started(store, node, claimed, clock):
    first = claimed()
    queued_at = clock.now
    clock.advance(seconds=5)
    node.end(first, Outcome.retry("no connection", after=timedelta(seconds=40)))
    due_at = clock.now + timedelta(seconds=40)
    clock.advance(seconds=60)
    (second,) = node.claim()
    node.end(second, Outcome.failed("no connection"))
    clock.advance(seconds=60)
    store.jobs.start(first.job_id)
    by_hand_at = clock.now
    clock.advance(seconds=1)
    (third,) = node.claim()
    node.end(third, Outcome.finished())

    since = [store.runs.get(claim.run_id)["waiting_since"] for claim in (first, second, third)]
    assert since == [queued_at, due_at, by_hand_at]
