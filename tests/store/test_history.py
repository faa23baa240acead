"""The history by pages: the order of the end, both ways, and a search that is cut off and goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from taskserver.jobs import Outcome
from taskserver.store import RunPlace, Wanted, WantedRuns
from taskserver.store.errors import PageGone

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def runs(store, node, clock):
    """Seven runs, two of which ended at the same instant; their titles, the newest first."""
    for number in range(7):
        store.jobs.enqueue("ocr", title=f"run {number}")
        (claim,) = node.claim()
        if number != 3:
            clock.advance(minutes=1)
        node.end(claim, Outcome.failed("disk full") if number % 2 else Outcome.finished("done"))
    return [f"run {number}" for number in reversed(range(7))]


def titles(page):
    return [row["title"] for row in page.rows]


def test_pages_go_on_both_ways(store, runs):
    first = store.history.page(WantedRuns(), limit=3)
    second = store.history.page(WantedRuns(), before=first.older, limit=3)
    third = store.history.page(WantedRuns(), before=second.older, limit=3)
    back = store.history.page(WantedRuns(), after=third.newer, limit=3)

    assert [*titles(first), *titles(second), *titles(third)] == runs
    assert (first.newer, third.older) == (None, None)
    assert titles(back) == titles(second)
    assert titles(store.history.page(WantedRuns(), after=back.newer, limit=3)) == titles(first)
    assert store.history.page(WantedRuns(), after=back.newer, limit=3).newer is None


def test_filters_hold_together(store, runs, clock):
    failed = store.history.page(WantedRuns(status="failed", error="DISK", task="oc"))
    late = store.history.page(WantedRuns(status="failed", since=clock.now - timedelta(minutes=2)))

    assert titles(failed) == ["run 5", "run 3", "run 1"]
    assert titles(late) == ["run 5"]
    assert titles(store.history.page(WantedRuns(text="UN 5", of_task="ocr"))) == ["run 5"]
    assert titles(store.history.page(WantedRuns(text="oc", title="run 5"))) == ["run 5"]
    assert titles(store.history.page(WantedRuns(of_task="oc"))) == []
    assert titles(store.history.page(WantedRuns(visible=[]))) == []
    assert titles(store.history.page(WantedRuns(client="default", node="elsewhere"))) == []


def test_a_search_without_an_index_stops_when_its_time_is_up_and_goes_on_there(store, runs, monkeypatch):
    monkeypatch.setattr("taskserver.store.history.WINDOW", 2)
    monkeypatch.setattr("taskserver.store.history.PATIENCE", timedelta(0))
    wanted, found, looks, place = WantedRuns(title="run 0"), [], 0, None
    while place is not None or looks == 0:
        page = store.history.page(wanted, before=place)
        assert (page.looked_to is None) == (page.older is None)
        found += titles(page)
        place, looks = page.older, looks + 1

    assert found == ["run 0"]
    assert looks == 4


def test_a_place_is_read_as_it_was_written_and_no_other(store, runs):
    place = store.history.page(WantedRuns(), limit=1).older

    assert RunPlace.read(place.write()) == place
    for forged in ("", "x", "W10", "WyJ4IiwgMV0", "WzEsIDJd", "bnVsbA"):
        with pytest.raises(PageGone):
            RunPlace.read(forged)


@pytest.mark.parametrize("by", ["visible", "client"])
def test_the_runs_of_one_client_are_found_without_a_look_at_those_of_others(store, node, runs, monkeypatch, by):
    acme = store.clients.add("acme", login="batch")["id"]
    monkeypatch.setattr("taskserver.store.history.WINDOW", 3)
    monkeypatch.setattr("taskserver.store.history.PATIENCE", timedelta(0))
    for client in ("acme", "default", "default", "default", "acme", "default"):
        store.jobs.enqueue("ocr", title=f"of {client}", client=client)
        (claim,) = node.claim()
        node.end(claim)

    page = store.history.page(WantedRuns(visible=[acme]) if by == "visible" else WantedRuns(client="acme"))

    assert (titles(page), page.looked_to) == (["of acme", "of acme"], None)


@pytest.fixture
def mingled(store, node, clock):
    """Runs of three clients in turn; the ids of acme and cork, and of their runs, the newest first."""
    seen = [store.clients.add(name, login="batch")["id"] for name in ("acme", "cork")]
    store.clients.add("bolt", login="batch")
    mine = []
    for number in range(24):
        client = ("acme", "bolt", "bolt", "cork")[number % 4] if number < 16 else ("cork", "bolt")[number % 2]
        store.jobs.enqueue("ocr", title=f"of {client} {'odd' if number % 3 else 'even'}", client=client)
        (claim,) = node.claim()
        if number % 5:
            clock.advance(seconds=1)
        node.end(claim)
        if client != "bolt":
            mine.insert(0, claim.run_id)
    return seen, mine


def walked(store, wanted, limit):
    """The ids of all pages forward, all pages backward, and the places at which a search was cut off."""
    forward, places, place = [], [], None
    while True:
        page = store.history.page(wanted, before=place, limit=limit)
        forward += [row["id"] for row in page.rows]
        places += [page.older] if page.looked_to else []
        place = page.older
        if place is None:
            break
    backward, place = [], RunPlace(LONG_AGO, 0)
    while place is not None:
        page = store.history.page(wanted, after=place, limit=limit)
        backward = [row["id"] for row in page.rows] + backward
        place = page.newer
    return forward, backward, places


@pytest.mark.parametrize("limit", [1, 3, 50])
@pytest.mark.parametrize("patience", [timedelta(0), timedelta(minutes=1)], ids=["cut off", "patient"])
@pytest.mark.parametrize("title", [None, "even", "nothing holds this"])
def test_of_several_clients_each_run_is_found_once_and_others_are_no_measure(
    store, mingled, monkeypatch, limit, patience, title
):
    monkeypatch.setattr("taskserver.store.history.WINDOW", 4)
    monkeypatch.setattr("taskserver.store.history.PATIENCE", patience)
    seen, mine = mingled
    expected = [number for number in mine if title is None or title in store.runs.get(number)["title"]]

    forward, backward, places = walked(store, WantedRuns(visible=seen, title=title), limit)

    assert forward == backward == expected
    assert {place.id for place in places} <= set(mine)
    assert bool(places) == (title is not None and not patience)


def test_the_way_back_from_an_empty_page_begins_where_it_stood(store, runs):
    first = store.history.page(WantedRuns(), limit=7)
    last = RunPlace(first.rows[-1]["finished_at"], first.rows[-1]["id"])
    newest = RunPlace(first.rows[0]["finished_at"], first.rows[0]["id"])

    older = store.history.page(WantedRuns(), before=last, limit=7)
    newer = store.history.page(WantedRuns(), after=newest, limit=7)

    assert (older.rows, newer.rows) == ([], [])
    assert titles(store.history.page(WantedRuns(), after=older.newer, limit=7)) == runs[:7]
    assert titles(store.history.page(WantedRuns(), before=newer.older, limit=7)) == runs[:7]


@pytest.mark.parametrize("needle", ["hunter2", "anna", "no answer of ftp"])
def test_a_password_in_an_address_is_found_by_no_search(store, node, needle):
    for error in ("no answer of ftp://anna:hunter2@host/", "no answer of http://host:80/"):
        store.jobs.enqueue("ocr", title="Fetch")
        (claim,) = node.claim()
        node.end(claim, Outcome.failed(error))

    found = store.history.page(WantedRuns(error=needle)).rows
    listed = store.overview.page(Wanted(text=needle)).rows

    assert len(found) == len(listed) == 0
    assert len(store.history.page(WantedRuns(error="no answer of http", text="fetch")).rows) == 1
    assert len(store.overview.page(Wanted(text="fetch")).rows) == 2


def test_who_sees_two_clients_and_asks_for_one_gets_that_alone(store, mingled):
    seen, _ = mingled

    assert {row["client"] for row in store.history.page(WantedRuns(visible=seen, client="acme")).rows} == {"acme"}
    assert store.history.page(WantedRuns(visible=seen, client="bolt")).rows == []
