"""The history: its filters, its pages, one run, the list as CSV; and that nobody sees other clients' runs."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from taskserver.jobs import Outcome
from taskserver.store import Role
from taskserver.web import spreadsheets
from taskserver.web.filters import InvalidFilterTime, moment, number, words
from taskserver.web.moments import use_zone

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def run(store, node, clock):
    """Runs one job of a client to its end; the run's id."""
    if "acme" not in {row["name"] for row in store.clients.find()}:
        store.clients.add("acme", login="acme")

    def make(title, *, client="acme", error=None, result="done", minutes=1):
        claim = node.claim(store.jobs.enqueue("ocr", {"path": "/x"}, client=client, title=title).id)
        clock.advance(minutes=minutes)
        node.end(claim, Outcome.failed(error) if error else Outcome.finished(result))
        return claim.run_id

    return make


def titles(page):
    return [line.split("</a>")[0].rpartition(">")[2] for line in page.text.split('<th scope="row"')[1:]]


def cells(response):
    text = response.content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text), delimiter=";" if ";" in text.splitlines()[0] else ","))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["third", "second", "first"]),
        ("title=SECOND", ["second"]),
        ("task=oc", ["third", "second", "first"]),
        ("task=none", []),
        ("result=one", ["first"]),
        ("error=disk", ["third"]),
        ("error=100%25", []),
        ("status=failed", ["third"]),
        ("status=finished", ["second", "first"]),
        ("status=stopped", []),
        ("client=acme", ["third", "second", "first"]),
        ("node=here", ["third", "second", "first"]),
        ("node=there", []),
        ("since=2026-11-22T09:02", ["third", "second"]),
        ("until=2026-11-22T09:02", ["first"]),
        ("since=2026-11-22&until=2026-11-22", ["third", "second", "first"]),
        ("until=2026-11-21", []),
        ("job=x", []),
    ],
)
def test_the_filters_of_the_history(run, signed_in, query, expected):
    run("first", result="one")
    run("second", result="two")
    run("third", error="disk full")

    page = signed_in(Role.VIEWER, "acme").get(f"/history?{query}")

    assert titles(page) == expected
    assert page.text.count("Show all") == (1 if query else 0)


def test_a_time_that_is_none_is_said_to_be_none(signed_in):
    page = signed_in(Role.VIEWER).get("/history?since=tomorrow")

    assert "&#39;tomorrow&#39; is no time" in page.text
    assert 'value="tomorrow"' in page.text


def test_pages_go_on_both_ways_and_keep_the_filters(run, signed_in, monkeypatch):
    monkeypatch.setattr("taskserver.web.pages.history.ROWS", 2)
    for number_ in range(5):
        run(f"run {number_}", minutes=0 if number_ % 2 else 1)
    browser = signed_in(Role.VIEWER, "acme")

    def follow(page, rel):
        link = page.text.split(f'rel="{rel}" href="')[1].split('"')[0].replace("&amp;", "&")
        return browser.get(link)

    first = browser.get("/history?title=run")
    second = follow(first, "next")
    third = follow(second, "next")

    assert [titles(page) for page in (first, second, third)] == [
        ["run 4", "run 3"],
        ["run 2", "run 1"],
        ["run 0"],
    ]
    assert titles(follow(third, "prev")) == ["run 2", "run 1"]
    assert titles(follow(follow(third, "prev"), "prev")) == ["run 4", "run 3"]
    assert "title=run" in second.text
    assert 'rel="next"' not in third.text
    assert 'rel="prev"' not in first.text


@pytest.mark.parametrize("place", ["x", "////", "W10", "WyIyMDI2IiwgMV0", "AAAA"])
def test_a_forged_place_is_refused(signed_in, place):
    assert signed_in(Role.VIEWER).get(f"/history?before={place}").status_code == 400


def test_a_search_that_takes_long_shows_what_it_has_and_goes_on(run, signed_in, monkeypatch):
    monkeypatch.setattr("taskserver.store.history.WINDOW", 2)
    monkeypatch.setattr("taskserver.store.history.PATIENCE", timedelta(0))
    run("needle")
    for number_ in range(4):
        run(f"hay {number_}")
    browser = signed_in(Role.VIEWER, "acme")
    store_page = browser.get("/history?title=needle")

    found, looks = [], 0
    while not found:
        looks += 1
        assert looks < 5
        found = titles(store_page)
        if not found:
            assert "looked through back to" in store_page.text
            link = store_page.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
            store_page = browser.get(link)

    assert found == ["needle"]
    assert looks > 1


