from __future__ import annotations

import threading

import pytest

from taskserver.web.security import throttle as module
from taskserver.web.security.throttle import Throttle, TooManyAttempts, network


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Clock:
    return Clock()


@pytest.fixture
def throttle(time: Clock) -> Throttle:
    return Throttle(time)


def waits(throttle, name="anna", source="10.0.0.1"):
    """0 if an attempt was let through, else how long it would have to wait."""
    try:
        throttle.attempt(name, source)
    except TooManyAttempts as error:
        return error.fields["seconds"]
    return 0


def test_some_attempts_are_free_then_each_doubles_the_wait(throttle, time):
    free = [waits(throttle) for _ in range(4)]
    found = []
    for _ in range(6):
        found.append(waits(throttle))
        time.now += found[-1]
        assert waits(throttle) == 0

    assert free == [0] * 4
    assert found == [2, 3, 5, 9, 17, 33]


def test_the_wait_has_an_end_and_failures_are_forgotten(throttle, time):
    for _ in range(60):
        time.now += 901
        waits(throttle)

    assert waits(throttle) <= 901
    time.now += 3601
    assert [waits(throttle) for _ in range(4)] == [0] * 4


def test_success_clears_the_name_from_here(throttle):
    for _ in range(3):
        waits(throttle)
    throttle.succeeded("anna", "10.0.0.1")

    assert [waits(throttle) for _ in range(4)] == [0] * 4


def test_an_own_account_does_not_clear_guesses_at_others(throttle):
    """Signing in as oneself between guesses must not reset what the address has failed at."""
    let_through = 0
    for number in range(200):
        if waits(throttle, name=f"victim {number}") == 0:
            let_through += 1
        if waits(throttle, name="mallory") == 0:
            throttle.succeeded("mallory", "10.0.0.1")

    assert let_through <= 31


def test_many_names_from_one_address_are_slowed_down(throttle):
    assert sum(waits(throttle, name=f"name {number}") == 0 for number in range(100)) <= 30


def test_many_addresses_at_one_name_are_slowed_down_but_never_for_long(throttle, time):
    for number in range(200):
        waits(throttle, source=f"10.0.{number}.1")

    wait = waits(throttle, source="192.0.2.1")

    assert 0 < wait <= 31
    time.now += 31
    assert waits(throttle, source="192.0.2.1") == 0


def test_a_refused_attempt_makes_nothing_worse(throttle, time):
    for _ in range(5):
        waits(throttle)
    first = waits(throttle)
    for _ in range(100):
        waits(throttle)

    assert waits(throttle) == first


@pytest.mark.parametrize("name", ["ANNA", " anna ", "Anna"])
def test_a_name_is_the_same_however_it_is_written(throttle, name):
    for _ in range(4):
        waits(throttle)

    assert waits(throttle, name=name) > 0


def test_an_ipv6_customer_is_one_source(throttle):
    let_through = sum(waits(throttle, name=f"n{n}", source=f"2001:db8:1:2::{n:x}") == 0 for n in range(100))

    assert let_through <= 30
    assert network("2001:db8:1:2:3::9") == "2001:db8:1:2::/64"
    assert network("::ffff:10.0.0.1") == "10.0.0.1"
    assert network("fe80::1%eth0") == "fe80::/64"
    assert network("unix") == "unix"


def test_memory_is_bounded(throttle, monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 50)

    for number in range(500):
        waits(throttle, name=f"n{number}", source=f"10.{number // 250}.{number % 250}.1")

    assert len(throttle._counts) <= 50


def test_many_attempts_at_once_are_no_way_around(throttle):
    begin, answers = threading.Barrier(20), []

    def guess():
        begin.wait()
        answers.append(waits(throttle))

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert answers.count(0) == 4
