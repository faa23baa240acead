from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from taskserver.cron import InvalidSchedule, InvalidTimeZone
from taskserver.errors import EXIT_NOT_FOUND
from taskserver.jobs import Outcome
from taskserver.store import errors


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def nightly(store):
    return store.entries.add("nightly", "ocr", {"path": "/scans"}, cron_spec="0 3 * * *", time_zone="UTC")


def test_an_entry_keeps_what_it_was_given(store, clock):
    store.clients.add("acme", login="clerk")

    entry_id = store.entries.add(
        "nightly",
        "ocr",
        {"path": "/scans"},
        cron_spec="0 3 * * *",
        time_zone="Europe/Berlin",
        client="acme",
        title="Scans of the night",
        description="all of them",
        misfire="all",
        overlap="queue",
        priority=7,
        node_id="there",
        max_attempts=3,
        created_by="erp",
    )

    entry = store.entries.get("nightly", "acme")
    assert entry == store.entries.get(entry_id)
    assert {
        name: entry[name]
        for name in (
            *("id", "type", "name", "task", "data", "cron_spec", "time_zone", "client", "title", "description"),
            *("misfire", "overlap", "priority", "node_id", "max_attempts", "active", "created_by", "created_at"),
            *("status", "ready", "next_run_at"),
        )
    } == {
        "id": entry_id,
        "type": "interval",
        "name": "nightly",
        "task": "ocr",
        "data": {"path": "/scans"},
        "cron_spec": "0 3 * * *",
        "time_zone": "Europe/Berlin",
        "client": "acme",
        "title": "Scans of the night",
        "description": "all of them",
        "misfire": "all",
        "overlap": "queue",
        "priority": 7,
        "node_id": "there",
        "max_attempts": 3,
        "active": True,
        "created_by": "erp",
        "created_at": clock.now,
        "status": None,
        "ready": None,
        "next_run_at": at("2026-11-23T02:00"),
    }


def test_the_job_of_an_entry_inherits_from_it(store, make_node, clock):
    there = make_node("there")
    store.clients.add("acme", login="clerk")
    store.entries.add(
        "nightly",
        "ocr",
        {"path": "/scans"},
        cron_spec="0 3 * * *",
        time_zone="Europe/Berlin",
        client="acme",
        title="Scans",
        description="all",
        priority=7,
        node_id="there",
        max_attempts=3,
    )
    clock.now = at("2026-11-23T02:00")

    (claim,) = there.claim()

    job = store.jobs.get(claim.job_id)
    assert (claim.due_at, claim.data, claim.client, claim.login) == (
        clock.now,
        {"path": "/scans"},
        "acme",
        "clerk",
    )
    assert (claim.title, claim.max_attempts) == ("Scans", 3)
    assert (job["priority"], job["description"], job["cron_entry"]) == (7, "all", "nightly")
    assert job["created_by"] == "cron entry nightly"


def test_entries_are_found_by_client_and_name(store, nightly):
    store.clients.add("acme", login="clerk")
    theirs = store.entries.add("nightly", "ocr", cron_spec="@daily", time_zone="UTC", client="acme")
    another = store.entries.add("a first one", "ocr", cron_spec="@daily", time_zone="UTC")

    assert [entry["id"] for entry in store.entries.find()] == [theirs, another, nightly]
    assert [entry["id"] for entry in store.entries.find("acme")] == [theirs]
    assert store.entries.get("nightly")["id"] == nightly
    assert store.entries.get("nightly", "acme")["id"] == theirs
    assert store.entries.get(str(theirs))["id"] == theirs


def test_an_entry_named_like_the_number_of_another_is_not_taken_for_it(store, nightly):
    tricky = store.entries.add(str(nightly), "ocr", cron_spec="@daily", time_zone="UTC")

    store.entries.disable(nightly)
    store.entries.enable(nightly)

    assert store.entries.get(nightly)["name"] == "nightly"
    assert store.entries.get(str(nightly))["id"] == tricky
    assert store.entries.get(nightly)["active"] is True
    assert store.entries.get(nightly)["next_run_at"] == at("2026-11-23T03:00")


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"cron_spec": "0 25 * * *"}, InvalidSchedule),
        ({"time_zone": "Europe/Belrin"}, InvalidTimeZone),
        ({"client": "acme"}, errors.ClientNotFound),
        ({"name": "nightly"}, errors.EntryExists),
        ({"data": {"x": float("nan")}}, errors.NotJson),
    ],
    ids=["spec", "zone", "client", "name", "data"],
)
def test_a_wrong_entry_is_refused(store, nightly, values, error):
    entry = {"name": "new", "task": "ocr", "cron_spec": "@daily", "time_zone": "UTC", **values}

    with pytest.raises(error):
        store.entries.add(entry.pop("name"), entry.pop("task"), **entry)

    assert [entry["name"] for entry in store.entries.find()] == ["nightly"]


@pytest.mark.parametrize("verb", ["enable", "disable", "run", "delete", "edit", "get"])
@pytest.mark.parametrize("which", ["nothing", "a job"])
def test_a_verb_on_what_is_no_entry_says_so(store, verb, which):
    number = store.jobs.enqueue("ocr").id if which == "a job" else 4711

    with pytest.raises(errors.EntryNotFound) as refusal:
        getattr(store.entries, verb)(number)

    assert refusal.value.exit_code == EXIT_NOT_FOUND


