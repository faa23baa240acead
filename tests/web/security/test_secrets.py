"""Passwords, tokens, the form's token: what is kept, what is refused, what takes how long."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from taskserver.web.security import csrf, passwords, tokens
from taskserver.web.security.passwords import PasswordTooLong, hashed, is_outdated, verified

OF_USERS = passwords._hasher


@pytest.fixture(scope="module", autouse=True)
def real_effort() -> Iterator[None]:
    """That of users, not that of the other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", OF_USERS)
        passwords._nobodys_hash.cache_clear()
        yield
    passwords._nobodys_hash.cache_clear()


@pytest.fixture(scope="module")
def known() -> str:
    return hashed("correct horse", name="anna")


def test_a_hash_is_argon2id_and_salted(known):
    assert known.startswith("$argon2id$v=19$m=65536,t=3,")
    assert hashed("correct horse", name="anna") != known
    assert not is_outdated(known)


@pytest.mark.parametrize("wrong", ["", "correct hors", "Correct horse", "correct horse ", "x" * 100_000, "\ud800"])
def test_only_the_password_is_the_password(known, wrong):
    assert verified(known, "correct horse") is True
    assert verified(known, wrong) is False


@pytest.mark.parametrize("broken", ["", "x", "$argon2id$v=19$m=65536,t=3,p=2$AAAA$AAAA", "plain:correct horse"])
def test_a_broken_hash_lets_nobody_in(broken):
    assert verified(broken, "correct horse") is False


def test_for_nobody_it_is_verified_all_the_same(monkeypatch):
    """An unknown name must not be told by an answer that comes at once."""
    verifications = []
    hasher = passwords._hasher()

    class Watched:
        def verify(self, *arguments):
            verifications.append(arguments)
            return hasher.verify(*arguments)

        def hash(self, *arguments):
            return hasher.hash(*arguments)

    monkeypatch.setattr(passwords, "_hasher", Watched)

    assert verified(None, "nobody has this password") is False
    assert len(verifications) == 1


def test_no_more_than_two_hashes_are_made_at_once(monkeypatch):
    working, most = 0, 0
    lock, go_on = threading.Lock(), threading.Event()

    class Slow:
        def hash(self, _password):
            nonlocal working, most
            with lock:
                working += 1
                most = max(most, working)
            go_on.wait(0.05)
            with lock:
                working -= 1
            return "hash"

    monkeypatch.setattr(passwords, "_hasher", Slow)
    threads = [threading.Thread(target=hashed, args=("correct horse",), kwargs={"name": "x"}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert most == 2


def test_a_password_of_any_language_works_and_one_of_megabytes_does_not():
    assert verified(hashed("Grüße aus Österreich ✓", name="x"), "Grüße aus Österreich ✓")
    with pytest.raises(PasswordTooLong):
        hashed("ab1!" * 300, name="x")


def test_tokens_are_long_different_and_known_by_their_hash():
    one, other = tokens.new_token(), tokens.new_token()

    assert one.text != other.text
    assert len(one.text) >= 47
    assert one.hash == tokens.secret_hash(one.text)
    assert one.text not in one.hash
    assert one.text.startswith(one.prefix)
    assert len(one.prefix) < 12


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer tsk_abc", "tsk_abc"),
        ("bearer   tsk_abc ", "tsk_abc"),
        ("Basic tsk_abc", None),
        ("Bearer abc", None),
        ("tsk_abc", None),
        ("", None),
        (None, None),
        ("Bearer tsk_" + "a" * 300, None),
    ],
)
def test_a_bearer_is_one_of_our_tokens(header, token):
    assert tokens.bearer(header) == token


def test_the_form_s_token_belongs_to_one_session():
    token = csrf.token_for("secret")

    assert csrf.is_token("secret", token)
    for given in (None, "", "x", token[:-1], csrf.token_for("other"), "é"):
        assert not csrf.is_token("secret", given)
    assert "secret" not in token


OWN = {"localhost:8742", "erp.example.com"}


@pytest.mark.parametrize(
    ("headers", "elsewhere"),
    [
        ({}, False),
        ({"origin": "http://localhost:8742"}, False),
        ({"origin": "https://erp.example.com"}, False),
        ({"origin": "https://ERP.example.com"}, False),
        ({"origin": "http://localhost"}, True),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "https://erp.example.com.evil.example"}, True),
        ({"origin": "http://[bad"}, True),
        ({"origin": "null"}, False),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, False),
        ({"origin": "null", "sec-fetch-site": "cross-site"}, True),
        ({"origin": "null", "referer": "https://evil.example/"}, True),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://localhost:8742"}, True),
    ],
)
def test_other_sites_are_recognised(headers, elsewhere):
    assert csrf.comes_from_elsewhere(headers, OWN) is elsewhere
