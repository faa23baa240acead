"""Two clients, and every route of the API from its own document: nothing of the one gets to the other.

A route that is not in REQUESTS below fails the first test, so that a new one can't be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from taskserver.database.schema import metadata
from taskserver.store import Role, Store
from taskserver.store.places import parts_of, word_of

pytestmark = pytest.mark.only_on("sqlite")

NOWHERE = 9_999_999

Request = tuple[str, dict[str, Any]]
"""A path below /api/v1 and what httpx is given with it."""


class Nobody:
    """As a tenant, of whom nothing exists."""

    name, mark, entry = "nobody", "secret-of-nobody", NOWHERE
    jobs = dict.fromkeys(("running", "failed", "finished", "stopped", "gone", "waiting", "later"), NOWHERE)
    runs = dict.fromkeys(("running", "failed", "finished", "gone"), NOWHERE)


def job(verb: str = "", kind: str = "waiting", **more: Any) -> Callable[[Any], list[Request]]:
    return lambda them: [(f"/jobs/{them.jobs[kind]}{verb}", more)]


def entry(verb: str = "", **more: Any) -> Callable[[Any], list[Request]]:
    return lambda them: [(f"/cron-entries/{them.entry}{verb}", more)]


def once(path: str, **more: Any) -> Callable[[Any], list[Request]]:
    return lambda them: [(path, more)]


def around(*key: Any) -> list[dict[str, str]]:
    """As a page has them that ends with this row, whoever was shown it; and with what stands next to it."""
    near = [key, (f"{key[0]} ", *key[1:]), ("", *key[1:]), ("~", *key[1:])]
    return [{side: word_of(*place)} for place in near for side in ("after", "before")]


REQUESTS: dict[str, Callable[[Any], list[Request]]] = {
    "GET /jobs": lambda them: [
        ("/jobs", {"params": {"limit": 500}}),
        ("/jobs", {"params": {"client": them.name}}),
        ("/jobs", {"params": {"text": them.mark}}),
        ("/jobs", {"params": {"text": str(them.jobs["waiting"])}}),
        ("/jobs", {"params": {"cron_entry_id": them.entry}}),
        ("/jobs", {"params": {"status": ["failed", "waiting"]}}),
    ],
    "POST /jobs": lambda them: [
        ("/jobs", {"json": {"task": "ocr", "data": {"path": "x"}, "client": them.name}}),
        (
            "/jobs",
            {
                "json": {
                    "task": "ocr",
                    "data": {"path": "x"},
                    "client": them.name,
                    "unique_key": f"key-{them.mark}",
                }
            },
        ),
        ("/jobs", {"json": {"jobs": [{"task": "ocr", "data": {"path": "x"}, "client": them.name}] * 2}}),
    ],
    "POST /jobs/bulk": lambda them: [
        *(
            ("/jobs/bulk", {"json": {"action": action, "jobs": sorted(set(them.jobs.values()))}})
            for action in ("start", "stop", "kill", "delete")
        ),
        ("/jobs/bulk", {"json": {"action": "delete-finished", "client": them.name}}),
        ("/jobs/bulk", {"json": {"action": "delete-all", "client": them.name}}),
    ],
    "GET /jobs/{job_id}": lambda them: [(f"/jobs/{number}", {}) for number in them.jobs.values()],
    "DELETE /jobs/{job_id}": job(),
    "GET /jobs/{job_id}/log": job("/log", "failed"),
    "GET /jobs/{job_id}/explain": job("/explain"),
    "POST /jobs/{job_id}/start": job("/start", "failed"),
    "POST /jobs/{job_id}/stop": job("/stop", "running"),
    "POST /jobs/{job_id}/kill": job("/kill", "running"),
    "POST /jobs/{job_id}/retry": lambda them: [
        (f"/jobs/{them.jobs['failed']}/retry", {}),
        (f"/jobs/{them.jobs['gone']}/retry", {"json": {"data": {"path": "y"}}}),
    ],
    "POST /jobs/{job_id}/move-up": job("/move-up", "later"),
    "POST /jobs/{job_id}/move-down": job("/move-down"),
    "GET /cron-entries": lambda them: [
        ("/cron-entries", {}),
        ("/cron-entries", {"params": {"client": them.name}}),
        *(("/cron-entries", {"params": place}) for place in around(them.name, f"entry {them.mark}", them.entry)),
    ],
    "POST /cron-entries": lambda them: [
        (
            "/cron-entries",
            {
                "json": {
                    "name": "x",
                    "task": "ocr",
                    "data": {"path": "x"},
                    "cron_spec": "@daily",
                    "client": them.name,
                }
            },
        )
    ],
    "GET /cron-entries/preview": once("/cron-entries/preview", params={"cron_spec": "0 3 * * *"}),
    "GET /cron-entries/{entry_id}": entry(),
    "PATCH /cron-entries/{entry_id}": lambda them: [
        (f"/cron-entries/{them.entry}", {"json": {"title": "x"}}),
        (f"/cron-entries/{them.entry}", {"json": {}}),
    ],
    "DELETE /cron-entries/{entry_id}": entry(),
    "GET /cron-entries/{entry_id}/preview": entry("/preview"),
    "POST /cron-entries/{entry_id}/run": entry("/run"),
    "POST /cron-entries/{entry_id}/enable": entry("/enable"),
    "POST /cron-entries/{entry_id}/disable": entry("/disable"),
    "GET /runs": lambda them: [
        ("/runs", {"params": {"limit": 500}}),
        ("/runs", {"params": {"client": them.name}}),
        ("/runs", {"params": {"text": them.mark}}),
        ("/runs", {"params": {"error": them.mark}}),
        ("/runs", {"params": {"result": them.mark}}),
        ("/runs", {"params": {"job_id": them.jobs["failed"]}}),
        ("/runs", {"params": {"cron_entry_id": them.entry}}),
    ],
    "GET /runs/{run_id}": lambda them: [(f"/runs/{number}", {}) for number in them.runs.values()],
    "GET /runs/{run_id}/output": lambda them: [(f"/runs/{number}/output", {}) for number in them.runs.values()],
    "GET /clients": lambda them: [
        ("/clients", {}),
        *(("/clients", {"params": place}) for place in around(them.name)),
    ],
    "POST /clients": once("/clients", json={"name": "new"}),
    "GET /clients/{name}": lambda them: [(f"/clients/{them.name}", {})],
    "PATCH /clients/{name}": lambda them: [
        (f"/clients/{them.name}", {"json": {"title": "x"}}),
        (f"/clients/{them.name}", {"json": {"login": "root"}}),
    ],
    "DELETE /clients/{name}": lambda them: [(f"/clients/{them.name}", {})],
    "GET /nodes": once("/nodes"),
    "POST /nodes/{node_id}/stop-claiming": once("/nodes/1/stop-claiming"),
    "POST /nodes/{node_id}/claim": once("/nodes/1/claim"),
    "GET /tasks": once("/tasks"),
    "GET /tasks/{name}": once("/tasks/ocr"),
    "GET /autostart": once("/autostart"),
    "PUT /autostart": once("/autostart", json={"on": False}),
    "POST /wake": once("/wake"),
    "GET /events": lambda them: [("/events", {}), ("/events", {"headers": {"Last-Event-ID": "0"}})],
}

GLOBAL = {
    "POST /clients",
    "DELETE /clients/{name}",
    "GET /nodes",
    "POST /nodes/{node_id}/stop-claiming",
    "POST /nodes/{node_id}/claim",
    "PUT /autostart",
}
"""What belongs to all clients: needs a role for all."""

OF_NOBODY = {
    "GET /cron-entries/preview",
    "GET /tasks",
    "GET /tasks/{name}",
    "GET /autostart",
    "POST /wake",
    *GLOBAL,
}


@pytest.fixture(autouse=True)
def short_streams(app):
    app.state.console.listeners.lasts = 0.0


def everything(store: Store, client_id: int) -> dict[str, list[Any]]:
    """Every row of every table that speaks of the client, and all clients."""
    with store.database.read() as connection:
        return {
            name: [tuple(row) for row in connection.execute(select(table).where(table.c.client_id == client_id))]
            for name, table in metadata.tables.items()
            if "client_id" in table.c and name not in ("tokens", "user_roles")
        } | {"clients": [tuple(row) for row in connection.execute(select(metadata.tables["clients"]))]}


def answers(program: Any, operation: str, them: Any) -> list[tuple[int, str]]:
    """Status and body of each request, without the words and numbers that the caller has given it."""
    found = []
    for path, more in REQUESTS[operation](them):
        response = program.ask(operation.partition(" ")[0], path, **more)
        told = response.text
        if response.status_code >= 400:
            told = re.sub(r"\b\d+\b", "#", told).replace(them.name, "*")
        found.append((response.status_code, told))
    return found


def test_every_route_of_the_document_is_asked(app):
    document = app.openapi()
    described = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, operations in document["paths"].items()
        for method in operations
    }

    served = {
        f"{method} {route.path_format.removeprefix('/api/v1')}"
        for route in app.state.routes
        for method in route.methods
        if route.path.startswith("/api/")
    }

    assert described == served == set(REQUESTS)
    assert len(described) > 30


@pytest.mark.parametrize("role", list(Role))
def test_what_is_another_client_s_looks_as_if_it_were_not_there(store, make_program, acme, bolt, role):
    program = make_program(role, "acme")
    before = everything(store, bolt.id)

    for operation in sorted(set(REQUESTS) - OF_NOBODY):
        theirs = answers(program, operation, bolt)

        assert all(bolt.mark not in body.replace(f"key-{bolt.mark}", "") for _, body in theirs), operation
        assert everything(store, bolt.id) == before, operation
        if operation != "POST /jobs/bulk":  # its answer holds the numbers; the test below looks at it
            assert theirs == answers(program, operation, Nobody()), operation


@pytest.mark.parametrize("operation", ["GET /jobs", "GET /runs", "GET /cron-entries", "GET /clients"])
def test_lists_hold_and_count_nothing_of_the_other_client(make_program, acme, bolt, operation):
    program = make_program(Role.VIEWER, "acme")

    for path, more in REQUESTS[operation](bolt):
        answer = program.get(path, **more)
        if answer.status_code == 404:  # the other client by name: the test above compares it with nobody's
            continue
        rows = next(value for value in answer.json().values() if isinstance(value, list))
        assert {row.get("client", row.get("name")) for row in rows} <= {"acme"}, more


@pytest.mark.parametrize("path", ["/cron-entries", "/clients"])
def test_the_words_of_pages_tell_nothing_of_the_other_client(make_program, acme, bolt, path):
    """Whoever sees both gets words that name the other one; to who sees one they open nothing else."""
    administrator, mine = make_program(Role.ADMINISTRATOR), make_program(Role.VIEWER, "acme")
    every = administrator.get(path).json()[path[1:].removeprefix("cron-")]
    words = [administrator.get(path, params={"limit": at}).json()["next"] for at in range(1, len(every))]

    for word in words:
        pages = [mine.get(path, params={side: word, "limit": 1}).json() for side in ("after", "before")]
        rows = [row for page in pages for row in page[path[1:].removeprefix("cron-")]]

        assert {row.get("client", row["name"]) for row in rows} <= {"acme"}
        for found in (page[side] for page in pages for side in ("next", "previous") if page[side]):
            assert bolt.mark not in str(parts_of(found)) and bolt.name not in str(parts_of(found))


def test_many_at_once_are_refused_each_as_if_it_were_not_there(store, make_program, acme, bolt):
    program = make_program(Role.ADMINISTRATOR, "acme")
    before = everything(store, bolt.id)

    for path, more in REQUESTS["POST /jobs/bulk"](bolt):
        answer = program.ask("POST", path, **more)
        if "jobs" in more["json"]:
            assert answer.json()["count"] == 0
            assert {(each["status"], each["code"]) for each in answer.json()["refused"]} == {
                (404, "job-not-found")
            }
        else:
            assert answer.status_code == 404

    assert everything(store, bolt.id) == before


def test_what_belongs_to_all_needs_a_role_for_all(make_program, acme):
    program = make_program(Role.ADMINISTRATOR, "acme")

    for operation in sorted(GLOBAL):
        assert {status for status, _ in answers(program, operation, acme)} == {403}, operation


def test_the_same_requests_reach_what_is_one_s_own(make_program, acme):
    """Otherwise the tests above would pass for routes that never work."""
    program = make_program(Role.ADMINISTRATOR, "acme")
    removing = ["DELETE /cron-entries/{entry_id}", "DELETE /jobs/{job_id}", "POST /jobs/bulk"]

    for operation in [*sorted(set(REQUESTS) - OF_NOBODY - set(removing)), *removing]:
        statuses = {status for status, _ in answers(program, operation, acme)}

        # A run that has not ended is in no list yet; changes without a change are refused.
        assert statuses <= {200, 201, 204} | ({404} if "/runs/" in operation else {400}), operation
        assert statuses & {200, 201, 204}, operation


def test_a_viewer_changes_nothing(store, make_program, acme):
    program = make_program(Role.VIEWER, "acme")
    before = everything(store, acme.id)

    for operation in sorted(each for each in REQUESTS if not each.startswith("GET ")):
        for status, body in answers(program, operation, acme):
            nothing_done = operation == "POST /jobs/bulk" and '"count":0' in body
            assert status == 403 or nothing_done, (operation, status, body)

    assert everything(store, acme.id) == before
