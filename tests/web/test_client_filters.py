"""A filter by client, on pages and in the API: one that can't be seen is as unknown as one that there is not."""

from __future__ import annotations

import pytest

from taskserver.store import Role

pytestmark = pytest.mark.only_on("sqlite")

PAGES = ["/tasks", "/tasks/delete-all", "/cron-entries", "/history", "/history.csv", "/failures"]
LISTS = ["/api/v1/jobs", "/api/v1/runs", "/api/v1/cron-entries"]


@pytest.mark.parametrize("path", [*PAGES, *LISTS])
def test_it_is_not_found_whether_it_exists_or_not(signed_in, acme, bolt, path):
    browser = signed_in(Role.OPERATOR, "acme")

    mine = browser.get(path, params={"client": "acme"})
    theirs = browser.get(path, params={"client": "bolt"})
    nobody_s = browser.get(path, params={"client": "nobody"})

    assert mine.status_code == 200
    assert theirs.status_code == nobody_s.status_code == 404
    assert "bolt" in theirs.text
    assert _same(theirs.text, "bolt") == _same(nobody_s.text, "nobody")


def _same(page: str, name: str) -> str:
    return page.replace(name, "")
