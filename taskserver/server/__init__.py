"""The composition root: puts store, pool and dispatcher together, starts them in order and ends them in order.

It implements the service that the daemon drives. It refuses to know about pidfiles, signals and privileges.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Any
from zoneinfo import ZoneInfo

from taskserver import __version__
from taskserver.clock import to_rfc3339
from taskserver.config import Settings
from taskserver.database import Database, DatabaseBusy, DatabaseMoved, DatabaseUnavailable
from taskserver.dispatcher import Beat, Dispatcher, Pace, Wakeup
from taskserver.errors import EXIT_JOB_FAILED, EXIT_JOB_STOPPED, EXIT_OK, TaskServerError
from taskserver.executors import Done, Pool
from taskserver.jobs import Status
from taskserver.maintenance import KeepJobs, prune
from taskserver.server.errors import NodeIdInUse, NotStartable, StoppedEarly
from taskserver.server.memory import MemoryWatch, used_memory
from taskserver.server.opening import LONGEST_WAIT_SECONDS, lock_database_file, open_database, reopen_database
from taskserver.server.publishing import published
from taskserver.store import Capacity, Dispatch, Keep, NodeIdentity, Store
from taskserver.tasks import Registry

RESTART_KEYS = (
    *("database", "users_dir", "run_as", "allow_root", "node_id"),
    *("modules", "python_path", "lease", "time_zone"),
)
"""Settings that a running daemon can't take over."""

NAME_PATIENCE_SECONDS = 10.0
"""How long a predecessor's connection may take to be noticed as gone by the database server."""


