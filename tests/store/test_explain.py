"""Each reason why a job does not run, brought about once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskserver.jobs import Outcome
from taskserver.store import errors


@pytest.fixture
def codes(store):
    def ask(job_id):
        findings = store.jobs.explain(job_id)
        assert all(finding.text for finding in findings)
        return [finding.code for finding in findings]

    return ask


def test_nothing_holds_it_back(store, node, codes):
    assert codes(store.jobs.enqueue("ocr").id) == ["next"]


def test_running_and_stopping(store, claimed, codes):
    claim = claimed()
    running = codes(claim.job_id)
    store.jobs.stop(claim.job_id)

    assert (running, codes(claim.job_id)) == (["running"], ["stopping"])


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome.finished(), "finished"), (Outcome.failed("no such file"), "failed"), (Outcome.stopped(), "stopped")],
    ids=["finished", "failed", "stopped"],
)
def test_what_has_ended(store, node, claimed, codes, outcome, code):
    claim = claimed()
    store.jobs.stop(claim.job_id)
    node.end(claim, outcome)

    assert codes(claim.job_id) == [code]
    if code == "failed":
        assert "no such file" in store.jobs.explain(claim.job_id)[0].text


def test_it_is_switched_off(store, node, codes):
    assert codes(store.jobs.enqueue("ocr", active=False).id) == ["inactive"]


def test_its_client_has_no_login(store, node, codes):
    store.clients.add("acme")

    assert codes(store.jobs.enqueue("ocr", client="acme").id) == ["no_login"]


def test_its_time_has_not_come(store, node, codes, clock):
    job_id = store.jobs.enqueue("ocr", run_at=clock.now + timedelta(hours=1)).id

    assert codes(job_id) == ["future"]
    assert "2026-11-22T09:00:00Z" in store.jobs.explain(job_id)[0].text


def test_its_next_attempt_is_due_later(store, node, claimed, codes):
    claim = claimed()
    node.end(claim, Outcome.retry("no", after=timedelta(hours=1)))

    assert codes(claim.job_id) == ["retry"]


def test_an_earlier_job_of_its_entry_has_not_ended(store, node, codes, clock):
    entry = store.entries.add("hourly", "ocr", cron_spec="0 * * * *", time_zone="UTC", overlap="queue")
    for _ in range(2):
        clock.advance(hours=1)
        node.turn(free=1, heartbeat=True)
    (held,) = store.jobs.find(entry=entry, status="waiting")
    (running,) = store.jobs.find(entry=entry, status="running")

    assert codes(held["id"]) == ["held"]
    assert str(running["id"]) in store.jobs.explain(held["id"])[0].text


def test_no_task_server_runs(store, codes):
    assert codes(store.jobs.enqueue("ocr").id) == ["no_node"]


def test_the_only_task_server_has_not_been_heard_of_for_long(store, node, codes, clock):
    job_id = store.jobs.enqueue("ocr").id

    clock.advance(seconds=60)
    just_in_time = codes(job_id)
    clock.advance(seconds=1)

    assert (just_in_time, codes(job_id)) == (["next"], ["no_node"])


def test_its_node_does_not_run(store, node, codes):
    assert codes(store.jobs.enqueue("ocr", node_id="there").id) == ["node_absent"]


def test_every_node_takes_only_its_own_jobs(store, node, codes, sql):
    sql("UPDATE nodes SET only_own_jobs = (1 = 1)")

    assert codes(store.jobs.enqueue("ocr").id) == ["own_jobs_only"]
    assert codes(store.jobs.enqueue("ocr", node_id="here").id)[:1] != ["own_jobs_only"]


def test_no_node_offers_its_task(store, node, codes):
    assert codes(store.jobs.enqueue("unheard-of").id) == ["unknown_task"]


def test_jobs_do_not_start_automatically(store, node, codes):
    store.switches.set_autostart(False)
    job_id = store.jobs.enqueue("ocr").id
    before = codes(job_id)
    store.jobs.start(job_id)

    assert (before, codes(job_id)) == (["autostart_off"], ["next"])


def test_its_task_is_at_its_limit(store, make_node, codes):
    node = make_node(tasks={"ocr": 1})
    store.jobs.enqueue("ocr")
    node.claim()

    assert codes(store.jobs.enqueue("ocr").id) == ["task_limit"]


def test_its_client_is_at_its_limit(store, node, claimed, codes):
    store.clients.edit("default", max_parallel=1)
    claimed()

    assert codes(store.jobs.enqueue("ocr").id) == ["client_limit"]


def test_others_of_its_client_stand_before_it(store, node, codes):
    store.clients.add("acme", login="clerk")
    store.jobs.enqueue("ocr", client="acme")
    for _ in range(2):
        store.jobs.enqueue("ocr")
    job_id = store.jobs.enqueue("ocr").id

    assert codes(job_id) == ["queued"]
    assert "2" in store.jobs.explain(job_id)[0].text


def test_all_slots_are_busy(store, node, codes):
    store.jobs.enqueue_many("ocr", [{}] * 5)
    node.claim(free=4)
    (waiting,) = store.jobs.find(status="waiting")

    assert codes(waiting["id"]) == ["no_slot"]


@pytest.mark.parametrize(("limit", "code"), [(None, "no_slot"), (2, "task_limit")], ids=["slots", "task"])
def test_what_others_keep_busy_is_told_to_nobody_who_does_not_see_them(store, make_node, codes, limit, code):
    node = make_node(tasks={"ocr": limit})
    acme = store.clients.add("acme", login="clerk")["id"]
    store.jobs.enqueue_many("ocr", [{}] * 4)
    claims = node.claim(free=4)
    job_id = store.jobs.enqueue("ocr", client="acme").id

    while_busy = store.jobs.explain(job_id, visible=[acme])
    assert codes(job_id) == [code]
    node.turn(*[(claim, Outcome.finished()) for claim in claims])

    assert store.jobs.explain(job_id, visible=[acme]) == while_busy
    assert [found.code for found in while_busy] == ["next"]


def test_what_one_s_own_keep_busy_is_told(store, make_node):
    node = make_node(tasks={"ocr": 2})
    store.jobs.enqueue_many("ocr", [{}] * 2)
    node.claim(free=2)
    job_id = store.jobs.enqueue("ocr").id
    mine = store.jobs.get(job_id)["client_id"]

    (found,) = store.jobs.explain(job_id, visible=[mine])

    assert found.code == "task_limit"


def test_every_reason_that_holds_is_named(store, codes, clock):
    store.clients.add("acme")
    store.switches.set_autostart(False)
    run_at = clock.now + timedelta(hours=1)

    job_id = store.jobs.enqueue("ocr", client="acme", active=False, run_at=run_at).id

    assert codes(job_id) == ["inactive", "no_login", "future", "no_node", "autostart_off"]


def test_nothing_is_to_be_said_of_what_is_not_there(store):
    entry = store.entries.add("nightly", "ocr", cron_spec="@daily", time_zone="UTC")

    for job_id in (4711, entry):
        with pytest.raises(errors.JobNotFound):
            store.jobs.explain(job_id)


def test_a_node_that_is_known_to_be_dead_counts_no_more(store, node, claimed):
    running = claimed().job_id
    waiting = store.jobs.enqueue("ocr").id
    boot_id = store.nodes.find()[0]["boot_id"]

    def codes(job_id, *dead):
        return [finding.code for finding in store.jobs.explain(job_id, dead=dead)]

    assert (codes(waiting, "another"), codes(running, "another")) == (["next"], ["running"])
    assert codes(waiting, boot_id)[0] == "no_node"
    assert codes(running, boot_id) == ["node_died"]


def test_a_limit_of_one_is_told_in_the_singular(store, node, claimed, sql):
    claimed()
    sql("UPDATE tasks SET max_parallel = 1")
    sql("UPDATE clients SET max_parallel = 1")
    sql("UPDATE nodes SET slots = 1")
    job_id = store.jobs.enqueue("ocr").id

    told = {finding.code: finding.text for finding in store.jobs.explain(job_id)}

    assert told["task_limit"] == "1 job of the task ocr runs already, which is its limit"
    assert told["client_limit"] == "1 job of the client default runs already, which is its limit"
    assert told["no_slot"] == "the 1 slot is busy"


def test_where_no_node_is_alive_nothing_is_said_of_slots(store, node, claimed):
    claimed()
    waiting = store.jobs.enqueue("ocr").id
    boot_id = store.nodes.find()[0]["boot_id"]

    told = [finding.code for finding in store.jobs.explain(waiting, dead=[boot_id])]

    assert told == ["no_node"]
