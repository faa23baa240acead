"""What no page has ever sent: whatever stands in an address or a form, the answer is never a fault of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from taskserver.store import Role

pytestmark = pytest.mark.only_on("postgresql")  # it keeps less than SQLite does: no NUL, no numbers beyond its own

NUMBERS = ["0", "-1", str(2**63), "9" * 30, "1.5", "٣"]
TEXTS = [
    "%00",
    "%ED%A0%80",  # half a character
    "%FF%FE",
    quote(str(2**63)),
    quote("²"),
    quote("' OR 1=1 --"),
    quote("{{ 7 * 7 }}<script>"),
    quote("0001-01-01T00:00:00+14:00"),
    quote("9999-12-31T23:59:59-14:00"),
    "x" * 1100,
]
FILTERS = (
    *("task", "title", "result", "error", "status", "client", "node", "since", "until", "entry", "job", "zone"),
    *("text", "days"),
)
"""Of pages that read their address themselves."""

FIELDS = (
    *("name", "password", "task", "title", "at", "priority", "client", "back", "where", "verb", "job"),
    *("cron_spec", "time_zone", "misfire"),
)


def pages(app, method: str) -> Iterator[str]:
    for route in app.state.routes:
        if method in route.methods and not route.path.startswith(("/api/", "/static/")):
            yield route.path


def with_number(path: str, number: str) -> str:
    return re.sub(r"{[^}]*}", quote(number), path)


def test_no_address_is_a_fault_of_ours(app, signed_in, acme):
    browser = signed_in(Role.ADMINISTRATOR)
    names = {
        parameter.alias
        for route in app.state.routes
        for dependant in (route.dependant, *route.dependant.dependencies)
        for parameter in dependant.query_params
    }

    faults: list[str] = []
    for path in pages(app, "GET"):
        there = with_number(path, str(acme.jobs["failed"]))
        asked = [with_number(path, number) for number in NUMBERS] if "{" in path else []
        for text in TEXTS:
            asked.append(f"{there}?{'&'.join(f'{name}={text}' for name in sorted({*names, *FILTERS}))}")
            # By itself, lest another one be refused before it is looked at.
            asked += [f"{there}?{name}={text}" for name in ("client", "text", "next", "link") if text == "%00"]
        faults += [address for address in asked if browser.http.get(address).status_code >= 500]

    assert faults == []


def test_no_form_is_a_fault_of_ours(app, signed_in, acme):
    browser = signed_in(Role.ADMINISTRATOR)
    browser.get("/account")
    token = browser.csrf
    kind = {"Content-Type": "application/x-www-form-urlencoded"}

    faults: list[tuple[str, str]] = []
    for path in sorted(pages(app, "POST")):
        if path in ("/logout", "/login", "/account/password"):
            continue
        asked = [(with_number(path, number), "") for number in NUMBERS] if "{" in path else []
        there = with_number(path, str(acme.jobs["failed"]))
        asked += [(there, "".join(f"&{name}={text}" for name in FIELDS)) for text in TEXTS]
        for address, fields in asked:
            answer = browser.http.post(address, content=f"csrf_token={token}{fields}", headers=kind)
            if answer.status_code >= 500:
                faults.append((address, fields))

    assert faults == []


@pytest.mark.parametrize("text", TEXTS)
def test_nobody_is_let_in_by_what_is_no_name(stranger, add_user, text):
    add_user(Role.VIEWER)
    stranger.get("/login")

    answer = stranger.http.post(
        "/login",
        content=f"csrf_token={stranger.csrf}&name={text}&password={text}&next={text}",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert answer.status_code in (400, 422, 429)
