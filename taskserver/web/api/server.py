"""What belongs to no client: nodes, the tasks that are offered, auto-start, waking the daemons."""

from __future__ import annotations

from pydantic import Field

from taskserver.web.api.fields import Given, PathId, PathName
from taskserver.web.api.models import Autostart, Node, Nodes, Task, Tasks
from taskserver.web.api.routing import api_router
from taskserver.web.visit import Visiting

router = api_router("server")


class Wanted(Given):
    on: bool = Field(description="false: nothing starts but what is started by hand.")


@router.get("/nodes", summary="List nodes")
def nodes(visit: Visiting) -> Nodes:
    """Needs a viewer for all clients."""
    return Nodes(nodes=[Node.model_validate(row) for row in visit.scope.server.nodes()])


@router.post("/nodes/{node_id:number}/stop-claiming", summary="Let a node claim nothing more")
def stop_claiming(visit: Visiting, node_id: PathId) -> Node:
    """What it runs goes on. Until `claim`, or until the node ends. Needs an administrator for all clients."""
    return _claiming(visit, node_id, False)


@router.post("/nodes/{node_id:number}/claim", summary="Let a node claim jobs again")
def claim(visit: Visiting, node_id: PathId) -> Node:
    """Needs an administrator for all clients."""
    return _claiming(visit, node_id, True)


def _claiming(visit: Visiting, node_id: int, claiming: bool) -> Node:
    scope = visit.scope
    scope.server.set_claiming(node_id, claiming)
    return Node.model_validate(scope.server.node(node_id))


@router.get("/tasks", summary="List tasks")
def tasks(visit: Visiting) -> Tasks:
    """What can be queued, and which arguments it takes."""
    return Tasks(tasks=[Task.of(row) for row in visit.scope.server.tasks()])


@router.get("/tasks/{name}", summary="Get a task")
def task(visit: Visiting, name: PathName) -> Task:
    return Task.of(visit.scope.server.task(name))


@router.get("/autostart", summary="Ask whether waiting jobs start by themselves")
def autostart(visit: Visiting) -> Autostart:
    return Autostart(on=visit.scope.server.autostart())


@router.put("/autostart", summary="Switch auto-start on or off")
def set_autostart(visit: Visiting, given: Wanted) -> Autostart:
    """For all clients at once: needs an operator for all. It survives restarts."""
    visit.scope.server.set_autostart(given.on)
    return Autostart(on=given.on)


@router.post("/wake", summary="Let the daemons look at once", status_code=204)
def wake(visit: Visiting) -> None:
    """Never needed after a request of this API; for programs that write into the tables themselves."""
    visit.scope.server.wake()
