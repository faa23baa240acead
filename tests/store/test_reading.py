from __future__ import annotations

from datetime import timedelta

import pytest

from taskserver.errors import EXIT_NOT_FOUND
from taskserver.jobs import Outcome, OutputLine, Report
from taskserver.store import Store, errors
from taskserver.texts import use_language


def test_jobs_are_shown_in_the_order_in_which_they_will_start(store, node, claimed, clock):
    finished, running = claimed(), claimed()
    clock.advance(seconds=1)
    node.end(finished)
    future = store.jobs.enqueue("ocr", run_at=clock.now + timedelta(hours=1), priority=100).id
    normal = [store.jobs.enqueue("ocr").id for _ in range(2)]
    urgent = store.jobs.enqueue("ocr", priority=5).id
    by_hand = store.jobs.enqueue("ocr", priority=-5).id
    store.jobs.start(by_hand)

    shown = [job["id"] for job in store.jobs.find()]

    assert shown == [running.job_id, by_hand, urgent, *normal, future, finished.job_id]
    assert [claim.job_id for claim in node.claim(free=9)] == shown[1:5]


def test_ended_jobs_are_shown_newest_first(store, node, claimed):
    claims = [claimed() for _ in range(3)]
    node.turn(*((claim, Outcome.finished()) for claim in reversed(claims)))

    assert [job["id"] for job in store.jobs.find()] == [claim.job_id for claim in reversed(claims)]


@pytest.mark.parametrize("page", [1, 3, 7])
def test_pages_walk_over_every_job_exactly_once(store, node, claimed, clock, page):
    for number in range(4):
        node.end(claimed(), Outcome.failed("no") if number % 2 else Outcome.finished())
    claimed()
    for number in range(9):
        run_at = clock.now + timedelta(hours=1) if number % 3 == 0 else None
        store.jobs.enqueue("ocr", priority=number % 2, run_at=run_at)
    store.jobs.start(store.jobs.find(status="waiting")[4]["id"])
    everything = [job["id"] for job in store.jobs.find()]

    walked, after = [], None
    while True:
        found = [job["id"] for job in store.jobs.find(limit=page, after_id=after)]
        if not found:
            break
        walked += found
        after = found[-1]

    assert walked == everything
    assert len(walked) == 14


def test_a_page_behind_a_job_that_is_gone_does_not_begin_again(store):
    first, _ = store.jobs.enqueue("ocr").id, store.jobs.enqueue("ocr").id
    store.jobs.delete(first)

    with pytest.raises(errors.JobNotFound):
        store.jobs.find(after_id=first)


def test_filters_narrow_the_list(store, node, claimed, clock):
    store.clients.add("acme", login="clerk")
    entry = store.entries.add("nightly", "ocr", cron_spec="0 3 * * *", time_zone="UTC")
    failed = claimed(title="Scan of 100%")
    node.end(failed, Outcome.failed("Datei nicht gefunden"))
    theirs = store.jobs.enqueue("ocr", client="acme", description="a_b").id
    other = store.jobs.enqueue("invoices").id
    by_entry = store.entries.run(entry)

    def ids(**filters):
        return {job["id"] for job in store.jobs.find(**filters)}

    assert ids(status="failed") == {failed.job_id}
    assert ids(status={"failed", "waiting"}) == {failed.job_id, theirs, other, by_entry}
    assert ids(client="acme") == {theirs}
    with pytest.raises(errors.ClientNotFound):
        ids(client="nobody")
    assert ids(task="invoices") == {other}
    assert ids(entry=entry) == {by_entry}
    assert ids(text="scan OF") == {failed.job_id}
    assert ids(text="NICHT gefunden") == {failed.job_id}
    assert ids(text="invoice") == {other}
    assert ids(text="100%") == {failed.job_id}
    assert ids(text="0_") == set()
    assert ids(text="a_b") == {theirs}
    assert ids(status="waiting", client="default", task="ocr") == {by_entry}


@pytest.mark.parametrize("needle", ["Überweisung", "überweisung", "ÜBERWEISUNG", "weisung"])
def test_umlauts_are_found_in_any_case(store, node, claimed, needle):
    claim = claimed(title="Überweisung")
    node.end(claim, Outcome.failed("Überweisung misslungen"))

    assert [job["id"] for job in store.jobs.find(text=needle)] == [claim.job_id]
    assert [run["id"] for run in store.runs.find(text=needle)] == [claim.run_id]
    assert [run["id"] for run in store.runs.find(error=needle)] == [claim.run_id]