def test_a_changed_schedule_counts_from_now(store, node, nightly, clock):
    store.entries.edit(nightly, cron_spec="0 9 * * *", title="In the morning", data={"path": "/new"})

    entry = store.entries.get(nightly)
    assert (entry["next_run_at"], entry["title"]) == (at("2026-11-22T09:00"), "In the morning")
    clock.now = at("2026-11-22T09:00")
    assert [claim.data for claim in node.claim()] == [{"path": "/new"}]


def test_a_changed_time_zone_counts_from_now(store, nightly):
    store.entries.edit(nightly, time_zone="America/New_York")

    assert store.entries.get(nightly)["next_run_at"] == at("2026-11-22T08:00") + timedelta(days=1)


def test_a_change_of_something_else_does_not_move_the_schedule(store, nightly, clock):
    clock.now = at("2026-11-24T00:00")

    store.entries.edit(nightly, priority=3)

    assert store.entries.get(nightly)["next_run_at"] == at("2026-11-23T03:00")
    assert store.entries.get(nightly)["priority"] == 3


def test_a_change_of_nothing_changes_nothing(store, nightly):
    before = store.entries.get(nightly)

    store.entries.edit(nightly)

    assert store.entries.get(nightly) == before


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"cron_spec": "nonsense"}, InvalidSchedule),
        ({"time_zone": "Nowhere"}, InvalidTimeZone),
        ({"name": "weekly"}, errors.EntryExists),
        ({"status": "running"}, ValueError),
        ({"data": {"x": float("nan")}}, errors.NotJson),
    ],
    ids=["spec", "zone", "name", "column", "data"],
)
def test_a_wrong_change_is_refused(store, nightly, changed, error):
    store.entries.add("weekly", "ocr", cron_spec="@weekly", time_zone="UTC")
    before = store.entries.get(nightly)

    with pytest.raises(error):
        store.entries.edit(nightly, **changed)

    assert store.entries.get(nightly) == before


def test_a_disabled_entry_queues_nothing_and_nothing_is_made_up_for(store, node, nightly, clock):
    store.entries.disable(nightly)
    clock.advance(days=10)
    asleep = node.claim()

    store.entries.enable(nightly)
    awake = node.claim()

    assert (asleep, awake) == ([], [])
    assert store.entries.get(nightly)["next_run_at"] == at("2026-12-03T03:00")
    assert store.entries.missed(nightly) == []


def test_enabling_what_is_active_does_not_move_the_schedule(store, nightly, clock):
    clock.advance(days=10)

    store.entries.enable(nightly)

    assert store.entries.get(nightly)["next_run_at"] == at("2026-11-23T03:00")


def test_an_entry_run_by_hand_comes_first_and_does_not_move_the_schedule(store, node, nightly, clock):
    before = store.entries.get(nightly)
    store.jobs.enqueue("ocr", priority=100)

    by_hand = [store.entries.run(nightly), store.entries.run(nightly)]

    assert [claim.job_id for claim in node.claim(free=2)] == by_hand
    assert store.jobs.get(by_hand[0])["due_at"] is None
    assert store.jobs.get(by_hand[0])["cron_entry"] == "nightly"
    assert store.entries.get(nightly) == {**before, "last_run_at": clock.now}


def test_an_inactive_entry_can_be_run_by_hand(store, node, nightly):
    store.entries.disable(nightly)

    job_id = store.entries.run(nightly)

    assert [claim.job_id for claim in node.claim()] == [job_id]
    assert store.entries.get(nightly)["active"] is False


def test_jobs_stay_when_their_entry_is_deleted(store, node, nightly, clock):
    job_id = store.entries.run(nightly)

    store.entries.delete(nightly)
    clock.advance(days=10)

    with pytest.raises(errors.EntryNotFound):
        store.entries.get(nightly)
    assert store.jobs.get(job_id)["cron_entry"] is None
    assert [claim.job_id for claim in node.claim(free=4)] == [job_id]
    node.end(node.dispatch.own_claims(node.row)[0], Outcome.finished())
    assert store.runs.find(cron_entry_id=nightly)[0]["job_id"] == job_id


def test_the_title_comes_from_the_task_when_the_entry_has_none(store, node, nightly, sql):
    sql("UPDATE tasks SET title = 'OCR {{1}} of {path}{missing}'")

    assert store.entries.get(nightly)["title"] == "OCR {1} of /scans{missing}"
    assert store.jobs.get(store.entries.run(nightly))["title"] == "OCR {1} of /scans{missing}"


def test_a_title_has_the_defaults_of_arguments_that_are_not_given(store, node, nightly, sql):
    schema = '{"type": "object", "properties": {"dpi": {"default": 300}, "path": {"default": "/"}, "odd": true}}'
    sql(f"UPDATE tasks SET title = 'OCR of {{path}} at {{dpi}}', schema = '{schema}'")

    job = store.jobs.get(store.entries.run(nightly))

    assert store.entries.get(nightly)["title"] == job["title"] == "OCR of /scans at 300"
    assert not {"task_title", "task_schema"} & job.keys()