class Server:
    """One node. `start`, then `wait` until it has ended; `drain` or `abandon` begin the end."""

    def __init__(
        self, settings: Settings, load_registry: Callable[[Settings], Registry], log: logging.Logger
    ) -> None:
        self.failure: BaseException | None = None
        self._settings = settings
        self._load_registry = load_registry
        self._log = log
        self._boot_id = uuid.uuid4().hex
        self._since = datetime.now(UTC)
        self._state = "starting"
        self._ended = threading.Event()
        self._given_up = threading.Event()
        self._moved = threading.Event()  # the database is another one: the dispatcher is none any more
        self._lock_descriptor: int | None = None
        self._store: Store | None = None
        self._pool: Pool | None = None
        self._dispatcher: Dispatcher | None = None
        self._node = 0
        self._memory = MemoryWatch(log)
        self._beat = Beat()
        self._changed: Callable[[], None] = lambda: None

    # The service's life

    def start(
        self,
        waiting: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
        beat_seconds: float | None = None,
    ) -> None:
        """Returns when it takes work. A database that is not there yet is waited for, `waiting` says so once.

        `changed` is called whenever `status` would say something else; `beat_seconds` bounds how old `alive_at`
        may become while all is well.

        Raises TaskServerError for what waiting doesn't mend: tasks that can't be imported, wrong credentials, a
        wrong schema, a database or node name that another task server uses. Raises StoppedEarly, with nothing
        claimed, when `drain` or `abandon` came first.
        """
        registry = self._load_registry(self._settings)
        self._require_wanted()
        self._lock_descriptor = lock_database_file(self._settings.database)
        self._changed, self._beat.seconds = changed, beat_seconds
        with self._beat.waiting_for_database():
            self._store = Store(self._open_database(waiting))
            self._require_wanted()
            dispatcher = self._dispatcher = self._join(self._store, registry)
            self._require_wanted()  # from here on the dispatcher hears of the end itself
        self._state = "running"
        threading.Thread(target=self._dispatch, args=(dispatcher,), name="dispatcher", daemon=True).start()
        self._log.info(
            "node %s takes work: %d slots, tasks %s",
            self._settings.node_id,
            self._settings.max_parallel,
            ", ".join(registry.names()),
        )

    def wake(self) -> None:
        if self._dispatcher is not None:
            self._dispatcher.wake()

    def drain(self, timeout: float | None = None) -> None:
        """Claim nothing more; running jobs get `timeout` seconds (default: drain_timeout) to end."""
        self._state = "draining"
        if self._dispatcher is None or self._moved.is_set():
            self._given_up.set()
            return
        self._dispatcher.drain(self._settings.drain_timeout.total_seconds() if timeout is None else timeout)

    def abandon(self) -> None:
        self._state = "draining"
        self._given_up.set()
        if self._dispatcher is not None:
            self._dispatcher.abandon()

    def alive_at(self) -> float:
        """When the dispatcher last came round its loop, on the monotonic clock; now while it waits for the
        database."""
        return self._beat.at()

    def wait(self, timeout: float) -> bool:
        return self._ended.wait(timeout)

    def reload(self, settings: Settings) -> list[str]:
        """Takes over what can be taken over between two turns; returns the keys that need a restart.

        Raises TasksNotLoaded; then everything stays as it was.
        """
        restart = [
            f"task_server.{key}" for key in RESTART_KEYS if getattr(settings, key) != getattr(self._settings, key)
        ]
        kept = {key: getattr(self._settings, key) for key in RESTART_KEYS}
        if self._dispatcher is None or self._pool is None or self._store is None:
            return restart
        settings = settings.model_copy(update=kept)
        registry = self._load_registry(settings)
        self._settings = settings
        self._pool.registry = registry
        self._pool.resize(settings.max_parallel)
        nodes, node, slots = self._store.nodes, self._node, settings.max_parallel
        offered = [published(task) for task in registry]
        self._dispatcher.reconfigure(
            self._capacity(registry), self._pace(), lambda: nodes.publish(node, offered, slots=slots)
        )
        return restart

    def status(self) -> dict[str, Any]:
        """What `status` shows; never waits for the database."""
        view = self._dispatcher.view if self._dispatcher else None
        busy = len(self._pool.running()) if self._pool else 0
        slots = self._settings.max_parallel
        return {
            "pid": os.getpid(),
            "node_id": self._settings.node_id,
            "boot_id": self._boot_id,
            "version": __version__,
            "since": to_rfc3339(self._since.replace(microsecond=0)),
            "state": self._state,
            "busy": busy,
            "free": max(0, slots - busy),
            "slots": slots,
            "waiting": view.waiting if view else None,
            "autostart": view.autostart if view else None,
            "claiming": view.claiming if view else None,
            "memory_rss": used_memory()[0],
            "database": view.database if view else "unknown",
            "last_turn_at": to_rfc3339(view.last_turn_at) if view and view.last_turn_at else None,
        }

    def run_job(self, job_id: int) -> tuple[int, int]:
        """Runs this one job here and now, active or not; its id, and the exit code that says how it ended.

        Raises NotStartable, JobNotFound, and what `start` raises.
        """
        registry = self._load_registry(self._settings)
        self._lock_descriptor = lock_database_file(self._settings.database)
        self._store = Store(self._open_database(lambda _: None))
        job_id = self._store.jobs.run(job_id)
        dispatcher = self._join(self._store, registry, slots=1)
        if not dispatcher.take_one(job_id):
            why = "; ".join(finding.text for finding in self._store.jobs.explain(job_id))
            raise NotStartable(job_id=job_id, why=why)
        dispatcher.drain(float("inf"))
        dispatcher.run()
        job = self._store.jobs.get(job_id)
        self._leave()
        codes = {Status.FINISHED: EXIT_OK, Status.STOPPED: EXIT_JOB_STOPPED}
        return job_id, codes.get(Status(job["status"]), EXIT_JOB_FAILED)

    # Its parts

    def _join(self, store: Store, registry: Registry, *, slots: int | None = None) -> Dispatcher:
        """Registers the node, gives back what its predecessor left, and puts the parts together."""
        settings = self._settings
        dispatch = store.dispatch(ZoneInfo(settings.time_zone))
        self._hold_name(dispatch)
        identity = NodeIdentity(
            node_id=settings.node_id,
            boot_id=self._boot_id,
            pid=os.getpid(),
            version=__version__,
            slots=slots or settings.max_parallel,
            lease=settings.lease,
            control_socket=settings.users_dir / "control.sock",
            only_own_jobs=settings.only_run_tasks_for_this_node,
        )
        self._node = store.nodes.register(identity, [published(task) for task in registry])
        store.nodes.rescue(self._node, predecessors_are_dead=True)
        store.transactions.node_id = settings.node_id
        wakeup = Wakeup(store.database.listen)
        ended: SimpleQueue[Done] = SimpleQueue()

        def on_done(done: Done) -> None:
            ended.put(done)
            wakeup.wake()

        self._pool = Pool(
            slots or settings.max_parallel,
            registry=registry,
            store=store,
            on_done=on_done,
            node_id=settings.node_id,
            on_urgent=wakeup.wake,
        )
        swept = self._pool.sweep()
        if swept:
            self._log.warning("%d processes that a killed node's commands had left were killed", swept)
        return Dispatcher(
            dispatch,
            self._pool,
            wakeup,
            self._capacity(registry),
            self._pace(),
            ended=ended,
            chores=self._chores,
            heartbeat=self._after_heartbeat,
            changed=self._changed,
            beat=self._beat,
            memory=lambda: used_memory()[0] or None,
        )

    def _require_wanted(self) -> None:
        """Nothing was claimed yet, so an end asked for by now is one at once."""
        if not self._given_up.is_set():
            return
        if self._dispatcher is not None:
            self._dispatcher.close()
        self._leave()
        raise StoppedEarly()

    def _dispatch(self, dispatcher: Dispatcher) -> None:
        try:
            self._run_to_the_end(dispatcher)
            self._leave()
        except BaseException as error:  # noqa: BLE001 - the daemon must learn why its loop ended
            self._log.exception("the dispatcher has failed")
            self.failure = error
        finally:
            self._unlock()
            self._state = "stopped"
            self._ended.set()

    def _run_to_the_end(self, dispatcher: Dispatcher) -> None:
        while True:
            try:
                return dispatcher.run()
            except DatabaseMoved as error:
                joined = self._follow(dispatcher, error)
            if joined is None:
                return None
            dispatcher = joined

    def _unlock(self) -> None:
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None

    def _follow(self, dispatcher: Dispatcher, error: DatabaseMoved) -> Dispatcher | None:
        """What runs belongs to a database that is gone, so all parts are made anew, for the one in its place.

        Waits for that one. None: an end was asked for.
        """
        assert self._pool is not None  # noqa: S101
        self._moved.set()
        self._node = 0
        said = str(error)
        self._log.error("%s; its running jobs are given up, waiting for a database in its place", said)
        dispatcher.view.database = said
        self._changed()
        self._pool.give_up()
        with self._beat.waiting_for_database():
            while not (self._given_up.is_set() or dispatcher.draining):
                try:
                    return self._rejoin(self._pool.registry)
                except TaskServerError as reason:
                    if str(reason) != said:
                        said = str(reason)
                        self._log.warning("%s; waiting for it", said)
                self._given_up.wait(min(LONGEST_WAIT_SECONDS, self._settings.poll_interval.total_seconds()))
        return None

    def _rejoin(self, registry: Registry) -> Dispatcher | None:
        """As `start` does, for a database that others have made."""
        if self._store is not None:
            self._store.close()
        self._unlock()
        self._boot_id = uuid.uuid4().hex  # a copy of the old file knows the one it had
        database = reopen_database(self._settings)
        self._lock_descriptor = lock_database_file(self._settings.database)
        self._store = Store(database)
        joined = self._dispatcher = self._join(self._store, registry)
        self._moved.clear()
        if self._given_up.is_set():  # later on the dispatcher hears of it itself
            joined.close()
            return None
        self._log.warning("there is a database again: the node has joined %s", database.label)
        self._changed()
        return joined

    def _leave(self) -> None:
        if self._pool is not None:
            self._pool.close()
        if self._store is not None:
            try:
                if self._node:
                    self._store.nodes.leave(self._node)
            except DatabaseUnavailable as error:
                self._log.warning("could not say goodbye: %s", error)
            self._store.close()

    def _chores(self) -> None:
        if self._store is None:
            return
        settings = self._settings
        keep = KeepJobs(
            finished=Keep(settings.keep_finished_count, _age(settings.keep_finished_minutes)),
            failed=Keep(settings.keep_failed_count, _age(settings.keep_failed_minutes)),
        )
        with self._beat.waiting_for_database():
            prune(self._store, keep)

    def _after_heartbeat(self) -> None:
        self._memory.look(self._settings)
        if self._store is not None and not self._store.database.dialect.one_writer:
            try:
                with self._beat.waiting_for_database():
                    self._store.nodes.rescue(self._node, predecessors_are_dead=False)
            except DatabaseBusy:
                self._log.info("another node rescues just now")

    def _capacity(self, registry: Registry) -> Capacity:
        return Capacity(
            node=self._node,
            node_id=self._settings.node_id,
            free=0,
            limits={task.name: task.max_parallel for task in registry},
            only_own_jobs=self._settings.only_run_tasks_for_this_node,
        )

    def _pace(self) -> Pace:
        lease = self._settings.lease.total_seconds()
        return Pace(self._settings.poll_interval.total_seconds(), min(lease / 4, 15.0))

    def _open_database(self, waiting: Callable[[str], None]) -> Database:
        def wait(text: str) -> None:
            self._state = "waiting for database"
            waiting(text)

        try:
            return open_database(self._settings, given_up=self._given_up, waiting=wait, log=self._log)
        except DatabaseUnavailable:
            self._state = "stopped"
            self._ended.set()
            raise

    def _hold_name(self, dispatch: Dispatch) -> None:
        deadline = time.monotonic() + NAME_PATIENCE_SECONDS
        while not dispatch.hold_name(self._settings.node_id):
            if time.monotonic() > deadline or self._given_up.wait(0.1):
                raise NodeIdInUse(node_id=self._settings.node_id)


def _age(minutes: int | None) -> timedelta | None:
    return None if minutes is None else timedelta(minutes=minutes)
