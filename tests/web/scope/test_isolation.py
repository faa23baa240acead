"""No verb of the scope shows, counts or changes anything of a client that the principal can't see.

Every verb is called, with what belongs to the other client and with what does not exist: both must look the same.
A verb that is not in the list below fails the first test.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from taskserver.database.schema import metadata
from taskserver.errors import NotFound, TaskServerError
from taskserver.jobs import Outcome
from taskserver.store import Role, Store, Tally
from taskserver.web.scope import Forbidden, Scope

NOWHERE = 9_999_999
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

Call = Callable[[Scope, Any], Any]
"""Calls the verb with what is the tenant's: its jobs, entry, runs, name."""

VERBS: dict[str, Call] = {
    "jobs.page": lambda scope, them: [
        scope.jobs.page(),
        scope.jobs.page(client=them.name),
        scope.jobs.page(text=them.mark),
        scope.jobs.page(entry=them.entry),
        scope.jobs.page(text=str(them.jobs["waiting"])),
        scope.jobs.page(status=["failed"]),
    ],
    "jobs.counts": lambda scope, them: [scope.jobs.counts(client=them.name), scope.jobs.counts()],
    "jobs.get": lambda scope, them: scope.jobs.get(them.jobs["waiting"]),
    "jobs.output": lambda scope, them: scope.jobs.output(them.jobs["failed"]),
    "jobs.explain": lambda scope, them: scope.jobs.explain(them.jobs["waiting"]),
    "jobs.changes": lambda scope, them: _changes(scope.jobs.changes(LONG_AGO, known=[them.jobs["waiting"]])),
    "jobs.enqueue": lambda scope, them: scope.jobs.enqueue(
        "ocr", {"path": "x"}, client=them.name, unique_key=f"key-{them.mark}"
    ),
    "jobs.enqueue_many": lambda scope, them: scope.jobs.enqueue_many("ocr", [{"path": "x"}], client=them.name),
    "jobs.enqueue_again": lambda scope, them: scope.jobs.enqueue_again(them.jobs["failed"], {"path": "x"}),
    "jobs.start": lambda scope, them: scope.jobs.start(them.jobs["failed"]),
    "jobs.stop": lambda scope, them: scope.jobs.stop(them.jobs["running"]),
    "jobs.kill": lambda scope, them: scope.jobs.kill(them.jobs["running"]),
    "jobs.delete": lambda scope, them: scope.jobs.delete(them.jobs["waiting"]),
    "jobs.move": lambda scope, them: scope.jobs.move(them.jobs["waiting"], "last"),
    "jobs.bulk": lambda scope, them: _raised(scope.jobs.bulk("stop", [them.jobs["waiting"]])),
    "jobs.delete_finished": lambda scope, them: scope.jobs.delete_finished(them.name),
    "jobs.delete_all": lambda scope, them: scope.jobs.delete_all(them.name),
    "entries.find": lambda scope, them: [
        scope.entries.find(),
        scope.entries.find(them.name),
        scope.entries.find(ids=[them.entry]),
        scope.entries.find(text=them.mark),
        scope.entries.find(visible=None),
    ],
    "entries.get": lambda scope, them: scope.entries.get(them.entry),
    "entries.missed": lambda scope, them: scope.entries.missed(them.entry),
    "entries.last_outcomes": lambda scope, them: scope.entries.last_outcomes([them.entry]),
    "entries.add": lambda scope, them: scope.entries.add(
        "theirs", "ocr", {"path": "x"}, client=them.name, cron_spec="0 3 * * *", time_zone="UTC"
    ),
    "entries.edit": lambda scope, them: scope.entries.edit(them.entry, title="mine"),
    "entries.enable": lambda scope, them: scope.entries.enable(them.entry),
    "entries.disable": lambda scope, them: scope.entries.disable(them.entry),
    "entries.run": lambda scope, them: scope.entries.run(them.entry),
    "entries.delete": lambda scope, them: scope.entries.delete(them.entry),
    "runs.find": lambda scope, them: [
        scope.runs.find(),
        scope.runs.find(client=them.name),
        scope.runs.find(text=them.mark),
        scope.runs.find(error=them.mark),
        scope.runs.find(job_id=them.jobs["failed"]),
        scope.runs.find(visible=None),
    ],
    "runs.page": lambda scope, them: [
        scope.runs.page(),
        scope.runs.page(client=them.name),
        scope.runs.page(error=them.mark),
        scope.runs.page(job=them.jobs["failed"]),
        scope.runs.page(entry=them.entry),
        scope.runs.page(visible=None),
    ],
    "runs.failure_group": lambda scope, them: scope.runs.failure_group(them.runs["failed"]),
    "runs.get": lambda scope, them: scope.runs.get(them.runs["failed"]),
    "runs.output": lambda scope, them: scope.runs.output(them.runs["failed"]),
    "runs.failures": lambda scope, them: [scope.runs.failures(), scope.runs.failures(client=them.name)],
    "runs.durations": lambda scope, them: scope.runs.durations(),
    "clients.find": lambda scope, them: scope.clients.find(),
    "clients.get": lambda scope, them: scope.clients.get(them.name),
    "clients.edit": lambda scope, them: scope.clients.edit(them.name, title="mine"),
    "clients.set_login": lambda scope, them: scope.clients.set_login(them.name, None),
}

