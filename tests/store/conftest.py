"""A node as the dispatcher sees it: it registers, turns, and records outcomes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from taskserver.jobs import Claim, Outcome, Report
from taskserver.store import Capacity, NodeIdentity, Store, Turn, Work

_boots = itertools.count(1)


class Node:
    """One daemon's view of the store, without the daemon."""

    def __init__(self, store: Store, node_id: str = "here", *, tasks: dict[str, int | None] | None = None) -> None:
        self.store = store
        self.node_id = node_id
        self.tasks = tasks if tasks is not None else {"ocr": None}
        self.dispatch = store.dispatch(ZoneInfo("UTC"))
        identity = NodeIdentity(
            node_id=node_id,
            boot_id=f"boot-{next(_boots)}",
            pid=1,
            version="0",
            slots=4,
            lease=timedelta(seconds=60),
            control_socket=None,
            only_own_jobs=False,
        )
        self.row = store.nodes.register(identity, [published(name, limit) for name, limit in self.tasks.items()])

    def turn(
        self,
        *endings: tuple[Claim, Outcome],
        free: int = 0,
        reports: list[Report] | None = None,
        **capacity: Any,
    ) -> Turn:
        return self.dispatch.turn(
            Work(endings=list(endings), reports=reports or [], count=True),
            Capacity(node=self.row, node_id=self.node_id, free=free, limits=self.tasks, **capacity),
        )

    def claim(self, free: int = 1, **capacity: Any) -> list[Claim]:
        claims: list[Claim] = []
        for _ in range(20):
            turn = self.turn(free=free - len(claims), **capacity)
            claims += turn.claims
            if not turn.again:
                break
        return claims

    def close(self) -> None:
        self.dispatch.close()


def published(name: str, max_parallel: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "title": "",
        "description": "",
        "schema": {},
        "max_parallel": max_parallel,
        "timeout": None,
        "max_attempts": 1,
        "max_crashes": 3,
        "on_crash": "requeue",
        "kind": "python",
        **more,
    }


@pytest.fixture
def make_node(store: Store) -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def make(*arguments: Any, **more: Any) -> Node:
        nodes.append(Node(store, *arguments, **more))
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()


@pytest.fixture
def node(make_node: Callable[..., Node]) -> Node:
    return make_node()
