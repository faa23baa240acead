"""Lists in pages: every row once, in both directions, whatever comes and goes between two requests."""

from __future__ import annotations

import base64

import pytest

from taskserver.store.places import word_of

CASES = [("/cron-entries", "entries"), ("/clients", "clients")]


@pytest.fixture
def names(store, administrator, acme):
    """Of seven clients with an entry each, none of which sorts as a machine would write it."""
    made = ["b", "a b", "Zoë", "ä", "'; --", "\N{GRINNING FACE}" * 200, "%_"]
    for name in made:
        store.clients.add(name)
        store.entries.add(name, "ocr", {}, cron_spec="@daily", time_zone="UTC", client=name)
    return {*made, "acme", "default"}


def walked(program, path, field, **more):
    """All pages, forwards."""
    pages, word = [], None
    while word is not None or not pages:
        pages.append(program.get(path, params={**more, **({"after": word} if word else {})}).json())
        word = pages[-1]["next"]
    return pages, [row for page in pages for row in page[field]]


@pytest.mark.parametrize(("path", "field"), CASES)
@pytest.mark.parametrize("limit", [1, 3, 4, 500])
def test_every_row_is_on_one_page_forwards_and_backwards(administrator, names, path, field, limit):
    every = administrator.get(path).json()
    pages, rows = walked(administrator, path, field, limit=limit)
    back = [pages[-1]]
    while back[-1]["previous"]:
        back.append(administrator.get(path, params={"limit": limit, "before": back[-1]["previous"]}).json())

    assert rows == every[field]
    assert (every["next"], every["previous"]) == (None, None)
    assert len(rows) >= 8
    assert {row.get("client", row["name"]) for row in rows} | {"default"} == names
    assert [len(page[field]) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert [row for page in reversed(back) for row in page[field]] == every[field]
    assert (pages[0]["previous"], back[-1]["previous"]) == (None, None)


@pytest.mark.parametrize(("path", "field"), CASES)
def test_a_page_goes_on_where_it_was_when_its_last_row_has_gone(store, administrator, names, path, field):
    first = administrator.get(path, params={"limit": 4}).json()
    rest = administrator.get(path, params={"after": first["next"]}).json()
    last = first[field][-1]
    for found in store.entries.find(last.get("client", last["name"])):
        store.entries.delete(found["id"])
    if path == "/clients":
        store.clients.delete(last["name"])

    assert administrator.get(path, params={"after": first["next"]}).json()[field] == rest[field]


def test_a_filter_holds_on_every_page(store, administrator, acme):
    for name in ("x", "y"):
        store.entries.add(name, "ocr", {}, cron_spec="@daily", time_zone="UTC", client="acme")
        store.entries.add(name, "ocr", {}, cron_spec="@daily", time_zone="UTC", client="default")

    pages, rows = walked(administrator, "/cron-entries", "entries", client="acme", limit=2)

    assert (len(pages), len(rows)) == (2, 3)
    assert {row["client"] for row in rows} == {"acme"}


@pytest.mark.parametrize(("path", "field"), CASES)
@pytest.mark.parametrize(
    "word",
    [
        *("bm90aGluZw", word_of(), word_of(1), word_of("a", "b"), word_of("a", "b", "c"), word_of("a", "b", True)),
        *(word_of("a\x00"), word_of("a\ud800"), word_of("a", "b\x00", 1), word_of("a", "b", -1)),
        *(word_of("a", "b", 2**63), word_of(None), word_of(["a"]), word_of("a", "b", 1.5), "A" * 8000),
        base64.urlsafe_b64encode(b"[" * 3000).decode().rstrip("="),
    ],
)
def test_a_word_that_no_page_has_given_is_refused(administrator, path, field, word):
    for side in ("after", "before"):
        answer = administrator.get(path, params={side: word})

        assert (answer.status_code, answer.json()["code"]) == (400, "page-gone")


@pytest.mark.parametrize(("path", "field"), CASES)
def test_a_page_is_after_or_before_and_no_larger_than_it_may_be(administrator, path, field):
    word = word_of("a", "b", 1) if field == "entries" else word_of("a")
    both = administrator.get(path, params={"after": word, "before": word})

    assert (both.status_code, both.json()["code"]) == (400, "page-gone")
    assert administrator.get(path, params={"limit": 501}).status_code == 422
    assert administrator.get(path, params={"after": "A" * 8001}).status_code == 422
