"""Who may do what, what the audit tells of it, and what becomes of secrets."""

from __future__ import annotations

import threading

import pytest

from taskserver.errors import NotAllowed
from taskserver.store import Grant, Role
from taskserver.store.errors import JobNotFound, KeyReused, LastAdministrator, TaskNotFound
from taskserver.tasks.errors import InvalidArguments
from taskserver.web.scope import Forbidden, Principal, Scope
from taskserver.web.scope.account import WrongPassword
from taskserver.web.scope.jobs import TooManyAtOnce
from taskserver.web.security.passwords import hashed, verified


def test_a_role_for_all_counts_in_each_client_and_the_higher_one_wins():
    principal = Principal("anna", grants=(Grant(Role.VIEWER), Grant(Role.OPERATOR, 7, "acme")))

    assert (principal.role_in(7), principal.role_in(8)) == (Role.OPERATOR, Role.VIEWER)
    assert (principal.visible, principal.where(Role.OPERATOR)) == (None, frozenset({7}))
    assert principal.where(Role.ADMINISTRATOR) == frozenset()
    assert not principal.may_everywhere(Role.OPERATOR)
    assert principal.may_somewhere(Role.OPERATOR)


def test_who_has_no_role_sees_nothing():
    assert Principal("anna").visible == frozenset()


OPERATORS = {
    "start": lambda scope, acme: scope.jobs.start(acme.jobs["failed"]),
    "stop": lambda scope, acme: scope.jobs.stop(acme.jobs["waiting"]),
    "kill": lambda scope, acme: scope.jobs.kill(acme.jobs["running"]),
    "delete": lambda scope, acme: scope.jobs.delete(acme.jobs["waiting"]),
    "move": lambda scope, acme: scope.jobs.move(acme.jobs["waiting"], "last"),
    "enqueue": lambda scope, acme: scope.jobs.enqueue("ocr", {"path": "x"}, client="acme"),
    "enqueue_many": lambda scope, acme: scope.jobs.enqueue_many("ocr", [{"path": "x"}], client="acme"),
    "enqueue_again": lambda scope, acme: scope.jobs.enqueue_again(acme.jobs["gone"], {"path": "x"}),
    "delete_finished": lambda scope, acme: scope.jobs.delete_finished(),
    "delete_all": lambda scope, acme: scope.jobs.delete_all("acme"),
    "entry run": lambda scope, acme: scope.entries.run(acme.entry),
    "entry disable": lambda scope, acme: scope.entries.disable(acme.entry),
    "entry enable": lambda scope, acme: scope.entries.enable(acme.entry),
}
ADMINISTRATORS = {
    "entry add": lambda scope, acme: scope.entries.add(
        "new", "ocr", {"path": "x"}, client="acme", cron_spec="0 4 * * *", time_zone="UTC"
    ),
    "entry edit": lambda scope, acme: scope.entries.edit(acme.entry, title="new"),
    "entry delete": lambda scope, acme: scope.entries.delete(acme.entry),
    "client edit": lambda scope, acme: scope.clients.edit("acme", title="new"),
    "client set login": lambda scope, acme: scope.clients.set_login("acme", None),
}


@pytest.mark.parametrize("action", OPERATORS)
def test_an_operator_acts_and_a_viewer_does_not(store, scope_of, acme, action):
    viewer, operator = scope_of(Role.VIEWER, "acme"), scope_of(Role.OPERATOR, "acme")

    with pytest.raises(Forbidden):
        OPERATORS[action](viewer, acme)
    refused = store.audit.find()
    OPERATORS[action](operator, acme)

    (row,) = store.audit.find()
    assert refused == []
    assert (row["actor"], row["source"]) == ("operator of acme", "10.0.0.1")
    assert row["client"] == ("acme" if action != "delete_finished" else None)


@pytest.mark.parametrize("action", ADMINISTRATORS)
def test_an_administrator_changes_what_an_operator_may_only_use(store, scope_of, acme, action):
    operator, administrator = scope_of(Role.OPERATOR, "acme"), scope_of(Role.ADMINISTRATOR, "acme")

    with pytest.raises(Forbidden):
        ADMINISTRATORS[action](operator, acme)
    ADMINISTRATORS[action](administrator, acme)

    (row,) = store.audit.find()
    assert (row["actor"], row["client"]) == ("administrator of acme", "acme")


