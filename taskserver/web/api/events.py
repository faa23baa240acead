"""Events: what becomes of jobs, told as it happens (server-sent events)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from taskserver.errors import TaskServerError
from taskserver.web.api.feed import Feed
from taskserver.web.api.routing import api_router, problems
from taskserver.web.listeners import Listener, Listeners
from taskserver.web.visit import Visiting

log = logging.getLogger("taskserver.web")

router = api_router("events")

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^[0-9]{1,18}$",
        description="The id of the last event that was received: what has happened since comes first.",
    ),
]
_EVENT = {
    "type": "object",
    "description": "One event.",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "description": "For Last-Event-ID."},
        "event": {"type": "string", "enum": ["job", "gone", "reload"]},
        "data": {"type": "string", "description": "JSON: a Job, or an object with the id of what is gone."},
    },
}
_COMES_AGAIN = "retry: 2000\n\n"
_ALIVE = ": still here\n\n"


class EventStream(StreamingResponse):
    """Gives the listener's place free again, however the stream ends."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[str], listeners: Listeners, listener: Listener) -> None:
        super().__init__(events, headers={"x-accel-buffering": "no"})
        self._listeners = listeners
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._listeners.leave(self._listener)


@router.get(
    "/events",
    summary="Listen to what becomes of jobs",
    status_code=200,
    response_class=EventStream,
    responses={**problems(429), 200: {"content": {"text/event-stream": {"schema": _EVENT}}}},
)
async def events(visit: Visiting, last_event_id: LastEventId = None) -> EventStream:
    """Server-sent events about the jobs that the caller can see.

    `job`: the job as it is now, when it was queued, started, has made progress or ended. `gone`: `{"id": ...}`, it
    was deleted. `reload`: so much has changed that the list is better read anew. A stream ends after a minute; the
    browser's EventSource, or a program with Last-Event-ID, comes again and misses nothing.
    """
    listeners, scope = visit.console.listeners, visit.scope
    listener = listeners.join(scope.principal.key)
    try:
        feed = Feed(scope, visit.now, last_event_id)
        first = await run_in_threadpool(feed.look)
    except BaseException:
        listeners.leave(listener)
        raise
    pause = visit.console.settings.console.refresh_interval.total_seconds()
    return EventStream(_told(feed, first, listeners, listener, pause), listeners, listener)


async def _told(
    feed: Feed, first: list[str], listeners: Listeners, listener: Listener, pause: float
) -> AsyncIterator[str]:
    time = asyncio.get_running_loop().time
    last = time() + listeners.lasts
    spoken = time()
    yield _COMES_AGAIN + "".join(first)
    while not await _ends(listener, min(pause, last - time())) and time() < last:
        try:
            found = await run_in_threadpool(feed.look)
        except TaskServerError as error:  # nothing can be read now: the listener comes again
            log.warning("a stream of events ends: %s", error)
            return
        if found or time() - spoken >= listeners.quiet:
            spoken = time()
            yield "".join(found) or _ALIVE


async def _ends(listener: Listener, seconds: float) -> bool:
    """Waits so long; whether the console has ended meanwhile."""
    try:
        await asyncio.wait_for(listener.ended.wait(), max(seconds, 0))
    except TimeoutError:
        return False
    return True
