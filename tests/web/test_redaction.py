from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskserver.jobs import Outcome
from taskserver.store import Role
from taskserver.store.rows import shown_title
from taskserver.web.redaction import HIDDEN, is_secret, redacted, restored


@pytest.mark.parametrize(
    "key",
    [
        *("password", "Passwort", "db_password", "userPassword", "PASSWD", "passphrase", "kennwort", "geheimnis"),
        *("api_key", "apiKey", "api-key", "secret", "client_secret", "token", "access_token", "private_key"),
        *("pwd", "db_pwd", "userpwd", "zugangsdaten", "Zugangsdaten FTP"),
        *("schluessel", "api_schlüssel", "ApiSchluessel"),
        *("ssh_key", "sshKeys", "jwt", "id.jwt", "session_id", "JSESSIONID", "cookie", "Set-Cookie", "PINCode"),
        *(
            "db_password2",
            "dbpassword",
            "apikey",
            "APIKey",
            "apikeyvalue",
            "passwordfile",
            "accesstoken",
            "tokens",
        ),
        *("schlu\u0308ssel", "pin2", "passwörter", "zugangs schlüssel 2", "token_url", "password_hash"),
        *("secrets", "secretkey"),
        *("authorization", "auth", "smtp_auth", "credentials", "pin", "card_pin", "iban", "pass", "smtp_pass"),
    ],
)
def test_what_is_called_a_secret_is_one(key):
    assert is_secret(key)


@pytest.mark.parametrize(
    "key",
    [
        *("path", "author", "authors", "pinned", "spinning", "passenger", "compass_points", "keyboard", "tangent"),
        *("secretary", "Secretariat", "token_count", "tokenCount", "tokenizer", "password_length", "token-limit"),
        *("schluessel_typ", "fremdschluessel", "session_idle", "ssh_keyboard", "cookiecutter", "session", "key"),
    ],
)
def test_what_only_sounds_like_one_is_none(key):
    assert not is_secret(key)


def test_secrets_are_hidden_at_any_depth():
    data = {"smtp": {"host": "mail", "password": "x", "list": [{"token": ["a", "b"]}]}, "password": None}

    assert redacted(data) == {
        "smtp": {"host": "mail", "password": HIDDEN, "list": [{"token": HIDDEN}]},
        "password": None,
    }


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://anna:hunter2@db/shop", "postgresql://anna:***@db/shop"),
        ("see redis://:hunter2@cache:6379/0, or http://a/b", "see redis://:***@cache:6379/0, or http://a/b"),
        ("https://u:p@ss@one ftp://v:q@two", "https://u:***@one ftp://v:***@two"),
        ("http://host:8080/users/@anna", "http://host:8080/users/@anna"),
        ("https://anna@example.com:8080", "https://anna@example.com:8080"),
    ],
)
def test_a_password_in_an_address_is_hidden_and_comes_back(address, shown):
    assert redacted({"to": [address]}) == {"to": [shown]}
    assert restored({"to": [shown]}, {"to": [address]}) == {"to": [address]}


def test_a_password_goes_with_an_address_that_was_edited_but_to_no_other_host():
    was = {"url": "https://anna:hunter2@shop.example/a"}

    assert restored({"url": "https://anna:***@shop.example/b"}, was) == {
        "url": "https://anna:hunter2@shop.example/b"
    }
    assert restored({"url": "https://anna:***@evil.example/a"}, was) == {"url": "https://anna:***@evil.example/a"}
    assert restored({"url": "https://anna:new@shop.example/a"}, was) == {"url": "https://anna:new@shop.example/a"}