def test_a_client_is_renamed_by_administrators_for_all_alone(store, scope_of, acme):
    with pytest.raises(NotAllowed):
        scope_of(Role.ADMINISTRATOR, "acme").clients.edit("acme", new_name="apex")
    scope_of(Role.ADMINISTRATOR).clients.edit("acme", new_name="apex")

    assert store.clients.get("apex")["id"] == acme.id


def test_an_audit_row_says_what_was_done_to_which_job(store, scope_of, acme):
    scope_of(Role.OPERATOR, "acme").jobs.move(acme.jobs["later"], "first")

    (row,) = store.audit.find()
    assert (row["action"], row["job_id"]) == ("job.move", acme.jobs["later"])
    assert row["detail"] == {"was": "waiting", "where": "first"}


def test_what_can_t_be_done_leaves_no_row(store, scope_of, acme):
    scope = scope_of(Role.OPERATOR, "acme")

    with pytest.raises(JobNotFound):
        scope.jobs.start(acme.jobs["gone"])
    with pytest.raises(TaskNotFound):
        scope.jobs.enqueue("orc", {"path": "x"}, client="acme")
    with pytest.raises(InvalidArguments, match="path"):
        scope.jobs.enqueue("ocr", {"patch": "x"}, client="acme")
    with pytest.raises(InvalidArguments):
        scope_of(Role.ADMINISTRATOR, "acme").entries.edit(acme.entry, data={"path": 5})

    assert store.audit.find() == []


def test_deleting_all_reaches_only_where_one_is_an_operator(store, scope_of, principal_of, acme, bolt):
    principal = principal_of(Role.OPERATOR, "acme")
    store.users.set_role(principal.name, Role.VIEWER, "bolt")
    grants = tuple(store.users.get(principal.name)["roles"])
    scope = Scope(store, Principal(principal.name, grants=grants))

    finished = scope.jobs.delete_finished()
    count = scope.jobs.delete_all()

    assert (finished, count) == (1, 5)
    assert [row["status"] for row in store.jobs.find(client="acme")] == ["stopping"]
    assert len(store.jobs.find(client="bolt")) == 6
    assert len(store.entries.find()) == 2
    with pytest.raises(Forbidden):
        scope.jobs.delete_all("bolt")


def test_bulk_does_what_can_be_done_and_tells_what_could_not(store, scope_of, acme, bolt):
    scope = scope_of(Role.OPERATOR, "acme")
    asked = [acme.jobs["waiting"], acme.jobs["failed"], bolt.jobs["waiting"], 999, acme.jobs["waiting"]]

    result = scope.jobs.bulk("stop", asked)

    assert result.done == [acme.jobs["waiting"]]
    assert {job_id: type(error).__name__ for job_id, error in result.failed.items()} == {
        acme.jobs["failed"]: "WrongStatus",
        bolt.jobs["waiting"]: "JobNotFound",
        999: "JobNotFound",
    }
    assert [row["job_id"] for row in store.audit.find()] == result.done
    assert store.jobs.get(bolt.jobs["waiting"])["status"] == "waiting"
    with pytest.raises(TooManyAtOnce):
        scope.jobs.bulk("stop", list(range(1001)))
    with pytest.raises(ValueError, match="get"):
        scope.jobs.bulk("get", asked)


def test_secrets_are_hidden_wherever_data_is_shown(scope_of, acme):
    scope = scope_of(Role.VIEWER, "acme")
    shown = [
        scope.jobs.get(acme.jobs["waiting"]),
        scope.jobs.get(acme.jobs["gone"]),
        scope.runs.get(acme.runs["failed"]),
        *scope.runs.find(),
        *scope.jobs.page().rows,
    ]

    assert all(row["data"] == {"path": f"/scans/{acme.mark}", "password": "***"} for row in shown)
    assert len(shown) > 10


def test_a_hidden_secret_that_was_left_alone_is_the_old_one(store, scope_of, acme):
    scope = scope_of(Role.OPERATOR, "acme")

    again = scope.jobs.enqueue_again(acme.jobs["failed"], {"path": "other", "password": "***"}).id
    changed = scope.jobs.enqueue_again(acme.jobs["failed"], {"path": "other", "password": "new"}).id

    assert store.jobs.get(again)["data"] == {"path": "other", "password": f"password-{acme.mark}"}
    assert store.jobs.get(changed)["data"]["password"] == "new"
    assert store.jobs.get(again)["created_by"] == "operator of acme"


