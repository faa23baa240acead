"""An end that is asked for while the server still starts."""

from __future__ import annotations

import logging

import pytest

from taskserver.config import Settings
from taskserver.jobs import Status
from taskserver.server import Server
from taskserver.server.errors import StoppedEarly
from taskserver.tasks import Registry

log = logging.getLogger("test")


class Disturbed(Registry):
    """A registry that is stopped by whoever publishes its tasks, which is the last step of a start."""

    server: Server

    def __iter__(self):
        self.server.abandon()
        return super().__iter__()


@pytest.fixture
def settings(database_url, tmp_path):
    return Settings(users_dir=tmp_path, database=database_url, node_id="here")


def test_an_end_while_the_tasks_are_imported_claims_nothing(settings, store):
    job = store.jobs.enqueue("info")

    def load(_):
        server.abandon()
        return Registry.load()

    server = Server(settings, load, log)

    with pytest.raises(StoppedEarly):
        server.start(lambda _: None)

    assert store.jobs.get(job.id)["status"] == Status.WAITING
    assert store.nodes.find() == []


def test_an_end_while_the_node_registers_says_goodbye_again(settings, store):
    job = store.jobs.enqueue("info")
    registry = Disturbed(list(Registry.load()))
    registry.server = Server(settings, lambda _: registry, log)

    with pytest.raises(StoppedEarly):
        registry.server.start(lambda _: None)

    assert store.jobs.get(job.id)["status"] == Status.WAITING
    assert store.nodes.find() == []


def test_a_server_stopped_early_leaves_its_name_to_the_next_one(settings):
    first = Server(settings, lambda _: Registry.load(), log)
    first.abandon()
    with pytest.raises(StoppedEarly):
        first.start(lambda _: None)

    second = Server(settings, lambda _: Registry.load(), log)
    second.start(lambda _: None)
    second.abandon()

    assert second.wait(30)
    assert second.failure is None