GLOBAL: dict[str, Call] = {
    "clients.add": lambda scope, them: scope.clients.add("new"),
    "clients.delete": lambda scope, them: scope.clients.delete(them.name),
    "server.nodes": lambda scope, them: scope.server.nodes(),
    "server.node": lambda scope, them: scope.server.node(1),
    "server.set_claiming": lambda scope, them: scope.server.set_claiming(1, False),
    "figures.require": lambda scope, them: scope.figures.require(),
    "figures.jobs": lambda scope, them: scope.figures.jobs(),
    "figures.clients": lambda scope, them: scope.figures.clients(),
    "figures.missed": lambda scope, them: scope.figures.missed(),
    "figures.nodes": lambda scope, them: scope.figures.nodes(),
    "figures.count_runs": lambda scope, them: scope.figures.count_runs(Tally()),
    "server.set_autostart": lambda scope, them: scope.server.set_autostart(False),
    "users.find": lambda scope, them: scope.users.find(),
    "users.get": lambda scope, them: scope.users.get("administrator of acme"),
    "users.add": lambda scope, them: scope.users.add("mallory", role=Role.ADMINISTRATOR),
    "users.edit": lambda scope, them: scope.users.edit("administrator of acme", language="de"),
    "users.set_password": lambda scope, them: scope.users.set_password("administrator of acme", "x" * 5 + "12345"),
    "users.set_role": lambda scope, them: scope.users.set_role("administrator of acme", Role.ADMINISTRATOR),
    "users.make_password_link": lambda scope, them: scope.users.make_password_link("administrator of acme"),
    "users.delete": lambda scope, them: scope.users.delete("administrator of acme"),
    "tokens.find": lambda scope, them: scope.tokens.find(),
    "tokens.add": lambda scope, them: scope.tokens.add("mine", role=Role.ADMINISTRATOR),
    "tokens.delete": lambda scope, them: scope.tokens.delete("mine"),
    "audit.find": lambda scope, them: scope.audit.find(visible=None),
}
"""What belongs to no client, and so needs a role for all."""

OPEN: dict[str, Call] = {
    "server.tasks": lambda scope, them: scope.server.tasks(),
    "server.task": lambda scope, them: scope.server.task("ocr"),
    "server.autostart": lambda scope, them: scope.server.autostart(),
    "server.wake": lambda scope, them: scope.server.wake(),
    "account.get": lambda scope, them: scope.account.get(),
    "account.sessions": lambda scope, them: scope.account.sessions(),
    "account.edit": lambda scope, them: scope.account.edit(theme="dark"),
    "account.set_password": lambda scope, them: scope.account.set_password("no", "no", keep_session=None),
    "account.end_other_sessions": lambda scope, them: scope.account.end_other_sessions("none"),
}
"""What tells nothing about clients."""


def _raised(result: Any) -> Any:
    """A bulk action's single error, as the verb alone would have raised it."""
    for error in result.failed.values():
        raise error
    return result


def _changes(changed: Any) -> Any:
    """What has changed, without the number that the caller has given."""
    return [sorted(changed.rows, key=lambda row: row["id"]), len(changed.gone), changed.too_many]


def outcome(call: Call, scope: Scope, them: Any) -> Any:
    """What the verb returned, or which error, without the words that the caller has given it."""
    try:
        answer = call(scope, them)
    except TaskServerError as error:
        return type(error), error.text
    return answer


def written(value: Any) -> str:
    return json.dumps(asdict(value) if is_dataclass(value) else value, default=_plain)


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else repr(value)


def everything(store: Store, client_id: int) -> dict[str, list[Any]]:
    """Every row of every table that speaks of the client."""
    with store.database.read() as connection:
        return {
            name: [tuple(row) for row in connection.execute(select(table).where(table.c.client_id == client_id))]
            for name, table in metadata.tables.items()
            if "client_id" in table.c
        } | {"clients": connection.execute(select(metadata.tables["clients"])).all()}