def test_a_run_is_shown_with_all_that_it_told(signed_in, acme):
    page = signed_in(Role.VIEWER, "acme").get(f"/history/{acme.runs['failed']}")

    for text in (f"error {acme.mark}", f"traceback {acme.mark}", f"output {acme.mark}", f"/scans/{acme.mark}"):
        assert text in page.text
    assert f"password-{acme.mark}" not in page.text
    assert f"/failures/{acme.runs['failed']}" in page.text
    assert "Run again" not in page.text


def test_a_run_of_another_client_is_as_one_that_is_not_there(signed_in, acme, bolt):
    browser = signed_in(Role.ADMINISTRATOR, "acme")

    answers = [browser.get(f"/history/{run_id}") for run_id in (bolt.runs["failed"], 999_999)]

    assert {answer.status_code for answer in answers} == {404}
    assert bolt.mark not in browser.get("/history").text
    assert bolt.mark not in browser.get("/history.csv").text
    browser.get("/account")
    assert browser.post(f"/history/{bolt.runs['failed']}/again").status_code == 404


def test_a_run_is_queued_again_also_when_its_job_is_gone(store, signed_in, acme):
    browser = signed_in(Role.OPERATOR, "acme")
    page = browser.get(f"/history/{acme.runs['gone']}")
    told = browser.followed(browser.post(f"/history/{acme.runs['gone']}/again"))

    newest = store.jobs.get(int(told.text.split("queued again as job ")[1].split(".")[0]))
    assert "Run again" in page.text
    assert newest["data"] == {"path": f"/scans/{acme.mark}", "password": f"password-{acme.mark}"}
    assert newest["title"] == f"title {acme.mark}"
    assert store.audit.find()[0]["action"] == "job.enqueue"


def test_a_viewer_queues_nothing_again(store, signed_in, acme):
    browser = signed_in(Role.VIEWER, "acme")
    browser.get("/account")
    before = len(store.jobs.find())

    assert browser.post(f"/history/{acme.runs['failed']}/again").status_code == 403
    assert len(store.jobs.find()) == before


def test_the_csv_has_every_run_that_the_filters_find_in_a_zone_that_it_names(run, signed_in, monkeypatch):
    monkeypatch.setattr("taskserver.web.pages.history.CSV_ROWS", 2)
    for number_ in range(5):
        run(f"run {number_}")
    run("other")
    browser = signed_in(Role.VIEWER, "acme")

    local, utc = (
        cells(browser.get("/history.csv?title=run")),
        cells(browser.get("/history.csv?title=run&zone=UTC")),
    )

    assert [row[4] for row in local[1:]] == ["run 4", "run 3", "run 2", "run 1", "run 0"]
    assert (local[0][6], local[1][6]) == ("Ended (Europe/Berlin)", "2026-11-22 09:05:00")
    assert (utc[0][6], utc[1][6]) == ("Ended (UTC)", "2026-11-22 08:05:00")
    assert local[1][7] == "60.0"


def test_the_csv_is_for_a_german_spreadsheet_where_the_reader_is_german(run, signed_in):
    run('a;b\n"c"', error="Platte voll")

    answer = signed_in(Role.VIEWER, "acme", language="de").get("/history.csv")
    table = cells(answer)

    assert table[0][3] == "Aufgabenart"
    assert table[1][4] == 'a;b\n"c"'
    assert table[1][7:9] == ["60,0", "fehlgeschlagen"]
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    "evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", "|cmd", "%0A", "\n=1", "\0=1"]
)
def test_no_cell_of_the_csv_is_a_formula(run, signed_in, evil):
    run("x", error=evil.replace("\0", "") + " of a customer")
    document = b"".join(spreadsheets.lines([[evil, 1, None]], separator=","))

    assert document.decode("utf-8-sig").startswith("\"'")
    [error] = [row[13] for row in cells(signed_in(Role.VIEWER, "acme").get("/history.csv"))[1:]]
    assert error.startswith("'")


def test_what_is_no_formula_stays_as_it_is():
    assert spreadsheets.harmless("Rechnung 7 = bezahlt") == "Rechnung 7 = bezahlt"
    document = b"".join(spreadsheets.lines([[-1, -0.5]], separator=";"))
    assert document.decode("utf-8-sig") == '"-1";"-0,5"\r\n'


def test_filters_read_what_people_type():
    use_zone("Europe/Berlin")

    assert moment("2026-12-24T06:00").isoformat() == "2026-12-24T05:00:00+00:00"  # type: ignore[union-attr]
    assert moment("2026-12-24", end=True).isoformat() == "2026-12-24T23:00:00+00:00"  # type: ignore[union-attr]
    assert moment(" ") is None
    for bad in ("24.12.2026", "9999-12-31"):
        with pytest.raises(InvalidFilterTime):
            moment(bad, end=True)
    assert (words(" a\0b "), words(" ")) == ("ab", None)
    assert (number("12"), number("x"), number("²"), number("")) == (12, 0, 0, None)
    use_zone("UTC")