def test_a_job_that_is_gone_is_answered_by_its_last_run(store, node, claimed, clock):
    claim = claimed(data={"page": 1}, title="Scan")
    (again,) = node.turn((claim, Outcome.retry("no", after=timedelta(0))), free=1).claims
    node.end(again, Outcome.finished("12 pages"))
    store.jobs.delete(claim.job_id)

    job = store.jobs.get(claim.job_id)

    assert (job["gone"], job["id"], job["run_id"]) == (True, claim.job_id, again.run_id)
    assert (job["status"], job["result"], job["progress"], job["client"]) == (
        "finished",
        "12 pages",
        100,
        "default",
    )
    assert (job["title"], job["data"]) == ("Scan", {"page": 1})


def test_output_of_a_job_that_is_gone_can_still_be_read(store, node, claimed, clock):
    claim = claimed()
    report = Report(claim.run_id, claim.job_id, lines=[OutputLine(1, clock.now, "stdout", "hello")])
    node.turn((claim, Outcome.finished()), reports=[report])
    store.jobs.delete(claim.job_id)

    assert [line["text"] for line in store.jobs.output(claim.job_id)] == ["hello"]


# --- runs


def test_runs_are_found_by_everything_that_is_known_of_them(store, make_node, clock):
    store.clients.add("acme", login="clerk")
    here, there = make_node("here"), make_node("there", tasks={"invoices": None})
    entry = store.entries.add("nightly", "ocr", cron_spec="0 3 * * *", time_zone="UTC")
    begin = clock.now

    def run(node, outcome, task="ocr", **more):
        store.jobs.enqueue(task, **more)
        (claim,) = node.claim()
        node.end(claim, outcome)
        clock.advance(hours=1)
        return claim.run_id

    first = run(here, Outcome.finished("12 Pages"), title="Scan A")
    second = run(there, Outcome.failed("no such file"), task="invoices", client="acme")
    store.entries.run(entry)
    (claim,) = here.claim()
    here.end(claim, Outcome.finished("nothing"))
    third = claim.run_id

    def ids(**filters):
        return [found["id"] for found in store.runs.find(**filters)]

    assert ids() == [third, second, first]
    assert ids(job_id=store.runs.get(first)["job_id"]) == [first]
    assert ids(cron_entry_id=entry) == [third]
    assert ids(task="invoices") == ids(status="failed") == ids(client="acme") == ids(node="there") == [second]
    assert ids(text="scan") == ids(result="12 PAGES") == [first]
    assert ids(error="such FILE") == [second]
    assert ids(since=begin + timedelta(hours=1)) == [third, second]
    assert ids(until=begin + timedelta(hours=1)) == [first]
    assert ids(since=begin + timedelta(hours=1), until=begin + timedelta(hours=2)) == [second]
    assert ids(limit=1) == [third]
    assert ids(before_id=third, limit=1) == [second]


def test_an_unknown_run_is_not_found(store):
    with pytest.raises(errors.RunNotFound) as refusal:
        store.runs.get(4711)

    assert refusal.value.exit_code == EXIT_NOT_FOUND


# --- switches and tasks


def test_autostart_is_on_until_somebody_switches_it_off(store, database_url):
    before = store.switches.autostart()
    store.switches.set_autostart(False)
    with Store.open(database_url) as another:
        after = another.switches.autostart()
    store.switches.set_autostart(True)

    assert (before, after, store.switches.autostart()) == (True, False, True)


def test_published_tasks_are_found_by_name(store, make_node):
    make_node(tasks={"ocr": None, "invoices.create": 1})

    assert [task["name"] for task in store.tasks.find()] == ["invoices.create", "ocr"]
    assert store.tasks.get("invoices.create")["max_parallel"] == 1
    assert store.tasks.get("invoices.create")["schema"] == {}


def test_an_unknown_task_is_not_found_and_a_near_one_named(store, make_node):
    make_node(tasks={"invoices.create": 1})
    use_language("en")

    with pytest.raises(errors.TaskNotFound) as refusal:
        store.tasks.get("invoice.create")

    assert refusal.value.exit_code == EXIT_NOT_FOUND
    assert "'invoices.create'" in str(refusal.value)


