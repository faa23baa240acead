"""When what is said to a service manager, by a clock that the test moves on."""

from __future__ import annotations

import pytest

from taskserver.daemon.reporting import Reporter
from taskserver.daemon.sdnotify import Notifier


class Noted(Notifier):
    """Keeps what it is to send."""

    def __init__(self, watchdog_seconds: float | None = None, *, address: str = "@heard") -> None:
        super().__init__(address, watchdog_seconds=watchdog_seconds)
        self.sent: list[str] = []

    def send(self, *lines: str) -> None:
        self.sent += lines


class Scene:
    """A reporter, the beat that it listens to, and the time."""

    def __init__(self, notifier: Noted) -> None:
        self.now = 1000.0
        self.beat = 1000.0
        self.status = "idle"
        self.notifier = notifier
        self.reporter = Reporter(
            notifier, alive_at=lambda: self.beat, status=lambda: self.status, clock=lambda: self.now
        )

    def pass_time(self, seconds: float, *, beating: bool = True) -> list[str]:
        """What is sent in a span of time."""
        self.notifier.sent.clear()
        end = self.now + seconds
        while (patience := self.reporter.patience()) is not None and self.now + patience <= end:
            self.now += patience
            self.beat = self.now if beating else self.beat
            self.reporter.step()
        self.now = end
        return list(self.notifier.sent)


@pytest.fixture
def scene():
    return Scene(Noted(watchdog_seconds=60))


def test_the_watchdog_is_fed_well_within_its_time(scene):
    assert scene.pass_time(600).count("WATCHDOG=1") == 31
    assert scene.reporter.beat_seconds == 10


def test_without_a_beat_the_watchdog_starves(scene):
    scene.pass_time(60)

    assert scene.pass_time(600, beating=False) == []
    assert scene.pass_time(60).count("WATCHDOG=1") == 3


def test_a_status_is_sent_at_once_and_then_once_a_second(scene):
    sent = []
    for number in range(32):
        scene.status = f"{number} jobs waiting"
        scene.reporter.changed()
        sent += [line for line in scene.pass_time(0.125) if line.startswith("STATUS")]

    assert sent == [f"STATUS={number} jobs waiting" for number in (0, 7, 15, 23, 31)]


def test_an_idle_daemon_is_woken_for_the_watchdog_alone(scene):
    scene.pass_time(1)

    assert scene.reporter.patience() == pytest.approx(19)
    assert Scene(Noted()).reporter.patience() is None


def test_time_is_asked_for_again_and_again_while_it_is_needed(scene):
    scene.reporter.needs_time(True)
    asked = scene.pass_time(35).count("EXTEND_TIMEOUT_USEC=30000000")
    scene.reporter.needs_time(False)
    after = scene.pass_time(35).count("EXTEND_TIMEOUT_USEC=30000000")

    assert (asked, after) == (4, 0)


def test_a_drain_that_is_stuck_gets_no_more_time(scene):
    scene.reporter.needs_time(True)
    scene.pass_time(15)

    assert not any("EXTEND" in line for line in scene.pass_time(600, beating=False))


def test_without_a_manager_nothing_is_ever_due():
    scene = Scene(Noted(address=""))

    scene.reporter.changed()
    scene.reporter.needs_time(True)

    assert scene.reporter.patience() is None
    assert scene.reporter.has_news  # so that nobody wakes the main thread for it