def test_a_request_sent_again_under_its_key_queues_once(store, scope_of, acme):
    scope = scope_of(Role.OPERATOR, "acme")

    first, second = (
        scope.jobs.enqueue("ocr", {"path": "x"}, client="acme", idempotency_key="k") for _ in range(2)
    )

    assert first == second
    assert len(store.audit.find()) == 1
    with pytest.raises(KeyReused):
        scope.jobs.enqueue("ocr", {"path": "y"}, client="acme", idempotency_key="k")
    other = scope_of(Role.ADMINISTRATOR, "acme").jobs.enqueue(
        "ocr", {"path": "y"}, client="acme", idempotency_key="k"
    )
    assert other.id != first.id


def test_the_daemons_are_told_after_the_commit(store, principal_of, acme):
    seen = []

    def wake():
        def look():
            with store.database.connect() as other, store.database.read(other):
                seen.append(store.jobs.get(acme.jobs["failed"])["status"])

        thread = threading.Thread(target=look)
        thread.start()
        thread.join(10)

    scope = Scope(store, principal_of(Role.OPERATOR), wake=wake)

    scope.jobs.start(acme.jobs["failed"])

    assert seen == ["waiting"]


def test_a_token_acts_under_its_own_name(store, acme):
    grant = Grant(Role.OPERATOR, acme.id, "acme")
    scope = Scope(store, Principal("anna", kind="token", grants=(grant,)))

    job_id = scope.jobs.enqueue("ocr", {"path": "x"}, client="acme").id

    assert store.jobs.get(job_id)["created_by"] == "token anna"
    assert store.audit.find()[0]["actor"] == "token anna"
    with pytest.raises(Forbidden):
        scope.account.edit(theme="dark")


def test_auto_start_is_for_operators_of_all(store, scope_of, acme):
    scope_of(Role.OPERATOR).server.set_autostart(False)

    assert store.switches.autostart() is False
    assert [row["action"] for row in store.audit.find()] == ["autostart.off"]


def test_users_are_made_and_changed_by_administrators(store, scope_of, acme):
    scope = scope_of(Role.ADMINISTRATOR)

    scope.users.add("bert", "correct horse", role=Role.VIEWER, client="acme")
    scope.users.set_role("bert", Role.OPERATOR, "acme")
    scope.users.set_password("bert", "battery staple")
    scope.users.edit("bert", language="de", active=False)
    with pytest.raises(LastAdministrator):
        scope.users.delete("administrator of all")

    bert = store.users.get("bert")
    assert (bert["roles"], bert["active"]) == ([Grant(Role.OPERATOR, acme.id, "acme")], False)
    actions = [row["action"] for row in store.audit.find()]
    assert actions == ["user.edit", "user.set_password", "user.set_role", "user.add"]
    assert "battery" not in str(store.audit.find())


def test_a_token_is_shown_once_and_kept_as_a_hash(store, scope_of, acme):
    scope = scope_of(Role.ADMINISTRATOR)

    row, text = scope.tokens.add("ci", role=Role.VIEWER, client="acme")

    assert text.startswith(row["prefix"])
    assert len(text) > 40
    with store.database.read() as connection:
        kept = connection.exec_driver_sql("SELECT hash FROM tokens").scalar()
    assert text not in kept
    assert text not in str(scope.tokens.find()) + str(store.audit.find())
    scope.tokens.delete("ci")
    assert scope.tokens.find() == []


def test_one_s_own_password_changes_with_the_present_one(store, principal_of):
    principal = principal_of(None, name="anna")
    store.users.set_password_hash("anna", hashed("correct horse", name="anna"))
    scope = Scope(store, principal)

    with pytest.raises(WrongPassword):
        scope.account.set_password("wrong horse", "battery staple", keep_session=None)
    scope.account.set_password("correct horse", "battery staple", keep_session=None)
    scope.account.edit(language="de", theme="dark")

    known = store.users.credentials("anna")
    assert known is not None
    assert verified(known[1], "battery staple")
    assert scope.account.get()["theme"] == "dark"
    with pytest.raises(TypeError):
        scope.account.edit(active=True)