def test_the_last_node_to_publish_a_task_says_what_it_is(store, make_node):
    make_node("here", tasks={"ocr": 3})
    make_node("there", tasks={"ocr": None})

    assert store.tasks.get("ocr")["max_parallel"] is None


# --- clients


def test_clients_count_their_jobs(store, node, claimed):
    store.clients.add("acme", login="clerk", title="Acme Ltd", max_parallel=3)
    running, stopping = claimed(client="acme"), claimed(client="acme")
    store.jobs.stop(stopping.job_id)
    store.jobs.enqueue("ocr", client="acme")
    store.entries.add("nightly", "ocr", cron_spec="@daily", time_zone="UTC", client="acme")
    node.end(running)

    acme = store.clients.get("acme")

    assert (acme["login"], acme["title"], acme["max_parallel"]) == ("clerk", "Acme Ltd", 3)
    assert (acme["waiting"], acme["running"]) == (1, 1)
    assert store.clients.find() == [acme, store.clients.get("default")]


def test_a_client_can_be_changed(store):
    store.clients.add("acme")
    store.jobs.enqueue("ocr", client="acme")

    store.clients.edit("acme", new_name="acme2", title="Acme", max_parallel=2)
    store.clients.set_login("acme2", "clerk")
    named = store.clients.get("acme2")
    store.clients.edit("acme2", max_parallel=None)
    store.clients.set_login("acme2", "")

    assert (named["title"], named["max_parallel"], named["login"], named["waiting"]) == ("Acme", 2, "clerk", 1)
    assert (store.clients.get("acme2")["login"], store.clients.get("acme2")["max_parallel"]) == (None, None)
    with pytest.raises(errors.ClientNotFound):
        store.clients.get("acme")


@pytest.mark.parametrize(
    "verb",
    [
        lambda clients: clients.get("nobody"),
        lambda clients: clients.edit("nobody", title="x"),
        lambda clients: clients.set_login("nobody", "x"),
        lambda clients: clients.delete("nobody"),
    ],
    ids=["get", "edit", "set-login", "delete"],
)
def test_an_unknown_client_is_not_found(store, verb):
    with pytest.raises(errors.ClientNotFound) as refusal:
        verb(store.clients)

    assert refusal.value.exit_code == EXIT_NOT_FOUND


def test_two_clients_never_share_a_name(store):
    store.clients.add("acme")

    with pytest.raises(errors.ClientExists):
        store.clients.add("acme", login="clerk")
    with pytest.raises(errors.ClientExists):
        store.clients.edit("acme", new_name="default")

    assert [client["name"] for client in store.clients.find()] == ["acme", "default"]
    assert store.clients.get("acme")["login"] is None


def test_clients_are_read_in_pages_that_outlive_their_ends(store):
    for name in ("acme", "bolt", "corp", "zeta"):
        store.clients.add(name)
    store.clients.delete("bolt")

    def names(**page):
        return [client["name"] for client in store.clients.find(**page)]

    assert names(limit=2) == ["acme", "corp"]
    assert names(after="bolt", limit=2) == ["corp", "default"]
    assert names(before="zeta", limit=2) == ["corp", "default"]
    assert names(before="acme") == names(after="zeta") == []
    assert names(after="acme", visible=[1]) == ["default"]


def test_a_client_with_jobs_or_entries_stays(store, node):
    store.clients.add("acme", login="clerk")
    entry = store.entries.add("nightly", "ocr", cron_spec="@daily", time_zone="UTC", client="acme")
    job_id = store.entries.run(entry)
    for remove in (lambda: store.entries.delete(entry), lambda: store.jobs.delete(job_id)):
        with pytest.raises(errors.ClientInUse):
            store.clients.delete("acme")
        remove()

    store.clients.delete("acme")

    assert [client["name"] for client in store.clients.find()] == ["default"]


def test_runs_outlive_their_client(store, node, claimed):
    store.clients.add("acme", login="clerk")
    claim = claimed(client="acme")
    node.end(claim)
    store.jobs.delete(claim.job_id)

    store.clients.delete("acme")

    assert store.runs.get(claim.run_id)["client"] is None
    assert store.jobs.get(claim.job_id)["gone"] is True


def test_the_default_client_stays(store):
    with pytest.raises(errors.DefaultClientStays):
        store.clients.delete("default")

    assert store.clients.get("default")["login"] == "default"
