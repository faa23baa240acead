"""The history by pages: the order of the end, both ways, and a search that is cut off and goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskserver.jobs import Outcome
from taskserver.store import RunPlace, WantedRuns
from taskserver.store.errors import PageGone


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
