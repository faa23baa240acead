"""What belongs to no client, through the door: nodes, the offered tasks, auto-start."""

from __future__ import annotations

from taskserver.redaction import is_secret
from taskserver.store import Role
from taskserver.store.errors import NodeNotFound
from taskserver.web.scope.door import Door, Row


class ScopedServer:
    """`scope.server`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def nodes(self) -> list[Row]:
        """Needs a viewer for all clients."""
        self._door.require_everywhere(Role.VIEWER)
        return self._door.store.nodes.find()

    def node(self, row_id: int) -> Row:
        """By the id of its row. Raises NodeNotFound."""
        found = next((node for node in self.nodes() if node["id"] == row_id), None)
        if found is None:
            raise NodeNotFound(id=row_id)
        return found

    def set_claiming(self, node: int, claiming: bool) -> str:
        """Lets a node claim jobs, or nothing more; its name. For administrators of all. Raises NodeNotFound."""
        with self._door.acting(wakes=True):
            self._door.require_everywhere(Role.ADMINISTRATOR)
            name = self._door.store.nodes.set_claiming(node, claiming)
            if claiming:
                self._door.note("node.claim", node=name)
            else:
                self._door.note("node.stop_claiming", node=name)
        return name

    def tasks(self) -> list[Row]:
        """The tasks that may be queued, for whoever sees any client at all."""
        self._door.require_somewhere(Role.VIEWER)
        return [_shown(task) for task in self._door.store.tasks.find()]

    def task(self, name: str) -> Row:
        """Raises TaskNotFound."""
        self._door.require_somewhere(Role.VIEWER)
        return _shown(self._door.store.tasks.get(name))

    def autostart(self) -> bool:
        """Whether waiting jobs start by themselves: everybody is told."""
        return self._door.store.switches.autostart()

    def set_autostart(self, on: bool) -> None:
        """For all clients at once: needs an operator for all."""
        with self._door.acting(wakes=True):
            self._door.require_everywhere(Role.OPERATOR)
            self._door.store.switches.set_autostart(on)
            self._door.note("autostart.on" if on else "autostart.off")

    def wake(self) -> None:
        """Lets the daemons look at once."""
        with self._door.acting(wakes=True):
            self._door.require_somewhere(Role.OPERATOR)
            self._door.note("server.wake")


def _shown(task: Row) -> Row:
    """A task without the defaults of its secrets: they are what an empty field means all the same."""
    schema = task["schema"]
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return task
    shown = {
        name: {key: value for key, value in each.items() if key != "default"}
        if is_secret(name) and isinstance(each, dict)
        else each
        for name, each in properties.items()
    }
    return {**task, "schema": {**schema, "properties": shown}}