class Nobody:
    """As a tenant, of whom nothing exists."""

    name, mark, entry = "nobody", "secret-of-nobody", NOWHERE
    jobs = dict.fromkeys(("running", "failed", "finished", "stopped", "gone", "waiting", "later"), NOWHERE)
    runs = dict.fromkeys(("running", "failed", "finished", "gone"), NOWHERE)


def test_every_verb_is_in_one_of_the_lists(store, scope_of):
    scope = scope_of(Role.VIEWER)
    found = {
        f"{group}.{name}"
        for group, verbs in vars(scope).items()
        if group not in ("principal", "_door")
        for name, _ in inspect.getmembers(verbs, inspect.ismethod)
        if not name.startswith("_")
    }

    assert found == {*VERBS, *GLOBAL, *OPEN}
    assert len(found) > 50


@pytest.mark.parametrize("role", list(Role))
def test_what_is_another_client_s_looks_as_if_it_were_not_there(store, scope_of, acme, bolt, role):
    scope = scope_of(role, "acme")
    before = everything(store, bolt.id)

    for verb, call in VERBS.items():
        theirs = outcome(call, scope, bolt)

        assert bolt.mark not in written(theirs), verb
        assert everything(store, bolt.id) == before, verb
        assert written(theirs) == written(outcome(call, scope, Nobody())), verb


READING = ("page", "counts", "get", "output", "explain", "changes", "find", "missed", "last_outcomes")
READING += ("failure_group", "failures", "durations", "tasks", "task", "autostart")


def test_what_others_do_shows_in_nothing_that_is_read(store, node, scope_of, acme, bolt):
    """Not even that the slots are taken by their jobs: 4 slots, of which bolt takes all that acme does not."""
    scope = scope_of(Role.VIEWER, "acme")
    verbs = {verb: call for verb, call in {**VERBS, **OPEN}.items() if verb.partition(".")[2] in READING}

    def seen() -> dict[str, str]:
        return {verb: written(outcome(call, scope, acme)) for verb, call in verbs.items()}

    before = seen()
    for number in range(9):
        job_id = store.jobs.enqueue("ocr", {"path": "x"}, client="bolt", priority=5).id
        if number < 5:
            claim = node.claim(job_id)
            node.report(claim, "some line")
        if number == 0:
            node.end(claim, Outcome.failed("no such file"))
    store.entries.add("another", "ocr", {"path": "x"}, client="bolt", cron_spec="* * * * *", time_zone="UTC")
    store.jobs.delete_finished("bolt")

    assert {verb: told for verb, told in seen().items() if told != before[verb]} == {}
    assert len(verbs) > 15


def test_who_has_no_role_at_all_sees_nothing(store, scope_of, acme):
    scope = scope_of(None)
    before = everything(store, acme.id)

    for verb, call in VERBS.items():
        assert acme.mark not in written(outcome(call, scope, acme)), verb

    assert everything(store, acme.id) == before


def test_what_belongs_to_all_needs_a_role_for_all(store, scope_of, acme):
    scope = scope_of(Role.ADMINISTRATOR, "acme")
    before = everything(store, acme.id)

    for verb, call in GLOBAL.items():
        with pytest.raises(Forbidden):
            pytest.fail(f"{verb} returned {call(scope, acme)}")

    assert everything(store, acme.id) == before
    assert store.audit.find() == []


def test_what_everybody_is_told_says_nothing_about_clients(scope_of, acme, bolt):
    scope = scope_of(Role.OPERATOR, "acme")

    for verb, call in OPEN.items():
        assert bolt.mark not in written(outcome(call, scope, bolt)), verb


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("verb", VERBS)
def test_the_same_verbs_reach_what_is_one_s_own(store, scope_of, acme, verb):
    """Otherwise the tests above would pass for verbs that never work."""
    scope = scope_of(Role.ADMINISTRATOR, "acme")

    theirs = outcome(VERBS[verb], scope, acme)

    assert not (isinstance(theirs, tuple) and issubclass(theirs[0], (NotFound, Forbidden)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(VERBS)), st.booleans()), min_size=1, max_size=12))
def test_no_sequence_of_verbs_gets_through(store, scope_of, acme, bolt, steps):
    """Also after one's own have been started, deleted, run: the other client stays unseen and as it was."""
    if not store.users.any():
        scope_of(Role.ADMINISTRATOR, "acme")
    user = store.users.get("administrator of acme")
    from taskserver.web.scope import Principal

    scope = Scope(store, Principal(name=user["name"], grants=tuple(user["roles"]), user_id=user["id"]))
    before = everything(store, bolt.id)["jobs"]

    for verb, mine in steps:
        found = outcome(VERBS[verb], scope, acme if mine else bolt)
        assert bolt.mark not in written(found), verb

    assert everything(store, bolt.id)["jobs"] == before
