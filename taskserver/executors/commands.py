"""Carrying out commands: one lasting thread that owns the launcher, every pipe and every timer of a stop.

The slot's thread hands over a run and waits for its end. A command that floods its output is read at a bounded
rate, so that it disturbs no other.
"""

from __future__ import annotations

import heapq
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from taskserver.executors.command_run import LAUNCHER_LOST, STREAMS, CommandRun
from taskserver.executors.link import Link, sweep
from taskserver.executors.run import Run
from taskserver.jobs import Outcome, Reason

log = logging.getLogger("taskserver.executors")

CHUNK = 64 * 1024
WINDOW_BYTES = 1024 * 1024
WINDOW_SECONDS = 0.1
"""One command is read at WINDOW_BYTES in WINDOW_SECONDS at most: 10 MiB a second."""

_AT_ONCE = (Reason.KILLED, Reason.LOST)


class _Pipe:
    """One stream of one command."""

    def __init__(self, command: CommandRun, stream: str, descriptor: int) -> None:
        self.command = command
        self.stream = stream
        self.descriptor = descriptor
        self.window_ends = 0.0
        self.window_bytes = 0


class Commands:
    """Runs command tasks for the pool. Its thread and the launcher are started with the first command."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._thread: Thread | None = None
        self._requests: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._closing = False
        # What follows belongs to the thread alone.
        self._selector = selectors.DefaultSelector()
        self._link: Link | None = None
        self._running: dict[int, CommandRun] = {}
        self._pipes: dict[int, list[_Pipe]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def execute(self, run: Run) -> Outcome:
        """Start the command and wait for its end. Raises outcomes.Refused for wrong arguments."""
        settings = run.task.command
        assert settings is not None  # noqa: S101
        command = CommandRun(run, settings)
        run.on_stop = lambda reason: self._ask(lambda: self._stop(command, reason))
        if self._ask(lambda: self._begin(command)):
            command.ended.wait()
        else:
            _abandon(command)
        return command.outcome()

    def launcher_pid(self) -> int | None:
        """The launcher's process, None while there is none."""
        link = self._link
        return link.pid if link is not None else None

    def close(self) -> None:
        """Kill every command and end the launcher. Waits for it."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._wake()
        if self._thread is not None:
            self._thread.join()
        self._obey()  # what was asked while the thread ended
        with self._lock:
            self._selector.close()
            _close_all([self._wake_read, self._wake_write])

    def _ask(self, request: Callable[[], None]) -> bool:
        """Have the thread do something. False: it is too late for that."""
        with self._lock:
            if self._closing:
                return False
            if self._thread is None:
                self._thread = Thread(target=self._serve, name="commands", daemon=True)
                self._thread.start()
            self._requests.put(request)
            self._wake()
            return True

    def _wake(self) -> None:
        """With the lock held, so that the pipe is still there."""
        with suppress(BlockingIOError):  # full: it is awake already
            os.write(self._wake_write, b"x")

    # Below: in the thread alone.

    def _serve(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        sweep()
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._obey)
        while not self._closing:
            try:
                self._turn()
            except Exception:  # the service loop of commands: one bad turn must not end it
                log.exception("a turn of the command thread failed")
        for command in self._running.values():
            command.run.ask_to_stop(Reason.DRAINED)
        self._drop_launcher("the node ends")

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._seconds_to_next_timer()):
            if isinstance(key.data, _Pipe):
                self._read(key.data)
            else:
                key.data()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def _seconds_to_next_timer(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), action))

    def _obey(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._wake_read, 4096):
                pass
        with suppress(Empty):
            while True:
                self._requests.get_nowait()()

    def _begin(self, command: CommandRun) -> None:
        """Start the command, unless the run is to stop already."""
        if command.run.stop_reason() is not None or self._closing:
            _abandon(command)
            return
        ends: list[int] = []
        try:
            link = self._launcher()
            ends = [end for _ in STREAMS for end in os.pipe2(os.O_CLOEXEC)]
            self._running[command.run.run_id] = command
            link.send(_start_message(command), ends[1::2])
        except OSError as error:
            self._running.pop(command.run.run_id, None)
            _close_all(ends)
            command.end({}, problem=f"the command could not be started: {error}")
            return
        _close_all(ends[1::2])
        pipes = [_Pipe(command, stream, end) for stream, end in zip(STREAMS, ends[::2], strict=True)]
        self._pipes[command.run.run_id] = pipes
        for pipe in pipes:
            os.set_blocking(pipe.descriptor, False)
            self._selector.register(pipe.descriptor, selectors.EVENT_READ, pipe)

    def _launcher(self) -> Link:
        if self._link is None:
            self._link = Link()
            self._selector.register(self._link.socket, selectors.EVENT_READ, self._hear)
        return self._link

    def _hear(self) -> None:
        """What the launcher has to tell."""
        try:
            for message in self._link.receive() if self._link else ():
                if message["event"] != "started":
                    self._ended(message)
        except EOFError:
            log.warning("the process that starts commands has gone; its commands are killed")
            self._drop_launcher(LAUNCHER_LOST)

    def _ended(self, message: dict[str, Any], problem: str | None = None) -> None:
        command = self._running.pop(message["run"], None)
        for pipe in self._pipes.pop(message["run"], ()):
            self._read_rest(pipe)
        if command is not None:
            command.end(message if problem is None else {}, problem=problem)

    def _drop_launcher(self, problem: str) -> None:
        """Clear up after the launcher; the next command starts another."""
        if self._link is not None:
            self._selector.unregister(self._link.socket)
            self._link.close()
            self._link = None
        for run_id in list(self._running):
            self._ended({"run": run_id}, problem)

    def _stop(self, command: CommandRun, reason: Reason) -> None:
        """Ask the command to end: at once, or with SIGTERM and after its grace with SIGKILL."""
        if command.ended.is_set() or command.run.run_id not in self._running:
            return
        command.signalled = True
        if reason in _AT_ONCE:
            self._signal(command, signal.SIGKILL)
            return
        self._signal(command, signal.SIGTERM)
        grace = command.settings.stop_grace.total_seconds()
        self._after(grace, lambda: self._signal(command, signal.SIGKILL))

    def _signal(self, command: CommandRun, number: int) -> None:
        if self._link is not None and command.run.run_id in self._running:
            with suppress(OSError):  # the launcher has gone: its end is heard next
                self._link.send({"op": "signal", "run": command.run.run_id, "signal": number})

    def _read(self, pipe: _Pipe) -> None:
        if pipe.descriptor < 0:  # closed earlier in this turn: its command has ended
            return
        data = _read_some(pipe.descriptor)
        if data is None:
            return
        if not data:
            self._close(pipe)
            return
        pipe.command.feed(pipe.stream, data)
        self._slow_down(pipe, len(data))

    def _slow_down(self, pipe: _Pipe, size: int) -> None:
        """Let a flooding stream wait until its window is over: the command is held up by its full pipe."""
        now = time.monotonic()
        if now > pipe.window_ends:
            pipe.window_ends, pipe.window_bytes = now + WINDOW_SECONDS, 0
        pipe.window_bytes += size
        if pipe.window_bytes >= WINDOW_BYTES:
            self._selector.unregister(pipe.descriptor)
            self._after(pipe.window_ends - now, lambda: self._go_on(pipe))

    def _go_on(self, pipe: _Pipe) -> None:
        if pipe.descriptor >= 0:
            self._selector.register(pipe.descriptor, selectors.EVENT_READ, pipe)

    def _read_rest(self, pipe: _Pipe) -> None:
        """What is in the pipe when the command has ended: no more than a pipe holds."""
        for _ in range(32):
            data = _read_some(pipe.descriptor) if pipe.descriptor >= 0 else None
            if not data:
                break
            pipe.command.feed(pipe.stream, data)
        self._close(pipe)

    def _close(self, pipe: _Pipe) -> None:
        if pipe.descriptor >= 0:
            with suppress(KeyError):  # it waits for its window
                self._selector.unregister(pipe.descriptor)
            os.close(pipe.descriptor)
            pipe.descriptor = -1


def _abandon(command: CommandRun) -> None:
    """End a command that never began, since it is to stop or the node ends."""
    command.run.ask_to_stop(Reason.DRAINED)
    command.end({}, problem="the node ends")


def _start_message(command: CommandRun) -> dict[str, Any]:
    folder = command.settings.cwd
    return {
        "op": "start",
        "run": command.run.run_id,
        "argv": command.argv,
        "cwd": str(folder) if folder is not None else None,
        "env": command.environment,
    }


def _read_some(descriptor: int) -> bytes | None:
    """What the pipe holds: empty at its end, None when there is nothing at the moment."""
    try:
        return os.read(descriptor, CHUNK)
    except BlockingIOError:
        return None


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