def test_a_long_text_is_looked_through_at_once():
    began = time.monotonic()

    redacted(["a" * 1_000_000 + "://", "://a:" * 200_000, "@" * 1_000_000, "://a:" + "b@" * 500_000 + " "])

    assert time.monotonic() - began < 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.text("a:/@ *", max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["path", "password", "token", "rows"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON)
def test_what_was_shown_and_not_changed_is_what_it_was(data):
    assert restored(redacted(data), data) == data


@given(JSON)
def test_nothing_under_a_secret_s_key_is_shown(data):
    def look(value):
        if isinstance(value, dict):
            for key, each in value.items():
                assert not is_secret(key) or each in (HIDDEN, None)
                look(each)
        elif isinstance(value, list):
            for each in value:
                look(each)

    look(redacted(data))


def test_data_of_a_thousand_levels_is_cut():
    data: object = "x"
    for _ in range(1000):
        data = [data]

    assert HIDDEN in str(redacted(data))


def test_half_a_character_can_be_shown():
    """JSON has them as escapes, so that a plain INSERT can bring them."""
    shown = redacted({"a\ud800": ["ä\udfff", {"b": "\ud83d\ude00"}]})

    assert shown == {"a?": ["ä?", {"b": "??"}]}


def test_a_title_that_is_made_of_the_data_holds_no_secret():
    job = {"title": "", "task": "fetch", "data": {"host": "example.com", "password": "hunter2"}}
    of_task = {"task_title": "Fetch from {host} with {password}", "task_schema": {}}

    assert shown_title({**job, **of_task}) == "Fetch from example.com with ***"


@pytest.mark.only_on("sqlite")
def test_a_password_in_an_address_is_shown_nowhere_whatever_a_task_says_of_it(signed_in, acme, node, store):
    address = "ftp://anna:hunter2@host/"
    ids = [store.jobs.enqueue("ocr", {"path": "x"}, client="acme").id for _ in range(2)]
    claims = [node.claim(job_id) for job_id in ids]
    for claim in claims:
        node.report(claim, f"fetching {address}")
    node.end(claims[0], Outcome.failed(f"no answer of {address}", traceback=f"Traceback: {address}"))
    node.end(claims[1], Outcome.finished(f"stored at {address}"))
    browser = signed_in(Role.OPERATOR)
    failed, run = ids[0], claims[0].run_id

    pages = [f"/jobs/{failed}", "/tasks", "/history", "/history.csv", f"/history/{run}", "/failures"]
    pages += [f"/failures/{run}", f"/jobs/{ids[1]}"]
    api = ["jobs", f"jobs/{failed}", f"jobs/{failed}/log", f"jobs/{failed}/explain", "runs", f"runs/{run}"]
    pages += [f"/api/v1/{path}" for path in [*api, f"runs/{run}/output"]]
    answers = {path: browser.get(path).text for path in pages}

    assert {path for path, text in answers.items() if "hunter2" in text} == set()
    assert {path for path, text in answers.items() if "ftp://anna:***@host/" in text} == set(answers)


@pytest.mark.only_on("sqlite")
def test_a_title_with_secrets_is_shown_nowhere_and_no_title_of_the_task_is_frozen(signed_in, acme, node, store):
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE tasks SET title = 'OCR {path} {password}'")
    data = {"path": "ftp://anna:hunter2@host/", "password": "swordfish"}
    own = store.jobs.enqueue("ocr", data, client="acme", title="Own ftp://anna:hunter2@host/").id
    job = store.jobs.enqueue("ocr", data, client="acme").id
    runs = []
    for each in (own, job):
        claim = node.claim(each)
        node.end(claim, Outcome.finished("done"))
        runs.append(claim.run_id)
    browser = signed_in(Role.OPERATOR)

    pages = ["/tasks", "/history", "/history.csv", f"/jobs/{own}", f"/jobs/{job}", "/api/v1/jobs", "/api/v1/runs"]
    answers = {page: browser.get(page).text for page in [*pages, *(f"/history/{run}" for run in runs)]}
    browser.get(f"/history/{runs[1]}")
    browser.post(f"/history/{runs[1]}/again")

    assert {page for page, text in answers.items() if "hunter2" in text or "swordfish" in text} == set()
    newest = max(store.jobs.find(limit=100), key=lambda found: found["id"])
    assert (newest["data"], newest["title"]) == (data, "OCR ftp://anna:***@host/ ***")
    with store.database.read() as connection:
        kept = connection.exec_driver_sql(f"SELECT title FROM jobs WHERE id = {newest['id']}").scalar()
    assert kept == ""
