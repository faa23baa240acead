"""The page of jobs: each stands on it once, in the order in which they start, whichever way one turns pages."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskserver.jobs import Outcome, Status
from taskserver.store import Place, Wanted
from taskserver.store.errors import PageGone


@pytest.fixture
def mixed(store: Any, node: Any, clock: Any) -> dict[str, int]:
    """One job of each kind, queued in another order than they stand in."""
    ids = {}

    def queue(name, **more):
        clock.advance(seconds=1)
        ids[name] = store.jobs.enqueue("ocr", {"path": name}, title=name, **more).id

    queue("running")
    (running,) = node.claim()
    for name in ("failed", "finished"):
        queue(name, priority=9)
        (claim,) = node.claim()
        node.end(claim, Outcome.finished() if name == "finished" else Outcome.failed("no such file 4711"))
        clock.advance(seconds=1)
    queue("stopped")
    store.jobs.stop(ids["stopped"])
    queue("inactive", active=False)
    queue("tomorrow", run_at=clock.now + timedelta(days=1))
    queue("soon", run_at=clock.now + timedelta(hours=1))
    queue("first queued")
    queue("second queued")
    queue("urgent", priority=5)
    queue("by hand")
    store.jobs.start(ids["by hand"])
    assert running.job_id == ids["running"]
    return ids


ORDER = [
    *("running", "by hand", "urgent", "first queued", "second queued", "soon", "tomorrow", "inactive"),
    *("stopped", "finished", "failed"),
]


def titles(rows: list[dict[str, Any]]) -> list[str]:
    return [row["title"] for row in rows]


def all_pages(store: Any, wanted: Wanted, limit: int) -> list[Any]:
    pages = [store.overview.page(wanted, limit=limit)]
    while pages[-1].after:
        pages.append(store.overview.page(wanted, after=Place.read(pages[-1].after.write()), limit=limit))
        assert len(pages) < 50
    return pages


def test_jobs_stand_in_the_order_in_which_they_start(store, mixed):
    page = store.overview.page(Wanted())

    assert titles(page.rows) == ORDER
    assert (page.before, page.after) == (None, None)
    assert page.rows[1] == store.jobs.get(mixed["by hand"])


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 10, 11, 12])
def test_pages_go_on_both_ways_and_leave_nothing_out(store, mixed, limit):
    forward = all_pages(store, Wanted(), limit)
    backward = [forward[-1]]
    while backward[-1].before:
        backward.append(store.overview.page(Wanted(), before=backward[-1].before, limit=limit))

    assert [title for page in forward for title in titles(page.rows)] == ORDER
    assert [title for page in reversed(backward) for title in titles(page.rows)] == ORDER
    assert all(len(page.rows) == limit for page in forward[:-1])


def test_a_page_goes_on_behind_a_job_that_is_gone(store, mixed):
    first = store.overview.page(Wanted(), limit=4)
    store.jobs.delete(mixed["first queued"])

    second = store.overview.page(Wanted(), after=first.after, limit=2)

    assert titles(second.rows) == ["second queued", "soon"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(status=["waiting"]), ORDER[1:8]),
        (Wanted(status=["running"]), ["running"]),
        (Wanted(status=["stopping"]), []),
        (Wanted(status=["failed", "running"]), ["running", "failed"]),
        (Wanted(task="ocr"), ORDER),
        (Wanted(task="other"), []),
        (Wanted(client="default"), ORDER),
        (Wanted(client="nobody"), []),
        (Wanted(text="QUEUED"), ["first queued", "second queued"]),
        (Wanted(text="file 4711"), ["failed"]),
        (Wanted(text="100%"), []),
        (Wanted(visible=[1]), ORDER),
        (Wanted(visible=[2, 3]), []),
        (Wanted(visible=[]), []),
    ],
)
def test_the_page_shows_what_is_wanted(store, mixed, wanted, expected):
    assert titles(store.overview.page(wanted).rows) == expected
    assert [title for page in all_pages(store, wanted, 1) for title in titles(page.rows)] == expected


def test_a_text_is_found_in_any_case_also_beyond_ascii_and_in_the_title_of_the_task(store, sql):
    store.jobs.enqueue("ocr", {"path": "x"}, title="Übersicht für MÜLLER")
    untitled = store.jobs.enqueue("letters").id
    sql("INSERT INTO tasks (name, title) VALUES ('letters', 'Mahnungen {month}')")

    def found(needle):
        return [row["id"] for row in store.overview.page(Wanted(text=needle)).rows]

    assert len(found("müller")) == len(found("ÜBERSICHT")) == 1
    assert found("mahnung") == [untitled]
    assert found(str(untitled)) == [untitled]


@pytest.mark.parametrize(
    ("needle", "is_found"),
    [
        ("Letters to Müller & Söhne (7)", True),
        ("LETTERS TO MÜLLER", True),
        ("(7) by post", True),
        ("by post, ***", False),  # a secret is not looked at, not even what stands for it
        ("{customer}", False),
        ("hunter2", False),
        ("swordfish", False),
        ("opensesame", False),
    ],
)
def test_a_title_is_found_as_it_is_shown_and_no_secret_by_it(store, sql, needle, is_found):
    sql(
        "INSERT INTO tasks (name, title, schema) VALUES ('letters', "
        "'Letters to {customer} ({number}) by {way}, {password} {list} {address}', "
        """'{"properties": {"way": {"default": "post"}, "password": {"default": "opensesame"}}}')"""
    )
    data = {
        "customer": "Müller & Söhne",
        "number": 7,
        "password": "hunter2",
        "list": ["swordfish"],
        "address": "ftp://anna:swordfish@host/",
    }
    job = store.jobs.enqueue("letters", data).id
    store.jobs.enqueue("letters", {"customer": "nobody else"})
    store.jobs.enqueue("ocr", data)

    rows = store.overview.page(Wanted(text=needle)).rows

    assert [row["id"] for row in rows] == ([job] if is_found else [])


@pytest.mark.parametrize(
    "data", ["[1, 2]", "7", "null", '"customer"', '{"customer": null}', '{"customer": "a\\u0000b"}']
)
def test_whatever_stands_in_a_job_s_data_the_others_are_found(store, sql, data):
    sql("INSERT INTO tasks (name, title) VALUES ('letters', 'Letters to {customer}')")
    job = store.jobs.enqueue("letters", {"customer": "Miller"}).id
    sql(f"INSERT INTO jobs (client_id, task, title, data) VALUES (1, 'letters', '', '{data}')")

    assert [row["id"] for row in store.overview.page(Wanted(text="letters to mill")).rows] == [job]


@pytest.mark.only_on("sqlite")
def test_data_that_is_no_json_keeps_nobody_from_being_found(store, sql):
    sql("INSERT INTO tasks (name, title) VALUES ('letters', 'Letters to {customer}')")
    job = store.jobs.enqueue("letters", {"customer": "Miller"}).id
    sql("PRAGMA ignore_check_constraints = ON")
    sql("INSERT INTO jobs (client_id, task, title, data) VALUES (1, 'letters', '', 'no json')")

    assert [row["id"] for row in store.overview.page(Wanted(text="miller")).rows] == [job]


def test_a_number_is_found_as_the_page_writes_it(store):
    job = store.jobs.enqueue("ocr").id

    assert [row["id"] for row in store.overview.page(Wanted(text=f"#{job}")).rows] == [job]


def test_counts_say_how_many_have_each_status(store, mixed):
    acme = store.clients.add("acme")["id"]
    store.jobs.enqueue("ocr", client="acme")

    counts = store.overview.counts(Wanted(text="left aside"))

    assert counts == {
        **{"waiting": 8, "running": 1, "stopping": 0},
        **{"stopped": 1, "finished": 1, "failed": 1},
    }
    assert counts == store.jobs.counts()
    assert store.overview.counts(Wanted(visible=[acme]))["waiting"] == 1
    assert sum(store.overview.counts(Wanted(visible=[])).values()) == 0


def test_counts_stop_at_a_bound(store, monkeypatch):
    monkeypatch.setattr("taskserver.store.overview.COUNTED", 3)
    store.jobs.enqueue_many("ocr", [{}] * 5)

    assert store.overview.counts(Wanted())["waiting"] == 3


def test_a_job_held_behind_another_is_waiting_too(store, sql):
    sql("INSERT INTO jobs (task, ready, title) VALUES ('ocr', 0, 'held'), ('ocr', 1, 'queued')")
    sql("INSERT INTO jobs (task, status, ready, title) VALUES ('ocr', 'finished', NULL, 'by plain SQL')")

    assert titles(store.overview.page(Wanted()).rows) == ["queued", "held", "by plain SQL"]
    assert store.overview.counts(Wanted())["finished"] == 1


@pytest.mark.parametrize(
    "word",
    ["", "x", "W10", "é", "bnVsbA", "WzcsIDEsIDJd", *("A" * n for n in (7, 4000))],
)
def test_a_place_that_was_never_written_is_refused(word):
    with pytest.raises(PageGone):
        Place.read(word)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    )
)
def test_whatever_is_forged_as_a_place_is_a_place_or_refused(forged):
    import base64
    import json

    word = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")

    try:
        place = Place.read(word)
    except PageGone:
        return
    assert Place.read(place.write()) == place


def test_every_status_belongs_to_a_rank(store, sql):
    """A job of any status and shape, also of a plain INSERT, stands on the page exactly once."""
    shapes = itertools.product(
        [status.value for status in Status if status not in ("running", "stopping")],
        ["NULL", "1"],
        ["NULL", "'2026-11-22 08:00:00.000000'"],
        ["1 = 1", "1 = 0"],
    )
    for status, ready, at, active in shapes:
        if status != "waiting" and ready != "NULL":
            continue
        sql(
            "INSERT INTO jobs (task, status, ready, next_run_at, ended_at, active) "
            f"VALUES ('ocr', '{status}', {ready}, {at.replace(':', chr(92) + ':')}, "
            f"{at.replace(':', chr(92) + ':')}, ({active}))"
        )
    everything = sorted(row[0] for row in sql("SELECT id FROM jobs"))

    seen = [row["id"] for page in all_pages(store, Wanted(), 5) for row in page.rows]

    assert len(everything) > 15
    assert sorted(seen) == everything


Plans = Callable[[Wanted], list[str]]


@pytest.fixture
def plans(store: Any) -> Plans:
    """How the database goes about the statements of a page."""
    from sqlalchemy import event

    def explain(wanted: Wanted) -> list[str]:
        seen = []

        def note(connection, cursor, statement, parameters, context, many):
            if "FROM jobs" in statement and "LIMIT" in statement:
                seen.append((statement, parameters))

        event.listen(store.database.engine, "before_cursor_execute", note)
        store.overview.page(wanted)
        event.remove(store.database.engine, "before_cursor_execute", note)
        how = "EXPLAIN QUERY PLAN " if store.database.dialect.one_writer else "EXPLAIN "
        with store.database.read() as connection:
            return [
                "\n".join(str(row[-1]) for row in connection.exec_driver_sql(how + statement, parameters))
                for statement, parameters in seen
            ]

    return explain


def test_no_rank_reads_the_whole_table(store, plans, sql):
    sql(
        "INSERT INTO jobs (task, status, ready, ended_at) SELECT 'ocr', 'finished', NULL, created_at FROM "
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i FROM n) AS n, "
        "(SELECT created_at FROM clients LIMIT 1) AS c"
    )
    sql("ANALYZE")

    found = plans(Wanted())

    assert len(found) >= 8
    for plan in found:
        assert "jobs_" in plan, plan
        assert "Seq Scan on jobs" not in plan


@pytest.mark.only_on("postgresql")
def test_a_job_that_ends_while_the_page_is_made_stands_on_it_once(store):
    """Each statement sees what is committed by then: a job may be met waiting, and stopped some ranks further."""
    from sqlalchemy import event

    job_id = store.jobs.enqueue("ocr").id
    stopped = []

    def stop_it(connection, cursor, statement, parameters, context, many):
        if "jobs.ready = 1" in statement and not stopped:
            stopped.append(job_id)
            with store.database.connect() as other, store.database.write(other) as writing:
                writing.exec_driver_sql(
                    f"UPDATE jobs SET status = 'stopped', ready = NULL, ended_at = now() WHERE id = {job_id}"
                )

    event.listen(store.database.engine, "after_cursor_execute", stop_it)
    page = store.overview.page(Wanted())
    event.remove(store.database.engine, "after_cursor_execute", stop_it)

    assert stopped == [job_id]
    assert [row["id"] for row in page.rows] == [job_id]


# --- in turn, as claims take them


@pytest.fixture
def crowd(store: Any, clock: Any) -> list[str]:
    """Three clients that work and one without a login; the first has most."""
    store.clients.set_login("default", "root")
    for name in ("b", "c", "idle"):
        store.clients.add(name, login=None if name == "idle" else "x")
    given = [*["default"] * 6, *["idle"] * 2, *["b"] * 3, "c", "b", "default"]
    for number, client in enumerate(given):
        clock.advance(seconds=1)
        store.jobs.enqueue("ocr", client=client, title=f"{client} {number}", priority=9 if number == 5 else 0)
    return given


IN_TURN = [
    *("default 5", "b 8", "c 11", "default 0", "b 9", "default 1", "b 10", "default 2", "b 12"),
    *("default 3", "default 4", "default 13", "idle 6", "idle 7"),
]


def test_clients_take_turns_and_who_has_no_login_comes_last(store, crowd):
    assert titles(store.overview.page(Wanted(), in_turn=True).rows) == IN_TURN


def test_the_order_is_that_in_which_claims_take_them(store, node, crowd):
    """Also with the turn in the middle and a job that was started by hand."""
    node.claim(free=2)
    store.jobs.start(store.jobs.find(client="default", status="waiting")[0]["id"])
    predicted = [row["id"] for row in store.overview.page(Wanted(status=["waiting"]), in_turn=True).rows]

    taken = []
    while claims := node.claim(free=1):
        taken += [claim.job_id for claim in claims]

    assert taken == predicted[: len(taken)]
    assert len(taken) == len(crowd) - 4


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 14])
def test_pages_in_turn_go_on_both_ways_and_leave_nothing_out(store, crowd, limit):
    def look(**where):
        return store.overview.page(Wanted(), limit=limit, in_turn=True, **where)

    forward = [look()]
    while forward[-1].after:
        forward.append(look(after=Place.read(forward[-1].after.write())))
        assert len(forward) < 50
    backward = [forward[-1]]
    while backward[-1].before:
        backward.append(look(before=Place.read(backward[-1].before.write())))
        assert len(backward) < 50

    assert [title for page in forward for title in titles(page.rows)] == IN_TURN
    assert [title for page in reversed(backward) for title in titles(page.rows)] == IN_TURN


def test_a_page_in_turn_goes_on_while_jobs_go(store, crowd):
    first = store.overview.page(Wanted(), limit=4, in_turn=True)
    for row in first.rows:
        store.jobs.delete(row["id"])

    second = store.overview.page(Wanted(), after=first.after, limit=10, in_turn=True)

    assert sorted(titles(second.rows)) == sorted(IN_TURN[4:])


def test_a_place_of_the_one_order_is_none_of_the_other(store, crowd):
    plain, turned = (store.overview.page(Wanted(), limit=3, in_turn=each) for each in (False, True))

    with pytest.raises(PageGone):
        store.overview.page(Wanted(), after=plain.after, in_turn=True)
    assert len(store.overview.page(Wanted(), after=turned.after).rows) > 0


def test_filters_hold_in_turn_too(store, crowd):
    def shown(**wanted):
        return titles(store.overview.page(Wanted(**wanted), in_turn=True).rows)

    assert shown(client="b") == ["b 8", "b 9", "b 10", "b 12"]
    assert shown(text="default") == ["default 5", *(f"default {number}" for number in (0, 1, 2, 3, 4, 13))]
    assert shown(status=["failed"]) == []
    assert shown(visible=[]) == []


def test_a_page_in_turn_reads_no_more_than_it_shows(store, sql):
    """Of many waiting jobs a handful of each client."""
    from sqlalchemy import event

    other = store.clients.add("b", login="x")["id"]
    sql(
        f"INSERT INTO jobs (task, ready, client_id) SELECT 'ocr', 1, CASE i % 2 WHEN 0 THEN 1 ELSE {other} END "
        "FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) SELECT i FROM n) AS n"
    )
    statements = []

    def note(connection, cursor, statement, parameters, context, many):
        statements.append(statement)

    event.listen(store.database.engine, "after_cursor_execute", note)
    page = store.overview.page(Wanted(), limit=10, in_turn=True)
    event.remove(store.database.engine, "after_cursor_execute", note)

    assert len(page.rows) == 10
    assert len(statements) < 30
